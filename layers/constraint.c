#include "constraint.h"
#include <math.h>
#include "layer_private.h"

#define EPSILON 1e-7

static cn_tensor *norm(cn_graph *g, cn_tensor *w, cn_ints axis) { return cn_sqrt(g, cn_sum(g, cn_square(g, w), .axis = axis, .keepdims = true)); }
/* w * wanted / (eps + n) */
static cn_tensor *rescaled(cn_graph *g, cn_tensor *w, cn_tensor *wanted, cn_tensor *n) {
  return cn_multiply(g, w, cn_divide(g, wanted, cn_add(g, n, cn_scalar_like(g, n, EPSILON))));
}

static cn_tensor *max_norm(const cn_object *self, cn_graph *g, cn_tensor *w) {
  const cn_constraint_MaxNormOptions *o = self->options;
  cn_tensor *n = norm(g, w, o->axis);
  return rescaled(g, w, cn_clip(g, n, 0, o->max_value), n);
}

static cn_tensor *min_max_norm(const cn_object *self, cn_graph *g, cn_tensor *w) {
  const cn_constraint_MinMaxNormOptions *o = self->options;
  cn_tensor *n = norm(g, w, o->axis), *near = cn_multiply(g, cn_clip(g, n, o->min_value, o->max_value), cn_scalar_like(g, w, o->rate));
  return rescaled(g, w, cn_add(g, near, cn_multiply(g, n, cn_scalar_like(g, w, 1 - o->rate))), n);
}

static cn_tensor *unit_norm(const cn_object *self, cn_graph *g, cn_tensor *w) {
  cn_tensor *n = norm(g, w, ((const cn_constraint_UnitNormOptions *)self->options)->axis);
  return cn_divide(g, w, cn_add(g, n, cn_scalar_like(g, n, EPSILON)));
}

static cn_tensor *non_neg(const cn_object *self, cn_graph *g, cn_tensor *w) {
  (void)self;
  return cn_relu(g, w);
}

static const cn_constraint_methods max_norm_methods = { max_norm }, min_max_norm_methods = { min_max_norm }, unit_norm_methods = { unit_norm },
                                   non_neg_methods = { non_neg };
CN_OBJECT(constraint, CONSTRAINT, MaxNorm, CN_CONSTRAINT_MAX_NORM, .methods = &max_norm_methods)
CN_OBJECT(constraint, CONSTRAINT, MinMaxNorm, CN_CONSTRAINT_MIN_MAX_NORM, .methods = &min_max_norm_methods)
CN_OBJECT(constraint, CONSTRAINT, UnitNorm, CN_CONSTRAINT_UNIT_NORM, .methods = &unit_norm_methods)
CN_OBJECT(constraint, CONSTRAINT, NonNeg, CN_NO_OPTIONS, .methods = &non_neg_methods)
const cn_class *const cni_constraint_classes[] = { &cn_class_constraint_MaxNorm, &cn_class_constraint_MinMaxNorm, &cn_class_constraint_UnitNorm,
                                                   &cn_class_constraint_NonNeg, NULL };

cn_object *cn_constraint_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_layers_factory.from_text(g, CN_KIND_CONSTRAINT, text) : NULL; }

cn_tensor *cn_project(cn_graph *g, const cn_ref *r, cn_tensor *w) {
  if (!cn_ok(g) || !w) return NULL;
  cn_ref found = *r;
  cn_object *o = cni_ref_resolve(g, CN_KIND_CONSTRAINT, &found, &cni_layers_factory);
  if (!cn_ok(g)) return NULL;
  cn_tensor *y = o ? ((const cn_constraint_methods *)o->cls->methods)->project(o, g, w) : found.fn ? found.fn(g, w, found.user) : w;
  if (o != r->object) cn_object_free(o);
  return y;
}

bool cn_constrain(cn_graph *g, const cn_ref *r, cn_tensor *variable) {
  if (!cn_ok(g)) return false;
  const bool recording = cn_recording(g, false);
  cn_tensor *y = cn_project(g, r, variable);
  cn_recording(g, recording);
  return y && (y == variable || cn_assign(variable, y));
}

bool cn_register_constraint(cn_graph *g, const char *name, cn_function fn, void *user) {
  return cn_register_function(g, CN_KIND_CONSTRAINT, name, fn, NULL, user);
}
