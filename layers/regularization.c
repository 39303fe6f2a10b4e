#include "regularization.h"
#include <math.h>
#include "layer_private.h"

/* ---- random layers ---- */
typedef struct random_layer { cn_layer base; cn_stream stream; } random_layer;

static void seed_stream(cn_layer *l, int64_t seed) {
  ((random_layer *)l)->stream = seed == CN_NONE ? cn_stream_new(l->object.graph) : (cn_stream){ (uint64_t)seed, 0 };
}

static bool random_state(cn_layer *l, cn_state *s) { return cn_state_bytes(s, "stream", &((random_layer *)l)->stream, sizeof(cn_stream)); }

/* A layer that gives x outside training and where `idle` holds, else noisy(x). */
#define RANDOM_LAYER(L, LIST, idle, noisy, ...)                                       \
  static void L##_build(cn_layer *l, const cn_dims *in, int64_t n) {                  \
    (void)in;                                                                         \
    (void)n;                                                                          \
    seed_stream(l, ((const cn_##L##Options *)l->object.options)->seed);               \
  }                                                                                   \
  static cn_tensor *L##_call(cn_layer *l, cn_graph *g, cn_inputs *in) {               \
    const cn_##L##Options *o = l->object.options;                                     \
    cn_stream *stream = &((random_layer *)l)->stream;                                 \
    return !in->training || idle ? in->x[0] : noisy;                                  \
  }                                                                                   \
  CN_LAYER(L, random_layer, LIST, .build = L##_build, .call = L##_call, .state = random_state, .output_shape = cni_same_shape, .supports_masking = true, .per_sample = cni_per_sample_untrained, __VA_ARGS__)

RANDOM_LAYER(Dropout, CN_DROPOUT, o->rate == 0, cn_dropout(g, in->x[0], o->rate, .noise_shape = o->noise_shape, .stream = stream), .rank = 0)

/* One number for each sample and channel. */
static cn_tensor *spatial(cn_graph *g, cn_tensor *x, double rate, bool channels_first, cn_stream *stream) {
  int64_t shape[CN_MAX_RANK] = { -1, 1, 1, 1, 1 };
  const cn_ints noise_shape = { shape, x->dims.rank };
  shape[channels_first ? 1 : x->dims.rank - 1] = -1;
  return cn_dropout(g, x, rate, .noise_shape = noise_shape, .stream = stream);
}
RANDOM_LAYER(SpatialDropout1D, CN_SPATIAL_DROPOUT_1D, o->rate == 0, spatial(g, in->x[0], o->rate, false, stream), .rank = 3)
RANDOM_LAYER(SpatialDropout2D, CN_SPATIAL_DROPOUT_2D, o->rate == 0, spatial(g, in->x[0], o->rate, cni_channels_first(o->data_format), stream), .rank = 4)
RANDOM_LAYER(SpatialDropout3D, CN_SPATIAL_DROPOUT_2D, o->rate == 0, spatial(g, in->x[0], o->rate, cni_channels_first(o->data_format), stream), .rank = 5)

static cn_tensor *nothing_left(cn_layer *l, cn_graph *g) {
  return cn_fail(g, CN_VALUE, "%s: rate 1 leaves nothing of the input", l->object.cls->schema.name), NULL;
}

static cn_tensor *alpha(cn_layer *l, cn_graph *g, cn_tensor *x, double rate, cn_ints noise_shape, cn_stream *stream) {
  const double p = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946, a = 1 / sqrt((1 - rate) * (1 + rate * p * p));
  if (rate >= 1) return nothing_left(l, g);
  cn_tensor *u = cn_random_uniform_like(g, x, .noise_shape = noise_shape, .stream = stream);
  cn_tensor *keep = u ? cn_greater_equal(g, u, cn_scalar_like(g, u, rate)) : NULL;
  return cn_shift(g, cn_scale(g, cn_where(g, keep, x, cn_scalar_like(g, x, p)), a), -a * p * rate);
}
RANDOM_LAYER(AlphaDropout, CN_ALPHA_DROPOUT, o->rate == 0, alpha(l, g, in->x[0], o->rate, o->noise_shape, stream), .rank = 0)

static cn_tensor *gaussian_factor(cn_layer *l, cn_graph *g, cn_tensor *x, double rate, cn_stream *stream) {
  if (rate >= 1) return nothing_left(l, g);
  return cn_multiply(g, x, cn_random_normal_like(g, x, .mean = 1, .stddev = sqrt(rate / (1 - rate)), .stream = stream));
}
RANDOM_LAYER(GaussianDropout, CN_GAUSSIAN_DROPOUT, o->rate == 0, gaussian_factor(l, g, in->x[0], o->rate, stream), .rank = 0)
RANDOM_LAYER(GaussianNoise, CN_GAUSSIAN_NOISE, o->stddev == 0, cn_add(g, in->x[0], cn_random_normal_like(g, in->x[0], .stddev = o->stddev, .stream = stream)),
             .rank = 0)

/* ---- ActivityRegularization ---- */
static bool activity_init(cn_object *self) {
  cn_layer *l = (cn_layer *)(void *)self;
  const cn_ActivityRegularizationOptions *o = self->options;
  if (!cn_layer_init(self)) return false;
  if (l->activity_regularizer || l->activity_function.fn)
    return cn_fail(self->graph, CN_VALUE, "activity_regularizer cannot be given: it is made of l1 and l2"), false;
  cn_ref r = { .object = cn_regularizer_L1L2(self->graph, o->l1, o->l2) };
  if (!r.object) return false;
  if (!cni_own(l, r.object)) return cn_object_free(r.object), false;
  l->activity_function = r;
  l->activity_regularizer = r.object;
  return true;
}

static cn_tensor *activity_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  (void)l;
  (void)g;
  return in->x[0];
}
CN_LAYER_OF(ActivityRegularization, cn_layer, CN_ACTIVITY_REGULARIZATION, (.init = activity_init), .call = activity_call, .output_shape = cni_same_shape,
            .supports_masking = true, .per_sample = cni_per_sample)
