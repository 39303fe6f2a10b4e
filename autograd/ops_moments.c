/* Variance, standard deviation and log-sum-exp: reductions of two passes; declared in ops_reduce.h. */
#include <math.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_normalization_private.h"
#include "ops_reduce_private.h"

/* ---- walking x with the place of each element's result ---- */
typedef struct walker { const cn_tensor *x; uint32_t bits; int64_t at[CN_MAX_RANK]; } walker;

static int64_t place(const walker *w) {
  const cn_dims *d = &w->x->dims;
  int64_t k = 0;
  for (int a = 0; a < d->rank; a++) k = w->bits & 1u << a ? k : k * d->d[a] + w->at[a];
  return k;
}

static uint32_t bits_of(const cn_call *c) {
  uint32_t bits;
  cni_axes(c->graph, ((const cn_sum_args *)c->args)->axis, c->x[0]->dims.rank, &bits);
  return bits;
}
static double reduced_count(const cn_tensor *x, uint32_t bits) {
  double n = 1;
  for (int a = 0; a < x->dims.rank; a++) n *= bits & 1u << a ? (double)x->dims.d[a] : 1;
  return n;
}

static cn_code infer(const cn_call *c) {
  uint32_t bits;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_axes(c->graph, ((const cn_sum_args *)c->args)->axis, c->x[0]->dims.rank, &bits)) return CN_INDEX;
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_reduced_dims(&c->x[0]->dims, bits, ((const cn_sum_args *)c->args)->keepdims, &c->sig[0].dims);
  return CN_OK;
}

/* ---- var, std ---- */
static cn_code var_forward(const cn_call *c) {
  if (!c->x[0]->count) return cni_fill(c->y[0], NAN), CN_OK;
  return cni_moments(c->graph, c->x[0], bits_of(c), NULL, c->y[0]->data);
}
static cn_code std_forward(const cn_call *c) {
  const cn_code code = var_forward(c);
  if (code == CN_OK) cni_kernels_of(c)->sqrt(c->y[0]->data, c->y[0]->data, c->y[0]->count, NULL);
  return code;
}

/* x less its mean, times a number over the count. */
static cn_tensor *centered(cn_graph *g, const cn_node *n, double factor) {
  const cn_sum_args *o = n->args;
  uint32_t bits;
  cni_axes(g, o->axis, n->x[0]->dims.rank, &bits);
  return cn_scale(g, cn_subtract(g, n->x[0], cn_mean(g, n->x[0], .axis = o->axis, .keepdims = true)), factor / reduced_count(n->x[0], bits));
}
CNI_VJP(var) { (void)want, gx[0] = cn_multiply(g, cni_kept_axes(g, n, gy[0]), centered(g, n, 2)); }
CNI_VJP(std) { (void)want, gx[0] = cn_multiply(g, cni_kept_axes(g, n, cn_divide(g, gy[0], n->y[0])), centered(g, n, 1)); }

/* References: for each result, every element that belongs to it. */
static void each_result(const cn_reference *r, double (*of)(const double *x, int64_t n)) {
  const cn_call *c = r->call;
  const int64_t n = c->x[0]->count;
  double *group = cni_arena_take(c->graph, cni_step_arena(c->graph), (size_t)(n + 1) * sizeof *group);
  for (int64_t k = 0; group && k < c->y[0]->count; k++) {
    walker w = { .x = c->x[0], .bits = bits_of(c) };
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++, cni_next(&w.x->dims, w.at))
      if (place(&w) == k) group[m++] = r->x[0][i];
    r->y[0][k] = of(group, m);
  }
}
static double variance_of(const double *x, int64_t n) {
  double mean = 0, sum = 0;
  for (int64_t i = 0; i < n; i++) mean += x[i] / (double)n;
  for (int64_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean) / (double)n;
  return n ? sum : NAN;
}
static double deviation_of(const double *x, int64_t n) { return sqrt(variance_of(x, n)); }
static double log_sum_of(const double *x, int64_t n) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, x[i]);
  for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
  return n ? log(sum) + most : -INFINITY;
}
static void var_reference(const cn_reference *r) { each_result(r, variance_of); }
static void std_reference(const cn_reference *r) { each_result(r, deviation_of); }
static void logsumexp_reference(const cn_reference *r) { each_result(r, log_sum_of); }

#define SAMPLES \
  "f[3,4]", "f[3,4], axis=[-1]", "f[2,3,4], axis=[0,2]", "f[5], keepdims=true", "f[2,3,2,2], axis=[0,2], keepdims=true", "f[0,3], axis=[1]", \
      "f[40,1000], axis=[0]", "f[40,1000], axis=[1]"
#define REJECTS .rejects = CN_TEXTS("f[2,3], axis=[2] => axis 2 is out of range for rank 2", "i[2]@0:3 => works on float32 and float64")
CN_OP(var, CN_LIST_REDUCE, .outputs = 1, .infer = infer, .forward = var_forward, .vjp = var_vjp, .reads = CN_READS_X(0), .reference = var_reference,
      .samples = CN_TEXTS(SAMPLES, "f[]", "f[1,7], axis=[0]"), REJECTS);
CN_OP(std, CN_LIST_REDUCE, .outputs = 1, .infer = infer, .forward = std_forward, .vjp = std_vjp, .reads = CN_READS_X(0) | CN_READS_Y(0),
      .reference = std_reference, .samples = CN_TEXTS(SAMPLES), REJECTS);

/* ---- logsumexp ---- */
typedef struct exponents { const cni_kernels *k; char *y; const char *x; size_t w; } exponents;
static void exponents_part(void *ctx, int64_t begin, int64_t end) {
  const exponents *p = ctx;
  p->k->exp(p->y + (size_t)begin * p->w, p->x + (size_t)begin * p->w, end - begin, NULL);
}
void cni_exp(cn_graph *g, cn_dtype dtype, void *y, const void *x, int64_t n) {
  exponents p = { cni_kernels_for(g, dtype), y, x, cn_dtype_size(dtype) };
  cni_parallel(g, n, CNI_GRAIN / 4, exponents_part, &p);
}

bool cni_exponentials(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *x, uint32_t bits, void *e, void *shift) {
  const size_t w = cn_dtype_size(dtype);
  cn_dims kept;
  cni_reduced_dims(dims, bits, true, &kept);
  if (!cni_reduce(g, CNI_MAX, dtype, dims, x, bits, shift)) return false;
  cn_tensor most = { .dtype = (uint8_t)dtype, .count = cn_dims_count(&kept), .data = shift };
  for (int64_t i = 0; i < most.count; i++)
    if (!isfinite(cni_value_at(&most, i))) cni_value_set(&most, i, 0);
  cni_binary_raw(g, cni_kernels_for(g, dtype)->subtract, e, w, dims, x, dims, shift, &kept, w);
  cni_exp(g, dtype, e, e, cn_dims_count(dims));
  return true;
}

/* y = ln(sum of e^(x - shift)) + shift. e [x's count], shift [y's count]: memory. */
static bool log_of_sums(const cn_call *c, void *e, void *shift) {
  const cn_tensor *x = c->x[0], *y = c->y[0];
  const cn_dtype dtype = (cn_dtype)x->dtype;
  const cni_kernels *k = cni_kernels_of(c);
  if (!cni_exponentials(c->graph, dtype, &x->dims, x->data, bits_of(c), e, shift)) return false;
  if (!cni_reduce(c->graph, CNI_SUM, dtype, &x->dims, e, bits_of(c), y->data)) return false;
  k->log(y->data, y->data, y->count, NULL);
  k->add(y->data, y->data, shift, y->count, 1, 1);
  return true;
}

static cn_code logsumexp_forward(const cn_call *c) {
  const size_t w = cni_width_of(c), e = ((size_t)c->x[0]->count * w + 63) & ~(size_t)63;
  cni_buffer *buffer = cni_buffer_take(c->graph, e + (size_t)c->y[0]->count * w + 1, false);
  if (!buffer) return CN_NO_MEMORY;
  const bool done = log_of_sums(c, buffer->data, (char *)buffer->data + e);
  cni_buffer_drop(c->graph, buffer, false);
  return done ? CN_OK : CN_NO_MEMORY;
}
CNI_VJP(logsumexp) { /* from x alone: the result of large x is rounded too much to give the shares back */
  const cn_sum_args *o = n->args;
  if (!n->x[0]->count) return;
  cn_tensor *x = n->x[0], *most = cn_stop_gradient(g, cn_max(g, x, .axis = o->axis, .keepdims = true));
  cn_tensor *e = cn_exp(g, cn_subtract(g, x, cn_where(g, cn_isfinite(g, most), most, NUMBER(x, 0))));
  (void)want, gx[0] = cn_multiply(g, cni_kept_axes(g, n, gy[0]), cn_divide(g, e, cn_sum(g, e, .axis = o->axis, .keepdims = true)));
}
CN_OP(logsumexp, CN_LIST_REDUCE, .outputs = 1, .infer = infer, .forward = logsumexp_forward, .vjp = logsumexp_vjp, .reads = CN_READS_X(0),
      .reference = logsumexp_reference, .samples = CN_TEXTS(SAMPLES, "f[]", "f[1,7], axis=[0]"), REJECTS);

const cn_op *const cni_ops_moments[] = { &cn_op_var, &cn_op_std, &cn_op_logsumexp, NULL };
