/* What the files of the engine share. */
#ifndef CN_AUTOGRAD_ENGINE_PRIVATE_H
#define CN_AUTOGRAD_ENGINE_PRIVATE_H
#include "graph_private.h"

/* Rows of a variable's gradient, from one look-up. */
typedef struct cni_piece { cn_tensor *variable, *indices, *values; } cni_piece;

/* gradient_values.c */
void cni_values_add(cn_graph *g, cn_tensor *y, const cn_tensor *x);       /* y += x, of one shape */
cn_tensor *cni_unbroadcast(cn_graph *g, cn_tensor *t, const cn_tensor *x);      /* t summed to the shape of x; NULL after an error */

/* engine.c */
void cni_temporaries_drop(cn_graph *g, int64_t mark);                           /* those made since mark that nothing holds; the others belong to their slots */

/* rows.c */
bool cni_piece_add(cn_graph *g, const cn_node *n);                              /* the gradient of a look-up's output */
bool cni_rows_collect(cn_graph *g, cn_tensor *variable, cn_rows *rows);         /* all pieces of a variable as one: temporaries, indices i64 in range; the values of a single piece are shared, of several left where they are (NULL) */
void cni_pieces_drop(cn_graph *g, const cn_tensor *variable);

#endif
