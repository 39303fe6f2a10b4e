/* attention: dot_product_attention against the same in operations (matmul, softmax, matmul): milliseconds forward, and forward with the gradients of query, key
 * and value, and the most memory that the step took. */
#include <cornu.h>
#include <stdio.h>
#include <stdlib.h>
#include "peaks.h"

typedef struct shape { int64_t batch, time, heads, width; bool causal, composed_too; } shape;
static const shape shapes[] = { { 16, 128, 4, 32, false, true }, { 16, 128, 4, 32, true, true },   { 1, 1024, 8, 64, false, true },
                                { 1, 2048, 8, 64, false, true }, { 1, 4096, 8, 64, false, false }, { 1, 4096, 8, 64, true, false },
                                { 1, 4096, 1, 64, true, false } };

typedef struct bench { cn_graph *g; shape s; cn_tensor *q, *k, *v; bool composed, backward; } bench;

static cn_tensor *variable(cn_graph *g, const shape *s) {
  cn_tensor *x = cn_variable(g, CN_F32, CN_DIMS(s->batch, s->time, s->heads, s->width), NULL);
  cn_stream stream = cn_stream_new(g);
  const int64_t n = cn_count(x);
  float *data = malloc((size_t)n * sizeof *data);
  if (!data) exit(EXIT_FAILURE);
  cn_random_fill_uniform(&stream, CN_F32, data, n, -1, 1);
  cn_assign_data(x, data);
  free(data);
  return x;
}

static cn_tensor *composed(const bench *b) {
  cn_graph *g = b->g;
  const int64_t t = b->s.time;
  cn_tensor *q = cn_transpose(g, b->q, .axes = CN_INTS(0, 2, 1, 3)), *k = cn_transpose(g, b->k, .axes = CN_INTS(0, 2, 1, 3)),
            *v = cn_transpose(g, b->v, .axes = CN_INTS(0, 2, 1, 3));
  cn_tensor *scores = cn_scale(g, cn_matmul(g, q, k, .transpose_b = true), 1 / __builtin_sqrt((double)b->s.width));
  if (b->s.causal)
    scores = cn_where(g, cn_greater_equal(g, cn_reshape(g, cn_arange(g, CN_I32, 0, (double)t, 1), CN_INTS(t, 1)), cn_arange(g, CN_I32, 0, (double)t, 1)),
                      scores, cn_scalar(g, -1e30));
  return cn_transpose(g, cn_matmul(g, cn_softmax(g, scores), v), .axes = CN_INTS(0, 2, 1, 3));
}

static void step(void *p) {
  const bench *b = p;
  cn_tensor *y = b->composed ? composed(b) : cn_dot_product_attention(b->g, b->q, b->k, b->v, .is_causal = b->s.causal);
  if (b->backward) cn_backward(b->g, y, .release = true);
  cn_graph_reset(b->g);
}

static void measure(const shape *s, bool in_operations) {
  bench b = { .g = cn_graph_new(.seed = 1), .s = *s, .composed = in_operations };
  b.q = variable(b.g, s), b.k = variable(b.g, s), b.v = variable(b.g, s);
  double seconds[2];
  for (int i = 0; i < 2; i++) {
    b.backward = i;
    seconds[i] = fastest(step, &b);
  }
  const double products = 4.0 * (double)(s->batch * s->heads * s->time * s->time * s->width) * (s->causal && !in_operations ? 0.5 : 1);
  printf("%3lld x %4lld x %lld x %2lld%s %-9s %9.3f ms (%5.1f GFLOP/s)  with gradients %9.3f ms (%5.1f GFLOP/s)  %7.1f MB\n", (long long)s->batch,
         (long long)s->time, (long long)s->heads, (long long)s->width, s->causal ? " causal" : "       ", in_operations ? "composed" : "fused",
         seconds[0] * 1e3, products / seconds[0] * 1e-9, seconds[1] * 1e3, 3.5 * products / seconds[1] * 1e-9, (double)cn_graph_peak_bytes(b.g) * 1e-6);
  if (!cn_ok(b.g)) puts(cn_error(b.g));
  cn_graph_free(b.g);
}

int main(void) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    measure(&shapes[i], false);
    if (shapes[i].composed_too) measure(&shapes[i], true);
  }
  return EXIT_SUCCESS;
}
