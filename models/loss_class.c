/* Losses of classes: cross-entropies, focal ones, hinges. */
#include "loss_private.h"

/* ---- cross-entropies ---- */
CNI_VALUES(binary_crossentropy) {
  CNI_VALUES_UNUSED;
  const cn_loss_BinaryCrossentropyOptions *o = self->options;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  t = cni_smoothed(g, t, o->label_smoothing, 2);
  cn_tensor *v = cn_binary_crossentropy(g, t, p, .from_logits = o->from_logits);
  return v && v->dims.rank ? cn_mean(g, v, .axis = CN_INTS(o->axis)) : v;
}

CNI_VALUES(categorical_crossentropy) {
  CNI_VALUES_UNUSED;
  const cn_loss_CategoricalCrossentropyOptions *o = self->options;
  t = cni_smoothed(g, t, o->label_smoothing, cni_classes_of(p));
  return cn_categorical_crossentropy(g, t, p, .from_logits = o->from_logits, .axis = o->axis);
}

/* Labels without a trailing axis of size 1 that y_pred does not share. */
static cn_tensor *labels_of(cn_graph *g, cn_tensor *t, const cn_tensor *p) {
  const int r = t->dims.rank;
  return r && r == p->dims.rank && t->dims.d[r - 1] == 1 ? cn_squeeze(g, t, .axis = CN_INTS(-1)) : t;
}

CNI_VALUES(sparse_categorical_crossentropy) {
  const cn_loss_SparseCategoricalCrossentropyOptions *o = self->options;
  if (!(t = labels_of(g, t, p))) return NULL;
  if (o->ignore_class != CN_NONE) {
    cn_tensor *wide = cni_is_float((cn_dtype)t->dtype) ? t : cn_cast(g, t, .dtype = "int64"); /* uint8 has no -1 */
    *mask = wide ? cn_not_equal(g, wide, cn_scalar_like(g, wide, (double)o->ignore_class)) : NULL;
  }
  return cn_sparse_categorical_crossentropy(g, t, p, .from_logits = o->from_logits, .ignore_class = o->ignore_class, .axis = o->axis);
}

/* Labels outside of the classes have no probability in Keras either; they are refused. */
CNI_VALUES(generalized_crossentropy) {
  CNI_VALUES_UNUSED;
  const double q = ((const cn_loss_CategoricalGeneralizedCrossEntropyOptions *)self->options)->q;
  if (!(t = labels_of(g, t, p))) return NULL;
  cn_tensor *index = cn_expand_dims(g, cn_cast(g, t, .dtype = "int32"), .axis = CN_INTS(-1));
  cn_tensor *chosen = cn_squeeze(g, cn_take_along_axis(g, p, index, .axis = -1), .axis = CN_INTS(-1));
  return cn_scale(g, cn_shift(g, cn_negative(g, cn_power(g, chosen, cn_scalar_like(g, p, q))), 1), 1 / q);
}
static bool generalized_init(cn_object *self) {
  const double q = ((const cn_loss_CategoricalGeneralizedCrossEntropyOptions *)self->options)->q;
  if (q > 0 && q < 1) return cni_loss_init(self);
  return cn_fail(self->graph, CN_VALUE, "q must be between 0 and 1, got %g", q), false;
}

/* Every frame counts; a target is as long as it has numbers that are not 0. */
CNI_VALUES(ctc) {
  CNI_VALUES_UNUSED;
  char a[160], b[160];
  if (t->dims.rank != 2 || p->dims.rank != 3)
    return cn_fail(g, CN_SHAPE, "CTC: needs labels [n, length] and logits [n, time, classes], got %s and %s", cn_dims_text(&t->dims, a, sizeof a),
                   cn_dims_text(&p->dims, b, sizeof b)),
           NULL;
  cn_tensor *frames = cn_full(g, CN_I32, &(const cn_dims){ 1, { p->dims.d[0] } }, (double)p->dims.d[1]);
  return cn_ctc_loss(g, t, p, cn_count_nonzero(g, t, .axis = CN_INTS(1)), frames, .mask_index = 0);
}

/* ---- focal ---- */
CNI_VALUES(binary_focal) {
  CNI_VALUES_UNUSED;
  const cn_loss_BinaryFocalCrossentropyOptions *o = self->options;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  t = cni_smoothed(g, t, o->label_smoothing, 2);
  if (o->from_logits) p = cn_sigmoid(g, p);
  cn_tensor *each = cn_binary_crossentropy(g, t, p); /* refuses shapes that differ */
  if (!each) return NULL;
  cn_tensor *others = cn_shift(g, cn_negative(g, t), 1), *hit = cn_add(g, cn_multiply(g, t, p), cn_multiply(g, others, cn_shift(g, cn_negative(g, p), 1)));
  cn_tensor *focus = cn_power(g, cn_shift(g, cn_negative(g, hit), 1), cn_scalar_like(g, p, o->gamma));
  cn_tensor *v = cn_multiply(g, focus, each);
  if (o->apply_class_balancing) v = cn_multiply(g, v, cn_add(g, cn_scale(g, t, o->alpha), cn_scale(g, others, 1 - o->alpha)));
  return v && v->dims.rank ? cn_mean(g, v, .axis = CN_INTS(o->axis)) : v;
}

static cn_tensor *class_weights(cn_graph *g, const cn_object *self, const cn_tensor *p, cn_reals alpha) {
  if ((double)alpha.n != cni_classes_of(p))
    return cn_fail(g, CN_SHAPE, "%s: alpha has %lld weights for %g classes", self->cls->schema.name, (long long)alpha.n, cni_classes_of(p)), NULL;
  cn_tensor *w = cn_array(g, CN_F64, CN_DIMS(alpha.n), alpha.v);
  return cn_cast(g, w, .dtype = cn_dtype_name((cn_dtype)p->dtype));
}

CNI_VALUES(categorical_focal) {
  CNI_VALUES_UNUSED;
  const cn_loss_CategoricalFocalCrossentropyOptions *o = self->options;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  t = cni_smoothed(g, t, o->label_smoothing, cni_classes_of(p));
  if (o->from_logits) p = cn_softmax(g, p, .axis = o->axis);
  p = cn_divide(g, p, cn_sum(g, p, .axis = CN_INTS(o->axis), .keepdims = true));
  p = cn_clip(g, p, CNI_LOSS_EPSILON, 1 - CNI_LOSS_EPSILON);
  if (!p) return NULL;
  cn_tensor *focus = cn_power(g, cn_shift(g, cn_negative(g, p), 1), cn_scalar_like(g, p, o->gamma));
  focus = o->alpha.n == 1 ? cn_scale(g, focus, o->alpha.v[0]) : cn_multiply(g, focus, class_weights(g, self, p, o->alpha));
  return cn_negative(g, cn_sum(g, cn_multiply(g, focus, cn_multiply(g, t, cn_log(g, p))), .axis = CN_INTS(o->axis)));
}

/* ---- hinges ---- */
/* 2 t - 1 if every element is 0 or 1, else t; in operations, so that a noted step asks anew. */
static cn_tensor *signs(cn_graph *g, cn_tensor *t) {
  cn_tensor *zero = cn_scalar_like(g, t, 0), *one = cn_scalar_like(g, t, 1);
  cn_tensor *binary = cn_cast(g, cn_all(g, cn_logical_or(g, cn_equal(g, t, zero), cn_equal(g, t, one))), .dtype = cn_dtype_name((cn_dtype)t->dtype));
  return cn_subtract(g, cn_multiply(g, t, cn_shift(g, binary, 1)), binary);
}
CNI_VALUES(hinge) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  return cni_at_least(g, cn_shift(g, cn_negative(g, cn_multiply(g, signs(g, t), p)), 1), 0);
}
CNI_VALUES(squared_hinge) { return cn_square(g, hinge(self, g, t, p, mask)); }
CNI_VALUES(categorical_hinge) {
  CNI_VALUES_UNUSED;
  if (!cni_loss_shapes(g, self, &t, &p)) return NULL;
  cn_tensor *right = cn_sum(g, cn_multiply(g, t, p), .axis = CN_INTS(-1)),
            *wrong = cn_max(g, cn_multiply(g, cn_shift(g, cn_negative(g, t), 1), p), .axis = CN_INTS(-1));
  return cni_at_least(g, cn_shift(g, cn_subtract(g, wrong, right), 1), 0);
}

CNI_LOSS(BinaryCrossentropy, CN_LOSS_BINARY_CROSSENTROPY, binary_crossentropy, cni_loss_init, false, false, "bce", "BCE")
CNI_LOSS(BinaryFocalCrossentropy, CN_LOSS_BINARY_FOCAL, binary_focal, cni_loss_init, false, false, "binary_focal_crossentropy")
CNI_LOSS(CategoricalCrossentropy, CN_LOSS_CATEGORICAL_CROSSENTROPY, categorical_crossentropy, cni_loss_init, false, false, "categorical_crossentropy")
CNI_LOSS(CategoricalFocalCrossentropy, CN_LOSS_CATEGORICAL_FOCAL, categorical_focal, cni_loss_init, false, false, "categorical_focal_crossentropy")
CNI_LOSS(SparseCategoricalCrossentropy, CN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, sparse_categorical_crossentropy, cni_loss_init, false, true,
         "sparse_categorical_crossentropy")
CNI_LOSS(CategoricalGeneralizedCrossEntropy, CN_LOSS_GENERALIZED, generalized_crossentropy, generalized_init, false, true,
         "categorical_generalized_cross_entropy")
CNI_LOSS(CTC, CN_LOSS_PLAIN, ctc, cni_loss_init, false, true, "ctc")
CNI_LOSS(Hinge, CN_LOSS_PLAIN, hinge, cni_loss_init, true, false, "hinge")
CNI_LOSS(SquaredHinge, CN_LOSS_PLAIN, squared_hinge, cni_loss_init, true, false, "squared_hinge")
CNI_LOSS(CategoricalHinge, CN_LOSS_PLAIN, categorical_hinge, cni_loss_init, false, false, "categorical_hinge")
