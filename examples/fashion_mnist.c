/* fashion_mnist [DIRECTORY] [--epochs N] [--batch-size N] [--learning-rate R] [--seed N] [--save FILE]: a network 784-256-10 learns to tell clothes apart.
 * DIRECTORY holds the four IDX files of Fashion-MNIST (Debian: dataset-fashion-mnist); without it the embedded digits are used. */
#include <cornu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "digits_data.h"

typedef struct options { const char *directory, *save; long epochs, batch_size, seed; double learning_rate; } options;

static bool usage(void) {
  fprintf(stderr, "usage: fashion_mnist [DIRECTORY] [--epochs N] [--batch-size N] [--learning-rate R] [--seed N] [--save FILE]\n");
  return false;
}

static bool parse(int argc, char **argv, options *o) {
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (name[0] != '-') {
      o->directory = name;
      continue;
    }
    if (!value) return usage();
    i++;
    if (!strcmp(name, "--epochs")) o->epochs = atol(value);
    else if (!strcmp(name, "--batch-size")) o->batch_size = atol(value);
    else if (!strcmp(name, "--seed")) o->seed = atol(value);
    else if (!strcmp(name, "--learning-rate")) o->learning_rate = atof(value);
    else if (!strcmp(name, "--save")) o->save = value;
    else return usage();
  }
  return true;
}

/* Images and labels of a part ("train" or "t10k") as a data set over the files' arrays. */
static cn_dataset *read_part(cn_graph *g, const char *directory, const char *part) {
  char images[4096], labels[4096];
  snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", directory, part);
  snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", directory, part);
  const cn_arrays *x = cn_read_idx(g, images), *y = cn_read_idx(g, labels);
  return x && y ? cn_dataset_from_arrays(g, x->v->dtype, &x->v->dims, x->v->data, y->v->dtype, &y->v->dims, y->v->data) : NULL;
}

static uint8_t digit_pixels[DIGITS * 64], digit_labels[DIGITS];
static cn_dataset *read_digits(cn_graph *g, int64_t first, int64_t count) {
  for (int i = 0; i < DIGITS; i++) {
    for (int k = 0; k < 64; k++) digit_pixels[i * 64 + k] = (uint8_t)(15 * (digits_data[i][k] - 'a'));
    digit_labels[i] = (uint8_t)(digits_data[i][64] - '0');
  }
  return cn_dataset_from_arrays(g, CN_U8, CN_DIMS(count, 8, 8), digit_pixels + first * 64, CN_U8, CN_DIMS(count), digit_labels + first);
}

/* How often class i (row) was taken for class j (column). */
static void confusion(cn_graph *g, cn_model *m, cn_dataset *test) {
  long table[10][10] = { { 0 } };
  float p[1000 * 10];
  cn_batch b;
  cn_dataset_reset(test, false);
  while (cn_dataset_next(test, 1000, &b)) {
    uint8_t labels[1000];
    for (int64_t i = 0; i < b.size; i++) labels[i] = (uint8_t)cn_at(b.y, i);
    const int64_t n = b.size;
    if (!cn_predict_into(m, b.x, p, n * 10)) return;
    for (int64_t i = 0; i < n; i++) {
      int best = 0;
      for (int k = 1; k < 10; k++)
        if (p[i * 10 + k] > p[i * 10 + best]) best = k;
      table[labels[i]][best]++;
    }
  }
  printf("\nclass     taken for 0     1     2     3     4     5     6     7     8     9\n");
  for (int i = 0; i < 10; i++) {
    printf("%5d          ", i);
    for (int k = 0; k < 10; k++) printf("%6ld", table[i][k]);
    printf("\n");
  }
  (void)g;
}

int main(int argc, char **argv) {
  options o = { .save = NULL, .epochs = 3, .batch_size = 128, .seed = 1, .learning_rate = 1e-3 };
  if (!parse(argc, argv, &o)) return 2;
  cn_graph *g = cn_graph_new(.seed = o.seed);
  cn_dataset *train = o.directory ? read_part(g, o.directory, "train") : read_digits(g, 0, 1500),
             *test = o.directory ? read_part(g, o.directory, "t10k") : read_digits(g, 1500, DIGITS - 1500);
  cn_model *m = cn_Sequential(g, "fashion_mnist");
  cn_push(m, cn_Rescaling(g, 1 / 255.0));
  cn_push(m, cn_Flatten(g));
  cn_push(m, cn_Dense(g, 256, .activation = "relu"));
  cn_push(m, cn_Dense(g, 10));
  cn_compile(m, .optimizer = { .object = cn_optimizer_Adam(g, .learning_rate = o.learning_rate) }, .loss = "sparse_categorical_crossentropy(from_logits=true)",
             .metrics = "accuracy");
  const cn_history *h = cn_fit(m, train, .epochs = o.epochs, .batch_size = o.batch_size);
  cn_summary(m);

  double result[2] = { 0, 0 };
  cn_evaluate(m, test, 1000, result, 2);
  if (cn_ok(g)) confusion(g, m, test);
  if (o.save) cn_save_weights(m, o.save);
  const bool ok = cn_ok(g);
  if (!ok) fprintf(stderr, "fashion_mnist: %s\n", cn_error(g));
  else {
    printf("\ntest accuracy: %.4f\n", result[1]);
    if (o.save) printf("saved: %s\n", o.save);
    printf("loss: %.4f\n", cn_history_at(h, "loss", -1));
  }
  cn_graph_free(g);
  return !ok;
}
