/* Loops of the reductions: [outer, n, inner] to [outer, inner], by the kernels, and their division among threads. */
#include "ops_reduce_private.h"
#include "../core/threads_private.h"

typedef void (*reduce_loop)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);

static reduce_loop loop_of(const cn_graph *g, cni_reduction kind, cn_dtype dtype) {
  const cni_kernels *k = cni_kernels_for(g, dtype);
  const reduce_loop loops[CNI_REDUCTIONS] = {
    [CNI_SUM] = k->sum, [CNI_MEAN] = k->mean, [CNI_PROD] = k->prod, [CNI_MAX] = k->max, [CNI_MIN] = k->min, [CNI_ANY] = k->any, [CNI_ALL] = k->all,
    [CNI_COUNT] = k->count, [CNI_SQUARES] = k->squares
  };
  return loops[kind];
}

/* dtypes of the results; CN_STRING: there are none. */
static const cn_dtype results[CNI_REDUCTIONS][CN_STRING] = {
  [CNI_SUM] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_I32, CN_I32 },
  [CNI_MEAN] = { CN_F32, CN_F64, CN_F32, CN_F32, CN_F32, CN_F32 },
  [CNI_PROD] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_I32, CN_I32 },
  [CNI_MAX] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL },
  [CNI_MIN] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL },
  [CNI_ANY] = { CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL },
  [CNI_ALL] = { CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL, CN_BOOL },
  [CNI_COUNT] = { CN_I32, CN_I32, CN_I32, CN_I32, CN_I32, CN_I32 },
  [CNI_SQUARES] = { CN_F32, CN_F64, CN_STRING, CN_STRING, CN_STRING, CN_STRING },
};
cn_dtype cni_reduction_dtype(cni_reduction kind, cn_dtype x) { return x >= CN_STRING ? CN_STRING : results[kind][x]; }

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

/* Done by one call of the loop: not worth a second thread, or nothing to divide. */
static bool is_small(cni_runs r) {
  const int64_t row = r.n * r.inner;
  return r.outer * row <= GRAIN || (r.outer < 8 && (row <= 2 * GRAIN || r.n < 16));
}

static bool reduce_runs(cn_graph *g, cni_reduction kind, cn_dtype dtype, cni_runs r, const void *x, void *y) {
  const cn_dtype out = results[kind][dtype];
  job j = { loop_of(g, kind, dtype), y, x, cn_dtype_size(dtype), cn_dtype_size(out), r.n, r.inner, 0 };
  if (!r.outer || !r.inner) return true;
  if (is_small(r)) return reduce_outer(&j, 0, r.outer), true;
  const int64_t row = r.n * r.inner;
  if (r.outer >= 8) {
    cni_parallel(g, r.outer, GRAIN / row + 1, reduce_outer, &j);
    return true;
  }
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
  const cn_dtype out = results[kind][dtype];
  cn_dims rest;
  cni_reduced_dims(dims, group, true, &rest);
  cni_buffer *buffer;
  void *partial = cni_borrow(g, (size_t)cn_dims_count(&rest) * cn_dtype_size(out), &buffer);
  if (!partial) return false;
  const bool ok = reduce_runs(g, kind, dtype, cni_collapse(dims, group), x, partial) && cni_reduce(g, joining(kind), out, &rest, partial, bits & ~group, y);
  cni_buffer_drop(g, buffer, false);
  return ok;
}

void cni_reduce_note(cn_graph *g, cni_reduction kind, cn_dtype dtype, const cn_dims *dims, uint32_t bits, cni_reduce_memo *memo) {
  const cni_runs r = cni_collapse(dims, bits);
  memo->noted = true;
  memo->outer = r.outer;
  memo->n = r.n;
  memo->inner = r.inner;
  if (!r.packed && r.outer && r.inner && is_small(r)) memo->loop = loop_of(g, kind, dtype);
}
