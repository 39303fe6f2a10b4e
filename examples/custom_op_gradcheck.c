/* custom_op_gradcheck: an operation of one's own, with a gradient written in operations and a fused one, held against finite differences to the third order. */
#include <cornu.h>
#include <math.h>
#include <stdio.h>

/* y = x^2 sin(a x): one input, one option. */
#define WAVE(X, S) CN_IN(X, S, x, "input") X(S, double, a, 1.0, ANY, "frequency")
typedef struct cn_wave_args { cn_graph *graph; WAVE(CN_FIELD_, ) } cn_wave_args;

static cn_code wave_forward(const cn_call *c) {
  const double *x = cn_data(c->x[0]), a = ((const cn_wave_args *)c->args)->a;
  double *y = (double *)(uintptr_t)cn_data(c->y[0]);
  for (int64_t i = 0; i < cn_count(c->y[0]); i++) y[i] = x[i] * x[i] * sin(a * x[i]);
  return CN_OK;
}

/* dy/dx = 2 x sin(a x) + a x^2 cos(a x), in operations: so it can be differentiated again. */
static void wave_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = cn_node_input(n, 0);
  const double a = ((const cn_wave_args *)cn_node_args(n))->a;
  cn_tensor *ax = cn_scale(g, x, a), *first = cn_multiply(g, cn_scale(g, x, 2), cn_sin(g, ax)),
            *second = cn_multiply(g, cn_scale(g, cn_square(g, x), a), cn_cos(g, ax));
  if (want[0]) gx[0] = cn_multiply(g, gy[0], cn_add(g, first, second));
}

static cn_code infer_double(const cn_call *c) {
  if (cn_dtype_of(c->x[0]) != CN_F64) return cn_fail(c->graph, CN_DTYPE, "needs float64");
  return cn_infer_same(c);
}

CN_SCHEMA_DATA_(wave, cn_wave_args, WAVE)
static const cn_op cn_op_wave = { .name = "wave",
                                  .schema = CN_SCHEMA_(wave, "wave", cn_wave_args),
                                  .inputs = 1,
                                  .outputs = 1,
                                  .checked = true,
                                  .reads = CN_READS_X(0),
                                  .infer = infer_double,
                                  .forward = wave_forward,
                                  .vjp = wave_vjp };
#define wave(...) CN_CALL_(wave, WAVE, __VA_ARGS__)

static cn_tensor *program(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  return cn_tanh(g, cn_matmul(g, wave(g, x[0], .a = 1.5), x[1]));
}

int main(void) {
  cn_graph *g = cn_graph_new(.seed = 1);
  bool ok = true;
  const double w[] = { 0.3, -0.2, 0.5, 0.1, 0.7, -0.4 };
  for (int64_t order = 1; order <= 3; order++) {
    cn_tensor *x = cn_linspace(g, CN_F64, -1, 1, 6);
    const cn_gradcheck_report r =
        cn_gradcheck(g, program, CN_TENSORS(cn_reshape(g, x, CN_INTS(2, 3)), cn_array(g, CN_F64, CN_DIMS(3, 2), w)), .order = order, .elementwise = order < 3);
    printf("order %lld: %s\n", (long long)order, r.text);
    ok = ok && r.passed;
    cn_graph_reset(g);
  }
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g)), ok = false;
  cn_graph_free(g);
  return !ok;
}
