/* Adam and its kin. */
#include <math.h>
#include "optimizer_private.h"

enum { MOMENTUM, VELOCITY, LARGEST };
static const cn_slot adam_slots[] = { { .name = "momentum" }, { .name = "velocity" }, { .name = "velocity_hat", .group = 1 }, { .name = NULL } };
static const cn_slot pair_slots[] = { { .name = "momentum" }, { .name = "velocity" }, { .name = NULL } };
static const cn_slot adamax_slots[] = { { .name = "momentum" }, { .name = "norm" }, { .name = NULL } };

/* Keras casts the betas of the bias correction through float32. */
static double left(double beta, int64_t t) { return 1 - pow((double)(float)beta, (double)t); }

static void betas(cni_update *c, const cni_entry *e, double beta_1, double beta_2, double epsilon) {
  c->slot[0] = cni_slot_data(e, 0);
  c->slot[1] = cni_slot_data(e, 1);
  c->beta_1 = beta_1;
  c->beta_2 = beta_2;
  c->epsilon = epsilon;
}

/* ---- Adam, AdamW: the same rule, their options in two orders ---- */
#define ADAM(C, id)                                                                                                                          \
  static void id##_prepare(cn_optimizer *o, cni_step *s) {                                                                                   \
    const cn_optimizer_##C##Options *p = o->object.options;                                                                                  \
    s->p[0] = s->rate * sqrt(left(p->beta_2, s->t)) / left(p->beta_1, s->t);                                                                 \
  }                                                                                                                                          \
  static cni_update_pass *id##_pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {                     \
    const cn_optimizer_##C##Options *p = o->object.options;                                                                                  \
    betas(c, e, p->beta_1, p->beta_2, p->epsilon);                                                                                           \
    c->slot[2] = cni_slot_data(e, LARGEST);                                                                                                \
    c->rate = o->state->step.p[0];                                                                                                         \
    return k->adam;                                                                                                                          \
  }                                                                                                                                          \
  static bool id##_slot(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {                                            \
    (void)variable, (void)slot;                                                                                                              \
    return i != LARGEST || ((const cn_optimizer_##C##Options *)o->object.options)->amsgrad;                                                  \
  }                                                                                                                                          \
  static const struct cni_optimizer_rules id##_rules = { .prepare = id##_prepare, .pass = id##_pass };                                       \
  static const cn_optimizer_methods id##_methods = { .slots = adam_slots, .slot = id##_slot, .rules = &id##_rules };
ADAM(Adam, adam)
ADAM(AdamW, adamw)
CN_OPTIMIZER(Adam, CN_OPTIMIZER_ADAM, cn_optimizer, .methods = &adam_methods)

static bool adamw_init(cn_object *self) {
  if (!isnan(((const cn_optimizer_AdamWOptions *)self->options)->weight_decay)) return cn_optimizer_init(self);
  cn_fail(self->graph, CN_VALUE, "weight_decay must not be None");
  return false;
}
CN_OPTIMIZER(AdamW, CN_OPTIMIZER_ADAMW, cn_optimizer, .methods = &adamw_methods, .init = adamw_init)

/* ---- Adamax ---- */
static void adamax_prepare(cn_optimizer *o, cni_step *s) { s->p[0] = left(((const cn_optimizer_AdamaxOptions *)o->object.options)->beta_1, s->t); }

static cni_update_pass *adamax_pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_AdamaxOptions *p = o->object.options;
  betas(c, e, p->beta_1, p->beta_2, p->epsilon);
  c->p[0] = o->state->step.p[0];
  return k->adamax;
}

static const struct cni_optimizer_rules adamax_rules = { .prepare = adamax_prepare, .pass = adamax_pass };
static const cn_optimizer_methods adamax_methods = { .slots = adamax_slots, .rules = &adamax_rules };
CN_OPTIMIZER(Adamax, CN_OPTIMIZER_ADAMAX, cn_optimizer, .methods = &adamax_methods)

/* ---- Nadam ---- */
static bool nadam_build(cn_optimizer *o) {
  cn_tensor *product = cni_optimizer_variable(o, CN_F32, CN_SCALAR, "variable", 1);
  if (!product) return false;
  cn_set_name(product, "variable");
  o->state->own[0] = product;
  return true;
}

static double warming(double beta, double t) { return beta * (1 - 0.5 * pow(0.96, t)); }

static void nadam_prepare(cn_optimizer *o, cni_step *s) {
  const cn_optimizer_NadamOptions *p = o->object.options;
  float *product = o->state->own[0]->data;
  const double now = warming(p->beta_1, (double)s->t), next = warming(p->beta_1, (double)s->t + 1);
  *product = (float)((double)*product * now);
  cni_touch(o->state->own[0]);
  s->p[0] = next / (1 - (double)*product * next);
  s->p[1] = (1 - now) / (1 - (double)*product);
  s->p[2] = left(p->beta_2, s->t);
}

static cni_update_pass *nadam_pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_NadamOptions *p = o->object.options;
  betas(c, e, p->beta_1, p->beta_2, p->epsilon);
  memcpy(c->p, o->state->step.p, 3 * sizeof *c->p);
  return k->nadam;
}

static const struct cni_optimizer_rules nadam_rules = { .prepare = nadam_prepare, .pass = nadam_pass, .build = nadam_build };
static const cn_optimizer_methods nadam_methods = { .slots = pair_slots, .rules = &nadam_rules };
CN_OPTIMIZER(Nadam, CN_OPTIMIZER_NADAM, cn_optimizer, .methods = &nadam_methods)
