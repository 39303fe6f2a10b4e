/* Derivatives built on gradients: products with Jacobians and Hessians, and these matrices whole. Of tensors that recorded operations made; all results are
 * step tensors. */
#ifndef CN_AUTOGRAD_HIGHER_H
#define CN_AUTOGRAD_HIGHER_H
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Jacobian-vector product: the derivative of y when each x[i] moves along v[i] (of x[i]'s shape), in y's shape: sum over i of (dy/dx[i]) v[i]. The gradient of
 * the vector-Jacobian product, which is linear in its weights, with respect to them (Townsend, "A new trick for calculating Jacobian vector products", 2017):
 * about two walks of the tape. NULL on failure. */
CN_API cn_tensor *cn_jvp(cn_graph *g, cn_tensor *y, cn_tensor *const *x, cn_tensor *const *v, int64_t n);
/* Hessian-vector product of the sum of y: hv[i] = sum over j of (d2y / dx[i] dx[j]) v[j], of the shape of x[i]. Two walks; no Hessian is made. False (hv all
 * NULL) on failure. */
CN_API bool cn_hvp(cn_graph *g, cn_tensor *y, cn_tensor *const *x, cn_tensor *const *v, int64_t n, cn_tensor **hv);

#define CN_JACOBIAN(X, S)                                                                          \
  X(S, cn_tensor *, y, CN_MISSING, ANY, "the result, of any shape")                                \
  X(S, cn_tensor *, x, CN_MISSING, ANY, "with respect to what")                                    \
  X(S, bool, differentiable, false, ANY, "records the computation, so that it can be differentiated")
typedef struct cn_jacobian_args { cn_graph *graph; CN_JACOBIAN(CN_FIELD_, ) } cn_jacobian_args;
/* dy/dx of shape [y's shape, x's shape]: element (i, j) is the derivative of y's element i with respect to x's element j. One walk an element of y. SHAPE error
 * where the ranks together pass 8. NULL on failure. */
CN_API cn_tensor *cn_jacobian_run(const cn_jacobian_args *args);
/* The second derivatives of the sum of y with respect to x, of shape [x's shape, x's shape]: the Jacobian of the gradient. */
CN_API cn_tensor *cn_hessian_run(const cn_jacobian_args *args);

#ifndef __cplusplus
#define cn_jacobian(...) CN_WITH_OPTIONS_(cn_tensor *, cn_jacobian_args, CN_JACOBIAN, cn_jacobian_run, __VA_ARGS__)
#define cn_hessian(...) CN_WITH_OPTIONS_(cn_tensor *, cn_jacobian_args, CN_JACOBIAN, cn_hessian_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
