/* What the tests of the kernels share: every table that this CPU runs, numbers of either type, and comparison. */
#ifndef TEST_KERNELS_H
#define TEST_KERNELS_H
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../core/kernels_private.h"

static const int64_t kernel_sizes[] = { 0, 1, 7, 15, 16, 17, 33, 1000 };
#define KERNEL_SIZES (int)(sizeof kernel_sizes / sizeof *kernel_sizes)
#define MOST_NUMBERS 20000

/* Calls check(k, dtype) for each instruction set there is and both types. */
static inline void for_each_table(void (*check)(const cni_kernels *k, cn_dtype dtype)) {
  static const char *const sets[] = { "baseline", "avx2", "avx512" };
  for (int i = 0; i < 3; i++)
    for (int d = 0; d < 2; d++) {
      const cni_kernels *k = cni_kernels_named(sets[i], d ? CN_F64 : CN_F32);
      if (k) check(k, d ? CN_F64 : CN_F32);
    }
}

/* Numbers stand in buffers of doubles, so that either type fits. */
typedef struct numbers { double store[MOST_NUMBERS]; } numbers;

static inline double get(cn_dtype dtype, const void *x, int64_t i) { return dtype == CN_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i]; }
static inline void put(cn_dtype dtype, void *x, int64_t i, double v) {
  if (dtype == CN_F64) ((double *)x)[i] = v;
  else ((float *)x)[i] = (float)v;
}

/* A number in [low, high) from (seed, i). */
static inline double hashed(uint32_t seed, int64_t i, double low, double high) {
  uint32_t x = (uint32_t)i + seed * 0x9E3779B9u;
  x = (x ^ x >> 16) * 0x7FEB352Du;
  x = (x ^ x >> 15) * 0x846CA68Bu;
  return low + (high - low) * (double)((x ^ x >> 16) >> 8) * 0x1p-24;
}
static inline void make(cn_dtype dtype, void *x, int64_t n, uint32_t seed, double low, double high) {
  for (int64_t i = 0; i < n; i++) put(dtype, x, i, hashed(seed, i, low, high));
}

/* Equal, or within a relative or absolute tolerance; NaN equals NaN. */
static inline bool near(double got, double wanted, double relative, double absolute) {
  if (isnan(got) || isnan(wanted)) return isnan(got) && isnan(wanted);
  if (got == wanted) return true;
  return fabs(got - wanted) <= relative * fabs(wanted) + absolute;
}
#define CHECK_NEAR(got, wanted, relative, absolute, what, k, dtype, i) \
  cr_assert(near(got, wanted, relative, absolute), "%s (%s %s) at %ld: %.17g, not %.17g", what, (k)->isa, cn_dtype_name(dtype), (long)(i), got, wanted)

#endif
