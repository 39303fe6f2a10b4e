/* Normalization of channels: batch, group, and the moments; declared in ops_normalization.h. x is seen as [rows, channels, inner]. */
#include "elementwise_private.h"
#include "ops.h"
#include "ops_normalization_private.h"

#define MOST_PARTS 64

typedef struct span { int64_t rows, channels, inner; } span;
static span span_of(const cn_dims *d, int64_t axis) {
  const cni_runs r = cni_axis_runs(d, cni_wrap(axis, d->rank));
  return (span){ r.outer, r.n, r.inner };
}
static int64_t count_of(span s) { return s.rows * s.channels * s.inner; }

/* ---- sums over the rows, divided among threads in parts that are joined in order ---- */
typedef struct job {
  const cni_kernels *k;
  span s;
  size_t w;
  int64_t parts;
  double *first, *second;      /* [parts, channels] */
  const char *x, *gy;
  char *y;
  const void *mean, *a, *b, *c; /* [channels] */
} job;
static job job_of(const cn_call *c, span s) { return (job){ .k = cni_kernels_of(c), .s = s, .w = cni_width_of(c), .x = c->x[0]->data }; }
static int64_t begin_of(const job *j, int64_t p) { return j->s.rows * p / j->parts; }
static size_t offset_of(const job *j, int64_t row) { return (size_t)(row * j->s.channels * j->s.inner) * j->w; }

static void moments_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  for (int64_t p = begin; p < end; p++) {
    const int64_t r = begin_of(j, p), at = p * j->s.channels;
    j->k->channel_moments(j->first + at, j->second + at, j->x + offset_of(j, r), begin_of(j, p + 1) - r, j->s.channels, j->s.inner);
  }
}
static void slopes_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  for (int64_t p = begin; p < end; p++) {
    const int64_t r = begin_of(j, p), at = p * j->s.channels;
    j->k->channel_slopes(j->first + at, j->second + at, j->gy + offset_of(j, r), j->x + offset_of(j, r), j->mean, begin_of(j, p + 1) - r, j->s.channels,
                         j->s.inner);
  }
}
static int64_t parts_of(const cn_graph *g, span s) {
  const int64_t threads = g->core.threads < MOST_PARTS ? g->core.threads : MOST_PARTS, pay = count_of(s) / CNI_GRAIN, most = pay < threads ? pay : threads;
  return most < 2 ? 1 : most < s.rows ? most : s.rows;
}
/* Two rows of doubles a part, and room for `more` rows of x's dtype behind them. */
static bool sums_take(cn_graph *g, job *j, int64_t more, cni_buffer **buffer, char **room) {
  j->parts = parts_of(g, j->s);
  const size_t sums = (size_t)(2 * j->parts * j->s.channels) * sizeof(double);
  char *p = cni_borrow(g, sums + (size_t)(more * j->s.channels + 1) * sizeof(double), buffer);
  if (!p) return false;
  j->first = (double *)(void *)p;
  j->second = j->first + j->parts * j->s.channels;
  *room = p + sums;
  return true;
}
/* first, second [channels]: mean and sum of squared deviations of all rows. */
static void join_moments(const job *j) {
  for (int64_t p = 1; p < j->parts; p++)
    for (int64_t c = 0; c < j->s.channels; c++) {
      const double have = (double)(begin_of(j, p) * j->s.inner), more = (double)((begin_of(j, p + 1) - begin_of(j, p)) * j->s.inner),
                   *m = j->first + p * j->s.channels + c;
      const double d = *m - j->first[c];
      j->first[c] += d * more / (have + more);
      j->second[c] += j->second[p * j->s.channels + c] + d * d * have * more / (have + more);
    }
}
static void join_sums(const job *j) {
  for (int64_t p = 1; p < j->parts; p++)
    for (int64_t c = 0; c < j->s.channels; c++) {
      j->first[c] += j->first[p * j->s.channels + c];
      j->second[c] += j->second[p * j->s.channels + c];
    }
}
static void moments_of_channels(void *ctx, int64_t begin, int64_t end) { /* of a single row */
  const job *j = ctx;
  j->k->channel_moments(j->first + begin, j->second + begin, j->x + (size_t)(begin * j->s.inner) * j->w, 1, end - begin, j->s.inner);
}
static void run_moments(cn_graph *g, job *j) {
  if (j->s.rows == 1) {
    cni_parallel(g, j->s.channels, CNI_GRAIN / (j->s.inner + 1) + 1, moments_of_channels, j);
    return;
  }
  cni_parallel(g, j->parts, 1, moments_part, j);
  join_moments(j);
}
static void run_slopes(cn_graph *g, job *j) {
  cni_parallel(g, j->parts, 1, slopes_part, j);
  join_sums(j);
}

static void affine_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  j->k->channel_affine(j->y + offset_of(j, begin), j->x + offset_of(j, begin), j->mean, j->a, j->b, end - begin, j->s.channels, j->s.inner);
}
static void gradient_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  j->k->channel_gradient(j->y + offset_of(j, begin), j->gy + offset_of(j, begin), j->x + offset_of(j, begin), j->mean, j->a, j->b, j->c, end - begin,
                         j->s.channels, j->s.inner);
}
static int64_t grain_of(span s) { return CNI_GRAIN / (s.channels * s.inner) + 1; }

static double number_at(const void *p, bool wide, int64_t i) { return wide ? ((const double *)p)[i] : (double)((const float *)p)[i]; }
static void number_set(void *p, bool wide, int64_t i, double v) {
  if (wide) ((double *)p)[i] = v;
  else ((float *)p)[i] = (float)v;
}
static double given_at(const cn_tensor *t, int64_t i, double otherwise) { return cni_given(t) ? number_at(t->data, t->dtype == CN_F64, i) : otherwise; }
static double gradient_at(const cn_call *c, int64_t output, int64_t i) { return c->gy[output] ? number_at(c->gy[output], c->x[0]->dtype == CN_F64, i) : 0; }

/* ---- shapes ---- */
static cn_code infer_channels(const cn_call *c, int64_t axis, int64_t parameters) {
  const cn_dims *x = &c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  const int at = cn_axis(c->graph, axis, x->rank);
  if (at < 0) return CN_INDEX;
  for (int64_t i = 1; i <= parameters; i++)
    if (cni_need_parameter(c, i, &(const cn_dims){ 1, { x->d[at] } })) return cn_error_code(c->graph);
  return cni_sig_like(c, x), CN_OK;
}
/* [channels] as it broadcasts against x. */
static cn_tensor *against(cn_graph *g, cn_tensor *p, const cn_dims *x, int64_t axis) {
  cn_dims d = { x->rank, { 0 } };
  for (int i = 0; i < x->rank; i++) d.d[i] = i == cni_wrap(axis, x->rank) ? x->d[i] : 1;
  return cni_to_shape(g, p, &d);
}
/* Sums of d, of x's shape, in `shape`. */
static cn_tensor *channel_sums(cn_graph *g, cn_tensor *d, const cn_dims *x, int64_t axis, const cn_dims *shape) {
  int64_t axes[CN_MAX_RANK], n = 0;
  for (int i = 0; i < x->rank; i++)
    if (i != cni_wrap(axis, x->rank)) axes[n++] = i;
  const cn_ints others = { axes, n };
  return cni_to_shape(g, cn_sum(g, d, .axis = others), shape);
}
static cn_tensor *plus(cn_graph *g, cn_tensor *sum, cn_tensor *term) { return sum ? cn_add(g, sum, term) : term; }
static cn_code zero_gradients(const cn_call *c) {
  for (int64_t i = 0; i < c->nx; i++)
    if (c->gx[i] && c->x[i]->count) memset(c->gx[i], 0, (size_t)c->x[i]->count * cni_width_of(c));
  return CN_OK;
}

/* ---- batch_normalization ---- */
#define BATCH ((const cn_batch_normalization_args *)c->args)
static cn_code batch_normalization_infer(const cn_call *c) { return infer_channels(c, BATCH->axis, 4); }
/* a = scale rstd, b = offset, [channels] each. */
static cn_code batch_normalization_forward(const cn_call *c) {
  const span s = span_of(&c->x[0]->dims, BATCH->axis);
  const bool wide = c->x[0]->dtype == CN_F64;
  cni_buffer *buffer;
  job j = job_of(c, s);
  if (!c->x[0]->count) return CN_OK;
  char *a = cni_borrow(c->graph, (size_t)(2 * s.channels) * j.w, &buffer), *b = a ? a + (size_t)s.channels * j.w : NULL;
  if (!a) return CN_NO_MEMORY;
  for (int64_t i = 0; i < s.channels; i++) {
    number_set(a, wide, i, given_at(c->x[4], i, 1) / sqrt(given_at(c->x[2], i, 0) + BATCH->epsilon));
    number_set(b, wide, i, given_at(c->x[3], i, 0));
  }
  j.y = c->y[0]->data, j.mean = c->x[1]->data, j.a = a, j.b = b;
  cni_parallel(c->graph, s.rows, grain_of(s), affine_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
static cn_code batch_normalization_backward(const cn_call *c) {
  const span s = span_of(&c->x[0]->dims, BATCH->axis);
  const bool wide = c->x[0]->dtype == CN_F64;
  cni_buffer *buffer;
  char *a, *zeros;
  job j = job_of(c, s);
  if (!c->x[0]->count) return zero_gradients(c);
  if (!sums_take(c->graph, &j, 2, &buffer, &a)) return CN_NO_MEMORY;
  zeros = memset(a + (size_t)s.channels * j.w, 0, (size_t)s.channels * j.w);
  j.gy = c->gy[0], j.mean = c->x[1]->data;
  if (c->gx[1] || c->gx[2] || c->gx[3] || c->gx[4]) run_slopes(c->graph, &j);
  for (int64_t i = 0; i < s.channels; i++) {
    const double r = 1 / sqrt(given_at(c->x[2], i, 0) + BATCH->epsilon), scale = given_at(c->x[4], i, 1);
    number_set(a, wide, i, scale * r);
    if (c->gx[1]) number_set(c->gx[1], wide, i, -scale * r * j.first[i]);
    if (c->gx[2]) number_set(c->gx[2], wide, i, -0.5 * scale * r * r * r * j.second[i]);
    if (c->gx[3]) number_set(c->gx[3], wide, i, j.first[i]);
    if (c->gx[4]) number_set(c->gx[4], wide, i, r * j.second[i]);
  }
  j.x = c->gy[0], j.y = c->gx[0], j.mean = zeros, j.a = a, j.b = zeros;
  if (c->gx[0]) cni_parallel(c->graph, s.rows, grain_of(s), affine_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
CNI_VJP(batch_normalization) {
  const cn_batch_normalization_args *o = n->args;
  const cn_dims *x = &n->x[0]->dims, *shape = &n->x[1]->dims;
  cn_tensor *r = cn_rsqrt(g, cn_shift(g, n->x[2], o->epsilon)), *a = cni_given(n->x[4]) ? cn_multiply(g, r, cni_to_shape(g, n->x[4], shape)) : r;
  if (want[0]) gx[0] = cn_multiply(g, gy[0], against(g, a, x, o->axis));
  cn_tensor *plain = want[1] || want[3] ? channel_sums(g, gy[0], x, o->axis, shape) : NULL;
  cn_tensor *with =
      want[2] || want[4] ? channel_sums(g, cn_multiply(g, gy[0], cn_subtract(g, n->x[0], against(g, n->x[1], x, o->axis))), x, o->axis, shape) : NULL;
  if (want[1]) gx[1] = cn_negative(g, cn_multiply(g, a, plain));
  if (want[2])
    gx[2] = cni_to_shape(
        g, cn_scale(g, cn_multiply(g, cni_to_shape(g, cn_multiply(g, a, cn_square(g, r)), &n->x[2]->dims), cni_to_shape(g, with, &n->x[2]->dims)), -0.5),
        &n->x[2]->dims);
  if (want[3]) gx[3] = cni_to_shape(g, plain, &n->x[3]->dims);
  if (want[4]) gx[4] = cni_to_shape(g, cn_multiply(g, r, with), &n->x[4]->dims);
}
static int64_t channel_of(span s, int64_t i) { return i / s.inner % s.channels; }
static void batch_normalization_reference(const cn_reference *r) {
  const cn_batch_normalization_args *o = r->call->args;
  const span s = span_of(&r->call->x[0]->dims, o->axis);
  for (int64_t i = 0; i < r->call->x[0]->count; i++) {
    const int64_t k = channel_of(s, i);
    r->y[0][i] = (r->x[0][i] - r->x[1][k]) / sqrt(r->x[2][k] + o->epsilon) * (r->x[4] ? r->x[4][k] : 1) + (r->x[3] ? r->x[3][k] : 0);
  }
}
CN_OP(batch_normalization, CN_LIST_BATCH_NORMALIZATION, .outputs = 1, .infer = batch_normalization_infer, .forward = batch_normalization_forward,
      .vjp = batch_normalization_vjp, .backward = batch_normalization_backward, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_X(2) | CN_READS_X(4),
      .reference = batch_normalization_reference,
      .samples = CN_TEXTS("f[4,3], f[3], f[3]@0.5:2, f[3], f[3], axis=-1", "f[2,2,3], f[3], f[3]@0.5:2, axis=-1",
                          "f[3,2,4], f[2], f[2]@0.5:2, f[2], axis=1, epsilon=0.1", "f[3,5], f[3], f[3]@0.5:2, f[3], f[3], axis=0",
                          "f[0,3], f[3], f[3]@0.5:2, axis=-1", "f[300,65], f[65], f[65]@0.5:2, f[65], f[65], axis=1"),
      .rejects = CN_TEXTS("f[2,3], f[4], f[4], axis=-1 => mean must have shape [3], got [4]",
                          "f[2,3], f[3], f[2], axis=-1 => variance must have shape [3], got [2]",
                          "f[2,3], f[3], f[3], axis=2 => axis 2 is out of range for rank 2", "f[2,3], f[3], f[3] => axis is required",
                          "i[2,3]@0:3, f[3], f[3], axis=1 => works on float32 and float64"));

/* ---- batch_norm_train ---- */
#define TRAIN ((const cn_batch_norm_train_args *)c->args)
static cn_code batch_norm_train_infer(const cn_call *c) {
  if (infer_channels(c, TRAIN->axis, 2)) return cn_error_code(c->graph);
  const cn_dims *x = &c->x[0]->dims;
  c->sig[1] = c->sig[2] = (cn_sig){ c->sig[0].dtype, { 1, { x->d[cni_wrap(TRAIN->axis, x->rank)] } } };
  return CN_OK;
}
static cn_code batch_norm_train_forward(const cn_call *c) {
  const span s = span_of(&c->x[0]->dims, TRAIN->axis);
  const bool wide = c->x[0]->dtype == CN_F64;
  const double n = (double)(s.rows * s.inner);
  cni_buffer *buffer;
  char *a, *b;
  job j = job_of(c, s);
  if (!c->x[0]->count) return cni_fill(c->y[1], NAN), cni_fill(c->y[2], NAN), CN_OK;
  if (!sums_take(c->graph, &j, 2, &buffer, &a)) return CN_NO_MEMORY;
  b = a + (size_t)s.channels * j.w;
  run_moments(c->graph, &j);
  for (int64_t i = 0; i < s.channels; i++) {
    number_set(c->y[1]->data, wide, i, j.first[i]);
    number_set(c->y[2]->data, wide, i, j.second[i] / n);
    number_set(a, wide, i, given_at(c->x[1], i, 1) / sqrt(j.second[i] / n + TRAIN->epsilon));
    number_set(b, wide, i, given_at(c->x[2], i, 0));
  }
  j.y = c->y[0]->data, j.mean = c->y[1]->data, j.a = a, j.b = b;
  cni_parallel(c->graph, s.rows, grain_of(s), affine_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
/* a, b, d [channels] of gx = gy a + (x - mean) b + d, and the parameters' gradients. */
static void train_factors(const cn_call *c, const job *j, char *a, char *b, char *d) {
  const bool wide = c->x[0]->dtype == CN_F64;
  const double n = (double)(j->s.rows * j->s.inner);
  for (int64_t i = 0; i < j->s.channels; i++) {
    const double r = 1 / sqrt(number_at(c->y[2]->data, wide, i) + TRAIN->epsilon), f = given_at(c->x[1], i, 1) * r;
    number_set(a, wide, i, c->gy[0] ? f : 0);
    number_set(b, wide, i, (-f * r * r * j->second[i] + 2 * gradient_at(c, 2, i)) / n);
    number_set(d, wide, i, (-f * j->first[i] + gradient_at(c, 1, i)) / n);
    if (c->gx[1]) number_set(c->gx[1], wide, i, r * j->second[i]);
    if (c->gx[2]) number_set(c->gx[2], wide, i, j->first[i]);
  }
}
static cn_code batch_norm_train_backward(const cn_call *c) {
  const span s = span_of(&c->x[0]->dims, TRAIN->axis);
  cni_buffer *buffer;
  char *a;
  job j = job_of(c, s);
  if (!c->x[0]->count) return zero_gradients(c);
  if (!sums_take(c->graph, &j, 3, &buffer, &a)) return CN_NO_MEMORY;
  const size_t row = (size_t)s.channels * j.w;
  j.mean = c->y[1]->data;
  j.gy = c->gy[0];
  if (j.gy) run_slopes(c->graph, &j);
  else memset(j.first, 0, (size_t)(2 * j.parts * s.channels) * sizeof(double));
  train_factors(c, &j, a, a + row, a + 2 * row);
  if (!j.gy) j.gy = j.x; /* times 0 */
  j.y = c->gx[0], j.a = a, j.b = a + row, j.c = a + 2 * row;
  if (c->gx[0]) cni_parallel(c->graph, s.rows, grain_of(s), gradient_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
CNI_VJP(batch_norm_train) {
  const cn_batch_norm_train_args *o = n->args;
  const cn_dims *x = &n->x[0]->dims, *shape = &n->y[1]->dims;
  const span s = span_of(x, o->axis);
  const double each = 1 / (double)(s.rows * s.inner);
  cn_tensor *r = cn_rsqrt(g, cn_shift(g, n->y[2], o->epsilon)), *off = cn_subtract(g, n->x[0], against(g, n->y[1], x, o->axis)),
            *h = cn_multiply(g, off, against(g, r, x, o->axis));
  cn_tensor *d = NULL, *plain = gy[0] ? channel_sums(g, gy[0], x, o->axis, shape) : NULL,
            *with = gy[0] ? channel_sums(g, cn_multiply(g, gy[0], h), x, o->axis, shape) : NULL;
  if (want[0] && gy[0]) {
    cn_tensor *f = cni_given(n->x[1]) ? cn_multiply(g, r, cni_to_shape(g, n->x[1], shape)) : r;
    cn_tensor *means = cn_add(g, against(g, cn_scale(g, plain, each), x, o->axis), cn_multiply(g, h, against(g, cn_scale(g, with, each), x, o->axis)));
    d = cn_multiply(g, against(g, f, x, o->axis), cn_subtract(g, gy[0], means));
  }
  if (want[0] && gy[1]) d = plus(g, d, cni_spread(g, against(g, cn_scale(g, gy[1], each), x, o->axis), x));
  if (want[0] && gy[2]) d = plus(g, d, cn_multiply(g, off, against(g, cn_scale(g, gy[2], 2 * each), x, o->axis)));
  gx[0] = d;
  if (want[1] && gy[0]) gx[1] = cni_to_shape(g, with, &n->x[1]->dims);
  if (want[2] && gy[0]) gx[2] = cni_to_shape(g, plain, &n->x[2]->dims);
}
/* mean, variance [channels] */
static void channel_statistics(const cn_reference *r, span s, double *mean, double *variance) {
  const double n = (double)(s.rows * s.inner);
  for (int64_t k = 0; k < s.channels; k++) mean[k] = variance[k] = n > 0 ? 0 : NAN;
  for (int64_t i = 0; i < count_of(s); i++) mean[channel_of(s, i)] += r->x[0][i] / n;
  for (int64_t i = 0; i < count_of(s); i++) variance[channel_of(s, i)] += (r->x[0][i] - mean[channel_of(s, i)]) * (r->x[0][i] - mean[channel_of(s, i)]) / n;
}
static void batch_norm_train_reference(const cn_reference *r) {
  const cn_batch_norm_train_args *o = r->call->args;
  const span s = span_of(&r->call->x[0]->dims, o->axis);
  channel_statistics(r, s, r->y[1], r->y[2]);
  for (int64_t i = 0; i < count_of(s); i++) {
    const int64_t k = channel_of(s, i);
    r->y[0][i] = (r->x[0][i] - r->y[1][k]) / sqrt(r->y[2][k] + o->epsilon) * (r->x[1] ? r->x[1][k] : 1) + (r->x[2] ? r->x[2][k] : 0);
  }
}
CN_OP(batch_norm_train, CN_LIST_BATCH_NORM_TRAIN, .outputs = 3, .infer = batch_norm_train_infer, .forward = batch_norm_train_forward,
      .vjp = batch_norm_train_vjp, .backward = batch_norm_train_backward, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(1) | CN_READS_Y(2),
      .reference = batch_norm_train_reference,
      .samples = CN_TEXTS("f[4,3], f[3], f[3]", "f[2,2,3]", "f[3,2,4], f[2], axis=1, epsilon=0.1", "f[3,5], f[3], f[3], axis=0", "f[300,65], f[65], f[65]",
                          "f[1,3], epsilon=1"),
      .rejects = CN_TEXTS("f[2,3], f[4] => gamma must have shape [3], got [4]", "f[2,3], f[3], f[2] => beta must have shape [3], got [2]",
                          "f[2,3], axis=2 => axis 2 is out of range for rank 2", "i[2,3]@0:3 => works on float32 and float64"));

/* ---- moments ---- */
#define MOMENTS ((const cn_moments_args *)c->args)
static cn_code moments_infer(const cn_call *c) {
  uint32_t bits;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_axes(c->graph, MOMENTS->axes, c->x[0]->dims.rank, &bits)) return cn_error_code(c->graph);
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_reduced_dims(&c->x[0]->dims, bits, MOMENTS->keepdims, &c->sig[0].dims);
  c->sig[1] = c->sig[0];
  return CN_OK;
}
/* Of several blocks [rows, channels], one after the other. */
static void moments_of_blocks(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const int64_t channels = j->s.channels;
  for (int64_t o = begin; o < end; o++)
    j->k->channel_moments(j->first + o * channels, j->second + o * channels, j->x + (size_t)(o * j->s.rows * channels) * j->w, j->s.rows, channels, 1);
}
cn_code cni_moments(cn_graph *g, const cn_tensor *x, uint32_t bits, void *mean, void *variance) {
  const cn_dtype dtype = (cn_dtype)x->dtype;
  const cni_runs r = cni_collapse(&x->dims, bits);
  const bool blocks = r.inner != 1 && r.outer > 1;
  cni_values v;
  cni_buffer *buffer;
  char *none;
  if (!cni_pack(g, &x->dims, dtype, x->data, bits, r, &v)) return CN_NO_MEMORY;
  job j = { .k = cni_kernels_for(g, dtype), .s = { 1, r.outer, r.n }, .w = cn_dtype_size(dtype), .x = v.data };
  if (r.inner != 1) j.s = blocks ? (span){ 1, r.outer * r.inner, r.n } : (span){ r.n, r.inner, 1 };
  const bool ok = sums_take(g, &j, 0, &buffer, &none);
  if (ok && blocks) {
    j.s = (span){ r.n, r.inner, 1 };
    cni_parallel(g, r.outer, CNI_GRAIN / (r.n * r.inner) + 1, moments_of_blocks, &j);
  } else if (ok) {
    run_moments(g, &j);
  }
  for (int64_t i = 0; ok && i < r.outer * r.inner; i++) {
    if (mean) number_set(mean, dtype == CN_F64, i, j.first[i]);
    number_set(variance, dtype == CN_F64, i, j.second[i] / (double)r.n);
  }
  if (ok) cni_buffer_drop(g, buffer, false);
  cni_values_drop(g, &v);
  return ok ? CN_OK : CN_NO_MEMORY;
}
static uint32_t moments_bits(const cn_call *c) {
  uint32_t bits;
  cni_axes(c->graph, MOMENTS->axes, c->x[0]->dims.rank, &bits);
  return bits;
}
static cn_code moments_forward(const cn_call *c) {
  if (!c->x[0]->count) return cni_fill(c->y[0], NAN), cni_fill(c->y[1], NAN), CN_OK;
  return cni_moments(c->graph, c->x[0], moments_bits(c), c->y[0]->data, c->y[1]->data);
}
CNI_VJP(moments) {
  (void)want;
  const cn_moments_args *o = n->args;
  uint32_t bits;
  cn_dims kept;
  cni_axes(g, o->axes, n->x[0]->dims.rank, &bits);
  cni_reduced_dims(&n->x[0]->dims, bits, true, &kept);
  const double each = (double)n->y[0]->count / (double)n->x[0]->count;
  if (gy[0]) gx[0] = cni_spread(g, cn_scale(g, cni_to_shape(g, gy[0], &kept), each), &n->x[0]->dims);
  if (gy[1])
    gx[0] = plus(g, gx[0], cn_multiply(g, cn_scale(g, cni_to_shape(g, gy[1], &kept), 2 * each), cn_subtract(g, n->x[0], cni_to_shape(g, n->y[0], &kept))));
}
static void moments_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_dims *x = &c->x[0]->dims;
  const uint32_t bits = moments_bits(c);
  const double n = c->y[0]->count ? (double)c->x[0]->count / (double)c->y[0]->count : 0;
  for (int64_t k = 0; k < c->y[0]->count; k++) r->y[0][k] = r->y[1][k] = n > 0 ? 0 : NAN;
  for (int second = 0; second < 2; second++) {
    int64_t at[CN_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < c->x[0]->count; i++, cni_next(x, at)) {
      int64_t k = 0;
      for (int a = 0; a < x->rank; a++) k = bits & 1u << a ? k : k * x->d[a] + at[a];
      const double d = r->x[0][i] - r->y[0][k];
      if (second) r->y[1][k] += d * d / n;
      else r->y[0][k] += r->x[0][i] / n;
    }
  }
}
CN_OP(moments, CN_LIST_MOMENTS, .outputs = 2, .infer = moments_infer, .forward = moments_forward, .vjp = moments_vjp, .reads = CN_READS_X(0) | CN_READS_Y(0),
      .reference = moments_reference,
      .samples = CN_TEXTS("f[3,4]", "f[2,3,4], axes=[0]", "f[3,4], axes=[-1], keepdims=true", "f[2,3,4], axes=[1]", "f[2,3,4], axes=[0,2], keepdims=true",
                          "f[5], synchronized=true", "f[300,70], axes=[0]", "f[]", "f[0,3], axes=[1]", "f[2,3], axes=[]"),
      .rejects = CN_TEXTS("f[2,3], axes=[2] => axis 2 is out of range for rank 2", "f[2,3], axes=[0,0] => axis 0 is given twice",
                          "i[2]@0:3 => works on float32 and float64"));

const cn_op *const cni_ops_normalization_channels[] = { &cn_op_batch_normalization, &cn_op_batch_norm_train, &cn_op_moments, &cn_op_group_normalization, NULL };
