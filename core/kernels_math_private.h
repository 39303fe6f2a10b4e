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

#endif
