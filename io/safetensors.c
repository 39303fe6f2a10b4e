/* Reading safetensors. */
#include "safetensors.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "safetensors_private.h"

const char *const cni_safetensors_types[CNI_ELEMENTS] = {
  [CNI_I8] = "I8",     [CNI_U8] = "U8",   [CNI_BOOL] = "BOOL", [CNI_I16] = "I16", [CNI_U16] = "U16", [CNI_F16] = "F16",
  [CNI_BF16] = "BF16", [CNI_I32] = "I32", [CNI_U32] = "U32",   [CNI_F32] = "F32", [CNI_I64] = "I64", [CNI_F64] = "F64",
};

typedef struct entry { const char *name; cni_element element; cn_dims dims; uint64_t begin, end; } entry;
typedef struct reader { cni_input in; uint64_t data_bytes, total; entry *v; int64_t n; cn_arrays *list; } reader;

static bool read_type(const reader *r, const json_t *j, entry *e) {
  const char *type = json_string_value(json_object_get(j, "dtype"));
  if (!type) return cni_input_fail(&r->in, "%s: its dtype is missing", e->name);
  for (int i = 0; i < CNI_ELEMENTS; i++) {
    e->element = (cni_element)i;
    if (strcmp(type, cni_safetensors_types[i]) == 0) return true;
  }
  cn_fail(r->in.g, CN_UNSUPPORTED, "%s: %s: %s: dtype %.20s is not read", r->in.what, r->in.name, e->name, type);
  return false;
}

static bool read_shape(const reader *r, const json_t *j, entry *e) {
  const json_t *shape = json_object_get(j, "shape");
  if (!json_is_array(shape)) return cni_input_fail(&r->in, "%s: its shape is no list", e->name);
  const size_t rank = json_array_size(shape);
  if (rank > CN_MAX_RANK) return cni_input_fail(&r->in, "%s: has %zu axes, at most %d are read", e->name, rank, CN_MAX_RANK);
  e->dims.rank = (int)rank;
  for (int i = 0; i < e->dims.rank; i++) {
    const json_t *size = json_array_get(shape, (size_t)i);
    if (!json_is_integer(size) || json_integer_value(size) < 0) return cni_input_fail(&r->in, "%s: a size of its shape is no integer from 0 on", e->name);
    e->dims.d[i] = json_integer_value(size);
  }
  return cn_dims_count(&e->dims) >= 0 || cni_input_fail(&r->in, "%s: its shape overflows", e->name);
}

static bool read_offsets(const reader *r, const json_t *j, entry *e) {
  const json_t *offsets = json_object_get(j, "data_offsets"), *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  const bool integers = json_array_size(offsets) == 2 && json_is_integer(begin) && json_is_integer(end);
  if (!integers || json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
    return cni_input_fail(&r->in, "%s: its data_offsets are no two rising integers", e->name);
  e->begin = (uint64_t)json_integer_value(begin);
  e->end = (uint64_t)json_integer_value(end);
  const uint64_t bytes = (uint64_t)cn_dims_count(&e->dims) * cni_element_size(e->element);
  char text[160], a[32], b[32];
  if (e->end - e->begin == bytes) return true;
  return cni_input_fail(&r->in, "%s: %s %s takes %s bytes, but its data_offsets span %s", e->name, cni_safetensors_types[e->element],
                        cn_dims_text(&e->dims, text, sizeof text), cni_thousands(bytes, a, sizeof a), cni_thousands(e->end - e->begin, b, sizeof b));
}

static int by_offset(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin) : (x->end > y->end) - (x->end < y->end);
}

/* The arrays fill the data from its first byte to its last, one after the other. */
static bool check_layout(reader *r) {
  uint64_t at = 0;
  if (r->n > 1) qsort(r->v, (size_t)r->n, sizeof *r->v, by_offset);
  for (int64_t i = 0; i < r->n; i++) {
    const entry *e = &r->v[i];
    if (e->begin != at) return cni_input_fail(&r->in, "%s: its data %s", e->name, e->begin < at ? "overlaps that of another array" : "begins after a hole");
    at = e->end;
  }
  r->total = r->in.position + at;
  if (!cni_input_holds(&r->in, r->total)) return false;
  char text[32];
  return at == r->data_bytes || cni_input_fail(&r->in, "%s bytes at its end belong to no array", cni_thousands(r->data_bytes - at, text, sizeof text));
}

static bool read_metadata(const reader *r, json_t *j) {
  const char *key;
  json_t *value;
  if (!json_is_object(j)) return cni_input_fail(&r->in, "__metadata__ is no object");
  json_object_foreach(j, key, value) {
    if (!json_is_string(value)) return cni_input_fail(&r->in, "__metadata__: %s is no text", key);
    if (!cn_arrays_set_metadata(r->in.g, r->list, key, json_string_value(value))) return false;
  }
  return true;
}

static bool read_entries(reader *r, json_t *header) {
  const char *name;
  json_t *j;
  r->v = cni_alloc(r->in.g, (json_object_size(header) + 1) * sizeof *r->v);
  if (!r->v) return false;
  json_object_foreach(header, name, j) {
    entry *e = &r->v[r->n];
    if (strcmp(name, CNI_SAFETENSORS_METADATA) == 0) {
      if (!read_metadata(r, j)) return false;
      continue;
    }
    e->name = name;
    if (!read_type(r, j, e) || !read_shape(r, j, e) || !read_offsets(r, j, e)) return false;
    r->n++;
  }
  return check_layout(r);
}

static bool read_arrays(reader *r) {
  for (int64_t i = 0; i < r->n; i++) {
    const entry *e = &r->v[i];
    const cn_named_array *v = cn_arrays_add(r->in.g, r->list, e->name, cni_element_dtype(e->element), &e->dims, NULL);
    if (!v || !cni_input_exactly(&r->in, v->data, (size_t)(e->end - e->begin), r->total)) return false;
    cni_elements_decode(v->data, e->element, false, cn_dims_count(&e->dims));
  }
  return cni_input_end(&r->in);
}

static json_t *parse_header(reader *r, char *text, size_t length) {
  json_error_t error;
  if (!cni_input_exactly(&r->in, text, length, 8 + length)) return NULL;
  json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (json_is_object(header)) return header;
  if (header) cni_input_fail(&r->in, "its header is no JSON object");
  else if (json_error_code(&error) == json_error_out_of_memory) cn_fail(r->in.g, CN_NO_MEMORY, "%s: %s: out of memory", r->in.what, r->in.name);
  else cni_input_fail(&r->in, "its header is no JSON: line %d column %d: %s", error.line, error.column, error.text);
  json_decref(header);
  return NULL;
}

static bool read_length(reader *r, size_t *length) {
  unsigned char bytes[8];
  uint64_t n = 0;
  char text[32];
  if (!cni_input_exactly(&r->in, bytes, sizeof bytes, sizeof bytes)) return false;
  for (int i = 7; i >= 0; i--) n = n << 8 | bytes[i];
  if (n > CNI_SAFETENSORS_HEADER) return cni_input_fail(&r->in, "no safetensors file: a header of %s bytes", cni_thousands(n, text, sizeof text));
  *length = (size_t)n;
  if (!cni_input_holds(&r->in, 8 + n)) return false;
  r->data_bytes = r->in.at_most - 8 - n;
  return true;
}

static bool read_file(reader *r) {
  size_t length = 0;
  r->list = cn_arrays_new(r->in.g);
  if (!r->list || !read_length(r, &length)) return false;
  char *text = cni_alloc(r->in.g, length + 1);
  json_t *header = text ? parse_header(r, text, length) : NULL;
  cni_free(r->in.g, text);
  const bool ok = header && read_entries(r, header) && read_arrays(r);
  cni_free(r->in.g, r->v);
  json_decref(header);
  return ok;
}

cn_arrays *cn_read_safetensors(cn_graph *g, const char *path) {
  reader r = { .n = 0 };
  if (!cni_input_open(&r.in, g, "read_safetensors", path, false)) return NULL;
  const bool ok = read_file(&r);
  cni_input_close(&r.in);
  if (ok) return r.list;
  cn_arrays_free(g, r.list);
  return NULL;
}
