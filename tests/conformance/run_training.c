/* Kinds activation, regularizer, constraint, initializer, initializer_stat, loss, loss_function, metric, optimizer, optimizer_sparse, schedule. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "runner.h"

/* Whether the library has a class (or an alias) of this kind; an unknown one makes the case unsupported. */
static bool known(run *r, cn_kind kind, const char *name) {
  char snake[128];
  const cn_class *const *lists[] = { cni_initializer_classes, cni_regularizer_classes, cni_constraint_classes, cni_layer_classes,
                                     cni_loss_classes,        cni_metric_classes,      cni_optimizer_classes,  cni_schedule_classes };
  for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
    for (const cn_class *const *c = lists[l]; *c; c++) {
      if ((*c)->kind != kind) continue;
      if (!strcmp((*c)->schema.name, name) || !strcmp(cni_snake_case((*c)->schema.name, snake, sizeof snake), name)) return true;
      for (const char *const *a = (*c)->aliases; a && *a; a++)
        if (!strcmp(*a, name)) return true;
    }
  return unsupported(r, "%s %s", cni_kind_name(kind), name);
}

/* {"class_name", "config"} of a case, with the arguments that the config leaves out. */
static json_t *class_config(run *r, const char *class_name) {
  json_t *config = json_deep_copy(json_object_get(r->c, "config"));
  if (!config) config = json_object();
  json_object_update(config, json_object_get(r->c, "args_not_in_config"));
  return json_pack("{s:s, s:o}", "class_name", class_name, "config", config);
}

static cn_object *object_of(run *r, cn_kind kind) {
  const char *name = text_of(r->c, "class"), *identifier = text_of(r->c, "identifier");
  if (!*name) name = identifier;
  if (!known(r, kind, name)) return NULL;
  json_t *config = *text_of(r->c, "class") ? class_config(r, name) : json_string(identifier);
  cn_object *o = cni_models_factory.from_json(r->g, kind, config);
  json_decref(config);
  if (!o) library_failed(r, name);
  return o;
}

void run_activation(run *r) {
  const char *name = text_of(r->c, "function");
  json_t *config = json_pack("{s:s, s:O}", "class_name", name, "config", json_object_get(r->c, "kwargs"));
  cn_object *o = cni_models_factory.from_json(r->g, CN_KIND_ACTIVATION, config);
  json_decref(config);
  if (!o) { library_failed(r, name); return; }
  r->per_element = r->scale == 0;
  cn_tensor *x = tensor_from(r, json_object_get(r->c, "input")), *y = cn_activate(r->g, &(const cn_ref){ .object = o }, x), *dx = NULL;
  if (!y) { library_failed(r, name); return; }
  if (!same(r, "output", y, json_object_get(r->c, "output"))) return;
  cn_tensor *c = tensor_from(r, json_object_get(r->c, "cotangent"));
  if (!c || !cn_gradients(r->g, y, c, &x, 1, false, &dx)) { library_failed(r, "gradient"); return; }
  same(r, "gradient", dx, json_object_get(r->c, "grad_input"));
}

void run_regularizer(run *r) {
  cn_object *o = object_of(r, CN_KIND_REGULARIZER);
  if (!o) return;
  cn_tensor *w = tensor_from(r, json_object_get(r->c, "weight")), *p = cn_regularize(r->g, &(const cn_ref){ .object = o }, w), *dw = NULL;
  if (!p || !cn_gradients(r->g, p, CN_NO_TENSOR, &w, 1, false, &dw)) { library_failed(r, "penalty"); return; }
  if (same_number(r, "penalty", cn_item(p), json_object_get(r->c, "penalty"))) same(r, "gradient", dw, json_object_get(r->c, "grad_weight"));
}

void run_constraint(run *r) {
  cn_object *o = object_of(r, CN_KIND_CONSTRAINT);
  if (!o) return;
  cn_tensor *w = cn_project(r->g, &(const cn_ref){ .object = o }, tensor_from(r, json_object_get(r->c, "weight")));
  if (!w) { library_failed(r, "constraint"); return; }
  same(r, "result", w, json_object_get(r->c, "result"));
}

/* ---- initializers ---- */
static cn_tensor *draw(run *r) {
  cn_dims dims;
  cn_object *o = object_of(r, CN_KIND_INITIALIZER);
  if (!o) return NULL;
  if (!dims_from(json_object_get(r->c, "shape"), &dims)) return fail(r, "bad case"), NULL;
  cn_tensor *t = cn_initialize(r->g, &(const cn_ref){ .object = o }, &dims, CN_F32);
  if (!t) library_failed(r, "initializer");
  return t;
}
void run_initializer(run *r) {
  cn_tensor *t = draw(r);
  if (t) same(r, "value", t, json_object_get(r->c, "value"));
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
static double field(const run *r, const char *name) { return number_of(json_object_get(r->c, name)); }

static void check_distribution(run *r, const cn_tensor *t) {
  const int64_t n = t->count;
  double *v = malloc((size_t)n * sizeof *v), sum = 0, square = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i] = cn_at(t, i);
  const double mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
  qsort(v, (size_t)n, sizeof *v, by_value);
  const double std = sqrt(square / (double)n), low = is_null(r->c, "minimum") ? -INFINITY : field(r, "minimum"),
               high = is_null(r->c, "maximum") ? INFINITY : field(r, "maximum");
  if (fabs(mean - field(r, "mean")) > field(r, "mean_tol")) fail(r, "mean is %g, wanted %g", mean, field(r, "mean"));
  if (fabs(std - field(r, "std")) > field(r, "std_tol")) fail(r, "standard deviation is %g, wanted %g", std, field(r, "std"));
  if (v[0] < low * (1 + 1e-6) - 1e-12 || v[n - 1] > high * (1 + 1e-6) + 1e-12) fail(r, "values %g to %g leave %g to %g", v[0], v[n - 1], low, high);
  const json_t *quantiles = json_object_get(r->c, "quantiles"), *q;
  size_t i;
  json_array_foreach(quantiles, i, q) {
    const double p = number_of(json_object_get(q, "p")), at = p * (double)(n - 1);
    const int64_t k = (int64_t)at;
    const double got = k + 1 < n ? v[k] + (at - (double)k) * (v[k + 1] - v[k]) : v[k], want = number_of(json_object_get(q, "value"));
    if (fabs(got - want) > number_of(json_object_get(q, "tol"))) fail(r, "quantile %g is %g, wanted %g", p, got, want);
  }
  free(v);
}

static void check_orthogonal(run *r, const cn_tensor *t) {
  const int64_t cols = t->dims.d[t->dims.rank - 1], rows = t->count / cols;
  const bool of_columns = strstr(text_of(r->c, "gram"), "col") != NULL;
  const int64_t n = of_columns ? cols : rows, m = of_columns ? rows : cols;
  const double diagonal = field(r, "gram_diagonal"), tolerance = is_null(r->c, "atol") ? 1e-5 : field(r, "atol");
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      double dot = 0;
      for (int64_t k = 0; k < m; k++) dot += of_columns ? cn_at(t, k * cols + i) * cn_at(t, k * cols + j) : cn_at(t, i * cols + k) * cn_at(t, j * cols + k);
      if (fabs(dot - (i == j ? diagonal : 0)) > tolerance) { fail(r, "gram[%lld,%lld] is %g", (long long)i, (long long)j, dot); return; }
    }
}

void run_initializer_stat(run *r) {
  cn_tensor *t = draw(r);
  if (!t) return;
  if (!strcmp(text_of(r->c, "property"), "orthogonal")) check_orthogonal(r, t);
  else if (!strcmp(text_of(r->c, "property"), "distribution")) check_distribution(r, t);
  else fail(r, "property %s", text_of(r->c, "property"));
}

/* ---- losses ---- */
static void check_loss(run *r, cn_tensor *value, cn_tensor *p) {
  cn_tensor *dp = NULL;
  if (!value) { library_failed(r, "loss"); return; }
  if (!same(r, "value", value, json_object_get(r->c, "value"))) return;
  cn_tensor *c = tensor_from(r, json_object_get(r->c, "cotangent"));
  if (is_null(r->c, "grad_y_pred") || !c) return;
  if (!cn_gradients(r->g, value, c, &p, 1, false, &dp)) { library_failed(r, "gradient"); return; }
  same(r, "gradient", dp, json_object_get(r->c, "grad_y_pred"));
}

void run_loss(run *r) {
  cn_object *o = object_of(r, CN_KIND_LOSS);
  if (!o) return;
  cn_tensor *t = tensor_from(r, json_object_get(r->c, "y_true")), *p = tensor_from(r, json_object_get(r->c, "y_pred")),
            *w = tensor_from(r, json_object_get(r->c, "sample_weight")), *mask = tensor_from(r, json_object_get(r->c, "mask"));
  if (mask) cn_set_mask(p, mask);
  check_loss(r, cn_loss_apply(r->g, &(const cn_ref){ .object = o }, t, p, w ? w : CN_NO_TENSOR), p);
}

void run_loss_function(run *r) {
  const char *name = text_of(r->c, "identifier");
  if (!known(r, CN_KIND_LOSS, name)) return;
  cn_tensor *t = tensor_from(r, json_object_get(r->c, "y_true")), *p = tensor_from(r, json_object_get(r->c, "y_pred"));
  check_loss(r, cn_loss_values(r->g, &(const cn_ref){ .name = name }, t, p), p);
}

/* ---- metrics ---- */
/* All results, as a number where there is one and the case has a number. */
static cn_tensor *results_of(run *r, cn_metric *m, const json_t *want) {
  double v[64];
  const int64_t n = cn_metric_results(m, v, 64);
  const bool number = n == 1 && !json_array_size(json_object_get(want, "shape"));
  return n <= 64 ? cn_array(r->g, CN_F64, number ? CN_SCALAR : CN_DIMS(n), v) : NULL;
}

void run_metric(run *r) {
  cn_object *o = object_of(r, CN_KIND_METRIC);
  if (!o) return;
  cn_metric *m = (cn_metric *)(void *)o;
  const json_t *updates = json_object_get(r->c, "updates"), *u;
  size_t i;
  json_array_foreach(updates, i, u) {
    cn_tensor *values = tensor_from(r, json_object_get(u, "values")), *t = tensor_from(r, json_object_get(u, "y_true")),
              *p = values ? values : tensor_from(r, json_object_get(u, "y_pred")), *w = tensor_from(r, json_object_get(u, "sample_weight")),
              *mask = tensor_from(r, json_object_get(u, "mask"));
    char text[48];
    snprintf(text, sizeof text, "result %zu", i);
    if (mask) cn_set_mask(p, mask);
    if (!cn_metric_update(m, t, p, w ? w : CN_NO_TENSOR)) { library_failed(r, "update"); return; }
    if (!same(r, text, results_of(r, m, json_object_get(u, "result")), json_object_get(u, "result"))) return;
    cn_graph_reset(r->g);
  }
  cn_metric_reset(m);
  if (!is_null(r->c, "result_after_reset"))
    same(r, "result after reset", results_of(r, m, json_object_get(r->c, "result_after_reset")), json_object_get(r->c, "result_after_reset"));
}

/* ---- optimizers ---- */
static bool constrain(cn_graph *g, cn_tensor *variable, void *ref) { return cn_constrain(g, ref, variable); }

typedef struct training { cn_optimizer *o; cn_tensor *v[32]; int64_t n; } training;

static bool variables_of(run *r, training *t) {
  const json_t *list = json_object_get(r->c, "variables"), *v;
  size_t i;
  json_array_foreach(list, i, v) {
    cn_tensor *value = tensor_from(r, v), *w = value ? cn_variable(r->g, (cn_dtype)value->dtype, &value->dims, value->data) : NULL;
    if (!w) return library_failed(r, "variable");
    cn_set_name(w, text_of(v, "path"));
    const json_t *c = json_object_get(v, "constraint");
    if (json_is_object(c)) {
      static const cn_ref none = { NULL, NULL, NULL, NULL, NULL };
      cn_ref *ref = cni_alloc(r->g, sizeof *ref);
      *ref = none;
      ref->object = cni_models_factory.from_json(r->g, CN_KIND_CONSTRAINT, c);
      if (!ref->object) return library_failed(r, "constraint");
      cn_set_projection(w, (cn_projection){ constrain, ref });
    }
    t->v[t->n++] = w;
  }
  return true;
}

static bool one_step(run *r, training *t, const json_t *step, size_t k) {
  cn_tensor *d[32];
  cn_rows rows[32];
  char text[64];
  const json_t *grads = json_object_get(step, "grads"), *values = json_object_get(step, "values");
  if (!is_null(step, "set_learning_rate") && !cn_optimizer_set_learning_rate(t->o, number_of(json_object_get(step, "set_learning_rate"))))
    return library_failed(r, "set_learning_rate");
  for (int64_t i = 0; i < t->n; i++) {
    const json_t *q = json_array_get(grads, (size_t)i);
    rows[i] = (cn_rows){ NULL, NULL };
    d[i] = NULL;
    if (json_is_object(json_object_get(q, "indices"))) {
      rows[i].indices = cn_cast(r->g, tensor_from(r, json_object_get(q, "indices")), .dtype = "int64");
      rows[i].values = tensor_from(r, json_object_get(q, "rows"));
    } else if (json_is_object(q)) {
      d[i] = tensor_from(r, q);
    }
  }
  const json_t *rate = json_object_get(step, "learning_rate");
  if (json_is_number(rate) && fabs(cn_optimizer_learning_rate(t->o) - json_number_value(rate)) > 1e-5 * fabs(json_number_value(rate)))
    return fail(r, "step %zu: learning rate is %g, wanted %g", k, cn_optimizer_learning_rate(t->o), json_number_value(rate));
  if (!cn_optimizer_apply_rows(t->o, d, rows, t->v, t->n)) return library_failed(r, "apply");
  for (int64_t i = 0; i < t->n; i++) {
    snprintf(text, sizeof text, "step %zu, variable %lld", k, (long long)i);
    if (!same(r, text, t->v[i], json_array_get(values, (size_t)i))) return false;
  }
  if (cn_optimizer_iterations(t->o) != json_integer_value(json_object_get(step, "iterations")))
    return fail(r, "step %zu: iterations are %lld", k, (long long)cn_optimizer_iterations(t->o));
  cn_graph_reset(r->g);
  return true;
}

static const char *last_part(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

/* Names, order and values of the optimizer's variables. */
static bool check_variables(run *r, training *t, const char *key) {
  const json_t *want = json_object_get(r->c, key), *w;
  cn_tensor *v[256];
  const int64_t n = cn_optimizer_variables(t->o, v, 256);
  size_t i;
  json_array_foreach(want, i, w) {
    const char *path = text_of(w, "path"); /* the prefix depends on the scope in which Keras built it */
    if ((int64_t)i >= n) return fail(r, "%s: %s is missing", key, path);
    if (strcmp(last_part(cn_name_of(v[i])), last_part(path))) return fail(r, "%s: variable %zu is %s, wanted %s", key, i, cn_name_of(v[i]), path);
    if (!same(r, path, v[i], w)) return false;
  }
  return !json_is_array(want) || (int64_t)json_array_size(want) == n || fail(r, "%s: %lld variables, wanted %zu", key, (long long)n, json_array_size(want));
}

void run_optimizer(run *r) {
  training t = { .n = 0 };
  cn_object *o = object_of(r, CN_KIND_OPTIMIZER);
  if (!o || !variables_of(r, &t)) return;
  t.o = (cn_optimizer *)(void *)o;
  const json_t *excluded = json_object_get(r->c, "exclude_from_weight_decay"), *steps = json_object_get(r->c, "steps"), *step;
  const char *texts[16];
  size_t i;
  for (i = 0; i < json_array_size(excluded); i++) texts[i] = json_string_value(json_array_get(excluded, i));
  if (json_array_size(excluded)) cn_optimizer_exclude_from_weight_decay(t.o, texts, (int64_t)json_array_size(excluded));
  if (!cn_optimizer_build(t.o, t.v, t.n)) { library_failed(r, "build"); return; }
  if (!check_variables(r, &t, "optimizer_variables_at_start")) return;
  json_array_foreach(steps, i, step) if (!one_step(r, &t, step, i)) return;
  if (!check_variables(r, &t, "optimizer_variables")) return;
  const json_t *after = json_object_get(r->c, "values_after_finalize");
  if (!json_is_array(after)) return;
  cn_optimizer_finalize(t.o);
  for (int64_t k = 0; k < t.n; k++)
    if (!same(r, "value after finalize", t.v[k], json_array_get(after, (size_t)k))) return;
}

void run_schedule(run *r) {
  cn_object *o = object_of(r, CN_KIND_SCHEDULE);
  if (!o) return;
  const json_t *steps = json_object_get(r->c, "steps"), *values = json_object_get(r->c, "values"),
               *data = json_is_object(values) ? json_object_get(values, "data") : values, *step;
  size_t i;
  r->per_element = r->scale == 0;
  json_array_foreach(steps, i, step) {
    char text[48];
    snprintf(text, sizeof text, "rate at step %lld", (long long)json_integer_value(step));
    if (!same_number(r, text, cn_schedule_at(o, json_integer_value(step)), json_array_get(data, i))) return;
  }
}
