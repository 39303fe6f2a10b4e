/* Functions of operations recorded as one node. They run and are recorded in the ordinary way; then the tape is cut back to where it was, and one node stands
 * for all: its inputs are what the segment read from outside. */
#include "segment.h"
#include "engine_private.h"
#include "plan_private.h"
#include "replay_private.h"

/* Streams drawn from while a segment runs, with what they were before. */
typedef struct cni_drawn {
  struct cni_drawn *outer;
  cn_stream **stream, *value;
  int64_t count, capacity;
} cni_drawn;

typedef struct segment {
  cn_segment_function f;
  cn_custom_vjp vjp;          /* NULL: the gradient of f, computed again */
  void *user;
  cn_tensor **inputs;
  int64_t n;
  cn_tensor *y;               /* f's result, until the node has been made */
  cn_tensor **x;              /* what the node reads */
  uint32_t *versions;         /* of x, when they were read first */
  int64_t nx;
  cni_drawn drawn;
  uint64_t streams;           /* drawn from the graph before */
  bool training;
  cn_layer *calling;
  char scope[CNI_SCOPE_SIZE];
} segment;

/* ---- streams ---- */
static bool drawn_add(cn_graph *g, cni_drawn *d, cn_stream *s) {
  for (int64_t i = 0; i < d->count; i++)
    if (d->stream[i] == s) return true;
  if (d->count == d->capacity) {
    const int64_t room = d->capacity ? 2 * d->capacity : 8;
    cn_stream **stream = cni_arena_take(g, cni_step_arena(g), (size_t)room * sizeof *stream),
              *value = stream ? cni_arena_take(g, cni_step_arena(g), (size_t)room * sizeof *value) : NULL;
    if (!value) return false;
    if (d->count) memcpy(stream, d->stream, (size_t)d->count * sizeof *stream), memcpy(value, d->value, (size_t)d->count * sizeof *value);
    d->stream = stream;
    d->value = value;
    d->capacity = room;
  }
  d->stream[d->count] = s;
  d->value[d->count++] = *s;
  return true;
}

void cni_stream_drawn(cn_graph *g, cn_stream *s) {
  for (cni_drawn *d = g->drawn; d; d = d->outer)
    if (!drawn_add(g, d, s)) return;
}

static void swap_streams(cn_graph *g, segment *s) {
  for (int64_t i = 0; i < s->drawn.count; i++) {
    const cn_stream now = *s->drawn.stream[i];
    *s->drawn.stream[i] = s->drawn.value[i];
    s->drawn.value[i] = now;
  }
  const uint64_t streams = g->core.streams;
  g->core.streams = s->streams;
  s->streams = streams;
}

/* ---- the node ---- */
#define SEGMENT(X, S)                                         \
  X(S, cn_tensors, xs, { 0 }, ANY, "what the segment reads")  \
  X(S, void *, segment, NULL, ANY, "")
typedef struct cn_checkpoint_args { cn_graph *graph; SEGMENT(CN_FIELD_, ) } cn_checkpoint_args;
typedef cn_checkpoint_args cn_custom_gradient_args;

extern const cn_op cn_op_checkpoint, cn_op_custom_gradient;
static segment *segment_of(const void *args) { return ((const cn_checkpoint_args *)args)->segment; }

static cn_code segment_infer(const cn_call *c) {
  const cn_tensor *y = segment_of(c->args)->y;
  c->sig[0].dtype = (cn_dtype)y->dtype;
  cni_set_dims(&c->sig[0].dims, &y->dims);
  return CN_OK;
}

static cn_code segment_forward(const cn_call *c) {
  const cn_tensor *y = segment_of(c->args)->y;
  if (y->count) memcpy(c->y[0]->data, y->data, (size_t)y->count * cn_dtype_size((cn_dtype)y->dtype));
  return CN_OK;
}

/* Gives back what was computed since the tape had `from` nodes, and forgets it. */
static void cut(cn_graph *g, int64_t from) {
  for (int64_t id = from; id < g->tape_count; id++) {
    const cn_node *n = g->tape[id];
    for (int32_t i = 0; i < n->ny; i++) cni_release(g, n->y[i], CNI_OF_SEGMENT);
    for (int32_t i = 0; i < n->nx; i++) /* readers to come will stand where it stood */
      if ((n->x[i]->flags & CNI_VARIABLE) && n->x[i]->extra->first_reader > from) n->x[i]->extra->first_reader = (int32_t)from;
  }
  if (from < g->tape_count) g->tape_count = from;
}

/* ---- computing again ---- */
typedef struct surroundings {
  bool in_rule, deferring, recording, training, repeating;
  cn_layer *calling;
  struct cni_replay *capture;
  const char *where, *path, *current;
  int64_t met, pieces;
  char scope[CNI_SCOPE_SIZE];
} surroundings;

static surroundings enter(cn_graph *g, const segment *s) {
  surroundings old = { g->in_rule,    g->deferring, g->recording,     g->training,  g->repeating,    g->calling, g->capture,
                       g->core.where, g->core.path, g->current_scope, g->met_count, g->pieces_count, "" };
  memcpy(old.scope, g->core.scope, sizeof old.scope);
  memcpy(g->core.scope, s->scope, sizeof s->scope);
  g->in_rule = g->deferring = false; /* what the segment computes is read before it ends */
  g->recording = g->repeating = true;
  g->training = s->training;
  g->calling = s->calling;
  g->capture = NULL;
  g->core.path = NULL;
  return old;
}

static void leave(cn_graph *g, const surroundings *old) {
  memcpy(g->core.scope, old->scope, sizeof old->scope);
  g->in_rule = old->in_rule;
  g->deferring = old->deferring;
  g->recording = old->recording;
  g->training = old->training;
  g->repeating = old->repeating;
  g->calling = old->calling;
  g->capture = old->capture;
  g->core.where = old->where;
  g->core.path = old->path;
  g->current_scope = old->current;
  g->met_count = old->met;
  g->pieces_count = old->pieces;
}

/* A slot's tensor as a temporary of the rule that runs: nothing else that holds it may end with the segment. */
static cn_tensor *own(cn_graph *g, cn_tensor *s) {
  cn_tensor *t = cni_view_header(g, (cn_dtype)s->dtype, &s->dims);
  if (!t || (!s->buffer && !cni_tensor_storage(g, t, true))) return NULL;
  if (!s->buffer) return memcpy(t->data, s->data, (size_t)s->count * cn_dtype_size((cn_dtype)s->dtype)), t;
  cni_buffer_use(g, s->buffer, true);
  t->buffer = s->buffer;
  t->data = s->data;
  return t;
}

/* The state of the node's inputs in the walk that runs outside. */
typedef struct held { cn_node *node; cn_tensor *slot; uint16_t target; } held;

/* The gradients of the repeated result with respect to what was read, into gx. While this inner walk runs the inputs are leaves, so that it stays in the
 * segment, and their slots are its own. */
static bool walk_inside(cn_graph *g, const cn_node *n, cn_tensor *y, cn_tensor *gy, const bool *want, int64_t from, bool record, cn_tensor **gx) {
  const size_t room = (size_t)n->nx + 1;
  held *h = cni_arena_take(g, cni_step_arena(g), room * sizeof *h);
  cn_tensor **targets = h ? cni_arena_take(g, cni_step_arena(g), room * sizeof *targets) : NULL;
  int64_t count = 0;
  if (!targets) return false;
  for (int32_t i = 0; i < n->nx; i++) {
    cn_tensor *x = n->x[i];
    h[i] = (held){ x->node, x->slot, x->flags & CNI_TARGET };
    x->node = NULL;
    x->flags &= (uint16_t)~CNI_TARGET;
    if (want[i]) targets[count++] = x;
  }
  cni_walk w = { .g = g, .record = record, .release = !record, .y = &y, .gradient = &gy, .outputs = 1 };
  bool ok = cni_walk_to(&w, targets, count, from);
  g->in_rule = !record; /* what is handed on is the outer walk's */
  for (int32_t i = 0; i < n->nx; i++) {
    cn_tensor *x = n->x[i];
    if (want[i] && x->slot && ok) ok = (gx[i] = record ? x->slot : own(g, x->slot)) != NULL;
    if (want[i]) cni_slot_drop(g, x);
    x->node = h[i].node;
    x->slot = h[i].slot;
    x->flags |= h[i].target;
  }
  return ok;
}

static void checkpoint_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  segment *s = segment_of(n->args);
  const bool record = g->recording;
  const int64_t from = g->tape_count;
  const surroundings old = enter(g, s);
  swap_streams(g, s);
  cn_tensor *y = s->f(g, s->inputs, s->n, s->user);
  swap_streams(g, s);
  g->core.where = "checkpoint";
  if (y && cn_ok(g) && (y->dtype != n->y[0]->dtype || !cn_dims_equal(&y->dims, &n->y[0]->dims) || !y->node || y->node->id < from))
    cn_fail(g, CN_STATE, "the function gave another result when it was computed again");
  if (y && cn_ok(g)) walk_inside(g, n, y, gy[0], want, from, record, gx);
  leave(g, &old);
  if (!record) cut(g, from);
}

static void custom_gradient_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const segment *s = segment_of(n->args);
  s->vjp(g, n->x, n->nx, n->y[0], gy[0], want, gx, s->user);
  for (int32_t i = 0; i < n->nx && cn_ok(g); i++) {
    char a[160], b[160];
    if (!want[i] || !gx[i] || (gx[i]->dtype == n->x[i]->dtype && cn_dims_equal(&gx[i]->dims, &n->x[i]->dims))) continue;
    cn_fail(g, gx[i]->dtype != n->x[i]->dtype ? CN_DTYPE : CN_SHAPE, "the gradient of input %d is %s %s, the input is %s %s", (int)i,
            cn_dtype_name((cn_dtype)gx[i]->dtype), cn_dims_text(&gx[i]->dims, a, sizeof a), cn_dtype_name((cn_dtype)n->x[i]->dtype),
            cn_dims_text(&n->x[i]->dims, b, sizeof b));
  }
}

CN_OP(checkpoint, SEGMENT, .outputs = 1, .reads = CN_READS_ALL_X, .infer = segment_infer, .forward = segment_forward, .vjp = checkpoint_vjp);
CN_OP(custom_gradient, SEGMENT, .outputs = 1, .reads = CN_READS_ALL_X | CN_READS_Y(0), .infer = segment_infer, .forward = segment_forward,
      .vjp = custom_gradient_vjp);

/* ---- computing for the first time ---- */
/* Whether x was there before the segment. Of data made at its very beginning it is not known; such a tensor is an input only if it was handed in or is watched.
 */
static bool from_outside(const segment *s, const cn_tensor *x, int64_t from) {
  if (x->flags & (CNI_VARIABLE | CNI_WATCHED)) return true;
  if (x->node) return x->node->id < from;
  if (x->epoch == CNI_PERSISTENT || x->born < from) return true;
  for (int64_t i = 0; i < s->n; i++)
    if (s->inputs[i] == x) return true;
  return false;
}

static void take_input(segment *s, const cn_node *n, int32_t i) {
  cn_tensor *x = n->x[i];
  s->versions[s->nx] = x->epoch == CNI_PERSISTENT || x->buffer ? n->versions[i] : 0;
  s->x[s->nx++] = x;
}

/* What the operations behind y read from outside, each tensor once. */
static bool find_inputs(cn_graph *g, segment *s, int64_t from) {
  int64_t most = 1;
  for (int64_t id = from; id < g->tape_count; id++) most += g->tape[id]->nx;
  s->x = cni_arena_take(g, cni_step_arena(g), (size_t)most * sizeof(cn_tensor *));
  s->versions = s->x ? cni_arena_take(g, cni_step_arena(g), (size_t)most * sizeof(uint32_t)) : NULL;
  uint32_t *met = s->versions ? cni_arena_take(g, cni_step_arena(g), (size_t)most * sizeof *met) : NULL; /* by the walk that may run outside */
  if (!met) return false;
  s->y->node->sweep = ++g->sweep;
  for (int64_t id = s->y->node->id; id >= from; id--) {
    const cn_node *n = g->tape[id];
    for (int32_t i = 0; n->sweep == g->sweep && i < n->nx; i++) {
      cn_tensor *x = n->x[i];
      if (!cni_given(x)) continue;
      if (!from_outside(s, x, from)) {
        if (x->node) x->node->sweep = g->sweep;
      } else if (x->sweep != g->sweep) {
        met[s->nx] = x->sweep;
        x->sweep = g->sweep;
        take_input(s, n, i);
      }
    }
  }
  for (int64_t i = 0; i < s->nx; i++) s->x[i]->sweep = met[i];
  return true;
}

static segment *segment_new(const cn_custom_gradient_options *o) {
  cn_graph *g = o->graph;
  segment *s = cni_arena_take(g, cni_step_arena(g), sizeof *s);
  if (!s) return NULL;
  *s = (segment){
    .f = o->function, .vjp = o->vjp, .user = o->user, .n = o->inputs.n, .streams = g->core.streams, .training = g->training, .calling = g->calling
  };
  memcpy(s->scope, g->core.scope, sizeof s->scope);
  s->inputs = cni_arena_take(g, cni_step_arena(g), (size_t)(s->n + 1) * sizeof(cn_tensor *));
  if (!s->inputs) return NULL;
  if (s->n) memcpy(s->inputs, o->inputs.v, (size_t)s->n * sizeof(cn_tensor *));
  return s;
}

static cn_tensor *run_first(cn_graph *g, segment *s) {
  s->drawn.outer = g->drawn;
  g->drawn = &s->drawn;
  cn_tensor *y = s->f(g, s->inputs, s->n, s->user);
  g->drawn = s->drawn.outer;
  return y && cn_ok(g) && cni_readable(g, y, true) ? y : NULL;
}

/* One node for what has been recorded since the tape had `from`. */
static cn_tensor *record_as_one(cn_graph *g, segment *s, const cn_op *op, int64_t from) {
  const cn_checkpoint_args args = { g, { s->x, s->nx }, s };
  const bool deferring = g->deferring;
  g->deferring = false; /* the result is copied now: s->y goes */
  cn_tensor *y = cn_apply(g, op, &args)[0];
  g->deferring = deferring;
  if (!y) return NULL;
  cn_node *node = g->tape[--g->tape_count];
  if (s->versions) memcpy(node->versions, s->versions, (size_t)s->nx * sizeof(uint32_t));
  cut(g, from);
  node->id = (int32_t)from;
  g->tape[g->tape_count++] = node;
  y->born = from;
  s->y = NULL;
  return y;
}

static bool inputs_ok(cn_graph *g, const cn_tensors *inputs, bool *symbolic) {
  for (int64_t i = 0; i < inputs->n; i++) {
    if (!cni_readable(g, inputs->v[i], false)) return false;
    *symbolic |= (inputs->v[i]->flags & CNI_SYMBOLIC) != 0;
  }
  return true;
}

static cn_tensor *segment_call(const cn_custom_gradient_options *o, const cn_op *op) {
  cn_graph *g = o->graph;
  bool symbolic = false;
  if (!o->function || (op == &cn_op_custom_gradient && !o->vjp)) return cn_fail(g, CN_VALUE, "a function is missing"), NULL;
  if (!inputs_ok(g, &o->inputs, &symbolic)) return NULL;
  if (symbolic || !g->recording) return o->function(g, o->inputs.v, o->inputs.n, o->user);
  cni_plan_leave(g);
  cni_capture_spoil(g);
  const int64_t from = g->tape_count;
  segment *s = segment_new(o);
  if (!s || !(s->y = run_first(g, s))) return NULL;
  if (o->vjp) s->x = s->inputs, s->nx = s->n;
  else if (!s->y->node || s->y->node->id < from) return s->y; /* nothing was computed */
  else if (!find_inputs(g, s, from)) return NULL;
  return record_as_one(g, s, op, from);
}

static cn_tensor *named_call(const cn_custom_gradient_options *o, const cn_op *op) {
  if (!cn_ok(o->graph)) return NULL;
  const char *where = o->graph->core.where;
  o->graph->core.where = op->name;
  cn_tensor *y = segment_call(o, op);
  o->graph->core.where = where;
  return y;
}

cn_tensor *cn_checkpoint_run(const cn_checkpoint_options *o) {
  return named_call(&(const cn_custom_gradient_options){ .graph = o->graph, .function = o->function, .inputs = o->inputs, .user = o->user }, &cn_op_checkpoint);
}
cn_tensor *cn_custom_gradient_run(const cn_custom_gradient_options *o) { return named_call(o, &cn_op_custom_gradient); }
