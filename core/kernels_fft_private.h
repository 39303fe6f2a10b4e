/* Fourier transforms by vectors of the instruction set: what fft.c plans and divides among threads. Real and imaginary parts stand in arrays of their own. */
#ifndef CN_CORE_KERNELS_FFT_PRIVATE_H
#define CN_CORE_KERNELS_FFT_PRIVATE_H
#include "kernels_private.h"

/* e^(-2 pi i k / length) for k = 0 .. length - 1. */
typedef struct cni_roots { int64_t length; const void *re, *im; } cni_roots;

/* One pass of Stockham's transform by decimation in frequency: x is `stride` transforms of length n side by side, y the stride * radix transforms of length n /
 * radix that they become. n divides the roots' length. */
typedef struct cni_fft_pass {
  int64_t n, stride, radix;
  const void *xr, *xi;
  void *yr, *yi;
  cni_roots roots;
} cni_fft_pass;

struct cni_fft_kernels {
  void (*pass)(const cni_fft_pass *p);
  /* y = x b, of n complex numbers; y may be x. conjugate: the conjugate of b. */
  void (*multiply)(void *yr, void *yi, const void *xr, const void *xi, const void *br, const void *bi, int64_t n, bool conjugate);
  /* x [2 n] <-> even and odd elements. */
  void (*deal)(void *even, void *odd, const void *x, int64_t n);
  void (*interleave)(void *x, const void *even, const void *odd, int64_t n);
  /* From z = transform of even + i odd elements, length n, to the first n + 1 numbers of the transform of all 2 n; and back, times 2, without a look at the
   * imaginary parts at 0 and n. roots: of a multiple of 2 n. */
  void (*unfold)(void *yr, void *yi, const void *zr, const void *zi, int64_t n, const cni_roots *roots);
  void (*fold)(void *zr, void *zi, const void *yr, const void *yi, int64_t n, const cni_roots *roots);
};

#endif
