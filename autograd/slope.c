#include "slope_private.h"
#include "../core/threads_private.h"
#include "elementwise_private.h"
#include "ops.h"

#define MOST_PARTS 64

typedef struct slope { const cni_kernels *k; char *d, *sums; const char *gy, *y; int64_t rows, units, parts; size_t w; int activation; } slope;

/* The rows from `at` bytes on. */
static void slope_rows(const slope *s, size_t at, char *sums, int64_t rows) {
  if (!s->activation) s->k->sum(sums, s->gy + at, 1, rows, s->units);
  else if (sums) s->k->bias_activation_grad(s->d + at, sums, s->gy + at, s->y + at, rows, s->units, s->activation);
  else s->k->activation_grad(s->d + at, s->gy + at, s->y + at, rows * s->units, s->activation);
}

/* Each part has the sums of its rows. */
static void slope_parts(void *ctx, int64_t begin, int64_t end) {
  const slope *s = ctx;
  for (int64_t p = begin; p < end; p++) {
    const int64_t first = s->rows * p / s->parts, rows = s->rows * (p + 1) / s->parts - first;
    slope_rows(s, (size_t)(first * s->units) * s->w, s->sums ? s->sums + (size_t)(p * s->units) * s->w : NULL, rows);
  }
}

static int64_t parts_of(const cn_graph *g, const slope *s) {
  const int64_t count = s->rows * s->units;
  if (count < 2 * CNI_GRAIN) return 1;
  const int64_t threads = g->core.threads < MOST_PARTS ? g->core.threads : MOST_PARTS;
  if (threads < 2 || s->rows < 2 * threads) return 1;
  return count / CNI_GRAIN < threads ? count / CNI_GRAIN : threads;
}

static cn_code slope_run(cn_graph *g, slope *s, void *gbias) {
  s->parts = parts_of(g, s);
  s->sums = gbias;
  if (s->parts == 1) return slope_rows(s, 0, gbias, s->rows), CN_OK;
  if (!gbias) return cni_parallel(g, s->parts, 1, slope_parts, s), CN_OK;
  cni_buffer *sums = cni_buffer_take(g, (size_t)(s->parts * s->units) * s->w, false);
  if (!sums) return CN_NO_MEMORY;
  s->sums = sums->data;
  cni_parallel(g, s->parts, 1, slope_parts, s);
  s->k->sum(gbias, s->sums, 1, s->parts, s->units);
  cni_buffer_drop(g, sums, false);
  return CN_OK;
}

cn_code cni_slope_take(const cn_call *c, cni_slope *to, int64_t units, int activation, void *gbias) {
  const cn_tensor *y = c->y[0];
  const size_t w = y->dtype == CN_F64 ? 8 : 4, size = (size_t)(y->count ? y->count : 1) * w;
  const int64_t rows = units ? cni_quotient(y->count, units) : 0;
  slope s = { .k = cni_kernels_of(c), .gy = c->gy[0], .y = y->data, .rows = rows, .units = units, .w = w, .activation = activation };
  to->d = c->gy[0];
  to->own = NULL;
  if (activation) {
    if (size > sizeof to->small && !(to->own = cni_buffer_take(c->graph, size, false))) return CN_NO_MEMORY;
    to->d = s.d = to->own ? to->own->data : to->small.bytes;
  }
  return activation || gbias ? slope_run(c->graph, &s, gbias) : CN_OK;
}

void cni_slope_drop(cn_graph *g, cni_slope *s) {
  if (s->own) cni_buffer_drop(g, s->own, false);
}

cn_tensor *cni_slope_of(cn_graph *g, int activation, cn_tensor *gy, cn_tensor *y) {
  switch (activation) {
  case CNI_FUSED_RELU: return cn_where(g, cn_less_equal(g, y, NUMBER(y, 0)), NUMBER(y, 0), gy);
  case CNI_FUSED_TANH: return cn_multiply(g, gy, cn_shift(g, cn_negative(g, cn_square(g, y)), 1));
  case CNI_FUSED_SIGMOID: return cn_multiply(g, gy, cn_multiply(g, y, cn_shift(g, cn_negative(g, y), 1)));
  default: return gy;
  }
}
