/* Loops divided among threads by OpenMP, statically. */
#include "threads_private.h"
#ifdef _OPENMP
#include <omp.h>
#endif

#define LINE 64 /* elements: at least one cache line of any dtype */

#ifdef _OPENMP
static int parts_for(const cn_graph *g, int64_t n, int64_t grain) {
  const int threads = cni_context_of_const(g)->threads;
  if (grain < 1) grain = 1;
  if (threads < 2 || n / 2 < grain || omp_in_parallel()) return 1;
  return n / grain < threads ? (int)(n / grain) : threads;
}
#endif

void cni_parallel(cn_graph *g, int64_t n, int64_t grain, void (*body)(void *ctx, int64_t begin, int64_t end), void *ctx) {
  if (n <= 0) return;
#ifdef _OPENMP
  const int parts = parts_for(g, n, grain);
  if (parts > 1) {
    int64_t each = (n + parts - 1) / parts;
    if (each >= LINE) each = (each + LINE - 1) / LINE * LINE;
#pragma omp parallel for schedule(static, 1) num_threads(parts)
    for (int p = 0; p < parts; p++) {
      const int64_t begin = p * each, end = begin + each < n ? begin + each : n;
      if (begin < end) body(ctx, begin, end);
    }
    return;
  }
#else
  (void)g, (void)grain;
#endif
  body(ctx, 0, n);
}
