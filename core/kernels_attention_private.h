/* Attention of one head, tile by tile: what autograd/ops_attention.c divides among threads. */
#ifndef CN_CORE_KERNELS_ATTENTION_PRIVATE_H
#define CN_CORE_KERNELS_ATTENTION_PRIVATE_H
#include "kernels_private.h"

/* One head: y = softmax(mask(scale q k^T + bias)) v. Rows of q, k, v and y are `_row` elements apart; an element of bias or mask stands at row * _row + key *
 * _col (0 where it is broadcast). Masked scores (mask 0, or key > row when causal) become -0.7 max(float32); a row with none left averages all of v. */
typedef struct cni_attention {
  int64_t rows, keys, width, value_width; /* T, S, H >= 1, Hv */
  const void *q, *k, *v;
  int64_t q_row, k_row, v_row;
  const void *bias;                       /* or NULL */
  int64_t bias_row, bias_col;
  const uint8_t *mask;                    /* or NULL */
  int64_t mask_row, mask_col;
  double scale;
  bool causal;
  void *y;
  int64_t y_row;
  void *lse;                              /* [rows]: ln of the sum of e^score of each row */
  /* backward; rows of gq, gk, gv stand as those of q, k, v */
  const void *gy, *glse;                  /* gy: [rows, value_width] at y_row, NULL: zeros; glse [rows] or NULL */
  void *gq, *gk, *gv;                     /* NULL: not wanted */
  void *gbias;                            /* added to, at bias_row and bias_col; or NULL */
  bool add;                               /* gk and gv are added to, not written: heads of a group share them */
} cni_attention;

/* Part of a head. */
typedef struct cni_attention_part { int64_t row, rows, key, keys; } cni_attention_part;

#endif
