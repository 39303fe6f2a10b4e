/* Parts of a tensor: slices, updates, padding, splitting. get_item stands in ops_item.c. */
#include "ops_slice.h"
#include "ops_join.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* ---- slice ---- */
/* Where start and shape, one an axis, name a part of x. */
static cn_code part_of(cn_graph *g, const cn_dims *x, cn_ints start, const cn_dims *shape) {
  if (start.n != x->rank || shape->rank != x->rank)
    return cn_fail(g, CN_SHAPE, "start_indices has %lld entries and the part rank %d, x has rank %d", (long long)start.n, shape->rank, x->rank);
  for (int i = 0; i < x->rank; i++) {
    if (x->d[i] == CN_UNKNOWN || shape->d[i] == CN_UNKNOWN) continue;
    if (start.v[i] < 0 || shape->d[i] < 0 || shape->d[i] > x->d[i] - start.v[i])
      return cn_fail(g, CN_SHAPE, "%lld elements from %lld on are not within axis %d of size %lld", (long long)shape->d[i], (long long)start.v[i], i,
                     (long long)x->d[i]);
  }
  return CN_OK;
}
static int64_t first_of(const cn_dims *x, cn_ints start) {
  int64_t at = 0;
  for (int i = 0; i < x->rank; i++) at = at * x->d[i] + start.v[i];
  return at;
}

static cn_code slice_infer(const cn_call *c) {
  const cn_slice_args *o = c->args;
  cn_dims y;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!cni_dims_from(c->graph, o->shape, &y)) return CN_VALUE;
  if (part_of(c->graph, &c->x[0]->dims, o->start_indices, &y)) return CN_SHAPE;
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code slice_forward(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims;
  int64_t steps[CN_MAX_RANK];
  if (!c->y[0]->count) return CN_OK;
  cni_strides(x, steps);
  const size_t first = (size_t)first_of(x, ((const cn_slice_args *)c->args)->start_indices) * cni_width_of(c);
  cni_gather(c->graph, cni_width_of(c), &c->y[0]->dims, c->y[0]->data, (const char *)c->x[0]->data + first, steps);
  return CN_OK;
}
/* gy between zeros: the transpose of taking a part of x from `start` on. */
static cn_tensor *placed(cn_graph *g, cn_tensor *gy, const cn_dims *x, const int64_t *start, const cn_dims *part) {
  int64_t widths[2 * CN_MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    widths[2 * i] = start[i];
    widths[2 * i + 1] = x->d[i] - start[i] - part->d[i];
  }
  const cn_pad_args a = { g, gy, { widths, 2 * x->rank }, "constant", 0 };
  return cn_apply(g, &cn_op_pad, &a)[0];
}
CNI_VJP(slice) {
  (void)want;
  gx[0] = placed(g, gy[0], &n->x[0]->dims, ((const cn_slice_args *)n->args)->start_indices.v, &n->y[0]->dims);
}
static int64_t slice_source(const cn_call *c, const int64_t *at) {
  int64_t from[CN_MAX_RANK];
  for (int i = 0; i < c->x[0]->dims.rank; i++) from[i] = at[i] + ((const cn_slice_args *)c->args)->start_indices.v[i];
  return cni_flat(&c->x[0]->dims, from);
}
CNI_PICKED(slice)
CN_OP(slice, CN_LIST_SLICE, .outputs = 1, .infer = slice_infer, .forward = slice_forward, .vjp = slice_vjp, .reference = slice_reference,
      .samples = CN_TEXTS("f[4,5], start_indices=[1,2], shape=[2,3]", "f[2,3,4], start_indices=[0,1,0], shape=[2,2,4]", "f[3], start_indices=[3], shape=[0]",
                          "f[], start_indices=[], shape=[]"),
      .rejects = CN_TEXTS("f[4], start_indices=[2], shape=[5] => 5 elements from 2 on are not within axis 0 of size 4",
                          "f[4,4], start_indices=[0], shape=[2] => start_indices has 1 entries"));

static cn_code slice_rows_infer(const cn_call *c) {
  const cn_slice_rows_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (y.rank < 1) return cn_fail(c->graph, CN_SHAPE, "x has no axis to cut");
  if (y.d[0] != CN_UNKNOWN && o->size > y.d[0] - o->start)
    return cn_fail(c->graph, CN_SHAPE, "%lld elements from %lld on are not within axis 0 of size %lld", (long long)o->size, (long long)o->start,
                   (long long)y.d[0]);
  y.d[0] = o->size;
  return cni_sig_like(c, &y), CN_OK;
}
static int64_t slice_rows_offset(const cn_call *c) {
  int64_t inner = 1;
  for (int i = 1; i < c->x[0]->dims.rank; i++) inner *= c->x[0]->dims.d[i];
  return ((const cn_slice_rows_args *)c->args)->start * inner;
}
static cn_code slice_rows_forward(const cn_call *c) {
  memcpy(c->y[0]->data, (const char *)c->x[0]->data + (size_t)slice_rows_offset(c) * cni_width_of(c), (size_t)c->y[0]->count * cni_width_of(c));
  return CN_OK;
}
CNI_VJP(slice_rows) {
  (void)want;
  const int64_t start[CN_MAX_RANK] = { ((const cn_slice_rows_args *)n->args)->start };
  gx[0] = placed(g, gy[0], &n->x[0]->dims, start, &n->y[0]->dims);
}
static void slice_rows_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][slice_rows_offset(r->call) + i];
}
CN_OP(slice_rows, CN_LIST_SLICE_ROWS, .outputs = 1, .flags = CN_OP_VIEW, .infer = slice_rows_infer, .offset = slice_rows_offset, .forward = slice_rows_forward,
      .vjp = slice_rows_vjp, .reference = slice_rows_reference,
      .samples = CN_TEXTS("f[5,3], start=1, size=2", "f[4], size=4", "f[4], start=4, size=0", "f[40,3], start=7, size=30"),
      .rejects = CN_TEXTS("f[4], start=2, size=5 => 5 elements from 2 on are not within axis 0 of size 4", "f[], size=0 => no axis",
                          "f[3], start=-1, size=1 => start"));

cn_tensor *cn_slice_run(const cn_slice_args *o) {
  bool rows = o->inputs && cni_given(o->inputs) && cn_rank(o->inputs) >= 1 && o->shape.n == cn_rank(o->inputs) && o->start_indices.n == o->shape.n &&
              o->start_indices.v[0] >= 0 && o->shape.v[0] >= 0;
  for (int i = 1; rows && i < o->shape.n; i++) rows = o->start_indices.v[i] == 0 && o->shape.v[i] == o->inputs->dims.d[i];
  if (!rows) return cn_apply(o->graph, &cn_op_slice, o)[0];
  const cn_slice_rows_args a = { o->graph, o->inputs, o->start_indices.v[0], o->shape.v[0] };
  return cn_apply(o->graph, &cn_op_slice_rows, &a)[0];
}

/* ---- slice_update ---- */
static cn_code slice_update_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "inputs and updates differ in dtype");
  if (part_of(c->graph, &c->x[0]->dims, ((const cn_slice_update_args *)c->args)->start_indices, &c->x[1]->dims)) return CN_SHAPE;
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}
static cn_code slice_update_forward(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims, *part = &c->x[1]->dims;
  const size_t width = cni_width_of(c), first = (size_t)first_of(x, ((const cn_slice_update_args *)c->args)->start_indices) * width;
  int64_t to[CN_MAX_RANK], from[CN_MAX_RANK];
  cni_loops l = { .rank = 0 };
  memcpy(c->y[0]->data, c->x[0]->data, (size_t)c->x[0]->count * width);
  cni_strides(x, to);
  cni_strides(part, from);
  for (int i = 0; i < x->rank; i++) cni_loop(&l, part->d[i], to[i], from[i]);
  if (c->x[1]->count) cni_copy(c->graph, width, &l, (char *)c->y[0]->data + first, c->x[1]->data);
  return CN_OK;
}
CNI_VJP(slice_update) {
  const cn_slice_update_args *o = n->args;
  if (want[0]) {
    const cn_slice_update_args a = { g, gy[0], cni_zeros_for(g, n->x[1]), o->start_indices };
    gx[0] = cn_apply(g, &cn_op_slice_update, &a)[0];
  }
  if (want[1]) {
    const cn_slice_args a = { g, gy[0], o->start_indices, cni_sizes(&n->x[1]->dims) };
    gx[1] = cn_slice_run(&a);
  }
}
static void slice_update_reference(const cn_reference *r) {
  const cn_slice_update_args *o = r->call->args;
  int64_t at[CN_MAX_RANK] = { 0 }, to[CN_MAX_RANK];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][i];
  for (int64_t i = 0; i < r->call->x[1]->count; i++, cni_next(&r->call->x[1]->dims, at)) {
    for (int d = 0; d < r->call->x[0]->dims.rank; d++) to[d] = at[d] + o->start_indices.v[d];
    r->y[0][cni_flat(&r->call->x[0]->dims, to)] = r->x[1][i];
  }
}
CN_OP(slice_update, CN_LIST_SLICE_UPDATE, .outputs = 1, .infer = slice_update_infer, .forward = slice_update_forward, .vjp = slice_update_vjp,
      .reference = slice_update_reference,
      .samples = CN_TEXTS("f[4,5], f[2,3], start_indices=[1,2]", "f[2,3,2], f[2,1,2], start_indices=[0,2,0]", "f[3], f[0], start_indices=[3]",
                          "f[], f[], start_indices=[]"),
      .rejects = CN_TEXTS("f[3], f[4], start_indices=[0] => 4 elements from 0 on are not within axis 0 of size 3",
                          "f[3], i[1]@0:1, start_indices=[0] => differ in dtype"));

/* ---- pad ---- */
typedef enum { MODE_CONSTANT, MODE_REFLECT, MODE_SYMMETRIC, MODES } pad_mode;
static const char *const mode_names[MODES] = { "constant", "reflect", "symmetric" };
static bool find_mode(cn_graph *g, const char *name, pad_mode *mode) {
  for (int i = 0; i < MODES; i++)
    if (name && !strcmp(name, mode_names[i])) return *mode = (pad_mode)i, true;
  cn_fail(g, CN_VALUE, "unknown mode \"%s\"; constant, reflect and symmetric exist", name ? name : "");
  return false;
}
/* Widths of each axis: before in w[2 i], behind in w[2 i + 1]. */
static bool pad_widths(cn_graph *g, cn_ints given, int rank, int64_t *w) {
  if (given.n != 2 * rank && given.n != 2 && given.n != 1) {
    cn_fail(g, CN_SHAPE, "pad_width has %lld entries for rank %d", (long long)given.n, rank);
    return false;
  }
  for (int i = 0; i < 2 * rank; i++) {
    w[i] = given.v[given.n == 1 ? 0 : given.n == 2 ? i % 2 : i];
    if (w[i] >= 0) continue;
    cn_fail(g, CN_VALUE, "pad_width must not be negative, got %lld", (long long)w[i]);
    return false;
  }
  return true;
}
/* Whether a mirror of mode `m` has enough elements on an axis of n. */
static cn_code mirror_fits(cn_graph *g, pad_mode m, int axis, int64_t n, const int64_t *w) {
  const int64_t most = m == MODE_CONSTANT ? INT64_MAX : m == MODE_REFLECT ? (n > 0 ? n - 1 : 0) : n;
  const int64_t wide = w[0] > w[1] ? w[0] : w[1];
  if (wide <= most || n == CN_UNKNOWN) return CN_OK;
  return cn_fail(g, CN_VALUE, "mode %s adds at most %lld elements to axis %d of size %lld, got %lld", mode_names[m], (long long)most, axis, (long long)n,
                 (long long)wide);
}

static cn_code pad_infer(const cn_call *c) {
  const cn_pad_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  int64_t w[2 * CN_MAX_RANK];
  pad_mode m;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!find_mode(c->graph, o->mode, &m) || !pad_widths(c->graph, o->pad_width, y.rank, w)) return CN_VALUE;
  for (int i = 0; i < y.rank; i++) {
    if (mirror_fits(c->graph, m, i, y.d[i], w + 2 * i)) return CN_VALUE;
    if (y.d[i] != CN_UNKNOWN) y.d[i] += w[2 * i] + w[2 * i + 1];
  }
  return cni_sig_like(c, &y), CN_OK;
}

/* Of the 3 parts of an axis (before, the middle, behind), what loops over them: n elements, from `to` in the padded and `from` in the plain axis, whose step is
 * +1 or -1. */
typedef struct { int64_t n, to, from, step; } piece;
static piece piece_of(pad_mode m, int part, int64_t n, const int64_t *w) {
  const int64_t edge = m == MODE_REFLECT;
  if (part == 0) return (piece){ n, w[0], 0, 1 };
  if (m == MODE_CONSTANT) return (piece){ 0, 0, 0, 1 };
  if (part == 1) return (piece){ w[0], 0, w[0] - 1 + edge, -1 };
  return (piece){ w[1], w[0] + n, n - 1 - edge, -1 };
}
/* Calls `each` with the loops of every combination of parts that is not empty. */
typedef void (*piece_visit)(void *context, const cni_loops *l, int64_t to, int64_t from);
static void visit_pieces(pad_mode m, const cn_dims *plain, const cn_dims *padded, const int64_t *w, piece_visit each, void *context) {
  int64_t to_steps[CN_MAX_RANK], from_steps[CN_MAX_RANK], all = 1;
  cni_strides(padded, to_steps);
  cni_strides(plain, from_steps);
  for (int i = 0; i < plain->rank && m != MODE_CONSTANT; i++) all *= 3;
  for (int64_t combination = 0; combination < all; combination++) {
    cni_loops l = { .rank = 0 };
    int64_t rest = combination, to = 0, from = 0, count = 1;
    for (int i = 0; i < plain->rank; i++, rest /= 3) {
      const piece p = piece_of(m, (int)(rest % 3), plain->d[i], w + 2 * i);
      cni_loop(&l, p.n, to_steps[i], p.step * from_steps[i]);
      to += p.to * to_steps[i];
      from += p.from * from_steps[i];
      count *= p.n;
    }
    if (count) each(context, &l, to, from);
  }
}
typedef struct { cn_graph *g; char *to; const char *from; size_t width; } copying;
static void copy_piece(void *context, const cni_loops *l, int64_t to, int64_t from) {
  const copying *k = context;
  cni_copy(k->g, k->width, l, k->to + to * (int64_t)k->width, k->from + from * (int64_t)k->width);
}
/* What stands around the middle: before and behind it along each axis, within the middle of the axes in front. */
static void fill_around(const cn_call *c, const int64_t *w, double value) {
  const cn_dims *x = &c->x[0]->dims, *y = &c->y[0]->dims;
  int64_t steps[CN_MAX_RANK], bytes = 0, first = 0;
  cn_tensor one = *c->y[0];
  one.data = &bytes;
  cni_value_set(&one, 0, value);
  cni_strides(y, steps);
  for (int i = 0; i < x->rank; first += w[2 * i] * steps[i], i++)
    for (int side = 0; side < 2; side++) {
      cni_loops l = { .rank = 0 };
      for (int k = 0; k < x->rank; k++) cni_loop(&l, k < i ? x->d[k] : k == i ? w[2 * i + side] : y->d[k], steps[k], 0);
      const int64_t at = first + (side ? (w[2 * i] + x->d[i]) * steps[i] : 0);
      cni_copy(c->graph, cni_width_of(c), &l, (char *)c->y[0]->data + at * (int64_t)cni_width_of(c), &bytes);
    }
}
static cn_code pad_forward(const cn_call *c) {
  const cn_pad_args *o = c->args;
  int64_t w[2 * CN_MAX_RANK];
  pad_mode m = MODE_CONSTANT;
  find_mode(c->graph, o->mode, &m);
  pad_widths(c->graph, o->pad_width, c->x[0]->dims.rank, w);
  if (m == MODE_CONSTANT) fill_around(c, w, o->constant_values == o->constant_values ? o->constant_values : 0);
  copying k = { c->graph, c->y[0]->data, c->x[0]->data, cni_width_of(c) };
  visit_pieces(m, &c->x[0]->dims, &c->y[0]->dims, w, copy_piece, &k);
  return CN_OK;
}
CNI_VJP(pad) {
  (void)want;
  const cn_pad_args *o = n->args;
  int64_t w[2 * CN_MAX_RANK], start[CN_MAX_RANK];
  const int rank = n->x[0]->dims.rank;
  if (strcmp(o->mode, "constant")) {
    const cn_fold_pad_args a = { g, gy[0], o->pad_width, o->mode };
    gx[0] = cn_apply(g, &cn_op_fold_pad, &a)[0];
    return;
  }
  pad_widths(g, o->pad_width, rank, w);
  for (int i = 0; i < rank; i++) start[i] = w[2 * i];
  const cn_slice_args a = { g, gy[0], { start, rank }, cni_sizes(&n->x[0]->dims) };
  gx[0] = cn_slice_run(&a);
}
/* Place in the plain axis of place i in the padded one, -1 outside; by walking. */
static int64_t mirrored(pad_mode m, int64_t i, int64_t n, int64_t before) {
  int64_t k = i - before;
  if (k >= 0 && k < n) return k;
  if (m == MODE_CONSTANT) return -1;
  if (k < 0) return m == MODE_REFLECT ? -k : -k - 1;
  return m == MODE_REFLECT ? 2 * n - 2 - k : 2 * n - 1 - k;
}
static int64_t plain_place(pad_mode m, const cn_dims *plain, const int64_t *w, const int64_t *at) {
  int64_t from[CN_MAX_RANK];
  for (int i = 0; i < plain->rank; i++)
    if ((from[i] = mirrored(m, at[i], plain->d[i], w[2 * i])) < 0) return -1;
  return cni_flat(plain, from);
}
static void pad_reference(const cn_reference *r) {
  const cn_pad_args *o = r->call->args;
  int64_t w[2 * CN_MAX_RANK], at[CN_MAX_RANK] = { 0 };
  pad_mode m = MODE_CONSTANT;
  find_mode(r->call->graph, o->mode, &m);
  pad_widths(r->call->graph, o->pad_width, r->call->x[0]->dims.rank, w);
  for (int64_t i = 0; i < r->call->y[0]->count; i++, cni_next(&r->call->y[0]->dims, at)) {
    const int64_t k = plain_place(m, &r->call->x[0]->dims, w, at);
    r->y[0][i] = k >= 0 ? r->x[0][k] : o->constant_values == o->constant_values ? o->constant_values : 0;
  }
}
CN_OP(pad, CN_LIST_PAD, .outputs = 1, .infer = pad_infer, .forward = pad_forward, .vjp = pad_vjp, .reference = pad_reference,
      .samples = CN_TEXTS("f[3,4], pad_width=[[1,2],[0,1]]", "f[4], pad_width=[2,3], mode=reflect", "f[3,4], pad_width=[[1,2],[2,1]], mode=symmetric",
                          "f[2,3], pad_width=[[0,0],[1,1]], constant_values=-1.5", "f[2,3], pad_width=[1]", "f[], pad_width=[]",
                          "f[0,2], pad_width=[[1,1],[0,0]]", "i[3]@0:5, pad_width=[1,1], constant_values=7"),
      .rejects = CN_TEXTS("f[3], pad_width=[3,0], mode=reflect => mode reflect adds at most 2 elements to axis 0 of size 3, got 3",
                          "f[3], pad_width=[1,1], mode=nosuch => unknown mode \"nosuch\"", "f[3], pad_width=[-1,1] => must not be negative",
                          "f[3], pad_width=[1,2,3] => pad_width has 3 entries for rank 1"));

/* ---- fold_pad ---- */
static cn_code fold_pad_infer(const cn_call *c) {
  const cn_fold_pad_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  int64_t w[2 * CN_MAX_RANK];
  pad_mode m;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!find_mode(c->graph, o->mode, &m) || !pad_widths(c->graph, o->pad_width, y.rank, w)) return CN_VALUE;
  for (int i = 0; i < y.rank; i++) {
    if (y.d[i] == CN_UNKNOWN) continue;
    y.d[i] -= w[2 * i] + w[2 * i + 1];
    if (y.d[i] < 0) return cn_fail(c->graph, CN_SHAPE, "axis %d of size %lld is less than its padding", i, (long long)c->x[0]->dims.d[i]);
    if (mirror_fits(c->graph, m, i, y.d[i], w + 2 * i)) return CN_VALUE;
  }
  return cni_sig_like(c, &y), CN_OK;
}
typedef struct { const cn_tensor *x; cn_tensor *y; } folding;
static void add_piece(void *context, const cni_loops *l, int64_t to, int64_t from) {
  const folding *f = context;
  int64_t at[CNI_LOOPS] = { 0 }, count = 1;
  for (int i = 0; i < l->rank; i++) count *= l->n[i];
  for (int64_t k = 0; k < count; k++) {
    if (f->x->dtype == CN_F64) ((double *)f->y->data)[from] += ((const double *)f->x->data)[to];
    else ((float *)f->y->data)[from] += ((const float *)f->x->data)[to];
    for (int i = l->rank - 1; i >= 0; i--) {
      to += l->to[i];
      from += l->from[i];
      if (++at[i] < l->n[i]) break;
      to -= l->n[i] * l->to[i];
      from -= l->n[i] * l->from[i];
      at[i] = 0;
    }
  }
}
static cn_code fold_pad_forward(const cn_call *c) {
  const cn_fold_pad_args *o = c->args;
  int64_t w[2 * CN_MAX_RANK];
  pad_mode m = MODE_REFLECT;
  find_mode(c->graph, o->mode, &m);
  pad_widths(c->graph, o->pad_width, c->x[0]->dims.rank, w);
  folding f = { c->x[0], c->y[0] };
  memset(c->y[0]->data, 0, (size_t)c->y[0]->count * cni_width_of(c));
  visit_pieces(m, &c->y[0]->dims, &c->x[0]->dims, w, add_piece, &f);
  return CN_OK;
}
CNI_VJP(fold_pad) {
  (void)want;
  const cn_fold_pad_args *o = n->args;
  const cn_pad_args a = { g, gy[0], o->pad_width, o->mode, CN_NONE_REAL };
  gx[0] = cn_apply(g, &cn_op_pad, &a)[0];
}
static void fold_pad_reference(const cn_reference *r) {
  const cn_fold_pad_args *o = r->call->args;
  int64_t w[2 * CN_MAX_RANK], at[CN_MAX_RANK] = { 0 };
  pad_mode m = MODE_REFLECT;
  find_mode(r->call->graph, o->mode, &m);
  pad_widths(r->call->graph, o->pad_width, r->call->x[0]->dims.rank, w);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(&r->call->x[0]->dims, at)) {
    const int64_t k = plain_place(m, &r->call->y[0]->dims, w, at);
    if (k >= 0) r->y[0][k] += r->x[0][i];
  }
}
CN_OP(fold_pad, CN_LIST_FOLD_PAD, .outputs = 1, .infer = fold_pad_infer, .forward = fold_pad_forward, .vjp = fold_pad_vjp, .reference = fold_pad_reference,
      .samples = CN_TEXTS("f[9], pad_width=[2,3]", "f[6,7], pad_width=[[1,2],[2,1]], mode=symmetric", "f[4,3], pad_width=[[1,1],[0,0]]"),
      .rejects = CN_TEXTS("f[3], pad_width=[2,2] => axis 0 of size 3 is less than its padding",
                          "f[6], pad_width=[2,2] => mode reflect adds at most 1 elements"));

const cn_op *const cni_ops_slice[] = { &cn_op_slice, &cn_op_slice_rows, &cn_op_slice_update, &cn_op_pad, &cn_op_fold_pad, NULL };
