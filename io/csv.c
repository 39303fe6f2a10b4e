/* Reading a table: one walk finds the types and the number of rows, a second one fills the arrays. */
#include "csv.h"
#include <ctype.h>
#include <string.h>
#include "../core/options_private.h"
#include "csv_private.h"

CN_SCHEMA_DATA_(read_csv, cn_read_csv_args, CN_READ_CSV)
static const cn_schema schema = CN_SCHEMA_(read_csv, "read_csv", cn_read_csv_args);

CNI_ARGS_COPY(cn_read_csv, read_csv_defaults)

typedef struct table {
  const cn_read_csv_args *o;
  cni_csv scan;
  cn_dtype floats;
  char **names;          // [fields]
  int64_t fields;        /* in each row */
  cni_column *columns;   // [count]
  int64_t count;         /* of columns that are read */
  int64_t rows;
} table;

/* ---- options ---- */

/* The option's only character; '\0' where there is none. Letters, digits and signs would run into numbers. */
static bool one_character(cn_graph *g, const char *option, const char *text, bool may_be_none, char *out) {
  *out = text ? *text : '\0';
  if (*out == '\0' && may_be_none) return true;
  if (*out && !text[1] && !isalnum((unsigned char)*out) && !strchr("+-.\r\n", *out)) return true;
  return cni_option_fail(g, &schema, "%s must be one character that no number contains, got \"%.20s\"", option, text ? text : "");
}

bool cni_csv_options(cni_csv *c, const cn_read_csv_args *o) {
  cn_graph *g = o->graph;
  if (!*o->path) return cni_option_fail(g, &schema, "path is required");
  if (o->header != CN_NONE && o->header != 0 && o->header != 1)
    return cni_option_fail(g, &schema, "header must be true, false or None, got %lld", (long long)o->header);
  if (!one_character(g, "delimiter", o->delimiter, false, &c->delimiter) || !one_character(g, "quote", o->quote, true, &c->quote)) return false;
  if (c->delimiter == c->quote) return cni_option_fail(g, &schema, "delimiter and quote are the same");
  for (int64_t i = 0; i < o->missing.n; i++)
    if (!o->missing.v[i]) return cni_option_fail(g, &schema, "missing: entry %lld is missing", (long long)i);
  for (int64_t i = 0; i < o->missing.n; i++) c->missing_first[(unsigned char)o->missing.v[i][0]] = true;
  c->missing = &o->missing;
  return true;
}

static bool read_options(table *t) {
  const cn_read_csv_args *o = t->o;
  cn_graph *g = o->graph;
  if (!cni_options_check(g, &schema, o) || !cni_csv_options(&t->scan, o)) return false;
  if (cn_dtype_from_name(o->floats, &t->floats) && (t->floats == CN_F32 || t->floats == CN_F64)) return true;
  return cni_option_fail(g, &schema, "floats must be float32 or float64, got %.40s", o->floats ? o->floats : "None");
}

static bool type_of(cn_graph *g, const char *name, cn_dtype *out) {
  static const char *const names[] = { "auto", "float32", "float64", "int32", "int64", "uint8", "bool", "string" };
  *out = CNI_CSV_AUTO;
  if (name && (strcmp(name, "auto") == 0 || cn_dtype_from_name(name, out))) return true;
  const char *nearest = name ? cni_nearest(name, names, (int64_t)(sizeof names / sizeof *names)) : NULL;
  if (nearest) return cni_option_fail(g, &schema, "types: no type \"%.40s\"; did you mean \"%s\"?", name, nearest);
  return cni_option_fail(g, &schema, "types: no type \"%.40s\"", name ? name : "");
}

/* ---- names and columns ---- */

bool cni_csv_is_header(const cni_csv *c, int64_t header) {
  if (header != CN_NONE) return header == 1;
  bool any = false;
  for (int64_t i = 0; i < c->n; i++) {
    const cni_field f = cni_field_trim(&c->v[i]);
    if (cni_csv_is_number(&f) || (f.n > 0 && cni_csv_is_missing(c, &f))) return false;
    any = any || f.n > 0;
  }
  return any;
}

char *cni_csv_name(const cni_csv *c, int64_t i, bool header) {
  const cni_field *f = &c->v[i], trimmed = f->quoted ? *f : cni_field_trim(f);
  if (header && trimmed.n > 0) {
    char *name = cni_alloc(c->g, cni_field_bytes(c, &trimmed) + 1);
    if (name) cni_field_copy(c, &trimmed, name);
    return name;
  }
  char *name = cni_alloc(c->g, 24);
  if (name) snprintf(name, 24, "%lld", (long long)i);
  return name;
}

static int64_t index_of(const table *t, const char *name) {
  for (int64_t i = 0; i < t->fields; i++)
    if (strcmp(t->names[i], name) == 0) return i;
  return -1;
}

static uint64_t hash(const char *name) {
  uint64_t h = 14695981039346656037u;
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
  return h;
}

/* Each name once, in an open table of twice as many places or more: tables may be thousands of columns wide. */
static bool names_differ(table *t) {
  cn_graph *g = t->scan.g;
  size_t places = 16;
  while (places < 2 * (size_t)t->fields) places *= 2;
  const char **seen = cni_alloc(g, places * sizeof *seen); // [places]
  bool ok = seen != NULL;
  for (int64_t i = 0; ok && i < t->fields; i++) {
    size_t at = (size_t)hash(t->names[i]) & (places - 1);
    while (seen[at] && strcmp(seen[at], t->names[i]) != 0) at = (at + 1) & (places - 1);
    if (seen[at]) ok = cni_csv_fail(&t->scan, "two columns are named \"%.60s\"", t->names[i]);
    seen[at] = t->names[i];
  }
  cni_free(g, seen);
  return ok;
}

/* Reads the first row: how many fields, their names. The scan stands at the first row of data afterwards. */
static bool read_names(table *t) {
  const cni_csv start = t->scan;
  if (!cni_csv_row(&t->scan)) {
    if (cn_ok(t->scan.g)) cn_fail(t->scan.g, CN_FORMAT, "read_csv: %s: holds no rows", t->scan.name);
    return false;
  }
  const bool header = cni_csv_is_header(&t->scan, t->o->header);
  t->names = cni_alloc(t->scan.g, (size_t)t->scan.n * sizeof *t->names);
  if (!t->names) return false;
  for (; t->fields < t->scan.n; t->fields++) {
    t->names[t->fields] = cni_csv_name(&t->scan, t->fields, header);
    if (!t->names[t->fields]) return false;
  }
  if (!names_differ(t)) return false;
  if (header) return true;
  t->scan.p = start.p;
  t->scan.next_line = start.next_line;
  return true;
}

static bool no_column(const table *t, const char *name) {
  const char *nearest = cni_nearest(name, (const char *const *)t->names, t->fields);
  if (nearest) cn_fail(t->scan.g, CN_FORMAT, "read_csv: %s: no column \"%.60s\"; did you mean \"%.60s\"?", t->scan.name, name, nearest);
  else cn_fail(t->scan.g, CN_FORMAT, "read_csv: %s: no column \"%.60s\"", t->scan.name, name);
  return false;
}

static bool add_column(table *t, int64_t i) {
  const cn_read_csv_args *o = t->o;
  const char *wanted = o->columns.n > 0 ? o->columns.v[i] : t->names[i];
  cni_column *k = &t->columns[i];
  if (!wanted) return cni_option_fail(o->graph, &schema, "columns: entry %lld is missing", (long long)i);
  k->index = o->columns.n > 0 ? index_of(t, wanted) : i;
  if (k->index < 0) return no_column(t, wanted);
  for (int64_t j = 0; o->columns.n > 0 && j < i; j++)
    if (t->columns[j].index == k->index) return cni_option_fail(o->graph, &schema, "columns: \"%.60s\" stands twice", wanted);
  k->name = t->names[k->index];
  k->dtype = CNI_CSV_AUTO;
  return o->types.n <= 0 || type_of(o->graph, o->types.v[o->types.n == 1 ? 0 : i], &k->dtype);
}

static bool choose_columns(table *t) {
  const cn_read_csv_args *o = t->o;
  const int64_t count = o->columns.n > 0 ? o->columns.n : t->fields;
  if (o->types.n > 1 && o->types.n != count)
    return cni_option_fail(o->graph, &schema, "types has %lld entries, but %lld columns are read", (long long)o->types.n, (long long)count);
  t->columns = cni_alloc(o->graph, (size_t)count * sizeof *t->columns);
  if (!t->columns) return false;
  for (; t->count < count; t->count++)
    if (!add_column(t, t->count)) return false;
  return true;
}

/* ---- the two walks ---- */

static bool next_row(table *t, int64_t row) {
  if (t->o->max_rows != CN_NONE && row >= t->o->max_rows) return false;
  if (!cni_csv_row(&t->scan)) return false;
  return t->scan.n == t->fields || cni_csv_fail(&t->scan, "%lld field%s, wanted %lld", (long long)t->scan.n, t->scan.n == 1 ? "" : "s", (long long)t->fields);
}

static bool add_array(table *t, cni_column *k, cn_arrays *list) {
  const cn_dims dims = { 1, { t->rows } };
  const size_t n = (size_t)t->rows;
  const size_t bytes = k->dtype == CN_STRING ? (n + 1) * sizeof(int64_t) + k->bytes : n * cn_dtype_size(k->dtype);
  k->array = cni_arrays_add(t->scan.g, list, k->name, k->dtype, &dims, bytes);
  return k->array != NULL;
}

static bool find_types(table *t) {
  while (next_row(t, t->rows)) {
    for (int64_t i = 0; i < t->count; i++) cni_column_see(&t->columns[i], &t->scan, t->o);
    t->rows++;
  }
  for (int64_t i = 0; i < t->count; i++) cni_column_decide(&t->columns[i], t->floats, t->rows);
  return cn_ok(t->scan.g);
}

static bool fill(table *t, cn_arrays *list) {
  for (int64_t i = 0; i < t->count; i++)
    if (!add_array(t, &t->columns[i], list)) return false;
  for (int64_t i = 0; i < t->count; i++) t->columns[i].array = &list->v[i]; /* the list may have moved while it grew */
  for (int64_t row = 0; row < t->rows && next_row(t, row); row++)
    for (int64_t i = 0; i < t->count; i++)
      if (!cni_column_store(&t->columns[i], &t->scan, t->o, row)) return false;
  return cn_ok(t->scan.g);
}

static bool read_table(table *t, cn_arrays *list) {
  if (t->scan.end - t->scan.p >= 3 && memcmp(t->scan.p, "\xef\xbb\xbf", 3) == 0) t->scan.p += 3;
  cni_csv_skip_lines(&t->scan, t->o->skip_rows);
  if (!read_names(t) || !choose_columns(t)) return false;
  const char *first = t->scan.p;
  const int64_t line = t->scan.next_line;
  if (!find_types(t)) return false;
  t->scan.p = first;
  t->scan.next_line = line;
  return fill(t, list);
}

static void table_free(table *t) {
  cn_graph *g = t->scan.g;
  for (int64_t i = 0; i < t->fields; i++) cni_free(g, t->names[i]);
  cni_free(g, t->names);
  cni_free(g, t->columns);
  cni_free(g, t->scan.v);
}

static cn_arrays *read_text(table *t, const char *text, size_t size) {
  t->scan.p = text;
  t->scan.end = text + size;
  t->scan.next_line = 1;
  cn_arrays *list = cn_arrays_new(t->scan.g);
  const bool ok = list && read_table(t, list);
  table_free(t);
  if (ok) return list;
  cn_arrays_free(t->scan.g, list);
  return NULL;
}

cn_arrays *cn_read_csv_run(const cn_read_csv_args *o) {
  cni_input in;
  size_t size;
  if (!o || !cn_ok(o->graph)) return NULL;
  table t = { .o = o, .scan = { .g = o->graph } };
  if (!read_options(&t) || !cni_input_open(&in, o->graph, "read_csv", o->path, true)) return NULL;
  t.scan.name = in.name;
  char *text = cni_input_text(&in, &size);
  cni_input_close(&in);
  cn_arrays *list = text ? read_text(&t, text, size) : NULL;
  cni_free(o->graph, text);
  return list;
}
