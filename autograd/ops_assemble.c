/* Forms of joining and meshes, declared in ops_assemble.h. */
#include "ops_assemble.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

/* The result of joining a and b along an axis. */
static cn_code joined(const cn_call *c, cn_dims *to, const cn_tensor *b, const cn_dims *shape, int axis) {
  bool fits = to->rank == shape->rank && axis < to->rank;
  for (int i = 0; fits && i < to->rank; i++) fits = i == axis || to->d[i] == shape->d[i] || to->d[i] == CN_UNKNOWN || shape->d[i] == CN_UNKNOWN;
  char ta[CNI_TEXT], tb[CNI_TEXT];
  if (!fits) return cn_fail(c->graph, CN_SHAPE, "shapes do not fit: %s and %s", cn_dims_text(to, ta, sizeof ta), cn_dims_text(shape, tb, sizeof tb));
  if (b->dtype != c->x[0]->dtype)
    return cn_fail(c->graph, CN_DTYPE, "dtypes differ: %s and %s", cn_dtype_name((cn_dtype)c->x[0]->dtype), cn_dtype_name((cn_dtype)b->dtype));
  to->d[axis] = to->d[axis] == CN_UNKNOWN || shape->d[axis] == CN_UNKNOWN ? CN_UNKNOWN : to->d[axis] + shape->d[axis];
  return CN_OK;
}
static cn_dims flat_dims(const cn_tensor *x) { return (cn_dims){ 1, { x->count < 0 ? CN_UNKNOWN : x->count } }; }

/* ---- append ---- */
static cn_code append_infer(const cn_call *c) {
  const int64_t axis = ((const cn_append_args *)c->args)->axis;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (axis != CN_NONE && cn_axis(c->graph, axis, c->x[0]->dims.rank) < 0) return CN_INDEX;
  const cn_dims a = axis == CN_NONE ? flat_dims(c->x[0]) : c->x[0]->dims, b = axis == CN_NONE ? flat_dims(c->x[1]) : c->x[1]->dims;
  cni_sig_like(c, &a);
  return joined(c, &c->sig[0].dims, c->x[1], &b, axis == CN_NONE ? 0 : cni_wrap(axis, a.rank));
}
static void append_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const int64_t axis = ((const cn_append_args *)c->args)->axis;
  const bool flat = axis == CN_NONE;
  y[0] = cn_concatenate(g, CN_TENSORS(flat ? cn_ravel(g, c->x[0]) : c->x[0], flat ? cn_ravel(g, c->x[1]) : c->x[1]), .axis = flat ? 0 : axis);
}
/* Element i of y in the part that it comes from: the parts have `inner` elements behind the axis and sizes[k] along it. */
static void join_reference(const cn_reference *r, int axis, bool flat) {
  const cn_call *c = r->call;
  int64_t inner = 1, at = 0, n = flat ? c->y[0]->count : c->y[0]->dims.d[axis];
  for (int i = axis + 1; !flat && i < c->y[0]->dims.rank; i++) inner *= c->y[0]->dims.d[i];
  const int64_t slab = n * inner, outer = slab ? c->y[0]->count / slab : 0;
  for (int64_t k = 0; k < c->nx; k++) {
    const int64_t size = outer ? c->x[k]->count / outer : 0;
    for (int64_t e = 0; e < outer * size; e++) r->y[0][e / size * n * inner + at + e % size] = r->x[k][e];
    at += size;
  }
}
static void append_reference(const cn_reference *r) {
  const int64_t axis = ((const cn_append_args *)r->call->args)->axis;
  join_reference(r, axis == CN_NONE ? 0 : cni_wrap(axis, r->call->y[0]->dims.rank), axis == CN_NONE);
}
CN_OP(append, CN_LIST_APPEND, .outputs = 1, .infer = append_infer, .compose = append_compose, .reference = append_reference,
      .samples = CN_TEXTS("f[2,3], f[1,3], axis=0", "f[2,3], f[2,1], axis=-1", "f[2,3], f[4]", "i[2]@0:3, i[3]@0:3", "f[], f[]"),
      .rejects = CN_TEXTS("f[2,3], f[2,4], axis=0 => shapes do not fit: [2,3] and [2,4]", "f[2], f[2], axis=1 => axis 1 is out of range",
                          "f[2], i[2]@0:3 => dtypes differ"));

/* ---- hstack, vstack, dstack ---- */
static cn_dims at_least(const cn_dims *x, int rank) {
  if (x->rank >= rank) return *x;
  if (rank == 1) return (cn_dims){ 1, { 1 } };
  if (x->rank == 2) return (cn_dims){ 3, { x->d[0], x->d[1], 1 } };
  return (cn_dims){ rank, { 1, x->rank ? x->d[0] : 1, 1 } };
}
static int stack_axis(const cn_call *c, int rank) { return rank == 3 ? 2 : rank == 1 && c->x[0]->dims.rank > 1; }
static cn_code stack_infer(const cn_call *c, int rank) {
  if (!c->nx) return cn_fail(c->graph, CN_VALUE, "needs at least one tensor");
  if (cni_refuse_strings(c)) return CN_DTYPE;
  const cn_dims first = at_least(&c->x[0]->dims, rank);
  cni_sig_like(c, &first);
  cn_code code = CN_OK;
  for (int64_t i = 1; i < c->nx && code == CN_OK; i++) {
    const cn_dims next = at_least(&c->x[i]->dims, rank);
    code = joined(c, &c->sig[0].dims, c->x[i], &next, stack_axis(c, rank));
  }
  return code;
}
static void stack_compose(cn_graph *g, const cn_call *c, cn_tensor **y, int rank) {
  cn_tensor **parts = cni_arena_take(g, cni_step_arena(g), (size_t)c->nx * sizeof *parts);
  for (int64_t i = 0; parts && i < c->nx; i++) {
    const cn_dims shape = at_least(&c->x[i]->dims, rank);
    parts[i] = cni_to_shape(g, c->x[i], &shape);
  }
  const cn_tensors all = { parts, c->nx };
  if (parts) y[0] = cn_concatenate(g, all, .axis = stack_axis(c, rank));
}
#define STACK(op, rank)                                                                                                           \
  static cn_code op##_infer(const cn_call *c) { return stack_infer(c, rank); }                                                    \
  static void op##_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { stack_compose(g, c, y, rank); }                        \
  static void op##_reference(const cn_reference *r) { join_reference(r, stack_axis(r->call, rank), false); }                      \
  CN_OP(op, CN_LIST_XS, .outputs = 1, .infer = op##_infer, .compose = op##_compose, .reference = op##_reference,                  \
        .samples = CN_TEXTS("{f[2,3], f[2,3]}", "{f[4], f[4]}", "{f[], f[], f[]}", "{f[2,1,2], f[2,1,2]}", "{i[3]@0:4}"),          \
        .rejects = CN_TEXTS("{f[2,3], f[3,4]} => shapes do not fit", "{f[2], i[2]@0:3} => dtypes differ", "{} => needs at least one tensor"));
STACK(hstack, 1)
STACK(vstack, 2)
STACK(dstack, 3)

/* ---- meshgrid ---- */
static int mesh_axis(const cn_call *c, int64_t k) {
  const bool swapped = !strcmp(((const cn_meshgrid_args *)c->args)->indexing, "xy") && c->nx > 1 && k < 2;
  return (int)(swapped ? 1 - k : k);
}
static int64_t mesh_count(const cn_call *c) { return c->nx ? c->nx : (cn_fail(c->graph, CN_VALUE, "needs at least one tensor"), -1); }
static cn_code mesh_infer(const cn_call *c) {
  const char *indexing = ((const cn_meshgrid_args *)c->args)->indexing;
  if (!indexing || (strcmp(indexing, "xy") && strcmp(indexing, "ij")))
    return cn_fail(c->graph, CN_VALUE, "indexing must be xy or ij, got \"%s\"", indexing ? indexing : "None");
  if (c->nx > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the rank must stay at most %d", CN_MAX_RANK);
  cn_dims all = { (int)c->nx, { 0 } };
  for (int64_t k = 0; k < c->nx; k++) {
    const cn_dims *d = &c->x[k]->dims;
    if (c->x[k]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "needs numbers, got string");
    if (d->rank > 1) return cn_fail(c->graph, CN_SHAPE, "needs tensors of rank 0 or 1, got rank %d", d->rank);
    all.d[mesh_axis(c, k)] = d->rank ? d->d[0] : 1;
  }
  for (int64_t k = 0; k < c->nx; k++) c->sig[k] = (cn_sig){ (cn_dtype)c->x[k]->dtype, all };
  return CN_OK;
}
static void mesh_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  for (int64_t k = 0; k < c->nx; k++) {
    cn_dims along = { (int)c->nx, { 0 } };
    for (int i = 0; i < along.rank; i++) along.d[i] = i == mesh_axis(c, k) ? c->x[k]->count : 1;
    y[k] = cni_spread(g, cni_to_shape(g, c->x[k], &along), &c->sig[k].dims);
  }
}
static void mesh_reference(const cn_reference *r) {
  for (int64_t k = 0; k < r->call->ny; k++) {
    const cn_dims *d = &r->call->y[k]->dims;
    int64_t at[CN_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < r->call->y[k]->count; i++, cni_next(d, at)) r->y[k][i] = r->x[k][at[mesh_axis(r->call, k)]];
  }
}
CN_OP(meshgrid, CN_LIST_MESHGRID, .outputs = 0, .count = mesh_count, .infer = mesh_infer, .compose = mesh_compose, .reference = mesh_reference,
      .samples = CN_TEXTS("{f[3], f[4]}", "{f[3], f[4]}, indexing='ij'", "{f[2], f[3], f[4]}", "{f[2]}", "{f[], f[2]}", "{f[0], f[2]}"),
      .rejects = CN_TEXTS("{f[2,2], f[2]} => rank 0 or 1, got rank 2", "{f[2], f[2]}, indexing='yx' => indexing must be xy or ij",
                          "{} => needs at least one tensor"));

const cn_op *const cni_ops_assemble[] = { &cn_op_append, &cn_op_hstack, &cn_op_vstack, &cn_op_dstack, &cn_op_meshgrid, NULL };
