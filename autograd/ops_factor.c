/* QR and LU. Row-major memory is LAPACK's column-major transpose, the seen matrix. */
#include "ops_factor.h"
#include <math.h>
#include "ops.h"
#include "ops_linalg_private.h"
#include "ops_private.h"

#define LAPACK(T, p)                                                                                                                                           \
  extern void p##gelqf_(const int *m, const int *n, T *a, const int *lda, T *tau, T *work, const int *lwork, int *info);                                        \
  extern void p##orglq_(const int *m, const int *n, const int *k, T *a, const int *lda, const T *tau, T *work, const int *lwork, int *info);                     \
  extern void p##getrf_(const int *m, const int *n, T *a, const int *lda, int *pivots, int *info);
LAPACK(float, s)
LAPACK(double, d)
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* x with its last two sizes changed. */
static cn_dims with_sizes(const cn_dims *x, int64_t m, int64_t n) {
  cn_dims d = *x;
  d.d[d.rank - 2] = m;
  d.d[d.rank - 1] = n;
  return d;
}
static void sig(const cn_call *c, int64_t i, cn_dtype dtype, const cn_dims *d) {
  c->sig[i].dtype = dtype;
  cni_set_dims(&c->sig[i].dims, d);
}
static int64_t smaller_size(int64_t m, int64_t n) { return m == CN_UNKNOWN || n == CN_UNKNOWN ? CN_UNKNOWN : smaller(m, n); }

/* ---- qr ---- */
static cn_code qr_infer(const cn_call *c) {
  const char *mode = ((const cn_qr_args *)c->args)->mode;
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  if (!mode || (strcmp(mode, "reduced") && strcmp(mode, "complete")))
    return cn_fail(c->graph, CN_VALUE, "mode must be reduced or complete, got %s", mode ? mode : "None");
  const cn_dims *x = &c->x[0]->dims;
  const int64_t m = x->d[x->rank - 2], n = x->d[x->rank - 1], k = *mode == 'c' ? m : smaller_size(m, n);
  const cn_dims q = with_sizes(x, m, k), r = with_sizes(x, k, n);
  sig(c, 0, (cn_dtype)c->x[0]->dtype, &q);
  sig(c, 1, (cn_dtype)c->x[0]->dtype, &r);
  return CN_OK;
}
/* Memory of a factorization: a [m, row], the reflections' factors, LAPACK's own. */
typedef struct room { cni_buffer *buffer; char *a, *tau, *work; int m, n, k, q, row, lwork; } room;
static bool room_take(const cn_call *c, room *w) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int64_t q = c->y[0]->dims.d[c->y[0]->dims.rank - 1];
  const int ask = -1;
  int info;
  double most[2] = { 0 };
  *w = (room){ .m = (int)e.m, .n = (int)e.n, .k = (int)smaller(e.m, e.n), .q = (int)q, .row = (int)(q > e.n ? q : e.n) };
  CNI_LAPACK(c, gelqf, &w->n, &w->m, (void *)most, &w->row, (void *)most, (void *)most, &ask, &info);
  w->lwork = cni_lapack_size(c, most);
  CNI_LAPACK(c, orglq, &w->q, &w->m, &w->k, (void *)most, &w->row, (void *)most, (void *)most, &ask, &info);
  if (cni_lapack_size(c, most) > w->lwork) w->lwork = cni_lapack_size(c, most);
  const size_t width = cni_width_of(c), a = (size_t)(e.m * w->row) * width, tau = (size_t)w->k * width;
  if (!(w->a = cni_borrow(c->graph, a + tau + (size_t)w->lwork * width, &w->buffer))) return false;
  w->tau = w->a + a;
  w->work = w->tau + tau;
  return true;
}
/* The LQ decomposition of the seen matrix is the QR decomposition of x, with the reflections in memory by rows. */
static void qr_one(const cn_call *c, int64_t b, const room *w) {
  const size_t width = cni_width_of(c), row = (size_t)w->row * width;
  const int64_t rows = c->y[1]->dims.d[c->y[1]->dims.rank - 2];
  const char *x = cni_matrix_at(c->x[0], b, (int64_t)w->m * w->n);
  char *q = cni_matrix_at(c->y[0], b, (int64_t)w->m * w->q), *r = cni_matrix_at(c->y[1], b, rows * w->n);
  int info;
  for (int64_t i = 0; i < w->m; i++) memcpy(w->a + (size_t)i * row, x + (size_t)(i * w->n) * width, (size_t)w->n * width);
  CNI_LAPACK(c, gelqf, &w->n, &w->m, (void *)w->a, &w->row, (void *)w->tau, (void *)w->work, &w->lwork, &info);
  if (rows * w->n > 0) memset(r, 0, (size_t)(rows * w->n) * width);
  for (int64_t i = 0; i < w->k; i++) memcpy(r + (size_t)(i * w->n + i) * width, w->a + (size_t)i * row + (size_t)i * width, (size_t)(w->n - i) * width);
  CNI_LAPACK(c, orglq, &w->q, &w->m, &w->k, (void *)w->a, &w->row, (void *)w->tau, (void *)w->work, &w->lwork, &info);
  for (int64_t i = 0; i < w->m; i++) memcpy(q + (size_t)(i * w->q) * width, w->a + (size_t)i * row, (size_t)w->q * width);
}
static cn_code qr_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  room w;
  if (!c->x[0]->count) return cni_fill_identity(c->y[0]), CN_OK;
  if (!room_take(c, &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch; b++) qr_one(c, b, &w);
  cni_buffer_drop(c->graph, w.buffer, false);
  return CN_OK;
}
/* x u^-T of an upper triangular u. */
static cn_tensor *divide_right(cn_graph *g, cn_tensor *x, cn_tensor *u) { return cni_transposed(g, cni_solve_triangle(g, u, cni_transposed(g, x), false)); }
/* The gradient of a [.., m, k] = q r with a square r [.., k, k]. */
static cn_tensor *qr_square(cn_graph *g, cn_tensor *q, cn_tensor *r, cn_tensor *gq, cn_tensor *gr) {
  cn_tensor *m = gr ? cni_product(g, r, gr, false, true) : NULL, *s = gq ? cni_product(g, gq, q, true, false) : NULL;
  cn_tensor *both = !s ? m : m ? cn_subtract(g, m, s) : cn_negative(g, s);
  cn_tensor *symmetric = cn_add(g, cni_lower(g, both, 0), cni_transposed(g, cni_lower(g, both, -1)));
  return divide_right(g, cni_plus(g, gq, cni_product(g, q, symmetric, false, false)), r);
}
/* The first k of an axis, and the others. */
typedef struct halves { cn_tensor *first, *rest; } halves;
static halves cut(cn_graph *g, cn_tensor *x, int64_t k, int axis) {
  if (!x) return (halves){ NULL, NULL };
  cn_tensor *const *const y = cn_split(g, x, CN_INTS(k, k), .axis = axis);
  return cn_ok(g) ? (halves){ y[0], y[2] } : (halves){ NULL, NULL };
}
CNI_VJP(qr) {
  (void)want;
  const cni_extent e = cni_extent_of(&n->x[0]->dims);
  cn_tensor *q = n->y[0], *r = n->y[1], *gq = gy[0], *gr = gy[1];
  const int64_t columns = cni_extent_of(&q->dims).n;
  if (columns > e.n && gq) {
    cn_fail(g, CN_UNSUPPORTED, "no gradient of q in mode complete of matrices with more rows than columns: its last columns are arbitrary");
    return;
  }
  if (columns > e.n) {
    gx[0] = qr_square(g, cut(g, q, e.n, -1).first, cut(g, r, e.n, -2).first, NULL, cut(g, gr, e.n, -2).first);
    return;
  }
  if (e.m >= e.n) {
    gx[0] = qr_square(g, q, r, gq, gr);
    return;
  }
  const halves x = cut(g, n->x[0], e.m, -1), rs = cut(g, r, e.m, -1), grs = cut(g, gr, e.m, -1);
  cn_tensor *more = grs.rest ? cni_product(g, x.rest, grs.rest, false, true) : NULL;
  cn_tensor *first = qr_square(g, q, rs.first, cni_plus(g, gq, more), grs.first), *rest = grs.rest ? cni_product(g, q, grs.rest, false, false)
                                                                                          : x.rest ? cn_zeros_like(g, x.rest)
                                                                                                   : NULL;
  gx[0] = cn_concatenate(g, CN_TENSORS(first, rest), .axis = -1);
}
/* Householder's reflections one by one: q [m, m] and r [m, n], of which a reduced decomposition is the first part. */
static void reflect(double *q, double *r, double *v, int64_t m, int64_t n) {
  for (int64_t i = 0; i < m * m; i++) q[i] = i % (m + 1) == 0;
  for (int64_t j = 0; j < smaller(m - 1, n); j++) {
    double below = 0, vv = 0;
    for (int64_t i = j + 1; i < m; i++) below += r[i * n + j] * r[i * n + j];
    if (below == 0) continue;
    const double head = r[j * n + j], norm = sqrt(head * head + below);
    for (int64_t i = j; i < m; i++) v[i] = r[i * n + j] + (i > j ? 0 : head > 0 ? norm : -norm), vv += v[i] * v[i];
    for (int64_t k = 0; k < n + m; k++) { /* columns of r, then rows of q */
      double dot = 0;
      for (int64_t i = j; i < m; i++) dot += v[i] * (k < n ? r[i * n + k] : q[(k - n) * m + i]);
      for (int64_t i = j; i < m; i++) *(k < n ? &r[i * n + k] : &q[(k - n) * m + i]) -= 2 * dot / vv * v[i];
    }
  }
}
static void qr_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims), eq = cni_extent_of(&r->call->y[0]->dims), er = cni_extent_of(&r->call->y[1]->dims);
  double *q = cni_naive_room(r->call->graph, e.m * e.m), *a = cni_naive_room(r->call->graph, e.m * e.n), *v = cni_naive_room(r->call->graph, e.m);
  for (int64_t b = 0; q && a && v && b < eq.batch; b++) {
    for (int64_t i = 0; i < e.m * e.n; i++) a[i] = r->x[0][b * e.m * e.n + i];
    reflect(q, a, v, e.m, e.n);
    for (int64_t i = 0; i < eq.m * eq.n; i++) r->y[0][b * eq.m * eq.n + i] = q[i / eq.n * e.m + i % eq.n];
    for (int64_t i = 0; i < er.m * er.n; i++) r->y[1][b * er.m * er.n + i] = i / er.n > i % er.n ? 0 : a[i];
  }
}
#define NO_MATRICES "f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"
CN_OP(qr, CN_LIST_QR, .outputs = 2, .infer = qr_infer, .forward = qr_forward, .vjp = qr_vjp, .reads = CN_READS_X(0) | CN_READS_Y(0) | CN_READS_Y(1),
      .reference = qr_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[4,3]", "f[2,5,2]", "f[3,5]", "f[2,2,3]", "f[1,1]", "f[4,1]", "f[1,4]", "f[3,3], mode='complete'",
                          "f[2,4], mode='complete'", "f[0,3]", "f[3,0]", "f[0,2,2]"),
      .rejects = CN_TEXTS(NO_MATRICES, "f[2,2], mode='full' => mode must be reduced or complete, got full"));

/* ---- lu_factor ---- */
static cn_code lu_factor_infer(const cn_call *c) {
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  const cn_dims *x = &c->x[0]->dims;
  cn_dims pivots = *x;
  pivots.rank--;
  pivots.d[pivots.rank - 1] = smaller_size(x->d[x->rank - 2], x->d[x->rank - 1]);
  sig(c, 0, (cn_dtype)c->x[0]->dtype, x);
  sig(c, 1, CN_I32, &pivots);
  return CN_OK;
}
static cn_code lu_factor_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int m = (int)e.m, n = (int)e.n, k = m < n ? m : n;
  cni_buffer *buffer;
  if (!c->x[0]->count) return CN_OK;
  void *a = cni_borrow(c->graph, (size_t)(e.m * e.n) * cni_width_of(c), &buffer);
  if (!a) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch; b++) {
    int32_t *pivots = (int32_t *)c->y[1]->data + b * k;
    int info;
    cni_turn(c, a, cni_matrix_at(c->x[0], b, e.m * e.n), e.m, e.n);
    CNI_LAPACK(c, getrf, &m, &n, a, &m, pivots, &info);
    for (int i = 0; i < k; i++) pivots[i]--;
    cni_turn(c, cni_matrix_at(c->y[0], b, e.m * e.n), a, e.n, e.m);
  }
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
/* The gradient of p^T x, whose rows and columns beyond a square have gradients of their own. */
static cn_tensor *lu_rows(cn_graph *g, cn_tensor *lu, cn_tensor *gl_u, int64_t k) {
  const cni_extent e = cni_extent_of(&lu->dims);
  const bool tall = e.m > e.n, wide = e.n > e.m;
  const int axis = tall ? -2 : -1;
  const halves parts = tall || wide ? cut(g, lu, k, axis) : (halves){ lu, NULL }, gs = tall || wide ? cut(g, gl_u, k, axis) : (halves){ gl_u, NULL };
  if (!cn_ok(g)) return NULL;
  cn_tensor *one = cn_eye(g, (cn_dtype)lu->dtype, k, k, 0), *l = cn_add(g, cni_lower(g, parts.first, -1), one), *u = cni_upper(g, parts.first, 0);
  cn_tensor *gl = cni_lower(g, gs.first, -1), *gu = cni_upper(g, gs.first, 0), *rest = NULL;
  if (tall) {
    rest = divide_right(g, gs.rest, u);
    gu = cn_subtract(g, gu, cni_upper(g, cni_product(g, parts.rest, rest, true, false), 0));
  }
  if (wide) {
    rest = cni_solve_triangle(g, cni_transposed(g, l), gs.rest, false);
    gl = cn_subtract(g, gl, cni_lower(g, cni_product(g, rest, parts.rest, false, true), -1));
  }
  cn_tensor *inner = cn_add(g, cni_lower(g, cni_product(g, l, gl, true, false), -1), cni_upper(g, cni_product(g, gu, u, false, true), 0));
  cn_tensor *square = divide_right(g, cni_solve_triangle(g, cni_transposed(g, l), inner, false), u);
  return rest ? cn_concatenate(g, CN_TENSORS(square, rest), .axis = axis) : square;
}
CNI_VJP(lu_factor) {
  (void)want;
  const cni_extent e = cni_extent_of(&n->x[0]->dims);
  cn_tensor *order = cn_expand_dims(g, cn_lu_permutation(g, n->y[1], .size = e.m), CN_INTS(-1));
  gx[0] = cn_scatter_along_axis(g, lu_rows(g, n->y[0], gy[0], smaller(e.m, e.n)), order, .shape = cni_sizes(&n->x[0]->dims), .axis = -2);
}
static void exchange(double *a, int64_t n, int64_t i, int64_t k) {
  for (int64_t j = 0; j < n; j++) {
    const double v = a[i * n + j];
    a[i * n + j] = a[k * n + j];
    a[k * n + j] = v;
  }
}
static void lu_factor_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  for (int64_t i = 0; i < r->call->x[0]->count; i++) r->y[0][i] = r->x[0][i];
  for (int64_t b = 0; b < e.batch; b++) {
    double *a = r->y[0] + b * e.m * e.n;
    for (int64_t i = 0; i < smaller(e.m, e.n); i++) {
      int64_t top = i;
      for (int64_t k = i; k < e.m; k++) top = fabs(a[k * e.n + i]) > fabs(a[top * e.n + i]) ? k : top;
      r->y[1][b * smaller(e.m, e.n) + i] = (double)top;
      exchange(a, e.n, i, top);
      for (int64_t k = i + 1; k < e.m; k++) {
        a[k * e.n + i] /= a[i * e.n + i];
        for (int64_t j = i + 1; j < e.n; j++) a[k * e.n + j] -= a[k * e.n + i] * a[i * e.n + j];
      }
    }
  }
}
CN_OP(lu_factor, CN_LIST_MATRIX, .outputs = 2, .infer = lu_factor_infer, .forward = lu_factor_forward, .vjp = lu_factor_vjp,
      .reads = CN_READS_Y(0) | CN_READS_Y(1), .reference = lu_factor_reference,
      .samples = CN_TEXTS("f[3,3]", "f[3,3]@definite", "f[2,4,2]", "f[2,4]", "f[5,3]", "f[2,2,3]", "f[1,1]", "f[3,1]", "f[1,3]", "f[0,2]", "f[0,2,2]"),
      .rejects = CN_TEXTS(NO_MATRICES));

/* ---- lu_permutation ---- */
static cn_code lu_permutation_infer(const cn_call *c) {
  cn_dims y = c->x[0]->dims;
  if (c->x[0]->dtype != CN_I32) return cn_fail(c->graph, CN_DTYPE, "needs int32, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  if (!y.rank) return cni_refuse_shape(c, "needs vectors");
  const int64_t size = ((const cn_lu_permutation_args *)c->args)->size;
  if (y.d[y.rank - 1] > size) return cni_refuse_shape(c, "there are more pivots than rows");
  y.d[y.rank - 1] = size;
  return sig(c, 0, CN_I32, &y), CN_OK;
}
static cn_code lu_permutation_check(const cn_call *c) {
  const int64_t size = ((const cn_lu_permutation_args *)c->args)->size;
  const int32_t *p = c->x[0]->data;
  for (int64_t i = 0; i < c->x[0]->count; i++)
    if (p[i] < 0 || p[i] >= size) return cn_fail(c->graph, CN_INDEX, "pivot %d is out of range for %lld rows", (int)p[i], (long long)size);
  return CN_OK;
}
static cn_code lu_permutation_forward(const cn_call *c) {
  const int64_t m = ((const cn_lu_permutation_args *)c->args)->size, k = c->x[0]->dims.d[c->x[0]->dims.rank - 1];
  for (int64_t b = 0; m && b < c->y[0]->count / m; b++) {
    const int32_t *pivots = (const int32_t *)c->x[0]->data + b * k;
    int32_t *order = (int32_t *)c->y[0]->data + b * m;
    for (int64_t i = 0; i < m; i++) order[i] = (int32_t)i;
    for (int64_t i = 0; i < k; i++) {
      const int32_t row = order[i];
      order[i] = order[pivots[i]];
      order[pivots[i]] = row;
    }
  }
  return CN_OK;
}
/* Where each row ends up: followed through the exchanges on its own. */
static void lu_permutation_reference(const cn_reference *r) {
  const int64_t m = ((const cn_lu_permutation_args *)r->call->args)->size, k = r->call->x[0]->dims.d[r->call->x[0]->dims.rank - 1];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double *pivots = r->x[0] + i / m * k;
    int64_t at = i % m;
    for (int64_t j = 0; j < k; j++) at = at == j ? (int64_t)pivots[j] : at == (int64_t)pivots[j] ? j : at;
    r->y[0][i / m * m + at] = (double)(i % m);
  }
}
CN_OP(lu_permutation, CN_LIST_LU_PERMUTATION, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = lu_permutation_infer, .check = lu_permutation_check,
      .forward = lu_permutation_forward, .reference = lu_permutation_reference,
      .samples = CN_TEXTS("i[3]@0:3, size=3", "i[2,3]@0:4, size=4", "i[2]@0:5, size=5", "i[1]@0:1, size=1", "i[0], size=2", "i[0,2], size=2"),
      .rejects = CN_TEXTS("f[3], size=3 => needs int32, got float32", "i[], size=1 => needs vectors, got []",
                          "i[3]@0:1, size=2 => there are more pivots than rows, got [3]", "i[2]@5:6, size=2 => pivot 5 is out of range for 2 rows"));

const cn_op *const cni_ops_factor[] = { &cn_op_qr, &cn_op_lu_factor, &cn_op_lu_permutation, NULL };
