/* Accuracies: values read off the tensors. */
#include "metric_private.h"

typedef struct pair { const cn_tensor *t, *p; int64_t classes, k; double threshold; bool sorted_ids; } pair;

static int64_t argmax(const cn_tensor *x, int64_t row, int64_t n) {
  int64_t best = 0;
  const float *v = x->dtype == CN_F32 ? (const float *)x->data + row * n : NULL; /* predictions, as a rule */
  for (int64_t j = 1; v && j < n; j++)
    if (v[j] > v[best]) best = j;
  if (v) return best;
  for (int64_t j = 1; j < n; j++)
    if (cni_value_at(x, row * n + j) > cni_value_at(x, row * n + best)) best = j;
  return best;
}
static double equal_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  return cni_value_at(q->t, i) == cni_value_at(q->p, i);
}
static double binary_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  return (cni_value_at(q->p, i) > q->threshold) == (cni_value_at(q->t, i) != 0) && (cni_value_at(q->t, i) == 0 || cni_value_at(q->t, i) == 1);
}
static double categorical_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  return argmax(q->t, i, q->classes) == argmax(q->p, i, q->classes);
}
static double sparse_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  return cni_value_at(q->t, i) == (double)argmax(q->p, i, q->classes);
}
/* Fewer than k scores are strictly greater than the true class'. */
static double in_top_k(const pair *q, int64_t i, int64_t label) {
  if (label < 0 || label >= q->classes) return 0;
  const double score = cni_value_at(q->p, i * q->classes + label);
  int64_t greater = 0;
  for (int64_t j = 0; j < q->classes; j++) greater += cni_value_at(q->p, i * q->classes + j) > score;
  return greater < q->k && isfinite(score);
}
static double top_k_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  return in_top_k(q, i, argmax(q->t, i, q->classes));
}
static double sparse_top_k_at(const void *ctx, int64_t i) {
  const pair *q = ctx;
  const int64_t label = (int64_t)cni_value_at(q->t, i);
  if (!q->sorted_ids) return in_top_k(q, i, label);
  for (int64_t j = 0; j < q->k && j < q->classes; j++)
    if ((int64_t)cni_value_at(q->p, i * q->classes + j) == label) return 1;
  return 0;
}

/* Elementwise: the shapes have as many elements (a trailing 1 may be missing); values have y_pred's shape, without a trailing 1. */
static bool update_elementwise(cn_metric *m, pair *q, double (*at)(const void *, int64_t), cn_tensor *w) {
  if (q->t->count != q->p->count) return cni_metric_shapes(m, q->t, q->p);
  cni_weights ws;
  return cni_weights_of(m, &q->p->dims, q->p, w, &ws) && (cni_add_values(m, at, q, &ws, false), true);
}

/* By rows of classes: values have the shape without the class axis. */
static bool update_rows(cn_metric *m, pair *q, double (*at)(const void *, int64_t), cn_tensor *w, bool sparse) {
  const int r = q->p->dims.rank;
  if (!r) return cni_metric_shapes(m, q->t, q->p);
  q->classes = q->p->dims.d[r - 1];
  const int64_t rows = q->classes ? q->p->count / q->classes : 0;
  if (q->t->count != (sparse ? rows : q->p->count)) return cni_metric_shapes(m, q->t, q->p);
  cn_dims dims = q->p->dims;
  dims.rank--;
  cni_weights ws;
  return cni_weights_of(m, &dims, q->p, w, &ws) && (cni_add_values(m, at, q, &ws, false), true);
}

#define PAIR(...) pair q = { .t = t, .p = p, __VA_ARGS__ }
CNI_UPDATE(accuracy_update) { PAIR(.k = 0); return (void)g, update_elementwise(m, &q, equal_at, w); }
CNI_UPDATE(binary_accuracy_update) {
  PAIR(.threshold = ((const cn_metric_BinaryAccuracyOptions *)m->object.options)->threshold);
  return (void)g, update_elementwise(m, &q, binary_at, w);
}
CNI_UPDATE(categorical_accuracy_update) { PAIR(.k = 0); return (void)g, update_rows(m, &q, categorical_at, w, false); }
CNI_UPDATE(sparse_categorical_accuracy_update) { PAIR(.k = 0); return (void)g, update_rows(m, &q, sparse_at, w, true); }
CNI_UPDATE(top_k_update) {
  PAIR(.k = ((const cn_metric_TopKCategoricalAccuracyOptions *)m->object.options)->k);
  return (void)g, update_rows(m, &q, top_k_at, w, false);
}
CNI_UPDATE(sparse_top_k_update) {
  const cn_metric_SparseTopKCategoricalAccuracyOptions *o = m->object.options;
  PAIR(.k = o->k, .sorted_ids = o->from_sorted_ids);
  return (void)g, update_rows(m, &q, sparse_top_k_at, w, true);
}

CNI_METRIC_NAMES(Accuracy, "exact_accuracy")
CNI_METRIC_NAMES(BinaryAccuracy, "binary_accuracy")
CNI_METRIC_NAMES(CategoricalAccuracy, "categorical_accuracy")
CNI_METRIC_NAMES(SparseCategoricalAccuracy, "sparse_categorical_accuracy")
CNI_METRIC_NAMES(TopKCategoricalAccuracy, "top_k_categorical_accuracy")
CNI_METRIC_NAMES(SparseTopKCategoricalAccuracy, "sparse_top_k_categorical_accuracy")
CNI_METRIC(Accuracy, CN_METRIC_PLAIN, accuracy_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(BinaryAccuracy, CN_METRIC_BINARY_ACCURACY, binary_accuracy_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(CategoricalAccuracy, CN_METRIC_PLAIN, categorical_accuracy_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(SparseCategoricalAccuracy, CN_METRIC_PLAIN, sparse_categorical_accuracy_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(TopKCategoricalAccuracy, CN_METRIC_TOP_K, top_k_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(SparseTopKCategoricalAccuracy, CN_METRIC_SPARSE_TOP_K, sparse_top_k_update, cni_metric_init, .result = cni_mean_result, .rises = true)
