#include "initializer.h"
#include <math.h>
#include "layer_private.h"

#define FILL(name) static bool name(const cn_object *self, cn_graph *g, const cn_dims *dims, cn_stream *s, double *y, int64_t n)
#define UNUSED (void)self, (void)g, (void)dims, (void)s

static bool fill_with(double *y, int64_t n, double v) {
  for (int64_t i = 0; i < n; i++) y[i] = v;
  return true;
}
FILL(zeros) { return UNUSED, fill_with(y, n, 0); }
FILL(ones) { return UNUSED, fill_with(y, n, 1); }
FILL(constant) { return UNUSED, fill_with(y, n, ((const cn_initializer_ConstantOptions *)self->options)->value); }

FILL(identity) {
  UNUSED;
  if (dims->rank != 2) return cn_fail(g, CN_SHAPE, "Identity: rank must be 2, got %d", dims->rank), false;
  fill_with(y, n, 0);
  for (int64_t i = 0; i < dims->d[0] && i < dims->d[1]; i++) y[i * dims->d[1] + i] = ((const cn_initializer_IdentityOptions *)self->options)->gain;
  return true;
}

FILL(random_normal) {
  UNUSED;
  const cn_initializer_RandomNormalOptions *o = self->options;
  return cn_random_fill_normal(s, CN_F64, y, n, o->mean, o->stddev), true;
}
FILL(truncated_normal) {
  UNUSED;
  const cn_initializer_TruncatedNormalOptions *o = self->options;
  return cn_random_fill_truncated_normal(s, CN_F64, y, n, o->mean, o->stddev), true;
}
FILL(random_uniform) {
  UNUSED;
  const cn_initializer_RandomUniformOptions *o = self->options;
  return cn_random_fill_uniform(s, CN_F64, y, n, o->minval, o->maxval), true;
}

/* ---- variance scaling ---- */
typedef struct scaling { double scale; const char *mode, *distribution; cn_ints input_axes, output_axes; } scaling;

static bool axes_product(cn_graph *g, const cn_dims *dims, cn_ints axes, double *product) {
  *product = 1;
  for (int64_t i = 0; i < axes.n; i++) {
    const int axis = cn_axis(g, axes.v[i], dims->rank);
    if (axis < 0) return false;
    *product *= (double)dims->d[axis];
  }
  return true;
}

/* Keras' compute_fans: the last two axes are in and out, the others the receptive field. */
static bool fans(cn_graph *g, const cn_dims *dims, const scaling *v, double *in, double *out) {
  const int r = dims->rank;
  double field = 1;
  for (int i = 0; i + 2 < r; i++) field *= (double)dims->d[i];
  *in = r == 0 ? 1 : r == 1 ? (double)dims->d[0] : (double)dims->d[r - 2] * field;
  *out = r == 0 ? 1 : r == 1 ? (double)dims->d[0] : (double)dims->d[r - 1] * field;
  if (v->input_axes.n >= 0 && !axes_product(g, dims, v->input_axes, in)) return false;
  return v->output_axes.n < 0 || axes_product(g, dims, v->output_axes, out);
}

static bool fill_scaled(cn_graph *g, const scaling *v, const cn_dims *dims, cn_stream *s, double *y, int64_t n) {
  double in, out;
  if (!fans(g, dims, v, &in, &out)) return false;
  const double fan = !strcmp(v->mode, "fan_in") ? in : !strcmp(v->mode, "fan_out") ? out : (in + out) / 2, variance = v->scale / fmax(1, fan);
  if (!strcmp(v->distribution, "uniform")) cn_random_fill_uniform(s, CN_F64, y, n, -sqrt(3 * variance), sqrt(3 * variance));
  else if (!strcmp(v->distribution, "untruncated_normal")) cn_random_fill_normal(s, CN_F64, y, n, 0, sqrt(variance));
  else cn_random_fill_truncated_normal(s, CN_F64, y, n, 0, sqrt(variance) / 0.87962566103423978);
  return true;
}

FILL(variance_scaling) {
  const cn_initializer_VarianceScalingOptions *o = self->options;
  return fill_scaled(g, &(const scaling){ o->scale, o->mode, o->distribution, o->input_axes, o->output_axes }, dims, s, y, n);
}

static bool one_of(const char *text, const char *const *names) {
  for (; text && *names; names++)
    if (!strcmp(text, *names)) return true;
  return false;
}
static bool variance_scaling_init(cn_object *self) {
  static const char *const modes[] = { "fan_in", "fan_out", "fan_avg", NULL }, *const distributions[] = { "uniform", "truncated_normal", "untruncated_normal",
                                                                                                          "normal", NULL };
  const cn_initializer_VarianceScalingOptions *o = self->options;
  if (!one_of(o->mode, modes)) return cn_fail(self->graph, CN_VALUE, "mode must be fan_in, fan_out or fan_avg, got \"%s\"", o->mode ? o->mode : "None"), false;
  if (!one_of(o->distribution, distributions))
    return cn_fail(self->graph, CN_VALUE, "distribution must be truncated_normal, untruncated_normal or uniform, got \"%s\"",
                   o->distribution ? o->distribution : "None"),
           false;
  return true;
}

#define NAMED_SCALING(name, C, scale, mode, distribution)                                                                              \
  FILL(name) {                                                                                                                         \
    const cn_initializer_##C##Options *o = self->options;                                                                              \
    return fill_scaled(g, &(const scaling){ scale, mode, distribution, o->input_axes, o->output_axes }, dims, s, y, n);                \
  }
NAMED_SCALING(glorot_uniform, GlorotUniform, 1, "fan_avg", "uniform")
NAMED_SCALING(glorot_normal, GlorotNormal, 1, "fan_avg", "truncated_normal")
NAMED_SCALING(lecun_uniform, LecunUniform, 1, "fan_in", "uniform")
NAMED_SCALING(lecun_normal, LecunNormal, 1, "fan_in", "truncated_normal")
NAMED_SCALING(he_uniform, HeUniform, 2, "fan_in", "uniform")
NAMED_SCALING(he_normal, HeNormal, 2, "fan_in", "truncated_normal")

/* ---- orthogonal ---- */
/* LAPACK, which OpenBLAS brings: column-major, 32-bit integers. */
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work, const int *lwork, int *info);

/* a: a normal matrix, wide columns of tall numbers; becomes orthonormal columns with the signs of R's diagonal. work: 3 * wide numbers. */
static bool orthonormal(cn_graph *g, double *a, double *work, int64_t tall, int64_t wide) {
  if (tall > INT32_MAX) return cn_fail(g, CN_UNSUPPORTED, "Orthogonal: %lld rows are too many", (long long)tall), false;
  const int m = (int)tall, n = (int)wide;
  double *tau = work, *sign = work + wide, *space = work + 2 * wide;
  int info = 0;
  dgeqrf_(&m, &n, a, &m, tau, space, &n, &info);
  for (int64_t j = 0; j < wide; j++) sign[j] = a[j * tall + j] < 0 ? -1 : 1;
  if (!info) dorgqr_(&m, &n, &n, a, &m, tau, space, &n, &info);
  if (info) return cn_fail(g, CN_VALUE, "Orthogonal: the decomposition failed"), false;
  for (int64_t j = 0; j < wide; j++)
    for (int64_t i = 0; i < tall; i++) a[j * tall + i] *= sign[j];
  return true;
}

FILL(orthogonal) {
  const cn_initializer_OrthogonalOptions *o = self->options;
  if (dims->rank < 2) return cn_fail(g, CN_SHAPE, "Orthogonal: rank must be at least 2, got %d", dims->rank), false;
  const int64_t cols = dims->d[dims->rank - 1], rows = cols ? n / cols : 0, tall = rows > cols ? rows : cols, wide = rows > cols ? cols : rows;
  if (!n) return true;
  double *a = cni_alloc(g, (size_t)(tall * wide) * sizeof *a), *work = a ? cni_alloc(g, (size_t)wide * 3 * sizeof *work) : NULL;
  bool ok = work != NULL;
  if (ok) {
    cn_random_fill_normal(s, CN_F64, a, tall * wide, 0, 1);
    ok = orthonormal(g, a, work, tall, wide);
    for (int64_t i = 0; ok && i < rows; i++)
      for (int64_t j = 0; j < cols; j++) y[i * cols + j] = o->gain * (rows >= cols ? a[j * tall + i] : a[i * tall + j]);
  }
  cni_free(g, work);
  cni_free(g, a);
  return ok;
}

/* ---- STFT ---- */
/* Windows that are sums of cosines: sum over k of (-1)^k a_k cos(2 pi k i / span). */
static const struct {
  const char *name;
  double a[5];
} windows[] = { { "boxcar", { 1 } }, { "hann", { 0.5, 0.5 } }, { "hamming", { 0.54, 0.46 } }, { "blackman", { 0.42, 0.5, 0.08 } },
                { "nuttall", { 0.3635819, 0.4891775, 0.1365995, 0.0106411 } }, { "blackmanharris", { 0.35875, 0.48829, 0.14128, 0.01168 } },
                { "flattop", { 0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368 } } };
#define WINDOWS ((int)(sizeof windows / sizeof *windows))

static int window_of(const char *name) {
  for (int k = 0; k < WINDOWS; k++)
    if (!strcmp(windows[k].name, name)) return k;
  return -1;
}
static double window_at(const cn_initializer_STFTOptions *o, int64_t i, int64_t n) {
  if (!o->window || n == 1) return 1;
  const double angle = 2 * M_PI * (double)i / (double)(o->periodic ? n : n - 1), *a = windows[window_of(o->window)].a;
  return a[0] - a[1] * cos(angle) + a[2] * cos(2 * angle) - a[3] * cos(3 * angle) + a[4] * cos(4 * angle);
}

FILL(stft) {
  (void)s;
  const cn_initializer_STFTOptions *o = self->options;
  if (dims->rank != 3) return cn_fail(g, CN_SHAPE, "STFT: rank must be 3, got %d", dims->rank), false;
  const int64_t frames = dims->d[0], middle = dims->d[1], bins = dims->d[2], length = (bins - 1) * 2;
  double norm = 0, sum = 0;
  for (int64_t i = 0; i < frames; i++) {
    const double w = window_at(o, i, frames);
    norm += w * w;
    sum += w;
  }
  const double scale = !o->scaling || !o->window ? 1 : 1 / (!strcmp(o->scaling, "density") ? sqrt(norm) : fabs(sum));
  (void)n;
  for (int64_t i = 0; i < frames; i++)
    for (int64_t k = 0; k < bins; k++) {
      const double angle = -2 * M_PI / (double)(length ? length : 1) * (double)k * (double)i,
                   v = window_at(o, i, frames) * scale * (!strcmp(o->side, "imag") ? sin(angle) : cos(angle));
      for (int64_t m = 0; m < middle; m++) y[(i * middle + m) * bins + k] = v;
    }
  return true;
}

static bool stft_init(cn_object *self) {
  static const char *const sides[] = { "real", "imag", NULL }, *const scalings[] = { "density", "spectrum", NULL };
  const cn_initializer_STFTOptions *o = self->options;
  if (!one_of(o->side, sides)) return cn_fail(self->graph, CN_VALUE, "side must be real or imag, got \"%s\"", o->side ? o->side : "None"), false;
  if (o->window && window_of(o->window) < 0)
    return cn_fail(self->graph, CN_UNSUPPORTED, "window must be None or a sum of cosines (hann, hamming, blackman, ...), got \"%s\"", o->window), false;
  if (o->scaling && !one_of(o->scaling, scalings))
    return cn_fail(self->graph, CN_VALUE, "scaling must be density, spectrum or None, got \"%s\"", o->scaling), false;
  return true;
}

/* ---- the classes ---- */
#define INITIALIZER(C, LIST, fill_, ...)                            \
  static const cn_initializer_methods C##_methods = { .fill = fill_ }; \
  CN_OBJECT(initializer, INITIALIZER, C, LIST, .methods = &C##_methods, __VA_ARGS__)
static const char *const zero_names[] = { "zero", NULL }, *const one_names[] = { "one", NULL }, *const normal_names[] = { "normal", NULL },
                         *const uniform_names[] = { "uniform", NULL }, *const identity_names[] = { "IdentityInitializer", NULL },
                         *const orthogonal_names[] = { "OrthogonalInitializer", NULL }, *const stft_names[] = { "STFTInitializer", NULL };
INITIALIZER(Zeros, CN_NO_OPTIONS, zeros, .aliases = zero_names)
INITIALIZER(Ones, CN_NO_OPTIONS, ones, .aliases = one_names)
INITIALIZER(Constant, CN_INITIALIZER_CONSTANT, constant, .init = NULL)
INITIALIZER(Identity, CN_INITIALIZER_IDENTITY, identity, .aliases = identity_names)
INITIALIZER(RandomNormal, CN_INITIALIZER_NORMAL, random_normal, .aliases = normal_names)
INITIALIZER(TruncatedNormal, CN_INITIALIZER_NORMAL, truncated_normal, .init = NULL)
INITIALIZER(RandomUniform, CN_INITIALIZER_UNIFORM, random_uniform, .aliases = uniform_names)
INITIALIZER(VarianceScaling, CN_INITIALIZER_VARIANCE_SCALING, variance_scaling, .init = variance_scaling_init)
INITIALIZER(GlorotUniform, CN_INITIALIZER_NAMED_SCALING, glorot_uniform, .init = NULL)
INITIALIZER(GlorotNormal, CN_INITIALIZER_NAMED_SCALING, glorot_normal, .init = NULL)
INITIALIZER(LecunUniform, CN_INITIALIZER_NAMED_SCALING, lecun_uniform, .init = NULL)
INITIALIZER(LecunNormal, CN_INITIALIZER_NAMED_SCALING, lecun_normal, .init = NULL)
INITIALIZER(HeUniform, CN_INITIALIZER_NAMED_SCALING, he_uniform, .init = NULL)
INITIALIZER(HeNormal, CN_INITIALIZER_NAMED_SCALING, he_normal, .init = NULL)
INITIALIZER(Orthogonal, CN_INITIALIZER_ORTHOGONAL, orthogonal, .aliases = orthogonal_names)
INITIALIZER(STFT, CN_INITIALIZER_STFT, stft, .aliases = stft_names, .init = stft_init)
const cn_class *const cni_initializer_classes[] = { &cn_class_initializer_Zeros, &cn_class_initializer_Ones, &cn_class_initializer_Constant,
                                                    &cn_class_initializer_Identity, &cn_class_initializer_RandomNormal, &cn_class_initializer_TruncatedNormal,
                                                    &cn_class_initializer_RandomUniform, &cn_class_initializer_VarianceScaling,
                                                    &cn_class_initializer_GlorotUniform, &cn_class_initializer_GlorotNormal, &cn_class_initializer_LecunUniform,
                                                    &cn_class_initializer_LecunNormal, &cn_class_initializer_HeUniform, &cn_class_initializer_HeNormal,
                                                    &cn_class_initializer_Orthogonal, &cn_class_initializer_STFT, NULL };

/* ---- use ---- */
cn_object *cn_initializer_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_layers_factory.from_text(g, CN_KIND_INITIALIZER, text) : NULL; }

/* An object's stream: from its seed, the same at every call; without one, a new one of the graph. */
static cn_stream stream_of(cn_graph *g, const cn_object *o) {
  const int i = cni_option_find(&o->cls->schema, "seed");
  const int64_t seed = i < 0 ? 0 : *(const int64_t *)cni_option_at_const(&o->cls->schema, o->options, i);
  return i < 0 || seed == CN_NONE ? cn_stream_new(g) : (cn_stream){ (uint64_t)seed, 0 };
}

static cn_tensor *from_object(cn_graph *g, const cn_object *o, const cn_dims *dims, cn_dtype dtype) {
  cn_tensor *t = cn_zeros(g, dtype, dims);
  if (!t || !t->count) return t;
  double *y = dtype == CN_F64 ? t->data : cni_alloc(g, (size_t)t->count * sizeof *y);
  if (!y) return NULL;
  cn_stream s = stream_of(g, o);
  const bool ok = ((const cn_initializer_methods *)o->cls->methods)->fill(o, g, dims, &s, y, t->count);
  if (dtype != CN_F64) {
    for (int64_t i = 0; ok && i < t->count; i++) cni_value_set(t, i, y[i]);
    cni_free(g, y);
  }
  return ok ? t : NULL;
}

static cn_tensor *from_function(cn_graph *g, const cn_ref *r, const cn_dims *dims, cn_dtype dtype) {
  cn_tensor *t = r->fn(g, cn_zeros(g, dtype, dims), r->user);
  if (!t || (cn_dims_equal(&t->dims, dims) && t->dtype == dtype)) return t;
  cn_fail(g, CN_SHAPE, "the initializer function returned another shape or data type than the weight's");
  return NULL;
}

cn_tensor *cn_initialize(cn_graph *g, const cn_ref *r, const cn_dims *dims, cn_dtype dtype) {
  if (!cn_ok(g)) return NULL;
  cn_ref found = *r;
  cn_object *o = cni_ref_resolve(g, CN_KIND_INITIALIZER, &found, &cni_layers_factory);
  if (!cn_ok(g)) return NULL;
  if (!o && !found.fn) return cn_zeros(g, dtype, dims);
  cn_tensor *t = o ? from_object(g, o, dims, dtype) : from_function(g, &found, dims, dtype);
  if (o != r->object) cn_object_free(o);
  return t;
}

bool cn_register_initializer(cn_graph *g, const char *name, cn_function fn, void *user) {
  return cn_register_function(g, CN_KIND_INITIALIZER, name, fn, NULL, user);
}
