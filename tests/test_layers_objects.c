/* Initializers, regularizers, constraints and activations: by name, as objects, as the user's functions. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 1); }
static void end(void) { cn_graph_free(g); }
TestSuite(layers_objects, .init = begin, .fini = end);

/* ---- initializers ---- */
static cn_tensor *initial(const char *text, const cn_dims *dims) {
  const cn_ref r = { .name = text };
  cn_tensor *t = cn_initialize(g, &r, dims, CN_F32);
  cr_assert_not_null(t, "%s: %s", text, cn_error(g));
  return t;
}
typedef struct moments { double mean, stddev, least, largest; } moments;
static moments moments_of(cn_tensor *t) {
  moments m = { 0, 0, INFINITY, -INFINITY };
  const int64_t n = cn_count(t);
  for (int64_t i = 0; i < n; i++) {
    const double v = cn_at(t, i);
    m.mean += v / (double)n;
    m.stddev += v * v / (double)n;
    m.least = fmin(m.least, v);
    m.largest = fmax(m.largest, v);
  }
  m.stddev = sqrt(m.stddev - m.mean * m.mean);
  return m;
}

Test(layers_objects, initializers_have_their_moments) {
  static const struct { const char *text; double mean, stddev, bound;
  } rows[] = { { "zeros", 0, 0, 0 }, { "ones", 1, 0, 1 }, { "constant(0.5)", 0.5, 0, 0.5 }, { "random_normal(mean=1, stddev=0.5)", 1, 0.5, 6 },
               { "normal", 0, 0.05, 0.4 }, { "truncated_normal(stddev=1)", 0, 0.8796, 2 }, { "random_uniform(-1, 3)", 1, 1.1547, 3 },
               { "uniform", 0, 0.028868, 0.05 }, { "glorot_uniform", 0, 0.057735, 0.1 }, { "glorot_normal", 0, 0.057735, 0.13128 },
               { "he_normal", 0, 0.1, 0.22738 }, { "he_uniform", 0, 0.1, 0.17321 }, { "lecun_normal", 0, 0.0707107, 0.16078 },
               { "lecun_uniform", 0, 0.0707107, 0.12248 }, { "HeNormal", 0, 0.1, 0.22738 },
               { "variance_scaling(4, mode=fan_out, distribution=uniform)", 0, 0.1, 0.17321 },
               { "variance_scaling(4, mode=fan_out, distribution=untruncated_normal)", 0, 0.1, 1 }, { "orthogonal", 0, 0.05, 1 }, { NULL, 0, 0, 0 } };
  for (int i = 0; rows[i].text; i++) { /* 200 in, 400 out: standard errors below 1 % of the deviation */
    const moments m = moments_of(initial(rows[i].text, CN_DIMS(200, 400)));
    cr_assert(fabs(m.mean - rows[i].mean) <= 0.02 * rows[i].stddev + 1e-7, "%s: mean %g", rows[i].text, m.mean);
    cr_assert(fabs(m.stddev - rows[i].stddev) <= 0.02 * rows[i].stddev + 1e-3 * rows[i].mean, "%s: stddev %g", rows[i].text, m.stddev);
    cr_assert(fmax(m.largest, -m.least) <= rows[i].bound * (1 + 1e-4), "%s: from %g to %g", rows[i].text, m.least, m.largest);
    cn_graph_reset(g);
  }
}
Test(layers_objects, identity_and_orthogonal) {
  CHECK_TENSOR(initial("identity(2)", CN_DIMS(2, 3)), CN_DIMS(2, 3), 0, 2, 0, 0, 0, 2, 0);
  cn_tensor *q = initial("orthogonal(seed=1)", CN_DIMS(5, 3));
  CHECK_TENSOR(cn_matmul(g, q, q, .transpose_a = true), CN_DIMS(3, 3), 1e-6, 1, 0, 0, 0, 1, 0, 0, 0, 1);
  q = initial("orthogonal(gain=2)", CN_DIMS(2, 4));
  CHECK_TENSOR(cn_matmul(g, q, q, .transpose_b = true), CN_DIMS(2, 2), 1e-5, 4, 0, 0, 4);
  const cn_ref r = CN_NAME("identity");
  cr_assert_null(cn_initialize(g, &r, CN_DIMS(3), CN_F32));
  CHECK_REFUSED(g, CN_SHAPE, "Identity: rank must be 2, got 1");
}
static bool same(cn_tensor *a, cn_tensor *b) {
  for (int64_t i = 0; i < cn_count(a); i++)
    if (cn_at(a, i) != cn_at(b, i)) return false;
  return cn_count(a) == cn_count(b);
}
Test(layers_objects, same_seed_same_values) {
  const cn_ref seeded = { .object = cn_initializer_GlorotUniform(g, .seed = 7) }, named = CN_NAME("glorot_uniform(seed=7)"),
               open = { .object = cn_initializer_GlorotUniform(g) };
  cn_tensor *a = cn_initialize(g, &seeded, CN_DIMS(4, 5), CN_F32);
  cr_assert(same(a, cn_initialize(g, &seeded, CN_DIMS(4, 5), CN_F32)));
  cr_assert(same(a, cn_initialize(g, &named, CN_DIMS(4, 5), CN_F32)));
  cr_assert_not(same(a, initial("glorot_uniform(seed=8)", CN_DIMS(4, 5))));
  cn_tensor *b = cn_initialize(g, &open, CN_DIMS(4, 5), CN_F32);
  cr_assert_not(same(b, cn_initialize(g, &open, CN_DIMS(4, 5), CN_F32)), "without a seed each call draws anew");
  cn_graph *h[2] = { cn_graph_new(.seed = 5), cn_graph_new(.seed = 5) };
  cr_assert(same(cn_initialize(h[0], &(const cn_ref)CN_NAME("he_normal"), CN_DIMS(4, 5), CN_F32),
                 cn_initialize(h[1], &(const cn_ref)CN_NAME("he_normal"), CN_DIMS(4, 5), CN_F32)));
  cn_graph_free(h[0]);
  cn_graph_free(h[1]);
}

static cn_tensor *count_up(cn_graph *graph, cn_tensor *x, void *user) {
  cn_tensor *y = cn_arange(graph, cn_dtype_of(x), 0, (double)cn_count(x), 1);
  const cn_dims d = cn_dims_of(x);
  const cn_ints shape = { d.d, d.rank };
  return cn_scale(graph, cn_reshape(graph, y, shape), *(const double *)user);
}
static cn_tensor *wrong_shape(cn_graph *graph, cn_tensor *x, void *user) {
  (void)user;
  return cn_sum(graph, x);
}
Test(layers_objects, initializers_of_the_user) {
  double factor = 2;
  const cn_ref r = { .fn = count_up, .user = &factor };
  CHECK_TENSOR(cn_initialize(g, &r, CN_DIMS(2, 2), CN_F32), CN_DIMS(2, 2), 0, 0, 2, 4, 6);
  cr_assert(cn_register_initializer(g, "count_up", count_up, &factor));
  CHECK_TENSOR(initial("count_up", CN_DIMS(3)), CN_DIMS(3), 0, 0, 2, 4);
  cn_layer *l = cn_Dense(g, 2, .kernel_initializer = CN_NAME("count_up"), .bias_initializer = { .fn = count_up, .user = &factor });
  cn_build(l, CN_DIMS(1, 2), 1);
  CHECK_TENSOR(weight_at(l, 0), CN_DIMS(2, 2), 0, 0, 2, 4, 6);
  CHECK_TENSOR(weight_at(l, 1), CN_DIMS(2), 0, 0, 2);
  const cn_ref bad = { .fn = wrong_shape };
  cr_assert_null(cn_initialize(g, &bad, CN_DIMS(2), CN_F32));
  CHECK_REFUSED(g, CN_SHAPE, "the initializer function returned another shape or data type than the weight's");
  cr_assert_not(cn_register_initializer(g, "zeros", count_up, NULL));
  CHECK_REFUSED(g, CN_VALUE, "register: the initializer name \"zeros\" is taken");
  cr_assert_not(cn_register_class(g, &cn_class_Dense));
  CHECK_REFUSED(g, CN_VALUE, "register: the layer name \"Dense\" is taken");
  cr_assert(strstr(cn_describe(g, "Dense"), "units: integer, positive, required"), "%s", cn_error(g));
}

/* ---- regularizers ---- */
static double penalty(cn_ref r, cn_tensor *w) { return cn_item(cn_regularize(g, &r, w)); }
static cn_tensor *largest(cn_graph *graph, cn_tensor *w, void *user) {
  (void)user;
  return cn_max(graph, w);
}
Test(layers_objects, regularizers) {
  cn_tensor *w = FLOATS(g, CN_DIMS(2, 2), 1, -2, 3, -4);
  CHECK_NEAR(penalty((cn_ref)CN_NAME("l1"), w), 0.1, 1e-6);
  CHECK_NEAR(penalty((cn_ref)CN_NAME("l2"), w), 0.3, 1e-6);
  CHECK_NEAR(penalty((cn_ref)CN_NAME("L1L2(0.1, 0.01)"), w), 1.3, 1e-6);
  CHECK_NEAR(penalty((cn_ref){ .object = cn_regularizer_L2(g, .l2 = 0.5) }, w), 15, 1e-5);
  CHECK_NEAR(penalty((cn_ref){ .fn = largest }, w), 3, 0);
  CHECK_NEAR(penalty((cn_ref)CN_NONE_REF, w), 0, 0);
  cr_assert(cn_register_regularizer(g, "largest", largest, NULL));
  CHECK_NEAR(penalty((cn_ref)CN_NAME("largest"), w), 3, 0);
  /* rows (1, -2) / sqrt 5 and (3, -4) / 5: product 11 / (5 sqrt 5); one pair */
  CHECK_NEAR(penalty((cn_ref)CN_NAME("orthogonal_regularizer(0.5)"), w), 0.5 * 11 / (5 * sqrt(5)), 1e-6);
  /* columns (1, 3) / sqrt 10 and (-2, -4) / sqrt 20 */
  CHECK_NEAR(penalty((cn_ref)CN_NAME("OrthogonalRegularizer(0.5, mode=columns)"), w), 0.5 * 14 / sqrt(200), 1e-6);
  cr_assert_null(cn_regularizer_from(g, "l2(-1)"));
  CHECK_REFUSED(g, CN_VALUE, "L2: l2 must not be negative, got -1");
  cr_assert_null(cn_regularizer_from(g, "OrthogonalRegularizer(mode=diagonal)"));
  CHECK_REFUSED(g, CN_VALUE, "OrthogonalRegularizer: mode must be \"rows\" or \"columns\", got \"diagonal\"");
}
Test(layers_objects, penalties_have_gradients) {
  cn_layer *l = cn_Dense(g, 1, .kernel_initializer = { .object = cn_initializer_Constant(g, .value = 3) }, .kernel_regularizer = CN_NAME("l2(0.5)"),
                         .bias_regularizer = { .fn = largest });
  cn_build(l, CN_DIMS(1, 2), 1);
  cr_assert(cn_backward(g, cn_total_loss(l, cn_scalar(g, 0))), "%s", cn_error(g));
  CHECK_TENSOR(cn_grad(weight_at(l, 0)), CN_DIMS(2, 1), 1e-6, 3, 3);
  CHECK_TENSOR(cn_grad(weight_at(l, 1)), CN_DIMS(1), 1e-6, 1);
}

/* ---- constraints ---- */
static cn_tensor *halved(cn_graph *graph, cn_tensor *w, void *user) {
  (void)user;
  return cn_scale(graph, w, 0.5);
}
Test(layers_objects, constraints) {
  cn_tensor *w = FLOATS(g, CN_DIMS(2, 2), 3, 0.3, -4, 0.4); /* columns of norms 5 and 0.5 */
#define PROJECTED(...) cn_project(g, &(const cn_ref)__VA_ARGS__, w)
  CHECK_TENSOR(PROJECTED(CN_NAME("max_norm(2)")), CN_DIMS(2, 2), 1e-5, 1.2, 0.3, -1.6, 0.4);
  CHECK_TENSOR(PROJECTED(CN_NAME("unit_norm")), CN_DIMS(2, 2), 1e-5, 0.6, 0.6, -0.8, 0.8);
  CHECK_TENSOR(PROJECTED(CN_NAME("non_neg")), CN_DIMS(2, 2), 1e-5, 3, 0.3, 0, 0.4);
  CHECK_TENSOR(PROJECTED(CN_NAME("MinMaxNorm(1, 2, rate=0.5)")), CN_DIMS(2, 2), 1e-5, 2.1, 0.45, -2.8, 0.6);
  CHECK_TENSOR(PROJECTED({ .object = cn_constraint_MaxNorm(g, .max_value = 2, .axis = CN_INTS(1)) }),
               CN_DIMS(2, 2), 1e-5, 6 / sqrt(9.09), 0.6 / sqrt(9.09), -8 / sqrt(16.16), 0.8 / sqrt(16.16));
  CHECK_TENSOR(PROJECTED({ .fn = halved }), CN_DIMS(2, 2), 1e-5, 1.5, 0.15, -2, 0.2);
  CHECK_TENSOR(PROJECTED(CN_NONE_REF), CN_DIMS(2, 2), 1e-5, 3, 0.3, -4, 0.4);
  cr_assert(cn_register_constraint(g, "halved", halved, NULL));
  CHECK_TENSOR(PROJECTED(CN_NAME("halved")), CN_DIMS(2, 2), 1e-5, 1.5, 0.15, -2, 0.2);
}
Test(layers_objects, constraints_hold_after_each_step) {
  cn_model *m = cn_Sequential(g, NULL);
  cn_push(m, cn_Dense(g, 3, .kernel_constraint = CN_NAME("unit_norm"), .bias_constraint = { .fn = halved }, .bias_initializer = CN_NAME("ones")));
  cn_compile(m, .optimizer = CN_NAME("sgd(0)"), .loss = CN_NAME("mse"));
  cn_train_on_batch(m, cn_ones(g, CN_F32, CN_DIMS(2, 4)), cn_ones(g, CN_F32, CN_DIMS(2, 3)), NULL);
  CHECK_OK(g);
  cn_layer *l = cn_model_layer(m);
  cn_tensor *k = weight_at(l, 0);
  CHECK_TENSOR(cn_sum(g, cn_square(g, k), .axis = CN_INTS(0)), CN_DIMS(3), 1e-5, 1, 1, 1);
  CHECK_TENSOR(weight_at(l, 1), CN_DIMS(3), 0, 0.5, 0.5, 0.5);
}

/* ---- activations ---- */
static cn_tensor *cubed(cn_graph *graph, cn_tensor *x, void *user) {
  (void)user;
  return cn_multiply(graph, x, cn_square(graph, x));
}
Test(layers_objects, activations_have_their_formulas) {
  static const struct { const char *text; double at_minus, at_plus;
  } rows[] = { /* at -0.5 and 1.5 */
               { "linear", -0.5, 1.5 }, { "relu", 0, 1.5 }, { "leaky_relu", -0.1, 1.5 }, { "leaky_relu(negative_slope=0.5)", -0.25, 1.5 }, { "relu6", 0, 1.5 },
               { "elu", -0.39346934, 1.5 }, { "selu", -0.69175816, 1.57605148 }, { "celu", -0.39346934, 1.5 }, { "gelu", -0.15426877, 1.39978919 },
               { "gelu(approximate=true)", -0.15428599, 1.39957197 }, { "sigmoid", 0.37754067, 0.81757448 }, { "tanh", -0.46211716, 0.90514825 },
               { "exponential", 0.60653066, 4.48168907 }, { "hard_sigmoid", 0.41666667, 0.75 }, { "silu", -0.18877033, 1.22636171 },
               { "swish", -0.18877033, 1.22636171 }, { "hard_silu", -0.20833333, 1.125 }, { "softplus", 0.47407698, 1.70141328 },
               { "softsign", -0.33333333, 0.6 }, { "mish", -0.22075, 1.40337 }, { "log_sigmoid", -0.97407698, -0.20141328 },
               { "tanh_shrink", -0.03788284, 0.59485175 }, { "hard_tanh", -0.5, 1 }, { "hard_shrink", 0, 1.5 }, { "soft_shrink", 0, 1 },
               { "threshold(1, -7)", -7, 1.5 }, { "squareplus", 0.780776, 2 }, { "sparse_plus", 0.0625, 1.5 }, { "sparse_sigmoid", 0.25, 1 }, { NULL, 0, 0 }
  };
  for (int i = 0; rows[i].text; i++) {
    cn_tensor *y = cn_activation(g, rows[i].text, FLOATS(g, CN_DIMS(2), -0.5, 1.5));
    cr_assert_not_null(y, "%s: %s", rows[i].text, cn_error(g));
    cr_assert(fabs(cn_at(y, 0) - rows[i].at_minus) < 1e-5 && fabs(cn_at(y, 1) - rows[i].at_plus) < 1e-5, "%s: %.8g %.8g", rows[i].text, cn_at(y, 0),
              cn_at(y, 1));
  }
  CHECK_TENSOR(cn_activation(g, "softmax(axis=0)", FLOATS(g, CN_DIMS(2, 1), 0, log(3))), CN_DIMS(2, 1), 1e-6, 0.25, 0.75);
}
Test(layers_objects, every_activation_works_by_name_by_object_and_in_a_layer) {
  for (const char *const *names = cn_activation_names(); *names; names++) {
    const char *const required = "threshold(0.5, 0)", *const text = strcmp(*names, "threshold") ? *names : required, *const *const name = &text;
    cn_tensor *x = FLOATS(g, CN_DIMS(2, 4), -2, -0.5, 0.25, 1.5, 3, -3, 0.1, 0.7), *y = cn_activation(g, *name, x);
    cr_assert_not_null(y, "%s: %s", *name, cn_error(g));
    const cn_ref r = { .object = cn_activation_from(g, *name) };
    cr_assert(same(y, cn_activate(g, &r, x)), "%s", *name);
    cr_assert(same(y, cn_call(g, cn_Activation(g, .activation = { .object = r.object }), x)), "%s", *name);
    cn_object_free(r.object);
    cn_layer *l = cn_Dense(g, 4, .activation = { .name = *name }, .kernel_initializer = CN_NAME("identity"));
    y = cn_activation(g, *name, x);
    cn_tensor *z = cn_call(g, l, x);
    for (int64_t i = 0; i < cn_count(y); i++) cr_assert(fabs(cn_at(z, i) - cn_at(y, i)) < 1e-6, "%s: %g %g", *name, cn_at(z, i), cn_at(y, i));
    cn_layer_free(l);
    CHECK_OK(g);
  }
}
Test(layers_objects, activations_of_the_user) {
  cr_assert(cn_register_activation(g, "cubed", cubed, NULL));
  cn_tensor *x = FLOATS(g, CN_DIMS(1, 2), -2, 3);
  CHECK_TENSOR(cn_activation(g, "cubed", x), CN_DIMS(1, 2), 1e-5, -8, 27);
  CHECK_TENSOR(cn_call(g, cn_Activation(g, CN_NAME("cubed")), x), CN_DIMS(1, 2), 1e-5, -8, 27);
  CHECK_TENSOR(cn_call(g, cn_Dense(g, 2, .activation = { .fn = cubed }, .kernel_initializer = CN_NAME("identity")), x), CN_DIMS(1, 2), 1e-5, -8, 27);
  cr_assert_not_null(cn_layer_config(cn_Dense(g, 2, .activation = CN_NAME("cubed"))));
  cr_assert_null(cn_layer_config(cn_Dense(g, 2, .activation = { .fn = cubed })));
  CHECK_REFUSED(g, CN_VALUE, "Dense: activation is a function without a name: register it, and give the name instead");
  cr_assert_null(cn_activation(g, "gelo", x));
  CHECK_REFUSED(g, CN_VALUE, "unknown activation \"gelo\"; did you mean \"gelu\"?");
  cr_assert_null(cn_activation(g, "threshold", x));
  CHECK_REFUSED(g, CN_VALUE, "threshold: threshold is required");
  cr_assert_not(cn_register_activation(g, "relu", cubed, NULL));
  CHECK_REFUSED(g, CN_VALUE, "register: the activation name \"relu\" is taken");
  cr_assert_null(cn_Dense(g, 2, .activation = { .object = cn_regularizer_L2(g) }));
  CHECK_REFUSED(g, CN_VALUE, "Dense: activation must be a kind of activation, got the regularizer L2");
}
