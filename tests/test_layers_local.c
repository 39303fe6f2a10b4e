/* LocallyConnected1D and 2D: the three ways to store a kernel give the sums of the definition, gradients of two orders, shapes, refusals, memory. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_local, .init = begin, .fini = end);

enum { STEPS = 7, CHANNELS = 2, FILTERS = 3, SIZE = 3, STRIDE = 2 };

/* x [STEPS, CHANNELS], kernel [STEPS, CHANNELS, positions, FILTERS] -> sums over the windows [positions, FILTERS]. */
static void by_definition(const double *x, const double *kernel, int positions, bool same, double *y) {
  for (int p = 0; p < positions; p++)
    for (int f = 0; f < FILTERS; f++) {
      double sum = 0;
      const int from = p * STRIDE - (same ? SIZE / 2 : 0);
      for (int s = from; s < from + SIZE; s++)
        for (int c = 0; s >= 0 && s < STEPS && c < CHANNELS; c++) sum += x[s * CHANNELS + c] * kernel[((s * CHANNELS + c) * positions + p) * FILTERS + f];
      y[p * FILTERS + f] = sum;
    }
}

/* The same kernel as implementation `way` stores it; the number of its numbers. */
static int stored(const double *kernel, int positions, bool same, int way, double *to) {
  const int whole = STEPS * CHANNELS * positions * FILTERS;
  if (way == 2) return memcpy(to, kernel, (size_t)whole * sizeof *to), whole;
  int n = 0;
  for (int p = 0; p < positions; p++) {
    const int from = p * STRIDE - (same ? SIZE / 2 : 0);
    const int inner = way == 3 ? FILTERS : 1, outer = way == 3 ? 1 : FILTERS; /* 3: output after output; 1: input after input */
    for (int i = 0; i < inner; i++)
      for (int s = from; s < from + SIZE; s++)
        for (int c = 0; s >= 0 && s < STEPS && c < CHANNELS; c++)
          for (int o = 0; o < outer; o++) to[n++] = kernel[((s * CHANNELS + c) * positions + p) * FILTERS + (way == 3 ? i : o)];
  }
  return n;
}

Test(layers_local, implementations_agree) {
  static const struct { int way; bool same; } all[] = { { 1, false }, { 2, false }, { 3, false }, { 2, true }, { 3, true } };
  double x[STEPS * CHANNELS], kernel[STEPS * CHANNELS * 4 * FILTERS], wanted[4 * FILTERS], own[STEPS * CHANNELS * 4 * FILTERS];
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const int positions = all[i].same ? 4 : 3;
    for (int k = 0; k < STEPS * CHANNELS; k++) x[k] = sin(k + 1.0);
    for (int k = 0; k < STEPS * CHANNELS * positions * FILTERS; k++) kernel[k] = cos(3.0 * k);
    by_definition(x, kernel, positions, all[i].same, wanted);
    cn_layer *l = cn_LocallyConnected1D(g, FILTERS, .kernel_size = { { SIZE } }, .strides = { { STRIDE } }, .padding = all[i].same ? "same" : "valid",
                                        .implementation = all[i].way);
    cn_tensor *in = floats(g, CN_DIMS(1, STEPS, CHANNELS), x);
    cr_assert(cn_call(g, l, in), "%s", cn_error(g));
    const int n = stored(kernel, positions, all[i].same, all[i].way, own);
    cn_tensor *w[2] = { l->weights[0], l->weights[1] };
    cr_assert_eq(cn_count(w[0]), n);
    const cn_dims dims = cn_dims_of(w[0]);
    cn_tensor *values[2] = { floats(g, &dims, own), cn_zeros(g, CN_F32, CN_DIMS(positions, FILTERS)) };
    cr_assert(cn_set_weights(l, values, 2), "%s", cn_error(g));
    cn_tensor *y = cn_call(g, l, in);
    for (int k = 0; k < positions * FILTERS; k++) CHECK_NEAR(cn_at(y, k), wanted[k], 1e-5);
  }
}

Test(layers_local, gradients_and_shapes) {
  static const struct { const char *layer; cn_dims in, out;
  } all[] = {
    { "LocallyConnected1D(2, 3, activation=tanh)", { 3, { 2, 5, 2 } }, { 3, { 2, 3, 2 } } },
    { "LocallyConnected1D(2, 2, strides=2, data_format=channels_first, implementation=3)", { 3, { 2, 3, 6 } }, { 3, { 2, 2, 3 } } },
    { "LocallyConnected2D(2, [2, 3], padding=same, implementation=2)", { 4, { 1, 3, 4, 2 } }, { 4, { 1, 3, 4, 2 } } },
    { "LocallyConnected2D(2, 2, padding=same, strides=2, data_format=channels_first, implementation=3, use_bias=false)",
      { 4, { 1, 2, 3, 4 } },
      { 4, { 1, 2, 2, 2 } } },
    { "LocallyConnected2D(2, 2, data_format=channels_first, implementation=2)", { 4, { 1, 2, 3, 4 } }, { 4, { 1, 2, 2, 3 } } },
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    cn_layer *l = cn_layer_from(g, all[i].layer);
    cn_dims in = all[i].in, out;
    const cn_ints shape = { in.d, in.rank };
    in.d[0] = CN_UNKNOWN;
    cr_assert(l && cn_compute_output_shape(l, &in, 1, &out), "%s", cn_error(g));
    out.d[0] = all[i].out.d[0];
    cr_assert(cn_dims_equal(&out, &all[i].out), "%s", all[i].layer);
    in.d[0] = all[i].in.d[0];
    cn_tensor *x = cn_random_uniform(g, shape, .minval = -1, .maxval = 1, .seed = 3), *y = cn_call(g, l, x);
    cr_assert(y, "%s", cn_error(g));
    out = cn_dims_of(y);
    cr_assert(cn_dims_equal(&out, &all[i].out), "%s", all[i].layer);
    const cn_gradcheck_report r = cn_gradcheck_layer(g, l, x, .order = 2, .directions = 2);
    cr_assert(r.passed, "%s: %s", all[i].layer, r.text);
  }
}

static void refused(const char *layer, const cn_dims *in, cn_code code, const char *text) {
  cn_layer *l = cn_layer_from(g, layer);
  if (l) cr_assert_null(cn_call(g, l, cn_zeros(g, CN_F32, in)));
  cr_assert(strstr(cn_error(g), text), "%s: %s", layer, cn_error(g));
  cr_assert_eq(cn_error_code(g), code);
  cn_graph_clear(g);
}
Test(layers_local, refusals) {
  refused("LocallyConnected1D(2, 3, padding=same)", CN_DIMS(1, 5, 2), CN_VALUE, "padding same needs implementation 2 or 3");
  refused("LocallyConnected1D(2, 3, implementation=4)", CN_DIMS(1, 5, 2), CN_VALUE, "implementation must be 1, 2 or 3, got 4");
  refused("LocallyConnected2D(2, [3, 9])", CN_DIMS(1, 5, 7, 2), CN_SHAPE, "kernel_size 9 is larger than the axis in [1,5,7,2]");
  refused("LocallyConnected2D(2, 3)", CN_DIMS(1, 5, 2), CN_SHAPE, "expected ndim=4, found ndim=3, shape [1,5,2]");
  cn_layer *l = cn_layer_from(g, "LocallyConnected1D(2, 3)");
  cr_assert_null(cn_call(g, l, cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, CN_UNKNOWN, 2))));
  cr_assert(strstr(cn_error(g), "the sizes of axes and channels must be known"), "%s", cn_error(g));
}

/* Every allocation fails once: an error, nothing lost, and the graph goes on. */
Test(layers_local, failing_allocator) {
  for (int way = 1; way <= 3; way++)
    for (int64_t at = 1;; at++) {
      counting n = { 0 };
      cn_graph *h = graph_counting(&n);
      cr_assert(h != NULL);
      n.fail_at = n.calls + at;
      cn_layer *l = cn_LocallyConnected1D(h, 2, .kernel_size = { { 2 } }, .implementation = way);
      cn_tensor *y = l ? cn_call(h, l, cn_zeros(h, CN_F32, CN_DIMS(1, 4, 2))) : NULL;
      const bool done = n.calls < n.fail_at;
      cr_assert(y ? cn_ok(h) : !done && cn_error_code(h) == CN_NO_MEMORY); /* some memory only makes things faster */
      cn_graph_free(h);
      cr_assert_eq(n.live, 0);
      if (done) break;
    }
}
