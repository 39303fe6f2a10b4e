/* Training with the layer contract: parts of a model, freezing, shared layers, penalties, layers made of layers, several outputs, replays of functional models.
 */
#include "test_layers.h"
#include <stdio.h>
#include <time.h>

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(training, .init = begin, .fini = end);

static cn_tensor *batch(int64_t n, int64_t d) {
  cn_tensor *x = cn_zeros(g, CN_F32, CN_DIMS(n, d));
  float *v = (float *)(uintptr_t)cn_data(x);
  for (int64_t i = 0; i < n * d; i++) v[i] = (float)sin(0.7 * (double)i + 1);
  return x;
}
static double first_of(cn_layer *l, int64_t i) { return cn_at(weight_at(l, i), 0); }

Test(training, two_optimizers_over_parts_of_one_model) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3));
  cn_layer *front = cn_Dense(g, 4), *back = cn_Dense(g, 1);
  cn_tensor *h = cn_call(g, front, x), *out = cn_call(g, back, h);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(out));
  cn_optimizer *a = cn_optimizer_SGD(g, 0.1), *b = cn_optimizer_SGD(g, 0.0);
  cn_tensor *w[4];
  cn_optimizer_build(a, w, cn_trainable_weights(front, w, 4));
  cn_optimizer_build(b, w, cn_trainable_weights(back, w, 4));
  const double before[] = { first_of(front, 0), first_of(back, 0) };
  cn_tensor *y = cn_call(g, cn_model_layer(m), batch(5, 3), .training = 1);
  cn_backward(g, cn_mean(g, cn_square(g, y)));
  cr_assert(cn_optimizer_step(a) && cn_optimizer_step(b));
  CHECK_OK(g);
  cr_assert_neq(first_of(front, 0), before[0]);
  cr_assert_eq(first_of(back, 0), before[1], "its rate is 0");
}

static cn_model *two_dense(cn_layer **front, cn_layer **back) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3));
  *front = cn_Dense(g, 4);
  *back = cn_Dense(g, 1);
  cn_tensor *h = cn_call(g, *front, x), *y = cn_call(g, *back, h);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y));
  cn_compile(m, .optimizer = CN_NAME("sgd(0.1)"), .loss = CN_NAME("mse"));
  CHECK_OK(g);
  return m;
}

Test(training, freezing_in_mid_training_reaches_replayed_steps) {
  cn_layer *front, *back;
  cn_model *m = two_dense(&front, &back);
  for (int i = 0; i < 6; i++) cn_train_on_batch(m, batch(5, 3), cn_ones(g, CN_F32, CN_DIMS(5, 1)), NULL);
  const double frozen = first_of(front, 0), trained = first_of(back, 0);
  cn_layer_set_trainable(front, false);
  for (int i = 0; i < 6; i++) cn_train_on_batch(m, batch(5, 3), cn_ones(g, CN_F32, CN_DIMS(5, 1)), NULL);
  CHECK_OK(g);
  cr_assert_eq(first_of(front, 0), frozen);
  cr_assert_neq(first_of(back, 0), trained);
  cn_layer_set_trainable(cn_model_layer(m), true);
  cn_train_on_batch(m, batch(5, 3), cn_ones(g, CN_F32, CN_DIMS(5, 1)), NULL);
  cr_assert_neq(first_of(front, 0), frozen);
}

Test(training, a_replayed_functional_model_does_what_a_recorded_one_does) {
  double losses[2][8];
  for (int k = 0; k < 2; k++) {
    cn_graph *outer = g;
    g = cn_graph_new(.seed = 7, .replay = k == 1);
    cn_layer *front, *back;
    cn_model *m = two_dense(&front, &back);
    for (int i = 0; i < 8; i++) losses[k][i] = cn_train_on_batch(m, batch(i == 5 ? 3 : 5, 3), cn_ones(g, CN_F32, CN_DIMS(i == 5 ? 3 : 5, 1)), NULL);
    CHECK_OK(g);
    cn_graph_free(g);
    g = outer;
  }
  for (int i = 0; i < 8; i++) CHECK_NEAR(losses[0][i], losses[1][i], 0);
}

Test(training, a_layer_in_two_models_outlives_the_first) {
  cn_tensor *x = cn_Input(g, CN_DIMS(2));
  cn_layer *shared = cn_Dense(g, 2, .kernel_initializer = CN_NAME("ones"));
  cn_tensor *h = cn_call(g, shared, x), *y = cn_call(g, cn_Dense(g, 1), h);
  cn_model *one = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y)), *two = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h));
  CHECK_OK(g);
  cn_model_free(one);
  cn_tensor *out = cn_call(g, cn_model_layer(two), FLOATS(g, CN_DIMS(1, 2), 1, 2));
  CHECK_TENSOR(out, CN_DIMS(1, 2), 0, 3, 3);
}

Test(training, penalties_of_a_hand_written_step) {
  cn_tensor *x = cn_Input(g, CN_DIMS(2));
  cn_tensor *h =
      cn_call(g, cn_Dense(g, 1, .kernel_initializer = CN_NAME("ones"), .kernel_regularizer = CN_NAME("l2(0.5)"), .activity_regularizer = CN_NAME("l1(1)")), x);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h));
  cn_tensor *y = cn_call(g, cn_model_layer(m), FLOATS(g, CN_DIMS(2, 2), 1, 2, 3, 4), .training = 1);
  cn_tensor *loss = cn_total_loss(cn_model_layer(m), cn_scalar(g, 0));
  CHECK_OK(g);
  CHECK_NEAR(cn_item(loss), (3.0 + 7) / 2 + 0.5 * 2, 1e-6);
  cn_tensor *w = weight_at(cn_model_layer(m), 0), *d = NULL;
  (void)y;
  cr_assert(cn_gradients(g, loss, CN_NO_TENSOR, &w, 1, false, &d)); /* a custom step: no compile, no fit */
  CHECK_TENSOR(d, CN_DIMS(2, 1), 1e-6, 1 + 2, 1 + 3);
}

/* A user's layer made of two Dense. */
#define BLOCK(X, S) X(S, int64_t, units, CN_REQUIRED, POSITIVE, "of the hidden layer")
CN_LAYER_DECLARE(Block, BLOCK)
typedef struct block { cn_layer base; cn_layer *in, *out; } block;
static void block_build(cn_layer *l, const cn_dims *in, int64_t n) {
  block *b = (block *)l;
  (void)n;
  b->in = cn_add_layer(l, cn_Dense(l->object.graph, ((const cn_BlockOptions *)l->object.options)->units, .activation = CN_NAME("relu"), .name = "inner"));
  b->out = cn_add_layer(l, cn_Dense(l->object.graph, in->d[in->rank - 1], .name = "outer"));
}
static cn_tensor *block_call(cn_layer *l, cn_graph *gg, cn_inputs *in) {
  block *b = (block *)l;
  cn_tensor *h = cn_call(gg, b->in, in->x[0]), *y = cn_call(gg, b->out, h);
  return cn_add(gg, in->x[0], y);
}
CN_LAYER(Block, block, BLOCK, .build = block_build, .call = block_call)

Test(training, a_layer_made_of_layers_in_a_model_and_its_config) {
  cr_assert(cn_register_class(g, &cn_class_Block));
  cn_BlockOptions o;
  cn_BlockOptions_init(&o, sizeof o);
  o.graph = g;
  o.units = 5;
  cn_tensor *x = cn_Input(g, CN_DIMS(3)), *y = cn_call(g, cn_make_Block(&o), x);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y));
  CHECK_OK(g);
  cr_assert_eq(cn_weights(cn_model_layer(m), NULL, 0), 4);
  cr_assert_str_eq(cn_name_of(weight_at(cn_model_layer(m), 0)), "block/inner/kernel");
  cn_layer_set_trainable(cn_model_layer(m), false);
  cr_assert_eq(cn_trainable_weights(cn_model_layer(m), NULL, 0), 0);
  cn_model *copy = cn_model_from_config(g, cn_model_config(m)), *clone = cn_clone_model(m);
  CHECK_OK(g);
  cr_assert_eq(cn_count_params(cn_model_layer(copy)), cn_count_params(cn_model_layer(m)));
  cr_assert_eq(cn_count_params(cn_model_layer(clone)), cn_count_params(cn_model_layer(m)));
  cn_dims out;
  cr_assert(cn_compute_output_shape(cn_model_layer(m), CN_DIMS(CN_UNKNOWN, 3), 1, &out));
  cr_assert(cn_dims_equal(&out, CN_DIMS(CN_UNKNOWN, 3)));
}

/* A user's layer that passes its input and shows how large it is. */
#define WATCH(X, S)
CN_LAYER_DECLARE(Watch, WATCH)
static cn_tensor *watch_call(cn_layer *l, cn_graph *gg, cn_inputs *in) { return cn_layer_add_metric(l, "size", cn_abs(gg, in->x[0])) ? in->x[0] : NULL; }
CN_LAYER(Watch, cn_layer, WATCH, .call = watch_call)

Test(training, a_metric_of_a_layer_stands_behind_the_models) {
  cn_WatchOptions o;
  cn_WatchOptions_init(&o, sizeof o);
  o.graph = g;
  cn_tensor *x = cn_Input(g, CN_DIMS(2)), *y = cn_call(g, cn_Dense(g, 1), cn_call(g, cn_make_Watch(&o), x));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y));
  cn_compile(m, .optimizer = CN_NAME("sgd(0.01)"), .loss = CN_NAME("mse"), .metrics = "mae");
  const float xs[] = { 1, -2, 3, -4, 5, -6, 7, -8 }, ys[] = { 0, 0, 0, 0 };
  const cn_history *h = cn_fit(m, cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 2), xs, CN_F32, CN_DIMS(4, 1), ys), .epochs = 8, .batch_size = 2, .verbose = 0);
  CHECK_OK(g);
  for (int64_t e = 0; e < 8; e++) CHECK_NEAR(cn_history_at(h, "size", e), 4.5, 1e-6);
  cr_assert_str_eq(cn_metric_name_at(m, 2), "size");
  cn_compile(m, .optimizer = CN_NAME("sgd(0.01)"), .loss = CN_NAME("mse")); /* again: the layer keeps its metric */
  cr_assert_str_eq(cn_metric_name_at(m, 1), "size");
}

Test(training, outputs_with_losses_weights_and_metrics_of_their_own) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3)), *a = cn_call(g, cn_Dense(g, 1, .name = "a"), x), *b = cn_call(g, cn_Dense(g, 2, .name = "b"), x);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(a, b));
  cn_compile(m, .optimizer = CN_NAME("sgd(0)"), .losses = CN_STRINGS("b: mae", "a: mse"), .loss_weights = CN_REALS(2, 3),
             .output_metrics = CN_STRINGS("b: mse"));
  CHECK_OK(g);
  cn_tensor *xs[] = { batch(4, 3) }, *ys[] = { cn_zeros(g, CN_F32, CN_DIMS(4, 1)), cn_zeros(g, CN_F32, CN_DIMS(4, 2)) };
  cn_dataset *d = cn_dataset_from_lists(g, (cn_tensors){ xs, 1 }, (cn_tensors){ ys, 2 }, (cn_tensors){ NULL, 0 });
  const cn_history *h = cn_fit(m, d, .epochs = 5, .batch_size = 2, .verbose = 0);
  CHECK_OK(g);
  for (int64_t e = 0; e < 5; e++) CHECK_NEAR(cn_history_at(h, "loss", e), 2 * cn_history_at(h, "a_loss", e) + 3 * cn_history_at(h, "b_loss", e), 1e-6);
  cr_assert(cn_history_at(h, "b_mse", 4) > 0);
  double v[8];
  cr_assert_eq(cn_evaluate(m, d, 4, v, 8), 4);
  cr_assert_str_eq(cn_metric_name_at(m, 1), "a_loss");
  CHECK_NEAR(v[0], cn_history_at(h, "loss", 0), 1e-6);
  cn_tensor *out[2], *again[] = { batch(4, 3) };
  cr_assert(cn_predict_lists(m, (cn_tensors){ again, 1 }, 3, out));
  cr_assert_eq(cn_count(out[1]), 8);
}

/* Metrics with texts and names of any length keep them whole. */
Test(training, long_names) {
  char name[400], text[4000] = "", wanted[500];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  const size_t begun = (size_t)snprintf(text, sizeof text, "mse, TopKCategoricalAccuracy(1, name=%s), Precision([", name);
  for (size_t i = 0, at = begun; i < 150; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%s0.%03d", i ? ", " : "", (int)i);
  strcat(text, "]), mae");
  cn_tensor *x = cn_Input(g, CN_DIMS(3)), *a = cn_call(g, cn_Dense(g, 2, .name = name), x), *b = cn_call(g, cn_Dense(g, 2, .name = "b"), x);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(a, b));
  cn_compile(m, .optimizer = CN_NAME("sgd(0)"), .losses = CN_STRINGS("mse", "mse"), .output_metrics = CN_STRINGS(text, "mse"));
  CHECK_OK(g);
  snprintf(wanted, sizeof wanted, "%s_loss", name);
  cr_assert_str_eq(cn_metric_name_at(m, 1), wanted);
  snprintf(wanted, sizeof wanted, "%s_mae", name);
  cr_assert_str_eq(cn_metric_name_at(m, 6), wanted);
  cn_model *one = cn_Sequential(g, "one");
  cn_push(one, cn_Dense(g, 2));
  cn_compile(one, .optimizer = "sgd", .loss = "mse", .metrics = text);
  CHECK_OK(g);
  cr_assert_str_eq(cn_metric_name_at(one, 2), name);
}

Test(training, sequential_with_an_input_is_built_as_layers_are_added) {
  cn_model *m = cn_Sequential(g, "s");
  cn_push(m, cn_InputLayer(g, .shape = CN_INTS(4)));
  cn_push(m, cn_Dense(g, 3));
  cr_assert_eq(cn_count_params(cn_model_layer(m)), 15);
  cn_push(m, cn_Dense(g, 2));
  cr_assert_eq(cn_count_params(cn_model_layer(m)), 23);
  cr_assert_str_eq(cn_name_of(weight_at(cn_model_layer(m), 2)), "s/dense_1/kernel");
  cn_model *copy = cn_model_from_config(g, cn_model_config(m));
  CHECK_OK(g);
  cr_assert_eq(cn_count_params(cn_model_layer(copy)), 23);
}

static double seconds_to_build(int64_t n) {
  struct timespec a, b;
  cn_graph *own = cn_graph_new(.seed = 1);
  clock_gettime(CLOCK_MONOTONIC, &a);
  cn_tensor *x = cn_Input(own, CN_DIMS(1)), *h = x;
  for (int64_t i = 0; i < n; i++) h = cn_call(own, cn_Dense(own, 1), h);
  cn_model *m = cn_Model(own, CN_TENSORS(x), CN_TENSORS(h));
  cn_tensor *y = cn_call(own, cn_model_layer(m), cn_ones(own, CN_F32, CN_DIMS(1, 1)));
  cr_assert(y && cn_weights(cn_model_layer(m), NULL, 0) == 2 * n, "%s", cn_error(own));
  clock_gettime(CLOCK_MONOTONIC, &b);
  cn_graph_free(own);
  return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Ten times the layers take about ten times as long; thirty would not be linear. */
Test(training, building_and_running_is_linear_in_the_number_of_layers) {
  const double few = seconds_to_build(1000), many = seconds_to_build(10000);
  cr_assert_lt(many, 30 * few + 0.05, "1,000 layers: %g s, 10,000: %g s", few, many);
}

Test(training, a_plot_names_layers_and_shapes) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3), .name = "x"), *y = cn_multiply(g, x, cn_call(g, cn_Dense(g, 3), x));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y), .name = "m");
  cr_assert_str_eq(cn_plot_model(m),
                   "digraph \"m\" {\n  node [shape=box];\n  n0 [label=\"x (InputLayer)\\n(None, 3)\"];\n  n1 [label=\"dense (Dense)\\n(None, 3)\"];\n"
                   "  n2 [label=\"multiply (Multiply)\\n(None, 3)\"];\n  n0 -> n1;\n  n0 -> n2;\n  n1 -> n2;\n}\n");
}
Test(training, a_drawing_has_a_box_for_each_layer_below_what_feeds_it) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3), .name = "x<"), *y = cn_multiply(g, x, cn_call(g, cn_Dense(g, 3), x));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y), .name = "m&");
  const char *svg = cn_plot_model_svg(m);
  cr_assert(svg, "%s", cn_error(g));
  cr_assert_not_null(strstr(svg, "width=\"349\" height=\"292\""), "%s", svg);
  cr_assert_not_null(strstr(svg, "<title>m&amp;</title>"));
  cr_assert_not_null(strstr(svg, "<rect x=\"20\" y=\"20\" width=\"240\" height=\"44\" fill=\"#eef\" stroke=\"#446\"/><text x=\"140\" y=\"38\">x&lt; "
                                 "(InputLayer)</text><text x=\"140\" y=\"55\">(None, 3)</text>\n"));
  cr_assert_not_null(strstr(svg, "y=\"122\">dense (Dense)</text>"));
  cr_assert_not_null(strstr(svg, "y=\"206\">multiply (Multiply)</text>"));
  cr_assert_not_null(strstr(svg, "<path d=\"M140 64C140 88 140 80 140 104\""));
  cr_assert_not_null(strstr(svg, "<path d=\"M140 64C320 88 320 164 140 188\""));
  cn_model *chain = cn_Sequential(g, "s");
  cn_push(chain, cn_Dense(g, 1));
  cr_assert_not_null(strstr(cn_plot_model_svg(chain), "dense_1 (Dense)"));
}
