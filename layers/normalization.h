/* Normalization layers: BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization, UnitNormalization. */
#ifndef CN_LAYERS_NORMALIZATION_H
#define CN_LAYERS_NORMALIZATION_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x / sqrt(max(sum of x^2 over the axes, 1e-24)). Shape and mask pass. Keras' UnitNormalization. */
#define CN_UNIT_NORMALIZATION(X, S) X(S, cn_ints, axis, CN_INTS(-1), ANY, "axes of the norm")
CN_LAYER_DECLARE(UnitNormalization, CN_UNIT_NORMALIZATION)

#define CN_CENTER_AND_SCALE_(X, S)                                                     \
  X(S, double, epsilon, 0.001, ANY, "added to the variance")                           \
  X(S, bool, center, true, ANY, "whether beta is added")                               \
  X(S, bool, scale, true, ANY, "whether gamma multiplies")
#define CN_BETA_AND_GAMMA_(X, S)                                                       \
  X(S, cn_ref, beta_initializer, CN_NAME("zeros"), INITIALIZER, "of beta")             \
  X(S, cn_ref, gamma_initializer, CN_NAME("ones"), INITIALIZER, "of gamma")
#define CN_BETA_AND_GAMMA_END_(X, S)                                                   \
  X(S, cn_ref, beta_regularizer, CN_NONE_REF, REGULARIZER, "penalty on beta")          \
  X(S, cn_ref, gamma_regularizer, CN_NONE_REF, REGULARIZER, "penalty on gamma")        \
  X(S, cn_ref, beta_constraint, CN_NONE_REF, CONSTRAINT, "projection of beta after each update") \
  X(S, cn_ref, gamma_constraint, CN_NONE_REF, CONSTRAINT, "projection of gamma after each update")

/* y = (x - mean) gamma / sqrt(variance + epsilon) + beta for each channel (Ioffe and Szegedy 2015). In training, unless the layer is frozen, mean and
 * population variance are the batch's over every axis but `axis`, those of a mask [n, ...] (x's shape but for the last axis) over what it lets through, and
 * moving = moving momentum + batch (1 - momentum); otherwise they are the moving ones. Weights: gamma, beta, moving_mean, moving_variance, each [channels].
 * With renorm (Ioffe 2017) gamma r and beta + gamma d take gamma's and beta's place in training: r = stddev / renorm_stddev, d = (mean - renorm_mean) /
 * renorm_stddev, constants to the gradient, r clipped to rmin .. rmax, d to -dmax .. dmax; three weights more: moving_stddev, renorm_mean, renorm_stddev. Shape
 * and mask pass. Keras' BatchNormalization. */
#define CN_BATCH_NORMALIZATION(X, S)                                                                                       \
  X(S, int64_t, axis, -1, ANY, "of the channels")                                                                          \
  X(S, double, momentum, 0.99, ANY, "weight of the old moving statistics")                                                 \
  CN_CENTER_AND_SCALE_(X, S) CN_BETA_AND_GAMMA_(X, S)                                                                      \
  X(S, cn_ref, moving_mean_initializer, CN_NAME("zeros"), INITIALIZER, "of moving_mean")                                   \
  X(S, cn_ref, moving_variance_initializer, CN_NAME("ones"), INITIALIZER, "of moving_variance")                            \
  CN_BETA_AND_GAMMA_END_(X, S)                                                                                             \
  X(S, bool, synchronized, false, ANY, "accepted: there is one replica")                                                   \
  X(S, bool, renorm, false, ANY, "whether training corrects the batch's statistics to the moving ones")                    \
  X(S, cn_reals, renorm_clipping, { .n = -1 }, ANY, "rmin, rmax, dmax; None: no bounds. A config has them by name") \
  X(S, double, renorm_momentum, 0.99, ANY, "weight of the old renorm_mean and renorm_stddev")
CN_LAYER_DECLARE(BatchNormalization, CN_BATCH_NORMALIZATION)

/* y = (x - mean) gamma / sqrt(variance + epsilon) + beta over the axes of each sample (Ba et al. 2016). Weights: gamma, beta of the axes' sizes. rms_scaling: x
 * gamma / sqrt(variance + epsilon), without beta. Shape and mask pass. Keras' LayerNormalization. */
#define CN_LAYER_NORMALIZATION(X, S)                                                    \
  X(S, cn_ints, axis, CN_INTS(-1), ANY, "normalized axes")                              \
  CN_CENTER_AND_SCALE_(X, S)                                                            \
  X(S, bool, rms_scaling, false, ANY, "deprecated: no mean is subtracted, no beta added") \
  CN_BETA_AND_GAMMA_(X, S) CN_BETA_AND_GAMMA_END_(X, S)
CN_LAYER_DECLARE(LayerNormalization, CN_LAYER_NORMALIZATION)

/* The same over each sample's groups of neighbouring channels (Wu and He 2018); groups -1: one for each channel. Weights: gamma, beta [channels]. Shape and
 * mask pass. Keras' GroupNormalization. */
#define CN_GROUP_NORMALIZATION(X, S)                                                    \
  X(S, int64_t, groups, 32, ANY, "number of groups, which divides the channels; -1: as many as channels") \
  X(S, int64_t, axis, -1, ANY, "of the channels")                                       \
  CN_CENTER_AND_SCALE_(X, S) CN_BETA_AND_GAMMA_(X, S) CN_BETA_AND_GAMMA_END_(X, S)
CN_LAYER_DECLARE(GroupNormalization, CN_GROUP_NORMALIZATION)

/* x scale / sqrt(mean of x^2 over the axes + epsilon) (Zhang and Sennrich 2019). Weight: scale of the axes' sizes, which are the last ones. The mask does not
 * pass. Keras' RMSNormalization. */
#define CN_RMS_NORMALIZATION(X, S)                                                      \
  X(S, cn_ints, axis, CN_INTS(-1), ANY, "normalized axes")                              \
  X(S, double, epsilon, 1e-6, ANY, "added to the mean of squares")
CN_LAYER_DECLARE(RMSNormalization, CN_RMS_NORMALIZATION)

/* A layer whose kernel (or embeddings) training divides by its largest singular value before each call, in place: v = l2(u W^T), u = l2(v W), power_iterations
 * times, sigma = v W u^T, W the kernel as [rows, d] (Miyato et al. 2018). The gradient is that of the divided kernel. Weights: the layer's kernel, vector_u [1,
 * d] (not trained), the layer's others. The output has the input's dtype. The mask does not pass. A layer without either is a VALUE error when built. Two
 * training calls before one backward are that one's STATE error where the first call's gradient needs the kernel it had. Keras' SpectralNormalization. */
#define CN_SPECTRAL_NORMALIZATION(X, S)                                                 \
  X(S, cn_layer *, layer, NULL, REQUIRED, "the layer inside")                           \
  X(S, int64_t, power_iterations, 1, POSITIVE, "steps of the power method in each training call")
CN_LAYER_DECLARE(SpectralNormalization, CN_SPECTRAL_NORMALIZATION)

#ifndef __cplusplus
#define cn_UnitNormalization(...) CN_MAKE_LAYER_(UnitNormalization, CN_UNIT_NORMALIZATION, __VA_ARGS__)
#define cn_BatchNormalization(...) CN_MAKE_LAYER_(BatchNormalization, CN_BATCH_NORMALIZATION, __VA_ARGS__)
#define cn_LayerNormalization(...) CN_MAKE_LAYER_(LayerNormalization, CN_LAYER_NORMALIZATION, __VA_ARGS__)
#define cn_GroupNormalization(...) CN_MAKE_LAYER_(GroupNormalization, CN_GROUP_NORMALIZATION, __VA_ARGS__)
#define cn_RMSNormalization(...) CN_MAKE_LAYER_(RMSNormalization, CN_RMS_NORMALIZATION, __VA_ARGS__)
#define cn_SpectralNormalization(...) CN_MAKE_LAYER_(SpectralNormalization, CN_SPECTRAL_NORMALIZATION, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
