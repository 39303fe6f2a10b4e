/* Rows of a table's text, through a window over the file. */
#include <math.h>
#include "../core/options_private.h"
#include "csv_private.h"
#include "files.h"
#include "table_private.h"

CN_SCHEMA_DATA_(source_csv, cn_source_csv_args, CN_SOURCE_CSV)
static const cn_schema schema = CN_SCHEMA_(source_csv, "source_csv", cn_source_csv_args);

CNI_ARGS_COPY(cn_source_csv, source_csv_defaults)

typedef struct reading {
  cn_source_csv_args *o;            /* a copy */
  cn_read_csv_args rows;            /* what the conversion of fields reads */
  cni_chunks chunks;
  cni_csv scan;
  bool header;                      /* the first row holds names */
  char **names;                     // [fields]
  int64_t fields;
  cni_table table;
  size_t *row;                      // bytes of a sample's columns: the source's
} reading;

/* The scan's pointers follow the window, which moves. */
static bool more(reading *r) {
  r->chunks.begin = (size_t)(r->scan.p - r->chunks.text);
  if (!cni_chunks_more(&r->chunks)) return false;
  r->scan.p = r->chunks.text;
  r->scan.end = r->chunks.text + r->chunks.end;
  r->scan.more = !r->chunks.ended;
  return true;
}

/* A row that touches the window's end may go on behind it: it is read again when more is here. */
static bool next_row(reading *r) {
  for (;;) {
    const char *const p = r->scan.p;
    const int64_t line = r->scan.next_line;
    r->scan.cut = false;
    const bool got = cni_csv_row(&r->scan);
    if (!cn_ok(r->scan.g)) return false;
    if (!r->scan.more || (got && r->scan.p < r->scan.end)) return got;
    r->scan.p = p;
    r->scan.next_line = line;
    if (!more(r)) return false;
  }
}

static bool skip_lines(reading *r) {
  for (int64_t i = 0; i < r->o->skip_rows; i++) {
    while (r->scan.more && !memchr(r->scan.p, '\n', (size_t)(r->scan.end - r->scan.p)))
      if (!more(r)) return false;
    cni_csv_skip_lines(&r->scan, 1);
  }
  return true;
}

static bool open_file(reading *r) {
  cni_chunks_close(&r->chunks);
  if (!cni_chunks_open(&r->chunks, r->scan.g, "read_csv", r->o->path)) return false;
  r->scan.name = r->chunks.in.name;
  r->scan.p = r->chunks.text;
  r->scan.end = r->chunks.text + r->chunks.end;
  r->scan.more = !r->chunks.ended;
  r->scan.next_line = 1;
  if (r->chunks.end >= 3 && memcmp(r->scan.p, "\xef\xbb\xbf", 3) == 0) r->scan.p += 3;
  return skip_lines(r);
}

/* Stands at the first row of data afterwards. */
static bool begin_file(reading *r) { return open_file(r) && (!r->header || next_row(r) || cn_ok(r->scan.g)); }

static bool put_text(reading *r, const cni_field *f, cn_text *to) {
  if (!cn_text_set(r->scan.g, to, f->p, (int64_t)f->n)) return false;
  if (f->doubled) cni_field_copy(&r->scan, f, to->p);
  to->n = (int64_t)cni_field_bytes(&r->scan, f);
  return true;
}

/* Chosen column i of the row that was read. */
static bool put_field(reading *r, int64_t i, const cn_samples *out) {
  cn_named_array array = { .name = r->names[r->table.column[i]] };
  cni_column k = { .name = array.name, .index = r->table.column[i], .array = &array };
  array.data = cni_table_at(&r->table, out, i, &k.dtype);
  const cni_field *f = &r->scan.v[k.index], trimmed = cni_field_trim(f);
  const bool text = k.dtype == CN_STRING, real = k.dtype == CN_F32 || k.dtype == CN_F64;
  if ((i >= r->table.inputs || !real) && (!f->quoted || !text) && cni_csv_is_missing(&r->scan, &trimmed))
    return cni_csv_fail(&r->scan, "column \"%.60s\": a value is missing", k.name);
  if (text) return put_text(r, f, array.data);
  if (!cni_column_store(&k, &r->scan, &r->rows, 0)) return false;
  if (r->o->classes == CN_NONE || i < r->table.inputs || i >= r->table.inputs + r->table.targets) return true;
  const double v = cni_number_of(k.dtype, array.data);
  return (v >= 0 && v < (double)r->o->classes && v == floor(v)) ||
         cni_csv_fail(&r->scan, "column \"%.60s\": label %g is not in [0, %lld)", k.name, v, (long long)r->o->classes);
}

static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  reading *r = state;
  (void)n;
  if (!next_row(r)) return cn_ok(g) ? 0 : -1;
  if (r->scan.n != r->fields)
    return cni_csv_fail(&r->scan, "%lld field%s, wanted %lld", (long long)r->scan.n, r->scan.n == 1 ? "" : "s", (long long)r->fields), -1;
  for (int64_t i = 0; i < r->table.count; i++)
    if (!put_field(r, i, out)) return -1;
  return 1;
}
static bool reset(cn_graph *g, void *state, int64_t epoch) {
  (void)g, (void)epoch;
  return begin_file(state);
}
static void finish(cn_graph *g, void *state) {
  reading *r = state;
  cni_chunks_close(&r->chunks);
  for (int64_t i = 0; i < r->fields; i++) cni_free(g, r->names[i]);
  cni_free(g, r->names);
  cni_free(g, r->table.column);
  cni_free(g, r->scan.v);
  if (r->o) cni_options_free(g, &schema, r->o);
}

/* ---- opening ---- */
static bool read_names(reading *r) {
  if (!next_row(r)) return cn_ok(r->scan.g) && cn_fail(r->scan.g, CN_FORMAT, "read_csv: %s: holds no rows", r->scan.name) == CN_OK;
  r->header = cni_csv_is_header(&r->scan, r->o->header);
  r->names = cni_alloc(r->scan.g, (size_t)r->scan.n * sizeof *r->names);
  for (; r->names && r->fields < r->scan.n; r->fields++)
    if (!(r->names[r->fields] = cni_csv_name(&r->scan, r->fields, r->header))) return false;
  return r->names != NULL;
}

static bool open_source(cn_source *s, const cn_source_csv_args *a) {
  reading *r = s->state;
  cn_graph *g = s->home;
  r->o = cni_alloc(g, sizeof *r->o);
  if (!r->o) return false;
  *r->o = *a;
  r->o->graph = g;
  if (!cni_options_deepen(g, &schema, r->o, cni_take_alloc, NULL)) return false;
  const cn_source_csv_args *o = r->o;
  cn_read_csv_args_init(&r->rows, sizeof r->rows);
  r->rows = (cn_read_csv_args){ .graph = g,
                                .path = o->path,
                                .header = o->header,
                                .floats = "float32",
                                .delimiter = o->delimiter,
                                .quote = o->quote,
                                .missing = o->missing,
                                .missing_integer = CN_NONE };
  r->scan.g = g;
  if (!cni_csv_options(&r->scan, &r->rows) || !open_file(r) || !read_names(r)) return false;
  const cni_wanted wanted = { o->inputs, o->targets, o->sample_weight, o->dtype, o->target_dtype };
  return cni_table_choose(g, "read_csv", r->scan.name, (const char *const *)r->names, r->fields, &wanted, &r->table) &&
         cni_table_columns(s, "read_csv", &r->table);
}

cn_source *cn_source_csv_run(const cn_source_csv_args *a) {
  static const cn_source_methods methods = { .next = next, .reset = reset, .finish = finish };
  if (!a || !cn_ok(a->graph) || !cni_options_check(a->graph, &schema, a)) return NULL;
  cn_source *s = cni_source_make(a->graph, NULL, &methods, sizeof(reading));
  if (s) open_source(s, a);
  return cni_source_done(s);
}
