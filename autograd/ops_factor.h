/* Decompositions of matrices, through LAPACK, on the last two axes; all axes before them are batches. Floats only. Where LAPACK fails the error (VALUE) names
 * the matrix. Names: keras.ops. Signs are LAPACK's, as NumPy and JAX give them. keras.ops.eig is absent: its results are complex, and there are no complex
 * dtypes. */
#ifndef CN_AUTOGRAD_OPS_FACTOR_H
#define CN_AUTOGRAD_OPS_FACTOR_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_MATRIX(X, S) CN_IN(X, S, x, "[..., m, n]")
#define CN_LIST_QR(X, S) CN_LIST_MATRIX(X, S) X(S, const char *, mode, "reduced", ANY, "reduced: min(m, n) columns of q; complete: m")
#define CN_LIST_SVD(X, S) CN_LIST_MATRIX(X, S) X(S, bool, full_matrices, true, ANY, "u and vh are square") X(S, bool, compute_uv, true, ANY, "else s is the only output")
#define CN_LIST_LU_PERMUTATION(X, S) CN_IN(X, S, pivots, "[..., k], int32") X(S, int64_t, size, CN_REQUIRED, NONNEGATIVE, "m, the matrix' rows")
#define CN_LIST_PINV(X, S) CN_LIST_MATRIX(X, S) X(S, double, rcond, CN_NONE_REAL, ANY, "singular values up to rcond times the largest count as 0; None: 10 max(m, n) epsilon")

/* x = q r, q^T q = 1, r upper triangular: q [..., m, k], r [..., k, n]; k = min(m, n), or m in mode complete.
 * m >= n: dx = (dq + q s) r^-T with s the symmetric matrix that has the lower triangle of r dr^T - dq^T q (Walter, Lehmann, Lamour 2012; Roberts and Roberts
 * 2020); m < n: through the first m columns, the others being q^T x. The gradient of q in mode complete with m > n is refused (UNSUPPORTED): its last columns
 * are arbitrary. */
CN_OP_DECLARE(qr, CN_LIST_QR)
typedef struct cn_qr_result { cn_tensor *q, *r; } cn_qr_result;
/* Of (x + x^T) / 2 [..., n, n]: eigenvalues [..., n], ascending, and eigenvectors [..., n, n], one a column. dx = the symmetric part of v (diag(dw) + (v^T dv)
 * / (w_j - w_i)) v^T, where equal eigenvalues add nothing (Giles 2008). */
CN_OP_DECLARE(eigh, CN_LIST_X)
typedef struct cn_eigh_result { cn_tensor *eigenvalues, *eigenvectors; } cn_eigh_result;
/* x = u diag(s) vh, s descending: u [..., m, k], s [..., min(m, n)], vh [..., k, n]; k = min(m, n), with full_matrices m and n. Without compute_uv u and vh are
 * NULL. dx = u (diag(ds) + (J + J^T) s + s (K + K^T)) vh + what stands outside u and v, J = u^T du / (s_j^2 - s_i^2), K = v^T dv / (s_j^2 - s_i^2) (Townsend
 * 2016). The gradients of u and vh are refused (UNSUPPORTED) with full_matrices where m != n. */
CN_OP_DECLARE(svd, CN_LIST_SVD)
typedef struct cn_svd_result { cn_tensor *u, *s, *vh; } cn_svd_result;
/* x = p l u by elimination with row exchanges: l's part below its unit diagonal and u in one [..., m, n]; pivots int32 [..., min(m, n)]: row i was exchanged
 * with row pivots[i], one after the other. As SciPy's lu_factor; a singular matrix is no error. d(p^T x) = l^-T (tril(l^T dl, -1) + triu(du u^T)) u^-T (Seeger
 * et al. 2017; parts beyond a square through l2 = x2 u^-1, u2 = l^-1 x2). */
CN_OP_DECLARE(lu_factor, CN_LIST_MATRIX)
typedef struct cn_lu_factor_result { cn_tensor *lu, *pivots; } cn_lu_factor_result;
/* The order of the rows that such exchanges lead to: int32 [..., m], row i of l u is row y[i] of x. Cornu's own. INDEX for a pivot out of range. */
CN_OP_DECLARE(lu_permutation, CN_LIST_LU_PERMUTATION)
/* Moore and Penrose's inverse p = v s^-1 u^T [..., n, m]. dx = -p^T dp p^T + (1 - x p) dp^T p p^T + p^T p dp^T (1 - p x), for a rank that does not change
 * (Golub and Pereyra 1973). */
CN_OP_DECLARE(pinv, CN_LIST_PINV)

#ifndef __cplusplus
static inline cn_qr_result cni_qr_result(cn_tensor *const *y) { return (cn_qr_result){ y[0], y[1] }; }
static inline cn_eigh_result cni_eigh_result(cn_tensor *const *y) { return (cn_eigh_result){ y[0], y[1] }; }
static inline cn_lu_factor_result cni_lu_factor_result(cn_tensor *const *y) { return (cn_lu_factor_result){ y[0], y[1] }; }
static inline cn_svd_result cn_svd_run(const cn_svd_args *args) {
  cn_tensor *const *const y = cn_apply(args->graph, &cn_op_svd, args);
  return args->compute_uv ? (cn_svd_result){ y[0], y[1], y[2] } : (cn_svd_result){ NULL, y[0], NULL };
}
#define cn_qr(...) cni_qr_result(CN_CALL_OUTPUTS_(qr, CN_LIST_QR, __VA_ARGS__))
#define cn_eigh(...) cni_eigh_result(CN_CALL_OUTPUTS_(eigh, CN_LIST_X, __VA_ARGS__))
#define cn_svd(...) CN_WITH_OPTIONS_(cn_svd_result, cn_svd_args, CN_LIST_SVD, cn_svd_run, __VA_ARGS__)
#define cn_lu_factor(...) cni_lu_factor_result(CN_CALL_OUTPUTS_(lu_factor, CN_LIST_MATRIX, __VA_ARGS__))
#define cn_lu_permutation(...) CN_CALL_(lu_permutation, CN_LIST_LU_PERMUTATION, __VA_ARGS__)
#define cn_pinv(...) CN_CALL_(pinv, CN_LIST_PINV, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
