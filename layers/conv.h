/* Convolution layers: Conv1D to 3D, Conv1DTranspose to 3D, DepthwiseConv1D and 2D, SeparableConv1D and 2D. [n, axes..., c], or with channels_first [n, c,
 * axes...]. They drop masks. The operations' formulas: autograd/ops_conv.h. */
#ifndef CN_LAYERS_CONV_H
#define CN_LAYERS_CONV_H
#include "core_layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_FILTERS_(X, S) X(S, int64_t, filters, CN_REQUIRED, POSITIVE, "channels of the output")
#define CN_CONV_WINDOW_(X, S)                                                                              \
  X(S, cn_size, kernel_size, { { 0 } }, POSITIVE, "of the kernel, one or one an axis; required")           \
  X(S, cn_size, strides, { { 1 } }, POSITIVE, "steps between positions, one or one an axis")
#define CN_CONV_PADDING_(X, S) X(S, const char *, padding, "valid", ANY, "valid or same; Conv1D: causal too")
#define CN_CONV_DILATION_(X, S) X(S, cn_size, dilation_rate, { { 1 } }, POSITIVE, "steps between the kernel's taps, one or one an axis")
#define CN_CONV_ACTIVATION_(X, S)                                                                          \
  X(S, cn_ref, activation, CN_NAME("linear"), ACTIVATION, "applied to the output")                         \
  X(S, bool, use_bias, true, ANY, "whether a bias [filters] is added")
#define CN_DEPTH_MULTIPLIER_(X, S) X(S, int64_t, depth_multiplier, 1, POSITIVE, "outputs of each channel")

/* activation(conv(x, kernel) + bias): kernel [axes..., c / groups, filters], bias [filters]. strides and dilation_rate cannot both be above 1. Keras' Conv1D to
 * 3D. */
#define CN_CONV_LAYER(X, S)                                                                                \
  CN_FILTERS_(X, S) CN_CONV_WINDOW_(X, S) CN_CONV_PADDING_(X, S) CN_DATA_FORMAT_(X, S) CN_CONV_DILATION_(X, S) \
  X(S, int64_t, groups, 1, POSITIVE, "groups of channels that are by themselves; divides channels and filters") \
  CN_CONV_ACTIVATION_(X, S) CN_KERNEL_AND_BIAS_(X, S) CN_LORA_(X, S)
CN_LAYER_DECLARE(Conv1D, CN_CONV_LAYER)
CN_LAYER_DECLARE(Conv2D, CN_CONV_LAYER)
CN_LAYER_DECLARE(Conv3D, CN_CONV_LAYER)

/* activation(conv_transpose(x, kernel) + bias): kernel [axes..., filters, c], bias [filters]. strides and dilation_rate cannot both be above 1; output_padding
 * is below strides. Keras' Conv1DTranspose to 3D. */
#define CN_CONV_TRANSPOSE_LAYER(X, S)                                                                      \
  CN_FILTERS_(X, S) CN_CONV_WINDOW_(X, S) CN_CONV_PADDING_(X, S)                                           \
  X(S, cn_ints, output_padding, CN_NONE_INTS, NONNEGATIVE, "added behind, one or one an axis; None: as padding says") \
  CN_DATA_FORMAT_(X, S) CN_CONV_DILATION_(X, S) CN_CONV_ACTIVATION_(X, S) CN_KERNEL_AND_BIAS_(X, S)
CN_LAYER_DECLARE(Conv1DTranspose, CN_CONV_TRANSPOSE_LAYER)
CN_LAYER_DECLARE(Conv2DTranspose, CN_CONV_TRANSPOSE_LAYER)
CN_LAYER_DECLARE(Conv3DTranspose, CN_CONV_TRANSPOSE_LAYER)

/* Each channel by itself: kernel [axes..., c, depth_multiplier], bias [c depth_multiplier]. Keras' DepthwiseConv1D and 2D. */
#define CN_DEPTHWISE_CONV_LAYER(X, S)                                                                      \
  CN_CONV_WINDOW_(X, S) CN_CONV_PADDING_(X, S) CN_DEPTH_MULTIPLIER_(X, S) CN_DATA_FORMAT_(X, S) CN_CONV_DILATION_(X, S) CN_CONV_ACTIVATION_(X, S) \
  X(S, cn_ref, depthwise_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of the kernel")             \
  X(S, cn_ref, bias_initializer, CN_NAME("zeros"), INITIALIZER, "of the bias")                             \
  X(S, cn_ref, depthwise_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the kernel")                   \
  X(S, cn_ref, bias_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the bias")                          \
  X(S, cn_ref, depthwise_constraint, CN_NONE_REF, CONSTRAINT, "projection of the kernel after each update") \
  X(S, cn_ref, bias_constraint, CN_NONE_REF, CONSTRAINT, "projection of the bias after each update")
CN_LAYER_DECLARE(DepthwiseConv1D, CN_DEPTHWISE_CONV_LAYER)
CN_LAYER_DECLARE(DepthwiseConv2D, CN_DEPTHWISE_CONV_LAYER)

/* A depthwise convolution, then one of kernel size 1: depthwise_kernel [axes..., c, depth_multiplier], pointwise_kernel [1..., c depth_multiplier, filters],
 * bias [filters]. Keras' SeparableConv1D and 2D. */
#define CN_SEPARABLE_CONV_LAYER(X, S)                                                                      \
  CN_FILTERS_(X, S) CN_CONV_WINDOW_(X, S) CN_CONV_PADDING_(X, S) CN_DATA_FORMAT_(X, S) CN_CONV_DILATION_(X, S) CN_DEPTH_MULTIPLIER_(X, S) CN_CONV_ACTIVATION_(X, S) \
  X(S, cn_ref, depthwise_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of depthwise_kernel")       \
  X(S, cn_ref, pointwise_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of pointwise_kernel")       \
  X(S, cn_ref, bias_initializer, CN_NAME("zeros"), INITIALIZER, "of the bias")                             \
  X(S, cn_ref, depthwise_regularizer, CN_NONE_REF, REGULARIZER, "penalty on depthwise_kernel")             \
  X(S, cn_ref, pointwise_regularizer, CN_NONE_REF, REGULARIZER, "penalty on pointwise_kernel")             \
  X(S, cn_ref, bias_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the bias")                          \
  X(S, cn_ref, depthwise_constraint, CN_NONE_REF, CONSTRAINT, "projection of depthwise_kernel after each update") \
  X(S, cn_ref, pointwise_constraint, CN_NONE_REF, CONSTRAINT, "projection of pointwise_kernel after each update") \
  X(S, cn_ref, bias_constraint, CN_NONE_REF, CONSTRAINT, "projection of the bias after each update")
CN_LAYER_DECLARE(SeparableConv1D, CN_SEPARABLE_CONV_LAYER)
CN_LAYER_DECLARE(SeparableConv2D, CN_SEPARABLE_CONV_LAYER)

#ifndef __cplusplus
#define cn_Conv1D(...) CN_MAKE_LAYER_(Conv1D, CN_CONV_LAYER, __VA_ARGS__)
#define cn_Conv2D(...) CN_MAKE_LAYER_(Conv2D, CN_CONV_LAYER, __VA_ARGS__)
#define cn_Conv3D(...) CN_MAKE_LAYER_(Conv3D, CN_CONV_LAYER, __VA_ARGS__)
#define cn_Conv1DTranspose(...) CN_MAKE_LAYER_(Conv1DTranspose, CN_CONV_TRANSPOSE_LAYER, __VA_ARGS__)
#define cn_Conv2DTranspose(...) CN_MAKE_LAYER_(Conv2DTranspose, CN_CONV_TRANSPOSE_LAYER, __VA_ARGS__)
#define cn_Conv3DTranspose(...) CN_MAKE_LAYER_(Conv3DTranspose, CN_CONV_TRANSPOSE_LAYER, __VA_ARGS__)
#define cn_DepthwiseConv1D(...) CN_MAKE_LAYER_(DepthwiseConv1D, CN_DEPTHWISE_CONV_LAYER, __VA_ARGS__)
#define cn_DepthwiseConv2D(...) CN_MAKE_LAYER_(DepthwiseConv2D, CN_DEPTHWISE_CONV_LAYER, __VA_ARGS__)
#define cn_SeparableConv1D(...) CN_MAKE_LAYER_(SeparableConv1D, CN_SEPARABLE_CONV_LAYER, __VA_ARGS__)
#define cn_SeparableConv2D(...) CN_MAKE_LAYER_(SeparableConv2D, CN_SEPARABLE_CONV_LAYER, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
