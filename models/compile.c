/* What compile adds to a model: optimizer, loss, metrics; and one step of training. */
#include <math.h>
#include <stdio.h>
#include "model_private.h"

void cni_compiled_free(cn_model *m) {
  cni_compiled *c = m->compiled;
  if (!c) return;
  cn_graph *g = m->base.object.graph;
  for (int64_t i = 0; i < c->count; i++) {
    if (c->metrics[i]) cn_object_free(&c->metrics[i]->object);
    cni_free(g, c->names[i]);
  }
  cni_replays_drop(c);
  cni_free(g, c->replays);
  if (c->owns_optimizer) cn_object_free((cn_object *)(void *)c->optimizer);
  cn_object_free(c->owned_loss);
  cn_free(c->loss_value);
  cni_free(g, c->metrics);
  cni_free(g, c->names);
  cni_free(g, c);
  m->compiled = NULL;
}

/* ---- metrics ---- */
static bool metric_add(cn_model *m, cni_compiled *c, cn_metric *metric, const char *name) {
  cn_graph *g = m->base.object.graph;
  int64_t capacity = c->capacity;
  if (c->count == c->capacity) {
    if (!cni_grow(g, (void **)&c->names, c->count, &capacity, sizeof *c->names)) return false;
    capacity = c->capacity;
    if (!cni_grow(g, (void **)&c->metrics, c->count, &capacity, sizeof *c->metrics)) return false;
    c->capacity = capacity;
  }
  if (!(c->names[c->count] = cni_strdup(g, name))) return false;
  c->metrics[c->count++] = metric;
  return true;
}

static bool is_accuracy(const char *name) { return !strcmp(name, "accuracy") || !strcmp(name, "acc"); }

/* One name of the list, trimmed. "accuracy" waits for the first batch, whose shapes choose. */
static bool metric_by_name(cn_model *m, cni_compiled *c, const char *name) {
  if (!*name) return true;
  if (is_accuracy(name)) return metric_add(m, c, NULL, name);
  cn_metric *metric = cn_metric_from(m->base.object.graph, name);
  if (!metric) return false;
  char plain[128];
  cni_text_name(name, plain, sizeof plain);
  return metric_add(m, c, metric, strpbrk(plain, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") ? metric->name : plain);
}

/* Names separated by commas outside parentheses. */
static bool metrics_from(cn_model *m, cni_compiled *c, const char *text) {
  char name[256];
  size_t n = 0;
  int depth = 0;
  for (const char *p = text; p; p++) {
    const bool end = !*p || (*p == ',' && !depth);
    depth += (*p == '(') - (*p == ')');
    if (!end) {
      if ((n || *p != ' ') && n + 1 < sizeof name) name[n++] = *p;
      continue;
    }
    while (n && name[n - 1] == ' ') n--;
    name[n] = 0;
    n = 0;
    if (!metric_by_name(m, c, name)) return false;
    if (!*p) break;
  }
  return true;
}

bool cn_add_metric(cn_model *m, cn_metric *metric) {
  if (!m || !metric || !cn_ok(m->base.object.graph)) return false;
  if (!m->compiled) return cn_fail(m->base.object.graph, CN_STATE, "add_metric: %s is not compiled", m->base.name), false;
  return metric_add(m, m->compiled, metric, metric->name);
}

/* ---- compile ---- */
static bool compile_parts(cn_model *m, cni_compiled *c, const cn_compile_args *a) {
  cn_graph *g = m->base.object.graph;
  cn_ref optimizer = a->optimizer;
  c->optimizer = (cn_optimizer *)(void *)cni_ref_resolve(g, CN_KIND_OPTIMIZER, &optimizer, &cni_models_factory);
  c->owns_optimizer = !a->optimizer.object;
  if (!cn_ok(g)) return false;
  if (!c->optimizer) return cn_fail(g, CN_VALUE, "compile: an optimizer is needed"), false;
  c->loss = a->loss;
  cn_object *loss = cni_ref_resolve(g, CN_KIND_LOSS, &c->loss, &cni_models_factory);
  if (!cn_ok(g)) return false;
  if (loss && !a->loss.object) c->owned_loss = loss;
  c->loss.object = loss;
  c->loss_value = cn_variable(g, CN_F32, CN_SCALAR, NULL);
  if (c->loss_value) cn_set_trainable(c->loss_value, false);
  return c->loss_value && (!a->metrics || metrics_from(m, c, a->metrics));
}

void cn_compile_args_init(cn_compile_args *args, size_t size) {
  const cn_compile_args defaults = { CN_COMPILE(CN_DEFAULT_, ) .graph = NULL };
  memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

bool cn_compile_run(const cn_compile_args *a) {
  cn_model *m = a->model;
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cni_compiled *old = m->compiled, *c = cni_alloc(m->base.object.graph, sizeof *c);
  if (!c) return false;
  m->compiled = c;
  if (!compile_parts(m, c, a)) {
    cni_compiled_free(m);
    m->compiled = old;
    return false;
  }
  m->compiled = old;
  cni_compiled_free(m);
  m->compiled = c;
  return true;
}

cn_optimizer *cn_model_optimizer(cn_model *m) { return m && m->compiled ? m->compiled->optimizer : NULL; }

bool cni_ready(cn_model *m, const char *what) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!m->compiled) return cn_fail(g, CN_STATE, "%s: %s is not compiled", what, m->base.name), false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "%s: %s has no layers", what, m->base.name), false;
  if (m->compiled->loss.object || m->compiled->loss.fn2) return true;
  cn_fail(g, CN_VALUE, "%s: %s was compiled without a loss", what, m->base.name);
  return false;
}

/* ---- one step ---- */
/* Tells the optimizer of the trainable weights, where they may have changed. */
static bool optimizer_ready(cn_model *m) {
  cn_graph *g = m->base.object.graph;
  if (m->compiled->trainables == g->trainables) return true;
  const int64_t n = cn_trainable_weights(&m->base, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(n ? n : 1) * sizeof *w);
  if (!w) return false;
  if (!cn_optimizer_build(m->compiled->optimizer, w, cn_trainable_weights(&m->base, w, n))) return false;
  m->compiled->trainables = g->trainables; /* after the slots, which are variables too */
  return true;
}

cn_tensor *cni_recorded_step(cn_model *m, const cn_batch *b, cn_tensor **y_pred) {
  cn_graph *g = m->base.object.graph;
  cni_compiled *c = m->compiled;
  g->training = true;
  cn_tensor *p = cn_call(g, &m->base, b->x, .training = 1);
  g->training = false;
  if (!p) return NULL;
  p->flags |= CNI_KEEP;
  cn_tensor *loss = cn_loss_apply(g, &c->loss, b->y ? b->y : p, p, b->sample_weight ? b->sample_weight : CN_NO_TENSOR);
  loss = cn_total_loss(&m->base, loss);
  if (!loss) return NULL;
  if (loss->dims.rank) return cn_fail(g, CN_SHAPE, "the loss must be a scalar: its reduction is none"), NULL;
  *y_pred = p;
  return optimizer_ready(m) && cn_optimizer_minimize(c->optimizer, loss, true) ? loss : NULL;
}

/* ---- metrics of a batch ---- */
static bool metric_ready(cn_model *m, int64_t i, const cn_batch *b, const cn_tensor *p) {
  cni_compiled *c = m->compiled;
  if (c->metrics[i]) return true;
  if (!b->y) return cn_fail(m->base.object.graph, CN_VALUE, "%s: the data has no y", c->names[i]), false;
  return (c->metrics[i] = cni_accuracy_for(m->base.object.graph, b->y, p)) != NULL;
}

bool cni_metrics_update(cn_model *m, const cn_batch *b, cn_tensor *p, double loss) {
  cni_compiled *c = m->compiled;
  c->loss_total += loss * (double)b->size;
  c->loss_count += (double)b->size;
  for (int64_t i = 0; i < c->count; i++)
    if (!metric_ready(m, i, b, p) || !cn_metric_update(c->metrics[i], b->y, p, CN_NO_TENSOR)) return false;
  return true;
}

void cni_metrics_reset(cn_model *m) {
  cni_compiled *c = m->compiled;
  c->loss_total = c->loss_count = 0;
  for (int64_t i = 0; i < c->count; i++) cn_metric_reset(c->metrics[i]);
}

double cni_metric_value(const cn_model *m, int64_t i) {
  const cni_compiled *c = m->compiled;
  if (!i) return c->loss_count > 0 ? c->loss_total / c->loss_count : 0;
  return c->metrics[i - 1] ? cn_metric_result(c->metrics[i - 1]) : NAN;
}

const char *cn_metric_name_at(cn_model *m, int64_t i) {
  if (!m || !m->compiled || i < 0 || i > m->compiled->count) return NULL;
  return i ? m->compiled->names[i - 1] : "loss";
}

/* ---- a step by hand ---- */
static int64_t samples(const cn_tensor *x) { return x->dims.rank ? x->dims.d[0] : 1; }

static cn_tensor *step_by_hand(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *w, const char *what) {
  if (!x || !cni_ready(m, what)) return NULL;
  const cn_batch b = { x, y && cni_given(y) ? y : NULL, w && cni_given(w) ? w : NULL, samples(x) };
  cn_tensor *p;
  return cni_train_step(m, &b, &p);
}

double cn_train_on_batch(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  cn_tensor *loss = step_by_hand(m, x, y, sample_weight, "train_on_batch");
  const double value = loss ? cn_item(loss) : NAN;
  if (m) cn_graph_reset(m->base.object.graph);
  return value;
}

cn_tensor *cn_train_step(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  cn_tensor *loss = step_by_hand(m, x, y, sample_weight, "train_step");
  if (loss) cni_value_set(m->compiled->loss_value, 0, cni_value_at(loss, 0));
  if (m) cn_graph_reset(m->base.object.graph);
  return loss ? m->compiled->loss_value : NULL;
}
