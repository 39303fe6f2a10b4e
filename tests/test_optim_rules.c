/* Each rule against numbers of Keras' own tests, and the options that all optimizers share. */
#include "test_optim.h"

typedef struct golden { const char *text; double values[4]; double tolerance; } golden;

/* The tests of keras.optimizers, test_single_step: variable 1, 2, 3, 4, gradient 1, 6, 7, 2. */
static const golden single[] = {
  { "SGD(0.5)", { 0.5, -1, -0.5, 3 }, 1e-6 },
  { "RMSprop(0.5)", { -0.5811, 0.4189, 1.4189, 2.4189 }, 1e-4 },
  { "Adam(0.5)", { 0.5, 1.5, 2.5, 3.5 }, 1e-4 },
  { "AdamW(0.5)", { 0.498, 1.496, 2.494, 3.492 }, 1e-4 },
  { "Adamax(0.5)", { 0.5, 1.5, 2.5, 3.5 }, 1e-4 },
  { "Nadam(0.5)", { 0.4686, 1.4686, 2.4686, 3.4686 }, 1e-4 },
  { "Adagrad(0.5)", { 0.5233, 1.5007, 2.5005, 3.5061 }, 1e-4 },
  { "Adadelta(0.5)", { 0.9993, 1.9993, 2.9993, 3.9993 }, 2e-4 },
  { "Ftrl(0.5)", { 0.2218, 1.3954, 2.3651, 2.8814 }, 1e-4 },
  { "Lion(0.5)", { 0.5, 1.5, 2.5, 3.5 }, 1e-6 },
  { "Lamb(0.5)", { -0.3693, 0.6306, 1.6306, 2.6306 }, 1e-4 },
  { "Adafactor(0.5)", { -0.3693, 0.6307, 1.6307, 2.6307 }, 1e-4 },
  { "ScheduleFreeAdamW(0.5)", { 0.5, 1.5, 2.5, 3.5 }, 1e-5 },
};

static void one_step(const golden *c, cn_dtype dtype) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, dtype, CN_DIMS(4), cn_data(cn_array_from_doubles(g, dtype, CN_DIMS(4), (const double[]){ 1, 2, 3, 4 })));
  cn_tensor *gradient = cn_array_from_doubles(g, dtype, CN_DIMS(4), (const double[]){ 1, 6, 7, 2 });
  cn_optimizer *o = cn_optimizer_from(g, c->text);
  cr_assert(cn_optimizer_apply(o, &gradient, &v, 1), "%s", cn_error(g));
  for (int i = 0; i < 4; i++) cr_assert(fabs(cn_at(v, i) - c->values[i]) <= c->tolerance, "%s: element %d is %.7g", c->text, i, cn_at(v, i));
  cr_assert_eq(cn_optimizer_iterations(o), 1);
  cn_graph_free(g);
}

Test(optim_rules, single_step) {
  for (size_t i = 0; i < sizeof single / sizeof *single; i++) one_step(&single[i], CN_F32), one_step(&single[i], CN_F64);
}

/* The rules over several steps in double precision, written down anew from the formulas. */
typedef struct state { double w, m, v, z; } state;

static double schedule_free(state *s, double gradient, int t) {
  const double rate = 0.01 * fmin(t / 3.0, 1);
  s->v += (gradient * gradient - s->v) * 0.001;
  s->z -= rate * gradient / (sqrt(s->v / (1 - pow((double)0.999f, t))) + 1e-8);
  const double x = (s->w - 0.1 * s->z) / 0.9;
  return s->w = 0.1 * s->z + 0.9 * ((1 - 1.0 / t) * x + s->z / t);
}

Test(optim_rules, schedule_free_follows_its_formula) {
  cn_graph *g = cn_graph_new(.seed = 1);
  state s = { .w = 0.7, .z = 0.7 };
  cn_tensor *v = cn_variable(g, CN_F64, CN_DIMS(1), &s.w);
  cn_optimizer *o = cn_optimizer_from(g, "ScheduleFreeAdamW(0.01, warmup_steps=3)");
  cn_optimizer_set_schedule(o, NULL, NULL);
  for (int t = 1; t < 8; t++) {
    const double gradient = cos(t);
    cn_tensor *x = cn_array(g, CN_F64, CN_DIMS(1), &gradient);
    cr_assert(cn_optimizer_apply(o, &x, &v, 1));
    CHECK_NEAR(cn_at(v, 0), schedule_free(&s, gradient, t), 1e-8);
  }
  cn_graph_free(g);
}

/* keras optimizer_test.py test_ema: 3, 4, 5, 6 with gradients 1; overwritten in the third step. */
Test(optim_rules, moving_average) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(4), (const float[]){ 3, 4, 5, 6 }), *x = cn_persist(cn_full(g, CN_F32, CN_DIMS(4), 1)), *of[3];
  cn_optimizer *o = cn_optimizer_SGD(g, 1, .use_ema = true, .ema_momentum = 0.9, .ema_overwrite_frequency = 3);
  const double values[] = { 2, 1, 1.71 }, averages[] = { 2, 1.9, 1.71 };
  for (int t = 0; t < 3; t++) {
    cr_assert(cn_optimizer_apply(o, &x, &v, 1), "%s", cn_error(g));
    cr_assert_eq(cn_optimizer_variables(o, of, 3), 3);
    for (int i = 0; i < 4; i++) {
      CHECK_NEAR(cn_at(v, i), values[t] + i, 1e-5);
      CHECK_NEAR(cn_at(of[2], i), averages[t] + i, 1e-5);
    }
  }
  cn_optimizer_apply(o, &x, &v, 1);
  cr_assert(cn_optimizer_finalize(o));
  for (int i = 0; i < 4; i++) CHECK_NEAR(cn_at(v, i), 0.9 * 1.71 + 0.1 * 0.71 + i, 1e-5);
  cn_graph_free(g);
}

static void after(cn_graph *g, const char *text, const double *gradient, double a, double b) {
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(2), NULL), *x = cn_array_from_doubles(g, CN_F32, CN_DIMS(2), gradient);
  cn_optimizer *o = cn_optimizer_from(g, text);
  cr_assert(cn_optimizer_apply(o, &x, &v, 1), "%s: %s", text, cn_error(g));
  const double wanted[] = { a, b };
  for (int i = 0; i < 2; i++) cr_assert(isnan(wanted[i]) ? isnan(cn_at(v, i)) : fabs(cn_at(v, i) - wanted[i]) < 1e-5, "%s: %g", text, cn_at(v, i));
  cn_optimizer_free(o);
}

Test(optim_rules, clipping) {
  cn_graph *g = cn_graph_new(.seed = 1);
  const double large[] = { 100, 100 }, wild[] = { NAN, 1 }, infinite[] = { INFINITY, 1 };
  after(g, "SGD(1, clipnorm=1)", large, -0.70711, -0.70711);
  after(g, "SGD(1, global_clipnorm=1)", large, -0.70711, -0.70711);
  after(g, "SGD(1, clipvalue=1)", large, -1, -1);
  after(g, "SGD(1, clipnorm=1000)", large, -100, -100);
  after(g, "SGD(1, clipnorm=0)", large, -100, -100);
  after(g, "SGD(1, loss_scale_factor=10)", large, -10, -10);
  after(g, "SGD(1, loss_scale_factor=10, clipvalue=2)", large, -2, -2);
  after(g, "SGD(1, clipnorm=1)", wild, NAN, NAN);
  after(g, "SGD(1, global_clipnorm=1)", infinite, NAN, NAN);
  after(g, "SGD(1, clipvalue=1)", wild, NAN, -1);
  after(g, "SGD(1, clipvalue=1)", infinite, -1, -1);
  cn_graph_free(g);
}

Test(optim_rules, norm_of_several_variables) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[] = { cn_variable(g, CN_F32, CN_DIMS(1), NULL), cn_variable(g, CN_F64, CN_DIMS(1), NULL) };
  cn_tensor *x[] = { cn_full(g, CN_F32, CN_DIMS(1), 3), cn_full(g, CN_F64, CN_DIMS(1), 4) };
  cr_assert(cn_optimizer_apply(cn_optimizer_SGD(g, 1, .global_clipnorm = 1), x, v, 2));
  CHECK_NEAR(cn_at(v[0], 0), -0.6, 1e-6);
  CHECK_NEAR(cn_at(v[1], 0), -0.8, 1e-12);
  cn_graph_free(g);
}

Test(optim_rules, accumulation) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(2), NULL);
  cn_optimizer *o = cn_optimizer_SGD(g, 1, .gradient_accumulation_steps = 3);
  for (int call = 1; call <= 6; call++) {
    cn_tensor *x = cn_full(g, CN_F32, CN_DIMS(2), call);
    cr_assert(cn_optimizer_apply(o, &x, &v, 1));
    CHECK_NEAR(cn_at(v, 0), call < 3 ? 0 : call < 6 ? -2 : -7, 1e-6);
    cr_assert_eq(cn_optimizer_iterations(o), call / 3);
  }
  cn_graph_free(g);
}

Test(optim_rules, decay_spares_the_excluded) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[3], *x[3];
  const char *const names[] = { "a/kernel", "a/bias", "bias/kernel" }, *const patterns[] = { "bias", "gam+a" };
  for (int i = 0; i < 3; i++)
    v[i] = cn_variable(g, CN_F32, CN_DIMS(1), (const float[]){1}), cn_set_name(v[i], names[i]), x[i] = cn_zeros(g, CN_F32, CN_DIMS(1));
  cn_optimizer *o = cn_optimizer_SGD(g, 0.5, .weight_decay = 0.1);
  cr_assert(cn_optimizer_build(o, v, 2));
  cr_assert(cn_optimizer_exclude_from_weight_decay(o, patterns, 2));
  cr_assert(cn_optimizer_build(o, v, 3));
  cr_assert(cn_optimizer_apply(o, x, v, 3));
  CHECK_NEAR(cn_at(v[0], 0), 0.95, 1e-6);
  CHECK_NEAR(cn_at(v[1], 0), 1, 0);
  CHECK_NEAR(cn_at(v[2], 0), 0.95, 1e-6);
  cr_assert(!cn_optimizer_exclude_from_weight_decay(o, (const char *const[]){ "(" }, 1));
  cr_assert_eq(strncmp(cn_error(g), "SGD: \"(\" is no pattern: ", 24), 0, "%s", cn_error(g));
  cn_graph_free(g);
}

static bool floor_at_zero(cn_graph *g, cn_tensor *v, void *object) {
  ++*(int *)object;
  return cn_assign(v, cn_relu(g, v));
}

Test(optim_rules, constraints_run_on_every_call_with_a_gradient) {
  cn_graph *g = cn_graph_new(.seed = 1);
  int calls = 0;
  cn_tensor *v[] = { cn_variable(g, CN_F32, CN_DIMS(1), (const float[]){ 1 }), cn_variable(g, CN_F32, CN_DIMS(1), NULL) };
  cn_tensor *x[] = { cn_full(g, CN_F32, CN_DIMS(1), 3), cn_full(g, CN_F32, CN_DIMS(1), 3) };
  cn_set_projection(v[0], (cn_projection){ floor_at_zero, &calls });
  cn_optimizer *o = cn_optimizer_SGD(g, 1, .gradient_accumulation_steps = 2);
  cr_assert(cn_optimizer_apply(o, x, v, 2));
  cr_assert_eq(calls, 1);
  cr_assert(cn_optimizer_apply(o, x, v, 2));
  cr_assert_eq(calls, 2);
  CHECK_NEAR(cn_at(v[0], 0), 0, 0);
  CHECK_NEAR(cn_at(v[1], 0), -3, 0);
  x[0] = NULL;
  cr_assert(cn_optimizer_apply(o, x, v, 2));
  cr_assert_eq(calls, 2);
  cn_optimizer *plain = cn_optimizer_SGD(g, 1);
  cr_assert(cn_optimizer_apply(plain, &x[1], &v[1], 1));
  cr_assert_eq(calls, 2);
  cn_set_projection(v[1], (cn_projection){ floor_at_zero, &calls }); /* long after it was built */
  cr_assert(cn_optimizer_apply(plain, &x[1], &v[1], 1));
  cr_assert_eq(calls, 3);
  CHECK_NEAR(cn_at(v[1], 0), 0, 0);
  cn_graph_free(g);
}
