/* Reductions, softmax and cross-entropies, rows by index, transposition, and what is fused with a product. */
#include "test_kernels.h"

static const int64_t shapes[][3] = { { 1, 0, 1 }, { 1, 0, 5 }, { 1, 1, 1 }, { 3, 7, 1 }, { 2, 15, 1 }, { 2, 33, 1 }, { 1, 5000, 1 }, { 1, 7, 10 }, { 2, 16,
    3 }, { 1, 600, 10 }, { 3, 5, 33 }, { 1, 300, 64 }, { 2, 20, 100 } };
#define SHAPES (int)(sizeof shapes / sizeof *shapes)
static const int64_t row_shapes[][2] = { { 1, 1 }, { 5, 1 }, { 3, 2 }, { 128, 10 }, { 2, 17 }, { 7, 33 }, { 3, 1000 }, { 2, 5000 }, { 0, 10 } };
#define ROW_SHAPES (int)(sizeof row_shapes / sizeof *row_shapes)

static double start_of(int kind) { return kind == 1 ? 1 : kind == 2 ? -(double)INFINITY : kind == 3 ? (double)INFINITY : 0; }
static double step_of(int kind, double s, double x) {
  switch (kind) {
    case 0: return s + x;
    case 1: return s * x;
    case 4: return s + x * x;
    case 2: return isnan(s) || isnan(x) ? (double)NAN : s > x ? s : x;
    default: return isnan(s) || isnan(x) ? (double)NAN : s < x ? s : x;
  }
}

static void check_reductions(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y;
  void (*const kernels[])(void *, const void *, int64_t, int64_t, int64_t) = { k->sum, k->prod, k->max, k->min, k->squares };
  static const char *const names[] = { "sum", "prod", "max", "min", "squares" };
  const double tolerance = dtype == CN_F64 ? 1e-12 : 2e-5;
  for (int s = 0; s < SHAPES; s++)
    for (int kind = 0; kind < 5; kind++)
      for (int nan = 0; nan < 2; nan++) {
        const int64_t outer = shapes[s][0], n = shapes[s][1], inner = shapes[s][2];
        make(dtype, &x, outer * n * inner, 1, kind == 1 ? 0.99 : -1, kind == 1 ? 1.01 : 1);
        if (nan && n > 0) put(dtype, &x, n * inner / 2, (double)NAN);
        kernels[kind](&y, &x, outer, n, inner);
        for (int64_t o = 0; o < outer; o++)
          for (int64_t j = 0; j < inner; j++) {
            double want = start_of(kind);
            for (int64_t i = 0; i < n; i++) want = step_of(kind, want, get(dtype, &x, (o * n + i) * inner + j));
            CHECK_NEAR(get(dtype, &y, o * inner + j), want, tolerance, tolerance, names[kind], k, dtype, s);
          }
      }
}
Test(core_kernels, reductions) { for_each_table(check_reductions); }

/* A million numbers of like sign and size: 1e-6 relative, in floats too. */
static void check_long_sum(const cni_kernels *k, cn_dtype dtype) {
  enum { N = 1000000 };
  static double x[N];
  double y[4], want = 0, columns[4] = { 0 };
  make(dtype, x, N, 1, 0, 1);
  for (int64_t i = 0; i < N; i++) want += get(dtype, x, i), columns[i % 4] += get(dtype, x, i);
  k->sum(y, x, 1, N, 1);
  CHECK_NEAR(get(dtype, y, 0), want, 2e-7, 0, "long sum", k, dtype, 0);
  k->sum(y, x, 1, N / 4, 4);
  for (int i = 0; i < 4; i++) CHECK_NEAR(get(dtype, y, i), columns[i], 5e-7, 0, "long sum of columns", k, dtype, i);
}
Test(core_kernels, long_sum) { for_each_table(check_long_sum); }

static void check_places(const cni_kernels *k, cn_dtype dtype) {
  static numbers x;
  int32_t y[200];
  for (int s = 0; s < SHAPES; s++)
    for (int nan = 0; nan < 2; nan++) {
      const int64_t outer = shapes[s][0], n = shapes[s][1], inner = shapes[s][2];
      if (n == 0) continue;
      for (int64_t i = 0; i < outer * n * inner; i++) put(dtype, &x, i, floor(hashed(1, i, 0, 6)));
      if (nan) put(dtype, &x, n * inner / 2, (double)NAN), put(dtype, &x, n * inner - 1, (double)NAN);
      for (int least = 0; least < 2; least++) {
        (least ? k->argmin : k->argmax)(y, &x, outer, n, inner);
        for (int64_t o = 0; o < outer; o++)
          for (int64_t j = 0; j < inner; j++) {
            int64_t best = 0;
            for (int64_t i = 1; i < n; i++) {
              const double now = get(dtype, &x, (o * n + i) * inner + j), top = get(dtype, &x, (o * n + best) * inner + j);
              if (!isnan(top) && (isnan(now) || (least ? now < top : now > top))) best = i;
            }
            cr_assert(y[o * inner + j] == best, "arg%s (%s) of shape %d: %ld, not %ld", least ? "min" : "max", k->isa, s, (long)y[o * inner + j], (long)best);
          }
      }
    }
}
Test(core_kernels, places) { for_each_table(check_places); }

static double logsumexp_of(cn_dtype dtype, const void *x, int64_t row, int64_t n) {
  double most = -(double)INFINITY, s = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, get(dtype, x, row * n + i));
  for (int64_t i = 0; i < n; i++) s += exp(get(dtype, x, row * n + i) - most);
  return most + log(s);
}

static void check_softmax(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, gy, gx, lse;
  const double t = dtype == CN_F64 ? 1e-13 : 3e-6;
  for (int s = 0; s < ROW_SHAPES; s++) {
    const int64_t rows = row_shapes[s][0], n = row_shapes[s][1];
    make(dtype, &x, rows * n, 1, -9, 9), make(dtype, &gy, rows * n, 2, -1, 1);
    k->logsumexp(&lse, &x, rows, n);
    k->softmax(&y, &x, rows, n);
    k->softmax_grad(&gx, &gy, &y, rows, n);
    for (int64_t r = 0; r < rows; r++) {
      const double all = logsumexp_of(dtype, &x, r, n);
      double dot = 0;
      CHECK_NEAR(get(dtype, &lse, r), all, t, t, "logsumexp", k, dtype, r);
      for (int64_t i = 0; i < n; i++) dot += get(dtype, &gy, r * n + i) * exp(get(dtype, &x, r * n + i) - all);
      for (int64_t i = r * n; i < (r + 1) * n; i++) {
        const double want = exp(get(dtype, &x, i) - all);
        CHECK_NEAR(get(dtype, &y, i), want, 2 * t, 0, "softmax", k, dtype, i);
        CHECK_NEAR(get(dtype, &gx, i), (get(dtype, &gy, i) - dot) * want, t, t, "softmax_grad", k, dtype, i);
      }
    }
    k->log_softmax(&y, &x, rows, n);
    k->log_softmax_grad(&gy, &gy, &y, rows, n);
    make(dtype, &gx, rows * n, 2, -1, 1);
    for (int64_t r = 0; r < rows; r++) {
      const double all = logsumexp_of(dtype, &x, r, n);
      double sum = 0;
      for (int64_t i = r * n; i < (r + 1) * n; i++) sum += get(dtype, &gx, i);
      for (int64_t i = r * n; i < (r + 1) * n; i++) {
        CHECK_NEAR(get(dtype, &y, i), get(dtype, &x, i) - all, t, t, "log_softmax", k, dtype, i);
        CHECK_NEAR(get(dtype, &gy, i), get(dtype, &gx, i) - exp(get(dtype, &x, i) - all) * sum, t, 10 * t, "log_softmax_grad", k, dtype, i);
      }
    }
  }
}
Test(core_kernels, softmax) { for_each_table(check_softmax); }

static void check_softmax_extremes(const cni_kernels *k, cn_dtype dtype) {
  double x[3], y[3];
  put(dtype, x, 0, 1e4), put(dtype, x, 1, -1e4), put(dtype, x, 2, -(double)INFINITY);
  k->softmax(y, x, 1, 3);
  cr_assert(get(dtype, y, 0) == 1 && get(dtype, y, 1) == 0 && get(dtype, y, 2) == 0);
  k->logsumexp(y, x, 1, 3);
  cr_assert(get(dtype, y, 0) == 1e4);
  put(dtype, x, 0, -(double)INFINITY);
  k->logsumexp(y, x, 1, 1);
  cr_assert(get(dtype, y, 0) == -(double)INFINITY);
  put(dtype, x, 0, (double)NAN);
  k->softmax(y, x, 1, 3);
  cr_assert(isnan(get(dtype, y, 0)) && isnan(get(dtype, y, 1)));
}
Test(core_kernels, softmax_extremes) { for_each_table(check_softmax_extremes); }

static void check_cross_entropy(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, gx, loss, lse, gloss;
  int64_t labels[128];
  const double t = dtype == CN_F64 ? 1e-13 : 3e-6;
  for (int s = 0; s < ROW_SHAPES; s++) {
    const int64_t rows = row_shapes[s][0], n = row_shapes[s][1], ignore = s % 2 ? 1 : INT64_MIN;
    make(dtype, &x, rows * n, 1, -9, 9), make(dtype, &gloss, rows, 2, -1, 1);
    for (int64_t r = 0; r < rows; r++) labels[r] = (int64_t)hashed(3, r, 0, (double)n);
    k->sparse_cross_entropy(&loss, &lse, &x, labels, rows, n, ignore);
    k->sparse_cross_entropy_grad(&gx, &gloss, &x, &lse, labels, rows, n, ignore);
    for (int64_t r = 0; r < rows; r++) {
      const double all = logsumexp_of(dtype, &x, r, n);
      const bool ignored = labels[r] == ignore;
      CHECK_NEAR(get(dtype, &loss, r), ignored ? 0 : all - get(dtype, &x, r * n + labels[r]), t, 4 * t, "sparse_cross_entropy", k, dtype, r);
      for (int64_t i = 0; i < n; i++) {
        const double want = ignored ? 0 : get(dtype, &gloss, r) * (exp(get(dtype, &x, r * n + i) - all) - (i == labels[r]));
        CHECK_NEAR(get(dtype, &gx, r * n + i), want, t, t, "sparse_cross_entropy_grad", k, dtype, r);
      }
    }
  }
  const int64_t n = 1000;
  make(dtype, &x, n, 1, -30, 30), make(dtype, &gloss, n, 2, 0, 1), make(dtype, &lse, n, 3, -1, 1);
  put(dtype, &x, 3, 1e4), put(dtype, &x, 4, -1e4);
  k->bce_logits(&loss, &x, &gloss, n);
  k->bce_logits_grad_x(&gx, &lse, &x, &gloss, n);
  for (int64_t i = 0; i < n; i++) {
    const double v = get(dtype, &x, i), target = get(dtype, &gloss, i), sigmoid = 1 / (1 + exp(-v));
    CHECK_NEAR(get(dtype, &loss, i), fmax(v, 0) - v * target + log1p(exp(-fabs(v))), t, 4 * t, "bce_logits", k, dtype, i);
    CHECK_NEAR(get(dtype, &gx, i), get(dtype, &lse, i) * (sigmoid - target), t, t, "bce_logits_grad_x", k, dtype, i);
  }
}
Test(core_kernels, cross_entropy) { for_each_table(check_cross_entropy); }

/* Targets of 0 count as 0, whatever the logarithm is. */
static void check_targets(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, t, loss;
  const double tolerance = dtype == CN_F64 ? 1e-12 : 1e-5, low = 0.01, high = 0.9;
  for (int s = 0; s < ROW_SHAPES; s++)
    for (int logits = 0; logits < 2; logits++) {
      const int64_t rows = row_shapes[s][0], n = row_shapes[s][1];
      make(dtype, &x, rows * n, 1, logits ? -9 : 0, logits ? 9 : 1), make(dtype, &t, rows * n, 2, -0.2, 1);
      for (int64_t i = 0; i < rows * n; i++)
        if (get(dtype, &t, i) < 0) put(dtype, &t, i, 0), put(dtype, &x, i, logits ? -(double)INFINITY : 0);
      k->cross_entropy(&loss, &t, &x, rows, n, logits, low, high);
      for (int64_t r = 0; r < rows; r++) {
        double sum = 0, want = 0, size = 0;
        for (int64_t i = r * n; i < (r + 1) * n; i++) sum += logits ? exp(get(dtype, &x, i)) : get(dtype, &x, i);
        for (int64_t i = r * n; i < (r + 1) * n; i++) {
          const double v = get(dtype, &x, i), p = logits ? v - log(sum) : log(fmin(fmax(v / sum, low), high)), part = get(dtype, &t, i);
          if (part != 0) want -= part * p, size += fabs(part * p);
        }
        CHECK_NEAR(get(dtype, &loss, r), want, tolerance, tolerance * size, "cross_entropy", k, dtype, r);
      }
    }
}
Test(core_kernels, targets) { for_each_table(check_targets); }

static void check_index(const cni_kernels *k, cn_dtype dtype) {
  static numbers x, y, z;
  int32_t narrow[20];
  int64_t wide[20];
  for (int i = 0; i < 20; i++) wide[i] = narrow[i] = (int32_t)hashed(4, i, 0, 9);
  for (int64_t width = 1; width < 70; width += 17)
    for (int index64 = 0; index64 < 2; index64++) {
      const void *index = index64 ? (const void *)wide : narrow;
      make(dtype, &x, 9 * width, 1, -1, 1);
      k->gather_rows(&y, &x, index, index64, 20, width);
      for (int64_t i = 0; i < 20 * width; i++) cr_assert(get(dtype, &y, i) == get(dtype, &x, wide[i / width] * width + i % width));
      make(dtype, &z, 9 * width, 2, -1, 1);
      k->scatter_add_rows(&z, &y, index, index64, 20, width);
      for (int64_t i = 0; i < 9 * width; i++) {
        double want = hashed(2, i, -1, 1);
        for (int j = 0; j < 20; j++) want += wide[j] == i / width ? get(dtype, &x, i) : 0;
        CHECK_NEAR(get(dtype, &z, i), want, 1e-5, 1e-6, "scatter_add_rows", k, dtype, i);
      }
    }
  static const int64_t sizes[][2] = { { 1, 1 }, { 1, 17 }, { 33, 1 }, { 16, 16 }, { 17, 33 }, { 100, 70 }, { 0, 5 } };
  for (int s = 0; s < 7; s++) {
    const int64_t rows = sizes[s][0], columns = sizes[s][1];
    make(dtype, &x, rows * columns, 1, -1, 1);
    k->transpose2d(&y, &x, rows, columns);
    for (int64_t i = 0; i < rows * columns; i++) cr_assert(get(dtype, &y, i % columns * rows + i / columns) == get(dtype, &x, i));
  }
}
Test(core_kernels, index) { for_each_table(check_index); }

static double fused_value(double v, int activation) { return activation == CNI_FUSED_RELU ? fmax(v, 0) : activation == CNI_FUSED_TANH ? tanh(v) :
    activation == CNI_FUSED_SIGMOID ? 1 / (1 + exp(-v)) : v; }
static double fused_slope(double y, int activation) { return activation == CNI_FUSED_RELU ? y > 0 : activation == CNI_FUSED_TANH ? 1 - y * y :
    activation == CNI_FUSED_SIGMOID ? y * (1 - y) : 1; }

static void check_fused(const cni_kernels *k, cn_dtype dtype) {
  static numbers y, bias, gy, gx, sums;
  static const int64_t sizes[][2] = { { 1, 1 }, { 32, 1 }, { 5, 10 }, { 7, 33 }, { 300, 64 }, { 4, 1000 }, { 64, 310 } };
  const double t = dtype == CN_F64 ? 1e-13 : 4e-6;
  for (int s = 0; s < 7; s++)
    for (int activation = 0; activation < CNI_FUSED_COUNT; activation++)
      for (int with = 0; with < 2; with++) {
        const int64_t rows = sizes[s][0], n = sizes[s][1];
        make(dtype, &y, rows * n, 1, -2, 2), make(dtype, &bias, n, 2, -1, 1), make(dtype, &gy, rows * n, 3, -1, 1);
        k->bias_activation(&y, with ? &bias : NULL, rows, n, activation);
        for (int64_t i = 0; i < rows * n; i++) {
          double first[1];
          put(dtype, first, 0, hashed(1, i, -2, 2));
          CHECK_NEAR(get(dtype, &y, i), fused_value(get(dtype, first, 0) + (with ? get(dtype, &bias, i % n) : 0), activation), t, t, "bias_activation", k,
              dtype, i);
        }
        k->bias_activation_grad(&gx, &sums, &gy, &y, rows, n, activation);
        for (int64_t j = 0; j < n; j++) {
          double sum = 0;
          for (int64_t r = 0; r < rows; r++) {
            const double want = get(dtype, &gy, r * n + j) * fused_slope(get(dtype, &y, r * n + j), activation);
            sum += want;
            CHECK_NEAR(get(dtype, &gx, r * n + j), want, t, t, "bias_activation_grad", k, dtype, j);
          }
          CHECK_NEAR(get(dtype, &sums, j), sum, t, t * (double)rows, "gradient of the bias", k, dtype, j);
        }
        k->activation_grad(&gy, &gy, &y, rows * n, activation);
        cr_assert(memcmp(&gy, &gx, (size_t)(rows * n) * cn_dtype_size(dtype)) == 0);
      }
}
Test(core_kernels, fused) { for_each_table(check_fused); }
