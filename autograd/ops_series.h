/* Reductions that leave NaN out, areas, Vandermonde matrices, reversed rows and columns: all made of other operations. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_SERIES_H
#define CN_AUTOGRAD_OPS_SERIES_H
#include "op.h"
#include "ops_reduce.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_TRAPEZOID(X, S)                                                                                                               \
  CN_IN(X, S, y, "heights") CN_IN_OPTIONAL(X, S, x, "where they are: of y's shape, or rank 1 along axis; None: dx apart") X(S, double, dx, 1.0, ANY, "from one to the next, without x") \
  X(S, int64_t, axis, -1, ANY, "of y, that is summed up")
#define CN_LIST_VANDER(X, S) CN_IN(X, S, x, "rank 1") X(S, int64_t, N, CN_NONE, NONNEGATIVE, "columns; None: as many as x has elements") X(S, bool, increasing, false, ANY, "whether the powers grow from left to right")

/* sum, prod, mean, var, std, max and min of the elements that are no NaN; where there are none 0, 1, and NaN for the others. No gradient goes to a NaN. Dtypes
 * as without nan. */
CN_OP_DECLARE(nansum, CN_LIST_REDUCE)
CN_OP_DECLARE(nanprod, CN_LIST_REDUCE)
CN_OP_DECLARE(nanmean, CN_LIST_REDUCE)
CN_OP_DECLARE(nanvar, CN_LIST_REDUCE)
CN_OP_DECLARE(nanstd, CN_LIST_REDUCE)
CN_OP_DECLARE(nanmax, CN_LIST_REDUCE)
CN_OP_DECLARE(nanmin, CN_LIST_REDUCE)
/* The sum of (y[i] + y[i + 1]) / 2 (x[i + 1] - x[i]) along axis. float32 or float64, both of one. */
CN_OP_DECLARE(trapezoid, CN_LIST_TRAPEZOID)
/* [n, N]: the powers N - 1, ..., 0 of each element. Floats, int32, int64. */
CN_OP_DECLARE(vander, CN_LIST_VANDER)
/* The second, the first axis reversed; a SHAPE error where it lacks. */
CN_OP_DECLARE(fliplr, CN_LIST_X) CN_FUNCTION_X(fliplr)
CN_OP_DECLARE(flipud, CN_LIST_X) CN_FUNCTION_X(flipud)

#ifndef __cplusplus
#define cn_nansum(...) CN_CALL_(nansum, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanprod(...) CN_CALL_(nanprod, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanmean(...) CN_CALL_(nanmean, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanvar(...) CN_CALL_(nanvar, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanstd(...) CN_CALL_(nanstd, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanmax(...) CN_CALL_(nanmax, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_nanmin(...) CN_CALL_(nanmin, CN_LIST_REDUCE, __VA_ARGS__)
#define cn_trapezoid(...) CN_CALL_(trapezoid, CN_LIST_TRAPEZOID, __VA_ARGS__)
#define cn_vander(...) CN_CALL_(vander, CN_LIST_VANDER, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
