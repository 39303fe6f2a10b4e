#include "pooling.h"
#include <strings.h>
#include "layer_private.h"

bool cni_size_fits(const cn_layer *l, const char *name, cn_size size, int spatial) {
  if (cni_size_covers(&size, spatial)) return true;
  cn_fail(l->object.graph, CN_VALUE, "%s must be 1 number or %d, got %d", name, spatial, cni_size_given(&size));
  return false;
}

const char *cni_padding(const cn_layer *l, const char *given, const char *also) {
  const char *const known[] = { "valid", "same", also };
  for (int i = 0; i < 3; i++)
    if (given && known[i] && !strcasecmp(given, known[i])) return known[i];
  return cn_fail(l->object.graph, CN_VALUE, "padding must be valid%s same%s%s, got \"%s\"", also ? "," : " or", also ? " or " : "", also ? also : "",
                 given ? given : "None"),
         NULL;
}

/* ---- windows ---- */
typedef struct pooling { cn_layer base; const char *padding; } pooling;

static bool pooling_init(cn_object *self, cn_size size, cn_size strides, const char *padding, int spatial) {
  pooling *p = (pooling *)(void *)self;
  return cn_layer_init(self) && cni_size_fits(&p->base, "pool_size", size, spatial) && cni_size_fits(&p->base, "strides", strides, spatial) &&
         (p->padding = cni_padding(&p->base, padding, NULL)) != NULL;
}

#define POOLING(L, LIST, op, spatial)                                                                                                                              \
  static bool L##_init(cn_object *self) {                                                                                                                          \
    const cn_##L##Options *o = self->options;                                                                                                                      \
    return pooling_init(self, o->pool_size, o->strides, o->padding, spatial); \
  }                                                                                                                                                                \
  static cn_tensor *L##_call(cn_layer *l, cn_graph *g, cn_inputs *in) {                                                                                            \
    const cn_##L##Options *o = l->object.options;                                                                                                                  \
    return op(g, in->x[0], .pool_size = o->pool_size, .strides = o->strides, .padding = ((const pooling *)l)->padding, .data_format = o->data_format);              \
  }                                                                                                                                                                \
  CN_LAYER_OF(L, pooling, LIST, (.init = L##_init), .call = L##_call, .rank = spatial + 2, .per_sample = cni_per_sample)
POOLING(MaxPooling1D, CN_MAX_POOLING, cn_max_pool, 1)
POOLING(MaxPooling2D, CN_MAX_POOLING, cn_max_pool, 2)
POOLING(MaxPooling3D, CN_MAX_POOLING, cn_max_pool, 3)
POOLING(AveragePooling1D, CN_AVERAGE_POOLING, cn_average_pool, 1)
POOLING(AveragePooling2D, CN_AVERAGE_POOLING, cn_average_pool, 2)
POOLING(AveragePooling3D, CN_AVERAGE_POOLING, cn_average_pool, 3)

/* ---- windows that follow the output ---- */
#define ADAPTIVE(L, op, spatial)                                                                                                  \
  static bool L##_init(cn_object *self) {                                                                                         \
    return cn_layer_init(self) && cni_size_fits((cn_layer *)(void *)self, "output_size", ((const cn_##L##Options *)self->options)->output_size, spatial); \
  }                                                                                                                               \
  static cn_tensor *L##_call(cn_layer *l, cn_graph *g, cn_inputs *in) {                                                           \
    const cn_##L##Options *o = l->object.options;                                                                                 \
    return op(g, in->x[0], .output_size = o->output_size, .data_format = o->data_format);                                         \
  }                                                                                                                               \
  CN_LAYER_OF(L, cn_layer, CN_ADAPTIVE_POOLING, (.init = L##_init), .call = L##_call, .rank = spatial + 2, .per_sample = cni_per_sample)
ADAPTIVE(AdaptiveMaxPooling1D, cn_adaptive_max_pool, 1)
ADAPTIVE(AdaptiveMaxPooling2D, cn_adaptive_max_pool, 2)
ADAPTIVE(AdaptiveMaxPooling3D, cn_adaptive_max_pool, 3)
ADAPTIVE(AdaptiveAveragePooling1D, cn_adaptive_average_pool, 1)
ADAPTIVE(AdaptiveAveragePooling2D, cn_adaptive_average_pool, 2)
ADAPTIVE(AdaptiveAveragePooling3D, cn_adaptive_average_pool, 3)
