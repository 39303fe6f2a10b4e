/* Reductions that leave NaN out, declared in ops_series.h. */
#include <math.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

static bool real(const cn_tensor *x) { return cni_is_float((cn_dtype)x->dtype); }
cn_tensor *cni_without_nan(cn_graph *g, cn_tensor *x, double value) { return x && real(x) ? cn_where(g, cn_isnan(g, x), NUMBER(x, value), x) : x; }
/* How many elements are no NaN, of x's dtype. */
static cn_tensor *counted(cn_graph *g, cn_tensor *x, cn_ints axis, bool keepdims) {
  return cn_sum(g, cn_where(g, cn_isnan(g, x), NUMBER(x, 0), NUMBER(x, 1)), .axis = axis, .keepdims = keepdims);
}

/* The infer rule, the reference and the options are those of the reduction that keeps NaN. */
#define REDUCTION(op, base, ...)                                                                                         \
  static cn_code op##_infer(const cn_call *c) { return cn_op_##base.infer(c); }                                          \
  static void op##_reference(const cn_reference *r) { cn_op_##base.reference(r); }                                       \
  static void op##_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {                                               \
    const cn_##op##_args *o = c->args;                                                                                   \
    y[0] = op##_of(g, c->x[0], o->axis, o->keepdims);                                                                    \
  }                                                                                                                      \
  CN_OP(op, CN_LIST_REDUCE, .outputs = 1, .infer = op##_infer, .compose = op##_compose, .reference = op##_reference,     \
        .samples = CN_TEXTS("f[3,4]@distinct, axis=[0]", "f[2,3,4]@distinct, axis=[0,2], keepdims=true", "f[5]@distinct", __VA_ARGS__), \
        .rejects = CN_TEXTS("f[3,4], axis=[2] => axis 2 is out of range for rank 2", "f[3,4], axis=[1,1] => axis 1 is given twice", "s[2] => string"));
#define RULE(op) static cn_tensor *op##_of(cn_graph *g, cn_tensor *x, cn_ints axis, bool keepdims)

RULE(nansum) { return cn_sum(g, cni_without_nan(g, x, 0), .axis = axis, .keepdims = keepdims); }
REDUCTION(nansum, sum, "i[4,2]@-1:2, axis=[-1]", "f[]", "f[0,3], axis=[0]")
RULE(nanprod) { return cn_prod(g, cni_without_nan(g, x, 1), .axis = axis, .keepdims = keepdims); }
REDUCTION(nanprod, prod, "i[4,2]@-1:2, axis=[-1]", "f[]", "f[0,3], axis=[0]")
RULE(nanmean) {
  if (!real(x)) return cn_mean(g, x, .axis = axis, .keepdims = keepdims);
  return cn_divide(g, nansum_of(g, x, axis, keepdims), counted(g, x, axis, keepdims));
}
REDUCTION(nanmean, mean, "i[4,2]@-1:2, axis=[-1]", "f[]", "f[3,1], axis=[1]")
RULE(nanvar) {
  cn_tensor *away = cn_where(g, cn_isnan(g, x), NUMBER(x, 0), cn_subtract(g, x, nanmean_of(g, x, axis, true)));
  return cn_divide(g, cn_sum(g, cn_square(g, away), .axis = axis, .keepdims = keepdims), counted(g, x, axis, keepdims));
}
REDUCTION(nanvar, var, "f[]", "f[3,1], axis=[1]")
RULE(nanstd) { return cn_sqrt(g, nanvar_of(g, x, axis, keepdims)); }
REDUCTION(nanstd, std, "f[2,3]@distinct, axis=[-1]")

/* NaN where there is nothing else. */
static cn_tensor *or_nan(cn_graph *g, cn_tensor *x, cn_tensor *y, cn_ints axis, bool keepdims) {
  return real(x) && y ? cn_where(g, cn_all(g, cn_isnan(g, x), .axis = axis, .keepdims = keepdims), NUMBER(y, NAN), y) : y;
}
RULE(nanmax) { return or_nan(g, x, cn_max(g, cni_without_nan(g, x, -INFINITY), .axis = axis, .keepdims = keepdims), axis, keepdims); }
REDUCTION(nanmax, amax, "i[4,2]@-1:2, axis=[-1]", "f[]", "f[3,1], axis=[1]")
RULE(nanmin) { return or_nan(g, x, cn_min(g, cni_without_nan(g, x, INFINITY), .axis = axis, .keepdims = keepdims), axis, keepdims); }
REDUCTION(nanmin, amin, "i[4,2]@-1:2, axis=[-1]", "f[]", "f[3,1], axis=[1]")

const cn_op *const cni_ops_nan[] = { &cn_op_nansum, &cn_op_nanprod, &cn_op_nanmean, &cn_op_nanvar, &cn_op_nanstd, &cn_op_nanmax, &cn_op_nanmin, NULL };
