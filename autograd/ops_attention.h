/* Attention. Floats only. */
#ifndef CN_AUTOGRAD_OPS_ATTENTION_H
#define CN_AUTOGRAD_OPS_ATTENTION_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = softmax(mask(scale q k^T + bias)) v of each head: query [B,T,N,H], key [B,S,K,H], value [B,S,K,D] -> [B,T,N,D]. K divides N: query head n reads key and
 * value head n / (N / K) (grouped-query attention). bias (of query's dtype) and mask (bool: false hides) broadcast to [B,N,T,S]. A hidden score, or one of a
 * later key when is_causal, becomes -0.7 max(float32): a row with none left averages all values. scale: None is 1 / sqrt(H). flash_attention and
 * attn_logits_soft_cap are those of Keras, where they choose a kernel and have no effect on a CPU; here the scores are never held whole: forward and backward
 * go by tiles with an online softmax (Dao et al., "FlashAttention", 2022), in memory linear in T and S. The second output is the logarithm of each row's sum of
 * e^score, [B,N,T]. Recorded gradients (differentiable = true) hold the scores. SHAPE where ranks, heads or sizes do not fit; DTYPE where the floats differ or
 * the mask is not bool. */
#define CN_DOT_PRODUCT_ATTENTION(X, S)                                                                     \
  CN_IN(X, S, query, "[B,T,N,H]")                                                                          \
  CN_IN(X, S, key, "[B,S,K,H]")                                                                            \
  CN_IN(X, S, value, "[B,S,K,D]")                                                                          \
  CN_IN_OPTIONAL(X, S, bias, "added to the scores; broadcasts to [B,N,T,S]")                               \
  CN_IN_OPTIONAL(X, S, mask, "bool: which scores count; broadcasts to [B,N,T,S]")                          \
  X(S, double, scale, CN_NONE_REAL, ANY, "factor of the products; None: 1 / sqrt(H)")                      \
  X(S, bool, is_causal, false, ANY, "whether row t sees the keys 0 .. t only")                             \
  X(S, bool, flash_attention, false, ANY, "accepted, as in Keras on a CPU without effect")                 \
  X(S, double, attn_logits_soft_cap, CN_NONE_REAL, ANY, "accepted, as in Keras on a CPU without effect")
CN_OP_DECLARE(dot_product_attention, CN_DOT_PRODUCT_ATTENTION)

#ifndef __cplusplus
#define cn_dot_product_attention(...) CN_CALL_(dot_product_attention, CN_DOT_PRODUCT_ATTENTION, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
