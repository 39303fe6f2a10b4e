/* Recurrent layers whose products are convolutions: ConvLSTM1D to 3D. */
#ifndef CN_LAYERS_RECURRENT_CONV_H
#define CN_LAYERS_RECURRENT_CONV_H
#include "conv.h"
#include "recurrent.h"

#ifdef __cplusplus
extern "C" {
#endif

/* LSTMCell with convolutions: the gates i, f, g, o of conv(x, K) + b + conv(h, R), the first with strides, padding and dilation_rate, the second with "same"
 * alone (Shi et al. 2015). x [n, axes..., c] of 1 to 3 axes, whose sizes are known; states h, c [n, the first convolution's axes..., filters]; with
 * channels_first the channels stand behind n. K [kernel_size..., c, 4 filters], R [kernel_size..., filters, 4 filters], b [4 filters]. */
#define CN_CONV_LSTM_CELL(X, S)                                                                                                                              \
  CN_FILTERS_(X, S) CN_CONV_WINDOW_(X, S) X(S, const char *, padding, "valid", ANY, "valid or same, of the inputs' convolution") CN_DATA_FORMAT_(X, S)       \
  CN_CONV_DILATION_(X, S) X(S, cn_ref, activation, CN_NAME("tanh"), ACTIVATION, "of the candidate and the output") CN_RECURRENT_GATES_(X, S)                 \
  CN_RECURRENT_BIAS_(X, S) CN_RECURRENT_INITIALIZERS_(X, S) CN_RECURRENT_FORGET_(X, S) CN_RECURRENT_PENALTIES_(X, S) CN_RECURRENT_SEED_(X, S)
CN_LAYER_DECLARE(ConvLSTMCell, CN_CONV_LSTM_CELL)

/* The cell over the axis of time: [n, t, axes..., c] -> [n, axes..., filters], or [n, t, axes..., filters]. The layer's sub-layer is the cell, which has the
 * weights. Keras' ConvLSTM1D to 3D. */
#define CN_CONV_LSTM(X, S) CN_CONV_LSTM_CELL(X, S) CN_RNN_FLAGS_(X, S) CN_RNN_ZERO_(X, S)
CN_LAYER_DECLARE(ConvLSTM1D, CN_CONV_LSTM)
CN_LAYER_DECLARE(ConvLSTM2D, CN_CONV_LSTM)
CN_LAYER_DECLARE(ConvLSTM3D, CN_CONV_LSTM)

#ifndef __cplusplus
#define cn_ConvLSTMCell(...) CN_MAKE_LAYER_(ConvLSTMCell, CN_CONV_LSTM_CELL, __VA_ARGS__)
#define cn_ConvLSTM1D(...) CN_MAKE_LAYER_(ConvLSTM1D, CN_CONV_LSTM, __VA_ARGS__)
#define cn_ConvLSTM2D(...) CN_MAKE_LAYER_(ConvLSTM2D, CN_CONV_LSTM, __VA_ARGS__)
#define cn_ConvLSTM3D(...) CN_MAKE_LAYER_(ConvLSTM3D, CN_CONV_LSTM, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
