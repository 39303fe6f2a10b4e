/* Gradients of operations: against finite differences in orders 1 and 2, the fused ones against those in operations; and mutation control: a gradient that is
 * made wrong is caught. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include "../autograd/gradcheck.h"
#include "../core/threads_private.h"
#include "sweep.h"

/* ---- finite differences ---- */
typedef struct subject { sample *s; const cn_op *op; int output; } subject;
static cn_tensor *run_subject(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const subject *u = user;
  (void)n;
  cn_tensor *const *y = sample_run(g, u->s, u->op, x);
  return cn_ok(g) ? y[u->output] : NULL;
}

static cn_gradcheck_report checked(cn_graph *g, const cn_op *op, sample *s, int output, int64_t order, int64_t directions) {
  subject u = { s, op, output };
  const cn_tensors inputs = { s->x, s->nx };
  return cn_gradcheck(g, run_subject, inputs, .user = &u, .order = order, .directions = directions);
}

/* How many outputs there are, and whether one can have a gradient of an input. */
static int outputs_of(cn_graph *g, const cn_op *op, sample *s) {
  cn_tensor *const *y = sample_run(g, s, op, s->x);
  return cn_ok(g) && y[0]->node ? (int)sample_outputs(g, s, op) : 0;
}
static bool differentiable(cn_graph *g, const cn_op *op, sample *s, int output) {
  cn_tensor *targets[SWEEP_INPUTS], *const *y = sample_run(g, s, op, s->x);
  bool any = false;
  for (int64_t i = 0, n = sample_targets(s, targets); i < n; i++) any |= targets[i]->count > 0;
  return cn_ok(g) && any && y[output]->dtype == CN_F64 && y[output]->count;
}

static void gradient_of(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 5, 0 };
  if (op->flags & CN_OP_NO_GRADIENT) return;
  cr_assert(sample_make(g, op, text, CN_F64, &stream, &s), "%s", cn_error(g));
  for (int i = 0, n = outputs_of(g, op, &s); i < n; i++) {
    if (!differentiable(g, op, &s, i)) continue;
    const cn_gradcheck_report r = checked(g, op, &s, i, 2, 20);
    cr_expect(r.passed, "%s (%s), output %d: %s", op->name, text, i, r.text);
  }
}
Test(autograd_gradients, orders_1_and_2) { sweep_samples(gradient_of); }

/* Views, and every pair of shapes that broadcast. */
static void gradient_of_views(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 6, 0 };
  if (op->flags & CN_OP_NO_GRADIENT) return;
  cr_assert(sample_make(g, op, text, CN_F64, &stream, &s) && sample_view(g, &s), "%s", cn_error(g));
  for (int i = 0, n = outputs_of(g, op, &s); i < n; i++) {
    if (!differentiable(g, op, &s, i)) continue;
    const cn_gradcheck_report r = checked(g, op, &s, i, 1, 2);
    cr_expect(r.passed, "%s (%s, views), output %d: %s", op->name, text, i, r.text);
  }
}
Test(autograd_gradients, of_views) { sweep_samples(gradient_of_views); }

static const cn_dims shapes[] = { { 0, { 0 } },    { 1, { 1 } },       { 1, { 4 } },       { 2, { 3, 1 } },    { 2, { 3, 4 } },
                                  { 2, { 1, 4 } }, { 3, { 2, 1, 1 } }, { 3, { 2, 3, 4 } }, { 3, { 2, 3, 1 } }, { 4, { 2, 1, 3, 1 } } };
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))
static bool pair(cn_graph *g, const cn_op *op, int a, int b, sample *s) {
  cn_stream stream = { 9, 0 };
  cr_assert(sample_read(g, op, op->samples[0], s), "%s", cn_error(g));
  for (int64_t i = 0; i < s->nx; i++) s->in[i].dims = shapes[i % 2 ? b : a];
  return sample_fill(g, s, CN_F64, &stream);
}
Test(autograd_gradients, of_broadcast_pairs) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (int k = 0; k < SHAPES * SHAPES && op->inputs >= 2 && (op->flags & (CN_OP_BROADCASTS | CN_OP_NO_GRADIENT)) == CN_OP_BROADCASTS; k++) {
      sample s;
      char ta[160], tb[160];
      const cn_dims *a = &shapes[k / SHAPES], *b = &shapes[k % SHAPES];
      cr_assert(pair(g, op, k / SHAPES, k % SHAPES, &s), "%s", cn_error(g));
      if (differentiable(g, op, &s, 0)) {
        const cn_gradcheck_report r = checked(g, op, &s, 0, 1, 2);
        cr_expect(r.passed, "%s, %s with %s: %s", op->name, cn_dims_text(a, ta, sizeof ta), cn_dims_text(b, tb, sizeof tb), r.text);
      }
      cn_graph_clear(g);
    }
  cn_graph_free(g);
}

/* ---- the fused gradient and the one in operations ---- */
/* A random gradient for each float output, so that no rule can leave one out. */
static cn_tensor *weighted_outputs(cn_graph *g, cn_tensor *const *y, int64_t n, cn_stream *stream) {
  cn_tensor *sum = NULL;
  for (int64_t i = 0; i < n; i++) {
    if (y[i]->dtype != CN_F64) continue;
    cn_tensor *w = cn_zeros(g, CN_F64, &y[i]->dims);
    if (!w) return NULL;
    cn_random_fill_uniform(stream, CN_F64, w->data, w->count, 0.5, 1.5);
    cn_tensor *part = cn_sum(g, cn_multiply(g, y[i], w));
    sum = sum ? cn_add(g, sum, part) : part;
  }
  return sum;
}

/* Gradients of all inputs in the one or the other way; false: there is none. */
static bool gradients(cn_graph *g, const cn_op *op, sample *s, bool in_operations, cn_tensor **dx, int64_t *n) {
  cn_tensor *targets[SWEEP_INPUTS];
  cn_stream stream = { 13, 0 };
  cn_tensor *const *y = sample_run(g, s, op, s->x), *sum = cn_ok(g) ? weighted_outputs(g, y, sample_outputs(g, s, op), &stream) : NULL;
  *n = sample_targets(s, targets);
  return sum && *n && cn_gradients(g, sum, CN_NO_TENSOR, targets, *n, in_operations, dx);
}

static double most_apart(const cn_tensor *a, const cn_tensor *b, int64_t *where) {
  double most = 0;
  for (int64_t k = 0; k < a->count; k++) {
    const double p = cn_at(a, k), q = cn_at(b, k), d = isnan(p) && isnan(q) ? 0 : p == q ? 0 : fabs(p - q) / fmax(1, fabs(q));
    if (!(d <= most)) most = isnan(d) ? INFINITY : d, *where = k;
  }
  return most;
}

static void compare_fused(cn_graph *g, sample *s, const char *what) {
  cn_tensor *a[SWEEP_INPUTS], *b[SWEEP_INPUTS];
  int64_t n, at = 0;
  const bool both = gradients(g, s->op, s, false, a, &n) && gradients(g, s->op, s, true, b, &n);
  cr_expect(cn_ok(g), "%s (%s): %s", s->op->name, what, cn_error(g));
  for (int64_t i = 0; both && i < n; i++) {
    const double d = most_apart(a[i], b[i], &at);
    cr_expect(d <= 1e-11, "%s (%s): gradient %lld, element %lld is %.17g fused, %.17g in operations", s->op->name, what, (long long)i, (long long)at,
              cn_at(a[i], at), cn_at(b[i], at));
  }
}

static void fused_is_vjp(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 5, 0 };
  if ((op->flags & CN_OP_NO_GRADIENT) || !op->backward) return;
  cr_assert(sample_make(g, op, text, CN_F64, &stream, &s), "%s", cn_error(g));
  compare_fused(g, &s, text);
}

/* Also of other sizes of the first input's last axis, the largest of which is divided among threads. */
static const int64_t sizes[] = { 0, 1, 7, 15, 16, 17, 33, 1000, 3 * CNI_GRAIN };
static void fused_of_sizes(cn_graph *g, const cn_op *op, const char *text) {
  char what[256];
  sample s;
  if ((op->flags & CN_OP_NO_GRADIENT) || !op->backward || !sample_read(g, op, text, &s) || !s.in[0].dims.rank) return;
  const int64_t from = s.in[0].dims.d[s.in[0].dims.rank - 1];
  for (size_t i = 0; from > 1 && i < sizeof sizes / sizeof *sizes; i++) {
    cn_stream stream = { 5, 0 };
    cr_assert(sample_read(g, op, text, &s));
    snprintf(what, sizeof what, "%s with %lld instead of %lld", text, (long long)sizes[i], (long long)from);
    const int64_t elements = sample_resize(&s, from, sizes[i]) ? sample_elements(g, &s) : -1;
    if (elements >= 0 && elements <= 24 * CNI_GRAIN && sample_fill(g, &s, CN_F64, &stream) && cni_given(sample_run(g, &s, op, s.x)[0])) {
      if (cn_ok(g)) compare_fused(g, &s, what);
    }
    cn_graph_clear(g);
  }
}
static void every_fused(void) {
  sweep_samples(fused_is_vjp);
  sweep_samples(fused_of_sizes);
}
TEST_EACH_ISA(autograd_gradients, fused_are_those_in_operations, every_fused)

/* An activation's product that is left to the rule of the normalization before it; targets from `first` on of x, gamma, beta. */
static void compare_passed(cn_graph *g, const cn_dims *dims, int64_t axis, int first) {
  cn_stream stream = { 3, 0 };
  const cn_dims width = { 1, { dims->d[axis] } };
  cn_tensor *in[3], *a[3], *b[3];
  int64_t at = 0;
  for (int i = 0; i < 3; i++) {
    in[i] = cn_zeros(g, CN_F64, i ? &width : dims);
    cn_random_fill_uniform(&stream, CN_F64, in[i]->data, in[i]->count, -2, 2);
    cn_watch(in[i]);
  }
  cn_tensor *y = cn_gelu(g, cn_layer_normalization(g, in[0], in[1], in[2], .axis = CN_INTS(axis)), .approximate = false);
  cn_tensor *sum = weighted_outputs(g, &y, 1, &stream);
  cr_assert(cn_gradients(g, sum, CN_NO_TENSOR, in + first, 3 - first, false, a) && cn_gradients(g, sum, CN_NO_TENSOR, in + first, 3 - first, true, b), "%s",
            cn_error(g));
  for (int i = 0; i < 3 - first; i++) {
    const double d = most_apart(a[i], b[i], &at);
    cr_expect(d <= 1e-11, "gradient %d, element %lld is %.17g passed on, %.17g in operations", first + i, (long long)at, cn_at(a[i], at), cn_at(b[i], at));
  }
  cn_graph_clear(g);
}
static void every_passed(void) {
  cn_graph *g = cn_graph_new(.seed = 11);
  for (int first = 0; first < 3; first++) {
    compare_passed(g, CN_DIMS(5, 33), 1, first);
    compare_passed(g, CN_DIMS(7, 4, 6), 1, first);
    compare_passed(g, CN_DIMS(301, 400), 1, first);
  }
  cn_graph_free(g);
}
TEST_EACH_ISA(autograd_gradients, slopes_that_are_passed_on, every_passed)

/* ---- mutation control ---- */
typedef enum { SCALED, NEGATED, DROPPED, ROLLED, UNSUMMED, MUTANTS } mutation;
static const char *const mutation_names[] = { "scaled by 1.01", "negated", "one input dropped", "last axis rolled", "broadcast sum skipped" };
static struct { const cn_op *op; mutation kind; int32_t input; } mutant; /* of the test that runs: each has a process of its own */

static cn_tensor *rolled(cn_graph *g, cn_tensor *t) { return t->dims.rank ? cn_roll(g, t, CN_INTS(1), .axis = CN_INTS(-1)) : t; }
/* The first of the elements that should be summed where x was broadcast. */
static cn_tensor *unsummed(cn_graph *g, cn_tensor *t, const cn_tensor *x) {
  const int lead = t->dims.rank - x->dims.rank;
  for (int i = 0; i < t->dims.rank; i++)
    if ((i < lead || x->dims.d[i - lead] == 1) && t->dims.d[i] > 1) t = cn_take(g, t, cn_zeros(g, CN_I64, CN_DIMS(1)), .axis = i);
  const cn_ints shape = { x->dims.d, x->dims.rank };
  return cn_reshape(g, t, .newshape = shape);
}
static cn_tensor *mutated(cn_graph *g, const cn_node *n, int32_t i, cn_tensor *gx) {
  switch (mutant.kind) {
  case SCALED: return cn_scale(g, gx, 1.01);
  case NEGATED: return cn_negative(g, gx);
  case DROPPED: return NULL;
  case ROLLED: return rolled(g, gx);
  default: return mutant.op->flags & CN_OP_BROADCASTS ? unsummed(g, gx, n->x[i]) : gx;
  }
}
static void mutated_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const int32_t i = mutant.input;
  mutant.op->vjp(g, n, gy, want, gx);
  if (i < n->nx && gx[i]) gx[i] = mutated(g, n, i, gx[i]);
}

/* The same on the memory that a fused gradient wrote. */
static void mutate_memory(double *v, const cn_dims *d, const cn_dims *x) {
  const int64_t n = cn_dims_count(d), last = d->rank ? d->d[d->rank - 1] : 1;
  for (int64_t i = 0; i < n; i++) v[i] *= mutant.kind == SCALED ? 1.01 : mutant.kind == NEGATED ? -1 : mutant.kind == DROPPED ? 0 : 1;
  for (int64_t row = 0; mutant.kind == ROLLED && last > 1 && row < n / last; row++) {
    const double end = v[row * last + last - 1];
    memmove(v + row * last + 1, v + row * last, (size_t)(last - 1) * sizeof *v);
    v[row * last] = end;
  }
  for (int64_t i = 0; mutant.kind == UNSUMMED && i < n; i++) { /* keeps what stands first along each broadcast axis */
    int64_t rest = i;
    for (int k = d->rank - 1; k >= 0; rest /= d->d[k], k--)
      if ((k < d->rank - x->rank || x->d[k - (d->rank - x->rank)] == 1) && rest % d->d[k]) v[i] = 0;
  }
}
static cn_code mutated_backward(const cn_call *c) {
  const cn_code code = mutant.op->backward(c);
  const int32_t i = mutant.input;
  const bool wide = mutant.op->flags & CN_OP_BROADCASTS;
  if (code == CN_OK && i < c->nx && c->gx[i] && (wide || mutant.kind != UNSUMMED))
    mutate_memory(c->gx[i], wide ? &c->y[0]->dims : &c->x[i]->dims, &c->x[i]->dims);
  return code;
}

typedef enum { NO_EFFECT, CAUGHT, MISSED } verdict;
/* Runs the mutant on a sample. Without effect: the right gradient is the same (zeros, one element, nothing broadcast). */
static verdict try_vjp(cn_graph *g, sample *s) {
  cn_tensor *a[SWEEP_INPUTS], *b[SWEEP_INPUTS];
  int64_t n, at;
  bool effect = false;
  cn_op wrong = *mutant.op;
  wrong.vjp = mutated_vjp;
  wrong.backward = NULL;
  if (!gradients(g, mutant.op, s, true, a, &n) || !gradients(g, &wrong, s, true, b, &n)) return NO_EFFECT;
  for (int64_t i = 0; i < n; i++) effect |= most_apart(a[i], b[i], &at) > 1e-3;
  if (!effect) return NO_EFFECT;
  for (int i = 0, outputs = outputs_of(g, mutant.op, s); i < outputs; i++)
    if (differentiable(g, mutant.op, s, i) && !checked(g, &wrong, s, i, 1, 3).passed) return CAUGHT;
  return MISSED;
}
static verdict try_backward(cn_graph *g, sample *s) {
  cn_tensor *right[SWEEP_INPUTS], *a[SWEEP_INPUTS], *b[SWEEP_INPUTS];
  int64_t n, at;
  bool effect = false, caught = false;
  cn_op wrong = *mutant.op;
  wrong.backward = mutated_backward;
  if (!gradients(g, mutant.op, s, false, right, &n) || !gradients(g, &wrong, s, false, a, &n) || !gradients(g, &wrong, s, true, b, &n)) return NO_EFFECT;
  for (int64_t i = 0; i < n; i++) {
    effect |= most_apart(right[i], a[i], &at) > 1e-3;
    caught |= most_apart(a[i], b[i], &at) > 1e-11;
  }
  return !effect ? NO_EFFECT : caught ? CAUGHT : MISSED;
}

/* Mutants that no sample can show: each with its reason. */
static const struct { const char *op; mutation kind; int input; const char *reason; } exceptions[] = {
  { NULL, MUTANTS, 0, NULL },
};
static bool excepted(const cn_op *op, mutation kind, int input) {
  for (int i = 0; exceptions[i].op; i++)
    if (!strcmp(exceptions[i].op, op->name) && exceptions[i].kind == kind && exceptions[i].input == input) return true;
  return false;
}

static verdict on_sample(cn_graph *g, sample *s, bool fused) {
  const verdict v = fused ? try_backward(g, s) : try_vjp(g, s);
  cn_graph_clear(g);
  return v;
}
/* Over the samples until one shows the mutant; for the sum over broadcast axes, over pairs of shapes. */
static verdict over_samples(cn_graph *g, bool fused) {
  verdict v = NO_EFFECT;
  sample s;
  for (int k = 0; v == NO_EFFECT && mutant.kind == UNSUMMED && k < SHAPES * SHAPES; k++)
    if (pair(g, mutant.op, k / SHAPES, k % SHAPES, &s)) v = on_sample(g, &s, fused);
  for (const char *const *t = mutant.op->samples; v == NO_EFFECT && *t; t++) {
    cn_stream stream = { 5, 0 };
    cr_assert(sample_make(g, mutant.op, *t, CN_F64, &stream, &s), "%s", cn_error(g));
    v = on_sample(g, &s, fused);
  }
  return v;
}

/* Which inputs ever have a gradient that is not zero. */
static bool has_gradient(cn_graph *g, const cn_op *op, int32_t input) {
  mutant.op = op, mutant.kind = NEGATED, mutant.input = input;
  return over_samples(g, false) != NO_EFFECT;
}
static int mutants_of(cn_graph *g, const cn_op *op, int32_t input) {
  int n = 0;
  if (!has_gradient(g, op, input)) return 0;
  for (mutation m = SCALED; m < MUTANTS; m++) {
    if (m == UNSUMMED && (op->inputs < 2 || !(op->flags & CN_OP_BROADCASTS)))
      continue; /* its rule sums by itself, if at all; the sum is no step that could be skipped */
    for (int fused = 0; fused < (op->backward ? 2 : 1); fused++) {
      mutant.kind = m;
      const verdict v = over_samples(g, fused);
      cr_expect(v == CAUGHT || (v == NO_EFFECT && excepted(op, m, input)), "%s: the %s gradient of input %d, %s, %s", op->name, fused ? "fused" : "recorded",
                (int)input, mutation_names[m], v == MISSED ? "was not caught" : "cannot be seen on any sample");
      n++;
    }
  }
  return n;
}
Test(autograd_gradients, mutants_are_caught) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  int caught = 0;
  for (int64_t i = 0; (op = cn_op_at(i)); i++) {
    if ((op->flags & CN_OP_NO_GRADIENT) || !op->vjp) continue;
    int of_op = 0;
    for (int32_t k = 0; k < (op->inputs == CN_LIST ? 2 : op->inputs); k++) of_op += mutants_of(g, op, k);
    cr_expect(of_op, "%s has no sample with a gradient that is not zero", op->name);
    caught += of_op;
  }
  cr_assert(caught > 800, "%d mutants", caught);
  cn_graph_free(g);
}
