/* Pictures: decoding files, resizing. */
#ifndef CN_IO_IMAGE_PRIVATE_H
#define CN_IO_IMAGE_PRIVATE_H
#include "io_private.h"

/* 8-bit pixels, row by row, of 1, 3 or 4 channels; from cni_alloc. */
typedef struct cni_image { int64_t height, width, channels; unsigned char *pixels; } cni_image;

/* image.c: a PNG or JPEG file, told apart by its first bytes. Reports `what: name: ...`; free image->pixels with cni_free. */
bool cni_image_read(cn_graph *g, const char *what, const char *path, const char *name, int64_t channels, cni_image *image);

/* resize.c: a part of an image, of `height` x `width` from (top, left) on, as floats [to_height, to_width, channels]. Pixels' centres are half integers;
 * bilinear samples outside repeat the edge. tf.image.resize without antialias. */
typedef struct cni_part { int64_t top, left, height, width; } cni_part;
void cni_image_resize(const cni_image *image, const cni_part *part, bool nearest, int64_t to_height, int64_t to_width, float *to);
/* The largest part in the middle with the ratio of a size. keras.utils.image.smart_resize. */
cni_part cni_image_crop(const cni_image *image, int64_t to_height, int64_t to_width);

#endif
