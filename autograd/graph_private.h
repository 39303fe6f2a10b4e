/* Inside of graphs, tensors and nodes. */
#ifndef CN_AUTOGRAD_GRAPH_PRIVATE_H
#define CN_AUTOGRAD_GRAPH_PRIVATE_H
#include <string.h>
#include "../core/context_private.h"
#include "../core/kernels_private.h"
#include "../core/state_private.h"
#include "op.h"

#define CNI_INLINE_BYTES 32            /* values up to this size stand in the header */
#define CNI_PERSISTENT UINT32_MAX      /* epoch of persistent tensors */

enum {
  CNI_VARIABLE = 1, CNI_SYMBOLIC = 2, CNI_NEEDS = 4 /* depends on a trainable variable or a watched tensor */, CNI_WATCHED = 8,
  CNI_TEMPORARY = 16 /* made by a rule that is not recorded */, CNI_RELEASED = 32, CNI_TARGET = 64 /* of the gradient being computed */,
  CNI_KEEP = 128 /* not to be released early */, CNI_PLANNED = 256 /* belongs to a plan, which uses header and buffer again */,
  CNI_DEFERRED = 512 /* with CNI_RELEASED: not computed yet */, CNI_OF_SEGMENT = 1024,
  CNI_OF_WEIGHT = 2048 /* with CNI_RELEASED: not backward released it */,
  CNI_LATE = 4096 /* computed after calls that read it: of these none noted a version */
};

/* What only variables, watched and named tensors have. */
typedef struct cni_extra {
  cn_tensor *grad;                     /* persistent for variables */
  cn_rows rows;                        /* sparse gradient; grad is made from it when asked for */
  bool zero;                           /* the gradient is zero; grad is made when asked for */
  cn_tensor *mask;
  char *name;
  cn_penalty penalty;
  cn_projection projection;
  bool frozen;                         /* not trainable now */
  bool never_trains;                   /* a weight made so (running statistics), whatever its layer's flag says */
  cn_tensor *next, *previous;          /* ring of the graph's variables, in order of creation */
  uint32_t listed;                     /* the walk over layers that listed it last */
  uint32_t epoch;                      /* of the extra of a step tensor */
  uint32_t read_epoch;                 /* first_reader is of this epoch */
  int32_t first_reader;                /* tape index of the first node that read the variable since the last reset */
  int32_t place;                       /* where an optimizer that met it last has it: a guess for the next time */
} cni_extra;

/* The first 64 bytes serve every call; the value of small tensors and the shape follow. */
struct cn_tensor {
  cn_graph *graph;
  uint32_t epoch;                      /* alive while it equals the graph's, or CNI_PERSISTENT; 0: dead */
  uint8_t dtype;
  uint16_t flags;
  int64_t count;                       /* elements; -1 unknown */
  void *data;
  cni_buffer *buffer;                  /* NULL: the value is inline (or there is none) */
  cn_node *node;                       /* that made it; NULL: none */
  cn_tensor *slot;                     /* its gradient while backward runs */
  uint32_t sweep;                      /* leaves: the backward that met it last */
  int32_t uses;                        /* temporaries: slots that hold it; variables: readers whose gradient is still to come */
  /* 64 */
  union { unsigned char bytes[CNI_INLINE_BYTES]; double align; } value;
  uint32_t version;                    /* of an inline value */
  int32_t output;                      /* index among its node's outputs */
  int32_t rows_readers;                /* variables: readers in this sweep that look rows up */
  int64_t born;                        /* length of the tape when it was made: nothing before depends on it */
  cni_extra *extra;
  cn_dims dims;
};

/* A recorded call. The args struct, the outputs' array and the versions follow it in memory. */
struct cn_node {
  const cn_op *op;
  cn_tensor **x;                       /* inside args, or the copied list */
  cn_tensor **y;
  void *args;
  uint32_t *versions;                  /* of the inputs, when they were read */
  int32_t id, nx, ny;
  uint32_t sweep;                      /* the walk that marked it last */
  uint32_t dependent;                  /* the gradient (by number) whose targets it depends on */
  bool needs;
  union {
    const char *scope;                 /* path of the layer, or NULL */
    struct cni_symbol *symbol;         /* of a node that made symbolic tensors */
  };
};

typedef struct cni_temps { cn_tensor **v; int64_t count, capacity; } cni_temps;

struct cn_graph {
  cni_context core;
  uint32_t epoch, sweep;
  bool recording, replaying, check_finite, deferring /* large results are computed when they are first read */,
      in_rule /* inside a rule that is not recorded */, remark /* a watch or a thaw came after the readers */, stepping /* a step callback runs */;
  cni_arena step[2];                   /* headers, nodes and args of this step and, untouched, of the one before */
  cni_arena keep;                      /* headers and nodes of persistent tensors */
  cn_node **tape;
  int64_t tape_count, tape_capacity, symbolic_count;
  cn_node *waiting;                    /* whose result waits for the next call; or NULL */
  bool absent, unstored;               /* values on the tape have not been computed; of results that wait or went into another call without being stored */
  cni_temps temps;                     /* temporaries of the rules that run now */
  cn_tensor *free_temps;               /* headers of temporaries to be used again, linked by slot */
  cn_tensor *dead_first, *dead_last;   /* freed persistent headers, oldest first, linked by slot; uses = epoch of death */
  cn_tensor *variables;                /* ring, or NULL */
  cn_tensor **met;                     /* leaves that the running backward has met */
  int64_t met_count, met_capacity;
  struct cni_piece *pieces;            /* sparse contributions of the running backward */
  int64_t pieces_count, pieces_capacity;
  uint32_t writes;                     /* assignments so far */
  uint32_t trainables;                 /* changes so far of which variables there are and which are trained */
  uint32_t watched;                    /* the epoch in which an operation's result was watched last */
  cn_stream streams;
  const char *current_scope;           /* the scope's copy that nodes share */
  const char *naming;                  /* the name of the next symbolic operation; NULL: as Keras counts */
  uint32_t walks;                      /* over layers and symbolic nodes so far */
  cn_layer *calling;                   /* the layer whose call runs, or NULL */
  bool training;                       /* its training flag */
  uint32_t trial, trials;              /* layers built now are unbuilt at the end of this trial (0: none); trials so far (layer.c) */
  struct cni_name *names;              /* how often a layer's name was given (symbolic.c) */
  struct cni_plan *plans[2];           /* of even and odd steps; plan.c */
  struct cni_plan *plan /* being followed, while calls match it */, *followed /* that this step began with */, *noting /* that calls are added to */,
      *noted /* that this step began to note */;
  int64_t cursor;                      /* into the plan */
  int64_t last_count, repeats;         /* length of the last step's tape; steps with that length */
  int32_t misses, rest, pause;         /* steps that left their plan; steps to go without one, now and after the next failure */
  struct cni_drawn *drawn;             /* of the segments that run now: streams that are drawn from (segment.c) */
  bool repeating;                      /* a segment is computed again: variables that it assigns stay */
  struct cni_profile *profile /* being measured; NULL: nothing is */, *profiled; /* profile.c */
  int32_t nesting;                     /* gradients that are being computed now, one inside the other */
  struct cni_replay *replays, *capture /* being noted */, *sealing /* noted, until the reset */; /* replay.c */
};

static inline cni_arena *cni_step_arena(cn_graph *g) { return &g->step[g->epoch & 1]; }
/* NULL: 1. */
static inline double cni_number_at(const void *p, cn_dtype dtype) { return !p ? 1 : dtype == CN_F64 ? *(const double *)p : (double)*(const float *)p; }
static inline bool cni_is_float(cn_dtype d) { return d == CN_F32 || d == CN_F64; }
static inline bool cni_given(const cn_tensor *t) { return t != &cn_no_tensor_; }
static inline uint32_t cni_version(const cn_tensor *t) { return t->buffer ? t->buffer->version : t->version; }
/* Whether input i of a recorded call still has the value that the call read. */
static inline bool cni_unchanged(const cn_node *n, int32_t i) {
  const cn_tensor *x = n->x[i];
  return (x->epoch != CNI_PERSISTENT && (!x->buffer || (x->flags & CNI_LATE))) || cni_version(x) == n->versions[i];
}
static inline const cni_kernels *cni_kernels_of(const cn_call *c) { return c->graph->core.kernels[c->x[0]->dtype]; }
static inline const cni_kernels *cni_kernels_for(const cn_graph *g, cn_dtype dtype) { return g->core.kernels[dtype]; }
static inline bool cni_alive(const cn_graph *g, const cn_tensor *t) { return t->graph == g && (t->epoch == g->epoch || t->epoch == CNI_PERSISTENT); }
static inline bool cni_same_dims(const cn_dims *a, const cn_dims *b) {
  bool same = a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = a->d[i] == b->d[i];
  return same;
}
static inline void cni_set_dims(cn_dims *to, const cn_dims *from) {
  to->rank = from->rank;
  for (int i = 0; i < from->rank; i++) to->d[i] = from->d[i];
}

/* tensor.c */
/* A header with storage for `dims` (alive in this step; persistent with persist). NULL after an error. Values are not set. */
cn_tensor *cni_tensor_new(cn_graph *g, cn_dtype dtype, const cn_dims *dims, bool persist);
cn_tensor *cni_string_tensor(cn_graph *g, const cn_dims *dims, int64_t count,
                             size_t bytes); /* a step tensor of texts: its data are count + 1 offsets and `bytes`, to be set */
void cni_header_init(cn_graph *g, cn_tensor *t, cn_dtype dtype, const cn_dims *dims, bool persist);
cn_tensor *cni_view_header(cn_graph *g, cn_dtype dtype, const cn_dims *dims); /* of a step tensor or a temporary, without storage */
bool cni_tensor_storage(cn_graph *g, cn_tensor *t, bool step);      /* t->data from its count and dtype */
cn_tensor *cni_temporary(cn_graph *g, cn_dtype dtype, const cn_dims *dims); /* of a rule that is not recorded; values are not set */
void cni_temporary_free(cn_graph *g, cn_tensor *t);
/* Checks that t may be read by the entry point g->core.where: of this graph, alive, not released, with data if `data`. Reports what is wrong. */
bool cni_readable(cn_graph *g, const cn_tensor *t, bool data);
cni_extra *cni_extra_of(cn_graph *g, cn_tensor *t);                 /* makes it where missing; NULL: no memory */
/* Gives its memory back; reading it is an error from then on, whose text says why: 0 for backward, CNI_OF_SEGMENT as its segment ended,
 * CNI_OF_WEIGHT as a weight took it. */
void cni_release(cn_graph *g, cn_tensor *t, uint16_t why);
const char *cni_released_how(const cn_tensor *t);                   /* "by an earlier backward": goes behind "was released" */
double cni_value_at(const cn_tensor *t, int64_t i);                 /* of any numeric dtype */
void cni_value_set(cn_tensor *t, int64_t i, double v);
void cni_touch(cn_tensor *variable);                                /* counts a write */
void cni_fill(cn_tensor *t, double value);
bool cni_state_tensor(cn_state *s, const char *name, cn_tensor *variable); /* as a field */

/* apply.c */
bool cni_check_finite(cn_graph *g, const cn_tensor *t, const char *what);
int64_t cni_call_outputs(cn_graph *g, const cn_op *op, const void *args); /* how many outputs a call has; -1 after an error */
bool cni_call_run(const cn_call *c); /* check and forward */
void cni_note_inputs(cn_graph *g, cn_node *n);
bool cni_compute_deferred(cn_graph *g, cn_node *n);                 /* now; false after an error, and it stays deferred */
bool cni_deferred_stands(cn_graph *g, const cn_node *n);            /* whether it can be: its inputs are what they were. False after an error */
extern cn_tensor *const cni_nulls[];  /* what a failed call returns */
void cni_plan_leave(cn_graph *g);     /* plan.c */

/* profile.c */
cn_code cni_profile_call(const cn_call *c, bool rule);              /* forward, or a fused backward, measured */
double cni_profile_clock(void);                                     /* seconds */
void cni_profile_add(cn_graph *g, const char *name, int phase, double began, double flop,
                     double bytes); /* one call that began then and is over now, in the scope that runs */
static inline cn_code cni_run_forward(const cn_call *c) { return c->graph->profile ? cni_profile_call(c, false) : c->op->forward(c); }
static inline cn_code cni_run_rule(const cn_call *c) { return c->graph->profile ? cni_profile_call(c, true) : c->op->backward(c); }

/* segment.c */
void cni_stream_drawn(cn_graph *g, cn_stream *s);                   /* about to be drawn from, while g->drawn is set */
/* symbolic.c */
/* What a symbolic node is: a bare operation, or a layer's call, whose args and inputs the node has. It stands as long as the layer, or as the graph. */
typedef struct cni_symbol {
  const char *name;                    /* of the layer, or the operation's own as Keras counts it */
  const char *class_name;              /* Keras' class of an operation where a config gave it; NULL: the operation's name tells */
  cn_layer *layer;                     /* that was called, or NULL */
  cn_node *next;                       /* the layer's call before */
  const cn_schema *schema;             /* of the node's args */
  cn_tensor **sizes;                   /* whose unknown sizes stand among the args' numbers */
  int32_t part;                        /* of an operation: its number in the walk that met the node last */
  int64_t sizes_count, masks_first;    /* outputs from masks_first on are the masks of those before, NULL where there is none */
} cni_symbol;
/* Calls visit for every tensor of an args struct, in the order of its rows and lists. */
void cni_each_tensor(const cn_schema *s, void *args, void (*visit)(cn_tensor **at, void *user), void *user);
/* Calls visit for every number of an args struct that is an unknown size of a tensor of g. */
void cni_each_size(const cn_graph *g, const cn_schema *s, void *args, void (*visit)(int64_t *at, void *user), void *user);
/* A copy of args with its texts and lists, lists of tensors too, taken from an arena. */
void *cni_args_copy(cn_graph *g, const cn_schema *s, const void *args, cni_arena *arena);
/* What cn_dim gives for an unknown size holds the tensor's address and the axis. NULL for a number that stands for no unknown size of a
 * symbolic tensor of g: nothing outside the graph's own memory is read. */
cn_tensor *cni_size_tensor(const cn_graph *g, int64_t v);
static inline int cni_size_axis(int64_t v) { return (int)((uint64_t)v & 7); }
cn_tensor *const *cni_symbolic_call(
    cn_call *c); /* an operation on symbolic inputs: shapes only. Recorded outside layers; inside one the outputs are step tensors without a node */
/* A node of ny outputs (their masks included) and the tensors of args as inputs, in the arena; to be given its outputs with cni_symbolic_output. NULL after an
 * error. */
cn_node *cni_symbolic_node(cn_graph *g, cni_arena *arena, const cn_op *op, const cn_schema *s, const void *args, int64_t ny);
cn_tensor *cni_symbolic_output(cn_graph *g, cn_node *n, int64_t i, cn_dtype dtype, const cn_dims *dims);
/* A name that no layer or symbolic operation of the graph has: the snake_case of the class' name, then _1, _2, ... Owned by the caller (cni_alloc). */
char *cni_unique_name(cn_graph *g, const char *class_name);
/* How often each name was given, until the next reset; false after an error. Restored: names given since are given again. */
typedef struct cni_names_mark { const struct cni_name *first; int64_t *counts; } cni_names_mark;
bool cni_names_save(cn_graph *g, cni_names_mark *mark);
void cni_names_restore(cn_graph *g, const cni_names_mark *mark);

/* replay.c */
void cni_capture_spoil(cn_graph *g); /* what runs now cannot be replayed: a user's own code, values that a list of actions would not renew */
void cni_capture_assign(cn_tensor *variable, cn_tensor *value);

/* engine.c */
/* What backward does with a complete gradient instead of keeping it: an optimizer's fused update. Dense: `gradient`; sparse: `rows` (indices i64 in range;
 * values [n, width], or NULL while they stand in several pieces). */
typedef struct cni_complete { cn_tensor *variable, *gradient; } cni_complete;
typedef struct cni_sink {
  bool (*apply)(void *user, cn_tensor *variable, cn_tensor *gradient, const cn_rows *rows);
  bool (*apply_all)(void *user, const cni_complete *x, int64_t n); /* dense ones that waited until all were there */
  void *user;
} cni_sink;
bool cni_backward(const cn_backward_args *args, const cni_sink *sink);
bool cni_settle(cn_graph *g); /* before a variable changes: computes results that wait or were not stored. False after an error */
bool cni_rows_join(cn_graph *g, const cn_tensor *variable, cn_rows *rows); /* values made from the pieces, if they are NULL; inside a sink */
/* Where the values of n rows from `begin` on are, and the number that they are to be multiplied with (NULL: 1); inside a sink if values is NULL. */
void cni_rows_places(const cn_graph *g, const cn_tensor *variable, const cn_rows *rows, int64_t begin, int64_t n, const char **place, const char **number);
cn_tensor *cni_rows_dense(cn_graph *g, const cn_rows *rows, const cn_tensor *variable); /* a step tensor, or a temporary inside a rule */
/* The option data_format: anything else, None too, is channels_last. */
static inline bool cni_channels_first(const char *data_format) { return data_format && !strcmp(data_format, "channels_first"); }

#endif
