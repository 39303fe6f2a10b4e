/* Plans: eager code that makes the same calls step after step is recorded once. The headers, nodes and buffers of such a step are kept; in a later step each
 * call is compared with the next one of the plan (operation, inputs, options), and while they match nothing is inferred, allocated or recorded: the node is
 * used again and its kernel called. At the first difference recording resumes, on the same tape. The tape is an ordinary one either way, so gradients and
 * everything else that reads it know nothing of plans. Two plans take turns, for even and odd steps, so that a tensor from before the last reset is still told
 * from a live one. */
#ifndef CN_AUTOGRAD_PLAN_PRIVATE_H
#define CN_AUTOGRAD_PLAN_PRIVATE_H
#include "graph_private.h"

typedef struct cni_plan cni_plan;

/* While a step is noted (g->noting) or follows a plan (g->plan): */
cn_tensor *cni_plan_tensor(cn_graph *g, cn_dtype dtype,
                           const cn_dims *dims);   /* the plan's next tensor made from data, values not set; NULL: the plan has ended here */
cn_tensor *const *cni_plan_call(const cn_call *c); /* the outputs of the plan's next call, computed (NULLs after an error); NULL: the plan has ended here */
void cni_plan_watch(cn_graph *g, cn_tensor *x);                               /* x is watched: noted, or compared */
void cni_note_tensor(cn_graph *g, cn_tensor *t);
void cni_note_call(cn_graph *g, cn_node *n, bool recorded);
void cni_plan_decline(cn_graph *g);                                           /* leaves, and steps like this one are not noted for a long time */
/* cni_plan_leave(g), graph_private.h: what runs now is not in the plan: it ends here; a step that is being noted is given up */

void cni_plan_reset(cn_graph *g);                                             /* the step ends, its buffers have returned; before the epoch moves */
void cni_plan_begin(cn_graph *g);                                             /* and after: how the next step runs */
void cni_plans_free(cn_graph *g);

#endif
