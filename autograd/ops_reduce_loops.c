/* Loops of the reductions: [outer, n, inner] to [outer, inner], and their division among threads. Those of floats are kernels. */
#include <math.h>
#include "ops_reduce_private.h"
#include "../core/threads_private.h"

typedef void (*reduce_loop)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);

#define STEP_SUM(s, v) ((s) + (v))
#define STEP_PROD(s, v) ((s) * (v))
#define STEP_MAX(s, v) ((v) > (s) || (v) != (v) ? (v) : (s))
#define STEP_MIN(s, v) ((v) < (s) || (v) != (v) ? (v) : (s))
#define STEP_ANY(s, v) ((s) | ((v) != 0))
#define STEP_ALL(s, v) ((s) & ((v) != 0))
#define STEP_COUNT(s, v) ((s) + ((v) != 0))

/* x of type T, accumulator A, result R. */
#define LOOP(name, T, A, R, START, STEP)                                                           \
  static void name(void *yv, const void *xv, int64_t outer, int64_t n, int64_t inner) {            \
    const T *x = xv;                                                                               \
    R *y = yv;                                                                                     \
    for (int64_t o = 0; o < outer; o++, x += n * inner, y += inner) {                              \
      if (inner == 1) {                                                                            \
        A s = START;                                                                               \
        for (int64_t i = 0; i < n; i++) s = (A)STEP(s, (A)x[i]);                                   \
        *y = (R)s;                                                                                 \
        continue;                                                                                  \
      }                                                                                            \
      for (int64_t j = 0; j < inner; j++) y[j] = (R)START;                                         \
      for (int64_t i = 0; i < n; i++)                                                              \
        for (int64_t j = 0; j < inner; j++) y[j] = (R)STEP((A)y[j], (A)x[i * inner + j]);          \
    }                                                                                              \
  }
/* Truth values and counts keep an int accumulator; the element is compared in its own type. */
#define TRUTH(name, T, R, START, STEP)                                                             \
  static void name(void *yv, const void *xv, int64_t outer, int64_t n, int64_t inner) {            \
    const T *x = xv;                                                                               \
    R *y = yv;                                                                                     \
    for (int64_t o = 0; o < outer; o++, x += n * inner, y += inner) {                              \
      for (int64_t j = 0; j < inner; j++) y[j] = START;                                            \
      for (int64_t i = 0; i < n; i++)                                                              \
        for (int64_t j = 0; j < inner; j++) y[j] = (R)STEP(y[j], x[i * inner + j]);                \
    }                                                                                              \
  }
#define TRUTHS(T, name)                         \
  TRUTH(name##_any, T, uint8_t, 0, STEP_ANY)    \
  TRUTH(name##_all, T, uint8_t, 1, STEP_ALL)    \
  TRUTH(name##_count, T, int32_t, 0, STEP_COUNT)
#define EXTREMA(T, name, lowest, highest)       \
  LOOP(name##_max, T, T, T, lowest, STEP_MAX)   \
  LOOP(name##_min, T, T, T, highest, STEP_MIN)

LOOP(i32_sum, int32_t, int64_t, int32_t, 0, STEP_SUM)
LOOP(i64_sum, int64_t, int64_t, int64_t, 0, STEP_SUM)
LOOP(u8_sum, uint8_t, int64_t, int32_t, 0, STEP_SUM)
LOOP(i32_mean, int32_t, double, float, 0, STEP_SUM)
LOOP(i64_mean, int64_t, double, float, 0, STEP_SUM)
LOOP(u8_mean, uint8_t, double, float, 0, STEP_SUM)
LOOP(i32_prod, int32_t, int64_t, int32_t, 1, STEP_PROD)
LOOP(i64_prod, int64_t, int64_t, int64_t, 1, STEP_PROD)
LOOP(u8_prod, uint8_t, int64_t, int32_t, 1, STEP_PROD)
EXTREMA(int32_t, i32, INT32_MIN, INT32_MAX)
EXTREMA(int64_t, i64, INT64_MIN, INT64_MAX)
EXTREMA(uint8_t, u8, 0, UINT8_MAX)
TRUTHS(float, f32)
TRUTHS(double, f64)
TRUTHS(int32_t, i32)
TRUTHS(int64_t, i64)
TRUTHS(uint8_t, u8)

/* Of floats: NULL where a kernel does it. */
static const struct { reduce_loop loop[CN_STRING]; cn_dtype dtype[CN_STRING]; } kinds[CNI_REDUCTIONS] = {
  [CNI_SUM] = { { NULL, NULL, i32_sum, i64_sum, u8_sum, u8_sum }, { CN_F32, CN_F64, CN_I32, CN_I64, CN_I32, CN_I32 } },
  [CNI_MEAN] = { { NULL, NULL, i32_mean, i64_mean, u8_mean, u8_mean }, { CN_F32, CN_F64, CN_F32, CN_F32, CN_F32, CN_F32 } },
  [CNI_PROD] = { { NULL, NULL, i32_prod, i64_prod, u8_prod, u8_prod }, { CN_F32, CN_F64, CN_I32, CN_I64, CN_I32, CN_I32 } },
  [CNI_MAX] = { { NULL, NULL, i32_max, i64_max, u8_max, u8_max }, { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL } },
  [CNI_MIN] = { { NULL, NULL, i32_min, i64_min, u8_min, u8_min }, { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL } },
  [CNI_ANY] = { { f32_any, f64_any, i32_any, i64_any, u8_any, u8_any }, { CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL } },
  [CNI_ALL] = { { f32_all, f64_all, i32_all, i64_all, u8_all, u8_all }, { CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL } },
  [CNI_COUNT] = { { f32_count, f64_count, i32_count, i64_count, u8_count, u8_count }, { CN_I32, CN_I32, CN_I32, CN_I32, CN_I32, CN_I32 } },
  [CNI_SQUARES] = { { NULL }, { CN_F32, CN_F64, CN_STRING, CN_STRING, CN_STRING, CN_STRING } },
};

static reduce_loop loop_of(const cn_graph *g, cni_reduction kind, cn_dtype dtype) {
  if (kinds[kind].loop[dtype]) return kinds[kind].loop[dtype];
  const cni_kernels *k = cni_kernels_for(g, dtype);
  return kind == CNI_PROD ? k->prod : kind == CNI_MAX ? k->max : kind == CNI_MIN ? k->min : kind == CNI_SQUARES ? k->squares : k->sum;
}

cn_dtype cni_reduction_dtype(cni_reduction kind, cn_dtype x) { return x >= CN_STRING ? CN_STRING : kinds[kind].dtype[x]; }

/* How partial results are joined. */
static cni_reduction joining(cni_reduction kind) { return kind == CNI_COUNT || kind == CNI_SQUARES || kind == CNI_MEAN ? CNI_SUM : kind; }

#define GRAIN (1 << 15) /* elements that a thread should have at least */
#define PARTS 64        /* at most so many partial results of one reduction, whatever the number of threads */

typedef struct { reduce_loop loop; char *y; const char *x; size_t xw, yw; int64_t n, inner, part; } job;

static void reduce_outer(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  j->loop(j->y + (size_t)(begin * j->inner) * j->yw, j->x + (size_t)(begin * j->n * j->inner) * j->xw, end - begin, j->n, j->inner);
}

/* Parts begin .. end of one reduction over n, each of `part` rows, into y[part, inner]. */
static void reduce_parts(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  for (int64_t p = begin; p < end; p++) {
    const int64_t first = p * j->part, rows = j->n - first < j->part ? j->n - first : j->part;
    j->loop(j->y + (size_t)(p * j->inner) * j->yw, j->x + (size_t)(first * j->inner) * j->xw, 1, rows, j->inner);
  }
}

static bool reduce_runs(cn_graph *g, cni_reduction kind, cn_dtype dtype, cni_runs r, const void *x, void *y) {
  const cn_dtype out = kinds[kind].dtype[dtype];
  job j = { loop_of(g, kind, dtype), y, x, cn_dtype_size(dtype), cn_dtype_size(out), r.n, r.inner, 0 };
  if (!r.outer || !r.inner) return true;
  const int64_t row = r.n * r.inner;
  if (r.outer * row <= GRAIN || r.outer >= 8) {
    cni_parallel(g, r.outer, row ? GRAIN / row + 1 : r.outer, reduce_outer, &j);
    return true;
  }
  if (row <= 2 * GRAIN || r.n < 16) return reduce_outer(&j, 0, r.outer), true;
  const int64_t want = row / GRAIN < PARTS ? row / GRAIN : PARTS, parts = want < r.n ? want : r.n;
  j.part = (r.n + parts - 1) / parts;
  const int64_t used = (r.n + j.part - 1) / j.part;
  cni_buffer *buffer;
  char *partial = cni_borrow(g, (size_t)(used * r.inner) * j.yw, &buffer);
  if (!partial) return false;
  for (int64_t o = 0; o < r.outer; o++) {
    job one = j;
    one.y = partial;
    one.x = j.x + (size_t)(o * row) * j.xw;
    cni_parallel(g, used, 1, reduce_parts, &one);
    loop_of(g, joining(kind), out)((char *)y + (size_t)(o * r.inner) * j.yw, partial, 1, used, r.inner);
  }
  cni_buffer_drop(g, buffer, false);
  return true;
}

/* The last group of reduced axes that stand together. */
static uint32_t last_group(const cn_dims *dims, uint32_t bits) {
  uint32_t group = 0;
  for (int i = dims->rank - 1; i >= 0; i--) {
    if (dims->d[i] == 1) continue;
    if (bits & 1u << i) group |= 1u << i;
    else if (group) break;
  }
  return group;
}

bool cni_reduce(cn_graph *g, cni_reduction kind, cn_dtype dtype, const cn_dims *dims, const void *x, uint32_t bits, void *y) {
  const cni_runs r = cni_collapse(dims, bits);
  if (!r.packed) return reduce_runs(g, kind, dtype, r, x, y);
  const uint32_t group = last_group(dims, bits);
  const cn_dtype out = kinds[kind].dtype[dtype];
  cn_dims rest;
  cni_reduced_dims(dims, group, true, &rest);
  cni_buffer *buffer;
  void *partial = cni_borrow(g, (size_t)cn_dims_count(&rest) * cn_dtype_size(out), &buffer);
  if (!partial) return false;
  const bool ok = reduce_runs(g, kind, dtype, cni_collapse(dims, group), x, partial) && cni_reduce(g, joining(kind), out, &rest, partial, bits & ~group, y);
  cni_buffer_drop(g, buffer, false);
  return ok;
}
