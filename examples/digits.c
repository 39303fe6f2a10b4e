/* digits [--learning-rate R] [--epochs N]: a small network learns handwritten digits from data embedded in the program. */
#include <cornu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "digits_data.h"

static uint8_t pixels[DIGITS * 64], labels[DIGITS];

int main(int argc, char **argv) {
  double rate = 0.01;
  long epochs = 10;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--learning-rate")) rate = atof(argv[i + 1]);
    if (!strcmp(argv[i], "--epochs")) epochs = atol(argv[i + 1]);
  }
  for (int i = 0; i < DIGITS; i++) {
    for (int k = 0; k < 64; k++) pixels[i * 64 + k] = (uint8_t)(digits_data[i][k] - 'a');
    labels[i] = (uint8_t)(digits_data[i][64] - '0');
  }
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_dataset *all = cn_dataset_from_arrays(g, CN_U8, CN_DIMS(DIGITS, 8, 8), pixels, CN_U8, CN_DIMS(DIGITS), labels);
  cn_model *m = cn_Sequential(g, "digits");
  cn_push(m, cn_Rescaling(g, 1 / 16.0));
  cn_push(m, cn_Flatten(g));
  cn_push(m, cn_Dense(g, 64, .activation = "relu", .kernel_regularizer = "l2(1e-4)"));
  cn_push(m, cn_Dropout(g, 0.2, .seed = 3));
  cn_push(m, cn_Dense(g, 10, .kernel_constraint = "max_norm(3)"));
  cn_compile(m, .optimizer = { .object = cn_optimizer_Adam(g, .learning_rate = rate) }, .loss = "sparse_categorical_crossentropy(from_logits=true)",
             .metrics = "accuracy");
  const cn_history *h = cn_fit(m, all, .epochs = epochs, .batch_size = 64, .validation_split = 0.2, .verbose = 2);

  const bool ok = cn_ok(g);
  if (ok) printf("validation accuracy: %.4f\nloss: %.4f\n", cn_history_at(h, "val_accuracy", -1), cn_history_at(h, "loss", -1));
  else fprintf(stderr, "digits: %s\n", cn_error(g));
  cn_graph_free(g);
  return !ok;
}
