/* Reversing, rolling, turning, repeating. */
#include "ops_rearrange.h"
#include "ops_index.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "ops_reduce.h"

static cn_tensor *sum_axis(cn_graph *g, cn_tensor *x, int64_t axis) {
  const cn_sum_args a = { g, x, { &axis, 1 }, false };
  return cn_apply(g, &cn_op_sum, &a)[0];
}

/* ---- flip ---- */
static cn_code flip_infer(const cn_call *c) {
  uint32_t bits;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!cni_axes(c->graph, ((const cn_flip_args *)c->args)->axis, c->x[0]->dims.rank, &bits)) return CN_INDEX;
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}

/* The first element of a source whose steps may be negative. */
static const char *offset_by(const cn_call *c, int64_t elements) { return (const char *)c->x[0]->data + elements * (int64_t)cni_width_of(c); }

static cn_code flip_forward(const cn_call *c) {
  const cn_dims *x = &c->x[0]->dims;
  uint32_t bits;
  cni_axes(c->graph, ((const cn_flip_args *)c->args)->axis, x->rank, &bits);
  int64_t steps[CN_MAX_RANK], offset = 0;
  cni_strides(x, steps);
  for (int i = 0; i < x->rank; i++) {
    if (!(bits & 1u << i)) continue;
    offset += (x->d[i] - 1) * steps[i];
    steps[i] = -steps[i];
  }
  if (c->y[0]->count) cni_gather(c->graph, cni_width_of(c), x, c->y[0]->data, offset_by(c, offset), steps);
  return CN_OK;
}
CNI_VJP(flip) {
  (void)want;
  const cn_flip_args a = { g, gy[0], ((const cn_flip_args *)n->args)->axis };
  gx[0] = cn_apply(g, &cn_op_flip, &a)[0];
}
static int64_t flip_source(const cn_call *c, const int64_t *at) {
  const cn_dims *x = &c->x[0]->dims;
  uint32_t bits;
  int64_t from[CN_MAX_RANK];
  cni_axes(c->graph, ((const cn_flip_args *)c->args)->axis, x->rank, &bits);
  for (int i = 0; i < x->rank; i++) from[i] = bits & 1u << i ? x->d[i] - 1 - at[i] : at[i];
  return cni_flat(x, from);
}
CNI_PICKED(flip)
CN_OP(flip, CN_LIST_FLIP, .outputs = 1, .infer = flip_infer, .forward = flip_forward, .vjp = flip_vjp, .reference = flip_reference,
      .samples = CN_TEXTS("f[3,4]", "f[3,4], axis=[-1]", "f[2,3,4], axis=[0,2]", "f[]", "f[0,3]"),
      .rejects = CN_TEXTS("f[3], axis=[1] => axis 1 is out of range for rank 1"));

/* ---- roll ---- */
/* Places that each axis of `dims` is rolled by, in [0, size). Without axes, dims is the flattened shape. */
static bool roll_places(cn_graph *g, const cn_roll_args *o, const cn_dims *dims, int64_t *places) {
  for (int i = 0; i < dims->rank; i++) places[i] = 0;
  const int64_t axes = o->axis.n < 0 ? 1 : o->axis.n;
  if (o->shift.n < 1 || o->shift.n > CN_MAX_RANK || (o->shift.n != 1 && o->shift.n != axes)) {
    cn_fail(g, CN_VALUE, "shift has %lld entries for %lld axes", (long long)o->shift.n, (long long)axes);
    return false;
  }
  for (int64_t k = 0; k < axes; k++) {
    const int a = o->axis.n < 0 ? 0 : cn_axis(g, o->axis.v[k], dims->rank);
    if (a < 0) return false;
    if (dims->d[a] > 0) places[a] = ((places[a] + o->shift.v[o->shift.n == 1 ? 0 : k] % dims->d[a]) % dims->d[a] + dims->d[a]) % dims->d[a];
  }
  return true;
}
static cn_dims roll_dims(const cn_roll_args *o, const cn_tensor *x) { return o->axis.n < 0 ? (cn_dims){ 1, { x->count } } : x->dims; }

static cn_code roll_infer(const cn_call *c) {
  const cn_dims dims = roll_dims(c->args, c->x[0]);
  int64_t places[CN_MAX_RANK];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!roll_places(c->graph, c->args, &dims, places)) return CN_INDEX;
  return cni_sig_like(c, &c->x[0]->dims), CN_OK;
}

static cn_code roll_forward(const cn_call *c) {
  const cn_dims dims = roll_dims(c->args, c->x[0]);
  const size_t width = cni_width_of(c);
  int64_t places[CN_MAX_RANK], steps[CN_MAX_RANK];
  roll_places(c->graph, c->args, &dims, places);
  cni_strides(&dims, steps);
  for (uint32_t part = 0; part < 1u << dims.rank; part++) { /* along each axis: what stays in order (0), what comes round (1) */
    cni_loops l = { .rank = 0 };
    int64_t to = 0, from = 0;
    for (int i = 0; i < dims.rank; i++) {
      const bool round = part & 1u << i;
      cni_loop(&l, round ? places[i] : dims.d[i] - places[i], steps[i], steps[i]);
      to += round ? 0 : places[i] * steps[i];
      from += round ? (dims.d[i] - places[i]) * steps[i] : 0;
    }
    cni_copy(c->graph, width, &l, (char *)c->y[0]->data + (size_t)to * width, (const char *)c->x[0]->data + (size_t)from * width);
  }
  return CN_OK;
}
CNI_VJP(roll) {
  (void)want;
  const cn_roll_args *o = n->args;
  int64_t back[CN_MAX_RANK];
  for (int64_t i = 0; i < o->shift.n; i++) back[i] = -o->shift.v[i];
  const cn_roll_args a = { g, gy[0], { back, o->shift.n }, o->axis };
  gx[0] = cn_apply(g, &cn_op_roll, &a)[0];
}
static int64_t roll_source(const cn_call *c, const int64_t *at) {
  const cn_dims dims = roll_dims(c->args, c->x[0]);
  int64_t places[CN_MAX_RANK], from[CN_MAX_RANK], index = cni_flat(&c->x[0]->dims, at);
  roll_places(c->graph, c->args, &dims, places);
  for (int i = dims.rank - 1; i >= 0; i--) {
    from[i] = (index % dims.d[i] - places[i] + dims.d[i]) % dims.d[i];
    index /= dims.d[i];
  }
  return cni_flat(&dims, from);
}
CNI_PICKED(roll)
CN_OP(roll, CN_LIST_ROLL, .outputs = 1, .infer = roll_infer, .forward = roll_forward, .vjp = roll_vjp, .reference = roll_reference,
      .samples = CN_TEXTS("f[3,4], shift=[2]", "f[3,4], shift=[-1], axis=[1]", "f[5], shift=[7], axis=[0]", "f[3,4], shift=[1,2], axis=[0,1]", "f[], shift=[1]",
                          "f[0,3], shift=[1], axis=[0]"),
      .rejects = CN_TEXTS("f[2,3], shift=[1], axis=[2] => axis 2 is out of range for rank 2",
                          "f[2,3], shift=[1,2], axis=[0] => shift has 2 entries for 1 axes"));

/* ---- rot90 ---- */
static bool rot90_plane(cn_graph *g, const cn_rot90_args *o, int rank, int *a, int *b) {
  if (o->axes.n >= 0 && o->axes.n != 2) {
    cn_fail(g, CN_VALUE, "axes has %lld entries, not 2", (long long)o->axes.n);
    return false;
  }
  *a = cn_axis(g, o->axes.n < 0 ? 0 : o->axes.v[0], rank);
  *b = *a < 0 ? -1 : cn_axis(g, o->axes.n < 0 ? 1 : o->axes.v[1], rank);
  if (*b >= 0 && *a == *b) cn_fail(g, CN_VALUE, "the axes of the plane are the same");
  return *b >= 0 && *a != *b;
}
static int quarter(const cn_rot90_args *o) { return (int)((o->k % 4 + 4) % 4); }

static cn_code rot90_infer(const cn_call *c) {
  int a, b;
  cn_dims y = c->x[0]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!rot90_plane(c->graph, c->args, y.rank, &a, &b)) return CN_VALUE;
  if (quarter(c->args) % 2) {
    y.d[a] = c->x[0]->dims.d[b];
    y.d[b] = c->x[0]->dims.d[a];
  }
  return cni_sig_like(c, &y), CN_OK;
}

/* Steps through x for each axis of y; returns the first element. */
static int64_t rot90_steps(const cn_call *c, int64_t *steps) {
  const cn_dims *x = &c->x[0]->dims;
  int a, b;
  rot90_plane(c->graph, c->args, x->rank, &a, &b);
  cni_strides(x, steps);
  const int k = quarter(c->args);
  const int64_t sa = steps[a], sb = steps[b], last_a = (x->d[a] - 1) * sa, last_b = (x->d[b] - 1) * sb;
  if (k == 1) return steps[a] = -sb, steps[b] = sa, last_b;
  if (k == 2) return steps[a] = -sa, steps[b] = -sb, last_a + last_b;
  if (k == 3) return steps[a] = sb, steps[b] = -sa, last_a;
  return 0;
}
static cn_code rot90_forward(const cn_call *c) {
  int64_t steps[CN_MAX_RANK];
  const int64_t first = rot90_steps(c, steps);
  if (c->y[0]->count) cni_gather(c->graph, cni_width_of(c), &c->y[0]->dims, c->y[0]->data, offset_by(c, first), steps);
  return CN_OK;
}
CNI_VJP(rot90) {
  (void)want;
  const cn_rot90_args *o = n->args, a = { g, gy[0], -o->k, o->axes };
  gx[0] = cn_apply(g, &cn_op_rot90, &a)[0];
}
static int64_t rot90_source(const cn_call *c, const int64_t *at) { /* one quarter turn at a time */
  int a, b;
  rot90_plane(c->graph, c->args, c->x[0]->dims.rank, &a, &b);
  int64_t from[CN_MAX_RANK];
  cn_dims d = c->y[0]->dims;
  for (int i = 0; i < d.rank; i++) from[i] = at[i];
  for (int k = quarter(c->args); k > 0; k--) { /* y[i, j] = x[j, n - 1 - i], n = size of y's first axis */
    const int64_t i = from[a], n = d.d[a];
    from[a] = from[b];
    from[b] = n - 1 - i;
    d.d[a] = d.d[b];
    d.d[b] = n;
  }
  return cni_flat(&d, from);
}
CNI_PICKED(rot90)
CN_OP(rot90, CN_LIST_ROT90, .outputs = 1, .infer = rot90_infer, .forward = rot90_forward, .vjp = rot90_vjp, .reference = rot90_reference,
      .samples = CN_TEXTS("f[2,3]", "f[2,3], k=2", "f[2,3], k=-1", "f[2,3,4], k=1, axes=[1,2]", "f[2,3], k=4", "f[0,2]"),
      .rejects = CN_TEXTS("f[3] => axis 1 is out of range for rank 1", "f[2,3], axes=[1,1] => the same", "f[2,3], axes=[0] => axes has 1 entries, not 2"));

/* ---- repeat ---- */
static cni_runs repeat_runs(const cn_repeat_args *o, const cn_tensor *x) {
  return o->axis == CN_NONE ? (cni_runs){ 1, x->count, 1, false } : cni_axis_runs(&x->dims, cni_wrap(o->axis, x->dims.rank));
}

static cn_code repeat_infer(const cn_call *c) {
  const cn_repeat_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  int axis = 0;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (o->axis == CN_NONE) y = (cn_dims){ 1, { c->x[0]->count < 0 ? CN_UNKNOWN : c->x[0]->count } };
  else if ((axis = cn_axis(c->graph, o->axis, y.rank)) < 0) return CN_INDEX;
  const int64_t n = y.d[axis];
  if (o->repeats.n < 1 || (o->repeats.n != 1 && n != CN_UNKNOWN && o->repeats.n != n))
    return cn_fail(c->graph, CN_SHAPE, "repeats has %lld entries for %lld elements", (long long)o->repeats.n, (long long)n);
  int64_t total = 0;
  for (int64_t i = 0; i < o->repeats.n; i++) {
    if (o->repeats.v[i] < 0) return cn_fail(c->graph, CN_VALUE, "repeats must not be negative, got %lld", (long long)o->repeats.v[i]);
    if (__builtin_add_overflow(total, o->repeats.v[i], &total)) return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  }
  if (o->repeats.n == 1 && n != CN_UNKNOWN && __builtin_mul_overflow(n, total, &total)) return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  y.d[axis] = o->repeats.n == 1 && n == CN_UNKNOWN ? n : total;
  return cni_sig_like(c, &y), CN_OK;
}

static cn_code repeat_forward(const cn_call *c) {
  const cn_repeat_args *o = c->args;
  const cni_runs r = repeat_runs(o, c->x[0]);
  const size_t width = cni_width_of(c);
  const int64_t *times = o->repeats.v;
  if (o->repeats.n == 1) { /* [outer, n, times, inner] */
    cni_loops l = { .rank = 0 };
    cni_loop(&l, r.outer, r.n * *times * r.inner, r.n * r.inner);
    cni_loop(&l, r.n, *times * r.inner, r.inner);
    cni_loop(&l, *times, r.inner, 0);
    cni_loop(&l, r.inner, 1, 1);
    return cni_copy(c->graph, width, &l, c->y[0]->data, c->x[0]->data), CN_OK;
  }
  int64_t total = 0, at = 0;
  for (int64_t i = 0; i < r.n; i++) total += times[i];
  for (int64_t i = 0; i < r.n; at += times[i++]) {
    cni_loops l = { .rank = 0 };
    cni_loop(&l, r.outer, total * r.inner, r.n * r.inner);
    cni_loop(&l, times[i], r.inner, 0);
    cni_loop(&l, r.inner, 1, 1);
    cni_copy(c->graph, width, &l, (char *)c->y[0]->data + (size_t)(at * r.inner) * width, (const char *)c->x[0]->data + (size_t)(i * r.inner) * width);
  }
  return CN_OK;
}

/* Which element of x each of `total` places holds, as an int64 tensor. */
static cn_tensor *repeat_origins(cn_graph *g, cn_ints times, int64_t total) {
  cn_tensor *t = cn_array(g, CN_I64, &(cn_dims){ 1, { total } }, NULL);
  int64_t at = 0;
  for (int64_t i = 0; t && i < times.n; i++)
    for (int64_t k = 0; k < times.v[i]; k++) ((int64_t *)t->data)[at++] = i;
  return t;
}

CNI_VJP(repeat) {
  (void)want;
  const cn_repeat_args *o = n->args;
  const cni_runs r = repeat_runs(o, n->x[0]);
  if (o->repeats.n == 1) {
    const cn_dims split = { 4, { r.outer, r.n, o->repeats.v[0], r.inner } };
    gx[0] = cni_to_shape(g, sum_axis(g, cni_to_shape(g, gy[0], &split), 2), &n->x[0]->dims);
    return;
  }
  const int64_t total = n->y[0]->dims.d[o->axis == CN_NONE ? 0 : cni_wrap(o->axis, n->y[0]->dims.rank)];
  const cn_dims three = { 3, { r.outer, total, r.inner } };
  const int64_t shape[3] = { r.outer, r.n, r.inner };
  const cn_scatter_rows_args a = { g, cni_to_shape(g, gy[0], &three), repeat_origins(g, o->repeats, total), { shape, 3 }, 1 };
  gx[0] = cni_to_shape(g, cn_apply(g, &cn_op_scatter_rows, &a)[0], &n->x[0]->dims);
}

static void repeat_reference(const cn_reference *r) {
  const cn_repeat_args *o = r->call->args;
  const cni_runs s = repeat_runs(o, r->call->x[0]);
  double *y = r->y[0];
  for (int64_t a = 0; a < s.outer; a++)
    for (int64_t i = 0; i < s.n; i++)
      for (int64_t k = 0; k < o->repeats.v[o->repeats.n == 1 ? 0 : i]; k++)
        for (int64_t b = 0; b < s.inner; b++) *y++ = r->x[0][(a * s.n + i) * s.inner + b];
}
CN_OP(repeat, CN_LIST_REPEAT, .outputs = 1, .infer = repeat_infer, .forward = repeat_forward, .vjp = repeat_vjp, .reference = repeat_reference,
      .samples = CN_TEXTS("f[3,2], repeats=[2]", "f[3,2], repeats=[2], axis=-1", "f[3,2], repeats=[1,0,3], axis=0", "f[], repeats=[3]",
                          "f[2,2], repeats=[0], axis=0", "f[2,3,2], repeats=[1,2,1], axis=1"),
      .rejects = CN_TEXTS("f[3], repeats=[1,2], axis=0 => repeats has 2 entries for 3 elements", "f[3], repeats=[-1] => must not be negative",
                          "f[2], repeats=[9223372036854775807,1], axis=0 => the result is too large", "f[3], repeats=[2], axis=1 => out of range"));

/* ---- tile ---- */
/* Shapes of x and of the repeats, both filled up with ones in front to the same rank, which is returned. */
static int tile_shapes(const cn_tile_args *o, const cn_dims *x, int64_t *n, int64_t *times) {
  const int rank = x->rank > o->repeats.n ? x->rank : (int)o->repeats.n;
  for (int i = 0; i < rank; i++) {
    const int64_t a = i - rank + x->rank, b = i - rank + o->repeats.n;
    n[i] = a < 0 ? 1 : x->d[a];
    times[i] = b < 0 ? 1 : o->repeats.v[b];
  }
  return rank;
}

static cn_code tile_infer(const cn_call *c) {
  const cn_tile_args *o = c->args;
  int64_t n[CN_MAX_RANK], times[CN_MAX_RANK];
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (o->repeats.n < 0 || o->repeats.n > CN_MAX_RANK)
    return cn_fail(c->graph, CN_SHAPE, "repeats has %lld entries, at most %d are possible", (long long)o->repeats.n, CN_MAX_RANK);
  cn_dims y = { tile_shapes(o, &c->x[0]->dims, n, times), { 0 } };
  for (int i = 0; i < y.rank; i++) {
    if (times[i] < 0) return cn_fail(c->graph, CN_VALUE, "repeats must not be negative, got %lld", (long long)times[i]);
    if (n[i] == CN_UNKNOWN) y.d[i] = n[i];
    else if (__builtin_mul_overflow(n[i], times[i], &y.d[i])) return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  }
  return cni_sig_like(c, &y), CN_OK;
}

static cn_code tile_forward(const cn_call *c) {
  const cn_dims *y = &c->y[0]->dims;
  int64_t n[CN_MAX_RANK], times[CN_MAX_RANK], steps[CN_MAX_RANK];
  const int rank = tile_shapes(c->args, &c->x[0]->dims, n, times);
  cn_dims padded = { rank, { 0 } };
  for (int i = 0; i < rank; i++) padded.d[i] = n[i];
  cni_strides(&padded, steps);
  int64_t to[CN_MAX_RANK];
  cni_strides(y, to);
  cni_loops l = { .rank = 0 };
  for (int i = 0; i < rank; i++) {
    cni_loop(&l, times[i], to[i] * n[i], 0);
    cni_loop(&l, n[i], to[i], steps[i]);
  }
  return cni_copy(c->graph, cni_width_of(c), &l, c->y[0]->data, c->x[0]->data), CN_OK;
}

CNI_VJP(tile) { /* sums the repeats, one axis at a time */
  (void)want;
  int64_t size[CN_MAX_RANK], times[CN_MAX_RANK];
  const int rank = tile_shapes(n->args, &n->x[0]->dims, size, times);
  cn_tensor *t = gy[0];
  for (int i = 0; i < rank; i++) {
    if (times[i] == 1) continue;
    cn_dims three = { 3, { 1, times[i], size[i] } };
    for (int k = 0; k < i; k++) three.d[0] *= size[k];
    for (int k = i + 1; k < rank; k++) three.d[2] *= size[k] * times[k];
    t = sum_axis(g, cni_to_shape(g, t, &three), 1);
  }
  gx[0] = cni_to_shape(g, t, &n->x[0]->dims);
}

static int64_t tile_source(const cn_call *c, const int64_t *at) {
  const cn_dims *x = &c->x[0]->dims;
  int64_t from[CN_MAX_RANK];
  for (int i = 0; i < x->rank; i++) from[i] = at[i + c->y[0]->dims.rank - x->rank] % x->d[i];
  return cni_flat(x, from);
}
CNI_PICKED(tile)
CN_OP(tile, CN_LIST_TILE, .outputs = 1, .infer = tile_infer, .forward = tile_forward, .vjp = tile_vjp, .reference = tile_reference,
      .samples = CN_TEXTS("f[3], repeats=[2]", "f[2,3], repeats=[1,2]", "f[2,3], repeats=[3]", "f[2], repeats=[2,1,3]", "f[], repeats=[2]",
                          "f[2,3], repeats=[0,1]", "f[2,3,2], repeats=[2,2,2]"),
      .rejects = CN_TEXTS("f[3], repeats=[-2] => repeats must not be negative"));

const cn_op *const cni_ops_rearrange[] = { &cn_op_flip, &cn_op_roll, &cn_op_rot90, &cn_op_repeat, &cn_op_tile, NULL };
