#include "regularizer.h"
#include "layer_private.h"

static cn_tensor *l1_term(cn_graph *g, double factor, cn_tensor *w) { return cn_multiply(g, cn_scalar_like(g, w, factor), cn_sum(g, cn_abs(g, w))); }
static cn_tensor *l2_term(cn_graph *g, double factor, cn_tensor *w) { return cn_multiply(g, cn_scalar_like(g, w, factor), cn_sum(g, cn_square(g, w))); }

static cn_tensor *l1(const cn_object *self, cn_graph *g, cn_tensor *w) { return l1_term(g, ((const cn_regularizer_L1Options *)self->options)->l1, w); }
static cn_tensor *l2(const cn_object *self, cn_graph *g, cn_tensor *w) { return l2_term(g, ((const cn_regularizer_L2Options *)self->options)->l2, w); }
static cn_tensor *l1l2(const cn_object *self, cn_graph *g, cn_tensor *w) {
  const cn_regularizer_L1L2Options *o = self->options;
  if (o->l1 == 0) return l2_term(g, o->l2, w);
  return o->l2 == 0 ? l1_term(g, o->l1, w) : cn_add(g, l1_term(g, o->l1, w), l2_term(g, o->l2, w));
}

/* Keras: x / max(|x|, 1e-12) along the axis; the mean over the n (n - 1) / 2 pairs. */
static cn_tensor *orthogonal(const cn_object *self, cn_graph *g, cn_tensor *w) {
  const cn_regularizer_OrthogonalRegularizerOptions *o = self->options;
  if (w->dims.rank != 2) return cn_fail(g, CN_SHAPE, "OrthogonalRegularizer: rank must be 2, got %d", w->dims.rank), NULL;
  const bool rows = !strcmp(o->mode, "rows");
  const int64_t n = w->dims.d[rows ? 0 : 1], axis = rows ? 1 : 0;
  cn_tensor *length = cn_sqrt(g, cn_maximum(g, cn_sum(g, cn_square(g, w), .axis = CN_INTS(axis), .keepdims = true), cn_scalar_like(g, w, 1e-12)));
  cn_tensor *unit = cn_divide(g, w, length);
  cn_tensor *product = rows ? cn_matmul(g, unit, unit, .transpose_b = true) : cn_matmul(g, unit, unit, .transpose_a = true);
  cn_tensor *off = cn_subtract(g, cn_ones_like(g, product), cn_eye(g, (cn_dtype)w->dtype, n, n, 0));
  cn_tensor *sum = cn_sum(g, cn_abs(g, cn_multiply(g, product, off)));
  return cn_multiply(g, cn_scalar_like(g, w, n > 1 ? o->factor * 0.5 / ((double)n * (double)(n - 1) / 2) : 0), sum);
}

static bool orthogonal_init(cn_object *self) {
  const char *mode = ((const cn_regularizer_OrthogonalRegularizerOptions *)self->options)->mode;
  if (mode && (!strcmp(mode, "rows") || !strcmp(mode, "columns"))) return true;
  cn_fail(self->graph, CN_VALUE, "mode must be \"rows\" or \"columns\", got \"%s\"", mode ? mode : "None");
  return false;
}

static const cn_regularizer_methods l1_methods = { l1 }, l2_methods = { l2 }, l1l2_methods = { l1l2 }, orthogonal_methods = { orthogonal };
CN_OBJECT(regularizer, REGULARIZER, L1, CN_REGULARIZER_L1, .methods = &l1_methods)
CN_OBJECT(regularizer, REGULARIZER, L2, CN_REGULARIZER_L2, .methods = &l2_methods)
static const char *const l1l2_names[] = { "l1l2", "l1_l2", NULL };
CN_OBJECT(regularizer, REGULARIZER, L1L2, CN_REGULARIZER_L1L2, .methods = &l1l2_methods, .aliases = l1l2_names)
CN_OBJECT(regularizer, REGULARIZER, OrthogonalRegularizer, CN_REGULARIZER_ORTHOGONAL, .methods = &orthogonal_methods, .init = orthogonal_init)
const cn_class *const cni_regularizer_classes[] = { &cn_class_regularizer_L1, &cn_class_regularizer_L2, &cn_class_regularizer_L1L2,
                                                    &cn_class_regularizer_OrthogonalRegularizer, NULL };

cn_object *cn_regularizer_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_layers_factory.from_text(g, CN_KIND_REGULARIZER, text) : NULL; }

cn_tensor *cn_regularize(cn_graph *g, const cn_ref *r, cn_tensor *w) {
  if (!cn_ok(g) || !w) return NULL;
  cn_ref found = *r;
  cn_object *o = cni_ref_resolve(g, CN_KIND_REGULARIZER, &found, &cni_layers_factory);
  if (!cn_ok(g)) return NULL;
  bool own = false;
  for (cn_class_list c = cni_regularizer_classes; o && *c; c++) own |= *c == o->cls;
  if (!own) cni_capture_spoil(g);
  if (!o) return found.fn ? found.fn(g, w, found.user) : cn_scalar_like(g, w, 0);
  cn_tensor *p = ((const cn_regularizer_methods *)o->cls->methods)->penalty(o, g, w);
  if (o != r->object) cn_object_free(o);
  return p;
}

bool cn_register_regularizer(cn_graph *g, const char *name, cn_function fn, void *user) {
  return cn_register_function(g, CN_KIND_REGULARIZER, name, fn, NULL, user);
}
