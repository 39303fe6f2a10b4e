/* What the files of the engine share. */
#ifndef CN_AUTOGRAD_ENGINE_PRIVATE_H
#define CN_AUTOGRAD_ENGINE_PRIVATE_H
#include "graph_private.h"

/* Rows of a variable's gradient, from one look-up. */
typedef struct cni_piece { cn_tensor *variable, *indices, *values, *numbers /* that the rows are to be multiplied with, or NULL */; } cni_piece;

/* A walk down the tape from some outputs: the gradient of the sum of their elements, each times its weight. */
typedef struct cni_walk {
  cn_graph *g;
  cn_tensor *const *y, *const *gradient; /* outputs and their weights (CN_NO_TENSOR, or gradient NULL: ones) */
  int64_t outputs;
  cn_node *root;                         /* the last node of an output */
  bool record, release, accumulate, all; /* all: every trainable variable and watched tensor; else the marked targets */
  uint32_t mark;                         /* targets: nodes that depend on them carry it */
  uint32_t sweep;
  const cni_sink *sink;
  const cn_backward_args *steps;         /* with a callback; or NULL. Leaves are completed only when the walk is over, so that a stop changes none */
  int64_t step;                          /* callbacks so far */
  cn_tensor *slope;                      /* the gradient of the next node's output is still to be multiplied with it; or NULL */
} cni_walk;

static inline bool cni_wanted(const cni_walk *w, const cn_tensor *x) {
  if (!cni_given(x) || !cni_is_float((cn_dtype)x->dtype)) return false;
  if (!w->all) return (x->flags & CNI_TARGET) || (x->node && x->node->dependent == w->mark && !(x->node->op->flags & CN_OP_NO_GRADIENT));
  return (x->flags & CNI_VARIABLE) ? !x->extra->frozen : (x->flags & CNI_NEEDS) != 0;
}

/* gradient_values.c */
void cni_values_add(cn_graph *g, cn_tensor *y, const cn_tensor *x);       /* y += x, of one shape */
/* y = x repeated along its axes of size 1; times numbers, or NULL, repeated likewise */
void cni_values_widen(cn_graph *g, cn_tensor *y, const cn_tensor *x, const cn_tensor *numbers);
cn_tensor *cni_sum_to(cn_graph *g, cn_tensor *t, const cn_dims *s);             /* t summed over the axes along which s was repeated; NULL after an error */
/* The one place where broadcasting is undone: t in the shape of x; NULL after an error. */
static inline cn_tensor *cni_unbroadcast(cn_graph *g, cn_tensor *t, const cn_tensor *x) {
  return t->dims.rank == x->dims.rank && (!t->dims.rank || cn_dims_equal(&t->dims, &x->dims)) ? t : cni_sum_to(g, t, &x->dims);
}

/* slots.c */
bool cni_slot_add(const cni_walk *w, cn_tensor *x, cn_tensor *c);               /* x's slot, which holds something, += c. False after an error */
cn_tensor *cni_publish(cn_graph *g, cn_tensor *slot);                           /* a step tensor with the value of a slot, sharing its memory */
bool cni_outlasts_walk(const cn_tensor *t);                                     /* no update changes its memory before the walk is over */
cn_tensor *cni_slot_of_factors(cn_graph *g, cn_tensor *rows, cn_tensor *numbers); /* for a look-up's rows: rows times numbers, which both stay; or NULL */
static inline void cni_slot_set(cn_tensor *x, cn_tensor *s) {
  x->slot = s;
  if (s->flags & CNI_TEMPORARY) s->uses++;
}
static inline void cni_slot_drop(cn_graph *g, cn_tensor *x) {
  cn_tensor *s = x->slot;
  x->slot = NULL;
  if (s && (s->flags & CNI_TEMPORARY) && --s->uses == 0) cni_temporary_free(g, s);
}
static inline bool cni_slot_give(const cni_walk *w, cn_tensor *x, cn_tensor *c) { return x->slot ? cni_slot_add(w, x, c) : (cni_slot_set(x, c), true); }
static inline cn_tensor *cni_slot_numbers(const cn_tensor *slot) { return slot->flags & CNI_TEMPORARY ? slot->slot : NULL; }

/* engine.c */
bool cni_result_ok(cn_graph *g, const cn_tensor *y);                            /* live, of a float type; else an error */
bool cni_walk_back(cni_walk *w);                                                /* leaves the targets' gradients in their slots */
void cni_temporaries_drop(cn_graph *g, int64_t mark);                           /* those made since mark that nothing holds; the others belong to their slots */

/* targets.c */
bool cni_walk_to(cni_walk *w, cn_tensor *const *x, int64_t n,
                 int64_t from); /* the gradients of x, into their slots; no node before `from` on the tape is passed */

/* steps.c */
bool cni_step_taken(cni_walk *w, const cn_node *n, cn_tensor *const *gy, cn_tensor **gx,
                    bool rows);                                                 /* shows what the rule gave; gx is brought to the inputs' shapes */
void cni_steps_undo(const cni_walk *w);                                         /* after a stop: no slot holds anything */

/* rows.c */
bool cni_piece_add(cn_graph *g, const cn_node *n);                              /* the gradient of a look-up's output */
/* all pieces of a variable as one: temporaries, indices i64 in range; the values of a single piece are shared, of several left where they are (NULL) */
bool cni_rows_collect(cn_graph *g, cn_tensor *variable, cn_rows *rows);
void cni_pieces_drop(cn_graph *g, const cn_tensor *variable);

#endif
