/* Normalization of axes that stand for themselves: standardize, and what is composed of it. */
#include "ops_normalization.h"
#include "elementwise_private.h"
#include "ops.h"
#include "ops_normalization_private.h"

#define ROWS_A_PART 256 /* whose column sums are taken in the arrays' own precision */
#define SMALL_EPSILON 1e-7

double cni_epsilon(double given) { return isnan(given) ? SMALL_EPSILON : given; }

/* ---- shapes ---- */
static uint32_t bits_of(const cn_call *c, cn_ints axis) {
  uint32_t bits;
  cni_axes(c->graph, axis, c->x[0]->dims.rank, &bits);
  return bits;
}
/* The sizes of those axes alone. */
static cn_dims sizes_at(const cn_dims *x, uint32_t bits) {
  cn_dims d = { 0, { 0 } };
  for (int i = 0; i < x->rank; i++)
    if (bits & 1u << i) d.d[d.rank++] = x->d[i];
  return d;
}
/* Parameters have as many elements as the normalized axes, in their order; their own shape does not matter, as in Keras. */
cn_code cni_need_parameter(const cn_call *c, int64_t i, const cn_dims *want) {
  const cn_tensor *p = c->x[i];
  char text[160], got[160];
  if (!cni_given(p)) return CN_OK;
  if (p->dtype != c->x[0]->dtype)
    return cn_fail(c->graph, CN_DTYPE, "%s must be %s as x, got %s", c->op->schema.rows[i].name, cn_dtype_name((cn_dtype)c->x[0]->dtype),
                   cn_dtype_name((cn_dtype)p->dtype));
  const int64_t n = cn_dims_count(want), m = p->count;
  if (n >= 0 && m >= 0 && n != m)
    return cn_fail(c->graph, CN_SHAPE, "%s must have shape %s, got %s", c->op->schema.rows[i].name, cn_dims_text(want, text, sizeof text),
                   cn_dims_text(&p->dims, got, sizeof got));
  return CN_OK;
}
static cn_code infer_rows(const cn_call *c, cn_ints axis, int64_t parameters) {
  uint32_t bits;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_axes(c->graph, axis, c->x[0]->dims.rank, &bits)) return cn_error_code(c->graph);
  const cn_dims want = sizes_at(&c->x[0]->dims, bits);
  for (int64_t i = 1; i <= parameters; i++)
    if (cni_need_parameter(c, i, &want)) return cn_error_code(c->graph);
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}

/* ---- standardize ---- */
static cn_code standardize_infer(const cn_call *c) {
  const cn_standardize_args *o = c->args;
  if (infer_rows(c, o->axis, 2)) return cn_error_code(c->graph);
  c->sig[1].dtype = c->sig[0].dtype;
  cni_reduced_dims(&c->x[0]->dims, bits_of(c, o->axis), true, &c->sig[1].dims);
  c->sig[2] = c->sig[1];
  return CN_OK;
}

/* x as [outer, n]: packed where the axes are not the last. */
static cni_runs rows_of(const cn_call *c, uint32_t *bits) {
  *bits = bits_of(c, ((const cn_standardize_args *)c->args)->axis);
  cni_runs r = cni_collapse(&c->x[0]->dims, *bits);
  if (r.inner != 1) r = (cni_runs){ r.outer * r.inner, r.n, 1, true };
  return r;
}
static const void *data_of(const cn_tensor *x) { return cni_given(x) ? x->data : NULL; }
static cni_standard standard_of(const cn_call *c, int64_t n) {
  const cn_standardize_args *o = c->args;
  return (cni_standard){ .mean = c->y[1]->data,
                         .rstd = c->y[2]->data,
                         .gamma = data_of(c->x[1]),
                         .beta = data_of(c->x[2]),
                         .n = n,
                         .epsilon = cni_epsilon(o->epsilon),
                         .center = o->center };
}

typedef struct rows_job {
  const cni_kernels *k;
  cni_standard s;
  int64_t rows, parts /* or rows of a piece */;
  char *ggamma, *gbeta;
  size_t w;
  const cn_call *next;
} rows_job;
static void forward_rows(void *ctx, int64_t begin, int64_t end) {
  const rows_job *j = ctx;
  j->k->standardize(&j->s, begin, end);
}
/* Rows at a time that go into the next call: a multiple of 64 elements, so that each is computed where a vector of all elements would have it; 0: too many. */
#define PIECE ((size_t)16384) /* bytes, at most */
static int64_t rows_of_piece(int64_t n, size_t width) {
  int64_t rows = 64;
  for (int64_t k = n; rows > 1 && k % 2 == 0; k /= 2) rows /= 2;
  const size_t bytes = (size_t)(rows * n) * width;
  return bytes > PIECE ? 0 : bytes > PIECE / 2 ? rows : rows * (int64_t)(PIECE / 2 / bytes);
}
static void forward_pieces(void *ctx, int64_t begin, int64_t end) {
  const rows_job *j = ctx;
  _Alignas(64) char piece[PIECE];
  for (int64_t p = begin; p < end; p++) {
    const int64_t i = p * j->parts, rows = j->rows - i < j->parts ? j->rows - i : j->parts;
    cni_standard s = j->s;
    s.x = (const char *)s.x + (size_t)(i * s.n) * j->w;
    s.y = piece;
    s.mean = (char *)s.mean + (size_t)i * j->w;
    s.rstd = (char *)s.rstd + (size_t)i * j->w;
    j->k->standardize(&s, 0, rows);
    j->next->op->piece(j->next, piece, i * s.n, (i + rows) * s.n);
  }
}
static bool standardize_waits(const cn_call *c) {
  uint32_t bits;
  const cni_runs r = rows_of(c, &bits);
  return !r.packed && r.n && rows_of_piece(r.n, cni_width_of(c));
}
static cn_code into_next(const cn_call *c, cni_runs r) {
  const size_t w = cni_width_of(c);
  rows_job j = { .k = cni_kernels_of(c), .s = standard_of(c, r.n), .rows = r.outer, .parts = rows_of_piece(r.n, w), .w = w, .next = c->next };
  j.s.x = c->x[0]->data;
  cni_parallel(c->graph, (r.outer + j.parts - 1) / j.parts, CNI_GRAIN / 4 / (j.parts * r.n) + 1, forward_pieces, &j);
  return CN_OK;
}
static cn_code standardize_forward(const cn_call *c) {
  uint32_t bits;
  const cni_runs r = rows_of(c, &bits);
  const cn_tensor *x = c->x[0];
  cni_values from, to;
  if (!x->count) return cni_fill(c->y[1], NAN), cni_fill(c->y[2], NAN), CN_OK; /* as the mean of nothing */
  if (c->next) return into_next(c, r);
  if (!cni_pack(c->graph, &x->dims, (cn_dtype)x->dtype, x->data, bits, r, &from)) return CN_NO_MEMORY;
  const bool room = cni_pack_target(c->graph, x->count, (cn_dtype)x->dtype, c->y[0]->data, r, &to);
  if (room) {
    rows_job j = { .k = cni_kernels_of(c), .s = standard_of(c, r.n) };
    j.s.x = from.data;
    j.s.y = to.data;
    cni_parallel(c->graph, r.outer, CNI_GRAIN / 4 / r.n + 1, forward_rows, &j);
    cni_unpack(c->graph, &x->dims, (cn_dtype)x->dtype, bits, &to, c->y[0]->data);
    cni_values_drop(c->graph, &to);
  }
  cni_values_drop(c->graph, &from);
  return room ? CN_OK : CN_NO_MEMORY;
}

/* Parts of the rows, each with column sums of its own. */
static void backward_parts(void *ctx, int64_t begin, int64_t end) {
  const rows_job *j = ctx;
  const size_t bytes = (size_t)j->s.n * j->w;
  for (int64_t p = begin; p < end; p++) {
    cni_standard s = j->s;
    if (j->ggamma) s.ggamma = memset(j->ggamma + (size_t)p * bytes, 0, bytes);
    if (j->gbeta) s.gbeta = memset(j->gbeta + (size_t)p * bytes, 0, bytes);
    j->k->standardize_grad(&s, j->rows * p / j->parts, j->rows * (p + 1) / j->parts);
  }
}
/* As many parts as threads pay for, and more where a part would have too many rows for its sums. */
static int64_t parts_of(const cn_graph *g, int64_t rows, int64_t n) {
  const int64_t threads = g->core.threads, pay = rows * n * 4 / CNI_GRAIN, most = pay < threads ? pay : threads, least = (rows + ROWS_A_PART - 1) / ROWS_A_PART;
  const int64_t parts = least > most ? (least + threads - 1) / threads * threads : most;
  return parts < 1 ? 1 : parts > rows ? rows : parts;
}
static cn_code backward_run(const cn_call *c, rows_job *j) {
  const size_t bytes = (size_t)(j->s.n * j->parts) * j->w;
  cni_buffer *sums = NULL;
  j->ggamma = c->gx[1];
  j->gbeta = c->gx[2];
  if (j->parts > 1 && (c->gx[1] || c->gx[2])) {
    char *p = cni_borrow(c->graph, 2 * bytes, &sums);
    if (!p) return CN_NO_MEMORY;
    j->ggamma = c->gx[1] ? p : NULL;
    j->gbeta = c->gx[2] ? p + bytes : NULL;
  }
  cni_parallel(c->graph, j->parts, 1, backward_parts, j);
  if (!sums) return CN_OK;
  if (c->gx[1]) j->k->sum(c->gx[1], j->ggamma, 1, j->parts, j->s.n);
  if (c->gx[2]) j->k->sum(c->gx[2], j->gbeta, 1, j->parts, j->s.n);
  cni_buffer_drop(c->graph, sums, false);
  return CN_OK;
}

static cn_code no_rows(const cn_call *c) {
  for (int i = 0; i < 3; i++)
    if (c->gx[i] && c->x[i]->count) memset(c->gx[i], 0, (size_t)c->x[i]->count * cni_width_of(c));
  return CN_OK;
}
/* The gradient of y: zeros, or the product where the kernel cannot leave it in gx. */
static const void *own_slope(const cn_call *c, cni_buffer **own) {
  const size_t w = cni_width_of(c);
  const cn_dims *d = &c->x[0]->dims;
  void *p = cni_borrow(c->graph, (size_t)c->x[0]->count * w, own);
  if (p && !c->gy[0]) cni_kernels_of(c)->fill(p, c->x[0]->count, 0);
  else if (p) cni_binary_raw(c->graph, cni_kernels_of(c)->multiply, p, w, d, c->gy[0], d, c->slope->data, d, w);
  return p;
}
static cn_code standardize_backward(const cn_call *c) {
  uint32_t bits;
  cn_graph *g = c->graph;
  const cni_runs r = rows_of(c, &bits);
  const cn_tensor *x = c->x[0];
  const cn_dtype dtype = (cn_dtype)x->dtype;
  cni_values from = { NULL, NULL }, slope = { NULL, NULL }, to = { NULL, NULL };
  cni_buffer *own = NULL;
  const void *gy = c->gy[0], *factor = c->slope ? c->slope->data : NULL;
  cn_code code = CN_NO_MEMORY;
  if (!x->count) return no_rows(c);
  if (!gy || (factor && (!c->gx[0] || r.packed))) gy = own_slope(c, &own), factor = NULL;
  if (gy && cni_pack(g, &x->dims, dtype, x->data, bits, r, &from) && cni_pack(g, &x->dims, dtype, gy, bits, r, &slope) &&
      (!c->gx[0] || cni_pack_target(g, x->count, dtype, c->gx[0], r, &to))) {
    rows_job j = { .k = cni_kernels_of(c), .s = standard_of(c, r.n), .rows = r.outer, .parts = parts_of(g, r.outer, r.n), .w = cni_width_of(c) };
    j.s.x = from.data;
    j.s.gy = slope.data;
    j.s.slope = factor;
    j.s.gx = to.data;
    j.s.gmean = c->gy[1];
    j.s.grstd = c->gy[2];
    code = backward_run(c, &j);
    if (code == CN_OK && c->gx[0]) cni_unpack(g, &x->dims, dtype, bits, &to, c->gx[0]);
  }
  cni_values_drop(g, &to);
  cni_values_drop(g, &slope);
  cni_values_drop(g, &from);
  if (own) cni_buffer_drop(g, own, false);
  return code;
}

/* A parameter as it broadcasts against x. */
static cn_tensor *parameter(cn_graph *g, const cn_tensor *x, uint32_t bits, cn_tensor *p) {
  cn_dims dims = x->dims;
  for (int i = 0; i < x->dims.rank; i++)
    if (!(bits & 1u << i)) dims.d[i] = 1;
  return cni_to_shape(g, p, &dims);
}
/* The sum over the axes that are not normalized, in the parameter's shape. */
static cn_tensor *summed(cn_graph *g, cn_tensor *d, int rank, uint32_t bits, const cn_tensor *p) {
  int64_t axes[CN_MAX_RANK], n = 0;
  for (int i = 0; i < rank; i++)
    if (!(bits & 1u << i)) axes[n++] = i;
  const cn_ints others = { axes, n };
  return cni_to_shape(g, cn_sum(g, d, .axis = others), &p->dims);
}
static cn_tensor *added(cn_graph *g, cn_tensor *sum, cn_tensor *term) { return sum ? cn_add(g, sum, term) : term; }

CNI_VJP(standardize) {
  const cn_standardize_args *o = n->args;
  cn_tensor *x = n->x[0], *r = n->y[2], *h = cn_multiply(g, o->center ? cn_subtract(g, x, n->y[1]) : x, r), *d = NULL;
  uint32_t bits;
  cni_axes(g, o->axis, x->dims.rank, &bits);
  const cn_dims sizes = sizes_at(&x->dims, bits);
  const double each = 1 / (double)cn_dims_count(&sizes);
  if (want[0] && gy[0]) {
    cn_tensor *s = cni_given(n->x[1]) ? cn_multiply(g, gy[0], parameter(g, x, bits, n->x[1])) : gy[0];
    cn_tensor *e = cn_subtract(g, s, cn_multiply(g, h, cn_mean(g, cn_multiply(g, s, h), .axis = o->axis, .keepdims = true)));
    d = cn_multiply(g, r, o->center ? cn_subtract(g, e, cn_mean(g, s, .axis = o->axis, .keepdims = true)) : e);
  }
  if (want[0] && gy[1] && o->center) d = added(g, d, cni_spread(g, cn_scale(g, gy[1], each), &x->dims));
  if (want[0] && gy[2]) d = added(g, d, cn_multiply(g, cn_scale(g, cn_multiply(g, gy[2], cn_square(g, r)), -each), h));
  gx[0] = d;
  if (want[1] && gy[0]) gx[1] = summed(g, cn_multiply(g, gy[0], h), x->dims.rank, bits, n->x[1]);
  if (want[2] && gy[0]) gx[2] = summed(g, gy[0], x->dims.rank, bits, n->x[2]);
}

/* The group of elements that share statistics with element i, and its number among them. */
static int64_t group_of(const cn_dims *x, uint32_t bits, int64_t i, int64_t *inside) {
  int64_t at[CN_MAX_RANK], group = 0;
  for (int k = x->rank - 1; k >= 0; i /= x->d[k], k--) at[k] = i % x->d[k];
  *inside = 0;
  for (int k = 0; k < x->rank; k++) {
    int64_t *to = bits & 1u << k ? inside : &group;
    *to = *to * x->d[k] + at[k];
  }
  return group;
}
/* mean, rstd [groups] of x. */
static void statistics(const cn_reference *r, uint32_t bits, double epsilon, bool center, double *mean, double *rstd) {
  const cn_tensor *x = r->call->x[0];
  const cn_dims sizes = sizes_at(&x->dims, bits);
  const int64_t n = cn_dims_count(&sizes);
  cn_dims kept;
  int64_t inside;
  cni_reduced_dims(&x->dims, bits, false, &kept);
  const int64_t groups = cn_dims_count(&kept);
  for (int64_t k = 0; k < groups; k++) mean[k] = rstd[k] = n ? 0 : NAN;
  for (int64_t i = 0; center && i < x->count; i++) mean[group_of(&x->dims, bits, i, &inside)] += r->x[0][i] / (double)n;
  for (int64_t i = 0; i < x->count; i++) {
    const int64_t k = group_of(&x->dims, bits, i, &inside);
    rstd[k] += (r->x[0][i] - mean[k]) * (r->x[0][i] - mean[k]) / (double)n;
  }
  for (int64_t k = 0; k < groups; k++) rstd[k] = 1 / sqrt(rstd[k] + epsilon);
}
static void standardize_reference(const cn_reference *r) {
  const cn_standardize_args *o = r->call->args;
  const cn_dims *x = &r->call->x[0]->dims;
  const uint32_t bits = bits_of(r->call, o->axis);
  int64_t j;
  statistics(r, bits, cni_epsilon(o->epsilon), o->center, r->y[1], r->y[2]);
  for (int64_t i = 0; i < r->call->x[0]->count; i++) {
    const int64_t k = group_of(x, bits, i, &j);
    r->y[0][i] = (r->x[0][i] - r->y[1][k]) * r->y[2][k] * (r->x[1] ? r->x[1][j] : 1) + (r->x[2] ? r->x[2][j] : 0);
  }
}
#define ROWS_SAMPLES "f[3,4], f[4], f[4]", "f[3,4]", "f[2,3,4], f[3,4], f[3,4], axis=[1,2]", "f[4,3], f[4], axis=[0]", "f[2,3,4], f[3], axis=[1], epsilon=0.1", "f[2,3,4], f[2,4], f[2,4], axis=[0,2]", \
                     "f[5,33], f[33], f[33], axis=[-1], epsilon=0.001", "f[0,3], f[3], f[3]", "f[7,1], f[1], f[1], epsilon=1", "f[600,3], f[3], f[3], epsilon=0.01"
#define ROWS_COMPOSED "f[3,4], f[4], f[4]", "f[3,4]", "f[2,3,4], f[3,4], f[3,4], axis=[1,2]", "f[2,3,4], f[3], axis=[1], epsilon=0.1"
#define ROWS_REJECTS "f[2,3], f[3], f[3], axis=[2] => axis 2 is out of range for rank 2", "f[2,3], axis=[1,-1] => axis 1 is given twice", "i[2,3]@0:3 => works on float32 and float64, got int32", "f[2,3], i[3]@0:3 => must be float32 as x"
CN_OP(standardize, CN_LIST_STANDARDIZE, .outputs = 3, .kept = 2, .flags = CN_OP_TAKES_SLOPE, .infer = standardize_infer,
      .forward = standardize_forward, .waits = standardize_waits, .vjp = standardize_vjp, .backward = standardize_backward,
      .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(1) | CN_READS_Y(2), .reference = standardize_reference,
      .samples = CN_TEXTS(ROWS_SAMPLES, "f[3,4], f[4], f[4], center=false", "f[2,3,4], axis=[0,2], center=false", "f[3], f[], f[], axis=[]"),
      .rejects = CN_TEXTS(ROWS_REJECTS, "f[2,3], f[4] => gamma must have shape [3], got [4]", "f[2,3], f[3], f[2] => beta must have shape [3], got [2]"));

/* ---- layer_normalization ---- */
static cn_code layer_normalization_infer(const cn_call *c) { return infer_rows(c, ((const cn_layer_normalization_args *)c->args)->axis, 2); }
static cn_tensor *standardized(cn_graph *g, const cn_standardize_args *o) { return cn_apply(g, &cn_op_standardize, o)[0]; }
static void layer_normalization_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_layer_normalization_args *o = c->args;
  if (!o->rms_scaling) {
    y[0] = standardized(g, &(const cn_standardize_args){ g, o->x, o->gamma, o->beta, o->axis, o->epsilon, true });
    return;
  }
  y[0] = cn_multiply(g, o->x, cn_rsqrt(g, cn_shift(g, cn_var(g, o->x, .axis = o->axis, .keepdims = true), cni_epsilon(o->epsilon))));
  if (cni_given(o->gamma)) y[0] = cn_multiply(g, y[0], parameter(g, o->x, bits_of(c, o->axis), o->gamma));
}
/* Room for the statistics of the reference; a group has an element, or there is none to be computed. */
static double *reference_rows(const cn_call *c) {
  return c->x[0]->count ? cni_arena_take(c->graph, cni_step_arena(c->graph), (size_t)(2 * c->x[0]->count + 2) * sizeof(double)) : NULL;
}
static void rows_reference(const cn_reference *r, cn_ints axis, double epsilon, bool center, bool plain) {
  const cn_tensor *x = r->call->x[0];
  const uint32_t bits = bits_of(r->call, axis);
  double *mean = reference_rows(r->call), *rstd = mean ? mean + x->count + 1 : NULL;
  int64_t j;
  if (!mean) return;
  statistics(r, bits, cni_epsilon(epsilon), center, mean, rstd);
  for (int64_t i = 0; i < x->count; i++) {
    const int64_t k = group_of(&x->dims, bits, i, &j);
    r->y[0][i] = (r->x[0][i] - (plain ? 0 : mean[k])) * rstd[k] * (r->x[1] ? r->x[1][j] : 1) + (!plain && r->x[2] ? r->x[2][j] : 0);
  }
}
static void layer_normalization_reference(const cn_reference *r) {
  const cn_layer_normalization_args *o = r->call->args;
  rows_reference(r, o->axis, o->epsilon, true, o->rms_scaling);
}
CN_OP(layer_normalization, CN_LIST_LAYER_NORMALIZATION, .outputs = 1, .infer = layer_normalization_infer, .compose = layer_normalization_compose,
      .reference = layer_normalization_reference,
      .samples = CN_TEXTS(ROWS_COMPOSED, "f[3,4], f[4], rms_scaling=true", "f[2,3,4], f[2,3], f[2,3], axis=[0,1], rms_scaling=true"),
      .rejects = CN_TEXTS(ROWS_REJECTS, "f[2,3], f[4] => gamma must have shape [3], got [4]", "f[2,3], f[3], f[2] => beta must have shape [3], got [2]"));

/* ---- rms_normalization ---- */
static cn_code rms_normalization_infer(const cn_call *c) {
  const cn_tensor *x = c->x[0], *scale = c->x[1];
  cn_dims both;
  char text[160], got[160];
  if (infer_rows(c, ((const cn_rms_normalization_args *)c->args)->axis, 0)) return cn_error_code(c->graph);
  if (!cni_given(scale)) return CN_OK;
  if (scale->dtype != x->dtype)
    return cn_fail(c->graph, CN_DTYPE, "scale must be %s as x, got %s", cn_dtype_name((cn_dtype)x->dtype), cn_dtype_name((cn_dtype)scale->dtype));
  if (!cn_dims_broadcast(&x->dims, &scale->dims, &both))
    return cn_fail(c->graph, CN_SHAPE, "shapes do not broadcast: %s and %s", cn_dims_text(&x->dims, text, sizeof text),
                   cn_dims_text(&scale->dims, got, sizeof got));
  return cni_sig_like(c, &both), CN_OK;
}
/* Whether the axes are the last ones and the scale has their shape: then it belongs to the rows. */
static bool belongs(const cn_tensor *x, const cn_tensor *scale, uint32_t bits) {
  const cn_dims sizes = sizes_at(&x->dims, bits);
  return bits >> (x->dims.rank - sizes.rank) << (x->dims.rank - sizes.rank) == bits && cn_dims_equal(&scale->dims, &sizes);
}
static void rms_normalization_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_rms_normalization_args *o = c->args;
  const bool fused = cni_given(o->scale) && belongs(o->x, o->scale, bits_of(c, o->axis));
  y[0] = standardized(g, &(const cn_standardize_args){ g, o->x, fused ? o->scale : CN_NO_TENSOR, CN_NO_TENSOR, o->axis, o->epsilon, false });
  if (cni_given(o->scale) && !fused) y[0] = cn_multiply(g, y[0], o->scale);
}
static void rms_normalization_reference(const cn_reference *r) {
  const cn_rms_normalization_args *o = r->call->args;
  const cn_tensor *x = r->call->x[0], *y = r->call->y[0];
  double *mean = reference_rows(r->call), *rstd = mean ? mean + x->count + 1 : NULL;
  const uint32_t bits = bits_of(r->call, o->axis);
  int64_t j;
  if (!mean) return;
  statistics(r, bits, cni_epsilon(o->epsilon), false, mean, rstd);
  for (int64_t i = 0; i < y->count; i++) {
    const int64_t at = cni_broadcast_index(&x->dims, &y->dims, i);
    r->y[0][i] = r->x[0][at] * rstd[group_of(&x->dims, bits, at, &j)] * (r->x[1] ? r->x[1][cni_broadcast_index(&r->call->x[1]->dims, &y->dims, i)] : 1);
  }
}
CN_OP(rms_normalization, CN_LIST_RMS_NORMALIZATION, .outputs = 1, .infer = rms_normalization_infer, .compose = rms_normalization_compose,
      .reference = rms_normalization_reference,
      .samples = CN_TEXTS("f[3,4], f[4]", "f[3,4]", "f[2,3,4], f[3,4], axis=[1,2], epsilon=0.1", "f[2,3,4], f[4], axis=[1]", "f[3,4], f[3,1], axis=[0]",
                          "f[0,3], f[3]", "f[5,33], f[33], epsilon=0.001"),
      .rejects = CN_TEXTS("f[2,3], axis=[2] => axis 2 is out of range for rank 2", "i[2,3]@0:3 => works on float32 and float64",
                          "f[2,3], f[2] => shapes do not broadcast: [2,3] and [2]", "f[2,3], i[3]@0:3 => must be float32 as x"));

/* ---- normalize ---- */
static cn_code normalize_infer(const cn_call *c) {
  const cn_normalize_args *o = c->args;
  if (infer_rows(c, o->axis, 0)) return cn_error_code(c->graph);
  return o->order != 2 && o->axis.n != 1 ? cn_fail(c->graph, CN_VALUE, "order %lld has one axis", (long long)o->order) : CN_OK;
}
/* The norm where it exceeds epsilon; elsewhere epsilon, a constant, so that the gradient at 0 is finite. */
static void normalize_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_normalize_args *o = c->args;
  const double least = cni_epsilon(o->epsilon), p = (double)o->order;
  cn_tensor *x = o->x, *powers = o->order == 1 ? cn_abs(g, x) : o->order == 2 ? cn_square(g, x) : cn_power(g, cn_abs(g, x), NUMBER(x, p));
  cn_tensor *sum = cn_sum(g, powers, .axis = o->axis, .keepdims = true), *lowest = NUMBER(x, pow(least, p));
  sum = cn_where(g, cn_less(g, sum, lowest), lowest, sum);
  if (o->order == 2) y[0] = cn_multiply(g, x, cn_rsqrt(g, sum));
  else y[0] = cn_divide(g, x, o->order == 1 ? sum : cn_power(g, sum, NUMBER(x, 1 / p)));
}
static void normalize_reference(const cn_reference *r) {
  const cn_normalize_args *o = r->call->args;
  const cn_tensor *x = r->call->x[0];
  const uint32_t bits = bits_of(r->call, o->axis);
  double *sum = reference_rows(r->call);
  int64_t j;
  for (int64_t i = 0; sum && i < x->count; i++) sum[i] = 0;
  for (int64_t i = 0; sum && i < x->count; i++) sum[group_of(&x->dims, bits, i, &j)] += pow(fabs(r->x[0][i]), (double)o->order);
  for (int64_t i = 0; sum && i < x->count; i++)
    r->y[0][i] = r->x[0][i] / fmax(pow(sum[group_of(&x->dims, bits, i, &j)], 1 / (double)o->order), cni_epsilon(o->epsilon));
}
CN_OP(normalize, CN_LIST_NORMALIZE, .outputs = 1, .infer = normalize_infer, .compose = normalize_compose, .reference = normalize_reference,
      .samples = CN_TEXTS("f[3,4]", "f[3,4], axis=[0], order=1", "f[3,4], axis=[1], order=4", "f[2,3,4], axis=[1,2]", "f[2,3], epsilon=9",
                          "f[3,4], order=3, epsilon=5", "f[0,3]", "f[5]"),
      .rejects = CN_TEXTS("f[2,3], axis=[2] => axis 2 is out of range for rank 2", "f[2,3], order=0 => order must be positive, got 0",
                          "f[2,3], axis=[0,1], order=1 => order 1 has one axis", "i[2,3]@0:3 => works on float32 and float64"));

const cn_op *const cni_ops_normalization[] = { &cn_op_standardize, &cn_op_layer_normalization, &cn_op_rms_normalization, &cn_op_normalize, NULL };
