/* Plans of eager code: steps that repeat give the same bits as steps recorded anew, and every difference between steps is seen. */
#include "test_layers.h"

enum { IN = 5, HIDDEN = 20, OUT = 3, ROWS = 8, STEPS = 60 };

static double unit(uint32_t i) { return (double)((i * 2654435761u) >> 8) / 16777216.0; }
static cn_tensor *noise(cn_graph *g, int64_t rows, int64_t columns, uint32_t seed) {
  double x[ROWS * HIDDEN];
  for (uint32_t i = 0; i < rows * columns; i++) x[i] = unit(i + 977 * seed) - 0.5;
  return cn_array_from_doubles(g, CN_F32, CN_DIMS(rows, columns), x);
}

typedef struct net { cn_graph *g; cn_tensor *w1, *b1, *w2, *state; cn_stream stream; cn_tensor *old, *kept; double kept_value; } net;

static void begin(net *n, bool replay) {
  *n = (net){ .g = cn_graph_new(.seed = 3, .replay = replay), .stream = { 5, 0 } };
  float w[IN * HIDDEN];
  for (uint32_t i = 0; i < IN * HIDDEN; i++) w[i] = (float)unit(i + 5) - 0.5f;
  n->w1 = cn_variable(n->g, CN_F32, CN_DIMS(IN, HIDDEN), w);
  n->b1 = cn_variable(n->g, CN_F32, CN_DIMS(HIDDEN), NULL);
  n->w2 = cn_variable(n->g, CN_F32, CN_DIMS(HIDDEN, OUT), w);
  n->state = cn_variable(n->g, CN_F32, CN_DIMS(HIDDEN), NULL);
  cn_set_trainable(n->state, false);
}

static void descend(net *n) {
  cn_tensor *const v[] = { n->w1, n->b1, n->w2 };
  for (int i = 0; i < 3; i++)
    if (cn_is_trainable(v[i])) cn_assign(v[i], cn_subtract(n->g, v[i], cn_multiply(n->g, cn_grad(v[i]), cn_scalar(n->g, 0.1))));
}

typedef cn_tensor *forward(net *n, uint32_t step);

/* The loss at each step of a run. */
static void run(forward *f, bool replay, bool release, double *losses) {
  net n;
  begin(&n, replay);
  for (uint32_t step = 0; step < STEPS; step++) {
    cn_tensor *loss = f(&n, step);
    losses[step] = cn_item(loss);
    cn_backward(n.g, loss, .release = release);
    descend(&n);
    cr_assert(cn_ok(n.g), "step %d: %s", (int)step, cn_error(n.g));
    cn_graph_reset(n.g);
  }
  for (int64_t i = 0; i < cn_count(n.w1); i++) losses[STEPS] += cn_at(n.w1, i) * (double)(i + 1);
  cn_graph_free(n.g);
}

static void same_with_plans(forward *f, const char *what) {
  for (int release = 0; release < 2; release++) {
    double recorded[STEPS + 1] = { 0 }, planned[STEPS + 1] = { 0 };
    run(f, false, release, recorded);
    run(f, true, release, planned);
    for (int i = 0; i <= STEPS; i++) cr_assert_eq(recorded[i], planned[i], "%s, step %d: %.17g recorded, %.17g by plan", what, i, recorded[i], planned[i]);
  }
}

static cn_tensor *mean_square(cn_graph *g, cn_tensor *a, cn_tensor *b) { return cn_mean(g, cn_square(g, cn_subtract(g, a, b))); }
static cn_tensor *hidden(net *n, int64_t rows, uint32_t step) {
  return cn_tanh(n->g, cn_add(n->g, cn_matmul(n->g, noise(n->g, rows, IN, step), n->w1), n->b1));
}

static cn_tensor *plain(net *n, uint32_t step) { return mean_square(n->g, cn_matmul(n->g, hidden(n, ROWS, step), n->w2), noise(n->g, ROWS, OUT, step + 1)); }
static cn_tensor *short_batches(net *n, uint32_t step) {
  const int64_t rows = step % 7 == 6 ? 3 : ROWS;
  return mean_square(n->g, cn_matmul(n->g, hidden(n, rows, step), n->w2), noise(n->g, rows, OUT, step + 1));
}
static cn_tensor *branches(net *n, uint32_t step) {
  cn_tensor *h = hidden(n, ROWS, step);
  if (step == 12 || step > 40) h = cn_multiply(n->g, h, cn_sigmoid(n->g, h));
  return mean_square(n->g, cn_matmul(n->g, h, n->w2), noise(n->g, ROWS, OUT, step + 1));
}
static cn_tensor *options(net *n, uint32_t step) {
  cn_tensor *h = hidden(n, ROWS, step), *s = cn_sum(n->g, h, .axis = CN_INTS(step % 10 == 9 ? 0 : 1), .keepdims = true);
  return cn_mean(n->g, cn_square(n->g, cn_multiply(n->g, h, s)));
}
static cn_tensor *dropping(net *n, uint32_t step) {
  cn_tensor *h = cn_dropout(n->g, hidden(n, ROWS, step), 0.4, .stream = &n->stream);
  return mean_square(n->g, cn_matmul(n->g, h, n->w2), noise(n->g, ROWS, OUT, step + 1));
}
static cn_tensor *freezing(net *n, uint32_t step) {
  if (step == 15 || step == 25) cn_set_trainable(n->w2, step == 25);
  return plain(n, step);
}
static cn_tensor *freezing_inside(net *n, uint32_t step) {
  cn_tensor *h = hidden(n, ROWS, step);
  if (step == 15) cn_set_trainable(n->w2, false);
  return mean_square(n->g, cn_matmul(n->g, h, n->w2), noise(n->g, ROWS, OUT, step + 1));
}
static cn_tensor *carrying(net *n, uint32_t step) {
  cn_tensor *h = cn_add(n->g, hidden(n, ROWS, step), n->state);
  cn_assign(n->state, cn_mean(n->g, h, .axis = CN_INTS(0)));
  return mean_square(n->g, cn_matmul(n->g, h, n->w2), noise(n->g, ROWS, OUT, step + 1));
}
static cn_tensor *watching(net *n, uint32_t step) {
  cn_tensor *x = noise(n->g, ROWS, IN, step);
  if (step % 20 < 14) cn_watch(x);
  cn_tensor *h = cn_tanh(n->g, cn_matmul(n->g, x, n->w1)), *y = cn_mean(n->g, cn_square(n->g, h));
  cn_tensor *dx = cn_gradient(n->g, y, x, .differentiable = true);
  return cn_add(n->g, y, cn_mean(n->g, cn_square(n->g, dx)));
}
static cn_tensor *unrecorded(net *n, uint32_t step) {
  cn_recording(n->g, false);
  cn_tensor *h = hidden(n, ROWS, step);
  cn_recording(n->g, step % 20 == 19);
  cn_tensor *t = cn_tanh(n->g, h);
  cn_recording(n->g, true);
  return mean_square(n->g, cn_matmul(n->g, hidden(n, ROWS, step), n->w2), cn_matmul(n->g, t, n->w2));
}
static cn_tensor *views(net *n, uint32_t step) {
  cn_tensor *a = cn_reshape(n->g, noise(n->g, 2, 2, step), CN_INTS(4)), *b = cn_reshape(n->g, hidden(n, ROWS, step), CN_INTS(HIDDEN, ROWS));
  return cn_add(n->g, cn_sum(n->g, cn_square(n->g, a)), cn_mean(n->g, cn_square(n->g, b)));
}
static cn_tensor *keeping(net *n, uint32_t step) {
  cn_tensor *h = hidden(n, ROWS, step);
  if (step % 8 == 7) {
    if (n->kept) cr_assert_eq(cn_at(n->kept, 3), n->kept_value, "a kept tensor does not change with the steps");
    cn_free(n->kept);
    n->kept = cn_persist(h);
    n->kept_value = cn_at(h, 3);
  }
  return mean_square(n->g, cn_matmul(n->g, h, n->w2), noise(n->g, ROWS, OUT, step + 1));
}

Test(autograd_plan, steps_are_those_of_recording) {
  static const struct {
    forward *f;
    const char *what;
  } runs[] = { { plain, "plain" }, { short_batches, "short batches" }, { branches, "branches" }, { options, "options" }, { dropping, "dropout" },
               { freezing, "freezing" }, { freezing_inside, "freezing inside a step" }, { carrying, "a carried state" }, { watching, "watching" },
               { unrecorded, "unrecorded calls" }, { views, "views" }, { keeping, "kept tensors" } };
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) same_with_plans(runs[i].f, runs[i].what);
}

Test(autograd_plan, stale_tensors_are_seen) {
  net n;
  begin(&n, true);
  for (uint32_t step = 0; step < 20; step++) {
    cn_tensor *h = hidden(&n, ROWS, step), *loss = cn_mean(n.g, h);
    cn_backward(n.g, loss);
    cn_graph_reset(n.g);
    cr_assert_null(cn_tanh(n.g, h));
    cr_assert_str_eq(cn_error(n.g), "tanh: tensor from before the last reset");
    if (step == 10) {
      cr_assert_null(cn_matmul(n.g, noise(n.g, ROWS, IN, step), h));
    }
    cn_graph_clear(n.g);
    cr_assert(isnan(cn_item(loss)));
    cn_graph_clear(n.g);
  }
  cn_graph_free(n.g);
}

Test(autograd_plan, stale_tensors_are_seen_while_a_plan_is_followed) {
  net n;
  begin(&n, true);
  cn_tensor *old = NULL;
  for (uint32_t step = 0; step < 30; step++) {
    cn_tensor *h = hidden(&n, ROWS, step), *y = NULL;
    if (step == 20) {
      y = cn_tanh(n.g, old);
      cr_assert_null(y);
      cr_assert_str_eq(cn_error(n.g), "tanh: tensor from before the last reset");
      cn_graph_clear(n.g);
      continue;
    }
    y = cn_tanh(n.g, h);
    old = y;
    cn_backward(n.g, cn_mean(n.g, y));
    CHECK_OK(n.g);
    cn_graph_reset(n.g);
  }
  cn_graph_free(n.g);
}

Test(autograd_plan, values_are_checked_at_every_step) {
  net n;
  begin(&n, true);
  for (uint32_t step = 0; step < 30; step++) {
    const int32_t rows[] = { 1, step == 20 ? 9 : 2 };
    cn_tensor *t = cn_take(n.g, n.w1, cn_array(n.g, CN_I32, CN_DIMS(2), rows), .axis = 0), *loss = cn_sum(n.g, cn_square(n.g, t));
    if (step == 20) {
      cr_assert_null(loss);
      cr_assert_eq(cn_error_code(n.g), CN_INDEX);
      cr_assert_str_eq(cn_error(n.g), "take_rows: index 9 is out of range for axis 0 of size 5");
      cn_graph_clear(n.g);
      continue;
    }
    cn_backward(n.g, loss);
    CHECK_OK(n.g);
    CHECK_NEAR(cn_at(cn_grad(n.w1), HIDDEN), 2 * cn_at(n.w1, HIDDEN), 1e-6);
    cn_graph_reset(n.g);
  }
  cn_graph_free(n.g);
}

Test(autograd_plan, a_variable_changed_before_backward_is_seen) {
  net n;
  begin(&n, true);
  cn_set_name(n.w2, "w2");
  for (uint32_t step = 0; step < 30; step++) {
    cn_tensor *loss = plain(&n, step);
    if (step == 20) cn_assign(n.w2, n.w2), cn_assign_data(n.w2, cn_data(noise(n.g, HIDDEN / 5, OUT * 5, 1)));
    cr_assert_eq(cn_backward(n.g, loss), step != 20);
    if (step == 20) cr_assert_str_eq(cn_error(n.g), "backward: variable w2, input 1 of matmul, was changed after matmul had read it");
    cn_graph_clear(n.g);
  }
  cn_graph_free(n.g);
}

Test(autograd_plan, memory_is_flat) {
  counting c = { 0 };
  net n;
  begin(&n, true);
  cn_graph_free(n.g);
  cn_graph *g = graph_counting(&c);
  cn_tensor *w = cn_variable(g, CN_F32, CN_DIMS(HIDDEN), NULL);
  int64_t calls = 0;
  for (int step = 0; step < 2000; step++) {
    if (step == 400) calls = c.calls;
    cn_tensor *y = cn_tanh(g, cn_add(g, w, cn_scalar(g, 0.5)));
    if (step % 50 == 49) y = cn_square(g, y);
    cn_backward(g, cn_sum(g, y));
    cn_graph_reset(g);
  }
  CHECK_OK(g);
  cr_assert_leq(c.calls - calls, 1600 / 50 * 8, "%d calls of the allocator", (int)(c.calls - calls));
  cr_assert_lt(cn_graph_bytes(g), 2000000);
  cn_graph_free(g);
  cr_assert_eq(c.live, 0);
}

Test(autograd_plan, survives_a_failing_allocator) {
  for (int64_t k = 1;; k++) {
    counting c = { .fail_at = k };
    cn_graph *g = graph_counting(&c);
    cn_tensor *w = g ? cn_variable(g, CN_F32, CN_DIMS(HIDDEN), NULL) : NULL;
    for (int step = 0; w && step < 12; step++) {
      cn_backward(g, cn_sum(g, cn_square(g, cn_tanh(g, cn_add(g, w, noise(g, 1, HIDDEN, 1))))));
      if (!cn_ok(g)) cr_assert_eq(cn_error_code(g), CN_NO_MEMORY, "%s", cn_error(g));
      cn_graph_clear(g);
    }
    cn_graph_clear(g);
    if (g) cr_assert_eq(cn_item(cn_sum(g, FLOATS(g, CN_DIMS(2), 1, 2))), 3);
    cn_graph_free(g);
    cr_assert_eq(c.live, 0, "allocation %d leaks", (int)k);
    if (c.calls < k) return;
  }
}
