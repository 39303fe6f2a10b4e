/* Named arrays: what files hold and what is written to them, without graphs or models. Owned by the graph; cn_arrays_free returns them early. */
#ifndef CN_IO_ARRAY_H
#define CN_IO_ARRAY_H
#include "../core/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One array, row-major. Strings: data are count + 1 int64 offsets, then the bytes (Arrow's layout). */
typedef struct cn_named_array {
  char *name;
  cn_dtype dtype;
  cn_dims dims;
  void *data;
} cn_named_array;

typedef struct cn_arrays {
  cn_named_array *v;
  int64_t n, capacity;
} cn_arrays;

/* An empty list. */
CN_API cn_arrays *cn_arrays_new(cn_graph *g);
/* Appends an array with room for its elements (zeros), or a copy of `data`. Not for strings. Returns it, valid until the next one is appended. */
CN_API cn_named_array *cn_arrays_add(cn_graph *g, cn_arrays *a, const char *name, cn_dtype dtype, const cn_dims *dims, const void *data);
/* The array of a name, or NULL (no error). */
CN_API const cn_named_array *cn_arrays_find(const cn_arrays *a, const char *name);
CN_API void cn_arrays_free(cn_graph *g, cn_arrays *a);

#ifdef __cplusplus
}
#endif
#endif
