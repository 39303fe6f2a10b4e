/* Named arrays. */
#include "array.h"
#include <string.h>
#include "io_private.h"

cn_arrays *cn_arrays_new(cn_graph *g) { return cn_ok(g) ? cni_alloc(g, sizeof(cn_arrays)) : NULL; }

static bool dims_ok(cn_graph *g, const char *name, const cn_dims *dims) {
  char text[160];
  if (dims && dims->rank >= 0 && dims->rank <= CN_MAX_RANK && cn_dims_count(dims) >= 0) return true;
  if (!dims || dims->rank < 0 || dims->rank > CN_MAX_RANK) cn_fail(g, CN_SHAPE, "arrays: %s: the shape has more than %d axes", name, CN_MAX_RANK);
  else cn_fail(g, CN_SHAPE, "arrays: %s: the shape %s has an unknown size or is too large", name, cn_dims_text(dims, text, sizeof text));
  return false;
}

cn_named_array *cni_arrays_add(cn_graph *g, cn_arrays *a, const char *name, cn_dtype dtype, const cn_dims *dims, size_t bytes) {
  if (!a || !cn_ok(g)) return NULL;
  if (!name) return cn_fail(g, CN_VALUE, "arrays: an array has no name"), NULL;
  if (!dims_ok(g, name, dims) || !cni_grow(g, (void **)&a->v, a->n, &a->capacity, sizeof *a->v)) return NULL;
  const cn_named_array v = { cni_strdup(g, name), dtype, *dims, cni_alloc(g, bytes ? bytes : 1) };
  if (!v.name || !v.data) {
    cni_free(g, v.name);
    cni_free(g, v.data);
    return NULL;
  }
  a->v[a->n] = v;
  return &a->v[a->n++];
}

cn_named_array *cn_arrays_add(cn_graph *g, cn_arrays *a, const char *name, cn_dtype dtype, const cn_dims *dims, const void *data) {
  const size_t size = cn_dtype_size(dtype);
  if (!a || !cn_ok(g)) return NULL;
  if (!size) return cn_fail(g, CN_DTYPE, "arrays: %s: an array of %s is not added this way", name ? name : "", cn_dtype_name(dtype)), NULL;
  if (!dims_ok(g, name ? name : "", dims)) return NULL;
  const size_t bytes = (size_t)cn_dims_count(dims) * size; /* a count is below 2^59 */
  cn_named_array *v = cni_arrays_add(g, a, name, dtype, dims, bytes);
  if (v && data && bytes) memcpy(v->data, data, bytes);
  return v;
}

cn_named_array *cn_arrays_add_strings(cn_graph *g, cn_arrays *a, const char *name, const cn_dims *dims, const char *const *texts) {
  if (!a || !cn_ok(g) || !dims_ok(g, name ? name : "", dims)) return NULL;
  const int64_t n = cn_dims_count(dims);
  size_t bytes = ((size_t)n + 1) * sizeof(int64_t);
  for (int64_t i = 0; i < n; i++) {
    if (!texts || !texts[i]) return cn_fail(g, CN_VALUE, "arrays: %s: text %lld is missing", name ? name : "", (long long)i), NULL;
    bytes += strlen(texts[i]);
  }
  cn_named_array *v = cni_arrays_add(g, a, name, CN_STRING, dims, bytes);
  if (!v) return NULL;
  int64_t *offsets = v->data;
  char *to = (char *)(offsets + n + 1);
  for (int64_t i = 0; i < n; i++) {
    const size_t length = strlen(texts[i]);
    memcpy(to + offsets[i], texts[i], length);
    offsets[i + 1] = offsets[i] + (int64_t)length;
  }
  return v;
}

const char *cn_arrays_string(const cn_named_array *a, int64_t i, int64_t *length) {
  if (!a || a->dtype != CN_STRING || i < 0 || i >= cn_dims_count(&a->dims)) return NULL;
  const int64_t *offsets = a->data;
  if (length) *length = offsets[i + 1] - offsets[i];
  return (const char *)(offsets + cn_dims_count(&a->dims) + 1) + offsets[i];
}

const cn_named_array *cn_arrays_find(const cn_arrays *a, const char *name) {
  for (int64_t i = 0; a && name && i < a->n; i++)
    if (strcmp(a->v[i].name, name) == 0) return &a->v[i];
  return NULL;
}

static cn_metadata *metadata_of(const cn_arrays *a, const char *key) {
  for (int64_t i = 0; a && key && i < a->metadata_n; i++)
    if (strcmp(a->metadata[i].key, key) == 0) return &a->metadata[i];
  return NULL;
}

bool cn_arrays_set_metadata(cn_graph *g, cn_arrays *a, const char *key, const char *value) {
  if (!a || !cn_ok(g)) return false;
  if (!key || !value) return cn_fail(g, CN_VALUE, "arrays: metadata has no %s", key ? "text" : "key"), false;
  cn_metadata *old = metadata_of(a, key);
  if (!old && !cni_grow(g, (void **)&a->metadata, a->metadata_n, &a->metadata_capacity, sizeof *a->metadata)) return false;
  const cn_metadata m = { old ? old->key : cni_strdup(g, key), cni_strdup(g, value) };
  if (!m.key || !m.value) {
    if (!old) cni_free(g, m.key);
    cni_free(g, m.value);
    return false;
  }
  if (old) {
    cni_free(g, old->value);
    *old = m;
  } else a->metadata[a->metadata_n++] = m;
  return true;
}

const char *cn_arrays_metadata(const cn_arrays *a, const char *key) {
  const cn_metadata *m = metadata_of(a, key);
  return m ? m->value : NULL;
}

void cn_arrays_free(cn_graph *g, cn_arrays *a) {
  if (!g || !a) return;
  for (int64_t i = 0; i < a->n; i++) {
    cni_free(g, a->v[i].name);
    cni_free(g, a->v[i].data);
  }
  for (int64_t i = 0; i < a->metadata_n; i++) {
    cni_free(g, a->metadata[i].key);
    cni_free(g, a->metadata[i].value);
  }
  cni_free(g, a->v);
  cni_free(g, a->metadata);
  cni_free(g, a);
}

/* An array of the caller's, before it is written. */
static bool array_ok(cn_graph *g, const char *what, const cn_named_array *v, bool strings) {
  if (!v->name) return cn_fail(g, CN_VALUE, "%s: an array has no name", what), false;
  const bool shaped = v->dims.rank >= 0 && v->dims.rank <= CN_MAX_RANK && cn_dims_count(&v->dims) >= 0;
  const bool typed = v->dtype == CN_STRING ? strings : cn_dtype_size(v->dtype) > 0;
  if (!shaped) return cn_fail(g, CN_SHAPE, "%s: %s has no valid shape", what, v->name), false;
  if (!typed) return cn_fail(g, CN_DTYPE, "%s: %s holds %s", what, v->name, cn_dtype_name(v->dtype)), false;
  if (v->data || (cn_dims_count(&v->dims) == 0 && v->dtype != CN_STRING)) return true;
  return cn_fail(g, CN_VALUE, "%s: %s has no data", what, v->name), false;
}

bool cni_arrays_check(cn_graph *g, const char *what, const char *path, const cn_arrays *a, bool strings) {
  if (!cn_ok(g)) return false;
  if (!path || !*path) return cn_fail(g, CN_VALUE, "%s: the path is missing", what), false;
  if (!a) return cn_fail(g, CN_VALUE, "%s: the arrays are missing", what), false;
  for (int64_t i = 0; i < a->n; i++)
    if (!array_ok(g, what, &a->v[i], strings)) return false;
  return true;
}

size_t cni_array_bytes(const cn_named_array *v) { return (size_t)cn_dims_count(&v->dims) * cn_dtype_size(v->dtype); }
