/* How well classes were told apart: the confusion matrix, precision, recall and F1 of each class, and the report that scikit-learn prints of them. */
#ifndef CN_MODELS_CLASSIFICATION_H
#define CN_MODELS_CLASSIFICATION_H
#include "../autograd/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y_true and y_pred, each of n samples: class numbers [n] or [n,1] of any numeric dtype, or rows of scores [n,k] (one-hot rows too), of which the largest
 * counts, the first of equal ones. A y_pred of [n] or [n,1] that is not all whole numbers is taken as probabilities of class 1, which is chosen above 0.5. */
#define CN_CLASSIFICATION(X, S)                                                                                                      \
  X(S, cn_tensor *, y_true, CN_MISSING, ANY, "the classes")                                                                          \
  X(S, cn_tensor *, y_pred, CN_MISSING, ANY, "what was predicted")                                                                   \
  X(S, cn_tensor *, sample_weight, CN_NO_TENSOR, ANY, "[n] or [n,1]: what each sample counts; left out: 1")                          \
  X(S, int64_t, classes, CN_NONE, POSITIVE, "how many there are; None: as many as names, else the scores' k or the largest + 1")  \
  X(S, cn_strings, names, { 0 }, ANY, "of the classes; none: their numbers")                                                         \
  X(S, double, zero_division, 0.0, ANY, "what stands for 0/0, as where a class was never predicted")                                 \
  X(S, int64_t, digits, 2, NONNEGATIVE, "behind the point, in the report")
typedef struct cn_classification_args { cn_graph *graph; CN_CLASSIFICATION(CN_FIELD_, ) } cn_classification_args;
CN_API void cn_classification_args_init(cn_classification_args *args, size_t size); /* every default; size: sizeof *args */

/* Row i, column j: how many samples (or what weight) of class i were taken for class j. int64 [classes,classes], float64 with sample_weight; a step tensor.
 * SHAPE where the counts of samples differ, INDEX for a class out of range, VALUE for one that is no whole number. */
CN_API cn_tensor *cn_confusion_matrix_run(const cn_classification_args *args);
/* A matrix as text, the true classes down, the predicted ones across, with names or numbers. Owned by the graph, until the next reset; "" on failure. */
CN_API const char *cn_confusion_text(cn_graph *g, cn_tensor *matrix, cn_strings names);

/* Of a class, or an average: precision tp / (tp + fp), recall tp / (tp + fn), f1 2 p r / (p + r); support: true samples of it. */
typedef struct cn_class_score { double precision, recall, f1, support; } cn_class_score;
/* each[classes]; macro: plain means over the classes that occur; weighted: by support; accuracy: the share of right predictions. */
typedef struct cn_classification {
  int64_t classes;
  const cn_class_score *each;
  const bool *occurs;
  cn_class_score macro, weighted;
  double accuracy;
} cn_classification;
/* Of the same data. A class occurs where a sample has it or was taken for it, and always when names or classes are given. Owned by the graph, until the next
 * reset; NULL on failure. */
CN_API const cn_classification *cn_classification_run(const cn_classification_args *args);
/* The table of scikit-learn's classification_report. Owned by the graph, until the next reset; "" on failure. */
CN_API const char *cn_classification_report_run(const cn_classification_args *args);
#ifndef __cplusplus
/* cn_confusion_matrix(g, y_true, y_pred, .classes = 10), cn_classification_report(g, y_true, y_pred, .names = CN_STRINGS("cat", "dog")) */
#define cn_confusion_matrix(...) CN_WITH_OPTIONS_(cn_tensor *, cn_classification_args, CN_CLASSIFICATION, cn_confusion_matrix_run, __VA_ARGS__)
#define cn_classify(...) CN_WITH_OPTIONS_(const cn_classification *, cn_classification_args, CN_CLASSIFICATION, cn_classification_run, __VA_ARGS__)
#define cn_classification_report(...) CN_WITH_OPTIONS_(const char *, cn_classification_args, CN_CLASSIFICATION, cn_classification_report_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
