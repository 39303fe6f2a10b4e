/* Checking the gradients of a layer, or of a model with its loss, against finite differences. */
#ifndef CN_MODELS_GRADCHECK_LAYER_H
#define CN_MODELS_GRADCHECK_LAYER_H
#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_GRADCHECK_LAYER(X, S)                                                                                                                    \
  X(S, cn_layer *, layer, NULL, ANY, "the layer; a model's is cn_model_layer")                                                                      \
  X(S, cn_tensor *, x, CN_NO_TENSOR, ANY, "its input")                                                                                              \
  X(S, cn_tensor *, y, CN_NO_TENSOR, ANY, "the loss's targets")                                                                                     \
  X(S, cn_ref, loss, CN_NONE_REF, LOSS, "what is differentiated, with the penalties; None: the layer's output")                                     \
  X(S, bool, training, true, ANY, "whether the layer is called as in training")                                                                     \
  X(S, int64_t, order, 1, POSITIVE, "as cn_gradcheck's")                                                                                            \
  X(S, int64_t, directions, 5, POSITIVE, "as cn_gradcheck's")                                                                                       \
  X(S, bool, elementwise, false, ANY, "as cn_gradcheck's")                                                                                          \
  X(S, double, step, 1e-4, POSITIVE, "as cn_gradcheck's")                                                                                           \
  X(S, double, tolerance, CN_NONE_REAL, ANY, "as cn_gradcheck's")                                                                                   \
  X(S, int64_t, seed, 1, ANY, "as cn_gradcheck's")
typedef struct cn_gradcheck_layer_args { cn_graph *graph; CN_GRADCHECK_LAYER(CN_FIELD_, ) } cn_gradcheck_layer_args;

/* Makes a float64 copy of the layer (options, sub-layers of a Sequential, weights) and checks the gradient of its output, or of loss and penalties, of the
 * input (input 0 of the report; if it is float) and of each trainable weight (input 1, 2, ... in the order of cn_trainable_weights; the report names it).
 * Dropout's pattern, and running statistics, are the same at each evaluation. The layer itself is built if it was not, and not changed otherwise. A layer whose
 * sub-layers cannot be copied is refused (UNSUPPORTED). */
CN_API cn_gradcheck_report cn_gradcheck_layer_run(const cn_gradcheck_layer_args *args);
#ifndef __cplusplus
/* cn_gradcheck_layer(g, cn_model_layer(m), x, y, CN_NAME("mse"), .order = 2) */
#define cn_gradcheck_layer(...) CN_WITH_OPTIONS_(cn_gradcheck_report, cn_gradcheck_layer_args, CN_GRADCHECK_LAYER, cn_gradcheck_layer_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
