/* Elementwise operations with options or of any dtype, declared in ops_math.h: clip, scale, shift, steps, tests of numbers, identity. */
#include "elementwise_private.h"
#include "ops.h"

#define K cni_kernels_of(c)
#define FLOAT_REJECTS .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64, got int32")
#define ANY_SAMPLES .samples = CN_TEXTS("f[3,4]", "f[]", "f[2,1,3]", "f[0,3]", "f[1]", "f[257,129]")

/* ---- clip, scale, shift ---- */
#define PARAMETERS(op, ...)                          \
  const cn_##op##_args *o = c->args;                 \
  const double p[] = { __VA_ARGS__ };
static cn_code clip_forward(const cn_call *c) { PARAMETERS(clip, o->x_min, o->x_max) return cni_map(c, K->clip, p); }
static cn_code clip_backward(const cn_call *c) { PARAMETERS(clip, o->x_min, o->x_max) return cni_map_grad(c, K->clip_grad, p); }
CNI_VJP(clip) {
  const cn_clip_args *o = cn_node_args(n);
  cn_tensor *x = X0, *in = cn_logical_and(g, cn_greater_equal(g, x, NUMBER(x, o->x_min)), cn_less_equal(g, x, NUMBER(x, o->x_max)));
  if (want[0]) gx[0] = cn_where(g, in, gy[0], NUMBER(x, 0));
}
CNI_REFERENCE1(clip, isnan(x) ? x : x < o->x_min ? o->x_min : x > o->x_max ? o->x_max : x)
CN_OP(clip, CN_CLIP, .outputs = 1, .reads = CN_READS_X(0), .infer = cn_infer_same_float, .forward = clip_forward, .vjp = clip_vjp, .backward = clip_backward,
      .reference = clip_reference, .samples = CN_TEXTS("f[3,4], x_min=-1.5, x_max=1.2", "f[], x_min=-5, x_max=5", "f[0], x_min=0, x_max=1"),
      .rejects = CN_TEXTS("i[3]@0:3, x_min=0, x_max=1 => needs float32 or float64", "f[3] => x_min is required"));

static cn_code scale_forward(const cn_call *c) {
  PARAMETERS(scale, o->by)
  return cni_map(c, K->scale, p);
}
static cn_code scale_backward(const cn_call *c) {
  PARAMETERS(scale, o->by)
  return cni_map_grad(c, K->scale_grad, p);
}
CNI_VJP(scale) {
  CNI_UNUSED_VJP;
  gx[0] = cn_scale(g, gy[0], ((const cn_scale_args *)cn_node_args(n))->by);
}
CNI_REFERENCE1(scale, x * o->by)
CN_OP(scale, CN_SCALE, .outputs = 1, .infer = cn_infer_same_float, .forward = scale_forward, .vjp = scale_vjp, .backward = scale_backward,
      .reference = scale_reference, .samples = CN_TEXTS("f[3,4], by=-1.5", "f[], by=2", "f[0,3], by=2"), FLOAT_REJECTS);

static cn_code shift_forward(const cn_call *c) {
  PARAMETERS(shift, o->by)
  return cni_map(c, K->shift, p);
}
CNI_VJP(shift) {
  CNI_UNUSED_VJP;
  gx[0] = gy[0];
}
CNI_REFERENCE1(shift, x + o->by)
CN_OP(shift, CN_SHIFT, .outputs = 1, .infer = cn_infer_same_float, .forward = shift_forward, .vjp = shift_vjp, .reference = shift_reference,
      .samples = CN_TEXTS("f[3,4], by=-1.5", "f[], by=2", "f[0,3], by=2"), FLOAT_REJECTS);

/* ---- steps ---- */
#define STEP(op, expression)                                                                        \
  static cn_code op##_forward(const cn_call *c) { return cni_map(c, K->op, NULL); }                 \
  CNI_REFERENCE1(op, expression)                                                                    \
  CN_OP(op, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = cn_infer_same_float, .forward = op##_forward, .reference = op##_reference, ANY_SAMPLES, FLOAT_REJECTS);
STEP(sign, (x > 0) - (x < 0))
STEP(floor, floor(x))
STEP(ceil, ceil(x))
STEP(trunc, trunc(x))

static cn_code round_forward(const cn_call *c) {
  const int64_t decimals = ((const cn_round_args *)c->args)->decimals;
  if (!decimals) return cni_map(c, K->round, NULL);
  const double up = pow(10, (double)decimals);
  return cni_map(c, K->round_to, &up);
}
CNI_REFERENCE1(round, rint(x * pow(10, (double)o->decimals)) / pow(10, (double)o->decimals))
CN_OP(round, CN_ROUND, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = cn_infer_same_float, .forward = round_forward, .reference = round_reference,
      .samples = CN_TEXTS("f[3,4]", "f[3,4], decimals=1", "f[3,4]@-90:90, decimals=-1", "f[]", "f[0]"), FLOAT_REJECTS);

/* ---- tests ---- */
static cn_code infer_bool(const cn_call *c) {
  if (c->x[0]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "needs numbers, got string");
  c->sig[0].dtype = CN_BOOL;
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  return CN_OK;
}
#define TEST(op, expression)                                                                        \
  static cn_code op##_forward(const cn_call *c) { return cni_map(c, K->op, NULL); }                 \
  CNI_REFERENCE1(op, (expression) ? 1 : 0)                                                          \
  CN_OP(op, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = infer_bool, .forward = op##_forward, .reference = op##_reference, ANY_SAMPLES, \
        .rejects = CN_TEXTS("s[3] => needs numbers, got string"));
TEST(isnan, isnan(x))
TEST(isinf, isinf(x))
TEST(isfinite, isfinite(x))
TEST(logical_not, x == 0)

/* ---- identity, stop_gradient ---- */
static cn_code nothing(const cn_call *c) { return (void)c, CN_OK; }
CNI_VJP(identity) {
  CNI_UNUSED_VJP;
  gx[0] = gy[0];
}
CNI_REFERENCE1(identity, x)
CNI_REFERENCE1(stop_gradient, x)
CN_OP(identity, CN_LIST_X, .outputs = 1, .flags = CN_OP_VIEW, .infer = cn_infer_same, .forward = nothing, .vjp = identity_vjp, .reference = identity_reference,
      ANY_SAMPLES, .rejects = CN_TEXTS(" => input x is missing"));
CN_OP(stop_gradient, CN_LIST_X, .outputs = 1, .flags = CN_OP_VIEW | CN_OP_NO_GRADIENT, .infer = cn_infer_same, .forward = nothing,
      .reference = stop_gradient_reference, ANY_SAMPLES, .rejects = CN_TEXTS(" => input x is missing"));

const cn_op *const cni_ops_simple[] = { &cn_op_clip,     &cn_op_scale,       &cn_op_shift,    &cn_op_sign,          &cn_op_floor,
                                        &cn_op_ceil,     &cn_op_round,       &cn_op_trunc,    &cn_op_isnan,         &cn_op_isinf,
                                        &cn_op_isfinite, &cn_op_logical_not, &cn_op_identity, &cn_op_stop_gradient, NULL };
