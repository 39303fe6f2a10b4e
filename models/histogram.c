/* Histograms of weights and gradients. */
#include <math.h>
#include <stdio.h>
#include "look.h"
#include "model_private.h"
#include "surface_private.h"

#define BINS 30
#define MOST_BINS 10000
#define WIDTH 340    /* of a chart */
#define HEIGHT 190

static void moments(const cn_tensor *t, cn_tensor_histogram *h) {
  double sum = 0, squares = 0;
  h->low = h->high = h->mean = h->deviation = NAN;
  for (int64_t i = 0; i < t->count; i++) {
    const double v = cni_value_at(t, i);
    if (!isfinite(v)) {
      h->not_finite++;
      continue;
    }
    if (!(v >= h->low)) h->low = v;
    if (!(v <= h->high)) h->high = v;
    sum += v;
  }
  const int64_t n = t->count - h->not_finite;
  if (!n) return;
  h->mean = sum / (double)n;
  for (int64_t i = 0; i < t->count; i++) {
    const double d = cni_value_at(t, i) - h->mean;
    if (isfinite(d)) squares += d * d;
  }
  h->deviation = sqrt(squares / (double)n);
}

static bool fill(cn_graph *g, const cn_tensor *t, const char *name, int64_t bins, cn_tensor_histogram *h) {
  int64_t *counts = cni_arena_take(g, cni_step_arena(g), (size_t)bins * sizeof *counts);
  char *copy = cni_arena_take(g, cni_step_arena(g), strlen(name) + 1);
  if (!counts || !copy) return false;
  memset(counts, 0, (size_t)bins * sizeof *counts);
  *h = (cn_tensor_histogram){ .name = strcpy(copy, name), .count = t->count, .bins = bins, .counts = counts };
  moments(t, h);
  const double range = h->high - h->low;
  for (int64_t i = 0; i < t->count; i++) {
    const double v = cni_value_at(t, i);
    if (!isfinite(v)) continue;
    const int64_t k = range > 0 && isfinite(range) ? (int64_t)((v - h->low) / range * (double)bins) : bins / 2;
    counts[k < bins ? k : bins - 1]++;
  }
  return true;
}

/* The loss' gradients on a batch; nothing is updated. */
static bool gradients_of(cn_model *m, const cn_batch *batch, cn_tensor *const *w, int64_t n, cn_tensor **out) {
  cn_graph *g = m->base.object.graph;
  cni_results r;
  if (!cni_ready(m, "layer_histograms")) return false;
  const bool recording = cn_recording(g, true);
  const bool ok = cni_forward(m, batch, false, &r) && cn_gradients(g, r.loss, CN_NO_TENSOR, w, n, false, out);
  cn_recording(g, recording);
  return ok;
}

static cn_tensor_histogram *fill_all(cn_graph *g, cn_tensor *const *values, cn_tensor *const *names, int64_t n, int64_t bins) {
  cn_tensor_histogram *h = cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *h);
  for (int64_t i = 0; h && i < n; i++)
    if (!fill(g, values[i], cn_name_of(names[i]), bins, &h[i])) return NULL;
  return h;
}

const cn_histograms *cn_layer_histograms(cn_model *m, const cn_batch *batch, int64_t bins) {
  if (!m || !cn_ok(m->base.object.graph)) return NULL;
  cn_graph *g = m->base.object.graph;
  if (bins < 0 || bins > MOST_BINS) return cn_fail(g, CN_VALUE, "layer_histograms: bins must be 0 to %d, got %lld", MOST_BINS, (long long)bins), NULL;
  const int64_t n = cn_trainable_weights(&m->base, NULL, 0);
  if (!n) return cn_fail(g, CN_STATE, "layer_histograms: %s has no trainable weights; is it built?", m->base.name), NULL;
  cn_histograms *h = cni_arena_take(g, cni_step_arena(g), sizeof *h + 2 * (size_t)n * sizeof(cn_tensor *));
  if (!h) return NULL;
  cn_tensor **w = (cn_tensor **)(void *)(h + 1), **gradients = w + n;
  cn_trainable_weights(&m->base, w, n);
  *h = (cn_histograms){ .n = n };
  if (batch && !gradients_of(m, batch, w, n, gradients)) return NULL;
  if (!(h->weights = fill_all(g, w, w, n, bins ? bins : BINS))) return NULL;
  if (batch && !(h->gradients = fill_all(g, gradients, w, n, bins ? bins : BINS))) return NULL;
  return h;
}

/* ---- text ---- */
static void put_shape(cni_text *t, const cn_tensor_histogram *h) {
  enum { COLUMNS = 30, LEVELS = 8 };
  int64_t sums[COLUMNS] = { 0 }, most = 1;
  const int64_t columns = h->bins < COLUMNS ? h->bins : COLUMNS;
  for (int64_t i = 0; i < h->bins; i++) sums[i * columns / h->bins] += h->counts[i];
  for (int64_t i = 0; i < columns; i++)
    if (sums[i] > most) most = sums[i];
  for (int64_t i = 0; i < columns; i++) {
    const int64_t level = (sums[i] * LEVELS + most - 1) / most; /* something is never nothing */
    if (!level) cni_text_put(t, " ", 1);
    else cni_text_format(t, "\xe2\x96%c", (int)(0x80 + level));
  }
}

static void put_line(cni_text *t, const cn_tensor_histogram *h, const char *what, int64_t width) {
  static const char *const names[] = { "mean", "std", "min", "max" };
  const double v[] = { h->mean, h->deviation, h->low, h->high };
  char number[64];
  cni_text_format(t, "%-*.200s %-8s |", (int)width, h->name, what);
  put_shape(t, h);
  cni_text_put(t, "|", 1);
  for (int i = 0; i < 4; i++) {
    cni_number_text(v[i], 4, number, sizeof number);
    cni_text_format(t, "  %s %-10s", names[i], number);
  }
  if (h->not_finite) cni_text_format(t, "  %lld of %lld are not finite", (long long)h->not_finite, (long long)h->count);
  while (t->size && t->p[t->size - 1] == ' ') t->size--;
  cni_text_put(t, "\n", 1);
}

const char *cn_histograms_text(cn_graph *g, const cn_histograms *h) {
  cni_text t = { .g = g };
  int64_t width = 0;
  if (!cn_ok(g) || !h) return "";
  for (int64_t i = 0; i < h->n; i++)
    if ((int64_t)strlen(h->weights[i].name) > width) width = (int64_t)strlen(h->weights[i].name);
  if (width > 60) width = 60;
  for (int64_t i = 0; i < h->n; i++) {
    put_line(&t, &h->weights[i], "weight", width);
    if (h->gradients) put_line(&t, &h->gradients[i], "gradient", width);
  }
  return cni_text_done(&t);
}

/* ---- drawing ---- */
static void draw_one(cni_surface *s, const cn_tensor_histogram *h, const char *what, double x, double y) {
  double *edges = cni_alloc(s->g, (size_t)(2 * h->bins + 1) * sizeof *edges), *counts = edges + h->bins + 1;
  char title[160];
  const double middle = h->mean, half = h->high > h->low ? 0 : fmax(0.5 * fabs(middle), 0.5); /* all equal: a bar in the middle */
  if (!edges) return;
  for (int64_t i = 0; i <= h->bins; i++) edges[i] = h->low - half + (h->high - h->low + 2 * half) * (double)i / (double)h->bins;
  for (int64_t i = 0; i < h->bins; i++) counts[i] = (double)h->counts[i];
  snprintf(title, sizeof title, "%.120s%s", h->name, what);
  const cni_series bars = { NULL, edges, counts, h->bins };
  const cni_chart c = { .title = title, .series = &bars, .count = 1, .bars = true, .mark = NAN };
  cni_draw_chart(s, &c, x, y, WIDTH, HEIGHT);
  cni_free(s->g, edges);
}

static void draw_histograms(cni_surface *s, const void *what) {
  const cn_histograms *h = what;
  for (int64_t i = 0; i < h->n; i++) {
    draw_one(s, &h->weights[i], "", 0, (double)i * HEIGHT);
    if (h->gradients) draw_one(s, &h->gradients[i], ", gradient", WIDTH, (double)i * HEIGHT);
  }
}

static bool drawable(cn_graph *g, const cn_histograms *h) {
  if (!cn_ok(g)) return false;
  if (!h || h->n < 1) return cn_fail(g, CN_VALUE, "plot_histograms: there are no histograms"), false;
  if (h->n > 500) return cn_fail(g, CN_VALUE, "plot_histograms: %lld weights are too many to draw", (long long)h->n), false;
  return true;
}
bool cn_plot_histograms(cn_graph *g, const cn_histograms *h, const char *path) {
  return drawable(g, h) && cni_paint_file(g, "plot_histograms", path, h->gradients ? 2 * WIDTH : WIDTH, (int)h->n * HEIGHT, draw_histograms, h);
}
const char *cn_histograms_svg(cn_graph *g, const cn_histograms *h) {
  return drawable(g, h) ? cni_paint_svg(g, h->gradients ? 2 * WIDTH : WIDTH, (int)h->n * HEIGHT, draw_histograms, h) : "";
}
