/* Layers: a const class (options, build, call, output shape, mask) and an instance that owns weights and sub-layers. A user's own layer is a class struct and
 * an instance struct of the same form. */
#ifndef CN_LAYERS_LAYER_H
#define CN_LAYERS_LAYER_H
#include "../autograd/autograd.h"
#include "../core/class.h"
#include "../core/state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options that every layer has; a class' own list comes before them. There is no `dynamic`: a layer's call is C that runs each time, so all are; a config's is
 * dropped. */
#define CN_LAYER_LIST(X, S)                                                                                                      \
  X(S, const char *, name, NULL, ANY, "name; default: the class' name in snake case with a number, unique in the graph")          \
  X(S, bool, trainable, true, ANY, "whether the weights are updated and their penalties count")                                   \
  X(S, const char *, dtype, "float32", DTYPE, "of weights and computation: float32 or float64")                                   \
  X(S, cn_ref, activity_regularizer, CN_NONE_REF, REGULARIZER, "penalty on the outputs, divided by the batch size, added to the loss") \
  X(S, bool, autocast, true, ANY, "accepted as Keras does; float inputs are always cast to dtype")

/* The option of layers that know where the channels stand. */
#define CN_DATA_FORMAT_(X, S) X(S, const char *, data_format, "channels_last", DATA_FORMAT, "channels_last or channels_first")

#define CN_LAYER_OUTPUTS 32
#define CN_LAYER_AXES 4
struct cn_call_args;
/* One call of a layer, as its class sees it. */
typedef struct cn_inputs {
  cn_tensor *const *x;               /* the inputs; integer ones as they are, float ones in the layer's dtype */
  int64_t n;
  cn_tensor *const *mask;            /* of each input; NULL where there is none */
  bool training;
  cn_tensor *const *initial_state;   /* named extras, NULL or CN_NO_TENSOR where not given */
  int64_t initial_states;
  cn_tensor *attention_mask;
  const struct cn_call_args *args;   /* the call as it was written: every named extra (CN_CALL) */
  cn_tensor *more[CN_LAYER_OUTPUTS]; /* call puts further outputs here ... */
  int64_t more_count;                /* ... and counts them */
} cn_inputs;

/* The functions of a layer class. Only `call` must be given. */
typedef struct cn_layer_methods {
  void (*build)(cn_layer *l, const cn_dims *in, int64_t n); /* makes weights and sub-layers from the inputs' shapes; a failure is the graph's */
  cn_tensor *(*call)(cn_layer *l, cn_graph *g, cn_inputs *in);                     /* the (first) output; NULL after a failure */
  bool (*output_shape)(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out);   /* without it, the class is called on symbolic tensors */
  cn_tensor *(*compute_mask)(cn_layer *l, cn_graph *g, const cn_inputs *in); /* mask of the output; without it the first input's passes if supports_masking */
  void (*reset)(cn_layer *l);                                                      /* back to the initial state (RNN states) */
  bool (*state)(
      cn_layer *l,
      cn_state *s); /* what of a built layer is no weight and changes from step to step (random streams, RNN states), for backups of a training; may be NULL */
  /* of recurrent cells (recurrent.h): shapes of the states for that of a step's input; how many, fewer than CN_LAYER_OUTPUTS; -1 after an error */
  int64_t (*state_shapes)(cn_layer *l, const cn_dims *step, cn_dims *states);
  bool supports_masking;
  bool separate_inputs; /* Keras' call takes several inputs as arguments of their own (query, value), not as a list */
  int min_rank, max_rank, rank;                                                    /* of every input; 0: any */
  int64_t min_inputs, max_inputs;                                                  /* 0: one */
  bool (*per_sample)(
      const cn_layer *l,
      bool training); /* whether a call gives each sample what it and the weights alone make (sub-layers are asked too), and keeps nothing; without it, no */
} cn_layer_methods;

/* The head of every layer instance. Read it; change it through functions only. */
struct cn_layer {
  cn_object object;                  /* class, graph, options */
  char *name;
  cn_dtype dtype;
  bool trainable, built, supports_masking;
  cn_object *activity_regularizer;
  cn_ref activity_function;          /* the same when it is a user's function */
  cn_tensor **weights;               /* own ones, in order of creation */
  int64_t weights_count, weights_capacity;
  cn_layer **layers;                 /* sub-layers, in order of creation */
  int64_t layers_count, layers_capacity;
  cn_tensor **losses;                /* added in the call of epoch losses_epoch */
  int64_t losses_count, losses_capacity;
  uint32_t losses_epoch;
  cn_object **owned;                 /* initializers and the like made from names */
  int64_t owned_count, owned_capacity;
  cn_dims *built_for;                /* shapes of the inputs that it was built for */
  int64_t built_for_count;
  struct { int axis; int64_t size; } axes[CN_LAYER_AXES]; /* what build found in the first input, and every call must have (cn_expect_axis) */
  int axes_count;
  struct cni_calls *calls;           /* the symbolic ones: nodes */
  uint32_t walk;                     /* the last walk over a graph of layers that met it, and its number in that walk */
  int32_t place;
  int64_t lent;                      /* so many weights, the first ones, are a sub-layer's, which come first in this layer's order too */
  struct { uint32_t number; int64_t weights, layers; } trial; /* that built it, and how many it had before */
};

/* ---- calling ---- */
#define CN_CALL(X, S)                                                                                              \
  X(S, cn_layer *, layer, NULL, ANY, "the layer")                                                                  \
  X(S, cn_tensor *, x, CN_NO_TENSOR, ANY, "the input")                                                             \
  X(S, cn_tensors, inputs, { 0 }, ANY, "several inputs, instead of x")                                             \
  X(S, int64_t, training, CN_NONE, ANY, "1 or 0; None: as the calling layer or fit has it, else 0")                \
  X(S, cn_tensor *, mask, CN_NO_TENSOR, ANY, "explicit mask of the input; left out: the mask that it carries")     \
  X(S, cn_tensors, masks, { 0 }, ANY, "explicit masks of several inputs; entries may be CN_NO_TENSOR")             \
  X(S, cn_tensors, initial_state, { 0 }, ANY, "of recurrent layers")                                               \
  X(S, cn_tensor *, attention_mask, CN_NO_TENSOR, ANY, "of attention layers")                                      \
  X(S, cn_tensor *, query_mask, CN_NO_TENSOR, ANY, "of attention layers")                                          \
  X(S, cn_tensor *, value_mask, CN_NO_TENSOR, ANY, "of attention layers")                                          \
  X(S, cn_tensor *, key_mask, CN_NO_TENSOR, ANY, "of attention layers")                                            \
  X(S, int64_t, use_causal_mask, CN_NONE, ANY, "1: of attention layers: no position sees a later one")             \
  X(S, int64_t, return_attention_scores, CN_NONE, ANY, "1: of attention layers: the scores are a second output")   \
  X(S, int64_t, reverse, CN_NONE, ANY, "1: of ReversibleEmbedding: from outputs back to scores of rows")
typedef struct cn_call_args { cn_graph *graph; CN_CALL(CN_FIELD_, ) } cn_call_args;
/* On symbolic tensors (cn_Input) nothing is computed: the layer is built, the outputs' shapes are found, and the call is recorded, to be taken up by cn_Model.
 * Calls a layer, as Keras' __call__ does: checks the input, builds on the first call, runs call inside the layer's name scope, adds the activity penalty, sets
 * the mask. Returns the first output. outputs (may be NULL) receives all of them, at most CN_LAYER_OUTPUTS, and count their number. */
CN_API cn_tensor *cn_call_layer(const cn_call_args *args, cn_tensor **outputs, int64_t *count);
CN_API cn_tensor *cn_call_run(const cn_call_args *args);
#ifndef __cplusplus
/* cn_call(g, layer, x, .training = 1) */
#define cn_call(...) CN_WITH_OPTIONS_(cn_tensor *, cn_call_args, CN_CALL, cn_call_run, __VA_ARGS__)
#endif

/* Builds a layer for input shapes without calling it. Building twice for other shapes is refused. */
CN_API bool cn_build(cn_layer *l, const cn_dims *in, int64_t n);
/* The first output's shape for input shapes (sizes may be CN_UNKNOWN). Does not build. */
CN_API bool cn_compute_output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out);
/* The mask that the output of such a call would carry, without the call: as the class says, else the first input's where the layer supports masking. Builds the
 * layer if it has to. NULL where there is none, and after an error. Keras' compute_mask. */
CN_API cn_tensor *cn_compute_mask_run(const cn_call_args *args);
#ifndef __cplusplus
/* cn_compute_mask(g, layer, x, .mask = mask) */
#define cn_compute_mask(...) CN_WITH_OPTIONS_(cn_tensor *, cn_call_args, CN_CALL, cn_compute_mask_run, __VA_ARGS__)
#endif

/* ---- weights ---- */
typedef struct cn_weight_options {
  cn_layer *layer;
  const char *name;
  const cn_dims *dims;
  cn_ref initializer, regularizer, constraint; /* initializer None: glorot_uniform */
  bool frozen;                                 /* a weight that is not trainable */
  cn_dtype dtype;                              /* with use_dtype; else the layer's */
  bool use_dtype;
} cn_weight_options;
/* Makes a weight in `build`. Its place in the order of creation is its place in files. */
CN_API cn_tensor *cn_make_weight(const cn_weight_options *options);
#ifndef __cplusplus
/* cn_add_weight(l, "kernel", CN_DIMS(3, 4), .initializer = ..., .regularizer = ..., .constraint = ...) */
#define cn_add_weight(l, ...) cn_make_weight(&(const cn_weight_options){ .layer = (l), .name = __VA_ARGS__ })
#endif
/* In `build`: from now on every first input must have this size along the axis (which may be negative), else "expected axis -1 to have value 4". */
CN_API void cn_expect_axis(cn_layer *l, int axis, int64_t size);
/* Tells a layer of a sub-layer, so that weights, penalties, trainable and files reach it. The first layer it is added to frees it; further ones share it.
 * Returns sub. */
CN_API cn_layer *cn_add_layer(cn_layer *l, cn_layer *sub);
/* Adds a scalar to the losses of this call (inside call). */
CN_API void cn_add_loss(cn_layer *l, cn_tensor *loss);

/* Weights in Keras' order: trainable ones of the layer and its sub-layers, then the others. Writes at most `capacity`, returns how many there are. */
CN_API int64_t cn_weights(cn_layer *l, cn_tensor **out, int64_t capacity);
CN_API int64_t cn_trainable_weights(cn_layer *l, cn_tensor **out, int64_t capacity);
CN_API int64_t cn_non_trainable_weights(cn_layer *l, cn_tensor **out, int64_t capacity);
/* Copies of all weights, in the order of cn_weights, into `out` of n places; n must be how many there are. They live until the next reset. Keras' get_weights.
 */
CN_API bool cn_get_weights(cn_layer *l, cn_tensor **out, int64_t n);
/* Copies values into the weights, in the order of cn_weights; count, shapes and dtypes must fit, else nothing is written. */
CN_API bool cn_set_weights(cn_layer *l, cn_tensor *const *values, int64_t n);
/* How many numbers the weights have. STATE if the layer is not built yet. */
CN_API int64_t cn_count_params(cn_layer *l);
/* Whether the weights are trained, for the layer and everything below it. */
CN_API void cn_layer_set_trainable(cn_layer *l, bool trainable);
/* Penalties of this step: losses that calls added (activity penalties, cn_add_loss), then one for each trainable weight with a regularizer. Scalars. Writes at
 * most `capacity`, returns how many there are. */
CN_API int64_t cn_losses(cn_layer *l, cn_tensor **out, int64_t capacity);
/* loss + every penalty of cn_losses: what a hand-written training step differentiates. */
CN_API cn_tensor *cn_total_loss(cn_layer *l, cn_tensor *loss);
/* Back to the initial state (recurrent layers), for the layer and everything below it. */
CN_API void cn_reset_state(cn_layer *l);

/* ---- by name ---- */
/* "Dense(32, activation=relu)": any layer, registered ones included. */
CN_API cn_layer *cn_layer_from(cn_graph *g, const char *text);
/* From Keras' JSON object {"class_name", "config", ...}. */
CN_API cn_layer *cn_layer_from_config(cn_graph *g, const char *json);
/* Keras' JSON object of the layer. Owned by the graph, until the next reset. */
CN_API const char *cn_layer_config(cn_layer *l);
/* Frees a layer, its weights and sub-layers early. */
CN_API void cn_layer_free(cn_layer *l);
/* The init and finish that every layer class uses. */
CN_API bool cn_layer_init(cn_object *self);
CN_API void cn_layer_finish(cn_object *self);
/* Resolves a reference among a layer's options to an object that the layer owns (or a function, left in *ref); see cn_activate. False after an error. */
CN_API bool cn_layer_resolve(cn_layer *l, cn_kind kind, cn_ref *ref);

/* Declares a layer's options, class and constructor in a header: CN_LAYER_DECLARE(Dense, CN_DENSE), then #define cn_Dense(...) CN_MAKE_LAYER_(Dense, CN_DENSE,
 * __VA_ARGS__). */
#define CN_LAYER_DECLARE(L, LIST)                                                                            \
  typedef struct cn_##L##Options { cn_graph *graph; LIST(CN_FIELD_, ) CN_LAYER_LIST(CN_FIELD_, ) } cn_##L##Options; \
  extern CN_API const cn_class cn_class_##L;                                                                 \
  CN_API cn_layer *cn_make_##L(const cn_##L##Options *options);                                              \
  CN_API void cn_##L##Options_init(cn_##L##Options *options, size_t size); /* every default, for C++ and bindings; size: sizeof *options */
#ifndef __cplusplus
#define CN_MAKE_LAYER_(L, LIST, ...)                                                                                              \
  __extension__({                                                                                                                 \
    CN_QUIET_ const cn_##L##Options cn_o_ = { LIST(CN_DEFAULT_, ) CN_LAYER_LIST(CN_DEFAULT_, ) .graph = __VA_ARGS__ };            \
    cn_layer *cn_l_ = cn_make_##L(&cn_o_);                                                                                        \
    CN_LOUD_ cn_l_;                                                                                                               \
  })
/* Defines the class in its source file: CN_LAYER(Dense, dense, CN_DENSE, .build = ..., .call = ...). */
#define CN_LAYER(L, type, LIST, ...) CN_LAYER_OF(L, type, LIST, (.init = cn_layer_init), __VA_ARGS__)
/* The same with further fields of cn_class, in parentheses: (.init = my_init, .to_json = ...). An init of its own calls cn_layer_init first. */
#define CN_UNWRAP_(...) __VA_ARGS__
#define CN_LAYER_OF(L, type, LIST, class_fields, ...)                                                                                  \
  static const cn_row L##_rows[] = { LIST(CN_ROW_, cn_##L##Options) CN_LAYER_LIST(CN_ROW_, cn_##L##Options) { 0 } };              \
  static const cn_##L##Options L##_defaults = { LIST(CN_DEFAULT_, ) CN_LAYER_LIST(CN_DEFAULT_, ) .graph = NULL };                 \
  static const cn_layer_methods L##_methods = { __VA_ARGS__ };                                                                    \
  const cn_class cn_class_##L = { .kind = CN_KIND_LAYER, .schema = CN_SCHEMA_(L, #L, cn_##L##Options), .size = sizeof(type),      \
                                  CN_UNWRAP_ class_fields, .finish = cn_layer_finish, .methods = &L##_methods };                    \
  cn_layer *cn_make_##L(const cn_##L##Options *options) { return (cn_layer *)(void *)cn_object_new(&cn_class_##L, options); }     \
  void cn_##L##Options_init(cn_##L##Options *options, size_t size) { memcpy(options, &L##_defaults, size < sizeof L##_defaults ? size : sizeof L##_defaults); }
#endif

#ifdef __cplusplus
}
#endif
#endif
