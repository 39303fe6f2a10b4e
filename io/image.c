/* Decoding pictures by libpng and turbojpeg. */
#include "image_private.h"
#include <limits.h>
#include <string.h>
#ifdef CN_HAVE_LIBPNG
#include <png.h>
#endif
#ifdef CN_HAVE_TURBOJPEG
#include <turbojpeg.h>
#endif

#define LARGEST ((int64_t)1 << 30) /* bytes of pixels */

typedef struct decoding { cn_graph *g; const char *what, *name; const unsigned char *bytes; size_t size; cni_image *image; } decoding;

static bool damaged(const decoding *d, const char *why) { return cn_fail(d->g, CN_FORMAT, "%s: %s: %s", d->what, d->name, why), false; }

/* Room for the pixels. */
static bool sized(const decoding *d, int64_t height, int64_t width, int64_t channels) {
  if (height < 1 || width < 1 || height > LARGEST / 4 / width) return damaged(d, "its size is not possible, or too large");
  d->image->height = height;
  d->image->width = width;
  d->image->channels = channels;
  d->image->pixels = cni_alloc(d->g, (size_t)(height * width * channels));
  return d->image->pixels != NULL;
}

#ifdef CN_HAVE_LIBPNG
/* From [n, 4]; grey by the weights 0.2989, 0.5870, 0.1140 in 15 bits. */
static void from_rgba(const unsigned char *rgba, int64_t n, int64_t channels, bool grey, unsigned char *to) {
  for (int64_t i = 0; i < n; i++, rgba += 4) {
    if (channels > 1) {
      memcpy(to, rgba, (size_t)channels);
      to += channels;
    } else *to++ = grey ? rgba[0] : (unsigned char)((9794 * rgba[0] + 19235 * rgba[1] + 3739 * rgba[2] + 16384) >> 15);
  }
}

static bool decode_png(const decoding *d, int64_t channels) {
  png_image p;
  memset(&p, 0, sizeof p);
  p.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&p, d->bytes, d->size)) return damaged(d, p.message);
  const bool grey = !(p.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_COLORMAP));
  p.format = PNG_FORMAT_RGBA;
  p.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const int64_t n = (int64_t)p.width * (int64_t)p.height;
  unsigned char *rgba = sized(d, p.height, p.width, channels) ? cni_alloc(d->g, (size_t)(4 * n)) : NULL;
  bool ok = rgba != NULL;
  if (ok && !png_image_finish_read(&p, NULL, rgba, 0, NULL)) ok = damaged(d, p.message);
  if (ok) from_rgba(rgba, n, channels, grey, d->image->pixels);
  png_image_free(&p);
  cni_free(d->g, rgba);
  return ok;
}
#else
static bool decode_png(const decoding *d, int64_t channels) {
  (void)channels;
  return cn_fail(d->g, CN_UNSUPPORTED, "%s: %s: this build reads no PNG: the feature png (libpng) was left out", d->what, d->name), false;
}
#endif

#ifdef CN_HAVE_TURBOJPEG
/* A file that ends early gives a warning and grey pixels: refused. */
static bool decode_jpeg(const decoding *d, int64_t channels) {
  int width, height, subsampling, colours;
  tjhandle t = tjInitDecompress();
  if (!t) return cn_fail(d->g, CN_NO_MEMORY, "%s: %s: out of memory", d->what, d->name), false;
  const int format = channels == 1 ? TJPF_GRAY : channels == 3 ? TJPF_RGB : TJPF_RGBA;
  const unsigned long size = (unsigned long)d->size;
  bool ok = tjDecompressHeader3(t, d->bytes, size, &width, &height, &subsampling, &colours) == 0 || damaged(d, tjGetErrorStr2(t));
  ok = ok && sized(d, height, width, channels);
  if (ok && tjDecompress2(t, d->bytes, size, d->image->pixels, width, 0, height, format, TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING) != 0)
    ok = damaged(d, tjGetErrorStr2(t));
  tjDestroy(t);
  return ok;
}
#else
static bool decode_jpeg(const decoding *d, int64_t channels) {
  (void)channels;
  return cn_fail(d->g, CN_UNSUPPORTED, "%s: %s: this build reads no JPEG: the feature jpeg (turbojpeg) was left out", d->what, d->name), false;
}
#endif

static bool decode(const decoding *d, int64_t channels) {
  if (d->size >= 8 && memcmp(d->bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return decode_png(d, channels);
  if (d->size >= 3 && memcmp(d->bytes, "\xff\xd8\xff", 3) == 0) return decode_jpeg(d, channels);
  return damaged(d, "neither PNG nor JPEG");
}

bool cni_image_read(cn_graph *g, const char *what, const char *path, const char *name, int64_t channels, cni_image *image) {
  cni_input in;
  size_t size;
  *image = (cni_image){ .pixels = NULL };
  if (!cni_input_open(&in, g, what, path, false)) return false;
  char *bytes = cni_input_text(&in, &size);
  cni_input_close(&in);
  const decoding d = { g, what, name, (const unsigned char *)bytes, size, image };
  const bool ok = bytes && decode(&d, channels);
  cni_free(g, bytes);
  if (ok) return true;
  cni_free(g, image->pixels);
  image->pixels = NULL;
  return false;
}
