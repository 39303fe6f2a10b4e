/* Lion: the sign of an interpolated momentum. */
#include "optimizer_private.h"

static const cn_slot slots[] = { { .name = "momentum" }, { .name = NULL } };

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_LionOptions *p = o->object.options;
  c->slot[0] = cni_slot_data(e, 0);
  c->beta_1 = p->beta_1;
  c->beta_2 = p->beta_2;
  return k->lion;
}

static bool init(cn_object *self) {
  const double beta = ((const cn_optimizer_LionOptions *)self->options)->beta_1;
  if (beta > 0) return cn_optimizer_init(self);
  cn_fail(self->graph, CN_VALUE, "beta_1 must be positive, got %g", beta);
  return false;
}

static const struct cni_optimizer_rules rules = { .pass = pass, .sums = true };
static const cn_optimizer_methods methods = { .slots = slots, .rules = &rules };
CN_OPTIMIZER(Lion, CN_OPTIMIZER_LION, cn_optimizer, .methods = &methods, .init = init)
