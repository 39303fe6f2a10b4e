/* Core layers: Dense, Activation, Flatten, Rescaling, Masking, Identity, Lambda. Embeddings stand in embedding.h. */
#ifndef CN_LAYERS_CORE_LAYERS_H
#define CN_LAYERS_CORE_LAYERS_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_KERNEL_AND_BIAS_(X, S)                                                                          \
  X(S, cn_ref, kernel_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of the kernel")                \
  X(S, cn_ref, bias_initializer, CN_NAME("zeros"), INITIALIZER, "of the bias")                             \
  X(S, cn_ref, kernel_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the kernel")                      \
  X(S, cn_ref, bias_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the bias")                          \
  X(S, cn_ref, kernel_constraint, CN_NONE_REF, CONSTRAINT, "projection of the kernel after each update")   \
  X(S, cn_ref, bias_constraint, CN_NONE_REF, CONSTRAINT, "projection of the bias after each update")

/* Low-rank adaptation (Hu et al. 2021): with lora_rank the kernel W is frozen and W + lora_alpha / lora_rank A B takes its place, A [..., lora_rank] from
 * he_uniform, B [lora_rank, last axis of W] from zeros, both with the kernel's regularizer. A constraint on the kernel is then refused. */
#define CN_LORA_(X, S)                                                                                     \
  X(S, int64_t, lora_rank, CN_NONE, NONNEGATIVE, "rank of the trained update of the frozen kernel; None, 0: no such update") \
  X(S, double, lora_alpha, CN_NONE_REAL, ANY, "the update's factor times lora_rank; None: lora_rank")

/* y = activation(x . kernel + bias) on the last axis. [n, ..., d] -> [n, ..., units]. Weights: kernel [d, units], bias [units]. Keras' Dense. */
#define CN_DENSE(X, S)                                                                                     \
  X(S, int64_t, units, CN_REQUIRED, POSITIVE, "size of the output's last axis")                            \
  X(S, cn_ref, activation, CN_NAME("linear"), ACTIVATION, "applied to the output")                         \
  X(S, bool, use_bias, true, ANY, "whether a bias is added")                                               \
  CN_KERNEL_AND_BIAS_(X, S)                                                                                \
  CN_LORA_(X, S)
CN_LAYER_DECLARE(Dense, CN_DENSE)

/* activation(x). Keras' Activation. */
#define CN_ACTIVATION(X, S) X(S, cn_ref, activation, CN_NONE_REF, ACTIVATION, "the function")
CN_LAYER_DECLARE(Activation, CN_ACTIVATION)

/* [n, ...] -> [n, product of the others]; [n] -> [n, 1]. channels_first moves the channels last before. Keras' Flatten. */
#define CN_FLATTEN(X, S) CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(Flatten, CN_FLATTEN)

/* x * scale + offset, in the layer's dtype whatever the input's. Keras' Rescaling. */
#define CN_RESCALING(X, S)                                              \
  X(S, double, scale, CN_REQUIRED_REAL, NUMBER, "factor")                  \
  X(S, double, offset, 0.0, NUMBER, "added after scaling")
CN_LAYER_DECLARE(Rescaling, CN_RESCALING)

/* x with the steps that are mask_value in every feature set to 0, and the mask [n, t, ...] of the others: any(x != mask_value) along the last axis. Keras'
 * Masking. */
#define CN_MASKING(X, S) X(S, double, mask_value, 0.0, ANY, "value of a step that is to be skipped")
CN_LAYER_DECLARE(Masking, CN_MASKING)

/* x itself (several inputs: all of them), with its mask. Keras' Identity. */
#define CN_IDENTITY(X, S)
CN_LAYER_DECLARE(Identity, CN_IDENTITY)

/* function(x): a function of the user's, or the name it has in the graph (cn_register_activation), which alone a config can hold. Keras' Lambda. */
#define CN_LAMBDA(X, S)                                                                        \
  X(S, cn_ref, function, CN_NONE_REF, ACTIVATION, "the function; required")                    \
  X(S, cn_ints, output_shape, CN_NONE_INTS, ANY, "without the batch axis; None: found by calling") \
  X(S, cn_ref, mask, CN_NONE_REF, ACTIVATION, "of the input's mask: the output's; None: it goes no further")
CN_LAYER_DECLARE(Lambda, CN_LAMBDA)

#ifndef __cplusplus
#define cn_Dense(...) CN_MAKE_LAYER_(Dense, CN_DENSE, __VA_ARGS__)
#define cn_Activation(...) CN_MAKE_LAYER_(Activation, CN_ACTIVATION, __VA_ARGS__)
#define cn_Flatten(...) CN_MAKE_LAYER_(Flatten, CN_FLATTEN, __VA_ARGS__)
#define cn_Rescaling(...) CN_MAKE_LAYER_(Rescaling, CN_RESCALING, __VA_ARGS__)
#define cn_Identity(...) CN_MAKE_LAYER_(Identity, CN_IDENTITY, __VA_ARGS__)
#define cn_Masking(...) CN_MAKE_LAYER_(Masking, CN_MASKING, __VA_ARGS__)
#define cn_Lambda(...) CN_MAKE_LAYER_(Lambda, CN_LAMBDA, __VA_ARGS__)
#define cn_Embedding(...) CN_MAKE_LAYER_(Embedding, CN_EMBEDDING, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
