#include "ops_loss.h"
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

#define EPSILON 1e-7
/* 1 - 1e-7 as float32 has it, in float32; exact in float64. */
static double upper(cn_dtype d) { return d == CN_F32 ? 0.99999988079071044922 : 1 - EPSILON; }
static double clipped(double p, double high) { return p < EPSILON ? EPSILON : p > high ? high : p; } /* NaN passes */

/* ---- shapes ---- */
static cn_code floats(const cn_call *c, const cn_tensor *x) {
  return cni_is_float((cn_dtype)x->dtype) ? CN_OK : cn_fail(c->graph, CN_DTYPE, "output must be float32 or float64, got %s", cn_dtype_name((cn_dtype)x->dtype));
}
static bool sizes_fit(const cn_dims *a, const cn_dims *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->d[i] != b->d[i] && a->d[i] != CN_UNKNOWN && b->d[i] != CN_UNKNOWN) return false;
  return true;
}
static cn_code shapes_differ(const cn_call *c) {
  char t[160], o[160];
  return cn_fail(c->graph, CN_SHAPE, "target %s does not fit output %s", cn_dims_text(&c->x[0]->dims, t, sizeof t), cn_dims_text(&c->x[1]->dims, o, sizeof o));
}
static cn_dims without(const cn_dims *d, int axis) {
  cn_dims r = { 0, { 0 } };
  for (int i = 0; i < d->rank; i++)
    if (i != axis) r.d[r.rank++] = d->d[i];
  return r;
}

/* ---- sparse categorical ---- */
static cn_code sparse_infer(const cn_call *c) {
  const cn_sparse_categorical_crossentropy_args *o = c->args;
  const cn_tensor *t = c->x[0], *x = c->x[1];
  if (floats(c, x) != CN_OK) return CN_DTYPE;
  if (t->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "labels must be numbers");
  if (!x->dims.rank) return cn_fail(c->graph, CN_SHAPE, "output has no axis of classes");
  const int axis = cn_axis(c->graph, o->axis, x->dims.rank);
  if (axis < 0) return CN_INDEX;
  c->sig[0].dims = without(&x->dims, axis);
  c->sig[0].dtype = (cn_dtype)x->dtype;
  cn_dims labels = t->dims;
  if (labels.rank == x->dims.rank && axis == labels.rank - 1 && labels.d[axis] == 1) labels.rank--; /* [n, 1] is [n] */
  if (!sizes_fit(&labels, &c->sig[0].dims)) return shapes_differ(c);
  if (o->from_logits) c->sig[1] = c->sig[0]; /* logsumexp of each row */
  else c->sig[1] = (cn_sig){ (cn_dtype)x->dtype, { 1, { 0 } } };
  return CN_OK;
}

static int64_t label_at(const cn_tensor *t, int64_t i) {
  switch ((cn_dtype)t->dtype) {
  case CN_I32: return ((const int32_t *)t->data)[i];
  case CN_I64: return ((const int64_t *)t->data)[i];
  default: return (int64_t)cni_value_at(t, i);
  }
}
static int class_axis(const cn_call *c) {
  const int64_t axis = ((const cn_sparse_categorical_crossentropy_args *)c->args)->axis;
  return (int)(axis < 0 ? axis + c->x[1]->dims.rank : axis);
}

static cn_code sparse_check(const cn_call *c) {
  const cn_sparse_categorical_crossentropy_args *o = c->args;
  const cn_tensor *t = c->x[0];
  const int64_t k = c->x[1]->dims.d[class_axis(c)];
  for (int64_t i = 0; i < t->count; i++) {
    const int64_t v = label_at(t, i);
    if ((v < 0 || v >= k) && (o->ignore_class == CN_NONE || v != o->ignore_class))
      return cn_fail(c->graph, CN_INDEX, "label %lld at position %lld is out of range for %lld classes", (long long)v, (long long)i, (long long)k);
  }
  return CN_OK;
}

/* Labels as int64, in the caller's memory where they are already. */
static const int64_t *labels_of(const cn_call *c, cni_buffer **own) {
  const cn_tensor *t = c->x[0];
  *own = NULL;
  if (t->dtype == CN_I64) return t->data;
  *own = cni_buffer_take(c->graph, (size_t)(t->count ? t->count : 1) * sizeof(int64_t), false);
  if (!*own) return NULL;
  int64_t *l = (*own)->data;
  for (int64_t i = 0; i < t->count; i++) l[i] = label_at(t, i);
  return l;
}
static void buffer_drop(const cn_call *c, cni_buffer *own) {
  if (own) cni_buffer_drop(c->graph, own, false);
}

/* Rows of classes, contiguous: x itself, or a copy with the class axis last. */
static const void *class_rows(const cn_call *c, int axis, const void *x, cni_buffer **own) {
  const cn_dims *d = &c->x[1]->dims;
  *own = NULL;
  if (axis == d->rank - 1) return x;
  const size_t w = cn_dtype_size((cn_dtype)c->x[1]->dtype);
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; i++) outer *= d->d[i];
  for (int i = axis + 1; i < d->rank; i++) inner *= d->d[i];
  const size_t slab = (size_t)(d->d[axis] * inner) * w;
  *own = cni_buffer_take(c->graph, slab * (size_t)outer + 1, false);
  for (int64_t i = 0; *own && i < outer; i++)
    cni_kernels_for(c->graph, (cn_dtype)c->x[1]->dtype)
        ->transpose2d((char *)(*own)->data + (size_t)i * slab, (const char *)x + (size_t)i * slab, d->d[axis], inner);
  return *own ? (*own)->data : NULL;
}
static int64_t ignored(const cn_call *c) {
  const int64_t v = ((const cn_sparse_categorical_crossentropy_args *)c->args)->ignore_class;
  return v == CN_NONE ? INT64_MIN : v;
}

/* -ln of the clipped probability, normalised after the clip. */
static void sparse_probabilities(const cn_call *c, const void *rows, const int64_t *labels, cn_tensor *y) {
  const cn_dtype d = (cn_dtype)y->dtype;
  const int64_t k = c->x[1]->dims.d[class_axis(c)], ignore = ignored(c);
  for (int64_t i = 0; i < y->count; i++) {
    double sum = 0, p = 0;
    for (int64_t j = 0; j < k; j++) {
      const double v = d == CN_F32 ? (double)((const float *)rows)[i * k + j] : ((const double *)rows)[i * k + j], q = clipped(v, upper(d));
      sum += q;
      if (j == labels[i]) p = q;
    }
    cni_value_set(y, i, labels[i] == ignore ? 0 : log(sum) - log(p));
  }
}

static cn_code sparse_forward(const cn_call *c) {
  const cn_sparse_categorical_crossentropy_args *o = c->args;
  cni_buffer *own, *moved;
  cn_tensor *y = c->y[0];
  const int64_t *labels = labels_of(c, &own);
  const void *rows = labels ? class_rows(c, class_axis(c), c->x[1]->data, &moved) : NULL;
  if (!rows && c->x[1]->count) return buffer_drop(c, own), CN_NO_MEMORY;
  if (o->from_logits)
    cni_kernels_for(c->graph, (cn_dtype)y->dtype)
        ->sparse_cross_entropy(y->data, c->y[1]->data, rows, labels, y->count, c->x[1]->dims.d[class_axis(c)], ignored(c));
  else sparse_probabilities(c, rows, labels, y);
  buffer_drop(c, own);
  buffer_drop(c, rows ? moved : NULL);
  return CN_OK;
}

static cn_code sparse_backward_logits(const cn_call *c) {
  cni_buffer *own;
  const int64_t *labels = labels_of(c, &own);
  if (!labels) return CN_NO_MEMORY;
  cni_kernels_for(c->graph, (cn_dtype)c->y[0]->dtype)
      ->sparse_cross_entropy_grad(c->gx[1], c->gy[0], c->x[1]->data, c->y[1]->data, labels, c->y[0]->count, c->x[1]->dims.d[class_axis(c)], ignored(c));
  buffer_drop(c, own);
  return CN_OK;
}

/* gy (normalised p - one_hot) / p where the clip is not active. */
static void sparse_slope(const cn_call *c, int64_t i, int64_t label, int64_t k, int64_t start, int64_t stride, double gy) {
  const cn_dtype d = (cn_dtype)c->y[0]->dtype;
  const cn_tensor *x = c->x[1];
  double sum = 0;
  (void)i;
  for (int64_t j = 0; j < k; j++) sum += clipped(cni_value_at(x, start + j * stride), upper(d));
  for (int64_t j = 0; j < k; j++) {
    const double v = cni_value_at(x, start + j * stride), slope = v < EPSILON || v > upper(d) ? 0 : gy * (1 / sum - (j == label ? 1 / v : 0));
    if (d == CN_F32) ((float *)c->gx[1])[start + j * stride] = (float)slope;
    else ((double *)c->gx[1])[start + j * stride] = slope;
  }
}

/* gx += gy softmax, of the second output: the logsumexp of every row, ignored ones too. */
static void sparse_add_logsumexp(const cn_call *c, int64_t k, int64_t inner) {
  const cn_dtype d = (cn_dtype)c->y[0]->dtype;
  for (int64_t i = 0; i < c->y[1]->count; i++) {
    const int64_t start = i / inner * k * inner + i % inner;
    const double gy = d == CN_F32 ? (double)((const float *)c->gy[1])[i] : ((const double *)c->gy[1])[i], lse = cni_value_at(c->y[1], i);
    for (int64_t j = start; j < start + k * inner; j += inner) {
      const double v = gy * exp(cni_value_at(c->x[1], j) - lse);
      if (d == CN_F32) ((float *)c->gx[1])[j] += (float)v;
      else ((double *)c->gx[1])[j] += v;
    }
  }
}

/* The loss's part. */
static cn_code sparse_backward_loss(const cn_call *c) {
  const cn_sparse_categorical_crossentropy_args *o = c->args;
  const cn_dims *d = &c->x[1]->dims;
  const int axis = class_axis(c);
  const cn_dtype dtype = (cn_dtype)c->y[0]->dtype;
  if (o->from_logits && axis == d->rank - 1) return sparse_backward_logits(c);
  int64_t inner = 1;
  for (int i = axis + 1; i < d->rank; i++) inner *= d->d[i];
  const int64_t k = d->d[axis], ignore = ignored(c);
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const int64_t label = label_at(c->x[0], i), start = i / inner * k * inner + i % inner;
    double gy = dtype == CN_F32 ? (double)((const float *)c->gy[0])[i] : ((const double *)c->gy[0])[i];
    if (label == ignore) gy = 0;
    if (!o->from_logits) {
      sparse_slope(c, i, label, k, start, inner, gy);
      continue;
    }
    const double lse = cni_value_at(c->y[1], i);
    for (int64_t j = 0; j < k; j++) {
      const double v = gy * (exp(cni_value_at(c->x[1], start + j * inner) - lse) - (j == label));
      if (dtype == CN_F32) ((float *)c->gx[1])[start + j * inner] = (float)v;
      else ((double *)c->gx[1])[start + j * inner] = v;
    }
  }
  return CN_OK;
}

static cn_code sparse_backward(const cn_call *c) {
  const cn_tensor *x = c->x[1];
  const int axis = class_axis(c);
  if (!c->gx[1]) return CN_OK;
  if (!c->gy[0]) memset(c->gx[1], 0, (size_t)x->count * cn_dtype_size((cn_dtype)x->dtype));
  else if (sparse_backward_loss(c) != CN_OK) return CN_NO_MEMORY;
  if (!c->gy[1]) return CN_OK;
  int64_t inner = 1;
  for (int i = axis + 1; i < x->dims.rank; i++) inner *= x->dims.d[i];
  sparse_add_logsumexp(c, x->dims.d[axis], inner);
  return CN_OK;
}

/* gy [..., classes]: the class axis put back, zeros where a label is ignored. */
static cn_tensor *spread_rows(cn_graph *g, const cn_node *n, cn_tensor *gy) {
  const cn_sparse_categorical_crossentropy_args *o = n->args;
  cn_tensor *t = n->x[0];
  const cn_ints shape = { n->y[0]->dims.d, n->y[0]->dims.rank };
  if (t->dims.rank != shape.n) t = cn_reshape(g, t, .newshape = shape);
  if (o->ignore_class != CN_NONE) gy = cn_where(g, cn_equal(g, t, NUMBER(t, (double)o->ignore_class)), NUMBER(gy, 0), gy);
  return cn_expand_dims(g, gy, .axis = CN_INTS(o->axis));
}
static void sparse_categorical_crossentropy_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_sparse_categorical_crossentropy_args *o = n->args;
  cn_tensor *t = n->x[0], *x = n->x[1];
  if (want[1] && o->from_logits && gy[1]) gx[1] = cn_multiply(g, cn_expand_dims(g, gy[1], .axis = CN_INTS(o->axis)), cn_softmax(g, x, .axis = o->axis));
  if (!want[1] || !gy[0]) return;
  const int64_t axis = o->axis < 0 ? o->axis + x->dims.rank : o->axis;
  const cn_ints shape = { n->y[0]->dims.d, n->y[0]->dims.rank };
  if (t->dims.rank != n->y[0]->dims.rank) t = cn_reshape(g, t, .newshape = shape);
  if (cni_is_float((cn_dtype)t->dtype)) t = cn_cast(g, t, .dtype = "int64");
  if (o->ignore_class != CN_NONE) t = cn_where(g, cn_equal(g, t, NUMBER(t, (double)o->ignore_class)), NUMBER(t, 0), t);
  cn_tensor *hot = cn_one_hot(g, t, x->dims.d[axis], .axis = axis, .dtype = cn_dtype_name((cn_dtype)x->dtype)), *d = spread_rows(g, n, gy[0]);
  if (o->from_logits) {
    d = cn_multiply(g, d, cn_subtract(g, cn_softmax(g, x, .axis = axis), hot));
    gx[1] = gx[1] ? cn_add(g, gx[1], d) : d;
    return;
  }
  const double low = EPSILON, high = upper((cn_dtype)x->dtype);
  cn_tensor *p = cn_clip(g, x, low, high), *active = cn_logical_and(g, cn_greater_equal(g, x, NUMBER(x, low)), cn_less_equal(g, x, NUMBER(x, high)));
  cn_tensor *slope = cn_subtract(g, cn_reciprocal(g, cn_sum(g, p, .axis = CN_INTS(axis), .keepdims = true)), cn_divide(g, hot, p));
  gx[1] = cn_multiply(g, d, cn_where(g, active, slope, NUMBER(x, 0)));
}

static void sparse_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cn_sparse_categorical_crossentropy_args *o = c->args;
  const cn_dims *d = &c->x[1]->dims;
  const int axis = class_axis(c);
  int64_t inner = 1;
  for (int i = axis + 1; i < d->rank; i++) inner *= d->d[i];
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const int64_t k = d->d[axis], start = i / inner * k * inner + i % inner, label = (int64_t)r->x[0][i];
    double sum = 0, at = 0;
    for (int64_t j = 0; j < k; j++) {
      const double v = r->x[1][start + j * inner], q = o->from_logits ? exp(v) : clipped(v, upper((cn_dtype)c->y[0]->dtype));
      sum += q;
      if (j == label) at = q;
    }
    r->y[0][i] = label == o->ignore_class ? 0 : log(sum / at);
    if (o->from_logits) r->y[1][i] = log(sum);
  }
}
CN_OP(sparse_categorical_crossentropy, CN_SPARSE_CATEGORICAL_CROSSENTROPY, .outputs = 2, .kept = 1, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(1),
      .infer = sparse_infer, .check = sparse_check, .forward = sparse_forward, .vjp = sparse_categorical_crossentropy_vjp, .backward = sparse_backward,
      .reference = sparse_reference,
      .samples = CN_TEXTS("i[5]@0:3, f[5,3], from_logits=true", "l[4]@0:10, f[4,10], from_logits=true", "i[2,3]@0:4, f[2,3,4], from_logits=true",
                          "i[2,3]@0:4, f[2,4,3], from_logits=true, axis=1", "i[5]@0:3, f[5,3]@0.1:0.9", "i[2,3]@0:4, f[2,4,3]@0.1:0.9, axis=1",
                          "i[5]@0:3, f[5,3], from_logits=true, ignore_class=1", "i[5]@0:3, f[5,3]@0.1:0.9, ignore_class=0",
                          "i[4]@0:1, f[4,1], from_logits=true"),
      .rejects = CN_TEXTS("i[3]@5:6, f[3,4], from_logits=true => label 5 at position 0 is out of range for 4 classes",
                          "i[3]@0:2, f[4,2] => target [3] does not fit output [4,2]", "i[3]@0:2, i[3,2]@0:2 => output must be float32 or float64",
                          "i[]@0:1, f[] => output has no axis of classes"));

/* ---- categorical ---- */
static cn_code categorical_infer(const cn_call *c) {
  const cn_tensor *t = c->x[0], *x = c->x[1];
  if (floats(c, x) != CN_OK) return CN_DTYPE;
  if (t->dtype != x->dtype)
    return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)t->dtype), cn_dtype_name((cn_dtype)x->dtype));
  if (!x->dims.rank) return cn_fail(c->graph, CN_SHAPE, "output has no axis of classes");
  const int axis = cn_axis(c->graph, ((const cn_categorical_crossentropy_args *)c->args)->axis, x->dims.rank);
  if (axis < 0) return CN_INDEX;
  if (!sizes_fit(&t->dims, &x->dims)) return shapes_differ(c);
  c->sig[0] = (cn_sig){ (cn_dtype)x->dtype, without(&x->dims, axis) };
  return CN_OK;
}

typedef struct categorical { const cni_kernels *k; char *y; const char *t, *x; int64_t classes; size_t w; bool logits; double high; } categorical;
static void categorical_rows(void *ctx, int64_t begin, int64_t end) {
  const categorical *j = ctx;
  const size_t at = (size_t)begin * j->w;
  j->k->cross_entropy(j->y + at, j->t + at * (size_t)j->classes, j->x + at * (size_t)j->classes, end - begin, j->classes, j->logits, EPSILON, j->high);
}
static int categorical_axis(const cn_call *c) { return cni_wrap(((const cn_categorical_crossentropy_args *)c->args)->axis, c->x[1]->dims.rank); }
static cn_code categorical_forward(const cn_call *c) {
  const cn_categorical_crossentropy_args *o = c->args;
  const cn_dtype dtype = (cn_dtype)c->y[0]->dtype;
  const int axis = categorical_axis(c);
  cni_buffer *own_t, *own_x;
  const void *t = class_rows(c, axis, c->x[0]->data, &own_t), *x = class_rows(c, axis, c->x[1]->data, &own_x);
  categorical j = { cni_kernels_for(c->graph, dtype), c->y[0]->data, t, x, c->x[1]->dims.d[axis], cn_dtype_size(dtype), o->from_logits, upper(dtype) };
  const bool there = (t && x) || !c->x[1]->count;
  if (there) cni_parallel(c->graph, c->y[0]->count, CNI_GRAIN / 4 / (j.classes + 1) + 1, categorical_rows, &j);
  buffer_drop(c, own_t);
  buffer_drop(c, own_x);
  return there ? CN_OK : CN_NO_MEMORY;
}
CNI_VJP(categorical_crossentropy) {
  const cn_categorical_crossentropy_args *o = cn_node_args(n);
  cn_tensor *t = X0, *x = X1, *d = cn_expand_dims(g, gy[0], .axis = CN_INTS(o->axis));
  if (o->from_logits) {
    if (want[0]) gx[0] = cn_negative(g, cn_multiply(g, d, cn_log_softmax(g, x, .axis = o->axis)));
    if (!want[1]) return;
    cn_tensor *total = cn_sum(g, t, .axis = CN_INTS(o->axis), .keepdims = true); /* counts as 1, whatever it is; only its own derivative is kept */
    total = cn_shift(g, cn_subtract(g, total, cn_stop_gradient(g, total)), 1);
    gx[1] = cn_multiply(g, d, cn_subtract(g, cn_multiply(g, cn_softmax(g, x, .axis = o->axis), total), t));
    return;
  }
  const double low = EPSILON, high = upper((cn_dtype)x->dtype);
  cn_tensor *sum = cn_sum(g, x, .axis = CN_INTS(o->axis), .keepdims = true), *p = cn_divide(g, x, sum), *q = cn_clip(g, p, low, high);
  if (want[0]) gx[0] = cn_negative(g, cn_multiply(g, d, cn_log(g, q)));
  if (!want[1]) return;
  cn_tensor *active = cn_logical_and(g, cn_greater_equal(g, p, NUMBER(p, low)), cn_less_equal(g, p, NUMBER(p, high)));
  cn_tensor *gp = cn_where(g, active, cn_negative(g, cn_divide(g, t, q)), NUMBER(p, 0)); /* of p; then through p = x / sum */
  gx[1] = cn_multiply(g, d, cn_divide(g, cn_subtract(g, gp, cn_sum(g, cn_multiply(g, gp, p), .axis = CN_INTS(o->axis), .keepdims = true)), sum));
}
static void categorical_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const bool logits = ((const cn_categorical_crossentropy_args *)c->args)->from_logits;
  const cni_runs runs = cni_axis_runs(&c->x[1]->dims, categorical_axis(c));
  for (int64_t i = 0; i < c->y[0]->count; i++) {
    const int64_t s = i / runs.inner * runs.n * runs.inner + i % runs.inner;
    double sum = 0, v = 0;
    for (int64_t j = 0; j < runs.n; j++) sum += logits ? exp(r->x[1][s + j * runs.inner]) : r->x[1][s + j * runs.inner];
    for (int64_t j = 0; j < runs.n; j++) {
      const double x = r->x[1][s + j * runs.inner];
      v -= r->x[0][s + j * runs.inner] * (logits ? x - log(sum) : log(clipped(x / sum, upper((cn_dtype)c->y[0]->dtype))));
    }
    r->y[0][i] = v;
  }
}
CN_OP(categorical_crossentropy, CN_CATEGORICAL_CROSSENTROPY, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = categorical_infer,
      .forward = categorical_forward, .vjp = categorical_crossentropy_vjp, .reference = categorical_reference,
      .samples = CN_TEXTS("f[5,3]@0:1, f[5,3]@0.1:0.9", "f[2,4,3]@0:1, f[2,4,3]@0.1:0.9, axis=1", "f[0,3], f[0,3]", "f[2,1100]@0:1, f[2,1100]@0.1:0.9",
                          "f[400,3]@0:1, f[400,3]@0.1:0.9"),
      .rejects = CN_TEXTS("f[3,2], f[4,2] => target [3,2] does not fit output [4,2]", "i[3]@0:2, f[3] => dtypes differ",
                          "f[], f[] => output has no axis of classes"));

/* ---- binary ---- */
static cn_code binary_infer(const cn_call *c) {
  if (floats(c, c->x[1]) != CN_OK) return CN_DTYPE;
  if (c->x[0]->dtype != c->x[1]->dtype)
    return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)c->x[0]->dtype), cn_dtype_name((cn_dtype)c->x[1]->dtype));
  if (!sizes_fit(&c->x[0]->dims, &c->x[1]->dims)) return shapes_differ(c);
  return cn_infer_same(c);
}
static bool logits(const cn_call *c) { return ((const cn_binary_crossentropy_args *)c->args)->from_logits; }
static cn_code binary_forward(const cn_call *c) {
  cn_tensor *y = c->y[0];
  if (logits(c)) return cni_kernels_of(c)->bce_logits(y->data, c->x[1]->data, c->x[0]->data, y->count), CN_OK;
  const double high = upper((cn_dtype)y->dtype);
  for (int64_t i = 0; i < y->count; i++) {
    const double t = cni_value_at(c->x[0], i), p = clipped(cni_value_at(c->x[1], i), high);
    cni_value_set(y, i, -(t * log(p) + (1 - t) * log(1 - p)));
  }
  return CN_OK;
}
CNI_VJP(binary_crossentropy) {
  cn_tensor *t = X0, *x = X1;
  if (((const cn_binary_crossentropy_args *)cn_node_args(n))->from_logits) {
    if (want[0]) gx[0] = cn_negative(g, cn_multiply(g, gy[0], x));
    if (want[1]) gx[1] = cn_multiply(g, gy[0], cn_subtract(g, cn_sigmoid(g, x), t));
    return;
  }
  const double low = EPSILON, high = upper((cn_dtype)x->dtype);
  cn_tensor *p = cn_clip(g, x, low, high), *q = cn_shift(g, cn_negative(g, p), 1);
  if (want[0]) gx[0] = cn_multiply(g, gy[0], cn_subtract(g, cn_log(g, q), cn_log(g, p)));
  if (!want[1]) return;
  cn_tensor *active = cn_logical_and(g, cn_greater_equal(g, x, NUMBER(x, low)), cn_less_equal(g, x, NUMBER(x, high)));
  cn_tensor *slope = cn_subtract(g, cn_divide(g, cn_shift(g, cn_negative(g, t), 1), q), cn_divide(g, t, p));
  gx[1] = cn_multiply(g, gy[0], cn_where(g, active, slope, NUMBER(x, 0)));
}
static void binary_reference(const cn_reference *r) {
  const double high = upper((cn_dtype)r->call->y[0]->dtype);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double t = r->x[0][i], x = r->x[1][i], p = logits(r->call) ? 1 / (1 + exp(-x)) : clipped(x, high);
    r->y[0][i] = -(t * log(p) + (1 - t) * log(1 - p));
  }
}
CN_OP(binary_crossentropy, CN_BINARY_CROSSENTROPY, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = binary_infer, .forward = binary_forward,
      .vjp = binary_crossentropy_vjp, .reference = binary_reference,
      .samples = CN_TEXTS("f[3,4]@0:1, f[3,4], from_logits=true", "f[3,4]@0:1, f[3,4]@0.1:0.9", "f[]@0:1, f[], from_logits=true", "f[0], f[0]"),
      .rejects = CN_TEXTS("f[3,2], f[4,2] => target [3,2] does not fit output [4,2]", "i[3]@0:2, f[3] => dtypes differ"));

const cn_op *const cni_ops_loss[] = { &cn_op_sparse_categorical_crossentropy, &cn_op_categorical_crossentropy, &cn_op_binary_crossentropy, NULL };
