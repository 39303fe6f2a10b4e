#include "normalization.h"
#include "layer_private.h"

static bool unit_init(cn_object *self) {
  return cn_layer_init(self) && (((const cn_UnitNormalizationOptions *)self->options)->axis.n >= 0 || (cn_fail(self->graph, CN_VALUE, "axis must not be None"), false));
}

static cn_tensor *unit_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0], *squares = cn_sum(g, cn_square(g, x), .axis = ((const cn_UnitNormalizationOptions *)l->object.options)->axis, .keepdims = true);
  return squares ? cn_multiply(g, x, cn_rsqrt(g, cn_maximum(g, squares, cn_scalar_like(g, squares, 1e-24)))) : NULL;
}
CN_LAYER_OF(UnitNormalization, cn_layer, CN_UNIT_NORMALIZATION, (.init = unit_init), .call = unit_call, .output_shape = cni_same_shape, .supports_masking = true)
