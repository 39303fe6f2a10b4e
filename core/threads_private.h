/* Loops divided among threads. */
#ifndef CN_CORE_THREADS_PRIVATE_H
#define CN_CORE_THREADS_PRIVATE_H
#include "context_private.h"

/* Runs body(ctx, begin, end) over ranges that together are 0 .. n-1, each once. The ranges depend on n, grain and the graph's thread count only, so results
 * repeat bit by bit; which thread gets which does not. One range, on the calling thread: when n < 2 * grain, the graph has one thread, or the caller is in a
 * parallel region already. Otherwise each range but a part's last has at least `grain` elements, and its begin is a multiple of 64 where n is at least 64 a
 * thread, so that threads share no cache line. body calls neither BLAS nor cn_fail. */
typedef void cni_loop_body(void *ctx, int64_t begin, int64_t end);
void cni_parallel_parts(cn_graph *g, int64_t n, int64_t grain, cni_loop_body *body, void *ctx);
static inline void cni_parallel(cn_graph *g, int64_t n, int64_t grain, cni_loop_body *body, void *ctx) {
  if (n / 2 >= grain) cni_parallel_parts(g, n, grain, body, ctx);
  else if (n > 0) body(ctx, 0, n);
}

/* Asks for the first lines of a row of a large table that will be read soon: its rows are scattered, and nothing but the caller can foresee them. Into the
 * second cache: the first has too few misses in flight (measured on Zen 4: 95 us instead of 130 for the update of 6144 rows of 512 bytes, 240 without). */
static inline void cni_prefetch(const void *p, size_t bytes) {
  const size_t most = bytes < 512 ? bytes : 512;
  for (size_t i = 0; i < most; i += 64) __builtin_prefetch((const char *)p + i, 0, 2);
}
/* The same for a row that will be written: its lines are asked for as the only copy, so that a store need not wait until another core gives up its own (Zen 3,
 * two threads: 140 us instead of 280 for that update). The compilers leave the instruction to CPUs that they know to have it; where it is missing it does
 * nothing. */
static inline void cni_prefetch_written(const void *p, size_t bytes) {
  const size_t most = bytes < 512 ? bytes : 512;
#ifdef __x86_64__
  for (size_t i = 0; i < most; i += 64) __asm__ volatile("prefetchw %0" : : "m"(((const char *)p)[i]));
#else
  for (size_t i = 0; i < most; i += 64) __builtin_prefetch((const char *)p + i, 1, 2);
#endif
}
#define CNI_AHEAD 12 /* rows */

/* Elements of a cheap elementwise loop below which a second thread does not pay. */
#define CNI_GRAIN ((int64_t)1 << 14)

#endif
