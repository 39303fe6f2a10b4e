/* Eigenvalues, singular values and what is made of them, declared in ops_factor.h. */
#include <float.h>
#include <math.h>
#include "../core/gemm_private.h"
#include "ops.h"
#include "ops_linalg_private.h"
#include "ops_private.h"

#define LAPACK(T, p)                                                                                                                                                                                        \
  extern void p##syevd_(const char *jobz, const char *uplo, const int *n, T *a, const int *lda, T *w, T *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);                 \
  extern void p##gesdd_(const char *jobz, const int *m, const int *n, T *a, const int *lda, T *s, T *u, const int *ldu, T *vt, const int *ldvt, T *work, const int *lwork, int *iwork, int *info, size_t);
LAPACK(float, s)
LAPACK(double, d)
static cn_code stuck(const cn_call *c, int64_t b) {
  return cn_fail(c->graph, CN_VALUE, "matrix %lld of the batch has no decomposition: it is not finite, or the iteration does not converge", (long long)b);
}
static void set_sig(const cn_call *c, int64_t i, const cn_dims *batch, int64_t m, int64_t n) { /* n CN_NONE: vectors */
  cn_sig *s = &c->sig[i];
  s->dtype = (cn_dtype)c->x[0]->dtype;
  cni_set_dims(&s->dims, batch);
  s->dims.d[s->dims.rank++] = m;
  if (n != CN_NONE) s->dims.d[s->dims.rank++] = n;
}

/* ---- eigh ---- */
static cn_code eigh_infer(const cn_call *c) {
  if (cni_need_square(c)) return cn_error_code(c->graph);
  const cn_dims batch = cni_batch_of(&c->x[0]->dims);
  const int64_t n = c->x[0]->dims.d[batch.rank];
  set_sig(c, 0, &batch, n, CN_NONE);
  set_sig(c, 1, &batch, n, n);
  return CN_OK;
}
/* a [n, n] = (x + x^T) / 2. */
#define SYMMETRIC(T)                                                                                        \
  static void symmetric_##T(const T *x, T *a, int64_t n) {                                                  \
    for (int64_t i = 0; i < n; i++)                                                                         \
      for (int64_t j = 0; j < n; j++) a[i * n + j] = (x[i * n + j] + x[j * n + i]) / 2;                     \
  }
SYMMETRIC(float)
SYMMETRIC(double)
static cn_code eigh_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int n = (int)e.n, ask = -1;
  const size_t width = cni_width_of(c), square = (size_t)(e.n * e.n) * width;
  int info = 0, liwork = 0;
  double most[1];
  cni_buffer *buffer;
  cn_code code = CN_OK;
  if (!c->x[0]->count) return CN_OK;
  CNI_LAPACK(c, syevd, "V", "L", &n, (void *)most, &n, (void *)most, (void *)most, &ask, &liwork, &ask, &info, 1, 1);
  const int lwork = cni_lapack_size(c, most);
  char *a = cni_borrow(c->graph, square + ((size_t)lwork + 1) / 2 * 2 * width + (size_t)liwork * sizeof(int), &buffer);
  if (!a) return CN_NO_MEMORY;
  int *iwork = (int *)(void *)(a + square + ((size_t)lwork + 1) / 2 * 2 * width);
  for (int64_t b = 0; b < e.batch && !code; b++) {
    const char *x = cni_matrix_at(c->x[0], b, e.n * e.n);
    if (cni_is_f64(c)) symmetric_double((const double *)(const void *)x, (double *)(void *)a, e.n);
    else symmetric_float((const float *)(const void *)x, (float *)(void *)a, e.n);
    CNI_LAPACK(c, syevd, "V", "L", &n, (void *)a, &n, (void *)cni_matrix_at(c->y[0], b, e.n), (void *)(a + square), &lwork, iwork, &liwork, &info, 1, 1);
    if (info) code = stuck(c, b);
    else cni_turn(c, cni_matrix_at(c->y[1], b, e.n * e.n), a, e.n, e.n);
  }
  cni_buffer_drop(c->graph, buffer, false);
  return code;
}
static cn_tensor *as_row(cn_graph *g, cn_tensor *s) { return cn_expand_dims(g, s, CN_INTS(-2)); }
static cn_tensor *as_column(cn_graph *g, cn_tensor *s) { return cn_expand_dims(g, s, CN_INTS(-1)); }
/* s_j - s_i at i, j. */
static cn_tensor *gaps(cn_graph *g, cn_tensor *s) { return cn_subtract(g, as_row(g, s), as_column(g, s)); }
/* Matrices with s on their diagonals. */
static cn_tensor *on_diagonal(cn_graph *g, cn_tensor *s) {
  cn_dims d = s->dims;
  d.d[d.rank] = d.d[d.rank - 1];
  d.rank++;
  return cn_scatter_diagonal(g, s, .shape = cni_sizes(&d), .axis1 = -2, .axis2 = -1);
}
CNI_VJP(eigh) {
  (void)want;
  cn_tensor *w = n->y[0], *v = n->y[1], *inner = NULL, *y;
  if (gy[1]) inner = cn_divide_no_nan(g, cni_product(g, v, gy[1], true, false), gaps(g, w));
  if (gy[1] && gy[0]) inner = cn_add(g, inner, on_diagonal(g, gy[0]));
  y = cni_product(g, inner ? cni_product(g, v, inner, false, false) : cn_multiply(g, v, as_row(g, gy[0])), v, false, true);
  if (y) gx[0] = cni_half(g, cn_add(g, y, cni_transposed(g, y)));
}
/* -1 where the call's column j points away from the reference's: signs are arbitrary. Steps: from a row, and from a column, to the next. */
static double sign_of(const cn_tensor *y, int64_t from, int64_t down, int64_t across, int64_t j, const double *v, int64_t rows, int64_t cols) {
  double dot = 0;
  for (int64_t i = 0; i < rows; i++) dot += cni_value_at(y, from + i * down + j * across) * v[i * cols + j];
  return dot < 0 ? -1 : 1;
}
/* Whether vector j is known to the precision that the sweep asks for: its error is about epsilon over the distance to the next value, relative to the largest.
 * Of those that are not the call's own are taken. */
static bool determined(const cn_call *c, const cni_naive_svd *d, int64_t j, double scale) {
  const double least = (cni_is_f64(c) ? 1e-3 : 0.1) * scale;
  return (!j || d->s[j - 1] - d->s[j] > least) && (j == d->k - 1 || d->s[j] - d->s[j + 1] > least);
}
/* The eigenvectors of x + s, s so large that all eigenvalues are positive, are its singular vectors. */
static void eigh_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const int64_t n = e.n;
  double *a = cni_naive_room(r->call->graph, n * n);
  cni_naive_svd d;
  for (int64_t i = 0; i < r->call->y[1]->count; i++) r->y[1][i] = cni_value_at(r->call->y[1], i);
  for (int64_t b = 0; a && b < e.batch; b++) {
    const double *x = r->x[0] + b * n * n;
    double shift = 1;
    for (int64_t i = 0; i < n * n; i++) shift += fabs(x[i]);
    for (int64_t i = 0; i < n * n; i++) a[i] = (x[i] + x[i % n * n + i / n]) / 2 + (i % (n + 1) ? 0 : shift);
    if (!cni_naive_svd_of(r->call->graph, a, n, n, &d)) return;
    for (int64_t j = 0; j < n; j++) {
      const int64_t to = n - 1 - j;
      double sign = 0;
      for (int64_t i = 0; i < n; i++) sign += d.v[i * n + j] * cni_value_at(r->call->y[1], b * n * n + i * n + to);
      r->y[0][b * n + to] = d.s[j] - shift;
      for (int64_t i = 0; determined(r->call, &d, j, fmax(fabs(d.s[0] - shift), fabs(d.s[n - 1] - shift))) && i < n; i++)
        r->y[1][b * n * n + i * n + to] = sign < 0 ? -d.v[i * n + j] : d.v[i * n + j];
    }
  }
}
CN_OP(eigh, CN_LIST_X, .outputs = 2, .infer = eigh_infer, .forward = eigh_forward, .vjp = eigh_vjp, .reads = CN_READS_Y(0) | CN_READS_Y(1),
      .reference = eigh_reference, .samples = CN_TEXTS("f[3,3]", "f[2,4,4]", "f[5,5]", "f[1,1]", "f[0,0]", "f[0,2,2]"),
      .rejects = CN_TEXTS("f[2,3] => needs square matrices, got [2,3]", "f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"));

/* ---- svd ---- */
static int64_t svd_count(const cn_call *c) { return ((const cn_svd_args *)c->args)->compute_uv ? 3 : 1; }
static cn_code svd_infer(const cn_call *c) {
  const cn_svd_args *o = c->args;
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  const cn_dims batch = cni_batch_of(&c->x[0]->dims);
  const int64_t m = c->x[0]->dims.d[batch.rank], n = c->x[0]->dims.d[batch.rank + 1], k = m == CN_UNKNOWN || n == CN_UNKNOWN ? CN_UNKNOWN : m < n ? m : n;
  set_sig(c, o->compute_uv ? 1 : 0, &batch, k, CN_NONE);
  if (!o->compute_uv) return CN_OK;
  set_sig(c, 0, &batch, m, o->full_matrices ? m : k);
  set_sig(c, 2, &batch, o->full_matrices ? n : k, n);
  return CN_OK;
}
/* Memory of a decomposition as LAPACK sees it: x^T, u^T [p, m], v [n, q] in ours. */
typedef struct room { cni_buffer *buffer; char *a, *s, *u, *v, *work; int *iwork; int m, n, p, q, lwork; const char *job; } room;
static bool room_take(const cn_call *c, const char *job, room *w) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int64_t k = e.m < e.n ? e.m : e.n;
  const int ask = -1;
  int info = 0, few[1];
  double most[1];
  *w = (room){ .m = (int)e.m,
               .n = (int)e.n,
               .p = (int)(*job == 'N'   ? 1
                          : *job == 'A' ? e.m
                                        : k),
               .q = (int)(*job == 'N'   ? 1
                          : *job == 'A' ? e.n
                                        : k),
               .job = job };
  CNI_LAPACK(c, gesdd, job, &w->m, &w->n, (void *)most, &w->m, (void *)most, (void *)most, &w->m, (void *)most, &w->q, (void *)most, &ask, few, &info, 1);
  w->lwork = cni_lapack_size(c, most);
  const int64_t sizes[] = { e.m * e.n, k, *job == 'N' ? 1 : e.m * w->p, *job == 'N' ? 1 : e.n * w->q, w->lwork };
  size_t at[6] = { 0 };
  for (int i = 0; i < 5; i++) at[i + 1] = at[i] + (size_t)(sizes[i] + sizes[i] % 2) * cni_width_of(c);
  if (!(w->a = cni_borrow(c->graph, at[5] + (size_t)(8 * k) * sizeof(int), &w->buffer))) return false;
  w->s = w->a + at[1];
  w->u = w->a + at[2];
  w->v = w->a + at[3];
  w->work = w->a + at[4];
  w->iwork = (int *)(void *)(w->a + at[5]);
  return true;
}
/* Matrix b of x into w's s, u and v; the room is given back where it fails. */
static cn_code decompose(const cn_call *c, int64_t b, room *w) {
  int info;
  cni_turn(c, w->a, cni_matrix_at(c->x[0], b, (int64_t)w->m * w->n), w->m, w->n);
  CNI_LAPACK(c, gesdd, w->job, &w->m, &w->n, (void *)w->a, &w->m, (void *)w->s, (void *)w->u, &w->m, (void *)w->v, &w->q, (void *)w->work, &w->lwork, w->iwork,
             &info, 1);
  return info ? stuck(c, b) : CN_OK;
}
static cn_code svd_forward(const cn_call *c) {
  const cn_svd_args *o = c->args;
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const int64_t k = e.m < e.n ? e.m : e.n;
  room w;
  cn_code code = CN_OK;
  if (!c->x[0]->count) { /* full matrices of nothing */
    if (o->compute_uv) cni_fill_identity(c->y[0]), cni_fill_identity(c->y[2]);
    return CN_OK;
  }
  if (!room_take(c, !o->compute_uv ? "N" : o->full_matrices ? "A" : "S", &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch && !(code = decompose(c, b, &w)); b++) {
    memcpy(cni_matrix_at(c->y[o->compute_uv ? 1 : 0], b, k), w.s, (size_t)k * cni_width_of(c));
    if (!o->compute_uv) continue;
    cni_turn(c, cni_matrix_at(c->y[0], b, e.m * w.p), w.u, w.p, e.m);
    cni_turn(c, cni_matrix_at(c->y[2], b, e.n * w.q), w.v, e.n, w.q);
  }
  cni_buffer_drop(c->graph, w.buffer, false);
  return code;
}
/* dm less what lies in the space of the columns of q: dm - q (q^T dm). */
static cn_tensor *outside(cn_graph *g, cn_tensor *q, cn_tensor *dm) {
  return cn_subtract(g, dm, cni_product(g, q, cni_product(g, q, dm, true, false), false, false));
}
static cn_tensor *turns(cn_graph *g, cn_tensor *q, cn_tensor *dq, cn_tensor *s) { /* J + J^T of the header */
  cn_tensor *j = cn_divide_no_nan(g, cni_product(g, q, dq, true, false), gaps(g, cn_square(g, s)));
  return cn_add(g, j, cni_transposed(g, j));
}
/* From u [.., m, k], s, v [.., n, k] and their gradients, each of which may be NULL. */
static cn_tensor *svd_gradient(cn_graph *g, cn_tensor *u, cn_tensor *s, cn_tensor *v, cn_tensor *gu, cn_tensor *gs, cn_tensor *gv) {
  const int64_t m = cni_extent_of(&u->dims).m, n = cni_extent_of(&v->dims).m, k = cni_extent_of(&u->dims).n;
  cn_tensor *inner = gs ? on_diagonal(g, gs) : NULL, *y;
  if (gu) inner = cni_plus(g, inner, cn_multiply(g, turns(g, u, gu, s), as_row(g, s)));
  if (gv) inner = cni_plus(g, inner, cn_multiply(g, turns(g, v, gv, s), as_column(g, s)));
  y = cni_product(g, cni_product(g, u, inner, false, false), v, false, true);
  if (gu && m > k) y = cni_plus(g, y, cni_product(g, cn_divide(g, outside(g, u, gu), as_row(g, s)), v, false, true));
  if (gv && n > k) y = cni_plus(g, y, cni_product(g, u, cn_divide(g, outside(g, v, gv), as_row(g, s)), false, true));
  return y;
}
CNI_VJP(svd) {
  (void)want;
  const cn_svd_args *o = n->args;
  if (!o->compute_uv) {
    const cn_svd_result d = cn_svd(g, n->x[0], .full_matrices = false);
    if (d.vh) gx[0] = cni_product(g, cn_multiply(g, d.u, as_row(g, gy[0])), d.vh, false, false);
    return;
  }
  const cni_extent e = cni_extent_of(&n->x[0]->dims);
  const bool cut = o->full_matrices && e.m != e.n;
  if (cut && (gy[0] || gy[2])) {
    cn_fail(g, CN_UNSUPPORTED, "no gradient of u and vh with full_matrices of matrices that are not square: their last columns and rows are arbitrary");
    return;
  }
  const cn_svd_result d = cut ? cn_svd(g, n->x[0], .full_matrices = false) : (cn_svd_result){ n->y[0], n->y[1], n->y[2] };
  if (d.vh) gx[0] = svd_gradient(g, d.u, d.s, cni_transposed(g, d.vh), gy[0], gy[1], gy[2] ? cni_transposed(g, gy[2]) : NULL);
}
/* The parts that the matrix determines, with the call's signs; what full_matrices adds is arbitrary and stays as the call has it. */
static void svd_one(const cn_reference *r, int64_t b, const cni_naive_svd *d) {
  const cn_call *c = r->call;
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const bool vectors = c->ny == 3;
  for (int64_t j = 0; j < d->k; j++) {
    r->y[vectors ? 1 : 0][b * d->k + j] = d->s[j];
    if (!vectors || !determined(c, d, j, d->s[0]) || (e.m != e.n && d->s[j] < 0.1 * d->s[0])) continue;
    const int64_t p = cni_extent_of(&c->y[0]->dims).n, q = cni_extent_of(&c->y[2]->dims).m;
    const double sign = sign_of(c->y[0], b * e.m * p, p, 1, j, d->u, e.m, d->k);
    for (int64_t i = 0; i < e.m; i++) r->y[0][b * e.m * p + i * p + j] = sign * d->u[i * d->k + j];
    for (int64_t i = 0; i < e.n; i++) r->y[2][b * e.n * q + j * e.n + i] = sign * d->v[i * d->k + j];
  }
}
static void svd_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  cni_naive_svd d;
  for (int64_t i = 0; c->ny == 3 && i < c->y[0]->count; i++) r->y[0][i] = cni_value_at(c->y[0], i);
  for (int64_t i = 0; c->ny == 3 && i < c->y[2]->count; i++) r->y[2][i] = cni_value_at(c->y[2], i);
  for (int64_t b = 0; c->x[0]->count && b < e.batch && cni_naive_svd_of(c->graph, r->x[0] + b * e.m * e.n, e.m, e.n, &d); b++) svd_one(r, b, &d);
}
#define NO_MATRICES "f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"
CN_OP(svd, CN_LIST_SVD, .count = svd_count, .infer = svd_infer, .forward = svd_forward, .vjp = svd_vjp,
      .reads = CN_READS_X(0) | CN_READS_Y(0) | CN_READS_Y(1) | CN_READS_Y(2), .reference = svd_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[3,3], compute_uv=false", "f[2,4,2], compute_uv=false", "f[2,4], compute_uv=false",
                          "f[4,3], full_matrices=false", "f[2,2,4], full_matrices=false", "f[1,1]", "f[3,1], full_matrices=false",
                          "f[0,3], full_matrices=false", "f[2,0], full_matrices=false", "f[0,2,2]", "f[0,3], compute_uv=false"),
      .rejects = CN_TEXTS(NO_MATRICES));

/* ---- pinv ---- */
static double cutoff(const cn_call *c, int64_t m, int64_t n) {
  const double rcond = ((const cn_pinv_args *)c->args)->rcond;
  return !isnan(rcond) ? rcond : 10 * (double)(m > n ? m : n) * (cni_is_f64(c) ? DBL_EPSILON : (double)FLT_EPSILON);
}
static cn_code pinv_infer(const cn_call *c) {
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  const cn_dims batch = cni_batch_of(&c->x[0]->dims);
  set_sig(c, 0, &batch, c->x[0]->dims.d[batch.rank + 1], c->x[0]->dims.d[batch.rank]);
  return CN_OK;
}
/* v's columns [n, k] divided by s; by nothing where s is too small. */
#define SHRINK(T)                                                                                                  \
  static void shrink_##T(T *v, const T *s, int64_t n, int64_t k, double rcond) {                                   \
    for (int64_t i = 0; i < n * k; i++) v[i] = (double)s[i % k] > rcond * (double)s[0] ? v[i] / s[i % k] : 0;      \
  }
SHRINK(float)
SHRINK(double)
static cn_code pinv_one(const cn_call *c, int64_t b, room *w) {
  const int64_t k = w->p;
  const double rcond = cutoff(c, w->m, w->n);
  if (decompose(c, b, w)) return CN_VALUE;
  if (cni_is_f64(c)) shrink_double((double *)(void *)w->v, (const double *)(void *)w->s, w->n, k, rcond);
  else shrink_float((float *)(void *)w->v, (const float *)(void *)w->s, w->n, k, rcond);
  return cni_gemm(c->graph, &(const cni_gemm_args){ .dtype = (cn_dtype)c->x[0]->dtype,
                                                    .m = w->n,
                                                    .n = w->m,
                                                    .k = k,
                                                    .a = w->v,
                                                    .b = w->u,
                                                    .c = cni_matrix_at(c->y[0], b, (int64_t)w->m * w->n),
                                                    .batch = 1 });
}
static cn_code pinv_forward(const cn_call *c) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  cn_code code = CN_OK;
  room w;
  if (!c->x[0]->count) return CN_OK;
  if (!room_take(c, "S", &w)) return CN_NO_MEMORY;
  for (int64_t b = 0; b < e.batch && !code; b++) code = pinv_one(c, b, &w);
  cni_buffer_drop(c->graph, w.buffer, false);
  return code;
}
CNI_VJP(pinv) {
  (void)want;
  cn_tensor *x = n->x[0], *p = n->y[0], *gp = gy[0], *gt = cni_transposed(g, gp);
  cn_tensor *right = cni_product(g, gt, cni_product(g, p, p, false, true), false, false),
            *left = cni_product(g, cni_product(g, p, p, true, false), gt, false, false); /* both [.., m, n] */
  cn_tensor *y = cn_negative(g, cni_product(g, cni_product(g, p, gp, true, false), p, false, true));
  y = cni_plus(g, y, cn_subtract(g, right, cni_product(g, x, cni_product(g, p, right, false, false), false, false)));
  gx[0] = cni_plus(g, y, cn_subtract(g, left, cni_product(g, cni_product(g, left, p, false, false), x, false, false)));
}
static void pinv_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const double rcond = cutoff(r->call, e.m, e.n);
  cni_naive_svd d;
  for (int64_t b = 0; r->call->x[0]->count && b < e.batch && cni_naive_svd_of(r->call->graph, r->x[0] + b * e.m * e.n, e.m, e.n, &d); b++)
    for (int64_t i = 0; i < e.m * e.n; i++) {
      double s = 0;
      for (int64_t k = 0; k < d.k && d.s[k] > rcond * d.s[0]; k++) s += d.v[i / e.m * d.k + k] * d.u[i % e.m * d.k + k] / d.s[k];
      r->y[0][b * e.m * e.n + i] = s;
    }
}
CN_OP(pinv, CN_LIST_PINV, .outputs = 1, .infer = pinv_infer, .forward = pinv_forward, .vjp = pinv_vjp, .reads = CN_READS_X(0) | CN_READS_Y(0),
      .reference = pinv_reference, .samples = CN_TEXTS("f[3,3]@definite", "f[4,2]@0.2:2", "f[2,2,4]", "f[3,1]", "f[1,1]@1:2", "f[0,2]", "f[0,2,2]"),
      .rejects = CN_TEXTS(NO_MATRICES));

const cn_op *const cni_ops_spectral[] = { &cn_op_eigh, &cn_op_svd, &cn_op_pinv, NULL };
