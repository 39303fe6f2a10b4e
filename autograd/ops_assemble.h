/* Forms of joining, weighted means and quantiles, all made of other operations. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_ASSEMBLE_H
#define CN_AUTOGRAD_OPS_ASSEMBLE_H
#include "op.h"
#include "ops_reduce.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_APPEND(X, S) CN_IN(X, S, x1, "first part") CN_IN(X, S, x2, "second part") X(S, int64_t, axis, CN_NONE, ANY, "along which they are joined; None: both flattened")
#define CN_LIST_MESHGRID(X, S) X(S, cn_tensors, x, { 0 }, ANY, "coordinates, rank 0 or 1") X(S, const char *, indexing, "xy", ANY, "xy: the first two axes change places; ij")
#define CN_LIST_QUANTILE(X, S)                                                                                                                        \
  CN_IN(X, S, x, "input") CN_IN(X, S, q, "which, in 0 .. 1, of x's dtype, rank 0 or 1") CN_AXES_LAST_(X, S)                                         \
  X(S, const char *, method, "linear", ANY, "between two elements: linear, lower, higher, midpoint, nearest") X(S, bool, keepdims, false, ANY, "whether the axes stay, with size 1")
#define CN_AXES_LAST_(X, S) X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes to reduce; None: all")
#define CN_LIST_AVERAGE(X, S) CN_IN(X, S, x, "input") CN_IN_OPTIONAL(X, S, weights, "of x's shape, or one an element of axis") X(S, int64_t, axis, CN_NONE, ANY, "axis; None: all")

/* Both along axis. */
CN_OP_DECLARE(append, CN_LIST_APPEND)
/* Along the second (for rank 1 the first), the first and the third axis, which are added where they lack. */
CN_OP_DECLARE(hstack, CN_LIST_XS)
CN_OP_DECLARE(vstack, CN_LIST_XS)
CN_OP_DECLARE(dstack, CN_LIST_XS)
/* Coordinates of a grid: y[k] is x[k] along axis k, repeated along the others. */
CN_OP_DECLARE(meshgrid, CN_LIST_MESHGRID)
/* sum(x weights) / sum(weights); without weights the mean. */
CN_OP_DECLARE(average, CN_LIST_AVERAGE)
/* max - min. */
CN_OP_DECLARE(ptp, CN_LIST_REDUCE)
/* The element of rank q (n - 1) in sorted order, or what `method` makes of the two beside it: q's shape stands in front. NaN where x has one. */
CN_OP_DECLARE(quantile, CN_LIST_QUANTILE)
/* quantile of q / 100. */
CN_OP_DECLARE(percentile, CN_LIST_QUANTILE)
/* quantile of 1/2. */
CN_OP_DECLARE(median, CN_LIST_REDUCE)
/* The same of the elements that are no NaN; NaN where there are none. */
CN_OP_DECLARE(nanquantile, CN_LIST_QUANTILE)
CN_OP_DECLARE(nanpercentile, CN_LIST_QUANTILE)
CN_OP_DECLARE(nanmedian, CN_LIST_REDUCE)

#ifndef __cplusplus
#define cn_append(...) CN_CALL_(append, CN_LIST_APPEND, __VA_ARGS__)
#define cn_hstack(...) CN_CALL_(hstack, CN_LIST_XS, __VA_ARGS__)
#define cn_vstack(...) CN_CALL_(vstack, CN_LIST_XS, __VA_ARGS__)
#define cn_dstack(...) CN_CALL_(dstack, CN_LIST_XS, __VA_ARGS__)
#define cn_meshgrid(...) CN_CALL_OUTPUTS_(meshgrid, CN_LIST_MESHGRID, __VA_ARGS__)
#define cn_average(...) CN_CALL_(average, CN_LIST_AVERAGE, __VA_ARGS__)
#define cn_ptp(...) CN_CALL_(ptp, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_quantile(...) CN_CALL_(quantile, CN_LIST_QUANTILE, __VA_ARGS__)
#define cn_percentile(...) CN_CALL_(percentile, CN_LIST_QUANTILE, __VA_ARGS__)
#define cn_nanquantile(...) CN_CALL_(nanquantile, CN_LIST_QUANTILE, __VA_ARGS__)
#define cn_nanpercentile(...) CN_CALL_(nanpercentile, CN_LIST_QUANTILE, __VA_ARGS__)
#define cn_nanmedian(...) CN_CALL_(nanmedian, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_median(...) CN_CALL_(median, CN_LIST_REDUCE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
