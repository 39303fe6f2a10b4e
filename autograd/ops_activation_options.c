/* Activations with options, declared in ops_activation.h. */
#include "elementwise_private.h"
#include "ops.h"

#define K cni_kernels_of(c)
#define FLOAT_REJECTS .rejects = CN_TEXTS("i[3]@0:3 => needs float32 or float64, got int32")
/* Kernels that take parameters: p is made of the args o. */
#define PASSES(op, kernel, ...)                                                                              \
  static cn_code op##_forward(const cn_call *c) {                                                            \
    const cn_##op##_args *o = c->args;                                                                       \
    const double p[] = { __VA_ARGS__ };                                                                      \
    return cni_map(c, K->kernel, p);                                                                         \
  }                                                                                                          \
  static cn_code op##_backward(const cn_call *c) {                                                           \
    const cn_##op##_args *o = c->args;                                                                       \
    const double p[] = { __VA_ARGS__ };                                                                      \
    return cni_map_grad(c, K->kernel##_grad, p);                                                             \
  }
#define FUNCTIONS(op) .outputs = 1, .infer = cn_infer_same_float, .forward = op##_forward, .vjp = op##_vjp, .backward = op##_backward, .reference = op##_reference
#define PARAMETRIC(op, LIST, kernel, reads_, samples_, ...) \
  PASSES(op, kernel, __VA_ARGS__)                           \
  CN_OP(op, LIST, FUNCTIONS(op), .reads = reads_, .samples = samples_, FLOAT_REJECTS);

static cn_tensor *step(cn_graph *g, cn_tensor *condition, cn_tensor *x) { return cn_cast(g, condition, .dtype = cn_dtype_name((cn_dtype)x->dtype)); }

/* ---- relu ---- */
static bool plain(const cn_relu_args *o) { return o->negative_slope == 0 && isnan(o->max_value) && o->threshold == 0; }
static double most(const cn_relu_args *o) { return isnan(o->max_value) ? INFINITY : o->max_value; }
static cn_code relu_forward(const cn_call *c) {
  const cn_relu_args *o = c->args;
  if (plain(o)) return cni_map(c, K->relu, NULL);
  return cni_map(c, K->relu_general, (const double[]){ o->negative_slope, most(o), o->threshold });
}
static cn_code relu_backward(const cn_call *c) {
  const cn_relu_args *o = c->args;
  if (plain(o)) return cni_map_grad(c, K->relu_grad, NULL);
  return cni_map_grad(c, K->relu_general_grad, (const double[]){ o->negative_slope, most(o), o->threshold });
}
CNI_VJP(relu) {
  CNI_UNUSED_VJP;
  const cn_relu_args *o = cn_node_args(n);
  cn_tensor *x = X0, *active = cn_greater(g, x, NUMBER(x, o->threshold));
  if (plain(o)) {
    gx[0] = cn_where(g, cn_less_equal(g, Y0, NUMBER(x, 0)), NUMBER(x, 0), gy[0]); /* a NaN passes on */
    return;
  }
  if (!isnan(o->max_value)) active = cn_logical_and(g, active, cn_less(g, x, NUMBER(x, o->max_value)));
  if (!isnan(o->max_value) && o->threshold < 0) active = cn_logical_and(g, active, cn_greater(g, x, NUMBER(x, 0)));
  cn_tensor *slope = step(g, active, x);
  if (o->negative_slope != 0) slope = cn_add(g, slope, cn_scale(g, step(g, cn_less(g, x, NUMBER(x, o->threshold)), x), o->negative_slope));
  gx[0] = cn_multiply(g, gy[0], slope);
}
CNI_REFERENCE1(relu, plain(o)           ? (x > 0 ? x : 0)
                     : x > o->threshold ? (isnan(o->max_value) ? x
                                           : x > o->max_value  ? o->max_value
                                           : x < 0             ? 0
                                                               : x)
                                        : o->negative_slope * (x - o->threshold))
CN_OP(relu, CN_RELU, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_Y(0), .infer = cn_infer_same_float, .forward = relu_forward, .vjp = relu_vjp,
      .backward = relu_backward, .reference = relu_reference,
      .samples = CN_TEXTS("f[3,4]", "f[]", "f[0,3]", "f[3,4], negative_slope=0.1", "f[3,4], max_value=1.0",
                          "f[3,4], negative_slope=0.2, max_value=1.2, threshold=0.3"),
      FLOAT_REJECTS);

/* ---- the others ---- */
CNI_VJP(leaky_relu) {
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  const double slope = ((const cn_leaky_relu_args *)cn_node_args(n))->negative_slope;
  gx[0] = cn_multiply(g, gy[0], cn_where(g, cn_greater(g, x, NUMBER(x, 0)), NUMBER(x, 1), NUMBER(x, slope)));
}
CNI_REFERENCE1(leaky_relu, x >= 0 ? x : o->negative_slope * x)
PARAMETRIC(leaky_relu, CN_LEAKY_RELU, leaky_relu, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], negative_slope=0.3", "f[]", "f[0]"), o->negative_slope)

CNI_VJP(elu) { /* 1, or alpha e^x */
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  const double alpha = ((const cn_elu_args *)cn_node_args(n))->alpha;
  gx[0] = cn_multiply(g, gy[0], cn_where(g, cn_greater_equal(g, x, NUMBER(x, 0)), NUMBER(x, 1), cn_scale(g, cn_exp(g, cn_minimum(g, x, NUMBER(x, 0))), alpha)));
}
CNI_REFERENCE1(elu, x > 0 ? x : o->alpha * expm1(x))
PARAMETRIC(elu, CN_ELU, elu, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], alpha=0.5", "f[]", "f[0]"), o->alpha)

CNI_VJP(celu) {
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  const double alpha = ((const cn_celu_args *)cn_node_args(n))->alpha;
  gx[0] = cn_multiply(g, gy[0], cn_where(g, cn_greater(g, x, NUMBER(x, 0)), NUMBER(x, 1), cn_exp(g, cn_scale(g, cn_minimum(g, x, NUMBER(x, 0)), 1 / alpha))));
}
CNI_REFERENCE1(celu, x > 0 ? x : o->alpha * expm1(x / o->alpha))
PARAMETRIC(celu, CN_CELU, celu, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], alpha=0.5", "f[]", "f[0]"), o->alpha)

CNI_VJP(hard_shrink) {
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  gx[0] = cn_multiply(g, gy[0], step(g, cn_greater(g, cn_abs(g, x), NUMBER(x, ((const cn_hard_shrink_args *)cn_node_args(n))->threshold)), x));
}
CNI_REFERENCE1(hard_shrink, fabs(x) > o->threshold ? x : 0)
PARAMETRIC(hard_shrink, CN_HARD_SHRINK, hard_shrink, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], threshold=0.3", "f[]", "f[0]"), o->threshold)

CNI_VJP(soft_shrink) {
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  gx[0] = cn_multiply(g, gy[0], step(g, cn_greater(g, cn_abs(g, x), NUMBER(x, ((const cn_soft_shrink_args *)cn_node_args(n))->threshold)), x));
}
CNI_REFERENCE1(soft_shrink, x > o->threshold ? x - o->threshold : x < -o->threshold ? x + o->threshold : 0)
PARAMETRIC(soft_shrink, CN_SOFT_SHRINK, soft_shrink, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], threshold=0.3", "f[]", "f[0]"), o->threshold)

CNI_VJP(squareplus) { /* (1 + x / sqrt(x^2 + b)) / 2 */
  CNI_UNUSED_VJP;
  cn_tensor *x = X0, *r = cn_rsqrt(g, cn_shift(g, cn_square(g, x), ((const cn_squareplus_args *)cn_node_args(n))->b));
  gx[0] = cn_scale(g, cn_multiply(g, gy[0], cn_shift(g, cn_multiply(g, x, r), 1)), 0.5);
}
CNI_REFERENCE1(squareplus, 0.5 * (x + sqrt(x * x + o->b)))
PARAMETRIC(squareplus, CN_SQUAREPLUS, squareplus, CN_READS_X(0), CN_TEXTS("f[3,4]", "f[3,4], b=1.5", "f[]", "f[0]"), o->b)

CNI_VJP(threshold) {
  CNI_UNUSED_VJP;
  cn_tensor *x = X0;
  gx[0] = cn_multiply(g, gy[0], step(g, cn_greater(g, x, NUMBER(x, ((const cn_threshold_args *)cn_node_args(n))->threshold)), x));
}
CNI_REFERENCE1(threshold, x > o->threshold ? x : o->default_value)
PASSES(threshold, threshold, o->threshold, o->default_value)
CN_OP(threshold, CN_THRESHOLD, FUNCTIONS(threshold), .reads = CN_READS_X(0),
      .samples = CN_TEXTS("f[3,4], threshold=0.2, default_value=-1", "f[], threshold=0, default_value=1"),
      .rejects = CN_TEXTS("i[3]@0:3, threshold=0, default_value=1 => needs float32 or float64, got int32", "f[3] => threshold is required",
                          "f[3], threshold=0 => default_value is required"));

/* ---- gelu ---- */
#define SQRT_2_PI 0.79788456080286535588
static bool approximate(const cn_call *c) { return ((const cn_gelu_args *)c->args)->approximate; }
static cn_code gelu_infer(const cn_call *c) {
  const cn_code code = cn_infer_same_float(c);
  c->sig[1] = c->sig[0];
  return code;
}
/* One pass of a kernel over elements begin .. end. */
typedef struct gelu_job { const cni_kernels *k; char *y, *slope; const char *x, *gy; size_t w; bool approximate; } gelu_job;
static void gelu_part(void *ctx, int64_t begin, int64_t end) {
  const gelu_job *j = ctx;
  const size_t at = (size_t)begin * j->w;
  if (j->gy) j->k->gelu_bend(j->y + at, j->gy + at, j->x + at, end - begin, j->approximate);
  else j->k->gelu_slope(j->y + at, j->slope + at, j->x + at, end - begin, j->approximate);
}
static cn_code gelu_forward(const cn_call *c) {
  gelu_job j = { K, c->y[0]->data, c->y[1]->data, c->x[0]->data, NULL, cn_dtype_size((cn_dtype)c->x[0]->dtype), approximate(c) };
  return cni_parallel(c->graph, c->y[0]->count, CNI_GRAIN / 4, gelu_part, &j), CN_OK;
}
static void gelu_piece(const cn_call *c, const void *x, int64_t begin, int64_t end) {
  const size_t at = (size_t)begin * cn_dtype_size((cn_dtype)c->x[0]->dtype);
  K->gelu_slope((char *)c->y[0]->data + at, (char *)c->y[1]->data + at, x, end - begin, approximate(c));
}
static cn_code gelu_backward(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  gelu_job j = { K, c->gx[0], NULL, x->data, c->gy[1], cn_dtype_size((cn_dtype)x->dtype), approximate(c) };
  if (!c->gx[0]) return CN_OK;
  if (c->gy[0]) cni_binary_raw(c->graph, K->multiply, c->gx[0], j.w, &x->dims, c->gy[0], &x->dims, c->y[1]->data, &x->dims, j.w);
  else if (x->count) memset(c->gx[0], 0, (size_t)x->count * j.w);
  if (j.gy) cni_parallel(c->graph, x->count, CNI_GRAIN / 4, gelu_part, &j);
  return CN_OK;
}
/* The derivative of the second output: phi(x) (2 - x^2); of the tanh form, with s = (1 + t)/2 and u = 2 sqrt(2/pi) (1 + 3 * 0.044715 x^2): s (1 - s) (2 u + x
 * ((1 - 2 s) u^2 + u')). */
static cn_tensor *gelu_second(cn_graph *g, cn_tensor *x, bool tanh_form) {
  cn_tensor *x2 = cn_square(g, x);
  if (!tanh_form) return cn_multiply(g, cn_scale(g, cn_exp(g, cn_scale(g, x2, -0.5)), 0.39894228040143267794), cn_shift(g, cn_negative(g, x2), 2));
  cn_tensor *s = cn_sigmoid(g, cn_scale(g, cn_multiply(g, x, cn_shift(g, cn_scale(g, x2, 0.044715), 1)), 2 * SQRT_2_PI)),
            *u = cn_scale(g, cn_shift(g, cn_scale(g, x2, 3 * 0.044715), 1), 2 * SQRT_2_PI);
  cn_tensor *inner = cn_add(g, cn_multiply(g, cn_shift(g, cn_scale(g, s, -2), 1), cn_square(g, u)), cn_scale(g, x, 12 * 0.044715 * SQRT_2_PI));
  return cn_multiply(g, cn_multiply(g, s, cn_shift(g, cn_negative(g, s), 1)), cn_add(g, cn_scale(g, u, 2), cn_multiply(g, x, inner)));
}
CNI_VJP(gelu) {
  (void)want;
  if (gy[0]) gx[0] = cn_multiply(g, gy[0], n->y[1]);
  cn_tensor *second = gy[1] ? cn_multiply(g, gy[1], gelu_second(g, X0, ((const cn_gelu_args *)cn_node_args(n))->approximate)) : NULL;
  if (second) gx[0] = gx[0] ? cn_add(g, gx[0], second) : second;
}
static void gelu_reference(const cn_reference *r) {
  const cn_gelu_args *o = r->call->args;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double x = r->x[0][i], t = tanh(SQRT_2_PI * (x + 0.044715 * x * x * x)), phi = exp(-0.5 * x * x) * 0.39894228040143267794;
    r->y[0][i] = 0.5 * x * (1 + (o->approximate ? t : erf(x * M_SQRT1_2)));
    r->y[1][i] = o->approximate ? 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_PI * (1 + 3 * 0.044715 * x * x) : 0.5 * (1 + erf(x * M_SQRT1_2)) + x * phi;
  }
}
CN_OP(gelu, CN_GELU, .outputs = 2, .kept = 1, .flags = CN_OP_GIVES_SLOPE, .reads = CN_READS_X(0) | CN_READS_Y(1), .infer = gelu_infer,
      .forward = gelu_forward, .piece = gelu_piece, .vjp = gelu_vjp, .backward = gelu_backward, .reference = gelu_reference,
      .samples = CN_TEXTS("f[3,4]", "f[3,4], approximate=false", "f[]", "f[0]", "f[5,33]@-9:9, approximate=false"), FLOAT_REJECTS);

/* ---- glu ---- */
typedef struct halves { int64_t outer, half, inner; } halves; /* x: [outer, 2 half, inner] */
static halves halves_of(const cn_dims *d, int axis) {
  halves h = { 1, d->d[axis] / 2, 1 };
  for (int i = 0; i < axis; i++) h.outer *= d->d[i];
  for (int i = axis + 1; i < d->rank; i++) h.inner *= d->d[i];
  return h;
}
static cn_code glu_infer(const cn_call *c) {
  const int axis = cn_axis(c->graph, ((const cn_glu_args *)c->args)->axis, c->x[0]->dims.rank);
  if (axis < 0) return CN_INDEX;
  const int64_t n = c->x[0]->dims.d[axis];
  if (n != CN_UNKNOWN && n % 2) return cn_fail(c->graph, CN_SHAPE, "size %lld of axis %d is odd", (long long)n, axis);
  const cn_code code = cn_infer_same_float(c);
  if (code == CN_OK && n != CN_UNKNOWN) c->sig[0].dims.d[axis] = n / 2;
  return code;
}
static cn_code glu_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  const halves h = halves_of(&x->dims, cn_axis(c->graph, ((const cn_glu_args *)c->args)->axis, x->dims.rank));
  const int64_t run = h.half * h.inner;
  const size_t w = cn_dtype_size((cn_dtype)x->dtype);
  for (int64_t i = 0; i < h.outer; i++) {
    char *y = (char *)c->y[0]->data + (size_t)(i * run) * w;
    const char *a = (const char *)x->data + (size_t)(2 * i * run) * w;
    K->sigmoid(y, a + (size_t)run * w, run, NULL);
    K->multiply(y, y, a, run, 1, 1);
  }
  return CN_OK;
}
CNI_VJP(glu) {
  CNI_UNUSED_VJP;
  const int64_t axis = ((const cn_glu_args *)cn_node_args(n))->axis;
  cn_tensor *const *h = cn_split(g, X0, CN_INTS(2), .axis = axis);
  cn_tensor *s = cn_sigmoid(g, h[1]);
  gx[0] = cn_concatenate(
      g, CN_TENSORS(cn_multiply(g, gy[0], s), cn_multiply(g, gy[0], cn_multiply(g, h[0], cn_multiply(g, s, cn_shift(g, cn_negative(g, s), 1))))), .axis = axis);
}
static void glu_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_glu_args *o = c->args;
  const halves h = halves_of(&c->x[0]->dims, (int)(o->axis < 0 ? o->axis + c->x[0]->dims.rank : o->axis));
  const int64_t run = h.half * h.inner;
  for (int64_t i = 0; i < h.outer * run; i++) {
    const int64_t at = i / run * 2 * run + i % run;
    r->y[0][i] = r->x[0][at] / (1 + exp(-r->x[0][at + run]));
  }
}
CN_OP(glu, CN_GLU, .outputs = 1, .reads = CN_READS_X(0), .infer = glu_infer, .forward = glu_forward, .vjp = glu_vjp, .reference = glu_reference,
      .samples = CN_TEXTS("f[3,4]", "f[4,3], axis=0", "f[2,6,2], axis=1", "f[0,4]"),
      .rejects = CN_TEXTS("f[3] => size 3 of axis 0 is odd", "i[4]@0:3 => needs float32 or float64", "f[4], axis=2 => axis 2 is out of range for rank 1"));

const cn_op *const cni_ops_activation_options[] = {
  &cn_op_relu,      &cn_op_leaky_relu, &cn_op_elu, &cn_op_celu, &cn_op_hard_shrink, &cn_op_soft_shrink, &cn_op_squareplus,
  &cn_op_threshold, &cn_op_gelu,       &cn_op_glu, NULL
};
