/* Segments: functions made of operations that the graph records as one. Their inner values are dropped as soon as the result is known; backward computes them
 * again, or asks the user for the gradient. */
#ifndef CN_AUTOGRAD_SEGMENT_H
#define CN_AUTOGRAD_SEGMENT_H
#include "gradcheck.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = f(x[0..n)) in operations; the type of a function for cn_gradcheck. */
typedef cn_gradcheck_function cn_segment_function;

/* f(x) with less memory (gradient checkpointing: Chen et al., "Training deep nets with sublinear memory cost", 2016): the values between x and the result are
 * not kept, backward computes them again. The same numbers, to any order. Streams that f draws from are rewound for the second time, so that dropout drops the
 * same; variables that it assigns (running statistics) are assigned once. Variables that f reads get gradients; any other tensor that it reads is to be among
 * the inputs. Of what f computes, only its result may be used afterwards (STATE otherwise), so no loss may be collected inside (activity regularizers). `user`
 * must live until the last backward. A step tensor; NULL on failure. Where nothing is recorded, or an input is symbolic, it is f itself. */
#define CN_CHECKPOINT(X, S)                                                                       \
  X(S, cn_segment_function, function, NULL, ANY, "f(x)")                                          \
  X(S, cn_tensors, inputs, { 0 }, ANY, "x")                                                       \
  X(S, void *, user, NULL, ANY, "handed to the function")
typedef struct cn_checkpoint_options { cn_graph *graph; CN_CHECKPOINT(CN_FIELD_, ) } cn_checkpoint_options;
CN_API cn_tensor *cn_checkpoint_run(const cn_checkpoint_options *options);

/* The gradient of a custom function, in operations, as an operation's vjp (op.h): gx[i] of x[i]'s shape from the result y and its gradient gy, where want[i];
 * NULL is zero. */
typedef void (*cn_custom_vjp)(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor *y, cn_tensor *gy, const bool *want, cn_tensor **gx, void *user);
/* f(x) with the gradient that `vjp` gives in place of f's own: stable formulas, reversed or clipped gradients, straight-through estimators. To any order: what
 * vjp computes is recorded where that is asked for. Only the inputs get gradients: a variable that f reads is to be one of them. The values inside f are
 * dropped; the rest as of cn_checkpoint. SHAPE or DTYPE where a gx does not fit its x. */
#define CN_CUSTOM_GRADIENT(X, S)                                                                  \
  X(S, cn_segment_function, function, NULL, ANY, "f(x)")                                          \
  X(S, cn_custom_vjp, vjp, NULL, ANY, "its gradient")                                             \
  X(S, cn_tensors, inputs, { 0 }, ANY, "x")                                                       \
  X(S, void *, user, NULL, ANY, "handed to both")
typedef struct cn_custom_gradient_options { cn_graph *graph; CN_CUSTOM_GRADIENT(CN_FIELD_, ) } cn_custom_gradient_options;
CN_API cn_tensor *cn_custom_gradient_run(const cn_custom_gradient_options *options);

#ifndef __cplusplus
/* cn_checkpoint(g, f, CN_TENSORS(x), &model), cn_custom_gradient(g, f, f_vjp, CN_TENSORS(a, b)) */
#define cn_checkpoint(...) CN_WITH_OPTIONS_(cn_tensor *, cn_checkpoint_options, CN_CHECKPOINT, cn_checkpoint_run, __VA_ARGS__)
#define cn_custom_gradient(...) CN_WITH_OPTIONS_(cn_tensor *, cn_custom_gradient_options, CN_CUSTOM_GRADIENT, cn_custom_gradient_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
