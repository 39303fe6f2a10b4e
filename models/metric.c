#include "metric.h"
#include <math.h>
#include <stdio.h>
#include "model_private.h"

/* ---- the running mean ---- */
typedef struct weights { const cn_tensor *w, *mask, *own; /* own: the mask of the values themselves */ } weights;

/* The weight that goes with element i of `all`: weights have the values' leading axes. */
static double weight_at(const cn_tensor *w, int64_t i, int64_t all) {
  if (!w || !w->count) return 1;
  return cni_value_at(w, all % w->count ? i % w->count : i / (all / w->count));
}

/* Adds per-sample values v [n, ...] with weights broadcast over the trailing axes, as Keras' reduce_to_samplewise_values: the mean over the trailing axes of v w, and of w. */
static void add_values(cn_metric *m, double (*value)(const void *ctx, int64_t i), const void *ctx, const cn_dims *dims, const weights *w, bool sum) {
  const int64_t n = dims->rank ? dims->d[0] : 1, all = dims->rank ? cn_dims_count(dims) : 1, inner = n ? all / n : 0;
  for (int64_t i = 0; i < n; i++) {
    double vw = 0, ws = 0;
    for (int64_t j = 0; j < inner; j++) {
      const int64_t at = i * inner + j;
      const double weight = weight_at(w->w, at, all) * (weight_at(w->mask, at, all) != 0) * (weight_at(w->own, at, all) != 0);
      vw += weight == 0 ? 0 : weight * value(ctx, at);
      ws += weight;
    }
    m->total += sum ? vw : inner ? vw / (double)inner : 0;
    m->count += inner ? ws / (double)inner : 0;
  }
}

static double tensor_value(const void *ctx, int64_t i) { return cni_value_at(ctx, i); }

static double mean_result(const cn_metric *m) { return m->count == 0 ? 0 : m->total / m->count; }
static double sum_result(const cn_metric *m) { return m->total; }
static void mean_reset(cn_metric *m) { m->total = m->count = 0; }

static weights weights_of(const cn_tensor *p, const cn_tensor *w) { return (weights){ cni_given(w) ? w : NULL, cn_mask_of(p), NULL }; }

static bool update_plain(cn_metric *m, cn_tensor *values, cn_tensor *w, bool sum) {
  const weights ws = weights_of(values, w);
  return add_values(m, tensor_value, values, &values->dims, &ws, sum), true;
}
static bool mean_update(cn_metric *m, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  (void)g;
  (void)t;
  return update_plain(m, p, w, false);
}
static bool sum_update(cn_metric *m, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  (void)g;
  (void)t;
  return update_plain(m, p, w, true);
}

/* ---- accuracies: values read off the tensors ---- */
typedef struct pair { const cn_tensor *t, *p; int64_t classes, k; double threshold; bool sorted_ids; } pair;

static int64_t argmax(const cn_tensor *x, int64_t row, int64_t n) {
  int64_t best = 0;
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

static bool fail_shapes(cn_metric *m, const cn_tensor *t, const cn_tensor *p) {
  char a[160], b[160];
  cn_fail(m->object.graph, CN_SHAPE, "%s: y_true %s and y_pred %s do not fit", m->name, cn_dims_text(&t->dims, a, sizeof a), cn_dims_text(&p->dims, b, sizeof b));
  return false;
}

/* Elementwise: the shapes have as many elements (a trailing 1 may be missing); values have y_pred's shape, without a trailing 1. */
static bool update_elementwise(cn_metric *m, pair *q, double (*at)(const void *, int64_t), cn_tensor *w) {
  if (q->t->count != q->p->count) return fail_shapes(m, q->t, q->p);
  const weights ws = weights_of(q->p, w);
  return add_values(m, at, q, &q->p->dims, &ws, false), true;
}

/* By rows of classes: values have the shape without the class axis. */
static bool update_rows(cn_metric *m, pair *q, double (*at)(const void *, int64_t), cn_tensor *w, bool sparse) {
  const int r = q->p->dims.rank;
  if (!r) return fail_shapes(m, q->t, q->p);
  q->classes = q->p->dims.d[r - 1];
  const int64_t rows = q->classes ? q->p->count / q->classes : 0;
  if (q->t->count != (sparse ? rows : q->p->count)) return fail_shapes(m, q->t, q->p);
  cn_dims dims = q->p->dims;
  dims.rank--;
  const weights ws = weights_of(q->p, w);
  return add_values(m, at, q, &dims, &ws, false), true;
}

#define UPDATE(name) static bool name(cn_metric *m, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor *w)
#define PAIR(...) pair q = { .t = t, .p = p, __VA_ARGS__ }
UPDATE(accuracy_update) { PAIR(.k = 0); return (void)g, update_elementwise(m, &q, equal_at, w); }
UPDATE(binary_accuracy_update) { PAIR(.threshold = ((const cn_metric_BinaryAccuracyOptions *)m->object.options)->threshold); return (void)g, update_elementwise(m, &q, binary_at, w); }
UPDATE(categorical_accuracy_update) { PAIR(.k = 0); return (void)g, update_rows(m, &q, categorical_at, w, false); }
UPDATE(sparse_categorical_accuracy_update) { PAIR(.k = 0); return (void)g, update_rows(m, &q, sparse_at, w, true); }
UPDATE(top_k_update) { PAIR(.k = ((const cn_metric_TopKCategoricalAccuracyOptions *)m->object.options)->k); return (void)g, update_rows(m, &q, top_k_at, w, false); }
UPDATE(sparse_top_k_update) {
  const cn_metric_SparseTopKCategoricalAccuracyOptions *o = m->object.options;
  PAIR(.k = o->k, .sorted_ids = o->from_sorted_ids);
  return (void)g, update_rows(m, &q, sparse_top_k_at, w, true);
}

/* ---- means of losses ---- */
static bool update_loss(cn_metric *m, cn_graph *g, const cn_ref *loss, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  const bool recording = cn_recording(g, false);
  cn_tensor *v = cn_loss_values(g, loss, t, p);
  cn_recording(g, recording);
  if (!v) return false;
  weights ws = weights_of(p, w);
  ws.own = cn_mask_of(v);
  return add_values(m, tensor_value, v, &v->dims, &ws, false), true;
}
static bool loss_update(cn_metric *m, cn_graph *g, cn_object *loss, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  const bool ok = loss && update_loss(m, g, &(const cn_ref){ .object = loss }, t, p, w);
  cn_object_free(loss);
  return ok;
}
UPDATE(wrapper_update) { return update_loss(m, g, &((const cn_metric_MeanMetricWrapperOptions *)m->object.options)->fn, t, p, w); }
UPDATE(squared_error_update) { return loss_update(m, g, cn_loss_MeanSquaredError(g), t, p, w); }
UPDATE(absolute_error_update) { return loss_update(m, g, cn_loss_MeanAbsoluteError(g), t, p, w); }
UPDATE(binary_crossentropy_update) {
  const cn_metric_BinaryCrossentropyOptions *o = m->object.options;
  return loss_update(m, g, cn_loss_BinaryCrossentropy(g, .from_logits = o->from_logits, .label_smoothing = o->label_smoothing, .axis = o->axis), t, p, w);
}
UPDATE(categorical_crossentropy_update) {
  const cn_metric_CategoricalCrossentropyOptions *o = m->object.options;
  return loss_update(m, g, cn_loss_CategoricalCrossentropy(g, .from_logits = o->from_logits, .label_smoothing = o->label_smoothing, .axis = o->axis), t, p, w);
}
UPDATE(sparse_categorical_crossentropy_update) {
  const cn_metric_SparseCategoricalCrossentropyOptions *o = m->object.options;
  return loss_update(m, g, cn_loss_SparseCategoricalCrossentropy(g, .from_logits = o->from_logits, .ignore_class = o->ignore_class, .axis = o->axis), t, p, w);
}

/* ---- classes ---- */
static bool metric_init(cn_object *self) {
  cn_metric *m = (cn_metric *)(void *)self;
  const int i = cni_option_find(&self->cls->schema, "name");
  const char *name = *(const char *const *)cni_option_at_const(&self->cls->schema, self->options, i);
  char text[128];
  m->name = cni_strdup(self->graph, name ? name : cni_snake_case(self->cls->schema.name, text, sizeof text));
  return m->name != NULL;
}
static void metric_finish(cn_object *self) { cni_free(self->graph, ((cn_metric *)(void *)self)->name); }

#define METRIC(C, LIST, update_, result_, values, ...)                                                                                    \
  static const char *const C##_names[] = { __VA_ARGS__, NULL };                                                                           \
  static const cn_metric_methods C##_methods = { .update = update_, .result = result_, .reset = mean_reset, .takes_values = values };     \
  CN_SCHEMA_DATA_(C, cn_metric_##C##Options, LIST)                                                                                        \
  const cn_class cn_class_metric_##C = { .kind = CN_KIND_METRIC, .schema = CN_SCHEMA_(C, #C, cn_metric_##C##Options), .size = sizeof(cn_metric), .init = metric_init,  \
                                         .finish = metric_finish, .methods = &C##_methods, .aliases = C##_names };                        \
  cn_object *cn_make_metric_##C(const cn_metric_##C##Options *options) { return cn_object_new(&cn_class_metric_##C, options); }           \
  void cn_metric_##C##Options_init(cn_metric_##C##Options *options, size_t size) { memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults); }
METRIC(Mean, CN_METRIC_PLAIN, mean_update, mean_result, true, "mean")
METRIC(Sum, CN_METRIC_PLAIN, sum_update, sum_result, true, "sum")
METRIC(MeanMetricWrapper, CN_METRIC_MEAN_WRAPPER, wrapper_update, mean_result, false, "mean_metric_wrapper")
METRIC(Accuracy, CN_METRIC_PLAIN, accuracy_update, mean_result, false, "exact_accuracy")
METRIC(BinaryAccuracy, CN_METRIC_BINARY_ACCURACY, binary_accuracy_update, mean_result, false, "binary_accuracy")
METRIC(CategoricalAccuracy, CN_METRIC_PLAIN, categorical_accuracy_update, mean_result, false, "categorical_accuracy")
METRIC(SparseCategoricalAccuracy, CN_METRIC_PLAIN, sparse_categorical_accuracy_update, mean_result, false, "sparse_categorical_accuracy")
METRIC(TopKCategoricalAccuracy, CN_METRIC_TOP_K, top_k_update, mean_result, false, "top_k_categorical_accuracy")
METRIC(SparseTopKCategoricalAccuracy, CN_METRIC_SPARSE_TOP_K, sparse_top_k_update, mean_result, false, "sparse_top_k_categorical_accuracy")
METRIC(MeanSquaredError, CN_METRIC_PLAIN, squared_error_update, mean_result, false, "mse", "MSE")
METRIC(MeanAbsoluteError, CN_METRIC_PLAIN, absolute_error_update, mean_result, false, "mae", "MAE")
METRIC(BinaryCrossentropy, CN_METRIC_BINARY_CROSSENTROPY, binary_crossentropy_update, mean_result, false, "bce", "BCE")
METRIC(CategoricalCrossentropy, CN_METRIC_BINARY_CROSSENTROPY, categorical_crossentropy_update, mean_result, false, "categorical_crossentropy")
METRIC(SparseCategoricalCrossentropy, CN_METRIC_SPARSE_CROSSENTROPY, sparse_categorical_crossentropy_update, mean_result, false, "sparse_categorical_crossentropy")
const cn_class *const cni_metric_classes[] = { &cn_class_metric_Accuracy, &cn_class_metric_BinaryAccuracy, &cn_class_metric_BinaryCrossentropy, &cn_class_metric_CategoricalAccuracy,
  &cn_class_metric_CategoricalCrossentropy, &cn_class_metric_Mean, &cn_class_metric_MeanAbsoluteError, &cn_class_metric_MeanMetricWrapper, &cn_class_metric_MeanSquaredError,
  &cn_class_metric_SparseCategoricalAccuracy, &cn_class_metric_SparseCategoricalCrossentropy, &cn_class_metric_SparseTopKCategoricalAccuracy, &cn_class_metric_Sum,
  &cn_class_metric_TopKCategoricalAccuracy, NULL };

cn_metric *cn_metric_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? (cn_metric *)(void *)cni_models_factory.from_text(g, CN_KIND_METRIC, text) : NULL; }

bool cn_metric_update(cn_metric *m, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight) {
  if (!m || !y_pred || !cn_ok(m->object.graph)) return false;
  cn_graph *g = m->object.graph;
  const cn_metric_methods *methods = m->object.cls->methods;
  if (!methods->takes_values && !y_true) return cn_fail(g, CN_VALUE, "%s: y_true is missing", m->name), false;
  if (!cni_readable(g, y_pred, true) || (y_true && !cni_readable(g, y_true, true))) return false;
  if (!sample_weight) sample_weight = CN_NO_TENSOR;
  if (cni_given(sample_weight) && !cni_readable(g, sample_weight, true)) return false;
  return methods->update(m, g, y_true, y_pred, sample_weight);
}
double cn_metric_result(const cn_metric *m) { return m ? ((const cn_metric_methods *)m->object.cls->methods)->result(m) : NAN; }
void cn_metric_reset(cn_metric *m) {
  if (m) ((const cn_metric_methods *)m->object.cls->methods)->reset(m);
}

cn_metric *cni_accuracy_for(cn_graph *g, const cn_tensor *t, const cn_tensor *p) {
  const int rt = t->dims.rank, rp = p->dims.rank;
  const int64_t lt = rt ? t->dims.d[rt - 1] : 1, lp = rp ? p->dims.d[rp - 1] : 1;
  const char *name = lp == 1 ? "BinaryAccuracy" : rt < rp || (lt == 1 && lp > 1) ? "SparseCategoricalAccuracy" : "CategoricalAccuracy";
  return cn_metric_from(g, name);
}
