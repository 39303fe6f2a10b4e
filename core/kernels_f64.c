/* The kernels for double. */
#include <string.h>
#include "kernels_math_private.h"
#include "kernels_attention_private.h"
#include "kernels_product_private.h"
#include "prefetch_private.h"
#include "subnormal_private.h"
#define T double
#define NUMBER f64
#define SINGLE 0
#define LANES 16
#define M(function) function
#define TRUTH int64_t
#include "kernels_template.inc"
