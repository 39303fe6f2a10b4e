/* The lists of operations, one a family, each ending with NULL. */
#ifndef CN_AUTOGRAD_OPS_PRIVATE_H
#define CN_AUTOGRAD_OPS_PRIVATE_H
#include "op.h"

typedef const cn_op *const cni_family;
extern cni_family cni_ops_activation[], cni_ops_activation_options[], cni_ops_binary[], cni_ops_logic[], cni_ops_loss[], cni_ops_math[], cni_ops_product[];
extern cni_family cni_ops_random[], cni_ops_cast[], cni_ops_moments[], cni_ops_simple[], cni_ops_softmax[], cni_ops_index[], cni_ops_item[], cni_ops_join[];
extern cni_family cni_ops_rearrange[], cni_ops_reduce[], cni_ops_scan[], cni_ops_shape[], cni_ops_slice[], cni_ops_sort[], cni_ops_einsum[], cni_ops_linalg[];
extern cni_family cni_ops_linear[], cni_ops_diagonal[], cni_ops_factor[], cni_ops_spectral[], cni_ops_norm[], cni_ops_fft[], cni_ops_frames[], cni_ops_conv[];
extern cni_family cni_ops_conv_general[], cni_ops_normalization[], cni_ops_normalization_channels[], cni_ops_pool[], cni_ops_attention[], cni_ops_nn[];
extern cni_family cni_ops_create[], cni_ops_special[], cni_ops_scatter[], cni_ops_segment[], cni_ops_assemble[], cni_ops_quantile[], cni_ops_nan[];
extern cni_family cni_ops_search[], cni_ops_series[], cni_ops_space[], cni_ops_image[], cni_ops_image_filter[], cni_ops_image_resize[];
extern cni_family cni_ops_image_sample[], cni_ops_blocks[], cni_ops_sets[], cni_ops_signal[];

#endif
