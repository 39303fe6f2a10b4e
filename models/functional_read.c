/* Functional models from Keras' config: {name, trainable, layers: [{..., name, inbound_nodes}], input_layers, output_layers}. A node is called once everything
 * that it names has been. */
#include <stdlib.h>
#include "config_private.h"

enum { NEW, WAITING, DONE };
typedef struct called { int state; cn_tensor **y; int64_t ny; } called;
typedef struct entry {
  const json_t *json;
  json_t *nodes /* own */;
  const char *name;
  cn_layer *layer;
  bool operation;
  called *calls;
  int64_t calls_count;
} entry;
typedef struct place { entry *e; int64_t call; } place;
typedef struct reader {
  cn_graph *g;
  cni_arena arena;
  cni_map names;       /* entries */
  entry *entries;
  size_t count;
  place *stack;
  int64_t stack_count, stack_capacity;
} reader;

static bool bad(reader *r, const char *what, const char *name) {
  return cn_fail(r->g, CN_FORMAT, "Functional: %s%s%s%s", what, name ? " \"" : "", name ? name : "", name ? "\"" : ""), false;
}

/* ---- references ---- */
static const json_t *history_of(const json_t *v) {
  const char *name = json_string_value(json_object_get(v, "class_name"));
  return name && !strcmp(name, "__keras_tensor__") ? json_object_get(json_object_get(v, "config"), "keras_history") : NULL;
}

/* [name, node, tensor]; false after an error. An inner Functional's nodes count from 1 in input_layers and output_layers. */
static bool find_place(reader *r, const json_t *h, bool outer, place *p, int64_t *output) {
  const char *name = json_string_value(json_array_get(h, 0));
  if (!name || !json_is_integer(json_array_get(h, 1)) || !json_is_integer(json_array_get(h, 2))) return bad(r, "a reference is not [name, node, tensor]", NULL);
  p->e = cni_map_get(&r->names, name);
  p->call = json_integer_value(json_array_get(h, 1));
  *output = json_integer_value(json_array_get(h, 2));
  if (!p->e) return bad(r, "a reference names the unknown layer", name);
  if (outer && p->call > 0 && p->e->layer && p->e->layer->object.cls == &cni_functional_class) p->call--;
  if (p->call < 0 || p->call >= p->e->calls_count) return bad(r, "a reference names a call that is not there, of", name);
  return true;
}

static cn_tensor *output_of(reader *r, const json_t *h, bool outer) {
  place p;
  int64_t i;
  if (!find_place(r, h, outer, &p, &i)) return NULL;
  const called *c = &p.e->calls[p.call];
  if (c->state != DONE || i < 0 || i >= c->ny) return bad(r, "a reference names an output that is not there, of", p.e->name), NULL;
  return c->y[i];
}

/* The first call within v that has not been made, in *p. */
static bool missing(reader *r, const json_t *v, place *p) {
  const json_t *h = history_of(v);
  int64_t i;
  if (h) return find_place(r, h, false, p, &i) && p->e->calls[p->call].state != DONE;
  for (size_t k = 0; json_is_array(v) && k < json_array_size(v) && cn_ok(r->g); k++)
    if (missing(r, json_array_get(v, k), p)) return true;
  const char *key;
  json_t *inner;
  if (json_is_object(v)) json_object_foreach((json_t *)(uintptr_t)v, key, inner)
    if (missing(r, inner, p)) return true;
  return false;
}

/* ---- calling a layer ---- */
typedef struct gathered { cn_tensor **v; int64_t n, capacity; } gathered;

static bool gather(reader *r, const json_t *v, gathered *to);

static int by_key(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The values of a dict in the order of its keys. */
static bool gather_dict(reader *r, const json_t *v, gathered *to) {
  const char **keys = cni_arena_take(r->g, &r->arena, (json_object_size(v) + 1) * sizeof *keys), *key;
  json_t *inner;
  size_t n = 0;
  if (!keys) return false;
  json_object_foreach((json_t *)(uintptr_t)v, key, inner) keys[n++] = key;
  qsort(keys, n, sizeof *keys, by_key);
  for (size_t i = 0; i < n; i++)
    if (!gather(r, json_object_get(v, keys[i]), to)) return false;
  return true;
}

static bool gather(reader *r, const json_t *v, gathered *to) {
  const json_t *h = history_of(v);
  for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
    if (!gather(r, json_array_get(v, i), to)) return false;
  if (json_is_array(v)) return true;
  if (!h && json_is_object(v) && !json_object_get(v, "class_name")) return gather_dict(r, v, to);
  if (to->n == to->capacity && !cni_grow(r->g, (void **)&to->v, to->n, &to->capacity, sizeof *to->v)) return false;
  cn_tensor *t = h ? output_of(r, h, false) : json_is_null(v) ? CN_NO_TENSOR : cni_constant_from(r->g, v, CN_F32);
  return (to->v[to->n++] = t) != NULL;
}

/* Keyword arguments: rows of CN_CALL; an input by its name otherwise. */
static bool read_keyword(reader *r, const entry *e, cn_call_args *a, const char *key, const json_t *v, gathered *inputs) {
  if (json_is_null(v)) return true;
  const bool masks = !strcmp(key, "mask") && json_is_array(v);
  const int row = cni_option_find(&cni_call_schema, masks ? "masks" : key);
  if (row < 0 || !strcmp(key, "layer") || !strcmp(key, "x") || !strcmp(key, "inputs"))
    return !history_of(v) && !json_is_array(v) ? bad(r, "a call has the unknown argument", key) : gather(r, v, inputs);
  void *at = cni_option_at(&cni_call_schema, a, row);
  (void)e;
  if (cni_call_schema.rows[row].kind == CN_OPTION_INT) return *(int64_t *)at = json_is_boolean(v) ? json_is_true(v) : json_integer_value(v), true;
  gathered g = { NULL, 0, 0 };
  bool ok = gather(r, v, &g);
  if (ok && cni_call_schema.rows[row].kind == CN_OPTION_TENSOR)
    ok = g.n == 1 ? (*(cn_tensor **)at = g.v[0]) != NULL : bad(r, "a call has several tensors for", key);
  else if (ok) {
    cn_tensor **list = cni_arena_take(r->g, &r->arena, (size_t)(g.n + 1) * sizeof *g.v);
    if (list && g.n) memcpy(list, g.v, (size_t)g.n * sizeof *g.v);
    *(cn_tensors *)at = (cn_tensors){ list, g.n };
    ok = list != NULL;
  }
  cni_free(r->g, g.v);
  return ok;
}

static bool call_layer(reader *r, entry *e, const json_t *args, const json_t *kwargs, called *c) {
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  gathered inputs = { NULL, 0, 0 };
  const char *key;
  json_t *v;
  bool ok = gather(r, args, &inputs);
  json_object_foreach((json_t *)(uintptr_t)kwargs, key, v) ok = ok && read_keyword(r, e, &a, key, v, &inputs);
  const bool several = inputs.n != 1 || (json_array_size(args) && !history_of(json_array_get(args, 0)));
  a.graph = r->g;
  a.layer = e->layer;
  if (ok && !inputs.n) ok = bad(r, "a call has no inputs, of", e->name);
  if (ok && several) a.inputs = (cn_tensors){ inputs.v, inputs.n };
  else if (ok) a.x = inputs.v[0];
  c->y = cni_arena_take(r->g, &r->arena, (1 + CN_LAYER_OUTPUTS) * sizeof *c->y);
  ok = ok && c->y && cn_call_layer(&a, c->y, &c->ny);
  cni_free(r->g, inputs.v);
  return ok;
}

/* ---- calling an operation ---- */
/* v with the tensors that its references mean. */
static json_t *with_tensors(reader *r, const json_t *v, cni_places *p) {
  const json_t *h = history_of(v);
  const char *key;
  json_t *inner, *out;
  if (h) {
    if (p->n == p->capacity && !cni_grow(r->g, (void **)&p->v, p->n, &p->capacity, sizeof *p->v)) return NULL;
    p->v[p->n] = output_of(r, h, false);
    return json_pack("{s:s, s:I}", "class_name", "__place__", "config", (json_int_t)p->n++);
  }
  if (json_is_array(v)) {
    out = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) json_array_append_new(out, with_tensors(r, json_array_get(v, i), p));
    return out;
  }
  if (!json_is_object(v)) return json_incref((json_t *)(uintptr_t)v);
  out = json_object();
  json_object_foreach((json_t *)(uintptr_t)v, key, inner) json_object_set_new(out, key, with_tensors(r, inner, p));
  return out;
}

static bool call_operation(reader *r, entry *e, const json_t *args, const json_t *kwargs, called *c) {
  cni_places places = { NULL, 0, 0 };
  json_t *a = with_tensors(r, args, &places), *k = with_tensors(r, kwargs, &places);
  cn_tensor *const *y = cn_ok(r->g) ? cni_graph_op_call(r->g, &places, e->json, a, k) : cni_nulls;
  cni_free(r->g, places.v);
  json_decref(a);
  json_decref(k);
  if (!y[0] || !y[0]->node || !(y[0]->flags & CNI_SYMBOLIC)) return cn_ok(r->g) && bad(r, "an operation depends on no input:", e->name);
  c->ny = y[0]->node->ny;
  c->y = y[0]->node->y;
  return true;
}

static bool make_call(reader *r, const place *p) {
  called *c = &p->e->calls[p->call];
  const json_t *node = json_array_get(p->e->nodes, (size_t)p->call), *args = json_object_get(node, "args"), *kwargs = json_object_get(node, "kwargs");
  bool ok = true;
  if (p->e->layer && p->e->layer->object.cls == &cn_class_InputLayer) {
    c->y = cni_arena_take(r->g, &r->arena, sizeof *c->y);
    c->ny = 1;
    ok = c->y && (c->y[0] = cn_input_of(p->e->layer));
  } else if (!json_is_array(args)) {
    return bad(r, "a call has no args, of", p->e->name);
  } else {
    ok = (p->e->operation ? call_operation : call_layer)(r, p->e, args, kwargs, c);
  }
  c->state = DONE;
  return ok && cn_ok(r->g);
}

static bool push(reader *r, place p) {
  if (r->stack_count == r->stack_capacity && !cni_grow(r->g, (void **)&r->stack, r->stack_count, &r->stack_capacity, sizeof *r->stack)) return false;
  r->stack[r->stack_count++] = p;
  return true;
}

/* Makes a call and those that it needs; a layer's calls in their order. */
static bool make_calls(reader *r, place first) {
  if (!push(r, first)) return false;
  while (r->stack_count) {
    const place p = r->stack[r->stack_count - 1];
    called *c = &p.e->calls[p.call];
    place next = { p.e, p.call - 1 };
    const bool waits =
        c->state != DONE && ((p.call > 0 && p.e->calls[p.call - 1].state != DONE) || missing(r, json_array_get(p.e->nodes, (size_t)p.call), &next));
    if (!cn_ok(r->g)) return false;
    if (!waits) {
      r->stack_count--;
      if (c->state != DONE && !make_call(r, &p)) return false;
      continue;
    }
    c->state = WAITING;
    if (next.e->calls[next.call].state == WAITING) return bad(r, "the graph has a cycle through", next.e->name);
    if (!push(r, next)) return false;
  }
  return true;
}

/* ---- calls of older Keras ---- */
static bool is_reference(const json_t *v) {
  return json_is_string(json_array_get(v, 0)) && json_is_integer(json_array_get(v, 1)) && json_is_integer(json_array_get(v, 2));
}

/* What stands in a call: [name, node, tensor, ...] becomes a tensor as today's Keras writes it. */
static json_t *value_today(const json_t *v) {
  if (is_reference(v))
    return json_pack("{s:s, s:{s:[O,O,O]}}", "class_name", "__keras_tensor__", "config", "keras_history", json_array_get(v, 0), json_array_get(v, 1),
                     json_array_get(v, 2));
  if (!json_is_array(v)) return json_incref((json_t *)(uintptr_t)v);
  json_t *list = json_array();
  for (size_t i = 0; i < json_array_size(v); i++) json_array_append_new(list, value_today(json_array_get(v, i)));
  return list;
}

/* tf.keras' [[name, node, tensor, {kwargs}], ...] as {args, kwargs}; what is not of that form stays. */
static json_t *node_today(const json_t *node) {
  if (!is_reference(json_array_get(node, 0))) return json_incref((json_t *)(uintptr_t)node);
  const json_t *given = json_array_get(json_array_get(node, 0), 3);
  json_t *inputs = value_today(node), *kwargs = json_object(), *v;
  const char *key;
  json_object_foreach((json_t *)(uintptr_t)given, key, v) json_object_set_new(kwargs, key, value_today(v));
  json_t *first = json_array_size(inputs) == 1 ? json_incref(json_array_get(inputs, 0)) : json_incref(inputs);
  json_decref(inputs);
  return json_pack("{s:[o], s:o}", "args", first, "kwargs", kwargs);
}

static json_t *nodes_today(const json_t *nodes) {
  if (!json_is_array(nodes)) return NULL;
  json_t *list = json_array();
  for (size_t i = 0; i < json_array_size(nodes); i++) json_array_append_new(list, node_today(json_array_get(nodes, i)));
  return list;
}

/* ---- entries ---- */
static bool read_entry(reader *r, const json_t *json, entry *e) {
  const json_t *config = json_object_get(json, "config");
  e->json = json;
  e->nodes = nodes_today(json_object_get(json, "inbound_nodes"));
  e->name = json_string_value(json_object_get(json, "name"));
  if (!e->name) e->name = json_string_value(json_object_get(config, "name"));
  if (!e->name) return bad(r, "a layer has no name", NULL);
  if (cni_map_get(&r->names, e->name)) return bad(r, "two layers are named", e->name);
  e->operation = cni_is_graph_op(json);
  if (!e->operation && !(e->layer = (cn_layer *)(void *)cni_models_factory.from_json(r->g, CN_KIND_LAYER, json))) return false;
  const bool input = e->layer && e->layer->object.cls == &cn_class_InputLayer;
  e->calls_count = input ? 1 : (int64_t)json_array_size(e->nodes);
  e->calls = cni_arena_take(r->g, &r->arena, (size_t)(e->calls_count + 1) * sizeof *e->calls);
  if (!e->calls) return false;
  memset(e->calls, 0, (size_t)(e->calls_count + 1) * sizeof *e->calls);
  return cni_map_put(r->g, &r->names, e->name, e);
}

static bool read_entries(reader *r, const json_t *layers) {
  r->count = json_array_size(layers);
  r->entries = cni_arena_take(r->g, &r->arena, (r->count + 1) * sizeof *r->entries);
  if (!r->entries) return false;
  memset(r->entries, 0, (r->count + 1) * sizeof *r->entries);
  for (size_t i = 0; i < r->count; i++)
    if (!read_entry(r, json_array_get(layers, i), &r->entries[i])) return false;
  for (size_t i = 0; i < r->count; i++)
    for (int64_t k = 0; k < r->entries[i].calls_count; k++)
      if (r->entries[i].calls[k].state != DONE && !make_calls(r, (place){ &r->entries[i], k })) return false;
  return true;
}

/* ---- inputs and outputs ---- */
typedef struct ends { cn_tensor **v; const char **keys; int64_t n; bool single, dict; } ends;

/* A reference, a list of them, or a dict. */
static bool read_ends(reader *r, const json_t *v, ends *e) {
  e->dict = json_is_object(v);
  e->single = !e->dict && json_is_string(json_array_get(v, 0));
  e->n = e->single ? 1 : (int64_t)(e->dict ? json_object_size(v) : json_array_size(v));
  e->v = cni_arena_take(r->g, &r->arena, (size_t)(e->n + 1) * sizeof *e->v);
  e->keys = cni_arena_take(r->g, &r->arena, (size_t)(e->n + 1) * sizeof *e->keys);
  if (!e->v || !e->keys) return false;
  if (!e->n || (!e->dict && !json_is_array(v))) return bad(r, "input_layers or output_layers are missing", NULL);
  const char *key;
  json_t *inner;
  int64_t n = 0;
  if (e->dict) json_object_foreach((json_t *)(uintptr_t)v, key, inner) e->keys[n++] = key;
  if (e->dict) qsort(e->keys, (size_t)n, sizeof *e->keys, by_key);
  for (int64_t i = 0; i < e->n; i++) {
    const json_t *h = e->single ? v : e->dict ? json_object_get(v, e->keys[i]) : json_array_get(v, (size_t)i);
    if (!(e->v[i] = output_of(r, h, true))) return false;
  }
  return true;
}

static cn_model *read_model(reader *r, const json_t *config) {
  const json_t *trainable = json_object_get(config, "trainable");
  ends in, out;
  if (!json_is_array(json_object_get(config, "layers"))) return bad(r, "the config has no layers", NULL), NULL;
  if (!read_entries(r, json_object_get(config, "layers")) || !read_ends(r, json_object_get(config, "input_layers"), &in) ||
      !read_ends(r, json_object_get(config, "output_layers"), &out))
    return NULL;
  const cn_model_args a = { .graph = r->g,
                            .inputs = { in.v, in.n },
                            .outputs = { out.v, out.n },
                            .name = json_string_value(json_object_get(config, "name")),
                            .trainable = !json_is_false(trainable),
                            .input_keys = { in.keys, in.dict ? in.n : 0 },
                            .output_keys = { out.keys, out.dict ? out.n : 0 } };
  cn_model *m = cn_model_run(&a);
  if (m) m->program->single_input = in.single, m->program->single_output = out.single;
  return m;
}

/* Layers that no model took over. */
static void drop_entries(reader *r) {
  for (size_t i = 0; r->entries && i < r->count; i++) {
    json_decref(r->entries[i].nodes);
    if (r->entries[i].layer && !r->entries[i].layer->object.adopted) cn_layer_free(r->entries[i].layer);
  }
}

cn_object *cni_functional_from_json(cn_graph *g, const json_t *config) {
  reader r = { .g = g, .arena.tracked = true };
  cn_layer *calling = g->calling;
  g->calling = NULL;
  cn_model *m = read_model(&r, config);
  g->calling = calling;
  drop_entries(&r);
  cni_map_free(g, &r.names);
  cni_free(g, r.stack);
  cni_arena_free(g, &r.arena);
  return m ? &m->base.object : NULL;
}
