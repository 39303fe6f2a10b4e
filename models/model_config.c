/* Models by Keras' JSON, and copies of models. */
#include <stdlib.h>
#include "config_private.h"

static bool is_model(const cn_object *o) { return o && (o->cls == &cni_sequential_class || o->cls == &cni_functional_class); }

cn_model *cn_model_from_config(cn_graph *g, const char *json) {
  cn_layer *l = cn_layer_from_config(g, json);
  if (!l || is_model(&l->object)) return (cn_model *)(void *)l;
  cn_fail(g, CN_VALUE, "model_from_config: a %s is no model", l->object.cls->schema.name);
  cn_layer_free(l);
  return NULL;
}

const char *cn_model_config(cn_model *m) { return m ? cn_layer_config(&m->base) : NULL; }

/* A new layer of the same class and config, built for the same shapes; its weights are its own. */
static cn_layer *clone_layer(cn_layer *l) {
  cn_graph *g = l->object.graph;
  json_t *config = cni_object_json(g, &l->object);
  cn_layer *copy = config ? (cn_layer *)(void *)cni_models_factory.from_json(g, CN_KIND_LAYER, config) : NULL;
  json_decref(config);
  return copy;
}

/* The program once more, on new inputs and layers. */
static cn_model *clone_graph(cn_model *m, cn_layer **layers, cn_tensor **inputs, cn_tensor **outputs) {
  cn_graph *g = m->base.object.graph;
  cni_program *p = m->program;
  for (int64_t k = 0; k < p->parts_count; k++) {
    if (p->parts[k].layer && !(layers[k] = clone_layer(p->parts[k].layer))) return NULL;
    if (p->parts[k].input >= 0 && !(inputs[p->parts[k].input] = cn_input_of(layers[k]))) return NULL;
  }
  if (!cni_program_again(g, p, inputs, layers, outputs)) return NULL;
  const cn_model_args a = { .graph = g,
                            .inputs = { inputs, p->inputs_count },
                            .outputs = { outputs, p->outputs_count },
                            .name = m->base.name,
                            .trainable = m->base.trainable,
                            .input_keys = { p->input_keys, p->input_keys ? p->inputs_count : 0 },
                            .output_keys = { p->output_keys, p->output_keys ? p->outputs_count : 0 } };
  cn_model *copy = cn_model_run(&a);
  if (copy) copy->program->single_input = p->single_input, copy->program->single_output = p->single_output;
  return copy;
}

static cn_model *clone_functional(cn_model *m) {
  cn_graph *g = m->base.object.graph;
  const int64_t n = m->program->parts_count, inputs = m->program->inputs_count;
  void **memory = cni_alloc(g, (size_t)(n + inputs + m->program->outputs_count) * sizeof *memory);
  if (!memory) return NULL;
  cn_layer **layers = (cn_layer **)memory;
  cn_model *copy = clone_graph(m, layers, (cn_tensor **)(memory + n), (cn_tensor **)(memory + n + inputs));
  for (int64_t k = 0; !copy && k < n; k++)
    if (layers[k] && !layers[k]->object.adopted) cn_layer_free(layers[k]);
  cni_free(g, memory);
  return copy;
}

cn_model *cn_clone_model(cn_model *m) {
  if (!m || !cn_ok(m->base.object.graph)) return NULL;
  if (m->program) return clone_functional(m);
  cn_layer *copy = clone_layer(&m->base);
  if (copy) copy->trainable = m->base.trainable; /* which a Sequential's config does not bring back */
  return (cn_model *)(void *)copy;
}
