/* A model's graph in DOT. */
#include "config_private.h"
#include "../core/options_private.h"

static void quoted(cni_writer *w, const char *text) {
  for (; *text; text++) cni_write(w, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void box(cni_writer *w, int64_t k, const char *name, const char *class_name, const char *shape) {
  cni_write(w, "  n%lld [label=\"", (long long)k);
  quoted(w, name);
  cni_write(w, " (%s)\\n%s\"];\n", class_name, shape);
}

/* A chain: every layer takes what the one before gives. */
static void write_chain(cni_writer *w, cn_model *m) {
  char shape[256];
  for (int64_t k = 0; k < m->base.layers_count; k++) {
    const cn_layer *l = m->base.layers[k];
    box(w, k, l->name, l->object.cls->schema.name, cni_layer_shape_text(m, k, shape, sizeof shape));
    if (k) cni_write(w, "  n%lld -> n%lld;\n", (long long)(k - 1), (long long)k);
  }
}

int64_t cni_part_of(const cni_program *p, int32_t value) {
  int64_t lo = 0, hi = p->steps_count - 1;
  for (int64_t k = 0; value < p->inputs_count && k < p->parts_count; k++)
    if (p->parts[k].input == value) return k;
  while (lo < hi) {
    const int64_t middle = (lo + hi + 1) / 2;
    if (p->steps[middle].first <= value) lo = middle;
    else hi = middle - 1;
  }
  return p->steps_count ? p->steps[lo].part : -1;
}

static void write_graph(cni_writer *w, cn_model *m) {
  const cni_program *p = m->program;
  char shape[256], class_name[128];
  for (int64_t k = 0; k < p->parts_count; k++) {
    const cni_part *part = &p->parts[k];
    cni_part_shape_text(p, k, shape, sizeof shape);
    if (!part->layer) cni_graph_class_name(part->node, class_name, sizeof class_name);
    box(w, k, part->name, part->layer ? part->layer->object.cls->schema.name : class_name, shape);
  }
  for (int64_t k = 0; k < p->steps_count; k++)
    for (int32_t i = 0; i < p->steps[k].feeds_count; i++) cni_write(w, "  n%lld -> n%d;\n", (long long)cni_part_of(p, p->steps[k].feeds[i].value), (int)p->steps[k].part);
}

static void write_model(cni_writer *w, cn_model *m) {
  cni_write(w, "digraph \"");
  quoted(w, m->base.name);
  cni_write(w, "\" {\n  node [shape=box];\n");
  if (m->program) write_graph(w, m);
  else write_chain(w, m);
  cni_write(w, "}\n");
}

const char *cn_plot_model(cn_model *m) {
  if (!m || !cn_ok(m->base.object.graph)) return NULL;
  cn_graph *g = m->base.object.graph;
  cni_writer counted = { NULL, 0, 0 };
  write_model(&counted, m);
  const size_t size = (size_t)counted.length + 1;
  char *text = cni_arena_take(g, cni_step_arena(g), size);
  if (!text) return NULL;
  cni_writer w = { text, size, 0 };
  write_model(&w, m);
  return cn_ok(g) ? text : NULL;
}
