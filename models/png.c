/* PNG files, by libpng. */
#include <limits.h>
#include "../io/io_private.h"
#include "surface_private.h"

#ifdef CN_HAVE_LIBPNG
#include <png.h>

bool cni_png_write(cn_graph *g, const char *caller, const char *path, int64_t width, int64_t height, int channels, const void *pixels) {
  png_image image = {
    .version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height, .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB
  };
  cni_output out;
  png_alloc_size_t size = 0;
  char *bytes = NULL;
  if (width < 1 || height < 1 || width > INT_MAX / 4 || height > INT_MAX / 4)
    return cn_fail(g, CN_SHAPE, "%s: an image of %lld x %lld pixels", caller, (long long)width, (long long)height), false;
  bool ok = png_image_write_get_memory_size(image, size, 0, pixels, 0, NULL) && size > 0;
  if (ok && !(bytes = cni_alloc(g, size))) return false;
  if (ok) ok = png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL);
  if (!ok) cn_fail(g, CN_IO, "%s: %s: libpng: %s", caller, cni_file_name(path), image.message);
  if (ok && (ok = cni_output_open(&out, g, caller, path))) ok = cni_output_close(&out, cni_output_write(&out, bytes, size));
  png_image_free(&image);
  cni_free(g, bytes);
  return ok;
}
#else
bool cni_png_write(cn_graph *g, const char *caller, const char *path, int64_t width, int64_t height, int channels, const void *pixels) {
  (void)width, (void)height, (void)channels, (void)pixels;
  return cn_fail(g, CN_UNSUPPORTED, "%s: %s: this build has no libpng", caller, cni_file_name(path)), false;
}
#endif
