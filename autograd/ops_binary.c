#include "ops_binary.h"
#include "elementwise_private.h"
#include "ops.h"

#define K cni_kernels_of(c)
#define ARITHMETIC_SAMPLES .samples = CN_TEXTS("f[3,4], f[3,4]", "f[3,4], f[4]", "f[3,1], f[1,4]", "f[], f[2,3]", "f[2,1,3], f[4,1]", "f[0,3], f[3]", "f[1], f[1]", "f[], f[]")
#define ARITHMETIC_REJECTS .rejects = CN_TEXTS("f[3,4], f[3] => shapes do not broadcast: [3,4] and [3]", "f[3], i[3]@0:3 => dtypes differ: ")
#define FLOAT_REJECTS .rejects = CN_TEXTS("f[3,4], f[3] => shapes do not broadcast: [3,4] and [3]", "i[3]@0:3, i[3]@0:3 => needs float32 or float64, got int32")

static inline size_t width(const cn_call *c) { return cn_dtype_size((cn_dtype)c->x[0]->dtype); }

/* Two numbers of float32: the case of graphs of scalars, before anything general. */
#define SCALARS(expression)                                                              \
  if (c->y[0]->count == 1 && c->y[0]->dtype == CN_F32) {                                 \
    const float a = *(const float *)c->x[0]->data, b = *(const float *)c->x[1]->data;    \
    *(float *)c->y[0]->data = (expression);                                              \
    return CN_OK;                                                                        \
  }

/* ---- add, subtract, multiply ---- */
static cn_code add_forward(const cn_call *c) {
  SCALARS(a + b)
  return cni_binary_map(c, K->add, width(c));
}
static cn_code subtract_forward(const cn_call *c) {
  SCALARS(a - b)
  return cni_binary_map(c, K->subtract, width(c));
}
static cn_code multiply_forward(const cn_call *c) {
  SCALARS(a * b)
  return cni_binary_map(c, K->multiply, width(c));
}
CNI_VJP(add) {
  CNI_UNUSED_VJP;
  gx[0] = want[0] ? gy[0] : NULL;
  gx[1] = want[1] ? gy[0] : NULL;
}
CNI_VJP(subtract) {
  CNI_UNUSED_VJP;
  gx[0] = want[0] ? gy[0] : NULL;
  gx[1] = want[1] ? cn_negative(g, gy[0]) : NULL;
}
CNI_VJP(multiply) {
  CNI_UNUSED_VJP;
  if (want[0]) gx[0] = cn_multiply(g, gy[0], X1);
  if (want[1]) gx[1] = cn_multiply(g, gy[0], X0);
}
static cn_code multiply_backward(const cn_call *c) {
  const cn_tensor *y = c->y[0];
  if (y->count == 1 && y->dtype == CN_F32) {
    const float gy = *(const float *)c->gy[0];
    if (c->gx[0]) *(float *)c->gx[0] = gy * *(const float *)c->x[1]->data;
    if (c->gx[1]) *(float *)c->gx[1] = gy * *(const float *)c->x[0]->data;
    return CN_OK;
  }
  for (int i = 0; i < 2; i++)
    if (c->gx[i]) cni_binary_raw(c->graph, K->multiply, c->gx[i], width(c), &y->dims, c->gy[0], &y->dims, c->x[1 - i]->data, &c->x[1 - i]->dims, width(c));
  return CN_OK;
}
CNI_REFERENCE2(add, a + b)
CNI_REFERENCE2(subtract, a - b)
CNI_REFERENCE2(multiply, a * b)
CN_OP(add, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .infer = cn_infer_broadcast, .forward = add_forward, .vjp = add_vjp, .reference = add_reference,
      ARITHMETIC_SAMPLES, ARITHMETIC_REJECTS);
CN_OP(subtract, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .infer = cn_infer_broadcast, .forward = subtract_forward, .vjp = subtract_vjp,
      .reference = subtract_reference, ARITHMETIC_SAMPLES, ARITHMETIC_REJECTS);
CN_OP(multiply, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast,
      .forward = multiply_forward, .vjp = multiply_vjp, .backward = multiply_backward, .reference = multiply_reference, ARITHMETIC_SAMPLES, ARITHMETIC_REJECTS);

/* ---- maximum, minimum: a tie gives each half ---- */
static cn_code maximum_forward(const cn_call *c) { return cni_binary_map(c, K->maximum, width(c)); }
static cn_code minimum_forward(const cn_call *c) { return cni_binary_map(c, K->minimum, width(c)); }
/* 1 where a wins, 1/2 at a tie, 0 where b wins; the other input's share is that of the swapped call. */
static cn_tensor *share(cn_graph *g, cn_tensor *wins, cn_tensor *tie, cn_tensor *like) {
  const char *dtype = cn_dtype_name((cn_dtype)like->dtype);
  return cn_add(g, cn_cast(g, wins, .dtype = dtype), cn_multiply(g, cn_cast(g, tie, .dtype = dtype), NUMBER(like, 0.5)));
}
CNI_VJP(maximum) {
  cn_tensor *a = X0, *b = X1, *tie = cn_equal(g, a, b);
  if (want[0]) gx[0] = cn_multiply(g, gy[0], share(g, cn_greater(g, a, b), tie, a));
  if (want[1]) gx[1] = cn_multiply(g, gy[0], share(g, cn_greater(g, b, a), tie, a));
}
CNI_VJP(minimum) {
  cn_tensor *a = X0, *b = X1, *tie = cn_equal(g, a, b);
  if (want[0]) gx[0] = cn_multiply(g, gy[0], share(g, cn_less(g, a, b), tie, a));
  if (want[1]) gx[1] = cn_multiply(g, gy[0], share(g, cn_less(g, b, a), tie, a));
}
CNI_REFERENCE2(maximum, isnan(a) || isnan(b) ? NAN : a > b ? a : b)
CNI_REFERENCE2(minimum, isnan(a) || isnan(b) ? NAN : a < b ? a : b)
#define KINKED_SAMPLES .samples = CN_TEXTS("f[3,4]@distinct, f[4]@-2:2", "f[5], f[5]", "f[3,1], f[1,4]", "f[], f[2,3]", "f[0,3], f[3]", "f[], f[]")
CN_OP(maximum, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast,
      .forward = maximum_forward, .vjp = maximum_vjp, .reference = maximum_reference, KINKED_SAMPLES, ARITHMETIC_REJECTS);
CN_OP(minimum, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast,
      .forward = minimum_forward, .vjp = minimum_vjp, .reference = minimum_reference, KINKED_SAMPLES, ARITHMETIC_REJECTS);

/* ---- division ---- */
static cn_code floor_divide_forward(const cn_call *c) { return cni_binary_map(c, K->floor_divide, width(c)); }
static cn_code mod_forward(const cn_call *c) { return cni_binary_map(c, K->mod, width(c)); }
static cn_code divide_forward(const cn_call *c) {
  SCALARS(a / b)
  return cni_binary_map(c, K->divide, width(c));
}
static cn_code fmod_forward(const cn_call *c) { return cni_binary_map(c, K->fmod, width(c)); }
CNI_VJP(divide) { /* 1 / b, -a / b^2 = -y / b */
  if (want[0]) gx[0] = cn_divide(g, gy[0], X1);
  if (want[1]) gx[1] = cn_negative(g, cn_divide(g, cn_multiply(g, gy[0], Y0), X1));
}
CNI_VJP(mod) { /* 1, -floor(a / b) */
  if (want[0]) gx[0] = gy[0];
  if (want[1]) gx[1] = cn_negative(g, cn_multiply(g, gy[0], cn_floor(g, cn_divide(g, X0, X1))));
}
CNI_VJP(fmod) { /* 1, -trunc(a / b) */
  if (want[0]) gx[0] = gy[0];
  if (want[1]) gx[1] = cn_negative(g, cn_multiply(g, gy[0], cn_trunc(g, cn_divide(g, X0, X1))));
}
CNI_REFERENCE2(divide, a / b)
CNI_REFERENCE2(floor_divide, floor(a / b))
CNI_REFERENCE2(mod, a - b * floor(a / b))
CNI_REFERENCE2(fmod, fmod(a, b))
#define DIVISION_SAMPLES .samples = CN_TEXTS("f[3,4], f[3,4]@0.5:2", "f[3,4], f[4]@-2:-0.5", "f[3,1], f[1,4]@0.5:2", "f[0,3], f[3]@1:2", "f[], f[]@1:2")
CN_OP(divide, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(1) | CN_READS_Y(0), .infer = cn_infer_broadcast_float,
      .forward = divide_forward, .vjp = divide_vjp, .reference = divide_reference, DIVISION_SAMPLES, FLOAT_REJECTS);
CN_OP(floor_divide, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast, .forward = floor_divide_forward,
      .reference = floor_divide_reference, DIVISION_SAMPLES, ARITHMETIC_REJECTS);
CN_OP(mod, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast, .forward = mod_forward,
      .vjp = mod_vjp, .reference = mod_reference, DIVISION_SAMPLES, ARITHMETIC_REJECTS);
CN_OP(fmod, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast_float,
      .forward = fmod_forward, .vjp = fmod_vjp, .reference = fmod_reference, DIVISION_SAMPLES, FLOAT_REJECTS);

/* a / b where b is not 0; its gradient at 0 is 0 too. */
static cn_code divide_no_nan_forward(const cn_call *c) { return cni_binary_map(c, K->divide_no_nan, width(c)); }
CNI_VJP(divide_no_nan) {
  if (want[0]) gx[0] = cn_divide_no_nan(g, gy[0], X1);
  if (want[1]) gx[1] = cn_negative(g, cn_divide_no_nan(g, cn_multiply(g, gy[0], Y0), X1));
}
CNI_REFERENCE2(divide_no_nan, b == 0 ? 0 : a / b)
CN_OP(divide_no_nan, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(1) | CN_READS_Y(0), .infer = cn_infer_broadcast_float,
      .forward = divide_no_nan_forward, .vjp = divide_no_nan_vjp, .reference = divide_no_nan_reference, DIVISION_SAMPLES, FLOAT_REJECTS);

/* ---- powers and angles ---- */
#define FLOAT_FORWARD(op) \
  static cn_code op##_forward(const cn_call *c) { return cni_binary_map(c, K->op, width(c)); }
FLOAT_FORWARD(power)
FLOAT_FORWARD(squared_difference)
FLOAT_FORWARD(arctan2)
FLOAT_FORWARD(hypot)
CNI_VJP(power) { /* b a^(b-1), y ln a, with ln a := 0 where a is 0 */
  cn_tensor *a = X0, *b = X1;
  if (want[0])
    gx[0] = cn_multiply(g, gy[0], cn_multiply(g, b, cn_power(g, a, cn_where(g, cn_equal(g, b, NUMBER(b, 0)), NUMBER(b, 1), cn_subtract(g, b, NUMBER(b, 1))))));
  if (want[1]) {
    cn_tensor *zero = cn_equal(g, a, NUMBER(a, 0));
    gx[1] = cn_multiply(g, gy[0], cn_multiply(g, Y0, cn_where(g, zero, NUMBER(a, 0), cn_log(g, cn_where(g, zero, NUMBER(a, 1), a)))));
  }
}
CNI_VJP(squared_difference) {
  cn_tensor *d = cn_multiply(g, gy[0], cn_scale(g, cn_subtract(g, X0, X1), 2));
  if (want[0]) gx[0] = d;
  if (want[1]) gx[1] = cn_negative(g, d);
}
static cn_code squared_difference_backward(const cn_call *c) {
  const cn_tensor *y = c->y[0];
  const size_t w = width(c);
  void *first = c->gx[0] ? c->gx[0] : c->gx[1];
  const double two = 2, minus = -1;
  if (!first) return CN_OK;
  cni_binary_into(c, K->subtract, first, w);
  K->multiply(first, first, c->gy[0], y->count, 1, 1);
  K->scale(first, first, y->count, &two);
  if (c->gx[1]) K->scale(c->gx[1], first, y->count, &minus);
  return CN_OK;
}
CNI_VJP(arctan2) { /* b / r^2, -a / r^2 */
  cn_tensor *a = X0, *b = X1, *r2 = cn_add(g, cn_square(g, a), cn_square(g, b));
  if (want[0]) gx[0] = cn_multiply(g, gy[0], cn_divide_no_nan(g, b, r2));
  if (want[1]) gx[1] = cn_negative(g, cn_multiply(g, gy[0], cn_divide_no_nan(g, a, r2)));
}
CNI_VJP(hypot) {
  if (want[0]) gx[0] = cn_multiply(g, gy[0], cn_divide_no_nan(g, X0, Y0));
  if (want[1]) gx[1] = cn_multiply(g, gy[0], cn_divide_no_nan(g, X1, Y0));
}
CNI_REFERENCE2(power, pow(a, b))
CNI_REFERENCE2(squared_difference, (a - b) * (a - b))
CNI_REFERENCE2(arctan2, atan2(a, b))
CNI_REFERENCE2(hypot, hypot(a, b))
CN_OP(power, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = cn_infer_broadcast_float,
      .forward = power_forward, .vjp = power_vjp, .reference = power_reference,
      .samples = CN_TEXTS("f[3,4]@0.3:2, f[3,4]", "f[3,4]@0.3:2, f[4]", "f[3,1]@0.5:2, f[1,4]", "f[0,3]@1:2, f[3]", "f[]@1:2, f[]"), FLOAT_REJECTS);
CN_OP(squared_difference, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast_float,
      .forward = squared_difference_forward, .vjp = squared_difference_vjp, .backward = squared_difference_backward, .reference = squared_difference_reference,
      ARITHMETIC_SAMPLES, FLOAT_REJECTS);
CN_OP(arctan2, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast_float,
      .forward = arctan2_forward, .vjp = arctan2_vjp, .reference = arctan2_reference, DIVISION_SAMPLES, FLOAT_REJECTS);
CN_OP(hypot, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = cn_infer_broadcast_float,
      .forward = hypot_forward, .vjp = hypot_vjp, .reference = hypot_reference, DIVISION_SAMPLES, FLOAT_REJECTS);

FLOAT_FORWARD(logaddexp)
CNI_VJP(logaddexp) { /* sigmoid(a - b), sigmoid(b - a) */
  if (want[0]) gx[0] = cn_multiply(g, gy[0], cn_sigmoid(g, cn_subtract(g, X0, X1)));
  if (want[1]) gx[1] = cn_multiply(g, gy[0], cn_sigmoid(g, cn_subtract(g, X1, X0)));
}
CNI_REFERENCE2(logaddexp, log(exp(a) + exp(b)))
CN_OP(logaddexp, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = cn_infer_broadcast_float,
      .forward = logaddexp_forward, .vjp = logaddexp_vjp, .reference = logaddexp_reference, ARITHMETIC_SAMPLES, FLOAT_REJECTS);

const cn_op *const cni_ops_binary[] = { &cn_op_add,     &cn_op_subtract,      &cn_op_multiply,     &cn_op_maximum,
                                        &cn_op_minimum, &cn_op_divide,        &cn_op_floor_divide, &cn_op_mod,
                                        &cn_op_fmod,    &cn_op_divide_no_nan, &cn_op_power,        &cn_op_squared_difference,
                                        &cn_op_arctan2, &cn_op_hypot,         &cn_op_logaddexp,    NULL };
