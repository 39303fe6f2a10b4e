/* Data sets over sources: batches as tensors, training from them, exact positions, changed batches, keras.utils. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "sanitized.h"
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 5); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(models_data, .init = begin, .fini = end);

#define N 10
static cn_source *line_source(cn_graph *graph) {
  double x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = i / 10.0, y[i] = 2 * x[i] - 1;
  cn_tensor *tx = floats(graph, CN_DIMS(N, 1), x), *ty = floats(graph, CN_DIMS(N, 1), y);
  return cn_source_tensors(graph, (cn_tensors){ &tx, 1 }, (cn_tensors){ &ty, 1 }, (cn_tensors){ NULL, 0 });
}
static cn_model *line_model(cn_graph *graph) {
  cn_model *m = cn_Sequential(graph, "line");
  cn_push(m, cn_Dense(graph, 1, .kernel_initializer = "ones"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 1));
  cn_compile(m, .optimizer = "adam(0.05)", .loss = "mse");
  return m;
}
static double slope(cn_model *m) { return cn_at(weight_at(cn_model_layer(m), 0), 0); }

Test(models_data, batches_are_tensors) {
  cn_batch b;
  cn_dataset *d = cn_dataset_from_source(line_source(g));
  cr_assert(cn_dataset_size(d) == N && cn_dataset_batch_size(d, 4) == 4 && cn_dataset_can_seek(d));
  int64_t sizes[] = { 4, 4, 2 };
  for (int i = 0; i < 3; i++) {
    cr_assert(cn_dataset_next(d, 4, &b));
    cr_assert(b.size == sizes[i] && b.xs.n == 1 && b.ys.n == 1 && !b.sample_weight && b.xs.v[0] == b.x);
    cr_assert(cn_dim(b.x, 0) == sizes[i] && cn_dim(b.x, 1) == 1);
    CHECK_NEAR(cn_at(b.x, 0), 0.4 * i, 1e-7);
    CHECK_NEAR(cn_at(b.y, 1), 2 * (0.4 * i + 0.1) - 1, 1e-6);
    cn_graph_reset(g);
  }
  cr_assert_not(cn_dataset_next(d, 4, &b));
  cn_dataset_free(d);
}

static bool name_it(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out) {
  (void)user, (void)in;
  for (int64_t i = 0; i < n; i++)
    if (!cn_text_set(errors, (cn_text *)out->v[0] + i, "word", i % 5)) return false;
  return true;
}

Test(models_data, texts) {
  cn_batch b;
  int64_t n;
  cn_dataset *d = cn_dataset_from_source(cn_source_map(line_source(g), name_it, NULL, &(const cn_column){ CN_STRING, { 0, { 0 } } }, 1, 0, 0));
  cr_assert(cn_dataset_next(d, 7, &b) && cn_dtype_of(b.x) == CN_STRING && cn_dim(b.x, 0) == 7 && !b.y);
  const char *p = cn_string_at(b.x, 3, &n);
  cr_assert(n == 3 && memcmp(p, "wor", 3) == 0);
}

/* The same weights as from arrays, through every stage that keeps the order. */
Test(models_data, fit_evaluate_predict) {
  double wanted[3], values[2];
  for (int way = 0; way < 3; way++) {
    cn_model *m = line_model(g);
    cn_source *s = line_source(g);
    if (way == 1) s = cn_source_batch(s, 4, false);
    if (way == 2) s = cn_source_prefetch(cn_source_batch(cn_source_cache(s), 4, false), 2);
    cn_dataset *d = cn_dataset_from_source(s);
    const cn_history *h = cn_fit(m, d, .epochs = 5, .batch_size = way ? 3 : 4, .shuffle = false, .verbose = 0, .validation_data = d);
    cr_assert(h, "%s", cn_error(g));
    cr_assert_eq(cn_evaluate(m, d, 0, values, 2), 1);
    cn_tensor *y = NULL;
    cr_assert(cn_predict_dataset(m, d, 3, CN_NONE, &y), "%s", cn_error(g));
    cr_assert_eq(cn_dim(y, 0), N);
    const double got[] = { cn_history_at(h, "loss", 4), cn_history_at(h, "val_loss", 4), cn_at(y, 7) };
    for (int i = 0; i < 3; i++) {
      if (way == 0) wanted[i] = got[i];
      CHECK_NEAR(got[i], wanted[i], 0);
    }
    CHECK_NEAR(values[0], got[1], 1e-6);
    cn_free(y);
    cn_dataset_free(d);
    cn_model_free(m);
  }
}

Test(models_data, validation_split_and_endless_data) {
  cn_model *m = line_model(g);
  cn_dataset *d = cn_dataset_from_source(line_source(g));
  cr_assert(cn_fit(m, d, .epochs = 2, .validation_split = 0.3, .verbose = 0), "%s", cn_error(g));
  cr_assert_null(cn_fit(m, d, .validation_split = 0.99, .verbose = 0));
  CHECK_REFUSED(g, CN_VALUE, "fit: validation_split 0.99 of 10 samples leaves no samples to train");
  cn_dataset *endless = cn_dataset_from_source(cn_source_repeat(line_source(g), CN_NONE));
  cr_assert_null(cn_fit(m, endless, .verbose = 0));
  CHECK_REFUSED(g, CN_VALUE, "fit: the data set has no end: steps_per_epoch is required");
  cr_assert(cn_fit(m, endless, .steps_per_epoch = 7, .epochs = 3, .verbose = 0), "%s", cn_error(g));
  cr_assert_eq(cn_evaluate(m, endless, 0, NULL, 0), -1);
  CHECK_REFUSED(g, CN_VALUE, "evaluate: the data set has no end: steps is required");
}

static int64_t bad_next(cn_graph *errors, void *state, int64_t n, const cn_samples *out) {
  (void)state, (void)n, (void)out;
  return cn_fail(errors, CN_FORMAT, "disk: sector 5 is damaged"), -1;
}

Test(models_data, errors_of_a_thread_reach_fit) {
  static const cn_source_methods bad = { .next = bad_next };
  cn_model *m = line_model(g);
  cn_source *s = cn_source_new(g, &bad, NULL, (const cn_column[]){ { CN_F32, { 1, { 1 } } }, { CN_F32, { 1, { 1 } } } }, 1, 1, 0);
  cr_assert_null(cn_fit(m, cn_dataset_from_source(cn_source_prefetch(s, 2)), .verbose = 0));
  CHECK_REFUSED(g, CN_FORMAT, "disk: sector 5 is damaged (called from fit, batch 0)");
}

/* A data set in another graph, made the same way, goes on where one was left: its batches, then those of the next epochs. */
static cn_dataset *shuffled(cn_graph *graph, int way) {
  if (way == 0) return cn_dataset_from_tensors(graph, INTEGERS(graph, CN_DIMS(8), 0, 1, 2, 3, 4, 5, 6, 7), NULL, NULL);
  cn_source *s = cn_source_shuffle(line_source(graph), .seed = 3, .buffer_size = way == 1 ? CN_NONE : 4);
  cn_dataset *d = cn_dataset_from_source(way == 3 ? cn_source_prefetch(cn_source_batch(s, 3, false), 1) : s);
  return way == 4 ? cn_dataset_map_layer(d, cn_Rescaling(graph, 3), false) : d;
}
Test(models_data, positions_are_exact) {
  for (int way = 0; way < 5; way++)
    for (int stop = 0; stop < 9; stop++) {
      cn_graph *other = cn_graph_new(.seed = 1000);
      cn_dataset *a = shuffled(g, way), *b = shuffled(other, way);
      cn_batch p, q;
      cr_assert(cn_dataset_reset(a, true));
      for (int i = 0; i < stop; i++)
        if (!cn_dataset_next(a, 3, &p)) cr_assert(cn_dataset_reset(a, true));
      const cn_position at = cn_dataset_position(a);
      cr_assert(cn_dataset_seek(b, &at), "%s", cn_error(other));
      for (int i = 0; i < 12; i++) {
        const bool more = cn_dataset_next(a, 3, &p);
        cr_assert_eq(more, cn_dataset_next(b, 3, &q), "way %d, stop %d, read %d", way, stop, i);
        if (!more) cr_assert(cn_dataset_reset(a, true) && cn_dataset_reset(b, true));
        for (int64_t k = 0; more && k < cn_count(p.x); k++) CHECK_NEAR(cn_at(p.x, k), cn_at(q.x, k), 0);
      }
      CHECK_OK(other);
      cn_graph_free(other);
      cn_dataset_free(a);
    }
}

static bool negate(cn_graph *graph, cn_batch *b, void *user) {
  (void)user;
  b->y = cn_negative(graph, b->y);
  return b->y != NULL;
}

Test(models_data, maps) {
  cn_batch b;
  cn_dataset *d = cn_dataset_map_layer(cn_dataset_from_source(cn_source_batch(line_source(g), 4, false)), cn_Rescaling(g, 10, .offset = 1), false);
  cr_assert(cn_dataset_size(d) == N && cn_dataset_batch_size(d, 9) == 4);
  cr_assert(cn_dataset_next(d, 9, &b) && b.xs.v[0] == b.x);
  CHECK_NEAR(cn_at(b.x, 3), 4, 1e-5);
  d = cn_dataset_map(d, negate, NULL);
  cr_assert(cn_dataset_reset(d, false) && cn_dataset_next(d, 9, &b));
  CHECK_NEAR(cn_at(b.ys.v[0], 0), 1, 1e-6);
  cn_model *m = line_model(g);
  cr_assert(cn_fit(m, d, .epochs = 40, .verbose = 0), "%s", cn_error(g));
  cr_assert(cn_fit(m, d, .epochs = 4, .validation_data = d, .verbose = 0), "%s", cn_error(g));
  cr_assert_lt(slope(m), 1);
}

Test(models_data, utilities) {
  cn_tensor *y = cn_to_categorical(g, INTEGERS(g, CN_DIMS(3, 1), 2, 0, 1));
  CHECK_TENSOR(y, CN_DIMS(3, 3), 0, 0, 0, 1, 1, 0, 0, 0, 1, 0);
  cr_assert_null(cn_to_categorical(g, INTEGERS(g, CN_DIMS(2), 1, 3), .num_classes = 3));
  CHECK_REFUSED(g, CN_VALUE, "to_categorical: label 3 at 1 is not in [0, 3)");
  cr_assert_null(cn_to_categorical(g, INTEGERS(g, CN_DIMS(2), 1, -1), .num_classes = 3));
  CHECK_REFUSED(g, CN_VALUE, "to_categorical: label -1 at 1 is not in [0, 3)");
  CHECK_TENSOR(cn_utils_normalize(g, FLOATS(g, CN_DIMS(2), 3, 4)), CN_DIMS(1, 2), 1e-7, 0.6, 0.8);
  CHECK_TENSOR(cn_utils_normalize(g, FLOATS(g, CN_DIMS(2, 2), 1, 3, 0, 0), .order = 1), CN_DIMS(2, 2), 1e-7, 0.25, 0.75, 0, 0);
  CHECK_TENSOR(cn_utils_normalize(g, FLOATS(g, CN_DIMS(2, 2), 1, -3, 0, 2), .order = INFINITY), CN_DIMS(2, 2), 1e-7, 1 / 3.0, -1, 0, 1);
  cn_tensor *a = INTEGERS(g, CN_DIMS(1), 1), *b = INTEGERS(g, CN_DIMS(3), 1, 2, 3);
  CHECK_TENSOR(cn_pad_sequences(g, (cn_tensors)CN_TENSORS(a, b)), CN_DIMS(2, 3), 0, 0, 0, 1, 1, 2, 3);
  CHECK_TENSOR(cn_pad_sequences(g, (cn_tensors)CN_TENSORS(a, b), .maxlen = 2, .padding = "post", .truncating = "post", .value = -1.5), CN_DIMS(2, 2), 0, 1, -1,
               1, 2);
  cr_assert_null(cn_pad_sequences(g, (cn_tensors)CN_TENSORS(a, b), .padding = "middle"));
  CHECK_REFUSED(g, CN_VALUE, "pad_sequences: padding must be \"pre\" or \"post\", got \"middle\"");
  cr_assert_null(cn_pad_sequences(g, (cn_tensors)CN_TENSORS(INTEGERS(g, CN_DIMS(1), 1), FLOATS(g, CN_DIMS(1, 2), 1, 2))));
  CHECK_REFUSED(g, CN_SHAPE, "pad_sequences: sequence 1 is [1,2]: its steps differ in shape from those before");
}

/* ---- memory ---- */
#define WIDTH 2048
typedef struct maker { int64_t at, count; float row[WIDTH]; } maker;

static int64_t maker_next(cn_graph *errors, void *state, int64_t n, const cn_samples *out) {
  maker *m = state;
  (void)errors, (void)n;
  if (m->at == m->count) return 0;
  const float v = (float)(m->at++ % 16) / 16;
  memcpy(out->v[0], m->row, sizeof m->row);
  *(float *)out->v[0] = v;
  *(float *)out->v[1] = v;
  return 1;
}
static bool maker_reset(cn_graph *errors, void *state, int64_t epoch) {
  (void)errors, (void)epoch;
  ((maker *)state)->at = 0;
  return true;
}
static cn_model *wide_model(int64_t width) {
  cn_model *m = cn_Sequential(g, "wide");
  cn_push(m, cn_Dense(g, 1, .kernel_initializer = "zeros"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, width));
  cn_compile(m, .optimizer = "sgd(0.1)", .loss = "mse");
  return m;
}

Test(models_data, training_over_ten_times_the_memory_of_the_process) {
#ifdef SANITIZED
  cr_skip_test("a sanitizer maps more than any limit");
#endif
  static maker made = { .count = 512 };
  static const cn_source_methods methods = { .next = maker_next, .reset = maker_reset };
  cn_model *m = wide_model(WIDTH);
  cn_source *s = cn_source_new(g, &methods, &made, (const cn_column[]){ { CN_F32, { 1, { WIDTH } } }, { CN_F32, { 1, { 1 } } } }, 1, 1, 0);
  cn_dataset *d = cn_dataset_from_source(cn_source_prefetch(cn_source_batch(cn_source_shuffle(s, .buffer_size = 256), 128, false), 2));
  cr_assert(cn_fit(m, d, .epochs = 4, .verbose = 0), "%s", cn_error(g)); /* threads and buffers are there now */
  const int64_t allowed = (process_kb("VmData") << 10) + ((int64_t)16 << 20);
  cr_assert_gt(allowed, (int64_t)16 << 20);
  const struct rlimit limit = { (rlim_t)allowed, (rlim_t)allowed };
  cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
  made.count = 10 * allowed / (WIDTH * (int64_t)sizeof(float));
  void *volatile too_much = malloc((size_t)allowed / 2);
  cr_assert_null(too_much, "the limit holds");
  const cn_history *h = cn_fit(m, d, .verbose = 0);
  cr_assert(h && isfinite(cn_history_at(h, "loss", 0)), "%s", cn_error(g));
  cr_assert_eq(made.at, made.count);
}

/* The library's own memory: a table of 10 MB of text is trained on, two epochs long, in a tenth of that. */
typedef struct limited { size_t live, most; } limited;
static void *limited_alloc(void *user, size_t size) {
  limited *l = user;
  if (l->live + size > l->most) return NULL;
  l->live += size;
  return aligned_alloc(64, (size + 63) & ~(size_t)63);
}
static void limited_free(void *user, void *q, size_t size) {
  ((limited *)user)->live -= size;
  free(q);
}

Test(models_data, training_from_a_table_ten_times_the_memory_of_the_graph) {
  enum { ROWS = 1000000 };
  char path[] = "/tmp/cornu_data_XXXXXX";
  FILE *f = fdopen(mkstemp(path), "w");
  fputs("a,b,y\n", f);
  for (int i = 0; i < ROWS; i++) fprintf(f, "%d.25,%d,%d\n", i % 3, i % 5, i % 2);
  const long bytes = ftell(f);
  fclose(f);
  limited l = { 0, (size_t)bytes / 10 };
  const cn_allocator allocator = { limited_alloc, limited_free, &l };
  cn_graph *own = cn_graph_new(.allocator = &allocator, .seed = 1);
  cn_model *m = line_model(own);
  cn_source *s = cn_source_csv(own, path, .inputs = CN_STRINGS("a"), .targets = CN_STRINGS("y"));
  cn_dataset *d = cn_dataset_from_source(cn_source_prefetch(cn_source_batch(cn_source_shuffle(s, .buffer_size = 1000), 256, false), 2));
  const cn_history *h = cn_fit(m, d, .epochs = 2, .verbose = 0);
  cr_assert(h, "%s", cn_error(own));
  cr_assert_lt(cn_history_at(h, "loss", 1), 0.3);
  cn_tensor *all = cn_zeros(own, CN_F32, CN_DIMS(ROWS, 3));
  cr_assert(!all && cn_error_code(own) == CN_NO_MEMORY); /* the whole does not fit */
  cn_graph_free(own);
  cr_assert_eq(l.live, 0);
  unlink(path);
}
