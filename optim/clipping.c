/* Norms of gradients. */
#include <math.h>
#include "optimizer_private.h"

#define PARTS 64
#define LEAST_PART ((int64_t)1 << 15)

typedef struct parts { const cni_kernels *k; const char *x; int64_t n, each; size_t size; double sum[PARTS]; } parts;

static void sum_parts(void *ctx, int64_t begin, int64_t end) {
  parts *p = ctx;
  for (int64_t i = begin; i < end; i++) {
    const int64_t from = i * p->each, to = from + p->each < p->n ? from + p->each : p->n;
    p->sum[i] = p->k->sum_squares(p->x + (size_t)from * p->size, to - from);
  }
}

/* The parts do not depend on the number of threads, so neither does the sum. */
double cni_sum_squares(cn_graph *g, const void *x, int64_t n, cn_dtype dtype) {
  const cni_kernels *k = cni_kernels_for(g, dtype);
  if (n <= LEAST_PART) return n ? k->sum_squares(x, n) : 0;
  parts p = { .k = k, .x = x, .n = n, .each = (n + PARTS - 1) / PARTS, .size = cn_dtype_size(dtype) };
  if (p.each < LEAST_PART) p.each = LEAST_PART;
  const int64_t count = (n + p.each - 1) / p.each;
  cni_parallel(g, count, 1, sum_parts, &p);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += p.sum[i];
  return sum;
}

double cni_clip_factor(double norm, double limit) { return isnan(norm) ? norm : norm > limit ? limit / norm : 1; }
