/* Matrix products in registers, once per instruction set. */
#include <string.h>
#include "kernels_product_private.h"

#if defined(__AVX512F__)
#define VECTOR 64
#define ROWS 8            /* of a tile, */
#define WIDTH 3           /* and registers of its columns */
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define EACH_WIDTH(X, h) X(h, 1) X(h, 2) X(h, 3)
#elif defined(__AVX2__)
#define VECTOR 32
#define ROWS 6
#define WIDTH 2
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_WIDTH(X, h) X(h, 1) X(h, 2)
#else
#define VECTOR 16
#define ROWS 4
#define WIDTH 2
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4)
#define EACH_WIDTH(X, h) X(h, 1) X(h, 2)
#endif
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define NAME(function) JOIN(JOIN(function, _), NUMBER)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

#define DEPTH 800         /* of a block */
#define HEIGHT (1920 / (int64_t)sizeof(T)) /* rows of a block */
#define DEEP_COLUMNS 64   /* depth from which the lines of a's columns, which nothing fetches ahead, are slower than a packed a */
#define WIDE 8            /* registers of columns, or rows, that a product with a vector sums at a time */
#define SMALL (1024 * WIDTH) /* numbers of a panel of b that `small` packs on the stack */

#define T float
#define NUMBER f32
#define LANES (VECTOR / 4)
#define BYTES 4
#if VECTOR == 64
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define SWAP_HALVES(a) __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#elif VECTOR == 32
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif
#include "kernels_product.inc"
#include "kernels_product_row.inc"
#undef T
#undef NUMBER
#undef LANES
#undef BYTES
#undef ZIP_LOW
#undef ZIP_HIGH
#undef SWAP_HALVES

#define T double
#define NUMBER f64
#define LANES (VECTOR / 8)
#define BYTES 8
#if VECTOR == 64
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif VECTOR == 32
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif
#include "kernels_product.inc"
#include "kernels_product_row.inc"
