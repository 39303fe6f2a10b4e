#include "ops_diagonal.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* ---- a diagonal of a plane ---- */
/* n elements from (row, column) on of the plane of axes a and b. */
typedef struct line { int a, b; int64_t n, row, column; } line;

static cn_code line_of(const cn_call *c, const cn_dims *d, int64_t offset, int64_t axis1, int64_t axis2, line *l) {
  char text[160];
  if (d->rank < 2) return cn_fail(c->graph, CN_SHAPE, "needs rank 2 or more, got %s", cn_dims_text(d, text, sizeof text));
  if ((l->a = cn_axis(c->graph, axis1, d->rank)) < 0 || (l->b = cn_axis(c->graph, axis2, d->rank)) < 0) return CN_INDEX;
  if (l->a == l->b) return cn_fail(c->graph, CN_VALUE, "axis1 and axis2 are both %d", l->a);
  const int64_t m = d->d[l->a], n = d->d[l->b];
  l->row = offset >= 0 ? 0 : offset < -m ? m : -offset;
  l->column = offset <= 0 ? 0 : offset > n ? n : offset;
  l->n = m == CN_UNKNOWN || n == CN_UNKNOWN ? CN_UNKNOWN : m - l->row < n - l->column ? m - l->row : n - l->column;
  return CN_OK;
}
static cn_dims other_axes(const cn_dims *d, const line *l) {
  cn_dims y = { .rank = 0 };
  for (int i = 0; i < d->rank; i++)
    if (i != l->a && i != l->b) y.d[y.rank++] = d->d[i];
  return y;
}
static cn_dims diagonal_dims(const cn_dims *d, const line *l) {
  cn_dims y = other_axes(d, l);
  y.d[y.rank++] = l->n;
  return y;
}
/* Loops over the diagonals' elements, contiguous on the side of `to`; the element of the whole that comes first. */
static int64_t walk(const cn_dims *d, const line *l, cni_loops *loops) {
  int64_t steps[CN_MAX_RANK], own[CN_MAX_RANK];
  const cn_dims y = diagonal_dims(d, l);
  cni_strides(d, steps);
  cni_strides(&y, own);
  loops->rank = 0;
  for (int i = 0; i < d->rank; i++)
    if (i != l->a && i != l->b) cni_loop(loops, d->d[i], own[loops->rank], steps[i]);
  cni_loop(loops, l->n, 1, steps[l->a] + steps[l->b]);
  return l->row * steps[l->a] + l->column * steps[l->b];
}
/* The flat index in the whole of the diagonals' element at `at`. */
static int64_t place(const cn_dims *d, const line *l, const int64_t *at) {
  int64_t whole[CN_MAX_RANK];
  const int64_t i = at[d->rank - 2];
  for (int k = 0, from = 0; k < d->rank; k++) whole[k] = k == l->a ? l->row + i : k == l->b ? l->column + i : at[from++];
  return cni_flat(d, whole);
}

/* ---- diagonal ---- */
static cn_code diagonal_line(const cn_call *c, line *l) {
  const cn_diagonal_args *o = c->args;
  return line_of(c, &c->x[0]->dims, o->offset, o->axis1, o->axis2, l);
}
static cn_code diagonal_infer(const cn_call *c) {
  line l;
  if (cni_refuse_strings(c) || diagonal_line(c, &l)) return cn_error_code(c->graph);
  const cn_dims y = diagonal_dims(&c->x[0]->dims, &l);
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code diagonal_forward(const cn_call *c) {
  line l;
  cni_loops loops;
  if (diagonal_line(c, &l) || !c->y[0]->count) return cn_error_code(c->graph);
  const size_t from = (size_t)walk(&c->x[0]->dims, &l, &loops) * cni_width_of(c);
  cni_copy(c->graph, cni_width_of(c), &loops, c->y[0]->data, (const char *)c->x[0]->data + from);
  return CN_OK;
}
CNI_VJP(diagonal) {
  const cn_diagonal_args *o = n->args;
  (void)want, gx[0] = cn_scatter_diagonal(g, gy[0], .shape = cni_sizes(&n->x[0]->dims), .offset = o->offset, .axis1 = o->axis1, .axis2 = o->axis2);
}
static int64_t diagonal_source(const cn_call *c, const int64_t *at) {
  line l;
  return diagonal_line(c, &l) ? 0 : place(&c->x[0]->dims, &l, at);
}
CNI_PICKED(diagonal)
#define PLANES "f[3,4]", "f[4,3], offset=-1", "f[2,3,4], offset=1, axis1=-1, axis2=0", "f[2,3,4], axis1=1, axis2=2", "f[3,3], offset=7", "f[3,3], offset=-9", "f[0,3]", "f[1,1]", "i[3,3]@-4:4"
#define NO_PLANES "f[3] => needs rank 2 or more, got [3]", "f[2,3], axis1=2 => axis 2 is out of range for rank 2", "f[2,3], axis2=-2 => axis1 and axis2 are both 0", "s[2,2] => string"
CN_OP(diagonal, CN_LIST_DIAGONAL, .outputs = 1, .infer = diagonal_infer, .forward = diagonal_forward, .vjp = diagonal_vjp, .reference = diagonal_reference,
      .samples = CN_TEXTS(PLANES, "b[3,3]"), .rejects = CN_TEXTS(NO_PLANES));

/* ---- scatter_diagonal ---- */
static cn_code scatter_line(const cn_call *c, cn_dims *y, line *l) {
  const cn_scatter_diagonal_args *o = c->args;
  if (!cni_dims_from(c->graph, o->shape, y)) return CN_VALUE;
  return line_of(c, y, o->offset, o->axis1, o->axis2, l);
}
static cn_code scatter_diagonal_infer(const cn_call *c) {
  line l;
  cn_dims y;
  if (cni_refuse_strings(c) || scatter_line(c, &y, &l)) return cn_error_code(c->graph);
  const cn_dims x = diagonal_dims(&y, &l);
  if (cni_need_shape(c, 0, &x)) return CN_SHAPE;
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code scatter_diagonal_forward(const cn_call *c) {
  line l;
  cn_dims y;
  cni_loops loops;
  if (scatter_line(c, &y, &l)) return cn_error_code(c->graph);
  if (c->y[0]->count) memset(c->y[0]->data, 0, (size_t)c->y[0]->count * cni_width_of(c));
  if (!c->x[0]->count) return CN_OK;
  const size_t to = (size_t)walk(&y, &l, &loops) * cni_width_of(c);
  for (int i = 0; i < loops.rank; i++) {
    const int64_t step = loops.to[i];
    loops.to[i] = loops.from[i];
    loops.from[i] = step;
  }
  cni_copy(c->graph, cni_width_of(c), &loops, (char *)c->y[0]->data + to, c->x[0]->data);
  return CN_OK;
}
CNI_VJP(scatter_diagonal) {
  const cn_scatter_diagonal_args *o = n->args;
  (void)want, gx[0] = cn_diagonal(g, gy[0], .offset = o->offset, .axis1 = o->axis1, .axis2 = o->axis2);
}
static void scatter_diagonal_reference(const cn_reference *r) {
  line l;
  cn_dims y;
  int64_t at[CN_MAX_RANK] = { 0 };
  const cn_tensor *x = r->call->x[0];
  if (scatter_line(r->call, &y, &l)) return;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t i = 0; i < x->count; i++, cni_next(&x->dims, at)) r->y[0][place(&y, &l, at)] = r->x[0][i];
}
CN_OP(scatter_diagonal, CN_LIST_SCATTER_DIAGONAL, .outputs = 1, .infer = scatter_diagonal_infer, .forward = scatter_diagonal_forward,
      .vjp = scatter_diagonal_vjp, .reference = scatter_diagonal_reference,
      .samples = CN_TEXTS("f[3], shape=[3,4]", "f[3], shape=[4,3], offset=-1", "f[3,1], shape=[2,3,4], offset=1, axis1=-1, axis2=0",
                          "f[2,3], shape=[2,3,4], axis1=1, axis2=2", "f[0], shape=[2,2], offset=5", "i[2]@-3:3, shape=[2,2]"),
      .rejects = CN_TEXTS("f[2], shape=[3,3] => x must have shape [3], got [2]", "f[3], shape=[3] => needs rank 2 or more, got [3]",
                          "s[2], shape=[2,2] => string"));

/* ---- diag ---- */
static cn_code diag_infer(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims;
  const int64_t k = ((const cn_diag_args *)c->args)->k;
  line l;
  char text[160];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (x->rank < 1 || x->rank > 2) return cn_fail(c->graph, CN_SHAPE, "needs a vector or a matrix, got %s", cn_dims_text(x, text, sizeof text));
  if (x->rank == 2 && line_of(c, x, k, 0, 1, &l)) return cn_error_code(c->graph);
  if (x->rank == 2) return cni_sig_like(c, CN_DIMS(l.n)), CN_OK;
  if (k > INT32_MAX || k < -INT32_MAX) return cn_fail(c->graph, CN_VALUE, "k is too large: %lld", (long long)k);
  const int64_t n = x->d[0] == CN_UNKNOWN ? CN_UNKNOWN : x->d[0] + (k < 0 ? -k : k);
  return cni_sig_like(c, CN_DIMS(n, n)), CN_OK;
}
static void diag_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const int64_t k = ((const cn_diag_args *)c->args)->k;
  y[0] = c->x[0]->dims.rank == 2 ? cn_diagonal(g, c->x[0], .offset = k) : cn_scatter_diagonal(g, c->x[0], .shape = cni_sizes(&c->sig[0].dims), .offset = k);
}
static void diag_reference(const cn_reference *r) {
  const cn_dims *x = &r->call->x[0]->dims, *y = &r->call->y[0]->dims;
  const int64_t k = ((const cn_diag_args *)r->call->args)->k, up = k > 0 ? k : 0, down = k < 0 ? -k : 0, cols = x->rank == 2 ? x->d[1] : y->d[1];
  for (int64_t i = 0; x->rank == 2 && i < y->d[0]; i++) r->y[0][i] = r->x[0][(i + down) * cols + i + up];
  for (int64_t i = 0; x->rank == 1 && i < cols * cols; i++) r->y[0][i] = i % cols - i / cols == k ? r->x[0][i / cols - down] : 0;
}
CN_OP(diag, CN_LIST_DIAG, .outputs = 1, .infer = diag_infer, .compose = diag_compose, .reference = diag_reference,
      .samples = CN_TEXTS("f[4]", "f[2], k=-2", "f[3], k=1", "f[3,4]", "f[3,4], k=2", "f[4,3], k=-2", "f[2,2], k=5", "f[0]", "f[0], k=1", "i[3]@-4:4"),
      .rejects = CN_TEXTS("f[] => needs a vector or a matrix, got []", "f[2,2,2] => needs a vector or a matrix, got [2,2,2]", "s[2] => string"));

/* ---- trace ---- */
static cn_code trace_infer(const cn_call *c) {
  line l;
  if (cni_refuse_strings(c) || diagonal_line(c, &l)) return cn_error_code(c->graph);
  const cn_dims y = other_axes(&c->x[0]->dims, &l);
  cni_sig_like(c, &y);
  if (c->x[0]->dtype == CN_U8 || c->x[0]->dtype == CN_BOOL) c->sig[0].dtype = CN_I32;
  return CN_OK;
}
static void trace_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_diagonal_args *o = c->args; /* trace's are the same */
  y[0] = cn_sum(g, cn_diagonal(g, c->x[0], .offset = o->offset, .axis1 = o->axis1, .axis2 = o->axis2), .axis = CN_INTS(-1));
}
static void trace_reference(const cn_reference *r) {
  line l;
  int64_t at[CN_MAX_RANK] = { 0 };
  if (diagonal_line(r->call, &l)) return;
  const cn_dims d = diagonal_dims(&r->call->x[0]->dims, &l);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t i = 0; i < cn_dims_count(&d); i++, cni_next(&d, at)) r->y[0][i / l.n] += r->x[0][place(&r->call->x[0]->dims, &l, at)];
}
CN_OP(trace, CN_LIST_DIAGONAL, .outputs = 1, .infer = trace_infer, .compose = trace_compose, .reference = trace_reference,
      .samples = CN_TEXTS(PLANES, "b[3,3]"), .rejects = CN_TEXTS(NO_PLANES));

/* ---- eye, tri ---- */
static cn_code square_infer(const cn_call *c) {
  const cn_tri_args *o = c->args;
  cn_dtype dtype = CN_F32;
  if (o->dtype && (!cn_dtype_from_name(o->dtype, &dtype) || dtype == CN_STRING)) return cn_fail(c->graph, CN_DTYPE, "there is no matrix of dtype %s", o->dtype);
  c->sig[0] = (cn_sig){ dtype, { 2, { o->N, o->M == CN_NONE ? o->N : o->M } } };
  return CN_OK;
}
/* What stands in row i: zeros but for ones from `from` to behind `to`. */
static void ones(cn_tensor *y, int64_t i, int64_t from, int64_t to) {
  const int64_t n = y->dims.d[1];
  for (int64_t j = 0; j < n; j++) cni_value_set(y, i * n + j, j >= from && j < to);
}
/* Row i's place on the diagonal, between 0 and n. */
static int64_t reached(const cn_call *c, int64_t i, int64_t past) {
  const int64_t k = ((const cn_tri_args *)c->args)->k, n = c->y[0]->dims.d[1];
  const int64_t j = k > n ? n : k < -i - 1 ? -1 : i + k + past;
  return j < 0 ? 0 : j > n ? n : j;
}
static cn_code eye_forward(const cn_call *c) {
  for (int64_t i = 0; i < c->y[0]->dims.d[0]; i++) ones(c->y[0], i, reached(c, i, 0), reached(c, i, 1));
  return CN_OK;
}
static cn_code tri_forward(const cn_call *c) {
  for (int64_t i = 0; i < c->y[0]->dims.d[0]; i++) ones(c->y[0], i, 0, reached(c, i, 1));
  return CN_OK;
}
static void square_reference(const cn_reference *r, bool below) {
  const int64_t k = ((const cn_tri_args *)r->call->args)->k, n = r->call->y[0]->dims.d[1];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t above = i % n - i / n;
    r->y[0][i] = below ? above <= k : above == k;
  }
}
static void eye_reference(const cn_reference *r) { square_reference(r, false); }
static void tri_reference(const cn_reference *r) { square_reference(r, true); }
#define SQUARES                                                                                                                                                                                           \
  .samples = CN_TEXTS("N=3", "N=4, M=3, k=1, dtype='float64'", "N=3, M=5, k=-2", "N=0", "N=2, M=0", "N=3, k=9", "N=3, k=-9", "N=3, k=-3", "N=3, k=3", "N=2, dtype='int32'", "N=2, dtype='bool'", "N=1"), \
  .rejects = CN_TEXTS(" => N is required", "N=-1 => N must not be negative, got -1", "N=2, M=-1 => M must not be negative, got -1", "N=2, dtype='string' => there is no matrix of dtype string")
CN_OP(eye, CN_LIST_TRI, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = square_infer, .forward = eye_forward, .reference = eye_reference, SQUARES);
CN_OP(tri, CN_LIST_TRI, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = square_infer, .forward = tri_forward, .reference = tri_reference, SQUARES);

/* ---- kron ---- */
static cn_code same_dtypes(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  return c->x[0]->dtype == c->x[1]->dtype ? CN_OK : cn_fail(c->graph, CN_DTYPE, "the inputs differ in dtype");
}
static int64_t size_from_end(const cn_dims *d, int i) { return i < d->rank ? d->d[d->rank - 1 - i] : 1; }
static cn_code kron_infer(const cn_call *c) {
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  cn_dims y = { .rank = a->rank > b->rank ? a->rank : b->rank };
  if (same_dtypes(c)) return CN_DTYPE;
  if (2 * y.rank > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "takes at most %d axes, got %d", CN_MAX_RANK / 2, y.rank);
  for (int i = 0; i < y.rank; i++) {
    const int64_t m = size_from_end(a, i), n = size_from_end(b, i);
    int64_t *size = &y.d[y.rank - 1 - i];
    if (m == CN_UNKNOWN || n == CN_UNKNOWN) *size = CN_UNKNOWN;
    else if (__builtin_mul_overflow(m, n, size)) return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  }
  return cni_sig_like(c, &y), CN_OK;
}
/* x as [m, 1, n, 1, ...], or [1, m, 1, n, ...] with `second`. */
static cn_tensor *interleaved(cn_graph *g, cn_tensor *x, int rank, bool second) {
  cn_dims d = { .rank = 2 * rank };
  for (int i = 0; i < rank; i++) {
    d.d[2 * i + second] = size_from_end(&x->dims, rank - 1 - i);
    d.d[2 * i + !second] = 1;
  }
  return cni_to_shape(g, x, &d);
}
static void kron_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const int rank = c->sig[0].dims.rank;
  y[0] = cni_to_shape(g, cn_multiply(g, interleaved(g, c->x[0], rank, false), interleaved(g, c->x[1], rank, true)), &c->sig[0].dims);
}
static void kron_reference(const cn_reference *r) {
  const cn_tensor *y = r->call->y[0];
  const cn_dims *a = &r->call->x[0]->dims, *b = &r->call->x[1]->dims;
  int64_t at[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < y->count; i++, cni_next(&y->dims, at)) {
    int64_t ia = 0, ib = 0;
    for (int k = 0, rank = y->dims.rank; k < rank; k++) {
      const int64_t m = size_from_end(a, rank - 1 - k), n = size_from_end(b, rank - 1 - k);
      ia = ia * m + at[k] / n;
      ib = ib * n + at[k] % n;
    }
    r->y[0][i] = r->x[0][ia] * r->x[1][ib];
  }
}
CN_OP(kron, CN_LIST_AB, .outputs = 1, .infer = kron_infer, .compose = kron_compose, .reference = kron_reference,
      .samples = CN_TEXTS("f[2,3], f[3,2]", "f[3], f[2]", "f[2], f[3,2]", "f[2,1,2], f[2]", "f[], f[2,2]", "f[0,2], f[2,2]", "i[2,2]@-3:3, i[2,2]@-3:3"),
      .rejects = CN_TEXTS("f[2], i[2]@0:3 => the inputs differ in dtype", "f[1,1,1,1,1], f[2] => takes at most 4 axes, got 5"));

/* ---- cross ---- */
/* Axes of the vectors, and the shapes without them. */
typedef struct crossing { int axis[2], axisc; int64_t size[2]; cn_dims rest[2], batch; } crossing;

static cn_code vectors(const cn_call *c, int i, int64_t axis, crossing *k) {
  const cn_dims *d = &c->x[i]->dims;
  char text[160];
  if ((k->axis[i] = cn_axis(c->graph, axis, d->rank)) < 0) return CN_INDEX;
  k->size[i] = d->d[k->axis[i]];
  if (k->size[i] != 2 && k->size[i] != 3)
    return cn_fail(c->graph, CN_SHAPE, "needs vectors of 2 or 3 elements along axis %d, got %s", k->axis[i], cn_dims_text(d, text, sizeof text));
  k->rest[i].rank = 0;
  for (int j = 0; j < d->rank; j++)
    if (j != k->axis[i]) k->rest[i].d[k->rest[i].rank++] = d->d[j];
  return CN_OK;
}
static bool flat_result(const crossing *k) { return k->size[0] == 2 && k->size[1] == 2; }
static cn_code crossing_of(const cn_call *c, crossing *k) {
  const cn_cross_args *o = c->args;
  const bool one = o->axis != CN_NONE;
  char ta[160], tb[160];
  if (same_dtypes(c)) return CN_DTYPE;
  if (vectors(c, 0, one ? o->axis : o->axisa, k) || vectors(c, 1, one ? o->axis : o->axisb, k)) return cn_error_code(c->graph);
  if (!cn_dims_broadcast(&k->rest[0], &k->rest[1], &k->batch))
    return cn_fail(c->graph, CN_SHAPE, "shapes do not fit: %s x %s", cn_dims_text(&c->x[0]->dims, ta, sizeof ta), cn_dims_text(&c->x[1]->dims, tb, sizeof tb));
  k->axisc = flat_result(k) ? 0 : cn_axis(c->graph, one ? o->axis : o->axisc, k->batch.rank + 1);
  return k->axisc < 0 ? CN_INDEX : CN_OK;
}
static cn_code cross_infer(const cn_call *c) {
  crossing k;
  if (crossing_of(c, &k)) return cn_error_code(c->graph);
  cn_dims y = k.batch;
  if (!flat_result(&k)) {
    for (int i = y.rank++; i > k.axisc; i--) y.d[i] = y.d[i - 1];
    y.d[k.axisc] = 3;
  }
  return cni_sig_like(c, &y), CN_OK;
}
/* a b, where NULL is zero. */
static cn_tensor *term(cn_graph *g, cn_tensor *a, cn_tensor *b) { return a && b ? cn_multiply(g, a, b) : NULL; }
static cn_tensor *difference(cn_graph *g, cn_tensor *a, cn_tensor *b) { return !b ? a : a ? cn_subtract(g, a, b) : cn_negative(g, b); }
static void cross_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  crossing k;
  cn_tensor *v[2][3] = { { NULL } }, *parts[3];
  if (crossing_of(c, &k)) return;
  for (int i = 0; i < 2; i++) {
    cn_tensor *const *const all = cn_unstack(g, c->x[i], .axis = k.axis[i]);
    for (int64_t j = 0; j < k.size[i]; j++) v[i][j] = all[j];
    if (!cn_ok(g)) return;
  }
  for (int j = flat_result(&k) ? 2 : 0; j < 3; j++) {
    const int p = (j + 1) % 3, q = (j + 2) % 3;
    parts[j] = difference(g, term(g, v[0][p], v[1][q]), term(g, v[0][q], v[1][p]));
  }
  y[0] = flat_result(&k) ? parts[2] : cn_stack(g, CN_TENSORS(parts[0], parts[1], parts[2]), .axis = k.axisc);
}
/* Element j of the vector of x[i] that belongs to the result's batch index `at`. */
static double element(const cn_reference *r, const crossing *k, int i, const int64_t *at, int64_t j) {
  const cn_dims *d = &r->call->x[i]->dims;
  int64_t index = 0;
  if (j >= k->size[i]) return 0;
  for (int a = 0, from = k->batch.rank - k->rest[i].rank; a < d->rank; a++)
    index = index * d->d[a] + (a == k->axis[i] ? j : d->d[a] == 1 ? (from++, 0) : at[from++]);
  return r->x[i][index];
}
static void cross_reference(const cn_reference *r) {
  crossing k;
  const cn_tensor *y = r->call->y[0];
  int64_t at[CN_MAX_RANK] = { 0 }, batch[CN_MAX_RANK] = { 0 };
  if (crossing_of(r->call, &k)) return;
  for (int64_t i = 0; i < y->count; i++, cni_next(&y->dims, at)) {
    const bool flat = flat_result(&k);
    for (int a = 0, n = 0; a < y->dims.rank; a++)
      if (flat || a != k.axisc) batch[n++] = at[a];
    const int64_t j = flat ? 2 : at[k.axisc], p = (j + 1) % 3, q = (j + 2) % 3;
    r->y[0][i] = element(r, &k, 0, batch, p) * element(r, &k, 1, batch, q) - element(r, &k, 0, batch, q) * element(r, &k, 1, batch, p);
  }
}
CN_OP(cross, CN_LIST_CROSS, .outputs = 1, .infer = cross_infer, .compose = cross_compose, .reference = cross_reference,
      .samples = CN_TEXTS("f[4,3], f[4,3]", "f[3], f[3]", "f[2], f[2]", "f[4,2], f[4,2]", "f[2,3], f[3]", "f[2], f[4,3]", "f[4,3], f[2]",
                          "f[3,4], f[4,3], axisa=0, axisc=0", "f[3,4], f[3,4], axis=0", "f[2,1,3], f[4,3]", "f[0,3], f[3]", "i[3]@-4:4, i[3]@-4:4"),
      .rejects = CN_TEXTS("f[4], f[3] => needs vectors of 2 or 3 elements along axis 0, got [4]", "f[2,3], f[4,3] => shapes do not fit: [2,3] x [4,3]",
                          "f[3], i[3]@0:3 => the inputs differ in dtype", "f[3], f[3], axisa=1 => axis 1 is out of range for rank 1",
                          "f[2,3], f[2,3], axisc=2 => axis 2 is out of range for rank 2"));

const cn_op *const cni_ops_diagonal[] = {
  &cn_op_diagonal, &cn_op_scatter_diagonal, &cn_op_diag, &cn_op_trace, &cn_op_eye, &cn_op_tri, &cn_op_kron, &cn_op_cross, NULL
};
