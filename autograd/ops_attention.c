#include "ops_attention.h"
#include "../core/kernels_attention_private.h"
#include "elementwise_private.h"
#include "ops.h"

#define BLOCK 64                              /* rows that a thread takes at a time */
#define TWO_THREADS ((int64_t)1 << 17)        /* multiplications from which a second thread pays */
#define MASKED (-0.7 * 3.4028234663852886e38) /* what Keras puts for a hidden score */

/* ---- shapes ---- */
/* B, T and S, N and K heads, H and D numbers of a head. Known sizes win over unknown ones. */
typedef struct sizes { int64_t b, t, s, n, k, h, d; } sizes;

static bool fit(int64_t *size, int64_t other) {
  if (*size == CN_UNKNOWN) *size = other;
  return other == CN_UNKNOWN || *size == other;
}
static bool sizes_of(const cn_call *c, sizes *z) {
  const int64_t *q = c->x[0]->dims.d, *k = c->x[1]->dims.d, *v = c->x[2]->dims.d;
  *z = (sizes){ q[0], q[1], k[1], q[2], k[2], q[3], v[3] };
  return fit(&z->b, k[0]) && fit(&z->b, v[0]) && fit(&z->s, v[1]) && fit(&z->k, v[2]) && fit(&z->h, k[3]);
}

/* An unknown size fits every other. */
static bool broadcasts_to(const cn_dims *x, const cn_dims *y) {
  for (int i = 0; i < x->rank && x->rank <= y->rank; i++) {
    const int64_t a = x->d[i], b = y->d[i + y->rank - x->rank];
    if (a != 1 && a != b && a != CN_UNKNOWN && b != CN_UNKNOWN) return false;
  }
  return x->rank <= y->rank;
}
static cn_code side_fits(const cn_call *c, int i, cn_dtype dtype, const cn_dims *scores) {
  const cn_tensor *x = c->x[i];
  char a[160], b[160];
  const char *name = i == 3 ? "bias" : "mask";
  if (!cni_given(x)) return CN_OK;
  if (x->dtype != dtype) return cn_fail(c->graph, CN_DTYPE, "%s must be %s, got %s", name, cn_dtype_name(dtype), cn_dtype_name((cn_dtype)x->dtype));
  if (broadcasts_to(&x->dims, scores)) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "%s %s does not broadcast to the scores' %s", name, cn_dims_text(&x->dims, a, sizeof a),
                 cn_dims_text(scores, b, sizeof b));
}

static cn_code infer(const cn_call *c) {
  const cn_tensor *const *x = (const cn_tensor *const *)c->x;
  const cn_dtype dtype = (cn_dtype)x[0]->dtype;
  char q[160], k[160], v[160];
  sizes z;
  if (!cni_is_float(dtype) || x[1]->dtype != x[0]->dtype || x[2]->dtype != x[0]->dtype)
    return cn_fail(c->graph, CN_DTYPE, "query, key and value must be float32 or float64, and the same: %s, %s, %s", cn_dtype_name(dtype),
                   cn_dtype_name((cn_dtype)x[1]->dtype), cn_dtype_name((cn_dtype)x[2]->dtype));
  cn_dims_text(&x[0]->dims, q, sizeof q), cn_dims_text(&x[1]->dims, k, sizeof k), cn_dims_text(&x[2]->dims, v, sizeof v);
  if (x[0]->dims.rank != 4 || x[1]->dims.rank != 4 || x[2]->dims.rank != 4)
    return cn_fail(c->graph, CN_SHAPE, "query, key and value must have rank 4: %s, %s, %s", q, k, v);
  if (!sizes_of(c, &z)) return cn_fail(c->graph, CN_SHAPE, "query %s, key %s and value %s do not fit", q, k, v);
  if (z.h == 0) return cn_fail(c->graph, CN_SHAPE, "heads of size 0: query %s", q);
  if (z.n != CN_UNKNOWN && z.k != CN_UNKNOWN && (z.k ? z.n % z.k : z.n))
    return cn_fail(c->graph, CN_SHAPE, "%lld heads of key and value do not divide %lld of query", (long long)z.k, (long long)z.n);
  const cn_dims scores = { 4, { z.b, z.n, z.t, z.s } };
  c->sig[0] = (cn_sig){ dtype, { 4, { z.b, z.t, z.n, z.d } } };
  c->sig[1] = (cn_sig){ dtype, { 3, { z.b, z.n, z.t } } };
  const cn_code code = side_fits(c, 3, dtype, &scores);
  return code == CN_OK ? side_fits(c, 4, CN_BOOL, &scores) : code;
}

static double scale_of(const cn_dot_product_attention_args *o, int64_t h) { return isnan(o->scale) ? 1 / sqrt((double)h) : o->scale; }

/* Elements from one index to the next along B, N, T and S; 0 where x is broadcast. */
typedef struct steps { int64_t b, n, t, s; } steps;
static steps steps_of(const cn_tensor *x) {
  int64_t step[4] = { 0 }, size = 1;
  for (int i = 3, k = x->dims.rank - 1; k >= 0; i--, k--) {
    step[i] = x->dims.d[k] == 1 ? 0 : size;
    size *= x->dims.d[k];
  }
  return (steps){ step[0], step[1], step[2], step[3] };
}

/* ---- heads ---- */
typedef struct job {
  const cn_call *call;
  const cni_kernels *kernels;
  sizes z;
  cni_attention head;                /* what all heads share */
  steps bias, mask;
  size_t width;
  int64_t parts;
  bool split;                        /* backward: every part takes rows, then keys, of each head; else whole heads */
  char *scratch;
  size_t scratch_bytes;              /* of one part */
  char *bias_sums;                   /* gradients of the bias of parts 1, 2, ...; part 0 has the result */
} job;

static void *move(void *p, int64_t elements, size_t width) { return p ? (char *)p + elements * (int64_t)width : NULL; }
static const void *move_const(const void *p, int64_t elements, size_t width) { return p ? (const char *)p + elements * (int64_t)width : NULL; }

static job job_of(const cn_call *c) {
  job j = { .call = c, .kernels = cni_kernels_of(c), .width = cn_dtype_size((cn_dtype)c->x[0]->dtype) };
  const cn_dot_product_attention_args *o = c->args;
  sizes_of(c, &j.z);
  const sizes *z = &j.z;
  j.head = (cni_attention){ .rows = z->t,
                            .keys = z->s,
                            .width = z->h,
                            .value_width = z->d,
                            .q_row = z->n * z->h,
                            .k_row = z->k * z->h,
                            .v_row = z->k * z->d,
                            .y_row = z->n * z->d,
                            .scale = scale_of(o, z->h),
                            .causal = o->is_causal };
  if (cni_given(c->x[3])) j.bias = steps_of(c->x[3]);
  if (cni_given(c->x[4])) j.mask = steps_of(c->x[4]);
  const int64_t threads = c->graph->core.threads, work = z->b * z->n * z->t * z->s * (z->h + z->d);
  j.parts = threads < 2 || work < TWO_THREADS ? 1 : threads;
  return j;
}

/* Query head n of batch b, with what backward reads and writes where there is any. */
static cni_attention head_of(const job *j, int64_t b, int64_t n) {
  const cn_call *c = j->call;
  const sizes *z = &j->z;
  const size_t w = j->width;
  const int64_t k = n / (z->n / z->k), rows = (b * z->n + n) * z->t, q = (b * z->t * z->n + n) * z->h, y = (b * z->t * z->n + n) * z->d,
                key = (b * z->s * z->k + k) * z->h, value = (b * z->s * z->k + k) * z->d;
  cni_attention a = j->head;
  a.q = move_const(c->x[0]->data, q, w);
  a.k = move_const(c->x[1]->data, key, w);
  a.v = move_const(c->x[2]->data, value, w);
  if (cni_given(c->x[3])) a.bias = move_const(c->x[3]->data, b * j->bias.b + n * j->bias.n, w), a.bias_row = j->bias.t, a.bias_col = j->bias.s;
  if (cni_given(c->x[4])) a.mask = move_const(c->x[4]->data, b * j->mask.b + n * j->mask.n, 1), a.mask_row = j->mask.t, a.mask_col = j->mask.s;
  a.y = move(c->y[0]->data, y, w);
  a.lse = move(c->y[1]->data, rows, w);
  if (!c->gx) return a;
  a.gy = move_const(c->gy[0], y, w);
  a.glse = move_const(c->gy[1], rows, w);
  a.gq = move(c->gx[0], q, w);
  a.gk = move(c->gx[1], key, w);
  a.gv = move(c->gx[2], value, w);
  a.add = n % (z->n / z->k) != 0;
  return a;
}

static cn_code run(job *j, void (*part)(void *job, int64_t begin, int64_t end)) {
  cn_graph *g = j->call->graph;
  j->scratch_bytes = j->kernels->attention_scratch(&j->head, j->call->gx != NULL);
  cni_buffer *b = cni_buffer_take(g, j->scratch_bytes * (size_t)j->parts, false);
  if (!b) return CN_NO_MEMORY;
  j->scratch = b->data;
  cni_parallel(g, j->parts, 1, part, j);
  cni_buffer_drop(g, b, false);
  return CN_OK;
}

/* ---- forward ---- */
/* Blocks of rows of all heads in order, of which each part takes a run; with fewer heads than parts every parts-th, so that causal heads are shared evenly.
 * Keys and values are packed once for a run of blocks that read them. */
static void forward_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const sizes *z = &j->z;
  const int64_t blocks = (z->t + BLOCK - 1) / BLOCK, total = z->b * z->n * blocks, group = z->n / z->k;
  for (int64_t p = begin; p < end; p++) {
    const bool strided = z->b * z->n < j->parts;
    char *scratch = j->scratch + (size_t)p * j->scratch_bytes;
    int64_t packed = -1;
    for (int64_t i = strided ? p : total * p / j->parts, last = strided ? total : total * (p + 1) / j->parts; i < last; i += strided ? j->parts : 1) {
      const int64_t head = i / blocks, row = i % blocks * BLOCK;
      const cni_attention a = head_of(j, head / z->n, head % z->n);
      if (head / group != packed) j->kernels->attention_pack(&a, scratch);
      packed = head / group;
      j->kernels->attention_rows(&a, row, row + BLOCK < z->t ? BLOCK : z->t - row, scratch);
    }
  }
}

static cn_code forward(const cn_call *c) {
  job j = job_of(c);
  return c->y[1]->count ? run(&j, forward_part) : CN_OK;
}

/* ---- backward ---- */
static void whole_heads(const job *j, int64_t p, char *scratch, void *gbias) {
  const sizes *z = &j->z;
  const int64_t group = z->n / z->k, heads = z->b * z->k;
  const cni_attention_part whole = { 0, z->t, 0, z->s };
  for (int64_t i = heads * p / j->parts * group; i < heads * (p + 1) / j->parts * group; i++) {
    cni_attention a = head_of(j, i / z->n, i % z->n);
    a.gbias = move(gbias, i / z->n * j->bias.b + i % z->n * j->bias.n, j->width);
    j->kernels->attention_grad(&a, &whole, scratch);
  }
}

/* A run of rows for the gradients of the queries, then a run of keys for the others': no two parts write one place. */
static void parts_of_heads(const job *j, int64_t p, char *scratch, void *gbias) {
  const sizes *z = &j->z;
  const int64_t row = z->t * p / j->parts, key = z->s * p / j->parts;
  const cni_attention_part rows = { row, z->t * (p + 1) / j->parts - row, 0, z->s }, keys = { 0, z->t, key, z->s * (p + 1) / j->parts - key };
  for (int64_t i = 0; i < z->b * z->n; i++) {
    cni_attention a = head_of(j, i / z->n, i % z->n), q = a;
    q.gk = q.gv = NULL;
    if (q.gq) j->kernels->attention_grad(&q, &rows, scratch);
    a.gq = NULL;
    a.gbias = move(gbias, i / z->n * j->bias.b + i % z->n * j->bias.n, j->width);
    if (a.gk || a.gv || a.gbias) j->kernels->attention_grad(&a, &keys, scratch);
  }
}

static void backward_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const cn_call *c = j->call;
  for (int64_t p = begin; p < end; p++) {
    void *gbias = p && j->bias_sums ? move(j->bias_sums, (p - 1) * c->x[3]->count, j->width) : c->gx[3];
    (j->split ? parts_of_heads : whole_heads)(j, p, j->scratch + (size_t)p * j->scratch_bytes, gbias);
  }
}

/* Where parts would add to one element of the bias's gradient, each has its own; they are joined in order. */
static cn_code with_bias(job *j) {
  const cn_call *c = j->call;
  const int64_t n = c->x[3]->count;
  const size_t bytes = (size_t)n * j->width;
  if (j->parts == 1 || n == j->z.b * j->z.n * j->z.t * j->z.s) return run(j, backward_part);
  cni_buffer *b = cni_buffer_take(c->graph, bytes * (size_t)(j->parts - 1), false);
  if (!b) return CN_NO_MEMORY;
  j->bias_sums = b->data;
  memset(b->data, 0, bytes * (size_t)(j->parts - 1));
  const cn_code code = run(j, backward_part);
  for (int64_t p = 1; p < j->parts; p++) j->kernels->accumulate(c->gx[3], j->bias_sums + (size_t)(p - 1) * bytes, n);
  cni_buffer_drop(c->graph, b, false);
  return code;
}

static cn_code backward(const cn_call *c) {
  job j = job_of(c);
  const int64_t heads = j.z.b * j.z.k;
  for (int i = 0; i < 4; i++)
    if (c->gx[i] && c->x[i]->count && (i == 3 || !c->y[1]->count || !j.z.s)) memset(c->gx[i], 0, (size_t)c->x[i]->count * j.width);
  if (!c->y[1]->count || !j.z.s) return CN_OK;
  j.split = heads < 4 * j.parts && heads % j.parts;
  return c->gx[3] ? with_bias(&j) : run(&j, backward_part);
}

/* ---- in operations ---- */
/* [B,N,...] as [B,K,N/K,...]: an axis of 1 heads becomes two. */
static cn_tensor *grouped(cn_graph *g, cn_tensor *x, int64_t k) {
  if (!x) return NULL;
  int64_t d[5] = { 1, 1, 1, 1, 1 };
  for (int i = 0; i < x->dims.rank; i++) {
    const int at = 4 - x->dims.rank + i;
    if (at == 1) d[1] = x->dims.d[i] == 1 ? 1 : k, d[2] = x->dims.d[i] / d[1];
    else d[at ? at + 1 : 0] = x->dims.d[i];
  }
  return cn_reshape(g, x, .newshape = { d, 5 });
}
/* [B,T,N,H] as [B,K,N/K,T,H], and back. */
static cn_tensor *by_heads(cn_graph *g, cn_tensor *x, int64_t k) { return grouped(g, cn_transpose(g, x, .axes = CN_INTS(0, 2, 1, 3)), k); }
static cn_tensor *by_rows(cn_graph *g, cn_tensor *x, const cn_tensor *like) {
  const int64_t *d = like->dims.d;
  return cn_transpose(g, cn_reshape(g, x, CN_INTS(d[0], d[2], d[1], d[3])), .axes = CN_INTS(0, 2, 1, 3));
}

/* What scores may be seen, as [B?,K?,N/K?,T?,S?], or NULL for all. */
static cn_tensor *seen(cn_graph *g, const cn_node *n, const sizes *z) {
  const cn_dot_product_attention_args *o = n->args;
  cn_tensor *mask = cni_given(n->x[4]) ? grouped(g, n->x[4], z->k) : NULL;
  if (!o->is_causal) return mask;
  cn_tensor *rows = cn_reshape(g, cn_arange(g, CN_I64, 0, (double)z->t, 1), CN_INTS(z->t, 1)),
            *causal = cn_greater_equal(g, rows, cn_arange(g, CN_I64, 0, (double)z->s, 1));
  return mask ? cn_logical_and(g, mask, causal) : causal;
}

static cn_tensor *zero_where_hidden(cn_graph *g, cn_tensor *mask, cn_tensor *x) { return mask ? cn_where(g, mask, x, NUMBER(x, 0)) : x; }

CNI_VJP(dot_product_attention) {
  const cn_call c = { .x = n->x };
  sizes z;
  sizes_of(&c, &z);
  if (!z.k) return; /* no heads: every gradient is empty */
  const double scale = scale_of(n->args, z.h);
  cn_tensor *q = by_heads(g, n->x[0], z.k), *k = by_heads(g, n->x[1], z.k), *v = by_heads(g, n->x[2], z.k), *mask = seen(g, n, &z);
  cn_tensor *scores = cn_scale(g, cn_matmul(g, q, k, .transpose_b = true), scale); /* [B,K,N/K,T,S] */
  if (cni_given(n->x[3])) scores = cn_add(g, scores, grouped(g, n->x[3], z.k));
  if (mask) scores = cn_where(g, mask, scores, NUMBER(scores, MASKED));
  cn_tensor *p = cn_softmax(g, scores), *gv = gy[0] ? by_heads(g, gy[0], z.k) : NULL, *slope = NULL;
  if (gv && want[2]) gx[2] = by_rows(g, cn_sum(g, cn_matmul(g, p, gv, .transpose_a = true), .axis = CN_INTS(2)), n->x[2]);
  if (gv) {
    cn_tensor *gp = cn_matmul(g, gv, v, .transpose_b = true);
    slope = cn_multiply(g, p, cn_subtract(g, gp, cn_sum(g, cn_multiply(g, gp, p), .axis = CN_INTS(-1), .keepdims = true)));
  }
  if (gy[1]) {
    cn_tensor *s = cn_multiply(g, p, cn_expand_dims(g, cn_reshape(g, gy[1], CN_INTS(z.b, z.k, z.n / z.k, z.t)), .axis = CN_INTS(-1)));
    slope = slope ? cn_add(g, slope, s) : s;
  }
  slope = zero_where_hidden(g, mask, slope);
  if (want[0]) gx[0] = by_rows(g, cn_scale(g, cn_matmul(g, slope, k), scale), n->x[0]);
  if (want[1]) gx[1] = by_rows(g, cn_scale(g, cn_sum(g, cn_matmul(g, slope, q, .transpose_a = true), .axis = CN_INTS(2)), scale), n->x[1]);
  if (cni_given(n->x[3]) && want[3]) gx[3] = cn_reshape(g, slope, CN_INTS(z.b, z.n, z.t, z.s));
}

/* ---- reference ---- */
static double score_at(const cn_reference *r, const sizes *z, int64_t b, int64_t n, int64_t t, int64_t s) {
  const cn_call *c = r->call;
  const cn_dot_product_attention_args *o = c->args;
  const cn_dims all = { 4, { z->b, z->n, z->t, z->s } };
  const int64_t at = ((b * z->n + n) * z->t + t) * z->s + s, k = n * z->k / z->n;
  double dot = 0;
  for (int64_t h = 0; h < z->h; h++) dot += r->x[0][((b * z->t + t) * z->n + n) * z->h + h] * r->x[1][((b * z->s + s) * z->k + k) * z->h + h];
  dot *= scale_of(o, z->h);
  if (cni_given(c->x[3])) dot += r->x[3][cni_broadcast_index(&c->x[3]->dims, &all, at)];
  const bool hidden = (o->is_causal && s > t) || (cni_given(c->x[4]) && r->x[4][cni_broadcast_index(&c->x[4]->dims, &all, at)] == 0);
  return hidden ? MASKED : dot;
}

static void reference(const cn_reference *r) {
  sizes z;
  sizes_of(r->call, &z);
  for (int64_t row = 0; row < z.b * z.n * z.t; row++) {
    const int64_t b = row / (z.n * z.t), n = row / z.t % z.n, t = row % z.t;
    double most = -INFINITY, sum = 0;
    for (int64_t s = 0; s < z.s; s++) most = fmax(most, score_at(r, &z, b, n, t, s));
    for (int64_t s = 0; s < z.s; s++) sum += exp(score_at(r, &z, b, n, t, s) - most);
    r->y[1][row] = z.s ? most + log(sum) : -INFINITY;
    for (int64_t s = 0; s < z.s; s++) {
      const double p = exp(score_at(r, &z, b, n, t, s) - most) / sum;
      for (int64_t d = 0; d < z.d; d++) r->y[0][((b * z.t + t) * z.n + n) * z.d + d] += p * r->x[2][((b * z.s + s) * z.k + n * z.k / z.n) * z.d + d];
    }
  }
}

CN_OP(dot_product_attention, CN_DOT_PRODUCT_ATTENTION, .outputs = 2, .kept = 1,
      .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_X(2) | CN_READS_X(3) | CN_READS_X(4) | CN_READS_Y(0) | CN_READS_Y(1), .infer = infer,
      .forward = forward, .vjp = dot_product_attention_vjp, .backward = backward, .reference = reference,
      .samples = CN_TEXTS("f[2,3,2,4], f[2,5,2,4], f[2,5,2,3]", "f[1,4,1,2], f[1,3,1,2], f[1,3,1,2], is_causal=true",
                          "f[2,3,4,2], f[2,6,2,2], f[2,6,2,2], scale=0.3, is_causal=true", "f[2,3,2,4], f[2,11,1,4], f[2,11,1,3], f[2,1,3,11], b[1,2,3,11]",
                          "f[1,3,2,4], f[1,5,2,4], f[1,5,2,3], f[2,1,1], b[5]", "f[1,3,1,2], f[1,9,1,2], f[1,9,1,2], _, b[1,1,3,9]",
                          "f[2,3,2,4], f[2,3,2,4], f[2,3,2,4], f[3,1], is_causal=true",
                          "f[2,3,2,2], f[2,4,2,2], f[2,4,2,2], f[2,2,3,4], b[2,1,1,4], flash_attention=true",
                          "f[1,70,1,3], f[1,133,1,3], f[1,133,1,2], f[133], is_causal=true", "f[1,2,1,1], f[1,1,1,1], f[1,1,1,1]"),
      .rejects = CN_TEXTS("f[1,2,1,3], f[1,2,1,2], f[1,2,1,2] => query [1,2,1,3], key [1,2,1,2] and value [1,2,1,2] do not fit",
                          "f[2,1,3], f[1,2,1,3], f[1,2,1,3] => must have rank 4: [2,1,3]",
                          "f[1,2,3,2], f[1,2,2,2], f[1,2,2,2] => 2 heads of key and value do not divide 3 of query",
                          "f[1,2,1,2], f[2,2,1,2], f[2,2,1,2] => do not fit", "f[1,2,1,2], f[1,2,1,2], f[1,3,1,2] => do not fit",
                          "f[1,2,1,2], f[1,2,1,2], f[1,2,1,2], f[3,2] => bias [3,2] does not broadcast to the scores' [1,1,2,2]",
                          "f[1,2,1,2], f[1,2,1,2], f[1,2,1,2], _, f[2,2] => mask must be bool, got float32",
                          "f[1,2,1,2], f[1,2,1,2], f[1,2,1,2], _, b[2,1,1,2,2] => mask [2,1,1,2,2] does not broadcast",
                          "i[1,2,1,2]@0:3, f[1,2,1,2], f[1,2,1,2] => must be float32 or float64", "f[1,2,1,0], f[1,2,1,0], f[1,2,1,2] => heads of size 0",
                          "f[1,2,1,2], f[1,2,1,2] => input value is missing"));

const cn_op *const cni_ops_attention[] = { &cn_op_dot_product_attention, NULL };
