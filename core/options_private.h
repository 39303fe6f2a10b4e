/* Reading, checking, copying, comparing and writing options structs by their rows. */
#ifndef CN_CORE_OPTIONS_PRIVATE_H
#define CN_CORE_OPTIONS_PRIVATE_H
#include <jansson.h>
#include <string.h>
#include "class.h"
#include "context_private.h"

#define CNI_LEAST_INTEGER (INT64_MIN / 2) /* of what may be written in text and JSON: numbers below stand for None, and for sizes that are not known yet */

/* The function behind the macro of a function with options: cn_NAME_args with given defaults, or with those of its list (`first` is any of its other fields).
 */
#define CNI_ARGS_COPY(name, defaults)                                                      \
  void name##_args_init(name##_args *args, size_t size) {                                  \
    memcpy(args, &(defaults), size < sizeof(defaults) ? size : sizeof(defaults));          \
  }
#define CNI_ARGS_INIT(name, LIST, first)                                                                                 \
  static const name##_args name##_args_defaults = { LIST(CN_DEFAULT_, ) .first = NULL };                                 \
  CNI_ARGS_COPY(name, name##_args_defaults)

/* options.c */
static inline void *cni_option_at(const cn_schema *s, void *options, int i) { return (char *)options + s->rows[i].offset; }
static inline const void *cni_option_at_const(const cn_schema *s, const void *options, int i) { return (const char *)options + s->rows[i].offset; }
int cni_option_find(const cn_schema *s, const char *name);                         /* row's index or -1 */
/* Required options given, ranges and kinds of references right. Reports `NAME: option must be positive, got -3`. */
bool cni_options_check(cn_graph *g, const cn_schema *s, const void *options);
/* Copies what the options point at (texts, lists) into memory from `take` (an arena or cni_alloc); `options` is a shallow copy that is mended in place.
 * Objects, tensors and layers stay shared. */
typedef void *(*cni_take)(cn_graph *g, void *where, size_t size);
static inline void *cni_take_alloc(cn_graph *g, void *where, size_t size) { return (void)where, cni_alloc(g, size); }
static inline void *cni_take_arena(cn_graph *g, void *where, size_t size) { return cni_arena_take(g, (cni_arena *)where, size); }
/* On failure what was not copied is NULL, so that cni_options_free frees what was. */
bool cni_options_deepen(cn_graph *g, const cn_schema *s, void *options, cni_take take, void *where);
void cni_options_free(cn_graph *g, const cn_schema *s, void *options);             /* frees a deep copy made by cni_alloc, and the struct */
bool cni_options_equal(const cn_schema *s, const void *a, const void *b);          /* by value, field by field; NaN equals NaN; the graph is not compared */

/* CN_CHECK_ONE_OR_LIST: a list that was read, which has room for one more element. */
static inline void cni_option_mark_list(cn_ints *list) {
  if (list->n == 1) ((int64_t *)(uintptr_t)list->v)[list->n++] = CN_NONE;
}

/* Reports `NAME: ...` for a schema, whatever runs; returns false. */
bool cni_option_fail(cn_graph *g, const cn_schema *s, const char *format, ...) CN_PRINTF(3, 4);
/* Reports `NAME: no option "word"; did you mean "..."?`; returns false. */
bool cni_option_unknown(cn_graph *g, const cn_schema *s, const char *word);
bool cni_option_same(const cn_schema *s, int row, const void *a, const void *b);   /* one row of cni_options_equal */

/* How nested objects are made while text or JSON is read: `kind` by name with options as text or JSON config; returns the object, or NULL after an error. */
typedef struct cni_factory cni_factory;
struct cni_factory {
  cn_object *(*from_text)(cn_graph *g, cn_kind kind, const char *text);
  cn_object *(*from_json)(cn_graph *g, cn_kind kind, const json_t *config);       /* {"class_name", "config", ...} or a string */
};

/* options_text.c: "NAME(32, activation=relu, strides=[2,1], name='x')": positional values fill the rows in order, then named ones. Values: numbers (1e-3, 1/255
 * not), true/false/True/False, none/None, 'text' "text" or bare words, [lists] or (tuples), nested objects "l2(1e-5)" for references (kept as text in
 * cn_ref.name) and for layers (made by factory). cni_text_name copies the NAME part ("" if there is none) and returns where its '(' or the end is;
 * cni_options_parse reads "(...)" or "" into `options`, which hold the defaults. Errors: `Dense: no option "activaton"; did you mean "activation"?`, `Dense:
 * units: "3x" is no integer`. Memory that values need is taken with `take`. */
const char *cni_text_name(const char *text, char *name, size_t size);
bool cni_options_parse(cn_graph *g, const cn_schema *s, void *options, const char *text, const cni_factory *f, cni_take take, void *where);
int64_t cni_options_text(const cn_schema *s, const void *options, char *text,
                         size_t size); /* "(units=32, ...)": those that differ from the defaults; returns the length as snprintf does */
/* Text into a buffer of a given size: what does not fit is counted only. */
typedef struct cni_writer { char *text; size_t size; int64_t length; } cni_writer;
void cni_write(cni_writer *w, const char *format, ...) CN_PRINTF(2, 3);
void cni_write_option(cni_writer *w, const cn_schema *s, int row, const void *options); /* one value, as the parser reads it */
void cni_describe_row(cni_writer *w, const cn_schema *s, int row); /* describe.c: "  axis: integer, default -1: axis of the distribution" and a newline */

/* options_json.c: Keras' config objects. Unknown keys are an error unless listed in `ignore` (NULL-terminated). Tuples {"class_name":"__tuple__","items":[...]}
 * are lists; a dtype policy object
 * {"class_name":"DTypePolicy","config":{"name":"float32"}} is its name for CN_CHECK_DTYPE rows; numbers given as "inf"/"-inf"/"nan" strings are those numbers;
 * null is None (INT64_MIN + 1, NaN, NULL...). */
bool cni_options_from_json(cn_graph *g, const cn_schema *s, void *options, const json_t *config, const char *const *ignore, const cni_factory *f, cni_take take,
                           void *where);
/* Writes the options as a config object; references become {"class_name","config"} by the callback (their objects) or their text; returns NULL on failure. */
json_t *cni_options_to_json(cn_graph *g, const cn_schema *s, const void *options);
json_t *cni_object_json(cn_graph *g, const cn_object *o);                           /* {"module", "class_name", "config", "registered_name"}; null for NULL */

/* class.c */
const char *cni_snake_case(const char *class_name, char *text, size_t size);       /* "HeNormal" -> "he_normal", as Keras' to_snake_case */
bool cni_class_named(const cn_class *cls, const char *name);                       /* by its name, that in snake_case or lower case, or an alias */
/* The class of `kind` whose name, snake_case name or alias is `name`: the graph's registered ones first, then `list` (NULL: the built-in ones). NULL after
 * `unknown activation "rellu"; did you mean "relu"?` */
const cn_class *cni_class_find(cn_graph *g, cn_kind kind, const char *name, cn_class_list list);
/* A registered function, or NULL (no error). */
typedef struct cni_function { struct cni_function *next; cn_kind kind; const char *name; cn_function fn; cn_function2 fn2; void *user; } cni_function;
const cni_function *cni_function_find(const cn_graph *g, cn_kind kind, const char *name);
const char *cni_kind_name(cn_kind kind);                                           /* "layer", "activation", ... */
/* The object belongs to the caller (cn_object_free); what was made for its options belongs to it. `list` NULL: the graph's built-in classes of the kind. */
cn_object *cni_object_from_text(cn_graph *g, cn_kind kind, const char *text, cn_class_list list, const cni_factory *f);
cn_object *cni_object_from_json(cn_graph *g, cn_kind kind, const json_t *config, cn_class_list list, const cni_factory *f);
/* The object a reference means: ref.object (its kind is checked), or made from ref.name by the factory and kept in ref.object; a reference that stands in an
 * object's own options is freed with it. NULL with cn_ok: None, or a function (ref.fn/fn2; a registered name is resolved into ref->fn, ref->fn2, ref->user). */
cn_object *cni_ref_resolve(cn_graph *g, cn_kind kind, cn_ref *ref, const cni_factory *f);

/* Sizes. CN_NONE behind the first tells a list of one number, as texts and configs hold it, from a number for all axes. */
static inline void cni_size_mark_list(cn_size *s) {
  if (!s->d[1]) s->d[1] = CN_NONE;
}
/* How many numbers were given. */
static inline int cni_size_given(const cn_size *s) { return !s->d[1] || s->d[1] == CN_NONE ? 1 : !s->d[2] ? 2 : 3; }
static inline int64_t cni_size_at(const cn_size *s, int i) { return i && s->d[i] && s->d[i] != CN_NONE ? s->d[i] : s->d[0]; }
/* One number for all axes, or one for each. */
static inline bool cni_size_covers(const cn_size *s, int axes) { return cni_size_given(s) == axes || !s->d[1]; }

#endif
