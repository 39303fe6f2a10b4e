/* Every class that layers knows, and objects by name. */
#include "layers.h"
#include <stdlib.h>
#include "layer_private.h"

#define CLASS(L) &cn_class_##L,
const cn_class *const cni_layer_classes[] = {
  CLASS(Activation)
  CLASS(ActivityRegularization)
  CLASS(AdaptiveAveragePooling1D)
  CLASS(AdaptiveAveragePooling2D)
  CLASS(AdaptiveAveragePooling3D)
  CLASS(AdaptiveMaxPooling1D)
  CLASS(AdaptiveMaxPooling2D)
  CLASS(AdaptiveMaxPooling3D)
  CLASS(Add)
  CLASS(AdditiveAttention)
  CLASS(AlphaDropout)
  CLASS(Attention)
  CLASS(Average)
  CLASS(AveragePooling1D)
  CLASS(AveragePooling2D)
  CLASS(AveragePooling3D)
  CLASS(BatchNormalization)
  CLASS(Bidirectional)
  CLASS(Concatenate)
  CLASS(Conv1D)
  CLASS(Conv1DTranspose)
  CLASS(Conv2D)
  CLASS(Conv2DTranspose)
  CLASS(Conv3D)
  CLASS(Conv3DTranspose)
  CLASS(ConvLSTM1D)
  CLASS(ConvLSTM2D)
  CLASS(ConvLSTM3D)
  CLASS(Cropping1D)
  CLASS(Cropping2D)
  CLASS(Cropping3D)
  CLASS(Dense)
  CLASS(DepthwiseConv1D)
  CLASS(DepthwiseConv2D)
  CLASS(Dot)
  CLASS(Dropout)
  CLASS(ELU)
  CLASS(EinsumDense)
  CLASS(Embedding)
  CLASS(Flatten)
  CLASS(GRU)
  CLASS(GRUCell)
  CLASS(GaussianDropout)
  CLASS(GaussianNoise)
  CLASS(GlobalAveragePooling1D)
  CLASS(GlobalAveragePooling2D)
  CLASS(GlobalAveragePooling3D)
  CLASS(GlobalMaxPooling1D)
  CLASS(GlobalMaxPooling2D)
  CLASS(GlobalMaxPooling3D)
  CLASS(GroupNormalization)
  CLASS(GroupQueryAttention)
  CLASS(Identity)
  CLASS(InputLayer)
  CLASS(LSTM)
  CLASS(LSTMCell)
  CLASS(Lambda)
  CLASS(LayerNormalization)
  CLASS(LeakyReLU)
  CLASS(Masking)
  CLASS(MaxPooling1D)
  CLASS(MaxPooling2D)
  CLASS(MaxPooling3D)
  CLASS(Maximum)
  CLASS(Minimum)
  CLASS(MultiHeadAttention)
  CLASS(Multiply)
  CLASS(PReLU)
  CLASS(Permute)
  CLASS(RMSNormalization)
  CLASS(RNN)
  CLASS(ReLU)
  CLASS(RepeatVector)
  CLASS(Rescaling)
  CLASS(Reshape)
  CLASS(ReversibleEmbedding)
  CLASS(SeparableConv1D)
  CLASS(SeparableConv2D)
  CLASS(SimpleRNN)
  CLASS(SimpleRNNCell)
  CLASS(Softmax)
  CLASS(SpatialDropout1D)
  CLASS(SpatialDropout2D)
  CLASS(SpatialDropout3D)
  CLASS(SpectralNormalization)
  CLASS(StackedRNNCells)
  CLASS(Subtract)
  CLASS(ThresholdedReLU)
  CLASS(TimeDistributed)
  CLASS(UnitNormalization)
  CLASS(UpSampling1D)
  CLASS(UpSampling2D)
  CLASS(UpSampling3D)
  CLASS(Wrapper)
  CLASS(ZeroPadding1D)
  CLASS(ZeroPadding2D)
  CLASS(ZeroPadding3D)
  NULL };

static cn_class_list list_of(cn_kind kind) {
  switch (kind) {
  case CN_KIND_INITIALIZER: return cni_initializer_classes;
  case CN_KIND_REGULARIZER: return cni_regularizer_classes;
  case CN_KIND_CONSTRAINT: return cni_constraint_classes;
  default: return NULL;
  }
}

static cn_object *from_text(cn_graph *g, cn_kind kind, const char *text) {
  return kind == CN_KIND_ACTIVATION ? cni_activation_from_text(g, text) : cni_object_from_text(g, kind, text, list_of(kind), &cni_layers_factory);
}
/* A layer's config may be spelt as an older Keras does. */
static cn_object *layer_from_json(cn_graph *g, const json_t *config) {
  json_t *today = cni_config_today(g, config);
  cn_object *o = today ? cni_object_from_json(g, CN_KIND_LAYER, today, NULL, &cni_layers_factory) : NULL;
  json_decref(today);
  return o;
}
static cn_object *from_json(cn_graph *g, cn_kind kind, const json_t *config) {
  if (kind == CN_KIND_ACTIVATION) return cni_activation_from_json(g, config);
  if (kind == CN_KIND_LAYER) return layer_from_json(g, config);
  return cni_object_from_json(g, kind, config, list_of(kind), &cni_layers_factory);
}
const cni_factory cni_layers_factory = { from_text, from_json };

cn_layer *cn_layer_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? (cn_layer *)(void *)from_text(g, CN_KIND_LAYER, text) : NULL; }

cn_layer *cn_layer_from_config(cn_graph *g, const char *json) {
  if (!cn_ok(g) || !json) return NULL;
  json_error_t e;
  json_t *config = json_loads(json, JSON_REJECT_DUPLICATES, &e);
  if (!config) return cn_fail(g, CN_FORMAT, "layer_from_config: line %d, column %d: %s", e.line, e.column, e.text), NULL;
  cn_object *o = from_json(g, CN_KIND_LAYER, config);
  json_decref(config);
  return (cn_layer *)(void *)o;
}

const char *cn_layer_config(cn_layer *l) {
  if (!l || !cn_ok(l->object.graph)) return NULL;
  cn_graph *g = l->object.graph;
  json_t *config = cni_object_json(g, &l->object);
  char *text = config ? json_dumps(config, JSON_REAL_PRECISION(17)) : NULL;
  json_decref(config);
  if (!text) return cn_fail(g, CN_NO_MEMORY, "layer_config: out of memory"), NULL; /* unless something else failed before */
  const size_t size = strlen(text) + 1;
  char *copy = cni_arena_take(g, cni_step_arena(g), size);
  if (copy) memcpy(copy, text, size);
  free(text);
  return copy;
}
