/* Elementwise operations that are made of others, and Bessel functions. */
#include "ops_special.h"
#include <float.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

#define SAMPLES .samples = CN_TEXTS("f[3,4]", "f[]", "f[2,1,3]", "f[0,3]")
#define PAIRS .samples = CN_TEXTS("f[3,4], f[3,4]", "f[3,1], f[4]", "f[], f[2]", "f[0], f[0]")
#define REJECTS .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64")
#define PAIR_REJECTS .rejects = CN_TEXTS("f[3], f[4] => shapes do not broadcast: [3] and [4]", "i[3]@0:3, i[3]@0:3 => float32")
#define COMPOSE(op) static void op##_compose(cn_graph *g, const cn_call *c, cn_tensor **y)
static const double pi = 3.14159265358979323846, ln2 = 0.69314718055994530942;

/* ---- I_n ---- */
/* The sum over k of (x/2)^(2k+n) / (k! (k+n)!): all terms have one sign, so that nothing cancels. */
static double bessel(double x, int64_t n) {
  const double half = x / 2;
  double term = 1, sum;
  if (isnan(x) || (isinf(x) && n == 0)) return fabs(x);
  if (fabs(x) > 800) return n % 2 && x < 0 ? -INFINITY : INFINITY;
  for (int64_t k = 1; k <= n; k++) term *= half / (double)k;
  sum = term;
  for (int64_t k = 1; fabs(term) > fabs(sum) * 1e-18 && isfinite(sum); k++) sum += term *= half / (double)k * (half / (double)(k + n));
  return sum;
}
static cn_code bessel_i_forward(const cn_call *c) {
  const int64_t n = ((const cn_bessel_i_args *)c->args)->order;
  for (int64_t i = 0; i < c->y[0]->count; i++) cni_value_set(c->y[0], i, bessel(cni_value_at(c->x[0], i), n));
  return CN_OK;
}
CNI_VJP(bessel_i) {
  const int64_t k = ((const cn_bessel_i_args *)cn_node_args(n))->order;
  cn_tensor *above = cn_bessel_i(g, X0, .order = k + 1);
  (void)want;
  gx[0] = cn_multiply(g, gy[0], k ? cn_scale(g, cn_add(g, above, cn_bessel_i(g, X0, .order = k - 1)), 0.5) : above);
}
/* The mean of e^(x cos t) cos(n t) over a turn. */
static double bessel_integral(double x, int64_t n) {
  double sum = 0;
  for (int i = 0; i < 200; i++) sum += exp(x * cos(2 * pi * i / 200)) * cos(2 * pi * (double)(i * n % 200) / 200) / 200;
  return sum;
}
CNI_REFERENCE1(bessel_i, bessel_integral(x, o->order))
CN_OP(bessel_i, CN_LIST_BESSEL_I, .outputs = 1, .reads = CN_READS_X(0), .infer = cn_infer_same_float, .forward = bessel_i_forward, .vjp = bessel_i_vjp,
      .reference = bessel_i_reference, .samples = CN_TEXTS("f[3,4]", "f[5], order=1", "f[], order=2", "f[0,2], order=3"),
      .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64", "f[3], order=-1 => order must not be negative"));

/* ---- one input ---- */
#define COMPOSED(op, expression) CNI_REFERENCE1(op, expression) \
  CN_OP(op, CN_LIST_X, .outputs = 1, .infer = cn_infer_same_float, .compose = op##_compose, .reference = op##_reference, SAMPLES, REJECTS);
COMPOSE(i0) { y[0] = cn_bessel_i(g, c->x[0]); }
COMPOSED(i0, bessel_integral(x, 0))
COMPOSE(cbrt) { y[0] = cn_multiply(g, cn_sign(g, c->x[0]), cn_power(g, cn_abs(g, c->x[0]), NUMBER(c->x[0], 1.0 / 3))); }
COMPOSED(cbrt, cbrt(x))
COMPOSE(deg2rad) { y[0] = cn_scale(g, c->x[0], pi / 180); }
COMPOSED(deg2rad, x / 180 * pi)
COMPOSE(rad2deg) { y[0] = cn_scale(g, c->x[0], 180 / pi); }
COMPOSED(rad2deg, x / pi * 180)
COMPOSE(swish) { y[0] = cn_silu(g, c->x[0]); }
COMPOSED(swish, x / (1 + exp(-x)))
COMPOSE(hard_swish) { y[0] = cn_hard_silu(g, c->x[0]); }
COMPOSED(hard_swish, x * fmin(fmax(x + 3, 0), 6) / 6)
COMPOSE(fabs) { y[0] = cn_abs(g, c->x[0]); }
COMPOSED(fabs, fabs(x))
/* The divisor is 1 where x is 0, so that no gradient divides by it. */
COMPOSE(sinc) {
  cn_tensor *x = c->x[0], *zero = cn_equal(g, x, NUMBER(x, 0)), *turn = cn_where(g, zero, NUMBER(x, 1), cn_scale(g, x, pi));
  y[0] = cn_where(g, zero, NUMBER(x, 1), cn_divide(g, cn_sin(g, turn), turn));
}
COMPOSED(sinc, x == 0 ? 1 : sin(pi * x) / (pi * x))

COMPOSE(absolute) { y[0] = cn_abs(g, c->x[0]); }
CNI_REFERENCE1(absolute, fabs(x))
CN_OP(absolute, CN_LIST_X, .outputs = 1, .infer = cn_infer_same, .compose = absolute_compose, .reference = absolute_reference,
      .samples = CN_TEXTS("f[3,4]", "i[4]@-5:5", "f[]"), .rejects = CN_TEXTS(" => input x is missing"));

static cn_code infer_bool(const cn_call *c) {
  const cn_code code = cn_infer_same_float(c);
  c->sig[0].dtype = CN_BOOL;
  return code;
}
COMPOSE(isposinf) { y[0] = cn_equal(g, c->x[0], NUMBER(c->x[0], INFINITY)); }
COMPOSE(isneginf) { y[0] = cn_equal(g, c->x[0], NUMBER(c->x[0], -INFINITY)); }
CNI_REFERENCE1(isposinf, isinf(x) && x > 0)
CNI_REFERENCE1(isneginf, isinf(x) && x < 0)
CN_OP(isposinf, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = infer_bool, .compose = isposinf_compose, .reference = isposinf_reference, SAMPLES,
      REJECTS);
CN_OP(isneginf, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = infer_bool, .compose = isneginf_compose, .reference = isneginf_reference, SAMPLES,
      REJECTS);

/* Of -0 and of a NaN with a sign, too. */
static cn_code signbit_infer(const cn_call *c) {
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  c->sig[0].dtype = CN_BOOL;
  return cni_refuse_strings(c);
}
static cn_code signbit_forward(const cn_call *c) { return cni_map(c, cni_kernels_of(c)->signbit, NULL); }
CNI_REFERENCE1(signbit, x < 0)
CN_OP(signbit, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = signbit_infer, .forward = signbit_forward, .reference = signbit_reference,
      .samples = CN_TEXTS("f[3,4]", "i[5]@-3:3", "l[2]@-3:3", "b[2]", "f[]", "f[0]"), .rejects = CN_TEXTS("s[2] => string", " => input x is missing"));

#define NUMBERS \
  const cn_nan_to_num_args *o = c->args; \
  const double most = c->x[0]->dtype == CN_F64 ? DBL_MAX : (double)FLT_MAX, \
               p[] = { o->nan, isnan(o->posinf) ? most : o->posinf, isnan(o->neginf) ? -most : o->neginf };
static cn_code nan_to_num_forward(const cn_call *c) { NUMBERS return cni_map(c, cni_kernels_of(c)->nan_to_num, p); }
static cn_code nan_to_num_backward(const cn_call *c) { return cni_map_grad(c, cni_kernels_of(c)->nan_to_num_grad, NULL); }
CNI_VJP(nan_to_num) {
  if (want[0]) gx[0] = cn_where(g, cn_isfinite(g, X0), gy[0], NUMBER(gy[0], 0));
}
CNI_REFERENCE1(nan_to_num, isnan(x) ? o->nan : x)
CN_OP(nan_to_num, CN_LIST_NAN_TO_NUM, .outputs = 1, .reads = CN_READS_X(0), .infer = cn_infer_same_float, .forward = nan_to_num_forward, .vjp = nan_to_num_vjp,
      .backward = nan_to_num_backward, .reference = nan_to_num_reference,
      .samples = CN_TEXTS("f[3,4]", "f[2], nan=1, posinf=2, neginf=-2", "f[]"), REJECTS);

/* ---- two inputs ---- */
#define COMPOSED2(op, expression) CNI_REFERENCE2(op, expression) \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .infer = cn_infer_broadcast_float, .compose = op##_compose, .reference = op##_reference, PAIRS, PAIR_REJECTS);
COMPOSE(logaddexp2) { y[0] = cn_scale(g, cn_logaddexp(g, cn_scale(g, c->x[0], ln2), cn_scale(g, c->x[1], ln2)), 1 / ln2); }
COMPOSED2(logaddexp2, log2(exp2(a) + exp2(b)))
COMPOSE(true_divide) { y[0] = cn_divide(g, c->x[0], c->x[1]); }
COMPOSED2(true_divide, a / b)
/* Each input with the other's numbers where it is NaN. */
COMPOSE(fmax) { y[0] = cn_maximum(g, cn_where(g, cn_isnan(g, c->x[0]), c->x[1], c->x[0]), cn_where(g, cn_isnan(g, c->x[1]), c->x[0], c->x[1])); }
COMPOSED2(fmax, fmax(a, b))
COMPOSE(fmin) { y[0] = cn_minimum(g, cn_where(g, cn_isnan(g, c->x[0]), c->x[1], c->x[0]), cn_where(g, cn_isnan(g, c->x[1]), c->x[0], c->x[1])); }
COMPOSED2(fmin, fmin(a, b))

/* A NaN of a stays. */
COMPOSE(heaviside) {
  cn_tensor *a = c->x[0], *zero = NUMBER(a, 0);
  cn_tensor *up = cn_where(g, cn_greater(g, a, zero), NUMBER(a, 1), a);
  y[0] = cn_where(g, cn_less(g, a, zero), zero, cn_where(g, cn_equal(g, a, zero), c->x[1], up));
}
COMPOSED2(heaviside, a < 0 ? 0 : a > 0 ? 1 : b)

/* ---- nearly equal ---- */
static cn_tensor *as_float(cn_graph *g, cn_tensor *x) { return cni_is_float((cn_dtype)x->dtype) ? x : cn_cast(g, x, .dtype = "float64"); }
COMPOSE(isclose) {
  const cn_isclose_args *o = c->args;
  cn_tensor *a = as_float(g, c->x[0]), *b = as_float(g, c->x[1]);
  if (!a || !b) return;
  cn_tensor *away = cn_subtract(g, a, b), *bound = cn_add(g, cn_scale(g, cn_abs(g, b), o->rtol), NUMBER(b, o->atol));
  y[0] = cn_logical_or(g, cn_equal(g, a, b), cn_logical_and(g, cn_isfinite(g, away), cn_less_equal(g, cn_abs(g, away), bound)));
  if (o->equal_nan) y[0] = cn_logical_or(g, y[0], cn_logical_and(g, cn_isnan(g, a), cn_isnan(g, b)));
}
COMPOSE(allclose) {
  const cn_allclose_args *o = c->args;
  y[0] = cn_all(g, cn_isclose(g, c->x[0], c->x[1], .rtol = o->rtol, .atol = o->atol, .equal_nan = o->equal_nan));
}
static cn_code isclose_infer(const cn_call *c) { return cni_refuse_strings(c) ? CN_DTYPE : cn_infer_broadcast_bool(c); }
static cn_code allclose_infer(const cn_call *c) {
  const cn_code code = isclose_infer(c);
  c->sig[0].dims.rank = 0;
  return code;
}
static bool near(const cn_isclose_args *o, double a, double b) { return fabs(a - b) <= o->atol + o->rtol * fabs(b); }
static void isclose_reference(const cn_reference *r) {
  const cn_tensor *const *x = (const cn_tensor *const *)r->call->x, *y = r->call->y[0];
  for (int64_t i = 0; i < y->count; i++)
    r->y[0][i] = near(r->call->args, r->x[0][cni_broadcast_index(&x[0]->dims, &y->dims, i)], r->x[1][cni_broadcast_index(&x[1]->dims, &y->dims, i)]);
}
static void allclose_reference(const cn_reference *r) {
  const cn_dims *da = &r->call->x[0]->dims, *db = &r->call->x[1]->dims;
  cn_dims both;
  r->y[0][0] = cn_dims_broadcast(da, db, &both);
  for (int64_t i = 0; i < cn_dims_count(&both); i++)
    if (!near(r->call->args, r->x[0][cni_broadcast_index(da, &both, i)], r->x[1][cni_broadcast_index(db, &both, i)])) r->y[0][0] = 0;
}
#define NEAR .samples = CN_TEXTS("f[3,4], f[3,4]", "f[3,1], f[4], atol=0.5", "f[]@1:2, f[2]@1:2, rtol=0.4, equal_nan=true", "i[4]@0:3, i[4]@0:3", "l[3]@0:3, l[1]@0:3, atol=1", "b[4], b[4]", "f[0], f[0]"), \
  .rejects = CN_TEXTS("f[3], f[4] => shapes do not broadcast: [3] and [4]", "s[2], s[2] => string", "f[2], i[2]@0:3 => dtype")
CN_OP(isclose, CN_LIST_ISCLOSE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = isclose_infer, .compose = isclose_compose, .reference = isclose_reference,
      NEAR);
CN_OP(allclose, CN_LIST_ISCLOSE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = allclose_infer, .compose = allclose_compose,
      .reference = allclose_reference, NEAR);

const cn_op *const cni_ops_special[] = {
  &cn_op_bessel_i,   &cn_op_i0,       &cn_op_cbrt,       &cn_op_deg2rad,    &cn_op_rad2deg,     &cn_op_sinc, &cn_op_fabs, &cn_op_absolute,
  &cn_op_isposinf,   &cn_op_isneginf, &cn_op_nan_to_num, &cn_op_logaddexp2, &cn_op_true_divide, &cn_op_fmax, &cn_op_fmin, &cn_op_swish,
  &cn_op_hard_swish, &cn_op_signbit,  &cn_op_heaviside,  &cn_op_isclose,    &cn_op_allclose,    NULL
};
