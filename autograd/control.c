#include "control.h"
#include "graph_private.h"
#include "ops.h"

/* ---- what all share ---- */
/* The graph and the function at work: errors name it. */
typedef struct flow { cn_graph *g; const char *name, *before; } flow;

static bool begin(flow *f, cn_graph *g, const char *name) {
  *f = (flow){ g, name, g ? g->core.where : NULL };
  if (!cn_ok(g)) return false;
  g->core.where = name;
  return true;
}
static cn_tensor *const *end(const flow *f, cn_tensor *const *y) {
  if (f->g) f->g->core.where = f->before;
  return y && cn_ok(f->g) ? y : cni_nulls;
}

static cn_tensor **tensors(const flow *f, int64_t n) {
  size_t bytes;
  if (n < 0 || !cni_size_multiply((size_t)n + 1, sizeof(cn_tensor *), &bytes)) return cn_fail(f->g, CN_VALUE, "%lld outputs", (long long)n), NULL;
  cn_tensor **y = cni_arena_take(f->g, cni_step_arena(f->g), bytes);
  if (y) memset(y, 0, bytes);
  return y;
}

/* Whether all may be handed to a block. */
static bool usable(const flow *f, const cn_tensors *x, const char *what) {
  for (int64_t i = 0; i < x->n; i++) {
    if (!x->v[i]) return cn_fail(f->g, CN_STATE, "%s %lld is NULL", what, (long long)i), false;
    if (!cni_readable(f->g, x->v[i], true)) return false;
  }
  return true;
}
static bool given(const flow *f, bool there, const char *what) {
  if (!there) cn_fail(f->g, CN_VALUE, "%s is missing", what);
  return there;
}

/* y[0 .. m) = f(x[0 .. n)). The names of errors within are those of whoever called the control flow. */
static bool run(const flow *f, cn_block block, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  cn_graph *g = f->g;
  memset(y, 0, (size_t)m * sizeof *y);
  g->core.where = f->before;
  block(g, x, n, y, m, user);
  if (!cn_ok(g)) return false;
  g->core.where = f->name;
  for (int64_t i = 0; i < m; i++)
    if (!y[i]) return cn_fail(g, CN_STATE, "output %lld was not written", (long long)i), false;
  return usable(f, &(const cn_tensors){ y, m }, "output");
}

/* The value of one number. What depends on it is recorded as it went this time, and no compiled step may repeat it. */
static bool number(const flow *f, const cn_tensor *x, const char *what, double *value) {
  char t[160];
  if (!x || !cni_readable(f->g, x, true)) return given(f, x != NULL, what) && false;
  if (x->dtype == CN_STRING || x->count != 1)
    return cn_fail(f->g, CN_SHAPE, "%s must be one number, got %s %s", what, cn_dtype_name((cn_dtype)x->dtype), cn_dims_text(&x->dims, t, sizeof t)), false;
  cni_capture_spoil(f->g);
  *value = cni_value_at(x, 0);
  return true;
}

/* The variables of a loop keep their shapes and dtypes. */
static bool same_kinds(const flow *f, cn_tensor *const *before, cn_tensor *const *after, int64_t n) {
  char a[160], b[160];
  for (int64_t i = 0; i < n; i++) {
    const cn_tensor *p = before[i], *q = after[i];
    if (p->dtype == q->dtype && cn_dims_equal(&p->dims, &q->dims)) continue;
    cn_fail(f->g, CN_SHAPE, "variable %lld was %s %s and became %s %s", (long long)i, cn_dtype_name((cn_dtype)p->dtype), cn_dims_text(&p->dims, a, sizeof a),
            cn_dtype_name((cn_dtype)q->dtype), cn_dims_text(&q->dims, b, sizeof b));
    return false;
  }
  return true;
}

static void copy(cn_tensor **to, cn_tensor *const *from, int64_t n) {
  if (n) memcpy(to, from, (size_t)n * sizeof *to);
}

/* ---- branches ---- */
static cn_tensor *const *branch(const flow *f, cn_block block, const cn_tensors *operands, int64_t outputs, void *user) {
  if (!given(f, block != NULL, "the branch") || !usable(f, operands, "operand")) return NULL;
  cn_tensor **y = tensors(f, outputs);
  return y && run(f, block, operands->v, operands->n, y, outputs, user) ? y : NULL;
}

cn_tensor *const *cn_cond_run(const cn_cond_args *a) {
  flow f;
  double holds;
  if (!begin(&f, a->graph, "cond") || !given(&f, a->true_fn && a->false_fn, "true_fn or false_fn") || !number(&f, a->pred, "pred", &holds))
    return end(&f, NULL);
  return end(&f, branch(&f, holds != 0 ? a->true_fn : a->false_fn, &a->operands, a->outputs, a->user));
}

cn_tensor *const *cn_switch_run(const cn_switch_args *a) {
  flow f;
  double index;
  if (!begin(&f, a->graph, "switch") || !given(&f, a->branches && a->count > 0, "a branch") || !number(&f, a->index, "index", &index)) return end(&f, NULL);
  const double last = (double)(a->count - 1);
  return end(&f, branch(&f, a->branches[(int64_t)(index > 0 ? index < last ? index : last : 0)], &a->operands, a->outputs, a->user));
}

/* ---- loops ---- */
cn_tensor *const *cn_while_loop_run(const cn_while_loop_args *a) {
  flow f;
  const int64_t n = a->loop_vars.n;
  if (!begin(&f, a->graph, "while_loop") || !given(&f, a->cond && a->body, "cond or body") || !usable(&f, &a->loop_vars, "variable")) return end(&f, NULL);
  cn_tensor **x = tensors(&f, n), **y = tensors(&f, n), *condition;
  double holds = 0;
  if (!x || !y) return end(&f, NULL);
  copy(x, a->loop_vars.v, n);
  for (int64_t i = 0; a->maximum_iterations == CN_NONE || i < a->maximum_iterations; i++) {
    if (!run(&f, a->cond, x, n, &condition, 1, a->user) || !number(&f, condition, "the condition", &holds)) return end(&f, NULL);
    if (holds == 0) break;
    if (!run(&f, a->body, x, n, y, n, a->user) || !same_kinds(&f, x, y, n)) return end(&f, NULL);
    copy(x, y, n);
  }
  return end(&f, x);
}

cn_tensor *const *cn_fori_loop_run(const cn_fori_loop_args *a) {
  flow f;
  const int64_t n = a->init_val.n;
  if (!begin(&f, a->graph, "fori_loop") || !given(&f, a->body_fun != NULL, "body_fun") ||
      !given(&f, a->lower != CN_REQUIRED && a->upper != CN_REQUIRED, "lower or upper") || !usable(&f, &a->init_val, "value"))
    return end(&f, NULL);
  cn_tensor **x = tensors(&f, n + 1), **y = tensors(&f, n); /* x: the index, then the values */
  if (!x || !y) return end(&f, NULL);
  copy(x + 1, a->init_val.v, n);
  for (int64_t i = a->lower; i < a->upper; i++) {
    if (!(x[0] = cn_full(f.g, CN_I32, CN_SCALAR, (double)i)) || !run(&f, a->body_fun, x, n + 1, y, n, a->user) || !same_kinds(&f, x + 1, y, n))
      return end(&f, NULL);
    copy(x + 1, y, n);
  }
  return end(&f, x + 1);
}

/* The common length of the first axes, or -1. */
static int64_t length_of(const flow *f, const cn_tensors *xs, int64_t length) {
  char t[160];
  if (!usable(f, xs, "input")) return -1;
  for (int64_t i = 0; i < xs->n; i++) {
    const cn_dims *d = &xs->v[i]->dims;
    if (d->rank && (length == CN_NONE || length == d->d[0])) length = d->d[0];
    else
      return cn_fail(f->g, CN_SHAPE, "input %lld is %s and cannot be cut into %lld slices", (long long)i, cn_dims_text(d, t, sizeof t),
                     (long long)(length == CN_NONE ? 1 : length)),
             -1;
  }
  return given(f, length != CN_NONE && length >= 0, "length") ? length : -1;
}

/* Slices of each of xs. Each is one operation, so that its gradient is one stack. */
static bool slice_all(const flow *f, const cn_tensors *xs, int64_t length, cn_tensor *const **slices) {
  for (int64_t i = 0; length && i < xs->n; i++) slices[i] = cn_unstack(f->g, xs->v[i], .num = length);
  return cn_ok(f->g);
}

/* outputs [length, m] stacked to results[0 .. m). */
static bool stack_all(const flow *f, cn_tensor *const *outputs, int64_t length, int64_t m, cn_tensor **results) {
  cn_tensor **column = tensors(f, length);
  for (int64_t k = 0; column && k < m; k++) {
    for (int64_t i = 0; i < length; i++) column[i] = outputs[i * m + k];
    const cn_tensors all = { column, length };
    if (!(results[k] = cn_stack(f->g, all))) return false;
  }
  return column != NULL;
}

/* carries and outputs of every turn; x: carries and a slice of each input. Returns carries and stacked outputs. */
static cn_tensor *const *scan(const flow *f, const cn_scan_args *a, int64_t length) {
  const int64_t n = a->init.n, m = a->outputs;
  if (m > 0 && !length) return cn_fail(f->g, CN_VALUE, "there is no slice whose outputs could be stacked"), NULL;
  cn_tensor **x = tensors(f, n + a->xs.n), **y = tensors(f, n + m),
            **outputs = m < 0 || m > INT32_MAX || length > INT32_MAX ? tensors(f, -1) : tensors(f, m * length), **results = tensors(f, n + m);
  cn_tensor *const **slices = (cn_tensor *const **)(void *)tensors(f, a->xs.n);
  if (!x || !y || !outputs || !results || !slices || !slice_all(f, &a->xs, length, slices)) return NULL;
  copy(x, a->init.v, n);
  for (int64_t turn = 0; turn < length; turn++) {
    const int64_t i = a->reverse ? length - 1 - turn : turn;
    for (int64_t k = 0; k < a->xs.n; k++) x[n + k] = slices[k][i];
    if (!run(f, a->f, x, n + a->xs.n, y, n + m, a->user) || !same_kinds(f, x, y, n)) return NULL;
    copy(x, y, n);
    copy(outputs + i * m, y + n, m);
  }
  copy(results, x, n);
  return !m || stack_all(f, outputs, length, m, results + n) ? results : NULL;
}

cn_tensor *const *cn_scan_run(const cn_scan_args *a) {
  flow f;
  if (!begin(&f, a->graph, "scan") || !given(&f, a->f != NULL, "f") || !usable(&f, &a->init, "carry")) return end(&f, NULL);
  const int64_t length = length_of(&f, &a->xs, a->length);
  return end(&f, length < 0 ? NULL : scan(&f, a, length));
}

cn_tensor *const *cn_map_run(const cn_map_args *a) {
  flow f;
  if (!begin(&f, a->graph, "map") || !given(&f, a->f != NULL, "f")) return end(&f, NULL);
  const int64_t length = length_of(&f, &a->xs, CN_NONE);
  const cn_scan_args as_scan = { .graph = a->graph, .f = a->f, .xs = a->xs, .length = length, .outputs = a->outputs, .user = a->user };
  return end(&f, length < 0 ? NULL : scan(&f, &as_scan, length));
}

/* ---- associative scan ---- */
typedef struct prefixes { const flow *f; cn_block block; void *user; int64_t n; int axis; } prefixes;

/* Elements start, start + step, ... below stop of each tensor along the axis. */
static bool elements(const prefixes *p, cn_tensor *const *x, int64_t start, int64_t stop, int64_t step, cn_tensor **y) {
  cn_tensor *index = cn_arange(p->f->g, CN_I64, (double)start, (double)stop, (double)step);
  for (int64_t i = 0; i < p->n; i++) y[i] = cn_take(p->f->g, x[i], index, .axis = p->axis);
  return cn_ok(p->f->g);
}

/* y = a[0], b[0], a[1], b[1], ...: all of a and b, which has as many or one less. */
static bool interleave(const prefixes *p, cn_tensor *const *a, cn_tensor *const *b, cn_tensor **y) {
  cn_graph *g = p->f->g;
  const int64_t na = a[0]->dims.d[p->axis], nb = b[0]->dims.d[p->axis];
  cn_tensor *order = cn_zeros(g, CN_I64, CN_DIMS(na + nb));
  for (int64_t i = 0; order && i < na + nb; i++) ((int64_t *)order->data)[i] = i % 2 ? na + i / 2 : i / 2;
  for (int64_t i = 0; order && i < p->n; i++) y[i] = cn_take(g, cn_concatenate(g, CN_TENSORS(a[i], b[i]), .axis = p->axis), order, .axis = p->axis);
  return cn_ok(g);
}

/* y[0 .. n) = the prefixes of x: pairs are combined, their prefixes are those of the odd elements, and each even one continues the odd one before it. */
static bool prefixes_of(const prefixes *p, cn_tensor *const *x, cn_tensor **y) {
  const int64_t n = p->n, size = x[0]->dims.d[p->axis];
  if (size < 2) return copy(y, x, n), true;
  cn_tensor **pair = tensors(p->f, 2 * n), **odd = tensors(p->f, n), **even = tensors(p->f, n), **first = tensors(p->f, n);
  if (!pair || !odd || !even || !first) return false;
  if (!elements(p, x, 0, size - 1, 2, pair) || !elements(p, x, 1, size, 2, pair + n) || !run(p->f, p->block, pair, 2 * n, even, n, p->user) ||
      !same_kinds(p->f, pair, even, n) || !prefixes_of(p, even, odd))
    return false;
  if (!elements(p, x, 0, 1, 1, first)) return false;
  if (size == 2) return interleave(p, first, odd, y);
  const int64_t more = (size - 1) / 2; /* even elements behind the first */
  if (!elements(p, odd, 0, more, 1, pair) || !elements(p, x, 2, size, 2, pair + n) || !run(p->f, p->block, pair, 2 * n, even, n, p->user) ||
      !same_kinds(p->f, pair, even, n))
    return false;
  for (int64_t i = 0; i < n; i++) first[i] = cn_concatenate(p->f->g, CN_TENSORS(first[i], even[i]), .axis = p->axis);
  return cn_ok(p->f->g) && interleave(p, first, odd, y);
}

static bool flip_all(const prefixes *p, cn_tensor **x) {
  for (int64_t i = 0; i < p->n; i++) x[i] = cn_flip(p->f->g, x[i], .axis = CN_INTS(p->axis));
  return cn_ok(p->f->g);
}

static bool one_size(const prefixes *p, const cn_tensors *x) {
  char t[160];
  for (int64_t i = 0; i < x->n; i++) {
    const cn_dims *d = &x->v[i]->dims;
    if (d->rank > p->axis && d->d[p->axis] == x->v[0]->dims.d[p->axis]) continue;
    cn_fail(p->f->g, CN_SHAPE, "element %lld is %s: along axis %d it does not fit element 0", (long long)i, cn_dims_text(d, t, sizeof t), p->axis);
    return false;
  }
  return true;
}

cn_tensor *const *cn_associative_scan_run(const cn_associative_scan_args *a) {
  flow f;
  if (!begin(&f, a->graph, "associative_scan") || !given(&f, a->f != NULL, "f") || !given(&f, a->elems.n > 0, "an element") ||
      !usable(&f, &a->elems, "element"))
    return end(&f, NULL);
  prefixes p = { &f, a->f, a->user, a->elems.n, cn_axis(f.g, a->axis, a->elems.v[0]->dims.rank) };
  if (p.axis < 0 || !one_size(&p, &a->elems)) return end(&f, NULL);
  cn_tensor **x = tensors(&f, p.n), **y = tensors(&f, p.n);
  if (!x || !y) return end(&f, NULL);
  copy(x, a->elems.v, p.n);
  if ((a->reverse && !flip_all(&p, x)) || !prefixes_of(&p, x, y) || (a->reverse && !flip_all(&p, y))) return end(&f, NULL);
  return end(&f, y);
}
