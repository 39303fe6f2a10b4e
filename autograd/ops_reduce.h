/* Reductions over any axes. `axis`: CN_INTS(0, 2), or None (the default) for all; `keepdims` leaves axes of size 1. An axis out of range is an INDEX error, one
 * given twice a VALUE error. Names and meaning: keras.ops. Sums of float32 are exact to a few units in the last place at any length (pairwise or blocked
 * accumulation); threads do not change the bits. */
#ifndef CN_AUTOGRAD_OPS_REDUCE_H
#define CN_AUTOGRAD_OPS_REDUCE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_AXES_(X, S) X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes to reduce; None: all") X(S, bool, keepdims, false, ANY, "whether they stay, with size 1")
#define CN_LIST_REDUCE(X, S) CN_IN(X, S, x, "input") CN_AXES_(X, S)
#define CN_LIST_EXTREMUM(X, S) CN_LIST_REDUCE(X, S) X(S, double, initial, CN_NONE_REAL, ANY, "taken into the comparison; needed where there is nothing to reduce")
#define CN_LIST_COUNT_NONZERO(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes to reduce; None: all")
#define CN_LIST_ARGUMENT(X, S) \
  CN_IN(X, S, x, "input") X(S, int64_t, axis, CN_NONE, ANY, "axis to search; None: the flattened elements") X(S, bool, keepdims, false, ANY, "whether it stays, with size 1")
#define CN_LIST_TIE_SHARES(X, S) CN_IN(X, S, x, "input") CN_IN(X, S, y, "its maximum or minimum over axis") X(S, cn_ints, axis, CN_NONE_INTS, ANY, "reduced axes; None: all")

/* y = sum of x. int32, int64 and floats keep their dtype, uint8 and bool give int32. An empty sum is 0. dx = dy for each element. */
CN_OP_DECLARE(sum, CN_LIST_REDUCE)
/* y = sum(x) / n; integers give float32. The mean of nothing is NaN. dx = dy / n. */
CN_OP_DECLARE(mean, CN_LIST_REDUCE)
/* Largest and smallest element; NaN wins. dx = dy, shared equally among the elements that tie. Of nothing, without `initial`: a VALUE error. */
CN_OP_DECLARE(max, CN_LIST_EXTREMUM)
CN_OP_DECLARE(min, CN_LIST_EXTREMUM)
CN_OP_DECLARE(amax, CN_LIST_REDUCE)
CN_OP_DECLARE(amin, CN_LIST_REDUCE)
/* y = product of x, dtypes as sum. dx_i = dy * product of the others, right where elements are 0. */
CN_OP_DECLARE(prod, CN_LIST_REDUCE)
/* Variance: the mean of (x - mean)^2; dx = dy 2 (x - mean) / n. Standard deviation: its root; dx = dy (x - mean) / (n y), NaN where y is 0. */
CN_OP_DECLARE(var, CN_LIST_REDUCE)
CN_OP_DECLARE(std, CN_LIST_REDUCE)
/* log(sum of e^x), without overflow; dx = dy e^(x - y). Nothing to reduce gives -inf. */
CN_OP_DECLARE(logsumexp, CN_LIST_REDUCE)
/* Whether any, all elements are not 0: bool. */
CN_OP_DECLARE(any, CN_LIST_REDUCE)
CN_OP_DECLARE(all, CN_LIST_REDUCE)
/* How many elements are not 0: int32. */
CN_OP_DECLARE(count_nonzero, CN_LIST_COUNT_NONZERO)
/* Index of the first largest (smallest) element, NaN being both: int32. */
CN_OP_DECLARE(argmax, CN_LIST_ARGUMENT)
CN_OP_DECLARE(argmin, CN_LIST_ARGUMENT)
/* 1/k for each of the k elements of x that equal y (its reduction over axis, with or without keepdims), 0 for the others: how max and min share their gradient.
 * Carries no gradient itself. */
CN_OP_DECLARE(tie_shares, CN_LIST_TIE_SHARES)

#ifndef __cplusplus
#define cn_sum(...) CN_CALL_(sum, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_mean(...) CN_CALL_(mean, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_max(...) CN_CALL_(max, CN_LIST_EXTREMUM, __VA_ARGS__)
#define cn_min(...) CN_CALL_(min, CN_LIST_EXTREMUM, __VA_ARGS__)
#define cn_amax(...) CN_CALL_(amax, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_amin(...) CN_CALL_(amin, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_prod(...) CN_CALL_(prod, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_var(...) CN_CALL_(var, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_std(...) CN_CALL_(std, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_logsumexp(...) CN_CALL_(logsumexp, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_any(...) CN_CALL_(any, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_all(...) CN_CALL_(all, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_count_nonzero(...) CN_CALL_(count_nonzero, CN_LIST_COUNT_NONZERO, __VA_ARGS__)
#define cn_argmax(...) CN_CALL_(argmax, CN_LIST_ARGUMENT, __VA_ARGS__)
#define cn_argmin(...) CN_CALL_(argmin, CN_LIST_ARGUMENT, __VA_ARGS__)
#define cn_tie_shares(...) CN_CALL_(tie_shares, CN_LIST_TIE_SHARES, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
