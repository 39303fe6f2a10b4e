/* describe-operations SOURCE: prints docs/operations.md. What an operation computes stands in the comments of the headers below SOURCE/autograd, its options in
 * its list; the example and the gradient are its first sample and its rule, run and read off the tape. The names of keras.ops come from
 * SOURCE/docs/keras_ops.txt. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include "../tests/sweep.h"

#define MOST 240 /* characters of a rule; longer ones stand in the comments as formulas */

/* ---- a gradient rule as text ---- */
typedef struct rule { cni_writer w; const cn_node *node; cn_tensor *const *gy; } rule;

static const char *infix_of(const char *op) {
  static const char *const table[][2] = { { "add", " + " }, { "subtract", " - " }, { "multiply", " " }, { "divide", " / " } };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!strcmp(op, table[i][0])) return table[i][1];
  return NULL;
}

/* Names what the rule was given; false for what it made. */
static bool write_given(rule *r, const cn_tensor *t) {
  const cn_node *n = r->node;
  for (int32_t i = 0; i < n->nx; i++)
    if (t == n->x[i])
      return n->op->inputs == CN_LIST ? cni_write(&r->w, "%s[%d]", n->op->schema.rows[0].name, (int)i) : cni_write(&r->w, "%s", n->op->schema.rows[i].name),
             true;
  for (int32_t i = 0; i < n->ny; i++) {
    if (t != n->y[i] && t != r->gy[i]) continue;
    cni_write(&r->w, n->ny == 1 ? "%sy" : "%sy%d", t == n->y[i] ? "" : "d", (int)i);
    return true;
  }
  return false;
}

static void write_tensor(rule *r, const cn_tensor *t) {
  const cn_node *n = t->node;
  if (r->w.length > MOST || write_given(r, t)) return;
  if (!n || !n->nx) {
    char text[160];
    if (t->count == 1 && t->data) cni_write(&r->w, "%.4g", cni_value_at(t, 0));
    else cni_write(&r->w, "constant %s", cn_dims_text(&t->dims, text, sizeof text));
    return;
  }
  const char *infix = infix_of(n->op->name);
  cni_write(&r->w, infix ? "(" : "%s(", n->op->name);
  const char *between = "";
  for (int32_t i = 0; i < n->nx; i++) {
    if (!cni_given(n->x[i])) continue;
    cni_write(&r->w, "%s", between), write_tensor(r, n->x[i]);
    between = infix ? infix : ", ";
  }
  const cn_schema *s = &n->op->schema;
  for (int i = 0; i < s->count; i++) {
    const cn_option_kind kind = s->rows[i].kind;
    if (kind == CN_OPTION_TENSOR || kind == CN_OPTION_TENSORS || kind == CN_OPTION_POINTER || cni_option_same(s, i, n->args, s->defaults)) continue;
    cni_write(&r->w, ", %s=", s->rows[i].name), cni_write_option(&r->w, s, i, n->args);
  }
  cni_write(&r->w, ")");
}

/* "dx = ..." for every float input, where the rule is short. */
static void print_rule(cn_graph *g, const cn_node *n) {
  cn_tensor *gy[64] = { NULL }, *gx[64] = { NULL };
  bool want[64] = { false }, any = false;
  for (int32_t i = 0; i < n->ny; i++) gy[i] = cni_is_float((cn_dtype)n->y[i]->dtype) ? cn_ones(g, (cn_dtype)n->y[i]->dtype, &n->y[i]->dims) : NULL;
  for (int32_t i = 0; i < n->nx; i++) want[i] = cni_given(n->x[i]) && cni_is_float((cn_dtype)n->x[i]->dtype);
  n->op->vjp(g, n, gy, want, gx);
  for (int32_t i = 0; i < n->nx && cn_ok(g); i++) {
    char text[MOST + 512];
    if (!want[i] || !gx[i]) continue;
    rule r = { { text, sizeof text, 0 }, n, gy };
    write_tensor(&r, gx[i]);
    if (r.w.length > MOST) continue;
    printf("%s`d%s",
           any ? ", " : "\n\nGradient, as the rule computes it: ", n->op->inputs == CN_LIST ? n->op->schema.rows[0].name : n->op->schema.rows[i].name);
    printf(n->op->inputs == CN_LIST ? "[%d] = %s`" : "%.0d = %s`", n->op->inputs == CN_LIST ? (int)i : 0, text);
    any = true;
  }
}

/* ---- an operation ---- */
static void print_options(const cn_op *op) {
  for (int i = 0; i < op->schema.count; i++) {
    const cn_row *row = &op->schema.rows[i];
    char text[1024] = "";
    cni_writer w = { text, sizeof text, 0 };
    const bool tensor = row->kind == CN_OPTION_TENSOR || row->kind == CN_OPTION_TENSORS;
    const bool optional = row->kind == CN_OPTION_TENSOR && *(cn_tensor *const *)cni_option_at_const(&op->schema, op->schema.defaults, i) == CN_NO_TENSOR;
    if (tensor) printf("- `%s`: %s%s: %s\n", row->name, row->kind == CN_OPTION_TENSORS ? "tensors" : "tensor", optional ? ", optional" : "", row->doc);
    else cni_describe_row(&w, &op->schema, i), printf("- `%s`%s", row->name, text + 2 + strlen(row->name));
  }
}

static void print_example(cn_graph *g, const cn_op *op) {
  sample s;
  cn_stream stream = { 5, 0 };
  if (!sample_make(g, op, op->samples[0], CN_F32, &stream, &s)) return;
  for (int64_t i = 0; i < s.nx; i++)
    if (cni_given(s.x[i]) && s.x[i]->dtype == CN_F32) cn_watch(s.x[i]);
  cn_tensor *const *y = sample_run(g, &s, op, s.x);
  const int64_t n = cn_ok(g) ? sample_outputs(g, &s, op) : 0;
  printf("\nExample: `%s` gives", op->samples[0]);
  for (int64_t i = 0; i < n; i++) {
    char text[160];
    printf("%s %s `%s`", i ? "," : "", cn_dtype_name((cn_dtype)y[i]->dtype), cn_dims_text(&y[i]->dims, text, sizeof text));
  }
  printf(".");
  if (op->flags & CN_OP_NO_GRADIENT) printf(" No gradient.");
  else if (op->compose) printf(" Made of other operations, through which the gradient goes.");
  else if (n && y[0]->node && y[0]->node->op == op) print_rule(g, y[0]->node);
  printf("\n");
}

static bool print_operation(const char *name) {
  const cn_op *op = cn_op_find(name);
  if (!op) return fprintf(stderr, "describe-operations: no operation %s\n", name), false;
  cn_graph *g = cn_graph_new(.seed = 11);
  print_options(op);
  print_example(g, op);
  const bool ok = cn_ok(g);
  if (!ok) fprintf(stderr, "describe-operations: %s: %s\n", name, cn_error(g));
  cn_graph_free(g);
  return ok;
}

/* ---- a header ---- */
static char *text_of(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = NULL;
  size_t n = 0;
  if (!f || getdelim(&text, &n, 0, f) < 0) fprintf(stderr, "describe-operations: cannot read %s\n", path), free(text), text = NULL;
  if (f) fclose(f);
  return text;
}

/* The text of a comment that begins at p, its lines joined; returns where it ends. */
static const char *print_comment(const char *p) {
  const char *end = strstr(p, "*/");
  for (p += 2; p < end && *p == ' '; p++) { }
  for (; p < end && !(*p == ' ' && p + 1 == end); p++) {
    if (*p != '\n') putchar(*p);
    else if (!strncmp(p, "\n * ", 4)) putchar(' '), p += 3;
  }
  return end + 2;
}

/* "CN_UNARY_DECLARE(relu6) ..." at the start of a line: the operation's name. */
static bool declared(const char *line, char *name) {
  const char *open = line + strcspn(line, "(\n");
  if (strncmp(line, "CN_", 3) || *open != '(' || open - line < 8 || strncmp(open - 7, "DECLARE", 7)) return false;
  snprintf(name, 64, "%.*s", (int)strcspn(open + 1, ",)"), open + 1);
  return true;
}

/* The comment on the same line, or NULL. */
static const char *trailing(const char *line) {
  const char *comment = strstr(line, "/* ");
  return comment && comment < line + strcspn(line, "\n") ? comment : NULL;
}

/* Each operation under its own comment, or under the one that stands above it and holds up to the next comment or empty line. */
static bool print_header(const char *path) {
  char *text = text_of(path), name[64];
  const char *file = strrchr(path, '/') + 1, *held = NULL;
  bool ok = text != NULL, shown = true;
  if (!text || !strstr(text, "DECLARE(") || !strcmp(file, "op.h")) return free(text), ok;
  printf("\n## %s\n\n", file);
  const char *p = print_comment(text);
  putchar('\n');
  for (p = strchr(p, '\n'); ok && p && p[1]; p = strchr(p, '\n')) {
    if (*++p == '\n') held = NULL;
    else if (!strncmp(p, "/*", 2)) held = p, shown = false, p = strstr(p, "*/");
    if (!declared(p, name)) continue;
    const char *own = trailing(p);
    if (own && held && !shown) putchar('\n'), print_comment(held), putchar('\n');
    printf("\n### %s\n\n", name);
    if (own || held) print_comment(own ? own : held), printf("\n\n");
    shown = true;
    ok = print_operation(name);
  }
  free(text);
  return ok;
}

/* ---- the names of Keras ---- */
static bool print_names(const char *path) {
  char *text = text_of(path), *state = NULL;
  printf("\n## The names of keras.ops\n\nRelease 3.15.1. `linalg`, `nn` and `image` are submodules.\n\n| keras.ops | Cornu |\n| --- | --- |\n");
  for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line; line = strtok_r(NULL, "\n", &state)) {
    const size_t n = strcspn(line, " ");
    if (*line == '#') continue;
    if (!strncmp(line + n, " - ", 3)) printf("| `%.*s` | absent: %s |\n", (int)n, line, line + n + 3);
    else printf("| `%.*s` | `%s` |\n", (int)n, line, line + n + 1);
  }
  free(text);
  return text != NULL;
}

int main(int argc, char **argv) {
  char path[1024];
  glob_t found;
  const char *source = argc > 1 ? argv[1] : ".";
  printf("# Operations\n\n`cn_NAME(g, inputs..., .option = value)` calls an operation; a failed call returns NULL and the graph has the error. dx stands for "
         "the gradient of the loss with respect to x. Under each heading the comments of the "
         "header, then each operation with its inputs, its options and an example: the sample that its tests begin with, in which `f[3,4]` is a float tensor "
         "of that shape, `i` int32, `l` int64, `b` bool, `s` texts, `_` an "
         "input left out. A rule longer than a line is given as a formula only. Made by `ninja update-docs`.\n");
  snprintf(path, sizeof path, "%s/autograd/op*.h", source);
  bool ok = !glob(path, 0, NULL, &found);
  for (size_t i = 0; ok && i < found.gl_pathc; i++) ok = strstr(found.gl_pathv[i], "_private.h") || print_header(found.gl_pathv[i]);
  globfree(&found);
  snprintf(path, sizeof path, "%s/docs/keras_ops.txt", source);
  return ok && print_names(path) ? EXIT_SUCCESS : EXIT_FAILURE;
}
