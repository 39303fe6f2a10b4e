/* What the sweep over the operations cannot show: parts of decompositions that a matrix does not determine, refused gradients, long Fourier transforms. */
#include "test_layers.h"
#include "sweep.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 3); }
static void end(void) { cn_graph_free(g); }
TestSuite(autograd_linalg, .init = begin, .fini = end);

static cn_tensor *random_matrix(cn_dtype dtype, int64_t m, int64_t n) {
  return cn_cast(g, cn_random_uniform(g, CN_INTS(m, n), .minval = -1, .maxval = 1, .dtype = "float64", .seed = m * 100 + n), .dtype = cn_dtype_name(dtype));
}
static void check_equal(cn_tensor *a, cn_tensor *b, double tolerance, const char *what) {
  cr_assert(cn_ok(g), "%s: %s", what, cn_error(g));
  cr_assert_eq(cn_count(a), cn_count(b), "%s", what);
  for (int64_t i = 0; i < cn_count(a); i++)
    cr_assert(fabs(cn_at(a, i) - cn_at(b, i)) <= tolerance, "%s: element %lld is %g, wanted %g", what, (long long)i, cn_at(a, i), cn_at(b, i));
}
static void check_orthogonal(cn_tensor *q, double tolerance, const char *what) {
  check_equal(cn_matmul(g, q, q, .transpose_a = true), cn_eye(g, cn_dtype_of(q), cn_dim(q, 1), cn_dim(q, 1), 0), tolerance, what);
}

Test(autograd_linalg, decompositions_of_any_size) {
  static const int64_t sizes[][2] = { { 5, 3 }, { 3, 5 }, { 70, 40 }, { 40, 70 }, { 64, 64 } };
  for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
    const int64_t m = sizes[i / 2][0], n = sizes[i / 2][1], k = m < n ? m : n;
    const double near = i % 2 ? 1e-12 : 2e-4;
    cn_tensor *x = random_matrix(i % 2 ? CN_F64 : CN_F32, m, n);
    const cn_svd_result d = cn_svd(g, x);
    check_orthogonal(d.u, near, "u");
    check_orthogonal(cn_swapaxes(g, d.vh, 0, 1), near, "vh");
    cn_tensor *u = cn_slice(g, d.u, CN_INTS(0, 0), CN_INTS(m, k)), *vh = cn_slice(g, d.vh, CN_INTS(0, 0), CN_INTS(k, n));
    check_equal(cn_matmul(g, cn_multiply(g, u, d.s), vh), x, near, "u s vh");
    check_equal(cn_svd(g, x, .compute_uv = false).s, d.s, near, "s alone");
    const cn_qr_result c = cn_qr(g, x, .mode = "complete"), r = cn_qr(g, x);
    check_orthogonal(c.q, near, "complete q");
    check_equal(cn_matmul(g, c.q, c.r), x, near, "complete q r");
    check_equal(cn_matmul(g, r.q, r.r), x, near, "reduced q r");
    check_equal(cn_slice(g, c.q, CN_INTS(0, 0), CN_INTS(m, k)), r.q, near, "the first columns of q");
    cn_graph_reset(g);
  }
}

static void check_refused(cn_tensor *y, cn_tensor *x, const char *what) {
  cr_assert(cn_ok(g), "%s", cn_error(g));
  cr_expect(!cn_gradient(g, y, x), "%s", what);
  cr_expect_eq(cn_error_code(g), CN_UNSUPPORTED, "%s: %s", what, cn_error(g));
  cn_graph_clear(g);
}
Test(autograd_linalg, gradients_of_arbitrary_parts_are_refused) {
  cn_tensor *x = random_matrix(CN_F64, 4, 2);
  cn_watch(x);
  const cn_svd_result d = cn_svd(g, x);
  check_refused(d.u, x, "u of full matrices");
  x = random_matrix(CN_F64, 4, 2); /* an error's clearing ends the step */
  cn_watch(x);
  check_refused(cn_qr(g, x, .mode = "complete").q, x, "q in mode complete");
}
Test(autograd_linalg, gradients_of_the_other_parts) {
  cn_tensor *x = random_matrix(CN_F64, 4, 2);
  cn_watch(x);
  cn_tensor *full = cn_gradient(g, cn_svd(g, x).s, x), *reduced = cn_gradient(g, cn_svd(g, x, .full_matrices = false).s, x);
  check_equal(full, reduced, 1e-12, "of s");
  cn_tensor *complete = cn_gradient(g, cn_qr(g, x, .mode = "complete").r, x), *part = cn_gradient(g, cn_qr(g, x).r, x);
  check_equal(complete, part, 1e-12, "of r");
}

/* eigh of equal eigenvalues: their vectors add nothing, the result stays finite. */
Test(autograd_linalg, equal_eigenvalues_have_a_finite_gradient) {
  cn_tensor *x = cn_eye(g, CN_F64, 3, 3, 0);
  cn_watch(x);
  const cn_eigh_result e = cn_eigh(g, x);
  cn_tensor *dx = cn_gradient(g, cn_add(g, cn_sum(g, cn_square(g, e.eigenvalues)), cn_sum(g, e.eigenvectors)), x);
  cr_assert(cn_ok(g), "%s", cn_error(g));
  for (int64_t i = 0; i < 9; i++) cr_expect(fabs(cn_at(dx, i) - 2 * (i % 4 == 0)) < 1e-12);
}
Test(autograd_linalg, what_is_not_finite_has_no_decomposition) {
  cn_tensor *x = cn_full(g, CN_F64, CN_DIMS(3, 3), NAN);
  cr_expect(!cn_svd(g, x).s);
  cr_expect_eq(cn_error_code(g), CN_VALUE, "%s", cn_error(g));
}

/* Some numbers of the transform of long rows by the definition, and the way back; enough rows for several threads. */
static void check_length(cn_dtype dtype, int64_t rows, int64_t n) {
  cn_tensor *re = random_matrix(dtype, rows, n), *im = random_matrix(dtype, n, rows);
  im = cn_reshape(g, im, CN_INTS(rows, n));
  const cn_complex y = cn_fft(g, re, im), back = cn_ifft(g, y.real, y.imag), half = cn_rfft(g, re);
  const double near = dtype == CN_F64 ? 1e-13 : 4e-6, size = sqrt((double)n);
  char what[64];
  snprintf(what, sizeof what, "length %lld", (long long)n);
  check_equal(back.real, re, near * 10, what);
  check_equal(back.imag, im, near * 10, what);
  check_equal(cn_irfft(g, half.real, half.imag, .fft_length = n), re, near * 10, what);
  for (int64_t k = 0; k < n; k += n / 5 + 1)
    for (int64_t r = 0; r < rows; r += rows - 1) {
      double sr = 0, si = 0, hr = 0, hi = 0;
      for (int64_t j = 0; j < n; j++) {
        const double angle = -6.28318530717958647692 * (double)(j * k % n) / (double)n, a = cn_at(re, r * n + j), b = cn_at(im, r * n + j);
        sr += a * cos(angle) - b * sin(angle), si += a * sin(angle) + b * cos(angle), hr += a * cos(angle), hi += a * sin(angle);
      }
      cr_expect(fabs(cn_at(y.real, r * n + k) - sr) < near * 10 * size && fabs(cn_at(y.imag, r * n + k) - si) < near * 10 * size, "%s, number %lld", what,
                (long long)k);
      if (k <= n / 2)
        cr_expect(fabs(cn_at(half.real, r * (n / 2 + 1) + k) - hr) < near * 10 * size && fabs(cn_at(half.imag, r * (n / 2 + 1) + k) - hi) < near * 10 * size,
                  "%s, real, number %lld", what, (long long)k);
    }
  cr_assert(cn_ok(g), "%s: %s", what, cn_error(g));
  cn_graph_reset(g);
}
static void every_length(void) {
  static const int64_t lengths[] = { 2, 3, 16, 31, 49, 64, 210, 997, 1000, 1024, 1994, 2187, 4096 };
  cn_graph *const outer = g;
  g = cn_graph_new(.seed = 3);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) check_length(CN_F64, 33, lengths[i]), check_length(CN_F32, 5, lengths[i]);
  cn_graph_free(g);
  g = outer;
}
TEST_EACH_ISA(autograd_linalg, long_transforms, every_length)
