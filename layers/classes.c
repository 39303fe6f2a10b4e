/* Every class that layers knows, and objects by name. */
#include "layers.h"
#include <stdlib.h>
#include "layer_private.h"

const cn_class *const cni_layer_classes[] = { &cn_class_Activation, &cn_class_Dense, &cn_class_Dropout, &cn_class_Embedding, &cn_class_Flatten, &cn_class_GlobalAveragePooling1D, &cn_class_InputLayer, &cn_class_Identity, &cn_class_Lambda, &cn_class_Masking, &cn_class_Rescaling, &cn_class_TimeDistributed, &cn_class_Wrapper, NULL };

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
static cn_object *from_json(cn_graph *g, cn_kind kind, const json_t *config) {
  return kind == CN_KIND_ACTIVATION ? cni_activation_from_json(g, config) : cni_object_from_json(g, kind, config, list_of(kind), &cni_layers_factory);
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
