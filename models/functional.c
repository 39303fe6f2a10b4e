/* Functional models: a layer whose call runs a program. */
#include <stdio.h>
#include "model_private.h"
#include "config_private.h"

typedef struct cn_FunctionalOptions { cn_graph *graph; CN_LAYER_LIST(CN_FIELD_, ) } cn_FunctionalOptions;
static const cn_row rows[] = { CN_LAYER_LIST(CN_ROW_, cn_FunctionalOptions) { 0 } };
static const cn_FunctionalOptions defaults = { CN_LAYER_LIST(CN_DEFAULT_, ) .graph = NULL };

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cni_program *p = ((cn_model *)(void *)l)->program;
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  if (!p) return cn_fail(g, CN_STATE, "the model has no graph"), NULL;
  if (!cni_program_run(g, p, l, in, y)) return NULL;
  for (int64_t i = 1; i < p->outputs_count; i++) in->more[in->more_count++] = y[i];
  return y[0];
}

/* Masks stand on the outputs already. */
static cn_tensor *no_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)l;
  (void)g;
  (void)in;
  return NULL;
}

static const cn_layer_methods methods = { .call = call, .compute_mask = no_mask, .max_inputs = INT64_MAX };
static const char *const aliases[] = { "Model", NULL };
const cn_class cni_functional_class = { .kind = CN_KIND_LAYER,
                                        .schema = { "Functional", rows, (int)(sizeof rows / sizeof *rows) - 1, sizeof(cn_FunctionalOptions), &defaults },
                                        .aliases = aliases,
                                        .size = sizeof(cn_model),
                                        .init = cn_layer_init,
                                        .finish = cni_model_finish,
                                        .methods = &methods,
                                        .module = "keras.src.models.functional",
                                        .from_json = cni_functional_from_json,
                                        .to_json = cni_functional_to_json };

/* ---- making ---- */
static const char **keys_copy(cn_graph *g, cni_program *p, const cn_strings *keys) {
  const char **v = cni_arena_take(g, &p->arena, (size_t)(keys->n + 1) * sizeof *v);
  for (int64_t i = 0; v && i < keys->n; i++) {
    const size_t size = strlen(keys->v[i]) + 1;
    char *copy = cni_arena_take(g, &p->arena, size);
    if (!copy) return NULL;
    v[i] = memcpy(copy, keys->v[i], size);
  }
  return v;
}

static bool keep_keys(cn_graph *g, cni_program *p, const cn_model_args *a) {
  if ((a->input_keys.n > 0 && a->input_keys.n != p->inputs_count) || (a->output_keys.n > 0 && a->output_keys.n != p->outputs_count))
    return cn_fail(g, CN_VALUE, "Model: %lld inputs and %lld outputs, but %lld and %lld keys", (long long)p->inputs_count, (long long)p->outputs_count,
                   (long long)a->input_keys.n, (long long)a->output_keys.n),
           false;
  if (a->input_keys.n > 0 && !(p->input_keys = keys_copy(g, p, &a->input_keys))) return false;
  return a->output_keys.n <= 0 || (p->output_keys = keys_copy(g, p, &a->output_keys)) != NULL;
}

/* The layers as sub-layers, in Keras' order. */
static bool adopt_layers(cn_model *m) {
  cni_program *p = m->program;
  for (int64_t k = 0; k < p->parts_count; k++)
    if (p->parts[k].layer && !cni_adopt(&m->base, p->parts[k].layer)) return false;
  return true;
}

cn_model *cn_model_run(const cn_model_args *a) {
  cn_graph *g = a->graph;
  if (!cn_ok(g)) return NULL;
  if (a->outputs.n > CN_LAYER_OUTPUTS)
    return cn_fail(g, CN_UNSUPPORTED, "Model: %lld outputs, at most %d are possible", (long long)a->outputs.n, CN_LAYER_OUTPUTS), NULL;
  cni_program *p = cni_program_new(g, &a->inputs, &a->outputs);
  if (!p) return NULL;
  cn_FunctionalOptions o = defaults;
  o.graph = g;
  o.name = a->name;
  o.trainable = a->trainable;
  p->single_input = a->inputs.n == 1;
  p->single_output = a->outputs.n == 1;
  cn_model *m = keep_keys(g, p, a) ? (cn_model *)(void *)cn_object_new(&cni_functional_class, &o) : NULL;
  if (!m) return cni_program_free(g, p), NULL;
  m->program = p;
  m->base.built = true;
  if (adopt_layers(m)) return m;
  cn_model_free(m);
  return NULL;
}

int64_t cn_model_inputs(const cn_model *m) { return m && m->program ? m->program->inputs_count : 0; }
int64_t cn_model_outputs(const cn_model *m) { return m && m->program ? m->program->outputs_count : 0; }
cn_tensor *cn_model_input(const cn_model *m, int64_t i) { return m && m->program && i >= 0 && i < m->program->inputs_count ? m->program->inputs[i] : NULL; }
cn_tensor *cn_model_output(const cn_model *m, int64_t i) { return m && m->program && i >= 0 && i < m->program->outputs_count ? m->program->outputs[i] : NULL; }
