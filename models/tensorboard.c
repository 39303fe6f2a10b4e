/* TensorBoard: event files below log_dir, of training in train, of validation in validation. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "events_private.h"

/* A file of the folder log_dir/FOLDER; it is made with the first record. */
typedef struct writer { char name[128]; int64_t at; /* its length */ } writer;
typedef struct board {
  cn_callback base;
  writer train, validation;
  int64_t batches, epoch_batches;        /* of the training, of the epoch */
  double epoch_began, batch_began;       /* seconds */
} board;
static const cn_callback_TensorBoardOptions *options(const cn_callback *c) { return c->object.options; }

/* ---- files ---- */
static char *path_in(const cn_callback *c, const char *folder, const char *name) {
  const size_t size = strlen(options(c)->log_dir) + strlen(folder) + strlen(name) + 3;
  char *path = cni_alloc(c->object.graph, size);
  if (path) snprintf(path, size, "%s/%s%s%s", options(c)->log_dir, folder, *name ? "/" : "", name);
  return path;
}

static bool folder_ready(const cn_callback *c, const char *folder) {
  char *path = path_in(c, folder, "");
  const bool ok = path && cni_folder_ready(c->object.graph, "TensorBoard", path);
  cni_free(c->object.graph, path);
  return ok;
}

/* What stands first in the file. TensorBoard wants "tfevents" in the name and reads files in the order of their names. */
static bool open_file(cn_callback *c, writer *w, const char *folder, double wall_time) {
  struct timespec t;
  char host[32] = "";
  cni_events e;
  clock_gettime(CLOCK_REALTIME, &t);
  gethostname(host, sizeof host - 1);
  for (char *p = host; *p; p++)
    if (*p == '/') *p = '-';
  snprintf(w->name, sizeof w->name, "events.out.tfevents.%010lld.%s.%ld.%09ld.v2", (long long)t.tv_sec, host, (long)getpid(), t.tv_nsec);
  cni_events_begin(&e, c->object.graph);
  e.wall_time = wall_time;
  cni_events_version(&e);
  if (options(c)->write_graph && !strcmp(folder, "train")) cni_events_graph(&e, c->model);
  char *path = folder_ready(c, folder) ? path_in(c, folder, w->name) : NULL;
  const bool ok = path && cn_ok(c->object.graph) && cni_file_end(c->object.graph, "TensorBoard", path, 0, e.records.p, e.records.size);
  if (ok) w->at = (int64_t)e.records.size;
  cni_free(c->object.graph, path);
  return ok;
}

/* Appends the records. */
static bool write_events(cn_callback *c, writer *w, const char *folder, cni_events *e) {
  cn_graph *g = c->object.graph;
  bool ok = cn_ok(g) && (!e->records.size || w->at || open_file(c, w, folder, e->wall_time));
  char *path = ok && e->records.size ? path_in(c, folder, w->name) : NULL;
  ok = ok && (!e->records.size || (path && cni_file_end(g, "TensorBoard", path, w->at, e->records.p, e->records.size)));
  if (ok) w->at += (int64_t)e->records.size;
  cni_free(g, path);
  return ok;
}

/* ---- hooks ---- */
static bool board_train_begin(cn_callback *c) {
  board *b = (board *)(void *)c;
  b->train = b->validation = (writer){ .at = 0 };
  b->batches = b->epoch_batches = 0;
  b->epoch_began = cni_profile_clock();
  return folder_ready(c, "train") && (!c->model->fitting->validation || folder_ready(c, "validation"));
}

static bool board_epoch_begin(cn_callback *c, int64_t epoch) {
  board *b = (board *)(void *)c;
  (void)epoch;
  b->epoch_batches = 0;
  b->epoch_began = cni_profile_clock();
  return true;
}

static bool board_batch_begin(cn_callback *c, int64_t batch) { return (void)batch, ((board *)(void *)c)->batch_began = cni_profile_clock(), true; }

static bool board_batch_end(cn_callback *c, int64_t batch, cn_logs *logs) {
  board *b = (board *)(void *)c;
  const int64_t every = options(c)->update_freq;
  cni_events e;
  (void)batch;
  b->batches++;
  b->epoch_batches++;
  if (every == CN_NONE || b->batches % every) return true;
  cni_events_begin(&e, c->object.graph);
  for (int64_t i = 0; i < cni_log_names(c->model, false); i++) {
    const char *name = cni_log_name(c->model, false, i);
    cni_events_scalar(&e, b->batches, "batch_", name, cn_log_at(logs, name));
  }
  if (options(c)->write_steps_per_second) cni_events_scalar(&e, b->batches, "batch_", "steps_per_second", 1 / (cni_profile_clock() - b->batch_began));
  return write_events(c, &b->train, "train", &e);
}

static bool put_weights(cn_callback *c, cni_events *e, int64_t epoch) {
  cni_variables all;
  if (!cni_variables_of(c->model, false, &all)) return false;
  for (int64_t i = 0; i < all.n; i++) cni_events_histogram(e, epoch, cn_name_of(all.v[i]), all.v[i]);
  cni_free(c->object.graph, all.v);
  return cn_ok(c->object.graph);
}

static bool is_validation(const char *name) { return !strncmp(name, "val_", 4); }

static bool train_epoch(cn_callback *c, int64_t epoch, const cn_logs *logs) {
  board *b = (board *)(void *)c;
  const cn_callback_TensorBoardOptions *o = options(c);
  cni_events e;
  cni_events_begin(&e, c->object.graph);
  for (int64_t i = 0; i < cni_log_names(c->model, true); i++) {
    const char *name = cni_log_name(c->model, true, i);
    if (!is_validation(name) && cn_log_has(logs, name) && strcmp(name, "learning_rate")) cni_events_scalar(&e, epoch, "epoch_", name, cn_log_at(logs, name));
  }
  cni_events_scalar(&e, epoch, "epoch_", "learning_rate", cn_optimizer_learning_rate(c->model->compiled->optimizer));
  if (o->write_steps_per_second) cni_events_scalar(&e, epoch, "epoch_", "steps_per_second", (double)b->epoch_batches / (cni_profile_clock() - b->epoch_began));
  if (o->histogram_freq > 0 && epoch % o->histogram_freq == 0 && !put_weights(c, &e, epoch)) return false;
  return write_events(c, &b->train, "train", &e);
}

static bool validation_epoch(cn_callback *c, int64_t epoch, const cn_logs *logs) {
  board *b = (board *)(void *)c;
  const int64_t iterations = cn_optimizer_iterations(c->model->compiled->optimizer);
  cni_events e;
  char tag[256];
  cni_events_begin(&e, c->object.graph);
  for (int64_t i = 0; i < cni_log_names(c->model, true); i++) {
    const char *name = cni_log_name(c->model, true, i);
    if (!is_validation(name) || !cn_log_has(logs, name)) continue;
    cni_events_scalar(&e, epoch, "epoch_", name + 4, cn_log_at(logs, name));
    snprintf(tag, sizeof tag, "%s_vs_iterations", name + 4);
    cni_events_scalar(&e, iterations, "evaluation_", tag, cn_log_at(logs, name));
  }
  return write_events(c, &b->validation, "validation", &e);
}

static bool board_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) { return train_epoch(c, epoch, logs) && validation_epoch(c, epoch, logs); }

/* A file that has been lost, or its end, is left alone; the next record begins another. */
static bool find_again(const cn_callback *c, writer *w, const char *folder) {
  char *path = path_in(c, folder, w->name);
  if (path && cni_file_size(path) < w->at) w->at = 0;
  cni_free(c->object.graph, path);
  return path != NULL;
}

/* A training that goes on from a backup goes on in the same files, from where they were then. */
static bool board_state(cn_callback *c, cn_state *s) {
  board *b = (board *)(void *)c;
  if (!cn_state_bytes(s, "train", b->train.name, sizeof b->train.name) || !cn_state_bytes(s, "train_at", &b->train.at, sizeof b->train.at) ||
      !cn_state_bytes(s, "validation", b->validation.name, sizeof b->validation.name) ||
      !cn_state_bytes(s, "validation_at", &b->validation.at, sizeof b->validation.at) || !cn_state_bytes(s, "batches", &b->batches, sizeof b->batches))
    return false;
  return !cn_state_loading(s) || (find_again(c, &b->train, "train") && find_again(c, &b->validation, "validation"));
}

CNI_CALLBACK(TensorBoard, board, CN_CALLBACK_TENSOR_BOARD, cni_callback_init, NULL, .train_begin = board_train_begin, .epoch_begin = board_epoch_begin,
             .batch_begin = board_batch_begin, .batch_end = board_batch_end, .epoch_end = board_epoch_end, .state = board_state)
