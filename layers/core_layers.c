/* Layers without weights of their own. */
#include "core_layers.h"
#include "activation.h"
#include "layer_private.h"

/* ---- Activation ---- */
static cn_tensor *activation_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  return cn_activate(g, &((const cn_ActivationOptions *)l->object.options)->activation, in->x[0]);
}
CN_LAYER(Activation, cn_layer, CN_ACTIVATION, .call = activation_call, .supports_masking = true, .per_sample = cni_per_sample)

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
CN_LAYER(Flatten, cn_layer, CN_FLATTEN, .call = flatten_call, .output_shape = flatten_shape, .min_rank = 1, .per_sample = cni_per_sample)

/* ---- Rescaling ---- */
static cn_tensor *rescaling_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_RescalingOptions *o = l->object.options;
  return cn_rescale(g, in->x[0], o->scale, .offset = o->offset, .dtype = cn_dtype_name(l->dtype));
}
CN_LAYER(Rescaling, cn_layer, CN_RESCALING, .call = rescaling_call, .output_shape = cni_same_shape, .supports_masking = true, .per_sample = cni_per_sample)
