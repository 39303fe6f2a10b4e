/* Look-ups by tensors of indices, and their transposes. Indices are int32 or int64; negative ones count from the end; one out of range is an INDEX error before
 * anything is computed: `take: index 9 is out of range for axis 0 of size 3`. Values may have any dtype but string. Names and meaning: keras.ops; take_rows,
 * scatter_rows and scatter_along_axis are their pieces and gradients. */
#ifndef CN_AUTOGRAD_OPS_INDEX_H
#define CN_AUTOGRAD_OPS_INDEX_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_TAKE(X, S) CN_IN(X, S, x, "values") CN_IN(X, S, indices, "where") X(S, int64_t, axis, CN_NONE, ANY, "axis to take from; None: the flattened elements")
#define CN_LIST_TAKE_ROWS(X, S) CN_IN(X, S, x, "values") CN_IN(X, S, indices, "rows to take")
#define CN_LIST_SCATTER_ROWS(X, S) \
  CN_IN(X, S, values, "slices") CN_IN(X, S, indices, "where they go") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result") X(S, int64_t, axis, 0, ANY, "that the indices count along")
#define CN_LIST_TAKE_ALONG_AXIS(X, S) CN_IN(X, S, x, "values") CN_IN(X, S, indices, "where") X(S, int64_t, axis, CN_NONE, ANY, "axis; None: the flattened elements")
#define CN_LIST_SCATTER_ALONG_AXIS(X, S) \
  CN_IN(X, S, values, "elements") CN_IN(X, S, indices, "where they go") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result") X(S, int64_t, axis, CN_REQUIRED, ANY, "that the indices count along")
#define CN_LIST_ONE_HOT(X, S)                                                                                                                                                  \
  CN_IN(X, S, x, "integers") X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "size of the new axis") X(S, int64_t, axis, -1, ANY, "where it stands in the result") \
  X(S, const char *, dtype, NULL, DTYPE, "of the result; None: float32")

/* y = x at the indices along an axis: x.shape[:axis] + indices.shape + x.shape[axis+1:]; without an axis of the flattened x: indices.shape. cn_take with axis 0
 * records take_rows. */
CN_OP_DECLARE(take, CN_LIST_TAKE)
CN_API cn_tensor *cn_take_run(const cn_take_args *args);
/* take along axis 0: y[i...] = x[indices[i...]]. The gradient of a variable that is only read this way stays sparse (cn_grad_rows). */
CN_OP_DECLARE(take_rows, CN_LIST_TAKE_ROWS)
static inline cn_tensor *cn_take_rows(cn_graph *g, cn_tensor *x, cn_tensor *indices) {
  const cn_take_rows_args o = { g, x, indices };
  return cn_apply(g, &cn_op_take_rows, &o)[0];
}
/* The transpose of take: zeros of `shape` to which values' slices are added at the indices. values: shape[:axis] + indices.shape + shape[axis+1:]. */
CN_OP_DECLARE(scatter_rows, CN_LIST_SCATTER_ROWS)
/* y[.., i, ..] = x[.., indices[.., i, ..], ..] along the axis; the other sizes of x and indices broadcast. */
CN_OP_DECLARE(take_along_axis, CN_LIST_TAKE_ALONG_AXIS)
/* The transpose of take_along_axis: zeros of `shape` to which each element is added at its index. */
CN_OP_DECLARE(scatter_along_axis, CN_LIST_SCATTER_ALONG_AXIS)
/* y[.., k, ..] = 1 where x == k, else 0; an integer outside 0 .. num_classes-1 gives zeros. */
CN_OP_DECLARE(one_hot, CN_LIST_ONE_HOT)

#ifndef __cplusplus
#define cn_take(...) CN_WITH_OPTIONS_(cn_tensor *, cn_take_args, CN_LIST_TAKE, cn_take_run, __VA_ARGS__)
#define cn_scatter_rows(...) CN_CALL_(scatter_rows, CN_LIST_SCATTER_ROWS, __VA_ARGS__)
#define cn_take_along_axis(...) CN_CALL_(take_along_axis, CN_LIST_TAKE_ALONG_AXIS, __VA_ARGS__)
#define cn_scatter_along_axis(...) CN_CALL_(scatter_along_axis, CN_LIST_SCATTER_ALONG_AXIS, __VA_ARGS__)
#define cn_one_hot(...) CN_CALL_(one_hot, CN_LIST_ONE_HOT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
