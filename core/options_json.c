/* Options from and to Keras' config objects. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "options_private.h"

typedef struct reader {
  cn_graph *g;
  const cn_schema *s;
  const cn_row *row; /* of the value being read */
  const cni_factory *f;
  cni_take take;
  void *where;
} reader;

typedef struct excerpt { char text[64]; size_t used; } excerpt;

static int excerpt_add(const char *p, size_t n, void *to) {
  excerpt *e = to;
  const size_t room = sizeof e->text - 4 - e->used, kept = n < room ? n : room;
  memcpy(e->text + e->used, p, kept);
  e->used += kept;
  return kept < n ? -1 : 0;
}

static bool wrong(const reader *r, const json_t *v, const char *what) {
  excerpt e = { .used = 0 };
  const bool whole = json_dump_callback(v, excerpt_add, &e, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
  return cni_option_fail(r->g, r->s, "%s: %.*s%s is %s", r->row->name, (int)e.used, e.text, whole ? "" : "...", what);
}

static const char *class_name(const json_t *v) { return json_string_value(json_object_get(v, "class_name")); }

/* The elements of an array or of a Keras tuple; NULL for what is neither. */
static const json_t *elements(const json_t *v) {
  const char *name = class_name(v);
  if (name && strcmp(name, "__tuple__") == 0) v = json_object_get(v, "items");
  return json_is_array(v) ? v : NULL;
}

/* As in Keras, 2.0 is none. */
static bool read_integer(const json_t *v, int64_t *out) {
  *out = json_integer_value(v);
  return json_is_integer(v);
}

static bool read_real(const json_t *v, double *out) {
  const char *text = json_string_value(v);
  if (json_is_number(v)) return *out = json_number_value(v), true;
  const char *end = text ? cni_number_parse(text, out) : NULL;
  return end && !*end && !isfinite(*out);
}

static const char *copy(const reader *r, const char *text) {
  const size_t size = strlen(text) + 1;
  char *p = r->take(r->g, r->where, size);
  return p ? memcpy(p, text, size) : NULL;
}

static bool take_integer(const reader *r, const json_t *v, int64_t *out) {
  if (!read_integer(v, out)) return wrong(r, v, "no integer");
  return *out >= CNI_LEAST_INTEGER || wrong(r, v, "too small");
}

static bool set_int(const reader *r, const json_t *v, void *at) {
  int64_t *out = at;
  if (json_is_null(v)) return *out = CN_NONE, true;
  return take_integer(r, v, out);
}

static bool set_real(const reader *r, const json_t *v, void *at) {
  double *out = at;
  if (json_is_null(v)) return *out = CN_NONE_REAL, true;
  return read_real(v, out) || wrong(r, v, "no number");
}

static bool set_bool(const reader *r, const json_t *v, void *at) {
  int64_t number = json_is_true(v);
  const bool is_flag = json_is_integer(v) && read_integer(v, &number) && (number == 0 || number == 1);
  *(bool *)at = number == 1;
  return json_is_boolean(v) || json_is_null(v) || is_flag || wrong(r, v, "neither true nor false");
}

/* A dtype may be given as a policy object. */
static const char *text_of(const reader *r, const json_t *v) {
  const bool policy = r->row->check == CN_CHECK_DTYPE && json_is_object(v);
  return json_string_value(policy ? json_object_get(json_object_get(v, "config"), "name") : v);
}

static bool set_string(const reader *r, const json_t *v, void *at) {
  const char **out = at, *text = text_of(r, v);
  *out = NULL;
  if (json_is_null(v)) return true;
  if (!text) return wrong(r, v, "no text");
  return (*out = copy(r, text)) != NULL;
}

/* The object that a config makes; wrong if nothing here makes objects. */
static void *make(const reader *r, cn_kind kind, const json_t *v) {
  if (r->f && r->f->from_json) return r->f->from_json(r->g, kind, v);
  return wrong(r, v, "an object, which cannot be made here"), NULL;
}

static bool set_ref_text(const reader *r, const char *text, cn_ref *out) { return (out->name = copy(r, text)) != NULL; }

/* A name, a number (as text), a function's name in a config, or an object. */
static bool set_ref(const reader *r, const json_t *v, void *at) {
  char number[32];
  cn_ref *out = at;
  const char *name = class_name(v);
  const json_t *config = json_object_get(v, "config");
  *out = (cn_ref){ .name = NULL };
  if (json_is_null(v)) return true;
  if (json_is_string(v)) return set_ref_text(r, json_string_value(v), out);
  if (json_is_number(v)) return cni_number_text(json_number_value(v), 17, number, sizeof number), set_ref_text(r, number, out);
  if (!name) return wrong(r, v, "neither a name nor an object");
  if (strcmp(name, "function") == 0 && json_is_string(config)) return set_ref_text(r, json_string_value(config), out);
  return (out->object = make(r, (cn_kind)r->row->check, v)) != NULL;
}

static bool set_layer(const reader *r, const json_t *v, void *at) {
  cn_layer **out = at;
  *out = json_is_null(v) ? NULL : (cn_layer *)make(r, CN_KIND_LAYER, v);
  return *out || json_is_null(v);
}

static bool set_nothing(const reader *r, const json_t *v, void *at) {
  (void)at;
  return json_is_null(v) || cni_option_fail(r->g, r->s, "%s cannot be given in a config", r->row->name);
}

/* Lists. A single value is a list of one; lists inside a list are flattened: they must be equally long. */

typedef bool (*element_setter)(const reader *r, const json_t *v, void *list, int64_t i);

static int64_t count_elements(const json_t *v) {
  const json_t *list = elements(v);
  int64_t count = list ? 0 : 1;
  for (size_t i = 0; list && i < json_array_size(list); i++) count += count_elements(json_array_get(list, i));
  return count;
}

static bool each_element(const reader *r, const json_t *v, void *list, int64_t *n, element_setter set) {
  const json_t *inner = elements(v), *first = inner ? elements(json_array_get(inner, 0)) : NULL;
  if (!inner) return set(r, v, list, (*n)++);
  for (size_t i = 0; i < json_array_size(inner); i++) {
    const json_t *row = json_array_get(inner, i), *others = elements(row);
    if (!first != !others || json_array_size(first) != json_array_size(others)) return wrong(r, v, "no list of lists of one length");
    if (!each_element(r, row, list, n, set)) return false;
  }
  return true;
}

/* list->v gets room for every element; list->n grows with them. */
static bool set_list(const reader *r, const json_t *v, cn_ints *list, size_t size, element_setter set) {
  *list = (cn_ints){ NULL, json_is_null(v) ? -1 : 0 };
  if (json_is_null(v)) return true;
  const int64_t room = count_elements(v) + 1; /* for set_ints */
  int64_t n = 0;
  list->v = r->take(r->g, r->where, (size_t)room * size);
  return list->v && each_element(r, v, list, &n, set);
}

static bool set_ints_element(const reader *r, const json_t *v, void *list, int64_t i) {
  cn_ints *out = list;
  int64_t *element = (int64_t *)(uintptr_t)&out->v[i];
  *element = CN_NONE;
  out->n = i + 1;
  return json_is_null(v) || take_integer(r, v, element);
}

static bool set_reals_element(const reader *r, const json_t *v, void *list, int64_t i) {
  cn_reals *out = list;
  out->n = i + 1;
  return read_real(v, (double *)(uintptr_t)&out->v[i]) || wrong(r, v, "no number");
}

static bool set_strings_element(const reader *r, const json_t *v, void *list, int64_t i) {
  cn_strings *out = list;
  const char **element = (const char **)(uintptr_t)&out->v[i];
  if (!json_is_string(v)) return wrong(r, v, "no text");
  out->n = i + 1;
  return (*element = copy(r, json_string_value(v))) != NULL;
}

static bool set_layers_element(const reader *r, const json_t *v, void *list, int64_t i) {
  cn_layers *out = list;
  cn_layer **element = (cn_layer **)(uintptr_t)&out->v[i];
  out->n = i + 1;
  return set_layer(r, v, element);
}

static bool set_size_element(const reader *r, const json_t *v, void *list, int64_t i) {
  if (i >= 3) return cni_option_fail(r->g, r->s, "%s takes at most 3 numbers", r->row->name);
  int64_t *d = &((cn_size *)list)->d[i];
  if (!take_integer(r, v, d)) return false;
  return *d != 0 || cni_option_fail(r->g, r->s, "%s must be positive, got 0", r->row->name); /* a 0 that is written is no entry left out */
}

static bool set_ints(const reader *r, const json_t *v, void *at) {
  const bool lists_only = r->row->check == CN_CHECK_LIST || r->row->check == CN_CHECK_REQUIRED_LIST;
  if (lists_only && !json_is_null(v) && !elements(v)) return wrong(r, v, "no list");
  if (!set_list(r, v, at, sizeof(int64_t), set_ints_element)) return false;
  if (r->row->check == CN_CHECK_ONE_OR_LIST && elements(v)) cni_option_mark_list(at);
  return true;
}

static bool set_reals(const reader *r, const json_t *v, void *at) { return set_list(r, v, at, sizeof(double), set_reals_element); }

static bool set_strings(const reader *r, const json_t *v, void *at) { return set_list(r, v, at, sizeof(char *), set_strings_element); }

static bool set_layers(const reader *r, const json_t *v, void *at) { return set_list(r, v, at, sizeof(cn_layer *), set_layers_element); }

static bool set_size(const reader *r, const json_t *v, void *at) {
  int64_t n = 0;
  *(cn_size *)at = (cn_size){ { json_is_null(v) ? CN_NONE : 0 } };
  if (json_is_null(v)) return true;
  if (!each_element(r, v, at, &n, set_size_element)) return false;
  if (elements(v)) cni_size_mark_list(at);
  return true;
}

static bool set_value(const reader *r, const json_t *v, void *at) {
  static bool (*const setters[])(const reader *, const json_t *, void *) = {
    [CN_OPTION_INT] = set_int,         [CN_OPTION_REAL] = set_real,       [CN_OPTION_BOOL] = set_bool,        [CN_OPTION_STRING] = set_string,
    [CN_OPTION_SIZE] = set_size,       [CN_OPTION_INTS] = set_ints,       [CN_OPTION_REALS] = set_reals,      [CN_OPTION_STRINGS] = set_strings,
    [CN_OPTION_REF] = set_ref,         [CN_OPTION_TENSOR] = set_nothing,  [CN_OPTION_TENSORS] = set_nothing,  [CN_OPTION_LAYER] = set_layer,
    [CN_OPTION_LAYERS] = set_layers,   [CN_OPTION_POINTER] = set_nothing,
  };
  return setters[r->row->kind](r, v, at);
}

static bool is_among(const char *const *names, const char *name) {
  for (; names && *names; names++)
    if (strcmp(*names, name) == 0) return true;
  return false;
}

bool cni_options_from_json(cn_graph *g, const cn_schema *s, void *options, const json_t *config, const char *const *ignore, const cni_factory *f, cni_take take,
                           void *where) {
  reader r = { g, s, NULL, f, take, where };
  if (!config || json_is_null(config)) return true;
  if (!json_is_object(config)) return cni_option_fail(g, s, "the config is no object");
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)config, key, value) {
    const int i = cni_option_find(s, key);
    if (i < 0 && (is_among(ignore, key) || json_is_null(value))) continue;
    if (i < 0) return cni_option_unknown(g, s, key);
    r.row = &s->rows[i];
    if (!set_value(&r, value, cni_option_at(s, options, i))) return false;
  }
  return true;
}

/* Writing. Each returns a new value, or NULL: no memory. */

static json_t *integer_json(int64_t v) { return v == CN_NONE || v == CN_UNKNOWN ? json_null() : json_integer(v); }

static json_t *text_json(const char *text) { return text ? json_string(text) : json_null(); }

/* JSON has no text for what is not finite. */
static json_t *number_json(double v) { return isnan(v) ? json_string("nan") : isinf(v) ? json_string(v < 0 ? "-inf" : "inf") : json_real(v); }

/* Where Keras looks a class up; a user's own is registered under "Custom". */
static const char *module_of(cn_graph *g, const cn_class *cls) {
  static const char *const modules[] = { "keras.activations", "keras.initializers", "keras.regularizers", "keras.constraints",          "keras.layers",
                                         "keras.losses",      "keras.metrics",      "keras.optimizers",   "keras.optimizers.schedules", "keras.callbacks" };
  const cni_context *c = cni_context_of(g);
  for (int64_t i = 0; i < c->classes_count; i++)
    if (c->classes[i] == cls) return NULL;
  return cls->module ? cls->module : modules[(int)cls->kind - (int)CN_KIND_ACTIVATION];
}

json_t *cni_object_json(cn_graph *g, const cn_object *o) {
  char registered[160];
  if (!o) return json_null();
  json_t *config = o->cls->to_json ? o->cls->to_json(g, o) : cni_options_to_json(g, &o->cls->schema, o->options);
  const char *module = module_of(g, o->cls), *name = o->cls->schema.name;
  snprintf(registered, sizeof registered, module ? "%s" : "Custom>%s", name);
  const bool named = !module || !strncmp(module, "keras.src", 9);
  return config ? json_pack("{s:s?, s:s, s:o, s:s?}", "module", module, "class_name", name, "config", config, "registered_name", named ? registered : NULL)
                : NULL;
}

typedef struct written { cn_graph *g; const cn_schema *s; const cn_row *row; const void *at; } written;

static json_t *int_json(const written *w) { return integer_json(*(const int64_t *)w->at); }

static json_t *real_json(const written *w) {
  const double v = *(const double *)w->at;
  return isnan(v) ? json_null() : number_json(v);
}

static json_t *bool_json(const written *w) { return json_boolean(*(const bool *)w->at); }

static json_t *string_json(const written *w) { return text_json(*(const char *const *)w->at); }

/* A name with options in parentheses is no name to Keras: where its object was made, that is written. */
static json_t *ref_json(const written *w) {
  const cn_ref *ref = w->at;
  if (ref->name && (!ref->object || !strchr(ref->name, '('))) return json_string(ref->name);
  if (ref->object || !(ref->fn || ref->fn2)) return cni_object_json(w->g, ref->object);
  cni_option_fail(w->g, w->s, "%s is a function without a name: register it, and give the name instead", w->row->name);
  return NULL;
}

static json_t *layer_json(const written *w) { return cni_object_json(w->g, *(const void *const *)w->at); }

static json_t *size_json(const written *w) {
  const int64_t *d = ((const cn_size *)w->at)->d;
  if (d[1] == CN_NONE) return json_pack("[I]", (json_int_t)d[0]);
  if (d[1] == 0) return d[0] == 0 ? json_null() : integer_json(d[0]);
  return d[2] == 0 ? json_pack("[I, I]", (json_int_t)d[0], (json_int_t)d[1]) : json_pack("[I, I, I]", (json_int_t)d[0], (json_int_t)d[1], (json_int_t)d[2]);
}

static json_t *list_json(const written *w, size_t size, json_t *(*element)(const written *w)) {
  const cn_ints *list = w->at;
  json_t *out = list->n < 0 ? json_null() : json_array();
  for (int64_t i = 0; out && i < list->n; i++) {
    const written one = { w->g, w->s, w->row, (const char *)list->v + (size_t)i * size };
    if (json_array_append_new(out, element(&one)) == 0) continue;
    json_decref(out);
    out = NULL;
  }
  return out;
}

static json_t *number_at_json(const written *w) { return number_json(*(const double *)w->at); }

static json_t *ints_json(const written *w) {
  cn_ints list = *(const cn_ints *)w->at;
  const written unmarked = { w->g, w->s, w->row, &list };
  const bool marks = w->row->check == CN_CHECK_ONE_OR_LIST;
  if (marks && list.n == 1) return integer_json(list.v[0]);
  if (marks && list.n == 2 && list.v[1] == CN_NONE) list.n = 1;
  return list_json(&unmarked, sizeof(int64_t), int_json);
}

static json_t *reals_json(const written *w) { return list_json(w, sizeof(double), number_at_json); }

static json_t *strings_json(const written *w) { return list_json(w, sizeof(char *), string_json); }

static json_t *layers_json(const written *w) { return list_json(w, sizeof(cn_layer *), layer_json); }

static json_t *no_memory(cn_graph *g, json_t *half) {
  json_decref(half);
  cn_fail(g, CN_NO_MEMORY, "out of memory: JSON");
  return NULL;
}

/* Tensors and pointers have no text and are left out. */
json_t *cni_options_to_json(cn_graph *g, const cn_schema *s, const void *options) {
  static json_t *(*const writers[])(const written *) = {
    [CN_OPTION_INT] = int_json,   [CN_OPTION_REAL] = real_json,   [CN_OPTION_BOOL] = bool_json,     [CN_OPTION_STRING] = string_json,
    [CN_OPTION_SIZE] = size_json, [CN_OPTION_INTS] = ints_json,   [CN_OPTION_REALS] = reals_json,   [CN_OPTION_STRINGS] = strings_json,
    [CN_OPTION_REF] = ref_json,   [CN_OPTION_LAYER] = layer_json, [CN_OPTION_LAYERS] = layers_json, [CN_OPTION_POINTER] = NULL,
  };
  json_t *out = json_object();
  for (int i = 0; i < s->count; i++) {
    const written w = { g, s, &s->rows[i], cni_option_at_const(s, options, i) };
    if (writers[w.row->kind] && json_object_set_new(out, w.row->name, writers[w.row->kind](&w)) != 0) return no_memory(g, out);
  }
  return out ? out : no_memory(g, out);
}
