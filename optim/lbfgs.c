/* L-BFGS (Nocedal & Wright, Numerical Optimization, 2006: algorithms 7.4, 3.5, 3.6). All arithmetic in double; x are always values that the variables can hold.
 */
#include "lbfgs.h"
#include <float.h>
#include <math.h>
#include "optimizer_private.h"

#define SEARCH_STEPS 30   /* of a line search, in either of its halves */

/* A point on the way: value and slope along the direction at step a. */
typedef struct point { double a, f, slope; } point;

typedef struct problem {
  const cn_lbfgs_args *o;
  cn_graph *g;
  cn_lbfgs_report *report;
  int64_t size;                                                /* of all variables */
  double *x, *gradient, *direction, *trial_x, *trial_gradient; /* [size] */
  double *s, *y;                                               /* [history, size]: steps, changes of the gradient; a ring */
  double *rho, *alpha;                                         /* [history] */
  int64_t kept, next;                                          /* pairs in the ring, where the next one goes */
  double loss;
  cn_tensor **wanted;                                          /* [variables] gradients of an evaluation */
} problem;

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}
static double largest(const double *a, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    if (!(fabs(a[i]) <= most)) most = fabs(a[i]);
  return most;
}

/* ---- the function ---- */
/* Writes x, and reads back what the variables could hold of it. On a failed graph too. */
static void write_variables(const problem *p, double *x) {
  for (int64_t i = 0, at = 0; i < p->o->variables.n; i++) {
    cn_tensor *v = p->o->variables.v[i];
    for (int64_t k = 0; k < v->count; k++, at++) {
      cni_value_set(v, k, x[at]);
      x[at] = cni_value_at(v, k);
    }
    cni_touch(v);
  }
}

static cn_tensor *value_of(const problem *p) {
  cn_tensor *f = p->o->f(p->g, p->o->user);
  if (!cn_ok(p->g) || (f && !cni_readable(p->g, f, true))) return NULL;
  if (!f) return cn_fail(p->g, CN_STATE, "lbfgs_minimize: the function failed without an error"), NULL;
  if (f->count == 1 && cni_is_float((cn_dtype)f->dtype)) return f;
  char text[160];
  cn_fail(p->g, CN_SHAPE, "lbfgs_minimize: the function gives %s %s, not a scalar", cn_dtype_name((cn_dtype)f->dtype),
          cn_dims_text(&f->dims, text, sizeof text));
  return NULL;
}

/* f and its gradient where the variables stand. */
static bool evaluate(problem *p, double *f, double *gradient) {
  const cn_tensors v = p->o->variables;
  cn_graph_reset(p->g);
  const bool recording = cn_recording(p->g, true);
  cn_tensor *y = value_of(p);
  const bool ok = y && cn_gradients(p->g, y, CN_NO_TENSOR, v.v, v.n, false, p->wanted);
  cn_recording(p->g, recording);
  if (!ok) return false;
  p->report->evaluations++;
  *f = cni_value_at(y, 0);
  for (int64_t i = 0, at = 0; i < v.n; i++)
    for (int64_t k = 0; k < v.v[i]->count; k++) gradient[at++] = cni_value_at(p->wanted[i], k);
  cn_graph_reset(p->g);
  return true;
}

static bool try_step(problem *p, double a, point *t) {
  for (int64_t i = 0; i < p->size; i++) p->trial_x[i] = p->x[i] + a * p->direction[i];
  write_variables(p, p->trial_x);
  *t = (point){ .a = a };
  if (!evaluate(p, &t->f, p->trial_gradient)) return false;
  t->slope = dot(p->trial_gradient, p->direction, p->size);
  if (!isfinite(t->f) || !isfinite(t->slope)) t->f = INFINITY;
  return true;
}

/* ---- the line search ---- */
/* The minimum of the cubic through two points, kept off their ends; the middle where that is none (N & W 3.59). */
static double between(const point *l, const point *h) {
  const double low = fmin(l->a, h->a), width = fabs(h->a - l->a), middle = low + 0.5 * width;
  if (!isfinite(h->f) || !isfinite(h->slope)) return low + 0.1 * width;
  const double d1 = l->slope + h->slope - 3 * (l->f - h->f) / (l->a - h->a), square = d1 * d1 - l->slope * h->slope;
  if (!(square >= 0)) return middle;
  const double d2 = copysign(sqrt(square), h->a - l->a), a = h->a - (h->a - l->a) * (h->slope + d2 - d1) / (h->slope - l->slope + 2 * d2);
  return isfinite(a) && a >= low + 0.1 * width && a <= low + 0.9 * width ? a : middle;
}

static bool may_go_on(const problem *p) {
  const int64_t most = p->o->max_evaluations;
  return most != CN_NONE ? p->report->evaluations < most : (p->report->evaluations - 20) / 5 < p->o->max_iterations || p->report->evaluations < 20;
}
static bool lowers(const problem *p, const point *start, const point *t) { return t->f <= start->f + p->o->sufficient_decrease * t->a * start->slope; }
static bool flat(const problem *p, const point *start, const point *t) { return fabs(t->slope) <= -p->o->curvature * start->slope; }

typedef enum { FOUND, NOT_FOUND, FAILED } outcome;

/* Algorithm 3.6: low has the lowest value of those that decrease enough, and the interval holds a step that is wanted. Ends with the trial at `low` or the one
 * found. */
static outcome zoom(problem *p, const point *start, point low, point high, point *t) {
  for (int i = 0; i < SEARCH_STEPS && may_go_on(p) && fabs(high.a - low.a) > DBL_EPSILON * fabs(low.a); i++) {
    if (!try_step(p, between(&low, &high), t)) return FAILED;
    if (!lowers(p, start, t) || t->f >= low.f) {
      high = *t;
      continue;
    }
    if (flat(p, start, t)) return FOUND;
    if (t->slope * (high.a - low.a) >= 0) high = low;
    low = *t;
  }
  if (!(low.a > 0) || !(low.f < start->f)) return NOT_FOUND;
  return try_step(p, low.a, t) ? FOUND : FAILED;
}

/* Algorithm 3.5. */
static outcome search(problem *p, double first, point *t) {
  const point start = { 0, p->loss, dot(p->gradient, p->direction, p->size) };
  point before = start;
  double a = first;
  if (!(start.slope < 0)) return NOT_FOUND;
  for (int i = 0; i < SEARCH_STEPS && may_go_on(p); i++) {
    if (!try_step(p, a, t)) return FAILED;
    if (!lowers(p, &start, t) || (i && t->f >= before.f)) return zoom(p, &start, before, *t, t);
    if (flat(p, &start, t)) return FOUND;
    if (t->slope >= 0) return zoom(p, &start, *t, before, t);
    before = *t;
    a *= 2;
  }
  return before.a > 0 ? FOUND : NOT_FOUND;
}

/* ---- the direction ---- */
/* Algorithm 7.4: -H gradient. */
static void set_direction(problem *p) {
  const int64_t n = p->size, m = p->o->history;
  double *d = p->direction;
  for (int64_t i = 0; i < n; i++) d[i] = -p->gradient[i];
  for (int64_t j = 1; j <= p->kept; j++) {
    const int64_t k = (p->next - j + m) % m;
    p->alpha[k] = p->rho[k] * dot(p->s + k * n, d, n);
    for (int64_t i = 0; i < n; i++) d[i] -= p->alpha[k] * p->y[k * n + i];
  }
  if (p->kept) {
    const int64_t k = (p->next - 1 + m) % m;
    const double scale = 1 / (p->rho[k] * dot(p->y + k * n, p->y + k * n, n));
    for (int64_t i = 0; i < n; i++) d[i] *= scale;
  }
  for (int64_t j = p->kept; j >= 1; j--) {
    const int64_t k = (p->next - j + m) % m;
    const double beta = p->rho[k] * dot(p->y + k * n, d, n);
    for (int64_t i = 0; i < n; i++) d[i] += (p->alpha[k] - beta) * p->s[k * n + i];
  }
}

/* Pairs without positive curvature would spoil H. */
static void remember(problem *p) {
  double *s = p->s + p->next * p->size, *y = p->y + p->next * p->size;
  for (int64_t i = 0; i < p->size; i++) {
    s[i] = p->trial_x[i] - p->x[i];
    y[i] = p->trial_gradient[i] - p->gradient[i];
  }
  const double sy = dot(s, y, p->size);
  if (!(sy > DBL_EPSILON * dot(y, y, p->size)) || !isfinite(1 / sy)) return;
  p->rho[p->next] = 1 / sy;
  p->next = (p->next + 1) % p->o->history;
  if (p->kept < p->o->history) p->kept++;
}

/* The trial becomes the point. */
static void move(problem *p, const point *t) {
  double *x = p->x, *gradient = p->gradient;
  remember(p);
  p->x = p->trial_x;
  p->gradient = p->trial_gradient;
  p->trial_x = x;
  p->trial_gradient = gradient;
  p->loss = t->f;
}

/* ---- the whole ---- */
static bool stop(problem *p, bool converged, const char *why) {
  p->report->converged = converged;
  p->report->stopped = why;
  return false;
}

/* One step; false: no more of them. */
static bool iterate(problem *p) {
  cn_lbfgs_report *r = p->report;
  const double before = p->loss;
  point t;
  if (largest(p->gradient, p->size) <= p->o->gradient_tolerance) return stop(p, true, "the gradient is small");
  if (r->iterations >= p->o->max_iterations) return stop(p, false, "max_iterations");
  if (!may_go_on(p)) return stop(p, false, "max_evaluations");
  set_direction(p);
  const outcome found = search(p, p->kept ? 1 : fmin(1, 1 / sqrt(dot(p->gradient, p->gradient, p->size))), &t);
  if (found == FAILED) return stop(p, false, "the function failed");
  if (found == NOT_FOUND) {
    if (!p->kept || !may_go_on(p)) return stop(p, false, may_go_on(p) ? "no step lowers the loss" : "max_evaluations");
    p->kept = p->next = 0; /* once more along the gradient itself */
    return true;
  }
  move(p, &t);
  r->iterations++;
  if (p->o->loss_tolerance > 0 && before - p->loss <= p->o->loss_tolerance * fmax(1, fabs(p->loss))) return stop(p, true, "the loss hardly falls");
  return true;
}

static bool variables_ok(const cn_lbfgs_args *o) {
  cn_graph *g = o->graph;
  if (o->variables.n < 1) return cn_fail(g, CN_VALUE, "lbfgs_minimize: there are no variables"), false;
  for (int64_t i = 0; i < o->variables.n; i++) {
    cn_tensor *v = o->variables.v[i];
    if (!v || !cn_is_variable(v)) return cn_fail(g, CN_VALUE, "lbfgs_minimize: tensor %lld is no variable", (long long)i), false;
    if (!cni_readable(g, v, true)) return false;
    if (!cni_is_float((cn_dtype)v->dtype))
      return cn_fail(g, CN_DTYPE, "lbfgs_minimize: variable %lld is %s", (long long)i, cn_dtype_name((cn_dtype)v->dtype)), false;
    for (int64_t k = 0; k < i; k++)
      if (o->variables.v[k] == v) return cn_fail(g, CN_VALUE, "lbfgs_minimize: variables %lld and %lld are the same", (long long)k, (long long)i), false;
  }
  return true;
}

static bool options_ok(const cn_lbfgs_args *o) {
  cn_graph *g = o->graph;
  if (!o->f) return cn_fail(g, CN_VALUE, "lbfgs_minimize: the function is NULL"), false;
  if (o->max_iterations < 0) return cn_fail(g, CN_VALUE, "lbfgs_minimize: max_iterations must not be negative, got %lld", (long long)o->max_iterations), false;
  if (o->max_evaluations != CN_NONE && o->max_evaluations < 1)
    return cn_fail(g, CN_VALUE, "lbfgs_minimize: max_evaluations must be positive, got %lld", (long long)o->max_evaluations), false;
  if (o->history < 1 || o->history > INT32_MAX)
    return cn_fail(g, CN_VALUE, "lbfgs_minimize: history must be positive and below 2^31, got %lld", (long long)o->history), false;
  if (!(o->gradient_tolerance >= 0) || !(o->loss_tolerance >= 0))
    return cn_fail(g, CN_VALUE, "lbfgs_minimize: tolerances must not be negative, got %g and %g", o->gradient_tolerance, o->loss_tolerance), false;
  if (o->sufficient_decrease > 0 && o->sufficient_decrease < o->curvature && o->curvature < 1) return variables_ok(o);
  return cn_fail(g, CN_VALUE, "lbfgs_minimize: 0 < sufficient_decrease < curvature < 1 must hold, got %g and %g", o->sufficient_decrease, o->curvature), false;
}

/* One block: five vectors, the ring, its numbers, the list of gradients. */
static void *make_room(problem *p) {
  const cn_lbfgs_args *o = p->o;
  for (int64_t i = 0; i < o->variables.n; i++) p->size += o->variables.v[i]->count;
  size_t numbers, bytes;
  const bool fits = cni_size_multiply((size_t)(5 + 2 * o->history), (size_t)p->size, &numbers) &&
                    cni_size_multiply(numbers + 2 * (size_t)o->history, sizeof(double), &bytes) && bytes < SIZE_MAX / 2;
  if (!fits) return cn_fail(p->g, CN_NO_MEMORY, "lbfgs_minimize: out of memory"), NULL;
  double *at = cni_alloc(p->g, bytes + (size_t)o->variables.n * sizeof *p->wanted), *room = at;
  double **const parts[] = { &p->x, &p->gradient, &p->direction, &p->trial_x, &p->trial_gradient };
  if (!room) return NULL;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, at += p->size) *parts[i] = at;
  p->s = at, at += o->history * p->size;
  p->y = at, at += o->history * p->size;
  p->rho = at, at += o->history;
  p->alpha = at, at += o->history;
  p->wanted = (cn_tensor **)(void *)at;
  return room;
}

static bool start(problem *p) {
  for (int64_t i = 0, at = 0; i < p->o->variables.n; i++)
    for (int64_t k = 0; k < p->o->variables.v[i]->count; k++) p->x[at++] = cni_value_at(p->o->variables.v[i], k);
  if (!evaluate(p, &p->loss, p->gradient)) return false;
  p->report->loss = p->loss;
  if (isfinite(p->loss) && isfinite(largest(p->gradient, p->size))) return true;
  return cn_fail(p->g, CN_VALUE, "lbfgs_minimize: the function is %g at the start, its largest slope %g", p->loss, largest(p->gradient, p->size)), false;
}

CNI_ARGS_INIT(cn_lbfgs, CN_LBFGS, graph)

cn_lbfgs_report cn_lbfgs_run(const cn_lbfgs_args *o) {
  cn_lbfgs_report r = { .loss = NAN, .gradient_norm = NAN, .stopped = "error" };
  if (!cn_ok(o->graph) || !options_ok(o)) return r;
  problem p = { .o = o, .g = o->graph, .report = &r };
  void *room = make_room(&p);
  if (room && start(&p)) {
    while (iterate(&p)) {}
    write_variables(&p, p.x);
    r.loss = p.loss;
    r.gradient_norm = sqrt(dot(p.gradient, p.gradient, p.size));
    if (!cn_ok(o->graph)) r.converged = false;
  }
  cni_free(o->graph, room);
  return r;
}
