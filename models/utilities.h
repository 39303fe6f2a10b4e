/* What keras.utils does to data before it is trained on. Results are step tensors; cn_persist keeps them, and data sets keep their own. */
#ifndef CN_MODELS_UTILITIES_H
#define CN_MODELS_UTILITIES_H
#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_TO_CATEGORICAL(X, S) X(S, int64_t, num_classes, CN_NONE, POSITIVE, "size of the new last axis; None: the largest label and 1")
typedef struct cn_to_categorical_args { cn_graph *graph; cn_tensor *x; CN_TO_CATEGORICAL(CN_FIELD_, ) } cn_to_categorical_args;
/* Labels as rows of zeros with a one: x [...] or [..., 1] of more than one axis, whole numbers (others are cut) -> [..., num_classes] float32. VALUE for a
 * label that is negative or not below num_classes. keras.utils.to_categorical. */
CN_API cn_tensor *cn_to_categorical_run(const cn_to_categorical_args *args);
CN_API void cn_to_categorical_args_init(cn_to_categorical_args *args, size_t size); /* every default */

#define CN_UTILS_NORMALIZE(X, S)                                                            \
  X(S, int64_t, axis, -1, ANY, "along which the norm is taken")                             \
  X(S, double, order, 2.0, ANY, "of the norm, as in cn_norm; inf and -inf too")
typedef struct cn_utils_normalize_args { cn_graph *graph; cn_tensor *x; CN_UTILS_NORMALIZE(CN_FIELD_, ) } cn_utils_normalize_args;
/* x divided by its norm along an axis, where that is not 0. As keras.utils.normalize does to arrays: a vector becomes [1, n], and axis 0 divides along the last
 * axis. */
CN_API cn_tensor *cn_utils_normalize_run(const cn_utils_normalize_args *args);
CN_API void cn_utils_normalize_args_init(cn_utils_normalize_args *args, size_t size);

#define CN_PAD_SEQUENCES(X, S)                                                                               \
  X(S, int64_t, maxlen, CN_NONE, NONNEGATIVE, "steps of each; None: those of the longest")                   \
  X(S, const char *, dtype, "int32", DTYPE, "of the result")                                                 \
  X(S, const char *, padding, "pre", ANY, "pre or post: where steps are added")                              \
  X(S, const char *, truncating, "pre", ANY, "pre or post: where steps are cut off")                         \
  X(S, double, value, 0.0, ANY, "of the steps that are added")
typedef struct cn_pad_sequences_args { cn_graph *graph; cn_tensors sequences; CN_PAD_SEQUENCES(CN_FIELD_, ) } cn_pad_sequences_args;
/* Sequences [steps, ...] of any lengths as one tensor [n, maxlen, ...]. SHAPE where the steps' shapes differ. keras.utils.pad_sequences. */
CN_API cn_tensor *cn_pad_sequences_run(const cn_pad_sequences_args *args);
CN_API void cn_pad_sequences_args_init(cn_pad_sequences_args *args, size_t size);

/* Rows of tensors as a source; the tensors are kept (cn_persist) as long as it lives. SHAPE where the first axes differ. Not for texts (UNSUPPORTED). */
CN_API cn_source *cn_source_tensors(cn_graph *g, cn_tensors inputs, cn_tensors targets, cn_tensors weights);

#define CN_TIMESERIES(X, S)                                                                                  \
  X(S, int64_t, sequence_stride, 1, POSITIVE, "from the start of one window to that of the next")            \
  X(S, int64_t, sampling_rate, 1, POSITIVE, "from one step to the next")                                     \
  X(S, int64_t, batch_size, 128, POSITIVE, "windows of a batch; None: as whoever reads asks")                \
  X(S, bool, shuffle, false, ANY, "a new order of the windows in each epoch")                                \
  X(S, int64_t, seed, CN_NONE, ANY, "of the orders; None: drawn from the graph's")                           \
  X(S, int64_t, start_index, CN_NONE, NONNEGATIVE, "what stands before is not used")                         \
  X(S, int64_t, end_index, CN_NONE, POSITIVE, "what stands from here on is not used")
typedef struct cn_timeseries_args { cn_graph *graph; cn_tensor *data, *targets; int64_t sequence_length; CN_TIMESERIES(CN_FIELD_, ) } cn_timeseries_args;
/* Windows over data [steps, ...] as batches [n, sequence_length, ...], with the targets [steps, ...] (or CN_NO_TENSOR) at their first steps.
 * keras.utils.timeseries_dataset_from_array. */
CN_API cn_dataset *cn_timeseries_dataset_from_array_run(const cn_timeseries_args *args);
CN_API void cn_timeseries_args_init(cn_timeseries_args *args, size_t size);

#ifndef __cplusplus
#define CN_UTILITY_(T, S, LIST, function, first, g, ...)                                      \
  __extension__({                                                                             \
    CN_QUIET_ const S cn_o_ = { LIST(CN_DEFAULT_, S) .graph = (g), .first = __VA_ARGS__ };    \
    T cn_r_ = function(&cn_o_);                                                               \
    CN_LOUD_ cn_r_;                                                                           \
  })
/* cn_to_categorical(g, y, .num_classes = 10); cn_pad_sequences(g, CN_TENSORS(a, b), .maxlen = 20); cn_timeseries_dataset_from_array(g, data, targets, 24,
 * .batch_size = 32) */
#define cn_to_categorical(g, ...) CN_UTILITY_(cn_tensor *, cn_to_categorical_args, CN_TO_CATEGORICAL, cn_to_categorical_run, x, g, __VA_ARGS__)
#define cn_utils_normalize(g, ...) CN_UTILITY_(cn_tensor *, cn_utils_normalize_args, CN_UTILS_NORMALIZE, cn_utils_normalize_run, x, g, __VA_ARGS__)
#define cn_pad_sequences(g, ...) CN_UTILITY_(cn_tensor *, cn_pad_sequences_args, CN_PAD_SEQUENCES, cn_pad_sequences_run, sequences, g, __VA_ARGS__)
#define cn_timeseries_dataset_from_array(g, x, y, ...)                                                                                                    \
  __extension__({                                                                                                                                         \
    CN_QUIET_ const cn_timeseries_args cn_o_ = { CN_TIMESERIES(CN_DEFAULT_, ) .graph = (g), .data = (x), .targets = (y), .sequence_length = __VA_ARGS__ }; \
    cn_dataset *cn_r_ = cn_timeseries_dataset_from_array_run(&cn_o_);                                                                                     \
    CN_LOUD_ cn_r_;                                                                                                                                       \
  })
#endif

#ifdef __cplusplus
}
#endif
#endif
