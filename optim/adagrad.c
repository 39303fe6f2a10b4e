/* Adagrad and Adadelta. */
#include "optimizer_private.h"

/* ---- Adagrad ---- */
static const cn_slot adagrad_slots[] = { { .name = "accumulator" }, { .name = NULL } };

static bool adagrad_slot(const cn_optimizer *o, int i, const cn_tensor *variable, cn_slot *slot) {
  (void)i, (void)variable;
  slot->initial = ((const cn_optimizer_AdagradOptions *)o->object.options)->initial_accumulator_value;
  return true;
}

static cni_update_pass *adagrad_pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  c->slot[0] = cni_slot_data(e, 0);
  c->epsilon = ((const cn_optimizer_AdagradOptions *)o->object.options)->epsilon;
  return k->adagrad;
}

/* A row with a zero gradient does not change: 0 / sqrt(a + epsilon) is 0 unless both are 0. */
static bool adagrad_rows_only(const cn_optimizer *o) { return ((const cn_optimizer_AdagradOptions *)o->object.options)->epsilon > 0; }

static const struct cni_optimizer_rules adagrad_rules = { .pass = adagrad_pass, .rows_only = adagrad_rows_only };
static const cn_optimizer_methods adagrad_methods = { .slots = adagrad_slots, .slot = adagrad_slot, .rules = &adagrad_rules };
CN_OPTIMIZER(Adagrad, CN_OPTIMIZER_ADAGRAD, cn_optimizer, .methods = &adagrad_methods)

/* ---- Adadelta ---- */
static const cn_slot adadelta_slots[] = { { .name = "accumulated_grad" }, { .name = "accumulated_delta_var" }, { .name = NULL } };

static cni_update_pass *adadelta_pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_AdadeltaOptions *p = o->object.options;
  c->slot[0] = cni_slot_data(e, 0);
  c->slot[1] = cni_slot_data(e, 1);
  c->beta_2 = p->rho;
  c->epsilon = p->epsilon;
  return k->adadelta;
}

static const struct cni_optimizer_rules adadelta_rules = { .pass = adadelta_pass };
static const cn_optimizer_methods adadelta_methods = { .slots = adadelta_slots, .rules = &adadelta_rules };
CN_OPTIMIZER(Adadelta, CN_OPTIMIZER_ADADELTA, cn_optimizer, .methods = &adadelta_methods)
