/* Evenly spread numbers, declared in ops_search.h. */
#include <math.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

/* The options that linspace and logspace share. */
typedef struct spread { int64_t num; bool endpoint; const char *dtype; int64_t axis; } spread;

static cn_code spread_infer(const cn_call *c, spread s) {
  cn_dtype dtype = cni_is_float((cn_dtype)c->x[0]->dtype) ? (cn_dtype)c->x[0]->dtype : CN_F32;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  cn_code code = cn_infer_broadcast(c);
  if (code) return code;
  cn_dims *y = &c->sig[0].dims;
  const cn_dims inner = *y;
  if (s.dtype && (!cn_dtype_from_name(s.dtype, &dtype) || dtype == CN_STRING))
    return cn_fail(c->graph, CN_DTYPE, "dtype \"%s\" is not one of numbers", s.dtype);
  if (inner.rank == CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  const int at = cn_axis(c->graph, s.axis, inner.rank + 1);
  if (at < 0) return CN_INDEX;
  y->rank = inner.rank + 1;
  for (int i = 0; i < y->rank; i++) y->d[i] = i == at ? s.num : inner.d[i - (i > at)];
  c->sig[0].dtype = dtype;
  if (c->ny > 1) c->sig[1] = (cn_sig){ dtype, inner };
  return CN_OK;
}
static int64_t parts_of(spread s) { return s.endpoint ? s.num - 1 : s.num; }
/* [num, ...] along the first axis, of a float dtype that holds both the inputs and the result; *step [...]: the difference. */
static cn_tensor *spread_first(cn_graph *g, const cn_call *c, spread s, cn_tensor **step) {
  const bool plain = c->sig[0].dtype == CN_F32 && c->x[0]->dtype != CN_F64;
  const char *const wide = plain ? "float32" : "float64";
  cn_dims all, along = { 1, { s.num } };
  if (!cn_dims_broadcast(&c->x[0]->dims, &c->x[1]->dims, &all)) return NULL;
  for (; along.rank <= all.rank; along.rank++) along.d[along.rank] = 1;
  cn_tensor *a = cni_spread(g, cn_cast(g, c->x[0], .dtype = wide), &all), *b = cni_spread(g, cn_cast(g, c->x[1], .dtype = wide), &all);
  cn_tensor *t = cni_to_shape(g, cn_arange(g, plain ? CN_F32 : CN_F64, 0, (double)s.num, 1), &along);
  if (!a || !b || !t) return NULL;
  const int64_t parts = parts_of(s);
  *step = parts > 0 ? cn_scale(g, cn_subtract(g, b, a), 1 / (double)parts) : cn_multiply(g, cn_subtract(g, b, a), NUMBER(a, NAN));
  cn_tensor *y = cn_add(g, a, cn_multiply(g, t, parts > 0 ? *step : cn_subtract(g, b, a)));
  return s.endpoint && parts > 0 ? cn_where(g, cn_equal(g, t, NUMBER(t, (double)parts)), b, y) : y;
}
static cn_tensor *finished(cn_graph *g, const cn_call *c, spread s, cn_tensor *y) {
  const cn_ints first = CN_INTS(0), axis = { &s.axis, 1 };
  if (!cni_is_float(c->sig[0].dtype)) y = cn_floor(g, y);
  return cn_moveaxis(g, cn_cast(g, y, .dtype = cn_dtype_name(c->sig[0].dtype)), .source = first, .destination = axis);
}
/* Element i of y as the i-th number between its start and stop. */
static void spread_reference(const cn_reference *r, spread s, double base) {
  const cn_dims *a = &r->call->x[0]->dims, *b = &r->call->x[1]->dims, *y = &r->call->y[0]->dims;
  const int at = cni_wrap(s.axis, y->rank);
  int64_t inner = 1;
  cn_dims all;
  cn_dims_broadcast(a, b, &all);
  for (int i = at + 1; i < y->rank; i++) inner *= y->d[i];
  for (int64_t e = 0; e < r->call->y[0]->count; e++) {
    const int64_t i = e / inner % s.num, k = e / inner / s.num * inner + e % inner, parts = parts_of(s);
    const double from = r->x[0][cni_broadcast_index(a, &all, k)], to = r->x[1][cni_broadcast_index(b, &all, k)],
                 v = parts > 0 ? from + (to - from) * (double)i / (double)parts : from;
    r->y[0][e] = isnan(base) ? v : pow(base, v);
    if (!cni_is_float((cn_dtype)r->call->y[0]->dtype)) r->y[0][e] = floor(r->y[0][e]);
    if (r->call->ny > 1) r->y[1][k] = parts > 0 ? (to - from) / (double)parts : NAN;
  }
}

/* ---- linspace ---- */
static spread linspace_of(const cn_call *c) {
  const cn_linspace_args *o = c->args;
  return (spread){ o->num, o->endpoint, o->dtype, o->axis };
}
static int64_t linspace_count(const cn_call *c) { return ((const cn_linspace_args *)c->args)->retstep ? 2 : 1; }
static cn_code linspace_infer(const cn_call *c) { return spread_infer(c, linspace_of(c)); }
static void linspace_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *step = NULL;
  y[0] = finished(g, c, linspace_of(c), spread_first(g, c, linspace_of(c), &step));
  if (c->ny > 1) y[1] = cn_cast(g, step, .dtype = cn_dtype_name(c->sig[1].dtype));
}
static void linspace_reference(const cn_reference *r) { spread_reference(r, linspace_of(r->call), NAN); }
#define SPREAD_REJECTS "f[], f[], num=-1 => num must not be negative", "f[2], f[3] => shapes do not broadcast", "f[2], f[2], axis=2 => axis 2 is out of range for rank 2", "f[], i[]@0:3 => dtype", "s[2], s[2] => string"
CN_OP(linspace, CN_LIST_LINSPACE, .outputs = 0, .count = linspace_count, .infer = linspace_infer, .compose = linspace_compose, .reference = linspace_reference,
      .samples = CN_TEXTS("f[], f[], num=5", "f[3], f[3], num=4", "f[2,1], f[3], num=4, axis=-1", "f[2,3], f[3], num=3, axis=1, endpoint=false",
                          "f[2], f[], num=3, retstep=true", "f[2], f[2], num=1", "f[2], f[2], num=0", "f[], f[], num=1, endpoint=false, retstep=true",
                          "i[2]@-9:9, i[2]@-9:9, num=5", "i[]@1:2, i[]@10:11, num=5, dtype='int64'", "f[2], f[2]"),
      .rejects = CN_TEXTS(SPREAD_REJECTS, "f[], f[], dtype='string' => dtype"));

/* ---- logspace ---- */
static spread logspace_of(const cn_call *c) {
  const cn_logspace_args *o = c->args;
  return (spread){ o->num, o->endpoint, o->dtype, o->axis };
}
static cn_code logspace_infer(const cn_call *c) { return spread_infer(c, logspace_of(c)); }
static void logspace_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *step = NULL, *exponent = spread_first(g, c, logspace_of(c), &step);
  if (exponent) y[0] = finished(g, c, logspace_of(c), cn_power(g, NUMBER(exponent, ((const cn_logspace_args *)c->args)->base), exponent));
}
static void logspace_reference(const cn_reference *r) { spread_reference(r, logspace_of(r->call), ((const cn_logspace_args *)r->call->args)->base); }
CN_OP(logspace, CN_LIST_LOGSPACE, .outputs = 1, .infer = logspace_infer, .compose = logspace_compose, .reference = logspace_reference,
      .samples = CN_TEXTS("f[]@-1:1, f[]@-1:1, num=5", "f[3]@-1:1, f[3]@-1:1, num=4, base=2", "f[2,1]@-1:1, f[3]@-1:1, num=4, axis=-1, endpoint=false",
                          "f[2]@-1:1, f[2]@-1:1, num=1", "i[]@0:1, i[]@3:4, num=3, base=2"),
      .rejects = CN_TEXTS(SPREAD_REJECTS));

const cn_op *const cni_ops_space[] = { &cn_op_linspace, &cn_op_logspace, NULL };
