/* A functional model's program: the layers' calls and bare operations between its inputs and its outputs, in an order in which they can run. */
#ifndef CN_MODELS_PROGRAM_PRIVATE_H
#define CN_MODELS_PROGRAM_PRIVATE_H
#include "../core/map_private.h"
#include "../layers/input.h"
#include "../layers/layer_private.h"

/* What Keras calls an operation: a layer, however often it is called, or a bare operation. `layer` NULL: bare; node: its first, or only, one here (NULL: the
 * input that stands for a tensor from within a graph). */
typedef struct cni_part { const char *name; cn_layer *layer; cn_node *node; int64_t depth, index; int32_t input, calls; } cni_part;
/* One node: what runs, and where its tensors come from. `to` points into args. */
typedef struct cni_feed { cn_tensor **to; int32_t value; } cni_feed;
typedef struct cni_measure { int64_t *to; int32_t value, axis; } cni_measure;
typedef struct cni_stage {
  cn_node *node;
  void *args;
  cni_feed *feeds;
  cni_measure *measures;         /* unknown sizes among the args' numbers */
  int32_t feeds_count, measures_count, first /* its outputs are values first, first + 1, ... */, part, call /* its number among the part's */;
  int64_t depth, turn;           /* turn: among the steps of one depth */
} cni_stage;

typedef struct cni_program {
  cni_arena arena;               /* of all that follows */
  cn_tensor **inputs, **outputs; /* symbolic */
  cn_sig *wanted;                /* of the inputs */
  const char **input_names;      /* of their layers */
  int64_t inputs_count, outputs_count;
  const char **input_keys, **output_keys; /* of dicts; NULL: a list or a single tensor */
  bool single_input, single_output;       /* written without a list */
  cni_part *parts;               /* in Keras' order */
  int64_t parts_count;
  cni_stage *steps;               /* in an order in which they can run */
  int64_t steps_count;
  int32_t *results;              /* values of the outputs */
  cn_tensor **values;            /* while it runs: inputs first */
  int64_t values_count;
  bool running;
} cni_program;

/* Reads the graph between the inputs and the outputs. NULL after an error. */
cni_program *cni_program_new(cn_graph *g, const cn_tensors *inputs, const cn_tensors *outputs);
void cni_program_free(cn_graph *g, cni_program *p);
/* order.c: finds parts and steps, in Keras' order. */
bool cni_program_order(cn_graph *g, cni_program *p, uint32_t walk);
/* Runs it on in->x; the outputs go to y. */
bool cni_program_run(cn_graph *g, cni_program *p, cn_layer *model, const cn_inputs *in, cn_tensor **y);
/* Calls everything once more on other symbolic inputs and with other layers, those of the parts; what comes out goes to y. */
bool cni_program_again(cn_graph *g, cni_program *p, cn_tensor *const *inputs, cn_layer *const *layers, cn_tensor **y);
const char *cni_part_shape_text(const cni_program *p, int64_t k, char *text, size_t size); /* summary.c: "(None, 4)" of part k's outputs */
/* x with the rank of an input of shape `want`: a last axis of 1 is added or taken away, as Keras does; else an error. */
cn_tensor *cni_fit_rank(cn_graph *g, const char *name, cn_tensor *x, const cn_dims *want);

/* plot.c: the part that gives a value; -1: none. */
int64_t cni_part_of(const cni_program *p, int32_t value);

#endif
