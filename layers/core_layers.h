/* Core layers: Dense, Activation, Flatten, Rescaling, Embedding, Identity, Masking, Lambda. */
#ifndef CN_LAYERS_CORE_LAYERS_H
#define CN_LAYERS_CORE_LAYERS_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = activation(x . kernel + bias) on the last axis. [n, ..., d] -> [n, ..., units]. Weights: kernel [d, units], bias [units]. Keras' Dense. */
#define CN_DENSE(X, S)                                                                                     \
  X(S, int64_t, units, CN_REQUIRED, POSITIVE, "size of the output's last axis")                            \
  X(S, cn_ref, activation, CN_NAME("linear"), ACTIVATION, "applied to the output")                         \
  X(S, bool, use_bias, true, ANY, "whether a bias is added")                                               \
  X(S, cn_ref, kernel_initializer, CN_NAME("glorot_uniform"), INITIALIZER, "of the kernel")                \
  X(S, cn_ref, bias_initializer, CN_NAME("zeros"), INITIALIZER, "of the bias")                             \
  X(S, cn_ref, kernel_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the kernel")                      \
  X(S, cn_ref, bias_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the bias")                          \
  X(S, cn_ref, kernel_constraint, CN_NONE_REF, CONSTRAINT, "projection of the kernel after each update")   \
  X(S, cn_ref, bias_constraint, CN_NONE_REF, CONSTRAINT, "projection of the bias after each update")
CN_LAYER_DECLARE(Dense, CN_DENSE)

/* activation(x). Keras' Activation. */
#define CN_ACTIVATION(X, S) X(S, cn_ref, activation, CN_NONE_REF, ACTIVATION, "the function")
CN_LAYER_DECLARE(Activation, CN_ACTIVATION)

/* [n, ...] -> [n, product of the others]; [n] -> [n, 1]. channels_first moves the channels last before. Keras' Flatten. */
#define CN_FLATTEN(X, S) X(S, const char *, data_format, "channels_last", DATA_FORMAT, "channels_last or channels_first")
CN_LAYER_DECLARE(Flatten, CN_FLATTEN)

/* x * scale + offset, in the layer's dtype whatever the input's. Keras' Rescaling; lists give one value for each channel of the last axis. */
#define CN_RESCALING(X, S)                                              \
  X(S, double, scale, CN_REQUIRED_REAL, ANY, "factor")                  \
  X(S, double, offset, 0.0, ANY, "added after scaling")
CN_LAYER_DECLARE(Rescaling, CN_RESCALING)

/* Rows of a table: integers [...] -> [..., output_dim]. Weight: embeddings [input_dim, output_dim]. Float inputs are cast to int32. With mask_zero the output's mask is x != 0. An index out of range is an INDEX
 * error; -1 is the last row. The gradient stays sparse where nothing else reads the table. Keras' Embedding. */
#define CN_EMBEDDING(X, S)                                                                                           \
  X(S, int64_t, input_dim, CN_REQUIRED, POSITIVE, "number of rows")                                                  \
  X(S, int64_t, output_dim, CN_REQUIRED, POSITIVE, "length of a row")                                                \
  X(S, cn_ref, embeddings_initializer, CN_NAME("uniform"), INITIALIZER, "of the table")                              \
  X(S, cn_ref, embeddings_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the table")                             \
  X(S, cn_ref, embeddings_constraint, CN_NONE_REF, CONSTRAINT, "projection of the table after each update")          \
  X(S, bool, mask_zero, false, ANY, "whether index 0 is padding")
CN_LAYER_DECLARE(Embedding, CN_EMBEDDING)

/* x as it is. Keras' Identity. */
#define CN_IDENTITY(X, S)
CN_LAYER_DECLARE(Identity, CN_IDENTITY)

/* [n, t, ..., d]: the output's mask [n, t, ...] says where any of the d values differs from mask_value; elsewhere the output is 0. Keras' Masking. */
#define CN_MASKING(X, S) X(S, double, mask_value, 0.0, ANY, "what marks a step that is to be left out")
CN_LAYER_DECLARE(Masking, CN_MASKING)

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
