/* Gradients against finite differences. */
#include "gradcheck.h"
#include <math.h>
#include <stdio.h>
#include "graph_private.h"
#include "ops.h"
#include "../core/options_private.h"

#define MOST_INPUTS 64
#define MOST_ORDER 8

typedef struct check {
  const cn_gradcheck_args *a;
  cn_graph *g;
  int64_t n;
  double *point[MOST_INPUTS];                  /* the inputs' values; NULL for those that are not float */
  double *direction[MOST_ORDER][MOST_INPUTS];
  double *moved[MOST_INPUTS];                  /* of variables: what is written into them */
  cn_stream stream, weights;
  uint64_t streams;                            /* drawn from the graph before the first evaluation */
  cn_stream graph_stream;
  struct rewound { cn_stream *stream, value; } *random; /* streams that operations draw from */
  struct written { cn_tensor *variable; uint32_t version; void *value; } *states; /* variables that an evaluation writes: running statistics and the like */
  int64_t random_count, states_count;
  cn_gradcheck_report *r;
} check;

static bool differentiated(const check *c, int64_t i) { return c->point[i] != NULL; }
static bool in_place(const cn_tensor *x) { return (x->flags & CNI_VARIABLE) && x->dtype == CN_F64; }

/* ---- what an evaluation leaves behind ---- */
static void *stream_option(const cn_node *n) {
  const int i = n->op->flags & CN_OP_RANDOM ? cni_option_find(&n->op->schema, "stream") : -1;
  return i < 0 ? NULL : *(void *const *)cni_option_at_const(&n->op->schema, n->args, i);
}

static bool note_variables(check *c) {
  cn_graph *g = c->g;
  int64_t n = 0;
  for (cn_tensor *v = g->variables, *first = v; v; v = v->extra->next == first ? NULL : v->extra->next) n++;
  if (!(c->states = cni_arena_take(g, cni_step_arena(g), (size_t)(n + 1) * sizeof *c->states))) return false;
  for (cn_tensor *v = g->variables, *first = v; v; v = v->extra->next == first ? NULL : v->extra->next)
    c->states[c->states_count++] = (struct written){ v, cni_version(v), NULL };
  return true;
}

/* Of the variables, those that the evaluation has written; of its streams, all: each with what it is set to before every evaluation to come. */
static bool note_changes(check *c, int64_t tape) {
  cn_graph *g = c->g;
  int64_t kept = 0;
  for (int64_t i = 0; i < c->states_count; i++) {
    struct written *w = &c->states[i];
    const size_t bytes = (size_t)w->variable->count * cn_dtype_size((cn_dtype)w->variable->dtype);
    if (cni_version(w->variable) == w->version) continue;
    if (!(w->value = cni_arena_take(g, cni_step_arena(g), bytes + 1))) return false;
    memcpy(w->value, w->variable->data, bytes);
    c->states[kept++] = *w;
  }
  c->states_count = kept;
  if (!(c->random = cni_arena_take(g, cni_step_arena(g), (size_t)(g->tape_count - tape + 1) * sizeof *c->random))) return false;
  for (int64_t id = tape; id < g->tape_count; id++) {
    cn_stream *s = stream_option(g->tape[id]);
    if (s) c->random[c->random_count++] = (struct rewound){ s, *s };
  }
  return true;
}

static bool rewind_state(const check *c) {
  c->g->core.streams = c->streams;
  c->g->streams = c->graph_stream;
  for (int64_t i = 0; i < c->random_count; i++) *c->random[i].stream = c->random[i].value;
  for (int64_t i = 0; i < c->states_count; i++)
    if (c->states[i].value && !cn_assign_data(c->states[i].variable, c->states[i].value)) return false;
  return true;
}

/* x + h v as step tensors; variables are written. */
static bool inputs_at(const check *c, const double *const *v, double h, cn_tensor **x) {
  for (int64_t i = 0; i < c->n; i++) {
    cn_tensor *given = c->a->inputs.v[i];
    x[i] = given;
    if (!differentiated(c, i)) continue;
    for (int64_t k = 0; k < given->count; k++) c->moved[i][k] = c->point[i][k] + (v ? h * v[i][k] : 0);
    if (in_place(given) ? !cn_assign_data(given, c->moved[i]) : !(x[i] = cn_array(c->g, CN_F64, &given->dims, c->moved[i]))) return false;
  }
  return true;
}

/* sum of w * f(x): the weights are the same at each evaluation. */
static cn_tensor *weighted(check *c, cn_tensor *const *x) {
  cn_graph *g = c->g;
  if (!rewind_state(c)) return NULL;
  cn_tensor *y = c->a->function(g, x, c->n, c->a->user);
  if (!y || !cn_ok(g)) return NULL;
  if (y->dtype != CN_F64) return cn_fail(g, CN_DTYPE, "gradcheck: the function returns %s, not float64", cn_dtype_name((cn_dtype)y->dtype)), NULL;
  cn_stream s = c->weights;
  cn_tensor *w = cn_zeros(g, CN_F64, &y->dims);
  if (!w) return NULL;
  cn_random_fill_uniform(&s, CN_F64, w->data, w->count, 0.5, 1.5);
  return cn_sum(g, cn_multiply(g, y, w));
}

/* <grad s, v> over every differentiated input. */
static cn_tensor *slope(check *c, cn_tensor *s, cn_tensor *const *x, double *const *v) {
  cn_graph *g = c->g;
  cn_tensor *targets[MOST_INPUTS], *dx[MOST_INPUTS], *sum = NULL;
  int64_t n = 0, which[MOST_INPUTS];
  for (int64_t i = 0; i < c->n; i++)
    if (differentiated(c, i)) which[n] = i, targets[n++] = x[i];
  if (!s || !cn_gradients(g, s, CN_NO_TENSOR, targets, n, true, dx)) return NULL;
  for (int64_t k = 0; k < n; k++) {
    cn_tensor *along = cn_array(g, CN_F64, &dx[k]->dims, v[which[k]]), *part = cn_sum(g, cn_multiply(g, dx[k], along));
    sum = sum ? cn_add(g, sum, part) : part;
  }
  return sum;
}

/* D_order at x + h v; NaN after an error. */
static double derivative(check *c, int64_t order, const double *const *v, double h) {
  cn_tensor *x[MOST_INPUTS];
  if (!inputs_at(c, v, h, x)) return NAN;
  cn_tensor *s = weighted(c, x);
  for (int64_t k = 0; k < order; k++) s = slope(c, s, x, c->direction[k]);
  return cn_item(s);
}

static void compare(check *c, int64_t order, int64_t input, int64_t element) {
  double *const *v = c->direction[order - 1];
  const double h = c->a->step, analytic = derivative(c, order, NULL, 0);
  double d[4];
  for (int i = 0; i < 4; i++) d[i] = derivative(c, order - 1, (const double *const *)v, h * (i < 2 ? i - 2 : i - 1));
  const double numeric = (8 * (d[2] - d[1]) - (d[3] - d[0])) / (12 * h);
  double error = fabs(analytic - numeric) / fmax(1, fmax(fabs(analytic), fabs(numeric)));
  if (isnan(error)) error = INFINITY;
  const double tolerance = isnan(c->a->tolerance) ? (order == 1 ? 1e-6 : 1e-5) : c->a->tolerance;
  cn_gradcheck_report *r = c->r;
  r->comparisons++;
  const bool fails = !(error <= tolerance), before = r->input >= 0 && !(r->error <= tolerance), named = input >= 0 && fails;
  if (fails) r->passed = false;
  if (r->comparisons > 1 && (named == before ? !(error > r->error) : before)) return; /* an element that fails says more than a direction */
  *r = (cn_gradcheck_report){ r->passed, error, analytic, numeric, order, input, element, r->comparisons, "" };
}

static void random_direction(check *c, int64_t k) {
  for (int64_t i = 0; i < c->n; i++)
    if (differentiated(c, i)) cn_random_fill_uniform(&c->stream, CN_F64, c->direction[k][i], c->a->inputs.v[i]->count, -1, 1);
}

static void each_element(check *c, int64_t order) {
  for (int64_t i = 0; i < c->n; i++)
    for (int64_t e = 0; differentiated(c, i) && e < c->a->inputs.v[i]->count && cn_ok(c->g); e++) {
      for (int64_t j = 0; j < c->n; j++)
        if (differentiated(c, j)) memset(c->direction[order - 1][j], 0, (size_t)c->a->inputs.v[j]->count * sizeof(double));
      c->direction[order - 1][i][e] = 1;
      compare(c, order, i, e);
    }
}

static bool prepare(check *c) {
  cn_graph *g = c->g;
  const cn_gradcheck_args *a = c->a;
  if (!a->function || a->inputs.n < 1 || a->inputs.n > MOST_INPUTS)
    return cn_fail(g, CN_VALUE, "gradcheck: a function and 1 to %d inputs are needed", MOST_INPUTS), false;
  if (a->order < 1 || a->order > MOST_ORDER || a->directions < 1)
    return cn_fail(g, CN_VALUE, "gradcheck: order must be 1 to %d and directions at least 1", MOST_ORDER), false;
  for (int64_t i = 0; i < c->n; i++) {
    cn_tensor *x = a->inputs.v[i];
    if (x && !cni_given(x)) continue;
    if (!x || !cni_readable(g, x, true)) return false;
    if (!cni_is_float((cn_dtype)x->dtype)) continue;
    const size_t bytes = (size_t)(x->count ? x->count : 1) * sizeof(double);
    if (!(c->point[i] = cni_arena_take(g, cni_step_arena(g), bytes)) || !(c->moved[i] = cni_arena_take(g, cni_step_arena(g), bytes))) return false;
    cn_to_doubles(x, c->point[i]);
    for (int64_t k = 0; k < a->order; k++)
      if (!(c->direction[k][i] = cni_arena_take(g, cni_step_arena(g), bytes))) return false;
  }
  return true;
}

/* One evaluation, which shows what has to be rewound. Variables that are inputs are written by inputs_at. */
static bool rehearse(check *c) {
  cn_tensor *x[MOST_INPUTS];
  if (!inputs_at(c, NULL, 0, x) || !note_variables(c)) return false;
  const int64_t noted = c->states_count, tape = c->g->tape_count;
  c->states_count = 0;
  const bool ok = weighted(c, x) != NULL;
  c->states_count = noted;
  return ok && note_changes(c, tape);
}

static void restore(const check *c) {
  for (int64_t i = 0; i < c->n && i < MOST_INPUTS; i++)
    if (c->moved[i] && in_place(c->a->inputs.v[i])) cn_assign_data(c->a->inputs.v[i], c->point[i]);
}

/* "input 1 (dense/kernel), element 3" */
static void place(const check *c, char *text, size_t size) {
  const cn_gradcheck_report *r = c->r;
  const char *name = r->input < 0 ? "" : cn_name_of(c->a->inputs.v[r->input]);
  if (r->input < 0) snprintf(text, size, "a random direction");
  else snprintf(text, size, "input %lld%s%.60s%s, element %lld", (long long)r->input, *name ? " (" : "", name, *name ? ")" : "", (long long)r->element);
}

cn_gradcheck_report cn_gradcheck_run(const cn_gradcheck_args *a) {
  cn_gradcheck_report r = { .passed = false, .error = INFINITY, .input = -1, .element = -1 };
  if (!cn_ok(a->graph)) return r;
  check c = { .a = a,
              .g = a->graph,
              .n = a->inputs.n,
              .r = &r,
              .stream = { (uint64_t)a->seed, 0 },
              .weights = { (uint64_t)a->seed + 1, 0 },
              .streams = a->graph->core.streams,
              .graph_stream = a->graph->streams };
  const bool recording = cn_recording(a->graph, true);
  if (prepare(&c) && rehearse(&c)) {
    r.passed = true;
    for (int64_t order = 1; order <= a->order && cn_ok(a->graph); order++) {
      for (int64_t d = 0; d < a->directions && cn_ok(a->graph); d++) {
        for (int64_t k = 0; k < order; k++) random_direction(&c, k);
        compare(&c, order, -1, -1);
      }
      if (a->elementwise) each_element(&c, order);
    }
  }
  cn_recording(a->graph, recording);
  r.passed = r.passed && cn_ok(a->graph);
  restore(&c);
  char where[128];
  place(&c, where, sizeof where);
  if (!cn_ok(a->graph)) snprintf(r.text, sizeof r.text, "failed: %.200s", cn_error(a->graph));
  else
    snprintf(r.text, sizeof r.text, "%s: %lld comparisons, largest relative error %.2g in order %lld along %s: analytic %.9g, numeric %.9g",
             r.passed ? "passed" : "FAILED", (long long)r.comparisons, r.error, (long long)r.order, where, r.analytic, r.numeric);
  return r;
}
