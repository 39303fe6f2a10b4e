/* Models and weights in files and back, and what callbacks do with files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../io/io.h"
#include "callback_private.h"
#include "model_private.h"

#define CONFIG "config"

static bool save(cn_model *m, const char *path, const char *what, bool whole) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  cni_variables w;
  if (!m->base.built) return cn_fail(g, CN_STATE, "%s: %s is not built", what, m->base.name), false;
  cn_arrays *list = cni_variables_of(m, false, &w) ? cn_arrays_new(g) : NULL;
  const char *config = list && whole ? cn_model_config(m) : NULL;
  if (config) cn_arrays_set_metadata(g, list, CONFIG, config);
  for (int64_t i = 0; list && i < w.n; i++) cn_arrays_add(g, list, cn_name_of(w.v[i]), (cn_dtype)w.v[i]->dtype, &w.v[i]->dims, w.v[i]->data);
  const bool ok = list && cn_ok(g) && cn_write_safetensors(g, path, list);
  cn_arrays_free(g, list);
  cni_free(g, w.v);
  return ok;
}
bool cn_save_weights(cn_model *m, const char *path) { return save(m, path, "save_weights", false); }
bool cn_save(cn_model *m, const char *path) { return save(m, path, "save", true); }

/* Every weight has its array, and every array its weight, of the same shape and dtype. */
static bool all_fit(cn_graph *g, const cn_arrays *list, cn_tensor *const *w, int64_t n, const char *path) {
  char a[160], b[160];
  for (int64_t i = 0; i < n; i++) {
    const cn_named_array *v = cn_arrays_find(list, cn_name_of(w[i]));
    if (!v) return cn_fail(g, CN_FORMAT, "load_weights: %s: weight %s is missing", path, cn_name_of(w[i])), false;
    if (cn_dims_equal(&v->dims, &w[i]->dims) && v->dtype == (cn_dtype)w[i]->dtype) continue;
    cn_fail(g, CN_SHAPE, "load_weights: %s: %s is %s %s, the model's is %s %s", path, v->name, cn_dtype_name(v->dtype), cn_dims_text(&v->dims, a, sizeof a),
            cn_dtype_name((cn_dtype)w[i]->dtype), cn_dims_text(&w[i]->dims, b, sizeof b));
    return false;
  }
  if (list->n == n) return true;
  cn_fail(g, CN_FORMAT, "load_weights: %s: has %lld arrays, the model %lld weights", path, (long long)list->n, (long long)n);
  return false;
}

/* Of a file that `list` was read from. */
static bool take_weights(cn_model *m, const cn_arrays *list, const char *path) {
  cni_variables w;
  const bool ok = cni_variables_of(m, false, &w) && all_fit(m->base.object.graph, list, w.v, w.n, path);
  for (int64_t i = 0; ok && i < w.n; i++) cn_assign_data(w.v[i], cn_arrays_find(list, cn_name_of(w.v[i]))->data);
  cni_free(m->base.object.graph, w.v);
  return ok && cn_ok(m->base.object.graph);
}

bool cn_load_weights(cn_model *m, const char *path) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!m->base.built) return cn_fail(g, CN_STATE, "load_weights: %s is not built", m->base.name), false;
  cn_arrays *list = cn_read_safetensors(g, path);
  const bool ok = list && take_weights(m, list, path);
  cn_arrays_free(g, list);
  return ok;
}

cn_model *cn_load_model(cn_graph *g, const char *path) {
  if (!cn_ok(g)) return NULL;
  cn_arrays *list = cn_read_safetensors(g, path);
  const char *config = list ? cn_arrays_metadata(list, CONFIG) : NULL;
  if (list && !config) cn_fail(g, CN_FORMAT, "load_model: %s: has weights only, no config of a model", path);
  cn_model *m = config ? cn_model_from_config(g, config) : NULL;
  const bool ok = m && take_weights(m, list, path);
  cn_arrays_free(g, list);
  if (ok || !m) return m;
  cn_model_free(m);
  return NULL;
}

/* ---- folders and ends of files ---- */
static bool fail_errno(cn_graph *g, const char *what, const char *path, int error) {
  return cn_fail(g, CN_IO, "%s: %s: %s", what, path, strerror(error)), false;
}

/* Makes the folders of a path up to each slash, and the whole; what cannot be made shows when a file is. */
static int make_folders(char *path) {
  int error = 0;
  for (char *p = path + 1; error == 0; p++) {
    const char kept = *p;
    if (kept && kept != '/') continue;
    *p = '\0';
    if (mkdir(path, 0777) != 0 && errno != EEXIST) error = errno;
    *p = kept;
    if (!kept) break;
  }
  return error;
}

/* Whether a file can be made there, by one without a name, so that none is left behind. */
static int try_file(const char *folder) {
  const int file = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666), error = errno;
  if (file >= 0) return close(file), 0;
  if (error != EOPNOTSUPP && error != EISDIR) return error;
  return access(folder, W_OK | X_OK) == 0 ? 0 : errno; /* a file system without such files */
}

bool cni_folder_ready(cn_graph *g, const char *what, const char *folder) {
  char *path = cni_strdup(g, *folder ? folder : ".");
  if (!path) return false;
  int error = make_folders(path);
  if (!error) error = try_file(path);
  if (error) fail_errno(g, what, path, error);
  cni_free(g, path);
  return !error;
}

int64_t cni_file_size(const char *path) {
  struct stat now;
  return stat(path, &now) == 0 ? (int64_t)now.st_size : 0;
}

bool cni_file_end(cn_graph *g, const char *what, const char *path, int64_t at, const void *bytes, size_t n) {
  const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  struct stat now;
  int error = file < 0 || fstat(file, &now) != 0 ? errno : 0;
  if (!error && now.st_size < at) {
    close(file);
    return cn_fail(g, CN_IO, "%s: %s is shorter than it was: %lld bytes, not %lld", what, path, (long long)now.st_size, (long long)at), false;
  }
  if (!error && ftruncate(file, at) != 0) error = errno;
  for (size_t done = 0; !error && done < n;) {
    const ssize_t k = pwrite(file, (const char *)bytes + done, n - done, at + (int64_t)done);
    if (k < 0 && errno != EINTR) error = errno;
    if (k > 0) done += (size_t)k;
  }
  if (file >= 0 && close(file) != 0 && !error) error = errno;
  return !error || fail_errno(g, what, path, error);
}
