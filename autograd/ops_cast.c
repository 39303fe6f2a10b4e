/* From one data type to another: cast, rescale; declared in ops_math.h. */
#include "elementwise_private.h"
#include "ops.h"

#define TYPES (CN_BOOL + 1) /* without texts, which come last */
_Static_assert(CN_STRING == TYPES, "the numeric types come first");

static cn_code numbers_only(const cn_call *c) { return c->x[0]->dtype == CN_STRING ? cn_fail(c->graph, CN_DTYPE, "texts cannot be cast") : CN_OK; }

/* ---- loops ---- */
typedef void convert_loop(void *to, const void *from, int64_t n, double scale, double offset);
typedef struct conversion { convert_loop *loop; cn_tensor *y; const cn_tensor *x; double scale, offset; } conversion;

static void some(void *context, int64_t begin, int64_t end) {
  const conversion *v = context;
  const size_t wide_to = cn_dtype_size((cn_dtype)v->y->dtype), wide_from = cn_dtype_size((cn_dtype)v->x->dtype);
  v->loop((char *)v->y->data + (size_t)begin * wide_to, (const char *)v->x->data + (size_t)begin * wide_from, end - begin, v->scale, v->offset);
}

static cn_code convert(const cn_call *c, convert_loop *loop, double scale, double offset) {
  conversion v = { loop, c->y[0], c->x[0], scale, offset };
  cni_parallel(c->graph, c->y[0]->count, CNI_GRAIN, some, &v);
  return CN_OK;
}

#define LOOP(name, F, T, value)                                                               \
  static void name(void *to, const void *from, int64_t n, double scale, double offset) {      \
    T *restrict y = to;                                                                       \
    const F *restrict p = from;                                                               \
    const T s = (T)scale, o = (T)offset;                                                      \
    (void)s, (void)o;                                                                         \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                     \
      const F x = p[i];                                                                       \
      y[i] = (value);                                                                         \
    }                                                                                         \
  }
/* Floats out of an integer's range are clamped to it: the C conversion would be undefined. NaN becomes 0. `top`, which both floats hold, is the first
 * number above the range. */
#define INTO(name, F, T, W, low, top, least, most)                                   \
  static inline T name(F x) {                                                       \
    const W inside = (W)(x >= low && x < top ? x : 0); /* in each case: no branch */ \
    return (T)(x < low ? least : x >= top ? most : inside);                         \
  }
#define INTEGERS(f, F)                                                              \
  INTO(f##_in_i32, F, int32_t, int32_t, (F)-0x1p31, (F)0x1p31, INT32_MIN, INT32_MAX) \
  INTO(f##_in_i64, F, int64_t, int64_t, (F)-0x1p63, (F)0x1p63, INT64_MIN, INT64_MAX) \
  INTO(f##_in_u8, F, uint8_t, int32_t, (F)0, (F)256, 0, 255)
INTEGERS(f32, float)
INTEGERS(f64, double)
#define FROM_FLOAT(f, F)                                                        \
  LOOP(f##_to_f32, F, float, (float)x)                                          \
  LOOP(f##_to_f64, F, double, (double)x)                                        \
  LOOP(f##_to_i32, F, int32_t, f##_in_i32(x))                                   \
  LOOP(f##_to_i64, F, int64_t, f##_in_i64(x))                                   \
  LOOP(f##_to_u8, F, uint8_t, f##_in_u8(x))                                     \
  LOOP(f##_to_bool, F, uint8_t, x != 0)
#define FROM_INTEGER(f, F)                      \
  LOOP(f##_to_f32, F, float, (float)x)          \
  LOOP(f##_to_f64, F, double, (double)x)        \
  LOOP(f##_to_i32, F, int32_t, (int32_t)x)      \
  LOOP(f##_to_i64, F, int64_t, (int64_t)x)      \
  LOOP(f##_to_u8, F, uint8_t, (uint8_t)x)       \
  LOOP(f##_to_bool, F, uint8_t, x != 0)
#define RESCALE(f, F)                                         \
  LOOP(f##_rescaled_f32, F, float, (float)x * s + o)          \
  LOOP(f##_rescaled_f64, F, double, (double)x * s + o)
FROM_FLOAT(f32, float)
FROM_FLOAT(f64, double)
FROM_INTEGER(i32, int32_t)
FROM_INTEGER(i64, int64_t)
FROM_INTEGER(u8, uint8_t)
RESCALE(f32, float)
RESCALE(f64, double)
RESCALE(i32, int32_t)
RESCALE(i64, int64_t)
RESCALE(u8, uint8_t)

#define ROW(f) { f##_to_f32, f##_to_f64, f##_to_i32, f##_to_i64, f##_to_u8, f##_to_bool }
static convert_loop *const casts[TYPES][TYPES] = {
  [CN_F32] = ROW(f32), [CN_F64] = ROW(f64), [CN_I32] = ROW(i32), [CN_I64] = ROW(i64), [CN_U8] = ROW(u8), [CN_BOOL] = ROW(u8)
};
static convert_loop *const rescales[TYPES][2] = {
  [CN_F32] = { f32_rescaled_f32, f32_rescaled_f64 }, [CN_F64] = { f64_rescaled_f32, f64_rescaled_f64 }, [CN_I32] = { i32_rescaled_f32, i32_rescaled_f64 },
  [CN_I64] = { i64_rescaled_f32, i64_rescaled_f64 }, [CN_U8] = { u8_rescaled_f32, u8_rescaled_f64 },    [CN_BOOL] = { u8_rescaled_f32, u8_rescaled_f64 }
};
_Static_assert(CN_F32 == 0 && CN_F64 == 1 && CN_I32 == 2 && CN_I64 == 3 && CN_U8 == 4 && CN_BOOL == 5, "the order of ROW");

/* ---- cast ---- */
static cn_code cast_infer(const cn_call *c) {
  const cn_cast_args *o = c->args;
  cn_dtype to;
  if (!o->dtype || !cn_dtype_from_name(o->dtype, &to) || to == CN_STRING)
    return cn_fail(c->graph, CN_VALUE, "dtype \"%s\" is not one to cast to", o->dtype ? o->dtype : "None");
  c->sig[0].dtype = to;
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  return numbers_only(c);
}
static cn_code cast_forward(const cn_call *c) { return convert(c, casts[c->x[0]->dtype][c->y[0]->dtype], 1, 0); }
CNI_VJP(cast) {
  CNI_UNUSED_VJP;
  gx[0] = cn_cast(g, gy[0], .dtype = cn_dtype_name((cn_dtype)X0->dtype));
}
static void cast_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double x = r->x[0][i];
    r->y[0][i] = r->call->y[0]->dtype == CN_BOOL ? x != 0 : cni_is_float((cn_dtype)r->call->y[0]->dtype) ? x : trunc(x);
  }
}
CN_OP(cast, CN_CAST, .outputs = 1, .infer = cast_infer, .forward = cast_forward, .vjp = cast_vjp, .reference = cast_reference,
      .samples = CN_TEXTS("f[3,4], dtype='float64'", "f[3,4], dtype='int32'", "f[3], dtype='bool'", "i[3]@0:3, dtype='int64'", "b[4], dtype='int32'",
                          "f[0], dtype='int64'"),
      .rejects = CN_TEXTS("f[3], dtype='complex' => dtype \"complex\" is not one to cast to", "s[3], dtype='int32' => texts cannot be cast"));

/* ---- rescale ---- */
static cn_code rescale_infer(const cn_call *c) {
  const cn_rescale_args *o = c->args;
  cn_dtype to;
  if (!o->dtype || !cn_dtype_from_name(o->dtype, &to) || !cni_is_float(to))
    return cn_fail(c->graph, CN_DTYPE, "dtype must be float32 or float64, got \"%s\"", o->dtype ? o->dtype : "None");
  c->sig[0].dtype = to;
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  return numbers_only(c);
}
static cn_code rescale_forward(const cn_call *c) {
  const cn_rescale_args *o = c->args;
  return convert(c, rescales[c->x[0]->dtype][c->y[0]->dtype], o->scale, o->offset);
}
CNI_VJP(rescale) {
  CNI_UNUSED_VJP;
  gx[0] = cn_rescale(g, gy[0], ((const cn_rescale_args *)cn_node_args(n))->scale, .dtype = cn_dtype_name((cn_dtype)X0->dtype));
}
CNI_REFERENCE1(rescale, x * o->scale + o->offset)
CN_OP(rescale, CN_RESCALE, .outputs = 1, .infer = rescale_infer, .forward = rescale_forward, .vjp = rescale_vjp, .reference = rescale_reference,
      .samples = CN_TEXTS("f[3,4], scale=-1.5, offset=0.5, dtype='float64'", "i[5]@0:9, scale=0.5", "b[4], scale=2, offset=-1",
                          "l[2,1]@0:9, scale=3, dtype='float64'", "f[0], scale=2", "f[], scale=2, dtype='float64'"),
      .rejects = CN_TEXTS("f[3], scale=2, dtype='int32' => dtype must be float32 or float64, got \"int32\"", "s[3], scale=1 => texts cannot be cast",
                          "f[3] => scale is required"));

const cn_op *const cni_ops_cast[] = { &cn_op_cast, &cn_op_rescale, NULL };
