/* Naive decompositions in double precision, for references alone. */
#include <math.h>
#include "ops_linalg_private.h"

#define SWEEPS 60

double *cni_naive_room(cn_graph *g, int64_t count) { return cni_arena_take(g, cni_step_arena(g), (size_t)(count + 1) * sizeof(double)); }

/* Turns columns p and q of a [m, n] by the angle that makes them orthogonal, and those of v [n, n] with them. False: they are so already. */
static bool rotate(double *a, double *v, int64_t m, int64_t n, int64_t p, int64_t q) {
  double pp = 0, qq = 0, pq = 0;
  for (int64_t i = 0; i < m; i++) pp += a[i * n + p] * a[i * n + p], qq += a[i * n + q] * a[i * n + q], pq += a[i * n + p] * a[i * n + q];
  if (!(fabs(pq) > 1e-17 * sqrt(pp * qq)) || !(fabs(pq) > 1e-300)) return false;
  const double z = (qq - pp) / (2 * pq), t = (z < 0 ? -1 : 1) / (fabs(z) + sqrt(1 + z * z)), cosine = 1 / sqrt(1 + t * t), sine = cosine * t;
  for (int64_t i = 0; i < m + n; i++) {
    double *row = i < m ? a + i * n : v + (i - m) * n;
    const double x = row[p], y = row[q];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  }
  return true;
}

static double length(const double *a, int64_t m, int64_t n, int64_t j) {
  double s = 0;
  for (int64_t i = 0; i < m; i++) s += a[i * n + j] * a[i * n + j];
  return sqrt(s);
}

/* How many columns stand before column j when the longest comes first. */
static int64_t rank_of(const double *lengths, int64_t n, int64_t j) {
  int64_t rank = 0;
  for (int64_t k = 0; k < n; k++) rank += lengths[k] > lengths[j] || (lengths[k] == lengths[j] && k < j);
  return rank;
}

/* a [m, n], m >= n, has orthogonal columns: their lengths, largest first, the columns made unit, and v's columns in the same order. `lengths` has n elements.
 */
static void sort_out(const double *a, const double *v, int64_t m, int64_t n, double *lengths, double *u, double *s, double *w) {
  for (int64_t j = 0; j < n; j++) lengths[j] = length(a, m, n, j);
  for (int64_t j = 0; j < n; j++) {
    const int64_t to = rank_of(lengths, n, j);
    s[to] = lengths[j];
    for (int64_t i = 0; i < m; i++) u[i * n + to] = s[to] > 0 ? a[i * n + j] / s[to] : 0;
    for (int64_t i = 0; i < n; i++) w[i * n + to] = v[i * n + j];
  }
}

bool cni_naive_svd_of(cn_graph *g, const double *x, int64_t m, int64_t n, cni_naive_svd *out) {
  const bool wide = m < n;
  const int64_t rows = wide ? n : m, cols = wide ? m : n;
  double *a = cni_naive_room(g, rows * cols), *v = cni_naive_room(g, cols * cols), *u = cni_naive_room(g, rows * cols), *s = cni_naive_room(g, cols),
         *w = cni_naive_room(g, cols * cols), *lengths = cni_naive_room(g, cols);
  if (!a || !v || !u || !s || !w || !lengths) return false;
  for (int64_t i = 0; i < rows * cols; i++) a[i] = wide ? x[i % cols * n + i / cols] : x[i];
  for (int64_t i = 0; i < cols * cols; i++) v[i] = i % (cols + 1) == 0;
  bool moved = true;
  for (int sweep = 0; moved && sweep < SWEEPS; sweep++) {
    moved = false;
    for (int64_t p = 0; p < cols; p++)
      for (int64_t q = p + 1; q < cols; q++) moved |= rotate(a, v, rows, cols, p, q);
  }
  sort_out(a, v, rows, cols, lengths, u, s, w);
  *out = (cni_naive_svd){ cols, wide ? w : u, s, wide ? u : w };
  return true;
}
