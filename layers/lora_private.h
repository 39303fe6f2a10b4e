/* Low-rank adaptation of a kernel, see CN_LORA_. */
#ifndef CN_LAYERS_LORA_PRIVATE_H
#define CN_LAYERS_LORA_PRIVATE_H
#include "layer_private.h"

/* a [..., rank], b [rank, last axis of the kernel]; a is NULL where no rank was given. */
typedef struct cni_lora { cn_tensor *a, *b; double scale; } cni_lora;
/* In build, after the layer's own weights: makes "NAME_a" and "NAME_b" and freezes the kernel. rank None or 0: nothing. A failure is the graph's. */
void cni_lora_build(cn_layer *l, cni_lora *lora, const char *name, cn_tensor *kernel, int64_t rank, double alpha, const cn_ref *regularizer,
                    const cn_ref *constraint);
/* kernel + scale a b. */
cn_tensor *cni_lora_kernel(cn_graph *g, const cni_lora *lora, cn_tensor *kernel);

#endif
