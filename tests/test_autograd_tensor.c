/* Tensors and variables: made, read, kept, freed; and what is said of those that cannot be used. */
#include <limits.h>
#include "test_layers.h"

static cn_graph *g;
static char said[256];
static int times;

static void listen(void *user, cn_code code, const char *text) {
  (void)user, (void)code;
  times++;
  strncpy(said, text, sizeof said - 1);
}
static void begin(void) {
  g = cn_graph_new(.seed = 2);
  times = 0;
}
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(autograd_tensor, .init = begin, .fini = end);

Test(autograd_tensor, arrays_are_copied) {
  float x[] = { 1, 2, 3, 4 };
  cn_tensor *t = cn_array(g, CN_F32, CN_DIMS(2, 2), x);
  x[0] = 9;
  CHECK_TENSOR(t, CN_DIMS(2, 2), 0, 1, 2, 3, 4);
  cr_assert_eq(cn_rank(t), 2);
  cr_assert_eq(cn_dim(t, -1), 2);
  cr_assert_eq(cn_dtype_of(t), CN_F32);
  cr_assert_eq(cn_graph_of(t), g);
}

Test(autograd_tensor, every_type) {
  static const cn_dtype types[] = { CN_F32, CN_F64, CN_I32, CN_I64, CN_U8, CN_BOOL };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    cn_tensor *t = cn_array_from_doubles(g, types[i], CN_DIMS(3), (const double[]){ 0, 1, 1 });
    CHECK_TENSOR(t, CN_DIMS(3), 0, 0, 1, 1);
    CHECK_TENSOR(cn_ones(g, types[i], CN_DIMS(2)), CN_DIMS(2), 0, 1, 1);
    cr_assert_eq(cn_dtype_of(cn_zeros_like(g, t)), types[i]);
  }
  cr_assert_null(cn_array_from_doubles(g, CN_U8, CN_DIMS(2), (const double[]){ 1, 256 }));
  CHECK_REFUSED(g, CN_VALUE, "array: 256 at position 1 is out of range for uint8");
  const int64_t large[] = { INT64_MAX, INT64_MIN };
  cn_tensor *l = cn_array(g, CN_I64, CN_DIMS(2), large);
  cr_assert_eq(((const int64_t *)cn_data(l))[1], INT64_MIN);
}

Test(autograd_tensor, ranges_and_fills) {
  CHECK_TENSOR(cn_arange(g, CN_I32, 2, 11, 3), CN_DIMS(3), 0, 2, 5, 8);
  CHECK_TENSOR(cn_linspace(g, CN_F64, 0, 1, 5), CN_DIMS(5), 1e-15, 0, 0.25, 0.5, 0.75, 1);
  CHECK_TENSOR(cn_eye(g, CN_F32, 2, 3, 1), CN_DIMS(2, 3), 0, 0, 1, 0, 0, 0, 1);
  CHECK_TENSOR(cn_full(g, CN_F64, CN_DIMS(2), -2.5), CN_DIMS(2), 0, -2.5, -2.5);
  CHECK_TENSOR(cn_scalar(g, 7), CN_SCALAR, 0, 7);
  cr_assert_eq(cn_count(cn_zeros(g, CN_F32, CN_DIMS(3, 0, 2))), 0);
  cr_assert_null(cn_arange(g, CN_F32, 0, 1, 0));
  CHECK_REFUSED(g, CN_VALUE, "arange: start 0, stop 1, step 0 give no range");
}

Test(autograd_tensor, shapes_that_cannot_be) {
  cr_assert_null(cn_zeros(g, CN_F32, CN_DIMS(2, -1)));
  CHECK_REFUSED(g, CN_SHAPE, "full: size -1 of axis 1 is negative");
  cr_assert_null(cn_zeros(g, CN_F32, CN_DIMS(INT64_MAX, 8)));
  cr_assert_eq(cn_error_code(g), CN_NO_MEMORY);
  cn_graph_clear(g);
}

Test(autograd_tensor, strings) {
  const char *const words[] = { "ab", "", "cde" };
  cn_tensor *t = cn_string_array(g, CN_DIMS(3), words);
  int64_t n;
  cr_assert(!strncmp(cn_string_at(t, 2, &n), "cde", 3) && n == 3);
  cr_assert(cn_string_at(t, 1, &n) && n == 0);
  cr_assert_null(cn_string_at(t, 3, &n));
  cr_assert_null(cn_tanh(g, t));
  cr_assert_eq(cn_error_code(g), CN_DTYPE, "%s", cn_error(g));
  cn_graph_clear(g);
}

Test(autograd_tensor, views_share_memory) {
  cn_tensor *x = cn_ones(g, CN_F64, CN_DIMS(6, 4)), *flat = cn_reshape(g, x, CN_INTS(24)),
            *tail = cn_slice(g, x, .start_indices = CN_INTS(2, 0), .shape = CN_INTS(4, 4));
  cr_assert_eq(cn_data(flat), cn_data(x));
  cr_assert_eq((const double *)cn_data(tail), (const double *)cn_data(x) + 8);
}

Test(autograd_tensor, variables_are_assigned) {
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(2), (const float[]){ 1, 2 });
  cn_set_name(v, "v");
  cr_assert(cn_assign(v, FLOATS(g, CN_DIMS(2), 3, 4)));
  CHECK_TENSOR(v, CN_DIMS(2), 0, 3, 4);
  cr_assert(!cn_assign(v, FLOATS(g, CN_DIMS(3), 1, 2, 3)));
  CHECK_REFUSED(g, CN_SHAPE, "assign: variable v is float32 [2], the value is float32 [3]");
  cr_assert(!cn_assign(v, INTEGERS(g, CN_DIMS(2), 1, 2)));
  CHECK_REFUSED(g, CN_DTYPE, "assign: variable v is float32 [2], the value is int32 [2]");
  cr_assert(!cn_assign(cn_ones(g, CN_F32, CN_DIMS(2)), v));
  CHECK_REFUSED(g, CN_STATE, "assign: the tensor is no variable");
  CHECK_TENSOR(v, CN_DIMS(2), 0, 3, 4);
  cn_graph_reset(g);
  CHECK_TENSOR(v, CN_DIMS(2), 0, 3, 4);
}

Test(autograd_tensor, kept_and_freed) {
  cn_tensor *x = cn_exp(g, FLOATS(g, CN_DIMS(20), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)), *kept = cn_persist(x);
  cn_graph_reset(g);
  cr_assert(isnan(cn_at(x, 0)));
  CHECK_REFUSED(g, CN_STATE, "at: tensor from before the last reset");
  CHECK_NEAR(cn_at(kept, 1), exp(1), 1e-6);
  cn_free(kept);
  cr_assert_null(cn_square(g, kept));
  CHECK_REFUSED(g, CN_STATE, "square: tensor was freed");
}

Test(autograd_tensor, another_graph) {
  cn_graph *other = cn_graph_new();
  cr_assert_null(cn_add(g, cn_scalar(g, 1), cn_scalar(other, 1)));
  CHECK_REFUSED(g, CN_STATE, "add: tensor of another graph");
  cn_graph_free(other);
}

Test(autograd_tensor, the_first_error_sticks) {
  cn_set_error_callback(g, listen, NULL);
  cn_tensor *x = cn_scalar(g, 2), *bad = cn_matmul(g, cn_ones(g, CN_F32, CN_DIMS(2, 3)), cn_ones(g, CN_F32, CN_DIMS(2, 3)));
  cr_assert_null(bad);
  cr_assert_null(cn_tanh(g, bad));
  cr_assert_null(cn_tanh(g, x));
  cr_assert_null(cn_scalar(g, 1));
  cr_assert(!cn_backward(g, x) && !cn_ok(g));
  cr_assert_eq(times, 1);
  cr_assert_str_eq(said, "matmul: inner sizes differ: [2,3] x [2,3]");
  cr_assert_eq(cn_item(x), 2, "reading works");
  CHECK_REFUSED(g, CN_SHAPE, "matmul: inner sizes differ: [2,3] x [2,3]");
  cr_assert_eq(cn_item(cn_scalar(g, 3)), 3);
}

Test(autograd_tensor, nothing_is_no_tensor) {
  int64_t n;
  cr_assert(isnan(cn_item(NULL)) && isnan(cn_at(NULL, 0)) && !cn_data(NULL) && !cn_count(NULL) && !cn_grad(NULL) && !cn_persist(NULL) &&
            !cn_string_at(NULL, 0, &n));
  cr_assert(!cn_ok(NULL));
  cr_assert_str_eq(cn_error(NULL), "out of memory");
  cr_assert_eq(cn_error_code(NULL), CN_NO_MEMORY);
  cn_free(NULL);
  cn_graph_reset(NULL);
  cn_graph_clear(NULL);
  cn_graph_free(NULL);
  cr_assert_null(cn_tanh(NULL, NULL));
  cr_assert(isnan(cn_item(cn_ones(g, CN_F32, CN_DIMS(2)))), "more than one element");
}

Test(autograd_tensor, missing_inputs) {
  const cn_matmul_args a = { .graph = g, .a = cn_ones(g, CN_F32, CN_DIMS(2, 2)), .b = CN_MISSING };
  cr_assert_null(cn_apply(g, &cn_op_matmul, &a)[0]);
  CHECK_REFUSED(g, CN_VALUE, "matmul: input b is missing");
  cr_assert_null(cn_matmul(g, cn_ones(g, CN_F32, CN_DIMS(2, 2)), NULL));
  CHECK_REFUSED(g, CN_STATE, "matmul: input b is NULL");
}
