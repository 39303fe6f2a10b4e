/* Running sums and products along an axis, and differences. Floats and integers (uint8 and bool give int32). Names and meaning: keras.ops; linear_scan is the
 * recurrence that their gradients are made of. */
#ifndef CN_AUTOGRAD_OPS_SCAN_H
#define CN_AUTOGRAD_OPS_SCAN_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_SCAN(X, S) CN_IN(X, S, x, "input") X(S, int64_t, axis, CN_NONE, ANY, "axis; None: the flattened elements")
#define CN_LIST_LINEAR_SCAN(X, S) CN_IN(X, S, a, "factors") CN_IN(X, S, b, "what is added") X(S, int64_t, axis, -1, ANY, "that the recurrence runs along")
#define CN_LIST_DIFF(X, S) CN_IN(X, S, a, "input") X(S, int64_t, n, 1, NONNEGATIVE, "how often") X(S, int64_t, axis, -1, ANY, "axis")

/* y_i = x_0 + ... + x_i. Without an axis the result has rank 1. dx_i = dy_i + dy_{i+1} + ... */
CN_OP_DECLARE(cumsum, CN_LIST_SCAN)
/* y_i = x_0 ... x_i; the gradient is right where elements are 0. */
CN_OP_DECLARE(cumprod, CN_LIST_SCAN)
/* y_i = a_i y_{i-1} + b_i with y_{-1} = 0; a and b have one shape. */
CN_OP_DECLARE(linear_scan, CN_LIST_LINEAR_SCAN)
/* y_i = x_{i+1} - x_i along the axis, n times. */
CN_OP_DECLARE(diff, CN_LIST_DIFF)

#ifndef __cplusplus
#define cn_cumsum(...) CN_CALL_(cumsum, CN_LIST_SCAN, __VA_ARGS__)
#define cn_cumprod(...) CN_CALL_(cumprod, CN_LIST_SCAN, __VA_ARGS__)
#define cn_linear_scan(...) CN_CALL_(linear_scan, CN_LIST_LINEAR_SCAN, __VA_ARGS__)
#define cn_diff(...) CN_CALL_(diff, CN_LIST_DIFF, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
