/* Cross-entropies, values per sample. Floats; the formulas and clips of keras.losses. */
#ifndef CN_AUTOGRAD_OPS_LOSS_H
#define CN_AUTOGRAD_OPS_LOSS_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -ln softmax(output)[target] (from_logits), or -ln p[target] of the probabilities p = clip(output, 1e-7, 1 - 1e-7) normalised after the clip. target: labels
 * of any numeric dtype, with output's shape without the class axis; one out of range is an INDEX error that names it. Targets equal to ignore_class give 0. */
#define CN_SPARSE_CATEGORICAL_CROSSENTROPY(X, S)                                                     \
  CN_IN(X, S, target, "labels")                                                                      \
  CN_IN(X, S, output, "logits or probabilities")                                                     \
  X(S, bool, from_logits, false, ANY, "whether output are logits")                                   \
  X(S, int64_t, axis, -1, ANY, "axis of the classes")                                                \
  X(S, int64_t, ignore_class, CN_NONE, ANY, "a label whose samples give 0")
CN_OP_DECLARE(sparse_categorical_crossentropy, CN_SPARSE_CATEGORICAL_CROSSENTROPY)

/* -sum target log_softmax(output) (from_logits; the gradient is softmax - target, as TensorFlow has it, even where target does not sum to 1),
 * or -sum target ln clip(output / sum output, 1e-7, 1 - 1e-7). Both of one shape. */
#define CN_CATEGORICAL_CROSSENTROPY(X, S)                                                            \
  CN_IN(X, S, target, "distributions")                                                               \
  CN_IN(X, S, output, "logits or probabilities")                                                     \
  X(S, bool, from_logits, false, ANY, "whether output are logits")                                   \
  X(S, int64_t, axis, -1, ANY, "axis of the classes")
CN_OP_DECLARE(categorical_crossentropy, CN_CATEGORICAL_CROSSENTROPY)

/* Elementwise: max(x, 0) - x t + ln(1 + e^-|x|) (from_logits), or -(t ln p + (1 - t) ln(1 - p)) with p = clip(output, 1e-7, 1 - 1e-7); the gradient is 0 where
 * the clip is active. Both of one shape. */
#define CN_BINARY_CROSSENTROPY(X, S)                                                                 \
  CN_IN(X, S, target, "probabilities of 1")                                                          \
  CN_IN(X, S, output, "logits or probabilities")                                                     \
  X(S, bool, from_logits, false, ANY, "whether output are logits")
CN_OP_DECLARE(binary_crossentropy, CN_BINARY_CROSSENTROPY)
#ifndef __cplusplus
#define cn_sparse_categorical_crossentropy(...) CN_CALL_(sparse_categorical_crossentropy, CN_SPARSE_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#define cn_categorical_crossentropy(...) CN_CALL_(categorical_crossentropy, CN_CATEGORICAL_CROSSENTROPY, __VA_ARGS__)
#define cn_binary_crossentropy(...) CN_CALL_(binary_crossentropy, CN_BINARY_CROSSENTROPY, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
