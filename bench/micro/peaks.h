/* The machine's ceilings, measured. */
#ifndef CN_BENCH_MICRO_PEAKS_H
#define CN_BENCH_MICRO_PEAKS_H
#include <stddef.h>

/* Seconds of a clock that only goes forward. */
double now(void);
/* The fastest of many runs of f(x), in seconds a call. */
double fastest(void (*f)(void *x), void *x);
/* Bytes a second, read and written, of copying `size` bytes on one thread. */
double copy_speed(size_t size);
/* Floating-point operations a second of one thread's multiply-adds in registers, for float. */
double multiply_add_speed(void);

#endif
