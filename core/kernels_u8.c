/* The kernels for uint8. */
#include <stdbool.h>
#include <stdint.h>
#define T uint8_t
#define NUMBER u8
#define W int32_t
#define U uint32_t
#define SUM uint32_t
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define STORED(v) ((T)(v))
#define COMPLEMENT(v) (~(v))
#define TRUTH uint8_t
#include "kernels_integer.inc"
