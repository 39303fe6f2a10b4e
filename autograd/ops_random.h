/* Random tensors and dropout. Numbers come from a Philox stream (core/random.h): the caller's (`stream`, whose counter advances), one made from `seed` (the
 * same numbers at every call), or the graph's. No gradient, but dropout's. */
#ifndef CN_AUTOGRAD_OPS_RANDOM_H
#define CN_AUTOGRAD_OPS_RANDOM_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_STREAM_OPTIONS(X, S)                                                                        \
  X(S, const char *, dtype, "float32", ANY, "float32 or float64")                                      \
  X(S, int64_t, seed, CN_NONE, ANY, "of a stream of this call alone; None: see stream")                \
  X(S, void *, stream, NULL, ANY, "a cn_stream * that advances; NULL: the graph's")
/* Uniform in [minval, maxval). keras.random.uniform. */
#define CN_RANDOM_UNIFORM(X, S)                                                                        \
  X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")                                            \
  X(S, double, minval, 0.0, ANY, "lower bound, included")                                              \
  X(S, double, maxval, 1.0, ANY, "upper bound, excluded")                                              \
  CN_STREAM_OPTIONS(X, S)
CN_OP_DECLARE(random_uniform, CN_RANDOM_UNIFORM)
/* Normal; truncated_normal is cut at two standard deviations. keras.random.normal, truncated_normal. */
#define CN_RANDOM_NORMAL(X, S)                                                                         \
  X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")                                            \
  X(S, double, mean, 0.0, ANY, "mean")                                                                 \
  X(S, double, stddev, 1.0, NONNEGATIVE, "standard deviation")                                         \
  CN_STREAM_OPTIONS(X, S)
CN_OP_DECLARE(random_normal, CN_RANDOM_NORMAL)
CN_OP_DECLARE(random_truncated_normal, CN_RANDOM_NORMAL)
/* Integers in [minval, maxval), int64. keras.random.randint. */
#define CN_RANDOM_INTEGERS(X, S)                                                                       \
  X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")                                            \
  X(S, int64_t, minval, 0, ANY, "lower bound, included")                                               \
  X(S, int64_t, maxval, CN_REQUIRED, ANY, "upper bound, excluded")                                     \
  CN_STREAM_OPTIONS(X, S)
CN_OP_DECLARE(random_integers, CN_RANDOM_INTEGERS)

/* Numbers in the shape and dtype (float32 or float64) of x, whose values do not matter: noise for tensors whose sizes are not known yet. Cornu's own. */
#define CN_LIKE_(X, S)                                                                                 \
  X(S, cn_ints, noise_shape, CN_NONE_INTS, ANY, "shape of the result: 1 or x's size (-1) an axis; None: x's") \
  X(S, int64_t, seed, CN_NONE, ANY, "of a stream of this call alone; None: see stream")                \
  X(S, void *, stream, NULL, ANY, "a cn_stream * that advances; NULL: the graph's")
#define CN_RANDOM_UNIFORM_LIKE(X, S)                                                                   \
  CN_IN(X, S, x, "what the result is like")                                                            \
  X(S, double, minval, 0.0, ANY, "lower bound, included")                                              \
  X(S, double, maxval, 1.0, ANY, "upper bound, excluded")                                              \
  CN_LIKE_(X, S)
#define CN_RANDOM_NORMAL_LIKE(X, S)                                                                    \
  CN_IN(X, S, x, "what the result is like")                                                            \
  X(S, double, mean, 0.0, ANY, "mean")                                                                 \
  X(S, double, stddev, 1.0, NONNEGATIVE, "standard deviation")                                         \
  CN_LIKE_(X, S)
CN_OP_DECLARE(random_uniform_like, CN_RANDOM_UNIFORM_LIKE)
CN_OP_DECLARE(random_normal_like, CN_RANDOM_NORMAL_LIKE)

/* u >= rate ? x / (1 - rate) : 0 with u uniform in [0, 1) (Srivastava et al. 2014). noise_shape: the pattern's shape, 1 where it is shared along an axis, -1
 * for x's size. The second output holds the numbers that the backward pass needs to draw the pattern again. */
#define CN_DROPOUT_OP(X, S)                                                                            \
  CN_IN(X, S, x, "input")                                                                              \
  X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of 0")                                       \
  X(S, cn_ints, noise_shape, CN_NONE_INTS, ANY, "shape of the pattern; None: x's")                     \
  X(S, int64_t, seed, CN_NONE, ANY, "of a stream of this call alone")                                  \
  X(S, void *, stream, NULL, ANY, "a cn_stream * that advances; NULL: the graph's")
CN_OP_DECLARE(dropout, CN_DROPOUT_OP)
#ifndef __cplusplus
#define cn_random_uniform(...) CN_CALL_(random_uniform, CN_RANDOM_UNIFORM, __VA_ARGS__)
#define cn_random_normal(...) CN_CALL_(random_normal, CN_RANDOM_NORMAL, __VA_ARGS__)
#define cn_random_truncated_normal(...) CN_CALL_(random_truncated_normal, CN_RANDOM_NORMAL, __VA_ARGS__)
#define cn_random_integers(...) CN_CALL_(random_integers, CN_RANDOM_INTEGERS, __VA_ARGS__)
#define cn_random_uniform_like(...) CN_CALL_(random_uniform_like, CN_RANDOM_UNIFORM_LIKE, __VA_ARGS__)
#define cn_random_normal_like(...) CN_CALL_(random_normal_like, CN_RANDOM_NORMAL_LIKE, __VA_ARGS__)
#define cn_dropout(...) CN_CALL_(dropout, CN_DROPOUT_OP, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
