/* Products of matrices, through the seam in core/gemm. Floats only. */
#ifndef CN_AUTOGRAD_OPS_PRODUCT_H
#define CN_AUTOGRAD_OPS_PRODUCT_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a b of the last two axes, the others broadcast: [..., m, k] x [..., k, n] -> [..., m, n]. A vector is a row on the left, a column on the right, and its axis
 * of size 1 goes again. With transpose_a (transpose_b) the last two axes of a (b) are swapped; not for vectors. SHAPE `inner sizes differ: [4,3] x [5,7]`. da =
 * gy b^T, db = a^T gy. NumPy's matmul. */
#define CN_MATMUL(X, S)                                                                \
  CN_IN(X, S, a, "left")                                                               \
  CN_IN(X, S, b, "right")                                                              \
  X(S, bool, transpose_a, false, ANY, "whether a's last two axes are swapped")         \
  X(S, bool, transpose_b, false, ANY, "whether b's last two axes are swapped")
CN_OP_DECLARE(matmul, CN_MATMUL)

/* act(x kernel + bias): [..., d] x [d, units] + [units] -> [..., units]; one fused operation. activation: 0 none, 1 relu, 2 tanh, 3 sigmoid. Cornu's own; what
 * Dense calls. */
#define CN_LINEAR(X, S)                                                                \
  CN_IN(X, S, x, "input of rank 2 or more")                                            \
  CN_IN(X, S, kernel, "[d, units]")                                                    \
  CN_IN_OPTIONAL(X, S, bias, "[units]")                                                \
  X(S, int64_t, activation, 0, NONNEGATIVE, "0 none, 1 relu, 2 tanh, 3 sigmoid")
CN_OP_DECLARE(linear, CN_LINEAR)

#ifndef __cplusplus
#define cn_matmul(...) CN_CALL_(matmul, CN_MATMUL, __VA_ARGS__)
#define cn_linear(...) CN_CALL_(linear, CN_LINEAR, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
