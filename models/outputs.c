/* What compile is told of a model's outputs: their losses, weights and metrics, from options or from Keras' JSON. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include "config_private.h"

int64_t cni_outputs_of(const cn_model *m) { return m->program ? m->program->outputs_count : 1; }

/* The keys of a dict, else the names of the layers or operations that made the outputs. */
static const char *output_name(const cn_model *m, int64_t i) {
  const cni_program *p = m->program;
  if (!p) return m->base.layers_count ? m->base.layers[m->base.layers_count - 1]->name : m->base.name;
  if (p->output_keys) return p->output_keys[i];
  const cn_node *n = p->outputs[i]->node;
  return n ? n->symbol->name : "output";
}

bool cni_outputs_begin(cn_model *m, cni_compiled *c) {
  c->outputs_count = cni_outputs_of(m);
  for (int64_t i = 0; i < c->outputs_count; i++) c->outputs[i] = (cni_output){ .name = output_name(m, i), .weight = 1 };
  return true;
}

static int64_t output_named(cn_model *m, const cni_compiled *c, const char *name, size_t length, const char *what) {
  for (int64_t i = 0; i < c->outputs_count; i++)
    if (strlen(c->outputs[i].name) == length && !strncmp(c->outputs[i].name, name, length)) return i;
  cn_fail(m->base.object.graph, CN_VALUE, "compile: %s names the output \"%.*s\", which %s does not have", what, (int)length, name, m->base.name);
  return -1;
}

static bool count_fits(cn_model *m, const cni_compiled *c, int64_t n, const char *what) {
  if (n == c->outputs_count) return true;
  cn_fail(m->base.object.graph, CN_VALUE, "compile: %s has %lld entries, %s has %lld outputs", what, (long long)n, m->base.name, (long long)c->outputs_count);
  return false;
}

/* ---- losses ---- */
static bool set_loss(cn_model *m, cni_compiled *c, int64_t i, const cn_ref *given) {
  cn_graph *g = m->base.object.graph;
  cni_output *o = &c->outputs[i];
  o->loss = *given;
  cn_object *made = cni_ref_resolve(g, CN_KIND_LOSS, &o->loss, &cni_models_factory);
  if (!cn_ok(g)) return false;
  o->loss.object = made;
  o->loss.name = NULL; /* the caller's text */
  if (made && made != given->object) o->owned = made;
  return true;
}

static bool loss_by_text(cn_model *m, cni_compiled *c, int64_t i, const char *text) {
  const cn_ref r = { .name = text };
  return !text || !*text || set_loss(m, c, i, &r);
}

static bool loss_by_json(cn_model *m, cni_compiled *c, int64_t i, const json_t *v) {
  if (!v || json_is_null(v)) return true;
  if (json_is_string(v)) return loss_by_text(m, c, i, json_string_value(v));
  cn_ref r = { .object = cni_models_factory.from_json(m->base.object.graph, CN_KIND_LOSS, v) };
  if (!r.object || !set_loss(m, c, i, &r)) return cn_object_free(r.object), false;
  c->outputs[i].owned = r.object;
  return true;
}

static void count_losses(cni_compiled *c) {
  c->losses_count = 0;
  for (int64_t i = 0; i < c->outputs_count; i++) c->losses_count += c->outputs[i].loss.object || c->outputs[i].loss.fn2;
}

/* ---- metrics ---- */
/* Owned by the caller (cni_free). */
CN_PRINTF(2, 3) static char *joined(cn_graph *g, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = length < 0 ? NULL : cni_alloc(g, (size_t)length + 1);
  va_start(args, format);
  if (text) vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}

static bool taken(const cni_compiled *c, const char *name) {
  for (int64_t i = 0; i < c->count; i++)
    if (!strcmp(c->metrics[i].name, name)) return true;
  return false;
}

/* Keras' names: of several outputs the output's before it; a weighted one that is there already is told by "weighted_", another by a number. */
static char *unique_metric(cn_graph *g, const cni_compiled *c, const char *name, int64_t output, bool weighted) {
  const bool several = c->outputs_count > 1;
  const char *before = several ? c->outputs[output].name : "", *joint = several ? "_" : "";
  char *text = joined(g, "%s%s%s", before, joint, name);
  if (text && weighted && taken(c, text)) {
    cni_free(g, text);
    text = joined(g, "%s%sweighted_%s", before, joint, name);
  }
  char *numbered = text;
  for (int k = 1; numbered && taken(c, numbered); k++) {
    if (numbered != text) cni_free(g, numbered);
    numbered = joined(g, "%s_%d", text, k);
  }
  if (numbered != text) cni_free(g, text);
  return numbered;
}

bool cni_metric_add(cn_model *m, cni_compiled *c, cn_metric *metric, const char *name, int64_t output, bool weighted) {
  cn_graph *g = m->base.object.graph;
  if (c->count == c->capacity && !cni_grow(g, (void **)&c->metrics, c->count, &c->capacity, sizeof *c->metrics)) return false;
  char *unique = unique_metric(g, c, name, output, weighted);
  if (!unique) return false;
  c->metrics[c->count++] = (cni_scored){ metric, unique, output, weighted, false };
  return true;
}

static bool is_accuracy(const char *name) { return !strcmp(name, "accuracy") || !strcmp(name, "acc"); }

typedef struct place { cn_model *m; cni_compiled *c; int64_t output; bool weighted; } place;

/* "accuracy" waits for the first batch, whose shapes choose. */
static bool metric_by_name(const place *p, const char *name) {
  if (!*name) return true;
  if (is_accuracy(name)) return cni_metric_add(p->m, p->c, NULL, name, p->output, p->weighted);
  cn_metric *metric = cn_metric_from(p->m->base.object.graph, name);
  if (!metric) return false;
  char *plain = cni_strdup(p->m->base.object.graph, name);
  if (plain) cni_text_name(name, plain, strlen(name) + 1);
  const bool object = plain && strchr(name, '(') && strpbrk(plain, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"); /* else its name is what the caller wrote, as in Keras */
  const bool added = plain && cni_metric_add(p->m, p->c, metric, object ? metric->name : plain, p->output, p->weighted);
  cni_free(p->m->base.object.graph, plain);
  if (!added) cn_object_free(&metric->object);
  return added;
}

/* Names separated by commas outside parentheses; `name` has room for the whole text. */
static bool metrics_named(const place *p, const char *text, char *name) {
  size_t n = 0;
  int depth = 0;
  for (const char *at = text; at; at++) {
    const bool end = !*at || (*at == ',' && !depth);
    depth += (*at == '(') - (*at == ')');
    if (!end) {
      if (n || *at != ' ') name[n++] = *at;
      continue;
    }
    while (n && name[n - 1] == ' ') n--;
    name[n] = 0;
    n = 0;
    if (!metric_by_name(p, name)) return false;
    if (!*at) break;
  }
  return true;
}

static bool metrics_by_text(const place *p, const char *text) {
  cn_graph *g = p->m->base.object.graph;
  char *name = cni_alloc(g, strlen(text) + 1);
  const bool done = name && metrics_named(p, text, name);
  cni_free(g, name);
  return done;
}

/* A metric, or a list of them. */
static bool metrics_by_json(const place *p, const json_t *v) {
  if (json_is_null(v)) return true;
  if (json_is_string(v)) return metric_by_name(p, json_string_value(v));
  for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
    if (!metrics_by_json(p, json_array_get(v, i))) return false;
  if (json_is_array(v)) return true;
  cn_metric *metric = (cn_metric *)(void *)cni_models_factory.from_json(p->m->base.object.graph, CN_KIND_METRIC, v);
  if (metric && cni_metric_add(p->m, p->c, metric, metric->name, p->output, p->weighted)) return true;
  if (metric) cn_object_free(&metric->object);
  return false;
}

/* ---- from options ---- */
/* Entry i of a list for the outputs: "mse", or "b: mse" for the output b. */
static const char *entry_of(const place *p, const cn_strings *list, int64_t i, int64_t *output, const char *what) {
  const char *text = list->v[i] ? list->v[i] : "", *colon = strchr(text, ':');
  *output = colon ? output_named(p->m, p->c, text, (size_t)(colon - text), what) : i;
  if (!colon && !count_fits(p->m, p->c, list->n, what)) return NULL;
  if (*output < 0) return NULL;
  if (colon)
    for (text = colon + 1; *text == ' ';) text++;
  return text;
}

static bool losses_from(cn_model *m, cni_compiled *c, const cn_compile_args *a) {
  const place p = { m, c, 0, false };
  for (int64_t i = 0; i < c->outputs_count && a->losses.n <= 0; i++)
    if ((a->loss.name || a->loss.object || a->loss.fn2) && !set_loss(m, c, i, &a->loss)) return false;
  for (int64_t i = 0, k; i < a->losses.n; i++) {
    const char *text = entry_of(&p, &a->losses, i, &k, "losses");
    if (!text || !loss_by_text(m, c, k, text)) return false;
  }
  if (a->loss_weights.n > 0 && !count_fits(m, c, a->loss_weights.n, "loss_weights")) return false;
  for (int64_t i = 0; i < a->loss_weights.n; i++) c->outputs[i].weight = a->loss_weights.v[i];
  return true;
}

static bool metrics_from(cn_model *m, cni_compiled *c, const char *text, const cn_strings *each, bool weighted) {
  place p = { m, c, 0, weighted };
  if (text && c->outputs_count > 1)
    return cn_fail(m->base.object.graph, CN_VALUE, "compile: %s has %lld outputs: give output_metrics, one text for each", m->base.name,
                   (long long)c->outputs_count),
           false;
  if (text && !metrics_by_text(&p, text)) return false;
  for (int64_t i = 0; i < each->n; i++) {
    const char *names = entry_of(&p, each, i, &p.output, "output_metrics");
    if (!names || !metrics_by_text(&p, names)) return false;
  }
  return true;
}

/* "a_loss" of each output with a loss, where there are several. */
static bool name_losses(cn_model *m, cni_compiled *c) {
  cn_graph *g = m->base.object.graph;
  count_losses(c);
  if (c->losses_count < 2) return true;
  c->tracked = cni_alloc(g, (size_t)c->outputs_count * sizeof *c->tracked);
  for (int64_t i = 0; c->tracked && i < c->outputs_count; i++) {
    if ((c->outputs[i].loss.object || c->outputs[i].loss.fn2) && !(c->tracked[i] = joined(g, "%s_loss", c->outputs[i].name))) return false;
  }
  return c->tracked != NULL;
}

bool cni_outputs_from_args(cn_model *m, cni_compiled *c, const cn_compile_args *a) {
  return losses_from(m, c, a) && metrics_from(m, c, a->metrics, &a->output_metrics, false) &&
         metrics_from(m, c, a->weighted_metrics, &a->output_weighted_metrics, true) && name_losses(m, c);
}

/* ---- from JSON ---- */
typedef bool (*json_taker)(cn_model *m, cni_compiled *c, int64_t output, const json_t *v, bool weighted);

static bool take_loss(cn_model *m, cni_compiled *c, int64_t output, const json_t *v, bool weighted) {
  (void)weighted;
  return loss_by_json(m, c, output, v);
}
static bool take_weight(cn_model *m, cni_compiled *c, int64_t output, const json_t *v, bool weighted) {
  (void)m;
  (void)weighted;
  if (json_is_number(v)) c->outputs[output].weight = json_number_value(v);
  return true;
}
static bool take_metrics(cn_model *m, cni_compiled *c, int64_t output, const json_t *v, bool weighted) {
  const place p = { m, c, output, weighted };
  return metrics_by_json(&p, v);
}

static bool by_output(const json_t *v) { return json_is_object(v) && !json_object_get(v, "class_name"); }

/* A dict by output, in the outputs' order; a list with an entry for each output; one value: for every output if `all`, else for the only one. */
static bool spread(cn_model *m, cni_compiled *c, const json_t *v, const char *what, json_taker take, bool weighted, bool all) {
  const char *key;
  json_t *inner;
  const bool dict = by_output(v);
  if (!v || json_is_null(v)) return true;
  if (dict) json_object_foreach((json_t *)(uintptr_t)v, key, inner)
    if (output_named(m, c, key, strlen(key), what) < 0) return false;
  if (json_is_array(v) && (c->outputs_count > 1 || all) && !count_fits(m, c, (int64_t)json_array_size(v), what)) return false;
  if (!dict && !json_is_array(v) && !all && !count_fits(m, c, 1, what)) return false;
  for (int64_t i = 0; i < c->outputs_count; i++) {
    const json_t *one = dict ? json_object_get(v, c->outputs[i].name) : json_is_array(v) && (c->outputs_count > 1 || all) ? json_array_get(v, (size_t)i) : v;
    if (one && !take(m, c, i, one, weighted)) return false;
  }
  return true;
}

/* Keras counts one loss where a single one is given for all outputs. */
static bool weights_fit(cn_model *m, const json_t *config) {
  const json_t *loss = json_object_get(config, "loss"), *weights = json_object_get(config, "loss_weights");
  const size_t n = json_is_array(weights) ? json_array_size(weights) : json_is_object(weights) ? json_object_size(weights) : 1;
  if (!loss || json_is_array(loss) || by_output(loss) || n == 1) return true;
  cn_fail(m->base.object.graph, CN_VALUE, "compile: there are 1 loss and %zu loss_weights", n);
  return false;
}

/* Losses by output name every output; None for one without. */
static bool names_all(cn_model *m, const cni_compiled *c, const json_t *loss) {
  for (int64_t i = 0; by_output(loss) && i < c->outputs_count; i++)
    if (!json_object_get(loss, c->outputs[i].name))
      return cn_fail(m->base.object.graph, CN_VALUE, "compile: the losses name no output \"%s\"", c->outputs[i].name), false;
  return true;
}

bool cni_outputs_from_json(cn_model *m, cni_compiled *c, const json_t *config) {
  if (!weights_fit(m, config)) return false;
  return spread(m, c, json_object_get(config, "loss"), "loss", take_loss, false, true) && names_all(m, c, json_object_get(config, "loss")) &&
         spread(m, c, json_object_get(config, "loss_weights"), "loss_weights", take_weight, false, true) &&
         spread(m, c, json_object_get(config, "metrics"), "metrics", take_metrics, false, false) &&
         spread(m, c, json_object_get(config, "weighted_metrics"), "weighted_metrics", take_metrics, true, false) && name_losses(m, c);
}

void cni_outputs_free(cn_graph *g, cni_compiled *c) {
  for (int64_t i = 0; i < c->count; i++) {
    if (c->metrics[i].metric) cn_object_free(&c->metrics[i].metric->object);
    cni_free(g, c->metrics[i].name);
  }
  for (int64_t i = 0; i < c->outputs_count; i++) {
    cn_object_free(c->outputs[i].owned);
    if (c->tracked) cni_free(g, c->tracked[i]);
  }
  cni_free(g, c->metrics);
  cni_free(g, c->tracked);
}

int64_t cni_values_count(const cn_model *m) {
  const cni_compiled *c = m->compiled;
  return 1 + (c->tracked ? c->losses_count : 0) + c->count;
}
