/* Elements of lanes in order: what sorting, ranking and thresholds share. */
#ifndef CN_AUTOGRAD_ORDER_PRIVATE_H
#define CN_AUTOGRAD_ORDER_PRIVATE_H
#include "ops_layout_private.h"

/* An element as its place and an unsigned integer that has the elements' order. */
typedef struct cni_item { uint64_t key; int32_t index; } cni_item;

/* Items of x's elements start, start + step, ...: ascending, or descending keys; NaN is the largest number, both zeros are one. x: any numeric dtype. */
void cni_items(cni_item *v, const cn_tensor *x, int64_t start, int64_t step, int64_t n, bool descending);
/* The first k of n items by their keys, equal ones as they stood; they come to stand in v or in spare [n], and the other items are lost. */
cni_item *cni_first_items(cni_item *v, cni_item *spare, int64_t n, int64_t k, cn_dtype dtype);

/* Ranges of lanes of n elements that threads order side by side, each with memory of its own. */
int64_t cni_order_parts(const cn_graph *g, int64_t lanes, int64_t n);

static inline uint64_t cni_key(double x, bool descending) {
  uint64_t bits;
  x += 0; /* -0 becomes 0 */
  memcpy(&bits, &x, sizeof bits);
  bits = x != x ? UINT64_MAX : bits ^ (bits >> 63 ? UINT64_MAX : UINT64_C(1) << 63);
  return descending ? ~bits : bits;
}

#endif
