/* Which kernels this CPU runs. */
#include <stdlib.h>
#include <string.h>
#include "kernels_private.h"
#ifdef _OPENMP
#include <omp.h>
#endif

typedef struct isa_row { const cni_kernels *f32, *f64; bool (*there)(void); } isa_row;

static bool always(void) { return true; }
#if defined(__x86_64__)
/* The system must keep the wide registers too: the compiler's test asks that of it. */
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl");
}
#endif

/* The best first. */
static const isa_row isa_rows[] = {
#if defined(__x86_64__)
  { &cni_kernels_avx512_f32, &cni_kernels_avx512_f64, has_avx512 },
  { &cni_kernels_avx2_f32, &cni_kernels_avx2_f64, has_avx2 },
#endif
  { &cni_kernels_baseline_f32, &cni_kernels_baseline_f64, always },
};

const cni_kernels *cni_kernels_named(const char *isa, cn_dtype dtype) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  for (size_t i = 0; i < sizeof isa_rows / sizeof *isa_rows; i++) {
    const isa_row *r = &isa_rows[i];
    if (isa && strcmp(isa, r->f32->isa) != 0) continue;
    if (r->there()) return dtype == CN_F64 ? r->f64 : r->f32;
  }
  return NULL;
}

void cni_kernels_select(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  const char *wanted = getenv("CN_ISA");
  for (int i = 0; i < 2; i++) {
    const cn_dtype dtype = i ? CN_F64 : CN_F32;
    c->kernels[i] = wanted ? cni_kernels_named(wanted, dtype) : NULL;
    if (!c->kernels[i]) c->kernels[i] = cni_kernels_named(NULL, dtype);
  }
#ifdef _OPENMP
  const int most = omp_get_max_threads(), cores = omp_get_num_procs();
  c->threads = most < cores ? most : cores;
#else
  c->threads = 1;
#endif
}
