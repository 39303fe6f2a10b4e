/* Ftrl: follow the regularized leader. */
#include "optimizer_private.h"

static const cn_slot slots[] = { { .name = "accumulator" }, { .name = "linear" }, { .name = NULL } };

static bool slot_for(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {
  (void)variable;
  if (i == 0) slot->initial = ((const cn_optimizer_FtrlOptions *)o->object.options)->initial_accumulator_value;
  return true;
}

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_FtrlOptions *p = o->object.options;
  c->slot[0] = cni_slot_data(e, 0);
  c->slot[1] = cni_slot_data(e, 1);
  c->p[0] = -p->learning_rate_power;
  c->p[1] = p->l1_regularization_strength;
  c->p[2] = p->l2_regularization_strength + p->beta / (2 * c->rate);
  c->p[3] = p->l2_shrinkage_regularization_strength;
  return k->ftrl;
}

static bool init(cn_object *self) {
  const double power = ((const cn_optimizer_FtrlOptions *)self->options)->learning_rate_power;
  if (power <= 0) return cn_optimizer_init(self);
  cn_fail(self->graph, CN_VALUE, "learning_rate_power must not be positive, got %g", power);
  return false;
}

static const struct cni_optimizer_rules rules = { .pass = pass };
static const cn_optimizer_methods methods = { .slots = slots, .slot = slot_for, .rules = &rules };
CN_OPTIMIZER(Ftrl, CN_OPTIMIZER_FTRL, cn_optimizer, .methods = &methods, .init = init)
