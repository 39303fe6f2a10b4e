/* Sequential: a layer whose sub-layers are called one after the other. One that begins with an InputLayer is built layer by layer as they are added. */
#include <stdio.h>
#include "config_private.h"

typedef struct cn_SequentialOptions { cn_graph *graph; CN_LAYER_LIST(CN_FIELD_, ) } cn_SequentialOptions;
static const cn_row rows[] = { CN_LAYER_LIST(CN_ROW_, cn_SequentialOptions) { 0 } };
static const cn_SequentialOptions defaults = { CN_LAYER_LIST(CN_DEFAULT_, ) .graph = NULL };

static cn_model *model_of(cn_layer *l) { return (cn_model *)(void *)l; }

/* Where the input's shape is known, its rank and dtype are mended as a functional model's. */
static cn_tensor *first_input(cn_model *m, cn_graph *g, const cn_inputs *in) {
  cn_tensor *x = in->x[0];
  if (!m->input) return x;
  const cn_dims want = cni_input_dims(m->input);
  const cn_dtype dtype = m->input->dtype;
  if (!(x = cni_fit_rank(g, m->input->name, x, &want))) return NULL;
  return (cn_dtype)x->dtype == dtype || x->dtype == CN_STRING || dtype == CN_STRING ? x : cn_cast(g, x, .dtype = cn_dtype_name(dtype));
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = first_input(model_of(l), g, in);
  if (x && in->mask[0] && !l->layers_count) return cni_with_mask(l, in, x, in->mask[0]);
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
  cni_map_free(g, &m->names);
  cn_layer_free(m->input);
  cni_program_free(g, m->program);
  cn_layer_finish(self);
}

static const cn_layer_methods methods = {
  .build = build, .call = call, .output_shape = output_shape, .compute_mask = compute_mask, .per_sample = cni_per_sample
};
const cn_class cni_sequential_class = { .kind = CN_KIND_LAYER,
                                        .schema = { "Sequential", rows, (int)(sizeof rows / sizeof *rows) - 1, sizeof(cn_SequentialOptions), &defaults },
                                        .size = sizeof(cn_model),
                                        .init = cn_layer_init,
                                        .finish = cni_model_finish,
                                        .methods = &methods,
                                        .module = "keras",
                                        .from_json = cni_sequential_from_json,
                                        .to_json = cni_sequential_to_json };

cn_model *cn_Sequential(cn_graph *g, const char *name) {
  if (!cn_ok(g)) return NULL;
  cn_SequentialOptions o = defaults;
  o.graph = g;
  o.name = name;
  return (cn_model *)(void *)cn_object_new(&cni_sequential_class, &o);
}

/* ---- adding layers ---- */
static cn_model *push_input(cn_model *m, cn_layer *l) {
  cn_graph *g = m->base.object.graph;
  if (m->base.layers_count || m->input) return cn_fail(g, CN_STATE, "%s: an InputLayer comes first", m->base.name), NULL;
  if (l->object.adopted) l->object.uses++;
  l->object.adopted = true;
  m->input = l;
  m->at = cni_input_dims(l);
  return m;
}

/* Builds the layer just added, in the model's scope. */
static bool build_last(cn_model *m) {
  cn_layer *l = m->base.layers[m->base.layers_count - 1];
  const cni_scope_mark mark = cni_layer_enter(&m->base);
  cn_dims out;
  const bool first = !m->base.built, ok = cn_build(l, &m->at, 1) && cn_compute_output_shape(l, &m->at, 1, &out);
  cni_layer_leave(&m->base, mark);
  if (ok && first && (m->base.built_for = cni_alloc(m->base.object.graph, sizeof *m->base.built_for))) {
    *m->base.built_for = cni_input_dims(m->input);
    m->base.built_for_count = 1;
  }
  if (ok) m->at = out;
  m->base.built = m->base.built_for != NULL;
  return ok && cn_ok(m->base.object.graph);
}

cn_model *cn_push(cn_model *m, cn_layer *l) {
  if (!m || !l || !cn_ok(m->base.object.graph)) return NULL;
  cn_graph *g = m->base.object.graph;
  if (m->program) return cn_fail(g, CN_STATE, "%s: a layer can be added to a Sequential only", m->base.name), NULL;
  if (l->object.graph != g) return cn_fail(g, CN_STATE, "%s: layer %s belongs to another graph", m->base.name, l->name), NULL;
  if (l->object.cls == &cn_class_InputLayer) return push_input(m, l);
  if (m->base.built && !m->input) return cn_fail(g, CN_STATE, "%s: a layer cannot be added once the model is built", m->base.name), NULL;
  if (cni_map_get(&m->names, l->name)) return cn_fail(g, CN_VALUE, "%s: there is a layer named \"%s\" already", m->base.name, l->name), NULL;
  if (!cni_map_put(g, &m->names, l->name, l) || !cni_adopt(&m->base, l)) return NULL;
  return !m->input || build_last(m) ? m : NULL;
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

/* ---- Keras' config ---- */
static bool read_layers(cn_graph *g, cn_model *m, const json_t *layers) {
  for (size_t i = 0; m && i < json_array_size(layers); i++) {
    cn_layer *l = (cn_layer *)(void *)cni_models_factory.from_json(g, CN_KIND_LAYER, json_array_get(layers, i));
    if (!l) return false;
    if (cn_push(m, l)) continue;
    if (!l->object.adopted) cn_layer_free(l);
    return false;
  }
  return m != NULL;
}

static bool build_as_written(cn_graph *g, cn_model *m, const json_t *shape) {
  cn_dims dims = { 0, { 0 } };
  if (m->base.built || !json_is_array(shape) || !json_array_size(shape) || json_is_array(json_array_get(shape, 0))) return true;
  if (json_array_size(shape) > CN_MAX_RANK) return cn_fail(g, CN_FORMAT, "Sequential: build_input_shape is too long"), false;
  for (; dims.rank < (int)json_array_size(shape); dims.rank++) {
    const json_t *n = json_array_get(shape, (size_t)dims.rank);
    dims.d[dims.rank] = json_is_integer(n) ? json_integer_value(n) : CN_UNKNOWN;
  }
  return !m->base.layers_count || cn_model_build(m, &dims);
}

/* As in Keras, `trainable` is not read: every layer has its own. */
cn_object *cni_sequential_from_json(cn_graph *g, const json_t *config) {
  const json_t *layers = json_object_get(config, "layers");
  if (!json_is_array(layers)) return cn_fail(g, CN_FORMAT, "Sequential: the config has no layers"), NULL;
  cn_SequentialOptions o = defaults;
  o.graph = g;
  o.name = json_string_value(json_object_get(config, "name"));
  cn_model *m = (cn_model *)(void *)cn_object_new(&cni_sequential_class, &o);
  if (m && read_layers(g, m, layers) && build_as_written(g, m, json_object_get(config, "build_input_shape"))) return &m->base.object;
  cn_model_free(m);
  return NULL;
}

json_t *cni_sequential_to_json(cn_graph *g, const cn_object *self) {
  const cn_model *m = (const cn_model *)(const void *)self;
  json_t *layers = json_array(), *input = m->input ? cni_object_json(g, &m->input->object) : NULL;
  if (input) json_array_append_new(layers, input);
  for (int64_t i = 0; i < m->base.layers_count && cn_ok(g); i++) json_array_append_new(layers, cni_object_json(g, &m->base.layers[i]->object));
  json_t *shape = m->base.built_for ? json_array() : NULL;
  for (int i = 0; shape && i < m->base.built_for->rank; i++) {
    const int64_t n = m->base.built_for->d[i];
    json_array_append_new(shape, !i || n == CN_UNKNOWN ? json_null() : json_integer(n));
  }
  json_t *config =
      json_pack("{s:s, s:b, s:s, s:o}", "name", m->base.name, "trainable", m->base.trainable, "dtype", cn_dtype_name(m->base.dtype), "layers", layers);
  if (shape) json_object_set_new(config, "build_input_shape", shape);
  if (cn_ok(g)) return config;
  json_decref(config);
  return NULL;
}
