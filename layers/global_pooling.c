#include "global_pooling.h"
#include "layer_private.h"

typedef struct global { cn_layer base; int first; /* spatial axis */ bool keepdims; } global;

static bool global_init(cn_object *self, const char *data_format, bool keepdims) {
  global *p = (global *)(void *)self;
  p->first = cni_channels_first(data_format) ? 2 : 1;
  p->keepdims = keepdims;
  return cn_layer_init(self);
}

/* The pooled axes of an input of a rank. */
typedef struct pooled { int64_t axes[3]; cn_ints axis; bool keepdims; } pooled;
static void pooled_of(const cn_layer *l, int rank, pooled *p) {
  const global *o = (const global *)l;
  *p = (pooled){ { o->first, o->first + 1, o->first + 2 }, { p->axes, rank - 2 }, o->keepdims };
}

static cn_tensor *mean(cn_layer *l, cn_graph *g, cn_inputs *in) {
  pooled p;
  pooled_of(l, in->x[0]->dims.rank, &p);
  return cn_mean(g, in->x[0], .axis = p.axis, .keepdims = p.keepdims);
}

static cn_tensor *masked_mean(cn_layer *l, cn_graph *g, cn_inputs *in) {
  pooled p;
  cn_tensor *x = in->x[0], *mask = in->mask[0];
  if (!mask) return mean(l, g, in);
  pooled_of(l, x->dims.rank, &p);
  mask = cn_expand_dims(g, cn_cast(g, mask, .dtype = cn_dtype_name(l->dtype)), .axis = CN_INTS(p.axes[0] == 1 ? 2 : 1));
  cn_tensor *sum = cn_sum(g, cn_multiply(g, x, mask), .axis = p.axis, .keepdims = p.keepdims);
  return cn_divide(g, sum, cn_sum(g, mask, .axis = p.axis, .keepdims = p.keepdims));
}

static cn_tensor *largest(cn_layer *l, cn_graph *g, cn_inputs *in) {
  pooled p;
  pooled_of(l, in->x[0]->dims.rank, &p);
  return cn_max(g, in->x[0], .axis = p.axis, .keepdims = p.keepdims);
}

static bool pooled_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  pooled p;
  (void)n;
  pooled_of(l, in->rank, &p);
  *out = *in;
  for (int64_t i = 0; i < p.axis.n; i++) out->d[p.axes[i]] = 1;
  if (!p.keepdims) *out = (cn_dims){ 2, { in->d[0], in->d[p.axes[0] == 1 ? in->rank - 1 : 1] } };
  return true;
}

#define GLOBAL(L, call_, rank_, masking)                                                                                                      \
  static bool L##_init(cn_object *self) {                                                                                                     \
    const cn_##L##Options *o = self->options;                                                                                                 \
    return global_init(self, o->data_format, o->keepdims);                                                                                    \
  }                                                                                                                                           \
  CN_LAYER_OF(L, global, CN_GLOBAL_POOLING, (.init = L##_init), .call = call_, .output_shape = pooled_shape, .compute_mask = cni_no_mask, .supports_masking = masking, .rank = rank_, .per_sample = cni_per_sample)
GLOBAL(GlobalAveragePooling1D, masked_mean, 3, true)
GLOBAL(GlobalAveragePooling2D, mean, 4, false)
GLOBAL(GlobalAveragePooling3D, mean, 5, false)
GLOBAL(GlobalMaxPooling1D, largest, 3, false)
GLOBAL(GlobalMaxPooling2D, largest, 4, false)
GLOBAL(GlobalMaxPooling3D, largest, 5, false)
