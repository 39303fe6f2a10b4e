/* What this build is and what it uses here. */
#include "build_info.h"
#include <stdio.h>
#include <string.h>
#include <cblas.h>
#include "gemm_private.h"
#include "kernels_private.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The processor's brand text, or "unknown". */
static const char *cpu_name(char name[49]) {
  strcpy(name, "unknown");
#if defined(__x86_64__)
  unsigned words[12], most = (unsigned)__get_cpuid_max(0x80000000u, NULL);
  if (most < 0x80000004u) return name;
  for (unsigned i = 0; i < 3; i++) __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
  memcpy(name, words, 48);
  name[48] = '\0';
#endif
  while (*name == ' ') name++;
  for (size_t n = strlen(name); n > 0 && name[n - 1] == ' ';) name[--n] = '\0';
  return name;
}

const char *cn_build_info(cn_graph *g) {
  static const char *const engines[] = { "by size", "own kernels", "OpenBLAS", "oneDNN" };
  if (!g) return NULL;
  const cni_context *c = cni_context_of_const(g);
  const cni_gemm_args middle = { .dtype = CN_F32, .m = 128, .n = 512, .k = 512, .batch = 1 };
  const cni_gemm_args large = { .dtype = CN_F32, .m = 2048, .n = 2048, .k = 2048, .batch = 1 };
  char cpu[49], onednn[32], text[1024];
  snprintf(text, sizeof text,
           "cornu %s, compiled by %s\n"
           "CPU: %s; kernels: %s; threads: %d\n"
           "OpenBLAS: %s, its kernels: %s; oneDNN: %s\n"
           "matrix products: small by own kernels, 128 x 512 x 512 by %s, 2048 x 2048 x 2048 by %s\n",
           cn_version(), COMPILER, cpu_name(cpu), c->kernels[0]->isa, c->threads, openblas_get_config(), openblas_get_corename(),
           cni_onednn_version(onednn, sizeof onednn),
           engines[cni_gemm_pick(g, &middle)], engines[cni_gemm_pick(g, &large)]);
  return cni_strdup(g, text);
}
