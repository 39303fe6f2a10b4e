/* The learning-rate range test (Smith 2017). */
#include <math.h>
#include "../optim/optimizer_private.h"
#include "look.h"
#include "model_private.h"
#include "surface_private.h"

/* ---- the sweep ---- */
typedef struct sweep { const cn_find_rate_args *a; cn_graph *g; double *rates, *losses, *means; int64_t n; double now, least; bool diverged; } sweep;

static double rate_now(int64_t step, void *user) { return (void)step, ((const sweep *)user)->now; }

static bool next_batch(const sweep *s, cn_batch *b) {
  const cn_find_rate_args *a = s->a;
  const int64_t size = cni_batch_size(a->batch_size, a->data, CN_NONE);
  if (cn_dataset_next(a->data, size, b)) return true;
  if (cn_dataset_reset(a->data, true) && cn_dataset_next(a->data, size, b)) return true;
  return cn_ok(s->g) && (cn_fail(s->g, CN_VALUE, "find_learning_rate: the data set is empty"), false);
}

static bool one_step(sweep *s) {
  const cn_find_rate_args *a = s->a;
  const int64_t i = s->n;
  cn_batch b;
  cni_results r;
  s->now = a->min_rate * pow(a->max_rate / a->min_rate, (double)i / (double)(a->steps - 1));
  if (!next_batch(s, &b) || !cni_train_step(a->model, &b, &r)) return false;
  const double loss = cni_value_at(r.loss, 0), beta = a->smoothing;
  cn_graph_reset(s->g);
  if (!isfinite(loss)) return s->diverged = true;
  const double before = i ? s->means[i - 1] * (1 - pow(beta, (double)i)) : 0; /* the running sum, uncorrected */
  s->rates[i] = s->now;
  s->losses[i] = loss;
  s->means[i] = (beta * before + (1 - beta) * loss) / (1 - pow(beta, (double)(i + 1)));
  s->least = i ? fmin(s->least, s->means[i]) : s->means[i];
  s->diverged = s->means[i] > a->divergence * s->least && s->least > 0;
  s->n++;
  return true;
}

static double suggestion(const sweep *s) {
  int64_t lowest = 0;
  double best = NAN, slope = 0;
  for (int64_t i = 1; i < s->n; i++)
    if (s->means[i] < s->means[lowest]) lowest = i;
  for (int64_t i = 1; i < lowest; i++) {
    const double d = (s->means[i + 1] - s->means[i - 1]) / log(s->rates[i + 1] / s->rates[i - 1]);
    if (d < slope) slope = d, best = s->rates[i];
  }
  return best;
}

/* Copies that live as long as the step. */
static const cn_rate_search *result_of(const sweep *s) {
  const size_t bytes = (size_t)s->n * sizeof(double);
  cn_rate_search *r = cni_arena_take(s->g, cni_step_arena(s->g), sizeof *r + 3 * bytes);
  if (!r) return NULL;
  double *to = (double *)(void *)(r + 1);
  const double *const from[] = { s->rates, s->losses, s->means };
  for (int i = 0; i < 3 && bytes; i++) memcpy(to + i * s->n, from[i], bytes);
  *r = (cn_rate_search){ s->n, to, to + s->n, to + 2 * s->n, suggestion(s), s->diverged };
  return r;
}

/* ---- before and after ---- */
/* The weights and the optimizer's slots must be there to be saved. */
static bool build(const sweep *s) {
  cn_model *m = s->a->model;
  cn_batch b;
  cni_results r;
  if (!cn_dataset_reset(s->a->data, true) || !next_batch(s, &b)) return false;
  const bool recording = cn_recording(s->g, false), ok = cni_forward(m, &b, false, &r);
  cn_recording(s->g, recording);
  if (!ok) return false;
  const bool built = cni_optimizer_ready(m);
  cn_graph_reset(s->g);
  return built && cn_dataset_reset(s->a->data, true);
}

static bool run(sweep *s) {
  cn_optimizer *o = s->a->model->compiled->optimizer, *of = cni_wrapper_of(o) ? cni_wrapper_of(o)->main(o) : o;
  cni_variables kept;
  if (!of) return cn_fail(s->g, CN_STATE, "find_learning_rate: %s has no learning rate of its own", o->object.cls->schema.name), false;
  if (!build(s) || !cni_variables_of(s->a->model, true, &kept)) return false;
  char *values = cni_alloc(s->g, kept.bytes + 1);
  if (values) cni_variables_keep(&kept, values);
  bool ok = values != NULL;
  double (*const rate_at)(int64_t step, void *user) = of->state->rate_at;
  void *const user = of->state->rate_user;
  of->state->rate_at = rate_now;
  of->state->rate_user = s;
  while (ok && s->n < s->a->steps && !s->diverged) ok = one_step(s);
  of->state->rate_at = rate_at;
  of->state->rate_user = user;
  if (values) cni_variables_put(&kept, values);
  cni_free(s->g, values);
  cni_free(s->g, kept.v);
  return ok && cn_ok(s->g);
}

static bool options_ok(const cn_find_rate_args *a, cn_graph *g) {
  if (!a->data) return cn_fail(g, CN_VALUE, "find_learning_rate: the data set is NULL"), false;
  if (!(a->min_rate > 0) || !(a->max_rate > a->min_rate) || !isfinite(a->max_rate))
    return cn_fail(g, CN_VALUE, "find_learning_rate: 0 < min_rate < max_rate must hold, got %g and %g", a->min_rate, a->max_rate), false;
  if (a->steps < 3 || a->steps > 10000000) return cn_fail(g, CN_VALUE, "find_learning_rate: steps must be 3 to 10000000, got %lld", (long long)a->steps), false;
  if (!(a->smoothing >= 0 && a->smoothing < 1)) return cn_fail(g, CN_VALUE, "find_learning_rate: smoothing must be in [0, 1), got %g", a->smoothing), false;
  if (!(a->divergence > 1)) return cn_fail(g, CN_VALUE, "find_learning_rate: divergence must be above 1, got %g", a->divergence), false;
  return cni_batch_size_ok(g, "find_learning_rate", "batch_size", a->batch_size);
}

CNI_ARGS_INIT(cn_find_rate, CN_FIND_RATE, graph)

const cn_rate_search *cn_find_rate_run(const cn_find_rate_args *a) {
  if (!cni_ready(a->model, "find_learning_rate")) return NULL;
  sweep s = { .a = a, .g = a->model->base.object.graph };
  if (!options_ok(a, s.g)) return NULL;
  double *room = cni_alloc(s.g, 3 * (size_t)a->steps * sizeof *room);
  if (!room) return NULL;
  s.rates = room;
  s.losses = room + a->steps;
  s.means = room + 2 * a->steps;
  const cn_rate_search *r = run(&s) ? result_of(&s) : NULL;
  cni_free(s.g, room);
  return r;
}

/* ---- drawing ---- */
static void draw_rates(cni_surface *s, const void *what) {
  const cn_rate_search *r = what;
  const cni_series lines[] = { { "mean", r->rates, r->means, r->n } };
  const cni_chart c = { .title = "loss", .x_label = "learning rate", .series = lines, .count = 1, .log_x = true, .mark = r->suggestion };
  cni_draw_chart(s, &c, 0, 0, s->width, s->height);
}

static bool drawable(cn_graph *g, const cn_rate_search *r) {
  if (!cn_ok(g)) return false;
  return (r && r->n > 0) || (cn_fail(g, CN_VALUE, "plot_rates: there are no steps"), false);
}
bool cn_plot_rates(cn_graph *g, const cn_rate_search *r, const char *path) {
  return drawable(g, r) && cni_paint_file(g, "plot_rates", path, 520, 340, draw_rates, r);
}
const char *cn_rates_svg(cn_graph *g, const cn_rate_search *r) { return drawable(g, r) ? cni_paint_svg(g, 520, 340, draw_rates, r) : ""; }
