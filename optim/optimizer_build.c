/* An optimizer's variables: slots, averages, accumulators, and who is who. */
#include <stdio.h>
#include "optimizer_private.h"

/* ---- variables ---- */
cn_tensor *cni_optimizer_variable(cn_optimizer *o, cn_dtype dtype, const cn_dims *dims, const char *name, double value) {
  char path[2 * CNI_SCOPE_SIZE + 64];
  cn_tensor *t = cn_variable(o->object.graph, dtype, dims, NULL);
  if (!t) return NULL;
  cn_set_trainable(t, false);
  t->extra->never_trains = true;
  if (value != 0 && cni_is_float(dtype)) cni_kernels_for(o->object.graph, dtype)->fill(t->data, t->count, value);
  snprintf(path, sizeof path, "%s/%s", o->state->name, name);
  cn_set_name(t, path);
  if (cn_ok(o->object.graph)) return t;
  cn_free(t);
  return NULL;
}

/* "dense_kernel_momentum" for the variable dense/kernel. */
static cn_tensor *variable_for(cn_optimizer *o, const cn_tensor *v, const cn_slot *slot) {
  char name[CNI_SCOPE_SIZE + 64];
  snprintf(name, sizeof name, "%s%s%s", cni_variable_path(v), *slot->name ? "_" : "", slot->name);
  for (char *p = name; *p; p++)
    if (*p == '/') *p = '_';
  cn_tensor *t = cni_optimizer_variable(o, slot->other ? slot->dtype : (cn_dtype)v->dtype, slot->other ? &slot->dims : &v->dims, name, slot->initial);
  if (t && slot->copies && v->count) memcpy(t->data, v->data, (size_t)v->count * cn_dtype_size((cn_dtype)v->dtype));
  return t;
}

/* ---- entries ---- */
static void entry_free(const cni_entry *e) {
  for (int i = 0; i < CN_OPTIMIZER_SLOTS; i++) cn_free(e->slot[i]);
  cn_free(e->average);
  cn_free(e->accumulator);
}

void cni_entries_free(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  for (int64_t i = 0; i < s->count; i++) entry_free(&s->entries[i]);
  cni_free(o->object.graph, s->entries);
  cni_free(o->object.graph, s->table);
  s->entries = NULL;
  s->table = NULL;
  s->count = s->capacity = s->table_size = 0;
}

static bool slots_make(cn_optimizer *o, cni_entry *e) {
  const cn_optimizer_methods *m = cni_methods(o);
  for (int i = 0; m->slots && m->slots[i].name && i < CN_OPTIMIZER_SLOTS; i++) {
    cn_slot slot = m->slots[i];
    if (m->slot && !m->slot(o, i, e->variable, &slot)) continue;
    if (!(e->slot[i] = variable_for(o, e->variable, &slot))) return false;
  }
  return true;
}

static bool is_excluded(cn_optimizer *o, const cn_tensor *v, bool *excluded) {
  const char *path = cni_variable_path(v), *slash = strrchr(path, '/');
  *excluded = false;
  for (int64_t i = 0; i < o->state->excluded_count && !*excluded; i++)
    if (!cni_pattern_matches(o, o->state->excluded[i], slash ? slash + 1 : path, false, excluded)) return false;
  return true;
}

static bool entry_make(cn_optimizer *o, cn_tensor *v, cni_entry *e) {
  const struct cni_optimizer_state *s = o->state;
  const bool wraps = cni_wrapper_of(o) != NULL;
  *e = (cni_entry){ .variable = v, .count = v->count, .dtype = (cn_dtype)v->dtype };
  bool ok = is_excluded(o, v, &e->excluded);
  if (ok && s->use_ema && !wraps) ok = (e->average = variable_for(o, v, &(const cn_slot){ .name = "average" })) != NULL;
  if (ok && s->accumulate > 1 && !wraps) ok = (e->accumulator = variable_for(o, v, &(const cn_slot){ .name = "gradient_accumulator" })) != NULL;
  ok = ok && slots_make(o, e);
  if (!ok) entry_free(e);
  return ok;
}

/* ---- lookup ---- */
static uint64_t place_of(const struct cni_optimizer_state *s, const cn_tensor *v) {
  return (((uintptr_t)v >> 6) * 0x9E3779B97F4A7C15u >> 20) & (uint64_t)(s->table_size - 1);
}

static bool table_make(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  int64_t size = 8;
  while (size < 2 * s->count) size *= 2;
  int32_t *table = cni_alloc(o->object.graph, (size_t)size * sizeof *table);
  if (!table) return false;
  cni_free(o->object.graph, s->table);
  s->table = table;
  s->table_size = size;
  for (int64_t i = 0; i < size; i++) table[i] = -1;
  for (int64_t i = 0; i < s->count; i++) {
    uint64_t at = place_of(s, s->entries[i].variable);
    while (table[at] >= 0) at = (at + 1) & (uint64_t)(size - 1);
    table[at] = (int32_t)i;
  }
  return true;
}

cni_entry *cni_entry_of(const cn_optimizer *o, const cn_tensor *v) {
  const struct cni_optimizer_state *s = o->state;
  cni_entry *e = v->extra && v->extra->place < s->count ? &s->entries[v->extra->place] : NULL;
  if (e && e->variable == v && cni_entry_live(e)) return e;
  if (!s->table_size) return NULL;
  for (uint64_t at = place_of(s, v); s->table[at] >= 0; at = (at + 1) & (uint64_t)(s->table_size - 1)) {
    e = &s->entries[s->table[at]];
    if (e->variable != v) continue;
    if (!cni_entry_live(e)) return NULL;
    if (v->extra) v->extra->place = s->table[at];
    return e;
  }
  return NULL;
}

/* ---- building ---- */
static bool variables_ok(cn_optimizer *o, cn_tensor *const *v, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (!v[i]) return cni_optimizer_fail(o, CN_STATE, "variables[%lld] is missing", (long long)i);
    if (v[i]->graph != o->object.graph) return cni_optimizer_fail(o, CN_STATE, "variables[%lld] is of another graph", (long long)i);
    if (!cni_alive(v[i]->graph, v[i]) || !(v[i]->flags & CNI_VARIABLE)) return cni_optimizer_fail(o, CN_STATE, "variables[%lld] is no variable", (long long)i);
    if (!cni_is_float((cn_dtype)v[i]->dtype))
      return cni_optimizer_fail(o, CN_DTYPE, "variables[%lld] (%s) is %s", (long long)i, cni_variable_path(v[i]), cn_dtype_name((cn_dtype)v[i]->dtype));
  }
  return true;
}

/* Variables that were freed, or whose header serves another now. */
static void drop_dead(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  int64_t kept = 0;
  for (int64_t i = 0; i < s->count; i++) {
    if (cni_entry_live(&s->entries[i])) s->entries[kept++] = s->entries[i];
    else entry_free(&s->entries[i]);
  }
  s->count = kept;
}

static bool is_among(cn_tensor *const *v, int64_t n, const cn_tensor *t) {
  for (int64_t i = 0; i < n; i++)
    if (v[i] == t) return true;
  return false;
}

static bool add_entries(cn_optimizer *o, cn_tensor *const *v, int64_t n) {
  struct cni_optimizer_state *s = o->state;
  drop_dead(o);
  if (!table_make(o)) return false;
  const int64_t before = s->count;
  bool ok = true;
  for (int64_t i = 0; ok && i < n; i++) {
    if (cni_entry_of(o, v[i]) || is_among(v, i, v[i])) continue;
    ok = s->count < s->capacity || cni_grow(o->object.graph, (void **)&s->entries, s->count, &s->capacity, sizeof *s->entries);
    ok = ok && entry_make(o, v[i], &s->entries[s->count]);
    s->count += ok;
  }
  if (ok && table_make(o)) return true;
  while (s->count > before) entry_free(&s->entries[--s->count]);
  return false;
}

static bool own_make(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  if (!s->iteration && !(s->iteration = cni_optimizer_variable(o, CN_I64, CN_SCALAR, "iteration", 0))) return false;
  if (!s->schedule && !s->rate && !(s->rate = cni_optimizer_variable(o, CN_F32, CN_SCALAR, "learning_rate", s->learning_rate))) return false;
  return !r || !r->build || s->own[0] || r->build(o);
}

/* Every trainable variable of the graph, in order of creation. */
static bool all_variables(cn_graph *g, cn_tensor ***out, int64_t *n) {
  int64_t count = 0;
  cn_tensor *first = g->variables, *v;
  for (v = first; v; v = v->extra->next == first ? NULL : v->extra->next) count += !v->extra->frozen;
  cn_tensor **list = cni_arena_take(g, cni_step_arena(g), (size_t)(count ? count : 1) * sizeof *list);
  if (!list) return false;
  *n = 0;
  for (v = first; v; v = v->extra->next == first ? NULL : v->extra->next)
    if (!v->extra->frozen) list[(*n)++] = v;
  *out = list;
  return true;
}

bool cn_optimizer_build(cn_optimizer *o, cn_tensor *const *variables, int64_t n) {
  if (!o || !cn_ok(o->object.graph)) return false;
  struct cni_optimizer_state *s = o->state;
  cn_tensor **all = NULL;
  if (!variables && !all_variables(o->object.graph, &all, &n)) return false;
  if (!variables) variables = all;
  if (!variables_ok(o, variables, n)) return false;
  bool known = s->built;
  for (int64_t i = 0; known && i < n; i++)
    known = (i < s->count && s->entries[i].variable == variables[i] && cni_entry_live(&s->entries[i])) || cni_entry_of(o, variables[i]);
  if (known) return true;
  const cni_wrapper *w = cni_wrapper_of(o);
  if (!own_make(o) || (w && !w->build(o, variables, n)) || !add_entries(o, variables, n)) return false;
  return s->built = true;
}

/* ---- listing ---- */
typedef struct listing { cn_tensor **out; int64_t capacity, count; } listing;

static void list(listing *l, cn_tensor *t) {
  if (!t) return;
  if (l->count < l->capacity) l->out[l->count] = t;
  l->count++;
}

int64_t cn_optimizer_variables(cn_optimizer *o, cn_tensor **out, int64_t capacity) {
  if (!o || !o->state) return 0;
  const struct cni_optimizer_state *s = o->state;
  const cn_optimizer_methods *m = cni_methods(o);
  listing l = { out, capacity, 0 };
  list(&l, s->iteration);
  list(&l, s->rate);
  for (int64_t i = 0; i < s->count; i++) list(&l, s->entries[i].average);
  for (int64_t i = 0; i < s->count; i++) list(&l, s->entries[i].accumulator);
  for (int group = 0; m->slots && group < CN_OPTIMIZER_SLOTS; group++)
    for (int64_t i = 0; i < s->count; i++)
      for (int j = 0; m->slots[j].name; j++)
        if (m->slots[j].group == group) list(&l, s->entries[i].slot[j]);
  for (int i = 0; i < 2; i++) list(&l, s->own[i]);
  const cni_wrapper *w = cni_wrapper_of(o);
  if (w) l.count += w->variables(o, l.count < capacity ? out + l.count : NULL, l.count < capacity ? capacity - l.count : 0);
  return l.count;
}
