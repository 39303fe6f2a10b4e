/* The passes for double. */
#include <math.h>
#include "optimizer_private.h"
#define T double
#define M(function) function
#define PASS_NAME(name) cni_pass_##name##_f64
#include "passes.inc"
