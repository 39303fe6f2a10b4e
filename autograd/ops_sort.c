#include "ops_sort.h"
#include <math.h>
#include "../core/threads_private.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "order_private.h"

static cn_code need_numbers(const cn_call *c) {
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  return d == CN_STRING ? cn_fail(c->graph, CN_DTYPE, "texts are not sorted") : CN_OK;
}

/* The first `keep` elements of each lane in order, divided among threads by lanes; values may be NULL. */
typedef struct order { const cn_call *call; cni_runs runs; int64_t keep, parts; bool descending; cn_tensor *values, *indices; cni_item *items; } order;

#define PUT(T)                                                                                                             \
  static void put_##T(T *y, const T *x, const cni_item *v, int64_t step, int64_t k) {                                      \
    for (int64_t i = 0; i < k; i++) y[i * step] = x[v[i].index * step];                                                    \
  }
PUT(uint8_t)
PUT(uint32_t)
PUT(uint64_t)
static void put_values(const order *o, int64_t to, int64_t from, const cni_item *v) {
  const void *x = o->call->x[0]->data;
  void *y = o->values->data;
  const int64_t step = o->runs.inner;
  switch (cni_width_of(o->call)) {
    case 1: put_uint8_t((uint8_t *)y + to, (const uint8_t *)x + from, v, step, o->keep); return;
    case 4: put_uint32_t((uint32_t *)y + to, (const uint32_t *)x + from, v, step, o->keep); return;
    default: put_uint64_t((uint64_t *)y + to, (const uint64_t *)x + from, v, step, o->keep);
  }
}
static void order_part(void *ctx, int64_t begin, int64_t end) {
  const order *o = ctx;
  const cn_tensor *x = o->call->x[0];
  const cni_runs r = o->runs;
  for (int64_t p = begin; p < end; p++) {
    cni_item *items = o->items + p * 2 * r.n;
    for (int64_t lane = r.outer * r.inner * p / o->parts; lane < r.outer * r.inner * (p + 1) / o->parts; lane++) {
      const int64_t from = lane / r.inner * r.n * r.inner + lane % r.inner, to = lane / r.inner * o->keep * r.inner + lane % r.inner;
      cni_items(items, x, from, r.inner, r.n, o->descending);
      const cni_item *v = cni_first_items(items, items + r.n, r.n, o->keep, (cn_dtype)x->dtype);
      if (o->values) put_values(o, to, from, v);
      for (int64_t i = 0; i < o->keep; i++) ((int32_t *)o->indices->data)[to + i * r.inner] = v[i].index;
    }
  }
}
static cn_code in_order(order o) {
  cn_graph *g = o.call->graph;
  const int64_t lanes = o.runs.outer * o.runs.inner;
  cni_buffer *b;
  if (!o.runs.n || !lanes) return CN_OK;
  o.parts = cni_order_parts(g, lanes, o.runs.n);
  o.items = cni_borrow(g, (size_t)(o.parts * 2 * o.runs.n) * sizeof *o.items, &b);
  if (!o.items) return CN_NO_MEMORY;
  cni_parallel(g, o.parts, 1, order_part, &o);
  cni_buffer_drop(g, b, false);
  return CN_OK;
}

/* ---- top_k ---- */
static cn_code top_k_infer(const cn_call *c) {
  const cn_top_k_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims;
  if (need_numbers(c) != CN_OK) return CN_DTYPE;
  if (!x->rank) return cn_fail(c->graph, CN_SHAPE, "a number has no axis");
  const int64_t n = x->d[x->rank - 1];
  if (n != CN_UNKNOWN && o->k > n) return cn_fail(c->graph, CN_VALUE, "k is %lld, the last axis has %lld elements", (long long)o->k, (long long)n);
  cni_sig_like(c, x);
  c->sig[0].dims.d[x->rank - 1] = o->k;
  c->sig[1] = (cn_sig){ CN_I32, c->sig[0].dims };
  return CN_OK;
}
static cn_code top_k_forward(const cn_call *c) {
  const cni_runs r = cni_axis_runs(&c->x[0]->dims, c->x[0]->dims.rank - 1);
  return in_order((order){ c, r, .keep = ((const cn_top_k_args *)c->args)->k, .descending = true, .values = c->y[0], .indices = c->y[1] });
}
CNI_VJP(top_k) {
  (void)want;
  if (gy[0]) gx[0] = cn_scatter_along_axis(g, gy[0], n->y[1], .shape = cni_sizes(&n->x[0]->dims), .axis = -1);
}
static void top_k_reference(const cn_reference *r) {
  const int64_t k = ((const cn_top_k_args *)r->call->args)->k, n = r->call->x[0]->dims.d[r->call->x[0]->dims.rank - 1],
                lanes = n ? r->call->x[0]->count / n : 0;
  for (int64_t lane = 0; lane < lanes; lane++)
    for (int64_t i = 0; i < n; i++) { /* the rank of each element */
      int64_t rank = 0;
      for (int64_t j = 0; j < n; j++) rank += r->x[0][lane * n + j] > r->x[0][lane * n + i] || (r->x[0][lane * n + j] == r->x[0][lane * n + i] && j < i);
      if (rank >= k) continue;
      r->y[0][lane * k + rank] = r->x[0][lane * n + i];
      r->y[1][lane * k + rank] = (double)i;
    }
}
CN_OP(top_k, CN_LIST_TOP_K, .outputs = 2, .reads = CN_READS_Y(1), .infer = top_k_infer, .forward = top_k_forward, .vjp = top_k_vjp,
      .reference = top_k_reference, .samples = CN_TEXTS("f[3,5]@distinct, k=2", "f[5]@distinct, k=5", "f[2,2,3]@distinct, k=1", "i[6]@0:4, k=3"),
      .rejects = CN_TEXTS("f[3], k=4 => k is 4, the last axis has 3 elements", "f[], k=1 => a number has no axis", "f[3] => k is required",
                          "f[3], k=0 => k must be positive, got 0"));

/* ---- sort ---- */
static cni_runs lanes_of(const cn_call *c) {
  const int64_t axis = ((const cn_sort_args *)c->args)->axis;
  return axis == CN_NONE ? (cni_runs){ 1, c->x[0]->count, 1, false } : cni_axis_runs(&c->x[0]->dims, cni_wrap(axis, c->x[0]->dims.rank));
}
static cn_code order_infer(const cn_call *c) {
  const int64_t axis = ((const cn_sort_args *)c->args)->axis;
  if (need_numbers(c) != CN_OK) return CN_DTYPE;
  if (axis != CN_NONE && cn_axis(c->graph, axis, c->x[0]->dims.rank) < 0) return CN_INDEX;
  if (axis == CN_NONE) cni_sig_like(c, &(const cn_dims){ 1, { c->x[0]->count < 0 ? CN_UNKNOWN : c->x[0]->count } });
  else cni_sig_like(c, &c->x[0]->dims);
  return CN_OK;
}
static cn_code argsort_infer(const cn_call *c) {
  const cn_code code = order_infer(c);
  c->sig[0].dtype = CN_I32;
  return code;
}
static cn_code sort_infer(const cn_call *c) {
  const cn_code code = order_infer(c);
  c->sig[1] = c->sig[0];
  c->sig[1].dtype = CN_I32;
  return code;
}
static cn_code argsort_forward(const cn_call *c) {
  const cni_runs r = lanes_of(c);
  return in_order((order){ c, r, .keep = r.n, .indices = c->y[0] });
}
static cn_code sort_forward(const cn_call *c) {
  const cni_runs r = lanes_of(c);
  return in_order((order){ c, r, .keep = r.n, .values = c->y[0], .indices = c->y[1] });
}
CNI_VJP(sort) {
  (void)want;
  const int64_t axis = ((const cn_sort_args *)n->args)->axis;
  if (!gy[0]) return;
  if (axis != CN_NONE) {
    gx[0] = cn_scatter_along_axis(g, gy[0], n->y[1], .shape = cni_sizes(&n->x[0]->dims), .axis = axis);
    return;
  }
  const cn_dims flat = { 1, { n->x[0]->count } };
  gx[0] = cni_to_shape(g, cn_scatter_along_axis(g, gy[0], n->y[1], .shape = cni_sizes(&flat), .axis = 0), &n->x[0]->dims);
}
#define TOGETHER 64
/* Lanes that stand side by side go together: their elements share cache lines. */
typedef struct undo { const cn_call *call; cni_runs runs; } undo;
#define UNDO(T)                                                                                                            \
  static void undo_##T(T *gx, const T *gy, const int32_t *at, int64_t n, int64_t step, int64_t lanes) {                    \
    for (int64_t i = 0; i < n; i++)                                                                                        \
      for (int64_t j = 0; j < lanes; j++) gx[at[i * step + j] * step + j] = gy[i * step + j];                              \
  }
UNDO(float)
UNDO(double)
static void undo_part(void *ctx, int64_t begin, int64_t end) {
  const undo *u = ctx;
  const cni_runs r = u->runs;
  const int32_t *at = u->call->y[1]->data;
  for (int64_t lane = begin, count; lane < end; lane += count) {
    const int64_t from = lane / r.inner * r.n * r.inner + lane % r.inner, rest = r.inner - lane % r.inner;
    count = end - lane < rest ? end - lane : rest;
    if (count > TOGETHER) count = TOGETHER;
    if (u->call->x[0]->dtype == CN_F32) undo_float((float *)u->call->gx[0] + from, (const float *)u->call->gy[0] + from, at + from, r.n, r.inner, count);
    else undo_double((double *)u->call->gx[0] + from, (const double *)u->call->gy[0] + from, at + from, r.n, r.inner, count);
  }
}
static cn_code sort_backward(const cn_call *c) {
  undo u = { c, lanes_of(c) };
  if (c->gx[0] && c->x[0]->count) cni_parallel(c->graph, u.runs.outer * u.runs.inner, CNI_GRAIN / 4 / u.runs.n + 1, undo_part, &u);
  return CN_OK;
}
static void order_reference(const cn_reference *r, double *values, double *indices) {
  const cni_runs l = lanes_of(r->call);
  for (int64_t at = 0; at < l.outer * l.n * l.inner; at++) {
    const int64_t lane = at / (l.n * l.inner) * l.n * l.inner + at % l.inner, i = at / l.inner % l.n;
    int64_t rank = 0;
    for (int64_t j = 0; j < l.n; j++) {
      const double other = r->x[0][lane + j * l.inner];
      rank += other < r->x[0][at] || (other == r->x[0][at] && j < i);
    }
    if (values) values[lane + rank * l.inner] = r->x[0][at];
    indices[lane + rank * l.inner] = (double)i;
  }
}
static void argsort_reference(const cn_reference *r) { order_reference(r, NULL, r->y[0]); }
static void sort_reference(const cn_reference *r) { order_reference(r, r->y[0], r->y[1]); }
#define TESTS                                                                                                                          \
  .samples = CN_TEXTS("f[3,5]@distinct", "f[4,3]@distinct, axis=0", "f[2,3,2]@distinct, axis=1", "f[2,3]@distinct, axis=none", "i[6]@0:4", "f[0,3]"), \
  .rejects = CN_TEXTS("f[3,4], axis=2 => axis 2 is out of range for rank 2", "s[3] => texts are not sorted")
CN_OP(argsort, CN_LIST_SORT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = argsort_infer, .forward = argsort_forward, .reference = argsort_reference,
      TESTS);
CN_OP(sort, CN_LIST_SORT, .outputs = 2, .kept = 1, .reads = CN_READS_Y(1), .infer = sort_infer, .forward = sort_forward, .vjp = sort_vjp,
      .backward = sort_backward, .reference = sort_reference, TESTS);

/* ---- argmax, argmin: declared in ops_reduce.h ---- */
static cni_runs search_of(const cn_call *c) {
  const int64_t axis = ((const cn_argmax_args *)c->args)->axis;
  return axis == CN_NONE ? (cni_runs){ 1, c->x[0]->count, 1, false } : cni_axis_runs(&c->x[0]->dims, cni_wrap(axis, c->x[0]->dims.rank));
}
static cn_code search_infer(const cn_call *c) {
  const cn_argmax_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims;
  if (need_numbers(c) != CN_OK) return CN_DTYPE;
  if (o->axis != CN_NONE && cn_axis(c->graph, o->axis, x->rank) < 0) return CN_INDEX;
  cn_dims y = { 0, { 0 } };
  for (int i = 0; i < x->rank; i++) {
    const bool gone = o->axis == CN_NONE || i == cni_wrap(o->axis, x->rank);
    if (gone && x->d[i] == 0) return cn_fail(c->graph, CN_SHAPE, "axis %d has no elements", i);
    if (!gone || o->keepdims) y.d[y.rank++] = gone ? 1 : x->d[i];
  }
  c->sig[0] = (cn_sig){ CN_I32, y };
  return CN_OK;
}
/* The first of equals; a NaN wins. */
typedef struct search_job {
  void (*kernel)(int32_t *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  int32_t *y;
  const char *x;
  cni_runs r;
  size_t width;
} search_job;
static void search_part(void *ctx, int64_t begin, int64_t end) {
  const search_job *j = ctx;
  j->kernel(j->y + begin * j->r.inner, j->x + (size_t)(begin * j->r.n * j->r.inner) * j->width, end - begin, j->r.n, j->r.inner);
}
static cn_code search(const cn_call *c, bool largest) {
  const cni_kernels *k = cni_kernels_of(c);
  search_job j = { largest ? k->argmax : k->argmin, c->y[0]->data, c->x[0]->data, search_of(c), cni_width_of(c) };
  if (c->y[0]->count) cni_parallel(c->graph, j.r.outer, CNI_GRAIN / (j.r.n * j.r.inner) + 1, search_part, &j);
  return CN_OK;
}
static cn_code argmax_forward(const cn_call *c) { return search(c, true); }
static cn_code argmin_forward(const cn_call *c) { return search(c, false); }
static void search_reference(const cn_reference *r, bool largest) {
  const cni_runs l = search_of(r->call);
  for (int64_t lane = 0; lane < l.outer * l.inner; lane++) {
    const double *x = r->x[0] + lane / l.inner * l.n * l.inner + lane % l.inner;
    int64_t at = l.n - 1;
    for (int64_t i = l.n - 1; i >= 0; i--)
      if (largest ? x[i * l.inner] >= x[at * l.inner] : x[i * l.inner] <= x[at * l.inner]) at = i;
    r->y[0][lane] = (double)at;
  }
}
static void argmax_reference(const cn_reference *r) { search_reference(r, true); }
static void argmin_reference(const cn_reference *r) { search_reference(r, false); }
#define SEARCH_TESTS                                                                                                                  \
  .samples = CN_TEXTS("f[3,5]", "f[3,5], axis=0", "f[2,3,4], axis=1, keepdims=true", "i[6]@0:4", "f[2,3], axis=-1", "f[2,3], keepdims=true", "f[257,129]@distinct, axis=1", "f[9,90,70]@distinct, axis=1"),   \
  .rejects = CN_TEXTS("f[3,4], axis=2 => axis 2 is out of range for rank 2", "f[0] => axis 0 has no elements", "s[3] => texts are not sorted")
CN_OP(argmax, CN_LIST_ARGUMENT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = search_infer, .forward = argmax_forward, .reference = argmax_reference,
      SEARCH_TESTS);
CN_OP(argmin, CN_LIST_ARGUMENT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = search_infer, .forward = argmin_forward, .reference = argmin_reference,
      SEARCH_TESTS);

/* ---- one_hot: declared in ops_index.h ---- */
static int hot_axis(const cn_call *c) { return cni_wrap(((const cn_one_hot_args *)c->args)->axis, c->x[0]->dims.rank + 1); }
static cn_code one_hot_infer(const cn_call *c) {
  const cn_one_hot_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims;
  cn_dtype dtype = CN_F32;
  if (cni_is_float((cn_dtype)c->x[0]->dtype) || need_numbers(c) != CN_OK)
    return cn_fail(c->graph, CN_DTYPE, "needs integers, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  if (o->dtype && (!cn_dtype_from_name(o->dtype, &dtype) || dtype == CN_STRING))
    return cn_fail(c->graph, CN_DTYPE, "dtype \"%s\" is not one of numbers", o->dtype);
  if (x->rank == CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  const int axis = cn_axis(c->graph, o->axis, x->rank + 1);
  if (axis < 0) return CN_INDEX;
  c->sig[0] = (cn_sig){ dtype, { x->rank + 1, { 0 } } };
  for (int i = 0; i <= x->rank; i++) c->sig[0].dims.d[i] = i < axis ? x->d[i] : i == axis ? o->num_classes : x->d[i - 1];
  return CN_OK;
}
static cn_code one_hot_forward(const cn_call *c) {
  const cni_runs r = cni_axis_runs(&c->y[0]->dims, hot_axis(c));
  if (c->y[0]->count) memset(c->y[0]->data, 0, (size_t)c->y[0]->count * cn_dtype_size((cn_dtype)c->y[0]->dtype));
  for (int64_t i = 0; i < c->x[0]->count; i++) { /* a number that is no class gives zeros */
    const double v = cni_value_at(c->x[0], i);
    if (v >= 0 && v < (double)r.n) cni_value_set(c->y[0], (i / r.inner * r.n + (int64_t)v) * r.inner + i % r.inner, 1);
  }
  return CN_OK;
}
static void one_hot_reference(const cn_reference *r) {
  const cni_runs y = cni_axis_runs(&r->call->y[0]->dims, hot_axis(r->call));
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][i / (y.n * y.inner) * y.inner + i % y.inner] == (double)(i / y.inner % y.n);
}
CN_OP(one_hot, CN_LIST_ONE_HOT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = one_hot_infer, .forward = one_hot_forward, .reference = one_hot_reference,
      .samples = CN_TEXTS("i[4]@0:3, num_classes=3", "l[2,3]@-1:5, num_classes=4, axis=0", "i[]@0:2, num_classes=2", "i[3]@0:2, num_classes=2, dtype='float64'",
                          "i[2,2]@0:3, num_classes=3, axis=1, dtype='int32'"),
      .rejects = CN_TEXTS("f[3], num_classes=2 => needs integers, got float32", "i[3]@0:2 => num_classes is required",
                          "i[3]@0:2, num_classes=2, axis=3 => axis 3 is out of range for rank 2"));

const cn_op *const cni_ops_sort[] = { &cn_op_top_k, &cn_op_argsort, &cn_op_sort, &cn_op_argmax, &cn_op_argmin, &cn_op_one_hot, NULL };
