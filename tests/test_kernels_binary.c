/* Elementwise functions of two inputs, comparisons and plain vector loops. */
#include "test_kernels.h"

static double mod_of(double a, double b) {
  const double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
#define REFERENCE(name, e) static double name##_of_two(double a, double b) { return (e); }
REFERENCE(add, a + b)
REFERENCE(subtract, a - b)
REFERENCE(multiply, a * b)
REFERENCE(divide, a / b)
REFERENCE(power, pow(a, b))
REFERENCE(maximum, a > b ? a : b)
REFERENCE(minimum, a < b ? a : b)
REFERENCE(arctan2, atan2(a, b))
REFERENCE(mod, mod_of(a, b))
REFERENCE(fmod, fmod(a, b))
REFERENCE(hypot, hypot(a, b))
REFERENCE(squared_difference, (a - b) * (a - b))
REFERENCE(divide_no_nan, b == 0 ? 0 : a / b)
REFERENCE(logaddexp, fmax(a, b) + log1p(exp(-fabs(a - b))))
REFERENCE(equal, a == b)
REFERENCE(not_equal, a != b)
REFERENCE(less, a < b)
REFERENCE(less_equal, a <= b)
REFERENCE(greater, a > b)
REFERENCE(greater_equal, a >= b)
REFERENCE(logical_and, a != 0 && b != 0)
REFERENCE(logical_or, a != 0 || b != 0)
REFERENCE(logical_xor, (a != 0) != (b != 0))

typedef struct binary_case { const char *name; size_t kernel; double (*f)(double a, double b); double low; bool compares; } binary_case;
#define CASE(name, low) { #name, offsetof(cni_kernels, name), name##_of_two, low, false },
#define ANY(name) CASE(name, -4)
#define COMPARES(name) { #name, offsetof(cni_kernels, name), name##_of_two, -4, true },
static const binary_case cases[] = { ANY(add) ANY(subtract) ANY(multiply) ANY(divide) CASE(power, 0.1) ANY(maximum) ANY(minimum) ANY(arctan2) ANY(mod)
    ANY(fmod) ANY(hypot) ANY(squared_difference) ANY(divide_no_nan) ANY(logaddexp)
                                     CNI_COMPARE(COMPARES) };
#define CASES (int)(sizeof cases / sizeof *cases)

static cni_binary *kernel_of(const cni_kernels *k, const binary_case *c) { return *(cni_binary *const *)(const void *)((const char *)k + c->kernel); }

/* Operands in sixteenths, so that some are equal. */
static void make_sixteenths(cn_dtype dtype, void *x, int64_t n, uint32_t seed, double low) {
  for (int64_t i = 0; i < n; i++) put(dtype, x, i, low + floor(hashed(seed, i, 1, 128)) / 16 + (low > 0 ? 0 : 1.0 / 32));
}

static void check_one(const cni_kernels *k, cn_dtype dtype, const binary_case *c, int64_t n, int64_t sa, int64_t sb) {
  static numbers a, b, y;
  make_sixteenths(dtype, &a, n + 1, 1, c->low);
  make_sixteenths(dtype, &b, n + 1, 2, c->low);
  memset(&y, 0x55, sizeof y);
  kernel_of(k, c)(&y, &a, &b, n, sa, sb);
  const double epsilon = dtype == CN_F64 ? 0x1p-52 : 0x1p-23;
  for (int64_t i = 0; i < n; i++) {
    const double wanted = c->f(get(dtype, &a, i * sa), get(dtype, &b, i * sb));
    const double got = c->compares ? (double)((const uint8_t *)&y)[i] : get(dtype, &y, i);
    CHECK_NEAR(got, wanted, 16 * epsilon, 8 * epsilon, c->name, k, dtype, i);
  }
  cr_assert(((const uint8_t *)&y)[(size_t)n * (c->compares ? 1 : cn_dtype_size(dtype))] == 0x55);
}

static void check_binary(const cni_kernels *k, cn_dtype dtype) {
  for (int c = 0; c < CASES; c++)
    for (int s = 0; s < KERNEL_SIZES; s++)
      for (int steps = 0; steps < 4; steps++) check_one(k, dtype, &cases[c], kernel_sizes[s], steps & 1, steps >> 1);
}
Test(core_kernels, binary) { for_each_table(check_binary); }

static void check_special(const cni_kernels *k, cn_dtype dtype) {
  const double nan = (double)NAN, inf = (double)INFINITY;
  const struct { const char *name; cni_binary *f; double a, b, wanted; } rows[] = {
    { "maximum", k->maximum, nan, 1, nan },        { "maximum", k->maximum, 1, nan, nan },    { "minimum", k->minimum, nan, 1, nan }, { "minimum",
        k->minimum, 1, nan, nan },
    { "mod", k->mod, -7, 3, 2 },                   { "mod", k->mod, 7, -3, -2 },              { "fmod", k->fmod, -7, 3, -1 },         { "floor_divide",
        k->floor_divide, -7, 2, -4 },
    { "floor_divide", k->floor_divide, 7, 2, 3 },  { "power", k->power, -3, 2, 9 },           { "power", k->power, -2, 3, -8 },       { "power", k->power, 0,
        0, 1 },
    { "divide", k->divide, 1, 0, inf },            { "hypot", k->hypot, 3, 4, 5 },            { "power", k->power, -8, 0.5, nan },
    { "divide_no_nan", k->divide_no_nan, 1, 0, 0 }, { "logaddexp", k->logaddexp, inf, inf, inf }, { "logaddexp", k->logaddexp, -inf, -inf, -inf },
    { "logaddexp", k->logaddexp, -inf, 1, 1 },     { "logaddexp", k->logaddexp, nan, 1, nan }, { "logaddexp", k->logaddexp, -inf, nan, nan },
  };
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
    for (int64_t n = 1; n < 20; n += 18)
      for (int64_t sa = 0; sa < 2; sa++) {
        numbers a, b, y;
        for (int64_t i = 0; i < n; i++) put(dtype, &a, i, rows[r].a), put(dtype, &b, i, rows[r].b);
        rows[r].f(&y, &a, &b, n, sa, sa && n > 1 ? 0 : 1);
        for (int64_t i = 0; i < n; i++) CHECK_NEAR(get(dtype, &y, i), rows[r].wanted, 1e-6, 0, rows[r].name, k, dtype, i);
      }
}
Test(core_kernels, binary_special) { for_each_table(check_special); }

static void check_vectors(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, z, before;
  static uint8_t c[1000];
  const double tolerance = dtype == CN_F64 ? 1e-14 : 2e-6;
  for (int s = 0; s < KERNEL_SIZES; s++) {
    const int64_t n = kernel_sizes[s];
    make(dtype, &x, n, 1, -1, 1), make(dtype, &y, n + 1, 2, -1, 1), make(dtype, &z, n, 3, -1, 1);
    before = y;
    k->accumulate(&y, &x, n);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(get(dtype, &y, i), get(dtype, &before, i) + get(dtype, &x, i), tolerance, tolerance, "accumulate", k, dtype, i);
    y = before;
    k->axpy(&y, &x, n, 0.75);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(get(dtype, &y, i), get(dtype, &before, i) + 0.75 * get(dtype, &x, i), tolerance, tolerance, "axpy", k, dtype, i);
    y = before;
    k->multiply_add(&y, &x, &z, n);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(get(dtype, &y, i), get(dtype, &before, i) + get(dtype, &z, i) * get(dtype, &x, i), tolerance, tolerance,
        "multiply_add", k, dtype, i);
    double dot = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) dot += get(dtype, &x, i) * get(dtype, &z, i), squares += get(dtype, &x, i) * get(dtype, &x, i);
    CHECK_NEAR(k->dot(&x, &z, n), dot, 0, tolerance * 10, "dot", k, dtype, n);
    CHECK_NEAR(k->sum_squares(&x, n), squares, 10 * tolerance, 0, "sum_squares", k, dtype, n);
    for (int64_t i = 0; i < n; i++) c[i] = (uint8_t)(hashed(9, i, 0, 3));
    for (int64_t steps = 0; steps < 4; steps++) {
      const int64_t sa = steps & 1, sb = steps >> 1;
      k->where(&y, c, &x, &z, n, sa, sb);
      for (int64_t i = 0; i < n; i++) CHECK_NEAR(get(dtype, &y, i), c[i] ? get(dtype, &x, i * sa) : get(dtype, &z, i * sb), 0, 0, "where", k, dtype, i);
    }
    k->fill(&y, n, 2.5);
    for (int64_t i = 0; i < n; i++) cr_assert(get(dtype, &y, i) == 2.5);
    cr_assert(get(dtype, &y, n) == get(dtype, &before, n));
  }
}
Test(core_kernels, vectors) { for_each_table(check_vectors); }

Test(core_kernels, selection) {
  cr_assert(cni_kernels_named("none", CN_F32) == NULL);
  cr_assert_str_eq(cni_kernels_named("baseline", CN_F64)->isa, "baseline");
  cr_assert(cni_kernels_named(NULL, CN_F32) != NULL && cni_kernels_named(NULL, CN_F32) != cni_kernels_named(NULL, CN_F64));
}
