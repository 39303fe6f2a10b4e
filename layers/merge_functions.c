/* Merging layers as functions. */
#include "merge.h"
#include "layer_private.h"

static cn_tensor *call_once(cn_graph *g, cn_layer *l, cn_tensors inputs) {
  cn_tensor *y = l ? cn_call(g, l, .inputs = inputs) : NULL;
  if (!y || g->calling || !(y->flags & CNI_SYMBOLIC)) cn_layer_free(l); /* the call is not recorded */
  return y;
}

#define FUNCTION(name, L, Args, ...) \
  cn_tensor *cn_layers_##name##_run(const Args *a) { return cn_ok(a->graph) ? call_once(a->graph, cn_##L(a->graph, __VA_ARGS__), a->inputs) : NULL; }
FUNCTION(add, Add, cn_layers_merge_args, .name = NULL)
FUNCTION(subtract, Subtract, cn_layers_merge_args, .name = NULL)
FUNCTION(multiply, Multiply, cn_layers_merge_args, .name = NULL)
FUNCTION(average, Average, cn_layers_merge_args, .name = NULL)
FUNCTION(maximum, Maximum, cn_layers_merge_args, .name = NULL)
FUNCTION(minimum, Minimum, cn_layers_merge_args, .name = NULL)
FUNCTION(concatenate, Concatenate, cn_layers_concatenate_args, .axis = a->axis)
FUNCTION(dot, Dot, cn_layers_dot_args, a->axes, .normalize = a->normalize)
