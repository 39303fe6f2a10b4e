/* Elementwise mathematics of one input. Floats only (an integer is a DTYPE error), unless said otherwise. Names and meaning as in keras.ops. */
#ifndef CN_AUTOGRAD_OPS_MATH_H
#define CN_AUTOGRAD_OPS_MATH_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_UNARY_DECLARE(op) CN_OP_DECLARE(op, CN_LIST_X) CN_FUNCTION_X(op)
CN_UNARY_DECLARE(negative) /* -x (integers too) */
CN_UNARY_DECLARE(abs) /* |x|; the gradient at 0 is 0 (integers too) */
CN_UNARY_DECLARE(square) /* x^2 (integers too) */
CN_UNARY_DECLARE(sqrt) /* square root; NaN below 0 */
CN_UNARY_DECLARE(rsqrt) /* 1 / sqrt(x) */
CN_UNARY_DECLARE(reciprocal) /* 1 / x */
CN_UNARY_DECLARE(exp) /* e^x */
CN_UNARY_DECLARE(exp2) /* 2^x */
CN_UNARY_DECLARE(expm1) /* e^x - 1, accurate near 0 */
CN_UNARY_DECLARE(log) /* natural logarithm */
CN_UNARY_DECLARE(log2) /* logarithm to base 2 */
CN_UNARY_DECLARE(log10) /* logarithm to base 10 */
CN_UNARY_DECLARE(log1p) /* ln(1 + x), accurate near 0 */
CN_UNARY_DECLARE(sin) /* sine */
CN_UNARY_DECLARE(cos) /* cosine */
CN_UNARY_DECLARE(tan) /* tangent */
CN_UNARY_DECLARE(arcsin) /* inverse sine */
CN_UNARY_DECLARE(arccos) /* inverse cosine */
CN_UNARY_DECLARE(arctan) /* inverse tangent */
CN_UNARY_DECLARE(sinh) /* hyperbolic sine */
CN_UNARY_DECLARE(cosh) /* hyperbolic cosine */
CN_UNARY_DECLARE(tanh) /* hyperbolic tangent */
CN_UNARY_DECLARE(arcsinh) /* inverse of sinh */
CN_UNARY_DECLARE(arccosh) /* inverse of cosh */
CN_UNARY_DECLARE(arctanh) /* inverse of tanh */
CN_UNARY_DECLARE(erf) /* error function */
CN_UNARY_DECLARE(erfc) /* 1 - erf(x) */
CN_UNARY_DECLARE(erfinv) /* inverse of erf */
/* Without a gradient (it is zero almost everywhere). */
CN_UNARY_DECLARE(sign)  /* -1, 0, 1 */
CN_UNARY_DECLARE(floor)
CN_UNARY_DECLARE(ceil)
CN_UNARY_DECLARE(trunc)
/* Bool results. */
CN_UNARY_DECLARE(isnan)
CN_UNARY_DECLARE(isinf)
CN_UNARY_DECLARE(isfinite)
CN_UNARY_DECLARE(logical_not) /* of any dtype */
/* x itself, of any dtype; stop_gradient passes the value and no gradient of any order. */
CN_UNARY_DECLARE(identity)
CN_UNARY_DECLARE(stop_gradient)

/* min(max(x, x_min), x_max); the gradient is 1 inside and at the bounds, 0 outside; NaN passes. */
#define CN_CLIP(X, S)                                              \
  CN_IN(X, S, x, "input")                                          \
  X(S, double, x_min, CN_REQUIRED_REAL, ANY, "lower bound")        \
  X(S, double, x_max, CN_REQUIRED_REAL, ANY, "upper bound")
CN_OP_DECLARE(clip, CN_CLIP)
static inline cn_tensor *cn_clip(cn_graph *g, cn_tensor *x, double x_min, double x_max) {
  const cn_clip_args o = { g, x, x_min, x_max };
  return cn_apply(g, &cn_op_clip, &o)[0];
}
/* x by, x + by: cheap forms of products and sums with a constant. Cornu's own. */
#define CN_SCALE(X, S) CN_IN(X, S, x, "input") X(S, double, by, 1.0, ANY, "factor")
CN_OP_DECLARE(scale, CN_SCALE)
static inline cn_tensor *cn_scale(cn_graph *g, cn_tensor *x, double by) {
  const cn_scale_args o = { g, x, by };
  return cn_apply(g, &cn_op_scale, &o)[0];
}
#define CN_SHIFT(X, S) CN_IN(X, S, x, "input") X(S, double, by, 0.0, ANY, "addend")
CN_OP_DECLARE(shift, CN_SHIFT)
static inline cn_tensor *cn_shift(cn_graph *g, cn_tensor *x, double by) {
  const cn_shift_args o = { g, x, by };
  return cn_apply(g, &cn_op_shift, &o)[0];
}
/* To a number of decimals (negative: to tens, hundreds); halves to even. No gradient. */
#define CN_ROUND(X, S) CN_IN(X, S, x, "input") X(S, int64_t, decimals, 0, ANY, "digits behind the point")
CN_OP_DECLARE(round, CN_ROUND)
/* x as another dtype: floats to integers truncate, anything to bool asks for not 0. From float to float it passes the gradient on. A VALUE error for texts. */
#define CN_CAST(X, S) CN_IN(X, S, x, "input") X(S, const char *, dtype, NULL, ANY, "\"float32\", \"int64\", ...")
CN_OP_DECLARE(cast, CN_CAST)
/* x of any numeric dtype cast to `dtype` (float32 or float64), then scaled: y = x scale + offset. dx = gy scale. Keras' Rescaling as one operation. */
#define CN_RESCALE(X, S) CN_IN(X, S, x, "input") X(S, double, scale, CN_REQUIRED_REAL, ANY, "factor") X(S, double, offset, 0.0, ANY, "added after scaling") X(S, const char *, dtype, "float32", ANY, "of the output")
CN_OP_DECLARE(rescale, CN_RESCALE)
#ifndef __cplusplus
#define cn_round(...) CN_CALL_(round, CN_ROUND, __VA_ARGS__)
#define cn_cast(...) CN_CALL_(cast, CN_CAST, __VA_ARGS__)
#define cn_rescale(g, x, ...) CN_CALL_(rescale, CN_RESCALE, g, x, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
