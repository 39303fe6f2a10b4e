/* What the files of linear algebra share. */
#ifndef CN_AUTOGRAD_OPS_LINALG_PRIVATE_H
#define CN_AUTOGRAD_OPS_LINALG_PRIVATE_H
#include "ops_layout_private.h"

/* Matrices of a tensor, rows of one, and columns of one. */
typedef struct cni_extent { int64_t batch, m, n; } cni_extent;
static inline bool cni_is_f64(const cn_call *c) { return c->x[0]->dtype == CN_F64; }
static inline char *cni_matrix_at(const cn_tensor *t, int64_t b, int64_t elements) {
  return (char *)t->data + (size_t)(b * elements) * cn_dtype_size((cn_dtype)t->dtype);
}
/* LAPACK's routine for input 0's dtype; arrays are handed over as void *. */
#define CNI_LAPACK(c, name, ...)                 \
  do {                                           \
    if (cni_is_f64(c)) d##name##_(__VA_ARGS__);  \
    else s##name##_(__VA_ARGS__);                \
  } while (0)
/* The size of its work array, which it left in the array's first element. */
static inline int cni_lapack_size(const cn_call *c, const void *work) { return (int)(cni_is_f64(c) ? *(const double *)work : (double)*(const float *)work); }
void cni_fill_identity(cn_tensor *t);                                                 /* of each matrix */
cn_dims cni_batch_of(const cn_dims *d);
cni_extent cni_extent_of(const cn_dims *d);

cn_code cni_refuse_shape(const cn_call *c, const char *what);                         /* SHAPE "what, got [2,3]" */
cn_code cni_need_matrices(const cn_call *c);                                          /* floats, rank 2 or more, sizes that LAPACK can count */
cn_code cni_need_square(const cn_call *c);                                            /* the same, and as many rows as columns */
void cni_turn(const cn_call *c, void *to, const void *from, int64_t rows, int64_t cols); /* [rows, cols] -> [cols, rows] */
cn_code cni_singular(const cn_call *c, int64_t b);                                    /* VALUE "matrix 3 of the batch is singular" */

/* Pieces of gradients. */
cn_tensor *cni_transposed(cn_graph *g, cn_tensor *x);
cn_tensor *cni_product(cn_graph *g, cn_tensor *a, cn_tensor *b, bool ta, bool tb);
cn_tensor *cni_lower(cn_graph *g, cn_tensor *x, int64_t k);                           /* tril */
cn_tensor *cni_upper(cn_graph *g, cn_tensor *x, int64_t k);                           /* triu */
cn_tensor *cni_half(cn_graph *g, cn_tensor *x);
cn_tensor *cni_solve_triangle(cn_graph *g, cn_tensor *a, cn_tensor *b, bool lower);
/* a + b, where NULL is zero. */
cn_tensor *cni_plus(cn_graph *g, cn_tensor *a, cn_tensor *b);

/* For references: x [m, n] = u diag(s) v^T by one-sided Jacobi rotations, largest first; k = min(m, n). Memory lives as long as the step; false where it is
 * short. */
typedef struct cni_naive_svd { int64_t k; double *u, *s, *v; } cni_naive_svd; /* [m, k], [k], [n, k] */
bool cni_naive_svd_of(cn_graph *g, const double *x, int64_t m, int64_t n, cni_naive_svd *out);
double *cni_naive_room(cn_graph *g, int64_t count);                                   /* of the step, not zeroed */

#endif
