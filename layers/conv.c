#include "conv.h"
#include "activation.h"
#include "lora_private.h"

/* What every class' options have, taken from them once. References are borrowed from the options. */
typedef struct weight { const cn_ref *initializer, *regularizer, *constraint; } weight;
typedef struct settings {
  int spatial;
  int64_t filters, groups, multiplier;
  cn_size kernel_size, strides, dilation_rate;
  cn_ints output_padding;
  const char *padding, *data_format;
  const cn_ref *activation;
  bool use_bias;
  weight kernel, pointwise, bias;
} settings;
typedef struct conv {
  cn_layer base;
  settings s;
  cn_tensor *kernel, *pointwise, *bias; /* of the header's shapes; bias may be CN_NO_TENSOR */
  cni_lora lora;
  int64_t fused;                        /* the activation's number in cn_conv_bias, or 0 */
} conv;

static bool above_one(cn_size s) { return s.d[0] > 1 || s.d[1] > 1 || s.d[2] > 1; }

static bool conv_init(cn_object *self, const settings *given, const char *also) {
  conv *c = (conv *)(void *)self;
  cn_layer *l = &c->base;
  if (!cn_layer_init(self)) return false;
  settings *s = &c->s;
  *s = *given;
  return cni_size_fits(l, "kernel_size", s->kernel_size, s->spatial) && cni_size_fits(l, "strides", s->strides, s->spatial) &&
         cni_size_fits(l, "dilation_rate", s->dilation_rate, s->spatial) && (s->padding = cni_padding(l, s->padding, also)) != NULL;
}

static bool not_both(cn_object *self) {
  const settings *s = &((const conv *)(const void *)self)->s;
  return !above_one(s->strides) || !above_one(s->dilation_rate) || (cn_fail(self->graph, CN_VALUE, "strides and dilation_rate cannot both be above 1"), false);
}

/* ---- building ---- */
static int channel_axis(const conv *c) { return cni_channels_first(c->s.data_format) ? 1 : c->s.spatial + 1; }

/* [axes..., a, b], the axes those of the kernel. */
static cn_dims kernel_dims(const settings *s, int64_t a, int64_t b) {
  cn_dims d = { s->spatial + 2, { 0 } };
  for (int i = 0; i < s->spatial; i++) d.d[i] = cni_size_at(&s->kernel_size, i);
  d.d[s->spatial] = a;
  d.d[s->spatial + 1] = b;
  return d;
}

static cn_tensor *add(cn_layer *l, const char *name, const cn_dims *dims, const weight *w) {
  return cn_add_weight(l, name, dims, .initializer = *w->initializer, .regularizer = *w->regularizer, .constraint = *w->constraint);
}

static void finish_build(conv *c, int64_t channels, int64_t outputs) {
  c->bias = c->s.use_bias ? add(&c->base, "bias", CN_DIMS(outputs), &c->s.bias) : CN_NO_TENSOR;
  c->fused = cni_activation_fused(c->s.activation);
  cn_expect_axis(&c->base, channel_axis(c), channels);
}

static void conv_build(cn_layer *l, const cn_dims *in, int64_t n) {
  conv *c = (conv *)l;
  const settings *s = &c->s;
  const int64_t channels = in->d[channel_axis(c)];
  (void)n;
  if (channels != CN_UNKNOWN && channels % s->groups) {
    cn_fail(l->object.graph, CN_VALUE, "%s: %lld groups do not divide %lld input channels", l->object.cls->schema.name, (long long)s->groups,
            (long long)channels);
    return;
  }
  const cn_dims dims = kernel_dims(s, channels == CN_UNKNOWN ? channels : channels / s->groups, s->filters);
  c->kernel = add(l, "kernel", &dims, &s->kernel);
  finish_build(c, channels, s->filters);
}

static void transpose_build(cn_layer *l, const cn_dims *in, int64_t n) {
  conv *c = (conv *)l;
  const int64_t channels = in->d[channel_axis(c)];
  const cn_dims dims = kernel_dims(&c->s, c->s.filters, channels);
  (void)n;
  c->kernel = add(l, "kernel", &dims, &c->s.kernel);
  finish_build(c, channels, c->s.filters);
}

static void depthwise_build(cn_layer *l, const cn_dims *in, int64_t n) {
  conv *c = (conv *)l;
  const int64_t channels = in->d[channel_axis(c)];
  const cn_dims dims = kernel_dims(&c->s, channels, c->s.multiplier);
  (void)n;
  c->kernel = add(l, "kernel", &dims, &c->s.kernel);
  if (c->kernel) finish_build(c, channels, channels * c->s.multiplier);
}

static void separable_build(cn_layer *l, const cn_dims *in, int64_t n) {
  conv *c = (conv *)l;
  const int64_t channels = in->d[channel_axis(c)];
  const cn_dims dims = kernel_dims(&c->s, channels, c->s.multiplier);
  (void)n;
  c->kernel = add(l, "depthwise_kernel", &dims, &c->s.kernel);
  if (!c->kernel) return;
  cn_dims point = { dims.rank, { 1, 1, 1 } };
  point.d[c->s.spatial] = channels * c->s.multiplier;
  point.d[c->s.spatial + 1] = c->s.filters;
  c->pointwise = add(l, "pointwise_kernel", &point, &c->s.pointwise);
  finish_build(c, channels, c->s.filters);
}

/* ---- calling ---- */
static cn_tensor *activated(const conv *c, cn_graph *g, cn_tensor *y) { return c->fused || !y ? y : cn_activate(g, c->s.activation, y); }

/* activation(conv(x, kernel) + bias) */
static cn_tensor *full(const conv *c, cn_graph *g, cn_tensor *x, cn_tensor *kernel) {
  const settings *s = &c->s;
  return activated(c, g,
                   kernel ? cn_conv_bias(g, x, kernel, .bias = c->bias, .strides = s->strides, .padding = s->padding, .data_format = s->data_format,
                                         .dilation_rate = s->dilation_rate, .activation = c->fused)
                          : NULL);
}

static cn_tensor *conv_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const conv *c = (const conv *)l;
  return full(c, g, in->x[0], cni_lora_kernel(g, &c->lora, c->kernel));
}

/* As a convolution with a group for each channel: the kernel as [axes..., 1, c multiplier]. */
static cn_tensor *depthwise_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const conv *c = (const conv *)l;
  cn_dims d = c->kernel->dims;
  d.d[d.rank - 1] *= d.d[d.rank - 2];
  d.d[d.rank - 2] = 1;
  const cn_ints shape = { d.d, d.rank };
  return full(c, g, in->x[0], cn_reshape(g, c->kernel, .newshape = shape));
}

static cn_tensor *separable_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const conv *c = (const conv *)l;
  const settings *s = &c->s;
  cn_tensor *y =
      cn_depthwise_conv(g, in->x[0], c->kernel, .strides = s->strides, .padding = s->padding, .data_format = s->data_format, .dilation_rate = s->dilation_rate);
  return activated(c, g, y ? cn_conv_bias(g, y, c->pointwise, .bias = c->bias, .data_format = s->data_format, .activation = c->fused) : NULL);
}

static cn_tensor *transpose_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const conv *c = (const conv *)l;
  const settings *s = &c->s;
  cn_tensor *y = cn_conv_transpose(g, in->x[0], c->kernel, .strides = s->strides, .padding = s->padding, .output_padding = s->output_padding,
                                   .data_format = s->data_format, .dilation_rate = s->dilation_rate);
  int64_t sizes[CN_MAX_RANK] = { s->filters, 1, 1, 1 };
  const cn_ints across = { sizes, s->spatial + 1 };
  cn_tensor *bias = y && cni_given(c->bias) && channel_axis(c) == 1 ? cn_reshape(g, c->bias, .newshape = across) : c->bias;
  y = y && cni_given(bias) ? cn_add(g, y, bias) : y;
  return y ? cn_activate(g, s->activation, y) : NULL;
}

/* ---- the classes ---- */
#define WEIGHT(o, name) { &(o)->name##_initializer, &(o)->name##_regularizer, &(o)->name##_constraint }
#define SETTINGS(o, rank_, ...)                                                                                                                                      \
  &(settings){ .spatial = rank_, .kernel_size = (o)->kernel_size, .strides = (o)->strides, .dilation_rate = (o)->dilation_rate, .padding = (o)->padding,             \
               .data_format = (o)->data_format, .activation = &(o)->activation, .use_bias = (o)->use_bias, .bias = WEIGHT(o, bias), __VA_ARGS__ }

static bool groups_fit(cn_object *self) {
  const settings *s = &((const conv *)(const void *)self)->s;
  return s->filters % s->groups == 0 ||
         (cn_fail(self->graph, CN_VALUE, "%lld groups do not divide %lld filters", (long long)s->groups, (long long)s->filters), false);
}
#define CONV(L, rank_, also)                                                                                                                                         \
  static bool L##_init(cn_object *self) {                                                                                                                            \
    const cn_##L##Options *o = self->options;                                                                                                                        \
    return conv_init(self, SETTINGS(o, rank_, .filters = o->filters, .groups = o->groups, .kernel = WEIGHT(o, kernel)), also) && not_both(self) && groups_fit(self); \
  }                                                                                                                                                                  \
  static void L##_build(cn_layer *l, const cn_dims *in, int64_t n) {                                                                                                 \
    const cn_##L##Options *o = l->object.options;                                                                                                                    \
    conv *c = (conv *)l;                                                                                                                                             \
    conv_build(l, in, n);                                                                                                                                            \
    if (cn_ok(l->object.graph)) cni_lora_build(l, &c->lora, "lora_kernel", c->kernel, o->lora_rank, o->lora_alpha, &o->kernel_regularizer, &o->kernel_constraint);   \
  }                                                                                                                                                                  \
  CN_LAYER_OF(L, conv, CN_CONV_LAYER, (.init = L##_init), .build = L##_build, .call = conv_call, .rank = rank_ + 2, .per_sample = cni_per_sample)
CONV(Conv1D, 1, "causal")
CONV(Conv2D, 2, NULL)
CONV(Conv3D, 3, NULL)

static bool output_padding_fits(cn_object *self) {
  const settings *s = &((const conv *)(const void *)self)->s;
  const cn_ints *p = &s->output_padding;
  if (p->n >= 0 && p->n != 1 && p->n != s->spatial)
    return cn_fail(self->graph, CN_VALUE, "output_padding must be 1 number or %d, got %lld", s->spatial, (long long)p->n), false;
  for (int i = 0; p->n > 0 && i < s->spatial; i++) {
    const int64_t have = p->v[p->n == 1 ? 0 : i];
    if (have >= cni_size_at(&s->strides, i))
      return cn_fail(self->graph, CN_VALUE, "output_padding must be below strides, got %lld and %lld", (long long)have, (long long)cni_size_at(&s->strides, i)),
             false;
  }
  return true;
}
#define TRANSPOSE(L, rank_)                                                                                                                                                     \
  static bool L##_init(cn_object *self) {                                                                                                                                       \
    const cn_##L##Options *o = self->options;                                                                                                                                   \
    return conv_init(self, SETTINGS(o, rank_, .filters = o->filters, .output_padding = o->output_padding, .kernel = WEIGHT(o, kernel)), NULL) && not_both(self) && output_padding_fits(self); \
  }                                                                                                                                                                             \
  CN_LAYER_OF(L, conv, CN_CONV_TRANSPOSE_LAYER, (.init = L##_init), .build = transpose_build, .call = transpose_call, .rank = rank_ + 2, .per_sample = cni_per_sample)
TRANSPOSE(Conv1DTranspose, 1)
TRANSPOSE(Conv2DTranspose, 2)
TRANSPOSE(Conv3DTranspose, 3)

#define DEPTHWISE(L, rank_)                                                                                                                            \
  static bool L##_init(cn_object *self) {                                                                                                              \
    const cn_##L##Options *o = self->options;                                                                                                          \
    return conv_init(self, SETTINGS(o, rank_, .multiplier = o->depth_multiplier, .kernel = WEIGHT(o, depthwise)), NULL);                               \
  }                                                                                                                                                    \
  CN_LAYER_OF(L, conv, CN_DEPTHWISE_CONV_LAYER, (.init = L##_init), .build = depthwise_build, .call = depthwise_call, .rank = rank_ + 2, .per_sample = cni_per_sample)
DEPTHWISE(DepthwiseConv1D, 1)
DEPTHWISE(DepthwiseConv2D, 2)

#define SEPARABLE(L, rank_)                                                                                                                            \
  static bool L##_init(cn_object *self) {                                                                                                              \
    const cn_##L##Options *o = self->options;                                                                                                          \
    return conv_init(self, SETTINGS(o, rank_, .filters = o->filters, .multiplier = o->depth_multiplier, .kernel = WEIGHT(o, depthwise), .pointwise = WEIGHT(o, pointwise)), NULL); \
  }                                                                                                                                                    \
  CN_LAYER_OF(L, conv, CN_SEPARABLE_CONV_LAYER, (.init = L##_init), .build = separable_build, .call = separable_call, .rank = rank_ + 2, .per_sample = cni_per_sample)
SEPARABLE(SeparableConv1D, 1)
SEPARABLE(SeparableConv2D, 2)
