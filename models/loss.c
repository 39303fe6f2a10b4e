/* Losses: shapes, weights and reductions; the classes stand in loss_*.c. */
#include "loss_private.h"

/* ---- shapes ---- */
bool cni_align(cn_graph *g, cn_tensor **a, cn_tensor **b) {
  cn_tensor **large = (*a)->dims.rank > (*b)->dims.rank ? a : b, **small = large == a ? b : a;
  const int r = (*large)->dims.rank;
  if (r != (*small)->dims.rank + 1 || (*large)->dims.d[r - 1] != 1) return true;
  if ((*small)->dims.rank == 1) *small = cn_expand_dims(g, *small, .axis = CN_INTS(-1));
  else *large = cn_squeeze(g, *large, .axis = CN_INTS(-1));
  return *large && *small;
}

static cn_tensor *to(cn_graph *g, cn_tensor *x, cn_dtype dtype) { return !x || (cn_dtype)x->dtype == dtype ? x : cn_cast(g, x, .dtype = cn_dtype_name(dtype)); }

bool cni_loss_shapes(cn_graph *g, const cn_object *self, cn_tensor **t, cn_tensor **p) {
  cn_dims both;
  char a[160], b[160];
  if (!cni_align(g, t, p)) return false;
  if (cn_dims_broadcast(&(*t)->dims, &(*p)->dims, &both)) return true;
  cn_fail(g, CN_SHAPE, "%s: y_true %s and y_pred %s do not fit", self->cls->schema.name, cn_dims_text(&(*t)->dims, a, sizeof a),
          cn_dims_text(&(*p)->dims, b, sizeof b));
  return false;
}

bool cni_broadcast_both(cn_graph *g, cn_tensor **t, cn_tensor **p) {
  cn_dims both;
  if (!cn_dims_broadcast(&(*t)->dims, &(*p)->dims, &both)) return false;
  const cn_ints shape = { both.d, both.rank };
  if (!cn_dims_equal(&(*t)->dims, &both)) *t = cn_broadcast_to(g, *t, .shape = shape);
  if (!cn_dims_equal(&(*p)->dims, &both)) *p = cn_broadcast_to(g, *p, .shape = shape);
  return *t && *p;
}

static cn_tensor *last_mean(cn_graph *g, cn_tensor *v) { return v && v->dims.rank ? cn_mean(g, v, .axis = CN_INTS(-1)) : v; }

/* ---- what several losses use ---- */
cn_tensor *cni_smoothed(cn_graph *g, cn_tensor *t, double s, double n) {
  return s == 0 || !t ? t : cn_add(g, cn_multiply(g, t, cn_scalar_like(g, t, 1 - s)), cn_scalar_like(g, t, s / n));
}

cn_tensor *cni_at_least(cn_graph *g, cn_tensor *x, double low) {
  cn_tensor *least = x ? cn_scalar_like(g, x, low) : NULL;
  return cn_where(g, cn_greater_equal(g, x, least), x, least);
}

double cni_classes_of(const cn_tensor *p) { return p->dims.rank ? (double)p->dims.d[p->dims.rank - 1] : 1; }

/* ---- classes ---- */
bool cni_loss_init(cn_object *self) {
  static const char *const known[] = { "sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", NULL };
  const int i = cni_option_find(&self->cls->schema, "reduction");
  const char *r = *(const char *const *)cni_option_at_const(&self->cls->schema, self->options, i);
  for (int k = 0; r && known[k]; k++)
    if (!strcmp(r, known[k])) return true;
  if (!r) return true;
  cn_fail(self->graph, CN_VALUE, "reduction must be sum_over_batch_size, mean, sum, mean_with_sample_weight or none, got \"%s\"", r);
  return false;
}

const cn_class *const cni_loss_classes[] = { &cn_class_loss_BinaryCrossentropy, &cn_class_loss_BinaryFocalCrossentropy, &cn_class_loss_CategoricalCrossentropy,
                                             &cn_class_loss_CategoricalFocalCrossentropy, &cn_class_loss_CategoricalGeneralizedCrossEntropy,
                                             &cn_class_loss_CategoricalHinge, &cn_class_loss_Circle, &cn_class_loss_CTC, &cn_class_loss_CosineSimilarity,
                                             &cn_class_loss_Dice, &cn_class_loss_Hinge, &cn_class_loss_Huber, &cn_class_loss_KLDivergence,
                                             &cn_class_loss_LogCosh, &cn_class_loss_MeanAbsoluteError, &cn_class_loss_MeanAbsolutePercentageError,
                                             &cn_class_loss_MeanSquaredError, &cn_class_loss_MeanSquaredLogarithmicError, &cn_class_loss_Poisson,
                                             &cn_class_loss_SparseCategoricalCrossentropy, &cn_class_loss_SquaredHinge, &cn_class_loss_Tversky, NULL };

cn_object *cn_loss_from(cn_graph *g, const char *text) { return cn_ok(g) && text ? cni_models_factory.from_text(g, CN_KIND_LOSS, text) : NULL; }
bool cn_register_loss(cn_graph *g, const char *name, cn_function2 fn, void *user) { return cn_register_function(g, CN_KIND_LOSS, name, NULL, fn, user); }

/* ---- weights and reduction ---- */
static const char *reduction_of(const cn_object *o) {
  const int i = o ? cni_option_find(&o->cls->schema, "reduction") : -1;
  const char *r = i < 0 ? "sum_over_batch_size" : *(const char *const *)cni_option_at_const(&o->cls->schema, o->options, i);
  return r ? r : "none";
}
static bool is_mean(const char *r) { return !strcmp(r, "mean") || !strcmp(r, "sum_over_batch_size"); }

/* Weights of a mask: 1 where it holds, for means total/valid. */
static cn_tensor *mask_weight(cn_graph *g, cn_tensor *mask, cn_dtype dtype, bool mean) {
  cn_tensor *w = to(g, mask, dtype);
  if (!w || !mean) return w;
  return cn_multiply(g, w, cn_divide_no_nan(g, cn_scalar_like(g, w, (double)mask->count), cn_sum(g, w)));
}

static cn_tensor *weighted(cn_graph *g, cn_tensor *a, cn_tensor *b) {
  if (!a || !b || !cni_align(g, &a, &b)) return NULL;
  return cn_multiply(g, a, b);
}

static cn_tensor *reduce(cn_graph *g, const char *r, cn_tensor *v, cn_tensor *w) {
  if (!v || !strcmp(r, "none") || !v->dims.rank || (v->dims.rank == 1 && !v->dims.d[0])) return v;
  if (is_mean(r) && !w) return cn_mean(g, v);
  cn_tensor *sum = cn_sum(g, v);
  if (!strcmp(r, "sum") || !sum) return sum;
  if (is_mean(r)) return cn_multiply(g, sum, cn_scalar_like(g, sum, v->count ? 1.0 / (double)v->count : 0));
  cn_tensor *total = w ? cn_sum(g, w) : cn_scalar_like(g, sum, (double)v->count);
  return cn_divide_no_nan(g, sum, total);
}

/* The masks of y_pred and of the values, joined; of rank-aligned shape. */
static cn_tensor *join_masks(cn_graph *g, cn_tensor *a, cn_tensor *b) {
  if (!a || !b) return a ? a : b;
  a = to(g, a, CN_BOOL);
  b = to(g, b, CN_BOOL);
  return a && b && cni_align(g, &a, &b) ? cn_logical_and(g, a, b) : NULL;
}

typedef struct resolved { cn_object *object; cn_ref ref; bool made; } resolved;

static bool resolve(cn_graph *g, const cn_ref *loss, resolved *r) {
  r->ref = *loss;
  r->object = cni_ref_resolve(g, CN_KIND_LOSS, &r->ref, &cni_models_factory);
  r->made = r->object && r->object != loss->object;
  if (!cn_ok(g)) return false;
  if (!r->object && !r->ref.fn2) return cn_fail(g, CN_VALUE, "no loss is given"), false;
  return true;
}

/* elementwise: set where the mean over the last axis is left to the caller; NULL: it is taken here. */
static cn_tensor *values_of(cn_graph *g, const resolved *r, cn_tensor *t, cn_tensor *p, cn_tensor **mask, bool *elementwise) {
  if (!t || !p) return NULL;
  if (!cni_readable(g, t, false) || !cni_readable(g, p, false)) return NULL;
  const cn_dtype dtype = cni_is_float((cn_dtype)p->dtype) ? (cn_dtype)p->dtype : CN_F32;
  cn_tensor *q = to(g, p, dtype);
  const cn_loss_methods *methods = r->object ? r->object->cls->methods : NULL;
  if (!methods || !methods->labels) t = to(g, t, dtype);
  if (!t || !q) return NULL;
  if (!r->object) return r->ref.fn2(g, t, q, r->ref.user);
  cn_tensor *v = methods->values(r->object, g, t, q, mask);
  if (elementwise) *elementwise = methods->elementwise;
  return methods->elementwise && !elementwise ? last_mean(g, v) : v;
}

cn_tensor *cn_loss_values(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred) {
  resolved r;
  cn_tensor *mask = NULL;
  if (!cn_ok(g) || !resolve(g, loss, &r)) return NULL;
  cn_tensor *v = values_of(g, &r, y_true, y_pred, &mask, NULL);
  if (v && mask) cn_set_mask(v, mask);
  if (r.made) cn_object_free(r.object);
  return v;
}

cn_tensor *cn_loss_apply(cn_graph *g, const cn_ref *loss, cn_tensor *y_true, cn_tensor *y_pred, cn_tensor *sample_weight) {
  resolved r;
  cn_tensor *own = NULL, *w = NULL;
  if (!cn_ok(g) || !resolve(g, loss, &r)) return NULL;
  const char *reduction = reduction_of(r.object);
  bool elementwise = false;
  cn_tensor *v = values_of(g, &r, y_true, y_pred, &own, &elementwise);
  const bool weighed = cn_mask_of(y_pred) || own || (sample_weight && cni_given(sample_weight));
  if (elementwise && (weighed || !is_mean(reduction))) v = last_mean(g, v); /* else the mean of all elements is the mean of the means */
  cn_tensor *mask = v ? join_masks(g, cn_mask_of(y_pred), own) : NULL;
  if (v && mask) w = mask_weight(g, mask, (cn_dtype)v->dtype, is_mean(reduction));
  if (v && sample_weight && cni_given(sample_weight)) {
    cn_tensor *s = to(g, sample_weight, (cn_dtype)v->dtype);
    w = w ? weighted(g, w, s) : s;
  }
  if (v && w) {
    cn_tensor *a = v, *b = w;
    v = cni_align(g, &a, &b) ? cn_multiply(g, a, b) : NULL;
    w = b;
  }
  v = cn_ok(g) ? reduce(g, reduction, v, w) : NULL;
  if (r.made) cn_object_free(r.object);
  return v;
}
