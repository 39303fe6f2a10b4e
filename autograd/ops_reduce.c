/* Reductions: their shapes, gradients and references. */
#include "ops_reduce.h"
#include <math.h>
#include "ops.h"
#include "ops_private.h"
#include "ops_reduce_private.h"
#include "../core/threads_private.h"

/* The options that all of them begin with. */
typedef cn_sum_args axes_args;
static uint32_t bits_of(const cn_call *c) {
  uint32_t bits;
  cni_axes(c->graph, ((const axes_args *)c->args)->axis, c->x[0]->dims.rank, &bits);
  return bits;
}

static cn_code infer(const cn_call *c, cni_reduction kind, bool keepdims) {
  uint32_t bits;
  const cn_dims *x = &c->x[0]->dims;
  c->sig[0].dtype = cni_reduction_dtype(kind, (cn_dtype)c->x[0]->dtype);
  if (c->sig[0].dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "works on numbers, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  if (!cni_axes(c->graph, ((const axes_args *)c->args)->axis, x->rank, &bits)) return CN_INDEX;
  cni_reduced_dims(x, bits, keepdims, &c->sig[0].dims);
  return CN_OK;
}

static cn_code forward(const cn_call *c, cni_reduction kind) {
  const cn_tensor *x = c->x[0];
  cni_reduce_memo *memo = c->memo;
  if (memo && !memo->noted) cni_reduce_note(c->graph, kind, (cn_dtype)x->dtype, &x->dims, bits_of(c), memo);
  if (memo && memo->loop) return memo->loop(c->y[0]->data, x->data, memo->outer, memo->n, memo->inner), CN_OK;
  return cni_reduce(c->graph, kind, (cn_dtype)x->dtype, &x->dims, x->data, bits_of(c), c->y[0]->data) ? CN_OK : CN_NO_MEMORY;
}
#define REDUCTION(op, kind)                                                                                             \
  static cn_code op##_infer(const cn_call *c) { return infer(c, kind, ((const axes_args *)c->args)->keepdims); }        \
  static cn_code op##_forward(const cn_call *c) { return forward(c, kind); }

/* References step through x in order, y[k] = fold(y[k], x[i]); then y = finish(y, n). */
typedef double (*fold)(double y, double x);
static double *reference(const cn_reference *r, double start, fold f) {
  const cn_dims *x = &r->call->x[0]->dims;
  const uint32_t bits = bits_of(r->call);
  int64_t at[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = start;
  for (int64_t i = 0; i < r->call->x[0]->count; i++) {
    int64_t k = 0;
    for (int d = 0; d < x->rank; d++) k = bits & 1u << d ? k : k * x->d[d] + at[d];
    r->y[0][k] = f(r->y[0][k], r->x[0][i]);
    cni_next(x, at);
  }
  return r->y[0];
}
#define REFERENCE(op, start, expression)                                        \
  static double op##_fold(double y, double x) { return expression; }            \
  static void op##_reference(const cn_reference *r) { reference(r, start, op##_fold); }
#define SAMPLES "f[3,4]", "f[3,4], axis=[-1]", "f[2,3,4], axis=[0,2]", "f[5], keepdims=true", "f[]", "f[1,7], axis=[0,1]", "f[2,3,2,2], axis=[0,2], keepdims=true", "f[2,3], axis=[]"
#define DISTINCT "f[3,4]@distinct", "f[3,4]@distinct, axis=[-1]", "f[2,3,4]@distinct, axis=[0,2]", "f[5]@distinct, keepdims=true", "f[]", "f[2,3,2]@distinct, axis=[1]"
#define REJECTS "f[2,3], axis=[2] => axis 2 is out of range for rank 2", "f[2,3], axis=[0,0] => axis 0 is given twice", "s[2] => works on numbers, got string"

cn_tensor *cni_kept_axes(cn_graph *g, const cn_node *n, cn_tensor *gy) {
  uint32_t bits;
  cn_dims dims;
  cni_axes(g, ((const axes_args *)n->args)->axis, n->x[0]->dims.rank, &bits);
  cni_reduced_dims(&n->x[0]->dims, bits, true, &dims);
  return cni_to_shape(g, gy, &dims);
}
/* Elements of x for each of y; not a number where y has none. */
static double reduced_count(const cn_tensor *x, const cn_tensor *y) { return (double)x->count / (double)y->count; }

static void narrow_dims(const cn_call *c, cn_dims *dims) { cni_reduced_dims(&c->x[0]->dims, bits_of(c), true, dims); }
/* gx = gy repeated over the reduced axes. */
static void spread(const cn_call *c, const void *gy) {
  cn_dims narrow;
  if (cni_repeat_plain(cni_width_of(c), c->x[0]->count, c->gx[0], c->y[0]->count, gy)) return;
  narrow_dims(c, &narrow);
  cni_repeat(c->graph, cni_width_of(c), &c->x[0]->dims, c->gx[0], &narrow, gy);
}

/* ---- sum, mean ---- */
REDUCTION(sum, CNI_SUM)
REFERENCE(sum, 0, y + x)
CNI_VJP(sum) {
  (void)want;
  gx[0] = cni_spread(g, cni_kept_axes(g, n, gy[0]), &n->x[0]->dims);
}
static cn_code sum_backward(const cn_call *c) {
  if (!c->narrow) return spread(c, c->gy[0]), CN_OK;
  if (c->y[0]->count) memcpy(c->gx[0], c->gy[0], (size_t)c->y[0]->count * cni_width_of(c));
  return CN_OK;
}
CN_OP(sum, CN_LIST_REDUCE, .outputs = 1, .memo = sizeof(cni_reduce_memo), .infer = sum_infer, .forward = sum_forward, .vjp = sum_vjp,
      .backward = sum_backward, .narrow = narrow_dims, .reference = sum_reference,
      .samples = CN_TEXTS(SAMPLES, "f[2,0]", "f[0,3], axis=[0]", "f[257,129]", "f[40000]", "f[600,70], axis=[0]"), .rejects = CN_TEXTS(REJECTS));

static cn_code scale(const cn_call *c, void *to, const void *from, int64_t count, double n) {
  if (c->x[0]->dtype == CN_F64) for (int64_t i = 0; i < count; i++) ((double *)to)[i] = ((const double *)from)[i] / n;
  else for (int64_t i = 0; i < count; i++) ((float *)to)[i] = (float)((double)((const float *)from)[i] / n);
  return CN_OK;
}
static cn_code mean_infer(const cn_call *c) { return infer(c, CNI_MEAN, ((const axes_args *)c->args)->keepdims); }
static cn_code mean_forward(const cn_call *c) {
  const cn_code code = forward(c, CNI_MEAN);
  return code ? code : scale(c, c->y[0]->data, c->y[0]->data, c->y[0]->count, reduced_count(c->x[0], c->y[0]));
}
static double mean_fold(double y, double x) { return y + x; }
static void mean_reference(const cn_reference *r) {
  const double *y = reference(r, 0, mean_fold);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = y[i] / reduced_count(r->call->x[0], r->call->y[0]);
}
CNI_VJP(mean) {
  (void)want;
  cn_tensor *count = cn_scalar_like(g, gy[0], reduced_count(n->x[0], n->y[0]));
  gx[0] = cni_spread(g, cn_divide(g, cni_kept_axes(g, n, gy[0]), count), &n->x[0]->dims);
}
static cn_code mean_backward(const cn_call *c) {
  const int64_t count = c->y[0]->count;
  if (c->narrow) return scale(c, c->gx[0], c->gy[0], count, reduced_count(c->x[0], c->y[0]));
  double one;
  cni_buffer *buffer = NULL;
  void *scaled = count == 1 ? &one : cni_borrow(c->graph, (size_t)count * cni_width_of(c), &buffer);
  if (!scaled) return CN_NO_MEMORY;
  scale(c, scaled, c->gy[0], count, reduced_count(c->x[0], c->y[0]));
  spread(c, scaled);
  if (buffer) cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
CN_OP(mean, CN_LIST_REDUCE, .outputs = 1, .memo = sizeof(cni_reduce_memo), .infer = mean_infer, .forward = mean_forward, .vjp = mean_vjp,
      .backward = mean_backward, .narrow = narrow_dims, .reference = mean_reference,
      .samples = CN_TEXTS(SAMPLES, "f[0,3], axis=[1]", "i[4]@0:9", "f[600,70], axis=[0]"), .rejects = CN_TEXTS(REJECTS));

/* ---- max, min ---- */
static cn_code extremum_infer(const cn_call *c, cni_reduction kind, double initial) {
  const cn_code code = infer(c, kind, ((const axes_args *)c->args)->keepdims);
  const cn_dims *x = &c->x[0]->dims;
  if (code || !isnan(initial)) return code;
  const uint32_t bits = bits_of(c);
  for (int i = 0; i < x->rank; i++)
    if (bits & 1u << i && x->d[i] == 0 && cn_dims_count(&c->sig[0].dims) != 0)
      return cn_fail(c->graph, CN_VALUE, "axis %d is empty and has no %s", i, kind == CNI_MAX ? "largest element" : "smallest element");
  return CN_OK;
}
static cn_code extremum_forward(const cn_call *c, cni_reduction kind, double initial) {
  const cn_code code = forward(c, kind);
  if (code || isnan(initial)) return code;
  cn_tensor *y = c->y[0];
  for (int64_t i = 0; i < y->count; i++) {
    const double v = cni_value_at(y, i);
    if (kind == CNI_MAX ? initial > v : initial < v) cni_value_set(y, i, initial);
  }
  return CN_OK;
}

/* Gradients of x, lane by lane. gy NULL: ones. */
typedef void (*lane_rule)(void *gx, const void *x, const void *y, const void *gy, int64_t n, int64_t step, int64_t apart, int64_t width);
#define SHARES(name, T)                                                                                                                          \
  static void name(void *gxv, const void *xv, const void *yv, const void *gyv, int64_t n, int64_t step, int64_t apart, int64_t width) {          \
    T *gx = gxv, share[CNI_LANES];                                                                                                               \
    const T *x = xv, *y = yv, *gy = gyv;                                                                                                         \
    int64_t ties[CNI_LANES] = { 0 };                                                                                                             \
    for (int64_t i = 0; i < n; i++)                                                                                                              \
      for (int64_t j = 0; j < width; j++) ties[j] += x[i * step + j * apart] == y[j];                                                            \
    for (int64_t j = 0; j < width; j++) share[j] = (gy ? gy[j] : 1) / (T)(ties[j] ? ties[j] : 1);                                                \
    for (int64_t i = 0; i < n; i++)                                                                                                              \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) gx[at] = x[at] == y[j] ? share[j] : 0;                                     \
  }
SHARES(f32_shares, float)
SHARES(f64_shares, double)
/* gy times what stands before and behind each element. */
#define OTHERS(name, T)                                                                                                                          \
  static void name(void *gxv, const void *xv, const void *yv, const void *gyv, int64_t n, int64_t step, int64_t apart, int64_t width) {          \
    T *gx = gxv;                                                                                                                                 \
    const T *x = xv, *gy = gyv;                                                                                                                  \
    double before[CNI_LANES], behind[CNI_LANES];                                                                                                 \
    (void)yv;                                                                                                                                    \
    for (int64_t j = 0; j < width; j++) before[j] = (double)gy[j], behind[j] = 1;                                                                \
    for (int64_t i = 0; i < n; i++)                                                                                                              \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) gx[at] = (T)before[j], before[j] *= (double)x[at];                         \
    for (int64_t i = n - 1; i >= 0; i--)                                                                                                         \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) gx[at] = (T)((double)gx[at] * behind[j]), behind[j] *= (double)x[at];      \
  }
OTHERS(f32_others, float)
OTHERS(f64_others, double)

typedef struct ruling { cni_lanes l; lane_rule rule; char *gx; const char *x, *y, *gy; size_t w; } ruling;
static void some_lanes(void *context, int64_t begin, int64_t end) {
  const ruling *s = context;
  for (int64_t p = begin; p < end; p++) {
    int64_t first, result;
    const int64_t width = cni_lanes_block(&s->l, p, &first, &result);
    const size_t at = (size_t)first * s->w, k = (size_t)result * s->w;
    s->rule(s->gx + at, s->x + at, s->y + k, s->gy ? s->gy + k : NULL, s->l.r.n, s->l.step, s->l.apart, width);
  }
}

static cn_code by_lanes(const cn_call *c, lane_rule rule, void *gx, const void *y, const void *gy, uint32_t bits) {
  const cn_tensor *x = c->x[0];
  const cni_runs r = cni_collapse(&x->dims, bits);
  cni_values source, target = { 0 };
  if (!cni_pack(c->graph, &x->dims, (cn_dtype)x->dtype, x->data, bits, r, &source)) return CN_NO_MEMORY;
  const bool ok = cni_pack_target(c->graph, x->count, (cn_dtype)x->dtype, gx, r, &target);
  ruling s = { cni_lanes_of(r), rule, target.data, source.data, y, gy, cn_dtype_size((cn_dtype)x->dtype) };
  if (ok && x->count) cni_parallel(c->graph, s.l.blocks, CNI_GRAIN / (r.n * s.l.each) + 1, some_lanes, &s);
  if (ok) cni_unpack(c->graph, &x->dims, (cn_dtype)x->dtype, bits, &target, gx);
  cni_values_drop(c->graph, &source);
  cni_values_drop(c->graph, &target);
  return ok ? CN_OK : CN_NO_MEMORY;
}
static lane_rule shares_of(const cn_call *c) { return c->x[0]->dtype == CN_F64 ? f64_shares : f32_shares; }
static cn_code extremum_backward(const cn_call *c) { return by_lanes(c, shares_of(c), c->gx[0], c->y[0]->data, c->gy[0], bits_of(c)); }
static void extremum_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  (void)want;
  const cn_tie_shares_args a = { g, n->x[0], n->y[0], ((const axes_args *)n->args)->axis };
  gx[0] = cn_multiply(g, cn_apply(g, &cn_op_tie_shares, &a)[0], cni_kept_axes(g, n, gy[0]));
}
#define EXTREMUM_OP(op) .outputs = 1, .infer = op##_infer, .forward = op##_forward, .vjp = extremum_vjp, .backward = extremum_backward, .reads = CN_READS_X(0) | CN_READS_Y(0), .reference = op##_reference
#define EXTREMUM(op, kind, of_initial)                                                                                  \
  static cn_code op##_infer(const cn_call *c) { return extremum_infer(c, kind, of_initial); }                           \
  static cn_code op##_forward(const cn_call *c) { return extremum_forward(c, kind, of_initial); }
#define EMPTY "f[2,0], axis=[1] => axis 1 is empty and has no"
static double initial_or(const cn_reference *r, double otherwise) {
  const double initial = ((const cn_max_args *)r->call->args)->initial;
  return isnan(initial) ? otherwise : initial;
}
static double larger(double y, double x) { return x > y || isnan(x) ? x : y; }
static double smaller(double y, double x) { return x < y || isnan(x) ? x : y; }
EXTREMUM(max, CNI_MAX, ((const cn_max_args *)c->args)->initial)
EXTREMUM(min, CNI_MIN, ((const cn_min_args *)c->args)->initial)
EXTREMUM(amax, CNI_MAX, NAN)
EXTREMUM(amin, CNI_MIN, NAN)
static void max_reference(const cn_reference *r) { reference(r, initial_or(r, -INFINITY), larger); }
static void min_reference(const cn_reference *r) { reference(r, initial_or(r, INFINITY), smaller); }
static void amax_reference(const cn_reference *r) { reference(r, -INFINITY, larger); }
static void amin_reference(const cn_reference *r) { reference(r, INFINITY, smaller); }
CN_OP(max, CN_LIST_EXTREMUM, EXTREMUM_OP(max),
      .samples = CN_TEXTS(DISTINCT, "i[3,4]@0:9, axis=[1]", "f[3]@distinct, initial=100", "f[2,0], axis=[1], initial=1"), .rejects = CN_TEXTS(REJECTS, EMPTY));
CN_OP(min, CN_LIST_EXTREMUM, EXTREMUM_OP(min),
      .samples = CN_TEXTS(DISTINCT, "l[3,4]@0:9, axis=[1]", "f[3]@distinct, initial=-100", "f[2,0], axis=[1], initial=1"), .rejects = CN_TEXTS(REJECTS, EMPTY));
CN_OP(amax, CN_LIST_REDUCE, EXTREMUM_OP(amax), .samples = CN_TEXTS(DISTINCT), .rejects = CN_TEXTS(REJECTS, EMPTY));
CN_OP(amin, CN_LIST_REDUCE, EXTREMUM_OP(amin), .samples = CN_TEXTS(DISTINCT), .rejects = CN_TEXTS(REJECTS, EMPTY));

static cn_code tie_shares_infer(const cn_call *c) {
  uint32_t bits;
  cn_dims y;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_axes(c->graph, ((const cn_tie_shares_args *)c->args)->axis, c->x[0]->dims.rank, &bits)) return CN_INDEX;
  cni_reduced_dims(&c->x[0]->dims, bits, false, &y);
  if (c->x[1]->dtype != c->x[0]->dtype) return cn_fail(c->graph, CN_DTYPE, "x and y differ in dtype");
  if (c->x[1]->count != cn_dims_count(&y)) return cn_fail(c->graph, CN_SHAPE, "y has %lld elements, not those of x's reduction", (long long)c->x[1]->count);
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
static uint32_t tie_shares_bits(const cn_call *c) {
  uint32_t bits;
  cni_axes(c->graph, ((const cn_tie_shares_args *)c->args)->axis, c->x[0]->dims.rank, &bits);
  return bits;
}
static cn_code tie_shares_forward(const cn_call *c) { return by_lanes(c, shares_of(c), c->y[0]->data, c->x[1]->data, NULL, tie_shares_bits(c)); }
static void tie_shares_reference(const cn_reference *r) {
  const cn_dims *x = &r->call->x[0]->dims;
  const uint32_t bits = tie_shares_bits(r->call);
  for (int pass = 0; pass < 2; pass++) { /* counts the ties of each element, then divides */
    int64_t at[CN_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(x, at)) {
      int64_t k = 0, other[CN_MAX_RANK] = { 0 };
      for (int d = 0; d < x->rank; d++) k = bits & 1u << d ? k : k * x->d[d] + at[d];
      double ties = 0;
      for (int64_t j = 0; j < r->call->x[0]->count; j++, cni_next(x, other)) {
        bool same = r->x[0][j] == r->x[1][k];
        for (int d = 0; d < x->rank; d++) same = same && (bits & 1u << d || at[d] == other[d]);
        ties += same;
      }
      r->y[0][i] = r->x[0][i] == r->x[1][k] ? 1 / ties : 0;
    }
  }
}
CN_OP(tie_shares, CN_LIST_TIE_SHARES, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = tie_shares_infer, .forward = tie_shares_forward,
      .reference = tie_shares_reference, .samples = CN_TEXTS("f[3,4], f[3], axis=[1]", "f[2], f[]"),
      .rejects = CN_TEXTS("f[3,4], f[3], axis=[0] => y has 3 elements", "i[2]@0:3, i[]@0:3 => works on float32 and float64"));

/* ---- prod ---- */
REDUCTION(prod, CNI_PROD)
REFERENCE(prod, 1, y * x)
/* x with the reduced axes last and joined: [kept, n]; and back. */
static cn_tensor *reduced_last(cn_graph *g, cn_tensor *x, const cn_dims *dims, uint32_t bits, bool back) {
  int64_t order[CN_MAX_RANK], inverse[CN_MAX_RANK];
  cn_dims moved = { dims->rank, { 0 } }, two = { 2, { 1, 1 } };
  int k = 0;
  for (int reduced = 0; reduced < 2; reduced++)
    for (int i = 0; i < dims->rank; i++) {
      if ((bits >> i & 1u) != (uint32_t)reduced) continue;
      two.d[reduced] *= dims->d[i];
      moved.d[k] = dims->d[i];
      inverse[i] = k;
      order[k++] = i;
    }
  if (!back) {
    const cn_transpose_args a = { g, x, { order, dims->rank } };
    return cni_to_shape(g, cn_apply(g, &cn_op_transpose, &a)[0], &two);
  }
  const cn_transpose_args a = { g, cni_to_shape(g, x, &moved), { inverse, dims->rank } };
  return cn_apply(g, &cn_op_transpose, &a)[0];
}
CNI_VJP(prod) { /* gy times what stands before and behind each element */
  (void)want;
  const cn_dims *dims = &n->x[0]->dims;
  uint32_t bits;
  cni_axes(g, ((const axes_args *)n->args)->axis, dims->rank, &bits);
  cn_tensor *x = reduced_last(g, n->x[0], dims, bits, false);
  cn_tensor *others = cn_multiply(g, cni_products_before(g, x, 1), cni_products_behind(g, x, 1));
  const cn_dims column = { 2, { n->y[0]->count, 1 } };
  gx[0] = reduced_last(g, cn_multiply(g, others, cni_to_shape(g, gy[0], &column)), dims, bits, true);
}
static cn_code prod_backward(const cn_call *c) {
  return by_lanes(c, c->x[0]->dtype == CN_F64 ? f64_others : f32_others, c->gx[0], c->y[0]->data, c->gy[0], bits_of(c));
}
CN_OP(prod, CN_LIST_REDUCE, .outputs = 1, .infer = prod_infer, .forward = prod_forward, .vjp = prod_vjp, .backward = prod_backward, .reads = CN_READS_X(0),
      .reference = prod_reference, .samples = CN_TEXTS(SAMPLES, "f[2,0], axis=[1]", "f[0,3], axis=[1]", "i[3,4]@0:4, axis=[0]", "f[3,70], axis=[0]"),
      .rejects = CN_TEXTS(REJECTS));

/* ---- truth and counts ---- */
REDUCTION(any, CNI_ANY)
REDUCTION(all, CNI_ALL)
REFERENCE(any, 0, y != 0 || x != 0)
REFERENCE(all, 1, y != 0 && x != 0)
REFERENCE(count_nonzero, 0, y + (x != 0))
#define TRUTH_SAMPLES "b[3,4]", "b[2,3,2], axis=[0,-1]", "i[3,4]@0:2, axis=[1]", "f[3]", "b[0]", "b[0,2], axis=[0]"
CN_OP(any, CN_LIST_REDUCE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = any_infer, .forward = any_forward, .reference = any_reference,
      .samples = CN_TEXTS(TRUTH_SAMPLES, "b[2,3], axis=[1], keepdims=true"), .rejects = CN_TEXTS(REJECTS));
CN_OP(all, CN_LIST_REDUCE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = all_infer, .forward = all_forward, .reference = all_reference,
      .samples = CN_TEXTS(TRUTH_SAMPLES, "b[2,3], axis=[1], keepdims=true"), .rejects = CN_TEXTS(REJECTS));
static cn_code count_nonzero_infer(const cn_call *c) { return infer(c, CNI_COUNT, false); }
static cn_code count_nonzero_forward(const cn_call *c) { return forward(c, CNI_COUNT); }
CN_OP(count_nonzero, CN_LIST_COUNT_NONZERO, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = count_nonzero_infer, .forward = count_nonzero_forward,
      .reference = count_nonzero_reference, .samples = CN_TEXTS(TRUTH_SAMPLES), .rejects = CN_TEXTS(REJECTS));

const cn_op *const cni_ops_reduce[] = { &cn_op_sum,  &cn_op_mean, &cn_op_max, &cn_op_min,           &cn_op_amax,       &cn_op_amin,
                                        &cn_op_prod, &cn_op_any,  &cn_op_all, &cn_op_count_nonzero, &cn_op_tie_shares, NULL };
