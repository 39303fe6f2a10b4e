/* Lamb: Adam's direction, scaled layer by layer to the weights' norm. */
#include <math.h>
#include "optimizer_private.h"

static const cn_slot slots[] = { { .name = "momentum" }, { .name = "velocity" }, { .name = NULL } };

static bool update(cn_optimizer *o, const cn_update *u) {
  const cn_optimizer_LambOptions *p = o->object.options;
  cn_graph *g = o->object.graph;
  const cni_entry *e = cni_entry_of(o, u->variable);
  cn_tensor *direction = cni_tensor_new(g, e->dtype, &u->variable->dims, false);
  if (!direction) return false;
  cni_update c = CNI_UPDATE_INIT;
  c.p[0] = 1 - pow((double)(float)p->beta_1, (double)u->step);
  c.p[1] = 1 - pow((double)(float)p->beta_2, (double)u->step);
  c.w = u->variable->data;
  c.g = u->gradient->data;
  c.squares = u->squares ? u->squares->data : NULL;
  c.slot[0] = u->slots[0]->data;
  c.slot[1] = u->slots[1]->data;
  c.slot[2] = direction->data;
  c.beta_1 = p->beta_1;
  c.beta_2 = p->beta_2;
  c.epsilon = p->epsilon;
  cni_parallel(g, e->count, CNI_GRAIN, cni_kernels_for(g, e->dtype)->lamb, &c);
  const double w = sqrt(cni_sum_squares(g, u->variable->data, e->count, e->dtype)), d = sqrt(cni_sum_squares(g, direction->data, e->count, e->dtype));
  cni_update step = CNI_UPDATE_INIT;
  step.w = u->variable->data;
  step.g = direction->data;
  step.rate = u->learning_rate * (w > 0 && d > 0 ? w / d : 1);
  cni_parallel(g, e->count, CNI_GRAIN, cni_kernels_for(g, e->dtype)->sgd, &step);
  return true;
}

static const cn_optimizer_methods methods = { .slots = slots, .update = update };
CN_OPTIMIZER(Lamb, CN_OPTIMIZER_LAMB, cn_optimizer, .methods = &methods)
