/* Elementwise operations of two inputs, with NumPy broadcasting. Both inputs have one dtype, else a DTYPE error; shapes that do not broadcast are a SHAPE
 * error. Names and meaning as in keras.ops. */
#ifndef CN_AUTOGRAD_OPS_BINARY_H
#define CN_AUTOGRAD_OPS_BINARY_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_BINARY_DECLARE(op) CN_OP_DECLARE(op, CN_LIST_AB) CN_FUNCTION_AB(op)
/* Any numeric dtype. */
CN_BINARY_DECLARE(add)                /* a + b */
CN_BINARY_DECLARE(subtract)           /* a - b */
CN_BINARY_DECLARE(multiply)           /* a b */
CN_BINARY_DECLARE(maximum)            /* the larger; NaN wins; a tie shares the gradient equally */
CN_BINARY_DECLARE(minimum)            /* the smaller; likewise */
CN_BINARY_DECLARE(floor_divide)       /* floor(a / b); an integer divided by 0 is 0 */
CN_BINARY_DECLARE(mod)                /* a - b floor(a / b): has the sign of b */
/* Floats only. */
CN_BINARY_DECLARE(divide)             /* a / b */
CN_BINARY_DECLARE(divide_no_nan)      /* a / b, 0 where b is 0 */
CN_BINARY_DECLARE(power)              /* a^b */
CN_BINARY_DECLARE(squared_difference) /* (a - b)^2 */
CN_BINARY_DECLARE(arctan2)            /* angle of the point (b, a) in (-pi, pi]; the gradient at the origin is 0 */
CN_BINARY_DECLARE(hypot)              /* sqrt(a^2 + b^2); the gradient at the origin is 0 */
CN_BINARY_DECLARE(fmod)               /* a - b trunc(a / b): has the sign of a */
CN_BINARY_DECLARE(logaddexp)          /* ln(e^a + e^b) */
/* Bool results; no gradient. */
CN_BINARY_DECLARE(equal)
CN_BINARY_DECLARE(not_equal)
CN_BINARY_DECLARE(less)
CN_BINARY_DECLARE(less_equal)
CN_BINARY_DECLARE(greater)
CN_BINARY_DECLARE(greater_equal)
CN_BINARY_DECLARE(logical_and)        /* of any dtype: not 0 counts as true */
CN_BINARY_DECLARE(logical_or)
CN_BINARY_DECLARE(logical_xor)
/* Integers and bool. */
CN_BINARY_DECLARE(bitwise_and)
CN_BINARY_DECLARE(bitwise_or)
CN_BINARY_DECLARE(bitwise_xor)
CN_BINARY_DECLARE(left_shift)
CN_BINARY_DECLARE(right_shift)

#define CN_WHERE(X, S)                                                    \
  CN_IN(X, S, condition, "bool, or any number: not 0 counts as true")     \
  CN_IN(X, S, x1, "taken where the condition holds")                      \
  CN_IN(X, S, x2, "taken elsewhere")
/* condition ? x1 : x2, all three broadcast. */
CN_OP_DECLARE(where, CN_WHERE)
static inline cn_tensor *cn_where(cn_graph *g, cn_tensor *condition, cn_tensor *x1, cn_tensor *x2) {
  const cn_where_args o = { g, condition, x1, x2 };
  return cn_apply(g, &cn_op_where, &o)[0];
}

#ifdef __cplusplus
}
#endif
#endif
