/* Checking gradients against finite differences: of a function of tensors, to any order, in double precision. */
#ifndef CN_AUTOGRAD_GRADCHECK_H
#define CN_AUTOGRAD_GRADCHECK_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The function to be checked: any tensor computed from x[0..n). It must give the same values for the same inputs: streams that operations draw from, and
 * variables that the function writes (running statistics), are rewound before each evaluation. */
typedef cn_tensor *(*cn_gradcheck_function)(cn_graph *g, cn_tensor *const *x, int64_t n, void *user);

#define CN_GRADCHECK(X, S)                                                                                                                                              \
  X(S, cn_gradcheck_function, function, NULL, ANY, "f(x)")                                                                                                              \
  X(S, cn_tensors, inputs, { 0 }, ANY, "where: float tensors are checked (in float64), others are handed on as they are, CN_NO_TENSOR too; a float64 variable in place")                   \
  X(S, void *, user, NULL, ANY, "handed to the function")                                                                                                               \
  X(S, int64_t, order, 1, POSITIVE, "1: gradients, 2: Hessians, ...; every order up to this one is checked")                                                            \
  X(S, int64_t, directions, 5, POSITIVE, "random directions for each order")                                                                                            \
  X(S, bool, elementwise, false, ANY, "also along each element of each input, which finds the element that is wrong")                                                   \
  X(S, double, step, 1e-4, POSITIVE, "h of the difference quotient; choose it below the distance to the nearest kink / 2")                                              \
  X(S, double, tolerance, CN_NONE_REAL, ANY, "largest relative error that passes; None: 1e-6 in order 1, 1e-5 above")                                                   \
  X(S, int64_t, seed, 1, ANY, "of directions and weights")
typedef struct cn_gradcheck_args { cn_graph *graph; CN_GRADCHECK(CN_FIELD_, ) } cn_gradcheck_args;

/* What was found: the largest relative error |analytic - numeric| / max(1, |analytic|, |numeric|) and where; that of an element if one fails. */
typedef struct cn_gradcheck_report {
  bool passed;
  double error, analytic, numeric;
  int64_t order, input, element;   /* input, element: -1 for a random direction */
  int64_t comparisons;
  char text[256];                  /* one line: "passed: 20 comparisons, largest relative error 3e-10 ..." */
} cn_gradcheck_report;

/* With s(x) = sum of w * f(x) for random weights w, and D_0 = s, D_k = <grad D_(k-1), v_k> for directions v, compares D_k(x) with the five-point central
 * difference of D_(k-1) along v_k. A function that fails leaves its error in the graph and a report that has not passed. The inputs are not changed (a float64
 * variable has its value again afterwards); what is computed are step tensors. */
CN_API cn_gradcheck_report cn_gradcheck_run(const cn_gradcheck_args *args);
#ifndef __cplusplus
/* cn_gradcheck(g, f, CN_TENSORS(x, w), .order = 2) */
#define cn_gradcheck(...) CN_WITH_OPTIONS_(cn_gradcheck_report, cn_gradcheck_args, CN_GRADCHECK, cn_gradcheck_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
