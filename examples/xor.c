/* xor: a network of two layers learns the exclusive or. */
#include <cornu.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  const bool learn = !(argc > 2 && !strcmp(argv[1], "--learning-rate") && !strcmp(argv[2], "0"));
  cn_graph *g = cn_graph_new(.seed = 7);
  cn_model *m = cn_Sequential(g, "xor");
  cn_push(m, cn_Dense(g, 8, .activation = "tanh"));
  cn_push(m, cn_Dense(g, 1, .activation = "sigmoid"));
  cn_compile(m, .optimizer = learn ? "adam(0.05)" : "adam(0)", .loss = "binary_crossentropy", .metrics = "accuracy");

  const float x[] = { 0, 0, 0, 1, 1, 0, 1, 1 }, y[] = { 0, 1, 1, 0 };
  cn_dataset *d = cn_dataset_from_arrays(g, CN_F32, CN_DIMS(4, 2), x, CN_F32, CN_DIMS(4, 1), y);
  const cn_history *h = cn_fit(m, d, .epochs = 100, .batch_size = 4, .verbose = 0);
  const double loss = cn_history_at(h, "loss", -1);
  cn_tensor *p = cn_predict(m, cn_array(g, CN_F32, CN_DIMS(4, 2), x), 4);
  for (int i = 0; i < 4; i++) printf("%g xor %g = %.3f\n", (double)x[2 * i], (double)x[2 * i + 1], cn_at(p, i));

  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  const bool ok = cn_ok(g);
  cn_graph_free(g);
  printf("loss: %.6f\n", loss);
  return !ok;
}
