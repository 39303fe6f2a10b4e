/* The memory of a step that is run again: its headers, nodes and arguments stay (an arena of its own), and so do the buffers that its tensors had. */
#ifndef CN_AUTOGRAD_HELD_PRIVATE_H
#define CN_AUTOGRAD_HELD_PRIVATE_H
#include "graph_private.h"

#define CNI_HELD_BYTES ((size_t)4 << 20) /* of buffers, at most: where a step moves more, recording it costs nothing in comparison, and memory counts */

/* aside: the step's own arena, while what follows in the step is held in another. */
typedef struct cni_held { cni_arena arena, aside; cni_buffer **buffers; int64_t count; } cni_held;

/* What follows in this step is held. At the beginning of a step nothing needs to be called: all of it is. */
static inline void cni_held_begin(cn_graph *g, cni_held *h) {
  h->aside = *cni_step_arena(g);
  *cni_step_arena(g) = (cni_arena){ 0 };
}

static inline void cni_held_free(cn_graph *g, cni_held *h) {
  for (int64_t i = 0; i < h->count; i++) cni_buffer_drop(g, h->buffers[i], false);
  cni_free(g, h->buffers);
  h->buffers = NULL;
  h->count = 0;
  cni_arena_retire(g, &h->arena); /* headers stay mapped as long as the graph */
}

/* At the reset that ends the step, after its buffers have returned: takes arena and marked buffers. False: they could not be held, and are free. */
static inline bool cni_held_end(cn_graph *g, cni_held *h, bool wanted) {
  h->arena = *cni_step_arena(g);
  *cni_step_arena(g) = h->aside;
  h->aside = (cni_arena){ 0 };
  if (cni_buffers_withdraw(g, CNI_HELD_BYTES, &h->buffers, &h->count) && wanted && cn_ok(g)) return true;
  cni_held_free(g, h);
  return false;
}

#endif
