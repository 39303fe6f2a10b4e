/* Classes and objects: registration, lookup by name, making and freeing. */
#include "class.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "options_private.h"

#define NAME_SIZE 128

const char *cni_kind_name(cn_kind kind) {
  static const char *const names[] = {
    "activation", "initializer", "regularizer", "constraint", "layer", "loss", "metric", "optimizer", "schedule", "callback"
  };
  const unsigned i = (unsigned)kind - (unsigned)CN_KIND_ACTIVATION;
  return i < sizeof names / sizeof *names ? names[i] : "object";
}

/* Names. */

static bool is_lower(char c) { return islower((unsigned char)c) != 0; }
static bool is_upper(char c) { return isupper((unsigned char)c) != 0; }

/* Keras: re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name), then re.sub("([a-z])([A-Z])", r"\1_\2", name), then lower(). A match of the first takes a letter and a
 * whole word. */
const char *cni_snake_case(const char *class_name, char *text, size_t size) {
  const char *p = class_name;
  size_t n = 0, matched = 0; /* letters before `matched` belong to a match */
  for (size_t i = 0; p[i] && n + 2 < size; i++) {
    const bool word = i > matched && is_upper(p[i]) && is_lower(p[i + 1]);
    const bool rise = i > 0 && is_lower(p[i - 1]) && is_upper(p[i]);
    if (word || rise) text[n++] = '_';
    if (word)
      for (matched = i + 1; is_lower(p[matched]);) matched++;
    text[n++] = (char)tolower((unsigned char)p[i]);
  }
  if (size > 0) text[n] = '\0';
  return text;
}

/* Kinds whose names Keras does not look up, or looks up in any case: its optimizers. */
static bool any_case(cn_kind kind) { return kind == CN_KIND_OPTIMIZER || kind == CN_KIND_LAYER || kind == CN_KIND_SCHEDULE || kind == CN_KIND_CALLBACK; }

bool cni_class_named(const cn_class *cls, const char *name) {
  char snake[NAME_SIZE];
  if (strcmp(cls->schema.name, name) == 0 || (any_case(cls->kind) && strcasecmp(cls->schema.name, name) == 0)) return true;
  if (strcmp(cni_snake_case(cls->schema.name, snake, sizeof snake), name) == 0) return true;
  for (const char *const *alias = cls->aliases; alias && *alias; alias++)
    if (strcmp(*alias, name) == 0) return true;
  return false;
}

static const cn_class *find_in(cn_class_list list, cn_kind kind, const char *name) {
  for (; list && *list; list++)
    if ((*list)->kind == kind && cni_class_named(*list, name)) return *list;
  return NULL;
}

static const cn_class *find_builtin(const cni_context *c, cn_kind kind, const char *name) {
  const cn_class *cls = NULL;
  for (const cn_class_list *lists = c->builtin; lists && *lists && !cls; lists++) cls = find_in(*lists, kind, name);
  return cls;
}

static const cn_class *find_registered(const cni_context *c, cn_kind kind, const char *name) {
  for (int64_t i = 0; i < c->classes_count; i++)
    if (c->classes[i]->kind == kind && cni_class_named(c->classes[i], name)) return c->classes[i];
  return NULL;
}

/* The nearest of many names, offered one by one. */
typedef struct guess { const char *word; int best; char nearest[NAME_SIZE]; } guess;

/* Of two names that are as near to a word: whether `name` has as many underscores as it and `other` has not. */
static bool spelt_alike(const char *word, const char *name, const char *other) {
  int n[3] = { 0, 0, 0 };
  const char *const texts[3] = { word, name, other };
  for (int i = 0; i < 3; i++)
    for (const char *p = texts[i]; *p; p++) n[i] += *p == '_';
  return n[1] == n[0] && n[2] != n[0];
}

static void offer(guess *u, const char *name) {
  const int d = cni_distance(u->word, name);
  if (d > u->best || (d == u->best && !spelt_alike(u->word, name, u->nearest))) return;
  u->best = d;
  snprintf(u->nearest, sizeof u->nearest, "%s", name);
}

static void offer_class(guess *u, const cn_class *cls) {
  char text[NAME_SIZE];
  offer(u, cls->schema.name);
  offer(u, cni_snake_case(cls->schema.name, text, sizeof text));
  if (any_case(cls->kind)) {
    size_t n = 0;
    for (; cls->schema.name[n] && n + 1 < sizeof text; n++) text[n] = (char)tolower((unsigned char)cls->schema.name[n]);
    text[n] = 0;
    offer(u, text);
  }
  for (const char *const *alias = cls->aliases; alias && *alias; alias++) offer(u, *alias);
}

static void offer_list(guess *u, cn_class_list list, cn_kind kind) {
  for (; list && *list; list++)
    if ((*list)->kind == kind) offer_class(u, *list);
}

static void unknown(cn_graph *g, cn_kind kind, const char *name, cn_class_list list) {
  const cni_context *c = cni_context_of(g);
  guess u = { .word = name, .best = INT32_MAX };
  for (int64_t i = 0; i < c->classes_count; i++)
    if (c->classes[i]->kind == kind) offer_class(&u, c->classes[i]);
  for (const cni_function *f = c->functions; f; f = f->next)
    if (f->kind == kind) offer(&u, f->name);
  offer_list(&u, list, kind);
  for (const cn_class_list *lists = list ? NULL : c->builtin; lists && *lists; lists++) offer_list(&u, *lists, kind);
  if (u.best < INT32_MAX) cn_fail(g, CN_VALUE, "unknown %s \"%s\"; did you mean \"%s\"?", cni_kind_name(kind), name, u.nearest);
  else cn_fail(g, CN_VALUE, "unknown %s \"%s\"", cni_kind_name(kind), name);
}

const cn_class *cni_class_find(cn_graph *g, cn_kind kind, const char *name, cn_class_list list) {
  const cni_context *c = cni_context_of(g);
  const cn_class *cls = find_registered(c, kind, name);
  if (!cls) cls = list ? find_in(list, kind, name) : find_builtin(c, kind, name);
  if (!cls) unknown(g, kind, name, list);
  return cls;
}

const cni_function *cni_function_find(const cn_graph *g, cn_kind kind, const char *name) {
  const cni_function *f = cni_context_of_const(g)->functions;
  while (f && (f->kind != kind || strcmp(f->name, name) != 0)) f = f->next;
  return f;
}

/* Registration. */

static bool is_free(cn_graph *g, cn_kind kind, const char *name) {
  const cni_context *c = cni_context_of(g);
  if (!find_registered(c, kind, name) && !cni_function_find(g, kind, name) && !find_builtin(c, kind, name)) return true;
  cn_fail(g, CN_VALUE, "register: the %s name \"%s\" is taken", cni_kind_name(kind), name);
  return false;
}

bool cn_register_class(cn_graph *g, const cn_class *cls) {
  char snake[NAME_SIZE];
  if (!cn_ok(g) || !cls) return false;
  cni_context *c = cni_context_of(g);
  if (!is_free(g, cls->kind, cls->schema.name) || !is_free(g, cls->kind, cni_snake_case(cls->schema.name, snake, sizeof snake))) return false;
  for (const char *const *alias = cls->aliases; alias && *alias; alias++)
    if (!is_free(g, cls->kind, *alias)) return false;
  void *classes = (void *)c->classes;
  if (!cni_grow(g, &classes, c->classes_count, &c->classes_capacity, sizeof *c->classes)) return false;
  c->classes = classes;
  c->classes[c->classes_count++] = cls;
  return true;
}

static bool function_fits(cn_kind kind, cn_function fn, cn_function2 fn2) {
  if (kind == CN_KIND_LOSS || kind == CN_KIND_METRIC) return fn2 != NULL;
  return (int)kind >= (int)CN_KIND_ACTIVATION && (int)kind <= (int)CN_KIND_CONSTRAINT && fn != NULL;
}

bool cn_register_function(cn_graph *g, cn_kind kind, const char *name, cn_function fn, cn_function2 fn2, void *user) {
  if (!cn_ok(g) || !name) return false;
  if (!function_fits(kind, fn, fn2)) {
    cn_fail(g, CN_VALUE, "register: \"%s\" is no function for the kind %s", name, cni_kind_name(kind));
    return false;
  }
  if (!is_free(g, kind, name)) return false;
  const size_t length = strlen(name) + 1;
  cni_function *f = cni_alloc(g, sizeof *f + length);
  if (!f) return false;
  *f = (cni_function){ cni_context_of(g)->functions, kind, memcpy(f + 1, name, length), fn, fn2, user };
  cni_context_of(g)->functions = f;
  return true;
}

/* Objects. */

typedef void (*visitor)(cn_object *held);

static void hold(cn_object *held) { held->uses++; }

/* Calls `visit` for each object that options hold: in references, and layers. */
static void visit_held(const cn_schema *s, const void *options, visitor visit) {
  for (int i = 0; options && i < s->count; i++) {
    const void *at = cni_option_at_const(s, options, i);
    const cn_option_kind kind = s->rows[i].kind;
    if (kind == CN_OPTION_REF && ((const cn_ref *)at)->object) visit(((const cn_ref *)at)->object);
    if (kind == CN_OPTION_LAYER && *(void *const *)at) visit(*(void *const *)at);
    const cn_layers *layers = kind == CN_OPTION_LAYERS ? at : NULL;
    for (int64_t j = 0; layers && j < layers->n; j++)
      if (layers->v[j]) visit((cn_object *)(void *)layers->v[j]);
  }
}

static bool copy_options(cn_object *o, const void *options) {
  const cn_schema *s = &o->cls->schema;
  o->options = cni_alloc(o->graph, s->size);
  if (!o->options) return false;
  memcpy(o->options, options, s->size);
  visit_held(s, o->options, hold);
  if (cni_options_deepen(o->graph, s, o->options, cni_take_alloc, NULL)) return true;
  visit_held(s, options, cn_object_free);
  cni_options_free(o->graph, s, o->options);
  o->options = NULL;
  return false;
}

static bool init(cn_object *o) {
  cni_context *c = cni_context_of(o->graph);
  const char *before = c->where;
  if (!o->cls->init) return true;
  c->where = o->cls->schema.name;
  const bool made = o->cls->init(o);
  if (!made) cn_fail(o->graph, CN_STATE, "could not be made");
  c->where = before;
  return made && cn_ok(o->graph);
}

static void dispose(cn_object *o, bool finish) {
  if (finish && o->cls->finish) o->cls->finish(o);
  visit_held(&o->cls->schema, o->options, cn_object_free);
  cni_options_free(o->graph, &o->cls->schema, o->options);
  cni_free(o->graph, o);
}

cn_object *cn_object_new(const cn_class *cls, const void *options) {
  cn_graph *g = options ? *(cn_graph *const *)options : NULL;
  if (!cls || !cn_ok(g) || !cni_options_check(g, &cls->schema, options)) return NULL;
  cn_object *o = cni_alloc(g, cls->size > sizeof *o ? cls->size : sizeof *o);
  if (!o) return NULL;
  o->cls = cls;
  o->graph = g;
  o->uses = 1;
  const bool copied = copy_options(o, options);
  if (copied && init(o)) return o;
  dispose(o, copied);
  return NULL;
}

void cn_object_free(cn_object *object) {
  if (object && --object->uses <= 0) dispose(object, true);
}

/* Objects from text and JSON: options are filled in a draft, whose memory goes when the object has its copy. */

typedef struct draft { cn_graph *g; const cn_class *cls; void *options, *pieces; } draft;

/* A cni_take: pieces are linked through the 16 bytes before them. */
static void *take_piece(cn_graph *g, void *where, size_t size) {
  void **pieces = where, **p = size > SIZE_MAX / 4 ? NULL : cni_alloc(g, size + 16);
  if (!p) return size > SIZE_MAX / 4 ? cni_alloc(g, size) : NULL;
  *p = *pieces;
  *pieces = p;
  return p + 2;
}

static bool draft_begin(draft *d) {
  d->options = d->cls ? cni_alloc(d->g, d->cls->schema.size) : NULL;
  if (!d->options) return false;
  memcpy(d->options, d->cls->schema.defaults, d->cls->schema.size);
  *(cn_graph **)d->options = d->g;
  return true;
}

/* Gives the draft's uses back: its own, and that of the object's maker where none has taken it over. */
static void give_back(cn_object *held) {
  if (!held->adopted) cn_object_free(held);
  cn_object_free(held);
}

static cn_object *draft_end(draft *d, bool filled) {
  visit_held(&d->cls->schema, d->options, hold);
  cn_object *o = filled ? cn_object_new(d->cls, d->options) : NULL;
  visit_held(&d->cls->schema, d->options, give_back);
  for (void **p = d->pieces, **next; p; p = next) {
    next = *p;
    cni_free(d->g, p);
  }
  cni_free(d->g, d->options);
  return o;
}

cn_object *cni_object_from_text(cn_graph *g, cn_kind kind, const char *text, cn_class_list list, const cni_factory *f) {
  char name[NAME_SIZE];
  if (!cn_ok(g) || !text) return NULL;
  const char *rest = cni_text_name(text, name, sizeof name);
  draft d = { .g = g, .cls = cni_class_find(g, kind, name, list) };
  if (!draft_begin(&d)) return NULL;
  return draft_end(&d, cni_options_parse(g, &d.cls->schema, d.options, rest, f, take_piece, &d.pieces));
}

cn_object *cni_object_from_json(cn_graph *g, cn_kind kind, const json_t *config, cn_class_list list, const cni_factory *f) {
  if (!cn_ok(g)) return NULL;
  if (json_is_string(config)) return cni_object_from_text(g, kind, json_string_value(config), list, f);
  const char *name = json_string_value(json_object_get(config, "class_name"));
  const json_t *options = json_object_get(config, "config");
  if (!name) {
    cn_fail(g, CN_FORMAT, "a config without a \"class_name\" is no %s", cni_kind_name(kind));
    return NULL;
  }
  if (strcmp(name, "function") == 0 && json_is_string(options)) return cni_object_from_text(g, kind, json_string_value(options), list, f);
  draft d = { .g = g, .cls = cni_class_find(g, kind, name, list) };
  if (d.cls && d.cls->from_json) return d.cls->from_json(g, options);
  if (!draft_begin(&d)) return NULL;
  return draft_end(&d, cni_options_from_json(g, &d.cls->schema, d.options, options, NULL, f, take_piece, &d.pieces));
}

cn_object *cni_ref_resolve(cn_graph *g, cn_kind kind, cn_ref *ref, const cni_factory *f) {
  cn_object *o = ref->object;
  if (!cn_ok(g)) return NULL;
  if (o && o->cls->kind == kind) return o;
  if (o) return cn_fail(g, CN_VALUE, "must be a kind of %s, got the %s %s", cni_kind_name(kind), cni_kind_name(o->cls->kind), o->cls->schema.name), NULL;
  if (ref->fn || ref->fn2 || !ref->name) return NULL;
  const cni_function *function = cni_function_find(g, kind, ref->name);
  if (function) {
    ref->fn = function->fn;
    ref->fn2 = function->fn2;
    ref->user = function->user;
    return NULL;
  }
  if (f && f->from_text) ref->object = f->from_text(g, kind, ref->name);
  else cn_fail(g, CN_STATE, "the %s \"%s\" cannot be made from text here", cni_kind_name(kind), ref->name);
  return ref->object;
}
