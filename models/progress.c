/* What fit shows while it runs: on a terminal a bar with rate, time left and metrics, redrawn at most 20 times a second; elsewhere one plain line an epoch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "model_private.h"

#define BAR 20
#define REDRAW 0.05 /* seconds */

void cni_progress_begin(cni_progress *p, cn_graph *g, int64_t verbose, int64_t steps) {
  struct winsize w;
  *p = (cni_progress){ .g = g, .verbose = verbose, .steps = steps, .began = cni_profile_clock(), .width = 80 };
  p->terminal = verbose == 1 && !g->core.output && isatty(STDOUT_FILENO);
  if (p->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) p->width = w.ws_col;
  const char *kind = getenv("TERM"), *none = getenv("NO_COLOR");
  p->colour = p->terminal && kind && strcmp(kind, "dumb") != 0 && !(none && *none);
}

/* The value whose name follows `before` in the alphabet, as Keras sorts them; -1 after the last. */
static int64_t next_name(cn_model *m, int64_t before) {
  int64_t best = -1;
  for (int64_t i = 0; i < cni_values_count(m); i++) {
    const char *name = cn_metric_name_at(m, i);
    if (before >= 0 && strcmp(name, cn_metric_name_at(m, before)) <= 0) continue;
    if (best < 0 || strcmp(name, cn_metric_name_at(m, best)) < 0) best = i;
  }
  return best;
}

/* Keras': four decimals, or an exponent where they would be zeros. */
static void value_text(double v, char *text, size_t size) {
  if (!(fabs(v) <= 1e-3)) {
    cni_fixed_text(v, 4, text, size);
    return;
  }
  const int e = v != 0 ? (int)floor(log10(fabs(v))) : 0;
  char digits[32];
  const double m = v / pow(10, e);
  const bool carries = fabs(m) >= 9.99995;
  cni_fixed_text(carries ? m / 10 : m, 4, digits, sizeof digits);
  snprintf(text, size, "%se%+03d", digits, carries ? e + 1 : e);
}

void cni_metrics_text(cn_model *m, const char *prefix, char *text, size_t size) {
  size_t used = 0;
  text[0] = 0;
  for (int64_t i = next_name(m, -1); i >= 0 && used < size; i = next_name(m, i)) {
    char number[400];
    value_text(cni_metric_value(m, i), number, sizeof number);
    used += (size_t)snprintf(text + used, size - used, " - %s%s: %s", prefix, cn_metric_name_at(m, i), number);
  }
}

static void time_text(double s, char *text, size_t size) {
  const long n = (long)(s + 0.5);
  if (n >= 3600) snprintf(text, size, "%ld:%02ld:%02ld", n / 3600, n / 60 % 60, n % 60);
  else if (n >= 60) snprintf(text, size, "%ld:%02ld", n / 60, n % 60);
  else snprintf(text, size, "%lds", n);
}

static void rate_text(double s, char *text, size_t size) {
  static const struct { double unit; const char *name; } units[] = { { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "us" } };
  int k = s >= 1 ? 0 : s >= 1e-3 ? 1 : 2;
  const double v = s / units[k].unit;
  char number[400];
  cni_fixed_text(v, v < 9.95 && k < 2, number, sizeof number);
  snprintf(text, size, "%.20s%s/step", number, units[k].name);
}

/* ---- the bar ---- */
/* Bytes of the first `columns` letters of UTF-8 text. */
static int bytes_of(const char *text, int columns) {
  int n = 0;
  for (; text[n]; n++)
    if (((unsigned char)text[n] & 0xc0) != 0x80 && columns-- <= 0) break;
  return n;
}
static int columns_of(const char *text) {
  int columns = 0;
  for (; *text; text++) columns += ((unsigned char)*text & 0xc0) != 0x80;
  return columns;
}

/* Of a step, the first apart. */
static double step_seconds(const cni_progress *p, double now) {
  if (p->step < 1) return 0;
  return p->step > 1 && p->first > 0 ? (now - p->first) / (double)(p->step - 1) : (now - p->began) / (double)p->step;
}

static void counts_text(const cni_progress *p, char *text, size_t size) {
  char all[24];
  const int digits = snprintf(all, sizeof all, "%lld", (long long)p->steps);
  if (p->steps >= 0) snprintf(text, size, "%*lld/%s", digits, (long long)p->step, all);
  else snprintf(text, size, "%7lld/Unknown", (long long)p->step);
}

/* "\u2501" for what is done, thin or grey for the rest. */
static void bar_text(const cni_progress *p, int columns, char *text) {
  const int done = p->steps > 0 ? (int)((double)columns * (double)(p->step < p->steps ? p->step : p->steps) / (double)p->steps) : 0;
  int n = sprintf(text, "%s", p->colour ? "\x1b[32m" : "");
  for (int i = 0; i < columns; i++) {
    if (i == done && p->colour) n += sprintf(text + n, "\x1b[37m");
    n += sprintf(text + n, i < done || p->colour ? "\xe2\x94\x81" : "\xe2\x94\x80");
  }
  if (p->colour) sprintf(text + n, "\x1b[0m");
}

/* Counts, bar, time left (at the end: taken), rate and metrics, as Keras has them. A line that is drawn over must not wrap: the metrics are cut first, then the
 * bar. */
static void draw(cni_progress *p, bool last) {
  const double now = cni_profile_clock(), per = step_seconds(p, now);
  char counts[64], rate[32], time[32], bar[3 * BAR + 32], line[2048];
  counts_text(p, counts, sizeof counts);
  time_text(last || p->steps < 0 ? now - p->began : fmax(0, per * (double)(p->steps - p->step)), time, sizeof time);
  rate_text(per, rate, sizeof rate);
  const int fixed = (int)(strlen(counts) + strlen(time) + strlen(rate)) + 3, room = last ? 1 << 20 : p->width - 1 - fixed;
  const int bars = room < BAR ? (room > 0 ? room : 0) : BAR, left = room - bars,
            metrics = columns_of(p->metrics) < left ? columns_of(p->metrics)
                      : left > 0                    ? left
                                                    : 0;
  bar_text(p, bars, bar);
  const char *bold = p->colour ? "\x1b[1m" : "", *plain = p->colour ? "\x1b[0m" : "";
  snprintf(line, sizeof line, "%s%s%s %s %s%s%s %s%.*s", bold, counts, plain, bar, bold, time, plain, rate, bytes_of(p->metrics, metrics), p->metrics);
  const int columns = fixed + bars + metrics;
  cni_print(p->g, "\r%s%*s", line, p->drawn > columns ? p->drawn - columns : 0, "");
  p->drawn = columns;
}

void cni_progress_step(cni_progress *p, cn_model *m, int64_t step) {
  struct winsize w;
  p->step = step;
  if (!p->verbose) return;
  if (step == 1) p->first = cni_profile_clock();
  if (!p->terminal) return;
  const double now = cni_profile_clock();
  if (now - p->shown < REDRAW) return;
  p->shown = now;
  if (!p->g->core.output && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) p->width = w.ws_col; /* it may have been resized */
  cni_metrics_text(m, "", p->metrics, sizeof p->metrics);
  draw(p, false);
}

void cni_progress_keep(cni_progress *p, cn_model *m) { cni_metrics_text(m, "", p->metrics, sizeof p->metrics); }

void cni_progress_end(cni_progress *p, const char *tail) {
  if (!p->verbose) return;
  if (p->terminal) {
    draw(p, true);
    cni_print(p->g, "%s\n", tail);
    return;
  }
  char time[32], rate[32];
  const double now = cni_profile_clock();
  time_text(now - p->began, time, sizeof time);
  rate_text(step_seconds(p, now), rate, sizeof rate);
  cni_print(p->g, "%lld/%lld - %s - %s%s%s\n", (long long)p->step, (long long)(p->steps < 0 ? p->step : p->steps), time, rate, p->metrics, tail);
}
