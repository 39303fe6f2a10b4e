/* Metrics of classes and columns: F scores, R2, intersection over union. */
#include "metric_private.h"

/* Both [n, columns]. */
static bool by_columns(cn_metric *m, const cn_tensor *t, const cn_tensor *p) {
  if (p->dims.rank == 2 && cn_dims_equal(&t->dims, &p->dims)) return true;
  return cni_metric_shapes(m, t, p);
}

static int64_t one_result(double v, double *out, int64_t capacity) {
  if (capacity > 0) *out = v;
  return 1;
}

/* ---- F scores: sums [4, columns] ---- */
enum { HITS, EXTRA, MISSED, SUPPORT, F_SUMS };
typedef struct f_options { const char *average; double beta, threshold; } f_options;

static f_options f_options_of(const cn_metric *m) {
  if (m->object.cls == &cn_class_metric_F1Score) return (f_options){ CNI_METRIC_OPTIONS(F1Score, m)->average, 1, CNI_METRIC_OPTIONS(F1Score, m)->threshold };
  const cn_metric_FBetaScoreOptions *o = m->object.options;
  return (f_options){ o->average, o->beta, o->threshold };
}

/* Whether element j of the row counts as predicted. */
static bool predicted(const cn_tensor *p, int64_t row, int64_t j, int64_t columns, double threshold) {
  const double v = cni_value_at(p, row * columns + j);
  if (!isnan(threshold)) return v > threshold;
  for (int64_t i = 0; i < columns; i++)
    if (cni_value_at(p, row * columns + i) > v) return false;
  return fabs(v) > 1e-9;
}

CNI_UPDATE(f_update) {
  const f_options o = f_options_of(m);
  (void)g;
  if (!by_columns(m, t, p)) return false;
  const int64_t columns = p->dims.d[1];
  cni_weights ws;
  if (!cni_weights_of(m, &p->dims, p, w, &ws) || !cni_metric_room(m, F_SUMS, columns)) return false;
  for (int64_t i = 0; i < p->count; i++) {
    const int64_t j = i % columns;
    const double y = cni_value_at(t, i), x = predicted(p, i / columns, j, columns, o.threshold), weight = cni_weight(&ws, i);
    m->sums[HITS * columns + j] += weight * x * y;
    m->sums[EXTRA * columns + j] += weight * x * (1 - y);
    m->sums[MISSED * columns + j] += weight * (1 - x) * y;
    m->sums[SUPPORT * columns + j] += weight * y;
  }
  return true;
}

static double f_score(double hits, double extra, double missed, double beta) {
  const double precision = hits / (hits + extra + CNI_LOSS_EPSILON), recall = hits / (hits + missed + CNI_LOSS_EPSILON), b = beta * beta;
  return (1 + b) * precision * recall / (b * precision + recall + CNI_LOSS_EPSILON);
}

static int64_t f_results(const cn_metric *m, double *out, int64_t capacity) {
  const f_options o = f_options_of(m);
  const int64_t n = m->sums ? m->columns : 0;
  double all[3] = { 0 }, sum = 0, support = 0;
  for (int64_t j = 0; j < n; j++) {
    const double f = f_score(m->sums[HITS * n + j], m->sums[EXTRA * n + j], m->sums[MISSED * n + j], o.beta);
    for (int k = 0; k < 3; k++) all[k] += m->sums[k * n + j];
    if (!o.average && j < capacity) out[j] = f;
    sum += o.average && !strcmp(o.average, "weighted") ? f * m->sums[SUPPORT * n + j] : f;
    support += m->sums[SUPPORT * n + j];
  }
  if (!o.average && n) return n;
  if (!o.average || !n) return one_result(0, out, capacity);
  if (!strcmp(o.average, "micro")) return one_result(f_score(all[HITS], all[EXTRA], all[MISSED], o.beta), out, capacity);
  return one_result(!strcmp(o.average, "macro") ? sum / (double)n : sum / (support + CNI_LOSS_EPSILON), out, capacity);
}

static bool f_init(cn_object *self) {
  const f_options o = f_options_of((cn_metric *)(void *)self);
  if (o.average && strcmp(o.average, "micro") && strcmp(o.average, "macro") && strcmp(o.average, "weighted"))
    return cn_fail(self->graph, CN_VALUE, "average must be None, micro, macro or weighted, got \"%s\"", o.average), false;
  if (!(o.beta > 0)) return cn_fail(self->graph, CN_VALUE, "beta must be above 0, got %g", o.beta), false;
  if (!isnan(o.threshold) && !(o.threshold > 0 && o.threshold <= 1))
    return cn_fail(self->graph, CN_VALUE, "threshold must be above 0 and at most 1, got %g", o.threshold), false;
  return cni_metric_init(self);
}

/* ---- R2: sums [4, columns]; count: elements seen ---- */
enum { SUM, SQUARES, RESIDUALS, WEIGHTS, R2_SUMS };

CNI_UPDATE(r2_update) {
  const cn_tensor *const given = p;
  const bool recording = cn_recording(g, false), aligned = cni_align(g, &t, &p);
  cn_recording(g, recording);
  if (!aligned || !by_columns(m, t, p)) return false;
  const int64_t columns = p->dims.d[1];
  cni_weights ws;
  if (!cni_weights_of(m, &p->dims, given, w, &ws) || !cni_metric_room(m, R2_SUMS, columns)) return false;
  for (int64_t i = 0; i < p->count; i++) {
    const int64_t j = i % columns;
    const double y = cni_value_at(t, i), e = y - cni_value_at(p, i), weight = cni_weight(&ws, i);
    m->sums[SUM * columns + j] += weight * y;
    m->sums[SQUARES * columns + j] += weight * y * y;
    m->sums[RESIDUALS * columns + j] += weight * e * e;
    m->sums[WEIGHTS * columns + j] += weight;
  }
  m->count += (double)p->count;
  return true;
}

/* 1 - (1 - r)(n - 1) / (n - k - 1) for k regressors, where it is defined. */
static double adjusted(const cn_metric *m, double r) {
  const double k = (double)CNI_METRIC_OPTIONS(R2Score, m)->num_regressors;
  return k == 0 || k >= m->count - 1 ? r : 1 - (1 - r) * (m->count - 1) / (m->count - k - 1);
}

static int64_t r2_results(const cn_metric *m, double *out, int64_t capacity) {
  const char *how = CNI_METRIC_OPTIONS(R2Score, m)->class_aggregation;
  const int64_t n = m->sums ? m->columns : 0;
  double sum = 0, weights = 0;
  for (int64_t j = 0; j < n; j++) {
    const double *s = m->sums + j, total = s[SQUARES * n] - s[SUM * n] * s[SUM * n] / s[WEIGHTS * n];
    double r = 1 - s[RESIDUALS * n] / total;
    if (isinf(r)) r = 0;
    if (!how && j < capacity) out[j] = adjusted(m, r);
    const double weight = how && !strcmp(how, "variance_weighted_average") ? total : 1;
    sum += weight * r;
    weights += weight;
  }
  if (!how && n) return n;
  return one_result(n ? adjusted(m, sum / weights) : 0, out, capacity);
}

static bool r2_init(cn_object *self) {
  const char *how = ((const cn_metric_R2ScoreOptions *)self->options)->class_aggregation;
  if (how && strcmp(how, "uniform_average") && strcmp(how, "variance_weighted_average"))
    return cn_fail(self->graph, CN_VALUE, "class_aggregation must be None, uniform_average or variance_weighted_average, got \"%s\"", how), false;
  return cni_metric_init(self);
}

/* ---- intersection over union: sums [classes, classes], true by predicted ---- */
typedef struct iou_options { int64_t classes, ignore, axis; const cn_ints *targets; bool sparse_true, sparse_pred, integers; double threshold; } iou_options;

static bool is_float_name(const char *dtype) { return dtype && !strncmp(dtype, "float", 5); }

static iou_options iou_options_of(const cn_metric *m) {
  const cn_class *c = m->object.cls;
  if (c == &cn_class_metric_BinaryIoU) {
    const cn_metric_BinaryIoUOptions *o = m->object.options;
    return (iou_options){ 2, CN_NONE, -1, &o->target_class_ids, true, true, !is_float_name(o->dtype), o->threshold };
  }
  if (c == &cn_class_metric_MeanIoU) {
    const cn_metric_MeanIoUOptions *o = m->object.options;
    return (iou_options){ o->num_classes, o->ignore_class, o->axis, NULL, o->sparse_y_true, o->sparse_y_pred, !is_float_name(o->dtype), NAN };
  }
  if (c == &cn_class_metric_OneHotIoU) {
    const cn_metric_OneHotIoUOptions *o = m->object.options;
    return (iou_options){ o->num_classes, o->ignore_class, o->axis, &o->target_class_ids, false, o->sparse_y_pred, !is_float_name(o->dtype), NAN };
  }
  if (c == &cn_class_metric_OneHotMeanIoU) {
    const cn_metric_OneHotMeanIoUOptions *o = m->object.options;
    return (iou_options){ o->num_classes, o->ignore_class, o->axis, NULL, false, o->sparse_y_pred, !is_float_name(o->dtype), NAN };
  }
  const cn_metric_IoUOptions *o = m->object.options;
  return (iou_options){ o->num_classes, o->ignore_class, o->axis, &o->target_class_ids, o->sparse_y_true, o->sparse_y_pred, !is_float_name(o->dtype), NAN };
}

CNI_UPDATE(iou_update) {
  const iou_options o = iou_options_of(m);
  const cn_tensor *const given = p;
  const bool recording = cn_recording(g, false);
  if (!o.sparse_true) t = cn_argmax(g, t, .axis = o.axis);
  if (!o.sparse_pred) p = cn_argmax(g, p, .axis = o.axis);
  if (p && cni_given(w) && w->count == p->count) w = cn_reshape(g, w, .newshape = { p->dims.d, p->dims.rank }); /* Keras flattens both */
  cn_recording(g, recording);
  if (!t || !p || !w) return false;
  if (t->count != p->count) return cni_metric_shapes(m, t, p);
  cni_weights ws;
  if (!cni_weights_of(m, &p->dims, given, w, &ws) || !cni_metric_room(m, o.classes, o.classes)) return false;
  for (int64_t i = 0; i < p->count; i++) {
    const int64_t y = (int64_t)cni_value_at(t, i), x = isnan(o.threshold) ? (int64_t)cni_value_at(p, i) : cni_value_at(p, i) >= o.threshold;
    const double weight = cni_weight(&ws, i);
    if (y < 0 || y >= o.classes || x < 0 || x >= o.classes || (o.ignore != CN_NONE && y == o.ignore)) continue;
    m->sums[y * o.classes + x] += o.integers ? trunc(weight) : weight;
  }
  return true;
}

static double iou_result(const cn_metric *m) {
  const iou_options o = iou_options_of(m);
  const bool all = !o.targets || o.targets->n < 0 || !o.targets->v;
  const int64_t n = all ? o.classes : o.targets->n;
  double sum = 0;
  int64_t valid = 0;
  for (int64_t k = 0; m->sums && k < n; k++) {
    const int64_t c = all ? k : o.targets->v[k];
    const double both = m->sums[c * o.classes + c];
    double either = -both;
    for (int64_t i = 0; i < o.classes; i++) either += m->sums[c * o.classes + i] + m->sums[i * o.classes + c];
    if (!(either > 0)) continue;
    sum += both / (either + CNI_LOSS_EPSILON);
    valid++;
  }
  return sum / ((double)valid + CNI_LOSS_EPSILON);
}

static bool iou_init(cn_object *self) {
  const iou_options o = iou_options_of((cn_metric *)(void *)self);
  for (int64_t k = 0; o.targets && o.targets->v && k < o.targets->n; k++)
    if (o.targets->v[k] < 0 || o.targets->v[k] >= o.classes)
      return cn_fail(self->graph, CN_VALUE, "target_class_ids has %lld, there are %lld classes", (long long)o.targets->v[k], (long long)o.classes), false;
  return cni_metric_init(self);
}

/* ---- classes ---- */
CNI_METRIC_NAMES(FBetaScore, "fbeta_score", "f_beta_score")
CNI_METRIC_NAMES(F1Score, "f1_score")
CNI_METRIC_NAMES(R2Score, "r2_score")
CNI_METRIC_NAMES(IoU, "io_u")
CNI_METRIC_NAMES(MeanIoU, "mean_io_u")
CNI_METRIC_NAMES(OneHotIoU, "one_hot_io_u")
CNI_METRIC_NAMES(OneHotMeanIoU, "one_hot_mean_io_u")
CNI_METRIC_NAMES(BinaryIoU, "binary_io_u")
CNI_METRIC(FBetaScore, CN_METRIC_F_BETA, f_update, f_init, .results = f_results, .rises = true)
CNI_METRIC(F1Score, CN_METRIC_F1, f_update, f_init, .results = f_results, .rises = true)
CNI_METRIC(R2Score, CN_METRIC_R2, r2_update, r2_init, .results = r2_results, .rises = true)
CNI_METRIC(IoU, CN_METRIC_IOU, iou_update, iou_init, .result = iou_result, .rises = true)
CNI_METRIC(MeanIoU, CN_METRIC_MEAN_IOU, iou_update, iou_init, .result = iou_result, .rises = true)
CNI_METRIC(OneHotIoU, CN_METRIC_ONE_HOT_IOU, iou_update, iou_init, .result = iou_result, .rises = true)
CNI_METRIC(OneHotMeanIoU, CN_METRIC_ONE_HOT_MEAN_IOU, iou_update, iou_init, .result = iou_result, .rises = true)
CNI_METRIC(BinaryIoU, CN_METRIC_BINARY_IOU, iou_update, iou_init, .result = iou_result, .rises = true)
