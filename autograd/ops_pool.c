#include "ops_pool.h"
#include <math.h>
#include "../core/options_private.h"
#include "../core/threads_private.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* The input as [n, in, c], the result as [n, out, c]; fewer spatial axes are filled up in front with ones; channels first: c = 1. */
typedef struct geometry { int64_t n, c, in[3], out[3], pool[3], stride[3], before[3]; bool adaptive; } geometry;

/* The options of the operations that have the same name for them. */
typedef struct options { cn_size pool, stride; const char *padding, *format; bool adaptive; } options;
/* Whether op is this one, or a user's copy of it with other rules. */
static bool is(const cn_op *op, const cn_op *one) { return op->schema.rows == one->schema.rows; }
static options options_of(const cn_op *op, const void *args) {
  if (is(op, &cn_op_adaptive_max_pool) || is(op, &cn_op_adaptive_average_pool) || is(op, &cn_op_adaptive_average_unpool)) {
    const cn_adaptive_max_pool_args *a = args; /* the others' begin alike */
    return (options){ a->output_size, a->output_size, "valid", a->data_format, true };
  }
  const cn_max_pool_args *a = args;
  return (options){ a->pool_size, a->strides.d[0] == CN_NONE ? a->pool_size : a->strides, a->padding ? a->padding : "", a->data_format, false };
}

static int64_t out_size(const options *o, int64_t in, int64_t pool, int64_t stride) {
  if (o->adaptive) return pool;
  if (in == CN_UNKNOWN) return CN_UNKNOWN;
  if (!strcmp(o->padding, "same")) return in / stride + (in % stride != 0);
  return in < pool ? 0 : (in - pool) / stride + 1;
}
/* The shape of the pooled input; false after an error. */
static bool pooled_dims(const cn_call *c, const options *o, const cn_dims *x, cn_dims *y) {
  const int r = x->rank - 2;
  char text[160];
  if (r < 1 || r > 3) return cn_fail(c->graph, CN_SHAPE, "needs rank 3, 4 or 5, got %s", cn_dims_text(x, text, sizeof text)), false;
  if (strcmp(o->padding, "valid") != 0 && strcmp(o->padding, "same") != 0)
    return cn_fail(c->graph, CN_VALUE, "padding must be \"valid\" or \"same\", got \"%s\"", o->padding), false;
  if (!cni_size_covers(&o->pool, r) || !cni_size_covers(&o->stride, r))
    return cn_fail(c->graph, CN_VALUE, "sizes and strides must be 1 number or %d", r), false;
  *y = *x;
  for (int i = 0; i < r; i++) {
    const int axis = i + (cni_channels_first(o->format) ? 2 : 1);
    y->d[axis] = out_size(o, x->d[axis], cni_size_at(&o->pool, i), cni_size_at(&o->stride, i));
    if (y->d[axis] == 0 && x->d[axis] > 0 && (c->x[0]->flags & CNI_SYMBOLIC)) /* as Keras, which gives nothing where there are values */
      return cn_fail(c->graph, CN_SHAPE, "the window is larger than axis %d of %s", axis, cn_dims_text(x, text, sizeof text)), false;
    if (o->adaptive && x->d[axis] == 0) return cn_fail(c->graph, CN_SHAPE, "axis %d has no elements", axis), false;
  }
  return true;
}
static geometry geometry_of(const options *o, const cn_dims *x) {
  const int r = x->rank - 2, first = cni_channels_first(o->format) ? 2 : 1;
  geometry s = { x->d[0], x->d[x->rank - 1], { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 }, o->adaptive };
  if (first == 2) s.n *= x->d[1], s.c = 1;
  for (int i = 0; i < r; i++) {
    const int k = i + 3 - r;
    s.in[k] = x->d[first + i];
    s.pool[k] = cni_size_at(&o->pool, i);
    s.stride[k] = cni_size_at(&o->stride, i);
    s.out[k] = out_size(o, s.in[k], s.pool[k], s.stride[k]);
    if (o->adaptive || strcmp(o->padding, "same") != 0) continue;
    const int64_t missing = (s.out[k] - 1) * s.stride[k] - s.in[k] + s.pool[k]; /* the last window begins inside: no overflow in this order */
    s.before[k] = missing > 0 ? missing / 2 : 0;
  }
  return s;
}
static int64_t volume(const int64_t *d) { return d[0] * d[1] * d[2]; }
/* The part of axis k that window i covers: from .. to - 1. */
static void cover(const geometry *s, int k, int64_t i, int64_t *from, int64_t *to) {
  if (s->adaptive) {
    *from = i * s->in[k] / s->out[k];
    *to = ((i + 1) * s->in[k] + s->out[k] - 1) / s->out[k];
    return;
  }
  const int64_t start = i * s->stride[k] - s->before[k];
  *from = start < 0 ? 0 : start;
  *to = s->pool[k] > s->in[k] - start ? s->in[k] : start + s->pool[k];
}
/* The positions of window w, and how many. */
static int64_t window(const geometry *s, int64_t w, int64_t *taps) {
  int64_t from[3], to[3], count = 0;
  for (int k = 2; k >= 0; w /= s->out[k], k--) cover(s, k, w % s->out[k], &from[k], &to[k]);
  for (int64_t i = from[0]; i < to[0]; i++)
    for (int64_t j = from[1]; j < to[1]; j++)
      for (int64_t k = from[2]; k < to[2]; k++) taps[count++] = (i * s->in[1] + j) * s->in[2] + k;
  return count;
}
static int64_t most_taps(const geometry *s) {
  int64_t n = 1;
  for (int k = 0; k < 3; k++) {
    const int64_t most = s->adaptive && s->out[k] ? s->in[k] / s->out[k] + 2 : s->pool[k];
    n *= most < s->in[k] ? most : s->in[k];
  }
  return n;
}

/* ---- running ---- */
/* All windows' positions, once: [windows, most], and their counts. The samples share them. */
typedef struct job {
  const cni_kernels *k;
  geometry s;
  size_t w;
  int64_t most, windows, positions, *counts, *taps;
  char *y;
  const char *x;
  int32_t *index;
} job;
static bool job_take(const cn_call *c, const geometry *s, job *j, cni_buffer **buffer) {
  *j = (job){ .k = cni_kernels_of(c), .s = *s, .w = cni_width_of(c), .most = most_taps(s), .windows = volume(s->out), .positions = volume(s->in) };
  size_t numbers, bytes;
  if (!cni_size_multiply((size_t)j->windows, (size_t)j->most + 1, &numbers) || !cni_size_multiply(numbers + 1, sizeof(int64_t), &bytes))
    return cn_fail(c->graph, CN_NO_MEMORY, "too many windows"), false;
  if (!(j->counts = cni_borrow(c->graph, bytes, buffer))) return false;
  j->taps = j->counts + j->windows;
  for (int64_t i = 0; i < j->windows; i++) j->counts[i] = window(s, i, j->taps + i * j->most);
  return true;
}
static void max_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  for (int64_t i = begin; i < end; i++) {
    const int64_t n = i / j->windows, w = i % j->windows;
    j->k->pool_max(j->y + (size_t)(i * j->s.c) * j->w, j->index + i * j->s.c, j->x + (size_t)(n * j->positions * j->s.c) * j->w, j->taps + w * j->most,
                   j->counts[w], j->s.c);
  }
}
static void mean_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  for (int64_t i = begin; i < end; i++) {
    const int64_t n = i / j->windows, w = i % j->windows;
    j->k->pool_mean(j->y + (size_t)(i * j->s.c) * j->w, j->x + (size_t)(n * j->positions * j->s.c) * j->w, j->taps + w * j->most, j->counts[w], j->s.c);
  }
}
/* Samples begin .. end: windows overlap, so a sample has one thread. */
static void spread_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const size_t in = (size_t)(j->positions * j->s.c) * j->w, out = (size_t)(j->windows * j->s.c) * j->w;
  memset(j->y + (size_t)begin * in, 0, (size_t)(end - begin) * in);
  for (int64_t n = begin; n < end; n++)
    for (int64_t w = 0; w < j->windows; w++)
      j->k->pool_spread(j->y + (size_t)n * in, j->x + (size_t)n * out + (size_t)(w * j->s.c) * j->w, j->taps + w * j->most, j->counts[w], j->s.c);
}
static void max_grad_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const size_t in = (size_t)(j->positions * j->s.c) * j->w;
  memset(j->y + (size_t)begin * in, 0, (size_t)(end - begin) * in);
  for (int64_t n = begin; n < end; n++)
    j->k->pool_max_grad(j->y + (size_t)n * in, j->x + (size_t)(n * j->windows * j->s.c) * j->w, j->index + n * j->windows * j->s.c, j->windows, j->s.c);
}
static int64_t grain_of(int64_t elements) { return elements > 0 ? CNI_GRAIN / elements + 1 : CNI_GRAIN; }

/* y = the pooled x; index NULL: means. */
static cn_code pool(const cn_call *c, const geometry *s, void *y, int32_t *index, const void *x) {
  cni_buffer *buffer;
  job j;
  if (!s->n || !s->c || !volume(s->out)) return CN_OK;
  if (!job_take(c, s, &j, &buffer)) return CN_NO_MEMORY;
  j.y = y, j.x = x, j.index = index;
  cni_parallel(c->graph, s->n * j.windows, grain_of(s->c * j.most), index ? max_part : mean_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}
static cn_code spread(const cn_call *c, const geometry *s, void *y, const void *x) {
  cni_buffer *buffer;
  job j;
  if (!s->n || !s->c || !volume(s->in)) return CN_OK;
  if (!job_take(c, s, &j, &buffer)) return CN_NO_MEMORY;
  j.y = y, j.x = x;
  cni_parallel(c->graph, s->n, grain_of(s->c * j.most * j.windows), spread_part, &j);
  cni_buffer_drop(c->graph, buffer, false);
  return CN_OK;
}

/* ---- max ---- */
static geometry of_call(const cn_call *c) {
  const options o = options_of(c->op, c->args);
  return geometry_of(&o, &c->x[0]->dims);
}
static cn_code average_infer(const cn_call *c) {
  const options o = options_of(c->op, c->args);
  cn_dims y;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!pooled_dims(c, &o, &c->x[0]->dims, &y)) return cn_error_code(c->graph);
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code max_infer(const cn_call *c) {
  const cn_code code = average_infer(c);
  c->sig[1] = (cn_sig){ CN_I32, c->sig[0].dims };
  const cn_dims *x = &c->x[0]->dims;
  return code == CN_OK && x->rank <= 5 && c->x[0]->count > INT32_MAX && x->d[0] <= 1 ? cn_fail(c->graph, CN_SHAPE, "too many positions") : code;
}
static cn_code max_forward(const cn_call *c) {
  const geometry s = of_call(c);
  return pool(c, &s, c->y[0]->data, c->y[1]->data, c->x[0]->data);
}
static cn_code max_backward(const cn_call *c) {
  const geometry s = of_call(c);
  job j = { .k = cni_kernels_of(c),
            .s = s,
            .w = cni_width_of(c),
            .windows = volume(s.out),
            .positions = volume(s.in),
            .y = c->gx[0],
            .x = c->gy[0],
            .index = c->y[1]->data };
  if (c->gx[0] && c->x[0]->count) cni_parallel(c->graph, s.n, grain_of(s.c * j.positions), max_grad_part, &j);
  return CN_OK;
}
static void max_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const options o = options_of(n->op, n->args);
  const geometry s = geometry_of(&o, &n->x[0]->dims);
  const cn_dims in = { 3, { s.n, volume(s.in), s.c } }, out = { 3, { s.n, volume(s.out), s.c } };
  (void)want;
  if (gy[0])
    gx[0] = cni_to_shape(g, cn_scatter_along_axis(g, cni_to_shape(g, gy[0], &out), cni_to_shape(g, n->y[1], &out), .shape = cni_sizes(&in), .axis = 1),
                         &n->x[0]->dims);
}

/* ---- average ---- */
static cn_code average_forward(const cn_call *c) {
  const geometry s = of_call(c);
  return pool(c, &s, c->y[0]->data, NULL, c->x[0]->data);
}
static cn_code average_backward(const cn_call *c) {
  const geometry s = of_call(c);
  return c->gx[0] ? spread(c, &s, c->gx[0], c->gy[0]) : CN_OK;
}
static void average_pool_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_average_pool_args *a = n->args;
  const cn_average_unpool_args o = { g, gy[0], a->pool_size, a->strides, a->padding, a->data_format, cni_sizes(&n->x[0]->dims) };
  (void)want;
  gx[0] = cn_apply(g, &cn_op_average_unpool, &o)[0];
}
static void adaptive_average_pool_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_adaptive_average_pool_args *a = n->args;
  const cn_adaptive_average_unpool_args o = { g, gy[0], a->output_size, a->data_format, cni_sizes(&n->x[0]->dims) };
  (void)want;
  gx[0] = cn_apply(g, &cn_op_adaptive_average_unpool, &o)[0];
}

/* ---- the transposes of average ---- */
static cn_ints shape_of(const cn_call *c) {
  return is(c->op, &cn_op_average_unpool) ? ((const cn_average_unpool_args *)c->args)->shape : ((const cn_adaptive_average_unpool_args *)c->args)->shape;
}
static cn_code unpool_infer(const cn_call *c) {
  const options o = options_of(c->op, c->args);
  cn_dims shape, y;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!cni_dims_from(c->graph, shape_of(c), &shape) || !pooled_dims(c, &o, &shape, &y) || cni_need_shape(c, 0, &y)) return cn_error_code(c->graph);
  return cni_sig_like(c, &shape), CN_OK;
}
static geometry unpool_geometry(const cn_call *c) {
  const options o = options_of(c->op, c->args);
  return geometry_of(&o, &c->y[0]->dims);
}
static cn_code unpool_forward(const cn_call *c) {
  const geometry s = unpool_geometry(c);
  return spread(c, &s, c->y[0]->data, c->x[0]->data);
}
static cn_code unpool_backward(const cn_call *c) {
  const geometry s = unpool_geometry(c);
  return c->gx[0] ? pool(c, &s, c->gx[0], NULL, c->gy[0]) : CN_OK;
}
static void average_unpool_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_average_unpool_args *a = n->args;
  const cn_average_pool_args o = { g, gy[0], a->pool_size, a->strides, a->padding, a->data_format };
  (void)want;
  gx[0] = cn_apply(g, &cn_op_average_pool, &o)[0];
}
static void adaptive_average_unpool_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_adaptive_average_unpool_args *a = n->args;
  const cn_adaptive_average_pool_args o = { g, gy[0], a->output_size, a->data_format };
  (void)want;
  gx[0] = cn_apply(g, &cn_op_adaptive_average_pool, &o)[0];
}

/* ---- references: every position is asked whether each window covers it ---- */
static bool covers(const geometry *s, int64_t w, int64_t p) {
  for (int k = 2; k >= 0; k--) {
    int64_t from, to;
    cover(s, k, w % s->out[k], &from, &to);
    if (p % s->in[k] < from || p % s->in[k] >= to) return false;
    w /= s->out[k], p /= s->in[k];
  }
  return true;
}
static void each_window(const cn_reference *r, const geometry *s, void (*visit)(const cn_reference *r, int64_t pooled, const int64_t *from, int64_t count)) {
  const int64_t windows = volume(s->out), positions = volume(s->in);
  int64_t *from = cni_arena_take(r->call->graph, cni_step_arena(r->call->graph), (size_t)(2 * positions + 2) * sizeof *from);
  for (int64_t i = 0; from && i < s->n * windows * s->c; i++) {
    const int64_t n = i / (windows * s->c), w = i / s->c % windows;
    int64_t count = 0;
    for (int64_t p = 0; p < positions; p++)
      if (covers(s, w, p)) from[positions + count] = p, from[count++] = (n * positions + p) * s->c + i % s->c;
    visit(r, i, from, count);
  }
}
static void visit_max(const cn_reference *r, int64_t i, const int64_t *from, int64_t count) {
  const geometry s = of_call(r->call);
  const int64_t positions = volume(s.in);
  int64_t best = 0;
  for (int64_t k = 1; k < count; k++)
    if (r->x[0][from[k]] > r->x[0][from[best]]) best = k;
  r->y[0][i] = r->x[0][from[best]];
  r->y[1][i] = (double)(from[best] / s.c % positions);
}
static void visit_mean(const cn_reference *r, int64_t i, const int64_t *from, int64_t count) {
  for (int64_t k = 0; k < count; k++) r->y[0][i] += r->x[0][from[k]] / (double)count;
}
static void visit_spread(const cn_reference *r, int64_t i, const int64_t *from, int64_t count) {
  for (int64_t k = 0; k < count; k++) r->y[0][from[k]] += r->x[0][i] / (double)count;
}
static void max_reference(const cn_reference *r) {
  const geometry s = of_call(r->call);
  each_window(r, &s, visit_max);
}
static void average_reference(const cn_reference *r) {
  const geometry s = of_call(r->call);
  each_window(r, &s, visit_mean);
}
static void unpool_reference(const cn_reference *r) {
  const geometry s = unpool_geometry(r->call);
  each_window(r, &s, visit_spread);
}

#define WINDOWS(form)                                                                                                                                                                                        \
  "f[2,6,2]" form ", pool_size=2", "f[1,6,5,2]" form ", pool_size=[2,3]", "f[1,5,5,1]" form ", pool_size=2, strides=1, padding='same'", "f[1,2,4,3,1]" form ", pool_size=2", "f[2,3,7]" form ", pool_size=3, strides=2, padding='same', data_format='channels_first'", \
      "f[1,3,4,5]" form ", pool_size=2, strides=[1,3], data_format='channels_first'", "f[2,5,3]" form ", pool_size=1, strides=3", "f[1,2,3,4,2]" form ", pool_size=[2,2,3], strides=2, padding='same', data_format='channels_first'", \
      "f[0,4,2]" form ", pool_size=2", "f[2,3,1]" form ", pool_size=5", "f[1,3,2]" form ", pool_size=2, strides=9223372036854775807, padding='same'", \
      "f[1,3,2]" form ", pool_size=9223372036854775807, strides=1, padding='same'", "f[3,9,8,17]" form ", pool_size=3, strides=2, padding='same'"
#define REJECTS(x) .rejects = CN_TEXTS(x "[1,4,1], pool_size=0 => pool_size must be positive, got 0", x "[1,4,1] => pool_size is required", x "[1,4,1], pool_size=-1 => pool_size must be positive, got -1", x "[1,4], pool_size=2 => needs rank 3, 4 or 5, got [1,4]", \
      x "[1,4,1], pool_size=2, padding='full' => padding must be \"valid\" or \"same\", got \"full\"", x "[1,4,1], pool_size=2, strides=-1 => strides must be positive, got -1", "i[1,4,1]@0:3, pool_size=2 => works on float32 and float64", \
      x "[1,4,1], pool_size=2, data_format='last' => data_format", x "[1,4,4,1], pool_size=[2] => sizes and strides must be 1 number or 2")
#define ADAPTIVE(form) "f[2,6,2]" form ", output_size=2", "f[1,7,2]" form ", output_size=3", "f[1,4,5,2]" form ", output_size=[2,3]", "f[1,2,3,5]" form ", output_size=2, data_format='channels_first'", "f[1,2,3,4,1]" form ", output_size=[1,2,3]", "f[1,3,1]" form ", output_size=5"
#define ADAPTIVE_REJECTS .rejects = CN_TEXTS("f[1,4,1] => output_size is required", "f[1,4], output_size=2 => needs rank 3, 4 or 5", "f[1,0,2], output_size=2 => axis 1 has no elements", "i[1,4,1]@0:3, output_size=2 => works on float32 and float64")
CN_OP(max_pool, CN_LIST_POOL, .outputs = 2, .kept = 1, .infer = max_infer, .forward = max_forward, .vjp = max_vjp, .backward = max_backward,
      .reads = CN_READS_Y(1), .reference = max_reference, .samples = CN_TEXTS(WINDOWS("@distinct")), REJECTS("f"));
CN_OP(average_pool, CN_LIST_POOL, .outputs = 1, .infer = average_infer, .forward = average_forward, .vjp = average_pool_vjp, .backward = average_backward,
      .reference = average_reference, .samples = CN_TEXTS(WINDOWS("")), REJECTS("f"));
CN_OP(adaptive_max_pool, CN_LIST_ADAPTIVE_POOL, .outputs = 2, .kept = 1, .infer = max_infer, .forward = max_forward, .vjp = max_vjp, .backward = max_backward,
      .reads = CN_READS_Y(1), .reference = max_reference, .samples = CN_TEXTS(ADAPTIVE("@distinct")), ADAPTIVE_REJECTS);
CN_OP(adaptive_average_pool, CN_LIST_ADAPTIVE_POOL, .outputs = 1, .infer = average_infer, .forward = average_forward, .vjp = adaptive_average_pool_vjp,
      .backward = average_backward, .reference = average_reference, .samples = CN_TEXTS(ADAPTIVE("")), ADAPTIVE_REJECTS);
CN_OP(average_unpool, CN_LIST_UNPOOL, .outputs = 1, .infer = unpool_infer, .forward = unpool_forward, .vjp = average_unpool_vjp, .backward = unpool_backward,
      .reference = unpool_reference,
      .samples = CN_TEXTS("f[2,3,2], pool_size=2, shape=[2,6,2]", "f[1,5,5,1], pool_size=2, strides=1, padding='same', shape=[1,5,5,1]",
                          "f[2,3,4], pool_size=3, strides=2, padding='same', data_format='channels_first', shape=[2,3,7]"),
      .rejects = CN_TEXTS("f[2,3,2], pool_size=2, shape=[2,8,2] => x must have shape [2,4,2], got [2,3,2]", "f[2,3,2], shape=[2,6,2] => pool_size is required",
                          "i[1,2,1]@0:3, pool_size=2, shape=[1,4,1] => works on float32 and float64",
                          "f[2,3], pool_size=2, shape=[2,6] => needs rank 3, 4 or 5"));
CN_OP(adaptive_average_unpool, CN_LIST_ADAPTIVE_UNPOOL, .outputs = 1, .infer = unpool_infer, .forward = unpool_forward, .vjp = adaptive_average_unpool_vjp,
      .backward = unpool_backward, .reference = unpool_reference,
      .samples = CN_TEXTS("f[1,3,2], output_size=3, shape=[1,7,2]", "f[1,2,2,2], output_size=2, data_format='channels_first', shape=[1,2,3,5]"),
      .rejects = CN_TEXTS("f[1,3,2], output_size=2, shape=[1,7,2] => x must have shape [1,2,2], got [1,3,2]",
                          "f[1,3,2], shape=[1,7,2] => output_size is required"));

const cn_op *const cni_ops_pool[] = {
  &cn_op_max_pool, &cn_op_average_pool, &cn_op_adaptive_max_pool, &cn_op_adaptive_average_pool, &cn_op_average_unpool, &cn_op_adaptive_average_unpool, NULL
};
