/* The kernels for int64. */
#include <stdbool.h>
#include <stdint.h>
#define T int64_t
#define NUMBER i64
#define W int64_t
#define U uint64_t
#define SUM uint64_t
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define STORED(v) ((T)(v))
#define COMPLEMENT(v) (~(v))
#define TRUTH int64_t
#include "kernels_integer.inc"
