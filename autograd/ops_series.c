/* Areas, Vandermonde matrices, reversed rows and columns. */
#include "ops_series.h"
#include <math.h>
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* ---- trapezoid ---- */
static cn_code trapezoid_infer(const cn_call *c) {
  const cn_trapezoid_args *o = c->args;
  const cn_dims *y = &c->x[0]->dims, *x = &c->x[1]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  const int axis = cn_axis(c->graph, o->axis, y->rank);
  if (axis < 0) return CN_INDEX;
  if (cni_given(c->x[1])) {
    if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "y and x must have one dtype");
    if (!cn_dims_equal(y, x) && (x->rank != 1 || x->d[0] != y->d[axis]))
      return cn_fail(c->graph, CN_SHAPE, "x must have y's shape, or one number an element of axis");
  }
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_reduced_dims(y, 1u << axis, false, &c->sig[0].dims);
  return CN_OK;
}
static void trapezoid_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_trapezoid_args *o = c->args;
  const cn_dims *d = &c->x[0]->dims;
  const int axis = cni_wrap(o->axis, d->rank);
  const int64_t n = d->d[axis], last = n ? 1 : 0;
  const cn_ints along = { &o->axis, 1 };
  cn_tensor *x = c->x[1], *pairs = cn_add(g, cni_part(g, c->x[0], axis, 0, n - last), cni_part(g, c->x[0], axis, last, n - last));
  if (cni_given(x)) {
    cn_dims column = { d->rank, { 0 } };
    for (int i = 0; i < d->rank; i++) column.d[i] = i == axis ? n : 1;
    if (!cn_dims_equal(d, &x->dims)) x = cni_to_shape(g, x, &column);
    pairs = cn_multiply(g, pairs, cn_subtract(g, cni_part(g, x, axis, last, n - last), cni_part(g, x, axis, 0, n - last)));
  }
  y[0] = cn_scale(g, cn_sum(g, pairs, .axis = along), cni_given(x) ? 0.5 : 0.5 * o->dx);
}
static void trapezoid_reference(const cn_reference *r) {
  const cn_trapezoid_args *o = r->call->args;
  const cn_tensor *x = r->call->x[1];
  const cn_dims *d = &r->call->x[0]->dims;
  const cni_runs l = cni_axis_runs(d, cni_wrap(o->axis, d->rank));
  for (int64_t k = 0; k < l.outer * l.inner; k++) {
    const double *y = r->x[0] + k / l.inner * l.n * l.inner + k % l.inner;
    r->y[0][k] = 0;
    for (int64_t i = 1; i < l.n; i++) {
      const int64_t step = cni_given(x) && cn_dims_equal(d, &x->dims) ? l.inner : 1;
      const double *at = cni_given(x) ? r->x[1] + (cn_dims_equal(d, &x->dims) ? y - r->x[0] : 0) : NULL;
      r->y[0][k] += (y[i * l.inner] + y[(i - 1) * l.inner]) / 2 * (at ? at[i * step] - at[(i - 1) * step] : o->dx);
    }
  }
}
CN_OP(trapezoid, CN_LIST_TRAPEZOID, .outputs = 1, .infer = trapezoid_infer, .compose = trapezoid_compose, .reference = trapezoid_reference,
      .samples = CN_TEXTS("f[5], _, dx=1", "f[5], f[5]", "f[3,4], _, dx=0.5, axis=0", "f[3,4], f[3], axis=0", "f[2,3,4], f[2,3,4], axis=1", "f[1], _, dx=2",
                          "f[2,0], _, dx=2", "f[4,4], f[4], axis=-1"),
      .rejects = CN_TEXTS("f[3,4], _, axis=2 => axis 2 is out of range for rank 2", "f[3,4], f[3] => x must have y's shape",
                          "i[3]@0:3, _ => float32 and float64", "f[], _ => axis -1 is out of range for rank 0"));

/* ---- vander ---- */
static int64_t columns_of(const cn_call *c) {
  const int64_t n = ((const cn_vander_args *)c->args)->N;
  return n == CN_NONE ? c->x[0]->dims.d[0] : n;
}
static cn_code vander_infer(const cn_call *c) {
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  if (d == CN_STRING || d == CN_U8 || d == CN_BOOL) return cn_fail(c->graph, CN_DTYPE, "needs floats, int32 or int64, got %s", cn_dtype_name(d));
  if (c->x[0]->dims.rank != 1) return cn_fail(c->graph, CN_SHAPE, "x must have rank 1, got rank %d", c->x[0]->dims.rank);
  c->sig[0] = (cn_sig){ d, { 2, { c->x[0]->dims.d[0], columns_of(c) } } };
  return CN_OK;
}
/* Products of 1, x, x, ... along the rows: right gradients at 0, exact integers. */
static void vander_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const int64_t n = c->x[0]->count, columns = columns_of(c);
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  const cn_dims none = { 2, { n, 0 } }, column = { 2, { n, 1 } }, rest = { 2, { n, columns - 1 } };
  const cn_ints second = CN_INTS(1);
  if (!columns) { y[0] = cn_zeros(g, d, &none); return; }
  cn_tensor *factors = cn_concatenate(g, CN_TENSORS(cn_full(g, d, &column, 1), cni_spread(g, cni_to_shape(g, c->x[0], &column), &rest)), .axis = 1);
  y[0] = cn_cumprod(g, factors, .axis = 1);
  if (!((const cn_vander_args *)c->args)->increasing) y[0] = cn_flip(g, y[0], .axis = second);
}
static void vander_reference(const cn_reference *r) {
  const int64_t columns = columns_of(r->call);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t k = i % columns;
    r->y[0][i] = pow(r->x[0][i / columns], (double)(((const cn_vander_args *)r->call->args)->increasing ? k : columns - 1 - k));
  }
}
CN_OP(vander, CN_LIST_VANDER, .outputs = 1, .infer = vander_infer, .compose = vander_compose, .reference = vander_reference,
      .samples = CN_TEXTS("f[4]", "f[3], N=5", "f[3], N=2, increasing=true", "f[3], N=1", "f[3], N=0", "f[0]", "i[4]@-1:2", "l[3]@-3:3, N=4, increasing=true"),
      .rejects = CN_TEXTS("f[2,2] => x must have rank 1, got rank 2", "f[2], N=-1 => N must not be negative",
                          "b[2] => needs floats, int32 or int64, got bool"));

/* ---- fliplr, flipud ---- */
#define FLIP(op, k)                                                                                                                   \
  static cn_code op##_infer(const cn_call *c) {                                                                                       \
    const cn_dims *d = &c->x[0]->dims;                                                                                                \
    if (cni_refuse_strings(c)) return CN_DTYPE;                                                                                       \
    cni_sig_like(c, d);                                                                                                               \
    return d->rank > (k) ? CN_OK : cn_fail(c->graph, CN_SHAPE, "x must have at least rank %d, got rank %d", (k) + 1, d->rank);        \
  }                                                                                                                                   \
  static void op##_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_flip(g, c->x[0], .axis = CN_INTS(k)); }          \
  static void op##_reference(const cn_reference *r) {                                                                                 \
    const cni_runs l = cni_axis_runs(&r->call->x[0]->dims, k);                                                                        \
    for (int64_t i = 0; i < r->call->x[0]->count; i++)                                                                                \
      r->y[0][i] = r->x[0][(i / l.inner / l.n * l.n + l.n - 1 - i / l.inner % l.n) * l.inner + i % l.inner];                          \
  }                                                                                                                                   \
  CN_OP(op, CN_LIST_X, .outputs = 1, .infer = op##_infer, .compose = op##_compose, .reference = op##_reference,                       \
        .samples = CN_TEXTS("f[3,4]", "f[2,3,4]", "i[2,2]@0:9", "f[0,3]", "f[3,1]"), .rejects = CN_TEXTS("f[] => x must have at least rank", "s[2,2] => string"));
FLIP(fliplr, 1)
FLIP(flipud, 0)

const cn_op *const cni_ops_series[] = { &cn_op_trapezoid, &cn_op_vander, &cn_op_fliplr, &cn_op_flipud, NULL };
