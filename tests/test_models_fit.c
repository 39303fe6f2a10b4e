/* Training a model: batches, epochs, validation, weights of samples, history, what is printed; evaluating and predicting. The model is y = w x + b, so every
 * number follows by hand. */
#include "test_layers.h"

static cn_graph *g;
static char printed[8192];

static void print(void *user, const char *text) {
  (void)user;
  strncat(printed, text, sizeof printed - strlen(printed) - 1);
}

static void begin(void) {
  g = cn_graph_new(.seed = 5);
  cn_set_output_callback(g, print, NULL);
  printed[0] = '\0';
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(models_fit, .init = begin, .fini = end);

static const float xs[] = { 1, 2, 3, 4, 5 }, ys[] = { 2, 4, 6, 8, 10 };

static cn_model *line(const char *optimizer, const char *metrics) {
  cn_model *m = cn_Sequential(g, "line");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones", .name = "dense"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 1));
  cn_compile(m, .optimizer = optimizer, .loss = "mse", .metrics = metrics);
  CHECK_OK(g);
  return m;
}
static cn_dataset *data(void) { return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(5, 1), xs, CN_F32, CN_DIMS(5, 1), ys); }
static double slope(cn_model *m) { return cn_at(weight_at(cn_model_layer(m), 0), 0); }
static double height(cn_model *m) { return cn_at(weight_at(cn_model_layer(m), 1), 0); }

/* Gradient descent on samples from..to of y = 2 x, in double. */
static void descend(double *w, double *b, int from, int to, double rate) {
  double gw = 0, gb = 0;
  for (int i = from; i < to; i++) {
    const double e = *w * xs[i] + *b - ys[i];
    gw += 2 * e * xs[i] / (to - from);
    gb += 2 * e / (to - from);
  }
  *w -= rate * gw;
  *b -= rate * gb;
}

Test(models_fit, batches_and_epochs) {
  cn_model *m = line("sgd(0.01)", NULL);
  double w = 1, b = 0;
  const cn_history *h = cn_fit(m, data(), .epochs = 3, .batch_size = 2, .shuffle = false, .verbose = 0);
  cr_assert(h, "%s", cn_error(g));
  for (int e = 0; e < 3; e++) {
    double loss = 0;
    for (int from = 0; from < 5; from += 2) {
      const int to = from + 2 < 5 ? from + 2 : 5;
      for (int i = from; i < to; i++) loss += (w * xs[i] + b - ys[i]) * (w * xs[i] + b - ys[i]);
      descend(&w, &b, from, to, 0.01);
    }
    CHECK_NEAR(cn_history_at(h, "loss", e), loss / 5, 1e-5); /* each sample counts once, the short last batch too */
  }
  CHECK_NEAR(slope(m), w, 1e-6);
  CHECK_NEAR(height(m), b, 1e-6);
  cr_assert_eq(h->epochs, 3);
  CHECK_NEAR(cn_history_at(h, "loss", -1), cn_history_at(h, "loss", 2), 0);
  cr_assert(isnan(cn_history_at(h, "val_loss", 0)) && isnan(cn_history_at(h, "loss", 3)));
  cr_assert_eq(cn_optimizer_iterations(cn_model_optimizer(m)), 9);
}

Test(models_fit, validation_takes_the_last_samples) {
  cn_model *m = line("sgd(0.0)", "mae");
  const cn_history *h = cn_fit(m, data(), .epochs = 2, .batch_size = 2, .validation_split = 0.4, .verbose = 0);
  CHECK_NEAR(cn_history_at(h, "loss", 0), (1 + 4 + 9) / 3.0, 1e-6); /* samples 0..2 train */
  CHECK_NEAR(cn_history_at(h, "val_loss", 0), (16 + 25) / 2.0, 1e-6);
  CHECK_NEAR(cn_history_at(h, "val_mae", 1), 4.5, 1e-6);
  h = cn_fit(m, data(), .epochs = 3, .validation_data = data(), .validation_freq = 2, .verbose = 0);
  cr_assert(isnan(cn_history_at(h, "val_loss", 0)) && isnan(cn_history_at(h, "val_loss", 2)));
  CHECK_NEAR(cn_history_at(h, "val_loss", 1), 11, 1e-6);
}

Test(models_fit, the_order_is_the_seeds) {
  double sum[3];
  for (int k = 0; k < 3; k++) {
    cn_graph *own = cn_graph_new(.seed = k == 2 ? 8 : 7), *kept = g;
    g = own;
    cn_model *m = line("sgd(0.02)", NULL);
    cn_fit(m, data(), .epochs = 2, .batch_size = 1, .verbose = 0);
    CHECK_OK(g);
    sum[k] = slope(m) + 3 * height(m);
    g = kept;
    cn_graph_free(own);
  }
  cr_assert_eq(sum[0], sum[1]);
  cr_assert_neq(sum[0], sum[2]);
}

Test(models_fit, weights_of_samples) {
  cn_model *m = line("sgd(0.1)", NULL);
  const double loss = cn_train_on_batch(m, FLOATS(g, CN_DIMS(2, 1), 1, 2), FLOATS(g, CN_DIMS(2, 1), 2, 2), FLOATS(g, CN_DIMS(2), 3, 1));
  CHECK_NEAR(loss, 3.0 * 1 / 2, 1e-6); /* the sum over the batch by the batch's size */
  CHECK_NEAR(slope(m), 1 + 0.1 * 3 * 2 * 1 / 2, 1e-6);
}

Test(models_fit, penalties_are_part_of_the_loss) {
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "ones", .kernel_regularizer = "l2(0.5)", .activity_regularizer = "l1(0.25)"));
  cn_compile(m, .optimizer = "sgd(0.1)", .loss = "mse");
  const double loss = cn_train_on_batch(m, FLOATS(g, CN_DIMS(2, 1), 1, 3), FLOATS(g, CN_DIMS(2, 1), 1, 3), NULL);
  CHECK_NEAR(loss, 0 + 0.5 + 0.25 * (1 + 3) / 2, 1e-6);
  CHECK_NEAR(slope(m), 1 - 0.1 * (0.5 * 2 + 0.25 * (1 + 3) / 2), 1e-6);
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 1), 2), *y = cn_call(g, cn_model_layer(m), x), *total = cn_total_loss(cn_model_layer(m), cn_scalar(g, 10));
  const double w = slope(m), b = height(m);
  CHECK_NEAR(cn_item(total), 10 + 0.5 * w * w + 0.25 * fabs(cn_item(y)), 1e-6);
  cn_backward(g, total);
  CHECK_NEAR(cn_item(cn_grad(weight_at(cn_model_layer(m), 0))), w + 0.25 * 2, 1e-6);
  (void)b;
}

Test(models_fit, frozen_weights_stay) {
  cn_model *m = line("sgd(0.01)", NULL);
  cn_layer_set_trainable(cn_model_layer_at(m, 0), false);
  cr_assert(isnan(cn_train_on_batch(m, FLOATS(g, CN_DIMS(1, 1), 1), FLOATS(g, CN_DIMS(1, 1), 3), NULL)) || slope(m) == 1);
  cn_graph_clear(g);
  cr_assert_eq(slope(m), 1);
  cn_layer_set_trainable(cn_model_layer_at(m, 0), true);
  cn_train_on_batch(m, FLOATS(g, CN_DIMS(1, 1), 1), FLOATS(g, CN_DIMS(1, 1), 3), NULL);
  CHECK_NEAR(slope(m), 1 + 0.01 * 2 * 2, 1e-6);
}

Test(models_fit, evaluate) {
  cn_model *m = line("sgd(0.01)", "mae, mse");
  double v[3];
  cr_assert_eq(cn_evaluate(m, data(), 2, v, 3), 3);
  CHECK_NEAR(v[0], 11, 1e-6);
  CHECK_NEAR(v[1], 3, 1e-6);
  CHECK_NEAR(v[2], 11, 1e-6);
  cr_assert_str_eq(cn_metric_name_at(m, 0), "loss");
  cr_assert_str_eq(cn_metric_name_at(m, 1), "mae");
  cr_assert_eq(slope(m), 1);
}

Test(models_fit, predict) {
  cn_model *m = line("sgd(0.01)", NULL);
  cn_tensor *x = cn_persist(FLOATS(g, CN_DIMS(5, 1), 1, 2, 3, 4, 5)), *y = cn_predict(m, x, 2);
  CHECK_TENSOR(y, CN_DIMS(5, 1), 1e-6, 1, 2, 3, 4, 5);
  float out[5];
  cr_assert(cn_predict_into(m, x, out, 5));
  CHECK_NEAR(out[4], 5, 1e-6);
  cr_assert(!cn_predict_into(m, x, out, 4));
  CHECK_REFUSED(g, CN_SHAPE, "predict_into: the output is float32 [5,1], the array has 4 floats");
  size_t bytes = 0;
  for (int i = 0; i < 10000; i++) {
    cn_free(cn_predict(m, x, 5));
    cn_predict_into(m, x, out, 5);
    if (i == 10) bytes = cn_graph_bytes(g);
  }
  cr_assert_eq(cn_graph_bytes(g), bytes);
}

Test(models_fit, models_that_are_freed_leave_nothing) {
  size_t bytes = 0;
  for (int i = 0; i < 100; i++) {
    cn_model *m = line("adam", "mae");
    cn_dataset *d = data();
    cn_fit(m, d, .epochs = 4, .batch_size = 2, .verbose = 0);
    cn_dataset_free(d);
    cn_model_free(m);
    if (i == 50) bytes = cn_graph_bytes(g);
  }
  cr_assert_eq(cn_graph_bytes(g), bytes, "%zu, then %zu", bytes, cn_graph_bytes(g));
}

/* Digits of times become #. */
static const char *masked(void) {
  static char out[8192];
  size_t n = 0;
  for (const char *p = printed; *p && n + 1 < sizeof out; p++) {
    const char *unit = p;
    while (*unit == '.' || (*unit >= '0' && *unit <= '9')) unit++;
    if (unit > p && (*unit == 's' || !strncmp(unit, "ms/", 3) || !strncmp(unit, "us/", 3))) {
      out[n++] = '#';
      p = unit;
      while (*p && *p != ' ' && *p != '\n') p++;
      p--;
      continue;
    }
    out[n++] = *p;
  }
  out[n] = '\0';
  return out;
}

Test(models_fit, plain_lines_where_there_is_no_terminal) {
  cn_model *m = line("sgd(0.0)", "mae");
  cn_fit(m, data(), .epochs = 2, .batch_size = 2, .validation_data = data());
  cr_assert_str_eq(masked(), "Epoch 1/2\n3/3 - # - # - loss: 11.0000 - mae: 3.0000 - val_loss: 11.0000 - val_mae: 3.0000\n"
                             "Epoch 2/2\n3/3 - # - # - loss: 11.0000 - mae: 3.0000 - val_loss: 11.0000 - val_mae: 3.0000\n", "%s", masked());
}

Test(models_fit, summary) {
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Flatten(g));
  cn_push(m, cn_Dense(g, 32, .activation = "relu"));
  cn_push(m, cn_Dropout(g, 0.5));
  cn_push(m, cn_Dense(g, 10));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 28, 28));
  cn_summary(m);
  static const char *const parts[] = { "Model: \"mlp\"\n", "Layer (type)", "Output Shape", "Param #", "flatten (Flatten)", "(None, 784)", "dense (Dense)",
                                       "(None, 32)", "25,120", "dropout (Dropout)", "dense_1 (Dense)", "(None, 10)", "330",
                                       " Total params: 25,450 (99.41 KB)\n", " Trainable params: 25,450 (99.41 KB)\n", " Non-trainable params: 0 (0.00 B)\n" };
  const char *at = printed;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    at = strstr(at, parts[i]);
    cr_assert(at, "\"%s\" is missing, or not in its place:\n%s", parts[i], printed);
  }
}

Test(models_fit, refusals) {
  cn_model *m = line("sgd", NULL);
  cr_assert_null(cn_fit(m, data(), .batch_size = -1));
  CHECK_REFUSED(g, CN_VALUE, "fit: batch_size must not be negative, got -1");
  cr_assert_null(cn_fit(m, data(), .validation_split = 1.5));
  CHECK_REFUSED(g, CN_VALUE, "fit: validation_split must be in [0, 1), got 1.5");
  cr_assert_null(cn_fit(m, NULL));
  CHECK_REFUSED(g, CN_VALUE, "fit: the data set is NULL");
  cn_model *raw = cn_Sequential(g, "raw");
  cn_push(raw, cn_Dense(g, 1));
  cr_assert_null(cn_fit(raw, data()));
  CHECK_REFUSED(g, CN_STATE, "fit: raw is not compiled");
  cr_assert(!cn_push(m, cn_Dense(g, 1)));
  CHECK_REFUSED(g, CN_STATE, "line: a layer cannot be added once the model is built");
  cr_assert_null(cn_dataset_from_tensors(g, cn_ones(g, CN_F32, CN_DIMS(3, 1)), cn_ones(g, CN_F32, CN_DIMS(2, 1)), NULL));
  cr_assert_eq(cn_error_code(g), CN_SHAPE, "%s", cn_error(g));
  cn_graph_clear(g);
}

Test(models_fit, data_sets) {
  cn_dataset *d = cn_dataset_from_tensors(g, FLOATS(g, CN_DIMS(5, 1), 1, 2, 3, 4, 5), NULL, FLOATS(g, CN_DIMS(5), 1, 1, 1, 1, 2)),
             *tail = cn_dataset_range(d, 3, 2);
  cn_batch b;
  cr_assert_eq(cn_dataset_size(d), 5);
  cr_assert_eq(cn_dataset_size(tail), 2);
  cr_assert(cn_dataset_reset(d, false) && cn_dataset_next(d, 3, &b) && b.size == 3 && !b.y && cn_at(b.x, 2) == 3);
  cr_assert(cn_dataset_next(d, 3, &b) && b.size == 2 && cn_at(b.sample_weight, 1) == 2);
  cr_assert(!cn_dataset_next(d, 3, &b) && cn_ok(g));
  cr_assert(cn_dataset_reset(tail, false) && cn_dataset_next(tail, 9, &b) && b.size == 2 && cn_at(b.x, 0) == 4);
  cr_assert_null(cn_dataset_range(d, -1, INT64_MAX));
  CHECK_REFUSED(g, CN_INDEX, "dataset_range: samples -1 to 9223372036854775806 of 5");
  cr_assert_null(cn_dataset_range(d, 3, INT64_MAX));
  CHECK_REFUSED(g, CN_INDEX, "dataset_range: samples 3 to 9223372036854775807 of 5");
  double sum = 0;
  cn_dataset_reset(d, true);
  while (cn_dataset_next(d, 2, &b))
    for (int64_t i = 0; i < b.size; i++) sum += cn_at(b.x, i);
  cr_assert_eq(sum, 15);
}
