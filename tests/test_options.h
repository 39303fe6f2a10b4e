/* A made-up class with an option of every kind, and what makes its nested objects. */
#ifndef TEST_OPTIONS_H
#define TEST_OPTIONS_H
#include "../core/options_private.h"
#include "test_core.h"

#define TEST_WIDGET(X, S)                                                                      \
  X(S, int64_t, units, CN_REQUIRED, POSITIVE, "size of the output")                            \
  X(S, cn_size, window, { { 0 } }, POSITIVE, "")                                               \
  X(S, cn_ref, activation, CN_NAME("linear"), ACTIVATION, "applied to the output")             \
  X(S, double, rate, 0.5, UNIT, "fraction that is dropped")                                    \
  X(S, double, momentum, CN_NONE_REAL, NONNEGATIVE, "")                                        \
  X(S, double, decay, 0, FRACTION, "")                                                         \
  X(S, bool, use_bias, true, ANY, "whether a bias is added")                                   \
  X(S, const char *, padding, "valid", ANY, "")                                                \
  X(S, const char *, dtype, NULL, DTYPE, "")                                                   \
  X(S, cn_size, strides, { { 1 } }, POSITIVE, "")                                              \
  X(S, cn_size, pool, { { CN_NONE } }, POSITIVE, "")                                           \
  X(S, cn_ints, axis, CN_NONE_INTS, ANY, "")                                                   \
  X(S, cn_ints, counts, CN_EMPTY_INTS, NONNEGATIVE, "")                                        \
  X(S, cn_reals, scales, CN_NONE_INTS, ANY, "")                                                \
  X(S, cn_strings, words, CN_NONE_INTS, ANY, "")                                               \
  X(S, cn_ref, regularizer, CN_NONE_REF, REGULARIZER, "")                                      \
  X(S, int64_t, seed, CN_NONE, NONNEGATIVE, "")                                                \
  X(S, int64_t, heads, 1, POSITIVE, "")                                                        \
  X(S, cn_layer *, layer, NULL, ANY, "")                                                       \
  X(S, cn_layers, cells, CN_NONE_INTS, ANY, "")                                                \
  X(S, cn_tensor *, input, NULL, ANY, "")                                                      \
  X(S, cn_tensors, inputs, CN_NONE_INTS, ANY, "")                                              \
  X(S, void *, data, NULL, ANY, "")
typedef struct widget_options { cn_graph *graph; TEST_WIDGET(CN_FIELD_, ) } widget_options;
CN_SCHEMA_DATA_(widget, widget_options, TEST_WIDGET)

#define TEST_L2(X, S) X(S, double, l2, 0.01, NONNEGATIVE, "factor")
typedef struct l2_options { cn_graph *graph; TEST_L2(CN_FIELD_, ) } l2_options;
CN_SCHEMA_DATA_(l2, l2_options, TEST_L2)

#define TEST_RELU(X, S) X(S, double, negative_slope, 0, ANY, "slope below 0")
typedef struct relu_options { cn_graph *graph; TEST_RELU(CN_FIELD_, ) } relu_options;
CN_SCHEMA_DATA_(relu, relu_options, TEST_RELU)

static const char *const l2_aliases[] = { "ridge", NULL };
static const cn_class l2_class = { .kind = CN_KIND_REGULARIZER, .schema = CN_SCHEMA_(l2, "L2", l2_options), .aliases = l2_aliases, .size = sizeof(cn_object) };
static const char *const relu_names[] = { "relu", NULL };
static const cn_class relu_class = {
  .kind = CN_KIND_ACTIVATION, .schema = CN_SCHEMA_(relu, "ReLU", relu_options), .size = sizeof(cn_object), .aliases = relu_names
};
static const cn_class widget_class = { .kind = CN_KIND_LAYER, .schema = CN_SCHEMA_(widget, "HeavyWidget", widget_options), .size = sizeof(cn_object) };
static const cn_class *const widget_list[] = { &widget_class, NULL }, *const function_list[] = { &l2_class, &relu_class, NULL };
static const cn_class_list test_builtin[] = { widget_list, function_list, NULL };

static cn_object *make_from_text(cn_graph *g, cn_kind kind, const char *text);
static cn_object *make_from_json(cn_graph *g, cn_kind kind, const json_t *config);
static const cni_factory test_factory = { make_from_text, make_from_json };

static inline cn_object *make_from_text(cn_graph *g, cn_kind kind, const char *text) { return cni_object_from_text(g, kind, text, NULL, &test_factory); }

static inline cn_object *make_from_json(cn_graph *g, cn_kind kind, const json_t *config) { return cni_object_from_json(g, kind, config, NULL, &test_factory); }

static inline void options_begin(cn_graph *g, counting *n) {
  graph_begin(g, n);
  g->c.builtin = test_builtin;
}

/* The error of a graph is `text`, and is forgotten. */
#define CHECK_ERROR(g, text)              \
  do {                                    \
    cr_assert_str_eq(cn_error(g), text);  \
    cni_error_clear(g);                   \
  } while (0)

/* Options of HeavyWidget with some set. */
#define WIDGET(g, ...) (CN_QUIET_ (widget_options){ TEST_WIDGET(CN_DEFAULT_, ) .graph = g, .units = 3, .window = { { 2 } }, __VA_ARGS__ } CN_LOUD_)

#endif
