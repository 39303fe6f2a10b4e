/* Sources of samples and stages that change them: what training, evaluation and prediction read batch by batch (cn_dataset_from_source in models), without
 * tensors, so that a thread of its own can fetch ahead.
 *
 *   cn_source *s = cn_source_csv(g, "train.csv", .targets = CN_STRINGS("label"));
 *   s = cn_source_shuffle(s, .buffer_size = 1000, .seed = 1);
 *   s = cn_source_prefetch(cn_source_batch(s, 32, false), 2);
 *
 * A sample has columns: inputs, then targets, then weights, of a fixed shape and dtype each. A stage takes over the source that it reads, which is freed with
 * it. Sources are persistent and owned by the graph; their memory comes from its allocator, without being counted by cn_graph_bytes. No more samples are in
 * memory than the batch that is asked for, a windowed shuffle's window, the batches of a prefetch, and what a cache keeps.
 *
 * An epoch is one pass; reset begins epoch 0, 1, ... whose order depends on the seeds and the number alone. So (epoch, sample) is a position, to which every
 * source returns bit by bit that can begin again (cn_source_can_reset): all of this folder's, and a user's own with a `reset`. Seeking is one step for arrays,
 * IDX and NPY files, image folders, a cache, a shuffle of the whole, splits and windows, and for stages over these; CSV, texts, compressed files, queries,
 * windowed shuffles and a user's source without `seek` read on from the start of the epoch. */
#ifndef CN_IO_SOURCE_H
#define CN_IO_SOURCE_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cn_source cn_source;
#define CN_SOURCE_COLUMNS 48
#define CN_FOREVER INT64_MAX /* the size of a source without an end */

/* What stands in every sample: a scalar has rank 0. */
typedef struct cn_column { cn_dtype dtype; cn_dims dims; } cn_column;
/* Of each column the memory of some samples, one after the other; of CN_STRING columns cn_text. */
typedef struct cn_samples { void *v[CN_SOURCE_COLUMNS]; } cn_samples;
/* A text: n bytes, not NUL-terminated. Written with cn_text_set only. */
typedef struct cn_text { char *p; int64_t n, room; } cn_text;
/* Sets a text within samples that are being written. */
CN_API bool cn_text_set(cn_graph *errors, cn_text *text, const char *p, int64_t n);

/* What a kind of source can do. A user's own source (a generator) is a struct of these with its state. They may run on another thread than the graph's, one at
 * a time; `errors` serves cn_fail and cn_text_set, nothing else. */
typedef struct cn_source_methods {
  int64_t (*next)(cn_graph *errors, void *state, int64_t n,
                  const cn_samples *out); /* writes up to n samples; how many: 0 at the end of the epoch only, -1 after cn_fail */
  bool (*reset)(cn_graph *errors, void *state,
                int64_t epoch); /* to the start of an epoch; NULL: it runs once, has no position, and whoever needs one refuses it */
  int64_t (*size)(void *state);                                                     /* samples of an epoch; -1 not known; may be NULL */
  bool (*seek)(cn_graph *errors, void *state, int64_t sample);                      /* just after reset: to this sample of the epoch; NULL: by reading on */
  bool (*fetch)(cn_graph *errors, void *state, const int64_t *index, int64_t n,
                const cn_samples *out); /* any samples by index (in range), wherever it stands; NULL: it can only be read in order */
  void (*finish)(cn_graph *errors, void *state);                                    /* when it is freed; may be NULL */
} cn_source_methods;
/* `state` stays the caller's. The columns are `inputs` (1 to 16), then `targets`, then `weights` (0 to 16 each). */
CN_API cn_source *cn_source_new(cn_graph *g, const cn_source_methods *methods, void *state, const cn_column *columns, int64_t inputs, int64_t targets,
                                int64_t weights);
/* Frees a source that no stage has taken over; threads end first, which waits for the sample that they are reading. NULL is fine. */
CN_API void cn_source_free(cn_source *s);

/* ---- reading ---- */
/* The next samples, at most n, as many as there are; of a batched source one batch, whatever n is. Points out's columns at memory of the source, valid until
 * the next call. 0 at the end of the epoch, -1 after an error. */
CN_API int64_t cn_source_next(cn_source *s, int64_t n, cn_samples *out);
/* To the start of an epoch (0, 1, ...). The first may be left out. STATE where the source runs once and has been read. */
CN_API bool cn_source_reset(cn_source *s, int64_t epoch);
/* To sample `sample` of an epoch, as if all before it had been read; of a batched source that is where a batch begins. */
CN_API bool cn_source_seek(cn_source *s, int64_t epoch, int64_t sample);
/* Whether it can begin again, and so has positions. */
CN_API bool cn_source_can_reset(const cn_source *s);
/* Samples of an epoch; -1 where that is not known before the end, CN_FOREVER where there is none. */
CN_API int64_t cn_source_size(cn_source *s);
/* Samples of its batches; 0 where it is not batched. */
CN_API int64_t cn_source_batch_size(const cn_source *s);
/* How many columns of the three kinds there are, and column i of all. */
CN_API void cn_source_counts(const cn_source *s, int64_t *inputs, int64_t *targets, int64_t *weights);
CN_API cn_column cn_source_column(const cn_source *s, int64_t i);

/* ---- stages. Their elements are samples; over a batched source take, skip and repeat count batches, map and prefetch work on them, and the others refuse it
 * (STATE). NULL is passed on ---- */
/* Batches of `size`; the last one of an epoch is smaller, or left out with drop_remainder. */
CN_API cn_source *cn_source_batch(cn_source *s, int64_t size, bool drop_remainder);
/* The epoch `count` times; CN_NONE: forever. Each pass is an epoch of its own for shuffles before it. */
CN_API cn_source *cn_source_repeat(cn_source *s, int64_t count);
CN_API cn_source *cn_source_take(cn_source *s, int64_t count);
CN_API cn_source *cn_source_skip(cn_source *s, int64_t count);
/* Samples out of samples, n at a time: writes n samples of the given columns from n of the source's. It must depend on the samples alone. */
typedef bool (*cn_sample_map)(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out);
/* columns NULL: as the source's. */
CN_API cn_source *cn_source_map(cn_source *s, cn_sample_map map, void *user, const cn_column *columns, int64_t inputs, int64_t targets, int64_t weights);
/* Keeps every sample in memory as it is first read; reads from there afterwards, in that order. Makes a source that runs once begin again, and one that is read
 * in order be fetched from. */
CN_API cn_source *cn_source_cache(cn_source *s);
/* The columns of x become inputs, those of y targets, of w weights; y and w may be NULL. VALUE where the sizes differ: at once where they are known, else at
 * the end. */
CN_API cn_source *cn_source_zip(cn_source *x, cn_source *y, cn_source *w);
/* Samples first .. first + count - 1. The source must be one that can be fetched from (UNSUPPORTED), and is shared: it stays the caller's (or the graph's), is
 * not read in any other way, and several ranges and splits may read it at the same time, also from several threads. */
CN_API cn_source *cn_source_range(cn_source *s, int64_t first, int64_t count);
/* Batches are fetched by a thread, `depth` ahead (at least 1), while training runs. Errors arrive after the samples before them. */
CN_API cn_source *cn_source_prefetch(cn_source *s, int64_t depth);

#define CN_SOURCE_SHUFFLE(X, S)                                                                                                                  \
  X(S, int64_t, buffer_size, CN_NONE, POSITIVE, "samples among which the next is drawn; None: all, in the memory of their indices where the source can be fetched from, else of themselves if its size is known") \
  X(S, int64_t, seed, CN_NONE, ANY, "None: drawn from the graph's")                                                                              \
  X(S, bool, reshuffle_each_iteration, true, ANY, "another order in each epoch")
typedef struct cn_source_shuffle_args { cn_source *source; CN_SOURCE_SHUFFLE(CN_FIELD_, ) } cn_source_shuffle_args;
CN_API cn_source *cn_source_shuffle_run(const cn_source_shuffle_args *args);
CN_API void cn_source_shuffle_args_init(cn_source_shuffle_args *args, size_t size); /* every default */

#define CN_SOURCE_SPLIT(X, S)                                                                                                                    \
  X(S, double, validation_split, 0.2, FRACTION, "share of the samples, the last ones in their order, that is kept for validation")               \
  X(S, bool, stratify, false, ANY, "the share of each class (of the first target: a label, a text, or the largest of a row)")                    \
  X(S, bool, shuffle, false, ANY, "which samples go where is drawn, and does not follow from their order")                                       \
  X(S, int64_t, seed, CN_NONE, ANY, "None: drawn from the graph's")
typedef struct cn_source_split_args { cn_source *source; CN_SOURCE_SPLIT(CN_FIELD_, ) } cn_source_split_args;
typedef struct cn_source_parts { cn_source *train, *validation; } cn_source_parts;
/* Two parts of a source that can be fetched from, which they share as ranges do; in each the samples keep their order. floor(n (1 - validation_split)) train,
 * as fit counts them, of each class where stratified. NULLs after an error: VALUE where a part is left without samples (of a class). */
CN_API cn_source_parts cn_source_split_run(const cn_source_split_args *args);
CN_API void cn_source_split_args_init(cn_source_split_args *args, size_t size);

#define CN_SOURCE_WINDOWS(X, S)                                                                                                                  \
  X(S, int64_t, sequence_length, CN_REQUIRED, POSITIVE, "steps of a window")                                                                     \
  X(S, int64_t, sequence_stride, 1, POSITIVE, "from the start of one window to that of the next")                                                \
  X(S, int64_t, sampling_rate, 1, POSITIVE, "from one step to the next")                                                                         \
  X(S, int64_t, start_index, CN_NONE, NONNEGATIVE, "what stands before is not used")                                                             \
  X(S, int64_t, end_index, CN_NONE, POSITIVE, "what stands from here on is not used")
typedef struct cn_source_windows_args { cn_source *source, *targets; CN_SOURCE_WINDOWS(CN_FIELD_, ) } cn_source_windows_args;
/* Windows over a series (whose samples are its steps): inputs [sequence_length, ...]; the target of a window is that of `targets` (may be NULL) at the window's
 * first step. Both are fetched from. keras.utils.timeseries_dataset_from_array, with its order of windows, and its refusals. */
CN_API cn_source *cn_source_windows_run(const cn_source_windows_args *args);
CN_API void cn_source_windows_args_init(cn_source_windows_args *args, size_t size);

/* ---- sources ---- */
/* Rows of arrays along their first axes, which must agree (SHAPE: `arrays: "x" has 5 samples, "y" has 4`); texts too. The arrays stay the caller's and must
 * stay. */
CN_API cn_source *cn_source_arrays(cn_graph *g, const cn_named_array *const *inputs, int64_t n_inputs, const cn_named_array *const *targets, int64_t n_targets,
                                   const cn_named_array *const *weights, int64_t n_weights);

#ifndef __cplusplus
/* cn_source_shuffle(s, .buffer_size = 1000, .seed = 3) */
#define CN_SOURCE_(T, S, LIST, function, ...)                                       \
  __extension__({                                                                   \
    CN_QUIET_ const S cn_o_ = { LIST(CN_DEFAULT_, S) .source = __VA_ARGS__ };       \
    T cn_r_ = function(&cn_o_);                                                     \
    CN_LOUD_ cn_r_;                                                                 \
  })
#define cn_source_shuffle(...) CN_SOURCE_(cn_source *, cn_source_shuffle_args, CN_SOURCE_SHUFFLE, cn_source_shuffle_run, __VA_ARGS__)
#define cn_source_split(...) CN_SOURCE_(cn_source_parts, cn_source_split_args, CN_SOURCE_SPLIT, cn_source_split_run, __VA_ARGS__)
/* cn_source_windows(series, targets, 24, .sequence_stride = 12) */
#define cn_source_windows(s, t, ...)                                                                                                \
  __extension__({                                                                                                                   \
    CN_QUIET_ const cn_source_windows_args cn_o_ = { CN_SOURCE_WINDOWS(CN_DEFAULT_, cn_source_windows_args) .source = (s), .targets = (t), .sequence_length = __VA_ARGS__ }; \
    cn_source *cn_r_ = cn_source_windows_run(&cn_o_);                                                                               \
    CN_LOUD_ cn_r_;                                                                                                                 \
  })
#endif

#ifdef __cplusplus
}
#endif
#endif
