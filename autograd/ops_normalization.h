/* Normalization. Floats only; several inputs have one dtype. `axis`: CN_INTS(1, 2); out of range is an INDEX error, one given twice a VALUE error, parameters
 * of another shape a SHAPE error. Epsilon None: 1e-7. Variances are those of the population (the mean of squared deviations). Names and meaning: keras.ops;
 * standardize, batch_norm_train and group_normalization are Cornu's own, for layers. */
#ifndef CN_AUTOGRAD_OPS_NORMALIZATION_H
#define CN_AUTOGRAD_OPS_NORMALIZATION_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LAST_AXIS_ { .v = (const int64_t[]){ -1 }, .n = 1 }
#define CN_NORM_EPSILON_(X, S) X(S, double, epsilon, CN_NONE_REAL, ANY, "added to the variance; None: 1e-7")
#define CN_LIST_STANDARDIZE(X, S)                                                                                                                                       \
  CN_IN(X, S, x, "input") CN_IN_OPTIONAL(X, S, gamma, "factor, of the normalized axes' shape") CN_IN_OPTIONAL(X, S, beta, "addend, of the normalized axes' shape") \
  X(S, cn_ints, axis, CN_LAST_AXIS_, ANY, "normalized axes") CN_NORM_EPSILON_(X, S) X(S, bool, center, true, ANY, "whether the mean is subtracted")
#define CN_LIST_LAYER_NORMALIZATION(X, S)                                                                                                                               \
  CN_IN(X, S, x, "input") CN_IN_OPTIONAL(X, S, gamma, "factor, of the normalized axes' shape") CN_IN_OPTIONAL(X, S, beta, "addend, of the normalized axes' shape") \
  X(S, cn_ints, axis, CN_LAST_AXIS_, ANY, "normalized axes") CN_NORM_EPSILON_(X, S) X(S, bool, rms_scaling, false, ANY, "deprecated: x / sqrt(variance + epsilon) gamma")
#define CN_LIST_RMS_NORMALIZATION(X, S) \
  CN_IN(X, S, x, "input") CN_IN_OPTIONAL(X, S, scale, "factor, broadcast to x") X(S, cn_ints, axis, CN_LAST_AXIS_, ANY, "normalized axes") CN_NORM_EPSILON_(X, S)
#define CN_LIST_NORMALIZE(X, S) \
  CN_IN(X, S, x, "input") X(S, cn_ints, axis, CN_LAST_AXIS_, ANY, "axes of the norm") X(S, int64_t, order, 2, POSITIVE, "of the norm") X(S, double, epsilon, CN_NONE_REAL, ANY, "smallest norm; None: 1e-7")

#define CN_LIST_MOMENTS(X, S)                                                                                                                                             \
  CN_IN(X, S, x, "input") X(S, cn_ints, axes, CN_NONE_INTS, ANY, "axes to reduce; None: all") X(S, bool, keepdims, false, ANY, "whether they stay, with size 1") \
  X(S, bool, synchronized, false, ANY, "accepted: there is one replica")
#define CN_LIST_BATCH_NORMALIZATION(X, S)                                                                                                                              \
  CN_IN(X, S, x, "input") CN_IN(X, S, mean, "of each channel") CN_IN(X, S, variance, "of each channel") CN_IN_OPTIONAL(X, S, offset, "added, of each channel")    \
  CN_IN_OPTIONAL(X, S, scale, "factor of each channel") X(S, int64_t, axis, CN_REQUIRED, ANY, "of the channels") X(S, double, epsilon, 0.001, ANY, "added to the variance")
#define CN_LIST_BATCH_NORM_TRAIN(X, S)                                                                                                         \
  CN_IN(X, S, x, "input") CN_IN_OPTIONAL(X, S, gamma, "factor of each channel") CN_IN_OPTIONAL(X, S, beta, "addend of each channel")      \
  X(S, int64_t, axis, -1, ANY, "of the channels") X(S, double, epsilon, 0.001, ANY, "added to the variance")
#define CN_LIST_GROUP_NORMALIZATION(X, S)                                                                                                     \
  CN_IN(X, S, x, "input of rank 2 or more") CN_IN_OPTIONAL(X, S, gamma, "factor of each channel") CN_IN_OPTIONAL(X, S, beta, "addend of each channel") \
  X(S, int64_t, groups, 32, ANY, "number of groups, which divides the channels; -1: as many as channels") X(S, int64_t, axis, -1, ANY, "of the channels")  \
  X(S, double, epsilon, 0.001, ANY, "added to the variance")

/* y = (x - mean) rstd gamma + beta over the axes, rstd = 1 / sqrt(mean((x - mean)^2) + epsilon); without `center` the mean counts as 0. Outputs: y, mean, rstd,
 * the last two with the axes as 1. One pass over memory each way. dx = rstd (d - mean(d) - h mean(d h)), d = dy gamma, h = (x - mean) rstd (Ba et al. 2016). */
typedef struct cn_standard { cn_tensor *y, *mean, *rstd; } cn_standard;
CN_OP_DECLARE(standardize, CN_LIST_STANDARDIZE)
/* standardize's y. */
CN_OP_DECLARE(layer_normalization, CN_LIST_LAYER_NORMALIZATION)
/* x / sqrt(mean(x^2) + epsilon) scale (Zhang and Sennrich 2019). */
CN_OP_DECLARE(rms_normalization, CN_LIST_RMS_NORMALIZATION)
/* x / max(norm of x over the axes, epsilon), the norm being the order-th root of the sum of |x|^order. Where the norm is below epsilon dx = dy / epsilon, else
 * (dy - y sum(dy dnorm)) / norm. */
CN_OP_DECLARE(normalize, CN_LIST_NORMALIZE)
/* Mean and variance over the axes in one pass over memory; the moments of nothing are NaN. dx = dmean / n + dvariance 2 (x - mean) / n. */
CN_OP_DECLARE(moments, CN_LIST_MOMENTS)
typedef struct cn_moments_result { cn_tensor *mean, *variance; } cn_moments_result;
/* y = (x - mean) scale / sqrt(variance + epsilon) + offset, the parameters [channels]. */
CN_OP_DECLARE(batch_normalization, CN_LIST_BATCH_NORMALIZATION)
/* The same with the batch's own mean and variance [channels] over all axes but `axis`, which are the further outputs; the gradient flows through them (Ioffe
 * and Szegedy 2015): dx = rstd (d - mean(d) - h mean(d h)) + dmean / n + dvariance 2 (x - mean) / n, d = dy gamma, h = (x - mean) rstd. */
CN_OP_DECLARE(batch_norm_train, CN_LIST_BATCH_NORM_TRAIN)
typedef struct cn_batch_norm_result { cn_tensor *y, *mean, *variance; } cn_batch_norm_result;
/* y = (x - mean) rstd gamma + beta, mean and rstd of each sample (axis 0) and each group of neighbouring channels (Wu and He 2018). Further outputs: mean, rstd
 * [samples, 1, groups, 1, 1]. */
CN_OP_DECLARE(group_normalization, CN_LIST_GROUP_NORMALIZATION)

#ifndef __cplusplus
static inline cn_moments_result cni_moments_result(cn_tensor *const *y) { return (cn_moments_result){ y[0], y[1] }; }
static inline cn_batch_norm_result cni_batch_norm_result(cn_tensor *const *y) { return (cn_batch_norm_result){ y[0], y[1], y[2] }; }
#define cn_moments(...) cni_moments_result(CN_CALL_OUTPUTS_(moments, CN_LIST_MOMENTS, __VA_ARGS__))
#define cn_batch_normalization(...) CN_CALL_(batch_normalization, CN_LIST_BATCH_NORMALIZATION, __VA_ARGS__)
#define cn_batch_norm_train(...) cni_batch_norm_result(CN_CALL_OUTPUTS_(batch_norm_train, CN_LIST_BATCH_NORM_TRAIN, __VA_ARGS__))
#define cn_group_normalization(...) CN_CALL_(group_normalization, CN_LIST_GROUP_NORMALIZATION, __VA_ARGS__)
static inline cn_standard cni_standard_result(cn_tensor *const *y) { return (cn_standard){ y[0], y[1], y[2] }; }
#define cn_standardize(...) cni_standard_result(CN_CALL_OUTPUTS_(standardize, CN_LIST_STANDARDIZE, __VA_ARGS__))
#define cn_layer_normalization(...) CN_CALL_(layer_normalization, CN_LIST_LAYER_NORMALIZATION, __VA_ARGS__)
#define cn_rms_normalization(...) CN_CALL_(rms_normalization, CN_LIST_RMS_NORMALIZATION, __VA_ARGS__)
#define cn_normalize(...) CN_CALL_(normalize, CN_LIST_NORMALIZE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
