/* What the files of callbacks share. */
#ifndef CN_MODELS_CALLBACK_PRIVATE_H
#define CN_MODELS_CALLBACK_PRIVATE_H
#include <math.h>
#include "../autograd/text_private.h"
#include "model_private.h"

/* A class, its constructor and its hooks. */
#define CNI_CALLBACK(C, type, LIST, init_, finish_, ...)                                                                                            \
  static const cn_callback_methods C##_methods = { __VA_ARGS__ };                                                                                   \
  CN_SCHEMA_DATA_(C, cn_callback_##C##Options, LIST)                                                                                                \
  const cn_class cn_class_callback_##C = { .kind = CN_KIND_CALLBACK, .schema = CN_SCHEMA_(C, #C, cn_callback_##C##Options), .size = sizeof(type),   \
                                           .init = init_, .finish = finish_, .methods = &C##_methods };                                             \
  cn_object *cn_make_callback_##C(const cn_callback_##C##Options *options) { return cn_object_new(&cn_class_callback_##C, options); }               \
  void cn_callback_##C##Options_init(cn_callback_##C##Options *options, size_t size) { memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults); }
bool cni_callback_init(cn_object *self);
static inline const char *cni_callback_name(const cn_callback *c) { return c->object.cls->schema.name; }
/* Names of the values that logs may have: in epoch_end those of the history, in batch hooks the metrics'. */
int64_t cni_log_names(const cn_model *m, bool epoch);
const char *cni_log_name(const cn_model *m, bool epoch, int64_t i);

/* What a watched value does when it gets better. */
typedef enum { CNI_UNKNOWN, CNI_FALLS, CNI_RISES } cni_direction;
bool cni_find_direction(const cn_callback *c, const char *monitor, const char *mode, cni_direction *d); /* where *d is not known yet; false after an error */
bool cni_better(cni_direction d, double value, double reference, double delta);                         /* by more than delta */

/* pattern.c: a text in which {name} and {name:02d} stand for numbers, as in Python. `value` gives the number of a name; false: there is none of that name. The
 * step's; NULL after an error, which begins with `what`. */
typedef struct cni_named_values { bool (*value)(const void *of, const char *name, double *v, bool *integer); const void *of; } cni_named_values;
const char *cni_pattern_fill(cn_graph *g, const char *what, const char *pattern, const cni_named_values *values);

/* files.c: the bytes from `at` on become the end of the file, which is made where missing. */
bool cni_file_end(cn_graph *g, const char *what, const char *path, int64_t at, const void *bytes, size_t n);
int64_t cni_file_size(const char *path); /* 0: there is none */

#endif
