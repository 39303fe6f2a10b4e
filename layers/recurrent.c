/* Layers that run a cell over time. */
#include <stdio.h>
#include "recurrent_conv.h"
#include "recurrent_private.h"

typedef struct rnn {
  cn_layer base;
  cn_layer *cell;
  cn_tensor *state[CN_LAYER_OUTPUTS]; /* with stateful: variables that the last call left, no weights */
  int64_t states;
} rnn;

/* ---- making ---- */
static bool take_cell(cn_layer *l, cn_layer *cell) {
  if (!cni_is_cell(cell)) return cn_fail(l->object.graph, CN_VALUE, "cell: %s is no recurrent cell", cell->object.cls->schema.name), false;
  ((rnn *)l)->cell = cell;
  return cn_add_layer(l, cell) != NULL;
}
static bool rnn_init(cn_object *self) { return cn_layer_init(self) && take_cell((cn_layer *)(void *)self, ((const cn_RNNOptions *)self->options)->cell); }

/* Bytes of an option that cells have. */
static size_t size_of(cn_option_kind kind) {
  static const size_t sizes[] = { [CN_OPTION_SIZE] = sizeof(cn_size), [CN_OPTION_INT] = sizeof(int64_t),   [CN_OPTION_REAL] = sizeof(double),
                                  [CN_OPTION_BOOL] = sizeof(bool),    [CN_OPTION_STRING] = sizeof(char *), [CN_OPTION_REF] = sizeof(cn_ref) };
  return sizes[kind];
}

/* Where an option of the cell stands in the layer's options; the penalty on the outputs is the layer's alone. */
static const void *shared_option(const cn_layer *l, const cn_row *row) {
  return !strcmp(row->name, "name") || !strcmp(row->name, "activity_regularizer") ? NULL : cni_option_named(l, row->name);
}

/* The cell of a layer that has the cell's options among its own. */
static bool make_cell(cn_layer *l, const cn_class *cls) {
  cn_graph *g = l->object.graph;
  const cn_schema *s = &cls->schema;
  char name[64];
  char *options = cni_arena_take(g, cni_step_arena(g), s->size);
  if (!options) return false;
  memcpy(options, s->defaults, s->size);
  *(cn_graph **)(void *)options = g;
  for (int i = 0; i < s->count; i++) {
    const void *at = shared_option(l, &s->rows[i]);
    if (at) memcpy(options + s->rows[i].offset, at, size_of(s->rows[i].kind));
  }
  *(const char **)cni_option_at(s, options, cni_option_find(s, "name")) = cni_snake_case(s->name, name, sizeof name);
  cn_layer *cell = (cn_layer *)(void *)cn_object_new(cls, options);
  return cell && take_cell(l, cell);
}

/* ---- states ---- */
/* A variable that the layer owns and no list of weights has. */
typedef struct kept_state { cn_object object; cn_tensor *variable; } kept_state;
static void kept_finish(cn_object *o) { cn_free(((kept_state *)(void *)o)->variable); }
static const cn_class kept_class = { .kind = CN_KIND_LAYER, .schema = { .name = "state" }, .size = sizeof(kept_state), .finish = kept_finish };

static cn_tensor *make_state(cn_layer *l, const cn_dims *dims) {
  cn_graph *g = l->object.graph;
  kept_state *k = cni_alloc(g, sizeof *k);
  if (!k) return NULL;
  *k = (kept_state){ { &kept_class, g, NULL, 1, false }, cn_variable(g, l->dtype, dims, NULL) };
  if (!k->variable || !cni_own(l, &k->object)) return cn_object_free(&k->object), NULL;
  cn_set_trainable(k->variable, false);
  k->variable->extra->never_trains = true;
  return k->variable;
}

static cn_dims step_of(const cn_dims *in) {
  cn_dims d = { in->rank - 1, { in->d[0] } };
  for (int i = 1; i < d.rank; i++) d.d[i] = in->d[i + 1];
  return d;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  rnn *r = (rnn *)l;
  const cn_dims step = step_of(in);
  cn_dims shapes[CN_LAYER_OUTPUTS];
  (void)n;
  if (!cni_build_cell(r->cell, &step)) return;
  for (int i = 0; cni_cell_of(r->cell) && i < r->cell->axes_count; i++)
    cn_expect_axis(l, r->cell->axes[i].axis + (r->cell->axes[i].axis > 0), r->cell->axes[i].size);
  if (!cni_flag(l, "stateful")) return;
  if (in->d[0] == CN_UNKNOWN) {
    cn_fail(l->object.graph, CN_SHAPE, "%s: stateful needs a batch size that is known", l->object.cls->schema.name);
    return;
  }
  const int64_t states = cni_state_shapes(r->cell, &step, shapes);
  for (r->states = 0; r->states < states; r->states++)
    if (!(r->state[r->states] = make_state(l, &shapes[r->states]))) return;
}

static void reset(cn_layer *l) {
  rnn *r = (rnn *)l;
  cn_graph *g = l->object.graph;
  for (int64_t i = 0; i < r->states; i++) {
    cn_tensor *zero = cn_zeros(g, l->dtype, &r->state[i]->dims);
    if (!zero || !cn_assign(r->state[i], zero)) return;
  }
}

static bool kept_states(cn_layer *l, cn_state *s) {
  rnn *r = (rnn *)l;
  char name[32];
  for (int64_t i = 0; i < r->states; i++) {
    snprintf(name, sizeof name, "state_%lld", (long long)i);
    if (!cni_state_tensor(s, name, r->state[i])) return false;
  }
  return true;
}

/* The first states of a call, given, kept or zero. The kept ones are copied: they are written again while this call's tape stands. */
static cn_tensor *first_state(cn_layer *l, cn_graph *g, const cn_inputs *in, int64_t i, const cn_dims *want) {
  rnn *r = (rnn *)l;
  char a[160], b[160];
  if (in->initial_states) {
    cn_tensor *s = in->initial_state[i];
    if (!s || !cni_readable(g, s, false)) return NULL;
    if (cn_dims_equal(&s->dims, want)) return s;
    return cn_fail(g, CN_SHAPE, "%s: initial_state %lld is %s, wanted %s", l->object.cls->schema.name, (long long)i, cn_dims_text(&s->dims, a, sizeof a),
                   cn_dims_text(want, b, sizeof b)),
           NULL;
  }
  if (!r->states) return cn_zeros(g, l->dtype, want);
  if (cn_dims_equal(&r->state[i]->dims, want)) return cn_scale(g, r->state[i], 1);
  return cn_fail(g, CN_SHAPE, "%s: the state is %s, this batch needs %s", l->object.cls->schema.name, cn_dims_text(&r->state[i]->dims, a, sizeof a),
                 cn_dims_text(want, b, sizeof b)),
         NULL;
}

/* ---- running over time ---- */
/* A sequence on its way through a cell. */
typedef struct sequence {
  cn_tensor *x;                       /* [n, t, ...] */
  cn_tensor *const *mask;             /* of each step [n], or NULL */
  int64_t steps, states;
  bool training;
  cn_tensor **state;                  /* before, then after */
  cn_tensor **y;                      /* outputs of the steps */
} sequence;

/* where(mask, a, b) for a mask [n] and values [n, ...] */
static cn_tensor *choose(cn_graph *g, cn_tensor *mask, cn_tensor *a, cn_tensor *b) {
  int64_t shape[CN_MAX_RANK] = { -1, 1, 1, 1, 1, 1, 1, 1 };
  if (!a || !b) return NULL;
  const cn_ints sizes = { shape, a->dims.rank };
  return cn_where(g, cn_reshape(g, mask, .newshape = sizes), a, b);
}

static bool loop(const cni_cell_run *r, cn_graph *g, sequence *s, cni_step *step) {
  cn_tensor *const *x = cn_unstack(g, s->x, .axis = 1), *next[CN_LAYER_OUTPUTS];
  for (int64_t t = 0; t < s->steps; t++) {
    cn_tensor *y = cn_ok(g) ? step(r, g, x[t], s->state, next) : NULL;
    if (!y) return false;
    for (int64_t i = 0; i < s->states; i++) s->state[i] = s->mask ? choose(g, s->mask[t], next[i], s->state[i]) : next[i];
    s->y[t] = s->mask ? choose(g, s->mask[t], y, t ? s->y[t - 1] : cn_zeros(g, (cn_dtype)y->dtype, &y->dims)) : y;
  }
  return cn_ok(g);
}

/* The step of a cell that is no cni_cell: a call. */
static cn_tensor *called_step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next) {
  cn_dims shapes[CN_LAYER_OUTPUTS];
  cn_tensor *in[1 + CN_LAYER_OUTPUTS] = { x }, *out[1 + CN_LAYER_OUTPUTS];
  const int64_t k = cni_state_shapes(r->cell, &x->dims, shapes);
  int64_t n = 0;
  if (k < 0) return NULL;
  for (int64_t i = 0; i < k; i++) in[1 + i] = state[i];
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = g, a.layer = r->cell, a.training = r->training, a.inputs = (cn_tensors){ in, 1 + k };
  if (!cn_call_layer(&a, out, &n)) return NULL;
  if (n != 1 + k) return cn_fail(g, CN_VALUE, "cell %s gives %lld states, wanted %lld", r->cell->name, (long long)(n - 1), (long long)k), NULL;
  for (int64_t i = 0; i < k; i++) next[i] = out[1 + i];
  return out[0];
}

static bool run_cell(cn_layer *cell, cn_graph *g, sequence *s);

/* Cell by cell over the whole sequence: what a cell makes of a masked step reaches no state of the next, so the order of the loops makes no difference. */
static bool run_stacked(cn_layer *l, cn_graph *g, sequence *s) {
  const cn_layers *cells = &((const cn_StackedRNNCellsOptions *)l->object.options)->cells;
  sequence part = *s;
  cn_dims shapes[CN_LAYER_OUTPUTS];
  for (int64_t i = 0; i < cells->n; i++, part.state += part.states) {
    const cn_tensors ys = { s->y, s->steps };
    const cn_dims step = i ? s->y[0]->dims : step_of(&s->x->dims);
    part.states = cni_state_shapes(cells->v[i], &step, shapes);
    if (i && !(part.x = cn_stack(g, ys, .axis = 1))) return false;
    if (part.states < 0 || !run_cell(cells->v[i], g, &part)) return false;
  }
  return true;
}

static cn_tensor *in_dtype(cn_graph *g, cn_tensor *x, cn_dtype dtype) {
  return !x || (cn_dtype)x->dtype == dtype ? x : cn_cast(g, x, .dtype = cn_dtype_name(dtype));
}

static bool states_in_dtype(cn_graph *g, sequence *s, cn_dtype dtype) {
  for (int64_t i = 0; i < s->states; i++)
    if (!(s->state[i] = in_dtype(g, s->state[i], dtype))) return false;
  return true;
}

/* The library's own cells: the product with all inputs at once, then the steps. */
static bool run_own(cni_cell *c, cni_cell_run *r, cn_graph *g, sequence *s) {
  const cn_dims step = step_of(&s->x->dims);
  const cni_scope_mark m = cni_layer_enter(&c->base);
  s->x = cni_cell_begin(r, g, &step) ? cni_cell_project(r, g, in_dtype(g, s->x, c->base.dtype)) : NULL;
  const bool done = s->x && loop(r, g, s, c->kind->step);
  cni_layer_leave(&c->base, m);
  return done;
}

static bool run_cell(cn_layer *cell, cn_graph *g, sequence *s) {
  cni_cell *c = cni_cell_of(cell);
  cni_cell_run r = { .cell = cell, .training = s->training };
  if (cell->object.cls == &cn_class_StackedRNNCells) return run_stacked(cell, g, s);
  return states_in_dtype(g, s, cell->dtype) && (c ? run_own(c, &r, g, s) : loop(&r, g, s, called_step));
}

/* ---- the call ---- */
static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const cn_dims step = step_of(in);
  cn_dims y;
  (void)n;
  if (!cni_cell_output(((rnn *)l)->cell, &step, &y)) return false;
  *out = y;
  if (!cni_flag(l, "return_sequences")) return true;
  if (y.rank + 1 > CN_MAX_RANK)
    return cn_fail(l->object.graph, CN_SHAPE, "%s: the output would have more than %d axes", l->object.cls->schema.name, CN_MAX_RANK), false;
  *out = (cn_dims){ y.rank + 1, { y.d[0], in->d[1] } };
  for (int i = 1; i < y.rank; i++) out->d[i + 1] = y.d[i];
  return true;
}

/* Shapes alone; the number of steps may be unknown. */
static cn_tensor *symbolic_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_dims *x = &in->x[0]->dims, step = step_of(x);
  cn_dims y, shapes[CN_LAYER_OUTPUTS];
  const int64_t k = cni_flag(l, "return_state") ? cni_state_shapes(((rnn *)l)->cell, &step, shapes) : 0;
  if (k < 0 || !output_shape(l, x, 1, &y)) return NULL;
  for (int64_t i = 0; i < k; i++)
    if (!(in->more[in->more_count++] = cni_shape_only(g, l->dtype, &shapes[i]))) return NULL;
  return cni_shape_only(g, l->dtype, &y);
}

/* The call's mask [n, t] as booleans, NULL where there is none. As in Keras, a call of several tensors does not take it from the first: with initial states a
 * mask must be given. */
static bool mask_of(cn_graph *g, const cn_inputs *in, cn_tensor **mask) {
  const cn_dims *x = &in->x[0]->dims;
  char a[160], b[160];
  *mask = !in->initial_states || cni_given(in->args->mask) ? in->mask[0] : NULL;
  if (!*mask) return true;
  const cn_dims *m = &(*mask)->dims;
  if (m->rank != 2 || m->d[0] != x->d[0] || m->d[1] != x->d[1])
    return cn_fail(g, CN_SHAPE, "mask %s does not fit the steps of %s", cn_dims_text(m, a, sizeof a), cn_dims_text(x, b, sizeof b)), false;
  if ((cn_dtype)(*mask)->dtype != CN_BOOL) *mask = cn_cast(g, *mask, .dtype = "bool");
  return *mask != NULL;
}

/* y [n, t, ...] or [n, ...] with 0 where the mask [n, t] of all steps, or that of the last one [n], is false. */
static cn_tensor *zero_masked(cn_graph *g, cn_tensor *y, cn_tensor *mask, bool all) {
  int64_t shape[CN_MAX_RANK] = { y->dims.d[0], 1, 1, 1, 1, 1, 1, 1 };
  const cn_ints sizes = { shape, y->dims.rank };
  if (all) shape[1] = y->dims.d[1];
  cn_tensor *m = cn_reshape(g, mask, .newshape = sizes);
  return m ? cn_where(g, m, y, cn_scalar_like(g, y, 0)) : NULL;
}

static bool first_states(cn_layer *l, cn_graph *g, const cn_inputs *in, sequence *s) {
  const cn_dims step = step_of(&s->x->dims);
  cn_dims shapes[CN_LAYER_OUTPUTS];
  s->states = cni_state_shapes(((rnn *)l)->cell, &step, shapes);
  if (s->states < 0) return false;
  if (in->initial_states && in->initial_states != s->states)
    return cn_fail(g, CN_VALUE, "%s: %lld initial states, wanted %lld", l->object.cls->schema.name, (long long)in->initial_states, (long long)s->states), false;
  for (int64_t i = 0; i < s->states; i++)
    if (!(s->state[i] = first_state(l, g, in, i, &shapes[i]))) return false;
  return true;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  rnn *r = (rnn *)l;
  const bool sequences = cni_flag(l, "return_sequences");
  cn_tensor *state[CN_LAYER_OUTPUTS], *mask, *whole;
  sequence s = { .x = in->x[0], .training = in->training, .state = state, .steps = in->x[0]->dims.d[1] };
  if (s.x->flags & CNI_SYMBOLIC) return symbolic_call(l, g, in);
  if (s.steps < 1) return cn_fail(g, CN_SHAPE, "%s: there are no steps to run over", l->object.cls->schema.name), NULL;
  if (!mask_of(g, in, &mask) || !first_states(l, g, in, &s) || !(s.y = cni_arena_take(g, cni_step_arena(g), (size_t)s.steps * sizeof *s.y))) return NULL;
  whole = mask;
  if (cni_flag(l, "go_backwards")) {
    s.x = cn_flip(g, s.x, CN_INTS(1));
    if (mask) mask = cn_flip(g, mask, CN_INTS(1));
  }
  if (mask) s.mask = cn_unstack(g, mask, .axis = 1);
  if (!cn_ok(g) || !run_cell(r->cell, g, &s)) return NULL;
  const cn_tensors ys = { s.y, s.steps };
  cn_tensor *y = sequences ? cn_stack(g, ys, .axis = 1) : s.y[s.steps - 1];
  if (cni_flag(l, "unroll")) mask = whole; /* as Keras, which does not turn it for the zeros of an unrolled layer */
  if (y && mask && cni_flag(l, "zero_output_for_mask")) y = zero_masked(g, y, sequences ? mask : s.mask[s.steps - 1], sequences);
  if (!(y = in_dtype(g, y, l->dtype)) || !states_in_dtype(g, &s, l->dtype)) return NULL;
  for (int64_t i = 0; i < r->states; i++)
    if (!cn_assign(r->state[i], state[i])) return NULL;
  for (int64_t i = 0; i < s.states && cni_flag(l, "return_state"); i++) in->more[in->more_count++] = state[i];
  return y;
}

static cn_tensor *compute_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)g;
  return cni_flag(l, "return_sequences") ? in->mask[0] : NULL;
}

static bool keeps_nothing(const cn_layer *l, bool training) {
  (void)training;
  return !cni_flag(l, "stateful");
}

#define RECURRENT(L, LIST, init_function, ...) \
  CN_LAYER_OF(L, rnn, LIST, (.init = init_function), .build = build, .call = call, .output_shape = output_shape, .compute_mask = compute_mask, .reset = reset, .state = kept_states, .supports_masking = true, .per_sample = keeps_nothing, __VA_ARGS__)
/* A layer around its own cell. */
#define WITH_CELL(L, LIST)                                                                                                                       \
  static bool L##_init(cn_object *self) { return cn_layer_init(self) && make_cell((cn_layer *)(void *)self, &cn_class_##L##Cell); }  \
  RECURRENT(L, LIST, L##_init, .rank = 3)

RECURRENT(RNN, CN_RNN, rnn_init, .min_rank = 2)
WITH_CELL(SimpleRNN, CN_SIMPLE_RNN)
WITH_CELL(GRU, CN_GRU)
WITH_CELL(LSTM, CN_LSTM)

#define CONV_LSTM(L, spatial)                                                                                                                    \
  static bool L##_init(cn_object *self) {                                                                                                        \
    cn_layer *l = (cn_layer *)(void *)self;                                                                                                      \
    const cn_##L##Options *o = self->options;                                                                                                    \
    return cn_layer_init(self) && cni_size_fits(l, "kernel_size", o->kernel_size, spatial) && cni_size_fits(l, "strides", o->strides, spatial) && \
           cni_size_fits(l, "dilation_rate", o->dilation_rate, spatial) && cni_padding(l, o->padding, NULL) && make_cell(l, &cn_class_ConvLSTMCell); \
  }                                                                                                                                              \
  RECURRENT(L, CN_CONV_LSTM, L##_init, .rank = spatial + 3)
CONV_LSTM(ConvLSTM1D, 1)
CONV_LSTM(ConvLSTM2D, 2)
CONV_LSTM(ConvLSTM3D, 3)
