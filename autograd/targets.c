/* Gradients with respect to given tensors. */
#include "engine.h"
#include "engine_private.h"

static int64_t first_reader(const cn_graph *g, const cn_tensor *x) {
  if (x->flags & CNI_VARIABLE) return x->extra->read_epoch == g->epoch ? x->extra->first_reader : g->tape_count;
  if (x->node) return x->node->id;
  return x->epoch == CNI_PERSISTENT ? 0 : x->born;
}

/* Marks, upwards from the targets' first readers to the last output, the nodes that depend on them. */
static void mark_dependents(const cni_walk *w, int64_t from) {
  cn_graph *g = w->g;
  int32_t last = -1;
  for (int64_t k = 0; k < w->outputs; k++)
    if (w->y[k]->node && w->y[k]->node->id > last) last = w->y[k]->node->id;
  for (int64_t id = from; id <= last; id++) {
    cn_node *n = g->tape[id];
    for (int32_t i = 0; i < n->nx && n->dependent != w->mark; i++)
      if (cni_given(n->x[i]) && cni_wanted(w, n->x[i])) n->dependent = w->mark;
  }
}

static bool outputs_ok(cn_graph *g, cn_tensor *const *y, int64_t m) {
  for (int64_t k = 0; k < m; k++)
    if (!cni_result_ok(g, y[k])) return false;
  return true;
}

static bool targets_ok(cn_graph *g, cn_tensor *const *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (!cni_readable(g, x[i], true)) return false;
    if (!cni_is_float((cn_dtype)x[i]->dtype)) return cn_fail(g, CN_DTYPE, "x is %s, which has no gradient", cn_dtype_name((cn_dtype)x[i]->dtype)), false;
  }
  return true;
}

bool cni_walk_to(cni_walk *w, cn_tensor *const *x, int64_t n, int64_t from) {
  w->mark = ++w->g->sweep;
  for (int64_t i = 0; i < n; i++) {
    x[i]->flags |= CNI_TARGET;
    x[i]->slot = NULL;
  }
  mark_dependents(w, from);
  const bool ok = cni_walk_back(w);
  for (int64_t i = 0; i < n; i++) x[i]->flags &= (uint16_t)~CNI_TARGET;
  return ok;
}

static bool gradients(cni_walk *w, cn_tensor *const *x, int64_t n, cn_tensor **dx) {
  cn_graph *g = w->g;
  cni_capture_spoil(g);
  if (!outputs_ok(g, w->y, w->outputs) || !targets_ok(g, x, n)) return false;
  int64_t from = g->tape_count;
  for (int64_t i = 0; i < n; i++)
    if (first_reader(g, x[i]) < from) from = first_reader(g, x[i]);
  bool ok = cni_walk_to(w, x, n, from);
  for (int64_t i = 0; i < n; i++) {
    if (ok) dx[i] = x[i]->slot ? cni_publish(g, x[i]->slot) : cn_zeros(g, (cn_dtype)x[i]->dtype, &x[i]->dims);
    ok = ok && dx[i];
  }
  for (int64_t i = 0; i < n; i++) cni_slot_drop(g, x[i]);
  return ok;
}

bool cn_vjp(cn_graph *g, cn_tensor *const *y, cn_tensor *const *gradient, int64_t m, cn_tensor *const *x, int64_t n, bool differentiable, cn_tensor **dx) {
  for (int64_t i = 0; i < n; i++) dx[i] = NULL;
  if (!cn_ok(g)) return false;
  cni_walk w = { .g = g, .record = differentiable, .y = y, .gradient = gradient, .outputs = m };
  const char *where = g->core.where;
  g->core.where = "gradient";
  const bool ok = gradients(&w, x, n, dx);
  g->core.where = where;
  if (!ok)
    for (int64_t i = 0; i < n; i++) dx[i] = NULL;
  return ok;
}

bool cn_gradients(cn_graph *g, cn_tensor *y, cn_tensor *gradient, cn_tensor *const *x, int64_t n, bool differentiable, cn_tensor **dx) {
  return cn_vjp(g, &y, &gradient, 1, x, n, differentiable, dx);
}

cn_tensor *cn_gradient_run(const cn_gradient_args *a) {
  cn_tensor *dx = NULL;
  cn_gradients(a->graph, a->y, a->gradient, &a->x, 1, a->differentiable, &dx);
  return dx;
}
