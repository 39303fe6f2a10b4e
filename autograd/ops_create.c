/* Tensors out of numbers. */
#include "ops_create.h"
#include <math.h>
#include "ops_layout_private.h"
#include "ops_private.h"

/* A name that the option check has let through, or None. */
static cn_code dtype_of(const cn_call *c, const char *name, cn_dtype none) {
  c->sig[0].dtype = none;
  if (name && (!cn_dtype_from_name(name, &c->sig[0].dtype) || c->sig[0].dtype == CN_STRING))
    return cn_fail(c->graph, CN_DTYPE, "dtype \"%s\" is not one of numbers", name);
  return CN_OK;
}

/* ---- zeros, ones, empty, full ---- */
static cn_code shaped_infer(const cn_call *c) {
  const cn_zeros_args *o = c->args;
  return cni_dims_from(c->graph, o->shape, &c->sig[0].dims) ? dtype_of(c, o->dtype, CN_F32) : CN_VALUE;
}
static cn_code full_infer(const cn_call *c) {
  const cn_full_args *o = c->args;
  return cni_dims_from(c->graph, o->shape, &c->sig[0].dims) ? dtype_of(c, o->dtype, CN_F32) : CN_VALUE;
}
static void fill(double *y, int64_t n, double value) {
  for (int64_t i = 0; i < n; i++) y[i] = value;
}
#define FILLED(op, LIST, infer_rule, value, ...)                                                                   \
  static cn_code op##_forward(const cn_call *c) {                                                                  \
    const cn_##op##_args *o = c->args;                                                                             \
    (void)o;                                                                                                       \
    return cni_fill(c->y[0], value), CN_OK;                                                                        \
  }                                                                                                                \
  static void op##_reference(const cn_reference *r) {                                                              \
    const cn_##op##_args *o = r->call->args;                                                                       \
    (void)o;                                                                                                       \
    fill(r->y[0], r->call->y[0]->count, value);                                                                    \
  }                                                                                                                \
  CN_OP(op, LIST, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = infer_rule, .forward = op##_forward, .reference = op##_reference, __VA_ARGS__);
#define SHAPED .samples = CN_TEXTS("shape=[2,3]", "shape=[0,2]", "shape=[3], dtype='int32'", "shape=[]", "shape=[2], dtype='float64'"), \
               .rejects = CN_TEXTS("shape=[2,-1] => shape is not a list of up to 8 sizes", "shape=[2], dtype='string' => dtype")
FILLED(zeros, CN_LIST_SHAPED, shaped_infer, 0, SHAPED)
FILLED(ones, CN_LIST_SHAPED, shaped_infer, 1, SHAPED)
FILLED(empty, CN_LIST_SHAPED, shaped_infer, 0, SHAPED)
FILLED(full, CN_LIST_FULL, full_infer, o->fill_value,
       .samples = CN_TEXTS("shape=[2,3], fill_value=1.5", "shape=[2], fill_value=3, dtype='int64'", "shape=[], fill_value=-1"),
       .rejects = CN_TEXTS("shape=[2] => fill_value is required", "shape=[-2], fill_value=1 => shape is not a list of up to 8 sizes"))

/* ---- zeros_like, ones_like, empty_like, full_like ---- */
static cn_code like(const cn_call *c, const char *dtype) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  return dtype_of(c, dtype, (cn_dtype)c->x[0]->dtype);
}
static cn_code like_infer(const cn_call *c) { return like(c, ((const cn_zeros_like_args *)c->args)->dtype); }
static cn_code full_like_infer(const cn_call *c) { return like(c, ((const cn_full_like_args *)c->args)->dtype); }
#define LIKE .samples = CN_TEXTS("f[2,3]", "i[0,2]@0:3", "f[3], dtype='int32'", "b[]", "l[2]@0:3, dtype='float64'"), .rejects = CN_TEXTS("f[2], dtype='string' => dtype", "s[2] => string")
FILLED(zeros_like, CN_LIST_LIKE, like_infer, 0, LIKE)
FILLED(ones_like, CN_LIST_LIKE, like_infer, 1, LIKE)
FILLED(empty_like, CN_LIST_LIKE, like_infer, 0, LIKE)
FILLED(full_like, CN_LIST_FULL_LIKE, full_like_infer, o->fill_value,
       .samples = CN_TEXTS("f[2,3], fill_value=1.5", "i[2]@0:3, fill_value=3", "f[], fill_value=-1, dtype='int64'"),
       .rejects = CN_TEXTS("f[2] => fill_value is required", "s[2], fill_value=1 => string"))

/* ---- arange ---- */
typedef struct range { double start, stop, step; } range;
static range range_of(const cn_call *c) {
  const cn_arange_args *o = c->args;
  const bool one = isnan(o->stop);
  return (range){ one ? 0 : o->start, one ? o->start : o->stop, isnan(o->step) ? 1 : o->step };
}
static bool whole(double v) { return v == floor(v) && fabs(v) < 2147483648.0; }
static cn_code arange_infer(const cn_call *c) {
  const range r = range_of(c);
  if (r.step == 0 || !isfinite(r.start) || !isfinite(r.stop) || !isfinite(r.step))
    return cn_fail(c->graph, CN_VALUE, "start %g, stop %g, step %g give no range", r.start, r.stop, r.step);
  const double n = ceil((r.stop - r.start) / r.step);
  if (n > 1e15) return cn_fail(c->graph, CN_NO_MEMORY, "%g elements are too many", n);
  c->sig[0].dims = (cn_dims){ 1, { n > 0 ? (int64_t)n : 0 } };
  return dtype_of(c, ((const cn_arange_args *)c->args)->dtype, whole(r.start) && whole(r.stop) && whole(r.step) ? CN_I32 : CN_F32);
}
static cn_code arange_forward(const cn_call *c) {
  const range r = range_of(c);
  for (int64_t i = 0; i < c->y[0]->count; i++) cni_value_set(c->y[0], i, r.start + (double)i * r.step);
  return CN_OK;
}
static void arange_reference(const cn_reference *r) {
  const range s = range_of(r->call);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = s.start + (double)i * s.step;
}
CN_OP(arange, CN_LIST_ARANGE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = arange_infer, .forward = arange_forward, .reference = arange_reference,
      .samples = CN_TEXTS("start=5", "start=5, stop=0, step=-2", "start=3, stop=3", "start=0, stop=1, step=0.25", "start=2, stop=6, dtype='float64'"),
      .rejects = CN_TEXTS("start=1, stop=2, step=0 => give no range", " => start is required"));

const cn_op *const cni_ops_create[] = { &cn_op_zeros,     &cn_op_ones,       &cn_op_empty,     &cn_op_full,   &cn_op_zeros_like,
                                        &cn_op_ones_like, &cn_op_empty_like, &cn_op_full_like, &cn_op_arange, NULL };
