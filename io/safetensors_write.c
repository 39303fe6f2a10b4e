/* Writing safetensors. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "safetensors.h"
#include "safetensors_private.h"

/* The arrays are written as they stand in memory. */
static const cni_element elements[CN_DTYPES] = {
  [CN_F32] = CNI_F32, [CN_F64] = CNI_F64, [CN_I32] = CNI_I32, [CN_I64] = CNI_I64, [CN_U8] = CNI_U8, [CN_BOOL] = CNI_BOOL,
};

static bool fail_memory(cn_graph *g) { return cn_fail(g, CN_NO_MEMORY, "write_safetensors: out of memory"), false; }

/* Adds a text or an object under a name that must be UTF-8 and new; takes `value` over. */
static bool put(cn_graph *g, json_t *object, const char *kind, const char *name, json_t *value) {
  json_t *valid = json_string(name); /* NULL where the name is no UTF-8 */
  bool ok = false;
  if (!valid || !value) cn_fail(g, CN_VALUE, "write_safetensors: the %s \"%.60s\" is no UTF-8 text", kind, name);
  else if (json_object_get(object, name)) cn_fail(g, CN_VALUE, "write_safetensors: the %s \"%.60s\" stands twice", kind, name);
  else ok = json_object_set(object, name, value) == 0 || fail_memory(g);
  json_decref(valid);
  json_decref(value);
  return ok;
}

static bool put_metadata(cn_graph *g, json_t *header, const cn_arrays *a) {
  if (a->metadata_n == 0) return true;
  json_t *texts = json_object();
  bool ok = texts || fail_memory(g);
  for (int64_t i = 0; ok && i < a->metadata_n; i++) ok = put(g, texts, "text of metadata", a->metadata[i].key, json_string(a->metadata[i].value));
  if (ok) return json_object_set_new(header, CNI_SAFETENSORS_METADATA, texts) == 0 || fail_memory(g);
  json_decref(texts);
  return false;
}

static bool put_array(cn_graph *g, json_t *header, const cn_named_array *v, uint64_t *at) {
  if (strcmp(v->name, CNI_SAFETENSORS_METADATA) == 0) return cn_fail(g, CN_VALUE, "write_safetensors: no array may be named %s", v->name), false;
  const uint64_t begin = *at;
  *at += cni_array_bytes(v);
  json_t *shape = json_array();
  bool ok = shape != NULL;
  for (int i = 0; ok && i < v->dims.rank; i++) ok = json_array_append_new(shape, json_integer(v->dims.d[i])) == 0;
  const char *type = cni_safetensors_types[elements[v->dtype]];
  json_t *row = ok ? json_pack("{s:s, s:O, s:[I, I]}", "dtype", type, "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)*at) : NULL;
  json_decref(shape);
  return row ? put(g, header, "name", v->name, row) : fail_memory(g);
}

static char *header_text(cn_graph *g, const cn_arrays *a) {
  json_t *header = json_object();
  bool ok = header ? put_metadata(g, header, a) : fail_memory(g);
  uint64_t at = 0;
  for (int64_t i = 0; ok && i < a->n; i++) ok = put_array(g, header, &a->v[i], &at);
  char *text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
  if (ok && !text) fail_memory(g);
  json_decref(header);
  return text;
}

static bool write_all(cni_output *out, const char *header, const cn_arrays *a) {
  static const char spaces[] = "        ";
  const size_t length = strlen(header), padded = (length + 7) / 8 * 8;
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)(padded >> 8 * i);
  bool ok = cni_output_write(out, size, sizeof size) && cni_output_write(out, header, length) && cni_output_write(out, spaces, padded - length);
  for (int64_t i = 0; ok && i < a->n; i++) ok = cni_output_write(out, a->v[i].data, cni_array_bytes(&a->v[i]));
  return ok;
}

bool cn_write_safetensors(cn_graph *g, const char *path, const cn_arrays *a) {
  cni_output out;
  if (!cni_arrays_check(g, "write_safetensors", path, a, false)) return false;
  char *header = header_text(g, a);
  const bool fits = header && strlen(header) + 7 <= CNI_SAFETENSORS_HEADER;
  if (header && !fits) cn_fail(g, CN_VALUE, "write_safetensors: the names take more than 100 MB");
  const bool ok = fits && cni_output_open(&out, g, "write_safetensors", path) && cni_output_close(&out, write_all(&out, header, a));
  free(header);
  return ok;
}
