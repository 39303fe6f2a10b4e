/* Functional models as Keras has them: operations by its class names, the order of calls, summaries. */
#include <stdio.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(functional_keras, .init = begin, .fini = end);

/* The model of one operation on x [?, 2], from its config. */
static cn_model *model_of(const char *module, const char *class_name, const char *config, const char *operands, const char *kwargs) {
  char text[2000];
  static const char tensor[] =
      "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 2], \"dtype\": \"float32\", \"keras_history\": [\"x\", 0, 0]}}";
  snprintf(text, sizeof text,
           "{\"module\": \"keras.src.models.functional\", \"class_name\": \"Functional\", \"registered_name\": \"Functional\", \"config\": {\"name\": \"f\", "
           "\"layers\": [{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, 2], \"dtype\": \"float32\", "
           "\"name\": \"x\"}, \"name\": \"x\", \"inbound_nodes\": []}, {\"module\": \"keras.src.ops.%s\", \"class_name\": \"%s\", \"config\": {\"name\": "
           "\"op\"%s}, \"name\": \"op\", \"inbound_nodes\": [{\"args\": [%s%s], \"kwargs\": {%s}}]}], \"input_layers\": [[\"x\", 0, 0]], \"output_layers\": "
           "[[\"op\", 0, 0]]}}",
           module, class_name, config, tensor, operands, kwargs);
  return cn_model_from_config(g, text);
}

Test(functional_keras, operations) {
  static const struct {
    const char *module, *class_name, *config, *operands, *kwargs;
    double y[2];
  } all[] = {
    { "numpy", "Take", ", \"axis\": 1", ", [1, 0]", "", { -4, 3 } },
    { "numpy", "Cumsum", ", \"axis\": 1, \"dtype\": null", "", "", { 3, -1 } },
    { "numpy", "TrueDivide", "", ", 2", "", { 1.5, -2 } },
    { "numpy", "Absolute", "", "", "", { 3, 4 } },
    { "numpy", "Maximum", "", "", "\"x2\": 1.5", { 3, 1.5 } },
    { "numpy", "Copy", "", "", "", { 3, -4 } },
    { "nn", "RMSNorm", ", \"axis\": -1, \"epsilon\": 1e-12", ", null", "", { 0.848528137, -1.13137085 } },
    { "nn", "LayerNorm", ", \"axis\": -1, \"epsilon\": 1e-12, \"rms_scaling\": false", ", null, null", "", { 1, -1 } },
    { "math", "Erf", "", "", "", { 0.999977910, -0.999999985 } },
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char written[128];
    cn_model *m = model_of(all[i].module, all[i].class_name, all[i].config, all[i].operands, all[i].kwargs);
    cr_assert(m, "%s: %s", all[i].class_name, cn_error(g));
    cn_tensor *x = FLOATS(g, CN_DIMS(1, 2), 3, -4), *y = cn_call(g, cn_model_layer(m), x);
    for (int k = 0; k < 2; k++) CHECK_NEAR(cn_at(y, k), all[i].y[k], 1e-6);
    const char *config = cn_model_config(m); /* under the name that it was read by, in its module */
    snprintf(written, sizeof written, "\"module\": \"keras.src.ops.%s\", \"class_name\": \"%s\"", all[i].module, all[i].class_name);
    cr_assert(config && strstr(config, written), "%s", config);
  }
  cr_assert_null(model_of("nn", "Relu", ", \"sparse\": true", "", ""));
  CHECK_REFUSED(g, CN_VALUE, "relu: no option \"sparse\"");
}

Test(functional_keras, operations_are_written_by_keras_classes) {
  cn_tensor *x = cn_Input(g, CN_DIMS(2), .name = "x");
  cn_tensor *y = cn_isin(g, cn_layer_normalization(g, cn_abs(g, x)), cn_full(g, CN_F32, CN_DIMS(1), 1));
  const char *config = cn_model_config(cn_Model(g, CN_TENSORS(x), CN_TENSORS(y)));
  cr_assert(config, "%s", cn_error(g));
  cr_assert(strstr(config, "\"keras.src.ops.nn\", \"class_name\": \"LayerNorm\"") && strstr(config, "\"class_name\": \"Absolute\"") &&
                strstr(config, "\"class_name\": \"IsIn\""), "%s", config);
}

/* Calls of one depth run in the order in which a walk back from the outputs meets them, whenever they were made. Numbers of Keras 3.15.1. */
Test(functional_keras, order_of_the_calls_of_a_shared_layer) {
  for (int late = 0; late < 2; late++) {
    cn_tensor *x = cn_Input(g, CN_DIMS(1)), *other = cn_log1p(g, cn_abs(g, x)), *first, *second;
    cn_layer *norm = cn_BatchNormalization(g, .momentum = 0.5);
    if (late) second = cn_call(g, norm, other), first = cn_call(g, norm, x);
    else first = cn_call(g, norm, x), second = cn_call(g, norm, other);
    cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(cn_hard_sigmoid(g, first), cn_call(g, norm, second)));
    cr_assert(cn_call(g, cn_model_layer(m), FLOATS(g, CN_DIMS(2, 1), 1, 3), .training = true), "%s", cn_error(g));
    cn_tensor *moving[2];
    cr_assert_eq(cn_non_trainable_weights(norm, moving, 2), 2);
    CHECK_NEAR(cn_item(moving[0]), 0.6299651, 1e-6);
    CHECK_NEAR(cn_item(moving[1]), 0.88588583, 1e-6);
  }
}

static void collect(void *user, const char *text) {
  char *all = user;
  strncat(all, text, 8191 - strlen(all));
}
static const char *summary_of(cn_model *m, bool nested) {
  static char text[8192];
  *text = 0;
  cn_set_output_callback(g, collect, text);
  cn_summary(m, .line_length = 110, .expand_nested = nested);
  cn_set_output_callback(g, NULL, NULL);
  return text;
}

Test(functional_keras, summaries) {
  cn_tensor *in = cn_Input(g, CN_DIMS(2), .name = "in");
  cn_model *inner = cn_Model(g, CN_TENSORS(in), CN_TENSORS(cn_call(g, cn_Dense(g, 2, .name = "within"), cn_square(g, in))), .name = "inner");
  cn_layer *shared = cn_Dense(g, 2, .name = "shared");
  cn_tensor *a = cn_Input(g, CN_DIMS(2), .name = "a"), *b = cn_call(g, cn_model_layer(inner), a), *c = cn_call(g, shared, b), *d = cn_call(g, shared, a),
            *e = cn_sort(g, cn_gelu(g, d, .approximate = false)), *f = cn_argmax(g, e, .axis = 1);
  cn_model *m = cn_Model(g, CN_TENSORS(a), CN_TENSORS(c, f));
  const char *flat = summary_of(m, false);
  CHECK_OK(g);
  cr_assert_null(strstr(flat, "[("), "the indices of sort and the slope of gelu are no outputs of a model:\n%s", flat);
  cr_assert(strstr(flat, "(None) ") && !strstr(flat, "(None,) "), "%s", flat);
  const char *first = strstr(flat, "inner[0][0]"), *second = first ? strstr(first, "a[0][0]") : NULL;
  cr_assert(second, "a layer's calls stand in the order in which they were made:\n%s", flat);
  const char *nested = summary_of(m, true);
  cr_assert(strstr(nested, "within (Dense)") && strstr(nested, "in (InputLayer)") && !strstr(nested, "square"), "%s", nested);
}

/* As in Keras the layers within bring back what is trained. */
Test(functional_keras, a_frozen_sequential_in_a_config) {
  cn_model *m = cn_Sequential(g, "s");
  cn_push(m, cn_Dense(g, 2));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 3));
  cn_layer_set_trainable(cn_model_layer(m), false);
  cn_model *again = cn_model_from_config(g, cn_model_config(m)), *copy = cn_clone_model(m);
  cr_assert(again && copy, "%s", cn_error(g));
  cr_assert(cn_model_layer(again)->trainable && !cn_model_layer_at(again, 0)->trainable);
  cr_assert_eq(cn_trainable_weights(cn_model_layer(again), NULL, 0), 0);
  cr_assert(!cn_model_layer(copy)->trainable && !cn_model_layer_at(copy, 0)->trainable);
}

/* Pooling with too large a window gives nothing where there are values, and is refused in a graph. */
Test(functional_keras, windows_larger_than_an_axis) {
  cn_layer *l = cn_MaxPooling3D(g, .pool_size = { { 2 } });
  cr_assert(shaped(cn_call(g, l, cn_zeros(g, CN_F32, CN_DIMS(1, 4, 1, 4, 1))), CN_DIMS(1, 2, 0, 2, 1)), "%s", cn_error(g));
  cr_assert_null(cn_call(g, cn_MaxPooling3D(g, .pool_size = { { 2 } }, .name = "p"), cn_Input(g, CN_DIMS(4, 1, 4, 1))));
  CHECK_REFUSED(g, CN_SHAPE, "max_pool: the window is larger than axis 2 of [?,4,1,4,1] (in p)");
}

Test(functional_keras, area_repeats_as_nearest_does) {
  cn_layer *l = cn_layer_from_config(g, "{\"class_name\": \"UpSampling2D\", \"config\": {\"size\": [2, 1], \"interpolation\": \"area\"}}");
  cr_assert(l, "%s", cn_error(g));
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2, 1, 1), 3, 5)), CN_DIMS(1, 4, 1, 1), 0, 3, 3, 5, 5);
}

Test(functional_keras, softmax_over_all_axes) {
  cn_layer *l = cn_layer_from_config(g, "{\"class_name\": \"Softmax\", \"config\": {\"axis\": null}}");
  cr_assert(l, "%s", cn_error(g));
  cn_tensor *y = cn_call(g, l, cn_zeros(g, CN_F32, CN_DIMS(2, 2)));
  for (int i = 0; i < 4; i++) CHECK_NEAR(cn_at(y, i), 0.25, 1e-7);
}

/* What Keras takes and refuses among numbers and lists. */
Test(functional_keras, numbers_and_lists_of_configs) {
  static const char *const refused[][2] = {
    { "{\"class_name\": \"Conv2D\", \"config\": {\"filters\": 2, \"kernel_size\": [3]}}", "kernel_size must be 1 number or 2, got 1" },
    { "{\"class_name\": \"MaxPooling2D\", \"config\": {\"strides\": [2]}}", "strides must be 1 number or 2, got 1" },
    { "{\"class_name\": \"UpSampling3D\", \"config\": {\"size\": [2]}}", "size must be 1 number or 3, got 1" },
    { "{\"class_name\": \"Reshape\", \"config\": {\"target_shape\": 3}}", "Reshape: target_shape: 3 is no list" },
    { "{\"class_name\": \"Reshape\", \"config\": {}}", "Reshape: target_shape is required" },
    { "{\"class_name\": \"RepeatVector\", \"config\": {\"n\": 0}}", "RepeatVector: n must be positive, got 0" },
    { "{\"class_name\": \"Dot\", \"config\": {\"axes\": [1]}}", "axes must be 1 number or 2, got a list of 1" },
    { "{\"class_name\": \"Dot\", \"config\": {}}", "axes is required" },
    { "{\"class_name\": \"ZeroPadding2D\", \"config\": {\"padding\": [1]}}", "padding: a list must have 2 or 4 numbers, got 1" },
    { "{\"class_name\": \"Dense\", \"config\": {\"units\": 2.0}}", "Dense: units: 2.0 is no integer" },
    { "{\"class_name\": \"Rescaling\", \"config\": {\"scale\": null}}", "Rescaling: scale must be a number, got nan" },
    { "{\"class_name\": \"Cropping2D\", \"config\": {\"cropping\": [[1, 1, 1], [1]]}}", "Cropping2D: cropping: [[1,1,1],[1]] is no list of lists of one length" },
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    cr_assert_null(cn_layer_from_config(g, refused[i][0]), "%s", refused[i][0]);
    cr_assert(strstr(cn_error(g), refused[i][1]), "%s", cn_error(g));
    cn_graph_clear(g);
  }
  cn_layer *l = cn_layer_from_config(g, "{\"class_name\": \"Conv1D\", \"config\": {\"filters\": 1, \"kernel_size\": [2], \"strides\": [2]}}");
  cr_assert(l, "%s", cn_error(g));
  cr_assert(shaped(cn_call(g, l, cn_zeros(g, CN_F32, CN_DIMS(1, 6, 1))), CN_DIMS(1, 3, 1)), "%s", cn_error(g));
  const char *config = cn_layer_config(l);
  cr_assert(config && strstr(config, "\"kernel_size\": [2]"), "%s", config);
}

/* ---- compile and what it is given ---- */
static cn_model *two_outputs(void) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3));
  return cn_Model(g, CN_TENSORS(x), CN_TENSORS(cn_call(g, cn_Dense(g, 2, .name = "p"), x), cn_call(g, cn_Dense(g, 1, .name = "q"), x)));
}

Test(functional_keras, losses_and_weights_of_two_outputs) {
  cn_model *m = two_outputs();
  cr_assert_not(cn_compile_from_config(m, "{\"optimizer\": \"sgd\", \"loss\": {\"p\": \"mse\"}}"));
  CHECK_REFUSED(g, CN_VALUE, "compile: the losses name no output \"q\"");
  cr_assert_not(cn_compile_from_config(m, "{\"optimizer\": \"sgd\", \"loss\": \"mse\", \"loss_weights\": {\"p\": 1, \"q\": 2}}"));
  CHECK_REFUSED(g, CN_VALUE, "compile: there are 1 loss and 2 loss_weights");
  cr_assert(cn_compile_from_config(m, "{\"optimizer\": \"sgd\", \"loss\": {\"p\": \"mse\", \"q\": null}}"), "%s", cn_error(g));
  cr_assert(cn_compile_from_config(m, "{\"optimizer\": \"sgd\", \"loss\": \"mse\"}"), "%s", cn_error(g));
  cn_tensor *x = cn_ones(g, CN_F32, CN_DIMS(4, 3)), *ys[] = { cn_ones(g, CN_F32, CN_DIMS(4, 2)), cn_ones(g, CN_F32, CN_DIMS(4, 1)) },
            *each = cn_ones(g, CN_F32, CN_DIMS(4, 1)), *more = cn_ones(g, CN_F32, CN_DIMS(4, 4));
  cr_assert(isfinite(cn_train_on_lists(m, &(const cn_batch){ .x = x, .ys = { ys, 2 }, .sample_weight = each, .size = 4 })), "%s", cn_error(g));
  cr_assert(isnan(cn_train_on_lists(m, &(const cn_batch){ .x = x, .ys = { ys, 2 }, .sample_weight = more, .size = 4 })));
  CHECK_REFUSED(g, CN_SHAPE, "functional has 2 outputs: weights for all of them are one a sample, got [4,4]");
}

Test(functional_keras, metrics_are_called_what_was_written) {
  cn_model *m = cn_Sequential(g, "s");
  cn_push(m, cn_Dense(g, 1));
  cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(2, 1), (const float[]){ 1, 2 }, CN_F32, CN_DIMS(2, 1), (const float[]){ 0, 1 });
  static const char *const names[][2] = { { "[\"AUC\", \"mse\"]", "AUC" }, { "[\"auc\"]", "auc" }, { "[\"MSE\"]", "MSE" }, { "[\"R2Score\"]", "R2Score" } };
  for (int i = 0; i < 4; i++) {
    char config[160];
    snprintf(config, sizeof config, "{\"optimizer\": \"sgd\", \"loss\": \"mse\", \"metrics\": %s}", names[i][0]);
    cr_assert(cn_compile_from_config(m, config), "%s", cn_error(g));
    const cn_history *h = cn_fit(m, d, .epochs = 1, .verbose = 0);
    cr_assert(h && isfinite(cn_history_at(h, names[i][1], 0)), "%s: %s", names[i][1], cn_error(g));
  }
}

Test(functional_keras, binary_crossentropies_want_one_shape) {
  static const char *const names[] = { "binary_crossentropy", "binary_focal_crossentropy" };
  for (int i = 0; i < 2; i++) {
    cn_tensor *y = cn_zeros(g, CN_F32, CN_DIMS(4, 2)), *p = cn_full(g, CN_F32, CN_DIMS(4, 1), 0.5);
    cr_assert_null(cn_loss_values(g, &(const cn_ref){ .object = (cn_object *)cn_loss_from(g, names[i]) }, y, p));
    cr_assert(strstr(cn_error(g), "target [4,2] does not fit output [4,1]"), "%s", cn_error(g));
    cn_graph_clear(g);
  }
}
