/* The first step of the gradient of what ends in f(z + bias): d = gy f'(z), read from y. */
#ifndef CN_AUTOGRAD_SLOPE_PRIVATE_H
#define CN_AUTOGRAD_SLOPE_PRIVATE_H
#include <math.h>
#include "graph_private.h"

typedef struct cni_slope {
  const void *d;                                       /* [rows, units]; gy itself where there is no activation */
  cni_buffer *own;
  union { char bytes[2048]; double align; } small;
} cni_slope;

/* For output 0 and its gradient, as rows of `units` numbers; in the same pass the bias's gradient, d's column sums, where gbias is not NULL. Given back with
 * cni_slope_drop whatever is returned. */
cn_code cni_slope_take(const cn_call *c, cni_slope *s, int64_t units, int activation, void *gbias);
void cni_slope_drop(cn_graph *g, cni_slope *s);
/* The same d in operations. */
cn_tensor *cni_slope_of(cn_graph *g, int activation, cn_tensor *gy, cn_tensor *y);
/* f(v), for naive references. */
static inline double cni_fused_value(int activation, double v) {
  switch (activation) {
  case CNI_FUSED_RELU: return v > 0 ? v : 0;
  case CNI_FUSED_TANH: return tanh(v);
  case CNI_FUSED_SIGMOID: return 1 / (1 + exp(-v));
  default: return v;
  }
}

#endif
