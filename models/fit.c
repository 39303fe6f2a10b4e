/* fit, evaluate, predict. */
#include <math.h>
#include <stdio.h>
#include "model_private.h"

/* ---- history ---- */
static int64_t names_wanted(const cn_model *m, bool validated) { return cni_values_count(m) * (validated ? 2 : 1); }

/* The name that callback i adds, where none before it adds the same. */
static const char *added_name(const cn_callbacks *c, int64_t i) {
  const char *name = c->v[i]->methods->log;
  for (int64_t k = 0; name && k < i; k++)
    if (c->v[k]->methods->log && !strcmp(c->v[k]->methods->log, name)) return NULL;
  return name;
}

static bool history_begin(cn_model *m, int64_t epochs, bool validated, const cn_callbacks *callbacks) {
  cn_graph *g = m->base.object.graph;
  const int64_t one = cni_values_count(m), own = names_wanted(m, validated);
  int64_t n = own;
  cni_free(g, m->history_names);
  cni_free(g, m->history_values);
  m->history = (cn_history){ 0, 0, NULL, NULL };
  size_t text = 0;
  for (int64_t i = 0; i < one; i++) text += 2 * strlen(cn_metric_name_at(m, i)) + 6;
  for (int64_t i = 0; i < callbacks->n; i++)
    if (added_name(callbacks, i)) text += strlen(added_name(callbacks, i)) + 1, n++;
  m->history_names = cni_alloc(g, (size_t)n * sizeof *m->history_names + text);
  m->history_values = cni_alloc(g, (size_t)(n * (epochs ? epochs : 1)) * sizeof *m->history_values);
  if (!m->history_names || !m->history_values) return false;
  char *at = (char *)(m->history_names + n);
  for (int64_t i = 0; i < own; i++) {
    m->history_names[i] = at;
    at += sprintf(at, "%s%s", i < one ? "" : "val_", cn_metric_name_at(m, i % one)) + 1;
  }
  for (int64_t i = 0, k = own; i < callbacks->n; i++) {
    const char *name = added_name(callbacks, i);
    if (!name) continue;
    m->history_names[k++] = at;
    at += sprintf(at, "%s", name) + 1;
  }
  for (int64_t i = 0; i < n * epochs; i++) m->history_values[i] = NAN;
  m->history_capacity = epochs;
  m->history = (cn_history){ 0, n, m->history_names, m->history_values };
  return true;
}

/* The values of this epoch's metrics, from row `first` on. The table is [names, capacity] while it fills. */
static void history_put(cn_model *m, int64_t first, int64_t epoch) {
  for (int64_t i = 0; i < cni_values_count(m); i++) m->history_values[(first + i) * m->history_capacity + epoch] = cni_metric_value(m, i);
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
static bool split_data(cni_fitting *f) {
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
  if (a->batch_size < 0) return cn_fail(g, CN_VALUE, "fit: batch_size must not be negative, got %lld", (long long)a->batch_size), false;
  if (a->initial_epoch < 0) return cn_fail(g, CN_VALUE, "fit: initial_epoch must not be negative, got %lld", (long long)a->initial_epoch), false;
  if (a->epochs > INT32_MAX) return cn_fail(g, CN_VALUE, "fit: epochs must be below 2^31, got %lld", (long long)a->epochs), false;
  if (a->validation_freq < 1) return cn_fail(g, CN_VALUE, "fit: validation_freq must be positive, got %lld", (long long)a->validation_freq), false;
  if (a->steps_per_epoch == CN_NONE && cn_dataset_size(a->data) == CN_FOREVER) return cn_fail(g, CN_VALUE, "fit: the data set has no end: steps_per_epoch is required"), false;
  if (a->validation_steps == CN_NONE && a->validation_data && cn_dataset_size(a->validation_data) == CN_FOREVER)
    return cn_fail(g, CN_VALUE, "fit: the validation data has no end: validation_steps is required"), false;
  for (int64_t i = 0; i < a->callbacks.n; i++)
    if (!a->callbacks.v[i]) return cn_fail(g, CN_VALUE, "fit: callback %lld is NULL", (long long)i), false;
  if (!(a->validation_split >= 0 && a->validation_split < 1)) return cn_fail(g, CN_VALUE, "fit: validation_split must be in [0, 1), got %g", a->validation_split), false;
  return true;
}

static int64_t steps_of(const cni_fitting *f) {
  const int64_t n = cn_dataset_size(f->train);
  return f->a->steps_per_epoch != CN_NONE ? f->a->steps_per_epoch : n < 0 ? -1 : n / f->batch_size + (n % f->batch_size != 0);
}

/* ---- class weights ---- */
static double class_of(const cn_tensor *y, int64_t sample) {
  const int64_t n = y->dims.d[0] ? y->count / y->dims.d[0] : 0, last = y->dims.rank > 1 ? y->dims.d[y->dims.rank - 1] : 1;
  int64_t best = 0;
  if (last <= 1) return nearbyint(cni_value_at(y, sample * n));
  for (int64_t k = 1; k < last; k++)
    if (cni_value_at(y, sample * n + k) > cni_value_at(y, sample * n + best)) best = k;
  return (double)best;
}

static bool weigh_classes(const cni_fitting *f, cn_batch *b) {
  const cn_reals w = f->a->class_weight;
  cn_graph *g = f->m->base.object.graph;
  if (w.n <= 0) return true;
  if (b->sample_weight) return cn_fail(g, CN_VALUE, "fit: class_weight and sample weights cannot be given together"), false;
  if (f->m->compiled->outputs_count > 1) return cn_fail(g, CN_VALUE, "fit: class_weight is for models of one output"), false;
  if (!b->y || b->y->dims.rank < 1) return cn_fail(g, CN_VALUE, "fit: class_weight needs targets"), false;
  if (!(b->sample_weight = cni_tensor_new(g, CN_F32, &(const cn_dims){ 1, { b->y->dims.d[0] } }, false))) return false;
  for (int64_t i = 0; i < b->sample_weight->count; i++) {
    const double k = class_of(b->y, i);
    cni_value_set(b->sample_weight, i, k >= 0 && k < (double)w.n ? w.v[(int64_t)k] : 1);
  }
  b->sample_weights = (cn_tensors){ NULL, 0 };
  return true;
}

/* ---- callbacks ---- */
typedef enum { TRAIN_BEGIN, TRAIN_END, EPOCH_BEGIN, EPOCH_END, BATCH_BEGIN, BATCH_END, BEGUN, SETTLED } hook;

static bool one_hook(const cni_fitting *f, cn_callback *c, hook h, int64_t i, cn_logs *logs) {
  const cn_callback_methods *m = c->methods;
  switch (h) {
  case TRAIN_BEGIN: return !m->train_begin || m->train_begin(c);
  case TRAIN_END: return !m->train_end || m->train_end(c);
  case EPOCH_BEGIN: return !m->epoch_begin || m->epoch_begin(c, i);
  case EPOCH_END: return !m->epoch_end || m->epoch_end(c, i, logs);
  case BATCH_BEGIN: return !m->batch_begin || m->batch_begin(c, i);
  case BATCH_END: return !m->batch_end || m->batch_end(c, i, logs);
  case BEGUN: return !m->begun || m->begun(c);
  default: return !m->settled || m->settled(c, f->epoch, f->step);
  }
}

static bool run_hooks(const cni_fitting *f, hook h, int64_t i, int64_t column) {
  const cn_callbacks *all = &f->a->callbacks;
  cn_logs logs = { f->m, column };
  cn_graph *g = f->m->base.object.graph;
  for (int64_t k = 0; k < all->n; k++) {
    all->v[k]->model = f->m;
    if (one_hook(f, all->v[k], h, i, &logs) && cn_ok(g)) continue;
    if (cn_ok(g)) cn_fail(g, CN_STATE, "fit: a callback failed without an error");
    return false;
  }
  return true;
}

/* After the hooks of a batch or of an epoch. */
static bool settle(cni_fitting *f) {
  f->interrupted = f->a->stop_on_interrupt && cni_interrupted;
  return run_hooks(f, SETTLED, 0, -1);
}

/* The rest of a pass over the training data; ends each step. */
static bool epoch_steps(cni_fitting *f, cni_progress *p, int64_t steps) {
  cn_model *m = f->m;
  cn_graph *g = m->base.object.graph;
  cn_batch b;
  if (!steps) f->exhausted = true; /* no data, no epoch */
  while ((steps < 0 || f->step < steps) && !m->stop && !f->interrupted) {
    const int64_t step = f->step;
    g->core.batch = step;
    if (!run_hooks(f, BATCH_BEGIN, step, -1)) return false;
    if (!cn_dataset_next(f->train, f->batch_size, &b)) {
      f->exhausted = steps >= 0 || !step;
      if (step) break;
      return false;
    }
    if (!weigh_classes(f, &b)) return false;
    cni_results r;
    if (!cni_train_step(m, &b, &r)) return false;
    const bool recording = cn_recording(g, false);
    const bool ok = cni_metrics_update(m, &b, &r);
    cn_recording(g, recording);
    if (!ok) return false;
    cn_graph_reset(g);
    cni_progress_step(p, m, step + 1);
    f->step++;
    if (!run_hooks(f, BATCH_END, step, -1) || !settle(f)) return false;
  }
  return cn_ok(g) && steps;
}

static bool validate(cni_fitting *f, int64_t epoch, char *tail, size_t size) {
  cn_model *m = f->m;
  if (!f->validation || (epoch + 1) % f->a->validation_freq || f->interrupted) return true;
  const int64_t n = cni_values_count(m);
  const int64_t own = f->a->validation_batch_size;
  if (!cni_evaluate(m, f->validation, own == CN_NONE || !own ? f->batch_size : own, f->a->validation_steps)) return false;
  f->interrupted = f->a->stop_on_interrupt && cni_interrupted;
  if (f->interrupted) return true; /* half an evaluation is none */
  f->validated = true;
  history_put(m, n, epoch - f->a->initial_epoch);
  cni_metrics_text(m, "val_", tail, size);
  return true;
}

/* What comes before the first batch; an epoch that goes on from a backup has it behind it. */
static bool begin_epoch(cni_fitting *f) {
  const bool reset = f->a->steps_per_epoch == CN_NONE || f->epoch == f->a->initial_epoch;
  if ((reset && !cn_dataset_reset(f->train, f->a->shuffle)) || !run_hooks(f, EPOCH_BEGIN, f->epoch, -1)) return false;
  cni_metrics_reset(f->m);
  return true;
}

static bool one_epoch(cni_fitting *f) {
  cn_model *m = f->m;
  cn_graph *g = m->base.object.graph;
  cni_progress p;
  char tail[512] = "";
  const int64_t epoch = f->epoch;
  if (!f->step && !begin_epoch(f)) return false;
  const int64_t steps = steps_of(f);
  if (f->a->verbose && f->a->epochs > 1) cni_print(g, "Epoch %lld/%lld\n", (long long)(epoch + 1), (long long)f->a->epochs);
  cni_progress_begin(&p, g, f->a->verbose, steps);
  f->validated = false;
  g->core.caller = "fit";
  const bool ok = epoch_steps(f, &p, steps);
  g->core.caller = NULL;
  if (!ok) return false;
  history_put(m, 0, epoch - f->a->initial_epoch);
  cni_progress_keep(&p, m);
  if (!validate(f, epoch, tail, sizeof tail)) return false;
  cni_progress_end(&p, tail);
  const bool whole = !f->interrupted;
  if (whole && !run_hooks(f, EPOCH_END, epoch, epoch - f->a->initial_epoch)) return false;
  f->epoch++;
  f->step = 0;
  return !whole || settle(f);
}

void cn_fit_args_init(cn_fit_args *args, size_t size) {
  const cn_fit_args defaults = { CN_FIT(CN_DEFAULT_, ) .graph = NULL };
  memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static bool all_epochs(cni_fitting *f) {
  cn_model *m = f->m;
  bool ok = run_hooks(f, TRAIN_BEGIN, 0, -1) && run_hooks(f, BEGUN, 0, -1);
  while (ok && f->epoch < f->a->epochs && !f->interrupted && (f->step || (!f->exhausted && !m->stop))) ok = one_epoch(f);
  if (cn_ok(m->base.object.graph)) cn_optimizer_finalize(m->compiled->optimizer);
  return cn_ok(m->base.object.graph) && run_hooks(f, TRAIN_END, 0, -1);
}

const cn_history *cn_fit_run(const cn_fit_args *a) {
  cn_model *m = a->model;
  if (!cni_ready(m, "fit")) return NULL;
  cn_graph *g = m->base.object.graph;
  cni_fitting f = { .m = m, .a = a, .batch_size = cn_dataset_batch_size(a->data, a->batch_size ? a->batch_size : 32), .epoch = a->initial_epoch }, *outer = m->fitting;
  struct sigaction before;
  const int64_t epochs = a->epochs > a->initial_epoch ? a->epochs - a->initial_epoch : 0;
  if (!options_ok(a, g) || !split_data(&f) || !history_begin(m, epochs, f.validation != NULL, &a->callbacks)) return NULL;
  m->stop = false;
  m->fitting = &f;
  if (a->stop_on_interrupt) cni_interrupt_catch(&before);
  all_epochs(&f);
  if (a->stop_on_interrupt) cni_interrupt_leave(&before);
  m->fitting = outer;
  history_end(m, f.epoch - a->initial_epoch);
  cn_dataset_free(f.split[0]);
  cn_dataset_free(f.split[1]);
  return cn_ok(g) ? &m->history : NULL;
}

/* ---- evaluate ---- */
static bool evaluate_batch(cn_model *m, const cn_batch *b) {
  cni_results r;
  return cni_forward(m, b, false, &r) && cni_metrics_update(m, b, &r);
}

bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size, int64_t steps) {
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cn_batch b;
  bool ok = cn_dataset_reset(d, false);
  cni_metrics_reset(m);
  g->core.caller = "evaluate";
  const cni_fitting *f = m->fitting;
  for (g->core.batch = 0; ok && !(f && f->a->stop_on_interrupt && cni_interrupted) && (steps < 0 || g->core.batch < steps) && cn_dataset_next(d, batch_size, &b); g->core.batch++) {
    ok = evaluate_batch(m, &b);
    if (ok) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  cn_recording(g, recording);
  return ok && cn_ok(g);
}

int64_t cn_evaluate(cn_model *m, cn_dataset *data, int64_t batch_size, double *values, int64_t capacity) {
  if (!data || !cni_ready(m, "evaluate")) return -1;
  if (batch_size < 0) return cn_fail(m->base.object.graph, CN_VALUE, "evaluate: batch_size must not be negative, got %lld", (long long)batch_size), -1;
  if (cn_dataset_size(data) == CN_FOREVER) return cn_fail(m->base.object.graph, CN_VALUE, "evaluate: the data set has no end"), -1;
  if (!cni_evaluate(m, data, batch_size ? batch_size : 32, CN_NONE)) return -1;
  const int64_t n = cni_values_count(m);
  for (int64_t i = 0; i < n && i < capacity; i++) values[i] = cni_metric_value(m, i);
  return n;
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

/* Outputs of `n` samples, made with the first batch; the rows of this one are copied in. */
static bool keep_rows(cn_graph *g, cn_tensor **out, const cn_tensor *y, int64_t first, int64_t k, int64_t n) {
  cn_dims dims = y->dims;
  if (dims.rank < 1 || dims.d[0] != k) return cn_fail(g, CN_SHAPE, "predict: the output's first axis is not the samples'"), false;
  dims.d[0] = n;
  if (!*out && !(*out = cni_tensor_new(g, (cn_dtype)y->dtype, &dims, true))) return false;
  if ((*out)->count / n != y->count / k) return cn_fail(g, CN_SHAPE, "predict: the batches' outputs differ in shape"), false;
  const size_t row = (size_t)((*out)->count / n) * cn_dtype_size((cn_dtype)y->dtype);
  memcpy((char *)(*out)->data + (size_t)first * row, y->data, (size_t)k * row);
  return true;
}

static bool predict_batch(cn_model *m, const cn_tensors *x, int64_t first, int64_t k, cn_tensor **out) {
  cn_graph *g = m->base.object.graph;
  cn_tensor *rows[CN_BATCH_TENSORS], *y[1 + CN_LAYER_OUTPUTS];
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  int64_t outputs = 0;
  for (int64_t i = 0; i < x->n; i++)
    if (!(rows[i] = rows_of(g, x->v[i], first, k))) return false;
  a.graph = g;
  a.layer = &m->base;
  a.training = 0;
  if (x->n == 1) a.x = rows[0];
  else a.inputs = (cn_tensors){ rows, x->n };
  bool ok = cn_call_layer(&a, y, &outputs) != NULL;
  for (int64_t i = 0; i < outputs && ok; i++) ok = keep_rows(g, &out[i], y[i], first, k, x->v[0]->dims.d[0]);
  return ok;
}

/* Runs the batches; x are persistent here. */
static bool predict_batches(cn_model *m, const cn_tensors *x, int64_t batch_size, cn_tensor **out) {
  cn_graph *g = m->base.object.graph;
  const int64_t n = x->v[0]->dims.d[0];
  bool ok = true;
  g->core.caller = "predict";
  for (int64_t first = 0; first < n && ok; first += batch_size) {
    g->core.batch = first / batch_size;
    ok = predict_batch(m, x, first, n - first < batch_size ? n - first : batch_size, out);
    if (ok) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  return ok && cn_ok(g);
}

bool cn_predict_lists(cn_model *m, cn_tensors x, int64_t batch_size, cn_tensor **outputs) {
  cn_tensor *kept[CN_BATCH_TENSORS];
  int64_t n = 0;
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (batch_size < 0) return cn_fail(g, CN_VALUE, "predict: batch_size must not be negative, got %lld", (long long)batch_size), false;
  if (!batch_size) batch_size = 32;
  if (x.n < 1 || x.n > CN_BATCH_TENSORS) return cn_fail(g, CN_VALUE, "predict: %lld inputs", (long long)x.n), false;
  for (int64_t i = 0; i < x.n; i++) {
    if (!predictable(m, x.v[i], "predict")) break;
    if (x.v[i]->dims.d[0] != x.v[0]->dims.d[0]) cn_fail(g, CN_SHAPE, "predict: the inputs differ in their number of samples");
    else if ((kept[n] = cn_persist(x.v[i]))) n++;
  }
  for (int64_t i = 0; i < cni_outputs_of(m); i++) outputs[i] = NULL;
  const bool recording = cn_recording(g, false);
  const cn_tensors all = { kept, n };
  const bool ok = n == x.n && cn_ok(g) && predict_batches(m, &all, batch_size, outputs);
  cn_recording(g, recording);
  for (int64_t i = 0; i < n; i++) cn_free(kept[i]);
  for (int64_t i = 0; !ok && i < cni_outputs_of(m); i++) cn_free(outputs[i]), outputs[i] = NULL;
  return ok;
}

cn_tensor *cn_predict(cn_model *m, cn_tensor *x, int64_t batch_size) {
  cn_tensor *out[CN_LAYER_OUTPUTS] = { NULL };
  if (!m || !x || !cn_predict_lists(m, (cn_tensors){ &x, 1 }, batch_size, out)) return NULL;
  for (int64_t i = 1; i < CN_LAYER_OUTPUTS; i++) cn_free(out[i]);
  return out[0];
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
