/* Layers of one input: shapes, padding, upsampling, activations, noise, pooling. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_shaping, .init = begin, .fini = end);

static cn_tensor *uniform(const cn_dims *d) { return cn_random_uniform(g, (const cn_ints){ d->d, d->rank }, .minval = -1, .maxval = 1, .seed = 3); }

/* 0, 1, 2, ... */
static cn_tensor *ascending(const cn_dims *d) {
  const cn_ints shape = { d->d, d->rank };
  return cn_reshape(g, cn_arange(g, CN_F32, 0, (double)cn_dims_count(d), 1), .newshape = shape);
}

static void symbolic_shape(const char *layer, const cn_dims *in, const cn_dims *out) {
  cn_dims got;
  cr_assert(cn_compute_output_shape(cn_layer_from(g, layer), in, 1, &got), "%s: %s", layer, cn_error(g));
  cr_assert(cn_dims_equal(&got, out), "%s: compute_output_shape differs", layer);
  cn_tensor *y = cn_call(g, cn_layer_from(g, layer), cn_symbolic(g, CN_F32, in));
  CHECK_OK(g);
  got = cn_dims_of(y);
  cr_assert(cn_dims_equal(&got, out), "%s: the symbolic call differs", layer);
}

#define U CN_UNKNOWN
Test(layers_shaping, unknown_sizes_stay_unknown) {
  symbolic_shape("Reshape([3, -1])", CN_DIMS(U, 12), CN_DIMS(U, 3, 4));
  symbolic_shape("Reshape([3, -1])", CN_DIMS(U, U, 2), CN_DIMS(U, 3, U));
  symbolic_shape("Reshape([-1])", CN_DIMS(2, U, 2), CN_DIMS(2, U));
  symbolic_shape("Permute([3, 1, 2])", CN_DIMS(U, 2, U, 4), CN_DIMS(U, 4, 2, U));
  symbolic_shape("RepeatVector(3)", CN_DIMS(U, U), CN_DIMS(U, 3, U));
  symbolic_shape("Cropping2D([1, 2, 0, 1])", CN_DIMS(U, U, 5, 2), CN_DIMS(U, U, 4, 2));
  symbolic_shape("ZeroPadding3D(padding=2, data_format=channels_first)", CN_DIMS(U, 3, 1, U, 2), CN_DIMS(U, 3, 5, U, 6));
  symbolic_shape("UpSampling1D(3)", CN_DIMS(U, U, 2), CN_DIMS(U, U, 2));
  symbolic_shape("UpSampling2D([2, 3], interpolation=bilinear)", CN_DIMS(U, 3, 4, 1), CN_DIMS(U, 6, 12, 1));
  symbolic_shape("UpSampling3D(2)", CN_DIMS(U, 3, U, 4, 1), CN_DIMS(U, 6, U, 8, 1));
  symbolic_shape("GlobalMaxPooling3D(keepdims=true)", CN_DIMS(U, 3, U, 4, 7), CN_DIMS(U, 1, 1, 1, 7));
  symbolic_shape("GlobalAveragePooling2D(data_format=channels_first)", CN_DIMS(U, 3, U, 4), CN_DIMS(U, 3));
  symbolic_shape("Softmax([1, 2])", CN_DIMS(U, 3, 4), CN_DIMS(U, 3, 4));
  symbolic_shape("PReLU(shared_axes=[1])", CN_DIMS(U, U, 4), CN_DIMS(U, U, 4));
  symbolic_shape("Masking(1)", CN_DIMS(U, U, 4), CN_DIMS(U, U, 4));
  symbolic_shape("UnitNormalization([1, 2])", CN_DIMS(U, 2, U), CN_DIMS(U, 2, U));
}
Test(layers_shaping, noise_on_tensors_of_unknown_sizes) {
  const char *const layers[] = { "Dropout(0.5)", "AlphaDropout(0.5)", "GaussianDropout(0.5)", "GaussianNoise(0.5)", "SpatialDropout1D(0.5)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    cn_tensor *y = cn_call(g, cn_layer_from(g, layers[i]), cn_symbolic(g, CN_F32, CN_DIMS(U, 3, U)), .training = 1);
    CHECK_OK(g);
    const cn_dims d = cn_dims_of(y);
    cr_assert(cn_dims_equal(&d, CN_DIMS(U, 3, U)), "%s", layers[i]);
  }
}

/* ---- gradients ---- */
typedef struct differentiated { const char *layer; cn_dims in; } differentiated;
Test(layers_shaping, gradients_of_orders_1_and_2) {
  static const differentiated all[] = {
    { "Reshape([2, -1])", { 3, { 2, 3, 4 } } }, { "Permute([2, 1])", { 3, { 2, 3, 4 } } }, { "RepeatVector(3)", { 2, { 2, 3 } } },
    { "Cropping1D([1, 0])", { 3, { 2, 4, 2 } } }, { "Cropping2D(1, data_format=channels_first)", { 4, { 1, 2, 4, 3 } } },
    { "ZeroPadding2D([1, 0, 2, 1])", { 4, { 1, 2, 2, 2 } } }, { "UpSampling2D([2, 1])", { 4, { 1, 2, 2, 2 } } },
    { "UpSampling2D(2, interpolation=bicubic)", { 4, { 1, 3, 2, 1 } } },
    { "UpSampling2D([2, 3], interpolation=lanczos3, data_format=channels_first)", { 4, { 1, 1, 3, 2 } } },
    { "LeakyReLU(0.2)", { 2, { 3, 4 } } },
    { "PReLU(alpha_initializer=ones, shared_axes=[1], alpha_regularizer='l2(0.1)')", { 3, { 2, 3, 2 } } }, { "ELU(0.5)", { 2, { 3, 4 } } },
    { "ReLU(max_value=0.7, negative_slope=0.2, threshold=0.1)", { 2, { 3, 4 } } }, { "Softmax(1)", { 3, { 2, 3, 2 } } },
    { "Softmax([1, 2])", { 3, { 2, 3, 2 } } }, { "AlphaDropout(0.4)", { 2, { 3, 4 } } }, { "GaussianDropout(0.4)", { 2, { 3, 4 } } },
    { "GaussianNoise(0.4)", { 2, { 3, 4 } } }, { "SpatialDropout2D(0.4)", { 4, { 2, 2, 2, 3 } } }, { "GlobalAveragePooling2D()", { 4, { 2, 2, 2, 3 } } },
    { "GlobalMaxPooling1D(keepdims=true)", { 3, { 2, 4, 3 } } }, { "UnitNormalization([1])", { 3, { 2, 3, 2 } } }, { "Masking(0.5)", { 3, { 2, 3, 2 } } },
    { "ActivityRegularization(0.1, 0.2)", { 2, { 3, 4 } } }, { "Dense(3, activation=tanh, lora_rank=2, lora_alpha=3)", { 2, { 3, 4 } } },
    { "EinsumDense('abc,cde->abde', [none, 2, 3], bias_axes=de, activation=tanh)", { 3, { 2, 3, 4 } } },
    { "EinsumDense('...x,xy->...y', 5, lora_rank=1, bias_axes=y)", { 3, { 2, 3, 4 } } },
    { "EinsumDense('ab...,bc->ac...', 5, bias_axes=c)", { 4, { 2, 3, 2, 2 } } },
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    cn_layer *l = cn_layer_from(g, all[i].layer);
    cr_assert(l, "%s", cn_error(g));
    const cn_gradcheck_report r = cn_gradcheck_layer(g, l, uniform(&all[i].in), .order = 2, .directions = 2);
    cr_assert(r.passed && cn_ok(g), "%s: %s (%s)", all[i].layer, r.text, cn_error(g));
  }
}

/* ---- values ---- */
Test(layers_shaping, cropping_takes_1_number_one_an_axis_or_two_an_axis) {
  cn_tensor *x = ascending(CN_DIMS(1, 3, 4, 1));
  CHECK_TENSOR(cn_call(g, cn_Cropping2D(g, CN_INTS(1)), x), CN_DIMS(1, 1, 2, 1), 0, 5, 6);
  CHECK_TENSOR(cn_call(g, cn_Cropping2D(g, CN_INTS(0, 1)), x), CN_DIMS(1, 3, 2, 1), 0, 1, 2, 5, 6, 9, 10);
  CHECK_TENSOR(cn_call(g, cn_Cropping2D(g, CN_INTS(1, 1, 3, 0)), x), CN_DIMS(1, 1, 1, 1), 0, 7);
  CHECK_TENSOR(cn_call(g, cn_Cropping1D(g), ascending(CN_DIMS(1, 3, 2))), CN_DIMS(1, 1, 2), 0, 2, 3);
}
Test(layers_shaping, padding_is_zeros) {
  CHECK_TENSOR(cn_call(g, cn_ZeroPadding1D(g, CN_INTS(0, 2)), FLOATS(g, CN_DIMS(1, 1, 2), 1, 2)), CN_DIMS(1, 3, 2), 0, 1, 2, 0, 0, 0, 0);
  CHECK_TENSOR(cn_call(g, cn_ZeroPadding2D(g), FLOATS(g, CN_DIMS(1, 1, 1, 1), 5)), CN_DIMS(1, 3, 3, 1), 0, 0, 0, 0, 0, 5, 0, 0, 0, 0);
}
Test(layers_shaping, interpolation_keeps_constants_and_the_bilinear_one_lines) {
  const char *const methods[] = { "bilinear", "bicubic", "lanczos3", "lanczos5", "BILINEAR" };
  for (int k = 0; k < 5; k++) {
    cn_tensor *y = cn_call(g, cn_UpSampling2D(g, .interpolation = methods[k]), cn_full(g, CN_F32, CN_DIMS(1, 3, 4, 2), 2.5));
    CHECK_OK(g);
    for (int64_t i = 0; i < cn_count(y); i++) CHECK_NEAR(cn_at(y, i), 2.5, 1e-6);
  }
  CHECK_TENSOR(cn_call(g, cn_UpSampling2D(g, { { 1, 2 } }, .interpolation = "bilinear"), FLOATS(g, CN_DIMS(1, 1, 3, 1), 0, 4, 8)), CN_DIMS(1, 1, 6, 1), 1e-6, 0,
               1, 3, 5, 7, 8);
}
Test(layers_shaping, masked_softmax_gives_0_where_the_mask_is_false) {
  cn_tensor *mask = cn_array(g, CN_BOOL, CN_DIMS(2, 3), (const bool[]){ 1, 0, 1, 0, 0, 0 }), *x = FLOATS(g, CN_DIMS(2, 3), 1, 9, 1, 1, 2, 3);
  cn_tensor *y = cn_call(g, cn_Softmax(g), x, .mask = mask);
  CHECK_TENSOR(y, CN_DIMS(2, 3), 1e-6, 0.5, 0, 0.5, 0, 0, 0);
  cr_assert_eq(cn_mask_of(y), mask);
  CHECK_TENSOR(cn_call(g, cn_Softmax(g), x, .mask = FLOATS(g, CN_DIMS(2, 3), 1, 0.5, 0.6, 0, 0, 0)), CN_DIMS(2, 3), 1e-6, 0.5, 0, 0.5, 0, 0, 0);
  CHECK_TENSOR(cn_call(g, cn_Softmax(g, CN_INTS(0, 1)), cn_zeros(g, CN_F32, CN_DIMS(2, 2))), CN_DIMS(2, 2), 1e-6, 0.25, 0.25, 0.25, 0.25);
}
Test(layers_shaping, masking_marks_and_clears_steps) {
  cn_tensor *y = cn_call(g, cn_Masking(g, 7), FLOATS(g, CN_DIMS(1, 3, 2), 7, 7, 7, 1, 2, 3));
  CHECK_TENSOR(y, CN_DIMS(1, 3, 2), 0, 0, 0, 7, 1, 2, 3);
  CHECK_TENSOR(cn_mask_of(y), CN_DIMS(1, 3), 0, 0, 1, 1);
}
Test(layers_shaping, random_layers_of_one_seed_agree_and_draw_anew) {
  const char *const layers[] = { "AlphaDropout(0.5, seed=4)", "GaussianDropout(0.5, seed=4)", "GaussianNoise(0.5, seed=4)", "SpatialDropout3D(0.5, seed=4)" };
  for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
    cn_layer *a = cn_layer_from(g, layers[k]), *b = cn_layer_from(g, layers[k]);
    cn_tensor *x = uniform(CN_DIMS(2, 2, 2, 2, 8)), *ya = cn_call(g, a, x, .training = 1), *yb = cn_call(g, b, x, .training = 1),
              *again = cn_call(g, a, x, .training = 1);
    CHECK_OK(g);
    cr_assert_arr_eq(cn_data(ya), cn_data(yb), (size_t)cn_count(x) * sizeof(float));
    cr_assert(memcmp(cn_data(ya), cn_data(again), (size_t)cn_count(x) * sizeof(float)), "%s repeats itself", layers[k]);
    cr_assert_eq(cn_call(g, a, x), x);
  }
}
Test(layers_shaping, activity_regularization_is_a_loss) {
  cn_layer *l = cn_ActivityRegularization(g, 0.5, 0.25);
  cn_call(g, l, FLOATS(g, CN_DIMS(2, 2), 1, -2, 0, 3));
  CHECK_NEAR(cn_item(cn_total_loss(l, cn_scalar(g, 0))), (0.5 * 6 + 0.25 * 14) / 2, 1e-6);
}

/* ---- refusals ---- */
typedef struct refused { const char *layer, *text; } refused;
Test(layers_shaping, options_that_do_not_go) {
  static const refused all[] = {
    { "Reshape()", "Reshape: target_shape is required" },
    { "Reshape([-1, 2, -1])", "Reshape: target_shape has 2 sizes of -1, one is the most" },
    { "Reshape([-2])", "Reshape: size -2 of target_shape is negative" },
    { "Permute([1, 3])", "Permute: dims must be the numbers 1 to 2 in some order" },
    { "Permute([1, 1])", "Permute: dims must be the numbers 1 to 2 in some order" },
    { "RepeatVector(-1)", "RepeatVector: n must be positive, got -1" },
    { "Cropping2D([1, 2, 3])", "Cropping2D: cropping must have 1, 2 or 4 numbers, got 3" },
    { "Cropping1D([1, -1])", "Cropping1D: cropping must not be negative, got -1" },
    { "ZeroPadding3D([1, 2])", "ZeroPadding3D: padding must have 1, 3 or 6 numbers, got 2" },
    { "UpSampling3D([2, 2])", "UpSampling3D: size must be 1 number or 3, got 2" },
    { "UpSampling2D(0)", "UpSampling2D: size must be positive, got 0" },
    { "UpSampling2D(interpolation=cubic)", "UpSampling2D: interpolation must be nearest, area, bilinear, bicubic, lanczos3 or lanczos5, got \"cubic\"" },
    { "ReLU(max_value=-1)", "ReLU: max_value must not be negative, got -1" },
    { "LeakyReLU(none)", "LeakyReLU: negative_slope must not be negative, got nan" },
    { "GaussianNoise(1.5)", "GaussianNoise: stddev must be in [0, 1], got 1.5" },
    { "SpatialDropout1D(-0.5)", "SpatialDropout1D: rate must be in [0, 1], got -0.5" },
    { "ActivityRegularization(activity_regularizer=l2)", "ActivityRegularization: activity_regularizer cannot be given: it is made of l1 and l2" },
    { "EinsumDense('abc,cd->', 3)", "EinsumDense: the equation must be X,Y->Z, ...X,Y->...Z or X...,Y->Z..., got \"abc,cd->\"" },
    { "EinsumDense('...ab,bc->ac', 3)", "EinsumDense: the equation must be X,Y->Z, ...X,Y->...Z or X...,Y->Z..., got \"...ab,bc->ac\"" },
    { "GlobalMaxPooling2D(data_format=last)", "GlobalMaxPooling2D: data_format must be channels_last or channels_first, got \"last\"" },
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    cr_assert_null(cn_layer_from(g, all[i].layer), "%s", all[i].layer);
    cr_assert_str_eq(cn_error(g), all[i].text);
    cn_graph_clear(g);
  }
}

Test(layers_shaping, sizes_beyond_all_numbers) {
  cn_dims out;
  cr_assert_null(cn_call(g, cn_UpSampling2D(g, { { INT64_MAX / 2 } }, .interpolation = "bilinear"), cn_ones(g, CN_F32, CN_DIMS(1, 3, 4, 1))));
  CHECK_REFUSED(g, CN_NO_MEMORY, "UpSampling2D: size 4611686018427387903 of an axis of 3 is too large (in up_sampling2d)");
  cr_assert_null(cn_call(g, cn_UpSampling2D(g, { { (int64_t)1 << 59 } }, .interpolation = "bicubic"), cn_ones(g, CN_F32, CN_DIMS(1, 4, 4, 1))));
  CHECK_REFUSED(g, CN_NO_MEMORY, "UpSampling2D: size 576460752303423488 of an axis of 4 is too large (in up_sampling2d_1)");
  cr_assert(!cn_compute_output_shape(cn_UpSampling1D(g, INT64_MAX), CN_DIMS(1, 3, 4), 1, &out));
  CHECK_REFUSED(g, CN_SHAPE, "UpSampling1D: size 9223372036854775807 of an axis of 3 is too large (in up_sampling1d)");
}

typedef struct misfit { const char *layer; cn_dims in; const char *text; } misfit;
Test(layers_shaping, shapes_that_do_not_fit) {
  static const misfit all[] = {
    { "Reshape([5, 2])", { 2, { 2, 12 } }, "Reshape: the sizes [2,12] without the batch do not fit target_shape" },
    { "Reshape([5, -1])", { 2, { 2, 12 } }, "Reshape: the sizes [2,12] without the batch do not fit target_shape" },
    { "Permute([2, 1])", { 4, { 2, 3, 4, 5 } }, "Permute: the input's rank must be 3, its shape is [2,3,4,5]" },
    { "Cropping1D(3)", { 3, { 2, 6, 2 } }, "Cropping1D: cropping leaves nothing of axis 1 of [2,6,2]" },
    { "PReLU(shared_axes=[3])", { 3, { 2, 6, 2 } }, "PReLU: 3 is no axis behind the batch axis of an input of rank 3" },
    { "EinsumDense('abc,ce->abd', [none, 3])", { 3, { 2, 3, 4 } }, "EinsumDense: axis d of the output is in neither input nor kernel" },
    { "EinsumDense('abc,cd->abd', [none, 3], bias_axes=z)", { 3, { 2, 3, 4 } }, "EinsumDense: axis z of bias_axes is not in the output" },
    { "EinsumDense('abc,cd->abd', [5, 3])", { 3, { 2, 3, 4 } }, "EinsumDense: axis b has size 5 in output_shape, another in the input" },
    { "EinsumDense('abc,cd->abd', 3)", { 3, { 2, 3, 4 } }, "EinsumDense: output_shape has 1 sizes, which does not fit \"abc,cd->abd\"" },
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    cn_layer *l = cn_layer_from(g, all[i].layer);
    CHECK_OK(g);
    cr_assert_null(cn_call(g, l, cn_zeros(g, CN_F32, &all[i].in)));
    cr_assert_eq(strncmp(cn_error(g), all[i].text, strlen(all[i].text)), 0, "%s", cn_error(g));
    cn_graph_clear(g);
    cn_layer_free(l);
  }
}
Test(layers_shaping, rate_1_leaves_nothing) {
  cr_assert_null(cn_call(g, cn_AlphaDropout(g, 1), uniform(CN_DIMS(2, 2)), .training = 1));
  CHECK_REFUSED(g, CN_VALUE, "AlphaDropout: rate 1 leaves nothing of the input (in alpha_dropout)");
  cr_assert_null(cn_call(g, cn_GaussianDropout(g, 1), uniform(CN_DIMS(2, 2)), .training = 1));
  CHECK_REFUSED(g, CN_VALUE, "GaussianDropout: rate 1 leaves nothing of the input (in gaussian_dropout)");
}
