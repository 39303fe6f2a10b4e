/* MultiHeadAttention and GroupQueryAttention: projections to heads, attention, a projection back. */
#include <math.h>
#include <stdio.h>
#include "attention_private.h"
#include "einsum_dense.h"

/* Equations of attention over the projected query [n, t..., heads, key_dim]: of the scores [n, heads, t..., s...], and of the heads' outputs. */
typedef struct equations { char scores[40], outputs[40]; int axes; } equations;

/* What both classes' options come to. */
typedef struct settings {
  int64_t heads, key_heads, key_dim, value_dim, window, seed;
  double dropout;
  bool use_bias, use_gate, flash, query_mask; /* query_mask: an explicit one counts */
  cn_ref kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint, activity_regularizer;
  cn_ints output_shape, axes;                 /* n < 0: None */
} settings;
typedef struct heads { cn_layer base; settings set; cn_layer *query, *key, *gate, *value, *output; equations e; cn_stream stream; } heads;

/* ---- making ---- */
#define COMMON(o)                                                                                                                                                          \
  .window = (o)->sliding_window, .seed = (o)->seed, .dropout = (o)->dropout, .use_bias = (o)->use_bias, .use_gate = (o)->use_gate, .flash = (o)->flash_attention,          \
  .kernel_initializer = (o)->kernel_initializer, .bias_initializer = (o)->bias_initializer, .kernel_regularizer = (o)->kernel_regularizer,                                 \
  .bias_regularizer = (o)->bias_regularizer, .kernel_constraint = (o)->kernel_constraint, .bias_constraint = (o)->bias_constraint, .activity_regularizer = (o)->activity_regularizer

static bool flash_fits(const heads *h) {
  return !h->set.flash || h->set.dropout == 0 || (cn_fail(h->base.object.graph, CN_VALUE, "flash_attention does not go with dropout"), false);
}

/* The activity penalty is the projections' alone. */
static bool multi_init(cn_object *self) {
  heads *h = (heads *)(void *)self;
  const cn_MultiHeadAttentionOptions *o = self->options;
  if (!cn_layer_init(self)) return false;
  h->set = (settings){ COMMON(o),
                       .heads = o->num_heads,
                       .key_heads = o->num_heads,
                       .key_dim = o->key_dim,
                       .value_dim = o->value_dim > 0 ? o->value_dim : o->key_dim,
                       .output_shape = o->output_shape,
                       .axes = o->attention_axes };
  h->base.activity_regularizer = NULL;
  h->base.activity_function = (cn_ref)CN_NONE_REF;
  return flash_fits(h);
}

static bool group_init(cn_object *self) {
  heads *h = (heads *)(void *)self;
  cn_GroupQueryAttentionOptions *o = self->options;
  if (!o->name || !*o->name) o->name = cni_unique_name(self->graph, "GroupedQueryAttention");
  if (!o->name || !cn_layer_init(self)) return false;
  h->set = (settings){ COMMON(o), .heads = o->num_query_heads, .key_heads = o->num_key_value_heads, .key_dim = o->head_dim, .value_dim = o->head_dim,
                       .output_shape = CN_NONE_INTS, .axes = CN_NONE_INTS, .query_mask = true };
  if (h->set.heads % h->set.key_heads == 0) return flash_fits(h);
  return cn_fail(self->graph, CN_VALUE, "num_query_heads %lld is no multiple of num_key_value_heads %lld", (long long)h->set.heads,
                 (long long)h->set.key_heads),
         false;
}

/* ---- building ---- */
static char *put_letters(char *p, int from, int n) {
  for (int i = 0; i < n; i++) *p++ = (char)('a' + from + i);
  return p;
}

/* "abc,cde->abde" and "de": `kept` axes stay, `bound` ones are summed over, `made` ones take their place. */
static void projection(int kept, int bound, int made, char *equation, char *bias) {
  char *p = put_letters(equation, 0, kept + bound);
  *p++ = ',';
  p = put_letters(p, kept, bound + made);
  *p++ = '-';
  *p++ = '>';
  p = put_letters(put_letters(p, 0, kept), kept + bound, made);
  *p = '\0';
  *put_letters(bias, kept + bound, made) = '\0';
}

/* A projection of the last `bound` axes of `in` to axes of these sizes, built. */
static cn_layer *dense(heads *h, const char *name, const cn_dims *in, int bound, cn_ints sizes) {
  cn_layer *l = &h->base;
  const settings *s = &h->set;
  char equation[4 * CN_MAX_RANK + 4], bias[CN_MAX_RANK + 1];
  int64_t shape[CN_MAX_RANK];
  const int kept = in->rank - bound, made = (int)sizes.n;
  if (kept + made > CN_MAX_RANK)
    return cn_fail(l->object.graph, CN_SHAPE, "%s: %s would have more than %d axes", l->object.cls->schema.name, name, CN_MAX_RANK), NULL;
  for (int i = 0; i < kept + made - 1; i++) shape[i] = i < kept - 1 ? CN_NONE : sizes.v[i - kept + 1];
  const cn_ints all = { shape, kept + made - 1 };
  projection(kept, bound, made, equation, bias);
  cn_layer *d =
      cn_EinsumDense(l->object.graph, equation, all, .activation = CN_NAME(strcmp(name, "gate") ? "linear" : "sigmoid"), .bias_axes = s->use_bias ? bias : NULL,
                     .kernel_initializer = s->kernel_initializer, .bias_initializer = s->bias_initializer, .kernel_regularizer = s->kernel_regularizer,
                     .bias_regularizer = s->bias_regularizer, .kernel_constraint = s->kernel_constraint, .bias_constraint = s->bias_constraint,
                     .activity_regularizer = s->activity_regularizer, .name = name, .dtype = cn_dtype_name(l->dtype));
  return d && cn_add_layer(l, d) && cn_build(d, in, 1) ? d : NULL;
}

/* attention_axes of an input of that rank, all but the first and the last where they are None; how many, or -1 after an error. */
static int attended(const heads *h, int rank, int axes[CN_MAX_RANK]) {
  cn_graph *g = h->base.object.graph;
  const cn_ints given = h->set.axes;
  if (given.n > rank) return cn_fail(g, CN_INDEX, "attention_axes: %lld axes of an input of rank %d", (long long)given.n, rank), -1;
  const int n = given.n < 0 ? rank - 2 : (int)given.n;
  for (int i = 0; i < n; i++) {
    axes[i] = given.n < 0 ? i + 1 : cn_axis(g, given.v[i], rank);
    if (axes[i] < 0) return -1;
    if (axes[i] == rank - 1) return cn_fail(g, CN_INDEX, "attention_axes must not name the last axis"), -1;
    for (int k = 0; k < i; k++)
      if (axes[k] == axes[i]) return cn_fail(g, CN_INDEX, "attention_axes: axis %d is named twice", axes[i]), -1;
  }
  return n;
}

static bool contains(const int *axes, int n, int axis) {
  for (int i = 0; i < n; i++)
    if (axes[i] == axis) return true;
  return false;
}

/* rank: of the projected query. Keys and values have letters of their own along the attended axes; those of the scores are: kept axes, the query's attended
 * ones, the key's. */
static bool set_equations(heads *h, int rank) {
  int axes[CN_MAX_RANK];
  char query[CN_MAX_RANK + 1] = "", key[CN_MAX_RANK + 1] = "", scores[2 * CN_MAX_RANK + 1] = "", *p = scores;
  const int n = attended(h, rank - 1, axes);
  if (n < 0) return false;
  if (rank - 1 + n > CN_MAX_RANK)
    return cn_fail(h->base.object.graph, CN_SHAPE, "%s: the scores would have more than %d axes", h->base.object.cls->schema.name, CN_MAX_RANK), false;
  int next = rank;
  for (int i = 0; i < rank; i++) {
    const bool own = contains(axes, n, i);
    query[i] = (char)('a' + i);
    key[i] = (char)('a' + (own ? next++ : i));
    if (!own && i < rank - 1) *p++ = query[i];
  }
  for (int i = 0; i < n; i++) *p++ = query[axes[i]];
  for (int i = 0; i < n; i++) *p++ = key[axes[i]];
  snprintf(h->e.scores, sizeof h->e.scores, "%s,%s->%s", key, query, scores);
  snprintf(h->e.outputs, sizeof h->e.outputs, "%s,%s->%s", scores, key, query);
  h->e.axes = n;
  return true;
}

/* Value and key may differ in the last axis only. */
static bool inputs_fit(const heads *h, const cn_dims *in, int64_t n) {
  const cn_dims *v = &in[1], *k = &in[n - 1];
  bool fit = v->rank == k->rank;
  for (int i = 1; i < v->rank - 1 && fit; i++) fit = v->d[i] == k->d[i] || v->d[i] == CN_UNKNOWN || k->d[i] == CN_UNKNOWN;
  char a[160], b[160];
  if (!fit)
    cn_fail(h->base.object.graph, CN_SHAPE, "%s: the key %s does not fit the value %s", h->base.object.cls->schema.name, cn_dims_text(k, a, sizeof a),
            cn_dims_text(v, b, sizeof b));
  return fit;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  heads *h = (heads *)l;
  const settings *s = &h->set;
  const cn_ints query = CN_INTS(s->heads, s->key_dim), key = CN_INTS(s->key_heads, s->key_dim), value = CN_INTS(s->key_heads, s->value_dim),
                gate = CN_INTS(s->heads, s->value_dim), last = CN_INTS(in->d[in->rank - 1]);
  cn_dims joined = *in;
  h->stream = s->seed == CN_NONE ? cn_stream_new(l->object.graph) : (cn_stream){ (uint64_t)s->seed, 0 };
  if (!inputs_fit(h, in, n) || !(h->query = dense(h, "query", in, 1, query)) || !(h->key = dense(h, "key", &in[n - 1], 1, key))) return;
  if (s->use_gate && !(h->gate = dense(h, "gate", in, 1, gate))) return;
  if (!(h->value = dense(h, "value", &in[1], 1, value)) || !set_equations(h, in->rank + 1)) return;
  joined.d[joined.rank - 1] = s->heads;
  joined.d[joined.rank++] = s->value_dim;
  h->output = dense(h, "attention_output", &joined, 2, s->output_shape.n > 0 ? s->output_shape : last);
}

/* ---- calling ---- */
static cn_tensor *given_or(cn_tensor *given, cn_tensor *carried) { return cni_given(given) ? given : carried; }

/* [n, t, s], or more axes as attention_mask has them; NULL where nothing is hidden. */
static cn_tensor *mask_of(const heads *h, cn_graph *g, const cn_inputs *in) {
  const cn_call_args *a = in->args;
  cn_tensor *query = h->set.query_mask ? given_or(a->query_mask, in->mask[0]) : in->mask[0], *key = given_or(a->key_mask, in->n > 2 ? in->mask[2] : NULL);
  cn_tensor *mask = cni_both(g, cni_truth_along(g, query, -1), cni_truth_along(g, given_or(a->value_mask, in->mask[1]), -2));
  mask = cni_both(g, mask, cni_truth_along(g, key, -2));
  mask = cni_both(g, mask, cni_seen(g, in->x[0]->dims.d[1], in->x[1]->dims.d[1], cni_asked(a->use_causal_mask), h->set.window));
  cn_tensor *own = cni_given(a->attention_mask) ? a->attention_mask : NULL;
  if (own && own->dtype != CN_BOOL) own = cn_cast(g, own, .dtype = "bool");
  return cni_both(g, own, mask);
}

/* The mask with axes of size 1 where it lacks some of the scores' in front of the attended ones. */
static cn_tensor *over_heads(cn_graph *g, cn_tensor *mask, int rank, int attended_axes) {
  while (mask && mask->dims.rank < rank) mask = cn_expand_dims(g, mask, .axis = CN_INTS(-2 * attended_axes - 1));
  return mask;
}

/* Keras rounds the factor of the scores to float32, in float64 too. */
static double factor(const settings *s) { return (double)(float)(1 / sqrt((double)s->key_dim)); }

/* Projected query, key and value [n, ..., heads, size] -> the heads' outputs; the scores too where they are asked for. */
static cn_tensor *attend(heads *h, cn_graph *g, cn_inputs *in, cn_tensor *const x[3], cn_tensor *mask, bool scores_asked) {
  static const int64_t last[] = { -1, -2, -3, -4, -5, -6, -7, -8 };
  const settings *s = &h->set;
  const cn_ints axes = { last, h->e.axes };
  const int64_t times = s->heads / s->key_heads;
  cn_tensor *key = times > 1 ? cn_repeat(g, x[1], CN_INTS(times), .axis = 2) : x[1], *value = times > 1 ? cn_repeat(g, x[2], CN_INTS(times), .axis = 2) : x[2];
  cn_tensor *scores = cn_einsum(g, CN_TENSORS(key, cn_scale(g, x[0], factor(s))), .subscripts = h->e.scores);
  cn_tensor *weights = scores ? cni_masked_softmax(g, scores, axes, mask) : NULL;
  if (!weights) return NULL;
  if (scores_asked) in->more[in->more_count++] = weights;
  if (scores_asked && mask) cn_set_mask(weights, mask);
  if (in->training && s->dropout > 0) weights = cn_dropout(g, weights, s->dropout, .stream = &h->stream);
  return cn_einsum(g, CN_TENSORS(weights, value), .subscripts = h->e.outputs);
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  heads *h = (heads *)l;
  const settings *s = &h->set;
  const bool scores_asked = cni_asked(in->args->return_attention_scores);
  if (scores_asked && s->flash) return cn_fail(g, CN_VALUE, "%s: flash_attention has no scores to return", l->object.cls->schema.name), NULL;
  cn_tensor *mask = mask_of(h, g, in), *x[] = { cn_call(g, h->query, in->x[0]), cn_call(g, h->key, in->x[in->n - 1]), cn_call(g, h->value, in->x[1]) };
  if (!x[0] || !x[1] || !x[2] || !cn_ok(g)) return NULL;
  const bool fused = !scores_asked && s->dropout == 0 && x[0]->dims.rank == 4;
  mask = over_heads(g, mask, fused ? 4 : x[0]->dims.rank - 1 + h->e.axes, h->e.axes);
  cn_tensor *y =
      fused ? cn_dot_product_attention(g, x[0], x[1], x[2], .mask = mask ? mask : CN_NO_TENSOR, .scale = factor(s)) : attend(h, g, in, x, mask, scores_asked);
  if (h->gate && y) y = cn_multiply(g, y, cn_call(g, h->gate, in->x[0]));
  return y ? cn_call(g, h->output, y) : NULL;
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  const heads *h = (const heads *)l;
  const cn_ints last = h->set.output_shape;
  if (!inputs_fit(h, in, n)) return false;
  *out = in[0];
  if (last.n <= 0) return true;
  if (out->rank - 1 + last.n > CN_MAX_RANK)
    return cn_fail(l->object.graph, CN_SHAPE, "%s: the output would have more than %d axes", l->object.cls->schema.name, CN_MAX_RANK), false;
  out->rank--;
  for (int64_t i = 0; i < last.n; i++) out->d[out->rank++] = last.v[i];
  return true;
}

static bool heads_state(cn_layer *l, cn_state *s) { return cn_state_bytes(s, "stream", &((heads *)l)->stream, sizeof(cn_stream)); }

static const char *const group_aliases[] = { "GroupedQueryAttention", NULL };
#define HEADS .build = build, .call = call, .state = heads_state, .output_shape = output_shape, .supports_masking = true, .separate_inputs = true, .min_inputs = 2, .max_inputs = 3
CN_LAYER_OF(MultiHeadAttention, heads, CN_MULTI_HEAD_ATTENTION, (.init = multi_init), HEADS, .min_rank = 3)
CN_LAYER_OF(GroupQueryAttention, heads, CN_GROUP_QUERY_ATTENTION, (.init = group_init, .aliases = group_aliases), HEADS, .rank = 3)
