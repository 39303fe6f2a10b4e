/* Callbacks: the base, and those that watch a value. */
#include "callback_private.h"

/* ---- logs ---- */
int64_t cni_log_names(const cn_model *m, bool epoch) { return epoch ? m->history.names_count : cni_values_count(m); }
const char *cni_log_name(const cn_model *m, bool epoch, int64_t i) { return epoch ? m->history_names[i] : cn_metric_name_at((cn_model *)(uintptr_t)m, i); }

/* The place of a name, -1: there is none. */
static int64_t place_of(const cn_logs *l, const char *name) {
  for (int64_t i = 0; name && i < cni_log_names(l->model, l->column >= 0); i++)
    if (!strcmp(cni_log_name(l->model, l->column >= 0, i), name)) return i;
  return -1;
}
static double value_at(const cn_logs *l, int64_t i) {
  return l->column < 0 ? cni_metric_value(l->model, i) : l->model->history_values[i * l->model->history_capacity + l->column];
}

/* In an epoch's end the history's names: the metrics, those of validation where this epoch had one, and what callbacks have added so far. */
static bool is_there(const cn_logs *l, int64_t i) {
  const cni_fitting *f = l->model->fitting;
  const int64_t one = cni_values_count(l->model);
  if (i < one) return i >= 0;
  return f && f->validation && i < 2 * one ? f->validated : !isnan(value_at(l, i));
}
bool cn_log_has(const cn_logs *l, const char *name) { return is_there(l, place_of(l, name)); }
double cn_log_at(const cn_logs *l, const char *name) {
  const int64_t i = place_of(l, name);
  return is_there(l, i) ? value_at(l, i) : NAN;
}

bool cn_log_put(cn_logs *l, const char *name, double value) {
  cn_graph *g = l->model->base.object.graph;
  const int64_t i = l->column < 0 ? -1 : place_of(l, name);
  if (i < 0) return cn_fail(g, CN_STATE, "log_put: \"%s\" is no value that a callback of this fit adds", name ? name : ""), false;
  l->model->history_values[i * l->model->history_capacity + l->column] = value;
  return true;
}

void cn_stop_training(cn_model *m) {
  if (m) m->stop = true;
}

/* ---- the base ---- */
bool cni_callback_init(cn_object *self) {
  ((cn_callback *)(void *)self)->methods = self->cls->methods;
  return true;
}

typedef struct { cn_graph *graph; } plain_options;
static const cn_row plain_rows[] = { { 0 } };
static const plain_options plain_defaults = { NULL };
static const cn_class plain_class = { .kind = CN_KIND_CALLBACK,
                                      .schema = { .name = "Callback", .rows = plain_rows, .defaults = &plain_defaults, .size = sizeof(plain_options) },
                                      .size = sizeof(cn_callback) };

cn_callback *cn_callback_new(cn_graph *g, const cn_callback_methods *methods, void *user) {
  const plain_options o = { g };
  if (!cn_ok(g)) return NULL;
  if (!methods) return cn_fail(g, CN_VALUE, "callback_new: methods is NULL"), NULL;
  cn_callback *c = (cn_callback *)(void *)cn_object_new(&plain_class, &o);
  if (!c) return NULL;
  c->methods = methods;
  c->user = user;
  return c;
}

/* Keras writes how often as a word, or a number of batches. */
cn_object *cni_callback_from_json(cn_graph *g, const json_t *config) {
  static const char *const keys[] = { "save_freq", "update_freq" };
  json_t *whole = json_deep_copy(config), *options = json_object_get(whole, "config");
  if (!whole) return cn_fail(g, CN_NO_MEMORY, "callback: out of memory"), NULL;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char *word = json_string_value(json_object_get(options, keys[i]));
    if (word && !strcmp(word, "epoch")) json_object_set_new(options, keys[i], json_null());
    if (word && !strcmp(word, "batch")) json_object_set_new(options, keys[i], json_integer(1));
  }
  cn_object *o = cni_object_from_json(g, CN_KIND_CALLBACK, whole, cni_callback_classes, &cni_models_factory);
  json_decref(whole);
  return o;
}

cn_callback *cn_callback_from(cn_graph *g, const char *text) {
  return cn_ok(g) && text ? (cn_callback *)(void *)cni_models_factory.from_text(g, CN_KIND_CALLBACK, text) : NULL;
}

/* ---- LearningRateScheduler ---- */
typedef struct scheduled { cn_rate_function rate; void *user; } scheduled;

static bool scheduler_epoch_begin(cn_callback *c, int64_t epoch) {
  cn_optimizer *o = c->model->compiled->optimizer;
  const scheduled *s = c->user;
  return cn_optimizer_set_learning_rate(o, s->rate(epoch, cn_optimizer_learning_rate(o), s->user));
}
static bool put_rate(cn_callback *c, cn_logs *logs) { return cn_log_put(logs, "learning_rate", cn_optimizer_learning_rate(c->model->compiled->optimizer)); }
static bool scheduler_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) { return (void)epoch, put_rate(c, logs); }
static const cn_callback_methods scheduler_methods = { .epoch_begin = scheduler_epoch_begin, .epoch_end = scheduler_epoch_end, .log = "learning_rate" };

cn_callback *cn_callback_LearningRateScheduler(cn_graph *g, cn_rate_function rate, void *user) {
  if (!cn_ok(g)) return NULL;
  if (!rate) return cn_fail(g, CN_VALUE, "LearningRateScheduler: the function is NULL"), NULL;
  scheduled *s = cni_arena_take(g, &g->keep, sizeof *s);
  if (!s) return NULL;
  *s = (scheduled){ rate, user };
  return cn_callback_new(g, &scheduler_methods, s);
}

/* ---- what is watched ---- */
/* "val_accuracy" as the metric's name says: of auto. */
static cni_direction direction_of(const cn_model *m, const char *monitor) {
  const cni_compiled *c = m->compiled;
  const char *name = strncmp(monitor, "val_", 4) ? monitor : monitor + 4;
  if (!strcmp(name, "loss")) return CNI_FALLS;
  for (int64_t i = 0; i < c->count; i++) {
    if (strcmp(c->metrics[i].name, name)) continue;
    const cn_metric *metric = c->metrics[i].metric; /* NULL: an accuracy that no batch has shown yet */
    return !metric || ((const cn_metric_methods *)metric->object.cls->methods)->rises ? CNI_RISES : CNI_FALLS;
  }
  return CNI_UNKNOWN;
}

bool cni_find_direction(const cn_callback *c, const char *monitor, const char *mode, cni_direction *d) {
  if (*d != CNI_UNKNOWN) return true;
  *d = !strcmp(mode, "min") ? CNI_FALLS : !strcmp(mode, "max") ? CNI_RISES : direction_of(c->model, monitor);
  if (*d != CNI_UNKNOWN) return true;
  return cn_fail(c->object.graph, CN_VALUE, "%s: \"%s\" is no metric of the model; with mode min or max it may be any value", c->object.cls->schema.name,
                 monitor),
         false;
}

/* Whether value is better than reference by more than delta. */
bool cni_better(cni_direction d, double value, double reference, double delta) {
  return d == CNI_FALLS ? (float)(value + delta) < (float)reference : (float)(value - delta) > (float)reference;
}

/* ---- EarlyStopping ---- */
typedef struct stopping {
  cn_callback base;
  cni_direction direction;
  bool any;               /* a best value is known */
  cn_early_stopping state;
  char *best_weights;     /* all values one after the other, or NULL */
  size_t best_bytes;
} stopping;

/* Keeps the weights (their first values make the room), or puts them back. */
static bool best(stopping *s, bool restores) {
  cn_graph *g = s->base.object.graph;
  cni_variables all;
  if (!cni_variables_of(s->base.model, false, &all)) return false;
  if (!s->best_weights) s->best_weights = cni_alloc(g, all.bytes + 1);
  s->best_bytes = all.bytes;
  if (s->best_weights) restores ? cni_variables_put(&all, s->best_weights) : cni_variables_keep(&all, s->best_weights);
  cni_free(g, all.v);
  return s->best_weights != NULL;
}

static bool stopping_begin(cn_callback *c) {
  stopping *s = (stopping *)(void *)c;
  s->state = (cn_early_stopping){ 0, 0, 0, NAN };
  s->direction = CNI_UNKNOWN;
  s->any = false;
  cni_free(c->object.graph, s->best_weights);
  s->best_weights = NULL;
  return true;
}

static bool stopping_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) {
  stopping *s = (stopping *)(void *)c;
  const cn_callback_EarlyStoppingOptions *o = c->object.options;
  if (!cni_find_direction(c, o->monitor, o->mode, &s->direction)) return false;
  const double now = cn_log_at(logs, o->monitor), delta = fabs(o->min_delta);
  if (isnan(now) && !cn_log_has(logs, o->monitor)) return true;
  if (epoch < o->start_from_epoch) return true;
  if (o->restore_best_weights && !s->best_weights) {
    if (!best(s, false)) return false;
    s->state.best_epoch = epoch;
  }
  s->state.wait++;
  if (!s->any || cni_better(s->direction, now, s->state.best, delta)) {
    s->any = true;
    s->state.best = now;
    s->state.best_epoch = epoch;
    if (isnan(o->baseline) || cni_better(s->direction, now, o->baseline, delta)) s->state.wait = 0;
    return !o->restore_best_weights || best(s, false);
  }
  if (s->state.wait < o->patience || epoch == 0) return true;
  s->state.stopped_epoch = epoch;
  if (o->verbose > 0) cni_print(c->object.graph, "Epoch %lld: early stopping\n", (long long)(epoch + 1));
  return cn_stop_training(c->model), true;
}

static bool stopping_end(cn_callback *c) {
  stopping *s = (stopping *)(void *)c;
  const bool ok = !((const cn_callback_EarlyStoppingOptions *)c->object.options)->restore_best_weights || !s->best_weights || best(s, true);
  cni_free(c->object.graph, s->best_weights);
  s->best_weights = NULL;
  return ok;
}
static bool stopping_state(cn_callback *c, cn_state *state) {
  stopping *s = (stopping *)(void *)c;
  cn_early_stopping *e = &s->state;
  bool kept = s->best_weights != NULL;
  if (!cn_state_bytes(state, "any", &s->any, sizeof s->any) || !cn_state_bytes(state, "best", &e->best, sizeof e->best) ||
      !cn_state_bytes(state, "wait", &e->wait, sizeof e->wait))
    return false;
  if (!cn_state_bytes(state, "best_epoch", &e->best_epoch, sizeof e->best_epoch) ||
      !cn_state_bytes(state, "stopped_epoch", &e->stopped_epoch, sizeof e->stopped_epoch))
    return false;
  if (!cn_state_bytes(state, "kept", &kept, sizeof kept)) return false;
  if (kept && !s->best_weights && !best(s, false)) return false;
  return !kept || cn_state_bytes(state, "weights", s->best_weights, s->best_bytes);
}
static void stopping_finish(cn_object *self) { cni_free(self->graph, ((stopping *)(void *)self)->best_weights); }

cn_early_stopping cn_early_stopping_of(const cn_callback *c) {
  static const cn_early_stopping none = { 0, 0, 0, NAN };
  return c && c->object.cls == &cn_class_callback_EarlyStopping ? ((const stopping *)(const void *)c)->state : none;
}

/* ---- ReduceLROnPlateau ---- */
typedef struct plateau { cn_callback base; cni_direction direction; double best; int64_t wait, cooldown; } plateau;

static bool plateau_begin(cn_callback *c) {
  plateau *p = (plateau *)(void *)c;
  p->direction = CNI_UNKNOWN;
  p->best = INFINITY;
  p->wait = p->cooldown = 0;
  return true;
}

static bool lower_rate(cn_callback *c, int64_t epoch) {
  const cn_callback_ReduceLROnPlateauOptions *o = c->object.options;
  cn_optimizer *optimizer = c->model->compiled->optimizer;
  const double rate = cn_optimizer_learning_rate(optimizer), lower = fmax(rate * o->factor, o->min_lr);
  if (!((float)rate > (float)o->min_lr)) return true;
  ((plateau *)(void *)c)->cooldown = o->cooldown;
  ((plateau *)(void *)c)->wait = 0;
  if (o->verbose > 0) cni_print(c->object.graph, "Epoch %lld: the learning rate falls to %g\n", (long long)(epoch + 1), lower);
  return cn_optimizer_set_learning_rate(optimizer, lower);
}

static bool plateau_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) {
  plateau *p = (plateau *)(void *)c;
  const cn_callback_ReduceLROnPlateauOptions *o = c->object.options;
  if (!put_rate(c, logs) || !cni_find_direction(c, o->monitor, o->mode, &p->direction)) return false;
  if (!cn_log_has(logs, o->monitor)) return true;
  const double now = cn_log_at(logs, o->monitor), best = p->direction == CNI_RISES && p->best == INFINITY ? -INFINITY : p->best; /* none yet */
  if (p->cooldown > 0) p->cooldown--, p->wait = 0;
  if (cni_better(p->direction, now, best, o->min_delta)) p->best = now, p->wait = 0;
  else if (p->cooldown <= 0 && ++p->wait >= o->patience) return lower_rate(c, epoch);
  return true;
}

static bool plateau_state(cn_callback *c, cn_state *s) {
  plateau *p = (plateau *)(void *)c;
  return cn_state_bytes(s, "best", &p->best, sizeof p->best) && cn_state_bytes(s, "wait", &p->wait, sizeof p->wait) &&
         cn_state_bytes(s, "cooldown", &p->cooldown, sizeof p->cooldown);
}

static bool plateau_init(cn_object *self) {
  const cn_callback_ReduceLROnPlateauOptions *o = self->options;
  if (!(o->factor < 1)) return cn_fail(self->graph, CN_VALUE, "factor must be below 1, got %g", o->factor), false;
  return cni_callback_init(self);
}

/* ---- TerminateOnNaN ---- */
static bool nan_batch_end(cn_callback *c, int64_t batch, cn_logs *logs) {
  const double loss = cn_log_at(logs, "loss");
  if (isfinite(loss)) return true;
  if (((const cn_callback_TerminateOnNaNOptions *)c->object.options)->raise_error)
    return cn_fail(c->object.graph, CN_VALUE, "TerminateOnNaN: the loss is %s at batch %lld", isnan(loss) ? "nan" : "infinite", (long long)batch), false;
  return cn_stop_training(c->model), true;
}

/* ---- classes ---- */
CNI_CALLBACK(EarlyStopping, stopping, CN_CALLBACK_EARLY_STOPPING, cni_callback_init, stopping_finish, .train_begin = stopping_begin, .train_end = stopping_end,
             .epoch_end = stopping_epoch_end, .state = stopping_state)
CNI_CALLBACK(ReduceLROnPlateau, plateau, CN_CALLBACK_REDUCE_LR, plateau_init, NULL, .train_begin = plateau_begin, .epoch_end = plateau_epoch_end,
             .log = "learning_rate", .state = plateau_state)
CNI_CALLBACK(TerminateOnNaN, cn_callback, CN_CALLBACK_TERMINATE_ON_NAN, cni_callback_init, NULL, .batch_end = nan_batch_end)
const cn_class *const cni_callback_classes[] = { &cn_class_callback_EarlyStopping,  &cn_class_callback_ReduceLROnPlateau,
                                                 &cn_class_callback_TerminateOnNaN, &cn_class_callback_ModelCheckpoint,
                                                 &cn_class_callback_CSVLogger,      &cn_class_callback_BackupAndRestore,
                                                 &cn_class_callback_TensorBoard,    NULL };
