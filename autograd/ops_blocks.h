/* Cutting and folding: parts of unequal size, blocks of pixels as channels, patches as columns, flat indices as indices an axis. Dtypes are kept. Names and
 * meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_BLOCKS_H
#define CN_AUTOGRAD_OPS_BLOCKS_H
#include "op.h"
#include "ops_slice.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_BLOCK(X, S)                                                                                                                   \
  CN_IN(X, S, x, "images of rank 4") X(S, int64_t, block_size, CN_REQUIRED, POSITIVE, "rows and columns of a block")                          \
  X(S, const char *, data_format, NULL, DATA_FORMAT, "channels_last (None) or channels_first")
#define CN_UNFOLD_(X, S)                                                                                                                      \
  X(S, cn_size, kernel_size, { { 0 } }, POSITIVE, "of a patch, one number or one an axis") X(S, cn_size, dilation, { { 1 } }, POSITIVE, "between a patch's pixels")            \
  X(S, cn_ints, padding, CN_EMPTY_INTS, NONNEGATIVE, "zeros around, one number or one an axis; none given: 0") X(S, cn_size, stride, { { 1 } }, POSITIVE, "from patch to patch")
#define CN_LIST_UNFOLD(X, S) CN_IN(X, S, x, "[batch, channels, height, width]") CN_UNFOLD_(X, S)
#define CN_LIST_FOLD(X, S) CN_IN(X, S, x, "[batch, channels kernel, places]") X(S, cn_size, output_size, { { 0 } }, POSITIVE, "height and width of the result") CN_UNFOLD_(X, S)
#define CN_LIST_DIAGFLAT(X, S) CN_IN(X, S, x, "input") X(S, int64_t, k, 0, ANY, "which diagonal: 0 the main one, above it positive")
#define CN_LIST_UNRAVEL(X, S) CN_IN(X, S, indices, "into the flattened elements, int32 or int64") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the tensor that they point into")

/* split where a number of parts need not divide the size n: the first n mod parts have one element more. */
CN_OP_DECLARE(array_split, CN_LIST_SPLIT)
/* [batch, h b, w b, c / b^2]: channel (i b + j) c / b^2 + k of pixel (y, x) is channel k of pixel (y b + i, x b + j). */
CN_OP_DECLARE(depth_to_space, CN_LIST_BLOCK)
/* Its inverse: [batch, h / b, w / b, c b^2]. */
CN_OP_DECLARE(space_to_depth, CN_LIST_BLOCK)
/* [batch, channels kernel, places]: each patch is a column, its channels one after the other. Floats. */
CN_OP_DECLARE(unfold, CN_LIST_UNFOLD)
/* The transpose of unfold, [batch, channels, height, width]: each pixel the sum of what the columns say of it. */
CN_OP_DECLARE(fold, CN_LIST_FOLD)
/* A square matrix with the elements of x on the k-th diagonal. */
CN_OP_DECLARE(diagflat, CN_LIST_DIAGFLAT)
/* One tensor an axis of `shape`: (i / steps) mod size. A negative index counts from the end. No gradient. */
CN_OP_DECLARE(unravel_index, CN_LIST_UNRAVEL)

#ifndef __cplusplus
#define cn_array_split(...) CN_CALL_OUTPUTS_(array_split, CN_LIST_SPLIT, __VA_ARGS__)
/* split along the first, the second (of a vector: the only) and the third axis: cn_vsplit(g, x, CN_INTS(2)). */
#define cn_vsplit(g, x, ...) cn_split(g, x, __VA_ARGS__, .axis = 0)
#define cn_hsplit(g, x, ...) cn_split(g, x, __VA_ARGS__, .axis = cn_rank(x) > 1)
#define cn_dsplit(g, x, ...) cn_split(g, x, __VA_ARGS__, .axis = 2)
#define cn_depth_to_space(...) CN_CALL_(depth_to_space, CN_LIST_BLOCK, __VA_ARGS__)
#define cn_space_to_depth(...) CN_CALL_(space_to_depth, CN_LIST_BLOCK, __VA_ARGS__)
#define cn_unfold(...) CN_CALL_(unfold, CN_LIST_UNFOLD, __VA_ARGS__)
#define cn_fold(...) CN_CALL_(fold, CN_LIST_FOLD, __VA_ARGS__)
#define cn_diagflat(...) CN_CALL_(diagflat, CN_LIST_DIAGFLAT, __VA_ARGS__)
#define cn_unravel_index(...) CN_CALL_OUTPUTS_(unravel_index, CN_LIST_UNRAVEL, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
