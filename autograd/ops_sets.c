/* Integers and bits, membership, sorted halves, and what leaves NaN out; declared in ops_sets.h. */
#include <float.h>
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

/* ---- gcd, lcm ---- */
static cn_code whole_infer(const cn_call *c) {
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  return cni_is_float(d) || d == CN_BOOL || d == CN_STRING ? cn_fail(c->graph, CN_DTYPE, "needs integers, got %s", cn_dtype_name(d)) : cn_infer_broadcast(c);
}
static double naive_gcd(double a, double b) { /* by trying */
  double d = fmax(fabs(a), fabs(b));
  while (d > 1 && (fmod(a, d) != 0 || fmod(b, d) != 0)) d--;
  return d;
}
#define WHOLE(op, value)                                                                  \
  static cn_code op##_forward(const cn_call *c) { return cni_binary_map(c, cni_kernels_of(c)->op, cni_width_of(c)); } \
  CNI_REFERENCE2(op, value)                                                               \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = whole_infer, .forward = op##_forward, .reference = op##_reference,                     \
        .samples = CN_TEXTS("i[3,4]@-30:30, i[3,4]@-30:30", "i[3,4]@0:20, i[4]@0:20", "l[2,1]@-50:50, l[3]@-50:50", "i[]@6:7, i[3]@0:5", "i[0]@1:3, i[0]@1:3"),     \
        .rejects = CN_TEXTS("f[2], f[2] => needs integers, got float32", "i[2]@0:3, i[3]@0:3 => shapes", "b[2], b[2] => needs integers, got bool"));
WHOLE(gcd, naive_gcd(a, b))
WHOLE(lcm, a == 0 || b == 0 ? 0 : fabs(a * b) / naive_gcd(a, b))

/* ---- bitwise_not, isreal ---- */
static cn_code bitwise_not_infer(const cn_call *c) {
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  return cni_is_float(d) || d == CN_STRING ? cn_fail(c->graph, CN_DTYPE, "needs integers or bool, got %s", cn_dtype_name(d)) : cn_infer_same(c);
}
static cn_code bitwise_not_forward(const cn_call *c) { return cni_map(c, cni_kernels_of(c)->bitwise_not, NULL); }
static void bitwise_not_reference(const cn_reference *r) {
  const int d = r->call->x[0]->dtype;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = d == CN_BOOL ? 1 - r->x[0][i] : d == CN_U8 ? 255 - r->x[0][i] : -r->x[0][i] - 1;
}
CN_OP(bitwise_not, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = bitwise_not_infer, .forward = bitwise_not_forward,
      .reference = bitwise_not_reference, .samples = CN_TEXTS("i[3,4]@-9:9", "l[5]@-9:9", "b[7]", "i[]@0:3", "i[0]@0:3"),
      .rejects = CN_TEXTS("f[3] => needs integers or bool, got float32", "s[3] => needs integers or bool, got string"));

static cn_code isreal_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  cni_sig_like(c, &c->x[0]->dims);
  return c->sig[0].dtype = CN_BOOL, CN_OK;
}
static cn_code isreal_forward(const cn_call *c) { return cni_fill(c->y[0], 1), CN_OK; }
CNI_REFERENCE1(isreal, x == x || x != x)
CN_OP(isreal, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = isreal_infer, .forward = isreal_forward, .reference = isreal_reference,
      .samples = CN_TEXTS("f[3,4]", "i[2]@0:3", "f[]", "f[0]"), .rejects = CN_TEXTS("s[3] => string"));

/* ---- ldexp, nextafter ---- */
static cn_code ldexp_infer(const cn_call *c) {
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (cni_is_float((cn_dtype)c->x[1]->dtype) || c->x[1]->dtype == CN_STRING || c->x[1]->dtype == CN_BOOL)
    return cn_fail(c->graph, CN_DTYPE, "b must be integers, got %s", cn_dtype_name((cn_dtype)c->x[1]->dtype));
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  char a[160], b[160];
  if (cn_dims_broadcast(&c->x[0]->dims, &c->x[1]->dims, &c->sig[0].dims)) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "shapes do not broadcast: %s and %s", cn_dims_text(&c->x[0]->dims, a, sizeof a),
                 cn_dims_text(&c->x[1]->dims, b, sizeof b));
}
static void ldexp_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_multiply(g, c->x[0], cn_exp2(g, cn_cast(g, c->x[1], .dtype = cn_dtype_name((cn_dtype)c->x[0]->dtype))));
}
CNI_REFERENCE2(ldexp, ldexp(a, (int)b))
CN_OP(ldexp, CN_LIST_AB, .outputs = 1, .infer = ldexp_infer, .compose = ldexp_compose, .reference = ldexp_reference,
      .samples = CN_TEXTS("f[3,4], i[3,4]@-5:5", "f[3,1], l[4]@-5:5", "f[], i[3]@0:3", "f[0], i[0]@0:3"),
      .rejects = CN_TEXTS("i[3]@0:3, i[3]@0:3 => float32 and float64", "f[3], f[3] => b must be integers, got float32",
                          "f[3], i[4]@0:3 => shapes do not broadcast: [3] and [4]"));

static cn_code nextafter_forward(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  const bool narrow = a->dtype == CN_F32;
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const double p = cni_value_at(a, cni_broadcast_index(&a->dims, &c->y[0]->dims, i)), q = cni_value_at(b, cni_broadcast_index(&b->dims, &c->y[0]->dims, i));
    cni_value_set(c->y[0], i, narrow ? (double)nextafterf((float)p, (float)q) : nextafter(p, q));
  }
  return CN_OK;
}
CNI_REFERENCE2(nextafter, a == b ? a : a + (b > a ? 1 : -1) * (r->call->y[0]->dtype == CN_F32 ? 1.2e-7 : 2.3e-16) / 2 * fabs(a))
CN_OP(nextafter, CN_LIST_AB, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast_float, .forward = nextafter_forward,
      .reference = nextafter_reference, .samples = CN_TEXTS("f[3,4], f[3,4]", "f[3,1], f[4]", "f[], f[2]", "f[0], f[0]"),
      .rejects = CN_TEXTS("i[3]@0:3, i[3]@0:3 => float32 or float64", "f[3], f[4] => [3]"));

/* ---- saturate_cast, view ---- */
static cn_code saturate_cast_infer(const cn_call *c) {
  const cn_saturate_cast_args *o = c->args;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  cni_sig_like(c, &c->x[0]->dims);
  if (o->dtype && cn_dtype_from_name(o->dtype, &c->sig[0].dtype) && c->sig[0].dtype != CN_STRING) return CN_OK;
  return cn_fail(c->graph, CN_VALUE, "dtype \"%s\" is not one to cast to", o->dtype ? o->dtype : "None");
}
static double lowest(cn_dtype d) { return d == CN_I32 ? -2147483648.0 : d == CN_I64 ? -9223372036854775808.0 : 0; }
static double highest(cn_dtype d) { return d == CN_I32 ? 2147483647.0 : d == CN_I64 ? 9223372036854774784.0 : d == CN_U8 ? 255 : 1; }
/* Floats saturate when they are cast; wider integers are cut first. */
static void saturate_cast_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_dtype to = c->sig[0].dtype, from = (cn_dtype)c->x[0]->dtype;
  cn_tensor *x = c->x[0];
  if (from == CN_F64 && to == CN_F32) x = cn_clip(g, x, -(double)FLT_MAX, (double)FLT_MAX);
  if (to == CN_BOOL && from != CN_BOOL && from != CN_U8) x = cn_maximum(g, x, NUMBER(x, 0));
  if (!cni_is_float(from) && from != CN_BOOL && !cni_is_float(to) && to != CN_BOOL) {
    if (lowest(from) < lowest(to)) x = cn_maximum(g, x, NUMBER(c->x[0], lowest(to)));
    if (highest(from) > highest(to)) x = cn_minimum(g, x, NUMBER(c->x[0], highest(to)));
  }
  y[0] = cn_cast(g, x, .dtype = ((const cn_saturate_cast_args *)c->args)->dtype);
}
static void saturate_cast_reference(const cn_reference *r) {
  const cn_dtype to = (cn_dtype)r->call->y[0]->dtype;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double x = r->x[0][i];
    if (cni_is_float(to)) r->y[0][i] = to == CN_F32 && fabs(x) > (double)FLT_MAX ? copysign((double)FLT_MAX, x) : x;
    else r->y[0][i] = to == CN_BOOL ? x > 0 || isnan(x) : fmin(fmax(trunc(x), lowest(to)), highest(to));
  }
}
CN_OP(saturate_cast, CN_CAST, .outputs = 1, .infer = saturate_cast_infer, .compose = saturate_cast_compose, .reference = saturate_cast_reference,
      .samples = CN_TEXTS("f[3,4]@-300:300, dtype='uint8'", "f[5]@-1e12:1e12, dtype='int32'", "i[6]@-300:300, dtype='uint8'", "l[6]@-9e9:9e9, dtype='int32'",
                          "f[3], dtype='float64'", "f[3]@-3:3, dtype='float32'", "i[6]@-3:3, dtype='bool'", "f[6]@-3:3, dtype='bool'", "b[3], dtype='int32'",
                          "f[0], dtype='int64'"),
      .rejects = CN_TEXTS("f[3], dtype='complex' => dtype \"complex\" is not one to cast to", "s[3], dtype='int32' => string", "f[3] => dtype \"None\""));

static cn_code view_infer(const cn_call *c) {
  const cn_view_args *o = c->args;
  cn_dtype to;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!o->dtype || !cn_dtype_from_name(o->dtype, &to) || to == CN_STRING || to == CN_BOOL || c->x[0]->dtype == CN_BOOL)
    return cn_fail(c->graph, CN_VALUE, "numbers of %s have no view as \"%s\"", cn_dtype_name((cn_dtype)c->x[0]->dtype), o->dtype ? o->dtype : "None");
  const int64_t from = (int64_t)cni_width_of(c), into = (int64_t)cn_dtype_size(to);
  cni_sig_like(c, &c->x[0]->dims);
  c->sig[0].dtype = to;
  if (from == into) return CN_OK;
  const int last = c->sig[0].dims.rank - 1;
  int64_t *d = &c->sig[0].dims.d[last < 0 ? 0 : last];
  if (last < 0 || (*d != CN_UNKNOWN && *d * from % into))
    return cn_fail(c->graph, CN_SHAPE, "the bytes of the last axis are no whole numbers of %s", o->dtype);
  if (*d != CN_UNKNOWN) *d = *d * from / into;
  return CN_OK;
}
static cn_code view_forward(const cn_call *c) {
  if (c->y[0]->count) memcpy(c->y[0]->data, c->x[0]->data, (size_t)c->y[0]->count * cn_dtype_size((cn_dtype)c->y[0]->dtype));
  return CN_OK;
}
/* Byte by byte: what the call has written must be x's. */
static void view_reference(const cn_reference *r) {
  cn_tensor y = *r->call->y[0];
  for (int64_t i = 0; i < y.count; i++) {
    unsigned char one[8];
    const size_t w = cn_dtype_size((cn_dtype)y.dtype);
    for (size_t k = 0; k < w; k++) one[k] = ((const unsigned char *)r->call->x[0]->data)[(size_t)i * w + k];
    y.data = one;
    r->y[0][i] = cni_value_at(&y, 0);
  }
}
CN_OP(view, CN_CAST, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = view_infer, .forward = view_forward, .reference = view_reference,
      .samples = CN_TEXTS("i[3,4]@0:9, dtype='uint8'", "l[2,3]@0:9, dtype='int32'", "i[3,4]@0:9, dtype='int64'", "i[3]@1065353216:1073741824, dtype='float32'",
                          "l[]@0:9, dtype='int64'", "i[0]@0:3, dtype='uint8'"),
      .rejects = CN_TEXTS("i[3]@0:9, dtype='int64' => the bytes of the last axis are no whole numbers of int64",
                          "i[3]@0:9, dtype='bool' => numbers of int32 have no view as \"bool\"", "s[3], dtype='int32' => string",
                          "i[]@0:9, dtype='uint8' => the bytes of the last axis"));

/* ---- isin ---- */
static cn_code isin_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  cni_sig_like(c, &c->x[0]->dims);
  return c->sig[0].dtype = CN_BOOL, CN_OK;
}
static cn_code isin_forward(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  const bool exact = !cni_is_float((cn_dtype)a->dtype) && !cni_is_float((cn_dtype)b->dtype), invert = ((const cn_isin_args *)c->args)->invert;
  for (int64_t i = 0; i < a->count; i++) {
    bool found = false;
    for (int64_t j = 0; j < b->count && !found; j++) found = exact ? cni_integer_at(a, i) == cni_integer_at(b, j) : cni_value_at(a, i) == cni_value_at(b, j);
    cni_integer_set(c->y[0], i, found != invert);
  }
  return CN_OK;
}
static void isin_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->x[0]->count; i++) {
    int64_t times = 0;
    for (int64_t j = 0; j < r->call->x[1]->count; j++) times += r->x[0][i] == r->x[1][j];
    r->y[0][i] = (times > 0) != ((const cn_isin_args *)r->call->args)->invert;
  }
}
CN_OP(isin, CN_LIST_ISIN, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = isin_infer, .forward = isin_forward, .reference = isin_reference,
      .samples = CN_TEXTS("i[3,4]@0:9, i[5]@0:9", "l[6]@0:5, i[2,2]@0:5, invert=true", "f[4]@0:2, b[3]", "i[]@0:3, i[0]@0:3",
                          "i[0]@0:3, i[2]@0:3, assume_unique=true"),
      .rejects = CN_TEXTS("s[3], f[2] => string", "f[3], s[2] => string"));

/* ---- nonzero ---- */
static int64_t nonzero_count(const cn_call *c) { return c->x[0]->dims.rank ? c->x[0]->dims.rank : (cn_fail(c->graph, CN_SHAPE, "x must have an axis"), -1); }
static cn_code nonzero_infer(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  int64_t n = x->data || !x->count ? 0 : CN_UNKNOWN;
  for (int64_t i = 0; n >= 0 && i < x->count; i++) n += cni_value_at(x, i) != 0;
  for (int64_t k = 0; k < c->ny; k++) c->sig[k] = (cn_sig){ CN_I32, { 1, { n } } };
  return CN_OK;
}
static cn_code nonzero_forward(const cn_call *c) {
  const cn_dims *d = &c->x[0]->dims;
  int64_t at[CN_MAX_RANK] = { 0 }, n = 0;
  for (int64_t i = 0; i < c->x[0]->count; i++, cni_next(d, at)) {
    if (cni_value_at(c->x[0], i) == 0) continue;
    for (int k = 0; k < d->rank; k++) cni_integer_set(c->y[k], n, at[k]);
    n++;
  }
  return CN_OK;
}
static void nonzero_reference(const cn_reference *r) {
  const cn_dims *d = &r->call->x[0]->dims;
  int64_t step = r->call->x[0]->count, n = 0;
  for (int k = 0; k < d->rank; k++, n = 0) {
    step = d->d[k] ? step / d->d[k] : 0;
    for (int64_t i = 0; i < r->call->x[0]->count; i++)
      if (r->x[0][i] != 0) r->y[k][n++] = (double)(i / step % d->d[k]);
  }
}
CN_OP(nonzero, CN_LIST_X, .outputs = 0, .count = nonzero_count, .flags = CN_OP_NO_GRADIENT | CN_OP_DATA_SHAPE, .infer = nonzero_infer,
      .forward = nonzero_forward, .reference = nonzero_reference, .samples = CN_TEXTS("b[3,4]", "i[5]@-1:2", "f[2,3,2]", "b[0,2]"),
      .rejects = CN_TEXTS("f[] => x must have an axis", "s[3] => string"));

/* ---- multi_hot, argpartition ---- */
static cn_code multi_hot_infer(const cn_call *c) {
  const cn_multi_hot_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims;
  cn_dtype dtype = CN_F32;
  if (cni_need_indices(c, 0)) return CN_DTYPE;
  if (o->sparse) return cn_fail(c->graph, CN_VALUE, "sparse must be false: there are no sparse tensors");
  if (o->dtype && (!cn_dtype_from_name(o->dtype, &dtype) || dtype == CN_STRING || dtype == CN_BOOL))
    return cn_fail(c->graph, CN_DTYPE, "dtype \"%s\" is not one of numbers", o->dtype);
  if (!x->rank || x->rank == CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "inputs must have rank 1 to %d", CN_MAX_RANK - 1);
  const int at = cn_axis(c->graph, o->axis, x->rank + 1), gone = x->rank > 1;
  if (at < 0) return CN_INDEX;
  cn_dims hot = { x->rank + 1, { 0 } };
  for (int i = 0; i <= x->rank; i++) hot.d[i] = i == at ? o->num_classes : x->d[i - (i > at)];
  if (!hot.d[gone]) return cn_fail(c->graph, CN_SHAPE, "axis %d has no elements", gone);
  cni_reduced_dims(&hot, 1u << gone, false, &c->sig[0].dims);
  return c->sig[0].dtype = dtype, CN_OK;
}
static void multi_hot_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_multi_hot_args *o = c->args;
  const int64_t gone = c->x[0]->dims.rank > 1;
  const cn_ints along = { &gone, 1 };
  y[0] = cn_max(g, cn_one_hot(g, c->x[0], o->num_classes, .axis = o->axis, .dtype = o->dtype), .axis = along);
}
static void multi_hot_reference(const cn_reference *r) {
  const cn_multi_hot_args *o = r->call->args;
  const cn_dims *x = &r->call->x[0]->dims, *y = &r->call->y[0]->dims;
  const int at = cni_wrap(o->axis, x->rank + 1), gone = x->rank > 1;
  int64_t from[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(x, from))
    for (int64_t k = 0; k < o->num_classes; k++) {
      int64_t to[CN_MAX_RANK];
      for (int a = 0, b = 0; a <= x->rank; a++)
        if (a != gone) to[b++] = a == at ? k : from[a - (a > at)];
      if ((double)k == r->x[0][i]) r->y[0][cni_flat(y, to)] = 1;
    }
}
CN_OP(multi_hot, CN_LIST_MULTI_HOT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = multi_hot_infer, .compose = multi_hot_compose,
      .reference = multi_hot_reference,
      .samples = CN_TEXTS("i[2,3]@0:5, num_classes=5", "l[4]@0:5, num_classes=6", "i[2,3,2]@0:4, num_classes=4",
                          "i[2,3]@0:4, num_classes=4, axis=0, dtype='int32'", "i[0,3]@0:4, num_classes=4"),
      .rejects = CN_TEXTS("f[2,3], num_classes=5 => int32", "i[2]@0:3 => num_classes is required",
                          "i[2]@0:3, num_classes=3, sparse=true => sparse must be false", "i[]@0:3, num_classes=3 => inputs must have rank 1 to 7",
                          "i[2]@0:3, num_classes=3, axis=2 => axis 2 is out of range for rank 2"));

static cn_code argpartition_infer(const cn_call *c) {
  const cn_argpartition_args *o = c->args;
  const bool flat = o->axis == CN_NONE;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  const int at = flat ? 0 : cn_axis(c->graph, o->axis, c->x[0]->dims.rank);
  if (at < 0) return CN_INDEX;
  const int64_t n = flat ? c->x[0]->count : c->x[0]->dims.d[at];
  if (n >= 0 && (o->kth >= n || o->kth < -n)) return cn_fail(c->graph, CN_INDEX, "kth %lld is out of range for %lld elements", (long long)o->kth, (long long)n);
  const cn_dims all = { 1, { n < 0 ? CN_UNKNOWN : n } };
  cni_sig_like(c, flat ? &all : &c->x[0]->dims);
  return c->sig[0].dtype = CN_I32, CN_OK;
}
static void argpartition_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_argsort(g, c->x[0], .axis = ((const cn_argpartition_args *)c->args)->axis);
}
/* The place that each element has in the sorted order. */
static void argpartition_reference(const cn_reference *r) {
  const int64_t axis = ((const cn_argpartition_args *)r->call->args)->axis;
  const cn_dims flat = { 1, { r->call->x[0]->count } }, *d = axis == CN_NONE ? &flat : &r->call->x[0]->dims;
  const cni_runs l = cni_axis_runs(d, axis == CN_NONE ? 0 : cni_wrap(axis, d->rank));
  for (int64_t k = 0; k < l.outer * l.inner; k++)
    for (int64_t i = 0; i < l.n; i++) {
      const int64_t base = k / l.inner * l.n * l.inner + k % l.inner;
      int64_t rank = 0;
      for (int64_t j = 0; j < l.n; j++)
        rank += r->x[0][base + j * l.inner] < r->x[0][base + i * l.inner] || (j < i && r->x[0][base + j * l.inner] == r->x[0][base + i * l.inner]);
      r->y[0][base + rank * l.inner] = (double)i;
    }
}
CN_OP(argpartition, CN_LIST_ARGPARTITION, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = argpartition_infer, .compose = argpartition_compose,
      .reference = argpartition_reference, .samples = CN_TEXTS("f[7], kth=2", "f[3,4], kth=1, axis=0", "i[2,5]@0:9, kth=-1", "f[2,3], kth=3, axis=none"),
      .rejects = CN_TEXTS("f[3], kth=3 => kth 3 is out of range for 3 elements", "f[3] => kth is required",
                          "f[3], kth=0, axis=1 => axis 1 is out of range for rank 1", "s[3], kth=0 => string"));

/* ---- without NaN ---- */
static cn_code nanarg_infer(const cn_call *c) {
  const cn_nanargmax_args *o = c->args;
  uint32_t bits = ~0u;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (o->axis != CN_NONE) {
    const int at = cn_axis(c->graph, o->axis, c->x[0]->dims.rank);
    if (at < 0) return CN_INDEX;
    bits = 1u << at;
  }
  int64_t n = 1;
  for (int i = 0; i < c->x[0]->dims.rank; i++) n = bits >> i & 1 ? n * (c->x[0]->dims.d[i] != 0) : n;
  if (!n) return cn_fail(c->graph, CN_SHAPE, "there are no elements");
  cni_reduced_dims(&c->x[0]->dims, bits, o->keepdims, &c->sig[0].dims);
  return c->sig[0].dtype = CN_I32, CN_OK;
}
static void nanarg_compose(cn_graph *g, const cn_call *c, cn_tensor **y, bool most) {
  const cn_nanargmax_args *o = c->args;
  cn_tensor *x = cni_without_nan(g, c->x[0], most ? -INFINITY : INFINITY);
  const cn_ints none = CN_NONE_INTS, one = { &o->axis, 1 };
  y[0] = most ? cn_argmax(g, x, .axis = o->axis, .keepdims = o->keepdims) : cn_argmin(g, x, .axis = o->axis, .keepdims = o->keepdims);
  if (y[0] && cni_is_float((cn_dtype)c->x[0]->dtype))
    y[0] = cn_where(g, cn_all(g, cn_isnan(g, c->x[0]), .axis = o->axis == CN_NONE ? none : one, .keepdims = o->keepdims), NUMBER(y[0], -1), y[0]);
}
static void nanargmax_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { nanarg_compose(g, c, y, true); }
static void nanargmin_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { nanarg_compose(g, c, y, false); }
static void nanarg_reference(const cn_reference *r, double sign) {
  const int64_t axis = ((const cn_nanargmax_args *)r->call->args)->axis;
  const cn_dims flat = { 1, { r->call->x[0]->count } }, *d = axis == CN_NONE ? &flat : &r->call->x[0]->dims;
  const cni_runs l = cni_axis_runs(d, axis == CN_NONE ? 0 : cni_wrap(axis, d->rank));
  for (int64_t k = 0; k < l.outer * l.inner; k++) {
    const double *x = r->x[0] + k / l.inner * l.n * l.inner + k % l.inner;
    int64_t best = -1;
    for (int64_t i = 0; i < l.n; i++)
      if (!isnan(x[i * l.inner]) && (best < 0 || sign * x[i * l.inner] > sign * x[best * l.inner])) best = i;
    r->y[0][k] = (double)best;
  }
}
static void nanargmax_reference(const cn_reference *r) { nanarg_reference(r, 1); }
static void nanargmin_reference(const cn_reference *r) { nanarg_reference(r, -1); }
#define NANARG(op) \
  CN_OP(op, CN_LIST_ARGUMENT, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = nanarg_infer, .compose = op##_compose, .reference = op##_reference, \
        .samples = CN_TEXTS("f[3,4], axis=1", "f[5]", "f[2,3,2], axis=-2, keepdims=true", "i[4]@0:9", "f[1]", "f[0,2], axis=1"), .rejects = CN_TEXTS("f[3], axis=1 => axis 1 is out of range for rank 1", "f[0] => there are no elements", "s[3] => string"));
NANARG(nanargmax)
NANARG(nanargmin)

static cn_code nancum_infer(const cn_call *c) { return cn_op_cumsum.infer(c); }
static void nancumsum_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_cumsum(g, cni_without_nan(g, c->x[0], 0), .axis = ((const cn_cumsum_args *)c->args)->axis);
}
static void nancumprod_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  y[0] = cn_cumprod(g, cni_without_nan(g, c->x[0], 1), .axis = ((const cn_cumsum_args *)c->args)->axis);
}
static void nancum_reference(const cn_reference *r, bool product) {
  const int64_t axis = ((const cn_cumsum_args *)r->call->args)->axis;
  const cn_dims flat = { 1, { r->call->x[0]->count } }, *d = axis == CN_NONE ? &flat : &r->call->x[0]->dims;
  const cni_runs l = cni_axis_runs(d, axis == CN_NONE ? 0 : cni_wrap(axis, d->rank));
  for (int64_t k = 0; k < l.outer * l.inner; k++) {
    double so_far = product;
    for (int64_t i = 0; i < l.n; i++) {
      const int64_t at = (k / l.inner * l.n + i) * l.inner + k % l.inner;
      if (!isnan(r->x[0][at])) so_far = product ? so_far * r->x[0][at] : so_far + r->x[0][at];
      r->y[0][at] = so_far;
    }
  }
}
static void nancumsum_reference(const cn_reference *r) { nancum_reference(r, false); }
static void nancumprod_reference(const cn_reference *r) { nancum_reference(r, true); }
#define NANCUM(op) \
  CN_OP(op, CN_LIST_SCAN, .outputs = 1, .infer = nancum_infer, .compose = op##_compose, .reference = op##_reference, .samples = CN_TEXTS("f[3,4], axis=1", "f[5]", "f[2,3], axis=0", "i[4]@-3:3", "f[0]"), \
        .rejects = CN_TEXTS("f[3], axis=1 => axis 1 is out of range for rank 1", "s[3] => string"));
NANCUM(nancumsum)
NANCUM(nancumprod)

const cn_op *const cni_ops_sets[] = {
  &cn_op_gcd,     &cn_op_lcm,       &cn_op_bitwise_not,  &cn_op_isreal,    &cn_op_ldexp,     &cn_op_nextafter, &cn_op_saturate_cast, &cn_op_view, &cn_op_isin,
  &cn_op_nonzero, &cn_op_multi_hot, &cn_op_argpartition, &cn_op_nanargmax, &cn_op_nanargmin, &cn_op_nancumsum, &cn_op_nancumprod,    NULL
};
