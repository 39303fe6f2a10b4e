/* SpectralNormalization: values known from Keras' own tests, its order of weights, penalties, what it refuses, training in a compiled model, memory. */
#include <stdio.h>
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_wrappers, .init = begin, .fini = end);

/* ---- values ---- */
Test(layers_wrappers, spectral_norm_of_ones_is_2) {
  cn_layer *l = cn_layer_from(g, "SpectralNormalization(Conv2D(1, 2, kernel_initializer=ones))");
  cn_tensor *x = cn_ones(g, CN_F32, CN_DIMS(1, 2, 2, 1));
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(1, 1, 1, 1), 0, 4);
  CHECK_TENSOR(cn_call(g, l, x, .training = 1), CN_DIMS(1, 1, 1, 1), 1e-6, 2);
  CHECK_TENSOR(weight_at(l, 0), CN_DIMS(2, 2, 1, 1), 1e-6, 0.5, 0.5, 0.5, 0.5);
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(1, 1, 1, 1), 1e-6, 2);
}
Test(layers_wrappers, a_kernel_of_zeros_stays) {
  cn_layer *l = cn_layer_from(g, "SpectralNormalization(Dense(2, kernel_initializer=zeros), power_iterations=3)");
  const cn_dims in = { 2, { 1, 3 } };
  cr_assert(cn_build(l, &in, 1));
  const double before = cn_at(weight_at(l, 1), 0);
  cr_assert(cn_call(g, l, cn_ones(g, CN_F32, &in), .training = 1), "%s", cn_error(g));
  CHECK_TENSOR(weight_at(l, 0), CN_DIMS(3, 2), 0, 0, 0, 0, 0, 0, 0);
  CHECK_NEAR(cn_at(weight_at(l, 1), 0), before, 0);
}
Test(layers_wrappers, a_shared_kernel_counts_once) {
  cn_layer *l = cn_layer_from(g, "SpectralNormalization(Dense(2, kernel_initializer=ones, kernel_regularizer=l1(1)), name=s)");
  cn_tensor *x = cn_ones(g, CN_F32, CN_DIMS(1, 3)), *loss[4], *w[4];
  cr_assert(cn_call(g, l, x), "%s", cn_error(g));
  cr_assert_eq(cn_weights(l, w, 4), 3);
  cr_assert_str_eq(cn_name_of(w[0]), "s/dense/kernel");
  cr_assert_str_eq(cn_name_of(w[1]), "s/vector_u");
  cr_assert_str_eq(cn_name_of(w[2]), "s/dense/bias");
  cr_assert_eq(cn_trainable_weights(l, w, 4), 2);
  cr_assert_eq(cn_count_params(l), 10);
  cr_assert_eq(cn_losses(l, loss, 4), 1);
  CHECK_NEAR(cn_item(loss[0]), 6, 1e-6);
  cn_layer_set_trainable(l, false);
  cr_assert_eq(cn_trainable_weights(l, w, 4), 0);
  cr_assert_eq(cn_losses(l, loss, 4), 0);
}

/* ---- training ---- */
Test(layers_wrappers, a_compiled_model_divides_in_every_step) {
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_layer_from(g, "SpectralNormalization(Dense(3))"));
  cn_compile(m, .optimizer = "sgd(0)", .loss = "mse");
  cn_tensor *x = cn_random_normal(g, CN_INTS(8, 4), .seed = 2), *y = cn_zeros(g, CN_F32, CN_DIMS(8, 3)), *w[4];
  cr_assert(cn_fit(m, cn_dataset_from_tensors(g, x, y, CN_NO_TENSOR), .batch_size = 1, .epochs = 12, .verbose = 0), "%s", cn_error(g));
  cn_weights((cn_layer *)(void *)m, w, 4);
  cn_tensor *kernel = w[0], *product = cn_matmul(g, kernel, kernel, .transpose_a = true), *v = cn_ones(g, CN_F32, CN_DIMS(3, 1));
  for (int i = 0; i < 200; i++) v = cn_normalize(g, cn_matmul(g, product, v), .axis = (cn_ints)CN_NONE_INTS);
  CHECK_NEAR(cn_item(cn_sum(g, cn_square(g, cn_matmul(g, kernel, v)))), 1, 1e-4); /* the largest singular value, squared */
}

/* ---- refusals, memory ---- */
Test(layers_wrappers, refused) {
  cr_assert_null(cn_layer_from(g, "SpectralNormalization(Dense(2), power_iterations=0)"));
  CHECK_REFUSED(g, CN_VALUE, "SpectralNormalization: power_iterations must be positive, got 0");
  cr_assert_null(cn_call(g, cn_layer_from(g, "SpectralNormalization(Flatten(), name=s)"), cn_ones(g, CN_F32, CN_DIMS(1, 3))));
  CHECK_REFUSED(g, CN_VALUE, "SpectralNormalization: Flatten has neither a kernel nor embeddings (in s)");
  cn_layer *l = cn_layer_from(g, "SpectralNormalization(Conv1D(2, 2), name=t)");
  cr_assert(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 3, 2))));
  cr_assert_null(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 4, 2))));
  CHECK_REFUSED(g, CN_SHAPE, "SpectralNormalization: input 0 does not fit: expected axis 1 to have value 3, found shape [1,4,2] (in t)");
}
Test(layers_wrappers, low_precision_is_refused_by_name) {
  static const char *const policies[] = { "mixed_bfloat16", "mixed_float16", "bfloat16", "float16" };
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
    char config[200], text[200];
    snprintf(config, sizeof config,
             "{\"class_name\": \"Dense\", \"config\": {\"units\": 2, \"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": {\"name\": \"%s\"}}}}",
             policies[i]);
    snprintf(text, sizeof text, "Dense: dtype: %s is not supported", policies[i]);
    cr_assert_null(cn_layer_from_config(g, config));
    CHECK_REFUSED(g, CN_UNSUPPORTED, text);
  }
}
Test(layers_wrappers, any_allocation_may_fail) {
  for (int64_t k = 1, done = 0; !done; k++) {
    counting n = { .fail_at = k };
    cn_graph *h = graph_counting(&n);
    cn_layer *l = h ? cn_layer_from(h, "SpectralNormalization(Dense(2))") : NULL;
    cn_tensor *y = l ? cn_call(h, l, cn_ones(h, CN_F32, CN_DIMS(2, 3)), .training = 1) : NULL;
    done = n.calls < k;
    if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && y, "%s", cn_error(h));
    else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "call %d: %s", (int)k, cn_error(h));
    cn_graph_free(h);
    cr_assert_eq(n.live, 0, "%d pieces left", (int)n.live);
  }
}
