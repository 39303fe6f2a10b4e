/* Classes of the small objects: initializers, regularizers, constraints (and losses, metrics, optimizers elsewhere): options list, constructor, class, from one
 * macro each. */
#ifndef CN_LAYERS_OBJECT_H
#define CN_LAYERS_OBJECT_H
#include "../autograd/autograd.h"
#include "../core/class.h"

/* In a header: CN_OBJECT_DECLARE(regularizer, L2, CN_REGULARIZER_L2), then #define cn_regularizer_L2(...) CN_MAKE_OBJECT_(regularizer, L2, CN_REGULARIZER_L2,
 * __VA_ARGS__). */
#define CN_OBJECT_DECLARE(kind, C, LIST)                                                       \
  typedef struct cn_##kind##_##C##Options { cn_graph *graph; LIST(CN_FIELD_, ) } cn_##kind##_##C##Options; \
  extern CN_API const cn_class cn_class_##kind##_##C;                                          \
  CN_API cn_object *cn_make_##kind##_##C(const cn_##kind##_##C##Options *options);             \
  CN_API void cn_##kind##_##C##Options_init(cn_##kind##_##C##Options *options, size_t size);   /* every default; size: sizeof *options */
#define CN_NO_OPTIONS(X, S)

#ifndef __cplusplus
#define CN_MAKE_OBJECT_(kind, C, LIST, ...) CN_WITH_OPTIONS_(cn_object *, cn_##kind##_##C##Options, LIST, cn_make_##kind##_##C, __VA_ARGS__)
/* In its source file: CN_OBJECT(regularizer, REGULARIZER, L2, CN_REGULARIZER_L2, .methods = &..., .aliases = ...). */
#define CN_OBJECT(kind_, KIND, C, LIST, ...)                                                                                                     \
  CN_SCHEMA_DATA_(C, cn_##kind_##_##C##Options, LIST)                                                                                            \
  const cn_class cn_class_##kind_##_##C = { .kind = CN_KIND_##KIND, .schema = CN_SCHEMA_(C, #C, cn_##kind_##_##C##Options), .size = sizeof(cn_object), __VA_ARGS__ }; \
  cn_object *cn_make_##kind_##_##C(const cn_##kind_##_##C##Options *options) { return cn_object_new(&cn_class_##kind_##_##C, options); }         \
  void cn_##kind_##_##C##Options_init(cn_##kind_##_##C##Options *options, size_t size) {                                                         \
    memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults);                                                     \
  }
#endif
#endif
