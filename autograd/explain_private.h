/* What the readings of a graph share. */
#ifndef CN_AUTOGRAD_EXPLAIN_PRIVATE_H
#define CN_AUTOGRAD_EXPLAIN_PRIVATE_H
#include "text_private.h"

/* Marks with a new sweep what y was computed from; the number of operations, or -1 after an error. */
int64_t cni_explain_mark(cn_graph *g, cn_tensor *y, const char *where);
static inline bool cni_explain_marked(const cn_graph *g, int64_t id) { return g->tape[id]->sweep == g->sweep; }
/* "#3" of an operation, "#3:1" of its second output; a leaf's name and shape. */
const char *cni_explain_name(const cn_tensor *x, char *s, size_t size);

#endif
