/* A surface that is drawn on: SVG text or pixels, behind the same calls. Coordinates in pixels from the upper left corner; colours 0xRRGGBB. */
#ifndef CN_MODELS_SURFACE_PRIVATE_H
#define CN_MODELS_SURFACE_PRIVATE_H
#include "../autograd/text_private.h"

#define CNI_FINE 3         /* samples a pixel in each direction */

typedef struct cni_surface {
  cn_graph *g;
  int width, height;
  cni_text *svg;           /* or NULL: pixels */
  uint8_t *fine;           /* [height FINE, width FINE, 3] */
} cni_surface;
typedef enum { CNI_LEFT, CNI_CENTRE, CNI_RIGHT } cni_anchor;
typedef struct cni_xy { double x, y; } cni_xy;

void cni_draw_rect(cni_surface *s, double x, double y, double w, double h, uint32_t colour);
void cni_draw_line(cni_surface *s, const cni_xy *points, int64_t n, double width, uint32_t colour); /* through finite points; others interrupt it */
void cni_draw_text(cni_surface *s, double x, double y, cni_anchor anchor, const char *text, uint32_t colour); /* y: of the base line */

/* What is drawn, `what` being handed on. */
typedef void (*cni_painter)(cni_surface *s, const void *what);
/* SVG text of the graph, until the next reset; "" after an error. */
const char *cni_paint_svg(cn_graph *g, int width, int height, cni_painter paint, const void *what);
/* Into a file that ends in .svg or, where libpng is in the build, .png; `caller` for messages. */
bool cni_paint_file(cn_graph *g, const char *caller, const char *path, int width, int height, cni_painter paint, const void *what);

/* surface_pixels.c */
void cni_fine_rect(cni_surface *s, double x, double y, double w, double h, uint32_t colour);
void cni_fine_segment(cni_surface *s, cni_xy a, cni_xy b, double width, uint32_t colour);
void cni_fine_text(cni_surface *s, double x, double y, const char *text, uint32_t colour); /* from the left */
double cni_fine_text_width(const char *text);
/* png.c: 8 bits a channel, `channels` 1 or 3. UNSUPPORTED without libpng. */
bool cni_png_write(cn_graph *g, const char *caller, const char *path, int64_t width, int64_t height, int channels, const void *pixels);
bool cni_path_ends(const char *path, const char *ending);

/* chart.c */
typedef struct cni_series { const char *name; const double *x /* NULL: 0, 1, ... */, *y; int64_t n; } cni_series;
/* Lines with axes; with `bars` the one series is drawn as bars from 0 that touch each other, between x[i] and x[i + 1] (n + 1 of them). */
typedef struct cni_chart {
  const char *title, *x_label;
  const cni_series *series;
  int64_t count;
  bool log_x, bars;
  double mark;             /* a vertical line at this x; NaN: none */
  double first_x;          /* of series without x */
} cni_chart;
void cni_draw_chart(cni_surface *s, const cni_chart *c, double x, double y, double w, double h);

#endif
