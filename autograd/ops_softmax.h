/* Softmax and its logarithm along an axis. Floats only. */
#ifndef CN_AUTOGRAD_OPS_SOFTMAX_H
#define CN_AUTOGRAD_OPS_SOFTMAX_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* e^x / sum of e^x along axis, computed after subtracting the largest x. dx = y (gy - sum gy y). */
#define CN_SOFTMAX(X, S) CN_IN(X, S, x, "input of rank 1 or more") X(S, int64_t, axis, -1, ANY, "axis of the distribution")
CN_OP_DECLARE(softmax, CN_SOFTMAX)
/* x - ln(sum of e^x) along axis. dx = gy - e^y sum gy. */
CN_OP_DECLARE(log_softmax, CN_SOFTMAX)
/* max(x - tau, 0) along axis (Martins and Astudillo 2016), with Keras' tau = (sum of the cumulative sums of the sorted support - 1) / its size. The second
 * output is d tau / dx. */
#define CN_SPARSEMAX(X, S) CN_IN(X, S, x, "input") X(S, int64_t, axis, -1, ANY, "axis of the distribution")
CN_OP_DECLARE(sparsemax, CN_SPARSEMAX)
#ifndef __cplusplus
#define cn_sparsemax(...) CN_CALL_(sparsemax, CN_SPARSEMAX, __VA_ARGS__)
#define cn_softmax(...) CN_CALL_(softmax, CN_SOFTMAX, __VA_ARGS__)
#define cn_log_softmax(...) CN_CALL_(log_softmax, CN_SOFTMAX, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
