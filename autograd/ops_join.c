/* Joining and splitting along an axis. Both see a tensor as [outer, n, inner]. */
#include "ops_join.h"
#include "ops_layout_private.h"
#include "ops.h"
#include "ops_private.h"
#include "../core/threads_private.h"

static cn_code differ(const cn_call *c, int64_t i) {
  char a[160], b[160];
  return cn_fail(c->graph, CN_SHAPE, "shapes of inputs 0 and %lld differ: %s and %s", (long long)i, cn_dims_text(&c->x[0]->dims, a, sizeof a),
                 cn_dims_text(&c->x[i]->dims, b, sizeof b));
}
static cn_code dtypes(const cn_call *c) {
  if (c->nx < 1) return cn_fail(c->graph, CN_VALUE, "needs at least one input");
  if (cni_refuse_strings(c)) return CN_DTYPE;
  for (int64_t i = 1; i < c->nx; i++)
    if (c->x[i]->dtype != c->x[0]->dtype)
      return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)c->x[0]->dtype), cn_dtype_name((cn_dtype)c->x[i]->dtype));
  return CN_OK;
}

/* Tensors that are parts [outer, ...] of `whole` [outer, row]: part i holds the elements start(i) .. of each row. */
typedef struct {
  const cn_call *c;
  cn_tensor *const *parts;
  int64_t count, outer, row;
  int64_t (*start)(const cn_call *c, int64_t i); /* NULL: one behind the other */
  char *whole;
  bool join;
} parting;

/* In blocks of rows that stay in the first cache, so that parts of few elements share the lines they stand in. */
static void move_parts(void *context, int64_t begin, int64_t end) {
  const parting *p = context;
  const size_t w = cni_width_of(p->c);
  const int64_t fit = (1 << 14) / (p->row * (int64_t)w), step = fit < 1 ? 1 : fit;
  for (int64_t o = begin; o < end; o += step) {
    const int64_t rows = end - o < step ? end - o : step;
    for (int64_t i = 0, at = 0; i < p->count; i++) {
      const int64_t n = p->parts[i]->count / p->outer;
      if (p->start) at = p->start(p->c, i);
      char *part = (char *)p->parts[i]->data + (size_t)(o * n) * w, *whole = p->whole + (size_t)(o * p->row + at) * w;
      if (p->join) cni_copy_plane(w, whole, part, rows, n, p->row, n);
      else cni_copy_plane(w, part, whole, rows, n, n, p->row);
      at += n;
    }
  }
}
static cn_code move_all(parting p) {
  if (p.outer && p.row) cni_parallel(p.c->graph, p.outer, CNI_GRAIN / p.row + 1, move_parts, &p);
  return CN_OK;
}
/* Joins the inputs, each of its size along the axis, into y [outer, total, inner]. */
static cn_code join(const cn_call *c, int axis) {
  const cni_runs r = cni_axis_runs(&c->y[0]->dims, axis);
  return move_all((parting){ c, c->x, c->nx, r.outer, r.n * r.inner, NULL, c->y[0]->data, true });
}
static void join_reference(const cn_reference *r, int axis, bool stacked) {
  const cni_runs y = cni_axis_runs(&r->call->y[0]->dims, axis);
  int64_t start = 0;
  for (int64_t i = 0; i < r->call->nx; i++) {
    const int64_t n = stacked ? 1 : r->call->x[i]->dims.d[axis];
    for (int64_t k = 0; k < y.outer * n * y.inner; k++) {
      const int64_t o = k / (n * y.inner), rest = k % (n * y.inner);
      r->y[0][o * y.n * y.inner + start * y.inner + rest] = r->x[i][k];
    }
    start += n;
  }
}

/* ---- concatenate ---- */
static int concatenate_axis(const cn_call *c) { return cni_wrap(((const cn_concatenate_args *)c->args)->axis, c->x[0]->dims.rank); }
static cn_code concatenate_infer(const cn_call *c) {
  const cn_code code = dtypes(c);
  if (code != CN_OK) return code;
  const int axis = cn_axis(c->graph, ((const cn_concatenate_args *)c->args)->axis, c->x[0]->dims.rank);
  if (axis < 0) return CN_INDEX;
  cni_sig_like(c, &c->x[0]->dims);
  cn_dims *y = &c->sig[0].dims;
  for (int64_t i = 1; i < c->nx; i++) {
    const cn_dims *x = &c->x[i]->dims;
    if (x->rank != y->rank) return differ(c, i);
    for (int k = 0; k < y->rank; k++) {
      if (k == axis) continue;
      if (y->d[k] == CN_UNKNOWN) y->d[k] = x->d[k];
      else if (x->d[k] != CN_UNKNOWN && x->d[k] != y->d[k]) return differ(c, i);
    }
    y->d[axis] = y->d[axis] == CN_UNKNOWN || x->d[axis] == CN_UNKNOWN ? CN_UNKNOWN : y->d[axis] + x->d[axis];
  }
  return CN_OK;
}
static cn_code concatenate_forward(const cn_call *c) { return join(c, concatenate_axis(c)); }
CNI_VJP(concatenate) {
  const int64_t axis = cni_wrap(((const cn_concatenate_args *)n->args)->axis, n->x[0]->dims.rank);
  int64_t start[CN_MAX_RANK] = { 0 };
  for (int32_t i = 0; i < n->nx; i++) {
    const cn_ints from = { start, n->x[i]->dims.rank };
    if (want[i]) gx[i] = cn_slice(g, gy[0], .start_indices = from, .shape = cni_sizes(&n->x[i]->dims));
    start[axis] += n->x[i]->dims.d[axis];
  }
}
static void concatenate_reference(const cn_reference *r) { join_reference(r, concatenate_axis(r->call), false); }
CN_OP(concatenate, CN_LIST_CONCATENATE, .outputs = 1, .infer = concatenate_infer, .forward = concatenate_forward, .vjp = concatenate_vjp,
      .reference = concatenate_reference,
      .samples = CN_TEXTS("{f[2,3], f[1,3]}", "{f[2,3], f[2,1], f[2,2]}, axis=-1", "{f[2,3]}", "{f[0,3], f[2,3]}", "{i[2]@0:3, i[3]@0:3}",
                          "{f[2,1,3], f[2,2,3]}, axis=1"),
      .rejects = CN_TEXTS("{f[2,3], f[1,4]} => shapes of inputs 0 and 1 differ: [2,3] and [1,4]", "{f[2], i[2]@0:3} => dtypes differ",
                          "{f[2], f[2]}, axis=1 => axis 1 is out of range for rank 1"));

/* ---- stack ---- */
static int stack_axis(const cn_call *c) { return cni_wrap(((const cn_stack_args *)c->args)->axis, c->x[0]->dims.rank + 1); }
static cn_code stack_infer(const cn_call *c) {
  const cn_code code = dtypes(c);
  if (code != CN_OK) return code;
  const cn_dims *x = &c->x[0]->dims;
  if (x->rank == CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  const int axis = cn_axis(c->graph, ((const cn_stack_args *)c->args)->axis, x->rank + 1);
  if (axis < 0) return CN_INDEX;
  for (int64_t i = 1; i < c->nx; i++) {
    if (c->x[i]->dims.rank != x->rank) return differ(c, i);
    for (int k = 0; k < x->rank; k++)
      if (c->x[i]->dims.d[k] != x->d[k] && c->x[i]->dims.d[k] != CN_UNKNOWN && x->d[k] != CN_UNKNOWN) return differ(c, i);
  }
  cn_dims y = { x->rank + 1, { 0 } };
  for (int k = 0; k < y.rank; k++) y.d[k] = k < axis ? x->d[k] : k == axis ? c->nx : x->d[k - 1];
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code stack_forward(const cn_call *c) { return join(c, stack_axis(c)); }
/* One part, or parts that need no copy, are slices of gy. */
CNI_VJP(stack) {
  const int axis = cni_wrap(((const cn_stack_args *)n->args)->axis, n->x[0]->dims.rank + 1);
  int32_t wanted = 0;
  for (int32_t i = 0; i < n->nx; i++) wanted += want[i];
  const bool slices = wanted == 1 || axis == 0;
  cn_tensor *const *parts = slices ? NULL : cn_unstack(g, gy[0], .axis = axis);
  for (int32_t i = 0; i < n->nx && cn_ok(g); i++)
    if (want[i]) gx[i] = slices ? cni_to_shape(g, cni_part(g, gy[0], axis, i, 1), &n->x[i]->dims) : parts[i];
}
static void stack_reference(const cn_reference *r) { join_reference(r, stack_axis(r->call), true); }
CN_OP(stack, CN_LIST_STACK, .outputs = 1, .infer = stack_infer, .forward = stack_forward, .vjp = stack_vjp, .reference = stack_reference,
      .samples = CN_TEXTS("{f[2,3], f[2,3]}", "{f[2,3], f[2,3]}, axis=1", "{f[2,3], f[2,3]}, axis=-1", "{f[], f[]}", "{f[3]}", "{i[2]@0:3, i[2]@0:3}"),
      .rejects = CN_TEXTS("{f[2,3], f[1,3]} => shapes of inputs 0 and 1 differ: [2,3] and [1,3]", "{f[2], f[2]}, axis=2 => axis 2 is out of range for rank 2"));

/* ---- split ---- */
static int split_axis(const cn_call *c) { return cni_wrap(((const cn_split_args *)c->args)->axis, c->x[0]->dims.rank); }
static int64_t split_count(const cn_call *c) {
  const cn_ints s = ((const cn_split_args *)c->args)->indices_or_sections;
  const cn_dims *x = &c->x[0]->dims;
  if (cn_axis(c->graph, ((const cn_split_args *)c->args)->axis, x->rank) < 0) return -1;
  if (s.n != 1) return s.n < 0 ? (cn_fail(c->graph, CN_VALUE, "indices_or_sections is required"), -1) : cni_cut_parts(s);
  const int64_t n = x->d[split_axis(c)];
  if (s.v[0] > 0 && (n == CN_UNKNOWN || n % s.v[0] == 0)) return s.v[0];
  cn_fail(c->graph, CN_SHAPE, "axis %d of size %lld cannot be cut into %lld equal parts", split_axis(c), (long long)n, (long long)s.v[0]);
  return -1;
}
/* Part i: from .. to along the axis. */
static void split_part(const cn_call *c, int64_t i, int64_t *from, int64_t *to) {
  const cn_ints s = ((const cn_split_args *)c->args)->indices_or_sections;
  const int64_t n = c->x[0]->dims.d[split_axis(c)];
  *from = cni_cut_begin(s, n, i);
  *to = *from + cni_cut_size(s, n, i);
}
static cn_code split_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  for (int64_t i = 0; i < c->ny; i++) {
    int64_t from = 0, to = 0;
    c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, c->x[0]->dims };
    int64_t *d = &c->sig[i].dims.d[split_axis(c)];
    if (*d == CN_UNKNOWN) continue;
    split_part(c, i, &from, &to);
    *d = to - from;
  }
  return CN_OK;
}
static int64_t split_start(const cn_call *c, int64_t i) {
  int64_t from, to;
  split_part(c, i, &from, &to);
  return from * cni_axis_runs(&c->x[0]->dims, split_axis(c)).inner;
}
static cn_code split_forward(const cn_call *c) {
  const cni_runs r = cni_axis_runs(&c->x[0]->dims, split_axis(c));
  return move_all((parting){ c, c->y, c->ny, r.outer, r.n * r.inner, split_start, c->x[0]->data, false });
}
/* Each part's gradient between zeros; where the parts follow each other without gaps, simply joined. */
CNI_VJP(split) {
  (void)want;
  const int64_t axis = cni_wrap(((const cn_split_args *)n->args)->axis, n->x[0]->dims.rank);
  const cn_call c = { .graph = g, .op = n->op, .args = n->args, .x = n->x, .nx = n->nx };
  int64_t at = 0;
  bool gapless = true;
  cn_tensor **parts = cni_arena_take(g, cni_step_arena(g), (size_t)n->ny * sizeof *parts);
  for (int64_t i = 0; parts && i < n->ny; i++) {
    int64_t from, to;
    split_part(&c, i, &from, &to);
    gapless = gapless && from == at;
    at = to;
    parts[i] = gy[i] ? gy[i] : cni_zeros_for(g, n->y[i]);
  }
  if (!parts) return;
  if (gapless) {
    const cn_tensors list = { parts, n->ny };
    gx[0] = cn_concatenate(g, list, .axis = axis);
    return;
  }
  for (int64_t i = 0; i < n->ny; i++) {
    int64_t from, to, start[CN_MAX_RANK] = { 0 };
    split_part(&c, i, &from, &to);
    start[axis] = from;
    const cn_ints where = { start, n->x[0]->dims.rank };
    cn_tensor *one = cn_slice_update(g, cni_zeros_for(g, n->x[0]), parts[i], .start_indices = where);
    gx[0] = gx[0] ? cn_add(g, gx[0], one) : one;
  }
}
static void split_reference(const cn_reference *r) {
  const cni_runs x = cni_axis_runs(&r->call->x[0]->dims, split_axis(r->call));
  for (int64_t i = 0; i < r->call->ny; i++) {
    int64_t from, to;
    split_part(r->call, i, &from, &to);
    for (int64_t o = 0; o < x.outer; o++)
      for (int64_t k = 0; k < (to - from) * x.inner; k++) r->y[i][o * (to - from) * x.inner + k] = r->x[0][(o * x.n + from) * x.inner + k];
  }
}
CN_OP(split, CN_LIST_SPLIT, .outputs = 0, .count = split_count, .infer = split_infer, .forward = split_forward, .vjp = split_vjp, .reference = split_reference,
      .samples = CN_TEXTS("f[4,3], indices_or_sections=2", "f[4,3], indices_or_sections=[1,2]", "f[2,6], indices_or_sections=3, axis=-1",
                          "f[5], indices_or_sections=[2,4]", "f[5], indices_or_sections=[4,2]", "f[5,2], indices_or_sections=[2]"),
      .rejects = CN_TEXTS("f[4,3], indices_or_sections=3 => axis 0 of size 4 cannot be cut into 3 equal parts",
                          "f[4], indices_or_sections=2, axis=1 => axis 1 is out of range for rank 1"));

/* ---- unstack ---- */
static int unstack_axis(const cn_call *c) { return cni_wrap(((const cn_unstack_args *)c->args)->axis, c->x[0]->dims.rank); }
static int64_t unstack_count(const cn_call *c) {
  const cn_unstack_args *o = c->args;
  if (cn_axis(c->graph, o->axis, c->x[0]->dims.rank) < 0) return -1;
  const int64_t n = c->x[0]->dims.d[unstack_axis(c)];
  if (o->num != CN_NONE && n != CN_UNKNOWN && n != o->num)
    return cn_fail(c->graph, CN_SHAPE, "num is %lld, axis %d has size %lld", (long long)o->num, unstack_axis(c), (long long)n), -1;
  if (n == CN_UNKNOWN && o->num == CN_NONE) return cn_fail(c->graph, CN_SHAPE, "the size of axis %d is unknown and num is not given", unstack_axis(c)), -1;
  return n == CN_UNKNOWN ? o->num : n;
}
static cn_code unstack_infer(const cn_call *c) {
  if (cni_refuse_strings(c)) return CN_DTYPE;
  for (int64_t i = 0; i < c->ny; i++) {
    c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, { 0, { 0 } } };
    for (int k = 0; k < c->x[0]->dims.rank; k++)
      if (k != unstack_axis(c)) c->sig[i].dims.d[c->sig[i].dims.rank++] = c->x[0]->dims.d[k];
  }
  return CN_OK;
}
static cn_code unstack_forward(const cn_call *c) {
  const cni_runs r = cni_axis_runs(&c->x[0]->dims, unstack_axis(c));
  return move_all((parting){ c, c->y, c->ny, r.outer, r.n * r.inner, NULL, c->x[0]->data, false });
}
CNI_VJP(unstack) {
  (void)want;
  cn_tensor **parts = cni_arena_take(g, cni_step_arena(g), (size_t)n->ny * sizeof *parts);
  for (int32_t i = 0; parts && i < n->ny; i++) parts[i] = gy[i] ? gy[i] : cni_zeros_for(g, n->y[i]);
  const cn_tensors list = { parts, n->ny };
  if (parts) gx[0] = cn_stack(g, list, .axis = cni_wrap(((const cn_unstack_args *)n->args)->axis, n->x[0]->dims.rank));
}
static void unstack_reference(const cn_reference *r) {
  const cni_runs x = cni_axis_runs(&r->call->x[0]->dims, unstack_axis(r->call));
  for (int64_t i = 0; i < r->call->ny; i++)
    for (int64_t k = 0; k < x.outer * x.inner; k++) r->y[i][k] = r->x[0][(k / x.inner * x.n + i) * x.inner + k % x.inner];
}
CN_OP(unstack, CN_LIST_UNSTACK, .outputs = 0, .count = unstack_count, .infer = unstack_infer, .forward = unstack_forward, .vjp = unstack_vjp,
      .reference = unstack_reference, .samples = CN_TEXTS("f[3,2]", "f[3,2], axis=1", "f[2,3,2], axis=-2", "f[2]"),
      .rejects = CN_TEXTS("f[3,2], num=2 => num is 2, axis 0 has size 3", "f[3], axis=1 => axis 1 is out of range for rank 1"));

const cn_op *const cni_ops_join[] = { &cn_op_concatenate, &cn_op_stack, &cn_op_split, &cn_op_unstack, NULL };
