/* Loops of the reductions, by kind and dtype. */
#ifndef CN_AUTOGRAD_OPS_REDUCE_PRIVATE_H
#define CN_AUTOGRAD_OPS_REDUCE_PRIVATE_H
#include "ops_layout_private.h"

typedef enum {
  CNI_SUM, CNI_MEAN /* without the division */, CNI_PROD, CNI_MAX, CNI_MIN, CNI_ANY, CNI_ALL, CNI_COUNT, CNI_SQUARES /* sum of squares */,
  CNI_REDUCTIONS
} cni_reduction;

/* dtype of a reduction's result; CN_STRING where it does not exist. */
cn_dtype cni_reduction_dtype(cni_reduction kind, cn_dtype x);
/* gy of a reduction's node, whose options begin as sum's, with the reduced axes as 1, so that it broadcasts against x. */
cn_tensor *cni_kept_axes(cn_graph *g, const cn_node *n, cn_tensor *gy);
/* y [kept axes] = reduction of x over the axes in bits. Threaded where large, with the same bits for any number of threads. False: no memory. */
bool cni_reduce(cn_graph *g, cni_reduction kind, cn_dtype dtype, const cn_dims *dims, const void *x, uint32_t bits, void *y);
/* What a repeated call keeps: where one call of a loop does it all, that loop. */
typedef struct cni_reduce_memo {
  void (*loop)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  int64_t outer, n, inner;
  bool noted;
} cni_reduce_memo;
void cni_reduce_note(cn_graph *g, cni_reduction kind, cn_dtype dtype, const cn_dims *dims, uint32_t bits, cni_reduce_memo *memo);
/* ops_moments.c: e = e^(x - shift), shift the largest of x along the axes in `bits` where that is finite, else 0. False: no memory. */
bool cni_exponentials(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *x, uint32_t bits, void *e, void *shift);
/* y = e^x of n numbers, divided among threads. */
void cni_exp(cn_graph *g, cn_dtype dtype, void *y, const void *x, int64_t n);

#endif
