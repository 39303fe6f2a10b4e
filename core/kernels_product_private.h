/* Matrix products by vectors of the instruction set: what gemm.c divides among threads. */
#ifndef CN_CORE_KERNELS_PRODUCT_PRIVATE_H
#define CN_CORE_KERNELS_PRODUCT_PRIVATE_H
#include "kernels_private.h"

/* c [m, n] = f(a b + bias), or c += a b, of one thread. Element (i, j) of a stands at a[i * a_row + j * a_col], and so on; of a's and of b's two steps one
 * is 1. */
typedef struct cni_product {
  int64_t m, n, k;
  const void *a;
  int64_t a_row, a_col;
  const void *b;
  int64_t b_row, b_col;
  void *c;
  int64_t c_row, c_col;
  const void *bias; /* [n] or NULL; not when accumulating */
  bool accumulate, relu;
} cni_product;

struct cni_product_kernels {
  int64_t lanes;                                       /* numbers in a register */
  size_t (*scratch)(const cni_product *p);             /* bytes that `blocks` needs, also for a part of p's rows, columns or depth */
  void (*blocks)(const cni_product *p, void *scratch); /* any sizes; c_col may be other than 1 */
  bool (*fits_small)(const cni_product *p);
  void (*small)(const cni_product *p);                 /* as blocks, of little depth, without scratch */
  void (*row)(const cni_product *p);                   /* m = 1: matrix times vector; b_row or b_col 1, a's elements a_col apart, c_col = 1 */
  void (*outer)(const cni_product *p);                 /* k = 1; b_col and c_col = 1 */
  /* to [k, width] = the transposed rows of `from` [height, k], which are `step` apart, zeros from height to width: a multiple of lanes. `to` has lanes numbers
   * to spare */
  void (*turn)(void *to, const void *from, int64_t height, int64_t width, int64_t step, int64_t k);
};

#endif
