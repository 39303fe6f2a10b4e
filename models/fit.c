/* fit and evaluate. */
#include <math.h>
#include <stdio.h>
#include "../autograd/profile.h"
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
  m->history = (cn_history){ .epochs = 0 };
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
  m->history = (cn_history){ .names_count = n, .names = m->history_names, .values = m->history_values };
  return true;
}

/* The values of this epoch's metrics, from row `first` on. The table is [names, capacity] while it fills. */
static void history_put(cn_model *m, int64_t first, int64_t epoch) {
  for (int64_t i = 0; i < cni_values_count(m); i++) m->history_values[(first + i) * m->history_capacity + epoch] = cni_metric_value(m, i);
}

/* Closes the gaps when fit ended early. */
static void history_end(cn_model *m, int64_t epochs) {
  for (int64_t i = 1; i < m->history.names_count; i++)
    memmove(m->history_values + i * epochs, m->history_values + i * m->history_capacity, (size_t)epochs * sizeof(double));
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
  if (first <= 0 || first >= n)
    return cn_fail(g, CN_VALUE, "fit: validation_split %g of %lld samples leaves no samples to %s", a->validation_split, (long long)n,
                   first <= 0 ? "train" : "validate"),
           false;
  f->split[0] = f->train = cn_dataset_range(a->data, 0, first);
  f->split[1] = f->validation = cn_dataset_range(a->data, first, n - first);
  return f->train && f->validation;
}

/* Keras: 32, or what makes `steps` of the samples; the data set's own where it has one. */
int64_t cni_batch_size(int64_t given, const cn_dataset *d, int64_t steps) {
  const int64_t n = cn_dataset_size(d);
  return cn_dataset_batch_size(d, given > 0 ? given : steps != CN_NONE && n > 0 && n != CN_FOREVER ? n / steps + (n % steps != 0) : 32);
}
bool cni_batch_size_ok(cn_graph *g, const char *what, const char *option, int64_t given) {
  if (given >= 0 || given == CN_NONE) return true;
  return cn_fail(g, CN_VALUE, "%s: %s must not be negative, got %lld", what, option, (long long)given), false;
}
bool cni_steps_ok(cn_graph *g, const char *what, const char *option, int64_t given) {
  if (given > 0 || given == CN_NONE) return true;
  return cn_fail(g, CN_VALUE, "%s: %s must be positive, got %lld", what, option, (long long)given), false;
}

static bool options_ok(const cn_fit_args *a, cn_graph *g) {
  if (!a->data) return cn_fail(g, CN_VALUE, "fit: the data set is NULL"), false;
  if (a->epochs < 0) return cn_fail(g, CN_VALUE, "fit: epochs must not be negative, got %lld", (long long)a->epochs), false;
  if (!cni_batch_size_ok(g, "fit", "batch_size", a->batch_size) || !cni_batch_size_ok(g, "fit", "validation_batch_size", a->validation_batch_size))
    return false;
  if (!cni_steps_ok(g, "fit", "steps_per_epoch", a->steps_per_epoch) || !cni_steps_ok(g, "fit", "validation_steps", a->validation_steps)) return false;
  if (a->initial_epoch < 0) return cn_fail(g, CN_VALUE, "fit: initial_epoch must not be negative, got %lld", (long long)a->initial_epoch), false;
  if (a->epochs > INT32_MAX) return cn_fail(g, CN_VALUE, "fit: epochs must be below 2^31, got %lld", (long long)a->epochs), false;
  if (a->validation_freq < 1) return cn_fail(g, CN_VALUE, "fit: validation_freq must be positive, got %lld", (long long)a->validation_freq), false;
  if (a->steps_per_epoch == CN_NONE && cn_dataset_size(a->data) == CN_FOREVER)
    return cn_fail(g, CN_VALUE, "fit: the data set has no end: steps_per_epoch is required"), false;
  if (a->validation_steps == CN_NONE && a->validation_data && cn_dataset_size(a->validation_data) == CN_FOREVER)
    return cn_fail(g, CN_VALUE, "fit: the validation data has no end: validation_steps is required"), false;
  for (int64_t i = 0; i < a->callbacks.n; i++)
    if (!a->callbacks.v[i]) return cn_fail(g, CN_VALUE, "fit: callback %lld is NULL", (long long)i), false;
  if (!(a->validation_split >= 0 && a->validation_split < 1))
    return cn_fail(g, CN_VALUE, "fit: validation_split must be in [0, 1), got %g", a->validation_split), false;
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

bool cni_weigh_classes(cn_model *m, const char *what, cn_reals w, cn_batch *b) {
  cn_graph *g = m->base.object.graph;
  if (w.n <= 0) return true;
  if (b->sample_weight) return cn_fail(g, CN_VALUE, "%s: class_weight and sample weights cannot be given together", what), false;
  if (m->compiled->outputs_count > 1) return cn_fail(g, CN_VALUE, "%s: class_weight is for models of one output", what), false;
  if (!b->y || b->y->dims.rank < 1) return cn_fail(g, CN_VALUE, "%s: class_weight needs targets", what), false;
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

/* What fit does around its steps, in a profile. */
static double begun(const cn_graph *g) { return g->profile ? cni_profile_clock() : 0; }
static void spent(cn_graph *g, const char *what, double began) {
  if (g->profile) cni_profile_add(g, what, CN_PHASE_FIT, began, 0, 0);
}

static bool run_hooks(const cni_fitting *f, hook h, int64_t i, int64_t column) {
  const cn_callbacks *all = &f->a->callbacks;
  cn_logs logs = { f->m, column };
  cn_graph *g = f->m->base.object.graph;
  const double began = begun(g);
  for (int64_t k = 0; k < all->n; k++) {
    all->v[k]->model = f->m;
    if (one_hook(f, all->v[k], h, i, &logs) && cn_ok(g)) continue;
    if (cn_ok(g)) cn_fail(g, CN_STATE, "fit: a callback failed without an error");
    return false;
  }
  if (all->n) spent(g, "(callbacks)", began);
  return true;
}

static bool next_batch(const cni_fitting *f, cn_batch *b) {
  cn_graph *g = f->m->base.object.graph;
  const double began = begun(g);
  const bool more = cn_dataset_next(f->train, f->batch_size, b);
  if (more) spent(g, "(data)", began);
  return more;
}

static bool update_metrics(cn_model *m, const cn_batch *b, const cni_results *r) {
  cn_graph *g = m->base.object.graph;
  const double began = begun(g);
  const bool recording = cn_recording(g, false), ok = cni_metrics_update(m, b, r);
  cn_recording(g, recording);
  spent(g, "(metrics)", began);
  return ok;
}

/* After the hooks of a batch or of an epoch. */
static bool settle(cni_fitting *f) {
  f->interrupted = f->a->stop_on_interrupt && cni_interrupted;
  return run_hooks(f, SETTLED, 0, -1);
}

/* Another pass over data that has ended; what runs once stays at its end. */
static bool begin_again(const cni_fitting *f) {
  return cn_ok(f->m->base.object.graph) && cn_dataset_position(f->train).sample > 0 && cni_dataset_restarts(f->train) &&
         cn_dataset_reset(f->train, f->a->shuffle);
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
    if (!next_batch(f, &b) && !(steps >= 0 && !step && begin_again(f) && next_batch(f, &b))) {
      f->exhausted = !step || (steps >= 0 && !cni_dataset_restarts(f->train));
      if (step) break;
      return false;
    }
    if (!cni_weigh_classes(m, "fit", f->a->class_weight, &b)) return false;
    cni_results r;
    if (!cni_train_step(m, &b, &r) || !update_metrics(m, &b, &r)) return false;
    cn_graph_reset(g);
    const double began = begun(g);
    cni_progress_step(p, m, step + 1);
    spent(g, "(progress)", began);
    f->step++;
    if (!run_hooks(f, BATCH_END, step, -1) || !settle(f)) return false;
  }
  return cn_ok(g) && steps;
}

static bool validates(const cn_fit_args *a, int64_t epoch) {
  if (a->validation_epochs.n < 0) return (epoch + 1) % a->validation_freq == 0;
  for (int64_t i = 0; i < a->validation_epochs.n; i++)
    if (a->validation_epochs.v[i] == epoch + 1) return true;
  return false;
}

static bool validate(cni_fitting *f, int64_t epoch, char *tail, size_t size) {
  cn_model *m = f->m;
  if (!f->validation || !validates(f->a, epoch) || f->interrupted) return true;
  const int64_t n = cni_values_count(m), own = f->a->validation_batch_size;
  if (!cni_evaluate(m, f->validation, cni_batch_size(own > 0 ? own : f->a->batch_size, f->validation, f->a->validation_steps), f->a->validation_steps, NULL))
    return false;
  f->interrupted = f->a->stop_on_interrupt && cni_interrupted;
  if (f->interrupted) return true; /* half an evaluation is none */
  f->validated = true;
  history_put(m, n, epoch - f->a->initial_epoch);
  cni_metrics_text(m, "val_", tail, size);
  return true;
}

/* What comes before the first batch; an epoch that goes on from a backup has it behind it. Epochs of so many steps go on in the data where the last one
 * ended. */
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
  cni_progress_begin(&p, g, f->a->verbose, steps < 0 ? f->counted : steps);
  f->validated = false;
  g->core.caller = "fit";
  const bool ok = epoch_steps(f, &p, steps);
  g->core.caller = NULL;
  if (!ok) return false;
  history_put(m, 0, epoch - f->a->initial_epoch);
  cni_progress_keep(&p, m);
  f->counted = p.step;
  if (!validate(f, epoch, tail, sizeof tail)) return false;
  cni_progress_end(&p, tail);
  const bool whole = !f->interrupted;
  if (whole && !run_hooks(f, EPOCH_END, epoch, epoch - f->a->initial_epoch)) return false;
  f->epoch++;
  f->step = 0;
  return !whole || settle(f);
}

CNI_ARGS_INIT(cn_fit, CN_FIT, graph)

static bool all_epochs(cni_fitting *f) {
  cn_model *m = f->m;
  bool ok = run_hooks(f, TRAIN_BEGIN, 0, -1) && run_hooks(f, BEGUN, 0, -1);
  while (ok && f->epoch < f->a->epochs && !f->interrupted && (f->step || (!f->exhausted && !m->stop))) ok = one_epoch(f);
  if (cn_ok(m->base.object.graph)) cn_optimizer_finalize(m->compiled->optimizer);
  return cn_ok(m->base.object.graph) && run_hooks(f, TRAIN_END, 0, -1);
}

const cn_history *cn_fit_run(const cn_fit_args *a) {
  cn_model *m = a->model;
  if (!cni_not_fitting(m, "fit") || !cni_ready(m, "fit")) return NULL;
  cn_graph *g = m->base.object.graph;
  cni_fitting f = { .m = m, .a = a, .epoch = a->initial_epoch, .counted = -1 }, *outer = m->fitting;
  struct sigaction before;
  const int64_t epochs = a->epochs > a->initial_epoch ? a->epochs - a->initial_epoch : 0;
  if (!options_ok(a, g) || !split_data(&f) || !history_begin(m, epochs, f.validation != NULL, &a->callbacks)) return NULL;
  m->history.initial_epoch = a->initial_epoch;
  f.batch_size = cni_batch_size(a->batch_size, f.train, a->steps_per_epoch);
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

bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size, int64_t steps, cni_progress *p) {
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cn_batch b;
  bool ok = cn_dataset_reset(d, false);
  cni_metrics_reset(m);
  g->core.caller = "evaluate";
  const bool ends = !p && m->fitting && m->fitting->a->stop_on_interrupt; /* fit's own, by Ctrl-C; a callback's is whole */
  for (g->core.batch = 0; ok && !(ends && cni_interrupted) && (steps < 0 || g->core.batch < steps) && cn_dataset_next(d, batch_size, &b); g->core.batch++) {
    ok = evaluate_batch(m, &b);
    if (!ok) break;
    cn_graph_reset(g);
    if (p) cni_progress_step(p, m, g->core.batch + 1);
  }
  g->core.caller = NULL;
  cn_recording(g, recording);
  return ok && cn_ok(g);
}

CNI_ARGS_INIT(cn_evaluate, CN_EVALUATE, graph)

int64_t cn_evaluate_run(const cn_evaluate_args *a) {
  cn_model *m = a->model;
  cni_progress p;
  if (!cni_ready(m, "evaluate")) return -1;
  cn_graph *g = m->base.object.graph;
  if (!a->data) return cn_fail(g, CN_VALUE, "evaluate: the data set is NULL"), -1;
  if (a->steps == CN_NONE && cn_dataset_size(a->data) == CN_FOREVER) return cn_fail(g, CN_VALUE, "evaluate: the data set has no end: steps is required"), -1;
  if (!cni_batch_size_ok(g, "evaluate", "batch_size", a->batch_size) || !cni_steps_ok(g, "evaluate", "steps", a->steps)) return -1;
  const int64_t batch = cni_batch_size(a->batch_size, a->data, a->steps), n = cn_dataset_size(a->data), count = cni_values_count(m);
  cni_progress_begin(&p, g, a->verbose, a->steps != CN_NONE ? a->steps : n < 0 ? -1 : n / batch + (n % batch != 0));
  if (!cni_evaluate(m, a->data, batch, a->steps, &p)) return -1;
  cni_progress_keep(&p, m);
  cni_progress_end(&p, "");
  for (int64_t i = 0; i < count && i < a->capacity; i++) a->values[i] = cni_metric_value(m, i);
  return count;
}

int64_t cn_evaluate(cn_model *m, cn_dataset *data, int64_t batch_size, double *values, int64_t capacity) {
  const cn_evaluate_args a = { .model = m, .data = data, .values = values, .capacity = capacity, .batch_size = batch_size, .steps = CN_NONE };
  return data ? cn_evaluate_run(&a) : -1;
}
