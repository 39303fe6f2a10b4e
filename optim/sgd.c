/* Gradient descent. */
#include "optimizer_private.h"

static const cn_slot slots[] = { { .name = "momentum" }, { .name = NULL } };

static double momentum_of(const cn_optimizer *o) { return ((const cn_optimizer_SGDOptions *)o->object.options)->momentum; }

static bool has_slot(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {
  return (void)i, (void)variable, (void)slot, momentum_of(o) != 0;
}

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  if (!e->slot[0]) return k->sgd;
  c->slot[0] = cni_slot_data(e, 0);
  c->beta_1 = momentum_of(o);
  c->nesterov = ((const cn_optimizer_SGDOptions *)o->object.options)->nesterov;
  return k->sgd_momentum;
}

static bool rows_only(const cn_optimizer *o) { return momentum_of(o) == 0; }

static const struct cni_optimizer_rules rules = { .pass = pass, .rows_only = rows_only, .sums = true };
static const cn_optimizer_methods methods = { .slots = slots, .slot = has_slot, .rules = &rules };
CN_OPTIMIZER(SGD, CN_OPTIMIZER_SGD, cn_optimizer, .methods = &methods)
