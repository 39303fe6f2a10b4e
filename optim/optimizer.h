/* Optimizers: they change variables by gradients. The classes stand in optimizers.h; here is what all of them do, and what a user's own class fills in.
 *
 * One step, in this order: gradients that are not there drop out; divide by loss_scale_factor; accumulate (only every n-th call goes on, with the mean);
 * clip; w -= w weight_decay learning_rate;
 * the class' rule; moving averages and, every ema_overwrite_frequency steps, w = average; the variables' constraints (on every call); iterations + 1.
 * Source of every rule and of this order: Keras 3.15 (keras.optimizers), whose numbers they give. */
#ifndef CN_OPTIM_OPTIMIZER_H
#define CN_OPTIM_OPTIMIZER_H
#include <string.h>
#include "../autograd/autograd.h"
#include "../core/class.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options that every optimizer has after learning_rate, its own and weight_decay. At most one of the three clips may be given. In Keras' configs the
 * schedule stands under "learning_rate". */
#define CN_OPTIMIZER_LIST(X, S)                                                                                                                   \
  X(S, double, clipnorm, CN_NONE_REAL, ANY, "each gradient is scaled down to at most this norm")                                                  \
  X(S, double, clipvalue, CN_NONE_REAL, ANY, "each element of a gradient is cut to this absolute value")                                          \
  X(S, double, global_clipnorm, CN_NONE_REAL, ANY, "all gradients together are scaled down to at most this norm; sparse ones become dense")                                 \
  X(S, bool, use_ema, false, ANY, "keeps an exponential moving average of every variable")                                                        \
  X(S, double, ema_momentum, 0.99, UNIT, "share of the old average")                                                                              \
  X(S, int64_t, ema_overwrite_frequency, CN_NONE, POSITIVE, "steps after which the averages overwrite the variables; None: only cn_optimizer_finalize does") \
  X(S, double, loss_scale_factor, CN_NONE_REAL, ANY, "the loss is multiplied by it, gradients are divided by it")                                 \
  X(S, int64_t, gradient_accumulation_steps, CN_NONE, ANY, "calls whose mean gradient makes one update; at least 2")                              \
  X(S, const char *, name, NULL, ANY, "first part of the paths of its variables; None: the class' name in snake_case")                            \
  X(S, cn_ref, schedule, CN_NONE_REF, SCHEDULE, "learning rate as a function of the step, instead of learning_rate: \"cosine_decay(0.1, 1000)\"")

/* The head of every optimizer: a user's own instance struct begins with it. */
typedef struct cn_optimizer {
  cn_object object;
  struct cni_optimizer_state *state;
} cn_optimizer;

/* ---- making; beneath cn_optimizer_Adam(g, ...) and the like ---- */
/* "adam(1e-3, clipnorm=1)", "SGD(0.1, schedule='exponential_decay(0.1, 100, 0.9)')". NULL after an error. Freed with cn_optimizer_free or the graph. */
CN_API cn_optimizer *cn_optimizer_from(cn_graph *g, const char *text);
/* From Keras' JSON: {"class_name": "Adam", "config": {...}}; learning_rate is a number or a schedule's object. */
CN_API cn_optimizer *cn_optimizer_from_config(cn_graph *g, const char *json);
/* Keras' JSON of an optimizer. Owned by the graph, until the next reset. */
CN_API const char *cn_optimizer_config(cn_optimizer *o);
/* Frees an optimizer with its slots. NULL is fine. */
CN_API void cn_optimizer_free(cn_optimizer *o);

/* ---- variables ---- */
/* Makes the slots for these variables (NULL: every trainable variable of the graph, in order of creation). Called again, it adds variables that are new and
 * keeps the slots of the others. Every call below builds where needed. */
CN_API bool cn_optimizer_build(cn_optimizer *o, cn_tensor *const *variables, int64_t n);
/* The optimizer's own variables in Keras' order: iteration, learning_rate (absent with a schedule), moving averages, gradient accumulators, slots. Their
 * names are Keras' paths: "adam/kernel_momentum".
 * Writes at most `capacity`; returns how many there are. */
CN_API int64_t cn_optimizer_variables(cn_optimizer *o, cn_tensor **out, int64_t capacity);
/* Variables whose name matches one of the n patterns (POSIX extended regular expressions, searched in the name's last part, such as "bias") are not decayed.
 * False after an error. */
CN_API bool cn_optimizer_exclude_from_weight_decay(cn_optimizer *o, const char *const *patterns, int64_t n);

/* ---- steps ---- */
/* One step with given gradients: gradients[i] has the shape and dtype of variables[i]; NULL: there is none, and variable i stays as it is. All NULL is an
 * error (VALUE).
 * A call refused has changed nothing. */
CN_API bool cn_optimizer_apply(cn_optimizer *o, cn_tensor *const *gradients, cn_tensor *const *variables, int64_t n);
/* The same with sparse gradients: where rows[i].values is not NULL, row indices[k] (int32 or int64, [k], in range) of variables[i] has gradient values[k]
 * ([k, ...] of the variable's row shape, or flat [k, width]).
 * Rows may repeat: linear uses of the gradient add them up, squares and absolute values are taken row by row and added up. Norms are those of the rows as
 * given. */
CN_API bool cn_optimizer_apply_rows(cn_optimizer *o, cn_tensor *const *gradients, const cn_rows *rows, cn_tensor *const *variables, int64_t n);
/* One step with the gradients that the last cn_backward left with the optimizer's variables. Variables that the loss did not depend on stay as they are. */
CN_API bool cn_optimizer_step(cn_optimizer *o);
/* backward of the loss and one step. Where the options allow, each variable is updated as soon as its gradient is complete, and the gradient is not kept.
 * release: as in cn_backward.
 * The loss is multiplied by the loss scale where the optimizer has one. Variables that are not the optimizer's stay as they are. */
CN_API bool cn_optimizer_minimize(cn_optimizer *o, cn_tensor *loss, bool release);
/* The factor of the loss that a step divides gradients by: 1, loss_scale_factor, or LossScaleOptimizer's current scale. For hand-written steps: multiply the
 * loss by it before cn_backward. */
CN_API double cn_optimizer_loss_scale(const cn_optimizer *o);
/* With use_ema: overwrites the variables with their averages, as fit does at its end. */
CN_API bool cn_optimizer_finalize(cn_optimizer *o);

/* ---- state ---- */
/* Calls that updated (with accumulation: calls divided by gradient_accumulation_steps). */
CN_API int64_t cn_optimizer_iterations(const cn_optimizer *o);
/* The rate of the next step; NaN for NULL and for MultiOptimizer. */
CN_API double cn_optimizer_learning_rate(const cn_optimizer *o);
/* Sets it. Refused (STATE) where a schedule is in force. */
CN_API bool cn_optimizer_set_learning_rate(cn_optimizer *o, double rate);
/* A user's function as the schedule: the rate of step 0, 1, ...; NULL: learning_rate again. */
CN_API bool cn_optimizer_set_schedule(cn_optimizer *o, double (*rate)(int64_t step, void *user), void *user);

/* ---- a user's own optimizer ---- */
#define CN_OPTIMIZER_SLOTS 4
/* A slot: a variable that goes with each trained variable. */
typedef struct cn_slot {
  const char *name;         /* "momentum": the variable is named "kernel_momentum"; "": "kernel" */
  int group;                /* a group's slots stand together for each variable, groups one after the other: Adam's two are group 0, RMSprop's groups 0, 1, 2 */
  double initial;           /* value of every element */
  bool copies;              /* starts as a copy of the variable instead */
  bool other;               /* dtype and dims below are the slot's; else the variable's */
  cn_dtype dtype;
  cn_dims dims;
} cn_slot;

/* One variable's part of a step. The gradient has been scaled and clipped, the variable has been decayed. */
typedef struct cn_update {
  cn_tensor *variable;
  cn_tensor *gradient;      /* dense */
  cn_tensor *squares;       /* of a sparse gradient: the sum of its rows' squares, dense; NULL: square the gradient yourself */
  cn_tensor *const *slots;  /* as the class lists them; NULL where the variable has none */
  double learning_rate;
  int64_t step;             /* 1 in the first */
} cn_update;

/* The functions of an optimizer class (cn_class.methods). */
typedef struct cn_optimizer_methods {
  const cn_slot *slots; /* at most CN_OPTIMIZER_SLOTS, ends with a NULL name; NULL: none */
  /* mends slot i for a variable; false: it has none. NULL: all have all */
  bool (*slot)(const cn_optimizer *self, int i, const cn_tensor *variable, cn_slot *slot);
  /* assigns variable and slots (cn_assign, cn_assign_data); false after cn_fail */
  bool (*update)(cn_optimizer *self, const cn_update *u);
  const struct cni_optimizer_rules *rules; /* of the library's own classes; NULL */
} cn_optimizer_methods;

/* A class' init and finish: every optimizer class has them (CN_OPTIMIZER sets them); one with its own calls these first, and last. */
CN_API bool cn_optimizer_init(cn_object *self);
CN_API void cn_optimizer_finish(cn_object *self);

/* In a header: CN_OPTIMIZER_DECLARE(Adam, CN_OPTIMIZER_ADAM), then #define cn_optimizer_Adam(...) CN_MAKE_OPTIMIZER_(Adam, CN_OPTIMIZER_ADAM, __VA_ARGS__).
 * LIST begins with learning_rate and ends with CN_OPTIMIZER_LIST. */
#define CN_OPTIMIZER_DECLARE(C, LIST)                                                                                          \
  typedef struct cn_optimizer_##C##Options { cn_graph *graph; LIST(CN_FIELD_, ) } cn_optimizer_##C##Options;                   \
  extern CN_API const cn_class cn_class_optimizer_##C;                                                                         \
  CN_API cn_optimizer *cn_make_optimizer_##C(const cn_optimizer_##C##Options *options);                                        \
  CN_API void cn_optimizer_##C##Options_init(cn_optimizer_##C##Options *options, size_t size); /* every default; size: sizeof *options */
#ifndef __cplusplus
#define CN_MAKE_OPTIMIZER_(C, LIST, ...) CN_WITH_OPTIONS_(cn_optimizer *, cn_optimizer_##C##Options, LIST, cn_make_optimizer_##C, __VA_ARGS__)
/* In its source file: CN_OPTIMIZER(Adam, CN_OPTIMIZER_ADAM, cn_optimizer, .methods = &...). T is the instance struct, which begins with cn_optimizer. */
#define CN_OPTIMIZER(C, LIST, T, ...)                                                                                          \
  CN_SCHEMA_DATA_(C, cn_optimizer_##C##Options, LIST)                                                                          \
  CN_QUIET_                                                                                                                    \
  const cn_class cn_class_optimizer_##C = { .kind = CN_KIND_OPTIMIZER, .schema = CN_SCHEMA_(C, #C, cn_optimizer_##C##Options), \
    .size = sizeof(T), .init = cn_optimizer_init, .finish = cn_optimizer_finish, __VA_ARGS__ };                                \
  CN_LOUD_                                                                                                                     \
  cn_optimizer *cn_make_optimizer_##C(const cn_optimizer_##C##Options *options) {                                              \
    return (cn_optimizer *)(void *)cn_object_new(&cn_class_optimizer_##C, options);                                            \
  }                                                                                                                            \
  void cn_optimizer_##C##Options_init(cn_optimizer_##C##Options *options, size_t size) {                                       \
    memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults);                                   \
  }
#endif

#ifdef __cplusplus
}
#endif
#endif
