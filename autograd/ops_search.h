/* Numbers by place: evenly spread ones, where values stand among sorted ones, how often they occur. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_SEARCH_H
#define CN_AUTOGRAD_OPS_SEARCH_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_SPACED_(X, S) CN_IN(X, S, start, "the first") CN_IN(X, S, stop, "the last") X(S, int64_t, num, 50, NONNEGATIVE, "how many") X(S, bool, endpoint, true, ANY, "whether stop is among them")
#define CN_SPACED_RESULT_(X, S) X(S, const char *, dtype, NULL, DTYPE, "of the result; None: start's, float32 for integers") X(S, int64_t, axis, 0, ANY, "of the result, that they lie along")
#define CN_LIST_LINSPACE(X, S) CN_SPACED_(X, S) X(S, bool, retstep, false, ANY, "whether the difference is a second output") CN_SPACED_RESULT_(X, S)
#define CN_LIST_LOGSPACE(X, S) CN_SPACED_(X, S) X(S, double, base, 10.0, ANY, "of the powers") CN_SPACED_RESULT_(X, S)
#define CN_LIST_BINCOUNT(X, S)                                                                                                                \
  CN_IN(X, S, x, "rank 1 or 2, int32 or int64") CN_IN_OPTIONAL(X, S, weights, "of x's shape; what is counted, instead of 1")                  \
  X(S, int64_t, minlength, 0, NONNEGATIVE, "size of the result, at least") X(S, bool, sparse, false, ANY, "not supported: there are no sparse tensors")
#define CN_LIST_SEARCHSORTED(X, S)                                                                                                            \
  CN_IN(X, S, sorted_sequence, "rank 1, ascending") CN_IN(X, S, values, "of any shape") X(S, const char *, side, "left", ANY, "left: in front of equal elements; right: behind them")
#define CN_LIST_DIGITIZE(X, S) CN_IN(X, S, x, "values") CN_IN(X, S, bins, "edges, rank 1, ascending")

/* start + i (stop - start) / (num - 1), i = 0 .. num - 1, the last being stop; without endpoint divided by num. start and stop, of one dtype, are broadcast;
 * the new axis stands at `axis`. With an integer dtype, rounded down. From C, cn_linspace of tensor.h gives one axis of a dtype; this is for tensors and for
 * programs that call operations by name. The difference is NaN where there is none. */
CN_OP_DECLARE(linspace, CN_LIST_LINSPACE)
/* base to the power of linspace. */
CN_OP_DECLARE(logspace, CN_LIST_LOGSPACE)
/* y[k]: how often k is in x (in each row of x for rank 2), or the sum of the weights where it is: int32, or the weights' dtype. Its size is the largest element
 * + 1, or minlength. A negative element is a VALUE error. dweights = dy[x]. */
CN_OP_DECLARE(bincount, CN_LIST_BINCOUNT)
/* Where each value would have to be inserted to keep the order: int32 of values' shape. NaN comes last. No gradient. */
CN_OP_DECLARE(searchsorted, CN_LIST_SEARCHSORTED)
/* The number of bins' edges up to x: searchsorted at the right side. */
CN_OP_DECLARE(digitize, CN_LIST_DIGITIZE)

#ifndef __cplusplus
#define cn_logspace(...) CN_CALL_(logspace, CN_LIST_LOGSPACE, __VA_ARGS__)
#define cn_bincount(...) CN_CALL_(bincount, CN_LIST_BINCOUNT, __VA_ARGS__)
#define cn_searchsorted(...) CN_CALL_(searchsorted, CN_LIST_SEARCHSORTED, __VA_ARGS__)
#define cn_digitize(...) CN_CALL_(digitize, CN_LIST_DIGITIZE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
