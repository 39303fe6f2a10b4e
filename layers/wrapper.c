#include "wrapper.h"
#include "layer_private.h"

cn_layer *cn_wrapped(const cn_layer *l) {
  const int i = cni_option_find(&l->object.cls->schema, "layer");
  return i < 0 ? NULL : *(cn_layer *const *)cni_option_at_const(&l->object.cls->schema, l->object.options, i);
}

/* The options hold a use of the layer inside; as a sub-layer it has another. */
bool cn_wrapper_init(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  if (!cn_layer_init(self)) return false;
  cn_layer *inner = cn_wrapped(l);
  return inner ? cn_add_layer(l, inner) != NULL : (cn_fail(self->graph, CN_VALUE, "layer is required"), false);
}

/* ---- Wrapper ---- */
static void wrapper_build(cn_layer *l, const cn_dims *in, int64_t n) { cn_build(cn_wrapped(l), in, n); }
static cn_tensor *wrapper_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  (void)g;
  cn_call_args a = *in->args;
  a.layer = cn_wrapped(l);
  a.training = in->training;
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  int64_t n = 0;
  if (!cn_call_layer(&a, y, &n)) return NULL;
  for (int64_t i = 1; i < n; i++) in->more[in->more_count++] = y[i];
  return y[0];
}
bool cni_wrapped_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) { return cn_compute_output_shape(cn_wrapped(l), in, n, out); }
CN_LAYER_OF(Wrapper, cn_layer, CN_WRAPPER, (.init = cn_wrapper_init), .build = wrapper_build, .call = wrapper_call, .output_shape = cni_wrapped_shape,
            .max_inputs = INT64_MAX, .per_sample = cni_per_sample)

/* ---- TimeDistributed ---- */
/* The shape of one step's batch. */
static cn_dims step_dims(const cn_dims *in) {
  cn_dims d = { in->rank - 1, { in->d[0] } };
  for (int i = 1; i < d.rank; i++) d.d[i] = in->d[i + 1];
  return d;
}

static void steps_build(cn_layer *l, const cn_dims *in, int64_t n) {
  const cn_dims one = step_dims(in);
  (void)n;
  cn_build(cn_wrapped(l), &one, 1);
}

static bool steps_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const cn_dims one = step_dims(in);
  cn_dims y;
  (void)n;
  if (!cn_compute_output_shape(cn_wrapped(l), &one, 1, &y)) return false;
  if (y.rank + 1 > CN_MAX_RANK) return cn_fail(l->object.graph, CN_SHAPE, "TimeDistributed: the output would have more than %d axes", CN_MAX_RANK), false;
  *out = (cn_dims){ y.rank + 1, { y.d[0], in->d[1] } };
  for (int i = 1; i < y.rank; i++) out->d[i + 1] = y.d[i];
  return true;
}

/* [n, t, ...] -> [n t, ...] */
static cn_tensor *fold(cn_graph *g, cn_tensor *x) {
  int64_t sizes[CN_MAX_RANK] = { -1 };
  for (int i = 2; i < x->dims.rank; i++) sizes[i - 1] = x->dims.d[i];
  const cn_ints shape = { sizes, x->dims.rank - 1 };
  return cn_reshape(g, x, .newshape = shape);
}

/* [n t, ...] -> [n, t, ...] */
static cn_tensor *unfold(cn_graph *g, cn_tensor *y, const cn_dims *in) {
  int64_t sizes[CN_MAX_RANK] = { in->d[0], in->d[1] };
  if (in->d[0] == CN_UNKNOWN && in->d[1] != CN_UNKNOWN) sizes[0] = -1;
  for (int i = 1; i < y->dims.rank && i + 1 < CN_MAX_RANK; i++) sizes[i + 1] = y->dims.d[i];
  const cn_ints shape = { sizes, y->dims.rank + 1 };
  if (y->dims.rank + 1 > CN_MAX_RANK) return cn_fail(g, CN_SHAPE, "the output would have more than %d axes", CN_MAX_RANK), NULL;
  return cn_reshape(g, y, .newshape = shape);
}

static bool mask_fits(cn_graph *g, const cn_tensor *x, const cn_tensor *mask) {
  char a[160], b[160];
  bool fits = mask->dims.rank >= 2;
  for (int i = 0; i < 2 && fits; i++) fits = mask->dims.d[i] == x->dims.d[i] || mask->dims.d[i] == CN_UNKNOWN || x->dims.d[i] == CN_UNKNOWN;
  if (!fits) cn_fail(g, CN_SHAPE, "mask %s does not fit the steps of %s", cn_dims_text(&mask->dims, a, sizeof a), cn_dims_text(&x->dims, b, sizeof b));
  return fits;
}

/* In Keras what the layer inside adds to the losses is lost in the loop over the steps. */
static void forget_losses(cn_layer *l, void *user) {
  (void)user;
  l->losses_count = 0;
}

typedef struct question { bool training, per_sample; } question;
static void ask(cn_layer *l, void *user) {
  question *q = user;
  const cn_layer_methods *m = l->object.cls->methods;
  q->per_sample = q->per_sample && m->per_sample && m->per_sample(l, q->training);
}

/* Of symbolic steps, of which there may be any number, only shapes are asked for. */
static bool steps_may_be_samples(cn_layer *inside, const cn_tensor *x, bool training) {
  question q = { training, true };
  cni_each_layer(inside, ask, &q);
  return q.per_sample || (x->flags & CNI_SYMBOLIC) || !x->dims.d[1];
}

static cn_tensor *at_once(cn_layer *inside, cn_graph *g, cn_tensor *x, cn_tensor *mask, bool training) {
  cn_tensor *flat = fold(g, x), *flat_mask = mask ? fold(g, mask) : CN_NO_TENSOR;
  cn_tensor *y = flat && flat_mask ? cn_call(g, inside, flat, .training = training, .mask = flat_mask) : NULL;
  return y ? unfold(g, y, &x->dims) : NULL;
}

static cn_tensor *one_by_one(cn_layer *inside, cn_graph *g, cn_tensor *x, cn_tensor *mask, bool training) {
  const int64_t steps = x->dims.d[1];
  cn_tensor **y = cni_arena_take(g, cni_step_arena(g), (size_t)steps * sizeof *y);
  cn_tensor *const *xs = y ? cn_unstack(g, x, .axis = 1) : NULL, *const *masks = xs && mask ? cn_unstack(g, mask, .axis = 1) : NULL;
  if (!xs || !cn_ok(g)) return NULL;
  for (int64_t i = 0; i < steps; i++)
    if (!(y[i] = cn_call(g, inside, xs[i], .training = training, .mask = masks ? masks[i] : CN_NO_TENSOR))) return NULL;
  const cn_tensors list = { y, steps };
  return cn_stack(g, list, .axis = 1);
}

/* The layer inside takes the mask of its step, of shape [n]. */
static cn_tensor *steps_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_layer *const inside = cn_wrapped(l);
  cn_tensor *x = in->x[0], *mask = in->mask[0];
  if (mask && !mask_fits(g, x, mask)) return NULL;
  if (!inside->supports_masking) mask = NULL;
  const bool samples = steps_may_be_samples(inside, x, in->training);
  cn_tensor *y = samples ? at_once(inside, g, x, mask, in->training) : one_by_one(inside, g, x, mask, in->training);
  cni_each_layer(inside, forget_losses, NULL);
  return y;
}
CN_LAYER_OF(TimeDistributed, cn_layer, CN_TIME_DISTRIBUTED, (.init = cn_wrapper_init), .build = steps_build, .call = steps_call, .output_shape = steps_shape,
            .min_rank = 3, .supports_masking = true, .per_sample = cni_per_sample)
