/* Normalization layers: UnitNormalization. */
#ifndef CN_LAYERS_NORMALIZATION_H
#define CN_LAYERS_NORMALIZATION_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x / sqrt(max(sum of x^2 over the axes, 1e-24)). Shape and mask pass. Keras' UnitNormalization. */
#define CN_UNIT_NORMALIZATION(X, S) X(S, cn_ints, axis, CN_INTS(-1), ANY, "axes of the norm")
CN_LAYER_DECLARE(UnitNormalization, CN_UNIT_NORMALIZATION)
#ifndef __cplusplus
#define cn_UnitNormalization(...) CN_MAKE_LAYER_(UnitNormalization, CN_UNIT_NORMALIZATION, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
