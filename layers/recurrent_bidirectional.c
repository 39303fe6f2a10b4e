/* A recurrent layer in both directions. */
#include <stdio.h>
#include "recurrent_private.h"

typedef struct bidirectional { cn_layer base; cn_layer *forward, *backward; } bidirectional;

/* ---- making ---- */
/* A layer of l's config under the name prefix_NAME, backwards or as it is, with the use that the options hold. */
static cn_layer *copy_of(cn_layer *l, const char *prefix, bool turn) {
  cn_graph *g = l->object.graph;
  char name[256];
  const bool named = !strncmp(l->name, "forward_", 8);
  snprintf(name, sizeof name, "%s_%s", prefix, l->name + (named ? 8 : 0));
  json_t *config = cni_object_json(g, &l->object), *options = json_object_get(config, "config");
  bool set = options && !json_object_set_new(options, "name", json_string(name));
  if (turn) set = set && !json_object_set_new(options, "go_backwards", json_true());
  cn_layer *copy = set ? (cn_layer *)(void *)cni_layers_factory.from_json(g, CN_KIND_LAYER, config) : NULL;
  json_decref(config);
  if (!copy && cn_ok(g)) cn_fail(g, CN_NO_MEMORY, "out of memory");
  if (copy) copy->object.uses++;
  return copy;
}

static bool is_recurrent(const cn_layer *l) {
  return cni_option_named(l, "go_backwards") && cni_option_named(l, "return_sequences") && cni_option_named(l, "return_state");
}

static bool check_mode(cn_graph *g, const char *mode) {
  static const char *const modes[] = { "concat", "sum", "mul", "ave" };
  for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(mode, modes[i])) return true;
  return !mode || (cn_fail(g, CN_VALUE, "merge_mode must be concat, sum, mul, ave or None, got \"%s\"", mode), false);
}

static bool check_pair(cn_graph *g, const cn_layer *forward, const cn_layer *backward) {
  static const char *const same[] = { "stateful", "return_sequences", "return_state" };
  if (!is_recurrent(backward)) return cn_fail(g, CN_VALUE, "backward_layer: %s is no recurrent layer", backward->object.cls->schema.name), false;
  if (cni_flag(forward, "go_backwards") == cni_flag(backward, "go_backwards"))
    return cn_fail(g, CN_VALUE, "layer and backward_layer must differ in go_backwards"), false;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (cni_flag(forward, same[i]) != cni_flag(backward, same[i])) return cn_fail(g, CN_VALUE, "layer and backward_layer must agree in %s", same[i]), false;
  return true;
}

static void zero_with_sequences(cn_layer *l) {
  bool *zero = cni_option_named(l, "zero_output_for_mask");
  if (zero) *zero = cni_flag(l, "return_sequences");
}

/* The options hold the copies, as Keras' config does. */
static bool init(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  bidirectional *b = (bidirectional *)l;
  cn_BidirectionalOptions *o = self->options;
  if (!cn_layer_init(self) || !check_mode(self->graph, o->merge_mode)) return false;
  if (!is_recurrent(o->layer)) return cn_fail(self->graph, CN_VALUE, "layer: %s is no recurrent layer", o->layer->object.cls->schema.name), false;
  if (!o->backward_layer && cni_flag(o->layer, "go_backwards"))
    return cn_fail(self->graph, CN_VALUE, "layer goes backwards: give a backward_layer that does not"), false;
  if (o->backward_layer && !check_pair(self->graph, o->layer, o->backward_layer)) return false;
  if (!o->backward_layer && !(o->backward_layer = copy_of(o->layer, "backward", true))) return false;
  cn_layer *forward = copy_of(o->layer, "forward", false);
  if (!forward) return false;
  cn_object_free(&o->layer->object);
  o->layer = forward;
  b->forward = cn_add_layer(l, forward);
  b->backward = cn_add_layer(l, o->backward_layer);
  zero_with_sequences(forward);
  zero_with_sequences(o->backward_layer);
  return b->forward && b->backward;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  const bidirectional *b = (const bidirectional *)l;
  if (cn_build(b->forward, in, n)) cn_build(b->backward, in, n);
}

/* ---- the call ---- */
static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const bidirectional *b = (const bidirectional *)l;
  const char *mode = ((const cn_BidirectionalOptions *)l->object.options)->merge_mode;
  cn_dims other;
  if (!cn_compute_output_shape(b->forward, in, n, out) || !cn_compute_output_shape(b->backward, in, n, &other)) return false;
  if (mode && !strcmp(mode, "concat")) out->d[out->rank - 1] += other.d[other.rank - 1];
  return true;
}

/* One direction's outputs and their number; half h of the initial states. */
static int64_t run(cn_layer *direction, const cn_inputs *in, int64_t h, cn_tensor **y) {
  cn_call_args a = *in->args;
  int64_t n = 0;
  a.layer = direction;
  a.training = in->training;
  a.initial_state.n /= 2;
  if (a.initial_state.n) a.initial_state.v += h * a.initial_state.n;
  return cn_call_layer(&a, y, &n) ? n : 0;
}

static cn_tensor *merged(cn_graph *g, const char *mode, cn_tensor *a, cn_tensor *b) {
  if (!strcmp(mode, "concat")) return cn_concatenate(g, CN_TENSORS(a, b), .axis = -1);
  if (!strcmp(mode, "mul")) return cn_multiply(g, a, b);
  cn_tensor *sum = cn_add(g, a, b);
  return sum && !strcmp(mode, "ave") ? cn_scale(g, sum, 0.5) : sum;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const bidirectional *b = (const bidirectional *)l;
  const char *mode = ((const cn_BidirectionalOptions *)l->object.options)->merge_mode;
  const bool sequences = cni_flag(b->forward, "return_sequences");
  cn_tensor *y[1 + CN_LAYER_OUTPUTS], *z[1 + CN_LAYER_OUTPUTS];
  if (in->initial_states % 2)
    return cn_fail(g, CN_VALUE, "Bidirectional: %lld initial states, wanted as many for each direction", (long long)in->initial_states), NULL;
  const int64_t ny = run(b->forward, in, 0, y), nz = ny ? run(b->backward, in, 1, z) : 0;
  if (!nz || (sequences && !(z[0] = cn_flip(g, z[0], CN_INTS(1))))) return NULL;
  if (ny + nz > CN_LAYER_OUTPUTS) return cn_fail(g, CN_UNSUPPORTED, "Bidirectional: more than %d outputs", CN_LAYER_OUTPUTS), NULL;
  if (!mode) {
    if (sequences && in->mask[0]) cn_set_mask(z[0], in->mask[0]);
    in->more[in->more_count++] = z[0];
  }
  for (int64_t i = 1; i < ny; i++) in->more[in->more_count++] = y[i];
  for (int64_t i = 1; i < nz; i++) in->more[in->more_count++] = z[i];
  return mode ? merged(g, mode, y[0], z[0]) : y[0];
}

static cn_tensor *compute_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)g;
  return cni_flag(((const bidirectional *)l)->forward, "return_sequences") ? in->mask[0] : NULL;
}
CN_LAYER_OF(Bidirectional, bidirectional, CN_BIDIRECTIONAL, (.init = init), .build = build, .call = call, .output_shape = output_shape,
            .compute_mask = compute_mask, .supports_masking = true, .min_rank = 3, .per_sample = cni_per_sample)
