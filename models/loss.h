/* Losses. A loss computes values per sample from y_true and y_pred, weighs them and reduces them, as keras.losses.Loss does:
 * values V; a mask of y_pred (and of the loss itself: ignored classes) weighs total/valid where it holds for the reductions that are means; times sample_weight; then
 * sum_over_batch_size (mean): the sum divided by the number of elements of V; sum; mean_with_sample_weight: divided by the sum of the weights; none: V. 0/0 is 0. */
#ifndef CN_MODELS_LOSS_H
#define CN_MODELS_LOSS_H
#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a loss class. values: per sample, recorded; *mask may be set to a mask of V (of its shape, bool). */
typedef struct cn_loss_methods {
  cn_tensor *(*values)(const cn_object *self, cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor **mask);
  bool elementwise; /* values are those of the elements: their mean over the last axis is still to be taken (the base does it, or takes the mean of all at once) */
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

/* mean (y_true - y_pred)^2 and mean |y_true - y_pred| over the last axis. */
CN_OBJECT_DECLARE(loss, MeanSquaredError, CN_LOSS_PLAIN)
CN_OBJECT_DECLARE(loss, MeanAbsoluteError, CN_LOSS_PLAIN)
/* Probabilities: clip to [1e-7, 1 - 1e-7], mean of -(t ln p + (1 - t) ln(1 - p)); logits x: mean of max(x, 0) - x t + ln(1 + e^-|x|). */
CN_OBJECT_DECLARE(loss, BinaryCrossentropy, CN_LOSS_BINARY_CROSSENTROPY)
/* Probabilities: p / sum p, clipped, -sum t ln p; logits: -sum t log_softmax(x). y_true has y_pred's shape. */
CN_OBJECT_DECLARE(loss, CategoricalCrossentropy, CN_LOSS_CATEGORICAL_CROSSENTROPY)
/* The same with labels [n, ...] (or [n, ..., 1]) instead of distributions. A label out of range is an INDEX error. */
CN_OBJECT_DECLARE(loss, SparseCategoricalCrossentropy, CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY)
#ifndef __cplusplus
#define cn_loss_MeanSquaredError(...) CN_MAKE_OBJECT_(loss, MeanSquaredError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_MeanAbsoluteError(...) CN_MAKE_OBJECT_(loss, MeanAbsoluteError, CN_LOSS_PLAIN, __VA_ARGS__)
#define cn_loss_BinaryCrossentropy(...) CN_MAKE_OBJECT_(loss, BinaryCrossentropy, CN_LOSS_BINARY_CROSSENTROPY, __VA_ARGS__)
#define cn_loss_CategoricalCrossentropy(...) CN_MAKE_OBJECT_(loss, CategoricalCrossentropy, CN_LOSS_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#define cn_loss_SparseCategoricalCrossentropy(...) CN_MAKE_OBJECT_(loss, SparseCategoricalCrossentropy, CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#endif

CN_API cn_object *cn_loss_from(cn_graph *g, const char *text);
/* The loss of a batch, recorded: an object, a name or a function of the user (values per sample, then the mean). sample_weight: CN_NO_TENSOR if there is none; the mask is y_pred's own (cn_mask_of). */
CN_API cn_tensor *cn_loss_apply(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
/* Values per sample, without weights and reduction (the function form of Keras). What the loss itself leaves out (ignore_class) is the result's mask. */
CN_API cn_tensor *cn_loss_values(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred);
CN_API bool cn_register_loss(cn_graph *g, const char *name, cn_function2 fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
