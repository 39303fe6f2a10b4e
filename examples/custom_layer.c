/* custom_layer [--learning-rate R]: a layer of one's own (a gate over a dense layer that it holds), made by name and trained in a model. */
#include <cornu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* y = g * dense(x) + (1 - g) * x with a learned gate g = sigmoid(gate), one for each feature (Srivastava et al. 2015, simplified). */
#define CN_HIGHWAY(X, S)                                                            \
  X(S, double, start, -1.0, ANY, "value that the gate starts with")                 \
  X(S, cn_ref, activation, CN_NAME("relu"), ACTIVATION, "of the dense layer")
CN_LAYER_DECLARE(Highway, CN_HIGHWAY)

typedef struct highway { cn_layer base; cn_layer *dense; cn_tensor *gate; } highway;

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  highway *h = (highway *)l;
  cn_graph *g = l->object.graph;
  const cn_HighwayOptions *o = l->object.options;
  const int64_t width = in->d[in->rank - 1];
  (void)n;
  h->gate = cn_add_weight(l, "gate", CN_DIMS(width), .initializer = { .object = cn_initializer_Constant(g, .value = o->start) });
  h->dense = cn_add_layer(l, cn_Dense(g, width, .activation = o->activation));
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  highway *h = (highway *)l;
  cn_tensor *x = in->x[0], *gate = cn_sigmoid(g, h->gate), *y = cn_call(g, h->dense, x);
  return cn_add(g, cn_multiply(g, gate, y), cn_multiply(g, cn_shift(g, cn_negative(g, gate), 1), x));
}
CN_LAYER(Highway, highway, CN_HIGHWAY, .build = build, .call = call, .min_rank = 2)
#define cn_Highway(...) CN_MAKE_LAYER_(Highway, CN_HIGHWAY, __VA_ARGS__)

int main(int argc, char **argv) {
  const double rate = argc > 2 && !strcmp(argv[1], "--learning-rate") ? atof(argv[2]) : 0.01;
  cn_graph *g = cn_graph_new(.seed = 5);
  cn_register_class(g, &cn_class_Highway);
  cn_model *m = cn_Sequential(g, "spiral");
  cn_push(m, cn_Dense(g, 16, .activation = "tanh"));
  cn_push(m, cn_Highway(g, .start = 0));
  cn_push(m, cn_layer_from(g, "Highway(-0.5, activation=tanh)"));
  cn_push(m, cn_Dense(g, 1));
  cn_compile(m, .optimizer = { .object = cn_optimizer_Adam(g, .learning_rate = rate) }, .loss = "mse");

  float x[256 * 2], y[256];
  cn_stream s = cn_stream_new(g);
  cn_random_fill_uniform(&s, CN_F32, x, 512, -1, 1);
  for (int i = 0; i < 256; i++) y[i] = x[2 * i] * x[2 * i + 1];
  const cn_history *h =
      cn_fit(m, cn_dataset_from_arrays(g, CN_F32, CN_DIMS(256, 2), x, CN_F32, CN_DIMS(256, 1), y), .epochs = 20, .batch_size = 32, .verbose = 0);
  cn_summary(m);
  const bool ok = cn_ok(g);
  if (ok) printf("loss: %.6f\n", cn_history_at(h, "loss", -1));
  else fprintf(stderr, "custom_layer: %s\n", cn_error(g));
  cn_graph_free(g);
  return !ok;
}
