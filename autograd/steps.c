/* Backward, shown to a callback operation by operation: the engine's own walk, which asks here after each rule. */
#include "engine_private.h"
#include "plan_private.h"

static const char *rule_of(const cn_node *n, bool rows) { return rows ? "rows" : n->op->backward ? "backward" : n->op->vjp ? "vjp" : "none"; }

/* What the callback computes is an ordinary step tensor, and not recorded: the tape stands while it is walked. */
static bool call(cn_graph *g, const cn_backward_args *a, const cn_backward_step *step) {
  const char *const where = g->core.where;
  cni_plan_leave(g);
  g->in_rule = false;
  g->stepping = true;
  const bool on = a->step(g, step, a->user);
  g->stepping = false;
  g->in_rule = true;
  g->recording = false;
  g->core.where = where;
  return on && cn_ok(g);
}

bool cni_step_taken(cni_walk *w, const cn_node *n, cn_tensor *const *gy, cn_tensor **gx, bool rows) {
  cn_graph *g = w->g;
  for (int32_t i = 0; i < n->nx; i++)
    if (gx[i] && !(gx[i] = cni_unbroadcast(g, gx[i], n->x[i]))) return false;
  cn_backward_step step = { .node = n, .rule = rule_of(n, rows), .number = w->step++, .gy = gy, .gx = gx };
  if (rows) step.rows = (cn_rows){ g->pieces[g->pieces_count - 1].indices, g->pieces[g->pieces_count - 1].values };
  return call(g, w->steps, &step);
}

void cni_steps_undo(const cni_walk *w) {
  cn_graph *g = w->g;
  for (int64_t i = 0; i < g->met_count; i++) {
    if (g->met[i]->flags & CNI_VARIABLE) cni_pieces_drop(g, g->met[i]);
    cni_slot_drop(g, g->met[i]);
  }
  for (int32_t id = w->root ? w->root->id : -1; id >= 0; id--)
    for (int32_t i = 0; g->tape[id]->sweep == w->sweep && i < g->tape[id]->ny; i++) cni_slot_drop(g, g->tape[id]->y[i]);
  cni_temporaries_drop(g, 0);
}
