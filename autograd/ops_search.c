/* Searching in sorted numbers and counting, declared in ops_search.h. */
#include <math.h>
#include "../core/threads_private.h"
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "order_private.h"

/* ---- searchsorted, digitize ---- */
static cn_code search_infer(const cn_call *c, int sorted, int values) {
  const cn_tensor *s = c->x[sorted];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (s->dims.rank != 1) return cn_fail(c->graph, CN_SHAPE, "%s must have rank 1, got rank %d", c->op->schema.rows[sorted].name, s->dims.rank);
  cni_set_dims(&c->sig[0].dims, &c->x[values]->dims);
  c->sig[0].dtype = CN_I32;
  return CN_OK;
}
static bool on_the_right(const cn_call *c) { return !strcmp(((const cn_searchsorted_args *)c->args)->side, "right"); }
static cn_code searchsorted_infer(const cn_call *c) {
  const char *side = ((const cn_searchsorted_args *)c->args)->side;
  if (!side || (strcmp(side, "left") && strcmp(side, "right")))
    return cn_fail(c->graph, CN_VALUE, "side must be left or right, got \"%s\"", side ? side : "None");
  return search_infer(c, 0, 1);
}
static cn_code digitize_infer(const cn_call *c) { return search_infer(c, 1, 0); }
/* Two integers are compared as such, other numbers as doubles. */
static uint64_t key_at(const cn_tensor *t, int64_t i, bool whole) {
  return whole ? (uint64_t)cni_integer_at(t, i) ^ UINT64_C(1) << 63 : cni_key(cni_value_at(t, i), false);
}
typedef struct search_job { const cn_call *call; bool whole, right; uint64_t *keys; } search_job;
static void searchsorted_part(void *ctx, int64_t begin, int64_t end) {
  const search_job *j = ctx;
  const cn_tensor *s = j->call->x[0], *v = j->call->x[1];
  for (int64_t i = begin; i < end; i++) {
    const uint64_t key = key_at(v, i, j->whole);
    int64_t low = 0, high = s->count;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      const bool behind = (j->keys[middle] < key) | (j->right & (j->keys[middle] == key));
      low = behind ? middle + 1 : low;
      high = behind ? high : middle;
    }
    ((int32_t *)j->call->y[0]->data)[i] = (int32_t)low;
  }
}
static cn_code searchsorted_forward(const cn_call *c) {
  const cn_tensor *s = c->x[0];
  cni_buffer *b;
  search_job j = { c, !cni_is_float((cn_dtype)s->dtype) && !cni_is_float((cn_dtype)c->x[1]->dtype), on_the_right(c), NULL };
  j.keys = cni_borrow(c->graph, (size_t)(s->count + 1) * sizeof *j.keys, &b);
  if (!j.keys) return CN_NO_MEMORY;
  for (int64_t i = 0; i < s->count; i++) j.keys[i] = key_at(s, i, j.whole);
  cni_parallel(c->graph, c->x[1]->count, CNI_GRAIN / 16, searchsorted_part, &j);
  cni_buffer_drop(c->graph, b, false);
  return CN_OK;
}
static int64_t count_before(const double *s, int64_t n, double v, bool right) {
  int64_t k = 0;
  while (k < n && (s[k] < v || (right && s[k] == v))) k++;
  return k;
}
static void searchsorted_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->x[1]->count; i++) r->y[0][i] = (double)count_before(r->x[0], r->call->x[0]->count, r->x[1][i], on_the_right(r->call));
}
CN_OP(searchsorted, CN_LIST_SEARCHSORTED, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = searchsorted_infer, .forward = searchsorted_forward,
      .reference = searchsorted_reference,
      .samples = CN_TEXTS("f[1]@0:1, f[5]@-1:2", "f[1]@0:1, f[2,3]@-1:2, side='right'", "i[1]@3:4, i[4]@0:6", "i[1]@3:4, l[4]@0:6, side='right'", "f[0], f[3]",
                          "f[1], f[0]", "f[1], f[]", "i[1]@0:2, f[3]"),
      .rejects = CN_TEXTS("f[2,2], f[3] => sorted_sequence must have rank 1, got rank 2", "f[2], f[3], side='middle' => side must be left or right",
                          "f[2], s[2] => string"));

static void digitize_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_searchsorted(g, c->x[1], c->x[0], .side = "right"); }
static void digitize_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->x[0]->count; i++) r->y[0][i] = (double)count_before(r->x[1], r->call->x[1]->count, r->x[0][i], true);
}
CN_OP(digitize, CN_LIST_DIGITIZE, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = digitize_infer, .compose = digitize_compose,
      .reference = digitize_reference, .samples = CN_TEXTS("f[5]@-1:2, f[1]@0:1", "i[2,3]@0:6, i[1]@3:4", "f[], f[0]", "f[0], f[1]", "i[3]@0:3, f[1]@1:2"),
      .rejects = CN_TEXTS("f[3], f[2,2] => bins must have rank 1, got rank 2", "s[2], f[1] => string"));

/* ---- bincount ---- */
/* Bins of one row; CN_UNKNOWN without x's values. */
static int64_t bins_of(const cn_call *c) {
  const cn_tensor *x = c->x[0];
  int64_t most = ((const cn_bincount_args *)c->args)->minlength - 1;
  if (!x->data && x->count) return CN_UNKNOWN;
  for (int64_t i = 0; i < x->count; i++) most = cni_index_at(x, i) > most ? cni_index_at(x, i) : most;
  return most < INT64_MAX ? most + 1 : most;
}
static cn_code bincount_infer(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims;
  const bool weighted = cni_given(c->x[1]);
  if (cni_need_indices(c, 0)) return CN_DTYPE;
  if (weighted && (c->x[1]->dtype == CN_STRING || c->x[1]->dtype == CN_BOOL))
    return cn_fail(c->graph, CN_DTYPE, "weights must be numbers, got %s", cn_dtype_name((cn_dtype)c->x[1]->dtype));
  if (x->rank != 1 && x->rank != 2) return cn_fail(c->graph, CN_SHAPE, "x must have rank 1 or 2, got rank %d", x->rank);
  if (weighted && cni_need_shape(c, 1, x)) return CN_SHAPE;
  if (((const cn_bincount_args *)c->args)->sparse) return cn_fail(c->graph, CN_VALUE, "sparse must be false: there are no sparse tensors");
  cni_sig_like(c, x);
  c->sig[0].dtype = weighted ? (cn_dtype)c->x[1]->dtype : CN_I32;
  c->sig[0].dims.d[x->rank - 1] = bins_of(c);
  return CN_OK;
}
static cn_code bincount_check(const cn_call *c) {
  for (int64_t i = 0; i < c->x[0]->count; i++)
    if (cni_index_at(c->x[0], i) < 0) return cn_fail(c->graph, CN_VALUE, "x must not be negative, got %lld", (long long)cni_index_at(c->x[0], i));
  return CN_OK;
}
static cn_code bincount_forward(const cn_call *c) {
  const cn_tensor *x = c->x[0], *w = c->x[1];
  cn_tensor *y = c->y[0];
  const int64_t n = x->dims.d[x->dims.rank - 1], bins = y->dims.d[y->dims.rank - 1];
  const bool real = cni_is_float((cn_dtype)y->dtype), weighted = cni_given(w);
  cni_fill(y, 0);
  for (int64_t i = 0; i < x->count; i++) {
    const int64_t at = i / n * bins + cni_index_at(x, i);
    if (real) cni_value_set(y, at, cni_value_at(y, at) + cni_value_at(w, i));
    else cni_integer_set(y, at, (int64_t)((uint64_t)cni_integer_at(y, at) + (weighted ? (uint64_t)cni_integer_at(w, i) : 1)));
  }
  return CN_OK;
}
CNI_VJP(bincount) {
  (void)want;
  if (cni_given(n->x[1])) gx[1] = cn_take_along_axis(g, gy[0], n->x[0], .axis = -1);
}
static void bincount_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const int64_t bins = c->y[0]->dims.d[c->y[0]->dims.rank - 1], n = c->x[0]->dims.d[c->x[0]->dims.rank - 1];
  for (int64_t k = 0; k < c->y[0]->count; k++) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
      if (r->x[0][k / bins * n + i] == (double)(k % bins)) sum += cni_given(c->x[1]) ? r->x[1][k / bins * n + i] : 1;
    r->y[0][k] = sum;
  }
}
CN_OP(bincount, CN_LIST_BINCOUNT, .outputs = 1, .flags = CN_OP_DATA_SHAPE, .reads = CN_READS_X(0), .infer = bincount_infer, .check = bincount_check,
      .forward = bincount_forward, .vjp = bincount_vjp, .reference = bincount_reference,
      .samples = CN_TEXTS("i[9]@0:5, _, minlength=0", "l[4]@0:3, _, minlength=6", "i[6]@0:3, f[6], minlength=2", "i[2,5]@0:3, f[2,5], minlength=4",
                          "i[2,3]@0:3, i[2,3]@-5:5", "i[0]@0:3, f[0], minlength=2", "i[0]@0:3, _, sparse=false"),
      .rejects = CN_TEXTS("f[3], _ => int32", "i[2,2,2]@0:3, _ => x must have rank 1 or 2, got rank 3", "i[3]@0:3, f[2] => must have shape [3], got [2]",
                          "i[2]@-3:-2, _ => x must not be negative, got", "i[2]@0:3, _, sparse=true => sparse must be false",
                          "i[2]@0:3, _, minlength=-1 => minlength must not be negative"));

const cn_op *const cni_ops_search[] = { &cn_op_searchsorted, &cn_op_digitize, &cn_op_bincount, NULL };
