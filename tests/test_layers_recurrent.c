/* Recurrent layers: values known from Keras' own tests, gradients of two orders, states, masks, configs, refusals, memory. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_recurrent, .init = begin, .fini = end);

#define SET "kernel_initializer=constant(0.01), recurrent_initializer=constant(0.02), bias_initializer=constant(0.03)"
#define ADD_UP "kernel_initializer=ones, recurrent_initializer=ones, activation=linear"

static cn_tensor *ascending(const cn_dims *d) {
  const cn_ints shape = { d->d, d->rank };
  return cn_reshape(g, cn_arange(g, CN_F32, 0, (double)cn_dims_count(d), 1), .newshape = shape);
}
/* A cell stands in an RNN. */
static cn_layer *layer_of(cn_graph *h, const char *text) {
  cn_layer *l = cn_layer_from(h, text);
  return l && strstr(l->object.cls->schema.name, "Cell") ? cn_RNN(h, l, .return_sequences = true) : l;
}
static cn_tensor *booleans(const cn_dims *d, const bool *x) { return cn_array(g, CN_BOOL, d, x); }

/* ---- values ---- */
/* All units of a row are equal: the first is compared. */
static void check_rows(const char *layer, cn_tensor *x, cn_tensor *mask, int64_t rows, const double *wanted) {
  cn_tensor *y = cn_call(g, cn_layer_from(g, layer), x, .mask = mask);
  cr_assert(y, "%s: %s", layer, cn_error(g));
  for (int64_t i = 0; i < rows; i++) CHECK_NEAR(cn_at(y, i * (cn_count(y) / rows)), wanted[i], 2e-6);
}
Test(layers_recurrent, values_of_keras) {
  cn_tensor *a = ascending(CN_DIMS(2, 3, 4)), *b = ascending(CN_DIMS(3, 6, 4));
  check_rows("SimpleRNN(4, " SET ")", a, CN_NO_TENSOR, 2, (const double[]){ 0.405432, 0.73605347 });
  check_rows("SimpleRNN(4, " SET ", go_backwards=true)", a, CN_NO_TENSOR, 2, (const double[]){ 0.11144729, 0.5528889 });
  check_rows("GRU(3, " SET ")", b, CN_NO_TENSOR, 3, (const double[]){ 0.5217289, 0.6371659, 0.39384964 });
  check_rows("GRU(3, " SET ", reset_after=false)", b, CN_NO_TENSOR, 3, (const double[]){ 0.51447755, 0.6426879, 0.40208298 });
  check_rows("LSTM(3, " SET ")", b, CN_NO_TENSOR, 3, (const double[]){ 0.6288687, 0.86899155, 0.9460773 });
  check_rows("LSTM(3, " SET ", unit_forget_bias=false)", b, CN_NO_TENSOR, 3, (const double[]){ 0.57019705, 0.8661914, 0.9459622 });
  check_rows("Bidirectional(SimpleRNN(2, " SET "), merge_mode=ave)", a, CN_NO_TENSOR, 2, (const double[]){ 0.24845785, 0.6288199 });
}
Test(layers_recurrent, masked_steps_keep_states_and_output) {
  cn_tensor *x = ascending(CN_DIMS(2, 4, 3)), *mask = booleans(CN_DIMS(2, 4), (const bool[]){ 1, 1, 0, 1, 1, 0, 0, 1 });
  check_rows("SimpleRNN(4, " SET ")", x, mask, 2, (const double[]){ 0.32951632, 0.61799484 });
  check_rows("SimpleRNN(2, " SET ", return_sequences=true)", x, mask, 8,
             (const double[]){ 0.0599281, 0.15122814, 0.15122814, 0.32394567, 0.3969304, 0.3969304, 0.3969304, 0.608085 });
  check_rows("SimpleRNN(2, " SET ", return_sequences=true, zero_output_for_mask=true)", x, mask, 8,
             (const double[]){ 0.0599281, 0.15122814, 0, 0.32394567, 0.3969304, 0, 0, 0.608085 });
}
Test(layers_recurrent, cells_by_hand_do_what_the_layer_does) {
  const char *const cells[] = { "SimpleRNNCell(2)", "GRUCell(2, reset_after=false)", "GRUCell(2)", "LSTMCell(2)",
                                "StackedRNNCells([LSTMCell(3), GRUCell(2), SimpleRNNCell(2)])" };
  for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
    cn_layer *cell = cn_layer_from(g, cells[i]), *layer = cn_RNN(g, cell, .return_state = true);
    cn_tensor *x = cn_random_normal(g, CN_INTS(3, 4, 2), .seed = 5), *y[1 + CN_LAYER_OUTPUTS], *s[1 + CN_LAYER_OUTPUTS];
    int64_t n = 0, m = 0;
    cr_assert(
        cn_call_layer(&(const cn_call_args){ .graph = g, .layer = layer, .x = x, .training = 0, .mask = CN_NO_TENSOR, .attention_mask = CN_NO_TENSOR }, y, &n),
        "%s", cn_error(g));
    for (int64_t k = 1; k < n; k++) s[k] = cn_zeros(g, CN_F32, &(const cn_dims){ 2, { 3, cn_dims_of(y[k]).d[1] } });
    for (int t = 0; t < 4; t++) {
      s[0] = cn_unstack(g, x, .axis = 1)[t];
      cn_tensor *in[1 + CN_LAYER_OUTPUTS];
      memcpy(in, s, sizeof in);
      cr_assert(cn_call_layer(&(const cn_call_args){ .graph = g, .layer = cell, .inputs = { in, n }, .training = 0 }, s, &m), "%s", cn_error(g));
      cr_assert_eq(m, n);
    }
    for (int64_t k = 0; k < n; k++)
      for (int64_t j = 0; j < cn_count(y[k]); j++) CHECK_NEAR(cn_at(s[k], j), cn_at(y[k], j), 1e-6);
  }
}

/* ---- gradients ---- */
Test(layers_recurrent, gradients_of_orders_1_and_2) {
  const char *const layers[] = { "SimpleRNN(2, return_sequences=true)",
                                 "GRU(2)",
                                 "GRU(2, reset_after=false, return_sequences=true, go_backwards=true)",
                                 "LSTM(2, return_sequences=true)",
                                 "Bidirectional(LSTM(2), merge_mode=mul)",
                                 "GRUCell(2)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    cn_layer *l = layer_of(g, layers[i]);
    cr_assert(l, "%s", cn_error(g));
    const cn_gradcheck_report r =
        cn_gradcheck_layer(g, l, cn_random_uniform(g, CN_INTS(2, 3, 2), .minval = -1, .maxval = 1, .seed = 3), .order = 2, .directions = 2);
    cr_assert(r.passed && cn_ok(g), "%s: %s (%s)", layers[i], r.text, cn_error(g));
  }
}

/* ---- states ---- */
Test(layers_recurrent, a_stateful_layer_goes_on_where_it_ended) {
  cn_layer *l =
      cn_SimpleRNN(g, 1, .activation = CN_NAME("linear"), .kernel_initializer = CN_NAME("ones"), .recurrent_initializer = CN_NAME("ones"), .stateful = true);
  cn_tensor *x = FLOATS(g, CN_DIMS(2, 2, 1), 1, 2, 10, 20);
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(2, 1), 0, 3, 30);
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(2, 1), 0, 6, 60);
  cr_assert_eq(cn_weights(l, NULL, 0), 3);
  cn_reset_state(l);
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(2, 1), 0, 3, 30);
  cr_assert(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2, 1), 1, 2)) == NULL);
  CHECK_REFUSED(g, CN_SHAPE, "SimpleRNN: the state is [2,1], this batch needs [1,1] (in simple_rnn)");
}
Test(layers_recurrent, a_stateful_step_can_be_differentiated_after_it) {
  cn_layer *l = cn_LSTM(g, 2, .stateful = true);
  cn_tensor *x = cn_random_normal(g, CN_INTS(2, 3, 2)), *w;
  cn_call(g, l, x);
  cn_tensor *loss = cn_sum(g, cn_call(g, l, x));
  cn_trainable_weights(l, &w, 1);
  cr_assert(cn_backward(g, loss), "%s", cn_error(g));
  cr_assert_not_null(cn_grad(w));
}
Test(layers_recurrent, initial_states_of_both_directions) {
  cn_layer *l = cn_Bidirectional(g, cn_layer_from(g, "SimpleRNN(1, " ADD_UP ", return_state=true)"));
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 2, 1), 1, 2),
            *y = cn_call(g, l, x, .initial_state = CN_TENSORS(FLOATS(g, CN_DIMS(1, 1), 10), FLOATS(g, CN_DIMS(1, 1), 20)));
  CHECK_TENSOR(y, CN_DIMS(1, 2), 0, 13, 23);
  cr_assert(cn_call(g, l, x, .initial_state = CN_TENSORS(x)) == NULL);
  CHECK_REFUSED(g, CN_VALUE, "Bidirectional: 1 initial states, wanted as many for each direction (in bidirectional)");
}

/* ---- dropout ---- */
Test(layers_recurrent, dropout_is_the_same_at_every_step_of_a_call) {
  cn_layer *l = layer_of(g, "StackedRNNCells([SimpleRNNCell(40, kernel_initializer=identity, recurrent_initializer=zeros, activation=linear, dropout=0.5)])");
  cn_tensor *y = cn_call(g, l, cn_ones(g, CN_F32, CN_DIMS(2, 3, 40)), .training = 1);
  CHECK_OK(g);
  int64_t zeros = 0;
  for (int64_t i = 0; i < 40; i++) {
    zeros += cn_at(y, i) == 0;
    cr_assert(cn_at(y, i) == 0 || cn_at(y, i) == 2);
    cr_assert(cn_at(y, i) == cn_at(y, 40 + i) && cn_at(y, i) == cn_at(y, 80 + i));
  }
  cr_assert(zeros > 5 && zeros < 35);
}

/* ---- configs ---- */
Test(layers_recurrent, configs_come_back) {
  const char *const layers[] = { "Bidirectional(GRU(2, return_sequences=true), merge_mode=none)", "StackedRNNCells([LSTMCell(3), GRUCell(2)])",
                                 "LSTM(3, dropout=0.25, seed=4, stateful=true)" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    const char *first = cn_layer_config(cn_layer_from(g, layers[i]));
    cn_layer *again = first ? cn_layer_from_config(g, first) : NULL;
    cr_assert(again, "%s: %s", layers[i], cn_error(g));
    cr_assert_str_eq(cn_layer_config(again), first);
  }
}

/* ---- refusals ---- */
/* Batch statistics are those of a step, and the moving ones move at every step. */
Test(layers_recurrent, time_distributed_calls_the_layer_at_each_step) {
  cn_layer *l = cn_TimeDistributed(g, cn_BatchNormalization(g, .momentum = 0.5, .epsilon = 1e-9));
  cn_tensor *x = FLOATS(g, CN_DIMS(2, 3, 1), 0, 4, 1, 2, 8, 1);
  CHECK_TENSOR(cn_call(g, l, x, .training = 1), CN_DIMS(2, 3, 1), 1e-5, -1, -1, 0, 1, 1, 0);
  CHECK_NEAR(cn_at(weight_at(l, 2), 0), 2.125, 1e-6);
  CHECK_NEAR(cn_at(weight_at(l, 3), 0), 1.25, 1e-6);
  CHECK_TENSOR(cn_call(g, l, x), CN_DIMS(2, 3, 1), 1e-5, -2.125 / sqrt(1.25), 1.875 / sqrt(1.25), -1.125 / sqrt(1.25), -0.125 / sqrt(1.25), 5.875 / sqrt(1.25),
               -1.125 / sqrt(1.25));
  enum { T = 8, D = 16 };
  cn_tensor *y =
      cn_call(g, cn_TimeDistributed(g, cn_Dropout(g, 0.5, .noise_shape = CN_INTS(1, D), .seed = 3)), cn_ones(g, CN_F32, CN_DIMS(2, T, D)), .training = 1);
  int apart = 0;
  for (int t = 1; t < T; t++)
    for (int i = 0; i < D; i++) apart += cn_at(y, t * D + i) != cn_at(y, i);
  for (int i = 0; i < T * D; i++) cr_assert_eq(cn_at(y, i), cn_at(y, T * D + i));
  cr_assert(apart > D);
  cn_tensor *z =
      cn_call(g, cn_TimeDistributed(g, cn_LSTM(g, 2, .stateful = true, .kernel_initializer = CN_NAME("ones"))), cn_ones(g, CN_F32, CN_DIMS(2, 2, 3, 1)));
  cr_assert(z && cn_at(z, 0) != cn_at(z, 2)); /* the second step goes on where the first ended */
  CHECK_OK(g);
}

Test(layers_recurrent, refused) {
  static const struct { const char *layer, *text; cn_code code;
  } cases[] = {
    { "StackedRNNCells([])", "StackedRNNCells: cells must hold one cell at least", CN_VALUE },
    { "Bidirectional(Dense(3))", "Bidirectional: layer: Dense is no recurrent layer", CN_VALUE },
    { "Bidirectional(LSTM(3), merge_mode=best)", "Bidirectional: merge_mode must be concat, sum, mul, ave or None, got \"best\"", CN_VALUE },
    { "Bidirectional(LSTM(3), backward_layer=LSTM(3))", "Bidirectional: layer and backward_layer must differ in go_backwards", CN_VALUE },
    { "Bidirectional(LSTM(3), backward_layer=LSTM(3, go_backwards=true, stateful=true))", "Bidirectional: layer and backward_layer must agree in stateful",
      CN_VALUE },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert(cn_layer_from(g, cases[i].layer) == NULL, "%s", cases[i].layer);
    CHECK_REFUSED(g, cases[i].code, cases[i].text);
  }
  cr_assert(cn_RNN(g, cn_Dense(g, 3)) == NULL);
  CHECK_REFUSED(g, CN_VALUE, "RNN: cell: Dense is no recurrent cell");
  cr_assert(cn_call(g, cn_GRU(g, 2, .name = "a"), cn_ones(g, CN_F32, CN_DIMS(2, 3, 2)), .mask = booleans(CN_DIMS(2, 2), (const bool[4]){ 0 })) == NULL);
  CHECK_REFUSED(g, CN_SHAPE, "mask [2,2] does not fit the steps of [2,3,2] (in a)");
  cr_assert(cn_call(g, cn_GRU(g, 2, .name = "b"), cn_ones(g, CN_F32, CN_DIMS(2, 0, 2))) == NULL);
  CHECK_REFUSED(g, CN_SHAPE, "GRU: there are no steps to run over (in b)");
  cr_assert(cn_call(g, cn_LSTM(g, 2, .stateful = true, .name = "c"), cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, 3, 2))) == NULL);
  CHECK_REFUSED(g, CN_SHAPE, "LSTM: stateful needs a batch size that is known (in c)");
}

/* ---- memory ---- */
Test(layers_recurrent, any_allocation_may_fail) {
  const char *const layers[] = { "GRU(2, stateful=true, go_backwards=true)", "Bidirectional(LSTM(2, return_sequences=true))",
                                 "StackedRNNCells([SimpleRNNCell(2, dropout=0.5, recurrent_dropout=0.5), GRUCell(2, reset_after=false)])" };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int64_t k = 1, done = 0; !done; k++) {
      counting n = { .fail_at = k };
      cn_graph *h = graph_counting(&n);
      cn_layer *l = h ? layer_of(h, layers[i]) : NULL;
      cn_tensor *y = l ? cn_call(h, l, cn_ones(h, CN_F32, CN_DIMS(2, 2, 3)), .training = 1) : NULL;
      done = n.calls < k;
      if (h && (done || cn_ok(h))) cr_assert(cn_ok(h) && y, "%s: %s", layers[i], cn_error(h));
      else if (h) cr_assert_eq(cn_error_code(h), CN_NO_MEMORY, "%s, call %d: %s", layers[i], (int)k, cn_error(h));
      cn_graph_free(h);
      cr_assert_eq(n.live, 0, "%s: %d pieces left", layers[i], (int)n.live);
    }
}
