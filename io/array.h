/* Named arrays: what files hold and what is written to them, without graphs or models. Owned by the graph; cn_arrays_free returns them early. */
#ifndef CN_IO_ARRAY_H
#define CN_IO_ARRAY_H
#include "../core/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One array, row-major. Of texts (CN_STRING) the data are count + 1 int64 offsets, then the bytes that they point into (Arrow's layout). */
typedef struct cn_named_array {
  char *name;
  cn_dtype dtype;
  cn_dims dims;
  void *data;
} cn_named_array;

typedef struct cn_metadata { char *key, *value; } cn_metadata;

/* A list of arrays, and texts by key where the format has them. A writer takes any list, also one that the caller filled by hand with pointers to
 * memory of its own. */
typedef struct cn_arrays {
  cn_named_array *v;
  int64_t n, capacity;
  cn_metadata *metadata;
  int64_t metadata_n, metadata_capacity;
} cn_arrays;

/* An empty list. */
CN_API cn_arrays *cn_arrays_new(cn_graph *g);
/* Appends an array with room for its elements (zeros), or with a copy of `data`. Not for texts. Returns it, valid until the next one is appended;
 * NULL, with the list unchanged, for a shape with unknown or too large sizes (SHAPE) or a dtype of texts (DTYPE). */
CN_API cn_named_array *cn_arrays_add(cn_graph *g, cn_arrays *arrays, const char *name, cn_dtype dtype, const cn_dims *dims, const void *data);
/* Appends an array of texts, copied from as many NUL-terminated ones as the shape has elements. */
CN_API cn_named_array *cn_arrays_add_strings(cn_graph *g, cn_arrays *arrays, const char *name, const cn_dims *dims, const char *const *texts);
/* Text i of an array of texts: `*length` bytes, not NUL-terminated. NULL where there is none. */
CN_API const char *cn_arrays_string(const cn_named_array *array, int64_t i, int64_t *length);
/* The first array of a name, or NULL (no error). */
CN_API const cn_named_array *cn_arrays_find(const cn_arrays *arrays, const char *name);
/* Sets the text of a key; both are copied. */
CN_API bool cn_arrays_set_metadata(cn_graph *g, cn_arrays *arrays, const char *key, const char *value);
/* The text of a key, or NULL (no error). */
CN_API const char *cn_arrays_metadata(const cn_arrays *arrays, const char *key);
/* Frees a list that cn_arrays_new or a reader made. NULL is fine. Works on a failed graph. */
CN_API void cn_arrays_free(cn_graph *g, cn_arrays *arrays);

#ifdef __cplusplus
}
#endif
#endif
