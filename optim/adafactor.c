/* Adafactor: second moments of matrices as the product of row and column means. */
#include <math.h>
#include "optimizer_private.h"

enum { ROWS, COLUMNS, VELOCITY };
static const cn_slot slots[] = { { .name = "" }, { .name = "" }, { .name = "velocity" }, { .name = NULL } };

/* Means of [..., rows, columns]: r [..., rows], c [..., columns]. Keras gives vectors two int32 zeros instead. */
static bool slot_for(const cn_optimizer *o, int i, const cn_tensor *v, cn_slot *slot) {
  const int rank = v->dims.rank;
  (void)o;
  if (i == VELOCITY) return true;
  slot->other = true;
  slot->dtype = rank < 2 ? CN_I32 : (cn_dtype)v->dtype;
  slot->dims = (cn_dims){ 0, { 0 } };
  if (rank < 2) return true;
  slot->dims = v->dims;
  slot->dims.rank = rank - 1;
  if (i == COLUMNS) slot->dims.d[rank - 2] = v->dims.d[rank - 1];
  return true;
}

typedef struct matrices { int64_t batch, rows, columns; } matrices;

/* mean = beta mean + (1 - beta) sum / n, over the n numbers of each sum. */
static void follow(const cni_kernels *k, cn_tensor *mean, const void *sum, double beta, int64_t n) {
  k->scale(mean->data, mean->data, mean->count, &beta);
  k->axpy(mean->data, sum, mean->count, (1 - beta) / (double)n);
}

/* v = (r / mean(r)) c for each matrix. */
static void outer(const cni_kernels *k, cn_tensor *v, const cn_tensor *r, const cn_tensor *c, const matrices *m) {
  const size_t size = cn_dtype_size((cn_dtype)v->dtype);
  for (int64_t b = 0; b < m->batch; b++) {
    double mean = 0;
    for (int64_t i = 0; i < m->rows; i++) mean += cni_value_at(r, b * m->rows + i);
    mean /= (double)m->rows;
    for (int64_t i = 0; i < m->rows; i++) {
      const double factor = cni_value_at(r, b * m->rows + i) / mean;
      k->scale((char *)v->data + (size_t)((b * m->rows + i) * m->columns) * size, (const char *)c->data + (size_t)(b * m->columns) * size, m->columns, &factor);
    }
  }
}

/* The second moment from the squares. */
static bool second_moment(cn_optimizer *o, const cn_update *u, cn_tensor *squares, double beta) {
  cn_graph *g = o->object.graph;
  const cni_kernels *k = cni_kernels_for(g, (cn_dtype)squares->dtype);
  const cn_dims *d = &squares->dims;
  if (d->rank < 2) return follow(k, u->slots[VELOCITY], squares->data, beta, 1), true;
  const matrices m = { squares->count / (d->d[d->rank - 1] * d->d[d->rank - 2]), d->d[d->rank - 2], d->d[d->rank - 1] };
  cn_tensor *r = cni_tensor_new(g, (cn_dtype)squares->dtype, &u->slots[ROWS]->dims, false),
            *c = cni_tensor_new(g, (cn_dtype)squares->dtype, &u->slots[COLUMNS]->dims, false);
  if (!r || !c) return false;
  k->sum(r->data, squares->data, m.batch * m.rows, m.columns, 1);
  k->sum(c->data, squares->data, m.batch, m.rows, m.columns);
  follow(k, u->slots[ROWS], r->data, beta, m.columns);
  follow(k, u->slots[COLUMNS], c->data, beta, m.rows);
  outer(k, u->slots[VELOCITY], u->slots[ROWS], u->slots[COLUMNS], &m);
  return true;
}

static double rms(cn_graph *g, const cn_tensor *x) { return sqrt(cni_sum_squares(g, x->data, x->count, (cn_dtype)x->dtype) / (double)x->count); }

/* Of g / sqrt(v), s: the rows of a sparse gradient count one by one. */
static bool rms_of_step(cn_graph *g, const cn_update *u, const cn_tensor *s, double *out) {
  const cni_kernels *k = cni_kernels_for(g, (cn_dtype)s->dtype);
  if (!u->squares) return *out = rms(g, s), true;
  cn_tensor *ratio = cni_tensor_new(g, (cn_dtype)s->dtype, &s->dims, false), *sum = cni_tensor_new(g, (cn_dtype)s->dtype, CN_SCALAR, false);
  if (!ratio || !sum) return false;
  k->divide(ratio->data, u->squares->data, u->slots[VELOCITY]->data, s->count, 1, 1);
  k->sum(sum->data, ratio->data, 1, s->count, 1);
  *out = sqrt(cni_value_at(sum, 0) / (double)s->count);
  return true;
}

static bool update(cn_optimizer *o, const cn_update *u) {
  const cn_optimizer_AdafactorOptions *p = o->object.options;
  cn_graph *g = o->object.graph;
  cn_tensor *w = u->variable, *x = u->gradient, *s;
  if (!w->count) return true;
  const cni_kernels *k = cni_kernels_for(g, (cn_dtype)w->dtype);
  const double t = (double)u->step, rate = p->relative_step ? fmin(u->learning_rate, 1 / sqrt(t)) : u->learning_rate;
  if (!(s = cni_tensor_new(g, (cn_dtype)w->dtype, &w->dims, false))) return false;
  if (u->squares) k->shift(s->data, u->squares->data, s->count, &p->epsilon_1);
  else k->square(s->data, x->data, s->count, NULL), k->shift(s->data, s->data, s->count, &p->epsilon_1);
  if (!second_moment(o, u, s, 1 - pow(t, p->beta_2_decay))) return false;
  k->sqrt(s->data, u->slots[VELOCITY]->data, s->count, NULL);
  k->divide(s->data, x->data, s->data, s->count, 1, 1);
  double length;
  if (!rms_of_step(g, u, s, &length)) return false;
  const double size = fmax(p->epsilon_2, rms(g, w)) * fmin(rate, 1 / sqrt(t));
  k->axpy(w->data, s->data, w->count, -size / fmax(1, length / p->clip_threshold));
  return true;
}

static const cn_optimizer_methods methods = { .slots = slots, .slot = slot_for, .update = update };
CN_OPTIMIZER(Adafactor, CN_OPTIMIZER_ADAFACTOR, cn_optimizer, .methods = &methods)
