/* Learning-rate schedules. */
#include "schedule.h"
#include <math.h>
#include "optimizer_private.h"

#define PI 3.14159265358979323846

static bool steps_positive(cn_object *self, double steps, const char *name) {
  if (steps > 0) return true;
  cn_fail(self->graph, CN_VALUE, "%s must be positive, got %g", name, steps);
  return false;
}

/* ---- exponential, inverse time ---- */
static double passed(double step, double steps, bool staircase) { return staircase ? floor(step / steps) : step / steps; }

static double exponential_at(const cn_object *self, double s) {
  const cn_schedule_ExponentialDecayOptions *o = self->options;
  return o->initial_learning_rate * pow(o->decay_rate, passed(s, o->decay_steps, o->staircase));
}
static bool exponential_init(cn_object *self) {
  return steps_positive(self, ((const cn_schedule_ExponentialDecayOptions *)self->options)->decay_steps, "decay_steps");
}

static double inverse_time_at(const cn_object *self, double s) {
  const cn_schedule_InverseTimeDecayOptions *o = self->options;
  return o->initial_learning_rate / (1 + o->decay_rate * passed(s, o->decay_steps, o->staircase));
}
static bool inverse_time_init(cn_object *self) {
  return steps_positive(self, ((const cn_schedule_InverseTimeDecayOptions *)self->options)->decay_steps, "decay_steps");
}

/* ---- piecewise constant ---- */
static double piecewise_at(const cn_object *self, double s) {
  const cn_schedule_PiecewiseConstantDecayOptions *o = self->options;
  int64_t i = 0;
  while (i < o->boundaries.n && s > trunc(o->boundaries.v[i])) i++; /* Keras casts boundaries to the step's integer type */
  return o->values.v[i];
}
static bool piecewise_init(cn_object *self) {
  const cn_schedule_PiecewiseConstantDecayOptions *o = self->options;
  const int64_t n = o->boundaries.n > 0 ? o->boundaries.n : 0;
  if (o->values.n == n + 1) return true;
  cn_fail(self->graph, CN_VALUE, "%lld boundaries need %lld values, got %lld", (long long)n, (long long)n + 1, (long long)o->values.n);
  return false;
}

/* ---- polynomial ---- */
static double polynomial_at(const cn_object *self, double s) {
  const cn_schedule_PolynomialDecayOptions *o = self->options;
  double steps = o->decay_steps;
  if (o->cycle) steps *= s == 0 ? 1 : ceil(s / steps);
  else if (s > steps) s = steps;
  return (o->initial_learning_rate - o->end_learning_rate) * pow(1 - s / steps, o->power) + o->end_learning_rate;
}
static bool polynomial_init(cn_object *self) {
  return steps_positive(self, ((const cn_schedule_PolynomialDecayOptions *)self->options)->decay_steps, "decay_steps");
}

/* ---- cosine ---- */
static double cosine(double rate, double alpha, double s, double steps) {
  if (s > steps) s = steps;
  return rate * ((1 - alpha) * 0.5 * (1 + cos(PI * s / steps)) + alpha);
}
static double cosine_at(const cn_object *self, double s) {
  const cn_schedule_CosineDecayOptions *o = self->options;
  if (isnan(o->warmup_target)) return cosine(o->initial_learning_rate, o->alpha, s, o->decay_steps);
  if (s < o->warmup_steps) return o->initial_learning_rate + (o->warmup_target - o->initial_learning_rate) * s / o->warmup_steps;
  return cosine(o->warmup_target, o->alpha, s - o->warmup_steps, o->decay_steps);
}
static bool cosine_init(cn_object *self) { return steps_positive(self, ((const cn_schedule_CosineDecayOptions *)self->options)->decay_steps, "decay_steps"); }

static double restarts_at(const cn_object *self, double s) {
  const cn_schedule_CosineDecayRestartsOptions *o = self->options;
  double fraction = s / o->first_decay_steps, restart;
  if (o->t_mul == 1) {
    restart = floor(fraction);
    fraction -= restart;
  } else {
    /* in float32 as Keras does: whether a step on the boundary belongs to the old decay or the new hangs on it */
    restart = (double)floorf(logf(1.0f - (float)fraction * (1.0f - (float)o->t_mul)) / logf((float)o->t_mul));
    fraction = (fraction - (1 - pow(o->t_mul, restart)) / (1 - o->t_mul)) / pow(o->t_mul, restart);
  }
  const double height = 0.5 * pow(o->m_mul, restart) * (1 + cos(PI * fraction));
  return o->initial_learning_rate * ((1 - o->alpha) * height + o->alpha);
}
static bool restarts_init(cn_object *self) {
  const cn_schedule_CosineDecayRestartsOptions *o = self->options;
  return steps_positive(self, o->first_decay_steps, "first_decay_steps") && steps_positive(self, o->t_mul, "t_mul");
}

#define METHODS(name) static const cn_schedule_methods name##_methods = { name##_at };
METHODS(exponential) METHODS(inverse_time) METHODS(piecewise) METHODS(polynomial) METHODS(cosine) METHODS(restarts)
CN_SCHEDULE(ExponentialDecay, CN_SCHEDULE_EXPONENTIAL_DECAY, .methods = &exponential_methods, .init = exponential_init)
CN_SCHEDULE(InverseTimeDecay, CN_SCHEDULE_INVERSE_TIME_DECAY, .methods = &inverse_time_methods, .init = inverse_time_init)
static const char *const piecewise_names[] = { "PiecewiseConstant", "piecewise_constant", NULL };
CN_SCHEDULE(PiecewiseConstantDecay, CN_SCHEDULE_PIECEWISE_CONSTANT_DECAY, .methods = &piecewise_methods, .init = piecewise_init, .aliases = piecewise_names)
CN_SCHEDULE(PolynomialDecay, CN_SCHEDULE_POLYNOMIAL_DECAY, .methods = &polynomial_methods, .init = polynomial_init)
CN_SCHEDULE(CosineDecay, CN_SCHEDULE_COSINE_DECAY, .methods = &cosine_methods, .init = cosine_init)
CN_SCHEDULE(CosineDecayRestarts, CN_SCHEDULE_COSINE_DECAY_RESTARTS, .methods = &restarts_methods, .init = restarts_init)

const cn_class *const cni_schedule_classes[] = {&cn_class_schedule_ExponentialDecay,
                                                &cn_class_schedule_InverseTimeDecay,
                                                &cn_class_schedule_PiecewiseConstantDecay,
                                                &cn_class_schedule_PolynomialDecay,
                                                &cn_class_schedule_CosineDecay,
                                                &cn_class_schedule_CosineDecayRestarts,
                                                NULL};

cn_object *cn_schedule_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_optim_factory.from_text(g, CN_KIND_SCHEDULE, text) : NULL; }

cn_object *cn_schedule_from_config(cn_graph *g, const char *json) {
  if (!cn_ok(g) || !json) return NULL;
  json_error_t e;
  json_t *config = json_loads(json, JSON_REJECT_DUPLICATES, &e);
  if (!config) return cn_fail(g, CN_FORMAT, "schedule_from_config: line %d, column %d: %s", e.line, e.column, e.text), NULL;
  cn_object *o = cni_optim_factory.from_json(g, CN_KIND_SCHEDULE, config);
  json_decref(config);
  return o;
}

double cn_schedule_at(const cn_object *schedule, int64_t step) {
  if (!schedule || schedule->cls->kind != CN_KIND_SCHEDULE) return NAN;
  return ((const cn_schedule_methods *)schedule->cls->methods)->at(schedule, (double)step);
}
