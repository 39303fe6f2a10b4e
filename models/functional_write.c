/* Functional models as Keras' config. */
#include "config_private.h"

/* Which step gives a value, and its name in references. */
typedef struct writer {
  cn_graph *g;
  const cni_program *p;
  int32_t *origin; /* of a value: its step, or -1 - input */
  const cni_feed *next;
  bool failed;
} writer;

static bool origins(writer *w, cni_arena *arena) {
  const cni_program *p = w->p;
  w->origin = cni_arena_take(w->g, arena, (size_t)(p->values_count + 1) * sizeof *w->origin);
  if (!w->origin) return false;
  for (int32_t i = 0; i < p->inputs_count; i++) w->origin[i] = -1 - i;
  for (int32_t k = 0; k < p->steps_count; k++)
    for (int32_t i = 0; i < p->steps[k].node->ny; i++) w->origin[p->steps[k].first + i] = k;
  return true;
}

static const cni_part *part_of_input(const cni_program *p, int32_t input) {
  int64_t k = 0;
  while (k < p->parts_count && p->parts[k].input != input) k++;
  return k < p->parts_count ? &p->parts[k] : NULL;
}

/* [name, node, tensor] of a value. `ends`: in input_layers and output_layers, where an inner Functional's nodes count from 1. */
static json_t *reference(writer *w, int32_t value, bool ends) {
  const int32_t k = w->origin[value];
  if (k < 0) return json_pack("[s, i, i]", part_of_input(w->p, -1 - k)->name, 0, 0);
  const cni_stage *s = &w->p->steps[k];
  const cni_part *part = &w->p->parts[s->part];
  const int32_t output = value - s->first;
  if (output >= s->node->symbol->masks_first) {
    w->failed = true;
    cn_fail(w->g, CN_UNSUPPORTED, "the mask of %s is used as a tensor, which has no form in a config", part->name);
  }
  const bool from_one = ends && part->layer && part->layer->object.cls == &cni_functional_class;
  return json_pack("[s, i, i]", part->name, (int)s->call + from_one, (int)output);
}

static json_t *shape_json(const cn_dims *d) {
  json_t *list = json_array();
  for (int i = 0; i < d->rank; i++) json_array_append_new(list, d->d[i] == CN_UNKNOWN ? json_null() : json_integer(d->d[i]));
  return list;
}

static json_t *tensor_json(void *user, const cn_tensor *t) {
  writer *w = user;
  return json_pack("{s:s, s:{s:o, s:s, s:o}}", "class_name", "__keras_tensor__", "config", "shape", shape_json(&t->dims), "dtype",
                   cn_dtype_name((cn_dtype)t->dtype), "keras_history", reference(w, w->next++->value, false));
}
static json_t *any_tensor(writer *w, const cn_tensor *t) {
  if (!t || !cni_given(t)) return json_null();
  return t->flags & CNI_SYMBOLIC ? tensor_json(w, t) : cni_constant_json(t);
}

static json_t *tensors_json(writer *w, const cn_tensors *list) {
  json_t *v = json_array();
  for (int64_t i = 0; i < list->n; i++) json_array_append_new(v, any_tensor(w, list->v[i]));
  return v;
}

/* {"args": [x] or [[x, ...]], "kwargs": {...}} of a layer's call. */
static json_t *call_json(writer *w, const cni_stage *s) {
  const cn_layer_methods *m = s->node->symbol->layer->object.cls->methods;
  json_t *args = json_array(), *kwargs = json_object();
  w->next = s->feeds;
  for (int i = 0; i < cni_call_schema.count; i++) {
    const cn_row *row = &cni_call_schema.rows[i];
    const void *at = cni_option_at_const(&cni_call_schema, s->node->args, i);
    const cn_tensors *list = row->kind == CN_OPTION_TENSORS ? at : NULL;
    cn_tensor *t = row->kind == CN_OPTION_TENSOR ? *(cn_tensor *const *)at : NULL;
    const int64_t *number = row->kind == CN_OPTION_INT ? at : NULL;
    if (!strcmp(row->name, "x")) {
      if (cni_given(t)) json_array_append_new(args, any_tensor(w, t));
    } else if (!strcmp(row->name, "inputs")) {
      json_t *v = list->n > 0 ? tensors_json(w, list) : NULL;
      if (v && m->separate_inputs) json_array_extend(args, v), json_decref(v);
      else if (v) json_array_append_new(args, v);
    } else if (number && *number != CN_NONE) {
      json_object_set_new(kwargs, row->name, json_boolean(*number != 0));
    } else if (t && cni_given(t)) {
      json_object_set_new(kwargs, row->name, any_tensor(w, t));
    } else if (list && list->n > 0) {
      json_object_set_new(kwargs, strcmp(row->name, "masks") ? row->name : "mask", tensors_json(w, list));
    }
  }
  return json_pack("{s:o, s:o}", "args", args, "kwargs", kwargs);
}

static json_t *part_json(writer *w, int64_t k, cni_stage *const *steps, int64_t n) {
  const cni_part *part = &w->p->parts[k];
  if (!part->layer) {
    w->next = steps[0]->feeds;
    return cni_graph_op_json(w->g, steps[0], part->name, tensor_json, w);
  }
  json_t *entry = cni_object_json(w->g, &part->layer->object), *nodes = json_array();
  for (int64_t i = 0; i < n; i++) json_array_append_new(nodes, call_json(w, steps[i]));
  if (entry) json_object_set_new(entry, "name", json_string(part->name));
  if (entry) json_object_set_new(entry, "inbound_nodes", nodes);
  else json_decref(nodes);
  return entry;
}

static json_t *ends_json(writer *w, const int32_t *values, int64_t n, const char *const *keys, bool single) {
  json_t *all = keys ? json_object() : json_array();
  if (single && !keys) return json_decref(all), reference(w, values ? values[0] : 0, true);
  for (int64_t i = 0; i < n; i++) {
    json_t *one = reference(w, values ? values[i] : (int32_t)i, true);
    if (keys) json_object_set_new(all, keys[i], one);
    else json_array_append_new(all, one);
  }
  return all;
}

/* The steps of each part, in the order of its calls: those of part k are at[first[k]] to at[first[k + 1]]. */
static bool by_part(writer *w, cni_arena *arena, cni_stage ***at, int64_t **first) {
  const cni_program *p = w->p;
  *at = cni_arena_take(w->g, arena, (size_t)(p->steps_count + 1) * sizeof **at);
  *first = cni_arena_take(w->g, arena, (size_t)(p->parts_count + 2) * sizeof **first);
  if (!*at || !*first) return false;
  memset(*first, 0, (size_t)(p->parts_count + 2) * sizeof **first);
  for (int64_t k = 0; k < p->steps_count; k++) (*first)[p->steps[k].part + 1]++;
  for (int64_t k = 0; k < p->parts_count; k++) (*first)[k + 1] += (*first)[k];
  for (int64_t k = 0; k < p->steps_count; k++) (*at)[(*first)[p->steps[k].part] + p->steps[k].call] = &p->steps[k];
  return true;
}

json_t *cni_functional_to_json(cn_graph *g, const cn_object *o) {
  const cn_model *m = (const cn_model *)(const void *)o;
  const cni_program *p = m->program;
  writer w = { .g = g, .p = p };
  cni_arena arena = { .tracked = true };
  cni_stage **at;
  int64_t *first;
  json_t *layers = json_array(), *config = NULL;
  bool ok = origins(&w, &arena) && by_part(&w, &arena, &at, &first);
  for (int64_t k = 0; ok && k < p->parts_count; k++) {
    json_t *entry = part_json(&w, k, at + first[k], first[k + 1] - first[k]);
    ok = entry && json_array_append_new(layers, entry) == 0;
  }
  if (ok)
    config = json_pack("{s:s, s:b, s:O, s:o, s:o}", "name", m->base.name, "trainable", m->base.trainable, "layers", layers, "input_layers",
                       ends_json(&w, NULL, p->inputs_count, p->input_keys, p->single_input), "output_layers",
                       ends_json(&w, p->results, p->outputs_count, p->output_keys, p->single_output));
  json_decref(layers);
  cni_arena_free(g, &arena);
  if (cn_ok(g)) return config;
  json_decref(config);
  return NULL;
}
