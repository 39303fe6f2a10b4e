/* Models from and to Keras' JSON: what reading and writing share. */
#ifndef CN_MODELS_CONFIG_PRIVATE_H
#define CN_MODELS_CONFIG_PRIVATE_H
#include "model_private.h"
#include "program_private.h"

cn_object *cni_functional_from_json(cn_graph *g, const json_t *config);
cn_object *cni_sequential_from_json(cn_graph *g, const json_t *config);
json_t *cni_functional_to_json(cn_graph *g, const cn_object *o);
json_t *cni_sequential_to_json(cn_graph *g, const cn_object *o);

/* graph_ops.c: bare operations as Keras writes them. */
const cn_op *cni_graph_op(const char *class_name);                  /* "TrueDivide" -> divide; NULL if there is none */
void cni_graph_class_name(const cn_node *n, char *text, size_t size); /* of an operation: "expand_dims" -> "ExpandDims" */
bool cni_is_graph_op(const json_t *entry);                          /* an entry of `layers` that is an operation */
/* Calls the operation on args and kwargs, whose tensors are {"class_name": "__place__", "config": address}. Its name is that of the entry. The outputs, or
 * NULLs. */
typedef struct cni_places { cn_tensor **v; int64_t n, capacity; } cni_places; /* what {"class_name": "__place__", "config": number} stands for */
cn_tensor *const *cni_graph_op_call(cn_graph *g, const cni_places *places, const json_t *entry, const json_t *args, const json_t *kwargs);
json_t *cni_graph_op_json(cn_graph *g, const cni_stage *s, const char *name, json_t *(*tensor)(void *user, const cn_tensor *t),
                          void *user);                              /* the entry; tensor writes a symbolic one */
json_t *cni_constant_json(const cn_tensor *t);                      /* a number, or a __tensor__ */
cn_tensor *cni_constant_from(cn_graph *g, const json_t *v, cn_dtype dtype);

#endif
