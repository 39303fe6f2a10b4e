/* Metrics: running values over batches. State is kept in double; a metric never takes part in a gradient. */
#ifndef CN_MODELS_METRIC_H
#define CN_MODELS_METRIC_H
#include "loss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The head of every metric instance: a metric that is a mean of values keeps total and count here; others add their own state. */
typedef struct cn_metric {
  cn_object object;
  char *name;
  double total, count;
} cn_metric;

/* The functions of a metric class. update: y_true NULL for metrics of plain values (Mean, Sum: y_pred are the values). */
typedef struct cn_metric_methods {
  bool (*update)(cn_metric *m, cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
  double (*result)(const cn_metric *m);
  void (*reset)(cn_metric *m);
  bool takes_values;
} cn_metric_methods;

#define CN_METRIC_LIST(X, S)                                                                             \
  X(S, const char *, name, NULL, ANY, "default: Keras' name of the class")                               \
  X(S, const char *, dtype, "float32", DTYPE, "accepted; the state is kept in double")
#define CN_METRIC_PLAIN(X, S) CN_METRIC_LIST(X, S)
#define CN_METRIC_BINARY_ACCURACY(X, S) X(S, double, threshold, 0.5, ANY, "y_pred above it counts as 1") CN_METRIC_LIST(X, S)
#define CN_METRIC_TOP_K(X, S) X(S, int64_t, k, 5, POSITIVE, "how many of the largest scores count") CN_METRIC_LIST(X, S)
#define CN_METRIC_SPARSE_TOP_K(X, S)                                                                     \
  X(S, int64_t, k, 5, POSITIVE, "how many of the largest scores count")                                  \
  X(S, bool, from_sorted_ids, false, ANY, "y_pred are class numbers, best first, instead of scores")     \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_MEAN_WRAPPER(X, S) X(S, cn_ref, fn, CN_NONE_REF, LOSS, "a loss whose values per sample are averaged") CN_METRIC_LIST(X, S)
#define CN_METRIC_BINARY_CROSSENTROPY(X, S)                                                              \
  CN_METRIC_LIST(X, S)                                                                                   \
  X(S, bool, from_logits, false, ANY, "y_pred are logits")                                               \
  X(S, double, label_smoothing, 0.0, UNIT, "see the loss")                                               \
  X(S, int64_t, axis, -1, ANY, "see the loss")
#define CN_METRIC_SPARSE_CROSSENTROPY(X, S)                                                              \
  CN_METRIC_LIST(X, S)                                                                                   \
  X(S, bool, from_logits, false, ANY, "y_pred are logits")                                               \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "samples with this label give 0")                            \
  X(S, int64_t, axis, -1, ANY, "see the loss")

/* Running mean (sum of v w / sum of w) and sum of values. */
CN_OBJECT_DECLARE(metric, Mean, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, Sum, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, MeanMetricWrapper, CN_METRIC_MEAN_WRAPPER)
/* Share of samples with y_true == y_pred; (y_pred > threshold) == y_true; argmax y_true == argmax y_pred; y_true == argmax y_pred; the true class among the k largest (fewer than k strictly greater scores). */
CN_OBJECT_DECLARE(metric, Accuracy, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, BinaryAccuracy, CN_METRIC_BINARY_ACCURACY)
CN_OBJECT_DECLARE(metric, CategoricalAccuracy, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, SparseCategoricalAccuracy, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, TopKCategoricalAccuracy, CN_METRIC_TOP_K)
CN_OBJECT_DECLARE(metric, SparseTopKCategoricalAccuracy, CN_METRIC_SPARSE_TOP_K)
/* Means of the losses' values. */
CN_OBJECT_DECLARE(metric, MeanSquaredError, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, MeanAbsoluteError, CN_METRIC_PLAIN)
CN_OBJECT_DECLARE(metric, BinaryCrossentropy, CN_METRIC_BINARY_CROSSENTROPY)
CN_OBJECT_DECLARE(metric, CategoricalCrossentropy, CN_METRIC_BINARY_CROSSENTROPY)
CN_OBJECT_DECLARE(metric, SparseCategoricalCrossentropy, CN_METRIC_SPARSE_CROSSENTROPY)

CN_API cn_metric *cn_metric_from(cn_graph *g, const char *text);
/* Adds a batch: y_true NULL for Mean and Sum. sample_weight CN_NO_TENSOR if there is none; a mask of y_pred (cn_mask_of) counts as a weight of 0 or 1. */
CN_API bool cn_metric_update(cn_metric *m, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
CN_API double cn_metric_result(const cn_metric *m);
CN_API void cn_metric_reset(cn_metric *m);

#ifdef __cplusplus
}
#endif
#endif
