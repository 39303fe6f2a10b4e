/* Regularizers: penalties on a weight or an output, scalars that are added to the loss. */
#ifndef CN_LAYERS_REGULARIZER_H
#define CN_LAYERS_REGULARIZER_H
#include "object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a regularizer class. */
typedef struct cn_regularizer_methods { cn_tensor *(*penalty)(const cn_object *self, cn_graph *g, cn_tensor *w); } cn_regularizer_methods;

/* l1 * sum |w| */
#define CN_REGULARIZER_L1(X, S) X(S, double, l1, 0.01, NONNEGATIVE, "factor of the sum of absolute values")
/* l2 * sum w^2 */
#define CN_REGULARIZER_L2(X, S) X(S, double, l2, 0.01, NONNEGATIVE, "factor of the sum of squares")
/* l1 * sum |w| + l2 * sum w^2 */
#define CN_REGULARIZER_L1L2(X, S)                                                 \
  X(S, double, l1, 0.0, NONNEGATIVE, "factor of the sum of absolute values")      \
  X(S, double, l2, 0.0, NONNEGATIVE, "factor of the sum of squares")
/* Rank 2. With rows (or columns) normalized to length 1 and P their products: factor * 0.5 * sum |P off the diagonal| / (n (n - 1) / 2). */
#define CN_REGULARIZER_ORTHOGONAL(X, S)                                           \
  X(S, double, factor, 0.01, NONNEGATIVE, "factor")                               \
  X(S, const char *, mode, "rows", ANY, "which are to be orthogonal: rows or columns")
CN_OBJECT_DECLARE(regularizer, L1, CN_REGULARIZER_L1)
CN_OBJECT_DECLARE(regularizer, L2, CN_REGULARIZER_L2)
CN_OBJECT_DECLARE(regularizer, L1L2, CN_REGULARIZER_L1L2)
CN_OBJECT_DECLARE(regularizer, OrthogonalRegularizer, CN_REGULARIZER_ORTHOGONAL)
#ifndef __cplusplus
#define cn_regularizer_L1(...) CN_MAKE_OBJECT_(regularizer, L1, CN_REGULARIZER_L1, __VA_ARGS__)
#define cn_regularizer_L2(...) CN_MAKE_OBJECT_(regularizer, L2, CN_REGULARIZER_L2, __VA_ARGS__)
#define cn_regularizer_L1L2(...) CN_MAKE_OBJECT_(regularizer, L1L2, CN_REGULARIZER_L1L2, __VA_ARGS__)
#define cn_regularizer_OrthogonalRegularizer(...) CN_MAKE_OBJECT_(regularizer, OrthogonalRegularizer, CN_REGULARIZER_ORTHOGONAL, __VA_ARGS__)
#endif

CN_API cn_object *cn_regularizer_from(cn_graph *g, const char *text);
/* The penalty of w: a scalar tensor, recorded. The reference is an object, a function or a name; None gives zero. */
CN_API cn_tensor *cn_regularize(cn_graph *g, const cn_ref *regularizer, cn_tensor *w);
CN_API bool cn_register_regularizer(cn_graph *g, const char *name, cn_function fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
