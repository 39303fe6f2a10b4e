/* Metrics: running values over batches. State is kept in double; a metric never takes part in a gradient. */
#ifndef CN_MODELS_METRIC_H
#define CN_MODELS_METRIC_H
#include "loss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A metric instance: one that is a mean of values keeps total and count, the others keep sums [rows, columns]. */
typedef struct cn_metric {
  cn_object object;
  char *name;
  double total, count;
  double *sums;
  int64_t rows, columns;
} cn_metric;

/* The functions of a metric class. update: y_true NULL for metrics of plain values (Mean, Sum: y_pred are the values). */
typedef struct cn_metric_methods {
  bool (*update)(cn_metric *m, cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
  double (*result)(const cn_metric *m);
  int64_t (*results)(const cn_metric *m, double *out,
                     int64_t capacity); /* instead of result, where there may be several: writes at most `capacity`, returns how many there are */
  bool takes_values;
  bool rises;                                                                  /* larger is better */
  bool (*state)(cn_metric *m, cn_state *s); /* what it keeps besides total, count and sums, for backups of a training; may be NULL */
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

#define CN_METRIC_AXIS(X, S) CN_METRIC_LIST(X, S) X(S, int64_t, axis, -1, ANY, "axis of the vectors")
#define CN_METRIC_THRESHOLDS(X, S) X(S, cn_reals, thresholds, { 0 }, ANY, "y_pred above it counts as 1; several give a result each; None: 0.5") CN_METRIC_LIST(X, S)
#define CN_METRIC_PRECISION(X, S)                                                                        \
  X(S, cn_reals, thresholds, { 0 }, ANY, "y_pred above it counts as 1; several give a result each; None: 0.5") \
  X(S, int64_t, top_k, CN_NONE, POSITIVE, "only the k largest of a row may count as 1")                  \
  X(S, int64_t, class_id, CN_NONE, NONNEGATIVE, "only this column counts")                               \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_AT_(X, S, given)                                                                       \
  X(S, double, given, CN_REQUIRED_REAL, UNIT, "the least value of it")                                   \
  X(S, int64_t, num_thresholds, 200, POSITIVE, "evenly spaced from 0 to 1")                              \
  X(S, int64_t, class_id, CN_NONE, NONNEGATIVE, "only this column counts")                               \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_AT_SPECIFICITY(X, S) CN_METRIC_AT_(X, S, specificity)
#define CN_METRIC_AT_SENSITIVITY(X, S) CN_METRIC_AT_(X, S, sensitivity)
#define CN_METRIC_AT_RECALL(X, S) CN_METRIC_AT_(X, S, recall)
#define CN_METRIC_AT_PRECISION(X, S) CN_METRIC_AT_(X, S, precision)
#define CN_METRIC_AUC(X, S)                                                                              \
  X(S, int64_t, num_thresholds, 200, POSITIVE, "2 or more")                                              \
  X(S, const char *, curve, "ROC", ANY, "ROC, PR or PRGAIN")                                             \
  X(S, const char *, summation_method, "interpolation", ANY, "interpolation, minoring or majoring")      \
  CN_METRIC_LIST(X, S)                                                                                   \
  X(S, cn_reals, thresholds, { 0 }, ANY, "between 0 and 1, instead of num_thresholds; both ends are added") \
  X(S, bool, multi_label, false, ANY, "a curve for each column, and their mean")                         \
  X(S, int64_t, num_labels, CN_NONE, POSITIVE, "number of columns; None: found at the first update")     \
  X(S, cn_reals, label_weights, { 0 }, ANY, "weights of the columns")                                    \
  X(S, bool, from_logits, false, ANY, "y_pred are logits")
#define CN_METRIC_F1(X, S)                                                                               \
  X(S, const char *, average, NULL, ANY, "None: a result for each class; micro, macro or weighted")      \
  X(S, double, threshold, CN_NONE_REAL, ANY, "y_pred above it counts as 1; None: the largest of a row")  \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_F_BETA(X, S)                                                                           \
  X(S, const char *, average, NULL, ANY, "None: a result for each class; micro, macro or weighted")      \
  X(S, double, beta, 1.0, ANY, "weight of recall against precision")                                     \
  X(S, double, threshold, CN_NONE_REAL, ANY, "y_pred above it counts as 1; None: the largest of a row")  \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_R2(X, S)                                                                               \
  X(S, const char *, class_aggregation, "uniform_average", ANY, "uniform_average, variance_weighted_average, or None: a result for each column") \
  X(S, int64_t, num_regressors, 0, NONNEGATIVE, "of the adjusted score; 0: not adjusted")                \
  CN_METRIC_LIST(X, S)
#define CN_METRIC_COUNTS_(X, S)                                                                          \
  X(S, const char *, name, NULL, ANY, "default: Keras' name of the class")                               \
  X(S, const char *, dtype, "int64", ANY, "of the counts: weights are truncated to integers unless it is a float type")
#define CN_METRIC_IOU_REST_(X, S)                                                                        \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "elements of this true class do not count")                  \
  X(S, bool, sparse_y_true, true, ANY, "y_true are class numbers, else scores")                          \
  X(S, bool, sparse_y_pred, true, ANY, "y_pred are class numbers, else scores")                          \
  X(S, int64_t, axis, -1, ANY, "of the classes, where there are scores")
#define CN_METRIC_IOU(X, S)                                                                              \
  X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "number of classes")                                 \
  X(S, cn_ints, target_class_ids, CN_NONE_INTS, ANY, "classes whose mean is the result; None: all")      \
  CN_METRIC_COUNTS_(X, S)                                                                                \
  CN_METRIC_IOU_REST_(X, S)
#define CN_METRIC_MEAN_IOU(X, S)                                                                         \
  X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "number of classes")                                 \
  CN_METRIC_COUNTS_(X, S)                                                                                \
  CN_METRIC_IOU_REST_(X, S)
#define CN_METRIC_ONE_HOT_IOU(X, S)                                                                      \
  X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "number of classes")                                 \
  X(S, cn_ints, target_class_ids, CN_NONE_INTS, ANY, "classes whose mean is the result; None: all")      \
  CN_METRIC_COUNTS_(X, S)                                                                                \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "elements of this true class do not count")                  \
  X(S, bool, sparse_y_pred, false, ANY, "y_pred are class numbers, else scores")                         \
  X(S, int64_t, axis, -1, ANY, "of the classes, where there are scores")
#define CN_METRIC_ONE_HOT_MEAN_IOU(X, S)                                                                 \
  X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "number of classes")                                 \
  CN_METRIC_COUNTS_(X, S)                                                                                \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "elements of this true class do not count")                  \
  X(S, bool, sparse_y_pred, false, ANY, "y_pred are class numbers, else scores")                         \
  X(S, int64_t, axis, -1, ANY, "of the classes, where there are scores")
#define CN_METRIC_BINARY_IOU(X, S)                                                                       \
  X(S, cn_ints, target_class_ids, CN_NONE_INTS, ANY, "classes whose mean is the result; None: 0 and 1")  \
  X(S, double, threshold, 0.5, ANY, "y_pred at or above it counts as 1")                                 \
  CN_METRIC_COUNTS_(X, S)

/* Every metric, as keras.metrics has it; t = y_true, p = y_pred. Means run over samples, weighted by sample_weight. */
#define CN_EACH_METRIC(X)                                                                                                                \
  X(Mean, CN_METRIC_PLAIN)                                    /* sum of v w / sum of w */                                                \
  X(Sum, CN_METRIC_PLAIN)                                                                                                                \
  X(MeanMetricWrapper, CN_METRIC_MEAN_WRAPPER)                                                                                           \
  X(Accuracy, CN_METRIC_PLAIN)                                /* share of t == p */                                                      \
  X(BinaryAccuracy, CN_METRIC_BINARY_ACCURACY)                /* of (p > threshold) == t */                                              \
  X(CategoricalAccuracy, CN_METRIC_PLAIN)                     /* of argmax t == argmax p */                                              \
  X(SparseCategoricalAccuracy, CN_METRIC_PLAIN)               /* of t == argmax p */                                                     \
  X(TopKCategoricalAccuracy, CN_METRIC_TOP_K)                 /* of the true class having fewer than k strictly greater scores */        \
  X(SparseTopKCategoricalAccuracy, CN_METRIC_SPARSE_TOP_K)                                                                               \
  X(MeanSquaredError, CN_METRIC_PLAIN)                        /* here and below: the mean of the loss' values (loss.h) */                \
  X(MeanAbsoluteError, CN_METRIC_PLAIN)                                                                                                  \
  X(MeanAbsolutePercentageError, CN_METRIC_PLAIN)                                                                                        \
  X(MeanSquaredLogarithmicError, CN_METRIC_PLAIN)                                                                                        \
  X(Hinge, CN_METRIC_PLAIN)                                                                                                              \
  X(SquaredHinge, CN_METRIC_PLAIN)                                                                                                       \
  X(CategoricalHinge, CN_METRIC_PLAIN)                                                                                                   \
  X(KLDivergence, CN_METRIC_PLAIN)                                                                                                       \
  X(Poisson, CN_METRIC_PLAIN)                                                                                                            \
  X(LogCoshError, CN_METRIC_PLAIN)                                                                                                       \
  X(BinaryCrossentropy, CN_METRIC_BINARY_CROSSENTROPY)                                                                                   \
  X(CategoricalCrossentropy, CN_METRIC_BINARY_CROSSENTROPY)                                                                              \
  X(SparseCategoricalCrossentropy, CN_METRIC_SPARSE_CROSSENTROPY)                                                                        \
  X(CosineSimilarity, CN_METRIC_AXIS)                         /* the loss' with the other sign */                                        \
  X(RootMeanSquaredError, CN_METRIC_PLAIN)                    /* root of the mean of (p - t)^2 */                                        \
  X(PearsonCorrelation, CN_METRIC_AXIS)                       /* cov(t, p) / (sd t sd p) along axis */                                   \
  X(ConcordanceCorrelation, CN_METRIC_AXIS)                   /* 2 cov / (var t + var p + (mean t - mean p)^2 + eps) (Lin 1989) */       \
  X(TruePositives, CN_METRIC_THRESHOLDS)                      /* counts over all elements; p > threshold is positive */                  \
  X(TrueNegatives, CN_METRIC_THRESHOLDS)                                                                                                 \
  X(FalsePositives, CN_METRIC_THRESHOLDS)                                                                                                \
  X(FalseNegatives, CN_METRIC_THRESHOLDS)                                                                                                \
  X(Precision, CN_METRIC_PRECISION)                           /* tp / (tp + fp) */                                                       \
  X(Recall, CN_METRIC_PRECISION)                              /* tp / (tp + fn) */                                                       \
  X(SensitivityAtSpecificity, CN_METRIC_AT_SPECIFICITY)       /* the best one among the thresholds where the other is large enough */    \
  X(SpecificityAtSensitivity, CN_METRIC_AT_SENSITIVITY)                                                                                  \
  X(PrecisionAtRecall, CN_METRIC_AT_RECALL)                                                                                              \
  X(RecallAtPrecision, CN_METRIC_AT_PRECISION)                                                                                           \
  X(AUC, CN_METRIC_AUC)                                       /* area under a curve (Davis & Goadrich 2006 for PR, Flach & Kull 2015 for PRGAIN) */ \
  X(FBetaScore, CN_METRIC_F_BETA)                             /* (1 + b^2) precision recall / (b^2 precision + recall) */                \
  X(F1Score, CN_METRIC_F1)                                                                                                               \
  X(R2Score, CN_METRIC_R2)                                    /* 1 - sum (t - p)^2 / sum (t - mean t)^2 by columns */                    \
  X(IoU, CN_METRIC_IOU)                                       /* of a class: tp / (tp + fp + fn) */                                      \
  X(MeanIoU, CN_METRIC_MEAN_IOU)                                                                                                         \
  X(OneHotIoU, CN_METRIC_ONE_HOT_IOU)                                                                                                    \
  X(OneHotMeanIoU, CN_METRIC_ONE_HOT_MEAN_IOU)                                                                                           \
  X(BinaryIoU, CN_METRIC_BINARY_IOU)
#define CN_METRIC_DECLARE_(C, LIST) CN_OBJECT_DECLARE(metric, C, LIST)
CN_EACH_METRIC(CN_METRIC_DECLARE_)

CN_API cn_metric *cn_metric_from(cn_graph *g, const char *text);
/* Adds a batch: y_true NULL for Mean and Sum. sample_weight CN_NO_TENSOR if there is none; a mask of y_pred (cn_mask_of) counts as a weight of 0 or 1. */
CN_API bool cn_metric_update(cn_metric *m, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight);
CN_API double cn_metric_result(const cn_metric *m);   /* of several results their mean */
CN_API int64_t cn_metric_results(const cn_metric *m, double *out,
                                 int64_t capacity); /* all: writes at most `capacity`, returns how many there are (one for most metrics) */
CN_API void cn_metric_reset(cn_metric *m);

#ifdef __cplusplus
}
#endif
#endif
