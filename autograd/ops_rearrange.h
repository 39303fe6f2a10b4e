/* Operations that reverse, roll, turn and repeat. All dtypes but strings; dtypes are kept. Names and meaning: keras.ops. */
#ifndef CN_AUTOGRAD_OPS_REARRANGE_H
#define CN_AUTOGRAD_OPS_REARRANGE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_FLIP(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes to reverse; None: all")
#define CN_LIST_ROLL(X, S) \
  CN_IN(X, S, x, "input") X(S, cn_ints, shift, CN_EMPTY_INTS, ANY, "places, one or one an axis") X(S, cn_ints, axis, CN_NONE_INTS, ANY, "axes; None: the flattened elements")
#define CN_LIST_ROT90(X, S) \
  CN_IN(X, S, array, "input of rank 2 or more") X(S, int64_t, k, 1, ANY, "quarter turns, from the first axis towards the second") X(S, cn_ints, axes, CN_NONE_INTS, ANY, "the plane; None: 0 and 1")
#define CN_LIST_REPEAT(X, S) \
  CN_IN(X, S, x, "input") X(S, cn_ints, repeats, CN_EMPTY_INTS, ANY, "times each element is repeated: one number, or one an element") X(S, int64_t, axis, CN_NONE, ANY, "axis; None: the flattened elements")
#define CN_LIST_TILE(X, S) CN_IN(X, S, x, "input") X(S, cn_ints, repeats, CN_EMPTY_INTS, ANY, "times along each of the last axes")

/* y[i] = x[n - 1 - i] along the axes. */
CN_OP_DECLARE(flip, CN_LIST_FLIP)
/* y[(i + shift) mod n] = x[i] along the axes. */
CN_OP_DECLARE(roll, CN_LIST_ROLL)
CN_OP_DECLARE(rot90, CN_LIST_ROT90)
/* Each element (or slice along axis) several times in a row. Without an axis the result has rank 1. */
CN_OP_DECLARE(repeat, CN_LIST_REPEAT)
/* The whole of x several times in a row along each axis. Ranks are aligned at the last axis. */
CN_OP_DECLARE(tile, CN_LIST_TILE)

#ifndef __cplusplus
#define cn_flip(...) CN_CALL_(flip, CN_LIST_FLIP, __VA_ARGS__)
#define cn_roll(...) CN_CALL_(roll, CN_LIST_ROLL, __VA_ARGS__)
#define cn_rot90(...) CN_CALL_(rot90, CN_LIST_ROT90, __VA_ARGS__)
#define cn_repeat(...) CN_CALL_(repeat, CN_LIST_REPEAT, __VA_ARGS__)
#define cn_tile(...) CN_CALL_(tile, CN_LIST_TILE, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
