/* Control flow over callbacks: keras.ops' cond, switch, while_loop, fori_loop, scan, associative_scan, map and vectorized_map. The callbacks run at once and
 * what they compute is recorded as anywhere else, so gradients pass through whatever was run. */
#ifndef CN_AUTOGRAD_CONTROL_H
#define CN_AUTOGRAD_CONTROL_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of computation: reads x[0 .. n), writes every y[0 .. m): tensors of this graph. A failure is the graph's. */
typedef void (*cn_block)(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user);

/* All return an array of tensors that lives until the next reset of the graph, as do the tensors; on failure an array of 64 NULLs, never NULL. VALUE without a
 * callback; STATE "cond: output 1 was not written" where a block leaves one out; a condition or an index must have a value and one element. */

#define CN_COND(X, S)                                                                       \
  X(S, cn_tensor *, pred, CN_MISSING, ANY, "one number or bool: true unless it is 0")       \
  X(S, cn_block, true_fn, NULL, ANY, "run where pred holds")                                \
  X(S, cn_block, false_fn, NULL, ANY, "run where it does not")                              \
  X(S, cn_tensors, operands, { 0 }, ANY, "handed to either as x")                           \
  X(S, int64_t, outputs, 1, ANY, "how many results a block writes")                         \
  X(S, void *, user, NULL, ANY, "handed to the blocks")
typedef struct cn_cond_args { cn_graph *graph; CN_COND(CN_FIELD_, ) } cn_cond_args;
/* The results of true_fn or false_fn. */
CN_API cn_tensor *const *cn_cond_run(const cn_cond_args *args);

#define CN_SWITCH(X, S)                                                                     \
  X(S, cn_tensor *, index, CN_MISSING, ANY, "one integer; out of range it is the nearest")  \
  X(S, const cn_block *, branches, NULL, ANY, "the branches")                               \
  X(S, int64_t, count, 0, ANY, "how many there are")                                        \
  X(S, cn_tensors, operands, { 0 }, ANY, "handed to the branch as x")                       \
  X(S, int64_t, outputs, 1, ANY, "how many results a branch writes")                        \
  X(S, void *, user, NULL, ANY, "handed to the branches")
typedef struct cn_switch_args { cn_graph *graph; CN_SWITCH(CN_FIELD_, ) } cn_switch_args;
/* The results of branches[index]. */
CN_API cn_tensor *const *cn_switch_run(const cn_switch_args *args);

#define CN_WHILE_LOOP(X, S)                                                                 \
  X(S, cn_block, cond, NULL, ANY, "writes one number or bool from the variables")           \
  X(S, cn_block, body, NULL, ANY, "writes the variables anew")                              \
  X(S, cn_tensors, loop_vars, { 0 }, ANY, "what they start with")                           \
  X(S, int64_t, maximum_iterations, CN_NONE, ANY, "None: as often as cond holds")           \
  X(S, void *, user, NULL, ANY, "handed to both")
typedef struct cn_while_loop_args { cn_graph *graph; CN_WHILE_LOOP(CN_FIELD_, ) } cn_while_loop_args;
/* The variables after the last turn. Each keeps its shape and dtype, or a SHAPE error names it. */
CN_API cn_tensor *const *cn_while_loop_run(const cn_while_loop_args *args);

#define CN_FORI_LOOP(X, S)                                                                  \
  X(S, int64_t, lower, CN_REQUIRED, ANY, "first index")                                     \
  X(S, int64_t, upper, CN_REQUIRED, ANY, "behind the last")                                 \
  X(S, cn_block, body_fun, NULL, ANY, "reads the index (int32) and the values, writes the values") \
  X(S, cn_tensors, init_val, { 0 }, ANY, "what they start with")                            \
  X(S, void *, user, NULL, ANY, "handed to the body")
typedef struct cn_fori_loop_args { cn_graph *graph; CN_FORI_LOOP(CN_FIELD_, ) } cn_fori_loop_args;
/* The values after the index upper - 1. Each keeps its shape and dtype. */
CN_API cn_tensor *const *cn_fori_loop_run(const cn_fori_loop_args *args);

#define CN_SCAN(X, S)                                                                       \
  X(S, cn_block, f, NULL, ANY, "reads the carries and a slice of each of xs, writes the carries and the outputs") \
  X(S, cn_tensors, init, { 0 }, ANY, "the carries to start with")                           \
  X(S, cn_tensors, xs, { 0 }, ANY, "sliced along their first axis, all of one length")      \
  X(S, int64_t, length, CN_NONE, ANY, "how many turns; needed only without xs")             \
  X(S, bool, reverse, false, ANY, "from the last slice to the first")                       \
  X(S, int64_t, unroll, 1, ANY, "accepted, without effect")                                 \
  X(S, int64_t, outputs, 1, ANY, "how many outputs a turn has")                             \
  X(S, void *, user, NULL, ANY, "handed to f")
typedef struct cn_scan_args { cn_graph *graph; CN_SCAN(CN_FIELD_, ) } cn_scan_args;
/* The carries after the last turn, then each output of all turns, stacked along a new first axis in the order of the slices. Carries keep shape and dtype;
 * VALUE where there is no turn whose outputs could be stacked. */
CN_API cn_tensor *const *cn_scan_run(const cn_scan_args *args);

#define CN_ASSOCIATIVE_SCAN(X, S)                                                           \
  X(S, cn_block, f, NULL, ANY, "associative: reads the elements of a, then those of b, stacked along the axis, writes a o b") \
  X(S, cn_tensors, elems, { 0 }, ANY, "what is combined along the axis, all of one size")   \
  X(S, bool, reverse, false, ANY, "from the end")                                           \
  X(S, int64_t, axis, 0, ANY, "along which")                                                \
  X(S, void *, user, NULL, ANY, "handed to f")
typedef struct cn_associative_scan_args { cn_graph *graph; CN_ASSOCIATIVE_SCAN(CN_FIELD_, ) } cn_associative_scan_args;
/* y_i = x_0 o x_1 o ... o x_i of each tensor of elems, by about 2 log2(n) calls of f on many elements at once (Blelloch, "Prefix sums and their applications",
 * 1990). */
CN_API cn_tensor *const *cn_associative_scan_run(const cn_associative_scan_args *args);

#define CN_MAP(X, S)                                                                        \
  X(S, cn_block, f, NULL, ANY, "reads a slice of each of xs, writes the outputs")           \
  X(S, cn_tensors, xs, { 0 }, ANY, "sliced along their first axis, all of one length of at least 1") \
  X(S, int64_t, outputs, 1, ANY, "how many outputs a slice has")                            \
  X(S, void *, user, NULL, ANY, "handed to f")
typedef struct cn_map_args { cn_graph *graph; CN_MAP(CN_FIELD_, ) } cn_map_args;
/* f of every slice, stacked along a new first axis. vectorized_map is the same: in Cornu f runs slice by slice. */
CN_API cn_tensor *const *cn_map_run(const cn_map_args *args);

#ifndef __cplusplus
#define CN_CONTROL_(S, LIST, function, ...) CN_WITH_OPTIONS_(cn_tensor *const *, S, LIST, function, __VA_ARGS__)
#define cn_cond(...) CN_CONTROL_(cn_cond_args, CN_COND, cn_cond_run, __VA_ARGS__)
#define cn_switch(...) CN_CONTROL_(cn_switch_args, CN_SWITCH, cn_switch_run, __VA_ARGS__)
#define cn_while_loop(...) CN_CONTROL_(cn_while_loop_args, CN_WHILE_LOOP, cn_while_loop_run, __VA_ARGS__)
#define cn_fori_loop(...) CN_CONTROL_(cn_fori_loop_args, CN_FORI_LOOP, cn_fori_loop_run, __VA_ARGS__)
#define cn_scan(...) CN_CONTROL_(cn_scan_args, CN_SCAN, cn_scan_run, __VA_ARGS__)
#define cn_associative_scan(...) CN_CONTROL_(cn_associative_scan_args, CN_ASSOCIATIVE_SCAN, cn_associative_scan_run, __VA_ARGS__)
#define cn_map(...) CN_CONTROL_(cn_map_args, CN_MAP, cn_map_run, __VA_ARGS__)
#define cn_vectorized_map(...) cn_map(__VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
