/* Elementwise operations that are made of others, and Bessel functions. Floats only (an integer is a DTYPE error) unless said otherwise. Names and meaning
 * as in keras.ops; bessel_i is the piece that i0's gradients are made of. */
#ifndef CN_AUTOGRAD_OPS_SPECIAL_H
#define CN_AUTOGRAD_OPS_SPECIAL_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_BESSEL_I(X, S) CN_IN(X, S, x, "input") X(S, int64_t, order, 0, NONNEGATIVE, "n of I_n")
#define CN_LIST_NAN_TO_NUM(X, S)                                                                                                              \
  CN_IN(X, S, x, "input") X(S, double, nan, 0.0, ANY, "in place of NaN") X(S, double, posinf, CN_NONE_REAL, ANY, "in place of infinity; None: the largest number") \
  X(S, double, neginf, CN_NONE_REAL, ANY, "in place of minus infinity; None: the smallest number")

#define CN_LIST_ISCLOSE(X, S)                                                                                                                  \
  CN_IN(X, S, x1, "left") CN_IN(X, S, x2, "right") X(S, double, rtol, 1e-5, ANY, "allowed difference as a part of |x2|") X(S, double, atol, 1e-8, ANY, "what is added to it") \
  X(S, bool, equal_nan, false, ANY, "whether NaN is close to NaN")

/* I_n(x), the modified Bessel function of the first kind; dx = dy (I_{n-1} + I_{n+1}) / 2. */
CN_OP_DECLARE(bessel_i, CN_LIST_BESSEL_I)
CN_OP_DECLARE(i0, CN_LIST_X) CN_FUNCTION_X(i0)                 /* I_0(x) */
CN_OP_DECLARE(cbrt, CN_LIST_X) CN_FUNCTION_X(cbrt)             /* sign(x) |x|^(1/3) */
CN_OP_DECLARE(deg2rad, CN_LIST_X) CN_FUNCTION_X(deg2rad)       /* x pi / 180 */
CN_OP_DECLARE(rad2deg, CN_LIST_X) CN_FUNCTION_X(rad2deg)       /* x 180 / pi */
CN_OP_DECLARE(sinc, CN_LIST_X) CN_FUNCTION_X(sinc)             /* sin(pi x) / (pi x), 1 at 0 with gradient 0 */
CN_OP_DECLARE(logaddexp2, CN_LIST_AB) CN_FUNCTION_AB(logaddexp2) /* log2(2^a + 2^b) */
CN_OP_DECLARE(swish, CN_LIST_X) CN_FUNCTION_X(swish)           /* silu */
CN_OP_DECLARE(hard_swish, CN_LIST_X) CN_FUNCTION_X(hard_swish) /* hard_silu */
CN_OP_DECLARE(fabs, CN_LIST_X) CN_FUNCTION_X(fabs)             /* |x| */
CN_OP_DECLARE(absolute, CN_LIST_X) CN_FUNCTION_X(absolute)     /* |x| (integers too) */
CN_OP_DECLARE(true_divide, CN_LIST_AB) CN_FUNCTION_AB(true_divide) /* a / b */
CN_OP_DECLARE(fmax, CN_LIST_AB) CN_FUNCTION_AB(fmax)           /* the larger; a number wins over NaN */
CN_OP_DECLARE(fmin, CN_LIST_AB) CN_FUNCTION_AB(fmin)           /* the smaller; likewise */
CN_OP_DECLARE(isposinf, CN_LIST_X) CN_FUNCTION_X(isposinf)     /* bool: x = inf */
CN_OP_DECLARE(isneginf, CN_LIST_X) CN_FUNCTION_X(isneginf)     /* bool: x = -inf */
/* x with other numbers in place of NaN and the infinities, where the gradient is 0. */
CN_OP_DECLARE(nan_to_num, CN_LIST_NAN_TO_NUM)

/* 0 where a < 0, b where a is 0, 1 where a > 0; NaN where a is. */
CN_OP_DECLARE(heaviside, CN_LIST_AB) CN_FUNCTION_AB(heaviside)
/* Whether the sign is minus, that of -0 too: bool. Any numbers. */
CN_OP_DECLARE(signbit, CN_LIST_X) CN_FUNCTION_X(signbit)
/* Whether |x1 - x2| <= atol + rtol |x2|: bool, for each element or (allclose) for all. Equal infinities are close, NaN to NaN only with equal_nan. Any
 * numbers of one dtype, integers as float64. */
CN_OP_DECLARE(isclose, CN_LIST_ISCLOSE)
CN_OP_DECLARE(allclose, CN_LIST_ISCLOSE)

#ifndef __cplusplus
#define cn_isclose(...) CN_CALL_(isclose, CN_LIST_ISCLOSE, __VA_ARGS__)
#define cn_allclose(...) CN_CALL_(allclose, CN_LIST_ISCLOSE, __VA_ARGS__)
#define cn_bessel_i(...) CN_CALL_(bessel_i, CN_LIST_BESSEL_I, __VA_ARGS__)
#define cn_nan_to_num(...) CN_CALL_(nan_to_num, CN_LIST_NAN_TO_NUM, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
