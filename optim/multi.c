/* MultiOptimizer: several optimizers, each for the variables that a pattern names. */
#include "optimizer_private.h"

typedef struct route { char *pattern; cn_optimizer *optimizer; } route;
typedef struct multi { cn_optimizer base; route *routes; int64_t count, capacity; cn_optimizer *rest; } multi;

static multi *multi_of(const cn_optimizer *o) { return (multi *)(uintptr_t)o; }

static bool init(cn_object *self) {
  cn_optimizer_MultiOptimizerOptions *p = self->options;
  if (!cn_optimizer_init(self)) return false;
  cn_object *o = cni_ref_resolve(self->graph, CN_KIND_OPTIMIZER, &p->default_optimizer, &cni_optim_factory);
  if (cn_ok(self->graph) && !o) cn_fail(self->graph, CN_VALUE, "default_optimizer is required");
  multi_of((cn_optimizer *)(void *)self)->rest = (cn_optimizer *)(void *)o;
  return o != NULL;
}

static void finish(cn_object *self) {
  multi *m = multi_of((cn_optimizer *)(void *)self);
  for (int64_t i = 0; i < m->count; i++) {
    cni_free(self->graph, m->routes[i].pattern);
    cn_optimizer_free(m->routes[i].optimizer);
  }
  cni_free(self->graph, m->routes);
  cn_optimizer_finish(self);
}

bool cn_optimizer_map(cn_optimizer *o, const char *pattern, cn_optimizer *inner) {
  if (!o || !inner || !pattern || !cn_ok(o->object.graph)) return false;
  cn_graph *g = o->object.graph;
  bool matches;
  if (o->object.cls != &cn_class_optimizer_MultiOptimizer) return cni_optimizer_fail(o, CN_VALUE, "it maps no variables to other optimizers");
  if (o->state->built) return cni_optimizer_fail(o, CN_STATE, "patterns are added before it is built");
  if (inner->object.graph != g) return cni_optimizer_fail(o, CN_STATE, "the optimizer for \"%s\" is of another graph", pattern);
  if (!cni_pattern_matches(o, pattern, "", true, &matches)) return false;
  multi *m = multi_of(o);
  if (m->count == m->capacity && !cni_grow(g, (void **)&m->routes, m->count, &m->capacity, sizeof *m->routes)) return false;
  char *copy = cni_strdup(g, pattern);
  if (!copy) return false;
  m->routes[m->count++] = (route){ copy, inner };
  inner->object.uses++;
  return true;
}

/* Optimizer i of count + 1; the last is the default. */
static cn_optimizer *part(const multi *m, int64_t i) { return i < m->count ? m->routes[i].optimizer : m->rest; }

int64_t cni_multi_count(const cn_optimizer *o) { return multi_of(o)->count; }
cn_optimizer *cni_multi_part(const cn_optimizer *o, const char **pattern, int64_t i) {
  if (pattern) *pattern = multi_of(o)->routes[i].pattern;
  return part(multi_of(o), i);
}

static int64_t route_of(cn_optimizer *o, const cn_tensor *v) {
  const multi *m = multi_of(o);
  bool matches = false;
  for (int64_t i = 0; i < m->count; i++) {
    if (!cni_pattern_matches(o, m->routes[i].pattern, cni_variable_path(v), true, &matches)) return -1;
    if (matches) return i;
  }
  return m->count;
}

static bool build(cn_optimizer *o, cn_tensor *const *variables, int64_t n) {
  const multi *m = multi_of(o);
  cn_graph *g = o->object.graph;
  cn_tensor **mine = cni_arena_take(g, cni_step_arena(g), (size_t)(n + 1) * sizeof *mine);
  for (int64_t i = 0; mine && i <= m->count; i++) {
    int64_t count = 0;
    for (int64_t k = 0; k < n; k++)
      if (route_of(o, variables[k]) == i) mine[count++] = variables[k];
    if (!cn_optimizer_build(part(m, i), mine, count)) return false;
  }
  return mine != NULL;
}

static bool apply_part(cn_optimizer *o, cn_optimizer *inner, const cni_gradient_list *l) {
  cn_graph *g = o->object.graph;
  const size_t n = (size_t)l->n + 1;
  char *room = cni_arena_take(g, cni_step_arena(g), n * (sizeof(cn_rows) + 2 * sizeof(cn_tensor *)));
  if (!room) return false;
  cn_rows *rows = (void *)room;
  cn_tensor **gradients = (void *)(rows + n), **variables = gradients + n;
  int64_t count = 0;
  for (int64_t i = 0; i < l->n; i++) {
    const bool sparse = l->rows && l->rows[i].values;
    cn_tensor *dense = l->gradients ? l->gradients[i] : NULL;
    if ((!sparse && !dense) || !cni_entry_of(inner, l->variables[i])) continue;
    rows[count] = sparse ? l->rows[i] : (cn_rows){ NULL, NULL };
    gradients[count] = sparse ? NULL : dense;
    variables[count++] = l->variables[i];
  }
  return !count || cni_optimizer_apply(inner, &(const cni_gradient_list){ gradients, rows, variables, count });
}

static bool apply(cn_optimizer *o, const cni_gradient_list *l) {
  const multi *m = multi_of(o);
  cni_gradient_list scaled = *l;
  if (o->state->loss_scale != 1 && !cni_list_scaled(o->object.graph, l, 1 / o->state->loss_scale, &scaled)) return false;
  for (int64_t i = 0; i <= m->count; i++)
    if (!apply_part(o, part(m, i), &scaled)) return false;
  ++*(int64_t *)o->state->iteration->data;
  cni_touch(o->state->iteration);
  return true;
}

static int64_t variables(cn_optimizer *o, cn_tensor **out, int64_t capacity) {
  const multi *m = multi_of(o);
  int64_t n = 0;
  for (int64_t i = 0; i <= m->count; i++) n += cn_optimizer_variables(part(m, i), n < capacity ? out + n : NULL, n < capacity ? capacity - n : 0);
  return n;
}
static cn_optimizer *shown(const cn_optimizer *o) { return (void)o, NULL; }
static double loss_scale(const cn_optimizer *o) { return o->state->loss_scale; }
static bool finalize(cn_optimizer *o) {
  const multi *m = multi_of(o);
  for (int64_t i = 0; i <= m->count; i++)
    if (!cn_optimizer_finalize(part(m, i))) return false;
  return true;
}

static const cni_wrapper wrapper = { build, apply, variables, shown, loss_scale, finalize };
static const struct cni_optimizer_rules rules = { .wrapper = &wrapper };
static const cn_optimizer_methods methods = { .rules = &rules };
CN_OPTIMIZER(MultiOptimizer, CN_OPTIMIZER_MULTI, multi, .methods = &methods, .init = init, .finish = finish)
