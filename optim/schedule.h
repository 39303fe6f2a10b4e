/* Learning-rate schedules: the rate as a function of the step s (0 in the first), for an optimizer's `schedule`. The rules are those of
 * keras.optimizers.schedules. */
#ifndef CN_OPTIM_SCHEDULE_H
#define CN_OPTIM_SCHEDULE_H
#include "optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of a schedule class; a user's own schedule is such a class, registered with cn_register_class or given as an object. */
typedef struct cn_schedule_methods { double (*at)(const cn_object *self, double step); } cn_schedule_methods;

#define CN_SCHEDULE_NAME_(X, S, text) X(S, const char *, name, text, ANY, "")
#define CN_SCHEDULE_START_(X, S)                                                                  \
  X(S, double, initial_learning_rate, CN_REQUIRED_REAL, ANY, "rate at step 0")
/* initial rate^(s / steps) with staircase: the exponent is rounded down. */
#define CN_SCHEDULE_EXPONENTIAL_DECAY(X, S)                                                       \
  CN_SCHEDULE_START_(X, S)                                                                        \
  X(S, double, decay_steps, CN_REQUIRED_REAL, ANY, "steps for one factor")                        \
  X(S, double, decay_rate, CN_REQUIRED_REAL, ANY, "the factor")                                   \
  X(S, bool, staircase, false, ANY, "whole factors only")                                         \
  CN_SCHEDULE_NAME_(X, S, "ExponentialDecay")
/* initial / (1 + rate s / steps), staircase: s / steps is rounded down. */
#define CN_SCHEDULE_INVERSE_TIME_DECAY(X, S)                                                      \
  CN_SCHEDULE_START_(X, S)                                                                        \
  X(S, double, decay_steps, CN_REQUIRED_REAL, ANY, "unit of time")                                \
  X(S, double, decay_rate, CN_REQUIRED_REAL, ANY, "decay in a unit")                              \
  X(S, bool, staircase, false, ANY, "whole units only")                                           \
  CN_SCHEDULE_NAME_(X, S, "InverseTimeDecay")
/* values[i] for boundaries[i - 1] < s <= boundaries[i]. One value more than boundaries. */
#define CN_SCHEDULE_PIECEWISE_CONSTANT_DECAY(X, S)                                                \
  X(S, cn_reals, boundaries, { 0 }, ANY, "last steps of the values, rising")                      \
  X(S, cn_reals, values, { 0 }, REQUIRED, "rates")                                                \
  CN_SCHEDULE_NAME_(X, S, "PiecewiseConstant")
/* s = min(s, steps), (initial - end)(1 - s / steps)^power + end; cycle: steps grow to the next multiple that holds s. */
#define CN_SCHEDULE_POLYNOMIAL_DECAY(X, S)                                                        \
  CN_SCHEDULE_START_(X, S)                                                                        \
  X(S, double, decay_steps, CN_REQUIRED_REAL, ANY, "steps from the first to the last rate")       \
  X(S, double, end_learning_rate, 0.0001, ANY, "last rate")                                       \
  X(S, double, power, 1.0, ANY, "1: linear")                                                      \
  X(S, bool, cycle, false, ANY, "goes on after the last step")                                    \
  CN_SCHEDULE_NAME_(X, S, "PolynomialDecay")
/* s = min(s, steps), initial ((1 - alpha)(1 + cos(pi s / steps)) / 2 + alpha); with warmup_target: linear from initial to it in warmup_steps, then the decay
 * from it. */
#define CN_SCHEDULE_COSINE_DECAY(X, S)                                                            \
  CN_SCHEDULE_START_(X, S)                                                                        \
  X(S, double, decay_steps, CN_REQUIRED_REAL, ANY, "steps of the decay")                          \
  X(S, double, alpha, 0.0, ANY, "share of the rate that stays")                                   \
  CN_SCHEDULE_NAME_(X, S, "CosineDecay")                                                          \
  X(S, double, warmup_target, CN_NONE_REAL, ANY, "rate after the warm-up")                        \
  X(S, double, warmup_steps, 0.0, ANY, "steps of the warm-up")
/* Cosine decays one after the other, each t_mul times as long and m_mul times as high as the one before. Loshchilov and Hutter 2017. */
#define CN_SCHEDULE_COSINE_DECAY_RESTARTS(X, S)                                                   \
  CN_SCHEDULE_START_(X, S)                                                                        \
  X(S, double, first_decay_steps, CN_REQUIRED_REAL, ANY, "steps of the first decay")              \
  X(S, double, t_mul, 2.0, ANY, "factor of the lengths")                                          \
  X(S, double, m_mul, 1.0, ANY, "factor of the heights")                                          \
  X(S, double, alpha, 0.0, ANY, "share of the rate that stays")                                   \
  CN_SCHEDULE_NAME_(X, S, "SGDRDecay")

#define CN_SCHEDULE_DECLARE(C, LIST)                                                                                    \
  typedef struct cn_schedule_##C##Options { cn_graph *graph; LIST(CN_FIELD_, ) } cn_schedule_##C##Options;              \
  extern CN_API const cn_class cn_class_schedule_##C;                                                                   \
  CN_API cn_object *cn_make_schedule_##C(const cn_schedule_##C##Options *options);                                      \
  CN_API void cn_schedule_##C##Options_init(cn_schedule_##C##Options *options, size_t size); /* every default; size: sizeof *options */
CN_SCHEDULE_DECLARE(ExponentialDecay, CN_SCHEDULE_EXPONENTIAL_DECAY)
CN_SCHEDULE_DECLARE(InverseTimeDecay, CN_SCHEDULE_INVERSE_TIME_DECAY)
CN_SCHEDULE_DECLARE(PiecewiseConstantDecay, CN_SCHEDULE_PIECEWISE_CONSTANT_DECAY)
CN_SCHEDULE_DECLARE(PolynomialDecay, CN_SCHEDULE_POLYNOMIAL_DECAY)
CN_SCHEDULE_DECLARE(CosineDecay, CN_SCHEDULE_COSINE_DECAY)
CN_SCHEDULE_DECLARE(CosineDecayRestarts, CN_SCHEDULE_COSINE_DECAY_RESTARTS)
#ifndef __cplusplus
#define CN_MAKE_SCHEDULE_(C, LIST, ...) CN_WITH_OPTIONS_(cn_object *, cn_schedule_##C##Options, LIST, cn_make_schedule_##C, __VA_ARGS__)
#define cn_schedule_ExponentialDecay(...) CN_MAKE_SCHEDULE_(ExponentialDecay, CN_SCHEDULE_EXPONENTIAL_DECAY, __VA_ARGS__)
#define cn_schedule_InverseTimeDecay(...) CN_MAKE_SCHEDULE_(InverseTimeDecay, CN_SCHEDULE_INVERSE_TIME_DECAY, __VA_ARGS__)
#define cn_schedule_PiecewiseConstantDecay(...) CN_MAKE_SCHEDULE_(PiecewiseConstantDecay, CN_SCHEDULE_PIECEWISE_CONSTANT_DECAY, __VA_ARGS__)
#define cn_schedule_PolynomialDecay(...) CN_MAKE_SCHEDULE_(PolynomialDecay, CN_SCHEDULE_POLYNOMIAL_DECAY, __VA_ARGS__)
#define cn_schedule_CosineDecay(...) CN_MAKE_SCHEDULE_(CosineDecay, CN_SCHEDULE_COSINE_DECAY, __VA_ARGS__)
#define cn_schedule_CosineDecayRestarts(...) CN_MAKE_SCHEDULE_(CosineDecayRestarts, CN_SCHEDULE_COSINE_DECAY_RESTARTS, __VA_ARGS__)
/* In its source file, as CN_OPTIMIZER: CN_SCHEDULE(CosineDecay, CN_SCHEDULE_COSINE_DECAY, .methods = &...). */
#define CN_SCHEDULE(C, LIST, ...)                                                                                                               \
  CN_SCHEMA_DATA_(C, cn_schedule_##C##Options, LIST)                                                                                            \
  const cn_class cn_class_schedule_##C = { .kind = CN_KIND_SCHEDULE, .schema = CN_SCHEMA_(C, #C, cn_schedule_##C##Options), \
    .size = sizeof(cn_object), __VA_ARGS__ };                                                                                                   \
  cn_object *cn_make_schedule_##C(const cn_schedule_##C##Options *options) { return cn_object_new(&cn_class_schedule_##C, options); }           \
  void cn_schedule_##C##Options_init(cn_schedule_##C##Options *options, size_t size) {                                                          \
    memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults);                                                    \
  }
#endif

/* "cosine_decay(0.1, decay_steps=1000)". NULL after an error. */
CN_API cn_object *cn_schedule_from(cn_graph *g, const char *text);
/* From Keras' JSON: {"class_name": "CosineDecay", "config": {...}}. */
CN_API cn_object *cn_schedule_from_config(cn_graph *g, const char *json);
/* The rate at a step; NaN for NULL or what is no schedule. */
CN_API double cn_schedule_at(const cn_object *schedule, int64_t step);

#ifdef __cplusplus
}
#endif
#endif
