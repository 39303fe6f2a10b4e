/* Pooling over windows: MaxPooling1D to 3D, AveragePooling1D to 3D, AdaptiveMaxPooling1D to 3D, AdaptiveAveragePooling1D to 3D. [n, axes..., c], or with
 * channels_first [n, c, axes...]. They drop masks. */
#ifndef CN_LAYERS_POOLING_H
#define CN_LAYERS_POOLING_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_POOL_REST_(X, S)                                                                                \
  X(S, cn_size, strides, { { CN_NONE } }, POSITIVE, "between windows, one or one an axis; None: pool_size") \
  X(S, const char *, padding, "valid", ANY, "valid, or same: the output has size / strides elements, rounded up") \
  CN_DATA_FORMAT_(X, S)
#define CN_MAX_POOLING(X, S) X(S, cn_size, pool_size, { { 2 } }, POSITIVE, "of the window, one or one an axis") CN_POOL_REST_(X, S)
#define CN_AVERAGE_POOLING(X, S) X(S, cn_size, pool_size, { { 0 } }, POSITIVE, "of the window, one or one an axis; required") CN_POOL_REST_(X, S)
#define CN_ADAPTIVE_POOLING(X, S) X(S, cn_size, output_size, { { 0 } }, POSITIVE, "spatial sizes of the result; required") CN_DATA_FORMAT_(X, S)

/* The largest element of each window. Keras' MaxPooling1D to 3D. */
CN_LAYER_DECLARE(MaxPooling1D, CN_MAX_POOLING)
CN_LAYER_DECLARE(MaxPooling2D, CN_MAX_POOLING)
CN_LAYER_DECLARE(MaxPooling3D, CN_MAX_POOLING)
/* The mean over each window, padding left out. Keras' AveragePooling1D to 3D. */
CN_LAYER_DECLARE(AveragePooling1D, CN_AVERAGE_POOLING)
CN_LAYER_DECLARE(AveragePooling2D, CN_AVERAGE_POOLING)
CN_LAYER_DECLARE(AveragePooling3D, CN_AVERAGE_POOLING)
/* Windows i of n cover floor(i size / n) .. ceil((i + 1) size / n) - 1 of each axis: a result of output_size whatever the input's. Keras' AdaptiveMaxPooling1D
 * to 3D, AdaptiveAveragePooling1D to 3D. */
CN_LAYER_DECLARE(AdaptiveMaxPooling1D, CN_ADAPTIVE_POOLING)
CN_LAYER_DECLARE(AdaptiveMaxPooling2D, CN_ADAPTIVE_POOLING)
CN_LAYER_DECLARE(AdaptiveMaxPooling3D, CN_ADAPTIVE_POOLING)
CN_LAYER_DECLARE(AdaptiveAveragePooling1D, CN_ADAPTIVE_POOLING)
CN_LAYER_DECLARE(AdaptiveAveragePooling2D, CN_ADAPTIVE_POOLING)
CN_LAYER_DECLARE(AdaptiveAveragePooling3D, CN_ADAPTIVE_POOLING)

#ifndef __cplusplus
#define cn_MaxPooling1D(...) CN_MAKE_LAYER_(MaxPooling1D, CN_MAX_POOLING, __VA_ARGS__)
#define cn_MaxPooling2D(...) CN_MAKE_LAYER_(MaxPooling2D, CN_MAX_POOLING, __VA_ARGS__)
#define cn_MaxPooling3D(...) CN_MAKE_LAYER_(MaxPooling3D, CN_MAX_POOLING, __VA_ARGS__)
#define cn_AveragePooling1D(...) CN_MAKE_LAYER_(AveragePooling1D, CN_AVERAGE_POOLING, __VA_ARGS__)
#define cn_AveragePooling2D(...) CN_MAKE_LAYER_(AveragePooling2D, CN_AVERAGE_POOLING, __VA_ARGS__)
#define cn_AveragePooling3D(...) CN_MAKE_LAYER_(AveragePooling3D, CN_AVERAGE_POOLING, __VA_ARGS__)
#define cn_AdaptiveMaxPooling1D(...) CN_MAKE_LAYER_(AdaptiveMaxPooling1D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#define cn_AdaptiveMaxPooling2D(...) CN_MAKE_LAYER_(AdaptiveMaxPooling2D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#define cn_AdaptiveMaxPooling3D(...) CN_MAKE_LAYER_(AdaptiveMaxPooling3D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#define cn_AdaptiveAveragePooling1D(...) CN_MAKE_LAYER_(AdaptiveAveragePooling1D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#define cn_AdaptiveAveragePooling2D(...) CN_MAKE_LAYER_(AdaptiveAveragePooling2D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#define cn_AdaptiveAveragePooling3D(...) CN_MAKE_LAYER_(AdaptiveAveragePooling3D, CN_ADAPTIVE_POOLING, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
