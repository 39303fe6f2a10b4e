/* Contractions: operands are joined two at a time, smallest results first. A pair is a stack of matrix products over labels in both and kept (batch), in the
 * left only (m), in the right only (n), summed (k). */
#include "contract_private.h"
#include "elementwise_private.h"
#include "ops_layout_private.h"

typedef uint64_t set;
typedef struct labels { int n; int8_t v[CNI_AXES]; } labels;
#define BIT(l) ((set)1 << (l))

/* ---- operands ---- */
void cni_contraction_init(cni_contraction *p) {
  p->count = p->rank = 0;
  for (int l = 0; l < CNI_LABELS; l++) p->size[l] = -1;
}

bool cni_contraction_add(cni_contraction *p, const cn_tensor *x, const cn_dims *dims, const int8_t *given, int *wrong) {
  cni_labelled *o = &p->x[p->count];
  p->dims[p->count++] = *dims;
  *o = (cni_labelled){ .data = x->data, .rank = dims->rank };
  cni_strides(dims, o->step);
  for (int i = 0; i < dims->rank; i++) {
    const int l = o->label[i] = given[i];
    const int64_t d = dims->d[i];
    int64_t *s = &p->size[l];
    *wrong = l;
    if (*s == -1 || *s == CN_UNKNOWN) *s = *s == CN_UNKNOWN && d == 1 && l >= CNI_ELLIPSIS ? *s : d;
    else if (l >= CNI_ELLIPSIS && *s == 1) *s = d;
    else if (*s != d && d != CN_UNKNOWN && !(l >= CNI_ELLIPSIS && d == 1)) return false;
  }
  return true;
}

static int place_of(const cni_labelled *o, int label) {
  for (int i = 0; i < o->rank; i++)
    if (o->label[i] == label) return i;
  return -1;
}

void cni_contraction_finish(cni_contraction *p) {
  for (int i = 0; i < p->count; i++) {
    cni_labelled *o = &p->x[i], old = *o;
    o->rank = 0;
    for (int k = 0; k < old.rank; k++) {
      const int at = place_of(o, old.label[k]);
      if (p->dims[i].d[k] == 1 && p->size[old.label[k]] != 1) continue;
      if (at >= 0) {
        o->step[at] += old.step[k];
        continue;
      }
      o->label[o->rank] = old.label[k];
      o->step[o->rank++] = old.step[k];
    }
  }
}

static set labels_of(const cni_labelled *o) {
  set s = 0;
  for (int i = 0; i < o->rank; i++) s |= BIT(o->label[i]);
  return s;
}
static int64_t step_of(const cni_labelled *o, int label) {
  const int at = place_of(o, label);
  return at < 0 ? 0 : o->step[at];
}
static int64_t count_of(const cni_contraction *p, const labels *l) {
  int64_t n = 1;
  for (int i = 0; i < l->n; i++) n *= p->size[l->v[i]];
  return n;
}
static labels pick(const cni_labelled *o, set of) {
  labels l = { 0, { 0 } };
  for (int i = 0; i < o->rank; i++)
    if (of & BIT(o->label[i])) l.v[l.n++] = o->label[i];
  return l;
}
static labels joined(labels a, const labels *b) {
  for (int i = 0; i < b->n; i++) a.v[a.n++] = b->v[i];
  return a;
}
static void drop(cn_graph *g, cni_labelled *o) {
  if (o->own) cni_buffer_drop(g, o->own, false);
  o->own = NULL;
}

/* The one step of several axes in this order, if they have one; 0 where nothing is to be stepped over. */
static bool single_step(const cni_contraction *p, const cni_labelled *o, const labels *l, int64_t *step) {
  int64_t first = 0, extent = 0;
  for (int i = l->n - 1; i >= 0; i--) {
    const int64_t n = p->size[l->v[i]], s = step_of(o, l->v[i]);
    if (n == 1) continue;
    if (!first) first = s, extent = s * n;
    else if (s != extent) return false;
    else extent *= n;
  }
  *step = first;
  return true;
}

static void set_contiguous(const cni_contraction *p, cni_labelled *o, const labels *order) {
  int64_t step = 1;
  o->rank = order->n;
  for (int i = order->n - 1; i >= 0; i--) {
    o->label[i] = order->v[i];
    o->step[i] = step;
    step *= p->size[order->v[i]];
  }
}

static void copy_in_order(cn_graph *g, const cni_contraction *p, const cni_labelled *o, const labels *order, void *to) {
  cni_labelled t;
  cni_loops l = { .rank = 0 };
  set_contiguous(p, &t, order);
  for (int i = 0; i < order->n; i++) cni_loop(&l, p->size[order->v[i]], t.step[i], step_of(o, order->v[i]));
  cni_copy(g, cn_dtype_size(p->dtype), &l, to, o->data);
}

static bool room_for(cn_graph *g, const cni_contraction *p, const labels *order, cni_buffer **b) {
  const int64_t n = count_of(p, order);
  *b = cni_buffer_take(g, (size_t)(n ? n : 1) * cn_dtype_size(p->dtype), false);
  return *b != NULL;
}

/* o, contiguous in this order. */
static bool pack(cn_graph *g, const cni_contraction *p, cni_labelled *o, const labels *order) {
  cni_buffer *b;
  int64_t step;
  if (order->n == o->rank && single_step(p, o, order, &step) && step <= 1) return set_contiguous(p, o, order), true;
  if (!room_for(g, p, order, &b)) return false;
  copy_in_order(g, p, o, order, b->data);
  drop(g, o);
  o->own = b;
  o->data = b->data;
  set_contiguous(p, o, order);
  return true;
}

/* o = the sum of o over what is not in `kept`, in the order `kept`, into `to` or memory of its own. */
static bool sum_out(cn_graph *g, const cni_contraction *p, cni_labelled *o, const labels *kept, void *to) {
  set keep = 0;
  for (int i = 0; i < kept->n; i++) keep |= BIT(kept->v[i]);
  const labels over = pick(o, ~keep), all = joined(*kept, &over);
  cni_buffer *b = NULL;
  if (!pack(g, p, o, &all) || (!to && !room_for(g, p, kept, &b))) return false;
  cni_kernels_for(g, p->dtype)->sum(to ? to : b->data, o->data, count_of(p, kept), count_of(p, &over), 1);
  drop(g, o);
  o->own = b;
  o->data = to ? to : b->data;
  set_contiguous(p, o, kept);
  return true;
}

/* The last operand, summed and in y's order. */
static bool single(cn_graph *g, const cni_contraction *p, cni_labelled *o, const labels *y, void *out) {
  if (o->rank > y->n) return sum_out(g, p, o, y, out);
  if (o->data != out) copy_in_order(g, p, o, y, out);
  return true;
}

/* ---- pairs ---- */
typedef struct view { int64_t row, col; } view;
typedef struct pair { cni_labelled *a, *b; cni_labelled c; labels batch, m, n, k; } pair;

static bool view_of(const cni_contraction *p, const cni_labelled *o, const labels *rows, const labels *cols, view *v) {
  return single_step(p, o, rows, &v->row) && single_step(p, o, cols, &v->col);
}

/* Whether a matrix [rows, cols] with these steps is one for cni_gemm. */
static bool as_matrix(const view *v, int64_t rows, int64_t cols, bool *transpose, int64_t *ld) {
  *transpose = false;
  *ld = rows == 1 ? cols : v->row;
  if ((v->col == 1 || cols == 1) && *ld >= cols) return true;
  *transpose = true;
  *ld = cols == 1 ? rows : v->col;
  return (v->row == 1 || rows == 1) && *ld >= rows;
}

/* Steps through the batch: loops outside, the last of which cni_gemm runs. */
typedef struct odometer { int n; int64_t size[CNI_AXES], a[CNI_AXES], b[CNI_AXES], c[CNI_AXES], at[CNI_AXES]; } odometer;

static void batch_loops(const cni_contraction *p, const pair *q, odometer *o) {
  o->n = 0;
  for (int i = 0; i < q->batch.n; i++) {
    const int l = q->batch.v[i], last = o->n - 1;
    const int64_t size = p->size[l], a = step_of(q->a, l), b = step_of(q->b, l), c = step_of(&q->c, l);
    if (size == 1) continue;
    const bool joins = last >= 0 && o->a[last] == a * size && o->b[last] == b * size && o->c[last] == c * size;
    const int at = joins ? last : o->n++;
    o->size[at] = joins ? o->size[at] * size : size;
    o->a[at] = a;
    o->b[at] = b;
    o->c[at] = c;
    o->at[at] = 0;
  }
}

static cn_code run_products(cn_graph *g, const cni_contraction *p, const pair *q, cni_gemm_args *e) {
  const int64_t w = (int64_t)cn_dtype_size(p->dtype);
  odometer o;
  batch_loops(p, q, &o);
  const int last = o.n - 1;
  const char *a = q->a->data, *b = q->b->data;
  char *c = e->c;
  e->batch = o.n ? o.size[last] : 1;
  if (o.n) e->stride_a = o.a[last], e->stride_b = o.b[last], e->stride_c = o.c[last];
  for (;;) {
    e->a = a;
    e->b = b;
    e->c = c;
    const cn_code code = cni_gemm(g, e);
    if (code != CN_OK) return code;
    int i = last - 1;
    for (; i >= 0; i--) {
      a += o.a[i] * w, b += o.b[i] * w, c += o.c[i] * w;
      if (++o.at[i] < o.size[i]) break;
      a -= o.size[i] * o.a[i] * w, b -= o.size[i] * o.b[i] * w, c -= o.size[i] * o.c[i] * w;
      o.at[i] = 0;
    }
    if (i < 0) return CN_OK;
  }
}

/* Nothing is summed: a [batch, m, 1] times b [batch, 1, n]. */
static cn_code multiply(cn_graph *g, const cni_contraction *p, pair *q, void *out) {
  const labels la = joined(q->batch, &q->m), lb = joined(q->batch, &q->n);
  if (!pack(g, p, q->a, &la) || !pack(g, p, q->b, &lb)) return CN_NO_MEMORY;
  const int64_t batch = count_of(p, &q->batch), m = count_of(p, &q->m), n = count_of(p, &q->n);
  const cn_dims y = { 3, { batch, m, n } }, a = { 3, { batch, m, 1 } }, b = { 3, { batch, 1, n } };
  const size_t w = cn_dtype_size(p->dtype);
  cni_binary_raw(g, cni_kernels_for(g, p->dtype)->multiply, out, w, &y, q->a->data, &a, q->b->data, &b, w);
  return CN_OK;
}

static cn_code products(cn_graph *g, const cni_contraction *p, pair *q, void *out) {
  const labels am = joined(q->batch, &q->m), a_all = joined(am, &q->k), bk = joined(q->batch, &q->k), b_all = joined(bk, &q->n);
  const int64_t m = count_of(p, &q->m), n = count_of(p, &q->n), k = count_of(p, &q->k);
  cni_gemm_args e = { .dtype = p->dtype, .m = m, .n = n, .k = k, .c = out };
  view v;
  if (!view_of(p, q->a, &q->m, &q->k, &v) || !as_matrix(&v, m, k, &e.transpose_a, &e.lda)) {
    if (!pack(g, p, q->a, &a_all)) return CN_NO_MEMORY;
    e.transpose_a = false;
    e.lda = k;
  }
  if (!view_of(p, q->b, &q->k, &q->n, &v) || !as_matrix(&v, k, n, &e.transpose_b, &e.ldb)) {
    if (!pack(g, p, q->b, &b_all)) return CN_NO_MEMORY;
    e.transpose_b = false;
    e.ldb = n;
  }
  view_of(p, &q->c, &q->m, &q->n, &v);
  e.ldc = m == 1 || !v.row ? n : v.row;
  return run_products(g, p, q, &e);
}

static labels in_order(const labels *order, set of) {
  labels l = { 0, { 0 } };
  for (int i = 0; i < order->n; i++)
    if (of & BIT(order->v[i])) l.v[l.n++] = order->v[i];
  return l;
}

/* Whether c, in y's layout, is a stack of matrices [m, n] that cni_gemm can write. */
static bool writes_y(const cni_contraction *p, pair *q, const labels *y) {
  view v;
  int64_t n = count_of(p, &q->n);
  set_contiguous(p, &q->c, y);
  return view_of(p, &q->c, &q->m, &q->n, &v) && (v.col == 1 || n == 1) && (count_of(p, &q->m) == 1 || v.row >= n);
}

/* a times b, summed over what neither `keep` nor the other needs; into `out` in the order of y where that can be done, else into memory of its own. The result
 * is left in *a. */
static cn_code join(cn_graph *g, const cni_contraction *p, cni_labelled *a, cni_labelled *b, set keep, const labels *y, void *out) {
  const labels ka = pick(a, labels_of(b) | keep), kb = pick(b, labels_of(a) | keep);
  if (ka.n < a->rank && !sum_out(g, p, a, &ka, NULL)) return CN_NO_MEMORY;
  if (kb.n < b->rank && !sum_out(g, p, b, &kb, NULL)) return CN_NO_MEMORY;
  const set la = labels_of(a), lb = labels_of(b), both = la & lb & keep;
  const bool right_last = !y->n || !(la & ~lb & BIT(y->v[y->n - 1])); /* y's last axis is b's */
  pair q = { .a = right_last ? a : b, .b = right_last ? b : a };
  const labels left = pick(q.a, keep), right = pick(q.b, keep), *order_a = y->n ? y : &left, *order_b = y->n ? y : &right;
  q.batch = in_order(order_a, both);
  q.m = in_order(order_a, labels_of(q.a) & ~labels_of(q.b));
  q.n = in_order(order_b, labels_of(q.b) & ~labels_of(q.a));
  q.k = pick(q.a, la & lb & ~keep);
  const labels bm = joined(q.batch, &q.m), own = joined(bm, &q.n);
  const bool product = q.k.n > 0, direct = out && product && writes_y(p, &q, y), same = out && own.n == y->n && !memcmp(own.v, y->v, (size_t)y->n);
  cni_buffer *buffer = NULL;
  if (!direct) set_contiguous(p, &q.c, &own);
  if (!direct && !same && !room_for(g, p, &own, &buffer)) return CN_NO_MEMORY;
  void *to = buffer ? buffer->data : out;
  const cn_code code = !count_of(p, &own) ? CN_OK : product ? products(g, p, &q, to) : multiply(g, p, &q, to);
  drop(g, a);
  drop(g, b);
  *a = q.c;
  a->own = buffer;
  a->data = to;
  return code;
}

/* ---- the order of pairs ---- */
static double size_of(const cni_contraction *p, set s) {
  double n = 1;
  for (int l = 0; l < CNI_LABELS; l++)
    if (s & BIT(l)) n *= (double)p->size[l];
  return n;
}
static int bits_of(set s) { return __builtin_popcountll(s); }

static set needed(const cni_labelled *x, int count, int i, int j, set y) {
  for (int k = 0; k < count; k++)
    if (k != i && k != j) y |= labels_of(&x[k]);
  return y;
}

/* The pair whose result is smallest compared with what goes into it. */
static void choose(const cni_contraction *p, const cni_labelled *x, int count, set y, int *best_i, int *best_j) {
  double best = INFINITY;
  *best_i = 0;
  *best_j = 1;
  for (int i = 0; count > 2 && i < count; i++)
    for (int j = i + 1; j < count; j++) {
      const set a = labels_of(&x[i]), b = labels_of(&x[j]), c = (a | b) & needed(x, count, i, j, y);
      const double cost = size_of(p, c) - size_of(p, a) - size_of(p, b);
      if (bits_of(c) <= CNI_AXES && cost < best) best = cost, *best_i = i, *best_j = j;
    }
}

cn_code cni_contract(cn_graph *g, const cni_contraction *p, void *out) {
  cni_labelled x[CNI_OPERANDS];
  labels y = { p->rank, { 0 } };
  set keep = 0;
  int count = p->count;
  cn_code code = CN_OK;
  memcpy(y.v, p->y, (size_t)p->rank);
  memcpy(x, p->x, (size_t)count * sizeof *x);
  for (int i = 0; i < y.n; i++) keep |= BIT(y.v[i]);
  const labels none = { 0, { 0 } };
  while (code == CN_OK && count > 1) {
    int i, j;
    choose(p, x, count, keep, &i, &j);
    const set kept = needed(x, count, i, j, keep), all = labels_of(&x[i]) | labels_of(&x[j]);
    if (bits_of(all) > CNI_AXES) code = cn_fail(g, CN_UNSUPPORTED, "more than %d axes at once", CNI_AXES);
    else code = join(g, p, &x[i], &x[j], kept, count == 2 ? &y : &none, count == 2 ? out : NULL);
    if (code != CN_OK) break;
    x[j] = x[--count];
  }
  if (code == CN_OK && !single(g, p, &x[0], &y, out)) code = CN_NO_MEMORY;
  for (int i = 0; i < count; i++) drop(g, &x[i]);
  return code;
}
