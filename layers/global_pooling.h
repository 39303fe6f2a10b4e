/* Pooling over all of space: GlobalAveragePooling1D to 3D, GlobalMaxPooling1D to 3D. [n, t, c], [n, h, w, c], [n, d, h, w, c], or with channels_first [n, c,
 * ...] -> [n, c]; with keepdims the pooled axes stay with size 1. The output has no mask. */
#ifndef CN_LAYERS_GLOBAL_POOLING_H
#define CN_LAYERS_GLOBAL_POOLING_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_GLOBAL_POOLING(X, S)                                                                       \
  CN_DATA_FORMAT_(X, S)                                                                                \
  X(S, bool, keepdims, false, ANY, "whether the pooled axes stay, with size 1")
/* Mean over the steps; with a mask [n, t] over those that are not masked (0/0 = NaN if all are). Keras' GlobalAveragePooling1D. */
CN_LAYER_DECLARE(GlobalAveragePooling1D, CN_GLOBAL_POOLING)
/* Mean over the spatial axes. */
CN_LAYER_DECLARE(GlobalAveragePooling2D, CN_GLOBAL_POOLING)
CN_LAYER_DECLARE(GlobalAveragePooling3D, CN_GLOBAL_POOLING)
/* Largest element over the spatial axes; a tie shares the gradient equally. */
CN_LAYER_DECLARE(GlobalMaxPooling1D, CN_GLOBAL_POOLING)
CN_LAYER_DECLARE(GlobalMaxPooling2D, CN_GLOBAL_POOLING)
CN_LAYER_DECLARE(GlobalMaxPooling3D, CN_GLOBAL_POOLING)

#ifndef __cplusplus
#define cn_GlobalAveragePooling1D(...) CN_MAKE_LAYER_(GlobalAveragePooling1D, CN_GLOBAL_POOLING, __VA_ARGS__)
#define cn_GlobalAveragePooling2D(...) CN_MAKE_LAYER_(GlobalAveragePooling2D, CN_GLOBAL_POOLING, __VA_ARGS__)
#define cn_GlobalAveragePooling3D(...) CN_MAKE_LAYER_(GlobalAveragePooling3D, CN_GLOBAL_POOLING, __VA_ARGS__)
#define cn_GlobalMaxPooling1D(...) CN_MAKE_LAYER_(GlobalMaxPooling1D, CN_GLOBAL_POOLING, __VA_ARGS__)
#define cn_GlobalMaxPooling2D(...) CN_MAKE_LAYER_(GlobalMaxPooling2D, CN_GLOBAL_POOLING, __VA_ARGS__)
#define cn_GlobalMaxPooling3D(...) CN_MAKE_LAYER_(GlobalMaxPooling3D, CN_GLOBAL_POOLING, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
