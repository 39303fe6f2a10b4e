/* Rows of a query, by libsqlite3. */
#include <math.h>
#include "../core/options_private.h"
#include "files.h"
#include "io_private.h"
#include "table_private.h"

CN_SCHEMA_DATA_(source_sqlite, cn_source_sqlite_args, CN_SOURCE_SQLITE)
static const cn_schema schema = CN_SCHEMA_(source_sqlite, "source_sqlite", cn_source_sqlite_args);

CNI_ARGS_COPY(cn_source_sqlite, source_sqlite_defaults)

#ifndef CN_HAVE_SQLITE
cn_source *cn_source_sqlite_run(const cn_source_sqlite_args *a) {
  if (a && cni_options_check(a->graph, &schema, a))
    cn_fail(a->graph, CN_UNSUPPORTED, "source_sqlite: this build reads no databases: the feature sqlite (libsqlite3) was left out");
  return NULL;
}
#else
#include <sqlite3.h>

typedef struct query { char *name; sqlite3 *db; sqlite3_stmt *rows; cni_table table; int64_t classes, row; } query;

static bool fail_db(cn_graph *g, const query *q, int code) {
  const cn_code kind = code == SQLITE_NOMEM ? CN_NO_MEMORY : code == SQLITE_CANTOPEN || code == SQLITE_IOERR || code == SQLITE_BUSY ? CN_IO : CN_FORMAT;
  cn_fail(g, kind, "sqlite: %s: %s", q->name, q->db ? sqlite3_errmsg(q->db) : sqlite3_errstr(code));
  return false;
}

static bool refuse(cn_graph *g, const query *q, int k, cn_dtype dtype) {
  const bool null = sqlite3_column_type(q->rows, k) == SQLITE_NULL;
  const char *text = null ? NULL : (const char *)sqlite3_column_text(q->rows, k);
  if (null) cn_fail(g, CN_FORMAT, "sqlite: %s: row %lld: column \"%.60s\": a value is missing", q->name, (long long)q->row, sqlite3_column_name(q->rows, k));
  else
    cn_fail(g, CN_FORMAT, "sqlite: %s: row %lld: column \"%.60s\": \"%.40s\" is no %s", q->name, (long long)q->row, sqlite3_column_name(q->rows, k),
            text ? text : "", cn_dtype_name(dtype));
  return false;
}

/* A number, or a text that is one. */
static bool number(const query *q, int k, double *v) {
  switch (sqlite3_column_type(q->rows, k)) {
    case SQLITE_INTEGER:
    case SQLITE_FLOAT: return *v = sqlite3_column_double(q->rows, k), true;
    case SQLITE_TEXT: {
      const char *text = (const char *)sqlite3_column_text(q->rows, k), *end = text ? cni_number_parse(text, v) : NULL;
      return end && *end == '\0' && end > text;
    }
    default: return false;
  }
}

static bool put_integer(cn_graph *g, const query *q, int k, cn_dtype dtype, void *to) {
  static const struct {
    double least, most;
  } ranges[CN_DTYPES] = { [CN_I32] = { INT32_MIN, INT32_MAX }, [CN_I64] = { -0x1p63, 0x1p63 }, [CN_U8] = { 0, UINT8_MAX }, [CN_BOOL] = { 0, 1 } };
  double v = 0;
  if (!number(q, k, &v) || v != floor(v) || v < ranges[dtype].least || v > ranges[dtype].most) return refuse(g, q, k, dtype);
  const int64_t whole = sqlite3_column_type(q->rows, k) == SQLITE_INTEGER ? sqlite3_column_int64(q->rows, k) : v >= 0x1p63 ? INT64_MAX : (int64_t)v;
  if (dtype == CN_I32) *(int32_t *)to = (int32_t)whole;
  else if (dtype == CN_I64) *(int64_t *)to = whole;
  else *(uint8_t *)to = (uint8_t)whole;
  return true;
}

static bool put_value(cn_graph *g, const query *q, int64_t i, const cn_samples *out) {
  const int k = (int)q->table.column[i];
  const bool null = sqlite3_column_type(q->rows, k) == SQLITE_NULL;
  cn_dtype dtype;
  double v = NAN;
  void *to = cni_table_at(&q->table, out, i, &dtype);
  const bool real = dtype == CN_F32 || dtype == CN_F64;
  if (null && (!real || i >= q->table.inputs)) return refuse(g, q, k, dtype);
  if (dtype == CN_STRING) {
    const void *p = sqlite3_column_blob(q->rows, k); /* before its length */
    return cn_text_set(g, to, p, sqlite3_column_bytes(q->rows, k));
  }
  if (!real && !put_integer(g, q, k, dtype, to)) return false;
  if (real && !null && !number(q, k, &v)) return refuse(g, q, k, dtype);
  if (dtype == CN_F32) *(float *)to = (float)v;
  if (dtype == CN_F64) *(double *)to = v;
  if (q->classes == CN_NONE || i < q->table.inputs || i >= q->table.inputs + q->table.targets) return true;
  v = cni_number_of(dtype, to);
  if (v >= 0 && v < (double)q->classes && v == floor(v)) return true;
  cn_fail(g, CN_FORMAT, "sqlite: %s: row %lld: column \"%.60s\": label %g is not in [0, %lld)", q->name, (long long)q->row, sqlite3_column_name(q->rows, k), v,
          (long long)q->classes);
  return false;
}

static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  query *q = state;
  (void)n;
  const int code = sqlite3_step(q->rows);
  if (code == SQLITE_DONE) return 0;
  if (code != SQLITE_ROW) return fail_db(g, q, code), -1;
  q->row++;
  for (int64_t i = 0; i < q->table.count; i++)
    if (!put_value(g, q, i, out)) return -1;
  return 1;
}
static bool reset(cn_graph *g, void *state, int64_t epoch) {
  query *q = state;
  (void)g, (void)epoch;
  sqlite3_reset(q->rows); /* its code is that of the step before */
  q->row = 0;
  return true;
}
static void finish(cn_graph *g, void *state) {
  query *q = state;
  sqlite3_finalize(q->rows);
  sqlite3_close(q->db);
  cni_free(g, q->name);
  cni_free(g, q->table.column);
}

static bool prepare(cn_graph *g, query *q, const cn_source_sqlite_args *a) {
  const char *rest = NULL;
  int code = sqlite3_open_v2(a->path, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL);
  if (code == SQLITE_OK) code = sqlite3_prepare_v2(q->db, a->query, -1, &q->rows, &rest);
  if (code != SQLITE_OK) return fail_db(g, q, code);
  if (!q->rows || !sqlite3_column_count(q->rows)) return cn_fail(g, CN_VALUE, "sqlite: %s: the query gives no rows", q->name), false;
  if (rest[strspn(rest, " \t\r\n;")]) return cn_fail(g, CN_VALUE, "sqlite: %s: something follows the query: \"%.40s\"", q->name, rest), false;
  return true;
}

static bool open_source(cn_source *s, const cn_source_sqlite_args *a) {
  query *q = s->state;
  cn_graph *g = s->home;
  q->classes = a->classes;
  q->name = cni_strdup(g, cni_file_name(a->path));
  if (!q->name || !prepare(g, q, a)) return false;
  const int n = sqlite3_column_count(q->rows);
  const char **names = cni_alloc(g, (size_t)n * sizeof *names);
  for (int i = 0; names && i < n; i++) {
    names[i] = sqlite3_column_name(q->rows, i);
    if (!names[i]) cn_fail(g, CN_NO_MEMORY, "sqlite: %s: out of memory", q->name);
  }
  const cni_wanted wanted = { a->inputs, a->targets, a->sample_weight, a->dtype, a->target_dtype };
  const bool ok = names && cn_ok(g) && cni_table_choose(g, "sqlite", q->name, names, n, &wanted, &q->table) && cni_table_columns(s, "sqlite", &q->table);
  cni_free(g, names);
  return ok;
}

cn_source *cn_source_sqlite_run(const cn_source_sqlite_args *a) {
  static const cn_source_methods methods = { .next = next, .reset = reset, .finish = finish };
  if (!a || !cn_ok(a->graph) || !cni_options_check(a->graph, &schema, a)) return NULL;
  cn_source *s = cni_source_make(a->graph, NULL, &methods, sizeof(query));
  if (s) open_source(s, a);
  return cni_source_done(s);
}
#endif
