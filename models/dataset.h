/* Data sets: a source of batches. Persistent, owned by the graph. */
#ifndef CN_MODELS_DATASET_H
#define CN_MODELS_DATASET_H
#include "../autograd/autograd.h"
#include "../io/source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cn_dataset cn_dataset;
#define CN_BATCH_TENSORS 16
/* A batch: step tensors; y and sample_weight are NULL where the data set has none. For models of several inputs or outputs xs, ys and sample_weights list them
 * all (n > 0), the first being x, y, sample_weight; a sample weight may be CN_NO_TENSOR. They point at memory of the step. */
typedef struct cn_batch { cn_tensor *x, *y, *sample_weight; int64_t size; cn_tensors xs, ys, sample_weights; } cn_batch;

/* What a kind of data set can do. A user's own source is a struct of these with its state. */
typedef struct cn_dataset_methods {
  bool (*next)(cn_graph *g, void *state, int64_t batch_size, cn_batch *out);       /* the next batch; false at the end, and after an error (cn_ok tells) */
  bool (*reset)(cn_graph *g, void *state, bool shuffle, cn_stream *stream);        /* back to the start, in a new order if shuffle; false if it cannot */
  int64_t (*size)(void *state);                                                    /* samples; -1 if not known */
  void *(*range)(cn_graph *g, void *state, int64_t first,
                 int64_t count); /* the state of a data set over these samples only; the function is NULL if there is none */
  void (*finish)(cn_graph *g, void *state);                                        /* when it is freed; may be NULL */
  bool (*seek)(cn_graph *g, void *state, int64_t sample);                          /* just after reset: to this sample of its order; NULL: by reading on */
  int64_t (*batch)(void *state); /* samples of its own batches, whatever size next is asked for; 0 or NULL: it has none */
  bool (*repeats)(void *state);  /* whether reset works again after samples were read; NULL: if there is a reset */
} cn_dataset_methods;
CN_API cn_dataset *cn_dataset_new(cn_graph *g, const cn_dataset_methods *methods, void *state);

/* Samples along the first axis of arrays; y and sample_weight may be NULL; the sizes of the first axes must agree. The tensors are kept (cn_persist), so step
 * tensors may be given. */
CN_API cn_dataset *cn_dataset_from_tensors(cn_graph *g, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight);
/* The same with several inputs, targets and weights, at most CN_BATCH_TENSORS each; one list of weights for each target, or a single one for all. Weights may
 * be CN_NO_TENSOR. */
CN_API cn_dataset *cn_dataset_from_lists(cn_graph *g, cn_tensors x, cn_tensors y, cn_tensors sample_weight);
/* The same over the caller's memory, which must stay: nothing is copied. y may be NULL. */
CN_API cn_dataset *cn_dataset_from_arrays(cn_graph *g, cn_dtype x_dtype, const cn_dims *x_dims, const void *x, cn_dtype y_dtype, const cn_dims *y_dims,
                                          const void *y);
CN_API bool cn_dataset_next(cn_dataset *d, int64_t batch_size, cn_batch *out);
CN_API bool cn_dataset_reset(cn_dataset *d, bool shuffle);
/* Samples of an epoch; -1 where that is not known, CN_FOREVER where it has no end. */
CN_API int64_t cn_dataset_size(const cn_dataset *d);
/* Samples of the batches that next gives when it is asked for `wanted`: a data set may have its own. */
CN_API int64_t cn_dataset_batch_size(const cn_dataset *d, int64_t wanted);
/* A data set over samples first .. first + count - 1 of this one (shared memory). UNSUPPORTED if the source cannot. */
CN_API cn_dataset *cn_dataset_range(cn_dataset *d, int64_t first, int64_t count);
CN_API void cn_dataset_free(cn_dataset *d);

/* Where a data set stands: what the order of the running epoch was drawn from, and how many samples of it were handed out. Numbers only, so that they can be
 * written down. */
typedef struct cn_position { uint64_t key, counter; int64_t sample; bool shuffled; } cn_position;
CN_API cn_position cn_dataset_position(const cn_dataset *d);
/* Whether it has positions: it can begin again with the same samples. Not so: sources without a reset, stages over them other than a cache, and
 * cn_dataset_map_layer with `training`. */
CN_API bool cn_dataset_can_seek(const cn_dataset *d);
/* Goes on, bit by bit, as the data set did that stood there: this one, or one made the same way, in another process too. STATE where it has no positions. */
CN_API bool cn_dataset_seek(cn_dataset *d, const cn_position *position);

/* Batches of a source (io/source.h), which the data set takes over. A batched source gives its own batches. The order is the source's: fit's shuffle does not
 * change it, each reset begins its next epoch. */
CN_API cn_dataset *cn_dataset_from_source(cn_source *source);
/* Changes the batches of a data set, which is taken over, on the graph's thread: `map` replaces tensors of the batch: x, y and
 * sample_weight, or the lists. It must depend on the batch alone, and is not recorded. */
typedef bool (*cn_batch_map)(cn_graph *g, cn_batch *batch, void *user);
CN_API cn_dataset *cn_dataset_map(cn_dataset *d, cn_batch_map map, void *user);
/* Each input passes through a layer or model of one input and output, called without recording and with `training` (true for random augmentation, which has no
 * exact positions: its random numbers are the layer's). */
CN_API cn_dataset *cn_dataset_map_layer(cn_dataset *d, cn_layer *layer, bool training);

#ifdef __cplusplus
}
#endif
#endif
