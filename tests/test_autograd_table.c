/* The table of operations: complete, in step with the headers; what must be refused is, with the text that is promised; no memory is survived. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include "sweep.h"

Test(autograd_table, every_operation_has_what_the_sweep_needs) {
  const cn_op *op;
  int64_t n = 0;
  for (; (op = cn_op_at(n)); n++) {
    cr_expect(op->samples && op->samples[0], "%s has no samples", op->name);
    cr_expect(op->rejects && op->rejects[0], "%s has no rejects", op->name);
    cr_expect(op->reference, "%s has no reference", op->name);
    cr_expect(op->infer && (op->forward || op->compose || (op->flags & CN_OP_VIEW)), "%s computes nothing", op->name);
    cr_expect((op->flags & CN_OP_NO_GRADIENT) || op->compose || op->vjp, "%s has no gradient", op->name);
    cr_expect(!(op->flags & CN_OP_NO_GRADIENT) || !op->backward, "%s has a gradient that is never asked for", op->name);
    cr_expect(cn_op_find(op->name) == op, "two operations are named %s", op->name);
  }
  cr_assert(n >= 60, "%lld operations", (long long)n);
}

/* ---- the headers ---- */
static char *text_of(const char *path) {
  FILE *f = fopen(path, "rb");
  cr_assert(f, "%s", path);
  fseek(f, 0, SEEK_END);
  const long size = ftell(f);
  char *text = calloc((size_t)size + 1, 1);
  rewind(f);
  cr_assert(text && fread(text, 1, (size_t)size, f) == (size_t)size, "%s", path);
  fclose(f);
  return text;
}
/* All public headers below a pattern, one after the other. */
static char *headers(const char *pattern) {
  char path[1024];
  glob_t found;
  const char *source = getenv("CORNU_SOURCE");
  cr_assert(source, "CORNU_SOURCE is not set");
  snprintf(path, sizeof path, "%s/%s", source, pattern);
  cr_assert(!glob(path, 0, NULL, &found) && found.gl_pathc, "%s", path);
  char *all = calloc(1, 1);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    if (strstr(found.gl_pathv[i], "_private.h")) continue;
    char *one = text_of(found.gl_pathv[i]), *longer = malloc(strlen(all) + strlen(one) + 1);
    sprintf(longer, "%s%s", all, one);
    free(all);
    free(one);
    all = longer;
  }
  globfree(&found);
  return all;
}

static bool name_character(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
/* Whether the text has `before`, the name, and then one of the characters `after`. */
static bool has(const char *text, const char *before, const char *name, const char *after) {
  char wanted[128];
  snprintf(wanted, sizeof wanted, "%s%s", before, name);
  for (const char *p = text; (p = strstr(p, wanted)); p++)
    if (strchr(after, p[strlen(wanted)])) return true;
  return false;
}

static bool has_function(const char *text, const char *name) {
  static const char *const forms[] = { "CN_FUNCTION_X(", "CN_FUNCTION_AB(", "CN_UNARY_DECLARE(", "CN_BINARY_DECLARE(" };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (has(text, forms[i], name, ")")) return true;
  return has(text, "#define cn_", name, "(") || has(text, "CN_API cn_tensor *cn_", name, "(") || has(text, "static inline cn_tensor *cn_", name, "(");
}

Test(autograd_table, the_headers_declare_the_operations) {
  static const char *const forms[] = { "CN_OP_DECLARE(", "CN_UNARY_DECLARE(", "CN_BINARY_DECLARE(" };
  char *text = headers("autograd/*.h"), name[64];
  int n = 0, declared = 0;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (const char *p = text; (p = strstr(p, forms[i]));) {
      const char *line = p;
      p += strlen(forms[i]);
      size_t k = 0;
      while (name_character(p[k]) && k + 1 < sizeof name) name[k] = p[k], k++;
      name[k] = 0;
      while (line > text && line[-1] != '\n') line--;
      if (!strncmp(line, "#define", 7)) continue;
      declared++;
      cr_expect(cn_op_find(name), "%s is declared and not in the table", name);
    }
  for (const cn_op *op; (op = cn_op_at(n)); n++) cr_expect(has_function(text, op->name), "%s has no public function", op->name);
  cr_expect(n == declared, "%d operations, %d declarations", n, declared);
  free(text);
}

/* cn_add and cn_Add can be told apart, cn_rows and a type cn_rows cannot. */
Test(autograd_table, no_operation_has_the_name_of_a_type_or_a_class) {
  static const char *const folders[] = { "core/*.h", "autograd/*.h", "optim/*.h", "layers/*.h", "models/*.h", "io/*.h" };
  const cn_op *op;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    char *text = headers(folders[i]);
    for (int64_t k = 0; (op = cn_op_at(k)); k++) {
      cr_expect(!has(text, "typedef struct cn_", op->name, " ;{") && !has(text, "} cn_", op->name, ";") && !has(text, "struct cn_", op->name, " ;{"),
                "%s is a type in %s", op->name, folders[i]);
      cr_expect(!has(text, "LAYER_DECLARE(", op->name, ","), "%s is a layer in %s", op->name, folders[i]);
    }
    free(text);
  }
  for (int64_t k = 0; (op = cn_op_at(k)); k++)
    for (const cn_class_list *lists = cni_builtin_classes; *lists; lists++)
      for (cn_class_list cls = *lists; *cls; cls++) cr_expect(strcmp((*cls)->schema.name, op->name), "%s is a class", op->name);
}

/* ---- rejects ---- */
Test(autograd_table, rejects_are_refused_with_their_text) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (const char *const *t = op->rejects; t && *t; t++) {
      sample s;
      cn_stream stream = { 5, 0 };
      if (sample_make(g, op, *t, CN_F32, &stream, &s)) sample_run(g, &s, op, s.x);
      cr_expect(!cn_ok(g), "%s (%s) was not refused", op->name, *t);
      cr_expect(s.expected && strstr(cn_error(g), s.expected) && strstr(cn_error(g), op->name), "%s (%s): the text is \"%s\"", op->name, *t, cn_error(g));
      cn_graph_clear(g);
      cr_expect(cn_scalar(g, 1), "the graph works after %s was refused", op->name);
      cn_graph_reset(g);
    }
  cn_graph_free(g);
}

/* ---- no memory ---- */
typedef struct failing { int64_t calls, at, live; } failing;
static void *failing_alloc(void *user, size_t size) {
  failing *f = user;
  void *p = f->calls++ == f->at ? NULL : aligned_alloc(64, (size + 63) / 64 * 64);
  f->live += p != NULL;
  return p;
}
static void failing_free(void *user, void *p, size_t size) {
  (void)size;
  ((failing *)user)->live -= p != NULL;
  free(p);
}
static bool forward_and_gradients(cn_graph *g, const cn_op *op, const char *text) {
  sample s;
  cn_stream stream = { 5, 0 };
  cn_tensor *targets[SWEEP_INPUTS], *d[SWEEP_INPUTS];
  if (!sample_make(g, op, text, CN_F64, &stream, &s)) return false;
  cn_tensor *const *y = sample_run(g, &s, op, s.x);
  const int64_t n = sample_targets(&s, targets);
  if (!cn_ok(g)) return false;
  return !n || y[0]->dtype != CN_F64 || (cn_gradients(g, y[0], CN_NO_TENSOR, targets, n, true, d) && cn_gradients(g, y[0], CN_NO_TENSOR, targets, n, false, d));
}
/* False: there is no call `at`. */
static bool fail_at(const cn_op *op, const char *text, int64_t at) {
  failing f = { 0, at, 0 };
  const cn_allocator a = { failing_alloc, failing_free, &f };
  cn_graph *g = cn_graph_new(.allocator = &a, .seed = 11);
  const bool done = g && forward_and_gradients(g, op, text), reached = f.calls > at;
  if (g && reached && !done) {
    cr_expect(cn_error_code(g) == CN_NO_MEMORY, "%s (%s) at call %lld: %s", op->name, text, (long long)at, cn_error(g));
    cn_graph_clear(g);
    cr_expect(forward_and_gradients(g, op, text), "%s (%s) works after call %lld failed: %s", op->name, text, (long long)at, cn_error(g));
  }
  cn_graph_free(g);
  cr_expect(!f.live, "%s (%s) at call %lld: %lld blocks are left", op->name, text, (long long)at, (long long)f.live);
  return reached;
}
Test(autograd_table, failing_allocator) {
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (const char *const *t = op->samples; *t; t++) {
      int64_t at = 0;
      while (fail_at(op, *t, at)) at++;
      cr_expect(at > 0 && at < 500, "%s (%s) allocates %lld times", op->name, *t, (long long)at);
    }
}
