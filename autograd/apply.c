/* Running and recording an operation. */
#include "op.h"
#include "graph_private.h"
#include "plan_private.h"
#include "replay_private.h"
#include "../core/options_private.h"

#define NULLS 64
cn_tensor *const cni_nulls[NULLS];
#define SMALL 16                       /* inputs and outputs that need no memory beyond the stack */

static size_t round_up(size_t n) { return (n + 15) & ~(size_t)15; }

/* An input that is not simply alive: left out where that is allowed, or an error. */
static bool input_odd(cn_graph *g, const cn_op *op, const cn_tensor *x, int64_t i) {
  const bool list = op->inputs == CN_LIST;
  const char *name = list ? "of the list" : op->schema.rows[i].name;
  if (x == &cn_no_tensor_ && !list && *(cn_tensor *const *)cni_option_at_const(&op->schema, op->schema.defaults, (int)i) == &cn_no_tensor_) return true;
  if (!x) cn_fail(g, CN_STATE, "input %s is NULL", name);
  else if (x == &cn_missing_ || x == &cn_no_tensor_) cn_fail(g, CN_VALUE, "input %s is missing", name);
  else return cni_readable(g, x, true);
  return false;
}

typedef struct { bool symbolic, needs, pieces /* the result that waits goes into this call piece by piece */; } traits;

static bool takes_pieces(const cn_call *c) {
  const cn_graph *g = c->graph;
  return g->waiting && c->op->piece && c->nx == 1 && c->x[0] == g->waiting->y[0] && g->recording && !g->in_rule && !g->profile && !g->check_finite;
}

/* False after an error. */
static bool look_at_inputs(const cn_call *c, traits *t) {
  cn_graph *g = c->graph;
  t->pieces = takes_pieces(c);
  for (int64_t i = 0; i < c->nx; i++) {
    const cn_tensor *x = c->x[i];
    if (!x || !cni_alive(g, x) || (x->flags & CNI_RELEASED)) {
      if (!t->pieces && !input_odd(g, c->op, x, i)) return false;
      if (!cni_given(x)) continue;
    }
    t->symbolic |= (x->flags & CNI_SYMBOLIC) != 0;
    t->needs |= (x->flags & CNI_NEEDS) || ((x->flags & CNI_VARIABLE) && !x->extra->frozen);
  }
  return true;
}

static void find_inputs(cn_call *c) {
  const char *first = (const char *)c->args + c->op->schema.rows[0].offset;
  if (c->op->inputs == CN_LIST) {
    const cn_tensors *list = (const cn_tensors *)(const void *)first;
    c->x = list->v;
    c->nx = list->n;
  } else {
    c->x = (cn_tensor *const *)(const void *)first;
    c->nx = c->op->inputs;
  }
}

/* y's storage: shared with x[0] for a view, else its own. */
static bool output_storage(const cn_call *c, cn_tensor *y, bool first) {
  cn_graph *g = c->graph;
  if (!first || !(c->op->flags & CN_OP_VIEW)) return cni_tensor_storage(g, y, true);
  cn_tensor *x = c->x[0];
  const int64_t offset = c->op->offset ? c->op->offset(c) : 0;
  const size_t width = cn_dtype_size((cn_dtype)x->dtype);
  if (!x->buffer) { /* inline values are copied: they are small */
    y->data = y->value.bytes;
    memcpy(y->data, (const char *)x->data + (size_t)offset * width, (size_t)y->count * width);
    return true;
  }
  cni_buffer_use(g, x->buffer, true);
  y->buffer = x->buffer;
  y->data = (char *)x->data + (size_t)offset * width;
  return true;
}

bool cni_check_finite(cn_graph *g, const cn_tensor *t, const char *what) {
  for (int64_t i = 0; cni_is_float((cn_dtype)t->dtype) && i < t->count; i++) {
    const double v = cni_value_at(t, i);
    if (__builtin_isfinite(v)) continue;
    cn_fail(g, CN_VALUE, "%s is not finite: element %lld is %s", what, (long long)i, __builtin_isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
    return false;
  }
  return true;
}

bool cni_call_run(const cn_call *c) {
  cn_graph *g = c->graph;
  const cn_op *op = c->op;
  if (op->check && op->check(c) != CN_OK) return false;
  if (!(op->flags & CN_OP_VIEW) && cni_run_forward(c) != CN_OK) {
    cn_fail(g, CN_VALUE, "failed");
    return false;
  }
  if (g->check_finite && !g->in_rule) /* of a rule, what it gives is looked at, under the name of its operation */
    for (int64_t i = 0; i < c->ny; i++)
      if (!cni_check_finite(g, c->y[i], "the result")) return false;
  return true;
}

static void *take_from_arena(cn_graph *g, void *where, size_t size) { return cni_arena_take(g, where, size); }

/* Memory of a node with its args, inputs (of a list), outputs' array and versions. */
static cn_node *node_new(const cn_call *c, cni_arena *arena, int64_t ny) {
  const bool list = c->op->inputs == CN_LIST;
  const size_t args = round_up(c->op->schema.size), nx = (size_t)c->nx;
  char *p = cni_arena_take(c->graph, arena, sizeof(cn_node) + args + (list ? nx : 0) * sizeof(void *) + (size_t)ny * sizeof(void *) + nx * sizeof(uint32_t));
  if (!p) return NULL;
  cn_node *n = (cn_node *)(void *)p;
  p += sizeof(cn_node);
  n->op = c->op;
  n->args = p;
  memcpy(p, c->args, c->op->schema.size);
  p += args;
  if (list) {
    n->x = (cn_tensor **)(void *)p;
    memcpy(p, c->x, nx * sizeof(void *));
    p += nx * sizeof(void *);
    const cn_tensors copy = { n->x, c->nx };
    memcpy((char *)n->args + c->op->schema.rows[0].offset, &copy, sizeof copy);
  } else {
    n->x = (cn_tensor **)(void *)((char *)n->args + c->op->schema.rows[0].offset);
  }
  n->y = (cn_tensor **)(void *)p;
  p += (size_t)ny * sizeof(void *);
  n->versions = (uint32_t *)(void *)p;
  n->nx = (int32_t)c->nx;
  n->ny = (int32_t)ny;
  n->sweep = n->dependent = 0;
  n->scope = c->graph->current_scope;
  if (c->op->deep && !cni_options_deepen(c->graph, &c->op->schema, n->args, take_from_arena, arena)) return NULL;
  return n;
}

/* Notes what the gradient will ask: versions of the values that it reads, and where variables were first read. */
void cni_note_inputs(cn_graph *g, cn_node *n) {
  for (int32_t i = 0; i < n->nx; i++) {
    const cn_tensor *x = n->x[i];
    if (x->epoch != CNI_PERSISTENT && !x->buffer) continue; /* an inline step value cannot change */
    n->versions[i] = cni_version(x);
    if (!(x->flags & CNI_VARIABLE) || x->extra->read_epoch == g->epoch) continue;
    x->extra->read_epoch = g->epoch;
    x->extra->first_reader = n->id;
  }
}

/* ---- results that wait until something reads them: what nobody reads is never computed ---- */
#define WORTH_DEFERRING ((int64_t)1 << 14) /* elements: the step leaves its plan for it */

static bool defers(const cn_call *c, const cn_sig *sig) {
  const cn_graph *g = c->graph;
  return g->deferring && !c->op->check && !(c->op->flags & (CN_OP_VIEW | CN_OP_RANDOM)) && !g->check_finite && cn_dims_count(&sig[0].dims) >= WORTH_DEFERRING;
}

/* Large results of which only the next call reads pieces wait for it. Whatever writes a variable settles them first (cni_settle). */
#define WORTH_WAITING ((int64_t)1 << 15) /* elements: less stays in the caches until it is read */

static bool waits(const cn_call *c, const cn_sig *sig, bool needs) {
  const cn_graph *g = c->graph;
  if (!c->op->waits || !needs || cn_dims_count(&sig[0].dims) < WORTH_WAITING || !c->op->waits(c)) return false;
  return !(g->in_rule || g->deferring || g->plan || g->noting || g->capture || g->drawn || g->repeating || g->profile || g->check_finite);
}

bool cni_deferred_stands(cn_graph *g, const cn_node *n) {
  for (int32_t i = 0; i < n->nx; i++) {
    if (!cni_given(n->x[i])) continue;
    if (!cni_readable(g, n->x[i], true)) return false;
    if (!cni_unchanged(n, i)) return cn_fail(g, CN_STATE, "input %d was changed before the result was read", (int)i), false;
  }
  return true;
}

/* Its outputs count as computed once they are. next: the first is not stored. */
static bool compute_node(cn_graph *g, cn_node *n, const cn_call *next) {
  const cn_call c = { .graph = g, .op = n->op, .args = n->args, .x = n->x, .nx = n->nx, .y = n->y, .ny = n->ny, .next = next };
  const int32_t first = next != NULL;
  bool ok = cni_deferred_stands(g, n);
  for (int32_t i = first; ok && i < n->ny; i++) ok = !(n->y[i]->flags & CNI_DEFERRED) || cni_tensor_storage(g, n->y[i], true);
  ok = ok && cni_call_run(&c);
  for (int32_t i = first; i < n->ny; i++) {
    cn_tensor *y = n->y[i];
    if (!(y->flags & CNI_DEFERRED)) continue;
    if (!ok) cni_release(g, y, 0);
    y->flags = (uint16_t)(ok ? (y->flags & ~(CNI_RELEASED | CNI_DEFERRED)) | CNI_LATE : y->flags | CNI_DEFERRED);
  }
  return ok;
}

/* Errors name n, whatever asks for it. */
static bool compute_named(cn_graph *g, cn_node *n, const cn_call *next) {
  const char *const where = g->core.where, *const path = g->core.path;
  g->core.where = n->op->name;
  g->core.path = n->scope ? n->scope : "";
  if (g->waiting == n) g->waiting = NULL;
  const bool ok = compute_node(g, n, next);
  g->core.where = where;
  g->core.path = path;
  return ok;
}
bool cni_compute_deferred(cn_graph *g, cn_node *n) { return compute_named(g, n, NULL); }

static cn_tensor *const *record(cn_call *c, cn_sig *sig, int64_t ny, traits t) {
  cn_graph *g = c->graph;
  cni_arena *arena = cni_step_arena(g);
  if (g->tape_count == g->tape_capacity && !cni_grow(g, (void **)&g->tape, g->tape_count, &g->tape_capacity, sizeof *g->tape)) return cni_nulls;
  cn_node *n = node_new(c, arena, ny);
  if (!n) return cni_nulls;
  const bool waiting = waits(c, sig, t.needs), later = waiting || defers(c, sig);
  g->absent |= later;
  g->unstored |= waiting;
  if (later && !waiting) cni_plan_decline(g);
  for (int64_t i = 0; i < ny; i++) {
    cn_tensor *y = cni_arena_take(g, arena, sizeof *y);
    if (!y) return cni_nulls;
    cni_header_init(g, y, sig[i].dtype, &sig[i].dims, false);
    if (!later && !output_storage(c, y, i == 0)) return cni_nulls;
    y->output = (int32_t)i;
    y->node = n;
    if (later) y->flags = CNI_RELEASED | CNI_DEFERRED;
    if (t.needs && cni_is_float(sig[i].dtype) && !(c->op->flags & CN_OP_NO_GRADIENT)) y->flags |= CNI_NEEDS;
    n->y[i] = y;
  }
  c->y = n->y;
  c->args = n->args;
  c->x = n->x;
  if (!later && !(t.pieces ? compute_named(g, g->waiting, c) : cni_call_run(c))) return cni_nulls;
  if (waiting) g->waiting = n;
  if (g->capture) cni_capture_call(c);
  if (g->noting && !g->in_rule) cni_note_call(g, n, true);
  n->id = (int32_t)g->tape_count;
  n->needs = t.needs;
  cni_note_inputs(g, n);
  g->tape[g->tape_count++] = n;
  return n->y;
}

/* The outputs' array; for a step that is run again in a node, with args and inputs where they outlive the caller. */
static cn_node *unrecorded_node(cn_call *c, int64_t ny) {
  cn_node *n = node_new(c, cni_step_arena(c->graph), ny);
  if (!n) return NULL;
  n->id = -1;
  n->needs = false;
  c->args = n->args;
  c->x = n->x;
  return n;
}

static cn_tensor *const *run_unrecorded(cn_call *c, cn_sig *sig, int64_t ny) {
  cn_graph *g = c->graph;
  const bool notes = g->noting && !g->in_rule;
  cn_node *n = g->capture || notes ? unrecorded_node(c, ny) : NULL;
  cn_tensor **y = n ? n->y : g->capture || notes ? NULL : cni_arena_take(g, cni_step_arena(g), (size_t)ny * sizeof *y);
  if (!y) return cni_nulls;
  c->y = y;
  for (int64_t i = 0; i < ny; i++) {
    if (!(y[i] = cni_view_header(g, sig[i].dtype, &sig[i].dims)) || !output_storage(c, y[i], i == 0)) return cni_nulls;
    y[i]->output = (int32_t)i;
  }
  if (!cni_call_run(c)) return cni_nulls;
  if (g->capture) cni_capture_call(c);
  if (notes) cni_note_call(g, n, false);
  return y;
}

/* The operations that make the outputs record themselves. */
static cn_tensor *const *run_composed(cn_call *c, int64_t ny) {
  cn_graph *g = c->graph;
  cn_tensor **y = cni_arena_take(g, cni_step_arena(g), (size_t)ny * sizeof *y);
  if (!y || (c->op->check && c->op->check(c) != CN_OK)) return cni_nulls;
  memset(y, 0, (size_t)ny * sizeof *y);
  c->op->compose(g, c, y);
  return g->core.code ? cni_nulls : y;
}

int64_t cni_call_outputs(cn_graph *g, const cn_op *op, const void *args) {
  cn_call c = { .graph = g, .op = op, .args = args };
  find_inputs(&c);
  return op->outputs ? op->outputs : op->count(&c);
}

static cn_tensor *const *apply(cn_call *c, traits t) {
  cn_graph *g = c->graph;
  const cn_op *op = c->op;
  if (t.symbolic) return cni_symbolic_call(c);
  if (op->checked && !cni_options_check(g, &op->schema, c->args)) return cni_nulls;
  int64_t ny = op->outputs;
  if (!ny && (ny = op->count(c)) < 0) return cni_nulls;
  if (ny > INT32_MAX) return cn_fail(g, CN_NO_MEMORY, "%lld outputs are too many", (long long)ny), cni_nulls;
  cn_sig few[SMALL], *sig = few;
  if (ny > SMALL && !(sig = cni_arena_take(g, cni_step_arena(g), (size_t)ny * sizeof *sig))) return cni_nulls;
  c->sig = sig;
  c->ny = ny;
  if (op->infer(c) != CN_OK) return cni_nulls;
  if (op->flags & CN_OP_DATA_SHAPE) cni_plan_leave(g), cni_capture_spoil(g);
  if (op->compose) return run_composed(c, ny);
  if (g->waiting && !t.pieces && !cni_compute_deferred(g, g->waiting)) return cni_nulls;
  return g->recording ? record(c, sig, ny, t) : run_unrecorded(c, sig, ny);
}

cn_tensor *const *cn_apply(cn_graph *g, const cn_op *op, const void *args) {
  if (!g || g->core.code) return cni_nulls;
  cn_call c = { .graph = g, .op = op, .args = args };
  traits t = { false, false, false };
  const char *const old = g->core.where;
  g->core.where = op->name;
  cn_tensor *const *y = cni_nulls;
  find_inputs(&c);
  if (!g->plan || g->in_rule || op->compose || !(y = cni_plan_call(&c))) y = look_at_inputs(&c, &t) ? apply(&c, t) : cni_nulls;
  g->core.where = old;
  return y;
}

/* ---- reading a node ---- */
const cn_op *cn_node_op(const cn_node *n) { return n->op; }
const void *cn_node_args(const cn_node *n) { return n->args; }
int64_t cn_node_inputs(const cn_node *n) { return n->nx; }
cn_tensor *cn_node_input(const cn_node *n, int64_t i) { return n->x[i]; }
int64_t cn_node_outputs(const cn_node *n) { return n->ny; }
cn_tensor *cn_node_output(const cn_node *n, int64_t i) { return n->y[i]; }
cn_node *cn_node_of(const cn_tensor *x) { return x ? x->node : NULL; }
int64_t cn_node_number(const cn_node *n) { return n->id; }
const char *cn_node_scope(const cn_node *n) { return n->scope ? n->scope + (n->scope[0] == '/') : ""; }
