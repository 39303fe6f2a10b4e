/* Schedule-free AdamW: the variable is an interpolation between the fast iterate z and its average. */
#include <math.h>
#include "optimizer_private.h"

static const cn_slot slots[] = { { .name = "momentum", .copies = true }, { .name = "velocity" }, { .name = NULL } };

static void prepare(cn_optimizer *o, cni_step *s) {
  const cn_optimizer_ScheduleFreeAdamWOptions *p = o->object.options;
  const double t = (double)s->t, warmup = (double)p->warmup_steps;
  s->p[0] = 1 - pow((double)(float)p->beta_2, t);
  s->p[1] = 1 / t;
  s->p[2] = warmup > 0 && t < warmup ? s->rate * t / warmup : s->rate;
}

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_ScheduleFreeAdamWOptions *p = o->object.options;
  c->slot[0] = cni_slot_data(e, 0);
  c->slot[1] = cni_slot_data(e, 1);
  c->beta_1 = p->beta_1;
  c->beta_2 = p->beta_2;
  c->epsilon = p->epsilon;
  c->rate = o->state->step.p[2];
  c->p[0] = o->state->step.p[0];
  c->p[1] = o->state->step.p[1];
  return k->schedule_free;
}

static bool init(cn_object *self) {
  const double beta = ((const cn_optimizer_ScheduleFreeAdamWOptions *)self->options)->beta_1;
  if (beta > 0) return cn_optimizer_init(self);
  cn_fail(self->graph, CN_VALUE, "beta_1 must be positive, got %g", beta);
  return false;
}

static const struct cni_optimizer_rules rules = { .prepare = prepare, .pass = pass };
static const cn_optimizer_methods methods = { .slots = slots, .rules = &rules };
CN_OPTIMIZER(ScheduleFreeAdamW, CN_OPTIMIZER_SCHEDULE_FREE_ADAMW, cn_optimizer, .methods = &methods, .init = init)
