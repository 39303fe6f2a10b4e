/* Triangles, factors, systems and determinants of batches of matrices. Row-major memory is LAPACK's column-major transpose, which the comments below call the
 * seen matrix. */
#include "ops_linalg.h"
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "ops.h"
#include "ops_linalg_private.h"
#include "ops_private.h"

#define LAPACK(T, p)                                                                                                    \
  extern void p##potrf_(const char *uplo, const int *n, T *a, const int *lda, int *info, size_t uplo_length);           \
  extern void p##getrf_(const int *m, const int *n, T *a, const int *lda, int *pivots, int *info);                      \
  extern void p##getrs_(const char *trans, const int *n, const int *k, const T *a, const int *lda, const int *pivots, T *b, const int *ldb, int *info, size_t trans_length);
LAPACK(float, s)
LAPACK(double, d)

/* ---- shapes ---- */
cn_code cni_refuse_shape(const cn_call *c, const char *what) {
  char text[160];
  return cn_fail(c->graph, CN_SHAPE, "%s, got %s", what, cn_dims_text(&c->x[0]->dims, text, sizeof text));
}
cn_code cni_need_matrices(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (d->rank < 2) return cni_refuse_shape(c, "needs matrices");
  return d->d[d->rank - 1] > INT32_MAX || d->d[d->rank - 2] > INT32_MAX ? cni_refuse_shape(c, "the matrices are too large") : CN_OK;
}
cn_code cni_need_square(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  const int64_t m = d->d[d->rank - 2], n = d->d[d->rank - 1];
  return m != n && m != CN_UNKNOWN && n != CN_UNKNOWN ? cni_refuse_shape(c, "needs square matrices") : CN_OK;
}
cn_dims cni_batch_of(const cn_dims *d) {
  cn_dims b = *d;
  b.rank -= 2;
  return b;
}
cni_extent cni_extent_of(const cn_dims *d) {
  const cn_dims b = cni_batch_of(d);
  return (cni_extent){ cn_dims_count(&b), d->d[d->rank - 2], d->d[d->rank - 1] };
}

void cni_fill_identity(cn_tensor *t) {
  const cni_extent e = cni_extent_of(&t->dims);
  for (int64_t i = 0; i < t->count; i++) cni_value_set(t, i, i / e.n % e.m == i % e.n);
}

/* ---- pieces of gradients ---- */
cn_tensor *cni_transposed(cn_graph *g, cn_tensor *x) {
  const cn_swapaxes_args o = { g, x, -2, -1 };
  return cn_apply(g, &cn_op_swapaxes, &o)[0];
}
cn_tensor *cni_product(cn_graph *g, cn_tensor *a, cn_tensor *b, bool ta, bool tb) {
  const cn_matmul_args o = { g, a, b, ta, tb };
  return cn_apply(g, &cn_op_matmul, &o)[0];
}
cn_tensor *cni_lower(cn_graph *g, cn_tensor *x, int64_t k) { return cn_tril(g, x, .k = k); }
cn_tensor *cni_upper(cn_graph *g, cn_tensor *x, int64_t k) { return cn_triu(g, x, .k = k); }
cn_tensor *cni_plus(cn_graph *g, cn_tensor *a, cn_tensor *b) { return !a ? b : b ? cn_add(g, a, b) : a; }
cn_tensor *cni_half(cn_graph *g, cn_tensor *x) { return x ? cn_multiply(g, x, cn_scalar_like(g, x, 0.5)) : NULL; }
cn_tensor *cni_solve_triangle(cn_graph *g, cn_tensor *a, cn_tensor *b, bool lower) {
  const cn_solve_triangular_args o = { g, a, b, lower };
  return cn_apply(g, &cn_op_solve_triangular, &o)[0];
}

/* ---- tril, triu ---- */
static cn_code triangle_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (c->x[0]->dims.rank < 2) return cni_refuse_shape(c, "needs matrices");
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
/* The columns of row i that stay: from, to. */
static void kept(int64_t i, int64_t n, int64_t k, bool lower, int64_t *from, int64_t *to) {
  const int64_t limit = k > n ? n : k < -n - i ? -n - i : k;
  const int64_t edge = i + limit + (lower ? 1 : 0), inside = edge < 0 ? 0 : edge > n ? n : edge;
  *from = lower ? 0 : inside;
  *to = lower ? inside : n;
}
static cn_code triangle_forward(const cn_call *c, bool lower) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const size_t width = cni_width_of(c);
  const char *x = c->x[0]->data;
  char *y = c->y[0]->data;
  if (!c->y[0]->count) return CN_OK;
  memset(y, 0, (size_t)c->y[0]->count * width);
  for (int64_t r = 0; r < e.batch * e.m; r++) {
    int64_t from, to;
    kept(r % e.m, e.n, ((const cn_tril_args *)c->args)->k, lower, &from, &to);
    memcpy(y + (size_t)(r * e.n + from) * width, x + (size_t)(r * e.n + from) * width, (size_t)(to - from) * width);
  }
  return CN_OK;
}
static cn_code tril_forward(const cn_call *c) { return triangle_forward(c, true); }
static cn_code triu_forward(const cn_call *c) { return triangle_forward(c, false); }
static void triangle_reference(const cn_reference *r, bool lower) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const int64_t k = ((const cn_tril_args *)r->call->args)->k;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t above = i % e.n - i / e.n % e.m;
    r->y[0][i] = (lower ? above <= k : above >= k) ? r->x[0][i] : 0;
  }
}
static void tril_reference(const cn_reference *r) { triangle_reference(r, true); }
static void triu_reference(const cn_reference *r) { triangle_reference(r, false); }
CNI_VJP(tril) { (void)want, gx[0] = cni_lower(g, gy[0], ((const cn_tril_args *)n->args)->k); }
CNI_VJP(triu) { (void)want, gx[0] = cni_upper(g, gy[0], ((const cn_tril_args *)n->args)->k); }
#define TRIANGLES .samples = CN_TEXTS("f[3,3]", "f[2,3,4], k=1", "f[4,3], k=-1", "f[2,2], k=9", "f[2,2], k=-9", "f[0,3]", "f[1,1]", "i[2,3]@-4:4", "b[3,3]"), \
                  .rejects = CN_TEXTS("f[3] => needs matrices, got [3]", "s[2,2] => string")
CN_OP(tril, CN_LIST_TRIANGLE, .outputs = 1, .infer = triangle_infer, .forward = tril_forward, .vjp = tril_vjp, .reference = tril_reference, TRIANGLES);
CN_OP(triu, CN_LIST_TRIANGLE, .outputs = 1, .infer = triangle_infer, .forward = triu_forward, .vjp = triu_vjp, .reference = triu_reference, TRIANGLES);

/* ---- cholesky ---- */
/* FLOP of the algorithms on n x n matrices (Golub and Van Loan, "Matrix Computations"): n^3 / 3 for cholesky, 2 n^3 / 3 for an LU decomposition. */
static double cubes(const cn_call *c) { return (double)c->x[0]->count * (double)(c->x[0]->dims.rank ? c->x[0]->dims.d[c->x[0]->dims.rank - 1] : 0); }
static double cholesky_cost(const cn_call *c) { return cubes(c) / 3; }
static double decomposition_cost(const cn_call *c) { return 2 * cubes(c) / 3; }
static double inv_cost(const cn_call *c) { return 2 * cubes(c); }
static double triangular_cost(const cn_call *c) { return (double)c->y[0]->count * (double)c->x[0]->dims.d[c->x[0]->dims.rank - 1]; }
static double solve_cost(const cn_call *c) { return decomposition_cost(c) + 2 * triangular_cost(c); }

static cn_code square_infer(const cn_call *c) {
  if (cni_need_square(c)) return cn_error_code(c->graph);
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
/* y = the factor of the symmetric part of x, [n, n]; LAPACK's info. */
#define CHOLESKY(T, p)                                                                      \
  static int cholesky_##T(const T *x, T *y, int n, bool upper) {                            \
    int info = 0;                                                                           \
    for (int64_t i = 0; i < n; i++)                                                         \
      for (int64_t j = 0; j < n; j++) y[i * n + j] = (x[i * n + j] + x[j * n + i]) / 2;     \
    p##potrf_(upper ? "L" : "U", &n, y, &n, &info, 1); /* of the seen matrix */             \
    for (int64_t i = 0; i < n; i++)                                                         \
      for (int64_t j = i + 1; j < n; j++) y[upper ? j * n + i : i * n + j] = 0;             \
    return info;                                                                            \
  }
CHOLESKY(float, s)
CHOLESKY(double, d)
static cn_code cholesky_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const bool upper = ((const cn_cholesky_args *)c->args)->upper;
  for (int64_t b = 0; c->y[0]->count && b < e.batch; b++) {
    const int64_t at = b * e.n * e.n;
    const int info = c->x[0]->dtype == CN_F64 ? cholesky_double((const double *)c->x[0]->data + at, (double *)c->y[0]->data + at, (int)e.n, upper)
                                              : cholesky_float((const float *)c->x[0]->data + at, (float *)c->y[0]->data + at, (int)e.n, upper);
    if (info) return cn_fail(c->graph, CN_VALUE, "matrix %lld of the batch is not positive definite", (long long)b);
  }
  return CN_OK;
}
CNI_VJP(cholesky) {
  (void)want;
  const bool upper = ((const cn_cholesky_args *)n->args)->upper;
  cn_tensor *lt = upper ? n->y[0] : cni_transposed(g, n->y[0]), *p = cni_product(g, lt, gy[0], false, upper);
  cn_tensor *phi = cni_half(g, cn_add(g, cni_lower(g, p, 0), cni_lower(g, p, -1)));
  cn_tensor *s = cni_transposed(g, cni_solve_triangle(g, lt, cni_transposed(g, cni_solve_triangle(g, lt, phi, false)), false));
  gx[0] = cni_half(g, cn_add(g, s, cni_transposed(g, s)));
}
static void cholesky_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const bool upper = ((const cn_cholesky_args *)r->call->args)->upper;
  const int64_t n = e.n;
  for (int64_t b = 0; b < e.batch * (n > 0); b++) {
    const double *x = r->x[0] + b * n * n;
    double *y = r->y[0] + b * n * n;
    for (int64_t i = 0; i < n * n; i++) y[i] = 0;
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j <= i; j++) {
        double s = (x[i * n + j] + x[j * n + i]) / 2;
        for (int64_t k = 0; k < j; k++) s -= upper ? y[k * n + i] * y[k * n + j] : y[i * n + k] * y[j * n + k];
        y[upper ? j * n + i : i * n + j] = i == j ? sqrt(s) : s / y[j * n + j];
      }
  }
}
CN_OP(cholesky, CN_LIST_CHOLESKY, .outputs = 1, .cost = cholesky_cost, .infer = square_infer, .forward = cholesky_forward, .vjp = cholesky_vjp,
      .reads = CN_READS_Y(0), .reference = cholesky_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[2,4,4]@definite", "f[3,3]@definite, upper=true", "f[1,1]@definite", "f[0,0]", "f[0,2,2]"),
      .rejects = CN_TEXTS("f[2,3] => needs square matrices, got [2,3]", "f[3] => needs matrices, got [3]",
                          "f[2,2]@-2:-1 => matrix 0 of the batch is not positive definite", "i[2,2]@0:2 => works on float32 and float64"));

/* ---- solve, solve_triangular ---- */
static cn_code solve_infer(const cn_call *c) {
  if (cni_need_square(c)) return cn_error_code(c->graph);
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  if (c->x[1]->dtype != c->x[0]->dtype) return cn_fail(c->graph, CN_DTYPE, "a and b differ in dtype");
  bool fits = b->rank == a->rank || b->rank == a->rank - 1;
  for (int i = 0; fits && i < a->rank - 1; i++) fits = a->d[i] == b->d[i] || a->d[i] == CN_UNKNOWN || b->d[i] == CN_UNKNOWN;
  if (b->rank == a->rank && b->d[b->rank - 1] > INT32_MAX) return cn_fail(c->graph, CN_SHAPE, "b has too many columns");
  char ta[160], tb[160];
  if (!fits) return cn_fail(c->graph, CN_SHAPE, "a and b do not fit: %s x %s", cn_dims_text(a, ta, sizeof ta), cn_dims_text(b, tb, sizeof tb));
  return cni_sig_like(c, b), CN_OK;
}
static int64_t columns(const cn_call *c) { return c->x[1]->dims.rank == c->x[0]->dims.rank ? c->x[1]->dims.d[c->x[1]->dims.rank - 1] : 1; }
static cn_code solve_triangular_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int64_t k = columns(c);
  const int n = (int)e.n;
  const CBLAS_UPLO part = ((const cn_solve_triangular_args *)c->args)->lower ? CblasLower : CblasUpper;
  if (!c->y[0]->count) return CN_OK;
  memcpy(c->y[0]->data, c->x[1]->data, (size_t)c->y[0]->count * cni_width_of(c));
  for (int64_t b = 0; b < e.batch; b++) {
    const int64_t from = b * n * n, to = b * n * k;
    if (c->x[0]->dtype == CN_F64)
      cblas_dtrsm(CblasRowMajor, CblasLeft, part, CblasNoTrans, CblasNonUnit, n, (int)k, 1, (const double *)c->x[0]->data + from, n,
                  (double *)c->y[0]->data + to, (int)k);
    else
      cblas_strsm(CblasRowMajor, CblasLeft, part, CblasNoTrans, CblasNonUnit, n, (int)k, 1, (const float *)c->x[0]->data + from, n, (float *)c->y[0]->data + to,
                  (int)k);
  }
  return CN_OK;
}

/* Memory of a factorization: the matrix, the right side transposed, the pivots. */
typedef struct work { cni_buffer *buffer; void *a, *b; int *pivots; } work;
static bool work_take(const cn_call *c, int64_t n, int64_t k, work *w) {
  const size_t width = cni_width_of(c), a = (size_t)(n * n) * width, b = (size_t)(n * k) * width;
  char *p = cni_borrow(c->graph, a + b + (size_t)n * sizeof(int), &w->buffer);
  if (!p) return false;
  w->a = p;
  w->b = p + a;
  w->pivots = (int *)(void *)(p + a + b);
  return true;
}
static void work_drop(const cn_call *c, work *w) { cni_buffer_drop(c->graph, w->buffer, false); }
/* w->a = the factors of matrix b of input 0, as seen; LAPACK's info. */
static int factor(const cn_call *c, int64_t b, int n, const work *w) {
  const size_t bytes = (size_t)n * (size_t)n * cni_width_of(c);
  int info = 0;
  memcpy(w->a, (const char *)c->x[0]->data + (size_t)b * bytes, bytes);
  if (c->x[0]->dtype == CN_F64) dgetrf_(&n, &n, w->a, &n, w->pivots, &info);
  else sgetrf_(&n, &n, w->a, &n, w->pivots, &info);
  return info;
}
/* Solves with what factor left; to is [k, n]. trans "T": with the matrix of row-major memory, "N": with its transpose. */
static void substitute(const cn_call *c, const char *trans, int n, int k, const work *w, void *to) {
  int info;
  if (c->x[0]->dtype == CN_F64) dgetrs_(trans, &n, &k, w->a, &n, w->pivots, to, &n, &info, 1);
  else sgetrs_(trans, &n, &k, w->a, &n, w->pivots, to, &n, &info, 1);
}
cn_code cni_singular(const cn_call *c, int64_t b) { return cn_fail(c->graph, CN_VALUE, "matrix %lld of the batch is singular", (long long)b); }
void cni_turn(const cn_call *c, void *to, const void *from, int64_t rows, int64_t cols) { /* [rows, cols] -> [cols, rows] */
  const cn_dims dims = { 2, { cols, rows } };
  const int64_t steps[] = { 1, cols };
  cni_gather(c->graph, cni_width_of(c), &dims, to, from, steps);
}
static cn_code solve_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int64_t k = columns(c);
  const size_t bytes = (size_t)(e.n * k) * cni_width_of(c);
  cn_code code = CN_OK;
  work w;
  if (!c->y[0]->count) return CN_OK;
  if (!work_take(c, e.n, k, &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch && !code; b++) {
    if (factor(c, b, (int)e.n, &w)) {
      code = cni_singular(c, b);
      continue;
    }
    cni_turn(c, w.b, (const char *)c->x[1]->data + (size_t)b * bytes, e.n, k);
    substitute(c, "T", (int)e.n, (int)k, &w, w.b);
    cni_turn(c, (char *)c->y[0]->data + (size_t)b * bytes, w.b, k, e.n);
  }
  work_drop(c, &w);
  return code;
}
/* gb [solved with a^T]; ga = -gb y^T, vectors as columns. */
static cn_tensor *matrix_gradient(cn_graph *g, const cn_node *n, cn_tensor *gb) {
  const bool vector = n->x[1]->dims.rank < n->x[0]->dims.rank;
  cn_dims d = n->x[1]->dims;
  if (vector) d.d[d.rank++] = 1;
  return cn_negative(g, cni_product(g, vector ? cni_to_shape(g, gb, &d) : gb, vector ? cni_to_shape(g, n->y[0], &d) : n->y[0], false, true));
}
CNI_VJP(solve) {
  cn_tensor *gb = cn_solve(g, cni_transposed(g, n->x[0]), gy[0]);
  if (want[0]) gx[0] = matrix_gradient(g, n, gb);
  if (want[1]) gx[1] = gb;
}
CNI_VJP(solve_triangular) {
  const bool lower = ((const cn_solve_triangular_args *)n->args)->lower;
  cn_tensor *gb = cni_solve_triangle(g, cni_transposed(g, n->x[0]), gy[0], !lower);
  if (want[0]) gx[0] = (lower ? cni_lower : cni_upper)(g, matrix_gradient(g, n, gb), 0);
  if (want[1]) gx[1] = gb;
}
/* Element i, j of the matrix that is meant. */
typedef bool part(int64_t i, int64_t j);
static bool all_of(int64_t i, int64_t j) { return (void)i, (void)j, true; }
static bool lower_of(int64_t i, int64_t j) { return i >= j; }
static bool upper_of(int64_t i, int64_t j) { return i <= j; }
/* Determinant of a [n, n] by elimination with pivoting, b [n, k] becoming the solution. a is destroyed. */
static double eliminate(double *a, double *b, int64_t n, int64_t k) {
  double det = 1;
  for (int64_t i = 0; i < n; i++) {
    int64_t top = i;
    for (int64_t r = i; r < n; r++) top = fabs(a[r * n + i]) > fabs(a[top * n + i]) ? r : top;
    for (int64_t j = 0; j < n + k; j++) {
      double *row = j < n ? a + i * n + j : b + i * k + j - n, *other = j < n ? a + top * n + j : b + top * k + j - n, v = *row;
      *row = *other, *other = v;
    }
    const double pivot = a[i * n + i];
    det *= top == i ? pivot : -pivot;
    for (int64_t j = 0; j < n; j++) a[i * n + j] /= pivot;
    for (int64_t j = 0; j < k; j++) b[i * k + j] /= pivot;
    for (int64_t r = 0; r < n; r++) {
      const double f = a[r * n + i];
      for (int64_t j = 0; r != i && j < n; j++) a[r * n + j] -= f * a[i * n + j];
      for (int64_t j = 0; r != i && j < k; j++) b[r * k + j] -= f * b[i * k + j];
    }
  }
  return det;
}
/* A matrix of input 0's size; lives as long as the step. */
static double *matrix_room(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  return cni_arena_take(r->call->graph, cni_step_arena(r->call->graph), (size_t)(e.n * e.n + 1) * sizeof(double));
}
static void copy_part(double *to, const double *from, int64_t n, part *keeps) {
  for (int64_t i = 0; i < n * n; i++) to[i] = keeps(i / n, i % n) ? from[i] : 0;
}
static void solve_any_reference(const cn_reference *r, part *keeps) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const int64_t k = columns(r->call);
  double *a = matrix_room(r);
  if (!a) return;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[1][i];
  for (int64_t b = 0; b < e.batch; b++) {
    copy_part(a, r->x[0] + b * e.n * e.n, e.n, keeps);
    eliminate(a, r->y[0] + b * e.n * k, e.n, k);
  }
}
static void solve_reference(const cn_reference *r) { solve_any_reference(r, all_of); }
static void solve_triangular_reference(const cn_reference *r) {
  solve_any_reference(r, ((const cn_solve_triangular_args *)r->call->args)->lower ? lower_of : upper_of);
}
#define SYSTEMS "f[3,3]@definite, f[3,2]", "f[3,3]@definite, f[3]", "f[2,3,3]@definite, f[2,3,1]", "f[2,3,3]@definite, f[2,3]", "f[1,1]@definite, f[1,1]", "f[0,0], f[0,2]", "f[2,2]@definite, f[2,0]"
#define MISFITS "f[2,3], f[2] => needs square matrices, got [2,3]", "f[3,3], f[2,2] => a and b do not fit: [3,3] x [2,2]", "f[3,3], f[] => a and b do not fit", "i[2,2]@0:2, f[2] => works on float32 and float64"
CN_OP(solve, CN_LIST_AB, .outputs = 1, .cost = solve_cost, .infer = solve_infer, .forward = solve_forward, .vjp = solve_vjp,
      .reads = CN_READS_X(0) | CN_READS_Y(0), .reference = solve_reference, .samples = CN_TEXTS(SYSTEMS),
      .rejects = CN_TEXTS(MISFITS, "f[2,2]@0:0, f[2] => matrix 0 of the batch is singular"));
CN_OP(solve_triangular, CN_LIST_SOLVE_TRIANGULAR, .outputs = 1, .cost = triangular_cost, .infer = solve_infer, .forward = solve_triangular_forward,
      .vjp = solve_triangular_vjp, .reads = CN_READS_X(0) | CN_READS_Y(0), .reference = solve_triangular_reference,
      .samples = CN_TEXTS(SYSTEMS, "f[3,3]@definite, f[3,2], lower=true", "f[2,3,3]@definite, f[2,3], lower=true"), .rejects = CN_TEXTS(MISFITS));

/* ---- inv ---- */
static cn_code inv_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const size_t width = cni_width_of(c), bytes = (size_t)(e.n * e.n) * width;
  cn_code code = CN_OK;
  work w;
  if (!c->y[0]->count) return CN_OK;
  if (!work_take(c, e.n, 0, &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch && !code; b++) {
    char *y = (char *)c->y[0]->data + (size_t)b * bytes;
    if (factor(c, b, (int)e.n, &w)) {
      code = cni_singular(c, b);
      continue;
    }
    memset(y, 0, bytes);
    for (int64_t i = 0; i < e.n; i++) {
      if (width == 8) ((double *)(void *)y)[i * (e.n + 1)] = 1;
      else ((float *)(void *)y)[i * (e.n + 1)] = 1;
    }
    substitute(c, "N", (int)e.n, (int)e.n, &w, y); /* the inverse of the seen matrix, which is seen as the transpose of y */
  }
  work_drop(c, &w);
  return code;
}
CNI_VJP(inv) {
  (void)want;
  gx[0] = cn_negative(g, cni_product(g, cni_product(g, n->y[0], gy[0], true, false), n->y[0], false, true));
}
static void inv_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  double *a = matrix_room(r);
  if (!a) return;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = i % (e.n * e.n) % (e.n + 1) == 0;
  for (int64_t b = 0; b < e.batch; b++) {
    copy_part(a, r->x[0] + b * e.n * e.n, e.n, all_of);
    eliminate(a, r->y[0] + b * e.n * e.n, e.n, e.n);
  }
}
#define NOT_SQUARE "f[2,3] => needs square matrices, got [2,3]", "f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"
#define MATRICES .samples = CN_TEXTS("f[3,3]@definite", "f[2,4,4]@definite", "f[1,1]@definite", "f[0,2,2]", "f[0,0]")
CN_OP(inv, CN_LIST_X, .outputs = 1, .cost = inv_cost, .infer = square_infer, .forward = inv_forward, .vjp = inv_vjp, .reads = CN_READS_Y(0),
      .reference = inv_reference, MATRICES, .rejects = CN_TEXTS(NOT_SQUARE, "f[2,2]@0:0 => matrix 0 of the batch is singular"));

/* ---- det, slogdet ---- */
static cn_code det_infer(const cn_call *c) {
  if (cni_need_square(c)) return cn_error_code(c->graph);
  const cn_dims d = cni_batch_of(&c->x[0]->dims);
  for (int64_t i = 0; i < c->ny; i++) c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, d };
  return CN_OK;
}
static void put(const cn_tensor *t, int64_t i, double v) {
  if (t->dtype == CN_F64) ((double *)t->data)[i] = v;
  else ((float *)t->data)[i] = (float)v;
}
/* det, or sign and log |det|. */
static cn_code determinants(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  work w;
  if (!work_take(c, e.n, 0, &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch; b++) {
    double det = 1, sign = 1, logarithm = 0;
    if (e.n) factor(c, b, (int)e.n, &w);
    for (int64_t i = 0; i < e.n; i++) {
      const double v = c->x[0]->dtype == CN_F64 ? ((double *)w.a)[i * (e.n + 1)] : (double)((float *)w.a)[i * (e.n + 1)], s = w.pivots[i] == i + 1 ? 1 : -1;
      det *= s * v;
      sign *= v > 0 ? s : v < 0 ? -s : v; /* zero and NaN stay */
      logarithm += log(fabs(v));
    }
    put(c->y[0], b, c->ny == 1 ? det : sign);
    if (c->ny > 1) put(c->y[1], b, logarithm);
  }
  work_drop(c, &w);
  return CN_OK;
}
/* s x^-T with s of the batch's shape. */
static cn_tensor *scaled_inverse(cn_graph *g, cn_tensor *x, cn_tensor *s) {
  cn_dims d = x->dims;
  d.d[d.rank - 2] = d.d[d.rank - 1] = 1;
  return cn_multiply(g, cni_to_shape(g, s, &d), cni_transposed(g, cn_inv(g, x)));
}
CNI_VJP(det) { (void)want, gx[0] = scaled_inverse(g, n->x[0], cn_multiply(g, gy[0], n->y[0])); }
CNI_VJP(slogdet) {
  (void)want;
  if (gy[1]) gx[0] = scaled_inverse(g, n->x[0], gy[1]);
}
static void determinants_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  double *a = matrix_room(r);
  if (!a) return;
  for (int64_t b = 0; b < e.batch; b++) {
    copy_part(a, r->x[0] + b * e.n * e.n, e.n, all_of);
    const double det = eliminate(a, NULL, e.n, 0);
    r->y[0][b] = r->call->ny == 1 ? det : (det > 0) - (det < 0);
    if (r->call->ny > 1) r->y[1][b] = log(fabs(det));
  }
}
CN_OP(det, CN_LIST_X, .outputs = 1, .cost = decomposition_cost, .infer = det_infer, .forward = determinants, .vjp = det_vjp,
      .reads = CN_READS_X(0) | CN_READS_Y(0), .reference = determinants_reference, MATRICES, .rejects = CN_TEXTS(NOT_SQUARE));
CN_OP(slogdet, CN_LIST_X, .outputs = 2, .cost = decomposition_cost, .infer = det_infer, .forward = determinants, .vjp = slogdet_vjp, .reads = CN_READS_X(0),
      .reference = determinants_reference, MATRICES, .rejects = CN_TEXTS(NOT_SQUARE));

const cn_op *const cni_ops_linalg[] = { &cn_op_tril, &cn_op_triu, &cn_op_cholesky, &cn_op_solve, &cn_op_solve_triangular,
                                        &cn_op_inv,  &cn_op_det,  &cn_op_slogdet,  NULL };
