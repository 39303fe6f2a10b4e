/* Layers of several inputs, dense layers over any axes, embeddings; configs of older Keras; every allocation failing. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_merging, .init = begin, .fini = end);

static cn_tensor *uniform(const cn_dims *d, int64_t seed) {
  return cn_random_uniform(g, (const cn_ints){ d->d, d->rank }, .minval = -1, .maxval = 1, .dtype = "float64", .seed = seed);
}
static cn_tensor *bools(const cn_dims *d, const bool *v) { return cn_array(g, CN_BOOL, d, v); }
#define BOOLS(d, ...) bools(d, (const bool[]){ __VA_ARGS__ })

/* ---- merging ---- */
Test(layers_merging, lower_ranks_get_axes_behind_the_batch) {
  cn_tensor *a = FLOATS(g, CN_DIMS(2, 2, 1), 1, 2, 3, 4), *b = FLOATS(g, CN_DIMS(2, 1), 10, 20);
  CHECK_TENSOR(cn_call(g, cn_Add(g), .inputs = CN_TENSORS(a, b)), CN_DIMS(2, 2, 1), 0, 11, 12, 23, 24);
  CHECK_TENSOR(cn_call(g, cn_Subtract(g), .inputs = CN_TENSORS(b, a)), CN_DIMS(2, 2, 1), 0, 9, 8, 17, 16);
  CHECK_TENSOR(cn_call(g, cn_Average(g), .inputs = CN_TENSORS(a, b, a)), CN_DIMS(2, 2, 1), 1e-6, 4, 14 / 3.0, 26 / 3.0, 28 / 3.0);
  CHECK_TENSOR(cn_call(g, cn_Maximum(g), .inputs = CN_TENSORS(a)), CN_DIMS(2, 2, 1), 0, 1, 2, 3, 4);
}
Test(layers_merging, masks_combine) {
  cn_tensor *a = FLOATS(g, CN_DIMS(1, 3, 1), 2, 3, 4), *b = FLOATS(g, CN_DIMS(1, 3, 1), 5, 1, 7), *plain = FLOATS(g, CN_DIMS(1, 3, 1), 1, 1, 1);
  cn_set_mask(a, BOOLS(CN_DIMS(1, 3), 1, 0, 0));
  cn_set_mask(b, BOOLS(CN_DIMS(1, 3), 0, 1, 0));
  cn_tensor *y = cn_call(g, cn_Multiply(g), .inputs = CN_TENSORS(a, b));
  CHECK_TENSOR(y, CN_DIMS(1, 3, 1), 0, 2, 1, 0);
  CHECK_TENSOR(cn_mask_of(y), CN_DIMS(1, 3), 0, 1, 1, 0);
  y = cn_call(g, cn_Maximum(g), .inputs = CN_TENSORS(a, b));
  CHECK_TENSOR(y, CN_DIMS(1, 3, 1), 0, 2, 1, 4);
  CHECK_TENSOR(cn_mask_of(y), CN_DIMS(1, 3), 0, 1, 1, 0);
  y = cn_call(g, cn_Minimum(g), .inputs = CN_TENSORS(a, plain, b));
  cr_assert_null(cn_mask_of(y));
  y = cn_call(g, cn_Concatenate(g, .axis = 1), .inputs = CN_TENSORS(a, plain));
  CHECK_TENSOR(cn_mask_of(y), CN_DIMS(1, 6), 0, 1, 0, 0, 1, 1, 1);
  cr_assert_null(cn_mask_of(cn_call(g, cn_Dot(g, CN_INTS(1)), .inputs = CN_TENSORS(a, b))));
}
Test(layers_merging, dot_contracts_an_axis_of_each) {
  cn_tensor *a = FLOATS(g, CN_DIMS(1, 2, 2), 1, 2, 3, 4), *b = FLOATS(g, CN_DIMS(1, 2), 5, 6);
  CHECK_TENSOR(cn_call(g, cn_Dot(g, CN_INTS(2, 1)), .inputs = CN_TENSORS(a, b)), CN_DIMS(1, 2), 0, 17, 39);
  CHECK_TENSOR(cn_call(g, cn_Dot(g, CN_INTS(-1)), .inputs = CN_TENSORS(b, b)), CN_DIMS(1, 1), 0, 61);
  CHECK_TENSOR(cn_call(g, cn_Dot(g, CN_INTS(1), .normalize = true), .inputs = CN_TENSORS(b, b)), CN_DIMS(1, 1), 1e-6, 1);
}

static cn_tensor *merged(cn_graph *graph, cn_tensor *const *x, int64_t n, void *layer) {
  const cn_tensors list = { x, n };
  return cn_call(graph, layer, .inputs = list);
}
Test(layers_merging, gradients_of_orders_1_and_2) {
  const char *const layers[] = { "Add(dtype=float64)", "Subtract(dtype=float64)", "Multiply(dtype=float64)", "Average(dtype=float64)", "Maximum(dtype=float64)",
                                 "Minimum(dtype=float64)", "Concatenate(1, dtype=float64)", "Dot(2, dtype=float64)",
                                 "Dot([1, 1], normalize=true, dtype=float64)" };
  cn_tensor *x[] = { uniform(CN_DIMS(2, 3, 4), 1), uniform(CN_DIMS(2, 3, 4), 2) };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    const cn_gradcheck_report r = cn_gradcheck(g, merged, CN_TENSORS(x[0], x[1]), .user = cn_layer_from(g, layers[i]), .order = 2);
    cr_assert(r.passed && cn_ok(g), "%s: %s (%s)", layers[i], r.text, cn_error(g));
  }
}
static cn_tensor *of(const cn_dims *d) { return cn_zeros(g, CN_F32, d); }
Test(layers_merging, inputs_that_do_not_merge) {
  cr_assert_null(cn_call(g, cn_Add(g), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(2, 4)))));
  CHECK_REFUSED(g, CN_SHAPE, "Add: shapes do not fit: [2,3] and [2,4] (in add)");
  cr_assert_null(cn_call(g, cn_Average(g), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(1, 3)))));
  CHECK_REFUSED(g, CN_SHAPE, "Average: batch sizes differ: [2,3] and [1,3] (in average)");
  cr_assert_null(cn_call(g, cn_Multiply(g), of(CN_DIMS(2, 3))));
  CHECK_REFUSED(g, CN_VALUE, "Multiply: a list of inputs is needed, got a single tensor (in multiply)");
  cr_assert_null(cn_call(g, cn_Subtract(g), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(2, 3)), of(CN_DIMS(2, 3)))));
  CHECK_REFUSED(g, CN_VALUE, "Subtract: 3 inputs, wanted 2 (in subtract)");
  cr_assert_null(cn_call(g, cn_Concatenate(g), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(2, 3, 4)))));
  CHECK_REFUSED(g, CN_SHAPE, "concatenate: shapes of inputs 0 and 1 differ: [2,3] and [2,3,4] (in concatenate)");
  cr_assert_null(cn_call(g, cn_Dot(g, CN_INTS(0)), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(2, 3)))));
  CHECK_REFUSED(g, CN_VALUE, "Dot: axis 0 is the batch axis (in dot)");
  cr_assert_null(cn_call(g, cn_Dot(g, CN_INTS(1)), .inputs = CN_TENSORS(of(CN_DIMS(2, 3)), of(CN_DIMS(2, 4)))));
  CHECK_REFUSED(g, CN_SHAPE, "Dot: shapes do not fit: [2,3] and [2,4] (in dot_1)");
  cr_assert_null(cn_layer_from(g, "Dot([1, 2, 1])"));
  CHECK_REFUSED(g, CN_VALUE, "Dot: axes must be 1 number or 2, got 3");
}

/* ---- low-rank adaptation ---- */
Test(layers_merging, lora_freezes_the_kernel_and_adds_its_product) {
  cn_layer *l = cn_Dense(g, 2, .use_bias = false, .kernel_initializer = CN_NAME("zeros"), .kernel_regularizer = "l2(1)", .lora_rank = 1, .lora_alpha = 3);
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 2), 1, 10), *w[4];
  cr_assert(cn_build(l, CN_DIMS(1, 2), 1));
  cr_assert_eq(cn_weights(l, w, 4), 3);
  cr_assert_str_eq(cn_name_of(w[1]), "dense/lora_kernel_a");
  cn_tensor *values[] = { FLOATS(g, CN_DIMS(2, 2), 1, 0, 0, 1), FLOATS(g, CN_DIMS(2, 1), 1, 2), FLOATS(g, CN_DIMS(1, 2), 1, -1) };
  cr_assert(cn_set_weights(l, values, 3));
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(1, 2), 1e-5, 1 + 3 * 21, 10 - 3 * 21);
  cr_assert_eq(cn_trainable_weights(l, NULL, 0), 2);
  CHECK_NEAR(cn_item(cn_total_loss(l, cn_scalar(g, 0))), 5 + 2, 1e-5); /* the frozen kernel pays nothing */
}
Test(layers_merging, lora_takes_no_constraint) {
  cr_assert_null(cn_call(g, cn_Dense(g, 2, .kernel_constraint = "max_norm", .lora_rank = 1), cn_zeros(g, CN_F32, CN_DIMS(1, 2))));
  CHECK_REFUSED(g, CN_VALUE, "Dense: lora_rank cannot be given together with a constraint (in dense)");
  cn_layer *l = cn_Embedding(g, 3, 2, .embeddings_constraint = "max_norm", .lora_rank = 1);
  cr_assert_not(cn_build(l, CN_DIMS(1, 2), 1));
  CHECK_REFUSED(g, CN_VALUE, "Embedding: lora_rank cannot be given together with a constraint (in embedding)");
  cr_assert_eq(cn_weights(l, NULL, 0), 0);
}
Test(layers_merging, einsum_dense_counts_fans_by_the_equation) {
  cn_layer *l = cn_EinsumDense(g, "abc,cde->abde", CN_INTS(CN_NONE, 2, 3), .kernel_initializer = "variance_scaling(mode=fan_in, distribution=uniform)");
  cr_assert(cn_build(l, CN_DIMS(1, 2, 300), 1));
  cn_tensor *k = weight_at(l, 0);
  double largest = 0;
  for (int64_t i = 0; i < cn_count(k); i++) largest = fmax(largest, fabs(cn_at(k, i)));
  CHECK_NEAR(largest, sqrt(3 / 300.0), 0.001); /* by the rank alone the fan would be 600 */
}

/* ---- embeddings ---- */
Test(layers_merging, embedding_begins_with_given_weights) {
  cn_layer *l = cn_Embedding(g, 3, 2, .weights = FLOATS(g, CN_DIMS(3, 2), 1, 2, 3, 4, 5, 6));
  CHECK_OK(g);
  cn_graph_reset(g);
  CHECK_TENSOR(cn_call(g, l, INTEGERS(g, CN_DIMS(1, 1), 2)), CN_DIMS(1, 1, 2), 0, 5, 6);
  cr_assert_null(cn_Embedding(g, 3, 2, .weights = FLOATS(g, CN_DIMS(2, 2), 1, 2, 3, 4)));
  CHECK_REFUSED(g, CN_SHAPE, "Embedding: weights must have the table's shape and dtype, got float32 [2,2]");
}
Test(layers_merging, embedding_with_lora_adds_rows_of_the_product) {
  cn_layer *l = cn_Embedding(g, 3, 2, .lora_rank = 1, .lora_alpha = 2);
  cn_build(l, CN_DIMS(1, 1), 1);
  cn_tensor *values[] = { FLOATS(g, CN_DIMS(3, 2), 1, 2, 3, 4, 5, 6), FLOATS(g, CN_DIMS(3, 1), 1, 2, 3), FLOATS(g, CN_DIMS(1, 2), 10, 20) };
  cr_assert(cn_set_weights(l, values, 3), "%s", cn_error(g));
  CHECK_TENSOR(cn_call(g, l, INTEGERS(g, CN_DIMS(1), 2)), CN_DIMS(1, 2), 0, 65, 126);
}
Test(layers_merging, reversible_embedding_goes_both_ways) {
  cn_layer *l = cn_ReversibleEmbedding(g, 3, 2, .logit_soft_cap = 2);
  cn_build(l, CN_DIMS(1, 1), 1);
  cn_tensor *table = FLOATS(g, CN_DIMS(3, 2), 1, 0, 0, 1, 1, 1);
  cr_assert(cn_set_weights(l, &table, 1), "%s", cn_error(g));
  CHECK_TENSOR(cn_call(g, l, INTEGERS(g, CN_DIMS(1), 2)), CN_DIMS(1, 2), 0, 1, 1);
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 1, 3), .reverse = 1), CN_DIMS(1, 3), 1e-6, 2 * tanh(0.5), 2 * tanh(1.5), 2 * tanh(2));
}

/* ---- configs ---- */
Test(layers_merging, configs_of_older_keras_are_read) {
  cn_layer *l = cn_layer_from_config(
      g, "{\"class_name\": \"LeakyReLU\", \"config\": {\"alpha\": 0.5, \"name\": \"x\", \"dtype\": \"float32\", \"batch_input_shape\": [null, 2]}}");
  CHECK_OK(g);
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), -2, 2)), CN_DIMS(1, 2), 0, -1, 2);
  cr_assert(cn_layer_from_config(g, "{\"class_name\": \"Embedding\", \"config\": {\"input_dim\": 3, \"output_dim\": 2, \"input_length\": 4, \"autocast\": "
                                    "true, \"quantization_config\": null}}"),
            "%s", cn_error(g));
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": \"Dense\", \"config\": {\"units\": 2, \"alpha\": 0.5}}"));
  CHECK_REFUSED(g, CN_VALUE, "Dense: no option \"alpha\"");
}
Test(layers_merging, a_layer_without_weights_serves_as_activation_in_a_config) {
  cn_layer *l = cn_layer_from_config(g, "{\"class_name\": \"Activation\", \"config\": {\"activation\": {\"class_name\": \"LeakyReLU\", \"config\": {\"name\": "
                                        "\"a\", \"negative_slope\": 0.5}}}}");
  CHECK_OK(g);
  CHECK_TENSOR(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), -2, 2)), CN_DIMS(1, 2), 0, -1, 2);
}
Test(layers_merging, quantization_and_half_precision_are_refused_by_name) {
  cr_assert_null(cn_layer_from_config(
      g, "{\"class_name\": \"Dense\", \"config\": {\"units\": 2, \"quantization_config\": {\"class_name\": \"Int8QuantizationConfig\"}}}"));
  CHECK_REFUSED(g, CN_UNSUPPORTED, "Dense: quantization_config is not supported");
  cr_assert_null(cn_layer_from_config(
      g, "{\"class_name\": \"Dense\", \"config\": {\"units\": 2, \"dtype\": {\"class_name\": \"QuantizedDTypePolicy\", \"config\": {\"mode\": \"int8\"}}}}"));
  CHECK_REFUSED(g, CN_UNSUPPORTED, "Dense: dtype: the policy QuantizedDTypePolicy is not supported");
  cr_assert_null(cn_layer_from(g, "Softmax(dtype=bfloat16)"));
  CHECK_REFUSED(g, CN_UNSUPPORTED, "Softmax: dtype: bfloat16 is not supported");
}

/* ---- memory ---- */
/* Makes, builds and calls a layer; fails where the allocator does. The pool may give way to a call that fails, which then succeeds. */
static cn_tensor *use(cn_graph *h, const char *text) {
  cn_layer *l = cn_layer_from(h, text);
  const bool list = !strncmp(text, "Add", 3) || !strncmp(text, "Concatenate", 11) || !strncmp(text, "Dot", 3);
  cn_tensor *x = cn_ones(h, CN_F32, CN_DIMS(2, 2, 4, 1)), *small = cn_ones(h, CN_F32, CN_DIMS(2, 4)), *t = strchr(text, '4') ? x : small;
  if (!cn_ok(h)) return NULL;
  return list ? cn_call(h, l, .inputs = CN_TENSORS(small, small), .training = 1) : cn_call(h, l, t, .training = 1);
}
Test(layers_merging, any_allocation_may_fail) {
  const char *const layers[] = { "Add(activity_regularizer='l2(1)')", "Concatenate()", "Dot(1)", "Cropping2D(0, name=n4)",
                                 "UpSampling2D(2, interpolation=bicubic, name=n4)", "Dense(3, lora_rank=1)", "Embedding(9, 2, lora_rank=1)",
                                 "EinsumDense('ab,bc->ac', 3, bias_axes=c)", "PReLU()", "AlphaDropout(0.5)", "ActivityRegularization(0.1)", "Reshape([2, 2])",
                                 "Softmax()", "Masking()" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int64_t k = 1, done = 0; !done; k++) {
      counting n = { .fail_at = k };
      cn_graph *h = graph_counting(&n);
      cn_tensor *y = h ? use(h, layers[i]) : NULL;
      done = n.calls < k;
      if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && y, "%s: %s", layers[i], cn_error(h));
      else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "%s, call %d: %s", layers[i], (int)k, cn_error(h));
      cn_graph_free(h);
      cr_assert_eq(n.live, 0, "%s: %d pieces left", layers[i], (int)n.live);
    }
}
