/* Smaller functions of keras.ops.nn. */
#ifndef CN_AUTOGRAD_OPS_NN_H
#define CN_AUTOGRAD_OPS_NN_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the target's prediction is among the k largest of its row, ties included: targets [...] integers, predictions [..., classes] floats -> bool [...].
 * False for a target out of range and for a NaN; a NaN among the others counts as larger. No gradient. */
#define CN_IN_TOP_K(X, S) CN_IN(X, S, targets, "labels") CN_IN(X, S, predictions, "scores of the classes") X(S, int64_t, k, CN_REQUIRED, POSITIVE, "how many")
CN_OP_DECLARE(in_top_k, CN_IN_TOP_K)
/* Peak signal-to-noise ratio, one number: 20 log10(max_val) - 10 log10(mean((x1 - x2)^2)). Of one shape and float dtype. */
#define CN_PSNR(X, S) CN_IN(X, S, x1, "first signal") CN_IN(X, S, x2, "second signal") X(S, double, max_val, CN_REQUIRED_REAL, ANY, "largest value that a signal can have")
CN_OP_DECLARE(psnr, CN_PSNR)
/* The complex number of absolute value abs_ and angle `angle` as its parts, abs_ cos(angle) and abs_ sin(angle): cn_polar(g, abs_, angle).real. Floats that
 * broadcast. */
#define CN_POLAR(X, S) CN_IN(X, S, abs_, "absolute value") CN_IN(X, S, angle, "angle in radians")
CN_OP_DECLARE(polar, CN_POLAR)
typedef struct cn_polar_result { cn_tensor *real, *imag; } cn_polar_result;

#ifndef __cplusplus
static inline cn_polar_result cni_polar_result(cn_tensor *const *y) { return (cn_polar_result){ y[0], y[1] }; }
#define cn_in_top_k(...) CN_CALL_(in_top_k, CN_IN_TOP_K, __VA_ARGS__)
#define cn_psnr(...) CN_CALL_(psnr, CN_PSNR, __VA_ARGS__)
#define cn_polar(...) cni_polar_result(CN_CALL_OUTPUTS_(polar, CN_POLAR, __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
