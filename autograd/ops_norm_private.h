/* What the normalizing operations share. */
#ifndef CN_AUTOGRAD_OPS_NORM_PRIVATE_H
#define CN_AUTOGRAD_OPS_NORM_PRIVATE_H
#include "ops_layout_private.h"

double cni_epsilon(double given); /* Keras' standard, 1e-7, for None */

#endif
