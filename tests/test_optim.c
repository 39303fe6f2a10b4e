/* Steps of optimizers: fused and not, what is refused, what stays, memory. */
#include "test_optim.h"

/* ---- three ways of one step ---- */
typedef enum { MINIMIZE, STEP, APPLY } way;

static bool step_by(way by, cn_optimizer *o, cn_graph *g, cn_tensor **v, int t) {
  cn_tensor *loss = model_loss(g, v, t);
  if (by == MINIMIZE) return cn_optimizer_minimize(o, loss, t % 2 == 0);
  cn_tensor *scaled = cn_multiply(g, loss, cn_scalar_like(g, loss, cn_optimizer_loss_scale(o)));
  if (!cn_backward(g, scaled)) return false;
  if (by == STEP) return cn_optimizer_step(o);
  cn_tensor *gradients[VARIABLES];
  cn_rows rows[VARIABLES];
  for (int i = 0; i < VARIABLES; i++) rows[i] = cn_grad_rows(v[i]), gradients[i] = rows[i].values ? NULL : cn_grad(v[i]);
  return cn_optimizer_apply_rows(o, gradients, rows, v, VARIABLES);
}

static void train(way by, const char *text, cn_dtype dtype, double *out) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[VARIABLES];
  model_make(g, dtype, v);
  cn_optimizer *o = cn_optimizer_from(g, text);
  cr_assert(o, "%s: %s", text, cn_error(g));
  for (int t = 0; t < 5; t++) {
    cr_assert(step_by(by, o, g, v, t), "%s: %s", text, cn_error(g));
    cn_graph_reset(g);
  }
  cr_assert_eq(cn_optimizer_iterations(o), strstr(text, "accumulation") ? 2 : 5, "%s", text);
  for (int i = 0; i < VARIABLES; i++, out += 21) cn_to_doubles(v[i], out);
  cn_graph_free(g);
}

Test(optim, fused_and_separate_steps_agree_to_the_bit) {
  for (int dtype = CN_F32; dtype <= CN_F64; dtype++)
    for (const char *const *text = every_optimizer; *text; text++) {
      double a[VARIABLES * 21] = { 0 }, b[VARIABLES * 21] = { 0 }, c[VARIABLES * 21] = { 0 };
      train(MINIMIZE, *text, (cn_dtype)dtype, a);
      train(STEP, *text, (cn_dtype)dtype, b);
      train(APPLY, *text, (cn_dtype)dtype, c);
      cr_assert(!memcmp(a, b, sizeof a), "%s: minimize is not backward and step", *text);
      cr_assert(!memcmp(b, c, sizeof a), "%s: step is not apply", *text);
      for (int i = 0; i < VARIABLES * 21; i++) cr_assert(isfinite(a[i]));
    }
}

Test(optim, every_class_lowers_a_loss) {
  for (const char *const *text = every_optimizer; *text; text++) {
    cn_graph *g = cn_graph_new(.seed = 1);
    cn_tensor *v[VARIABLES];
    model_make(g, CN_F32, v);
    cn_optimizer *o = cn_optimizer_from(g, *text);
    const double before = cn_item(model_loss(g, v, 0));
    for (int t = 0; t < 60; t++) {
      cr_assert(cn_optimizer_minimize(o, model_loss(g, v, 0), true), "%s: %s", *text, cn_error(g));
      cn_graph_reset(g);
    }
    const double after = cn_item(model_loss(g, v, 0));
    cr_assert(after < before, "%s: %g, then %g", *text, before, after);
    cn_graph_free(g);
  }
}

/* ---- memory ---- */
static int64_t allocations_of(const char *text) {
  counting n = { 0 };
  cn_graph *g = graph_counting(&n);
  cn_tensor *v[VARIABLES];
  model_make(g, CN_F32, v);
  cn_optimizer *o = cn_optimizer_from(g, text);
  int64_t before = 0;
  for (int t = 0; t < 12; t++) {
    if (t == 8) before = n.calls;
    cr_assert(cn_optimizer_minimize(o, model_loss(g, v, t), true));
    cn_graph_reset(g);
  }
  const int64_t made = n.calls - before;
  cn_graph_free(g);
  cr_assert_eq(n.live, 0, "%s: %ld blocks are left", text, (long)n.live);
  return made;
}

Test(optim, no_allocation_after_warming_up) {
  for (const char *const *text = every_optimizer; *text; text++)
    cr_assert_eq(allocations_of(*text), 0, "%s: %ld allocations", *text, (long)allocations_of(*text));
}

/* The k-th allocation fails: the graph says so, nothing is lost, and it works again. */
static bool survives(const char *text, int64_t k) {
  counting n = { 0 };
  cn_graph *g = graph_counting(&n);
  cn_tensor *v[VARIABLES];
  model_make(g, CN_F32, v);
  n.fail_at = n.calls + k;
  cn_optimizer *o = cn_optimizer_from(g, text);
  bool ok = o != NULL;
  for (int t = 0; ok && t < 3; t++) {
    ok = cn_optimizer_minimize(o, model_loss(g, v, t), true);
    if (ok) cn_graph_reset(g);
  }
  cr_assert(ok == cn_ok(g), "%s, %ld", text, (long)k);
  if (!ok) cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "%s, %ld: %s", text, (long)k, cn_error(g));
  n.fail_at = 0;
  cn_graph_clear(g);
  if (o) cr_assert(cn_optimizer_minimize(o, model_loss(g, v, 0), true), "%s, %ld: %s", text, (long)k, cn_error(g));
  cn_optimizer_free(o);
  cn_graph_free(g);
  cr_assert_eq(n.live, 0, "%s, %ld: %ld blocks are left", text, (long)k, (long)n.live);
  return ok;
}

Test(optim, survives_a_failing_allocator) {
  for (const char *const *text = every_optimizer; *text; text++) {
    int64_t k = 1;
    while (!survives(*text, k)) k++;
    cr_assert(k > 3, "%s", *text);
  }
}

/* ---- refused ---- */
static void no_optimizer(cn_graph *g, const char *text, cn_code code, const char *why) {
  cr_assert(!cn_optimizer_from(g, text), "%s", text);
  CHECK_REFUSED(g, code, why);
}

Test(optim, options_refused) {
  cn_graph *g = cn_graph_new(.seed = 1);
  no_optimizer(g, "adam(clipnorm=1, clipvalue=1)", CN_VALUE, "Adam: only one of clipnorm, clipvalue and global_clipnorm can be given");
  no_optimizer(g, "adam(gradient_accumulation_steps=1)", CN_VALUE, "Adam: gradient_accumulation_steps must be at least 2, got 1");
  no_optimizer(g, "adamw(weight_decay=none)", CN_VALUE, "AdamW: weight_decay must not be None");
  no_optimizer(g, "lion(beta_1=0)", CN_VALUE, "Lion: beta_1 must be positive, got 0");
  no_optimizer(g, "schedule_free_adam_w(beta_1=0)", CN_VALUE, "ScheduleFreeAdamW: beta_1 must be positive, got 0");
  no_optimizer(g, "ftrl(learning_rate_power=1)", CN_VALUE, "Ftrl: learning_rate_power must not be positive, got 1");
  no_optimizer(g, "LossScaleOptimizer", CN_VALUE, "LossScaleOptimizer: inner_optimizer is required");
  no_optimizer(g, "MultiOptimizer", CN_VALUE, "MultiOptimizer: default_optimizer is required");
  no_optimizer(g, "adma", CN_VALUE, "unknown optimizer \"adma\"; did you mean \"adam\"?");
  no_optimizer(g, "adam(betta_1=0.5)", CN_VALUE, "Adam: no option \"betta_1\"; did you mean \"beta_1\"?");
  cr_assert(!cn_optimizer_from_config(g, "{"));
  cr_assert_eq(cn_error_code(g), CN_FORMAT);
  cn_graph_clear(g);
  cr_assert(!cn_optimizer_from_config(g, "{\"class_name\": \"Adam\", \"config\": {\"beta_3\": 1}}"));
  cr_assert_neq(cn_error_code(g), CN_OK);
  cn_graph_free(g);
}

Test(optim, steps_refused_change_nothing) {
  cn_graph *g = cn_graph_new(.seed = 1), *other = cn_graph_new(.seed = 1);
  cn_tensor *v[] = {cn_variable(g, CN_F32, CN_DIMS(2), NULL), cn_variable(g, CN_F32, CN_DIMS(3), NULL)}, *counter = cn_variable(g, CN_I64, CN_SCALAR, NULL),
            *strange = cn_variable(other, CN_F32, CN_SCALAR, NULL);
  cn_set_name(v[1], "kernel");
  cn_optimizer *o = cn_optimizer_SGD(g, 0.1);
  cn_tensor *one = cn_persist(cn_ones(g, CN_F32, CN_DIMS(2))), *gradients[] = { one, NULL }, *step = cn_ones(g, CN_F32, CN_DIMS(3));
  cr_assert(!cn_optimizer_build(o, &counter, 1));
  CHECK_REFUSED(g, CN_DTYPE, "SGD: variables[0] (variable) is int64");
  cr_assert(!cn_optimizer_build(o, &one, 1));
  CHECK_REFUSED(g, CN_STATE, "SGD: variables[0] is no variable");
  cr_assert(!cn_optimizer_build(o, &strange, 1));
  CHECK_REFUSED(g, CN_STATE, "SGD: variables[0] is of another graph");
  cr_assert(cn_optimizer_build(o, v, 1));
  gradients[0] = NULL;
  cr_assert(!cn_optimizer_apply(o, gradients, v, 1));
  CHECK_REFUSED(g, CN_VALUE, "SGD: there is no gradient for any variable");
  gradients[0] = one, gradients[1] = one;
  cr_assert(!cn_optimizer_apply(o, gradients, v, 2));
  CHECK_REFUSED(g, CN_STATE, "SGD: variable kernel is not one that it was built for");
  cr_assert(cn_optimizer_build(o, v, 2));
  cr_assert(!cn_optimizer_apply(o, gradients, v, 2));
  CHECK_REFUSED(g, CN_SHAPE, "SGD: gradient 1 is float32 [2], variable kernel is float32 [3]");
  gradients[1] = cn_ones(g, CN_F64, CN_DIMS(3));
  cr_assert(!cn_optimizer_apply(o, gradients, v, 2));
  CHECK_REFUSED(g, CN_DTYPE, "SGD: gradient 1 is float64 [3], variable kernel is float32 [3]");
  gradients[1] = step;
  cr_assert(!cn_optimizer_apply(o, gradients, v, 2), "a tensor from before the reset");
  cr_assert_eq(cn_error_code(g), CN_STATE);
  cn_graph_clear(g);
  cr_assert(!cn_optimizer_step(o));
  CHECK_REFUSED(g, CN_VALUE, "SGD: there is no gradient for any variable");
  cr_assert(!cn_optimizer_minimize(o, cn_sum(g, cn_square(g, cn_variable(g, CN_F32, CN_DIMS(1), NULL))), true));
  CHECK_REFUSED(g, CN_VALUE, "SGD: there is no gradient for any variable");
  cr_assert_eq(cn_optimizer_iterations(o), 0);
  cr_assert_eq(cn_at(v[0], 0), 0);
  cr_assert(!cn_optimizer_apply(NULL, gradients, v, 1) && !cn_optimizer_build(NULL, v, 1) && !cn_optimizer_step(NULL) &&
            !cn_optimizer_minimize(NULL, one, true) && !cn_optimizer_finalize(NULL));
  cr_assert(isnan(cn_optimizer_learning_rate(NULL)) && cn_optimizer_iterations(NULL) == 0 && cn_optimizer_variables(NULL, NULL, 0) == 0);
  cn_optimizer_free(NULL);
  cn_graph_free(g);
  cn_graph_free(other);
}

/* ---- variables ---- */
static const char *name_at(cn_optimizer *o, int64_t i) {
  cn_tensor *of[32];
  return i < cn_optimizer_variables(o, of, 32) ? cn_name_of(of[i]) : "";
}

Test(optim, variables_have_the_names_and_the_order_of_keras) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[VARIABLES];
  model_make(g, CN_F32, v);
  cn_optimizer *o = cn_optimizer_Adam(g, 0.1, .amsgrad = true, .use_ema = true, .gradient_accumulation_steps = 2);
  cr_assert(cn_optimizer_build(o, v + 1, 2));
  const char *const adam[] = {"adam/iteration",
                              "adam/learning_rate",
                              "adam/dense_kernel_average",
                              "adam/dense_bias_average",
                              "adam/dense_kernel_gradient_accumulator",
                              "adam/dense_bias_gradient_accumulator",
                              "adam/dense_kernel_momentum",
                              "adam/dense_kernel_velocity",
                              "adam/dense_bias_momentum",
                              "adam/dense_bias_velocity",
                              "adam/dense_kernel_velocity_hat",
                              "adam/dense_bias_velocity_hat"};
  for (int i = 0; i < 12; i++) cr_assert_str_eq(name_at(o, i), adam[i]);
  cr_assert_eq(cn_optimizer_variables(o, NULL, 0), 12);
  o = cn_optimizer_RMSprop(g, 0.1, .momentum = 0.5, .centered = true, .name = "mine");
  cr_assert(cn_optimizer_build(o, v + 1, 2));
  const char *const rms[] = {"mine/dense_kernel_velocity", "mine/dense_bias_velocity", "mine/dense_kernel_momentum", "mine/dense_bias_momentum",
                             "mine/dense_kernel_average_gradient"};
  for (int i = 0; i < 5; i++) cr_assert_str_eq(name_at(o, i + 2), rms[i]);
  cn_graph_free(g);
}

Test(optim, building_again_keeps_slots) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[] = { cn_variable(g, CN_F32, CN_DIMS(2), NULL), cn_variable(g, CN_F32, CN_DIMS(3), NULL), cn_variable(g, CN_F32, CN_DIMS(4), NULL) }, *of[9];
  cn_optimizer *o = cn_optimizer_SGD(g, 1, .momentum = 0.5);
  cn_tensor *x[] = { cn_persist(cn_ones(g, CN_F32, CN_DIMS(2))), cn_persist(cn_ones(g, CN_F32, CN_DIMS(3))), cn_persist(cn_ones(g, CN_F32, CN_DIMS(4))) };
  cr_assert(cn_optimizer_apply(o, x, v, 2));
  cn_tensor *const reversed[] = { v[2], v[1], v[0], v[1] };
  cr_assert(cn_optimizer_build(o, reversed, 4));
  cr_assert_eq(cn_optimizer_variables(o, of, 9), 5);
  cr_assert_eq(cn_at(of[2], 0), -1);
  cr_assert_eq(cn_at(of[4], 0), 0);
  cr_assert_eq(cn_count(of[4]), 4);
  cr_assert(cn_optimizer_apply(o, x, v, 3));
  cr_assert_eq(cn_at(v[0], 0), -2.5);
  cr_assert_eq(cn_at(v[2], 0), -1);
  cn_free(v[1]);
  cn_tensor *fresh = cn_variable(g, CN_F32, CN_DIMS(7), NULL);
  cr_assert(cn_optimizer_build(o, &fresh, 1));
  cr_assert_eq(cn_optimizer_variables(o, of, 9), 5);
  cr_assert_eq(cn_count(of[4]), 7);
  cn_graph_free(g);
}

Test(optim, optimizers_share_variables) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(1), NULL), *w = cn_variable(g, CN_F32, CN_DIMS(1), NULL);
  cn_optimizer *a = cn_optimizer_SGD(g, 1), *b = cn_optimizer_SGD(g, 10);
  cr_assert(cn_optimizer_build(a, &v, 1));
  cn_tensor *both[] = { w, v }; /* v has another place than in a */
  cr_assert(cn_optimizer_build(b, both, 2));
  cr_assert(cn_optimizer_minimize(a, cn_sum(g, cn_add(g, v, w)), true));
  cr_assert(cn_at(v, 0) == -1 && cn_at(w, 0) == 0, "only its own");
  cr_assert(cn_optimizer_minimize(b, cn_sum(g, cn_add(g, v, w)), true));
  cr_assert(cn_at(v, 0) == -11 && cn_at(w, 0) == -10);
  cn_set_trainable(v, false);
  cr_assert(cn_optimizer_minimize(b, cn_sum(g, cn_add(g, v, w)), true));
  cr_assert(cn_at(v, 0) == -11 && cn_at(w, 0) == -20, "a frozen one stays");
  cn_set_trainable(v, true);
  for (int i = 0; i < 2; i++) {
    cr_assert(cn_optimizer_minimize(a, cn_sum(g, cn_add(g, v, w)), true));
    cr_assert(cn_optimizer_minimize(b, cn_sum(g, cn_add(g, v, w)), true));
  }
  cr_assert(cn_at(v, 0) == -33 && cn_at(w, 0) == -40, "in turn");
  cn_graph_free(g);
}

Test(optim, what_the_loss_does_not_depend_on_stays) {
  for (int fused = 0; fused < 2; fused++) {
    cn_graph *g = cn_graph_new(.seed = 1);
    cn_tensor *v[] = { cn_variable(g, CN_F32, CN_DIMS(1), NULL), cn_variable(g, CN_F32, CN_DIMS(1), NULL) };
    cn_optimizer *o = cn_optimizer_SGD(g, 1, .momentum = 0.5);
    cr_assert(cn_optimizer_minimize(o, cn_sum(g, cn_add(g, v[0], v[1])), true));
    cn_tensor *loss = cn_sum(g, v[0]);
    cr_assert(fused ? cn_optimizer_minimize(o, loss, true) : cn_backward(g, loss) && cn_grad(v[1]) && cn_optimizer_step(o));
    cr_assert(cn_at(v[0], 0) == -2.5 && cn_at(v[1], 0) == -1, "no momentum either");
    cn_graph_free(g);
  }
}

/* ---- texts and configs ---- */
Test(optim, config_reads_back) {
  cn_graph *g = cn_graph_new(.seed = 1);
  for (const char *const *text = every_optimizer; *text; text++) {
    cn_optimizer *o = cn_optimizer_from(g, *text);
    const char *config = cn_optimizer_config(o);
    cr_assert(config, "%s: %s", *text, cn_error(g));
    cn_optimizer *again = cn_optimizer_from_config(g, config);
    cr_assert(again, "%s: %s", *text, cn_error(g));
    cr_assert_str_eq(cn_optimizer_config(again), config);
  }
  cn_optimizer *o = cn_optimizer_from_config(g, "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": {\"class_name\": \"ExponentialDecay\", \"config\": "
                                                "{\"initial_learning_rate\": 0.5, \"decay_steps\": 2, \"decay_rate\": 0.7}}, \"momentum\": 0.25}}");
  CHECK_NEAR(cn_optimizer_learning_rate(o), 0.5, 0);
  cr_assert(strstr(cn_optimizer_config(o), "\"ExponentialDecay\"") && !strstr(cn_optimizer_config(o), "\"schedule\""), "%s", cn_optimizer_config(o));
  cn_graph_free(g);
}

/* ---- wrappers ---- */
Test(optim, loss_scale_grows_and_halves) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(2), NULL);
  cn_optimizer *o = cn_optimizer_LossScaleOptimizer(g, { .object = cn_optimizer_SGD(g, 1) }, .initial_scale = 8, .dynamic_growth_steps = 2);
  CHECK_NEAR(cn_optimizer_loss_scale(o), 8, 0);
  const double values[][2] = { { 8, 16 }, { 8, INFINITY }, { 4, 4 }, { 4, 4 }, { 8, NAN } }, scales[] = { 8, 4, 4, 8, 4 }, moved[] = { -1, -1, -2, -3, -3 };
  for (int t = 0; t < 5; t++) {
    cn_tensor *x = cn_array_from_doubles(g, CN_F32, CN_DIMS(2), values[t]);
    cr_assert(cn_optimizer_apply(o, &x, &v, 1), "%s", cn_error(g));
    CHECK_NEAR(cn_optimizer_loss_scale(o), scales[t], 0);
    CHECK_NEAR(cn_at(v, 0), moved[t], 0);
  }
  cr_assert_eq(cn_optimizer_iterations(o), 3);
  CHECK_NEAR(cn_optimizer_learning_rate(o), 1, 0);
  cr_assert(cn_optimizer_set_learning_rate(o, 0.5));
  CHECK_NEAR(cn_optimizer_learning_rate(o), 0.5, 0);
  cn_graph_free(g);
}

Test(optim, multi_routes_by_path) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v[VARIABLES], *x[VARIABLES];
  model_make(g, CN_F32, v);
  cn_optimizer *o = cn_optimizer_MultiOptimizer(g, CN_NAME("SGD(1)"), .loss_scale_factor = 2);
  cr_assert(cn_optimizer_map(o, ".*bias", cn_optimizer_SGD(g, 10)));
  cr_assert(cn_optimizer_map(o, "emb", cn_optimizer_SGD(g, 100)));
  double before[VARIABLES];
  for (int i = 0; i < VARIABLES; i++) before[i] = cn_at(v[i], 0), x[i] = cn_full(g, CN_F32, &v[i]->dims, 2);
  cr_assert(cn_optimizer_apply(o, x, v, VARIABLES), "%s", cn_error(g));
  const double rates[] = { 100, 1, 10 };
  for (int i = 0; i < VARIABLES; i++) CHECK_NEAR(cn_at(v[i], 0), before[i] - rates[i], 1e-5);
  cr_assert(isnan(cn_optimizer_learning_rate(o)));
  cr_assert(!cn_optimizer_map(o, "x", cn_optimizer_SGD(g, 1)));
  CHECK_REFUSED(g, CN_STATE, "MultiOptimizer: patterns are added before it is built");
  cn_optimizer *plain = cn_optimizer_SGD(g, 1);
  cr_assert(!cn_optimizer_map(plain, "x", plain));
  CHECK_REFUSED(g, CN_VALUE, "SGD: it maps no variables to other optimizers");
  cr_assert(!cn_optimizer_set_learning_rate(o, 1));
  CHECK_REFUSED(g, CN_STATE, "MultiOptimizer: set the learning rate of its optimizers");
  cn_graph_free(g);
}

/* ---- a user's own class, in public functions only ---- */
#define SIGN_SGD(X, S) X(S, double, learning_rate, 0.5, ANY, "") X(S, double, start, 3.0, ANY, "") CN_OPTIMIZER_LIST(X, S)
typedef struct cn_optimizer_SignSGDOptions { cn_graph *graph; SIGN_SGD(CN_FIELD_, ) } cn_optimizer_SignSGDOptions;
extern const cn_class cn_class_optimizer_SignSGD;
cn_optimizer *cn_make_optimizer_SignSGD(const cn_optimizer_SignSGDOptions *options);
void cn_optimizer_SignSGDOptions_init(cn_optimizer_SignSGDOptions *options, size_t size);

static const cn_slot sign_slots[] = { { .name = "seen" }, { .name = NULL } };
static bool sign_slot(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {
  (void)i, (void)variable;
  slot->initial = ((const cn_optimizer_SignSGDOptions *)o->object.options)->start;
  return true;
}
static bool sign_update(cn_optimizer *o, const cn_update *u) {
  cn_graph *g = o->object.graph;
  return cn_assign(u->slots[0], cn_add(g, u->slots[0], u->gradient)) &&
         cn_assign(u->variable,
                   cn_subtract(g, u->variable, cn_multiply(g, cn_sign(g, u->gradient), cn_scalar_like(g, u->variable, u->learning_rate * (double)u->step))));
}
static const cn_optimizer_methods sign_methods = { .slots = sign_slots, .slot = sign_slot, .update = sign_update };
CN_OPTIMIZER(SignSGD, SIGN_SGD, cn_optimizer, .methods = &sign_methods)

static const cn_optimizer_methods no_methods = { .slots = sign_slots };
static const cn_slot many_slots[] = { { .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" }, { .name = "e" }, { .name = NULL } };
static const cn_optimizer_methods many_methods = { .slots = many_slots, .update = sign_update };

Test(optim, a_users_class_that_lacks_something) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_class wrong = cn_class_optimizer_SignSGD;
  cn_optimizer_SignSGDOptions o;
  cn_optimizer_SignSGDOptions_init(&o, sizeof o);
  o.graph = g;
  wrong.methods = &no_methods;
  cr_assert(!cn_object_new(&wrong, &o));
  CHECK_REFUSED(g, CN_VALUE, "SignSGD: the class has no update");
  wrong.methods = &many_methods;
  cr_assert(!cn_object_new(&wrong, &o));
  CHECK_REFUSED(g, CN_VALUE, "SignSGD: the class has more than 4 slots");
  cn_graph_free(g);
}

Test(optim, a_users_class) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cr_assert(cn_register_class(g, &cn_class_optimizer_SignSGD), "%s", cn_error(g));
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(3), NULL), *of[3];
  cn_optimizer *o = cn_optimizer_from(g, "sign_sgd(0.25, clipvalue=2, start=1)");
  cr_assert(o, "%s", cn_error(g));
  for (int t = 0; t < 2; t++) {
    cn_tensor *x = cn_array(g, CN_F32, CN_DIMS(3), (const float[]){ 5, -0.5f, 0 });
    cr_assert(cn_optimizer_minimize(o, cn_sum(g, cn_multiply(g, v, x)), false), "%s", cn_error(g));
    cn_graph_reset(g);
  }
  cr_assert_eq(cn_optimizer_variables(o, of, 3), 3);
  const double wanted[] = { -0.75, 0.75, 0 }, seen[] = { 5, 0, 1 };
  for (int i = 0; i < 3; i++) {
    CHECK_NEAR(cn_at(v, i), wanted[i], 0);
    CHECK_NEAR(cn_at(of[2], i), seen[i], 0);
  }
  cn_graph_free(g);
}
