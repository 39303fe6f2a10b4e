/* Rows of arrays in memory. */
#include "source_private.h"

typedef struct arrays {
  cni_cursor run;
  cn_source *self;
  const cn_named_array **v;         // [columns]
} arrays;

/* n rows of a column, at `to`. */
static bool copy_rows(cn_graph *g, const cn_source *s, const cn_named_array *v, int64_t column, int64_t row, int64_t n, void *to) {
  const size_t bytes = s->row[column];
  if (v->dtype != CN_STRING) {
    if (n && bytes) memcpy(to, (const char *)v->data + (size_t)row * bytes, (size_t)n * bytes);
    return true;
  }
  const int64_t texts = (int64_t)(bytes / sizeof(cn_text));
  for (int64_t k = 0; k < n * texts; k++) {
    int64_t length;
    const char *p = cn_arrays_string(v, row * texts + k, &length);
    if (!cn_text_set(g, (cn_text *)to + k, p, length)) return false;
  }
  return true;
}
static bool fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  const arrays *a = state;
  for (int64_t k = 0; k < a->self->n; k++)
    for (int64_t i = 0; i < n; i++)
      if (!copy_rows(g, a->self, a->v[k], k, index[i], 1, (char *)out->v[k] + (size_t)i * a->self->row[k])) return false;
  return true;
}
static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  arrays *a = state;
  const int64_t got = cni_cursor_left(&a->run, n);
  for (int64_t k = 0; k < a->self->n; k++)
    if (!copy_rows(g, a->self, a->v[k], k, a->run.at, got, out->v[k])) return -1;
  a->run.at += got;
  return got;
}
static void finish(cn_graph *g, void *state) { cni_free(g, ((arrays *)state)->v); }

static bool array_ok(cn_graph *g, const cn_named_array *v, const cn_named_array *first, const char *kind) {
  if (!v) return cn_fail(g, CN_VALUE, "arrays: an array of the %s is NULL", kind), false;
  if (v->dims.rank < 1) return cn_fail(g, CN_SHAPE, "arrays: \"%s\" needs a first axis, the samples", v->name), false;
  if (v->dims.d[0] != first->dims.d[0])
    return cn_fail(g, CN_SHAPE, "arrays: \"%s\" has %lld samples, \"%s\" has %lld", first->name, (long long)first->dims.d[0], v->name, (long long)v->dims.d[0]),
           false;
  return true;
}

cn_source *cn_source_arrays(cn_graph *g, const cn_named_array *const *x, int64_t nx, const cn_named_array *const *y, int64_t ny, const cn_named_array *const *w,
                            int64_t nw) {
  static const cn_source_methods methods = { next, cni_cursor_reset, cni_cursor_size, cni_cursor_seek, fetch, finish };
  const struct { const cn_named_array *const *v; int64_t n; const char *kind; } lists[] = { { x, nx, "inputs" }, { y, ny, "targets" }, { w, nw, "weights" } };
  const cn_named_array *all[CN_SOURCE_COLUMNS];
  cn_column columns[CN_SOURCE_COLUMNS];
  int64_t n = 0;
  if (!cn_ok(g)) return NULL;
  for (int k = 0; k < 3; k++)
    for (int64_t i = 0; i < lists[k].n && n < CN_SOURCE_COLUMNS; i++, n++) {
      const cn_named_array *v = all[n] = lists[k].v[i];
      if (!array_ok(g, v, all[0], lists[k].kind)) return NULL;
      columns[n] = (cn_column){ v->dtype, { v->dims.rank - 1, { 0 } } };
      memcpy(columns[n].dims.d, v->dims.d + 1, (size_t)(v->dims.rank - 1) * sizeof *v->dims.d);
    }
  cn_source *s = cni_source_make(g, NULL, &methods, sizeof(arrays));
  if (!s || !cni_source_columns(s, "arrays", columns, nx, ny, nw)) return cni_source_done(s);
  arrays *a = s->state;
  *a = (arrays){ .self = s, .v = cni_alloc(s->home, (size_t)n * sizeof *a->v), .run = { .count = all[0]->dims.d[0] } };
  if (a->v) memcpy(a->v, all, (size_t)n * sizeof *all);
  return cni_source_done(s);
}
