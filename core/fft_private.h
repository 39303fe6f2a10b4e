/* Fourier transforms of rows of any length: mixed radices (Stockham's autosorting algorithm; Van Loan 1992), and Bluestein's where a prime factor is large. */
#ifndef CN_CORE_FFT_PRIVATE_H
#define CN_CORE_FFT_PRIVATE_H
#include "context_private.h"

typedef enum { CNI_FFT_COMPLEX, CNI_FFT_FROM_REAL, CNI_FFT_TO_REAL } cni_fft_kind;

/* Rows of length n. COMPLEX: y_k = sum over j of x_j e^(-2 pi i j k / n), x, y [rows, n]. FROM_REAL: of real x [rows, n] (xi NULL) the first n/2 + 1 of them.
 * TO_REAL: real y [rows, n] (yi NULL) with y_j = sum over k of x_k e^(2 pi i j k / n), where x [rows, n/2 + 1] are the first numbers of a sequence with x_(n-k)
 * = conj x_k, and imaginary parts at 0 and n/2 count as 0. Nothing is divided by n. The inverse of COMPLEX swaps real and imaginary parts of x and of y. y
 * overlaps no input. */
typedef struct cni_fft_args {
  cn_dtype dtype; /* CN_F32 or CN_F64 */
  cni_fft_kind kind;
  int64_t n, rows;
  const void *xr, *xi;
  void *yr, *yi;
} cni_fft_args;
/* CN_OK, or CN_NO_MEMORY after reporting it. n >= 1. */
cn_code cni_fft(cn_graph *g, const cni_fft_args *a);

#endif
