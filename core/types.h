/* The vocabulary that every other header uses: data types, shapes, errors, lists of numbers and references by name.
 *
 * Short names, used in all of Cornu: n batch (or a count), t time, h w c height width channels, g graph, x y input and output of an operation, gy the gradient
 * of y, l layer, m model, o options. Kernel arguments: outputs first, sizes last. */
#ifndef CN_CORE_TYPES_H
#define CN_CORE_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CN_API __attribute__((visibility("default")))
#define CN_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define CN_API
#define CN_PRINTF(text, first)
#endif

#define CN_VERSION_MAJOR 0
#define CN_VERSION_MINOR 1
#define CN_VERSION_PATCH 0
#define CN_VERSION "0.1.0"

typedef struct cn_graph cn_graph;
typedef struct cn_tensor cn_tensor;
typedef struct cn_node cn_node;
typedef struct cn_op cn_op;
typedef struct cn_object cn_object;
typedef struct cn_layer cn_layer;
typedef struct cn_model cn_model;

/* What went wrong. The first error of a graph stays until cn_graph_clear. */
typedef enum { CN_OK, CN_NO_MEMORY, CN_SHAPE, CN_DTYPE, CN_VALUE, CN_INDEX, CN_STATE, CN_IO, CN_FORMAT, CN_UNSUPPORTED } cn_code;

/* Data types. CN_F32 is the default; every operation works in CN_F64 too. A string tensor is one byte buffer plus offsets (Arrow's layout). */
typedef enum { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL, CN_STRING } cn_dtype;
#define CN_DTYPES 7

#define CN_MAX_RANK 8
#define CN_UNKNOWN (INT64_MIN + 2)  /* a size not known yet, in the shape of a symbolic tensor */
#define CN_REQUIRED INT64_MIN       /* default of an int option that must be given */
#define CN_NONE (INT64_MIN + 1)     /* None for an int option; None is NaN for a real, NULL for a string or an object */
#define CN_REQUIRED_REAL (-__builtin_inf())
#define CN_NONE_REAL (__builtin_nan(""))

/* A shape: rank 0 is a scalar. Sizes are >= 0, or CN_UNKNOWN in symbolic tensors. */
typedef struct cn_dims {
  int rank;
  int64_t d[CN_MAX_RANK];
} cn_dims;

/* Option values that are more than one number. The arrays are the caller's and are copied by whoever keeps them. */
typedef struct cn_size { int64_t d[3]; } cn_size;                      /* 0 is not legal: entries left out repeat the first */
typedef struct cn_ints { const int64_t *v; int64_t n; } cn_ints;       /* n < 0: None */
typedef struct cn_reals { const double *v; int64_t n; } cn_reals;
typedef struct cn_strings { const char *const *v; int64_t n; } cn_strings;
typedef struct cn_tensors { cn_tensor *const *v; int64_t n; } cn_tensors;
typedef struct cn_layers { cn_layer *const *v; int64_t n; } cn_layers;

/* A user's function for an activation (returns f(x)), an initializer (x: zeros of the weight's shape; returns its values), a regularizer (x: the weight;
 * returns a scalar) or a constraint (returns the constrained weight); and one for a loss or a metric (returns values per sample). */
typedef cn_tensor *(*cn_function)(cn_graph *g, cn_tensor *x, void *user);
typedef cn_tensor *(*cn_function2)(cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, void *user);

/* Names or holds an object of a kind: text ("relu", "l2(1e-5)"), an object made before, or a function of the user's. All empty: None. */
typedef struct cn_ref {
  const char *name;
  void *object;
  cn_function fn;
  void *user;
  cn_function2 fn2;
} cn_ref;

#ifndef __cplusplus
#define CN_DIMS(...) \
  (&(const cn_dims){ (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })
#define CN_SCALAR (&(const cn_dims){ 0, { 0 } })
#define CN_INTS(...) { (const int64_t[]){ __VA_ARGS__ }, (int64_t)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)) }
#define CN_REALS(...) { (const double[]){ __VA_ARGS__ }, (int64_t)(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)) }
#define CN_STRINGS(...) { (const char *const[]){ __VA_ARGS__ }, (int64_t)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)) }
#define CN_TENSORS(...) { (cn_tensor *const[]){ __VA_ARGS__ }, (int64_t)(sizeof((cn_tensor *const[]){ __VA_ARGS__ }) / sizeof(cn_tensor *)) }
#define CN_LAYERS(...) { (cn_layer *const[]){ __VA_ARGS__ }, (int64_t)(sizeof((cn_layer *const[]){ __VA_ARGS__ }) / sizeof(cn_layer *)) }
#define CN_NAME(text) { .name = (text) }
#define CN_NONE_REF { .name = NULL }
#define CN_NONE_INTS { .v = NULL, .n = -1 }
#define CN_EMPTY_INTS { .v = NULL, .n = 0 }
#endif

/* Memory from the caller: alloc returns `size` bytes aligned to 64, or NULL; free gets what alloc gave. Called from the graph's thread, and from those of data
 * that is fetched ahead (cn_source_prefetch); one call at a time. */
typedef struct cn_allocator {
  void *(*alloc)(void *user, size_t size);
  void (*free)(void *user, void *p, size_t size);
  void *user;
} cn_allocator;

/* Bytes of one element (CN_STRING: 0, see cn_strings_*). */
CN_API size_t cn_dtype_size(cn_dtype dtype);
/* "float32", "float64", "int32", "int64", "uint8", "bool", "string", as Keras spells them. */
CN_API const char *cn_dtype_name(cn_dtype dtype);
/* The inverse of cn_dtype_name; false where the name is none. */
CN_API bool cn_dtype_from_name(const char *name, cn_dtype *out);
/* Product of the sizes; -1 when one is unknown or the product exceeds INT64_MAX / 16. */
CN_API int64_t cn_dims_count(const cn_dims *dims);
CN_API bool cn_dims_equal(const cn_dims *a, const cn_dims *b);
/* Writes "[32,784]" ("?" for an unknown size), at most `size` bytes; returns `text`. */
CN_API const char *cn_dims_text(const cn_dims *dims, char *text, size_t size);
/* "0.1.0". */
CN_API const char *cn_version(void);

#ifdef __cplusplus
}
#endif
#endif
