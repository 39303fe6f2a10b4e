/* checkpoint: time and peak memory of a step of a 12-layer MLP, plain and in 4 checkpointed segments. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "../cornu.h"

enum { LAYERS = 12, WIDTH = 256, ROWS = 1024, SEGMENTS = 4, STEPS = 15 };
typedef struct part { cn_tensor **w, **b; int count; } part;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static cn_tensor *layers(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const part *p = user;
  cn_tensor *y = x[n - 1];
  for (int i = 0; i < p->count; i++) y = cn_tanh(g, cn_add(g, cn_matmul(g, y, p->w[i]), p->b[i]));
  return y;
}

/* The shortest step in seconds; *bytes: the peak above the weights. */
static double measure(int segments, size_t *bytes) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *w[LAYERS], *b[LAYERS];
  for (int i = 0; i < LAYERS; i++) {
    cn_tensor *v = cn_random_normal(g, .shape = CN_INTS(WIDTH, WIDTH), .stddev = 0.06);
    w[i] = cn_variable(g, CN_F32, CN_DIMS(WIDTH, WIDTH), cn_data(v));
    b[i] = cn_variable(g, CN_F32, CN_DIMS(WIDTH), NULL);
  }
  cn_tensor *x = cn_persist(cn_random_normal(g, .shape = CN_INTS(ROWS, WIDTH)));
  cn_graph_reset(g);
  const size_t before = cn_graph_bytes(g);
  double best = 1e9;
  for (int i = 0; i < STEPS; i++) {
    part parts[SEGMENTS];
    const double began = now();
    cn_tensor *y = x;
    for (int k = 0; k < segments; k++) {
      const int count = LAYERS / segments;
      parts[k] = (part){ w + k * count, b + k * count, count };
      y = segments > 1 ? cn_checkpoint(g, layers, CN_TENSORS(y), &parts[k]) : layers(g, &y, 1, &parts[k]);
    }
    cn_backward(g, cn_sum(g, cn_square(g, y)), .release = true);
    const double passed = now() - began;
    cn_graph_reset(g);
    if (passed < best) best = passed;
  }
  *bytes = cn_graph_peak_bytes(g) - before;
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g)), exit(1);
  cn_graph_free(g);
  return best;
}

int main(void) {
  size_t plain, less;
  const double t = measure(1, &plain), s = measure(SEGMENTS, &less);
  printf("plain       %7.2f ms %7.1f MB\n%d segments  %7.2f ms %7.1f MB\ntime x %.2f, memory / %.2f\n", t * 1e3, (double)plain * 1e-6, SEGMENTS, s * 1e3,
         (double)less * 1e-6, s / t, (double)plain / (double)less);
  return 0;
}
