/* Linear algebra on the last two axes; all axes before them are batches. Floats only. LAPACK does the work, and where it fails the error (VALUE) names the
 * matrix: `solve: matrix 3 of the batch is singular`. Names: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_LINALG_H
#define CN_AUTOGRAD_OPS_LINALG_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [..., m, n] with zeros above (tril) or below (triu) diagonal k. Any numbers. dx = the same part of dy. */
#define CN_LIST_TRIANGLE(X, S) CN_IN(X, S, x, "[..., m, n]") X(S, int64_t, k, 0, ANY, "diagonal: 0 the main one, above it positive")
CN_OP_DECLARE(tril, CN_LIST_TRIANGLE)
CN_OP_DECLARE(triu, CN_LIST_TRIANGLE)
/* The lower triangular L with x = L L^T, or its transpose: [..., n, n]. x stands for (x + x^T) / 2, which must be positive definite.
 * dx = (S + S^T) / 2, S = L^-T phi(L^T dL) L^-1, phi = lower triangle with its diagonal halved (Giles 2008). */
#define CN_LIST_CHOLESKY(X, S) CN_IN(X, S, x, "[..., n, n]") X(S, bool, upper, false, ANY, "give L^T")
CN_OP_DECLARE(cholesky, CN_LIST_CHOLESKY)
/* a^-1 b: [..., n, n], and [..., n, k] or [..., n] with the same batches. db = a^-T dy, da = -db y^T. */
CN_OP_DECLARE(solve, CN_LIST_AB)
CN_FUNCTION_AB(solve)
/* The same for a triangular a, of which the other triangle is not read. A zero on the diagonal gives infinities. */
#define CN_LIST_SOLVE_TRIANGULAR(X, S) CN_LIST_AB(X, S) X(S, bool, lower, false, ANY, "which triangle of a is meant")
CN_OP_DECLARE(solve_triangular, CN_LIST_SOLVE_TRIANGULAR)
/* x^-1: [..., n, n]. dx = -y^T dy y^T. */
CN_OP_DECLARE(inv, CN_LIST_X)
CN_FUNCTION_X(inv)
/* Determinant: [..., n, n] -> [...]. dx = dy det x^-T; where x is singular the gradient is refused. */
CN_OP_DECLARE(det, CN_LIST_X)
CN_FUNCTION_X(det)
/* Sign of the determinant (-1, 0, 1) and log |det|: two outputs of [...]. The sign has no gradient, dx = dlogabsdet x^-T. */
CN_OP_DECLARE(slogdet, CN_LIST_X)
typedef struct cn_slogdet_result { cn_tensor *sign, *logabsdet; } cn_slogdet_result;

#ifndef __cplusplus
static inline cn_slogdet_result cni_slogdet_result(cn_tensor *const *y) { return (cn_slogdet_result){ y[0], y[1] }; }
#define cn_slogdet(...) cni_slogdet_result(CN_CALL_OUTPUTS_(slogdet, CN_LIST_X, __VA_ARGS__))
#define cn_tril(...) CN_CALL_(tril, CN_LIST_TRIANGLE, __VA_ARGS__)
#define cn_triu(...) CN_CALL_(triu, CN_LIST_TRIANGLE, __VA_ARGS__)
#define cn_cholesky(...) CN_CALL_(cholesky, CN_LIST_CHOLESKY, __VA_ARGS__)
#define cn_solve_triangular(...) CN_CALL_(solve_triangular, CN_LIST_SOLVE_TRIANGULAR, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
