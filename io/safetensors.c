#include "safetensors.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "io_private.h"

enum { F16 = CN_DTYPES, BF16 };
static const struct { const char *name; int dtype; size_t width; } types[] = { { "F64", CN_F64, 8 }, { "F32", CN_F32, 4 }, { "I64", CN_I64, 8 }, { "I32", CN_I32, 4 }, { "U8", CN_U8, 1 }, { "BOOL", CN_BOOL, 1 }, { "F16", F16, 2 }, { "BF16", BF16, 2 } };
#define TYPES ((int)(sizeof types / sizeof *types))
#define LARGEST_HEADER 100000000u

typedef struct entry { const char *name; int type; cn_dims dims; uint64_t begin, end; } entry;
typedef struct file { cn_graph *g; const char *name; const unsigned char *data; size_t bytes; entry *v; int64_t n; } file;

static bool bad(const file *f, const char *text, const char *name) {
  cn_fail(f->g, CN_FORMAT, name ? "read_safetensors: %s: %s (%s)" : "read_safetensors: %s: %s", f->name, text, name);
  return false;
}

static bool read_shape(const file *f, const json_t *shape, entry *e) {
  if (!json_is_array(shape) || json_array_size(shape) > CN_MAX_RANK) return bad(f, "a shape is no list of at most 8 sizes", e->name);
  e->dims.rank = (int)json_array_size(shape);
  for (int i = 0; i < e->dims.rank; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    if (!json_is_integer(d) || json_integer_value(d) < 0) return bad(f, "a size is no number from 0 on", e->name);
    e->dims.d[i] = json_integer_value(d);
  }
  return true;
}

static bool read_entry(const file *f, const char *name, const json_t *j, entry *e) {
  const char *type = json_string_value(json_object_get(j, "dtype"));
  const json_t *offsets = json_object_get(j, "data_offsets"), *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  e->name = name;
  e->type = -1;
  for (int i = 0; type && i < TYPES; i++)
    if (!strcmp(type, types[i].name)) e->type = i;
  if (e->type < 0) return bad(f, "a dtype is not one that is read", name);
  if (!read_shape(f, json_object_get(j, "shape"), e)) return false;
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
    return bad(f, "data_offsets are no two rising numbers", name);
  e->begin = (uint64_t)json_integer_value(begin);
  e->end = (uint64_t)json_integer_value(end);
  size_t bytes = types[e->type].width;
  for (int i = 0; i < e->dims.rank; i++)
    if (!cni_size_multiply(bytes, (size_t)e->dims.d[i], &bytes)) return bad(f, "a shape overflows", name);
  if (e->end > f->bytes || e->end - e->begin != bytes) return bad(f, "data_offsets do not fit the shape or the file", name);
  return true;
}

static int by_offset(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin) : (x->end > y->end) - (x->end < y->end);
}

static bool read_entries(file *f, json_t *header) {
  const char *name;
  json_t *j;
  f->v = cni_alloc(f->g, (json_object_size(header) + 1) * sizeof *f->v);
  if (!f->v) return false;
  json_object_foreach(header, name, j) {
    if (!strcmp(name, "__metadata__")) continue;
    if (!read_entry(f, name, j, &f->v[f->n])) return false;
    f->n++;
  }
  qsort(f->v, (size_t)f->n, sizeof *f->v, by_offset);
  uint64_t at = 0;
  for (int64_t i = 0; i < f->n; i++) {
    if (f->v[i].begin != at) return bad(f, "the data has holes or overlaps", f->v[i].name);
    at = f->v[i].end;
  }
  return at == f->bytes || bad(f, "there is data that belongs to no array", NULL);
}

/* Half-precision numbers as float32. */
static float half(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
  float v;
  uint32_t bits = sign | (exponent + 112) << 23 | mantissa << 13;
  if (exponent == 31) bits = sign | 0x7f800000u | mantissa << 13;
  if (!exponent) { /* zero or a number below 2^-14 */
    v = (float)mantissa * 0x1p-24f;
    return sign ? -v : v;
  }
  memcpy(&v, &bits, sizeof v);
  return v;
}
static float brain(uint16_t h) {
  const uint32_t bits = (uint32_t)h << 16;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

static cn_arrays *copy_arrays(const file *f) {
  cn_arrays *list = cn_arrays_new(f->g);
  for (int64_t i = 0; list && i < f->n && cn_ok(f->g); i++) {
    const entry *e = &f->v[i];
    const int type = types[e->type].dtype;
    const unsigned char *from = f->data + e->begin;
    if (type < CN_DTYPES) {
      cn_arrays_add(f->g, list, e->name, (cn_dtype)type, &e->dims, from);
      continue;
    }
    cn_named_array *v = cn_arrays_add(f->g, list, e->name, CN_F32, &e->dims, NULL);
    for (uint64_t k = 0; v && k < (e->end - e->begin) / 2; k++) {
      const uint16_t h = (uint16_t)(from[2 * k] | from[2 * k + 1] << 8);
      ((float *)v->data)[k] = type == F16 ? half(h) : brain(h);
    }
  }
  if (cn_ok(f->g)) return list;
  cn_arrays_free(f->g, list);
  return NULL;
}

static cn_arrays *parse(cn_graph *g, const char *path, const unsigned char *p, size_t size) {
  file f = { .g = g, .name = cni_file_name(path) };
  uint64_t length = 0;
  cn_arrays *list = NULL;
  for (int i = 7; size >= 8 && i >= 0; i--) length = length << 8 | p[i];
  if (size < 8 || length > size - 8 || length > LARGEST_HEADER) return bad(&f, "no safetensors file: its header does not fit", NULL), NULL;
  json_error_t e;
  json_t *header = json_loadb((const char *)p + 8, (size_t)length, JSON_REJECT_DUPLICATES, &e);
  f.data = p + 8 + length;
  f.bytes = size - 8 - (size_t)length;
  if (!json_is_object(header)) bad(&f, "its header is no JSON object", e.text);
  else if (read_entries(&f, header)) list = copy_arrays(&f);
  cni_free(g, f.v);
  json_decref(header);
  return list;
}

cn_arrays *cn_read_safetensors(cn_graph *g, const char *path) {
  size_t size;
  if (!cn_ok(g)) return NULL;
  unsigned char *p = cni_read_file(g, "read_safetensors", path, &size);
  cn_arrays *list = p ? parse(g, path, p, size) : NULL;
  cni_free(g, p);
  return list;
}

/* ---- writing ---- */
static size_t bytes_of(const cn_named_array *v) {
  size_t n = cn_dtype_size(v->dtype);
  for (int i = 0; i < v->dims.rank; i++) n *= (size_t)v->dims.d[i];
  return n;
}

static char *header_of(cn_graph *g, const cn_arrays *a) {
  json_t *header = json_object();
  uint64_t at = 0;
  for (int64_t i = 0; i < a->n; i++) {
    const cn_named_array *v = &a->v[i];
    const char *type = NULL;
    json_t *shape = json_array();
    for (int k = 0; k < TYPES; k++)
      if (types[k].dtype == (int)v->dtype) type = types[k].name;
    for (int k = 0; k < v->dims.rank; k++) json_array_append_new(shape, json_integer(v->dims.d[k]));
    const uint64_t end = at + bytes_of(v);
    json_t *one = json_pack("{s:s, s:o, s:[I, I]}", "dtype", type ? type : "", "shape", shape, "data_offsets", (json_int_t)at, (json_int_t)end);
    if (!type) cn_fail(g, CN_DTYPE, "write_safetensors: %s holds %s", v->name, cn_dtype_name(v->dtype));
    else if (json_object_get(header, v->name)) cn_fail(g, CN_VALUE, "write_safetensors: there are two arrays named %s", v->name);
    else if (!one || json_object_set(header, v->name, one)) cn_fail(g, CN_FORMAT, "write_safetensors: the name of array %lld is no UTF-8 text", (long long)i);
    json_decref(one);
    at = end;
  }
  char *text = cn_ok(g) ? json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  json_decref(header);
  if (!text) cn_fail(g, CN_NO_MEMORY, "write_safetensors: out of memory");
  return text;
}

bool cn_write_safetensors(cn_graph *g, const char *path, const cn_arrays *a) {
  if (!cn_ok(g) || !a) return false;
  char *header = header_of(g, a);
  cni_new_file out;
  if (!header || !cni_new_file_open(g, "write_safetensors", path, &out)) return free(header), false;
  const size_t length = strlen(header), padded = (length + 7) / 8 * 8;
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)(padded >> 8 * i);
  bool ok = fwrite(size, 1, 8, out.f) == 8 && fwrite(header, 1, length, out.f) == length;
  for (size_t i = length; ok && i < padded; i++) ok = fputc(' ', out.f) != EOF;
  for (int64_t i = 0; ok && i < a->n; i++) ok = fwrite(a->v[i].data, 1, bytes_of(&a->v[i]), out.f) == bytes_of(&a->v[i]);
  free(header);
  return cni_new_file_close(g, "write_safetensors", &out, ok);
}
