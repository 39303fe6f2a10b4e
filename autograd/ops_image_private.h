/* What the operations on images share. */
#ifndef CN_AUTOGRAD_OPS_IMAGE_PRIVATE_H
#define CN_AUTOGRAD_OPS_IMAGE_PRIVATE_H
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

/* Where the axes of images stand, their sizes (batch n: 1 for rank 3) and their steps in elements. */
typedef struct cni_image {
  int ah, aw, ac;
  int64_t n, h, w, c, sn, sh, sw, sc;
} cni_image;
cni_image cni_image_of(const cn_dims *d, const char *data_format);
/* Input's; false after an error: another rank, an unknown data_format, strings, with `floats` what is no float. Sizes may be CN_UNKNOWN. */
bool cni_image_take(const cn_call *c, int64_t input, const char *data_format, bool floats, cni_image *m);
static inline int64_t cni_pixel(const cni_image *m, int64_t n, int64_t h, int64_t w, int64_t c) { return n * m->sn + h * m->sh + w * m->sw + c * m->sc; }
/* Integers as float32; and back. */
cn_tensor *cni_image_float(cn_graph *g, cn_tensor *x);
cn_tensor *cni_image_cast(cn_graph *g, cn_tensor *x, cn_dtype dtype);
/* With a batch axis of size 1 where it lacks; and without it again. */
cn_tensor *cni_image_batched(cn_graph *g, cn_tensor *x, int rank);
cn_tensor *cni_image_unbatched(cn_graph *g, cn_tensor *x, int rank);
/* e^(-(i / sigma)^2 / 2) of sum 1, i from the middle: [size]. And its element, for references. */
cn_tensor *cni_image_bell(cn_graph *g, cn_dtype dtype, int64_t size, double sigma);
double cni_image_bell_at(int64_t size, double sigma, int64_t i);

#endif
