/* Drawing: SVG text here, pixels in surface_pixels.c. */
#include <math.h>
#include <stdio.h>
#include <strings.h>
#include "../io/io_private.h"
#include "surface_private.h"

/* ---- SVG ---- */
static void put(cni_surface *s, const char *text) { cni_text_add(s->svg, text); }
static void put_number(cni_surface *s, const char *before, double v) {
  char text[400];
  cni_fixed_text(v, 2, text, sizeof text);
  put(s, before);
  put(s, text);
}
static void put_escaped(cni_surface *s, const char *text) {
  for (; *text; text++) {
    const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : *text == '"' ? "&quot;" : NULL;
    if (as) put(s, as);
    else if ((unsigned char)*text >= ' ' || *text == '\t') cni_text_put(s->svg, text, 1);
  }
}

void cni_draw_rect(cni_surface *s, double x, double y, double w, double h, uint32_t colour) {
  if (!s->svg) {
    cni_fine_rect(s, x, y, w, h, colour);
    return;
  }
  put_number(s, "<rect x=\"", x);
  put_number(s, "\" y=\"", y);
  put_number(s, "\" width=\"", w);
  put_number(s, "\" height=\"", h);
  cni_text_format(s->svg, "\" fill=\"#%06x\"/>\n", (unsigned)colour);
}

static bool is_finite(cni_xy p) { return isfinite(p.x) && isfinite(p.y); }

static void svg_line(cni_surface *s, const cni_xy *p, int64_t n, double width, uint32_t colour) {
  cni_text_format(s->svg, "<path fill=\"none\" stroke=\"#%06x", (unsigned)colour);
  put_number(s, "\" stroke-width=\"", width);
  put(s, "\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"");
  for (int64_t i = 0; i < n; i++) {
    if (!is_finite(p[i])) continue;
    const bool begins = !i || !is_finite(p[i - 1]), alone = begins && (i + 1 == n || !is_finite(p[i + 1]));
    put_number(s, begins ? "M" : "L", p[i].x);
    put_number(s, " ", p[i].y);
    if (alone) put(s, "h0"); /* a dot */
  }
  put(s, "\"/>\n");
}

void cni_draw_line(cni_surface *s, const cni_xy *p, int64_t n, double width, uint32_t colour) {
  if (s->svg) {
    svg_line(s, p, n, width, colour);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    if (is_finite(p[i])) cni_fine_segment(s, i && is_finite(p[i - 1]) ? p[i - 1] : p[i], p[i], width, colour);
}

void cni_draw_text(cni_surface *s, double x, double y, cni_anchor anchor, const char *text, uint32_t colour) {
  static const char *const anchors[] = { "start", "middle", "end" };
  if (!s->svg) {
    cni_fine_text(s, x - cni_fine_text_width(text) * (anchor == CNI_LEFT ? 0 : anchor == CNI_CENTRE ? 0.5 : 1), y, text, colour);
    return;
  }
  put_number(s, "<text x=\"", x);
  put_number(s, "\" y=\"", y);
  cni_text_format(s->svg, "\" text-anchor=\"%s\" fill=\"#%06x\">", anchors[anchor], (unsigned)colour);
  put_escaped(s, text);
  put(s, "</text>\n");
}

/* ---- to text and files ---- */
const char *cni_paint_svg(cn_graph *g, int width, int height, cni_painter paint, const void *what) {
  cni_text t = { .g = g };
  cni_surface s = { .g = g, .width = width, .height = height, .svg = &t };
  if (!cn_ok(g)) return "";
  cni_text_format(&t,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
                  width, height, width, height);
  cni_draw_rect(&s, 0, 0, width, height, 0xffffff);
  paint(&s, what);
  put(&s, "</svg>\n");
  return cn_ok(g) ? cni_text_done(&t) : "";
}

bool cni_path_ends(const char *path, const char *ending) {
  const size_t n = strlen(path), k = strlen(ending);
  return n > k && strcasecmp(path + n - k, ending) == 0;
}

static bool write_text(cn_graph *g, const char *caller, const char *path, const char *text) {
  cni_output out;
  if (!*text || !cni_output_open(&out, g, caller, path)) return false;
  return cni_output_close(&out, cni_output_write(&out, text, strlen(text)));
}

/* The mean of FINE x FINE samples. */
static void average(const cni_surface *s, uint8_t *pixels) {
  const int64_t row = (int64_t)s->width * CNI_FINE * 3;
  for (int64_t y = 0; y < s->height; y++)
    for (int64_t x = 0; x < s->width; x++)
      for (int c = 0; c < 3; c++) {
        int sum = 0;
        for (int i = 0; i < CNI_FINE * CNI_FINE; i++) sum += s->fine[(y * CNI_FINE + i / CNI_FINE) * row + (x * CNI_FINE + i % CNI_FINE) * 3 + c];
        pixels[(y * s->width + x) * 3 + c] = (uint8_t)((sum + CNI_FINE * CNI_FINE / 2) / (CNI_FINE * CNI_FINE));
      }
}

static bool paint_png(cn_graph *g, const char *caller, const char *path, int width, int height, cni_painter paint, const void *what) {
  const size_t count = (size_t)width * (size_t)height * 3;
  cni_surface s = { .g = g, .width = width, .height = height, .fine = cni_alloc(g, count * CNI_FINE * CNI_FINE) };
  uint8_t *pixels = s.fine ? cni_alloc(g, count) : NULL;
  bool ok = pixels != NULL;
  if (ok) {
    memset(s.fine, 0xff, count * CNI_FINE * CNI_FINE);
    paint(&s, what);
    average(&s, pixels);
    ok = cn_ok(g) && cni_png_write(g, caller, path, width, height, 3, pixels);
  }
  cni_free(g, pixels);
  cni_free(g, s.fine);
  return ok;
}

bool cni_paint_file(cn_graph *g, const char *caller, const char *path, int width, int height, cni_painter paint, const void *what) {
  if (!cn_ok(g)) return false;
  if (!path) return cn_fail(g, CN_VALUE, "%s: the path is NULL", caller), false;
  if (cni_path_ends(path, ".svg")) return write_text(g, caller, path, cni_paint_svg(g, width, height, paint, what));
  if (cni_path_ends(path, ".png")) return paint_png(g, caller, path, width, height, paint, what);
  return cn_fail(g, CN_VALUE, "%s: %s ends neither in .svg nor in .png", caller, cni_file_name(path)), false;
}
