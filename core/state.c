/* Fields of states. */
#include <stdio.h>
#include "state_private.h"

void cni_state_of(cn_state *s, const char *name, int64_t number) { snprintf(s->path, sizeof s->path, "%s_%lld/", name, (long long)number); }

bool cni_state_field(cn_state *s, const char *name, cn_dtype dtype, const cn_dims *dims, void *data) {
  char path[2 * CNI_SCOPE_SIZE];
  snprintf(path, sizeof path, "%s%s", s->path, name);
  return cn_ok(s->graph) && s->field(s, path, dtype, dims, data);
}

bool cn_state_bytes(cn_state *s, const char *name, void *data, size_t size) {
  return cni_state_field(s, name, CN_U8, &(const cn_dims){ 1, { (int64_t)size } }, data);
}
bool cn_state_loading(const cn_state *s) { return s->mode == CNI_STATE_LOADS; }
