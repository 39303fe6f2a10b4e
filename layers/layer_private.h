/* What layers share inside the library. */
#ifndef CN_LAYERS_LAYER_PRIVATE_H
#define CN_LAYERS_LAYER_PRIVATE_H
#include "../autograd/graph_private.h"
#include "../core/options_private.h"
#include "constraint.h"
#include "initializer.h"
#include "layer.h"
#include "regularizer.h"

/* Makes activations, initializers, regularizers, constraints and layers from text or JSON. */
extern const cni_factory cni_layers_factory;
extern const cn_class *const cni_layer_classes[], *const cni_initializer_classes[], *const cni_regularizer_classes[], *const cni_constraint_classes[];

/* What many classes' tables hold: an output of the input's shape, an output without a mask. */
static inline bool cni_same_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)l;
  (void)n;
  *out = *in;
  return true;
}
static inline bool cni_per_sample(const cn_layer *l, bool training) {
  (void)l;
  (void)training;
  return true;
}
static inline bool cni_per_sample_untrained(const cn_layer *l, bool training) {
  (void)l;
  return !training;
}
static inline cn_tensor *cni_no_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  (void)l;
  (void)g;
  (void)in;
  return NULL;
}

/* normalization.c: an axis of an input of that rank, not negative; false after an INDEX error. */
bool cni_layer_axis(cn_layer *l, int64_t axis, int rank, int *out);

/* pooling.c: whether a size has one number or one for each spatial axis, else a VALUE error that names the option; valid, same or `also` (or NULL) however it
 * is spelt, NULL after a VALUE error. */
bool cni_size_fits(const cn_layer *l, const char *name, cn_size size, int spatial);
const char *cni_padding(const cn_layer *l, const char *given, const char *also);

/* merge.c: whether the call was given a list (.inputs); a VALUE error if not. */
bool cni_listed(const cn_layer *l, const cn_inputs *in);

/* wrapper.c: the output shape of the layer inside. */
bool cni_wrapped_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out);

/* activation_layers.c: softmax over the axes of what the mask (NULL: all) lets through, 0 elsewhere. */
cn_tensor *cni_masked_softmax(cn_graph *g, cn_tensor *x, cn_ints axis, cn_tensor *mask);

/* weights.c: hands an object to the layer, which frees it at its end. False after an error: it is still the caller's. */
bool cni_own(cn_layer *l, cn_object *o);

/* weights.c, at the end of a build: a sub-layer's weight stands before the layer's own in the lists of weights, and once in all. */
bool cni_lend_weight(cn_layer *l, cn_tensor *w);

/* spelling.c: a layer's config with the names of today's Keras, a new reference; options that were dropped without effect are left out, those that ask for what
 * is not supported (quantization) are refused. NULL after an error. What is no object passes. */
json_t *cni_config_today(cn_graph *g, const json_t *config);

/* activation.c */
cn_object *cni_activation_from_text(cn_graph *g, const char *text);
cn_object *cni_activation_from_json(cn_graph *g, const json_t *config);
int64_t cni_activation_fused(const cn_ref *r);            /* its number in cn_linear's activation option, or 0 */

cn_dims cni_input_dims(const cn_layer *input);            /* of an InputLayer, batch axis included */
/* A node for a symbolic call of l with n outputs and as many places for their masks; it lives as long as l. NULL after an error. */
cn_node *cni_call_node(cn_layer *l, const cn_call_args *a, int64_t n);
bool cni_adopt(cn_layer *l, cn_layer *sub);               /* cn_add_layer without its checks */
extern const cn_schema cni_call_schema;                   /* of cn_call_args */
extern const cn_op cni_layer_call;                        /* stands in the nodes of layers' calls; never run */
cn_tensor *cni_with_mask(cn_layer *l, const cn_inputs *in, cn_tensor *y,
                         cn_tensor *mask); /* y carrying the mask; a view of it where it is not the call's own to change */
/* Pushes the layer's name on the scope of errors and nodes. */
typedef struct cni_scope_mark { size_t mark; const char *scope; } cni_scope_mark;
cni_scope_mark cni_layer_enter(cn_layer *l);
void cni_layer_leave(cn_layer *l, cni_scope_mark mark);
/* Calls visit for the layer's own weights and those of everything below it: trainable ones (want 1), others (0), or all (-1), in Keras' order. */
void cni_each_layer(cn_layer *l, void (*visit)(cn_layer *l, void *user), void *user); /* the layer and everything below it */

/* What a symbolic call may return instead of computing: sizes may be unknown. */
static inline cn_tensor *cni_shape_only(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  cn_tensor *t = cni_view_header(g, dtype, dims);
  if (t) t->flags |= CNI_SYMBOLIC;
  return t;
}

/* An option of a layer by its name; NULL: it has none of the name. */
static inline void *cni_option_named(const cn_layer *l, const char *name) {
  const int i = cni_option_find(&l->object.cls->schema, name);
  return i < 0 ? NULL : cni_option_at(&l->object.cls->schema, l->object.options, i);
}

#endif
