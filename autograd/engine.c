/* Gradients. Two walks over the tape, from the result down: the first marks what the result depends on, counts each leaf's readers and checks that the values
 * that gradients will read are still there, or can be computed (so a refused call has changed nothing); the second computes. A gradient for given targets first
 * marks, upwards, what depends on them. */
#include "engine.h"
#include "../core/threads_private.h"
#include "engine_private.h"
#include "replay_private.h"
#include "ops_reduce.h"
#include "ops_shape.h"
#include "ops_binary.h"

#define SMALL 16

static inline bool is_leaf(const cn_tensor *x) { return !x->node || (x->flags & CNI_VARIABLE); }

/* ---- rows ---- */
static bool rows_edge(const cni_walk *w, const cn_node *n, int32_t i) {
  return w->all && !w->record && i == 0 && (n->op->flags & CN_OP_ROWS) && (n->x[0]->flags & CNI_VARIABLE);
}
static bool is_sparse(const cni_walk *w, const cn_tensor *x) { return w->all && (x->flags & CNI_VARIABLE) && x->rows_readers == INT32_MAX; }

/* ---- complete gradients ---- */
static void grad_forget(cn_tensor *x) {
  cni_extra *e = x->extra;
  if (x->epoch == CNI_PERSISTENT) {
    cn_free(e->grad);
    cn_free(e->rows.indices);
    cn_free(e->rows.values);
  }
  e->grad = e->rows.indices = e->rows.values = NULL;
  e->zero = false;
}

/* A temporary (or any tensor) as a persistent one; its memory is shared where it has a buffer. */
static cn_tensor *keep(cn_tensor *t) { return cn_persist(t); }

static bool keep_rows(const cni_walk *w, cn_tensor *v, cn_rows *rows) {
  cni_extra *e = v->extra;
  if (!cni_rows_join(w->g, v, rows)) return false;
  cni_capture_spoil(w->g);
  if (w->accumulate && (e->grad || e->zero || e->rows.values)) {
    cn_tensor *sum = cni_rows_dense(w->g, rows, v), *before = cn_grad(v);
    if (!sum || !before) return false;
    cni_values_add(w->g, sum, before);
    cn_tensor *kept = keep(sum);
    if (!kept) return false;
    grad_forget(v);
    e->grad = kept;
    return true;
  }
  const cn_rows kept = { keep(rows->indices), keep(rows->values) };
  grad_forget(v);
  e->rows = kept;
  return kept.indices && kept.values;
}

static bool keep_dense(const cni_walk *w, cn_tensor *x, cn_tensor *s) {
  cn_graph *g = w->g;
  cni_extra *e = x->extra;
  cn_tensor *kept;
  cni_capture_spoil(g);
  if (w->accumulate && (e->grad || e->rows.values)) {
    cn_tensor *before = cn_grad(x);
    cn_tensor *sum = before ? cn_array(g, (cn_dtype)x->dtype, &x->dims, before->data) : NULL;
    if (!sum) return false;
    cni_values_add(g, sum, s);
    s = sum;
  }
  kept = x->epoch == CNI_PERSISTENT ? keep(s) : cni_publish(g, s);
  if (!kept) return false;
  grad_forget(x);
  e->grad = kept;
  return true;
}

/* Temporaries of a rule that nothing holds go back; the others belong to their slots now. */
void cni_temporaries_drop(cn_graph *g, int64_t mark) {
  for (int64_t i = mark; i < g->temps.count; i++)
    if (!g->temps.v[i]->uses) cni_temporary_free(g, g->temps.v[i]);
  g->temps.count = mark;
}

/* To the update, which a replay calls itself: what it computes is not noted. */
static bool sink(const cni_walk *w, cn_tensor *x, cn_tensor *gradient, const cn_rows *rows) {
  cn_graph *g = w->g;
  struct cni_replay *capture = g->capture;
  if (capture) cni_capture_update(x, gradient);
  g->capture = NULL;
  const bool ok = w->sink->apply(w->sink->user, x, gradient, rows);
  g->capture = capture;
  return ok;
}

static bool complete_rows(const cni_walk *w, cn_tensor *x) {
  cn_rows rows;
  const bool ok = cni_rows_collect(w->g, x, &rows) && (w->sink ? sink(w, x, NULL, &rows) : keep_rows(w, x, &rows));
  cni_pieces_drop(w->g, x);
  return ok;
}

/* Every reader of the leaf x has been walked: its gradient goes to the update, or stays with x. */
static bool complete(const cni_walk *w, cn_tensor *x) {
  cn_graph *g = w->g;
  const int64_t mark = g->temps.count;
  bool ok = true;
  if (is_sparse(w, x)) ok = complete_rows(w, x);
  else if (x->slot && w->sink && (x->flags & CNI_VARIABLE)) ok = sink(w, x, x->slot, NULL);
  else if (x->slot) ok = keep_dense(w, x, x->slot);
  else if (!w->sink && !w->accumulate) grad_forget(x), x->extra->zero = true;
  cni_slot_drop(g, x);
  cni_temporaries_drop(g, mark);
  return ok;
}

/* ---- one node ---- */
typedef struct edges { cn_tensor **gy, **gx; void **pgy, **pgx; bool *want, narrow /* gx[0] is */; } edges;

/* The look-up to whose rows alone x's gradient goes: their places are found however it repeats along the indices. */
static const cn_node *look_up_of(const cni_walk *w, const cn_tensor *x) {
  const cn_node *from = x->node;
  if (w->steps || w->record || x->slot || (x->flags & (CNI_TARGET | CNI_WATCHED)) || !from || !rows_edge(w, from, 0) || !is_sparse(w, from->x[0])) return NULL;
  return from;
}

/* Whether it may stay as narrow as the rule makes it: not where a row itself repeats. */
static bool stays_narrow(const cni_walk *w, const cn_call *c, cn_dims *dims) {
  const cn_tensor *x = c->x[0];
  const cn_node *from = look_up_of(w, x);
  if (!from) return false;
  c->op->narrow(c, dims);
  for (int i = from->x[1]->dims.rank; i < x->dims.rank; i++)
    if (dims->d[i] != x->dims.d[i]) return false;
  return true;
}

/* Leaves the gradient of looked-up rows as input 1's rows and the numbers that they are to be multiplied with, where the rule is that product. */
static bool stays_factors(const cni_walk *w, const cn_call *c, edges *e) {
  const cn_tensor *x = c->x[0];
  cn_tensor *rows = c->x[1], *numbers = e->gy[0];
  const cn_node *from = look_up_of(w, x);
  if (!from || !numbers || numbers->dims.rank != x->dims.rank || w->g->check_finite || !c->op->factors(c)) return false;
  if (!cni_outlasts_walk(rows) || !cni_outlasts_walk(numbers)) return false;
  for (int i = 0; i < x->dims.rank; i++) { /* a number for each index, repeated along its row; a row, perhaps of several indices; no sum */
    const bool index = i < from->x[1]->dims.rank;
    if (numbers->dims.d[i] != (index ? x->dims.d[i] : 1)) return false;
    if (rows->dims.d[i] != x->dims.d[i] && !(index && rows->dims.d[i] == 1)) return false;
  }
  return (e->gx[0] = cni_slot_of_factors(w->g, rows, numbers)) != NULL;
}

/* Whether n's rule, one product, is left to the node before it, which made its input and nothing else has read yet. */
static bool slope_passes(const cni_walk *w, const cn_node *n, cn_tensor *const *gy) {
  const cn_tensor *x = n->x[0];
  const cn_node *from = x->node;
  if (w->record || w->steps || w->g->check_finite || !gy[0]) return false;
  for (int32_t i = 1; i < n->ny; i++)
    if (gy[i]) return false;
  if (!from || from->id != n->id - 1 || from->sweep != w->sweep || !(from->op->flags & CN_OP_TAKES_SLOPE) || x->output) return false;
  return !x->slot && !(x->flags & (CNI_VARIABLE | CNI_TARGET | CNI_WATCHED)) && n->y[n->ny - 1]->buffer;
}

static bool fused(const cni_walk *w, const cn_node *n, const cn_tensor *slope, edges *e) {
  cn_graph *g = w->g;
  cn_call c = { .graph = g, .op = n->op, .args = n->args, .x = n->x, .nx = n->nx, .y = n->y, .ny = n->ny, .gy = e->pgy, .gx = e->pgx,
                .slope = slope };
  cn_dims narrow;
  const cn_dims *dims = c.op->flags & CN_OP_BROADCASTS ? &c.y[0]->dims : NULL; /* of every gradient; NULL: each has its input's */
  if (c.op->narrow && stays_narrow(w, &c, &narrow)) c.narrow = e->narrow = true, dims = &narrow;
  if (c.op->factors && e->want[0] && stays_factors(w, &c, e)) e->narrow = true;
  for (int64_t i = 0; i < c.ny; i++) e->pgy[i] = e->gy[i] ? e->gy[i]->data : NULL;
  for (int64_t i = 0; i < c.nx; i++) {
    e->pgx[i] = NULL;
    if (!e->want[i] || e->gx[i]) continue;
    cn_tensor *gx = e->gx[i] = cni_temporary(g, (cn_dtype)c.x[i]->dtype, dims ? dims : &c.x[i]->dims);
    if (!gx) return false;
    e->pgx[i] = gx->data;
  }
  if (cni_run_rule(&c) == CN_OK) {
    if (g->capture) cni_capture_rule(&c, e->gy);
    return true;
  }
  cn_fail(g, CN_VALUE, "backward failed");
  return false;
}

static bool deliver(cni_walk *w, cn_node *n, edges *e, bool rows) {
  cn_graph *g = w->g;
  if (w->steps && !cni_step_taken(w, n, e->gy, e->gx, rows)) return false;
  for (int32_t i = 0; i < n->nx; i++) {
    if (!e->want[i] || !e->gx[i]) continue;
    cn_tensor *x = n->x[i], *gx = e->narrow && !i ? e->gx[i] : cni_unbroadcast(g, e->gx[i], x);
    if (!gx || (g->check_finite && !cni_check_finite(g, gx, "the gradient"))) return false;
    if (gx->dtype != x->dtype) return cn_fail(g, CN_DTYPE, "the gradient of input %d is %s", (int)i, cn_dtype_name((cn_dtype)gx->dtype)), false;
    if (!cni_slot_give(w, x, gx)) return false;
  }
  return true;
}

/* Computes what the rule reads and has not been computed. Rarely: not inlined. */
static __attribute__((noinline)) bool fetch_absent(cn_graph *g, const cn_node *n, cn_tensor *const *gy) {
  const uint32_t reads = n->op->reads;
  bool spared = n->op->piece != NULL;
  for (int32_t i = 1; i < n->ny; i++) spared &= !gy[i];
  for (int32_t i = spared; i < n->nx; i++)
    if ((reads & CN_READS_X(i < 15 ? i : 15)) && cni_given(n->x[i]) && (n->x[i]->flags & CNI_DEFERRED) && !cni_compute_deferred(g, n->x[i]->node)) return false;
  for (int32_t i = 0; i < n->ny && i < 16; i++)
    if ((reads & CN_READS_Y(i)) && (n->y[i]->flags & CNI_DEFERRED) && !cni_compute_deferred(g, n->y[i]->node)) return false;
  return true;
}

/* Runs the node's rule and hands its inputs their gradients. */
static bool differentiate(cni_walk *w, cn_node *n, const cn_tensor *slope, edges *e) {
  cn_graph *g = w->g;
  const int64_t mark = g->temps.count;
  const bool rows = e->want[0] && rows_edge(w, n, 0) && is_sparse(w, n->x[0]);
  bool ok = true;
  if (rows) {
    ok = cni_piece_add(g, n);
    e->want[0] = false;
    for (int32_t i = 1; i < n->nx; i++) e->want[i] = false;
  } else if ((n->op->flags & CN_OP_GIVES_SLOPE) && slope_passes(w, n, e->gy)) {
    w->slope = n->y[n->ny - 1];
    e->gx[0] = e->gy[0];
  } else if (g->absent && !fetch_absent(g, n, e->gy)) {
    ok = false;
  } else if (!w->record && n->op->backward) {
    ok = fused(w, n, slope, e);
  } else if (n->op->vjp) {
    n->op->vjp(g, n, e->gy, e->want, e->gx);
    ok = cn_ok(g);
  }
  ok = ok && deliver(w, n, e, rows);
  if (!w->record) cni_temporaries_drop(g, mark);
  return ok;
}

/* An edge of the tape has been walked: completes the leaf that it was the last one of. */
static bool count_reader(const cni_walk *w, cn_tensor *x) {
  if (!w->all || !is_leaf(x) || --x->uses > 0 || w->steps) return true;
  return complete(w, x);
}

static bool node_backward(cni_walk *w, cn_node *n) {
  cn_graph *g = w->g;
  cn_tensor *few_t[2 * SMALL];
  void *few_p[2 * SMALL];
  bool few_b[SMALL], any = false, wants = false;
  edges e = { few_t, few_t + SMALL, few_p, few_p + SMALL, few_b, false };
  cn_tensor *const slope = w->slope;
  w->slope = NULL;
  if (n->nx > SMALL || n->ny > SMALL) {
    const size_t nx = (size_t)n->nx, ny = (size_t)n->ny;
    char *p = cni_arena_take(g, cni_step_arena(g), (2 * nx + 2 * ny) * sizeof(void *) + nx);
    if (!p) return false;
    e = (edges){ (cn_tensor **)(void *)p, (cn_tensor **)(void *)p + ny, (void **)(void *)p + ny + nx, (void **)(void *)p + 2 * ny + nx,
                 (bool *)((void **)(void *)p + 2 * (nx + ny)), false };
  }
  for (int32_t i = 0; i < n->ny; i++) any |= (e.gy[i] = n->y[i]->slot) != NULL;
  for (int32_t i = 0; i < n->nx; i++) {
    wants |= e.want[i] = cni_wanted(w, n->x[i]);
    e.gx[i] = NULL;
  }
  g->core.where = n->op->name;
  g->current_scope = g->core.path = n->scope;
  if (any && wants && !differentiate(w, n, slope, &e)) return false;
  for (int32_t i = 0; i < n->nx; i++)
    if (cni_wanted(w, n->x[i]) && !count_reader(w, n->x[i])) return false;
  for (int32_t i = 0; i < n->ny; i++) {
    cn_tensor *y = n->y[i];
    if (y == w->slope || (y->flags & (CNI_TARGET | (w->all ? CNI_WATCHED : 0)))) continue; /* its slot is a result */
    cni_slot_drop(g, y);
    if (w->release && n != w->root && !(y->flags & CNI_KEEP)) cni_release(g, y, 0);
  }
  if (slope && w->release && slope->node != w->root && !(slope->flags & (CNI_KEEP | CNI_TARGET | CNI_WATCHED))) cni_release(g, slope, 0);
  return true;
}

/* ---- the first walk ---- */
static inline bool value_stands(cn_graph *g, const cn_node *n, const cn_tensor *t, const char *what, int32_t i, bool check_version) {
  if (t->flags & CNI_RELEASED) {
    if (!(t->flags & CNI_DEFERRED)) return cn_fail(g, CN_STATE, "%s %d of %s was released %s", what, (int)i, n->op->name, cni_released_how(t)), false;
    if (!cni_deferred_stands(g, t->node)) return false;
  }
  if (!check_version || cni_unchanged(n, i)) return true;
  const char *name = cn_name_of(t);
  cn_fail(g, CN_STATE, "variable %s, input %d of %s, was changed after %s had read it", *name ? name : "(unnamed)", (int)i, n->op->name, n->op->name);
  return false;
}

static bool values_stand(cn_graph *g, const cn_node *n) {
  const uint32_t reads = n->op->reads;
  for (int32_t i = 0; (reads & CN_READS_ALL_X) && i < n->nx; i++)
    if ((reads & CN_READS_X(i < 15 ? i : 15)) && cni_given(n->x[i]) && !value_stands(g, n, n->x[i], "input", i, true)) return false;
  for (int32_t i = 0; i < n->ny && i < 16 && reads >> (16 + i); i++)
    if ((reads & CN_READS_Y(i)) && !value_stands(g, n, n->y[i], "output", i, false)) return false;
  return true;
}

static bool meet_leaf(const cni_walk *w, cn_tensor *x, const cn_node *n, int32_t i) {
  cn_graph *g = w->g;
  if (x->sweep != w->sweep) {
    x->sweep = w->sweep;
    x->slot = NULL;
    x->uses = x->rows_readers = 0;
    if (g->met_count == g->met_capacity && !cni_grow(g, (void **)&g->met, g->met_count, &g->met_capacity, sizeof *g->met)) return false;
    g->met[g->met_count++] = x;
  }
  x->uses++;
  x->rows_readers += rows_edge(w, n, i);
  return true;
}

static void mark_node(const cni_walk *w, cn_node *n, int32_t *low) {
  if (n->sweep == w->sweep) return;
  n->sweep = w->sweep;
  for (int32_t i = 0; i < n->ny; i++) n->y[i]->slot = NULL;
  if (n->id < *low) *low = n->id;
}

/* Whether output k was made by a node that the walk must pass. */
static bool is_output(const cni_walk *w, int64_t k) {
  const cn_node *n = w->y[k]->node;
  return n && (w->all || n->dependent == w->mark);
}

/* Marks from the root down; returns the lowest marked id, or -1 after an error. */
static int32_t mark(const cni_walk *w) {
  cn_graph *g = w->g;
  int32_t low = w->root->id;
  for (int64_t k = 0; k < w->outputs; k++)
    if (is_output(w, k)) mark_node(w, w->y[k]->node, &low);
  for (int32_t id = w->root->id; id >= low; id--) {
    cn_node *n = g->tape[id];
    if (n->sweep != w->sweep) continue;
    if (!values_stand(g, n)) return -1;
    for (int32_t i = 0; i < n->nx; i++) {
      cn_tensor *x = n->x[i];
      if (!cni_wanted(w, x)) continue;
      if (!is_leaf(x)) mark_node(w, x->node, &low);
      else if (w->all && !meet_leaf(w, x, n, i)) return -1;
    }
  }
  for (int64_t i = 0; i < g->met_count; i++) /* sparse: every reader looks rows up */
    if (g->met[i]->rows_readers == g->met[i]->uses) g->met[i]->rows_readers = INT32_MAX;
  return low;
}

/* Computes what waits or was not stored, from node `low` on, but for what the walk itself releases (w, or NULL). */
static bool settle_from(cn_graph *g, const cni_walk *w, int64_t low) {
  for (int64_t id = low; id < g->tape_count; id++) {
    const cn_node *n = g->tape[id];
    if (!n->op->waits || !(n->y[0]->flags & CNI_DEFERRED)) continue;
    if (w && w->release && n->sweep == w->sweep && n != w->root && !(n->y[0]->flags & CNI_KEEP)) continue;
    if (!cni_compute_deferred(g, g->tape[id])) return false;
  }
  return true;
}
bool cni_settle(cn_graph *g) {
  if (!g->unstored) return true;
  if (!settle_from(g, NULL, 0)) return false;
  g->unstored = false;
  return true;
}

/* The gradient of output k by itself: ones, or the caller's weights. */
static cn_tensor *seed(const cni_walk *w, int64_t k) {
  cn_graph *g = w->g;
  cn_tensor *y = w->y[k], *gradient = w->gradient ? w->gradient[k] : CN_NO_TENSOR;
  if (!cni_given(gradient)) return cn_full(g, (cn_dtype)y->dtype, &y->dims, 1);
  if (!cni_readable(g, gradient, true)) return NULL;
  if (gradient->dtype == y->dtype && cn_dims_equal(&gradient->dims, &y->dims)) return gradient;
  char a[160], b[160];
  cn_fail(g, CN_SHAPE, "gradient is %s %s, the result is %s %s", cn_dtype_name((cn_dtype)gradient->dtype), cn_dims_text(&gradient->dims, a, sizeof a),
          cn_dtype_name((cn_dtype)y->dtype), cn_dims_text(&y->dims, b, sizeof b));
  return NULL;
}

static bool seeds(const cni_walk *w) {
  for (int64_t k = 0; k < w->outputs; k++) {
    if (!is_output(w, k) && !(w->y[k]->flags & CNI_TARGET)) continue;
    cn_tensor *s = seed(w, k);
    if (!s || !cni_slot_give(w, w->y[k], s)) return false;
  }
  return true;
}

static bool compute(cni_walk *w, int32_t low) {
  cn_graph *g = w->g;
  const bool recording = g->recording, in_rule = g->in_rule;
  const char *const where = g->core.where, *const path = g->core.path, *const scope = g->current_scope;
  if (g->capture) cni_capture_backward(g);
  g->recording = w->record;
  g->in_rule = !w->record;
  g->nesting++;
  bool ok = seeds(w);
  g->temps.count = 0;
  for (int32_t id = w->root ? w->root->id : -1; ok && id >= low; id--)
    if (g->tape[id]->sweep == w->sweep) ok = node_backward(w, g->tape[id]);
  if (g->capture) cni_capture_done(g);
  g->nesting--;
  g->core.where = where;
  g->core.path = path;
  g->current_scope = scope;
  g->recording = recording;
  g->in_rule = in_rule;
  return ok;
}

bool cni_walk_back(cni_walk *w) {
  cn_graph *g = w->g;
  if (g->stepping) return cn_fail(g, CN_STATE, "the callback of a backward that is stepped through cannot differentiate"), false;
  g->met_count = g->pieces_count = 0;
  w->sweep = ++g->sweep;
  w->root = NULL;
  for (int64_t k = 0; k < w->outputs; k++)
    if (is_output(w, k) && (!w->root || w->y[k]->node->id > w->root->id)) w->root = w->y[k]->node;
  const int32_t low = w->root ? mark(w) : 0;
  if (low < 0 || (g->unstored && (w->sink || w->release) && !settle_from(g, w, w->sink ? 0 : low))) return false;
  return compute(w, low);
}

/* The result must be a live float tensor. */
bool cni_result_ok(cn_graph *g, const cn_tensor *y) {
  if (!(cni_given(y) && y && (y->flags & CNI_DEFERRED) && cni_alive(g, y)) && !cni_readable(g, y, true)) return false;
  if (cni_is_float((cn_dtype)y->dtype)) return true;
  cn_fail(g, CN_DTYPE, "the result is %s, which has no gradient", cn_dtype_name((cn_dtype)y->dtype));
  return false;
}

/* ---- every variable ---- */
/* After a late watch or thaw: what depends on a wanted leaf, anew for the whole tape. */
static void remark(cn_graph *g) {
  const cni_walk w = { .g = g, .all = true };
  for (int64_t id = 0; id < g->tape_count; id++) {
    cn_node *n = g->tape[id];
    for (int32_t i = 0; i < n->nx && !n->needs; i++) n->needs = cni_wanted(&w, n->x[i]);
    if (!n->needs || (n->op->flags & CN_OP_NO_GRADIENT)) continue;
    for (int32_t i = 0; i < n->ny; i++)
      if (cni_is_float((cn_dtype)n->y[i]->dtype)) n->y[i]->flags |= CNI_NEEDS;
  }
  g->remark = false;
}

/* After a walk that was stepped through: what it would have done on its way. */
static bool complete_leaves(const cni_walk *w) {
  for (int64_t i = 0; i < w->g->met_count; i++)
    if (!complete(w, w->g->met[i])) return false;
  return true;
}

/* Watched tensors that operations made, and variables that the result does not depend on. */
static bool finish_all(const cni_walk *w) {
  cn_graph *g = w->g;
  for (int32_t id = 0; g->watched == g->epoch && id <= w->root->id; id++) {
    cn_node *n = g->tape[id];
    for (int32_t i = 0; n->sweep == w->sweep && i < n->ny; i++) {
      cn_tensor *t = n->y[i];
      if (!(t->flags & CNI_WATCHED)) continue;
      if (t->slot && !keep_dense(w, t, t->slot)) return false;
      if (!t->slot) t->extra->zero = true;
      cni_slot_drop(g, t);
    }
  }
  cn_tensor *v = w->sink || w->accumulate ? NULL : g->variables;
  for (cn_tensor *first = v; v; v = v->extra->next == first ? NULL : v->extra->next)
    if (v->sweep != w->sweep && !v->extra->frozen) grad_forget(v), v->extra->zero = true;
  return true;
}

bool cni_backward(const cn_backward_args *a, const cni_sink *sink) {
  cn_graph *g = a->graph;
  cn_tensor *const y = a->y, *const gradient = a->gradient;
  if (!cn_ok(g)) return false;
  const char *where = g->core.where;
  g->core.where = "backward";
  bool ok = cni_result_ok(g, a->y);
  if (ok && g->remark) remark(g);
  cni_walk w = { .g = g,
                 .release = a->release && !a->step,
                 .steps = a->step ? a : NULL,
                 .accumulate = a->accumulate,
                 .all = true,
                 .sink = sink,
                 .y = &y,
                 .gradient = &gradient,
                 .outputs = 1 };
  if (ok && !a->y->node) cn_fail(g, CN_STATE, "the result was not made by a recorded operation"), ok = false;
  ok = ok && (cni_walk_back(&w) || (w.steps && (cni_steps_undo(&w), false))) && (!w.steps || complete_leaves(&w)) && finish_all(&w);
  g->core.where = where;
  return ok;
}

bool cn_backward_run(const cn_backward_args *args) { return cni_backward(args, NULL); }
