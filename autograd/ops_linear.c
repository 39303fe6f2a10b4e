#include "ops_product.h"
#include "elementwise_private.h"
#include "ops.h"

#define SMALL 256 /* bytes of a slope that stands on the stack */
#define MOST_PARTS 64

static int activation_of(const void *args) { return (int)((const cn_linear_args *)args)->activation; }

static int64_t rows_of(const cn_tensor *x) {
  int64_t rows = 1;
  for (int i = 0; i < x->dims.rank - 1; i++) rows *= x->dims.d[i];
  return rows;
}

static cn_code linear_infer(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *b = c->x[2];
  char tx[160], tk[160];
  const int r = x->dims.rank;
  if (!cni_is_float((cn_dtype)x->dtype) || x->dtype != k->dtype || (cni_given(b) && b->dtype != x->dtype)) return cn_fail(c->graph, CN_DTYPE, "needs inputs of float32 or of float64, all of one");
  if (((const cn_linear_args *)c->args)->activation >= CNI_FUSED_COUNT) return cn_fail(c->graph, CN_VALUE, "activation must be 0 to %d", CNI_FUSED_COUNT - 1);
  if (r < 2 || k->dims.rank != 2 || (x->dims.d[r - 1] != k->dims.d[0] && x->dims.d[r - 1] != CN_UNKNOWN && k->dims.d[0] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "inner sizes differ: %s x %s", cn_dims_text(&x->dims, tx, sizeof tx), cn_dims_text(&k->dims, tk, sizeof tk));
  if (cni_given(b) && (b->dims.rank != 1 || b->dims.d[0] != k->dims.d[1]))
    return cn_fail(c->graph, CN_SHAPE, "bias must be [%lld], got %s", (long long)k->dims.d[1], cn_dims_text(&b->dims, tx, sizeof tx));
  c->sig[0].dtype = (cn_dtype)x->dtype;
  cni_set_dims(&c->sig[0].dims, &x->dims);
  c->sig[0].dims.d[r - 1] = k->dims.d[1];
  return CN_OK;
}

static cn_code linear_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *b = c->x[2];
  const int64_t d = k->dims.d[0], units = k->dims.d[1];
  if (!c->y[0]->count) return CN_OK;
  const cni_gemm_args p = { .dtype = (cn_dtype)x->dtype, .m = rows_of(x), .n = units, .k = d, .a = x->data, .b = k->data, .c = c->y[0]->data, .bias = cni_given(b) ? b->data : NULL,
                            .activation = activation_of(c->args), .batch = 1 };
  return cni_gemm(c->graph, &p);
}

/* ---- d = gy act'(y) [rows, units], and the bias's gradient, its column sums, in the same pass ---- */
typedef struct slope { const cni_kernels *k; char *d, *sums; const char *gy, *y; int64_t rows, units, parts; size_t w; int activation; } slope;

/* Each part has the sums of its rows. */
static void slope_parts(void *ctx, int64_t begin, int64_t end) {
  const slope *s = ctx;
  for (int64_t p = begin; p < end; p++) {
    const int64_t first = s->rows * p / s->parts, rows = s->rows * (p + 1) / s->parts - first;
    const size_t at = (size_t)(first * s->units) * s->w;
    char *sums = s->sums ? s->sums + (size_t)(p * s->units) * s->w : NULL;
    if (!s->activation) s->k->sum(sums, s->gy + at, 1, rows, s->units);
    else if (sums) s->k->bias_activation_grad(s->d + at, sums, s->gy + at, s->y + at, rows, s->units, s->activation);
    else s->k->activation_grad(s->d + at, s->gy + at, s->y + at, rows * s->units, s->activation);
  }
}

static int64_t parts_of(const cn_graph *g, const slope *s) {
  const int64_t threads = g->core.threads < MOST_PARTS ? g->core.threads : MOST_PARTS, count = s->rows * s->units;
  if (threads < 2 || count < 2 * CNI_GRAIN || s->rows < 2 * threads) return 1;
  return count / CNI_GRAIN < threads ? count / CNI_GRAIN : threads;
}

static cn_code slope_run(cn_graph *g, slope *s, void *gbias) {
  s->parts = parts_of(g, s);
  s->sums = gbias;
  if (s->parts == 1 || !gbias) return cni_parallel(g, s->parts, 1, slope_parts, s), CN_OK;
  cni_buffer *sums = cni_buffer_take(g, (size_t)(s->parts * s->units) * s->w, false);
  if (!sums) return CN_NO_MEMORY;
  s->sums = sums->data;
  cni_parallel(g, s->parts, 1, slope_parts, s);
  s->k->sum(gbias, s->sums, 1, s->parts, s->units);
  cni_buffer_drop(g, sums, false);
  return CN_OK;
}

/* dx = d kernel^T, dkernel = x^T d. */
static cn_code products(const cn_call *c, const slope *s, const void *d) {
  const cn_tensor *x = c->x[0], *k = c->x[1];
  const cni_gemm_args dx = { .dtype = (cn_dtype)x->dtype, .transpose_b = true, .m = s->rows, .n = k->dims.d[0], .k = s->units, .a = d, .b = k->data, .c = c->gx[0], .batch = 1 };
  const cni_gemm_args dk = { .dtype = (cn_dtype)x->dtype, .transpose_a = true, .m = k->dims.d[0], .n = s->units, .k = s->rows, .a = x->data, .b = d, .c = c->gx[1], .batch = 1 };
  const cn_code code = c->gx[0] ? cni_gemm(c->graph, &dx) : CN_OK;
  return code == CN_OK && c->gx[1] ? cni_gemm(c->graph, &dk) : code;
}

static cn_code linear_backward(const cn_call *c) {
  const cn_tensor *k = c->x[1], *y = c->y[0];
  const size_t w = y->dtype == CN_F64 ? 8 : 4, size = (size_t)(y->count ? y->count : 1) * w;
  slope s = { .k = cni_kernels_of(c), .gy = c->gy[0], .y = y->data, .units = k->dims.d[1], .w = w, .activation = activation_of(c->args) };
  union { char bytes[SMALL]; double align; } small;
  cni_buffer *own = NULL;
  s.rows = rows_of(c->x[0]);
  if (s.activation) {
    if (size > SMALL && !(own = cni_buffer_take(c->graph, size, false))) return CN_NO_MEMORY;
    s.d = own ? own->data : small.bytes;
  }
  cn_code code = s.activation || c->gx[2] ? slope_run(c->graph, &s, c->gx[2]) : CN_OK;
  if (code == CN_OK) code = products(c, &s, s.activation ? s.d : c->gy[0]);
  if (own) cni_buffer_drop(c->graph, own, false);
  return code;
}

/* gy act'(y) in operations. */
static cn_tensor *activation_slope(cn_graph *g, int activation, cn_tensor *gy, cn_tensor *y) {
  switch (activation) {
  case CNI_FUSED_RELU: return cn_where(g, cn_greater(g, y, NUMBER(y, 0)), gy, NUMBER(y, 0));
  case CNI_FUSED_TANH: return cn_multiply(g, gy, cn_shift(g, cn_negative(g, cn_square(g, y)), 1));
  case CNI_FUSED_SIGMOID: return cn_multiply(g, gy, cn_multiply(g, y, cn_shift(g, cn_negative(g, y), 1)));
  default: return gy;
  }
}

static void linear_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = n->x[0], *k = n->x[1], *d = activation_slope(g, activation_of(n->args), gy[0], n->y[0]);
  const int64_t in = k->dims.d[0], units = k->dims.d[1], rows = rows_of(x);
  if (want[0]) gx[0] = cn_matmul(g, d, k, .transpose_b = true);
  if (!want[1] && !want[2]) return;
  cn_tensor *flat = cn_reshape(g, d, CN_INTS(rows, units));
  if (want[1]) gx[1] = cn_matmul(g, cn_reshape(g, x, CN_INTS(rows, in)), flat, .transpose_a = true);
  if (want[2]) gx[2] = cn_sum(g, flat, .axis = CN_INTS(0));
}

static void linear_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const int64_t in = c->x[1]->dims.d[0], units = c->x[1]->dims.d[1];
  const int activation = activation_of(c->args);
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    double s = r->x[2] ? r->x[2][i % units] : 0;
    for (int64_t p = 0; p < in; p++) s += r->x[0][i / units * in + p] * r->x[1][p * units + i % units];
    r->y[0][i] = activation == CNI_FUSED_RELU ? (s > 0 ? s : 0) : activation == CNI_FUSED_TANH ? tanh(s) : activation == CNI_FUSED_SIGMOID ? 1 / (1 + exp(-s)) : s;
  }
}
static double linear_cost(const cn_call *c) { return (double)c->y[0]->count * (2 * (double)c->x[1]->dims.d[0] + 2); }
CN_OP(linear, CN_LINEAR, .outputs = 1, .cost = linear_cost, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = linear_infer, .forward = linear_forward, .vjp = linear_vjp, .backward = linear_backward,
      .reference = linear_reference,
      .samples = CN_TEXTS("f[3,4], f[4,5], f[5]", "f[3,4], f[4,5]", "f[3,4], f[4,5], f[5], activation=1", "f[3,4], f[4,5], f[5], activation=2", "f[3,4], f[4,5], activation=3", "f[2,3,4], f[4,5], f[5], activation=2",
                          "f[0,4], f[4,5], f[5]", "f[1,1], f[1,1], f[1]", "f[3,0], f[0,2], f[2], activation=3", "f[9,4], f[4,17], activation=1"),
      .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", "f[4,3], f[3,7], f[6] => bias must be [7], got [6]", "f[3], f[3,7] => inner sizes differ", "f[4,3], f[3,7], activation=9 => activation must be 0 to 3",
                          "i[2,2]@0:3, f[2,2] => needs inputs of float32 or of float64"));

const cn_op *const cni_ops_linear[] = { &cn_op_linear, NULL };
