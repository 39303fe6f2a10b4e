/* L-BFGS: known minima, exact fits, what it reports, and what it refuses. */
#include "test_optim.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) {
  cr_assert(cn_ok(g), "%s", cn_error(g));
  cn_graph_free(g);
}
TestSuite(lbfgs, .init = begin, .fini = end);

/* sum 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2 */
static cn_tensor *rosenbrock(cn_graph *gg, void *user) {
  cn_tensor *x = *(cn_tensor **)user;
  const int64_t n = cn_count(x);
  cn_tensor *a = cn_slice(gg, x, .start_indices = CN_INTS(0), .shape = CN_INTS(n - 1)),
            *b = cn_slice(gg, x, .start_indices = CN_INTS(1), .shape = CN_INTS(n - 1));
  cn_tensor *valley = cn_square(gg, cn_subtract(gg, b, cn_square(gg, a))), *floor = cn_square(gg, cn_subtract(gg, cn_scalar_like(gg, a, 1), a));
  return cn_sum(gg, cn_add(gg, cn_multiply(gg, valley, cn_scalar_like(gg, a, 100)), floor));
}

Test(lbfgs, rosenbrock) {
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ -1.2, 1 });
  const cn_lbfgs_report r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x));
  cr_assert(r.converged, "%s", r.stopped);
  for (int i = 0; i < 2; i++) CHECK_NEAR(cn_at(x, i), 1, 1e-10);
  cr_assert_leq(r.loss, 1e-20);
  cr_assert(r.iterations > 5 && r.iterations < 60 && r.evaluations >= r.iterations && r.evaluations < 90, "%d iterations, %d evaluations", (int)r.iterations,
            (int)r.evaluations);
  cr_assert_leq(r.gradient_norm, 2e-8);
}

Test(lbfgs, many_dimensions_and_a_short_history) {
  double at[50];
  for (int i = 0; i < 50; i++) at[i] = i % 2 ? 1 : -1.2;
  for (int64_t history = 1; history <= 21; history += 10) {
    cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(50), at);
    const cn_lbfgs_report r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .history = history, .max_iterations = 2000);
    cr_assert(r.converged, "history %d: %s at %g", (int)history, r.stopped, r.loss);
    cr_assert_leq(r.gradient_norm, 1e-7);
  }
}

typedef struct fit { cn_tensor *a, *b, *w, *c; } fit;
static cn_tensor *squares(cn_graph *gg, void *user) {
  const fit *f = user;
  return cn_mean(gg, cn_square(gg, cn_subtract(gg, cn_add(gg, cn_matmul(gg, f->a, f->w), f->c), f->b)));
}

/* b = a w + c with w and c known: found to rounding; variables of two shapes. */
Test(lbfgs, least_squares_fit_exactly) {
  double a[60], b[20];
  const double w[] = { 2, -3, 0.5 };
  for (int i = 0; i < 60; i++) a[i] = sin(1.3 * i * i + 0.2);
  for (int i = 0; i < 20; i++) b[i] = a[3 * i] * w[0] + a[3 * i + 1] * w[1] + a[3 * i + 2] * w[2] + 7;
  fit f = { cn_persist(cn_array(g, CN_F64, CN_DIMS(20, 3), a)), cn_persist(cn_array(g, CN_F64, CN_DIMS(20, 1), b)), cn_variable(g, CN_F64, CN_DIMS(3, 1), NULL),
            cn_variable(g, CN_F64, CN_DIMS(1), NULL) };
  const cn_lbfgs_report r = cn_lbfgs_minimize(g, squares, &f, CN_TENSORS(f.w, f.c), .gradient_tolerance = 1e-12);
  cr_assert(r.converged, "%s", r.stopped);
  for (int i = 0; i < 3; i++) CHECK_NEAR(cn_at(f.w, i), w[i], 1e-10);
  CHECK_NEAR(cn_at(f.c, 0), 7, 1e-10);
  cr_assert_lt(r.iterations, 30);
}

Test(lbfgs, float32_goes_as_far_as_it_can) {
  cn_tensor *x = cn_variable(g, CN_F32, CN_DIMS(2), (const float[]){ -1.2f, 1 });
  const cn_lbfgs_report r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .gradient_tolerance = 1e-4);
  for (int i = 0; i < 2; i++) CHECK_NEAR(cn_at(x, i), 1, 1e-3);
  cr_assert(r.stopped && r.loss < 1e-6);
  cn_tensor *again = rosenbrock(g, &x);
  CHECK_NEAR(cn_item(again), r.loss, 0); /* the variables stand where the report says */
}

static cn_tensor *logarithm(cn_graph *gg, void *user) { /* x - log x: NaN left of 0 */
  cn_tensor *x = *(cn_tensor **)user;
  return cn_sum(gg, cn_subtract(gg, x, cn_log(gg, x)));
}
Test(lbfgs, steps_back_from_where_the_function_ends) {
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(1), (const double[]){ 30 });
  const cn_lbfgs_report r = cn_lbfgs_minimize(g, logarithm, &x, CN_TENSORS(x));
  cr_assert(r.converged, "%s", r.stopped);
  CHECK_NEAR(cn_at(x, 0), 1, 1e-8);
}

Test(lbfgs, ends_when_told) {
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ -1.2, 1 });
  cn_lbfgs_report r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .max_iterations = 3);
  cr_assert(!r.converged && r.iterations == 3);
  cr_assert_str_eq(r.stopped, "max_iterations");
  r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .max_evaluations = 4);
  cr_assert(!r.converged && r.evaluations <= 5);
  r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .loss_tolerance = 0.5);
  cr_assert(r.converged);
  cr_assert_str_eq(r.stopped, "the loss hardly falls");
  r = cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .max_iterations = 0);
  cr_assert(!r.converged && r.iterations == 0 && r.evaluations == 1);
}

typedef struct failing { cn_tensor *x; int calls, at; } failing;
static cn_tensor *fails(cn_graph *gg, void *user) {
  failing *f = user;
  if (++f->calls == f->at) return cn_fail(gg, CN_VALUE, "enough"), NULL;
  return rosenbrock(gg, &f->x);
}

Test(lbfgs, a_function_that_fails_leaves_the_best_point) {
  failing f = { cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ -1.2, 1 }), 0, 9 };
  const double first = cn_item(rosenbrock(g, &f.x));
  const cn_lbfgs_report r = cn_lbfgs_minimize(g, fails, &f, CN_TENSORS(f.x));
  CHECK_REFUSED(g, CN_VALUE, "enough");
  cr_assert(!r.converged && r.loss < first);
  CHECK_NEAR(cn_item(rosenbrock(g, &f.x)), r.loss, 0);
}

static cn_tensor *vector(cn_graph *gg, void *user) { return cn_square(gg, *(cn_tensor **)user); }
static cn_tensor *nothing(cn_graph *gg, void *user) { return (void)gg, (void)user, NULL; }

Test(lbfgs, refusals) {
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ -1.2, 1 }), *i = cn_variable(g, CN_I32, CN_DIMS(2), NULL),
            *t = cn_persist(cn_ones(g, CN_F64, CN_DIMS(2)));
  cn_tensor *negative = cn_variable(g, CN_F64, CN_DIMS(1), (const double[]){ -1 });
  cr_assert(isnan(cn_lbfgs_minimize(g, NULL, &x, CN_TENSORS(x)).loss));
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: the function is NULL");
  cn_lbfgs_minimize(g, rosenbrock, &x);
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: there are no variables");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x, t));
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: tensor 1 is no variable");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(i));
  CHECK_REFUSED(g, CN_DTYPE, "lbfgs_minimize: variable 0 is int32");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x, x));
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: variables 0 and 1 are the same");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .history = 0);
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: history must be positive and below 2^31, got 0");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .max_iterations = -1);
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: max_iterations must not be negative, got -1");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .curvature = 1.5);
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: 0 < sufficient_decrease < curvature < 1 must hold, got 0.0001 and 1.5");
  cn_lbfgs_minimize(g, rosenbrock, &x, CN_TENSORS(x), .gradient_tolerance = NAN);
  CHECK_REFUSED(g, CN_VALUE, "lbfgs_minimize: tolerances must not be negative, got nan and 0");
  cn_lbfgs_minimize(g, vector, &x, CN_TENSORS(x));
  CHECK_REFUSED(g, CN_SHAPE, "lbfgs_minimize: the function gives float64 [2], not a scalar");
  cn_lbfgs_minimize(g, nothing, &x, CN_TENSORS(x));
  CHECK_REFUSED(g, CN_STATE, "lbfgs_minimize: the function failed without an error");
  cn_lbfgs_minimize(g, logarithm, &negative, CN_TENSORS(negative));
  cr_assert(strstr(cn_error(g), "lbfgs_minimize: the function is ") == cn_error(g), "%s", cn_error(g));
  cn_graph_clear(g);
  CHECK_NEAR(cn_at(x, 0), -1.2, 0);
  CHECK_NEAR(cn_at(negative, 0), -1, 0);
}

Test(lbfgs, every_allocation_may_fail) {
  for (int64_t k = 1; k < 200; k++) {
    counting n = { .fail_at = k };
    cn_graph *own = graph_counting(&n);
    cn_tensor *x = own ? cn_variable(own, CN_F64, CN_DIMS(2), (const double[]){ -1.2, 1 }) : NULL;
    const cn_lbfgs_report r = cn_lbfgs_minimize(own, rosenbrock, &x, CN_TENSORS(x));
    const bool ok = cn_ok(own);
    cr_assert(ok == r.converged, "allocation %d", (int)k);
    cn_graph_free(own);
    cr_assert_eq(n.live, 0);
    if (ok) return;
  }
  cr_assert_fail("it never came through");
}
