/* regression [CSV] [--learning-rate R] [--epochs N] [--seed N]: how heavy is a penguin? A network learns it from bill, flipper, species and sex, with
 * validation and early stopping, and draws what happened as history.png (.svg in a build without libpng). Without CSV the embedded data is written as
 * penguins.csv first. */
#include <cornu.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "penguins_data.h"

enum { FEATURES = 7 };
typedef struct table { float *x, *y; int64_t n; double mean, deviation; /* of the mass, in grams */ } table;

static bool write_csv(const char *path) {
  FILE *f = fopen(path, "w");
  if (!f) return perror(path), false;
  for (int i = 0; i < PENGUIN_LINES; i++) fprintf(f, "%s\n", penguin_lines[i]);
  return fclose(f) == 0;
}

static const cn_named_array *column(const cn_arrays *a, int i) { return &a->v[i]; }
static double number(const cn_arrays *a, int i, int64_t row) { return ((const double *)column(a, i)->data)[row]; }

static float is(const cn_arrays *a, int i, int64_t row, const char *text) {
  int64_t length;
  const char *got = cn_arrays_string(column(a, i), row, &length);
  return (size_t)length == strlen(text) && !strncmp(got, text, strlen(text));
}

static void standardize(float *v, int64_t n, int64_t stride, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i * stride];
  *mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) squares += (v[i * stride] - *mean) * (v[i * stride] - *mean);
  *deviation = sqrt(squares / (double)n);
  for (int64_t i = 0; i < n; i++) v[i * stride] = (float)((v[i * stride] - *mean) / *deviation);
}

/* One row: three lengths, whether it is a Chinstrap, a Gentoo, male, female. False where a length or the mass is missing. */
static bool take_row(const cn_arrays *a, const cn_arrays *names, int64_t row, float *x, float *y) {
  for (int i = 0; i < 3; i++) x[i] = (float)number(a, i, row);
  *y = (float)number(a, 3, row);
  x[3] = is(names, 0, row, "Chinstrap");
  x[4] = is(names, 0, row, "Gentoo");
  x[5] = is(names, 1, row, "male");
  x[6] = is(names, 1, row, "female");
  return !isnan(x[0]) && !isnan(x[1]) && !isnan(x[2]) && !isnan(*y);
}

static bool read_table(cn_graph *g, const char *path, table *t) {
  const cn_arrays *a =
      cn_read_csv(g, path, .columns = CN_STRINGS("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"), .types = CN_STRINGS("float64"));
  const cn_arrays *names = cn_read_csv(g, path, .columns = CN_STRINGS("species", "sex"), .types = CN_STRINGS("string"), .missing_string = "");
  if (!a || !names) return false;
  const int64_t rows = column(a, 0)->dims.d[0];
  int64_t *order = malloc((size_t)rows * sizeof *order);
  t->x = malloc((size_t)rows * FEATURES * sizeof *t->x);
  t->y = malloc((size_t)rows * sizeof *t->y);
  if (!order || !t->x || !t->y) return free(order), false;
  cn_stream stream = cn_stream_new(g); /* the file is sorted by species, and validation takes the last rows */
  cn_random_fill_permutation(&stream, order, rows);
  for (int64_t i = 0; i < rows; i++) t->n += take_row(a, names, order[i], t->x + t->n * FEATURES, t->y + t->n);
  free(order);
  double mean, deviation;
  for (int i = 0; i < 3; i++) standardize(t->x + i, t->n, FEATURES, &mean, &deviation);
  standardize(t->y, t->n, 1, &t->mean, &t->deviation);
  return t->n > 0;
}

static cn_model *network(cn_graph *g, double rate) {
  cn_model *m = cn_Sequential(g, "penguins");
  cn_push(m, cn_Dense(g, 32, .activation = "relu", .kernel_regularizer = "l2(1e-3)"));
  cn_push(m, cn_Dense(g, 16, .activation = "relu", .kernel_regularizer = "l2(1e-3)"));
  cn_push(m, cn_Dense(g, 1));
  cn_compile(m, .optimizer = { .object = cn_optimizer_Adam(g, .learning_rate = rate) }, .loss = "mse", .metrics = "mae");
  return m;
}

/* As PNG, or as SVG where the library was built without libpng. */
static const char *draw(cn_graph *g, const cn_history *h) {
  if (cn_plot_history(g, h, "history.png")) return "history.png";
  if (cn_error_code(g) != CN_UNSUPPORTED) return NULL;
  cn_graph_clear(g);
  return cn_plot_history(g, h, "history.svg") ? "history.svg" : NULL;
}

int main(int argc, char **argv) {
  const char *path = NULL;
  double rate = 0.003;
  long epochs = 200, seed = 4;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] != '-') path = argv[i];
    else if (i + 1 >= argc) return fprintf(stderr, "usage: regression [CSV] [--learning-rate R] [--epochs N] [--seed N]\n"), 2;
    else if (!strcmp(argv[i], "--learning-rate")) rate = atof(argv[++i]);
    else if (!strcmp(argv[i], "--epochs")) epochs = atol(argv[++i]);
    else if (!strcmp(argv[i], "--seed")) seed = atol(argv[++i]);
  }
  if (!path && !write_csv(path = "penguins.csv")) return 1;
  cn_graph *g = cn_graph_new(.seed = seed);
  table t = { .n = 0 };
  if (read_table(g, path, &t)) {
    cn_model *m = network(g, rate);
    cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(t.n, FEATURES), t.x, CN_F32, CN_DIMS(t.n, 1), t.y);
    cn_callback *stop = cn_callback_EarlyStopping(g, .patience = 25, .restore_best_weights = true);
    const cn_history *h = cn_fit(m, d, .epochs = epochs, .batch_size = 16, .validation_split = 0.25, .callbacks = CN_CALLBACKS(stop), .verbose = 0);
    const char *drawing = h ? draw(g, h) : NULL;
    const int64_t best = cn_early_stopping_of(stop).best_epoch;
    if (drawing) {
      printf("%lld penguins, %lld epochs, the best was %lld; see %s\n", (long long)t.n, (long long)h->epochs, (long long)best + 1, drawing);
      printf("mean absolute error on penguins not trained on: %.0f g of %.0f g\n", cn_history_at(h, "val_mae", best) * t.deviation, t.mean);
      printf("loss: %.4f\n", cn_history_at(h, "loss", best));
    }
  }
  const bool ok = cn_ok(g);
  if (!ok) fprintf(stderr, "regression: %s\n", cn_error(g));
  cn_graph_free(g);
  free(t.x);
  free(t.y);
  return !ok;
}
