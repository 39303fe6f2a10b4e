/* What fit shows while it runs: on a terminal a bar with rate, time left and metrics, redrawn at most 20 times a second; elsewhere one plain line an epoch. */
#include <math.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "model_private.h"

#define BAR 20
#define REDRAW 0.05 /* seconds */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cni_progress_begin(cni_progress *p, cn_graph *g, int64_t verbose, int64_t steps) {
  struct winsize w;
  *p = (cni_progress){ .g = g, .verbose = verbose, .steps = steps, .began = seconds(), .width = 80 };
  p->terminal = verbose == 1 && !g->core.output && isatty(STDOUT_FILENO);
  if (p->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) p->width = w.ws_col;
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

void cni_metrics_text(cn_model *m, const char *prefix, char *text, size_t size) {
  size_t used = 0;
  text[0] = 0;
  for (int64_t i = next_name(m, -1); i >= 0 && used < size; i = next_name(m, i)) {
    const double v = cni_metric_value(m, i);
    used += (size_t)snprintf(text + used, size - used, fabs(v) > 1e-3 || v == 0 ? " - %s%s: %.4f" : " - %s%s: %.4e", prefix, cn_metric_name_at(m, i), v);
  }
}

static void time_text(double s, char *text, size_t size) {
  const long n = (long)(s + 0.5);
  if (n >= 3600) snprintf(text, size, "%ld:%02ld:%02ld", n / 3600, n / 60 % 60, n % 60);
  else if (n >= 60) snprintf(text, size, "%ld:%02ld", n / 60, n % 60);
  else snprintf(text, size, "%lds", n);
}

static void rate_text(double s, char *text, size_t size) {
  if (s >= 1) snprintf(text, size, "%.1fs/step", s);
  else if (s >= 1e-3) snprintf(text, size, "%.1fms/step", s * 1e3);
  else snprintf(text, size, "%.0fus/step", s * 1e6);
}

/* "  32/469 ━━━━────" and the times. */
static void draw(cni_progress *p, bool last) {
  char counts[64], rate[32], left[32], bar[3 * BAR + 1], line[1024];
  const double spent = seconds() - p->began, per = p->step ? spent / (double)p->step : 0;
  int filled = p->steps > 0 ? (int)(BAR * p->step / p->steps) : 0, n = 0;
  for (int i = 0; i < BAR; i++) n += sprintf(bar + n, i < filled ? "\xe2\x94\x81" : "\xe2\x94\x80");
  if (p->steps >= 0) snprintf(counts, sizeof counts, "%lld/%lld", (long long)p->step, (long long)p->steps);
  else snprintf(counts, sizeof counts, "%lld/Unknown", (long long)p->step);
  time_text(last || p->steps < 0 ? spent : per * (double)(p->steps - p->step), left, sizeof left);
  rate_text(per, rate, sizeof rate);
  int used = snprintf(line, sizeof line, "%s %s %s%s %s%s", counts, bar, last ? "" : "ETA ", left, rate, p->metrics);
  int columns = used - (n - BAR);
  if (!last && columns >= p->width) { /* never wraps: a wrapped line cannot be drawn over */
    used -= columns - (p->width - 1);
    columns = p->width - 1;
    line[used > 0 ? used : 0] = 0;
  }
  cni_print(p->g, "\r%s%*s", line, p->drawn > columns ? p->drawn - columns : 0, "");
  p->drawn = columns;
}

void cni_progress_step(cni_progress *p, cn_model *m, int64_t step) {
  p->step = step;
  if (!p->terminal) return;
  const double now = seconds();
  if (now - p->shown < REDRAW) return;
  p->shown = now;
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
  const double spent = seconds() - p->began;
  time_text(spent, time, sizeof time);
  rate_text(p->step ? spent / (double)p->step : 0, rate, sizeof rate);
  cni_print(p->g, "%lld/%lld - %s - %s%s%s\n", (long long)p->step, (long long)(p->steps < 0 ? p->step : p->steps), time, rate, p->metrics, tail);
}
