/* Steps of eager code that repeat: see plan_private.h. */
#include "plan_private.h"
#include "../core/options_private.h"
#include "held_private.h"

#define REPEATS 3   /* steps with tapes of one length before one is noted */
#define MISSES 3    /* steps that left their plan before it is given up */
#define LEAST_PAUSE 64 /* steps without a plan then, twice as many at each time */
#define LONGEST_PAUSE 8192

typedef enum { CALL, DATA, WATCH } entry_kind;
typedef struct entry { entry_kind kind; bool recorded, same_options; union { cn_node *node; cn_tensor *tensor; } u; } entry;

struct cni_plan {
  cni_held held;
  entry *entries;
  int64_t count, capacity;
  size_t bytes;       /* of the buffers, so far */
  uint32_t trainables;
  bool ready;
};

/* ---- noting ---- */
static entry *append(cn_graph *g, entry_kind kind) {
  cni_plan *p = g->noting;
  if (p->count == p->capacity && !cni_grow(g, (void **)&p->entries, p->count, &p->capacity, sizeof *p->entries)) return NULL;
  entry *e = &p->entries[p->count++];
  *e = (entry){ .kind = kind };
  return e;
}

/* t stays as it is. A step of too much memory is given up at once, so that it can be returned early. */
static void hold(cn_graph *g, cn_tensor *t) {
  t->flags |= CNI_PLANNED;
  if (t->buffer) g->noted->bytes += t->buffer->size;
  if (g->noted->bytes > CNI_HELD_BYTES) g->noting = NULL;
}

void cni_note_tensor(cn_graph *g, cn_tensor *t) {
  entry *e = append(g, DATA);
  if (!e) return;
  e->u.tensor = t;
  hold(g, t);
}

void cni_note_call(cn_graph *g, cn_node *n, bool recorded) {
  entry *e = append(g, CALL);
  if (!e) return;
  e->recorded = recorded;
  e->same_options = n->op->schema.count == (n->op->inputs == CN_LIST ? 1 : n->op->inputs);
  e->u.node = n;
  for (int32_t i = 0; i < n->ny; i++) hold(g, n->y[i]);
}

/* ---- following ---- */
static entry *next(cn_graph *g, entry_kind kind) {
  cni_plan *p = g->plan;
  entry *e = g->cursor < p->count ? &p->entries[g->cursor] : NULL;
  return e && e->kind == kind ? e : NULL;
}

void cni_plan_leave(cn_graph *g) {
  g->plan = g->noting = NULL;
}

void cni_plan_decline(cn_graph *g) {
  if (g->noted) g->noted->bytes = CNI_HELD_BYTES + 1;
  cni_plan_leave(g);
}

static void refresh(cn_graph *g, cn_tensor *t) {
  t->epoch = g->epoch;
  t->flags &= (uint16_t)~(CNI_RELEASED | CNI_KEEP | CNI_OF_SEGMENT | CNI_OF_WEIGHT);
  t->slot = NULL;
  t->extra = NULL;
  t->born = g->tape_count;
}

cn_tensor *cni_plan_tensor(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  const entry *e = next(g, DATA);
  cn_tensor *t = e ? e->u.tensor : NULL;
  if (!t || t->dtype != dtype || !cni_same_dims(&t->dims, dims)) return cni_plan_leave(g), NULL;
  g->cursor++;
  refresh(g, t);
  t->flags = CNI_PLANNED;
  return t;
}

void cni_plan_watch(cn_graph *g, cn_tensor *x) {
  if (g->noting) {
    entry *e = append(g, WATCH);
    if (e) e->u.tensor = x;
    return;
  }
  const entry *e = next(g, WATCH);
  if (e && e->u.tensor == x) g->cursor++;
  else cni_plan_leave(g);
}

static bool matches(const cn_graph *g, const entry *e, const cn_call *c) {
  const cn_node *n = e->u.node;
  if (n->op != c->op || n->nx != c->nx || e->recorded != g->recording) return false;
  for (int32_t i = 0; i < n->nx; i++) {
    const cn_tensor *x = c->x[i];
    if (x != n->x[i] || !x || (cni_given(x) && (!cni_alive(g, x) || (x->flags & CNI_RELEASED)))) return false;
  }
  const cn_schema *s = &c->op->schema;
  for (int row = c->op->inputs == CN_LIST ? 1 : c->op->inputs; !e->same_options && row < s->count; row++)
    if (!cni_option_same(s, row, c->args, n->args)) return false;
  return true;
}

cn_tensor *const *cni_plan_call(const cn_call *c) {
  cn_graph *g = c->graph;
  entry *e = next(g, CALL);
  if (!e || !matches(g, e, c)) return cni_plan_leave(g), NULL;
  cn_node *n = e->u.node;
  g->cursor++;
  for (int32_t i = 0; i < n->ny; i++) refresh(g, n->y[i]);
  const cn_call call = { .graph = g, .op = n->op, .args = n->args, .x = n->x, .nx = n->nx, .y = n->y, .ny = n->ny };
  if ((n->op->flags & CN_OP_VIEW) && !n->y[0]->buffer && n->y[0]->count) {
    const size_t width = cn_dtype_size((cn_dtype)n->y[0]->dtype);
    memcpy(n->y[0]->data, (const char *)n->x[0]->data + (size_t)(n->op->offset ? n->op->offset(&call) : 0) * width, (size_t)n->y[0]->count * width);
  }
  if (!cni_call_run(&call)) return cni_nulls;
  if (!e->recorded) return n->y;
  n->scope = g->current_scope;
  n->id = (int32_t)g->tape_count;
  cni_note_inputs(g, n);
  g->tape[g->tape_count++] = n;
  return n->y;
}

/* ---- between steps ---- */
static void drop_all(cn_graph *g) {
  for (int i = 0; i < 2; i++) {
    if (g->plans[i] && g->plans[i]->ready) cni_held_free(g, &g->plans[i]->held);
    if (g->plans[i]) g->plans[i]->ready = false;
  }
  g->repeats = g->misses = 0;
}

static void give_up(cn_graph *g) {
  drop_all(g);
  g->rest = g->pause = g->pause < LEAST_PAUSE ? LEAST_PAUSE : g->pause < LONGEST_PAUSE ? 2 * g->pause : LONGEST_PAUSE;
}

static void close_note(cn_graph *g) {
  cni_plan *p = g->noted;
  p->trainables = g->trainables;
  p->ready = cni_held_end(g, &p->held, g->noting == p);
  if (p->bytes > CNI_HELD_BYTES) g->pause = LONGEST_PAUSE;
  if (!p->ready) give_up(g);
}

/* A step that left its plan, or did less than it. */
static void count_miss(cn_graph *g, bool missed) {
  g->misses = missed ? g->misses + 1 : 0;
  if (g->misses == MISSES) give_up(g);
}

static void begin_note(cn_graph *g) {
  cni_plan **p = &g->plans[g->epoch & 1];
  if (!*p && !(*p = cni_alloc(g, sizeof **p))) return;
  g->noting = g->noted = *p;
  (*p)->count = 0;
  (*p)->bytes = 0;
}

void cni_plan_reset(cn_graph *g) {
  cni_plan *followed = g->followed;
  if (g->noted) close_note(g);
  else if (followed) count_miss(g, !g->plan || g->cursor != followed->count || !cn_ok(g));
  else g->repeats = g->tape_count && g->tape_count == g->last_count ? g->repeats + 1 : 0;
  g->last_count = g->tape_count;
  g->plan = g->followed = g->noting = g->noted = NULL;
  g->cursor = 0;
}

void cni_plan_begin(cn_graph *g) {
  cni_plan *p = g->plans[g->epoch & 1];
  if (p && p->ready && p->trainables != g->trainables) give_up(g);
  if (!g->replaying || g->check_finite || !g->recording || !cn_ok(g)) return;
  if (g->rest > 0) g->rest--;
  else if (p && p->ready) g->plan = g->followed = p;
  else if (g->repeats >= REPEATS) begin_note(g);
}

void cni_plans_free(cn_graph *g) {
  for (int i = 0; i < 2; i++) {
    if (!g->plans[i]) continue;
    cni_arena_free(g, &g->plans[i]->held.arena);
    cni_arena_free(g, &g->plans[i]->held.aside);
  }
}
