/* One step of an optimizer. */
#include <math.h>
#include "../autograd/profile.h"
#include "../autograd/replay_private.h"
#include "optimizer_private.h"

/* ---- passes over one variable ---- */
static void run(cn_graph *g, cni_update_pass *pass, cni_update *c, int64_t n) { cni_parallel(g, n, CNI_GRAIN, pass, c); }

static void average_into(const struct cni_optimizer_state *s, const cni_entry *e, cni_update *c) {
  if (!e->average) return;
  c->ema = e->average->data;
  c->ema_momentum = s->step.t > 1 ? s->ema_momentum : 0; /* the first average is the variable */
}

/* A step of rate 0 and without a gradient: decay, or the moving average alone. */
static void plain_pass(cn_optimizer *o, const cni_entry *e, double decay, bool average) {
  cni_update c = CNI_UPDATE_INIT;
  c.w = e->variable->data;
  c.decay = decay;
  if (average) average_into(o->state, e, &c);
  run(o->object.graph, cni_kernels_for(o->object.graph, e->dtype)->sgd, &c, e->count);
}

/* In a prepared step. */
static inline double decay_of(const cn_optimizer *o, const cni_entry *e) {
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  if (e->excluded) return 0;
  return r && r->decay ? r->decay(o, e) * o->state->step.rate : o->state->step.decay;
}

/* By the class' update: it gets the gradient scaled and clipped, after the decay. */
static bool update_whole(cn_optimizer *o, cni_entry *e, const cni_gradient *x, double scale, double decay) {
  cn_graph *g = o->object.graph;
  const struct cni_optimizer_state *s = o->state;
  const cn_optimizer_methods *m = cni_methods(o);
  cn_update u = { .variable = e->variable, .gradient = x->dense, .slots = e->slot, .learning_rate = s->step.rate, .step = s->step.t };
  if (!x->dense && !cni_rows_expand(o, e, &x->rows, scale, s->clipvalue, &u.gradient, &u.squares)) return false;
  if (x->dense && (scale != 1 || isfinite(s->clipvalue)) && !(u.gradient = cni_scaled(g, x->dense, scale, s->clipvalue))) return false;
  if (decay != 0) plain_pass(o, e, decay, false);
  const bool recording = cn_recording(g, false);
  const bool ok = m->update(o, &u) && cn_ok(g);
  cn_recording(g, recording);
  if (ok && e->average) plain_pass(o, e, 0, true);
  return ok || (cn_ok(g) && cni_optimizer_fail(o, CN_STATE, "update failed"));
}

/* The scale with clipnorm's factor; false after an error. */
static bool clip_scale(const cn_optimizer *o, cni_gradient *x, double *scale) {
  const struct cni_optimizer_state *s = o->state;
  if (!(s->clipnorm > 0)) return true;
  if (!x->dense && !cni_rows_join(o->object.graph, x->entry->variable, &x->rows)) return false;
  const cn_tensor *v = x->dense ? x->dense : x->rows.values;
  const double norm = sqrt(cni_sum_squares(o->object.graph, v->data, v->count, x->entry->dtype)) * fabs(*scale);
  *scale *= cni_clip_factor(norm, s->clipnorm);
  return true;
}

static void prepare(cn_optimizer *o) {
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  struct cni_optimizer_state *s = o->state;
  if (s->step.prepared) return;
  if (r && r->prepare) r->prepare(o, &s->step);
  s->step.decay = s->weight_decay * s->step.rate;
  s->step.common = (cni_update){ .rate = s->step.rate, .scale = 1, .clip = s->clipvalue };
  s->step.prepared = true;
}

/* Updates one variable with a complete gradient. */
static bool update_one(cn_optimizer *o, cni_gradient *x, double scale) {
  cn_graph *g = o->object.graph;
  const struct cni_optimizer_state *s = o->state;
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  cni_entry *e = x->entry;
  prepare(o);
  cni_update c = s->step.common;
  c.w = e->variable->data;
  c.decay = decay_of(o, e);
  if (!clip_scale(o, x, &scale)) return false;
  c.scale = scale;
  average_into(s, e, &c);
  cni_update_pass *pass = r && r->pass ? r->pass(o, e, cni_kernels_for(g, e->dtype), &c) : NULL;
  bool ok = true;
  if (!pass && !x->dense && !cni_rows_join(g, e->variable, &x->rows)) return false;
  if (!pass) ok = update_whole(o, e, x, scale, c.decay);
  else if (x->dense) c.g = x->dense->data, run(g, pass, &c, e->count);
  else ok = cni_rows_pass(o, e, &x->rows, &c, pass, c.decay == 0 && !c.ema && r->rows_only && r->rows_only(o));
  if (e->average) e->averaged = s->calls;
  cni_touch(e->variable);
  return ok;
}
static bool update_measured(cn_optimizer *o, cni_gradient *x, double scale) {
  cn_graph *g = o->object.graph;
  const cni_entry *e = x->entry;
  const int64_t height = e->variable->dims.rank ? e->variable->dims.d[0] : 1;
  const double began = cni_profile_clock(), width = (double)cn_dtype_size(e->dtype),
               count = x->dense ? (double)x->dense->count : height ? (double)x->rows.indices->count * (double)(e->count / height) : 0;
  const bool ok = update_one(o, x, scale);
  cni_profile_add(g, o->object.cls->schema.name, CN_PHASE_UPDATE, began, count,
                  3 * count * width); /* of the gradient and the variable; not of the rule's slots */
  return ok;
}

static inline bool update(cn_optimizer *o, cni_gradient *x, double scale) {
  return (o->object.graph->profile ? update_measured : update_one)(o, x, scale);
}

/* ---- the frame of a step ---- */
static void begin(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  const int64_t calls = *(const int64_t *)s->iteration->data;
  s->calls++;
  s->step = (cni_step){ .rate = cn_optimizer_learning_rate(o), .t = calls + 1, .scale = 1 / s->loss_scale, .updates = true };
  if (s->accumulate == 1) return;
  s->step.t = calls / s->accumulate + 1;
  s->step.scale = 1.0 / (double)s->accumulate;
  s->step.updates = (calls + 1) % s->accumulate == 0;
}

static bool constrain(cn_optimizer *o, const cni_entry *e) {
  const cn_projection p = e->variable->extra->projection;
  if (!p.apply || e->met != o->state->calls) return true;
  const bool recording = cn_recording(o->object.graph, false);
  const bool ok = p.apply(o->object.graph, e->variable, p.object) && cn_ok(o->object.graph);
  cn_recording(o->object.graph, recording);
  return ok;
}

static void overwrite(const cni_entry *e) {
  if (!e->average || !cni_entry_live(e)) return;
  if (e->count) memcpy(e->variable->data, e->average->data, (size_t)e->count * cn_dtype_size(e->dtype));
  cni_touch(e->variable);
}

/* e has a gradient in this call. */
static void meet(cn_optimizer *o, cni_entry *e) {
  e->met = o->state->calls;
  o->state->step.constrained |= e->variable->extra->projection.apply != NULL;
}

static bool end(cn_optimizer *o) {
  struct cni_optimizer_state *s = o->state;
  const bool overwrites = s->use_ema && s->overwrite && s->step.t % s->overwrite == 0, looks = s->use_ema || s->accumulate > 1 || s->step.constrained;
  bool ok = true;
  for (int64_t i = 0; looks && ok && i < s->count; i++) {
    cni_entry *e = &s->entries[i];
    if (!cni_entry_live(e)) continue;
    if (e->average && e->averaged != s->calls) plain_pass(o, e, 0, true);
    if (overwrites) overwrite(e);
    if (e->accumulator && s->step.updates && e->count) memset(e->accumulator->data, 0, (size_t)e->count * cn_dtype_size(e->dtype));
    ok = constrain(o, e);
  }
  ++*(int64_t *)s->iteration->data;
  cni_touch(s->iteration);
  return ok;
}

/* ---- a list of gradients ---- */
/* The accumulator takes the gradient's place. Linear, so repeated rows add up. */
static void accumulate(cn_optimizer *o, cni_gradient *x) {
  const cni_entry *e = x->entry;
  const cni_kernels *k = cni_kernels_for(o->object.graph, e->dtype);
  const double factor = 1 / o->state->loss_scale;
  char *sum = e->accumulator->data;
  if (x->dense) k->axpy(sum, x->dense->data, e->count, factor);
  else if (e->count) {
    const int64_t *index = x->rows.indices->data, width = e->count / e->variable->dims.d[0], size = (int64_t)cn_dtype_size(e->dtype);
    for (int64_t i = 0; i < x->rows.indices->count; i++)
      k->axpy(sum + index[i] * width * size, (const char *)x->rows.values->data + i * width * size, width, factor);
  }
  x->dense = e->accumulator;
  x->rows = (cn_rows){ NULL, NULL };
}

/* As Keras, where the scaling by global_clipnorm makes sparse gradients dense: squares are those of sums then. */
static bool sum_rows(const cn_optimizer *o, cni_gradient *x) {
  if (x->dense || !(o->state->global_clipnorm > 0)) return true;
  return (x->dense = cni_rows_dense(o->object.graph, &x->rows, x->entry->variable)) != NULL;
}

static double global_factor(const cn_optimizer *o, const cni_gradient *x, int64_t n) {
  const struct cni_optimizer_state *s = o->state;
  if (!(s->global_clipnorm > 0)) return 1;
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    const cn_tensor *v = x[i].dense ? x[i].dense : x[i].rows.values;
    sum += cni_sum_squares(o->object.graph, v->data, v->count, x[i].entry->dtype);
  }
  const double norm = sqrt(sum) * fabs(s->step.scale);
  return isfinite(norm) ? cni_clip_factor(norm, s->global_clipnorm) : NAN; /* Keras: an infinite norm makes every gradient NaN */
}

static bool run_step(cn_optimizer *o, cni_gradient *x, int64_t n) {
  struct cni_optimizer_state *s = o->state;
  begin(o);
  for (int64_t i = 0; i < n; i++) {
    meet(o, x[i].entry);
    if (s->accumulate > 1) accumulate(o, &x[i]);
  }
  if (s->step.updates) {
    const double scale = s->step.scale * global_factor(o, x, n);
    for (int64_t i = 0; i < n; i++)
      if (!sum_rows(o, &x[i]) || !update(o, &x[i], scale)) return false;
  }
  return end(o);
}

static bool same_shape(cn_optimizer *o, const cn_tensor *v, const cn_tensor *t, const cn_dims *dims, int64_t i) {
  char a[160], b[160];
  if (t->dtype == v->dtype && cn_dims_equal(&t->dims, dims)) return true;
  return cni_optimizer_fail(o, t->dtype != v->dtype ? CN_DTYPE : CN_SHAPE, "gradient %lld is %s %s, variable %s is %s %s", (long long)i,
                            cn_dtype_name((cn_dtype)t->dtype), cn_dims_text(&t->dims, a, sizeof a), cni_variable_path(v), cn_dtype_name((cn_dtype)v->dtype),
                            cn_dims_text(&v->dims, b, sizeof b));
}

/* Row numbers as int64, in range. */
static cn_tensor *row_numbers(cn_optimizer *o, const cn_tensor *v, cn_tensor *indices, int64_t i) {
  cn_graph *g = o->object.graph;
  if (indices->dtype != CN_I64 && indices->dtype != CN_I32)
    return cni_optimizer_fail(o, CN_DTYPE, "row indices %lld are %s", (long long)i, cn_dtype_name((cn_dtype)indices->dtype)), NULL;
  cn_tensor *out = indices->dtype == CN_I64 ? indices : cni_tensor_new(g, CN_I64, &indices->dims, false);
  for (int64_t k = 0; out && k < indices->count; k++) {
    const int64_t row = indices->dtype == CN_I64 ? ((const int64_t *)indices->data)[k] : ((const int32_t *)indices->data)[k];
    if (row < 0 || row >= v->dims.d[0])
      return cni_optimizer_fail(o, CN_INDEX, "row index %lld of gradient %lld is out of range for %lld rows", (long long)row, (long long)i,
                                (long long)v->dims.d[0]),
             NULL;
    if (out != indices) ((int64_t *)out->data)[k] = row;
  }
  return out;
}

static bool take_rows(cn_optimizer *o, const cn_tensor *v, const cn_rows *rows, int64_t i, cni_gradient *x) {
  cn_graph *g = o->object.graph;
  if (!rows->indices || !cni_readable(g, rows->indices, true) || !cni_readable(g, rows->values, true))
    return cn_ok(g) && cni_optimizer_fail(o, CN_VALUE, "gradient %lld has no row indices", (long long)i);
  if (!v->dims.rank) return cni_optimizer_fail(o, CN_SHAPE, "variable %s has no rows", cni_variable_path(v));
  const int64_t width = v->dims.d[0] ? v->count / v->dims.d[0] : 0;
  cn_dims whole = v->dims;
  whole.d[0] = rows->indices->count;
  const cn_dims flat = { 2, { rows->indices->count, width } };
  if (!same_shape(o, v, rows->values, cn_dims_equal(&rows->values->dims, &flat) ? &flat : &whole, i)) return false;
  x->rows = (cn_rows){ row_numbers(o, v, rows->indices, i), rows->values };
  return x->rows.indices != NULL;
}

/* Checks everything and keeps those that are there; the number of them, or -1. */
static int64_t take_list(cn_optimizer *o, const cni_gradient_list *l, cni_gradient *x) {
  int64_t n = 0;
  for (int64_t i = 0; i < l->n; i++) {
    cn_tensor *v = l->variables[i], *t = l->gradients ? l->gradients[i] : NULL;
    const bool sparse = l->rows && l->rows[i].values;
    if (!t && !sparse) continue;
    x[n] = (cni_gradient){ .entry = cni_entry_of(o, v) };
    if (!x[n].entry) return cni_optimizer_fail(o, CN_STATE, "variable %s is not one that it was built for", cni_variable_path(v)), -1;
    if (sparse ? !take_rows(o, v, &l->rows[i], i, &x[n]) : !cni_readable(o->object.graph, t, true) || !same_shape(o, v, t, &v->dims, i)) return -1;
    if (!sparse) x[n].dense = t;
    n++;
  }
  if (!n) cni_optimizer_fail(o, CN_VALUE, "there is no gradient for any variable");
  return n ? n : -1;
}

bool cni_optimizer_apply(cn_optimizer *o, const cni_gradient_list *l) {
  cn_graph *g = o->object.graph;
  const cni_wrapper *w = cni_wrapper_of(o);
  if (!cni_settle(g)) return false;
  cni_gradient *x = cni_arena_take(g, cni_step_arena(g), (size_t)(l->n ? l->n : 1) * sizeof *x);
  const int64_t n = x ? take_list(o, l, x) : -1;
  if (n < 0) return false;
  return w ? w->apply(o, l) : run_step(o, x, n);
}

bool cni_list_scaled(cn_graph *g, const cni_gradient_list *l, double scale, cni_gradient_list *out) {
  const size_t n = (size_t)l->n + 1;
  char *room = cni_arena_take(g, cni_step_arena(g), n * (sizeof(cn_rows) + sizeof(cn_tensor *)));
  if (!room) return false;
  cn_rows *rows = (void *)room;
  cn_tensor **gradients = (void *)(rows + n);
  for (int64_t i = 0; i < l->n; i++) {
    const bool sparse = l->rows && l->rows[i].values;
    rows[i] = sparse ? l->rows[i] : (cn_rows){ NULL, NULL };
    gradients[i] = !sparse && l->gradients ? l->gradients[i] : NULL;
    if (sparse && !(rows[i].values = cni_scaled(g, rows[i].values, scale, INFINITY))) return false;
    if (gradients[i] && !(gradients[i] = cni_scaled(g, gradients[i], scale, INFINITY))) return false;
  }
  *out = (cni_gradient_list){ gradients, rows, l->variables, l->n };
  return true;
}

/* ---- entry points ---- */
bool cn_optimizer_apply_rows(cn_optimizer *o, cn_tensor *const *gradients, const cn_rows *rows, cn_tensor *const *variables, int64_t n) {
  if (!o || !cn_ok(o->object.graph)) return false;
  if (!o->state->built && !cn_optimizer_build(o, variables, n)) return false;
  return cni_optimizer_apply(o, &(const cni_gradient_list){ gradients, rows, variables, n });
}
bool cn_optimizer_apply(cn_optimizer *o, cn_tensor *const *gradients, cn_tensor *const *variables, int64_t n) {
  return cn_optimizer_apply_rows(o, gradients, NULL, variables, n);
}

bool cn_optimizer_step(cn_optimizer *o) {
  if (!o || !cn_ok(o->object.graph)) return false;
  cn_graph *g = o->object.graph;
  struct cni_optimizer_state *s = o->state;
  if (!s->built && !cn_optimizer_build(o, NULL, 0)) return false;
  const size_t n = (size_t)(s->count ? s->count : 1);
  char *room = cni_arena_take(g, cni_step_arena(g), n * (2 * sizeof(cn_tensor *) + sizeof(cn_rows)));
  if (!room) return false;
  cn_rows *rows = (void *)room;
  cn_tensor **gradients = (void *)(rows + n), **variables = gradients + n;
  int64_t count = 0;
  for (int64_t i = 0; i < s->count; i++) {
    cn_tensor *v = s->entries[i].variable;
    if (!cni_entry_live(&s->entries[i]) || v->extra->zero || v->extra->frozen || (!v->extra->grad && !v->extra->rows.values)) continue;
    rows[count] = v->extra->rows;
    gradients[count] = rows[count].values ? NULL : v->extra->grad;
    variables[count++] = v;
  }
  return cni_optimizer_apply(o, &(const cni_gradient_list){ gradients, rows, variables, count });
}

/* ---- backward with the update in it ---- */
static bool take_complete(void *user, cn_tensor *variable, cn_tensor *gradient, const cn_rows *rows) {
  cn_optimizer *o = user;
  cni_entry *e = cni_entry_of(o, variable);
  if (!e) return true;
  cni_gradient x = { e, gradient, rows ? *rows : (cn_rows){ NULL, NULL } };
  meet(o, e);
  return update(o, &x, o->state->step.scale);
}

/* Variables of one pass and one decay together: one call instead of one each, which costs more than the update of a small one. */
#define TOGETHER 32
typedef struct group { cni_update *u; cni_update_pass *pass; int64_t count; cni_update_part parts[TOGETHER]; } group;

static void update_group(group *p) {
  p->u->parts = p->parts;
  if (p->count) p->pass(p->u, 0, p->count);
  p->u->parts = NULL;
  p->count = 0;
}

static void add_to_group(cn_optimizer *o, group *p, const cni_entry *e, const cn_tensor *gradient) {
  const double decay = decay_of(o, e);
  p->u->slot[0] = p->u->slot[1] = p->u->slot[2] = NULL;
  cni_update_pass *pass = cni_methods(o)->rules->pass(o, e, cni_kernels_for(o->object.graph, e->dtype), p->u);
  if (p->count && (p->count == TOGETHER || pass != p->pass || decay != p->u->decay)) update_group(p);
  p->pass = pass;
  p->u->decay = decay;
  void *const *slot = p->u->slot;
  p->parts[p->count++] = (cni_update_part){ e->variable->data, gradient->data, { slot[0], slot[1], slot[2] }, e->count };
}

/* An average or a norm is each variable's own. */
static bool groups(const cn_optimizer *o) { return !o->state->use_ema && !(o->state->clipnorm > 0) && !o->object.graph->profile; }

static bool take_all(void *user, const cni_complete *x, int64_t n) {
  cn_optimizer *o = user;
  group p;
  bool ok = true;
  if (!groups(o)) {
    for (int64_t i = 0; ok && i < n; i++) ok = take_complete(user, x[i].variable, x[i].gradient, NULL);
    return ok;
  }
  prepare(o);
  p.u = &o->state->step.common; /* nothing is updated after them */
  p.u->scale = o->state->step.scale;
  p.count = 0;
  for (int64_t i = 0; i < n; i++) {
    cni_entry *e = cni_entry_of(o, x[i].variable);
    if (!e) continue;
    meet(o, e);
    add_to_group(o, &p, e, x[i].gradient);
    cni_touch(e->variable);
  }
  update_group(&p);
  return true;
}

/* Elementwise updates need nothing but their own gradient. A check for values that are not finite must see all gradients before the first update. */
static bool fuses(const cn_optimizer *o) {
  const cn_optimizer_methods *m = cni_methods(o);
  const struct cni_optimizer_state *s = o->state;
  return m->rules && m->rules->pass && !m->update && !(s->global_clipnorm > 0) && s->accumulate == 1 && !o->object.graph->check_finite;
}

static bool minimize_fused(cn_optimizer *o, const cn_backward_args *a) {
  const struct cni_optimizer_state *s = o->state;
  const cni_sink sink = { take_complete, take_all, o };
  begin(o);
  if (!cni_backward(a, &sink)) return false;
  if (!s->step.prepared) return cni_optimizer_fail(o, CN_VALUE, "there is no gradient for any variable");
  return end(o);
}

bool cni_optimizer_replay(cn_optimizer *o, struct cni_replay *r) {
  const cni_sink sink = { take_complete, take_all, o };
  if (!cni_settle(o->object.graph)) return false;
  begin(o);
  return cni_replay_backward(r, &sink) && end(o);
}

bool cn_optimizer_minimize(cn_optimizer *o, cn_tensor *loss, bool release) {
  if (!o || !cn_ok(o->object.graph) || !loss) return false;
  cn_graph *g = o->object.graph;
  if (!o->state->built && !cn_optimizer_build(o, NULL, 0)) return false;
  cn_backward_args a = { .graph = g, .y = loss, .gradient = CN_NO_TENSOR, .release = release };
  const double scale = cn_optimizer_loss_scale(o);
  if (scale != 1) cni_capture_spoil(g); /* it may change between steps */
  if (scale != 1 && !(cni_readable(g, loss, true) && (a.gradient = cn_full(g, (cn_dtype)loss->dtype, &loss->dims, scale)))) return false;
  return fuses(o) ? minimize_fused(o, &a) : cni_backward(&a, NULL) && cn_optimizer_step(o);
}

bool cn_optimizer_finalize(cn_optimizer *o) {
  if (!o || !cn_ok(o->object.graph)) return false;
  const cni_wrapper *w = cni_wrapper_of(o);
  if (!cni_settle(o->object.graph)) return false;
  for (int64_t i = 0; i < o->state->count; i++) overwrite(&o->state->entries[i]);
  return !w || w->finalize(o);
}
