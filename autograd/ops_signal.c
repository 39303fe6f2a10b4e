/* Distances, correlations, histograms and windows, declared in ops_sets.h. */
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

#define PI 3.14159265358979323846

/* ---- cdist ---- */
static cn_code cdist_infer(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims, *y = &c->x[1]->dims;
  char a[160], b[160];
  cn_dims rows[2] = { *x, *y };
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "x and y must have one dtype");
  bool fits = x->rank >= 2 && y->rank >= 2 && x->rank < CN_MAX_RANK && y->rank < CN_MAX_RANK;
  if (fits) {
    const int64_t m = x->d[x->rank - 1], n = y->d[y->rank - 1];
    rows[0].rank -= 2, rows[1].rank -= 2;
    fits = (m == n || m == CN_UNKNOWN || n == CN_UNKNOWN) && cn_dims_broadcast(&rows[0], &rows[1], &c->sig[0].dims);
  }
  if (!fits) return cn_fail(c->graph, CN_SHAPE, "shapes do not fit: %s and %s", cn_dims_text(x, a, sizeof a), cn_dims_text(y, b, sizeof b));
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  c->sig[0].dims.d[c->sig[0].dims.rank++] = x->d[x->rank - 2];
  c->sig[0].dims.d[c->sig[0].dims.rank++] = y->d[y->rank - 2];
  return CN_OK;
}
static void cdist_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_ints column = CN_INTS(-2), row = CN_INTS(-3), last = CN_INTS(-1);
  y[0] = cn_norm(g, cn_subtract(g, cn_expand_dims(g, c->x[0], .axis = column), cn_expand_dims(g, c->x[1], .axis = row)), .axis = last);
}
static void cdist_reference(const cn_reference *r) {
  const cn_dims *x = &r->call->x[0]->dims, *y = &r->call->x[1]->dims, *t = &r->call->y[0]->dims;
  const int64_t m = t->d[t->rank - 2], n = t->d[t->rank - 1], d = x->d[x->rank - 1];
  cn_dims batch[3] = { *x, *y, *t };
  for (int i = 0; i < 3; i++) batch[i].rank -= 2;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const int64_t b = i / n / m;
    double sum = 0;
    for (int64_t k = 0; k < d; k++)
      sum += pow(r->x[0][(cni_broadcast_index(&batch[0], &batch[2], b) * m + i / n % m) * d + k] -
                     r->x[1][(cni_broadcast_index(&batch[1], &batch[2], b) * n + i % n) * d + k],
                 2);
    r->y[0][i] = sqrt(sum);
  }
}
CN_OP(cdist, CN_LIST_XY, .outputs = 1, .infer = cdist_infer, .compose = cdist_compose, .reference = cdist_reference,
      .samples = CN_TEXTS("f[3,2], f[4,2]", "f[2,3,2], f[4,2]", "f[2,1,3], f[2,2,3]", "f[1,1], f[2,1]", "f[0,2], f[3,2]"),
      .rejects = CN_TEXTS("f[3,2], f[4,3] => shapes do not fit: [3,2] and [4,3]", "f[3], f[4,3] => shapes do not fit",
                          "i[3,2]@0:3, i[3,2]@0:3 => float32 and float64"));

/* ---- corrcoef ---- */
static cn_code corrcoef_infer(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (d->rank != 1 && d->rank != 2) return cn_fail(c->graph, CN_SHAPE, "x must have rank 1 or 2, got rank %d", d->rank);
  if (!d->d[d->rank - 1]) return cn_fail(c->graph, CN_SHAPE, "x has no observations");
  const cn_dims y = { d->rank == 1 ? 0 : 2, { d->d[0], d->d[0] } };
  return cni_sig_like(c, &y), CN_OK;
}
static void corrcoef_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_ints last = CN_INTS(-1), first = CN_INTS(0);
  cn_tensor *x = c->x[0]->dims.rank == 1 ? cn_expand_dims(g, c->x[0], .axis = first) : c->x[0];
  x = cn_subtract(g, x, cn_mean(g, x, .axis = last, .keepdims = true));
  cn_tensor *size = cn_sqrt(g, cn_sum(g, cn_square(g, x), .axis = last, .keepdims = true));
  x = cn_divide(g, x, size);
  y[0] = cn_clip(g, cn_matmul(g, x, x, .transpose_b = true), -1, 1);
  if (y[0]) y[0] = cni_to_shape(g, y[0], &c->sig[0].dims);
}
static void corrcoef_reference(const cn_reference *r) {
  const cn_dims *d = &r->call->x[0]->dims;
  const int64_t m = d->rank == 1 ? 1 : d->d[0], n = d->d[d->rank - 1];
  for (int64_t i = 0; i < m * m; i++) {
    const double *a = r->x[0] + i / m * n, *b = r->x[0] + i % m * n;
    double sa = 0, sb = 0, ab = 0, aa = 0, bb = 0;
    for (int64_t k = 0; k < n; k++) sa += a[k] / (double)n, sb += b[k] / (double)n;
    for (int64_t k = 0; k < n; k++) ab += (a[k] - sa) * (b[k] - sb), aa += (a[k] - sa) * (a[k] - sa), bb += (b[k] - sb) * (b[k] - sb);
    const double v = ab / sqrt(aa * bb);
    r->y[0][i] = v < -1 ? -1 : v > 1 ? 1 : v;
  }
}
CN_OP(corrcoef, CN_LIST_X, .outputs = 1, .infer = corrcoef_infer, .compose = corrcoef_compose, .reference = corrcoef_reference,
      .samples = CN_TEXTS("f[2,5]", "f[3,4]", "f[0,3]"),
      .rejects = CN_TEXTS("f[2,2,2] => x must have rank 1 or 2, got rank 3", "f[] => x must have rank 1 or 2", "f[2,0] => x has no observations",
                          "i[2,2]@0:3 => float32 and float64"));

/* ---- correlate ---- */
typedef struct overlap { int64_t before, behind, size; } overlap; /* zeros around the longer, of n, for a shorter of m; size of the result */
static overlap overlap_of(const char *mode, int64_t n, int64_t m) {
  if (!strcmp(mode, "full")) return (overlap){ m - 1, m - 1, n + m - 1 };
  if (!strcmp(mode, "same")) return (overlap){ m / 2, m - m / 2 - 1, n };
  return (overlap){ 0, 0, n - m + 1 };
}
static bool mode_known(const char *mode) { return mode && (!strcmp(mode, "valid") || !strcmp(mode, "same") || !strcmp(mode, "full")); }
static cn_code correlate_infer(const cn_call *c) {
  const char *mode = ((const cn_correlate_args *)c->args)->mode;
  const cn_tensor *a = c->x[0], *b = c->x[1];
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (a->dtype != b->dtype) return cn_fail(c->graph, CN_DTYPE, "x1 and x2 must have one dtype");
  if (a->dims.rank != 1 || b->dims.rank != 1) return cn_fail(c->graph, CN_SHAPE, "x1 and x2 must have rank 1");
  if (!a->dims.d[0] || !b->dims.d[0]) return cn_fail(c->graph, CN_SHAPE, "x1 and x2 must have elements");
  if (!mode_known(mode)) return cn_fail(c->graph, CN_VALUE, "mode must be valid, same or full, got %s", mode ? mode : "None");
  const int64_t n = a->dims.d[0], m = b->dims.d[0];
  const cn_dims y = { 1, { n == CN_UNKNOWN || m == CN_UNKNOWN ? CN_UNKNOWN : overlap_of(mode, n > m ? n : m, n > m ? m : n).size } };
  return cni_sig_like(c, &y), CN_OK;
}
/* A convolution; with x1 the shorter the two change places, and the result is turned round. */
static void correlate_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const bool swap = c->x[0]->count < c->x[1]->count;
  cn_tensor *a = c->x[swap], *b = c->x[!swap];
  const overlap o = overlap_of(((const cn_correlate_args *)c->args)->mode, a->count, b->count);
  const cn_dims row = { 3, { 1, a->count + o.before + o.behind, 1 } }, taps = { 3, { b->count, 1, 1 } };
  cn_tensor *padded = cn_pad(g, a, .pad_width = CN_INTS(o.before, o.behind));
  cn_tensor *v = cni_to_shape(g, cn_conv(g, cni_to_shape(g, padded, &row), cni_to_shape(g, b, &taps)), &c->sig[0].dims);
  y[0] = swap ? cn_flip(g, v) : v;
}
static void correlate_reference(const cn_reference *r) {
  const int64_t n = r->call->x[0]->count, m = r->call->x[1]->count, size = r->call->y[0]->count;
  const overlap o = overlap_of(((const cn_correlate_args *)r->call->args)->mode, n < m ? m : n, n < m ? n : m);
  for (int64_t i = 0; i < size; i++) {
    const int64_t k = n < m ? o.before - (size - 1 - i) : i - o.before; /* lag of x1 */
    r->y[0][i] = 0;
    for (int64_t j = 0; j < m; j++)
      if (j + k >= 0 && j + k < n) r->y[0][i] += r->x[0][j + k] * r->x[1][j];
  }
}
CN_OP(correlate, CN_LIST_CORRELATE, .outputs = 1, .infer = correlate_infer, .compose = correlate_compose, .reference = correlate_reference,
      .samples = CN_TEXTS("f[5], f[3]", "f[5], f[3], mode='full'", "f[5], f[4], mode='same'", "f[3], f[6], mode='same'", "f[2], f[5]",
                          "f[2], f[4], mode='full'", "f[1], f[1]"),
      .rejects = CN_TEXTS("f[5], f[3], mode='wrap' => mode must be valid, same or full, got wrap", "f[5,1], f[3] => must have rank 1",
                          "f[0], f[3] => must have elements", "i[5]@0:3, i[3]@0:3 => float32 and float64"));

/* ---- histogram ---- */
static cn_code histogram_infer(const cn_call *c) {
  const cn_histogram_args *o = c->args;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (o->bins > INT64_C(1) << 40) return cn_fail(c->graph, CN_VALUE, "%lld bins are too many", (long long)o->bins);
  if (o->range.n && (o->range.n != 2 || !(o->range.v[0] <= o->range.v[1]) || !isfinite(o->range.v[1] - o->range.v[0])))
    return cn_fail(c->graph, CN_VALUE, "range must be two finite numbers, the lower first");
  c->sig[0] = (cn_sig){ CN_I32, { 1, { o->bins } } };
  c->sig[1] = (cn_sig){ cni_is_float((cn_dtype)c->x[0]->dtype) ? (cn_dtype)c->x[0]->dtype : CN_F32, { 1, { o->bins + 1 } } };
  return CN_OK;
}
typedef struct ends { double low, high; } ends;
static ends widened(double low, double high) {
  const double wide = fmax(0.5, fabs(low) * 0x1p-52); /* at least to the next number */
  return low == high ? (ends){ low - wide, high + wide } : (ends){ low, high };
}
static ends ends_of(const cn_call *c) {
  const cn_reals range = ((const cn_histogram_args *)c->args)->range;
  if (range.n) return widened(range.v[0], range.v[1]);
  if (!c->x[0]->count) return (ends){ 0, 1 };
  ends e = { INFINITY, -INFINITY };
  for (int64_t i = 0; i < c->x[0]->count; i++) {
    const double v = cni_value_at(c->x[0], i);
    e.low = v < e.low ? v : e.low, e.high = v > e.high ? v : e.high;
  }
  return widened(e.low, e.high);
}
static double edge(ends e, int64_t bins, int64_t i) { return i == bins ? e.high : e.low + (e.high - e.low) * ((double)i / (double)bins); }
static cn_code histogram_check(const cn_call *c) {
  const ends e = ends_of(c);
  if (!isfinite(e.low) || !isfinite(e.high)) return cn_fail(c->graph, CN_VALUE, "x must be finite where no range is given");
  return isfinite(e.high - e.low) ? CN_OK : cn_fail(c->graph, CN_VALUE, "the range from %g to %g is too wide", e.low, e.high);
}
static cn_code histogram_forward(const cn_call *c) {
  const int64_t bins = ((const cn_histogram_args *)c->args)->bins;
  const ends e = ends_of(c);
  cni_fill(c->y[0], 0);
  for (int64_t i = 0; i <= bins; i++) cni_value_set(c->y[1], i, edge(e, bins, i));
  for (int64_t i = 0; i < c->x[0]->count; i++) {
    const double v = cni_value_at(c->x[0], i);
    if (!(v >= e.low && v <= e.high)) continue;
    int64_t k = (int64_t)((v - e.low) / (e.high - e.low) * (double)bins);
    k = k >= bins ? bins - 1 : k;
    while (k > 0 && v < edge(e, bins, k)) k--; /* what rounding moved */
    while (k < bins - 1 && v >= edge(e, bins, k + 1)) k++;
    ((int32_t *)c->y[0]->data)[k]++;
  }
  return CN_OK;
}
static void histogram_reference(const cn_reference *r) {
  const int64_t bins = ((const cn_histogram_args *)r->call->args)->bins;
  const ends e = ends_of(r->call);
  for (int64_t k = 0; k <= bins; k++) r->y[1][k] = edge(e, bins, k);
  for (int64_t k = 0; k < bins; k++) {
    r->y[0][k] = 0;
    for (int64_t i = 0; i < r->call->x[0]->count; i++)
      r->y[0][k] += r->x[0][i] >= r->y[1][k] && (r->x[0][i] < r->y[1][k + 1] || (k == bins - 1 && r->x[0][i] == e.high));
  }
}
CN_OP(histogram, CN_LIST_HISTOGRAM, .outputs = 2, .flags = CN_OP_NO_GRADIENT, .infer = histogram_infer, .check = histogram_check, .forward = histogram_forward,
      .reference = histogram_reference,
      .samples = CN_TEXTS("f[3,4]", "f[20], bins=4, range=[-1,1]", "i[9]@0:5, bins=5", "f[], bins=3", "f[0], bins=2", "f[6], bins=1, range=[0,0]",
                          "b[5], bins=2"),
      .rejects = CN_TEXTS("f[3], bins=0 => bins must be positive, got 0", "f[3], range=[1] => range must be two finite numbers",
                          "f[3], range=[2,1] => the lower first", "s[3] => string"));

/* ---- windows ---- */
static cn_code window_infer(const cn_call *c) {
  const int64_t n = ((const cn_hanning_args *)c->args)->x;
  if (n > INT64_C(1) << 40) return cn_fail(c->graph, CN_VALUE, "%lld elements are too many", (long long)n);
  c->sig[0] = (cn_sig){ CN_F32, { 1, { n < 1 ? 0 : n } } };
  return CN_OK;
}
/* I_0 by its series of squares of (v / 2)^k / k!. */
static double bessel(double v) {
  double term = 1, sum = 1;
  for (int k = 1; k < 500 && term > 1e-18 * sum; k++) term *= v * v / 4 / k / k, sum += term;
  return sum;
}
/* And by its integral, the mean of e^(v cos a) over a circle. */
static double naive_bessel(double v) {
  double sum = 0;
  for (int k = 0; k < 256; k++) sum += exp(v * cos(2 * PI * k / 256)) / 256;
  return sum;
}
#define WINDOW(op, LIST, value, naive, ...)                                                                              \
  static cn_code op##_forward(const cn_call *c) {                                                                        \
    const cn_##op##_args *o = c->args;                                                                                   \
    for (int64_t i = 0; i < o->x; i++) {                                                                                 \
      const double t = (double)i / (double)(o->x - 1);                                                                   \
      cni_value_set(c->y[0], i, o->x == 1 ? 1 : (value));                                                                \
    }                                                                                                                    \
    return CN_OK;                                                                                                        \
  }                                                                                                                      \
  static void op##_reference(const cn_reference *r) {                                                                    \
    const cn_##op##_args *o = r->call->args;                                                                             \
    for (int64_t i = 0; i < o->x; i++) {                                                                                 \
      const double n = (double)o->x - 1, s = sin(PI * (double)i / n), q = (double)i;                                     \
      (void)s, (void)q;                                                                                                  \
      r->y[0][i] = o->x == 1 ? 1 : (naive);                                                                              \
    }                                                                                                                    \
  }                                                                                                                      \
  CN_OP(op, LIST, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = window_infer, .forward = op##_forward, .reference = op##_reference, __VA_ARGS__);
#define SIZES .samples = CN_TEXTS("x=7", "x=8", "x=1", "x=2", "x=0", "x=-3"), .rejects = CN_TEXTS(" => x is required", "x=9999999999999 => 9999999999999 elements are too many")
WINDOW(bartlett, CN_LIST_WINDOW, 1 - fabs(2 * t - 1), q < n / 2 ? 2 * q / n : 2 - 2 * q / n, SIZES)
WINDOW(hanning, CN_LIST_WINDOW, 0.5 - 0.5 * cos(2 * PI * t), s * s, SIZES)
WINDOW(hamming, CN_LIST_WINDOW, 0.54 - 0.46 * cos(2 * PI * t), 0.08 + 0.92 * s * s, SIZES)
WINDOW(blackman, CN_LIST_WINDOW, 0.42 - 0.5 * cos(2 * PI * t) + 0.08 * cos(4 * PI * t), s * s - 0.64 * s * s * (1 - s * s), SIZES)
WINDOW(kaiser, CN_LIST_KAISER, bessel(o->beta *sqrt(fmax(1 - (2 * t - 1) * (2 * t - 1), 0))) / bessel(o->beta),
       naive_bessel(o->beta * 2 / n * sqrt(q * (n - q))) / naive_bessel(o->beta),
       .samples = CN_TEXTS("x=7, beta=8.6", "x=8, beta=0", "x=1, beta=2", "x=0, beta=2", "x=2, beta=14"),
       .rejects = CN_TEXTS("x=3 => beta is required", "beta=3 => x is required"))

const cn_op *const cni_ops_signal[] = { &cn_op_cdist,   &cn_op_corrcoef, &cn_op_correlate, &cn_op_histogram, &cn_op_bartlett,
                                        &cn_op_hanning, &cn_op_hamming,  &cn_op_blackman,  &cn_op_kaiser,    NULL };
