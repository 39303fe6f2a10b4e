/* Fields as numbers and texts. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "csv_private.h"

bool cni_csv_is_missing(const cni_csv *c, const cni_field *f) {
  const cn_strings *words = c->missing;
  if (f->n > 0 && !c->missing_first[(unsigned char)*f->p]) return false; /* nearly every number ends here */
  for (int64_t i = 0; i < words->n; i++)
    if (strlen(words->v[i]) == f->n && memcmp(words->v[i], f->p, f->n) == 0) return true;
  return false;
}

/* A number fills the field; what follows the field is a delimiter, a quote or a line end, none of which a number contains. */
static bool parse_integer(const cni_field *f, int64_t *v) { return f->n > 0 && cni_integer_parse(f->p, v) == f->p + f->n; }

static bool parse_real(const cni_field *f, double *v) { return f->n > 0 && cni_number_parse(f->p, v) == f->p + f->n; }

bool cni_csv_is_number(const cni_field *f) {
  double v;
  return parse_real(f, &v);
}

void cni_column_see(cni_column *k, const cni_csv *c, const cn_read_csv_args *o) {
  const cni_field *f = &c->v[k->index], t = cni_field_trim(f);
  const bool texts = k->text || k->dtype == CN_STRING || k->dtype == CNI_CSV_AUTO;
  if (texts) k->bytes += !f->quoted && o->missing_string && cni_csv_is_missing(c, &t) ? strlen(o->missing_string) : cni_field_bytes(c, f);
  if (k->dtype != CNI_CSV_AUTO || k->text) return;
  int64_t integer;
  const bool missing = cni_csv_is_missing(c, &t);
  if (!missing && !k->real && parse_integer(&t, &integer)) return;
  k->real = true;
  k->text = !missing && !cni_csv_is_number(&t);
}

void cni_column_decide(cni_column *k, cn_dtype floats, int64_t rows) {
  if (k->dtype == CNI_CSV_AUTO) k->dtype = k->text ? CN_STRING : k->real || rows == 0 ? floats : CN_I64;
}

static bool refuse(const cni_column *k, const cni_csv *c, const cni_field *f) {
  return cni_csv_fail(c, "column \"%.60s\": \"%.*s\" is no %s", k->name, (int)(f->n < 40 ? f->n : 40), f->p, cn_dtype_name(k->dtype));
}

static bool refuse_missing(const cni_column *k, const cni_csv *c, const char *option) {
  return cni_csv_fail(c, "column \"%.60s\": a value is missing; the option %s says what it becomes", k->name, option);
}

static bool store_real(cni_column *k, const cni_csv *c, const cni_field *f, bool missing, int64_t row) {
  double v = NAN;
  if (!missing && !parse_real(f, &v)) return refuse(k, c, f);
  if (k->dtype == CN_F64) ((double *)k->array->data)[row] = v;
  else ((float *)k->array->data)[row] = (float)v;
  return true;
}

static bool parse_bool(const cni_field *f, int64_t *v) {
  static const struct { const char *text; int64_t value; } words[] = { { "true", 1 }, { "false", 0 }, { "1", 1 }, { "0", 0 } };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    *v = words[i].value;
    if (strlen(words[i].text) == f->n && strncasecmp(words[i].text, f->p, f->n) == 0) return true;
  }
  return false;
}

static bool store_integer(cni_column *k, const cni_csv *c, const cn_read_csv_args *o, const cni_field *f, bool missing, int64_t row) {
  static const struct { int64_t least, most; } ranges[CN_DTYPES] = {
    [CN_I32] = { INT32_MIN, INT32_MAX },
    [CN_I64] = { INT64_MIN, INT64_MAX },
    [CN_U8] = { 0, UINT8_MAX },
    [CN_BOOL] = { 0, 1 },
  };
  int64_t v = o->missing_integer;
  if (missing && v == CN_NONE) return refuse_missing(k, c, "missing_integer");
  if (!missing && !(k->dtype == CN_BOOL ? parse_bool : parse_integer)(f, &v)) return refuse(k, c, f);
  if (v < ranges[k->dtype].least || v > ranges[k->dtype].most) return refuse(k, c, f);
  switch (k->dtype) {
    case CN_I32: return ((int32_t *)k->array->data)[row] = (int32_t)v, true;
    case CN_I64: return ((int64_t *)k->array->data)[row] = v, true;
    default: return ((uint8_t *)k->array->data)[row] = (uint8_t)v, true;
  }
}

static bool store_text(cni_column *k, const cni_csv *c, const cn_read_csv_args *o, const cni_field *f, bool missing, int64_t row) {
  if (missing && !o->missing_string) return refuse_missing(k, c, "missing_string");
  int64_t *offsets = k->array->data;
  char *to = (char *)(offsets + k->array->dims.d[0] + 1) + offsets[row];
  const size_t bytes = missing ? strlen(o->missing_string) : cni_field_bytes(c, f);
  if (!missing) cni_field_copy(c, f, to);
  else if (bytes) memcpy(to, o->missing_string, bytes);
  offsets[row + 1] = offsets[row] + (int64_t)bytes;
  return true;
}

bool cni_column_store(cni_column *k, const cni_csv *c, const cn_read_csv_args *o, int64_t row) {
  const cni_field *f = &c->v[k->index], t = cni_field_trim(f);
  const bool missing = cni_csv_is_missing(c, &t);
  if (k->dtype == CN_STRING) return store_text(k, c, o, f, missing && !f->quoted, row);
  return k->dtype == CN_F32 || k->dtype == CN_F64 ? store_real(k, c, &t, missing, row) : store_integer(k, c, o, &t, missing, row);
}
