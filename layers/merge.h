/* Merging layers: one output of a list of inputs, cn_call(g, cn_Add(g), .inputs = CN_TENSORS(a, b)).
 * Ranks may differ: inputs of lower rank get axes of size 1 behind the batch axis; sizes of 1 then broadcast. Batch sizes must agree. Shapes that do not fit
 * are a SHAPE error, a single tensor instead of a list a VALUE error. */
#ifndef CN_LAYERS_MERGE_H
#define CN_LAYERS_MERGE_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_MERGE(X, S)
/* Sum; a - b of exactly two; product; sum / number. The output's mask is the or of the inputs' if each has one. Multiply takes masked positions (mask [n, t] of
 * [n, t, d]) as 1, and gives 0 where every input is masked. */
CN_LAYER_DECLARE(Add, CN_MERGE)
CN_LAYER_DECLARE(Subtract, CN_MERGE)
CN_LAYER_DECLARE(Multiply, CN_MERGE)
CN_LAYER_DECLARE(Average, CN_MERGE)
/* The largest, the smallest. Input by input: where one of the two compared is masked the other is taken; the running mask is their or, and none from an input
 * without mask on. */
CN_LAYER_DECLARE(Maximum, CN_MERGE)
CN_LAYER_DECLARE(Minimum, CN_MERGE)

/* One behind the other along axis; the other sizes must agree. Masks are joined likewise, inputs without one counting as valid. Keras' Concatenate. */
#define CN_CONCATENATE(X, S) X(S, int64_t, axis, -1, ANY, "along which they are joined")
CN_LAYER_DECLARE(Concatenate, CN_CONCATENATE)

/* For each sample the sum of products over an axis of each input: [n, a..., k, ...] x [n, b..., k, ...] -> [n, the rest of a, the rest of b], [n, 1] if nothing
 * is left. Negative axes count from the end. With normalize both are divided by their norm along the axis first: x / sqrt(max(sum x^2, 1e-14)). No mask. Keras'
 * Dot. */
#define CN_DOT(X, S)                                                                                \
  X(S, cn_ints, axes, CN_EMPTY_INTS, ONE_OR_LIST, "required; axis of both inputs, or one of each; not 0")        \
  X(S, bool, normalize, false, ANY, "whether the result is the cosine of the angle")
CN_LAYER_DECLARE(Dot, CN_DOT)

/* The function forms, keras.layers.add and so on: make the layer and call it once, cn_layers_concatenate(g, CN_TENSORS(a, b), .axis = 1). On symbolic tensors
 * the layer becomes part of the graph, else it is freed again. */
#define CN_MERGED(X, S) X(S, cn_tensors, inputs, { 0 }, ANY, "what is merged")
#define CN_CONCATENATED(X, S) CN_MERGED(X, S) CN_CONCATENATE(X, S)
#define CN_DOTTED(X, S) CN_MERGED(X, S) CN_DOT(X, S)
typedef struct cn_layers_merge_args { cn_graph *graph; CN_MERGED(CN_FIELD_, ) } cn_layers_merge_args;
typedef struct cn_layers_concatenate_args { cn_graph *graph; CN_CONCATENATED(CN_FIELD_, ) } cn_layers_concatenate_args;
typedef struct cn_layers_dot_args { cn_graph *graph; CN_DOTTED(CN_FIELD_, ) } cn_layers_dot_args;
CN_API cn_tensor *cn_layers_add_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_subtract_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_multiply_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_average_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_maximum_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_minimum_run(const cn_layers_merge_args *args);
CN_API cn_tensor *cn_layers_concatenate_run(const cn_layers_concatenate_args *args);
CN_API cn_tensor *cn_layers_dot_run(const cn_layers_dot_args *args);

#ifndef __cplusplus
#define cn_Add(...) CN_MAKE_LAYER_(Add, CN_MERGE, __VA_ARGS__)
#define cn_Subtract(...) CN_MAKE_LAYER_(Subtract, CN_MERGE, __VA_ARGS__)
#define cn_Multiply(...) CN_MAKE_LAYER_(Multiply, CN_MERGE, __VA_ARGS__)
#define cn_Average(...) CN_MAKE_LAYER_(Average, CN_MERGE, __VA_ARGS__)
#define cn_Maximum(...) CN_MAKE_LAYER_(Maximum, CN_MERGE, __VA_ARGS__)
#define cn_Minimum(...) CN_MAKE_LAYER_(Minimum, CN_MERGE, __VA_ARGS__)
#define cn_Concatenate(...) CN_MAKE_LAYER_(Concatenate, CN_CONCATENATE, __VA_ARGS__)
#define cn_Dot(...) CN_MAKE_LAYER_(Dot, CN_DOT, __VA_ARGS__)
#define CN_MERGE_CALL_(name, ...) CN_WITH_OPTIONS_(cn_tensor *, cn_layers_merge_args, CN_MERGED, cn_layers_##name##_run, __VA_ARGS__)
#define cn_layers_add(...) CN_MERGE_CALL_(add, __VA_ARGS__)
#define cn_layers_subtract(...) CN_MERGE_CALL_(subtract, __VA_ARGS__)
#define cn_layers_multiply(...) CN_MERGE_CALL_(multiply, __VA_ARGS__)
#define cn_layers_average(...) CN_MERGE_CALL_(average, __VA_ARGS__)
#define cn_layers_maximum(...) CN_MERGE_CALL_(maximum, __VA_ARGS__)
#define cn_layers_minimum(...) CN_MERGE_CALL_(minimum, __VA_ARGS__)
#define cn_layers_concatenate(...) CN_WITH_OPTIONS_(cn_tensor *, cn_layers_concatenate_args, CN_CONCATENATED, cn_layers_concatenate_run, __VA_ARGS__)
#define cn_layers_dot(...) CN_WITH_OPTIONS_(cn_tensor *, cn_layers_dot_args, CN_DOTTED, cn_layers_dot_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
