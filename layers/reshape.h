/* Layers that give the elements another shape or order: Reshape, Permute, RepeatVector. They drop masks. Flatten stands in core_layers.h. */
#ifndef CN_LAYERS_RESHAPE_H
#define CN_LAYERS_RESHAPE_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [n, ...] -> [n, target_shape...], the same elements in the same order. One entry may be -1: what is left. A product that differs from the input's is a SHAPE
 * error. Keras' Reshape. */
#define CN_RESHAPE(X, S) X(S, cn_ints, target_shape, CN_EMPTY_INTS, REQUIRED_LIST, "sizes without the batch axis; one may be -1")
CN_LAYER_DECLARE(Reshape, CN_RESHAPE)

/* Axis i of the output, i = 1, 2, ..., is axis dims[i - 1] of the input; the batch axis stays. The input's rank must be that of dims and one. Keras' Permute.
 */
#define CN_PERMUTE(X, S) X(S, cn_ints, dims, CN_EMPTY_INTS, REQUIRED_LIST, "axes, counted from 1")
CN_LAYER_DECLARE(Permute, CN_PERMUTE)

/* [n, d] -> [n, times, d]. Keras' RepeatVector. */
#define CN_REPEAT_VECTOR(X, S) X(S, int64_t, n, CN_REQUIRED, POSITIVE, "times")
CN_LAYER_DECLARE(RepeatVector, CN_REPEAT_VECTOR)

#ifndef __cplusplus
#define cn_Reshape(...) CN_MAKE_LAYER_(Reshape, CN_RESHAPE, __VA_ARGS__)
#define cn_Permute(...) CN_MAKE_LAYER_(Permute, CN_PERMUTE, __VA_ARGS__)
#define cn_RepeatVector(...) CN_MAKE_LAYER_(RepeatVector, CN_REPEAT_VECTOR, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
