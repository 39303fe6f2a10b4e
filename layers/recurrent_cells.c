/* The cells of recurrent layers. */
#include "activation.h"
#include "recurrent_private.h"

/* ---- what cells share ---- */
bool cni_is_cell(const cn_layer *l) { return ((const cn_layer_methods *)l->object.cls->methods)->state_shapes != NULL; }

int64_t cni_state_shapes(cn_layer *cell, const cn_dims *step, cn_dims *states) {
  const int64_t n = ((const cn_layer_methods *)cell->object.cls->methods)->state_shapes(cell, step, states);
  return cn_ok(cell->object.graph) ? n : -1;
}

/* The shapes of a cell's inputs: that of a step, then the states'. */
static int64_t input_shapes(cn_layer *cell, const cn_dims *step, cn_dims *in) {
  in[0] = *step;
  const int64_t n = cni_state_shapes(cell, step, in + 1);
  return n < 0 ? -1 : n + 1;
}
bool cni_build_cell(cn_layer *cell, const cn_dims *step) {
  cn_dims in[1 + CN_LAYER_OUTPUTS];
  const int64_t n = input_shapes(cell, step, in);
  return n > 0 && cn_build(cell, in, n);
}
bool cni_cell_output(cn_layer *cell, const cn_dims *step, cn_dims *out) {
  cn_dims in[1 + CN_LAYER_OUTPUTS];
  const int64_t n = input_shapes(cell, step, in);
  return n > 0 && cn_compute_output_shape(cell, in, n, out);
}

static bool active(const cni_cell_run *r, double rate) { return r->training && rate > 0 && rate < 1; }

bool cni_cell_begin(cni_cell_run *r, cn_graph *g, const cn_dims *step) {
  cni_cell *c = (cni_cell *)r->cell;
  cn_dims states[CN_LAYER_OUTPUTS];
  r->input_bias = c->bias;
  r->recurrent_bias = CN_NO_TENSOR;
  r->pattern = NULL;
  if (active(r, c->recurrent_dropout)) {
    cn_tensor *ones = cni_state_shapes(r->cell, step, states) > 0 ? cn_full(g, c->base.dtype, &states[0], 1) : NULL;
    r->pattern = ones ? cn_dropout(g, ones, c->recurrent_dropout, .stream = &c->stream) : NULL;
    if (!r->pattern) return false;
  }
  return !c->kind->begin || c->kind->begin(r, g);
}

cn_tensor *cni_cell_project(const cni_cell_run *r, cn_graph *g, cn_tensor *x) {
  cni_cell *c = (cni_cell *)r->cell;
  int64_t shape[CN_MAX_RANK] = { -1, 1, -1, -1, -1, -1, -1, -1 };
  const cn_ints steps = { shape, c->rank + 1 }, all = CN_NONE_INTS;
  if (x && active(r, c->dropout)) x = cn_dropout(g, x, c->dropout, .noise_shape = x->dims.rank > c->rank ? steps : all, .stream = &c->stream);
  if (!x) return NULL;
  return c->kind->product ? c->kind->product(r, g, x) : cn_linear(g, x, c->kernel, r->input_bias);
}

void cni_cell_stream(cni_cell *c, int64_t seed) { c->stream = seed == CN_NONE ? cn_stream_new(c->base.object.graph) : (cn_stream){ (uint64_t)seed, 0 }; }

cn_tensor *cni_dropped(const cni_cell_run *r, cn_graph *g, cn_tensor *h) { return r->pattern ? cn_multiply(g, h, r->pattern) : h; }

static bool right_states(cn_layer *l, const cn_inputs *in, int64_t states) {
  return in->n == 1 + states ||
         (cn_fail(l->object.graph, CN_VALUE, "%s: %lld states, wanted %lld", l->object.cls->schema.name, (long long)(in->n - 1), (long long)states), false);
}

cn_tensor *cni_cell_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cni_cell *c = (const cni_cell *)l;
  cni_cell_run r = { .cell = l, .training = in->training };
  if (!right_states(l, in, c->kind->states) || !cni_cell_begin(&r, g, &in->x[0]->dims)) return NULL;
  cn_tensor *x = cni_cell_project(&r, g, in->x[0]);
  in->more_count = c->kind->states;
  return x ? c->kind->step(&r, g, x, in->x + 1, in->more) : NULL;
}

cni_cell *cni_cell_of(cn_layer *l) { return ((const cn_layer_methods *)l->object.cls->methods)->call == cni_cell_call ? (cni_cell *)l : NULL; }

bool cni_cell_state(cn_layer *l, cn_state *s) { return cn_state_bytes(s, "stream", &((cni_cell *)l)->stream, sizeof(cn_stream)); }

static int64_t cell_states(cn_layer *l, const cn_dims *step, cn_dims *states) {
  const cni_cell *c = (const cni_cell *)l;
  for (int64_t i = 0; i < c->kind->states; i++) states[i] = (cn_dims){ 2, { step->d[0], c->units } };
  return c->kind->states;
}

static bool cell_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  *out = (cn_dims){ 2, { in->d[0], ((const cni_cell *)l)->units } };
  return true;
}

static bool drops_nothing(const cn_layer *l, bool training) {
  return !training || (((const cni_cell *)l)->dropout == 0 && ((const cni_cell *)l)->recurrent_dropout == 0);
}

/* A class of cells, whose kind is L_kind and whose bias has the shape bias_dims; `then` ends its build. */
#define CELL(L, LIST, gates, bias_dims, then)                                                                                                                                                  \
  static bool L##_init(cn_object *self) {                                                                                                                                                      \
    cni_cell *c = (cni_cell *)(void *)self;                                                                                                                                                    \
    const cn_##L##Options *o = self->options;                                                                                                                                                  \
    c->kind = &L##_kind;                                                                                                                                                                       \
    c->units = o->units;                                                                                                                                                                       \
    c->rank = 2;                                                                                                                                                                               \
    c->dropout = o->dropout;                                                                                                                                                                   \
    c->recurrent_dropout = o->recurrent_dropout;                                                                                                                                               \
    return cn_layer_init(self);                                                                                                                                                                \
  }                                                                                                                                                                                            \
  static void L##_build(cn_layer *l, const cn_dims *in, int64_t n) {                                                                                                                           \
    cni_cell *c = (cni_cell *)l;                                                                                                                                                               \
    const cn_##L##Options *o = l->object.options;                                                                                                                                              \
    const int64_t d = in->d[in->rank - 1], u = o->units;                                                                                                                                       \
    (void)n;                                                                                                                                                                                   \
    cni_cell_stream(c, o->seed);                                                                                                                                                               \
    c->kernel = cn_add_weight(l, "kernel", CN_DIMS(d, gates * u), .initializer = o->kernel_initializer, .regularizer = o->kernel_regularizer, .constraint = o->kernel_constraint);             \
    c->recurrent = cn_add_weight(l, "recurrent_kernel", CN_DIMS(u, gates * u), .initializer = o->recurrent_initializer, .regularizer = o->recurrent_regularizer,                               \
                                 .constraint = o->recurrent_constraint);                                                                                                                       \
    c->bias = CN_NO_TENSOR;                                                                                                                                                                    \
    if (o->use_bias) c->bias = cn_add_weight(l, "bias", bias_dims, .initializer = o->bias_initializer, .regularizer = o->bias_regularizer, .constraint = o->bias_constraint);                  \
    cn_expect_axis(l, -1, d);                                                                                                                                                                  \
    then;                                                                                                                                                                                      \
  }                                                                                                                                                                                            \
  CN_LAYER_OF(L, cni_cell, LIST, (.init = L##_init), .build = L##_build, .call = cni_cell_call, .state = cni_cell_state, .output_shape = cell_shape, .state_shapes = cell_states, .max_inputs = INT64_MAX, .rank = 2, .per_sample = drops_nothing)

/* ---- SimpleRNNCell ---- */
static cn_tensor *simple_step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next) {
  const cn_SimpleRNNCellOptions *o = r->cell->object.options;
  const cni_cell *c = (const cni_cell *)r->cell;
  cn_tensor *z = cn_add(g, x, cn_matmul(g, cni_dropped(r, g, state[0]), c->recurrent));
  return z ? next[0] = cn_activate(g, &o->activation, z) : NULL;
}
static const cni_cell_kind SimpleRNNCell_kind = { simple_step, NULL, 1, NULL };
CELL(SimpleRNNCell, CN_SIMPLE_RNN_CELL, 1, CN_DIMS(u), (void)0)

/* ---- GRUCell ---- */
static bool gru_begin(cni_cell_run *r, cn_graph *g) {
  const cn_GRUCellOptions *o = r->cell->object.options;
  const cni_cell *c = (const cni_cell *)r->cell;
  if (!o->reset_after) {
    cn_tensor *const *parts = cn_split(g, c->recurrent, CN_INTS(3), .axis = 1);
    if (!cn_ok(g)) return false;
    r->part[0] = cn_concatenate(g, CN_TENSORS(parts[0], parts[1]), .axis = 1); /* of the gates [u, 2u] */
    r->part[1] = parts[2];                                                     /* of the candidate [u, u] */
  } else if (o->use_bias) {
    cn_tensor *const *rows = cn_unstack(g, c->bias);
    r->input_bias = rows[0];
    r->recurrent_bias = rows[1];
  }
  return cn_ok(g);
}

/* z h + (1 - z) c */
static cn_tensor *mix(cn_graph *g, cn_tensor *z, cn_tensor *h, cn_tensor *c) { return cn_add(g, c, cn_multiply(g, z, cn_subtract(g, h, c))); }

static cn_tensor *gru_after(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *h) {
  const cn_GRUCellOptions *o = r->cell->object.options;
  const cni_cell *cell = (const cni_cell *)r->cell;
  cn_tensor *hr = cn_linear(g, h, cell->recurrent, r->recurrent_bias);
  cn_tensor *const *xs = cn_split(g, x, CN_INTS(3), .axis = -1), *const *hs = cn_split(g, hr, CN_INTS(3), .axis = -1);
  if (!cn_ok(g)) return NULL;
  cn_tensor *z = cn_activate(g, &o->recurrent_activation, cn_add(g, xs[0], hs[0])), *reset = cn_activate(g, &o->recurrent_activation, cn_add(g, xs[1], hs[1]));
  return mix(g, z, h, cn_activate(g, &o->activation, cn_add(g, xs[2], cn_multiply(g, reset, hs[2]))));
}

static cn_tensor *gru_before(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *h) {
  const cn_GRUCellOptions *o = r->cell->object.options;
  cn_tensor *const *xs = cn_split(g, x, CN_INTS(3), .axis = -1), *const *hs = cn_split(g, cn_matmul(g, h, r->part[0]), CN_INTS(2), .axis = -1);
  if (!cn_ok(g)) return NULL;
  cn_tensor *z = cn_activate(g, &o->recurrent_activation, cn_add(g, xs[0], hs[0])), *reset = cn_activate(g, &o->recurrent_activation, cn_add(g, xs[1], hs[1]));
  return mix(g, z, h, cn_activate(g, &o->activation, cn_add(g, xs[2], cn_matmul(g, cn_multiply(g, reset, h), r->part[1]))));
}

static cn_tensor *gru_step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next) {
  cn_tensor *h = cni_dropped(r, g, state[0]);
  if (!h) return NULL;
  return next[0] = (((const cn_GRUCellOptions *)r->cell->object.options)->reset_after ? gru_after : gru_before)(r, g, x, h);
}
static const cni_cell_kind GRUCell_kind = { gru_step, gru_begin, 1, NULL };
CELL(GRUCell, CN_GRU_CELL, 3, (o->reset_after ? CN_DIMS(2, 3 * u) : CN_DIMS(3 * u)), (void)0)

/* ---- LSTMCell ---- */
cn_tensor *cni_lstm_gates(cn_graph *g, cn_tensor *z, cn_tensor *c, int axis, const cn_ref *activation, const cn_ref *recurrent_activation, cn_tensor **next) {
  cn_tensor *const *gate = cn_split(g, z, CN_INTS(4), .axis = axis);
  if (!cn_ok(g)) return NULL;
  cn_tensor *i = cn_activate(g, recurrent_activation, gate[0]), *f = cn_activate(g, recurrent_activation, gate[1]),
            *out = cn_activate(g, recurrent_activation, gate[3]);
  cn_tensor *now = cn_add(g, cn_multiply(g, f, c), cn_multiply(g, i, cn_activate(g, activation, gate[2])));
  if (!now) return NULL;
  next[1] = now;
  return next[0] = cn_multiply(g, out, cn_activate(g, activation, now));
}

static cn_tensor *lstm_step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next) {
  const cn_LSTMCellOptions *o = r->cell->object.options;
  const cni_cell *cell = (const cni_cell *)r->cell;
  return cni_lstm_gates(g, cn_add(g, x, cn_matmul(g, cni_dropped(r, g, state[0]), cell->recurrent)), state[1], -1, &o->activation, &o->recurrent_activation,
                        next);
}

void cni_forget_ones(cn_layer *l, const cn_ref *initializer, int64_t u, cn_tensor *bias) {
  cn_graph *g = l->object.graph;
  if (!bias) return;
  cn_tensor *first = cn_initialize(g, initializer, CN_DIMS(u), l->dtype), *ones = cn_full(g, l->dtype, CN_DIMS(u), 1),
            *rest = cn_initialize(g, initializer, CN_DIMS(2 * u), l->dtype);
  cn_tensor *all = first && ones && rest ? cn_concatenate(g, CN_TENSORS(first, ones, rest)) : NULL;
  if (all) cn_assign(bias, all);
}
static const cni_cell_kind LSTMCell_kind = { lstm_step, NULL, 2, NULL };
CELL(LSTMCell, CN_LSTM_CELL, 4, CN_DIMS(4 * u), if (o->use_bias && o->unit_forget_bias) cni_forget_ones(l, &o->bias_initializer, u, c->bias))

/* ---- StackedRNNCells ---- */
static const cn_layers *cells_of(const cn_layer *l) { return &((const cn_StackedRNNCellsOptions *)l->object.options)->cells; }

static bool stacked_init(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  if (!cn_layer_init(self)) return false;
  const cn_layers *cells = cells_of(l);
  for (int64_t i = 0; i < cells->n; i++) {
    if (!cells->v[i] || !cni_is_cell(cells->v[i]))
      return cn_fail(self->graph, CN_VALUE, "cells: %s is no recurrent cell", cells->v[i] ? cells->v[i]->object.cls->schema.name : "None"), false;
    if (!cn_add_layer(l, cells->v[i])) return false;
  }
  return cells->n > 0 || (cn_fail(self->graph, CN_VALUE, "cells must hold one cell at least"), false);
}

static void stacked_build(cn_layer *l, const cn_dims *in, int64_t n) {
  const cn_layers *cells = cells_of(l);
  cn_dims step = in[0], out;
  (void)n;
  for (int64_t i = 0; i < cells->n && cni_build_cell(cells->v[i], &step) && cni_cell_output(cells->v[i], &step, &out); i++) step = out;
}

static int64_t stacked_states(cn_layer *l, const cn_dims *in, cn_dims *states) {
  const cn_layers *cells = cells_of(l);
  cn_dims step = *in, out, each[CN_LAYER_OUTPUTS];
  int64_t n = 0;
  for (int64_t i = 0; i < cells->n; i++) {
    const int64_t k = cni_state_shapes(cells->v[i], &step, each);
    if (k < 0 || !cni_cell_output(cells->v[i], &step, &out)) return -1;
    if (n + k >= CN_LAYER_OUTPUTS)
      return cn_fail(l->object.graph, CN_UNSUPPORTED, "%s: more than %d states", l->object.cls->schema.name, CN_LAYER_OUTPUTS - 1), -1;
    for (int64_t j = 0; j < k; j++) states[n++] = each[j];
    step = out;
  }
  return n;
}

static bool stacked_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const cn_layers *cells = cells_of(l);
  cn_dims step = in[0];
  (void)n;
  for (int64_t i = 0; i < cells->n; i++, step = *out)
    if (!cni_cell_output(cells->v[i], &step, out)) return false;
  return true;
}

static cn_tensor *stacked_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_layers *cells = cells_of(l);
  cn_dims shapes[CN_LAYER_OUTPUTS];
  const int64_t all = cni_state_shapes(l, &in->x[0]->dims, shapes);
  cn_tensor *y = in->x[0], *x[1 + CN_LAYER_OUTPUTS], *out[1 + CN_LAYER_OUTPUTS];
  if (all < 0 || !right_states(l, in, all)) return NULL;
  for (int64_t i = 0, at = 1, n; i < cells->n; i++, y = out[0]) {
    const int64_t k = cni_state_shapes(cells->v[i], &y->dims, shapes);
    if (k < 0) return NULL;
    x[0] = y;
    for (int64_t j = 0; j < k; j++) x[1 + j] = in->x[at++];
    cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
    a.graph = g, a.layer = cells->v[i], a.training = in->training, a.inputs = (cn_tensors){ x, 1 + k };
    if (!cn_call_layer(&a, out, &n)) return NULL;
    for (int64_t j = 1; j < n; j++) in->more[in->more_count++] = out[j];
  }
  return y;
}
CN_LAYER_OF(StackedRNNCells, cn_layer, CN_STACKED_RNN_CELLS, (.init = stacked_init), .build = stacked_build, .call = stacked_call,
            .output_shape = stacked_shape, .state_shapes = stacked_states, .max_inputs = INT64_MAX, .rank = 0, .per_sample = cni_per_sample)
