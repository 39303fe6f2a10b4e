/* The table of a model's layers, as Keras prints it with the table printer of "rich". */
#include <math.h>
#include <stdio.h>
#include "config_private.h"

#define COLUMNS 5
#define CELL 512
typedef struct table { cn_graph *g; int columns, width[COLUMNS]; bool connected, trainable; int64_t rows; } table;

/* Widths of the cells' texts: what the positions leave, and what is over shared out as rich does. */
static void set_widths(table *t, int64_t line) {
  static const double connected[] = { 0.3, 0.56, 0.74, 1 }, plain[] = { 0.45, 0.8, 1 };
  const double *at = t->connected ? connected : plain;
  const int n = t->columns - t->trainable;
  int64_t before = 0, total = t->columns + 1, left, ratio = 0;
  for (int i = 0; i < n; i++) {
    const int64_t end = (int64_t)(at[i] * (t->trainable ? 0.9 : 1) * (double)line), w = end - before - (i + 1 == n && !t->trainable ? 3 : 4);
    t->width[i] = (int)(w < 4 ? 4 : w);
    before = end;
  }
  if (t->trainable) t->width[n] = line - before > 13 ? (int)(line - before - 4) : 9;
  for (int i = 0; i < t->columns; i++) total += t->width[i] + 2, ratio += t->width[i] + 2;
  left = line > total ? line - total : 0;
  for (int i = 0; i < t->columns && left; i++) {
    const int64_t own = t->width[i] + 2, more = (own * left + ratio - 1) / ratio;
    t->width[i] += (int)more;
    ratio -= own;
    left -= more;
  }
}

static void rule(const table *t, const char *left, const char *line, const char *cross, const char *right) {
  cni_print(t->g, "%s", left);
  for (int c = 0; c < t->columns; c++) {
    for (int i = 0; i < t->width[c] + 2; i++) cni_print(t->g, "%s", line);
    cni_print(t->g, "%s", c + 1 < t->columns ? cross : right);
  }
  cni_print(t->g, "\n");
}

/* Characters, not bytes. */
static int columns_of(const char *text, size_t bytes) {
  int n = 0;
  for (size_t i = 0; i < bytes; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
  return n;
}

/* How many bytes of a text one line of the cell takes: whole words, one at least, even if it is too long. */
static size_t line_of(const char *text, int width) {
  size_t fits = 0, i = 0;
  while (text[i]) {
    size_t word = i;
    while (text[word] == ' ') word++;
    while (text[word] && text[word] != ' ') word++;
    if (fits && columns_of(text, word) > width) break;
    fits = i = word;
  }
  return fits;
}

/* A word that is too long ends in an ellipsis. */
static void put_cell(const table *t, const char *bar, const char *text, size_t n, int width, bool right) {
  const bool cut = columns_of(text, n) > width;
  while (n && columns_of(text, n) > (cut ? width - 1 : width)) n--;
  const int blank = width - columns_of(text, n) - cut;
  cni_print(t->g, "%s %*s%.*s%s%*s ", bar, right ? blank : 0, "", (int)n, text, cut ? "\xe2\x80\xa6" : "", right ? 0 : blank, "");
}

/* One row of cells, whose texts go on in further lines. The third column's stand to the right. */
static void cells(const table *t, const char *bar, const char (*text)[CELL]) {
  const char *at[COLUMNS];
  for (int c = 0; c < t->columns; c++) at[c] = text[c];
  for (bool more = true; more;) {
    more = false;
    for (int c = 0; c < t->columns; c++) {
      const size_t n = line_of(at[c], t->width[c]);
      put_cell(t, bar, at[c], n, t->width[c], c == 2);
      for (at[c] += n; *at[c] == ' ';) at[c]++;
      more |= *at[c] != 0;
    }
    cni_print(t->g, "%s\n", bar);
  }
}

/* 1234567 as "1,234,567" */
static const char *thousands(int64_t v, char *text, size_t size) {
  char digits[32];
  const int n = snprintf(digits, sizeof digits, "%lld", (long long)v);
  size_t k = 0;
  for (int i = 0; i < n && k + 2 < size; i++) {
    if (i && (n - i) % 3 == 0) text[k++] = ',';
    text[k++] = digits[i];
  }
  text[k] = 0;
  return text;
}

static const char *size_text(double bytes, char *text, size_t size) {
  static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
  int u = 0;
  for (; bytes >= 1024 && u < 4; u++) bytes /= 1024;
  snprintf(text, size, "%.2f %s", bytes, units[u]);
  return text;
}

/* "(None, 10)" */
static size_t shape_text(const cn_dims *d, char *text, size_t size) {
  size_t n = (size_t)snprintf(text, size, "(");
  for (int i = 0; i < d->rank && n < size; i++) {
    if (d->d[i] == CN_UNKNOWN) n += (size_t)snprintf(text + n, size - n, "%sNone", i ? ", " : "");
    else n += (size_t)snprintf(text + n, size - n, "%s%lld", i ? ", " : "", (long long)d->d[i]);
  }
  return n < size ? n + (size_t)snprintf(text + n, size - n, ")") : n;
}

/* The outputs' shapes of a node: one, or a list. */
static void node_text(const cn_node *n, char *text, size_t size) {
  const int64_t outputs = n->symbol->masks_first - (n->op ? n->op->kept : 0);
  size_t used = 0;
  if (outputs == 1) shape_text(&n->y[0]->dims, text, size);
  for (int64_t i = 0; outputs > 1 && i < outputs && used < size; i++) {
    used += (size_t)snprintf(text + used, size - used, i ? ", " : "[");
    if (used < size) used += shape_text(&n->y[i]->dims, text + used, size - used);
    if (i + 1 == outputs && used < size) snprintf(text + used, size - used, "]");
  }
}

typedef struct totals { int64_t params; double bytes; } totals;

static totals total_of(cn_layer *l, int64_t (*list)(cn_layer *, cn_tensor **, int64_t)) {
  cn_graph *g = l->object.graph;
  const int64_t n = list(l, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(n ? n : 1) * sizeof *w);
  totals t = { 0, 0 };
  const int64_t count = w ? list(l, w, n) : 0;
  for (int64_t i = 0; i < count && i < n; i++) {
    t.params += w[i]->count;
    t.bytes += (double)w[i]->count * (double)cn_dtype_size((cn_dtype)w[i]->dtype);
  }
  return t;
}

static void total_line(cn_graph *g, const char *what, totals t) {
  char a[48], b[48];
  cni_print(g, " %s params: %s (%s)\n", what, thousands(t.params, a, sizeof a), size_text(t.bytes, b, sizeof b));
}

/* ---- rows ---- */
/* Where the layers of a Sequential have come to: the shape after the last one. */
typedef struct chain { cn_dims at; bool known; } chain;

static chain chain_of(const cn_model *m) {
  chain c = { { 0, { 0 } }, false };
  if (m->program || !m->base.built || !m->base.built_for) return c;
  c.at = m->base.built_for[0];
  c.known = true;
  if (c.at.rank) c.at.d[0] = CN_UNKNOWN;
  return c;
}

/* The shapes of a layer called on one: a symbolic call tells of all outputs. */
static void advance(cn_layer *l, chain *c, char *text, size_t size) {
  cn_dims out;
  snprintf(text, size, "?");
  c->known = c->known && cn_compute_output_shape(l, &c->at, 1, &out);
  if (!c->known) return;
  shape_text(&out, text, size);
  c->at = out;
}

const char *cni_part_shape_text(const cni_program *p, int64_t k, char *text, size_t size) {
  const cni_part *part = &p->parts[k];
  if (part->node) node_text(part->node, text, size);
  else shape_text(&p->wanted[part->input].dims, text, size);
  return text;
}

const char *cni_layer_shape_text(cn_model *m, int64_t i, char *text, size_t size) {
  chain c = chain_of(m);
  snprintf(text, size, "?");
  for (int64_t k = 0; !m->program && k <= i; k++) advance(m->base.layers[k], &c, text, size);
  for (int64_t k = 0; m->program && k < m->program->parts_count; k++)
    if (m->program->parts[k].layer == m->base.layers[i]) cni_part_shape_text(m->program, k, text, size);
  return text;
}

static void params_text(cn_layer *l, char *text, size_t size) {
  const cn_layer_methods *m = l->object.cls->methods;
  if (!l->built && (m->build || l->layers_count)) snprintf(text, size, "0 (unbuilt)");
  else thousands(cn_count_params(l), text, size);
}

static void put_row(table *t, const char *indent, const char *name, const char *class_name, cn_layer *l, char (*cell)[CELL]) {
  snprintf(cell[0], CELL, "%.60s%.280s (%.160s)", indent, name, class_name);
  if (l) params_text(l, cell[2], CELL);
  else snprintf(cell[2], CELL, "0");
  if (t->trainable) {
    cn_tensor *w;
    snprintf(cell[t->columns - 1], CELL, "%s", !l || !cn_weights(l, &w, 0) ? "-" : l->trainable ? "Y" : "N");
  }
  if (t->rows++) rule(t, "\xe2\x94\x9c", "\xe2\x94\x80", "\xe2\x94\xbc", "\xe2\x94\xa4");
  cells(t, "\xe2\x94\x82", (const char (*)[CELL])cell);
}

static const cni_stage *call_of(const cni_program *p, int64_t part, int32_t call) {
  for (int64_t s = 0; s < p->steps_count; s++)
    if (p->steps[s].part == part && p->steps[s].call == call) return &p->steps[s];
  return NULL;
}

/* "a[0][0], b[0][0]": what the calls of part k of the program are given, in the order in which they were made. */
static void connections(const cni_program *p, int64_t k, char *text, size_t size) {
  size_t n = 0;
  snprintf(text, size, "-");
  for (int32_t c = 0; c < p->parts[k].calls && n < size; c++) {
    const cni_stage *s = call_of(p, k, c);
    for (int32_t i = 0; s && i < s->feeds_count && n < size; i++) {
      const int32_t value = s->feeds[i].value;
      const cni_stage *from = p->steps;
      while (value >= p->inputs_count && (value < from->first || value >= from->first + from->node->ny)) from++;
      const bool input = value < p->inputs_count;
      n += (size_t)snprintf(text + n, size - n, "%s%s[%d][%d]", n ? ", " : "", input ? p->input_names[value] : p->parts[from->part].name,
                            input ? 0 : (int)from->call, input ? 0 : (int)(value - from->first));
    }
  }
}

static void model_rows(table *t, cn_model *m, const cn_summary_args *a, const char *indent, bool top) {
  char cell[COLUMNS][CELL], class_name[128], deeper[64];
  chain c = chain_of(m);
  const int64_t n = m->program ? m->program->parts_count : m->base.layers_count;
  snprintf(deeper, sizeof deeper, *indent ? "   %s" : "%s   \xe2\x94\x94 ", indent);
  for (int64_t k = 0; k < n && cn_ok(t->g); k++) {
    const cni_part *part = m->program ? &m->program->parts[k] : NULL;
    cn_layer *l = part ? part->layer : m->base.layers[k];
    if (!l && !top) continue; /* as Keras, which lists an inner model's operations nowhere */
    if (!part) advance(l, &c, cell[1], CELL);
    else cni_part_shape_text(m->program, k, cell[1], CELL);
    if (l) snprintf(class_name, sizeof class_name, "%s", l->object.cls->schema.name);
    else cni_graph_class_name(part->node, class_name, sizeof class_name);
    if (t->connected && top && part) connections(m->program, k, cell[3], CELL);
    else if (t->connected) snprintf(cell[3], CELL, "-");
    put_row(t, indent, part ? part->name : l->name, class_name, l, cell);
    if (a->expand_nested && l && (l->object.cls == &cni_functional_class || l->object.cls == &cni_sequential_class))
      model_rows(t, (cn_model *)(void *)l, a, deeper, false);
  }
}

/* Keras: whether the graph is more than a chain of layers, each called once on one tensor. */
static bool branches(const cni_program *p) {
  if (!p) return false;
  bool more = p->inputs_count > 1;
  for (int64_t k = 0; k < p->steps_count; k++)
    more |= p->steps[k].feeds_count > 1 || p->parts[p->steps[k].part].calls > 1 || (k && p->steps[k].depth == p->steps[k - 1].depth);
  return more;
}

CNI_ARGS_INIT(cn_summary, CN_SUMMARY, model)

void cn_summary_run(const cn_summary_args *a) {
  cn_model *m = a->model;
  if (!m || !cn_ok(m->base.object.graph)) return;
  cn_graph *g = m->base.object.graph;
  table t = { .g = g, .connected = branches(m->program), .trainable = a->show_trainable };
  t.columns = 3 + t.connected + t.trainable;
  set_widths(&t, a->line_length == CN_NONE ? 76 : a->line_length);
  cni_print(g, "Model: \"%s\"\n", m->base.name);
  char head[COLUMNS][CELL] = { "Layer (type)", "Output Shape", "Param #", "Connected to", "Trainable" };
  if (!t.connected) snprintf(head[3], CELL, "Trainable");
  rule(&t, "\xe2\x94\x8f", "\xe2\x94\x81", "\xe2\x94\xb3", "\xe2\x94\x93");
  cells(&t, "\xe2\x94\x83", (const char (*)[CELL])head);
  rule(&t, "\xe2\x94\xa1", "\xe2\x94\x81", "\xe2\x95\x87", "\xe2\x94\xa9");
  model_rows(&t, m, a, "", true);
  rule(&t, "\xe2\x94\x94", "\xe2\x94\x80", "\xe2\x94\xb4", "\xe2\x94\x98");
  total_line(g, "Total", total_of(&m->base, cn_weights));
  total_line(g, "Trainable", total_of(&m->base, cn_trainable_weights));
  total_line(g, "Non-trainable", total_of(&m->base, cn_non_trainable_weights));
}
