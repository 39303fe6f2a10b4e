/* Kind model: a model from the config in its .keras archive, with the case's weights: outputs, penalties, gradients, facts of the summary. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "../../models/program_private.h"
#include "runner.h"

/* ---- what the library has ---- */
static bool in_list(cn_class_list list, const char *name) {
  for (; *list; list++)
    if (!strcmp((*list)->schema.name, name)) return true;
  return false;
}
static bool in_any_list(const char *name) {
  for (const cn_class_list *l = cni_builtin_classes; *l; l++)
    if (in_list(*l, name)) return true;
  return false;
}

bool layer_known(run *r, const char *name) { return in_any_list(name) || unsupported(r, "layer %s", name); }

static bool has_class(run *r, const json_t *v, const char *name) {
  const char *module = json_string_value(json_object_get(v, "module")), *policy = text_of(json_object_get(v, "config"), "name");
  cn_dtype dtype;
  if (!strcmp(name, "DTypePolicy") && !cn_dtype_from_name(policy, &dtype)) return unsupported(r, "policy %s", policy);
  if (!module || strncmp(name, "__", 2) == 0 || !strcmp(name, "DTypePolicy") || !strcmp(name, "function")) return true;
  if (!strncmp(module, "keras.src.ops", 13)) return cni_graph_op(name) || unsupported(r, "operation %s", name);
  return in_any_list(name) || !strcmp(name, "Functional") || unsupported(r, "%s %s", module, name);
}

bool classes_known(run *r, const json_t *v) {
  const char *name = json_string_value(json_object_get(v, "class_name")), *key;
  json_t *inner;
  if (name && !has_class(r, v, name)) return false;
  for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
    if (!classes_known(r, json_array_get(v, i))) return false;
  if (json_is_object(v)) json_object_foreach((json_t *)(uintptr_t)v, key, inner)
    if (!classes_known(r, inner)) return false;
  return true;
}

cn_model *model_from(run *r, const json_t *config) {
  char *text = json_dumps(config, 0);
  cn_model *m = cn_model_from_config(r->g, text);
  free(text);
  if (!m) library_failed(r, "model_from_config");
  return m;
}

/* ---- structures: an array, {"list": [...]}, {"dict": {...}} ---- */
static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

size_t flat(const json_t *s, const json_t **out, const char **names, size_t most) {
  const json_t *list = json_is_array(s) ? s : json_object_get(s, "list"), *dict = json_object_get(s, "dict");
  size_t n = 0;
  for (size_t i = 0; json_is_array(list) && i < json_array_size(list); i++) n += flat(json_array_get(list, i), out + n, NULL, most - n);
  if (json_is_array(list)) return n;
  if (!json_is_object(dict) && (!json_is_object(s) || !most)) return 0;
  if (!json_is_object(dict)) return out[0] = s, (size_t)1;
  const char *keys[64], *key;
  json_t *v;
  size_t count = 0;
  json_object_foreach((json_t *)(uintptr_t)dict, key, v) keys[count++] = key;
  qsort(keys, count, sizeof *keys, by_text);
  for (size_t i = 0; i < count; i++) {
    if (names) names[n] = keys[i];
    n += flat(json_object_get(dict, keys[i]), out + n, NULL, most - n);
  }
  return n;
}

int64_t tensors_from(run *r, const json_t *s, cn_tensor **out) {
  const json_t *arrays[MODEL_ENDS];
  const size_t n = flat(s, arrays, NULL, MODEL_ENDS);
  for (size_t i = 0; i < n; i++)
    if (!(out[i] = tensor_from(r, arrays[i]))) return library_failed(r, "inputs"), -1;
  return (int64_t)n;
}

/* ---- weights ---- */
bool set_model_weights(run *r, cn_model *m, const json_t *weights) {
  const int64_t n = (int64_t)json_array_size(weights);
  cn_tensor **values = calloc((size_t)n + 1, sizeof *values);
  for (int64_t i = 0; i < n; i++) values[i] = tensor_from(r, json_array_get(weights, (size_t)i));
  const bool ok = cn_set_weights(cn_model_layer(m), values, n);
  free(values);
  return ok || library_failed(r, "set_weights");
}

bool same_weights(run *r, cn_model *m, const json_t *want, const char *what) {
  const int64_t n = cn_weights(cn_model_layer(m), NULL, 0);
  cn_tensor **w = calloc((size_t)n + 1, sizeof *w);
  char text[300];
  bool ok = n == (int64_t)json_array_size(want) || fail(r, "%s: %lld weights, wanted %zu", what, (long long)n, json_array_size(want));
  cn_weights(cn_model_layer(m), w, n);
  for (int64_t i = 0; i < n && ok; i++) {
    snprintf(text, sizeof text, "%s: weight %lld (%s)", what, (long long)i, cn_name_of(w[i]));
    ok = same(r, text, w[i], json_array_get(want, (size_t)i));
  }
  free(w);
  return ok;
}

/* ---- a call ---- */
typedef struct pass { cn_tensor *x[MODEL_ENDS], *y[CN_LAYER_OUTPUTS + 1]; int64_t nx, ny; } pass;

static bool call_model(run *r, cn_model *m, pass *p, bool training) {
  const cn_tensors several = { p->x, p->nx };
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = r->g;
  a.layer = cn_model_layer(m);
  a.training = training;
  if (p->nx == 1) a.x = p->x[0];
  else a.inputs = several;
  return cn_call_layer(&a, p->y, &p->ny) || library_failed(r, "call");
}

static bool check_outputs(run *r, const pass *p, const json_t *want) {
  const json_t *arrays[MODEL_ENDS];
  char text[48];
  const size_t n = flat(want, arrays, NULL, MODEL_ENDS);
  if ((int64_t)n != p->ny) return fail(r, "%lld outputs, wanted %zu", (long long)p->ny, n);
  for (size_t i = 0; i < n; i++) {
    snprintf(text, sizeof text, "output %zu", i);
    if (!same(r, text, p->y[i], arrays[i])) return false;
  }
  return true;
}

static bool check_losses(run *r, cn_model *m, const json_t *want, cn_tensor **total) {
  cn_tensor *v[64];
  const int64_t n = cn_losses(cn_model_layer(m), v, 64);
  char text[48];
  *total = NULL;
  if (!cn_ok(r->g)) return library_failed(r, "losses");
  if (n != (int64_t)json_array_size(want)) return fail(r, "%lld losses, wanted %zu", (long long)n, json_array_size(want));
  for (int64_t i = 0; i < n; i++) {
    const json_t *w = json_array_get(want, (size_t)i);
    snprintf(text, sizeof text, "loss %lld", (long long)i);
    if (!same_number(r, text, cn_item(v[i]), json_is_object(w) ? json_array_get(json_object_get(w, "data"), 0) : w)) return false;
    *total = *total ? cn_add(r->g, *total, v[i]) : v[i];
  }
  return true;
}

static bool check_gradients(run *r, cn_model *m, const pass *p, const json_t *want, cn_tensor *losses) {
  const int64_t n = cn_trainable_weights(cn_model_layer(m), NULL, 0);
  cn_tensor **w = calloc((size_t)(2 * n + 1), sizeof *w), **d = w + n, *total = total_of(r, p->y, p->ny, json_object_get(r->c, "cotangents"), losses);
  bool ok = n == (int64_t)json_array_size(want) || fail(r, "%lld trainable weights, wanted %zu", (long long)n, json_array_size(want));
  cn_trainable_weights(cn_model_layer(m), w, n);
  if (ok && n && !cn_gradients(r->g, total, CN_NO_TENSOR, w, n, false, d)) ok = library_failed(r, "gradients");
  for (int64_t i = 0; i < n && ok; i++) {
    char text[300];
    snprintf(text, sizeof text, "gradient of %s", cn_name_of(w[i]));
    ok = same(r, text, d[i], json_object_get(json_array_get(want, (size_t)i), "grad"));
  }
  free(w);
  return ok;
}

static bool check_pass(run *r, cn_model *m, pass *p, const json_t *want, bool training) {
  cn_tensor *losses;
  return call_model(r, m, p, training) && check_outputs(r, p, json_object_get(want, "outputs")) &&
         check_losses(r, m, json_object_get(want, "losses"), &losses) && check_gradients(r, m, p, json_object_get(want, "grads"), losses);
}

/* Moving statistics, which a pass in training changes. */
static bool check_others(run *r, cn_model *m, const json_t *want) {
  cn_tensor *w[256];
  const int64_t n = cn_non_trainable_weights(cn_model_layer(m), NULL, 0);
  if (n != (int64_t)json_array_size(want) || n > 256) return fail(r, "%lld weights that are not trained, wanted %zu", (long long)n, json_array_size(want));
  cn_non_trainable_weights(cn_model_layer(m), w, n);
  for (int64_t i = 0; i < n; i++) {
    char text[300];
    snprintf(text, sizeof text, "after training: %s", cn_name_of(w[i]));
    if (!same(r, text, w[i], json_array_get(want, (size_t)i))) return false;
  }
  return true;
}

/* ---- summary ---- */
static void collect(void *user, const char *text) {
  char **all = user;
  const size_t have = *all ? strlen(*all) : 0;
  *all = realloc(*all, have + strlen(text) + 1);
  strcpy(*all + have, text);
}

static bool check_facts(run *r, cn_model *m) {
  const json_t *layers = json_object_get(r->c, "layers"), *params = json_object_get(r->c, "params");
  if (cn_model_layers(m) != (int64_t)json_array_size(layers)) return fail(r, "%lld layers, wanted %zu", (long long)cn_model_layers(m), json_array_size(layers));
  for (int64_t i = 0; i < cn_model_layers(m); i++) {
    const json_t *want = json_array_get(layers, (size_t)i);
    cn_layer *l = cn_model_layer_at(m, i);
    char shape[256];
    if (strcmp(l->name, text_of(want, "name"))) return fail(r, "layer %lld is %s, wanted %s", (long long)i, l->name, text_of(want, "name"));
    if (cn_count_params(l) != json_integer_value(json_object_get(want, "params")))
      return fail(r, "%s has %lld parameters", l->name, (long long)cn_count_params(l));
    if (l->trainable != json_is_true(json_object_get(want, "trainable"))) return fail(r, "%s: trainable is %d", l->name, l->trainable);
    if (*text_of(want, "shape_text") && strcmp(cni_layer_shape_text(m, i, shape, sizeof shape), text_of(want, "shape_text")))
      return fail(r, "%s: shape %s, wanted %s", l->name, shape, text_of(want, "shape_text"));
  }
  const int64_t total = cn_count_params(cn_model_layer(m));
  return total == json_integer_value(json_object_get(params, "total")) || fail(r, "%lld parameters", (long long)total);
}

/* Texts are compared without rules and runs of blanks, and up to the 80th column, where the case's lines were cut. */
static void squeeze(const char *from, char *to) {
  bool blank = true;
  int column = 0;
  for (; *from; from++) {
    column = *from == '\n' ? 0 : column + (((unsigned char)*from & 0xc0) != 0x80);
    if (column > 80) continue;
    const bool space = *from == ' ' || *from == '\n';
    if ((unsigned char)*from >= 0x80) continue;
    if (!space || !blank) *to++ = space ? ' ' : *from;
    blank = space;
  }
  *to = 0;
}

static bool check_summary(run *r, cn_model *m, const char *key, bool nested) {
  const char *want = text_of(r->c, key);
  char *got = NULL;
  if (!*want || !is_null(json_object_get(r->c, "params"), "optimizer")) return true;
  cn_set_output_callback(r->g, collect, &got);
  cn_summary(m, .line_length = 98, .expand_nested = nested);
  cn_set_output_callback(r->g, NULL, NULL);
  char *a = malloc(strlen(got ? got : "") + 1), *b = malloc(strlen(want) + 1);
  squeeze(got ? got : "", a);
  squeeze(want, b);
  size_t at = 0;
  while (a[at] && a[at] == b[at]) at++;
  const bool ok = !strcmp(a, b) || fail(r, "%s: ...%.60s, wanted ...%.60s", key, a + (at > 20 ? at - 20 : 0), b + (at > 20 ? at - 20 : 0));
  free(a);
  free(b);
  free(got);
  return ok;
}

/* ---- archives ---- */
/* The member config.json of a ZIP whose members are stored. */
static json_t *config_of(run *r, const char *file) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", r->folder, file);
  FILE *f = fopen(path, "rb");
  json_t *config = NULL;
  unsigned char head[30];
  char name[256];
  while (f && fread(head, 1, sizeof head, f) == sizeof head && !memcmp(head, "PK\3\4", 4)) {
    const size_t size = head[18] | (size_t)head[19] << 8 | (size_t)head[20] << 16 | (size_t)head[21] << 24, length = head[26] | (size_t)head[27] << 8,
                 extra = head[28] | (size_t)head[29] << 8;
    if (length >= sizeof name || fread(name, 1, length, f) != length) break;
    name[length] = 0;
    fseek(f, (long)extra, SEEK_CUR);
    if (strcmp(name, "config.json")) {
      fseek(f, (long)size, SEEK_CUR);
      continue;
    }
    char *text = malloc(size + 1);
    if (fread(text, 1, size, f) == size) config = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    free(text);
    break;
  }
  if (f) fclose(f);
  if (!config) fail(r, "%s has no config.json", file);
  return config;
}

static bool check_model(run *r, const json_t *config) {
  pass p;
  cn_model *m = model_from(r, config), *again = NULL;
  if (!m || !check_facts(r, m) || !set_model_weights(r, m, json_object_get(r->c, "weights"))) return false;
  if ((p.nx = tensors_from(r, json_object_get(r->c, "inputs"), p.x)) < 0) return false;
  if (!check_pass(r, m, &p, r->c, false)) return false;
  const json_t *training = json_object_get(r->c, "training");
  if (json_is_object(training) && (!check_pass(r, m, &p, training, true) || !check_others(r, m, json_object_get(training, "non_trainable_after"))))
    return false;
  if (!check_summary(r, m, "summary", false) || !check_summary(r, m, "summary_nested", true)) return false;
  const char *written = cn_model_config(m); /* its own config makes the same model */
  if (!written || !(again = cn_model_from_config(r->g, written))) return library_failed(r, "the model's own config");
  if (!check_facts(r, again) || !set_model_weights(r, again, json_object_get(r->c, "weights"))) return false;
  return call_model(r, again, &p, false) && check_outputs(r, &p, json_object_get(r->c, "outputs"));
}

void run_model(run *r) {
  json_t *config = config_of(r, text_of(json_object_get(r->c, "files"), "keras"));
  if (config) {
    json_object_del(config, "compile_config");
    if (classes_known(r, config)) check_model(r, config);
  }
  json_decref(config);
}
