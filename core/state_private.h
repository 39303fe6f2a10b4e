/* Where the fields of a state go to or come from. */
#ifndef CN_CORE_STATE_PRIVATE_H
#define CN_CORE_STATE_PRIVATE_H
#include "context_private.h"
#include "state.h"

struct cn_state {
  cn_graph *graph;
  enum { CNI_STATE_SAVES, CNI_STATE_CHECKS /* sizes only: nothing is written */, CNI_STATE_LOADS } mode;
  bool (*field)(cn_state *s, const char *path, cn_dtype dtype, const cn_dims *dims, void *data);
  char path[CNI_SCOPE_SIZE]; /* of the owner whose fields come: "callback_0/" */
};
/* Sets the path of the fields that follow: "NAME_NUMBER/". */
void cni_state_of(cn_state *s, const char *name, int64_t number);
bool cni_state_field(cn_state *s, const char *name, cn_dtype dtype, const cn_dims *dims, void *data);

#endif
