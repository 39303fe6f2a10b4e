/* The engine: gradients by walking the tape backwards. */
#ifndef CN_AUTOGRAD_ENGINE_H
#define CN_AUTOGRAD_ENGINE_H
#include "parameter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A rule that backward has just applied, as its step callback sees it. The tensors may be read (cn_at, cn_print, ...) until the callback returns. */
typedef struct cn_backward_step {
  const cn_node *node;                 /* the operation: cn_node_op(node)->name, its inputs and outputs (op.h), cn_node_scope(node) */
  /* "backward": the operation's own kernel; "vjp": its rule in operations; "rows": a look-up, whose gradient stays sparse; "none": no rule, a gradient of
   * zero */
  const char *rule;
  int64_t number;                      /* 0 for the first */
  cn_tensor *const *gy;                /* the gradients of the outputs; NULL where nothing depends on the output */
  cn_tensor *const *gx;                /* what it sends to each input; NULL where none is wanted, or it is zero, or rows are sent */
  cn_rows rows;                        /* "rows": what is sent to input 0 */
} cn_backward_step;
/* Called at each operation, from the result down; false stops. It may read and compute, but not differentiate or reset the graph, which are STATE errors. */
typedef bool (*cn_step_callback)(cn_graph *g, const cn_backward_step *step, void *user);

#define CN_BACKWARD(X, S)                                                                                                                                        \
  X(S, cn_tensor *, y, CN_MISSING, ANY, "the result, usually a loss; of a tensor with several elements the sum is differentiated")                                \
  X(S, cn_tensor *, gradient, CN_NO_TENSOR, ANY, "weights of y's elements in that sum, of y's shape; left out: ones")                                             \
  X(S, bool, accumulate, false, ANY, "adds to the gradients that are there instead of replacing them")                                                            \
  X(S, bool, release, false, ANY, "returns the memory of intermediate values as soon as they have been used; the tape cannot be differentiated again afterwards")  \
  X(S, cn_step_callback, step, NULL, ANY, "called at each operation, as it is reached; release is not done then")                                                 \
  X(S, void *, user, NULL, ANY, "handed to step")
typedef struct cn_backward_args { cn_graph *graph; CN_BACKWARD(CN_FIELD_, ) } cn_backward_args;
/* Gradients of y with respect to every trainable variable and every watched tensor that it depends on: read them with cn_grad. Variables that it does not
 * depend on get zeros. A step callback that returns false stops: no gradient has changed then, and the result is false, without an error. Refused, with nothing
 * changed, when a value that a gradient needs was changed (a variable assigned between forward and backward) or released. Not recorded. */
CN_API bool cn_backward_run(const cn_backward_args *args);

#define CN_GRADIENT(X, S)                                                                                             \
  X(S, cn_tensor *, y, CN_MISSING, ANY, "the result; of several elements the sum is differentiated")                  \
  X(S, cn_tensor *, x, CN_MISSING, ANY, "with respect to what: a variable or any tensor")                             \
  X(S, cn_tensor *, gradient, CN_NO_TENSOR, ANY, "weights of y's elements in that sum; left out: ones")               \
  X(S, bool, differentiable, false, ANY, "records the gradient's own computation, so that it can be differentiated")
typedef struct cn_gradient_args { cn_graph *graph; CN_GRADIENT(CN_FIELD_, ) } cn_gradient_args;
/* dy/dx with the shape of x; zeros where y does not depend on x. A step tensor. */
CN_API cn_tensor *cn_gradient_run(const cn_gradient_args *args);
/* Gradients with respect to n tensors in one walk: dx[i] of the shape of x[i]. False (dx all NULL) on failure. gradient may be CN_NO_TENSOR. */
CN_API bool cn_gradients(cn_graph *g, cn_tensor *y, cn_tensor *gradient, cn_tensor *const *x, int64_t n, bool differentiable, cn_tensor **dx);
/* Vector-Jacobian product of several outputs in one walk: dx[i] = sum over k of the gradient of <y[k], gradient[k]> with respect to x[i]. `gradient` may be
 * NULL or hold CN_NO_TENSOR: ones. */
CN_API bool cn_vjp(cn_graph *g, cn_tensor *const *y, cn_tensor *const *gradient, int64_t m, cn_tensor *const *x, int64_t n, bool differentiable,
                   cn_tensor **dx);

#ifndef __cplusplus
#define cn_backward(...) CN_WITH_OPTIONS_(bool, cn_backward_args, CN_BACKWARD, cn_backward_run, __VA_ARGS__)
#define cn_gradient(...) CN_WITH_OPTIONS_(cn_tensor *, cn_gradient_args, CN_GRADIENT, cn_gradient_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
