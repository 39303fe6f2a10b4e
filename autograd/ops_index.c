/* Taking by indices and adding at indices. */
#include "ops_index.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "../core/prefetch_private.h"
#include "../core/threads_private.h"

#define GRAIN (1 << 15) /* elements that a thread should have at least */

/* ---- indices ---- */
/* Of those begin .. end: the signs of k + size and size - 1 - k, of which one is negative for an index out of range. */
typedef struct { const cn_tensor *indices; int64_t size; bool out; } range_check;
#define OUT_OF_RANGE(T)                                                                               \
  static bool out_of_range_##T(const void *indices, int64_t begin, int64_t end, int64_t size) {       \
    const T *k = indices;                                                                             \
    uint64_t signs = 0;                                                                               \
    _Pragma("omp simd reduction(| : signs)") for (int64_t i = begin; i < end; i++)                    \
      signs |= ((uint64_t)k[i] + (uint64_t)size) | ((uint64_t)size - 1 - (uint64_t)k[i]);             \
    return signs >> 63;                                                                               \
  }
OUT_OF_RANGE(int32_t)
OUT_OF_RANGE(int64_t)
static void check_range(void *context, int64_t begin, int64_t end) {
  range_check *r = context;
  const void *k = r->indices->data;
  const bool out = r->indices->dtype == CN_I32 ? out_of_range_int32_t(k, begin, end, r->size) : out_of_range_int64_t(k, begin, end, r->size);
  if (out) __atomic_store_n(&r->out, true, __ATOMIC_RELAXED);
}
cn_code cni_check_indices(cn_graph *g, const cn_tensor *indices, int axis, int64_t size) {
  range_check r = { indices, size, false };
  cni_parallel(g, indices->count, GRAIN, check_range, &r);
  for (int64_t i = 0; r.out && i < indices->count; i++) {
    const int64_t k = cni_index_at(indices, i);
    if (k >= size || k < -size) return cn_fail(g, CN_INDEX, "index %lld is out of range for axis %d of size %lld", (long long)k, axis, (long long)size);
  }
  return CN_OK;
}
static inline int64_t row_at(const cn_tensor *indices, int64_t i, int64_t size) {
  const int64_t k = cni_index_at(indices, i);
  return k < 0 ? k + size : k;
}

/* shape[:axis] + indices + shape[axis+1:] */
static cn_code taken_dims(cn_graph *g, const cn_dims *shape, const cn_dims *indices, int axis, cn_dims *y) {
  const int rank = shape->rank - 1 + indices->rank;
  if (rank > CN_MAX_RANK) return cn_fail(g, CN_SHAPE, "the result would have rank %d, at most %d is possible", rank, CN_MAX_RANK);
  y->rank = 0;
  for (int i = 0; i < axis; i++) y->d[y->rank++] = shape->d[i];
  for (int i = 0; i < indices->rank; i++) y->d[y->rank++] = indices->d[i];
  for (int i = axis + 1; i < shape->rank; i++) y->d[y->rank++] = shape->d[i];
  return CN_OK;
}

/* ---- take ---- */
typedef struct { const cn_tensor *indices; const char *x; char *y; cni_runs r; size_t width; } taking;

static void take_slices(void *context, int64_t begin, int64_t end) { /* of outer x indices */
  const taking *t = context;
  const size_t bytes = (size_t)t->r.inner * t->width;
  const int64_t count = t->indices->count;
  const char *slice = t->x + (size_t)(begin / count * t->r.n) * bytes;
  char *to = t->y + (size_t)begin * bytes;
  for (int64_t p = begin, i = begin % count; p < end; p++, i++, to += bytes) {
    if (i == count) i = 0, slice += (size_t)t->r.n * bytes;
    const char *from = slice + (size_t)row_at(t->indices, i, t->r.n) * bytes;
    if (i + CNI_AHEAD < count && bytes >= 64) cni_prefetch(slice + (size_t)row_at(t->indices, i + CNI_AHEAD, t->r.n) * bytes, bytes);
    if (bytes == 4) memcpy(to, from, 4);
    else if (bytes == 8) memcpy(to, from, 8);
    else memcpy(to, from, bytes);
  }
}
static cn_code take_from(const cn_call *c, cni_runs r) {
  taking t = { c->x[1], c->x[0]->data, c->y[0]->data, r, cni_width_of(c) };
  if (c->y[0]->count) cni_parallel(c->graph, r.outer * c->x[1]->count, GRAIN / (r.inner + 1) + 1, take_slices, &t);
  return CN_OK;
}

static cni_runs take_runs(const cn_call *c) {
  const cn_take_args *o = c->args;
  const cn_tensor *x = c->x[0];
  return o->axis == CN_NONE ? (cni_runs){ 1, x->count, 1, false } : cni_axis_runs(&x->dims, cni_wrap(o->axis, x->dims.rank));
}
static cn_code take_infer(const cn_call *c) {
  const cn_take_args *o = c->args;
  if (cni_refuse_strings(c) || cni_need_indices(c, 1)) return CN_DTYPE;
  if (o->axis == CN_NONE) return cni_sig_like(c, &c->x[1]->dims), CN_OK;
  const int axis = cn_axis(c->graph, o->axis, c->x[0]->dims.rank);
  if (axis < 0) return CN_INDEX;
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  return taken_dims(c->graph, &c->x[0]->dims, &c->x[1]->dims, axis, &c->sig[0].dims);
}
static cn_code take_check(const cn_call *c) {
  const cn_take_args *o = c->args;
  return cni_check_indices(c->graph, c->x[1], o->axis == CN_NONE ? 0 : cni_wrap(o->axis, c->x[0]->dims.rank), take_runs(c).n);
}
static cn_code take_forward(const cn_call *c) { return take_from(c, take_runs(c)); }

static cn_tensor *scatter_to(cn_graph *g, cn_tensor *values, cn_tensor *indices, const cn_dims *shape, int64_t axis) {
  const cn_scatter_rows_args a = { g, values, indices, cni_sizes(shape), axis };
  return cn_apply(g, &cn_op_scatter_rows, &a)[0];
}
CNI_VJP(take) {
  const cn_take_args *o = n->args;
  if (!want[0]) return;
  if (o->axis != CN_NONE) {
    gx[0] = scatter_to(g, gy[0], n->x[1], &n->x[0]->dims, o->axis);
    return;
  }
  const cn_dims flat = { 1, { n->x[0]->count } };
  gx[0] = cni_to_shape(g, scatter_to(g, gy[0], n->x[1], &flat, 0), &n->x[0]->dims);
}

/* Adds slices [outer, count, inner] at the indices of zeros [outer, n, inner]. Threads divide outer, or else the columns: no two write one element. */
typedef struct { const cn_tensor *indices; const void *values; void *y; cni_runs r; bool columns; } adding;
#define ADD(T)                                                                                                      \
  static void add_##T(void *context, int64_t begin, int64_t end) {                                                  \
    const adding *a = context;                                                                                      \
    const cni_runs r = a->r;                                                                                         \
    const int64_t count = a->indices->count, o0 = a->columns ? 0 : begin, o1 = a->columns ? r.outer : end;          \
    const int64_t j0 = a->columns ? begin : 0, j1 = a->columns ? end : r.inner;                                     \
    for (int64_t o = o0; o < o1; o++)                                                                               \
      for (int64_t i = 0; i < count; i++) {                                                                         \
        const T *v = (const T *)a->values + (o * count + i) * r.inner;                                              \
        T *y = (T *)a->y + (o * r.n + row_at(a->indices, i, r.n)) * r.inner;                                        \
        for (int64_t j = j0; j < j1; j++) y[j] = (T)(y[j] + v[j]);                                                  \
      }                                                                                                             \
  }
ADD(float)
ADD(double)
ADD(int32_t)
ADD(int64_t)
ADD(uint8_t)

static cn_code add_at(cn_graph *g, cn_dtype dtype, const cn_tensor *indices, const void *values, void *y, cni_runs r) {
  static void (*const loops[])(void *, int64_t, int64_t) = { add_float, add_double, add_int32_t, add_int64_t, add_uint8_t, add_uint8_t };
  adding a = { indices, values, y, r, r.outer < 8 && r.inner >= 16 };
  memset(y, 0, (size_t)(r.outer * r.n * r.inner) * cn_dtype_size(dtype));
  const int64_t total = r.outer * indices->count * r.inner;
  if (!total) return CN_OK;
  if (a.columns) cni_parallel(g, r.inner, GRAIN / (r.outer * indices->count) + 16, loops[dtype], &a);
  else cni_parallel(g, r.outer, GRAIN / (indices->count * r.inner) + 1, loops[dtype], &a);
  return CN_OK;
}
static cn_code take_backward(const cn_call *c) {
  return c->gx[0] ? add_at(c->graph, (cn_dtype)c->x[0]->dtype, c->x[1], c->gy[0], c->gx[0], take_runs(c)) : CN_OK;
}

static void pick_rows(const double *x, const double *indices, int64_t count, cni_runs r, double *y) {
  for (int64_t o = 0; o < r.outer; o++)
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = 0; j < r.inner; j++) {
        const int64_t k = (int64_t)indices[i];
        *y++ = x[(o * r.n + (k < 0 ? k + r.n : k)) * r.inner + j];
      }
}
static void take_reference(const cn_reference *r) { pick_rows(r->x[0], r->x[1], r->call->x[1]->count, take_runs(r->call), r->y[0]); }
CN_OP(take, CN_LIST_TAKE, .outputs = 1, .infer = take_infer, .check = take_check, .forward = take_forward, .vjp = take_vjp, .backward = take_backward,
      .reads = CN_READS_X(1), .reference = take_reference,
      .samples = CN_TEXTS("f[5,3], i[4]@0:5, axis=0", "f[3,5], l[3]@-5:5, axis=1", "f[3,4], i[4]@0:12", "f[2,3,4], i[2,2]@0:3, axis=1", "f[3], i[]@0:3, axis=0",
                          "f[2,3], i[0]@0:1, axis=-1"),
      .rejects = CN_TEXTS("f[3,2], i[1]@3:4, axis=0 => index 3 is out of range for axis 0 of size 3",
                          "f[3,2], i[1]@0:1, axis=2 => axis 2 is out of range for rank 2", "f[3], f[2], axis=0 => indices must be int32 or int64",
                          "f[2,2], i[1]@-3:-2, axis=1 => index -3 is out of range for axis 1 of size 2"));

static cn_code take_rows_infer(const cn_call *c) {
  if (cni_refuse_strings(c) || cni_need_indices(c, 1)) return CN_DTYPE;
  if (c->x[0]->dims.rank < 1) return cn_fail(c->graph, CN_SHAPE, "x has no axis to take rows from");
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  return taken_dims(c->graph, &c->x[0]->dims, &c->x[1]->dims, 0, &c->sig[0].dims);
}
static cn_code take_rows_check(const cn_call *c) { return cni_check_indices(c->graph, c->x[1], 0, c->x[0]->dims.d[0]); }
static cn_code take_rows_forward(const cn_call *c) { return take_from(c, cni_axis_runs(&c->x[0]->dims, 0)); }
CNI_VJP(take_rows) {
  if (want[0]) gx[0] = scatter_to(g, gy[0], n->x[1], &n->x[0]->dims, 0);
}
static cn_code take_rows_backward(const cn_call *c) {
  return c->gx[0] ? add_at(c->graph, (cn_dtype)c->x[0]->dtype, c->x[1], c->gy[0], c->gx[0], cni_axis_runs(&c->x[0]->dims, 0)) : CN_OK;
}
static void take_rows_reference(const cn_reference *r) { pick_rows(r->x[0], r->x[1], r->call->x[1]->count, cni_axis_runs(&r->call->x[0]->dims, 0), r->y[0]); }
CN_OP(take_rows, CN_LIST_TAKE_ROWS, .outputs = 1, .flags = CN_OP_ROWS, .infer = take_rows_infer, .check = take_rows_check, .forward = take_rows_forward,
      .vjp = take_rows_vjp, .backward = take_rows_backward, .reads = CN_READS_X(1), .reference = take_rows_reference,
      .samples = CN_TEXTS("f[5,3], i[4]@0:5", "f[9,2], l[2,3]@-9:9", "f[3], i[]@0:3", "f[4,2,3], i[5]@0:4", "f[2,3], i[0]@0:1", "f[3,0], i[2]@0:3"),
      .rejects = CN_TEXTS("f[3,2], i[1]@9:10 => index 9 is out of range for axis 0 of size 3", "f[], i[1]@0:1 => no axis",
                          "f[0,2], i[1]@0:1 => index 0 is out of range for axis 0 of size 0"));

cn_tensor *cn_take_run(const cn_take_args *o) {
  const bool rows = o->x && o->axis != CN_NONE && (o->axis == 0 || (cni_given(o->x) && o->axis == -cn_rank(o->x)));
  return rows ? cn_take_rows(o->graph, o->x, o->indices) : cn_apply(o->graph, &cn_op_take, o)[0];
}

/* ---- scatter_rows ---- */
bool cni_dims_from(cn_graph *g, cn_ints shape, cn_dims *out) {
  out->rank = (int)shape.n;
  bool ok = shape.n >= 0 && shape.n <= CN_MAX_RANK;
  for (int i = 0; ok && i < out->rank; i++) ok = (out->d[i] = shape.v[i]) >= 0;
  if (ok && cn_dims_count(out) < 0) ok = false;
  if (!ok) cn_fail(g, CN_VALUE, "shape is not a list of up to %d sizes", CN_MAX_RANK);
  return ok;
}

static bool fits(const cn_dims *got, const cn_dims *want) {
  if (got->rank != want->rank) return false;
  for (int i = 0; i < got->rank; i++)
    if (got->d[i] != want->d[i] && got->d[i] != CN_UNKNOWN && want->d[i] != CN_UNKNOWN) return false;
  return true;
}
cn_code cni_need_shape(const cn_call *c, int64_t input, const cn_dims *want) {
  char a[CNI_TEXT], b[CNI_TEXT];
  if (fits(&c->x[input]->dims, want)) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "%s must have shape %s, got %s", c->op->schema.rows[input].name, cn_dims_text(want, a, sizeof a),
                 cn_dims_text(&c->x[input]->dims, b, sizeof b));
}

static cn_code scatter_rows_infer(const cn_call *c) {
  const cn_scatter_rows_args *o = c->args;
  cn_dims y, values;
  if (cni_refuse_strings(c) || cni_need_indices(c, 1)) return CN_DTYPE;
  if (!cni_dims_from(c->graph, o->shape, &y)) return CN_VALUE;
  const int axis = cn_axis(c->graph, o->axis, y.rank);
  if (axis < 0) return CN_INDEX;
  if (taken_dims(c->graph, &y, &c->x[1]->dims, axis, &values) || cni_need_shape(c, 0, &values)) return CN_SHAPE;
  return cni_sig_like(c, &y), CN_OK;
}
static int scatter_axis(const cn_call *c) {
  const cn_scatter_rows_args *o = c->args;
  return cni_wrap(o->axis, (int)o->shape.n);
}
static cn_code scatter_rows_check(const cn_call *c) {
  return cni_check_indices(c->graph, c->x[1], scatter_axis(c), ((const cn_scatter_rows_args *)c->args)->shape.v[scatter_axis(c)]);
}
static cn_code scatter_rows_forward(const cn_call *c) {
  return add_at(c->graph, (cn_dtype)c->x[0]->dtype, c->x[1], c->x[0]->data, c->y[0]->data, cni_axis_runs(&c->y[0]->dims, scatter_axis(c)));
}
CNI_VJP(scatter_rows) {
  const cn_scatter_rows_args *o = n->args;
  const cn_take_args a = { g, gy[0], n->x[1], o->axis };
  if (want[0]) gx[0] = cn_apply(g, &cn_op_take, &a)[0];
}
static void scatter_rows_reference(const cn_reference *r) {
  const cni_runs s = cni_axis_runs(&r->call->y[0]->dims, scatter_axis(r->call));
  const double *v = r->x[0];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t i = 0; i < r->call->x[1]->count; i++)
      for (int64_t j = 0; j < s.inner; j++) {
        const int64_t k = (int64_t)r->x[1][i];
        r->y[0][(o * s.n + (k < 0 ? k + s.n : k)) * s.inner + j] += *v++;
      }
}
CN_OP(scatter_rows, CN_LIST_SCATTER_ROWS, .outputs = 1, .infer = scatter_rows_infer, .check = scatter_rows_check, .forward = scatter_rows_forward,
      .vjp = scatter_rows_vjp, .reads = CN_READS_X(1), .reference = scatter_rows_reference,
      .samples = CN_TEXTS("f[4,3], i[4]@0:5, shape=[5,3]", "f[2,2,2,4], l[2,2]@-3:3, shape=[2,3,4], axis=1", "f[], i[]@0:3, shape=[3]",
                          "f[0,2], i[0]@0:1, shape=[3,2]", "f[3,40], i[3]@0:2, shape=[2,40]"),
      .rejects = CN_TEXTS("f[4,3], i[3]@0:5, shape=[5,3] => values must have shape [3,3], got [4,3]",
                          "f[1,3], i[1]@5:6, shape=[5,3] => index 5 is out of range for axis 0 of size 5"));

/* ---- take_along_axis, scatter_along_axis ---- */
/* Sizes and steps of the joint walk over x (or the scattered result), the indices and the other side. */
typedef struct { int rank, axis; int64_t n[CN_MAX_RANK], x[CN_MAX_RANK], at[CN_MAX_RANK], y[CN_MAX_RANK], size, step; } along;

static cn_code along_dims(const cn_call *c, const cn_dims *x, int64_t axis_option, cn_dims *y) {
  const cn_dims *at = &c->x[1]->dims;
  char a[CNI_TEXT], b[CNI_TEXT];
  const int axis = cn_axis(c->graph, axis_option, x->rank);
  if (axis < 0) return CN_INDEX;
  bool ok = x->rank == at->rank;
  y->rank = x->rank;
  for (int i = 0; ok && i < x->rank; i++) {
    if (i == axis || x->d[i] == 1) y->d[i] = at->d[i];
    else y->d[i] = x->d[i], ok = at->d[i] == x->d[i] || at->d[i] == 1 || at->d[i] == CN_UNKNOWN || x->d[i] == CN_UNKNOWN;
  }
  if (ok) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "indices of shape %s do not fit to %s along axis %d", cn_dims_text(at, a, sizeof a), cn_dims_text(x, b, sizeof b), axis);
}
static along along_plan(const cn_dims *x, const cn_dims *at, const cn_dims *y, int axis) {
  along p = { .rank = y->rank, .axis = axis, .size = x->d[axis] };
  cni_strides(x, p.x);
  cni_strides(at, p.at);
  cni_strides(y, p.y);
  p.step = p.x[axis];
  for (int i = 0; i < y->rank; i++) {
    p.n[i] = y->d[i];
    if (i == axis || x->d[i] == 1) p.x[i] = 0;
    if (at->d[i] == 1) p.at[i] = 0;
  }
  return p;
}
/* The walk over the elements begin .. end of the axis `cut`, which threads divide. */
typedef struct { along p; int cut; const cn_tensor *indices; void *x, *y; bool add; } walk;
#define ALONG_ROW(T, I)                                                                                                                      \
  {                                                                                                                                          \
    const I *index = (const I *)w->indices->data + io;                                                                                       \
    const int64_t n = p.n[last], xs = p.x[last], is = p.at[last], step = p.step, size = p.size;                                              \
    for (int64_t j = 0; j < n; j++) {                                                                                                        \
      T *e = x + j * xs + (index[j * is] + (index[j * is] < 0 ? size : 0)) * step;                                                           \
      if (add) *e = (T)(*e + y[j]);                                                                                                          \
      else y[j] = *e;                                                                                                                        \
    }                                                                                                                                        \
  }
#define ALONG(T)                                                                                                                             \
  static void along_##T(void *context, int64_t begin, int64_t end) {                                                                         \
    const walk *w = context;                                                                                                                 \
    along p = w->p;                                                                                                                          \
    const int last = p.rank - 1;                                                                                                             \
    const bool add = w->add, narrow = w->indices->dtype == CN_I32;                                                                           \
    int64_t at[CN_MAX_RANK] = { 0 }, rows = 1, io = begin * p.at[w->cut];                                                                    \
    T *x = (T *)w->x + begin * p.x[w->cut], *y = (T *)w->y + begin * p.y[w->cut];                                                            \
    p.n[w->cut] = end - begin;                                                                                                               \
    for (int i = 0; i < last; i++) rows *= p.n[i];                                                                                           \
    for (int64_t k = 0; k < rows; k++) {                                                                                                     \
      if (narrow) ALONG_ROW(T, int32_t)                                                                                                      \
      else ALONG_ROW(T, int64_t)                                                                                                             \
      for (int i = last - 1; i >= 0; i--) {                                                                                                  \
        x += p.x[i], y += p.y[i], io += p.at[i];                                                                                             \
        if (++at[i] < p.n[i]) break;                                                                                                         \
        x -= p.n[i] * p.x[i], y -= p.n[i] * p.y[i], io -= p.n[i] * p.at[i];                                                                  \
        at[i] = 0;                                                                                                                           \
      }                                                                                                                                      \
    }                                                                                                                                        \
  }
ALONG(float)
ALONG(double)
ALONG(int32_t)
ALONG(int64_t)
ALONG(uint8_t)
typedef struct { char *to; } zeroing;
static void zero(void *context, int64_t begin, int64_t end) { memset(((zeroing *)context)->to + begin, 0, (size_t)(end - begin)); }
/* The longest axis is cut; where elements are added, one of those along which no two parts meet in x. Without one it is the first, as a whole. */
static cn_code walk_along(cn_graph *g, cn_dtype dtype, along p, const cn_tensor *indices, void *x, int64_t x_count, void *y, bool add) {
  static cni_loop_body *const loops[] = { along_float, along_double, along_int32_t, along_int64_t, along_uint8_t, along_uint8_t };
  walk w = { p, -1, indices, x, y, add };
  zeroing all = { x };
  int64_t total = 1;
  if (add) cni_parallel(g, x_count * (int64_t)cn_dtype_size(dtype), GRAIN * 4, zero, &all);
  for (int i = 0; i < p.rank; i++) {
    total *= p.n[i];
    if ((!add || (i != p.axis && p.x[i])) && (w.cut < 0 || p.n[i] > p.n[w.cut])) w.cut = i;
  }
  if (!total) return CN_OK;
  if (w.cut >= 0) return cni_parallel(g, p.n[w.cut], GRAIN / (total / p.n[w.cut]) + 1, loops[dtype], &w), CN_OK;
  w.cut = 0;
  return loops[dtype](&w, 0, p.n[0]), CN_OK;
}

static cn_dims along_x(const cn_take_along_axis_args *o, const cn_tensor *x) {
  return o->axis == CN_NONE ? (cn_dims){ 1, { x->count < 0 ? CN_UNKNOWN : x->count } } : x->dims;
}
static cn_dims along_indices(const cn_take_along_axis_args *o, const cn_tensor *at) { return o->axis == CN_NONE ? (cn_dims){ 1, { at->count } } : at->dims; }
static cn_code take_along_axis_infer(const cn_call *c) {
  const cn_take_along_axis_args *o = c->args;
  const cn_dims x = along_x(o, c->x[0]);
  cn_dims y;
  if (cni_refuse_strings(c) || cni_need_indices(c, 1)) return CN_DTYPE;
  const cn_code code = along_dims(c, &x, o->axis == CN_NONE ? 0 : o->axis, &y);
  if (code == CN_OK) cni_sig_like(c, &y);
  return code;
}
static int along_axis(const cn_take_along_axis_args *o, int rank) { return o->axis == CN_NONE ? 0 : cni_wrap(o->axis, rank); }
static along take_along_plan(const cn_call *c) {
  const cn_dims x = along_x(c->args, c->x[0]), at = along_indices(c->args, c->x[1]);
  return along_plan(&x, &at, &c->y[0]->dims, along_axis(c->args, x.rank));
}
static cn_code take_along_axis_check(const cn_call *c) {
  const cn_dims x = along_x(c->args, c->x[0]);
  const int axis = along_axis(c->args, x.rank);
  return cni_check_indices(c->graph, c->x[1], axis, x.d[axis]);
}
static cn_code take_along_axis_forward(const cn_call *c) {
  return walk_along(c->graph, (cn_dtype)c->x[0]->dtype, take_along_plan(c), c->x[1], c->x[0]->data, c->x[0]->count, c->y[0]->data, false);
}
static cn_code take_along_axis_backward(const cn_call *c) {
  if (!c->gx[0]) return CN_OK;
  return walk_along(c->graph, (cn_dtype)c->x[0]->dtype, take_along_plan(c), c->x[1], c->gx[0], c->x[0]->count, c->gy[0], true);
}
CNI_VJP(take_along_axis) {
  if (!want[0]) return;
  const cn_take_along_axis_args *o = n->args;
  const cn_dims x = along_x(o, n->x[0]);
  const cn_scatter_along_axis_args a = { g, gy[0], n->x[1], cni_sizes(&x), along_axis(o, x.rank) };
  gx[0] = cn_apply(g, &cn_op_scatter_along_axis, &a)[0];
  if (o->axis == CN_NONE) gx[0] = cni_to_shape(g, gx[0], &n->x[0]->dims);
}

/* Flat places in x and the indices of the element of y at `at`. */
static int64_t along_place(const cn_dims *x, const cn_dims *indices, const double *index, int axis, const int64_t *at) {
  int64_t xi = 0, ii = 0;
  for (int i = 0; i < x->rank; i++) ii = ii * indices->d[i] + (indices->d[i] == 1 ? 0 : at[i]);
  const int64_t k = (int64_t)index[ii];
  for (int i = 0; i < x->rank; i++) xi = xi * x->d[i] + (i == axis ? (k < 0 ? k + x->d[i] : k) : x->d[i] == 1 ? 0 : at[i]);
  return xi;
}
static void take_along_axis_reference(const cn_reference *r) {
  const cn_dims x = along_x(r->call->args, r->call->x[0]), in = along_indices(r->call->args, r->call->x[1]);
  int64_t at[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++, cni_next(&r->call->y[0]->dims, at))
    r->y[0][i] = r->x[0][along_place(&x, &in, r->x[1], along_axis(r->call->args, x.rank), at)];
}
CN_OP(take_along_axis, CN_LIST_TAKE_ALONG_AXIS, .outputs = 1, .infer = take_along_axis_infer, .check = take_along_axis_check,
      .forward = take_along_axis_forward, .vjp = take_along_axis_vjp, .backward = take_along_axis_backward, .reads = CN_READS_X(1),
      .reference = take_along_axis_reference,
      .samples = CN_TEXTS("f[3,4], i[3,2]@0:4, axis=1", "f[2,3,2], l[2,1,2]@-3:3, axis=1", "f[2,3], i[3]@0:6", "f[1,4], i[3,2]@0:4, axis=1",
                          "f[3,4], i[1,2]@0:4, axis=-1", "f[2,3], i[2,0]@0:1, axis=1"),
      .rejects = CN_TEXTS("f[3,2], i[3,1]@2:3, axis=1 => index 2 is out of range for axis 1 of size 2", "f[3,2], i[2,1]@0:1, axis=1 => do not fit",
                          "f[3,2], i[3]@0:1, axis=1 => do not fit"));

static cn_code scatter_along_axis_infer(const cn_call *c) {
  const cn_scatter_along_axis_args *o = c->args;
  cn_dims y, values;
  if (cni_refuse_strings(c) || cni_need_indices(c, 1)) return CN_DTYPE;
  if (!cni_dims_from(c->graph, o->shape, &y)) return CN_VALUE;
  if (y.rank == 1 && c->x[1]->dims.rank != 1) { /* indices of the flattened elements */
    values = (cn_dims){ 1, { c->x[1]->count } };
    if (cn_axis(c->graph, o->axis, 1) < 0) return CN_INDEX;
    if (c->x[0]->count != c->x[1]->count && cni_need_shape(c, 0, &values)) return CN_SHAPE;
  } else if (along_dims(c, &y, o->axis, &values) || cni_need_shape(c, 0, &values)) {
    return CN_SHAPE;
  }
  return cni_sig_like(c, &y), CN_OK;
}
static along scatter_along_plan(const cn_call *c) {
  const cn_scatter_along_axis_args *o = c->args;
  const cn_dims *y = &c->y[0]->dims, flat = { 1, { c->x[1]->count } };
  const cn_dims *in = y->rank == 1 ? &flat : &c->x[1]->dims;
  return along_plan(y, in, y->rank == 1 ? &flat : &c->x[0]->dims, cni_wrap(o->axis, y->rank));
}
static cn_code scatter_along_axis_check(const cn_call *c) {
  const cn_scatter_along_axis_args *o = c->args;
  const int axis = cni_wrap(o->axis, (int)o->shape.n);
  return cni_check_indices(c->graph, c->x[1], axis, o->shape.v[axis]);
}
static cn_code scatter_along_axis_forward(const cn_call *c) {
  return walk_along(c->graph, (cn_dtype)c->x[0]->dtype, scatter_along_plan(c), c->x[1], c->y[0]->data, c->y[0]->count, c->x[0]->data, true);
}
CNI_VJP(scatter_along_axis) {
  const cn_scatter_along_axis_args *o = n->args;
  if (!want[0]) return;
  const bool flat = o->shape.n == 1 && n->x[1]->dims.rank != 1;
  const cn_take_along_axis_args a = { g, gy[0], n->x[1], flat ? CN_NONE : o->axis };
  gx[0] = cni_to_shape(g, cn_apply(g, &cn_op_take_along_axis, &a)[0], &n->x[0]->dims);
}
static void scatter_along_axis_reference(const cn_reference *r) {
  const cn_scatter_along_axis_args *o = r->call->args;
  const cn_dims *y = &r->call->y[0]->dims;
  int64_t at[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(&r->call->x[0]->dims, at))
    r->y[0][along_place(y, &r->call->x[1]->dims, r->x[1], cni_wrap(o->axis, y->rank), at)] += r->x[0][i];
}
CN_OP(scatter_along_axis, CN_LIST_SCATTER_ALONG_AXIS, .outputs = 1, .infer = scatter_along_axis_infer, .check = scatter_along_axis_check,
      .forward = scatter_along_axis_forward, .vjp = scatter_along_axis_vjp, .reads = CN_READS_X(1), .reference = scatter_along_axis_reference,
      .samples = CN_TEXTS("f[3,2], i[3,2]@0:4, shape=[3,4], axis=1", "f[2,1,2], l[2,1,2]@-3:3, shape=[2,3,2], axis=1", "f[3], i[3]@0:6, shape=[6], axis=0",
                          "f[3,2], i[3,2]@0:4, shape=[1,4], axis=1"),
      .rejects = CN_TEXTS("f[3,2], i[3,2]@4:5, shape=[3,4], axis=1 => index 4 is out of range for axis 1 of size 4",
                          "f[2,2], i[3,2]@0:1, shape=[3,4], axis=1 => values must have shape [3,2]",
                          "f[2,3], i[3,2]@0:1, shape=[3,4], axis=1 => values must have shape [3,2], got [2,3]",
                          "f[2,3], i[2,3]@0:1, shape=[6], axis=3 => axis 3 is out of range for rank 1"));

const cn_op *const cni_ops_index[] = { &cn_op_take, &cn_op_take_rows, &cn_op_scatter_rows, &cn_op_take_along_axis, &cn_op_scatter_along_axis, NULL };
