/* Models: Sequential (functional models share the same base), compile, fit, evaluate, predict. */
#ifndef CN_MODELS_MODEL_H
#define CN_MODELS_MODEL_H
#include "../layers/layers.h"
#include "../optim/optim.h"
#include "callback.h"
#include "dataset.h"
#include "loss.h"
#include "metric.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sequential ---- */
/* An empty stack of layers. `name` NULL: sequential, sequential_1, ... A model is a layer too: cn_model_layer. */
CN_API cn_model *cn_Sequential(cn_graph *g, const char *name);
/* Appends a layer. An InputLayer may come first: then each layer is built as it is added. Else refused once the model has been built. Returns the model. */
CN_API cn_model *cn_push(cn_model *m, cn_layer *l);
CN_API cn_layer *cn_model_layer(cn_model *m);
CN_API int64_t cn_model_layers(cn_model *m);
CN_API cn_layer *cn_model_layer_at(cn_model *m, int64_t i);
/* Builds the weights for an input shape with the batch axis (its size may be CN_UNKNOWN). Also done by the first call, fit or predict. */
CN_API bool cn_model_build(cn_model *m, const cn_dims *input);
/* Frees a model with its layers, weights, compiled state. */
CN_API void cn_model_free(cn_model *m);

/* ---- functional models ---- */
#define CN_MODEL(X, S)                                                                                                                          \
  X(S, cn_tensors, inputs, { 0 }, ANY, "symbolic tensors: of cn_Input, or from within a graph, which is cut there")                             \
  X(S, cn_tensors, outputs, { 0 }, ANY, "symbolic tensors made from them")                                                                      \
  X(S, const char *, name, NULL, ANY, "default: functional, functional_1, ...")                                                                 \
  X(S, bool, trainable, true, ANY, "whether the weights are updated")                                                                           \
  X(S, cn_strings, input_keys, { 0 }, ANY, "names of the inputs where data comes as a dict")                                                    \
  X(S, cn_strings, output_keys, { 0 }, ANY, "names of the outputs, for losses and metrics; default: those of the layers that made them")
typedef struct cn_model_args { cn_graph *graph; CN_MODEL(CN_FIELD_, ) } cn_model_args;
/* The layers' calls and operations between inputs and outputs as a model, which is a layer too. The layers are shared with whatever else uses them.
 * cn_model_layers counts them in Keras' order: by their depth, then as a walk back from the outputs meets them, InputLayers included; the weights follow it.
 * VALUE if an output depends on an input that is not given, or two layers have one name. Keras' Model(inputs, outputs). */
CN_API cn_model *cn_model_run(const cn_model_args *args);
CN_API int64_t cn_model_inputs(const cn_model *m);                      /* 0: a Sequential */
CN_API int64_t cn_model_outputs(const cn_model *m);
CN_API cn_tensor *cn_model_input(const cn_model *m, int64_t i);         /* the symbolic tensor; NULL if there is none */
CN_API cn_tensor *cn_model_output(const cn_model *m, int64_t i);
/* A model (or any model nested in it) from Keras' JSON {"class_name": "Sequential" or "Functional", "config", ...}; layers that the config says are built get
 * new weights. FORMAT where it is not such a config. */
CN_API cn_model *cn_model_from_config(cn_graph *g, const char *json);
/* Keras' JSON of a model. Owned by the graph, until the next reset. */
CN_API const char *cn_model_config(cn_model *m);
/* A model of the same layers and connections with weights of its own, newly initialized. Keras' clone_model. */
CN_API cn_model *cn_clone_model(cn_model *m);
#ifndef __cplusplus
/* cn_Model(g, CN_TENSORS(a, b), CN_TENSORS(y), .name = "m") */
#define cn_Model(...) CN_WITH_OPTIONS_(cn_model *, cn_model_args, CN_MODEL, cn_model_run, __VA_ARGS__)
#endif

/* ---- compile ---- */
#define CN_COMPILE(X, S)                                                                                                                        \
  X(S, cn_ref, optimizer, CN_NAME("rmsprop"), OPTIMIZER, "\"adam(1e-3)\" or an object")                                                         \
  X(S, cn_ref, loss, CN_NONE_REF, LOSS, "\"mse\", \"sparse_categorical_crossentropy(from_logits=true)\", an object, or .fn2 of (g, y_true, y_pred)") \
  X(S, const char *, metrics, NULL, ANY, "names separated by commas: \"accuracy, mae\"")                                                        \
  X(S, cn_reals, loss_weights, { 0 }, ANY, "one for each output")                                                                               \
  X(S, const char *, weighted_metrics, NULL, ANY, "as metrics; they take the sample weights")                                                   \
  X(S, cn_strings, losses, { 0 }, ANY, "of several outputs, one for each: \"mse\", \"\" for none; or by name: \"b: mse\"; instead of loss, which serves all outputs") \
  X(S, cn_strings, output_metrics, { 0 }, ANY, "of several outputs: \"accuracy, mae\", or by name: \"b: mae\"")                                 \
  X(S, cn_strings, output_weighted_metrics, { 0 }, ANY, "likewise, with the sample weights")
typedef struct cn_compile_args { cn_graph *graph; cn_model *model; CN_COMPILE(CN_FIELD_, ) } cn_compile_args;
CN_API bool cn_compile_run(const cn_compile_args *args);
CN_API void cn_compile_args_init(cn_compile_args *args, size_t size); /* every default, for C++ and bindings; size: sizeof *args */
/* The same from Keras' compile_config {"optimizer", "loss", "loss_weights", "metrics", "weighted_metrics"}: values, lists or dicts by output. */
CN_API bool cn_compile_from_config(cn_model *m, const char *json);
/* Adds a metric object after compile (of the first output). */
CN_API bool cn_add_metric(cn_model *m, cn_metric *metric);
/* Inside a layer's call: the mean of the values under that name is shown by models with the layer, behind their own metrics, and begins anew with theirs. On
 * symbolic tensors the name alone is noted; models see the names that are there when they are compiled. tf.keras' Layer.add_metric. False after an error. */
CN_API bool cn_layer_add_metric(cn_layer *l, const char *name, cn_tensor *value);
CN_API cn_optimizer *cn_model_optimizer(cn_model *m);

/* ---- train, evaluate, predict ---- */
#define CN_FIT(X, S)                                                                                                                            \
  X(S, int64_t, epochs, 1, NONNEGATIVE, "last epoch's number")                                                                                  \
  X(S, int64_t, initial_epoch, 0, NONNEGATIVE, "epoch to start at")                                                                             \
  X(S, int64_t, batch_size, CN_NONE, NONNEGATIVE, "samples a step; the last batch may be smaller; None or 0: 32, or with steps_per_epoch what makes so many of the samples") \
  X(S, bool, shuffle, true, ANY, "a new order of the samples each epoch")                                                                       \
  X(S, double, validation_split, 0.0, FRACTION, "this share of the samples, the last ones, is kept for validation")                             \
  X(S, int64_t, validation_freq, 1, POSITIVE, "epochs between validations")                                                                     \
  X(S, int64_t, steps_per_epoch, CN_NONE, POSITIVE, "None: the whole data set. Else the next epoch goes on where this one ended, from the start where the samples ran out; what runs once ends fit") \
  X(S, int64_t, validation_batch_size, CN_NONE, POSITIVE, "None: batch_size")                                                                   \
  X(S, int64_t, validation_steps, CN_NONE, POSITIVE, "None: the whole of the validation data")                                                  \
  X(S, cn_reals, class_weight, { 0 }, ANY, "weights of the samples by class 0, 1, ...: of y's largest value along a last axis > 1, else y rounded; further classes weigh 1") \
  X(S, int64_t, verbose, 1, ANY, "0 silent, 1 progress bar (plain lines when the output is no terminal), 2 a line an epoch")                    \
  X(S, cn_ints, validation_epochs, CN_NONE_INTS, ANY, "instead of validation_freq: the epochs, from 1, after which is validated")               \
  X(S, bool, stop_on_interrupt, false, ANY, "Ctrl-C (SIGINT) ends fit after the batch that runs, without validation: weights, history and a backup are kept. A second one ends the program. For one fit at a time in a process")
typedef struct cn_fit_args {
  cn_graph *graph;
  cn_model *model;
  cn_dataset *data;
  CN_FIT(CN_FIELD_, ) cn_dataset *validation_data;
  cn_callbacks callbacks;
} cn_fit_args;
/* What fit recorded: values[k * epochs + e] of name k in epoch e. NaN where it was not computed. Owned by the model, until the next fit. */
typedef struct cn_history {
  int64_t epochs, names_count;
  const char *const *names;
  const double *values;
  int64_t initial_epoch; /* the number of epoch 0 here */
} cn_history;
CN_API const cn_history *cn_fit_run(const cn_fit_args *args);
CN_API void cn_fit_args_init(cn_fit_args *args, size_t size);         /* the same */
/* One value of a history; NaN if there is none. epoch may be negative (from the end). */
CN_API double cn_history_at(const cn_history *h, const char *name, int64_t epoch);

/* One optimizer step on a batch; returns the loss, penalties included (NaN on failure). y may be NULL for a loss that needs none. sample_weight may be NULL.
 * Ends the step (cn_graph_reset). */
CN_API double cn_train_on_batch(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight);
/* The same for several inputs and targets: the batch's xs, ys and sample_weights. */
CN_API double cn_train_on_lists(cn_model *m, const cn_batch *batch);
/* The same, but the loss is not read back: it is a variable that the model owns, readable with cn_item until the next step. */
CN_API cn_tensor *cn_train_step(cn_model *m, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight);
/* One optimizer step on a batch, and the values of this batch alone: loss, losses of the outputs, metrics (cn_metric_name_at), by the weights before the step.
 * Writes at most `capacity`; returns how many there are, -1 on failure. class_weight as in fit; none where its n is 0. Keras' train_on_batch. Ends the step;
 * the running values of a fit that is under way begin anew. */
CN_API int64_t cn_train_on_batch_values(cn_model *m, const cn_batch *batch, cn_reals class_weight, double *values, int64_t capacity);
/* The same without the step, as evaluate sees the batch. Keras' test_on_batch. */
CN_API int64_t cn_test_on_batch(cn_model *m, const cn_batch *batch, double *values, int64_t capacity);
/* Loss, then the metrics, on a data set. Writes at most `capacity` values; returns how many there are (-1 on failure). Names: cn_metric_name_at. */
CN_API int64_t cn_evaluate(cn_model *m, cn_dataset *data, int64_t batch_size, double *values, int64_t capacity);
#define CN_EVALUATE(X, S)                                                                                                                       \
  X(S, int64_t, batch_size, CN_NONE, NONNEGATIVE, "samples a batch; None or 0: 32, or with steps what makes so many of the samples")            \
  X(S, int64_t, steps, CN_NONE, POSITIVE, "batches; None: the whole data set")                                                                  \
  X(S, int64_t, verbose, 0, ANY, "as in fit")
typedef struct cn_evaluate_args {
  cn_graph *graph;
  cn_model *model;
  cn_dataset *data;
  double *values;
  int64_t capacity;
  CN_EVALUATE(CN_FIELD_, )
} cn_evaluate_args;
/* The same with options: cn_evaluate_with(m, data, values, capacity, .steps = 10, .verbose = 1). */
CN_API int64_t cn_evaluate_run(const cn_evaluate_args *args);
CN_API void cn_evaluate_args_init(cn_evaluate_args *args, size_t size); /* every default */
CN_API const char *cn_metric_name_at(cn_model *m, int64_t i);   /* 0: "loss" */
/* Outputs of the model for every row of x, batch by batch, without recording; a persistent tensor (cn_free it). */
CN_API cn_tensor *cn_predict(cn_model *m, cn_tensor *x, int64_t batch_size);
/* The same for several inputs and outputs: every output, persistent, goes to outputs (room for cn_model_outputs, 1 for a Sequential). */
CN_API bool cn_predict_lists(cn_model *m, cn_tensors x, int64_t batch_size, cn_tensor **outputs);
/* The same in one batch. */
CN_API cn_tensor *cn_predict_on_batch(cn_model *m, cn_tensor *x);
/* Outputs of the model (step tensors, gone after the call) for a batch of a data set; false ends the prediction: early, or failed where the graph has an error.
 */
typedef bool (*cn_predicted)(cn_tensor *const *outputs, int64_t n, const cn_batch *batch, void *user);
/* Predicts a data set (its targets are not used) batch by batch, each handed to `each`: never more memory than a batch. batch_size 0 or CN_NONE: 32; steps:
 * batches, CN_NONE: all. False on failure. */
CN_API bool cn_predict_each(cn_model *m, cn_dataset *data, int64_t batch_size, int64_t steps, cn_predicted each, void *user);
/* The same into outputs, persistent, as cn_predict_lists does. */
CN_API bool cn_predict_dataset(cn_model *m, cn_dataset *data, int64_t batch_size, int64_t steps, cn_tensor **outputs);
/* The same for one batch into the caller's array of `count` floats; false on failure. */
CN_API bool cn_predict_into(cn_model *m, cn_tensor *x, float *out, int64_t count);
#define CN_SUMMARY(X, S)                                                                                                                        \
  X(S, int64_t, line_length, CN_NONE, ANY, "columns; None: 76")                                                                                 \
  X(S, bool, expand_nested, false, ANY, "the layers of models within the model too")                                                            \
  X(S, bool, show_trainable, false, ANY, "a column that says which layers are trained")
typedef struct cn_summary_args { cn_model *model; CN_SUMMARY(CN_FIELD_, ) } cn_summary_args;
/* Prints Keras' table of layers, output shapes, parameter counts and, for functional models, connections, through the graph's output callback. */
CN_API void cn_summary_run(const cn_summary_args *args);
CN_API void cn_summary_args_init(cn_summary_args *args, size_t size); /* every default */
#ifndef __cplusplus
/* cn_summary(m, .expand_nested = true) */
#define cn_summary(...)                                                                                                               \
  do {                                                                                                                                \
    CN_QUIET_ const cn_summary_args cn_o_ = { CN_SUMMARY(CN_DEFAULT_, ) .model = __VA_ARGS__ };                                       \
    cn_summary_run(&cn_o_);                                                                                                           \
    CN_LOUD_                                                                                                                          \
  } while (0)
#endif

/* The model's layers and operations, what they give, and what goes from one to the other, as text in DOT (Graphviz). Owned by the graph, until the next reset.
 */
CN_API const char *cn_plot_model(cn_model *m);
/* The same drawn, as text of an SVG file: each box stands in a row below what feeds it. */
CN_API const char *cn_plot_model_svg(cn_model *m);

/* ---- files ---- */
/* The weights by name ("mlp/dense/kernel") as safetensors. Written to a temporary file and renamed. */
CN_API bool cn_save_weights(cn_model *m, const char *path);
/* The model's config, as metadata "config", and the weights in one file of the same kind. */
CN_API bool cn_save(cn_model *m, const char *path);
/* A model like the one that was saved, not compiled; NULL after an error. */
CN_API cn_model *cn_load_model(cn_graph *g, const char *path);
/* Reads them back: names, shapes and dtypes must match all weights of the (built) model, else nothing is changed. */
CN_API bool cn_load_weights(cn_model *m, const char *path);

#ifndef __cplusplus
#define cn_compile(m, ...)                                                                                                            \
  __extension__({                                                                                                                     \
    CN_QUIET_ const cn_compile_args cn_o_ = { CN_COMPILE(CN_DEFAULT_, ) .model = (m), __VA_ARGS__ };                                  \
    bool cn_r_ = cn_compile_run(&cn_o_);                                                                                              \
    CN_LOUD_ cn_r_;                                                                                                                   \
  })
#define cn_evaluate_with(m, ...)                                                                                                      \
  __extension__({                                                                                                                     \
    CN_QUIET_ const cn_evaluate_args cn_o_ = { .model = (m), CN_EVALUATE(CN_DEFAULT_, ) .data = __VA_ARGS__ };                        \
    const int64_t cn_r_ = cn_evaluate_run(&cn_o_);                                                                                    \
    CN_LOUD_ cn_r_;                                                                                                                   \
  })
#define cn_fit(m, ...)                                                                                                                \
  __extension__({                                                                                                                     \
    CN_QUIET_ const cn_fit_args cn_o_ = { .model = (m), CN_FIT(CN_DEFAULT_, ) .validation_data = NULL, .data = __VA_ARGS__ };         \
    const cn_history *cn_r_ = cn_fit_run(&cn_o_);                                                                                     \
    CN_LOUD_ cn_r_;                                                                                                                   \
  })
#endif

#ifdef __cplusplus
}
#endif
#endif
