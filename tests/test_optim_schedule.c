/* Learning-rate schedules. */
#include "test_optim.h"

static void at(cn_graph *g, const char *text, int64_t step, double wanted) {
  cn_object *s = cn_schedule_from(g, text);
  cr_assert(s, "%s: %s", text, cn_error(g));
  cr_assert(fabs(cn_schedule_at(s, step) - wanted) <= 1e-7, "%s at %ld: %.9g", text, (long)step, cn_schedule_at(s, step));
  cn_object_free(s);
}

Test(optim_schedule, values) {
  cn_graph *g = cn_graph_new(.seed = 1);
  at(g, "exponential_decay(0.1, 10, 0.5)", 5, 0.1 * sqrt(0.5));
  at(g, "ExponentialDecay(0.1, 10, 0.5, staircase=true)", 19, 0.05);
  at(g, "inverse_time_decay(0.1, 10, 0.5)", 20, 0.05);
  at(g, "inverse_time_decay(0.1, 10, 0.5, staircase=true)", 19, 0.1 / 1.5);
  at(g, "piecewise_constant_decay([10, 20], [0.3, 0.2, 0.1])", 10, 0.3);
  at(g, "PiecewiseConstant([10, 20], [0.3, 0.2, 0.1])", 11, 0.2);
  at(g, "piecewise_constant([10, 20], [0.3, 0.2, 0.1])", 21, 0.1);
  at(g, "polynomial_decay(0.1, 10, end_learning_rate=0.01, power=2)", 5, 0.09 * 0.25 + 0.01);
  at(g, "polynomial_decay(0.1, 10, end_learning_rate=0.01)", 50, 0.01);
  at(g, "polynomial_decay(0.1, 10, end_learning_rate=0, cycle=true)", 15, 0.1 * 0.25);
  at(g, "polynomial_decay(0.1, 10, end_learning_rate=0, cycle=true)", 0, 0.1);
  at(g, "cosine_decay(0.1, 10)", 5, 0.05);
  at(g, "cosine_decay(0.1, 10, alpha=0.1)", 30, 0.01);
  at(g, "cosine_decay(0.0, 10, warmup_target=0.1, warmup_steps=4)", 1, 0.025);
  at(g, "cosine_decay(0.0, 10, warmup_target=0.1, warmup_steps=4)", 9, 0.05);
  at(g, "cosine_decay_restarts(0.1, 10)", 10, 0.1);
  at(g, "cosine_decay_restarts(0.1, 10)", 20, 0.05);
  at(g, "cosine_decay_restarts(0.1, 10, t_mul=1, m_mul=0.5)", 10, 0.05);
  cr_assert(isnan(cn_schedule_at(NULL, 0)));
  cn_graph_free(g);
}

static void refused(cn_graph *g, const char *text, cn_code code, const char *why) {
  cr_assert(!cn_schedule_from(g, text), "%s", text);
  CHECK_REFUSED(g, code, why);
}

Test(optim_schedule, refused) {
  cn_graph *g = cn_graph_new(.seed = 1);
  refused(g, "exponential_decay(0.1, 0, 0.5)", CN_VALUE, "ExponentialDecay: decay_steps must be positive, got 0");
  refused(g, "exponential_decay(0.1)", CN_VALUE, "ExponentialDecay: decay_steps is required");
  refused(g, "cosine_decay_restarts(0.1, 10, t_mul=-1)", CN_VALUE, "CosineDecayRestarts: t_mul must be positive, got -1");
  refused(g, "piecewise_constant([10, 20], [0.3, 0.2])", CN_VALUE, "PiecewiseConstantDecay: 2 boundaries need 3 values, got 2");
  refused(g, "cosin_decay(0.1, 10)", CN_VALUE, "unknown schedule \"cosin_decay\"; did you mean \"cosine_decay\"?");
  cn_graph_free(g);
}

static double halving(int64_t step, void *user) { return *(double *)user / (double)((int64_t)1 << step); }

Test(optim_schedule, drives_an_optimizer) {
  cn_graph *g = cn_graph_new(.seed = 1);
  double first = 1;
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(1), NULL), *x = cn_ones(g, CN_F32, CN_DIMS(1)), *of[3];
  cn_optimizer *o = cn_optimizer_from(g, "SGD(schedule='inverse_time_decay(1, 1, 1)')");
  const double wanted[] = { -1, -1.5, -1.5 - 1.0 / 3 };
  for (int i = 0; i < 3; i++) {
    CHECK_NEAR(cn_optimizer_learning_rate(o), 1.0 / (i + 1), 1e-7);
    cr_assert(cn_optimizer_apply(o, &x, &v, 1));
    CHECK_NEAR(cn_at(v, 0), wanted[i], 1e-6);
  }
  cr_assert_eq(cn_optimizer_variables(o, of, 3), 1, "no learning_rate beside the iteration");
  cr_assert(!cn_optimizer_set_learning_rate(o, 1));
  CHECK_REFUSED(g, CN_STATE, "SGD: the learning rate is given by a schedule");
  o = cn_optimizer_from(g, "adam(schedule=cosine_decay(0.5, 100))");
  CHECK_NEAR(cn_optimizer_learning_rate(o), 0.5, 0);
  o = cn_optimizer_SGD(g, 0.25, .schedule = { .object = cn_schedule_ExponentialDecay(g, 1, 1, 0.5) });
  CHECK_NEAR(cn_optimizer_learning_rate(o), 1, 0);
  o = cn_optimizer_SGD(g, 0.25);
  cr_assert(cn_optimizer_set_schedule(o, halving, &first));
  x = cn_ones(g, CN_F32, CN_DIMS(1));
  for (int i = 0; i < 3; i++) {
    CHECK_NEAR(cn_optimizer_learning_rate(o), ldexp(1, -i), 0);
    cr_assert(cn_optimizer_apply(o, &x, &v, 1));
  }
  cr_assert(cn_optimizer_set_schedule(o, NULL, NULL));
  CHECK_NEAR(cn_optimizer_learning_rate(o), 0.25, 0);
  cr_assert(cn_optimizer_set_learning_rate(o, 0.125));
  CHECK_NEAR(cn_optimizer_learning_rate(o), 0.125, 0);
  cn_graph_free(g);
}
