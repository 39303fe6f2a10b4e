/* EinsumDense: a dense layer over any axes. */
#ifndef CN_LAYERS_EINSUM_DENSE_H
#define CN_LAYERS_EINSUM_DENSE_H
#include "core_layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = activation(einsum(equation, x, kernel) + bias). equation is "ab..,cd..->ef..", with letters for axes, or with an ellipsis on the left ("...x,xy->...y")
 * or on the right ("ab...,bc->ac...") of both input and output. output_shape: sizes of the output's lettered axes behind the batch axis, None where one is the
 * input's. The kernel's sizes come from both. bias_axes: letters of the output that the bias has; it has size 1 along the axes between and behind them.
 * Weights: kernel, bias. For initializers that scale with fans, the kernel's axes that are in the output count as fan_out, the others as fan_in. No mask.
 * Keras' EinsumDense. */
#define CN_EINSUM_DENSE(X, S)                                                                                \
  X(S, const char *, equation, NULL, REQUIRED, "of input, kernel -> output, for example \"abc,cd->abd\"")    \
  X(S, cn_ints, output_shape, CN_EMPTY_INTS, REQUIRED, "sizes without the batch axis; None: the input's")    \
  X(S, cn_ref, activation, CN_NAME("linear"), ACTIVATION, "applied to the output")                           \
  X(S, const char *, bias_axes, NULL, ANY, "letters of the output that the bias has; None: no bias")         \
  CN_KERNEL_AND_BIAS_(X, S)                                                                                  \
  CN_LORA_(X, S)
CN_LAYER_DECLARE(EinsumDense, CN_EINSUM_DENSE)
#ifndef __cplusplus
#define cn_EinsumDense(...) CN_MAKE_LAYER_(EinsumDense, CN_EINSUM_DENSE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
