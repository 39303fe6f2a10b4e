/* Comparisons, logic, bits, where: operations declared in ops_binary.h and ops_math.h. */
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

#define COMPARE_SAMPLES .samples = CN_TEXTS("f[3,4]@distinct, f[4]", "i[5]@0:3, i[5]@0:3", "f[], f[2,3]", "f[0,3], f[3]", "i[257,129]@0:3, i[129]@0:3")
#define REJECTS .rejects = CN_TEXTS("f[3,4], f[3] => shapes do not broadcast: [3,4] and [3]", "f[3], i[3]@0:3 => dtypes differ: ")

/* One byte an element. */
#define TRUTH_FORWARD(op) \
  static cn_code op##_forward(const cn_call *c) { return cni_binary_map(c, cni_kernels_of(c)->op, 1); }
#define COMPARISON(op, sign)                                                                                                               \
  TRUTH_FORWARD(op)                                                                                                                        \
  CNI_REFERENCE2(op, a sign b)                                                                                                             \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast_bool, .forward = op##_forward, .reference = op##_reference, COMPARE_SAMPLES, REJECTS);
COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)

/* Truth of any dtype. */
#define LOGIC(op, expression)                                                                  \
  TRUTH_FORWARD(op)                                                                            \
  CNI_REFERENCE2(op, expression)                                                               \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast_bool, .forward = op##_forward, .reference = op##_reference, \
        .samples = CN_TEXTS("b[3,4], b[4]", "i[5]@0:2, i[5]@0:2"), REJECTS);
LOGIC(logical_and, a != 0 && b != 0)
LOGIC(logical_or, a != 0 || b != 0)
LOGIC(logical_xor, (a != 0) != (b != 0))

/* ---- bits ---- */
static cn_code infer_integers(const cn_call *c) {
  if (cni_is_float((cn_dtype)c->x[0]->dtype)) return cn_fail(c->graph, CN_DTYPE, "needs integers, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  return cn_infer_broadcast(c);
}
#define BITS(op, expression)                                                                   \
  static int64_t op##_naive(int64_t a, int64_t b) { return (expression); }                     \
  static cn_code op##_forward(const cn_call *c) { return cni_binary_map(c, cni_kernels_of(c)->op, cn_dtype_size((cn_dtype)c->x[0]->dtype)); } \
  CNI_REFERENCE2(op, (double)op##_naive((int64_t)a, (int64_t)b))                             \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = infer_integers, .forward = op##_forward, .reference = op##_reference, \
        .samples = CN_TEXTS("i[3,4]@0:9, i[4]@0:5", "l[5]@0:9, l[5]@0:5"), .rejects = CN_TEXTS("f[3], f[3] => needs integers", "i[3,4]@0:3, i[3]@0:3 => shapes do not broadcast"));
BITS(bitwise_and, a & b)
BITS(bitwise_or, a | b)
BITS(bitwise_xor, a ^ b)
BITS(left_shift, b < 0 || b > 63 ? 0 : (int64_t)((uint64_t)a << b))
BITS(right_shift, b < 0 ? 0 : a >> (b > 63 ? 63 : b))

/* ---- where ---- */
static cn_code where_infer(const cn_call *c) {
  const cn_tensor *k = c->x[0], *a = c->x[1], *b = c->x[2];
  cn_dims ab;
  if (a->dtype != b->dtype)
    return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)a->dtype), cn_dtype_name((cn_dtype)b->dtype));
  if (a->dtype == CN_STRING || k->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "texts cannot be chosen among");
  c->sig[0].dtype = (cn_dtype)a->dtype;
  if (cn_dims_broadcast(&a->dims, &b->dims, &ab) && cn_dims_broadcast(&k->dims, &ab, &c->sig[0].dims)) return CN_OK;
  char tk[160], ta[160], tb[160];
  return cn_fail(c->graph, CN_SHAPE, "shapes do not broadcast: %s, %s and %s", cn_dims_text(&k->dims, tk, sizeof tk), cn_dims_text(&a->dims, ta, sizeof ta),
                 cn_dims_text(&b->dims, tb, sizeof tb));
}
typedef struct choice { const cni_kernels *k; char *y; const uint8_t *truth; const char *a, *b; int64_t sa, sb; size_t width; } choice;
static void where_part(void *ctx, int64_t begin, int64_t end) {
  const choice *w = ctx;
  const size_t at = (size_t)begin * w->width;
  w->k->where(w->y + at, w->truth + begin, w->a + (w->sa ? at : 0), w->b + (w->sb ? at : 0), end - begin, w->sa, w->sb);
}
/* A tensor's values, repeated in borrowed memory to y's shape unless they have it or there is one and that `may` be. NULL: no memory. */
static const void *repeated(const cn_call *c, const cn_tensor *x, const void *values, size_t width, bool may, cni_buffer **buffer) {
  const cn_tensor *y = c->y[0];
  if (x->count == y->count || (may && x->count == 1)) return values;
  void *out = cni_borrow(c->graph, (size_t)y->count * width, buffer);
  if (out) cni_repeat(c->graph, width, &y->dims, out, &x->dims, values);
  return out;
}
/* The condition as truth values. */
static const void *truth_of(const cn_call *c, cni_buffer **buffer) {
  const cn_tensor *k = c->x[0];
  const int64_t zero = 0;
  if (k->dtype == CN_BOOL) return k->data;
  uint8_t *truth = cni_borrow(c->graph, (size_t)k->count, buffer);
  if (truth) cni_binary_raw(c->graph, cni_kernels_of(c)->not_equal, truth, 1, &k->dims, k->data, &k->dims, &zero, &(const cn_dims){ 0 }, cni_width_of(c));
  return truth;
}
static cn_code where_forward(const cn_call *c) {
  const cn_tensor *a = c->x[1], *b = c->x[2];
  const int64_t n = c->y[0]->count;
  const size_t width = cn_dtype_size((cn_dtype)a->dtype);
  cni_buffer *buffers[4] = { NULL };
  const void *truth = n ? truth_of(c, &buffers[0]) : NULL;
  choice w = { .k = cni_kernels_for(c->graph, (cn_dtype)a->dtype), .y = c->y[0]->data, .sa = a->count > 1, .sb = b->count > 1, .width = width };
  const bool ok = truth && (w.truth = repeated(c, c->x[0], truth, 1, false, &buffers[1])) && (w.a = repeated(c, a, a->data, width, true, &buffers[2])) &&
      (w.b = repeated(c, b, b->data, width, true, &buffers[3]));
  if (ok) cni_parallel(c->graph, n, CNI_GRAIN, where_part, &w);
  for (int i = 0; i < 4; i++)
    if (buffers[i]) cni_buffer_drop(c->graph, buffers[i], false);
  return ok || !n ? CN_OK : CN_NO_MEMORY;
}
CNI_VJP(where) {
  if (want[1]) gx[1] = cn_where(g, X0, gy[0], NUMBER(gy[0], 0));
  if (want[2]) gx[2] = cn_where(g, X0, NUMBER(gy[0], 0), gy[0]);
}
static void where_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_dims *s = &c->y[0]->dims;
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const int from = r->x[0][cni_broadcast_index(&c->x[0]->dims, s, i)] != 0 ? 1 : 2;
    r->y[0][i] = r->x[from][cni_broadcast_index(&c->x[from]->dims, s, i)];
  }
}
CN_OP(where, CN_WHERE, .outputs = 1, .flags = CN_OP_BROADCASTS, .reads = CN_READS_X(0), .infer = where_infer, .forward = where_forward, .vjp = where_vjp,
      .reference = where_reference,
      .samples = CN_TEXTS("b[3,4], f[3,4], f[3,4]", "b[4], f[3,1], f[]", "b[3,4], f[], f[3,4]", "b[0], f[0], f[]", "i[3]@0:2, f[3], f[3]",
                          "l[257,1]@0:2, i[129]@0:3, i[257,129]@0:3", "b[], l[3]@0:3, l[]@0:3"),
      .rejects = CN_TEXTS("b[3], f[4], f[4] => shapes do not broadcast: [3], [4] and [4]", "b[3], f[3], i[3]@0:2 => dtypes differ"));

const cn_op *const cni_ops_logic[] = { &cn_op_equal,       &cn_op_not_equal,     &cn_op_less,        &cn_op_less_equal,
                                       &cn_op_greater,     &cn_op_greater_equal, &cn_op_logical_and, &cn_op_logical_or,
                                       &cn_op_logical_xor, &cn_op_bitwise_and,   &cn_op_bitwise_or,  &cn_op_bitwise_xor,
                                       &cn_op_left_shift,  &cn_op_right_shift,   &cn_op_where,       NULL };
