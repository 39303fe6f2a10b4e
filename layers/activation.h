/* Activations: operations of one input by their Keras name, with options: "relu", "leaky_relu(negative_slope=0.1)", "softmax(axis=1)"; or a user's function. */
#ifndef CN_LAYERS_ACTIVATION_H
#define CN_LAYERS_ACTIVATION_H
#include "object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An activation object from its text. An unknown name is answered with the nearest known one. */
CN_API cn_object *cn_activation_from(cn_graph *g, const char *text);
/* f(x) for a reference: an object, a function, or a name (looked up at each call: layers resolve theirs once, at build). None is the identity. */
CN_API cn_tensor *cn_activate(cn_graph *g, const cn_ref *activation, cn_tensor *x);
/* The same by name, for one call. */
CN_API cn_tensor *cn_activation(cn_graph *g, const char *text, cn_tensor *x);
/* Names of all activations of Keras, sorted by nothing in particular; NULL-terminated. */
CN_API const char *const *cn_activation_names(void);
/* Registers a function as an activation under a name (the graph's). */
CN_API bool cn_register_activation(cn_graph *g, const char *name, cn_function fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
