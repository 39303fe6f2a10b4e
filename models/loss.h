/* Losses. A loss computes values per sample from y_true and y_pred, weighs them and reduces them, as keras.losses.Loss does:
 * values V; a mask of y_pred (and of the loss itself: ignored classes) weighs total/valid where it holds for the reductions that are means; times
 * sample_weight; then sum_over_batch_size (mean): the sum divided by the number of elements of V; sum; mean_with_sample_weight: divided by the sum of the
 * weights; none: V. 0/0 is 0. */
#ifndef CN_MODELS_LOSS_H
#define CN_MODELS_LOSS_H
#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a loss class. values: per sample, recorded; *mask may be set to a mask of V (of its shape, bool). */
typedef struct cn_loss_methods {
  cn_tensor *(*values)(const cn_object *self, cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor **mask);
  /* values are those of the elements: their mean over the last axis is still to be taken (the base does it, or takes the mean of all at once) */
  bool elementwise;
  bool labels;      /* y_true are class numbers, handed on as they are; else it is cast to y_pred's dtype */
} cn_loss_methods;

/* Options that every loss has, after its own. */
#define CN_LOSS_LIST(X, S)                                                                                                            \
  X(S, const char *, name, NULL, ANY, "default: the class' name in snake case")                                                       \
  X(S, const char *, reduction, "sum_over_batch_size", ANY, "sum_over_batch_size (or mean), sum, mean_with_sample_weight or none")    \
  X(S, const char *, dtype, NULL, ANY, "of the computation; None: that of y_pred")
#define CN_LOSS_PLAIN(X, S) CN_LOSS_LIST(X, S)
#define CN_LOSS_BINARY_CROSSENTROPY(X, S)                                                          \
  X(S, bool, from_logits, false, ANY, "y_pred are logits; false: probabilities")                   \
  X(S, double, label_smoothing, 0.0, UNIT, "s: y_true becomes y_true (1 - s) + s / 2")             \
  X(S, int64_t, axis, -1, ANY, "axis of the mean")                                                 \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_CATEGORICAL_CROSSENTROPY(X, S)                                                     \
  X(S, bool, from_logits, false, ANY, "y_pred are logits; false: probabilities")                   \
  X(S, double, label_smoothing, 0.0, UNIT, "s: y_true becomes y_true (1 - s) + s / classes")       \
  X(S, int64_t, axis, -1, ANY, "axis of the classes")                                              \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY(X, S)                                              \
  X(S, bool, from_logits, false, ANY, "y_pred are logits; false: probabilities")                   \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "samples with this label do not count")                \
  X(S, int64_t, axis, -1, ANY, "axis of the classes")                                              \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_AXIS(X, S) X(S, int64_t, axis, -1, ANY, "axis of the vectors") CN_LOSS_LIST(X, S)
#define CN_LOSS_HUBER(X, S) X(S, double, delta, 1.0, ANY, "where the parabola becomes a line") CN_LOSS_LIST(X, S)
#define CN_LOSS_BINARY_FOCAL(X, S)                                                                 \
  X(S, bool, apply_class_balancing, false, ANY, "whether alpha weighs the classes")                \
  X(S, double, alpha, 0.25, ANY, "weight of class 1; class 0 has 1 - alpha")                       \
  X(S, double, gamma, 2.0, ANY, "power of 1 - p_t")                                                \
  X(S, bool, from_logits, false, ANY, "y_pred are logits; false: probabilities")                   \
  X(S, double, label_smoothing, 0.0, UNIT, "s: y_true becomes y_true (1 - s) + s / 2")             \
  X(S, int64_t, axis, -1, ANY, "axis of the mean")                                                 \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_CATEGORICAL_FOCAL(X, S)                                                            \
  X(S, cn_reals, alpha, CN_REALS(0.25), ANY, "weight of every class, or one for each")             \
  X(S, double, gamma, 2.0, ANY, "power of 1 - p")                                                  \
  X(S, bool, from_logits, false, ANY, "y_pred are logits; false: probabilities")                   \
  X(S, double, label_smoothing, 0.0, UNIT, "s: y_true becomes y_true (1 - s) + s / classes")       \
  X(S, int64_t, axis, -1, ANY, "axis of the classes")                                              \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_GENERALIZED(X, S) X(S, double, q, 0.5, ANY, "between 0 (cross-entropy) and 1 (absolute error), both excluded") CN_LOSS_LIST(X, S)
#define CN_LOSS_DICE(X, S) X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes of the sums; None: all, which gives one number for the batch") CN_LOSS_LIST(X, S)
#define CN_LOSS_TVERSKY(X, S)                                                                      \
  X(S, double, alpha, 0.5, ANY, "weight of missed positives")                                      \
  X(S, double, beta, 0.5, ANY, "weight of false positives")                                        \
  X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes of the sums; None: all, which gives one number for the batch") \
  CN_LOSS_LIST(X, S)
#define CN_LOSS_CIRCLE(X, S)                                                                       \
  X(S, double, gamma, 80.0, ANY, "scale")                                                          \
  X(S, double, margin, 0.4, ANY, "m")                                                              \
  X(S, bool, remove_diagonal, true, ANY, "whether a sample is no positive of itself")              \
  CN_LOSS_LIST(X, S)

/* Every loss, with the formula of its values per sample (t = y_true, p = y_pred, eps = 1e-7); "mean" is over the last axis. Cornu follows keras.losses. */
#define CN_EACH_LOSS(X)                                                                                                                           \
  X(MeanSquaredError, CN_LOSS_PLAIN)                 /* mean (t - p)^2 */                                                                         \
  X(MeanAbsoluteError, CN_LOSS_PLAIN)                /* mean |t - p| */                                                                           \
  X(MeanAbsolutePercentageError, CN_LOSS_PLAIN)      /* 100 mean |(t - p) / max(|t|, eps)| */                                                     \
  X(MeanSquaredLogarithmicError, CN_LOSS_PLAIN)      /* mean (ln(max(p, eps) + 1) - ln(max(t, eps) + 1))^2 */                                     \
  X(CosineSimilarity, CN_LOSS_AXIS)                  /* -sum n(t) n(p), n(x) = x / sqrt(max(sum x^2, eps^2)) */                                   \
  X(Huber, CN_LOSS_HUBER)                            /* mean of e = |p - t|: e^2 / 2 up to delta, then delta e - delta^2 / 2 (Huber 1964) */      \
  X(LogCosh, CN_LOSS_PLAIN)                          /* mean of ln cosh(p - t) = e + softplus(-2 e) - ln 2 */                                     \
  X(Poisson, CN_LOSS_PLAIN)                          /* mean p - t ln(p + eps) */                                                                 \
  X(KLDivergence, CN_LOSS_PLAIN)                     /* sum t ln(t / p), both clipped to [eps, 1] */                                              \
  X(Hinge, CN_LOSS_PLAIN)                            /* mean max(1 - t p, 0); t of only 0 and 1 becomes 2 t - 1 */                                \
  X(SquaredHinge, CN_LOSS_PLAIN)                     /* mean max(1 - t p, 0)^2; likewise */                                                       \
  X(CategoricalHinge, CN_LOSS_PLAIN)                 /* max(max((1 - t) p) - sum t p + 1, 0) */                                                   \
  X(BinaryCrossentropy, CN_LOSS_BINARY_CROSSENTROPY) /* mean -(t ln p + (1 - t) ln(1 - p)), p clipped; logits x: max(x, 0) - x t + ln(1 + e^-|x|) */ \
  X(BinaryFocalCrossentropy, CN_LOSS_BINARY_FOCAL)   /* mean (1 - p_t)^gamma of the binary cross-entropy (Lin et al. 2017), p_t = t p + (1 - t)(1 - p) */ \
  X(CategoricalCrossentropy, CN_LOSS_CATEGORICAL_CROSSENTROPY)              /* -sum t ln clip(p / sum p); logits: -sum t log_softmax(x) */        \
  X(CategoricalFocalCrossentropy, CN_LOSS_CATEGORICAL_FOCAL)                /* sum alpha (1 - p)^gamma (-t ln p), p as there */                   \
  X(SparseCategoricalCrossentropy, CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY) /* labels [n, ...] or [n, ..., 1]; one out of range is an INDEX error */ \
  X(CategoricalGeneralizedCrossEntropy, CN_LOSS_GENERALIZED)                /* labels; (1 - p[t]^q) / q (Zhang & Sabuncu 2018) */                 \
  X(CTC, CN_LOSS_PLAIN)                              /* labels [n, length], 0 is padding and the blank; logits [n, time, classes]: -ln P (Graves et al. 2006) */ \
  X(Dice, CN_LOSS_DICE)                              /* 1 - 2 sum t p / (sum t + sum p + eps) */                                                  \
  X(Tversky, CN_LOSS_TVERSKY)                        /* 1 - i / (i + alpha sum t (1 - p) + beta sum (1 - t) p + eps), i = sum t p */              \
  X(Circle, CN_LOSS_CIRCLE)                          /* of embeddings p [n, d] of length 1 and ids t [n] (Sun et al. 2020): softplus(lse(a) + lse(b)) over positives and negatives; losses of 0 are masked */
#define CN_LOSS_DECLARE_(C, LIST) CN_OBJECT_DECLARE(loss, C, LIST)
CN_EACH_LOSS(CN_LOSS_DECLARE_)
#ifndef __cplusplus
#define cn_loss_MeanSquaredError(...) CN_MAKE_OBJECT_(loss, MeanSquaredError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_MeanAbsoluteError(...) CN_MAKE_OBJECT_(loss, MeanAbsoluteError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_MeanAbsolutePercentageError(...) CN_MAKE_OBJECT_(loss, MeanAbsolutePercentageError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_MeanSquaredLogarithmicError(...) CN_MAKE_OBJECT_(loss, MeanSquaredLogarithmicError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_CosineSimilarity(...) CN_MAKE_OBJECT_(loss, CosineSimilarity, CN_LOSS_AXIS, __VA_ARGS__)
#define cn_loss_Huber(...) CN_MAKE_OBJECT_(loss, Huber, CN_LOSS_HUBER, __VA_ARGS__)
#define cn_loss_LogCosh(...) CN_MAKE_OBJECT_(loss, LogCosh, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_Poisson(...) CN_MAKE_OBJECT_(loss, Poisson, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_KLDivergence(...) CN_MAKE_OBJECT_(loss, KLDivergence, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_Hinge(...) CN_MAKE_OBJECT_(loss, Hinge, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_SquaredHinge(...) CN_MAKE_OBJECT_(loss, SquaredHinge, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_CategoricalHinge(...) CN_MAKE_OBJECT_(loss, CategoricalHinge, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_BinaryCrossentropy(...) CN_MAKE_OBJECT_(loss, BinaryCrossentropy, CN_LOSS_BINARY_CROSSENTROPY, __VA_ARGS__)
#define cn_loss_BinaryFocalCrossentropy(...) CN_MAKE_OBJECT_(loss, BinaryFocalCrossentropy, CN_LOSS_BINARY_FOCAL, __VA_ARGS__)
#define cn_loss_CategoricalCrossentropy(...) CN_MAKE_OBJECT_(loss, CategoricalCrossentropy, CN_LOSS_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#define cn_loss_CategoricalFocalCrossentropy(...) CN_MAKE_OBJECT_(loss, CategoricalFocalCrossentropy, CN_LOSS_CATEGORICAL_FOCAL, __VA_ARGS__)
#define cn_loss_SparseCategoricalCrossentropy(...) CN_MAKE_OBJECT_(loss, SparseCategoricalCrossentropy, CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#define cn_loss_CategoricalGeneralizedCrossEntropy(...) CN_MAKE_OBJECT_(loss, CategoricalGeneralizedCrossEntropy, CN_LOSS_GENERALIZED, __VA_ARGS__)
#define cn_loss_CTC(...) CN_MAKE_OBJECT_(loss, CTC, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_Dice(...) CN_MAKE_OBJECT_(loss, Dice, CN_LOSS_DICE, __VA_ARGS__)
#define cn_loss_Tversky(...) CN_MAKE_OBJECT_(loss, Tversky, CN_LOSS_TVERSKY, __VA_ARGS__)
#define cn_loss_Circle(...) CN_MAKE_OBJECT_(loss, Circle, CN_LOSS_CIRCLE, __VA_ARGS__)
#endif

CN_API cn_object *cn_loss_from(cn_graph *g, const char *text);
/* The loss of a batch, recorded: an object, a name or a function of the user (values per sample, then the mean). sample_weight: CN_NO_TENSOR if there is none;
 * the mask is y_pred's own (cn_mask_of). */
CN_API cn_tensor *cn_loss_apply(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
/* Values per sample, without weights and reduction (the function form of Keras). What the loss itself leaves out (ignore_class) is the result's mask. */
CN_API cn_tensor *cn_loss_values(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred);
CN_API bool cn_register_loss(cn_graph *g, const char *name, cn_function2 fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
