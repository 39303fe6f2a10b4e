/* Checks, deep copies and equality of options. */
#include "test_options.h"
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#pragma clang diagnostic ignored "-Wmissing-field-initializers"
#endif
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const cn_schema schema = CN_SCHEMA_(widget, "Dense", widget_options);

static widget_options filled(cn_graph *g) {
  widget_options o = widget_defaults;
  o.graph = g;
  o.units = 3;
  o.window = (cn_size){ { 2 } };
  return o;
}

#define CHECK_REFUSED(field, value, text)               \
  do {                                                  \
    widget_options o = filled(&g);                      \
    o.field = value;                                    \
    cr_assert_not(cni_options_check(&g, &schema, &o));  \
    cr_assert_eq(cn_error_code(&g), CN_VALUE);          \
    CHECK_ERROR(&g, text);                              \
  } while (0)

#define CHECK_TAKEN(field, value)                                                 \
  do {                                                                            \
    widget_options o = filled(&g);                                                \
    o.field = value;                                                              \
    cr_assert(cni_options_check(&g, &schema, &o), "%s: %s", #field, cn_error(&g)); \
  } while (0)

Test(options, schema) {
  cr_assert_eq(schema.count, 23);
  cr_assert_eq(cni_option_find(&schema, "units"), 0);
  cr_assert_eq(cni_option_find(&schema, "data"), 22);
  cr_assert_eq(cni_option_find(&schema, "unit"), -1);
  static const cn_option_kind kinds[] = { CN_OPTION_INT,   CN_OPTION_SIZE,   CN_OPTION_REF,     CN_OPTION_REAL,    CN_OPTION_REAL,   CN_OPTION_REAL,
                                          CN_OPTION_BOOL,  CN_OPTION_STRING, CN_OPTION_STRING,  CN_OPTION_SIZE,    CN_OPTION_SIZE,   CN_OPTION_INTS,
                                          CN_OPTION_INTS,  CN_OPTION_REALS,  CN_OPTION_STRINGS, CN_OPTION_REF,     CN_OPTION_INT,    CN_OPTION_INT,
                                          CN_OPTION_LAYER, CN_OPTION_LAYERS, CN_OPTION_TENSOR,  CN_OPTION_TENSORS, CN_OPTION_POINTER };
  for (int i = 0; i < schema.count; i++) cr_assert_eq(schema.rows[i].kind, kinds[i], "%s", schema.rows[i].name);
  cr_assert_eq(schema.rows[0].check, CN_CHECK_POSITIVE);
}

Test(options, checks_refuse) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  const int64_t numbers[] = { 1, -2 };
  CHECK_REFUSED(units, CN_REQUIRED, "Dense: units is required");
  CHECK_REFUSED(units, -3, "Dense: units must be positive, got -3");
  CHECK_REFUSED(units, 0, "Dense: units must be positive, got 0");
  CHECK_REFUSED(units, CN_NONE, "Dense: units must not be None");
  CHECK_REFUSED(seed, -1, "Dense: seed must not be negative, got -1");
  CHECK_REFUSED(rate, 1.5, "Dense: rate must be in [0, 1], got 1.5");
  CHECK_REFUSED(rate, -1e-9, "Dense: rate must be in [0, 1], got -1e-09");
  CHECK_REFUSED(rate, CN_NONE_REAL, "Dense: rate must be in [0, 1], got nan");
  CHECK_REFUSED(decay, 1, "Dense: decay must be in [0, 1), got 1");
  CHECK_REFUSED(momentum, -0.5, "Dense: momentum must not be negative, got -0.5");
  CHECK_REFUSED(window, ((cn_size){ { 0 } }), "Dense: window is required");
  CHECK_REFUSED(window, ((cn_size){ { 2, -1 } }), "Dense: window must be positive, got -1");
  CHECK_REFUSED(window, ((cn_size){ { CN_NONE } }), "Dense: window must not be None");
  CHECK_REFUSED(strides, ((cn_size){ { 0 } }), "Dense: strides must be positive, got 0");
  CHECK_REFUSED(counts, ((cn_ints){ numbers, 2 }), "Dense: counts must not be negative, got -2");
  CHECK_REFUSED(axis, ((cn_ints){ NULL, 2 }), "Dense: axis has no values, but a count of 2");
  CHECK_REFUSED(words, ((cn_strings){ NULL, 1 }), "Dense: words has no values, but a count of 1");
  CHECK_REFUSED(dtype, "flot32", "Dense: dtype: unknown dtype \"flot32\"; did you mean \"float32\"?");
  CHECK_REFUSED(dtype, "xyzzy", "Dense: dtype: unknown dtype \"xyzzy\"");
  widget_options o = filled(&g);
  o.dtype = "mixed_float16";
  cr_assert_not(cni_options_check(&g, &schema, &o));
  cr_assert_eq(cn_error_code(&g), CN_UNSUPPORTED);
  CHECK_ERROR(&g, "Dense: dtype: mixed_float16 is not supported");
  graph_end(&g, &n);
}

Test(options, checks_take) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  const int64_t numbers[] = { 1, -2 };
  CHECK_TAKEN(units, 1);
  CHECK_TAKEN(seed, CN_NONE);
  CHECK_TAKEN(rate, 0);
  CHECK_TAKEN(rate, 1);
  CHECK_TAKEN(decay, 0.999);
  CHECK_TAKEN(momentum, CN_NONE_REAL);
  CHECK_TAKEN(pool, ((cn_size){ { CN_NONE } }));
  CHECK_TAKEN(pool, ((cn_size){ { 2, 3, 4 } }));
  CHECK_TAKEN(axis, ((cn_ints){ numbers, 2 }));
  CHECK_TAKEN(counts, ((cn_ints){ numbers, 1 }));
  CHECK_TAKEN(dtype, "float64");
  CHECK_TAKEN(dtype, NULL);
  cr_assert_eq(n.calls, 0);
  graph_end(&g, &n);
}

#define TEST_MUST(X, S)                              \
  X(S, const char *, path, NULL, REQUIRED, "")       \
  X(S, cn_ints, shape, CN_EMPTY_INTS, REQUIRED, "")  \
  X(S, cn_layer *, layer, NULL, REQUIRED, "")        \
  X(S, cn_layers, cells, CN_NONE_INTS, REQUIRED, "") \
  X(S, double, rho, CN_REQUIRED_REAL, UNIT, "")
typedef struct must_options { cn_graph *graph; TEST_MUST(CN_FIELD_, ) } must_options;
CN_SCHEMA_DATA_(must, must_options, TEST_MUST)

Test(options, required) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  const cn_schema s = CN_SCHEMA_(must, "Must", must_options);
  must_options o = must_defaults;
  const int64_t none[1] = { 0 };
  cn_layer *layer = (cn_layer *)(void *)&g;
  cr_assert_not(cni_options_check(&g, &s, &o));
  CHECK_ERROR(&g, "Must: path is required");
  o.path = "x";
  cr_assert_not(cni_options_check(&g, &s, &o));
  CHECK_ERROR(&g, "Must: shape is required");
  o.shape = (cn_ints){ none, 0 };
  cr_assert_not(cni_options_check(&g, &s, &o));
  CHECK_ERROR(&g, "Must: layer is required");
  o.layer = layer;
  cr_assert_not(cni_options_check(&g, &s, &o));
  CHECK_ERROR(&g, "Must: cells is required");
  o.cells = (cn_layers){ &layer, 1 };
  cr_assert_not(cni_options_check(&g, &s, &o));
  CHECK_ERROR(&g, "Must: rho is required");
  o.rho = 0.9;
  cr_assert(cni_options_check(&g, &s, &o));
  graph_end(&g, &n);
}

Test(options, deep_copies_are_independent) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  int64_t axis[] = { 1, 2 };
  double scales[] = { 0.5 };
  char name[] = "relu", padding[] = "same", word[] = "a";
  const char *words[] = { word, NULL, "b" };
  cn_tensor *tensors[] = { (cn_tensor *)(void *)name };
  cn_layer *layers[] = { (cn_layer *)(void *)padding };
  widget_options o = filled(&g);
  o.axis = (cn_ints){ axis, 2 }, o.scales = (cn_reals){ scales, 1 }, o.words = (cn_strings){ words, 3 }, o.activation = (cn_ref){ .name = name },
  o.padding = padding;
  o.inputs = (cn_tensors){ tensors, 1 }, o.cells = (cn_layers){ layers, 1 };
  widget_options *copy = cni_alloc(&g, sizeof *copy);
  *copy = o;
  cr_assert(cni_options_deepen(&g, &schema, copy, cni_take_alloc, NULL));
  cr_assert(cni_options_equal(&schema, copy, &o));
  axis[0] = 7, scales[0] = 7, name[0] = 'X', padding[0] = 'X', word[0] = 'X', words[2] = "X", tensors[0] = NULL, layers[0] = NULL;
  cr_assert(copy->axis.v[0] == 1 && copy->axis.v[1] == 2 && copy->scales.v[0] == 0.5);
  CHECK_TEXT(copy->activation.name, "relu");
  CHECK_TEXT(copy->padding, "same");
  CHECK_TEXT(copy->words.v[0], "a");
  cr_assert_null(copy->words.v[1]);
  CHECK_TEXT(copy->words.v[2], "b");
  cr_assert(copy->inputs.v[0] == (cn_tensor *)(void *)name && copy->cells.v[0] == (cn_layer *)(void *)padding);
  cr_assert_not(cni_options_equal(&schema, copy, &o));
  cni_options_free(&g, &schema, copy);
  cr_assert_eq(n.live, 0);
  graph_end(&g, &n);
}

Test(options, deep_copies_in_an_arena) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  cni_arena arena = { 0 };
  widget_options o = filled(&g), copy = o;
  copy.axis = o.axis = (cn_ints)CN_INTS(3, 4);
  cr_assert(cni_options_deepen(&g, &schema, &copy, cni_take_arena, &arena));
  cr_assert(copy.axis.v != o.axis.v && cni_options_equal(&schema, &copy, &o));
  cni_arena_free(&g, &arena);
  graph_end(&g, &n);
}

/* The copy with the k-th allocation failing; true when none failed. */
static bool deepen_failing(int64_t k) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  widget_options o = filled(&g);
  o.axis = (cn_ints)CN_INTS(1), o.scales = (cn_reals)CN_REALS(1), o.words = (cn_strings)CN_STRINGS("a", "b"), o.padding = "same";
  widget_options *copy = cni_alloc(&g, sizeof *copy);
  *copy = o;
  n.fail_at = n.calls + k;
  const bool done = cni_options_deepen(&g, &schema, copy, cni_take_alloc, NULL);
  cr_assert_eq(cn_error_code(&g), done ? CN_OK : CN_NO_MEMORY);
  cni_options_free(&g, &schema, copy);
  cr_assert_eq(n.live, 0);
  graph_end(&g, &n);
  return done;
}

Test(options, deep_copies_survive_every_failing_allocation) {
  int64_t k = 1;
  while (!deepen_failing(k)) k++;
  cr_assert_eq(k, 6, "a padding, an activation, three lists");
}

#define CHECK_DIFFERS(field, value)                      \
  do {                                                   \
    widget_options b = filled(&g);                       \
    b.field = value;                                     \
    cr_assert(cni_options_equal(&schema, &b, &b));       \
    cr_assert_not(cni_options_equal(&schema, &a, &b), #field); \
  } while (0)

Test(options, equality) {
  cn_graph g, other;
  counting n;
  options_begin(&g, &n);
  const widget_options a = filled(&g);
  widget_options same = filled(&other);
  const char padding[] = "valid", linear[] = "linear";
  same.padding = padding, same.activation.name = linear, same.strides = (cn_size){ { 1, 1 } }, same.axis.n = -7;
  cr_assert(cni_options_equal(&schema, &a, &same), "by value; the graph is not compared; a size repeats its first entry; NaN is NaN");
  CHECK_DIFFERS(units, 4);
  CHECK_DIFFERS(window, ((cn_size){ { 2, 3 } }));
  CHECK_DIFFERS(rate, 0.25);
  CHECK_DIFFERS(momentum, 0);
  CHECK_DIFFERS(use_bias, false);
  CHECK_DIFFERS(padding, "same");
  CHECK_DIFFERS(padding, NULL);
  CHECK_DIFFERS(axis, ((cn_ints)CN_EMPTY_INTS));
  CHECK_DIFFERS(axis, ((cn_ints)CN_INTS(1)));
  CHECK_DIFFERS(scales, ((cn_reals)CN_REALS(1)));
  CHECK_DIFFERS(words, ((cn_strings)CN_STRINGS("a")));
  CHECK_DIFFERS(activation, ((cn_ref)CN_NAME("relu")));
  CHECK_DIFFERS(activation, ((cn_ref){ .name = "linear", .object = &g }));
  CHECK_DIFFERS(activation, ((cn_ref){ .name = "linear", .user = &g }));
  CHECK_DIFFERS(layer, (cn_layer *)(void *)&g);
  CHECK_DIFFERS(input, (cn_tensor *)(void *)&g);
  CHECK_DIFFERS(data, (void *)&g);
  widget_options x = a, y = a;
  x.scales = (cn_reals)CN_REALS(1, CN_NONE_REAL), y.scales = (cn_reals)CN_REALS(1, CN_NONE_REAL);
  cr_assert(cni_options_equal(&schema, &x, &y));
  y.scales = (cn_reals)CN_REALS(1, 2);
  cr_assert_not(cni_options_equal(&schema, &x, &y));
  graph_end(&g, &n);
}
