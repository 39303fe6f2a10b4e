/* layer_cost WORK N: runs a piece of work N times (or of size N), for tests/test_layer_cost.sh, which counts its instructions.
 * layers: forward and backward of a Sequential of 100 Dense(8) at batch 1. by_hand: the same linear operations in a loop. build: a functional model of N layers
 * is made and called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../cornu.h"

#define LAYERS 100

static bool step(cn_graph *g, cn_tensor *y) {
  const bool done = y && cn_backward(g, cn_sum(g, y));
  cn_graph_reset(g);
  return done;
}

static bool layers(cn_graph *g, int64_t n) {
  cn_model *m = cn_Sequential(g, "m");
  cn_tensor *x = cn_variable(g, CN_F32, CN_DIMS(1, 8), (const float[8]){ 1, 2, 3, 4, 5, 6, 7, 8 });
  for (int i = 0; i < LAYERS; i++) cn_push(m, cn_Dense(g, 8));
  bool done = true;
  for (int64_t i = 0; i < n && done; i++) done = step(g, cn_call(g, cn_model_layer(m), x, .training = 1));
  return done;
}

static bool by_hand(cn_graph *g, int64_t n) {
  cn_tensor *x = cn_variable(g, CN_F32, CN_DIMS(1, 8), (const float[8]){ 1, 2, 3, 4, 5, 6, 7, 8 }), *kernel[LAYERS], *bias[LAYERS];
  for (int i = 0; i < LAYERS; i++) {
    kernel[i] = cn_variable(g, CN_F32, CN_DIMS(8, 8), NULL);
    bias[i] = cn_variable(g, CN_F32, CN_DIMS(8), NULL);
  }
  bool done = true;
  for (int64_t i = 0; i < n && done; i++) {
    cn_tensor *y = x;
    for (int k = 0; k < LAYERS; k++) y = cn_linear(g, y, kernel[k], bias[k]);
    done = step(g, y);
  }
  return done;
}

static bool build(cn_graph *g, int64_t n) {
  cn_tensor *x = cn_Input(g, CN_DIMS(1)), *h = x;
  for (int64_t i = 0; i < n; i++) h = cn_call(g, cn_Dense(g, 1), h);
  cn_model *m = cn_Model(g, CN_TENSORS(x), CN_TENSORS(h));
  return cn_call(g, cn_model_layer(m), cn_ones(g, CN_F32, CN_DIMS(1, 1))) && cn_weights(cn_model_layer(m), NULL, 0) == 2 * n;
}

int main(int argc, char **argv) {
  static const struct { const char *name; bool (*run)(cn_graph *g, int64_t n); } work[] = { { "layers", layers }, { "by_hand", by_hand }, { "build", build } };
  for (size_t i = 0; argc == 3 && i < sizeof work / sizeof *work; i++)
    if (!strcmp(argv[1], work[i].name)) {
      cn_graph *g = cn_graph_new(.seed = 1);
      const bool done = work[i].run(g, strtoll(argv[2], NULL, 10));
      if (!done) fprintf(stderr, "%s: %s\n", argv[1], cn_error(g));
      cn_graph_free(g);
      return !done;
    }
  fprintf(stderr, "layer_cost layers|by_hand|build N\n");
  return 2;
}
