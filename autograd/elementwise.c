/* Threaded maps and broadcasting. */
#include "elementwise_private.h"

/* ---- one input ---- */
typedef struct map { cni_unary *f; cni_unary_grad *grad; void *y; const void *x, *gy, *fy; const double *p; size_t size, result; } map;

static void map_part(void *ctx, int64_t begin, int64_t end) {
  const map *m = ctx;
  m->f((char *)m->y + (size_t)begin * m->result, (const char *)m->x + (size_t)begin * m->size, end - begin, m->p);
}
static void map_grad_part(void *ctx, int64_t begin, int64_t end) {
  const map *m = ctx;
  const size_t at = (size_t)begin * m->size;
  m->grad((char *)m->y + at, (const char *)m->gy + at, (const char *)m->x + at, (const char *)m->fy + at, end - begin, m->p);
}

cn_code cni_map(const cn_call *c, cni_unary *f, const double *p) {
  const int64_t n = c->y[0]->count;
  map m = { .f = f, .y = c->y[0]->data, .x = c->x[0]->data, .p = p };
  m.size = cn_dtype_size((cn_dtype)c->x[0]->dtype);
  m.result = cn_dtype_size((cn_dtype)c->y[0]->dtype);
  if (n < 2 * CNI_GRAIN) f(m.y, m.x, n, p);
  else cni_parallel(c->graph, n, CNI_GRAIN, map_part, &m);
  return CN_OK;
}

cn_code cni_map_grad(const cn_call *c, cni_unary_grad *f, const double *p) {
  if (!c->gx[0]) return CN_OK;
  const int64_t n = c->y[0]->count;
  map m = { .grad = f, .y = c->gx[0], .gy = c->gy[0], .x = c->x[0]->data, .fy = c->y[0]->data, .p = p, .size = cn_dtype_size((cn_dtype)c->x[0]->dtype) };
  if (n < 2 * CNI_GRAIN) f(m.y, m.gy, m.x, m.fy, n, p);
  else cni_parallel(c->graph, n, CNI_GRAIN, map_grad_part, &m);
  return CN_OK;
}

/* ---- broadcasting ---- */
int64_t cni_broadcast_index(const cn_dims *x, const cn_dims *y, int64_t i) {
  int64_t at = 0, stride = 1;
  for (int k = y->rank - 1; k >= 0; k--) {
    const int64_t q = i % y->d[k];
    const int kx = k - y->rank + x->rank;
    i /= y->d[k];
    if (kx < 0) continue;
    if (x->d[kx] != 1) at += q * stride;
    stride *= x->d[kx];
  }
  return at;
}

/* Axes of the result, merged where neither input changes its way of being repeated. The last one is the inner loop. */
typedef struct layout { int rank; int64_t d[CN_MAX_RANK], sa[CN_MAX_RANK], sb[CN_MAX_RANK]; } layout;

static void strides_of(const cn_dims *x, const cn_dims *y, int64_t *s) {
  int64_t stride = 1;
  for (int k = y->rank - 1; k >= 0; k--) {
    const int kx = k - y->rank + x->rank;
    s[k] = kx < 0 || x->d[kx] == 1 ? 0 : stride;
    if (kx >= 0) stride *= x->d[kx];
  }
}

static layout layout_of(const cn_dims *a, const cn_dims *b, const cn_dims *y) {
  layout l = { 0 };
  int64_t sa[CN_MAX_RANK], sb[CN_MAX_RANK];
  strides_of(a, y, sa);
  strides_of(b, y, sb);
  for (int k = 0; k < y->rank; k++) {
    if (y->d[k] == 1) continue;
    const int p = l.rank - 1;
    if (p >= 0 && l.sa[p] == sa[k] * y->d[k] && l.sb[p] == sb[k] * y->d[k]) {
      l.d[p] *= y->d[k];
      l.sa[p] = sa[k];
      l.sb[p] = sb[k];
      continue;
    }
    l.d[l.rank] = y->d[k];
    l.sa[l.rank] = sa[k];
    l.sb[l.rank++] = sb[k];
  }
  if (!l.rank) l.rank = 1, l.d[0] = 1;
  return l;
}

typedef struct pairing { cni_binary *f; char *y; const char *a, *b; layout l; size_t size, result; } pairing;

/* Rows begin .. end of the outer axes. */
static void rows_part(void *ctx, int64_t begin, int64_t end) {
  const pairing *p = ctx;
  const layout *l = &p->l;
  const int last = l->rank - 1;
  const int64_t n = l->d[last];
  for (int64_t row = begin; row < end; row++) {
    int64_t at = row, ia = 0, ib = 0;
    for (int k = last - 1; k >= 0; k--) {
      const int64_t q = at % l->d[k];
      at /= l->d[k];
      ia += q * l->sa[k];
      ib += q * l->sb[k];
    }
    p->f(p->y + (size_t)(row * n) * p->result, p->a + (size_t)ia * p->size, p->b + (size_t)ib * p->size, n, l->sa[last], l->sb[last]);
  }
}
static void flat_part(void *ctx, int64_t begin, int64_t end) {
  const pairing *p = ctx;
  const int64_t sa = p->l.sa[0], sb = p->l.sb[0];
  p->f(p->y + (size_t)begin * p->result, p->a + (size_t)(begin * sa) * p->size, p->b + (size_t)(begin * sb) * p->size, end - begin, sa, sb);
}

/* Without loops over axes, where each input is whole or one number, and few elements. */
static bool few(cni_binary *f, void *y, int64_t n, const void *a, int64_t na, const void *b, int64_t nb) {
  if (n >= 2 * CNI_GRAIN || (na != n && na != 1) || (nb != n && nb != 1)) return false;
  f(y, a, b, n, na == n, nb == n);
  return true;
}

void cni_binary_raw(cn_graph *g, cni_binary *f, void *to, size_t result, const cn_dims *y, const void *a, const cn_dims *da, const void *b, const cn_dims *db,
                    size_t size) {
  const int64_t count = y->rank ? cn_dims_count(y) : 1;
  if (!count || few(f, to, count, a, cn_dims_count(da), b, cn_dims_count(db))) return;
  pairing p = { f, to, a, b, layout_of(da, db, y), size, result };
  const int64_t n = p.l.d[p.l.rank - 1];
  if (p.l.rank == 1) cni_parallel(g, n, CNI_GRAIN, flat_part, &p);
  else cni_parallel(g, count / n, CNI_GRAIN / n + 1, rows_part, &p);
}

void cni_binary_into(const cn_call *c, cni_binary *f, void *to, size_t result) {
  const cn_tensor *a = c->x[0], *b = c->x[1], *y = c->y[0];
  if (!few(f, to, y->count, a->data, a->count, b->data, b->count))
    cni_binary_raw(c->graph, f, to, result, &y->dims, a->data, &a->dims, b->data, &b->dims, cn_dtype_size((cn_dtype)a->dtype));
}

cn_code cni_binary_map(const cn_call *c, cni_binary *f, size_t result) {
  cni_binary_into(c, f, c->y[0]->data, result);
  return CN_OK;
}

int64_t cni_integer_at(const cn_tensor *t, int64_t i) {
  switch ((cn_dtype)t->dtype) {
  case CN_I32: return ((const int32_t *)t->data)[i];
  case CN_I64: return ((const int64_t *)t->data)[i];
  default: return ((const uint8_t *)t->data)[i];
  }
}
void cni_integer_set(cn_tensor *t, int64_t i, int64_t v) {
  switch ((cn_dtype)t->dtype) {
  case CN_I32: ((int32_t *)t->data)[i] = (int32_t)v; break;
  case CN_I64: ((int64_t *)t->data)[i] = v; break;
  case CN_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
  default: ((uint8_t *)t->data)[i] = (uint8_t)v;
  }
}

/* ---- infer rules ---- */
bool cn_dims_broadcast(const cn_dims *a, const cn_dims *b, cn_dims *out) {
  const int r = a->rank > b->rank ? a->rank : b->rank;
  out->rank = r;
  for (int i = 0; i < r; i++) {
    const int ia = i - r + a->rank, ib = i - r + b->rank;
    const int64_t x = ia < 0 ? 1 : a->d[ia], y = ib < 0 ? 1 : b->d[ib];
    if (x != y && x != 1 && y != 1 && x != CN_UNKNOWN && y != CN_UNKNOWN) return false;
    out->d[i] = x == 1 ? y : y == 1 ? x : x == CN_UNKNOWN ? y : x;
  }
  return true;
}

cn_code cn_infer_same(const cn_call *c) {
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_set_dims(&c->sig[0].dims, &c->x[0]->dims);
  return CN_OK;
}
static cn_code not_float(const cn_call *c, const cn_tensor *x) {
  return cn_fail(c->graph, CN_DTYPE, "needs float32 or float64, got %s", cn_dtype_name((cn_dtype)x->dtype));
}
cn_code cn_infer_same_float(const cn_call *c) { return cni_is_float((cn_dtype)c->x[0]->dtype) ? cn_infer_same(c) : not_float(c, c->x[0]); }

cn_code cn_infer_broadcast(const cn_call *c) {
  const cn_tensor *a = c->x[0], *b = c->x[1];
  cn_sig *s = c->sig;
  if (a->dtype != b->dtype)
    return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)a->dtype), cn_dtype_name((cn_dtype)b->dtype));
  if (a->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "texts have no arithmetic");
  s->dtype = (cn_dtype)a->dtype;
  if (!(a->dims.rank | b->dims.rank)) return s->dims.rank = 0, CN_OK;
  if (cn_dims_broadcast(&a->dims, &b->dims, &s->dims)) return CN_OK;
  char ta[160], tb[160];
  return cn_fail(c->graph, CN_SHAPE, "shapes do not broadcast: %s and %s", cn_dims_text(&a->dims, ta, sizeof ta), cn_dims_text(&b->dims, tb, sizeof tb));
}
cn_code cn_infer_broadcast_float(const cn_call *c) { return cni_is_float((cn_dtype)c->x[0]->dtype) ? cn_infer_broadcast(c) : not_float(c, c->x[0]); }
cn_code cn_infer_broadcast_bool(const cn_call *c) {
  const cn_code code = cn_infer_broadcast(c);
  c->sig[0].dtype = CN_BOOL;
  return code;
}

int cn_axis(cn_graph *g, int64_t axis, int rank) {
  if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
  cn_fail(g, CN_INDEX, "axis %lld is out of range for rank %d", (long long)axis, rank);
  return -1;
}
