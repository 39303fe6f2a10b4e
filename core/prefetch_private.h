/* Rows of large tables, asked for before they are needed: they are scattered, and nothing but the caller can foresee them. */
#ifndef CN_CORE_PREFETCH_PRIVATE_H
#define CN_CORE_PREFETCH_PRIVATE_H
#include <stddef.h>

/* The first lines of a row that will be read, into the second cache: the first has too few misses in flight (measured on Zen 4: 95 us instead of 130 for the
 * update of 6144 rows of 512 bytes, 240 without). */
static inline void cni_prefetch(const void *p, size_t bytes) {
  const size_t most = bytes < 512 ? bytes : 512;
  for (size_t i = 0; i < most; i += 64) __builtin_prefetch((const char *)p + i, 0, 2);
}
/* The same for a row that will be written: its lines are asked for as the only copy, so that a store need not wait until another core gives up its own (Zen 3,
 * two threads: 140 us instead of 280 for that update). The compilers leave the instruction to CPUs that they know to have it; where it is missing it does
 * nothing. */
static inline void cni_prefetch_written(const void *p, size_t bytes) {
  const size_t most = bytes < 512 ? bytes : 512;
#ifdef __x86_64__
  for (size_t i = 0; i < most; i += 64) __asm__ volatile("prefetchw %0" : : "m"(((const char *)p)[i]));
#else
  for (size_t i = 0; i < most; i += 64) __builtin_prefetch((const char *)p + i, 1, 2);
#endif
}
#define CNI_AHEAD 12 /* rows */

#endif
