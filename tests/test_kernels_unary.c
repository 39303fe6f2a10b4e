/* Elementwise functions of one input and their gradients, against the C library's long doubles and against differences of them. */
#include "test_kernels.h"

typedef long double wide;
typedef wide reference(wide x, const double *p);

static wide sigmoid_wide(wide x) { return 1 / (1 + expl(-x)); }
static wide softplus_wide(wide x) { return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); }
static wide clip_wide(wide x, wide low, wide high) { return x < low ? low : x > high ? high : x; }
static wide erfinv_wide(wide x) {
  wide y = x;
  for (int i = 0; i < 60; i++) y -= (erfl(y) - x) / (2 / sqrtl(acosl(-1)) * expl(-y * y));
  return y;
}

#define REFERENCE(name, e) static wide name##_wide_of(wide x, const double *p) { return (void)p, (e); }
REFERENCE(negative, -x)
REFERENCE(abs, fabsl(x))
REFERENCE(square, x * x)
REFERENCE(sqrt, sqrtl(x))
REFERENCE(rsqrt, 1 / sqrtl(x))
REFERENCE(reciprocal, 1 / x)
REFERENCE(exp, expl(x))
REFERENCE(exp2, exp2l(x))
REFERENCE(expm1, expm1l(x))
REFERENCE(log, logl(x))
REFERENCE(log2, log2l(x))
REFERENCE(log10, log10l(x))
REFERENCE(log1p, log1pl(x))
REFERENCE(sin, sinl(x))
REFERENCE(cos, cosl(x))
REFERENCE(tan, tanl(x))
REFERENCE(arcsin, asinl(x))
REFERENCE(arccos, acosl(x))
REFERENCE(arctan, atanl(x))
REFERENCE(sinh, sinhl(x))
REFERENCE(cosh, coshl(x))
REFERENCE(tanh, tanhl(x))
REFERENCE(arcsinh, asinhl(x))
REFERENCE(arccosh, acoshl(x))
REFERENCE(arctanh, atanhl(x))
REFERENCE(erf, erfl(x))
REFERENCE(erfc, erfcl(x))
REFERENCE(erfinv, erfinv_wide(x))
REFERENCE(sigmoid, sigmoid_wide(x))
REFERENCE(log_sigmoid, -softplus_wide(-x))
REFERENCE(softplus, softplus_wide(x))
REFERENCE(softsign, x / (1 + fabsl(x)))
REFERENCE(mish, x * tanhl(softplus_wide(x)))
REFERENCE(gelu, x / 2 * erfcl(-x / sqrtl(2)))
REFERENCE(gelu_tanh, x / 2 * (1 + tanhl(sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x))))
REFERENCE(silu, x * sigmoid_wide(x))
REFERENCE(relu, x > 0 ? x : 0)
REFERENCE(relu6, clip_wide(x, 0, 6))
REFERENCE(leaky_relu, x < 0 ? p[0] * x : x)
REFERENCE(relu_general, x >= p[1] ? p[1] : x > p[2] ? x : p[0] * (x - p[2]))
REFERENCE(elu, x > 0 ? x : p[0] * expm1l(x))
REFERENCE(selu, 1.0507009873554804934L * (x > 0 ? x : 1.6732632423543772848L * expm1l(x)))
REFERENCE(celu, x > 0 ? x : p[0] * expm1l(x / p[0]))
REFERENCE(hard_sigmoid, clip_wide(x / 6 + 0.5L, 0, 1))
REFERENCE(hard_silu, x * clip_wide(x / 6 + 0.5L, 0, 1))
REFERENCE(hard_tanh, clip_wide(x, -1, 1))
REFERENCE(tanh_shrink, x - tanhl(x))
REFERENCE(hard_shrink, fabsl(x) > p[0] ? x : 0)
REFERENCE(soft_shrink, x > p[0] ? x - p[0] : x < -p[0] ? x + p[0] : 0)
REFERENCE(squareplus, (x + sqrtl(x * x + p[0])) / 2)
REFERENCE(sparse_plus, x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4)
REFERENCE(sparse_sigmoid, clip_wide((x + 1) / 2, 0, 1))
REFERENCE(threshold, x > p[0] ? x : p[1])
REFERENCE(clip, clip_wide(x, p[0], p[1]))
REFERENCE(scale, p[0] * x)
REFERENCE(shift, x + p[0])
REFERENCE(sign, x > 0 ? 1 : x < 0 ? -1 : 0)
REFERENCE(floor, floorl(x))
REFERENCE(ceil, ceill(x))
REFERENCE(round, rintl(x))
REFERENCE(trunc, truncl(x))

/* `absolute`: of the value, in units of the type's epsilon, where it crosses zero by cancellation. */
typedef struct unary_case { const char *name; size_t value, gradient; reference *f; double low, high, p[3], absolute; } unary_case;
#define STEP(name, ...) { #name, offsetof(cni_kernels, name), 0, name##_wide_of, __VA_ARGS__ }
#define CASE(name, ...) { #name, offsetof(cni_kernels, name), offsetof(cni_kernels, name##_grad), name##_wide_of, __VA_ARGS__ }
static const unary_case cases[] = {
  CASE(negative, -9, 9, { 0 }, 0), CASE(abs, -9, 9, { 0 }, 0), CASE(square, -9, 9, { 0 }, 0), CASE(sqrt, 0.01, 9, { 0 }, 0),
  CASE(rsqrt, 0.01, 9, { 0 }, 0), CASE(reciprocal, 0.1, 9, { 0 }, 0), CASE(exp, -20, 20, { 0 }, 0), CASE(exp2, -20, 20, { 0 }, 0),
  CASE(expm1, -3, 9, { 0 }, 0), CASE(log, 0.01, 90, { 0 }, 1), CASE(log2, 0.01, 90, { 0 }, 1), CASE(log10, 0.01, 90, { 0 }, 1),
  CASE(log1p, -0.9, 9, { 0 }, 0), CASE(sin, -20, 20, { 0 }, 1), CASE(cos, -20, 20, { 0 }, 1), CASE(tan, -1.4, 1.4, { 0 }, 0),
  CASE(arcsin, -0.95, 0.95, { 0 }, 0), CASE(arccos, -0.95, 0.95, { 0 }, 1), CASE(arctan, -9, 9, { 0 }, 0), CASE(sinh, -5, 5, { 0 }, 0),
  CASE(cosh, -5, 5, { 0 }, 0), CASE(tanh, -5, 5, { 0 }, 0), CASE(arcsinh, -9, 9, { 0 }, 0), CASE(arccosh, 1.1, 9, { 0 }, 1),
  CASE(arctanh, -0.95, 0.95, { 0 }, 0), CASE(erf, -3, 3, { 0 }, 0), CASE(erfc, -3, 4, { 0 }, 0), CASE(erfinv, -0.97, 0.97, { 0 }, 0),
  CASE(sigmoid, -15, 15, { 0 }, 0), CASE(log_sigmoid, -15, 15, { 0 }, 0), CASE(softplus, -15, 15, { 0 }, 0), CASE(softsign, -9, 9, { 0 }, 0),
  CASE(mish, -15, 15, { 0 }, 0), CASE(gelu, -4, 9, { 0 }, 0), CASE(gelu_tanh, -4, 9, { 0 }, 0), CASE(silu, -15, 15, { 0 }, 0),
  CASE(relu, -9, 9, { 0 }, 0), CASE(relu6, -9, 9, { 0 }, 0), CASE(leaky_relu, -9, 9, { 0.2 }, 0), CASE(relu_general, -9, 9, { 0.25, 6.5, 0.75 }, 0),
  CASE(elu, -9, 9, { 1.5 }, 0), CASE(selu, -9, 9, { 0 }, 0), CASE(celu, -9, 9, { 0.7 }, 0), CASE(hard_sigmoid, -9, 9, { 0 }, 1),
  CASE(hard_silu, -9, 9, { 0 }, 3), CASE(hard_tanh, -3, 3, { 0 }, 0), CASE(tanh_shrink, -5, 5, { 0 }, 2), CASE(hard_shrink, -3, 3, { 0.5 }, 0),
  CASE(soft_shrink, -3, 3, { 0.5 }, 1), CASE(squareplus, -9, 9, { 4 }, 10), CASE(sparse_plus, -3, 3, { 0 }, 1),
  CASE(sparse_sigmoid, -3, 3, { 0 }, 1), CASE(threshold, -3, 3, { 0.5, -7 }, 0), CASE(clip, -3, 3, { -1.25, 2 }, 0), CASE(scale, -3, 3, { 1.75 }, 0),
  CASE(shift, -3, 3, { 1.75 }, 1), STEP(sign, -3, 3, { 0 }, 0), STEP(floor, -9, 9, { 0 }, 0), STEP(ceil, -9, 9, { 0 }, 0),
  STEP(round, -9, 9, { 0 }, 0), STEP(trunc, -9, 9, { 0 }, 0),
};
#define CASES (int)(sizeof cases / sizeof *cases)

static cni_unary *value_of(const cni_kernels *k, const unary_case *c) { return *(cni_unary *const *)(const void *)((const char *)k + c->value); }
static cni_unary_grad *gradient_of(const cni_kernels *k, const unary_case *c) {
  return *(cni_unary_grad *const *)(const void *)((const char *)k + c->gradient);
}

static double epsilon_of(cn_dtype dtype) { return dtype == CN_F64 ? 0x1p-52 : 0x1p-23; }

static void check_values(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y;
  for (int c = 0; c < CASES; c++)
    for (int s = 0; s < KERNEL_SIZES; s++) {
      const int64_t n = kernel_sizes[s];
      make(dtype, &x, n, (uint32_t)c, cases[c].low, cases[c].high);
      put(dtype, &y, n, -77);
      value_of(k, &cases[c])(&y, &x, n, cases[c].p);
      for (int64_t i = 0; i < n; i++) {
        const double wanted = (double)cases[c].f((wide)get(dtype, &x, i), cases[c].p);
        CHECK_NEAR(get(dtype, &y, i), wanted, 16 * epsilon_of(dtype), 4 * cases[c].absolute * epsilon_of(dtype), cases[c].name, k, dtype, i);
      }
      cr_assert(get(dtype, &y, n) == -77, "%s writes beyond its end", cases[c].name);
      value_of(k, &cases[c])(&x, &x, n, cases[c].p);
      cr_assert(memcmp(&x, &y, (size_t)n * cn_dtype_size(dtype)) == 0, "%s (%s) in place", cases[c].name, k->isa);
    }
}
Test(core_kernels, unary) { for_each_table(check_values); }

/* The derivative by differences of sixth order; NaN near a corner, where the one-sided slopes differ. */
static double slope(const unary_case *c, double at) {
  const wide h = 1e-3L, x = (wide)at;
  wide f[7];
  for (int i = -3; i <= 3; i++) f[i + 3] = c->f(x + i * h, c->p);
  const wide left = (f[3] - f[2]) / h, right = (f[4] - f[3]) / h;
  if (fabsl(right - left) > 0.02L * (1 + fabsl(left) + fabsl(right))) return (double)NAN;
  const wide sixth = (45 * (f[4] - f[2]) - 9 * (f[5] - f[1]) + (f[6] - f[0])) / (60 * h), fourth = (8 * (f[4] - f[2]) - (f[5] - f[1])) / (12 * h);
  return fabsl(sixth - fourth) > 1e-9L * (1 + fabsl(sixth)) ? (double)NAN : (double)sixth;
}

static void check_gradients(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, gy, gx;
  const double tolerance = dtype == CN_F64 ? 1e-11 : 4e-6;
  for (int c = 0; c < CASES; c++) {
    int compared = 0;
    for (int s = 0; cases[c].gradient && s < KERNEL_SIZES; s++) {
      const int64_t n = kernel_sizes[s];
      make(dtype, &x, n, (uint32_t)c, cases[c].low, cases[c].high);
      make(dtype, &gy, n, 99, -2, 2);
      value_of(k, &cases[c])(&y, &x, n, cases[c].p);
      gradient_of(k, &cases[c])(&gx, &gy, &x, &y, n, cases[c].p);
      for (int64_t i = 0; i < n; i++) {
        const double wanted = slope(&cases[c], get(dtype, &x, i));
        if (isnan(wanted)) continue;
        const double size = fabs(wanted) > 1 ? fabs(wanted) : 1;
        CHECK_NEAR(get(dtype, &gx, i), get(dtype, &gy, i) * wanted, tolerance, tolerance * size, cases[c].name, k, dtype, i);
        compared++;
      }
    }
    if (cases[c].gradient) cr_assert(compared > 500, "%s: only %d compared", cases[c].name, compared);
  }
}
Test(core_kernels, unary_gradients) { for_each_table(check_gradients); }

/* A gradient gets NULL for what the list in the header says that it does not read. */
static void check_reads(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, gy, gx;
  static const double p[3] = { 1, 2, 0 };
  make(dtype, &x, 33, 1, 1.1, 1.9);
  make(dtype, &y, 33, 2, 0.1, 0.9);
  make(dtype, &gy, 33, 3, 1, 2);
#define X_ &x, NULL
#define Y_ NULL, &y
#define N_ NULL, NULL
#define READS(name, reads) k->name##_grad(&gx, &gy, reads, 33, p);
  CNI_UNARY_GRADIENTS(READS)
}
Test(core_kernels, unary_gradients_read_what_they_say) { for_each_table(check_reads); }

typedef struct corner { cni_unary_grad *gradient; cni_unary *value; double p[3], x, slope; } corner;
/* TensorFlow's subgradients. */
static void check_corners(const cni_kernels *k, cn_dtype dtype) {
  const corner corners[] = {
    { k->abs_grad, k->abs, { 0 }, 0, 0 }, { k->relu_grad, k->relu, { 0 }, 0, 0 }, { k->relu6_grad, k->relu6, { 0 }, 0, 0 },
    { k->relu6_grad, k->relu6, { 0 }, 6, 0 }, { k->leaky_relu_grad, k->leaky_relu, { 0.2 }, 0, 0.2 }, { k->elu_grad, k->elu, { 1 }, 0, 1 },
    { k->selu_grad, k->selu, { 0 }, 0, 1.0507009873554805 }, { k->softsign_grad, k->softsign, { 0 }, 0, 1 },
    { k->hard_tanh_grad, k->hard_tanh, { 0 }, -1, 1 }, { k->hard_tanh_grad, k->hard_tanh, { 0 }, 1, 1 },
    { k->hard_sigmoid_grad, k->hard_sigmoid, { 0 }, -3, 0 }, { k->hard_sigmoid_grad, k->hard_sigmoid, { 0 }, 3, 0 },
    { k->hard_silu_grad, k->hard_silu, { 0 }, -3, 0 }, { k->hard_silu_grad, k->hard_silu, { 0 }, 3, 1 },
    { k->hard_shrink_grad, k->hard_shrink, { 0.5 }, 0.5, 0 }, { k->hard_shrink_grad, k->hard_shrink, { 0.5 }, -0.5, 0 },
    { k->soft_shrink_grad, k->soft_shrink, { 0.5 }, 0.5, 0 }, { k->soft_shrink_grad, k->soft_shrink, { 0.5 }, -0.5, 0 },
    { k->sparse_plus_grad, k->sparse_plus, { 0 }, -1, 0 }, { k->sparse_plus_grad, k->sparse_plus, { 0 }, 1, 1 },
    { k->sparse_sigmoid_grad, k->sparse_sigmoid, { 0 }, -1, 0 }, { k->sparse_sigmoid_grad, k->sparse_sigmoid, { 0 }, 1, 0 },
    { k->relu_general_grad, k->relu_general, { 0, (double)INFINITY, 0 }, 0, 0 },
    { k->relu_general_grad, k->relu_general, { 0.3, (double)INFINITY, 0 }, 0, 0.3 }, { k->clip_grad, k->clip, { -1, 2 }, -1, 1 },
    { k->clip_grad, k->clip, { -1, 2 }, 2, 1 }, { k->clip_grad, k->clip, { -1, 2 }, 2.5, 0 },
    { k->nan_to_num_grad, k->nan_to_num, { 0 }, 2.5, 1 }, { k->nan_to_num_grad, k->nan_to_num, { 0 }, -(double)INFINITY, 0 },
  };
  for (size_t c = 0; c < sizeof corners / sizeof *corners; c++) {
    double x[1], y[1], gy[1], gx[1];
    put(dtype, x, 0, corners[c].x);
    put(dtype, gy, 0, 1);
    corners[c].value(y, x, 1, corners[c].p);
    corners[c].gradient(gx, gy, x, y, 1, corners[c].p);
    CHECK_NEAR(get(dtype, gx, 0), corners[c].slope, 1e-6, 0, "corner", k, dtype, c);
  }
}
Test(core_kernels, corners) { for_each_table(check_corners); }

/* relu with a cap and a threshold below zero clips what lies between to 0, as released Keras does. */
static void check_relu_general(const cni_kernels *k, cn_dtype dtype) {
  const double p[3] = { 0.15, 6, -1 }, x[] = { -20, -1e-7, 0, 20, -100 }, wanted[] = { -2.85, 0, 0, 6, -14.85 };
  numbers in, out;
  for (int i = 0; i < 5; i++) put(dtype, &in, i, x[i]);
  k->relu_general(&out, &in, 5, p);
  for (int i = 0; i < 5; i++) CHECK_NEAR(get(dtype, &out, i), wanted[i], 1e-6, 0, "relu_general", k, dtype, i);
}
Test(core_kernels, relu_general) { for_each_table(check_relu_general); }

static void check_extremes(const cni_kernels *k, cn_dtype dtype) {
  static const double in[] = { 1e4, -1e4, (double)INFINITY, -(double)INFINITY, (double)NAN };
  const struct { const char *name; cni_unary *f; double wanted[5]; } rows[] = {
    { "sigmoid", k->sigmoid, { 1, 0, 1, 0, (double)NAN } },
    { "softplus", k->softplus, { 1e4, 0, (double)INFINITY, 0, (double)NAN } },
    { "log_sigmoid", k->log_sigmoid, { 0, -1e4, 0, -(double)INFINITY, (double)NAN } },
    { "tanh", k->tanh, { 1, -1, 1, -1, (double)NAN } },
    { "relu", k->relu, { 1e4, 0, (double)INFINITY, 0, (double)NAN } },
    { "relu6", k->relu6, { 6, 0, 6, 0, (double)NAN } },
    { "exp", k->exp, { (double)INFINITY, 0, (double)INFINITY, 0, (double)NAN } },
    { "erf", k->erf, { 1, -1, 1, -1, (double)NAN } },
    { "sign", k->sign, { 1, -1, 1, -1, (double)NAN } },
    { "erfinv", k->erfinv, { (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN } },
    { "log", k->log, { log(1e4), (double)NAN, (double)INFINITY, (double)NAN, (double)NAN } },
  };
  numbers x, y;
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    for (int64_t i = 0; i < 40; i++) put(dtype, &x, i, in[i % 5]);
    rows[r].f(&y, &x, 40, NULL);
    for (int64_t i = 0; i < 40; i++) CHECK_NEAR(get(dtype, &y, i), rows[r].wanted[i % 5], 1e-6, 0, rows[r].name, k, dtype, i);
  }
  const double bounds[2] = { -1, 1 };
  put(dtype, &x, 0, (double)NAN);
  k->clip(&y, &x, 1, bounds);
  cr_assert(isnan(get(dtype, &y, 0)));
}
Test(core_kernels, extremes) { for_each_table(check_extremes); }
