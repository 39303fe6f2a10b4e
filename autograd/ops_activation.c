#include "ops_activation.h"
#include "elementwise_private.h"
#include "ops.h"

#define K cni_kernels_of(c)
#define SELU 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772
#define FLOAT_REJECTS .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64, got int32")
#define SAMPLES(range) .samples = CN_TEXTS("f[3,4]" range, "f[]" range, "f[2,1,3]" range, "f[0,3]" range, "f[1]" range)

/* A condition as numbers 0 and 1 of x's dtype. */
static cn_tensor *step(cn_graph *g, cn_tensor *condition, cn_tensor *x) { return cn_cast(g, condition, .dtype = cn_dtype_name((cn_dtype)x->dtype)); }
/* 1 where low < x < high (or at a bound that is included), else 0. */
static cn_tensor *inside(cn_graph *g, cn_tensor *x, double low, double high, bool with_low, bool with_high) {
  cn_tensor *a = NUMBER(x, low), *b = NUMBER(x, high);
  return step(g, cn_logical_and(g, with_low ? cn_greater_equal(g, x, a) : cn_greater(g, x, a), with_high ? cn_less_equal(g, x, b) : cn_less(g, x, b)), x);
}

#define ACTIVATION(op, reads_, range)                                                                       \
  static cn_code op##_forward(const cn_call *c) { return cni_map(c, K->op, NULL); }                         \
  static cn_code op##_backward(const cn_call *c) { return cni_map_grad(c, K->op##_grad, NULL); }            \
  CN_OP(op, CN_LIST_X, .outputs = 1, .reads = reads_, .infer = cn_infer_same_float, .forward = op##_forward, .vjp = op##_vjp, .backward = op##_backward, .reference = op##_reference, SAMPLES(range), \
        FLOAT_REJECTS);

CNI_VJP(relu6) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], step(g, cn_logical_and(g, cn_greater(g, X0, NUMBER(X0, 0)), cn_less(g, X0, NUMBER(X0, 6))), X0));
}
CNI_REFERENCE1(relu6, x < 0 ? 0 : x > 6 ? 6 : x)
ACTIVATION(relu6, CN_READS_X(0) | CN_READS_Y(0), "@-3:9")

CNI_VJP(selu) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_where(g, cn_greater(g, X0, NUMBER(X0, 0)), NUMBER(X0, SELU), cn_shift(g, Y0, SELU * SELU_ALPHA)));
}
CNI_REFERENCE1(selu, x > 0 ? SELU * x : SELU * SELU_ALPHA * expm1(x))
ACTIVATION(selu, CN_READS_X(0) | CN_READS_Y(0), "")

CNI_VJP(sigmoid) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_multiply(g, Y0, cn_shift(g, cn_negative(g, Y0), 1)));
}
CNI_REFERENCE1(sigmoid, 1 / (1 + exp(-x)))
ACTIVATION(sigmoid, CN_READS_Y(0), "")

CNI_VJP(log_sigmoid) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_sigmoid(g, cn_negative(g, X0)));
}
CNI_REFERENCE1(log_sigmoid, -log1p(exp(-x)))
ACTIVATION(log_sigmoid, CN_READS_X(0), "")

CNI_VJP(softplus) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_sigmoid(g, X0));
}
CNI_REFERENCE1(softplus, log1p(exp(x)))
ACTIVATION(softplus, CN_READS_X(0), "")

CNI_VJP(softsign) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_square(g, cn_shift(g, cn_abs(g, X0), 1)));
}
CNI_REFERENCE1(softsign, x / (1 + fabs(x)))
ACTIVATION(softsign, CN_READS_X(0), "")

CNI_VJP(silu) {
  CNI_UNUSED_VJP;
  cn_tensor *s = cn_sigmoid(g, X0);
  gx[0] = cn_multiply(g, gy[0], cn_multiply(g, s, cn_shift(g, cn_multiply(g, X0, cn_shift(g, cn_negative(g, s), 1)), 1)));
}
CNI_REFERENCE1(silu, x / (1 + exp(-x)))
ACTIVATION(silu, CN_READS_X(0), "")

CNI_VJP(hard_sigmoid) {
  CNI_UNUSED_VJP;
  gx[0] = cn_scale(g, cn_multiply(g, gy[0], inside(g, X0, -3, 3, false, false)), 1.0 / 6);
}
CNI_REFERENCE1(hard_sigmoid, x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5)
ACTIVATION(hard_sigmoid, CN_READS_X(0), "@-5:5")

CNI_VJP(hard_silu) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0],
                      cn_add(g, cn_multiply(g, inside(g, X0, -3, 3, false, false), cn_shift(g, cn_scale(g, X0, 1.0 / 3), 0.5)),
                             step(g, cn_greater_equal(g, X0, NUMBER(X0, 3)), X0)));
}
CNI_REFERENCE1(hard_silu, x <= -3 ? 0 : x >= 3 ? x : x * (x / 6 + 0.5))
ACTIVATION(hard_silu, CN_READS_X(0), "@-5:5")

CNI_VJP(hard_tanh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], inside(g, X0, -1, 1, true, true));
}
CNI_REFERENCE1(hard_tanh, x < -1 ? -1 : x > 1 ? 1 : x)
ACTIVATION(hard_tanh, CN_READS_X(0), "")

CNI_VJP(tanh_shrink) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_square(g, cn_tanh(g, X0)));
}
CNI_REFERENCE1(tanh_shrink, x - tanh(x))
ACTIVATION(tanh_shrink, CN_READS_X(0), "")

CNI_VJP(mish) {
  CNI_UNUSED_VJP;
  cn_tensor *t = cn_tanh(g, cn_softplus(g, X0));
  gx[0] = cn_multiply(g, gy[0], cn_add(g, t, cn_multiply(g, cn_multiply(g, X0, cn_sigmoid(g, X0)), cn_shift(g, cn_negative(g, cn_square(g, t)), 1))));
}
CNI_REFERENCE1(mish, x * tanh(log1p(exp(x))))
ACTIVATION(mish, CN_READS_X(0), "")

CNI_VJP(sparse_plus) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_sparse_sigmoid(g, X0));
}
CNI_REFERENCE1(sparse_plus, x <= -1 ? 0 : x >= 1 ? x : 0.25 * (x + 1) * (x + 1))
ACTIVATION(sparse_plus, CN_READS_X(0), "")

CNI_VJP(sparse_sigmoid) {
  CNI_UNUSED_VJP;
  gx[0] = cn_scale(g, cn_multiply(g, gy[0], inside(g, X0, -1, 1, false, false)), 0.5);
}
CNI_REFERENCE1(sparse_sigmoid, x <= -1 ? 0 : x >= 1 ? 1 : 0.5 * (x + 1))
ACTIVATION(sparse_sigmoid, CN_READS_X(0), "")

const cn_op *const cni_ops_activation[] = { &cn_op_relu6,       &cn_op_selu, &cn_op_sigmoid,      &cn_op_log_sigmoid,    &cn_op_softplus,
                                            &cn_op_softsign,    &cn_op_silu, &cn_op_hard_sigmoid, &cn_op_hard_silu,      &cn_op_hard_tanh,
                                            &cn_op_tanh_shrink, &cn_op_mish, &cn_op_sparse_plus,  &cn_op_sparse_sigmoid, NULL };
