/* Passes of Fourier transforms, once per instruction set. */
#include <string.h>
#include "kernels_fft_private.h"

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define NAME(function) JOIN(JOIN(function, _), NUMBER)
#define SIMD _Pragma("omp simd")

#define T float
#define NUMBER f32
#include "kernels_fft.inc"
#undef T
#undef NUMBER

#define T double
#define NUMBER f64
#include "kernels_fft.inc"
