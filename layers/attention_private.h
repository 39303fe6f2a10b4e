/* What the attention layers share. */
#ifndef CN_LAYERS_ATTENTION_PRIVATE_H
#define CN_LAYERS_ATTENTION_PRIVATE_H
#include "attention.h"
#include "layer_private.h"

/* [t, s] bool: which of s positions each of t sees, all those before (and itself) when causal, all less than window away unless that is None; NULL without
 * either, or after an error. Sizes may be unknown. */
cn_tensor *cni_seen(cn_graph *g, int64_t t, int64_t s, bool causal, int64_t window);
/* Whether both masks hold; either may be NULL. */
static inline cn_tensor *cni_both(cn_graph *g, cn_tensor *a, cn_tensor *b) { return a && b ? cn_logical_and(g, a, b) : a ? a : b; }
/* A mask as bool with a new axis; NULL stays NULL. */
static inline cn_tensor *cni_truth_along(cn_graph *g, cn_tensor *mask, int64_t axis) {
  return mask ? cn_expand_dims(g, mask->dtype == CN_BOOL ? mask : cn_cast(g, mask, .dtype = "bool"), .axis = CN_INTS(axis)) : NULL;
}
static inline bool cni_asked(int64_t flag) { return flag != CN_NONE && flag != 0; }

#endif
