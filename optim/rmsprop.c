/* RMSprop. */
#include "optimizer_private.h"

enum { VELOCITY, MOMENTUM, AVERAGE };
static const cn_slot slots[] = { { .name = "velocity" }, { .name = "momentum", .group = 1 }, { .name = "average_gradient", .group = 2 }, { .name = NULL } };

static bool has_slot(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {
  const cn_optimizer_RMSpropOptions *p = o->object.options;
  (void)variable, (void)slot;
  return i == VELOCITY || (i == MOMENTUM ? p->momentum > 0 : p->centered);
}

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_RMSpropOptions *p = o->object.options;
  c->slot[0] = cni_slot_data(e, VELOCITY);
  c->slot[1] = cni_slot_data(e, AVERAGE);
  c->slot[2] = cni_slot_data(e, MOMENTUM);
  c->beta_1 = p->momentum;
  c->beta_2 = p->rho;
  c->epsilon = p->epsilon;
  return k->rmsprop;
}

static const struct cni_optimizer_rules rules = { .pass = pass };
static const cn_optimizer_methods methods = { .slots = slots, .slot = has_slot, .rules = &rules };
CN_OPTIMIZER(RMSprop, CN_OPTIMIZER_RMSPROP, cn_optimizer, .methods = &methods)
