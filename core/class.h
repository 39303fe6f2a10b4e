/* Classes and objects: everything that a user configures by name is an instance of a const class of one of these kinds. Layers, optimizers, losses, metrics,
 * initializers, regularizers, constraints, activations, schedules and callbacks begin with a cn_object, so that one mechanism makes, copies, prints, reads and
 * looks up all of them. */
#ifndef CN_CORE_CLASS_H
#define CN_CORE_CLASS_H
#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds share their numbers with the checks of option lists (cn_check), so a list's column names the kind of object a reference may hold. */
typedef enum {
  CN_KIND_ACTIVATION = CN_CHECK_ACTIVATION, CN_KIND_INITIALIZER, CN_KIND_REGULARIZER, CN_KIND_CONSTRAINT, CN_KIND_LAYER, CN_KIND_LOSS, CN_KIND_METRIC,
  CN_KIND_OPTIMIZER, CN_KIND_SCHEDULE,
  CN_KIND_CALLBACK
} cn_kind;

struct json_t;
/* A class. `size` is that of the instance struct, which begins with cn_object (or the kind's base struct, which does). */
typedef struct cn_class {
  cn_kind kind;
  cn_schema schema;                 /* name is Keras' class name; the snake_case form of it is accepted too */
  const char *const *aliases;       /* further names, NULL-terminated; or NULL */
  size_t size;
  bool (*init)(cn_object *self);    /* after options are copied; may fail through cn_fail (the class' name is put before the text); NULL: nothing to do */
  void (*finish)(cn_object *self);  /* before an object is freed early, and after an init that failed (what that did not set is zero); NULL: nothing to do */
  const void *methods;              /* the kind's table of functions */
  const char *module;               /* in Keras' config; NULL: that of the kind */
  cn_object *(*from_json)(cn_graph *g, const struct json_t *config); /* reads a config that is more than options; NULL: the options' rows do */
  struct json_t *(*to_json)(cn_graph *g, const cn_object *self);     /* writes it */
} cn_class;

/* The head of every object. `options` is the object's own deep copy of the options struct it was made with. `uses`: one of whoever made it, and one of each
 * object whose options hold it. */
struct cn_object {
  const cn_class *cls;
  cn_graph *graph;
  void *options;
  int64_t uses;
  bool adopted;                     /* another object took over its maker's use, and frees it at its end */
};

/* A list of classes that ends with NULL; each kind of the library's own has one. */
typedef const cn_class *const *cn_class_list;

/* Makes an instance from an options struct of the class: checks that required options are given and ranges hold, copies everything deeply, calls init.
 * NULL on failure: `Dense: units is required`, `Dense: units must be positive, got -3`. Lives until the graph is freed. */
CN_API cn_object *cn_object_new(const cn_class *cls, const void *options);
/* Gives the maker's use of an object back: it is freed early (its class' finish first), with the last object that holds it in its options. NULL is fine. */
CN_API void cn_object_free(cn_object *object);
/* Adds a user's class to a graph: afterwards its name works wherever a built-in of its kind does. Refused (VALUE) if the name is taken. */
CN_API bool cn_register_class(cn_graph *g, const cn_class *cls);
/* Registers a function under a name, as an activation, initializer, regularizer, constraint (fn) or a loss or metric (fn2). The name is copied. Refused (VALUE)
 * if the name is taken. */
CN_API bool cn_register_function(cn_graph *g, cn_kind kind, const char *name, cn_function fn, cn_function2 fn2, void *user);
/* Text of a class' options, one a line: name, kind, default, doc. Owned by the graph. The name is looked up in every kind, and every class found is described.
 * An unknown name is answered with the nearest (VALUE) and NULL. */
CN_API const char *cn_describe(cn_graph *g, const char *name);

#ifdef __cplusplus
}
#endif
#endif
