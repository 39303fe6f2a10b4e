/* BatchNormalization. */
#include <math.h>
#include "layer_private.h"
#include "normalization.h"

/* All [channels]; gamma and beta may be CN_NO_TENSOR, the last three are there with renorm. */
typedef struct batch_norm {
  cn_layer base;
  int axis;
  cn_tensor *gamma, *beta, *mean, *variance, *stddev, *renorm_mean, *renorm_stddev;
} batch_norm;
typedef struct statistics { cn_tensor *mean, *variance; } statistics;

static bool init(cn_object *self) {
  const cn_BatchNormalizationOptions *o = self->options;
  const cn_reals *c = &o->renorm_clipping;
  if (!cn_layer_init(self)) return false;
  if (c->n >= 0 && c->n != 3) return cn_fail(self->graph, CN_VALUE, "renorm_clipping must have 3 numbers (rmin, rmax, dmax), got %lld", (long long)c->n), false;
  if (c->n == 3 && c->v[0] > c->v[1]) return cn_fail(self->graph, CN_VALUE, "renorm_clipping: rmax %g must not be below rmin %g", c->v[1], c->v[0]), false;
  if (c->n == 3 && c->v[2] < 0) return cn_fail(self->graph, CN_VALUE, "renorm_clipping: dmax must not be negative, got %g", c->v[2]), false;
  return true;
}

static void renorm_build(batch_norm *b, const cn_dims *channels) {
  cn_layer *l = &b->base;
  cn_graph *g = l->object.graph;
  const cn_BatchNormalizationOptions *o = l->object.options;
  b->stddev = cn_add_weight(l, "moving_stddev", channels, .initializer = o->moving_variance_initializer, .frozen = true);
  b->renorm_mean = cn_add_weight(l, "renorm_mean", channels, .initializer = o->moving_mean_initializer, .frozen = true);
  b->renorm_stddev = cn_add_weight(l, "renorm_stddev", channels, .initializer = o->moving_variance_initializer, .frozen = true);
  cn_tensor *stddev = cn_ok(g) ? cn_sqrt(g, b->variance) : NULL;
  if (stddev) cn_assign(b->stddev, stddev), cn_assign(b->renorm_stddev, stddev);
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  batch_norm *b = (batch_norm *)l;
  const cn_BatchNormalizationOptions *o = l->object.options;
  (void)n;
  if (!cni_layer_axis(l, o->axis, in->rank, &b->axis)) return;
  const cn_dims channels = { 1, { in->d[b->axis] } };
  b->gamma = b->beta = CN_NO_TENSOR;
  if (o->scale)
    b->gamma =
        cn_add_weight(l, "gamma", &channels, .initializer = o->gamma_initializer, .regularizer = o->gamma_regularizer, .constraint = o->gamma_constraint);
  if (o->center)
    b->beta = cn_add_weight(l, "beta", &channels, .initializer = o->beta_initializer, .regularizer = o->beta_regularizer, .constraint = o->beta_constraint);
  b->mean = cn_add_weight(l, "moving_mean", &channels, .initializer = o->moving_mean_initializer, .frozen = true);
  b->variance = cn_add_weight(l, "moving_variance", &channels, .initializer = o->moving_variance_initializer, .frozen = true);
  if (o->renorm) renorm_build(b, &channels);
  cn_expect_axis(l, (int)o->axis, channels.d[0]);
}

/* ---- training ---- */
/* Every axis but one. */
static cn_ints others(int64_t *v, int rank, int axis) {
  cn_ints list = { v, 0 };
  for (int i = 0; i < rank; i++)
    if (i != axis) v[list.n++] = i;
  return list;
}

/* Over what the mask lets through: sum(w x) / (sum(w) + 1e-7), w the mask of x's shape. */
static statistics masked(cn_graph *g, cn_tensor *x, cn_tensor *mask, int axis) {
  int64_t v[CN_MAX_RANK], one[CN_MAX_RANK];
  const cn_ints axes = others(v, x->dims.rank, axis);
  for (int i = 0; i < x->dims.rank; i++) one[i] = i == axis ? x->dims.d[i] : 1;
  const cn_ints across = { one, x->dims.rank };
  if (mask->dims.rank != x->dims.rank - 1)
    return cn_fail(g, CN_SHAPE, "the mask must have %d axes, one less than the input, got %d", x->dims.rank - 1, mask->dims.rank), (statistics){ NULL, NULL };
  cn_tensor *w = cn_expand_dims(g, cn_cast(g, mask, .dtype = cn_dtype_name((cn_dtype)x->dtype)), .axis = CN_INTS(-1));
  w = w ? cn_multiply(g, w, cn_ones_like(g, x)) : NULL;
  cn_tensor *sum = cn_sum(g, w, .axis = axes);
  if (!sum) return (statistics){ NULL, NULL };
  sum = cn_add(g, sum, cn_scalar_like(g, sum, 1e-7));
  cn_tensor *mean = cn_divide(g, cn_sum(g, cn_multiply(g, w, x), .axis = axes), sum);
  cn_tensor *away = cn_subtract(g, x, cn_reshape(g, mean, .newshape = across));
  return (statistics){ mean, cn_divide(g, cn_sum(g, cn_multiply(g, w, cn_square(g, away)), .axis = axes), sum) };
}

static statistics of_batch(cn_graph *g, cn_tensor *x, cn_tensor *mask, int axis) {
  int64_t v[CN_MAX_RANK];
  if (mask) return masked(g, x, mask, axis);
  const cn_moments_result m = cn_moments(g, x, .axes = others(v, x->dims.rank, axis));
  return (statistics){ m.mean, m.variance };
}

/* moving = moving momentum + now (1 - momentum) */
static void move(cn_graph *g, cn_tensor *moving, cn_tensor *now, double momentum) {
  cn_tensor *next =
      now ? cn_add(g, cn_multiply(g, moving, cn_scalar_like(g, moving, momentum)), cn_multiply(g, now, cn_scalar_like(g, now, 1 - momentum))) : NULL;
  if (next) cn_assign(moving, next);
}

static cn_tensor *clipped(cn_graph *g, cn_tensor *x, double low, double high) {
  x = x ? cn_maximum(g, x, cn_scalar_like(g, x, low)) : NULL;
  return x ? cn_minimum(g, x, cn_scalar_like(g, x, high)) : NULL;
}

/* r and d, from before the moving statistics change; then these change. */
typedef struct correction { cn_tensor *r, *d; } correction;
static correction renorm(batch_norm *b, cn_graph *g, const statistics *s) {
  const cn_BatchNormalizationOptions *o = b->base.object.options;
  const double none[3] = { 0, INFINITY, INFINITY }, *clip = o->renorm_clipping.n == 3 ? o->renorm_clipping.v : none;
  cn_tensor *stddev = cn_sqrt(g, cn_add(g, s->variance, cn_scalar_like(g, s->variance, o->epsilon)));
  cn_tensor *old = stddev ? cn_maximum(g, b->renorm_stddev, cn_scalar_like(g, stddev, sqrt(o->epsilon))) : NULL;
  const correction c = { clipped(g, cn_divide(g, stddev, old), clip[0], clip[1]),
                         clipped(g, cn_divide(g, cn_subtract(g, s->mean, b->renorm_mean), old), -clip[2], clip[2]) };
  move(g, b->renorm_mean, s->mean, o->renorm_momentum);
  move(g, b->renorm_stddev, stddev, o->renorm_momentum);
  move(g, b->stddev, stddev, o->momentum);
  cn_tensor *variance = cn_relu(g, cn_subtract(g, cn_square(g, b->stddev), cn_scalar_like(g, b->stddev, o->epsilon)));
  if (variance) cn_assign(b->variance, variance);
  return c;
}

/* Not recorded: no gradient flows into the statistics. With symbolic inputs nothing is kept. */
static correction keep(batch_norm *b, cn_graph *g, const statistics *s) {
  const cn_BatchNormalizationOptions *o = b->base.object.options;
  correction c = { NULL, NULL };
  if (!s->mean || !s->variance || (s->mean->flags & CNI_SYMBOLIC)) return c;
  const bool recording = cn_recording(g, false);
  move(g, b->mean, s->mean, o->momentum);
  if (o->renorm) c = renorm(b, g, s);
  else move(g, b->variance, s->variance, o->momentum);
  cn_recording(g, recording);
  return c;
}

static cn_tensor *normalized(const batch_norm *b, cn_graph *g, cn_tensor *x, const statistics *s, cn_tensor *gamma, cn_tensor *beta) {
  const cn_BatchNormalizationOptions *o = b->base.object.options;
  return s->mean && s->variance && gamma && beta
             ? cn_batch_normalization(g, x, s->mean, s->variance, .offset = beta, .scale = gamma, .axis = b->axis, .epsilon = o->epsilon)
             : NULL;
}

static cn_tensor *train(batch_norm *b, cn_graph *g, cn_tensor *x, cn_tensor *mask) {
  const cn_BatchNormalizationOptions *o = b->base.object.options;
  if (!mask && !o->renorm) {
    const cn_batch_norm_result y = cn_batch_norm_train(g, x, .gamma = b->gamma, .beta = b->beta, .axis = b->axis, .epsilon = o->epsilon);
    keep(b, g, &(statistics){ y.mean, y.variance });
    return cn_ok(g) ? y.y : NULL;
  }
  const statistics s = of_batch(g, x, mask, b->axis);
  const correction c = keep(b, g, &s);
  cn_tensor *gamma = b->gamma, *beta = b->beta;
  if (!cn_ok(g)) return NULL;
  if (c.d) {
    cn_tensor *d = cni_given(gamma) ? cn_multiply(g, gamma, c.d) : c.d;
    beta = cni_given(beta) ? cn_add(g, beta, d) : d;
    gamma = cni_given(gamma) ? cn_multiply(g, gamma, c.r) : c.r;
  }
  return normalized(b, g, x, &s, gamma, beta);
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  batch_norm *b = (batch_norm *)l;
  if (in->training && l->trainable) return train(b, g, in->x[0], in->mask[0]);
  return normalized(b, g, in->x[0], &(statistics){ b->mean, b->variance }, b->gamma, b->beta);
}

/* The bounds by name, as Keras has them. */
static json_t *to_json(cn_graph *g, const cn_object *self) {
  const cn_reals *c = &((const cn_BatchNormalizationOptions *)self->options)->renorm_clipping;
  json_t *config = cni_options_to_json(g, &self->cls->schema, self->options);
  if (!config || c->n != 3) return config;
  json_t *named = json_pack("{s:f, s:f, s:f}", "rmin", c->v[0], "rmax", c->v[1], "dmax", c->v[2]);
  if (!json_object_set_new(config, "renorm_clipping", named)) return config;
  json_decref(config);
  return cn_fail(g, CN_NO_MEMORY, "out of memory: JSON"), NULL;
}

CN_LAYER_OF(BatchNormalization, batch_norm, CN_BATCH_NORMALIZATION, (.init = init, .to_json = to_json), .build = build, .call = call,
            .output_shape = cni_same_shape, .min_rank = 1, .supports_masking = true, .per_sample = cni_per_sample_untrained)
