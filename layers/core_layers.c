/* Layers without weights of their own. */
#include "core_layers.h"
#include "activation.h"
#include "layer_private.h"

/* ---- Activation ---- */
static cn_tensor *activation_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return cn_activate(g, &((const cn_ActivationOptions *)l->object.options)->activation, in->x[0]); }
CN_LAYER(Activation, cn_layer, CN_ACTIVATION, .call = activation_call, .supports_masking = true)

/* ---- Flatten ---- */
static cn_tensor *flatten_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0];
  const cn_FlattenOptions *o = l->object.options;
  const int r = x->dims.rank;
  if (r > 2 && cni_channels_first(o->data_format)) {
    int64_t axes[CN_MAX_RANK] = { 0 };
    for (int i = 1; i < r; i++) axes[i] = i + 1 < r ? i + 1 : 1;
    const cn_ints order = { axes, r };
    x = cn_transpose(g, x, .axes = order);
    if (!x) return NULL;
  }
  int64_t known = 1;
  for (int i = 1; i < r && known >= 0; i++) known = x->dims.d[i] == CN_UNKNOWN ? -1 : known * x->dims.d[i];
  if (r && known > 0) return cn_reshape(g, x, CN_INTS(-1, known));
  return r && known < 0 ? cn_reshape(g, x, CN_INTS(x->dims.d[0], -1)) : cn_reshape(g, x, CN_INTS(r ? x->dims.d[0] : 1, known));
}

static bool flatten_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)l;
  (void)n;
  *out = (cn_dims){ 2, { in->rank ? in->d[0] : 1, 1 } };
  for (int i = 1; i < in->rank; i++) out->d[1] = out->d[1] == CN_UNKNOWN || in->d[i] == CN_UNKNOWN ? CN_UNKNOWN : out->d[1] * in->d[i];
  return true;
}
CN_LAYER(Flatten, cn_layer, CN_FLATTEN, .call = flatten_call, .output_shape = flatten_shape, .min_rank = 1)

/* ---- Rescaling ---- */
static cn_tensor *rescaling_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_RescalingOptions *o = l->object.options;
  return cn_rescale(g, in->x[0], o->scale, .offset = o->offset, .dtype = cn_dtype_name(l->dtype));
}
CN_LAYER(Rescaling, cn_layer, CN_RESCALING, .call = rescaling_call, .output_shape = cni_same_shape, .supports_masking = true)

/* ---- Masking ---- */
/* x != mask_value in any feature: [n, t, ...] of [n, t, ..., d]. */
static cn_tensor *valid_steps(cn_layer *l, cn_graph *g, cn_tensor *x, bool keepdims) {
  cn_tensor *value = cn_scalar_like(g, x, ((const cn_MaskingOptions *)l->object.options)->mask_value);
  return cn_any(g, cn_not_equal(g, x, value), .axis = CN_INTS(-1), .keepdims = keepdims);
}

static cn_tensor *masking_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0], *valid = valid_steps(l, g, x, true);
  return valid ? cn_multiply(g, x, cn_cast(g, valid, .dtype = cn_dtype_name((cn_dtype)x->dtype))) : NULL;
}
static cn_tensor *masking_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) { return valid_steps(l, g, in->x[0], false); }
CN_LAYER(Masking, cn_layer, CN_MASKING, .call = masking_call, .compute_mask = masking_mask, .output_shape = cni_same_shape, .supports_masking = true, .min_rank = 1)

/* ---- Identity ---- */
static cn_tensor *identity_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  (void)l;
  (void)g;
  return in->x[0];
}
CN_LAYER(Identity, cn_layer, CN_IDENTITY, .call = identity_call, .output_shape = cni_same_shape, .supports_masking = true)
