#include "activation.h"
#include "core_layers.h"
#include "lora_private.h"

typedef struct dense {
  cn_layer base;
  cn_tensor *kernel, *bias; /* [d, units], [units] */
  cni_lora lora;
  int64_t fused;            /* the activation's number in cn_linear, or 0 */
} dense;

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  dense *d = (dense *)l;
  const cn_DenseOptions *o = l->object.options;
  (void)n;
  d->kernel = cn_add_weight(l, "kernel", CN_DIMS(in->d[in->rank - 1], o->units), .initializer = o->kernel_initializer, .regularizer = o->kernel_regularizer,
                            .constraint = o->kernel_constraint);
  cn_expect_axis(l, -1, in->d[in->rank - 1]);
  d->bias = CN_NO_TENSOR;
  if (o->use_bias)
    d->bias =
        cn_add_weight(l, "bias", CN_DIMS(o->units), .initializer = o->bias_initializer, .regularizer = o->bias_regularizer, .constraint = o->bias_constraint);
  cni_lora_build(l, &d->lora, "lora_kernel", d->kernel, o->lora_rank, o->lora_alpha, &o->kernel_regularizer, &o->kernel_constraint);
  d->fused = cni_activation_fused(&o->activation);
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const dense *d = (const dense *)l;
  cn_tensor *x = in->x[0];
  cn_tensor *y = cn_linear(g, x, cni_lora_kernel(g, &d->lora, d->kernel), d->bias, .activation = d->fused);
  return d->fused ? y : cn_activate(g, &((const cn_DenseOptions *)l->object.options)->activation, y);
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  *out = *in;
  out->d[in->rank - 1] = ((const cn_DenseOptions *)l->object.options)->units;
  return true;
}

CN_LAYER(Dense, dense, CN_DENSE, .build = build, .call = call, .output_shape = output_shape, .min_rank = 2, .supports_masking = true,
         .per_sample = cni_per_sample)
