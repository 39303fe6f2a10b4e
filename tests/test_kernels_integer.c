/* Kernels of integers and truth values against numbers of 64 bits. */
#include "test_kernels.h"

static int64_t at(cn_dtype dtype, const void *x, int64_t i) {
  return dtype == CN_I32 ? ((const int32_t *)x)[i] : dtype == CN_I64 ? ((const int64_t *)x)[i] : ((const uint8_t *)x)[i];
}
/* What remains of v in a dtype. */
static int64_t kept(cn_dtype dtype, int64_t v) { return dtype == CN_I32 ? (int32_t)v : dtype == CN_I64 ? v : dtype == CN_U8 ? (uint8_t)v : v != 0; }
static void set(cn_dtype dtype, void *x, int64_t i, int64_t v) {
  v = kept(dtype, v);
  if (dtype == CN_I32) ((int32_t *)x)[i] = (int32_t)v;
  else if (dtype == CN_I64) ((int64_t *)x)[i] = v;
  else ((uint8_t *)x)[i] = (uint8_t)v;
}
/* Small numbers, and the ends of each type's range among them. */
static void fill(cn_dtype dtype, void *x, int64_t n, uint32_t seed) {
  static const int64_t ends[] = { 0, -1, 31, 32, 63, 64, 255, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX };
  for (int64_t i = 0; i < n; i++) {
    const int64_t pick = (int64_t)hashed(seed, i, 0, 40);
    set(dtype, x, i, pick < 11 ? ends[pick] : (int64_t)hashed(seed + 9, i, -9, 9));
  }
}
static void for_each_integer(void (*check)(const cni_kernels *k, cn_dtype dtype)) {
  static const char *const sets[] = { "baseline", "avx2", "avx512" };
  for (int i = 0; i < 3; i++)
    for (int d = CN_I32; d <= CN_BOOL; d++) {
      const cni_kernels *k = cni_kernels_named(sets[i], (cn_dtype)d);
      if (k) check(k, (cn_dtype)d);
    }
}

/* ---- elementwise ---- */
static uint64_t size_of(int64_t a) { return a < 0 ? 0 - (uint64_t)a : (uint64_t)a; }
static uint64_t naive_gcd(int64_t a, int64_t b) {
  uint64_t x = size_of(a), y = size_of(b);
  for (uint64_t rest; y; y = rest) rest = x % y, x = y;
  return x;
}
#define FORMULA(name, e) static int64_t name##_of(int64_t a, int64_t b) { return (void)a, (void)b, (int64_t)(e); }
FORMULA(add, (uint64_t)a + (uint64_t)b)
FORMULA(subtract, (uint64_t)a - (uint64_t)b)
FORMULA(multiply, (uint64_t)a * (uint64_t)b)
FORMULA(maximum, a > b ? a : b)
FORMULA(minimum, a < b ? a : b)
FORMULA(floor_divide, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b - (a % b != 0 && (a < 0) != (b < 0)))
FORMULA(mod, b == 0 || b == -1 ? 0 : a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0))
FORMULA(bitwise_and, a & b)
FORMULA(bitwise_or, a | b)
FORMULA(bitwise_xor, a ^ b)
FORMULA(left_shift, b < 0 || b > 63 ? 0 : (uint64_t)a << b)
FORMULA(right_shift, b < 0 ? 0 : a >> (b > 63 ? 63 : b))
FORMULA(gcd, naive_gcd(a, b))
FORMULA(lcm, naive_gcd(a, b) ? size_of(a) / naive_gcd(a, b) * size_of(b) : 0)
FORMULA(equal, a == b)
FORMULA(not_equal, a != b)
FORMULA(less, a < b)
FORMULA(less_equal, a <= b)
FORMULA(greater, a > b)
FORMULA(greater_equal, a >= b)
FORMULA(logical_and, a && b)
FORMULA(logical_or, a || b)
FORMULA(logical_xor, !a != !b)
FORMULA(negative, 0 - (uint64_t)a)
FORMULA(abs, size_of(a))
FORMULA(square, (uint64_t)a * (uint64_t)a)
FORMULA(isnan, 0)
FORMULA(isinf, 0)
FORMULA(isfinite, 1)
FORMULA(signbit, a < 0)
FORMULA(logical_not, !a)

typedef struct formula { const char *name; size_t kernel; int64_t (*f)(int64_t a, int64_t b); bool tests; } formula;
#define ROW(name) { #name, offsetof(cni_kernels, name), name##_of, false },
#define TRUTH_ROW(name) { #name, offsetof(cni_kernels, name), name##_of, true },
static const formula pairs[] = { ROW(add) ROW(subtract) ROW(multiply) ROW(maximum) ROW(minimum) ROW(floor_divide) ROW(mod) CNI_INTEGER(ROW) CNI_COMPARE(TRUTH_ROW) };
static const formula singles[] = { ROW(negative) ROW(abs) ROW(square) CNI_TESTS(TRUTH_ROW) };

static void check_value(const formula *f, const cni_kernels *k, cn_dtype dtype, const void *y, int64_t i, int64_t a, int64_t b) {
  const int64_t got = f->tests ? ((const uint8_t *)y)[i] : at(dtype, y, i), want = f->tests ? f->f(a, b) : kept(dtype, f->f(a, b));
  cr_assert(got == want, "%s (%s %s) of %ld and %ld: %ld, not %ld", f->name, k->isa, cn_dtype_name(dtype), (long)a, (long)b, (long)got, (long)want);
}
static void check_pairs(const cni_kernels *k, cn_dtype dtype) {
  static numbers a, b, y;
  fill(dtype, &a, 1001, 1), fill(dtype, &b, 1001, 2);
  for (size_t f = 0; f < sizeof pairs / sizeof *pairs; f++)
    for (int s = 0; s < KERNEL_SIZES; s++)
      for (int steps = 0; steps < 4; steps++) {
        const int64_t n = kernel_sizes[s], sa = steps & 1, sb = steps >> 1;
        memset(&y, 0x55, sizeof y);
        (*(cni_binary *const *)(const void *)((const char *)k + pairs[f].kernel))(&y, &a, &b, n, sa, sb);
        for (int64_t i = 0; i < n; i++) check_value(&pairs[f], k, dtype, &y, i, at(dtype, &a, i * sa), at(dtype, &b, i * sb));
        cr_assert(((const uint8_t *)&y)[(size_t)n * (pairs[f].tests ? 1 : cn_dtype_size(dtype))] == 0x55);
      }
}
Test(core_kernels, integer_pairs) { for_each_integer(check_pairs); }

static void check_singles(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, z;
  static uint8_t c[1000];
  fill(dtype, &x, 1000, 3), fill(dtype, &z, 1000, 4), fill(CN_BOOL, c, 1000, 5);
  for (int s = 0; s < KERNEL_SIZES; s++) {
    const int64_t n = kernel_sizes[s];
    for (size_t f = 0; f < sizeof singles / sizeof *singles; f++) {
      memset(&y, 0x55, sizeof y);
      (*(cni_unary *const *)(const void *)((const char *)k + singles[f].kernel))(&y, &x, n, NULL);
      for (int64_t i = 0; i < n; i++) check_value(&singles[f], k, dtype, &y, i, at(dtype, &x, i), 0);
      cr_assert(((const uint8_t *)&y)[(size_t)n * (singles[f].tests ? 1 : cn_dtype_size(dtype))] == 0x55);
    }
    k->bitwise_not(&y, &x, n, NULL);
    for (int64_t i = 0; i < n; i++) cr_assert(at(dtype, &y, i) == (dtype == CN_BOOL ? !at(dtype, &x, i) : kept(dtype, ~at(dtype, &x, i))));
    for (int64_t steps = 0; steps < 4; steps++) {
      const int64_t sa = steps & 1, sb = steps >> 1;
      k->where(&y, c, &x, &z, n, sa, sb);
      for (int64_t i = 0; i < n; i++) cr_assert(at(dtype, &y, i) == (c[i] ? at(dtype, &x, i * sa) : at(dtype, &z, i * sb)));
    }
  }
}
Test(core_kernels, integer_singles) { for_each_integer(check_singles); }

/* ---- reductions ---- */
static const int64_t shapes[][3] = { { 1, 0, 1 }, { 1, 0, 5 }, { 3, 7, 1 }, { 2, 64, 1 }, { 2, 333, 1 }, { 1, 7, 10 }, { 2, 9, 64 }, { 2, 20, 150 } };
static double reduced(const cni_kernels *k, cn_dtype dtype, int kind, const void *x, const int64_t *shape, int64_t column) {
  static numbers y;
  void (*const f[])(void *y, const void *x, int64_t outer, int64_t n, int64_t inner) = { k->sum, k->prod, k->mean, k->max, k->min, k->any, k->all, k->count };
  f[kind](&y, x, shape[0], shape[1], shape[2]);
  const cn_dtype wide = dtype == CN_I64 ? CN_I64 : CN_I32;
  const cn_dtype types[] = { wide, wide, CN_F32, dtype, dtype, CN_BOOL, CN_BOOL, CN_I32 };
  return kind == 2 ? (double)((const float *)&y)[column] : (double)at(types[kind], &y, column);
}
static void check_column(const cni_kernels *k, cn_dtype dtype, const void *x, const int64_t *shape, int64_t column) {
  const int64_t n = shape[1], inner = shape[2], first = column / inner * n * inner + column % inner;
  const bool natural = dtype >= CN_U8;
  int64_t low = natural ? 255 : dtype == CN_I32 ? INT32_MAX : INT64_MAX, high = natural ? 0 : dtype == CN_I32 ? INT32_MIN : INT64_MIN, count = 0;
  uint64_t sum = 0, prod = 1;
  double mean = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t v = at(dtype, x, first + i * inner);
    sum += (uint64_t)v, prod *= (uint64_t)v, mean += (double)v, count += v != 0;
    low = v < low ? v : low, high = v > high ? v : high;
  }
  const bool wide = dtype == CN_I64;
  const double want[] = { wide ? (double)(int64_t)sum : (int32_t)sum, wide ? (double)(int64_t)prod : (int32_t)prod, mean, (double)high, (double)low, count > 0,
    count == n, (double)count };
  for (int kind = 0; kind < 8; kind++) {
    const double got = reduced(k, dtype, kind, x, shape, column);
    cr_assert(near(got, want[kind], kind == 2 ? 1e-6 : 0, kind == 2 ? 2e13 : 0), "reduction %d (%s %s) [%ld,%ld,%ld] at %ld: %.17g, not %.17g", kind, k->isa,
              cn_dtype_name(dtype), (long)shape[0], (long)n, (long)inner, (long)column, got, want[kind]);
  }
}
static void check_places(const cni_kernels *k, cn_dtype dtype, const void *x, const int64_t *shape) {
  static int32_t most[500], least[500];
  const int64_t n = shape[1], inner = shape[2];
  k->argmax(most, x, shape[0], n, inner), k->argmin(least, x, shape[0], n, inner);
  for (int64_t column = 0; column < shape[0] * inner; column++) {
    const int64_t first = column / inner * n * inner + column % inner;
    int64_t high = 0, low = 0;
    for (int64_t i = 1; i < n; i++) {
      const int64_t v = at(dtype, x, first + i * inner);
      high = v > at(dtype, x, first + high * inner) ? i : high, low = v < at(dtype, x, first + low * inner) ? i : low;
    }
    cr_assert(most[column] == high && least[column] == low, "places (%s %s): %d, not %ld; %d, not %ld", k->isa, cn_dtype_name(dtype), most[column], (long)high,
              least[column], (long)low);
  }
}
static void check_reductions(const cni_kernels *k, cn_dtype dtype) {
  static numbers x;
  for (int s = 0; s < (int)(sizeof shapes / sizeof *shapes); s++)
    for (int kind = 0; kind < 3; kind++) { /* anything, all the same, all the same but the last */
      const int64_t count = shapes[s][0] * shapes[s][1] * shapes[s][2];
      fill(dtype, &x, count, 6);
      for (int64_t i = 0; i < count && kind; i++) set(dtype, &x, i, kind - 1);
      if (count && kind) set(dtype, &x, count - 1, 3 - kind - 1);
      for (int64_t column = 0; column < shapes[s][0] * shapes[s][2]; column++) check_column(k, dtype, &x, shapes[s], column);
      if (shapes[s][1]) check_places(k, dtype, &x, shapes[s]);
    }
}
Test(core_kernels, integer_reductions) { for_each_integer(check_reductions); }
