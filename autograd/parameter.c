/* Variables: values that may be assigned, gradients, what a weight carries. */
#include "parameter.h"
#include "plan_private.h"

static cni_extra *variable_extra(const cn_tensor *x) { return x && (x->flags & CNI_VARIABLE) && cni_alive(x->graph, x) ? x->extra : NULL; }

static void ring_add(cn_graph *g, cn_tensor *t) {
  cni_extra *e = t->extra;
  if (!g->variables) {
    e->next = e->previous = g->variables = t;
    return;
  }
  cn_tensor *first = g->variables, *last = first->extra->previous;
  e->next = first;
  e->previous = last;
  last->extra->next = first->extra->previous = t;
}

cn_tensor *cn_variable(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *data) {
  if (!cn_ok(g)) return NULL;
  const int64_t n = dims ? (dims->rank ? cn_dims_count(dims) : 1) : -1;
  if (n < 0 || dtype == CN_STRING || (unsigned)dtype >= CN_DTYPES)
    return cn_fail(g, CN_SHAPE, "variable: the shape or data type is not one of a variable"), NULL;
  cn_tensor *t = cni_tensor_new(g, dtype, dims, true);
  if (!t) return NULL;
  t->flags = CNI_VARIABLE;
  if (!cni_extra_of(g, t)) {
    t->flags = 0;
    return cn_free(t), NULL;
  }
  const size_t bytes = (size_t)n * cn_dtype_size(dtype);
  if (bytes && data) memcpy(t->data, data, bytes);
  else if (bytes) memset(t->data, 0, bytes);
  t->extra->frozen = !cni_is_float(dtype);
  g->trainables++;
  ring_add(g, t);
  return t;
}

bool cni_state_tensor(cn_state *s, const char *name, cn_tensor *t) {
  if (cn_state_loading(s) && !cni_settle(t->graph)) return false;
  if (!cni_state_field(s, name, (cn_dtype)t->dtype, &t->dims, t->data)) return false;
  if (cn_state_loading(s)) cni_touch(t);
  return true;
}

void cni_touch(cn_tensor *t) {
  if (t->buffer) t->buffer->version++;
  else t->version++;
  t->graph->writes++;
}

static bool assign(cn_tensor *variable, const void *data) {
  if (variable->graph->stepping)
    return cn_fail(variable->graph, CN_STATE, "assign: the callback of a backward that is stepped through cannot change a variable"), false;
  if (variable->graph->repeating) return true; /* it has been, when the segment was computed first */
  if (!cni_settle(variable->graph)) return false;
  memcpy(variable->data, data, (size_t)variable->count * cn_dtype_size((cn_dtype)variable->dtype));
  cni_touch(variable);
  return true;
}

bool cn_assign_data(cn_tensor *variable, const void *data) {
  if (!variable || !data || !cn_ok(variable->graph)) return false;
  if (!variable_extra(variable)) return cn_fail(variable->graph, CN_STATE, "assign: the tensor is no variable"), false;
  cni_capture_spoil(variable->graph);
  return assign(variable, data);
}

bool cn_assign(cn_tensor *variable, cn_tensor *value) {
  if (!variable || !value || !cn_ok(variable->graph)) return false;
  cn_graph *g = variable->graph;
  if (!variable_extra(variable)) return cn_fail(g, CN_STATE, "assign: the tensor is no variable"), false;
  const char *old = g->core.where;
  g->core.where = "assign";
  const bool ok = cni_readable(g, value, true);
  g->core.where = old;
  if (!ok) return false;
  if (value->dtype != variable->dtype || !cn_dims_equal(&value->dims, &variable->dims)) {
    char a[160], b[160];
    cn_fail(g, value->dtype != variable->dtype ? CN_DTYPE : CN_SHAPE, "assign: variable %s is %s %s, the value is %s %s", cn_name_of(variable),
            cn_dtype_name((cn_dtype)variable->dtype), cn_dims_text(&variable->dims, a, sizeof a), cn_dtype_name((cn_dtype)value->dtype),
            cn_dims_text(&value->dims, b, sizeof b));
    return false;
  }
  if (value == variable) return true;
  if (g->capture) cni_capture_assign(variable, value);
  return assign(variable, value->data);
}

void cn_set_trainable(cn_tensor *variable, bool trainable) {
  cni_extra *e = variable_extra(variable);
  if (!e || !cni_is_float((cn_dtype)variable->dtype)) return;
  if (e->frozen && trainable && variable->graph->tape_count) variable->graph->remark = true; /* its readers so far were recorded as needing no gradient */
  if (e->frozen != !trainable) cni_plan_leave(variable->graph);
  e->frozen = !trainable;
  variable->graph->trainables++;
}
bool cn_is_trainable(const cn_tensor *variable) {
  const cni_extra *e = variable_extra(variable);
  return e && !e->frozen;
}

void cn_set_penalty(cn_tensor *variable, cn_penalty penalty) {
  cni_extra *e = variable_extra(variable);
  if (!e) return;
  e->penalty = penalty;
  variable->graph->trainables++;
}
void cn_set_projection(cn_tensor *variable, cn_projection projection) {
  cni_extra *e = variable_extra(variable);
  if (e) e->projection = projection;
}
cn_penalty cn_penalty_of(const cn_tensor *variable) {
  const cni_extra *e = variable_extra(variable);
  return e ? e->penalty : (cn_penalty){ NULL, NULL };
}
cn_projection cn_projection_of(const cn_tensor *variable) {
  const cni_extra *e = variable_extra(variable);
  return e ? e->projection : (cn_projection){ NULL, NULL };
}

/* ---- gradients ---- */
cn_tensor *cn_watch(cn_tensor *x) {
  if (!x || !cn_ok(x->graph)) return NULL;
  cn_graph *g = x->graph;
  const char *old = g->core.where;
  g->core.where = "watch";
  const bool ok =
      cni_readable(g, x, true) && (cni_is_float((cn_dtype)x->dtype) || (cn_fail(g, CN_DTYPE, "%s has no gradient", cn_dtype_name((cn_dtype)x->dtype)), false));
  g->core.where = old;
  if (!ok || !cni_extra_of(g, x)) return NULL;
  if (g->noting || g->plan) cni_plan_watch(g, x);
  if (!(x->flags & (CNI_NEEDS | CNI_VARIABLE)) && x->born < g->tape_count) g->remark = true;
  x->flags |= CNI_WATCHED | CNI_NEEDS;
  if (x->node) g->watched = g->epoch;
  return x;
}

cn_tensor *cn_grad(cn_tensor *x) {
  if (!x || !cni_alive(x->graph, x) || !x->extra) return NULL;
  cni_extra *e = x->extra;
  cn_graph *g = x->graph;
  if (e->grad) return e->grad;
  if (!e->zero && !e->rows.values) return NULL;
  if (!cn_ok(g)) return NULL;
  cn_tensor *t = e->rows.values ? cni_rows_dense(g, &e->rows, x) : cn_zeros(g, (cn_dtype)x->dtype, &x->dims);
  return e->grad = x->epoch == CNI_PERSISTENT ? cn_persist(t) : t;
}

cn_rows cn_grad_rows(cn_tensor *variable) {
  const cni_extra *e = variable_extra(variable);
  return e ? e->rows : (cn_rows){ NULL, NULL };
}
