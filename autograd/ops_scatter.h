/* Sums and the like over groups of rows, and writing to places that indices name. Indices are int32 or int64. Numbers of any dtype but uint8 and bool. Names
 * and meaning: keras.ops (TensorFlow). */
#ifndef CN_AUTOGRAD_OPS_SCATTER_H
#define CN_AUTOGRAD_OPS_SCATTER_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_SEGMENT(X, S)                                                                                                             \
  CN_IN(X, S, data, "rows") CN_IN(X, S, segment_ids, "of each row, rank 1") X(S, int64_t, num_segments, CN_NONE, NONNEGATIVE, "rows of the result; None: the largest id + 1") \
  X(S, bool, sorted, false, ANY, "accepted: the ids may have any order")
#define CN_LIST_SCATTER(X, S) CN_IN(X, S, indices, "[..., k]: places in the first k axes") CN_IN(X, S, values, "what is added there") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")
#define CN_LIST_SCATTER_UPDATE(X, S)                                                                                                      \
  CN_IN(X, S, inputs, "input") CN_IN(X, S, indices, "[..., k]: places in the first k axes") CN_IN(X, S, updates, "the new values")         \
  X(S, const char *, reduction, NULL, ANY, "None: the last update stays; add, max, min or mul: how updates and input combine")

/* y[s] = sum (largest, smallest, product) of the rows of data whose id is s: [num_segments] + data.shape[1:]. Rows with a negative id are left out, an id from
 * num_segments on is an INDEX error. Nothing gives 0, the lowest number, the highest, 1. The gradient of max and min is shared equally among rows that tie. */
CN_OP_DECLARE(segment_sum, CN_LIST_SEGMENT)
CN_OP_DECLARE(segment_max, CN_LIST_SEGMENT)
CN_OP_DECLARE(segment_min, CN_LIST_SEGMENT)
CN_OP_DECLARE(segment_prod, CN_LIST_SEGMENT)
/* Zeros of `shape` with values added at the indices. values: indices.shape[:-1] + shape[k:]. An index out of range is an INDEX error. */
CN_OP_DECLARE(scatter, CN_LIST_SCATTER)
/* inputs with updates at the indices. */
CN_OP_DECLARE(scatter_update, CN_LIST_SCATTER_UPDATE)

#ifndef __cplusplus
#define cn_segment_sum(...) CN_CALL_(segment_sum, CN_LIST_SEGMENT, __VA_ARGS__)
#define cn_segment_max(...) CN_CALL_(segment_max, CN_LIST_SEGMENT, __VA_ARGS__)
#define cn_segment_min(...) CN_CALL_(segment_min, CN_LIST_SEGMENT, __VA_ARGS__)
#define cn_segment_prod(...) CN_CALL_(segment_prod, CN_LIST_SEGMENT, __VA_ARGS__)
#define cn_scatter(...) CN_CALL_(scatter, CN_LIST_SCATTER, __VA_ARGS__)
#define cn_scatter_update(...) CN_CALL_(scatter_update, CN_LIST_SCATTER_UPDATE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
