/* The mechanisms' hardest clients, with the public header only. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 3); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(clients, .init = begin, .fini = end);

/* ---- a wrapper that holds a layer, and options of every kind ---- */
#define CN_TWICE(X, S)                                                                    \
  X(S, cn_layer *, layer, NULL, ANY, "applied twice, so its output must fit its input")   \
  X(S, int64_t, seed, CN_NONE, ANY, "None: no shift")                                     \
  X(S, double, shift, CN_NONE_REAL, ANY, "None: no shift")                                \
  X(S, cn_ints, axes, CN_NONE_INTS, ANY, "summed over; None: none")                       \
  X(S, cn_ref, activation, CN_NONE_REF, ACTIVATION, "None: none")
CN_LAYER_DECLARE(Twice, CN_TWICE)
typedef struct twice { cn_layer base; int64_t calls; } twice;

static void twice_build(cn_layer *l, const cn_dims *in, int64_t n) {
  const cn_TwiceOptions *o = l->object.options;
  (void)n;
  if (o->layer && cn_add_layer(l, o->layer)) cn_build(o->layer, in, 1);
}
static cn_tensor *twice_call(cn_layer *l, cn_graph *graph, cn_inputs *in) {
  const cn_TwiceOptions *o = l->object.options;
  ((twice *)l)->calls++;
  cn_tensor *y = cn_call(graph, o->layer, cn_call(graph, o->layer, in->x[0]));
  if (!isnan(o->shift)) y = cn_shift(graph, y, o->shift);
  if (o->axes.n >= 0) y = cn_sum(graph, y, .axis = o->axes, .keepdims = true);
  return cn_activate(graph, &o->activation, y);
}
CN_LAYER(Twice, twice, CN_TWICE, .build = twice_build, .call = twice_call)
#define cn_Twice(...) CN_MAKE_LAYER_(Twice, CN_TWICE, __VA_ARGS__)

Test(clients, a_wrapper_layer) {
  cn_register_class(g, &cn_class_Twice);
  cn_layer *inner = cn_Dense(g, 2, .kernel_initializer = "ones", .use_bias = false, .name = "inner"),
           *w = cn_Twice(g, inner, .shift = 1, .axes = CN_INTS(1), .name = "twice");
  cn_tensor *y = cn_call(g, w, FLOATS(g, CN_DIMS(1, 2), 1, 2));
  CHECK_TENSOR(y, CN_DIMS(1, 1), 1e-6, 14); /* [3,3], then [6,6], plus 1, summed */
  cn_tensor *weights[2];
  cr_assert_eq(cn_weights(w, weights, 2), 1);
  cr_assert_eq(cn_trainable_weights(w, weights, 2), 1);
  cn_backward(g, y);
  CHECK_TENSOR(cn_grad(weights[0]), CN_DIMS(2, 2), 1e-6, 5, 5, 7, 7); /* through both calls: x_a (W 1)_b + (x W)_a */
  cn_layer_set_trainable(w, false);
  cr_assert_eq(cn_trainable_weights(w, weights, 2), 0);
  cn_layer *plain = cn_Twice(g, cn_Dense(g, 2, .kernel_initializer = "ones", .use_bias = false), .activation = "relu");
  CHECK_TENSOR(cn_call(g, plain, FLOATS(g, CN_DIMS(1, 2), 1, -3)), CN_DIMS(1, 2), 0, 0, 0);
  cn_layer *text = cn_layer_from(g, "Twice(layer=Dense(2, use_bias=false, kernel_initializer=ones), shift=none, axes=[0, 1])");
  CHECK_TENSOR(cn_call(g, text, FLOATS(g, CN_DIMS(1, 2), 1, 1)), CN_DIMS(1, 1), 1e-6, 8);
  cr_assert_eq(((const cn_TwiceOptions *)text->object.options)->seed, CN_NONE);
}

Test(clients, a_layer_shared_by_two_calls) {
  cn_layer *l = cn_Dense(g, 1, .kernel_initializer = "ones", .activity_regularizer = "l2(1.0)");
  cn_tensor *a = cn_call(g, l, FLOATS(g, CN_DIMS(1, 1), 2)), *b = cn_call(g, l, FLOATS(g, CN_DIMS(1, 1), 5));
  cn_backward(g, cn_multiply(g, cn_reshape(g, a, CN_INTS(1)), cn_reshape(g, b, CN_INTS(1))));
  CHECK_NEAR(cn_item(cn_grad(weight_at(l, 0))), 2 * 5 + 5 * 2, 1e-6);
  CHECK_NEAR(cn_item(cn_grad(weight_at(l, 1))), 2 + 5, 1e-6);
}

/* Embedding rows read by look-up and as a dense output layer, with a penalty, under a global norm: p = E[i], logits = p E^T. */
Test(clients, a_tied_penalised_embedding_under_a_global_norm) {
  enum { WORDS = 3, WIDTH = 2 };
  const double e0[WORDS][WIDTH] = { { 0.5, -0.25 }, { 1, 0.75 }, { -0.5, 0.25 } };
  const double rate = 0.1, clip = 0.7, l2 = 0.05;
  double gradient[WORDS][WIDTH] = { { 0 } };
  const int word[2] = { 2, 2 }, next[2] = { 0, 1 };
  for (int s = 0; s < 2; s++) {
    double logits[WORDS], sum = 0;
    for (int k = 0; k < WORDS; k++) {
      logits[k] = 0;
      for (int j = 0; j < WIDTH; j++) logits[k] += e0[word[s]][j] * e0[k][j];
      sum += exp(logits[k]);
    }
    for (int k = 0; k < WORDS; k++) {
      const double d = (exp(logits[k]) / sum - (k == next[s])) / 2;
      for (int j = 0; j < WIDTH; j++) {
        gradient[word[s]][j] += d * e0[k][j];
        gradient[k][j] += d * e0[word[s]][j];
      }
    }
  }
  double norm = 0;
  for (int k = 0; k < WORDS; k++)
    for (int j = 0; j < WIDTH; j++) {
      gradient[k][j] += 2 * l2 * e0[k][j];
      norm += gradient[k][j] * gradient[k][j];
    }
  const double factor = sqrt(norm) > clip ? clip / sqrt(norm) : 1;

  cn_layer *embedding = cn_Embedding(g, WORDS, WIDTH, .embeddings_regularizer = "l2(0.05)");
  cn_build(embedding, CN_DIMS(CN_UNKNOWN), 1);
  cn_tensor *table = weight_at(embedding, 0);
  cn_assign(table, cn_array_from_doubles(g, CN_F32, CN_DIMS(WORDS, WIDTH), &e0[0][0]));
  cn_optimizer *o = cn_optimizer_from(g, "sgd(0.1, global_clipnorm=0.7)");
  cn_optimizer_build(o, &table, 1);
  cn_tensor *p = cn_call(g, embedding, INTEGERS(g, CN_DIMS(2), 2, 2));
  cn_tensor *logits = cn_matmul(g, p, table, .transpose_b = true);
  cn_tensor *loss = cn_mean(g, cn_sparse_categorical_crossentropy(g, INTEGERS(g, CN_DIMS(2), 0, 1), logits, .from_logits = true));
  cr_assert(cn_optimizer_minimize(o, cn_total_loss(embedding, loss), true), "%s", cn_error(g));
  for (int k = 0; k < WORDS; k++)
    for (int j = 0; j < WIDTH; j++) CHECK_NEAR(cn_at(table, k * WIDTH + j), e0[k][j] - rate * factor * gradient[k][j], 1e-6);
}

/* Two losses over one tape, each with its own optimizer and weights: d (the critic) lowers its loss, w (the maker) raises it. */
Test(clients, two_losses_share_one_tape) {
  cn_tensor *w = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 0.5 }), *d = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 2 });
  cn_optimizer *maker = cn_optimizer_from(g, "sgd(0.1)"), *critic = cn_optimizer_from(g, "sgd(0.2)");
  cn_optimizer_build(maker, &w, 1);
  cn_optimizer_build(critic, &d, 1);
  double a = 0.5, b = 2;
  for (int step = 0; step < 20; step++) {
    cn_tensor *fake = cn_tanh(g, w), *score = cn_multiply(g, fake, d);
    cn_tensor *loss_d = cn_square(g, score), *loss_w = cn_square(g, cn_shift(g, score, -1)), *dw = NULL, *dd = NULL;
    cr_assert(cn_gradients(g, loss_d, CN_NO_TENSOR, &d, 1, false, &dd) && cn_gradients(g, loss_w, CN_NO_TENSOR, &w, 1, false, &dw), "%s", cn_error(g));
    cr_assert(cn_optimizer_apply(critic, &dd, &d, 1) && cn_optimizer_apply(maker, &dw, &w, 1), "%s", cn_error(g));
    const double f = tanh(a), gd = 2 * f * b * f, gw = 2 * (f * b - 1) * b * (1 - f * f);
    a -= 0.1 * gw;
    b -= 0.2 * gd;
    CHECK_NEAR(cn_item(w), a, 1e-7); /* a rate is float32, as in Keras */
    CHECK_NEAR(cn_item(d), b, 1e-7);
    cn_graph_reset(g);
  }
}

/* h' = tanh(u h + x), gradients through 3 steps at a time; the state crosses the reset. */
Test(clients, truncated_backpropagation_through_time) {
  enum { SPAN = 3, SPANS = 8 };
  cn_tensor *u = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 0.8 }), *state = cn_persist(cn_array(g, CN_F64, CN_SCALAR, (const double[]){ 0.1 }));
  cn_optimizer *o = cn_optimizer_from(g, "sgd(0.5)");
  cn_optimizer_build(o, &u, 1);
  double v = 0.8, kept = 0.1;
  for (int span = 0; span < SPANS; span++) {
    cn_tensor *h = state;
    double value = kept, slope = 0;
    for (int t = 0; t < SPAN; t++) {
      const double x = 0.1 * (t + span);
      h = cn_tanh(g, cn_add(g, cn_multiply(g, u, h), cn_array(g, CN_F64, CN_SCALAR, &x)));
      const double next = tanh(v * value + x);
      slope = (1 - next * next) * (value + v * slope);
      value = next;
    }
    cn_tensor *loss = cn_square(g, cn_shift(g, h, -0.5)), *last = state;
    state = cn_persist(cn_stop_gradient(g, h));
    cr_assert(cn_optimizer_minimize(o, loss, true), "%s", cn_error(g));
    v -= 0.5 * 2 * (value - 0.5) * slope;
    kept = value;
    cn_free(last);
    cn_graph_reset(g);
    CHECK_NEAR(cn_item(u), v, 1e-12);
    CHECK_NEAR(cn_item(state), kept, 1e-12);
  }
}
