/* Order along an axis. Numbers only; NaN counts as largest. */
#ifndef CN_AUTOGRAD_OPS_SORT_H
#define CN_AUTOGRAD_OPS_SORT_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The k largest of the last axis, largest first (ties: lowest index first), and their indices (int32): cn_top_k(g, x, .k = 2).values. The gradient goes to
 * where the values came from. */
#define CN_LIST_TOP_K(X, S) \
  CN_IN(X, S, x, "input") X(S, int64_t, k, CN_REQUIRED, POSITIVE, "how many") X(S, bool, sorted, true, ANY, "accepted: the result is always sorted")
CN_OP_DECLARE(top_k, CN_LIST_TOP_K)
typedef struct cn_top_k_result { cn_tensor *values, *indices; } cn_top_k_result;
/* Indices (int32) that sort along axis, ascending and stable. */
#define CN_LIST_SORT(X, S) CN_IN(X, S, x, "input") X(S, int64_t, axis, -1, ANY, "axis to sort along; None: the flattened elements")
CN_OP_DECLARE(argsort, CN_LIST_SORT)
/* Ascending; the gradient goes to where the values came from. The second output holds the indices. */
CN_OP_DECLARE(sort, CN_LIST_SORT)
#ifndef __cplusplus
static inline cn_top_k_result cni_top_k_result(cn_tensor *const *y) { return (cn_top_k_result){ y[0], y[1] }; }
#define cn_top_k(...) cni_top_k_result(CN_CALL_OUTPUTS_(top_k, CN_LIST_TOP_K, __VA_ARGS__))
#define cn_argsort(...) CN_CALL_(argsort, CN_LIST_SORT, __VA_ARGS__)
#define cn_sort(...) CN_CALL_(sort, CN_LIST_SORT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
