/* Sequential: a layer whose sub-layers are called one after the other. */
#include <stdio.h>
#include "model_private.h"
#include "program_private.h"

typedef struct cn_SequentialOptions { cn_graph *graph; CN_LAYER_LIST(CN_FIELD_, ) } cn_SequentialOptions;
static const cn_row rows[] = { CN_LAYER_LIST(CN_ROW_, cn_SequentialOptions) { 0 } };
static const cn_SequentialOptions defaults = { CN_LAYER_LIST(CN_DEFAULT_, ) .graph = NULL };

static cn_model *model_of(cn_layer *l) { return (cn_model *)(void *)l; }

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0];
  for (int64_t i = 0; x && i < l->layers_count; i++) {
    cn_tensor *mask = i == 0 && in->mask[0] ? in->mask[0] : CN_NO_TENSOR;
    x = cn_call(g, l->layers[i], x, .training = in->training, .mask = mask);
  }
  return x;
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  cn_dims at = *in;
  for (int64_t i = 0; i < l->layers_count; i++)
    if (!cn_compute_output_shape(l->layers[i], &at, 1, out)) return false;
    else at = *out;
  *out = at;
  return true;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  (void)n;
  cn_dims at = *in, out;
  for (int64_t i = 0; i < l->layers_count && cn_ok(l->object.graph); i++) {
    if (!cn_build(l->layers[i], &at, 1) || !cn_compute_output_shape(l->layers[i], &at, 1, &out)) return;
    at = out;
  }
}

/* The mask is the last layer's: it stands on the output already. */
static cn_tensor *compute_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)l;
  (void)g;
  (void)in;
  return NULL;
}

void cni_model_finish(cn_object *self) {
  cn_model *m = model_of((cn_layer *)(void *)self);
  cn_graph *g = self->graph;
  cni_compiled_free(m);
  cni_free(g, m->history_names);
  cni_free(g, m->history_values);
  cni_program_free(g, m->program);
  cn_layer_finish(self);
}

static const cn_layer_methods methods = { .build = build, .call = call, .output_shape = output_shape, .compute_mask = compute_mask };
const cn_class cni_sequential_class = { .kind = CN_KIND_LAYER, .schema = { "Sequential", rows, (int)(sizeof rows / sizeof *rows) - 1, sizeof(cn_SequentialOptions), &defaults }, .size = sizeof(cn_model), .init = cn_layer_init, .finish = cni_model_finish, .methods = &methods };

cn_model *cn_Sequential(cn_graph *g, const char *name) {
  if (!cn_ok(g)) return NULL;
  cn_SequentialOptions o = defaults;
  o.graph = g;
  o.name = name;
  return (cn_model *)(void *)cn_object_new(&cni_sequential_class, &o);
}

cn_model *cn_push(cn_model *m, cn_layer *l) {
  if (!m || !l || !cn_ok(m->base.object.graph)) return NULL;
  cn_graph *g = m->base.object.graph;
  if (m->base.built) return cn_fail(g, CN_STATE, "%s: a layer cannot be added once the model is built", m->base.name), NULL;
  for (int64_t i = 0; i < m->base.layers_count; i++)
    if (!strcmp(m->base.layers[i]->name, l->name)) return cn_fail(g, CN_VALUE, "%s: there is a layer named \"%s\" already", m->base.name, l->name), NULL;
  return cn_add_layer(&m->base, l) ? m : NULL;
}

cn_layer *cn_model_layer(cn_model *m) { return m ? &m->base : NULL; }
int64_t cn_model_layers(cn_model *m) { return m ? m->base.layers_count : 0; }
cn_layer *cn_model_layer_at(cn_model *m, int64_t i) { return m && i >= 0 && i < m->base.layers_count ? m->base.layers[i] : NULL; }

bool cn_model_build(cn_model *m, const cn_dims *input) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  if (!m->base.layers_count) return cn_fail(m->base.object.graph, CN_STATE, "%s: the model has no layers", m->base.name), false;
  return cn_build(&m->base, input, 1);
}

void cn_model_free(cn_model *m) {
  if (m) cn_layer_free(&m->base);
}
