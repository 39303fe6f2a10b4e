/* Norms and what else is composed of decompositions. Names and meaning: keras.ops and keras.ops.linalg. Each records the operations that it consists of, and
 * has their gradients of every order. */
#ifndef CN_AUTOGRAD_OPS_NORM_H
#define CN_AUTOGRAD_OPS_NORM_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_NORM(X, S)                                                                                                                                  \
  CN_IN(X, S, x, "input") X(S, cn_ref, ord, CN_NONE_REF, ANY, "a number as text, \"inf\", \"-inf\", \"fro\", \"nuc\"; None: the root of the sum of squares") \
  X(S, cn_ints, axis, CN_NONE_INTS, ANY, "one axis: vectors; two: matrices, rows first; None: all axes") X(S, bool, keepdims, false, ANY, "whether the axes stay, with size 1")
#define CN_LIST_LSTSQ(X, S)                                                                                                             \
  CN_IN(X, S, a, "[m, n]") CN_IN(X, S, b, "[m] or [m, k]")                                                                               \
  X(S, double, rcond, CN_NONE_REAL, ANY, "singular values below rcond times the largest count as 0; None: max(m, n) epsilon")
#define CN_LIST_CHOLESKY_INVERSE(X, S) CN_IN(X, S, x, "[..., n, n], triangular") X(S, bool, upper, false, ANY, "x^T x is inverted, x upper triangular")
#define CN_LIST_MATRIX_RANK(X, S) CN_IN(X, S, x, "[..., m, n]") X(S, double, tol, CN_NONE_REAL, ANY, "singular values up to it count as 0; None: max(m, n) epsilon times the largest")

/* Of vectors: inf max |x|, -inf min |x|, 0 how many are not 0, else (sum |x|^ord)^(1/ord). Of matrices: fro the root of the sum of squares, nuc, 2, -2 sum,
 * largest, smallest of the singular values, 1, -1 largest, smallest sum of |x| down a column, inf, -inf along a row. Without ord and axis: of all elements,
 * whatever the rank. Integers and bool are cast to float32. VALUE for an ord that the number of axes does not allow. Where a root's sum is 0 its gradient is 0.
 * `cn_norm(g, x, .ord = "2", .axis = CN_INTS(-1))`. */
CN_OP_DECLARE(norm, CN_LIST_NORM)
/* log |det x|: [..., n, n] -> [...]. slogdet's second output. */
CN_OP_DECLARE(logdet, CN_LIST_X)
CN_FUNCTION_X(logdet)
/* The x with the smallest |a x - b|, and of those the shortest: pinv(a) b. [n] or [n, k]. */
CN_OP_DECLARE(lstsq, CN_LIST_LSTSQ)
/* The inverse of l l^T from its Cholesky factor l = x: l^-T l^-1. */
CN_OP_DECLARE(cholesky_inverse, CN_LIST_CHOLESKY_INVERSE)
/* How many singular values are larger than tol: int32 [...]. No gradient. */
CN_OP_DECLARE(matrix_rank, CN_LIST_MATRIX_RANK)

#ifndef __cplusplus
#define cn_norm(...) CN_CALL_(norm, CN_LIST_NORM, __VA_ARGS__)
#define cn_lstsq(...) CN_CALL_(lstsq, CN_LIST_LSTSQ, __VA_ARGS__)
#define cn_cholesky_inverse(...) CN_CALL_(cholesky_inverse, CN_LIST_CHOLESKY_INVERSE, __VA_ARGS__)
#define cn_matrix_rank(...) CN_CALL_(matrix_rank, CN_LIST_MATRIX_RANK, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
