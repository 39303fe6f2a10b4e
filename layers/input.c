#include "input.h"
#include "layer_private.h"

typedef struct input_layer { cn_layer base; cn_dims dims; } input_layer;

static bool init(cn_object *self) {
  const cn_InputLayerOptions *o = self->options;
  input_layer *l = (input_layer *)(void *)self;
  cn_graph *g = self->graph;
  const bool whole = o->batch_shape.n >= 0;
  const cn_ints sizes = whole ? o->batch_shape : o->shape;
  if (!cn_layer_init(self)) return false;
  if (whole == (o->shape.n >= 0)) return cn_fail(g, CN_VALUE, "give shape or batch_shape, one of the two"), false;
  if (o->sparse || o->ragged)
    return cn_fail(g, CN_UNSUPPORTED, "%s inputs are not supported: give %s", o->sparse ? "sparse" : "ragged",
                   o->sparse ? "rows as they are looked up, or dense ones" : "padded ones with a mask"),
           false;
  if (sizes.n + !whole > CN_MAX_RANK || (whole && !sizes.n)) return cn_fail(g, CN_SHAPE, "rank %lld is not possible", (long long)(sizes.n + !whole)), false;
  if (!whole) l->dims.d[l->dims.rank++] = o->batch_size == CN_NONE ? CN_UNKNOWN : o->batch_size;
  for (int64_t i = 0; i < sizes.n; i++) {
    const int64_t n = sizes.v[i] == CN_NONE || cni_size_tensor(g, sizes.v[i]) ? CN_UNKNOWN : sizes.v[i];
    if (n < 0 && n != CN_UNKNOWN) return cn_fail(g, CN_SHAPE, "size %lld of the shape is negative", (long long)n), false;
    l->dims.d[l->dims.rank++] = n;
  }
  l->base.built = true;
  return true;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  (void)l;
  (void)g;
  return in->x[0];
}
static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)in;
  (void)n;
  *out = ((const input_layer *)l)->dims;
  return true;
}

static json_t *to_json(cn_graph *g, const cn_object *self) {
  const input_layer *l = (const input_layer *)(const void *)self;
  json_t *shape = json_array();
  (void)g;
  for (int i = 0; i < l->dims.rank; i++) json_array_append_new(shape, l->dims.d[i] == CN_UNKNOWN ? json_null() : json_integer(l->dims.d[i]));
  return json_pack("{s:o, s:s, s:b, s:b, s:s, s:b}", "batch_shape", shape, "dtype", cn_dtype_name(l->base.dtype), "sparse", 0, "ragged", 0, "name",
                   l->base.name, "optional", ((const cn_InputLayerOptions *)self->options)->optional);
}
CN_LAYER_OF(InputLayer, input_layer, CN_INPUT_LAYER, (.init = init, .to_json = to_json), .call = call, .output_shape = output_shape)

cn_dims cni_input_dims(const cn_layer *l) { return ((const input_layer *)l)->dims; }

cn_tensor *cn_input_of(cn_layer *l) {
  if (!l || !cn_ok(l->object.graph)) return NULL;
  cn_graph *g = l->object.graph;
  if (l->object.cls != &cn_class_InputLayer) return cn_fail(g, CN_VALUE, "input_of: %s is no InputLayer", l->name), NULL;
  const cn_call_args none = { .graph = g,
                              .layer = l,
                              .x = CN_NO_TENSOR,
                              .training = CN_NONE,
                              .mask = CN_NO_TENSOR,
                              .attention_mask = CN_NO_TENSOR,
                              .query_mask = CN_NO_TENSOR,
                              .value_mask = CN_NO_TENSOR,
                              .key_mask = CN_NO_TENSOR };
  cn_node *n = cni_call_node(l, &none, 1);
  if (!n) return NULL;
  return cni_symbolic_output(g, n, 0, l->dtype, &((const input_layer *)l)->dims);
}

/* A new input of the shape, whose batch axis is `batch`. */
static cn_tensor *new_input(const cn_input_args *a, const int64_t *d, int rank, int64_t batch, const char *dtype) {
  int64_t sizes[CN_MAX_RANK];
  for (int i = 0; i < rank; i++) sizes[i] = d[i] == CN_UNKNOWN ? CN_NONE : d[i];
  cn_InputLayerOptions o;
  cn_InputLayerOptions_init(&o, sizeof o);
  o.graph = a->graph;
  o.shape = (cn_ints){ sizes, rank };
  o.batch_size = batch == CN_UNKNOWN ? CN_NONE : batch;
  o.dtype = dtype;
  o.name = a->name;
  return cn_input_of(cn_make_InputLayer(&o));
}

/* For .tensor. */
static cn_tensor *input_like(const cn_input_args *a) {
  const cn_tensor *t = a->tensor;
  if (!t || !cni_readable(a->graph, t, false)) return NULL;
  if (a->shape) return cn_fail(a->graph, CN_VALUE, "Input: give shape or tensor, one of the two"), NULL;
  if (t->flags & CNI_SYMBOLIC) return a->tensor;
  if (!t->dims.rank) return cn_fail(a->graph, CN_SHAPE, "Input: the tensor has no batch axis"), NULL;
  return new_input(a, t->dims.d + 1, t->dims.rank - 1, t->dims.d[0], cn_dtype_name((cn_dtype)t->dtype));
}

cn_tensor *cn_input_run(const cn_input_args *a) {
  if (!cn_ok(a->graph)) return NULL;
  if (!a->tensor || cni_given(a->tensor)) return input_like(a);
  if (!a->shape) return cn_fail(a->graph, CN_VALUE, "Input: shape is missing"), NULL;
  return new_input(a, a->shape->d, a->shape->rank, a->batch_size, a->dtype);
}
