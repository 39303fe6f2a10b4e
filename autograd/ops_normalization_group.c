/* Group normalization; declared in ops_normalization.h. x is seen as [samples, before, groups, width, behind], width channels a group. */
#include "elementwise_private.h"
#include "ops.h"
#include "ops_normalization_private.h"

typedef struct grouping { int64_t samples, before, groups, width, behind; } grouping;
#define ARGS(c) ((const cn_group_normalization_args *)(c)->args)

static int64_t groups_of(const cn_group_normalization_args *o, int64_t channels) { return o->groups == -1 ? channels : o->groups; }
static grouping grouping_of(const cn_dims *x, const cn_group_normalization_args *o) {
  const int axis = cni_wrap(o->axis, x->rank);
  const cni_runs r = cni_axis_runs(x, axis);
  const int64_t groups = groups_of(o, r.n);
  return (grouping){ x->d[0], x->d[0] ? r.outer / x->d[0] : 0, groups, groups ? r.n / groups : 0, r.inner };
}
static int64_t sample_count(grouping s) { return s.before * s.groups * s.width * s.behind; }
static double group_count(grouping s) { return (double)(s.before * s.width * s.behind); }

static cn_code infer(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims;
  const cn_group_normalization_args *o = ARGS(c);
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (x->rank < 2) return cn_fail(c->graph, CN_SHAPE, "needs samples and channels");
  const int axis = cn_axis(c->graph, o->axis, x->rank);
  if (axis < 0) return CN_INDEX;
  if (!axis) return cn_fail(c->graph, CN_VALUE, "axis 0 is the samples'");
  const int64_t channels = x->d[axis];
  if (o->groups < 1 && o->groups != -1) return cn_fail(c->graph, CN_VALUE, "groups must be positive or -1, got %lld", (long long)o->groups);
  if (channels == CN_UNKNOWN) return cn_fail(c->graph, CN_SHAPE, "the number of channels must be known");
  if (channels % groups_of(o, channels ? channels : 1))
    return cn_fail(c->graph, CN_VALUE, "%lld channels do not make %lld groups", (long long)channels, (long long)o->groups);
  for (int64_t i = 1; i <= 2; i++)
    if (cni_need_parameter(c, i, &(const cn_dims){ 1, { channels } })) return cn_error_code(c->graph);
  cni_sig_like(c, x);
  c->sig[1] = c->sig[2] = (cn_sig){ c->sig[0].dtype, { 5, { x->d[0], 1, groups_of(o, channels), 1, 1 } } };
  return CN_OK;
}

/* One sample's share of the work: numbers [channels] each, `sums` in double, `rows` of x's dtype. */
typedef struct job {
  const cn_call *c;
  const cni_kernels *k;
  grouping s;
  size_t w;
  double *sums;  /* [samples, 2, channels] */
  char *rows;    /* [samples, 4, channels]: mean, a, b, c */
  const void *gy;
} job;
static bool job_take(const cn_call *c, job *j, cni_buffer **buffer) {
  *j = (job){ .c = c, .k = cni_kernels_of(c), .s = grouping_of(&c->x[0]->dims, ARGS(c)), .w = cni_width_of(c), .gy = c->gy ? c->gy[0] : NULL };
  const size_t n = (size_t)(j->s.samples * j->s.groups * j->s.width);
  char *p = cni_borrow(c->graph, n * 2 * sizeof(double) + n * 4 * j->w, buffer);
  j->sums = (double *)(void *)p;
  j->rows = p + n * 2 * sizeof(double);
  return p;
}
static double number_at(const void *p, bool wide, int64_t i) { return wide ? ((const double *)p)[i] : (double)((const float *)p)[i]; }
static void number_set(void *p, bool wide, int64_t i, double v) {
  if (wide) ((double *)p)[i] = v;
  else ((float *)p)[i] = (float)v;
}
static double given_at(const cn_tensor *t, int64_t i, double otherwise) { return cni_given(t) ? number_at(t->data, t->dtype == CN_F64, i) : otherwise; }

/* Mean and rstd of group `at` of all, from its channels' moments: all have as many elements. */
static void group_moments(const job *j, const double *mean, const double *squares, int64_t first, int64_t at) {
  const bool wide = j->c->x[0]->dtype == CN_F64;
  double m = 0, s = 0;
  for (int64_t i = first; i < first + j->s.width; i++) m += mean[i] / (double)j->s.width;
  for (int64_t i = first; i < first + j->s.width; i++) s += squares[i] + (double)(j->s.before * j->s.behind) * (mean[i] - m) * (mean[i] - m);
  number_set(j->c->y[1]->data, wide, at, m);
  number_set(j->c->y[2]->data, wide, at, 1 / sqrt(s / group_count(j->s) + ARGS(j->c)->epsilon));
}

static void forward_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const cn_call *c = j->c;
  const bool wide = c->x[0]->dtype == CN_F64;
  const int64_t channels = j->s.groups * j->s.width;
  for (int64_t b = begin; b < end; b++) {
    const size_t at = (size_t)(b * sample_count(j->s)) * j->w, row = (size_t)channels * j->w;
    double *sums = j->sums + 2 * b * channels;
    char *mean = j->rows + 4 * (size_t)b * row, *a = mean + row, *d = a + row;
    j->k->channel_moments(sums, sums + channels, (const char *)c->x[0]->data + at, j->s.before, channels, j->s.behind);
    for (int64_t k = 0; k < j->s.groups; k++) group_moments(j, sums, sums + channels, k * j->s.width, b * j->s.groups + k);
    for (int64_t i = 0; i < channels; i++) {
      const int64_t group = b * j->s.groups + i / j->s.width;
      number_set(mean, wide, i, number_at(c->y[1]->data, wide, group));
      number_set(a, wide, i, given_at(c->x[1], i, 1) * number_at(c->y[2]->data, wide, group));
      number_set(d, wide, i, given_at(c->x[2], i, 0));
    }
    j->k->channel_affine((char *)c->y[0]->data + at, (const char *)c->x[0]->data + at, mean, a, d, j->s.before, channels, j->s.behind);
  }
}
static int64_t grain_of(const job *j) { return CNI_GRAIN / 2 / sample_count(j->s) + 1; }
static cn_code forward(const cn_call *c) {
  cni_buffer *buffer;
  job j;
  if (!c->x[0]->count) return cni_fill(c->y[1], NAN), cni_fill(c->y[2], NAN), CN_OK;
  if (!job_take(c, &j, &buffer)) return CN_NO_MEMORY;
  cni_parallel(c->graph, j.s.samples, grain_of(&j), forward_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}

/* a, b, d [channels] of gx = gy a + (x - mean) b + d for one sample; sums: of gy and of gy (x - mean), the latter then times rstd. */
static void factors(const job *j, int64_t sample, double *plain, double *with, char *a, char *b, char *d) {
  const cn_call *c = j->c;
  const bool wide = c->x[0]->dtype == CN_F64;
  const double n = group_count(j->s);
  for (int64_t k = 0; k < j->s.groups; k++) {
    const int64_t group = sample * j->s.groups + k, first = k * j->s.width;
    const double r = number_at(c->y[2]->data, wide, group), gmean = c->gy[1] ? number_at(c->gy[1], wide, group) : 0,
                 grstd = c->gy[2] ? number_at(c->gy[2], wide, group) : 0;
    double p = 0, q = 0;
    for (int64_t i = first; i < first + j->s.width; i++) {
      with[i] *= r;
      p += given_at(c->x[1], i, 1) * plain[i];
      q += given_at(c->x[1], i, 1) * with[i];
    }
    for (int64_t i = first; i < first + j->s.width; i++) {
      number_set(a, wide, i, j->gy == c->x[0]->data ? 0 : given_at(c->x[1], i, 1) * r);
      number_set(b, wide, i, -r * r * (q + r * grstd) / n);
      number_set(d, wide, i, (gmean - r * p) / n);
    }
  }
}
static void backward_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const cn_call *c = j->c;
  const bool wide = c->x[0]->dtype == CN_F64;
  const int64_t channels = j->s.groups * j->s.width;
  for (int64_t b = begin; b < end; b++) {
    const size_t at = (size_t)(b * sample_count(j->s)) * j->w, row = (size_t)channels * j->w;
    double *sums = j->sums + 2 * b * channels;
    char *mean = j->rows + 4 * (size_t)b * row, *a = mean + row, *e = a + row, *d = e + row;
    const char *x = (const char *)c->x[0]->data + at, *gy = (const char *)j->gy + at;
    for (int64_t i = 0; i < channels; i++) number_set(mean, wide, i, number_at(c->y[1]->data, wide, b * j->s.groups + i / j->s.width));
    if (c->gy[0]) j->k->channel_slopes(sums, sums + channels, gy, x, mean, j->s.before, channels, j->s.behind);
    else memset(sums, 0, (size_t)(2 * channels) * sizeof(double));
    factors(j, b, sums, sums + channels, a, e, d);
    if (c->gx[0]) j->k->channel_gradient((char *)c->gx[0] + at, gy, x, mean, a, e, d, j->s.before, channels, j->s.behind);
  }
}
static cn_code backward(const cn_call *c) {
  const bool wide = c->x[0]->dtype == CN_F64;
  cni_buffer *buffer;
  job j;
  for (int i = 0; i < 3 && !c->x[0]->count; i++)
    if (c->gx[i] && c->x[i]->count) memset(c->gx[i], 0, (size_t)c->x[i]->count * cni_width_of(c));
  if (!c->x[0]->count) return CN_OK;
  if (!job_take(c, &j, &buffer)) return CN_NO_MEMORY;
  if (!j.gy) j.gy = c->x[0]->data; /* times 0 */
  cni_parallel(c->graph, j.s.samples, grain_of(&j), backward_part, &j);
  for (int64_t i = 0, channels = j.s.groups * j.s.width; i < channels && (c->gx[1] || c->gx[2]); i++) {
    double gamma = 0, beta = 0;
    for (int64_t b = 0; b < j.s.samples; b++) {
      beta += j.sums[2 * b * channels + i];
      gamma += j.sums[(2 * b + 1) * channels + i];
    }
    if (c->gx[1]) number_set(c->gx[1], wide, i, gamma);
    if (c->gx[2]) number_set(c->gx[2], wide, i, beta);
  }
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}

static cn_tensor *plus(cn_graph *g, cn_tensor *sum, cn_tensor *term) { return sum ? cn_add(g, sum, term) : term; }
static void group_normalization_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const grouping s = grouping_of(&n->x[0]->dims, n->args);
  const cn_dims wide = { 5, { s.samples, s.before, s.groups, s.width, s.behind } }, parameter = { 5, { 1, 1, s.groups, s.width, 1 } };
  const double each = 1 / group_count(s);
  cn_tensor *r = n->y[2], *h = cn_multiply(g, cn_subtract(g, cni_to_shape(g, n->x[0], &wide), n->y[1]), r), *d = NULL,
            *up = gy[0] ? cni_to_shape(g, gy[0], &wide) : NULL;
  if (want[0] && up) {
    cn_tensor *e = cni_given(n->x[1]) ? cn_multiply(g, up, cni_to_shape(g, n->x[1], &parameter)) : up;
    cn_tensor *m = cn_mean(g, e, .axis = CN_INTS(1, 3, 4), .keepdims = true), *q = cn_mean(g, cn_multiply(g, e, h), .axis = CN_INTS(1, 3, 4), .keepdims = true);
    d = cn_multiply(g, r, cn_subtract(g, cn_subtract(g, e, m), cn_multiply(g, h, q)));
  }
  if (want[0] && gy[1]) d = plus(g, d, cni_spread(g, cn_scale(g, gy[1], each), &wide));
  if (want[0] && gy[2]) d = plus(g, d, cn_multiply(g, cn_scale(g, cn_multiply(g, gy[2], cn_square(g, r)), -each), h));
  if (d) gx[0] = cni_to_shape(g, d, &n->x[0]->dims);
  if (want[1] && up) gx[1] = cni_to_shape(g, cn_sum(g, cn_multiply(g, up, h), .axis = CN_INTS(0, 1, 4)), &n->x[1]->dims);
  if (want[2] && up) gx[2] = cni_to_shape(g, cn_sum(g, up, .axis = CN_INTS(0, 1, 4)), &n->x[2]->dims);
}

static int64_t group_at(grouping s, int64_t i, int64_t *channel) {
  *channel = i / s.behind % (s.groups * s.width);
  return i / sample_count(s) * s.groups + *channel / s.width;
}
static void group_normalization_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const grouping s = grouping_of(&c->x[0]->dims, c->args);
  const double n = group_count(s);
  int64_t k;
  for (int64_t i = 0; i < c->y[1]->count; i++) r->y[1][i] = r->y[2][i] = c->x[0]->count ? 0 : NAN;
  for (int64_t i = 0; i < c->x[0]->count; i++) r->y[1][group_at(s, i, &k)] += r->x[0][i] / n;
  for (int64_t i = 0; i < c->x[0]->count; i++) r->y[2][group_at(s, i, &k)] += pow(r->x[0][i] - r->y[1][group_at(s, i, &k)], 2) / n;
  for (int64_t i = 0; i < c->y[1]->count; i++) r->y[2][i] = 1 / sqrt(r->y[2][i] + ARGS(c)->epsilon);
  for (int64_t i = 0; i < c->x[0]->count; i++) {
    const int64_t at = group_at(s, i, &k);
    r->y[0][i] = (r->x[0][i] - r->y[1][at]) * r->y[2][at] * (r->x[1] ? r->x[1][k] : 1) + (r->x[2] ? r->x[2][k] : 0);
  }
}
CN_OP(group_normalization, CN_LIST_GROUP_NORMALIZATION, .outputs = 3, .kept = 2, .infer = infer, .forward = forward, .vjp = group_normalization_vjp,
      .backward = backward, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(1) | CN_READS_Y(2), .reference = group_normalization_reference,
      .samples = CN_TEXTS("f[2,3,4], f[4], f[4], groups=2", "f[2,4,3], f[4], f[4], groups=2, axis=1", "f[3,6], f[6], groups=3", "f[2,2,6], groups=1",
                          "f[2,3,2,2], f[3], f[3], groups=-1, axis=1", "f[2,2,4,3], f[4], f[4], groups=2, axis=2, epsilon=0.1", "f[0,4], f[4], groups=2",
                          "f[3,40,66], f[66], f[66], groups=3"),
      .rejects = CN_TEXTS("f[2,5], groups=2 => 5 channels do not make 2 groups", "f[2,4], groups=0 => groups must be positive or -1, got 0",
                          "f[4], groups=2 => needs samples and channels", "f[2,4], groups=2, axis=0 => axis 0 is the samples'",
                          "f[2,4], f[3], groups=2 => gamma must have shape [4], got [3]", "f[2,4], groups=2, axis=2 => axis 2 is out of range for rank 2",
                          "i[2,4]@0:3, groups=2 => works on float32 and float64"));
