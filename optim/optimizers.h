/* The optimizer classes. w a variable, g its gradient, r the learning rate, t the step (1 in the first); slots start at 0 unless said. */
#ifndef CN_OPTIM_OPTIMIZERS_H
#define CN_OPTIM_OPTIMIZERS_H
#include "optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_RATE_(X, S, value) X(S, double, learning_rate, value, ANY, "step size")
#define CN_DECAY_(X, S, value) X(S, double, weight_decay, value, ANY, "decoupled decay: w -= w weight_decay learning_rate before the update")
#define CN_BETAS_(X, S, first, second)                                            \
  X(S, double, beta_1, first, UNIT, "decay of the first moment")                  \
  X(S, double, beta_2, second, UNIT, "decay of the second moment")
#define CN_EPSILON_(X, S, value) X(S, double, epsilon, value, ANY, "keeps denominators from 0")

/* w -= r g. With momentum: v = momentum v - r g, w += v; nesterov: w += momentum v - r g. */
#define CN_OPTIMIZER_SGD(X, S)                                                    \
  CN_RATE_(X, S, 0.01)                                                            \
  X(S, double, momentum, 0.0, UNIT, "share of the last step that is taken again") \
  X(S, bool, nesterov, false, ANY, "looks one step of momentum ahead")            \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* v = rho v + (1 - rho) g^2; d = v + epsilon; centered: a = rho a + (1 - rho) g, d = v - a^2 + epsilon; i = r g / sqrt(d); momentum: b = momentum b + i, w
 * -= b; else w -= i. */
#define CN_OPTIMIZER_RMSPROP(X, S)                                                \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, rho, 0.9, UNIT, "decay of the mean square")                        \
  X(S, double, momentum, 0.0, UNIT, "share of the last step that is taken again") \
  CN_EPSILON_(X, S, 1e-7)                                                         \
  X(S, bool, centered, false, ANY, "divides by the standard deviation")           \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* m += (g - m)(1 - beta_1); v += (g^2 - v)(1 - beta_2); amsgrad: u = max(u, v), else u = v; w -= r sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(u) +
 * epsilon). Kingma and Ba 2014. */
#define CN_OPTIMIZER_ADAM(X, S)                                                   \
  CN_RATE_(X, S, 0.001) CN_BETAS_(X, S, 0.9, 0.999) CN_EPSILON_(X, S, 1e-7)       \
  X(S, bool, amsgrad, false, ANY, "divides by the largest second moment so far")  \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)
/* Adam with decoupled weight decay, which may not be None. Loshchilov and Hutter 2019. */
#define CN_OPTIMIZER_ADAMW(X, S)                                                  \
  CN_RATE_(X, S, 0.001) CN_DECAY_(X, S, 0.004) CN_BETAS_(X, S, 0.9, 0.999) CN_EPSILON_(X, S, 1e-7) \
  X(S, bool, amsgrad, false, ANY, "divides by the largest second moment so far")  \
  CN_OPTIMIZER_LIST(X, S)
/* m as in Adam; u = max(beta_2 u, |g|); w -= r m / ((1 - beta_1^t)(u + epsilon)). */
#define CN_OPTIMIZER_ADAMAX(X, S)                                                 \
  CN_RATE_(X, S, 0.001) CN_BETAS_(X, S, 0.9, 0.999) CN_EPSILON_(X, S, 1e-7)       \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)
/* c_t = beta_1 (1 - 0.96^t / 2), P = product of c_1 .. c_t; m, v as in Adam; M = c_(t+1) m / (1 - P c_(t+1)) + (1 - c_t) g / (1 - P); w -= r M / (sqrt(v /
 * (1 - beta_2^t)) + epsilon). Dozat 2015. */
#define CN_OPTIMIZER_NADAM(X, S) CN_OPTIMIZER_ADAMAX(X, S)

/* a += g^2; w -= r g / sqrt(a + epsilon). */
#define CN_OPTIMIZER_ADAGRAD(X, S)                                                \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, initial_accumulator_value, 0.1, NONNEGATIVE, "start of a")         \
  CN_EPSILON_(X, S, 1e-7)                                                         \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)
/* e = rho e + (1 - rho) g^2; s = -sqrt(d + epsilon) g / sqrt(e + epsilon); d = rho d + (1 - rho) s^2; w += r s. Zeiler 2012. */
#define CN_OPTIMIZER_ADADELTA(X, S)                                               \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, rho, 0.95, UNIT, "decay of the means")                             \
  CN_EPSILON_(X, S, 1e-7)                                                         \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* p = -learning_rate_power, n = a + g^2, l2' = l2 + beta / (2 r): z += g + 2 shrinkage w - (n^p - a^p) w / r; w = (clip(z, -l1, l1) - z) / (n^p / r + 2
 * l2'); a = n. McMahan et al. 2013. */
#define CN_OPTIMIZER_FTRL(X, S)                                                   \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, learning_rate_power, -0.5, ANY, "at most 0")                       \
  X(S, double, initial_accumulator_value, 0.1, NONNEGATIVE, "start of a")         \
  X(S, double, l1_regularization_strength, 0.0, NONNEGATIVE, "")                  \
  X(S, double, l2_regularization_strength, 0.0, NONNEGATIVE, "")                  \
  X(S, double, l2_shrinkage_regularization_strength, 0.0, NONNEGATIVE, "")        \
  X(S, double, beta, 0.0, ANY, "")                                                \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* w -= r sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g. Chen et al. 2023. */
#define CN_OPTIMIZER_LION(X, S)                                                   \
  CN_RATE_(X, S, 0.001) CN_BETAS_(X, S, 0.9, 0.99)                                \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* m, v as in Adam; u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon); w -= r u |w| / |u| (the ratio is 1 where a norm is 0). You et al. 2020. */
#define CN_OPTIMIZER_LAMB(X, S) CN_OPTIMIZER_ADAMAX(X, S)

/* r' = min(r, 1 / sqrt(t)) with relative_step, else r; a = max(epsilon_2, rms(w)) min(r', 1 / sqrt(t)); G = g^2 + epsilon_1; b = 1 - t^beta_2_decay; rank 2
 * and more: row and column means of G decayed by b,
 * v = (r / mean(r)) c; else v = b v + (1 - b) G; u = g / sqrt(v); w -= a u / max(1, rms(u) / clip_threshold). Shazeer and Stern 2018. */
#define CN_OPTIMIZER_ADAFACTOR(X, S)                                              \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, beta_2_decay, -0.8, ANY, "exponent of the second moment's decay")  \
  X(S, double, epsilon_1, 1e-30, ANY, "added to squares")                         \
  X(S, double, epsilon_2, 1e-3, ANY, "least scale of a variable")                 \
  X(S, double, clip_threshold, 1.0, ANY, "largest root mean square of an update") \
  X(S, bool, relative_step, true, ANY, "the rate falls with the step")            \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* Matrices: m = g + momentum m; G = g + momentum m (nesterov) or m; G / (|G| + 1e-7), then ns_steps times X = muon_a X + (muon_b A + muon_c A^2) X with A =
 * X X^T (of the wide form);
 * w -= r X sqrt(max(rows, columns)) rms_rate. Everything else (rank other than 2, paths with "embedding", paths matching exclude_layers): Adam with learning
 * rate r adam_lr_ratio and decay adam_weight_decay. Jordan 2024. */
#define CN_OPTIMIZER_MUON(X, S)                                                   \
  CN_RATE_(X, S, 0.001)                                                           \
  X(S, double, adam_beta_1, 0.9, UNIT, "")                                        \
  X(S, double, adam_beta_2, 0.999, UNIT, "")                                      \
  X(S, double, adam_weight_decay, 0.004, ANY, "")                                 \
  CN_EPSILON_(X, S, 1e-7)                                                         \
  CN_DECAY_(X, S, 0.004)                                                          \
  X(S, double, muon_a, 3.4445, ANY, "")                                           \
  X(S, double, muon_b, -4.775, ANY, "")                                           \
  X(S, double, muon_c, 2.0315, ANY, "")                                           \
  X(S, double, adam_lr_ratio, 1.0, ANY, "")                                       \
  X(S, double, momentum, 0.95, UNIT, "")                                          \
  X(S, int64_t, ns_steps, 5, NONNEGATIVE, "steps of the Newton-Schulz iteration") \
  X(S, bool, nesterov, true, ANY, "")                                             \
  X(S, cn_strings, exclude_layers, { 0 }, ANY, "patterns (POSIX extended) of paths that use Adam") \
  X(S, bool, exclude_embeddings, true, ANY, "paths with \"embedding\" use Adam")  \
  X(S, double, rms_rate, 0.2, ANY, "None: no factor of the size")                 \
  CN_OPTIMIZER_LIST(X, S)

/* r' = r min(t / warmup_steps, 1); v as in Adam; z -= r' g / (sqrt(v / (1 - beta_2^t)) + epsilon); x = (w - (1 - beta_1) z) / beta_1; x = (1 - 1/t) x + z /
 * t; w = (1 - beta_1) z + beta_1 x. z starts as w. Defazio et al. 2024. */
#define CN_OPTIMIZER_SCHEDULE_FREE_ADAMW(X, S)                                    \
  CN_RATE_(X, S, 0.0025) CN_BETAS_(X, S, 0.9, 0.999) CN_EPSILON_(X, S, 1e-8)      \
  X(S, int64_t, warmup_steps, 0, NONNEGATIVE, "steps in which the rate rises")    \
  CN_DECAY_(X, S, CN_NONE_REAL) CN_OPTIMIZER_LIST(X, S)

/* Gradients (of the loss times the scale) are divided by the scale and handed to the inner optimizer; where one is not finite the step is left out and the
 * scale halved; after dynamic_growth_steps finite steps it is doubled. */
#define CN_OPTIMIZER_LOSS_SCALE(X, S)                                             \
  X(S, cn_ref, inner_optimizer, CN_NONE_REF, OPTIMIZER, "\"adam(1e-3)\" or an object") \
  X(S, double, initial_scale, 32768.0, POSITIVE, "first scale of the loss")       \
  X(S, int64_t, dynamic_growth_steps, 2000, POSITIVE, "finite steps after which the scale doubles") \
  CN_OPTIMIZER_LIST(X, S)

/* Several optimizers, each for its variables: cn_optimizer_map adds patterns, the default takes the rest. */
#define CN_OPTIMIZER_MULTI(X, S)                                                  \
  X(S, cn_ref, default_optimizer, CN_NONE_REF, OPTIMIZER, "of variables that no pattern matches") \
  CN_OPTIMIZER_LIST(X, S)

CN_OPTIMIZER_DECLARE(SGD, CN_OPTIMIZER_SGD)
CN_OPTIMIZER_DECLARE(RMSprop, CN_OPTIMIZER_RMSPROP)
CN_OPTIMIZER_DECLARE(Adam, CN_OPTIMIZER_ADAM)
CN_OPTIMIZER_DECLARE(AdamW, CN_OPTIMIZER_ADAMW)
CN_OPTIMIZER_DECLARE(Adamax, CN_OPTIMIZER_ADAMAX)
CN_OPTIMIZER_DECLARE(Nadam, CN_OPTIMIZER_NADAM)
CN_OPTIMIZER_DECLARE(Adagrad, CN_OPTIMIZER_ADAGRAD)
CN_OPTIMIZER_DECLARE(Adadelta, CN_OPTIMIZER_ADADELTA)
CN_OPTIMIZER_DECLARE(Ftrl, CN_OPTIMIZER_FTRL)
CN_OPTIMIZER_DECLARE(Lion, CN_OPTIMIZER_LION)
CN_OPTIMIZER_DECLARE(Lamb, CN_OPTIMIZER_LAMB)
CN_OPTIMIZER_DECLARE(Adafactor, CN_OPTIMIZER_ADAFACTOR)
CN_OPTIMIZER_DECLARE(Muon, CN_OPTIMIZER_MUON)
CN_OPTIMIZER_DECLARE(ScheduleFreeAdamW, CN_OPTIMIZER_SCHEDULE_FREE_ADAMW)
CN_OPTIMIZER_DECLARE(LossScaleOptimizer, CN_OPTIMIZER_LOSS_SCALE)
CN_OPTIMIZER_DECLARE(MultiOptimizer, CN_OPTIMIZER_MULTI)

/* Variables whose path matches the pattern (a POSIX extended regular expression, from the path's start) go to `inner`; the first pattern that matches
 * counts. Before the optimizer is built. The pattern is copied, inner is held. */
CN_API bool cn_optimizer_map(cn_optimizer *multi, const char *pattern, cn_optimizer *inner);

#ifndef __cplusplus
#define cn_optimizer_SGD(...) CN_MAKE_OPTIMIZER_(SGD, CN_OPTIMIZER_SGD, __VA_ARGS__)
#define cn_optimizer_RMSprop(...) CN_MAKE_OPTIMIZER_(RMSprop, CN_OPTIMIZER_RMSPROP, __VA_ARGS__)
#define cn_optimizer_Adam(...) CN_MAKE_OPTIMIZER_(Adam, CN_OPTIMIZER_ADAM, __VA_ARGS__)
#define cn_optimizer_AdamW(...) CN_MAKE_OPTIMIZER_(AdamW, CN_OPTIMIZER_ADAMW, __VA_ARGS__)
#define cn_optimizer_Adamax(...) CN_MAKE_OPTIMIZER_(Adamax, CN_OPTIMIZER_ADAMAX, __VA_ARGS__)
#define cn_optimizer_Nadam(...) CN_MAKE_OPTIMIZER_(Nadam, CN_OPTIMIZER_NADAM, __VA_ARGS__)
#define cn_optimizer_Adagrad(...) CN_MAKE_OPTIMIZER_(Adagrad, CN_OPTIMIZER_ADAGRAD, __VA_ARGS__)
#define cn_optimizer_Adadelta(...) CN_MAKE_OPTIMIZER_(Adadelta, CN_OPTIMIZER_ADADELTA, __VA_ARGS__)
#define cn_optimizer_Ftrl(...) CN_MAKE_OPTIMIZER_(Ftrl, CN_OPTIMIZER_FTRL, __VA_ARGS__)
#define cn_optimizer_Lion(...) CN_MAKE_OPTIMIZER_(Lion, CN_OPTIMIZER_LION, __VA_ARGS__)
#define cn_optimizer_Lamb(...) CN_MAKE_OPTIMIZER_(Lamb, CN_OPTIMIZER_LAMB, __VA_ARGS__)
#define cn_optimizer_Adafactor(...) CN_MAKE_OPTIMIZER_(Adafactor, CN_OPTIMIZER_ADAFACTOR, __VA_ARGS__)
#define cn_optimizer_Muon(...) CN_MAKE_OPTIMIZER_(Muon, CN_OPTIMIZER_MUON, __VA_ARGS__)
#define cn_optimizer_ScheduleFreeAdamW(...) CN_MAKE_OPTIMIZER_(ScheduleFreeAdamW, CN_OPTIMIZER_SCHEDULE_FREE_ADAMW, __VA_ARGS__)
#define cn_optimizer_LossScaleOptimizer(...) CN_MAKE_OPTIMIZER_(LossScaleOptimizer, CN_OPTIMIZER_LOSS_SCALE, __VA_ARGS__)
#define cn_optimizer_MultiOptimizer(...) CN_MAKE_OPTIMIZER_(MultiOptimizer, CN_OPTIMIZER_MULTI, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
