/* Operations that change the shape of a tensor or the order of its elements. All dtypes but strings; dtypes are kept. Out-of-range axes are an INDEX error,
 * sizes that do not fit a SHAPE error. Gradients move gy back: y = A x gives gx = A^T gy. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_SHAPE_H
#define CN_AUTOGRAD_OPS_SHAPE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_RESHAPE(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, newshape, CN_EMPTY_INTS, ANY, "sizes, one of which may be -1: what is left")
#define CN_LIST_EXPAND_DIMS(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, axis, CN_EMPTY_INTS, ANY, "where the new axes of size 1 stand in the result")
#define CN_LIST_SQUEEZE(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes of size 1 to remove; None: all of them")
#define CN_LIST_BROADCAST_TO(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "shape of the result")
#define CN_LIST_TRANSPOSE(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, axes, CN_NONE_INTS, ANY, "axis of x that becomes axis i; None: the reverse order")
#define CN_LIST_SWAPAXES(X, S) CN_IN(X, S, x, "input") X(S, int64_t, axis1, CN_REQUIRED, ANY, "first axis") X(S, int64_t, axis2, CN_REQUIRED, ANY, "second axis")
#define CN_LIST_MOVEAXIS(X, S) \
  CN_IN(X, S, x, "input") X(S, cn_ints, source, CN_EMPTY_INTS, ANY, "axes to move") X(S, cn_ints, destination, CN_EMPTY_INTS, ANY, "where they go")
/* The same elements in another shape, without a copy. CN_UNKNOWN as newshape[i] stands for x's size i. `cn_reshape(g, x, CN_INTS(-1, 2))`. */
CN_OP_DECLARE(reshape, CN_LIST_RESHAPE)
/* y = x in one axis, without a copy: [count]. */
CN_OP_DECLARE(ravel, CN_LIST_X)
CN_FUNCTION_X(ravel)
/* New axes of size 1, without a copy. `cn_expand_dims(g, x, CN_INTS(-1))`. */
CN_OP_DECLARE(expand_dims, CN_LIST_EXPAND_DIMS)
/* Without axes of size 1; no copy. An axis of another size is a SHAPE error. */
CN_OP_DECLARE(squeeze, CN_LIST_SQUEEZE)
/* Repeats axes of size 1 and adds axes in front. CN_UNKNOWN as shape[i] stands for the size that x has there. */
CN_OP_DECLARE(broadcast_to, CN_LIST_BROADCAST_TO)
/* y[i_0, ...] = x with axis axes[k] as axis k. */
CN_OP_DECLARE(transpose, CN_LIST_TRANSPOSE)
CN_OP_DECLARE(swapaxes, CN_LIST_SWAPAXES)
/* Axes source[i] become axes destination[i], the others keep their order. */
CN_OP_DECLARE(moveaxis, CN_LIST_MOVEAXIS)

#ifndef __cplusplus
#define cn_reshape(...) CN_CALL_(reshape, CN_LIST_RESHAPE, __VA_ARGS__)
#define cn_expand_dims(...) CN_CALL_(expand_dims, CN_LIST_EXPAND_DIMS, __VA_ARGS__)
#define cn_squeeze(...) CN_CALL_(squeeze, CN_LIST_SQUEEZE, __VA_ARGS__)
#define cn_broadcast_to(...) CN_CALL_(broadcast_to, CN_LIST_BROADCAST_TO, __VA_ARGS__)
#define cn_transpose(...) CN_CALL_(transpose, CN_LIST_TRANSPOSE, __VA_ARGS__)
#define cn_swapaxes(...) CN_CALL_(swapaxes, CN_LIST_SWAPAXES, __VA_ARGS__)
#define cn_moveaxis(...) CN_CALL_(moveaxis, CN_LIST_MOVEAXIS, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
