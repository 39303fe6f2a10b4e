/* Random numbers, once per instruction set, with the same bits in each. */
#include <math.h>
#include <string.h>
#include "kernels_private.h"
#include "philox_private.h"

#define T float
#define NUMBER f32
#define M(function) function##f
#define WORDS 1
#define WORDS_SCALE 1
#define U uint32_t
#define I int32_t
#define BITS 32
#define FRACTION 23
#define UNIT 0x1p-24
#include "kernels_random.inc"

#define T double
#define NUMBER f64
#define M(function) function
#define WORDS 2
#define WORDS_SCALE 0x1p-32
#define U uint64_t
#define I int64_t
#define BITS 64
#define FRACTION 52
#define UNIT 0x1p-53
#include "kernels_random.inc"
