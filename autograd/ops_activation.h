/* Activations: elementwise functions of neural networks (softmax stands in ops_softmax.h). Floats only. Names, options and meaning as in keras.activations; at
 * corners the gradient is TensorFlow's. */
#ifndef CN_AUTOGRAD_OPS_ACTIVATION_H
#define CN_AUTOGRAD_OPS_ACTIVATION_H
#include "ops_math.h"

#ifdef __cplusplus
extern "C" {
#endif

CN_UNARY_DECLARE(relu6) /* min(max(x, 0), 6) */
CN_UNARY_DECLARE(selu) /* 1.0507 (x > 0 ? x : 1.6733 (e^x - 1)) (Klambauer et al. 2017) */
CN_UNARY_DECLARE(sigmoid) /* 1 / (1 + e^-x) */
CN_UNARY_DECLARE(log_sigmoid) /* -softplus(-x) */
CN_UNARY_DECLARE(softplus) /* ln(1 + e^x) */
CN_UNARY_DECLARE(softsign) /* x / (1 + |x|) */
CN_UNARY_DECLARE(silu) /* x sigmoid(x), also swish */
CN_UNARY_DECLARE(hard_sigmoid) /* clip(x / 6 + 1/2, 0, 1) */
CN_UNARY_DECLARE(hard_silu) /* x hard_sigmoid(x), also hard_swish */
CN_UNARY_DECLARE(hard_tanh) /* clip(x, -1, 1) */
CN_UNARY_DECLARE(tanh_shrink) /* x - tanh(x) */
CN_UNARY_DECLARE(mish) /* x tanh(softplus(x)) */
CN_UNARY_DECLARE(sparse_plus) /* 0 below -1, x above 1, (x + 1)^2 / 4 between */
CN_UNARY_DECLARE(sparse_sigmoid) /* clip((x + 1) / 2, 0, 1) */
/* x > threshold ? min(x, max_value) : negative_slope (x - threshold). With a negative threshold and a max_value, values between threshold and 0 become 0, as in
 * Keras. */
#define CN_RELU(X, S) CN_IN(X, S, x, "input") X(S, double, negative_slope, 0.0, ANY, "factor below the threshold") X(S, double, max_value, CN_NONE_REAL, ANY, "upper bound; None: none") X(S, double, threshold, 0.0, ANY, "values up to it are cut")
CN_OP_DECLARE(relu, CN_RELU)
/* x >= 0 ? x : negative_slope x */
#define CN_LEAKY_RELU(X, S) CN_IN(X, S, x, "input") X(S, double, negative_slope, 0.2, ANY, "factor below 0")
CN_OP_DECLARE(leaky_relu, CN_LEAKY_RELU)
/* x > 0 ? x : alpha (e^x - 1) */
#define CN_ELU(X, S) CN_IN(X, S, x, "input") X(S, double, alpha, 1.0, ANY, "factor below 0")
CN_OP_DECLARE(elu, CN_ELU)
/* max(x, 0) + min(0, alpha (e^(x / alpha) - 1)) */
#define CN_CELU(X, S) CN_IN(X, S, x, "input") X(S, double, alpha, 1.0, ANY, "scale below 0")
CN_OP_DECLARE(celu, CN_CELU)
/* |x| > threshold ? x : 0 */
#define CN_HARD_SHRINK(X, S) CN_IN(X, S, x, "input") X(S, double, threshold, 0.5, ANY, "half width of the dead zone")
CN_OP_DECLARE(hard_shrink, CN_HARD_SHRINK)
/* sign(x) max(|x| - threshold, 0) */
#define CN_SOFT_SHRINK(X, S) CN_IN(X, S, x, "input") X(S, double, threshold, 0.5, ANY, "half width of the dead zone")
CN_OP_DECLARE(soft_shrink, CN_SOFT_SHRINK)
/* (x + sqrt(x^2 + b)) / 2 */
#define CN_SQUAREPLUS(X, S) CN_IN(X, S, x, "input") X(S, double, b, 4.0, ANY, "smoothness")
CN_OP_DECLARE(squareplus, CN_SQUAREPLUS)
/* x > threshold ? x : default_value */
#define CN_THRESHOLD(X, S) CN_IN(X, S, x, "input") X(S, double, threshold, CN_REQUIRED_REAL, ANY, "values above it pass") X(S, double, default_value, CN_REQUIRED_REAL, ANY, "taken by the others")
CN_OP_DECLARE(threshold, CN_THRESHOLD)
/* x Phi(x) = x/2 (1 + erf(x / sqrt 2)); approximate: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks and Gimpel 2016). The second output is dy/dx,
 * which shares most of its work with y. */
#define CN_GELU(X, S) CN_IN(X, S, x, "input") X(S, bool, approximate, true, ANY, "whether the tanh form is used; the activation named gelu uses the other")
CN_OP_DECLARE(gelu, CN_GELU)
/* x1 sigmoid(x2), x1 and x2 the halves of x along axis; an odd size is a SHAPE error. */
#define CN_GLU(X, S) CN_IN(X, S, x, "input") X(S, int64_t, axis, -1, ANY, "axis that is halved")
CN_OP_DECLARE(glu, CN_GLU)
#ifndef __cplusplus
#define cn_relu(...) CN_CALL_(relu, CN_RELU, __VA_ARGS__)
#define cn_leaky_relu(...) CN_CALL_(leaky_relu, CN_LEAKY_RELU, __VA_ARGS__)
#define cn_elu(...) CN_CALL_(elu, CN_ELU, __VA_ARGS__)
#define cn_celu(...) CN_CALL_(celu, CN_CELU, __VA_ARGS__)
#define cn_hard_shrink(...) CN_CALL_(hard_shrink, CN_HARD_SHRINK, __VA_ARGS__)
#define cn_soft_shrink(...) CN_CALL_(soft_shrink, CN_SOFT_SHRINK, __VA_ARGS__)
#define cn_squareplus(...) CN_CALL_(squareplus, CN_SQUAREPLUS, __VA_ARGS__)
#define cn_threshold(...) CN_CALL_(threshold, CN_THRESHOLD, __VA_ARGS__)
#define cn_gelu(...) CN_CALL_(gelu, CN_GELU, __VA_ARGS__)
#define cn_glu(...) CN_CALL_(glu, CN_GLU, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
