#include "ops_product.h"
#include "../core/gemm_memo_private.h"
#include "elementwise_private.h"
#include "ops.h"
#include "slope_private.h"

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
  if (!cni_is_float((cn_dtype)x->dtype) || x->dtype != k->dtype || (cni_given(b) && b->dtype != x->dtype))
    return cn_fail(c->graph, CN_DTYPE, "needs inputs of float32 or of float64, all of one");
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

typedef union linear_memo { cni_gemm_memo y; struct { cni_gemm_memo x, kernel; } gradient; } linear_memo;

static cn_code linear_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *b = c->x[2];
  const int64_t d = k->dims.d[0], units = k->dims.d[1];
  const void *bias = cni_given(b) ? b->data : NULL;
  linear_memo *memo = c->memo;
  if (!c->y[0]->count || (memo && cni_gemm_again(&memo->y, x->data, k->data, bias, c->y[0]->data))) return CN_OK;
  const cni_gemm_args p = { .dtype = (cn_dtype)x->dtype,
                            .m = rows_of(x),
                            .n = units,
                            .k = d,
                            .a = x->data,
                            .b = k->data,
                            .c = c->y[0]->data,
                            .bias = bias,
                            .activation = activation_of(c->args),
                            .batch = 1 };
  return cni_gemm_first(c->graph, &p, memo ? &memo->y : NULL);
}

/* d kernel^T */
static cn_code gradient_of_x(const cn_call *c, const void *d, cni_gemm_memo *memo) {
  const cn_tensor *k = c->x[1];
  if (cni_gemm_again(memo, d, k->data, NULL, c->gx[0])) return CN_OK;
  const cni_gemm_args a = { .dtype = (cn_dtype)k->dtype, .transpose_b = true, .m = rows_of(c->x[0]), .n = k->dims.d[0], .k = k->dims.d[1],
                            .a = d, .b = k->data, .c = c->gx[0], .batch = 1 };
  return cni_gemm_first(c->graph, &a, memo);
}

/* x^T d */
static cn_code gradient_of_kernel(const cn_call *c, const void *d, cni_gemm_memo *memo) {
  const cn_tensor *x = c->x[0], *k = c->x[1];
  if (cni_gemm_again(memo, x->data, d, NULL, c->gx[1])) return CN_OK;
  const cni_gemm_args a = { .dtype = (cn_dtype)k->dtype, .transpose_a = true, .m = k->dims.d[0], .n = k->dims.d[1], .k = rows_of(x),
                            .a = x->data, .b = d, .c = c->gx[1], .batch = 1 };
  return cni_gemm_first(c->graph, &a, memo);
}

static cn_code linear_backward(const cn_call *c) {
  linear_memo *memo = c->memo;
  cni_slope s;
  cn_code code = cni_slope_take(c, &s, c->x[1]->dims.d[1], activation_of(c->args), c->gx[2]);
  if (code == CN_OK && c->gx[0]) code = gradient_of_x(c, s.d, memo ? &memo->gradient.x : NULL);
  if (code == CN_OK && c->gx[1]) code = gradient_of_kernel(c, s.d, memo ? &memo->gradient.kernel : NULL);
  cni_slope_drop(c->graph, &s);
  return code;
}

static void linear_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = n->x[0], *k = n->x[1], *d = cni_slope_of(g, activation_of(n->args), gy[0], n->y[0]);
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
    r->y[0][i] = cni_fused_value(activation, s);
  }
}
static double linear_cost(const cn_call *c) { return (double)c->y[0]->count * (2 * (double)c->x[1]->dims.d[0] + 2); }
CN_OP(linear, CN_LINEAR, .outputs = 1, .memo = sizeof(linear_memo), .cost = linear_cost,
      .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = linear_infer, .forward = linear_forward,
      .vjp = linear_vjp, .backward = linear_backward, .reference = linear_reference,
      .samples = CN_TEXTS("f[3,4], f[4,5], f[5]", "f[3,4], f[4,5]", "f[3,4], f[4,5], f[5], activation=1", "f[3,4], f[4,5], f[5], activation=2",
                          "f[3,4], f[4,5], activation=3", "f[2,3,4], f[4,5], f[5], activation=2", "f[0,4], f[4,5], f[5]", "f[1,1], f[1,1], f[1]",
                          "f[3,0], f[0,2], f[2], activation=3", "f[9,4], f[4,17], activation=1"),
      .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", "f[4,3], f[3,7], f[6] => bias must be [7], got [6]",
                          "f[3], f[3,7] => inner sizes differ", "f[4,3], f[3,7], activation=9 => activation must be 0 to 3",
                          "i[2,2]@0:3, f[2,2] => needs inputs of float32 or of float64"));

const cn_op *const cni_ops_linear[] = { &cn_op_linear, NULL };
