/* The table of a model's layers, as Keras prints it. */
#include <stdio.h>
#include "model_private.h"

#define LINE 76
static const int column[4] = { 0, LINE * 45 / 100, LINE * 80 / 100, LINE };

static void rule(cn_graph *g, const char *left, const char *line, const char *cross, const char *right) {
  cni_print(g, "%s", left);
  for (int c = 0; c < 3; c++) {
    for (int i = column[c] + 1; i < column[c + 1]; i++) cni_print(g, "%s", line);
    cni_print(g, "%s", c < 2 ? cross : right);
  }
  cni_print(g, "\n");
}

/* One line of three cells; texts that are too long are cut. */
static void cells(cn_graph *g, const char *bar, const char *a, const char *b, const char *c) {
  const int w0 = column[1] - column[0] - 3, w1 = column[2] - column[1] - 3, w2 = column[3] - column[2] - 3;
  cni_print(g, "%s %-*.*s %s %-*.*s %s %*.*s %s\n", bar, w0, w0, a, bar, w1, w1, b, bar, w2, w2, c, bar);
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
static const char *shape_text(const cn_dims *d, char *text, size_t size) {
  size_t n = (size_t)snprintf(text, size, "(");
  for (int i = 0; i < d->rank && n < size; i++) {
    if (d->d[i] == CN_UNKNOWN) n += (size_t)snprintf(text + n, size - n, "%sNone", i ? ", " : "");
    else n += (size_t)snprintf(text + n, size - n, "%s%lld", i ? ", " : "", (long long)d->d[i]);
  }
  if (n < size) snprintf(text + n, size - n, d->rank == 1 ? ",)" : ")");
  return text;
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

static void layer_row(cn_graph *g, cn_layer *l, cn_dims *at, bool known) {
  char name[160], shape[160] = "?", params[48] = "0 (unbuilt)";
  cn_dims out;
  snprintf(name, sizeof name, "%s (%s)", l->name, l->object.cls->schema.name);
  if (known && cn_compute_output_shape(l, at, 1, &out)) {
    shape_text(&out, shape, sizeof shape);
    *at = out;
  }
  if (l->built || !known) thousands(cn_count_params(l), params, sizeof params);
  if (!l->built && !known) snprintf(params, sizeof params, "0 (unbuilt)");
  cells(g, "\xe2\x94\x82", name, shape, params);
}

void cn_summary(cn_model *m) {
  if (!m || !cn_ok(m->base.object.graph)) return;
  cn_graph *g = m->base.object.graph;
  cn_dims at = { 0, { 0 } };
  const bool known = m->base.built;
  if (known) {
    at = m->base.built_for[0];
    if (at.rank) at.d[0] = CN_UNKNOWN;
  }
  cni_print(g, "Model: \"%s\"\n", m->base.name);
  rule(g, "\xe2\x94\x8f", "\xe2\x94\x81", "\xe2\x94\xb3", "\xe2\x94\x93");
  cells(g, "\xe2\x94\x83", "Layer (type)", "Output Shape", "Param #");
  rule(g, "\xe2\x94\xa1", "\xe2\x94\x81", "\xe2\x95\x87", "\xe2\x94\xa9");
  for (int64_t i = 0; i < m->base.layers_count; i++) {
    if (i) rule(g, "\xe2\x94\x9c", "\xe2\x94\x80", "\xe2\x94\xbc", "\xe2\x94\xa4");
    layer_row(g, m->base.layers[i], &at, known);
  }
  rule(g, "\xe2\x94\x94", "\xe2\x94\x80", "\xe2\x94\xb4", "\xe2\x94\x98");
  total_line(g, "Total", total_of(&m->base, cn_weights));
  total_line(g, "Trainable", total_of(&m->base, cn_trainable_weights));
  total_line(g, "Non-trainable", total_of(&m->base, cn_non_trainable_weights));
}
