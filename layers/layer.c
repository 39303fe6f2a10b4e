/* The base of layers: making, building, calling. Weights and losses stand in weights.c. */
#include "layer.h"
#include <stdio.h>
#include "layer_private.h"

/* ---- names ---- */
typedef struct cni_name { struct cni_name *next; char *base; int64_t count; } cni_name;

char *cni_unique_name(cn_graph *g, const char *class_name) {
  char base[128], text[160];
  cni_snake_case(class_name, base, sizeof base);
  cni_name *n = g->names;
  while (n && strcmp(n->base, base)) n = n->next;
  if (!n) {
    if (!(n = cni_alloc(g, sizeof *n)) || !(n->base = cni_strdup(g, base))) return NULL;
    n->next = g->names;
    g->names = n;
  }
  const int64_t k = n->count++;
  if (!k) return cni_strdup(g, base);
  snprintf(text, sizeof text, "%s_%lld", base, (long long)k);
  return cni_strdup(g, text);
}

/* ---- making ---- */
static const void *option(const cn_object *o, const char *name) {
  const int i = cni_option_find(&o->cls->schema, name);
  return i < 0 ? NULL : cni_option_at_const(&o->cls->schema, o->options, i);
}

static bool init_base(cn_layer *l) {
  cn_graph *g = l->object.graph;
  const char *const *name = option(&l->object, "name"), *const *dtype = option(&l->object, "dtype");
  const bool *trainable = option(&l->object, "trainable");
  const cn_layer_methods *m = l->object.cls->methods;
  l->trainable = !trainable || *trainable;
  l->supports_masking = m->supports_masking;
  l->dtype = CN_F32;
  if (dtype && *dtype && (!cn_dtype_from_name(*dtype, &l->dtype) || l->dtype == CN_STRING))
    return cn_fail(g, CN_UNSUPPORTED, "dtype \"%s\" is not supported: layers work in float32 and float64", *dtype), false;
  if (name && *name && strchr(*name, '/')) return cn_fail(g, CN_VALUE, "name \"%s\" must not contain \"/\"", *name), false;
  l->name = name && *name ? cni_strdup(g, *name) : cni_unique_name(g, l->object.cls->schema.name);
  return l->name != NULL;
}

/* Names among the options become objects at once, so that an unknown one is refused where it is written. The options hold them: they are freed with the layer. */
static bool resolve_options(cn_layer *l) {
  const cn_schema *s = &l->object.cls->schema;
  for (int i = 0; i < s->count; i++) {
    const cn_check kind = s->rows[i].check;
    if (s->rows[i].kind != CN_OPTION_REF || kind < CN_CHECK_ACTIVATION || kind > CN_CHECK_CONSTRAINT) continue;
    cni_ref_resolve(l->object.graph, (cn_kind)kind, cni_option_at(s, l->object.options, i), &cni_layers_factory);
    if (!cn_ok(l->object.graph)) return false;
  }
  return true;
}

bool cn_layer_init(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  if (!init_base(l) || !resolve_options(l)) return false;
  const cn_ref *r = option(self, "activity_regularizer");
  if (!r) return true;
  l->activity_function = *r;
  l->activity_regularizer = r->object;
  return true;
}

void cn_layer_finish(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  cn_graph *g = self->graph;
  for (int64_t i = l->layers_count; i-- > 0;) cn_layer_free(l->layers[i]);
  for (int64_t i = l->weights_count; i-- > 0;) cn_free(l->weights[i]);
  for (int64_t i = l->owned_count; i-- > 0;) cn_object_free(l->owned[i]);
  cni_free(g, l->weights);
  cni_free(g, l->layers);
  cni_free(g, l->owned);
  cni_free(g, l->losses);
  cni_free(g, l->built_for);
  cni_free(g, l->name);
}

void cn_layer_free(cn_layer *l) {
  if (l) cn_object_free(&l->object);
}

bool cn_layer_resolve(cn_layer *l, cn_kind kind, cn_ref *ref) {
  cn_graph *g = l->object.graph;
  const bool made = !ref->object && ref->name;
  cn_object *o = cni_ref_resolve(g, kind, ref, &cni_layers_factory);
  if (!cn_ok(g)) return false;
  ref->object = o;
  if (!o || !made) return true;
  if (l->owned_count == l->owned_capacity && !cni_grow(g, (void **)&l->owned, l->owned_count, &l->owned_capacity, sizeof *l->owned)) return false;
  l->owned[l->owned_count++] = o;
  return true;
}

cn_layer *cn_add_layer(cn_layer *l, cn_layer *sub) {
  if (!l || !sub || !cn_ok(l->object.graph)) return NULL;
  cn_graph *g = l->object.graph;
  if (sub->object.graph != g) return cn_fail(g, CN_STATE, "%s: layer %s belongs to another graph", l->name, sub->name), NULL;
  for (int64_t i = 0; i < l->layers_count; i++)
    if (l->layers[i] == sub) return sub;
  if (l->layers_count == l->layers_capacity && !cni_grow(g, (void **)&l->layers, l->layers_count, &l->layers_capacity, sizeof *l->layers)) return NULL;
  l->layers[l->layers_count++] = sub;
  if (!l->trainable) cn_layer_set_trainable(sub, false);
  return sub;
}

/* ---- scope ---- */
cni_scope_mark cni_layer_enter(cn_layer *l) {
  cn_graph *g = l->object.graph;
  const cni_scope_mark m = { cni_scope_push(g, l->name), g->current_scope };
  if (!g->recording || g->in_rule) return m;
  const size_t size = strlen(g->core.scope) + 1;
  char *copy = cni_arena_take(g, cni_step_arena(g), size);
  if (copy) g->current_scope = memcpy(copy, g->core.scope, size);
  return m;
}

void cni_layer_leave(cn_layer *l, cni_scope_mark m) {
  cni_scope_pop(l->object.graph, m.mark);
  l->object.graph->current_scope = m.scope;
}

/* ---- building ---- */
static const cn_layer_methods *methods(const cn_layer *l) { return l->object.cls->methods; }

static bool wrong_rank(cn_layer *l, const cn_dims *in, const char *what, int rank) {
  char text[160];
  cn_fail(l->object.graph, CN_SHAPE, "%s: the input's rank must be %s%d, its shape is %s", l->object.cls->schema.name, what, rank, cn_dims_text(in, text, sizeof text));
  return false;
}

/* Keras' input_spec. */
static bool shapes_ok(cn_layer *l, const cn_dims *in, int64_t n) {
  cn_graph *g = l->object.graph;
  const cn_layer_methods *m = methods(l);
  const int64_t most = m->max_inputs ? m->max_inputs : m->min_inputs > 1 ? INT64_MAX : 1, least = m->min_inputs ? m->min_inputs : 1;
  if (n < least || n > most) return cn_fail(g, CN_VALUE, "%s: %lld inputs, wanted %s%lld", l->object.cls->schema.name, (long long)n, least == most ? "" : "at least ", (long long)least), false;
  for (int64_t i = 0; i < n; i++) {
    const int r = in[i].rank;
    if (m->rank && r != m->rank) return wrong_rank(l, &in[i], "", m->rank);
    if (r < m->min_rank) return wrong_rank(l, &in[i], "at least ", m->min_rank);
    if (m->max_rank && r > m->max_rank) return wrong_rank(l, &in[i], "at most ", m->max_rank);
  }
  return true;
}

/* Takes back what a failed build made. */
static void unbuild(cn_layer *l, int64_t weights, int64_t layers) {
  while (l->layers_count > layers) l->layers_count--;
  while (l->weights_count > weights) cn_free(l->weights[--l->weights_count]);
}

static bool build_inside(cn_layer *l, const cn_dims *in, int64_t n) {
  cn_graph *g = l->object.graph;
  const int64_t weights = l->weights_count, layers = l->layers_count;
  const bool recording = cn_recording(g, false); /* initial values are no part of the tape */
  l->built_for = cni_alloc(g, (size_t)n * sizeof *in);
  if (l->built_for) memcpy(l->built_for, in, (size_t)n * sizeof *in);
  l->built_for_count = n;
  if (cn_ok(g) && methods(l)->build) methods(l)->build(l, in, n);
  cn_recording(g, recording);
  l->built = cn_ok(g);
  if (l->built) return true;
  unbuild(l, weights, layers);
  cni_free(g, l->built_for);
  l->built_for = NULL;
  return false;
}

bool cn_build(cn_layer *l, const cn_dims *in, int64_t n) {
  if (!l || !cn_ok(l->object.graph)) return false;
  if (l->built) return true;
  const cni_scope_mark m = cni_layer_enter(l);
  const bool ok = shapes_ok(l, in, n) && build_inside(l, in, n);
  cni_layer_leave(l, m);
  return ok;
}

/* ---- calling ---- */
typedef struct call_state { cn_layer *calling; bool training; } call_state;

static bool gather(const cn_call_args *a, cn_inputs *in, cn_tensor **x, cn_tensor **mask) {
  cn_graph *g = a->graph;
  cn_layer *l = a->layer;
  const bool several = a->inputs.n > 0;
  in->n = several ? a->inputs.n : 1;
  for (int64_t i = 0; i < in->n; i++) {
    cn_tensor *t = several ? a->inputs.v[i] : a->x;
    if (!t) return false;
    if (!cni_readable(g, t, false)) return false;
    cn_tensor *given = several ? (i < a->masks.n ? a->masks.v[i] : CN_NO_TENSOR) : a->mask;
    if (!given) return false;
    mask[i] = cni_given(given) ? given : cn_mask_of(t);
    x[i] = cni_is_float((cn_dtype)t->dtype) && (cn_dtype)t->dtype != l->dtype ? cn_cast(g, t, .dtype = cn_dtype_name(l->dtype)) : t;
    if (!x[i]) return false;
  }
  in->x = x;
  in->mask = mask;
  in->initial_state = a->initial_state.v;
  in->initial_states = a->initial_state.n;
  in->attention_mask = a->attention_mask;
  in->args = a;
  return true;
}

static bool ensure_built(cn_layer *l, const cn_inputs *in) {
  cn_graph *g = l->object.graph;
  if (l->built && in->n == 1) return shapes_ok(l, &in->x[0]->dims, 1);
  cn_dims *shapes = cni_arena_take(g, cni_step_arena(g), (size_t)in->n * sizeof *shapes);
  if (!shapes) return false;
  for (int64_t i = 0; i < in->n; i++) shapes[i] = in->x[i]->dims;
  return shapes_ok(l, shapes, in->n) && (l->built || build_inside(l, shapes, in->n));
}

/* regularizer(output) / batch size. */
static bool activity_penalty(cn_layer *l, cn_tensor *y) {
  cn_graph *g = l->object.graph;
  const bool none = !l->activity_regularizer && !l->activity_function.fn;
  if (none || (y->flags & CNI_SYMBOLIC) || !y->dims.rank) return true;
  cn_tensor *p = cn_regularize(g, &l->activity_function, y);
  const int64_t n = y->dims.d[0];
  if (!p) return false;
  cn_add_loss(l, cn_divide(g, p, cn_scalar_like(g, p, n ? (double)n : 1.0)));
  return cn_ok(g);
}

static bool set_masks(cn_layer *l, const cn_inputs *in, cn_tensor *y) {
  cn_graph *g = l->object.graph;
  const cn_layer_methods *m = methods(l);
  cn_tensor *mask = NULL;
  if (m->compute_mask) mask = m->compute_mask(l, g, in);
  else if (l->supports_masking) mask = in->mask[0];
  if (mask && y != in->x[0]) cn_set_mask(y, mask);
  return cn_ok(g);
}

static cn_tensor *call_inside(cn_layer *l, cn_inputs *in, cn_tensor **outputs, int64_t *count) {
  cn_graph *g = l->object.graph;
  if (!ensure_built(l, in)) return NULL;
  cn_tensor *y = methods(l)->call(l, g, in);
  if (!y || !cn_ok(g)) return NULL;
  if (outputs) outputs[0] = y;
  if (count) *count = 1 + in->more_count;
  for (int64_t i = 0; i <= in->more_count; i++) {
    cn_tensor *t = i ? in->more[i - 1] : y;
    if (outputs) outputs[i] = t;
    if (!activity_penalty(l, t)) return NULL;
  }
  return set_masks(l, in, y) ? y : NULL;
}

static void losses_begin(cn_layer *l, void *user) {
  (void)user;
  l->losses_count = 0;
}

cn_tensor *cn_call_layer(const cn_call_args *a, cn_tensor **outputs, int64_t *count) {
  cn_graph *g = a->graph;
  cn_layer *l = a->layer;
  if (count) *count = 0;
  if (!cn_ok(g)) return NULL;
  if (!l) return cn_fail(g, CN_STATE, "call: the layer is NULL"), NULL;
  if (l->object.graph != g) return cn_fail(g, CN_STATE, "call: layer %s belongs to another graph", l->name), NULL;
  cn_tensor *few[2 * CN_LAYER_OUTPUTS], **x = few, **mask = few + CN_LAYER_OUTPUTS;
  if (a->inputs.n > CN_LAYER_OUTPUTS) {
    if (!(x = cni_arena_take(g, cni_step_arena(g), (size_t)a->inputs.n * 2 * sizeof *x))) return NULL;
    mask = x + a->inputs.n;
  }
  const call_state old = { g->calling, g->training };
  cn_inputs in = { .training = a->training == CN_NONE ? (old.calling ? old.training : g->training) : a->training != 0, .more_count = 0 };
  if (!old.calling) cni_each_layer(l, losses_begin, NULL); /* penalties are cleared at each outermost call */
  const cni_scope_mark m = cni_layer_enter(l);
  const char *where = g->core.where;
  g->core.where = NULL;
  g->calling = l;
  g->training = in.training;
  cn_tensor *y = gather(a, &in, x, mask) ? call_inside(l, &in, outputs, count) : NULL;
  g->calling = old.calling;
  g->training = old.training;
  g->core.where = where;
  cni_layer_leave(l, m);
  return y;
}

cn_tensor *cn_call_run(const cn_call_args *args) { return cn_call_layer(args, NULL, NULL); }

bool cn_compute_output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  if (!l || !cn_ok(l->object.graph)) return false;
  cn_graph *g = l->object.graph;
  if (methods(l)->output_shape) {
    const cni_scope_mark m = cni_layer_enter(l);
    const bool ok = shapes_ok(l, in, n) && methods(l)->output_shape(l, in, n, out);
    cni_layer_leave(l, m);
    return ok && cn_ok(g);
  }
  cn_tensor **x = cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *x);
  if (!x) return false;
  for (int64_t i = 0; i < n; i++) x[i] = cn_symbolic(g, l->dtype, &in[i]);
  const cn_tensors list = { x, n };
  cn_tensor *y = cn_call(g, l, .inputs = list);
  if (y) *out = cn_dims_of(y);
  for (int64_t i = 0; i < n; i++) cn_free(x[i]);
  return y != NULL;
}

static void reset_one(cn_layer *l, void *user) {
  (void)user;
  if (methods(l)->reset) methods(l)->reset(l);
}
void cn_reset_state(cn_layer *l) {
  if (l && cn_ok(l->object.graph)) cni_each_layer(l, reset_one, NULL);
}
