/* Convolutions whose kernels are not shared between positions: LocallyConnected1D and 2D of tf.keras 2.4 (Keras 3 has none). [n, axes..., c], or with
 * channels_first [n, c, axes...]; the sizes of the axes must be known. They drop masks. */
#ifndef CN_LAYERS_LOCAL_H
#define CN_LAYERS_LOCAL_H
#include "conv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[n, p, f] = activation(sum over the window of position p and the channels of x[n, window, c] kernel_p[window, c, f] + bias[p, f]), bias [out axes...,
 * filters] (with channels_first read as [filters, out axes...]). kernel by implementation: 1 [positions, window c, filters], the window before the channels
 * (with channels_first behind), padding valid only; 2 [axes..., c, out axes..., filters] (with channels_first the channels before the axes), of which what lies
 * outside of the windows is multiplied by 0; 3 [entries inside of the windows], sorted by the output they lead to, then by the input they come from. */
#define CN_LOCALLY_CONNECTED(X, S)                                                                         \
  CN_FILTERS_(X, S) CN_CONV_WINDOW_(X, S) X(S, const char *, padding, "valid", ANY, "valid, or with implementation 2 and 3 same") CN_DATA_FORMAT_(X, S) CN_CONV_ACTIVATION_(X, S) CN_KERNEL_AND_BIAS_(X, S) \
  X(S, int64_t, implementation, 1, ANY, "1, 2 or 3: how the kernel is stored")
CN_LAYER_DECLARE(LocallyConnected1D, CN_LOCALLY_CONNECTED)
CN_LAYER_DECLARE(LocallyConnected2D, CN_LOCALLY_CONNECTED)
#ifndef __cplusplus
#define cn_LocallyConnected1D(...) CN_MAKE_LAYER_(LocallyConnected1D, CN_LOCALLY_CONNECTED, __VA_ARGS__)
#define cn_LocallyConnected2D(...) CN_MAKE_LAYER_(LocallyConnected2D, CN_LOCALLY_CONNECTED, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
