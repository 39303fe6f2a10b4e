/* Convolutions: which engine serves which. */
#include "conv_private.h"
#include <string.h>
#include "kernels_private.h"
#include "threads_private.h"

static int64_t product_of(const int64_t *v) { return v[0] * v[1] * v[2]; }
int64_t cni_conv_x_count(const cni_conv *c) { return c->batch * product_of(c->in) * c->in_channels; }
int64_t cni_conv_y_count(const cni_conv *c) { return c->batch * product_of(c->out) * c->out_channels; }
int64_t cni_conv_kernel_count(const cni_conv *c) { return product_of(c->kernel) * (c->in_channels / c->groups) * c->out_channels; }

static int64_t count_of(const cni_conv *c, cni_conv_kind kind) {
  return kind == CNI_CONV_FORWARD ? cni_conv_y_count(c) : kind == CNI_CONV_INPUT ? cni_conv_x_count(c) : cni_conv_kernel_count(c);
}

/* ---- what an engine leaves to be done ---- */
typedef struct activation_job { const cni_kernels *k; char *y; int64_t width; int activation; } activation_job;

static void activate_part(void *context, int64_t begin, int64_t end) {
  const activation_job *j = context;
  j->k->bias_activation(j->y + begin * j->width, NULL, 1, end - begin, j->activation);
}

static cn_code by_onednn(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d) {
  const cn_code code = cni_conv_onednn(g, c, kind, d);
  if (code != CN_OK || kind != CNI_CONV_FORWARD || d->activation == CNI_FUSED_NONE) return code;
  activation_job j = { cni_context_of_const(g)->kernels[c->dtype], d->to, c->dtype == CN_F64 ? 8 : 4, d->activation };
  cni_parallel(g, cni_conv_y_count(c), CNI_GRAIN, activate_part, &j);
  return CN_OK;
}

/* ---- the rule ---- */
#define LITTLE ((int64_t)1 << 16) /* multiplications up to which own kernels are through before a library has begun */
#define DEEP 32                   /* input channels of a group from which patches are worth their copying, */
#define SHALLOW 8                 /* and below which oneDNN fills them up in the input's gradient */

static int64_t multiplications(const cni_conv *c) { return cni_conv_y_count(c) * product_of(c->kernel) * (c->in_channels / c->groups); }

/* Measured by bench/micro-conv (AMD EPYC, Zen 3, 2 cores, AVX2, peak 207 GFLOP/s, a virtual machine; oneDNN 2.6.3), GFLOP/s with two threads, own / oneDNN:
 *                                forward      input's gradient   kernel's gradient
 *   1 > 32, 28 x 28, batch 64     51 / 123         28 /  14           76 /  80
 *   3 > 64, 32 x 32, 32          139 / 166         48 /  23          112 / 142
 *   32 > 64, 13 x 13, 64         139 / 116        105 / 146          124 /  95
 *   64 > 64, 32 x 32, 32         147 / 116        147 / 138          123 /  98
 *   64 > 128, 16 x 16, 32        164 / 152        135 / 153          139 /  90
 *   64 > 64, stride 2            166 / 147        144 / 151          138 /  89
 *   64 > 64, 4 groups             52 /  74         52 /  78           48 /  59
 *   128 channels alone            35 /  74         30 /  87           37 /  23
 * Own kernels add bias and activation on the way, behind oneDNN the activation is one more pass: its own relu would lose NaN. With AVX-512 oneDNN's forward and
 * kernel's gradient are the faster ones (Intel Xeon, Cascade Lake, peak 307 GFLOP/s: 64 > 64, 32 x 32, forward 205 / 252, kernel's gradient 187 / 230; 128
 * channels alone 21 / 42). */
cni_conv_engine cni_conv_pick(const cn_graph *g, const cni_conv *c, cni_conv_kind kind) {
  const int64_t inner = c->in_channels / c->groups;
  const bool widest = !strcmp(cni_context_of_const(g)->kernels[0]->isa, "avx512"), alone = inner == 1 && c->groups > 1;
  if (c->dtype != CN_F32 || !cni_onednn_there() || multiplications(c) <= LITTLE) return CNI_CONV_OWN;
  if (alone) return kind == CNI_CONV_KERNEL && !widest ? CNI_CONV_OWN : CNI_CONV_ONEDNN;
  if (kind == CNI_CONV_INPUT) return inner < SHALLOW ? CNI_CONV_OWN : CNI_CONV_ONEDNN;
  return inner >= DEEP && !widest ? CNI_CONV_OWN : CNI_CONV_ONEDNN;
}

cn_code cni_conv_by(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d, cni_conv_engine engine) {
  if (!count_of(c, kind)) return CN_OK;
  if (!cni_conv_x_count(c) || !cni_conv_y_count(c)) engine = CNI_CONV_OWN;
  if (engine == CNI_CONV_AUTO) engine = cni_conv_pick(g, c, kind);
  return engine == CNI_CONV_ONEDNN ? by_onednn(g, c, kind, d) : cni_conv_own(g, c, kind, d);
}

cn_code cni_conv_run(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d) {
  const cn_code code = cni_conv_by(g, c, kind, d, CNI_CONV_AUTO);
  return code == CN_UNSUPPORTED ? cni_conv_by(g, c, kind, d, CNI_CONV_OWN) : code;
}
