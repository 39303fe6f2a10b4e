/* ModelCheckpoint. */
#include <stdio.h>
#include "callback_private.h"

typedef struct checkpoint {
  cn_callback base;
  cni_direction direction;
  bool any;               /* a best value is known */
  double best;
  int64_t seen;           /* batches since the last saving */
} checkpoint;
static const cn_callback_ModelCheckpointOptions *options(const cn_callback *c) { return c->object.options; }
static bool by_epochs(const cn_callback *c) { return options(c)->save_freq == CN_NONE; }

static bool ends_in(const char *text, const char *ending) {
  const size_t n = strlen(text), k = strlen(ending);
  return n >= k && !strcmp(text + n - k, ending);
}

static bool checkpoint_init(cn_object *self) {
  checkpoint *s = (checkpoint *)(void *)self;
  const cn_callback_ModelCheckpointOptions *o = self->options;
  const char *path = o->filepath;
  const bool fits = ends_in(path, ".safetensors") || (o->save_weights_only ? ends_in(path, ".weights.h5") : ends_in(path, ".keras") || ends_in(path, ".h5"));
  if (!fits)
    return cn_fail(self->graph, CN_VALUE, "filepath must end in .safetensors, %s, got \"%s\"",
                   o->save_weights_only ? "or .weights.h5 for weights only" : ".keras or .h5", path),
           false;
  s->any = !isnan(o->initial_value_threshold);
  s->best = o->initial_value_threshold;
  return cni_callback_init(self);
}

/* ---- the file's name ---- */
/* Logs NULL: whether there will be a value. batch < 0: the end of an epoch. */
typedef struct moment { const cn_callback *c; cn_logs *logs; int64_t epoch, batch; } moment;

static bool value_of(const void *of, const char *name, double *v, bool *integer) {
  const moment *at = of;
  const bool epochs = by_epochs(at->c);
  *v = 0;
  *integer = !strcmp(name, "epoch") || (!strcmp(name, "batch") && !epochs);
  if (*integer) return *v = (double)(*name == 'e' ? at->epoch : at->batch) + 1, true;
  if (at->logs) return *v = cn_log_at(at->logs, name), cn_log_has(at->logs, name);
  for (int64_t i = 0; i < cni_log_names(at->c->model, epochs); i++)
    if (!strcmp(cni_log_name(at->c->model, epochs, i), name)) return true;
  return false;
}

static const char *path_at(const moment *at) {
  const cni_named_values values = { value_of, at };
  return cni_pattern_fill(at->c->object.graph, "ModelCheckpoint: filepath", options(at->c)->filepath, &values);
}

/* The folder of a path; of a pattern the part before its first field. The text is cut there. */
static const char *folder_of(char *path) {
  char *field = strchr(path, '{');
  if (field) *field = '\0';
  char *slash = strrchr(path, '/');
  if (!slash) return ".";
  slash[slash == path] = '\0';
  return path;
}

static bool folder_ready(cn_graph *g, const char *path) {
  char *copy = cni_strdup(g, path);
  const bool ok = copy && cni_folder_ready(g, "ModelCheckpoint", folder_of(copy));
  cni_free(g, copy);
  return ok;
}

static bool checkpoint_begin(cn_callback *c) {
  const moment some = { c, NULL, 0, 0 };
  return path_at(&some) && folder_ready(c->object.graph, options(c)->filepath);
}

/* ---- saving ---- */
static bool the_number(const void *of, const char *name, double *v, bool *integer) { return (void)name, (void)integer, *v = *(const double *)of, true; }
static const char *five_digits(cn_graph *g, double v) {
  const char *digits = cni_pattern_fill(g, "ModelCheckpoint", "{v:.5f}", &(const cni_named_values){ the_number, &v });
  return digits ? digits : "";
}

/* Whether the value is the best one, which it then becomes; tells of it. */
static bool is_best(checkpoint *s, const moment *at, const char *path) {
  const cn_callback *c = at->c;
  const cn_callback_ModelCheckpointOptions *o = options(c);
  const double now = cn_log_at(at->logs, o->monitor);
  const bool better = !s->any || cni_better(s->direction, now, s->best, 0);
  const char *before = s->any ? five_digits(c->object.graph, s->best) : "None";
  if (o->verbose > 0 && better)
    cni_print(c->object.graph, "\nEpoch %lld: %s improved from %s to %s, saving model to %s\n", (long long)(at->epoch + 1), o->monitor, before,
              five_digits(c->object.graph, now), path);
  if (o->verbose > 0 && !better) cni_print(c->object.graph, "\nEpoch %lld: %s did not improve from %s\n", (long long)(at->epoch + 1), o->monitor, before);
  if (better) s->any = true, s->best = now;
  return better;
}

static bool wanted(checkpoint *s, const moment *at, const char *path) {
  const cn_callback_ModelCheckpointOptions *o = options(at->c);
  if (o->save_best_only && cn_log_has(at->logs, o->monitor)) return is_best(s, at, path);
  if (o->verbose > 0) cni_print(at->c->object.graph, "\nEpoch %lld: saving model to %s\n", (long long)(at->epoch + 1), path);
  return true;
}

static bool save_at(const moment *at) {
  checkpoint *s = (checkpoint *)(uintptr_t)at->c;
  const cn_callback_ModelCheckpointOptions *o = options(at->c);
  cn_graph *g = at->c->object.graph;
  if (o->save_best_only && !cni_find_direction(at->c, o->monitor, o->mode, &s->direction)) return false;
  const char *path = path_at(at);
  if (!path || !wanted(s, at, path)) return cn_ok(g);
  return folder_ready(g, path) && (o->save_weights_only ? cn_save_weights : cn_save)(at->c->model, path);
}

static bool checkpoint_batch_end(cn_callback *c, int64_t batch, cn_logs *logs) {
  checkpoint *s = (checkpoint *)(void *)c;
  if (by_epochs(c) || ++s->seen < options(c)->save_freq) return true;
  s->seen = 0;
  return save_at(&(const moment){ c, logs, c->model->fitting->epoch, batch });
}
static bool checkpoint_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) { return !by_epochs(c) || save_at(&(const moment){ c, logs, epoch, -1 }); }

static bool checkpoint_state(cn_callback *c, cn_state *state) {
  checkpoint *s = (checkpoint *)(void *)c;
  return cn_state_bytes(state, "any", &s->any, sizeof s->any) && cn_state_bytes(state, "best", &s->best, sizeof s->best) &&
         cn_state_bytes(state, "seen", &s->seen, sizeof s->seen);
}

CNI_CALLBACK(ModelCheckpoint, checkpoint, CN_CALLBACK_MODEL_CHECKPOINT, checkpoint_init, NULL, .train_begin = checkpoint_begin,
             .batch_end = checkpoint_batch_end, .epoch_end = checkpoint_epoch_end, .state = checkpoint_state)
