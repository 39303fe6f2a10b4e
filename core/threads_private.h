/* Loops divided among threads. */
#ifndef CN_CORE_THREADS_PRIVATE_H
#define CN_CORE_THREADS_PRIVATE_H
#include "context_private.h"

/* Runs body(ctx, begin, end) over ranges that together are 0 .. n-1, each once. The ranges depend on n, grain and the graph's thread count only, so results
 * repeat bit by bit; which thread gets which does not. One range, on the calling thread: when n < 2 * grain, the graph has one thread, or the caller is in a
 * parallel region already. Otherwise each range but a part's last has at least `grain` elements, and its begin is a multiple of 64 where n is at least 64 a
 * thread, so that threads share no cache line. body calls neither BLAS nor cn_fail.
 * Loops over the same memory divide it alike, by its leading rows: what another core has written comes slowly where the two share no cache (a step of
 * mlp_784_b1 took 1.6 times as long while products divided a weight by columns). */
typedef void cni_loop_body(void *ctx, int64_t begin, int64_t end);
void cni_parallel_parts(cn_graph *g, int64_t n, int64_t grain, cni_loop_body *body, void *ctx);
static inline void cni_parallel(cn_graph *g, int64_t n, int64_t grain, cni_loop_body *body, void *ctx) {
  if (n / 2 >= grain) cni_parallel_parts(g, n, grain, body, ctx);
  else if (n > 0) body(ctx, 0, n);
}

/* a / b of numbers that are not negative. In 64 bits a division takes several times as long on many CPUs. */
static inline int64_t cni_quotient(int64_t a, int64_t b) { return (a | b) >> 32 ? a / b : (int64_t)((uint32_t)a / (uint32_t)b); }

/* Elements of a cheap elementwise loop below which a second thread does not pay. */
#define CNI_GRAIN ((int64_t)1 << 14)

#endif
