/* Optimizers by name, from and to Keras' JSON. */
#include <stdlib.h>
#include "optimizer_private.h"

cn_optimizer *cn_optimizer_from(cn_graph *g, const char *text) {
  return cn_ok(g) && text ? (cn_optimizer *)(void *)cni_optim_factory.from_text(g, CN_KIND_OPTIMIZER, text) : NULL;
}

static cn_class_list list_of(cn_kind kind) { return kind == CN_KIND_SCHEDULE ? cni_schedule_classes : cni_optimizer_classes; }

static cn_object *from_text(cn_graph *g, cn_kind kind, const char *text) { return cni_object_from_text(g, kind, text, list_of(kind), &cni_optim_factory); }

/* MultiOptimizer: {"optimizer_map": {"class_name": "OptimizerMap", "config": {"default_optimizer": .., "optimizer_map": {pattern: optimizer}}}, ..}. */
static bool map_from(cn_graph *g, cn_object *multi, const json_t *map) {
  const char *pattern;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)map, pattern, value) {
    cn_object *inner = cni_optim_factory.from_json(g, CN_KIND_OPTIMIZER, value);
    const bool ok = inner && cn_optimizer_map((cn_optimizer *)(void *)multi, pattern, (cn_optimizer *)(void *)inner);
    cn_object_free(inner);
    if (!ok) return false;
  }
  return true;
}

static cn_object *multi_from(cn_graph *g, json_t *whole, json_t *config) {
  json_t *parts = json_object_get(json_object_get(config, "optimizer_map"), "config"), *map = json_incref(json_object_get(parts, "optimizer_map"));
  json_object_set(config, "default_optimizer", json_object_get(parts, "default_optimizer"));
  json_object_del(config, "optimizer_map");
  cn_object *o = cni_object_from_json(g, CN_KIND_OPTIMIZER, whole, cni_optimizer_classes, &cni_optim_factory);
  if (o && !map_from(g, o, map)) cn_object_free(o), o = NULL;
  json_decref(map);
  return o;
}

/* Keras writes a schedule where the rate stands. */
static cn_object *optimizer_from(cn_graph *g, const json_t *given) {
  json_t *whole = json_copy((json_t *)(uintptr_t)given), *config = json_copy(json_object_get(given, "config"));
  if (!whole || !config || json_object_set(whole, "config", config)) {
    json_decref(whole), json_decref(config);
    return cn_fail(g, CN_NO_MEMORY, "optimizer_from_config: out of memory"), NULL;
  }
  json_t *rate = json_object_get(config, "learning_rate");
  if (json_is_object(rate)) {
    json_object_set(config, "schedule", rate);
    json_object_del(config, "learning_rate");
  }
  const bool multi = json_is_object(json_object_get(config, "optimizer_map"));
  cn_object *o = multi ? multi_from(g, whole, config) : cni_object_from_json(g, CN_KIND_OPTIMIZER, whole, cni_optimizer_classes, &cni_optim_factory);
  json_decref(config);
  json_decref(whole);
  return o;
}

static cn_object *from_json(cn_graph *g, cn_kind kind, const json_t *config) {
  if (kind == CN_KIND_OPTIMIZER && json_is_object(json_object_get(config, "config"))) return optimizer_from(g, config);
  return cni_object_from_json(g, kind, config, list_of(kind), &cni_optim_factory);
}
const cni_factory cni_optim_factory = { from_text, from_json };

cn_optimizer *cn_optimizer_from_config(cn_graph *g, const char *json) {
  if (!cn_ok(g) || !json) return NULL;
  json_error_t e;
  json_t *config = json_loads(json, JSON_REJECT_DUPLICATES, &e);
  if (!config) return cn_fail(g, CN_FORMAT, "optimizer_from_config: line %d, column %d: %s", e.line, e.column, e.text), NULL;
  cn_object *o = from_json(g, CN_KIND_OPTIMIZER, config);
  json_decref(config);
  return (cn_optimizer *)(void *)o;
}

/* ---- writing ---- */
static json_t *wrapped(const char *class_name, json_t *config) {
  return config ? json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.optimizers", "class_name", class_name, "config", config, "registered_name") : NULL;
}

static json_t *schedule_json(const cn_object *o) {
  json_t *config = cni_options_to_json(o->graph, &o->cls->schema, o->options), *out = wrapped(o->cls->schema.name, config);
  if (out) json_object_set_new(out, "module", json_string("keras.optimizers.schedules"));
  return out;
}

static json_t *optimizer_json(cn_optimizer *o);

static json_t *map_json(cn_optimizer *o) {
  json_t *map = json_object(), *rest = optimizer_json(cni_multi_part(o, NULL, cni_multi_count(o)));
  for (int64_t i = 0; map && i < cni_multi_count(o); i++) {
    const char *pattern;
    cn_optimizer *inner = cni_multi_part(o, &pattern, i);
    if (json_object_set_new(map, pattern, optimizer_json(inner))) json_decref(map), map = NULL;
  }
  return map && rest ? json_pack("{s:s, s:{s:o, s:o}}", "class_name", "OptimizerMap", "config", "default_optimizer", rest, "optimizer_map", map)
                     : (json_decref(map), json_decref(rest), NULL);
}

static json_t *optimizer_json(cn_optimizer *o) {
  const struct cni_optimizer_state *s = o->state;
  const bool multi = o->object.cls == &cn_class_optimizer_MultiOptimizer;
  json_t *config = cni_options_to_json(o->object.graph, &o->object.cls->schema, o->object.options);
  if (!config) return NULL;
  json_object_set_new(config, "name", json_string(s->name));
  json_object_del(config, "schedule");
  if (s->schedule) json_object_set_new(config, "learning_rate", schedule_json(s->schedule));
  else if (json_object_get(config, "learning_rate"))
    json_object_set_new(config, "learning_rate", json_real(s->rate_at ? (double)(float)s->learning_rate : cn_optimizer_learning_rate(o)));
  if (multi) json_object_del(config, "default_optimizer"), json_object_set_new(config, "optimizer_map", map_json(o));
  const cni_wrapper *w = cni_wrapper_of(o);
  if (w && w->main(o)) json_object_set_new(config, "inner_optimizer", optimizer_json(w->main(o)));
  return wrapped(o->object.cls->schema.name, config);
}

const char *cn_optimizer_config(cn_optimizer *o) {
  if (!o || !cn_ok(o->object.graph)) return NULL;
  cn_graph *g = o->object.graph;
  json_t *config = optimizer_json(o);
  char *text = config ? json_dumps(config, JSON_REAL_PRECISION(17)) : NULL;
  json_decref(config);
  if (!text) return cni_optimizer_fail(o, CN_NO_MEMORY, "out of memory"), NULL;
  const size_t size = strlen(text) + 1;
  char *copy = cni_arena_take(g, cni_step_arena(g), size);
  if (copy) memcpy(copy, text, size);
  free(text);
  return copy;
}
