// A model built, trained and asked from C++17, through the plain functions beneath the macros.
#include <cornu.h>
#include <cstdio>

namespace {
cn_layer *dense(cn_graph *g, int64_t units, const char *activation) {
  cn_DenseOptions o;
  cn_DenseOptions_init(&o, sizeof o);
  o.graph = g;
  o.units = units;
  o.activation.name = activation;
  return cn_make_Dense(&o);
}
} // namespace

int main() {
  cn_graph_options options;
  cn_graph_options_init(&options, sizeof options);
  options.seed = 7;
  cn_graph *g = cn_graph_make(&options);
  cn_model *m = cn_Sequential(g, "xor");
  cn_push(m, dense(g, 8, "tanh"));
  cn_push(m, dense(g, 1, "sigmoid"));

  cn_compile_args compile;
  cn_compile_args_init(&compile, sizeof compile);
  compile.model = m;
  compile.optimizer.name = "adam(0.05)";
  compile.loss.name = "binary_crossentropy";
  cn_compile_run(&compile);

  const float x[] = { 0, 0, 0, 1, 1, 0, 1, 1 }, y[] = { 0, 1, 1, 0 };
  const cn_dims in = { 2, { 4, 2 } }, out = { 2, { 4, 1 } };
  cn_fit_args fit;
  cn_fit_args_init(&fit, sizeof fit);
  fit.model = m;
  fit.data = cn_dataset_from_arrays(g, CN_F32, &in, x, CN_F32, &out, y);
  fit.epochs = 200;
  fit.verbose = 0;
  const cn_history *h = cn_fit_run(&fit);
  const double first = cn_history_at(h, "loss", 0), last = cn_history_at(h, "loss", -1);

  float answer[4] = { 0, 0, 0, 0 };
  cn_predict_into(m, cn_array(g, CN_F32, &in, x), answer, 4);
  const bool ok = cn_ok(g) && last < 0.1 * first && answer[0] < 0.2f && answer[1] > 0.8f && answer[2] > 0.8f && answer[3] < 0.2f;
  if (!ok) std::fprintf(stderr, "loss %g, then %g: %s\n", first, last, cn_error(g));
  cn_graph_free(g);
  return ok ? 0 : 1;
}
