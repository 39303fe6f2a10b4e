/* A model's graph in DOT, and drawn. */
#include <stdio.h>
#include "config_private.h"
#include "../core/options_private.h"

typedef struct box { const char *name; char class_name[128], shape[256]; int64_t row, place; } box;
typedef struct edge { int64_t from, to; } edge;
/* What is drawn, either way; in the step's arena. */
typedef struct drawing { const char *name; box *boxes; edge *edges; int64_t boxes_count, edges_count; } drawing;

/* ---- what there is ---- */
/* A chain: every layer takes what the one before gives. */
static bool read_chain(drawing *d, cn_model *m) {
  cn_graph *g = m->base.object.graph;
  d->boxes_count = m->base.layers_count;
  d->edges_count = d->boxes_count ? d->boxes_count - 1 : 0;
  d->boxes = cni_arena_take(g, cni_step_arena(g), (size_t)(d->boxes_count + 1) * sizeof *d->boxes);
  d->edges = cni_arena_take(g, cni_step_arena(g), (size_t)(d->edges_count + 1) * sizeof *d->edges);
  if (!d->boxes || !d->edges) return false;
  for (int64_t k = 0; k < d->boxes_count; k++) {
    const cn_layer *l = m->base.layers[k];
    box *b = &d->boxes[k];
    b->name = l->name;
    snprintf(b->class_name, sizeof b->class_name, "%s", l->object.cls->schema.name);
    cni_layer_shape_text(m, k, b->shape, sizeof b->shape);
    if (k) d->edges[k - 1] = (edge){ k - 1, k };
  }
  return true;
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

static bool read_graph(drawing *d, cn_model *m) {
  cn_graph *g = m->base.object.graph;
  const cni_program *p = m->program;
  int64_t feeds = 0;
  for (int64_t k = 0; k < p->steps_count; k++) feeds += p->steps[k].feeds_count;
  d->boxes = cni_arena_take(g, cni_step_arena(g), (size_t)(p->parts_count + 1) * sizeof *d->boxes);
  d->edges = cni_arena_take(g, cni_step_arena(g), (size_t)(feeds + 1) * sizeof *d->edges);
  if (!d->boxes || !d->edges) return false;
  for (d->boxes_count = 0; d->boxes_count < p->parts_count; d->boxes_count++) {
    const cni_part *part = &p->parts[d->boxes_count];
    box *b = &d->boxes[d->boxes_count];
    b->name = part->name;
    if (part->layer) snprintf(b->class_name, sizeof b->class_name, "%s", part->layer->object.cls->schema.name);
    else cni_graph_class_name(part->node, b->class_name, sizeof b->class_name);
    cni_part_shape_text(p, d->boxes_count, b->shape, sizeof b->shape);
  }
  for (int64_t k = 0; k < p->steps_count; k++)
    for (int32_t i = 0; i < p->steps[k].feeds_count; i++) d->edges[d->edges_count++] = (edge){ cni_part_of(p, p->steps[k].feeds[i].value), p->steps[k].part };
  return true;
}

static bool read_model(drawing *d, cn_model *m) {
  *d = (drawing){ .name = m->base.name };
  return m->program ? read_graph(d, m) : read_chain(d, m);
}

/* ---- DOT ---- */
static void quoted(cni_writer *w, const char *text) {
  for (; *text; text++) cni_write(w, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void write_dot(cni_writer *w, const drawing *d) {
  cni_write(w, "digraph \"");
  quoted(w, d->name);
  cni_write(w, "\" {\n  node [shape=box];\n");
  for (int64_t k = 0; k < d->boxes_count; k++) {
    cni_write(w, "  n%lld [label=\"", (long long)k);
    quoted(w, d->boxes[k].name);
    cni_write(w, " (%s)\\n%s\"];\n", d->boxes[k].class_name, d->boxes[k].shape);
  }
  for (int64_t k = 0; k < d->edges_count; k++) cni_write(w, "  n%lld -> n%lld;\n", (long long)d->edges[k].from, (long long)d->edges[k].to);
  cni_write(w, "}\n");
}

/* ---- SVG ---- */
enum { WIDTH = 240, HEIGHT = 44, ACROSS = 264, DOWN = 84, MARGIN = 20, ASIDE = 180 };

static void escaped(cni_writer *w, const char *text) {
  for (; *text; text++)
    if (*text == '&' || *text == '<' || *text == '>') cni_write(w, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
    else cni_write(w, "%c", *text);
}

/* A row below all that feeds it (edges stand in the order of the calls); in a row as they come. How many rows, and the most in one. */
static bool place(cn_graph *g, drawing *d, int64_t *rows, int64_t *most) {
  int64_t *used = cni_arena_take(g, cni_step_arena(g), (size_t)(d->boxes_count + 1) * sizeof *used);
  if (!used) return false;
  *rows = *most = 0;
  for (int64_t k = 0; k < d->boxes_count; k++) d->boxes[k].row = used[k] = 0;
  for (int64_t k = 0; k < d->edges_count; k++) {
    const edge *e = &d->edges[k];
    if (e->from >= 0 && e->from != e->to && d->boxes[e->to].row <= d->boxes[e->from].row && d->boxes[e->from].row + 1 < d->boxes_count)
      d->boxes[e->to].row = d->boxes[e->from].row + 1;
  }
  for (int64_t k = 0; k < d->boxes_count; k++) {
    box *b = &d->boxes[k];
    b->place = used[b->row]++;
    if (used[b->row] > *most) *most = used[b->row];
    if (b->row >= *rows) *rows = b->row + 1;
  }
  return true;
}

static void write_box(cni_writer *w, const box *b) {
  const long long x = MARGIN + ACROSS * b->place, y = MARGIN + DOWN * b->row;
  cni_write(w, "<rect x=\"%lld\" y=\"%lld\" width=\"%d\" height=\"%d\" fill=\"#eef\" stroke=\"#446\"/><text x=\"%lld\" y=\"%lld\">", x, y, WIDTH, HEIGHT,
            x + WIDTH / 2, y + 18);
  escaped(w, b->name);
  cni_write(w, " (");
  escaped(w, b->class_name);
  cni_write(w, ")</text><text x=\"%lld\" y=\"%lld\">", x + WIDTH / 2, y + 35);
  escaped(w, b->shape);
  cni_write(w, "</text>\n");
}

/* One that passes rows goes around what may stand there. */
static void write_edge(cni_writer *w, const box *from, const box *to) {
  const long long aside = to->row - from->row == 1 ? 0 : ASIDE, x = MARGIN + ACROSS * from->place + WIDTH / 2, y = MARGIN + DOWN * from->row + HEIGHT,
                  u = MARGIN + ACROSS * to->place + WIDTH / 2, v = MARGIN + DOWN * to->row;
  cni_write(w, "<path d=\"M%lld %lldC%lld %lld %lld %lld %lld %lld\" fill=\"none\" stroke=\"#446\" marker-end=\"url(#a)\"/>\n", x, y, x + aside, y + 24,
            u + aside, v - 24, u, v);
}

static void write_svg(cni_writer *w, const drawing *d, int64_t rows, int64_t most) {
  cni_write(
      w,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%lld\" height=\"%lld\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n<title>",
      2 * MARGIN + ACROSS * (long long)most + ASIDE / 4, 2 * MARGIN + DOWN * (long long)rows);
  escaped(w, d->name);
  cni_write(w, "</title><defs><marker id=\"a\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
               "fill=\"#446\"/></marker></defs>\n");
  for (int64_t k = 0; k < d->edges_count; k++)
    if (d->edges[k].from >= 0) write_edge(w, &d->boxes[d->edges[k].from], &d->boxes[d->edges[k].to]);
  for (int64_t k = 0; k < d->boxes_count; k++) write_box(w, &d->boxes[k]);
  cni_write(w, "</svg>\n");
}

/* ---- both ---- */
/* Written twice: the first time its length is counted. */
static const char *written(cn_model *m, bool svg) {
  if (!m || !cn_ok(m->base.object.graph)) return NULL;
  cn_graph *g = m->base.object.graph;
  drawing d;
  int64_t rows = 0, most = 0;
  if (!read_model(&d, m) || (svg && !place(g, &d, &rows, &most))) return NULL;
  char *text = NULL;
  for (cni_writer w = { NULL, 0, 0 };; w = (cni_writer){ text, (size_t)w.length + 1, 0 }) {
    if (svg) write_svg(&w, &d, rows, most);
    else write_dot(&w, &d);
    if (text) return cn_ok(g) ? text : NULL;
    if (!(text = cni_arena_take(g, cni_step_arena(g), (size_t)w.length + 1))) return NULL;
  }
}

const char *cn_plot_model(cn_model *m) { return written(m, false); }
const char *cn_plot_model_svg(cn_model *m) { return written(m, true); }
