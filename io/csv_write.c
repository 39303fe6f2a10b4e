/* Writing a table. */
#include <string.h>
#include "csv.h"
#include "io_private.h"

static int64_t columns_of(const cn_named_array *v) { return v->dims.rank == 2 ? v->dims.d[1] : 1; }

static bool same_rows(cn_graph *g, const cn_arrays *a) {
  for (int64_t i = 0; i < a->n; i++) {
    const cn_named_array *first = &a->v[0], *v = &a->v[i];
    char text[160], other[160];
    cn_dims_text(&v->dims, text, sizeof text);
    if (v->dims.rank != 1 && v->dims.rank != 2) return cn_fail(g, CN_SHAPE, "write_csv: %s has shape %s, wanted [rows] or [rows,k]", v->name, text), false;
    if (v->dims.d[0] == first->dims.d[0]) continue;
    cn_dims_text(&first->dims, other, sizeof other);
    cn_fail(g, CN_SHAPE, "write_csv: the rows differ: %s is %s, %s is %s", first->name, other, v->name, text);
    return false;
  }
  return true;
}

/* A text that would be read as something else without quotes. */
static bool needs_quotes(const char *p, size_t n) {
  static const char *const missing[] = { "", "NA", "NaN", "null" };
  for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
    if (strlen(missing[i]) == n && memcmp(missing[i], p, n) == 0) return true;
  if (strchr(" \t", p[0]) || strchr(" \t", p[n - 1])) return true;
  return memchr(p, ',', n) || memchr(p, '"', n) || memchr(p, '\n', n) || memchr(p, '\r', n);
}

static bool write_text(cni_output *out, const char *p, size_t n) {
  if (memchr(p, '\0', n)) return cn_fail(out->g, CN_VALUE, "write_csv: a text has a zero byte"), false;
  if (!needs_quotes(p, n)) return cni_output_write(out, p, n);
  bool ok = cni_output_write(out, "\"", 1);
  for (size_t i = 0; ok && i < n; i++) ok = cni_output_write(out, p[i] == '"' ? "\"\"" : p + i, p[i] == '"' ? 2 : 1);
  return ok && cni_output_write(out, "\"", 1);
}

static bool write_element(cni_output *out, const cn_named_array *v, int64_t i) {
  char text[64];
  int64_t length;
  int n = 0;
  switch (v->dtype) {
    case CN_F32: n = cni_number_text((double)((const float *)v->data)[i], 9, text, sizeof text); break;
    case CN_F64: n = cni_number_text(((const double *)v->data)[i], 17, text, sizeof text); break;
    case CN_I32: n = snprintf(text, sizeof text, "%d", ((const int32_t *)v->data)[i]); break;
    case CN_I64: n = snprintf(text, sizeof text, "%lld", (long long)((const int64_t *)v->data)[i]); break;
    case CN_U8: n = snprintf(text, sizeof text, "%d", ((const uint8_t *)v->data)[i]); break;
    case CN_BOOL: n = snprintf(text, sizeof text, "%d", ((const bool *)v->data)[i]); break;
    case CN_STRING: {
      const char *p = cn_arrays_string(v, i, &length);
      return write_text(out, p, (size_t)length);
    }
  }
  return cni_output_write(out, text, (size_t)n);
}

static bool write_name(cni_output *out, const cn_named_array *v, int64_t column) {
  if (v->dims.rank == 1) return write_text(out, v->name, strlen(v->name));
  const size_t size = strlen(v->name) + 24;
  char *name = cni_alloc(out->g, size);
  if (!name) return false;
  const int n = snprintf(name, size, "%s_%lld", v->name, (long long)column);
  const bool ok = write_text(out, name, (size_t)n);
  cni_free(out->g, name);
  return ok;
}

/* One line: the names, where row is -1. */
static bool write_row(cni_output *out, const cn_arrays *a, int64_t row) {
  bool first = true;
  for (int64_t i = 0; i < a->n; i++) {
    const int64_t columns = columns_of(&a->v[i]);
    for (int64_t j = 0; j < columns; j++, first = false) {
      if (!first && !cni_output_write(out, ",", 1)) return false;
      if (!(row < 0 ? write_name(out, &a->v[i], j) : write_element(out, &a->v[i], row * columns + j))) return false;
    }
  }
  return cni_output_write(out, "\n", 1);
}

static bool write_table(cni_output *out, const cn_arrays *a) {
  const int64_t rows = a->n > 0 ? a->v[0].dims.d[0] : 0;
  for (int64_t row = -1; row < rows; row++)
    if (!write_row(out, a, row)) return false;
  return true;
}

bool cn_write_csv(cn_graph *g, const char *path, const cn_arrays *a) {
  cni_output out;
  if (!cni_arrays_check(g, "write_csv", path, a, true)) return false;
  if (a->n == 0) return cn_fail(g, CN_VALUE, "write_csv: there are no columns"), false;
  return same_rows(g, a) && cni_output_open(&out, g, "write_csv", path) && cni_output_close(&out, write_table(&out, a));
}
