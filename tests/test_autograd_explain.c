/* A graph as a table and as a drawing. */
#include "test_layers.h"
#include <stdio.h>

static cn_graph *g;
static char printed[4096];

static void print(void *user, const char *text) {
  (void)user;
  strncat(printed, text, sizeof printed - strlen(printed) - 1);
}
static void begin(void) {
  g = cn_graph_new(.seed = 2);
  cn_set_output_callback(g, print, NULL);
  printed[0] = '\0';
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_explain, .init = begin, .fini = end);

static cn_tensor *w;
static cn_tensor *loss_of(void) {
  w = cn_variable(g, CN_F32, CN_DIMS(2), (const float[]){ 0.5, -2 });
  cn_set_name(w, "w");
  cn_tensor *x = FLOATS(g, CN_DIMS(2), 1, 3);
  cn_exp(g, x); /* not a part of the loss */
  return cn_sum(g, cn_square(g, cn_multiply(g, w, x)));
}

/* Runs of spaces as one, so that the columns' widths are not the test's. */
static const char *narrow(const char *s) {
  static char out[8192];
  size_t n = 0;
  for (; *s && n + 1 < sizeof out; s++) {
    if (*s == ' ' && (!n || out[n - 1] == ' ' || out[n - 1] == '\n')) continue;
    if (*s == '\n' && n && out[n - 1] == ' ') n--;
    out[n++] = *s;
  }
  out[n] = '\0';
  return out;
}

Test(autograd_explain, forward) {
  cn_tensor *loss = loss_of();
  cn_backward(g, loss);
  cr_assert_str_eq(narrow(cn_explain_text(g, loss)), "# operation inputs result values layer\n"
                                                    "1 multiply w [2], data [2] float32 [2] -6 .. 0.5\n"
                                                    "2 square #1 float32 [2] 0.25 .. 36\n"
                                                    "3 sum #2 float32 [] 36.25\n"
                                                    "\nvariable shape values gradient\n"
                                                    "w [2] -2 .. 0.5 -36 .. 1\n");
  cn_explain(g, loss);
  cr_assert_str_eq(printed, cn_explain_text(g, loss));
}

Test(autograd_explain, backward_and_long_graphs) {
  cn_tensor *loss = loss_of();
  const char *text = narrow(cn_explain_text(g, loss, .backward = true));
  cr_assert(strstr(text, "3 sum #2") < strstr(text, "1 multiply w"), "%s", text);
  cr_assert(strstr(text, "2 square #1 float32 [2] 0.25 .. 36") && strstr(text, "\nw [2] -2 .. 0.5 -\n"), "%s", text); /* no gradient yet */
  cn_backward(g, loss);
  text = narrow(cn_explain_text(g, loss, .backward = true));
  cr_assert(strstr(text, "\nw [2] -2 .. 0.5 -36 .. 1\n"), "%s", text);
  cn_tensor *y = w;
  for (int i = 0; i < 100; i++) y = cn_tanh(g, y);
  text = narrow(cn_explain_text(g, y, .most = 4));
  cr_assert(strstr(text, "... 96 more\n") && strstr(text, "103 tanh #102"), "%s", text);
}

Test(autograd_explain, gradients_of_watched_results) {
  w = cn_variable(g, CN_F32, CN_DIMS(2), (const float[]){ 0.5, -2 });
  cn_tensor *y = cn_watch(cn_square(g, w)), *loss = cn_sum(g, cn_square(g, y));
  cn_backward(g, loss);
  const char *text = narrow(cn_explain_text(g, loss, .backward = true));
  cr_assert(strstr(text, "# operation inputs result values gradient layer\n") && strstr(text, "0 square variable [2] float32 [2] 0.25 .. 4 0.5 .. 8\n"), "%s",
            text);
}

Test(autograd_explain, layers_are_named) {
  cn_layer *l = cn_Dense(g, 3, .activation = "softmax", .name = "scores");
  const char *text = narrow(cn_explain_text(g, cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 1, 2))));
  cr_assert(strstr(text, " scores\n"), "%s", text);
}

Test(autograd_explain, a_drawing) {
  cn_tensor *loss = loss_of();
  cr_assert_str_eq(cn_graph_dot(g, loss), "digraph graph_of_result {\n  rankdir=BT;\n  node [fontname=\"sans-serif\", fontsize=11];\n"
                                          "  n1 [shape=box, label=\"multiply\\n[2]\"];\n"
                                          "  t0 [shape=ellipse, style=filled, fillcolor=\"#dce9f7\", label=\"w [2]\"];\n  t0 -> n1;\n"
                                          "  t1 [shape=ellipse, label=\"data [2]\"];\n  t1 -> n1;\n"
                                          "  n2 [shape=box, label=\"square\\n[2]\"];\n  n1 -> n2;\n"
                                          "  n3 [shape=box, label=\"sum\\n[]\"];\n  n2 -> n3;\n}\n");
}

/* Tags closed in order, no bare & or <, attributes quoted: what an XML parser asks of this text. */
static bool well_formed(const char *s) {
  char open[16][32];
  int depth = 0;
  for (; *s; s++) {
    if (*s == '&' && strncmp(s, "&lt;", 4) && strncmp(s, "&gt;", 4) && strncmp(s, "&amp;", 5) && strncmp(s, "&quot;", 6)) return false;
    if (*s != '<') continue;
    const char *end = strchr(s, '>');
    if (!end || strcspn(s + 1, "<") < (size_t)(end - s)) return false;
    const size_t n = strcspn(s + 1 + (s[1] == '/'), " />");
    if (s[1] == '/' && (!depth || strlen(open[depth - 1]) != n || strncmp(open[--depth], s + 2, n))) return false;
    if (s[1] != '/' && end[-1] != '/' && depth == 16) return false;
    if (s[1] != '/' && end[-1] != '/') snprintf(open[depth++], sizeof *open, "%.*s", (int)n, s + 1);
    s = end;
  }
  return depth == 0;
}
static int count_of(const char *s, const char *word) {
  int n = 0;
  for (; (s = strstr(s, word)); s++) n++;
  return n;
}

Test(autograd_explain, svg) {
  cn_tensor *loss = loss_of();
  cn_set_name(w, "a<b & \"c\"");
  const char *s = cn_graph_svg(g, loss);
  cr_assert(well_formed(s), "%s", s);
  cr_assert(count_of(s, "class=\"operation\"") == 3 && count_of(s, "class=\"variable\"") == 1 && count_of(s, "class=\"data\"") == 1 &&
                count_of(s, "marker-end") == 4,
            "%s", s);
  cr_assert(strstr(s, ">a&lt;b &amp; &quot;c&quot;<") && strstr(s, ">multiply<") && strstr(s, ">[2]<"), "%s", s);
  cr_assert_str_eq(s, cn_graph_svg(g, loss));
}

Test(autograd_explain, svg_of_layers_and_of_long_graphs) {
  cn_layer *l = cn_Dense(g, 3, .activation = "softmax", .name = "scores");
  cr_assert(strstr(cn_graph_svg(g, cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 1, 2))), "class=\"scope\">scores<"));
  cn_tensor *y = loss_of();
  for (int i = 0; i < 1000; i++) y = cn_add(g, cn_tanh(g, y), w);
  const char *s = cn_graph_svg(g, y);
  cr_assert(well_formed(s) && count_of(s, "class=\"operation\"") == 200 && count_of(s, "class=\"cut\"") == 1);
}

Test(autograd_explain, refusals) {
  cr_assert_str_eq(cn_explain_text(g, cn_scalar(g, 1)), "");
  CHECK_REFUSED(g, CN_STATE, "explain: the result was not made by a recorded operation");
  cr_assert_str_eq(cn_graph_svg(g, cn_scalar(g, 1)), "");
  CHECK_REFUSED(g, CN_STATE, "graph_svg: the result was not made by a recorded operation");
  cr_assert_str_eq(cn_graph_dot(g, NULL), "");
  CHECK_REFUSED(g, CN_STATE, "graph_dot: an input is missing");
}
