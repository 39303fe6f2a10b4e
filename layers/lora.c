#include "lora_private.h"
#include <math.h>
#include <stdio.h>

void cni_lora_build(cn_layer *l, cni_lora *lora, const char *name, cn_tensor *kernel, int64_t rank, double alpha, const cn_ref *regularizer,
                    const cn_ref *constraint) {
  char text[64];
  *lora = (cni_lora){ NULL, NULL, 0 };
  if (!kernel || rank == CN_NONE || !rank) return;
  if (constraint->name || constraint->object || constraint->fn) {
    cn_fail(l->object.graph, CN_VALUE, "%s: lora_rank cannot be given together with a constraint", l->object.cls->schema.name);
    return;
  }
  cn_dims a = kernel->dims;
  a.d[a.rank - 1] = rank;
  snprintf(text, sizeof text, "%s_a", name);
  lora->a = cn_add_weight(l, text, &a, .initializer = CN_NAME("he_uniform"), .regularizer = *regularizer);
  snprintf(text, sizeof text, "%s_b", name);
  lora->b = cn_add_weight(l, text, CN_DIMS(rank, kernel->dims.d[kernel->dims.rank - 1]), .initializer = CN_NAME("zeros"), .regularizer = *regularizer);
  lora->scale = isnan(alpha) ? 1 : alpha / (double)rank;
  if (lora->b) cn_set_trainable(kernel, false);
}

cn_tensor *cni_lora_kernel(cn_graph *g, const cni_lora *lora, cn_tensor *kernel) {
  return lora->a ? cn_add(g, kernel, cn_scale(g, cn_matmul(g, lora->a, lora->b), lora->scale)) : kernel;
}
