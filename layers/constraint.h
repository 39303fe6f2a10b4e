/* Constraints: projections of a weight, applied after each update. */
#ifndef CN_LAYERS_CONSTRAINT_H
#define CN_LAYERS_CONSTRAINT_H
#include "object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a constraint class: the projected value of w. */
typedef struct cn_constraint_methods { cn_tensor *(*project)(const cn_object *self, cn_graph *g, cn_tensor *w); } cn_constraint_methods;

/* With n = sqrt(sum of squares along axis, kept) and eps = 1e-7: MaxNorm: w * clip(n, 0, max_value) / (eps + n). */
#define CN_CONSTRAINT_MAX_NORM(X, S)                                                       \
  X(S, double, max_value, 2.0, ANY, "largest norm")                                        \
  X(S, cn_ints, axis, CN_INTS(0), ANY, "axes of the norm: 0 for Dense, 0, 1, 2 for the filters of Conv2D")
/* d = rate * clip(n, min_value, max_value) + (1 - rate) * n; w * d / (eps + n). */
#define CN_CONSTRAINT_MIN_MAX_NORM(X, S)                                                   \
  X(S, double, min_value, 0.0, ANY, "smallest norm")                                       \
  X(S, double, max_value, 1.0, ANY, "largest norm")                                        \
  X(S, double, rate, 1.0, ANY, "1: the norm is in the range at once; less: it is drawn towards it") \
  X(S, cn_ints, axis, CN_INTS(0), ANY, "axes of the norm")
/* w / (eps + n) */
#define CN_CONSTRAINT_UNIT_NORM(X, S) X(S, cn_ints, axis, CN_INTS(0), ANY, "axes of the norm")
CN_OBJECT_DECLARE(constraint, MaxNorm, CN_CONSTRAINT_MAX_NORM)
CN_OBJECT_DECLARE(constraint, MinMaxNorm, CN_CONSTRAINT_MIN_MAX_NORM)
CN_OBJECT_DECLARE(constraint, UnitNorm, CN_CONSTRAINT_UNIT_NORM)
/* max(w, 0) */
CN_OBJECT_DECLARE(constraint, NonNeg, CN_NO_OPTIONS)
#ifndef __cplusplus
#define cn_constraint_MaxNorm(...) CN_MAKE_OBJECT_(constraint, MaxNorm, CN_CONSTRAINT_MAX_NORM, __VA_ARGS__)
#define cn_constraint_MinMaxNorm(...) CN_MAKE_OBJECT_(constraint, MinMaxNorm, CN_CONSTRAINT_MIN_MAX_NORM, __VA_ARGS__)
#define cn_constraint_UnitNorm(...) CN_MAKE_OBJECT_(constraint, UnitNorm, CN_CONSTRAINT_UNIT_NORM, __VA_ARGS__)
#define cn_constraint_NonNeg(...) CN_MAKE_OBJECT_(constraint, NonNeg, CN_NO_OPTIONS, __VA_ARGS__)
#endif

CN_API cn_object *cn_constraint_from(cn_graph *g, const char *text);
/* Applies a constraint (object, function or name; None does nothing) to a variable in place. Not recorded. */
CN_API bool cn_constrain(cn_graph *g, const cn_ref *constraint, cn_tensor *variable);
/* The projected value as a new tensor. */
CN_API cn_tensor *cn_project(cn_graph *g, const cn_ref *constraint, cn_tensor *w);
CN_API bool cn_register_constraint(cn_graph *g, const char *name, cn_function fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
