/* Replay: a training step noted once as a list of kernel calls, and run again on other data without layers, shape rules, recording or walks.
 *
 * A capture runs the step in the ordinary way while every call that computes something appends an action. Headers, nodes and arguments of that step stay with
 * the replay (its arena), and so do the buffers its tensors had, which come out of the pool; since a replay does the same things in the same order, two values
 * that shared a buffer one after the other may do so again. What varies between steps is read at each run: the inputs' data, variables, random streams, an
 * optimizer's rate and count. Value checks (indices, labels) run again. What a list cannot express spoils the capture: a user's own C code, gradients that are
 * kept, data made inside a rule. */
#ifndef CN_AUTOGRAD_REPLAY_PRIVATE_H
#define CN_AUTOGRAD_REPLAY_PRIVATE_H
#include "graph_private.h"

#define CNI_REPLAY_INPUTS 24
#define CNI_REPLAY_RESULTS 72

typedef enum { CNI_CAPTURING, CNI_REPLAY_READY, CNI_REPLAY_SPOILT } cni_replay_state;
typedef struct cni_replay cni_replay;

/* Begins the capture of a step of inputs x (n of them, none NULL), whose stand-ins, to be used instead, go to `in`. NULL: this step cannot be captured now (not
 * an error), or no memory. */
cni_replay *cni_capture_begin(cn_graph *g, cn_tensor *const *x, int n, cn_tensor **in);
/* Ends it; `results` (n of them, the first the loss; NULL: the step failed) are what a run returns. The replay is ready, or spoilt, after the next reset of the
 * graph. */
void cni_capture_end(cni_replay *r, cn_tensor *const *results, int n);
void cni_replay_free(cni_replay *r);
cni_replay_state cni_replay_state_of(const cni_replay *r);
bool cni_replay_fits(const cni_replay *r, cn_tensor *const *x); /* whether it may run on these inputs, of the shapes and types captured, now */

/* The forward half on inputs of the shapes and types captured, then the backward half, whose complete gradients go to the sink. False after an error. */
bool cni_replay_forward(cni_replay *r, cn_tensor *const *x, cn_tensor **results);
bool cni_replay_backward(cni_replay *r, const cni_sink *sink);

/* Called while g->capture is set, by what has just done the same. */
void cni_capture_call(const cn_call *c);                                       /* forward, or a view */
void cni_capture_rule(const cn_call *c, cn_tensor *const *gy);                 /* a fused backward; gy: the gradients' tensors */
void cni_capture_fill(cn_tensor *y, double value);
void cni_capture_copy(cn_tensor *y, cn_tensor *x);
void cni_capture_add(cn_tensor *y, cn_tensor *x);
void cni_capture_widen(cn_tensor *y, cn_tensor *x, cn_tensor *numbers);
void cni_capture_view(cn_tensor *y, cn_tensor *x);
void cni_capture_update(cn_tensor *variable, cn_tensor *gradient);             /* gradient NULL: the rows that its pieces give */
void cni_capture_backward(cn_graph *g);                                        /* what follows is the backward half */
void cni_capture_done(cn_graph *g);                                            /* the backward half is over */
/* graph.c */
void cni_capture_seal(cn_graph *g);                                            /* at the reset that ends the captured step, after the buffers have returned */
void cni_replays_free(cn_graph *g);                                            /* with the graph */

#endif
