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
    return cn_fail(c->graph, CN_DTYPE, "needs two inputs of float32 or of float64, got %s and %s", cn_dtype_name((cn_dtype)a->dtype),
                   cn_dtype_name((cn_dtype)b->dtype));
  if (!a->dims.rank || !b->dims.rank)
    return cn_fail(c->graph, CN_SHAPE, "a number has no inner size: %s x %s", cn_dims_text(&a->dims, ta, sizeof ta), cn_dims_text(&b->dims, tb, sizeof tb));
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

/* Number of stacks and how a product reads them. `tall`: one matrix on the right, so that the stack on the left is one tall matrix. */
typedef struct stacks { products s; cn_dims batch; int64_t count, na, nb; bool ta, tb, tall; } stacks;

static stacks stacks_of(const cn_call *c) {
  const cn_matmul_args *o = c->args;
  stacks p;
  shape_of(o, &c->x[0]->dims, &c->x[1]->dims, &p.s);
  p.batch.rank = 0;
  p.count = p.na = p.nb = 1;
  p.ta = o->transpose_a && !p.s.vector_a;
  p.tb = o->transpose_b && !p.s.vector_b;
  if (p.s.batch_a.rank | p.s.batch_b.rank) {
    cn_dims_broadcast(&p.s.batch_a, &p.s.batch_b, &p.batch);
    for (int i = 0; i < p.batch.rank; i++) p.count *= p.batch.d[i];
    for (int i = 0; i < p.s.batch_a.rank; i++) p.na *= p.s.batch_a.d[i];
    for (int i = 0; i < p.s.batch_b.rank; i++) p.nb *= p.s.batch_b.d[i];
  }
  p.tall = p.nb == 1 && p.na == p.count && !p.ta;
  return p;
}
/* Whether each operand is one matrix, or one matrix for each product. */
static bool is_regular(const stacks *p) { return (p->na == p->count || p->na == 1) && (p->nb == p->count || p->nb == 1); }
static size_t width_of(const cn_tensor *t) { return t->dtype == CN_F64 ? 8 : 4; }

/* Matrix i of the batch in a, in b. */
static int64_t matrix_of(const stacks *p, bool left, int64_t i) {
  if (left) return p->na == p->count ? i : cni_broadcast_index(&p->s.batch_a, &p->batch, i);
  return p->nb == p->count ? i : cni_broadcast_index(&p->s.batch_b, &p->batch, i);
}

static cn_code matmul_forward(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  const stacks p = stacks_of(c);
  const int64_t m = p.s.m, n = p.s.n, k = p.s.k;
  const size_t w = width_of(a);
  cni_gemm_args e = { .dtype = (cn_dtype)a->dtype,
                      .transpose_a = p.ta,
                      .transpose_b = p.tb,
                      .m = p.tall ? m * p.count : m,
                      .n = n,
                      .k = k,
                      .a = a->data,
                      .b = b->data,
                      .c = c->y[0]->data,
                      .batch = p.tall ? 1 : p.count,
                      .stride_a = p.na == 1 ? 0 : m * k,
                      .stride_b = p.nb == 1 ? 0 : k * n,
                      .stride_c = m * n };
  if (!c->y[0]->count) return CN_OK;
  if (p.tall || is_regular(&p)) return cni_gemm(c->graph, &e);
  e.batch = 1;
  for (int64_t i = 0; i < p.count; i++) { /* leading axes that broadcast against each other */
    e.a = (const char *)a->data + (size_t)(matrix_of(&p, true, i) * m * k) * w;
    e.b = (const char *)b->data + (size_t)(matrix_of(&p, false, i) * k * n) * w;
    e.c = (char *)c->y[0]->data + (size_t)(i * m * n) * w;
    const cn_code code = cni_gemm(c->graph, &e);
    if (code != CN_OK) return code;
  }
  return CN_OK;
}

/* The product that is an operand's gradient: da = gy b^T and db = a^T gy, or their transposes where the operand stands transposed. */
static cni_gemm_args gradient_of(const cn_call *c, const stacks *p, bool left) {
  const int64_t m = p->s.m, n = p->s.n, k = p->s.k;
  const void *a = c->x[0]->data, *b = c->x[1]->data, *d = c->gy[0];
  cni_gemm_args e = { .dtype = (cn_dtype)c->x[0]->dtype, .c = c->gx[left ? 0 : 1], .batch = 1 };
  if (left && !p->ta) e.a = d, e.b = b, e.transpose_b = !p->tb, e.m = m, e.n = k, e.k = n;
  else if (left) e.a = b, e.b = d, e.transpose_a = p->tb, e.transpose_b = true, e.m = k, e.n = m, e.k = n;
  else if (!p->tb) e.a = a, e.b = d, e.transpose_a = !p->ta, e.m = k, e.n = n, e.k = m;
  else e.a = d, e.b = a, e.transpose_a = true, e.transpose_b = p->ta, e.m = n, e.n = k, e.k = m;
  return e;
}

/* The stack of gradients of one operand; a matrix that several products share gets their sum. */
static cn_code operand_backward(const cn_call *c, const stacks *p, bool left) {
  const cn_tensor *x = c->x[left ? 0 : 1];
  const size_t w = width_of(x);
  const int64_t size_y = p->s.m * p->s.n, size_other = left ? p->s.k * p->s.n : p->s.m * p->s.k, n_other = left ? p->nb : p->na, n_own = left ? p->na : p->nb;
  cni_gemm_args e = gradient_of(c, p, left);
  const bool first_is_gy = left ? !p->ta : p->tb;
  if (p->tall) { /* the products are one: taller by the batch, or deeper */
    *(left ? &e.m : &e.k) *= p->count;
    return cni_gemm(c->graph, &e);
  }
  if (n_own == p->count && (n_other == p->count || n_other == 1)) {
    const int64_t step = n_other == 1 ? 0 : size_other;
    e.batch = p->count;
    e.stride_a = first_is_gy ? size_y : step;
    e.stride_b = first_is_gy ? step : size_y;
    e.stride_c = e.m * e.n;
    return cni_gemm(c->graph, &e);
  }
  const char *other = (const char *)(first_is_gy ? e.b : e.a);
  memset(e.c, 0, (size_t)x->count * w);
  e.accumulate = true;
  for (int64_t i = 0; i < p->count; i++) {
    const void *d = (const char *)c->gy[0] + (size_t)(i * size_y) * w, *from = other + (size_t)(matrix_of(p, !left, i) * size_other) * w;
    e.a = first_is_gy ? d : from;
    e.b = first_is_gy ? from : d;
    e.c = (char *)c->gx[left ? 0 : 1] + (size_t)(matrix_of(p, left, i) * e.m * e.n) * w;
    const cn_code code = cni_gemm(c->graph, &e);
    if (code != CN_OK) return code;
  }
  return CN_OK;
}

static cn_code matmul_backward(const cn_call *c) {
  const stacks p = stacks_of(c);
  for (int i = 0; i < 2; i++) {
    if (!c->gx[i]) continue;
    if (!c->y[0]->count) { /* nothing flows back */
      if (c->x[i]->count) memset(c->gx[i], 0, (size_t)c->x[i]->count * width_of(c->x[i]));
      continue;
    }
    const cn_code code = operand_backward(c, &p, i == 0);
    if (code != CN_OK) return code;
  }
  return CN_OK;
}

/* A column on the right that is given as a row: gx[0] [.., m, k] = gy [.., m, 1] times b [.., 1, k]. */
static bool matmul_factors(const cn_call *c) {
  const cn_matmul_args *o = c->args;
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  return a->rank > 1 && a->rank == b->rank && !o->transpose_a && o->transpose_b && b->d[b->rank - 2] == 1;
}

/* Sums a product's gradient [..., rows, columns] over the leading axes that were repeated; a vector's axis of size 1 goes. */
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
  cn_tensor *a = va ? cn_expand_dims(g, n->x[0], .axis = CN_INTS(0)) : n->x[0], *b = vb ? cn_expand_dims(g, n->x[1], .axis = CN_INTS(1)) : n->x[1],
            *d = as_matrices(g, gy[0], va, vb);
  const bool ta = o->transpose_a && !va, tb = o->transpose_b && !vb;
  if (!a || !b || !d) return;
  if (want[0]) gx[0] = to_shape(g, ta ? cn_matmul(g, b, d, .transpose_a = tb, .transpose_b = true) : cn_matmul(g, d, b, .transpose_b = !tb), n->x[0], false);
  if (want[1] && a->dims.rank > 2 && b->dims.rank == 2 && !ta && !tb) { /* one deep product instead of a stack that is summed */
    const int64_t k = a->dims.d[a->dims.rank - 1], columns = d->dims.d[d->dims.rank - 1],
                  rows = cn_dims_count(&d->dims) && columns ? cn_dims_count(&d->dims) / columns : 0;
    gx[1] = to_shape(g, cn_matmul(g, cn_reshape(g, a, CN_INTS(rows, k)), cn_reshape(g, d, CN_INTS(rows, columns)), .transpose_a = true), n->x[1], vb);
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
        const double *a = r->x[0] + cni_broadcast_index(&s.batch_a, &batch, i) * s.m * s.k,
                     *b = r->x[1] + cni_broadcast_index(&s.batch_b, &batch, i) * s.k * s.n;
        double sum = 0;
        for (int64_t p = 0; p < s.k; p++) sum += a[ta ? p * s.m + row : row * s.k + p] * b[tb ? col * s.k + p : p * s.n + col];
        r->y[0][(i * s.m + row) * s.n + col] = sum;
      }
}
static double matmul_cost(const cn_call *c) {
  products s;
  shape_of(c->args, &c->x[0]->dims, &c->x[1]->dims, &s);
  return 2 * (double)c->y[0]->count * (double)s.k;
}
CN_OP(matmul, CN_MATMUL, .outputs = 1, .cost = matmul_cost, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = matmul_infer, .forward = matmul_forward,
      .vjp = matmul_vjp, .backward = matmul_backward, .factors = matmul_factors, .reference = matmul_reference,
      .samples = CN_TEXTS("f[3,4], f[4,5]", "f[4,3], f[4,5], transpose_a=true", "f[3,4], f[5,4], transpose_b=true",
                          "f[4,3], f[5,4], transpose_a=true, transpose_b=true", "f[4], f[4]", "f[4], f[4,3]", "f[3,4], f[4]", "f[2,3,4], f[4,5]",
                          "f[2,3,4], f[2,4,5]", "f[2,1,3,4], f[3,4,2]", "f[2,4,3], f[1,5,4], transpose_a=true, transpose_b=true", "f[0,3], f[3,2]",
                          "f[2,0], f[0,3]", "f[1,1], f[1,1]", "f[2,3,4], f[4]"),
      .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", "f[], f[3] => a number has no inner size",
                          "f[2,3,4], f[3,4,5] => leading axes do not broadcast", "i[2,2]@0:3, i[2,2]@0:3 => needs two inputs of float32 or of float64"));

const cn_op *const cni_ops_product[] = { &cn_op_matmul, NULL };
