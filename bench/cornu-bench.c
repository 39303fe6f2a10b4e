/* cornu-bench WORKLOAD: measures one workload and prints one line of JSON. cornu-bench --list names them. */
#include "bench.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* When the process began: PEERS_T0, or as the kernel tells. */
static double began(void) {
  const char *t0 = getenv("PEERS_T0");
  if (t0) return atof(t0);
  FILE *f = fopen("/proc/self/stat", "r");
  char text[1024] = "";
  if (!f || !fgets(text, sizeof text, f)) return now(CLOCK_REALTIME);
  fclose(f);
  const char *p = strrchr(text, ')');
  unsigned long long ticks = 0;
  for (int i = 0; p && i < 20; i++) p = strchr(p + 1, ' ');
  if (p) ticks = strtoull(p + 1, NULL, 10);
  return now(CLOCK_REALTIME) - (now(CLOCK_BOOTTIME) - (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

/* Median seconds a step: groups of at least 4 ms, after a warm-up of 4 steps and 0.4 s, until 0.8 s and 5 groups have passed, 8 s at most. */
static double measure(workload *w, int64_t done) {
  double samples[4096], start = now(CLOCK_MONOTONIC), t = start, step;
  int64_t i = done, warm = 0;
  while (warm < 4 || t - start < 0.4) w->step(w, i++), warm++, t = now(CLOCK_MONOTONIC);
  step = (t - start) / (double)warm;
  const int64_t k = step < 4e-3 ? (int64_t)ceil(4e-3 / step) : 1;
  int n = 0;
  start = now(CLOCK_MONOTONIC);
  do {
    const double t0 = now(CLOCK_MONOTONIC);
    for (int64_t j = 0; j < k; j++) w->step(w, i++);
    t = now(CLOCK_MONOTONIC);
    samples[n++] = (t - t0) / (double)k;
  } while (n < 4096 && (n < 5 || t - start < 0.8) && t - start < 8);
  qsort(samples, (size_t)n, sizeof *samples, by_value);
  return samples[n / 2];
}

static double peak_mb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)u.ru_maxrss / 1024;
}

static int run(workload *w, double t0) {
  double loss[4] = { NAN, NAN, NAN, NAN };
  w->g = cn_graph_new(.seed = 1);
  if (w->setup && !w->setup(w)) return fprintf(stderr, "cornu-bench: %s\n", cn_error(w->g)), 1;
  w->step(w, 0);
  if (w->loss) loss[0] = w->loss(w);
  const double first = now(CLOCK_REALTIME) - t0;
  double step = first;
  if (!w->whole_job) {
    for (int64_t i = 1; i < 4; i++) {
      w->step(w, i);
      if (w->loss) loss[i] = w->loss(w);
    }
    step = measure(w, 4);
  }
  if (!cn_ok(w->g)) return fprintf(stderr, "cornu-bench: %s\n", cn_error(w->g)), 1;
  printf("{\"workload\": \"%s\", \"step_s\": %.9g, \"first_step_s\": %.6g, \"peak_rss_mb\": %.1f", w->name, step, first, peak_mb());
  if (!isnan(loss[0])) printf(", \"loss0\": %.9g", loss[0]);
  if (!isnan(loss[3])) printf(", \"loss3\": %.9g", loss[3]);
  if (w->accuracy > 0) printf(", \"accuracy\": %.4f", w->accuracy);
  printf("}\n");
  cn_graph_free(w->g);
  return 0;
}

int main(int argc, char **argv) {
  const double t0 = began();
  if (argc == 3 && !strcmp(argv[2], "--info")) {
    cn_graph *g = cn_graph_new(.seed = 1);
    printf("%s\n", cn_build_info(g));
    cn_graph_free(g);
  }
  for (workload *w = workloads; argc > 1 && w->name; w++) {
    if (!strcmp(argv[1], "--list")) printf("%s\n", w->name);
    else if (!strcmp(argv[1], w->name)) return run(w, t0);
  }
  if (argc > 1 && !strcmp(argv[1], "--list")) return 0;
  fprintf(stderr, "usage: cornu-bench WORKLOAD [--info] | --list\n");
  return 2;
}
