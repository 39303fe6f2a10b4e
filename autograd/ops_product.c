#include "ops_product.h"
#include "elementwise_private.h"
#include "ops.h"

/* ---- matmul ---- */
/* The operands as stacks of matrices: op(a) [m, k], op(b) [k, n]. */
typedef struct products { int64_t m, n, k; bool vector_a, vector_b; cn_dims batch_a, batch_b; } products;

static void look(const cn_dims *d, bool transpose, bool left, int64_t *rows, int64_t *cols, bool *vector, cn_dims *batch) {
  *vector = d->rank == 1;
  batch->rank = d->rank > 2 ? d->rank - 2 : 0;
  for (int i = 0; i < batch->rank; i++) batch->d[i] = d->d[i];
  const int64_t last = d->d[d->rank - 1], before = d->rank == 1 ? 1 : d->d[d->rank - 2];
  if (*vector) *rows = left ? 1 : last, *cols = left ? last : 1;
  else *rows = transpose ? last : before, *cols = transpose ? before : last;
}

static bool shape_of(const cn_matmul_args *o, const cn_dims *a, const cn_dims *b, products *s) {
  int64_t k2;
  look(a, o->transpose_a && a->rank > 1, true, &s->m, &s->k, &s->vector_a, &s->batch_a);
  look(b, o->transpose_b && b->rank > 1, false, &k2, &s->n, &s->vector_b, &s->batch_b);
  if (s->k == CN_UNKNOWN) s->k = k2;
  return s->k == k2 || k2 == CN_UNKNOWN;
}

static cn_code matmul_infer(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  char ta[160], tb[160];
  products s;
  if (a->dtype != b->dtype || !cni_is_float((cn_dtype)a->dtype))
    return cn_fail(c->graph, CN_DTYPE, "needs two inputs of float32 or of float64, got %s and %s", cn_dtype_name((cn_dtype)a->dtype), cn_dtype_name((cn_dtype)b->dtype));
  if (!a->dims.rank || !b->dims.rank) return cn_fail(c->graph, CN_SHAPE, "a number has no inner size: %s x %s", cn_dims_text(&a->dims, ta, sizeof ta), cn_dims_text(&b->dims, tb, sizeof tb));
  if (!shape_of(c->args, &a->dims, &b->dims, &s))
    return cn_fail(c->graph, CN_SHAPE, "inner sizes differ: %s x %s", cn_dims_text(&a->dims, ta, sizeof ta), cn_dims_text(&b->dims, tb, sizeof tb));
  cn_dims *y = &c->sig[0].dims;
  if (!cn_dims_broadcast(&s.batch_a, &s.batch_b, y))
    return cn_fail(c->graph, CN_SHAPE, "leading axes do not broadcast: %s x %s", cn_dims_text(&a->dims, ta, sizeof ta), cn_dims_text(&b->dims, tb, sizeof tb));
  if (!s.vector_a) y->d[y->rank++] = s.m;
  if (!s.vector_b) y->d[y->rank++] = s.n;
  c->sig[0].dtype = (cn_dtype)a->dtype;
  return CN_OK;
}

static cn_code matmul_forward(const cn_call *c) {
  const cn_matmul_args *o = c->args;
  const cn_tensor *a = c->x[0], *b = c->x[1];
  products s;
  cn_dims batch;
  shape_of(o, &a->dims, &b->dims, &s);
  cn_dims_broadcast(&s.batch_a, &s.batch_b, &batch);
  const int64_t count = batch.rank ? cn_dims_count(&batch) : 1, na = s.batch_a.rank ? cn_dims_count(&s.batch_a) : 1, nb = s.batch_b.rank ? cn_dims_count(&s.batch_b) : 1;
  cni_gemm_args p = { .dtype = (cn_dtype)a->dtype, .transpose_a = o->transpose_a && !s.vector_a, .transpose_b = o->transpose_b && !s.vector_b, .m = s.m, .n = s.n, .k = s.k,
                      .a = a->data, .b = b->data, .c = c->y[0]->data, .batch = count, .stride_a = na == 1 ? 0 : s.m * s.k, .stride_b = nb == 1 ? 0 : s.k * s.n, .stride_c = s.m * s.n };
  if (!c->y[0]->count) return CN_OK;
  if (nb == 1 && !p.transpose_a && na == count) { /* one matrix on the right: the stack on the left is one tall matrix */
    p.m *= count;
    p.batch = 1;
    return cni_gemm(c->graph, &p);
  }
  if ((na == count || na == 1) && (nb == count || nb == 1)) return cni_gemm(c->graph, &p);
  const size_t w = cn_dtype_size((cn_dtype)a->dtype);
  p.batch = 1;
  for (int64_t i = 0; i < count; i++) { /* leading axes that broadcast against each other */
    p.a = (const char *)a->data + (size_t)(cni_broadcast_index(&s.batch_a, &batch, i) * s.m * s.k) * w;
    p.b = (const char *)b->data + (size_t)(cni_broadcast_index(&s.batch_b, &batch, i) * s.k * s.n) * w;
    p.c = (char *)c->y[0]->data + (size_t)(i * s.m * s.n) * w;
    if (cni_gemm(c->graph, &p) != CN_OK) return cn_error_code(c->graph);
  }
  return CN_OK;
}

/* Sums a product's gradient over the leading axes that were repeated; a column that stood for a vector loses its axis first. */
static cn_tensor *to_shape(cn_graph *g, cn_tensor *t, const cn_tensor *x, bool column) {
  if (t && column) t = cn_squeeze(g, t, .axis = CN_INTS(-1));
  if (!t || cn_dims_equal(&t->dims, &x->dims)) return t;
  int64_t axes[CN_MAX_RANK];
  int n = 0;
  const int lead = t->dims.rank - x->dims.rank;
  for (int i = 0; i < t->dims.rank; i++)
    if (i < lead || (x->dims.d[i - lead] == 1 && t->dims.d[i] != 1)) axes[n++] = i;
  const cn_ints over = { axes, n }, shape = { x->dims.d, x->dims.rank };
  return cn_reshape(g, n ? cn_sum(g, t, .axis = over) : t, .newshape = shape);
}
/* With the axes of size 1 that vectors lost. */
static cn_tensor *as_matrices(cn_graph *g, cn_tensor *t, bool row, bool column) {
  if (row) t = cn_expand_dims(g, t, .axis = CN_INTS(column ? -1 : -2));
  if (column) t = cn_expand_dims(g, t, .axis = CN_INTS(-1));
  return t;
}

static void matmul_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_matmul_args *o = n->args;
  const bool va = n->x[0]->dims.rank == 1, vb = n->x[1]->dims.rank == 1;
  cn_tensor *a = va ? cn_expand_dims(g, n->x[0], .axis = CN_INTS(0)) : n->x[0], *b = vb ? cn_expand_dims(g, n->x[1], .axis = CN_INTS(1)) : n->x[1], *d = as_matrices(g, gy[0], va, vb);
  const bool ta = o->transpose_a && !va, tb = o->transpose_b && !vb;
  const bool flat = a->dims.rank > 2 && b->dims.rank == 2 && !ta && !tb;
  if (want[0]) gx[0] = to_shape(g, ta ? cn_matmul(g, b, d, .transpose_a = tb, .transpose_b = true) : cn_matmul(g, d, b, .transpose_b = !tb), n->x[0], false);
  if (want[1] && flat) { /* one tall product instead of a stack that is summed */
    const int64_t k = a->dims.d[a->dims.rank - 1], m = d->dims.d[d->dims.rank - 1];
    gx[1] = to_shape(g, cn_matmul(g, cn_reshape(g, a, CN_INTS(-1, k)), cn_reshape(g, d, CN_INTS(-1, m)), .transpose_a = true), n->x[1], vb);
  } else if (want[1]) {
    gx[1] = to_shape(g, tb ? cn_matmul(g, d, a, .transpose_a = true, .transpose_b = ta) : cn_matmul(g, a, d, .transpose_a = !ta), n->x[1], vb);
  }
}

static void matmul_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_matmul_args *o = c->args;
  products s;
  cn_dims batch;
  shape_of(o, &c->x[0]->dims, &c->x[1]->dims, &s);
  cn_dims_broadcast(&s.batch_a, &s.batch_b, &batch);
  const bool ta = o->transpose_a && !s.vector_a, tb = o->transpose_b && !s.vector_b;
  const int64_t count = batch.rank ? cn_dims_count(&batch) : 1;
  for (int64_t i = 0; i < count; i++)
    for (int64_t row = 0; row < s.m; row++)
      for (int64_t col = 0; col < s.n; col++) {
        const double *a = r->x[0] + cni_broadcast_index(&s.batch_a, &batch, i) * s.m * s.k, *b = r->x[1] + cni_broadcast_index(&s.batch_b, &batch, i) * s.k * s.n;
        double sum = 0;
        for (int64_t p = 0; p < s.k; p++) sum += a[ta ? p * s.m + row : row * s.k + p] * b[tb ? col * s.k + p : p * s.n + col];
        r->y[0][(i * s.m + row) * s.n + col] = sum;
      }
}
CN_OP(matmul, CN_MATMUL, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = matmul_infer, .forward = matmul_forward, .vjp = matmul_vjp, .reference = matmul_reference,
      .samples = CN_TEXTS("f[3,4], f[4,5]", "f[4,3], f[4,5], transpose_a=true", "f[3,4], f[5,4], transpose_b=true", "f[4,3], f[5,4], transpose_a=true, transpose_b=true", "f[4], f[4]", "f[4], f[4,3]", "f[3,4], f[4]",
                          "f[2,3,4], f[4,5]", "f[2,3,4], f[2,4,5]", "f[2,1,3,4], f[3,4,2]", "f[2,4,3], f[1,5,4], transpose_a=true, transpose_b=true", "f[0,3], f[3,2]", "f[2,0], f[0,3]", "f[1,1], f[1,1]", "f[2,3,4], f[4]"),
      .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", "f[], f[3] => a number has no inner size", "f[2,3,4], f[3,4,5] => leading axes do not broadcast",
                          "i[2,2]@0:3, i[2,2]@0:3 => needs two inputs of float32 or of float64"));

/* ---- linear ---- */
static cn_code linear_infer(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *b = c->x[2];
  char tx[160], tk[160];
  const int r = x->dims.rank;
  if (!cni_is_float((cn_dtype)x->dtype) || x->dtype != k->dtype || (cni_given(b) && b->dtype != x->dtype)) return cn_fail(c->graph, CN_DTYPE, "needs inputs of float32 or of float64, all of one");
  if (((const cn_linear_args *)c->args)->activation >= CNI_FUSED_COUNT) return cn_fail(c->graph, CN_VALUE, "activation must be 0 to %d", CNI_FUSED_COUNT - 1);
  if (r < 2 || k->dims.rank != 2 || (x->dims.d[r - 1] != k->dims.d[0] && x->dims.d[r - 1] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "inner sizes differ: %s x %s", cn_dims_text(&x->dims, tx, sizeof tx), cn_dims_text(&k->dims, tk, sizeof tk));
  if (cni_given(b) && (b->dims.rank != 1 || b->dims.d[0] != k->dims.d[1]))
    return cn_fail(c->graph, CN_SHAPE, "bias must be [%lld], got %s", (long long)k->dims.d[1], cn_dims_text(&b->dims, tx, sizeof tx));
  c->sig[0].dtype = (cn_dtype)x->dtype;
  cni_set_dims(&c->sig[0].dims, &x->dims);
  c->sig[0].dims.d[r - 1] = k->dims.d[1];
  return CN_OK;
}

static cn_code linear_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *b = c->x[2];
  const int64_t d = k->dims.d[0], units = k->dims.d[1];
  if (!c->y[0]->count) return CN_OK;
  const cni_gemm_args p = { .dtype = (cn_dtype)x->dtype, .m = c->y[0]->count / units, .n = units, .k = d, .a = x->data, .b = k->data, .c = c->y[0]->data, .bias = cni_given(b) ? b->data : NULL,
                            .activation = (int)((const cn_linear_args *)c->args)->activation, .batch = 1 };
  return cni_gemm(c->graph, &p);
}

/* d = gy act'(y), once; then dx = d kernel^T, dkernel = x^T d, dbias = column sums of d. */
static cn_code linear_backward(const cn_call *c) {
  const cn_tensor *x = c->x[0], *k = c->x[1], *y = c->y[0];
  const int activation = (int)((const cn_linear_args *)c->args)->activation;
  const cni_kernels *kernels = cni_kernels_of(c);
  const int64_t in = k->dims.d[0], units = k->dims.d[1], m = units ? y->count / units : 0;
  const void *d = c->gy[0];
  cni_buffer *own = NULL;
  if (activation) {
    if (!(own = cni_buffer_take(c->graph, (size_t)(y->count ? y->count : 1) * cn_dtype_size((cn_dtype)y->dtype), false))) return CN_NO_MEMORY;
    d = own->data;
    if (c->gx[2]) kernels->bias_activation_grad(own->data, c->gx[2], c->gy[0], y->data, m, units, activation);
    else kernels->activation_grad(own->data, c->gy[0], y->data, y->count, activation);
  } else if (c->gx[2]) {
    kernels->sum(c->gx[2], d, 1, m, units);
  }
  cni_gemm_args dx = { .dtype = (cn_dtype)x->dtype, .transpose_b = true, .m = m, .n = in, .k = units, .a = d, .b = k->data, .c = c->gx[0], .batch = 1 };
  cni_gemm_args dk = { .dtype = (cn_dtype)x->dtype, .transpose_a = true, .m = in, .n = units, .k = m, .a = x->data, .b = d, .c = c->gx[1], .batch = 1 };
  cn_code code = c->gx[0] ? cni_gemm(c->graph, &dx) : CN_OK;
  if (code == CN_OK && c->gx[1]) code = cni_gemm(c->graph, &dk);
  if (own) cni_buffer_drop(c->graph, own, false);
  return code;
}

/* gy act'(y) in operations. */
static cn_tensor *activation_slope(cn_graph *g, int64_t activation, cn_tensor *gy, cn_tensor *y) {
  switch (activation) {
  case CNI_FUSED_RELU: return cn_where(g, cn_greater(g, y, NUMBER(y, 0)), gy, NUMBER(y, 0));
  case CNI_FUSED_TANH: return cn_multiply(g, gy, cn_shift(g, cn_negative(g, cn_square(g, y)), 1));
  case CNI_FUSED_SIGMOID: return cn_multiply(g, gy, cn_multiply(g, y, cn_shift(g, cn_negative(g, y), 1)));
  default: return gy;
  }
}

static void linear_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  cn_tensor *x = n->x[0], *k = n->x[1], *d = activation_slope(g, ((const cn_linear_args *)n->args)->activation, gy[0], n->y[0]);
  const int64_t in = k->dims.d[0], units = k->dims.d[1];
  if (want[0]) gx[0] = cn_matmul(g, d, k, .transpose_b = true);
  if (!want[1] && !want[2]) return;
  const int64_t m = in ? x->count / in : 0;
  cn_tensor *flat = cn_reshape(g, d, CN_INTS(m, units));
  if (want[1]) gx[1] = cn_matmul(g, cn_reshape(g, x, CN_INTS(m, in)), flat, .transpose_a = true);
  if (want[2]) gx[2] = cn_sum(g, flat, .axis = CN_INTS(0));
}

static void linear_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const int64_t activation = ((const cn_linear_args *)c->args)->activation, in = c->x[1]->dims.d[0], units = c->x[1]->dims.d[1];
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    double s = r->x[2] ? r->x[2][i % units] : 0;
    for (int64_t p = 0; p < in; p++) s += r->x[0][i / units * in + p] * r->x[1][p * units + i % units];
    r->y[0][i] = activation == CNI_FUSED_RELU ? (s > 0 ? s : 0) : activation == CNI_FUSED_TANH ? tanh(s) : activation == CNI_FUSED_SIGMOID ? 1 / (1 + exp(-s)) : s;
  }
}
CN_OP(linear, CN_LINEAR, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = linear_infer, .forward = linear_forward, .vjp = linear_vjp, .backward = linear_backward,
      .reference = linear_reference,
      .samples = CN_TEXTS("f[3,4], f[4,5], f[5]", "f[3,4], f[4,5]", "f[3,4], f[4,5], f[5], activation=1", "f[3,4], f[4,5], f[5], activation=2", "f[3,4], f[4,5], activation=3", "f[2,3,4], f[4,5], f[5], activation=2",
                          "f[0,4], f[4,5], f[5]", "f[1,1], f[1,1], f[1]"),
      .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", "f[4,3], f[3,7], f[6] => bias must be [7], got [6]", "f[3], f[3,7] => inner sizes differ", "f[4,3], f[3,7], activation=9 => activation must be 0 to 3",
                          "i[2,2]@0:3, f[2,2] => needs inputs of float32 or of float64"));

/* ---- outer ---- */
static cn_code outer_infer(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  if (a->dtype != b->dtype || !cni_is_float((cn_dtype)a->dtype)) return cn_fail(c->graph, CN_DTYPE, "needs two inputs of float32 or of float64");
  c->sig[0] = (cn_sig){ (cn_dtype)a->dtype, { 2, { a->count < 0 ? CN_UNKNOWN : a->count, b->count < 0 ? CN_UNKNOWN : b->count } } };
  return CN_OK;
}
static cn_code outer_forward(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  const size_t w = cn_dtype_size((cn_dtype)a->dtype);
  for (int64_t i = 0; i < a->count; i++)
    cni_kernels_of(c)->multiply((char *)c->y[0]->data + (size_t)(i * b->count) * w, (const char *)a->data + (size_t)i * w, b->data, b->count, 0, 1);
  return CN_OK;
}
static void outer_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  for (int i = 0; i < 2; i++) {
    if (!want[i]) continue;
    cn_tensor *x = n->x[i], *other = cn_reshape(g, n->x[1 - i], CN_INTS(n->x[1 - i]->count));
    const cn_ints shape = { x->dims.d, x->dims.rank };
    gx[i] = cn_reshape(g, i == 0 ? cn_matmul(g, gy[0], other) : cn_matmul(g, other, gy[0]), .newshape = shape);
  }
}
static void outer_reference(const cn_reference *r) {
  const int64_t m = r->call->x[1]->count;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][i / m] * r->x[1][i % m];
}
CN_OP(outer, CN_LIST_AB, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = outer_infer, .forward = outer_forward, .vjp = outer_vjp, .reference = outer_reference,
      .samples = CN_TEXTS("f[3], f[4]", "f[2,3], f[4]", "f[1], f[1]"), .rejects = CN_TEXTS("i[2]@0:3, f[2] => needs two inputs of float32 or of float64"));

const cn_op *const cni_ops_product[] = { &cn_op_matmul, &cn_op_linear, &cn_op_outer, NULL };
