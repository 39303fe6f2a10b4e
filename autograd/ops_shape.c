/* Views of another shape, and copies in another order. */
#include "ops_shape.h"
#include "ops_layout_private.h"
#include "ops_private.h"

#define MOVES "s[2] => string"

/* ---- views ---- */
static cn_code view_forward(const cn_call *c) { /* where an engine cannot share memory */
  memcpy(c->y[0]->data, c->x[0]->data, (size_t)c->x[0]->count * cni_width_of(c));
  return CN_OK;
}
static void view_reference(const cn_reference *r) { memcpy(r->y[0], r->x[0], (size_t)r->call->y[0]->count * sizeof(double)); }
static void view_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  (void)want;
  gx[0] = cni_to_shape(g, gy[0], &n->x[0]->dims);
}
#define VIEW_OP .outputs = 1, .flags = CN_OP_VIEW, .forward = view_forward, .vjp = view_vjp, .reference = view_reference

static cn_code reshape_misfit(const cn_call *c, cn_ints to) {
  char a[CNI_TEXT], b[CNI_TEXT];
  return cn_fail(c->graph, CN_SHAPE, "%s does not fit into %s", cn_dims_text(&c->x[0]->dims, a, sizeof a), cni_ints_text(to, b));
}

static cn_code reshape_infer(const cn_call *c) {
  const cn_ints to = ((const cn_reshape_args *)c->args)->newshape;
  const cn_dims *x = &c->x[0]->dims;
  cn_dims *y = &c->sig[0].dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (to.n < 0 || to.n > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "newshape has %lld sizes, at most %d are possible", (long long)to.n, CN_MAX_RANK);
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  y->rank = (int)to.n;
  int64_t known = 1, rest = -1;
  bool unknown = false;
  for (int i = 0; i < y->rank; i++) {
    const int64_t n = to.v[i];
    y->d[i] = n;
    if (n == CN_UNKNOWN) unknown = true;
    else if (n == -1 && rest < 0) rest = i;
    else if (n < 0) return reshape_misfit(c, to);
    else if (__builtin_mul_overflow(known, n, &known)) return reshape_misfit(c, to);
  }
  const int64_t count = cn_dims_count(x);
  if (rest >= 0) y->d[rest] = count < 0 || unknown ? CN_UNKNOWN : known ? count / known : 0;
  if (count < 0 || unknown) return CN_OK;
  if (rest >= 0 ? !known || count % known : count != known) return reshape_misfit(c, to);
  return CN_OK;
}
CN_OP(reshape, CN_LIST_RESHAPE, VIEW_OP, .infer = reshape_infer,
      .samples = CN_TEXTS("f[3,4], newshape=[4,3]", "f[6], newshape=[-1,2]", "f[1], newshape=[]", "f[], newshape=[1,1]", "f[0,3], newshape=[3,0]",
                          "f[2,3,4], newshape=[2,1,3,4,1]"),
      .rejects = CN_TEXTS("f[3,4], newshape=[-1,5] => [3,4] does not fit into [-1,5]", "f[4], newshape=[5] => does not fit",
                          "f[4], newshape=[-1,-1] => does not fit"));

static cn_code ravel_infer(const cn_call *c) {
  const int64_t count = cn_dims_count(&c->x[0]->dims);
  const cn_dims y = { 1, { count < 0 ? CN_UNKNOWN : count } };
  if (cni_refuse_strings(c)) return CN_DTYPE;
  return cni_sig_like(c, &y), CN_OK;
}
CN_OP(ravel, CN_LIST_X, VIEW_OP, .infer = ravel_infer, .samples = CN_TEXTS("f[3,4]", "f[]", "f[0,3]"), .rejects = CN_TEXTS(MOVES));

static cn_code expand_dims_infer(const cn_call *c) {
  const cn_ints axis = ((const cn_expand_dims_args *)c->args)->axis;
  const cn_dims *x = &c->x[0]->dims;
  const int64_t rank = x->rank + axis.n;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (axis.n < 0) return cn_fail(c->graph, CN_VALUE, "axis is missing");
  if (rank > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the result would have rank %lld, at most %d is possible", (long long)rank, CN_MAX_RANK);
  uint32_t bits;
  if (!cni_axes(c->graph, axis, (int)rank, &bits)) return CN_INDEX;
  cn_dims y = { (int)rank, { 0 } };
  for (int i = 0, k = 0; i < y.rank; i++) y.d[i] = bits & 1u << i ? 1 : x->d[k++];
  return cni_sig_like(c, &y), CN_OK;
}
CN_OP(expand_dims, CN_LIST_EXPAND_DIMS, VIEW_OP, .infer = expand_dims_infer,
      .samples = CN_TEXTS("f[3,4], axis=[0]", "f[3], axis=[1]", "f[2,3], axis=[-2]", "f[], axis=[0]", "f[2,3], axis=[0,-1]"),
      .rejects = CN_TEXTS("f[3], axis=[3] => axis 3 is out of range for rank 2", "f[3], axis=[1,1] => given twice"));

static cn_code squeeze_infer(const cn_call *c) {
  const cn_ints axis = ((const cn_squeeze_args *)c->args)->axis;
  const cn_dims *x = &c->x[0]->dims;
  uint32_t bits;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!cni_axes(c->graph, axis, x->rank, &bits)) return CN_INDEX;
  cn_dims y = { .rank = 0 };
  for (int i = 0; i < x->rank; i++) {
    const bool one = x->d[i] == 1 || (axis.n >= 0 && x->d[i] == CN_UNKNOWN);
    if (bits & 1u << i && !one && axis.n >= 0) return cn_fail(c->graph, CN_SHAPE, "axis %d has size %lld, not 1", i, (long long)x->d[i]);
    if (!(bits & 1u << i) || !one) y.d[y.rank++] = x->d[i];
  }
  return cni_sig_like(c, &y), CN_OK;
}
CN_OP(squeeze, CN_LIST_SQUEEZE, VIEW_OP, .infer = squeeze_infer,
      .samples = CN_TEXTS("f[1,3,1]", "f[1,3]", "f[1,3,1], axis=[-1]", "f[1,1]", "f[3,0,1], axis=[2]", "f[]"),
      .rejects = CN_TEXTS("f[2,3], axis=[0] => axis 0 has size 2, not 1", "f[2], axis=[1] => axis 1 is out of range"));

/* ---- broadcast_to ---- */
static cn_code broadcast_to_infer(const cn_call *c) {
  const cn_ints to = ((const cn_broadcast_to_args *)c->args)->shape;
  const cn_dims *x = &c->x[0]->dims;
  char a[CNI_TEXT], b[CNI_TEXT];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  bool fits = to.n >= x->rank && to.n <= CN_MAX_RANK;
  cn_dims y = { fits ? (int)to.n : 0, { 0 } };
  for (int i = 0; i < y.rank && fits; i++) {
    const int k = i - y.rank + x->rank;
    const int64_t have = k < 0 ? 1 : x->d[k];
    y.d[i] = to.v[i] == CN_UNKNOWN && have != 1 ? have : to.v[i];
    fits = y.d[i] == have || (have == 1 && y.d[i] >= 0) || (have == CN_UNKNOWN && y.d[i] >= 0) || y.d[i] == CN_UNKNOWN;
  }
  if (!fits) return cn_fail(c->graph, CN_SHAPE, "%s does not broadcast to %s", cn_dims_text(x, a, sizeof a), cni_ints_text(to, b));
  return cni_sig_like(c, &y), CN_OK;
}

static cn_code broadcast_to_forward(const cn_call *c) {
  cni_repeat(c->graph, cni_width_of(c), &c->y[0]->dims, c->y[0]->data, &c->x[0]->dims, c->x[0]->data);
  return CN_OK;
}
CNI_VJP(broadcast_to) {
  (void)g, (void)n, (void)want;
  gx[0] = gy[0];
}

static int64_t broadcast_to_source(const cn_call *c, const int64_t *at) {
  const cn_dims *x = &c->x[0]->dims;
  const int front = c->y[0]->dims.rank - x->rank;
  int64_t from[CN_MAX_RANK];
  for (int i = 0; i < x->rank; i++) from[i] = x->d[i] == 1 ? 0 : at[front + i];
  return cni_flat(x, from);
}
CNI_PICKED(broadcast_to)
CN_OP(broadcast_to, CN_LIST_BROADCAST_TO, .outputs = 1, .flags = CN_OP_BROADCASTS, .infer = broadcast_to_infer, .forward = broadcast_to_forward,
      .vjp = broadcast_to_vjp, .reference = broadcast_to_reference,
      .samples = CN_TEXTS("f[3], shape=[2,3]", "f[1,1], shape=[2,3]", "f[2,1,3], shape=[4,2,2,3]", "f[], shape=[2]", "f[1,3], shape=[0,3]", "f[3], shape=[3]",
                          "f[2,1], shape=[2,17]"),
      .rejects = CN_TEXTS("f[3], shape=[3,2] => [3] does not broadcast to [3,2]", "f[2,3], shape=[3] => does not broadcast"));

/* ---- permutations: axis order[k] of x becomes axis k ---- */
static bool transpose_order(cn_graph *g, const void *args, int rank, int *order) {
  const cn_ints axes = ((const cn_transpose_args *)args)->axes;
  uint32_t bits;
  if (axes.n >= 0 && axes.n != rank) {
    cn_fail(g, CN_SHAPE, "axes has %lld entries for rank %d", (long long)axes.n, rank);
    return false;
  }
  if (!cni_axes(g, axes, rank, &bits)) return false;
  for (int i = 0; i < rank; i++) order[i] = axes.n < 0 ? rank - 1 - i : cni_wrap(axes.v[i], rank);
  return true;
}

static bool swapaxes_order(cn_graph *g, const void *args, int rank, int *order) {
  const cn_swapaxes_args *o = args;
  const int a = cn_axis(g, o->axis1, rank), b = a < 0 ? -1 : cn_axis(g, o->axis2, rank);
  if (b < 0) return false;
  for (int i = 0; i < rank; i++) order[i] = i == a ? b : i == b ? a : i;
  return true;
}

static bool moveaxis_order(cn_graph *g, const void *args, int rank, int *order) {
  const cn_moveaxis_args *o = args;
  uint32_t from, to;
  if (o->source.n != o->destination.n || o->source.n < 0) {
    cn_fail(g, CN_VALUE, "source has %lld axes, destination %lld", (long long)o->source.n, (long long)o->destination.n);
    return false;
  }
  if (!cni_axes(g, o->source, rank, &from) || !cni_axes(g, o->destination, rank, &to)) return false;
  for (int64_t i = 0; i < o->source.n; i++) order[cni_wrap(o->destination.v[i], rank)] = cni_wrap(o->source.v[i], rank);
  for (int i = 0, k = 0; i < rank; i++) {
    if (from & 1u << i) continue;
    while (to & 1u << k) k++;
    order[k++] = i;
  }
  return true;
}

static cn_code permute_infer(const cn_call *c, bool (*find)(cn_graph *g, const void *args, int rank, int *order)) {
  int order[CN_MAX_RANK];
  const cn_dims *x = &c->x[0]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!find(c->graph, c->args, x->rank, order)) return CN_INDEX;
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  c->sig[0].dims.rank = x->rank;
  for (int i = 0; i < x->rank; i++) c->sig[0].dims.d[i] = x->d[order[i]];
  return CN_OK;
}

static cn_code permute_forward(const cn_call *c, const int *order) {
  const cn_dims *x = &c->x[0]->dims;
  int64_t steps[CN_MAX_RANK], from[CN_MAX_RANK];
  cni_strides(x, steps);
  for (int i = 0; i < x->rank; i++) from[i] = steps[order[i]];
  cni_gather(c->graph, cni_width_of(c), &c->y[0]->dims, c->y[0]->data, c->x[0]->data, from);
  return CN_OK;
}

#define PERMUTATION(op)                                                                \
  static cn_code op##_infer(const cn_call *c) { return permute_infer(c, op##_order); } \
  static cn_code op##_forward(const cn_call *c) {                                      \
    int order[CN_MAX_RANK];                                                            \
    op##_order(c->graph, c->args, c->x[0]->dims.rank, order);                          \
    return permute_forward(c, order);                                                  \
  }                                                                                    \
  static int64_t op##_source(const cn_call *c, const int64_t *at) {                    \
    int order[CN_MAX_RANK];                                                            \
    int64_t from[CN_MAX_RANK];                                                         \
    op##_order(c->graph, c->args, c->x[0]->dims.rank, order);                          \
    for (int i = 0; i < c->x[0]->dims.rank; i++) from[order[i]] = at[i];               \
    return cni_flat(&c->x[0]->dims, from);                                                 \
  }                                                                                    \
  CNI_PICKED(op)
PERMUTATION(transpose)
PERMUTATION(swapaxes)
PERMUTATION(moveaxis)
#define PERMUTATION_OP(op) .outputs = 1, .infer = op##_infer, .forward = op##_forward, .vjp = op##_vjp, .reference = op##_reference

CNI_VJP(transpose) {
  (void)want;
  const cn_transpose_args *o = n->args;
  const int rank = n->x[0]->dims.rank;
  int64_t inverse[CN_MAX_RANK];
  for (int i = 0; i < rank && o->axes.n >= 0; i++) inverse[cni_wrap(o->axes.v[i], rank)] = i;
  const cn_transpose_args a = { g, gy[0], o->axes.n < 0 ? o->axes : (cn_ints){ inverse, rank } };
  gx[0] = cn_apply(g, &cn_op_transpose, &a)[0];
}
CN_OP(transpose, CN_LIST_TRANSPOSE, PERMUTATION_OP(transpose),
      .samples = CN_TEXTS("f[3,4]", "f[2,3,4], axes=[2,0,1]", "f[2,3,2,2], axes=[0,3,1,2]", "f[5]", "f[]", "f[0,3]", "f[17,33]", "f[2,3,4,5], axes=[0,2,1,-1]"),
      .rejects = CN_TEXTS("f[2,3], axes=[0,1,2] => axes has 3 entries for rank 2", "f[2,3], axes=[0,0] => given twice", "f[2,3], axes=[0,2] => out of range"));

CNI_VJP(swapaxes) {
  (void)want;
  const cn_swapaxes_args *o = n->args;
  const cn_swapaxes_args a = { g, gy[0], o->axis1, o->axis2 };
  gx[0] = cn_apply(g, &cn_op_swapaxes, &a)[0];
}
CN_OP(swapaxes, CN_LIST_SWAPAXES, PERMUTATION_OP(swapaxes),
      .samples = CN_TEXTS("f[2,3,4], axis1=0, axis2=-1", "f[2,3], axis1=1, axis2=1", "f[0,3], axis1=0, axis2=1"),
      .rejects = CN_TEXTS("f[2,3], axis1=0, axis2=2 => axis 2 is out of range for rank 2"));

CNI_VJP(moveaxis) {
  (void)want;
  const cn_moveaxis_args *o = n->args;
  const cn_moveaxis_args a = { g, gy[0], o->destination, o->source };
  gx[0] = cn_apply(g, &cn_op_moveaxis, &a)[0];
}
CN_OP(moveaxis, CN_LIST_MOVEAXIS, PERMUTATION_OP(moveaxis),
      .samples = CN_TEXTS("f[2,3,4], source=[0], destination=[2]", "f[2,3,4,2], source=[0,1], destination=[-1,-2]"),
      .rejects = CN_TEXTS("f[2,3], source=[0,1], destination=[0] => source has 2 axes, destination 1", "f[2], source=[1], destination=[0] => out of range"));

const cn_op *const cni_ops_shape[] = { &cn_op_reshape,  &cn_op_ravel,        &cn_op_expand_dims,
                                       &cn_op_squeeze,  &cn_op_broadcast_to, &cn_op_transpose,
                                       &cn_op_swapaxes, &cn_op_moveaxis,     NULL };
