/* ConvLSTM1D to 3D: against LSTM, layouts, the cell by hand, gradients of two orders, dropout, configs, refusals, memory. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_recurrent_conv, .init = begin, .fini = end);

static cn_layer *from(const char *text) {
  cn_layer *l = cn_layer_from(g, text);
  cr_assert(l, "%s: %s", text, cn_error(g));
  return l;
}
static void check_equal(const cn_tensor *a, const cn_tensor *b) {
  cr_assert(a && b, "%s", cn_error(g));
  cr_assert_eq(cn_count(a), cn_count(b));
  for (int64_t i = 0; i < cn_count(a); i++) CHECK_NEAR(cn_at(a, i), cn_at(b, i), 1e-6);
}

/* ---- values ---- */
Test(layers_recurrent_conv, a_window_of_one_point_is_an_lstm) {
  cn_layer *conv = from("ConvLSTM2D(3, 1, return_sequences=true, go_backwards=true)"), *lstm = from("LSTM(3, return_sequences=true, go_backwards=true)");
  cn_tensor *x = cn_random_normal(g, CN_INTS(2, 4, 5), .seed = 2), *w[3], *v[3];
  cn_tensor *a = cn_call(g, lstm, x), *b = cn_call(g, conv, cn_reshape(g, x, .newshape = CN_INTS(2, 4, 1, 1, 5)));
  cr_assert(a && b, "%s", cn_error(g));
  cr_assert_eq(cn_weights(lstm, w, 3), 3);
  v[0] = cn_reshape(g, w[0], .newshape = CN_INTS(1, 1, 5, 12)), v[1] = cn_reshape(g, w[1], .newshape = CN_INTS(1, 1, 3, 12)), v[2] = w[2];
  cr_assert(cn_set_weights(conv, v, 3), "%s", cn_error(g));
  check_equal(cn_call(g, conv, cn_reshape(g, x, .newshape = CN_INTS(2, 4, 1, 1, 5))), a);
  cn_tensor *mask = cn_array(g, CN_BOOL, CN_DIMS(2, 4), (const bool[]){ 1, 0, 1, 1, 1, 1, 0, 0 });
  check_equal(cn_call(g, conv, cn_reshape(g, x, .newshape = CN_INTS(2, 4, 1, 1, 5)), .mask = mask), cn_call(g, lstm, x, .mask = mask));
}
Test(layers_recurrent_conv, the_place_of_the_channels_makes_no_difference) {
  cn_layer *last = from("ConvLSTM2D(2, 2, strides=[1,2], padding=same, return_sequences=true)"),
           *first = from("ConvLSTM2D(2, 2, strides=[1,2], padding=same, return_sequences=true, data_format=channels_first)");
  cn_tensor *x = cn_random_normal(g, CN_INTS(2, 3, 4, 5, 3), .seed = 4), *moved = cn_transpose(g, x, .axes = CN_INTS(0, 1, 4, 2, 3)), *w[3];
  cr_assert(cn_call(g, last, x) && cn_call(g, first, moved), "%s", cn_error(g));
  cn_weights(last, w, 3);
  cr_assert(cn_set_weights(first, w, 3), "%s", cn_error(g));
  check_equal(cn_call(g, first, moved), cn_transpose(g, cn_call(g, last, x), .axes = CN_INTS(0, 1, 4, 2, 3)));
}
Test(layers_recurrent_conv, the_cell_by_hand_does_what_the_layer_does) {
  cn_layer *cell = cn_ConvLSTMCell(g, 2, .kernel_size = { { 3 } }, .strides = { { 2 } }), *layer = cn_RNN(g, cell);
  cn_tensor *x = cn_random_normal(g, CN_INTS(2, 3, 7, 2), .seed = 5), *y = cn_call(g, layer, x), *s[1 + CN_LAYER_OUTPUTS];
  int64_t n = 0;
  s[1] = s[2] = cn_zeros(g, CN_F32, CN_DIMS(2, 3, 2));
  for (int t = 0; t < 3; t++) {
    cn_tensor *in[] = { cn_unstack(g, x, .axis = 1)[t], s[1], s[2] };
    cr_assert(cn_call_layer(&(const cn_call_args){ .graph = g, .layer = cell, .inputs = { in, 3 }, .training = 0 }, s, &n), "%s", cn_error(g));
    cr_assert_eq(n, 3);
  }
  check_equal(s[0], y);
}
Test(layers_recurrent_conv, gradients_of_orders_1_and_2) {
  const struct { const char *layer; cn_ints shape; } cases[] = {
    { "ConvLSTM1D(2, 2, strides=2, return_sequences=true)", CN_INTS(1, 2, 4, 2) },
    { "ConvLSTM2D(1, [2,1], padding=same, data_format=channels_first)", CN_INTS(1, 2, 2, 3, 2) },
    { "ConvLSTM3D(1, 2, use_bias=false)", CN_INTS(1, 2, 2, 2, 3, 1) },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const cn_gradcheck_report r =
        cn_gradcheck_layer(g, from(cases[i].layer), cn_random_uniform(g, cases[i].shape, .minval = -1, .maxval = 1, .seed = 3), .order = 2, .directions = 2);
    cr_assert(r.passed && cn_ok(g), "%s: %s (%s)", cases[i].layer, r.text, cn_error(g));
  }
}

/* ---- dropout ---- */
Test(layers_recurrent_conv, dropout_is_the_same_at_every_step_of_a_call) {
  cn_layer *l = from("ConvLSTM1D(1, 1, kernel_initializer=ones, recurrent_initializer=zeros, recurrent_activation=relu, activation=linear, "
                     "bias_initializer=zeros, unit_forget_bias=false, dropout=0.5, return_sequences=true)");
  cn_tensor *y = cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 2, 40, 1)), .training = 1);
  CHECK_OK(g);
  int64_t zeros = 0;
  for (int64_t i = 0; i < 40; i++) {
    zeros += cn_at(y, i) == 0;
    cr_assert(cn_at(y, i) == 0 || cn_at(y, i) == 8);        /* i f(g) o of 2 each */
    cr_assert_eq(cn_at(y, 40 + i), cn_at(y, i) == 0 ? 0 : 24); /* c = 2 4 + 4 */
  }
  cr_assert(zeros > 5 && zeros < 35);
}
Test(layers_recurrent_conv, recurrent_dropout_leaves_the_first_step_alone) {
  cn_layer *l = from("ConvLSTM1D(1, 3, padding=same, recurrent_dropout=0.5, seed=3)");
  cn_tensor *one = cn_ones(g, CN_F32, CN_DIMS(2, 1, 8, 1)), *two = cn_ones(g, CN_F32, CN_DIMS(2, 2, 8, 1));
  check_equal(cn_call(g, l, one, .training = 1), cn_call(g, l, one));
  cn_tensor *a = cn_call(g, l, two, .training = 1), *b = cn_call(g, l, two);
  double apart = 0;
  for (int64_t i = 0; i < cn_count(a); i++) apart += fabs(cn_at(a, i) - cn_at(b, i));
  cr_assert_gt(apart, 1e-3);
}

/* ---- configs, refusals, memory ---- */
Test(layers_recurrent_conv, configs_come_back) {
  const char *first = cn_layer_config(from("ConvLSTM3D(2, [1,2,3], strides=[1,1,2], padding=same, dropout=0.25, seed=4, stateful=true)"));
  cn_layer *again = first ? cn_layer_from_config(g, first) : NULL;
  cr_assert(again, "%s", cn_error(g));
  cr_assert_str_eq(cn_layer_config(again), first);
}
Test(layers_recurrent_conv, refused) {
  static const struct { const char *layer, *text; cn_code code; } cases[] = {
    { "ConvLSTM2D(2, [2,2,2])", "ConvLSTM2D: kernel_size must be 1 number or 2, got 3", CN_VALUE },
    { "ConvLSTM1D(2, 2, padding=causal)", "ConvLSTM1D: padding must be valid or same, got \"causal\"", CN_VALUE },
    { "ConvLSTM1D(2, 0)", "ConvLSTM1D: kernel_size must be positive, got 0", CN_VALUE },
    { "ConvLSTM1D(0, 2)", "ConvLSTM1D: filters must be positive, got 0", CN_VALUE },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert(cn_layer_from(g, cases[i].layer) == NULL, "%s", cases[i].layer);
    CHECK_REFUSED(g, cases[i].code, cases[i].text);
  }
  cr_assert_null(cn_call(g, from("ConvLSTM1D(2, 2, name=a)"), cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, 3, CN_UNKNOWN, 2))));
  CHECK_REFUSED(g, CN_SHAPE, "ConvLSTM: the spatial axes must be known, got [?,?,2] (in a)");
  cr_assert_null(cn_call(g, from("ConvLSTM1D(2, 5, name=b)"), cn_ones(g, CN_F32, CN_DIMS(1, 2, 3, 1))));
  CHECK_REFUSED(g, CN_SHAPE, "the output would be empty: inputs [1,3,1], kernel [5,1,2] (in b)");
  cn_layer *l = from("ConvLSTM1D(2, 2, data_format=channels_first, name=c)");
  cr_assert(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 2, 1, 4))), "%s", cn_error(g));
  cr_assert_null(cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(1, 2, 2, 4))));
  CHECK_REFUSED(g, CN_SHAPE, "ConvLSTM1D: input 0 does not fit: expected axis 2 to have value 1, found shape [1,2,2,4] (in c)");
  cr_assert_null(cn_call(g, cn_RNN(g, cn_ConvLSTMCell(g, 2, .kernel_size = { { 2 } }), .name = "d"), cn_ones(g, CN_F32, CN_DIMS(2, 3, 4))));
  CHECK_REFUSED(g, CN_SHAPE, "ConvLSTM: a step needs 1 to 3 spatial axes, got [2,4] (in d)");
}
Test(layers_recurrent_conv, any_allocation_may_fail) {
  for (int64_t k = 1, done = 0; !done; k++) {
    counting n = { .fail_at = k };
    cn_graph *h = graph_counting(&n);
    cn_layer *l = h ? cn_layer_from(h, "ConvLSTM1D(2, 2, stateful=true, dropout=0.5, recurrent_dropout=0.5)") : NULL;
    cn_tensor *y = l ? cn_call(h, l, cn_ones(h, CN_F32, CN_DIMS(2, 2, 3, 1)), .training = 1) : NULL;
    done = n.calls < k;
    if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && y, "%s", cn_error(h));
    else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "call %d: %s", (int)k, cn_error(h));
    cn_graph_free(h);
    cr_assert_eq(n.live, 0, "%d pieces left", (int)n.live);
  }
}
