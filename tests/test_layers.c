/* Layers: values against hand computation, masks, names, weights, errors, configs, memory. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers, .init = begin, .fini = end);

/* ---- values ---- */
static cn_layer *dense_built(const char *text) {
  cn_layer *l = cn_layer_from(g, text);
  cn_build(l, CN_DIMS(CN_UNKNOWN, 3), 1);
  cn_tensor *values[] = { FLOATS(g, CN_DIMS(3, 2), 1, 2, 3, 4, 5, 6), FLOATS(g, CN_DIMS(2), 0.5, -20) };
  cn_set_weights(l, values, 2);
  CHECK_OK(g);
  return l;
}

Test(layers, dense_is_x_kernel_plus_bias) {
  cn_layer *l = dense_built("Dense(2)");
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(2, 3), 1, 0, -1, 2, 1, 0)), CN_DIMS(2, 2), 1e-6, -3.5, -24, 5.5, -12);
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2, 3), 1, 0, -1, 2, 1, 0)), CN_DIMS(1, 2, 2), 1e-6, -3.5, -24, 5.5, -12);
}
Test(layers, dense_applies_its_activation) {
  CHECK_TENSOR(cn_call(g, dense_built("Dense(2, activation=relu)"), FLOATS(g, CN_DIMS(1, 3), 2, 1, 0)), CN_DIMS(1, 2), 1e-6, 5.5, 0);
  CHECK_TENSOR(cn_call(g, dense_built("Dense(2, activation=leaky_relu(negative_slope=0.5))"), FLOATS(g, CN_DIMS(1, 3), 2, 1, 0)), CN_DIMS(1, 2), 1e-6, 5.5, -6);
  CHECK_TENSOR(cn_call(g, dense_built("Dense(2, activation=sigmoid)"), FLOATS(g, CN_DIMS(1, 3), 0, 0, 0)), CN_DIMS(1, 2), 1e-7, 1 / (1 + exp(-0.5)),
               1 / (1 + exp(20)));
  CHECK_TENSOR(cn_call(g, dense_built("Dense(2, activation=softmax)"), FLOATS(g, CN_DIMS(1, 3), 0, 0, 0)), CN_DIMS(1, 2), 1e-6, 1 / (1 + exp(-20.5)),
               exp(-20.5));
}
Test(layers, dense_without_bias_and_in_double) {
  cn_layer *l = cn_Dense(g, 1, .use_bias = false, .kernel_initializer = CN_NAME("ones"), .dtype = "float64");
  cn_tensor *y = cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 0.25, 2));
  CHECK_TENSOR(y, CN_DIMS(1, 1), 0, 2.25);
  cr_assert_eq(cn_dtype_of(y), CN_F64);
  cr_assert_eq(cn_weights(l, NULL, 0), 1);
}
Test(layers, flatten) {
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6);
  CHECK_TENSOR(cn_call(g, cn_Flatten(g), x), CN_DIMS(1, 6), 0, 1, 2, 3, 4, 5, 6);
  CHECK_TENSOR(cn_call(g, cn_Flatten(g, .data_format = "channels_first"), x), CN_DIMS(1, 6), 0, 1, 4, 2, 5, 3, 6);
  CHECK_TENSOR(cn_call(g, cn_Flatten(g), FLOATS(g, CN_DIMS(2), 7, 8)), CN_DIMS(2, 1), 0, 7, 8);
  cn_dims out;
  cr_assert(cn_compute_output_shape(cn_Flatten(g), CN_DIMS(CN_UNKNOWN, 3, 4), 1, &out));
  cr_assert(cn_dims_equal(&out, CN_DIMS(CN_UNKNOWN, 12)));
}
Test(layers, rescaling_of_bytes_is_float) {
  const uint8_t bytes[] = { 0, 51, 255 };
  cn_tensor *y = cn_call(g, cn_Rescaling(g, 1 / 255.0, .offset = -1), cn_array(g, CN_U8, CN_DIMS(1, 3), bytes));
  CHECK_TENSOR(y, CN_DIMS(1, 3), 1e-6, -1, -0.8, 0);
  cr_assert_eq(cn_dtype_of(y), CN_F32);
}
Test(layers, dropout_acts_in_training_only) {
  cn_layer *l = cn_Dropout(g, 0.25, .seed = 3);
  cn_tensor *x = cn_ones(g, CN_F32, CN_DIMS(100, 100));
  cr_assert_eq(cn_call(g, l, x), x);
  cr_assert_eq(cn_call(g, l, x, .training = 0), x);
  cn_tensor *y = cn_call(g, l, x, .training = 1), *z = cn_call(g, l, x, .training = 1);
  int64_t kept = 0, same = 0;
  for (int64_t i = 0; i < 10000; i++) {
    const double v = cn_at(y, i);
    cr_assert(v == 0 || fabs(v - 4 / 3.0) < 1e-6);
    kept += v != 0;
    same += v == cn_at(z, i);
  }
  CHECK_NEAR(kept, 7500, 200);
  cr_assert_lt(same, 7000, "the next call draws anew");
  cr_assert_eq(cn_call(g, cn_Dropout(g, 0), x, .training = 1), x);
}
Test(layers, dropout_shares_its_pattern_along_axes_of_the_noise_shape) {
  cn_tensor *y = cn_call(g, cn_Dropout(g, 0.5, .noise_shape = CN_INTS(CN_NONE, 1, 4), .seed = 1), cn_ones(g, CN_F32, CN_DIMS(5, 3, 4)), .training = 1);
  CHECK_OK(g);
  for (int64_t i = 0; i < 60; i++) CHECK_NEAR(cn_at(y, i), cn_at(y, i / 12 * 12 + i % 4), 0);
}
Test(layers, embedding_looks_rows_up) {
  cn_layer *l = cn_Embedding(g, 3, 2);
  cn_build(l, CN_DIMS(2, 2), 1);
  cn_tensor *table = FLOATS(g, CN_DIMS(3, 2), 1, 2, 3, 4, 5, 6);
  cr_assert(cn_set_weights(l, &table, 1));
  CHECK_TENSOR(cn_call(g, l, INTEGERS(g, CN_DIMS(2, 2), 0, 2, 1, -1)), CN_DIMS(2, 2, 2), 0, 1, 2, 5, 6, 3, 4, 5, 6);
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 1, 2)), CN_DIMS(1, 2, 2), 0, 3, 4, 5, 6);
  cr_assert_null(cn_call(g, l, INTEGERS(g, CN_DIMS(1, 1), 3)));
  CHECK_REFUSED(g, CN_INDEX, "take_rows: index 3 is out of range for axis 0 of size 3 (in embedding)");
}
Test(layers, pooling_is_the_mean_over_steps) {
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 3, 2), 1, 2, 3, 4, 8, 12);
  CHECK_TENSOR(cn_call(g, cn_GlobalAveragePooling1D(g), x), CN_DIMS(1, 2), 1e-6, 4, 6);
  CHECK_TENSOR(cn_call(g, cn_GlobalAveragePooling1D(g, .keepdims = true), x), CN_DIMS(1, 1, 2), 1e-6, 4, 6);
  CHECK_TENSOR(cn_call(g, cn_GlobalAveragePooling1D(g, .data_format = "channels_first"), x), CN_DIMS(1, 3), 1e-6, 1.5, 3.5, 10);
}
Test(layers, activation_layer) {
  CHECK_TENSOR(cn_call(g, cn_Activation(g, CN_NAME("relu")), FLOATS(g, CN_DIMS(1, 3), -1, 0, 2)), CN_DIMS(1, 3), 0, 0, 0, 2);
}

/* ---- masks ---- */
Test(layers, masks_travel_from_embedding_through_dense_to_pooling) {
  cn_layer *e = cn_Embedding(g, 3, 1, .mask_zero = true), *d = cn_Dense(g, 1, .kernel_initializer = CN_NAME("ones"));
  cn_build(e, CN_DIMS(1, 3), 1);
  cn_tensor *table = FLOATS(g, CN_DIMS(3, 1), 100, 2, 4);
  cn_set_weights(e, &table, 1);
  cn_tensor *x = cn_call(g, e, INTEGERS(g, CN_DIMS(2, 3), 1, 2, 0, 1, 0, 0));
  CHECK_TENSOR(cn_mask_of(x), CN_DIMS(2, 3), 0, 1, 1, 0, 1, 0, 0);
  cn_tensor *y = cn_call(g, d, x);
  cr_assert_eq(cn_mask_of(y), cn_mask_of(x));
  cn_tensor *z = cn_call(g, cn_GlobalAveragePooling1D(g), y);
  CHECK_TENSOR(z, CN_DIMS(2, 1), 1e-6, 3, 2);
  cr_assert_null(cn_mask_of(z));
  cr_assert_null(cn_mask_of(cn_call(g, cn_Flatten(g), y)));
  cn_tensor *other = cn_array(g, CN_BOOL, CN_DIMS(2, 3), (const bool[]){ 0, 0, 1, 1, 1, 0 });
  CHECK_TENSOR(cn_call(g, cn_GlobalAveragePooling1D(g), y, .mask = other), CN_DIMS(2, 1), 1e-5, 100, 51);
}

/* ---- names, weights ---- */
Test(layers, names_are_the_class_in_snake_case_and_numbered) {
  cr_assert_str_eq(cn_Dense(g, 1)->name, "dense");
  cr_assert_str_eq(cn_Dense(g, 1)->name, "dense_1");
  cr_assert_str_eq(cn_Dense(g, 1, .name = "out")->name, "out");
  cr_assert_str_eq(cn_Dense(g, 1)->name, "dense_2");
  cr_assert_str_eq(cn_GlobalAveragePooling1D(g)->name, "global_average_pooling1d");
}
Test(layers, weights_are_named_by_path_and_stand_in_order_of_creation) {
  cn_model *m = cn_Sequential(g, "mlp");
  cn_push(m, cn_Embedding(g, 5, 2));
  cn_push(m, cn_Dense(g, 3, .name = "hidden"));
  cn_push(m, cn_Dense(g, 1, .use_bias = false));
  cr_assert(cn_model_build(m, CN_DIMS(CN_UNKNOWN, 4)));
  static const char *const names[] = { "mlp/embedding/embeddings", "mlp/hidden/kernel", "mlp/hidden/bias", "mlp/dense/kernel" };
  cr_assert_eq(cn_weights(cn_model_layer(m), NULL, 0), 4);
  for (int i = 0; i < 4; i++) cr_assert_str_eq(cn_name_of(weight_at(cn_model_layer(m), i)), names[i]);
  cr_assert_eq(cn_count_params(cn_model_layer(m)), 10 + 6 + 3 + 3);
}
Test(layers, frozen_layers_have_no_trainable_weights_and_no_penalties) {
  cn_layer *l = cn_Dense(g, 2, .kernel_initializer = CN_NAME("ones"), .kernel_regularizer = CN_NAME("l2(0.5)"));
  cn_build(l, CN_DIMS(1, 3), 1);
  cn_tensor *loss[2];
  cr_assert_eq(cn_losses(l, loss, 2), 1);
  CHECK_NEAR(cn_item(loss[0]), 3, 1e-6);
  cn_layer_set_trainable(l, false);
  cr_assert_eq(cn_trainable_weights(l, NULL, 0), 0);
  cr_assert_eq(cn_non_trainable_weights(l, NULL, 0), 2);
  cr_assert_eq(cn_losses(l, loss, 2), 0);
  cr_assert(cn_backward(g, cn_sum(g, cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 3))))) || cn_error_code(g) == CN_VALUE);
  cn_graph_clear(g);
  cn_layer_set_trainable(l, true);
  cr_assert_eq(cn_trainable_weights(l, NULL, 0), 2);
  cn_layer *born = cn_Dense(g, 2, .trainable = false);
  cn_build(born, CN_DIMS(1, 3), 1);
  cr_assert_eq(cn_trainable_weights(born, NULL, 0), 0);
}
Test(layers, activity_penalties_are_divided_by_the_batch) {
  cn_layer *l = cn_Activation(g, CN_NAME("linear"), .activity_regularizer = CN_NAME("l1(0.1)"));
  cn_call(g, l, FLOATS(g, CN_DIMS(2, 2), 1, -2, 3, -4));
  cn_tensor *loss[2];
  cr_assert_eq(cn_losses(l, loss, 2), 1);
  CHECK_NEAR(cn_item(loss[0]), 0.5, 1e-6);
  CHECK_NEAR(cn_item(cn_total_loss(l, cn_scalar(g, 2))), 2.5, 1e-6);
  cn_graph_reset(g);
  cr_assert_eq(cn_losses(l, loss, 2), 0);
}

/* ---- errors ---- */
#define TEXT_REFUSED(text, code, message)      \
  do {                                         \
    cr_assert_null(cn_layer_from(g, text));    \
    CHECK_REFUSED(g, code, message);           \
  } while (0)
Test(layers, errors_in_a_text_name_what_and_the_nearest) {
  TEXT_REFUSED("Dense(32, activaton=relu)", CN_VALUE, "Dense: no option \"activaton\"; did you mean \"activation\"?");
  TEXT_REFUSED("Dense(32, activation=reluu)", CN_VALUE, "Dense: unknown activation \"reluu\"; did you mean \"relu\"?");
  TEXT_REFUSED("Dense(32, kernel_initializer=glorot_unifrm)", CN_VALUE, "Dense: unknown initializer \"glorot_unifrm\"; did you mean \"glorot_uniform\"?");
  TEXT_REFUSED("Dese(32)", CN_VALUE, "unknown layer \"Dese\"; did you mean \"Dense\"?");
  TEXT_REFUSED("Dense", CN_VALUE, "Dense: units is required");
  TEXT_REFUSED("Dense(-3)", CN_VALUE, "Dense: units must be positive, got -3");
  TEXT_REFUSED("Dense(3, name='a/b')", CN_VALUE, "Dense: name \"a/b\" must not contain \"/\"");
  TEXT_REFUSED("Dense(3, dtype=flot32)", CN_VALUE, "Dense: dtype: unknown dtype \"flot32\"; did you mean \"float32\"?");
  TEXT_REFUSED("Dropout(1.5)", CN_VALUE, "Dropout: rate must be in [0, 1], got 1.5");
  TEXT_REFUSED("Flatten(data_format=middle)", CN_VALUE, "Flatten: data_format must be channels_last or channels_first, got \"middle\"");
}
Test(layers, errors_of_options_are_those_of_texts) {
  cr_assert_null(cn_make_Dense(&(const cn_DenseOptions){ .graph = g, .units = CN_REQUIRED }));
  CHECK_REFUSED(g, CN_VALUE, "Dense: units is required");
  cr_assert_null(cn_Dense(g, 3, .activation = CN_NAME("gelo")));
  CHECK_REFUSED(g, CN_VALUE, "Dense: unknown activation \"gelo\"; did you mean \"gelu\"?");
}
Test(layers, errors_of_inputs_name_the_shape) {
  cn_layer *l = dense_built("Dense(2)");
  cr_assert_null(cn_call(g, l, FLOATS(g, CN_DIMS(3), 1, 2, 3)));
  CHECK_REFUSED(g, CN_SHAPE, "Dense: input 0 does not fit: expected min_ndim=2, found ndim=1, shape [3] (in dense)");
  cr_assert_null(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 1, 2)));
  CHECK_REFUSED(g, CN_SHAPE, "Dense: input 0 does not fit: expected axis -1 to have value 3, found shape [1,2] (in dense)");
  cr_assert_null(cn_call(g, cn_GlobalAveragePooling1D(g), FLOATS(g, CN_DIMS(1, 2), 1, 2)));
  CHECK_REFUSED(g, CN_SHAPE, "GlobalAveragePooling1D: input 0 does not fit: expected ndim=3, found ndim=2, shape [1,2] (in global_average_pooling1d)");
  cr_assert_null(cn_call(g, NULL, FLOATS(g, CN_DIMS(1), 1)));
  CHECK_REFUSED(g, CN_STATE, "call: the layer is NULL");
  cn_graph *other = cn_graph_new(.seed = 1);
  cr_assert_null(cn_call(other, l, cn_ones(other, CN_F32, CN_DIMS(1, 3))));
  CHECK_REFUSED(other, CN_STATE, "call: layer dense belongs to another graph");
  cn_graph_free(other);
  cr_assert_not_null(cn_call(g, l, FLOATS(g, CN_DIMS(1, 3), 1, 2, 3)));
}
Test(layers, values_that_do_not_fit_change_no_weight) {
  cn_layer *l = dense_built("Dense(2)");
  cn_tensor *bad[] = { cn_zeros(g, CN_F32, CN_DIMS(3, 2)), cn_zeros(g, CN_F32, CN_DIMS(3)) };
  cr_assert_not(cn_set_weights(l, bad, 2));
  CHECK_REFUSED(g, CN_SHAPE, "set_weights: dense/bias is float32 [2], the value is float32 [3]");
  cr_assert_not(cn_set_weights(l, bad, 1));
  CHECK_REFUSED(g, CN_VALUE, "set_weights: layer dense has 2 weights, got 1 values");
  bad[0] = cn_zeros(g, CN_F64, CN_DIMS(3, 2));
  cr_assert_not(cn_set_weights(l, bad, 2));
  CHECK_REFUSED(g, CN_SHAPE, "set_weights: dense/kernel is float32 [3,2], the value is float64 [3,2]");
  CHECK_TENSOR(weight_at(l, 0), CN_DIMS(3, 2), 0, 1, 2, 3, 4, 5, 6);
}
Test(layers, a_failed_build_leaves_the_layer_unbuilt) {
  cn_layer *l = cn_Dense(g, 2, .bias_initializer = CN_NAME("identity"));
  cr_assert_not(cn_build(l, CN_DIMS(1, 3), 1));
  CHECK_REFUSED(g, CN_SHAPE, "Identity: rank must be 2, got 1 (in dense)");
  cr_assert_not(l->built);
  cr_assert_eq(cn_weights(l, NULL, 0), 0);
  const size_t bytes = cn_graph_bytes(g);
  for (int i = 0; i < 100; i++) {
    cr_assert_null(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 3))));
    cn_graph_clear(g);
  }
  cr_assert_leq(cn_graph_bytes(g), bytes + 70000, "failed builds give their memory back: %zu, then %zu", bytes, cn_graph_bytes(g));
  cn_layer *unknown = cn_Dense(g, 2);
  cr_assert_not(cn_build(unknown, CN_DIMS(1, CN_UNKNOWN), 1));
  CHECK_REFUSED(g, CN_SHAPE, "weight kernel: size of axis 0 is unknown (in dense_1)");
  cr_assert(cn_build(unknown, CN_DIMS(CN_UNKNOWN, 3), 1), "builds once the size is known");
}

/* ---- configs, life ---- */
static const char *const every_layer[] = { "Dense(3, activation=relu, use_bias=false, kernel_regularizer=l2(0.5), kernel_constraint=max_norm(3), name=d)",
                                           "Dense(3, activation='leaky_relu(negative_slope=0.1)', dtype=float64)", "Activation(softmax)",
                                           "Flatten(data_format=channels_first)", "Rescaling(0.5, offset=-1)",
                                           "Embedding(10, 4, mask_zero=true, embeddings_initializer='random_uniform(seed=3)')",
                                           "Dropout(0.3, noise_shape=[None, 1, 4], seed=5)", "GlobalAveragePooling1D(keepdims=true)",
                                           "Dense(2, trainable=false, activity_regularizer=l1)", NULL };
Test(layers, configs_round_trip) {
  for (int i = 0; every_layer[i]; i++) {
    cn_layer *l = cn_layer_from(g, every_layer[i]);
    cr_assert_not_null(l, "%s: %s", every_layer[i], cn_error(g));
    const char *text = cn_layer_config(l);
    cr_assert_not_null(text, "%s: %s", every_layer[i], cn_error(g));
    char *first = strdup(text);
    cn_layer *again = cn_layer_from_config(g, first);
    cr_assert_not_null(again, "%s: %s", first, cn_error(g));
    cr_assert_str_eq(cn_layer_config(again), first);
    cr_assert_str_eq(again->name, l->name);
    free(first);
  }
}
Test(layers, configs_that_are_none_are_refused) {
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": \"Dense\", \"config\": {\"units\": 3, \"unitz\": 4}}"));
  CHECK_REFUSED(g, CN_VALUE, "Dense: no option \"unitz\"; did you mean \"units\"?");
  cr_assert_null(cn_layer_from_config(g, "{\"config\": {}}"));
  CHECK_REFUSED(g, CN_FORMAT, "a config without a \"class_name\" is no layer");
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": "));
  cr_assert_eq(cn_error_code(g), CN_FORMAT, "%s", cn_error(g));
}
Test(layers, freed_layers_keep_memory_flat) {
  size_t bytes = 0;
  for (int round = 0; round < 200; round++) {
    for (int i = 0; every_layer[i]; i++) {
      cn_layer *l = cn_layer_from(g, every_layer[i]);
      if (i < 3) cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(2, 3)));
      cn_layer_free(l);
    }
    CHECK_OK(g);
    cn_graph_reset(g);
    if (round == 100) bytes = cn_graph_bytes(g); /* by then calls that repeat have been noted */
  }
  cr_assert_eq(cn_graph_bytes(g), bytes, "%zu, then %zu", bytes, cn_graph_bytes(g));
}
