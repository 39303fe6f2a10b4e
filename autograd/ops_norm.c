#include "ops_norm.h"
#include <float.h>
#include <math.h>
#include "../core/options_private.h"
#include "ops.h"
#include "ops_linalg_private.h"
#include "ops_private.h"

/* ---- norm ---- */
typedef enum {
  ROOT_OF_SQUARES, POWER, LARGEST, SMALLEST, NONZERO, COLUMNS_LARGEST, COLUMNS_SMALLEST, ROWS_LARGEST, ROWS_SMALLEST, SINGULAR_SUM, SINGULAR_LARGEST,
  SINGULAR_SMALLEST,
  NO_NORM
} norm_kind;

/* The axes: bits of all, and of a matrix norm row and column. */
typedef struct norm_case { norm_kind kind; double p; uint32_t bits; int row, column; } norm_case;

/* False: the text is no number. */
static bool number_of(const char *text, double *p) {
  const char *end = cni_number_parse(text, p);
  return end && end != text && !*end && !isnan(*p);
}
static norm_kind vector_kind(const char *ord, double *p) {
  if (!ord) return ROOT_OF_SQUARES;
  if (!number_of(ord, p)) return NO_NORM;
  return isinf(*p) ? (*p > 0 ? LARGEST : SMALLEST) : *p == 0 ? NONZERO : *p == 2 ? ROOT_OF_SQUARES : POWER;
}
static norm_kind matrix_kind(const char *ord) {
  static const struct {
    double p;
    norm_kind kind;
  } numbers[] = { { 1, COLUMNS_LARGEST },       { -1, COLUMNS_SMALLEST }, { INFINITY, ROWS_LARGEST },
                  { -INFINITY, ROWS_SMALLEST }, { 2, SINGULAR_LARGEST },  { -2, SINGULAR_SMALLEST } };
  double p;
  if (!ord || !strcmp(ord, "fro")) return ROOT_OF_SQUARES;
  if (!strcmp(ord, "nuc")) return SINGULAR_SUM;
  for (size_t i = 0; number_of(ord, &p) && i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].p == p) return numbers[i].kind;
  return NO_NORM;
}
static cn_code norm_case_of(const cn_call *c, norm_case *k) {
  const cn_norm_args *o = c->args;
  const int rank = c->x[0]->dims.rank, axes = o->axis.n < 0 ? rank : (int)o->axis.n;
  *k = (norm_case){ .kind = ROOT_OF_SQUARES };
  if (o->ord.object || o->ord.fn || o->ord.fn2) return cn_fail(c->graph, CN_VALUE, "ord must be a number, inf, -inf, fro or nuc");
  if (!cni_axes(c->graph, o->axis, rank, &k->bits)) return cn_error_code(c->graph);
  if (o->axis.n < 0 && !o->ord.name) return CN_OK;
  if (axes != 1 && axes != 2) return cn_fail(c->graph, CN_VALUE, "a norm goes over one axis or two, got %d", axes);
  k->kind = axes == 1 ? vector_kind(o->ord.name, &k->p) : matrix_kind(o->ord.name);
  if (k->kind == NO_NORM) return cn_fail(c->graph, CN_VALUE, "ord %s is no norm of %s", o->ord.name, axes == 1 ? "vectors" : "matrices");
  k->row = o->axis.n == 2 ? cni_wrap(o->axis.v[0], rank) : 0;
  k->column = o->axis.n == 2 ? cni_wrap(o->axis.v[1], rank) : 1;
  return CN_OK;
}
static cn_code norm_infer(const cn_call *c) {
  norm_case k;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (norm_case_of(c, &k)) return cn_error_code(c->graph);
  c->sig[0].dtype = c->x[0]->dtype == CN_F64 ? CN_F64 : CN_F32;
  cni_reduced_dims(&c->x[0]->dims, k.bits, ((const cn_norm_args *)c->args)->keepdims, &c->sig[0].dims);
  return CN_OK;
}
/* s^(1/p) with a gradient of 0, not of infinity, where s is 0; such s are replaced by 1 on the way. */
static cn_tensor *root(cn_graph *g, cn_tensor *s, double p) {
  cn_tensor *zero = cn_scalar_like(g, s, 0), *is_zero = cn_equal(g, s, zero), *safe = cn_where(g, is_zero, cn_scalar_like(g, s, 1), s);
  return cn_where(g, is_zero, zero, p == 2 ? cn_sqrt(g, safe) : cn_power(g, safe, cn_scalar_like(g, s, 1 / p)));
}
/* (sum |x|^p)^(1/p). Where p is negative a 0 makes the sum infinite and the norm 0. */
static cn_tensor *power_norm(cn_graph *g, cn_tensor *x, double p, cn_ints axes) {
  cn_tensor *size = cn_abs(g, x), *s = cn_sum(g, p == 1 ? size : cn_power(g, size, cn_scalar_like(g, x, p)), .axis = axes);
  return p == 1 ? s : p > 0 ? root(g, s, p) : cn_power(g, s, cn_scalar_like(g, s, 1 / p));
}
static cn_tensor *extreme(cn_graph *g, cn_tensor *x, cn_ints axes, bool largest) {
  return largest ? cn_max(g, x, .axis = axes, .keepdims = true) : cn_min(g, x, .axis = axes, .keepdims = true);
}
/* The largest or smallest sum of |x| along one axis of a matrix. */
static cn_tensor *sums(cn_graph *g, cn_tensor *x, int along, int over, bool largest) {
  return extreme(g, cn_sum(g, cn_abs(g, x), .axis = CN_INTS(along), .keepdims = true), (cn_ints)CN_INTS(over), largest);
}
static cn_tensor *singular_norm(cn_graph *g, cn_tensor *x, const norm_case *k) {
  cn_tensor *s = cn_svd(g, cn_moveaxis(g, x, CN_INTS(k->row, k->column), CN_INTS(-2, -1)), .compute_uv = false).s;
  return k->kind == SINGULAR_SUM ? cn_sum(g, s, .axis = CN_INTS(-1)) : extreme(g, s, (cn_ints)CN_INTS(-1), k->kind == SINGULAR_LARGEST);
}
static cn_tensor *norm_of(cn_graph *g, cn_tensor *x, const norm_case *k, cn_ints axes) {
  switch (k->kind) {
  case ROOT_OF_SQUARES: return root(g, cn_sum(g, cn_square(g, x), .axis = axes), 2);
  case POWER: return power_norm(g, x, k->p, axes);
  case LARGEST: case SMALLEST: return extreme(g, cn_abs(g, x), axes, k->kind == LARGEST);
  case NONZERO: return cn_sum(g, cn_cast(g, cn_not_equal(g, x, cn_scalar_like(g, x, 0)), .dtype = cn_dtype_name((cn_dtype)x->dtype)), .axis = axes);
  case COLUMNS_LARGEST: case COLUMNS_SMALLEST: return sums(g, x, k->row, k->column, k->kind == COLUMNS_LARGEST);
  case ROWS_LARGEST: case ROWS_SMALLEST: return sums(g, x, k->column, k->row, k->kind == ROWS_LARGEST);
  default: return singular_norm(g, x, k);
  }
}
static void norm_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  norm_case k;
  if (norm_case_of(c, &k)) return;
  cn_tensor *x = cni_is_float((cn_dtype)c->x[0]->dtype) ? c->x[0] : cn_cast(g, c->x[0], .dtype = "float32");
  if (x) y[0] = cni_to_shape(g, norm_of(g, x, &k, ((const cn_norm_args *)c->args)->axis), &c->sig[0].dims);
}
/* Of one group of m rows and n columns (vectors: one row). */
static double group_norm(cn_graph *g, const norm_case *k, const double *x, int64_t m, int64_t n) {
  double sum = 0, most = 0, least = INFINITY;
  cni_naive_svd d = { .k = 0 };
  const bool down = k->kind == COLUMNS_LARGEST || k->kind == COLUMNS_SMALLEST, along = k->kind == ROWS_LARGEST || k->kind == ROWS_SMALLEST;
  if (k->kind >= SINGULAR_SUM && !cni_naive_svd_of(g, x, m, n, &d)) return NAN;
  for (int64_t i = 0; i < (d.k ? d.k : down ? n : along ? m : m * n); i++) {
    double v = d.k ? d.s[i] : down || along ? 0 : fabs(x[i]);
    for (int64_t j = 0; j < (down ? m : along ? n : 0); j++) v += fabs(x[down ? j * n + i : i * n + j]);
    sum += k->kind == ROOT_OF_SQUARES ? v * v : k->kind == POWER ? pow(v, k->p) : k->kind == NONZERO ? v != 0 : v;
    most = fmax(most, v);
    least = fmin(least, v);
  }
  if (k->kind == LARGEST || k->kind == COLUMNS_LARGEST || k->kind == ROWS_LARGEST || k->kind == SINGULAR_LARGEST) return most;
  if (k->kind == SMALLEST || k->kind == COLUMNS_SMALLEST || k->kind == ROWS_SMALLEST || k->kind == SINGULAR_SMALLEST) return least;
  return k->kind == ROOT_OF_SQUARES ? sqrt(sum) : k->kind == POWER ? pow(sum, 1 / k->p) : sum;
}
/* Gathers the elements that belong to each result, with the row's axis outside the column's. */
static void norm_reference(const cn_reference *r) {
  norm_case k;
  const cn_dims *d = &r->call->x[0]->dims;
  double *group = cni_naive_room(r->call->graph, r->call->x[0]->count);
  if (!group || norm_case_of(r->call, &k)) return;
  const bool matrix = k.kind >= COLUMNS_LARGEST;
  const int64_t m = matrix ? d->d[k.row] : 1;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    int64_t at[CN_MAX_RANK] = { 0 }, n = 0;
    for (int64_t j = 0; j < r->call->x[0]->count; j++, cni_next(d, at)) {
      int64_t result = 0;
      for (int a = 0; a < d->rank; a++) result = k.bits & 1u << a ? result : result * d->d[a] + at[a];
      if (result != i) continue;
      group[matrix ? at[k.row] * d->d[k.column] + at[k.column] : n] = r->x[0][j];
      n++;
    }
    r->y[0][i] = group_norm(r->call->graph, &k, group, m, matrix ? d->d[k.column] : n);
  }
}
CN_OP(norm, CN_LIST_NORM, .outputs = 1, .infer = norm_infer, .compose = norm_compose, .reference = norm_reference,
      .samples = CN_TEXTS("f[3,4]", "f[2,3,2], keepdims=true", "f[5], ord=3", "f[5], ord=2", "f[3,4]@distinct, ord=1, axis=[0], keepdims=true",
                          "f[3,4]@0.5:2, ord=0.5, axis=[1]", "f[3,4]@0.5:2, ord=-2, axis=[-1]", "f[3,4]@distinct, ord=inf, axis=[1]",
                          "f[3,4]@distinct, ord=-inf, axis=[0]", "f[3,4], ord=0, axis=[0]", "f[3,4], ord='fro', axis=[0,1]",
                          "f[2,3,3], axis=[-1,0], keepdims=true", "f[3,4], ord=1", "f[2,3,4], ord=-1, axis=[1,2]", "f[3,4], ord=inf",
                          "f[2,3,4], ord=-inf, axis=[2,0], keepdims=true", "f[3,4], ord='nuc'", "f[2,3,2], ord=2, axis=[0,2], keepdims=true",
                          "f[3,3]@definite, ord=-2", "f[]", "f[0]", "f[0,3], axis=[1]", "i[3,4]@-4:4", "b[5]", "f[3,1], ord=3, axis=[1]"),
      .rejects = CN_TEXTS("f[3], ord='fro' => ord fro is no norm of vectors", "f[3,3], ord=3 => ord 3 is no norm of matrices",
                          "f[2,2,2], ord=2 => a norm goes over one axis or two, got 3", "f[3,3], axis=[2] => axis 2 is out of range for rank 2",
                          "f[2,2,2], axis=[0,1,2] => a norm goes over one axis or two, got 3", "f[3], axis=[0,0] => axis 0 is given twice",
                          "f[3], ord='most' => ord most is no norm of vectors", "s[3] => string"));

/* ---- logdet ---- */
static cn_code logdet_infer(const cn_call *c) {
  if (cni_need_square(c)) return cn_error_code(c->graph);
  const cn_dims d = cni_batch_of(&c->x[0]->dims);
  return cni_sig_like(c, &d), CN_OK;
}
static void logdet_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_slogdet(g, c->x[0]).logabsdet; }
/* The sum of the singular values' logarithms. */
static void logdet_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  cni_naive_svd d;
  for (int64_t b = 0; b < e.batch && cni_naive_svd_of(r->call->graph, r->x[0] + b * e.n * e.n, e.n, e.n, &d); b++) {
    r->y[0][b] = 0;
    for (int64_t i = 0; i < e.n; i++) r->y[0][b] += log(d.s[i]);
  }
}
#define NOT_SQUARE "f[2,3] => needs square matrices, got [2,3]", "f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"
CN_OP(logdet, CN_LIST_X, .outputs = 1, .infer = logdet_infer, .compose = logdet_compose, .reference = logdet_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[2,4,4]@definite", "f[1,1]@1:2", "f[0,0]", "f[0,2,2]"), .rejects = CN_TEXTS(NOT_SQUARE));

/* ---- lstsq ---- */
static cn_code lstsq_infer(const cn_call *c) {
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  char ta[160], tb[160];
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  if (a->rank != 2) return cni_refuse_shape(c, "a must have rank 2");
  if (c->x[1]->dtype != c->x[0]->dtype) return cn_fail(c->graph, CN_DTYPE, "a and b differ in dtype");
  if (b->rank < 1 || b->rank > 2 || (b->d[0] != a->d[0] && b->d[0] != CN_UNKNOWN && a->d[0] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "a and b do not fit: %s x %s", cn_dims_text(a, ta, sizeof ta), cn_dims_text(b, tb, sizeof tb));
  cn_dims y = *b;
  y.d[0] = a->d[1];
  return cni_sig_like(c, &y), CN_OK;
}
static double epsilon_of(const cn_tensor *x) { return x->dtype == CN_F64 ? DBL_EPSILON : (double)FLT_EPSILON; }
static double larger_size(const cn_tensor *x) {
  const cni_extent e = cni_extent_of(&x->dims);
  return (double)(e.m > e.n ? e.m : e.n);
}
static double lstsq_rcond(const cn_call *c) {
  const double rcond = ((const cn_lstsq_args *)c->args)->rcond;
  return isnan(rcond) ? larger_size(c->x[0]) * epsilon_of(c->x[0]) : rcond < 0 ? epsilon_of(c->x[0]) : rcond;
}
static void lstsq_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_matmul(g, cn_pinv(g, c->x[0], .rcond = lstsq_rcond(c)), c->x[1]); }
static void lstsq_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const int64_t columns = r->call->x[1]->dims.rank == 2 ? r->call->x[1]->dims.d[1] : 1;
  cni_naive_svd d;
  if (!cni_naive_svd_of(r->call->graph, r->x[0], e.m, e.n, &d)) return;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    r->y[0][i] = 0;
    for (int64_t k = 0; k < d.k && d.s[k] > lstsq_rcond(r->call) * d.s[0]; k++)
      for (int64_t j = 0; j < e.m; j++) r->y[0][i] += d.v[i / columns * d.k + k] / d.s[k] * d.u[j * d.k + k] * r->x[1][j * columns + i % columns];
  }
}
CN_OP(lstsq, CN_LIST_LSTSQ, .outputs = 1, .infer = lstsq_infer, .compose = lstsq_compose, .reference = lstsq_reference,
      .samples = CN_TEXTS("f[3,3]@definite, f[3,2]", "f[4,2], f[4]", "f[2,4], f[2,3]", "f[2,4], f[2]", "f[3,1], f[3,1]", "f[3,3]@definite, f[3], rcond=0.1",
                          "f[2,0], f[2]", "f[0,2], f[0,3]", "f[2,2]@definite, f[2,0]"),
      .rejects = CN_TEXTS("f[2,2,2], f[2] => a must have rank 2, got [2,2,2]", "f[3,2], f[2] => a and b do not fit: [3,2] x [2]",
                          "f[3,2], f[] => a and b do not fit", "f[3], f[3] => needs matrices, got [3]", "i[2,2]@0:2, f[2] => works on float32 and float64",
                          "f[2,2], i[2]@0:2 => a and b differ in dtype"));

/* ---- cholesky_inverse ---- */
static cn_code square_infer(const cn_call *c) { return cni_need_square(c) ? cn_error_code(c->graph) : (cni_sig_like(c, &c->x[0]->dims), (cn_code)CN_OK); }
static void cholesky_inverse_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const bool upper = ((const cn_cholesky_inverse_args *)c->args)->upper;
  const int64_t n = cni_extent_of(&c->x[0]->dims).n;
  cn_tensor *one = cni_spread(g, cn_eye(g, (cn_dtype)c->x[0]->dtype, n, n, 0), &c->x[0]->dims), *inverse = cni_solve_triangle(g, c->x[0], one, !upper);
  y[0] = cni_product(g, inverse, inverse, !upper, upper);
}
/* Substitution, first with l, then with its transpose. */
static void cholesky_inverse_reference(const cn_reference *r) {
  const bool upper = ((const cn_cholesky_inverse_args *)r->call->args)->upper;
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const int64_t n = e.n;
  for (int64_t at = 0; at < e.batch * n; at++) { /* column at % n of one matrix */
    const double *l = r->x[0] + at / (n ? n : 1) * n * n;
    double *y = r->y[0] + at / n * n * n + at % n;
    for (int64_t i = 0; i < n; i++) {
      double s = i == at % n;
      for (int64_t k = 0; k < i; k++) s -= (upper ? l[k * n + i] : l[i * n + k]) * y[k * n];
      y[i * n] = s / l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
      double s = y[i * n];
      for (int64_t k = i + 1; k < n; k++) s -= (upper ? l[i * n + k] : l[k * n + i]) * y[k * n];
      y[i * n] = s / l[i * n + i];
    }
  }
}
CN_OP(cholesky_inverse, CN_LIST_CHOLESKY_INVERSE, .outputs = 1, .infer = square_infer, .compose = cholesky_inverse_compose,
      .reference = cholesky_inverse_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[2,3,3]@definite", "f[3,3]@definite, upper=true", "f[1,1]@1:2", "f[0,0]", "f[0,2,2]"),
      .rejects = CN_TEXTS(NOT_SQUARE));

/* ---- matrix_rank ---- */
static cn_code matrix_rank_infer(const cn_call *c) {
  if (cni_need_matrices(c)) return cn_error_code(c->graph);
  c->sig[0].dtype = CN_I32;
  c->sig[0].dims = cni_batch_of(&c->x[0]->dims);
  return CN_OK;
}
static void matrix_rank_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cni_extent e = cni_extent_of(&c->x[0]->dims);
  const double tol = ((const cn_matrix_rank_args *)c->args)->tol;
  if (!e.m || !e.n) {
    y[0] = cn_zeros(g, CN_I32, &c->sig[0].dims);
    return;
  }
  cn_tensor *s = cn_svd(g, c->x[0], .compute_uv = false).s;
  if (!s) return;
  cn_tensor *least =
      isnan(tol) ? cn_scale(g, cn_max(g, s, .axis = CN_INTS(-1), .keepdims = true), larger_size(c->x[0]) * epsilon_of(c->x[0])) : cn_scalar_like(g, s, tol);
  y[0] = cn_sum(g, cn_cast(g, cn_greater(g, s, least), .dtype = "int32"), .axis = CN_INTS(-1));
}
static void matrix_rank_reference(const cn_reference *r) {
  const cni_extent e = cni_extent_of(&r->call->x[0]->dims);
  const double tol = ((const cn_matrix_rank_args *)r->call->args)->tol;
  cni_naive_svd d;
  for (int64_t b = 0; b < e.batch && cni_naive_svd_of(r->call->graph, r->x[0] + b * e.m * e.n, e.m, e.n, &d); b++) {
    r->y[0][b] = 0;
    for (int64_t i = 0; i < d.k; i++) r->y[0][b] += d.s[i] > (isnan(tol) ? d.s[0] * larger_size(r->call->x[0]) * epsilon_of(r->call->x[0]) : tol);
  }
}
CN_OP(matrix_rank, CN_LIST_MATRIX_RANK, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = matrix_rank_infer, .compose = matrix_rank_compose,
      .reference = matrix_rank_reference,
      .samples = CN_TEXTS("f[3,3]@definite", "f[2,4,3]", "f[3,3]@0:0", "f[3,4]@1:1", "f[2,5], tol=100", "f[1,1]", "f[0,3]", "f[2,0,3]", "f[0,2,2]"),
      .rejects = CN_TEXTS("f[3] => needs matrices, got [3]", "i[2,2]@0:2 => works on float32 and float64"));

const cn_op *const cni_ops_norm[] = { &cn_op_norm, &cn_op_logdet, &cn_op_lstsq, &cn_op_cholesky_inverse, &cn_op_matrix_rank, NULL };
