/* Loops divided among threads by OpenMP. Every thread has a part of its own, taken in chunks from the front; one that is done helps with what the others have
 * left, so that uneven work, or a core that is needed elsewhere, does not keep the rest waiting. */
#include "threads_private.h"
#ifdef _OPENMP
#include <omp.h>
#include <stdatomic.h>

#define LINE 64       /* bytes of a cache line; also elements: at least one line of any dtype */
#define CHUNKS 8      /* of a part, where they keep the grain */
#define MOST_PARTS 64

static int parts_for(const cn_graph *g, int64_t n, int64_t grain) {
  int threads = cni_context_of_const(g)->threads;
  if (threads > MOST_PARTS) threads = MOST_PARTS;
  if (threads < 2 || n / 2 < grain || omp_in_parallel()) return 1;
  return n / grain < threads ? (int)(n / grain) : threads;
}

static int64_t lines(int64_t n) { return (n + LINE - 1) / LINE * LINE; }

/* What is left of one part; on a line of its own. */
typedef struct share { _Alignas(LINE) _Atomic int64_t next; int64_t end; } share;

static void take_chunks(share *s, int64_t chunk, cni_loop_body *body, void *ctx) {
  int64_t begin;
  while ((begin = atomic_fetch_add_explicit(&s->next, chunk, memory_order_relaxed)) < s->end) body(ctx, begin, begin + chunk < s->end ? begin + chunk : s->end);
}

static void in_parts(int parts, int64_t n, int64_t grain, cni_loop_body *body, void *ctx) {
  int64_t each = (n + parts - 1) / parts, chunk = each / CHUNKS + 1 > grain ? each / CHUNKS + 1 : grain;
  if (each >= LINE) each = lines(each), chunk = lines(chunk);
  share shares[MOST_PARTS];
  for (int p = 0; p < parts; p++) {
    atomic_init(&shares[p].next, p * each);
    shares[p].end = (p + 1) * each < n ? (p + 1) * each : n;
  }
#pragma omp parallel num_threads(parts)
  {
    const int own = omp_get_thread_num();
    for (int p = 0; p < parts; p++) take_chunks(&shares[(own + p) % parts], chunk, body, ctx);
  }
}
#endif

void cni_parallel_parts(cn_graph *g, int64_t n, int64_t grain, cni_loop_body *body, void *ctx) {
  if (n <= 0) return;
#ifdef _OPENMP
  const int64_t least = grain < 1 ? 1 : grain;
  const int parts = parts_for(g, n, least);
  if (parts > 1) {
    in_parts(parts, n, least, body, ctx);
    return;
  }
#else
  (void)g, (void)grain;
#endif
  body(ctx, 0, n);
}
