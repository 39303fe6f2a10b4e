/* Concatenate and Dot. */
#include "merge.h"
#include "layer_private.h"

static bool misfit(const cn_layer *l, const cn_dims *a, const cn_dims *b) {
  char s[160], t[160];
  return cn_fail(l->object.graph, CN_SHAPE, "%s: shapes do not fit: %s and %s", l->object.cls->schema.name, cn_dims_text(a, s, sizeof s),
                 cn_dims_text(b, t, sizeof t)),
         false;
}

/* ---- Concatenate ---- */
static bool concatenate_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const int axis = cn_axis(l->object.graph, ((const cn_ConcatenateOptions *)l->object.options)->axis, in[0].rank);
  if (axis < 0) return false;
  *out = in[0];
  for (int64_t i = 1; i < n; i++) {
    if (in[i].rank != out->rank) return misfit(l, &in[0], &in[i]);
    for (int k = 0; k < out->rank; k++) {
      int64_t *have = &out->d[k], more = in[i].d[k];
      if (k == axis) *have = *have == CN_UNKNOWN || more == CN_UNKNOWN ? CN_UNKNOWN : *have + more;
      else if (*have != CN_UNKNOWN && more != CN_UNKNOWN && more != *have) return misfit(l, &in[0], &in[i]);
    }
  }
  return true;
}

static cn_tensor *concatenate_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_tensors list = { in->x, in->n };
  return cni_listed(l, in) ? cn_concatenate(g, .xs = list, .axis = ((const cn_ConcatenateOptions *)l->object.options)->axis) : NULL;
}

/* Input i's mask with a value for each element. */
static cn_tensor *element_mask(cn_graph *g, cn_tensor *x, cn_tensor *mask) {
  if (mask && mask->dims.rank >= x->dims.rank) return mask;
  cn_tensor *zero = cn_logical_not(g, x), *other = cn_logical_not(g, zero); /* of x's shape, whose sizes may be unknown */
  if (!mask) return cn_logical_or(g, zero, other);                          /* true everywhere */
  return cn_logical_or(g, cn_expand_dims(g, mask, .axis = CN_INTS(-1)), cn_logical_and(g, zero, other));
}

static cn_tensor *concatenate_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  bool any = false;
  for (int64_t i = 0; i < in->n; i++) any |= in->mask[i] != NULL;
  cn_tensor **masks = any ? cni_arena_take(g, cni_step_arena(g), (size_t)in->n * sizeof *masks) : NULL;
  if (!masks) return NULL;
  for (int64_t i = 0; i < in->n; i++) masks[i] = element_mask(g, in->x[i], in->mask[i]);
  const cn_tensors list = { masks, in->n };
  return cn_any(g, cn_concatenate(g, .xs = list, .axis = ((const cn_ConcatenateOptions *)l->object.options)->axis), .axis = CN_INTS(-1));
}
CN_LAYER(Concatenate, cn_layer, CN_CONCATENATE, .call = concatenate_call, .output_shape = concatenate_shape, .compute_mask = concatenate_mask,
         .supports_masking = true, .min_inputs = 1, .max_inputs = INT64_MAX)

/* ---- Dot ---- */
static bool dot_init(cn_object *self) {
  const cn_ints axes = ((const cn_DotOptions *)self->options)->axes;
  if (!cn_layer_init(self)) return false;
  if (!axes.v) return cn_fail(self->graph, CN_VALUE, "axes is required"), false;
  if (axes.n == 2 && axes.v[1] == CN_NONE) return cn_fail(self->graph, CN_VALUE, "axes must be 1 number or 2, got a list of 1"), false;
  return axes.n == 1 || axes.n == 2 || (cn_fail(self->graph, CN_VALUE, "axes must be 1 number or 2, got %lld", (long long)axes.n), false);
}

/* The contracted axis of each input; false after an error. */
static bool dot_axes(cn_layer *l, const cn_dims *in, int axes[2]) {
  cn_graph *g = l->object.graph;
  const cn_ints given = ((const cn_DotOptions *)l->object.options)->axes;
  for (int i = 0; i < 2; i++) {
    axes[i] = cn_axis(g, given.v[given.n == 2 ? i : 0], in[i].rank);
    if (axes[i] < 0) return false;
    if (!axes[i]) return cn_fail(g, CN_VALUE, "Dot: axis 0 is the batch axis"), false;
  }
  const int64_t a = in[0].d[axes[0]], b = in[1].d[axes[1]], n = in[0].d[0], m = in[1].d[0];
  const bool fit = a == b || a == CN_UNKNOWN || b == CN_UNKNOWN, same_batch = n == m || n == CN_UNKNOWN || m == CN_UNKNOWN;
  return (fit && same_batch) || misfit(l, &in[0], &in[1]);
}

static bool dot_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  int axes[2];
  (void)n;
  if (!dot_axes(l, in, axes)) return false;
  *out = (cn_dims){ 1, { in[0].d[0] == CN_UNKNOWN ? in[1].d[0] : in[0].d[0] } };
  if (in[0].rank + in[1].rank - 3 > CN_MAX_RANK) return misfit(l, &in[0], &in[1]);
  for (int i = 0; i < 2; i++)
    for (int k = 1; k < in[i].rank; k++)
      if (k != axes[i]) out->d[out->rank++] = in[i].d[k];
  if (out->rank == 1) out->d[out->rank++] = 1;
  return true;
}

/* "abc,adc->abd" for axes 2 and 2. text: 32 characters. */
static void dot_subscripts(const cn_dims *in, const int axes[2], char *text) {
  char *p = text, rest[2 * CN_MAX_RANK], *q = rest, next = 'b';
  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < in[i].rank; k++) {
      const char c = k == 0 ? 'a' : k == axes[i] ? 'z' : next++;
      *p++ = c;
      if (k && c != 'z') *q++ = c;
    }
    *p++ = i ? '-' : ',';
  }
  *p++ = '>';
  *p++ = 'a';
  memcpy(p, rest, (size_t)(q - rest));
  p[q - rest] = '\0';
}

static cn_tensor *unit(cn_graph *g, cn_tensor *x, int64_t axis) {
  cn_tensor *squares = cn_sum(g, cn_square(g, x), .axis = CN_INTS(axis), .keepdims = true);
  return squares ? cn_multiply(g, x, cn_rsqrt(g, cn_maximum(g, squares, cn_scalar_like(g, squares, 1e-14)))) : NULL;
}

static cn_tensor *dot_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const cn_dims dims[2] = { in->x[0]->dims, in->x[1]->dims };
  cn_tensor *a = in->x[0], *b = in->x[1];
  char text[48];
  int axes[2];
  cn_dims out;
  if (!cni_listed(l, in) || !dot_shape(l, dims, 2, &out) || !dot_axes(l, dims, axes)) return NULL;
  if (((const cn_DotOptions *)l->object.options)->normalize) a = unit(g, a, axes[0]), b = unit(g, b, axes[1]);
  dot_subscripts(dims, axes, text);
  cn_tensor *y = cn_einsum(g, CN_TENSORS(a, b), .subscripts = text);
  return y && y->dims.rank == 1 ? cn_expand_dims(g, y, .axis = CN_INTS(1)) : y;
}
CN_LAYER_OF(Dot, cn_layer, CN_DOT, (.init = dot_init), .call = dot_call, .output_shape = dot_shape, .compute_mask = cni_no_mask, .supports_masking = true,
            .min_rank = 2, .min_inputs = 2, .max_inputs = 2)
