/* Muon: momentum made orthogonal by a Newton-Schulz iteration, for matrices; Adam for everything else. */
#include <ctype.h>
#include <math.h>
#include "optimizer_private.h"

enum { MOMENTUM, VELOCITY };
static const cn_slot slots[] = { { .name = "momentum" }, { .name = "velocity" }, { .name = NULL } };

static const cn_optimizer_MuonOptions *options(const cn_optimizer *o) { return o->object.options; }

static bool names_embedding(const char *path) {
  for (const char *p = path; *p; p++) {
    const char *q = "embedding", *r = p;
    while (*q && tolower((unsigned char)*r) == *q) q++, r++;
    if (!*q) return true;
  }
  return false;
}

static bool uses_adam(const cn_optimizer *o, const cn_tensor *v) {
  const cn_optimizer_MuonOptions *p = options(o);
  if (v->dims.rank != 2 || (p->exclude_embeddings && names_embedding(cni_variable_path(v)))) return true;
  bool matches = false;
  for (int64_t i = 0; i < p->exclude_layers.n && !matches; i++)
    if (!cni_pattern_matches((cn_optimizer *)(uintptr_t)o, p->exclude_layers.v[i], cni_variable_path(v), false, &matches)) return true;
  return matches;
}

static bool has_slot(const cn_optimizer *o, int i, const cn_tensor *v, cn_slot *slot) { return (void)slot, i == MOMENTUM || uses_adam(o, v); }

static double left(double beta, int64_t t) { return 1 - pow((double)(float)beta, (double)t); }

static void prepare(cn_optimizer *o, cni_step *s) {
  const cn_optimizer_MuonOptions *p = options(o);
  s->p[0] = s->rate * p->adam_lr_ratio * sqrt(left(p->adam_beta_2, s->t)) / left(p->adam_beta_1, s->t);
}

static cni_update_pass *pass(const cn_optimizer *o, const cni_entry *e, const cni_kernels *k, cni_update *c) {
  const cn_optimizer_MuonOptions *p = options(o);
  if (!e->slot[VELOCITY]) return NULL;
  c->slot[0] = cni_slot_data(e, MOMENTUM);
  c->slot[1] = cni_slot_data(e, VELOCITY);
  c->beta_1 = p->adam_beta_1;
  c->beta_2 = p->adam_beta_2;
  c->epsilon = p->epsilon;
  c->rate = o->state->step.p[0];
  return k->adam;
}

static double decay(const cn_optimizer *o, const cni_entry *e) {
  const double d = e->slot[VELOCITY] ? options(o)->adam_weight_decay : options(o)->weight_decay;
  return isnan(d) ? 0 : d;
}

/* x [rows, columns] towards the nearest orthogonal matrix. a, b [n, n] and y [rows, columns] are scratch, n the smaller side; the product with a is on that
 * side. Returns where the result stands. */
static void *orthogonal(cn_optimizer *o, const cn_tensor *shape, void *x, void *y, void *a, void *b) {
  const cn_optimizer_MuonOptions *p = options(o);
  cn_graph *g = o->object.graph;
  const cn_dtype dtype = (cn_dtype)shape->dtype;
  const cni_kernels *k = cni_kernels_for(g, dtype);
  const int64_t rows = shape->dims.d[0], columns = shape->dims.d[1], n = rows < columns ? rows : columns, other = rows < columns ? columns : rows;
  const bool tall = rows > columns;
  const double norm = 1 / (sqrt(cni_sum_squares(g, x, shape->count, dtype)) + 1e-7);
  k->scale(x, x, shape->count, &norm);
  for (int64_t step = 0; step < p->ns_steps; step++) {
    const cni_gemm_args square = { .dtype = dtype, .transpose_a = tall, .transpose_b = !tall, .m = n, .n = n, .k = other, .a = x, .b = x, .c = a, .batch = 1 };
    const cni_gemm_args fourth = { .dtype = dtype, .m = n, .n = n, .k = n, .a = a, .b = a, .c = b, .batch = 1 };
    const cni_gemm_args last = {.dtype = dtype, .accumulate = true, .m = rows, .n = columns, .k = n, .a = tall ? x : b, .b = tall ? b : x, .c = y, .batch = 1};
    if (cni_gemm(g, &square) != CN_OK || cni_gemm(g, &fourth) != CN_OK) return NULL;
    k->scale(b, b, n * n, &p->muon_c);
    k->axpy(b, a, n * n, p->muon_b);
    k->scale(y, x, shape->count, &p->muon_a);
    if (cni_gemm(g, &last) != CN_OK) return NULL;
    void *swap = x;
    x = y;
    y = swap;
  }
  return x;
}

static bool update(cn_optimizer *o, const cn_update *u) {
  const cn_optimizer_MuonOptions *p = options(o);
  cn_graph *g = o->object.graph;
  cn_tensor *w = u->variable, *m = u->slots[MOMENTUM];
  const cn_dtype dtype = (cn_dtype)w->dtype;
  const cni_kernels *k = cni_kernels_for(g, dtype);
  const int64_t rows = w->dims.d[0], columns = w->dims.d[1], n = rows < columns ? rows : columns, larger = rows < columns ? columns : rows;
  if (!w->count) return true;
  const cn_dims small = { 2, { n, n } };
  cn_tensor *x = cni_tensor_new(g, dtype, &w->dims, false), *y = cni_tensor_new(g, dtype, &w->dims, false), *a = cni_tensor_new(g, dtype, &small, false),
            *b = cni_tensor_new(g, dtype, &small, false);
  if (!x || !y || !a || !b) return false;
  k->scale(m->data, m->data, m->count, &p->momentum);
  k->accumulate(m->data, u->gradient->data, m->count);
  const double one = 1, share = p->nesterov ? p->momentum : 1;
  k->scale(x->data, m->data, m->count, p->nesterov ? &share : &one);
  if (p->nesterov) k->accumulate(x->data, u->gradient->data, m->count);
  const void *direction = orthogonal(o, w, x->data, y->data, a->data, b->data);
  if (!direction) return false;
  k->axpy(w->data, direction, w->count, -u->learning_rate * (isnan(p->rms_rate) ? 1 : p->rms_rate * sqrt((double)larger)));
  return true;
}

static const struct cni_optimizer_rules rules = { .prepare = prepare, .pass = pass, .decay = decay };
static const cn_optimizer_methods methods = { .slots = slots, .slot = has_slot, .update = update, .rules = &rules };
CN_OPTIMIZER(Muon, CN_OPTIMIZER_MUON, cn_optimizer, .methods = &methods)
