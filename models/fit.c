/* fit, evaluate, predict. */
#include <math.h>
#include <stdio.h>
#include "model_private.h"

/* ---- history ---- */
static int64_t names_wanted(const cn_model *m, bool validated) { return (1 + m->compiled->count) * (validated ? 2 : 1); }

static bool history_begin(cn_model *m, int64_t epochs, bool validated) {
  cn_graph *g = m->base.object.graph;
  const int64_t one = 1 + m->compiled->count, n = names_wanted(m, validated);
  cni_free(g, m->history_names);
  cni_free(g, m->history_values);
  m->history = (cn_history){ 0, 0, NULL, NULL };
  size_t text = 0;
  for (int64_t i = 0; i < one; i++) text += 2 * strlen(cn_metric_name_at(m, i)) + 6;
  m->history_names = cni_alloc(g, (size_t)n * sizeof *m->history_names + text);
  m->history_values = cni_alloc(g, (size_t)(n * (epochs ? epochs : 1)) * sizeof *m->history_values);
  if (!m->history_names || !m->history_values) return false;
  char *at = (char *)(m->history_names + n);
  for (int64_t i = 0; i < n; i++) {
    m->history_names[i] = at;
    at += sprintf(at, "%s%s", i < one ? "" : "val_", cn_metric_name_at(m, i % one)) + 1;
  }
  for (int64_t i = 0; i < n * epochs; i++) m->history_values[i] = NAN;
  m->history_capacity = epochs;
  m->history = (cn_history){ 0, n, m->history_names, m->history_values };
  return true;
}

/* The values of this epoch's metrics, from row `first` on. The table is [names, capacity] while it fills. */
static void history_put(cn_model *m, int64_t first, int64_t epoch) {
  for (int64_t i = 0; i <= m->compiled->count; i++) m->history_values[(first + i) * m->history_capacity + epoch] = cni_metric_value(m, i);
}

/* Closes the gaps when fit ended early. */
static void history_end(cn_model *m, int64_t epochs) {
  for (int64_t i = 1; i < m->history.names_count; i++) memmove(m->history_values + i * epochs, m->history_values + i * m->history_capacity, (size_t)epochs * sizeof(double));
  m->history.epochs = m->history_capacity = epochs;
}

double cn_history_at(const cn_history *h, const char *name, int64_t epoch) {
  if (!h) return NAN;
  if (epoch < 0) epoch += h->epochs;
  for (int64_t i = 0; i < h->names_count && epoch >= 0 && epoch < h->epochs; i++)
    if (!strcmp(h->names[i], name)) return h->values[i * h->epochs + epoch];
  return NAN;
}

/* ---- fit ---- */
typedef struct fitting { cn_model *m; const cn_fit_args *a; cn_dataset *train, *validation, *split[2]; } fitting;

static bool split_data(fitting *f) {
  const cn_fit_args *a = f->a;
  cn_graph *g = f->m->base.object.graph;
  f->train = a->data;
  f->validation = a->validation_data;
  if (a->validation_split == 0 || a->validation_data) return true;
  const int64_t n = cn_dataset_size(a->data), first = (int64_t)floor((double)n * (1 - a->validation_split));
  if (n < 0) return cn_fail(g, CN_UNSUPPORTED, "fit: validation_split needs a data set of known size"), false;
  if (first <= 0 || first >= n) return cn_fail(g, CN_VALUE, "fit: validation_split %g of %lld samples leaves no samples to %s", a->validation_split, (long long)n, first <= 0 ? "train" : "validate"), false;
  f->split[0] = f->train = cn_dataset_range(a->data, 0, first);
  f->split[1] = f->validation = cn_dataset_range(a->data, first, n - first);
  return f->train && f->validation;
}

static bool options_ok(const cn_fit_args *a, cn_graph *g) {
  if (!a->data) return cn_fail(g, CN_VALUE, "fit: the data set is NULL"), false;
  if (a->epochs < 0) return cn_fail(g, CN_VALUE, "fit: epochs must not be negative, got %lld", (long long)a->epochs), false;
  if (a->batch_size < 1) return cn_fail(g, CN_VALUE, "fit: batch_size must be positive, got %lld", (long long)a->batch_size), false;
  if (!(a->validation_split >= 0 && a->validation_split < 1)) return cn_fail(g, CN_VALUE, "fit: validation_split must be in [0, 1), got %g", a->validation_split), false;
  return true;
}

static int64_t steps_of(const cn_fit_args *a, cn_dataset *d) {
  const int64_t n = cn_dataset_size(d), all = n < 0 ? -1 : (n + a->batch_size - 1) / a->batch_size;
  return a->steps_per_epoch != CN_NONE && (all < 0 || a->steps_per_epoch < all) ? a->steps_per_epoch : all;
}

/* One pass over the training data; ends each step. */
static bool epoch_steps(fitting *f, cni_progress *p, int64_t steps) {
  cn_model *m = f->m;
  cn_graph *g = m->base.object.graph;
  cn_batch b;
  for (int64_t step = 0; steps < 0 || step < steps; step++) {
    g->core.batch = step;
    if (!cn_dataset_next(f->train, f->a->batch_size, &b)) break;
    cn_tensor *y_pred = NULL, *loss = cni_train_step(m, &b, &y_pred);
    if (!loss) return false;
    const bool recording = cn_recording(g, false);
    const bool ok = cni_metrics_update(m, &b, y_pred, cni_value_at(loss, 0));
    cn_recording(g, recording);
    if (!ok) return false;
    cn_graph_reset(g);
    cni_progress_step(p, m, step + 1);
  }
  return cn_ok(g);
}

static bool validate(fitting *f, int64_t epoch, char *tail, size_t size) {
  cn_model *m = f->m;
  if (!f->validation || (epoch + 1) % f->a->validation_freq) return true;
  const int64_t n = 1 + m->compiled->count;
  if (!cni_evaluate(m, f->validation, f->a->batch_size)) return false;
  history_put(m, n, epoch - f->a->initial_epoch);
  cni_metrics_text(m, "val_", tail, size);
  return true;
}

static bool one_epoch(fitting *f, int64_t epoch) {
  cn_model *m = f->m;
  cn_graph *g = m->base.object.graph;
  cni_progress p;
  char tail[512] = "";
  if (!cn_dataset_reset(f->train, f->a->shuffle)) return false;
  const int64_t steps = steps_of(f->a, f->train);
  if (f->a->verbose && f->a->epochs > 1) cni_print(g, "Epoch %lld/%lld\n", (long long)(epoch + 1), (long long)f->a->epochs);
  cni_progress_begin(&p, g, f->a->verbose, steps);
  cni_metrics_reset(m);
  g->core.caller = "fit";
  const bool ok = epoch_steps(f, &p, steps);
  g->core.caller = NULL;
  if (!ok) return false;
  history_put(m, 0, epoch - f->a->initial_epoch);
  cni_progress_keep(&p, m);
  if (!validate(f, epoch, tail, sizeof tail)) return false;
  cni_progress_end(&p, tail);
  return true;
}

void cn_fit_args_init(cn_fit_args *args, size_t size) {
  const cn_fit_args defaults = { CN_FIT(CN_DEFAULT_, ) .graph = NULL };
  memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

const cn_history *cn_fit_run(const cn_fit_args *a) {
  cn_model *m = a->model;
  if (!cni_ready(m, "fit")) return NULL;
  cn_graph *g = m->base.object.graph;
  fitting f = { .m = m, .a = a };
  const int64_t epochs = a->epochs > a->initial_epoch ? a->epochs - a->initial_epoch : 0;
  int64_t done = 0;
  if (!options_ok(a, g) || !split_data(&f) || !history_begin(m, epochs, f.validation != NULL)) return NULL;
  while (done < epochs && one_epoch(&f, a->initial_epoch + done)) done++;
  if (cn_ok(g)) cn_optimizer_finalize(m->compiled->optimizer);
  history_end(m, done);
  cn_dataset_free(f.split[0]);
  cn_dataset_free(f.split[1]);
  return cn_ok(g) ? &m->history : NULL;
}

/* ---- evaluate ---- */
static bool evaluate_batch(cn_model *m, const cn_batch *b) {
  cn_graph *g = m->base.object.graph;
  cni_compiled *c = m->compiled;
  cn_tensor *p = cn_call(g, &m->base, b->x, .training = 0);
  cn_tensor *loss = p ? cn_total_loss(&m->base, cn_loss_apply(g, &c->loss, b->y ? b->y : p, p, b->sample_weight ? b->sample_weight : CN_NO_TENSOR)) : NULL;
  return loss && cni_metrics_update(m, b, p, cn_item(loss));
}

bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size) {
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cn_batch b;
  bool ok = cn_dataset_reset(d, false);
  cni_metrics_reset(m);
  g->core.caller = "evaluate";
  for (g->core.batch = 0; ok && cn_dataset_next(d, batch_size, &b); g->core.batch++) {
    ok = evaluate_batch(m, &b);
    if (ok) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  cn_recording(g, recording);
  return ok && cn_ok(g);
}

int64_t cn_evaluate(cn_model *m, cn_dataset *data, int64_t batch_size, double *values, int64_t capacity) {
  if (!data || !cni_ready(m, "evaluate")) return -1;
  if (batch_size < 1) return cn_fail(m->base.object.graph, CN_VALUE, "evaluate: batch_size must be positive, got %lld", (long long)batch_size), -1;
  if (!cni_evaluate(m, data, batch_size)) return -1;
  for (int64_t i = 0; i <= m->compiled->count && i < capacity; i++) values[i] = cni_metric_value(m, i);
  return 1 + m->compiled->count;
}

/* ---- predict ---- */
/* Samples first .. first + n - 1 of x, copied; the whole of x as it is. */
static cn_tensor *rows_of(cn_graph *g, cn_tensor *x, int64_t first, int64_t n) {
  if (n == x->dims.d[0]) return x;
  cn_dims dims = x->dims;
  dims.d[0] = n;
  cn_tensor *t = cni_tensor_new(g, (cn_dtype)x->dtype, &dims, false);
  const size_t row = (size_t)(x->count / x->dims.d[0]) * cn_dtype_size((cn_dtype)x->dtype);
  if (t) memcpy(t->data, (const char *)x->data + (size_t)first * row, (size_t)n * row);
  return t;
}

static bool predictable(cn_model *m, cn_tensor *x, const char *what) {
  if (!m || !x || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!cni_readable(g, x, true)) return false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "%s: %s has no layers", what, m->base.name), false;
  if (x->dims.rank < 1 || !x->dims.d[0]) return cn_fail(g, CN_SHAPE, "%s: x has no samples", what), false;
  return true;
}

/* Runs the batches; x is persistent here. `out` is made with the first batch. */
static cn_tensor *predict_batches(cn_model *m, cn_tensor *x, int64_t batch_size) {
  cn_graph *g = m->base.object.graph;
  const int64_t n = x->dims.d[0];
  cn_tensor *out = NULL;
  g->core.caller = "predict";
  for (int64_t first = 0; first < n; first += batch_size) {
    g->core.batch = first / batch_size;
    const int64_t k = n - first < batch_size ? n - first : batch_size;
    cn_tensor *y = cn_call(g, &m->base, rows_of(g, x, first, k), .training = 0);
    if (!y) break;
    if (!out) {
      cn_dims dims = y->dims;
      if (dims.rank < 1 || dims.d[0] != k) {
        cn_fail(g, CN_SHAPE, "predict: the output's first axis is not the samples'");
        break;
      }
      dims.d[0] = n;
      if (!(out = cni_tensor_new(g, (cn_dtype)y->dtype, &dims, true))) break;
    }
    const size_t row = (size_t)(out->count / n) * cn_dtype_size((cn_dtype)out->dtype);
    memcpy((char *)out->data + (size_t)first * row, y->data, (size_t)k * row);
    cn_graph_reset(g);
  }
  g->core.caller = NULL;
  if (cn_ok(g)) return out;
  cn_free(out);
  return NULL;
}

cn_tensor *cn_predict(cn_model *m, cn_tensor *x, int64_t batch_size) {
  if (!predictable(m, x, "predict")) return NULL;
  cn_graph *g = m->base.object.graph;
  if (batch_size < 1) return cn_fail(g, CN_VALUE, "predict: batch_size must be positive, got %lld", (long long)batch_size), NULL;
  cn_tensor *kept = cn_persist(x);
  if (!kept) return NULL;
  const bool recording = cn_recording(g, false);
  cn_tensor *out = predict_batches(m, kept, batch_size);
  cn_recording(g, recording);
  cn_free(kept);
  return out;
}

bool cn_predict_into(cn_model *m, cn_tensor *x, float *out, int64_t count) {
  if (!predictable(m, x, "predict_into")) return false;
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cn_tensor *y = cn_call(g, &m->base, x, .training = 0);
  cn_recording(g, recording);
  if (y && (y->count != count || y->dtype != CN_F32)) {
    char text[160];
    cn_fail(g, CN_SHAPE, "predict_into: the output is %s %s, the array has %lld floats", cn_dtype_name((cn_dtype)y->dtype), cn_dims_text(&y->dims, text, sizeof text), (long long)count);
    return false;
  }
  if (y) memcpy(out, y->data, (size_t)count * sizeof *out);
  cn_graph_reset(g);
  return y != NULL;
}
