#include "ops_softmax.h"
#include "elementwise_private.h"
#include "ops.h"
#include "ops_reduce_private.h"
#include "order_private.h"

typedef void rows_kernel(void *y, const void *x, int64_t rows, int64_t k);
typedef void rows_grad(void *gx, const void *gy, const void *y, int64_t rows, int64_t k);
typedef struct rows_job { rows_kernel *f; rows_grad *grad; char *y; const char *x, *fy; int64_t k; size_t w; } rows_job;

static void rows_part(void *ctx, int64_t begin, int64_t end) {
  const rows_job *j = ctx;
  const size_t at = (size_t)(begin * j->k) * j->w;
  if (j->grad) j->grad(j->y + at, j->x + at, j->fy + at, end - begin, j->k);
  else j->f(j->y + at, j->x + at, end - begin, j->k);
}

/* [outer, k, inner] */
typedef struct cut { int64_t outer, k, inner; } cut;
static cut cut_of(const cn_dims *d, int64_t axis) {
  const int at = (int)(axis < 0 ? axis + d->rank : axis);
  cut s = { 1, d->d[at], 1 };
  for (int i = 0; i < at; i++) s.outer *= d->d[i];
  for (int i = at + 1; i < d->rank; i++) s.inner *= d->d[i];
  return s;
}

/* Runs a kernel of rows. grad reads gy from x and y from fy. */
static cn_code by_rows(const cn_call *c, rows_kernel *f, rows_grad *grad, void *y, const void *x, const void *fy, cut s) {
  rows_job j = { f, grad, y, x, fy, s.k, cni_width_of(c) };
  cni_parallel(c->graph, s.outer, CNI_GRAIN / s.k + 1, rows_part, &j);
  return CN_OK;
}

/* ---- another axis than the last: x as [outer, k, inner], `one` of its results as [outer, 1, inner] ---- */
#define AXIS (1u << 1)
typedef struct columns { const cn_call *call; cn_graph *g; const cni_kernels *k; cn_dtype dtype; cn_dims all, one; } columns;
static columns columns_of(const cn_call *c, cut s) {
  return (columns){ c, c->graph, cni_kernels_of(c), (cn_dtype)c->x[0]->dtype, { 3, { s.outer, s.k, s.inner } }, { 3, { s.outer, 1, s.inner } } };
}
/* to = a op b, b one a column */
static void with_one(const columns *s, cni_binary *f, void *to, const void *a, const void *b) {
  const size_t w = cn_dtype_size(s->dtype);
  cni_binary_raw(s->g, f, to, w, &s->all, a, &s->all, b, &s->one, w);
}
static void with_all(const columns *s, cni_binary *f, void *to, const void *a, const void *b) {
  const size_t w = cn_dtype_size(s->dtype);
  cni_binary_raw(s->g, f, to, w, &s->all, a, &s->all, b, &s->all, w);
}
static bool sum_of(const columns *s, const void *x, void *sum) { return cni_reduce(s->g, CNI_SUM, s->dtype, &s->all, x, AXIS, sum); }

/* shift and sum [one]: memory. */
static bool softmax_columns(const columns *s, void *y, void *shift, void *sum) {
  if (!cni_exponentials(s->g, s->dtype, &s->all, s->call->x[0]->data, AXIS, y, shift) || !sum_of(s, y, sum)) return false;
  return with_one(s, s->k->divide, y, y, sum), true;
}
static bool log_softmax_columns(const columns *s, void *y, void *shift, void *sum) {
  const void *x = s->call->x[0]->data;
  if (!cni_exponentials(s->g, s->dtype, &s->all, x, AXIS, y, shift) || !sum_of(s, y, sum)) return false;
  s->k->log(sum, sum, cn_dims_count(&s->one), NULL);
  with_one(s, s->k->subtract, y, x, shift);
  return with_one(s, s->k->subtract, y, y, sum), true;
}
static bool softmax_columns_grad(const columns *s, void *gx, void *none, void *sum) { /* (gy - sum of gy y) y */
  const void *gy = s->call->gy[0], *y = s->call->y[0]->data;
  (void)none;
  with_all(s, s->k->multiply, gx, gy, y);
  if (!sum_of(s, gx, sum)) return false;
  with_one(s, s->k->subtract, gx, gy, sum);
  return with_all(s, s->k->multiply, gx, gx, y), true;
}
static bool log_softmax_columns_grad(const columns *s, void *gx, void *none, void *sum) { /* gy - e^y sum of gy */
  const void *gy = s->call->gy[0];
  (void)none;
  if (!sum_of(s, gy, sum)) return false;
  cni_exp(s->g, s->dtype, gx, s->call->y[0]->data, cn_dims_count(&s->all));
  with_one(s, s->k->multiply, gx, gx, sum);
  return with_all(s, s->k->subtract, gx, gy, gx), true;
}
typedef bool by_columns(const columns *s, void *to, void *shift, void *sum);

static cn_code along(const cn_call *c, rows_kernel *f, rows_grad *grad, by_columns *other, void *to) {
  const cut s = cut_of(&c->x[0]->dims, ((const cn_softmax_args *)c->args)->axis);
  if (!c->x[0]->count) return CN_OK;
  if (s.inner == 1) return by_rows(c, f, grad, to, grad ? c->gy[0] : c->x[0]->data, c->y[0]->data, s);
  const columns all = columns_of(c, s);
  const size_t lanes = (size_t)(s.outer * s.inner) * cni_width_of(c);
  cni_buffer *b;
  char *room = cni_borrow(c->graph, 2 * lanes, &b);
  if (!room) return CN_NO_MEMORY;
  const bool ok = other(&all, to, room, room + lanes);
  cni_buffer_drop(c->graph, b, false);
  return ok ? CN_OK : CN_NO_MEMORY;
}

static cn_code infer(const cn_call *c) {
  if (c->x[0]->dims.rank < 1) return cn_fail(c->graph, CN_SHAPE, "a number has no axis");
  if (cn_axis(c->graph, ((const cn_softmax_args *)c->args)->axis, c->x[0]->dims.rank) < 0) return CN_INDEX;
  return cn_infer_same_float(c);
}

static cn_code softmax_forward(const cn_call *c) { return along(c, cni_kernels_of(c)->softmax, NULL, softmax_columns, c->y[0]->data); }
static cn_code softmax_backward(const cn_call *c) {
  return c->gx[0] ? along(c, NULL, cni_kernels_of(c)->softmax_grad, softmax_columns_grad, c->gx[0]) : CN_OK;
}
static cn_code log_softmax_forward(const cn_call *c) { return along(c, cni_kernels_of(c)->log_softmax, NULL, log_softmax_columns, c->y[0]->data); }
static cn_code log_softmax_backward(const cn_call *c) {
  return c->gx[0] ? along(c, NULL, cni_kernels_of(c)->log_softmax_grad, log_softmax_columns_grad, c->gx[0]) : CN_OK;
}

CNI_VJP(softmax) {
  CNI_UNUSED_VJP;
  const int64_t axis = ((const cn_softmax_args *)cn_node_args(n))->axis;
  gx[0] = cn_multiply(g, Y0, cn_subtract(g, gy[0], cn_sum(g, cn_multiply(g, gy[0], Y0), .axis = CN_INTS(axis), .keepdims = true)));
}
CNI_VJP(log_softmax) {
  CNI_UNUSED_VJP;
  const int64_t axis = ((const cn_log_softmax_args *)cn_node_args(n))->axis;
  gx[0] = cn_subtract(g, gy[0], cn_multiply(g, cn_exp(g, Y0), cn_sum(g, gy[0], .axis = CN_INTS(axis), .keepdims = true)));
}

static void reference(const cn_reference *r, bool logarithm) {
  const cut s = cut_of(&r->call->x[0]->dims, ((const cn_softmax_args *)r->call->args)->axis);
  for (int64_t row = 0; row < s.outer * s.inner; row++) {
    const int64_t start = row / s.inner * s.k * s.inner + row % s.inner;
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < s.k; i++) most = fmax(most, r->x[0][start + i * s.inner]);
    for (int64_t i = 0; i < s.k; i++) sum += exp(r->x[0][start + i * s.inner] - most);
    for (int64_t i = 0; i < s.k; i++) {
      const double l = r->x[0][start + i * s.inner] - most - log(sum);
      r->y[0][start + i * s.inner] = logarithm ? l : exp(l);
    }
  }
}
static void softmax_reference(const cn_reference *r) { reference(r, false); }
static void log_softmax_reference(const cn_reference *r) { reference(r, true); }
#define TESTS                                                                                                 \
  .samples = CN_TEXTS("f[3,4]", "f[3,4], axis=0", "f[2,3,4], axis=1", "f[5]", "f[0,3]", "f[3,1]", "f[2,17]"), \
  .rejects = CN_TEXTS("f[] => a number has no axis", "f[3,4], axis=2 => axis 2 is out of range for rank 2", "i[3]@0:3 => needs float32 or float64, got int32")
CN_OP(softmax, CN_SOFTMAX, .outputs = 1, .reads = CN_READS_Y(0), .infer = infer, .forward = softmax_forward, .vjp = softmax_vjp, .backward = softmax_backward,
      .reference = softmax_reference, TESTS);
CN_OP(log_softmax, CN_SOFTMAX, .outputs = 1, .reads = CN_READS_Y(0), .infer = infer, .forward = log_softmax_forward, .vjp = log_softmax_vjp,
      .backward = log_softmax_backward, .reference = log_softmax_reference, TESTS);

/* ---- sparsemax ---- */
static cn_code sparsemax_infer(const cn_call *c) {
  const cn_code code = infer(c);
  if (code == CN_OK) c->sig[1] = c->sig[0];
  return code;
}

typedef struct sparse_job { const cn_call *call; cut s; int64_t parts; double *lanes; cni_item *items; } sparse_job;

/* Those of the lane's elements, up to its first NaN, that may be in the support: above a threshold that some of them have, which is never above that of all. */
static int64_t candidates(cni_item *c, const double *v, int64_t k) {
  double sum = 0, tau = -INFINITY;
  int64_t n = 0, before;
  for (int64_t i = 0; i < k && v[i] == v[i]; i++) {
    if (!(v[i] > tau)) continue;
    c[n++].index = (int32_t)i;
    sum += v[i];
    tau = (sum - 1) / (double)n;
  }
  do {
    before = n, n = 0, sum = 0;
    for (int64_t i = 0; i < before; i++) {
      if (!(v[c[i].index] > tau)) continue;
      sum += v[c[i].index];
      c[n++].index = c[i].index;
    }
    tau = (sum - 1) / (double)n;
  } while (n < before - before / 8); /* few more are to go: the order is found for them, too */
  for (int64_t i = 0; i < n; i++) c[i].key = cni_key(v[c[i].index], true);
  return n;
}
/* tau, and the items of the support: the prefix, largest first, whose elements stay positive. */
static double support_of(const double *v, const cni_item *c, int64_t n, int64_t *support) {
  double cumulative = 0, total = 0;
  *support = 0;
  for (int64_t i = 0; i < n; i++) {
    const double x = v[c[i].index];
    cumulative += x;
    if (!(x - (cumulative - 1) / (double)(i + 1) > 0)) continue;
    ++*support;
    total += cumulative;
  }
  return (total - 1) / (double)*support;
}
/* y, and each element's share of tau. Without a support (NaN, infinity) y is NaN. */
#define SPARSEMAX(T)                                                                                                       \
  static void sparsemax_##T(T *y, T *share, const T *x, cut s, double *v, cni_item *items) {                               \
    int64_t support;                                                                                                       \
    for (int64_t i = 0; i < s.k; i++) v[i] = x[i * s.inner];                                                               \
    const int64_t n = candidates(items, v, s.k);                                                                           \
    const cni_item *c = cni_first_items(items, items + s.k, n, n, CN_F64);                                                 \
    const double tau = support_of(v, c, n, &support);                                                                      \
    const T none = support ? 0 : NAN;                                                                                      \
    for (int64_t i = 0; i < s.k; i++) y[i * s.inner] = support && v[i] - tau > 0 ? (T)(v[i] - tau) : none, share[i * s.inner] = 0; \
    for (int64_t i = 0; i < support; i++) share[c[i].index * s.inner] = (T)((double)(support - i) / (double)support);      \
  }
SPARSEMAX(float)
SPARSEMAX(double)
static void sparsemax_part(void *ctx, int64_t begin, int64_t end) {
  const sparse_job *j = ctx;
  const cut s = j->s;
  const cn_tensor *x = j->call->x[0], *y = j->call->y[0], *share = j->call->y[1];
  for (int64_t p = begin; p < end; p++)
    for (int64_t lane = s.outer * s.inner * p / j->parts; lane < s.outer * s.inner * (p + 1) / j->parts; lane++) {
      const int64_t at = lane / s.inner * s.k * s.inner + lane % s.inner;
      double *v = j->lanes + p * s.k;
      cni_item *items = j->items + p * 2 * s.k;
      if (x->dtype == CN_F32) sparsemax_float((float *)y->data + at, (float *)share->data + at, (const float *)x->data + at, s, v, items);
      else sparsemax_double((double *)y->data + at, (double *)share->data + at, (const double *)x->data + at, s, v, items);
    }
}
static cn_code sparsemax_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  sparse_job j = { .call = c, .s = cut_of(&x->dims, ((const cn_sparsemax_args *)c->args)->axis) };
  if (!x->count) return CN_OK;
  j.parts = cni_order_parts(c->graph, j.s.outer * j.s.inner, j.s.k);
  cni_buffer *b;
  j.items = cni_borrow(c->graph, (size_t)(j.parts * j.s.k) * (2 * sizeof *j.items + sizeof *j.lanes), &b);
  if (!j.items) return CN_NO_MEMORY;
  j.lanes = (double *)(void *)(j.items + j.parts * 2 * j.s.k);
  cni_parallel(c->graph, j.parts, 1, sparsemax_part, &j);
  cni_buffer_drop(c->graph, b, false);
  return CN_OK;
}
CNI_VJP(sparsemax) { /* gy where y > 0, less each element's share of tau */
  CNI_UNUSED_VJP;
  if (!gy[0]) return;
  cn_tensor *d = cn_where(g, cn_greater(g, Y0, NUMBER(Y0, 0)), gy[0], NUMBER(Y0, 0));
  gx[0] = cn_subtract(g, d,
                      cn_multiply(g, cn_stop_gradient(g, cn_node_output(n, 1)),
                                  cn_sum(g, d, .axis = CN_INTS(((const cn_sparsemax_args *)cn_node_args(n))->axis), .keepdims = true)));
}
static void sparsemax_reference(const cn_reference *r) { /* the support is the largest prefix of the sorted row whose last element stays positive */
  const cut s = cut_of(&r->call->x[0]->dims, ((const cn_sparsemax_args *)r->call->args)->axis);
  for (int64_t at = 0; at < r->call->x[0]->count; at++) {
    const int64_t start = at / (s.k * s.inner) * s.k * s.inner + at % s.inner;
    double tau = 0, support = 0, sum = 0;
    for (int64_t i = 0; i < s.k; i++) { /* element i with those above it */
      const double v = r->x[0][start + i * s.inner];
      double above = 0, n = 0;
      for (int64_t j = 0; j < s.k; j++) {
        const double u = r->x[0][start + j * s.inner];
        if (u > v || (u == v && j <= i)) above += u, n++;
      }
      if (v - (above - 1) / n > 0) support++, sum += above;
    }
    tau = (sum - 1) / support;
    r->y[0][at] = fmax(r->x[0][at] - tau, 0);
    double rank = 0;
    for (int64_t j = 0; j < s.k; j++) {
      const int64_t other = start + j * s.inner;
      rank += r->x[0][other] > r->x[0][at] || (r->x[0][other] == r->x[0][at] && other < at);
    }
    r->y[1][at] = rank < support ? (support - rank) / support : 0;
  }
}
CN_OP(sparsemax, CN_SPARSEMAX, .outputs = 2, .kept = 1, .reads = CN_READS_Y(0) | CN_READS_Y(1), .infer = sparsemax_infer, .forward = sparsemax_forward,
      .vjp = sparsemax_vjp, .reference = sparsemax_reference, .samples = CN_TEXTS("f[3,4]@distinct", "f[4,3]@distinct, axis=0", "f[5]@distinct", "f[0,3]"),
      .rejects = CN_TEXTS("f[] => a number has no axis", "i[3]@0:3 => needs float32 or float64, got int32"));

const cn_op *const cni_ops_softmax[] = { &cn_op_softmax, &cn_op_log_softmax, &cn_op_sparsemax, NULL };
