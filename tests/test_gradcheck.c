/* cn_gradcheck: what it reports, to which order, and that it finds what is wrong and where. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(gradcheck, .init = begin, .fini = end);

#define VALUES(...) cn_array(g, CN_F64, CN_DIMS((int64_t)(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))), (const double[]){ __VA_ARGS__ })

static cn_tensor *product(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  return cn_multiply(graph, cn_tanh(graph, x[0]), cn_square(graph, x[1]));
}

Test(gradcheck, passes_and_reports) {
  cn_tensor *a = VALUES(0.3, -0.8, 1.1), *b = VALUES(2, 0.5, -1.5);
  const cn_gradcheck_report r = cn_gradcheck(g, product, CN_TENSORS(a, b), .order = 3, .directions = 4);
  cr_assert(r.passed, "%s", r.text);
  cr_assert_eq(r.comparisons, 12);
  cr_assert(r.error < 1e-6 && r.order >= 1 && r.order <= 3 && r.input == -1 && r.element == -1, "%s", r.text);
  cr_assert(!strncmp(r.text, "passed: 12 comparisons, largest relative error ", 47) && strstr(r.text, "along a random direction: analytic "), "%s", r.text);
  const cn_gradcheck_report e = cn_gradcheck(g, product, CN_TENSORS(a, b), .directions = 1, .elementwise = true);
  cr_assert(e.passed && e.comparisons == 1 + 6, "%s", e.text);
  CHECK_TENSOR(a, CN_DIMS(3), 0, 0.3, -0.8, 1.1);
}

Test(gradcheck, tolerances) {
  cn_tensor *a = VALUES(0.3, -0.8, 1.1), *b = VALUES(2, 0.5, -1.5);
  const cn_gradcheck_report r = cn_gradcheck(g, product, CN_TENSORS(a, b), .tolerance = 1e-30);
  cr_assert(!r.passed && r.error > 1e-30 && r.error < 1e-6, "%s", r.text);
  cr_assert(!strncmp(r.text, "FAILED: 5 comparisons", 21), "%s", r.text);
  CHECK_OK(g);
}

/* A user's operation y = x^3, whose gradient is wrong in one element. */
static cn_code cube_forward(const cn_call *c) {
  const double *x = cn_data(c->x[0]);
  double *y = (double *)(uintptr_t)cn_data(c->y[0]);
  for (int64_t i = 0; i < cn_count(c->x[0]); i++) y[i] = x[i] * x[i] * x[i];
  return CN_OK;
}
static double wrong[3] = { 1, 1, 1 };
static void cube_vjp(cn_graph *graph, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  if (!want[0]) return;
  cn_tensor *factor = cn_array(graph, CN_F64, CN_DIMS(3), wrong);
  gx[0] = cn_multiply(graph, gy[0], cn_multiply(graph, factor, cn_scale(graph, cn_square(graph, cn_node_input(n, 0)), 3)));
}
CN_OP_DECLARE(cube, CN_LIST_X)
CN_OP(cube, CN_LIST_X, .outputs = 1, .reads = CN_READS_X(0), .infer = cn_infer_same_float, .forward = cube_forward, .vjp = cube_vjp);
static cn_tensor *cubed(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  return cn_add(graph, x[0], cn_apply(graph, &cn_op_cube, &(const cn_cube_args){ graph, x[1] })[0]);
}
Test(gradcheck, a_wrong_gradient_is_found_and_named) {
  cn_tensor *a = VALUES(1, 2, 3), *b = cn_variable(g, CN_F64, CN_DIMS(3), (const double[]){ 0.5, -1, 2 });
  cn_set_name(b, "base");
  cn_gradcheck_report r = cn_gradcheck(g, cubed, CN_TENSORS(a, b), .order = 2, .elementwise = true);
  cr_assert(r.passed, "%s", r.text);
  wrong[1] = 1.01;
  r = cn_gradcheck(g, cubed, CN_TENSORS(a, b), .directions = 1);
  cr_assert_not(r.passed, "%s", r.text);
  r = cn_gradcheck(g, cubed, CN_TENSORS(a, b), .elementwise = true);
  cr_assert_not(r.passed);
  cr_assert(r.order == 1 && r.input == 1 && r.element == 1, "%s", r.text);
  cr_assert(strstr(r.text, "input 1 (base), element 1"), "%s", r.text);
  cr_assert(fabs(r.analytic / r.numeric - 1.01) < 1e-6 && fabs(r.error - 0.01 / 1.01) < 1e-6, "%s", r.text);
  wrong[1] = 1;
  CHECK_TENSOR(b, CN_DIMS(3), 0, 0.5, -1, 2);
}

/* The second order is wrong where the rule of the first is not differentiable. */
static void constant_vjp(cn_graph *graph, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  if (want[0]) gx[0] = cn_multiply(graph, gy[0], cn_stop_gradient(graph, cn_scale(graph, cn_square(graph, cn_node_input(n, 0)), 3)));
}
static cn_tensor *cubed_once(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  const cn_cube_args args = { graph, x[0] };
  (void)n;
  return cn_apply(graph, user, &args)[0];
}
Test(gradcheck, an_order_that_is_wrong_is_named) {
  cn_op op = cn_op_cube;
  op.vjp = constant_vjp;
  cr_assert(cn_gradcheck(g, cubed_once, CN_TENSORS(VALUES(0.5, -1, 2)), .user = &op).passed);
  const cn_gradcheck_report r = cn_gradcheck(g, cubed_once, CN_TENSORS(VALUES(0.5, -1, 2)), .user = &op, .order = 2);
  cr_assert(!r.passed && r.order == 2, "%s", r.text);
}

/* float32 and integers among the inputs; random numbers; a state that the function writes. */
static cn_tensor *state;
static cn_stream stream;
static cn_tensor *noisy(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  cn_tensor *y = cn_take(graph, cn_dropout(graph, x[0], 0.5, .stream = &stream), x[1]);
  y = cn_multiply(graph, cn_add(graph, y, state), cn_dropout(graph, cn_square(graph, y), 0.3));
  cn_assign(state, cn_add(graph, state, cn_scalar_like(graph, state, 1)));
  return y;
}
Test(gradcheck, what_an_evaluation_changes_is_rewound) {
  stream = (cn_stream){ 7, 0 };
  state = cn_variable(g, CN_F64, CN_SCALAR, NULL);
  cn_tensor *x = FLOATS(g, CN_DIMS(6), 1, 2, 3, 4, 5, 6), *i = INTEGERS(g, CN_DIMS(4), 0, 2, 5, 3);
  const cn_gradcheck_report r = cn_gradcheck(g, noisy, CN_TENSORS(x, i), .order = 2);
  cr_assert(r.passed, "%s (%s)", r.text, cn_error(g));
  cr_assert_neq(r.analytic, 0);
  CHECK_NEAR(cn_item(state), 2, 0);
}

static cn_tensor *failing(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  return cn_matmul(graph, x[0], cn_zeros(graph, CN_F64, CN_DIMS(5, 7)));
}
static cn_tensor *single(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  (void)user;
  return cn_cast(graph, x[0], .dtype = "float32");
}
Test(gradcheck, refused) {
  cn_tensor *x = cn_zeros(g, CN_F64, CN_DIMS(4, 3));
  cn_gradcheck_report r = cn_gradcheck(g, failing, CN_TENSORS(x));
  cr_assert(!r.passed && !strcmp(r.text, "failed: matmul: inner sizes differ: [4,3] x [5,7]"), "%s", r.text);
  CHECK_REFUSED(g, CN_SHAPE, "matmul: inner sizes differ: [4,3] x [5,7]");
  x = cn_zeros(g, CN_F64, CN_DIMS(3));
  r = cn_gradcheck(g, single, CN_TENSORS(x));
  cr_assert_not(r.passed);
  CHECK_REFUSED(g, CN_DTYPE, "gradcheck: the function returns float32, not float64");
  r = cn_gradcheck(g, product, .order = 2);
  CHECK_REFUSED(g, CN_VALUE, "gradcheck: a function and 1 to 64 inputs are needed");
  x = cn_zeros(g, CN_F64, CN_DIMS(3));
  r = cn_gradcheck(g, product, CN_TENSORS(x, x), .order = 9);
  CHECK_REFUSED(g, CN_VALUE, "gradcheck: order must be 1 to 8 and directions at least 1");
}
