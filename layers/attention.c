/* Attention and AdditiveAttention. */
#include "attention_private.h"

typedef struct attention { cn_layer base; cn_tensor *scale, *weight; cn_stream stream; } attention;

/* ---- masks ---- */
/* Ones at and below a diagonal. */
static cn_tensor *below(cn_graph *g, int64_t t, int64_t s, int64_t diagonal) {
  return t == CN_UNKNOWN || s == CN_UNKNOWN ? cni_shape_only(g, CN_BOOL, CN_DIMS(t, s)) : cn_tri(g, t, .M = s, .k = diagonal, .dtype = "bool");
}

cn_tensor *cni_seen(cn_graph *g, int64_t t, int64_t s, bool causal, int64_t window) {
  const bool bounded = window != CN_NONE && window < INT64_MAX / 2;
  cn_tensor *past = causal ? below(g, t, s, 0) : NULL;
  return bounded ? cni_both(g, past, cn_not_equal(g, below(g, t, s, window - 1), below(g, t, s, -window))) : past;
}

/* ---- building ---- */
static bool score_mode_known(cn_object *self) {
  const char *mode = ((const cn_AttentionOptions *)self->options)->score_mode;
  if (!cn_layer_init(self)) return false;
  return (mode && (!strcmp(mode, "dot") || !strcmp(mode, "concat"))) ||
         (cn_fail(self->graph, CN_VALUE, "score_mode must be dot or concat, got %s", mode ? mode : "None"), false);
}

static void begin(attention *a, int64_t seed) {
  a->scale = a->weight = CN_NO_TENSOR;
  a->stream = seed == CN_NONE ? cn_stream_new(a->base.object.graph) : (cn_stream){ (uint64_t)seed, 0 };
}

static bool attention_state(cn_layer *l, cn_state *s) { return cn_state_bytes(s, "stream", &((attention *)l)->stream, sizeof(cn_stream)); }

static void dot_build(cn_layer *l, const cn_dims *in, int64_t n) {
  attention *a = (attention *)l;
  const cn_AttentionOptions *o = l->object.options;
  (void)in;
  (void)n;
  begin(a, o->seed);
  if (o->use_scale) a->scale = cn_add_weight(l, "scale", CN_SCALAR, .initializer = CN_NAME("ones"));
  if (!strcmp(o->score_mode, "concat")) a->weight = cn_add_weight(l, "concat_score_weight", CN_SCALAR, .initializer = CN_NAME("ones"));
}

static void additive_build(cn_layer *l, const cn_dims *in, int64_t n) {
  attention *a = (attention *)l;
  const cn_AdditiveAttentionOptions *o = l->object.options;
  (void)n;
  begin(a, o->seed);
  if (o->use_scale) a->scale = cn_add_weight(l, "scale", CN_DIMS(in->d[in->rank - 1]), .initializer = CN_NAME("glorot_uniform"));
}

/* ---- scores ---- */
/* [n, t, d], [n, s, d] -> [n, t, s, d] */
static cn_tensor *sums(cn_graph *g, cn_tensor *q, cn_tensor *k) {
  return cn_add(g, cn_expand_dims(g, q, .axis = CN_INTS(-2)), cn_expand_dims(g, k, .axis = CN_INTS(-3)));
}
static cn_tensor *times(cn_graph *g, cn_tensor *factor, cn_tensor *x) { return cni_given(factor) ? cn_multiply(g, factor, x) : x; }
static cn_tensor *sum_last(cn_graph *g, cn_tensor *x) { return cn_sum(g, x, .axis = CN_INTS(-1)); }

static cn_tensor *dot_scores(const attention *a, cn_graph *g, cn_tensor *q, cn_tensor *k) {
  if (cni_given(a->weight)) return cn_multiply(g, a->weight, sum_last(g, cn_tanh(g, times(g, a->scale, sums(g, q, k)))));
  return times(g, a->scale, cn_matmul(g, q, k, .transpose_b = true));
}
static cn_tensor *additive_scores(const attention *a, cn_graph *g, cn_tensor *q, cn_tensor *k) {
  return sum_last(g, times(g, a->scale, cn_tanh(g, sums(g, q, k))));
}

/* ---- calling ---- */
static bool masks_fit(cn_layer *l, const cn_inputs *in) {
  const int64_t n = in->args->masks.n;
  if (!cni_given(in->args->mask) && (n <= 0 || n == 2 || n == 3)) return true;
  return cn_fail(l->object.graph, CN_VALUE, "%s: masks must be a list of 2 or 3", l->object.cls->schema.name), false;
}

/* Softmax of the scores, those less 1e9 that `seen` [n, t, s] hides. */
static cn_tensor *weights_of(cn_graph *g, cn_tensor *scores, cn_tensor *seen) {
  const char *dtype = scores ? cn_dtype_name((cn_dtype)scores->dtype) : NULL;
  if (scores && seen) scores = cn_subtract(g, scores, cn_scale(g, cn_cast(g, cn_logical_not(g, seen), .dtype = dtype), 1e9));
  return cn_softmax(g, scores);
}

/* softmax(scale q k^T) v without the scores: one head. */
static cn_tensor *fused(const attention *a, cn_graph *g, cn_tensor *q, cn_tensor *k, cn_tensor *v, bool causal) {
  cn_tensor *x[] = { times(g, a->scale, q), k, v };
  for (int i = 0; i < 3; i++) x[i] = cn_expand_dims(g, x[i], .axis = CN_INTS(2));
  cn_tensor *y = cn_dot_product_attention(g, x[0], x[1], x[2], .scale = 1, .is_causal = causal);
  return cn_squeeze(g, y, .axis = CN_INTS(2));
}

/* What the fused operation takes; it forgets the scores of a row whose values are all masked, which still count here. */
static bool fuses(const attention *a, const cn_inputs *in, double dropout) {
  bool plain = !in->mask[1] && !cni_given(a->weight) && !(in->training && dropout > 0) && !cni_asked(in->args->return_attention_scores);
  for (int64_t i = 0; i < in->n; i++) plain &= in->x[i]->dims.rank == 3 && in->x[i]->dims.d[0] == in->x[0]->dims.d[0];
  return plain;
}

typedef cn_tensor *score_function(const attention *a, cn_graph *g, cn_tensor *q, cn_tensor *k);

static cn_tensor *composed(attention *a, cn_graph *g, cn_inputs *in, score_function *score, double dropout) {
  cn_tensor *v = in->x[1], *scores = score(a, g, in->x[0], in->n > 2 ? in->x[2] : v);
  if (!scores) return NULL;
  const cn_dims d = scores->dims;
  cn_tensor *seen =
      cni_both(g, cni_truth_along(g, in->mask[1], -2), cni_seen(g, d.d[d.rank - 2], d.d[d.rank - 1], cni_asked(in->args->use_causal_mask), CN_NONE));
  cn_tensor *weights = weights_of(g, scores, seen);
  if (in->training && dropout > 0) weights = cn_dropout(g, weights, dropout, .stream = &a->stream);
  if (cni_asked(in->args->return_attention_scores)) in->more[in->more_count++] = weights;
  return cn_matmul(g, weights, v);
}

static cn_tensor *hide_queries(cn_graph *g, cn_tensor *y, cn_tensor *mask) {
  cn_tensor *seen = y ? cni_truth_along(g, mask, -1) : NULL;
  return seen ? cn_multiply(g, y, cn_cast(g, seen, .dtype = cn_dtype_name((cn_dtype)y->dtype))) : y;
}

static cn_tensor *dot_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  attention *a = (attention *)l;
  const double dropout = ((const cn_AttentionOptions *)l->object.options)->dropout;
  if (!masks_fit(l, in)) return NULL;
  cn_tensor *y =
      fuses(a, in, dropout) ? fused(a, g, in->x[0], in->x[in->n - 1], in->x[1], cni_asked(in->args->use_causal_mask)) : composed(a, g, in, dot_scores, dropout);
  return hide_queries(g, y, in->mask[0]);
}

static cn_tensor *additive_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  if (!masks_fit(l, in)) return NULL;
  return hide_queries(g, composed((attention *)l, g, in, additive_scores, ((const cn_AdditiveAttentionOptions *)l->object.options)->dropout), in->mask[0]);
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)l;
  (void)n;
  *out = in[0];
  out->d[out->rank - 1] = in[1].d[in[1].rank - 1];
  return true;
}

CN_LAYER_OF(Attention, attention, CN_ATTENTION, (.init = score_mode_known), .build = dot_build, .call = dot_call, .state = attention_state,
            .output_shape = output_shape, .supports_masking = true, .min_rank = 2, .min_inputs = 2, .max_inputs = 3)
CN_LAYER(AdditiveAttention, attention, CN_ADDITIVE_ATTENTION, .build = additive_build, .call = additive_call, .state = attention_state,
         .output_shape = output_shape, .supports_masking = true, .min_rank = 2, .min_inputs = 2, .max_inputs = 3)
