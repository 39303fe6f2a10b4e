/* Configs of older Keras: options that have another name now, or none. */
#include <float.h>
#include "layer_private.h"

/* What tf.keras 2.4 and Keras 2 write. now NULL: without effect; "": without effect where it is false or 1, and no option else. cls NULL: of every layer
 * but InputLayer, whose own options they are. */
static const struct { const char *cls, *old, *now; } spellings[] = {
  { "LeakyReLU", "alpha", "negative_slope" },  /* tf.keras, Keras 2 */
  { "LeakyReLU", "slope", "negative_slope" },
  { "ReLU", "slope", "negative_slope" },
  { "Embedding", "input_length", NULL },
  { NULL, "batch_input_shape", NULL },         /* of a model's first layer: a shape for the model, nothing to the layer */
  { NULL, "input_shape", NULL },
  { NULL, "batch_size", NULL },
  { NULL, "dynamic", NULL },
  { "Dense", "input_dim", NULL },
  { "GRU", "use_cudnn", NULL },
  { "LSTM", "use_cudnn", NULL },
  { "MultiHeadAttention", "query_shape", NULL },
  { "MultiHeadAttention", "key_shape", NULL },
  { "MultiHeadAttention", "value_shape", NULL },
  { "Attention", "causal", "" },
  { "AdditiveAttention", "causal", "" },
  { "SimpleRNN", "implementation", NULL },
  { "SimpleRNNCell", "implementation", NULL },
  { "GRU", "implementation", NULL },
  { "GRUCell", "implementation", NULL },
  { "LSTM", "implementation", NULL },
  { "LSTMCell", "implementation", NULL },
  { "RNN", "time_major", "" },
  { "SimpleRNN", "time_major", "" },
  { "GRU", "time_major", "" },
  { "LSTM", "time_major", "" },
  { "ConvLSTM1D", "time_major", "" },
  { "ConvLSTM2D", "time_major", "" },
  { "ConvLSTM3D", "time_major", "" },
  { "Conv1DTranspose", "groups", "" },
  { "Conv2DTranspose", "groups", "" },
  { "Conv3DTranspose", "groups", "" },
  { "DepthwiseConv1D", "groups", "" },
  { "DepthwiseConv2D", "groups", "" },
  { "SeparableConv1D", "groups", "" },
  { "SeparableConv2D", "groups", "" },
  { "SeparableConv1D", "kernel_initializer", NULL },
  { "SeparableConv1D", "kernel_regularizer", NULL },
  { "SeparableConv1D", "kernel_constraint", NULL },
  { "SeparableConv2D", "kernel_initializer", NULL },
  { "SeparableConv2D", "kernel_regularizer", NULL },
  { "SeparableConv2D", "kernel_constraint", NULL },
  { "InputLayer", "batch_input_shape", "batch_shape" },
};
#define COUNT (sizeof spellings / sizeof *spellings)

static bool concerns(size_t i, const char *cls) { return spellings[i].cls ? !strcmp(spellings[i].cls, cls) : strcmp(cls, "InputLayer") != 0; }

/* Renames or drops one entry of options; what the config gives under today's name counts. */
static bool respell(json_t *options, size_t i) {
  const char *now = spellings[i].now;
  json_t *value = json_object_get(options, spellings[i].old);
  const bool off = json_is_false(value) || json_is_null(value) || (json_is_integer(value) && json_integer_value(value) == 1);
  if (!value || (now && !*now && !off)) return true;
  const bool known = !now || !*now || json_object_get(options, now);
  return (known || !json_object_set(options, now, value)) && !json_object_del(options, spellings[i].old);
}

static bool refuse_quantization(cn_graph *g, const char *cls, const json_t *options) {
  const json_t *wanted = json_object_get(options, "quantization_config"), *dtype = json_object_get(options, "dtype");
  if (wanted && !json_is_null(wanted)) return cn_fail(g, CN_UNSUPPORTED, "%s: quantization_config is not supported", cls), false;
  const char *policy = json_string_value(json_object_get(dtype, "class_name"));
  if (policy && strcmp(policy, "DTypePolicy")) return cn_fail(g, CN_UNSUPPORTED, "%s: dtype: the policy %s is not supported", cls, policy), false;
  return true;
}

/* BatchNormalization's bounds by name, in the order of the option. What is not given is no bound. */
static bool list_clipping(json_t *options) {
  static const struct { const char *name; double none; } bounds[] = { { "rmin", 0 }, { "rmax", DBL_MAX }, { "dmax", DBL_MAX } };
  const json_t *given = json_object_get(options, "renorm_clipping");
  if (!json_is_object(given)) return true;
  json_t *list = json_array();
  bool done = list != NULL;
  for (int i = 0; i < 3 && done; i++) {
    json_t *v = json_object_get(given, bounds[i].name);
    done = !json_array_append_new(list, v && !json_is_null(v) ? json_incref(v) : json_real(bounds[i].none));
  }
  return !json_object_set_new(options, "renorm_clipping", list) && done;
}

/* BatchNormalization's axis as a list of one. */
static bool single_axis(json_t *options) {
  const json_t *axis = json_object_get(options, "axis");
  return json_array_size(axis) != 1 || !json_object_set(options, "axis", json_array_get(axis, 0));
}

json_t *cni_config_today(cn_graph *g, const json_t *config) {
  const char *cls = json_string_value(json_object_get(config, "class_name"));
  const json_t *options = json_object_get(config, "config");
  if (!cls || !json_is_object(options)) return json_incref((json_t *)(uintptr_t)config);
  if (!refuse_quantization(g, cls, options)) return NULL;
  json_t *copy = json_copy((json_t *)(uintptr_t)config), *inner = json_copy((json_t *)(uintptr_t)options);
  bool done = copy && inner && !json_object_set(copy, "config", inner);
  for (size_t i = 0; i < COUNT && done; i++)
    if (concerns(i, cls)) done = respell(inner, i);
  if (!strcmp(cls, "BatchNormalization")) done = done && list_clipping(inner) && single_axis(inner);
  json_decref(inner);
  if (done) return copy;
  json_decref(copy);
  return cn_fail(g, CN_NO_MEMORY, "%s: out of memory: config", cls), NULL;
}
