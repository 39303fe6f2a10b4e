/* Sorted lanes that the sweep's samples do not reach: NaN, both zeros, ties, every dtype, lanes long enough for digits and many enough for threads. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.threads = 3); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_order, .init = begin, .fini = end);

enum { OUTER = 5, N = 300, INNER = 3, COUNT = OUTER * N * INNER };
static const cn_dtype dtypes[] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8 };

/* Few values, some of them special. */
static cn_tensor *values(cn_dtype dtype, double *v) {
  const bool floats = dtype == CN_F32 || dtype == CN_F64;
  uint32_t seed = 9;
  for (int i = 0; i < COUNT; i++) {
    seed = seed * 1664525u + 1013904223u;
    const int k = (int)(seed >> 16) % 200;
    v[i] = dtype == CN_U8 ? k : floats && k < 8 ? (const double[]){ NAN, -NAN, INFINITY, -INFINITY, -0.0, 0.0, 1e30, -1e-30 }[k] : 1000 * (k - 100);
  }
  return cn_array_from_doubles(g, dtype, CN_DIMS(OUTER, N, INNER), v);
}
/* Whether a stands before b; NaN is the largest number. */
static bool before(double a, double b, bool descending) {
  if (isnan(a) || isnan(b)) return descending ? isnan(a) && !isnan(b) : isnan(b) && !isnan(a);
  return descending ? a > b : a < b;
}
static void check_lanes(const double *v, const cn_tensor *y, const cn_tensor *index, int64_t n, int64_t inner, int64_t keep, bool descending, int dtype) {
  for (int64_t lane = 0; lane < COUNT / n; lane++) {
    const int64_t from = lane / inner * n * inner + lane % inner, to = lane / inner * keep * inner + lane % inner;
    for (int64_t i = 0; i < n; i++) {
      const double x = v[from + i * inner];
      int64_t rank = 0;
      for (int64_t j = 0; j < n; j++) {
        const double other = v[from + j * inner];
        rank += before(other, x, descending) || (j < i && !before(x, other, descending));
      }
      if (rank >= keep) continue;
      cr_assert_eq(cn_at(index, to + rank * inner), (double)i, "dtype %d, lane %d, rank %d", dtype, (int)lane, (int)rank);
      const double got = y ? cn_at(y, to + rank * inner) : x;
      cr_assert(isnan(x) ? isnan(got) : got == (dtype == CN_F32 ? (double)(float)x : x) && signbit(got) == signbit(x));
    }
  }
}
Test(autograd_order, every_dtype) {
  static double v[COUNT];
  for (int d = 0; d < 5; d++) {
    cn_tensor *x = values(dtypes[d], v);
    check_lanes(v, cn_sort(g, x, .axis = 1), cn_argsort(g, x, .axis = 1), N, INNER, N, false, dtypes[d]);
    check_lanes(v, cn_sort(g, x, .axis = 0), cn_argsort(g, x, .axis = 0), OUTER, N * INNER, OUTER, false, dtypes[d]);
    check_lanes(v, cn_sort(g, x, .axis = CN_NONE), cn_argsort(g, x, .axis = CN_NONE), COUNT, 1, COUNT, false, dtypes[d]);
    cn_tensor *rows = cn_reshape(g, x, CN_INTS(OUTER, N * INNER));
    for (int64_t k = 7; k < 150; k += 120) {
      const cn_top_k_result top = cn_top_k(g, rows, .k = k);
      check_lanes(v, top.values, top.indices, N * INNER, 1, k, true, dtypes[d]);
    }
  }
}
Test(autograd_order, gradient_of_many_lanes) {
  static double v[COUNT];
  const int64_t axes[] = { 1, 0, -1, CN_NONE };
  cn_tensor *x = cn_watch(values(CN_F32, v)), *w = cn_ravel(g, cn_arange(g, CN_F32, 0, COUNT, 1));
  for (int i = 0; i < 4; i++) {
    cn_tensor *wide = cn_reshape(g, x, CN_INTS(OUTER * INNER, N)), *y = cn_sort(g, i < 2 ? wide : x, .axis = axes[i]), *target = x, *fused, *rule;
    cn_tensor *loss = cn_sum(g, cn_multiply(g, cn_ravel(g, y), w));
    cr_assert(cn_gradients(g, loss, CN_NO_TENSOR, &target, 1, false, &fused) && cn_gradients(g, loss, CN_NO_TENSOR, &target, 1, true, &rule));
    for (int64_t k = 0; k < COUNT; k++) cr_assert_eq(cn_at(fused, k), cn_at(rule, k));
  }
}

/* A support of all, of some and of a few elements, up to the first NaN; y by the definition. Below 0 every y shows which elements these are. */
Test(autograd_order, sparsemax_supports) {
  enum { K = 400, ROWS = 6 };
  static double v[ROWS * K];
  for (int i = 0; i < ROWS * K; i++) v[i] = (i % K * 37 % K - K) * (i / K == 0 ? 1e-6 : i / K == 1 ? 1e-4 : i / K == 2 ? 0.5 : 1e-3);
  for (int i = 0; i < K; i++) v[4 * K + i] = (i - K) * 1e-3;
  v[5 * K + 300] = NAN;
  const cn_tensor *y = cn_sparsemax(g, cn_array_from_doubles(g, CN_F64, CN_DIMS(ROWS, K), v));
  for (int row = 0; row < ROWS; row++) {
    const double *x = v + row * K;
    const int n = row == 5 ? 300 : K;
    double support = 0, total = 0;
    for (int i = 0; i < n; i++) {
      double above = 0, count = 0;
      for (int j = 0; j < n; j++)
        if (x[j] > x[i] || (x[j] == x[i] && j <= i)) above += x[j], count++;
      if (x[i] - (above - 1) / count > 0) support++, total += above;
    }
    for (int i = 0; i < K; i++) cr_assert_float_eq(cn_at(y, row * K + i), fmax(x[i] - (total - 1) / support, 0), 1e-9, "row %d, element %d", row, i);
  }
}

Test(autograd_order, median_of_what_has_nan) {
  const double v[] = { 3, 1, 2, NAN, 7, 5, 4, 1, -INFINITY };
  cn_tensor *x = cn_watch(cn_array_from_doubles(g, CN_F64, CN_DIMS(3, 3), v)), *y = cn_median(g, x, .axis = CN_INTS(1)), *dx;
  cr_assert(cn_at(y, 0) == 2 && isnan(cn_at(y, 1)) && cn_at(y, 2) == 1);
  cr_assert(cn_gradients(g, cn_sum(g, cn_take(g, y, INTEGERS(g, CN_DIMS(2), 0, 2), .axis = 0)), CN_NO_TENSOR, &x, 1, false, &dx), "%s", cn_error(g));
  CHECK_TENSOR(dx, CN_DIMS(3, 3), 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
}

Test(autograd_order, places_with_nan) {
  cn_tensor *s = cn_array_from_doubles(g, CN_F64, CN_DIMS(5), (const double[]){ -1, -0.0, 0, 2, NAN }),
            *v = cn_array_from_doubles(g, CN_F32, CN_DIMS(2, 3), (const double[]){ 0, -NAN, -INFINITY, 2, INFINITY, -0.0 });
  CHECK_TENSOR(cn_searchsorted(g, s, v), CN_DIMS(2, 3), 0, 1, 4, 0, 3, 4, 1);
  CHECK_TENSOR(cn_searchsorted(g, s, v, .side = "right"), CN_DIMS(2, 3), 0, 3, 5, 0, 4, 4, 3);
  CHECK_TENSOR(cn_argmax(g, v, .axis = 1), CN_DIMS(2), 0, 1, 1);
  CHECK_TENSOR(cn_argmin(g, v, .axis = 0), CN_DIMS(3), 0, 0, 0, 0);
  CHECK_TENSOR(cn_argmax(g, v, .axis = 0), CN_DIMS(3), 0, 1, 0, 1);
}

Test(autograd_order, large_integers) {
  const int64_t big = (int64_t)1 << 53, v[] = { big + 1, big, -big, -big - 1 };
  const int64_t *sorted = cn_data(cn_sort(g, cn_array(g, CN_I64, CN_DIMS(4), v)));
  cr_assert(sorted[0] == -big - 1 && sorted[1] == -big && sorted[2] == big && sorted[3] == big + 1);
}

Test(autograd_order, sparsemax_without_a_support) {
  const double v[] = { NAN, 1, 2, INFINITY, 1, 2 };
  cn_tensor *y = cn_sparsemax(g, cn_array_from_doubles(g, CN_F64, CN_DIMS(2, 3), v));
  for (int i = 0; i < 6; i++) cr_assert(isnan(cn_at(y, i)), "element %d is %g", i, cn_at(y, i));
}
