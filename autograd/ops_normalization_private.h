/* What the normalizing operations share. */
#ifndef CN_AUTOGRAD_OPS_NORMALIZATION_PRIVATE_H
#define CN_AUTOGRAD_OPS_NORMALIZATION_PRIVATE_H
#include "ops_layout_private.h"

double cni_epsilon(double given); /* Keras' standard, 1e-7, for None */
cn_code cni_need_parameter(const cn_call *c, int64_t i, const cn_dims *want); /* input i, if given, has x's dtype and as many elements as want */
/* Means (or NULL) and variances of x, which is not empty, over the axes in `bits`: in x's dtype. */
cn_code cni_moments(cn_graph *g, const cn_tensor *x, uint32_t bits, void *mean, void *variance);

#endif
