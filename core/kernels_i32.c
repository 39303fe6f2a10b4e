/* The kernels for int32. */
#include <stdbool.h>
#include <stdint.h>
#define T int32_t
#define NUMBER i32
#define W int32_t
#define U uint32_t
#define SUM uint32_t
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define STORED(v) ((T)(v))
#define COMPLEMENT(v) (~(v))
#define TRUTH int32_t
#include "kernels_integer.inc"
