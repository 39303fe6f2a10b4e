/* Measuring calls. One entry for each operation, layer and phase; the tables add them up. */
#include "profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "text_private.h"

typedef struct entry {
  const char *name;            /* of an operation or a class */
  char scope[CNI_SCOPE_SIZE];
  cn_profile_row sum;
} entry;

typedef struct cni_profile { entry *entries; int64_t count, capacity; } cni_profile;

/* ---- measuring ---- */
double cni_profile_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static entry *entry_of(cn_graph *g, const char *name, const char *scope, cn_phase phase) {
  cni_profile *p = g->profile;
  for (int64_t i = 0; i < p->count; i++) {
    entry *e = &p->entries[i];
    if (e->sum.phase == phase && (e->name == name || !strcmp(e->name, name)) && !strcmp(e->scope, scope)) return e;
  }
  if (p->count == p->capacity && !cni_grow(g, (void **)&p->entries, p->count, &p->capacity, sizeof *p->entries)) return NULL;
  entry *e = &p->entries[p->count++];
  *e = (entry){ .name = name, .sum.phase = phase };
  memcpy(e->scope, scope, strnlen(scope, sizeof e->scope - 1));
  return e;
}

void cni_profile_add(cn_graph *g, const char *name, int phase, double began, double flop, double bytes) {
  const double seconds = cni_profile_clock() - began;
  const char *scope = g->core.path ? g->core.path : g->core.scope;
  entry *e = entry_of(g, name, scope + (scope[0] == '/'), (cn_phase)phase);
  if (!e) return;
  e->sum.calls++;
  e->sum.seconds += seconds;
  e->sum.flop += flop;
  e->sum.bytes += bytes;
}

static double bytes_of(const cn_tensor *t) { return t && cni_given(t) ? (double)t->count * (double)cn_dtype_size((cn_dtype)t->dtype) : 0; }

static double forward_flop(const cn_call *c) {
  double in = 0, out = 0;
  if (c->op->cost) return c->op->cost(c);
  for (int64_t i = 0; i < c->nx; i++) in += cni_given(c->x[i]) ? (double)c->x[i]->count : 0;
  for (int64_t i = 0; i < c->ny; i++) out += (double)c->y[i]->count;
  return in > out ? in : out;
}

static double forward_bytes(const cn_call *c) {
  double bytes = 0;
  for (int64_t i = 0; i < c->nx; i++) bytes += bytes_of(c->x[i]);
  for (int64_t i = 0; i < c->ny; i++) bytes += bytes_of(c->y[i]);
  return bytes;
}

/* Of a rule: the gradients that are there and wanted, and the values that it reads. */
static double rule_bytes(const cn_call *c, int64_t *wanted) {
  double bytes = 0;
  for (int64_t i = 0; i < c->nx; i++) {
    *wanted += c->gx[i] != NULL;
    bytes += (!c->gx[i] ? 0 : c->narrow ? bytes_of(c->y[0]) : bytes_of(c->x[i])) + (c->op->reads & CN_READS_X(i < 15 ? i : 15) ? bytes_of(c->x[i]) : 0);
  }
  for (int64_t i = 0; i < c->ny; i++) bytes += (c->gy[i] ? bytes_of(c->y[i]) : 0) + (i < 16 && c->op->reads & CN_READS_Y(i) ? bytes_of(c->y[i]) : 0);
  return bytes;
}

cn_code cni_profile_call(const cn_call *c, bool rule) {
  cn_graph *g = c->graph;
  const double began = cni_profile_clock();
  const cn_code code = rule ? c->op->backward(c) : c->op->forward(c);
  if (!rule)
    return cni_profile_add(g, c->op->name, g->in_rule || g->nesting ? CN_PHASE_BACKWARD : CN_PHASE_FORWARD, began, forward_flop(c), forward_bytes(c)), code;
  int64_t wanted = 0;
  const double bytes = rule_bytes(c, &wanted);
  cni_profile_add(g, c->op->name, CN_PHASE_BACKWARD, began, forward_flop(c) * (double)wanted, bytes); /* each gradient costs what forward does */
  return code;
}

bool cn_profile_start(cn_graph *g) {
  if (!cn_ok(g)) return false;
  if (!g->profiled && !(g->profiled = cni_alloc(g, sizeof(cni_profile)))) return false;
  g->profiled->count = 0;
  g->profile = g->profiled;
  return true;
}

void cn_profile_stop(cn_graph *g) {
  if (g) g->profile = NULL;
}

/* ---- reading ---- */
static int longer(const void *a, const void *b) {
  const cn_profile_row *p = a, *q = b;
  return p->seconds < q->seconds ? 1 : p->seconds > q->seconds ? -1 : 0;
}

/* The entries added up, in memory of the step; NULL: none. */
static cn_profile_row *rows_by(cn_graph *g, cn_profile_by by, int64_t *count) {
  const cni_profile *p = g ? g->profiled : NULL;
  *count = 0;
  cn_profile_row *rows = p && p->count ? cni_arena_take(g, cni_step_arena(g), (size_t)p->count * sizeof *rows) : NULL;
  for (int64_t i = 0; rows && i < p->count; i++) {
    const entry *e = &p->entries[i];
    const char *name = by == CN_PROFILE_LAYERS ? e->scope : e->name;
    int64_t k = 0;
    while (k < *count && (rows[k].phase != e->sum.phase || strcmp(rows[k].name, name))) k++;
    if (k == *count) rows[(*count)++] = (cn_profile_row){ .name = name, .phase = e->sum.phase };
    rows[k].calls += e->sum.calls;
    rows[k].seconds += e->sum.seconds;
    rows[k].flop += e->sum.flop;
    rows[k].bytes += e->sum.bytes;
  }
  if (rows) qsort(rows, (size_t)*count, sizeof *rows, longer);
  return rows;
}

int64_t cn_profile_rows(cn_graph *g, cn_profile_by by, cn_profile_row *rows, int64_t room) {
  int64_t count;
  const cn_profile_row *all = rows_by(g, by, &count);
  if (all && room > 0) memcpy(rows, all, (size_t)(count < room ? count : room) * sizeof *rows);
  return count;
}

/* A number with one place behind the point, whatever the locale. */
static const char *fixed(double v, char *s, size_t size) {
  const long long tenths = (long long)(v * 10 + 0.5);
  snprintf(s, size, "%lld.%d", tenths / 10, (int)(tenths % 10));
  return s;
}

static void write_table(cni_text *t, cn_graph *g, cn_profile_by by) {
  static const char *const phases[] = { "forward", "backward", "update", "fit" };
  int64_t count;
  double all = 0;
  char share[40], time[40], flop[40], bytes[40], rate[40];
  const cn_profile_row *r = rows_by(g, by, &count);
  for (int64_t i = 0; i < count; i++) all += r[i].seconds;
  cni_text_format(t, "%-34s %-9s %9s %12s %7s %12s %12s %10s\n", by == CN_PROFILE_LAYERS ? "layer" : "operation", "phase", "calls", "us", "%", "kFLOP", "kB",
                  "GFLOP/s");
  for (int64_t i = 0; i < count; i++)
    cni_text_format(t, "%-34s %-9s %9lld %12s %7s %12s %12s %10s\n", *r[i].name ? r[i].name : "(outside of layers)", phases[r[i].phase], (long long)r[i].calls,
                    fixed(r[i].seconds * 1e6, time, sizeof time), fixed(all > 0 ? 100 * r[i].seconds / all : 0, share, sizeof share),
                    fixed(r[i].flop * 1e-3, flop, sizeof flop), fixed(r[i].bytes * 1e-3, bytes, sizeof bytes),
                    fixed(r[i].seconds > 0 ? r[i].flop * 1e-9 / r[i].seconds : 0, rate, sizeof rate));
}

const char *cn_profile_text(cn_graph *g) {
  if (!g || !g->profiled || !g->profiled->count) return "";
  cni_text t = { .g = g };
  write_table(&t, g, CN_PROFILE_OPERATIONS);
  cni_text_put(&t, "\n", 1);
  write_table(&t, g, CN_PROFILE_LAYERS);
  return cni_text_done(&t);
}

void cn_profile_report(cn_graph *g) {
  const char *s = cn_profile_text(g);
  if (*s) cni_print(g, "%s", s);
}
