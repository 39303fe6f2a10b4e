/* Layers around another layer. */
#ifndef CN_LAYERS_WRAPPER_H
#define CN_LAYERS_WRAPPER_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The base of wrappers as a layer of its own: calls the layer as it is. Keras' Wrapper. */
#define CN_WRAPPER(X, S) X(S, cn_layer *, layer, NULL, REQUIRED, "the layer inside")
CN_LAYER_DECLARE(Wrapper, CN_WRAPPER)

/* The layer on every step: [n, t, ...] -> [n, t, what the layer makes of ...]. The layer is called on [n, ...] of each step, so that batch statistics,
 * random numbers and states are the step's own; once on [n t, ...] where that is the same (cn_layer_methods.per_sample). A mask [n, t] goes step by step with
 * its samples and passes on. Keras' TimeDistributed. */
#define CN_TIME_DISTRIBUTED(X, S) X(S, cn_layer *, layer, NULL, REQUIRED, "called on each step")
CN_LAYER_DECLARE(TimeDistributed, CN_TIME_DISTRIBUTED)

/* The layer that a wrapper was made with; its sub-layer. For wrappers of a user's own: an instance struct that begins with cn_layer, an option row named layer,
 * .init = cn_wrapper_init. */
CN_API cn_layer *cn_wrapped(const cn_layer *wrapper);
CN_API bool cn_wrapper_init(cn_object *self);

#ifndef __cplusplus
#define cn_Wrapper(...) CN_MAKE_LAYER_(Wrapper, CN_WRAPPER, __VA_ARGS__)
#define cn_TimeDistributed(...) CN_MAKE_LAYER_(TimeDistributed, CN_TIME_DISTRIBUTED, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
