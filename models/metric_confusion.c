/* Metrics from counts of true and false positives and negatives at thresholds. */
#include <stdlib.h>
#include "metric_private.h"

/* Sums [4, thresholds * labels]. */
enum { TP, FP, TN, FN, COUNTS };

typedef struct counting {
  const double *threshold;
  int64_t thresholds, labels, classes;      /* labels: columns that are counted apart, or 1; classes: size of the last axis */
  int64_t class_id, top_k;                  /* or CN_NONE */
  const cn_reals *label_weights;
  bool even, floor; /* thresholds evenly spaced: buckets; floor: the lowest bucket takes the rest (AUC, whose first threshold is below 0) */
  bool logits;
} counting;

static double *counts(const cn_metric *m, int kind) { return m->sums + kind * m->columns; }

/* Keras' test: three or more, from 0 to 1 in equal steps. */
static bool evenly(const double *v, int64_t n) {
  if (n < 3) return false;
  for (int64_t i = 0; i < n; i++)
    if (fabs(v[i] - (double)i / (double)(n - 1)) > CNI_LOSS_EPSILON) return false;
  return true;
}

/* Whether column j of a row is among its k largest. */
static bool among_top(const cn_tensor *p, int64_t row, int64_t j, int64_t classes, int64_t k) {
  const double v = cni_value_at(p, row * classes + j);
  int64_t before = 0;
  for (int64_t i = 0; i < classes; i++) {
    const double u = cni_value_at(p, row * classes + i);
    before += u > v || (u == v && i < j);
  }
  return before < k;
}

static void count_one(cn_metric *m, const counting *c, int64_t label, double p, bool positive, double w) {
  double *const hit = counts(m, positive ? TP : FP) + label * c->thresholds, *const miss = counts(m, positive ? FN : TN) + label * c->thresholds;
  int64_t above = 0; /* thresholds that p is above, the first ones */
  if (c->even) {
    const float q = (float)(p < 0 ? 0 : p > 1 ? 1 : p);
    above = (int64_t)ceilf(q * (float)(c->thresholds - 1));
    if (c->floor && above < 1) above = 1;
  }
  for (int64_t i = 0; i < c->thresholds; i++) {
    const bool is_above = c->even ? i < above : (float)p > (float)c->threshold[i];
    *(is_above ? &hit[i] : &miss[i]) += w;
  }
}

static bool count_all(cn_metric *m, const counting *c, const cn_tensor *t, const cn_tensor *p, const cn_tensor *w) {
  if (t->count != p->count) return cni_metric_shapes(m, t, p);
  if (c->class_id != CN_NONE && c->class_id >= c->classes)
    return cn_fail(m->object.graph, CN_INDEX, "%s: class_id is %lld, y_pred has %lld columns", m->name, (long long)c->class_id, (long long)c->classes), false;
  if (c->labels && c->thresholds > INT64_MAX / c->labels) return cn_fail(m->object.graph, CN_NO_MEMORY, "%s: too many sums", m->name), false;
  cni_weights ws;
  if (!cni_weights_of(m, &p->dims, p, w, &ws) || !cni_metric_room(m, COUNTS, c->thresholds * c->labels)) return false;
  for (int64_t i = 0; i < p->count; i++) {
    const int64_t column = i % c->classes;
    if (c->class_id != CN_NONE && column != c->class_id) continue;
    double v = cni_value_at(p, i), weight = cni_weight(&ws, i);
    if (c->logits) v = 1 / (1 + exp(-v));
    if (c->top_k != CN_NONE && !among_top(p, i / c->classes, column, c->classes, c->top_k)) v = -1e10;
    if (c->label_weights) weight *= c->label_weights->v[column];
    count_one(m, c, c->labels > 1 ? column : 0, v, cni_value_at(t, i) != 0, weight);
  }
  return true;
}

static int64_t last_size(const cn_tensor *p) { return p->dims.rank ? p->dims.d[p->dims.rank - 1] : 1; }

/* ---- at given thresholds ---- */
static const double half = 0.5, none_below = -1e10;

static bool count_at(cn_metric *m, const cn_reals *thresholds, int64_t top_k, int64_t class_id, const cn_tensor *t, const cn_tensor *p, const cn_tensor *w) {
  const bool given = thresholds->n > 0;
  counting c = { .threshold = given              ? thresholds->v
                              : top_k == CN_NONE ? &half
                                                 : &none_below,
                 .thresholds = given ? thresholds->n : 1,
                 .labels = 1,
                 .classes = last_size(p),
                 .class_id = class_id,
                 .top_k = top_k };
  c.even = evenly(c.threshold, c.thresholds);
  return count_all(m, &c, t, p, w);
}
CNI_UPDATE(counts_update) { return (void)g, count_at(m, &CNI_METRIC_OPTIONS(TruePositives, m)->thresholds, CN_NONE, CN_NONE, t, p, w); }
CNI_UPDATE(precision_update) {
  const cn_metric_PrecisionOptions *o = CNI_METRIC_OPTIONS(Precision, m);
  return (void)g, count_at(m, &o->thresholds, o->top_k, o->class_id, t, p, w);
}

static double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

/* One of the counts, or its share of the sum with another, at each threshold. */
static int64_t shares(const cn_metric *m, const cn_reals *thresholds, int kind, int other, double *out, int64_t capacity) {
  const int64_t n = thresholds->n > 0 ? thresholds->n : 1;
  for (int64_t i = 0; i < n && i < capacity; i++) {
    const double a = m->sums ? counts(m, kind)[i] : 0;
    out[i] = other < 0 ? a : ratio(a, a + (m->sums ? counts(m, other)[i] : 0));
  }
  return n;
}
#define COUNT(name, C, kind, other) \
  static int64_t name(const cn_metric *m, double *out, int64_t capacity) { return shares(m, &CNI_METRIC_OPTIONS(C, m)->thresholds, kind, other, out, capacity); }
COUNT(true_positives, TruePositives, TP, -1)
COUNT(true_negatives, TrueNegatives, TN, -1)
COUNT(false_positives, FalsePositives, FP, -1)
COUNT(false_negatives, FalseNegatives, FN, -1)
COUNT(precision, Precision, TP, FP)
COUNT(recall, Recall, TP, FN)

static bool thresholds_init(cn_object *self) {
  const int i = cni_option_find(&self->cls->schema, "thresholds");
  const cn_reals *v = cni_option_at_const(&self->cls->schema, self->options, i);
  for (int64_t k = 0; k < v->n; k++)
    if (!(v->v[k] >= 0 && v->v[k] <= 1)) return cn_fail(self->graph, CN_VALUE, "thresholds must be between 0 and 1, got %g", v->v[k]), false;
  return cni_metric_init(self);
}

/* ---- the best of one where another is large enough ---- */
/* The options of these four classes have one layout. */
typedef cn_metric_SensitivityAtSpecificityOptions at_options;
_Static_assert(sizeof(at_options) == sizeof(cn_metric_PrecisionAtRecallOptions), "one layout");

CNI_UPDATE(at_update) {
  const at_options *o = m->object.options;
  const double ends[2] = { 0, 1 };
  const counting c = { .threshold = o->num_thresholds == 1 ? &half : ends,
                       .thresholds = o->num_thresholds,
                       .labels = 1,
                       .classes = last_size(p),
                       .class_id = o->class_id,
                       .top_k = CN_NONE,
                       .even = o->num_thresholds > 2 };
  return (void)g, count_all(m, &c, t, p, w);
}

typedef struct quotient { int kind, other; } quotient;
static const quotient sensitivity_of = { TP, FN }, specificity_of = { TN, FP }, precision_of = { TP, FP };

static double best(const cn_metric *m, const quotient *wanted, const quotient *given) {
  const double least = ((const at_options *)m->object.options)->specificity;
  double most = 0;
  for (int64_t i = 0; m->sums && i < m->columns; i++) {
    const double x = ratio(counts(m, given->kind)[i], counts(m, given->kind)[i] + counts(m, given->other)[i]);
    const double y = ratio(counts(m, wanted->kind)[i], counts(m, wanted->kind)[i] + counts(m, wanted->other)[i]);
    if ((float)x >= (float)least && y > most) most = y;
  }
  return most;
}
static double sensitivity_at_specificity(const cn_metric *m) { return best(m, &sensitivity_of, &specificity_of); }
static double specificity_at_sensitivity(const cn_metric *m) { return best(m, &specificity_of, &sensitivity_of); }
static double precision_at_recall(const cn_metric *m) { return best(m, &precision_of, &sensitivity_of); }
static double recall_at_precision(const cn_metric *m) { return best(m, &sensitivity_of, &precision_of); }

/* ---- areas under curves ---- */
static int64_t auc_thresholds(const cn_metric_AUCOptions *o) { return o->thresholds.n > 0 ? o->thresholds.n + 2 : o->num_thresholds; }

static int by_size(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

/* Sorted, between the ends. */
static void auc_fill(const cn_metric_AUCOptions *o, double *v) {
  const int64_t n = auc_thresholds(o);
  for (int64_t i = 1; i < n - 1; i++) v[i] = o->thresholds.n > 0 ? o->thresholds.v[i - 1] : (double)i / (double)(n - 1);
  v[0] = 0, v[n - 1] = 1;
  qsort(v, (size_t)n, sizeof *v, by_size);
}

static bool label_weights_fit(const cn_metric *m, const cn_metric_AUCOptions *o, int64_t classes) {
  if (o->label_weights.n <= 0 || o->label_weights.n == classes) return true;
  cn_fail(m->object.graph, CN_SHAPE, "%s: label_weights has %lld elements, y_pred has %lld columns", m->name, (long long)o->label_weights.n,
          (long long)classes);
  return false;
}

CNI_UPDATE(auc_update) {
  const cn_metric_AUCOptions *o = m->object.options;
  const int64_t n = auc_thresholds(o), classes = last_size(p);
  size_t bytes;
  if (!label_weights_fit(m, o, classes)) return false;
  if (!cni_size_multiply((size_t)n, sizeof(double), &bytes)) return cn_fail(g, CN_NO_MEMORY, "%s: too many thresholds", m->name), false;
  double *v = cni_alloc(g, bytes);
  if (!v) return false;
  auc_fill(o, v);
  counting c = { .threshold = v,
                 .thresholds = n,
                 .labels = o->multi_label ? classes : 1,
                 .classes = classes,
                 .class_id = CN_NONE,
                 .top_k = CN_NONE,
                 .floor = true,
                 .logits = o->from_logits };
  c.even = o->thresholds.n <= 0 || evenly(v, n);
  if (o->label_weights.n > 0 && !o->multi_label) c.label_weights = &o->label_weights;
  v[0] -= CNI_LOSS_EPSILON, v[n - 1] += CNI_LOSS_EPSILON;
  const bool counted = count_all(m, &c, t, p, w);
  cni_free(g, v);
  return counted;
}

typedef struct point { double tp, fp, tn, fn; } point;

static point point_at(const cn_metric *m, int64_t i) { return (point){ counts(m, TP)[i], counts(m, FP)[i], counts(m, TN)[i], counts(m, FN)[i] }; }

static void coordinates(const char *curve, const point *q, double *x, double *y) {
  if (!strcmp(curve, "ROC")) {
    *x = ratio(q->fp, q->fp + q->tn);
    *y = ratio(q->tp, q->tp + q->fn);
  } else if (!strcmp(curve, "PR")) {
    *x = ratio(q->tp, q->tp + q->fn);
    *y = ratio(q->tp, q->tp + q->fp);
  } else {
    const double odds = ratio(q->tp + q->fn, q->tn + q->fp), recall_gain = q->tp == 0 ? 0 : 1 - odds * q->fn / q->tp;
    *x = recall_gain > 0 ? recall_gain : 0;
    *y = q->tp == 0 ? 1 : 1 - odds * q->fp / q->tp;
  }
}

/* Davis and Goadrich's interpolation between two points of a precision-recall curve. */
static double interpolated(const point *a, const point *b) {
  const double pa = a->tp + a->fp, pb = b->tp + b->fp, width = pa - pb > 0 ? pa - pb : 0, slope = ratio(a->tp - b->tp, width), intercept = b->tp - slope * pb;
  const double growth = pa > 0 && pb > 0 ? pa / pb : 1, positives = b->tp + b->fn;
  return ratio(slope * (a->tp - b->tp + intercept * log(growth)), positives > 0 ? positives : 0);
}

static double area(const cn_metric *m, int64_t label) {
  const cn_metric_AUCOptions *o = m->object.options;
  const bool between = !strcmp(o->summation_method, "interpolation"), least = !strcmp(o->summation_method, "minoring");
  const int64_t n = auc_thresholds(o);
  double sum = 0;
  for (int64_t i = label * n; m->sums && i < label * n + n - 1; i++) {
    const point a = point_at(m, i), b = point_at(m, i + 1);
    double xa, ya, xb, yb;
    coordinates(o->curve, &a, &xa, &ya);
    coordinates(o->curve, &b, &xb, &yb);
    if (between && !strcmp(o->curve, "PR")) sum += interpolated(&a, &b);
    else sum += (xa - xb) * (between ? (ya + yb) / 2 : least == (ya < yb) ? ya : yb);
  }
  return sum;
}

static double auc_result(const cn_metric *m) {
  const cn_metric_AUCOptions *o = m->object.options;
  const int64_t labels = o->multi_label && m->sums ? m->columns / auc_thresholds(o) : 1;
  double sum = 0, total = 0;
  for (int64_t l = 0; l < labels; l++) {
    const double weight = o->multi_label && o->label_weights.n > 0 ? o->label_weights.v[l] : 1;
    sum += weight * area(m, l);
    total += weight;
  }
  return ratio(sum, total);
}

static bool one_of(const char *text, const char *const *known) {
  while (*known && (!text || strcmp(text, *known))) known++;
  return *known != NULL;
}

static bool auc_init(cn_object *self) {
  static const char *const curves[] = { "ROC", "PR", "PRGAIN", NULL }, *const methods[] = { "interpolation", "minoring", "majoring", NULL };
  const cn_metric_AUCOptions *o = self->options;
  if (!one_of(o->curve, curves)) return cn_fail(self->graph, CN_VALUE, "curve must be ROC, PR or PRGAIN, got \"%s\"", o->curve ? o->curve : "None"), false;
  if (!one_of(o->summation_method, methods))
    return cn_fail(self->graph, CN_VALUE, "summation_method must be interpolation, minoring or majoring, got \"%s\"",
                   o->summation_method ? o->summation_method : "None"),
           false;
  if (auc_thresholds(o) < 2) return cn_fail(self->graph, CN_VALUE, "num_thresholds must be at least 2, got %lld", (long long)auc_thresholds(o)), false;
  return thresholds_init(self);
}

/* ---- classes ---- */
CNI_METRIC_NAMES(TruePositives, "true_positives")
CNI_METRIC_NAMES(TrueNegatives, "true_negatives")
CNI_METRIC_NAMES(FalsePositives, "false_positives")
CNI_METRIC_NAMES(FalseNegatives, "false_negatives")
CNI_METRIC_NAMES(Precision, "precision")
CNI_METRIC_NAMES(Recall, "recall")
CNI_METRIC_NAMES(SensitivityAtSpecificity, "sensitivity_at_specificity")
CNI_METRIC_NAMES(SpecificityAtSensitivity, "specificity_at_sensitivity")
CNI_METRIC_NAMES(PrecisionAtRecall, "precision_at_recall")
CNI_METRIC_NAMES(RecallAtPrecision, "recall_at_precision")
CNI_METRIC_NAMES(AUC, "auc")
CNI_METRIC(TruePositives, CN_METRIC_THRESHOLDS, counts_update, thresholds_init, .results = true_positives, .rises = true)
CNI_METRIC(TrueNegatives, CN_METRIC_THRESHOLDS, counts_update, thresholds_init, .results = true_negatives, .rises = true)
CNI_METRIC(FalsePositives, CN_METRIC_THRESHOLDS, counts_update, thresholds_init, .results = false_positives)
CNI_METRIC(FalseNegatives, CN_METRIC_THRESHOLDS, counts_update, thresholds_init, .results = false_negatives)
CNI_METRIC(Precision, CN_METRIC_PRECISION, precision_update, thresholds_init, .results = precision, .rises = true)
CNI_METRIC(Recall, CN_METRIC_PRECISION, precision_update, thresholds_init, .results = recall, .rises = true)
CNI_METRIC(SensitivityAtSpecificity, CN_METRIC_AT_SPECIFICITY, at_update, cni_metric_init, .result = sensitivity_at_specificity, .rises = true)
CNI_METRIC(SpecificityAtSensitivity, CN_METRIC_AT_SENSITIVITY, at_update, cni_metric_init, .result = specificity_at_sensitivity, .rises = true)
CNI_METRIC(PrecisionAtRecall, CN_METRIC_AT_RECALL, at_update, cni_metric_init, .result = precision_at_recall, .rises = true)
CNI_METRIC(RecallAtPrecision, CN_METRIC_AT_PRECISION, at_update, cni_metric_init, .result = recall_at_precision, .rises = true)
CNI_METRIC(AUC, CN_METRIC_AUC, auc_update, auc_init, .result = auc_result, .rises = true)
