/* Steps noted and run again: see replay_private.h. */
#include "replay_private.h"
#include "engine_private.h"
#include "held_private.h"

typedef enum { CALL, RULE, VIEW, FILL, COPY, ADD, WIDEN, ASSIGN, UPDATE, UPDATE_ROWS } action_kind;

typedef struct action {
  action_kind kind;
  const char *where, *path; /* for an error's text */
  cn_tensor *y, *x;
  union {
    cn_call call;
    struct { size_t offset, bytes; } view;                 /* in bytes; bytes != 0: an inline value, which is copied */
    double value;
    cn_tensor *numbers;                                    /* WIDEN: or NULL */
    struct { cni_piece *piece; int64_t count; } rows;
  } u;
  cn_tensor *const *gy;     /* RULE whose gradients may stand elsewhere at each run; or NULL */
} action;

struct cni_replay {
  cn_graph *graph;
  cni_replay *next;         /* of the graph's */
  cni_replay_state state;
  cni_held held;
  action *actions;
  int64_t count, capacity, middle;
  cni_complete *small;      /* gradients that wait for the end, so that one call updates many variables */
  int64_t small_count, small_capacity;
  cn_tensor *inputs[CNI_REPLAY_INPUTS], *results[CNI_REPLAY_RESULTS];
  int results_count;
  int inputs_count;
};

cni_replay_state cni_replay_state_of(const cni_replay *r) { return r->state; }

/* ---- capture ---- */
static cn_tensor *stand_in(cn_graph *g, const cn_tensor *x) {
  cn_tensor *t = cni_view_header(g, (cn_dtype)x->dtype, &x->dims);
  if (!t) return NULL;
  t->data = x->data;
  t->buffer = x->buffer;
  return t;
}

static bool plain_input(const cn_graph *g, const cn_tensor *x) {
  return cni_alive(g, x) && x->data && !(x->flags & (CNI_NEEDS | CNI_VARIABLE | CNI_SYMBOLIC | CNI_WATCHED | CNI_RELEASED)) && !x->extra;
}

bool cni_replay_fits(const cni_replay *r, cn_tensor *const *x) {
  const cn_graph *g = r->graph;
  bool fits = !g->capture && !g->check_finite && g->recording && !g->in_rule && !g->free_temps;
  for (int i = 0; i < r->inputs_count; i++) fits = fits && plain_input(g, x[i]);
  return fits;
}

cni_replay *cni_capture_begin(cn_graph *g, cn_tensor *const *x, int n, cn_tensor **in) {
  if (!g->replaying || g->capture || g->sealing || g->check_finite || !g->recording || g->in_rule || g->free_temps) return NULL;
  for (int i = 0; i < n; i++)
    if (!plain_input(g, x[i])) return NULL;
  cni_replay *r = cni_alloc(g, sizeof *r);
  if (!r) return NULL;
  cni_plan_leave(g);
  *r = (cni_replay){ .graph = g, .next = g->replays, .inputs_count = n };
  g->replays = g->capture = r;
  cni_held_begin(g, &r->held);
  for (int i = 0; i < n; i++) in[i] = r->inputs[i] = stand_in(g, x[i]);
  return r;
}

void cni_capture_end(cni_replay *r, cn_tensor *const *results, int n) {
  cn_graph *g = r->graph;
  for (int i = 0; results && i < n; i++) r->results[r->results_count++] = results[i];
  if (g->capture || !results || !cn_ok(g)) r->state = CNI_REPLAY_SPOILT; /* capture: there was no backward */
  g->capture = NULL;
  g->sealing = r;
}

void cni_capture_spoil(cn_graph *g) {
  if (g->capture) g->capture->state = CNI_REPLAY_SPOILT;
}

static action *append(cn_graph *g, action_kind kind) {
  cni_replay *r = g->capture;
  if (r->count == r->capacity && !cni_grow(g, (void **)&r->actions, r->count, &r->capacity, sizeof *r->actions)) return NULL;
  action *a = &r->actions[r->count++];
  *a = (action){ .kind = kind, .where = g->core.where, .path = g->current_scope };
  return a;
}

static action *append_pair(cn_graph *g, action_kind kind, cn_tensor *y, cn_tensor *x) {
  action *a = append(g, kind);
  if (!a) return NULL;
  a->y = y;
  a->x = x;
  return a;
}

/* A call as it will be run again. */
static bool note_call(action *a, const cn_call *c) {
  const size_t memo = c->op->memo;
  a->u.call = *c;
  a->u.call.sig = NULL;
  if (!memo) return true;
  if (!(a->u.call.memo = cni_arena_take(c->graph, cni_step_arena(c->graph), memo))) return c->graph->capture->state = CNI_REPLAY_SPOILT, false;
  memset(a->u.call.memo, 0, memo);
  return true;
}

void cni_capture_call(const cn_call *c) {
  cn_graph *g = c->graph;
  action *a = append(g, c->op->flags & CN_OP_VIEW ? VIEW : CALL);
  if (!a) return;
  if (a->kind == CALL) {
    note_call(a, c);
    return;
  }
  a->y = c->y[0];
  a->x = c->x[0];
  const size_t width = cn_dtype_size((cn_dtype)a->x->dtype);
  a->u.view.offset = (c->op->offset ? (size_t)c->op->offset(c) : 0) * width;
  a->u.view.bytes = a->y->data == a->y->value.bytes ? (size_t)a->y->count * width : 0;
}

/* Whether t's memory may be another at each run: an input's, or what a view shows. */
static bool moves(const cni_replay *r, const cn_tensor *t) {
  if (!t) return false;
  for (int64_t i = 0; i < r->count; i++)
    if (r->actions[i].kind == VIEW && r->actions[i].y == t) return true;
  return !(t->flags & CNI_TEMPORARY);
}

void cni_capture_rule(const cn_call *c, cn_tensor *const *gy) {
  cn_graph *g = c->graph;
  const size_t nx = (size_t)c->nx, ny = (size_t)c->ny;
  void **p = cni_arena_take(g, cni_step_arena(g), (nx + 2 * ny) * sizeof *p);
  action *a = p ? append(g, RULE) : NULL;
  if (!a || !note_call(a, c)) return;
  a->u.call.gx = memcpy(p, c->gx, nx * sizeof *p);
  a->u.call.gy = memcpy(p + nx, c->gy, ny * sizeof *p);
  bool any = false;
  for (size_t i = 0; i < ny; i++) any |= moves(g->capture, gy[i]);
  if (any) a->gy = (cn_tensor *const *)memcpy(p + nx + ny, gy, ny * sizeof *p);
}

void cni_capture_fill(cn_tensor *y, double value) {
  action *a = append(y->graph, FILL);
  if (!a) return;
  a->y = y;
  a->u.value = value;
}

void cni_capture_copy(cn_tensor *y, cn_tensor *x) { append_pair(y->graph, COPY, y, x); }
void cni_capture_add(cn_tensor *y, cn_tensor *x) { append_pair(y->graph, ADD, y, x); }
void cni_capture_widen(cn_tensor *y, cn_tensor *x, cn_tensor *numbers) {
  action *a = append_pair(y->graph, WIDEN, y, x);
  if (a) a->u.numbers = numbers;
}
void cni_capture_view(cn_tensor *y, cn_tensor *x) {
  action *a = append_pair(y->graph, VIEW, y, x);
  if (a) a->u.view.offset = a->u.view.bytes = 0;
}
void cni_capture_assign(cn_tensor *variable, cn_tensor *x) { append_pair(variable->graph, ASSIGN, variable, x); }

/* The pieces of a variable as they are when its gradient is complete. */
static bool note_pieces(cn_graph *g, action *a) {
  a->u.rows.piece = cni_arena_take(g, cni_step_arena(g), (size_t)(g->pieces_count + 1) * sizeof(cni_piece));
  if (!a->u.rows.piece) return false;
  for (int64_t i = 0; i < g->pieces_count; i++)
    if (g->pieces[i].variable == a->y) a->u.rows.piece[a->u.rows.count++] = g->pieces[i];
  return true;
}

#define SMALL 1024 /* elements of a gradient that may wait: a call costs as much as its update */

/* Its memory serves nothing else in this step. */
static void wait_for_all(cn_graph *g, cn_tensor *variable, cn_tensor *gradient) {
  cni_replay *r = g->capture;
  if (r->small_count == r->small_capacity && !cni_grow(g, (void **)&r->small, r->small_count, &r->small_capacity, sizeof *r->small)) return;
  r->small[r->small_count++] = (cni_complete){ variable, gradient };
  gradient->uses++;
}

void cni_capture_update(cn_tensor *variable, cn_tensor *gradient) {
  cn_graph *g = variable->graph;
  if (gradient && gradient->count <= SMALL && (gradient->flags & CNI_TEMPORARY)) {
    wait_for_all(g, variable, gradient);
    return;
  }
  action *a = append(g, gradient ? UPDATE : UPDATE_ROWS);
  if (!a) return;
  a->y = variable;
  a->x = gradient;
  if (!gradient) note_pieces(g, a);
}

void cni_capture_backward(cn_graph *g) { g->capture->middle = g->capture->count; }

void cni_capture_done(cn_graph *g) {
  g->sealing = g->capture;
  g->capture = NULL;
}

/* ---- the end of the captured step ---- */
static void spoil(cni_replay *r) {
  r->state = CNI_REPLAY_SPOILT;
  cni_held_free(r->graph, &r->held);
  cni_free(r->graph, r->actions);
  cni_free(r->graph, r->small);
  r->actions = NULL;
  r->small = NULL;
  r->count = r->capacity = r->small_count = r->small_capacity = 0;
}

void cni_capture_seal(cn_graph *g) {
  cni_replay *r = g->sealing ? g->sealing : g->capture;
  if (g->capture) r->state = CNI_REPLAY_SPOILT; /* the step was broken off */
  g->capture = g->sealing = NULL;
  if (cni_held_end(g, &r->held, r->state != CNI_REPLAY_SPOILT)) r->state = CNI_REPLAY_READY;
  else spoil(r);
}

void cni_replay_free(cni_replay *r) {
  if (!r) return;
  cn_graph *g = r->graph;
  if (g->capture == r || g->sealing == r) cni_capture_seal(g);
  spoil(r);
  cni_replay **at = &g->replays;
  while (*at != r) at = &(*at)->next;
  *at = r->next;
  cni_free(g, r);
}

void cni_replays_free(cn_graph *g) {
  for (cni_replay *r = g->replays; r; r = r->next) {
    cni_arena_free(g, &r->held.arena);
    cni_arena_free(g, &r->held.aside);
  }
}

/* ---- running ---- */
static bool run_rule(const action *a) {
  const cn_call *c = &a->u.call;
  for (int64_t i = 0; a->gy && i < c->ny; i++) ((void **)(void *)(uintptr_t)c->gy)[i] = a->gy[i] ? a->gy[i]->data : NULL;
  return cni_run_rule(c) == CN_OK || (cn_fail(c->graph, CN_VALUE, "backward failed"), false);
}

static bool update_rows(cn_graph *g, const action *a, const cni_sink *sink) {
  const int64_t mark = g->temps.count;
  cni_piece *const pieces = g->pieces;
  const int64_t count = g->pieces_count;
  g->pieces = a->u.rows.piece;
  g->pieces_count = a->u.rows.count;
  cn_rows rows;
  const bool ok = cni_rows_collect(g, a->y, &rows) && sink->apply(sink->user, a->y, NULL, &rows);
  g->pieces = pieces;
  g->pieces_count = count;
  cni_temporaries_drop(g, mark);
  return ok;
}

static bool run_action(cn_graph *g, const action *a, const cni_sink *sink) {
  switch (a->kind) {
  case CALL: return cni_call_run(&a->u.call);
  case RULE: return run_rule(a);
  case VIEW:
    if (a->u.view.bytes) memcpy(a->y->data, (const char *)a->x->data + a->u.view.offset, a->u.view.bytes);
    else a->y->data = (char *)a->x->data + a->u.view.offset;
    return true;
  case FILL: return cni_fill(a->y, a->u.value), true;
  case COPY: return a->y->count ? memcpy(a->y->data, a->x->data, (size_t)a->y->count * cn_dtype_size((cn_dtype)a->y->dtype)) != NULL : true;
  case ADD: return cni_values_add(g, a->y, a->x), true;
  case WIDEN: return cni_values_widen(g, a->y, a->x, a->u.numbers), true;
  case ASSIGN: return cn_assign_data(a->y, a->x->data);
  case UPDATE: return sink->apply(sink->user, a->y, a->x, NULL);
  default: return update_rows(g, a, sink);
  }
}

static bool run_between(cni_replay *r, int64_t from, int64_t to, const cni_sink *sink) {
  cn_graph *g = r->graph;
  const char *where = g->core.where;
  const bool in_rule = g->in_rule;
  g->in_rule = sink != NULL;
  bool ok = true;
  for (int64_t i = from; ok && i < to; i++) {
    const action *a = &r->actions[i];
    g->core.where = a->where;
    g->core.path = a->path;
    ok = run_action(g, a, sink);
  }
  g->core.where = where;
  g->core.path = NULL;
  g->in_rule = in_rule;
  return ok;
}

bool cni_replay_forward(cni_replay *r, cn_tensor *const *x, cn_tensor **results) {
  for (int i = 0; i < r->inputs_count; i++) r->inputs[i]->data = x[i]->data;
  if (!run_between(r, 0, r->middle, NULL)) return false;
  for (int i = 0; i < r->results_count; i++) {
    cn_tensor *t = results[i] = r->results[i], *mask = t ? cn_mask_of(t) : NULL;
    if (t && t->epoch != CNI_PERSISTENT) t->epoch = r->graph->epoch;
    if (mask && mask->epoch != CNI_PERSISTENT) mask->epoch = r->graph->epoch;
  }
  return true;
}

bool cni_replay_backward(cni_replay *r, const cni_sink *sink) {
  return run_between(r, r->middle, r->count, sink) && (!r->small_count || sink->apply_all(sink->user, r->small, r->small_count));
}
