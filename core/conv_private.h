/* The seam through which all convolutions go: own kernels (patches and matrix products; direct loops where each channel is by itself) or oneDNN, picked per
 * shape by a measured rule. */
#ifndef CN_CORE_CONV_PRIVATE_H
#define CN_CORE_CONV_PRIVATE_H
#include "context_private.h"
#include "gemm_private.h"

/* A convolution of 1 to 3 spatial axes; those that are not there stand in front, with every size 1 and no padding.
 * x [batch, in..., in_channels], kernel [kernel..., in_channels / groups, out_channels], y [batch, out..., out_channels]:
 *   y[n, o, j] = sum over k and i of x[n, o stride + k dilation - pad, group(j) in_channels/groups + i] kernel[k, i, j],  x zero outside.
 * What stands behind x's end is zero however far `out` reaches, so `pad` tells the padding in front only. All numbers but `pad` are at least 1, batch, in and
 * out may be 0. No padding bytes: geometries are compared as memory. */
typedef struct cni_conv {
  int64_t dtype; /* CN_F32 or CN_F64 */
  int64_t batch, in_channels, out_channels, groups;
  int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
} cni_conv;

/* What is computed, of the three that belong together: y = conv(x, kernel), and the gradients of sum(y gy). */
typedef enum { CNI_CONV_FORWARD, CNI_CONV_INPUT, CNI_CONV_KERNEL } cni_conv_kind;

typedef struct cni_conv_data {
  void *to;                    /* y, gx or gkernel; overlaps nothing else */
  const void *x, *kernel, *gy; /* the one that `to` stands for is not read */
  const void *bias;            /* forward: [out_channels], or NULL */
  int activation;              /* forward: CNI_FUSED_*, of the sum with the bias */
} cni_conv_data;

typedef enum { CNI_CONV_AUTO, CNI_CONV_OWN, CNI_CONV_ONEDNN } cni_conv_engine;

/* CN_OK, or CN_NO_MEMORY after reporting it. Called outside parallel regions only. */
cn_code cni_conv_run(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d);
/* The engine that cni_conv_run tries first. */
cni_conv_engine cni_conv_pick(const cn_graph *g, const cni_conv *c, cni_conv_kind kind);
/* By a given engine; CN_UNSUPPORTED without a report where that engine is not there or does not take these arguments. */
cn_code cni_conv_by(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d, cni_conv_engine engine);

/* Elements of x, y, kernel. */
int64_t cni_conv_x_count(const cni_conv *c);
int64_t cni_conv_y_count(const cni_conv *c);
int64_t cni_conv_kernel_count(const cni_conv *c);

/* conv_own.c */
cn_code cni_conv_own(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d);
/* onednn_conv.c: forward without the activation. CN_UNSUPPORTED without a report where oneDNN is not there, has no fast implementation, or fails. */
cn_code cni_conv_onednn(cn_graph *g, const cni_conv *c, cni_conv_kind kind, const cni_conv_data *d);

/* Kernels of one type and instruction set, of one thread. */
typedef struct cni_conv_kernels {
  /* to [end - begin, kernel..., in_channels / groups]: what positions begin .. end of [batch, out...] see of the group's channels. */
  void (*patches)(void *to, const void *x, const cni_conv *c, int64_t group, int64_t begin, int64_t end);
  /* The transpose, for rows begin .. end of [batch, in[0], in[1]]: gx += patches, which are those of positions first .. last. */
  void (*add_patches)(void *gx, const void *patches, const cni_conv *c, int64_t group, int64_t first, int64_t last, int64_t begin, int64_t end);
  /* in_channels = groups: rows begin .. end of [batch, out[0], out[1]] of y (or of gx, of [batch, in[0], in[1]]); channels begin .. end of x in gkernel. */
  void (*depthwise)(void *y, const void *x, const void *kernel, const cni_conv *c, int64_t begin, int64_t end);
  void (*depthwise_input)(void *gx, const void *gy, const void *kernel, const cni_conv *c, int64_t begin, int64_t end);
  void (*depthwise_kernel)(void *gkernel, const void *x, const void *gy, const cni_conv *c, int64_t begin, int64_t end);
} cni_conv_kernels;

#endif
