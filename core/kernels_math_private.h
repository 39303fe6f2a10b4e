/* math.h as the kernels use it: gcc turns calls of these functions in loops into glibc's vector functions (libmvec, at most 4 ulp), declared one by one
 * because nothing else of -ffast-math is wanted.
 * Elsewhere (clang, other C libraries, other machines) the calls stay scalar. */
#ifndef CN_CORE_KERNELS_MATH_PRIVATE_H
#define CN_CORE_KERNELS_MATH_PRIVATE_H
#include <math.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define VECTOR __attribute__((simd("notinbranch")))
#define VECTOR_MATH(name) VECTOR float name##f(float); VECTOR double name(double);
VECTOR_MATH(exp) VECTOR_MATH(exp2) VECTOR_MATH(expm1) VECTOR_MATH(log) VECTOR_MATH(log2) VECTOR_MATH(log10) VECTOR_MATH(log1p)
VECTOR_MATH(sin) VECTOR_MATH(cos) VECTOR_MATH(tan) VECTOR_MATH(asin) VECTOR_MATH(acos) VECTOR_MATH(atan)
VECTOR_MATH(sinh) VECTOR_MATH(cosh) VECTOR_MATH(tanh) VECTOR_MATH(asinh) VECTOR_MATH(acosh) VECTOR_MATH(atanh) VECTOR_MATH(erf) VECTOR_MATH(erfc)
VECTOR float powf(float, float);
VECTOR double pow(double, double);
VECTOR float atan2f(float, float);
VECTOR double atan2(double, double);
VECTOR float hypotf(float, float);
VECTOR double hypot(double, double);
#undef VECTOR_MATH
#undef VECTOR
#endif
#endif

/* tanh of a float: x P(x^2) / Q(x^2), fitted to the least relative error where |x| <= 9.02 (beyond, the nearest float is 1). Within 6 ulp; half the time of
 * glibc's vector function. NaN passes. The sign apart, so that each limit is one
 * comparison: of nested ones the compiler makes three and a blend for each. */
static inline float cni_tanhf(float x) {
  const float most = 9.02f, size = __builtin_fabsf(x), b = size > most ? most : size, t = b * b;
  const float p = b * ((((1.3318907745e-8f * t + 2.0583358491e-5f) * t + 3.4940270707e-3f) * t + 0.13379712403f) * t + 1);
  const float q = (((7.7619506556e-7f * t + 3.2830806967e-4f) * t + 2.5871044025e-2f) * t + 0.46713027358f) * t + 1, y = p / q;
  return __builtin_copysignf(y > 1 ? 1 : y, x);
}
#define tanhf cni_tanhf

#endif
