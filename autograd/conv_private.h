/* What the operations of convolution share. */
#ifndef CN_AUTOGRAD_CONV_PRIVATE_H
#define CN_AUTOGRAD_CONV_PRIVATE_H
#include "../core/conv_private.h"
#include "graph_private.h"

/* A convolution and how its data stand: `axes` spatial axes (the last of c's three), channels first or last in x and y. */
typedef struct cni_geometry { cni_conv c; int axes; bool first; } cni_geometry;

/* The options of keras.ops' convolutions. */
typedef struct cni_window { cn_size strides, dilation_rate; const char *padding, *data_format; cn_ints output_padding; bool causal; } cni_window;
#define CNI_WINDOW_OF(o) .strides = (o)->strides, .dilation_rate = (o)->dilation_rate, .padding = (o)->padding, .data_format = (o)->data_format

/* direct: kernel [axes..., inputs, outputs]; depthwise: [axes..., channels, multiplier]; transposed: [axes..., outputs, inputs], and x is y of the convolution.
 */
typedef enum { CNI_WINDOW_DIRECT, CNI_WINDOW_DEPTHWISE, CNI_WINDOW_TRANSPOSED } cni_window_kind;

/* The convolution that the options mean, and the result's shape; sizes may be CN_UNKNOWN. Reports what does not fit. */
cn_code cni_window_read(cn_graph *g, const cni_window *w, cni_window_kind kind, const cn_dims *x, const cn_dims *kernel, cni_geometry *to, cn_dims *result);
/* Refuses what is not all float32 or all float64. */
cn_code cni_window_dtypes(const cn_call *c);

/* Naive sums in double: the array that `kind` names, which is cleared first, from the other two. */
void cni_conv_naive(const cni_geometry *t, cni_conv_kind kind, double *x, double *kernel, double *y);
/* y = act(y + bias), bias NULL for none. */
void cni_conv_naive_finish(const cni_geometry *t, double *y, const double *bias, int activation);

#endif
