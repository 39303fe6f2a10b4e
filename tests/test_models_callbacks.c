/* Callbacks of fit: the user's own, early stopping, rates, ends on NaN. */
#include <math.h>
#include <stdio.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 5); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(models_callbacks, .init = begin, .fini = end);

static const float xs[] = { 1, 2, 3, 4 }, ys[] = { 2, 4, 6, 8 };
static cn_dataset *data(void) { return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 1), xs, CN_F32, CN_DIMS(4, 1), ys); }
static cn_model *line(const char *optimizer) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones"));
  cn_compile(m, .optimizer = optimizer, .loss = "mse", .metrics = "mae");
  return m;
}

/* ---- the user's own ---- */
typedef struct seen { char hooks[256]; int stop_at, fail_at; } seen;
static bool note(cn_callback *c, const char *what, int64_t i) {
  seen *s = c->user;
  char text[16];
  snprintf(text, sizeof text, "%s%d ", what, (int)i);
  strncat(s->hooks, text, sizeof s->hooks - strlen(s->hooks) - 1);
  return true;
}
static bool train_begin(cn_callback *c) { return note(c, "T", 0); }
static bool train_end(cn_callback *c) { return note(c, "t", 0); }
static bool epoch_begin(cn_callback *c, int64_t e) { return note(c, "E", e); }
static bool epoch_end(cn_callback *c, int64_t e, cn_logs *logs) {
  cr_assert(cn_log_has(logs, "loss") && cn_log_has(logs, "mae") && !cn_log_has(logs, "val_loss") && isnan(cn_log_at(logs, "val_loss")));
  return note(c, "e", e) && cn_log_put(logs, "twice", 2 * cn_log_at(logs, "loss"));
}
static bool batch_begin(cn_callback *c, int64_t b) { return note(c, "B", b); }
static bool batch_end(cn_callback *c, int64_t b, cn_logs *logs) {
  const seen *s = c->user;
  cr_assert(cn_log_at(logs, "loss") > 0);
  if (s->stop_at == b) cn_stop_training(c->model);
  if (s->fail_at == b) return cn_fail(g, CN_VALUE, "enough"), false;
  return note(c, "b", b);
}
static const cn_callback_methods hooks = { .train_begin = train_begin,
                                           .train_end = train_end,
                                           .epoch_begin = epoch_begin,
                                           .epoch_end = epoch_end,
                                           .batch_begin = batch_begin,
                                           .batch_end = batch_end,
                                           .log = "twice" };

Test(models_callbacks, hooks_of_the_user_in_order) {
  seen s = { .stop_at = -1, .fail_at = -1 };
  cn_callback *c = cn_callback_new(g, &hooks, &s);
  const cn_history *h = cn_fit(line("sgd(0.01)"), data(), .epochs = 2, .batch_size = 2, .verbose = 0, .callbacks = CN_CALLBACKS(c));
  cr_assert(h, "%s", cn_error(g));
  cr_assert_str_eq(s.hooks, "T0 E0 B0 b0 B1 b1 e0 E1 B0 b0 B1 b1 e1 t0 ");
  for (int e = 0; e < 2; e++) CHECK_NEAR(cn_history_at(h, "twice", e), 2 * cn_history_at(h, "loss", e), 0);
}

static bool fits_again(cn_callback *c, int64_t e, cn_logs *logs) {
  (void)e, (void)logs;
  cr_assert_null(cn_fit(c->model, data(), .verbose = 0));
  CHECK_REFUSED(g, CN_STATE, "fit: line is being fitted: a callback cannot change what it is fitted with");
  cr_assert_not(cn_compile(c->model, .loss = "mae"));
  CHECK_REFUSED(g, CN_STATE, "compile: line is being fitted: a callback cannot change what it is fitted with");
  return true;
}
Test(models_callbacks, a_model_is_not_fitted_inside_its_fit) {
  static const cn_callback_methods methods = { .epoch_end = fits_again };
  cr_assert(cn_fit(line("sgd(0.01)"), data(), .epochs = 2, .verbose = 0, .callbacks = CN_CALLBACKS(cn_callback_new(g, &methods, NULL))), "%s", cn_error(g));
}
Test(models_callbacks, stopped_and_failed) {
  seen s = { .stop_at = 0, .fail_at = -1 };
  cn_callback *c = cn_callback_new(g, &hooks, &s);
  const cn_history *h = cn_fit(line("sgd(0.01)"), data(), .epochs = 5, .batch_size = 2, .verbose = 0, .callbacks = CN_CALLBACKS(c));
  cr_assert(h && h->epochs == 1);
  cr_assert_str_eq(s.hooks, "T0 E0 B0 b0 e0 t0 ");
  s = (seen){ .stop_at = -1, .fail_at = 1 };
  cr_assert_null(cn_fit(line("sgd(0.01)"), data(), .epochs = 5, .batch_size = 2, .verbose = 0, .callbacks = CN_CALLBACKS(c)));
  CHECK_REFUSED(g, CN_VALUE, "enough (called from fit, batch 1)");
}

/* ---- the library's ---- */
Test(models_callbacks, early_stopping_restores_the_best_weights) {
  cn_model *m = line("sgd(0.2)"); /* diverges at once */
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 1));
  cn_callback *c = cn_callback_EarlyStopping(g, .monitor = "loss", .patience = 2, .restore_best_weights = true);
  const cn_history *h = cn_fit(m, data(), .epochs = 9, .batch_size = 4, .shuffle = false, .verbose = 0, .callbacks = CN_CALLBACKS(c));
  cr_assert(h && h->epochs == 3, "%s", cn_error(g));
  const cn_early_stopping s = cn_early_stopping_of(c);
  cr_assert(s.stopped_epoch == 2 && s.best_epoch == 0 && s.wait == 2 && s.best == cn_history_at(h, "loss", 0));
  CHECK_NEAR(cn_at(weight_at(cn_model_layer(m), 0), 0), 1 + 0.2 * 2 * 7.5, 1e-5); /* after the first epoch: 1 - 0.2 dL/dw, dL/dw = -2 mean(x^2) */
}

static double halves(int64_t epoch, double rate, void *user) { return (void)user, epoch ? rate / 2 : 0.08; }
Test(models_callbacks, rates) {
  cn_model *m = line("sgd(0.5)");
  cn_callback *c = cn_callback_LearningRateScheduler(g, halves, NULL);
  const cn_history *h = cn_fit(m, data(), .epochs = 3, .verbose = 0, .callbacks = CN_CALLBACKS(c));
  cr_assert(h, "%s", cn_error(g));
  CHECK_NEAR(cn_history_at(h, "learning_rate", 0), 0.08, 1e-8);
  CHECK_NEAR(cn_history_at(h, "learning_rate", 2), 0.02, 1e-8);
  cn_callback *p = cn_callback_from(g, "ReduceLROnPlateau(loss, factor=0.5, patience=1, min_delta=1e9, min_lr=0.006)");
  h = cn_fit(m, data(), .epochs = 4, .verbose = 0, .callbacks = CN_CALLBACKS(p));
  cr_assert(h, "%s", cn_error(g));
  const double wanted[] = { 0.02, 0.02, 0.01, 0.006 };
  for (int e = 0; e < 4; e++) CHECK_NEAR(cn_history_at(h, "learning_rate", e), wanted[e], 1e-8);
}

Test(models_callbacks, ends_on_nan) {
  const float x[] = { 1, NAN, 3, 4 };
  cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 1), x, CN_F32, CN_DIMS(4, 1), ys);
  cn_callback *c = cn_callback_TerminateOnNaN(g);
  const cn_history *h = cn_fit(line("sgd(0.01)"), d, .epochs = 4, .batch_size = 1, .shuffle = false, .verbose = 0, .callbacks = CN_CALLBACKS(c));
  cr_assert(h && h->epochs == 1 && isnan(cn_history_at(h, "loss", 0)));
}

static double metric_of(const char *text, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  cn_metric *m = cn_metric_from(g, text);
  cr_assert(m && cn_metric_update(m, t, p, w), "%s", cn_error(g));
  return cn_metric_result(m);
}

/* Weights go along the leading axes of the values; sizes of 1 repeat. */
Test(models_callbacks, weights_of_metrics) {
  cn_tensor *v = FLOATS(g, CN_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *zero = cn_zeros(g, CN_F32, CN_DIMS(2, 3)), *rows = FLOATS(g, CN_DIMS(2), 1, 3),
            *column = FLOATS(g, CN_DIMS(2, 1), 1, 3);
  CHECK_NEAR(metric_of("Mean", NULL, v, rows), (6 + 3 * 15) / 12.0, 1e-6);
  CHECK_NEAR(metric_of("Mean", NULL, v, column), (6 + 3 * 15) / 12.0, 1e-6);
  CHECK_NEAR(metric_of("Mean", NULL, v, FLOATS(g, CN_DIMS(1, 3), 0, 0, 1)), 4.5, 1e-6);
  CHECK_NEAR(metric_of("Mean", NULL, v, FLOATS(g, CN_DIMS(2, 3, 1), 0, 1, 0, 0, 0, 1)), 4, 1e-6);
  CHECK_NEAR(metric_of("Mean", NULL, v, FLOATS(g, CN_SCALAR, 2)), 3.5, 1e-6);
  CHECK_NEAR(metric_of("MeanSquaredError", zero, v, column), (14 + 3 * 77) / 12.0, 1e-5);
  const cn_dims wrong[] = { { 1, { 3 } }, { 1, { 6 } }, { 2, { 3, 2 } }, { 2, { 2, 2 } }, { 3, { 2, 3, 2 } } };
  for (int i = 0; i < 5; i++) {
    char text[100], a[40];
    cn_metric *m = cn_metric_from(g, "Mean");
    cr_assert(!cn_metric_update(m, NULL, v, cn_ones(g, CN_F32, &wrong[i])));
    snprintf(text, sizeof text, "mean: sample_weight %s does not fit values of [2,3]", cn_dims_text(&wrong[i], a, sizeof a));
    CHECK_REFUSED(g, CN_SHAPE, text);
    v = FLOATS(g, CN_DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    cr_assert_eq(m->count, 0);
  }
  cr_assert(!cn_metric_update(cn_metric_from(g, "mse"), cn_zeros(g, CN_F32, CN_DIMS(3)), cn_zeros(g, CN_F32, CN_DIMS(3)), cn_ones(g, CN_F32, CN_DIMS(3))));
  CHECK_REFUSED(g, CN_SHAPE, "mean_squared_error: sample_weight [3] does not fit values of []");
  cn_tensor *masked = cn_zeros(g, CN_F32, CN_DIMS(2, 3));
  cn_set_mask(masked, cn_ones(g, CN_BOOL, CN_DIMS(2, 3)));
  cr_assert(!cn_metric_update(cn_metric_from(g, "mse"), cn_zeros(g, CN_F32, CN_DIMS(2, 3)), masked, CN_NO_TENSOR));
  CHECK_REFUSED(g, CN_SHAPE, "mean_squared_error: mask [2,3] does not fit values of [2]");
}

Test(models_callbacks, metrics_of_columns_and_classes) {
  cn_tensor *t = FLOATS(g, CN_DIMS(4), 1, 2, 3, 5), *p = FLOATS(g, CN_DIMS(4), 1, 2, 4, 4);
  cn_tensor *column = FLOATS(g, CN_DIMS(4, 1), 1, 2, 4, 4);
  CHECK_NEAR(metric_of("R2Score", t, column, CN_NO_TENSOR), 1 - 2 / 8.75, 1e-6);
  CHECK_NEAR(metric_of("R2Score", cn_expand_dims(g, t, .axis = CN_INTS(1)), p, FLOATS(g, CN_DIMS(4), 1, 1, 0, 1)), 1 - 1 / (30 - 64 / 3.0), 1e-6);
  cn_tensor *labels = cn_array(g, CN_U8, CN_DIMS(3), (const uint8_t[]){ 255, 1, 0 }), *scores = cn_zeros(g, CN_F32, CN_DIMS(3, 256)),
            *guess = cn_array(g, CN_U8, CN_DIMS(3), (const uint8_t[]){ 255, 1, 1 });
  CHECK_NEAR(metric_of("SparseCategoricalCrossentropy(from_logits=true, ignore_class=-1)", labels, scores, CN_NO_TENSOR), log(256), 1e-5);
  CHECK_NEAR(metric_of("SparseCategoricalCrossentropy(from_logits=true, ignore_class=-1)", labels, scores, FLOATS(g, CN_DIMS(3), 1, 0, 0)), log(256), 1e-5);
  CHECK_NEAR(metric_of("IoU(256, [255], ignore_class=-1)", labels, guess, CN_NO_TENSOR), 1, 1e-5);
  CHECK_NEAR(metric_of("IoU(256, [255], ignore_class=255)", labels, guess, CN_NO_TENSOR), 0, 1e-5);
  CHECK_NEAR(metric_of("AUC(20001)", FLOATS(g, CN_DIMS(4), 0, 1, 0, 1), FLOATS(g, CN_DIMS(4), 0.1, 0.10002, 0.3, 0.4), CN_NO_TENSOR), 0.75, 1e-5);
  cn_tensor *nothing = cn_zeros(g, CN_F32, CN_DIMS(2, 0));
  cr_assert_eq(metric_of("AUC(multi_label=true)", nothing, nothing, CN_NO_TENSOR), 0);
  CHECK_OK(g);
}

Test(models_callbacks, refusals) {
  cr_assert_null(cn_callback_ReduceLROnPlateau(g, .factor = 1));
  CHECK_REFUSED(g, CN_VALUE, "ReduceLROnPlateau: factor must be below 1, got 1");
  cr_assert_null(cn_callback_from(g, "EarlyStoping"));
  CHECK_REFUSED(g, CN_VALUE, "unknown callback \"EarlyStoping\"; did you mean \"EarlyStopping\"?");
  cn_callback *c = cn_callback_EarlyStopping(g, .monitor = "val_acuracy");
  cr_assert_null(cn_fit(line("sgd"), data(), .verbose = 0, .callbacks = CN_CALLBACKS(c)));
  CHECK_REFUSED(g, CN_VALUE, "EarlyStopping: \"val_acuracy\" is no metric of the model; with mode min or max it may be any value");
  cr_assert_null(cn_fit(line("sgd"), data(), .verbose = 0, .validation_freq = 0));
  CHECK_REFUSED(g, CN_VALUE, "fit: validation_freq must be positive, got 0");
  cr_assert_null(cn_fit(line("sgd"), data(), .verbose = 0, .epochs = (int64_t)1 << 61));
  CHECK_REFUSED(g, CN_VALUE, "fit: epochs must be below 2^31, got 2305843009213693952");
  cr_assert(cn_fit(line("sgd(0.01)"), data(), .verbose = 0, .batch_size = INT64_MAX)->epochs == 1);
  cn_metric *iou = cn_metric_from(g, "MeanIoU(4611686018427387904)");
  cn_tensor *zero = cn_zeros(g, CN_I32, CN_DIMS(1));
  cr_assert(iou && !cn_metric_update(iou, zero, zero, CN_NO_TENSOR));
  CHECK_REFUSED(g, CN_NO_MEMORY, "mean_io_u: too many sums");
}
