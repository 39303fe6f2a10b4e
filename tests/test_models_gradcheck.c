/* Gradient checks of layers and of models with their loss: of a float64 copy, with the random state rewound. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(models_gradcheck, .init = begin, .fini = end);

static cn_tensor *uniform(const cn_dims *d) { return cn_random_uniform(g, (const cn_ints){ d->d, d->rank }, .minval = -1, .maxval = 1, .seed = 3); }

Test(models_gradcheck, a_layer) {
  cn_layer *l = cn_Dense(g, 3, .activation = "tanh", .kernel_regularizer = "l2(0.1)");
  cn_tensor *x = uniform(CN_DIMS(4, 5));
  const cn_gradcheck_report r = cn_gradcheck_layer(g, l, x, .order = 2, .elementwise = true);
  cr_assert(r.passed, "%s (%s)", r.text, cn_error(g));
  cr_assert_eq(r.comparisons, 2 * (5 + 20 + 15 + 3));
  cr_assert_eq(cn_dtype_of(weight_at(l, 0)), CN_F32);
}

Test(models_gradcheck, a_model_with_dropout_loss_and_penalties) {
  cn_model *m = cn_Sequential(g, "net");
  cn_push(m, cn_Dense(g, 6, .activation = "softplus", .kernel_regularizer = "l2(0.1)", .activity_regularizer = CN_NAME("l2(0.01)")));
  cn_push(m, cn_Dropout(g, 0.4));
  cn_push(m, cn_Dense(g, 3));
  cn_tensor *x = uniform(CN_DIMS(8, 5)), *y = INTEGERS(g, CN_DIMS(8), 0, 2, 1, 1, 0, 2, 2, 0);
  const cn_gradcheck_report r =
      cn_gradcheck_layer(g, cn_model_layer(m), x, y, CN_NAME("sparse_categorical_crossentropy(from_logits=true)"), .order = 2, .directions = 3);
  cr_assert(r.passed, "%s (%s)", r.text, cn_error(g));
  cr_assert(fabs(r.analytic) > 1e-3, "%s", r.text);
}

Test(models_gradcheck, embeddings_under_a_mask) {
  cn_model *m = cn_Sequential(g, NULL);
  cn_push(m, cn_Embedding(g, 7, 4, .mask_zero = true));
  cn_push(m, cn_GlobalAveragePooling1D(g));
  cn_push(m, cn_Dense(g, 1, .activation = "sigmoid"));
  cn_tensor *x = INTEGERS(g, CN_DIMS(2, 3), 1, 4, 0, 6, 6, 2), *y = FLOATS(g, CN_DIMS(2, 1), 1, 0);
  const cn_gradcheck_report r = cn_gradcheck_layer(g, cn_model_layer(m), x, y, CN_NAME("binary_crossentropy"), .order = 2);
  cr_assert(r.passed, "%s (%s)", r.text, cn_error(g));
}

/* The layer stays as it was: weights, streams, names. */
Test(models_gradcheck, the_layer_is_not_changed) {
  cn_graph *h[2] = { cn_graph_new(.seed = 4), cn_graph_new(.seed = 4) };
  double last[2];
  for (int i = 0; i < 2; i++) {
    cn_model *m = cn_Sequential(h[i], NULL);
    cn_push(m, cn_Dense(h[i], 6));
    cn_push(m, cn_Dropout(h[i], 0.4, .seed = 9));
    cn_push(m, cn_Dense(h[i], 1));
    cn_model_build(m, CN_DIMS(8, 5));
    cn_tensor *x = cn_ones(h[i], CN_F32, CN_DIMS(8, 5)), *y = cn_ones(h[i], CN_F32, CN_DIMS(8, 1));
    if (i) cr_assert(cn_gradcheck_layer(h[i], cn_model_layer(m), x, y, CN_NAME("mse")).passed, "%s", cn_error(h[i]));
    cn_compile(m, .optimizer = "sgd(0.1)", .loss = "mse");
    x = cn_ones(h[i], CN_F32, CN_DIMS(8, 5)), y = cn_ones(h[i], CN_F32, CN_DIMS(8, 1));
    cn_train_on_batch(m, x, y, NULL);
    last[i] = cn_train_on_batch(m, cn_ones(h[i], CN_F32, CN_DIMS(8, 5)), cn_ones(h[i], CN_F32, CN_DIMS(8, 1)), NULL);
    cr_assert_str_eq(cn_model_layer_at(m, 0)->name, "dense");
  }
  CHECK_NEAR(last[1], last[0], 0);
  for (int i = 0; i < 2; i++) cn_graph_free(h[i]);
}

/* A user's layer with a wrong gradient: y = x w by an operation whose rule forgets w's sign. */
static cn_tensor *half(cn_graph *graph, cn_tensor *x, void *user) {
  (void)user; /* x / 2 that says its gradient is 1: the detour carries none */
  return cn_subtract(graph, x, cn_stop_gradient(graph, cn_scale(graph, x, 0.5)));
}
Test(models_gradcheck, a_wrong_one_is_named) {
  cn_layer *l = cn_Dense(g, 2, .activation = { .fn = half });
  const cn_gradcheck_report r = cn_gradcheck_layer(g, l, uniform(CN_DIMS(1, 2)), .elementwise = true);
  cr_assert_not(r.passed);
  cr_assert(fabs(r.analytic / r.numeric - 2) < 1e-6, "%s", r.text);
  CHECK_OK(g);
}

Test(models_gradcheck, refused) {
  cr_assert_not(cn_gradcheck_layer(g, NULL).passed);
  CHECK_REFUSED(g, CN_VALUE, "gradcheck_layer: a layer and its input are needed");
  cr_assert_not(cn_gradcheck_layer(g, cn_Dense(g, 2), uniform(CN_DIMS(1, 2)), uniform(CN_DIMS(1, 2)), CN_NAME("msee")).passed);
  cr_assert(strstr(cn_error(g), "unknown loss \"msee\""), "%s", cn_error(g));
}
