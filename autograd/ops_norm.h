/* Normalization. Floats only; several inputs have one dtype. `axis`: CN_INTS(1, 2); out of range is an INDEX error, one given twice a VALUE error, parameters of another shape a SHAPE error. Epsilon None: 1e-7.
 * Variances are those of the population (the mean of squared deviations). Names and meaning: keras.ops; standardize, batch_norm_train and group_normalization are Cornu's own, for layers. */
#ifndef CN_AUTOGRAD_OPS_NORM_H
#define CN_AUTOGRAD_OPS_NORM_H
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

/* y = (x - mean) rstd gamma + beta over the axes, rstd = 1 / sqrt(mean((x - mean)^2) + epsilon); without `center` the mean counts as 0. Outputs: y, mean, rstd, the last two with the axes as 1. One pass over memory
 * each way. dx = rstd (d - mean(d) - h mean(d h)), d = dy gamma, h = (x - mean) rstd (Ba et al. 2016). */
typedef struct cn_standard { cn_tensor *y, *mean, *rstd; } cn_standard;
CN_OP_DECLARE(standardize, CN_LIST_STANDARDIZE)
/* standardize's y. */
CN_OP_DECLARE(layer_normalization, CN_LIST_LAYER_NORMALIZATION)
/* x / sqrt(mean(x^2) + epsilon) scale (Zhang and Sennrich 2019). */
CN_OP_DECLARE(rms_normalization, CN_LIST_RMS_NORMALIZATION)
/* x / max(norm of x over the axes, epsilon), the norm being the order-th root of the sum of |x|^order. Where the norm is below epsilon dx = dy / epsilon, else (dy - y sum(dy dnorm)) / norm. */
CN_OP_DECLARE(normalize, CN_LIST_NORMALIZE)
#ifndef __cplusplus
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
