/* Parts of a tensor and their transposes. All dtypes but strings. What reaches outside is an INDEX or SHAPE error. Names and meaning: keras.ops; slice_rows,
 * scatter_item and fold_pad are pieces and gradients. */
#ifndef CN_AUTOGRAD_OPS_SLICE_H
#define CN_AUTOGRAD_OPS_SLICE_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_LIST_SLICE(X, S) CN_IN(X, S, inputs, "input") X(S, cn_ints, start_indices, CN_EMPTY_INTS, ANY, "first element, one index an axis") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")
#define CN_LIST_SLICE_ROWS(X, S) CN_IN(X, S, x, "input") X(S, int64_t, start, 0, NONNEGATIVE, "first row") X(S, int64_t, size, CN_REQUIRED, NONNEGATIVE, "number of rows")
#define CN_LIST_SLICE_UPDATE(X, S) CN_IN(X, S, inputs, "input") CN_IN(X, S, updates, "the new part") X(S, cn_ints, start_indices, CN_EMPTY_INTS, ANY, "where updates' first element goes")
#define CN_LIST_GET_ITEM(X, S) CN_IN(X, S, x, "input") X(S, cn_strings, key, { 0 }, ANY, "an entry an axis: 'start:stop:step' (each may be left out), an index, 'newaxis', '...'")
#define CN_LIST_SCATTER_ITEM(X, S) CN_IN(X, S, x, "values") X(S, cn_strings, key, { 0 }, ANY, "as get_item's") X(S, cn_ints, shape, CN_EMPTY_INTS, ANY, "of the result")
#define CN_LIST_PAD(X, S)                                                                                                                                       \
  CN_IN(X, S, x, "input") X(S, cn_ints, pad_width, CN_EMPTY_INTS, ANY, "before and behind each axis: 2 numbers an axis, or 2 or 1 for all axes")                 \
  X(S, const char *, mode, "constant", ANY, "constant, reflect or symmetric") X(S, double, constant_values, CN_NONE_REAL, ANY, "of mode constant; None: 0")
#define CN_LIST_FOLD_PAD(X, S) CN_IN(X, S, x, "padded") X(S, cn_ints, pad_width, CN_EMPTY_INTS, ANY, "as pad's") X(S, const char *, mode, "reflect", ANY, "reflect or symmetric")
#define CN_LIST_SPLIT(X, S) \
  CN_IN(X, S, x, "input") X(S, cn_ints, indices_or_sections, CN_EMPTY_INTS, ONE_OR_LIST, "one number: equal parts; several: where the parts end (one such place: CN_INTS(place, CN_NONE))") X(S, int64_t, axis, 0, ANY, "axis to cut")
#define CN_LIST_UNSTACK(X, S) CN_IN(X, S, x, "input") X(S, int64_t, num, CN_NONE, ANY, "its size, if given, must be this") X(S, int64_t, axis, 0, ANY, "axis that goes")

/* y = x[start : start + shape]. cn_slice records slice_rows, a view, where only the first axis is cut. */
CN_OP_DECLARE(slice, CN_LIST_SLICE)
CN_API cn_tensor *cn_slice_run(const cn_slice_args *args);
/* y = x[start : start + size] of the first axis, without a copy. */
CN_OP_DECLARE(slice_rows, CN_LIST_SLICE_ROWS)
/* A copy of inputs with updates at start_indices. */
CN_OP_DECLARE(slice_update, CN_LIST_SLICE_UPDATE)
/* NumPy's x[key]: `cn_get_item(g, x, CN_STRINGS("1:3", "-1", "::2"))`. An index removes its axis, "newaxis" adds one, "..." stands for the axes not mentioned.
 */
CN_OP_DECLARE(get_item, CN_LIST_GET_ITEM)
/* The transpose of get_item: zeros of `shape` with x at key. */
CN_OP_DECLARE(scatter_item, CN_LIST_SCATTER_ITEM)
/* Adds elements around: a constant, or x mirrored at its edges without (reflect) or with (symmetric) repeating the edge. reflect can add at most size - 1,
 * symmetric at most size elements a side. */
CN_OP_DECLARE(pad, CN_LIST_PAD)
/* The transpose of pad in modes reflect and symmetric: what was added is folded back and summed. */
CN_OP_DECLARE(fold_pad, CN_LIST_FOLD_PAD)
/* Parts along an axis, as many tensors: equal ones, or x[:i0], x[i0:i1], ..., x[ik:]. */
CN_OP_DECLARE(split, CN_LIST_SPLIT)
/* The slices along an axis, without it. */
CN_OP_DECLARE(unstack, CN_LIST_UNSTACK)

#ifndef __cplusplus
#define cn_slice(...) CN_WITH_OPTIONS_(cn_tensor *, cn_slice_args, CN_LIST_SLICE, cn_slice_run, __VA_ARGS__)
#define cn_slice_rows(...) CN_CALL_(slice_rows, CN_LIST_SLICE_ROWS, __VA_ARGS__)
#define cn_slice_update(...) CN_CALL_(slice_update, CN_LIST_SLICE_UPDATE, __VA_ARGS__)
#define cn_get_item(...) CN_CALL_(get_item, CN_LIST_GET_ITEM, __VA_ARGS__)
#define cn_scatter_item(...) CN_CALL_(scatter_item, CN_LIST_SCATTER_ITEM, __VA_ARGS__)
#define cn_pad(...) CN_CALL_(pad, CN_LIST_PAD, __VA_ARGS__)
#define cn_fold_pad(...) CN_CALL_(fold_pad, CN_LIST_FOLD_PAD, __VA_ARGS__)
#define cn_split(...) CN_CALL_OUTPUTS_(split, CN_LIST_SPLIT, __VA_ARGS__)
#define cn_unstack(...) CN_CALL_OUTPUTS_(unstack, CN_LIST_UNSTACK, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
