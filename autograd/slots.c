/* Slots: while a walk runs, x->slot is the gradient of x so far. A slot holds a temporary (counted by `uses`), or a tensor that already existed (a rule may
 * return one): only an unshared temporary is added to in place. The slot of a look-up's rows may be narrow: of size 1 along axes of the indices where it
 * repeats; and it may be factors: its own slot holds the numbers that the rows are to be multiplied with. */
#include "engine_private.h"
#include "ops_binary.h"
#include "replay_private.h"

static bool alone(const cn_tensor *s) { return (s->flags & CNI_TEMPORARY) && s->uses == 1 && (!s->buffer || s->buffer->uses + s->buffer->step_uses == 1); }

/* Whether the rule that runs made s: its end returns what nothing holds. */
static bool made_now(const cn_graph *g, const cn_tensor *s) {
  for (int64_t i = 0; i < g->temps.count; i++)
    if (g->temps.v[i] == s) return true;
  return false;
}

/* A view may be of a variable; what no recorded operation made tells by its memory. */
bool cni_outlasts_walk(const cn_tensor *t) {
  if (!t->buffer) return false;
  while (t->node && (t->node->op->flags & CN_OP_VIEW)) t = t->node->x[0];
  return t->epoch != CNI_PERSISTENT && t->buffer && (t->node || !t->buffer->uses);
}

cn_tensor *cni_slot_of_factors(cn_graph *g, cn_tensor *rows, cn_tensor *numbers) {
  cn_tensor *t = cni_view_header(g, (cn_dtype)rows->dtype, &rows->dims);
  if (!t) return NULL;
  cni_buffer_use(g, rows->buffer, true);
  t->buffer = rows->buffer;
  t->data = rows->data;
  cni_slot_set(t, numbers);
  if (g->capture) cni_capture_view(t, rows);
  return t;
}

/* x's slot is to hold another: what the rule that runs made goes back with its other temporaries. */
static void replace(cn_graph *g, cn_tensor *x, cn_tensor *s) {
  if (made_now(g, x->slot)) x->slot->uses--;
  else cni_slot_drop(g, x);
  cni_slot_set(x, s);
}

/* A slot that stayed narrow or factors, in x's shape. */
static bool widen(cn_graph *g, cn_tensor *x) {
  cn_tensor *numbers = cni_slot_numbers(x->slot);
  if (x->slot->count == x->count && !numbers) return true;
  cn_tensor *wide = cni_temporary(g, (cn_dtype)x->dtype, &x->dims);
  if (!wide) return false;
  cni_values_widen(g, wide, x->slot, numbers);
  if (g->capture) cni_capture_widen(wide, x->slot, numbers);
  return replace(g, x, wide), true;
}

bool cni_slot_add(const cni_walk *w, cn_tensor *x, cn_tensor *c) {
  cn_graph *g = w->g;
  if (!widen(g, x)) return false;
  if (w->record) return (x->slot = cn_add(g, x->slot, c)) != NULL;
  if (!alone(x->slot)) {
    cn_tensor *own = cni_temporary(g, (cn_dtype)x->dtype, &x->dims);
    if (!own) return false;
    if (own->count) memcpy(own->data, x->slot->data, (size_t)own->count * cn_dtype_size((cn_dtype)own->dtype));
    if (g->capture) cni_capture_copy(own, x->slot);
    replace(g, x, own);
  }
  cni_values_add(g, x->slot, c);
  if (g->capture) cni_capture_add(x->slot, c);
  return !g->check_finite || cni_check_finite(g, x->slot, "the sum of the gradients");
}

/* A step tensor with the value of a slot, sharing its memory. */
cn_tensor *cni_publish(cn_graph *g, cn_tensor *s) {
  cni_capture_spoil(g);
  if (!(s->flags & CNI_TEMPORARY)) return s;
  const bool in_rule = g->in_rule;
  g->in_rule = false;
  cn_tensor *t = s->buffer ? cni_view_header(g, (cn_dtype)s->dtype, &s->dims) : cni_tensor_new(g, (cn_dtype)s->dtype, &s->dims, false);
  g->in_rule = in_rule;
  if (!t) return NULL;
  if (!s->buffer) return memcpy(t->data, s->data, (size_t)t->count * cn_dtype_size((cn_dtype)t->dtype)), t;
  cni_buffer_use(g, s->buffer, true);
  t->buffer = s->buffer;
  t->data = s->data;
  return t;
}
