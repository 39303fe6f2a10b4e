/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * Number i of a stream depends on the stream's key and i only, so results do not depend on threads or on how a batch is split. */
#ifndef CN_CORE_RANDOM_H
#define CN_CORE_RANDOM_H
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A stream: key from a seed, counter = index of the next number. Copy it to save it. */
typedef struct cn_stream {
  uint64_t key;
  uint64_t counter;
} cn_stream;

/* One block: out[4] = philox4x32_10(counter[4], key[2]). */
CN_API void cn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Each fills y[0..n) with the stream's numbers counter .. counter + n - 1 and advances the counter by n. Number i is made from block i / 4 (two words a number
 * for f64: block i / 2). uniform: low + (high - low) * u, u in [0, 1) with 24 (f32) or 53 (f64) bits. normal: Box-Muller, mean + stddev * z. truncated normal:
 * mean + stddev * z, |z| < 2, by the inverse distribution function of a u in the kept range (one number an element, no rejection). dtype: CN_F32 or CN_F64. */
CN_API void cn_random_fill_uniform(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double low, double high);
CN_API void cn_random_fill_normal(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double mean, double stddev);
CN_API void cn_random_fill_truncated_normal(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double mean, double stddev);
/* Integers in [low, high), without modulo bias beyond 2^-64 (128-bit multiply). dtype: CN_I32 or CN_I64. */
CN_API void cn_random_fill_integers(cn_stream *s, cn_dtype dtype, void *y, int64_t n, int64_t low, int64_t high);
/* y = a random permutation of 0 .. n-1 (Fisher-Yates); advances the counter by n. */
CN_API void cn_random_fill_permutation(cn_stream *s, int64_t *y, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
