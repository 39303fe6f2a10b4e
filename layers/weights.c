/* Weights, sub-layers and penalties of layers. */
#include <stdio.h>
#include "layer_private.h"
#include "initializer.h"
#include "regularizer.h"
#include "constraint.h"

void cni_each_layer(cn_layer *l, void (*visit)(cn_layer *l, void *user), void *user) {
  visit(l, user);
  for (int64_t i = 0; i < l->layers_count; i++) cni_each_layer(l->layers[i], visit, user);
}

/* ---- making a weight ---- */
/* A resolved reference that the layer owns, as it owns objects: what a weight's penalty or projection is applied with. */
typedef struct kept_ref { cn_object object; cn_ref ref; } kept_ref;
static const cn_class kept_class = { .kind = CN_KIND_REGULARIZER, .schema = { .name = "reference" }, .size = sizeof(kept_ref) };

static cn_tensor *penalty_apply(cn_graph *g, cn_tensor *w, void *kept) { return cn_regularize(g, &((const kept_ref *)kept)->ref, w); }
static bool projection_apply(cn_graph *g, cn_tensor *w, void *kept) { return cn_constrain(g, &((const kept_ref *)kept)->ref, w); }

bool cni_own(cn_layer *l, cn_object *o) {
  if (l->owned_count == l->owned_capacity && !cni_grow(l->object.graph, (void **)&l->owned, l->owned_count, &l->owned_capacity, sizeof *l->owned)) return false;
  l->owned[l->owned_count++] = o;
  return true;
}

static kept_ref *keep_ref(cn_layer *l, cn_kind kind, const cn_ref *given) {
  cn_graph *g = l->object.graph;
  cn_ref r = *given;
  if ((!r.name && !r.object && !r.fn) || !cn_layer_resolve(l, kind, &r) || (!r.object && !r.fn)) return NULL;
  kept_ref *k = cni_alloc(g, sizeof *k);
  if (!k) return NULL;
  *k = (kept_ref){ { &kept_class, g, NULL, 1, false }, r };
  if (cni_own(l, &k->object)) return k;
  cni_free(g, k);
  return NULL;
}

static bool attach(cn_layer *l, cn_tensor *w, const cn_weight_options *o) {
  kept_ref *r = keep_ref(l, CN_KIND_REGULARIZER, &o->regularizer), *c = keep_ref(l, CN_KIND_CONSTRAINT, &o->constraint);
  if (r) cn_set_penalty(w, (cn_penalty){ penalty_apply, r });
  if (c) cn_set_projection(w, (cn_projection){ projection_apply, c });
  return cn_ok(l->object.graph);
}

static cn_tensor *initial_variable(cn_layer *l, const cn_weight_options *o, cn_dtype dtype) {
  cn_graph *g = l->object.graph;
  cn_ref r = o->initializer;
  const bool none = !r.name && !r.object && !r.fn;
  if (none) r.name = cni_is_float(dtype) ? "glorot_uniform" : "zeros";
  if (!cn_layer_resolve(l, CN_KIND_INITIALIZER, &r)) return NULL;
  cn_tensor *value = cn_initialize(g, &r, o->dims, dtype), *w = value ? cn_variable(g, dtype, o->dims, value->data) : NULL;
  if (w && !r.fn) cni_release(g, value, CNI_OF_WEIGHT); /* a function's result may be the user's own; the others would stay until the graph's reset */
  return w;
}

cn_tensor *cn_make_weight(const cn_weight_options *o) {
  cn_layer *l = o->layer;
  if (!l || !cn_ok(l->object.graph)) return NULL;
  cn_graph *g = l->object.graph;
  for (int i = 0; i < o->dims->rank; i++)
    if (o->dims->d[i] == CN_UNKNOWN) return cn_fail(g, CN_SHAPE, "weight %s: size of axis %d is unknown", o->name, i), NULL;
  const cn_dtype dtype = o->use_dtype ? o->dtype : l->dtype;
  if (l->weights_count == l->weights_capacity && !cni_grow(g, (void **)&l->weights, l->weights_count, &l->weights_capacity, sizeof *l->weights)) return NULL;
  cn_tensor *w = initial_variable(l, o, dtype);
  if (!w) return NULL;
  l->weights[l->weights_count++] = w;
  char name[CNI_SCOPE_SIZE + 64];
  const char *scope = g->core.scope[0] == '/' ? g->core.scope + 1 : g->core.scope;
  snprintf(name, sizeof name, "%s%s%s", scope, *scope ? "/" : "", o->name);
  cn_set_name(w, name);
  if (o->frozen || !l->trainable) cn_set_trainable(w, false);
  w->extra->never_trains = o->frozen;
  return attach(l, w, o) ? w : NULL;
}

bool cni_lend_weight(cn_layer *l, cn_tensor *w) {
  if (l->weights_count == l->weights_capacity && !cni_grow(l->object.graph, (void **)&l->weights, l->weights_count, &l->weights_capacity, sizeof *l->weights))
    return false;
  memmove(l->weights + l->lent + 1, l->weights + l->lent, (size_t)(l->weights_count++ - l->lent) * sizeof *l->weights);
  l->weights[l->lent++] = w;
  return true;
}

/* ---- lists of weights ---- */
typedef struct listing { cn_tensor **out; int64_t capacity, count; uint32_t walk; int want; } listing;

/* Once only where a layer is reached twice. */
static void list_weight(cn_tensor *w, listing *s) {
  if (w->extra->listed == s->walk || (s->want >= 0 && !w->extra->frozen != s->want)) return;
  w->extra->listed = s->walk;
  if (s->count < s->capacity) s->out[s->count] = w;
  s->count++;
}

/* Keras: own trainable, own others, then each sub-layer's in the same way. */
static void list_tree(cn_layer *l, listing *s) {
  for (int others = 0; others < 2; others++)
    for (int64_t i = 0; i < l->weights_count; i++)
      if (l->weights[i]->extra->never_trains == (others == 1)) list_weight(l->weights[i], s);
  for (int64_t i = 0; i < l->layers_count; i++) list_tree(l->layers[i], s);
}

/* Those that are trained now (want 1), the others (0), all (-1). */
static int64_t list_weights(cn_layer *l, cn_tensor **out, int64_t capacity, int want) {
  if (!l) return 0;
  listing s = { out, capacity, 0, ++l->object.graph->walks, want };
  list_tree(l, &s);
  return s.count;
}
int64_t cn_weights(cn_layer *l, cn_tensor **out, int64_t capacity) { return list_weights(l, out, capacity, -1); }
int64_t cn_trainable_weights(cn_layer *l, cn_tensor **out, int64_t capacity) { return list_weights(l, out, capacity, 1); }
int64_t cn_non_trainable_weights(cn_layer *l, cn_tensor **out, int64_t capacity) { return list_weights(l, out, capacity, 0); }

static cn_tensor **all_weights(cn_layer *l, int64_t *n) {
  cn_graph *g = l->object.graph;
  *n = cn_weights(l, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(*n ? *n : 1) * sizeof *w);
  if (w) *n = cn_weights(l, w, *n);
  return w;
}

int64_t cn_count_params(cn_layer *l) {
  if (!l || !cn_ok(l->object.graph)) return 0;
  if (!l->built && (l->layers_count || ((const cn_layer_methods *)l->object.cls->methods)->build))
    return cn_fail(l->object.graph, CN_STATE, "count_params: %s is not built", l->name), 0;
  int64_t n, sum = 0;
  cn_tensor **w = all_weights(l, &n);
  for (int64_t i = 0; w && i < n; i++) sum += w[i]->count;
  return sum;
}

static bool right_count(cn_layer *l, const char *what, int64_t have, int64_t n) {
  return have == n ||
         (cn_fail(l->object.graph, CN_VALUE, "%s: layer %s has %lld weights, got %lld values", what, l->name, (long long)have, (long long)n), false);
}

bool cn_get_weights(cn_layer *l, cn_tensor **out, int64_t n) {
  if (!l || !cn_ok(l->object.graph)) return false;
  cn_graph *g = l->object.graph;
  int64_t have;
  cn_tensor **w = all_weights(l, &have);
  if (!w || !right_count(l, "get_weights", have, n)) return false;
  for (int64_t i = 0; i < n; i++)
    if (!(out[i] = cn_array(g, (cn_dtype)w[i]->dtype, &w[i]->dims, cn_data(w[i])))) return false;
  return true;
}

bool cn_set_weights(cn_layer *l, cn_tensor *const *values, int64_t n) {
  if (!l || !cn_ok(l->object.graph)) return false;
  cn_graph *g = l->object.graph;
  int64_t have;
  cn_tensor **w = all_weights(l, &have);
  if (!w || !right_count(l, "set_weights", have, n)) return false;
  for (int64_t i = 0; i < n; i++) {
    char a[160], b[160];
    if (!values[i] || !cni_readable(g, values[i], true)) return false;
    if (!cn_dims_equal(&w[i]->dims, &values[i]->dims) || w[i]->dtype != values[i]->dtype)
      return cn_fail(g, CN_SHAPE, "set_weights: %s is %s %s, the value is %s %s", cn_name_of(w[i]), cn_dtype_name((cn_dtype)w[i]->dtype),
                     cn_dims_text(&w[i]->dims, a, sizeof a), cn_dtype_name((cn_dtype)values[i]->dtype), cn_dims_text(&values[i]->dims, b, sizeof b)),
             false;
  }
  for (int64_t i = 0; i < n; i++) cn_assign(w[i], values[i]);
  return cn_ok(g);
}

static void set_trainable_one(cn_layer *l, void *user) {
  bool *option = cni_option_named(l, "trainable"); /* from which a config is written */
  l->trainable = *(const bool *)user;
  if (option) *option = l->trainable;
  for (int64_t i = 0; i < l->weights_count; i++)
    if (!l->weights[i]->extra->never_trains) cn_set_trainable(l->weights[i], l->trainable);
}
void cn_layer_set_trainable(cn_layer *l, bool trainable) {
  if (l) cni_each_layer(l, set_trainable_one, &trainable);
}

/* ---- losses ---- */
void cn_add_loss(cn_layer *l, cn_tensor *loss) {
  if (!l || !loss || !cn_ok(l->object.graph) || (loss->flags & CNI_SYMBOLIC)) return;
  cn_graph *g = l->object.graph;
  if (l->losses_epoch != g->epoch) l->losses_count = 0;
  l->losses_epoch = g->epoch;
  if (l->losses_count == l->losses_capacity && !cni_grow(g, (void **)&l->losses, l->losses_count, &l->losses_capacity, sizeof *l->losses)) return;
  l->losses[l->losses_count++] = loss;
}

/* Every layer below l once, each before its sub-layers. */
static void each_once(cn_layer *l, uint32_t walk, void (*visit)(cn_layer *l, listing *s), listing *s) {
  if (l->walk == walk) return;
  l->walk = walk;
  visit(l, s);
  for (int64_t i = 0; i < l->layers_count; i++) each_once(l->layers[i], walk, visit, s);
}

static void list_losses(cn_layer *l, listing *s) {
  for (int64_t i = 0; l->losses_epoch == l->object.graph->epoch && i < l->losses_count; i++, s->count++)
    if (s->count < s->capacity) s->out[s->count] = l->losses[i];
}

static void list_penalties(cn_layer *l, listing *s) {
  for (int64_t i = l->lent; i < l->weights_count; i++) {
    const cn_penalty p = l->weights[i]->extra->penalty;
    if (!p.apply || l->weights[i]->extra->frozen) continue;
    if (s->count < s->capacity) s->out[s->count] = p.apply(l->object.graph, l->weights[i], p.object);
    s->count++;
  }
}

int64_t cn_losses(cn_layer *l, cn_tensor **out, int64_t capacity) {
  listing s = { out, capacity, 0, 0, 0 };
  if (!l || !cn_ok(l->object.graph)) return 0;
  each_once(l, ++l->object.graph->walks, list_losses, &s);
  each_once(l, ++l->object.graph->walks, list_penalties, &s);
  return s.count;
}

cn_tensor *cn_total_loss(cn_layer *l, cn_tensor *loss) {
  if (!l || !loss || !cn_ok(l->object.graph)) return NULL;
  cn_graph *g = l->object.graph;
  const int64_t n = cn_losses(l, NULL, 0);
  if (!n) return loss;
  cn_tensor **v = cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *v);
  if (!v) return NULL;
  const int64_t count = cn_losses(l, v, n);
  for (int64_t i = 0; i < count && i < n; i++) loss = cn_add(g, loss, v[i]);
  return loss;
}
