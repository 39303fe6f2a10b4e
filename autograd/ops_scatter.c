/* Writing to places that indices name, declared in ops_scatter.h. */
#include <math.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* Axes that the indices name; -1 after an error. */
static int indexed_axes(const cn_call *c, int64_t input, const cn_dims *to) {
  const cn_dims *d = &c->x[input]->dims;
  if (cni_need_indices(c, input)) return -1;
  if (d->rank && d->d[d->rank - 1] >= 0 && d->d[d->rank - 1] <= to->rank) return (int)d->d[d->rank - 1];
  return cn_fail(c->graph, CN_SHAPE, "the last axis of indices must name at most %d axes", to->rank), -1;
}
/* The shape that values at these indices have. */
static cn_code need_values(const cn_call *c, int64_t indices, int64_t values, const cn_dims *to) {
  const int k = indexed_axes(c, indices, to);
  const cn_dims *d = &c->x[indices]->dims;
  if (k < 0) return cn_error_code(c->graph);
  cn_dims want = { 0, { 0 } };
  if (d->rank - 1 + to->rank - k > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  for (int i = 0; i < d->rank - 1; i++) want.d[want.rank++] = d->d[i];
  for (int i = k; i < to->rank; i++) want.d[want.rank++] = to->d[i];
  return cni_need_shape(c, values, &want);
}
static cn_code check_places(const cn_call *c, int64_t input, const cn_dims *to) {
  const cn_tensor *x = c->x[input];
  const int64_t k = x->dims.d[x->dims.rank - 1];
  for (int64_t i = 0; i < x->count; i++)
    if (cni_index_at(x, i) < 0 || cni_index_at(x, i) >= to->d[i % k])
      return cn_fail(c->graph, CN_INDEX, "index %lld is out of range for axis %lld of size %lld", (long long)cni_index_at(x, i), (long long)(i % k),
                     (long long)to->d[i % k]);
  return CN_OK;
}

/* The first k axes as one, and what stands behind them. */
static cn_dims folded(const cn_dims *to, int64_t k) {
  cn_dims d = { 1, { 1 } };
  for (int i = 0; i < k; i++) d.d[0] *= to->d[i];
  for (int i = (int)k; i < to->rank; i++) d.d[d.rank++] = to->d[i];
  return d;
}
/* [number of places]: each place as one number, of int64 where int32 has too few. */
static cn_tensor *flat_places(cn_graph *g, cn_tensor *indices, const cn_dims *to) {
  const int64_t k = indices->dims.d[indices->dims.rank - 1], places = cn_dims_count(&(const cn_dims){ 1, { k ? indices->count / k : 1 } });
  if (!k) return cn_zeros(g, CN_I32, &(const cn_dims){ 1, { places } });
  if (folded(to, k).d[0] > INT32_MAX) indices = cn_cast(g, indices, .dtype = "int64");
  cn_tensor *const *at = cn_unstack(g, indices, .axis = -1), *flat = at[0];
  for (int64_t i = 1; flat && i < k; i++) flat = cn_add(g, cn_multiply(g, flat, cn_scalar_like(g, flat, (double)to->d[i])), at[i]);
  return flat ? cn_ravel(g, flat) : NULL;
}
static int64_t width_of(const cn_tensor *indices) { return indices->dims.d[indices->dims.rank - 1]; }
/* x at the indices, of the shape of `like`. */
static cn_tensor *at_places(cn_graph *g, cn_tensor *x, cn_tensor *indices, const cn_tensor *like) {
  if (!x) return NULL;
  const cn_dims rows = folded(&x->dims, width_of(indices));
  return cni_to_shape(g, cn_take_rows(g, cni_to_shape(g, x, &rows), flat_places(g, indices, &x->dims)), &like->dims);
}

/* ---- scatter ---- */
static cn_code scatter_infer(const cn_call *c) {
  cn_dims to;
  if (!cni_dims_from(c->graph, ((const cn_scatter_args *)c->args)->shape, &to)) return CN_VALUE;
  if (c->x[1]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "needs numbers, got string");
  const cn_code code = need_values(c, 0, 1, &to);
  c->sig[0] = (cn_sig){ (cn_dtype)c->x[1]->dtype, to };
  return code;
}
static cn_code scatter_check(const cn_call *c) {
  cn_dims to;
  return cni_dims_from(c->graph, ((const cn_scatter_args *)c->args)->shape, &to) ? check_places(c, 0, &to) : CN_VALUE;
}
static void scatter_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_dims to;
  if (!cni_dims_from(g, ((const cn_scatter_args *)c->args)->shape, &to)) return;
  const cn_dims all = folded(&to, width_of(c->x[0]));
  cn_tensor *flat = flat_places(g, c->x[0], &to);
  cn_dims rows = all;
  if (flat) rows.d[0] = flat->count;
  y[0] = cni_to_shape(g, cn_scatter_rows(g, cni_to_shape(g, c->x[1], &rows), flat, .shape = cni_sizes(&all)), &to);
}
/* Element e of the values goes there. */
static int64_t place(const double *indices, const cn_dims *index, const cn_dims *to, int64_t e) {
  const int64_t k = index->d[index->rank - 1];
  int64_t inner = 1, at = 0;
  for (int i = (int)k; i < to->rank; i++) inner *= to->d[i];
  for (int64_t i = 0; i < k; i++) at = at * to->d[i] + (int64_t)indices[e / inner * k + i];
  return at * inner + e % inner;
}
static void scatter_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  for (int64_t i = 0; i < c->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t e = 0; e < c->x[1]->count; e++) r->y[0][place(r->x[0], &c->x[0]->dims, &c->y[0]->dims, e)] += r->x[1][e];
}
CN_OP(scatter, CN_LIST_SCATTER, .outputs = 1, .infer = scatter_infer, .check = scatter_check, .compose = scatter_compose, .reference = scatter_reference,
      .samples = CN_TEXTS("i[3,2]@0:1, f[3], shape=[3,2]", "i[2,1]@0:5, f[2], shape=[6]", "l[2,2,1]@0:2, f[2,2,3], shape=[4,3]", "i[0,1]@0:1, f[0], shape=[3]"),
      .rejects = CN_TEXTS("i[2,1]@9:9.5, f[2], shape=[4] => index 9 is out of range for axis 0 of size 4", "i[2,1]@0:1, f[3], shape=[4] => must have shape [2]",
                          "i[2,2]@0:1, f[2], shape=[4] => at most 1 axes"));

/* ---- scatter_update ---- */
static const char *const reductions[] = { "add", "max", "min", "mul" };
enum { SET, ADD, MAX, MIN, MUL };
static int reduction_of(cn_graph *g, const char *name) {
  if (!name) return SET;
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, reductions[i])) return i + 1;
  return cn_fail(g, CN_VALUE, "reduction must be None, add, max, min or mul, got \"%s\"", name), -1;
}
static cn_code update_infer(const cn_call *c) {
  if (reduction_of(c->graph, ((const cn_scatter_update_args *)c->args)->reduction) < 0) return CN_VALUE;
  if (c->x[0]->dtype != c->x[2]->dtype || c->x[0]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "inputs and updates must be numbers of one dtype");
  const cn_code code = need_values(c, 1, 2, &c->x[0]->dims);
  cni_sig_like(c, &c->x[0]->dims);
  return code;
}
static cn_code update_check(const cn_call *c) { return check_places(c, 1, &c->x[0]->dims); }
static double combined(int how, double a, double b) {
  return how == SET ? b : how == ADD ? a + b : how == MUL ? a * b : (how == MAX ? b > a : b < a) || isnan(b) ? b : a;
}
/* Integers stay exact, and wrap. */
static int64_t combined_whole(int how, int64_t a, int64_t b) {
  if (how == ADD) return (int64_t)((uint64_t)a + (uint64_t)b);
  if (how == MUL) return (int64_t)((uint64_t)a * (uint64_t)b);
  return (how == MAX ? b > a : b < a) ? b : a;
}
static void combine(int how, cn_tensor *y, int64_t to, const cn_tensor *u, int64_t from) {
  if (cni_is_float((cn_dtype)y->dtype)) cni_value_set(y, to, combined(how, cni_value_at(y, to), cni_value_at(u, from)));
  else cni_integer_set(y, to, combined_whole(how, cni_integer_at(y, to), cni_integer_at(u, from)));
}
static cn_code update_forward(const cn_call *c) {
  const int how = reduction_of(c->graph, ((const cn_scatter_update_args *)c->args)->reduction);
  const cn_tensor *index = c->x[1], *u = c->x[2];
  const cn_dims *to = &c->x[0]->dims;
  const int64_t k = width_of(index), places = k ? index->count / k : u->count ? 1 : 0, inner = places ? u->count / places : 0;
  const size_t width = cni_width_of(c);
  if (c->y[0]->count) memcpy(c->y[0]->data, c->x[0]->data, (size_t)c->y[0]->count * width);
  for (int64_t p = 0; p < places; p++) {
    int64_t at = 0;
    for (int64_t i = 0; i < k; i++) at = at * to->d[i] + cni_index_at(index, p * k + i);
    if (how == SET) memcpy((char *)c->y[0]->data + (size_t)(at * inner) * width, (const char *)u->data + (size_t)(p * inner) * width, (size_t)inner * width);
    else
      for (int64_t j = 0; j < inner; j++) combine(how, c->y[0], at * inner + j, u, p * inner + j);
  }
  return CN_OK;
}
/* Of each place, the update that stays: the last. [places, 1, ...] */
static cn_tensor *stays(cn_graph *g, cn_tensor *inputs, cn_tensor *indices, const cn_tensor *updates) {
  const int64_t k = width_of(indices), places = k ? indices->count / k : 1;
  cn_dims column = { updates->dims.rank, { 0 } };
  for (int i = 0; i < column.rank; i++) column.d[i] = i < indices->dims.rank - 1 ? indices->dims.d[i] : 1;
  const cn_dtype dtype = places > INT32_MAX ? CN_I64 : CN_I32;
  cn_tensor *order = cn_arange(g, dtype, 0, (double)places, 1), *flat = flat_places(g, indices, &inputs->dims);
  const cn_dims one = { 2, { places, 1 } }, all = { 1, { folded(&inputs->dims, k).d[0] } };
  cn_tensor *last = cn_scatter_update(g, cn_zeros(g, dtype, &all), cni_to_shape(g, flat, &one), order);
  return cni_to_shape(g, cn_equal(g, cn_take_rows(g, last, flat), order), &column);
}
static void set_vjp(cn_graph *g, const cn_node *n, cn_tensor *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *zero = cn_scalar_like(g, gy, 0), *ones = cn_full(g, (cn_dtype)gy->dtype, &n->x[2]->dims, 1);
  if (want[0]) gx[0] = cn_where(g, cn_equal(g, cn_scatter(g, n->x[1], ones, .shape = cni_sizes(&gy->dims)), zero), gy, zero);
  if (want[2]) gx[2] = cn_where(g, stays(g, n->x[0], n->x[1], n->x[2]), at_places(g, gy, n->x[1], n->x[2]), zero);
}
static void extreme_vjp(cn_graph *g, const cn_node *n, cn_tensor *gy, cn_tensor **gx) {
  cn_tensor *zero = cn_scalar_like(g, gy, 0), *one = cn_scalar_like(g, gy, 1), *in = cn_equal(g, n->x[0], n->y[0]),
            *up = cn_equal(g, n->x[2], at_places(g, n->y[0], n->x[1], n->x[2]));
  cn_tensor *count = cn_add(g, cn_where(g, in, one, zero), cn_scatter(g, n->x[1], cn_where(g, up, one, zero), .shape = cni_sizes(&gy->dims)));
  cn_tensor *share = cn_divide(g, gy, count);
  gx[0] = cn_where(g, in, share, zero);
  gx[2] = cn_where(g, up, at_places(g, share, n->x[1], n->x[2]), zero);
}
CNI_VJP(update) {
  const int how = reduction_of(g, ((const cn_scatter_update_args *)n->args)->reduction);
  if (how == SET) { set_vjp(g, n, gy[0], want, gx); return; }
  if (how == MAX || how == MIN) { extreme_vjp(g, n, gy[0], gx); return; }
  cn_tensor *ones = how == MUL ? cn_full(g, (cn_dtype)gy[0]->dtype, &n->x[0]->dims, 1) : NULL;
  gx[0] = how == ADD ? gy[0] : cn_multiply(g, gy[0], cn_scatter_update(g, ones, n->x[1], n->x[2], .reduction = "mul"));
  gx[2] = how == ADD ? at_places(g, gy[0], n->x[1], n->x[2])
                     : cn_divide(g, at_places(g, cn_multiply(g, gy[0], cn_scatter_update(g, n->x[0], n->x[1], n->x[2], .reduction = "mul")), n->x[1], n->x[2]),
                                 n->x[2]);
}
static void update_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const int how = reduction_of(c->graph, ((const cn_scatter_update_args *)c->args)->reduction);
  for (int64_t i = 0; i < c->y[0]->count; i++) r->y[0][i] = r->x[0][i];
  for (int64_t e = 0; e < c->x[2]->count; e++) {
    double *to = &r->y[0][place(r->x[1], &c->x[1]->dims, &c->y[0]->dims, e)];
    *to = combined(how, *to, r->x[2][e]);
  }
}
CN_OP(scatter_update, CN_LIST_SCATTER_UPDATE, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_X(2) | CN_READS_Y(0), .infer = update_infer,
      .check = update_check, .forward = update_forward, .vjp = update_vjp, .reference = update_reference,
      .samples = CN_TEXTS("f[4,3], i[3,2]@0:2, f[3]", "f[4,3], i[2,1]@0:3, f[2,3]", "f[4,3], i[3,2]@0:1, f[3], reduction='add'",
                          "f[3], i[4,1]@0:2, f[4], reduction='max'", "f[3], i[4,1]@0:2, f[4], reduction='min'",
                          "f[3]@0.5:2, i[4,1]@0:2, f[4]@0.5:2, reduction='mul'", "f[3], i[0,1]@0:2, f[0]", "l[3]@0:9, i[4,1]@0:2, l[4]@0:9, reduction='add'",
                          "i[3]@0:9, l[4,1]@0:2, i[4]@0:9, reduction='mul'", "i[3]@-9:9, i[4,1]@0:2, i[4]@-9:9, reduction='max'",
                          "b[3], i[2,1]@0:2, b[2], reduction='min'"),
      .rejects = CN_TEXTS("f[3], i[2,1]@0:1, f[3] => must have shape [2], got [3]", "f[3], i[2,1]@5:5.5, f[2] => index 5 is out of range",
                          "f[3], i[2,1]@0:1, f[2], reduction='sum' => reduction must be"));

const cn_op *const cni_ops_scatter[] = { &cn_op_scatter, &cn_op_scatter_update, NULL };
