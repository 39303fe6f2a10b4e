#include "reshape.h"
#include "layer_private.h"

/* ---- Reshape ---- */
static cn_ints target_of(const cn_layer *l) { return ((const cn_ReshapeOptions *)l->object.options)->target_shape; }

static bool reshape_init(cn_object *self) {
  if (!cn_layer_init(self)) return false;
  const cn_ints t = target_of((const cn_layer *)(const void *)self);
  int64_t left_over = 0;
  if (t.n < 0 || t.n >= CN_MAX_RANK) return cn_fail(self->graph, CN_SHAPE, "target_shape must have 0 to %d sizes", CN_MAX_RANK - 1), false;
  for (int64_t i = 0; i < t.n; i++) {
    if (t.v[i] < -1) return cn_fail(self->graph, CN_VALUE, "size %lld of target_shape is negative", (long long)t.v[i]), false;
    left_over += t.v[i] == -1;
  }
  return left_over <= 1 || (cn_fail(self->graph, CN_VALUE, "target_shape has %lld sizes of -1, one is the most", (long long)left_over), false);
}

static bool does_not_fit(cn_layer *l, const cn_dims *in) {
  char text[160];
  return cn_fail(l->object.graph, CN_SHAPE, "Reshape: the sizes %s without the batch do not fit target_shape", cn_dims_text(in, text, sizeof text)), false;
}

/* Keras' compute_reshape_output_shape: -1 becomes a number where every size of the input is known. */
static bool reshape_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const cn_ints t = target_of(l);
  cn_dims inner = { in->rank - 1, { 0 } };
  (void)n;
  for (int i = 0; i < inner.rank; i++) inner.d[i] = in->d[i + 1];
  const int64_t have = cn_dims_count(&inner);
  *out = (cn_dims){ (int)t.n + 1, { in->d[0] } };
  int64_t known = 1, *rest = NULL;
  for (int64_t i = 0; i < t.n; i++) {
    out->d[i + 1] = t.v[i];
    if (t.v[i] == -1) rest = &out->d[i + 1];
    else known *= t.v[i];
  }
  if (rest) *rest = CN_UNKNOWN;
  if (have < 0) return true;
  if (!rest) return known == have || does_not_fit(l, in);
  if (!known || have % known) return does_not_fit(l, in);
  *rest = have / known;
  return true;
}

static cn_tensor *reshape_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_dims out;
  if (!reshape_shape(l, &in->x[0]->dims, 1, &out)) return NULL;
  for (int i = 1; i < out.rank; i++)
    if (out.d[i] == CN_UNKNOWN) out.d[i] = -1; /* and an unknown batch stands for the input's */
  const cn_ints shape = { out.d, out.rank };
  return cn_reshape(g, in->x[0], .newshape = shape);
}
CN_LAYER_OF(Reshape, cn_layer, CN_RESHAPE, (.init = reshape_init), .call = reshape_call, .output_shape = reshape_shape, .min_rank = 1,
            .per_sample = cni_per_sample)

/* ---- Permute ---- */
static cn_ints dims_of(const cn_layer *l) { return ((const cn_PermuteOptions *)l->object.options)->dims; }

static bool permute_init(cn_object *self) {
  if (!cn_layer_init(self)) return false;
  const cn_ints d = dims_of((const cn_layer *)(const void *)self);
  uint32_t seen = 0;
  for (int64_t i = 0; i < d.n; i++)
    if (d.v[i] >= 1 && d.v[i] <= d.n && d.v[i] < CN_MAX_RANK) seen |= 1u << d.v[i];
  if (d.n >= 0 && d.n < CN_MAX_RANK && seen == (2u << d.n) - 2) return true;
  return cn_fail(self->graph, CN_VALUE, "dims must be the numbers 1 to %lld in some order", (long long)d.n), false;
}

static bool permute_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const cn_ints d = dims_of(l);
  char text[160];
  (void)n;
  if (in->rank != d.n + 1)
    return cn_fail(l->object.graph, CN_SHAPE, "Permute: the input's rank must be %lld, its shape is %s", (long long)d.n + 1,
                   cn_dims_text(in, text, sizeof text)),
           false;
  *out = *in;
  for (int64_t i = 0; i < d.n; i++) out->d[i + 1] = in->d[d.v[i]];
  return true;
}

static cn_tensor *permute_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_ints d = dims_of(l);
  cn_dims out;
  if (!permute_shape(l, &in->x[0]->dims, 1, &out)) return NULL;
  int64_t axes[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < d.n; i++) axes[i + 1] = d.v[i];
  const cn_ints order = { axes, d.n + 1 };
  return cn_transpose(g, in->x[0], .axes = order);
}
CN_LAYER_OF(Permute, cn_layer, CN_PERMUTE, (.init = permute_init), .call = permute_call, .output_shape = permute_shape, .per_sample = cni_per_sample)

/* ---- RepeatVector ---- */
static int64_t times_of(const cn_layer *l) { return ((const cn_RepeatVectorOptions *)l->object.options)->n; }

static cn_tensor *repeat_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  return cn_repeat(g, cn_expand_dims(g, in->x[0], .axis = CN_INTS(1)), .repeats = CN_INTS(times_of(l)), .axis = 1);
}

static bool repeat_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  *out = (cn_dims){ 3, { in->d[0], times_of(l), in->d[1] } };
  return true;
}
CN_LAYER(RepeatVector, cn_layer, CN_REPEAT_VECTOR, .call = repeat_call, .output_shape = repeat_shape, .rank = 2, .per_sample = cni_per_sample)
