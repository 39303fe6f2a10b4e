/* micro-conv [fused]: convolutions of the benchmark's networks and some more, by each engine, GFLOP/s; the best of several runs. fused: forward with bias and
 * relu. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../core/build_info.h"
#include "../../core/conv_private.h"
#include "../../core/kernels_private.h"
#include "peaks.h"

struct cn_graph { cni_context c; };

typedef struct line { const char *name; int batch, size, in, out, kernel, stride, pad, groups; } line;
static const line lines[] = {
  { "cnn_mnist.1", 64, 28, 1, 32, 3, 1, 0, 1 }, { "cnn_mnist.2", 64, 13, 32, 64, 3, 1, 0, 1 }, { "cnn_cifar.1", 32, 32, 3, 64, 3, 1, 1, 1 },
  { "cnn_cifar.2", 32, 32, 64, 64, 3, 1, 1, 1 }, { "cnn_cifar.4", 32, 16, 64, 128, 3, 1, 1, 1 }, { "infer_cnn.1", 1, 28, 1, 32, 3, 1, 0, 1 },
  { "infer_cnn.2", 1, 13, 32, 64, 3, 1, 0, 1 }, { "strides 2", 16, 32, 64, 64, 3, 2, 1, 1 }, { "7 x 7 / 2", 8, 112, 3, 64, 7, 2, 3, 1 },
  { "1 x 1", 16, 28, 128, 128, 1, 1, 0, 1 }, { "groups 4", 16, 28, 64, 64, 3, 1, 1, 4 }, { "depthwise", 16, 28, 128, 128, 3, 1, 1, 128 },
  { "depthwise / 2", 16, 56, 64, 64, 3, 2, 1, 64 }, { "tiny", 1, 8, 4, 8, 3, 1, 1, 1 }, { "small", 8, 8, 8, 16, 3, 1, 1, 1 },
};

typedef struct run { cn_graph *g; cni_conv c; cni_conv_kind kind; cni_conv_data d; cni_conv_engine engine; cn_code code; } run;

static void run_once(void *p) {
  run *r = p;
  r->code = cni_conv_by(r->g, &r->c, r->kind, &r->d, r->engine);
}

static float *floats(int64_t n) {
  float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) / 64 * 64);
  if (!x) exit(EXIT_FAILURE);
  for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 37 % 101) * 0.02f - 1;
  return x;
}

static cni_conv conv_of(const line *l) {
  const int64_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  cni_conv c = { .dtype = CN_F32,
                 .batch = l->batch,
                 .in_channels = l->in,
                 .out_channels = l->out,
                 .groups = l->groups,
                 .in = { 1, l->size, l->size },
                 .out = { 1, out, out },
                 .kernel = { 1, l->kernel, l->kernel },
                 .stride = { 1, l->stride, l->stride },
                 .dilation = { 1, 1, 1 },
                 .pad = { 0, l->pad, l->pad } };
  return c;
}

int main(int count, char **arguments) {
  const bool fused = count > 1 && !strcmp(arguments[1], "fused");
  static const char *const kinds[] = { "forward", "input", "kernel" }, *const engines[] = { "", "own", "oneDNN" };
  cn_graph g = { .c = { .bytes = 0 } };
  if (!cni_context_init(&g, NULL)) return EXIT_FAILURE;
  cni_kernels_select(&g);
  const char *info = cn_build_info(&g);
  if (info) fputs(info, stdout);
  printf("convolutions of floats, GFLOP/s, %d threads; multiply-adds in registers: %.0f\n%-24s %10s %10s   picked\n", g.c.threads,
         multiply_add_speed() * g.c.threads * 1e-9, "", engines[1], engines[2]);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    for (int kind = 0; kind < 3; kind++) {
      run r = { .g = &g, .c = conv_of(&lines[i]), .kind = (cni_conv_kind)kind };
      const int64_t x = cni_conv_x_count(&r.c), y = cni_conv_y_count(&r.c), k = cni_conv_kernel_count(&r.c);
      float *data[] = { floats(y), floats(x), floats(k) }, *to = floats(kind == 0 ? y : kind == 1 ? x : k), *bias = floats(lines[i].out);
      r.d = (cni_conv_data){ .to = to,
                             .x = data[1],
                             .kernel = data[2],
                             .gy = data[0],
                             .bias = kind || !fused ? NULL : bias,
                             .activation = kind || !fused ? CNI_FUSED_NONE : CNI_FUSED_RELU };
      printf("%-15s %-8s", lines[i].name, kinds[kind]);
      for (int e = CNI_CONV_OWN; e <= CNI_CONV_ONEDNN; e++) {
        r.engine = (cni_conv_engine)e;
        run_once(&r);
        if (r.code == CN_OK) printf(" %10.1f", 2.0 * (double)y * (double)k / lines[i].out / fastest(run_once, &r) * 1e-9);
        else printf(" %10s", "-");
      }
      printf("   %s\n", engines[cni_conv_pick(&g, &r.c, r.kind)]);
      free(data[0]), free(data[1]), free(data[2]), free(to), free(bias);
    }
  cni_context_free(&g);
  return EXIT_SUCCESS;
}
