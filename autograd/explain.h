/* Reading a recorded graph: as a table, as a drawing in the DOT language, and as a drawing in SVG. */
#ifndef CN_AUTOGRAD_EXPLAIN_H
#define CN_AUTOGRAD_EXPLAIN_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_EXPLAIN(X, S)                                                                                              \
  X(S, cn_tensor *, y, CN_MISSING, ANY, "the result whose operations are told")                                       \
  X(S, bool, backward, false, ANY, "in the order in which backward walks them, from the result down, with gradients") \
  X(S, int64_t, most, 200, POSITIVE, "operations; of a longer graph the first and last half of so many")
typedef struct cn_explain_args { cn_graph *graph; CN_EXPLAIN(CN_FIELD_, ) } cn_explain_args;
/* A table of the recorded operations that y was computed from, a line each: its number, name, inputs (#number of an operation, else the name of a variable, or
 * data, with its shape), the shape and type of the result, the smallest and the largest value, the smallest and the largest gradient (backward; of results that
 * are watched), and the layer that called it; then a line for each variable, with the range of its gradient if it has one (cn_grad). A value that was released
 * shows as "released". Text of the graph, until the next reset; "" after an error (y was not made by a recorded operation: STATE). */
CN_API const char *cn_explain_text_run(const cn_explain_args *args);
/* Prints it through the graph's output callback. */
CN_API void cn_explain_run(const cn_explain_args *args);
/* The same graph in the DOT language (graphviz draws it: `dot -Tsvg`): boxes for operations, ellipses for variables and data. Text of the graph, until the next
 * reset; "" after an error. */
CN_API const char *cn_graph_dot(cn_graph *g, cn_tensor *y);
/* The same graph drawn, as SVG text: operations as boxes with name, shape and layer, variables as filled and data as plain rounded shapes, in layers from the
 * inputs at the top to the result at the bottom, with few crossings (medians: Gansner et al., "A technique for drawing directed graphs", 1993). Of more than
 * 200 operations the first and last hundred. Text of the graph, until the next reset; "" after an error. */
CN_API const char *cn_graph_svg(cn_graph *g, cn_tensor *y);

#ifndef __cplusplus
#define cn_explain(...)                                                                \
  __extension__({                                                                     \
    CN_QUIET_ const cn_explain_args cn_o_ = { CN_EXPLAIN(CN_DEFAULT_, ) .graph = __VA_ARGS__ }; \
    cn_explain_run(&cn_o_);                                                            \
    CN_LOUD_(void) 0;                                                                  \
  })
#define cn_explain_text(...) CN_WITH_OPTIONS_(const char *, cn_explain_args, CN_EXPLAIN, cn_explain_text_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
