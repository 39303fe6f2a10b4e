/* Look-up tables: Embedding, ReversibleEmbedding. */
#ifndef CN_LAYERS_EMBEDDING_H
#define CN_LAYERS_EMBEDDING_H
#include "core_layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_TABLE_SIZES_(X, S)                                                                                      \
  X(S, int64_t, input_dim, CN_REQUIRED, POSITIVE, "number of rows")                                                  \
  X(S, int64_t, output_dim, CN_REQUIRED, POSITIVE, "length of a row")
#define CN_TABLE_(X, S)                                                                                            \
  X(S, cn_ref, embeddings_initializer, CN_NAME("uniform"), INITIALIZER, "of the table")                              \
  X(S, cn_ref, embeddings_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the table")                             \
  X(S, cn_ref, embeddings_constraint, CN_NONE_REF, CONSTRAINT, "projection of the table after each update")          \
  X(S, bool, mask_zero, false, ANY, "whether index 0 is padding")                                                    \
  X(S, cn_tensor *, weights, CN_NO_TENSOR, ANY, "[input_dim, output_dim], the table's first values; the layer is then built at once")

/* Rows of a table: integers [...] -> [..., output_dim]. Weight: embeddings [input_dim, output_dim]. Float inputs are cast to int32. With mask_zero the output's
 * mask is x != 0. An index out of range is an INDEX error; -1 is the last row. The gradient stays sparse where nothing else reads the table. With lora_rank,
 * lora_embeddings_a and lora_embeddings_b follow among the weights. Keras' Embedding. */
#define CN_EMBEDDING(X, S)                                                                                           \
  CN_TABLE_SIZES_(X, S)                                                                                                    \
  CN_TABLE_(X, S)                                                                                                    \
  CN_LORA_(X, S)
CN_LAYER_DECLARE(Embedding, CN_EMBEDDING)

/* Embedding, and with .reverse = 1 in the call the way back: [..., output_dim] -> logits [..., input_dim], x . table^T, or x . reverse_embeddings [output_dim,
 * input_dim], a weight of its own with the same initializer, without tie_weights. The logits may be capped: cap tanh(logits / cap). Keras' ReversibleEmbedding.
 */
#define CN_REVERSIBLE_EMBEDDING(X, S)                                                                                \
  CN_TABLE_SIZES_(X, S)                                                                                                    \
  X(S, bool, tie_weights, true, ANY, "whether the table serves both ways")                                           \
  CN_TABLE_(X, S)                                                                                                    \
  X(S, const char *, reverse_dtype, NULL, DTYPE, "of the logits, float32 or float64; None: the layer's")             \
  X(S, double, logit_soft_cap, CN_NONE_REAL, ANY, "bound of the logits; None: none")                                 \
  CN_LORA_(X, S)
CN_LAYER_DECLARE(ReversibleEmbedding, CN_REVERSIBLE_EMBEDDING)

/* Rows of params [rows, ...] by ids (integers [...]): [..., the row's shape]. max_norm: rows of a larger norm are scaled to it. An id out of range is an INDEX
 * error. A gradient that reaches a variable this way stays sparse. max_norm NaN: none. tf.nn.embedding_lookup. */
CN_API cn_tensor *cn_embedding_lookup(cn_graph *g, cn_tensor *params, cn_tensor *ids, double max_norm);

#ifndef __cplusplus
#define cn_Embedding(...) CN_MAKE_LAYER_(Embedding, CN_EMBEDDING, __VA_ARGS__)
#define cn_ReversibleEmbedding(...) CN_MAKE_LAYER_(ReversibleEmbedding, CN_REVERSIBLE_EMBEDDING, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
