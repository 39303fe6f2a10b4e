/* cn_describe: what a class' options are, from its rows. */
#include <string.h>
#include "options_private.h"

static const char *kind_text(const cn_row *row) {
  static const char *const names[] = { "integer",          "number",          "true or false",  "text",   "1 to 3 integers",
                                       "list of integers", "list of numbers", "list of texts",  "object", "tensor",
                                       "list of tensors",  "layer",           "list of layers", "pointer" };
  const bool named = (int)row->check >= (int)CN_KIND_ACTIVATION && (int)row->check <= (int)CN_KIND_CALLBACK;
  return row->kind == CN_OPTION_REF && named ? cni_kind_name((cn_kind)row->check) : names[row->kind];
}

static bool is_required(const cn_schema *s, int row) {
  const void *standard = cni_option_at_const(s, s->defaults, row);
  const cn_option_kind kind = s->rows[row].kind;
  if (kind == CN_OPTION_INT) return *(const int64_t *)standard == CN_REQUIRED;
  if (kind == CN_OPTION_REAL) return *(const double *)standard == CN_REQUIRED_REAL;
  if (kind == CN_OPTION_SIZE) return ((const cn_size *)standard)->d[0] == 0;
  return s->rows[row].check == CN_CHECK_REQUIRED || s->rows[row].check == CN_CHECK_REQUIRED_LIST;
}

void cni_describe_row(cni_writer *w, const cn_schema *s, int i) {
  static const char *const ranges[] = { "", ", positive", ", not negative", ", in [0, 1)", ", in [0, 1]", "" };
  const cn_row *row = &s->rows[i];
  cni_write(w, "  %s: %s%s, ", row->name, kind_text(row), row->check <= CN_CHECK_NUMBER ? ranges[row->check] : "");
  if (is_required(s, i)) cni_write(w, "required");
  else cni_write(w, "default "), cni_write_option(w, s, i, s->defaults);
  cni_write(w, "%s%s\n", row->doc && *row->doc ? ": " : "", row->doc ? row->doc : "");
}

static void write_class(cni_writer *w, const cn_class *cls) {
  cni_write(w, "%s (%s)\n", cls->schema.name, cni_kind_name(cls->kind));
  for (int i = 0; i < cls->schema.count; i++) cni_describe_row(w, &cls->schema, i);
}

static void offer(const char *word, const char *name, const char **nearest, int *best) {
  const int d = cni_distance(word, name);
  if (d >= *best) return;
  *best = d;
  *nearest = name;
}

typedef struct search { const char *name, *nearest; int best; } search;

static void visit(cni_writer *w, search *s, const cn_class *cls) {
  if (cni_class_named(cls, s->name)) write_class(w, cls);
  offer(s->name, cls->schema.name, &s->nearest, &s->best);
  for (const char *const *alias = cls->aliases; alias && *alias; alias++) offer(s->name, *alias, &s->nearest, &s->best);
}

static void visit_all(cni_writer *w, search *s, const cni_context *c) {
  for (int64_t i = 0; i < c->classes_count; i++) visit(w, s, c->classes[i]);
  for (const cn_class_list *lists = c->builtin; lists && *lists; lists++)
    for (cn_class_list list = *lists; *list; list++) visit(w, s, *list);
}

const char *cn_describe(cn_graph *g, const char *name) {
  if (!cn_ok(g) || !name) return NULL;
  cni_writer counted = { NULL, 0, 0 };
  search s = { name, NULL, INT32_MAX };
  visit_all(&counted, &s, cni_context_of(g));
  if (counted.length == 0) {
    if (s.nearest) cn_fail(g, CN_VALUE, "describe: unknown class \"%s\"; did you mean \"%s\"?", name, s.nearest);
    else cn_fail(g, CN_VALUE, "describe: unknown class \"%s\"", name);
    return NULL;
  }
  char *text = cni_alloc(g, (size_t)counted.length + 1);
  cni_writer written = { text, (size_t)counted.length + 1, 0 };
  if (text) visit_all(&written, &s, cni_context_of(g));
  return text;
}
