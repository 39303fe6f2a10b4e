/* The text and JSON forms of options. */
#include <math.h>
#include "test_options.h"

static const cn_schema schema = CN_SCHEMA_(widget, "Dense", widget_options);

static bool parse(cn_graph *g, widget_options *o, cni_arena *a, const char *text) {
  *o = widget_defaults;
  return cni_options_parse(g, &schema, o, text, &test_factory, cni_take_arena, a);
}

static bool load(cn_graph *g, widget_options *o, cni_arena *a, const char *text) {
  static const char *const ignore[] = { "quantization_config", "old", NULL };
  json_t *config = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  cr_assert(config != NULL, "%s", text);
  *o = widget_defaults;
  const bool done = cni_options_from_json(g, &schema, o, config, ignore, &test_factory, cni_take_arena, a);
  json_decref(config);
  return done;
}

static void check_values(const widget_options *o) {
  cr_assert_eq(o->units, 32);
  cr_assert(o->window.d[0] == 3 && o->window.d[1] == 5 && o->window.d[2] == 0);
  CHECK_TEXT(o->activation.name, "relu");
  cr_assert_eq(o->rate, 1e-3);
  cr_assert(isnan(o->momentum));
  cr_assert_eq(o->decay, 0.5);
  cr_assert_not(o->use_bias);
  CHECK_TEXT(o->padding, "same");
  CHECK_TEXT(o->dtype, "float64");
  cr_assert(o->strides.d[0] == 2 && o->strides.d[1] == 0);
  cr_assert_eq(o->pool.d[0], CN_NONE);
  cr_assert(o->axis.n == 2 && o->axis.v[0] == 1 && o->axis.v[1] == -2);
  cr_assert(o->counts.n == 1 && o->counts.v[0] == 7);
  cr_assert(o->scales.n == 3 && o->scales.v[0] == 0.5 && o->scales.v[1] == 2 && isinf(o->scales.v[2]));
  cr_assert_eq(o->words.n, 2);
  CHECK_TEXT(o->words.v[0], "a");
  CHECK_TEXT(o->words.v[1], "b, c");
  cr_assert_eq(o->seed, CN_NONE);
  cr_assert_eq(o->heads, 4);
}

Test(options_text, every_kind) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(parse(&g, &o, &a,
                  " ( 32, [3,5],relu , 1e-3, momentum=none, decay = .5, use_bias=False, padding='same', dtype=\"float64\", strides=2, pool=None, axis=(1, -2), "
                  "counts=7, scales=[0.5, 2, inf], "
                  "words=[a, 'b, c'], regularizer=l2(1e-5), seed=None, heads=4, layer=none, cells=[], input=none) "),
            "%s", cn_error(&g));
  check_values(&o);
  CHECK_TEXT(o.regularizer.name, "l2(1e-5)");
  cr_assert(o.layer == NULL && o.cells.n == 0 && o.input == NULL);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_text, none_and_quotes) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(parse(&g, &o, &a, ""));
  cr_assert(cni_options_equal(&schema, &o, &widget_defaults));
  cr_assert(parse(&g, &o, &a, "()"));
  cr_assert(cni_options_equal(&schema, &o, &widget_defaults));
  cr_assert(parse(&g, &o, &a, "(none, padding=none, activation=None, axis=none, scales=none, words=none, rate=none, dtype='none',)"));
  cr_assert(o.units == CN_NONE && o.padding == NULL && o.activation.name == NULL && o.axis.n == -1 && o.scales.n == -1 && o.words.n == -1 && isnan(o.rate));
  CHECK_TEXT(o.dtype, "none");
  cr_assert(parse(&g, &o, &a, "(padding='it\\'s (a, \\\\ test', activation='relu', axis=[[1, none], (3)])"));
  CHECK_TEXT(o.padding, "it's (a, \\ test");
  CHECK_TEXT(o.activation.name, "relu");
  cr_assert(o.axis.n == 3 && o.axis.v[0] == 1 && o.axis.v[1] == CN_NONE && o.axis.v[2] == 3);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_text, layers_are_made) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(parse(&g, &o, &a, "(layer=heavy_widget(5, 1), cells=[HeavyWidget(6, 2), heavywidget(window=[1, 2], units=7)])"), "%s", cn_error(&g));
  const cn_object *layer = (const cn_object *)(const void *)o.layer, *cell = (const cn_object *)(const void *)o.cells.v[1];
  cr_assert_eq(((widget_options *)layer->options)->units, 5);
  cr_assert_eq(o.cells.n, 2);
  cr_assert_eq(((widget_options *)cell->options)->window.d[1], 2);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_text, errors) {
  static const char *const rows[][2] = {
    { "(activaton=relu)", "Dense: no option \"activaton\"; did you mean \"activation\"?" },
    { "(xyzzy=1)", "Dense: no option \"xyzzy\"" },
    { "(3x)", "Dense: units: \"3x\" is no integer" },
    { "(3.0)", "Dense: units: \"3.0\" is no integer" },
    { "(rate=1/255)", "Dense: rate: \"1/255\" is no number" },
    { "(rate=0,5)", "Dense: \"5\" has no name, after options that have" },
    { "(use_bias=yes)", "Dense: use_bias: \"yes\" is neither true nor false" },
    { "(use_bias=none)", "Dense: use_bias: \"none\" is neither true nor false" },
    { "(axis=[1, x])", "Dense: axis: \"x\" is no integer" },
    { "(scales=[1, 2y])", "Dense: scales: \"2y\" is no number" },
    { "(window=[1,2,3,4])", "Dense: window takes at most 3 numbers" },
    { "(window=a)", "Dense: window: \"a\" is no integer" },
    { "(-9223372036854775807)", "Dense: units: \"-9223372036854775807\" is too small" },
    { "(axis=[1, -5000000000000000000])", "Dense: axis: \"-5000000000000000000\" is too small" },
    { "(window=[1, -4611686018427387905])", "Dense: window: \"-4611686018427387905\" is too small" },
    { "(input=x)", "Dense: input cannot be given as text" },
    { "(data=x)", "Dense: data cannot be given as text" },
    { "(1, units=2)", "Dense: units is given twice" },
    { "(1, , 3)", "Dense: window has no value" },
    { "(units=)", "Dense: units has no value" },
    { "(1", "Dense: a bracket or quote is left open in \"(1\"" },
    { "(padding='a)", "Dense: a bracket or quote is left open in \"(padding='a)\"" },
    { "(axis=[1, 2)", "Dense: a bracket or quote is left open in \"(axis=[1, 2)\"" },
    { "(1) x", "Dense: \"x\" follows the options" },
    { "1", "Dense: expected \"(\" instead of \"1\"" },
    { "(layer=lstm(3))", "unknown layer \"lstm\"" },
    { "(layer=heavy_widgt(3))", "unknown layer \"heavy_widgt\"; did you mean \"heavy_widget\"?" },
    { "(1,1,a,1,1,1,true,a,none,1,1,1,1,1,a,a,1,1,none,[],none,none,none,9)", "Dense: takes at most 23 options" },
  };
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_assert_not(parse(&g, &o, &a, rows[i][0]), "%s", rows[i][0]);
    cr_assert_eq(cn_error_code(&g), CN_VALUE);
    CHECK_ERROR(&g, rows[i][1]);
  }
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_text, name_part) {
  static const char *const rows[][3] = { { "relu", "relu", "" }, { " l2 (1e-5)", "l2", "(1e-5)" }, { "(3)", "", "(3)" }, { "", "", "" } };
  for (size_t i = 0; i < 4; i++) {
    char name[16];
    const char *rest = cni_text_name(rows[i][0], name, sizeof name);
    CHECK_TEXT(name, rows[i][1]);
    CHECK_TEXT(rest, rows[i][2]);
  }
  char small[3];
  cni_text_name("abcdef(1)", small, sizeof small);
  CHECK_TEXT(small, "ab");
}

Test(options_text, written_and_read_back) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o, back;
  char text[1000], cut[8];
  options_begin(&g, &n);
  cr_assert_eq(cni_options_text(&schema, &widget_defaults, text, sizeof text), 2);
  CHECK_TEXT(text, "()");
  const char *const given = "(units=32, window=[3, 5], activation='l2(0.1)', rate=0.1, use_bias=false, padding='it\\'s', dtype='float32', strides=2, axis=[1, "
                            "-2], scales=[0.5, inf], words=['a', 'b'], regularizer='l2')";
  cr_assert(parse(&g, &o, &a, given));
  cr_assert_eq(cni_options_text(&schema, &o, text, sizeof text), (int64_t)strlen(given));
  CHECK_TEXT(text, given);
  cr_assert(parse(&g, &back, &a, text));
  cr_assert(cni_options_equal(&schema, &o, &back));
  cr_assert_eq(cni_options_text(&schema, &o, cut, sizeof cut), (int64_t)strlen(given));
  CHECK_TEXT(cut, "(units=");
  cr_assert_eq(cni_options_text(&schema, &o, NULL, 0), (int64_t)strlen(given));
  o = widget_defaults;
  o.graph = &g;
  o.regularizer.object = cni_object_from_text(&g, CN_KIND_REGULARIZER, "l2(0.5)", NULL, NULL);
  o.layer = (cn_layer *)(void *)cni_object_from_text(&g, CN_KIND_LAYER, "heavy_widget(2, 3, rate=none)", NULL, NULL);
  cr_assert_null(o.layer);
  CHECK_ERROR(&g, "HeavyWidget: rate must be in [0, 1], got nan");
  o.layer = (cn_layer *)(void *)cni_object_from_text(&g, CN_KIND_LAYER, "heavy_widget(2, 3, momentum=.5)", NULL, NULL);
  o.cells = (cn_layers){ &o.layer, 1 };
  o.rate = CN_NONE_REAL, o.activation = (cn_ref){ .user = NULL }, o.data = &o;
  cni_options_text(&schema, &o, text, sizeof text);
  CHECK_TEXT(text, "(activation=none, rate=none, regularizer=L2(l2=0.5), layer=HeavyWidget(units=2, window=3, momentum=0.5), cells=[HeavyWidget(units=2, "
                   "window=3, momentum=0.5)], data=<pointer>)");
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_json, every_kind) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(load(&g, &o, &a,
                 "{\"units\": 32, \"window\": [3, 5], \"activation\": \"relu\", \"rate\": 1e-3, \"momentum\": null, \"decay\": 0.5, \"use_bias\": false, "
                 "\"padding\": \"same\","
                 " \"dtype\": {\"module\": \"keras\", \"class_name\": \"DTypePolicy\", \"config\": {\"name\": \"float64\"}, \"registered_name\": null}, "
                 "\"strides\": 2, \"pool\": null,"
                 " \"axis\": {\"class_name\": \"__tuple__\", \"items\": [1, -2]}, \"counts\": 7, \"scales\": [0.5, 2, \"inf\"], \"words\": [\"a\", \"b, c\"], "
                 "\"seed\": null, \"heads\": 4,"
                 " \"layer\": null, \"cells\": [], \"input\": null, \"quantization_config\": {\"a\": 1}, \"old\": 3, \"unknown\": null}"),
            "%s", cn_error(&g));
  check_values(&o);
  cr_assert(o.layer == NULL && o.cells.n == 0);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_json, none_and_nested) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(load(&g, &o, &a, "null"));
  cr_assert(cni_options_equal(&schema, &o, &widget_defaults));
  cr_assert(load(&g, &o, &a,
                 "{\"units\": null, \"window\": null, \"activation\": null, \"rate\": null, \"padding\": null, \"dtype\": null, \"axis\": null, \"scales\": "
                 "null, \"words\": null, \"use_bias\": null}"));
  cr_assert(o.units == CN_NONE && o.window.d[0] == CN_NONE && o.activation.name == NULL && isnan(o.rate) && o.padding == NULL && o.dtype == NULL);
  cr_assert(o.axis.n == -1 && o.scales.n == -1 && o.words.n == -1 && !o.use_bias);
  cr_assert(load(&g, &o, &a,
                 "{\"axis\": [[1, 2], [null, 4]], \"counts\": [], \"rate\": \"nan\", \"momentum\": \"-inf\", \"decay\": 0, \"words\": \"x\", \"use_bias\": 1, "
                 "\"activation\": 0.25}"));
  cr_assert(o.axis.n == 4 && o.axis.v[1] == 2 && o.axis.v[2] == CN_NONE && o.counts.n == 0 && isnan(o.rate) && o.momentum == -INFINITY && o.decay == 0 &&
            o.words.n == 1 && o.use_bias);
  CHECK_TEXT(o.activation.name, "0.25");
  cr_assert(
      load(
          &g, &o, &a,
          "{\"activation\": {\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"my_act\", \"registered_name\": \"function\"},"
          " \"regularizer\": {\"module\": \"keras.regularizers\", \"class_name\": \"L2\", \"config\": {\"l2\": 0.25}, \"registered_name\": null},"
          " \"layer\": {\"class_name\": \"HeavyWidget\", \"config\": {\"units\": 2, \"window\": 1, \"regularizer\": {\"class_name\": \"L2\", \"config\": {}}}},"
          " \"cells\": [{\"class_name\": \"HeavyWidget\", \"config\": {\"units\": 9, \"window\": 1}}]}"),
      "%s", cn_error(&g));
  CHECK_TEXT(o.activation.name, "my_act");
  const cn_object *l2 = o.regularizer.object, *cell = (const cn_object *)(const void *)o.cells.v[0];
  cr_assert(l2->cls == &l2_class && ((l2_options *)l2->options)->l2 == 0.25);
  cr_assert_eq(((widget_options *)cell->options)->units, 9);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

Test(options_json, errors) {
  static const char *const rows[][2] = {
    { "{\"activaton\": \"relu\"}", "Dense: no option \"activaton\"; did you mean \"activation\"?" },
    { "{\"units\": \"3x\"}", "Dense: units: \"3x\" is no integer" },
    { "{\"units\": 2.5}", "Dense: units: 2.5 is no integer" },
    { "{\"units\": 1e300}", "Dense: units: 1.0000000000000001e300 is no integer" },
    { "{\"units\": true}", "Dense: units: true is no integer" },
    { "{\"rate\": \"0.5\"}", "Dense: rate: \"0.5\" is no number" },
    { "{\"rate\": [1,2]}", "Dense: rate: [1,2] is no number" },
    { "{\"use_bias\": \"yes\"}", "Dense: use_bias: \"yes\" is neither true nor false" },
    { "{\"use_bias\": 2}", "Dense: use_bias: 2 is neither true nor false" },
    { "{\"padding\": 3}", "Dense: padding: 3 is no text" },
    { "{\"padding\": {\"config\": {\"name\": \"x\"}}}", "Dense: padding: {\"config\":{\"name\":\"x\"}} is no text" },
    { "{\"axis\": [1, \"x\"]}", "Dense: axis: \"x\" is no integer" },
    { "{\"scales\": [null]}", "Dense: scales: null is no number" },
    { "{\"words\": [3]}", "Dense: words: 3 is no text" },
    { "{\"units\": -9223372036854775807}", "Dense: units: -9223372036854775807 is too small" },
    { "{\"axis\": [1, -5000000000000000000]}", "Dense: axis: -5000000000000000000 is too small" },
    { "{\"axis\": [2.0]}", "Dense: axis: 2.0 is no integer" },
    { "{\"axis\": [[1, 2], [3]]}", "Dense: axis: [[1,2],[3]] is no list of lists of one length" },
    { "{\"axis\": [1, [2, 3]]}", "Dense: axis: [1,[2,3]] is no list of lists of one length" },
    { "{\"window\": [1, -4611686018427387905]}", "Dense: window: -4611686018427387905 is too small" },
    { "{\"window\": [1,2,3,4]}", "Dense: window takes at most 3 numbers" },
    { "{\"activation\": [1]}", "Dense: activation: [1] is neither a name nor an object" },
    { "{\"activation\": {\"a\": \"0123456789012345678901234567890123456789012345678901234567890\"}}",
      "Dense: activation: {\"a\":\"012345678901234567890123456789012345678901234567890123... is neither a name nor an object" },
    { "{\"regularizer\": {\"class_name\": \"L3\", \"config\": {}}}", "unknown regularizer \"L3\"; did you mean \"L2\"?" },
    { "{\"regularizer\": {\"class_name\": \"L2\", \"config\": {\"l1\": 3}}}", "L2: no option \"l1\"; did you mean \"l2\"?" },
    { "{\"regularizer\": {\"class_name\": \"L2\", \"config\": {\"l2\": -3}}}", "L2: l2 must not be negative, got -3" },
    { "{\"input\": 3}", "Dense: input cannot be given in a config" },
    { "{\"data\": 3}", "Dense: data cannot be given in a config" },
    { "[1]", "Dense: the config is no object" },
  };
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_assert_not(load(&g, &o, &a, rows[i][0]), "%s", rows[i][0]);
    cr_assert_eq(cn_error_code(&g), CN_VALUE);
    CHECK_ERROR(&g, rows[i][1]);
  }
  cr_assert_not(load(&g, &o, &a, "{\"layer\": {\"config\": {}}}"));
  cr_assert_eq(cn_error_code(&g), CN_FORMAT);
  CHECK_ERROR(&g, "a config without a \"class_name\" is no layer");
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}

static cn_tensor *identity(cn_graph *g, cn_tensor *x, void *user) { return (void)g, (void)user, x; }

static void check_json(cn_graph *g, const widget_options *o, const char *wanted) {
  json_t *config = cni_options_to_json(g, &schema, o), *expected = json_loads(wanted, 0, NULL);
  cr_assert(config != NULL, "%s", cn_error(g));
  char *text = json_dumps(config, JSON_COMPACT);
  cr_assert(json_equal(config, expected), "%s", text);
  free(text);
  json_decref(config);
  json_decref(expected);
}

Test(options_json, written) {
  cn_graph g;
  counting n;
  cni_arena a = { 0 };
  widget_options o;
  options_begin(&g, &n);
  cr_assert(parse(&g, &o, &a, "(32, 2, rate=0.25, axis=[1, none], scales=[inf, 0.5, nan], words=[a, b], strides=[1, 2, 3], pool=[4, 5], regularizer=l2)"));
  o.graph = &g;
  o.regularizer.object = cni_object_from_text(&g, CN_KIND_REGULARIZER, "l2(0.25)", NULL, NULL);
  check_json(&g, &o,
             "{\"units\": 32, \"window\": 2, \"activation\": \"linear\", \"rate\": 0.25, \"momentum\": null, \"decay\": 0.0, \"use_bias\": true, \"padding\": "
             "\"valid\", \"dtype\": null,"
             " \"strides\": [1, 2, 3], \"pool\": [4, 5], \"axis\": [1, null], \"counts\": [], \"scales\": [\"inf\", 0.5, \"nan\"], \"words\": [\"a\", \"b\"], "
             "\"regularizer\": \"l2\","
             " \"seed\": null, \"heads\": 1, \"layer\": null, \"cells\": null}");
  json_t *config = cni_options_to_json(&g, &schema, &o);
  o.regularizer.name = "l2(0.25)";
  json_t *object = cni_options_to_json(&g, &schema, &o), *nested = json_object_get(object, "regularizer");
  cr_assert_eq(json_object_size(nested), 4);
  CHECK_TEXT(json_string_value(json_object_get(nested, "class_name")), "L2");
  cr_assert(json_is_null(json_object_get(nested, "registered_name")));
  cr_assert_str_eq(json_string_value(json_object_get(nested, "module")), "keras.regularizers");
  cr_assert_eq(json_real_value(json_object_get(json_object_get(nested, "config"), "l2")), 0.25);
  json_decref(object);
  widget_options back = widget_defaults;
  cr_assert(cni_options_from_json(&g, &schema, &back, config, NULL, &test_factory, cni_take_arena, &a), "%s", cn_error(&g));
  json_decref(config);
  o.regularizer = (cn_ref)CN_NAME("l2");
  cr_assert(cni_options_equal(&schema, &o, &back), "what is written is read");
  o.activation = (cn_ref){ .fn = identity };
  cr_assert_null(cni_options_to_json(&g, &schema, &o));
  CHECK_ERROR(&g, "Dense: activation is a function without a name: register it, and give the name instead");
  o.activation.name = "mine";
  config = cni_options_to_json(&g, &schema, &o);
  CHECK_TEXT(json_string_value(json_object_get(config, "activation")), "mine");
  json_decref(config);
  cni_arena_free(&g, &a);
  graph_end(&g, &n);
}
