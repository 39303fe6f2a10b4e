/* Attention layers: masks, windows, dropout, gates, symbolic calls, what is refused, every allocation failing. Values of Keras stand in the conformance cases.
 */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_attention, .init = begin, .fini = end);

static cn_tensor *uniform(const cn_dims *d, int64_t seed) {
  return cn_random_uniform(g, (const cn_ints){ d->d, d->rank }, .minval = -1, .maxval = 1, .dtype = "float64", .seed = seed);
}
static cn_tensor *bools(const cn_dims *d, const bool *v) { return cn_array(g, CN_BOOL, d, v); }
#define BOOLS(d, ...) bools(d, (const bool[]){ __VA_ARGS__ })

/* The weights that a call gives the values. */
static cn_tensor *scores_of(const cn_call_args *a) {
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  int64_t n = 0;
  cr_assert(cn_call_layer(a, y, &n), "%s", cn_error(g));
  cr_assert_eq(n, 2);
  return y[1];
}
#define SCORES(...) CN_WITH_OPTIONS_(cn_tensor *, cn_call_args, CN_CALL, scores_of, g, __VA_ARGS__, .return_attention_scores = 1)

static void check_same(cn_tensor *a, cn_tensor *b, double tolerance) {
  cr_assert(a && b && cn_count(a) == cn_count(b), "%s", cn_error(g));
  for (int64_t i = 0; i < cn_count(a); i++) CHECK_NEAR(cn_at(a, i), cn_at(b, i), tolerance);
}

/* ---- values ---- */
Test(layers_attention, attention_of_small_numbers) {
  cn_tensor *q = FLOATS(g, CN_DIMS(1, 2, 2), 1, 0, 0, 1), *k = FLOATS(g, CN_DIMS(1, 2, 2), 0, 1, 1, 0), *v = FLOATS(g, CN_DIMS(1, 2, 2), 1, 2, 3, 4);
  CHECK_TENSOR(cn_call(g, cn_Attention(g), .inputs = CN_TENSORS(q, v, k)), CN_DIMS(1, 2, 2), 1e-3, 2.462, 3.462, 1.538, 2.538);
  CHECK_TENSOR(cn_call(g, cn_Attention(g, .score_mode = "concat"), .inputs = CN_TENSORS(q, v, k)), CN_DIMS(1, 2, 2), 1e-3, 1.727, 2.727, 2.272, 3.272);
  CHECK_TENSOR(cn_call(g, cn_AdditiveAttention(g, .use_scale = false), .inputs = CN_TENSORS(q, v, k)), CN_DIMS(1, 2, 2), 1e-3, 1.727, 2.727, 2.272, 3.272);
  cn_tensor *one = BOOLS(CN_DIMS(1, 2), true, false), *y = cn_call(g, cn_Attention(g), .inputs = CN_TENSORS(q, v, k), .masks = CN_TENSORS(one, one));
  CHECK_TENSOR(y, CN_DIMS(1, 2, 2), 1e-6, 1, 2, 0, 0);
  CHECK_TENSOR(cn_mask_of(y), CN_DIMS(1, 2), 0, 1, 0);
}
Test(layers_attention, the_fused_call_is_the_one_with_scores) {
  cn_tensor *q = uniform(CN_DIMS(2, 3, 4), 1), *v = uniform(CN_DIMS(2, 4, 4), 2), *y[1 + CN_LAYER_OUTPUTS];
  const char *const layers[] = { "Attention(true, dtype=float64)", "MultiHeadAttention(2, 3, 5, dtype=float64)", "GroupQueryAttention(3, 4, 2, dtype=float64)",
                                 "GroupQueryAttention(3, 4, 2, sliding_window=2, use_gate=true, dtype=float64)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int64_t causal = 0; causal < 2; causal++) {
      cn_layer *l = cn_layer_from(g, layers[i]);
      cn_call_args a = { .graph = g,
                         .layer = l,
                         .x = CN_NO_TENSOR,
                         .mask = CN_NO_TENSOR,
                         .attention_mask = CN_NO_TENSOR,
                         .query_mask = CN_NO_TENSOR,
                         .value_mask = CN_NO_TENSOR,
                         .key_mask = CN_NO_TENSOR,
                         .inputs = CN_TENSORS(q, v),
                         .use_causal_mask = causal };
      cn_tensor *fused = cn_call_run(&a);
      a.return_attention_scores = 1;
      cr_assert(cn_call_layer(&a, y, &(int64_t){ 0 }), "%s: %s", layers[i], cn_error(g));
      check_same(fused, y[0], 1e-12);
    }
}
Test(layers_attention, masks_and_windows_hide_scores) {
  cn_tensor *x = uniform(CN_DIMS(1, 4, 2), 1), *s = SCORES(cn_MultiHeadAttention(g, 1, 2, .sliding_window = 2, .dtype = "float64"), .inputs = CN_TENSORS(x, x));
  for (int i = 0; i < 16; i++) cr_assert_eq(cn_at(s, i) > 0, abs(i / 4 - i % 4) < 2, "score %d is %g", i, cn_at(s, i));
  CHECK_TENSOR(cn_mask_of(s), CN_DIMS(1, 1, 4, 4), 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1);
  cn_tensor *two = BOOLS(CN_DIMS(1, 4), true, true, false, false);
  s = SCORES(cn_GroupQueryAttention(g, 2, 2, 1, .dtype = "float64"), .inputs = CN_TENSORS(x, x), .value_mask = two, .use_causal_mask = 1);
  for (int i = 0; i < 32; i++) cr_assert_eq(cn_at(s, i) > 0, i % 4 < 2 && i % 4 <= i / 4 % 4, "score %d is %g", i, cn_at(s, i));
  s = SCORES(cn_AdditiveAttention(g, .dtype = "float64"), .inputs = CN_TENSORS(x, x), .masks = CN_TENSORS(CN_NO_TENSOR, two), .use_causal_mask = 1);
  for (int i = 0; i < 16; i++) cr_assert_eq(cn_at(s, i) > 0, i % 4 < 2 && i % 4 <= i / 4, "score %d is %g", i, cn_at(s, i));
}
Test(layers_attention, an_explicit_query_mask_counts_for_groups_only) {
  cn_tensor *x = uniform(CN_DIMS(1, 2, 2), 1), *first = BOOLS(CN_DIMS(1, 2), true, false);
  cn_tensor *s = SCORES(cn_GroupQueryAttention(g, 2, 1, 1, .dtype = "float64"), .inputs = CN_TENSORS(x, x), .query_mask = first);
  cr_assert(cn_at(s, 0) > 0 && cn_at(s, 2) == 0 && cn_at(s, 3) == 0);
  s = SCORES(cn_MultiHeadAttention(g, 1, 2, .dtype = "float64"), .inputs = CN_TENSORS(x, x), .query_mask = first);
  cr_assert(cn_at(s, 2) > 0 && cn_at(s, 3) > 0 && !cn_mask_of(s));
}
Test(layers_attention, a_group_is_a_head_of_repeated_keys) {
  cn_layer *group = cn_GroupQueryAttention(g, 2, 4, 2, .use_bias = false), *multi = cn_MultiHeadAttention(g, 4, 2, .use_bias = false);
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 2, 3), 1, -2, 3, 0, 5, -6), *w[4];
  cn_tensor *y = cn_call(g, group, .inputs = CN_TENSORS(x, x));
  cr_assert_eq(cn_weights(group, w, 4), 4);
  for (int i = 1; i < 3; i++) w[i] = cn_repeat(g, w[i], CN_INTS(2), .axis = 1);
  cr_assert(cn_build(multi, (const cn_dims[]){ *CN_DIMS(1, 2, 3), *CN_DIMS(1, 2, 3) }, 2) && cn_set_weights(multi, w, 4), "%s", cn_error(g));
  check_same(y, cn_call(g, multi, .inputs = CN_TENSORS(x, x)), 1e-6);
}
Test(layers_attention, dropout_acts_in_training_by_its_seed) {
  const char *const layers[] = { "Attention(dropout=0.5, seed=3)", "AdditiveAttention(dropout=0.5, seed=3)", "MultiHeadAttention(2, 2, dropout=0.5, seed=3)",
                                 "GroupQueryAttention(2, 2, 1, 0.5, seed=3)" };
  cn_tensor *x = cn_cast(g, uniform(CN_DIMS(2, 8, 4), 1), .dtype = "float32");
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    cn_layer *l = cn_layer_from(g, layers[i]);
    cn_tensor *still = cn_call(g, l, .inputs = CN_TENSORS(x, x)), *first = cn_call(g, l, .inputs = CN_TENSORS(x, x), .training = 1),
              *second = cn_call(g, l, .inputs = CN_TENSORS(x, x), .training = 1);
    cr_assert(still && first && second, "%s: %s", layers[i], cn_error(g));
    cr_assert(cn_at(cn_sum(g, cn_abs(g, cn_subtract(g, still, first))), 0) > 1e-3 && cn_at(cn_sum(g, cn_abs(g, cn_subtract(g, second, first))), 0) > 1e-3, "%s",
              layers[i]);
  }
}

/* ---- gradients ---- */
static cn_tensor *attended(cn_graph *graph, cn_tensor *const *x, int64_t n, void *layer) {
  const cn_tensors list = { x, n };
  return cn_call(graph, layer, .inputs = list, .use_causal_mask = 1);
}
Test(layers_attention, gradients_of_orders_1_and_2) {
  const char *const layers[] = { "Attention(true, dtype=float64)",
                                 "Attention(true, concat, dtype=float64)",
                                 "AdditiveAttention(dtype=float64)",
                                 "MultiHeadAttention(2, 2, dtype=float64)",
                                 "MultiHeadAttention(2, 2, 3, dropout=0.5, output_shape=[2, 2], use_gate=true, dtype=float64)",
                                 "GroupQueryAttention(2, 4, 2, sliding_window=2, dtype=float64)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    const cn_gradcheck_report r =
        cn_gradcheck(g, attended, CN_TENSORS(uniform(CN_DIMS(2, 3, 2), 1), uniform(CN_DIMS(2, 4, 2), 2)), .user = cn_layer_from(g, layers[i]), .order = 2);
    cr_assert(r.passed && cn_ok(g), "%s: %s (%s)", layers[i], r.text, cn_error(g));
  }
}

/* ---- shapes ---- */
Test(layers_attention, sizes_may_be_unknown) {
  cn_tensor *x = cn_Input(g, CN_DIMS(CN_UNKNOWN, 4)), *v = cn_Input(g, CN_DIMS(CN_UNKNOWN, 4)), *in[] = { x, v };
  cn_tensor *y = cn_call(g, cn_MultiHeadAttention(g, 2, 3, .sliding_window = 2), .inputs = CN_TENSORS(x, v), .use_causal_mask = 1);
  y = cn_call(g, cn_Attention(g, .score_mode = "concat"), .inputs = CN_TENSORS(y, v), .use_causal_mask = 1);
  cr_assert(y, "%s", cn_error(g));
  cn_model *m = cn_Model(g, (const cn_tensors){ in, 2 }, CN_TENSORS(y));
  cr_assert(m, "%s", cn_error(g));
  for (int64_t t = 1; t < 4; t++) {
    cn_tensor *z = cn_call(g, (cn_layer *)m, .inputs = CN_TENSORS(cn_ones(g, CN_F32, CN_DIMS(2, t, 4)), cn_ones(g, CN_F32, CN_DIMS(2, t + 1, 4))));
    cr_assert(z && cn_dims_equal((const cn_dims[]){ cn_dims_of(z) }, CN_DIMS(2, t, 4)), "%s", cn_error(g));
  }
}
Test(layers_attention, axes_between_are_attended_over_or_kept) {
  cn_tensor *x = uniform(CN_DIMS(2, 2, 3, 4), 1);
  cn_tensor *s = SCORES(cn_MultiHeadAttention(g, 2, 2, .attention_axes = CN_INTS(-2), .dtype = "float64"), .inputs = CN_TENSORS(x, x));
  cr_assert(cn_dims_equal((const cn_dims[]){ cn_dims_of(s) }, CN_DIMS(2, 2, 2, 3, 3)));
  s = SCORES(cn_MultiHeadAttention(g, 2, 2, .dtype = "float64"), .inputs = CN_TENSORS(x, x));
  cr_assert(cn_dims_equal((const cn_dims[]){ cn_dims_of(s) }, CN_DIMS(2, 2, 2, 3, 2, 3)));
}
Test(layers_attention, names_are_those_of_keras) {
  cn_tensor *w[8];
  cn_layer *l = cn_layer_from(g, "GroupedQueryAttention(2, 2, 1)");
  cr_assert_str_eq(l->name, "grouped_query_attention");
  cr_assert(cn_build(l, (const cn_dims[]){ *CN_DIMS(1, 2, 3), *CN_DIMS(1, 2, 3) }, 2), "%s", cn_error(g));
  cr_assert_eq(cn_weights(l, w, 8), 8);
  cr_assert_str_eq(l->layers[0]->name, "query");
  cr_assert_str_eq(l->layers[3]->name, "attention_output");
}

Test(layers_attention, configs_of_older_keras_are_read) {
  cr_assert(cn_layer_from_config(g, "{\"class_name\": \"MultiHeadAttention\", \"config\": {\"num_heads\": 2, \"key_dim\": 3, \"query_shape\": [null, 2, 3], "
                                    "\"key_shape\": null, \"value_shape\": null}}"),
            "%s", cn_error(g));
  cr_assert(cn_layer_from_config(g, "{\"class_name\": \"Attention\", \"config\": {\"causal\": false, \"use_scale\": true}}"), "%s", cn_error(g));
  cr_assert_null(cn_layer_from_config(g, "{\"class_name\": \"AdditiveAttention\", \"config\": {\"causal\": true}}"));
  CHECK_REFUSED(g, CN_VALUE, "AdditiveAttention: no option \"causal\"");
}

/* ---- what is refused ---- */
#define X CN_DIMS(2, 3, 4)
static cn_tensor *of(const cn_dims *d) { return cn_zeros(g, CN_F32, d); }
Test(layers_attention, what_is_refused) {
  cr_assert_null(cn_layer_from(g, "Attention(score_mode=x)"));
  CHECK_REFUSED(g, CN_VALUE, "Attention: score_mode must be dot or concat, got x");
  cr_assert_null(cn_layer_from(g, "GroupQueryAttention(2, 3, 2)"));
  CHECK_REFUSED(g, CN_VALUE, "GroupQueryAttention: num_query_heads 3 is no multiple of num_key_value_heads 2");
  cr_assert_null(cn_MultiHeadAttention(g, 2, 2, .flash_attention = true, .dropout = 0.5));
  CHECK_REFUSED(g, CN_VALUE, "MultiHeadAttention: flash_attention does not go with dropout");
  cr_assert_null(
      cn_call(g, cn_MultiHeadAttention(g, 2, 2, .flash_attention = true, .name = "f"), .inputs = CN_TENSORS(of(X), of(X)), .return_attention_scores = 1));
  CHECK_REFUSED(g, CN_VALUE, "MultiHeadAttention: flash_attention has no scores to return (in f)");
  cr_assert_null(cn_call(g, cn_Attention(g, .name = "a"), of(X)));
  CHECK_REFUSED(g, CN_VALUE, "Attention: 1 inputs, wanted at least 2 (in a)");
  cr_assert_null(cn_call(g, cn_Attention(g, .name = "a"), .inputs = CN_TENSORS(of(X), of(X)), .masks = CN_TENSORS(CN_NO_TENSOR)));
  CHECK_REFUSED(g, CN_VALUE, "Attention: masks must be a list of 2 or 3 (in a)");
  cr_assert_null(cn_call(g, cn_MultiHeadAttention(g, 2, 2, .name = "a"), .inputs = CN_TENSORS(of(X), of(X), of(CN_DIMS(2, 5, 4)))));
  CHECK_REFUSED(g, CN_SHAPE, "MultiHeadAttention: the key [2,5,4] does not fit the value [2,3,4] (in a)");
  cr_assert_null(cn_call(g, cn_MultiHeadAttention(g, 2, 2, .attention_axes = CN_INTS(1, -2), .name = "a"), .inputs = CN_TENSORS(of(X), of(X))));
  CHECK_REFUSED(g, CN_INDEX, "attention_axes: axis 1 is named twice (in a)");
  cr_assert_null(cn_call(g, cn_MultiHeadAttention(g, 2, 2, .attention_axes = CN_INTS(2), .name = "a"), .inputs = CN_TENSORS(of(X), of(X))));
  CHECK_REFUSED(g, CN_INDEX, "attention_axes must not name the last axis (in a)");
  cr_assert_null(cn_call(g, cn_MultiHeadAttention(g, 2, 2, .output_shape = CN_INTS(1, 1, 1, 1, 1, 1, 1), .name = "a"), .inputs = CN_TENSORS(of(X), of(X))));
  CHECK_REFUSED(g, CN_SHAPE, "MultiHeadAttention: attention_output would have more than 8 axes (in a)");
}

/* ---- memory ---- */
static cn_tensor *use(cn_graph *h, const char *text) {
  cn_layer *l = cn_layer_from(h, text);
  cn_tensor *x = cn_ones(h, CN_F32, CN_DIMS(2, 3, 4));
  return cn_ok(h) ? cn_call(h, l, .inputs = CN_TENSORS(x, x), .training = 1, .use_causal_mask = 1) : NULL;
}
Test(layers_attention, any_allocation_may_fail) {
  const char *const layers[] = { "Attention(true)", "AdditiveAttention(dropout=0.5)", "MultiHeadAttention(2, 2, dropout=0.5, use_gate=true, sliding_window=2)",
                                 "GroupQueryAttention(2, 2, 1)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int64_t k = 1, done = 0; !done; k++) {
      counting n = { .fail_at = k };
      cn_graph *h = graph_counting(&n);
      cn_tensor *y = h ? use(h, layers[i]) : NULL;
      done = n.calls < k;
      if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && y, "%s: %s", layers[i], cn_error(h));
      else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "%s, call %d: %s", layers[i], (int)k, cn_error(h));
      cn_graph_free(h);
      cr_assert_eq(n.live, 0, "%s: %d pieces left", layers[i], (int)n.live);
    }
}
