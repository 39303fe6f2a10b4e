/* All operations, by name and by number. */
#include "ops.h"
#include <string.h>
#include "ops_private.h"

static const cn_op *const *const families[] = { cni_ops_activation, cni_ops_activation_options, cni_ops_binary, cni_ops_einsum, cni_ops_index, cni_ops_item,
                                                cni_ops_join, cni_ops_linalg, cni_ops_linear, cni_ops_logic, cni_ops_loss, cni_ops_math, cni_ops_product,
                                                cni_ops_random, cni_ops_rearrange, cni_ops_reduce, cni_ops_cast, cni_ops_moments, cni_ops_scan, cni_ops_shape,
                                                cni_ops_simple, cni_ops_slice, cni_ops_sort, cni_ops_softmax, cni_ops_diagonal, cni_ops_factor,
                                                cni_ops_spectral, cni_ops_norm, cni_ops_fft, cni_ops_frames, cni_ops_conv, cni_ops_conv_general,
                                                cni_ops_normalization, cni_ops_normalization_channels, cni_ops_pool, cni_ops_attention, cni_ops_nn,
                                                cni_ops_create, cni_ops_special, cni_ops_scatter, cni_ops_segment, cni_ops_assemble, cni_ops_quantile,
                                                cni_ops_nan, cni_ops_search, cni_ops_series, cni_ops_space, cni_ops_image, cni_ops_image_filter,
                                                cni_ops_image_resize, cni_ops_image_sample, cni_ops_blocks, cni_ops_sets, cni_ops_signal };
#define FAMILIES (sizeof families / sizeof *families)

const cn_op *cn_op_find(const char *name) {
  for (size_t f = 0; name && f < FAMILIES; f++)
    for (const cn_op *const *op = families[f]; *op; op++)
      if (!strcmp((*op)->name, name)) return *op;
  return NULL;
}

const cn_op *cn_op_at(int64_t i) {
  for (size_t f = 0; i >= 0 && f < FAMILIES; f++)
    for (const cn_op *const *op = families[f]; *op; op++)
      if (i-- == 0) return *op;
  return NULL;
}
