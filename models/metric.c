/* Metrics: the running mean, and what all of them share. The classes stand in metric_*.c. */
#include "metric_private.h"

/* ---- the running mean ---- */
/* Along the leading axes; false where a size does not fit. */
static bool factor_fits(cni_factor *f, const cn_dims *dims, int64_t all) {
  const cn_dims *d = &f->t->dims;
  int rank = d->rank;
  int64_t step = 1;
  bool repeats = false, leading = true; /* leading: what repeats stands behind what does not */
  while (rank > dims->rank && d->d[rank - 1] == 1) rank--;
  if (rank > dims->rank) return false;
  for (int i = rank - 1; i >= 0; step *= d->d[i--]) {
    if (d->d[i] != dims->d[i] && d->d[i] != 1) return false;
    f->step[i] = d->d[i] == 1 ? 0 : step;
  }
  for (int i = 0; i < dims->rank; i++) {
    if (dims->d[i] == 1) continue;
    if (i >= rank || d->d[i] == 1) repeats = true;
    else leading &= !repeats;
  }
  f->inner = leading && f->t->count ? all / f->t->count : 0;
  return true;
}

static bool add_factor(cn_metric *m, cni_weights *ws, const cn_tensor *t, bool mask) {
  char a[160], b[160];
  cni_factor *f = &ws->factor[ws->count];
  *f = (cni_factor){ .t = t, .mask = mask };
  if (factor_fits(f, &ws->dims, ws->all)) return ws->count++, true;
  cn_dims_text(&t->dims, a, sizeof a), cn_dims_text(&ws->dims, b, sizeof b);
  cn_fail(m->object.graph, CN_SHAPE, "%s: %s %s does not fit values of %s", m->name, mask ? "mask" : "sample_weight", a, b);
  return false;
}

bool cni_weights_mask(cn_metric *m, cni_weights *ws, const cn_tensor *mask) { return !mask || add_factor(m, ws, mask, true); }

bool cni_weights_of(cn_metric *m, const cn_dims *dims, const cn_tensor *p, const cn_tensor *w, cni_weights *out) {
  *out = (cni_weights){ .dims = *dims, .all = cn_dims_count(dims) };
  return (!cni_given(w) || add_factor(m, out, w, false)) && cni_weights_mask(m, out, cn_mask_of(p));
}

static int64_t stepped(const cni_factor *f, const cn_dims *dims, int64_t i) {
  int64_t at = 0;
  for (int k = dims->rank - 1; k >= 0; i /= dims->d[k--]) at += i % dims->d[k] * f->step[k];
  return at;
}

double cni_weight(const cni_weights *ws, int64_t i) {
  double weight = 1;
  for (int k = 0; k < ws->count; k++) {
    const cni_factor *f = &ws->factor[k];
    const double v = cni_value_at(f->t, f->inner ? i / f->inner : stepped(f, &ws->dims, i));
    weight *= f->mask ? v != 0 : v;
  }
  return weight;
}

/* Per-sample values v [n, ...] with their weights, as Keras' reduce_to_samplewise_values: the mean over the trailing axes of v w, and of w. */
void cni_add_values(cn_metric *m, cni_value *value, const void *ctx, const cni_weights *w, bool sum) {
  const int64_t n = w->dims.rank ? w->dims.d[0] : 1, inner = n ? w->all / n : 0;
  for (int64_t i = 0; i < n; i++) {
    double vw = 0, ws = 0;
    for (int64_t j = 0; j < inner; j++) {
      const int64_t at = i * inner + j;
      const double weight = cni_weight(w, at);
      vw += weight == 0 ? 0 : weight * value(ctx, at);
      ws += weight;
    }
    m->total += sum ? vw : inner ? vw / (double)inner : 0;
    m->count += inner ? ws / (double)inner : 0;
  }
}

double cni_tensor_value(const void *ctx, int64_t i) { return cni_value_at(ctx, i); }

static bool update_plain(cn_metric *m, cn_tensor *values, cn_tensor *w, bool sum) {
  cni_weights ws;
  return cni_weights_of(m, &values->dims, values, w, &ws) && (cni_add_values(m, cni_tensor_value, values, &ws, sum), true);
}
CNI_UPDATE(mean_update) { return (void)g, (void)t, update_plain(m, p, w, false); }
CNI_UPDATE(sum_update) { return (void)g, (void)t, update_plain(m, p, w, true); }
double cni_mean_result(const cn_metric *m) { return m->count == 0 ? 0 : m->total / m->count; }
static double sum_result(const cn_metric *m) { return m->total; }

/* ---- shared ---- */
bool cni_metric_init(cn_object *self) {
  cn_metric *m = (cn_metric *)(void *)self;
  const int i = cni_option_find(&self->cls->schema, "name");
  const char *name = *(const char *const *)cni_option_at_const(&self->cls->schema, self->options, i);
  char text[128];
  m->name = cni_strdup(self->graph, name ? name : cni_snake_case(self->cls->schema.name, text, sizeof text));
  return m->name != NULL;
}
void cni_metric_finish(cn_object *self) {
  cni_free(self->graph, ((cn_metric *)(void *)self)->name);
  cni_free(self->graph, ((cn_metric *)(void *)self)->sums);
}

bool cni_metric_shapes(cn_metric *m, const cn_tensor *t, const cn_tensor *p) {
  char a[160], b[160];
  cn_fail(m->object.graph, CN_SHAPE, "%s: y_true %s and y_pred %s do not fit", m->name, cn_dims_text(&t->dims, a, sizeof a),
          cn_dims_text(&p->dims, b, sizeof b));
  return false;
}

bool cni_metric_room(cn_metric *m, int64_t rows, int64_t columns) {
  if (m->sums && m->rows == rows && m->columns == columns) return true;
  if (m->sums)
    return cn_fail(m->object.graph, CN_SHAPE, "%s: has seen %lld columns so far, not %lld", m->name, (long long)m->columns, (long long)columns), false;
  size_t bytes;
  if (!cni_size_multiply((size_t)rows, (size_t)columns, &bytes) || !cni_size_multiply(bytes, sizeof *m->sums, &bytes) || bytes > SIZE_MAX / 2)
    return cn_fail(m->object.graph, CN_NO_MEMORY, "%s: too many sums", m->name), false;
  m->rows = rows;
  m->columns = columns;
  return (m->sums = cni_alloc(m->object.graph, bytes + sizeof *m->sums)) != NULL;
}

CNI_METRIC_NAMES(Mean, "mean")
CNI_METRIC_NAMES(Sum, "sum")
CNI_METRIC(Mean, CN_METRIC_PLAIN, mean_update, cni_metric_init, .result = cni_mean_result, .takes_values = true)
CNI_METRIC(Sum, CN_METRIC_PLAIN, sum_update, cni_metric_init, .result = sum_result, .takes_values = true)

#define LISTED(C, LIST) &cn_class_metric_##C,
const cn_class *const cni_metric_classes[] = { CN_EACH_METRIC(LISTED) NULL };

cn_metric *cn_metric_from(cn_graph *g, const char *text) {
  return cn_ok(g) && text ? (cn_metric *)(void *)cni_models_factory.from_text(g, CN_KIND_METRIC, text) : NULL;
}

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
int64_t cn_metric_results(const cn_metric *m, double *out, int64_t capacity) {
  if (!m) return 0;
  const cn_metric_methods *methods = m->object.cls->methods;
  if (methods->results) return methods->results(m, out, capacity);
  if (capacity > 0) *out = methods->result(m);
  return 1;
}
double cn_metric_result(const cn_metric *m) {
  enum { MOST = 256 };
  double all[MOST], sum = 0;
  const int64_t have = cn_metric_results(m, all, MOST), n = have < MOST ? have : MOST;
  for (int64_t i = 0; i < n; i++) sum += all[i];
  return n ? sum / (double)n : NAN;
}
void cn_metric_reset(cn_metric *m) {
  if (!m) return;
  m->total = m->count = 0;
  if (m->sums) memset(m->sums, 0, (size_t)(m->rows * m->columns) * sizeof *m->sums);
}

cn_metric *cni_accuracy_for(cn_graph *g, const cn_tensor *t, const cn_tensor *p) {
  const int rt = t->dims.rank, rp = p->dims.rank;
  const int64_t lt = rt ? t->dims.d[rt - 1] : 1, lp = rp ? p->dims.d[rp - 1] : 1;
  const char *name = lp == 1 ? "BinaryAccuracy" : rt < rp || (lt == 1 && lp > 1) ? "SparseCategoricalAccuracy" : "CategoricalAccuracy";
  return cn_metric_from(g, name);
}
