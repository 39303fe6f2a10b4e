/* Losses of numbers: errors, likelihoods, angles. */
#include <math.h>
#include "loss_private.h"

CNI_VALUES(squared_error) {
  CNI_VALUES_UNUSED;
  return cni_loss_shapes(g, self, &t, &p) ? cn_squared_difference(g, p, t) : NULL;
}
CNI_VALUES(absolute_error) {
  CNI_VALUES_UNUSED;
  return cni_loss_shapes(g, self, &t, &p) ? cn_abs(g, cn_subtract(g, t, p)) : NULL;
}
CNI_VALUES(percentage_error) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  return cn_scale(g, cn_abs(g, cn_divide(g, cn_subtract(g, t, p), cni_at_least(g, cn_abs(g, t), CNI_LOSS_EPSILON))), 100);
}
CNI_VALUES(squared_logarithmic_error) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  return cn_squared_difference(g, cn_log(g, cn_shift(g, cni_at_least(g, p, CNI_LOSS_EPSILON), 1)),
                               cn_log(g, cn_shift(g, cni_at_least(g, t, CNI_LOSS_EPSILON), 1)));
}

/* x / sqrt(max(sum x^2, eps^2)) */
static cn_tensor *unit(cn_graph *g, cn_tensor *x, int64_t axis) {
  cn_tensor *squares = cn_sum(g, cn_square(g, x), .axis = CN_INTS(axis), .keepdims = true);
  return cn_multiply(g, x, cn_rsqrt(g, cni_at_least(g, squares, CNI_LOSS_EPSILON * CNI_LOSS_EPSILON)));
}
CNI_VALUES(cosine_similarity) {
  CNI_VALUES_UNUSED;
  const int64_t axis = ((const cn_loss_CosineSimilarityOptions *)self->options)->axis;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  return cn_negative(g, cn_sum(g, cn_multiply(g, unit(g, t, axis), unit(g, p, axis)), .axis = CN_INTS(axis)));
}
CNI_VALUES(huber) {
  CNI_VALUES_UNUSED;
  const double delta = ((const cn_loss_HuberOptions *)self->options)->delta;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  cn_tensor *e = cn_abs(g, cn_subtract(g, p, t));
  return cn_where(g, cn_less_equal(g, e, cn_scalar_like(g, p, delta)), cn_scale(g, cn_square(g, e), 0.5),
                  cn_shift(g, cn_scale(g, e, delta), -delta * delta / 2));
}
CNI_VALUES(log_cosh) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  cn_tensor *e = cn_subtract(g, p, t);
  return cn_shift(g, cn_add(g, e, cn_softplus(g, cn_scale(g, e, -2))), -M_LN2);
}
CNI_VALUES(poisson) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  return cn_subtract(g, p, cn_multiply(g, t, cn_log(g, cn_shift(g, p, CNI_LOSS_EPSILON))));
}
CNI_VALUES(divergence) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  t = cn_clip(g, t, CNI_LOSS_EPSILON, 1);
  p = cn_clip(g, p, CNI_LOSS_EPSILON, 1);
  return cn_sum(g, cn_multiply(g, t, cn_log(g, cn_divide(g, t, p))), .axis = CN_INTS(-1));
}

CNI_LOSS(MeanSquaredError, CN_LOSS_PLAIN, squared_error, cni_loss_init, true, false, "mse", "MSE")
CNI_LOSS(MeanAbsoluteError, CN_LOSS_PLAIN, absolute_error, cni_loss_init, true, false, "mae", "MAE")
CNI_LOSS(MeanAbsolutePercentageError, CN_LOSS_PLAIN, percentage_error, cni_loss_init, true, false, "mape", "MAPE")
CNI_LOSS(MeanSquaredLogarithmicError, CN_LOSS_PLAIN, squared_logarithmic_error, cni_loss_init, true, false, "msle", "MSLE")
CNI_LOSS(CosineSimilarity, CN_LOSS_AXIS, cosine_similarity, cni_loss_init, false, false, "cosine_similarity")
CNI_LOSS(Huber, CN_LOSS_HUBER, huber, cni_loss_init, true, false, "huber")
CNI_LOSS(LogCosh, CN_LOSS_PLAIN, log_cosh, cni_loss_init, true, false, "log_cosh")
CNI_LOSS(Poisson, CN_LOSS_PLAIN, poisson, cni_loss_init, true, false, "poisson")
CNI_LOSS(KLDivergence, CN_LOSS_PLAIN, divergence, cni_loss_init, false, false, "kl_divergence", "kld", "KLD")
