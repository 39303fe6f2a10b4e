/* Tensors: contiguous, row-major arrays of numbers with a place in a graph. Persistent ones (variables, symbolic tensors, what cn_persist returns) live until
 * they or the graph are freed; every other is a step tensor and lives until cn_graph_reset. Values do not change, except those of variables. Functions that
 * take only a tensor know its graph from it. */
#ifndef CN_AUTOGRAD_TENSOR_H
#define CN_AUTOGRAD_TENSOR_H
#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An optional input that is left out, and (as a default) an input that must be given. */
extern CN_API const cn_tensor cn_no_tensor_, cn_missing_;
#define CN_NO_TENSOR ((cn_tensor *)&cn_no_tensor_)
#define CN_MISSING ((cn_tensor *)&cn_missing_)

/* ---- making (step tensors; `data` is copied, NULL: zeros) ---- */
CN_API cn_tensor *cn_array(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *data);
/* The same from doubles, whatever the dtype. Values out of an integer type's range are a VALUE error. */
CN_API cn_tensor *cn_array_from_doubles(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const double *data);
/* A CN_F32 tensor of rank 0. */
CN_API cn_tensor *cn_scalar(cn_graph *g, double value);
/* A tensor of rank 0 with the dtype of `like`. */
CN_API cn_tensor *cn_scalar_like(cn_graph *g, cn_tensor *like, double value);
CN_API cn_tensor *cn_full(cn_graph *g, cn_dtype dtype, const cn_dims *dims, double value);
CN_API cn_tensor *cn_zeros(cn_graph *g, cn_dtype dtype, const cn_dims *dims);
CN_API cn_tensor *cn_ones(cn_graph *g, cn_dtype dtype, const cn_dims *dims);
CN_API cn_tensor *cn_zeros_like(cn_graph *g, cn_tensor *x);
CN_API cn_tensor *cn_ones_like(cn_graph *g, cn_tensor *x);
/* start, start + step, ... while before stop (keras.ops.arange). step 0 is a VALUE error. */
CN_API cn_tensor *cn_arange(cn_graph *g, cn_dtype dtype, double start, double stop, double step);
/* n numbers from start to stop, both included (keras.ops.linspace). */
CN_API cn_tensor *cn_linspace(cn_graph *g, cn_dtype dtype, double start, double stop, int64_t n);
/* Identity matrix rows x cols with ones on the k-th diagonal (keras.ops.eye). */
CN_API cn_tensor *cn_eye(cn_graph *g, cn_dtype dtype, int64_t rows, int64_t cols, int64_t k);
/* A string tensor from NUL-terminated texts. */
CN_API cn_tensor *cn_string_array(cn_graph *g, const cn_dims *dims, const char *const *texts);
/* A symbolic tensor: shape (sizes may be CN_UNKNOWN) and dtype without data; persistent. Operations on it are recorded, not run. */
CN_API cn_tensor *cn_symbolic(cn_graph *g, cn_dtype dtype, const cn_dims *dims);

/* ---- reading: on a failed graph too; of a released, dead or symbolic tensor: NULL, NaN or 0 (and a STATE error) ---- */
CN_API cn_dims cn_dims_of(const cn_tensor *x);                  /* rank 0 for NULL */
CN_API cn_dtype cn_dtype_of(const cn_tensor *x);
CN_API int cn_rank(const cn_tensor *x);
/* axis may be negative; 0 for a bad axis. An unknown size of a symbolic tensor: a negative number that stands for it among the sizes given to reshape,
 * broadcast_to and the like */
CN_API int64_t cn_dim(const cn_tensor *x, int axis);
CN_API int64_t cn_count(const cn_tensor *x);
CN_API cn_graph *cn_graph_of(const cn_tensor *x);
CN_API bool cn_is_symbolic(const cn_tensor *x);
CN_API bool cn_is_variable(const cn_tensor *x);
/* The values, row-major; read-only except for operations' outputs inside forward. Valid until the tensor dies or is released. */
CN_API const void *cn_data(const cn_tensor *x);
/* The value of a tensor with one element; NaN for anything else. */
CN_API double cn_item(const cn_tensor *x);
/* Element i in row-major order as a double. */
CN_API double cn_at(const cn_tensor *x, int64_t i);
/* Copies the values as doubles; false if it is not readable. `out` has room for cn_count(x). */
CN_API bool cn_to_doubles(const cn_tensor *x, double *out);
/* Element i of a string tensor: not NUL-terminated, `length` bytes. */
CN_API const char *cn_string_at(const cn_tensor *x, int64_t i, int64_t *length);
/* Text as NumPy prints an array: "[[1.  2.5]\n [3.  4. ]]", summarized above 1,000 elements. Owned by the graph, until the next reset; "" when x cannot be read
 * (which is an error) or memory is short. */
CN_API const char *cn_tensor_text(const cn_tensor *x);
/* Prints it, and a newline, through the graph's output callback. */
CN_API void cn_print(const cn_tensor *x);

/* ---- life ---- */
/* A persistent tensor with the value of x (the memory is shared). It carries no gradient. Free it with cn_free, or leave it to the graph. */
CN_API cn_tensor *cn_persist(cn_tensor *x);
/* Frees a persistent tensor. Using it afterwards is a STATE error. NULL is fine; a step tensor is left alone. */
CN_API void cn_free(cn_tensor *x);
/* Names a tensor for messages, plots and explanations; the text is copied. */
CN_API void cn_set_name(cn_tensor *x, const char *name);
CN_API const char *cn_name_of(const cn_tensor *x);              /* "" if it has none */
/* The mask that goes with a tensor (as Keras' _keras_mask); NULL if it has none. */
CN_API cn_tensor *cn_mask_of(const cn_tensor *x);
CN_API void cn_set_mask(cn_tensor *x, cn_tensor *mask);

#ifdef __cplusplus
}
#endif
#endif
