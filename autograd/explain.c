/* A recorded graph as a table, and in the DOT language. */
#include "explain.h"
#include <math.h>
#include <stdio.h>
#include "explain_private.h"

/* ---- the operations of a result ---- */
int64_t cni_explain_mark(cn_graph *g, cn_tensor *y, const char *where) {
  const char *old = g->core.where;
  g->core.where = where;
  const bool known = cni_readable(g, y, true);
  if (known && !y->node) cn_fail(g, CN_STATE, "the result was not made by a recorded operation");
  g->core.where = old;
  if (!known || !y->node) return -1;
  int64_t n = 0;
  y->node->sweep = ++g->sweep;
  for (int32_t id = y->node->id; id >= 0; id--) {
    const cn_node *node = g->tape[id];
    if (node->sweep != g->sweep) continue;
    n++;
    for (int32_t i = 0; i < node->nx; i++)
      if (cni_given(node->x[i]) && node->x[i]->node) node->x[i]->node->sweep = g->sweep;
  }
  return n;
}

static bool is_marked(const cn_graph *g, int64_t id) { return cni_explain_marked(g, id); }

const char *cni_explain_name(const cn_tensor *x, char *s, size_t size) {
  char dims[160];
  if (!cni_given(x)) snprintf(s, size, "-");
  else if (x->node && x->output) snprintf(s, size, "#%d:%d", (int)x->node->id, (int)x->output);
  else if (x->node) snprintf(s, size, "#%d", (int)x->node->id);
  else snprintf(s, size, "%s %s", *cn_name_of(x) ? cn_name_of(x) : x->flags & CNI_VARIABLE ? "variable" : "data", cn_dims_text(&x->dims, dims, sizeof dims));
  return s;
}

/* "-1.5 .. 2" of the values, with "nan" where one is no number. */
static const char *range_of(const cn_tensor *x, char *s, size_t size) {
  double low = INFINITY, high = -INFINITY;
  if ((x->flags & CNI_DEFERRED) && cn_ok(x->graph)) cni_compute_deferred(x->graph, x->node);
  if (!x->data || (x->flags & CNI_RELEASED)) return snprintf(s, size, "released"), s;
  if (!x->count || x->dtype == CN_STRING) return snprintf(s, size, "-"), s;
  for (int64_t i = 0; i < x->count; i++) {
    const double v = cni_value_at(x, i);
    if (isnan(v)) return snprintf(s, size, "nan at %lld", (long long)i), s;
    low = fmin(low, v);
    high = fmax(high, v);
  }
  char a[32], b[32];
  cni_number_text(low, 4, a, sizeof a);
  cni_number_text(high, 4, b, sizeof b);
  snprintf(s, size, low == high ? "%s" : "%s .. %s", a, b);
  return s;
}

/* Of the gradient that the last backward left: a variable's, or that of a watched tensor. */
static const char *gradient_range(const cn_tensor *x, char *s, size_t size) {
  const cni_extra *e = x->extra;
  return !e ? "-" : e->grad ? range_of(e->grad, s, size) : e->zero ? "0" : e->rows.values ? range_of(e->rows.values, s, size) : "-";
}

/* ---- the table ---- */
static void write_operation(cni_text *t, const cn_node *n, bool backward) {
  char inputs[256] = "", word[200], dims[160], result[200], range[80], gradient[80];
  size_t used = 0;
  for (int32_t i = 0; i < n->nx && used < sizeof inputs; i++)
    used += (size_t)snprintf(inputs + used, sizeof inputs - used, "%s%s", i ? ", " : "", cni_explain_name(n->x[i], word, sizeof word));
  for (int32_t k = 0; k < n->ny; k++) {
    const cn_tensor *y = n->y[k];
    snprintf(result, sizeof result, "%s %s", cn_dtype_name((cn_dtype)y->dtype), cn_dims_text(&y->dims, dims, sizeof dims));
    if (k) cni_text_format(t, "%5s %-28s %-40s %-24s %-22s", "", "", "", result, range_of(y, range, sizeof range));
    else cni_text_format(t, "%5d %-28s %-40s %-24s %-22s", (int)n->id, n->op->name, inputs, result, range_of(y, range, sizeof range));
    if (backward) cni_text_format(t, " %-22s", gradient_range(y, gradient, sizeof gradient));
    cni_text_format(t, "%s%s\n", k ? "" : " ", k ? "" : cn_node_scope(n));
  }
}

static void write_variables(cni_text *t, const cn_graph *g) {
  bool any = false;
  char dims[160], range[80], gradient[80];
  const cn_tensor *v = g->variables, *first = v;
  for (; v; v = v->extra->next == first ? NULL : v->extra->next) {
    bool read = false;
    for (int64_t id = 0; id < g->tape_count && !read; id++)
      for (int32_t i = 0; is_marked(g, id) && i < g->tape[id]->nx; i++) read |= g->tape[id]->x[i] == v;
    if (!read) continue;
    if (!any) cni_text_format(t, "\n%-34s %-24s %-22s %s\n", "variable", "shape", "values", "gradient");
    any = true;
    cni_text_format(t, "%-34s %-24s %-22s %s\n", *cn_name_of(v) ? cn_name_of(v) : "variable", cn_dims_text(&v->dims, dims, sizeof dims),
                    range_of(v, range, sizeof range), gradient_range(v, gradient, sizeof gradient));
  }
}

const char *cn_explain_text_run(const cn_explain_args *a) {
  cn_graph *g = a->graph;
  if (!cn_ok(g)) return "";
  const int64_t n = cni_explain_mark(g, a->y, "explain"), half = a->most < 2 ? 1 : a->most / 2;
  if (n < 0) return "";
  cni_text t = { .g = g };
  cni_text_format(&t, "%5s %-28s %-40s %-24s %-22s", "#", "operation", "inputs", "result", "values");
  cni_text_format(&t, a->backward ? " %-22s %s\n" : "%.0s %s\n", "gradient", "layer");
  int64_t seen = 0;
  const int64_t last = a->y->node->id;
  for (int64_t k = 0; k <= last; k++) {
    const int64_t id = a->backward ? last - k : k;
    if (!is_marked(g, id)) continue;
    if (n > 2 * half && seen == half) cni_text_format(&t, "      ... %lld more\n", (long long)(n - 2 * half));
    if (n <= 2 * half || seen < half || seen >= n - half) write_operation(&t, g->tape[id], a->backward);
    seen++;
  }
  write_variables(&t, g);
  return cni_text_done(&t);
}

void cn_explain_run(const cn_explain_args *a) {
  const char *s = cn_explain_text_run(a);
  if (*s) cni_print(a->graph, "%s", s);
}

/* ---- DOT ---- */
static void write_escaped(cni_text *t, const char *s) {
  for (; *s; s++) {
    if (*s == '"' || *s == '\\') cni_text_put(t, "\\", 1);
    cni_text_put(t, s, 1);
  }
}

/* Leaves are numbered as they come, so that the text is the same for the same program. */
static int64_t leaf_number(cn_tensor **leaves, int64_t *count, cn_tensor *x) {
  for (int64_t i = 0; i < *count; i++)
    if (leaves[i] == x) return i;
  leaves[(*count)++] = x;
  return -*count;
}

static void write_node(cni_text *t, const cn_node *n, cn_tensor **leaves, int64_t *count) {
  char word[200], dims[160];
  cni_text_format(t, "  n%d [shape=box, label=\"%s\\n%s\"];\n", (int)n->id, n->op->name, cn_dims_text(&n->y[0]->dims, dims, sizeof dims));
  for (int32_t i = 0; i < n->nx; i++) {
    cn_tensor *x = n->x[i];
    if (!cni_given(x)) continue;
    if (x->node) {
      cni_text_format(t, "  n%d -> n%d;\n", (int)x->node->id, (int)n->id);
      continue;
    }
    int64_t k = leaf_number(leaves, count, x);
    if (k < 0) {
      k = -k - 1;
      cni_text_format(t, "  t%lld [shape=ellipse%s, label=\"", (long long)k, x->flags & CNI_VARIABLE ? ", style=filled, fillcolor=\"#dce9f7\"" : "");
      write_escaped(t, cni_explain_name(x, word, sizeof word));
      cni_text_format(t, "\"];\n");
    }
    cni_text_format(t, "  t%lld -> n%d;\n", (long long)k, (int)n->id);
  }
}

const char *cn_graph_dot(cn_graph *g, cn_tensor *y) {
  if (!cn_ok(g) || cni_explain_mark(g, y, "graph_dot") < 0) return "";
  int64_t inputs = 0, count = 0;
  for (int64_t id = 0; id <= y->node->id; id++) inputs += is_marked(g, id) ? g->tape[id]->nx : 0;
  cn_tensor **leaves = cni_arena_take(g, cni_step_arena(g), (size_t)(inputs + 1) * sizeof *leaves);
  if (!leaves) return "";
  cni_text t = { .g = g };
  cni_text_format(&t, "digraph graph_of_result {\n  rankdir=BT;\n  node [fontname=\"sans-serif\", fontsize=11];\n");
  for (int64_t id = 0; id <= y->node->id; id++)
    if (is_marked(g, id)) write_node(&t, g->tape[id], leaves, &count);
  cni_text_format(&t, "}\n");
  return cni_text_done(&t);
}
