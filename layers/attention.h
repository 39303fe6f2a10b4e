/* Attention layers: Attention, AdditiveAttention, MultiHeadAttention, GroupQueryAttention. Inputs are a query [n, t, ...], a value [n, s, ...] and perhaps a
 * key [n, s, ...], which else is the value. With the call's return_attention_scores the weights of the values, which sum to 1 over s, are a second output; with
 * use_causal_mask position t sees the values 0 .. t only; a masked value (value_mask, or the mask that it carries) gets no weight. In training, dropout sets
 * weights to 0. The output has the query's mask. */
#ifndef CN_LAYERS_ATTENTION_H
#define CN_LAYERS_ATTENTION_H
#include "core_layers.h"
#include "regularization.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_ATTENTION_DROPOUT_(X, S) X(S, double, dropout, 0.0, UNIT, "share of the attention weights that is dropped in training")

/* softmax(scores) value, with scores = scale q k^T (Luong et al. 2015) or, with score_mode concat, concat_score_weight sum tanh(scale (q + k)): [n, t, d], [n,
 * s, e], [n, s, d] -> [n, t, e]. A masked score loses 1e9: where all are masked, so is none. Outputs at masked queries are 0. Masks come as a list (.masks).
 * Weights: scale [], concat_score_weight []. Keras' Attention. */
#define CN_ATTENTION(X, S)                                                                                            \
  X(S, bool, use_scale, false, ANY, "whether the scores have a factor that is trained, else 1")                       \
  X(S, const char *, score_mode, "dot", ANY, "dot or concat")                                                         \
  CN_ATTENTION_DROPOUT_(X, S) CN_SEED_(X, S)
CN_LAYER_DECLARE(Attention, CN_ATTENTION)

/* The same with scores = sum over d of scale tanh(q + k) (Bahdanau et al. 2015). Weight: scale [d]. Keras' AdditiveAttention. */
#define CN_ADDITIVE_ATTENTION(X, S)                                                                                   \
  X(S, bool, use_scale, true, ANY, "whether the sum has weights that are trained, else 1")                            \
  CN_ATTENTION_DROPOUT_(X, S) CN_SEED_(X, S)
CN_LAYER_DECLARE(AdditiveAttention, CN_ADDITIVE_ATTENTION)

#define CN_ATTENTION_WINDOW_(X, S)                                                                                    \
  X(S, int64_t, sliding_window, CN_NONE, POSITIVE, "position t sees the values less than this far from t; None: all") \
  X(S, bool, flash_attention, false, ANY, "accepted, as in Keras on a CPU without effect; excludes dropout and scores")
#define CN_ATTENTION_GATE_(X, S) X(S, bool, use_gate, false, ANY, "whether the heads' outputs are multiplied by sigmoid(query gate + bias)")

/* Heads h = softmax(q k^T / sqrt(key_dim)) v of projections q = query Wq + bq and so on, joined by one more projection (Vaswani et al. 2017): [n, t, d] -> [n,
 * t, d], or [n, t, output_shape...]. Further axes between the first and the last are attended over (attention_axes) or kept. attention_mask [n, t, s] (or with
 * the heads' axis, [n, heads, t, s]) and the masks of query, value and key must all hold; query_mask is always the mask that the query carries, as in Keras.
 * The scores [n, heads, t, s] carry the mask that they were taken with. The activity penalty is each projection's. Sub-layers, each an EinsumDense: query [d,
 * heads, key_dim], key, gate (use_gate), value [d, heads, value_dim], attention_output [heads, value_dim, d]. SHAPE where value and key differ in more than the
 * last axis. Keras' MultiHeadAttention. */
#define CN_MULTI_HEAD_ATTENTION(X, S)                                                                                 \
  X(S, int64_t, num_heads, CN_REQUIRED, POSITIVE, "number of heads")                                                  \
  X(S, int64_t, key_dim, CN_REQUIRED, POSITIVE, "size of a head's query and key")                                     \
  X(S, int64_t, value_dim, CN_NONE, NONNEGATIVE, "size of a head's value; None, 0: key_dim")                          \
  CN_ATTENTION_DROPOUT_(X, S)                                                                                         \
  X(S, bool, use_bias, true, ANY, "whether the projections have biases")                                              \
  X(S, cn_ints, output_shape, CN_NONE_INTS, ANY, "last axes of the output; None: the query's last")                   \
  X(S, cn_ints, attention_axes, CN_NONE_INTS, ANY, "axes attended over; None: all but the first and the last")        \
  CN_ATTENTION_WINDOW_(X, S) CN_KERNEL_AND_BIAS_(X, S) CN_ATTENTION_GATE_(X, S) CN_SEED_(X, S)
CN_LAYER_DECLARE(MultiHeadAttention, CN_MULTI_HEAD_ATTENTION)

/* The same for [n, t, d], with fewer heads of keys and values than of queries: each serves num_query_heads / num_key_value_heads neighbouring query heads
 * (Ainslie et al. 2023). An explicit query_mask counts; the activity penalty is also on the outputs. Also known as GroupedQueryAttention, from which its name
 * is made. Keras' GroupQueryAttention. */
#define CN_GROUP_QUERY_ATTENTION(X, S)                                                                                \
  X(S, int64_t, head_dim, CN_REQUIRED, POSITIVE, "size of a head's query, key and value")                             \
  X(S, int64_t, num_query_heads, CN_REQUIRED, POSITIVE, "number of query heads")                                      \
  X(S, int64_t, num_key_value_heads, CN_REQUIRED, POSITIVE, "number of key and value heads; divides num_query_heads") \
  CN_ATTENTION_DROPOUT_(X, S)                                                                                         \
  X(S, bool, use_bias, true, ANY, "whether the projections have biases")                                              \
  CN_ATTENTION_WINDOW_(X, S) CN_KERNEL_AND_BIAS_(X, S) CN_ATTENTION_GATE_(X, S) CN_SEED_(X, S)
CN_LAYER_DECLARE(GroupQueryAttention, CN_GROUP_QUERY_ATTENTION)

#ifndef __cplusplus
#define cn_Attention(...) CN_MAKE_LAYER_(Attention, CN_ATTENTION, __VA_ARGS__)
#define cn_AdditiveAttention(...) CN_MAKE_LAYER_(AdditiveAttention, CN_ADDITIVE_ATTENTION, __VA_ARGS__)
#define cn_MultiHeadAttention(...) CN_MAKE_LAYER_(MultiHeadAttention, CN_MULTI_HEAD_ATTENTION, __VA_ARGS__)
#define cn_GroupQueryAttention(...) CN_MAKE_LAYER_(GroupQueryAttention, CN_GROUP_QUERY_ATTENTION, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
