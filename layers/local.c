#include "local.h"
#include "activation.h"
#include "layer_private.h"

/* Axes in the order of the data: positions are counted row by row. */
typedef struct local {
  cn_layer base;
  int spatial;
  int64_t in[2], out[2], kernel_size[2], strides[2]; /* of the axes */
  int64_t inputs, outputs, channels, filters;        /* positions of x and y; channels of x and y */
  bool first, same;                                  /* channels_first; padding */
  cn_tensor *kernel, *bias;
} local;

static const cn_LocallyConnected1DOptions *options_of(const cn_layer *l) { return l->object.options; } /* the two classes have one list */

static bool init(cn_object *self, int spatial) {
  local *c = (local *)(void *)self;
  cn_layer *l = &c->base;
  if (!cn_layer_init(self)) return false;
  const cn_LocallyConnected1DOptions *o = options_of(l);
  const char *padding = cni_padding(l, o->padding, NULL);
  if (!padding || !cni_size_fits(l, "kernel_size", o->kernel_size, spatial) || !cni_size_fits(l, "strides", o->strides, spatial)) return false;
  if (o->implementation < 1 || o->implementation > 3)
    return cn_fail(self->graph, CN_VALUE, "implementation must be 1, 2 or 3, got %lld", (long long)o->implementation), false;
  c->same = !strcmp(padding, "same");
  if (c->same && o->implementation == 1) return cn_fail(self->graph, CN_VALUE, "padding same needs implementation 2 or 3"), false;
  c->spatial = spatial;
  c->filters = o->filters;
  c->first = cni_channels_first(o->data_format);
  for (int i = 0; i < spatial; i++) {
    c->kernel_size[i] = cni_size_at(&o->kernel_size, i);
    c->strides[i] = cni_size_at(&o->strides, i);
  }
  return true;
}

/* ---- windows ---- */
/* Where the window of output position p begins along axis i, and its end; with padding same it may be cut off by the edges. */
static int64_t window_begin(const local *c, int i, int64_t p) {
  const int64_t at = p * c->strides[i] - (c->same ? c->kernel_size[i] / 2 : 0);
  return at > 0 ? at : 0;
}
static int64_t window_end(const local *c, int i, int64_t p) {
  const int64_t at = p * c->strides[i] - (c->same ? c->kernel_size[i] / 2 : 0) + c->kernel_size[i];
  return at < c->in[i] ? at : c->in[i];
}

/* The input positions of output position p, ascending, to `to` (NULL: only counted); their number. */
static int64_t window(const local *c, int64_t p, int64_t *to) {
  const bool plane = c->spatial == 2;
  const int64_t row = plane ? p / c->out[1] : 0, column = plane ? p % c->out[1] : p;
  const int across = plane ? 1 : 0;
  int64_t n = 0;
  for (int64_t r = plane ? window_begin(c, 0, row) : 0; r < (plane ? window_end(c, 0, row) : 1); r++)
    for (int64_t k = window_begin(c, across, column); k < window_end(c, across, column); k++, n++)
      if (to) to[n] = r * c->in[across] + k;
  return n;
}

static int64_t entries(const local *c) {
  int64_t n = 0;
  for (int64_t p = 0; p < c->outputs; p++) n += window(c, p, NULL);
  return n;
}

/* ---- shapes ---- */
static bool sizes(local *c, const cn_dims *in) {
  cn_graph *g = c->base.object.graph;
  char text[160];
  c->inputs = c->outputs = 1;
  c->channels = in->d[c->first ? 1 : c->spatial + 1];
  for (int i = 0; i < c->spatial; i++) {
    const int64_t n = c->in[i] = in->d[i + (c->first ? 2 : 1)];
    if (n == CN_UNKNOWN || c->channels == CN_UNKNOWN)
      return cn_fail(g, CN_SHAPE, "the sizes of axes and channels must be known, got %s", cn_dims_text(in, text, sizeof text)), false;
    if (!c->same && n < c->kernel_size[i])
      return cn_fail(g, CN_SHAPE, "kernel_size %lld is larger than the axis in %s", (long long)c->kernel_size[i], cn_dims_text(in, text, sizeof text)), false;
    c->out[i] = c->same ? n / c->strides[i] + (n % c->strides[i] != 0) : (n - c->kernel_size[i]) / c->strides[i] + 1;
    c->inputs *= n;
    c->outputs *= c->out[i];
  }
  return true;
}

/* [n, out axes..., filters] in the data's order. */
static cn_dims result(const local *c, int64_t n) {
  cn_dims d = { c->spatial + 2, { n } };
  d.d[c->first ? 1 : c->spatial + 1] = c->filters;
  for (int i = 0; i < c->spatial; i++) d.d[i + (c->first ? 2 : 1)] = c->out[i];
  return d;
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  local c = *(const local *)l;
  (void)n;
  if (!sizes(&c, in)) return false;
  *out = result(&c, in->d[0]);
  return true;
}

/* Of implementation 2: the axes of x and y, each with its channels where the data has them. */
static cn_dims masked_kernel(const local *c) {
  cn_dims d = { 2 * c->spatial + 2, { 0 } };
  const int half = c->spatial + 1;
  for (int i = 0; i < c->spatial; i++) {
    d.d[i + c->first] = c->in[i];
    d.d[half + i + c->first] = c->out[i];
  }
  d.d[c->first ? 0 : c->spatial] = c->channels;
  d.d[half + (c->first ? 0 : c->spatial)] = c->filters;
  return d;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  local *c = (local *)l;
  const cn_LocallyConnected1DOptions *o = options_of(l);
  int64_t numbers; /* of a kernel of entries, more than any other way but 2 needs */
  (void)n;
  if (!sizes(c, in)) return;
  if (__builtin_mul_overflow(entries(c), c->channels, &numbers) || __builtin_mul_overflow(numbers, c->filters, &numbers)) {
    cn_fail(l->object.graph, CN_NO_MEMORY, "the kernel has more numbers than can be counted");
    return;
  }
  const cn_dims kernel = o->implementation == 1   ? *CN_DIMS(c->outputs, window(c, 0, NULL) * c->channels, c->filters)
                         : o->implementation == 2 ? masked_kernel(c)
                                                  : *CN_DIMS(numbers);
  cn_dims bias = { c->spatial + 1, { 0 } };
  for (int i = 0; i < c->spatial; i++) bias.d[i] = c->out[i];
  bias.d[c->spatial] = c->filters;
  c->kernel =
      cn_add_weight(l, "kernel", &kernel, .initializer = o->kernel_initializer, .regularizer = o->kernel_regularizer, .constraint = o->kernel_constraint);
  c->bias = !o->use_bias
                ? CN_NO_TENSOR
                : cn_add_weight(l, "bias", &bias, .initializer = o->bias_initializer, .regularizer = o->bias_regularizer, .constraint = o->bias_constraint);
  for (int i = 1; i < in->rank; i++) cn_expect_axis(l, i, in->d[i]);
}

/* ---- calling ---- */
static cn_tensor *shaped(cn_graph *g, cn_tensor *x, const cn_dims *d) {
  cn_ints to = { d->d, d->rank };
  return x ? cn_reshape(g, x, .newshape = to) : NULL;
}

/* y [n, out axes, filters] by the data's order, from patches [n, positions, window channels]. */
static cn_tensor *by_patches(const local *c, cn_graph *g, cn_tensor *x) {
  const int64_t width = window(c, 0, NULL);
  int64_t *at = cni_arena_take(g, cni_step_arena(g), (size_t)(c->outputs * width) * sizeof *at);
  if (!at) return NULL;
  for (int64_t p = 0; p < c->outputs; p++) window(c, p, at + p * width);
  cn_tensor *index = cn_array(g, CN_I64, CN_DIMS(c->outputs, width), at);
  x = shaped(g, x, c->first ? CN_DIMS(-1, c->channels, c->inputs) : CN_DIMS(-1, c->inputs, c->channels));
  cn_tensor *patches = x && index ? cn_take(g, x, index, .axis = c->first ? 2 : 1)
                                  : NULL; /* [n, positions, window, channels]; channels_first: [n, channels, positions, window] */
  if (patches && c->first) patches = cn_transpose(g, patches, .axes = CN_INTS(0, 2, 1, 3));
  patches = shaped(g, patches, CN_DIMS(-1, c->outputs, width * c->channels));
  return patches ? cn_einsum(g, CN_TENSORS(patches, c->kernel), .subscripts = c->first ? "npk,pkf->nfp" : "npk,pkf->npf") : NULL;
}

/* 1 where an input position is in the window of an output position: [inputs, outputs], in the layer's dtype, as it multiplies the kernel [inputs, channels,
 * outputs, filters]. */
static cn_tensor *mask_of(const local *c, cn_graph *g) {
  int64_t *at = cni_arena_take(g, cni_step_arena(g), (size_t)(c->inputs + 1) * sizeof *at);
  float *ones = at ? cni_arena_take(g, cni_step_arena(g), (size_t)(c->inputs * c->outputs) * sizeof *ones) : NULL;
  if (!ones) return NULL;
  memset(ones, 0, (size_t)(c->inputs * c->outputs) * sizeof *ones);
  for (int64_t p = 0; p < c->outputs; p++)
    for (int64_t n = window(c, p, at), i = 0; i < n; i++) ones[at[i] * c->outputs + p] = 1;
  cn_tensor *mask = cn_array(g, CN_F32, c->first ? CN_DIMS(1, c->inputs, 1, c->outputs) : CN_DIMS(c->inputs, 1, c->outputs, 1), ones);
  return mask ? cn_cast(g, mask, cn_dtype_name(c->base.dtype)) : NULL;
}

static cn_tensor *by_mask(const local *c, cn_graph *g, cn_tensor *x) {
  cn_tensor *mask = mask_of(c, g);
  const cn_dims *whole = c->first ? CN_DIMS(c->channels, c->inputs, c->filters, c->outputs) : CN_DIMS(c->inputs, c->channels, c->outputs, c->filters);
  cn_tensor *kernel = mask ? shaped(g, c->kernel, whole) : NULL;
  kernel = kernel ? shaped(g, cn_multiply(g, kernel, mask), CN_DIMS(c->inputs * c->channels, c->outputs * c->filters)) : NULL;
  x = shaped(g, x, CN_DIMS(-1, c->inputs * c->channels));
  return kernel && x ? cn_matmul(g, x, kernel) : NULL;
}

/* Places of the kernel's entries in [outputs filters, inputs channels], both in the data's order: places[e]. */
static void places(const local *c, int64_t *at, int64_t *to) {
  const int64_t inner = c->first ? c->outputs : c->filters, from = c->inputs * c->channels;
  for (int64_t o = 0; o < c->outputs * c->filters; o++) {
    const int64_t n = window(c, c->first ? o % inner : o / inner, at);
    for (int64_t i = 0; i < n * c->channels; i++)
      *to++ = o * from + (c->first ? i / n * c->inputs + at[i % n] : at[i / c->channels] * c->channels + i % c->channels);
  }
}

static cn_tensor *by_entries(const local *c, cn_graph *g, cn_tensor *x) {
  const int64_t n = c->kernel->count, from = c->inputs * c->channels, to = c->outputs * c->filters;
  int64_t *at = cni_arena_take(g, cni_step_arena(g), (size_t)(c->inputs + 1 + n) * sizeof *at);
  if (!at) return NULL;
  places(c, at, at + c->inputs + 1);
  cn_tensor *where = cn_array(g, CN_I64, CN_DIMS(n, 1), at + c->inputs + 1);
  cn_tensor *kernel = where ? shaped(g, cn_scatter(g, where, c->kernel, .shape = CN_INTS(to * from)), CN_DIMS(to, from)) : NULL;
  x = shaped(g, x, CN_DIMS(-1, from));
  return kernel && x ? cn_matmul(g, x, kernel, .transpose_b = true) : NULL;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const local *c = (const local *)l;
  static cn_tensor *(*const ways[])(const local *c, cn_graph *g, cn_tensor *x) = { by_patches, by_mask, by_entries };
  const cn_LocallyConnected1DOptions *o = options_of(l);
  const cn_dims out = result(c, -1);
  cn_tensor *y = shaped(g, ways[o->implementation - 1](c, g, in->x[0]), &out);
  cn_dims across = out;
  across.d[0] = 1;
  cn_tensor *bias = y && cni_given(c->bias) ? shaped(g, c->bias, &across) : NULL;
  if (y && cni_given(c->bias)) y = bias ? cn_add(g, y, bias) : NULL;
  return y ? cn_activate(g, &o->activation, y) : NULL;
}

#define LOCAL(L, spatial_)                                             \
  static bool L##_init(cn_object *self) { return init(self, spatial_); } \
  CN_LAYER_OF(L, local, CN_LOCALLY_CONNECTED, (.init = L##_init), .build = build, .call = call, .output_shape = output_shape, .rank = spatial_ + 2, .per_sample = cni_per_sample)
LOCAL(LocallyConnected1D, 1)
LOCAL(LocallyConnected2D, 2)
