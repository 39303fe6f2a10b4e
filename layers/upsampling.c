/* Upsampling: nearest repeats along each axis; every other interpolation is linear in the image and separable, so it is a product with one matrix [out, in] an
 * axis. */
#include "upsampling.h"
#include <math.h>
#include <strings.h>
#include "layer_private.h"

/* Factors of the spatial axes, the first of which is axis `first`. */
typedef struct upsampling upsampling;
typedef struct interpolation {
  const char *name;
  void (*row)(double *w, int64_t n, int64_t i, double scale); /* weights of the n samples in output i; scale: input sizes an output */
} interpolation;
struct upsampling { cn_layer base; int spatial, first; int64_t factor[3]; const interpolation *method; };

/* ---- weights ---- */
static int64_t inside(double i, int64_t n) { return i < 0 ? 0 : i > (double)(n - 1) ? n - 1 : (int64_t)i; }

static void bilinear(double *w, int64_t n, int64_t i, double scale) {
  const double at = ((double)i + 0.5) * scale - 0.5, low = floor(at), t = at - low;
  w[inside(low, n)] += 1 - t;
  w[inside(low + 1, n)] += t;
}

/* Divides by the sum, which samples outside the image are no part of. */
static void normalize(double *w, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += w[k];
  for (int64_t k = 0; k < n && sum != 0; k++) w[k] /= sum;
}

/* Keys' kernel with a = -1/2, whose argument TensorFlow rounds to 1/1024. */
static double keys(double x) {
  x = fabs(x);
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
static void bicubic(double *w, int64_t n, int64_t i, double scale) {
  const double at = ((double)i + 0.5) * scale - 0.5, low = floor(at), t = nearbyint((at - low) * 1024) / 1024;
  for (int k = -1; k <= 2; k++)
    if (low + k >= 0 && low + k < (double)n) w[(int64_t)low + k] += keys(t - k);
  normalize(w, n);
}

static double sinc_window(double x, double radius) {
  const double pi = 3.14159265358979323846;
  x = fabs(x);
  return x > radius ? 0 : x <= 1e-3 ? 1 : radius * sin(pi * x) * sin(pi * x / radius) / (pi * pi * x * x);
}
static void lanczos(double *w, int64_t n, int64_t i, double scale, double radius) {
  const double at = ((double)i + 0.5) * scale;
  for (int64_t k = 0; k < n; k++) w[k] = sinc_window((double)k + 0.5 - at, radius);
  normalize(w, n);
}
static void lanczos3(double *w, int64_t n, int64_t i, double scale) { lanczos(w, n, i, scale, 3); }
static void lanczos5(double *w, int64_t n, int64_t i, double scale) { lanczos(w, n, i, scale, 5); }

static const interpolation interpolations[] = {
  { "nearest", NULL }, { "area", NULL }, { "bilinear", bilinear }, { "bicubic", bicubic }, { "lanczos3", lanczos3 }, { "lanczos5", lanczos5 }
};

/* The matrix [n factor, n] of an axis of n samples. */
static cn_tensor *weights_of(cn_graph *g, const interpolation *method, int64_t n, int64_t factor, cn_dtype dtype) {
  int64_t out;
  size_t bytes;
  if (__builtin_mul_overflow(n, factor, &out) || !cni_size_multiply((size_t)n, (size_t)out, &bytes) || !cni_size_multiply(bytes, sizeof(double), &bytes) ||
      bytes > SIZE_MAX / 2)
    return cn_fail(g, CN_NO_MEMORY, "UpSampling2D: size %lld of an axis of %lld is too large", (long long)factor, (long long)n), NULL;
  double *w = cni_alloc(g, bytes + sizeof *w);
  if (!w) return NULL;
  memset(w, 0, bytes);
  for (int64_t i = 0; i < out; i++) method->row(w + i * n, n, i, 1.0 / (double)factor);
  cn_tensor *t = cn_array_from_doubles(g, dtype, CN_DIMS(out, n), w);
  cni_free(g, w);
  return t;
}

/* ---- the layers ---- */
static bool find_method(upsampling *u, const char *name) {
  for (size_t i = 0; name && i < sizeof interpolations / sizeof *interpolations; i++)
    if (!strcasecmp(name, interpolations[i].name)) return u->method = &interpolations[i], true;
  return cn_fail(u->base.object.graph, CN_VALUE, "interpolation must be nearest, area, bilinear, bicubic, lanczos3 or lanczos5, got \"%s\"",
                 name ? name : "None"),
         false;
}

static bool upsampling_init(cn_object *self, cn_size size, const char *data_format, const char *method, int spatial) {
  if (!cn_layer_init(self)) return false;
  upsampling *u = (upsampling *)(void *)self;
  u->spatial = spatial;
  u->first = cni_channels_first(data_format) ? 2 : 1;
  if (!cni_size_fits(&u->base, "size", size, spatial)) return false;
  for (int i = 0; i < spatial; i++) u->factor[i] = cni_size_at(&size, i);
  return find_method(u, method);
}

static bool upsampling_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const upsampling *u = (const upsampling *)l;
  (void)n;
  *out = *in;
  for (int i = 0; i < u->spatial; i++) {
    int64_t *d = &out->d[u->first + i];
    if (*d != CN_UNKNOWN && __builtin_mul_overflow(*d, u->factor[i], d))
      return cn_fail(l->object.graph, CN_SHAPE, "%s: size %lld of an axis of %lld is too large", l->object.cls->schema.name, (long long)u->factor[i],
                     (long long)in->d[u->first + i]),
             false;
  }
  return true;
}

static cn_tensor *interpolated(const upsampling *u, cn_graph *g, cn_tensor *x, int i) {
  static const char *const subscripts[2][2] = { { "ij,njwc->niwc", "ij,nhjc->nhic" }, { "ij,ncjw->nciw", "ij,nchj->nchi" } };
  cn_tensor *w = weights_of(g, u->method, x->dims.d[u->first + i], u->factor[i], (cn_dtype)x->dtype);
  return w ? cn_einsum(g, CN_TENSORS(w, x), .subscripts = subscripts[u->first - 1][i]) : NULL;
}

static cn_tensor *upsampling_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const upsampling *u = (const upsampling *)l;
  cn_tensor *x = in->x[0];
  cn_dims y;
  if (u->method->row && (x->flags & CNI_SYMBOLIC)) /* the weights need the sizes, which may not be known yet */
    return upsampling_shape(l, &x->dims, 1, &y) ? cni_shape_only(g, (cn_dtype)x->dtype, &y) : NULL;
  for (int i = 0; i < u->spatial && x; i++)
    x = u->method->row ? interpolated(u, g, x, i) : cn_repeat(g, x, .repeats = CN_INTS(u->factor[i]), .axis = u->first + i);
  return x;
}

#define UPSAMPLING(L, LIST, size, format, method, spatial_)                                                      \
  static bool L##_init(cn_object *self) {                                                                        \
    const cn_##L##Options *o = self->options;                                                                    \
    return upsampling_init(self, size, format, method, spatial_);                                                \
  }                                                                                                              \
  CN_LAYER_OF(L, upsampling, LIST, (.init = L##_init), .call = upsampling_call, .output_shape = upsampling_shape, .rank = spatial_ + 2, .per_sample = cni_per_sample)
UPSAMPLING(UpSampling1D, CN_UP_SAMPLING_1D, ((cn_size){ { o->size } }), NULL, "nearest", 1)
UPSAMPLING(UpSampling2D, CN_UP_SAMPLING_2D, o->size, o->data_format, o->interpolation, 2)
UPSAMPLING(UpSampling3D, CN_UP_SAMPLING_3D, o->size, o->data_format, "nearest", 3)
