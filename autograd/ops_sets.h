/* Integers and bits, membership, sorted halves, statistics of rows, windows. Dtypes are kept unless said otherwise. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_SETS_H
#define CN_AUTOGRAD_OPS_SETS_H
#include "op.h"
#include "ops_assemble.h"
#include "ops_math.h"
#include "ops_reduce.h"
#include "ops_scan.h"
#include "ops_sort.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_ISIN(X, S) CN_IN(X, S, x1, "elements") CN_IN(X, S, x2, "the set") X(S, bool, assume_unique, false, ANY, "accepted: without effect") X(S, bool, invert, false, ANY, "whether not in")
#define CN_LIST_MULTI_HOT(X, S)                                                                                                               \
  CN_IN(X, S, inputs, "integers") X(S, int64_t, num_classes, CN_REQUIRED, POSITIVE, "size of the new axis") X(S, int64_t, axis, -1, ANY, "where it stands") \
  X(S, const char *, dtype, NULL, DTYPE, "of the result; None: float32") X(S, bool, sparse, false, ANY, "not supported: there are no sparse tensors")
#define CN_LIST_ARGPARTITION(X, S) CN_IN(X, S, x, "input") X(S, int64_t, kth, CN_REQUIRED, ANY, "place that must be right; negative from the end") X(S, int64_t, axis, -1, ANY, "axis; None: the flattened elements")
#define CN_LIST_XY(X, S) CN_IN(X, S, x, "[..., m, d]") CN_IN(X, S, y, "[..., n, d]")
#define CN_LIST_CORRELATE(X, S) CN_IN(X, S, x1, "rank 1") CN_IN(X, S, x2, "rank 1") X(S, const char *, mode, "valid", ANY, "valid, same or full")
#define CN_LIST_HISTOGRAM(X, S) CN_IN(X, S, x, "input") X(S, int64_t, bins, 10, POSITIVE, "how many") X(S, cn_reals, range, { 0 }, ANY, "lower and upper end; none given: those of x")
#define CN_LIST_WINDOW(X, S) X(S, int64_t, x, CN_REQUIRED, ANY, "size n; below 1: no elements")
#define CN_LIST_KAISER(X, S) CN_LIST_WINDOW(X, S) X(S, double, beta, CN_REQUIRED_REAL, ANY, "steepness")

/* The greatest common divisor and the least common multiple, neither negative; of int32, int64, uint8, broadcast. gcd(0, 0) = lcm(a, 0) = 0. No gradient. */
CN_OP_DECLARE(gcd, CN_LIST_AB) CN_FUNCTION_AB(gcd)
CN_OP_DECLARE(lcm, CN_LIST_AB) CN_FUNCTION_AB(lcm)
/* Every bit flipped: -x - 1 for signed integers, 255 - x for uint8, not x for bool. No gradient. */
CN_OP_DECLARE(bitwise_not, CN_LIST_X) CN_FUNCTION_X(bitwise_not)
/* a 2^b: a float, b an integer. */
CN_OP_DECLARE(ldexp, CN_LIST_AB) CN_FUNCTION_AB(ldexp)
/* The next float after a towards b. No gradient. */
CN_OP_DECLARE(nextafter, CN_LIST_AB) CN_FUNCTION_AB(nextafter)
/* True everywhere: bool of x's shape. No gradient. */
CN_OP_DECLARE(isreal, CN_LIST_X) CN_FUNCTION_X(isreal)
/* cast, where numbers out of the dtype's range become its nearest. */
CN_OP_DECLARE(saturate_cast, CN_CAST)
/* The same bytes as another dtype; where the widths differ the last axis grows or shrinks, which must come out even. No gradient. */
CN_OP_DECLARE(view, CN_CAST)
/* Whether each of x1 occurs in x2: bool of x1's shape. NaN is in no set. No gradient. */
CN_OP_DECLARE(isin, CN_LIST_ISIN)
/* Where x is not 0: the places' indices along each axis, one int32 tensor an axis, in row-major order. Their size depends on the values. No gradient. */
CN_OP_DECLARE(nonzero, CN_LIST_X)
/* The largest of one_hot(inputs) along axis 1 (rank 1: axis 0). */
CN_OP_DECLARE(multi_hot, CN_LIST_MULTI_HOT)
/* Indices (int32) by which the k-th element stands in its place of the sorted order, none larger before it and none smaller behind: here those of argsort. */
CN_OP_DECLARE(argpartition, CN_LIST_ARGPARTITION)
/* argmax and argmin of the elements that are no NaN; -1 where there are none. No gradient. */
CN_OP_DECLARE(nanargmax, CN_LIST_ARGUMENT)
CN_OP_DECLARE(nanargmin, CN_LIST_ARGUMENT)
/* cumsum with 0, cumprod with 1 in place of NaN. */
CN_OP_DECLARE(nancumsum, CN_LIST_SCAN)
CN_OP_DECLARE(nancumprod, CN_LIST_SCAN)

/* [..., m, n]: the root of the sum of (x_i - y_j)^2; its gradient at 0 is 0. Floats. */
CN_OP_DECLARE(cdist, CN_LIST_XY)
/* [m, m]: correlation coefficients of the rows of x [m, n], clipped to -1 .. 1; of a vector a number. Floats. */
CN_OP_DECLARE(corrcoef, CN_LIST_X) CN_FUNCTION_X(corrcoef)
/* y_k = sum of x1[i + k] x2[i]. full: every k with a pair; same: as many as the longer has, from the middle; valid: those where the shorter lies inside.
 * Floats. */
CN_OP_DECLARE(correlate, CN_LIST_CORRELATE)
/* How many elements are in each of `bins` equal parts of the range (int32 [bins]), the upper end counting to the last; and the parts' edges, float [bins +
 * 1]: cn_histogram(g, x, .bins = 4).edges. No gradient. */
CN_OP_DECLARE(histogram, CN_LIST_HISTOGRAM)
typedef struct cn_histogram_result { cn_tensor *counts, *edges; } cn_histogram_result;

/* Windows of n numbers, float32, symmetric around the middle; i from 0 to n - 1, t = i / (n - 1), 1 for n = 1. */
CN_OP_DECLARE(bartlett, CN_LIST_WINDOW) /* 1 - |2 t - 1| */
CN_OP_DECLARE(hanning, CN_LIST_WINDOW)  /* 0.5 - 0.5 cos(2 pi t) */
CN_OP_DECLARE(hamming, CN_LIST_WINDOW)  /* 0.54 - 0.46 cos(2 pi t) */
CN_OP_DECLARE(blackman, CN_LIST_WINDOW) /* 0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t) */
CN_OP_DECLARE(kaiser, CN_LIST_KAISER)   /* I_0(beta sqrt(1 - (2 t - 1)^2)) / I_0(beta) */

#ifndef __cplusplus
static inline cn_histogram_result cni_histogram_result(cn_tensor *const *y) { return (cn_histogram_result){ y[0], y[1] }; }
#define cn_saturate_cast(...) CN_CALL_(saturate_cast, CN_CAST, __VA_ARGS__)
#define cn_view(...) CN_CALL_(view, CN_CAST, __VA_ARGS__)
#define cn_isin(...) CN_CALL_(isin, CN_LIST_ISIN, __VA_ARGS__)
#define cn_nonzero(...) CN_CALL_OUTPUTS_(nonzero, CN_LIST_X, __VA_ARGS__)
#define cn_multi_hot(...) CN_CALL_(multi_hot, CN_LIST_MULTI_HOT, __VA_ARGS__)
#define cn_argpartition(...) CN_CALL_(argpartition, CN_LIST_ARGPARTITION, __VA_ARGS__)
#define cn_nanargmax(...) CN_CALL_(nanargmax, CN_LIST_ARGUMENT, __VA_ARGS__)
#define cn_nanargmin(...) CN_CALL_(nanargmin, CN_LIST_ARGUMENT, __VA_ARGS__)
#define cn_nancumsum(...) CN_CALL_(nancumsum, CN_LIST_SCAN, __VA_ARGS__)
#define cn_nancumprod(...) CN_CALL_(nancumprod, CN_LIST_SCAN, __VA_ARGS__)
#define cn_cdist(...) CN_CALL_(cdist, CN_LIST_XY, __VA_ARGS__)
#define cn_correlate(...) CN_CALL_(correlate, CN_LIST_CORRELATE, __VA_ARGS__)
#define cn_histogram(...) cni_histogram_result(CN_CALL_OUTPUTS_(histogram, CN_LIST_HISTOGRAM, __VA_ARGS__))
#define cn_bartlett(...) CN_CALL_(bartlett, CN_LIST_WINDOW, __VA_ARGS__)
#define cn_hanning(...) CN_CALL_(hanning, CN_LIST_WINDOW, __VA_ARGS__)
#define cn_hamming(...) CN_CALL_(hamming, CN_LIST_WINDOW, __VA_ARGS__)
#define cn_blackman(...) CN_CALL_(blackman, CN_LIST_WINDOW, __VA_ARGS__)
#define cn_kaiser(...) CN_CALL_(kaiser, CN_LIST_KAISER, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
