/* A training that can be killed at any moment: start it, end it with Ctrl-C or kill -9, start it again. It goes on where it was, and ends with the same weights
 * as one that nothing disturbed.
 *
 *   resume [--folder FOLDER] [--epochs N] [--learning-rate RATE] [--slow MILLISECONDS]
 *
 * The folder (default: resume-backup) holds the backup while the training runs. --slow waits after each batch, so that there is time to kill it. */
#include <cornu.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 512 };

/* Two spirals: [512, 2], labels 0 and 1. */
static cn_dataset *spirals(cn_graph *g) {
  static float x[SAMPLES][2], y[SAMPLES];
  cn_stream s = { 5, 0 };
  float noise[2 * SAMPLES];
  cn_random_fill_normal(&s, CN_F32, noise, 2 * SAMPLES, 0, 0.02);
  for (int i = 0; i < SAMPLES; i++) {
    const double turn = 0.25 + 1.5 * (i / 2) / (SAMPLES / 2), angle = 6.2831853 * turn + 3.1415927 * (i % 2);
    x[i][0] = (float)(0.5 * turn * cos(angle)) + noise[2 * i];
    x[i][1] = (float)(0.5 * turn * sin(angle)) + noise[2 * i + 1];
    y[i] = (float)(i % 2);
  }
  return cn_dataset_from_arrays(g, CN_F32, CN_DIMS(SAMPLES, 2), x, CN_F32, CN_DIMS(SAMPLES, 1), y);
}

static bool wait_a_little(cn_callback *c, int64_t batch, cn_logs *logs) {
  const long ms = *(const long *)c->user;
  const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
  (void)batch;
  (void)logs;
  if (ms > 0) nanosleep(&t, NULL);
  return true;
}

/* The value behind an option, or `none`. */
static const char *option(int argc, char **argv, const char *name, const char *none) {
  for (int i = 1; i + 1 < argc; i++)
    if (!strcmp(argv[i], name)) return argv[i + 1];
  return none;
}

int main(int argc, char **argv) {
  cn_graph *g = cn_graph_new(.seed = 7);
  char optimizer[64];
  const long slow = atol(option(argc, argv, "--slow", "0"));
  snprintf(optimizer, sizeof optimizer, "adam(%s)", option(argc, argv, "--learning-rate", "0.01"));

  cn_model *m = cn_Sequential(g, "spirals");
  cn_push(m, cn_Dense(g, 32, .activation = "relu"));
  cn_push(m, cn_Dropout(g, 0.05));
  cn_push(m, cn_Dense(g, 32, .activation = "relu"));
  cn_push(m, cn_Dense(g, 1, .activation = "sigmoid"));
  cn_compile(m, .optimizer = optimizer, .loss = "binary_crossentropy", .metrics = "accuracy");

  cn_callback *backup = cn_callback_BackupAndRestore(g, option(argc, argv, "--folder", "resume-backup"), .save_freq = 4);
  cn_callback *waiting = cn_callback_new(g, &(const cn_callback_methods){ .batch_end = wait_a_little }, (void *)&slow);
  const int64_t epochs = atol(option(argc, argv, "--epochs", "60"));
  const cn_history *h = cn_fit(m, spirals(g), .epochs = epochs, .verbose = 2, .stop_on_interrupt = true, .callbacks = CN_CALLBACKS(backup, waiting));

  if (h && h->epochs)
    printf("loss: %.4f after %lld epochs%s\n", cn_history_at(h, "loss", -1), (long long)h->epochs, h->epochs < epochs ? "; start it again to go on" : "");
  if (h) cn_save_weights(m, "resume-weights.safetensors");
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  const int code = cn_ok(g) ? 0 : 1;
  cn_graph_free(g);
  return code;
}
