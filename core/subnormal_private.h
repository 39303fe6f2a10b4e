/* Subnormal numbers (below 1.2e-38 in float32, 2.2e-308 in float64) taken as zero, by the calling thread. A moving average without new gradients decays to
 * the smallest of them and stays there; Intel's CPUs take some 150 cycles for each multiplication of one (a step of mlp_784_b1 was 7 times as long).
 * TensorFlow and XLA compute everything like this. Elsewhere than on x86-64 and ARM64 nothing changes. */
#ifndef CN_CORE_SUBNORMAL_PRIVATE_H
#define CN_CORE_SUBNORMAL_PRIVATE_H
#include <stdint.h>

#if defined(__x86_64__)
typedef unsigned cni_float_mode;
static inline cni_float_mode cni_float_mode_get(void) { return __builtin_ia32_stmxcsr(); }
static inline void cni_float_mode_set(cni_float_mode mode) { __builtin_ia32_ldmxcsr(mode); }
#define CNI_SUBNORMALS_ARE_ZERO 0x8040u /* as results (FTZ) and as operands (DAZ) */
#elif defined(__aarch64__)
typedef uint64_t cni_float_mode;
static inline cni_float_mode cni_float_mode_get(void) {
  cni_float_mode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return mode;
}
static inline void cni_float_mode_set(cni_float_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#define CNI_SUBNORMALS_ARE_ZERO ((cni_float_mode)1 << 24) /* FZ */
#else
typedef unsigned cni_float_mode;
static inline cni_float_mode cni_float_mode_get(void) { return 0; }
static inline void cni_float_mode_set(cni_float_mode mode) { (void)mode; }
#define CNI_SUBNORMALS_ARE_ZERO 0u
#endif

/* The mode that was, for cni_float_mode_set at the end. What is computed in between stands in a function of its own, which is not inlined: the compiler knows
 * of no order between arithmetic and modes. */
static inline cni_float_mode cni_subnormals_are_zero(void) {
  const cni_float_mode mode = cni_float_mode_get();
  cni_float_mode_set(mode | CNI_SUBNORMALS_ARE_ZERO);
  return mode;
}

#endif
