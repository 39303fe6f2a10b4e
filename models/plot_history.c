/* Drawings of histories, and images. */
#include <math.h>
#include <stdio.h>
#include "../io/io_private.h"
#include "look.h"
#include "surface_private.h"

#define WIDTH 420    /* of a chart */
#define HEIGHT 280
#define ACROSS 2     /* charts in a row */

static bool is_validation(const char *name) { return !strncmp(name, "val_", 4); }

static int64_t find(const cn_history *h, const char *prefix, const char *name) {
  const size_t n = strlen(prefix);
  for (int64_t i = 0; i < h->names_count; i++)
    if (!strncmp(h->names[i], prefix, n) && !strcmp(h->names[i] + n, name)) return i;
  return -1;
}

/* Whether name i has a chart of its own: it is no validation of another. */
static bool has_chart(const cn_history *h, int64_t i) { return !is_validation(h->names[i]) || find(h, "", h->names[i] + 4) < 0; }

static int64_t charts_of(const cn_history *h) {
  int64_t n = 0;
  for (int64_t i = 0; i < h->names_count; i++) n += has_chart(h, i);
  return n;
}

/* Values of name i; those that were computed every other epoch are joined. */
static cni_series series_of(cn_graph *g, const cn_history *h, int64_t i, const char *name) {
  double *x = cni_alloc(g, (size_t)(2 * h->epochs + 1) * sizeof *x), *y = x + h->epochs;
  int64_t n = 0;
  for (int64_t e = 0; x && e < h->epochs; e++) {
    const double v = h->values[i * h->epochs + e];
    if (isnan(v) && is_validation(h->names[i])) continue;
    x[n] = (double)(h->initial_epoch + e + 1);
    y[n++] = v;
  }
  return (cni_series){ name, x, y, n };
}

static void draw_value(cni_surface *s, const cn_history *h, int64_t i, double x, double y) {
  const int64_t validation = find(h, "val_", h->names[i]);
  cni_series lines[2] = { series_of(s->g, h, i, "training") };
  int64_t n = 1;
  if (validation >= 0) lines[n++] = series_of(s->g, h, validation, "validation");
  const cni_chart c = { .title = h->names[i], .x_label = "epoch", .series = lines, .count = n, .mark = NAN };
  if (cn_ok(s->g)) cni_draw_chart(s, &c, x, y, WIDTH, HEIGHT);
  for (int64_t k = 0; k < n; k++) cni_free(s->g, (void *)(uintptr_t)lines[k].x);
}

static void draw_history(cni_surface *s, const void *what) {
  const cn_history *h = what;
  for (int64_t i = 0, k = 0; i < h->names_count; i++) {
    if (!has_chart(h, i)) continue;
    draw_value(s, h, i, (double)(k % ACROSS) * WIDTH, (double)(k / ACROSS) * HEIGHT);
    k++;
  }
}

static bool history_ok(cn_graph *g, const cn_history *h) {
  if (!cn_ok(g)) return false;
  if (!h) return cn_fail(g, CN_VALUE, "plot_history: the history is NULL"), false;
  if (h->names_count > 0 && h->epochs > 0) return true;
  return cn_fail(g, CN_VALUE, "plot_history: the history has no epochs"), false;
}
static int width_of(int64_t charts) { return WIDTH * (charts < ACROSS ? (int)charts : ACROSS); }
static int height_of(int64_t charts) { return HEIGHT * (int)((charts + ACROSS - 1) / ACROSS); }

bool cn_plot_history(cn_graph *g, const cn_history *h, const char *path) {
  return history_ok(g, h) && cni_paint_file(g, "plot_history", path, width_of(charts_of(h)), height_of(charts_of(h)), draw_history, h);
}
const char *cn_history_svg(cn_graph *g, const cn_history *h) {
  return history_ok(g, h) ? cni_paint_svg(g, width_of(charts_of(h)), height_of(charts_of(h)), draw_history, h) : "";
}

/* ---- images ---- */
static uint32_t pixel(const cn_tensor *t, int64_t channels, int64_t i) {
  const uint8_t *p = (const uint8_t *)t->data + i * channels;
  return channels == 3 ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : (uint32_t)p[0] * 0x010101u;
}

/* A rectangle for each run of one colour in a row. */
static void draw_image(cni_surface *s, const void *what) {
  const cn_tensor *t = what;
  const int64_t width = t->dims.d[1], channels = t->dims.rank == 3 ? t->dims.d[2] : 1;
  for (int64_t y = 0; y < t->dims.d[0]; y++)
    for (int64_t x = 0, end; x < width; x = end) {
      const uint32_t colour = pixel(t, channels, y * width + x);
      for (end = x + 1; end < width && pixel(t, channels, y * width + end) == colour;) end++;
      cni_draw_rect(s, (double)x, (double)y, (double)(end - x), 1, colour);
    }
}

bool cn_save_image(cn_graph *g, const char *path, cn_tensor *image) {
  char text[160];
  if (!cn_ok(g) || !image || !cni_readable(g, image, true)) return false;
  const cn_dims *d = &image->dims;
  if (image->dtype != CN_U8) return cn_fail(g, CN_DTYPE, "save_image: the image is %s, not uint8", cn_dtype_name((cn_dtype)image->dtype)), false;
  if ((d->rank != 2 && !(d->rank == 3 && (d->d[2] == 1 || d->d[2] == 3))) || !image->count || d->d[0] > 32767 || d->d[1] > 32767)
    return cn_fail(g, CN_SHAPE, "save_image: the image is %s, not [height,width], [height,width,1] or [height,width,3] of at most 32767",
                   cn_dims_text(d, text, sizeof text)),
           false;
  if (path && cni_path_ends(path, ".png")) return cni_png_write(g, "save_image", path, d->d[1], d->d[0], d->rank == 3 && d->d[2] == 3 ? 3 : 1, image->data);
  return cni_paint_file(g, "save_image", path, (int)d->d[1], (int)d->d[0], draw_image, image);
}
