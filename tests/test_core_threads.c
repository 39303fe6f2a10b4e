/* Division of loops among threads, choice of kernels, and the report of what is in use. */
#include "test_core.h"
#include "../core/build_info.h"
#include "../core/kernels_private.h"
#include "../core/threads_private.h"

typedef struct parts { int calls; int64_t begin[64], end[64]; cn_graph *g; } parts;

static void note(void *context, int64_t begin, int64_t end) {
  parts *p = context;
  int i;
#pragma omp atomic capture
  i = p->calls++;
  p->begin[i] = begin;
  p->end[i] = end;
}

static int64_t range_at(const parts *p, int64_t begin) {
  for (int i = 0; i < p->calls; i++)
    if (p->begin[i] == begin) return p->end[i];
  return -1;
}

static void nested(void *context, int64_t begin, int64_t end) {
  const parts *outer = context;
  parts inner = { .calls = 0 };
  cni_parallel(outer->g, 1000000, 1, note, &inner);
  cr_assert(inner.calls == 1 && inner.begin[0] == 0 && inner.end[0] == 1000000 && begin < end);
}

Test(core_threads, parallel) {
  static const int64_t sizes[][2] = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 100, 50 }, { 1001, 10 }, { 100000, 30000 }, { 100000, 60000 }, { 5600, 129 } };
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  for (int threads = 1; threads <= 4; threads++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      parts p = { .calls = 0 };
      g.c.threads = threads;
      cni_parallel(&g, sizes[s][0], sizes[s][1], note, &p);
      int64_t covered = 0;
      for (int i = 0; i < p.calls; i++) {
        cr_assert(p.begin[i] < p.end[i]);
        covered += p.end[i] - p.begin[i];
        for (int j = 0; j < i; j++) cr_assert(p.end[i] <= p.begin[j] || p.end[j] <= p.begin[i]);
        if (sizes[s][0] >= 1000) cr_assert(p.begin[i] % 64 == 0);
      }
      cr_assert(covered == sizes[s][0] && p.calls <= 9 * threads);
      if (sizes[s][0] < 2 * sizes[s][1]) cr_assert(p.calls <= 1);
      parts again = { .calls = 0 }; /* the ranges, whoever gets them, are always the same */
      cni_parallel(&g, sizes[s][0], sizes[s][1], note, &again);
      cr_assert(again.calls == p.calls);
      for (int i = 0; i < p.calls; i++) cr_assert(range_at(&again, p.begin[i]) == p.end[i]);
    }
  g.c.threads = 2;
  parts p = { .g = &g };
  cni_parallel(&g, 100, 1, nested, &p);
  graph_end(&g, &n);
}

Test(core_threads, selection_by_environment) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  setenv("CN_ISA", "baseline", 1);
  cni_kernels_select(&g);
  cr_assert_str_eq(g.c.kernels[CN_F32]->isa, "baseline");
  cr_assert(g.c.threads >= 1 && g.c.kernels[CN_F64] == cni_kernels_named("baseline", CN_F64));
  setenv("CN_ISA", "another", 1);
  cni_kernels_select(&g);
  cr_assert(g.c.kernels[CN_F32] == cni_kernels_named(NULL, CN_F32));
  unsetenv("CN_ISA");
  graph_end(&g, &n);
}

Test(core_threads, build_info) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_kernels_select(&g);
  const char *text = cn_build_info(&g);
  static const char *const parts_of[] = { "cornu 0.1.0, compiled by ", "CPU: ", "kernels: ", "threads: ", "OpenBLAS", "oneDNN: ", "matrix products: " };
  cr_assert(text != NULL);
  for (size_t i = 0; i < sizeof parts_of / sizeof *parts_of; i++) cr_assert(strstr(text, parts_of[i]) != NULL, "no \"%s\" in %s", parts_of[i], text);
  cr_assert(cn_build_info(NULL) == NULL);
  graph_end(&g, &n);
}
