/* Functional models: shared layers, cut graphs, operations, unknown sizes, masks, several inputs and outputs. */
#include <stdio.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(functional, .init = begin, .fini = end);

static cn_tensor *run1(cn_model *m, cn_tensor *x) { return cn_call(g, cn_model_layer(m), x); }

Test(functional, a_shared_layer_has_its_weights_once) {
  cn_tensor *a = cn_Input(g, CN_DIMS(3), .name = "a"), *b = cn_Input(g, CN_DIMS(3), .name = "b");
  cn_layer *d = cn_Dense(g, 2, .kernel_initializer = CN_NAME("ones"));
  cn_tensor *y = cn_subtract(g, cn_call(g, d, a), cn_multiply(g, cn_call(g, d, b), cn_scalar(g, 2)));
  cn_model *m = cn_Model(g, CN_TENSORS(a, b), CN_TENSORS(y));
  CHECK_OK(g);
  cn_graph_reset(g); /* the factor outlives the step it was made in */
  cn_tensor *in[] = { FLOATS(g, CN_DIMS(1, 3), 1, 2, 3), FLOATS(g, CN_DIMS(1, 3), 0.5, 0, 1) };
  const cn_tensors list = { in, 2 };
  CHECK_TENSOR(cn_call(g, cn_model_layer(m), .inputs = list), CN_DIMS(1, 2), 1e-6, 3, 3);
  cr_assert_eq(cn_weights(cn_model_layer(m), NULL, 0), 2);
  cr_assert_eq(cn_model_layers(m), 3);
  cr_assert_str_eq(cn_model_layer_at(m, 2)->name, "dense");
}

Test(functional, symbolic_shapes) {
  cn_tensor *x = cn_Input(g, CN_DIMS(CN_UNKNOWN, 4), .name = "x");
  cr_assert(cn_is_symbolic(x));
  const cn_dims known = { 3, { CN_UNKNOWN, CN_UNKNOWN, 4 } }, split = { 4, { CN_UNKNOWN, CN_UNKNOWN, 2, 3 } };
  cr_assert(shaped(x, &known));
  cn_tensor *y = cn_call(g, cn_Dense(g, 6), x), *z = cn_reshape(g, y, CN_INTS(cn_dim(y, 0), cn_dim(y, 1), 2, 3));
  CHECK_OK(g);
  cr_assert(shaped(z, &split));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(z));
  cr_assert(shaped(run1(m, cn_zeros(g, CN_F32, CN_DIMS(2, 5, 4))), CN_DIMS(2, 5, 2, 3)));
  cr_assert(shaped(run1(m, cn_zeros(g, CN_F32, CN_DIMS(1, 7, 4))), CN_DIMS(1, 7, 2, 3)));
  CHECK_OK(g);
}

Test(functional, upsampling_of_unknown_sizes) {
  cn_tensor *x = cn_Input(g, CN_DIMS(CN_UNKNOWN, CN_UNKNOWN, 1)), *y = cn_call(g, cn_UpSampling2D(g, .size = { { 2, 1 } }, .interpolation = "bilinear"), x);
  cr_assert(shaped(y, &(const cn_dims){ 4, { CN_UNKNOWN, CN_UNKNOWN, CN_UNKNOWN, 1 } }), "%s", cn_error(g));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y));
  CHECK_TENSOR(run1(m, FLOATS(g, CN_DIMS(1, 2, 1, 1), 0, 4)), CN_DIMS(1, 4, 1, 1), 1e-6, 0, 1, 3, 4);
  cr_assert(shaped(run1(m, cn_zeros(g, CN_F32, CN_DIMS(1, 3, 5, 1))), CN_DIMS(1, 6, 5, 1)));
}

/* One place of a cut is not a number of parts, in a config too. */
Test(functional, a_list_of_one_number) {
  cn_tensor *x = cn_Input(g, CN_DIMS(5)), *const *y = cn_split(g, x, .indices_or_sections = CN_INTS(2, CN_NONE), .axis = 1);
  cr_assert(shaped(y[0], &(const cn_dims){ 2, { CN_UNKNOWN, 2 } }) && shaped(y[1], &(const cn_dims){ 2, { CN_UNKNOWN, 3 } }));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y[1]));
  const char *config = cn_model_config(m);
  cr_assert(config && strstr(config, "\"indices_or_sections\": [2]"), "%s", config);
  cn_model *again = cn_model_from_config(g, config);
  cn_tensor *tail = run1(again, FLOATS(g, CN_DIMS(1, 5), 1, 2, 3, 4, 5));
  CHECK_TENSOR(tail, CN_DIMS(1, 3), 0, 3, 4, 5);
}

Test(functional, an_unknown_size_of_another_tensor) {
  cn_tensor *x = cn_Input(g, CN_DIMS(CN_UNKNOWN)), *v = cn_Input(g, CN_DIMS(1));
  cn_tensor *y = cn_broadcast_to(g, v, CN_INTS(cn_dim(x, 0), cn_dim(x, 1)));
  cn_model *m = cn_Model(g, CN_TENSORS(x, v), CN_TENSORS(y));
  cn_tensor *in[] = { cn_zeros(g, CN_F32, CN_DIMS(2, 3)), FLOATS(g, CN_DIMS(1, 1), 7) };
  const cn_tensors list = { in, 2 };
  CHECK_TENSOR(cn_call(g, cn_model_layer(m), .inputs = list), CN_DIMS(2, 3), 0, 7, 7, 7, 7, 7, 7);
}

Test(functional, a_number_that_is_no_size) {
  const int64_t no_sizes[] = { -5000000000000000000, INT64_MIN + 8192, INT64_MIN / 2 - 8, cn_dim(cn_Input(g, CN_DIMS(3)), 0) + 7 };
  for (int i = 0; i < 4; i++) {
    cr_assert_null(cn_broadcast_to(g, cn_Input(g, CN_DIMS(1)), CN_INTS(no_sizes[i], 3)));
    cr_assert_eq(cn_error_code(g), CN_SHAPE, "%s", cn_error(g));
    cn_graph_clear(g);
    cr_assert_null(cn_InputLayer(g, .batch_shape = CN_INTS(2, no_sizes[i])));
    cr_assert_eq(cn_error_code(g), CN_SHAPE, "%s", cn_error(g));
    cn_graph_clear(g);
  }
}

Test(functional, models_cut_out_of_a_graph) {
  cn_tensor *x = cn_Input(g, CN_DIMS(2)), *h = cn_call(g, cn_Dense(g, 3, .activation = CN_NAME("relu")), x), *y = cn_call(g, cn_Dense(g, 1), cn_square(g, h));
  cn_model *whole = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y)), *front = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h)),
           *back = cn_Model(g, CN_TENSORS(h), CN_TENSORS(y));
  cn_tensor *both = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h, y)) ? x : NULL;
  CHECK_OK(g);
  cr_assert(both);
  cn_tensor *in = FLOATS(g, CN_DIMS(2, 2), 1, -2, 3, 4), *direct = run1(whole, in), *steps = run1(back, run1(front, in));
  for (int64_t i = 0; i < 2; i++) CHECK_NEAR(cn_at(direct, i), cn_at(steps, i), 0);
  cr_assert_eq(cn_weights(cn_model_layer(back), NULL, 0), 2);
}

Test(functional, a_model_in_a_model_called_twice) {
  cn_tensor *x = cn_Input(g, CN_DIMS(2)), *h = cn_add(g, x, cn_call(g, cn_Dense(g, 2, .kernel_initializer = CN_NAME("ones")), x));
  cn_model *block = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h), .name = "block");
  cn_tensor *in = cn_Input(g, CN_DIMS(2)), *y = cn_call(g, cn_model_layer(block), cn_multiply(g, cn_call(g, cn_model_layer(block), in), cn_scalar(g, 0.5)));
  cn_model *m = cn_Model(g, CN_TENSORS(in), CN_TENSORS(y));
  CHECK_OK(g);
  CHECK_TENSOR(run1(m, FLOATS(g, CN_DIMS(1, 2), 1, 2)), CN_DIMS(1, 2), 1e-6, 6.5, 7);
  cr_assert_eq(cn_weights(cn_model_layer(m), NULL, 0), 2);
}

Test(functional, masks_pass_and_are_consumed) {
  cn_tensor *x = cn_Input(g, CN_DIMS(3), .dtype = "int32"),
            *e = cn_call(g, cn_Embedding(g, 5, 1, .mask_zero = true, .embeddings_initializer = CN_NAME("ones")), x);
  cr_assert_not_null(cn_mask_of(e));
  cn_tensor *y = cn_call(g, cn_GlobalAveragePooling1D(g), cn_call(g, cn_Dense(g, 1, .kernel_initializer = CN_NAME("ones")), e));
  cn_tensor *count = cn_sum(g, cn_cast(g, cn_mask_of(e), .dtype = "float32"), .axis = CN_INTS(1));
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y, count));
  cn_tensor *out[CN_LAYER_OUTPUTS];
  int64_t n;
  const cn_call_args a = {
    .graph = g, .layer = cn_model_layer(m), .x = INTEGERS(g, CN_DIMS(2, 3), 1, 0, 0, 2, 3, 0), .training = CN_NONE, .mask = CN_NO_TENSOR
  };
  cn_call_layer(&a, out, &n);
  CHECK_OK(g);
  cr_assert_eq(n, 2);
  CHECK_TENSOR(out[0], CN_DIMS(2, 1), 1e-6, 1, 1);
  CHECK_TENSOR(out[1], CN_DIMS(2), 0, 1, 2);
}

Test(functional, inputs_take_another_rank_and_dtype_as_keras_lets_them) {
  cn_tensor *x = cn_Input(g, CN_DIMS(1), .name = "x");
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(cn_multiply(g, x, cn_scalar(g, 2))));
  CHECK_TENSOR(run1(m, INTEGERS(g, CN_DIMS(2), 3, 4)), CN_DIMS(2, 1), 0, 6, 8);
  cr_assert_null(run1(m, cn_zeros(g, CN_F32, CN_DIMS(2, 3))));
  CHECK_REFUSED(g, CN_SHAPE, "input \"x\": expected shape [?,1], found [2,3] (in functional)");
}

static void check_no_model(cn_tensors inputs, cn_tensors outputs, const char *text) {
  const cn_model_args a = { .graph = g, .inputs = inputs, .outputs = outputs, .trainable = true };
  cr_assert_null(cn_model_run(&a));
  CHECK_REFUSED(g, CN_VALUE, text);
}
#define LIST(...) (cn_tensors) CN_TENSORS(__VA_ARGS__)

Test(functional, refused_graphs) {
  cn_tensor *a = cn_Input(g, CN_DIMS(2), .name = "a"), *b = cn_Input(g, CN_DIMS(2), .name = "b"), *y = cn_add(g, a, b);
  check_no_model(LIST(a), LIST(y), "Model: the outputs depend on the input \"b\", which is none of the inputs given");
  check_no_model(LIST(a, a), LIST(y), "Model: inputs 0 and 1 are one tensor");
  check_no_model(LIST(a, b), LIST(cn_zeros(g, CN_F32, CN_DIMS(1))), "Model: output 0 is not symbolic: begin with cn_Input");
  cn_tensor *h = cn_call(g, cn_Dense(g, 1, .name = "d"), a), *twice = cn_call(g, cn_Dense(g, 1, .name = "d"), h);
  check_no_model(LIST(a), LIST(twice), "Model: two layers or operations are named \"d\"");
  cn_model *m = cn_Model(g, CN_TENSORS(a, b), CN_TENSORS(y));
  cr_assert_not_null(m);
}

/* What a file says is no address, and an operation of constants alone is none of the model's. */
Test(functional, damaged_operations_of_a_config) {
  static const char *const nodes[][2] = {
    { "{\"class_name\": \"__place__\", \"config\": 12345}, 2.5", "a constant of the graph has no dtype that is known" },
    { "1.5, 2.5", "Functional: an operation depends on no input: \"add\"" },
  };
  for (int i = 0; i < 2; i++) {
    char text[1400];
    snprintf(text, sizeof text,
             "{\"module\": \"keras.src.models.functional\", \"class_name\": \"Functional\", \"registered_name\": \"Functional\", \"config\": {\"name\": \"f\", "
             "\"layers\": ["
             "{\"module\": \"keras.layers\", \"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, 2], \"dtype\": \"float32\", \"name\": "
             "\"x\"}, \"name\": \"x\", \"inbound_nodes\": []},"
             "{\"module\": \"keras.src.ops.numpy\", \"class_name\": \"Add\", \"config\": {\"name\": \"add\"}, \"name\": \"add\", \"inbound_nodes\": "
             "[{\"args\": [%s], \"kwargs\": {}}]}],"
             "\"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"add\", 0, 0]]}}",
             nodes[i][0]);
    cr_assert_null(cn_model_from_config(g, text));
    cr_assert_str_eq(cn_error(g), nodes[i][1]);
    cn_graph_clear(g);
  }
}

Test(functional, a_config_of_tf_keras_is_read) {
  cn_model *m = cn_model_from_config(
      g, "{\"class_name\": \"Functional\", \"config\": {\"name\": \"model\", \"layers\": ["
         "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 2], \"dtype\": \"float32\", \"sparse\": false, \"ragged\": false, "
         "\"name\": \"i\"}, \"name\": \"i\", \"inbound_nodes\": []},"
         "{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 2, \"kernel_initializer\": {\"class_name\": \"Ones\", \"config\": {}}}, "
         "\"name\": \"d\", \"inbound_nodes\": [[[\"i\", 0, 0, {}]], [[\"d\", 0, 0, {\"training\": false}]]]},"
         "{\"class_name\": \"Subtract\", \"config\": {\"name\": \"s\"}, \"name\": \"s\", \"inbound_nodes\": [[[\"d\", 1, 0, {}], [\"i\", 0, 0, {}]]]}],"
         "\"input_layers\": [[\"i\", 0, 0]], \"output_layers\": [[\"s\", 0, 0]]}, \"keras_version\": \"2.4.0\", \"backend\": \"tensorflow\"}");
  cr_assert(m, "%s", cn_error(g));
  CHECK_TENSOR(cn_call(g, cn_model_layer(m), FLOATS(g, CN_DIMS(1, 2), 1, 2)), CN_DIMS(1, 2), 0, 5, 4);
  cr_assert_null(cn_model_from_config(g,
                                      "{\"class_name\": \"Functional\", \"config\": {\"name\": \"model\", \"layers\": [{\"class_name\": \"Dense\", \"config\": "
                                      "{\"name\": \"d\", \"units\": 2}, \"name\": \"d\","
                                      "\"inbound_nodes\": [[[\"i\", 0, 0, {}]]]}], \"input_layers\": [[\"i\", 0, 0]], \"output_layers\": [[\"d\", 0, 0]]}}"));
  CHECK_REFUSED(g, CN_FORMAT, "Functional: a reference names the unknown layer \"i\"");
}
