/* Pooling over 1, 2 or 3 spatial axes: inputs [n, spatial ..., c] (channels_last, also for None) or [n, c, spatial ...] (channels_first). Floats only. Sizes
 * that are not positive, another rank, an unknown padding or data format are refused. Names and meaning: keras.ops; average_unpool and adaptive_average_unpool
 * are Cornu's own. */
#ifndef CN_AUTOGRAD_OPS_POOL_H
#define CN_AUTOGRAD_OPS_POOL_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_POOL_FORMAT_(X, S) X(S, const char *, data_format, NULL, DATA_FORMAT, "channels_last (also for None) or channels_first")
#define CN_POOL_WINDOW_(X, S)                                                                                                                                          \
  X(S, cn_size, pool_size, { { 0 } }, POSITIVE, "of the window, one number or one an axis") X(S, cn_size, strides, { { CN_NONE } }, POSITIVE, "between windows; None: pool_size") \
  X(S, const char *, padding, "valid", ANY, "valid, or same: the output has size / strides elements, rounded up") CN_POOL_FORMAT_(X, S)
#define CN_LIST_POOL(X, S) CN_IN(X, S, inputs, "input of rank 3 to 5") CN_POOL_WINDOW_(X, S)
#define CN_LIST_ADAPTIVE_POOL(X, S) CN_IN(X, S, inputs, "input of rank 3 to 5") X(S, cn_size, output_size, { { 0 } }, POSITIVE, "spatial sizes of the result") CN_POOL_FORMAT_(X, S)
#define CN_LIST_UNPOOL(X, S) CN_IN(X, S, x, "of average_pool's result's shape") CN_POOL_WINDOW_(X, S) X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the pooled input")
#define CN_LIST_ADAPTIVE_UNPOOL(X, S)                                                                                                                                        \
  CN_IN(X, S, x, "of adaptive_average_pool's result's shape") X(S, cn_size, output_size, { { 0 } }, POSITIVE, "spatial sizes of x") CN_POOL_FORMAT_(X, S) \
  X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the pooled input")

/* The largest element of each window; the gradient goes to the first of those that tie. The second output (int32) is its place among the spatial positions. A
 * window larger than the input has no place: size 0 (an error with three spatial axes). */
CN_OP_DECLARE(max_pool, CN_LIST_POOL)
/* The mean over each window; padding does not count. */
CN_OP_DECLARE(average_pool, CN_LIST_POOL)
/* Windows i of n cover floor(i size / n) .. ceil((i + 1) size / n) - 1 of each axis. */
CN_OP_DECLARE(adaptive_max_pool, CN_LIST_ADAPTIVE_POOL)
CN_OP_DECLARE(adaptive_average_pool, CN_LIST_ADAPTIVE_POOL)
/* The transposes of the averages: zeros of `shape` to whose windows each element is added, divided by the window's size. */
CN_OP_DECLARE(average_unpool, CN_LIST_UNPOOL)
CN_OP_DECLARE(adaptive_average_unpool, CN_LIST_ADAPTIVE_UNPOOL)

#ifndef __cplusplus
#define cn_max_pool(...) CN_CALL_(max_pool, CN_LIST_POOL, __VA_ARGS__)
#define cn_average_pool(...) CN_CALL_(average_pool, CN_LIST_POOL, __VA_ARGS__)
#define cn_adaptive_max_pool(...) CN_CALL_(adaptive_max_pool, CN_LIST_ADAPTIVE_POOL, __VA_ARGS__)
#define cn_adaptive_average_pool(...) CN_CALL_(adaptive_average_pool, CN_LIST_ADAPTIVE_POOL, __VA_ARGS__)
#define cn_average_unpool(...) CN_CALL_(average_unpool, CN_LIST_UNPOOL, __VA_ARGS__)
#define cn_adaptive_average_unpool(...) CN_CALL_(adaptive_average_unpool, CN_LIST_ADAPTIVE_UNPOOL, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
