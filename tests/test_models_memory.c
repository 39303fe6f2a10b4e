/* An allocator that fails at the k-th call, for every k, under whole steps of training: NO_MEMORY, nothing leaks, and the graph works afterwards. */
#include "sanitized.h"
#include "test_layers.h"

static const int32_t words[12] = { 1, 4, 0, 6, 6, 2, 3, 3, 1, 5, 2, 0 };
static const int32_t labels[4] = { 0, 2, 1, 1 };

static cn_model *made(cn_graph *g) {
  cn_model *m = cn_Sequential(g, "net");
  cn_push(m, cn_Embedding(g, 7, 4, .mask_zero = true, .embeddings_initializer = CN_NAME("random_uniform(-1, 1, seed=1)")));
  cn_push(m, cn_GlobalAveragePooling1D(g));
  cn_push(m, cn_Dense(g, 8, .activation = CN_NAME("relu"), .kernel_regularizer = CN_NAME("l2(1e-3)"), .kernel_constraint = CN_NAME("max_norm(3)"),
                      .kernel_initializer = CN_NAME("he_normal(seed=2)")));
  cn_push(m, cn_Dropout(g, 0.3, .seed = 3));
  cn_push(m, cn_Dense(g, 3, .kernel_initializer = CN_NAME("glorot_uniform(seed=4)")));
  cn_compile(m, .optimizer = CN_NAME("adam(0.01, clipnorm=1)"), .loss = CN_NAME("sparse_categorical_crossentropy(from_logits=true)"), .metrics = "accuracy");
  return m;
}
static double step(cn_graph *g, cn_model *m) {
  return cn_train_on_batch(m, cn_array(g, CN_I32, CN_DIMS(4, 3), words), cn_array(g, CN_I32, CN_DIMS(4), labels), NULL);
}

#define STEPS 5 /* two are recorded, the third is noted for the replay, the others are replayed */
/* Builds, trains; the loss of the last step. */
static double train(cn_graph *g) {
  cn_model *m = made(g);
  double loss = NAN;
  for (int i = 0; i < STEPS; i++) loss = step(g, m);
  return loss;
}

Test(models_memory, whole_training_without_failure_gives_everything_back) {
  counting n = { 0, 0, 0 };
  cn_graph *g = graph_counting(&n);
  cr_assert(isfinite(train(g)), "%s", cn_error(g));
  cr_assert_gt(n.live, 0);
  cn_graph_free(g);
  cr_assert_eq(n.live, 0, "%ld blocks are left", (long)n.live);
}

/* The first part of the run, until call k fails; then the same anew on the same graph. */
Test(models_memory, every_call_of_the_allocator_can_fail) {
  counting n = { 0, 0, 0 };
  cn_graph *whole = graph_counting(&n);
  const double wanted = train(whole);
  const int64_t calls = n.calls;
  cn_graph_free(whole);
  cr_assert_gt(calls, 50);
  int64_t failures = 0;
  for (int64_t k = 1; k <= calls; k++) {
    n = (counting){ 0, 0, k };
    cn_graph *g = graph_counting(&n);
    const double loss = train(g);
    if (g && !cn_ok(g)) {
      failures++;
      cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "call %ld: %s", (long)k, cn_error(g));
      cr_assert(isnan(loss), "call %ld", (long)k);
      cr_assert(strstr(cn_error(g), "out of memory"), "call %ld: %s", (long)k, cn_error(g));
      cn_graph_clear(g);
      CHECK_NEAR(train(g), wanted, 1e-6);
      CHECK_OK(g);
    } else if (g) {
      CHECK_NEAR(loss, wanted, 1e-6); /* what the pool held unused was enough */
    }
    cn_graph_free(g);
    cr_assert_eq(n.live, 0, "call %ld: %ld blocks are left", (long)k, (long)n.live);
  }
  cr_assert_gt(failures, calls / 2, "%ld of %ld", (long)failures, (long)calls);
}

/* A step that fails changes no weight that it could still have been refused for, and the model goes on: the state of a run that never failed is reached again.
 */
Test(models_memory, a_built_model_goes_on_after_a_failed_step) {
  for (int64_t k = 1;; k++) {
    counting n = { 0, 0, 0 };
    cn_graph *g = graph_counting(&n);
    cn_model *m = made(g);
    cr_assert(isfinite(step(g, m)), "%s", cn_error(g));
    n.calls = 0;
    n.fail_at = k;
    double loss = NAN;
    for (int i = 1; i < STEPS && cn_ok(g); i++) loss = step(g, m);
    const bool reached = n.calls >= k;
    if (!cn_ok(g)) {
      cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "call %ld: %s", (long)k, cn_error(g));
      cn_graph_clear(g);
    }
    loss = step(g, m);
    cr_assert(isfinite(loss), "call %ld: %s", (long)k, cn_error(g));
    cn_graph_free(g);
    cr_assert_eq(n.live, 0, "call %ld: %ld blocks are left", (long)k, (long)n.live);
    if (!reached) break;
  }
}

/* fit, evaluate, predict and a model that is freed early. */
Test(models_memory, fit_evaluate_and_free) {
  for (int64_t k = 1;; k++) {
    counting n = { 0, 0, k };
    cn_graph *g = graph_counting(&n);
    const bool made_graph = g != NULL;
    cn_dataset *d = cn_dataset_from_arrays(g, CN_I32, CN_DIMS(4, 3), words, CN_I32, CN_DIMS(4), labels);
    cn_model *m = made(g);
    cn_fit(m, d, .epochs = 2, .batch_size = 3, .verbose = 0, .validation_data = d);
    double values[4];
    cn_evaluate(m, d, 2, values, 4);
    if (g && !cn_ok(g)) cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "call %ld: %s", (long)k, cn_error(g));
    cn_model_free(m);
    cn_graph_free(g);
    cr_assert_eq(n.live, 0, "call %ld: %ld blocks are left", (long)k, (long)n.live);
    if (made_graph && n.calls < k) break;
  }
}

/* 1,000 epochs of 100 steps with everything that fit does around them: from the first tenth on the graph takes no more than the history grows by. */
typedef struct watching { counting n; int64_t live_then, then, now; } watching;
static bool watch_epoch(cn_callback *c, int64_t epoch, cn_logs *logs) {
  watching *w = c->user;
  (void)logs;
  if (epoch == 100) w->then = process_kb("VmRSS"), w->live_then = w->n.live;
  w->now = process_kb("VmRSS");
  return true;
}
Test(models_memory, a_hundred_thousand_steps) {
  enum { SAMPLES = 400, EPOCHS = 1000 };
  static int32_t many[SAMPLES][3], classes[SAMPLES];
  for (int i = 0; i < SAMPLES; i++) {
    memcpy(many[i], words + i % 4 * 3, sizeof many[i]);
    classes[i] = labels[i % 4];
  }
  watching w = { .n = { 0 } };
  cn_graph *g = graph_counting(&w.n);
  cn_dataset *d = cn_dataset_from_arrays(g, CN_I32, CN_DIMS(SAMPLES, 3), many, CN_I32, CN_DIMS(SAMPLES), classes);
  cn_model *m = made(g);
  const cn_callback_methods hooks = { .epoch_end = watch_epoch };
  const cn_history *h = cn_fit(m, d, .epochs = EPOCHS, .batch_size = 4, .verbose = 0, .validation_data = d,
                               .callbacks = CN_CALLBACKS(cn_callback_new(g, &hooks, &w), cn_callback_EarlyStopping(g, .patience = EPOCHS)));
  cr_assert(h && isfinite(cn_history_at(h, "val_loss", EPOCHS - 1)), "%s", cn_error(g));
  cr_assert_leq(w.n.live, w.live_then + 4, "%ld blocks at epoch 100, %ld in the end", (long)w.live_then, (long)w.n.live);
#ifndef SANITIZED /* which keeps what was freed */
  cr_assert_leq(w.now, w.then + 512, "%ld KB at epoch 100, %ld in the end", (long)w.then, (long)w.now);
#endif
  cn_graph_free(g);
  cr_assert_eq(w.n.live, 0);
}
