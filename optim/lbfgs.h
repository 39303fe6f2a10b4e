/* L-BFGS: minimization of a smooth function of few variables to full precision, with all data in every evaluation. */
#ifndef CN_OPTIM_LBFGS_H
#define CN_OPTIM_LBFGS_H
#include "../autograd/autograd.h"
#include "../core/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The function: a scalar made anew from the variables' present values at each call; the step's tensors die after it (cn_graph_reset), so what it needs of data
 * is persistent. NULL after an error. */
typedef cn_tensor *(*cn_closure)(cn_graph *g, void *user);

#define CN_LBFGS(X, S)                                                                                                                  \
  X(S, cn_closure, f, NULL, ANY, "the function")                                                                                        \
  X(S, void *, user, NULL, ANY, "handed to it")                                                                                         \
  X(S, cn_tensors, variables, { 0 }, ANY, "what is changed: variables of float32 or float64")                                           \
  X(S, int64_t, max_iterations, 100, NONNEGATIVE, "steps")                                                                              \
  X(S, int64_t, max_evaluations, CN_NONE, POSITIVE, "of f and its gradient; None: 20 + 5 max_iterations")                               \
  X(S, int64_t, history, 10, POSITIVE, "pairs of steps and changes of the gradient that stand for the inverse Hessian")                 \
  X(S, double, gradient_tolerance, 1e-8, NONNEGATIVE, "converged where the gradient's largest absolute element is at most this")        \
  X(S, double, loss_tolerance, 0.0, NONNEGATIVE, "converged where a step lowers the loss by at most this times max(1, |loss|); 0: off") \
  X(S, double, sufficient_decrease, 1e-4, ANY, "c1 of the Wolfe conditions, in (0, 1)")                                                 \
  X(S, double, curvature, 0.9, ANY, "c2 of the Wolfe conditions, in (c1, 1)")
typedef struct cn_lbfgs_args { cn_graph *graph; CN_LBFGS(CN_FIELD_, ) } cn_lbfgs_args;

/* gradient_norm: Euclidean, at the end. stopped: why, in words; a constant. After an error: converged false, loss NaN where f was never evaluated. */
typedef struct cn_lbfgs_report { int64_t iterations, evaluations; double loss, gradient_norm; bool converged; const char *stopped; } cn_lbfgs_report;

/* Minimizes f over the variables, which end at the best point found: x <- x - a H grad f, H by the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4), a
 * by a search for the strong Wolfe conditions with cubic steps (algorithms 3.5 and 3.6). A float32 variable moves in steps of its own precision, so tolerances
 * below some 1e-4 want float64. Trial points where f is not finite are stepped back from. Constraints and penalties of the variables are not applied: f holds
 * all that counts. Ends the step before and after each evaluation. Errors: VALUE for options out of range, no or repeated variables, an f that is not finite at
 * the start; DTYPE; SHAPE where f is no scalar. A refused call has changed nothing; an f that fails later leaves the variables at the best point so far. */
CN_API cn_lbfgs_report cn_lbfgs_run(const cn_lbfgs_args *args);
CN_API void cn_lbfgs_args_init(cn_lbfgs_args *args, size_t size); /* every default; size: sizeof *args */
#ifndef __cplusplus
/* cn_lbfgs_minimize(g, f, user, CN_TENSORS(w, b), .history = 20) */
#define cn_lbfgs_minimize(...) CN_WITH_OPTIONS_(cn_lbfgs_report, cn_lbfgs_args, CN_LBFGS, cn_lbfgs_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
