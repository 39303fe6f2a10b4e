/* What models share inside the library. */
#ifndef CN_MODELS_MODEL_PRIVATE_H
#define CN_MODELS_MODEL_PRIVATE_H
#include <signal.h>
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
typedef struct cni_scored {
  cn_metric *metric; /* NULL: "accuracy", which the first batch chooses */
  char *name;
  int64_t output;
  bool weighted, by_layer /* its layer updates it */;
} cni_scored;

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

/* A fit that runs. */
typedef struct cni_fitting {
  cn_model *m;
  const cn_fit_args *a;
  cn_dataset *train, *validation, *split[2];
  int64_t batch_size, counted;   /* counted: steps of the epoch before; -1: there was none */
  int64_t epoch, step;           /* that runs, or comes next; batches of it that are done */
  bool exhausted;                /* the data has ended */
  bool validated;                /* in this epoch */
  bool interrupted;              /* by Ctrl-C */
} cni_fitting;

struct cn_model {
  cn_layer base;
  cni_compiled *compiled;
  cn_history history;
  const char **history_names;
  double *history_values;
  int64_t history_capacity;
  bool stop;                     /* a callback ends fit */
  cni_fitting *fitting;          /* while fit runs */
  struct cni_program *program;   /* of a functional model; NULL: Sequential */
  cn_layer *input;               /* of a Sequential that begins with an InputLayer */
  cn_dims at;                    /* the shape after its last layer */
  cni_map names;                 /* of a Sequential's layers */
};
struct cn_logs { cn_model *model; int64_t column; /* of the history; -1: the metrics so far */ };

/* variables.c: the weights of a model, then (if wanted) its optimizer's variables; `bytes` is what all their values take. v is the caller's, for cni_free. */
typedef struct cni_variables { cn_tensor **v; int64_t n, weights; size_t bytes; } cni_variables;
bool cni_variables_of(cn_model *m, bool slots, cni_variables *of);
void cni_variables_keep(const cni_variables *of, char *values);
void cni_variables_put(const cni_variables *of, const char *values); /* on a failed graph too */

/* interrupt.c: while Ctrl-C is caught it sets the flag. */
extern volatile sig_atomic_t cni_interrupted;
void cni_interrupt_catch(struct sigaction *before);
void cni_interrupt_leave(const struct sigaction *before);
/* dataset.c */
bool cni_dataset_restarts(const cn_dataset *d);     /* whether reset works again after samples were read */
bool cni_dataset_state(cn_dataset *d, cn_state *s); /* its position; for one that can seek */
/* files.c: makes a folder with those above it, and makes sure that files can be written there. False after an error, which begins with `what`. */
bool cni_folder_ready(cn_graph *g, const char *what, const char *folder);
extern const cn_class *const cni_callback_classes[];
cn_object *cni_callback_from_json(cn_graph *g, const json_t *config);
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
static inline cn_tensors cni_ws(const cn_batch *b) {
  return b->sample_weights.n ? b->sample_weights : (cn_tensors){ &b->sample_weight, b->sample_weight != NULL };
}
void cni_replays_drop(cni_compiled *c);
bool cni_layer_metrics(cn_model *m); /* layer_metric.c: those of layers, behind the compiled ones */
bool cni_metrics_update(cn_model *m, const cn_batch *batch, const cni_results *r);
void cni_metrics_reset(cn_model *m);
double cni_metric_value(const cn_model *m, int64_t i);   /* 0: the mean loss */
bool cni_metrics_state(cn_model *m, cn_state *s);
bool cni_optimizer_ready(cn_model *m);                   /* has slots for the trainable weights */
bool cni_not_fitting(const cn_model *m, const char *what); /* else STATE */
bool cni_ready(cn_model *m, const char *what);           /* compiled, with a loss; else an error */
cn_metric *cni_accuracy_for(cn_graph *g, const cn_tensor *y_true, const cn_tensor *y_pred);
/* Evaluates without touching the training metrics' names; the metrics' state is reset before. */
struct cni_progress;
bool cni_evaluate(cn_model *m, cn_dataset *d, int64_t batch_size, int64_t steps /* CN_NONE: all */, struct cni_progress *p /* or NULL */);
/* fit.c: options of batches, and weights by class (none where w.n is 0). */
int64_t cni_batch_size(int64_t given, const cn_dataset *d, int64_t steps);
bool cni_batch_size_ok(cn_graph *g, const char *what, const char *option, int64_t given);
bool cni_steps_ok(cn_graph *g, const char *what, const char *option, int64_t given);
bool cni_weigh_classes(cn_model *m, const char *what, cn_reals w, cn_batch *b);

/* progress.c: a bar that is drawn over itself on a terminal, plain lines elsewhere. */
typedef struct cni_progress {
  cn_graph *g;
  int64_t verbose, steps, step; /* steps < 0: not known */
  double began, first, shown;   /* seconds: of the start, the end of the first step (it alone records and allocates), the last drawing */
  bool terminal, colour;
  int width, drawn;             /* of the terminal; columns of the last bar */
  char metrics[512];            /* " - accuracy: 0.9 - loss: 0.3" of the training data */
} cni_progress;
void cni_progress_begin(cni_progress *p, cn_graph *g, int64_t verbose, int64_t steps);
void cni_progress_step(cni_progress *p, cn_model *m, int64_t step);
void cni_progress_keep(cni_progress *p, cn_model *m);           /* notes the metrics before validation overwrites them */
void cni_metrics_text(cn_model *m, const char *prefix, char *text, size_t size); /* " - accuracy: 0.9 - loss: 0.3" */
void cni_progress_end(cni_progress *p, const char *tail);

#endif
