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

/* One output, as compile sees it. */
typedef struct cni_output {
  const char *name;              /* the model's */
  cn_ref loss;                   /* resolved; empty: none */
  cn_object *owned;
  double weight;
  double total, count;           /* of the epoch: sum of its loss * samples, before the weight */
} cni_output;
typedef struct cni_scored { cn_metric *metric; /* NULL: "accuracy", which the first batch chooses */ char *name; int64_t output; bool weighted, by_layer /* its layer updates it */; } cni_scored;

/* What compile adds to a model. */
typedef struct cni_compiled {
  cn_optimizer *optimizer;
  bool owns_optimizer;
  cni_output outputs[CN_LAYER_OUTPUTS];
  int64_t outputs_count, losses_count /* outputs that have one */;
  cni_scored *metrics;           /* unweighted ones first */
  int64_t count, capacity;
  char **tracked;                /* "a_loss", of the outputs with a loss, where there are several */
  uint32_t trainables;           /* the graph's count when the optimizer was last told of the variables */
  double loss_total, loss_count; /* of the epoch: sum of loss * samples */
  cn_tensor *loss_value;         /* variable of rank 0: the last step's */
  struct cni_replays *replays;   /* replays.c */
} cni_compiled;

/* What a step leaves: the loss with penalties, each output's loss where there are several (else NULL), the predictions. */
typedef struct cni_results { cn_tensor *loss, *losses[CN_LAYER_OUTPUTS], *y[CN_LAYER_OUTPUTS + 1]; int64_t outputs; } cni_results;

struct cn_model {
  cn_layer base;
  cni_compiled *compiled;
  cn_history history;
  const char **history_names;
  double *history_values;
  int64_t history_capacity;
  bool stop;                     /* a callback ends fit */
  struct cni_program *program;   /* of a functional model; NULL: Sequential */
  cn_layer *input;               /* of a Sequential that begins with an InputLayer */
  cn_dims at;                    /* the shape after its last layer */
  cni_map names;                 /* of a Sequential's layers */
};
struct cn_logs { cn_model *model; int64_t column; /* of the history; -1: the metrics so far */ };
int64_t cni_log_find(const cn_logs *logs, const char *name); /* -1: there is none */
extern const cn_class *const cni_callback_classes[];
void cni_model_finish(cn_object *self);
const char *cni_layer_shape_text(cn_model *m, int64_t i, char *text, size_t size); /* of layer i's outputs, as the summary has it */

void cni_compiled_free(cn_model *m);
/* outputs.c */
int64_t cni_outputs_of(const cn_model *m);                                   /* how many */
bool cni_outputs_begin(cn_model *m, cni_compiled *c);                        /* names them */
bool cni_outputs_from_args(cn_model *m, cni_compiled *c, const cn_compile_args *a);
bool cni_outputs_from_json(cn_model *m, cni_compiled *c, const json_t *config);
bool cni_metric_add(cn_model *m, cni_compiled *c, cn_metric *metric, const char *name, int64_t output, bool weighted); /* takes the metric over */
void cni_outputs_free(cn_graph *g, cni_compiled *c);
int64_t cni_values_count(const cn_model *m);                                 /* loss, losses of the outputs, metrics */

/* One training step on a batch: forward, loss with penalties, backward with the update. */
bool cni_train_step(cn_model *m, const cn_batch *batch, cni_results *r);
bool cni_recorded_step(cn_model *m, const cn_batch *batch, cni_results *r); /* the same, never from a replay */
bool cni_forward(cn_model *m, const cn_batch *batch, bool training, cni_results *r); /* predictions and losses */
static inline cn_tensors cni_xs(const cn_batch *b) { return b->xs.n ? b->xs : (cn_tensors){ &b->x, 1 }; }
static inline cn_tensors cni_ys(const cn_batch *b) { return b->ys.n ? b->ys : (cn_tensors){ &b->y, b->y != NULL }; }
static inline cn_tensors cni_ws(const cn_batch *b) { return b->sample_weights.n ? b->sample_weights : (cn_tensors){ &b->sample_weight, b->sample_weight != NULL }; }
void cni_replays_drop(cni_compiled *c);
bool cni_layer_metrics(cn_model *m); /* layer_metric.c: those of layers, behind the compiled ones */
bool cni_metrics_update(cn_model *m, const cn_batch *batch, const cni_results *r);
void cni_metrics_reset(cn_model *m);
double cni_metric_value(const cn_model *m, int64_t i);   /* 0: the mean loss */
bool cni_ready(cn_model *m, const char *what);           /* compiled, with a loss; else an error */
cn_metric *cni_accuracy_for(cn_graph *g, const cn_tensor *y_true, const cn_tensor *y_pred);
/* Evaluates without touching the training metrics' names; the metrics' state is reset before. */
bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size, int64_t steps /* CN_NONE: all */);

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
