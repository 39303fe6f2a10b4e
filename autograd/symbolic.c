/* Symbolic tensors: operations on tensors without data infer shapes and are kept as nodes, from which a model takes its program. */
#include <stdio.h>
#include "graph_private.h"
#include "../core/options_private.h"

/* ---- names ---- */
typedef struct cni_name { struct cni_name *next; char *base; int64_t count; } cni_name;

char *cni_unique_name(cn_graph *g, const char *class_name) {
  char base[128], text[160];
  cni_snake_case(class_name, base, sizeof base);
  cni_name *n = g->names;
  while (n && strcmp(n->base, base)) n = n->next;
  if (!n) {
    if (!(n = cni_alloc(g, sizeof *n)) || !(n->base = cni_strdup(g, base))) return NULL;
    n->next = g->names;
    g->names = n;
  }
  const int64_t k = n->count++;
  if (!k) return cni_strdup(g, base);
  snprintf(text, sizeof text, "%s_%lld", base, (long long)k);
  return cni_strdup(g, text);
}

bool cni_names_save(cn_graph *g, cni_names_mark *mark) {
  *mark = (cni_names_mark){ g->names, NULL };
  int64_t n = 0;
  for (const cni_name *p = g->names; p; p = p->next) n++;
  if (!(mark->counts = cni_arena_take(g, cni_step_arena(g), (size_t)(n + 1) * sizeof *mark->counts))) return false;
  n = 0;
  for (const cni_name *p = g->names; p; p = p->next) mark->counts[n++] = p->count;
  return true;
}
void cni_names_restore(cn_graph *g, const cni_names_mark *mark) {
  const int64_t *count = mark->counts;
  bool old = false;
  for (cni_name *p = g->names; p; p = p->next) {
    old |= p == mark->first;
    p->count = old ? *count++ : 0;
  }
}

/* ---- args ---- */
void cni_each_tensor(const cn_schema *s, void *args, void (*visit)(cn_tensor **at, void *user), void *user) {
  for (int i = 0; i < s->count; i++) {
    void *at = cni_option_at(s, args, i);
    if (s->rows[i].kind == CN_OPTION_TENSOR) visit(at, user);
    const cn_tensors *list = s->rows[i].kind == CN_OPTION_TENSORS ? at : NULL;
    for (int64_t k = 0; list && k < list->n; k++) visit((cn_tensor **)(uintptr_t)&list->v[k], user);
  }
}

cn_tensor *cni_size_tensor(const cn_graph *g, int64_t v) {
  if (v >= INT64_MIN / 2) return NULL;
  cn_tensor *t = (cn_tensor *)(uintptr_t)(((uint64_t)v - (uint64_t)INT64_MIN) & ~(uint64_t)7);
  const int axis = cni_size_axis(v);
  bool inside = false;
  for (int i = 0; i < 3 && !inside; i++) inside = cni_arena_holds(i < 2 ? &g->step[i] : &g->keep, t, sizeof *t);
  return inside && cni_alive(g, t) && (t->flags & CNI_SYMBOLIC) && axis < t->dims.rank && t->dims.d[axis] == CN_UNKNOWN ? t : NULL;
}

void cni_each_size(const cn_graph *g, const cn_schema *s, void *args, void (*visit)(int64_t *at, void *user), void *user) {
  for (int i = 0; i < s->count; i++) {
    void *at = cni_option_at(s, args, i);
    if (s->rows[i].kind == CN_OPTION_INT && cni_size_tensor(g, *(int64_t *)at)) visit(at, user);
    const cn_ints *list = s->rows[i].kind == CN_OPTION_INTS ? at : NULL;
    for (int64_t k = 0; list && k < list->n; k++)
      if (cni_size_tensor(g, list->v[k])) visit((int64_t *)(uintptr_t)&list->v[k], user);
  }
}

void *cni_args_copy(cn_graph *g, const cn_schema *s, const void *args, cni_arena *arena) {
  void *copy = cni_arena_take(g, arena, s->size);
  if (!copy) return NULL;
  memcpy(copy, args, s->size);
  for (int i = 0; i < s->count; i++) {
    cn_tensors *list = s->rows[i].kind == CN_OPTION_TENSORS ? cni_option_at(s, copy, i) : NULL;
    if (!list || list->n <= 0) continue;
    cn_tensor **v = cni_arena_take(g, arena, (size_t)list->n * sizeof *v);
    if (!v) return NULL;
    memcpy(v, list->v, (size_t)list->n * sizeof *v);
    list->v = v;
  }
  return cni_options_deepen(g, s, copy, cni_take_arena, arena) ? copy : NULL;
}

/* ---- nodes ---- */
typedef struct counted { int64_t tensors, sizes; cn_node *node; const cn_graph *g; } counted;

static void count_tensor(cn_tensor **at, void *user) {
  (void)at;
  ((counted *)user)->tensors++;
}
static void count_size(int64_t *at, void *user) {
  (void)at;
  ((counted *)user)->sizes++;
}

/* Data made in a step outlives it as part of a program. */
static void keep_tensor(cn_tensor **at, void *user) {
  cn_node *n = ((counted *)user)->node;
  cn_tensor *x = *at;
  if (x && cni_given(x) && !(x->flags & CNI_SYMBOLIC) && x->epoch != CNI_PERSISTENT && (x = cn_persist(x))) *at = x;
  n->x[n->nx++] = *at;
}
static void keep_size(int64_t *at, void *user) {
  const counted *c = user;
  cni_symbol *s = c->node->symbol;
  s->sizes[s->sizes_count++] = cni_size_tensor(c->g, *at);
}

static bool node_fill(cn_graph *g, cni_arena *arena, cn_node *n, const cn_schema *s, const void *args, int64_t ny) {
  counted c = { 0, 0, n, g };
  n->args = cni_args_copy(g, s, args, arena);
  if (!n->args) return false;
  cni_each_tensor(s, n->args, count_tensor, &c);
  cni_each_size(g, s, n->args, count_size, &c);
  n->x = cni_arena_take(g, arena, (size_t)(c.tensors + ny + c.sizes + 1) * sizeof *n->x);
  if (!n->x) return false;
  n->y = n->x + c.tensors;
  n->symbol->sizes = n->y + ny;
  memset(n->y, 0, (size_t)ny * sizeof *n->y);
  cni_each_tensor(s, n->args, keep_tensor, &c);
  cni_each_size(g, s, n->args, keep_size, &c);
  return cn_ok(g);
}

cn_node *cni_symbolic_node(cn_graph *g, cni_arena *arena, const cn_op *op, const cn_schema *s, const void *args, int64_t ny) {
  cni_plan_leave(g);
  cn_node *n = cni_arena_take(g, arena, sizeof *n);
  cni_symbol *symbol = cni_arena_take(g, arena, sizeof *symbol);
  if (!n || !symbol) return NULL;
  *symbol = (cni_symbol){ .schema = s, .masks_first = ny };
  *n = (cn_node){ .op = op, .symbol = symbol };
  if (!node_fill(g, arena, n, s, args, ny)) return NULL;
  n->ny = (int32_t)ny;
  n->id = (int32_t)g->symbolic_count++;
  return n;
}

cn_tensor *cni_symbolic_output(cn_graph *g, cn_node *n, int64_t i, cn_dtype dtype, const cn_dims *dims) {
  cn_tensor *y = cn_symbolic(g, dtype, dims);
  if (!y) return NULL;
  y->output = (int32_t)i;
  y->node = n;
  return n->y[i] = y;
}

/* ---- operations ---- */
static void hide_size(int64_t *at, void *user) {
  (void)user;
  *at = CN_UNKNOWN;
}

static cn_tensor *const *outputs_recorded(cn_call *c, const void *given) {
  cn_graph *g = c->graph;
  cn_node *n = cni_symbolic_node(g, &g->keep, c->op, &c->op->schema, given, c->ny);
  if (!n || !(n->symbol->name = g->naming ? cni_strdup(g, g->naming) : cni_unique_name(g, c->op->name))) return cni_nulls;
  for (int64_t i = 0; i < c->ny; i++)
    if (!cni_symbolic_output(g, n, i, c->sig[i].dtype, &c->sig[i].dims)) return cni_nulls;
  return n->y;
}

static cn_tensor *const *outputs_of_step(cn_call *c) {
  cn_graph *g = c->graph;
  cn_tensor **y = cni_arena_take(g, cni_step_arena(g), (size_t)c->ny * sizeof *y);
  for (int64_t i = 0; y && i < c->ny; i++) {
    if (!(y[i] = cni_view_header(g, c->sig[i].dtype, &c->sig[i].dims))) return cni_nulls;
    y[i]->flags |= CNI_SYMBOLIC;
  }
  return y ? y : cni_nulls;
}

cn_tensor *const *cni_symbolic_call(cn_call *c) {
  cn_graph *g = c->graph;
  const cn_op *op = c->op;
  const void *given = c->args;
  counted found = { 0, 0, NULL, g };
  cni_plan_leave(g);
  cni_each_size(g, &op->schema, (void *)(uintptr_t)given, count_size, &found);
  if (found.sizes) { /* infer is to see CN_UNKNOWN */
    void *plain = cni_args_copy(g, &op->schema, given, cni_step_arena(g));
    if (!plain) return cni_nulls;
    cni_each_size(g, &op->schema, plain, hide_size, NULL);
    c->args = plain;
  }
  if (op->checked && !cni_options_check(g, &op->schema, c->args)) return cni_nulls;
  c->ny = op->outputs ? op->outputs : op->count(c);
  if (c->ny < 0) return cni_nulls;
  if (c->ny > INT32_MAX) return cn_fail(g, CN_NO_MEMORY, "%lld outputs are too many", (long long)c->ny), cni_nulls;
  c->sig = cni_arena_take(g, cni_step_arena(g), (size_t)(c->ny + 1) * sizeof *c->sig);
  if (!c->sig || op->infer(c) != CN_OK) return cni_nulls;
  return g->calling ? outputs_of_step(c) : outputs_recorded(c, given);
}
