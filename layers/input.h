/* Symbolic inputs: where a functional model begins. */
#ifndef CN_LAYERS_INPUT_H
#define CN_LAYERS_INPUT_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The layer behind an input: of shape [batch_size, shape ...] or batch_shape (exactly one of the two; None: unknown). First in a Sequential it gives the shape
 * to build for. Keras' InputLayer. */
#define CN_INPUT_LAYER(X, S)                                                                        \
  X(S, cn_ints, shape, CN_NONE_INTS, ANY, "without the batch axis")                                 \
  X(S, int64_t, batch_size, CN_NONE, POSITIVE, "with shape; None: any")                             \
  X(S, cn_ints, batch_shape, CN_NONE_INTS, ANY, "with the batch axis")                              \
  X(S, bool, sparse, false, ANY, "accepted; must be false")                                         \
  X(S, bool, ragged, false, ANY, "accepted; must be false")                                         \
  X(S, bool, optional, false, ANY, "accepted; an input must always be given")
CN_LAYER_DECLARE(InputLayer, CN_INPUT_LAYER)

#define CN_INPUT(X, S)                                                                              \
  X(S, const cn_dims *, shape, NULL, ANY, "without the batch axis; sizes may be CN_UNKNOWN")        \
  X(S, int64_t, batch_size, CN_NONE, ANY, "None: any")                                              \
  X(S, const char *, dtype, "float32", ANY, "of the values")                                        \
  X(S, const char *, name, NULL, ANY, "of the InputLayer; default: input_layer, input_layer_1, ...") \
  X(S, cn_tensor *, tensor, CN_NO_TENSOR, ANY, "instead of all of these: a symbolic tensor, which is given back (a model may begin at any), or one with values, whose shape and dtype the input has")
typedef struct cn_input_args { cn_graph *graph; CN_INPUT(CN_FIELD_, ) } cn_input_args;
/* A symbolic tensor [batch_size, shape ...]: layers and operations called on it are recorded, and cn_Model makes a model of them. Persistent. NULL after an
 * error. Keras' Input. */
CN_API cn_tensor *cn_input_run(const cn_input_args *args);
/* The symbolic tensor of an InputLayer, a new one at each call. */
CN_API cn_tensor *cn_input_of(cn_layer *input);

#ifndef __cplusplus
#define cn_InputLayer(...) CN_MAKE_LAYER_(InputLayer, CN_INPUT_LAYER, __VA_ARGS__)
/* cn_Input(g, CN_DIMS(28, 28), .name = "image") */
#define cn_Input(...) CN_WITH_OPTIONS_(cn_tensor *, cn_input_args, CN_INPUT, cn_input_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
