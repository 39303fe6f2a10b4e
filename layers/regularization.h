/* Layers that act in training only: Dropout. */
#ifndef CN_LAYERS_REGULARIZATION_H
#define CN_LAYERS_REGULARIZATION_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In training, sets each element to 0 with probability rate and scales the others by 1 / (1 - rate) (Srivastava et al. 2014); otherwise x. noise_shape: sizes of the pattern, 1 where it is shared along an axis, None for
 * the input's size. The layer owns its stream: its counter is saved state. Keras' Dropout. */
#define CN_DROPOUT(X, S)                                                                              \
  X(S, double, rate, CN_REQUIRED_REAL, UNIT, "probability of 0")                                      \
  X(S, cn_ints, noise_shape, CN_NONE_INTS, LIST, "shape of the pattern; None: the input's")            \
  X(S, int64_t, seed, CN_NONE, ANY, "of the stream; None: drawn from the graph when the layer is made")
CN_LAYER_DECLARE(Dropout, CN_DROPOUT)
#ifndef __cplusplus
#define cn_Dropout(...) CN_MAKE_LAYER_(Dropout, CN_DROPOUT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
