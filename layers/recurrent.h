/* Recurrent layers: cells, which take one step, and layers that run them over time. */
#ifndef CN_LAYERS_RECURRENT_H
#define CN_LAYERS_RECURRENT_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A cell is a layer of the inputs (x_t, states ...) and the outputs (y_t, new states ...), whose class has state_shapes. Cells called alone draw new dropout
 * patterns at each call; run by a layer, one at each of its calls. Dropout outside of 0 < rate < 1 does nothing. */
#define CN_RECURRENT_INITIALIZERS_(X, S)                                                                                 \
  X(S, cn_ref, kernel_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of the kernel")                              \
  X(S, cn_ref, recurrent_initializer, CN_NAME("orthogonal"), INITIALIZER, "of the recurrent kernel")                     \
  X(S, cn_ref, bias_initializer, CN_NAME("zeros"), INITIALIZER, "of the bias")
#define CN_RECURRENT_PENALTIES_(X, S)                                                                                    \
  X(S, cn_ref, kernel_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the kernel")                                    \
  X(S, cn_ref, recurrent_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the recurrent kernel")                       \
  X(S, cn_ref, bias_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the bias")                                        \
  X(S, cn_ref, kernel_constraint, CN_NONE_REF, CONSTRAINT, "projection of the kernel after each update")                 \
  X(S, cn_ref, recurrent_constraint, CN_NONE_REF, CONSTRAINT, "projection of the recurrent kernel after each update")    \
  X(S, cn_ref, bias_constraint, CN_NONE_REF, CONSTRAINT, "projection of the bias after each update")                     \
  X(S, double, dropout, 0.0, ANY, "share of the inputs that is dropped in training, the same at every step")             \
  X(S, double, recurrent_dropout, 0.0, ANY, "share of the recurrent state that is dropped in training, the same at every step")
#define CN_RECURRENT_SEED_(X, S) X(S, int64_t, seed, CN_NONE, ANY, "of the dropout; None: the graph's")
#define CN_RECURRENT_UNITS_(X, S)                                                                                        \
  X(S, int64_t, units, CN_REQUIRED, POSITIVE, "size of the output and of each state")                                    \
  X(S, cn_ref, activation, CN_NAME("tanh"), ACTIVATION, "of the candidate or the output")
#define CN_RECURRENT_GATES_(X, S) X(S, cn_ref, recurrent_activation, CN_NAME("sigmoid"), ACTIVATION, "of the gates")
#define CN_RECURRENT_BIAS_(X, S) X(S, bool, use_bias, true, ANY, "whether a bias is added")
#define CN_RECURRENT_FORGET_(X, S) X(S, bool, unit_forget_bias, true, ANY, "the forget gate's bias begins with 1")

#define CN_RNN_FLAGS_(X, S)                                                                                              \
  X(S, bool, return_sequences, false, ANY, "the outputs of all steps [n, t, ...] instead of the last")                   \
  X(S, bool, return_state, false, ANY, "the last states are further outputs")                                            \
  X(S, bool, go_backwards, false, ANY, "from the last step to the first; outputs in the order they are made")            \
  X(S, bool, stateful, false, ANY, "the last states are the next call's first; the batch size is fixed")                 \
  X(S, bool, unroll, false, ANY, "accepted as Keras does; steps always run one by one")
#define CN_RNN_ZERO_(X, S) X(S, bool, zero_output_for_mask, false, ANY, "masked steps give 0 instead of the output before")

/* ---- cells ---- */
/* h' = f(x K + b + h R). K [d, u], R [u, u], b [u]; x [n, d], state h [n, u]. Keras' SimpleRNNCell. */
#define CN_SIMPLE_RNN_CELL(X, S) CN_RECURRENT_UNITS_(X, S) CN_RECURRENT_BIAS_(X, S) CN_RECURRENT_INITIALIZERS_(X, S) CN_RECURRENT_PENALTIES_(X, S) CN_RECURRENT_SEED_(X, S)
CN_LAYER_DECLARE(SimpleRNNCell, CN_SIMPLE_RNN_CELL)

/* Gates z, r in this order, then the candidate: z = s(x Kz + bz + h Rz), r alike, c = f(x Kc + bc + r (h Rc)) with reset_after, else f(x Kc + bc + (r h) Rc);
 * h' = z h + (1 - z) c (Cho et al. 2014). K [d, 3u], R [u, 3u], b [2, 3u] with reset_after (of x K, of h R), else [3u]. Keras' GRUCell. */
#define CN_GRU_CELL(X, S)                                                                                                                                                \
  CN_RECURRENT_UNITS_(X, S) CN_RECURRENT_GATES_(X, S) CN_RECURRENT_BIAS_(X, S) CN_RECURRENT_INITIALIZERS_(X, S) CN_RECURRENT_PENALTIES_(X, S)                             \
  X(S, bool, reset_after, true, ANY, "the reset gate applies after the product") CN_RECURRENT_SEED_(X, S)
CN_LAYER_DECLARE(GRUCell, CN_GRU_CELL)

/* Gates i, f, then the candidate g, then o in this order, all of x K + b + h R: c' = s(f) c + s(i) f(g), h' = s(o) f(c') (Hochreiter and Schmidhuber 1997).
 * States h, c. K [d, 4u], R [u, 4u], b [4u]. Keras' LSTMCell. */
#define CN_LSTM_CELL(X, S)                                                                                                                                               \
  CN_RECURRENT_UNITS_(X, S) CN_RECURRENT_GATES_(X, S) CN_RECURRENT_BIAS_(X, S) CN_RECURRENT_INITIALIZERS_(X, S) CN_RECURRENT_FORGET_(X, S) CN_RECURRENT_PENALTIES_(X, S)  \
  CN_RECURRENT_SEED_(X, S)
CN_LAYER_DECLARE(LSTMCell, CN_LSTM_CELL)

/* Each cell takes the output of the one before; states of all cells in their order. Keras' StackedRNNCells. */
#define CN_STACKED_RNN_CELLS(X, S) X(S, cn_layers, cells, CN_NONE_INTS, REQUIRED, "from the input to the output")
CN_LAYER_DECLARE(StackedRNNCells, CN_STACKED_RNN_CELLS)

/* ---- layers ---- */
/* Runs a cell over the axis of time: [n, t, ...] -> the cell's last output [n, ...], or all [n, t, ...]. A masked step keeps the states and gives the output
 * before (0 before the first). The mask passes with return_sequences. .initial_state of a call: as many as the cell has states, and the mask that x carries
 * does not count then; left out: zeros, or with stateful what the last call left (cn_reset_state). Several cells: StackedRNNCells. Keras' RNN. */
#define CN_RNN(X, S) X(S, cn_layer *, cell, NULL, REQUIRED, "the cell") CN_RNN_FLAGS_(X, S) CN_RNN_ZERO_(X, S)
CN_LAYER_DECLARE(RNN, CN_RNN)

/* The cell of this name in a layer: [n, t, d] -> [n, units] or [n, t, units]; the cell's options and RNN's. The layer's sub-layer is the cell, which has the
 * weights. */
#define CN_SIMPLE_RNN(X, S) CN_SIMPLE_RNN_CELL(X, S) CN_RNN_FLAGS_(X, S) CN_RNN_ZERO_(X, S)
CN_LAYER_DECLARE(SimpleRNN, CN_SIMPLE_RNN)
#define CN_GRU(X, S)                                                                                                                                                      \
  CN_RECURRENT_UNITS_(X, S) CN_RECURRENT_GATES_(X, S) CN_RECURRENT_BIAS_(X, S) CN_RECURRENT_INITIALIZERS_(X, S) CN_RECURRENT_PENALTIES_(X, S) CN_RECURRENT_SEED_(X, S)      \
  CN_RNN_FLAGS_(X, S) X(S, bool, reset_after, true, ANY, "the reset gate applies after the product") CN_RNN_ZERO_(X, S)
CN_LAYER_DECLARE(GRU, CN_GRU)
#define CN_LSTM(X, S) CN_LSTM_CELL(X, S) CN_RNN_FLAGS_(X, S) CN_RNN_ZERO_(X, S)
CN_LAYER_DECLARE(LSTM, CN_LSTM)

/* A recurrent layer forwards and a copy backwards, made from its config and named forward_..., backward_... merge_mode joins the outputs: concat, sum, mul,
 * ave; None: both are outputs. With return_sequences masked steps give 0. Of states the first half is the forward layer's. Keras' Bidirectional. */
#define CN_BIDIRECTIONAL(X, S)                                                                          \
  X(S, cn_layer *, layer, NULL, REQUIRED, "the recurrent layer")                                        \
  X(S, const char *, merge_mode, "concat", ANY, "concat, sum, mul, ave or None")                        \
  X(S, cn_layer *, backward_layer, NULL, ANY, "the layer backwards; None: made like layer")
CN_LAYER_DECLARE(Bidirectional, CN_BIDIRECTIONAL)

#ifndef __cplusplus
#define cn_SimpleRNNCell(...) CN_MAKE_LAYER_(SimpleRNNCell, CN_SIMPLE_RNN_CELL, __VA_ARGS__)
#define cn_GRUCell(...) CN_MAKE_LAYER_(GRUCell, CN_GRU_CELL, __VA_ARGS__)
#define cn_LSTMCell(...) CN_MAKE_LAYER_(LSTMCell, CN_LSTM_CELL, __VA_ARGS__)
#define cn_StackedRNNCells(...) CN_MAKE_LAYER_(StackedRNNCells, CN_STACKED_RNN_CELLS, __VA_ARGS__)
#define cn_RNN(...) CN_MAKE_LAYER_(RNN, CN_RNN, __VA_ARGS__)
#define cn_SimpleRNN(...) CN_MAKE_LAYER_(SimpleRNN, CN_SIMPLE_RNN, __VA_ARGS__)
#define cn_GRU(...) CN_MAKE_LAYER_(GRU, CN_GRU, __VA_ARGS__)
#define cn_LSTM(...) CN_MAKE_LAYER_(LSTM, CN_LSTM, __VA_ARGS__)
#define cn_Bidirectional(...) CN_MAKE_LAYER_(Bidirectional, CN_BIDIRECTIONAL, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
