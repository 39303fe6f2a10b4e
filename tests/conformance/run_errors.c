/* Kind model_error: steps on one object, of which the last may have to be refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "runner.h"

typedef struct object {
  cn_layer *l;
  cn_object *other;
  cn_tensor *y[CN_LAYER_OUTPUTS + 1];
  int64_t ny;
  double values[64];
  int64_t n;
  const char *names[64];
} object;

static bool is_model(const object *o) { return o->l && (o->l->object.cls == &cni_sequential_class || o->l->object.cls == &cni_functional_class); }
static cn_model *model_of(const object *o) { return is_model(o) ? (cn_model *)(void *)o->l : NULL; }

static bool make(run *r, object *o, cn_kind kind, const json_t *config) {
  cn_object *made = cni_models_factory.from_json(r->g, kind, config);
  if (kind == CN_KIND_LAYER) o->l = (cn_layer *)(void *)made;
  else o->other = made;
  return made != NULL;
}

static bool step_construct(run *r, object *o, const json_t *s, cn_kind kind) {
  json_t *config = json_pack("{s:s, s:s, s:O}", "module", "keras.layers", "class_name", text_of(s, "class"), "config", json_object_get(s, "config"));
  const bool ok = make(r, o, kind, config);
  json_decref(config);
  return ok;
}

static bool step_get(run *r, object *o, const json_t *s) {
  static const struct {
    const char *what;
    cn_kind kind;
  } kinds[] = { { "activations", CN_KIND_ACTIVATION }, { "initializers", CN_KIND_INITIALIZER }, { "regularizers", CN_KIND_REGULARIZER },
                { "constraints", CN_KIND_CONSTRAINT }, { "losses", CN_KIND_LOSS }, { "metrics", CN_KIND_METRIC }, { "optimizers", CN_KIND_OPTIMIZER } };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].what, text_of(s, "what"))) return make(r, o, kinds[i].kind, json_object_get(s, "identifier"));
  return fail(r, "get %s", text_of(s, "what"));
}

static bool step_call(run *r, object *o, const json_t *s) {
  cn_tensor *x[MODEL_ENDS];
  const int64_t n = tensors_from(r, json_object_get(s, "inputs"), x);
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = r->g;
  a.layer = o->l;
  if (n == 1 && !json_object_get(json_object_get(s, "inputs"), "list")) a.x = x[0];
  else a.inputs = (cn_tensors){ x, n };
  return n >= 0 && cn_call_layer(&a, o->y, &o->ny);
}

static bool step_fit(run *r, object *o, const json_t *s) {
  cn_model *m = model_of(o);
  cn_fit_args a;
  double weights[64];
  cn_fit_args_init(&a, sizeof a);
  a.graph = r->g;
  a.model = m;
  if (!fit_args_from(r, json_object_get(s, "args"), &a, weights, 64)) return false;
  if (!m->compiled) return cn_fit_run(&a) != NULL;
  if (!(a.data = dataset_from(r, m, json_object_get(s, "x"), json_object_get(s, "y"), json_object_get(s, "sample_weight")))) return false;
  const cn_history *h = cn_fit_run(&a);
  for (int64_t i = 0; h && h->epochs > 0 && i < h->names_count && i < 64; i++)
    o->names[i] = h->names[i], o->values[o->n++] = h->values[i * h->epochs + h->epochs - 1];
  return h != NULL;
}

static bool step_evaluate(run *r, object *o, const json_t *s) {
  cn_model *m = model_of(o);
  cn_dataset *d = dataset_from(r, m, json_object_get(s, "x"), json_object_get(s, "y"), json_object_get(s, "sample_weight"));
  o->n = d ? cn_evaluate(m, d, 32, o->values, 64) : -1;
  for (int64_t i = 0; i < o->n; i++) o->names[i] = cn_metric_name_at(m, i);
  return o->n >= 0;
}

static bool step_predict(run *r, object *o, const json_t *s) {
  cn_tensor *x[MODEL_ENDS];
  const int64_t n = tensors_from(r, json_object_get(s, "x"), x);
  o->ny = cni_outputs_of(model_of(o));
  return n >= 0 && cn_predict_lists(model_of(o), (cn_tensors){ x, n }, 32, o->y);
}

static bool step_set_weights(run *r, object *o, const json_t *s) {
  cn_tensor *values[256];
  const json_t *weights = json_object_get(s, "weights");
  const int64_t n = (int64_t)json_array_size(weights);
  for (int64_t i = 0; i < n && i < 256; i++) values[i] = tensor_from(r, json_array_get(weights, (size_t)i));
  return cn_set_weights(o->l, values, n);
}

static bool take_step(run *r, object *o, const json_t *s) {
  const char *op = text_of(s, "op");
  if (!strcmp(op, "deserialize")) return make(r, o, CN_KIND_LAYER, json_object_get(s, "object"));
  if (!strcmp(op, "construct")) return step_construct(r, o, s, CN_KIND_LAYER);
  if (!strcmp(op, "construct_optimizer")) return step_construct(r, o, s, CN_KIND_OPTIMIZER);
  if (!strcmp(op, "get")) return step_get(r, o, s);
  if (!strcmp(op, "call")) return step_call(r, o, s);
  if (!strcmp(op, "compile")) return compile_from(r, model_of(o), json_object_get(s, "config"));
  if (!strcmp(op, "fit")) return step_fit(r, o, s);
  if (!strcmp(op, "evaluate")) return step_evaluate(r, o, s);
  if (!strcmp(op, "predict")) return step_predict(r, o, s);
  if (!strcmp(op, "set_weights")) return step_set_weights(r, o, s);
  return cn_count_params(o->l) >= 0 && cn_ok(r->g);
}

/* ---- what the library has ---- */
/* A class that Keras does not know either is the case's point: its message names it. */
static bool steps_known(run *r, const json_t *steps) {
  const json_t *s;
  size_t i;
  json_array_foreach(steps, i, s) {
    const char *op = text_of(s, "op");
    json_t *as_object = json_pack("{s:s, s:s, s:O?}", "module", "keras.layers", "class_name", *text_of(s, "class") ? text_of(s, "class") : "Dense", "config",
                                  json_object_get(s, "config"));
    outcome quiet = { PASSED, "" }, *out = r->out;
    r->out = &quiet;
    if (!strncmp(op, "load_", 5)) return r->out = out, json_decref(as_object), unsupported(r, "%s", op);
    if (!strncmp(op, "construct", 9)) classes_known(r, as_object);
    else if (!strcmp(op, "deserialize")) classes_known(r, json_object_get(s, "object"));
    r->out = out;
    json_decref(as_object);
    const char *name = strrchr(quiet.text, ' ');
    if (quiet.status == PASSED || (name && strstr(text_of(r->c, "message"), name + 1))) continue;
    return unsupported(r, "%s", quiet.text);
  }
  return true;
}

/* ---- what comes out ---- */
static bool finite_rows(run *r, const object *o, const json_t *want) {
  for (int64_t i = 0; i < o->ny; i++) {
    const json_t *rows = json_array_get(want, (size_t)i);
    const int64_t n = (int64_t)json_array_size(rows);
    for (int64_t k = 0; k < n; k++) {
      bool finite = true;
      for (int64_t j = 0; j < o->y[i]->count / n; j++) finite &= isfinite(cn_at(o->y[i], k * (o->y[i]->count / n) + j)) != 0;
      if (finite != json_is_true(json_array_get(rows, (size_t)k)))
        return fail(r, "output %lld: row %lld is %sfinite", (long long)i, (long long)k, finite ? "" : "not ");
    }
  }
  return true;
}

static bool check_result(run *r, const object *o, const json_t *result) {
  const json_t *names = json_object_get(result, json_object_get(result, "history") ? "history" : "logs");
  bool finite = true;
  if ((int64_t)json_array_size(names) != o->n) return fail(r, "%lld values, wanted %zu", (long long)o->n, json_array_size(names));
  for (int64_t i = 0; i < o->n; i++) {
    bool found = false;
    for (size_t k = 0; k < json_array_size(names); k++) found |= !strcmp(json_string_value(json_array_get(names, k)), o->names[i]);
    if (!found) return fail(r, "value %s was not wanted", o->names[i]);
    finite &= isfinite(o->values[i]) != 0;
  }
  return finite == json_is_true(json_object_get(r->c, "finite")) || fail(r, "the values are %sfinite", finite ? "" : "not ");
}

static bool check_end(run *r, const object *o) {
  const json_t *outputs = json_object_get(r->c, "outputs"), *shapes = json_object_get(r->c, "output_shapes"), *result = json_object_get(r->c, "result"),
               *arrays[MODEL_ENDS];
  const size_t n = flat(outputs, arrays, NULL, MODEL_ENDS);
  for (size_t i = 0; i < n; i++)
    if (!same(r, "output", o->y[i], arrays[i])) return false;
  for (size_t i = 0; i < json_array_size(shapes); i++) {
    cn_dims want;
    if (dims_from(json_array_get(shapes, i), &want) && !cn_dims_equal(&want, &o->y[i]->dims)) return fail(r, "output %zu has another shape", i);
  }
  if (json_is_array(shapes) && !finite_rows(r, o, json_object_get(r->c, "output_finite_rows"))) return false;
  return !json_is_object(result) || check_result(r, o, result);
}

void run_model_error(run *r) {
  object o = { .l = NULL };
  const json_t *steps = json_object_get(r->c, "steps");
  const bool raises = json_is_true(json_object_get(r->c, "raises"));
  if (!steps_known(r, steps)) return;
  outcome quiet = { PASSED, "" }, *out = r->out;
  r->out = &quiet;
  bool refused = false;
  size_t at = 0;
  for (; at < json_array_size(steps) && !refused; at++) {
    o.n = 0;
    refused = !take_step(r, &o, json_array_get(steps, at)) || !cn_ok(r->g);
  }
  r->out = out;
  const char *last = text_of(json_array_get(steps, at ? at - 1 : 0), "op");
  if (refused && !raises && strcmp(last, "compile")) { /* compile refuses a name that Keras would refuse at the next fit */
    fail(r, "step %zu (%s) was refused: %s %s", at - 1, last, cn_error(r->g), quiet.text);
    return;
  }
  if (!refused && raises) { fail(r, "was not refused: %s", text_of(r->c, "message")); return; }
  if (!refused) { check_end(r, &o); return; }
  if (!*cn_error(r->g)) { fail(r, "refused without a text"); return; }
  cn_graph_clear(r->g);
  if (!cn_scalar(r->g, 1)) fail(r, "the graph does not work afterwards");
}
