/* Variables: persistent tensors whose value may be assigned, with a gradient, and for weights a name, a constraint and a regularizer. */
#ifndef CN_AUTOGRAD_PARAMETER_H
#define CN_AUTOGRAD_PARAMETER_H
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A trainable variable. `data` is copied (NULL: zeros). */
CN_API cn_tensor *cn_variable(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *data);
/* Writes a variable: same shape and dtype, else an error and nothing is written. Counts as a change: backward through an operation that read the old value is a
 * STATE error. */
CN_API bool cn_assign(cn_tensor *variable, cn_tensor *value);
/* The same from an array in the variable's dtype. */
CN_API bool cn_assign_data(cn_tensor *variable, const void *data);
/* Whether backward makes gradients for a variable, and optimizers update it. Default true. */
CN_API void cn_set_trainable(cn_tensor *variable, bool trainable);
CN_API bool cn_is_trainable(const cn_tensor *variable);

/* The gradient that the last cn_backward left: a variable's (zeros if the loss does not depend on it, NULL before any backward) or that of a tensor marked with
 * cn_watch. Owned by the tensor, replaced by the next backward; a watched step tensor's dies with the step. Sparse gradients of row look-ups are made dense
 * here. */
CN_API cn_tensor *cn_grad(cn_tensor *x);
/* A sparse gradient: row indices[i] of the variable has gradient values[i]; rows may repeat. {NULL, NULL} when the gradient is dense. */
typedef struct cn_rows { cn_tensor *indices, *values; } cn_rows;
CN_API cn_rows cn_grad_rows(cn_tensor *variable);
/* Asks backward for the gradient of a tensor that is no variable. Returns x. */
CN_API cn_tensor *cn_watch(cn_tensor *x);

/* What a weight carries: functions with their object, made by layers (layers/regularizer.h, layers/constraint.h) or by hand. */
typedef struct cn_penalty {
  cn_tensor *(*apply)(cn_graph *g, cn_tensor *w, void *object);
  void *object;
} cn_penalty; /* a scalar to be added to the loss */
typedef struct cn_projection {
  bool (*apply)(cn_graph *g, cn_tensor *variable, void *object);
  void *object;
} cn_projection; /* changes the variable in place after an update */
CN_API void cn_set_penalty(cn_tensor *variable, cn_penalty penalty);
CN_API void cn_set_projection(cn_tensor *variable, cn_projection projection);
CN_API cn_penalty cn_penalty_of(const cn_tensor *variable);
CN_API cn_projection cn_projection_of(const cn_tensor *variable);

#ifdef __cplusplus
}
#endif
#endif
