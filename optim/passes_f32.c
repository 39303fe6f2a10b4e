/* The passes for float. */
#include <math.h>
#include "optimizer_private.h"
#define T float
#define M(function) function##f
#define PASS_NAME(name) cni_pass_##name##_f32
#include "passes.inc"
