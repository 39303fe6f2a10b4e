/* Metrics that layers keep themselves. A layer owns them, as it owns its initializers; a model that is compiled shows them. */
#include "model_private.h"

static cn_metric *metric_named(cn_layer *l, const char *name) {
  for (int64_t i = 0; i < l->owned_count; i++)
    if (l->owned[i]->cls->kind == CN_KIND_METRIC && !strcmp(((cn_metric *)(void *)l->owned[i])->name, name)) return (cn_metric *)(void *)l->owned[i];
  cn_metric_MeanOptions o;
  cn_metric_MeanOptions_init(&o, sizeof o);
  o.graph = l->object.graph;
  o.name = name;
  cn_metric *metric = (cn_metric *)(void *)cn_make_metric_Mean(&o);
  if (!metric || cni_own(l, &metric->object)) return metric;
  cn_object_free(&metric->object);
  return NULL;
}

bool cn_layer_add_metric(cn_layer *l, const char *name, cn_tensor *value) {
  if (!l || !name || !value || !cn_ok(l->object.graph)) return false;
  cn_metric *metric = metric_named(l, name);
  return metric && ((value->flags & CNI_SYMBOLIC) || cn_metric_update(metric, NULL, value, CN_NO_TENSOR));
}

/* Behind the compiled ones, each once; the layer updates them. */
static void take(cn_layer *l, void *model) {
  cn_model *m = model;
  cni_compiled *c = m->compiled;
  for (int64_t i = 0; i < l->owned_count && cn_ok(m->base.object.graph); i++) {
    if (l->owned[i]->cls->kind != CN_KIND_METRIC) continue;
    cn_metric *metric = (cn_metric *)(void *)l->owned[i];
    int64_t k = 0;
    while (k < c->count && c->metrics[k].metric != metric) k++;
    if (k < c->count || !cni_metric_add(m, c, metric, metric->name, 0, false)) continue;
    c->metrics[k].by_layer = true;
    metric->object.uses++;
  }
}

bool cni_layer_metrics(cn_model *m) {
  cni_each_layer(&m->base, take, m);
  return cn_ok(m->base.object.graph);
}
