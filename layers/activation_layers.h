/* Activations as layers, with options of their own or a weight: ReLU, LeakyReLU, PReLU, ELU, Softmax, ThresholdedReLU. Shapes and masks pass. */
#ifndef CN_LAYERS_ACTIVATION_LAYERS_H
#define CN_LAYERS_ACTIVATION_LAYERS_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x > threshold ? min(x, max_value) : negative_slope (x - threshold). Keras' ReLU. */
#define CN_RELU_LAYER(X, S)                                                                       \
  X(S, double, max_value, CN_NONE_REAL, NONNEGATIVE, "upper bound; None: none")                   \
  X(S, double, negative_slope, 0.0, NONNEGATIVE, "factor below the threshold")                    \
  X(S, double, threshold, 0.0, NONNEGATIVE, "values up to it are cut")
CN_LAYER_DECLARE(ReLU, CN_RELU_LAYER)

/* x >= 0 ? x : negative_slope x. Keras' LeakyReLU; configs of tf.keras call the option alpha. */
#define CN_LEAKY_RELU_LAYER(X, S) X(S, double, negative_slope, 0.3, NONNEGATIVE, "factor below 0")
CN_LAYER_DECLARE(LeakyReLU, CN_LEAKY_RELU_LAYER)

/* max(x, 0) - alpha max(-x, 0). Weight: alpha, of the input's shape without the batch axis, with size 1 along shared_axes. Keras' PReLU. */
#define CN_PRELU(X, S)                                                                            \
  X(S, cn_ref, alpha_initializer, CN_NAME("zeros"), INITIALIZER, "of alpha")                      \
  X(S, cn_ref, alpha_regularizer, CN_NONE_REF, REGULARIZER, "penalty on alpha")                   \
  X(S, cn_ref, alpha_constraint, CN_NONE_REF, CONSTRAINT, "projection of alpha after each update") \
  X(S, cn_ints, shared_axes, CN_NONE_INTS, ANY, "axes, counted from 1, along which alpha is one number")
CN_LAYER_DECLARE(PReLU, CN_PRELU)

/* x > 0 ? x : alpha (e^x - 1). Keras' ELU. */
#define CN_ELU_LAYER(X, S) X(S, double, alpha, 1.0, NUMBER, "factor below 0")
CN_LAYER_DECLARE(ELU, CN_ELU_LAYER)

/* e^x / sum of e^x over the axes. A mask (the explicit one of the call, of a shape that broadcasts to the input's, or the input's) takes elements out: their
 * output is 0, and all 0 where nothing is left. Keras' Softmax. */
#define CN_SOFTMAX_LAYER(X, S) X(S, cn_ints, axis, CN_INTS(-1), ANY, "axes of one distribution; None: all, the batch's too")
CN_LAYER_DECLARE(Softmax, CN_SOFTMAX_LAYER)

/* x > theta ? x : 0. tf.keras' ThresholdedReLU, which Keras 3 has no more. */
#define CN_THRESHOLDED_RELU(X, S) X(S, double, theta, 1.0, NONNEGATIVE, "values above it pass")
CN_LAYER_DECLARE(ThresholdedReLU, CN_THRESHOLDED_RELU)

#ifndef __cplusplus
#define cn_ReLU(...) CN_MAKE_LAYER_(ReLU, CN_RELU_LAYER, __VA_ARGS__)
#define cn_LeakyReLU(...) CN_MAKE_LAYER_(LeakyReLU, CN_LEAKY_RELU_LAYER, __VA_ARGS__)
#define cn_PReLU(...) CN_MAKE_LAYER_(PReLU, CN_PRELU, __VA_ARGS__)
#define cn_ELU(...) CN_MAKE_LAYER_(ELU, CN_ELU_LAYER, __VA_ARGS__)
#define cn_Softmax(...) CN_MAKE_LAYER_(Softmax, CN_SOFTMAX_LAYER, __VA_ARGS__)
#define cn_ThresholdedReLU(...) CN_MAKE_LAYER_(ThresholdedReLU, CN_THRESHOLDED_RELU, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
