/* Tensors out of numbers, as operations of keras.ops. From C the typed functions of tensor.h (cn_zeros, cn_ones, cn_full, cn_arange, cn_zeros_like,
 * cn_ones_like) do the same; these are for programs that call operations by name. No gradient. */
#ifndef CN_AUTOGRAD_OPS_CREATE_H
#define CN_AUTOGRAD_OPS_CREATE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_SHAPED(X, S) X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: float32")
#define CN_LIST_FULL(X, S) \
  X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result") X(S, double, fill_value, CN_REQUIRED_REAL, ANY, "each element") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: float32")
#define CN_LIST_LIKE(X, S) CN_IN(X, S, x, "that gives the shape") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: x's")
#define CN_LIST_FULL_LIKE(X, S) CN_IN(X, S, x, "that gives the shape") X(S, double, fill_value, CN_REQUIRED_REAL, ANY, "each element") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: x's")
#define CN_LIST_ARANGE(X, S)                                                                                                                 \
  X(S, double, start, CN_REQUIRED_REAL, ANY, "first number; the end, from 0 on, where stop is None") X(S, double, stop, CN_NONE_REAL, ANY, "end, not included") \
  X(S, double, step, CN_NONE_REAL, ANY, "difference; None: 1") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: int32 where all are whole numbers, else float32")

/* A tensor of a shape whose elements are 0, 1, 0, fill_value. A negative size is a VALUE error. */
CN_OP_DECLARE(zeros, CN_LIST_SHAPED)
CN_OP_DECLARE(ones, CN_LIST_SHAPED)
CN_OP_DECLARE(empty, CN_LIST_SHAPED)
CN_OP_DECLARE(full, CN_LIST_FULL)
/* The same of x's shape. */
CN_OP_DECLARE(zeros_like, CN_LIST_LIKE)
CN_OP_DECLARE(ones_like, CN_LIST_LIKE)
CN_OP_DECLARE(empty_like, CN_LIST_LIKE)
CN_OP_DECLARE(full_like, CN_LIST_FULL_LIKE)
/* [ceil((stop - start) / step)]: start, start + step, ...; step 0 is a VALUE error. */
CN_OP_DECLARE(arange, CN_LIST_ARANGE)

#ifndef __cplusplus
#define cn_empty(...) CN_CALL_(empty, CN_LIST_SHAPED, __VA_ARGS__)
#define cn_empty_like(...) CN_CALL_(empty_like, CN_LIST_LIKE, __VA_ARGS__)
#define cn_full_like(...) CN_CALL_(full_like, CN_LIST_FULL_LIKE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
