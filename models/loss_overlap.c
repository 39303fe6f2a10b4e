/* Losses of sets and of pairs: overlaps of segmentations, embeddings. */
#include "loss_private.h"

/* ---- overlaps ---- */
CNI_VALUES(dice) {
  CNI_VALUES_UNUSED;
  const cn_ints axis = ((const cn_loss_DiceOptions *)self->options)->axis;
  if (!cni_loss_shapes(g, self, &t, &p) || !cni_broadcast_both(g, &t, &p)) return NULL;
  cn_tensor *both = cn_sum(g, cn_multiply(g, t, p), .axis = axis), *all = cn_add(g, cn_sum(g, t, .axis = axis), cn_sum(g, p, .axis = axis));
  return cn_shift(g, cn_scale(g, cn_divide(g, both, cn_shift(g, all, CNI_LOSS_EPSILON)), -2), 1);
}

CNI_VALUES(tversky) {
  CNI_VALUES_UNUSED;
  const cn_loss_TverskyOptions *o = self->options;
  if (!cni_loss_shapes(g, self, &t, &p) || !cni_broadcast_both(g, &t, &p)) return NULL;
  cn_tensor *tp = cn_multiply(g, t, p), *both = cn_sum(g, tp, .axis = o->axis);
  cn_tensor *missed = cn_sum(g, cn_subtract(g, t, tp), .axis = o->axis), *wrong = cn_sum(g, cn_subtract(g, p, tp), .axis = o->axis);
  cn_tensor *all = cn_add(g, both, cn_add(g, cn_scale(g, missed, o->alpha), cn_scale(g, wrong, o->beta)));
  return cn_shift(g, cn_negative(g, cn_divide(g, both, cn_shift(g, all, CNI_LOSS_EPSILON))), 1);
}

/* ---- circle ---- */
#define NOT_A_PAIR (-1e30) /* an exponent whose power is 0 */

/* ln of the sum of e^x over the pairs, by rows. */
static cn_tensor *log_sum(cn_graph *g, cn_tensor *pairs, cn_tensor *x) {
  return cn_logsumexp(g, cn_where(g, pairs, x, cn_scalar_like(g, x, NOT_A_PAIR)), .axis = CN_INTS(1));
}

/* pairs max(weight, 0) distance, times gamma. */
static cn_tensor *pull(cn_graph *g, cn_tensor *pairs, cn_tensor *weight, cn_tensor *distance, double gamma) {
  cn_tensor *w = cni_at_least(g, cn_multiply(g, weight, cn_cast(g, pairs, .dtype = cn_dtype_name((cn_dtype)weight->dtype))), 0);
  return cn_scale(g, cn_multiply(g, w, distance), gamma);
}

static cn_tensor *diagonal_mask(cn_graph *g, int64_t n) {
  cn_tensor *i = cn_arange(g, CN_I64, 0, (double)n, 1);
  return i ? cn_equal(g, cn_reshape(g, i, CN_INTS(n, 1)), cn_reshape(g, i, CN_INTS(1, n))) : NULL;
}

CNI_VALUES(circle) {
  const cn_loss_CircleOptions *o = self->options;
  char a[160], b[160];
  const double m = o->margin;
  const int64_t n = p->dims.rank == 2 ? p->dims.d[0] : -1;
  if (n < 0 || t->count != n)
    return cn_fail(g, CN_SHAPE, "Circle: needs ids [n] and embeddings [n, d], got %s and %s", cn_dims_text(&t->dims, a, sizeof a),
                   cn_dims_text(&p->dims, b, sizeof b)),
           NULL;
  cn_tensor *same = cn_equal(g, cn_reshape(g, t, CN_INTS(n, 1)), cn_reshape(g, t, CN_INTS(1, n))), *others = cn_logical_not(g, same);
  if (o->remove_diagonal) same = cn_logical_and(g, same, cn_logical_not(g, diagonal_mask(g, n)));
  cn_tensor *d = cni_at_least(g, cn_shift(g, cn_negative(g, cn_matmul(g, p, p, .transpose_b = true)), 1), 0);
  if (!d || !same || !others) return NULL;
  cn_tensor *near = pull(g, same, cn_shift(g, d, m), cn_shift(g, d, -m), o->gamma); /* -gamma w (m - d) */
  cn_tensor *far = pull(g, others, cn_shift(g, cn_negative(g, d), 1 + m), cn_shift(g, cn_negative(g, d), 1 - m), o->gamma);
  cn_tensor *v = cn_softplus(g, cn_add(g, log_sum(g, same, near), log_sum(g, others, far)));
  if (v) *mask = cn_greater(g, v, cn_scalar_like(g, v, 0));
  return v;
}

CNI_LOSS(Dice, CN_LOSS_DICE, dice, cni_loss_init, false, false, "dice")
CNI_LOSS(Tversky, CN_LOSS_TVERSKY, tversky, cni_loss_init, false, false, "tversky")
CNI_LOSS(Circle, CN_LOSS_CIRCLE, circle, cni_loss_init, false, false, "circle")
