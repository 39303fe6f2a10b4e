/* The machine's ceilings, measured. */
#include "peaks.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double fastest(void (*f)(void *x), void *x) {
  int64_t calls = 1;
  double best = 1e9;
  for (const double start = now(); now() - start < 0.08;) {
    const double t = now();
    for (int64_t i = 0; i < calls; i++) f(x);
    const double passed = now() - t;
    if (passed / (double)calls < best) best = passed / (double)calls;
    if (passed < 2e-5) calls *= 2;
  }
  return best;
}

typedef struct block { char *to, *from; size_t size; } block;

static void copy(void *x) {
  const block *b = x;
  memcpy(b->to, b->from, b->size);
  __asm__ volatile("" : : "r"(b->to) : "memory");
}

double copy_speed(size_t size) {
  block b = { malloc(size), malloc(size), size };
  if (!b.to || !b.from) return free(b.to), free(b.from), 0;
  memset(b.to, 1, size);
  memset(b.from, 2, size);
  const double seconds = fastest(copy, &b);
  free(b.to);
  free(b.from);
  return 2 * (double)size / seconds;
}

#define STEPS 20000
#define CHAINS 12 /* of multiply-adds that do not wait for each other */
#define PEAK(name, bytes, features)                                                                   \
  __attribute__((target(features))) static void name(void *x) {                                       \
    typedef float vector __attribute__((vector_size(bytes)));                                         \
    vector s[CHAINS], a = { 0 }, b = { 0 };                                                           \
    _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) {                                       \
      s[c] = a;                                                                                       \
      __asm__("" : "+v"(s[c])); /* each chain of its own */                                           \
    }                                                                                                 \
    for (int i = 0; i < STEPS; i++) {                                                                 \
      __asm__ volatile("" : "+v"(a), "+v"(b));                                                        \
      _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) s[c] += a * b;                        \
    }                                                                                                 \
    _Pragma("GCC unroll 12") for (int c = 1; c < CHAINS; c++) s[0] += s[c];                                                    \
    *(float *)x = s[0][0];                                                                            \
  }
#if defined(__x86_64__)
PEAK(peak512, 64, "avx512f,fma")
PEAK(peak256, 32, "avx2,fma")
PEAK(peak128, 16, "sse2")

double multiply_add_speed(void) {
  float sink;
  const int wide = __builtin_cpu_supports("avx512f") ? 16 : __builtin_cpu_supports("avx2") ? 8 : 4;
  const double seconds = fastest(wide == 16 ? peak512 : wide == 8 ? peak256 : peak128, &sink);
  return 2.0 * wide * CHAINS * STEPS / seconds;
}
#else
double multiply_add_speed(void) { return 0; }
#endif
