/* Convolutions of 1 to 3 spatial axes, through the seam in core/conv. Floats only, all inputs of one dtype. Names and meaning: keras.ops.
 * inputs [batch, axes..., channels], with data_format "channels_first" [batch, channels, axes...]; kernels as said below, whatever the data_format. strides and
 * dilation_rate: one number, or one for each axis. padding "valid": only positions where the kernel lies inside, (in - (kernel - 1) dilation - 1) / strides + 1
 * of them; "same": in / strides rounded up, the zeros shared between both ends, the odd one behind. Sizes that do not fit, and an output that would be empty,
 * are a SHAPE error that names both shapes: `conv: 3 input channels of the kernel do not divide the inputs' 2: inputs [1,5,2], kernel [3,3,2]`. */
#ifndef CN_AUTOGRAD_OPS_CONV_H
#define CN_AUTOGRAD_OPS_CONV_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_WINDOW_(X, S)                                                                                   \
  X(S, cn_size, strides, { { 1 } }, POSITIVE, "steps between positions, one or one an axis")                \
  X(S, const char *, padding, "valid", ANY, "valid or same")
#define CN_WINDOW_END_(X, S)                                                                               \
  X(S, const char *, data_format, NULL, DATA_FORMAT, "channels_last (None) or channels_first")              \
  X(S, cn_size, dilation_rate, { { 1 } }, POSITIVE, "steps between the kernel's taps, one or one an axis")

/* y[n, o, j] = sum over k and i of x[n, o strides + k dilation_rate - padding, i] kernel[k, i, j]: kernel [axes..., in channels / groups, filters] -> [batch,
 * axes..., filters]. Where the kernel has fewer input channels than the inputs there are `groups` = inputs' / kernel's, and the filters of a group see its
 * channels alone. */
#define CN_LIST_CONV(X, S) CN_IN(X, S, inputs, "[batch, axes..., channels]") CN_IN(X, S, kernel, "[axes..., channels / groups, filters]") CN_WINDOW_(X, S) CN_WINDOW_END_(X, S)
CN_OP_DECLARE(conv, CN_LIST_CONV)
/* The same with what the layers need: act(conv(inputs, kernel) + bias), bias [filters]; and padding "causal" for one axis: (kernel - 1) dilation_rate zeros in
 * front, none behind. activation: 0 none, 1 relu, 2 tanh, 3 sigmoid. Cornu's own. */
#define CN_LIST_CONV_BIAS(X, S)                                                                                                                                              \
  CN_IN(X, S, inputs, "[batch, axes..., channels]") CN_IN(X, S, kernel, "[axes..., channels / groups, filters]") CN_IN_OPTIONAL(X, S, bias, "[filters]") CN_WINDOW_(X, S)     \
  CN_WINDOW_END_(X, S) X(S, int64_t, activation, 0, NONNEGATIVE, "0 none, 1 relu, 2 tanh, 3 sigmoid")
CN_OP_DECLARE(conv_bias, CN_LIST_CONV_BIAS)
/* Each channel by itself: y[n, o, i m + j] = sum over k of x[n, o strides + k dilation_rate - padding, i] kernel[k, i, j]; kernel [axes..., channels,
 * multiplier m] -> [batch, axes..., channels m]. */
CN_OP_DECLARE(depthwise_conv, CN_LIST_CONV)
/* conv(depthwise_conv(inputs, depthwise_kernel, the options), pointwise_kernel); pointwise_kernel [1..., channels m, filters]. */
#define CN_LIST_SEPARABLE_CONV(X, S)                                                                                                              \
  CN_IN(X, S, inputs, "[batch, axes..., channels]") CN_IN(X, S, depthwise_kernel, "[axes..., channels, multiplier]")                              \
  CN_IN(X, S, pointwise_kernel, "[1..., channels multiplier, filters]") CN_WINDOW_(X, S) CN_WINDOW_END_(X, S)
CN_OP_DECLARE(separable_conv, CN_LIST_SEPARABLE_CONV)
/* The gradient of conv for its input, as a layer that enlarges: y[n, i strides + k dilation_rate - crop, j] sums x[n, i, c] kernel[k, j, c]; kernel [axes...,
 * filters, channels]. With reach = (kernel - 1) dilation_rate + 1: "valid": (in - 1) strides + reach + output_padding, which is max(reach, strides) - reach
 * where it is None; "same": in strides, or (in - 1) strides + reach % 2 + output_padding. What is cut off in front: nothing for "valid"; for "same" reach - 1 -
 * min(half of p rounded up, reach - 1) where p = strides + reach - 2, or reach + reach % 2 - 2 + output_padding. */
#define CN_LIST_CONV_TRANSPOSE(X, S)                                                                                                                            \
  CN_IN(X, S, inputs, "[batch, axes..., channels]") CN_IN(X, S, kernel, "[axes..., filters, channels]") CN_WINDOW_(X, S)                                        \
  X(S, cn_ints, output_padding, CN_NONE_INTS, NONNEGATIVE, "added behind, one number or one an axis; None: as padding says") CN_WINDOW_END_(X, S)
CN_OP_DECLARE(conv_transpose, CN_LIST_CONV_TRANSPOSE)

/* What those are made of, and closed under gradients: the sum over n, o, k, i, j of x[n, o strides + k dilation_rate - padding, i] kernel[k, i, j] y[n, o, j],
 * left open in y, in x or in kernel. Channels last, a number for each axis in each list (an empty one: ones; padding: zeros); `padding` counts zeros in front,
 * what is missing behind is zero too; `sizes` are the axes of the result. Cornu's own. */
#define CN_TAPS_(X, S)                                                                             \
  X(S, cn_ints, sizes, CN_EMPTY_INTS, NONNEGATIVE, "the result's axes")                            \
  X(S, cn_ints, strides, CN_EMPTY_INTS, POSITIVE, "steps between positions")                       \
  X(S, cn_ints, padding, CN_EMPTY_INTS, NONNEGATIVE, "zeros in front")                             \
  X(S, cn_ints, dilation_rate, CN_EMPTY_INTS, POSITIVE, "steps between taps")                      \
  X(S, int64_t, groups, 1, POSITIVE, "groups of channels that are by themselves")
/* act(conv + bias) [batch, sizes..., filters] */
#define CN_LIST_CONV_GENERAL(X, S)                                                                                                                                            \
  CN_IN(X, S, inputs, "[batch, axes..., channels]") CN_IN(X, S, kernel, "[axes..., channels / groups, filters]") CN_IN_OPTIONAL(X, S, bias, "[filters]") CN_TAPS_(X, S)       \
  X(S, int64_t, activation, 0, NONNEGATIVE, "0 none, 1 relu, 2 tanh, 3 sigmoid")
CN_OP_DECLARE(conv_general, CN_LIST_CONV_GENERAL)
/* gx [batch, sizes..., channels] */
#define CN_LIST_CONV_INPUT_GRADIENT(X, S) CN_IN(X, S, gradient, "of conv's output") CN_IN(X, S, kernel, "conv's kernel") CN_TAPS_(X, S)
CN_OP_DECLARE(conv_input_gradient, CN_LIST_CONV_INPUT_GRADIENT)
/* gkernel [sizes..., channels / groups, filters] */
#define CN_LIST_CONV_KERNEL_GRADIENT(X, S) CN_IN(X, S, inputs, "conv's input") CN_IN(X, S, gradient, "of conv's output") CN_TAPS_(X, S)
CN_OP_DECLARE(conv_kernel_gradient, CN_LIST_CONV_KERNEL_GRADIENT)

#ifndef __cplusplus
#define cn_conv(...) CN_CALL_(conv, CN_LIST_CONV, __VA_ARGS__)
#define cn_conv_bias(...) CN_CALL_(conv_bias, CN_LIST_CONV_BIAS, __VA_ARGS__)
#define cn_depthwise_conv(...) CN_CALL_(depthwise_conv, CN_LIST_CONV, __VA_ARGS__)
#define cn_separable_conv(...) CN_CALL_(separable_conv, CN_LIST_SEPARABLE_CONV, __VA_ARGS__)
#define cn_conv_transpose(...) CN_CALL_(conv_transpose, CN_LIST_CONV_TRANSPOSE, __VA_ARGS__)
#define cn_conv_general(...) CN_CALL_(conv_general, CN_LIST_CONV_GENERAL, __VA_ARGS__)
#define cn_conv_input_gradient(...) CN_CALL_(conv_input_gradient, CN_LIST_CONV_INPUT_GRADIENT, __VA_ARGS__)
#define cn_conv_kernel_gradient(...) CN_CALL_(conv_kernel_gradient, CN_LIST_CONV_KERNEL_GRADIENT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
