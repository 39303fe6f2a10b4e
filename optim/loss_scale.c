/* LossScaleOptimizer: the loss is multiplied by a scale that grows while gradients stay finite. */
#include <math.h>
#include "optimizer_private.h"

enum { COUNTER, SCALE };
typedef struct loss_scale { cn_optimizer base; cn_optimizer *inner; } loss_scale;

static const cn_optimizer_LossScaleOptimizerOptions *options(const cn_optimizer *o) { return o->object.options; }
static cn_optimizer *inner(const cn_optimizer *o) { return ((const loss_scale *)(const void *)o)->inner; }

static bool init(cn_object *self) {
  cn_optimizer_LossScaleOptimizerOptions *p = self->options;
  if (!cn_optimizer_init(self)) return false;
  cn_object *o = cni_ref_resolve(self->graph, CN_KIND_OPTIMIZER, &p->inner_optimizer, &cni_optim_factory);
  if (cn_ok(self->graph) && !o) cn_fail(self->graph, CN_VALUE, "inner_optimizer is required");
  ((loss_scale *)(void *)self)->inner = (cn_optimizer *)(void *)o;
  return o != NULL;
}

static bool own(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  cn_tensor *counter = cni_optimizer_variable(o, CN_I64, CN_SCALAR, "step_counter", 0);
  cn_tensor *scale = counter ? cni_optimizer_variable(o, CN_F32, CN_SCALAR, "dynamic_scale", options(o)->initial_scale) : NULL;
  if (!scale) return cn_free(counter), false;
  s->own[COUNTER] = counter;
  s->own[SCALE] = scale;
  return true;
}

static bool build(cn_optimizer *o, cn_tensor *const *variables, int64_t n) { return cn_optimizer_build(inner(o), variables, n); }

static double scale_of(const cn_optimizer *o) { return o->state->own[SCALE] ? (double)*(const float *)o->state->own[SCALE]->data : options(o)->initial_scale; }

static void set_state(cn_optimizer *o, int64_t counter, double scale) {
  const float value = (float)scale;
  cn_assign_data(o->state->own[COUNTER], &counter);
  cn_assign_data(o->state->own[SCALE], &value);
}

static bool all_finite(const cn_tensor *x) {
  for (int64_t i = 0; i < x->count; i++)
    if (!isfinite(x->dtype == CN_F32 ? (double)((const float *)x->data)[i] : ((const double *)x->data)[i])) return false;
  return true;
}

static bool list_finite(const cni_gradient_list *l) {
  for (int64_t i = 0; i < l->n; i++) {
    const cn_tensor *x = l->rows && l->rows[i].values ? l->rows[i].values : l->gradients ? l->gradients[i] : NULL;
    if (x && !all_finite(x)) return false;
  }
  return true;
}

static bool apply(cn_optimizer *o, const cni_gradient_list *l) {
  const int64_t counter = *(const int64_t *)o->state->own[COUNTER]->data, grow = options(o)->dynamic_growth_steps;
  const double scale = scale_of(o);
  if (!list_finite(l)) return set_state(o, 0, scale / 2), true;
  cni_gradient_list scaled;
  if (!cni_list_scaled(o->object.graph, l, 1 / scale, &scaled) || !cni_optimizer_apply(inner(o), &scaled)) return false;
  set_state(o, counter + 1 == grow ? 0 : counter + 1, counter + 1 == grow ? 2 * scale : scale);
  return true;
}

static int64_t variables(cn_optimizer *o, cn_tensor **out, int64_t capacity) { return cn_optimizer_variables(inner(o), out, capacity); }
static cn_optimizer *shown(const cn_optimizer *o) { return inner(o); }
static bool finalize(cn_optimizer *o) { return cn_optimizer_finalize(inner(o)); }

static const cni_wrapper wrapper = { build, apply, variables, shown, scale_of, finalize };
static const struct cni_optimizer_rules rules = { .build = own, .wrapper = &wrapper };
static const cn_optimizer_methods methods = { .rules = &rules };
CN_OPTIMIZER(LossScaleOptimizer, CN_OPTIMIZER_LOSS_SCALE, loss_scale, .methods = &methods, .init = init)
