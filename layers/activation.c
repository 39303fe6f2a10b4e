/* Activations by name: a table from Keras' names to operations. The options are the operation's own. */
#include "activation.h"
#include "layer_private.h"

typedef struct named { const char *name; const cn_op *op; const char *preset; /* options where the activation's defaults are not the operation's */ } named;
/* clang-format off */
#define ROW(name, op) { name, &cn_op_##op, NULL }
static const named table[] = {
  ROW("linear", identity), ROW("relu", relu), ROW("leaky_relu", leaky_relu), ROW("relu6", relu6), ROW("elu", elu), ROW("selu", selu),
  ROW("celu", celu), { "gelu", &cn_op_gelu, "(approximate=false)" }, ROW("sigmoid", sigmoid), ROW("tanh", tanh), ROW("exponential", exp),
  ROW("hard_sigmoid", hard_sigmoid),
  ROW("silu", silu), ROW("swish", silu), ROW("hard_silu", hard_silu), ROW("hard_swish", hard_silu), ROW("softplus", softplus),
  ROW("softsign", softsign), ROW("mish", mish), ROW("softmax", softmax), ROW("log_softmax", log_softmax), ROW("sparsemax", sparsemax),
  ROW("log_sigmoid", log_sigmoid), ROW("glu", glu), ROW("tanh_shrink", tanh_shrink), ROW("hard_tanh", hard_tanh), ROW("hard_shrink", hard_shrink),
  ROW("soft_shrink", soft_shrink), ROW("threshold", threshold), ROW("squareplus", squareplus), ROW("sparse_plus", sparse_plus),
  ROW("sparse_sigmoid", sparse_sigmoid) };
/* clang-format on */
#define COUNT ((int64_t)(sizeof table / sizeof *table))

/* Bound to an operation when it is made: options is the operation's args struct, and the class, which stands in the object, has the activation's name and the
 * operation's options. */
typedef struct activation { cn_object object; const cn_op *op; cn_class cls; } activation;

/* The operation's options without its input, so that positional values fill them. */
static cn_schema options_of(const named *f) {
  cn_schema s = f->op->schema;
  s.name = f->name;
  s.rows++;
  s.count--;
  return s;
}

static const named *built_in(const char *name) {
  for (int64_t i = 0; i < COUNT; i++)
    if (!strcmp(name, table[i].name)) return &table[i];
  return NULL;
}

static const named *find(cn_graph *g, const char *name) {
  const char *names[COUNT];
  const named *f = built_in(name);
  if (f) return f;
  for (int64_t i = 0; i < COUNT; i++) names[i] = table[i].name;
  const char *near = cni_nearest(name, names, COUNT);
  cn_fail(g, CN_VALUE, near ? "unknown activation \"%s\"; did you mean \"%s\"?" : "unknown activation \"%s\"%s", name, near ? near : "");
  return NULL;
}

static void *take_owned(cn_graph *g, void *where, size_t size) {
  (void)where;
  return cni_alloc(g, size);
}

/* An object whose options are the defaults, for the caller to fill. */
static activation *bind(cn_graph *g, const named *f) {
  const cn_schema s = options_of(f);
  activation *a = cni_alloc(g, sizeof *a);
  void *options = a ? cni_alloc(g, s.size) : NULL;
  if (!options) return cni_free(g, a), NULL;
  memcpy(options, s.defaults, s.size);
  a->cls = (cn_class){ .kind = CN_KIND_ACTIVATION, .schema = s, .size = sizeof *a, .methods = table };
  a->object = (cn_object){ &a->cls, g, options, 1, false };
  a->op = f->op;
  if (f->preset && !cni_options_parse(g, &s, options, f->preset, &cni_layers_factory, take_owned, NULL)) return cn_object_free(&a->object), NULL;
  return a;
}

static cn_object *checked(cn_graph *g, activation *a, bool ok) {
  if (ok && cni_options_check(g, &a->cls.schema, a->object.options)) return &a->object;
  cn_object_free(&a->object);
  return NULL;
}

cn_object *cni_activation_from_text(cn_graph *g, const char *text) {
  char name[64];
  const char *rest = cni_text_name(text, name, sizeof name);
  const named *f = rest ? find(g, name) : NULL;
  activation *a = f ? bind(g, f) : NULL;
  return a ? checked(g, a, cni_options_parse(g, &a->cls.schema, a->object.options, rest, &cni_layers_factory, take_owned, NULL)) : NULL;
}

/* Whether two names differ in case and underscores only: LeakyReLU, a layer's class, is leaky_relu. */
static bool same_letters(const char *a, const char *b) {
  for (;; a++, b++) {
    while (*a == '_') a++;
    while (*b == '_') b++;
    if ((*a | 32) != (*b | 32)) return false;
    if (!*a || !*b) return *a == *b;
  }
}

static const named *find_class(cn_graph *g, const char *class_name) {
  for (int64_t i = 0; i < COUNT; i++)
    if (same_letters(class_name, table[i].name)) return &table[i];
  return find(g, class_name);
}

cn_object *cni_activation_from_json(cn_graph *g, const json_t *config) {
  if (json_is_string(config)) return cni_activation_from_text(g, json_string_value(config));
  const json_t *class_name = json_object_get(config, "class_name"), *inner = json_object_get(config, "config");
  if (json_is_string(class_name) && !strcmp(json_string_value(class_name), "function") && json_is_string(inner))
    return cni_activation_from_text(g, json_string_value(inner));
  if (!json_is_string(class_name)) return cn_fail(g, CN_FORMAT, "activation: the config has no class_name"), NULL;
  const named *f = find_class(g, json_string_value(class_name));
  activation *a = f ? bind(g, f) : NULL;
  static const char *const ignore[] = { "name", "trainable", "dtype", NULL };
  return a ? checked(g, a, cni_options_from_json(g, &a->cls.schema, a->object.options, inner, ignore, &cni_layers_factory, take_owned, NULL)) : NULL;
}

cn_object *cn_activation_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_activation_from_text(g, text) : NULL; }

/* The operation of a resolved reference whose options are the defaults, or NULL. */
static const cn_op *plain_op(const cn_ref *r) {
  const activation *a = r->object;
  return a && cni_options_equal(&a->cls.schema, a->object.options, a->cls.schema.defaults) ? a->op : NULL;
}

int64_t cni_activation_fused(const cn_ref *r) {
  const cn_op *op = plain_op(r);
  return op == &cn_op_relu ? 1 : op == &cn_op_tanh ? 2 : op == &cn_op_sigmoid ? 3 : 0;
}

/* ---- applying ---- */
static cn_tensor *apply_object(cn_graph *g, const cn_object *o, cn_tensor *x) {
  if (o->cls->methods != table) return cn_fail(g, CN_VALUE, "activation: the object is of another kind"), NULL;
  const activation *a = (const activation *)(const void *)o;
  if (a->op == &cn_op_identity) return x;
  union { double align; char bytes[256]; } args;
  memcpy(args.bytes, o->options, a->op->schema.size);
  memcpy(args.bytes + a->op->schema.rows[0].offset, &x, sizeof x);
  return cn_apply(g, a->op, args.bytes)[0];
}

cn_tensor *cn_activate(cn_graph *g, const cn_ref *r, cn_tensor *x) {
  if (!cn_ok(g) || !x) return NULL;
  if (r->object) return apply_object(g, r->object, x);
  if (r->fn) return cni_capture_spoil(g), r->fn(g, x, r->user);
  return r->name ? cn_activation(g, r->name, x) : x;
}

cn_tensor *cn_activation(cn_graph *g, const char *text, cn_tensor *x) {
  if (!cn_ok(g) || !x) return NULL;
  cn_ref r = { .name = text };
  cn_object *o = cni_ref_resolve(g, CN_KIND_ACTIVATION, &r, &cni_layers_factory);
  if (!cn_ok(g)) return NULL;
  cn_tensor *y = o ? apply_object(g, o, x) : r.fn ? r.fn(g, x, r.user) : x;
  cn_object_free(o);
  return y;
}

const char *const *cn_activation_names(void) {
  static const char *const names[] = { "linear",      "relu",      "leaky_relu",  "relu6",        "elu",         "selu",       "celu",        "gelu",
                                       "sigmoid",     "tanh",      "exponential", "hard_sigmoid", "silu",        "swish",      "hard_silu",   "hard_swish",
                                       "softplus",    "softsign",  "mish",        "softmax",      "log_softmax", "sparsemax",  "log_sigmoid", "glu",
                                       "tanh_shrink", "hard_tanh", "hard_shrink", "soft_shrink",  "threshold",   "squareplus", "sparse_plus", "sparse_sigmoid",
                                       NULL };
  return names;
}

bool cn_register_activation(cn_graph *g, const char *name, cn_function fn, void *user) {
  if (!cn_ok(g) || !name) return false;
  if (built_in(name)) return cn_fail(g, CN_VALUE, "register: the activation name \"%s\" is taken", name), false;
  return cn_register_function(g, CN_KIND_ACTIVATION, name, fn, NULL, user);
}
