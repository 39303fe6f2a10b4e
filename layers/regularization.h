/* Layers that act in training only: Dropout, SpatialDropout1D to 3D, AlphaDropout, GaussianDropout, GaussianNoise; and ActivityRegularization. Shapes and masks
 * pass. Each random layer owns a stream, whose key is the seed (else drawn from the graph at build); its counter is saved state. */
#ifndef CN_LAYERS_REGULARIZATION_H
#define CN_LAYERS_REGULARIZATION_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_SEED_(X, S) X(S, int64_t, seed, CN_NONE, ANY, "of the stream; None: drawn from the graph")

/* In training, sets each element to 0 with probability rate and scales the others by 1 / (1 - rate) (Srivastava et al. 2014); otherwise x. noise_shape: sizes
 * of the pattern, 1 where it is shared along an axis, None for the input's size. Keras' Dropout. */
#define CN_DROPOUT(X, S)                                                                              \
  X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of 0")                                      \
  X(S, cn_ints, noise_shape, CN_NONE_INTS, LIST, "shape of the pattern; None: the input's")            \
  CN_SEED_(X, S)
CN_LAYER_DECLARE(Dropout, CN_DROPOUT)

/* Dropout of whole channels: [n, t, c], [n, h, w, c], [n, d, h, w, c], or with channels_first [n, c, ...]. Keras' SpatialDropout1D to 3D (Tompson et al. 2015).
 */
#define CN_SPATIAL_DROPOUT_1D(X, S) X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of 0") CN_SEED_(X, S)
#define CN_SPATIAL_DROPOUT_2D(X, S)                                                                   \
  X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of 0")                                      \
  CN_DATA_FORMAT_(X, S)                                                                                \
  CN_SEED_(X, S)
CN_LAYER_DECLARE(SpatialDropout1D, CN_SPATIAL_DROPOUT_1D)
CN_LAYER_DECLARE(SpatialDropout2D, CN_SPATIAL_DROPOUT_2D)
CN_LAYER_DECLARE(SpatialDropout3D, CN_SPATIAL_DROPOUT_2D)

/* In training, a (u >= rate ? x : p) + b, with p = -1.7580993, a = 1 / sqrt((1 - rate)(1 + rate p^2)), b = -a rate p: zero mean and unit variance stay
 * (Klambauer et al. 2017). rate 1 leaves nothing and is a VALUE error in training. Keras' AlphaDropout. */
#define CN_ALPHA_DROPOUT(X, S)                                                                        \
  X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of p")                                      \
  X(S, cn_ints, noise_shape, CN_NONE_INTS, LIST, "shape of the pattern; None: the input's")           \
  CN_SEED_(X, S)
CN_LAYER_DECLARE(AlphaDropout, CN_ALPHA_DROPOUT)

/* In training, x times normal numbers of mean 1 and variance rate / (1 - rate). rate 1 is a VALUE error in training. Keras' GaussianDropout. */
#define CN_GAUSSIAN_DROPOUT(X, S) X(S, double, rate, CN_REQUIRED_REAL, UNIT, "as Dropout's: the same mean and variance") CN_SEED_(X, S)
CN_LAYER_DECLARE(GaussianDropout, CN_GAUSSIAN_DROPOUT)

/* In training, x plus normal numbers of mean 0. Keras' GaussianNoise. */
#define CN_GAUSSIAN_NOISE(X, S) X(S, double, stddev, CN_REQUIRED_REAL, UNIT, "standard deviation of the noise") CN_SEED_(X, S)
CN_LAYER_DECLARE(GaussianNoise, CN_GAUSSIAN_NOISE)

/* x, with the penalty (l1 sum |x| + l2 sum x^2) / n among the losses, n the batch size. Takes no activity_regularizer. Keras' ActivityRegularization. */
#define CN_ACTIVITY_REGULARIZATION(X, S)                                                              \
  X(S, double, l1, 0.0, NONNEGATIVE, "factor of the absolute values")                                 \
  X(S, double, l2, 0.0, NONNEGATIVE, "factor of the squares")
CN_LAYER_DECLARE(ActivityRegularization, CN_ACTIVITY_REGULARIZATION)

#ifndef __cplusplus
#define cn_Dropout(...) CN_MAKE_LAYER_(Dropout, CN_DROPOUT, __VA_ARGS__)
#define cn_SpatialDropout1D(...) CN_MAKE_LAYER_(SpatialDropout1D, CN_SPATIAL_DROPOUT_1D, __VA_ARGS__)
#define cn_SpatialDropout2D(...) CN_MAKE_LAYER_(SpatialDropout2D, CN_SPATIAL_DROPOUT_2D, __VA_ARGS__)
#define cn_SpatialDropout3D(...) CN_MAKE_LAYER_(SpatialDropout3D, CN_SPATIAL_DROPOUT_2D, __VA_ARGS__)
#define cn_AlphaDropout(...) CN_MAKE_LAYER_(AlphaDropout, CN_ALPHA_DROPOUT, __VA_ARGS__)
#define cn_GaussianDropout(...) CN_MAKE_LAYER_(GaussianDropout, CN_GAUSSIAN_DROPOUT, __VA_ARGS__)
#define cn_GaussianNoise(...) CN_MAKE_LAYER_(GaussianNoise, CN_GAUSSIAN_NOISE, __VA_ARGS__)
#define cn_ActivityRegularization(...) CN_MAKE_LAYER_(ActivityRegularization, CN_ACTIVITY_REGULARIZATION, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
