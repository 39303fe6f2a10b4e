#include "activation_layers.h"
#include "layer_private.h"

#define ELEMENTWISE(L, LIST, expression)                                       \
  static cn_tensor *L##_call(cn_layer *l, cn_graph *g, cn_inputs *in) {        \
    const cn_##L##Options *o = l->object.options;                              \
    cn_tensor *x = in->x[0];                                                   \
    return expression;                                                         \
  }                                                                            \
  CN_LAYER(L, cn_layer, LIST, .call = L##_call, .output_shape = cni_same_shape, .supports_masking = true, .per_sample = cni_per_sample)
ELEMENTWISE(ReLU, CN_RELU_LAYER, cn_relu(g, x, .negative_slope = o->negative_slope, .max_value = o->max_value, .threshold = o->threshold))
ELEMENTWISE(LeakyReLU, CN_LEAKY_RELU_LAYER, cn_leaky_relu(g, x, o->negative_slope))
ELEMENTWISE(ELU, CN_ELU_LAYER, cn_elu(g, x, o->alpha))
ELEMENTWISE(ThresholdedReLU, CN_THRESHOLDED_RELU, cn_threshold(g, x, o->theta, 0))

/* ---- PReLU ---- */
typedef struct prelu { cn_layer base; cn_tensor *alpha; /* [d1, d2, ...], 1 along shared axes */ } prelu;

static void prelu_build(cn_layer *l, const cn_dims *in, int64_t n) {
  const cn_PReLUOptions *o = l->object.options;
  cn_dims dims = { in->rank - 1, { 0 } };
  (void)n;
  for (int i = 0; i < dims.rank; i++) dims.d[i] = in->d[i + 1];
  for (int64_t i = 0; i < o->shared_axes.n; i++) {
    const int64_t axis = o->shared_axes.v[i];
    if (axis < 1 || axis > dims.rank) {
      cn_fail(l->object.graph, CN_INDEX, "PReLU: %lld is no axis behind the batch axis of an input of rank %d", (long long)axis, in->rank);
      return;
    }
    dims.d[axis - 1] = 1;
  }
  ((prelu *)l)->alpha =
      cn_add_weight(l, "alpha", &dims, .initializer = o->alpha_initializer, .regularizer = o->alpha_regularizer, .constraint = o->alpha_constraint);
}

static cn_tensor *prelu_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0], *alpha = ((prelu *)l)->alpha;
  for (int i = 1; i < x->dims.rank || alpha->dims.rank != x->dims.rank - 1; i++) {
    const bool fits = alpha->dims.rank == x->dims.rank - 1 && (alpha->dims.d[i - 1] == 1 || x->dims.d[i] == CN_UNKNOWN || alpha->dims.d[i - 1] == x->dims.d[i]);
    char a[160], b[160];
    if (!fits)
      return cn_fail(g, CN_SHAPE, "PReLU: the input's shape is %s, alpha's %s", cn_dims_text(&x->dims, a, sizeof a), cn_dims_text(&alpha->dims, b, sizeof b)),
             NULL;
  }
  return cn_subtract(g, cn_relu(g, x), cn_multiply(g, alpha, cn_relu(g, cn_negative(g, x))));
}
CN_LAYER(PReLU, prelu, CN_PRELU, .build = prelu_build, .call = prelu_call, .output_shape = cni_same_shape, .supports_masking = true, .min_rank = 1,
         .per_sample = cni_per_sample)

/* ---- Softmax ---- */
static bool softmax_init(cn_object *self) {
  return cn_layer_init(self) &&
         (((const cn_SoftmaxOptions *)self->options)->axis.n != 0 || (cn_fail(self->graph, CN_VALUE, "axis must name at least one axis"), false));
}

cn_tensor *cni_masked_softmax(cn_graph *g, cn_tensor *x, cn_ints axis, cn_tensor *mask) {
  if (mask && mask->dtype != CN_BOOL) mask = cn_greater(g, mask, cn_scalar_like(g, mask, 0.5));
  if (mask) x = cn_where(g, mask, x, cn_scalar_like(g, x, -1e9));
  int64_t every[CN_MAX_RANK];
  for (int i = 0; axis.n < 0 && x && i < x->dims.rank; i++) every[i] = i;
  if (axis.n < 0 && x) axis = (cn_ints){ every, x->dims.rank };
  cn_tensor *y = axis.n == 1 ? cn_softmax(g, x, axis.v[0]) : cn_exp(g, cn_subtract(g, x, cn_logsumexp(g, x, .axis = axis, .keepdims = true)));
  return mask && y ? cn_multiply(g, y, cn_cast(g, mask, .dtype = cn_dtype_name((cn_dtype)y->dtype))) : y;
}

static cn_tensor *softmax_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  return cni_masked_softmax(g, in->x[0], ((const cn_SoftmaxOptions *)l->object.options)->axis, in->mask[0]);
}
CN_LAYER_OF(Softmax, cn_layer, CN_SOFTMAX_LAYER, (.init = softmax_init), .call = softmax_call, .output_shape = cni_same_shape, .supports_masking = true,
            .min_rank = 1)
