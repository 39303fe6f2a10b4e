/* What recurrent layers share: cells by parts, and running a cell over time. */
#ifndef CN_LAYERS_RECURRENT_PRIVATE_H
#define CN_LAYERS_RECURRENT_PRIVATE_H
#include "layer_private.h"
#include "recurrent.h"

/* One call's view of a cell: what does not change from step to step. */
typedef struct cni_cell_run {
  cn_layer *cell;
  bool training;
  cn_tensor *pattern;                /* recurrent dropout of the first state's shape, or NULL */
  cn_tensor *input_bias;             /* added to x K, or CN_NO_TENSOR */
  cn_tensor *recurrent_bias;         /* added to h R, or CN_NO_TENSOR */
  cn_tensor *part[2];                /* of the recurrent kernel, where steps need it in parts */
} cni_cell_run;
/* One step: from x K + b (or x_t itself of a cell that is called) and the states to the output, and the new states in next. NULL after an error. */
typedef cn_tensor *cni_step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next);

/* A cell of the library: the product with the input, of one step or all at once, and the step behind it. */
typedef struct cni_cell_kind {
  cni_step *step;
  bool (*begin)(cni_cell_run *r, cn_graph *g); /* what steps share; may be NULL */
  int64_t states;
  cn_tensor *(*product)(const cni_cell_run *r, cn_graph *g, cn_tensor *x); /* x K + b of one step, or of all; NULL: cn_linear */
} cni_cell_kind;
typedef struct cni_cell {
  cn_layer base;
  const cni_cell_kind *kind;
  int64_t units;
  int rank;                             /* of a step's input; a sequence has one axis more */
  double dropout, recurrent_dropout;
  cn_stream stream;
  cn_tensor *kernel, *recurrent, *bias; /* bias CN_NO_TENSOR: none */
} cni_cell;

/* recurrent_cells.c */
cni_cell *cni_cell_of(cn_layer *l);                                           /* NULL: a user's or stacked cells */
bool cni_cell_begin(cni_cell_run *r, cn_graph *g, const cn_dims *step);       /* r->cell and r->training are set; a step's shape */
cn_tensor *cni_cell_project(const cni_cell_run *r, cn_graph *g, cn_tensor *x); /* a step's input, or a sequence of them -> x K + b, dropout on x in training */
cn_tensor *cni_cell_call(cn_layer *l, cn_graph *g, cn_inputs *in);            /* the call of every cni_cell: one step */
bool cni_cell_state(cn_layer *l, cn_state *s);                                  /* of every cni_cell: its stream */
void cni_cell_stream(cni_cell *c, int64_t seed);
cn_tensor *cni_dropped(const cni_cell_run *r, cn_graph *g, cn_tensor *h);     /* the recurrent state as products see it */
/* LSTM's step behind its products: z has the gates i, f, g, o along the axis, c is the cell state before. Gives h', writes h' and c'. */
cn_tensor *cni_lstm_gates(cn_graph *g, cn_tensor *z, cn_tensor *c, int axis, const cn_ref *activation, const cn_ref *recurrent_activation, cn_tensor **next);
/* Ones in the second quarter of a bias [4u], the initializer's values in the others. */
void cni_forget_ones(cn_layer *l, const cn_ref *initializer, int64_t u, cn_tensor *bias);
/* Shapes of a cell's states for the shape of a step's input; how many, or -1 after an error. */
int64_t cni_state_shapes(cn_layer *cell, const cn_dims *step, cn_dims *states);
bool cni_is_cell(const cn_layer *l);
bool cni_build_cell(cn_layer *cell, const cn_dims *step);
bool cni_cell_output(cn_layer *cell, const cn_dims *step, cn_dims *out);      /* shape of the output of a step */

static inline bool cni_flag(const cn_layer *l, const char *name) {
  const bool *flag = cni_option_named(l, name);
  return flag && *flag;
}

#endif
