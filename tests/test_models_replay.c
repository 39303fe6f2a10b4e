/* Replay of a compiled model's step: the same numbers as recording anew, whatever changes between steps. */
#include "test_layers.h"

enum { IN = 3, CLASSES = 4, ROWS = 6 };

static double unit(uint32_t i) { return (double)((i * 2654435761u) >> 8) / 16777216.0; }

/* One of two equal graphs: recorded steps or replayed ones. */
static cn_graph *graph_of(bool recorded) {
  return cn_graph_new(.seed = 11, .replay = !recorded);
}

static cn_tensor *inputs(cn_graph *g, int64_t rows, uint32_t step) {
  double x[ROWS * IN];
  for (uint32_t i = 0; i < rows * IN; i++) x[i] = unit(i + 100 * step) - 0.5;
  return cn_array_from_doubles(g, CN_F32, CN_DIMS(rows, IN), x);
}
static cn_tensor *labels(cn_graph *g, int64_t rows, uint32_t step) {
  double y[ROWS];
  for (uint32_t i = 0; i < rows; i++) y[i] = (double)((i + step) % CLASSES);
  return cn_array_from_doubles(g, CN_I32, CN_DIMS(rows), y);
}
static cn_tensor *weights_of_samples(cn_graph *g, int64_t rows, uint32_t step) {
  double w[ROWS];
  for (uint32_t i = 0; i < rows; i++) w[i] = 0.5 + unit(7 * i + step);
  return cn_array_from_doubles(g, CN_F32, CN_DIMS(rows), w);
}

static cn_model *classifier(cn_graph *g, const char *optimizer) {
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_Rescaling(g, 2.0, .offset = 0.25));
  cn_push(m, cn_Dense(g, 8, .activation = "tanh", .kernel_regularizer = "l2(1e-3)", .kernel_constraint = "max_norm(1.5)"));
  cn_push(m, cn_Dropout(g, 0.3, .seed = 5));
  cn_push(m, cn_Dense(g, CLASSES, .activity_regularizer = "l1(1e-3)"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, IN));
  cn_compile(m, .optimizer = optimizer, .loss = "sparse_categorical_crossentropy(from_logits=true)");
  CHECK_OK(g);
  return m;
}

static void same_weights(cn_model *a, cn_model *b) {
  cn_tensor *wa[16], *wb[16];
  const int64_t n = cn_weights(cn_model_layer(a), wa, 16);
  cr_assert_eq(n, cn_weights(cn_model_layer(b), wb, 16));
  for (int64_t i = 0; i < n; i++)
    cr_assert_arr_eq(cn_data(wa[i]), cn_data(wb[i]), (size_t)cn_count(wa[i]) * sizeof(float), "weight %d differs", (int)i);
}

/* Steps with full and short batches, with and without sample weights, with a weight frozen and thawed in between. */
static void follow(const char *optimizer) {
  cn_graph *g[2] = { graph_of(true), graph_of(false) };
  cn_model *m[2] = { classifier(g[0], optimizer), classifier(g[1], optimizer) };
  double last[2] = { 0, 0 };
  for (uint32_t step = 0; step < 40; step++) {
    const int64_t rows = step % 5 == 4 ? 2 : ROWS;
    for (int k = 0; k < 2; k++) {
      if (step == 20 || step == 30) cn_layer_set_trainable(cn_model_layer_at(m[k], 1), step == 30);
      last[k] = cn_train_on_batch(m[k], inputs(g[k], rows, step), labels(g[k], rows, step), step % 3 == 2 ? weights_of_samples(g[k], rows, step) : NULL);
      CHECK_OK(g[k]);
    }
    cr_assert_eq(last[0], last[1], "%s, step %d: %.17g recorded, %.17g replayed", optimizer, (int)step, last[0], last[1]);
  }
  same_weights(m[0], m[1]);
  cn_graph_free(g[0]);
  cn_graph_free(g[1]);
}

Test(models_replay, steps_are_those_of_recording) {
  const char *const optimizers[] = { "sgd(0.1, momentum=0.9)", "adam(0.01)", "rmsprop(0.01, weight_decay=0.01)", "adagrad(0.1, use_ema=true)", "nadam(0.01)",
                                     "adam(0.01, clipvalue=0.01)", "adam(0.01, global_clipnorm=0.1)", "sgd(0.1, gradient_accumulation_steps=2)", "lamb(0.01)" };
  for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) follow(optimizers[i]);
}

/* More variables than one call updates, of several blocks, of which some do not decay. */
static cn_model *deep(cn_graph *g, const char *optimizer) {
  cn_model *m = cn_Sequential(g, "d");
  for (int i = 0; i < 20; i++) cn_push(m, cn_Dense(g, 17 + i % 3, .activation = "tanh"));
  cn_push(m, cn_Dense(g, 70));
  cn_push(m, cn_Dense(g, CLASSES));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, IN));
  cn_optimizer *o = cn_optimizer_from(g, optimizer);
  CHECK_OK(g);
  cr_assert(cn_optimizer_exclude_from_weight_decay(o, (const char *const[]){ "bias" }, 1));
  cn_compile(m, .optimizer = { .object = o }, .loss = "sparse_categorical_crossentropy(from_logits=true)");
  CHECK_OK(g);
  return m;
}
static void follow_deep(const char *optimizer) {
  cn_graph *g[2] = { graph_of(true), graph_of(false) };
  cn_model *m[2] = { deep(g[0], optimizer), deep(g[1], optimizer) };
  for (uint32_t step = 0; step < 8; step++) {
    double loss[2];
    for (int k = 0; k < 2; k++) loss[k] = cn_train_on_batch(m[k], inputs(g[k], ROWS, step), labels(g[k], ROWS, step), NULL);
    cr_assert_eq(loss[0], loss[1], "%s, step %d: %.17g recorded, %.17g replayed", optimizer, (int)step, loss[0], loss[1]);
  }
  cn_tensor *w[2][64];
  const int64_t n = cn_weights(cn_model_layer(m[0]), w[0], 64);
  cr_assert_eq(n, cn_weights(cn_model_layer(m[1]), w[1], 64));
  for (int64_t i = 0; i < n; i++) cr_assert_arr_eq(cn_data(w[0][i]), cn_data(w[1][i]), (size_t)cn_count(w[0][i]) * sizeof(float), "weight %d differs", (int)i);
  for (int k = 0; k < 2; k++) cn_graph_free(g[k]);
}
Test(models_replay, many_small_variables) {
  const char *const optimizers[] = { "sgd(0.1)", "sgd(0.1, momentum=0.9, nesterov=true, weight_decay=0.01)", "adam(0.01, weight_decay=0.01)", "adam(0.01, clipnorm=0.1)",
                                     "rmsprop(0.01, centered=true, momentum=0.5, clipvalue=0.01)", "ftrl(0.1)", "lion(0.01, use_ema=true)",
                                     "schedule_free_adam_w(0.01)", "muon(0.01)" };
  for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) follow_deep(optimizers[i]);
}

/* Rows that a mask weighs; rows that are averaged (whose gradient stays one row a sample); those that another layer reads too. Rows that are multiplied with one
 * of each sample (whose gradient stays two factors), which comes from another table, from themselves, or is the batch. */
typedef enum { MASKED, AVERAGED, READ_TWICE, BY_OTHERS, BY_THEMSELVES, BY_BATCH, SQUARED, READINGS } reading;
static cn_tensor *scores(cn_graph *g, cn_tensor *x, cn_tensor *rows, reading r) {
  if (r == SQUARED) { /* each row with itself */
    cn_tensor *alone = cn_expand_dims(g, rows, .axis = CN_INTS(2));
    return cn_squeeze(g, cn_matmul(g, alone, alone, .transpose_b = true), .axis = CN_INTS(-1, -2));
  }
  cn_tensor *other = r == BY_BATCH ? x : r == BY_THEMSELVES ? rows : cn_call(g, cn_Embedding(g, 20, 4, .name = "other"), x);
  if (r != BY_BATCH) other = cn_call(g, cn_Dense(g, 5), cn_call(g, cn_GlobalAveragePooling1D(g), other));
  return cn_squeeze(g, cn_matmul(g, rows, cn_expand_dims(g, other, .axis = CN_INTS(1)), .transpose_b = true), .axis = CN_INTS(-1));
}
static cn_model *embedder(cn_graph *g, reading r) {
  cn_model *m = r >= READ_TWICE ? NULL : cn_Sequential(g, "e");
  cn_layer *table = cn_Embedding(g, 10, 5, .mask_zero = r == MASKED, .name = "embedding"), *head = cn_Dense(g, 1);
  if (m) {
    cn_push(m, table);
    cn_push(m, cn_GlobalAveragePooling1D(g));
    cn_push(m, head);
    cn_model_build(m, CN_DIMS(CN_UNKNOWN, 5));
  } else {
    cn_tensor *x = cn_Input(g, CN_DIMS(5), .dtype = r == BY_BATCH ? "float32" : "int32"), *rows = cn_call(g, table, x);
    cn_tensor *read = r != READ_TWICE ? scores(g, x, rows, r)
                                      : cn_concatenate(g, CN_TENSORS(cn_call(g, cn_GlobalMaxPooling1D(g), rows), cn_call(g, cn_GlobalAveragePooling1D(g), rows)),
                                                       .axis = -1);
    cn_tensor *y = cn_call(g, head, read);
    m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(y), .name = "e");
  }
  cn_compile(m, .optimizer = "adam(0.05)", .loss = "binary_crossentropy(from_logits=true)");
  CHECK_OK(g);
  return m;
}

static cn_tensor *tokens(cn_graph *g, uint32_t step, int32_t bad, reading r) {
  double x[4 * 5];
  for (uint32_t i = 0; i < 20; i++) x[i] = (i * i + 3 * step) % 10;
  if (bad) x[7] = bad;
  return cn_array_from_doubles(g, r == BY_BATCH ? CN_F32 : CN_I32, CN_DIMS(4, 5), x);
}
static cn_tensor *targets(cn_graph *g) { return FLOATS(g, CN_DIMS(4, 1), 0, 1, 1, 0); }

static void rows_and_a_refused_step(reading r) {
  cn_graph *g[2] = { graph_of(true), graph_of(false) };
  cn_model *m[2] = { embedder(g[0], r), embedder(g[1], r) };
  for (uint32_t step = 0; step < 12; step++) {
    double loss[2];
    for (int k = 0; k < 2; k++) {
      if (step == 8) {
        cr_assert(isnan(cn_train_on_batch(m[k], tokens(g[k], step, 10, r), targets(g[k]), NULL)));
        cr_assert_str_eq(cn_error(g[k]), "take_rows: index 10 is out of range for axis 0 of size 10 (in e/embedding)");
        cn_graph_clear(g[k]);
      }
      loss[k] = cn_train_on_batch(m[k], tokens(g[k], step, 0, r), targets(g[k]), NULL);
      CHECK_OK(g[k]);
    }
    cr_assert_eq(loss[0], loss[1], "step %d", (int)step);
  }
  same_weights(m[0], m[1]);
  cn_graph_free(g[0]);
  cn_graph_free(g[1]);
}

Test(models_replay, rows_and_masks) {
  for (reading r = MASKED; r < READINGS; r++) rows_and_a_refused_step(r);
}

/* gelu leaves its product to the normalization before it, in replay too; not where another layer stands between. */
static cn_model *normed(cn_graph *g, bool between) {
  cn_model *m = cn_Sequential(g, "n");
  cn_push(m, cn_Dense(g, 21));
  cn_push(m, cn_LayerNormalization(g));
  if (between) cn_push(m, cn_Rescaling(g, 1));
  cn_push(m, cn_Activation(g, { .name = "gelu" }));
  cn_push(m, cn_LayerNormalization(g, .scale = false));
  if (between) cn_push(m, cn_Rescaling(g, 1));
  cn_push(m, cn_Activation(g, { .name = "gelu" }));
  cn_push(m, cn_Dense(g, 1));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, IN));
  cn_compile(m, .optimizer = "adam(0.02)", .loss = "mse");
  CHECK_OK(g);
  return m;
}

Test(models_replay, slopes_that_are_passed_on) {
  cn_graph *g[3] = { graph_of(true), graph_of(false), graph_of(true) };
  cn_model *m[3] = { normed(g[0], false), normed(g[1], false), normed(g[2], true) };
  for (uint32_t step = 0; step < 12; step++) {
    double loss[3];
    for (int k = 0; k < 3; k++) loss[k] = cn_train_on_batch(m[k], inputs(g[k], ROWS, step), FLOATS(g[k], CN_DIMS(ROWS, 1), 0, 1, 1, 0, 2, -1), NULL);
    cr_assert_eq(loss[0], loss[1], "step %d", (int)step);
    cr_assert_float_eq(loss[0], loss[2], 1e-4 * (1 + loss[0]), "step %d: %g, %g", (int)step, loss[0], loss[2]);
  }
  same_weights(m[0], m[1]);
  for (int k = 0; k < 3; k++) cn_graph_free(g[k]);
}

/* Layers with streams, weights, constants and masks of their own. */
static cn_model *assorted(cn_graph *g) {
  const char *const layers[] = { "Reshape([2, 3, 1])", "ZeroPadding2D(1)", "UpSampling2D([1, 2], interpolation=bicubic)", "PReLU(shared_axes=[1, 2])",
                                 "SpatialDropout2D(0.2, seed=3)", "Permute([3, 1, 2])", "Reshape([4, -1])",
                                 "EinsumDense('abc,cd->abd', [none, 5], bias_axes=d)", "Softmax(1)", "Masking(0.5)", "GaussianNoise(0.1, seed=1)",
                                 "GaussianDropout(0.2, seed=2)", "AlphaDropout(0.2, seed=4)", "UnitNormalization()", "ActivityRegularization(0.01, 0.01)",
                                 "GlobalMaxPooling1D()", "Dense(4, lora_rank=2)" };
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_Dense(g, 6));
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) cn_push(m, cn_layer_from(g, layers[i]));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, IN));
  cn_compile(m, .optimizer = "adam(0.01)", .loss = "sparse_categorical_crossentropy(from_logits=true)");
  CHECK_OK(g);
  return m;
}

Test(models_replay, layers_of_many_kinds) {
  cn_graph *g[2] = { graph_of(true), graph_of(false) };
  cn_model *m[2] = { assorted(g[0]), assorted(g[1]) };
  double first = 0;
  for (uint32_t step = 0; step < 20; step++) {
    double loss[2];
    for (int k = 0; k < 2; k++) {
      loss[k] = cn_train_on_batch(m[k], inputs(g[k], step % 5 == 4 ? 2 : ROWS, step), labels(g[k], step % 5 == 4 ? 2 : ROWS, step), NULL);
      CHECK_OK(g[k]);
    }
    if (!step) first = loss[0];
    cr_assert_eq(loss[0], loss[1], "step %d: %.17g recorded, %.17g replayed", (int)step, loss[0], loss[1]);
  }
  cr_assert(isfinite(first));
  same_weights(m[0], m[1]);
  cn_graph_free(g[0]);
  cn_graph_free(g[1]);
}

/* A user's own code may look at values and take another branch: it is never replayed. */
static cn_tensor *moody(cn_graph *g, cn_tensor *x, void *user) {
  int *calls = user;
  return ++*calls > 5 ? cn_tanh(g, x) : cn_sigmoid(g, x);
}

Test(models_replay, user_code_runs_at_every_step) {
  cn_graph *g = cn_graph_new(.seed = 1);
  int calls = 0;
  cn_register_activation(g, "moody", moody, &calls);
  cn_model *m = cn_Sequential(g, "m");
  cn_push(m, cn_Dense(g, CLASSES, .activation = "moody"));
  cn_compile(m, .optimizer = "sgd", .loss = "sparse_categorical_crossentropy(from_logits=true)");
  for (uint32_t step = 0; step < 8; step++) cn_train_on_batch(m, inputs(g, ROWS, step), labels(g, ROWS, step), NULL);
  CHECK_OK(g);
  cr_assert_geq(calls, 8);
  cn_graph_free(g);
}

Test(models_replay, memory_is_flat_and_returned) {
  counting n = { 0 };
  cn_graph *g = graph_counting(&n);
  cn_model *m = classifier(g, "adam");
  int64_t before = 0;
  for (uint32_t step = 0; step < 60; step++) {
    if (step == 30) before = n.calls;
    cn_train_on_batch(m, inputs(g, 1 + step % 3, step), labels(g, 1 + step % 3, step), NULL);
  }
  cr_assert_eq(n.calls, before, "a step takes no memory once its shapes are known");
  for (int i = 0; i < 20; i++) {
    const int64_t live = n.live;
    cn_model *other = classifier(g, "adam");
    for (uint32_t step = 0; step < 6; step++) cn_train_on_batch(other, inputs(g, ROWS, step), labels(g, ROWS, step), NULL);
    cn_model_free(other);
    cn_graph_reset(g);
    if (i > 5) cr_assert_leq(n.live, live, "model %d left %d blocks", i, (int)(n.live - live));
  }
  CHECK_OK(g);
  cn_graph_free(g);
  cr_assert_eq(n.live, 0);
}

/* Every allocation of a run over the first replays fails once. */
Test(models_replay, survives_a_failing_allocator) {
  int failed = 0;
  for (int64_t k = 1;; k++) {
    counting n = { .fail_at = k };
    cn_graph *g = graph_counting(&n);
    cn_model *m = g ? cn_Sequential(g, "m") : NULL;
    if (m) {
      cn_push(m, cn_Dense(g, 8, .activation = "tanh"));
      cn_push(m, cn_Dense(g, CLASSES));
      cn_compile(m, .optimizer = "adam", .loss = "sparse_categorical_crossentropy(from_logits=true)");
      for (uint32_t step = 0; step < 6; step++) cn_train_on_batch(m, inputs(g, ROWS, step), labels(g, ROWS, step), NULL);
    }
    const bool reached = n.calls >= k;
    if (g && !cn_ok(g)) cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "allocation %d: %s", (int)k, cn_error(g));
    failed += g && !cn_ok(g);
    if (g && reached) {
      cn_graph_clear(g);
      cr_assert_eq(cn_item(cn_sum(g, FLOATS(g, CN_DIMS(2), 1, 2))), 3, "the graph works again");
    }
    cn_graph_free(g);
    cr_assert_eq(n.live, 0, "allocation %d leaks", (int)k);
    if (!reached) break;
  }
  cr_assert_gt(failed, 50);
}
