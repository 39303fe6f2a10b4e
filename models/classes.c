/* Objects of every kind by name: what layers knows, and losses, metrics, optimizers, schedules. */
#include "model_private.h"
#include "../optim/optimizer_private.h"

const cn_class *const cni_model_classes[] = { &cni_functional_class, &cni_sequential_class, NULL };
const cn_class_list cni_builtin_classes[] = { cni_layer_classes, cni_initializer_classes, cni_regularizer_classes, cni_constraint_classes, cni_loss_classes,
                                              cni_metric_classes, cni_optimizer_classes, cni_schedule_classes, cni_model_classes, cni_callback_classes, NULL };

static cn_object *from_text(cn_graph *g, cn_kind kind, const char *text) {
  switch (kind) {
  case CN_KIND_LOSS: return cni_object_from_text(g, kind, text, cni_loss_classes, &cni_models_factory);
  case CN_KIND_CALLBACK: return cni_object_from_text(g, kind, text, cni_callback_classes, &cni_models_factory);
  case CN_KIND_METRIC: return cni_object_from_text(g, kind, text, cni_metric_classes, &cni_models_factory);
  case CN_KIND_OPTIMIZER:
  case CN_KIND_SCHEDULE: return cni_optim_factory.from_text(g, kind, text);
  default: return cni_layers_factory.from_text(g, kind, text);
  }
}
static cn_object *from_json(cn_graph *g, cn_kind kind, const json_t *config) {
  switch (kind) {
  case CN_KIND_LOSS: return cni_object_from_json(g, kind, config, cni_loss_classes, &cni_models_factory);
  case CN_KIND_CALLBACK: return cni_callback_from_json(g, config);
  case CN_KIND_METRIC: return cni_object_from_json(g, kind, config, cni_metric_classes, &cni_models_factory);
  case CN_KIND_OPTIMIZER:
  case CN_KIND_SCHEDULE: return cni_optim_factory.from_json(g, kind, config);
  default: return cni_layers_factory.from_json(g, kind, config);
  }
}
const cni_factory cni_models_factory = { from_text, from_json };
