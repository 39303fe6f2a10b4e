/* Comparisons, logic, bits, where: operations declared in ops_binary.h and ops_math.h. */
#include "elementwise_private.h"
#include "ops.h"

#define COMPARE_SAMPLES .samples = CN_TEXTS("f[3,4]@distinct, f[4]", "i[5]@0:3, i[5]@0:3", "f[], f[2,3]", "f[0,3], f[3]")
#define REJECTS .rejects = CN_TEXTS("f[3,4], f[3] => shapes do not broadcast: [3,4] and [3]", "f[3], i[3]@0:3 => dtypes differ: ")

/* Kernels compare floats; other dtypes go through int64. */
#define COMPARISON(op, sign)                                                                                                               \
  static int64_t op##_integer(int64_t a, int64_t b) { return a sign b; }                                                                   \
  static cn_code op##_forward(const cn_call *c) {                                                                                          \
    return cni_is_float((cn_dtype)c->x[0]->dtype) ? cni_binary_map(c, cni_kernels_of(c)->op, 1) : cni_integer_map(c, op##_integer);        \
  }                                                                                                                                        \
  CNI_REFERENCE2(op, a sign b)                                                                                                             \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast_bool, .forward = op##_forward, .reference = op##_reference, COMPARE_SAMPLES, REJECTS);
COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)

/* Truth of any dtype. */
static cn_code truth_map(const cn_call *c, bool (*f)(bool a, bool b)) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  uint8_t *y = c->y[0]->data;
  for (int64_t i = 0; i < c->y[0]->count; i++)
    y[i] = f(cni_value_at(a, cni_broadcast_index(&a->dims, &c->y[0]->dims, i)) != 0, cni_value_at(b, cni_broadcast_index(&b->dims, &c->y[0]->dims, i)) != 0);
  return CN_OK;
}
#define LOGIC(op, expression)                                                                  \
  static bool op##_truth(bool a, bool b) { return (expression); }                              \
  static cn_code op##_forward(const cn_call *c) { return truth_map(c, op##_truth); }           \
  CNI_REFERENCE2(op, op##_truth(a != 0, b != 0))                                               \
  CN_OP(op, CN_LIST_AB, .outputs = 1, .flags = CN_OP_BROADCASTS | CN_OP_NO_GRADIENT, .infer = cn_infer_broadcast_bool, .forward = op##_forward, .reference = op##_reference, \
        .samples = CN_TEXTS("b[3,4], b[4]", "i[5]@0:2, i[5]@0:2"), REJECTS);
LOGIC(logical_and, a && b)
LOGIC(logical_or, a || b)
LOGIC(logical_xor, a != b)

/* ---- bits ---- */
static cn_code infer_integers(const cn_call *c) {
  if (cni_is_float((cn_dtype)c->x[0]->dtype)) return cn_fail(c->graph, CN_DTYPE, "needs integers, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  return cn_infer_broadcast(c);
}
#define BITS(op, expression)                                                                   \
  static int64_t op##_integer(int64_t a, int64_t b) { return (expression); }                   \
  static cn_code op##_forward(const cn_call *c) { return cni_integer_map(c, op##_integer); }   \
  CNI_REFERENCE2(op, (double)op##_integer((int64_t)a, (int64_t)b))                             \
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
static cn_code where_forward(const cn_call *c) {
  const cn_tensor *k = c->x[0], *a = c->x[1], *b = c->x[2];
  cn_tensor *y = c->y[0];
  const int64_t n = y->count;
  const bool plain = k->count == n && (a->count == n || a->count == 1) && (b->count == n || b->count == 1);
  if (plain && k->dtype == CN_BOOL && cni_is_float((cn_dtype)a->dtype)) {
    cni_kernels_for(c->graph, (cn_dtype)a->dtype)->where(y->data, k->data, a->data, b->data, n, a->count == n, b->count == n);
    return CN_OK;
  }
  const size_t w = cn_dtype_size((cn_dtype)a->dtype);
  for (int64_t i = 0; i < n; i++) {
    const cn_tensor *from = cni_value_at(k, cni_broadcast_index(&k->dims, &y->dims, i)) != 0 ? a : b;
    memcpy((char *)y->data + (size_t)i * w, (const char *)from->data + (size_t)cni_broadcast_index(&from->dims, &y->dims, i) * w, w);
  }
  return CN_OK;
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
      .samples = CN_TEXTS("b[3,4], f[3,4], f[3,4]", "b[4], f[3,1], f[]", "b[3,4], f[], f[3,4]", "b[0], f[0], f[]", "i[3]@0:2, f[3], f[3]"),
      .rejects = CN_TEXTS("b[3], f[4], f[4] => shapes do not broadcast: [3], [4] and [4]", "b[3], f[3], i[3]@0:2 => dtypes differ"));

const cn_op *const cni_ops_logic[] = { &cn_op_equal,       &cn_op_not_equal,     &cn_op_less,        &cn_op_less_equal,
                                       &cn_op_greater,     &cn_op_greater_equal, &cn_op_logical_and, &cn_op_logical_or,
                                       &cn_op_logical_xor, &cn_op_bitwise_and,   &cn_op_bitwise_or,  &cn_op_bitwise_xor,
                                       &cn_op_left_shift,  &cn_op_right_shift,   &cn_op_where,       NULL };
