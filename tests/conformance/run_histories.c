/* Kind history: fit calls whose losses and metrics an epoch, weights and optimizer variables are known. */
#include <dirent.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "runner.h"

/* A dict's arrays come in the order of its keys: the model's inputs stand so too, the outputs by name. */
static int64_t targets_from(run *r, cn_model *m, const json_t *s, cn_tensor **out) {
  const json_t *dict = json_object_get(s, "dict");
  if (!json_is_object(dict)) return json_is_object(s) ? tensors_from(r, s, out) : 0;
  int64_t n = 0;
  for (; n < m->compiled->outputs_count; n++) {
    const json_t *one = json_object_get(dict, m->compiled->outputs[n].name);
    if (!one) return fail(r, "no target for %s", m->compiled->outputs[n].name), -1;
    if (!(out[n] = json_is_null(one) ? CN_NO_TENSOR : tensor_from(r, one))) return library_failed(r, "targets"), -1;
  }
  return n;
}

cn_dataset *dataset_from(run *r, cn_model *m, const json_t *x, const json_t *y, const json_t *w) {
  cn_tensor *xs[MODEL_ENDS], *ys[MODEL_ENDS], *ws[MODEL_ENDS];
  const int64_t nx = tensors_from(r, x, xs), ny = nx < 0 ? -1 : targets_from(r, m, y, ys), nw = ny < 0 ? -1 : targets_from(r, m, w, ws);
  if (nw < 0) return NULL;
  cn_dataset *d = cn_dataset_from_lists(r->g, (cn_tensors){ xs, nx }, (cn_tensors){ ys, ny }, (cn_tensors){ ws, nw });
  if (!d) library_failed(r, "data set");
  return d;
}

static int64_t integer_of(const json_t *o, const char *key, int64_t missing) {
  const json_t *v = json_object_get(o, key);
  return json_is_integer(v) ? json_integer_value(v) : missing;
}

/* Arguments of fit; class_weight's go to `weights`. */
bool fit_args_from(run *r, const json_t *given, cn_fit_args *a, double *weights, int64_t most) {
  const json_t *classes = json_object_get(given, "class_weight");
  const char *key;
  a->epochs = integer_of(given, "epochs", 1);
  a->initial_epoch = integer_of(given, "initial_epoch", 0);
  a->batch_size = integer_of(given, "batch_size", CN_NONE);
  a->steps_per_epoch = integer_of(given, "steps_per_epoch", CN_NONE);
  a->validation_steps = integer_of(given, "validation_steps", CN_NONE);
  a->validation_batch_size = integer_of(given, "validation_batch_size", CN_NONE);
  a->validation_freq = integer_of(given, "validation_freq", 1);
  if (json_is_number(json_object_get(given, "validation_split"))) a->validation_split = json_number_value(json_object_get(given, "validation_split"));
  a->shuffle = false;
  a->verbose = 0;
  for (int64_t i = 0; i < most; i++) weights[i] = 1;
  json_t *inner;
  int64_t n = 0;
  if (json_is_object(classes)) json_object_foreach((json_t *)(uintptr_t)classes, key, inner) {
    const int64_t k = strtoll(key, NULL, 10);
    if (k < 0 || k >= most) return fail(r, "class %s", key);
    weights[k] = json_number_value(inner);
    if (k + 1 > n) n = k + 1;
  }
  a->class_weight = (cn_reals){ weights, n };
  return true;
}

bool compile_from(run *r, cn_model *m, const json_t *config) {
  char *text = json_dumps(config, 0);
  const bool ok = cn_compile_from_config(m, text);
  free(text);
  return ok || library_failed(r, "compile");
}

/* Whether the library has what compile names. */
static bool known_name(run *r, cn_kind kind, const json_t *v) {
  const char *name = json_is_string(v) ? json_string_value(v) : text_of(v, "class_name"), *key;
  json_t *inner;
  if (json_is_object(v) && !*name) {
    json_object_foreach((json_t *)(uintptr_t)v, key, inner) if (!known_name(r, kind, inner)) return false;
    return true;
  }
  for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
    if (!known_name(r, kind, json_array_get(v, i))) return false;
  if (!*name || (kind == CN_KIND_METRIC && (!strcmp(name, "accuracy") || !strcmp(name, "acc")))) return true;
  for (const cn_class_list *l = cni_builtin_classes; *l; l++)
    for (cn_class_list c = *l; *c; c++)
      if ((*c)->kind == kind && cni_class_named(*c, name)) return true;
  if (kind == CN_KIND_METRIC) return known_name(r, CN_KIND_LOSS, v);
  return unsupported(r, "%s %s", cni_kind_name(kind), name);
}

bool compile_known(run *r, const json_t *c) {
  return known_name(r, CN_KIND_LOSS, json_object_get(c, "loss")) && known_name(r, CN_KIND_METRIC, json_object_get(c, "metrics")) &&
         known_name(r, CN_KIND_METRIC, json_object_get(c, "weighted_metrics")) && known_name(r, CN_KIND_OPTIMIZER, json_object_get(c, "optimizer")) &&
         classes_known(r, json_object_get(c, "optimizer"));
}

/* ---- results ---- */
static bool same_history(run *r, const cn_history *h, const json_t *want) {
  const json_t *history = json_object_get(want, "history"), *values;
  const char *key;
  char text[200];
  if ((int64_t)json_object_size(history) != h->names_count)
    return fail(r, "%lld names in the history, wanted %zu", (long long)h->names_count, json_object_size(history));
  json_t *inner;
  json_object_foreach((json_t *)(uintptr_t)history, key, inner) {
    values = inner;
    int64_t given = 0;
    for (int64_t e = 0; e < h->epochs; e++) {
      const double got = cn_history_at(h, key, e);
      const json_t *w = json_array_get(values, (size_t)given);
      if (isnan(got) && !(w && json_is_string(w))) continue; /* an epoch without validation */
      snprintf(text, sizeof text, "%s of epoch %lld", key, (long long)e);
      if (!w) return fail(r, "%s: more values than wanted", key);
      if (!same_number(r, text, got, w)) return false;
      given++;
    }
    if (given != (int64_t)json_array_size(values)) return fail(r, "%s: %lld values, wanted %zu", key, (long long)given, json_array_size(values));
  }
  return true;
}

/* ---- callbacks ---- */
static double rate_from_table(int64_t epoch, double rate, void *table) {
  const json_t *v = json_array_get(table, (size_t)epoch);
  return json_is_number(v) ? json_number_value(v) : rate;
}

/* What callbacks write stands in the folder `files`. */
static cn_callback *callback_from(run *r, const json_t *c, const char *files) {
  const char *name = text_of(c, "class");
  if (!strcmp(name, "LearningRateScheduler"))
    return cn_callback_LearningRateScheduler(r->g, rate_from_table, json_object_get(json_object_get(c, "config"), "table"));
  json_t *options = json_deep_copy(json_object_get(c, "config"));
  const char *file = json_string_value(json_object_get(options, "filepath"));
  if (file) json_object_set_new(options, "filepath", json_sprintf("%s/%s", files, file));
  json_t *config = json_pack("{s:s, s:o}", "class_name", name, "config", options);
  cn_object *o = cni_models_factory.from_json(r->g, CN_KIND_CALLBACK, config);
  json_decref(config);
  return (cn_callback *)(void *)o;
}

static bool callback_known(run *r, const char *name) {
  if (!strcmp(name, "LearningRateScheduler")) return true;
  for (cn_class_list c = cni_callback_classes; *c; c++)
    if (!strcmp((*c)->schema.name, name)) return true;
  return unsupported(r, "callback %s", name);
}

static bool same_stopping(run *r, const cn_callback *c, const json_t *want) {
  const cn_early_stopping s = cn_early_stopping_of(c);
  if (!json_is_object(want) || c->object.cls != &cn_class_callback_EarlyStopping) return true;
  if (s.stopped_epoch != json_integer_value(json_object_get(want, "stopped_epoch")) ||
      s.best_epoch != json_integer_value(json_object_get(want, "best_epoch")) || s.wait != json_integer_value(json_object_get(want, "wait")))
    return fail(r, "early stopping: stopped at %lld, best %lld, waited %lld", (long long)s.stopped_epoch, (long long)s.best_epoch, (long long)s.wait);
  return same_number(r, "best value", s.best, json_object_get(want, "best"));
}

static bool same_files(run *r, const char *files, const json_t *want) {
  struct dirent **found;
  const int n = scandir(files, &found, NULL, alphasort);
  size_t i = 0;
  bool ok = n >= 0;
  for (int k = 0; k < n; k++) {
    if (*found[k]->d_name != '.' && ok) {
      const char *name = json_string_value(json_array_get(want, i++));
      ok = (name && !strcmp(name, found[k]->d_name)) || fail(r, "checkpoint file %s, wanted %s", found[k]->d_name, name ? name : "none");
    }
    free(found[k]);
  }
  if (n >= 0) free((void *)found);
  return ok && (i == json_array_size(want) || fail(r, "%zu checkpoint files, wanted %zu", i, json_array_size(want)));
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at) { return (void)s, (void)kind, (void)at, remove(path); }

static bool fit_once(run *r, cn_model *m, const json_t *given, const json_t *want, const char *files) {
  const json_t *v = json_object_get(r->c, "validation_data");
  cn_fit_args a;
  double weights[64];
  cn_fit_args_init(&a, sizeof a);
  if (!fit_args_from(r, given, &a, weights, 64)) return false;
  a.graph = r->g;
  a.model = m;
  if (!(a.data = dataset_from(r, m, json_object_get(r->c, "x"), json_object_get(r->c, "y"), json_object_get(r->c, "sample_weight")))) return false;
  if (json_is_array(v) && !(a.validation_data = dataset_from(r, m, json_array_get(v, 0), json_array_get(v, 1), json_array_get(v, 2)))) return false;
  cn_callback *callbacks[8];
  const json_t *list = json_object_get(r->c, "callbacks");
  for (; a.callbacks.n < (int64_t)json_array_size(list) && a.callbacks.n < 8; a.callbacks.n++)
    if (!(callbacks[a.callbacks.n] = callback_from(r, json_array_get(list, (size_t)a.callbacks.n), files))) return library_failed(r, "callback");
  a.callbacks.v = callbacks;
  const cn_history *h = cn_fit_run(&a);
  if (!h) return library_failed(r, "fit");
  for (int64_t i = 0; i < a.callbacks.n; i++)
    if (!same_stopping(r, callbacks[i], json_object_get(want, "early_stopping"))) return false;
  return same_history(r, h, want) && same_files(r, files, json_object_get(want, "checkpoint_files"));
}

static bool fit_in_folder(run *r, cn_model *m, const json_t *given, const json_t *want) {
  char files[] = "/tmp/cornu-conformance-XXXXXX";
  if (!mkdtemp(files)) return fail(r, "no folder in /tmp");
  const bool ok = fit_once(r, m, given, want, files);
  nftw(files, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return ok;
}

static bool run_fits(run *r) {
  const json_t *fits = json_object_get(r->c, "fit"), *results = json_object_get(r->c, "results");
  cn_model *m = model_from(r, json_object_get(r->c, "config"));
  if (!m || !set_model_weights(r, m, json_object_get(r->c, "initial_weights")) || !compile_from(r, m, json_object_get(r->c, "compile_config"))) return false;
  for (size_t i = 0; i < json_array_size(fits); i++)
    if (!fit_in_folder(r, m, json_array_get(fits, i), json_array_get(results, i))) return false;
  return same_weights(r, m, json_object_get(r->c, "final_weights"), "after the last fit");
}

void run_history(run *r) {
  const json_t *callbacks = json_object_get(r->c, "callbacks");
  for (size_t i = 0; i < json_array_size(callbacks); i++)
    if (!callback_known(r, text_of(json_array_get(callbacks, i), "class"))) return;
  if (classes_known(r, json_object_get(r->c, "config")) && compile_known(r, json_object_get(r->c, "compile_config"))) run_fits(r);
}
