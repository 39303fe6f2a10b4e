/* One list per class. A class that a user configures (layer, optimizer, loss, ...) and an operation with options are each described by one list macro:
 *
 *   #define CN_DENSE(X, S)                                                                       \
 *     X(S, int64_t, units,      CN_REQUIRED,       POSITIVE,   "size of the output's last axis") \
 *     X(S, cn_ref,  activation, CN_NAME("linear"), ACTIVATION, "applied to the output")          \
 *     X(S, bool,    use_bias,   true,              ANY,        "whether a bias is added")
 *
 * From it come the options struct, the defaults and the table of rows that reads and writes JSON and text, checks, copies, compares, and documents. */
#ifndef CN_CORE_OPTIONS_H
#define CN_CORE_OPTIONS_H
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  CN_OPTION_INT, CN_OPTION_REAL, CN_OPTION_BOOL, CN_OPTION_STRING, CN_OPTION_SIZE, CN_OPTION_INTS, CN_OPTION_REALS, CN_OPTION_STRINGS, CN_OPTION_REF,
  CN_OPTION_TENSOR, CN_OPTION_TENSORS, CN_OPTION_LAYER, CN_OPTION_LAYERS, CN_OPTION_POINTER
} cn_option_kind;

/* The checks of a list's fifth column: a range for numbers, the kind of object for references. POSITIVE and the like accept None where the default is None. */
typedef enum {
  CN_CHECK_ANY,
  CN_CHECK_POSITIVE,
  CN_CHECK_NONNEGATIVE,
  CN_CHECK_FRACTION /* 0 <= v < 1 */,
  CN_CHECK_UNIT /* 0 <= v <= 1 */,
  CN_CHECK_NUMBER /* any but None */,
  CN_CHECK_ACTIVATION,
  CN_CHECK_INITIALIZER,
  CN_CHECK_REGULARIZER,
  CN_CHECK_CONSTRAINT,
  CN_CHECK_LAYER,
  CN_CHECK_LOSS,
  CN_CHECK_METRIC,
  CN_CHECK_OPTIMIZER,
  CN_CHECK_SCHEDULE,
  CN_CHECK_CALLBACK,
  CN_CHECK_DTYPE,
  CN_CHECK_DATA_FORMAT /* channels_last, channels_first or None */,
  CN_CHECK_LIST /* a single number is no list */,
  CN_CHECK_ONE_OR_LIST /* a list of one number is none: in text and JSON it gets CN_NONE behind it */,
  CN_CHECK_REQUIRED_LIST /* as LIST, and must be given */,
  CN_CHECK_REQUIRED /* text, lists, layers, tensors: must be given */
} cn_check;

typedef struct cn_row {
  const char *name;
  cn_option_kind kind;
  cn_check check;
  size_t offset;
  const char *doc;
} cn_row;

/* A described struct of options: its first member is `cn_graph *graph`. */
typedef struct cn_schema {
  const char *name;       /* of the class or operation, for messages */
  const cn_row *rows;
  int count;
  size_t size;            /* of the struct */
  const void *defaults;   /* a struct with every default */
} cn_schema;

#ifndef __cplusplus
#define CN_OPTION_KIND_(T)                                                                                                                                   \
  _Generic((T *)0, int64_t *: CN_OPTION_INT, double *: CN_OPTION_REAL, bool *: CN_OPTION_BOOL, const char **: CN_OPTION_STRING, cn_size *: CN_OPTION_SIZE,    \
           cn_ints *: CN_OPTION_INTS, cn_reals *: CN_OPTION_REALS, cn_strings *: CN_OPTION_STRINGS, cn_ref *: CN_OPTION_REF, cn_tensor **: CN_OPTION_TENSOR,   \
           cn_tensors *: CN_OPTION_TENSORS, cn_layer **: CN_OPTION_LAYER, cn_layers *: CN_OPTION_LAYERS, void **: CN_OPTION_POINTER)
#define CN_DEFAULT_(S, type, name, value, check, doc) .name = value,
#define CN_ROW_(S, type, name, value, check, doc) { #name, CN_OPTION_KIND_(type), CN_CHECK_##check, offsetof(S, name), doc },
#define CN_COUNT_INPUTS_(S, type, name, value, check, doc) +_Generic((type *)0, cn_tensor **: 1, default: 0)
#define CN_COUNT_LISTS_(S, type, name, value, check, doc) +_Generic((type *)0, cn_tensors *: 1, default: 0)
/* Kinds whose value points at something that must be copied to be kept. */
#define CN_COUNT_DEEP_(S, type, name, value, check, doc) \
  +_Generic((type *)0, const char **: 1, cn_ints *: 1, cn_reals *: 1, cn_strings *: 1, cn_ref *: 1, cn_layers *: 1, default: 0)
#define CN_COUNT_NUMBERS_(S, type, name, value, check, doc) +_Generic((type *)0, int64_t *: 1, double *: 1, cn_size *: 1, default: 0)
/* Defines the static rows and defaults of a struct: CN_SCHEMA_DATA_(dense, cn_DenseOptions, CN_DENSE CN_LAYER_LIST). */
#define CN_SCHEMA_DATA_(id, S, LIST)                             \
  static const cn_row id##_rows[] = { LIST(CN_ROW_, S) { 0 } };  \
  static const S id##_defaults = { LIST(CN_DEFAULT_, S) .graph = NULL };
#define CN_SCHEMA_(id, text, S) { text, id##_rows, (int)(sizeof id##_rows / sizeof *id##_rows) - 1, sizeof(S), &id##_defaults }

/* Statement expressions with overridden initializers, quiet under -Wextra -Wshadow in the user's file. */
#if defined(__clang__)
#define CN_QUIET_                                                                                                                                       \
  _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Winitializer-overrides\"") _Pragma("clang diagnostic ignored \"-Wshadow\"")     \
      _Pragma("clang diagnostic ignored \"-Wmissing-braces\"") _Pragma("clang diagnostic ignored \"-Wmissing-field-initializers\"")
#define CN_LOUD_ _Pragma("clang diagnostic pop")
#else
#define CN_QUIET_                                                                                                                                       \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"") _Pragma("GCC diagnostic ignored \"-Wshadow\"")                   \
      _Pragma("GCC diagnostic ignored \"-Wmissing-braces\"") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")                         \
          _Pragma("GCC diagnostic ignored \"-Woverride-init-side-effects\"")
#define CN_LOUD_ _Pragma("GCC diagnostic pop")
#endif
/* The value of `function(&options)` for options of type S with the defaults of LIST and the caller's, whose first is the graph. */
#define CN_WITH_OPTIONS_(T, S, LIST, function, ...)                               \
  __extension__({                                                                 \
    CN_QUIET_ const S cn_o_ = { LIST(CN_DEFAULT_, S) .graph = __VA_ARGS__ };      \
    T cn_r_ = function(&cn_o_);                                                   \
    CN_LOUD_ cn_r_;                                                               \
  })
#endif
#define CN_FIELD_(S, type, name, value, check, doc) type name;

#ifdef __cplusplus
}
#endif
#endif
