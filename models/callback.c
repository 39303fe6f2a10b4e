/* Callbacks: the base, and those that watch a value. */
#include <math.h>
#include "model_private.h"

/* ---- logs ---- */
/* In an epoch's end its column of the history; in batch hooks (column < 0) the metrics so far. */
double cn_log_at(const cn_logs *l, const char *name) {
  const int64_t i = cni_log_find(l, name);
  if (i < 0) return NAN;
  return l->column < 0 ? cni_metric_value(l->model, i) : l->model->history_values[i * l->model->history_capacity + l->column];
}
int64_t cni_log_find(const cn_logs *l, const char *name) {
  const int64_t n = l->column < 0 ? cni_values_count(l->model) : l->model->history.names_count;
  for (int64_t i = 0; name && i < n; i++)
    if (!strcmp(l->column < 0 ? cn_metric_name_at(l->model, i) : l->model->history_names[i], name)) return i;
  return -1;
}
bool cn_log_has(const cn_logs *l, const char *name) { return cni_log_find(l, name) >= 0; }

bool cn_log_put(cn_logs *l, const char *name, double value) {
  cn_graph *g = l->model->base.object.graph;
  const int64_t i = l->column < 0 ? -1 : cni_log_find(l, name);
  if (i < 0) return cn_fail(g, CN_STATE, "log_put: \"%s\" is no value that a callback of this fit adds", name ? name : ""), false;
  l->model->history_values[i * l->model->history_capacity + l->column] = value;
  return true;
}

void cn_stop_training(cn_model *m) {
  if (m) m->stop = true;
}

/* ---- the base ---- */
static bool callback_init(cn_object *self) {
  ((cn_callback *)(void *)self)->methods = self->cls->methods;
  return true;
}

typedef struct { cn_graph *graph; } plain_options;
static const cn_row plain_rows[] = { { 0 } };
static const plain_options plain_defaults = { NULL };
static const cn_class plain_class = { .kind = CN_KIND_CALLBACK, .schema = { .name = "Callback", .rows = plain_rows, .defaults = &plain_defaults, .size = sizeof(plain_options) }, .size = sizeof(cn_callback) };

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

cn_callback *cn_callback_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? (cn_callback *)(void *)cni_models_factory.from_text(g, CN_KIND_CALLBACK, text) : NULL; }

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
typedef enum { UNKNOWN, FALLS, RISES } direction;

/* "val_accuracy" as the metric's name says: of auto. */
static direction direction_of(const cn_model *m, const char *monitor) {
  const cni_compiled *c = m->compiled;
  const char *name = strncmp(monitor, "val_", 4) ? monitor : monitor + 4;
  if (!strcmp(name, "loss")) return FALLS;
  for (int64_t i = 0; i < c->count; i++) {
    if (strcmp(c->metrics[i].name, name)) continue;
    const cn_metric *metric = c->metrics[i].metric; /* NULL: an accuracy that no batch has shown yet */
    return !metric || ((const cn_metric_methods *)metric->object.cls->methods)->rises ? RISES : FALLS;
  }
  return UNKNOWN;
}

static bool find_direction(const cn_callback *c, const char *monitor, const char *mode, direction *d) {
  if (*d != UNKNOWN) return true;
  *d = !strcmp(mode, "min") ? FALLS : !strcmp(mode, "max") ? RISES : direction_of(c->model, monitor);
  if (*d != UNKNOWN) return true;
  return cn_fail(c->object.graph, CN_VALUE, "%s: \"%s\" is no metric of the model; with mode min or max it may be any value", c->object.cls->schema.name, monitor), false;
}

/* Whether value is better than reference by more than delta. */
static bool better(direction d, double value, double reference, double delta) {
  return d == FALLS ? (float)(value + delta) < (float)reference : (float)(value - delta) > (float)reference;
}

/* ---- EarlyStopping ---- */
typedef struct stopping {
  cn_callback base;
  direction direction;
  bool any;               /* a best value is known */
  cn_early_stopping state;
  char *best_weights;     /* all values one after the other, or NULL */
} stopping;

static int64_t weights_of(const cn_callback *c, cn_tensor ***v) {
  cn_graph *g = c->object.graph;
  const int64_t n = cn_weights(&c->model->base, NULL, 0);
  *v = cni_alloc(g, (size_t)(n ? n : 1) * sizeof **v);
  return *v ? cn_weights(&c->model->base, *v, n) : -1;
}

static bool save_best(stopping *s) {
  cn_tensor **v;
  size_t bytes = 0;
  cn_graph *g = s->base.object.graph;
  const int64_t n = weights_of(&s->base, &v);
  for (int64_t i = 0; i < n; i++) bytes += (size_t)v[i]->count * cn_dtype_size((cn_dtype)v[i]->dtype);
  if (n >= 0 && !s->best_weights) s->best_weights = cni_alloc(g, bytes + 1);
  char *at = s->best_weights;
  for (int64_t i = 0; i < n && at; i++) {
    const size_t size = (size_t)v[i]->count * cn_dtype_size((cn_dtype)v[i]->dtype);
    if (size) memcpy(at, v[i]->data, size);
    at += size;
  }
  cni_free(g, v);
  return n >= 0 && s->best_weights;
}

static bool restore_best(stopping *s) {
  cn_tensor **v;
  cn_graph *g = s->base.object.graph;
  const int64_t n = weights_of(&s->base, &v);
  const char *at = s->best_weights;
  for (int64_t i = 0; i < n; i++) {
    cn_assign_data(v[i], at);
    at += (size_t)v[i]->count * cn_dtype_size((cn_dtype)v[i]->dtype);
  }
  cni_free(g, v);
  return n >= 0 && cn_ok(g);
}

static bool stopping_begin(cn_callback *c) {
  stopping *s = (stopping *)(void *)c;
  s->state = (cn_early_stopping){ 0, 0, 0, NAN };
  s->direction = UNKNOWN;
  s->any = false;
  cni_free(c->object.graph, s->best_weights);
  s->best_weights = NULL;
  return true;
}

static bool stopping_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) {
  stopping *s = (stopping *)(void *)c;
  const cn_callback_EarlyStoppingOptions *o = c->object.options;
  if (!find_direction(c, o->monitor, o->mode, &s->direction)) return false;
  const double now = cn_log_at(logs, o->monitor), delta = fabs(o->min_delta);
  if (isnan(now) && !cn_log_has(logs, o->monitor)) return true;
  if (epoch < o->start_from_epoch) return true;
  if (o->restore_best_weights && !s->best_weights) {
    if (!save_best(s)) return false;
    s->state.best_epoch = epoch;
  }
  s->state.wait++;
  if (!s->any || better(s->direction, now, s->state.best, delta)) {
    s->any = true;
    s->state.best = now;
    s->state.best_epoch = epoch;
    if (isnan(o->baseline) || better(s->direction, now, o->baseline, delta)) s->state.wait = 0;
    return !o->restore_best_weights || save_best(s);
  }
  if (s->state.wait < o->patience || epoch == 0) return true;
  s->state.stopped_epoch = epoch;
  if (o->verbose > 0) cni_print(c->object.graph, "Epoch %lld: early stopping\n", (long long)(epoch + 1));
  return cn_stop_training(c->model), true;
}

static bool stopping_end(cn_callback *c) {
  stopping *s = (stopping *)(void *)c;
  const bool ok = !((const cn_callback_EarlyStoppingOptions *)c->object.options)->restore_best_weights || !s->best_weights || restore_best(s);
  cni_free(c->object.graph, s->best_weights);
  s->best_weights = NULL;
  return ok;
}
static void stopping_finish(cn_object *self) { cni_free(self->graph, ((stopping *)(void *)self)->best_weights); }

cn_early_stopping cn_early_stopping_of(const cn_callback *c) {
  static const cn_early_stopping none = { 0, 0, 0, NAN };
  return c && c->object.cls == &cn_class_callback_EarlyStopping ? ((const stopping *)(const void *)c)->state : none;
}

/* ---- ReduceLROnPlateau ---- */
typedef struct plateau { cn_callback base; direction direction; double best; int64_t wait, cooldown; } plateau;

static bool plateau_begin(cn_callback *c) {
  plateau *p = (plateau *)(void *)c;
  p->direction = UNKNOWN;
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
  if (!put_rate(c, logs) || !find_direction(c, o->monitor, o->mode, &p->direction)) return false;
  if (!cn_log_has(logs, o->monitor)) return true;
  const double now = cn_log_at(logs, o->monitor), best = p->direction == RISES && p->best == INFINITY ? -INFINITY : p->best; /* none yet */
  if (p->cooldown > 0) p->cooldown--, p->wait = 0;
  if (better(p->direction, now, best, o->min_delta)) p->best = now, p->wait = 0;
  else if (p->cooldown <= 0 && ++p->wait >= o->patience) return lower_rate(c, epoch);
  return true;
}

static bool plateau_init(cn_object *self) {
  const cn_callback_ReduceLROnPlateauOptions *o = self->options;
  if (!(o->factor < 1)) return cn_fail(self->graph, CN_VALUE, "factor must be below 1, got %g", o->factor), false;
  return callback_init(self);
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
static const cn_callback_methods EarlyStopping_methods = { .train_begin = stopping_begin, .train_end = stopping_end, .epoch_end = stopping_epoch_end };
static const cn_callback_methods ReduceLROnPlateau_methods = { .train_begin = plateau_begin, .epoch_end = plateau_epoch_end, .log = "learning_rate" };
static const cn_callback_methods TerminateOnNaN_methods = { .batch_end = nan_batch_end };
#define CALLBACK(C, type, LIST, init_, finish_)                                                                                                     \
  CN_SCHEMA_DATA_(C, cn_callback_##C##Options, LIST)                                                                                                \
  const cn_class cn_class_callback_##C = { .kind = CN_KIND_CALLBACK, .schema = CN_SCHEMA_(C, #C, cn_callback_##C##Options), .size = sizeof(type),   \
                                           .init = init_, .finish = finish_, .methods = &C##_methods };                                             \
  cn_object *cn_make_callback_##C(const cn_callback_##C##Options *options) { return cn_object_new(&cn_class_callback_##C, options); }               \
  void cn_callback_##C##Options_init(cn_callback_##C##Options *options, size_t size) { memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults); }
CALLBACK(EarlyStopping, stopping, CN_CALLBACK_EARLY_STOPPING, callback_init, stopping_finish)
CALLBACK(ReduceLROnPlateau, plateau, CN_CALLBACK_REDUCE_LR, plateau_init, NULL)
CALLBACK(TerminateOnNaN, cn_callback, CN_CALLBACK_TERMINATE_ON_NAN, callback_init, NULL)
const cn_class *const cni_callback_classes[] = { &cn_class_callback_EarlyStopping, &cn_class_callback_ReduceLROnPlateau, &cn_class_callback_TerminateOnNaN, NULL };
