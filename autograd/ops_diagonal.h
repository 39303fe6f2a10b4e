/* Diagonals, matrices made of them, and two products of small things: kron, cross. Any numbers unless said otherwise; dtypes are kept. Names and meaning:
 * keras.ops; scatter_diagonal is the transpose of diagonal. */
#ifndef CN_AUTOGRAD_OPS_DIAGONAL_H
#define CN_AUTOGRAD_OPS_DIAGONAL_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_PLANE_(X, S) X(S, int64_t, offset, 0, ANY, "0 the main diagonal, above it positive") X(S, int64_t, axis1, 0, ANY, "the rows' axis") X(S, int64_t, axis2, 1, ANY, "the columns' axis")
#define CN_LIST_DIAGONAL(X, S) CN_IN(X, S, x, "input of rank 2 or more") CN_PLANE_(X, S)
#define CN_LIST_SCATTER_DIAGONAL(X, S) CN_IN(X, S, x, "diagonals, along the last axis") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result") CN_PLANE_(X, S)
#define CN_LIST_DIAG(X, S) CN_IN(X, S, x, "[n] or [m, n]") X(S, int64_t, k, 0, ANY, "0 the main diagonal, above it positive")
#define CN_LIST_TRI(X, S)                                                                                                                      \
  X(S, int64_t, N, CN_REQUIRED, NONNEGATIVE, "rows") X(S, int64_t, M, CN_NONE, NONNEGATIVE, "columns; None: as many as rows")                  \
  X(S, int64_t, k, 0, ANY, "diagonal: 0 the main one, above it positive") X(S, const char *, dtype, NULL, DTYPE, "of the result; None: float32")
#define CN_LIST_CROSS(X, S)                                                                                                                    \
  CN_IN(X, S, x1, "vectors of 2 or 3 elements") CN_IN(X, S, x2, "likewise") X(S, int64_t, axisa, -1, ANY, "along which x1's vectors lie")       \
  X(S, int64_t, axisb, -1, ANY, "x2's") X(S, int64_t, axisc, -1, ANY, "the result's") X(S, int64_t, axis, CN_NONE, ANY, "instead of all three")

/* y[..., i] = x[.. i, .. i + offset ..]: x's shape without the two axes, and the diagonal's length behind. A diagonal outside the matrix is empty. */
CN_OP_DECLARE(diagonal, CN_LIST_DIAGONAL)
/* Zeros of `shape` with x on the diagonal of the two axes. SHAPE where x is not what diagonal would give. */
CN_OP_DECLARE(scatter_diagonal, CN_LIST_SCATTER_DIAGONAL)
/* A vector [n] as the k-th diagonal of zeros [n + |k|, n + |k|]; of a matrix its k-th diagonal. */
CN_OP_DECLARE(diag, CN_LIST_DIAG)
/* The sum of a diagonal. uint8 and bool give int32, as sum does. */
CN_OP_DECLARE(trace, CN_LIST_DIAGONAL)
/* Ones at and below the k-th diagonal, zeros above: [N, M]. */
CN_OP_DECLARE(tri, CN_LIST_TRI)
/* Ones on the k-th diagonal: [N, M]. The function cn_eye (tensor.h) gives the same. */
CN_OP_DECLARE(eye, CN_LIST_TRI)
/* y[.. i p + k ..] = a[.. i ..] b[.. k ..], p b's size there; the shorter shape gets ones in front. At most 4 axes. */
CN_OP_DECLARE(kron, CN_LIST_AB)
CN_FUNCTION_AB(kron)
/* The vector product, the other axes broadcast. A vector of 2 elements has 0 as its third; of two such the result is the third element alone, without an axis.
 */
CN_OP_DECLARE(cross, CN_LIST_CROSS)

#ifndef __cplusplus
#define cn_diagonal(...) CN_CALL_(diagonal, CN_LIST_DIAGONAL, __VA_ARGS__)
#define cn_scatter_diagonal(...) CN_CALL_(scatter_diagonal, CN_LIST_SCATTER_DIAGONAL, __VA_ARGS__)
#define cn_diag(...) CN_CALL_(diag, CN_LIST_DIAG, __VA_ARGS__)
#define cn_trace(...) CN_CALL_(trace, CN_LIST_DIAGONAL, __VA_ARGS__)
#define cn_tri(...) CN_CALL_(tri, CN_LIST_TRI, __VA_ARGS__)
#define cn_cross(...) CN_CALL_(cross, CN_LIST_CROSS, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
