/* Streams of random numbers. The filling of floats is in the kernels. */
#include "random.h"
#include "kernels_private.h"
#include "philox_private.h"

void cn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] }, k[2] = { key[0], key[1] };
  for (int r = 0; r < 10; r++, k[0] += philox_weyl[0], k[1] += philox_weyl[1]) philox_round(&c[0], &c[1], &c[2], &c[3], k[0], k[1]);
  for (int i = 0; i < 4; i++) out[i] = c[i];
}

static const cni_random_kernels *best(cn_dtype dtype) { return cni_kernels_named(NULL, dtype)->random; }

/* The counter at which n numbers start, which are then used up. */
static uint64_t take(cn_stream *s, int64_t n) {
  const uint64_t counter = s->counter;
  if (n > 0) s->counter += (uint64_t)n;
  return counter;
}

void cn_random_fill_uniform(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double low, double high) {
  best(dtype)->uniform(y, n, s->key, take(s, n), low, high);
}

void cn_random_fill_normal(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double mean, double stddev) {
  best(dtype)->normal(y, n, s->key, take(s, n), mean, stddev);
}

void cn_random_fill_truncated_normal(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double mean, double stddev) {
  best(dtype)->truncated_normal(y, n, s->key, take(s, n), mean, stddev);
}

/* Number i's 64 bits: half a block. */
static uint64_t bits64(uint64_t key, uint64_t i) {
  const uint32_t counter[4] = { (uint32_t)(i / 2), (uint32_t)(i / 2 >> 32), 0, 0 }, k[2] = { (uint32_t)key, (uint32_t)(key >> 32) };
  uint32_t words[4];
  cn_philox(counter, k, words);
  return words[2 * (i % 2)] | (uint64_t)words[2 * (i % 2) + 1] << 32;
}

/* floor(bits range / 2^64): below range, for any range. */
static uint64_t below(uint64_t bits, uint64_t range) {
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)((wide)bits * range >> 64);
}

void cn_random_fill_integers(cn_stream *s, cn_dtype dtype, void *y, int64_t n, int64_t low, int64_t high) {
  const uint64_t first = take(s, n), range = (uint64_t)high - (uint64_t)low;
  for (int64_t i = 0; i < n; i++) {
    const int64_t v = (int64_t)((uint64_t)low + below(bits64(s->key, first + (uint64_t)i), range));
    if (dtype == CN_I32) ((int32_t *)y)[i] = (int32_t)v;
    else ((int64_t *)y)[i] = v;
  }
}

void cn_random_fill_permutation(cn_stream *s, int64_t *y, int64_t n) {
  const uint64_t first = take(s, n);
  for (int64_t i = 0; i < n; i++) y[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t j = (int64_t)below(bits64(s->key, first + (uint64_t)i), (uint64_t)i + 1), kept = y[i];
    y[i] = y[j];
    y[j] = kept;
  }
}
