/* Running sums and products, linear recurrences, differences. */
#include "ops_scan.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "../core/threads_private.h"

typedef cn_cumsum_args scan_args; /* cumprod's are the same */
static cni_runs scan_runs(const scan_args *o, const cn_tensor *x) {
  return o->axis == CN_NONE ? (cni_runs){ 1, x->count, 1, false } : cni_axis_runs(&x->dims, cni_wrap(o->axis, x->dims.rank));
}

static cn_code scan_infer(const cn_call *c) {
  const scan_args *o = c->args;
  const cn_tensor *x = c->x[0];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  c->sig[0].dtype = x->dtype == CN_U8 || x->dtype == CN_BOOL ? CN_I32 : (cn_dtype)x->dtype;
  if (o->axis == CN_NONE) c->sig[0].dims = (cn_dims){ 1, { x->count < 0 ? CN_UNKNOWN : x->count } };
  else if (cn_axis(c->graph, o->axis, x->dims.rank) < 0) return CN_INDEX;
  else cni_set_dims(&c->sig[0].dims, &x->dims);
  return CN_OK;
}

/* ---- lane by lane, from its last element on where `back` ---- */
#define GRAIN ((int64_t)1 << 14) /* elements that a thread should have at least */
/* Of `width` lanes: see cni_lanes. b: a second input, or NULL. */
typedef void (*scan_loop)(const void *x, const void *b, void *y, int64_t n, int64_t step, int64_t apart, int64_t width);
typedef struct scanning { cni_lanes l; scan_loop loop; const char *x, *b; char *y; size_t xw, yw; bool back; } scanning;

static void some_lanes(void *context, int64_t begin, int64_t end) {
  const scanning *s = context;
  for (int64_t p = begin; p < end; p++) {
    int64_t first, result;
    const int64_t width = cni_lanes_block(&s->l, p, &first, &result);
    const size_t at = (size_t)(first + (s->back ? (s->l.r.n - 1) * s->l.step : 0));
    s->loop(s->x + at * s->xw, s->b ? s->b + at * s->xw : NULL, s->y + at * s->yw, s->l.r.n, s->back ? -s->l.step : s->l.step, s->l.apart, width);
  }
}
/* x and b (or NULL) have elements of xw bytes. */
static cn_code scan(cn_graph *g, scan_loop loop, const void *x, const void *b, size_t xw, void *y, size_t yw, cni_runs r, bool back) {
  scanning s = { cni_lanes_of(r), loop, x, b, y, xw, yw, back };
  if (r.n && r.inner) cni_parallel(g, s.l.blocks, GRAIN / (r.n * s.l.each) + 1, some_lanes, &s);
  return CN_OK;
}

/* With an accumulator of type A. */
#define SCAN(name, T, R, A, START, STEP)                                                                                       \
  static void name(const void *xv, const void *none, void *yv, int64_t n, int64_t step, int64_t apart, int64_t width) {       \
    const T *x = xv;                                                                                                           \
    R *y = yv;                                                                                                                 \
    A s[CNI_LANES];                                                                                                            \
    (void)none;                                                                                                                \
    for (int64_t j = 0; j < width; j++) s[j] = START;                                                                          \
    for (int64_t i = 0; i < n; i++, x += step, y += step)                                                                      \
      for (int64_t j = 0; j < width; j++) y[j * apart] = (R)(s[j] = (A)(s[j] STEP (A)x[j * apart]));                           \
  }
SCAN(f32_sum, float, float, double, 0, +)
SCAN(f64_sum, double, double, double, 0, +)
SCAN(i32_sum, int32_t, int32_t, int64_t, 0, +)
SCAN(i64_sum, int64_t, int64_t, int64_t, 0, +)
SCAN(u8_sum, uint8_t, int32_t, int64_t, 0, +)
SCAN(f32_prod, float, float, double, 1, *)
SCAN(f64_prod, double, double, double, 1, *)
SCAN(i32_prod, int32_t, int32_t, int64_t, 1, *)
SCAN(i64_prod, int64_t, int64_t, int64_t, 1, *)
SCAN(u8_prod, uint8_t, int32_t, int64_t, 1, *)
static const scan_loop sums[] = { f32_sum, f64_sum, i32_sum, i64_sum, u8_sum, u8_sum },
                       products[] = { f32_prod, f64_prod, i32_prod, i64_prod, u8_prod, u8_prod };

static cn_code forward(const cn_call *c, const scan_loop *loops) {
  const cn_tensor *x = c->x[0], *y = c->y[0];
  return scan(c->graph, loops[x->dtype], x->data, NULL, cn_dtype_size((cn_dtype)x->dtype), y->data, cn_dtype_size((cn_dtype)y->dtype), scan_runs(c->args, x),
              false);
}
static cn_code cumsum_forward(const cn_call *c) { return forward(c, sums); }
static cn_code cumprod_forward(const cn_call *c) { return forward(c, products); }
static cn_code cumsum_backward(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  const size_t w = cn_dtype_size((cn_dtype)x->dtype);
  return scan(c->graph, sums[x->dtype], c->gy[0], NULL, w, c->gx[0], w, scan_runs(c->args, x), true);
}

/* dx_i = prod_{k<i} x_k t_i, t_i = dy_i + x_{i+1} t_{i+1}: x, dy, dx. */
#define PRODUCT_SLOPES(name, T)                                                                                                \
  static void name(const void *xv, const void *dyv, void *dxv, int64_t n, int64_t step, int64_t apart, int64_t width) {       \
    const T *x = xv, *dy = dyv;                                                                                                \
    T *dx = dxv;                                                                                                               \
    double s[CNI_LANES], t[CNI_LANES];                                                                                         \
    for (int64_t j = 0; j < width; j++) s[j] = 1, t[j] = 0;                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                                            \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) dx[at] = (T)s[j], s[j] *= (double)x[at];                 \
    for (int64_t i = n - 1; i >= 0; i--)                                                                                       \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) {                                                        \
        t[j] += (double)dy[at];                                                                                                \
        dx[at] = (T)((double)dx[at] * t[j]);                                                                                   \
        t[j] *= (double)x[at];                                                                                                 \
      }                                                                                                                        \
  }
PRODUCT_SLOPES(f32_product_slopes, float)
PRODUCT_SLOPES(f64_product_slopes, double)
static cn_code cumprod_backward(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  const bool wide = x->dtype == CN_F64;
  const size_t w = wide ? 8 : 4;
  return scan(c->graph, wide ? f64_product_slopes : f32_product_slopes, x->data, c->gy[0], w, c->gx[0], w, scan_runs(c->args, x), false);
}

/* ---- pieces of gradients ---- */
static cn_tensor *flip(cn_graph *g, cn_tensor *x, int64_t axis) {
  const cn_flip_args a = { g, x, { &axis, 1 } };
  return cn_apply(g, &cn_op_flip, &a)[0];
}
/* [fill, x_0, ..., x_{n-2}] along the axis. */
static cn_tensor *shifted(cn_graph *g, cn_tensor *x, int64_t axis, double fill) {
  if (!x || !x->count) return x;
  int64_t zeros[CN_MAX_RANK] = { 0 }, widths[2 * CN_MAX_RANK] = { 0 };
  cn_dims short_dims = x->dims;
  short_dims.d[axis]--;
  widths[2 * axis] = 1;
  const cn_slice_args s = { g, x, { zeros, x->dims.rank }, cni_sizes(&short_dims) };
  const cn_pad_args p = { g, cn_slice_run(&s), { widths, 2 * x->dims.rank }, "constant", fill };
  return cn_apply(g, &cn_op_pad, &p)[0];
}
static cn_tensor *cumprod(cn_graph *g, cn_tensor *x, int64_t axis) {
  const cn_cumprod_args a = { g, x, axis };
  return cn_apply(g, &cn_op_cumprod, &a)[0];
}
static cn_tensor *linear_scan(cn_graph *g, cn_tensor *a, cn_tensor *b, int64_t axis) {
  const cn_linear_scan_args o = { g, a, b, axis };
  return cn_apply(g, &cn_op_linear_scan, &o)[0];
}
cn_tensor *cni_products_before(cn_graph *g, cn_tensor *x, int64_t axis) { return cumprod(g, shifted(g, x, axis, 1), axis); }
cn_tensor *cni_products_behind(cn_graph *g, cn_tensor *x, int64_t axis) { return flip(g, cni_products_before(g, flip(g, x, axis), axis), axis); }
/* t_i = gy_i + a_{i+1} t_{i+1}: the recurrence run backwards. */
static cn_tensor *scan_back(cn_graph *g, cn_tensor *a, cn_tensor *gy, int64_t axis) {
  return flip(g, linear_scan(g, shifted(g, flip(g, a, axis), axis, 0), flip(g, gy, axis), axis), axis);
}

CNI_VJP(cumsum) {
  (void)want;
  const scan_args *o = n->args;
  const int64_t axis = o->axis == CN_NONE ? 0 : cni_wrap(o->axis, n->x[0]->dims.rank);
  const cn_cumsum_args a = { g, flip(g, gy[0], axis), axis };
  gx[0] = flip(g, cn_apply(g, &cn_op_cumsum, &a)[0], axis);
  if (o->axis == CN_NONE) gx[0] = cni_to_shape(g, gx[0], &n->x[0]->dims);
}
CNI_VJP(cumprod) { /* dx_i = prod_{k<i} x_k * sum_{j>=i} dy_j prod_{i<k<=j} x_k, and the sum is a recurrence */
  (void)want;
  const scan_args *o = n->args;
  const int64_t axis = o->axis == CN_NONE ? 0 : cni_wrap(o->axis, n->x[0]->dims.rank);
  cn_tensor *x = o->axis == CN_NONE ? cni_to_shape(g, n->x[0], &n->y[0]->dims) : n->x[0];
  gx[0] = cn_multiply(g, cni_products_before(g, x, axis), scan_back(g, x, gy[0], axis));
  if (o->axis == CN_NONE) gx[0] = cni_to_shape(g, gx[0], &n->x[0]->dims);
}

static void scan_reference(const cn_reference *r, bool product) {
  const cni_runs s = scan_runs(r->call->args, r->call->x[0]);
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t j = 0; j < s.inner; j++) {
      double sum = 0, prod = 1;
      for (int64_t i = 0; i < s.n; i++) {
        const int64_t k = (o * s.n + i) * s.inner + j;
        sum += r->x[0][k];
        prod *= r->x[0][k];
        r->y[0][k] = product ? prod : sum;
      }
    }
}
static void cumsum_reference(const cn_reference *r) { scan_reference(r, false); }
static void cumprod_reference(const cn_reference *r) { scan_reference(r, true); }
#define SAMPLES "f[3,4], axis=0", "f[2,3,2], axis=-2", "f[6], axis=0", "f[2,3]", "f[]", "f[0,3], axis=0", "f[3,0], axis=0", "f[2,1], axis=1", "f[3,70], axis=0", "f[9,4000], axis=1"
#define REJECTS "f[3], axis=1 => axis 1 is out of range for rank 1", "s[2], axis=0 => string"
CN_OP(cumsum, CN_LIST_SCAN, .outputs = 1, .infer = scan_infer, .forward = cumsum_forward, .vjp = cumsum_vjp, .backward = cumsum_backward,
      .reference = cumsum_reference, .samples = CN_TEXTS(SAMPLES, "i[2,3]@-4:4, axis=1", "b[5], axis=0"), .rejects = CN_TEXTS(REJECTS));
CN_OP(cumprod, CN_LIST_SCAN, .outputs = 1, .infer = scan_infer, .forward = cumprod_forward, .vjp = cumprod_vjp, .backward = cumprod_backward,
      .reads = CN_READS_X(0), .reference = cumprod_reference, .samples = CN_TEXTS(SAMPLES, "l[2,3]@-4:4, axis=1"), .rejects = CN_TEXTS(REJECTS));

/* ---- linear_scan ---- */
static cn_code linear_scan_infer(const cn_call *c) {
  const cn_linear_scan_args *o = c->args;
  if (cni_need_float(c, 0) || cni_need_float(c, 1)) return CN_DTYPE;
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "a and b differ in dtype");
  if (cni_need_shape(c, 1, &c->x[0]->dims)) return CN_SHAPE;
  if (cn_axis(c->graph, o->axis, c->x[0]->dims.rank) < 0) return CN_INDEX;
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
#define RECURRENCE(name, T)                                                                                                    \
  static void name(const void *av, const void *bv, void *yv, int64_t n, int64_t step, int64_t apart, int64_t width) {         \
    const T *a = av, *b = bv;                                                                                                  \
    T *y = yv, s[CNI_LANES] = { 0 };                                                                                           \
    for (int64_t i = 0; i < n; i++)                                                                                            \
      for (int64_t j = 0, at = i * step; j < width; j++, at += apart) y[at] = s[j] = (i ? a[at] * s[j] : 0) + b[at];           \
  }
RECURRENCE(f32_recurrence, float)
RECURRENCE(f64_recurrence, double)
static cni_runs recurrence_runs(const cn_call *c) {
  return cni_axis_runs(&c->x[0]->dims, cni_wrap(((const cn_linear_scan_args *)c->args)->axis, c->x[0]->dims.rank));
}
static cn_code linear_scan_forward(const cn_call *c) {
  const bool wide = c->x[0]->dtype == CN_F64;
  const size_t w = wide ? 8 : 4;
  return scan(c->graph, wide ? f64_recurrence : f32_recurrence, c->x[0]->data, c->x[1]->data, w, c->y[0]->data, w, recurrence_runs(c), false);
}
CNI_VJP(linear_scan) {
  const int64_t axis = cni_wrap(((const cn_linear_scan_args *)n->args)->axis, n->x[0]->dims.rank);
  cn_tensor *t = scan_back(g, n->x[0], gy[0], axis);
  if (want[0]) gx[0] = cn_multiply(g, t, shifted(g, n->y[0], axis, 0));
  if (want[1]) gx[1] = t;
}
static void linear_scan_reference(const cn_reference *r) {
  const cni_runs s = recurrence_runs(r->call);
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t j = 0; j < s.inner; j++) {
      double y = 0;
      for (int64_t i = 0; i < s.n; i++) {
        const int64_t k = (o * s.n + i) * s.inner + j;
        r->y[0][k] = y = r->x[0][k] * y + r->x[1][k];
      }
    }
}
CN_OP(linear_scan, CN_LIST_LINEAR_SCAN, .outputs = 1, .infer = linear_scan_infer, .forward = linear_scan_forward, .vjp = linear_scan_vjp,
      .reads = CN_READS_X(0) | CN_READS_Y(0), .reference = linear_scan_reference,
      .samples = CN_TEXTS("f[3,4], f[3,4]", "f[5,2], f[5,2], axis=0", "f[1], f[1]", "f[2,0], f[2,0]", "f[2,3,2], f[2,3,2], axis=1", "f[5,70], f[5,70], axis=0"),
      .rejects = CN_TEXTS("f[3], f[4] => b must have shape [3], got [4]", "i[3]@0:2, i[3]@0:2 => works on float32 and float64"));

/* ---- diff ---- */
static cn_code diff_infer(const cn_call *c) {
  const cn_diff_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (c->x[0]->dtype == CN_U8 || c->x[0]->dtype == CN_BOOL)
    return cn_fail(c->graph, CN_DTYPE, "needs a dtype with a sign, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  const int axis = cn_axis(c->graph, o->axis, y.rank);
  if (axis < 0) return CN_INDEX;
  if (y.d[axis] != CN_UNKNOWN) y.d[axis] = y.d[axis] > o->n ? y.d[axis] - o->n : 0;
  return cni_sig_like(c, &y), CN_OK;
}
/* n times the differences along the rows begin .. end of [outer, size, inner]; those before the last stand in `work`, of x's shape. */
typedef struct { const void *x; void *work, *y; cni_runs r; int64_t n; } differing;
#define DIFFERENCES(T)                                                                                \
  static void differences_##T(void *context, int64_t begin, int64_t end) {                            \
    const differing *d = context;                                                                     \
    const int64_t inner = d->r.inner, row = d->r.n * inner;                                           \
    for (int64_t o = begin; o < end; o++) {                                                           \
      const T *from = (const T *)d->x + o * row;                                                      \
      for (int64_t i = 1; i <= d->n; i++) {                                                           \
        T *to = i < d->n ? (T *)d->work + o * row : (T *)d->y + o * (row - d->n * inner);             \
        _Pragma("omp simd") for (int64_t k = 0; k < row - i * inner; k++) to[k] = (T)(from[k + inner] - from[k]); \
        from = to;                                                                                    \
      }                                                                                               \
    }                                                                                                 \
  }
DIFFERENCES(float)
DIFFERENCES(double)
DIFFERENCES(int32_t)
DIFFERENCES(int64_t)
static cn_code diff_forward(const cn_call *c) {
  static cni_loop_body *const loops[] = { [CN_F32] = differences_float, [CN_F64] = differences_double, [CN_I32] = differences_int32_t,
                                          [CN_I64] = differences_int64_t };
  const cn_diff_args *o = c->args;
  const cn_tensor *x = c->x[0];
  const size_t bytes = (size_t)x->count * cni_width_of(c);
  differing d = { x->data, NULL, c->y[0]->data, cni_axis_runs(&x->dims, cni_wrap(o->axis, x->dims.rank)), o->n };
  cni_buffer *buffer = NULL;
  if (!c->y[0]->count) return CN_OK;
  if (!o->n) return memcpy(c->y[0]->data, x->data, bytes), CN_OK;
  if (o->n > 1 && !(d.work = cni_borrow(c->graph, bytes, &buffer))) return CN_NO_MEMORY;
  cni_parallel(c->graph, d.r.outer, CNI_GRAIN / (d.r.n * d.r.inner) + 1, loops[x->dtype], &d);
  if (buffer) cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
CNI_VJP(diff) { /* the transpose of a difference is minus the difference of gy between zeros */
  (void)want;
  const cn_diff_args *o = n->args;
  const int rank = n->x[0]->dims.rank, axis = cni_wrap(o->axis, rank);
  if (!n->y[0]->count) return;
  int64_t widths[2 * CN_MAX_RANK] = { 0 };
  widths[2 * axis] = widths[2 * axis + 1] = o->n;
  const cn_pad_args p = { g, gy[0], { widths, 2 * rank }, "constant", 0 };
  const cn_diff_args a = { g, cn_apply(g, &cn_op_pad, &p)[0], o->n, axis };
  cn_tensor *d = cn_apply(g, &cn_op_diff, &a)[0];
  gx[0] = o->n % 2 ? cn_negative(g, d) : d;
}
static void diff_reference(const cn_reference *r) {
  const cn_diff_args *o = r->call->args;
  const cni_runs s = cni_axis_runs(&r->call->x[0]->dims, cni_wrap(o->axis, r->call->x[0]->dims.rank));
  double *y = r->y[0];
  for (int64_t a = 0; a < s.outer; a++)
    for (int64_t i = 0; i + o->n < s.n; i++)
      for (int64_t j = 0; j < s.inner; j++, y++) {
        double term = 1;
        *y = 0;
        for (int64_t k = 0; k <= o->n; k++) { /* binomials with alternating signs */
          *y += ((o->n - k) % 2 ? -term : term) * r->x[0][(a * s.n + i + k) * s.inner + j];
          term = term * (double)(o->n - k) / (double)(k + 1);
        }
      }
}
CN_OP(diff, CN_LIST_DIFF, .outputs = 1, .infer = diff_infer, .forward = diff_forward, .vjp = diff_vjp, .reference = diff_reference,
      .samples = CN_TEXTS("f[3,5], axis=1", "f[5], n=3", "f[4,2], n=2, axis=0", "f[2], n=2", "f[3], n=0", "i[4]@-5:5", "f[0,3]"),
      .rejects = CN_TEXTS("f[] => axis -1 is out of range for rank 0", "b[3] => needs a dtype with a sign"));

const cn_op *const cni_ops_scan[] = { &cn_op_cumsum, &cn_op_cumprod, &cn_op_linear_scan, &cn_op_diff, NULL };
