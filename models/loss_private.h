/* What the files of losses share. */
#ifndef CN_MODELS_LOSS_PRIVATE_H
#define CN_MODELS_LOSS_PRIVATE_H
#include "loss.h"
#include "model_private.h"

#define CNI_LOSS_EPSILON 1e-7
/* A loss class' values: y_true t, y_pred p. */
#define CNI_VALUES(name) static cn_tensor *name(const cn_object *self, cn_graph *g, cn_tensor *t, cn_tensor *p, cn_tensor **mask)
#define CNI_VALUES_UNUSED (void)self, (void)mask
#define CNI_LOSS(C, LIST, values_, init_, elementwise_, labels_, ...)                                                       \
  static const char *const C##_names[] = { __VA_ARGS__, NULL };                                                             \
  static const cn_loss_methods C##_methods = { .values = values_, .elementwise = elementwise_, .labels = labels_ };         \
  CN_OBJECT(loss, LOSS, C, LIST, .methods = &C##_methods, .aliases = C##_names, .init = init_)

bool cni_loss_init(cn_object *self);                                                  /* checks `reduction` */
/* Keras' squeeze_or_expand_to_same_rank: ranks that differ by a trailing 1 are made equal. */
bool cni_align(cn_graph *g, cn_tensor **a, cn_tensor **b);
/* Aligned, and of shapes that broadcast to each other; else an error that names the loss. */
bool cni_loss_shapes(cn_graph *g, const cn_object *self, cn_tensor **t, cn_tensor **p);
bool cni_broadcast_both(cn_graph *g, cn_tensor **t, cn_tensor **p);                   /* to their common shape */
cn_tensor *cni_smoothed(cn_graph *g, cn_tensor *t, double s, double n);               /* t (1 - s) + s / n */
cn_tensor *cni_at_least(cn_graph *g, cn_tensor *x, double low);                       /* max(x, low); at a tie x has the whole gradient, as in TensorFlow */
double cni_classes_of(const cn_tensor *p);                                            /* size of the last axis */

#endif
