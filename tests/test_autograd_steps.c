/* Backward stepped through, and the first value that is not finite. */
#include "test_layers.h"
#include <stdio.h>

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 4); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_steps, .init = begin, .fini = end);

/* What a callback has seen, and after how many steps it stops. */
typedef struct seen { char text[1024]; int64_t steps, stop; double last; } seen;

static bool look(cn_graph *graph, const cn_backward_step *s, void *user) {
  seen *v = user;
  char word[160];
  double gx = 0;
  cr_assert_eq(s->number, v->steps++);
  for (int64_t i = 0; i < cn_node_inputs(s->node); i++)
    for (int64_t k = 0; s->gx[i] && k < cn_count(s->gx[i]); k++) gx += cn_at(s->gx[i], k);
  snprintf(word, sizeof word, "%d %s %s %g>%g;", (int)cn_node_number(s->node), cn_node_op(s->node)->name, s->rule,
           s->gy[0] ? cn_item(cn_sum(graph, s->gy[0])) : NAN, gx);
  strncat(v->text, word, sizeof v->text - strlen(v->text) - 1);
  return v->steps != v->stop;
}

static cn_tensor *w, *b;
static cn_tensor *loss_of(void) { /* (w x + b)^2, summed: b is broadcast */
  if (!w) w = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ 0.5, -2 }), b = cn_variable(g, CN_F64, CN_SCALAR, (const double[]){ 1 });
  cn_tensor *x = cn_array(g, CN_F64, CN_DIMS(2), (const double[]){ 1, 3 });
  return cn_sum(g, cn_square(g, cn_add(g, cn_multiply(g, w, x), b)));
}

Test(autograd_steps, each_operation_from_the_result_down) {
  seen v = { .stop = -1 };
  cr_assert(cn_backward(g, loss_of(), .step = look, .user = &v), "%s", cn_error(g));
  /* w x + b = 1.5, -5, times 2: 3, -10, whose sum goes to both of add's inputs; times x: 3, -30 */
  cr_assert_str_eq(v.text, "3 sum backward 1>2;2 square backward 2>-7;1 add vjp -7>-14;0 multiply backward -7>-27;");
  CHECK_TENSOR(cn_grad(w), CN_DIMS(2), 0, 3, -30);
  CHECK_TENSOR(cn_grad(b), CN_SCALAR, 0, -7);
}

Test(autograd_steps, the_numbers_of_an_unwatched_walk) {
  seen v = { .stop = -1 };
  w = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ 0.5, -2 });
  cn_tensor *mid = cn_watch(cn_multiply(g, w, w));
  cn_tensor *loss = cn_sum(g, cn_multiply(g, cn_tanh(g, mid), w));
  cr_assert(cn_backward(g, loss));
  double plain[4] = { cn_at(cn_grad(w), 0), cn_at(cn_grad(w), 1), cn_at(cn_grad(mid), 0), cn_at(cn_grad(mid), 1) };
  cr_assert(cn_backward(g, loss, .step = look, .user = &v));
  for (int i = 0; i < 2; i++) cr_assert(cn_at(cn_grad(w), i) == plain[i] && cn_at(cn_grad(mid), i) == plain[2 + i]);
  cr_assert(cn_backward(g, loss, .step = look, .user = &(seen){ .stop = -1 }, .accumulate = true));
  for (int i = 0; i < 2; i++) CHECK_NEAR(cn_at(cn_grad(w), i), 2 * plain[i], 1e-12);
}

Test(autograd_steps, a_stop_changes_nothing) {
  cn_tensor *loss = loss_of();
  cr_assert(cn_backward(g, loss));
  const cn_tensor *before = cn_grad(w);
  for (int64_t stop = 1; stop <= 4; stop++) {
    seen v = { .stop = stop };
    cr_assert(!cn_backward(g, loss, .step = look, .user = &v));
    cr_assert_eq(v.steps, stop);
    CHECK_OK(g);
    cr_assert_eq(cn_grad(w), before);
    CHECK_TENSOR(cn_grad(w), CN_DIMS(2), 0, 3, -30);
  }
  cr_assert(cn_backward(g, loss));
  CHECK_TENSOR(cn_grad(w), CN_DIMS(2), 0, 3, -30);
  CHECK_TENSOR(cn_grad(b), CN_SCALAR, 0, -7);
}

Test(autograd_steps, memory_of_stopped_walks_returns) {
  static counting n; /* outlives the test: its end frees the graph */
  const cn_allocator allocator = { counting_alloc, counting_free, &n };
  cn_graph_free(g);
  g = cn_graph_new(.allocator = &allocator, .replay = false);
  w = cn_variable(g, CN_F64, CN_DIMS(100), NULL);
  int64_t calls = 0;
  for (int i = 0; i < 200; i++) {
    seen v = { .stop = 1 + i % 3 };
    cn_tensor *loss = cn_sum(g, cn_square(g, cn_tanh(g, w)));
    cr_assert(!cn_backward(g, loss, .step = look, .user = &v) || i % 3 == 2);
    cn_graph_reset(g);
    if (i == 20) calls = n.calls;
  }
  cr_assert_eq(n.calls, calls);
}

static bool rows_seen(cn_graph *graph, const cn_backward_step *s, void *user) {
  (void)graph;
  if (strcmp(s->rule, "rows")) return true;
  cr_assert(!s->gx[0] && cn_count(s->rows.indices) == 2 && cn_at(s->rows.indices, 1) == 3);
  CHECK_TENSOR(s->rows.values, CN_DIMS(2, 2), 0, 1, 1, 1, 1);
  ++*(int *)user;
  return *(int *)user < 2;
}
Test(autograd_steps, a_look_up_sends_rows) {
  cn_tensor *table = cn_variable(g, CN_F32, CN_DIMS(4, 2), NULL), *loss = cn_sum(g, cn_take(g, table, INTEGERS(g, CN_DIMS(2), 0, 3), .axis = 0));
  int count = 0;
  cr_assert(cn_backward(g, loss, .step = rows_seen, .user = &count));
  cr_assert_eq(count, 1);
  CHECK_TENSOR(cn_grad(table), CN_DIMS(4, 2), 0, 1, 1, 0, 0, 0, 0, 1, 1);
  cr_assert(!cn_backward(g, loss, .step = rows_seen, .user = &count));
  CHECK_TENSOR(cn_grad(table), CN_DIMS(4, 2), 0, 1, 1, 0, 0, 0, 0, 1, 1);
}

static bool layers_seen(cn_graph *graph, const cn_backward_step *s, void *user) {
  (void)graph;
  if (strcmp(cn_node_op(s->node)->name, "linear")) return true;
  cr_assert_str_eq(cn_node_scope(s->node), "scores");
  ++*(int *)user;
  return true;
}
Test(autograd_steps, layers_are_named) {
  int linear = 0;
  cn_tensor *y = cn_sum(g, cn_call(g, cn_Dense(g, 2, .name = "scores"), FLOATS(g, CN_DIMS(1, 2), 1, 2)));
  cr_assert_str_eq(cn_node_scope(cn_node_of(y)), "");
  cr_assert(cn_backward(g, y, .step = layers_seen, .user = &linear));
  cr_assert_eq(linear, 1);
}

static bool differentiates(cn_graph *graph, const cn_backward_step *s, void *user) {
  (void)s;
  return cn_backward(graph, user);
}
static bool resets(cn_graph *graph, const cn_backward_step *s, void *user) {
  (void)s;
  (void)user;
  cn_graph_reset(graph);
  return true;
}
Test(autograd_steps, refusals) {
  cn_tensor *loss = loss_of();
  cr_assert(!cn_backward(g, loss, .step = differentiates, .user = loss));
  CHECK_REFUSED(g, CN_STATE, "backward: the callback of a backward that is stepped through cannot differentiate");
  cr_assert(!cn_backward(g, loss_of(), .step = resets));
  CHECK_REFUSED(g, CN_STATE, "graph_reset: the callback of a backward that is stepped through cannot reset the graph");
}

/* ---- the first value that is not finite ---- */
Test(autograd_steps, not_finite_in_a_rule_of_operations_and_in_a_sum) {
  cn_check_finite(g, true);
  cn_tensor *x = cn_variable(g, CN_F64, CN_DIMS(2), (const double[]){ 1e-200, 1 });
  cr_assert(!cn_backward(g, cn_sum(g, cn_reciprocal(g, cn_multiply(g, x, cn_shift(g, x, 0)))))); /* 1e-200^2 is 0: its reciprocal is not finite */
  cr_assert(strstr(cn_error(g), "reciprocal: the result is not finite: element 0 is inf"), "%s", cn_error(g));
  cn_graph_clear(g);
  cn_tensor *f = cn_variable(g, CN_F32, CN_DIMS(1), (const float[]){ 0 }), *big = FLOATS(g, CN_DIMS(1), 3e38);
  cr_assert(!cn_backward(g, cn_sum(g, cn_add(g, cn_multiply(g, f, big), cn_multiply(g, f, big)))));
  CHECK_REFUSED(g, CN_VALUE, "multiply: the sum of the gradients is not finite: element 0 is inf");
}

static cn_model *overflowing(cn_graph *graph) {
  cn_model *m = cn_Sequential(graph, "net");
  cn_push(m, cn_Dense(graph, 2, .kernel_initializer = "ones", .name = "first"));
  cn_push(m, cn_Dense(graph, 1, .kernel_initializer = "constant(0.5)", .name = "second"));
  cn_model_build(m, CN_DIMS(CN_UNKNOWN, 2));
  cn_compile(m, .optimizer = "sgd(0)", .loss = "mean_squared_error");
  return m;
}

/* Steps that are replayed by then: the mode is looked at in each. */
static void train(cn_model *m, double last) {
  for (int i = 0; i < 8; i++) {
    cn_train_on_batch(m, FLOATS(g, CN_DIMS(1, 2), 1, i < 7 ? 1 : last), FLOATS(g, CN_DIMS(1, 1), 0), NULL);
    if (i == 6) cn_check_finite(g, true);
  }
}
Test(autograd_steps, not_finite_in_a_compiled_model) {
  cn_model *m = overflowing(g);
  train(m, HUGE_VAL);
  CHECK_REFUSED(g, CN_VALUE, "linear: the result is not finite: element 0 is inf (in net/first)");
  cn_check_finite(g, false);
}

Test(autograd_steps, not_finite_gradients_in_fit) {
  cn_model *m = overflowing(g);
  cn_check_finite(g, true);
  const float x[] = { 1, 1, 7e18F, 7e18F }, y[] = { 0, 0 }; /* of the second row the loss is h^2 = 1.96e38, and its gradient with respect to the kernel 2 h^2 */
  cn_fit(m, cn_dataset_from_arrays(g, CN_F32, CN_DIMS(2, 2), x, CN_F32, CN_DIMS(2, 1), y), .batch_size = 1, .shuffle = false, .verbose = 0);
  CHECK_REFUSED(g, CN_VALUE, "linear: the gradient is not finite: element 0 is inf (in net/second, called from fit, batch 1)");
}

/* A variable that changed now would leave what the walk has yet to read without the value that the versions were checked for. */
static bool assigns(cn_graph *graph, const cn_backward_step *s, void *user) {
  (void)graph;
  (void)s;
  return !cn_assign_data(user, (const double[]){ 9, 9 }) && false;
}
Test(autograd_steps, a_callback_changes_no_variable) {
  const double values[] = { 1, 2 };
  cn_tensor *v = cn_variable(g, CN_F64, CN_DIMS(2), values), *loss = cn_sum(g, cn_square(g, v));
  cr_assert(!cn_backward(g, loss, .step = assigns, .user = v));
  cr_assert(strstr(cn_error(g), "assign: the callback of a backward that is stepped through cannot change a variable"), "%s", cn_error(g));
  cn_graph_clear(g);
  cr_assert(cn_at(v, 0) == 1 && cn_at(v, 1) == 2);
}
