/* The contract of layers: shapes and masks without a call, inputs that wrap tensors, merging as functions, look-ups by hand, configs of tf.keras 2.4, layers of
 * the user's own. */
#include <stdio.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_contract, .init = begin, .fini = end);

/* A user's layer without output_shape, made of others that its build makes and names as they come. */
#define PAIR(X, S) X(S, int64_t, units, CN_REQUIRED, POSITIVE, "of the output")
CN_LAYER_DECLARE(Pair, PAIR)
typedef struct pair { cn_layer base; cn_layer *first, *second; cn_tensor *scale; } pair;
static void pair_build(cn_layer *l, const cn_dims *in, int64_t n) {
  pair *p = (pair *)l;
  const int64_t units = ((const cn_PairOptions *)l->object.options)->units;
  (void)in;
  (void)n;
  p->scale = cn_add_weight(l, "scale", CN_DIMS(units), .initializer = CN_NAME("random_normal"));
  p->first = cn_add_layer(l, cn_Conv1D(l->object.graph, 3, .kernel_size = { { 2 } }));
  p->second = cn_add_layer(l, cn_layer_from(l->object.graph, units == 3 ? "SpectralNormalization(Dense(3))" : "Dense(4)"));
}
static cn_tensor *pair_call(cn_layer *l, cn_graph *gg, cn_inputs *in) {
  pair *p = (pair *)l;
  cn_tensor *h = cn_call(gg, p->first, in->x[0]), *y = cn_call(gg, p->second, h);
  return cn_multiply(gg, y, p->scale);
}
CN_LAYER(Pair, pair, PAIR, .build = pair_build, .call = pair_call)
static cn_layer *make_pair(cn_graph *gg, int64_t units) {
  cn_PairOptions o;
  cn_PairOptions_init(&o, sizeof o);
  o.graph = gg;
  o.units = units;
  return cn_make_Pair(&o);
}

/* ---- shapes ---- */
/* The numbers and names of a layer that is built after its shape was asked for `times` times, in a graph of its own. */
static double built_after(int times, int64_t units, char *name, size_t size) {
  cn_graph *gg = cn_graph_new(.seed = 5);
  cn_layer *l = make_pair(gg, units);
  cn_dims out;
  for (int i = 0; i < times; i++) {
    cr_assert(cn_compute_output_shape(l, CN_DIMS(CN_UNKNOWN, 7, 2), 1, &out), "%s", cn_error(gg));
    cr_assert(cn_dims_equal(&out, CN_DIMS(CN_UNKNOWN, 6, units)));
    cr_assert_not(l->built);
    cr_assert_eq(cn_weights(l, NULL, 0), 0);
    cr_assert_eq(l->layers_count, 0);
  }
  cr_assert(cn_call(gg, l, cn_ones(gg, CN_F32, CN_DIMS(1, 5, 2))), "%s", cn_error(gg));
  const double value = cn_at(weight_at(l, 0), 0) + cn_at(weight_at(l, 1), 0);
  snprintf(name, size, "%s", cn_name_of(weight_at(l, 3)));
  cn_graph_free(gg);
  return value;
}
Test(layers_contract, asking_for_a_shape_changes_nothing) {
  char never[100], often[100];
  for (int64_t units = 3; units < 5; units++) {
    CHECK_NEAR(built_after(0, units, never, sizeof never), built_after(3, units, often, sizeof often), 0);
    cr_assert_str_eq(never, often);
  }
}
Test(layers_contract, a_shape_that_cannot_be_leaves_the_layer_unbuilt) {
  cn_layer *l = make_pair(g, 3);
  cn_dims out;
  cr_assert_not(cn_compute_output_shape(l, CN_DIMS(1, 7), 1, &out));
  CHECK_REFUSED(g, CN_SHAPE, "Conv1D: input 0 does not fit: expected ndim=3, found ndim=2, shape [1,7] (in pair/conv1d)");
  cr_assert_not(l->built);
  cr_assert(cn_compute_output_shape(l, CN_DIMS(1, 7, 2), 1, &out), "%s", cn_error(g));
}
Test(layers_contract, every_class_tells_its_shape_unbuilt) {
  static const struct { const char *layer; int rank;
  } cases[] = {
    { "Conv2D(3, 2)", 4 }, { "Conv1DTranspose(3, 2, strides=2)", 3 }, { "DepthwiseConv2D(2)", 4 }, { "SeparableConv1D(3, 2)", 3 }, { "MaxPooling2D(2)", 4 },
    { "AdaptiveAveragePooling1D(2)", 3 }, { "Wrapper(Dense(3))", 2 }, { "SpectralNormalization(Conv1D(2, 2))", 3 }, { "TimeDistributed(Conv1D(2, 2))", 4 },
    { "Bidirectional(GRU(2))", 3 }, { "ConvLSTM1D(2, 2)", 4 }, { "Activation(relu)", 3 },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cn_layer *l = cn_layer_from(g, cases[i].layer);
    cr_assert(l, "%s", cn_error(g));
    const cn_dims in = { cases[i].rank, { 2, 6, 6, 4 } };
    cn_dims out;
    cr_assert(cn_compute_output_shape(l, &in, 1, &out), "%s: %s", cases[i].layer, cn_error(g));
    cr_assert_eq(cn_weights(l, NULL, 0), 0, "%s is built", cases[i].layer);
    cn_tensor *y = cn_call(g, l, cn_ones(g, CN_F32, &in));
    cr_assert(y, "%s: %s", cases[i].layer, cn_error(g));
    const cn_dims got = cn_dims_of(y);
    cr_assert(cn_dims_equal(&got, &out), "%s", cases[i].layer);
  }
}
Test(layers_contract, a_trial_may_run_out_of_memory) {
  for (int64_t k = 1, done = 0; !done; k++) {
    counting n = { .fail_at = k };
    cn_graph *h = graph_counting(&n);
    cn_layer *l = h ? make_pair(h, 3) : NULL;
    cn_dims out;
    const bool told = l && cn_compute_output_shape(l, CN_DIMS(1, 7, 2), 1, &out);
    done = n.calls < k;
    if (l) cr_assert(!l->built && !l->layers_count && !l->weights_count);
    if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && told, "%s", cn_error(h));
    else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "call %d: %s", (int)k, cn_error(h));
    cn_graph_free(h);
    cr_assert_eq(n.live, 0, "%d pieces left", (int)n.live);
  }
}

/* ---- masks ---- */
Test(layers_contract, masks_without_a_call) {
  cn_tensor *x = INTEGERS(g, CN_DIMS(1, 3), 4, 0, 2), *mask = cn_array(g, CN_BOOL, CN_DIMS(1, 3), (const bool[]){ 1, 1, 0 }),
            *h = cn_ones(g, CN_F32, CN_DIMS(1, 3, 2));
  CHECK_TENSOR(cn_compute_mask(g, cn_Embedding(g, 5, 2, .mask_zero = true), x), CN_DIMS(1, 3), 0, 1, 0, 1);
  cr_assert_eq(cn_compute_mask(g, cn_Dense(g, 2), h, .mask = mask), mask);
  cr_assert_null(cn_compute_mask(g, cn_Dense(g, 2), h));
  cr_assert_null(cn_compute_mask(g, cn_Flatten(g), h, .mask = mask));
  cr_assert_null(cn_compute_mask(g, cn_LSTM(g, 2), h, .mask = mask));
  cr_assert_eq(cn_compute_mask(g, cn_LSTM(g, 2, .return_sequences = true), h, .mask = mask), mask);
  CHECK_TENSOR(cn_compute_mask(g, cn_Add(g), .inputs = CN_TENSORS(h, h), .masks = CN_TENSORS(mask, cn_logical_not(g, mask))), CN_DIMS(1, 3), 0, 1, 1, 1);
  cn_set_mask(h, mask);
  cr_assert_eq(cn_compute_mask(g, cn_Dense(g, 2), h), mask);
  CHECK_OK(g);
  cr_assert_null(cn_compute_mask(g, NULL, h));
  CHECK_REFUSED(g, CN_STATE, "compute_mask: the layer is NULL");
}

/* ---- inputs ---- */
Test(layers_contract, an_input_wraps_a_tensor) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3)), *h = cn_call(g, cn_Dense(g, 2), x), *at = cn_Input(g, .tensor = h);
  cr_assert_eq(at, h);
  cn_model *m = cn_Model(g, CN_TENSORS(at), CN_TENSORS(cn_call(g, cn_Dense(g, 1, .kernel_initializer = CN_NAME("ones")), h)));
  CHECK_TENSOR(cn_call(g, cn_model_layer(m), FLOATS(g, CN_DIMS(1, 2), 1, 2)), CN_DIMS(1, 1), 0, 3);
  cn_tensor *like = cn_Input(g, .tensor = cn_zeros(g, CN_I32, CN_DIMS(4, 2)), .name = "like");
  cr_assert(like, "%s", cn_error(g));
  const cn_dims d = cn_dims_of(like);
  cr_assert(cn_dims_equal(&d, CN_DIMS(4, 2)));
  cr_assert_eq(cn_dtype_of(like), CN_I32);
  cr_assert_null(cn_Input(g, CN_DIMS(2), .tensor = h));
  CHECK_REFUSED(g, CN_VALUE, "Input: give shape or tensor, one of the two");
  cr_assert_null(cn_Input(g, .tensor = cn_scalar(g, 1)));
  CHECK_REFUSED(g, CN_SHAPE, "Input: the tensor has no batch axis");
  cr_assert_null(cn_layer_from(g, "InputLayer([3], sparse=true)"));
  CHECK_REFUSED(g, CN_UNSUPPORTED, "InputLayer: sparse inputs are not supported: give rows as they are looked up, or dense ones");
  cr_assert_null(cn_layer_from(g, "InputLayer([3], ragged=true)"));
  CHECK_REFUSED(g, CN_UNSUPPORTED, "InputLayer: ragged inputs are not supported: give padded ones with a mask");
}

/* ---- functions ---- */
Test(layers_contract, merging_as_functions) {
  cn_tensor *a = FLOATS(g, CN_DIMS(1, 2), 1, 5), *b = FLOATS(g, CN_DIMS(1, 2), 3, 2);
  CHECK_TENSOR(cn_layers_add(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 4, 7);
  CHECK_TENSOR(cn_layers_subtract(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, -2, 3);
  CHECK_TENSOR(cn_layers_multiply(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 3, 10);
  CHECK_TENSOR(cn_layers_average(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 2, 3.5);
  CHECK_TENSOR(cn_layers_maximum(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 3, 5);
  CHECK_TENSOR(cn_layers_minimum(g, CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 1, 2);
  CHECK_TENSOR(cn_layers_concatenate(g, CN_TENSORS(a, b), .axis = 0), CN_DIMS(2, 2), 0, 1, 5, 3, 2);
  CHECK_TENSOR(cn_layers_dot(g, CN_TENSORS(a, b), .axes = CN_INTS(1)), CN_DIMS(1, 1), 0, 13);
  cr_assert_null(cn_layers_add(g, CN_TENSORS(a, NULL)));
  cn_tensor *x = cn_Input(g, CN_DIMS(2), .name = "x"), *y = cn_layers_add(g, CN_TENSORS(x, cn_layers_maximum(g, CN_TENSORS(x, x))));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y));
  CHECK_TENSOR(cn_call(g, cn_model_layer(m), a), CN_DIMS(1, 2), 0, 2, 10);
  cr_assert_not_null(strstr(cn_model_config(m), "\"Maximum\""));
}
Test(layers_contract, merging_as_functions_keeps_memory_flat) {
  counting n = { 0 };
  cn_graph *h = graph_counting(&n);
  int64_t live = 0;
  for (int i = 0; i < 300; i++) {
    cn_tensor *a = cn_ones(h, CN_F32, CN_DIMS(1, 2));
    cr_assert(cn_layers_concatenate(h, CN_TENSORS(a, a), .axis = -1), "%s", cn_error(h));
    cn_graph_reset(h);
    if (i == 100) live = n.live;
  }
  cr_assert_eq(n.live, live);
  cn_graph_free(h);
}
Test(layers_contract, rows_of_a_table_by_hand) {
  cn_tensor *table = cn_variable(g, CN_F32, CN_DIMS(3, 2), (const float[]){ 3, 4, 0.3f, 0.4f, 0, 0 }), *ids = INTEGERS(g, CN_DIMS(1, 3), 1, 0, 2);
  CHECK_TENSOR(cn_embedding_lookup(g, table, ids, NAN), CN_DIMS(1, 3, 2), 1e-7, 0.3, 0.4, 3, 4, 0, 0);
  CHECK_TENSOR(cn_embedding_lookup(g, table, ids, 1), CN_DIMS(1, 3, 2), 1e-7, 0.3, 0.4, 0.6, 0.8, 0, 0);
  cr_assert_null(cn_embedding_lookup(g, table, ids, 0));
  CHECK_REFUSED(g, CN_VALUE, "embedding_lookup: max_norm must be positive, got 0");
  cr_assert_null(cn_embedding_lookup(g, table, INTEGERS(g, CN_DIMS(1), 3), NAN));
  cr_assert_eq(cn_error_code(g), CN_INDEX);
  cn_graph_clear(g);
  cn_tensor *loss = cn_sum(g, cn_embedding_lookup(g, table, INTEGERS(g, CN_DIMS(2), 1, 1), NAN));
  cr_assert(cn_backward(g, loss), "%s", cn_error(g));
  CHECK_TENSOR(cn_grad(table), CN_DIMS(3, 2), 0, 0, 0, 2, 2, 0, 0);
  cn_graph_reset(g);
  cr_assert(cn_backward(g, cn_sum(g, cn_embedding_lookup(g, table, INTEGERS(g, CN_DIMS(2), 0, 2), 1))), "%s", cn_error(g));
  CHECK_TENSOR(cn_grad(table), CN_DIMS(3, 2), 1e-6, 0.032, -0.024, 0, 0, 1, 1); /* a row of zeros passes its gradient on */
}
Test(layers_contract, a_mask_that_is_asked_for_builds_in_the_layers_scope) {
  cn_layer *l = cn_Embedding(g, 5, 2, .mask_zero = true, .name = "words");
  cr_assert(cn_compute_mask(g, l, INTEGERS(g, CN_DIMS(1, 2), 1, 0)), "%s", cn_error(g));
  cr_assert_str_eq(cn_name_of(weight_at(l, 0)), "words/embeddings");
}
Test(layers_contract, groups_of_a_layer_without_them) {
  cr_assert(cn_layer_from_config(g, "{\"class_name\": \"Conv2DTranspose\", \"config\": {\"filters\": 2, \"kernel_size\": [2, 2], \"groups\": 1}}"), "%s", cn_error(g));
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": \"Conv2DTranspose\", \"config\": {\"filters\": 2, \"kernel_size\": [2, 2], \"groups\": 2}}"));
  cr_assert(strstr(cn_error(g), "groups"), "%s", cn_error(g));
  cn_graph_clear(g);
}

/* ---- configs of tf.keras 2.4 ---- */
Test(layers_contract, configs_of_tf_keras_are_read) {
  static const char *const configs[] = {
    "{\"class_name\": \"GRU\", \"config\": {\"units\": 2, \"batch_input_shape\": [null, 3, 2], \"time_major\": false, \"implementation\": 2, \"reset_after\": "
    "true}}",
    "{\"class_name\": \"RNN\", \"config\": {\"time_major\": false, \"cell\": {\"class_name\": \"StackedRNNCells\", \"config\": {\"cells\": [{\"class_name\": "
    "\"LSTMCell\", \"config\": {\"units\": 2, \"implementation\": 2}}]}}}}",
    "{\"class_name\": \"ConvLSTM2D\", \"config\": {\"filters\": 2, \"kernel_size\": [2, 2], \"time_major\": false, \"recurrent_activation\": "
    "\"hard_sigmoid\"}}",
    "{\"class_name\": \"BatchNormalization\", \"config\": {\"axis\": [3], \"momentum\": 0.99}}",
    "{\"class_name\": \"Conv2DTranspose\", \"config\": {\"filters\": 2, \"kernel_size\": [2, 2], \"groups\": 1, \"output_padding\": null}}",
    "{\"class_name\": \"DepthwiseConv2D\", \"config\": {\"kernel_size\": [2, 2], \"groups\": 1}}",
    "{\"class_name\": \"SeparableConv2D\", \"config\": {\"filters\": 2, \"kernel_size\": [2, 2], \"groups\": 1, \"kernel_initializer\": {\"class_name\": "
    "\"GlorotUniform\", \"config\": {\"seed\": null}}, \"kernel_regularizer\": null, \"kernel_constraint\": null}}",
    "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 3], \"dtype\": \"float32\", \"sparse\": false, \"ragged\": false}}",
    "{\"class_name\": \"ReLU\", \"config\": {\"max_value\": null, \"slope\": 0.5, \"threshold\": 0.0}}",
    "{\"class_name\": \"Bidirectional\", \"config\": {\"layer\": {\"class_name\": \"LSTM\", \"config\": {\"units\": 2, \"implementation\": 2, \"time_major\": "
    "false}}, \"merge_mode\": \"concat\"}}",
    "{\"class_name\": \"Dense\", \"config\": {\"units\": 2, \"dynamic\": false, \"bias_regularizer\": {\"class_name\": \"L1L2\", \"config\": {\"l1\": 0.0, "
    "\"l2\": 0.01}}}}",
  };
  for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) cr_assert(cn_layer_from_config(g, configs[i]), "%s: %s", configs[i], cn_error(g));
  CHECK_TENSOR(cn_call(g, cn_layer_from_config(g, configs[8]), FLOATS(g, CN_DIMS(1, 2), -2, 2)), CN_DIMS(1, 2), 0, -1, 2);
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": \"LSTM\", \"config\": {\"units\": 2, \"time_major\": true}}"));
  CHECK_REFUSED(g, CN_VALUE, "LSTM: no option \"time_major\"");
}

/* ---- weights ---- */
Test(layers_contract, copies_of_weights_stay_as_they_were) {
  cn_layer *l = cn_Dense(g, 1, .kernel_initializer = CN_NAME("ones"));
  cn_tensor *w[2];
  cr_assert(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 2))));
  cr_assert(cn_get_weights(l, w, 2), "%s", cn_error(g));
  cr_assert(cn_assign(weight_at(l, 0), cn_zeros(g, CN_F32, CN_DIMS(2, 1))));
  CHECK_TENSOR(w[0], CN_DIMS(2, 1), 0, 1, 1);
  cr_assert(cn_set_weights(l, w, 2), "%s", cn_error(g));
  CHECK_TENSOR(weight_at(l, 0), CN_DIMS(2, 1), 0, 1, 1);
  cr_assert_not(cn_get_weights(l, w, 1));
  CHECK_REFUSED(g, CN_VALUE, "get_weights: layer dense has 2 weights, got 1 values");
}
