/* The table of operations: each against its reference, its gradient against finite differences, its fused gradient against the one in operations, its rejects; and mutation control: a gradient that is made wrong is caught. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include "sweep.h"
#include "../autograd/gradcheck.h"

static void each_sample(void (*check)(cn_graph *g, const cn_op *op, const char *text)) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (const char *const *t = op->samples; t && *t; t++) {
      check(g, op, *t);
      cn_graph_clear(g);
    }
  cn_graph_free(g);
}

Test(sweep, every_operation_has_samples_and_rejects) {
  const cn_op *op;
  int64_t n = 0;
  for (; (op = cn_op_at(n)); n++) {
    cr_expect(op->samples && op->samples[0], "%s has no samples", op->name);
    cr_expect(op->rejects && op->rejects[0], "%s has no rejects", op->name);
    cr_expect(op->reference, "%s has no reference", op->name);
    cr_expect((op->flags & CN_OP_NO_GRADIENT) || op->vjp, "%s has no gradient", op->name);
    cr_expect_eq(cn_op_find(op->name), op, "two operations are named %s", op->name);
  }
  cr_assert(n >= 60, "%lld operations", (long long)n);
}

/* ---- forward ---- */
static double *doubles(const cn_tensor *t) {
  double *v = malloc((size_t)(t->count + 1) * sizeof *v);
  for (int64_t i = 0; i < t->count; i++) v[i] = cni_value_at(t, i);
  return v;
}

static void compare_forward(cn_graph *g, const cn_op *op, const char *text, cn_dtype dtype) {
  sample s;
  cn_stream stream = { 5, 0 };
  cr_assert(sample_make(g, op, text, dtype, &stream, &s), "%s", cn_error(g));
  cn_tensor *const *y = sample_run(g, &s, op, s.x);
  cr_assert(cn_ok(g), "%s (%s): %s", op->name, text, cn_error(g));
  const cn_node *n = y[0]->node;
  double *x[SWEEP_INPUTS] = { NULL }, *want[64];
  for (int64_t i = 0; i < s.nx; i++) x[i] = cni_given(s.x[i]) && s.x[i]->dtype != CN_STRING ? doubles(s.x[i]) : NULL;
  for (int32_t i = 0; i < n->ny; i++) want[i] = calloc((size_t)n->y[i]->count + 1, sizeof(double));
  const cn_call c = { .graph = g, .op = op, .args = n->args, .x = n->x, .nx = n->nx, .y = n->y, .ny = n->ny };
  op->reference(&(const cn_reference){ &c, x, want });
  for (int32_t i = 0; i < n->ny; i++) {
    double most = 1;
    for (int64_t k = 0; k < n->y[i]->count; k++) most = fmax(most, isfinite(want[i][k]) ? fabs(want[i][k]) : 0);
    for (int64_t k = 0; k < n->y[i]->count; k++) {
      const double got = cni_value_at(n->y[i], k), w = want[i][k], tolerance = (n->y[i]->dtype == CN_F32 ? 1e-5 : 1e-12) * most;
      if (!((isnan(got) && isnan(w)) || got == w || fabs(got - w) <= tolerance))
        cr_expect_fail("%s (%s, %s): output %d, element %lld is %.17g, wanted %.17g", op->name, text, cn_dtype_name(dtype), (int)i, (long long)k, got, w);
    }
    free(want[i]);
  }
  for (int i = 0; i < SWEEP_INPUTS; i++) free(x[i]);
}
static void forward_f64(cn_graph *g, const cn_op *op, const char *text) { compare_forward(g, op, text, CN_F64); }
static void forward_f32(cn_graph *g, const cn_op *op, const char *text) { compare_forward(g, op, text, CN_F32); }
Test(sweep, forward_in_double) { each_sample(forward_f64); }
Test(sweep, forward_in_single) { each_sample(forward_f32); }
Test(sweep, forward_of_every_instruction_set) {
  static const char *const sets[] = { "baseline", "avx2", "avx512" };
  for (int i = 0; i < 3; i++) {
    setenv("CN_ISA", sets[i], 1);
    each_sample(forward_f64);
    each_sample(forward_f32);
  }
}

/* ---- gradients ---- */
typedef struct subject { sample *s; const cn_op *op; int output; } subject;
static cn_tensor *run_subject(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const subject *u = user;
  (void)n;
  cn_tensor *const *y = sample_run(g, u->s, u->op, x);
  return cn_ok(g) ? y[u->output] : NULL;
}
static bool any_float(const sample *s) {
  for (int64_t i = 0; i < s->nx; i++)
    if (cni_given(s->x[i]) && s->x[i]->dtype == CN_F64 && s->x[i]->count) return true;
  return false;
}
/* Whether an output of the operation has a gradient of any input: found by asking. */
static bool differentiable(cn_graph *g, const cn_op *op, sample *s, int output) {
  cn_tensor *const *y = sample_run(g, s, op, s->x);
  return cn_ok(g) && y[output]->dtype == CN_F64 && y[output]->count && any_float(s);
}

static bool checks_out(cn_graph *g, const cn_op *op, sample *s, int output, int64_t order, int64_t directions) {
  subject u = { s, op, output };
  const cn_tensors inputs = { s->x, s->nx };
  const cn_gradcheck_report r = cn_gradcheck(g, run_subject, inputs, .user = &u, .order = order, .directions = directions);
  return r.passed;
}

static void gradient_of(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 5, 0 };
  if (op->flags & CN_OP_NO_GRADIENT) return;
  cr_assert(sample_make(g, op, text, CN_F64, &stream, &s), "%s", cn_error(g));
  const int outputs = op->outputs ? op->outputs : 1;
  for (int i = 0; i < outputs; i++) {
    if (!differentiable(g, op, &s, i)) continue;
    subject u = { &s, op, i };
    const cn_tensors inputs = { s.x, s.nx };
    const cn_gradcheck_report r = cn_gradcheck(g, run_subject, inputs, .user = &u, .order = 2, .directions = 20, .step = 1e-4);
    cr_expect(r.passed, "%s (%s), output %d: %s", op->name, text, i, r.text);
  }
}
Test(sweep, gradients_of_orders_1_and_2, .timeout = 120) { each_sample(gradient_of); }

/* The fused gradient and the one in operations give the same. */
static void fused_is_vjp(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 5, 0 };
  cn_tensor *targets[SWEEP_INPUTS], *a[SWEEP_INPUTS], *b[SWEEP_INPUTS];
  int64_t n = 0;
  if ((op->flags & CN_OP_NO_GRADIENT) || !op->backward) return;
  cr_assert(sample_make(g, op, text, CN_F64, &stream, &s), "%s", cn_error(g));
  cn_tensor *const *y = sample_run(g, &s, op, s.x);
  for (int64_t i = 0; i < s.nx; i++)
    if (cni_given(s.x[i]) && s.x[i]->dtype == CN_F64) targets[n++] = s.x[i];
  if (!cn_ok(g) || !n || y[0]->dtype != CN_F64) return;
  cn_tensor *w = cn_zeros(g, CN_F64, &y[0]->dims);
  cn_random_fill_uniform(&stream, CN_F64, w->data, w->count, 0.5, 1.5);
  cr_assert(cn_gradients(g, y[0], w, targets, n, false, a) && cn_gradients(g, y[0], w, targets, n, true, b), "%s (%s): %s", op->name, text, cn_error(g));
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < a[i]->count; k++) {
      const double p = cn_at(a[i], k), q = cn_at(b[i], k);
      cr_expect(fabs(p - q) <= 1e-11 * fmax(1, fabs(q)) || (isnan(p) && isnan(q)), "%s (%s): gradient %lld, element %lld is %.17g fused, %.17g in operations", op->name, text, (long long)i, (long long)k, p, q);
    }
}
Test(sweep, fused_gradients_are_those_in_operations) { each_sample(fused_is_vjp); }

/* ---- rejects ---- */
Test(sweep, rejects_are_refused_with_their_text) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (const char *const *t = op->rejects; t && *t; t++) {
      sample s;
      cn_stream stream = { 5, 0 };
      if (sample_make(g, op, *t, CN_F32, &stream, &s)) sample_run(g, &s, op, s.x);
      cr_expect(!cn_ok(g), "%s (%s) was not refused", op->name, *t);
      cr_expect(s.expected && strstr(cn_error(g), s.expected) && strstr(cn_error(g), op->name), "%s (%s): the text is \"%s\"", op->name, *t, cn_error(g));
      cn_graph_clear(g);
      cr_expect(cn_scalar(g, 1), "the graph works after %s was refused", op->name);
      cn_graph_reset(g);
    }
  cn_graph_free(g);
}

/* ---- mutation control ---- */
static const cn_op *original;
typedef enum { SCALED, NEGATED, DROPPED, MUTANTS } mutation;
static mutation mutant;
static void mutated_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  original->vjp(g, n, gy, want, gx);
  for (int32_t i = 0; i < n->nx; i++) {
    if (!gx[i]) continue;
    if (mutant == SCALED) gx[i] = cn_scale(g, gx[i], 1.01);
    else if (mutant == NEGATED) gx[i] = cn_negative(g, gx[i]);
    else { gx[i] = NULL; return; }
  }
}
/* Zero gradients (of a clip outside its range, say) cannot be made wrong by a factor. */
static bool gradient_is_zero(cn_graph *g, const cn_op *op, sample *s) {
  cn_tensor *targets[SWEEP_INPUTS], *d[SWEEP_INPUTS], *const *y = sample_run(g, s, op, s->x);
  int64_t n = 0;
  for (int64_t i = 0; i < s->nx; i++)
    if (cni_given(s->x[i]) && s->x[i]->dtype == CN_F64) targets[n++] = s->x[i];
  if (!cn_gradients(g, y[0], CN_NO_TENSOR, targets, n, false, d)) return true;
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < d[i]->count; k++)
      if (fabs(cn_at(d[i], k)) > 1e-3) return false;
  return true;
}
Test(sweep, mutants_are_caught, .timeout = 120) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  int caught = 0;
  for (int64_t i = 0; (op = cn_op_at(i)); i++) {
    if ((op->flags & CN_OP_NO_GRADIENT) || !op->vjp) continue;
    bool tried = false;
    for (const char *const *t = op->samples; *t && !tried; t++) {
      for (mutant = SCALED; mutant < MUTANTS; mutant++) {
        sample s;
        cn_stream stream = { 5, 0 };
        cr_assert(sample_make(g, op, *t, CN_F64, &stream, &s), "%s", cn_error(g));
        if (!differentiable(g, op, &s, 0) || gradient_is_zero(g, op, &s)) break;
        cn_op wrong = *op;
        wrong.vjp = mutated_vjp;
        wrong.backward = NULL;
        original = op;
        tried = true;
        cr_expect(!checks_out(g, &wrong, &s, 0, 1, 3), "%s (%s): mutant %d was not caught", op->name, *t, (int)mutant);
        caught++;
        cn_graph_clear(g);
      }
      cn_graph_clear(g);
    }
    cr_expect(tried, "%s has no sample with a gradient that is not zero", op->name);
  }
  cr_assert(caught > 100);
  cn_graph_free(g);
}

/* ---- no memory ---- */
typedef struct failing { int64_t calls, at; } failing;
static void *failing_alloc(void *user, size_t size) {
  failing *f = user;
  return f->calls++ == f->at ? NULL : aligned_alloc(64, (size + 63) / 64 * 64);
}
static void failing_free(void *user, void *p, size_t size) {
  (void)user;
  (void)size;
  free(p);
}
static bool forward_and_gradient(cn_graph *g, const cn_op *op) {
  sample s;
  cn_stream stream = { 5, 0 };
  cn_tensor *targets[SWEEP_INPUTS], *d[SWEEP_INPUTS];
  int64_t n = 0;
  if (!sample_make(g, op, op->samples[0], CN_F64, &stream, &s)) return false;
  cn_tensor *const *y = sample_run(g, &s, op, s.x);
  for (int64_t i = 0; i < s.nx; i++)
    if (cni_given(s.x[i]) && s.x[i]->dtype == CN_F64) targets[n++] = s.x[i];
  if (!cn_ok(g)) return false;
  return !n || y[0]->dtype != CN_F64 || cn_gradients(g, y[0], CN_NO_TENSOR, targets, n, true, d);
}
Test(sweep, failing_allocator, .timeout = 120) {
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (int64_t at = 0; at < 200; at++) {
      failing f = { 0, at };
      const cn_allocator a = { failing_alloc, failing_free, &f };
      cn_graph *g = cn_graph_new(.allocator = &a, .seed = 11);
      if (!g) continue;
      const bool done = forward_and_gradient(g, op);
      const bool reached = f.calls > at;
      if (reached && !done) {
        cr_expect_eq(cn_error_code(g), CN_NO_MEMORY, "%s at call %lld: %s", op->name, (long long)at, cn_error(g));
        cn_graph_clear(g);
        cr_expect(forward_and_gradient(g, op), "%s works after call %lld failed: %s", op->name, (long long)at, cn_error(g));
      }
      cn_graph_free(g);
      if (!reached) break;
    }
}
