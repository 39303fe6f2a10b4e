/* Layers that repeat steps, rows and columns, or interpolate between them: UpSampling1D to 3D. They drop masks. */
#ifndef CN_LAYERS_UPSAMPLING_H
#define CN_LAYERS_UPSAMPLING_H
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [n, t, c] -> [n, t size, c]: each step size times. Keras' UpSampling1D. */
#define CN_UP_SAMPLING_1D(X, S) X(S, int64_t, size, 2, POSITIVE, "times")
CN_LAYER_DECLARE(UpSampling1D, CN_UP_SAMPLING_1D)

/* [n, h, w, c] -> [n, h size, w size, c], or with channels_first [n, c, h, w]. nearest repeats; the others resize as images with pixel centres at halves:
 * bilinear, bicubic (Keys, a = -1/2), lanczos3 and lanczos5, weights of samples outside the image left out. These need known sizes of rows and columns: an
 * UNSUPPORTED error on a symbolic tensor without. Keras' UpSampling2D. */
#define CN_UP_SAMPLING_2D(X, S)                                                                           \
  X(S, cn_size, size, { { 2 } }, POSITIVE, "times, of rows and columns")                                  \
  CN_DATA_FORMAT_(X, S)                                                                                \
  X(S, const char *, interpolation, "nearest", ANY, "nearest (or area), bilinear, bicubic, lanczos3 or lanczos5")
CN_LAYER_DECLARE(UpSampling2D, CN_UP_SAMPLING_2D)

/* The same as nearest with three spatial axes. Keras' UpSampling3D. */
#define CN_UP_SAMPLING_3D(X, S)                                                                           \
  X(S, cn_size, size, { { 2 } }, POSITIVE, "times, of each spatial axis")                                 \
  CN_DATA_FORMAT_(X, S)
CN_LAYER_DECLARE(UpSampling3D, CN_UP_SAMPLING_3D)

#ifndef __cplusplus
#define cn_UpSampling1D(...) CN_MAKE_LAYER_(UpSampling1D, CN_UP_SAMPLING_1D, __VA_ARGS__)
#define cn_UpSampling2D(...) CN_MAKE_LAYER_(UpSampling2D, CN_UP_SAMPLING_2D, __VA_ARGS__)
#define cn_UpSampling3D(...) CN_MAKE_LAYER_(UpSampling3D, CN_UP_SAMPLING_3D, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
