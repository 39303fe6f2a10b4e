/* The kernels for float. */
#include <string.h>
#include "kernels_math_private.h"
#include "kernels_attention_private.h"
#include "kernels_product_private.h"
#include "prefetch_private.h"
#include "subnormal_private.h"
#define T float
#define NUMBER f32
#define SINGLE 1
#define LANES 32
#define M(function) function##f
#define TRUTH int32_t
#include "kernels_template.inc"
