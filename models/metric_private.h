/* What the files of metrics share. */
#ifndef CN_MODELS_METRIC_PRIVATE_H
#define CN_MODELS_METRIC_PRIVATE_H
#include <math.h>
#include "loss_private.h"
#include "metric.h"

#define CNI_UPDATE(name) static bool name(cn_metric *m, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor *w)
#define CNI_METRIC_OPTIONS(C, m) ((const cn_metric_##C##Options *)(m)->object.options)
#define CNI_METRIC(C, LIST, update_, init_, ...)                                                                                          \
  static const cn_metric_methods C##_methods = { .update = update_, __VA_ARGS__ };                                                        \
  CN_SCHEMA_DATA_(C, cn_metric_##C##Options, LIST)                                                                                        \
  const cn_class cn_class_metric_##C = { .kind = CN_KIND_METRIC, .schema = CN_SCHEMA_(C, #C, cn_metric_##C##Options), .size = sizeof(cn_metric), .init = init_,  \
                                         .finish = cni_metric_finish, .methods = &C##_methods, .aliases = C##_names };                    \
  cn_object *cn_make_metric_##C(const cn_metric_##C##Options *options) { return cn_object_new(&cn_class_metric_##C, options); }           \
  void cn_metric_##C##Options_init(cn_metric_##C##Options *options, size_t size) { memcpy(options, &C##_defaults, size < sizeof C##_defaults ? size : sizeof C##_defaults); }
#define CNI_METRIC_NAMES(C, ...) static const char *const C##_names[] = { __VA_ARGS__, NULL };

bool cni_metric_init(cn_object *self);
void cni_metric_finish(cn_object *self);
bool cni_metric_shapes(cn_metric *m, const cn_tensor *t, const cn_tensor *p); /* false: reports that they do not fit */
/* Sums of a metric, rows * columns numbers, 0 when made. False after an error, or when they were made for another number. */
bool cni_metric_room(cn_metric *m, int64_t rows, int64_t columns);

/* Weights of values of shape dims: the product of sample weights and masks, which have the values' leading axes; a size of 1 repeats, and further axes of 1 do
 * not count. */
typedef struct cni_factor {
  const cn_tensor *t;
  bool mask;
  int64_t inner;                                                 /* values that share an element; 0: found by `step` */
  int64_t step[CN_MAX_RANK];                                     /* elements from one value to the next along each axis */
} cni_factor;
typedef struct cni_weights { cn_dims dims; int64_t all; int count; cni_factor factor[3]; } cni_weights;
/* The sample weights w and the mask of p. False after SHAPE "mean: sample_weight [3] does not fit values of [2,4]". */
bool cni_weights_of(cn_metric *m, const cn_dims *dims, const cn_tensor *p, const cn_tensor *w, cni_weights *out);
bool cni_weights_mask(cn_metric *m, cni_weights *ws, const cn_tensor *mask); /* one more, or NULL */
double cni_weight(const cni_weights *w, int64_t i);              /* of value i */
/* Adds values with their weights to the running mean. */
typedef double cni_value(const void *ctx, int64_t i);
void cni_add_values(cn_metric *m, cni_value *value, const void *ctx, const cni_weights *w, bool sum);
double cni_tensor_value(const void *ctx, int64_t i);
double cni_mean_result(const cn_metric *m);                      /* total / count, 0 where count is 0 */

#endif
