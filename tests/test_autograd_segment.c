/* Segments: checkpoints and functions with a gradient of their own. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 6); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_segment, .init = begin, .fini = end);

/* ---- checkpoints: the same as the function itself ---- */
enum { DEEP = 12 };
typedef struct net { cn_tensor *w[DEEP], *b; int from, count; double rate; cn_stream *stream; } net;

static net net_of(cn_graph *graph, cn_dtype dtype, int64_t width) {
  net m = { .count = DEEP, .b = cn_variable(graph, dtype, CN_DIMS(width), NULL) };
  for (int i = 0; i < DEEP; i++) {
    double *v = calloc((size_t)(width * width), sizeof *v);
    for (int64_t k = 0; k < width * width; k++) v[k] = 0.7 * sin(1.0 + (double)(7 * k + i)) / sqrt((double)width);
    cn_tensor *t = cn_array_from_doubles(graph, dtype, CN_DIMS(width, width), v);
    m.w[i] = cn_variable(graph, dtype, CN_DIMS(width, width), cn_data(t));
    free(v);
  }
  return m;
}

static cn_tensor *layers_of(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  const net *m = user;
  cn_tensor *y = x[0];
  for (int i = m->from; i < m->from + m->count && n; i++) {
    y = cn_tanh(graph, cn_add(graph, cn_matmul(graph, y, m->w[i]), m->b));
    if (m->rate > 0) y = cn_dropout(graph, y, m->rate, .stream = m->stream);
  }
  return y;
}

/* The loss of the net in `segments` checkpoints; 0: none. The parts live as long as the caller's array. */
static cn_tensor *loss_of(cn_graph *graph, const net *m, cn_tensor *x, int segments, net *parts) {
  cn_tensor *y = x;
  for (int k = 0; k < (segments ? segments : 1); k++) {
    parts[k] = *m;
    parts[k].count = segments ? DEEP / segments : DEEP;
    parts[k].from = k * parts[k].count;
    y = segments ? cn_checkpoint(graph, layers_of, CN_TENSORS(y), &parts[k]) : layers_of(graph, &y, 1, &parts[k]);
  }
  return cn_sum(graph, cn_square(graph, y));
}

static cn_tensor *rows_of(cn_graph *graph, cn_dtype dtype, int64_t rows, int64_t width) {
  double *v = calloc((size_t)(rows * width), sizeof *v);
  for (int64_t i = 0; i < rows * width; i++) v[i] = cos((double)i);
  cn_tensor *x = cn_array_from_doubles(graph, dtype, CN_DIMS(rows, width), v);
  free(v);
  return x;
}

static void same(const cn_tensor *a, const cn_tensor *b) {
  cr_assert(a && b);
  cr_assert_eq(cn_count(a), cn_count(b));
  for (int64_t i = 0; i < cn_count(a); i++) cr_assert_eq(cn_at(a, i), cn_at(b, i), "element %d: %.17g, %.17g", (int)i, cn_at(a, i), cn_at(b, i));
}

Test(autograd_segment, the_same_numbers) {
  const net m = net_of(g, CN_F64, 5);
  cn_tensor *x = cn_watch(rows_of(g, CN_F64, 3, 5)), *kept[DEEP + 1];
  net parts[4];
  for (int segments = 0; segments <= 4; segments += 2) {
    cn_tensor *loss = loss_of(g, &m, x, segments, parts);
    cr_assert(cn_backward(g, loss, .release = segments == 4), "%s", cn_error(g));
    for (int i = 0; i <= DEEP; i++) {
      cn_tensor *d = cn_grad(i < DEEP ? m.w[i] : x);
      if (segments) same(d, kept[i]);
      else kept[i] = cn_persist(d);
    }
  }
}

Test(autograd_segment, dropout_drops_the_same) {
  net m = net_of(g, CN_F64, 5), parts[3];
  cn_tensor *x = rows_of(g, CN_F64, 3, 5), *kept[DEEP] = { NULL };
  cn_stream streams[2] = { { 77, 3 }, { 77, 3 } };
  m.rate = 0.3;
  for (int k = 0; k < 2; k++) {
    m.stream = &streams[k];
    cn_tensor *loss = loss_of(g, &m, x, k ? 3 : 0, parts);
    cr_assert(cn_random_uniform(g, .shape = CN_INTS(4), .stream = m.stream) != NULL); /* drawn from between forward and backward */
    const uint64_t counter = streams[k].counter;
    cr_assert(cn_backward(g, loss), "%s", cn_error(g));
    cr_assert_eq(streams[k].counter, counter);
    for (int i = 0; i < DEEP; i++) {
      if (k) same(cn_grad(m.w[i]), kept[i]);
      else kept[i] = cn_persist(cn_grad(m.w[i]));
    }
  }
  cr_assert_eq(streams[0].counter, streams[1].counter);
}

static cn_tensor *cubic(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)user;
  cn_tensor *y = cn_multiply(graph, x[0], cn_square(graph, x[n - 1]));
  return cn_add(graph, y, cn_sin(graph, x[0]));
}
static cn_tensor *twice_nested(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  cn_tensor *const inner[] = { cn_checkpoint(graph, cubic, (cn_tensors){ x, n }, user), x[0] };
  return cn_checkpoint(graph, cubic, (cn_tensors){ inner, 2 }, user);
}
static cn_tensor *checkpointed(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return cn_tanh(graph, cn_checkpoint(graph, *(const cn_segment_function *)user, (cn_tensors){ x, n }, user));
}

Test(autograd_segment, every_order) {
  static const cn_segment_function functions[] = { cubic, twice_nested };
  cn_tensor *a = cn_array(g, CN_F64, CN_DIMS(2), (const double[]){ 0.4, -0.3 }), *b = cn_array(g, CN_F64, CN_DIMS(2), (const double[]){ 0.8, 0.6 });
  for (int i = 0; i < 2; i++) {
    cn_segment_function f = functions[i];
    const cn_gradcheck_report r = cn_gradcheck(g, checkpointed, CN_TENSORS(a, b), &f, .order = 3);
    cr_assert(r.passed, "%s %s", r.text, cn_error(g));
  }
}

/* An input that was computed from another input, and a variable that is read inside and outside. */
static cn_tensor *reads_variable(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return cn_add(graph, cn_multiply(graph, x[0], user), cn_square(graph, cn_multiply(graph, x[n - 1], x[0])));
}
Test(autograd_segment, inputs_that_depend_on_each_other) {
  cn_tensor *v = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 0.7 }), *kept[3] = { NULL };
  for (int k = 0; k < 2; k++) {
    cn_tensor *a = cn_exp(g, v), *b = cn_multiply(g, a, v), *inputs[] = { a, b, v };
    cn_tensor *y = k ? cn_checkpoint(g, reads_variable, (cn_tensors){ inputs, 3 }, v) : reads_variable(g, inputs, 3, v), *loss = cn_multiply(g, y, v), *dx[3];
    cr_assert(cn_gradients(g, loss, CN_NO_TENSOR, inputs, 3, true, dx), "%s", cn_error(g));
    cn_tensor *second = cn_gradient(g, dx[2], v);
    for (int i = 0; k && i < 3; i++) CHECK_NEAR(cn_item(dx[i]), cn_item(kept[i]), 1e-12);
    cr_assert(cn_backward(g, loss));
    CHECK_NEAR(cn_item(cn_grad(v)), cn_item(dx[2]), 1e-12);
    if (k) CHECK_NEAR(cn_item(second), cn_item(cn_gradient(g, kept[2], v)), 1e-10);
    for (int i = 0; !k && i < 3; i++) kept[i] = dx[i];
  }
}

/* Peak memory above what stands before the step, and the largest gradient. */
static size_t peak_of(int segments, double *gradient) {
  cn_graph *own = cn_graph_new(.seed = 1, .threads = 1);
  net m = net_of(own, CN_F32, 16), parts[4];
  const size_t before = cn_graph_bytes(own);
  cn_tensor *x = rows_of(own, CN_F32, 4096, 16);
  cr_assert(cn_backward(own, loss_of(own, &m, x, segments, parts), .release = true), "%s", cn_error(own));
  *gradient = cn_at(cn_grad(m.w[0]), 3);
  const size_t peak = cn_graph_peak_bytes(own) - before;
  cn_graph_free(own);
  return peak;
}
Test(autograd_segment, half_the_memory) {
  double plain, less;
  const size_t whole = peak_of(0, &plain), segments = peak_of(4, &less);
  cr_assert_eq(plain, less);
  cr_assert(2 * segments <= whole, "%zu bytes in 4 segments, %zu without", segments, whole);
}

/* ---- inside layers and models ---- */
static cn_tensor *calls_layer(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  return cn_call(graph, user, x[0]);
}
Test(autograd_segment, layers_that_are_built_inside) {
  cn_layer *l = cn_Dense(g, 3, .activation = "relu", .name = "hidden");
  cn_tensor *y = cn_checkpoint(g, calls_layer, CN_TENSORS(FLOATS(g, CN_DIMS(2, 2), 1, 2, -1, 0.5)), l);
  cr_assert(cn_backward(g, cn_sum(g, y)), "%s", cn_error(g));
  cn_tensor *d[2] = { cn_persist(cn_grad(weight_at(l, 0))), cn_persist(cn_grad(weight_at(l, 1))) };
  cr_assert(cn_backward(g, cn_sum(g, cn_call(g, l, FLOATS(g, CN_DIMS(2, 2), 1, 2, -1, 0.5)))));
  for (int i = 0; i < 2; i++) same(cn_grad(weight_at(l, i)), d[i]);
}

static cn_tensor *counts(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  cn_tensor *state = user, *y = cn_square(graph, x[n - 1]);
  cn_assign(state, cn_shift(graph, state, 1));
  return cn_tanh(graph, y);
}
Test(autograd_segment, what_it_assigns_is_assigned_once) {
  cn_tensor *state = cn_variable(g, CN_F64, CN_SCALAR, NULL), *w = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 0.5 });
  cn_set_trainable(state, false);
  cr_assert(cn_backward(g, cn_checkpoint(g, counts, CN_TENSORS(w), state)), "%s", cn_error(g));
  CHECK_NEAR(cn_item(cn_grad(w)), 2 * 0.5 * (1 - tanh(0.25) * tanh(0.25)), 1e-12);
  CHECK_NEAR(cn_item(state), 1, 0);
}

Test(autograd_segment, many_steps_in_flat_memory) {
  counting n = { 0 };
  const cn_allocator allocator = { counting_alloc, counting_free, &n };
  cn_graph *own = cn_graph_new(.allocator = &allocator, .replay = false);
  const net m = net_of(own, CN_F32, 8);
  net parts[4];
  cn_optimizer *o = cn_optimizer_from(own, "adam(1e-3)");
  cn_optimizer_build(o, m.w, DEEP);
  cn_graph_reset(own);
  int64_t calls = 0;
  for (int i = 0; i < 300; i++) {
    cr_assert(cn_optimizer_minimize(o, loss_of(own, &m, rows_of(own, CN_F32, 4, 8), 4, parts), true), "%s", cn_error(own));
    cn_graph_reset(own);
    if (i == 150) calls = n.calls;
  }
  cr_assert_eq(n.calls, calls);
  cn_graph_free(own);
  cr_assert_eq(n.live, 0);
}

/* Every allocation fails once: an error and no leak. */
Test(autograd_segment, no_memory) {
  counting n = { 0 };
  cn_graph_free(graph_counting(&n));
  const int64_t first = n.calls + 1;
  int refused = 0;
  for (int64_t k = first; k < first + 60; k++) {
    counting failing = { .fail_at = k };
    cn_graph *own = graph_counting(&failing);
    const net m = net_of(own, CN_F32, 8);
    net parts[4];
    const bool done = cn_backward(own, loss_of(own, &m, rows_of(own, CN_F32, 4, 8), 4, parts));
    cr_assert(done == cn_ok(own), "allocation %d of %d: %s", (int)k, (int)failing.calls,
              cn_error(own)); /* done: a kernel's workspace, which it can do without */
    refused += !done;
    cn_graph_free(own);
    cr_assert_eq(failing.live, 0);
  }
  cr_assert(refused > 20, "%d", refused);
}

/* ---- what is refused ---- */
static cn_tensor *leaks(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return cn_exp(graph, *(cn_tensor **)user = cn_square(graph, x[n - 1]));
}
static cn_tensor *varies(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return ++*(int *)user == 1 ? cn_exp(graph, x[n - 1]) : cn_sum(graph, cn_exp(graph, x[n - 1]));
}
static cn_tensor *writes(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  cn_tensor *y = cn_multiply(graph, x[n - 1], user);
  cn_assign(user, cn_shift(graph, user, 1));
  return y;
}
Test(autograd_segment, refusals) {
  cn_tensor *w = cn_variable(g, CN_F32, CN_DIMS(2), NULL), *inside = NULL;
  int calls = 0;
  cr_assert(cn_checkpoint(g, leaks, CN_TENSORS(w), &inside) != NULL);
  cr_assert_null(cn_exp(g, inside));
  CHECK_REFUSED(g, CN_STATE, "exp: the tensor's value was released when its segment ended");
  cr_assert(!cn_backward(g, cn_checkpoint(g, varies, CN_TENSORS(w), &calls)));
  CHECK_REFUSED(g, CN_STATE, "checkpoint: the function gave another result when it was computed again");
  cr_assert(!cn_backward(g, cn_checkpoint(g, writes, CN_TENSORS(w), cn_variable(g, CN_F32, CN_DIMS(2), NULL))));
  CHECK_REFUSED(g, CN_STATE, "backward: variable (unnamed), input 1 of checkpoint, was changed after checkpoint had read it");
  cr_assert_null(cn_checkpoint(g, NULL, CN_TENSORS(w), NULL));
  CHECK_REFUSED(g, CN_VALUE, "checkpoint: a function is missing");
  cr_assert_null(cn_checkpoint(g, leaks, CN_TENSORS(NULL), &inside));
  CHECK_REFUSED(g, CN_STATE, "checkpoint: an input is missing");
}

Test(autograd_segment, unrecorded_and_symbolic) {
  cn_tensor *inside = NULL, *s = cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, 2)), *y = cn_checkpoint(g, leaks, CN_TENSORS(s), &inside);
  cr_assert(cn_is_symbolic(y) && cn_dim(y, 1) == 2);
  cn_recording(g, false);
  y = cn_checkpoint(g, leaks, CN_TENSORS(FLOATS(g, CN_DIMS(1), 1)), &inside);
  CHECK_NEAR(cn_item(y), exp(1), 1e-6);
  cr_assert_null(cn_node_of(y));
}

/* ---- gradients of one's own ---- */
static cn_tensor *same_value(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) { return (void)graph, (void)n, (void)user, x[0]; }
static void reversed(cn_graph *graph, cn_tensor *const *x, int64_t n, cn_tensor *y, cn_tensor *gy, const bool *want, cn_tensor **gx, void *user) {
  (void)x, (void)n, (void)y;
  if (want[0]) gx[0] = cn_scale(graph, gy, -*(const double *)user);
}
Test(autograd_segment, a_reversed_gradient) {
  double factor = 2;
  cn_tensor *w = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ 1, -3 });
  cn_tensor *y = cn_custom_gradient(g, same_value, reversed, CN_TENSORS(w), &factor);
  CHECK_TENSOR(y, CN_DIMS(2), 0, 1, -3);
  cr_assert(cn_backward(g, cn_sum(g, cn_square(g, y))), "%s", cn_error(g));
  CHECK_TENSOR(cn_grad(w), CN_DIMS(2), 0, -4, 12);
}

/* log(1 + exp(x)), whose own gradient overflows: vjp = gy sigmoid(x). */
static cn_tensor *log1pexp(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return (void)n, (void)user, cn_log(graph, cn_shift(graph, cn_exp(graph, x[0]), 1));
}
static void log1pexp_vjp(cn_graph *graph, cn_tensor *const *x, int64_t n, cn_tensor *y, cn_tensor *gy, const bool *want, cn_tensor **gx, void *user) {
  (void)n, (void)y, (void)user;
  if (want[0]) gx[0] = cn_multiply(graph, gy, cn_sigmoid(graph, x[0]));
}
static cn_tensor *stable(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return cn_multiply(graph, cn_custom_gradient(graph, log1pexp, log1pexp_vjp, CN_TENSORS(x[0]), user), x[n - 1]);
}
Test(autograd_segment, a_stable_gradient_of_any_order) {
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ 1000, 0.3 });
  cr_assert(cn_backward(g, cn_custom_gradient(g, log1pexp, log1pexp_vjp, CN_TENSORS(x), NULL)));
  CHECK_TENSOR(cn_grad(x), CN_DIMS(2), 1e-15, 1, 1 / (1 + exp(-0.3)));
  const cn_gradcheck_report r = cn_gradcheck(g, stable, CN_TENSORS(cn_array(g, CN_F64, CN_DIMS(3), (const double[]){ 0.3, -1, 0.6 })), .order = 3);
  cr_assert(r.passed, "%s", r.text);
}

static cn_tensor *checkpoints_stable(cn_graph *graph, cn_tensor *const *x, int64_t n, void *user) {
  return cn_sin(graph, cn_checkpoint(graph, stable, (cn_tensors){ x, n }, user));
}
Test(autograd_segment, a_gradient_of_ones_own_inside_a_checkpoint) {
  const cn_gradcheck_report r = cn_gradcheck(g, checkpoints_stable, CN_TENSORS(cn_array(g, CN_F64, CN_DIMS(3), (const double[]){ 0.3, -1, 0.6 })), .order = 2);
  cr_assert(r.passed, "%s", r.text);
}

static void misshapen(cn_graph *graph, cn_tensor *const *x, int64_t n, cn_tensor *y, cn_tensor *gy, const bool *want, cn_tensor **gx, void *user) {
  (void)x, (void)n, (void)y, (void)want, (void)user;
  gx[0] = cn_sum(graph, gy);
}
Test(autograd_segment, refused_gradients) {
  cn_tensor *w = cn_variable(g, CN_F64, CN_DIMS(2), NULL);
  cr_assert(!cn_backward(g, cn_custom_gradient(g, same_value, misshapen, CN_TENSORS(w), NULL)));
  CHECK_REFUSED(g, CN_SHAPE, "custom_gradient: the gradient of input 0 is float64 [], the input is float64 [2]");
  cr_assert_null(cn_custom_gradient(g, same_value, NULL, CN_TENSORS(w), NULL));
  CHECK_REFUSED(g, CN_VALUE, "custom_gradient: a function is missing");
}

/* ---- a segment in a segment ---- */
static cn_tensor *times_variable(cn_graph *graph, cn_tensor *const *x, int64_t n, void *variable) {
  return (void)n, cn_multiply(graph, x[0], (cn_tensor *)variable);
}
static cn_tensor *squared_segment(cn_graph *graph, cn_tensor *const *x, int64_t n, void *variable) {
  (void)n;
  return cn_square(graph, cn_checkpoint(graph, times_variable, CN_TENSORS(x[0]), variable));
}

/* y = sum (x w)^2: w is read in the inner segment alone. */
Test(autograd_segment, a_variable_of_the_inner_segment) {
  const double values[] = { 2, 3 };
  cn_tensor *w = cn_variable(g, CN_F64, CN_DIMS(2), values), *x = cn_array(g, CN_F64, CN_DIMS(2), values);
  cn_tensor *y = cn_sum(g, cn_checkpoint(g, squared_segment, CN_TENSORS(x), w));
  cr_assert(cn_backward(g, y), "%s", cn_error(g));
  for (int i = 0; i < 2; i++) CHECK_NEAR(cn_at(cn_grad(w), i), 2 * values[i] * values[i] * values[i], 1e-12);
}

/* Hessian-vector products defer large results; what a segment computes is not deferred. */
Test(autograd_segment, hessian_products_of_large_segments) {
  enum { N = 20000 };
  cn_tensor *w = cn_variable(g, CN_F64, CN_DIMS(N), NULL), *x = cn_full(g, CN_F64, CN_DIMS(N), 3), *v = cn_ones(g, CN_F64, CN_DIMS(N)), *hv = NULL;
  cn_tensor *y = cn_sum(g, cn_checkpoint(g, squared_segment, CN_TENSORS(x), w));
  cr_assert(cn_hvp(g, y, &w, &v, 1, &hv), "%s", cn_error(g));
  for (int i = 0; i < N; i += 999) CHECK_NEAR(cn_at(hv, i), 18, 1e-12);
}
