/* Charts: lines or bars with axes, grid, legend. */
#include <math.h>
#include <stdio.h>
#include "surface_private.h"

#define LEFT 58.0     /* room for the numbers of the y axis */
#define RIGHT 14.0
#define TOP 26.0
#define BOTTOM 38.0
#define INK 0x333333u
#define GRID 0xe3e3e3u
#define MARK 0xd62728u
#define TICKS 5
#define LETTER 8.0    /* width of a letter, roughly */

static const uint32_t colours[] = { 0x1f77b4, 0xff7f0e, 0x2ca02c, 0x9467bd, 0x8c564b, 0xe377c2 };

/* From values to pixels. */
typedef struct axis { double low, high, from, to; bool logarithmic; } axis;

static double placed(const axis *a, double v) {
  const double low = a->logarithmic ? log10(a->low) : a->low, high = a->logarithmic ? log10(a->high) : a->high, u = a->logarithmic ? log10(v) : v;
  return a->from + (u - low) / (high - low) * (a->to - a->from);
}

static double x_of(const cni_chart *c, const cni_series *s, int64_t i) { return s->x ? s->x[i] : c->first_x + (double)i; }

static void extend(axis *a, double v) {
  if (!isfinite(v) || (a->logarithmic && v <= 0)) return;
  if (!(v >= a->low)) a->low = v;
  if (!(v <= a->high)) a->high = v;
}

/* A range that is not empty. */
static void widen(axis *a) {
  if (isnan(a->low)) a->low = a->logarithmic ? 1 : 0, a->high = a->logarithmic ? 10 : 1;
  if (a->logarithmic && a->high / a->low < 1.001) a->low /= 2, a->high *= 2;
  const double least = 1e-9 * fmax(fabs(a->low), fabs(a->high));
  if (!a->logarithmic && a->high - a->low <= least) {
    const double half = a->low == 0 ? 0.5 : 0.1 * fabs(a->low);
    a->low -= half;
    a->high += half;
  }
}

static double step_of(const axis *a) {
  const double rough = (a->high - a->low) / TICKS, power = pow(10, floor(log10(rough))), lead = rough / power;
  return power * (lead <= 1.5 ? 1 : lead <= 3.5 ? 2 : lead <= 7.5 ? 5 : 10);
}

/* Ticks at v; false after the last. On a logarithmic axis powers of ten. */
static bool tick(const axis *a, int k, double *v) {
  if (a->logarithmic) {
    const double first = ceil(log10(a->low) - 1e-9), last = floor(log10(a->high) + 1e-9), stride = fmax(1, ceil((last - first) / 8));
    *v = pow(10, first + stride * k);
    return first + stride * k <= last;
  }
  const double step = step_of(a);
  *v = (ceil(a->low / step - 1e-9) + k) * step;
  if (fabs(*v) < 1e-9 * step) *v = 0;
  return *v <= a->high + 1e-9 * step && k < 3 * TICKS;
}

static void tick_text(const axis *a, double v, char *text, size_t size) {
  const double rounded = a->logarithmic ? v : step_of(a) * round(v / step_of(a));
  cni_number_text(rounded, 6, text, size);
}

static void draw_grid(cni_surface *s, const cni_chart *c, const axis *h, const axis *v) {
  char text[64];
  double at;
  for (int k = 0; tick(h, k, &at); k++) {
    const double x = placed(h, at);
    if (!c->bars) cni_draw_line(s, (const cni_xy[]){ { x, v->from }, { x, v->to } }, 2, 1, GRID);
    tick_text(h, at, text, sizeof text);
    cni_draw_text(s, x, v->from + 14, CNI_CENTRE, text, INK);
  }
  for (int k = 0; tick(v, k, &at); k++) {
    const double y = placed(v, at);
    cni_draw_line(s, (const cni_xy[]){ { h->from, y }, { h->to, y } }, 2, 1, GRID);
    tick_text(v, at, text, sizeof text);
    cni_draw_text(s, h->from - 5, y + 4, CNI_RIGHT, text, INK);
  }
  if (c->title) cni_draw_text(s, h->from, v->to - 9, CNI_LEFT, c->title, INK);
  if (c->x_label) cni_draw_text(s, 0.5 * (h->from + h->to), v->from + 30, CNI_CENTRE, c->x_label, INK);
}

/* Above the chart, from its right end. */
static void draw_legend(cni_surface *s, const cni_chart *c, const axis *h, const axis *v) {
  double x = h->to;
  for (int64_t i = c->count - 1; c->count > 1 && i >= 0; i--) {
    const char *name = c->series[i].name ? c->series[i].name : "";
    x -= LETTER * (double)strlen(name);
    cni_draw_text(s, x, v->to - 9, CNI_LEFT, name, INK);
    cni_draw_line(s, (const cni_xy[]){ { x - 21, v->to - 13 }, { x - 5, v->to - 13 } }, 2, 2, colours[(size_t)i % (sizeof colours / sizeof *colours)]);
    x -= 34;
  }
}

static void draw_series(cni_surface *s, const cni_chart *c, int64_t k, const axis *h, const axis *v) {
  const cni_series *one = &c->series[k];
  cni_xy *points = cni_alloc(s->g, (size_t)(one->n ? one->n : 1) * sizeof *points);
  for (int64_t i = 0; points && i < one->n; i++) points[i] = (cni_xy){ placed(h, x_of(c, one, i)), placed(v, one->y[i]) };
  if (points) cni_draw_line(s, points, one->n, 2, colours[(size_t)k % (sizeof colours / sizeof *colours)]);
  cni_free(s->g, points);
}

static void draw_bars(cni_surface *s, const cni_chart *c, const axis *h, const axis *v) {
  const cni_series *one = &c->series[0];
  for (int64_t i = 0; i < one->n; i++) {
    const double left = placed(h, one->x[i]), right = placed(h, one->x[i + 1]), top = placed(v, one->y[i]);
    if (one->y[i] > 0 && isfinite(left) && isfinite(right)) cni_draw_rect(s, left, top, fmax(right - left - 0.5, 0.5), v->from - top, colours[0]);
  }
}

static void find_ranges(const cni_chart *c, axis *h, axis *v) {
  for (int64_t k = 0; k < c->count; k++) {
    const cni_series *one = &c->series[k];
    for (int64_t i = 0; i < one->n; i++) {
      if (c->bars || isfinite(one->y[i])) extend(h, x_of(c, one, i));
      extend(v, one->y[i]);
    }
    if (c->bars && one->n) extend(h, one->x[one->n]), extend(v, 0);
  }
  widen(h);
  widen(v);
  const double gap = 0.04 * (v->high - v->low);
  if (!c->bars) v->low -= gap;
  v->high += gap;
}

void cni_draw_chart(cni_surface *s, const cni_chart *c, double x, double y, double w, double h) {
  axis across = { NAN, NAN, x + LEFT, x + w - RIGHT, c->log_x }, up = { NAN, NAN, y + h - BOTTOM, y + TOP, false };
  find_ranges(c, &across, &up);
  draw_grid(s, c, &across, &up);
  if (c->bars) draw_bars(s, c, &across, &up);
  for (int64_t k = 0; !c->bars && k < c->count; k++) draw_series(s, c, k, &across, &up);
  if (c->mark >= across.low && c->mark <= across.high)
    cni_draw_line(s, (const cni_xy[]){ { placed(&across, c->mark), up.from }, { placed(&across, c->mark), up.to } }, 2, 1.5, MARK);
  cni_draw_line(s, (const cni_xy[]){ { across.from, up.to }, { across.from, up.from }, { across.to, up.from } }, 3, 1, INK);
  draw_legend(s, c, &across, &up);
}
