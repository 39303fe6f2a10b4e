/* A recorded graph drawn in layers (Sugiyama, Tagawa, Toda 1981): each shape stands one row below the lowest of its inputs, the rows are sorted by the medians
 * of their neighbours, and edges that pass several rows bend in each of them around what stands there. */
#include "explain.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "explain_private.h"

#define HALF 100       /* operations kept at either end of a long graph */
#define SWEEPS 12
#define SPACE 24.0     /* between two shapes of a row */
#define ROW 92.0       /* from row to row */
#define HEIGHT 52.0
#define MARGIN 20.0
#define GLYPH 8.0      /* width of a bold letter */

typedef enum { OPERATION, VARIABLE, DATA, CUT, BEND } kind;

typedef struct shape {
  kind what;
  const cn_node *node;
  const cn_tensor *leaf;
  int64_t row, place;    /* place: in its row */
  double x, width, key;  /* x: of the middle */
} shape;

typedef struct edge { int64_t from, to; } edge;

typedef struct drawing {
  cn_graph *g;
  shape *shapes;
  edge *edges;           /* between shapes of neighbouring rows; long edges lead over bends */
  int64_t count, room, edges_count, edges_room;
  int64_t rows, *order;  /* shapes by row and place */
  int64_t *row_begin;    /* [rows + 1] into order */
} drawing;

/* ---- shapes and edges ---- */
static int64_t add_shape(drawing *d, shape s) {
  if (d->count == d->room) {
    const int64_t room = d->room ? 2 * d->room : 64;
    shape *more = cni_arena_take(d->g, cni_step_arena(d->g), (size_t)room * sizeof *more);
    if (!more) return -1;
    if (d->count) memcpy(more, d->shapes, (size_t)d->count * sizeof *more);
    d->shapes = more;
    d->room = room;
  }
  d->shapes[d->count] = s;
  return d->count++;
}

static bool add_edge(drawing *d, int64_t from, int64_t to) {
  if (from < 0 || to < 0) return false;
  if (d->edges_count == d->edges_room) {
    const int64_t room = d->edges_room ? 2 * d->edges_room : 64;
    edge *more = cni_arena_take(d->g, cni_step_arena(d->g), (size_t)room * sizeof *more);
    if (!more) return false;
    if (d->edges_count) memcpy(more, d->edges, (size_t)d->edges_count * sizeof *more);
    d->edges = more;
    d->edges_room = room;
  }
  d->edges[d->edges_count++] = (edge){ from, to };
  return true;
}

static const char *title_of(const shape *s, char *text, size_t size) {
  if (s->what == OPERATION) snprintf(text, size, "%s", s->node->op->name);
  else if (s->what == CUT) snprintf(text, size, "...");
  else snprintf(text, size, "%s", *cn_name_of(s->leaf) ? cn_name_of(s->leaf) : s->what == VARIABLE ? "variable" : "data");
  return text;
}

static const char *dims_of(const shape *s, char *text, size_t size) {
  if (s->what == CUT) snprintf(text, size, "left out");
  else cn_dims_text(s->what == OPERATION ? &s->node->y[0]->dims : &s->leaf->dims, text, size);
  return text;
}

static const char *scope_of(const shape *s) { return s->what == OPERATION ? cn_node_scope(s->node) : ""; }

static double width_of(const shape *s) {
  char title[200], dims[160];
  size_t most = strlen(title_of(s, title, sizeof title));
  if (strlen(dims_of(s, dims, sizeof dims)) > most) most = strlen(dims);
  if (strlen(scope_of(s)) > most) most = strlen(scope_of(s));
  return fmax(56, GLYPH * (double)most + 18);
}

/* The shape of what made x: of an operation that is left out, the one that stands for all of them. */
static int64_t source_of(drawing *d, const cn_tensor *x, const int64_t *of_node, int64_t *cut) {
  if (x->node && of_node[x->node->id] >= 0) return of_node[x->node->id];
  if (x->node) {
    if (*cut < 0) *cut = add_shape(d, (shape){ .what = CUT });
    return *cut;
  }
  for (int64_t i = 0; i < d->count; i++)
    if (d->shapes[i].leaf == x) return i;
  return add_shape(d, (shape){ .what = x->flags & CNI_VARIABLE ? VARIABLE : DATA, .leaf = x });
}

static bool collect(drawing *d, const cn_tensor *y, int64_t n) {
  cn_graph *g = d->g;
  const int64_t last = y->node->id;
  int64_t *of_node = cni_arena_take(g, cni_step_arena(g), (size_t)(last + 1) * sizeof *of_node), seen = 0, cut = -1;
  if (!of_node) return false;
  for (int64_t id = 0; id <= last; id++) {
    of_node[id] = -1;
    if (!cni_explain_marked(g, id)) continue;
    const bool out = n > 2 * HALF && seen >= HALF && seen < n - HALF;
    seen++;
    if (out) continue;
    const cn_node *node = g->tape[id];
    if ((of_node[id] = add_shape(d, (shape){ .what = OPERATION, .node = node })) < 0) return false;
    for (int32_t i = 0; i < node->nx; i++)
      if (cni_given(node->x[i]) && !add_edge(d, source_of(d, node->x[i], of_node, &cut), of_node[id])) return false;
  }
  for (int64_t id = last, later = n; cut >= 0 && id >= 0; id--) /* the last operation before the gap leads to what stands for it */
    if (cni_explain_marked(g, id) && later-- == HALF) return add_edge(d, of_node[id], cut);
  return true;
}

/* ---- rows ---- */
/* The longest way from above; edges lead from smaller to larger rows once nothing moves. Leaves stand right above their first reader. */
static void assign_rows(drawing *d) {
  for (bool moved = true; moved;) {
    moved = false;
    for (int64_t i = 0; i < d->edges_count; i++) {
      const edge *e = &d->edges[i];
      if (d->shapes[e->to].row > d->shapes[e->from].row) continue;
      d->shapes[e->to].row = d->shapes[e->from].row + 1;
      moved = true;
    }
  }
  for (int64_t k = 0; k < d->count; k++) {
    if (!d->shapes[k].leaf) continue;
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < d->edges_count; i++)
      if (d->edges[i].from == k && d->shapes[d->edges[i].to].row < least) least = d->shapes[d->edges[i].to].row;
    d->shapes[k].row = least - 1;
  }
}

/* Long edges as chains over bends. */
static bool bend_edges(drawing *d) {
  const int64_t count = d->edges_count;
  for (int64_t i = 0; i < count; i++) {
    const edge e = d->edges[i];
    int64_t at = e.from;
    for (int64_t row = d->shapes[e.from].row + 1; row < d->shapes[e.to].row; row++) {
      const int64_t bend = add_shape(d, (shape){ .what = BEND, .row = row });
      if (bend < 0) return false;
      if (at == e.from) d->edges[i].to = bend;
      else if (!add_edge(d, at, bend)) return false;
      at = bend;
    }
    if (at != e.from && !add_edge(d, at, e.to)) return false;
  }
  return true;
}

static bool fill_rows(drawing *d) {
  cn_graph *g = d->g;
  for (int64_t k = 0; k < d->count; k++) {
    if (d->shapes[k].row >= d->rows) d->rows = d->shapes[k].row + 1;
    d->shapes[k].width = d->shapes[k].what == BEND ? 0 : width_of(&d->shapes[k]);
  }
  d->order = cni_arena_take(g, cni_step_arena(g), (size_t)d->count * sizeof *d->order);
  d->row_begin = d->order ? cni_arena_take(g, cni_step_arena(g), (size_t)(d->rows + 1) * sizeof *d->row_begin) : NULL;
  if (!d->row_begin) return false;
  int64_t at = 0;
  for (int64_t r = 0; r < d->rows; r++) {
    d->row_begin[r] = at;
    for (int64_t k = 0; k < d->count; k++)
      if (d->shapes[k].row == r) d->shapes[k].place = at - d->row_begin[r], d->order[at++] = k;
  }
  d->row_begin[d->rows] = at;
  return true;
}

/* ---- fewer crossings ---- */
static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The median of what `value` says of k's neighbours above or below; NaN without neighbours. */
static double median(const drawing *d, int64_t k, bool above, bool by_x, double *room) {
  int64_t n = 0;
  for (int64_t i = 0; i < d->edges_count; i++) {
    const edge *e = &d->edges[i];
    if ((above ? e->to : e->from) != k) continue;
    const shape *s = &d->shapes[above ? e->from : e->to];
    room[n++] = by_x ? s->x : (double)s->place;
  }
  if (!n) return NAN;
  qsort(room, (size_t)n, sizeof *room, by_value);
  return n % 2 ? room[n / 2] : (room[n / 2 - 1] + room[n / 2]) / 2;
}

/* Stable insertion by key: rows are short. */
static void sort_row(drawing *d, int64_t r) {
  int64_t *o = d->order + d->row_begin[r];
  const int64_t n = d->row_begin[r + 1] - d->row_begin[r];
  for (int64_t i = 1; i < n; i++)
    for (int64_t j = i; j > 0 && d->shapes[o[j - 1]].key > d->shapes[o[j]].key; j--) {
      const int64_t t = o[j];
      o[j] = o[j - 1];
      o[j - 1] = t;
    }
  for (int64_t i = 0; i < n; i++) d->shapes[o[i]].place = i;
}

static void sort_rows(drawing *d, double *room) {
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int64_t i = 1; i < d->rows; i++) {
      const bool down = sweep % 2 == 0;
      const int64_t r = down ? i : d->rows - 1 - i;
      for (int64_t k = d->row_begin[r]; k < d->row_begin[r + 1]; k++) {
        shape *s = &d->shapes[d->order[k]];
        const double m = median(d, d->order[k], down, false, room);
        s->key = isnan(m) ? (double)s->place : m;
      }
      sort_row(d, r);
    }
}

/* ---- places ---- */
/* Moves the shapes of a row towards their neighbours' medians without overlap: from the left, then what was pushed too far back from the right. */
static void place_row(drawing *d, int64_t r, bool above, double *room) {
  const int64_t *o = d->order + d->row_begin[r];
  const int64_t n = d->row_begin[r + 1] - d->row_begin[r];
  double edge_of_last = -INFINITY, shift = 0;
  for (int64_t i = 0; i < n; i++) {
    shape *s = &d->shapes[o[i]];
    const double m = median(d, o[i], above, true, room);
    s->key = isnan(m) ? s->x : m;
    s->x = fmax(s->key, edge_of_last + SPACE + s->width / 2);
    edge_of_last = s->x + s->width / 2;
    shift += (s->key - s->x) / (double)n;
  }
  for (int64_t i = 0; i < n; i++) d->shapes[o[i]].x += shift;
}

static double place(drawing *d, double *room) {
  double left = INFINITY, right = -INFINITY;
  for (int64_t r = 0; r < d->rows; r++) {
    double x = 0;
    for (int64_t k = d->row_begin[r]; k < d->row_begin[r + 1]; k++) {
      shape *s = &d->shapes[d->order[k]];
      s->x = x + s->width / 2;
      x += s->width + SPACE;
    }
  }
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int64_t i = 0; i < d->rows; i++) place_row(d, sweep % 2 ? d->rows - 1 - i : i, sweep % 2 == 0, room);
  for (int64_t k = 0; k < d->count; k++) {
    left = fmin(left, d->shapes[k].x - d->shapes[k].width / 2);
    right = fmax(right, d->shapes[k].x + d->shapes[k].width / 2);
  }
  for (int64_t k = 0; k < d->count; k++) d->shapes[k].x += MARGIN - left;
  return right - left + 2 * MARGIN;
}

/* ---- text ---- */
static void write_escaped(cni_text *t, const char *s) {
  for (; *s; s++) {
    const char *e = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : *s == '"' ? "&quot;" : (unsigned char)*s < 32 ? " " : NULL;
    if (e) cni_text_add(t, e);
    else cni_text_put(t, s, 1);
  }
}

static double top_of(const shape *s) { return MARGIN + ROW * (double)s->row; }

static void write_line(cni_text *t, double x, double y, const char *cls, const char *s) {
  cni_text_format(t, "<text x=\"%d\" y=\"%d\" class=\"%s\">", (int)lround(x), (int)lround(y), cls);
  write_escaped(t, s);
  cni_text_format(t, "</text>\n");
}

static void write_shape(cni_text *t, const shape *s) {
  static const char *const classes[] = { "operation", "variable", "data", "cut" };
  char title[200], dims[160];
  const char *scope = scope_of(s);
  const double top = top_of(s), first = top + (*scope ? 16 : 22);
  if (s->what == BEND) return;
  cni_text_format(t, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>\n", classes[s->what], (int)lround(s->x - s->width / 2),
                  (int)lround(top), (int)lround(s->width), (int)HEIGHT, s->leaf ? (int)(HEIGHT / 2) : 4);
  write_line(t, s->x, first, "name", title_of(s, title, sizeof title));
  write_line(t, s->x, first + 16, "shape", dims_of(s, dims, sizeof dims));
  if (*scope) write_line(t, s->x, first + 30, "scope", scope);
}

/* From the lower side of a shape to the upper side of the next; through a bend straight down. */
static void write_edge(cni_text *t, const drawing *d, const edge *e) {
  const shape *a = &d->shapes[e->from], *b = &d->shapes[e->to];
  const int x0 = (int)lround(a->x), y0 = (int)lround(top_of(a) + (a->what == BEND ? HEIGHT / 2 : HEIGHT)), x1 = (int)lround(b->x),
            y1 = (int)lround(top_of(b) + (b->what == BEND ? HEIGHT / 2 : 0)), y = (y0 + y1) / 2;
  cni_text_format(t, "<path d=\"M%d %dC%d %d %d %d %d %d\"%s/>\n", x0, y0, x0, y, x1, y, x1, y1, b->what == BEND ? "" : " marker-end=\"url(#tip)\"");
}

static const char *write_drawing(const drawing *d, double width) {
  static const char style[] =
      "<style>text{font-family:sans-serif;text-anchor:middle;fill:#222}.name{font-size:13px;font-weight:bold}.shape{font-size:12px}.scope{font-size:10px;fill:#"
      "777}rect{stroke:#555}"
      ".operation{fill:#fff}.variable{fill:#dce9f7;stroke:#3a6ea5}.data{fill:#eee}.cut{fill:none;stroke-dasharray:4}path{fill:none;stroke:#888}</style>\n"
      "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
      "style=\"fill:#888;stroke:none\"/></marker></defs>\n";
  cni_text t = { .g = d->g };
  const int w = (int)ceil(width), h = (int)ceil(2 * MARGIN + ROW * (double)(d->rows - 1) + HEIGHT);
  cni_text_format(&t, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", w, h, w, h);
  cni_text_put(&t, style, sizeof style - 1);
  cni_text_format(&t, "<rect width=\"%d\" height=\"%d\" style=\"fill:#fff;stroke:none\"/>\n", w, h);
  for (int64_t i = 0; i < d->edges_count; i++) write_edge(&t, d, &d->edges[i]);
  for (int64_t k = 0; k < d->count; k++) write_shape(&t, &d->shapes[k]);
  cni_text_format(&t, "</svg>\n");
  return cni_text_done(&t);
}

const char *cn_graph_svg(cn_graph *g, cn_tensor *y) {
  if (!cn_ok(g)) return "";
  const int64_t n = cni_explain_mark(g, y, "graph_svg");
  drawing d = { .g = g };
  if (n < 0 || !collect(&d, y, n)) return "";
  assign_rows(&d);
  if (!bend_edges(&d) || !fill_rows(&d)) return "";
  double *room = cni_arena_take(g, cni_step_arena(g), (size_t)(d.edges_count + 1) * sizeof *room);
  if (!room) return "";
  sort_rows(&d, room);
  return write_drawing(&d, place(&d, room));
}
