/* Training, evaluating and predicting by batches: values of one batch, class weights, steps, data sets that are streamed, an optimizer and a schedule of the
 * user's own in fit. The model is y = w x + b. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 5); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(models_batches, .init = begin, .fini = end);

static const float xs[] = { 1, 2, 3, 4, 5 }, ys[] = { 2, 4, 6, 8, 10 };

static cn_model *line_with(cn_ref optimizer, const char *metrics) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones", .name = "dense"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 1));
  cn_compile(m, .optimizer = optimizer, .loss = "mse", .metrics = metrics);
  CHECK_OK(g);
  return m;
}
static cn_model *line(const char *optimizer, const char *metrics) { return line_with((cn_ref){ .name = optimizer }, metrics); }
static cn_dataset *data(void) { return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(5, 1), xs, CN_F32, CN_DIMS(5, 1), ys); }
static double slope(cn_model *m) { return cn_at(weight_at(cn_model_layer(m), 0), 0); }
static cn_batch two(double x0, double x1, double y0, double y1) {
  return (cn_batch){ .x = FLOATS(g, CN_DIMS(2, 1), x0, x1), .y = FLOATS(g, CN_DIMS(2, 1), y0, y1) };
}
static const cn_reals no_classes = { NULL, 0 };

Test(models_batches, train_and_test_give_the_batchs_own_values) {
  cn_model *m = line("sgd(0.1)", "mae");
  double v[2];
  for (int i = 0; i < 2; i++) { /* the second does not remember the first */
    const cn_batch b = two(1, 2, 2 + i, 4);
    cr_assert_eq(cn_test_on_batch(m, &b, v, 2), 2);
    CHECK_NEAR(v[0], i ? (4 + 4) / 2.0 : (1 + 4) / 2.0, 1e-6);
    CHECK_NEAR(v[1], i ? 2 : 1.5, 1e-6);
  }
  CHECK_NEAR(slope(m), 1, 0);
  cn_batch b = two(1, 2, 2, 4);
  cr_assert_eq(cn_train_on_batch_values(m, &b, no_classes, v, 2), 2);
  CHECK_NEAR(v[0], 2.5, 1e-6); /* before the step */
  CHECK_NEAR(v[1], 1.5, 1e-6);
  CHECK_NEAR(slope(m), 1 + 0.1 * 2 * (1 * 1 + 2 * 2) / 2, 1e-6);
  b = two(1, 2, 2, 4);
  cr_assert_eq(cn_test_on_batch(m, &b, v, 1), 2, "there are two, one was wanted");
}

Test(models_batches, class_weights_of_a_batch) {
  cn_model *m = line("sgd(0.0)", NULL);
  cn_batch b = two(1, 1, 0, 1); /* squared errors 1 and 0, classes 0 and 1 */
  double v;
  cr_assert_eq(cn_train_on_batch_values(m, &b, (cn_reals)CN_REALS(6, 1), &v, 1), 1);
  CHECK_NEAR(v, 6 / 2.0, 1e-6);
  b = two(1, 1, 0, 1);
  b.sample_weight = cn_ones(g, CN_F32, CN_DIMS(2));
  cr_assert_eq(cn_train_on_batch_values(m, &b, (cn_reals)CN_REALS(6, 1), &v, 1), -1);
  CHECK_REFUSED(g, CN_VALUE, "train_on_batch: class_weight and sample weights cannot be given together");
  cn_model *raw = cn_Sequential(g, "raw");
  cn_push(raw, cn_Dense(g, 1));
  b = two(1, 1, 0, 1);
  cr_assert_eq(cn_test_on_batch(raw, &b, &v, 1), -1);
  CHECK_REFUSED(g, CN_STATE, "test_on_batch: raw is not compiled");
}

Test(models_batches, weighted_metrics_take_the_weights) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones"));
  cn_compile(m, .optimizer = "sgd(0.0)", .loss = "mse", .metrics = "mae", .weighted_metrics = "mae");
  cn_batch b = two(1, 2, 2, 4);
  b.sample_weight = FLOATS(g, CN_DIMS(2), 3, 1);
  double v[3];
  cr_assert_eq(cn_test_on_batch(m, &b, v, 3), 3);
  cr_assert_str_eq(cn_metric_name_at(m, 2), "weighted_mae");
  CHECK_NEAR(v[0], (3 * 1 + 4) / 2.0, 1e-6);
  CHECK_NEAR(v[1], 1.5, 1e-6);
  CHECK_NEAR(v[2], (3 * 1 + 2) / 4.0, 1e-6);
}

Test(models_batches, steps_choose_the_size_of_batches) {
  cn_model *m = line("sgd(0.0)", NULL);
  cn_fit(m, data(), .steps_per_epoch = 2, .shuffle = false, .verbose = 0); /* 5 samples in 2 steps: 3 and 2 */
  cr_assert_eq(cn_optimizer_iterations(cn_model_optimizer(m)), 2);
  double v;
  cr_assert_eq(cn_evaluate_with(m, data(), &v, 1, .steps = 1, .batch_size = 2), 1);
  CHECK_NEAR(v, (1 + 4) / 2.0, 1e-6);
  cr_assert_eq(cn_evaluate_with(m, data(), &v, 1, .steps = 2), 1);
  CHECK_NEAR(v, (1 + 4 + 9 + 16 + 25) / 5.0, 1e-6);
  const cn_history *h = cn_fit(m, data(), .validation_data = data(), .validation_steps = 1, .validation_batch_size = 1, .verbose = 0);
  CHECK_NEAR(cn_history_at(h, "val_loss", 0), 1, 1e-6);
}

/* As Keras: an epoch that finds fewer steps is short, and the next one begins at the start. */
Test(models_batches, data_that_ends_begins_again) {
  cn_model *m = line("sgd(0.0)", NULL);
  const cn_history *h = cn_fit(m, data(), .steps_per_epoch = 2, .batch_size = 2, .epochs = 4, .shuffle = false, .verbose = 0); /* 2 + 1, and again */
  cr_assert(h && h->epochs == 4 && cn_optimizer_iterations(cn_model_optimizer(m)) == 6);
  for (int64_t e = 0; e < 4; e++) CHECK_NEAR(cn_history_at(h, "loss", e), e % 2 ? 25 : (1 + 4 + 9 + 16) / 4.0, 1e-5);
  h = cn_fit(m, data(), .steps_per_epoch = 3, .batch_size = 2, .epochs = 2, .shuffle = false, .verbose = 0);
  cr_assert(h && h->epochs == 2 && cn_optimizer_iterations(cn_model_optimizer(m)) == 12);
  CHECK_NEAR(cn_history_at(h, "loss", 1), 11, 1e-5);
}

Test(models_batches, validation_after_chosen_epochs) {
  cn_model *m = line("sgd(0.0)", NULL);
  const cn_history *h = cn_fit(m, data(), .epochs = 6, .initial_epoch = 2, .validation_data = data(), .validation_epochs = CN_INTS(3, 6), .verbose = 0);
  cr_assert(h && h->epochs == 4 && h->initial_epoch == 2);
  for (int64_t e = 0; e < 4; e++) cr_assert_eq(isnan(cn_history_at(h, "val_loss", e)) == 0, e == 0 || e == 3);
}

Test(models_batches, refusals) {
  cn_model *m = line("sgd(0.0)", NULL);
  double v;
  cr_assert_eq(cn_test_on_batch(m, NULL, &v, 1), -1);
  CHECK_REFUSED(g, CN_VALUE, "test_on_batch: the batch has no x");
  cr_assert_eq(cn_train_on_batch_values(m, &(const cn_batch){ .size = 2 }, (cn_reals){ NULL, 0 }, &v, 1), -1);
  CHECK_REFUSED(g, CN_VALUE, "train_on_batch: the batch has no x");
  cr_assert(isnan(cn_train_on_batch(m, NULL, NULL, NULL)));
  CHECK_REFUSED(g, CN_VALUE, "train_on_batch: the batch has no x");
  cr_assert_null(cn_fit(m, data(), .steps_per_epoch = 0));
  CHECK_REFUSED(g, CN_VALUE, "fit: steps_per_epoch must be positive, got 0");
  cr_assert_null(cn_fit(m, data(), .validation_batch_size = -3));
  CHECK_REFUSED(g, CN_VALUE, "fit: validation_batch_size must not be negative, got -3");
  cr_assert_null(cn_fit(m, data(), .validation_split = 0.9, .verbose = 0));
  CHECK_REFUSED(g, CN_VALUE, "fit: validation_split 0.9 of 5 samples leaves no samples to train");
  cr_assert_eq(cn_evaluate_with(m, data(), &v, 1, .steps = -1), -1);
  CHECK_REFUSED(g, CN_VALUE, "evaluate: steps must be positive, got -1");
  cr_assert_eq(cn_evaluate_with(m, NULL, &v, 1), -1);
  CHECK_REFUSED(g, CN_VALUE, "evaluate: the data set is NULL");
  cr_assert(!cn_predict_dataset(m, NULL, 0, CN_NONE, &(cn_tensor *){ NULL }));
  CHECK_REFUSED(g, CN_VALUE, "predict: the data set is NULL");
  cr_assert(!cn_compile(m, .loss = "mse", .metrics = "acuracy_top"));
  cr_assert(strstr(cn_error(g), "unknown metric \"acuracy_top\"") == cn_error(g), "%s", cn_error(g));
  cn_graph_clear(g);
  cr_assert(!cn_compile(m, .loss = "mse", .metrics = "binary_acuracy"));
  CHECK_REFUSED(g, CN_VALUE, "unknown metric \"binary_acuracy\"; did you mean \"binary_accuracy\"?");
  cr_assert(!cn_compile(m, .losses = CN_STRINGS("mse", "mae")));
  CHECK_REFUSED(g, CN_VALUE, "compile: losses has 2 entries, line has 1 outputs");
  cr_assert(!cn_compile(m, .loss = "mse", .loss_weights = CN_REALS(1, 2)));
  CHECK_REFUSED(g, CN_VALUE, "compile: loss_weights has 2 entries, line has 1 outputs");
}

/* ---- predict ---- */
Test(models_batches, predict_a_data_set) {
  cn_model *m = line("sgd(0.0)", NULL);
  cn_tensor *out = NULL;
  cr_assert(cn_predict_dataset(m, data(), 2, CN_NONE, &out));
  CHECK_TENSOR(out, CN_DIMS(5, 1), 0, 1, 2, 3, 4, 5);
  cn_free(out);
  cr_assert(cn_predict_dataset(m, data(), 2, 2, &out));
  CHECK_TENSOR(out, CN_DIMS(4, 1), 0, 1, 2, 3, 4);
  cn_free(out);
  out = cn_predict_on_batch(m, FLOATS(g, CN_DIMS(3, 1), 7, 8, 9));
  CHECK_TENSOR(out, CN_DIMS(3, 1), 0, 7, 8, 9);
}

/* A source of unknown size: 1, 2, ... 100. */
static bool next(cn_graph *gg, void *state, int64_t size, cn_batch *out) {
  int64_t *at = state, n = 100 - *at < size ? 100 - *at : size;
  if (n <= 0) return false;
  *out = (cn_batch){ .x = cn_reshape(gg, cn_arange(gg, CN_F32, (double)*at + 1, (double)(*at + n) + 0.5, 1), CN_INTS(n, 1)), .size = n };
  *at += n;
  return out->x != NULL;
}
static bool rewind_source(cn_graph *gg, void *state, bool shuffle, cn_stream *stream) {
  return (void)gg, (void)shuffle, (void)stream, *(int64_t *)state = 0, true;
}
static int64_t unknown(void *state) { return (void)state, -1; }
static const cn_dataset_methods source = { .next = next, .reset = rewind_source, .size = unknown };

typedef struct seen { double sum; int64_t batches, most; } seen;
static bool add(cn_tensor *const *y, int64_t n, const cn_batch *b, void *user) {
  seen *s = user;
  cr_assert_eq(n, 1);
  cr_assert_eq(cn_dim(y[0], 0), b->size);
  for (int64_t i = 0; i < b->size; i++) s->sum += cn_at(y[0], i);
  return ++s->batches < s->most;
}

/* Batches of one sample of growing shapes, then none. */
static bool next_odd(cn_graph *gg, void *state, int64_t n, cn_batch *b) {
  int64_t *at = state;
  (void)n;
  if (*at > 1) return false;
  const bool empty = *at == 1 && at[1];
  *b = (cn_batch){ .x = cn_zeros(gg, CN_F32, CN_DIMS(empty ? 0 : 1, 2 + *at, 1)), .size = !empty };
  ++*at;
  return cn_ok(gg);
}
Test(models_batches, predict_refuses_batches_that_do_not_go_together) {
  static const cn_dataset_methods odd = { .next = next_odd, .reset = rewind_source, .size = unknown };
  for (int64_t empty = 0; empty < 2; empty++) {
    int64_t state[2] = { 0, empty };
    cn_model *m = line("sgd(0.0)", NULL);
    cn_tensor *out = CN_NO_TENSOR;
    cr_assert_not(cn_predict_dataset(m, cn_dataset_new(g, &odd, state), 1, CN_NONE, &out));
    cr_assert_null(out);
    CHECK_REFUSED(g, CN_SHAPE, empty ? "predict: the batch has no samples (called from predict, batch 1)"
                                      : "predict: the batches' outputs differ in shape (called from predict, batch 1)");
  }
}

Test(models_batches, predict_streams) {
  cn_model *m = line("sgd(0.0)", NULL);
  int64_t at = 0;
  cn_dataset *d = cn_dataset_new(g, &source, &at);
  cn_tensor *out = NULL;
  cr_assert(cn_predict_dataset(m, d, 7, CN_NONE, &out));
  cr_assert_eq(cn_count(out), 100);
  for (int64_t i = 0; i < 100; i++) CHECK_NEAR(cn_at(out, i), (double)i + 1, 0);
  cn_free(out);
  seen s = { 0, 0, 1000 };
  cr_assert(cn_predict_each(m, d, 7, CN_NONE, add, &s));
  cr_assert(s.sum == 5050 && s.batches == 15);
  s = (seen){ 0, 0, 2 };
  cr_assert(cn_predict_each(m, d, 7, CN_NONE, add, &s), "told to end is no failure");
  cr_assert(s.sum == 105 && s.batches == 2);
  size_t bytes = 0;
  for (int i = 0; i < 200; i++) {
    s = (seen){ 0, 0, 1000 };
    cn_predict_each(m, d, 7, CN_NONE, add, &s);
    if (i == 20) bytes = cn_graph_bytes(g);
  }
  cr_assert_eq(cn_graph_bytes(g), bytes);
}

Test(models_batches, a_profile_tells_what_fit_does_around_its_steps) {
  cn_model *m = line("sgd(0.0)", "mae");
  cr_assert(cn_profile_start(g));
  cn_fit(m, data(), .epochs = 2, .batch_size = 2, .verbose = 0);
  cn_profile_stop(g);
  cn_profile_row rows[64];
  const int64_t n = cn_profile_rows(g, CN_PROFILE_OPERATIONS, rows, 64);
  static const char *const wanted[] = { "(data)", "(metrics)", "(progress)" };
  for (int k = 0; k < 3; k++) {
    int64_t calls = 0;
    for (int64_t i = 0; i < n; i++)
      if (rows[i].phase == CN_PHASE_FIT && !strcmp(rows[i].name, wanted[k])) calls = rows[i].calls;
    cr_assert_eq(calls, 6, "%s", wanted[k]);
  }
  cr_assert(strstr(cn_profile_text(g), "fit "));
}

/* ---- the user's own ---- */
/* w -= rate sign(sum of the gradients so far) */
#define SIGN(X, S) X(S, double, learning_rate, 0.5, ANY, "size of a step") X(S, double, weight_decay, CN_NONE_REAL, ANY, "") CN_OPTIMIZER_LIST(X, S)
CN_OPTIMIZER_DECLARE(Sign, SIGN)
static const cn_slot sign_slots[] = { { .name = "sum" }, { .name = NULL } };
static bool sign_update(cn_optimizer *o, const cn_update *u) {
  cn_graph *gg = o->object.graph;
  return cn_assign(u->slots[0], cn_add(gg, u->slots[0], u->gradient)) &&
         cn_assign(u->variable, cn_subtract(gg, u->variable, cn_multiply(gg, cn_sign(gg, u->slots[0]), cn_scalar_like(gg, u->variable, u->learning_rate))));
}
static const cn_optimizer_methods sign_methods = { .slots = sign_slots, .update = sign_update };
CN_OPTIMIZER(Sign, SIGN, cn_optimizer, .methods = &sign_methods)

static double quarter(int64_t step, void *user) { return (void)user, step < 2 ? 0.25 : 0; }

Test(models_batches, an_optimizer_and_a_schedule_of_the_users_own) {
  cr_assert(cn_register_class(g, &cn_class_optimizer_Sign));
  cn_model *m = line("sign(0.125)", NULL);
  cn_fit(m, data(), .epochs = 4, .batch_size = 5, .verbose = 0);
  CHECK_OK(g);
  CHECK_NEAR(slope(m), 1 + 4 * 0.125, 0);
  cn_optimizer *o = cn_make_optimizer_Sign(&(const cn_optimizer_SignOptions){ SIGN(CN_DEFAULT_, ) .graph = g });
  cr_assert(cn_optimizer_set_schedule(o, quarter, NULL));
  m = line_with((cn_ref){ .object = o }, NULL);
  cn_fit(m, data(), .epochs = 4, .batch_size = 5, .verbose = 0);
  CHECK_NEAR(slope(m), 1 + 2 * 0.25, 0);
}
