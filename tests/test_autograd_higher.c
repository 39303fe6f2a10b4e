/* Several outputs at once, products with Jacobians and Hessians, and these matrices. */
#include "../autograd/graph_private.h"
#include "test_layers.h"

static cn_graph *g;
static cn_tensor *x, *w; /* [3], [2,3] */

static void begin(void) {
  g = cn_graph_new(.seed = 1);
  x = cn_variable(g, CN_F64, CN_DIMS(3), (const double[]){ 0.3, -0.7, 1.1 });
  w = cn_array(g, CN_F64, CN_DIMS(2, 3), (const double[]){ 1, 2, 3, -1, 0.5, 4 });
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_higher, .init = begin, .fini = end);

#define VECTOR(...) cn_array(g, CN_F64, CN_DIMS(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)), (const double[]){ __VA_ARGS__ })

Test(autograd_higher, several_outputs_add_up) {
  cn_tensor *a = cn_square(g, x), *b = cn_exp(g, x), *dx = NULL, *only[1] = { x };
  cn_tensor *const y[] = { a, b, a, x }, *const weights[] = { VECTOR(1, 2, 3), CN_NO_TENSOR, VECTOR(0, 0, 1), VECTOR(5, 5, 5) };
  cr_assert(cn_vjp(g, y, weights, 4, only, 1, false, &dx), "%s", cn_error(g));
  const double v[] = { 0.3, -0.7, 1.1 }, s[] = { 1, 2, 4 };
  for (int i = 0; i < 3; i++) CHECK_NEAR(cn_at(dx, i), 2 * v[i] * s[i] + exp(v[i]) + 5, 1e-12);
  cr_assert(cn_vjp(g, y, NULL, 2, only, 1, false, &dx));
  for (int i = 0; i < 3; i++) CHECK_NEAR(cn_at(dx, i), 2 * v[i] + exp(v[i]), 1e-12);
}

Test(autograd_higher, an_output_without_a_path_gives_nothing) {
  cn_tensor *other = cn_square(g, w), *dx = NULL;
  cn_tensor *const y[] = { other, cn_square(g, x) };
  cr_assert(cn_vjp(g, y, NULL, 2, &x, 1, false, &dx));
  CHECK_NEAR(cn_at(dx, 2), 2.2, 1e-12);
  cr_assert(cn_vjp(g, y, NULL, 1, &x, 1, false, &dx));
  cr_assert_eq(cn_at(dx, 0), 0);
}

Test(autograd_higher, hessian_vector_product) { /* y = sum x_i^3 + x_0 x_1 */
  cn_tensor *y = cn_sum(g, cn_multiply(g, x, cn_square(g, x))), *cross = cn_prod(g, cn_slice(g, x, .start_indices = CN_INTS(0), .shape = CN_INTS(2)));
  cn_tensor *v = VECTOR(1, -2, 0.5), *hv = NULL;
  cr_assert(cn_hvp(g, cn_add(g, y, cross), &x, &v, 1, &hv), "%s", cn_error(g));
  CHECK_NEAR(cn_at(hv, 0), 6 * 0.3 * 1 + -2, 1e-10);
  CHECK_NEAR(cn_at(hv, 1), 6 * -0.7 * -2 + 1, 1e-10);
  CHECK_NEAR(cn_at(hv, 2), 6 * 1.1 * 0.5, 1e-10);
}

/* y = c x with a gradient that passes an operation which counts its runs. */
#define COUNTED(X, S) CN_IN(X, S, x, "input")
typedef struct cn_counted_args { cn_graph *graph; COUNTED(CN_FIELD_, ) } cn_counted_args;
static int runs;
static cn_code counted_forward(const cn_call *c) {
  runs++;
  memcpy((void *)(uintptr_t)cn_data(c->y[0]), cn_data(c->x[0]), (size_t)cn_count(c->x[0]) * sizeof(double));
  return CN_OK;
}
static void counted_vjp(cn_graph *graph, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_counted_args a = { graph, gy[0] };
  (void)want;
  gx[0] = cn_apply(graph, cn_node_op(n), &a)[0];
}
CN_SCHEMA_DATA_(counted, cn_counted_args, COUNTED)
static const cn_op counted = { .name = "counted",
                               .schema = CN_SCHEMA_(counted, "counted", cn_counted_args),
                               .inputs = 1,
                               .outputs = 1,
                               .infer = cn_infer_same,
                               .forward = counted_forward,
                               .vjp = counted_vjp };

/* y = sum of x^2 over 20,000 elements, read through `counted`: the first gradient is 2 x, whose own value only the product with v needs. */
Test(autograd_higher, what_nobody_reads_is_not_computed) {
  enum { N = 20000 };
  cn_tensor *big = cn_variable(g, CN_F64, CN_DIMS(N), NULL), *v = cn_ones(g, CN_F64, CN_DIMS(N)), *hv = NULL, *dx = NULL;
  const cn_counted_args a = { g, big };
  cn_tensor *seen = cn_apply(g, &counted, &a)[0], *y = cn_sum(g, cn_square(g, seen));
  cr_assert_eq(runs, 1);
  cr_assert(cn_hvp(g, y, &big, &v, 1, &hv), "%s", cn_error(g));
  for (int i = 0; i < N; i += 999) cr_assert_eq(cn_at(hv, i), 2);
  cr_assert_eq(runs, 3, "%d", runs); /* forward and twice in the second gradient: the first one's last step was never run */
  cr_assert(cn_vjp(g, &y, NULL, 1, &big, 1, true, &dx));
  cr_assert_eq(runs, 4);
  cr_assert(cn_backward(g, y, .release = true) && cn_item(cn_sum(g, cn_grad(big))) == 0);
}

static cn_code failing_forward(const cn_call *c) { return ((double *)c->y[0]->data)[0] = 7, cn_fail(c->graph, CN_VALUE, "no"); }
static const cn_op failing = {
  .name = "failing", .schema = CN_SCHEMA_(counted, "failing", cn_counted_args), .inputs = 1, .outputs = 1, .infer = cn_infer_same, .forward = failing_forward
};

/* The error of a value that is computed late names the layer that asked for it, not the one that reads it; a value that failed stays uncomputed. */
Test(autograd_higher, what_is_computed_late_fails_where_it_was_made) {
  cn_tensor *big = cn_variable(g, CN_F64, CN_DIMS(20000), NULL);
  g->deferring = true;
  g->current_scope = "/hidden";
  cn_tensor *late = cn_exp(g, big), *never = cn_apply(g, &failing, &(const cn_counted_args){ g, cn_ones(g, CN_F64, CN_DIMS(20000)) })[0];
  g->deferring = false;
  g->current_scope = NULL;
  cr_assert(isnan(cn_at(never, 0)));
  cr_assert(isnan(cn_at(never, 0)) && !cn_data(never));
  cr_assert_str_eq(cn_error(g), "failing: no (in hidden)");
  g->core.code = CN_OK;
  cn_assign(big, cn_ones(g, CN_F64, CN_DIMS(20000)));
  cr_assert(isnan(cn_at(late, 0)));
  CHECK_REFUSED(g, CN_STATE, "exp: input 0 was changed before the result was read (in hidden)");
}

Test(autograd_higher, jacobian_vector_product) { /* y = tanh(w x) */
  cn_tensor *y = cn_tanh(g, cn_reshape(g, cn_matmul(g, w, cn_reshape(g, x, CN_INTS(3, 1))), CN_INTS(2))), *v = VECTOR(0.5, 1, -1);
  cn_tensor *moved = cn_jvp(g, y, &x, &v, 1), *whole = cn_jacobian(g, y, x);
  cr_assert(moved && whole, "%s", cn_error(g));
  cr_assert(cn_dims_equal(&(cn_dims){ 2, { 2, 3 } }, &(const cn_dims){ cn_rank(whole), { cn_dim(whole, 0), cn_dim(whole, 1) } }));
  for (int i = 0; i < 2; i++) {
    const double slope = 1 - cn_at(y, i) * cn_at(y, i);
    double sum = 0;
    for (int j = 0; j < 3; j++) {
      CHECK_NEAR(cn_at(whole, 3 * i + j), slope * cn_at(w, 3 * i + j), 1e-12);
      sum += slope * cn_at(w, 3 * i + j) * cn_at(v, j);
    }
    CHECK_NEAR(cn_at(moved, i), sum, 1e-12);
  }
}

Test(autograd_higher, hessian_and_beyond) { /* y = sum exp(x): the Hessian is diagonal, and so is its derivative */
  cn_tensor *h = cn_hessian(g, cn_sum(g, cn_exp(g, x)), x, .differentiable = true);
  cr_assert(h != NULL, "%s", cn_error(g));
  for (int i = 0; i < 9; i++) CHECK_NEAR(cn_at(h, i), i % 4 ? 0 : exp(cn_at(x, i / 4)), 1e-12);
  cn_tensor *third = cn_gradient(g, cn_sum(g, h), x);
  for (int i = 0; i < 3; i++) CHECK_NEAR(cn_at(third, i), exp(cn_at(x, i)), 1e-12);
}

Test(autograd_higher, refusals) {
  cn_tensor *y = cn_square(g, x), *v = VECTOR(1, 2), *hv = NULL;
  cr_assert(!cn_hvp(g, y, &x, &v, 1, &hv) && !hv);
  cr_assert_str_eq(cn_error(g), "gradient: gradient is float64 [2], the result is float64 [3]");
  cn_graph_clear(g);
  cr_assert_null(cn_jvp(g, NULL, &x, &v, 1));
  cr_assert_str_eq(cn_error(g), "jvp: an input is missing");
  cn_graph_clear(g);
  cr_assert_null(cn_jacobian(g, x));
  cr_assert_str_eq(cn_error(g), "jacobian: an input is missing");
  cn_graph_clear(g);
  cn_tensor *i = cn_array(g, CN_I32, CN_DIMS(1), (const int32_t[]){ 1 });
  cr_assert_null(cn_hessian(g, i, x));
  cr_assert_str_eq(cn_error(g), "gradient: the result is int32, which has no gradient");
  cn_graph_clear(g);
}
