/* Where the time goes: calls, seconds, FLOP and bytes of each operation and each layer, forward and backward apart. */
#ifndef CN_AUTOGRAD_PROFILE_H
#define CN_AUTOGRAD_PROFILE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { CN_PHASE_FORWARD, CN_PHASE_BACKWARD, CN_PHASE_UPDATE, CN_PHASE_FIT } cn_phase;
typedef enum { CN_PROFILE_OPERATIONS, CN_PROFILE_LAYERS } cn_profile_by;

/* All calls of one operation, or in one layer ("mlp/dense_1"; "": outside of layers), in one phase. Backward: kernels of gradients, the operations that rules
 * are made of, "(sum of gradients)". Update: the optimizer, by its class. Fit: what fit spends around its training steps, on "(data)", "(metrics)",
 * "(progress)" and "(callbacks)". FLOP and bytes follow from the shapes: a multiplication and an addition are two; bytes are those of the inputs that are read
 * and the outputs that are written, once each (of an update: gradient and variable). */
typedef struct cn_profile_row {
  const char *name;
  cn_phase phase;
  int64_t calls;
  double seconds, flop, bytes;
} cn_profile_row;

/* Begins to measure, from nothing. Recorded, followed and replayed steps are measured alike. Costs nothing while off, and two readings of the clock a call
 * while on. False: no memory. */
CN_API bool cn_profile_start(cn_graph *g);
/* Stops. What was measured stays until the next start. */
CN_API void cn_profile_stop(cn_graph *g);
/* What was measured, the longest time first: writes at most `room` rows and returns how many there are. Names belong to the graph, until the next start. */
CN_API int64_t cn_profile_rows(cn_graph *g, cn_profile_by by, cn_profile_row *rows, int64_t room);
/* Both tables as text of the graph, until the next reset; "" when nothing was measured. */
CN_API const char *cn_profile_text(cn_graph *g);
/* Prints them through the graph's output callback. */
CN_API void cn_profile_report(cn_graph *g);

#ifdef __cplusplus
}
#endif
#endif
