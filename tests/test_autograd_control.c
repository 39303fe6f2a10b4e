/* Control flow: values, gradients through what was run, errors that name the function. */
#include <criterion/criterion.h>
#include <math.h>
#include "../autograd/autograd.h"

#define EXPECT_NEAR(a, b) cr_expect(fabs((a) - (b)) < 1e-12, "%.17g, wanted %.17g", (a), (b))

static cn_tensor *vector(cn_graph *g, int64_t n, double first) {
  double v[16];
  for (int64_t i = 0; i < n; i++) v[i] = first + 0.5 * (double)i;
  return cn_array(g, CN_F64, CN_DIMS(n), v);
}
static void expect_error(cn_graph *g, cn_code code, const char *text) {
  cr_expect_eq(cn_error_code(g), code, "%s", cn_error(g));
  cr_expect(strstr(cn_error(g), text), "\"%s\" does not say \"%s\"", cn_error(g), text);
  cn_graph_clear(g);
}

/* ---- branches ---- */
static void doubled(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_scale(g, x[0], 2);
}
static void squared(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_square(g, x[0]);
}
static void nothing(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)g, (void)x, (void)n, (void)y, (void)m, (void)user;
}

Test(autograd_control, cond_runs_one_branch_and_its_gradient) {
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int holds = 0; holds < 2; holds++) {
    cn_tensor *x = vector(g, 1, 3), *y = cn_cond(g, cn_full(g, CN_BOOL, CN_SCALAR, holds), squared, doubled, CN_TENSORS(x))[0];
    EXPECT_NEAR(cn_item(y), holds ? 9.0 : 6.0);
    EXPECT_NEAR(cn_item(cn_gradient(g, y, x)), holds ? 6.0 : 2.0);
  }
  cr_expect(cn_ok(g), "%s", cn_error(g));
  cr_expect_null(cn_cond(g, vector(g, 2, 0), squared, doubled)[0]);
  expect_error(g, CN_SHAPE, "cond: pred must be one number, got float64 [2]");
  cr_expect_null(cn_cond(g, cn_scalar(g, 1), nothing, doubled, CN_TENSORS(cn_scalar(g, 1)))[0]);
  expect_error(g, CN_STATE, "cond: output 0 was not written");
  cr_expect_null(cn_cond(g, cn_scalar(g, 1), .true_fn = squared)[0]);
  expect_error(g, CN_VALUE, "cond: true_fn or false_fn is missing");
  cr_expect_null(cn_cond(g, .true_fn = squared, .false_fn = doubled)[0]);
  expect_error(g, CN_STATE, "cond");
  cr_expect_null(cn_cond(NULL, cn_scalar(g, 1), squared, doubled)[0]);
  cn_graph_free(g);
}

Test(autograd_control, switch_takes_the_nearest_branch) {
  static const cn_block branches[] = { doubled, squared };
  static const int wanted[][2] = { { -5, 6 }, { 0, 6 }, { 1, 9 }, { 7, 9 } };
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int i = 0; i < 4; i++)
    EXPECT_NEAR(cn_item(cn_switch(g, cn_full(g, CN_I32, CN_SCALAR, wanted[i][0]), branches, 2, CN_TENSORS(vector(g, 1, 3)))[0]), (double)wanted[i][1]);
  cr_expect_null(cn_switch(g, cn_scalar(g, 0), branches, 0)[0]);
  expect_error(g, CN_VALUE, "switch: a branch is missing");
  cn_graph_free(g);
}

/* ---- loops ---- */
static void below_hundred(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_less(g, x[0], cn_scalar_like(g, x[0], 100));
}
static void twice_and_count(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_multiply(g, x[0], x[0]);
  y[1] = cn_shift(g, x[1], 1);
}
static void grow(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_concatenate(g, CN_TENSORS(x[n - 1], x[n - 1]));
}

Test(autograd_control, while_loop) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *x = cn_full(g, CN_F64, CN_SCALAR, 2), *zero = cn_full(g, CN_F64, CN_SCALAR, 0);
  cn_tensor *const *y = cn_while_loop(g, below_hundred, twice_and_count, CN_TENSORS(x, zero));
  EXPECT_NEAR(cn_item(y[0]), 256.0); /* x^8 */
  EXPECT_NEAR(cn_item(y[1]), 3.0);
  EXPECT_NEAR(cn_item(cn_gradient(g, y[0], x)), 1024.0);
  EXPECT_NEAR(cn_item(cn_while_loop(g, below_hundred, twice_and_count, CN_TENSORS(x, zero), .maximum_iterations = 2)[1]), 2.0);
  EXPECT_NEAR(cn_item(cn_while_loop(g, below_hundred, twice_and_count, CN_TENSORS(x, zero), .maximum_iterations = 0)[0]), 2.0);
  cr_expect(cn_ok(g), "%s", cn_error(g));
  cr_expect_null(cn_while_loop(g, below_hundred, grow, CN_TENSORS(vector(g, 1, 1)))[0]);
  expect_error(g, CN_SHAPE, "while_loop: variable 0 was float64 [1] and became float64 [2]");
  cr_expect_null(cn_while_loop(g, below_hundred, grow, CN_TENSORS(vector(g, 2, 1)))[0]);
  expect_error(g, CN_SHAPE, "while_loop: the condition must be one number");
  cn_graph_free(g);
}

static void times_index(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m;
  cr_expect(user != NULL && cn_dtype_of(x[0]) == CN_I32);
  y[0] = cn_multiply(g, x[1], cn_cast(g, x[0], .dtype = "float64"));
}
Test(autograd_control, fori_loop) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *x = cn_full(g, CN_F64, CN_SCALAR, 1.5), *y = cn_fori_loop(g, 1, 6, times_index, CN_TENSORS(x), .user = g)[0];
  EXPECT_NEAR(cn_item(y), 180.0);
  EXPECT_NEAR(cn_item(cn_gradient(g, y, x)), 120.0);
  EXPECT_NEAR(cn_item(cn_fori_loop(g, 3, 3, times_index, CN_TENSORS(x))[0]), 1.5);
  cr_expect_null(cn_fori_loop(g, 0, 2, grow, CN_TENSORS(vector(g, 1, 1)))[0]);
  expect_error(g, CN_SHAPE, "fori_loop: variable 0");
  cr_expect_null(cn_fori_loop(g, 0, .body_fun = grow, .init_val = CN_TENSORS(vector(g, 1, 1)))[0]);
  expect_error(g, CN_VALUE, "fori_loop: lower or upper is missing");
  cn_graph_free(g);
}

/* h' = a h + x; the output is h'^2 */
static void recurrence(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m;
  y[0] = cn_add(g, cn_multiply(g, x[0], (cn_tensor *)user), x[1]);
  if (m > 1) y[1] = cn_square(g, y[0]);
}
static cn_tensor *scanned(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  (void)n;
  cn_tensor *const *y = cn_scan(g, recurrence, CN_TENSORS(x[0]), CN_TENSORS(x[1]), .reverse = user != NULL, .user = x[2]);
  return cn_ok(g) ? cn_add(g, cn_sum(g, y[1]), y[0]) : NULL;
}
Test(autograd_control, scan_in_both_directions_with_gradients) {
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int reverse = 0; reverse < 2; reverse++) {
    cn_tensor *h = cn_full(g, CN_F64, CN_SCALAR, 0.5), *xs = vector(g, 4, 1), *a = cn_full(g, CN_F64, CN_SCALAR, 0.7);
    cn_tensor *const *y = cn_scan(g, recurrence, CN_TENSORS(h), CN_TENSORS(xs), .reverse = reverse, .user = a);
    double carry = 0.5;
    for (int i = 0; i < 4; i++) {
      const int at = reverse ? 3 - i : i;
      carry = 0.7 * carry + 1 + 0.5 * at;
      EXPECT_NEAR(cn_at(y[1], at), carry * carry);
    }
    EXPECT_NEAR(cn_item(y[0]), carry);
    const cn_gradcheck_report r = cn_gradcheck(g, scanned, CN_TENSORS(h, xs, a), .order = 2, .user = reverse ? g : NULL);
    cr_expect(r.passed, "%s", r.text);
  }
  cn_graph_free(g);
}
Test(autograd_control, scan_without_inputs_and_without_turns) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *h = cn_full(g, CN_F64, CN_SCALAR, 1);
  EXPECT_NEAR(cn_item(cn_scan(g, doubled, CN_TENSORS(h), .length = 5, .outputs = 0)[0]), 32.0);
  EXPECT_NEAR(cn_item(cn_scan(g, doubled, CN_TENSORS(h), .length = 0, .outputs = 0)[0]), 1.0);
  cr_expect_null(cn_scan(g, doubled, CN_TENSORS(h), .length = 0)[0]);
  expect_error(g, CN_VALUE, "scan: there is no slice whose outputs could be stacked");
  cr_expect_null(cn_scan(g, doubled, CN_TENSORS(cn_scalar(g, 1)))[0]);
  expect_error(g, CN_VALUE, "scan: length is missing");
  cr_expect_null(cn_scan(g, recurrence, CN_TENSORS(cn_scalar(g, 1)), CN_TENSORS(vector(g, 2, 1), vector(g, 3, 1)))[0]);
  expect_error(g, CN_SHAPE, "scan: input 1 is [3] and cannot be cut into 2 slices");
  cr_expect_null(cn_scan(g, recurrence, CN_TENSORS(cn_scalar(g, 1)), CN_TENSORS(vector(g, 2, 1)), .length = 3)[0]);
  expect_error(g, CN_SHAPE, "cannot be cut into 3 slices");
  cn_graph_free(g);
}

static void product(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_sum(g, cn_multiply(g, x[0], x[1]));
}
static cn_tensor *mapped(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const cn_tensors xs = { x, n };
  (void)user;
  return cn_map(g, product, xs)[0];
}
Test(autograd_control, map_and_vectorized_map) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *a = cn_reshape(g, vector(g, 6, 1), CN_INTS(3, 2)), *b = cn_reshape(g, vector(g, 6, -2), CN_INTS(3, 2)),
            *y = cn_vectorized_map(g, product, CN_TENSORS(a, b))[0];
  cr_assert(cn_ok(g), "%s", cn_error(g));
  cr_expect(cn_rank(y) == 1 && cn_dim(y, 0) == 3);
  for (int i = 0; i < 3; i++) EXPECT_NEAR(cn_at(y, i), cn_at(a, 2 * i) * cn_at(b, 2 * i) + cn_at(a, 2 * i + 1) * cn_at(b, 2 * i + 1));
  const cn_gradcheck_report r = cn_gradcheck(g, mapped, CN_TENSORS(a, b), .order = 2);
  cr_expect(r.passed, "%s", r.text);
  cr_expect_null(cn_map(g, product)[0]);
  expect_error(g, CN_VALUE, "map: length is missing");
  cr_expect_null(cn_map(g, product, CN_TENSORS(cn_scalar(g, 1)))[0]);
  expect_error(g, CN_SHAPE, "map: input 0 is []");
  cn_graph_free(g);
}

/* Affine maps x -> a x + b, one after the other: associative, not commutative. */
static void composed(cn_graph *g, cn_tensor *const *x, int64_t n, cn_tensor **y, int64_t m, void *user) {
  (void)n, (void)m, (void)user;
  y[0] = cn_multiply(g, x[0], x[2]);
  y[1] = cn_add(g, cn_multiply(g, x[1], x[2]), x[3]);
}
static cn_tensor *prefixes(cn_graph *g, cn_tensor *const *x, int64_t n, void *user) {
  const cn_tensors elems = { x, n };
  return cn_associative_scan(g, composed, elems, .reverse = user != NULL)[1];
}
Test(autograd_control, associative_scan) {
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int64_t n = 0; n <= 9; n++)
    for (int reverse = 0; reverse < 2; reverse++) {
      cn_tensor *a = vector(g, n, 0.3), *b = vector(g, n, -1);
      cn_tensor *const *y = cn_associative_scan(g, composed, CN_TENSORS(a, b), .reverse = reverse);
      cr_assert(cn_ok(g), "%s", cn_error(g));
      cr_expect_eq(cn_count(y[0]), n);
      double p = 1, q = 0;
      for (int64_t i = 0; i < n; i++) {
        const int64_t at = reverse ? n - 1 - i : i;
        p *= cn_at(a, at);
        q = q * cn_at(a, at) + cn_at(b, at);
        EXPECT_NEAR(cn_at(y[0], at), p);
        EXPECT_NEAR(cn_at(y[1], at), q);
      }
    }
  const cn_gradcheck_report r = cn_gradcheck(g, prefixes, CN_TENSORS(vector(g, 7, 0.3), vector(g, 7, -1)), .order = 2);
  cr_expect(r.passed, "%s", r.text);
  cn_tensor *m = cn_reshape(g, vector(g, 6, 1), CN_INTS(2, 3)), *rows = cn_associative_scan(g, composed, CN_TENSORS(m, m), .axis = -1)[0];
  EXPECT_NEAR(cn_at(rows, 5), 2.5 * 3 * 3.5);
  cr_expect_null(cn_associative_scan(g, composed, CN_TENSORS(vector(g, 2, 0), vector(g, 3, 0)))[0]);
  expect_error(g, CN_SHAPE, "associative_scan: element 1 is [3]");
  cr_expect_null(cn_associative_scan(g, composed, CN_TENSORS(vector(g, 2, 0)), .axis = 1)[0]);
  expect_error(g, CN_INDEX, "axis 1 is out of range for rank 1");
  cn_graph_free(g);
}
