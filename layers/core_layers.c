/* Layers without weights of their own, and Embedding. */
#include "core_layers.h"
#include "activation.h"
#include "layer_private.h"

static bool same_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)l;
  (void)n;
  *out = *in;
  return true;
}

/* ---- Activation ---- */
static cn_tensor *activation_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return cn_activate(g, &((const cn_ActivationOptions *)l->object.options)->activation, in->x[0]); }
CN_LAYER(Activation, cn_layer, CN_ACTIVATION, .call = activation_call, .supports_masking = true)

/* ---- Flatten ---- */
static cn_tensor *flatten_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0];
  const cn_FlattenOptions *o = l->object.options;
  const int r = x->dims.rank;
  if (r > 2 && o->data_format && !strcmp(o->data_format, "channels_first")) {
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
CN_LAYER(Rescaling, cn_layer, CN_RESCALING, .call = rescaling_call, .output_shape = same_shape, .supports_masking = true)

/* ---- Embedding ---- */
typedef struct embedding { cn_layer base; cn_tensor *table; /* [input_dim, output_dim] */ } embedding;

static void embedding_build(cn_layer *l, const cn_dims *in, int64_t n) {
  (void)in;
  (void)n;
  const cn_EmbeddingOptions *o = l->object.options;
  ((embedding *)l)->table = cn_add_weight(l, "embeddings", CN_DIMS(o->input_dim, o->output_dim), .initializer = o->embeddings_initializer, .regularizer = o->embeddings_regularizer,
                                          .constraint = o->embeddings_constraint);
}

static cn_tensor *embedding_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0];
  if (cni_is_float((cn_dtype)x->dtype)) x = cn_cast(g, x, .dtype = "int32");
  return cn_take(g, ((embedding *)l)->table, x, .axis = 0);
}

static cn_tensor *embedding_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  if (!((const cn_EmbeddingOptions *)l->object.options)->mask_zero) return NULL;
  return cn_not_equal(g, in->x[0], cn_scalar_like(g, in->x[0], 0));
}

static bool embedding_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  if (in->rank == CN_MAX_RANK) return cn_fail(l->object.graph, CN_SHAPE, "Embedding: the input's rank must be less than %d", CN_MAX_RANK), false;
  *out = *in;
  out->d[out->rank++] = ((const cn_EmbeddingOptions *)l->object.options)->output_dim;
  return true;
}
CN_LAYER(Embedding, embedding, CN_EMBEDDING, .build = embedding_build, .call = embedding_call, .output_shape = embedding_shape, .compute_mask = embedding_mask)
