#include "ops_nn.h"
#include "elementwise_private.h"
#include "ops.h"

/* ---- in_top_k ---- */
static cn_code in_top_k_infer(const cn_call *c) {
  const cn_tensor *t = c->x[0], *x = c->x[1];
  char a[160], b[160];
  if (!cni_is_float((cn_dtype)x->dtype) || cni_is_float((cn_dtype)t->dtype) || t->dtype == CN_STRING)
    return cn_fail(c->graph, CN_DTYPE, "needs integer targets and float predictions, got %s and %s", cn_dtype_name((cn_dtype)t->dtype),
                   cn_dtype_name((cn_dtype)x->dtype));
  bool fits = x->dims.rank == t->dims.rank + 1;
  for (int i = 0; fits && i < t->dims.rank; i++) fits = t->dims.d[i] == x->dims.d[i] || t->dims.d[i] == CN_UNKNOWN || x->dims.d[i] == CN_UNKNOWN;
  if (!fits)
    return cn_fail(c->graph, CN_SHAPE, "targets %s do not fit predictions %s", cn_dims_text(&t->dims, a, sizeof a), cn_dims_text(&x->dims, b, sizeof b));
  c->sig[0] = (cn_sig){ CN_BOOL, t->dims };
  return CN_OK;
}

static cn_code in_top_k_forward(const cn_call *c) {
  const cn_tensor *x = c->x[1];
  const int64_t classes = x->dims.d[x->dims.rank - 1], k = ((const cn_in_top_k_args *)c->args)->k;
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const int64_t label = (int64_t)cni_value_at(c->x[0], i);
    const double v = label >= 0 && label < classes ? cni_value_at(x, i * classes + label) : NAN;
    int64_t larger = isnan(v) ? k : 0;
    for (int64_t j = 0; j < classes && larger < k; j++) larger += !(cni_value_at(x, i * classes + j) <= v);
    ((uint8_t *)c->y[0]->data)[i] = larger < k;
  }
  return CN_OK;
}

static void in_top_k_reference(const cn_reference *r) {
  const cn_dims *d = &r->call->x[1]->dims;
  const int64_t classes = d->d[d->rank - 1];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double label = r->x[0][i];
    int64_t rank = 0;
    for (int64_t j = 0; j < classes && label >= 0 && label < (double)classes; j++) rank += r->x[1][i * classes + j] > r->x[1][i * classes + (int64_t)label];
    r->y[0][i] = label >= 0 && label < (double)classes && rank < ((const cn_in_top_k_args *)r->call->args)->k;
  }
}
CN_OP(in_top_k, CN_IN_TOP_K, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = in_top_k_infer, .forward = in_top_k_forward, .reference = in_top_k_reference,
      .samples = CN_TEXTS("i[4]@0:5, f[4,5], k=2", "l[2,3]@-1:5, f[2,3,4], k=1", "i[5]@0:3, f[5,3], k=7", "i[]@0:3, f[3], k=2", "i[0]@0:3, f[0,3], k=1"),
      .rejects = CN_TEXTS("i[4]@0:3, f[3,5], k=2 => targets [4] do not fit predictions [3,5]",
                          "f[4], f[4,5], k=2 => needs integer targets and float predictions", "i[4]@0:3, f[4,5] => k is required",
                          "i[4]@0:3, f[4,5], k=0 => k must be positive, got 0", "i[4]@0:3, f[4], k=1 => do not fit"));

/* ---- psnr ---- */
static cn_code psnr_infer(const cn_call *c) {
  char a[160], b[160];
  const cn_dims *x = &c->x[0]->dims, *y = &c->x[1]->dims;
  bool fits = x->rank == y->rank;
  for (int i = 0; fits && i < x->rank; i++) fits = x->d[i] == y->d[i] || x->d[i] == CN_UNKNOWN || y->d[i] == CN_UNKNOWN;
  if (!fits) return cn_fail(c->graph, CN_SHAPE, "shapes differ: %s and %s", cn_dims_text(x, a, sizeof a), cn_dims_text(y, b, sizeof b));
  const cn_code code = cn_infer_broadcast_float(c);
  c->sig[0].dims.rank = 0;
  return code;
}
static void psnr_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *mse = cn_mean(g, cn_square(g, cn_subtract(g, c->x[0], c->x[1])));
  y[0] = cn_shift(g, cn_scale(g, cn_log10(g, mse), -10), 20 * log10(((const cn_psnr_args *)c->args)->max_val));
}
static void psnr_reference(const cn_reference *r) {
  double sum = 0;
  const int64_t n = r->call->x[0]->count;
  for (int64_t i = 0; i < n; i++) sum += (r->x[0][i] - r->x[1][i]) * (r->x[0][i] - r->x[1][i]);
  r->y[0][0] = 20 * log10(((const cn_psnr_args *)r->call->args)->max_val) - 10 * log10(sum / (double)n);
}
CN_OP(psnr, CN_PSNR, .outputs = 1, .infer = psnr_infer, .compose = psnr_compose, .reference = psnr_reference,
      .samples = CN_TEXTS("f[3,4], f[3,4], max_val=2", "f[5], f[5], max_val=255", "f[], f[], max_val=1"),
      .rejects = CN_TEXTS("f[3], f[4], max_val=1 => shapes differ: [3] and [4]", "f[3], f[3] => max_val is required",
                          "i[3]@0:3, i[3]@0:3, max_val=1 => needs float32 or float64"));

/* ---- polar ---- */
static cn_code polar_infer(const cn_call *c) {
  const cn_code code = cn_infer_broadcast_float(c);
  c->sig[1] = c->sig[0];
  return code;
}
static void polar_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_multiply(g, c->x[0], cn_cos(g, c->x[1]));
  y[1] = cn_multiply(g, c->x[0], cn_sin(g, c->x[1]));
}
static void polar_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const double size = r->x[0][cni_broadcast_index(&c->x[0]->dims, &c->y[0]->dims, i)],
                 angle = r->x[1][cni_broadcast_index(&c->x[1]->dims, &c->y[0]->dims, i)];
    r->y[0][i] = size * cos(angle);
    r->y[1][i] = size * sin(angle);
  }
}
CN_OP(polar, CN_POLAR, .outputs = 2, .infer = polar_infer, .compose = polar_compose, .reference = polar_reference,
      .samples = CN_TEXTS("f[3,4], f[3,4]", "f[3,1], f[4]", "f[], f[]", "f[0], f[0]"), .rejects = CN_TEXTS("f[3], f[4] => [3]", "i[3]@0:3, i[3]@0:3 => needs"));

const cn_op *const cni_ops_nn[] = { &cn_op_in_top_k, &cn_op_psnr, &cn_op_polar, &cn_op_ctc_loss, &cn_op_ctc_decode, NULL };
