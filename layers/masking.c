/* Layers that do little of their own: Identity, Masking, Lambda. */
#include "activation.h"
#include "core_layers.h"
#include "layer_private.h"

/* ---- Identity ---- */
static cn_tensor *identity_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  (void)l;
  (void)g;
  for (int64_t i = 1; i < in->n && i <= CN_LAYER_OUTPUTS; i++) in->more[in->more_count++] = in->x[i];
  return in->x[0];
}
CN_LAYER(Identity, cn_layer, CN_IDENTITY, .call = identity_call, .output_shape = cni_same_shape, .supports_masking = true, .max_inputs = CN_LAYER_OUTPUTS,
         .per_sample = cni_per_sample)

/* ---- Masking ---- */
static cn_tensor *differs(cn_layer *l, cn_graph *g, cn_tensor *x, bool keepdims) {
  cn_tensor *value = cn_scalar_like(g, x, ((const cn_MaskingOptions *)l->object.options)->mask_value);
  return cn_any(g, cn_not_equal(g, x, value), .axis = CN_INTS(-1), .keepdims = keepdims);
}
static cn_tensor *masking_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0], *keep = differs(l, g, x, true);
  return keep ? cn_multiply(g, x, cn_cast(g, keep, .dtype = cn_dtype_name((cn_dtype)x->dtype))) : NULL;
}
static cn_tensor *masking_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) { return differs(l, g, in->x[0], false); }
CN_LAYER(Masking, cn_layer, CN_MASKING, .call = masking_call, .output_shape = cni_same_shape, .compute_mask = masking_mask, .supports_masking = true,
         .min_rank = 1, .per_sample = cni_per_sample)

/* ---- Lambda ---- */
static bool lambda_init(cn_object *self) {
  const cn_LambdaOptions *o = self->options;
  if (!cn_layer_init(self)) return false;
  if (!o->function.object && !o->function.fn) return cn_fail(self->graph, CN_VALUE, "function is required"), false;
  return true;
}
static cn_tensor *lambda_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  return cn_activate(g, &((const cn_LambdaOptions *)l->object.options)->function, in->x[0]);
}
static cn_tensor *lambda_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  const cn_LambdaOptions *o = l->object.options;
  return in->mask[0] && (o->mask.object || o->mask.fn) ? cn_activate(g, &o->mask, in->mask[0]) : NULL;
}
CN_LAYER_OF(Lambda, cn_layer, CN_LAMBDA, (.init = lambda_init), .call = lambda_call, .compute_mask = lambda_mask)
