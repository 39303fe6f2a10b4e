/* micro [elementwise|rows|random|update|product]: the kernels of each instruction set against what the machine can do: GB/s (bytes read and written) beside
 * a copy in the second cache,
 * GFLOP/s beside multiply-adds in registers; matrix products by each engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/build_info.h"
#include "../../core/gemm_private.h"
#include "../../core/kernels_private.h"
#include "peaks.h"

struct cn_graph { cni_context c; };

enum { N = 32768, K = 10, ROWS = N / K };

typedef struct bench { const cni_kernels *k; float *x, *y, *z; int64_t *labels; cni_update update; } bench;

typedef struct line { const char *family, *name; void (*run)(void *b); double bytes; } line;
#define RUN(name, ...) static void run_##name(void *p) { bench *b = p; __VA_ARGS__; }
#define UNARY(name) RUN(name, b->k->name(b->y, b->x, N, NULL))
UNARY(relu) UNARY(exp) UNARY(tanh) UNARY(sigmoid) UNARY(gelu) UNARY(erf) UNARY(log) UNARY(softplus) UNARY(sqrt) UNARY(sin)
RUN(tanh_grad, b->k->tanh_grad(b->y, b->x, NULL, b->z, N, NULL))
RUN(gelu_grad, b->k->gelu_grad(b->y, b->x, b->z, NULL, N, NULL))
RUN(add, b->k->add(b->y, b->x, b->z, N, 1, 1))
RUN(power, b->k->power(b->y, b->x, b->z, N, 1, 1))
RUN(accumulate, b->k->accumulate(b->y, b->x, N))
RUN(sum_rows, b->k->sum(b->y, b->x, 64, 512, 1))
RUN(sum_columns, b->k->sum(b->y, b->x, 1, 64, 512))
RUN(sum_narrow, b->k->sum(b->y, b->x, 1, ROWS, K))
RUN(softmax, b->k->softmax(b->y, b->x, ROWS, K))
RUN(softmax_long, b->k->softmax(b->y, b->x, 32, 1024))
RUN(cross_entropy, b->k->sparse_cross_entropy(b->y, b->z, b->x, b->labels, ROWS, K, INT64_MIN))
RUN(cross_entropy_grad, b->k->sparse_cross_entropy_grad(b->y, b->z, b->x, b->z, b->labels, ROWS, K, INT64_MIN))
RUN(bias_relu, b->k->bias_activation(b->y, b->x, 64, 512, CNI_FUSED_RELU))
RUN(bias_relu_grad, b->k->bias_activation_grad(b->y, b->z, b->x, b->y, 64, 512, CNI_FUSED_RELU))
RUN(transpose, b->k->transpose2d(b->y, b->x, 64, 512))
RUN(uniform, b->k->random->uniform(b->y, N, 1, 0, 0, 1))
RUN(normal, b->k->random->normal(b->y, N, 1, 0, 0, 1))
RUN(truncated_normal, b->k->random->truncated_normal(b->y, N, 1, 0, 0, 1))
RUN(dropout, b->k->random->dropout(b->y, b->x, N, 1, 0, 0.5))
RUN(sgd, b->k->sgd(&b->update, 0, N))
RUN(sgd_momentum, b->k->sgd_momentum(&b->update, 0, N))
RUN(adam, b->k->adam(&b->update, 0, N))
RUN(rmsprop, b->k->rmsprop(&b->update, 0, N))
RUN(adagrad, b->k->adagrad(&b->update, 0, N))

/* Bytes read and written an element. */
#define LINE(family, name, bytes) { family, #name, run_##name, bytes },
static const line lines[] = {
  LINE("elementwise", add, 12) LINE("elementwise", accumulate, 12) LINE("elementwise", relu, 8) LINE("elementwise", sqrt, 8)
  LINE("elementwise", exp, 8) LINE("elementwise", log, 8) LINE("elementwise", sin, 8) LINE("elementwise", tanh, 8) LINE("elementwise", tanh_grad, 12)
  LINE("elementwise", sigmoid, 8) LINE("elementwise", softplus, 8) LINE("elementwise", erf, 8) LINE("elementwise", gelu, 8)
  LINE("elementwise", gelu_grad, 12) LINE("elementwise", power, 12) LINE("rows", sum_rows, 4) LINE("rows", sum_columns, 4)
  LINE("rows", sum_narrow, 4) LINE("rows", softmax, 8) LINE("rows", softmax_long, 8) LINE("rows", cross_entropy, 4)
  LINE("rows", cross_entropy_grad, 8) LINE("rows", bias_relu, 8) LINE("rows", bias_relu_grad, 12) LINE("rows", transpose, 8)
  LINE("random", uniform, 4) LINE("random", normal, 4) LINE("random", truncated_normal, 4) LINE("random", dropout, 8) LINE("update", sgd, 12)
  LINE("update", sgd_momentum, 20) LINE("update", adam, 28) LINE("update", rmsprop, 20) LINE("update", adagrad, 20)
};

static float *floats(int64_t n) {
  float *x = aligned_alloc(64, (size_t)n * sizeof *x);
  if (!x) exit(EXIT_FAILURE);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 37 % 101) * 0.02f + 0.01f;
  return x;
}

static void kernels(const char *family) {
  static const char *const sets[] = { "baseline", "avx2", "avx512" };
  bench b = { .x = floats(N), .y = floats(N), .z = floats(N), .labels = calloc(ROWS, sizeof *b.labels) };
  float *slots[2] = { floats(N), floats(N) };
  if (!b.labels) exit(EXIT_FAILURE);
  b.update = (cni_update){ .w = b.y, .g = b.x, .slot = { slots[0], slots[1], NULL }, .rate = 1e-3, .scale = 1, .clip = __builtin_inf(), .beta_1 = 0.9,
      .beta_2 = 0.999, .epsilon = 1e-7 };
  printf("%-20s %10s %10s %10s   GB/s, one thread, %d floats\n", "", sets[0], sets[1], sets[2], N);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    if (family && strcmp(family, lines[i].family) != 0) continue;
    printf("%-20s", lines[i].name);
    for (int s = 0; s < 3; s++) {
      b.k = cni_kernels_named(sets[s], CN_F32);
      if (b.k) printf(" %10.1f", lines[i].bytes * N / fastest(lines[i].run, &b) * 1e-9);
    }
    printf("\n");
  }
  if (!family || strcmp(family, "elementwise") == 0) printf("%-20s %32.1f\n", "copy", copy_speed(N * sizeof(float)) * 1e-9);
  free(b.x), free(b.y), free(b.z), free(b.labels), free(slots[0]), free(slots[1]);
}

typedef struct product { cn_graph *g; cni_gemm_args a; cni_gemm_engine engine; } product;

static void run_product(void *x) {
  const product *p = x;
  cni_gemm_by(p->g, &p->a, p->engine);
}

static void products(cn_graph *g) {
  static const int shapes[][5] = {
    { 0, 0, 1, 512, 784 }, { 0, 1, 1, 512, 512 }, { 1, 0, 784, 512, 1 }, { 0, 0, 32, 512, 784 }, { 0, 0, 32, 10, 512 },
    { 0, 1, 32, 512, 512 }, { 1, 0, 784, 512, 32 }, { 0, 0, 128, 512, 784 }, { 0, 0, 128, 10, 512 }, { 0, 1, 128, 512, 512 },
    { 1, 0, 784, 512, 128 }, { 0, 0, 1024, 512, 512 }, { 0, 1, 1024, 512, 512 }, { 1, 0, 784, 512, 1024 },
    { 1, 0, 512, 10, 1024 }, { 0, 0, 256, 2048, 2048 }, { 0, 1, 256, 2048, 2048 }, { 1, 0, 2048, 2048, 256 },
    { 0, 0, 1, 16, 16 }, { 0, 0, 32, 16, 16 }, { 0, 0, 64, 64, 64 },
  };
  static const char *const names[] = { "", "own", "OpenBLAS", "oneDNN" };
  const double peak = multiply_add_speed() * g->c.threads;
  float *a = floats(2048 * 2048), *b = floats(2048 * 2048), *c = floats(2048 * 2048);
  printf("\nproducts of floats, GFLOP/s, %d threads; multiply-adds in registers: %.0f\n%-24s %10s %10s %10s   picked\n", g->c.threads, peak * 1e-9, "",
      names[1], names[2], names[3]);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const int *s = shapes[i];
    product p = { g, { .transpose_a = s[0], .transpose_b = s[1], .m = s[2], .n = s[3], .k = s[4], .a = a, .b = b, .c = c, .batch = 1 }, CNI_GEMM_OWN };
    printf("%c%c %5d x %4d x %4d    ", s[0] ? 'T' : 'N', s[1] ? 'T' : 'N', s[2], s[3], s[4]);
    for (int e = CNI_GEMM_OWN; e <= CNI_GEMM_ONEDNN; e++) {
      p.engine = (cni_gemm_engine)e;
      if (cni_gemm_by(g, &p.a, p.engine) == CN_OK) printf(" %10.1f", 2.0 * s[2] * s[3] * s[4] / fastest(run_product, &p) * 1e-9);
      else printf(" %10s", "-");
    }
    printf("   %s\n", names[cni_gemm_pick(g, &p.a)]);
  }
  free(a), free(b), free(c);
}

int main(int count, char **arguments) {
  const char *family = count > 1 ? arguments[1] : NULL;
  cn_graph g = { .c = { .bytes = 0 } };
  if (!cni_context_init(&g, NULL)) return EXIT_FAILURE;
  cni_kernels_select(&g);
  const char *info = cn_build_info(&g);
  if (info) fputs(info, stdout);
  if (!family || strcmp(family, "product") != 0) kernels(family);
  if (!family || strcmp(family, "product") == 0) products(&g);
  cni_context_free(&g);
  return EXIT_SUCCESS;
}
