/* BackupAndRestore: a training that was killed, failed or was ended by Ctrl-C goes on to the same bits. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "test_models_files.h"

static char folder[64];
static void begin(void) { folder_new(folder); }
static void end(void) { folder_remove(folder); }
TestSuite(models_resume, .init = begin, .fini = end);

enum { SAMPLES = 44, INPUTS = 6, CLASSES = 3 };
static float xs[SAMPLES * INPUTS];
static int32_t ys[SAMPLES];
static cn_dataset *data(cn_graph *g) {
  for (int i = 0; i < SAMPLES; i++) {
    ys[i] = i % CLASSES;
    for (int k = 0; k < INPUTS; k++) xs[i * INPUTS + k] = (float)(ys[i] * ((k + i) % 4) - k) / 4;
  }
  return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(SAMPLES, INPUTS), xs, CN_I32, CN_DIMS(SAMPLES), ys);
}

/* Draws from the graph's own stream. */
static cn_tensor *noisy(cn_graph *g, cn_tensor *t, cn_tensor *p, void *user) {
  (void)user;
  (void)t;
  return cn_mean(g, cn_square(g, cn_dropout(g, p, 0.5)));
}

static cn_model *model(cn_graph *g, const char *layers, const char *optimizer) {
  char text[512];
  cn_model *m = cn_Sequential(g, "m");
  snprintf(text, sizeof text, "%s", layers);
  for (char *rest = text, *one; (one = strtok_r(rest, ";", &rest));) cn_push(m, cn_layer_from(g, one));
  if (strstr(layers, "linear")) cn_compile(m, .optimizer = optimizer, .loss = { .fn2 = noisy }, .metrics = "accuracy");
  else cn_compile(m, .optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = "accuracy");
  return m;
}

/* ---- in one process: a training that fails after so many batches, and one that goes on ---- */
typedef struct setting { const char *layers, *optimizer; int64_t epochs, save_freq, steps_per_epoch, batch_size; bool split; const char *watch; } setting;

typedef struct ending { int64_t batches; bool by_signal; int64_t seen; } ending;
static bool end_at(cn_callback *c, int64_t batch, cn_logs *logs) {
  ending *e = c->user;
  (void)batch;
  cr_assert(isfinite(cn_log_at(logs, "loss")));
  if (++e->seen != e->batches) return true;
  if (e->by_signal) return raise(SIGINT) == 0;
  return cn_fail(c->object.graph, CN_VALUE, "the power went"), false;
}
static const cn_callback_methods ending_methods = { .batch_end = end_at };

/* Trains in a graph of its own and writes the weights, the history and what EarlyStopping knows as text; NULL where fit failed. */
static const char *train(const setting *s, ending e, const char *backups) {
  cn_graph *g = cn_graph_new(.seed = 3);
  cn_model *m = model(g, s->layers, s->optimizer);
  cn_callback *stopping = cn_callback_EarlyStopping(g, .monitor = s->watch, .patience = 2, .restore_best_weights = true),
              *plateau = cn_callback_ReduceLROnPlateau(g, .monitor = s->watch, .patience = 0, .min_delta = 0.02);
  cn_callback *log = cn_callback_CSVLogger(g, in_folder(folder, "log.csv"));
  cn_callback *backup = cn_callback_BackupAndRestore(g, backups, .save_freq = s->save_freq), *last = cn_callback_new(g, &ending_methods, &e);
  const cn_history *h =
      cn_fit(m, data(g), .epochs = s->epochs, .batch_size = s->batch_size, .steps_per_epoch = s->steps_per_epoch, .validation_split = s->split ? 0.25 : 0,
             .verbose = 0, .stop_on_interrupt = true, .callbacks = CN_CALLBACKS(backup, stopping, plateau, log, last));
  char *text = NULL;
  size_t size = 0;
  FILE *f = h ? open_memstream(&text, &size) : NULL;
  for (int64_t i = 0; f && weight_at(cn_model_layer(m), i); i++)
    for (int64_t k = 0; k < cn_count(weight_at(cn_model_layer(m), i)); k++) fprintf(f, "%a ", cn_at(weight_at(cn_model_layer(m), i), k));
  for (int64_t i = 0; f && i < h->epochs * h->names_count; i++) fprintf(f, "%a ", h->values[i]);
  if (f) fprintf(f, "%lld %s", (long long)cn_early_stopping_of(stopping).stopped_epoch, file_text(in_folder(folder, "log.csv")));
  if (!f) cr_assert(strstr(cn_error(g), "the power went"), "%s", cn_error(g));
  if (f) fclose(f);
  cn_graph_free(g);
  return text;
}

static const setting settings[] = {
  { "Dense(8, relu);Dropout(0.4);GaussianNoise(0.1);BatchNormalization();Dense(3, softmax)", "adam(0.02)", 5, CN_NONE, CN_NONE, 8, true, "val_loss" },
  { "Dense(8, relu);Dropout(0.4);BatchNormalization();Dense(3, softmax)", "adam(0.02)", 4, 2, CN_NONE, 8, true, "val_accuracy" },
  { "Dense(8, tanh);AlphaDropout(0.2);Dense(3, softmax)", "sgd(0.1, momentum=0.9, use_ema=true, ema_momentum=0.8)", 4, 1, 3, 8, false,
    "loss" }, /* epochs that end within the data */
  { "Reshape([3, 2]);LSTM(4, dropout=0.2, recurrent_dropout=0.3);Dense(3, softmax)", "rmsprop(0.01, gradient_accumulation_steps=3)", 3, 1, CN_NONE, 10, false,
    "loss" },
  { "Reshape([3, 2]);GRU(4, stateful=true);Dropout(0.2, seed=4);Dense(3, softmax)", "nadam(0.01, global_clipnorm=0.5)", 6, 3, CN_NONE, 11, false, "accuracy" },
  { "Dense(8, tanh);Dense(3, linear)", "sgd(0.1)", 3, 2, CN_NONE, 8, false, "loss" },
  { "Dense(8, relu);GaussianDropout(0.3);Dense(3, softmax)", "LossScaleOptimizer(adamw(0.01), initial_scale=8, dynamic_growth_steps=4)", 3, 1, CN_NONE, 16,
    true, "val_loss" },
};

Test(models_resume, a_training_that_failed_goes_on_to_the_same_bits) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    const setting *s = &settings[i];
    char *want = (char *)(uintptr_t)train(s, (ending){ .batches = -1 }, in_folder(folder, "none"));
    cr_assert(want && access(in_folder(folder, "none"), F_OK) != 0, "the backup is gone when the training is done");
    for (int64_t at = 1; at < 15; at += 3) {
      const char *got = train(s, (ending){ .batches = at }, in_folder(folder, "b"));
      if (got) { /* ended before */
        free((void *)(uintptr_t)got);
        continue;
      }
      got = train(s, (ending){ .batches = 4 }, in_folder(folder, "b")); /* fails twice */
      if (!got) got = train(s, (ending){ .batches = -1 }, in_folder(folder, "b"));
      cr_assert(got, "setting %d", (int)i);
      cr_assert_str_eq(got, want, "setting %d, failed after %d batches", (int)i, (int)at);
      free((void *)(uintptr_t)got);
    }
    free(want);
  }
}

Test(models_resume, a_log_that_lost_its_end_goes_on_where_it_ends) {
  const setting *s = &settings[1];
  for (int lost = 0; lost < 2; lost++) {
    cr_assert_null(train(s, (ending){ .batches = 14 }, in_folder(folder, "b"))); /* in the third epoch */
    const char *log = in_folder(folder, "log.csv"), *text = file_text(log);
    if (lost) cr_assert(unlink(log) == 0);
    else cr_assert(truncate(log, (off_t)(strstr(text, "\n1,") + 6 - text)) == 0); /* within the row of the second */
    free((void *)(uintptr_t)train(s, (ending){ .batches = -1 }, in_folder(folder, "b")));
    text = file_text(in_folder(folder, "log.csv"));
    cr_assert(!strncmp(text, "epoch,", 6) && strstr(text, "\r\n2,") && strstr(text, "\r\n3,"), "%s", text);
    cr_assert((strstr(text, "\r\n0,") != NULL) == !lost && !strstr(text, "\r\n1,"), "%s", text);
  }
}

Test(models_resume, a_log_that_was_lost_before_its_first_row) {
  for (int i = 0; i < 2; i++) {
    ending e = { .batches = i ? -1 : 4 };
    cn_graph *g = cn_graph_new(.seed = 3);
    cn_model *m = model(g, settings[1].layers, "adam(0.02)");
    if (!i) {
      FILE *f = fopen(in_folder(folder, "log.csv"), "w");
      cr_assert(f && fputs("of before\n", f) >= 0 && fclose(f) == 0);
    } else {
      cr_assert(unlink(in_folder(folder, "log.csv")) == 0);
    }
    cn_callback *log = cn_callback_CSVLogger(g, in_folder(folder, "log.csv"), .append = true),
                *backup = cn_callback_BackupAndRestore(g, in_folder(folder, "b"), .save_freq = 1), *last = cn_callback_new(g, &ending_methods, &e);
    const cn_history *h = cn_fit(m, data(g), .epochs = 2, .batch_size = 8, .verbose = 0, .callbacks = CN_CALLBACKS(backup, log, last));
    cr_assert(i ? h != NULL : h == NULL, "%s", cn_error(g));
    cn_graph_free(g);
  }
  cr_assert(!strncmp(file_text(in_folder(folder, "log.csv")), "epoch,accuracy,loss", 19), "%s", file_text(in_folder(folder, "log.csv")));
}

/* ---- Ctrl-C ---- */
Test(models_resume, interrupted_it_keeps_everything_and_goes_on) {
  const setting *s = &settings[0];
  struct sigaction before, after;
  sigaction(SIGINT, NULL, &before);
  char *want = (char *)(uintptr_t)train(s, (ending){ .batches = -1 }, in_folder(folder, "none"));
  for (int64_t at = 1; at < 12; at += 2) {
    char *part = (char *)(uintptr_t)train(s, (ending){ .batches = at, .by_signal = true }, in_folder(folder, "b"));
    cr_assert(part && strcmp(part, want), "fit ends without an error, and early");
    cr_assert(access(in_folder(folder, "b/latest.safetensors"), F_OK) == 0, "the backup stays");
    char *got = (char *)(uintptr_t)train(s, (ending){ .batches = -1 }, in_folder(folder, "b"));
    cr_assert_str_eq(got, want, "interrupted after %d batches", (int)at);
    free(part);
    free(got);
  }
  free(want);
  sigaction(SIGINT, NULL, &after);
  cr_assert(before.sa_handler == after.sa_handler, "the handler is as before");
}

static bool interrupted_evaluation(cn_callback *c, int64_t epoch, cn_logs *logs) {
  (void)epoch;
  (void)logs;
  return raise(SIGINT) == 0 && cn_evaluate(c->model, data(c->object.graph), 8, c->user, 1) > 0;
}
Test(models_resume, a_callback_evaluates_the_whole_after_ctrl_c) {
  cn_graph *g = cn_graph_new(.seed = 3);
  cn_model *m = model(g, settings[1].layers, "adam(0.02)");
  double inside[2], after[2];
  cn_callback *c = cn_callback_new(g, &(const cn_callback_methods){ .epoch_end = interrupted_evaluation }, inside);
  cr_assert(cn_fit(m, data(g), .epochs = 3, .batch_size = 8, .verbose = 0, .stop_on_interrupt = true, .callbacks = CN_CALLBACKS(c)), "%s", cn_error(g));
  cr_assert(cn_evaluate(m, data(g), 8, after, 1) > 0 && inside[0] == after[0], "%g and %g", inside[0], after[0]);
  cn_graph_free(g);
}

Test(models_resume, interrupted_history) {
  cn_graph *g = cn_graph_new(.seed = 3);
  cn_model *m = model(g, settings[0].layers, "adam");
  ending e = { .batches = 7, .by_signal = true };
  cn_callback *c = cn_callback_new(g, &ending_methods, &e);
  const cn_history *h =
      cn_fit(m, data(g), .epochs = 4, .batch_size = 11, .verbose = 0, .validation_data = data(g), .stop_on_interrupt = true, .callbacks = CN_CALLBACKS(c));
  cr_assert(h && h->epochs == 2, "%s", cn_error(g));
  cr_assert_eq(cn_optimizer_iterations(cn_model_optimizer(m)), 7);
  cr_assert(isfinite(cn_history_at(h, "loss", 1)) && isfinite(cn_history_at(h, "val_loss", 0)) && isnan(cn_history_at(h, "val_loss", 1)));
  cn_graph_free(g);
}

/* ---- refusals ---- */
typedef struct fixture { cn_graph *g; cn_model *m; cn_callback *c; } fixture;
static fixture fixed(const char *layers) {
  cn_graph *g = cn_graph_new(.seed = 3);
  return (fixture){ g, model(g, layers, "adam"),
                    cn_callback_BackupAndRestore(g, in_folder(folder, "b"), .delete_checkpoint = false, .double_checkpoint = true) };
}
#define FIT(f, ...) cn_fit((f).m, data((f).g), .verbose = 0, .callbacks = CN_CALLBACKS((f).c), __VA_ARGS__)
#define REFUSED(f, code, ...)              \
  do {                                     \
    CHECK_REFUSED((f).g, code, text_of(__VA_ARGS__)); \
    cn_graph_free((f).g);                  \
  } while (0)

static bool no_seek_next(cn_graph *g, void *state, int64_t n, cn_batch *out) { return (void)g, (void)state, (void)n, (void)out, false; }
static bool no_seek_reset(cn_graph *g, void *state, bool shuffle, cn_stream *s) { return (void)g, (void)state, (void)shuffle, (void)s, true; }
static int64_t no_seek_size(void *state) { return (void)state, 10; }
static bool runs_once(void *state) { return (void)state, false; }
Test(models_resume, refusals) {
  static const char layers[] = "Dense(4, relu);Dense(3, softmax)";
  const char *latest = in_folder(folder, "b/latest.safetensors");
  fixture f = fixed(layers);
  static const cn_dataset_methods no_seek = { .next = no_seek_next, .reset = no_seek_reset, .size = no_seek_size, .repeats = runs_once };
  cr_assert_null(cn_fit(f.m, cn_dataset_new(f.g, &no_seek, NULL), .verbose = 0, .callbacks = CN_CALLBACKS(f.c)));
  REFUSED(f, CN_UNSUPPORTED, "BackupAndRestore: the data set runs once or draws random numbers of its own (it cannot return to a position), so a training with it cannot go on from "
          "the middle");
  f = fixed(layers);
  cr_assert(FIT(f, .epochs = 2));
  cn_graph_free(f.g);
  f = fixed(layers);
  cr_assert_null(FIT(f, .epochs = 1));
  REFUSED(f, CN_VALUE, "BackupAndRestore: %s: 2 epochs are behind, fit is to make 1", latest);
  f = fixed(layers);
  cr_assert_null(FIT(f, .epochs = 2, .batch_size = 8));
  REFUSED(f, CN_VALUE, "BackupAndRestore: %s: was made with another batch_size", latest);
  f = fixed("Dense(5, relu);Dense(3, softmax)");
  cr_assert_null(FIT(f, .epochs = 3));
  REFUSED(f, CN_SHAPE, "BackupAndRestore: %s: weight_0/value is float32 [6,4], this training's is float32 [6,5]", latest);
  f = fixed("Dense(4, relu);Dropout(0.1);Dense(3, softmax)");
  cr_assert_null(FIT(f, .epochs = 3));
  REFUSED(f, CN_FORMAT, "BackupAndRestore: %s: holds no layer_2/stream: it is of another training", latest);
  f = fixed(layers);
  f.c = cn_callback_BackupAndRestore(f.g, "/proc/none");
  cr_assert_null(FIT(f, .epochs = 3));
  REFUSED(f, CN_IO, "BackupAndRestore: /proc/none: No such file or directory");
}

Test(models_resume, the_backup_before_serves_where_the_last_is_damaged) {
  static const char layers[] = "Dense(4, relu);Dense(3, softmax)";
  fixture f = fixed(layers);
  cr_assert(FIT(f, .epochs = 5));
  char want[64], got[64];
  snprintf(want, sizeof want, "%a", cn_at(weight_at(cn_model_layer(f.m), 0), 3));
  cn_graph_free(f.g);
  cr_assert(truncate(in_folder(folder, "b/latest.safetensors"), 200) == 0);
  f = fixed(layers);
  const cn_history *h = FIT(f, .epochs = 5); /* the last epoch again */
  cr_assert(h && h->epochs == 5 && cn_optimizer_iterations(cn_model_optimizer(f.m)) == 10, "%s", cn_error(f.g));
  snprintf(got, sizeof got, "%a", cn_at(weight_at(cn_model_layer(f.m), 0), 3));
  cr_assert_str_eq(got, want);
  cn_graph_free(f.g);
  cr_assert(unlink(in_folder(folder, "b/previous.safetensors")) == 0 && truncate(in_folder(folder, "b/latest.safetensors"), 200) == 0);
  f = fixed(layers);
  cr_assert_null(FIT(f, .epochs = 5));
  cr_assert_eq(cn_error_code(f.g), CN_FORMAT, "%s", cn_error(f.g));
  cn_graph_free(f.g);
}

Test(models_resume, what_was_stopped_stays_stopped) {
  for (int i = 0; i < 2; i++) {
    fixture f = fixed("Dense(4, relu);Dense(3, softmax)");
    cn_callback *stopping = cn_callback_EarlyStopping(f.g, .monitor = "loss", .min_delta = 99, .patience = 2);
    const cn_history *h = cn_fit(f.m, data(f.g), .epochs = 9, .verbose = 0, .callbacks = CN_CALLBACKS(f.c, stopping));
    cr_assert(h && h->epochs == 3 && cn_early_stopping_of(stopping).stopped_epoch == 2 && cn_optimizer_iterations(cn_model_optimizer(f.m)) == 6, "%s",
              cn_error(f.g));
    cn_graph_free(f.g);
  }
}

/* ---- an allocator that fails ---- */
/* Two trainings, of which the second goes on with the first one's backup. */
static bool two_trainings(cn_graph *g) {
  bool ok = true;
  for (int i = 0; i < 2 && ok; i++) {
    cn_model *m = model(g, "Dense(4, relu);Dropout(0.5);Dense(3, softmax)", "adam");
    cn_callback *log = cn_callback_CSVLogger(g, in_folder(folder, "log.csv")),
                *board = cn_callback_TensorBoard(g, in_folder(folder, "t"), .update_freq = 1, .histogram_freq = 1);
    cn_callback *backup = cn_callback_BackupAndRestore(g, in_folder(folder, "b"), .delete_checkpoint = i == 1, .double_checkpoint = true);
    cn_callback *best = cn_callback_ModelCheckpoint(g, in_folder(folder, "{epoch}-{loss:.2f}.safetensors"), .monitor = "loss", .save_best_only = true);
    cn_callback *stopping = cn_callback_EarlyStopping(g, .monitor = "loss", .restore_best_weights = true, .patience = 9);
    ok = cn_ok(g) && cn_fit(m, data(g), .epochs = i + 1, .batch_size = 22, .validation_split = 0.5, .verbose = 0,
                            .callbacks = CN_CALLBACKS(log, board, best, stopping, backup));
    cn_model_free(m);
  }
  return ok;
}
Test(models_resume, every_call_of_the_allocator_can_fail) {
  counting n = { 0, 0, 0 };
  cn_graph *g = graph_counting(&n);
  cr_assert(two_trainings(g), "%s", cn_error(g));
  const int64_t calls = n.calls;
  cn_graph_free(g);
  cr_assert(calls > 500);
  for (int64_t k = 1; k <= calls; k += calls / 150) {
    folder_remove(folder);
    cr_assert(mkdir(folder, 0777) == 0);
    n = (counting){ 0, 0, k };
    if (!(g = graph_counting(&n))) continue;
    const bool ok = two_trainings(g);
    cr_assert(ok ? cn_ok(g) : cn_error_code(g) == CN_NO_MEMORY, "call %d of %d: %s", (int)k, (int)calls, cn_error(g));
    cn_graph_free(g);
    cr_assert_eq(n.live, 0, "call %d: %d blocks are left", (int)k, (int)n.live);
  }
}

/* ---- kill -9 ---- */
static void write_final(int64_t save_freq) {
  cn_graph *g = cn_graph_new(.seed = 11, .threads = 1);
  cn_model *m = model(g, settings[0].layers, "adam(0.02)");
  cn_callback *best = cn_callback_ModelCheckpoint(g, in_folder(folder, "best.safetensors"), .save_best_only = true),
              *log = cn_callback_CSVLogger(g, in_folder(folder, "log.csv"));
  cn_callback *stopping = cn_callback_EarlyStopping(g, .patience = 9, .restore_best_weights = true), *plateau = cn_callback_ReduceLROnPlateau(g, .patience = 1);
  cn_callback *backup = cn_callback_BackupAndRestore(g, in_folder(folder, "b"), .save_freq = save_freq);
  const cn_history *h = cn_fit(m, data(g), .epochs = 10, .batch_size = 8, .validation_split = 0.25, .verbose = 0,
                               .callbacks = CN_CALLBACKS(backup, best, stopping, plateau, log));
  _exit(h && cn_save_weights(m, in_folder(folder, "final.safetensors")) ? 0 : 1);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs a training in a process that is killed after `delay` seconds (0: never). Whether it came to its end. */
static bool run(int64_t save_freq, double delay) {
  int status;
  const pid_t child = fork();
  cr_assert(child >= 0);
  if (!child) write_final(save_freq);
  if (delay > 0) {
    const struct timespec t = { (time_t)delay, (long)((delay - floor(delay)) * 1e9) };
    nanosleep(&t, NULL);
    kill(child, SIGKILL);
  }
  cr_assert(waitpid(child, &status, 0) == child);
  cr_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0, "status %d", status);
  return !WIFSIGNALED(status);
}

typedef struct bytes { char *v; size_t n; } bytes;
static bytes bytes_of(const char *name) {
  struct stat s;
  FILE *f = fopen(in_folder(folder, name), "rb");
  cr_assert(f && fstat(fileno(f), &s) == 0, "%s", name);
  bytes b = { malloc((size_t)s.st_size + 1), (size_t)s.st_size };
  cr_assert(b.v && fread(b.v, 1, b.n, f) == b.n && fclose(f) == 0);
  return b;
}
static void same_bytes(const char *name, bytes want, int kills) {
  const bytes got = bytes_of(name);
  cr_assert(got.n == want.n && !memcmp(got.v, want.v, got.n), "%s differs from that of the undisturbed training after %d kills", name, kills);
  free(got.v);
}

static bool readable(const char *name) {
  if (access(in_folder(folder, name), F_OK) != 0) return true;
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_arrays *list = cn_read_safetensors(g, in_folder(folder, name));
  cn_arrays_free(g, list);
  cn_graph_free(g);
  return list != NULL;
}

Test(models_resume, killed_at_random_moments) {
  enum { KILLS = 20, NAMES = 3 };
  static const char *const names[NAMES] = { "final.safetensors", "best.safetensors", "log.csv" };
  const int64_t every[] = { 1, 3, CN_NONE };
  bytes want[NAMES];
  double whole = seconds();
  cr_assert(run(1, 0));
  whole = seconds() - whole;
  for (int i = 0; i < NAMES; i++) want[i] = bytes_of(names[i]), unlink(in_folder(folder, names[i]));
  unsigned long long random = 88172645463325252u;
  int kills = 0, trainings = 0;
  for (bool done = true; kills < KILLS || !done;) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    done = run(every[trainings % 3], kills < KILLS ? 1e-3 + whole * (double)(random >> 40) / (double)(1 << 24) : 0);
    kills += !done;
    cr_assert(readable("b/latest.safetensors") && readable("best.safetensors") && readable("final.safetensors"),
              "a damaged file stands under a checkpoint's name");
    for (int i = 0; done && i < NAMES; i++) same_bytes(names[i], want[i], kills), unlink(in_folder(folder, names[i]));
    trainings += done;
  }
  cr_assert(kills == KILLS && access(in_folder(folder, "b"), F_OK) != 0, "nothing is left of the backups");
  for (int i = 0; i < NAMES; i++) free(want[i].v);
}
