#include "regularization.h"
#include "layer_private.h"

typedef struct dropout { cn_layer base; cn_stream stream; } dropout;

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  (void)in;
  (void)n;
  const cn_DropoutOptions *o = l->object.options;
  ((dropout *)l)->stream = o->seed == CN_NONE ? cn_stream_new(l->object.graph) : (cn_stream){ (uint64_t)o->seed, 0 };
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_DropoutOptions *o = l->object.options;
  if (!in->training || o->rate == 0) return in->x[0];
  return cn_dropout(g, in->x[0], o->rate, .noise_shape = o->noise_shape, .stream = &((dropout *)l)->stream);
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)l;
  (void)n;
  *out = *in;
  return true;
}
CN_LAYER(Dropout, dropout, CN_DROPOUT, .build = build, .call = call, .output_shape = output_shape, .supports_masking = true)
