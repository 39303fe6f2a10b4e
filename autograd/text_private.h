/* Text that grows in the step's arena. */
#ifndef CN_AUTOGRAD_TEXT_PRIVATE_H
#define CN_AUTOGRAD_TEXT_PRIVATE_H
#include <string.h>
#include "graph_private.h"

typedef struct cni_text { cn_graph *g; char *p; size_t size, room; bool failed; } cni_text;

bool cni_text_put(cni_text *t, const void *bytes, size_t n); /* false after an error */
static inline bool cni_text_add(cni_text *t, const char *s) { return cni_text_put(t, s, strlen(s)); }
void cni_text_format(cni_text *t, const char *format, ...) CN_PRINTF(2, 3); /* at most 511 characters at a time */
static inline const char *cni_text_done(const cni_text *t) { return t->failed || !t->p ? "" : t->p; }

#endif
