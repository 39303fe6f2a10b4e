/* Classes and objects: registration, names, making and freeing, references. */
#include "test_options.h"

static cn_tensor *double_it(cn_graph *g, cn_tensor *x, void *user) { return (void)g, (void)user, x; }

static cn_tensor *error_of(cn_graph *g, cn_tensor *y_true, cn_tensor *y_pred, void *user) { return (void)g, (void)user, (void)y_true, y_pred; }

static widget_options filled(cn_graph *g) {
  widget_options o = widget_defaults;
  o.graph = g;
  o.units = 3;
  o.window = (cn_size){ { 2 } };
  return o;
}

/* A class whose instances take memory of their own, and can be told to fail. */
typedef struct pot { cn_object base; void *first, *second; } pot;

#define TEST_POT(X, S)                          \
  X(S, bool, broken, false, ANY, "")            \
  X(S, bool, silent, false, ANY, "")            \
  X(S, const char *, label, "pot", ANY, "")     \
  X(S, cn_ints, sizes, CN_NONE_INTS, ANY, "")   \
  X(S, cn_ref, inner, CN_NONE_REF, REGULARIZER, "")
typedef struct pot_options { cn_graph *graph; TEST_POT(CN_FIELD_, ) } pot_options;
CN_SCHEMA_DATA_(pot, pot_options, TEST_POT)

static bool pot_init(cn_object *self) {
  pot *p = (pot *)self;
  pot_options *o = self->options;
  p->first = cni_alloc(self->graph, 100);
  if (!p->first || o->silent) return false;
  if (o->broken) return cn_fail(self->graph, CN_VALUE, "is broken"), false;
  p->second = cni_alloc(self->graph, 200);
  cni_ref_resolve(self->graph, CN_KIND_REGULARIZER, &o->inner, &test_factory);
  return p->second && cn_ok(self->graph);
}

static void pot_finish(cn_object *self) {
  cni_free(self->graph, ((pot *)self)->first);
  cni_free(self->graph, ((pot *)self)->second);
}

static const cn_class pot_class = {
  .kind = CN_KIND_LAYER, .schema = CN_SCHEMA_(pot, "Pot", pot_options), .size = sizeof(pot), .init = pot_init, .finish = pot_finish
};
static const cn_class other_pot_class = {
  .kind = CN_KIND_METRIC, .schema = CN_SCHEMA_(pot, "Pot", pot_options), .size = sizeof(pot), .init = pot_init, .finish = pot_finish
};

Test(class, snake_case_is_that_of_keras) {
  static const char *const rows[][2] = {
    { "Dense", "dense" }, { "HeNormal", "he_normal" }, { "Conv2DTranspose", "conv2d_transpose" }, { "MaxPooling1D", "max_pooling1d" },
    { "RMSprop", "rm_sprop" }, { "SGD", "sgd" }, { "L1L2", "l1l2" }, { "LSTM", "lstm" }, { "LSTMCell", "lstm_cell" }, { "SeparableConv1D", "separable_conv1d" },
    { "ReLU", "re_lu" }, { "AbcDefGhi", "abc_def_ghi" }, { "GlobalAveragePooling1D", "global_average_pooling1d" }, { "PReLU", "p_re_lu" }, { "GRU", "gru" },
    { "STFTSpectrogram", "stft_spectrogram" }, { "ELU", "elu" }, { "UpSampling2D", "up_sampling2d" }, { "MeanIoU", "mean_io_u" },
    { "KLDivergence", "kl_divergence" },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[64];
    CHECK_TEXT(cni_snake_case(rows[i][0], text, sizeof text), rows[i][1]);
  }
  char small[5];
  cr_assert_lt(strlen(cni_snake_case("HeNormal", small, sizeof small)), 5);
}

Test(class, found_by_every_name) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  static const char *const names[] = { "HeavyWidget", "heavy_widget", "heavywidget" };
  for (size_t i = 0; i < 3; i++) cr_assert_eq(cni_class_find(&g, CN_KIND_LAYER, names[i], NULL), &widget_class);
  cr_assert_eq(cni_class_find(&g, CN_KIND_LAYER, "HeavyWidget", widget_list), &widget_class);
  cr_assert_eq(cni_class_find(&g, CN_KIND_REGULARIZER, "ridge", function_list), &l2_class);
  cr_assert_eq(cni_class_find(&g, CN_KIND_LAYER, "HEAVYWIDGET", NULL), &widget_class); /* as Keras its optimizers; but not others: */
  cr_assert_null(cni_class_find(&g, CN_KIND_ACTIVATION, "RELU", function_list));
  cni_error_clear(&g);
  cr_assert_null(cni_class_find(&g, CN_KIND_ACTIVATION, "rellu", function_list));
  CHECK_ERROR(&g, "unknown activation \"rellu\"; did you mean \"relu\"?");
  cr_assert_null(cni_class_find(&g, CN_KIND_REGULARIZER, "relu", function_list));
  CHECK_ERROR(&g, "unknown regularizer \"relu\"");
  cr_assert_null(cni_class_find(&g, CN_KIND_REGULARIZER, "ridgee", NULL));
  CHECK_ERROR(&g, "unknown regularizer \"ridgee\"; did you mean \"ridge\"?");
  cr_assert(cn_register_function(&g, CN_KIND_ACTIVATION, "my_act", double_it, NULL, NULL));
  cr_assert_null(cni_class_find(&g, CN_KIND_ACTIVATION, "my_acd", function_list));
  CHECK_ERROR(&g, "unknown activation \"my_acd\"; did you mean \"my_act\"?");
  graph_end(&g, &n);
}

Test(class, kind_names) {
  static const char *const names[] = {
    "activation", "initializer", "regularizer", "constraint", "layer", "loss", "metric", "optimizer", "schedule", "callback"
  };
  for (int i = 0; i < 10; i++) CHECK_TEXT(cni_kind_name((cn_kind)((int)CN_KIND_ACTIVATION + i)), names[i]);
  CHECK_TEXT(cni_kind_name((cn_kind)0), "object");
}

Test(class, registered_classes) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  cr_assert(cn_register_class(&g, &pot_class));
  cr_assert(cn_register_class(&g, &other_pot_class), "another kind, another name");
  cr_assert_eq(cni_class_find(&g, CN_KIND_LAYER, "pot", widget_list), &pot_class);
  cr_assert_eq(cni_class_find(&g, CN_KIND_METRIC, "Pot", NULL), &other_pot_class);
  cr_assert_not(cn_register_class(&g, &pot_class));
  CHECK_ERROR(&g, "register: the layer name \"Pot\" is taken");
  cr_assert_not(cn_register_class(&g, &widget_class));
  CHECK_ERROR(&g, "register: the layer name \"HeavyWidget\" is taken");
  cr_assert_not(cn_register_class(&g, NULL));
  cr_assert_not(cn_register_class(NULL, &pot_class));
  graph_end(&g, &n);
}

Test(class, registered_functions) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  char name[] = "my_act";
  cr_assert(cn_register_function(&g, CN_KIND_ACTIVATION, name, double_it, NULL, &n));
  name[0] = 'X';
  const cni_function *f = cni_function_find(&g, CN_KIND_ACTIVATION, "my_act");
  cr_assert(f && f->fn == double_it && f->user == &n);
  cr_assert_null(cni_function_find(&g, CN_KIND_REGULARIZER, "my_act"));
  cr_assert(cn_register_function(&g, CN_KIND_LOSS, "my_loss", NULL, error_of, NULL));
  cr_assert_not(cn_register_function(&g, CN_KIND_ACTIVATION, "my_act", double_it, NULL, NULL));
  CHECK_ERROR(&g, "register: the activation name \"my_act\" is taken");
  cr_assert_not(cn_register_function(&g, CN_KIND_ACTIVATION, "relu", double_it, NULL, NULL));
  CHECK_ERROR(&g, "register: the activation name \"relu\" is taken");
  cr_assert_not(cn_register_function(&g, CN_KIND_LOSS, "bad", double_it, NULL, NULL));
  CHECK_ERROR(&g, "register: \"bad\" is no function for the kind loss");
  cr_assert_not(cn_register_function(&g, CN_KIND_LAYER, "bad", double_it, error_of, NULL));
  CHECK_ERROR(&g, "register: \"bad\" is no function for the kind layer");
  graph_end(&g, &n);
}

Test(object, made_with_a_copy_of_its_options) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  widget_options o = filled(&g);
  int64_t axis[] = { 4 };
  o.axis = (cn_ints){ axis, 1 };
  cn_object *object = cn_object_new(&widget_class, &o);
  axis[0] = 5;
  const widget_options *copy = object->options;
  cr_assert(object->cls == &widget_class && object->graph == &g && copy != &o && copy->axis.v[0] == 4 && copy->units == 3);
  cn_object_free(object);
  cn_object_free(NULL);
  cr_assert_eq(n.live, 0);
  o.units = CN_REQUIRED;
  cr_assert_null(cn_object_new(&widget_class, &o));
  CHECK_TEXT(cn_error(&g), "HeavyWidget: units is required");
  o.units = -3;
  cr_assert_null(cn_object_new(&widget_class, &o));
  CHECK_TEXT(cn_error(&g), "HeavyWidget: units is required");
  cni_error_clear(&g);
  cr_assert_null(cn_object_new(&widget_class, &o));
  CHECK_ERROR(&g, "HeavyWidget: units must be positive, got -3");
  o.units = 3, o.graph = NULL;
  cr_assert_null(cn_object_new(&widget_class, &o));
  cr_assert_null(cn_object_new(&widget_class, NULL));
  graph_end(&g, &n);
}

Test(object, init_that_fails_leaves_nothing) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  pot_options o = pot_defaults;
  o.graph = &g, o.broken = true, o.sizes = (cn_ints)CN_INTS(1, 2);
  g.c.where = "outer";
  cr_assert_null(cn_object_new(&pot_class, &o));
  CHECK_TEXT(g.c.where, "outer");
  CHECK_ERROR(&g, "Pot: is broken");
  o.broken = false, o.silent = true;
  cr_assert_null(cn_object_new(&pot_class, &o));
  cr_assert_eq(cn_error_code(&g), CN_STATE);
  CHECK_ERROR(&g, "Pot: could not be made");
  cr_assert_eq(n.live, 0);
  o.silent = false;
  cn_object *object = cn_object_new(&pot_class, &o);
  cr_assert(object && ((pot *)object)->second);
  cn_object_free(object);
  cr_assert_eq(n.live, 0);
  graph_end(&g, &n);
}

/* Makes a pot from text with the k-th allocation failing; true when none failed. */
static bool make_failing(int64_t k, const char *text) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  cr_assert(cn_register_class(&g, &pot_class));
  const int64_t live = n.live;
  n.fail_at = n.calls + k;
  cn_object *object = cni_object_from_text(&g, CN_KIND_LAYER, text, NULL, &test_factory);
  cr_assert_eq(cn_error_code(&g), object ? CN_OK : CN_NO_MEMORY, "%s", cn_error(&g));
  const bool made = object != NULL;
  cn_object_free(object);
  cr_assert_eq(n.live, live, "%ld of %ld at %ld", (long)n.live, (long)live, (long)k);
  n.fail_at = 0;
  cni_error_clear(&g);
  cn_object_free(cni_object_from_text(&g, CN_KIND_LAYER, text, NULL, &test_factory));
  cr_assert(cn_ok(&g) && n.live == live, "the graph works again");
  graph_end(&g, &n);
  return made;
}

Test(object, every_failing_allocation_is_survived) {
  int64_t k = 1;
  while (!make_failing(k, "pot(label=mine, sizes=[1,2,3], inner=l2(0.5))")) k++;
  cr_assert_gt(k, 10);
}

Test(object, nested_ones_are_freed_with_their_owner) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  cr_assert(cn_register_class(&g, &pot_class));
  const int64_t live = n.live;
  json_t *config =
      json_loads("{\"class_name\": \"HeavyWidget\", \"config\": {\"units\": 2, \"window\": 1, \"regularizer\": {\"class_name\": \"L2\", \"config\": {}},"
                 " \"layer\": {\"class_name\": \"Pot\", \"config\": {\"inner\": \"l2\"}}, \"cells\": [{\"class_name\": \"Pot\", \"config\": {}}, null]}}",
                 0, NULL);
  cn_object *object = cni_object_from_json(&g, CN_KIND_LAYER, config, NULL, &test_factory);
  cr_assert(object != NULL, "%s", cn_error(&g));
  const widget_options *o = object->options;
  const cn_object *l2 = o->regularizer.object, *layer = (const cn_object *)(const void *)o->layer;
  cr_assert(l2->uses == 1 && layer->uses == 1 && ((const pot_options *)layer->options)->inner.object != NULL);
  cn_object *second = cn_object_new(&widget_class, o);
  cr_assert(l2->uses == 2 && layer->uses == 2);
  cn_object_free(object);
  cr_assert(l2->uses == 1 && l2->cls == &l2_class);
  cn_object_free(second);
  cr_assert_eq(n.live, live);
  json_decref(config);
  config = json_loads("{\"class_name\": \"HeavyWidget\", \"config\": {\"regularizer\": {\"class_name\": \"L2\", \"config\": {}}, \"window\": 1}}", 0, NULL);
  cr_assert_null(cni_object_from_json(&g, CN_KIND_LAYER, config, NULL, &test_factory));
  CHECK_ERROR(&g, "HeavyWidget: units is required");
  cr_assert_eq(n.live, live);
  json_decref(config);
  graph_end(&g, &n);
}

Test(object, given_ones_stay_with_their_maker) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  l2_options l2 = l2_defaults;
  l2.graph = &g;
  cn_object *given = cn_object_new(&l2_class, &l2);
  widget_options o = filled(&g);
  o.regularizer.object = given;
  cn_object *a = cn_object_new(&widget_class, &o);
  cn_object_free(a);
  cr_assert_eq(given->uses, 1);
  a = cn_object_new(&widget_class, &o);
  cn_object_free(given);
  cr_assert(given->uses == 1 && given->cls == &l2_class, "its holder still needs it");
  cn_object_free(a);
  cr_assert_eq(n.live, 0);
  o.regularizer.object = cn_object_new(&relu_class, &(relu_options){ .graph = &g });
  cr_assert_null(cn_object_new(&widget_class, &o));
  CHECK_ERROR(&g, "HeavyWidget: regularizer must be a kind of regularizer, got the activation ReLU");
  graph_end(&g, &n);
}

Test(object, references) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  cr_assert(cn_register_function(&g, CN_KIND_ACTIVATION, "my_act", double_it, NULL, &n));
  cn_ref none = CN_NONE_REF, text = CN_NAME("relu(0.1)"), registered = CN_NAME("my_act"), function = { .fn = double_it }, unknown = CN_NAME("rellu");
  cr_assert(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &none, &test_factory) == NULL && cn_ok(&g));
  cr_assert(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &function, &test_factory) == NULL && cn_ok(&g));
  cr_assert(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &registered, &test_factory) == NULL && cn_ok(&g));
  cr_assert(registered.fn == double_it && registered.user == &n);
  cn_object *made = cni_ref_resolve(&g, CN_KIND_ACTIVATION, &text, &test_factory);
  cr_assert(made && made->cls == &relu_class && text.object == made && ((relu_options *)made->options)->negative_slope == 0.1);
  cr_assert_eq(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &text, &test_factory), made, "made once");
  cr_assert_null(cni_ref_resolve(&g, CN_KIND_REGULARIZER, &text, &test_factory));
  CHECK_ERROR(&g, "must be a kind of regularizer, got the activation ReLU");
  cr_assert_null(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &unknown, &test_factory));
  CHECK_ERROR(&g, "unknown activation \"rellu\"; did you mean \"relu\"?");
  cr_assert_null(cni_ref_resolve(&g, CN_KIND_ACTIVATION, &unknown, NULL));
  CHECK_ERROR(&g, "the activation \"rellu\" cannot be made from text here");
  graph_end(&g, &n);
}

Test(class, described) {
  cn_graph g;
  counting n;
  options_begin(&g, &n);
  CHECK_TEXT(cn_describe(&g, "l2"), "L2 (regularizer)\n  l2: number, not negative, default 0.01: factor\n");
  const char *text = cn_describe(&g, "heavy_widget");
  cr_assert(strstr(text, "HeavyWidget (layer)\n  units: integer, positive, required: size of the output\n  window: 1 to 3 integers, positive, required\n") ==
            text);
  cr_assert(strstr(text, "\n  activation: activation, default 'linear': applied to the output\n") != NULL);
  cr_assert(strstr(text, "\n  rate: number, in [0, 1], default 0.5: fraction that is dropped\n  momentum: number, not negative, default none\n") != NULL);
  cr_assert(strstr(text, "\n  use_bias: true or false, default true: whether a bias is added\n") != NULL);
  cr_assert(cn_register_class(&g, &pot_class) && cn_register_class(&g, &other_pot_class));
  text = cn_describe(&g, "Pot");
  cr_assert(strstr(text, "Pot (layer)\n") == text && strstr(text, "Pot (metric)\n") != NULL);
  cr_assert_null(cn_describe(&g, "HeavyWidgt"));
  CHECK_ERROR(&g, "describe: unknown class \"HeavyWidgt\"; did you mean \"HeavyWidget\"?");
  cr_assert_null(cn_describe(&g, "xyzzy"));
  CHECK_ERROR(&g, "describe: unknown class \"xyzzy\"");
  cr_assert_null(cn_describe(NULL, "x"));
  graph_end(&g, &n);
}
