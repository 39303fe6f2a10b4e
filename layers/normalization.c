#include "normalization.h"
#include <stdlib.h>
#include "layer_private.h"

bool cni_layer_axis(cn_layer *l, int64_t axis, int rank, int *out) {
  *out = (int)(axis < 0 ? axis + rank : axis);
  return (axis >= -rank && axis < rank) ||
         (cn_fail(l->object.graph, CN_INDEX, "%s: axis %lld is out of range for an input of rank %d", l->object.cls->schema.name, (long long)axis, rank),
          false);
}

static bool unit_init(cn_object *self) {
  return cn_layer_init(self) &&
         (((const cn_UnitNormalizationOptions *)self->options)->axis.n >= 0 || (cn_fail(self->graph, CN_VALUE, "axis must not be None"), false));
}

static cn_tensor *unit_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0], *squares = cn_sum(g, cn_square(g, x), .axis = ((const cn_UnitNormalizationOptions *)l->object.options)->axis, .keepdims = true);
  return squares ? cn_multiply(g, x, cn_rsqrt(g, cn_maximum(g, squares, cn_scalar_like(g, squares, 1e-24)))) : NULL;
}
static bool unit_per_sample(const cn_layer *l, bool training) {
  const cn_ints axis = ((const cn_UnitNormalizationOptions *)l->object.options)->axis;
  (void)training;
  for (int64_t i = 0; i < axis.n; i++)
    if (axis.v[i] <= 0 && !(axis.v[i] == -1 && axis.n == 1)) return false; /* counted from the end it may be the samples' axis, but for the last of several */
  return true;
}
CN_LAYER_OF(UnitNormalization, cn_layer, CN_UNIT_NORMALIZATION, (.init = unit_init), .call = unit_call, .output_shape = cni_same_shape,
            .supports_masking = true, .per_sample = unit_per_sample)

/* ---- over axes of each sample ---- */
typedef struct over_axes {
  cn_layer base;
  int64_t axes[CN_MAX_RANK]; /* not negative, ascending */
  cn_ints axis;
  cn_tensor *gamma, *beta;   /* of the axes' sizes, or CN_NO_TENSOR */
} over_axes;

static int ascending(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static bool find_axes(over_axes *n, cn_ints axis, const cn_dims *in, cn_dims *sizes) {
  cn_layer *l = &n->base;
  if (axis.n < 1 || axis.n > in->rank)
    return cn_fail(l->object.graph, CN_VALUE, "%s: axis must have 1 to %d numbers", l->object.cls->schema.name, in->rank), false;
  for (int64_t i = 0; i < axis.n; i++) {
    int at;
    if (!cni_layer_axis(l, axis.v[i], in->rank, &at)) return false;
    n->axes[i] = at;
  }
  qsort(n->axes, (size_t)axis.n, sizeof *n->axes, ascending);
  for (int64_t i = 1; i < axis.n; i++)
    if (n->axes[i] == n->axes[i - 1])
      return cn_fail(l->object.graph, CN_VALUE, "%s: axis %lld is given twice", l->object.cls->schema.name, (long long)n->axes[i]), false;
  n->axis = (cn_ints){ n->axes, axis.n };
  *sizes = (cn_dims){ (int)axis.n, { 0 } };
  for (int64_t i = 0; i < axis.n; i++) sizes->d[i] = in->d[n->axes[i]];
  return true;
}

static bool axes_per_sample(const cn_layer *l, bool training) {
  (void)training;
  return l->built && ((const over_axes *)l)->axes[0] > 0;
}

/* ---- LayerNormalization ---- */
static void layer_build(cn_layer *l, const cn_dims *in, int64_t count) {
  over_axes *n = (over_axes *)l;
  const cn_LayerNormalizationOptions *o = l->object.options;
  cn_dims sizes;
  (void)count;
  n->gamma = n->beta = CN_NO_TENSOR;
  if (!find_axes(n, o->axis, in, &sizes)) return;
  if (o->scale || o->rms_scaling)
    n->gamma = cn_add_weight(l, "gamma", &sizes, .initializer = o->gamma_initializer, .regularizer = o->gamma_regularizer, .constraint = o->gamma_constraint);
  if (o->center && !o->rms_scaling)
    n->beta = cn_add_weight(l, "beta", &sizes, .initializer = o->beta_initializer, .regularizer = o->beta_regularizer, .constraint = o->beta_constraint);
}
static cn_tensor *layer_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const over_axes *n = (const over_axes *)l;
  const cn_LayerNormalizationOptions *o = l->object.options;
  return cn_layer_normalization(g, in->x[0], .gamma = n->gamma, .beta = n->beta, .axis = n->axis, .epsilon = o->epsilon, .rms_scaling = o->rms_scaling);
}
CN_LAYER(LayerNormalization, over_axes, CN_LAYER_NORMALIZATION, .build = layer_build, .call = layer_call, .output_shape = cni_same_shape, .min_rank = 1,
         .supports_masking = true, .per_sample = axes_per_sample)

/* ---- RMSNormalization ---- */
static void rms_build(cn_layer *l, const cn_dims *in, int64_t count) {
  over_axes *n = (over_axes *)l;
  cn_dims sizes;
  (void)count;
  if (!find_axes(n, ((const cn_RMSNormalizationOptions *)l->object.options)->axis, in, &sizes)) return;
  n->gamma = cn_add_weight(l, "scale", &sizes, .initializer = CN_NAME("ones"));
}
static cn_tensor *rms_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const over_axes *n = (const over_axes *)l;
  return cn_rms_normalization(g, in->x[0], .scale = n->gamma, .axis = n->axis, .epsilon = ((const cn_RMSNormalizationOptions *)l->object.options)->epsilon);
}
CN_LAYER(RMSNormalization, over_axes, CN_RMS_NORMALIZATION, .build = rms_build, .call = rms_call, .output_shape = cni_same_shape, .min_rank = 1,
         .per_sample = axes_per_sample)

/* ---- GroupNormalization ---- */
typedef struct group_norm { cn_layer base; int axis; int64_t groups; cn_tensor *gamma, *beta; } group_norm;

static void group_build(cn_layer *l, const cn_dims *in, int64_t count) {
  group_norm *n = (group_norm *)l;
  const cn_GroupNormalizationOptions *o = l->object.options;
  (void)count;
  n->gamma = n->beta = CN_NO_TENSOR;
  if (!cni_layer_axis(l, o->axis, in->rank, &n->axis)) return;
  const cn_dims channels = { 1, { in->d[n->axis] } };
  n->groups = o->groups == -1 ? channels.d[0] : o->groups;
  if (n->groups < 1 || channels.d[0] % n->groups) {
    cn_fail(l->object.graph, CN_VALUE, "GroupNormalization: %lld groups do not divide %lld channels", (long long)o->groups, (long long)channels.d[0]);
    return;
  }
  if (o->scale)
    n->gamma =
        cn_add_weight(l, "gamma", &channels, .initializer = o->gamma_initializer, .regularizer = o->gamma_regularizer, .constraint = o->gamma_constraint);
  if (o->center)
    n->beta = cn_add_weight(l, "beta", &channels, .initializer = o->beta_initializer, .regularizer = o->beta_regularizer, .constraint = o->beta_constraint);
  cn_expect_axis(l, (int)o->axis, channels.d[0]);
}
static cn_tensor *group_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const group_norm *n = (const group_norm *)l;
  return cn_group_normalization(g, in->x[0], .gamma = n->gamma, .beta = n->beta, .groups = n->groups, .axis = n->axis,
                                .epsilon = ((const cn_GroupNormalizationOptions *)l->object.options)->epsilon);
}
CN_LAYER(GroupNormalization, group_norm, CN_GROUP_NORMALIZATION, .build = group_build, .call = group_call, .output_shape = cni_same_shape, .min_rank = 2,
         .supports_masking = true, .per_sample = cni_per_sample)
