/* Weighted means, spans and quantiles, declared in ops_assemble.h. */
#include <math.h>
#include <stdlib.h>
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "ops_reduce_private.h"

/* ---- ptp ---- */
static cn_code reduce_infer(const cn_call *c) {
  const cn_ptp_args *o = c->args;
  uint32_t bits;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_axes(c->graph, o->axis, c->x[0]->dims.rank, &bits)) return CN_INDEX;
  for (int i = 0; i < c->x[0]->dims.rank; i++)
    if (bits & 1u << i && c->x[0]->dims.d[i] == 0) return cn_fail(c->graph, CN_VALUE, "axis %d has no elements", i);
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_reduced_dims(&c->x[0]->dims, bits, o->keepdims, &c->sig[0].dims);
  return CN_OK;
}
static void ptp_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_ptp_args *o = c->args;
  y[0] = cn_subtract(g, cn_max(g, c->x[0], .axis = o->axis, .keepdims = o->keepdims), cn_min(g, c->x[0], .axis = o->axis, .keepdims = o->keepdims));
}
/* The elements that belong to result k. */
static int64_t group_of(const cn_reference *r, cn_ints axis, int64_t k, double *group) {
  const cn_dims *d = &r->call->x[0]->dims;
  int64_t at[CN_MAX_RANK] = { 0 }, m = 0;
  uint32_t bits;
  cni_axes(r->call->graph, axis, d->rank, &bits);
  for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(d, at)) {
    int64_t place = 0;
    for (int a = 0; a < d->rank; a++) place = bits & 1u << a ? place : place * d->d[a] + at[a];
    if (place == k) group[m++] = r->x[0][i];
  }
  return m;
}
static int by_value(const void *p, const void *q) {
  const double a = *(const double *)p, b = *(const double *)q;
  return (a > b) - (a < b);
}
static double *sorted_group(const cn_reference *r, cn_ints axis, int64_t k, int64_t *n) {
  double *group = cni_arena_take(r->call->graph, cni_step_arena(r->call->graph), (size_t)(r->call->x[0]->count + 1) * sizeof *group);
  *n = group ? group_of(r, axis, k, group) : 0;
  if (group) qsort(group, (size_t)*n, sizeof *group, by_value);
  return group;
}
static void ptp_reference(const cn_reference *r) {
  for (int64_t k = 0, n; k < r->call->y[0]->count; k++) {
    const double *v = sorted_group(r, ((const cn_ptp_args *)r->call->args)->axis, k, &n);
    if (n) r->y[0][k] = v[n - 1] - v[0];
  }
}
#define TESTS                                                                                                                              \
  .samples = CN_TEXTS("f[3,5]@distinct, axis=[1]", "f[3,4]@distinct", "f[2,3,4]@distinct, axis=[0,2], keepdims=true", "f[1]", "f[0,3], axis=[1]"), \
  .rejects = CN_TEXTS("f[3,4], axis=[2] => axis 2 is out of range for rank 2", "f[0] => axis 0 has no elements", "i[3]@0:3 => float32 and float64")
CN_OP(ptp, CN_LIST_REDUCE, .outputs = 1, .infer = reduce_infer, .compose = ptp_compose, .reference = ptp_reference, TESTS);

/* ---- quantile, percentile, median ---- */
typedef enum { LINEAR, LOWER, HIGHER, MIDPOINT, NEAREST } method;
static const char *const methods[] = { "linear", "lower", "higher", "midpoint", "nearest" };
static int method_of(cn_graph *g, const char *name) {
  for (int i = 0; name && i < 5; i++)
    if (!strcmp(name, methods[i])) return i;
  return cn_fail(g, CN_VALUE, "method must be linear, lower, higher, midpoint or nearest, got \"%s\"", name ? name : "None"), -1;
}
/* [kept sizes, product of the reduced ones], the reduced axes last. */
static cn_tensor *lanes(cn_graph *g, cn_tensor *x, uint32_t bits) {
  int64_t order[CN_MAX_RANK], k = 0;
  cn_dims lane = { 0, { 0 } };
  int64_t size = 1;
  for (int i = 0; i < x->dims.rank; i++)
    if (!(bits & 1u << i)) order[k++] = i, lane.d[lane.rank++] = x->dims.d[i];
  for (int i = 0; i < x->dims.rank; i++)
    if (bits & 1u << i) order[k++] = i, size *= x->dims.d[i];
  lane.d[lane.rank++] = size;
  const cn_ints axes = { order, k };
  return cni_to_shape(g, cn_transpose(g, x, .axes = axes), &lane);
}
/* Looked up in x, not in the sorted lanes: the gradient then goes straight to few places. */
static cn_tensor *at_rank(cn_graph *g, cn_tensor *x, cn_tensor *order, cn_tensor *place, bool own) {
  cn_tensor *rank = cn_cast(g, place, .dtype = "int32");
  return cn_take_along_axis(g, x, own ? cn_take_along_axis(g, order, rank, .axis = -1) : cn_take(g, order, rank, .axis = -1), .axis = -1);
}
/* Quantiles of lanes at `rank`, which every lane has of its own ([lanes, q]) or all in common ([q]): [lanes, q]. */
static cn_tensor *between(cn_graph *g, cn_tensor *x, cn_tensor *rank, bool own, method m) {
  cn_tensor *order = cn_argsort(g, x),
            *low = m == NEAREST  ? cn_round(g, rank)
                   : m == HIGHER ? cn_ceil(g, rank)
                                 : cn_floor(g, rank),
            *below = at_rank(g, x, order, low, own);
  if (m != LINEAR && m != MIDPOINT) return below;
  cn_tensor *above = at_rank(g, x, order, cn_ceil(g, rank), own);
  if (m == MIDPOINT) return cn_scale(g, cn_add(g, below, above), 0.5);
  return cn_add(g, below, cn_multiply(g, cn_subtract(g, above, below), cn_subtract(g, rank, low)));
}
/* Of each lane; NaN where it has one. */
static cn_tensor *of_all(cn_graph *g, cn_tensor *x, cn_tensor *q, method m) {
  const cn_ints last = CN_INTS(-1);
  cn_tensor *y = between(g, x, cn_scale(g, q, (double)(x->dims.d[x->dims.rank - 1] - 1)), false, m);
  return cn_where(g, cn_isnan(g, cn_max(g, x, .axis = last, .keepdims = true)), cn_scalar_like(g, x, NAN), y);
}
/* Of each lane's numbers that are no NaN, which are sorted to its end; NaN where there are none. */
static cn_tensor *of_numbers(cn_graph *g, cn_tensor *x, cn_tensor *q, method m) {
  const cn_ints last = CN_INTS(-1);
  cn_tensor *count = cn_sum(g, cn_cast(g, cn_logical_not(g, cn_isnan(g, x)), .dtype = cn_dtype_name((cn_dtype)x->dtype)), .axis = last, .keepdims = true);
  return between(g, x, cn_multiply(g, cn_maximum(g, cn_shift(g, count, -1), cn_scalar_like(g, x, 0)), q), true, m);
}
typedef cn_tensor *quantiles_of(cn_graph *g, cn_tensor *lanes, cn_tensor *q, method m);
static cn_tensor *quantiles(cn_graph *g, const cn_call *c, cn_tensor *q, cn_ints axis, method m, quantiles_of *of) {
  uint32_t bits;
  if (!cni_axes(g, axis, c->x[0]->dims.rank, &bits)) return NULL;
  cn_tensor *rows = lanes(g, c->x[0], bits);
  if (!rows || !q) return NULL;
  cn_tensor *y = of(g, rows, cn_ravel(g, q), m);
  if (q->dims.rank == 1) y = cn_moveaxis(g, y, .source = CN_INTS(-1), .destination = CN_INTS(0));
  return cni_to_shape(g, y, &c->sig[0].dims);
}
static cn_code quantile_infer(const cn_call *c) {
  const cn_quantile_args *o = c->args;
  const cn_ptp_args spans = { c->graph, c->x[0], o->axis, o->keepdims };
  cn_call reduced = *c;
  reduced.args = &spans;
  const cn_dims *q = &c->x[1]->dims;
  if (method_of(c->graph, o->method) < 0) return CN_VALUE;
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "x and q must have one dtype");
  if (q->rank > 1) return cn_fail(c->graph, CN_SHAPE, "q must have rank 0 or 1, got rank %d", q->rank);
  const cn_code code = reduce_infer(&reduced);
  cn_dims *y = &c->sig[0].dims;
  if (code || !q->rank) return code;
  if (y->rank == CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  memmove(y->d + 1, y->d, (size_t)y->rank++ * sizeof *y->d);
  y->d[0] = q->d[0];
  return CN_OK;
}
static cn_code check_range(const cn_call *c, double most) {
  for (int64_t i = 0; i < c->x[1]->count; i++) {
    const double q = cni_value_at(c->x[1], i);
    if (!(q >= 0 && q <= most)) return cn_fail(c->graph, CN_VALUE, "q must be in 0 .. %g, got %g", most, q);
  }
  return CN_OK;
}
static cn_code quantile_check(const cn_call *c) { return check_range(c, 1); }
static cn_code percentile_check(const cn_call *c) { return check_range(c, 100); }
#define COMPOSE(prefix, of)                                                                                                       \
  static void prefix##quantile_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {                                            \
    const cn_quantile_args *o = c->args;                                                                                          \
    y[0] = quantiles(g, c, c->x[1], o->axis, (method)method_of(g, o->method), of);                                                \
  }                                                                                                                               \
  static void prefix##percentile_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {                                          \
    const cn_quantile_args *o = c->args;                                                                                          \
    y[0] = quantiles(g, c, cn_scale(g, c->x[1], 0.01), o->axis, (method)method_of(g, o->method), of);                             \
  }                                                                                                                               \
  static void prefix##median_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {                                              \
    y[0] = quantiles(g, c, cn_scalar_like(g, c->x[0], 0.5), ((const cn_median_args *)c->args)->axis, LINEAR, of);                 \
  }
COMPOSE(, of_all)
COMPOSE(nan, of_numbers)

static double quantile_of(const double *v, int64_t n, double q, int m) {
  const double rank = q * (double)(n - 1), low = v[(int64_t)floor(rank)], high = v[(int64_t)ceil(rank)];
  return m == LOWER      ? low
         : m == HIGHER   ? high
         : m == NEAREST  ? v[(int64_t)rint(rank)]
         : m == MIDPOINT ? (low + high) / 2
                         : low + (high - low) * (rank - floor(rank));
}
static void quantile_values(const cn_reference *r, double unit) {
  const cn_quantile_args *o = r->call->args;
  const int64_t nq = r->call->x[1]->count, results = nq ? r->call->y[0]->count / nq : 0;
  for (int64_t k = 0, n; k < results; k++) {
    const double *v = sorted_group(r, o->axis, k, &n);
    for (int64_t i = 0; n && i < nq; i++) r->y[0][i * results + k] = quantile_of(v, n, r->x[1][i] / unit, method_of(r->call->graph, o->method));
  }
}
static void quantile_reference(const cn_reference *r) { quantile_values(r, 1); }
static void percentile_reference(const cn_reference *r) { quantile_values(r, 100); }
static void median_reference(const cn_reference *r) {
  for (int64_t k = 0, n; k < r->call->y[0]->count; k++) {
    const double *v = sorted_group(r, ((const cn_median_args *)r->call->args)->axis, k, &n);
    if (n) r->y[0][k] = quantile_of(v, n, 0.5, LINEAR);
  }
}
CN_OP(median, CN_LIST_REDUCE, .outputs = 1, .infer = reduce_infer, .compose = median_compose, .reference = median_reference, TESTS);
CN_OP(nanmedian, CN_LIST_REDUCE, .outputs = 1, .infer = reduce_infer, .compose = nanmedian_compose, .reference = median_reference, TESTS);

#define QUANTILE_REJECTS "f[3,4], f[], axis=[2] => axis 2 is out of range for rank 2", "f[0], f[] => axis 0 has no elements", "f[3], f[2,2] => q must have rank 0 or 1, got rank 2", "f[3], f[]@0:1, method='cubic' => method must be"
#define QUANTILE_TESTS \
  .samples = CN_TEXTS("f[3,5]@distinct, f[]@0.1:0.9, axis=[1]", "f[5]@distinct, f[3]@0.1:0.9", "f[2,3,4]@distinct, f[2]@0.1:0.9, axis=[0,2], keepdims=true", \
                      "f[7]@distinct, f[2]@0.27:0.3, method='lower'", "f[7]@distinct, f[2]@0.27:0.3, method='higher'", \
                      "f[7]@distinct, f[]@0.27:0.3, method='midpoint'", "f[7]@distinct, f[]@0.27:0.3, method='nearest'"), \
  .rejects = CN_TEXTS(QUANTILE_REJECTS, "f[3], f[]@1.5:2 => q must be in 0 .. 1")
#define PERCENTILE_TESTS \
  .samples = CN_TEXTS("f[3,5]@distinct, f[]@10:90, axis=[1]", "f[5]@distinct, f[3]@10:90", "f[2,3]@distinct, f[2]@10:90, axis=[0], keepdims=true"), \
  .rejects = CN_TEXTS(QUANTILE_REJECTS, "f[3], f[]@150:200 => q must be in 0 .. 100")
CN_OP(quantile, CN_LIST_QUANTILE, .outputs = 1, .infer = quantile_infer, .check = quantile_check, .compose = quantile_compose,
      .reference = quantile_reference, QUANTILE_TESTS);
CN_OP(percentile, CN_LIST_QUANTILE, .outputs = 1, .infer = quantile_infer, .check = percentile_check, .compose = percentile_compose,
      .reference = percentile_reference, PERCENTILE_TESTS);
CN_OP(nanquantile, CN_LIST_QUANTILE, .outputs = 1, .infer = quantile_infer, .check = quantile_check, .compose = nanquantile_compose,
      .reference = quantile_reference, QUANTILE_TESTS);
CN_OP(nanpercentile, CN_LIST_QUANTILE, .outputs = 1, .infer = quantile_infer, .check = percentile_check, .compose = nanpercentile_compose,
      .reference = percentile_reference, PERCENTILE_TESTS);

/* ---- average ---- */
static bool along_axis(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims, *w = &c->x[1]->dims;
  const int64_t axis = ((const cn_average_args *)c->args)->axis;
  return w->rank == 1 && axis != CN_NONE && x->d[cni_wrap(axis, x->rank)] == w->d[0];
}
static cn_code average_infer(const cn_call *c) {
  const cn_average_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (o->axis != CN_NONE && cn_axis(c->graph, o->axis, x->rank) < 0) return CN_INDEX;
  if (cni_given(c->x[1])) {
    if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "x and weights must have one dtype");
    if (!cn_dims_equal(x, &c->x[1]->dims) && !along_axis(c))
      return cn_fail(c->graph, CN_SHAPE, "weights must have x's shape, or one number an element of axis");
  }
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_reduced_dims(x, o->axis == CN_NONE ? ~0u : 1u << cni_wrap(o->axis, x->rank), false, &c->sig[0].dims);
  return CN_OK;
}
static void average_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_average_args *o = c->args;
  const cn_ints axis = { &o->axis, o->axis == CN_NONE ? -1 : 1 };
  cn_tensor *x = c->x[0], *w = c->x[1];
  if (!cni_given(w)) { y[0] = cn_mean(g, x, .axis = axis); return; }
  cn_dims column = { x->dims.rank, { 0 } };
  for (int i = 0; i < column.rank; i++) column.d[i] = o->axis != CN_NONE && i == cni_wrap(o->axis, x->dims.rank) ? x->dims.d[i] : 1;
  if (!cn_dims_equal(&x->dims, &w->dims)) w = cni_spread(g, cni_to_shape(g, w, &column), &x->dims);
  y[0] = cn_divide(g, cn_sum(g, cn_multiply(g, x, w), .axis = axis), cn_sum(g, w, .axis = axis));
}
static void average_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const int64_t axis = ((const cn_average_args *)c->args)->axis;
  const cni_runs l = axis == CN_NONE ? (cni_runs){ 1, c->x[0]->count, 1, false } : cni_axis_runs(&c->x[0]->dims, cni_wrap(axis, c->x[0]->dims.rank));
  const bool given = cni_given(c->x[1]), along = given && !cn_dims_equal(&c->x[0]->dims, &c->x[1]->dims);
  for (int64_t k = 0; k < l.outer * l.inner; k++) {
    double sum = 0, weights = 0;
    for (int64_t i = 0; i < l.n; i++) {
      const int64_t at = (k / l.inner * l.n + i) * l.inner + k % l.inner;
      const double w = !given ? 1 : r->x[1][along ? i : at];
      sum += w * r->x[0][at], weights += w;
    }
    r->y[0][k] = sum / weights;
  }
}
CN_OP(average, CN_LIST_AVERAGE, .outputs = 1, .infer = average_infer, .compose = average_compose, .reference = average_reference,
      .samples = CN_TEXTS("f[3,4], f[3,4]@0.5:2, axis=1", "f[3,4], f[3]@0.5:2, axis=0", "f[3,4], _, axis=none", "f[2,3], _, axis=-1", "f[2,3], f[2,3]@0.5:2"),
      .rejects = CN_TEXTS("f[3,4], _, axis=2 => axis 2 is out of range for rank 2", "f[3,4], f[2], axis=0 => weights must have x's shape",
                          "i[3]@0:2, _ => float32 and float64"));

const cn_op *const cni_ops_quantile[] = { &cn_op_ptp,           &cn_op_median,    &cn_op_quantile,
                                          &cn_op_percentile,    &cn_op_average,   &cn_op_nanquantile,
                                          &cn_op_nanpercentile, &cn_op_nanmedian, NULL };
