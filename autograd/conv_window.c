/* What strides, padding, dilation and data format mean for given shapes. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "conv_private.h"
#include "../core/options_private.h"
#include "slope_private.h"

#define LARGEST ((int64_t)INT32_MAX) /* of a stride, dilation or padding */

static bool known(int64_t v) { return v != CN_UNKNOWN; }

cn_code cni_window_dtypes(const cn_call *c) {
  for (int64_t i = 0; i < c->nx; i++)
    if (cni_given(c->x[i]) && (!cni_is_float((cn_dtype)c->x[i]->dtype) || c->x[i]->dtype != c->x[0]->dtype))
      return cn_fail(c->graph, CN_DTYPE, "needs inputs of float32 or of float64, all of one");
  return CN_OK;
}

/* ---- options ---- */
/* One number, or one an axis, as the last `axes` of three. */
static cn_code per_axis(cn_graph *g, const char *name, const int64_t *v, int64_t n, int axes, int64_t least, int64_t *to) {
  if (n != 1 && n != axes) return cn_fail(g, CN_VALUE, "%s has %lld numbers for %d axes", name, (long long)n, axes);
  for (int i = 0; i < axes; i++) {
    const int64_t one = v[n == 1 ? 0 : i];
    if (one < least || one > LARGEST)
      return cn_fail(g, CN_VALUE, "%s must %s, got %lld", name,
                     one >= least ? "be at most 2^31 - 1"
                     : least      ? "be positive"
                                  : "not be negative",
                     (long long)one);
    to[3 - axes + i] = one;
  }
  return CN_OK;
}

static cn_code size_per_axis(cn_graph *g, const char *name, const cn_size *s, int axes, int64_t *to) {
  const int given = cni_size_given(s);
  if (!cni_size_covers(s, axes)) return cn_fail(g, CN_VALUE, "%s has %d numbers for %d axes", name, given, axes);
  return per_axis(g, name, s->d, given, axes, 1, to);
}

typedef enum { VALID, SAME, CAUSAL } padding;

static cn_code read_padding(cn_graph *g, const cni_window *w, int axes, padding *to) {
  const char *text = w->padding ? w->padding : "None";
  static const char *const names[] = { "valid", "same", "causal" };
  for (int i = 0; i < 3; i++)
    if (!strcasecmp(text, names[i]) && (i != CAUSAL || (w->causal && axes == 1))) return *to = (padding)i, CN_OK;
  return cn_fail(g, CN_VALUE, "padding must be valid%s, got \"%s\"", w->causal && axes == 1 ? ", same or causal" : " or same", text);
}

/* ---- sizes ---- */
/* Of y along one axis, and x's padding in front. */
static int64_t direct_size(padding p, int64_t in, int64_t reach, int64_t stride, int64_t *pad) {
  *pad = p == CAUSAL && known(reach) ? reach - 1 : 0;
  if (!known(in) || (p == VALID && !known(reach))) return CN_UNKNOWN;
  const int64_t out = p == VALID ? (in < reach ? 0 : (in - reach) / stride + 1) : in / stride + (in % stride != 0);
  if (p != SAME || !known(reach) || !out) return out;
  const int64_t missing = (out - 1) * stride + reach - in;
  *pad = missing > 0 ? missing / 2 : 0;
  return out;
}

/* Of the transposed convolution's result along one axis, and how much is cut off in front; `more`: output_padding, or -1. */
static int64_t transposed_size(padding p, int64_t in, int64_t reach, int64_t stride, int64_t more, int64_t *crop) {
  *crop = 0;
  if (p == VALID && more < 0) more = known(reach) && stride > reach ? stride - reach : 0;
  if (p == SAME && known(reach)) {
    const int64_t both = more < 0 ? stride + reach - 2 : reach + reach % 2 - 2 + more, before = both / 2 + both % 2;
    *crop = before < reach - 1 ? reach - 1 - before : 0;
  }
  if (!known(in) || (!known(reach) && !(p == SAME && more < 0))) return CN_UNKNOWN;
  if (p == SAME && more < 0) return in * stride;
  return (in - 1) * stride + (p == SAME ? reach % 2 : reach) + more;
}

typedef struct shapes { cn_graph *g; const cn_dims *x, *kernel; char tx[160], tk[160]; } shapes;

static cn_code misfit(shapes *s, const char *format, int64_t a, int64_t b) {
  char text[160];
  snprintf(text, sizeof text, format, (long long)a, (long long)b);
  return cn_fail(s->g, CN_SHAPE, "%s: inputs %s, kernel %s", text, cn_dims_text(s->x, s->tx, sizeof s->tx), cn_dims_text(s->kernel, s->tk, sizeof s->tk));
}

static cn_code read_axes(shapes *s, const cni_window *w, cni_window_kind kind, padding p, cni_geometry *t) {
  cni_conv *c = &t->c;
  int64_t more[3] = { -1, -1, -1 };
  cn_code code = size_per_axis(s->g, "strides", &w->strides, t->axes, c->stride);
  if (code == CN_OK) code = size_per_axis(s->g, "dilation_rate", &w->dilation_rate, t->axes, c->dilation);
  if (code == CN_OK && kind == CNI_WINDOW_TRANSPOSED && w->output_padding.n >= 0)
    code = per_axis(s->g, "output_padding", w->output_padding.v, w->output_padding.n, t->axes, 0, more);
  for (int i = 3 - t->axes; i < 3 && code == CN_OK; i++) {
    const int64_t in = s->x->d[i - 3 + t->axes + (t->first ? 2 : 1)], k = c->kernel[i] = s->kernel->d[i - 3 + t->axes],
                  reach = known(k) ? (k - 1) * c->dilation[i] + 1 : CN_UNKNOWN;
    const bool back = kind == CNI_WINDOW_TRANSPOSED;
    if (!k || (known(k) && k > LARGEST) || (known(in) && in > INT64_MAX / 4 / LARGEST))
      return misfit(s, k ? "sizes are too large" : "the kernel has no taps", 0, 0);
    (back ? c->out : c->in)[i] = in;
    const int64_t result = (back ? c->in : c->out)[i] =
        back ? transposed_size(p, in, reach, c->stride[i], more[i], &c->pad[i]) : direct_size(p, in, reach, c->stride[i], &c->pad[i]);
    if (known(result) && (result < 0 || (!result && (in || p == VALID)))) return misfit(s, "the output would be empty", 0, 0);
  }
  return code;
}

/* Channels and groups. */
static cn_code read_channels(shapes *s, cni_window_kind kind, cni_geometry *t) {
  cni_conv *c = &t->c;
  const int64_t x = s->x->d[t->first ? 1 : s->x->rank - 1], a = s->kernel->d[s->kernel->rank - 2], b = s->kernel->d[s->kernel->rank - 1];
  if (!a || !b) return misfit(s, "the kernel has no channels", 0, 0);
  c->in_channels = kind == CNI_WINDOW_TRANSPOSED ? a : x;
  c->out_channels = kind != CNI_WINDOW_DEPTHWISE ? b : known(a) && known(b) ? a * b : CN_UNKNOWN;
  const int64_t same = kind == CNI_WINDOW_TRANSPOSED ? b : a;
  if (kind != CNI_WINDOW_DIRECT) {
    if (kind == CNI_WINDOW_DEPTHWISE) c->in_channels = c->groups = a;
    return known(x) && known(same) && x != same ? misfit(s, "the kernel is for %lld input channels, the inputs have %lld", same, x) : CN_OK;
  }
  if (!known(x) || !known(a)) return CN_OK;
  if (!x || x % a) return misfit(s, "%lld input channels of the kernel do not divide the inputs' %lld", a, x);
  c->groups = x / a;
  return known(b) && b % c->groups ? misfit(s, "%lld filters cannot be shared among %lld groups", b, c->groups) : CN_OK;
}

cn_code cni_window_read(cn_graph *g, const cni_window *w, cni_window_kind kind, const cn_dims *x, const cn_dims *kernel, cni_geometry *t, cn_dims *result) {
  shapes s = { .g = g, .x = x, .kernel = kernel };
  padding p = VALID;
  memset(t, 0, sizeof *t);
  cni_conv *c = &t->c;
  if (x->rank < 3 || x->rank > 5) return misfit(&s, "needs inputs of rank 3, 4 or 5", 0, 0);
  if (kernel->rank != x->rank) return misfit(&s, "needs a kernel of the inputs' rank", 0, 0);
  t->axes = x->rank - 2;
  c->batch = x->d[0];
  c->groups = 1;
  for (int i = 0; i < 3; i++) c->in[i] = c->out[i] = c->kernel[i] = c->stride[i] = c->dilation[i] = 1;
  t->first = cni_channels_first(w->data_format);
  cn_code code = read_padding(g, w, t->axes, &p);
  if (code == CN_OK) code = read_channels(&s, kind, t);
  if (code == CN_OK) code = read_axes(&s, w, kind, p, t);
  if (code != CN_OK) return code;
  const bool back = kind == CNI_WINDOW_TRANSPOSED;
  result->rank = x->rank;
  result->d[0] = c->batch;
  result->d[t->first ? 1 : x->rank - 1] = back ? c->in_channels : c->out_channels;
  for (int i = 0; i < t->axes; i++) result->d[i + (t->first ? 2 : 1)] = (back ? c->in : c->out)[i + 3 - t->axes];
  return CN_OK;
}

/* ---- naive sums ---- */
/* An element of x or y: where channel 0 of a place stands, and from one channel to the next. */
static double *element(const cni_geometry *t, double *v, const int64_t *sizes, int64_t channels, int64_t image, const int64_t *at, int64_t *step) {
  const int64_t spot = (at[0] * sizes[1] + at[1]) * sizes[2] + at[2], spots = sizes[0] * sizes[1] * sizes[2];
  *step = t->first ? spots : 1;
  return v + image * channels * spots + (t->first ? spot : spot * channels);
}

/* Tap k of position o of an image: all pairs of channels. */
static void naive_tap(const cni_geometry *t, cni_conv_kind kind, double *x, double *kernel, double *y, int64_t image, const int64_t *o, const int64_t *k) {
  const cni_conv *c = &t->c;
  const int64_t inner = c->in_channels / c->groups, columns = c->out_channels / c->groups;
  int64_t i[3], x_step, y_step;
  for (int a = 0; a < 3; a++) {
    i[a] = o[a] * c->stride[a] + k[a] * c->dilation[a] - c->pad[a];
    if (i[a] < 0 || i[a] >= c->in[a]) return;
  }
  double *const from = element(t, x, c->in, c->in_channels, image, i, &x_step), *const to = element(t, y, c->out, c->out_channels, image, o, &y_step);
  double *const taps = kernel + ((k[0] * c->kernel[1] + k[1]) * c->kernel[2] + k[2]) * inner * c->out_channels;
  for (int64_t j = 0; j < c->out_channels; j++)
    for (int64_t m = 0; m < inner; m++) {
      double *const at_x = from + (j / columns * inner + m) * x_step, *const at_y = to + j * y_step, *const at_kernel = taps + m * c->out_channels + j;
      if (kind == CNI_CONV_FORWARD) *at_y += *at_x * *at_kernel;
      else if (kind == CNI_CONV_INPUT) *at_x += *at_y * *at_kernel;
      else *at_kernel += *at_x * *at_y;
    }
}

void cni_conv_naive(const cni_geometry *t, cni_conv_kind kind, double *x, double *kernel, double *y) {
  const cni_conv *c = &t->c;
  const int64_t positions = c->out[0] * c->out[1] * c->out[2], taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
  double *const to = kind == CNI_CONV_FORWARD ? y : kind == CNI_CONV_INPUT ? x : kernel;
  const int64_t count = kind == CNI_CONV_FORWARD ? cni_conv_y_count(c) : kind == CNI_CONV_INPUT ? cni_conv_x_count(c) : cni_conv_kernel_count(c);
  for (int64_t i = 0; i < count; i++) to[i] = 0;
  for (int64_t image = 0; image < c->batch; image++)
    for (int64_t p = 0; p < positions; p++)
      for (int64_t q = 0; q < taps; q++) {
        const int64_t o[3] = { p / c->out[2] / c->out[1], p / c->out[2] % c->out[1], p % c->out[2] },
                      k[3] = { q / c->kernel[2] / c->kernel[1], q / c->kernel[2] % c->kernel[1], q % c->kernel[2] };
        naive_tap(t, kind, x, kernel, y, image, o, k);
      }
}

void cni_conv_naive_finish(const cni_geometry *t, double *y, const double *bias, int activation) {
  const int64_t count = cni_conv_y_count(&t->c), channels = t->c.out_channels, spots = t->c.out[0] * t->c.out[1] * t->c.out[2];
  for (int64_t i = 0; i < count; i++) y[i] = cni_fused_value(activation, y[i] + (bias ? bias[t->first ? i / spots % channels : i % channels] : 0));
}
