/* BackupAndRestore: the whole of a training in one file, written anew beside the old one, which it replaces. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "../io/io.h"
#include "callback_private.h"

#define LATEST "latest.safetensors"
#define PREVIOUS "previous.safetensors"

typedef struct backup { cn_callback base; int64_t seen; /* batches since the last backup */ } backup;
typedef struct archive { cn_state state; cn_arrays *list; const char *path; } archive;

static const cn_callback_BackupAndRestoreOptions *options(const cn_callback *c) { return c->object.options; }
/* Text of cni_alloc, or NULL. */
static char *path_of(const cn_callback *c, const char *file) {
  const char *folder = options(c)->backup_dir;
  const size_t size = strlen(folder) + strlen(file) + 2;
  char *path = cni_alloc(c->object.graph, size);
  if (path) snprintf(path, size, "%s/%s", folder, file);
  return path;
}

/* ---- what is saved ---- */
static bool save_field(cn_state *s, const char *path, cn_dtype dtype, const cn_dims *dims, void *data) {
  return cn_arrays_add(s->graph, ((archive *)(void *)s)->list, path, dtype, dims, data) != NULL;
}

static bool load_field(cn_state *s, const char *path, cn_dtype dtype, const cn_dims *dims, void *data) {
  const archive *a = (const archive *)(const void *)s;
  const cn_named_array *v = cn_arrays_find(a->list, path);
  char have[160], want[160];
  if (!v) return cn_fail(s->graph, CN_FORMAT, "BackupAndRestore: %s: holds no %s: it is of another training", a->path, path), false;
  if (v->dtype != dtype || !cn_dims_equal(&v->dims, dims)) {
    cn_fail(s->graph, CN_SHAPE, "BackupAndRestore: %s: %s is %s %s, this training's is %s %s", a->path, path, cn_dtype_name(v->dtype),
            cn_dims_text(&v->dims, have, sizeof have), cn_dtype_name(dtype), cn_dims_text(dims, want, sizeof want));
    return false;
  }
  const size_t bytes = (size_t)cn_dims_count(dims) * cn_dtype_size(dtype);
  if (s->mode == CNI_STATE_LOADS && bytes) memcpy(data, v->data, bytes);
  return true;
}

typedef struct place { int64_t epoch, step, initial_epoch, batch_size, steps_per_epoch, samples; bool shuffle, stop, exhausted; } place;
static bool place_state(cn_state *s, place *p) {
  cni_state_of(s, "fit", 0);
  return cn_state_bytes(s, "epoch", &p->epoch, sizeof p->epoch) && cn_state_bytes(s, "step", &p->step, sizeof p->step) &&
         cn_state_bytes(s, "initial_epoch", &p->initial_epoch, sizeof p->initial_epoch) &&
         cn_state_bytes(s, "batch_size", &p->batch_size, sizeof p->batch_size) &&
         cn_state_bytes(s, "steps_per_epoch", &p->steps_per_epoch, sizeof p->steps_per_epoch) && cn_state_bytes(s, "samples", &p->samples, sizeof p->samples) &&
         cn_state_bytes(s, "shuffle", &p->shuffle, sizeof p->shuffle) && cn_state_bytes(s, "stop", &p->stop, sizeof p->stop) &&
         cn_state_bytes(s, "exhausted", &p->exhausted, sizeof p->exhausted);
}

/* Weights, then the optimizer's own variables, by number: names count on in a graph that has made the same model before. */
static bool variables_state(cn_state *s, cn_model *m) {
  cni_variables all;
  bool ok = cni_variables_of(m, true, &all);
  for (int64_t i = 0; ok && i < all.n; i++) {
    cni_state_of(s, i < all.weights ? "weight" : "optimizer", i < all.weights ? i : i - all.weights);
    ok = cni_state_tensor(s, "value", all.v[i]);
  }
  cni_free(s->graph, all.v);
  return ok;
}

typedef struct visit { cn_state *s; int64_t count; bool ok; } visit;
static void layer_state(cn_layer *l, void *user) {
  visit *v = user;
  const cn_layer_methods *methods = l->object.cls->methods;
  cni_state_of(v->s, "layer", v->count++);
  if (v->ok && methods && methods->state) v->ok = methods->state(l, v->s);
}

static bool random_state(cn_state *s) {
  cn_graph *g = s->graph;
  cni_state_of(s, "graph", 0);
  return cn_state_bytes(s, "seed", &g->core.seed, sizeof g->core.seed) && cn_state_bytes(s, "streams", &g->core.streams, sizeof g->core.streams) &&
         cn_state_bytes(s, "stream", &g->streams, sizeof g->streams);
}

/* The epochs that are done, name by name. */
static bool history_state(cn_state *s, cn_model *m, int64_t epochs) {
  bool ok = true;
  for (int64_t i = 0; ok && i < m->history.names_count; i++) {
    cni_state_of(s, "history", i);
    ok = cn_state_bytes(s, m->history_names[i], m->history_values + i * m->history_capacity, (size_t)epochs * sizeof *m->history_values);
  }
  return ok;
}

/* All but the place and the variables. */
static bool rest_state(cn_state *s, cni_fitting *f, int64_t epochs) {
  visit v = { s, 0, true };
  cni_each_layer(&f->m->base, layer_state, &v);
  bool ok = v.ok && random_state(s) && cni_metrics_state(f->m, s) && history_state(s, f->m, epochs);
  cni_state_of(s, "data", 0);
  ok = ok && cni_dataset_state(f->train, s);
  for (int64_t i = 0; ok && i < f->a->callbacks.n; i++) {
    cn_callback *c = f->a->callbacks.v[i];
    cni_state_of(s, cni_callback_name(c), i);
    ok = !c->methods->state || c->methods->state(c, s);
  }
  return ok;
}

/* ---- saving ---- */
/* A second name for the last backup; the first stays until the new one takes it. */
static bool keep_previous(const cn_callback *c, const char *latest) {
  char *previous = path_of(c, PREVIOUS), *beside = path_of(c, PREVIOUS ".new-link");
  bool ok = previous && beside;
  if (ok) unlink(beside);
  if (ok && link(latest, beside) != 0) ok = errno == ENOENT || rename(latest, previous) == 0;
  else if (ok) ok = rename(beside, previous) == 0;
  if (previous && beside && !ok) cn_fail(c->object.graph, CN_IO, "BackupAndRestore: %s: %s", previous, strerror(errno));
  cni_free(c->object.graph, previous);
  cni_free(c->object.graph, beside);
  return ok;
}

static bool save(cn_callback *c) {
  cni_fitting *f = c->model->fitting;
  cn_graph *g = c->object.graph;
  place p = {
    f->epoch, f->step, f->a->initial_epoch, f->batch_size, f->a->steps_per_epoch, cn_dataset_size(f->train), f->a->shuffle, f->m->stop, f->exhausted
  };
  char *path = path_of(c, LATEST);
  archive a = { { .graph = g, .mode = CNI_STATE_SAVES, .field = save_field }, cn_arrays_new(g), path };
  bool ok = path && a.list && place_state(&a.state, &p) && variables_state(&a.state, f->m) && rest_state(&a.state, f, f->epoch - f->a->initial_epoch);
  ok = ok && (!options(c)->double_checkpoint || keep_previous(c, path)) && cn_write_safetensors(g, path, a.list);
  cn_arrays_free(g, a.list);
  cni_free(g, path);
  ((backup *)(void *)c)->seen = 0;
  return ok;
}

static bool backup_settled(cn_callback *c, int64_t epoch, int64_t batches) {
  const int64_t every = options(c)->save_freq;
  (void)epoch;
  if (c->model->fitting->interrupted) return save(c);
  if (every == CN_NONE) return batches || save(c);
  return !batches || ++((backup *)(void *)c)->seen < every || save(c);
}

/* ---- bringing back ---- */
/* A batch goes through the model, so that it is built, the optimizer has its slots and the metrics their sums; what this changes is overwritten. */
static bool prepare(cni_fitting *f) {
  cn_graph *g = f->m->base.object.graph;
  cn_batch b;
  cni_results r;
  if (!cn_dataset_reset(f->train, false)) return false;
  if (!cn_dataset_next(f->train, f->batch_size, &b)) return cn_fail(g, CN_VALUE, "BackupAndRestore: the data set is empty"), false;
  const bool recording = cn_recording(g, false), ok = cni_forward(f->m, &b, false, &r) && cni_metrics_update(f->m, &b, &r);
  cn_recording(g, recording);
  if (ok) cn_graph_reset(g);
  return ok && cni_optimizer_ready(f->m);
}

static bool fits(const cni_fitting *f, const place *p, const char *path) {
  cn_graph *g = f->m->base.object.graph;
  const cn_fit_args *a = f->a;
  const int64_t samples = cn_dataset_size(f->train), then = p->samples < 0 || samples < 0 ? samples : p->samples; /* unknown before the first pass */
  const struct { const char *option; int64_t then, now;
  } same[] = {
    { "batch_size", p->batch_size, f->batch_size },
    { "initial_epoch", p->initial_epoch, a->initial_epoch },
    { "steps_per_epoch", p->steps_per_epoch, a->steps_per_epoch },
    { "number of samples", then, samples },
    { "shuffle", p->shuffle, a->shuffle },
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i].then != same[i].now) return cn_fail(g, CN_VALUE, "BackupAndRestore: %s: was made with another %s", path, same[i].option), false;
  if (p->epoch < a->initial_epoch || p->step < 0)
    return cn_fail(g, CN_FORMAT, "BackupAndRestore: %s: stands at epoch %lld, batch %lld", path, (long long)p->epoch, (long long)p->step), false;
  if (p->epoch + (p->step > 0) > a->epochs)
    return cn_fail(g, CN_VALUE, "BackupAndRestore: %s: %lld epochs are behind, fit is to make %lld", path, (long long)p->epoch, (long long)a->epochs), false;
  return true;
}

static bool load(cni_fitting *f, archive *a) {
  place p = { .stop = false };
  if (!place_state(&a->state, &p) || !fits(f, &p, a->path) || !prepare(f)) return false;
  for (a->state.mode = CNI_STATE_CHECKS; a->state.mode <= CNI_STATE_LOADS; a->state.mode++)
    if (!variables_state(&a->state, f->m) || !rest_state(&a->state, f, p.epoch - p.initial_epoch)) return false;
  f->epoch = p.epoch;
  f->step = p.step;
  f->exhausted = p.exhausted;
  f->m->stop = p.stop;
  return true;
}

/* The backup's arrays; NULL where there is none, or after an error. Where the last cannot be read the one before serves. */
static cn_arrays *read_backup(const cn_callback *c, char **path) {
  cn_graph *g = c->object.graph;
  cn_arrays *list = NULL;
  *path = path_of(c, LATEST);
  if (*path && access(*path, F_OK) == 0) list = cn_read_safetensors(g, *path);
  if (list || !*path) return list;
  cni_free(g, *path);
  if (!(*path = path_of(c, PREVIOUS)) || access(*path, F_OK) != 0) return NULL;
  if (cn_error_code(g) == CN_IO || cn_error_code(g) == CN_FORMAT) cni_error_clear(g);
  return cn_read_safetensors(g, *path);
}

/* What writing left that was killed. */
static void clean(const cn_callback *c) {
  static const char *const names[] = { LATEST ".new-", PREVIOUS ".new-" };
  DIR *folder = opendir(options(c)->backup_dir);
  for (const struct dirent *e; folder && (e = readdir(folder));) {
    for (int i = 0; i < 2; i++) {
      if (strncmp(e->d_name, names[i], strlen(names[i]))) continue;
      char *path = path_of(c, e->d_name);
      if (path) unlink(path);
      cni_free(c->object.graph, path);
      break;
    }
  }
  if (folder) closedir(folder);
}

static bool backup_train_begin(cn_callback *c) {
  cn_graph *g = c->object.graph;
  ((backup *)(void *)c)->seen = 0;
  if (!cn_dataset_can_seek(c->model->fitting->train))
    return cn_fail(g, CN_UNSUPPORTED,
                   "BackupAndRestore: the data set runs once or draws random numbers of its own (it cannot return to a position), so a training with "
                   "it cannot go on from the middle"),
           false;
  if (!cni_folder_ready(g, "BackupAndRestore", options(c)->backup_dir)) return false;
  clean(c);
  return true;
}

static bool backup_begun(cn_callback *c) {
  cn_graph *g = c->object.graph;
  char *path;
  archive a = { { .graph = g, .mode = CNI_STATE_LOADS, .field = load_field }, read_backup(c, &path), NULL };
  a.path = path;
  const bool ok = a.list ? load(c->model->fitting, &a) : cn_ok(g);
  cn_arrays_free(g, a.list);
  cni_free(g, path);
  return ok;
}

static bool backup_train_end(cn_callback *c) {
  static const char *const names[] = { LATEST, PREVIOUS };
  if (!options(c)->delete_checkpoint || c->model->fitting->interrupted) return true;
  for (int i = 0; i < 2; i++) {
    char *path = path_of(c, names[i]);
    if (path) unlink(path);
    cni_free(c->object.graph, path);
  }
  rmdir(options(c)->backup_dir); /* where nothing else is in it */
  return cn_ok(c->object.graph);
}

CNI_CALLBACK(BackupAndRestore, backup, CN_CALLBACK_BACKUP, cni_callback_init, NULL, .train_begin = backup_train_begin, .train_end = backup_train_end,
             .begun = backup_begun, .settled = backup_settled)
