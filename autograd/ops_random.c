#include "ops_random.h"
#include "elementwise_private.h"
#include "ops.h"

/* The stream of a call: its own from a seed (in *own), the caller's, or the graph's. */
static cn_stream *stream_of(cn_graph *g, int64_t seed, void *stream, cn_stream *own) {
  if (seed == CN_NONE) {
    cn_stream *s = stream ? stream : &g->streams;
    if (g->drawn) cni_stream_drawn(g, s);
    return s;
  }
  *own = (cn_stream){ (uint64_t)seed, 0 };
  return own;
}

static cn_code infer_shape(const cn_call *c, const cn_ints *shape, cn_dtype dtype) {
  if (shape->n < 0 || shape->n > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "rank must be 0 to %d", CN_MAX_RANK);
  c->sig[0] = (cn_sig){ dtype, { (int)shape->n, { 0 } } };
  for (int64_t i = 0; i < shape->n; i++) {
    if (shape->v[i] < 0) return cn_fail(c->graph, CN_SHAPE, "size %lld of axis %lld is negative", (long long)shape->v[i], (long long)i);
    c->sig[0].dims.d[i] = shape->v[i];
  }
  return CN_OK;
}
static cn_code infer_float(const cn_call *c, const cn_ints *shape, const char *name) {
  cn_dtype d;
  if (!name || !cn_dtype_from_name(name, &d) || !cni_is_float(d))
    return cn_fail(c->graph, CN_DTYPE, "dtype must be float32 or float64, got %s", name ? name : "None");
  return infer_shape(c, shape, d);
}

#define RANDOM_VALUES(op, fill, a, b)                                                                                              \
  static cn_code op##_forward(const cn_call *c) {                                                                                  \
    const cn_##op##_args *o = c->args;                                                                                             \
    cn_stream own;                                                                                                                 \
    fill(stream_of(c->graph, o->seed, o->stream, &own), (cn_dtype)c->y[0]->dtype, c->y[0]->data, c->y[0]->count, o->a, o->b);      \
    return CN_OK;                                                                                                                  \
  }                                                                                                                                \
  static void op##_reference(const cn_reference *r) { /* the stream of the seed, drawn in double */                               \
    const cn_##op##_args *o = r->call->args;                                                                                       \
    cn_stream own = { (uint64_t)o->seed, 0 };                                                                                      \
    for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = cni_value_at(r->call->y[0], i);                                \
    if (r->call->y[0]->dtype == CN_F64) fill(&own, CN_F64, r->y[0], r->call->y[0]->count, o->a, o->b);                             \
  }

#define RANDOM(op, LIST, fill, a, b, reject)                                                                                       \
  static cn_code op##_infer(const cn_call *c) { return infer_float(c, &((const cn_##op##_args *)c->args)->shape, ((const cn_##op##_args *)c->args)->dtype); } \
  RANDOM_VALUES(op, fill, a, b)                                                                                                    \
  CN_OP(op, LIST, .outputs = 1, .flags = CN_OP_RANDOM | CN_OP_NO_GRADIENT, .infer = op##_infer, .forward = op##_forward, .reference = op##_reference, \
        .samples = CN_TEXTS("shape=[3,4], dtype='float64', seed=7", "shape=[], dtype='float64', seed=1", "shape=[0], seed=1", "shape=[33], seed=1"), .rejects = CN_TEXTS("shape=[3], dtype='int32' => dtype must be float32 or float64", reject));
RANDOM(random_uniform, CN_RANDOM_UNIFORM, cn_random_fill_uniform, minval, maxval, "shape=[-1] => size -1 of axis 0 is negative")
RANDOM(random_normal, CN_RANDOM_NORMAL, cn_random_fill_normal, mean, stddev, "shape=[3], stddev=-1 => stddev must not be negative, got -1")
RANDOM(random_truncated_normal, CN_RANDOM_NORMAL, cn_random_fill_truncated_normal, mean, stddev, "shape=[3], stddev=-1 => stddev must not be negative, got -1")

static cn_code integers_infer(const cn_call *c) {
  const cn_random_integers_args *o = c->args;
  if (o->minval >= o->maxval) return cn_fail(c->graph, CN_VALUE, "no integer is in [%lld, %lld)", (long long)o->minval, (long long)o->maxval);
  return infer_shape(c, &o->shape, CN_I64);
}
static cn_code integers_forward(const cn_call *c) {
  const cn_random_integers_args *o = c->args;
  cn_stream own;
  cn_random_fill_integers(stream_of(c->graph, o->seed, o->stream, &own), CN_I64, c->y[0]->data, c->y[0]->count, o->minval, o->maxval);
  return CN_OK;
}
static void integers_reference(const cn_reference *r) {
  const cn_random_integers_args *o = r->call->args;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    cn_stream one = { (uint64_t)o->seed, (uint64_t)i };
    int64_t v;
    cn_random_fill_integers(&one, CN_I64, &v, 1, o->minval, o->maxval);
    r->y[0][i] = (double)v;
  }
}
CN_OP(random_integers, CN_RANDOM_INTEGERS, .outputs = 1, .flags = CN_OP_RANDOM | CN_OP_NO_GRADIENT, .infer = integers_infer, .forward = integers_forward,
      .reference = integers_reference, .samples = CN_TEXTS("shape=[3,4], maxval=10, seed=3", "shape=[0], maxval=2, seed=1"),
      .rejects = CN_TEXTS("shape=[3], minval=4, maxval=4 => no integer is in [4, 4)", "shape=[3] => maxval is required"));

/* ---- dropout ---- */
/* Where the pattern starts: kept in the second output, for backward. */
static cn_stream saved(const cn_tensor *t) { return (cn_stream){ (uint64_t)((const int64_t *)t->data)[0], (uint64_t)((const int64_t *)t->data)[1] }; }

/* Whether a pattern of noise_shape spreads over x. */
static cn_code noise_fits(cn_graph *g, cn_ints noise_shape, const cn_dims *x) {
  if (noise_shape.n >= 0 && noise_shape.n != x->rank)
    return cn_fail(g, CN_SHAPE, "noise_shape has %lld sizes, the input's rank is %d", (long long)noise_shape.n, x->rank);
  for (int64_t i = 0; i < noise_shape.n; i++) {
    const int64_t s = noise_shape.v[i];
    if (s != 1 && s != -1 && s != CN_NONE && s != x->d[i] && x->d[i] != CN_UNKNOWN)
      return cn_fail(g, CN_SHAPE, "size %lld of noise_shape does not fit axis %lld of size %lld", (long long)s, (long long)i, (long long)x->d[i]);
  }
  return CN_OK;
}

static cn_code dropout_infer(const cn_call *c) {
  const cn_dropout_args *o = c->args;
  if (noise_fits(c->graph, o->noise_shape, &c->x[0]->dims) != CN_OK) return CN_SHAPE;
  const cn_code code = cn_infer_same_float(c);
  c->sig[1] = (cn_sig){ CN_I64, { 1, { 2 } } };
  return code;
}

typedef struct pattern { cn_dims dims; int64_t count; bool shared; } pattern;
static pattern pattern_of(const cn_call *c) {
  const cn_dropout_args *o = c->args;
  pattern p = { c->x[0]->dims, c->x[0]->count, false };
  for (int64_t i = 0; i < o->noise_shape.n; i++)
    if (o->noise_shape.v[i] == 1 && p.dims.d[i] != 1) p.dims.d[i] = 1, p.shared = true;
  if (p.shared) p.count = cn_dims_count(&p.dims);
  return p;
}

typedef struct job { const cni_random_kernels *k; char *y; const char *x; cn_stream s; double rate; size_t w; } job;
static void dropout_part(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  j->k->dropout(j->y + (size_t)begin * j->w, j->x + (size_t)begin * j->w, end - begin, j->s.key, j->s.counter + (uint64_t)begin, j->rate);
}

/* y = x times the pattern. */
static cn_code drop(const cn_call *c, void *y, const void *x) {
  const cn_dropout_args *o = c->args;
  const cn_dtype d = (cn_dtype)c->x[0]->dtype;
  const pattern p = pattern_of(c);
  const size_t w = cn_dtype_size(d);
  const cni_kernels *k = cni_kernels_for(c->graph, d);
  if (o->rate >= 1) return k->fill(y, c->x[0]->count, 0), CN_OK;
  job j = { k->random, y, x, saved(c->y[1]), o->rate, w };
  if (!p.shared) return cni_parallel(c->graph, p.count, CNI_GRAIN, dropout_part, &j), CN_OK;
  cni_buffer *b = cni_buffer_take(c->graph, (size_t)(p.count ? p.count : 1) * w, false);
  if (!b) return CN_NO_MEMORY;
  k->fill(b->data, p.count, 1);
  k->random->dropout(b->data, b->data, p.count, j.s.key, j.s.counter, o->rate);
  cni_binary_raw(c->graph, k->multiply, y, w, &c->x[0]->dims, x, &c->x[0]->dims, b->data, &p.dims, w);
  cni_buffer_drop(c->graph, b, false);
  return CN_OK;
}

static cn_code dropout_forward(const cn_call *c) {
  const cn_dropout_args *o = c->args;
  cn_stream own, *s = stream_of(c->graph, o->seed, o->stream, &own);
  int64_t *at = c->y[1]->data;
  at[0] = (int64_t)s->key;
  at[1] = (int64_t)s->counter;
  s->counter += (uint64_t)pattern_of(c).count;
  return drop(c, c->y[0]->data, c->x[0]->data);
}
static cn_code dropout_backward(const cn_call *c) { return c->gx[0] ? drop(c, c->gx[0], c->gy[0]) : CN_OK; }
/* The same pattern again: a stream of the saved numbers. */
CNI_VJP(dropout) {
  CNI_UNUSED_VJP;
  const cn_dropout_args *o = cn_node_args(n);
  cn_stream *again = cni_arena_take(g, cni_step_arena(g), sizeof *again);
  if (!again) return;
  *again = saved(cn_node_output(n, 1));
  gx[0] = cn_dropout(g, gy[0], o->rate, .noise_shape = o->noise_shape, .stream = again);
}
static void dropout_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_dropout_args *o = c->args;
  const pattern p = pattern_of(c);
  const cn_stream at = saved(c->y[1]);
  r->y[1][0] = (double)(int64_t)at.key;
  r->y[1][1] = (double)(int64_t)at.counter;
  for (int64_t i = 0; i < c->x[0]->count; i++) {
    cn_stream one = { at.key, at.counter + (uint64_t)cni_broadcast_index(&p.dims, &c->x[0]->dims, i) };
    double u;
    if (c->x[0]->dtype == CN_F32) {
      float f;
      cn_random_fill_uniform(&one, CN_F32, &f, 1, 0, 1);
      u = (double)f;
    } else {
      cn_random_fill_uniform(&one, CN_F64, &u, 1, 0, 1);
    }
    r->y[0][i] = o->rate < 1 && u >= o->rate ? r->x[0][i] / (1 - o->rate) : 0;
  }
}
CN_OP(dropout, CN_DROPOUT_OP, .outputs = 2, .kept = 1, .flags = CN_OP_RANDOM, .reads = CN_READS_Y(1), .infer = dropout_infer, .forward = dropout_forward,
      .vjp = dropout_vjp, .backward = dropout_backward, .reference = dropout_reference,
      .samples = CN_TEXTS("f[3,4], rate=0.4, seed=5", "f[100], rate=0.1, seed=5", "f[3,4], rate=0, seed=1", "f[3,4], rate=1, seed=1",
                          "f[3,4,2], rate=0.5, seed=3, noise_shape=[3,1,2]", "f[0], rate=0.5, seed=1"),
      .rejects = CN_TEXTS("f[3], rate=1.5 => rate must be in [0, 1], got 1.5", "f[3] => rate is required",
                          "f[3,4], rate=0.5, noise_shape=[3] => noise_shape has 1 sizes, the input's rank is 2",
                          "i[3]@0:3, rate=0.5 => needs float32 or float64"));

/* ---- numbers like a tensor ---- */
static cn_code infer_like(const cn_call *c, cn_ints noise_shape) {
  if (noise_fits(c->graph, noise_shape, &c->x[0]->dims) != CN_OK) return CN_SHAPE;
  const cn_code code = cn_infer_same_float(c);
  for (int64_t i = 0; i < noise_shape.n; i++)
    if (noise_shape.v[i] == 1) c->sig[0].dims.d[i] = 1;
  return code;
}

#define LIKE(op, LIST, fill, a, b, reject)                                                                                         \
  static cn_code op##_infer(const cn_call *c) { return infer_like(c, ((const cn_##op##_args *)c->args)->noise_shape); }            \
  RANDOM_VALUES(op, fill, a, b)                                                                                                    \
  CN_OP(op, LIST, .outputs = 1, .flags = CN_OP_RANDOM | CN_OP_NO_GRADIENT, .infer = op##_infer, .forward = op##_forward, .reference = op##_reference, \
        .samples = CN_TEXTS("f[3,4], seed=7", "f[], seed=1", "f[0], seed=1", "f[3,4,2], seed=2, noise_shape=[-1,1,2]", "f[33], seed=3, noise_shape=[1]"), \
        .rejects = CN_TEXTS("f[3,4], noise_shape=[3] => noise_shape has 1 sizes, the input's rank is 2", "f[3,4], noise_shape=[3,2] => size 2 of noise_shape does not fit", "i[3]@0:3 => needs float32 or float64", reject));
LIKE(random_uniform_like, CN_RANDOM_UNIFORM_LIKE, cn_random_fill_uniform, minval, maxval, "f[2], noise_shape=[] => noise_shape has 0 sizes")
LIKE(random_normal_like, CN_RANDOM_NORMAL_LIKE, cn_random_fill_normal, mean, stddev, "f[2], stddev=-1 => stddev must not be negative, got -1")

const cn_op *const cni_ops_random[] = { &cn_op_random_uniform, &cn_op_random_normal,       &cn_op_random_truncated_normal, &cn_op_random_integers,
                                        &cn_op_dropout,        &cn_op_random_uniform_like, &cn_op_random_normal_like,      NULL };
