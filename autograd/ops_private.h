/* The lists of operations, one a family, each ending with NULL. */
#ifndef CN_AUTOGRAD_OPS_PRIVATE_H
#define CN_AUTOGRAD_OPS_PRIVATE_H
#include "op.h"

extern const cn_op *const cni_ops_activation[], *const cni_ops_activation_options[], *const cni_ops_binary[], *const cni_ops_logic[], *const cni_ops_loss[], *const cni_ops_math[], *const cni_ops_product[],
    *const cni_ops_random[], *const cni_ops_cast[], *const cni_ops_moments[], *const cni_ops_simple[], *const cni_ops_softmax[];
extern const cn_op *const cni_ops_index[], *const cni_ops_item[], *const cni_ops_join[], *const cni_ops_rearrange[], *const cni_ops_reduce[], *const cni_ops_scan[], *const cni_ops_shape[], *const cni_ops_slice[], *const cni_ops_sort[];
extern const cn_op *const cni_ops_einsum[], *const cni_ops_linalg[], *const cni_ops_linear[];
extern const cn_op *const cni_ops_diagonal[], *const cni_ops_factor[], *const cni_ops_spectral[], *const cni_ops_norm[], *const cni_ops_fft[], *const cni_ops_frames[];
extern const cn_op *const cni_ops_conv[], *const cni_ops_conv_general[];
extern const cn_op *const cni_ops_normalization[], *const cni_ops_normalization_channels[], *const cni_ops_pool[];
extern const cn_op *const cni_ops_attention[], *const cni_ops_nn[];
extern const cn_op *const cni_ops_create[], *const cni_ops_special[], *const cni_ops_scatter[], *const cni_ops_segment[], *const cni_ops_assemble[], *const cni_ops_quantile[];
extern const cn_op *const cni_ops_nan[], *const cni_ops_search[], *const cni_ops_series[], *const cni_ops_space[];
extern const cn_op *const cni_ops_image[], *const cni_ops_image_filter[], *const cni_ops_image_resize[], *const cni_ops_image_sample[];
extern const cn_op *const cni_ops_blocks[], *const cni_ops_sets[], *const cni_ops_signal[];

#endif
