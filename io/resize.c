/* Resizing pictures. */
#include <math.h>
#include "image_private.h"

static int64_t clamp(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

/* The two rows (or columns) between which a sample lies, and how far it is from the first. */
typedef struct between { int64_t low, high; float part; } between;

static between place_of(int64_t i, int64_t size, int64_t to, bool nearest) {
  const float scale = (float)size / (float)to, at = ((float)i + 0.5f) * scale - (nearest ? 0 : 0.5f), low = floorf(at);
  return (between){ clamp((int64_t)low, size - 1), clamp((int64_t)low + 1, size - 1), nearest ? 0 : at - low };
}

void cni_image_resize(const cni_image *image, const cni_part *part, bool nearest, int64_t to_height, int64_t to_width, float *to) {
  const int64_t channels = image->channels, row = image->width * channels;
  const unsigned char *from = image->pixels + part->top * row + part->left * channels;
  for (int64_t y = 0; y < to_height; y++) {
    const between v = place_of(y, part->height, to_height, nearest);
    for (int64_t x = 0; x < to_width; x++) {
      const between h = place_of(x, part->width, to_width, nearest);
      for (int64_t c = 0; c < channels; c++) {
        const float top_left = from[v.low * row + h.low * channels + c], top_right = from[v.low * row + h.high * channels + c];
        const float low_left = from[v.high * row + h.low * channels + c], low_right = from[v.high * row + h.high * channels + c];
        const float top = top_left + (top_right - top_left) * h.part, low = low_left + (low_right - low_left) * h.part;
        *to++ = top + (low - top) * v.part;
      }
    }
  }
}

cni_part cni_image_crop(const cni_image *image, int64_t to_height, int64_t to_width) {
  int64_t height = (int64_t)((double)image->width * (double)to_height / (double)to_width),
          width = (int64_t)((double)image->height * (double)to_width / (double)to_height);
  height = height < image->height ? height : image->height;
  width = width < image->width ? width : image->width;
  if (height < 1) height = 1;
  if (width < 1) width = 1;
  return (cni_part){ (image->height - height) / 2, (image->width - width) / 2, height, width };
}
