/* Callbacks: what happens around the epochs and batches of fit. */
#ifndef CN_MODELS_CALLBACK_H
#define CN_MODELS_CALLBACK_H
#include "metric.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values of an epoch (or, in batch hooks, of the batches of the epoch so far) by the names of the history: "loss", "accuracy", "val_loss". */
typedef struct cn_logs cn_logs;
/* NaN where there is no such value. */
CN_API double cn_log_at(const cn_logs *logs, const char *name);
CN_API bool cn_log_has(const cn_logs *logs, const char *name);

typedef struct cn_callback cn_callback;
/* The hooks of a callback, each may be NULL. One that returns false has failed (with an error of the graph), which ends fit. */
typedef struct cn_callback_methods {
  bool (*train_begin)(cn_callback *c);
  bool (*train_end)(cn_callback *c);
  bool (*epoch_begin)(cn_callback *c, int64_t epoch);
  bool (*epoch_end)(cn_callback *c, int64_t epoch, cn_logs *logs);
  bool (*batch_begin)(cn_callback *c, int64_t batch);
  bool (*batch_end)(cn_callback *c, int64_t batch, cn_logs *logs);
  const char *log;      /* a value that the callback adds to the history with cn_log_put in epoch_end, or NULL */
  bool (*begun)(cn_callback *c);                                    /* when every callback's train_begin has run */
  bool (*settled)(cn_callback *c, int64_t epoch,
                  int64_t batches); /* when every callback's batch_end or epoch_end has run: how many epochs, and batches of the next one, are behind */
  bool (*state)(cn_callback *c, cn_state *s);                       /* what it keeps from batch to batch and epoch to epoch, for a backup of the training */
} cn_callback_methods;
/* The head of every callback. */
struct cn_callback { cn_object object; cn_model *model; /* that is being fitted */ const cn_callback_methods *methods; void *user; };

/* A callback of the user's own. `methods` must outlive it; user is handed on. NULL on failure; owned by the graph. */
CN_API cn_callback *cn_callback_new(cn_graph *g, const cn_callback_methods *methods, void *user);
/* The value that methods->log names. False, a STATE error, outside epoch_end or for another name. */
CN_API bool cn_log_put(cn_logs *logs, const char *name, double value);
/* Ends fit after this batch (in batch hooks) or epoch. */
CN_API void cn_stop_training(cn_model *m);

/* The rate of each epoch: rate(epoch, rate so far, user), set before the epoch begins and kept in the history as "learning_rate". Keras' LearningRateScheduler.
 */
typedef double (*cn_rate_function)(int64_t epoch, double rate, void *user);
CN_API cn_callback *cn_callback_LearningRateScheduler(cn_graph *g, cn_rate_function rate, void *user);

/* `mode` auto: "loss" and errors fall, accuracies and the like rise; for a name that is no metric of the model a VALUE error at the first epoch. */
#define CN_CALLBACK_EARLY_STOPPING(X, S)                                                                                   \
  X(S, const char *, monitor, "val_loss", ANY, "the value that is watched")                                                \
  X(S, double, min_delta, 0.0, ANY, "the least change that counts")                                                        \
  X(S, int64_t, patience, 0, NONNEGATIVE, "epochs without improvement before the end")                                     \
  X(S, int64_t, verbose, 0, ANY, "1 tells of the stop")                                                                    \
  X(S, const char *, mode, "auto", ANY, "min, max or auto")                                                                \
  X(S, double, baseline, CN_NONE_REAL, ANY, "an improvement must also beat it")                                            \
  X(S, bool, restore_best_weights, false, ANY, "whether the model gets the weights of the best epoch back")                \
  X(S, int64_t, start_from_epoch, 0, NONNEGATIVE, "epochs before nothing is watched")
#define CN_CALLBACK_REDUCE_LR(X, S)                                                                                        \
  X(S, const char *, monitor, "val_loss", ANY, "the value that is watched")                                                \
  X(S, double, factor, 0.1, ANY, "below 1: of the new rate")                                                               \
  X(S, int64_t, patience, 10, NONNEGATIVE, "epochs without improvement before the rate falls")                             \
  X(S, int64_t, verbose, 0, ANY, "1 tells of the change")                                                                  \
  X(S, const char *, mode, "auto", ANY, "min, max or auto")                                                                \
  X(S, double, min_delta, 1e-4, ANY, "the least change that counts")                                                       \
  X(S, int64_t, cooldown, 0, NONNEGATIVE, "epochs after a change that do not count")                                       \
  X(S, double, min_lr, 0.0, ANY, "the rate stays at or above it")
#define CN_CALLBACK_TERMINATE_ON_NAN(X, S) X(S, bool, raise_error, false, ANY, "a VALUE error instead of an end")

#define CN_CALLBACK_MODEL_CHECKPOINT(X, S)                                                                                 \
  X(S, const char *, filepath, NULL, REQUIRED, "ends in .safetensors or, as Keras has it, .weights.h5 for weights only, else .keras or .h5; {epoch:02d}, {batch} and values of the history such as {val_loss:.2f} are put in as Python formats them") \
  X(S, const char *, monitor, "val_loss", ANY, "the value that is watched")                                                \
  X(S, int64_t, verbose, 0, ANY, "1 tells of each saving")                                                                 \
  X(S, bool, save_best_only, false, ANY, "only where the watched value is better than before")                             \
  X(S, bool, save_weights_only, false, ANY, "cn_save_weights instead of cn_save")                                          \
  X(S, const char *, mode, "auto", ANY, "min, max or auto")                                                                \
  X(S, int64_t, save_freq, CN_NONE, POSITIVE, "batches between savings; None: at the end of each epoch")                   \
  X(S, double, initial_value_threshold, CN_NONE_REAL, ANY, "the best value before the training")
#define CN_CALLBACK_CSV_LOGGER(X, S)                                                                                       \
  X(S, const char *, filename, NULL, REQUIRED, "of the table")                                                             \
  X(S, const char *, separator, ",", REQUIRED, "one character")                                                            \
  X(S, bool, append, false, ANY, "whether the rows come after those that the file has")
#define CN_CALLBACK_BACKUP(X, S)                                                                                           \
  X(S, const char *, backup_dir, NULL, REQUIRED, "of this training alone; made where missing")                             \
  X(S, int64_t, save_freq, CN_NONE, POSITIVE, "batches between backups; None: at the end of each epoch")                   \
  X(S, bool, double_checkpoint, false, ANY, "keeps the backup before the last one too, for when the last cannot be read")  \
  X(S, bool, delete_checkpoint, true, ANY, "whether the backups go when the training is done")
#define CN_CALLBACK_TENSOR_BOARD(X, S)                                                                                     \
  X(S, const char *, log_dir, "logs", REQUIRED, "the event files stand in its folders train and validation")               \
  X(S, int64_t, histogram_freq, 0, NONNEGATIVE, "epochs between histograms of the weights; 0: none")                       \
  X(S, bool, write_graph, true, ANY, "the model's layers and operations")                                                  \
  X(S, bool, write_steps_per_second, false, ANY, "batches a second, by epoch and batch")                                   \
  X(S, int64_t, update_freq, CN_NONE, POSITIVE, "batches between values of batches; None: values of epochs only")

/* Ends fit when the watched value has not improved for `patience` epochs. Keras' EarlyStopping. */
CN_OBJECT_DECLARE(callback, EarlyStopping, CN_CALLBACK_EARLY_STOPPING)
/* Multiplies the learning rate by factor when the watched value has not improved for `patience` epochs; the history keeps "learning_rate". Keras'
 * ReduceLROnPlateau. */
CN_OBJECT_DECLARE(callback, ReduceLROnPlateau, CN_CALLBACK_REDUCE_LR)
/* Ends fit when the loss is NaN or infinite. Keras' TerminateOnNaN. */
CN_OBJECT_DECLARE(callback, TerminateOnNaN, CN_CALLBACK_TERMINATE_ON_NAN)
/* Saves the model, or its weights, at the end of each epoch or every so many batches, as cn_save and cn_save_weights do, whatever the name's ending. A file
 * replaces an older one only when it is complete and on the disk. Refused before the training starts: a folder that cannot be written (IO; folders that are
 * missing are made), fields of filepath without a value (VALUE). Where save_best_only finds no watched value it saves, as Keras does. Keras' ModelCheckpoint.
 */
CN_OBJECT_DECLARE(callback, ModelCheckpoint, CN_CALLBACK_MODEL_CHECKPOINT)
/* A row for each epoch: "epoch" (from 0), then the values by name, as the first epoch has them; where that has no validation, as many columns "val_..." behind
 * them, NA where there is no value. Lines end in CR LF. Keras' CSVLogger. */
CN_OBJECT_DECLARE(callback, CSVLogger, CN_CALLBACK_CSV_LOGGER)
/* Saves everything that the training needs to go on: position, weights, optimizer, random streams, order of the samples, metrics, history, and the state of the
 * other callbacks. When fit finds a backup in backup_dir it goes on from there: after train_begin of all callbacks, at the next batch or epoch, with the same
 * bits as if nothing had been in between. The model, its compile, the data and fit's options must be those of the backup, only epochs may grow. Compared
 * are the variables, metrics, batch_size, initial_epoch, steps_per_epoch, shuffle and the number of samples (else FORMAT, SHAPE or VALUE, and no variable has
 * changed). A source that draws its seed from the graph's needs a graph of the same seed. UNSUPPORTED for a data set without positions (cn_dataset_can_seek).
 * Layers, metrics and callbacks of a user's own tell of what they keep by the function `state` among their methods. Ends of fit by an error or Ctrl-C keep the
 * backup. Keras' BackupAndRestore. */
CN_OBJECT_DECLARE(callback, BackupAndRestore, CN_CALLBACK_BACKUP)
/* What TensorBoard shows: "epoch_loss" and the like, the learning rate, and in train "batch_loss", NAME/histogram of the weights and the model's graph; in
 * validation "evaluation_loss_vs_iterations" too. Every fit has files of its own; one that goes on from a backup goes on with its files. Refused before the
 * training starts: a folder that cannot be written (IO). Keras' TensorBoard without images, profiles and embeddings. */
CN_OBJECT_DECLARE(callback, TensorBoard, CN_CALLBACK_TENSOR_BOARD)
#ifndef __cplusplus
#define cn_callback_TensorBoard(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, TensorBoard, CN_CALLBACK_TENSOR_BOARD, __VA_ARGS__))
#define cn_callback_ModelCheckpoint(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, ModelCheckpoint, CN_CALLBACK_MODEL_CHECKPOINT, __VA_ARGS__))
#define cn_callback_CSVLogger(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, CSVLogger, CN_CALLBACK_CSV_LOGGER, __VA_ARGS__))
#define cn_callback_BackupAndRestore(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, BackupAndRestore, CN_CALLBACK_BACKUP, __VA_ARGS__))
#define cn_callback_EarlyStopping(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, EarlyStopping, CN_CALLBACK_EARLY_STOPPING, __VA_ARGS__))
#define cn_callback_ReduceLROnPlateau(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, ReduceLROnPlateau, CN_CALLBACK_REDUCE_LR, __VA_ARGS__))
#define cn_callback_TerminateOnNaN(...) ((cn_callback *)(void *)CN_MAKE_OBJECT_(callback, TerminateOnNaN, CN_CALLBACK_TERMINATE_ON_NAN, __VA_ARGS__))
#endif
/* "EarlyStopping(patience=3)": any callback by name. */
CN_API cn_callback *cn_callback_from(cn_graph *g, const char *text);

/* What EarlyStopping knows: the epoch it stopped at (0: it did not), the best epoch and value, epochs waited. */
typedef struct cn_early_stopping { int64_t stopped_epoch, best_epoch, wait; double best; } cn_early_stopping;
CN_API cn_early_stopping cn_early_stopping_of(const cn_callback *c);

/* fit's .callbacks = CN_CALLBACKS(a, b). */
typedef struct cn_callbacks { cn_callback *const *v; int64_t n; } cn_callbacks;
#define CN_CALLBACKS(...) { (cn_callback *const[]){ __VA_ARGS__ }, (int64_t)(sizeof((cn_callback *const[]){ __VA_ARGS__ }) / sizeof(cn_callback *)) }

#ifdef __cplusplus
}
#endif
#endif
