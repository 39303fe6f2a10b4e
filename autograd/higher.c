/* Products with Jacobians and Hessians, and these matrices whole. */
#include "higher.h"
#include "engine_private.h"
#include "ops_join.h"
#include "ops_shape.h"

/* Errors name the call. */
static const char *enter(cn_graph *g, const char *name) {
  const char *where = g->core.where;
  g->core.where = name;
  return where;
}

static cn_tensor **room_for(cn_graph *g, int64_t n) { return cni_arena_take(g, cni_step_arena(g), (size_t)(n > 0 ? n : 1) * sizeof(cn_tensor *)); }

/* A recorded gradient of which only the gradient is asked for: values that nothing reads are not computed. */
static bool vjp_deferred(cn_graph *g, cn_tensor *y, cn_tensor *weights, cn_tensor *const *x, int64_t n, cn_tensor **dx) {
  const bool deferring = g->deferring;
  g->deferring = true;
  const bool ok = cn_vjp(g, &y, &weights, 1, x, n, true, dx);
  g->deferring = deferring;
  return ok;
}

cn_tensor *cn_jvp(cn_graph *g, cn_tensor *y, cn_tensor *const *x, cn_tensor *const *v, int64_t n) {
  if (!cn_ok(g)) return NULL;
  const char *where = enter(g, "jvp");
  cn_tensor **products = room_for(g, n), *out = NULL;
  cn_tensor *weights = products && cni_result_ok(g, y) ? cn_ones_like(g, y) : NULL; /* any value does: the products are linear in them */
  if (weights && vjp_deferred(g, y, weights, x, n, products)) cn_vjp(g, products, v, n, &weights, 1, false, &out);
  g->core.where = where;
  return out;
}

bool cn_hvp(cn_graph *g, cn_tensor *y, cn_tensor *const *x, cn_tensor *const *v, int64_t n, cn_tensor **hv) {
  for (int64_t i = 0; i < n; i++) hv[i] = NULL;
  if (!cn_ok(g)) return false;
  const char *where = enter(g, "hvp");
  cn_tensor **dx = room_for(g, n);
  const bool ok = dx && vjp_deferred(g, y, CN_NO_TENSOR, x, n, dx) && cn_vjp(g, dx, v, n, x, n, false, hv);
  g->core.where = where;
  return ok;
}

/* One row a walk: the gradient of one element of y. */
static cn_tensor *row(cn_graph *g, cn_tensor *y, cn_tensor *x, int64_t i, bool differentiable) {
  cn_tensor *one = cn_zeros_like(g, y), *dx = NULL;
  if (!one) return NULL;
  cni_value_set(one, i, 1);
  return cn_gradients(g, y, one, &x, 1, differentiable, &dx) ? dx : NULL;
}

static cn_tensor *jacobian(cn_graph *g, cn_tensor *y, cn_tensor *x, bool differentiable) {
  if (!cni_result_ok(g, y) || !cni_readable(g, x, true)) return NULL;
  const int64_t n = y->count;
  cn_dims d = y->dims;
  if (d.rank + x->dims.rank > CN_MAX_RANK)
    return cn_fail(g, CN_SHAPE, "the ranks %d and %d are together above %d", y->dims.rank, x->dims.rank, CN_MAX_RANK), NULL;
  for (int i = 0; i < x->dims.rank; i++) d.d[d.rank++] = x->dims.d[i];
  if (!n || !x->count) return cn_zeros(g, (cn_dtype)x->dtype, &d);
  cn_tensor **rows = room_for(g, n);
  if (!rows) return NULL;
  for (int64_t i = 0; i < n; i++)
    if (!(rows[i] = row(g, y, x, i, differentiable))) return NULL;
  const cn_tensors list = { rows, n };
  const cn_ints shape = { d.d, d.rank };
  cn_tensor *all = cn_stack(g, list, .axis = 0);
  return all ? cn_reshape(g, all, .newshape = shape) : NULL;
}

cn_tensor *cn_jacobian_run(const cn_jacobian_args *a) {
  cn_graph *g = a->graph;
  if (!cn_ok(g)) return NULL;
  const char *where = enter(g, "jacobian");
  cn_tensor *out = jacobian(g, a->y, a->x, a->differentiable);
  g->core.where = where;
  return out;
}

cn_tensor *cn_hessian_run(const cn_jacobian_args *a) {
  cn_graph *g = a->graph;
  if (!cn_ok(g)) return NULL;
  const char *where = enter(g, "hessian");
  cn_tensor *dx = NULL, *out = cn_gradients(g, a->y, CN_NO_TENSOR, &a->x, 1, true, &dx) ? jacobian(g, dx, a->x, a->differentiable) : NULL;
  g->core.where = where;
  return out;
}
