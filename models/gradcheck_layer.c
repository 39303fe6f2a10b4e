/* Gradients of a layer: of a float64 copy of it. */
#include "gradcheck_layer.h"
#include <math.h>
#include <stdio.h>
#include "model_private.h"

#define MOST_WEIGHTS 63

/* ---- the copy ---- */
static cn_layer *copy_of(cn_layer *l);

/* A layer among the options is copied too. */
static bool copy_held(const cn_schema *s, void *options) {
  for (int i = 0; i < s->count; i++) {
    void *at = cni_option_at(s, options, i);
    if (s->rows[i].kind == CN_OPTION_LAYERS && ((const cn_layers *)at)->n) return false;
    if (s->rows[i].kind == CN_OPTION_LAYER && *(cn_layer **)at && !(*(cn_layer **)at = copy_of(*(cn_layer **)at))) return false;
  }
  return true;
}

static cn_layer *made_of(cn_layer *l, void *options) {
  const cn_schema *s = &l->object.cls->schema;
  const int dtype = cni_option_find(s, "dtype"), name = cni_option_find(s, "name");
  memcpy(options, l->object.options, s->size);
  if (dtype >= 0) *(const char **)cni_option_at(s, options, dtype) = "float64";
  if (name >= 0) *(const char **)cni_option_at(s, options, name) = l->name;
  return copy_held(s, options) ? (cn_layer *)(void *)cn_object_new(l->object.cls, options) : NULL;
}

/* Not built yet. NULL: a sub-layer is beyond what options and a Sequential's list tell. */
static cn_layer *copy_of(cn_layer *l) {
  cn_graph *g = l->object.graph;
  void *options = cni_alloc(g, l->object.cls->schema.size);
  cn_layer *c = options ? made_of(l, options) : NULL;
  cni_free(g, options);
  for (int64_t i = 0; c && l->object.cls == &cni_sequential_class && i < l->layers_count; i++) {
    cn_layer *sub = copy_of(l->layers[i]);
    if (sub && cn_push((cn_model *)(void *)c, sub)) continue;
    cn_layer_free(sub);
    cn_layer_free(c);
    return NULL;
  }
  return c;
}

/* The copy's weights become the layer's. */
static bool copy_weights(cn_layer *from, cn_layer *to) {
  cn_graph *g = from->object.graph;
  const int64_t n = cn_weights(from, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(2 * n + 1) * sizeof *w);
  if (!w) return false;
  if (cn_weights(to, w + n, n) != n) return cn_fail(g, CN_UNSUPPORTED, "gradcheck_layer: a copy of %s has other weights", from->name), false;
  cn_weights(from, w, n);
  for (int64_t i = 0; i < n; i++) {
    cn_tensor *value = cn_cast(g, w[i], .dtype = cn_dtype_name((cn_dtype)w[n + i]->dtype));
    if (!value || !cn_assign(w[n + i], value)) return false;
    if (w[n + i]->dtype == CN_F32) return cn_fail(g, CN_UNSUPPORTED, "gradcheck_layer: a copy of %s does not have its weights in float64", from->name), false;
    cn_set_trainable(w[n + i], cn_is_trainable(w[i]));
  }
  return true;
}

static cn_layer *copied(const cn_gradcheck_layer_args *a) {
  cn_graph *g = a->graph;
  cn_layer *l = a->layer;
  const cn_dims d = cn_dims_of(a->x);
  if (!l->built && !cn_build(l, &d, 1)) return NULL;
  cn_layer *c = copy_of(l);
  if (!c) return cn_fail(g, CN_UNSUPPORTED, "gradcheck_layer: %s cannot be copied", l->name), NULL;
  if (cn_build(c, l->built_for, l->built_for_count) && copy_weights(l, c)) return c;
  cn_layer_free(c);
  return NULL;
}

/* ---- the function ---- */
typedef struct subject { const cn_gradcheck_layer_args *a; cn_layer *layer; cn_ref loss; cn_tensor *y; } subject;

static cn_tensor *evaluate(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const subject *s = user;
  (void)n;
  cn_tensor *out = cn_call(g, s->layer, x[0], .training = s->a->training);
  if (!s->loss.object && !s->loss.fn2) return out;
  return out ? cn_total_loss(s->layer, cn_loss_apply(g, &s->loss, s->y, out, CN_NO_TENSOR)) : NULL;
}

static cn_tensor *in_double(cn_graph *g, cn_tensor *t) { return cni_given(t) && cni_is_float((cn_dtype)t->dtype) ? cn_cast(g, t, .dtype = "float64") : t; }

static bool inputs_of(subject *s, cn_tensor **x, int64_t *n) {
  cn_graph *g = s->a->graph;
  *n = 1 + cn_trainable_weights(s->layer, x + 1, MOST_WEIGHTS);
  if (*n > 1 + MOST_WEIGHTS) return cn_fail(g, CN_UNSUPPORTED, "gradcheck_layer: %s has more than %d weights", s->layer->name, MOST_WEIGHTS), false;
  s->y = in_double(g, s->a->y);
  return (x[0] = in_double(g, s->a->x)) && s->y;
}

static void check(subject *s, cn_gradcheck_report *r) {
  const cn_gradcheck_layer_args *a = s->a;
  cn_tensor *x[1 + MOST_WEIGHTS];
  int64_t n;
  cn_object *given = s->loss.object;
  cn_object *loss = cni_ref_resolve(a->graph, CN_KIND_LOSS, &s->loss, &cni_models_factory);
  s->loss.object = loss;
  if (cn_ok(a->graph) && inputs_of(s, x, &n)) {
    const cn_tensors inputs = { x, n };
    *r = cn_gradcheck(a->graph, evaluate, inputs, .user = s, .order = a->order, .directions = a->directions, .elementwise = a->elementwise, .step = a->step,
                      .tolerance = a->tolerance, .seed = a->seed);
  }
  if (!given) cn_object_free(loss);
}

cn_gradcheck_report cn_gradcheck_layer_run(const cn_gradcheck_layer_args *a) {
  cn_gradcheck_report r = { .passed = false, .error = INFINITY, .input = -1, .element = -1 };
  cn_graph *g = a->graph;
  if (!cn_ok(g)) return r;
  if (!a->layer || !a->x || !cni_given(a->x)) cn_fail(g, CN_VALUE, "gradcheck_layer: a layer and its input are needed");
  subject s = { .a = a, .layer = cn_ok(g) ? copied(a) : NULL, .loss = a->loss };
  if (s.layer) check(&s, &r);
  cn_layer_free(s.layer);
  if (!cn_ok(g)) snprintf(r.text, sizeof r.text, "failed: %.200s", cn_error(g));
  return r;
}
