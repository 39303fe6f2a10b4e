/* Which kernels this CPU runs. */
#include <stdlib.h>
#include <string.h>
#include "kernels_private.h"
#ifdef _OPENMP
#include <omp.h>
#endif

typedef struct isa_row { const cni_kernels *tables[CN_STRING]; bool (*there)(void); } isa_row;

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
#define ROW(isa, there)                                                                                                                \
  { { &cni_kernels_##isa##_f32, &cni_kernels_##isa##_f64, &cni_kernels_##isa##_i32, &cni_kernels_##isa##_i64, &cni_kernels_##isa##_u8, \
      &cni_kernels_##isa##_truth }, there }
static const isa_row isa_rows[] = {
#if defined(__x86_64__)
  ROW(avx512, has_avx512),
  ROW(avx2, has_avx2),
#endif
  ROW(baseline, always),
};
_Static_assert(CN_F32 == 0 && CN_F64 == 1 && CN_I32 == 2 && CN_I64 == 3 && CN_U8 == 4 && CN_BOOL == 5 && CN_STRING == 6, "the order of ROW");

const cni_kernels *cni_kernels_named(const char *isa, cn_dtype dtype) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  for (size_t i = 0; i < sizeof isa_rows / sizeof *isa_rows; i++) {
    const isa_row *r = &isa_rows[i];
    if (isa && strcmp(isa, r->tables[0]->isa) != 0) continue;
    if (r->there()) return r->tables[dtype];
  }
  return NULL;
}

void cni_kernels_select(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  const char *wanted = getenv("CN_ISA");
  for (int i = 0; i < CN_STRING; i++) {
    c->kernels[i] = wanted ? cni_kernels_named(wanted, (cn_dtype)i) : NULL;
    if (!c->kernels[i]) c->kernels[i] = cni_kernels_named(NULL, (cn_dtype)i);
  }
#ifdef _OPENMP
  const int most = omp_get_max_threads(), cores = omp_get_num_procs();
  c->threads = most < cores ? most : cores;
#else
  c->threads = 1;
#endif
}
