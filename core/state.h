/* State that is saved and brought back: one function of a callback or a layer tells all its fields, and serves both directions. */
#ifndef CN_CORE_STATE_H
#define CN_CORE_STATE_H
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cn_state cn_state;
/* A field of `size` bytes: it is saved under the name, which its owner uses once, or is overwritten with what was saved. False after an error: nothing was
 * saved under the name (FORMAT), or something of another size (SHAPE). */
CN_API bool cn_state_bytes(cn_state *s, const char *name, void *data, size_t size);
/* Whether fields are overwritten: what hangs on them is then made anew. */
CN_API bool cn_state_loading(const cn_state *s);

#ifdef __cplusplus
}
#endif
#endif
