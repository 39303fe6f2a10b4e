/* Operations: one struct each. A user's own operation is a struct of the same type in the user's file, called with cn_apply. */
#ifndef CN_AUTOGRAD_OP_H
#define CN_AUTOGRAD_OP_H
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Shape and dtype of an output, as `infer` fills it. */
typedef struct cn_sig { cn_dtype dtype; cn_dims dims; } cn_sig;

/* One call of an operation, as its functions see it. Inputs that were left out are CN_NO_TENSOR. */
typedef struct cn_call {
  cn_graph *graph;
  const cn_op *op;
  const void *args;        /* the cn_NAME_args struct of the call */
  cn_tensor *const *x;     /* inputs */
  int64_t nx;
  cn_tensor *const *y;     /* outputs (forward, check, backward) */
  int64_t ny;
  cn_sig *sig;             /* infer: ny of them, to be filled */
  void *const *gy;         /* backward: gradients of the outputs, contiguous, of their shapes; NULL where nothing depends on the output */
  void *const *gx;         /* backward: where to write the gradients of the inputs (not zeroed); NULL where none is wanted */
  bool narrow;             /* backward: gx[0] has the shape that the op's `narrow` gives */
  void *memo;              /* forward, backward: op->memo bytes of this call's own, zeros at first, where it is run again with the same shapes; or NULL */
  const cn_tensor *slope;  /* backward of TAKES_SLOPE: gy[0] is still to be multiplied with it, element by element; NULL: gy[0] is the gradient */
  const struct cn_call *next; /* forward, where it has waited: the values of output 0, which has no memory, go into the `piece` of this call's op; or NULL */
} cn_call;

/* What the naive reference of the sweep gets: everything as double. */
typedef struct cn_reference { const cn_call *call; double *const *x; double *const *y; } cn_reference;

enum {
  CN_OP_BROADCASTS = 1,    /* elementwise over broadcast inputs: `backward` and `vjp` may give gradients of the output's shape; the engine sums them */
  CN_OP_VIEW = 2,          /* output 0 shares input 0's memory from element offset(call) on (0 without one); forward is not called */
  CN_OP_ROWS = 4,          /* output 0 are rows of input 0 along its first axis, chosen by input 1 (int32, int64): a variable's gradient may stay sparse */
  CN_OP_RANDOM = 8,        /* draws from a stream */
  CN_OP_NO_GRADIENT = 16,  /* no output depends differentiably on any input */
  CN_OP_DATA_SHAPE = 32,   /* output shapes depend on the inputs' values: such a call is inferred at every step */
  CN_OP_GIVES_SLOPE = 64,  /* of one input, elementwise; the last output is its derivative: backward may be left to the operation that made the input */
  CN_OP_TAKES_SLOPE = 128  /* backward minds call->slope */
};
#define CN_READS_X(i) (1u << (i))           /* backward or vjp reads the value of input i (i < 16; bit 15 stands for all from 15 on) */
#define CN_READS_Y(i) (1u << (16 + (i)))    /* ... of output i */
#define CN_READS_ALL_X 0xffffu

struct cn_op {
  const char *name;                                    /* as in keras.ops */
  cn_schema schema;                                    /* of the args struct: inputs first, then options */
  int16_t inputs;                                      /* number of tensor inputs; a list of tensors counts as CN_LIST */
  int16_t outputs;                                     /* number of outputs; 0: as `count` says */
  int16_t kept;                                        /* of the outputs the last ones, which are there for the gradient only */
  uint32_t flags, reads;
  uint32_t memo;                                       /* bytes in which a repeated call keeps what it found out from its shapes; 0: none */
  bool deep;                                           /* options point at memory that a node must copy */
  bool checked;                                        /* has numbers among its options, which are checked at each call */
  int64_t (*count)(const cn_call *c);                  /* number of outputs where it varies; -1 after cn_fail */
  cn_code (*infer)(const cn_call *c);                  /* fills sig; refuses bad shapes and dtypes. Sizes may be CN_UNKNOWN */
  cn_code (*check)(const cn_call *c);                  /* refuses bad values (indices, labels), before forward; NULL: any value is legal */
  cn_code (*forward)(const cn_call *c);                /* computes every output */
  bool (*waits)(const cn_call *c); /* optional: whether a large result can wait for the call that reads it (next). Its gradient does not read it */
  /* optional, of one input, elementwise, whose backward does not need it where only output 0 has a gradient: forward of elements begin .. end, whose input
   * stands in x, for an operation that has waited */
  void (*piece)(const cn_call *c, const void *x, int64_t begin, int64_t end);
  void (*compose)(
      cn_graph *g, const cn_call *c,
      cn_tensor **y); /* instead of forward and vjp: makes the outputs of other operations, which are recorded in its place. infer and check come before it */
  int64_t (*offset)(const cn_call *c);                 /* VIEW: in elements */
  void (*vjp)(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want,
              cn_tensor **gx);                         /* in operations: differentiable to any order. gy NULL where unused; leave gx NULL for a zero gradient */
  double (*cost)(const cn_call *c);                    /* FLOP of forward; NULL: one for each element of the inputs or of the outputs, whichever are more */
  cn_code (*backward)(const cn_call *c);               /* a fused kernel with the values of vjp, optional; writes every gx that is not NULL */
  /* optional, for operations with one input whose gradient repeats along axes: its shape with size 1 there, in which backward can write it too */
  void (*narrow)(const cn_call *c, cn_dims *dims);
  bool (*factors)(const cn_call *c);                   /* optional: whether the gradient of input 0 is gy[0] times input 1, element by element, repeated */
  void (*reference)(const cn_reference *r);            /* a naive loop in double precision that never calls the kernel */
  const char *const *samples;                          /* calls for the sweep, NULL-terminated: "[3,4], [4]" inputs, then options as text; see tests/sweep.h */
  const char *const *rejects;                          /* "[4,3], [5,7] => inner sizes differ": calls that must be refused, and a part of the text */
};
#define CN_LIST (-1)

/* Runs and records an operation. `args` is its cn_NAME_args struct (graph is its first member and is ignored). Returns the outputs; on failure an array of
 * NULLs, never NULL. */
CN_API cn_tensor *const *cn_apply(cn_graph *g, const cn_op *op, const void *args);

/* A node of the tape, for vjp rules and for whoever reads a graph. */
CN_API const cn_op *cn_node_op(const cn_node *n);
CN_API const void *cn_node_args(const cn_node *n);
CN_API int64_t cn_node_inputs(const cn_node *n);
CN_API cn_tensor *cn_node_input(const cn_node *n, int64_t i);   /* CN_NO_TENSOR if it was left out */
CN_API int64_t cn_node_outputs(const cn_node *n);
CN_API cn_tensor *cn_node_output(const cn_node *n, int64_t i);
CN_API cn_node *cn_node_of(const cn_tensor *x);                 /* the node that made x, or NULL */
CN_API int64_t cn_node_number(const cn_node *n);                /* its place on the tape, as cn_explain writes it */
CN_API const char *cn_node_scope(const cn_node *n);             /* path of the layer that called it, "mlp/dense_1"; "" outside of layers */

/* Infer rules that operations share. */
CN_API cn_code cn_infer_same(const cn_call *c);                 /* output = shape and dtype of input 0 */
CN_API cn_code cn_infer_same_float(const cn_call *c);           /* the same; refuses what is not f32 or f64 */
CN_API cn_code cn_infer_broadcast(const cn_call *c);            /* NumPy broadcasting of all inputs, which must have one dtype */
CN_API cn_code cn_infer_broadcast_float(const cn_call *c);
CN_API cn_code cn_infer_broadcast_bool(const cn_call *c);       /* the same with a bool result */
/* Broadcast of two shapes; false when they do not fit. Unknown with k > 1 is k, with 1 or unknown is unknown. */
CN_API bool cn_dims_broadcast(const cn_dims *a, const cn_dims *b, cn_dims *out);
/* axis in -rank .. rank-1 as 0 .. rank-1; -1 after reporting INDEX "axis 3 is out of range for rank 2". */
CN_API int cn_axis(cn_graph *g, int64_t axis, int rank);

/* Declares the args struct and the op, in a header; LIST is its option list, inputs first. */
#define CN_OP_DECLARE(op, LIST)                                                     \
  typedef struct cn_##op##_args { cn_graph *graph; LIST(CN_FIELD_, ) } cn_##op##_args; \
  extern CN_API const cn_op cn_op_##op;
#define CN_IN(X, S, name, doc) X(S, cn_tensor *, name, CN_MISSING, ANY, doc)
#define CN_IN_OPTIONAL(X, S, name, doc) X(S, cn_tensor *, name, CN_NO_TENSOR, ANY, doc)
#define CN_LIST_X(X, S) CN_IN(X, S, x, "input")
#define CN_LIST_AB(X, S) CN_IN(X, S, a, "left") CN_IN(X, S, b, "right")
#define CN_LIST_XS(X, S) X(S, cn_tensors, xs, { 0 }, ANY, "inputs")
/* Operations without options: inline functions, so that the compiler checks the arguments. */
#define CN_FUNCTION_X(op) \
  static inline cn_tensor *cn_##op(cn_graph *g, cn_tensor *x) { const cn_##op##_args o = { g, x }; return cn_apply(g, &cn_op_##op, &o)[0]; }
#define CN_FUNCTION_AB(op) \
  static inline cn_tensor *cn_##op(cn_graph *g, cn_tensor *a, cn_tensor *b) { const cn_##op##_args o = { g, a, b }; return cn_apply(g, &cn_op_##op, &o)[0]; }

#ifndef __cplusplus
/* Defines the op in its source file: CN_OP(tanh, CN_TANH, .outputs = 1, .infer = ..., ...). */
#define CN_OP(op, LIST, ...)                                                                                                            \
  CN_SCHEMA_DATA_(op, cn_##op##_args, LIST)                                                                                             \
  const cn_op cn_op_##op = { .name = #op, .schema = CN_SCHEMA_(op, #op, cn_##op##_args),                                                \
                             .inputs = (0 LIST(CN_COUNT_LISTS_, )) ? CN_LIST : (0 LIST(CN_COUNT_INPUTS_, )),                            \
                             .deep = (0 LIST(CN_COUNT_DEEP_, )) != 0, .checked = (0 LIST(CN_COUNT_NUMBERS_, )) != 0, __VA_ARGS__ }
#define CN_TEXTS(...) (const char *const[]){ __VA_ARGS__, NULL }
/* Operations with options: cn_sum(g, x, .axis = CN_INTS(1)). */
#define CN_CALL_OUTPUTS_(op, LIST, ...)                                                \
  __extension__({                                                                      \
    CN_QUIET_ const cn_##op##_args cn_o_ = { LIST(CN_DEFAULT_, ) .graph = __VA_ARGS__ }; \
    cn_tensor *const *cn_r_ = cn_apply(cn_o_.graph, &cn_op_##op, &cn_o_);              \
    CN_LOUD_ cn_r_;                                                                    \
  })
#define CN_CALL_(op, LIST, ...) (CN_CALL_OUTPUTS_(op, LIST, __VA_ARGS__)[0])
#endif

#ifdef __cplusplus
}
#endif
#endif
