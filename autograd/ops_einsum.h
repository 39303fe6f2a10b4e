/* Products summed over chosen axes. Floats only, all inputs of one dtype. Sizes that do not fit are a SHAPE error: `inner sizes differ: [4,3] x [5,7]`. Names
 * and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_EINSUM_H
#define CN_AUTOGRAD_OPS_EINSUM_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Einstein's summation: `cn_einsum(g, CN_TENSORS(a, b), .subscripts = "bij,bjk->bik")`. A letter names an axis; letters that the result lacks are summed over,
 * a letter twice in one operand takes the diagonal, "..." stands for axes that broadcast. Without "->" the result has the letters that occur once, in
 * alphabetical order, behind the ellipsis. At most 16 operands; pairs are joined as matrix products, smallest results first. */
#define CN_LIST_EINSUM(X, S) X(S, cn_tensors, operands, { 0 }, ANY, "as many as the subscripts have") X(S, const char *, subscripts, NULL, REQUIRED, "for example \"ij,jk->ik\"")
CN_OP_DECLARE(einsum, CN_LIST_EINSUM)
/* The sum over pairs of axes: axes = CN_INTS(n): the last n of a with the first n of b; CN_INTS(a0, a1, b0, b1): a's axes a0, a1 with b's b0, b1. The result
 * has a's other axes, then b's. */
#define CN_LIST_TENSORDOT(X, S) CN_LIST_AB(X, S) X(S, cn_ints, axes, CN_NONE_INTS, ANY, "a number of axes (None: 2), or a's axes and then as many of b")
CN_OP_DECLARE(tensordot, CN_LIST_TENSORDOT)

/* over the last axis of a and the last but one of b (its only one, if it is a vector); a number multiplies */
CN_OP_DECLARE(dot, CN_LIST_AB) CN_FUNCTION_AB(dot)
/* over the last axes of both; a number multiplies */
CN_OP_DECLARE(inner, CN_LIST_AB) CN_FUNCTION_AB(inner)
/* sum of a_i b_i of the flattened inputs: [] */
CN_OP_DECLARE(vdot, CN_LIST_AB) CN_FUNCTION_AB(vdot)
/* a_i b_j of the flattened inputs: [n] x [m] -> [n, m] */
CN_OP_DECLARE(outer, CN_LIST_AB) CN_FUNCTION_AB(outer)

#ifndef __cplusplus
#define cn_einsum(...) CN_CALL_(einsum, CN_LIST_EINSUM, __VA_ARGS__)
#define cn_tensordot(...) CN_CALL_(tensordot, CN_LIST_TENSORDOT, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
