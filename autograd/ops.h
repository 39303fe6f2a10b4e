/* Index of the operations' headers. */
#ifndef CN_AUTOGRAD_OPS_H
#define CN_AUTOGRAD_OPS_H
#include "ops_activation.h"
#include "ops_attention.h"
#include "ops_binary.h"
#include "ops_diagonal.h"
#include "ops_conv.h"
#include "ops_ctc.h"
#include "ops_einsum.h"
#include "ops_factor.h"
#include "ops_fft.h"
#include "ops_index.h"
#include "ops_join.h"
#include "ops_linalg.h"
#include "ops_loss.h"
#include "ops_math.h"
#include "ops_norm.h"
#include "ops_normalization.h"
#include "ops_pool.h"
#include "ops_nn.h"
#include "ops_product.h"
#include "ops_random.h"
#include "ops_rearrange.h"
#include "ops_reduce.h"
#include "ops_scan.h"
#include "ops_shape.h"
#include "ops_slice.h"
#include "ops_sort.h"
#include "ops_assemble.h"
#include "ops_create.h"
#include "ops_scatter.h"
#include "ops_search.h"
#include "ops_series.h"
#include "ops_special.h"
#include "ops_softmax.h"
#include "ops_image.h"
#include "ops_blocks.h"
#include "ops_sets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The library's operation of a name, or NULL. */
CN_API const cn_op *cn_op_find(const char *name);
/* Operation number i of the library, or NULL after the last. */
CN_API const cn_op *cn_op_at(int64_t i);

#ifdef __cplusplus
}
#endif
#endif
