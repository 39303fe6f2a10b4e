/* What compile adds to a model: optimizer, loss, metrics; and one step of training. */
#include <math.h>
#include <stdio.h>
#include "metric_private.h"
#include "model_private.h"

void cni_compiled_free(cn_model *m) {
  cni_compiled *c = m->compiled;
  if (!c) return;
  cn_graph *g = m->base.object.graph;
  cni_replays_drop(c);
  cni_free(g, c->replays);
  if (c->owns_optimizer) cn_object_free((cn_object *)(void *)c->optimizer);
  cni_outputs_free(g, c);
  cn_free(c->loss_value);
  cni_free(g, c);
  m->compiled = NULL;
}

bool cn_add_metric(cn_model *m, cn_metric *metric) {
  if (!m || !metric || !cn_ok(m->base.object.graph)) return false;
  if (!cni_not_fitting(m, "add_metric")) return false;
  if (!m->compiled) return cn_fail(m->base.object.graph, CN_STATE, "add_metric: %s is not compiled", m->base.name), false;
  return cni_metric_add(m, m->compiled, metric, metric->name, 0, false);
}

/* ---- compile ---- */
static bool set_optimizer(cn_model *m, cni_compiled *c, const cn_ref *given) {
  cn_graph *g = m->base.object.graph;
  cn_ref optimizer = *given;
  c->optimizer = (cn_optimizer *)(void *)cni_ref_resolve(g, CN_KIND_OPTIMIZER, &optimizer, &cni_models_factory);
  c->owns_optimizer = !given->object;
  if (!cn_ok(g)) return false;
  if (!c->optimizer) return cn_fail(g, CN_VALUE, "compile: an optimizer is needed"), false;
  c->loss_value = cn_variable(g, CN_F32, CN_SCALAR, NULL);
  if (c->loss_value) cn_set_trainable(c->loss_value, false);
  return c->loss_value != NULL;
}

/* The new state takes the old one's place once it is whole. */
static cni_compiled *compile_begin(cn_model *m, cni_compiled **old) {
  *old = m->compiled;
  cni_compiled *c = cni_not_fitting(m, "compile") ? cni_alloc(m->base.object.graph, sizeof *c) : NULL;
  if (!c) return NULL;
  m->compiled = c;
  cni_outputs_begin(m, c);
  return c;
}
static bool compile_end(cn_model *m, cni_compiled *old, bool whole) {
  cni_compiled *c = m->compiled;
  if (whole) m->compiled = old;
  cni_compiled_free(m);
  m->compiled = whole ? c : old;
  return whole;
}

CNI_ARGS_INIT(cn_compile, CN_COMPILE, graph)

bool cn_compile_run(const cn_compile_args *a) {
  cn_model *m = a->model;
  cni_compiled *old;
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cni_compiled *c = compile_begin(m, &old);
  return c && compile_end(m, old, set_optimizer(m, c, &a->optimizer) && cni_outputs_from_args(m, c, a) && cni_layer_metrics(m));
}

static bool compile_json(cn_model *m, cni_compiled *c, const json_t *config) {
  const json_t *v = json_object_get(config, "optimizer");
  const bool text = !v || json_is_string(v);
  cn_ref r = { .name = text ? v ? json_string_value(v) : "rmsprop" : NULL };
  if (!text && !(r.object = cni_models_factory.from_json(m->base.object.graph, CN_KIND_OPTIMIZER, v))) return false;
  const bool ok = set_optimizer(m, c, &r);
  c->owns_optimizer = true;
  return ok && cni_outputs_from_json(m, c, config);
}

bool cn_compile_from_config(cn_model *m, const char *json) {
  cni_compiled *old;
  json_error_t e;
  if (!m || !json || !cn_ok(m->base.object.graph)) return false;
  json_t *config = json_loads(json, JSON_REJECT_DUPLICATES, &e);
  if (!config) return cn_fail(m->base.object.graph, CN_FORMAT, "compile_from_config: line %d, column %d: %s", e.line, e.column, e.text), false;
  cni_compiled *c = compile_begin(m, &old);
  const bool ok = c && compile_end(m, old, compile_json(m, c, config) && cni_layer_metrics(m));
  json_decref(config);
  return ok;
}

cn_optimizer *cn_model_optimizer(cn_model *m) { return m && m->compiled ? m->compiled->optimizer : NULL; }

bool cni_not_fitting(const cn_model *m, const char *what) {
  if (!m || !m->fitting) return true;
  return cn_fail(m->base.object.graph, CN_STATE, "%s: %s is being fitted: a callback cannot change what it is fitted with", what, m->base.name), false;
}

bool cni_ready(cn_model *m, const char *what) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!m->compiled) return cn_fail(g, CN_STATE, "%s: %s is not compiled", what, m->base.name), false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "%s: %s has no layers", what, m->base.name), false;
  if (m->compiled->losses_count) return true;
  cn_fail(g, CN_VALUE, "%s: %s was compiled without a loss", what, m->base.name);
  return false;
}

/* ---- one step ---- */
/* Tells the optimizer of the trainable weights, where they may have changed. */
bool cni_optimizer_ready(cn_model *m) {
  cn_graph *g = m->base.object.graph;
  if (m->compiled->trainables == g->trainables) return true;
  const int64_t n = cn_trainable_weights(&m->base, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(n ? n : 1) * sizeof *w);
  if (!w) return false;
  if (!cn_optimizer_build(m->compiled->optimizer, w, cn_trainable_weights(&m->base, w, n))) return false;
  m->compiled->trainables = g->trainables; /* after the slots, which are variables too */
  return true;
}

/* The model on a batch's inputs; the predictions go to r. */
static bool predict_batch(cn_model *m, const cn_batch *b, bool training, cni_results *r) {
  cn_graph *g = m->base.object.graph;
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  const cn_tensors xs = cni_xs(b);
  a.graph = g;
  a.layer = &m->base;
  a.training = training;
  if (xs.n == 1) a.x = xs.v[0];
  else a.inputs = xs;
  g->training = training;
  const bool ok = cn_call_layer(&a, r->y, &r->outputs) != NULL;
  g->training = false;
  for (int64_t i = 0; ok && i < r->outputs; i++) {
    cn_tensor *mask = cn_mask_of(r->y[i]);
    r->y[i]->flags |= CNI_KEEP;
    if (mask) mask->flags |= CNI_KEEP;
  }
  return ok;
}

static bool batch_fits(cn_model *m, const cn_batch *b) {
  const cni_compiled *c = m->compiled;
  cn_graph *g = m->base.object.graph;
  const int64_t ny = cni_ys(b).n, nw = cni_ws(b).n;
  if (ny && ny != c->outputs_count)
    return cn_fail(g, CN_VALUE, "%s has %lld outputs, the data has %lld targets", m->base.name, (long long)c->outputs_count, (long long)ny), false;
  for (int64_t i = 0; !ny && i < c->outputs_count; i++)
    if (c->outputs[i].loss.object) return cn_fail(g, CN_VALUE, "%s: the data has no targets", m->base.name), false;
  if (!ny && c->outputs_count > 1)
    return cn_fail(g, CN_VALUE, "%s has %lld outputs, the data has no targets", m->base.name, (long long)c->outputs_count), false;
  if (nw > 1 && nw != c->outputs_count)
    return cn_fail(g, CN_VALUE, "%s has %lld outputs, the data has weights for %lld", m->base.name, (long long)c->outputs_count, (long long)nw), false;
  const cn_tensor *shared = nw == 1 && c->outputs_count > 1 && cni_given(cni_ws(b).v[0]) ? cni_ws(b).v[0] : NULL;
  char text[160];
  if (shared && shared->dims.rank && shared->count != shared->dims.d[0])
    return cn_fail(g, CN_SHAPE, "%s has %lld outputs: weights for all of them are one a sample, got %s", m->base.name, (long long)c->outputs_count,
                   cn_dims_text(&shared->dims, text, sizeof text)), false;
  return true;
}

/* A single list of weights serves every output. */
static cn_tensor *weight_of(const cn_batch *b, int64_t i) {
  const cn_tensors w = cni_ws(b);
  return w.n == 0 ? CN_NO_TENSOR : w.v[w.n == 1 ? 0 : i];
}

static cn_tensor *output_loss(cn_model *m, const cn_batch *b, cni_results *r, int64_t i) {
  cn_graph *g = m->base.object.graph;
  const cni_output *o = &m->compiled->outputs[i];
  const cn_tensors ys = cni_ys(b);
  cn_tensor *loss = cn_loss_apply(g, &o->loss, ys.n ? ys.v[i] : r->y[i], r->y[i], weight_of(b, i));
  if (!loss) return NULL;
  if (loss->dims.rank) return cn_fail(g, CN_SHAPE, "the loss must be a scalar: its reduction is none"), NULL;
  if (m->compiled->tracked) r->losses[i] = loss, loss->flags |= CNI_KEEP;
  return o->weight == 1 ? loss : cn_multiply(g, loss, cn_scalar_like(g, loss, o->weight));
}

bool cni_forward(cn_model *m, const cn_batch *b, bool training, cni_results *r) {
  cn_graph *g = m->base.object.graph;
  const cni_compiled *c = m->compiled;
  cn_tensor *total = NULL;
  *r = (cni_results){ .loss = NULL };
  if (!batch_fits(m, b) || !predict_batch(m, b, training, r)) return false;
  if (r->outputs != c->outputs_count)
    return cn_fail(g, CN_VALUE, "%s was compiled for %lld outputs and gives %lld", m->base.name, (long long)c->outputs_count, (long long)r->outputs), false;
  for (int64_t i = 0; i < c->outputs_count; i++) {
    if (!c->outputs[i].loss.object && !c->outputs[i].loss.fn2) continue;
    cn_tensor *one = output_loss(m, b, r, i);
    if (!one) return false;
    total = total ? cn_add(g, total, one) : one;
  }
  return (r->loss = cn_total_loss(&m->base, total)) != NULL;
}

/* Without anything to train a step is a forward pass. */
bool cni_recorded_step(cn_model *m, const cn_batch *b, cni_results *r) {
  if (!cni_forward(m, b, true, r)) return false;
  return !cn_trainable_weights(&m->base, NULL, 0) || (cni_optimizer_ready(m) && cn_optimizer_minimize(m->compiled->optimizer, r->loss, true));
}

/* ---- metrics of a batch ---- */
static bool metric_update(cn_model *m, cni_scored *s, const cn_batch *b, const cni_results *r) {
  const cn_tensors ys = cni_ys(b);
  if (s->by_layer) return true;
  if (!s->metric && !ys.n) return cn_fail(m->base.object.graph, CN_VALUE, "%s: the data has no y", s->name), false;
  if (!s->metric && !(s->metric = cni_accuracy_for(m->base.object.graph, ys.v[s->output], r->y[s->output]))) return false;
  return cn_metric_update(s->metric, ys.n ? ys.v[s->output] : NULL, r->y[s->output], s->weighted ? weight_of(b, s->output) : CN_NO_TENSOR);
}

bool cni_metrics_update(cn_model *m, const cn_batch *b, const cni_results *r) {
  cni_compiled *c = m->compiled;
  c->loss_total += cni_value_at(r->loss, 0) * (double)b->size;
  c->loss_count += (double)b->size;
  for (int64_t i = 0; c->tracked && i < c->outputs_count; i++) {
    if (!r->losses[i]) continue;
    c->outputs[i].total += cni_value_at(r->losses[i], 0); /* a mean over batches, whatever their sizes, as Keras has it */
    c->outputs[i].count += 1;
  }
  for (int64_t i = 0; i < c->count; i++)
    if (!metric_update(m, &c->metrics[i], b, r)) return false;
  return true;
}

void cni_metrics_reset(cn_model *m) {
  cni_compiled *c = m->compiled;
  c->loss_total = c->loss_count = 0;
  for (int64_t i = 0; i < c->outputs_count; i++) c->outputs[i].total = c->outputs[i].count = 0;
  for (int64_t i = 0; i < c->count; i++) cn_metric_reset(c->metrics[i].metric);
}

static bool scored_state(cn_metric *metric, cn_state *s) {
  int64_t rows = metric->rows, columns = metric->columns;
  if (!cn_state_bytes(s, "total", &metric->total, sizeof(double)) || !cn_state_bytes(s, "count", &metric->count, sizeof(double))) return false;
  if (!cn_state_bytes(s, "rows", &rows, sizeof rows) || !cn_state_bytes(s, "columns", &columns, sizeof columns)) return false;
  if (rows * columns > 0 && !cni_metric_room(metric, rows, columns)) return false;
  if (rows * columns > 0 && !cn_state_bytes(s, "sums", metric->sums, (size_t)(rows * columns) * sizeof *metric->sums)) return false;
  const cn_metric_methods *methods = metric->object.cls->methods;
  return !methods->state || methods->state(metric, s);
}

bool cni_metrics_state(cn_model *m, cn_state *s) {
  cni_compiled *c = m->compiled;
  cni_state_of(s, "loss", 0);
  bool ok = cn_state_bytes(s, "total", &c->loss_total, sizeof(double)) && cn_state_bytes(s, "count", &c->loss_count, sizeof(double));
  for (int64_t i = 0; ok && i < c->outputs_count; i++) {
    cni_state_of(s, "output", i);
    ok = cn_state_bytes(s, "total", &c->outputs[i].total, sizeof(double)) && cn_state_bytes(s, "count", &c->outputs[i].count, sizeof(double));
  }
  for (int64_t i = 0; ok && i < c->count; i++) {
    cni_state_of(s, "metric", i);
    ok = !c->metrics[i].metric || scored_state(c->metrics[i].metric, s);
  }
  return ok;
}

/* Value i: 0 the loss, then the losses of the outputs (their number in *output), then the metrics (theirs in *metric). */
static void value_place(const cni_compiled *c, int64_t i, int64_t *output, int64_t *metric) {
  const int64_t losses = c->tracked ? c->losses_count : 0;
  *output = *metric = -1;
  if (i > losses) *metric = i - losses - 1;
  for (int64_t k = 0; i >= 1 && i <= losses && k < c->outputs_count; k++)
    if (c->tracked[k] && --i == 0) *output = k;
}

double cni_metric_value(const cn_model *m, int64_t i) {
  const cni_compiled *c = m->compiled;
  int64_t output, metric;
  value_place(c, i, &output, &metric);
  if (output >= 0) return c->outputs[output].count > 0 ? c->outputs[output].total / c->outputs[output].count : 0;
  if (metric >= 0) return c->metrics[metric].metric ? cn_metric_result(c->metrics[metric].metric) : NAN;
  return c->loss_count > 0 ? c->loss_total / c->loss_count : 0;
}

const char *cn_metric_name_at(cn_model *m, int64_t i) {
  int64_t output, metric;
  if (!m || !m->compiled || i < 0 || i >= cni_values_count(m)) return NULL;
  value_place(m->compiled, i, &output, &metric);
  return output >= 0 ? m->compiled->tracked[output] : metric >= 0 ? m->compiled->metrics[metric].name : "loss";
}

/* ---- a step by hand ---- */
static int64_t samples(const cn_tensor *x) { return x->dims.rank ? x->dims.d[0] : 1; }

static bool has_x(cn_model *m, const cn_batch *b, const char *what) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  return (b && (b->x || (b->xs.n > 0 && b->xs.v[0]))) || cn_fail(m->base.object.graph, CN_VALUE, "%s: the batch has no x", what) == CN_OK;
}
static bool step_by_hand(cn_model *m, const cn_batch *b, const char *what, cni_results *r) {
  return has_x(m, b, what) && cni_ready(m, what) && cni_train_step(m, b, r);
}

static cn_batch batch_of(cn_tensor *x, cn_tensor *y, cn_tensor *w) {
  return (cn_batch){ .x = x, .y = y && cni_given(y) ? y : NULL, .sample_weight = w && cni_given(w) ? w : NULL, .size = x ? samples(x) : 0 };
}

double cn_train_on_batch(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  const cn_batch b = batch_of(x, y, sample_weight);
  return cn_train_on_lists(m, &b);
}

double cn_train_on_lists(cn_model *m, const cn_batch *b) {
  cni_results r;
  const double value = step_by_hand(m, b, "train_on_batch", &r) ? cn_item(r.loss) : NAN;
  if (m) cn_graph_reset(m->base.object.graph);
  return value;
}

cn_tensor *cn_train_step(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  const cn_batch b = batch_of(x, y, sample_weight);
  cni_results r;
  const bool ok = step_by_hand(m, &b, "train_step", &r);
  if (ok) cni_value_set(m->compiled->loss_value, 0, cni_value_at(r.loss, 0));
  if (m) cn_graph_reset(m->base.object.graph);
  return ok ? m->compiled->loss_value : NULL;
}

/* ---- the values of a batch ---- */
static int64_t values_out(const cn_model *m, double *values, int64_t capacity) {
  const int64_t n = cni_values_count(m);
  for (int64_t i = 0; i < n && i < capacity; i++) values[i] = cni_metric_value(m, i);
  return n;
}

/* Keras 3.15: of this batch, not of all since a reset. */
static bool batch_values(cn_model *m, const cn_batch *b, const cni_results *r) {
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cni_metrics_reset(m);
  const bool ok = cni_metrics_update(m, b, r);
  cn_recording(g, recording);
  return ok;
}

/* With the size that a caller may leave out. */
static cn_batch sized(const cn_batch *b) {
  cn_batch own = *b;
  if (!own.x && own.xs.n) own.x = own.xs.v[0];
  if (!own.y && own.ys.n) own.y = own.ys.v[0];
  if (own.x && !own.size) own.size = samples(own.x);
  return own;
}

int64_t cn_train_on_batch_values(cn_model *m, const cn_batch *batch, cn_reals class_weight, double *values, int64_t capacity) {
  if (!has_x(m, batch, "train_on_batch")) return -1;
  cn_batch b = sized(batch);
  cni_results r;
  const bool ok =
      cni_ready(m, "train_on_batch") && cni_weigh_classes(m, "train_on_batch", class_weight, &b) && cni_train_step(m, &b, &r) && batch_values(m, &b, &r);
  const int64_t n = ok ? values_out(m, values, capacity) : -1;
  cn_graph_reset(m->base.object.graph);
  return n;
}

int64_t cn_test_on_batch(cn_model *m, const cn_batch *batch, double *values, int64_t capacity) {
  if (!has_x(m, batch, "test_on_batch") || !cni_ready(m, "test_on_batch")) return -1;
  const cn_batch b = sized(batch);
  cni_results r;
  const bool recording = cn_recording(m->base.object.graph, false);
  const bool ok = cni_forward(m, &b, false, &r) && batch_values(m, &b, &r);
  cn_recording(m->base.object.graph, recording);
  const int64_t n = ok ? values_out(m, values, capacity) : -1;
  cn_graph_reset(m->base.object.graph);
  return n;
}
