/* Layers that cut off or add steps, rows and columns: Cropping1D to 3D, ZeroPadding1D to 3D. They drop masks. Amounts are one number for every side of every
 * spatial axis, one number for each spatial axis, or two for each (before and behind): CN_INTS(1), CN_INTS(1, 2), CN_INTS(1, 0, 0, 2). */
#ifndef CN_LAYERS_PADDING_H
#define CN_LAYERS_PADDING_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [n, t, c] -> [n, t - before - behind, c]. Cutting off everything is a SHAPE error. Keras' Cropping1D; two numbers are before and behind. */
#define CN_CROPPING_1D(X, S) X(S, cn_ints, cropping, CN_INTS(1, 1), ONE_OR_LIST, "steps before and behind, or one number for both; not negative")
CN_LAYER_DECLARE(Cropping1D, CN_CROPPING_1D)
/* [n, h, w, c] -> [n, h', w', c], or with channels_first [n, c, h, w] -> [n, c, h', w']. Keras' Cropping2D. */
#define CN_CROPPING_2D(X, S) X(S, cn_ints, cropping, CN_INTS(0, 0, 0, 0), ONE_OR_LIST, "1, 2 or 4 numbers: of rows, then columns; not negative") CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(Cropping2D, CN_CROPPING_2D)
/* The same with three spatial axes. Keras' Cropping3D. */
#define CN_CROPPING_3D(X, S) X(S, cn_ints, cropping, CN_INTS(1, 1, 1, 1, 1, 1), ONE_OR_LIST, "1, 3 or 6 numbers: of each spatial axis; not negative") CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(Cropping3D, CN_CROPPING_3D)

/* [n, t, c] -> [n, before + t + behind, c] with zeros around; channels_first: [n, c, t]. Keras' ZeroPadding1D; two numbers are before and behind. */
#define CN_ZERO_PADDING_1D(X, S) X(S, cn_ints, padding, CN_INTS(1), ONE_OR_LIST, "steps before and behind, or one number for both; not negative") CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(ZeroPadding1D, CN_ZERO_PADDING_1D)
/* Keras' ZeroPadding2D. */
#define CN_ZERO_PADDING_2D(X, S) X(S, cn_ints, padding, CN_INTS(1, 1), ONE_OR_LIST, "1, 2 or 4 numbers: of rows, then columns; not negative") CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(ZeroPadding2D, CN_ZERO_PADDING_2D)
/* Keras' ZeroPadding3D. */
#define CN_ZERO_PADDING_3D(X, S) X(S, cn_ints, padding, CN_INTS(1, 1, 1), ONE_OR_LIST, "1, 3 or 6 numbers: of each spatial axis; not negative") CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(ZeroPadding3D, CN_ZERO_PADDING_3D)

#ifndef __cplusplus
#define cn_Cropping1D(...) CN_MAKE_LAYER_(Cropping1D, CN_CROPPING_1D, __VA_ARGS__)
#define cn_Cropping2D(...) CN_MAKE_LAYER_(Cropping2D, CN_CROPPING_2D, __VA_ARGS__)
#define cn_Cropping3D(...) CN_MAKE_LAYER_(Cropping3D, CN_CROPPING_3D, __VA_ARGS__)
#define cn_ZeroPadding1D(...) CN_MAKE_LAYER_(ZeroPadding1D, CN_ZERO_PADDING_1D, __VA_ARGS__)
#define cn_ZeroPadding2D(...) CN_MAKE_LAYER_(ZeroPadding2D, CN_ZERO_PADDING_2D, __VA_ARGS__)
#define cn_ZeroPadding3D(...) CN_MAKE_LAYER_(ZeroPadding3D, CN_ZERO_PADDING_3D, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
