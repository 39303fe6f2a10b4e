/* Merging layers: one output of a list of inputs, cn_call(g, cn_Add(g), .inputs = CN_TENSORS(a, b)). The function forms of Keras (keras.layers.add and so on) are just that.
 * Ranks may differ: inputs of lower rank get axes of size 1 behind the batch axis; sizes of 1 then broadcast. Batch sizes must agree. Shapes that do not fit are a SHAPE error, a single tensor instead of a list a VALUE error. */
#ifndef CN_LAYERS_MERGE_H
#define CN_LAYERS_MERGE_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_MERGE(X, S)
/* Sum; a - b of exactly two; product; sum / number. The output's mask is the or of the inputs' if each has one. Multiply takes masked positions (mask [n, t] of [n, t, d]) as 1, and gives 0 where every input is masked. */
CN_LAYER_DECLARE(Add, CN_MERGE)
CN_LAYER_DECLARE(Subtract, CN_MERGE)
CN_LAYER_DECLARE(Multiply, CN_MERGE)
CN_LAYER_DECLARE(Average, CN_MERGE)
/* The largest, the smallest. Input by input: where one of the two compared is masked the other is taken; the running mask is their or, and none from an input without mask on. */
CN_LAYER_DECLARE(Maximum, CN_MERGE)
CN_LAYER_DECLARE(Minimum, CN_MERGE)

/* One behind the other along axis; the other sizes must agree. Masks are joined likewise, inputs without one counting as valid. Keras' Concatenate. */
#define CN_CONCATENATE(X, S) X(S, int64_t, axis, -1, ANY, "along which they are joined")
CN_LAYER_DECLARE(Concatenate, CN_CONCATENATE)

/* For each sample the sum of products over an axis of each input: [n, a..., k, ...] x [n, b..., k, ...] -> [n, the rest of a, the rest of b], [n, 1] if nothing is left. Negative axes count from the end. With normalize
 * both are divided by their norm along the axis first: x / sqrt(max(sum x^2, 1e-14)). No mask. Keras' Dot. */
#define CN_DOT(X, S)                                                                                \
  X(S, cn_ints, axes, CN_EMPTY_INTS, REQUIRED, "axis of both inputs, or one of each; not 0")        \
  X(S, bool, normalize, false, ANY, "whether the result is the cosine of the angle")
CN_LAYER_DECLARE(Dot, CN_DOT)

#ifndef __cplusplus
#define cn_Add(...) CN_MAKE_LAYER_(Add, CN_MERGE, __VA_ARGS__)
#define cn_Subtract(...) CN_MAKE_LAYER_(Subtract, CN_MERGE, __VA_ARGS__)
#define cn_Multiply(...) CN_MAKE_LAYER_(Multiply, CN_MERGE, __VA_ARGS__)
#define cn_Average(...) CN_MAKE_LAYER_(Average, CN_MERGE, __VA_ARGS__)
#define cn_Maximum(...) CN_MAKE_LAYER_(Maximum, CN_MERGE, __VA_ARGS__)
#define cn_Minimum(...) CN_MAKE_LAYER_(Minimum, CN_MERGE, __VA_ARGS__)
#define cn_Concatenate(...) CN_MAKE_LAYER_(Concatenate, CN_CONCATENATE, __VA_ARGS__)
#define cn_Dot(...) CN_MAKE_LAYER_(Dot, CN_DOT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
