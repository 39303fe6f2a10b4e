/* Sparse gradients: against dense ones, against the formulas for rows that repeat, at sizes around the blocks and the threads. */
#include "test_optim.h"

static cn_tensor *table(cn_graph *g, cn_dtype dtype, int64_t height, int64_t width) {
  cn_tensor *x = cn_zeros(g, dtype, CN_DIMS(height, width));
  for (int64_t i = 0; i < height * width; i++) cni_value_set(x, i, cos(0.37 * (double)i));
  return cn_variable(g, dtype, CN_DIMS(height, width), x->data);
}

static cn_rows some_rows(cn_graph *g, cn_dtype dtype, const int64_t *index, int64_t n, int64_t width) {
  const cn_rows r = { cn_array(g, CN_I64, CN_DIMS(n), index), cn_zeros(g, dtype, CN_DIMS(n, width)) };
  for (int64_t i = 0; i < n * width; i++) cni_value_set(r.values, i, sin(0.61 * (double)i + 0.2));
  return r;
}

static double largest_difference(const cn_tensor *a, const cn_tensor *b) {
  double d = 0;
  for (int64_t i = 0; i < cn_count(a); i++) d = fmax(d, fabs(cn_at(a, i) - cn_at(b, i)));
  return d;
}

/* Rows that do not repeat give what the dense gradient gives. */
static void as_dense(const char *text, cn_dtype dtype, int64_t height, int64_t width, int64_t step) {
  cn_graph *g = cn_graph_new(.seed = 1, .threads = 2);
  cn_tensor *v[] = { table(g, dtype, height, width), table(g, dtype, height, width) };
  cn_optimizer *sparse = cn_optimizer_from(g, text), *dense = cn_optimizer_from(g, text);
  int64_t *index = malloc((size_t)height * sizeof *index), n = 0;
  for (int64_t i = height - 1; i >= 0; i -= step) index[n++] = i;
  for (int t = 0; t < 3; t++) {
    const cn_rows rows = some_rows(g, dtype, index, n, width);
    cn_tensor *x = cni_rows_dense(g, &rows, v[1]), *none = NULL;
    cr_assert(cn_optimizer_apply_rows(sparse, &none, &rows, &v[0], 1), "%s: %s", text, cn_error(g));
    cr_assert(cn_optimizer_apply(dense, &x, &v[1], 1), "%s", cn_error(g));
    cn_graph_reset(g);
  }
  free(index);
  const double d = largest_difference(v[0], v[1]);
  cr_assert(d <= (dtype == CN_F32 ? 2e-6 : 1e-13), "%s %ld x %ld: differs by %g", text, (long)height, (long)width, d);
  cn_graph_free(g);
}

Test(optim_rows, rows_once_are_a_dense_gradient) {
  for (const char *const *text = every_optimizer; *text; text++) {
    as_dense(*text, CN_F32, 9, 3, 2);
    as_dense(*text, CN_F64, 40, 33, 3);
  }
}

Test(optim_rows, blocks_and_threads) {
  const char *const texts[] = { "SGD(0.1)", "Adam(0.01)", "Adamax(0.01)", "Adagrad(0.1)", "RMSprop(0.01, centered=true)" };
  for (int i = 0; i < 5; i++) {
    as_dense(texts[i], CN_F32, 700, 64, 2);
    as_dense(texts[i], CN_F32, 65, 1024, 2);
    as_dense(texts[i], CN_F32, 33, 1500, 4);
    as_dense(texts[i], CN_F64, 5, 2049, 1);
    as_dense(texts[i], CN_F32, 70000, 1, 3);
  }
}

/* The gradient of rows that are summed or averaged is one row for each sum: it gives what the gradient of every single row gives. A factor of ones between look-up
 * and sum makes those. */
typedef struct bag { int64_t axis[2], axes, second_axis /* of a second reader; -2: none */; int rank; bool mean, twice; } bag;
static cn_tensor *bag_loss(cn_graph *g, const bag *b, cn_tensor *v, bool wide) {
  static const int64_t index[] = { 3, 1, 3, 0, 5, 1, 1, 4, 2, 2, 3, 5 };
  cn_dims shapes[] = { { 0, { 0 } }, { 1, { 12 } }, { 2, { 3, 4 } }, { 3, { 2, 3, 2 } } };
  const cn_ints axis = { b->axis, b->axes };
  cn_tensor *x = cn_take(g, v, cn_array(g, CN_I64, &shapes[b->rank], index), .axis = 0), *y;
  if (wide) x = cn_multiply(g, x, cn_ones(g, cn_dtype_of(x), &x->dims));
  y = b->mean ? cn_mean(g, x, .axis = axis) : cn_sum(g, x, .axis = axis, .keepdims = true);
  cn_tensor *loss = cn_sum(g, cn_square(g, cn_sin(g, y)));
  if (b->second_axis > -2) loss = cn_add(g, loss, cn_sum(g, cn_exp(g, cn_mean(g, x, .axis = CN_INTS(b->second_axis)))));
  if (b->twice) loss = cn_add(g, loss, cn_sum(g, cn_square(g, cn_take(g, v, cn_array(g, CN_I64, CN_DIMS(2), index), .axis = 0))));
  return loss;
}
Test(optim_rows, rows_of_sums_are_found_where_they_stand) {
  static const bag bags[] = {
    { { 1 }, 1, -2, 2, true, false },   { { 0 }, 1, -2, 2, true, false },  { { 0, 1 }, 2, -2, 2, false, false }, { { 2 }, 1, -2, 2, false, false },
    { { 1, 2 }, 2, -2, 2, true, false }, { { 1 }, 1, 0, 2, true, false },  { { 1 }, 1, -2, 2, true, true },      { { 0 }, 1, -2, 1, false, false },
    { { 0, 2 }, 2, -2, 3, true, false }, { { 1 }, 1, 1, 3, false, true },  { { 0 }, 1, -2, 0, true, false },     { { 1 }, 1, -1, 3, true, false },
  };
  static const char *const texts[] = { "SGD(0.1)", "Adam(0.01)", "Adamax(0.01, clipnorm=0.3)", "Lamb(0.01)", "Adagrad(0.1, global_clipnorm=0.1)",
                                       "SGD(0.1, gradient_accumulation_steps=2)" };
  for (size_t i = 0; i < sizeof bags / sizeof *bags; i++)
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
      cn_graph *g = cn_graph_new(.seed = 1);
      cn_tensor *v[] = { table(g, CN_F64, 6, 5), table(g, CN_F64, 6, 5) };
      cn_optimizer *o[] = { cn_optimizer_from(g, texts[t]), cn_optimizer_from(g, texts[t]) };
      for (int k = 0; k < 2; k++) cn_optimizer_build(o[k], &v[k], 1);
      for (int step = 0; step < 5; step++)
        for (int k = 0; k < 2; k++) {
          cr_assert(cn_optimizer_minimize(o[k], bag_loss(g, &bags[i], v[k], k == 1), true), "%s", cn_error(g));
          cn_graph_reset(g);
        }
      cr_assert(largest_difference(v[0], v[1]) < 1e-12, "case %d, %s", (int)i, texts[t]);
      cr_assert(cn_backward(g, cn_add(g, bag_loss(g, &bags[i], v[0], false), bag_loss(g, &bags[i], v[1], true))));
      cr_assert(largest_difference(cn_grad(v[0]), cn_grad(v[1])) < 1e-12, "case %d, kept", (int)i);
      cn_graph_free(g);
    }
}

/* The gradient of rows that are multiplied with one row stays two factors, as long as nothing else reads them and no update changes the other row before. */
typedef enum {
  LOOKED_UP, SHARED_BY_ALL, VARIABLE, VIEW_OF_VARIABLE, UNRECORDED_VIEW, DATA, MEAN_OF_ROWS, THEMSELVES /* both factors are the rows */,
  FOR_ALL /* the same rows for every other one: their gradient is a sum */, FACTORS
} factor;
static cn_tensor *other_row(cn_graph *g, factor f, cn_tensor *const *v, cn_tensor *x) {
  static const int64_t index[] = { 4, 4, 0 };
  static const double numbers[] = { 0.5, -1, 2, 0, 0.25 };
  switch (f) {
    case LOOKED_UP: return cn_take(g, v[1], cn_array(g, CN_I64, CN_DIMS(3, 1), index), .axis = 0);
    case SHARED_BY_ALL: return cn_sin(g, cn_reshape(g, v[2], CN_INTS(1, 1, 5)));
    case VARIABLE: return v[3];
    case VIEW_OF_VARIABLE: return cn_reshape(g, v[2], CN_INTS(1, 1, 5));
    case UNRECORDED_VIEW: {
      const bool recording = cn_recording(g, false);
      cn_tensor *view = cn_reshape(g, v[2], CN_INTS(1, 1, 5));
      cn_recording(g, recording);
      return view;
    }
    case FOR_ALL: return cn_take(g, v[1], cn_array(g, CN_I64, CN_DIMS(3, 1), index), .axis = 0);
    case THEMSELVES: return x;
    case DATA: return cn_array(g, CN_F64, CN_DIMS(1, 1, 5), numbers);
    default: return cn_mean(g, x, .axis = CN_INTS(1), .keepdims = true);
  }
}
static cn_tensor *factor_loss(cn_graph *g, factor f, cn_tensor *const *v, bool wide) {
  static const int64_t index[] = { 3, 1, 3, 0, 5, 1, 1, 4, 2, 2, 3, 5 };
  cn_tensor *before = cn_sum(g, cn_exp(g, cn_sin(g, cn_add(g, cn_square(g, v[2]), cn_multiply(g, v[2], cn_cos(g, v[2])))))); /* differentiated last */
  const cn_dims *dims = f == THEMSELVES ? CN_DIMS(12, 1) : f == FOR_ALL ? CN_DIMS(1, 4) : CN_DIMS(3, 4);
  cn_tensor *x = cn_take(g, v[0], cn_array(g, CN_I64, dims, index), .axis = 0);
  if (wide) x = cn_multiply(g, x, cn_ones(g, cn_dtype_of(x), &x->dims));
  cn_tensor *other = other_row(g, f, v, x);
  return cn_add(g, before, cn_sum(g, cn_square(g, cn_sin(g, cn_matmul(g, x, other, .transpose_b = true)))));
}
static void factors(factor f, const char *text) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_optimizer *o[] = { cn_optimizer_from(g, text), cn_optimizer_from(g, text) };
  cn_tensor *v[2][4];
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < 2; i++) v[k][i] = table(g, CN_F64, 6, 5);
    v[k][2] = cn_variable(g, CN_F64, CN_DIMS(5), cn_data(v[k][0]));
    v[k][3] = cn_variable(g, CN_F64, CN_DIMS(1, 1, 5), cn_data(v[k][1]));
    cr_assert(cn_optimizer_build(o[k], v[k], 4), "%s", cn_error(g));
  }
  for (int step = 0; step < 5; step++)
    for (int k = 0; k < 2; k++) {
      cr_assert(cn_optimizer_minimize(o[k], factor_loss(g, f, v[k], k == 1), true), "%s", cn_error(g));
      cn_graph_reset(g);
    }
  for (int i = 0; i < 4; i++) cr_assert(largest_difference(v[0][i], v[1][i]) < 1e-12, "case %d, %s, variable %d", (int)f, text, i);
  cr_assert(cn_backward(g, cn_add(g, factor_loss(g, f, v[0], false), factor_loss(g, f, v[1], true))));
  cr_assert(largest_difference(cn_grad(v[0][0]), cn_grad(v[1][0])) < 1e-12, "case %d, kept", (int)f);
  cn_graph_free(g);
}
Test(optim_rows, rows_of_products_stay_factors) {
  static const char *const texts[] = { "SGD(0.1)", "SGD(0.1, momentum=0.9)", "Adam(0.01)", "Adamax(0.01, clipnorm=0.3)", "Lamb(0.01)", "Adagrad(0.1)",
                                       "Adagrad(0.1, clipvalue=0.05)", "Adam(0.01, global_clipnorm=0.1)", "SGD(0.1, gradient_accumulation_steps=2)" };
  for (factor f = LOOKED_UP; f < FACTORS; f++)
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) factors(f, texts[t]);
}

/* Several look-ups, more of them than one part or block takes; the wide ones have the gradient of every single row, products with ones and zeros a dense one. */
typedef enum { NARROW, WIDE, DENSE } looking_up;
static cn_tensor *many_loss(cn_graph *g, cn_tensor *v, cn_tensor *const *index, looking_up how) {
  cn_tensor *loss = NULL;
  for (int i = 0; i < 3; i++) {
    cn_tensor *x = how == DENSE ? cn_matmul(g, cn_one_hot(g, index[i], cn_dims_of(v).d[0], .dtype = "float64"), v) : cn_take(g, v, index[i], .axis = 0), *y;
    if (how == WIDE) x = cn_multiply(g, x, cn_ones(g, cn_dtype_of(x), &x->dims));
    if (i == 0) y = cn_mean(g, x, .axis = CN_INTS(1));
    else y = cn_matmul(g, x, cn_ones(g, CN_F64, CN_DIMS(1, cn_dims_of(v).d[1])), .transpose_b = true);
    cn_tensor *term = cn_sum(g, cn_square(g, cn_sin(g, y)));
    loss = loss ? cn_add(g, loss, term) : term;
  }
  return loss;
}
static void many_rows(const char *text, looking_up how, int threads) {
  enum { HEIGHT = 301, WIDTH = 65 };
  cn_graph *g = cn_graph_new(.seed = 1, .threads = threads);
  cn_tensor *v[] = { table(g, CN_F64, HEIGHT, WIDTH), table(g, CN_F64, HEIGHT, WIDTH) };
  cn_optimizer *o[] = { cn_optimizer_from(g, text), cn_optimizer_from(g, text) };
  for (int step = 0; step < 3; step++) {
    cn_tensor *index[] = { cn_random_integers(g, CN_INTS(20, 71), 0, HEIGHT), cn_cast(g, cn_random_integers(g, CN_INTS(1), 0, 3), "int32"),
                           cn_random_integers(g, CN_INTS(37, 9), 0, 40) };
    for (int k = 0; k < 2; k++) cr_assert(cn_optimizer_minimize(o[k], many_loss(g, v[k], index, k ? how : NARROW), true), "%s", cn_error(g));
    cn_graph_reset(g);
  }
  const double d = largest_difference(v[0], v[1]);
  cr_assert(d < 1e-11, "%s, %d threads: differs by %g", text, threads, d);
  cn_graph_free(g);
}
Test(optim_rows, many_rows_of_several_look_ups) {
  for (int threads = 1; threads < 4; threads++) {
    many_rows("SGD(0.1)", DENSE, threads);
    many_rows("SGD(0.1, momentum=0.9)", DENSE, threads);
    many_rows("Adagrad(0.1)", WIDE, threads);
    many_rows("Adam(0.01)", WIDE, threads);
    many_rows("Adamax(0.01, clipvalue=0.01)", WIDE, threads);
  }
}

/* As Keras, where the scaling makes a sparse gradient dense: the square of a row's sum, not the sum of squares. */
Test(optim_rows, global_clipnorm_sums_rows_first) {
  const char *const texts[] = { "Adam(0.01, global_clipnorm=0.5)", "Adagrad(0.1, global_clipnorm=0.5)", "Adamax(0.01, global_clipnorm=9)" };
  static const int64_t index[] = { 1, 3, 1, 0, 1 };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cn_graph *g = cn_graph_new(.seed = 1);
    cn_tensor *v[] = { table(g, CN_F64, 4, 3), table(g, CN_F64, 4, 3) }, *none = NULL;
    const cn_rows rows = some_rows(g, CN_F64, index, 5, 3);
    double norm = 0, most = i == 2 ? 9 : 0.5;
    for (int64_t k = 0; k < cn_count(rows.values); k++) norm += cn_at(rows.values, k) * cn_at(rows.values, k); /* of the rows as they are */
    cn_tensor *x = cn_scale(g, cni_rows_dense(g, &rows, v[1]), fmin(1, most / sqrt(norm)));
    char text[40];
    snprintf(text, sizeof text, "%.*s)", (int)(strchr(texts[i], ',') - texts[i]), texts[i]);
    cr_assert(cn_optimizer_apply_rows(cn_optimizer_from(g, texts[i]), &none, &rows, &v[0], 1) && cn_optimizer_apply(cn_optimizer_from(g, text), &x, &v[1], 1),
              "%s", cn_error(g));
    cr_assert(largest_difference(v[0], v[1]) < 1e-12, "%s", texts[i]);
    cn_graph_free(g);
  }
}

/* Row 1 twice, with 3 and 4: linear uses see 7, squares 9 + 16, absolute values 3 + 4. */
static void repeated(const char *text, double wanted_1, double tolerance) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F64, CN_DIMS(3, 1), NULL), *none = NULL;
  const cn_rows rows = { cn_array(g, CN_I32, CN_DIMS(2), (const int32_t[]){ 1, 1 }), cn_array(g, CN_F64, CN_DIMS(2, 1), (const double[]){ 3, 4 }) };
  cn_optimizer *o = cn_optimizer_from(g, text);
  cr_assert(cn_optimizer_apply_rows(o, &none, &rows, &v, 1), "%s: %s", text, cn_error(g));
  cr_assert(fabs(cn_at(v, 1) - wanted_1) <= tolerance, "%s: %.9g, wanted %.9g", text, cn_at(v, 1), wanted_1);
  cr_assert_eq(cn_at(v, 0), 0);
  cr_assert_eq(cn_at(v, 2), 0);
  cn_graph_free(g);
}

Test(optim_rows, repeated_rows) {
  const double rate = (double)0.1f;
  repeated("SGD(0.1)", -rate * 7, 1e-12);
  repeated("SGD(0.1, momentum=0.5)", -rate * 7, 1e-12);
  repeated("Adagrad(0.1, initial_accumulator_value=0, epsilon=1e-30)", -rate * 7 / 5, 1e-12);
  repeated("RMSprop(0.1, epsilon=1e-30, rho=0.75)", -rate * 7 / 2.5, 1e-12);
  repeated("Adam(0.1, epsilon=1e-30)", -rate * 7 / 5, 1e-5);
  repeated("Adamax(0.1, epsilon=1e-30)", -rate, 1e-7);
  repeated("Lion(0.1)", -rate, 1e-12);
  repeated("SGD(0.1, clipvalue=3.5)", -rate * 6.5, 1e-12);
  repeated("Adagrad(0.1, initial_accumulator_value=0, epsilon=1e-30, clipvalue=3.5)", -rate * 6.5 / sqrt(9 + 12.25), 1e-12);
  repeated("SGD(0.1, clipnorm=2.5)", -rate * 3.5, 1e-12);
  repeated("SGD(0.1, global_clipnorm=2.5)", -rate * 3.5, 1e-12);
  repeated("Adagrad(0.1, initial_accumulator_value=0, epsilon=1e-30, loss_scale_factor=2)", -rate * 7 / 5, 1e-12);
  repeated("Adamax(0.1, epsilon=1e-30, loss_scale_factor=2)", -rate, 1e-7);
}

/* Moments of rows that are not touched decay; with gradient descent and Adagrad such rows stay as they are, bit by bit. */
Test(optim_rows, untouched_rows) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(2, 1), NULL), *none = NULL, *of[4];
  cn_optimizer *o = cn_optimizer_Adam(g, 0.1);
  for (int64_t row = 0; row < 2; row++) {
    const cn_rows rows = { cn_array(g, CN_I64, CN_DIMS(1), &row), cn_ones(g, CN_F32, CN_DIMS(1, 1)) };
    cr_assert(cn_optimizer_apply_rows(o, &none, &rows, &v, 1));
  }
  cn_optimizer_variables(o, of, 4);
  CHECK_NEAR(cn_at(of[2], 0), 0.09, 1e-7);
  CHECK_NEAR(cn_at(of[2], 1), 0.1, 1e-7);
  cr_assert(cn_at(v, 0) < -0.14);
  cn_graph_free(g);
}

static bool same_values(const cn_tensor *a, const cn_tensor *b) { return !memcmp(cn_data(a), cn_data(b), (size_t)cn_count(a) * cn_dtype_size(cn_dtype_of(a))); }

Test(optim_rows, threads_do_not_change_the_numbers) {
  for (const char *const *text = every_optimizer; *text; text++) {
    cn_graph *g[] = { cn_graph_new(.seed = 1, .threads = 1), cn_graph_new(.seed = 1, .threads = 2) };
    cn_tensor *v[2];
    int64_t index[3000];
    for (int k = 0; k < 3000; k++) index[k] = (k * 7) % 1013;
    for (int i = 0; i < 2; i++) {
      v[i] = table(g[i], CN_F32, 1100, 40);
      cn_optimizer *o = cn_optimizer_from(g[i], *text);
      for (int t = 0; t < 2; t++) {
        const cn_rows rows = some_rows(g[i], CN_F32, index, 3000, 40);
        cn_tensor *none = NULL;
        cr_assert(cn_optimizer_apply_rows(o, &none, &rows, &v[i], 1), "%s: %s", *text, cn_error(g[i]));
      }
    }
    cr_assert(strncmp(*text, "Muon", 4) == 0 || same_values(v[0], v[1]), "%s", *text);
    for (int i = 0; i < 2; i++) cn_graph_free(g[i]);
  }
}

Test(optim_rows, tables_without_elements) {
  for (const char *const *text = every_optimizer; *text; text++) {
    cn_graph *g = cn_graph_new(.seed = 1);
    cn_tensor *v[] = {cn_variable(g, CN_F32, CN_DIMS(0, 3), NULL), cn_variable(g, CN_F32, CN_DIMS(4, 0), NULL), cn_variable(g, CN_F32, CN_DIMS(2, 2), NULL)},
              *none[3] = {NULL};
    cn_tensor *no_rows = cn_zeros(g, CN_I64, CN_DIMS(0)), *row = cn_zeros(g, CN_I64, CN_DIMS(1));
    const cn_rows rows[] = { { no_rows, cn_zeros(g, CN_F32, CN_DIMS(0, 3)) }, { row, cn_zeros(g, CN_F32, CN_DIMS(1, 0)) },
                             { no_rows, cn_zeros(g, CN_F32, CN_DIMS(0, 2)) } };
    cr_assert(cn_optimizer_apply_rows(cn_optimizer_from(g, *text), none, rows, v, 3), "%s: %s", *text, cn_error(g));
    cn_graph_free(g);
  }
}

static void refused(cn_graph *g, cn_optimizer *o, cn_tensor *v, cn_tensor *indices, cn_tensor *values, cn_code code, const char *text) {
  const cn_rows rows = { indices, values };
  cn_tensor *none = NULL;
  cr_assert(!cn_optimizer_apply_rows(o, &none, &rows, &v, 1));
  CHECK_REFUSED(g, code, text);
}

Test(optim_rows, refused) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *v = cn_variable(g, CN_F32, CN_DIMS(3, 2), NULL), *scalar = cn_variable(g, CN_F32, CN_SCALAR, NULL), *both[] = { v, scalar };
  cn_set_name(v, "table");
  cn_optimizer *o = cn_optimizer_SGD(g, 0.1);
  cr_assert(cn_optimizer_build(o, both, 2));
  const int64_t three = 3, less = -1;
#define INDEX(p) cn_array(g, CN_I64, CN_DIMS(1), p)
  refused(g, o, v, INDEX(&three), cn_ones(g, CN_F32, CN_DIMS(1, 2)), CN_INDEX, "SGD: row index 3 of gradient 0 is out of range for 3 rows");
  refused(g, o, v, INDEX(&less), cn_ones(g, CN_F32, CN_DIMS(1, 2)), CN_INDEX, "SGD: row index -1 of gradient 0 is out of range for 3 rows");
  refused(g, o, v, cn_ones(g, CN_F32, CN_DIMS(1)), cn_ones(g, CN_F32, CN_DIMS(1, 2)), CN_DTYPE, "SGD: row indices 0 are float32");
  refused(g, o, v, INDEX(&(int64_t){ 0 }), cn_ones(g, CN_F32, CN_DIMS(1, 3)), CN_SHAPE, "SGD: gradient 0 is float32 [1,3], variable table is float32 [3,2]");
  refused(g, o, v, INDEX(&(int64_t){ 0 }), cn_ones(g, CN_F64, CN_DIMS(1, 2)), CN_DTYPE, "SGD: gradient 0 is float64 [1,2], variable table is float32 [3,2]");
  refused(g, o, v, NULL, cn_ones(g, CN_F32, CN_DIMS(1, 2)), CN_VALUE, "SGD: gradient 0 has no row indices");
  refused(g, o, scalar, INDEX(&(int64_t){ 0 }), cn_ones(g, CN_F32, CN_DIMS(1, 1)), CN_SHAPE, "SGD: variable variable has no rows");
  cr_assert_eq(cn_optimizer_iterations(o), 0);
  cn_graph_free(g);
}
