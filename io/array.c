#include "array.h"
#include <string.h>
#include "io_private.h"

cn_arrays *cn_arrays_new(cn_graph *g) { return cn_ok(g) ? cni_alloc(g, sizeof(cn_arrays)) : NULL; }

cn_named_array *cn_arrays_add(cn_graph *g, cn_arrays *a, const char *name, cn_dtype dtype, const cn_dims *dims, const void *data) {
  size_t bytes = cn_dtype_size(dtype);
  if (!a || !cn_ok(g)) return NULL;
  for (int i = 0; i < dims->rank; i++)
    if (dims->d[i] < 0 || !cni_size_multiply(bytes, (size_t)dims->d[i], &bytes)) return cn_fail(g, CN_NO_MEMORY, "array %s is too large", name), NULL;
  if (a->n == a->capacity && !cni_grow(g, (void **)&a->v, a->n, &a->capacity, sizeof *a->v)) return NULL;
  cn_named_array *v = &a->v[a->n];
  *v = (cn_named_array){ cni_strdup(g, name), dtype, *dims, cni_alloc(g, bytes ? bytes : 1) };
  if (!v->name || !v->data) {
    cni_free(g, v->name);
    cni_free(g, v->data);
    return NULL;
  }
  if (data && bytes) memcpy(v->data, data, bytes);
  a->n++;
  return v;
}

const cn_named_array *cn_arrays_find(const cn_arrays *a, const char *name) {
  for (int64_t i = 0; a && i < a->n; i++)
    if (!strcmp(a->v[i].name, name)) return &a->v[i];
  return NULL;
}

void cn_arrays_free(cn_graph *g, cn_arrays *a) {
  if (!a) return;
  for (int64_t i = 0; i < a->n; i++) {
    cni_free(g, a->v[i].name);
    cni_free(g, a->v[i].data);
  }
  cni_free(g, a->v);
  cni_free(g, a);
}
