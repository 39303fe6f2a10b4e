/* The base of layers: making, building, calling. Weights and losses stand in weights.c. */
#include "layer.h"
#include <stdio.h>
#include "layer_private.h"

/* ---- making ---- */
static bool init_base(cn_layer *l) {
  cn_graph *g = l->object.graph;
  const char **name = cni_option_named(l, "name"), *const *dtype = cni_option_named(l, "dtype");
  const bool *trainable = cni_option_named(l, "trainable");
  const cn_layer_methods *m = l->object.cls->methods;
  l->trainable = !trainable || *trainable;
  l->supports_masking = m->supports_masking;
  l->dtype = CN_F32;
  if (dtype && *dtype && (!cn_dtype_from_name(*dtype, &l->dtype) || l->dtype == CN_STRING))
    return cn_fail(g, CN_UNSUPPORTED, "dtype \"%s\" is not supported: layers work in float32 and float64", *dtype), false;
  if (name && *name && strchr(*name, '/')) return cn_fail(g, CN_VALUE, "name \"%s\" must not contain \"/\"", *name), false;
  l->name = name && *name ? cni_strdup(g, *name) : cni_unique_name(g, l->object.cls->schema.name);
  if (l->name && name && !*name) *name = cni_strdup(g, l->name); /* the options are what a config is written from */
  return cn_ok(g) && l->name;
}

/* Names among the options become objects at once, so that an unknown one is refused where it is written. The options hold them: they are freed with the layer.
 */
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
  const cn_ref *r = cni_option_named(l, "activity_regularizer");
  if (!r) return true;
  l->activity_function = *r;
  l->activity_regularizer = r->object;
  return true;
}

/* The symbolic calls of a layer. */
struct cni_calls { cni_arena arena; cn_node *last; };

static void calls_free(cn_layer *l) {
  cn_graph *g = l->object.graph;
  if (!l->calls) return;
  for (cn_node *n = l->calls->last; n; n = n->symbol->next)
    for (int32_t i = 0; i < n->ny; i++) cn_free(n->y[i]);
  cni_arena_free(g, &l->calls->arena);
  cni_free(g, l->calls);
}

void cn_layer_finish(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  cn_graph *g = self->graph;
  calls_free(l);
  for (int64_t i = l->layers_count; i-- > 0;) cn_layer_free(l->layers[i]);
  for (int64_t i = l->weights_count; i-- > l->lent;) cn_free(l->weights[i]);
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
  return cni_adopt(l, sub) ? sub : NULL;
}

bool cni_adopt(cn_layer *l, cn_layer *sub) {
  if (l->layers_count == l->layers_capacity && !cni_grow(l->object.graph, (void **)&l->layers, l->layers_count, &l->layers_capacity, sizeof *l->layers))
    return false;
  l->layers[l->layers_count++] = sub;
  if (sub->object.adopted) sub->object.uses++;
  sub->object.adopted = true;
  if (!l->trainable) cn_layer_set_trainable(sub, false);
  return true;
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

/* An input that does not fit; no text is made before. */
static bool misfit(cn_layer *l, int64_t i, const cn_dims *in, const char *what, int64_t wanted, bool of_rank) {
  char text[160], rank[32] = "";
  if (of_rank) snprintf(rank, sizeof rank, "ndim=%d, ", in->rank);
  cn_fail(l->object.graph, CN_SHAPE, "%s: input %lld does not fit: expected %s%lld, found %sshape %s", l->object.cls->schema.name, (long long)i, what,
          (long long)wanted, rank, cn_dims_text(in, text, sizeof text));
  return false;
}

static bool rank_fits(cn_layer *l, int64_t i, const cn_dims *in) {
  const cn_layer_methods *m = methods(l);
  if (m->rank && in->rank != m->rank) return misfit(l, i, in, "ndim=", m->rank, true);
  if (in->rank < m->min_rank) return misfit(l, i, in, "min_ndim=", m->min_rank, true);
  if (m->max_rank && in->rank > m->max_rank) return misfit(l, i, in, "max_ndim=", m->max_rank, true);
  return true;
}

static bool axes_fit(cn_layer *l, const cn_dims *in) {
  for (int k = 0; k < l->axes_count; k++) {
    const int axis = l->axes[k].axis, at = axis < 0 ? axis + in->rank : axis;
    const int64_t size = at >= 0 && at < in->rank ? in->d[at] : 0;
    if (size == l->axes[k].size || size == CN_UNKNOWN) continue;
    char what[48];
    snprintf(what, sizeof what, "axis %d to have value ", axis);
    return misfit(l, 0, in, what, l->axes[k].size, false);
  }
  return true;
}

/* Keras' input_spec. */
static bool shapes_ok(cn_layer *l, const cn_dims *in, int64_t n) {
  cn_graph *g = l->object.graph;
  const cn_layer_methods *m = methods(l);
  const int64_t most = m->max_inputs ? m->max_inputs : m->min_inputs > 1 ? INT64_MAX : 1, least = m->min_inputs ? m->min_inputs : 1;
  if (n < least || n > most)
    return cn_fail(g, CN_VALUE, "%s: %lld inputs, wanted %s%lld", l->object.cls->schema.name, (long long)n, least == most ? "" : "at least ", (long long)least),
           false;
  for (int64_t i = 0; i < n; i++)
    if (!rank_fits(l, i, &in[i])) return false;
  return axes_fit(l, in);
}

void cn_expect_axis(cn_layer *l, int axis, int64_t size) {
  if (!l || !cn_ok(l->object.graph) || size == CN_UNKNOWN) return;
  if (l->axes_count == CN_LAYER_AXES)
    cn_fail(l->object.graph, CN_UNSUPPORTED, "%s: at most %d axes can be expected", l->object.cls->schema.name, CN_LAYER_AXES);
  else l->axes[l->axes_count].axis = axis, l->axes[l->axes_count++].size = size;
}

/* Takes back what a failed build made. */
static void unbuild(cn_layer *l, int64_t weights, int64_t layers) {
  l->weights_count -= l->lent;
  if (l->lent) memmove(l->weights, l->weights + l->lent, (size_t)l->weights_count * sizeof *l->weights);
  l->lent = 0;
  while (l->layers_count > layers) cn_layer_free(l->layers[--l->layers_count]);
  l->axes_count = 0;
  while (l->weights_count > weights) cn_free(l->weights[--l->weights_count]);
  cni_free(l->object.graph, l->built_for);
  l->built_for = NULL;
  l->built = false;
}

static bool build_inside(cn_layer *l, const cn_dims *in, int64_t n) {
  cn_graph *g = l->object.graph;
  const int64_t weights = l->weights_count, layers = l->layers_count;
  const bool recording = cn_recording(g, false); /* initial values are no part of the tape */
  cn_layer *calling = g->calling;
  g->calling = NULL; /* a model made in build is recorded */
  l->built_for = cni_alloc(g, (size_t)n * sizeof *in);
  if (l->built_for) memcpy(l->built_for, in, (size_t)n * sizeof *in);
  l->built_for_count = n;
  if (cn_ok(g) && methods(l)->build) methods(l)->build(l, in, n);
  cn_recording(g, recording);
  g->calling = calling;
  l->built = cn_ok(g);
  l->trial.number = g->trial, l->trial.weights = weights, l->trial.layers = layers;
  if (!l->built) unbuild(l, weights, layers);
  return l->built;
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

static bool gather(const cn_call_args *a, cn_inputs *in, cn_tensor **x, cn_tensor **mask, bool *symbolic) {
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
    *symbolic |= (t->flags & CNI_SYMBOLIC) != 0;
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

/* As Keras' _keras_mask: a mask that call has set stays; else compute_mask gives it, or the first input's passes. */
static bool set_masks(cn_layer *l, const cn_inputs *in, cn_tensor **y) {
  cn_graph *g = l->object.graph;
  const cn_layer_methods *m = methods(l);
  if (cn_mask_of(*y) || (!m->compute_mask && !l->supports_masking)) return true;
  cn_tensor *mask = m->compute_mask ? m->compute_mask(l, g, in) : in->mask[0];
  return (!mask || (*y = cni_with_mask(l, in, *y, mask)) != NULL) && cn_ok(g);
}

cn_tensor *cni_with_mask(cn_layer *l, const cn_inputs *in, cn_tensor *y, cn_tensor *mask) {
  cn_graph *g = l->object.graph;
  if (cn_mask_of(y) == mask) return y;
  bool own = y->epoch != CNI_PERSISTENT && !cn_mask_of(y);
  for (int64_t i = 0; i < in->n; i++) own &= y != in->x[i];
  const cn_ints shape = { y->dims.d, y->dims.rank };
  if (!own) y = cn_reshape(g, y, .newshape = shape); /* the caller's tensor keeps the mask it had */
  if (y) cn_set_mask(y, mask);
  return y;
}

/* What a call gives its caller. */
typedef struct call_result { cn_tensor **outputs; int64_t *count; bool symbolic; } call_result;

cn_node *cni_call_node(cn_layer *l, const cn_call_args *a, int64_t n) {
  cn_graph *g = l->object.graph;
  if (!l->calls && !(l->calls = cni_alloc(g, sizeof *l->calls))) return NULL;
  l->calls->arena.tracked = true;
  cn_node *node = cni_symbolic_node(g, &l->calls->arena, &cni_layer_call, &cni_call_schema, a, 2 * n);
  if (!node) return NULL;
  node->symbol->layer = l;
  node->symbol->name = l->name;
  node->symbol->masks_first = n;
  node->symbol->next = l->calls->last;
  return l->calls->last = node;
}

/* A symbolic call outside every layer becomes a node, whose outputs stand for the call's. Their masks are outputs too. */
static bool record_call(cn_layer *l, const cn_call_args *a, cn_tensor **y, int64_t n) {
  cn_graph *g = l->object.graph;
  cn_node *node = cni_call_node(l, a, n);
  if (!node) return false;
  for (int64_t i = 0; i < n; i++) {
    cn_tensor *mask = cn_mask_of(y[i]), *t = cni_symbolic_output(g, node, i, (cn_dtype)y[i]->dtype, &y[i]->dims);
    if (!t) return false;
    y[i] = t;
    if (mask && !(mask = cni_symbolic_output(g, node, n + i, (cn_dtype)mask->dtype, &mask->dims))) return false;
    if (mask) cn_set_mask(t, mask);
  }
  return cn_ok(g);
}

static cn_tensor *call_inside(cn_layer *l, const cn_call_args *a, cn_inputs *in, const call_result *r) {
  cn_graph *g = l->object.graph;
  if (!ensure_built(l, in)) return NULL;
  cn_tensor *first = methods(l)->call(l, g, in), *few[1 + CN_LAYER_OUTPUTS], **y = r->outputs ? r->outputs : few;
  if (!first || !cn_ok(g)) return NULL;
  const int64_t n = r->symbolic || r->outputs ? 1 + in->more_count : 1;
  y[0] = first;
  for (int64_t i = 1; i < n; i++) y[i] = in->more[i - 1];
  if (r->count) *r->count = 1 + in->more_count;
  for (int64_t i = 0; i <= in->more_count; i++)
    if (!activity_penalty(l, i ? in->more[i - 1] : first)) return NULL;
  if (!set_masks(l, in, &y[0])) return NULL;
  return !r->symbolic || record_call(l, a, y, n) ? y[0] : NULL;
}

static void losses_begin(cn_layer *l, void *user) {
  (void)user;
  l->losses_count = 0;
}

static const cn_row call_rows[] = { CN_CALL(CN_ROW_, cn_call_args) { 0 } };
static const cn_call_args call_defaults = { CN_CALL(CN_DEFAULT_, ) .graph = NULL };
const cn_schema cni_call_schema = { "call", call_rows, (int)(sizeof call_rows / sizeof *call_rows) - 1, sizeof(cn_call_args), &call_defaults };
const cn_op cni_layer_call = { .name = "layer_call", .inputs = CN_LIST };

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
  cn_inputs in; /* gather sets the rest; `more` counts as far as it is filled */
  in.training = a->training == CN_NONE ? (old.calling ? old.training : g->training) : a->training != 0;
  in.more_count = 0;
  if (!old.calling) cni_each_layer(l, losses_begin, NULL); /* penalties are cleared at each outermost call */
  const cni_scope_mark m = cni_layer_enter(l);
  const char *where = g->core.where;
  g->core.where = NULL;
  g->calling = l;
  g->training = in.training;
  call_result r = { outputs, count, false };
  cn_tensor *y = NULL;
  if (gather(a, &in, x, mask, &r.symbolic)) {
    r.symbolic &= !old.calling;
    y = call_inside(l, a, &in, &r);
  }
  g->calling = old.calling;
  g->training = old.training;
  g->core.where = where;
  cni_layer_leave(l, m);
  return y;
}

cn_tensor *cn_call_run(const cn_call_args *args) { return cn_call_layer(args, NULL, NULL); }

/* ---- without building ---- */
/* Of l and everything below it: what the trial built becomes unbuilt. */
static void undo(cn_layer *l, uint32_t trial) {
  for (int64_t i = 0; i < l->layers_count; i++) undo(l->layers[i], trial);
  if (l->built && l->trial.number == trial) unbuild(l, l->trial.weights, l->trial.layers);
}

static cn_tensor *call_on_shapes(cn_layer *l, const cn_dims *in, int64_t n) {
  cn_graph *g = l->object.graph;
  cn_tensor **x = cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *x);
  if (!x) return NULL;
  for (int64_t i = 0; i < n; i++)
    if (!(x[i] = cni_view_header(g, l->dtype, &in[i]))) return NULL;
    else x[i]->flags |= CNI_SYMBOLIC;
  cn_layer *calling = g->calling;
  if (!calling) g->calling = l; /* nothing is recorded */
  const cn_tensors list = { x, n };
  cn_tensor *y = cn_call(g, l, .inputs = list);
  g->calling = calling;
  return y;
}

/* A class without output_shape is called on shapes alone; layers that this builds are unbuilt again, and random numbers and names are drawn as if it had not
 * been. */
static bool shape_by_trial(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  cn_graph *g = l->object.graph;
  const uint64_t streams = g->core.streams;
  const cn_stream stream = g->streams;
  const uint32_t outer = g->trial, trial = ++g->trials;
  cni_names_mark names;
  if (!cni_names_save(g, &names)) return false;
  g->trial = trial;
  cn_tensor *y = call_on_shapes(l, in, n);
  if (y) *out = cn_dims_of(y);
  g->trial = outer;
  undo(l, trial);
  cni_names_restore(g, &names);
  g->core.streams = streams;
  g->streams = stream;
  return y != NULL;
}

bool cn_compute_output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  if (!l || !cn_ok(l->object.graph)) return false;
  if (!methods(l)->output_shape) return shape_by_trial(l, in, n, out);
  const cni_scope_mark m = cni_layer_enter(l);
  const bool ok = shapes_ok(l, in, n) && methods(l)->output_shape(l, in, n, out);
  cni_layer_leave(l, m);
  return ok && cn_ok(l->object.graph);
}

cn_tensor *cn_compute_mask_run(const cn_call_args *a) {
  cn_graph *g = a->graph;
  cn_layer *l = a->layer;
  if (!cn_ok(g)) return NULL;
  if (!l) return cn_fail(g, CN_STATE, "compute_mask: the layer is NULL"), NULL;
  if (l->object.graph != g) return cn_fail(g, CN_STATE, "compute_mask: layer %s belongs to another graph", l->name), NULL;
  const cn_layer_methods *m = methods(l);
  const int64_t n = a->inputs.n > 0 ? a->inputs.n : 1;
  cn_tensor **list = cni_arena_take(g, cni_step_arena(g), (size_t)(2 * n) * sizeof *list);
  cn_inputs in = { .training = false };
  bool symbolic = false;
  if (!list || (!m->compute_mask && !l->supports_masking) || !gather(a, &in, list, list + n, &symbolic)) return NULL;
  if (!m->compute_mask) return in.mask[0];
  const cni_scope_mark mark = cni_layer_enter(l);
  cn_tensor *mask = ensure_built(l, &in) ? m->compute_mask(l, g, &in) : NULL;
  cni_layer_leave(l, mark);
  return mask;
}

static void reset_one(cn_layer *l, void *user) {
  (void)user;
  if (methods(l)->reset) methods(l)->reset(l);
}
void cn_reset_state(cn_layer *l) {
  if (l && cn_ok(l->object.graph)) cni_each_layer(l, reset_one, NULL);
}
