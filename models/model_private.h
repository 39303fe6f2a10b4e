/* What models share inside the library. */
#ifndef CN_MODELS_MODEL_PRIVATE_H
#define CN_MODELS_MODEL_PRIVATE_H
#include "../core/map_private.h"
#include "../layers/input.h"
#include "../layers/layer_private.h"
#include "../optim/optim.h"
#include "metric.h"
#include "model.h"

/* Every kind of object that the library knows. */
extern const cni_factory cni_models_factory;
extern const cn_class cni_sequential_class, cni_functional_class;
extern const cn_class *const cni_model_classes[];
extern const cn_class *const cni_loss_classes[], *const cni_metric_classes[];

/* A model: a layer whose sub-layers are called one after the other, and what compile added. */
typedef struct cni_compiled {
  cn_optimizer *optimizer;
  bool owns_optimizer;
  cn_ref loss;                   /* resolved */
  cn_object *owned_loss;
  cn_metric **metrics;           /* after "loss" */
  char **names;                  /* as they are reported */
  int64_t count, capacity;
  uint32_t trainables;           /* the graph's count when the optimizer was last told of the variables */
  double loss_total, loss_count; /* of the epoch: sum of loss * samples */
  cn_tensor *loss_value;         /* variable of rank 0: the last step's */
  struct cni_replays *replays;   /* replays.c */
} cni_compiled;

struct cn_model {
  cn_layer base;
  cni_compiled *compiled;
  cn_history history;
  const char **history_names;
  double *history_values;
  int64_t history_capacity;
  struct cni_program *program;   /* of a functional model; NULL: Sequential */
  cn_layer *input;               /* of a Sequential that begins with an InputLayer */
  cn_dims at;                    /* the shape after its last layer */
  cni_map names;                 /* of a Sequential's layers */
};
void cni_model_finish(cn_object *self);
const char *cni_layer_shape_text(cn_model *m, int64_t i, char *text, size_t size); /* of layer i's outputs, as the summary has it */

void cni_compiled_free(cn_model *m);
/* One training step on a batch: forward, loss with penalties, backward with the update. Returns the loss tensor (a step tensor), and the predictions. */
cn_tensor *cni_train_step(cn_model *m, const cn_batch *batch, cn_tensor **y_pred);
cn_tensor *cni_recorded_step(cn_model *m, const cn_batch *batch, cn_tensor **y_pred); /* the same, never from a replay */
void cni_replays_drop(cni_compiled *c);
bool cni_metrics_update(cn_model *m, const cn_batch *batch, cn_tensor *y_pred, double loss);
void cni_metrics_reset(cn_model *m);
double cni_metric_value(const cn_model *m, int64_t i);   /* 0: the mean loss */
bool cni_ready(cn_model *m, const char *what);           /* compiled, with a loss; else an error */
cn_metric *cni_accuracy_for(cn_graph *g, const cn_tensor *y_true, const cn_tensor *y_pred);
/* Evaluates without touching the training metrics' names; the metrics' state is reset before. */
bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size);

/* progress.c: a bar that is drawn over itself on a terminal, plain lines elsewhere. */
typedef struct cni_progress {
  cn_graph *g;
  int64_t verbose, steps, step; /* steps < 0: not known */
  double began, shown;          /* seconds */
  bool terminal;
  int width, drawn;             /* of the terminal; columns of the last bar */
  char metrics[512];            /* " - accuracy: 0.9 - loss: 0.3" of the training data */
} cni_progress;
void cni_progress_begin(cni_progress *p, cn_graph *g, int64_t verbose, int64_t steps);
void cni_progress_step(cni_progress *p, cn_model *m, int64_t step);
void cni_progress_keep(cni_progress *p, cn_model *m);           /* notes the metrics before validation overwrites them */
void cni_metrics_text(cn_model *m, const char *prefix, char *text, size_t size); /* " - accuracy: 0.9 - loss: 0.3" */
void cni_progress_end(cni_progress *p, const char *tail);

#endif
