/* What the files of the engine share. */
#ifndef CN_AUTOGRAD_ENGINE_PRIVATE_H
#define CN_AUTOGRAD_ENGINE_PRIVATE_H
#include "graph_private.h"

/* Rows of a variable's gradient, from one look-up. */
typedef struct cni_piece { cn_tensor *variable, *indices, *values; } cni_piece;

/* rows.c */
bool cni_piece_add(cn_graph *g, const cn_node *n);                              /* the gradient of a look-up's output */
bool cni_rows_collect(cn_graph *g, cn_tensor *variable, cn_rows *rows);         /* all pieces of a variable as one: temporaries, indices i64 in range; a single piece's values are shared */
void cni_pieces_drop(cn_graph *g, const cn_tensor *variable);

#endif
