#include "ops_math.h"
#include "elementwise_private.h"
#include "ops.h"

#define K cni_kernels_of(c)
#define LN2 0.69314718055994530942
#define LN10 2.30258509299404568402
#define FLOAT_REJECTS .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64, got int32")
#define SAMPLES(range) .samples = CN_TEXTS("f[3,4]" range, "f[]" range, "f[2,1,3]" range, "f[0,3]" range, "f[1]" range)

/* An operation with a kernel and a gradient kernel of its name. */
#define UNARY(op, reads_, range)                                                                            \
  static cn_code op##_forward(const cn_call *c) { return cni_map(c, K->op, NULL); }                         \
  static cn_code op##_backward(const cn_call *c) { return cni_map_grad(c, K->op##_grad, NULL); }            \
  CN_OP(op, CN_LIST_X, .outputs = 1, .reads = reads_, .infer = cn_infer_same_float, .forward = op##_forward, .vjp = op##_vjp, .backward = op##_backward, .reference = op##_reference, SAMPLES(range), \
        FLOAT_REJECTS);

/* Newton's method on erf, from Giles' single-precision start. */
static double inverse_erf(double y) {
  const double w = -log((1 - y) * (1 + y)), s = sqrt(w);
  double x = w < 5 ? y * (1.50140941 + (w - 2.5) * (0.246640727 + (w - 2.5) * (-0.00417768164 + (w - 2.5) * -0.00125372503)))
                   : y * (2.83297682 + (s - 3) * (1.00167406 + (s - 3) * 0.00943887047));
  for (int i = 0; i < 3; i++) x -= (erf(x) - y) / (M_2_SQRTPI * exp(-x * x));
  return x;
}

static cn_code infer_number(const cn_call *c) {
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  return d == CN_STRING || d == CN_BOOL ? cn_fail(c->graph, CN_DTYPE, "needs numbers, got %s", cn_dtype_name(d)) : cn_infer_same(c);
}
#define TEXT_REJECTS .rejects = CN_TEXTS("b[3] => needs numbers, got bool")

CNI_VJP(negative) {
  CNI_UNUSED_VJP;
  gx[0] = cn_negative(g, gy[0]);
}
CNI_REFERENCE1(negative, -x)
static cn_code negative_forward(const cn_call *c) { return cni_map(c, K->negative, NULL); }
static cn_code negative_backward(const cn_call *c) { return cni_map_grad(c, K->negative_grad, NULL); }
CN_OP(negative, CN_LIST_X, .outputs = 1, .infer = infer_number, .forward = negative_forward, .vjp = negative_vjp, .backward = negative_backward,
      .reference = negative_reference, SAMPLES(""), TEXT_REJECTS);

CNI_VJP(abs) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_sign(g, X0));
}
CNI_REFERENCE1(abs, fabs(x))
static cn_code abs_forward(const cn_call *c) { return cni_map(c, K->abs, NULL); }
static cn_code abs_backward(const cn_call *c) { return cni_map_grad(c, K->abs_grad, NULL); }
CN_OP(abs, CN_LIST_X, .outputs = 1, .reads = CN_READS_X(0), .infer = infer_number, .forward = abs_forward, .vjp = abs_vjp, .backward = abs_backward,
      .reference = abs_reference, SAMPLES("@0.1:2"), TEXT_REJECTS);

CNI_VJP(square) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, X0, 2));
}
CNI_REFERENCE1(square, x * x)
static cn_code square_forward(const cn_call *c) { return cni_map(c, K->square, NULL); }
static cn_code square_backward(const cn_call *c) { return cni_map_grad(c, K->square_grad, NULL); }
CN_OP(square, CN_LIST_X, .outputs = 1, .reads = CN_READS_X(0), .infer = infer_number, .forward = square_forward, .vjp = square_vjp, .backward = square_backward,
      .reference = square_reference, SAMPLES(""), TEXT_REJECTS);

CNI_VJP(sqrt) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, cn_reciprocal(g, Y0), 0.5));
}
CNI_REFERENCE1(sqrt, sqrt(x))
UNARY(sqrt, CN_READS_Y(0), "@0.3:3")

CNI_VJP(rsqrt) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, cn_multiply(g, Y0, cn_square(g, Y0)), -0.5));
}
CNI_REFERENCE1(rsqrt, 1 / sqrt(x))
UNARY(rsqrt, CN_READS_Y(0), "@0.3:3")

CNI_VJP(reciprocal) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_negative(g, cn_square(g, Y0)));
}
CNI_REFERENCE1(reciprocal, 1 / x)
UNARY(reciprocal, CN_READS_Y(0), "@0.5:3")

CNI_VJP(exp) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], Y0);
}
CNI_REFERENCE1(exp, exp(x))
UNARY(exp, CN_READS_Y(0), "")

CNI_VJP(exp2) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, Y0, LN2));
}
CNI_REFERENCE1(exp2, exp2(x))
UNARY(exp2, CN_READS_Y(0), "")

CNI_VJP(expm1) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_shift(g, Y0, 1));
}
CNI_REFERENCE1(expm1, expm1(x))
UNARY(expm1, CN_READS_Y(0), "")

CNI_VJP(log) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], X0);
}
CNI_REFERENCE1(log, log(x))
UNARY(log, CN_READS_X(0), "@0.3:3")

CNI_VJP(log2) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_scale(g, X0, LN2));
}
CNI_REFERENCE1(log2, log2(x))
UNARY(log2, CN_READS_X(0), "@0.3:3")

CNI_VJP(log10) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_scale(g, X0, LN10));
}
CNI_REFERENCE1(log10, log10(x))
UNARY(log10, CN_READS_X(0), "@0.3:3")

CNI_VJP(log1p) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_shift(g, X0, 1));
}
CNI_REFERENCE1(log1p, log1p(x))
UNARY(log1p, CN_READS_X(0), "@-0.5:3")

CNI_VJP(sin) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_cos(g, X0));
}
CNI_REFERENCE1(sin, sin(x))
UNARY(sin, CN_READS_X(0), "")

CNI_VJP(cos) {
  CNI_UNUSED_VJP;
  gx[0] = cn_negative(g, cn_multiply(g, gy[0], cn_sin(g, X0)));
}
CNI_REFERENCE1(cos, cos(x))
UNARY(cos, CN_READS_X(0), "")

CNI_VJP(tan) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_shift(g, cn_square(g, Y0), 1));
}
CNI_REFERENCE1(tan, tan(x))
UNARY(tan, CN_READS_Y(0), "@-1:1")

CNI_VJP(arcsin) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_rsqrt(g, cn_shift(g, cn_negative(g, cn_square(g, X0)), 1)));
}
CNI_REFERENCE1(arcsin, asin(x))
UNARY(arcsin, CN_READS_X(0), "@-0.8:0.8")

CNI_VJP(arccos) {
  CNI_UNUSED_VJP;
  gx[0] = cn_negative(g, cn_multiply(g, gy[0], cn_rsqrt(g, cn_shift(g, cn_negative(g, cn_square(g, X0)), 1))));
}
CNI_REFERENCE1(arccos, acos(x))
UNARY(arccos, CN_READS_X(0), "@-0.8:0.8")

CNI_VJP(arctan) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_shift(g, cn_square(g, X0), 1));
}
CNI_REFERENCE1(arctan, atan(x))
UNARY(arctan, CN_READS_X(0), "")

CNI_VJP(sinh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_cosh(g, X0));
}
CNI_REFERENCE1(sinh, sinh(x))
UNARY(sinh, CN_READS_X(0), "")

CNI_VJP(cosh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_sinh(g, X0));
}
CNI_REFERENCE1(cosh, cosh(x))
UNARY(cosh, CN_READS_X(0), "")

CNI_VJP(tanh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_shift(g, cn_negative(g, cn_square(g, Y0)), 1));
}
CNI_REFERENCE1(tanh, tanh(x))
UNARY(tanh, CN_READS_Y(0), "")

CNI_VJP(arcsinh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_rsqrt(g, cn_shift(g, cn_square(g, X0), 1)));
}
CNI_REFERENCE1(arcsinh, asinh(x))
UNARY(arcsinh, CN_READS_X(0), "")

CNI_VJP(arccosh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_rsqrt(g, cn_shift(g, cn_square(g, X0), -1)));
}
CNI_REFERENCE1(arccosh, acosh(x))
UNARY(arccosh, CN_READS_X(0), "@1.3:3")

CNI_VJP(arctanh) {
  CNI_UNUSED_VJP;
  gx[0] = cn_divide(g, gy[0], cn_shift(g, cn_negative(g, cn_square(g, X0)), 1));
}
CNI_REFERENCE1(arctanh, atanh(x))
UNARY(arctanh, CN_READS_X(0), "@-0.8:0.8")

CNI_VJP(erf) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, cn_exp(g, cn_negative(g, cn_square(g, X0))), M_2_SQRTPI));
}
CNI_REFERENCE1(erf, erf(x))
UNARY(erf, CN_READS_X(0), "")

CNI_VJP(erfc) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, cn_exp(g, cn_negative(g, cn_square(g, X0))), -M_2_SQRTPI));
}
CNI_REFERENCE1(erfc, erfc(x))
UNARY(erfc, CN_READS_X(0), "")

CNI_VJP(erfinv) {
  CNI_UNUSED_VJP;
  gx[0] = cn_multiply(g, gy[0], cn_scale(g, cn_exp(g, cn_square(g, Y0)), 1 / M_2_SQRTPI));
}
CNI_REFERENCE1(erfinv, inverse_erf(x))
UNARY(erfinv, CN_READS_Y(0), "@-0.8:0.8")

const cn_op *const cni_ops_math[] = {
  &cn_op_negative, &cn_op_abs,   &cn_op_square,  &cn_op_sqrt,    &cn_op_rsqrt,   &cn_op_reciprocal, &cn_op_exp,    &cn_op_exp2,   &cn_op_expm1,  &cn_op_log,
  &cn_op_log2,     &cn_op_log10, &cn_op_log1p,   &cn_op_sin,     &cn_op_cos,     &cn_op_tan,        &cn_op_arcsin, &cn_op_arccos, &cn_op_arctan, &cn_op_sinh,
  &cn_op_cosh,     &cn_op_tanh,  &cn_op_arcsinh, &cn_op_arccosh, &cn_op_arctanh, &cn_op_erf,        &cn_op_erfc,   &cn_op_erfinv, NULL
};
