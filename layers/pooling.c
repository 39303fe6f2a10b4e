#include "pooling.h"
#include "layer_private.h"

static int64_t steps_axis(const cn_layer *l) {
  const char *f = ((const cn_GlobalAveragePooling1DOptions *)l->object.options)->data_format;
  return f && !strcmp(f, "channels_first") ? 2 : 1;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_GlobalAveragePooling1DOptions *o = l->object.options;
  const int64_t axis = steps_axis(l);
  cn_tensor *x = in->x[0], *mask = in->mask[0];
  if (!mask) return cn_mean(g, x, .axis = CN_INTS(axis), .keepdims = o->keepdims);
  mask = cn_expand_dims(g, cn_cast(g, mask, .dtype = cn_dtype_name(l->dtype)), .axis = CN_INTS(axis == 1 ? 2 : 1));
  cn_tensor *sum = cn_sum(g, cn_multiply(g, x, mask), .axis = CN_INTS(axis), .keepdims = o->keepdims);
  return cn_divide(g, sum, cn_sum(g, mask, .axis = CN_INTS(axis), .keepdims = o->keepdims));
}

/* The steps are gone, and their mask with them. */
static cn_tensor *no_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)l;
  (void)g;
  (void)in;
  return NULL;
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  const int64_t channels = in->d[steps_axis(l) == 1 ? 2 : 1];
  if (!((const cn_GlobalAveragePooling1DOptions *)l->object.options)->keepdims) *out = (cn_dims){ 2, { in->d[0], channels } };
  else *out = steps_axis(l) == 1 ? (cn_dims){ 3, { in->d[0], 1, channels } } : (cn_dims){ 3, { in->d[0], channels, 1 } };
  return true;
}
CN_LAYER(GlobalAveragePooling1D, cn_layer, CN_GLOBAL_AVERAGE_POOLING_1D, .call = call, .output_shape = output_shape, .compute_mask = no_mask, .rank = 3)
