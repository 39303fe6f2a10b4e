/* Reductions over groups of rows, declared in ops_scatter.h. */
#include <float.h>
#include <math.h>
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "../core/threads_private.h"

typedef enum { SUM, MAX, MIN, PROD } kind;

/* How many segments there are; CN_UNKNOWN without the ids' values. */
static int64_t segments(const cn_call *c) {
  const cn_segment_sum_args *o = c->args;
  const cn_tensor *ids = c->x[1];
  int64_t most = -1;
  if (o->num_segments != CN_NONE) return o->num_segments;
  if (!ids->data && ids->count) return CN_UNKNOWN;
  for (int64_t i = 0; i < ids->count; i++) most = cni_index_at(ids, i) > most ? cni_index_at(ids, i) : most;
  return most + 1;
}
static cn_code infer(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims, *ids = &c->x[1]->dims;
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  if (cni_need_indices(c, 1)) return CN_DTYPE;
  if (d == CN_STRING || d == CN_U8 || d == CN_BOOL) return cn_fail(c->graph, CN_DTYPE, "needs floats, int32 or int64, got %s", cn_dtype_name(d));
  if (ids->rank != 1) return cn_fail(c->graph, CN_SHAPE, "segment_ids must have rank 1, got rank %d", ids->rank);
  if (!x->rank || (x->d[0] != ids->d[0] && x->d[0] != CN_UNKNOWN && ids->d[0] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "data must have a row for each of the segment_ids");
  cni_sig_like(c, x);
  c->sig[0].dims.d[0] = segments(c);
  return CN_OK;
}
static cn_code check(const cn_call *c) {
  const int64_t n = segments(c);
  for (int64_t i = 0; i < c->x[1]->count; i++)
    if (cni_index_at(c->x[1], i) >= n)
      return cn_fail(c->graph, CN_INDEX, "segment_ids[%lld] = %lld is out of range [0, %lld)", (long long)i, (long long)cni_index_at(c->x[1], i), (long long)n);
  return CN_OK;
}

/* Threads divide the columns, so that the rows of a segment come in order. */
typedef struct { const cn_call *c; kind k; int64_t inner; } grouping;
#define INTO(value)                                          \
  _Pragma("omp simd") for (int64_t j = 0; j < n; j++) {      \
    const T_ v = x[j], old = to[j];                          \
    to[j] = (value);                                         \
  }
#define TYPED(T, lowest, highest)                                                                                   \
  static void run_##T(void *context, int64_t begin, int64_t end) {                                                  \
    typedef T T_;                                                                                                   \
    const grouping *p = context;                                                                                    \
    const kind k = p->k;                                                                                            \
    const T start = k == SUM ? 0 : k == PROD ? 1 : k == MAX ? lowest : highest, *x = (const T *)p->c->x[0]->data + begin; \
    T *y = (T *)p->c->y[0]->data + begin;                                                                           \
    const int64_t rows = p->c->x[1]->count, segments = p->c->y[0]->dims.d[0], n = end - begin;                      \
    for (int64_t s = 0; s < segments; s++)                                                                          \
      _Pragma("omp simd") for (int64_t j = 0; j < n; j++) y[s * p->inner + j] = start;                              \
    for (int64_t r = 0; r < rows; r++, x += p->inner) {                                                             \
      const int64_t s = cni_index_at(p->c->x[1], r);                                                                \
      T *to = y + s * p->inner;                                                                                     \
      if (s < 0) continue;                                                                                          \
      if (k == SUM) INTO(old + v)                                                                                   \
      else if (k == PROD) INTO(old * v)                                                                             \
      else if (k == MAX) INTO(v > old || v != v ? v : old)                                                          \
      else INTO(v < old || v != v ? v : old)                                                                        \
    }                                                                                                               \
  }
TYPED(float, -FLT_MAX, FLT_MAX)
TYPED(double, -DBL_MAX, DBL_MAX)
TYPED(int32_t, INT32_MIN, INT32_MAX)
TYPED(int64_t, INT64_MIN, INT64_MAX)
static cn_code run(const cn_call *c, kind k) {
  static cni_loop_body *const typed[CN_DTYPES] = { [CN_F32] = run_float, [CN_F64] = run_double, [CN_I32] = run_int32_t, [CN_I64] = run_int64_t };
  const int64_t rows = c->x[1]->count, segments = c->y[0]->dims.d[0];
  grouping p = { c, k, segments ? c->y[0]->count / segments : 0 };
  cni_parallel(c->graph, p.inner, CNI_GRAIN / (rows + segments + 1) + 16, typed[c->x[0]->dtype], &p);
  return CN_OK;
}

/* ---- gradients ---- */
/* y[ids], 0 for negative ids. */
static cn_tensor *rows_of(cn_graph *g, cn_tensor *y, cn_tensor *ids) {
  if (!y) return NULL;
  cn_dims column = { y->dims.rank, { ids->count } };
  for (int i = 1; i < column.rank; i++) column.d[i] = 1;
  cn_tensor *kept = cn_greater_equal(g, ids, cn_scalar_like(g, ids, 0));
  cn_tensor *rows = cn_take_rows(g, y, cn_maximum(g, ids, cn_scalar_like(g, ids, 0)));
  return cn_where(g, cni_to_shape(g, kept, &column), rows, cn_scalar_like(g, y, 0));
}
CNI_VJP(segment_sum) { (void)want, gx[0] = rows_of(g, gy[0], n->x[1]); }
static void spread_rows(void *context, int64_t begin, int64_t end) {
  const grouping *p = context;
  const size_t bytes = (size_t)p->inner * cni_width_of(p->c);
  for (int64_t r = begin; r < end; r++) {
    const int64_t s = cni_index_at(p->c->x[1], r);
    char *to = (char *)p->c->gx[0] + (size_t)r * bytes;
    if (s < 0) memset(to, 0, bytes);
    else memcpy(to, (const char *)p->c->gy[0] + (size_t)s * bytes, bytes);
  }
}
static cn_code segment_sum_backward(const cn_call *c) {
  const int64_t rows = c->x[1]->count;
  grouping p = { c, SUM, rows ? c->x[0]->count / rows : 0 };
  if (c->gx[0] && p.inner) cni_parallel(c->graph, rows, CNI_GRAIN / p.inner + 1, spread_rows, &p);
  return CN_OK;
}
static cn_tensor *counted(cn_graph *g, const cn_node *n, cn_tensor *hit) {
  cn_tensor *ones = cn_where(g, hit, cn_scalar_like(g, n->x[0], 1), cn_scalar_like(g, n->x[0], 0));
  return cn_segment_sum(g, ones, n->x[1], .num_segments = n->y[0]->dims.d[0]);
}
static void extreme_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = n->x[0], *hit = cn_equal(g, x, rows_of(g, n->y[0], n->x[1]));
  (void)want;
  gx[0] = cn_where(g, hit, rows_of(g, cn_divide_no_nan(g, gy[0], counted(g, n, hit)), n->x[1]), cn_scalar_like(g, x, 0));
}
/* The product of the others: of those that are not 0, unless another one is 0. */
CNI_VJP(segment_prod) {
  cn_tensor *x = n->x[0], *none = cn_scalar_like(g, x, 0), *one = cn_scalar_like(g, x, 1), *zero = cn_equal(g, x, none), *safe = cn_where(g, zero, one, x);
  cn_tensor *product = rows_of(g, cn_segment_prod(g, safe, n->x[1], .num_segments = n->y[0]->dims.d[0]), n->x[1]),
            *zeros = rows_of(g, counted(g, n, zero), n->x[1]);
  cn_tensor *others = cn_where(g, cn_equal(g, zeros, cn_where(g, zero, one, none)), cn_divide(g, product, safe), none);
  (void)want;
  gx[0] = cn_multiply(g, rows_of(g, gy[0], n->x[1]), others);
}

#define SEGMENT(op, k, reads_, vjp_, backward_, start, step)                                                                       \
  static cn_code op##_forward(const cn_call *c) { return run(c, k); }                                                   \
  static void op##_reference(const cn_reference *r) {                                                                   \
    const cn_call *c = r->call;                                                                                         \
    const int64_t inner = c->y[0]->dims.d[0] ? c->y[0]->count / c->y[0]->dims.d[0] : 0;                                 \
    for (int64_t i = 0; i < c->y[0]->count; i++) {                                                                      \
      double y = start;                                                                                                 \
      for (int64_t row = 0; row < c->x[1]->count; row++)                                                                \
        if ((int64_t)r->x[1][row] == i / inner) { const double x = r->x[0][row * inner + i % inner]; y = (step); }      \
      r->y[0][i] = y;                                                                                                   \
    }                                                                                                                   \
  }                                                                                                                     \
  CN_OP(op, CN_LIST_SEGMENT, .outputs = 1, .flags = CN_OP_DATA_SHAPE, .reads = reads_, .infer = infer, .check = check, .forward = op##_forward, .vjp = vjp_, .backward = backward_, .reference = op##_reference,      \
        .samples = CN_TEXTS("f[5], i[5]@0:1, num_segments=1", "f[6,2]@distinct, i[6]@distinct@0:3, num_segments=3", "f[4,2,3]@distinct, l[4]@distinct@0:2, num_segments=2, sorted=true", "f[1], i[1]@0:0.5, num_segments=1"),  \
        .rejects = CN_TEXTS("f[4], i[2,2]@0:1, num_segments=2 => segment_ids must have rank 1", "f[3], i[4]@0:1, num_segments=2 => a row for each", "f[3], f[3], num_segments=2 => int32", \
                            "f[3], i[3]@5:6, num_segments=2 => is out of range [0, 2)"));
#define EXTREME_READS CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0)
SEGMENT(segment_sum, SUM, CN_READS_X(1), segment_sum_vjp, segment_sum_backward, 0, y + x)
SEGMENT(segment_max, MAX, EXTREME_READS, extreme_vjp, NULL, c->y[0]->dtype == CN_F64 ? -DBL_MAX : -FLT_MAX, fmax(y, x))
SEGMENT(segment_min, MIN, EXTREME_READS, extreme_vjp, NULL, c->y[0]->dtype == CN_F64 ? DBL_MAX : FLT_MAX, fmin(y, x))
SEGMENT(segment_prod, PROD, CN_READS_X(0) | CN_READS_X(1), segment_prod_vjp, NULL, 1, y * x)

const cn_op *const cni_ops_segment[] = { &cn_op_segment_sum, &cn_op_segment_max, &cn_op_segment_min, &cn_op_segment_prod, NULL };
