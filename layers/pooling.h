/* Pooling layers. */
#ifndef CN_LAYERS_POOLING_H
#define CN_LAYERS_POOLING_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mean over the steps: [n, t, c] -> [n, c], or [n, 1, c] with keepdims; with a mask [n, t] the mean over the steps that are not masked (0/0 = NaN if all are). channels_first: [n, c, t]. Keras' GlobalAveragePooling1D. */
#define CN_GLOBAL_AVERAGE_POOLING_1D(X, S)                                                    \
  X(S, const char *, data_format, "channels_last", DATA_FORMAT, "channels_last or channels_first")    \
  X(S, bool, keepdims, false, ANY, "whether the pooled axis stays, with size 1")
CN_LAYER_DECLARE(GlobalAveragePooling1D, CN_GLOBAL_AVERAGE_POOLING_1D)
#ifndef __cplusplus
#define cn_GlobalAveragePooling1D(...) CN_MAKE_LAYER_(GlobalAveragePooling1D, CN_GLOBAL_AVERAGE_POOLING_1D, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
