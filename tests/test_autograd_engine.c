/* The engine: gradients by walking the tape. Values by hand. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 2); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_engine, .init = begin, .fini = end);

#define VARIABLE(...) cn_variable(g, CN_F64, CN_DIMS(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)), (const double[]){ __VA_ARGS__ })
#define VECTOR(...) cn_array(g, CN_F64, CN_DIMS(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)), (const double[]){ __VA_ARGS__ })
#define NUMBER(v) cn_array(g, CN_F64, CN_SCALAR, (const double[]){ v })

Test(autograd_engine, a_diamond) { /* y = (x^2 + 3x)(x^2 - x) */
  cn_tensor *x = VARIABLE(2), *s = cn_square(g, x), *a = cn_add(g, s, cn_multiply(g, x, NUMBER(3))), *b = cn_subtract(g, s, x);
  cn_backward(g, cn_multiply(g, a, b));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 1e-12, 7 * 2 + 10 * 3);
}

Test(autograd_engine, one_tensor_as_both_inputs) {
  cn_tensor *x = VARIABLE(3, -2);
  cn_backward(g, cn_multiply(g, x, x));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(2), 0, 6, -4);
  cn_backward(g, cn_subtract(g, x, x));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(2), 0, 0, 0);
}

Test(autograd_engine, broadcasting_is_undone) {
  static const struct {
    cn_dims a, b;
  } pairs[] = { { { 2, { 3, 4 } }, { 1, { 4 } } },       { { 2, { 3, 1 } }, { 2, { 1, 4 } } }, { { 0, { 0 } }, { 2, { 2, 3 } } },
                { { 3, { 2, 1, 3 } }, { 2, { 5, 1 } } }, { { 1, { 1 } }, { 1, { 6 } } },       { { 3, { 1, 1, 1 } }, { 1, { 4 } } },
                { { 2, { 0, 3 } }, { 2, { 1, 3 } } } };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    cn_tensor *a = cn_watch(cn_ones(g, CN_F64, &pairs[i].a)), *b = cn_watch(cn_ones(g, CN_F64, &pairs[i].b)), *y = cn_multiply(g, a, b);
    cn_backward(g, y);
    const cn_dims da = cn_dims_of(cn_grad(a)), db = cn_dims_of(cn_grad(b));
    cr_assert(cn_dims_equal(&da, &pairs[i].a) && cn_dims_equal(&db, &pairs[i].b), "pair %d", (int)i);
    for (int64_t k = 0; k < cn_count(a); k++) CHECK_NEAR(cn_at(cn_grad(a), k), (double)cn_count(y) / (double)cn_count(a), 0);
    for (int64_t k = 0; k < cn_count(b); k++) CHECK_NEAR(cn_at(cn_grad(b), k), (double)cn_count(y) / (double)cn_count(b), 0);
    cn_graph_reset(g);
  }
}

Test(autograd_engine, a_chain_of_100000) {
  cn_tensor *x = VARIABLE(0.5), *y = x;
  for (int i = 0; i < 100000; i++) y = cn_add(g, y, x);
  cn_backward(g, y);
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 100001);
}

Test(autograd_engine, every_order) { /* tanh and its first four derivatives */
  cn_tensor *x = VARIABLE(0.3), *d[5] = { cn_tanh(g, x) };
  for (int i = 1; i < 5; i++) d[i] = cn_gradient(g, d[i - 1], x, .differentiable = true);
  const double t = tanh(0.3), s = 1 - t * t, wanted[5] = { t, s, -2 * t * s, s * (6 * t * t - 2), t * s * (16 - 24 * t * t) };
  for (int i = 0; i < 5; i++) CHECK_NEAR(cn_at(d[i], 0), wanted[i], 1e-12);
}

Test(autograd_engine, anything_with_respect_to_anything) {
  cn_tensor *x = VECTOR(1, 2), *a = cn_exp(g, x), *b = cn_square(g, a), *y = cn_sum(g, cn_multiply(g, a, b));
  CHECK_TENSOR(cn_gradient(g, y, a), CN_DIMS(2), 1e-9, 3 * exp(2), 3 * exp(4));
  CHECK_TENSOR(cn_gradient(g, y, b), CN_DIMS(2), 1e-9, exp(1), exp(2));
  CHECK_TENSOR(cn_gradient(g, y, x), CN_DIMS(2), 1e-9, 3 * exp(3), 3 * exp(6));
  CHECK_TENSOR(cn_gradient(g, y, y), CN_SCALAR, 0, 1);
  CHECK_TENSOR(cn_gradient(g, a, y), CN_SCALAR, 0, 0);
  CHECK_TENSOR(cn_gradient(g, b, x, .gradient = VECTOR(0, 1)), CN_DIMS(2), 1e-9, 0, 2 * exp(4));
}

Test(autograd_engine, gradients_that_are_zero) {
  cn_tensor *x = VARIABLE(1), *far = VARIABLE(2, 3), *y = cn_square(g, x);
  cn_backward(g, y);
  CHECK_TENSOR(cn_grad(far), CN_DIMS(2), 0, 0, 0);
  cn_backward(g, cn_add(g, cn_square(g, x), cn_cast(g, cn_greater(g, x, NUMBER(0)), .dtype = "float64")));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 2);
  cn_backward(g, cn_add(g, x, cn_stop_gradient(g, cn_square(g, x))));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 1);
}

Test(autograd_engine, replaced_and_accumulated) {
  cn_tensor *x = VARIABLE(3);
  cn_backward(g, cn_square(g, x));
  cn_backward(g, cn_square(g, x));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 6);
  cn_backward(g, cn_square(g, x), .accumulate = true);
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 12);
  cn_graph_reset(g);
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 12);
}

Test(autograd_engine, watched_tensors) {
  cn_tensor *x = VECTOR(2), *y = cn_square(g, x), *w = VARIABLE(5);
  cr_assert_null(cn_grad(x));
  cn_watch(y);
  cn_backward(g, cn_multiply(g, y, w));
  CHECK_TENSOR(cn_grad(y), CN_DIMS(1), 0, 5);
  cr_assert_null(cn_grad(x));
  cn_watch(x);
  cn_backward(g, cn_multiply(g, y, w));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(1), 0, 20);
  cr_assert_null(cn_watch(INTEGERS(g, CN_DIMS(1), 1)));
  CHECK_REFUSED(g, CN_DTYPE, "watch: int32 has no gradient");
}

Test(autograd_engine, recording_off) {
  cn_tensor *x = VARIABLE(2);
  cn_recording(g, false);
  cn_tensor *y = cn_square(g, x);
  cn_recording(g, true);
  cr_assert(!cn_backward(g, y));
  CHECK_REFUSED(g, CN_STATE, "backward: the result was not made by a recorded operation");
}

Test(autograd_engine, released_values) {
  cn_tensor *x = VARIABLE(1, 2, 3, 4, 5), *a = cn_exp(g, x), *y = cn_sum(g, cn_square(g, a));
  cr_assert(cn_backward(g, y, .release = true));
  CHECK_NEAR(cn_at(cn_grad(x), 0), 2 * exp(2), 1e-9);
  cr_assert(isnan(cn_at(a, 0)));
  CHECK_REFUSED(g, CN_STATE, "at: the tensor's value was released by an earlier backward");
  y = cn_sum(g, cn_square(g, cn_exp(g, x)));
  cr_assert(cn_backward(g, y, .release = true));
  cr_assert(!cn_backward(g, y));
  CHECK_REFUSED(g, CN_STATE, "backward: input 0 of square was released by an earlier backward");
}

Test(autograd_engine, a_changed_variable) {
  cn_tensor *w = VARIABLE(2), *other = VARIABLE(7);
  cn_set_name(w, "w");
  cn_backward(g, cn_square(g, w));
  cn_tensor *y = cn_multiply(g, w, other);
  cn_assign(w, VECTOR(9));
  cr_assert(!cn_backward(g, y));
  CHECK_REFUSED(g, CN_STATE, "backward: variable w, input 0 of multiply, was changed after multiply had read it");
  CHECK_TENSOR(cn_grad(w), CN_DIMS(1), 0, 4);
  cn_tensor *z = cn_add(g, w, other); /* reads no value in its gradient */
  cn_assign(w, VECTOR(1));
  cr_assert(cn_backward(g, z));
}

/* A place is one number among 65,536 * 65,536: more than int32 has. No memory is needed, as the rows there are empty. */
Test(autograd_engine, places_of_a_large_target) {
  cn_tensor *at = cn_array(g, CN_I32, CN_DIMS(1, 2), (const int32_t[]){ 65535, 65534 }),
            *y = cn_scatter(g, at, cn_zeros(g, CN_F32, CN_DIMS(1, 0)), .shape = CN_INTS(65536, 65536, 0));
  cr_assert(y != NULL, "%s", cn_error(g));
  const cn_node *n = cn_node_of(y);
  while (strcmp(cn_node_op(n)->name, "scatter_rows") != 0) n = cn_node_of(cn_node_input(n, 0));
  cr_assert_eq(cn_at(cn_node_input(n, 1), 0), 65535.0 * 65536 + 65534);
}

Test(autograd_engine, rows_of_a_table) {
  cn_tensor *table = cn_variable(g, CN_F64, CN_DIMS(4, 2), (const double[]){ 1, 2, 3, 4, 5, 6, 7, 8 });
  cn_tensor *rows = cn_take(g, table, INTEGERS(g, CN_DIMS(3), 2, 0, 2), .axis = 0);
  cn_backward(g, cn_sum(g, cn_square(g, rows)));
  const cn_rows sparse = cn_grad_rows(table);
  cr_assert(sparse.indices && sparse.values, "look-ups alone keep the gradient sparse");
  CHECK_TENSOR(sparse.indices, CN_DIMS(3), 0, 2, 0, 2);
  CHECK_TENSOR(cn_grad(table), CN_DIMS(4, 2), 0, 2, 4, 0, 0, 20, 24, 0, 0);
  cn_backward(g, cn_add(g, cn_sum(g, cn_take(g, table, INTEGERS(g, CN_DIMS(1), -1), .axis = 0)), cn_sum(g, table)));
  cr_assert(!cn_grad_rows(table).values, "another reader makes it dense");
  CHECK_TENSOR(cn_grad(table), CN_DIMS(4, 2), 0, 1, 1, 1, 1, 1, 1, 2, 2);
}

Test(autograd_engine, refusals) {
  cr_assert(!cn_backward(g, NULL));
  cr_assert_eq(cn_error_code(g), CN_STATE);
  cn_graph_clear(g);
  cr_assert(!cn_backward(g, INTEGERS(g, CN_DIMS(1), 1)));
  CHECK_REFUSED(g, CN_DTYPE, "backward: the result is int32, which has no gradient");
  cn_tensor *x = VARIABLE(1, 2), *y = cn_square(g, x);
  cr_assert(!cn_backward(g, y, .gradient = VECTOR(1)));
  CHECK_REFUSED(g, CN_SHAPE, "backward: gradient is float64 [1], the result is float64 [2]");
  cn_tensor *s = cn_sparse_categorical_crossentropy(g, INTEGERS(g, CN_DIMS(1), 4), cn_ones(g, CN_F32, CN_DIMS(1, 3)), .from_logits = true);
  cr_assert_null(s);
  CHECK_REFUSED(g, CN_INDEX, "sparse_categorical_crossentropy: label 4 at position 0 is out of range for 3 classes");
}

/* ---- an operation of one's own: three outputs, one integer, and a check of values ---- */
#define SPLIT3(X, S) CN_IN(X, S, x, "positive numbers")
typedef struct cn_split3_args { cn_graph *graph; SPLIT3(CN_FIELD_, ) } cn_split3_args;
static cn_code split3_infer(const cn_call *c) {
  for (int i = 0; i < 3; i++) c->sig[i] = (cn_sig){ i == 2 ? CN_I32 : CN_F64, cn_dims_of(c->x[0]) };
  return CN_OK;
}
static cn_code split3_check(const cn_call *c) {
  for (int64_t i = 0; i < cn_count(c->x[0]); i++)
    if (!(cn_at(c->x[0], i) > 0)) return cn_fail(c->graph, CN_VALUE, "element %d is %g", (int)i, cn_at(c->x[0], i));
  return CN_OK;
}
static cn_code split3_forward(const cn_call *c) {
  double *root = (double *)(uintptr_t)cn_data(c->y[0]), *power = (double *)(uintptr_t)cn_data(c->y[1]);
  int32_t *whole = (int32_t *)(uintptr_t)cn_data(c->y[2]);
  for (int64_t i = 0; i < cn_count(c->x[0]); i++) {
    const double x = cn_at(c->x[0], i);
    root[i] = sqrt(x);
    power[i] = x * x;
    whole[i] = (int32_t)x;
  }
  return CN_OK;
}
static void split3_vjp(cn_graph *graph, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = cn_node_input(n, 0), *a = gy[0] ? cn_divide(graph, gy[0], cn_scale(graph, cn_sqrt(graph, x), 2)) : NULL,
            *b = gy[1] ? cn_multiply(graph, gy[1], cn_scale(graph, x, 2)) : NULL;
  if (want[0]) gx[0] = a && b ? cn_add(graph, a, b) : a ? a : b;
}
CN_SCHEMA_DATA_(split3, cn_split3_args, SPLIT3)
static const cn_op cn_op_split3 = { .name = "split3",
                                    .schema = CN_SCHEMA_(split3, "split3", cn_split3_args),
                                    .inputs = 1,
                                    .outputs = 3,
                                    .reads = CN_READS_X(0),
                                    .infer = split3_infer,
                                    .check = split3_check,
                                    .forward = split3_forward,
                                    .vjp = split3_vjp };

static cn_tensor *both(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  const cn_split3_args a = { graph, x[0] };
  cn_tensor *const *y = cn_apply(graph, &cn_op_split3, &a);
  (void)n, (void)user;
  return cn_multiply(graph, y[0], y[1]);
}

Test(autograd_engine, an_operation_with_three_outputs) {
  cn_tensor *x = VARIABLE(4, 9);
  const cn_split3_args a = { g, x };
  cn_tensor *const *y = cn_apply(g, &cn_op_split3, &a);
  CHECK_TENSOR(y[2], CN_DIMS(2), 0, 4, 9);
  cn_backward(g, y[0]);
  CHECK_TENSOR(cn_grad(x), CN_DIMS(2), 1e-12, 0.25, 1.0 / 6);
  const cn_gradcheck_report r = cn_gradcheck(g, both, CN_TENSORS(VECTOR(2, 3)), .order = 3);
  cr_assert(r.passed, "%s", r.text);
  const cn_split3_args bad = { g, VECTOR(1, -1) };
  cr_assert_null(cn_apply(g, &cn_op_split3, &bad)[2]);
  CHECK_REFUSED(g, CN_VALUE, "split3: element 1 is -1");
}

Test(autograd_engine, the_first_value_that_is_not_finite) {
  cn_check_finite(g, true);
  cn_tensor *x = VARIABLE(1, 0);
  cr_assert_null(cn_log(g, x));
  CHECK_REFUSED(g, CN_VALUE, "log: the result is not finite: element 1 is -inf");
  cn_tensor *y = cn_sqrt(g, x); /* finite; its gradient at 0 is not */
  cr_assert(!cn_backward(g, y));
  CHECK_REFUSED(g, CN_VALUE, "sqrt: the gradient is not finite: element 1 is inf");
  cn_layer *l = cn_Dense(g, 2, .kernel_initializer = "ones", .name = "sums");
  cr_assert_null(cn_call(g, l, FLOATS(g, CN_DIMS(1, 2), 3e38, 3e38)));
  CHECK_REFUSED(g, CN_VALUE, "linear: the result is not finite: element 0 is inf (in sums)");
  cn_check_finite(g, false);
  cr_assert(cn_log(g, x) != NULL);
}

Test(autograd_engine, memory_is_flat) {
  counting n = { 0 };
  cn_graph *own = graph_counting(&n);
  cn_tensor *w = cn_variable(own, CN_F32, CN_DIMS(100), NULL);
  int64_t calls = 0;
  for (int i = 0; i < 10000; i++) {
    cn_backward(own, cn_sum(own, cn_square(own, cn_tanh(own, w))), .release = i % 2 == 0);
    cn_graph_reset(own);
    if (i == 20) calls = n.calls;
  }
  cr_assert_eq(n.calls, calls);
  cn_graph_free(own);
  cr_assert_eq(n.live, 0);
}

/* Two views of one gradient meet in the slot of p: neither may be returned twice. */
Test(autograd_engine, views_that_meet_in_one_gradient) {
  cn_graph *plain = cn_graph_new(.seed = 1, .replay = false);
  const double values[] = { 0.5, 0.4, -1.1, -0.3, 0.5, -1.5, -0.4, -0.7, 0.1, 0.9, -0.2, 0.2 };
  cn_tensor *x = cn_variable(plain, CN_F64, CN_DIMS(3, 4), values), *p = cn_prod(plain, x, .axis = CN_INTS(0), .keepdims = true);
  cn_tensor *d = cn_gradient(plain, cn_sum(plain, cn_square(plain, cn_concatenate(plain, CN_TENSORS(p, p), .axis = 0))), x);
  cr_assert(d != NULL, "%s", cn_error(plain));
  for (int i = 0; i < 12; i++) CHECK_NEAR(cn_at(d, i), 4 * cn_at(p, i % 4) * cn_at(p, i % 4) / values[i], 1e-12);
  CHECK_OK(plain);
  cn_graph_free(plain);
}
