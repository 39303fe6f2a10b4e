/* Means of losses' values, and of other values that operations give: angles, correlations. */
#include "metric_private.h"

/* The running mean of v, with the masks of y_pred and of v. */
static bool add(cn_metric *m, const cn_tensor *v, const cn_tensor *p, const cn_tensor *w) {
  if (!v) return false;
  cni_weights ws;
  if (!cni_weights_of(m, &v->dims, p, w, &ws) || !cni_weights_mask(m, &ws, cn_mask_of(v))) return false;
  return cni_add_values(m, cni_tensor_value, v, &ws, false), true;
}

static bool update_by(cn_metric *m, cn_graph *g, const cn_ref *loss, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  const bool recording = cn_recording(g, false);
  cn_tensor *v = cn_loss_values(g, loss, t, p);
  cn_recording(g, recording);
  return add(m, v, p, w);
}
static bool update_once(cn_metric *m, cn_graph *g, cn_object *loss, cn_tensor *t, cn_tensor *p, cn_tensor *w) {
  const bool ok = loss && update_by(m, g, &(const cn_ref){ .object = loss }, t, p, w);
  cn_object_free(loss);
  return ok;
}
CNI_UPDATE(wrapper_update) { return update_by(m, g, &CNI_METRIC_OPTIONS(MeanMetricWrapper, m)->fn, t, p, w); }
CNI_UPDATE(binary_crossentropy_update) {
  const cn_metric_BinaryCrossentropyOptions *o = m->object.options;
  return update_once(m, g, cn_loss_BinaryCrossentropy(g, .from_logits = o->from_logits, .label_smoothing = o->label_smoothing, .axis = o->axis), t, p, w);
}
CNI_UPDATE(categorical_crossentropy_update) {
  const cn_metric_CategoricalCrossentropyOptions *o = m->object.options;
  return update_once(m, g, cn_loss_CategoricalCrossentropy(g, .from_logits = o->from_logits, .label_smoothing = o->label_smoothing, .axis = o->axis), t, p, w);
}
CNI_UPDATE(sparse_categorical_crossentropy_update) {
  const cn_metric_SparseCategoricalCrossentropyOptions *o = m->object.options;
  return update_once(m, g, cn_loss_SparseCategoricalCrossentropy(g, .from_logits = o->from_logits, .ignore_class = o->ignore_class, .axis = o->axis), t, p, w);
}

/* ---- values that operations give ---- */
typedef cn_tensor *values_function(cn_graph *g, const cn_metric *m, cn_tensor *t, cn_tensor *p);

/* Both as floats of one type and of ranks that fit; then the values' mean. */
static bool update_values(cn_metric *m, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor *w, values_function *values) {
  const char *dtype = p->dtype == CN_F64 ? "float64" : "float32";
  const cn_tensor *const given = p;
  cn_dims both;
  const bool recording = cn_recording(g, false);
  t = cn_cast(g, t, .dtype = dtype);
  p = cn_cast(g, p, .dtype = dtype);
  bool ok = t && p && cni_align(g, &t, &p);
  if (ok && !cn_dims_broadcast(&t->dims, &p->dims, &both)) ok = cni_metric_shapes(m, t, p);
  cn_tensor *v = ok ? values(g, m, t, p) : NULL;
  cn_recording(g, recording);
  return add(m, v, given, w);
}

static cn_tensor *squared_differences(cn_graph *g, const cn_metric *m, cn_tensor *t, cn_tensor *p) { return (void)m, cn_squared_difference(g, p, t); }
CNI_UPDATE(root_update) { return update_values(m, g, t, p, w, squared_differences); }
static double root_result(const cn_metric *m) { return m->count == 0 ? 0 : sqrt(m->total / m->count); }

static cn_tensor *cosine(cn_graph *g, const cn_metric *m, cn_tensor *t, cn_tensor *p) {
  cn_object *loss = cn_loss_CosineSimilarity(g, .axis = CNI_METRIC_OPTIONS(CosineSimilarity, m)->axis);
  cn_tensor *v = loss ? cn_negative(g, cn_loss_values(g, &(const cn_ref){ .object = loss }, t, p)) : NULL;
  cn_object_free(loss);
  return v;
}
CNI_UPDATE(cosine_update) { return update_values(m, g, t, p, w, cosine); }

static cn_tensor *centred(cn_graph *g, cn_tensor *x, int64_t axis) { return cn_subtract(g, x, cn_mean(g, x, .axis = CN_INTS(axis), .keepdims = true)); }
static cn_tensor *pearson(cn_graph *g, const cn_metric *m, cn_tensor *t, cn_tensor *p) {
  const int64_t axis = CNI_METRIC_OPTIONS(PearsonCorrelation, m)->axis;
  cn_tensor *ct = centred(g, t, axis), *cp = centred(g, p, axis);
  ct = cn_divide(g, ct, cn_std(g, t, .axis = CN_INTS(axis), .keepdims = true));
  cp = cn_divide(g, cp, cn_std(g, p, .axis = CN_INTS(axis), .keepdims = true));
  return cn_mean(g, cn_multiply(g, ct, cp), .axis = CN_INTS(axis));
}
CNI_UPDATE(pearson_update) { return update_values(m, g, t, p, w, pearson); }

static cn_tensor *concordance(cn_graph *g, const cn_metric *m, cn_tensor *t, cn_tensor *p) {
  const int64_t axis = CNI_METRIC_OPTIONS(ConcordanceCorrelation, m)->axis;
  cn_tensor *covariance = cn_mean(g, cn_multiply(g, centred(g, t, axis), centred(g, p, axis)), .axis = CN_INTS(axis));
  cn_tensor *spread = cn_add(g, cn_var(g, t, .axis = CN_INTS(axis)), cn_var(g, p, .axis = CN_INTS(axis)));
  cn_tensor *apart = cn_squared_difference(g, cn_mean(g, t, .axis = CN_INTS(axis)), cn_mean(g, p, .axis = CN_INTS(axis)));
  return cn_divide(g, cn_scale(g, covariance, 2), cn_shift(g, cn_add(g, spread, apart), CNI_LOSS_EPSILON));
}
CNI_UPDATE(concordance_update) { return update_values(m, g, t, p, w, concordance); }

/* ---- classes ---- */
#define OF_LOSS(C, L, ...)                                                                            \
  CNI_UPDATE(C##_update) { return update_once(m, g, cn_loss_##L(g), t, p, w); }                       \
  CNI_METRIC_NAMES(C, __VA_ARGS__)                                                                    \
  CNI_METRIC(C, CN_METRIC_PLAIN, C##_update, cni_metric_init, .result = cni_mean_result)
OF_LOSS(MeanSquaredError, MeanSquaredError, "mse", "MSE")
OF_LOSS(MeanAbsoluteError, MeanAbsoluteError, "mae", "MAE")
OF_LOSS(MeanAbsolutePercentageError, MeanAbsolutePercentageError, "mape", "MAPE")
OF_LOSS(MeanSquaredLogarithmicError, MeanSquaredLogarithmicError, "msle", "MSLE")
OF_LOSS(Hinge, Hinge, "hinge")
OF_LOSS(SquaredHinge, SquaredHinge, "squared_hinge")
OF_LOSS(CategoricalHinge, CategoricalHinge, "categorical_hinge")
OF_LOSS(KLDivergence, KLDivergence, "kl_divergence")
OF_LOSS(Poisson, Poisson, "poisson")
OF_LOSS(LogCoshError, LogCosh, "log_cosh_error")

CNI_METRIC_NAMES(MeanMetricWrapper, "mean_metric_wrapper")
CNI_METRIC_NAMES(BinaryCrossentropy, "bce", "BCE")
CNI_METRIC_NAMES(CategoricalCrossentropy, "categorical_crossentropy")
CNI_METRIC_NAMES(SparseCategoricalCrossentropy, "sparse_categorical_crossentropy")
CNI_METRIC_NAMES(CosineSimilarity, "cosine_similarity")
CNI_METRIC_NAMES(RootMeanSquaredError, "root_mean_squared_error")
CNI_METRIC_NAMES(PearsonCorrelation, "pearson_correlation")
CNI_METRIC_NAMES(ConcordanceCorrelation, "concordance_correlation")
CNI_METRIC(MeanMetricWrapper, CN_METRIC_MEAN_WRAPPER, wrapper_update, cni_metric_init, .result = cni_mean_result)
CNI_METRIC(BinaryCrossentropy, CN_METRIC_BINARY_CROSSENTROPY, binary_crossentropy_update, cni_metric_init, .result = cni_mean_result)
CNI_METRIC(CategoricalCrossentropy, CN_METRIC_BINARY_CROSSENTROPY, categorical_crossentropy_update, cni_metric_init, .result = cni_mean_result)
CNI_METRIC(SparseCategoricalCrossentropy, CN_METRIC_SPARSE_CROSSENTROPY, sparse_categorical_crossentropy_update, cni_metric_init, .result = cni_mean_result)
CNI_METRIC(CosineSimilarity, CN_METRIC_AXIS, cosine_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(RootMeanSquaredError, CN_METRIC_PLAIN, root_update, cni_metric_init, .result = root_result)
CNI_METRIC(PearsonCorrelation, CN_METRIC_AXIS, pearson_update, cni_metric_init, .result = cni_mean_result, .rises = true)
CNI_METRIC(ConcordanceCorrelation, CN_METRIC_AXIS, concordance_update, cni_metric_init, .result = cni_mean_result, .rises = true)
