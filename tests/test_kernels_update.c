/* Optimizer passes, against the formulas in double, element by element. */
#include <float.h>
#include "test_kernels.h"

typedef struct state { double w, slot[3], ema; } state;
typedef struct options { int rule; bool nesterov, second, third, zero, squares; double decay, scale, clip, ema; } options;
enum { SGD, MOMENTUM, ADAM, RMSPROP, ADAGRAD, ADAMAX, NADAM, ADADELTA, FTRL, LION, SCHEDULE_FREE, LAMB };

static const options cases[] = {
  { .rule = SGD, .scale = 1 }, { .rule = SGD, .decay = 0.01, .scale = 0.5, .clip = 0.3, .ema = 0.9 }, { .rule = SGD, .scale = 1, .zero = true, .decay = 0.1 },
  { .rule = MOMENTUM, .scale = 1 }, { .rule = MOMENTUM, .scale = 2, .nesterov = true, .ema = 0.5 }, { .rule = MOMENTUM, .scale = 1, .zero = true },
  { .rule = ADAM, .scale = 1 }, { .rule = ADAM, .scale = 0.1, .third = true, .decay = 0.004, .ema = 0.99 }, { .rule = ADAM, .scale = 1, .zero = true },
      { .rule = ADAM, .scale = 0.5, .squares = true },
  { .rule = ADAM, .scale = 1, .clip = 0.2 },
  { .rule = RMSPROP, .scale = 1 }, { .rule = RMSPROP, .scale = 1, .second = true }, { .rule = RMSPROP, .scale = 1, .third = true }, { .rule = RMSPROP,
      .scale = 1, .second = true, .third = true, .clip = 0.5, .ema = 0.9 },
  { .rule = ADAGRAD, .scale = 1 }, { .rule = ADAGRAD, .scale = 3, .decay = 0.02 }, { .rule = ADAGRAD, .scale = 1, .squares = true },
  { .rule = ADAMAX, .scale = 1 }, { .rule = ADAMAX, .scale = -0.5, .squares = true }, { .rule = ADAMAX, .scale = 1, .zero = true, .ema = 0.9 },
  { .rule = NADAM, .scale = 1 }, { .rule = NADAM, .scale = 0.3, .squares = true, .decay = 0.01 }, { .rule = NADAM, .scale = 1, .clip = 0.2, .ema = 0.9 },
  { .rule = ADADELTA, .scale = 1 }, { .rule = ADADELTA, .scale = 2, .squares = true }, { .rule = FTRL, .scale = 1 }, { .rule = FTRL, .scale = 1, .clip = 0.4 },
  { .rule = LION, .scale = 1 }, { .rule = LION, .scale = 1, .zero = true, .decay = 0.1 }, { .rule = SCHEDULE_FREE, .scale = 1 }, { .rule = LAMB, .scale = 1 },
      { .rule = LAMB, .scale = 0.5, .squares = true },
};
#define CASES (int)(sizeof cases / sizeof *cases)

/* The rest of the rules. */
static void step_by_p(state *s, const cni_update *u, int rule, double g, double g2) {
  double *v = s->slot, i, d;
  if (rule == LION) {
    i = u->beta_1 * v[0] + (1 - u->beta_1) * g;
    s->w -= u->rate * (i > 0 ? 1 : i < 0 ? -1 : 0);
    v[0] = u->beta_2 * v[0] + (1 - u->beta_2) * g;
  } else if (rule == ADADELTA) {
    v[0] = u->beta_2 * v[0] + (1 - u->beta_2) * g2;
    i = (v[1] + u->epsilon) / (v[0] + u->epsilon);
    s->w -= u->rate * sqrt(i) * g;
    v[1] = u->beta_2 * v[1] + (1 - u->beta_2) * i * g2;
  } else if (rule == FTRL) {
    d = pow(v[0], u->p[0]);
    v[0] += g2;
    i = pow(v[0], u->p[0]);
    v[1] += g + 2 * u->p[3] * s->w - (i - d) / u->rate * s->w;
    d = fmax(-u->p[1], fmin(u->p[1], v[1]));
    s->w = (d - v[1]) / (i / u->rate + 2 * u->p[2]);
  } else if (rule == SCHEDULE_FREE) {
    v[1] += (g2 - v[1]) * (1 - u->beta_2);
    v[0] -= u->rate * g / (sqrt(v[1] / u->p[0]) + u->epsilon); /* the iterate; w = (1 - beta_1) z + beta_1 x */
    i = (s->w - (1 - u->beta_1) * v[0]) / u->beta_1;
    s->w = (1 - u->beta_1) * v[0] + u->beta_1 * ((1 - u->p[1]) * i + u->p[1] * v[0]);
  } else {
    v[0] += (g - v[0]) * (1 - u->beta_1);
    if (rule == ADAMAX) v[1] = fmax(u->beta_2 * v[1], g2);
    else v[1] += (g2 - v[1]) * (1 - u->beta_2);
    if (rule == ADAMAX) s->w -= u->rate * v[0] / (u->p[0] * (v[1] + u->epsilon));
    if (rule == NADAM) s->w -= u->rate * (u->p[0] * v[0] + u->p[1] * g) / (sqrt(v[1] / u->p[2]) + u->epsilon);
    if (rule == LAMB) v[2] = v[0] / u->p[0] / (sqrt(v[1] / u->p[1]) + u->epsilon);
  }
}

static void step(state *s, const cni_update *u, const options *o, double gradient, double square) {
  double g = o->zero ? 0 : gradient * u->scale;
  g = g > u->clip ? u->clip : g < -u->clip ? -u->clip : g;
  const double factor = o->rule == ADAMAX ? fabs(u->scale) : u->scale * u->scale, g2 = o->squares ? square * factor : o->rule == ADAMAX ? fabs(g) : g * g;
  s->w -= s->w * u->decay;
  double *v = s->slot, d, i;
  switch (o->rule) {
    case SGD: s->w -= u->rate * g; break;
    case MOMENTUM:
      v[0] = u->beta_1 * v[0] - u->rate * g;
      s->w += o->nesterov ? u->beta_1 * v[0] - u->rate * g : v[0];
      break;
    case ADAM:
      v[0] += (g - v[0]) * (1 - u->beta_1);
      v[1] += (g2 - v[1]) * (1 - u->beta_2);
      v[2] = fmax(v[2], v[1]);
      s->w -= u->rate * v[0] / (sqrt(o->third ? v[2] : v[1]) + u->epsilon);
      break;
    case RMSPROP:
      v[0] = u->beta_2 * v[0] + (1 - u->beta_2) * g2;
      v[1] = u->beta_2 * v[1] + (1 - u->beta_2) * g;
      d = v[0] + u->epsilon - (o->second ? v[1] * v[1] : 0);
      i = u->rate * g / sqrt(d);
      v[2] = u->beta_1 * v[2] + i;
      s->w -= o->third ? v[2] : i;
      break;
    case ADAGRAD:
      v[0] += g2;
      s->w -= u->rate * g / sqrt(v[0] + u->epsilon);
      break;
    default: step_by_p(s, u, o->rule, g, g2);
  }
  s->ema = u->ema_momentum * s->ema + (1 - u->ema_momentum) * s->w;
}

static cni_update_pass *pass_of(const cni_kernels *k, int rule) {
  cni_update_pass *const passes[] = { k->sgd, k->sgd_momentum, k->adam, k->rmsprop, k->adagrad,       k->adamax, k->nadam,
                                     k->adadelta, k->ftrl, k->lion, k->schedule_free, k->lamb };
  return passes[rule];
}

/* The range in two, as calls of their own or as two weights of one call. */
static void run_in_two(const cni_kernels *k, cn_dtype dtype, const options *o, cni_update *u, int64_t n, bool together) {
  cni_update_pass *const pass = pass_of(k, o->rule);
  cni_update_part parts[2];
  if (!together) {
    pass(u, 0, n / 3);
    pass(u, n / 3, n);
    return;
  }
  for (int64_t p = 0; p < 2; p++) {
    const size_t at = (size_t)(p * (n / 3)) * cn_dtype_size(dtype);
    parts[p] = (cni_update_part){ (char *)u->w + at, u->g ? (const char *)u->g + at : NULL, { NULL, NULL, NULL }, p ? n - n / 3 : n / 3 };
    for (int s = 0; s < 3; s++) parts[p].slot[s] = u->slot[s] ? (char *)u->slot[s] + at : NULL;
  }
  u->parts = parts;
  pass(u, 0, 2);
  u->parts = NULL;
}

static void check_case(const cni_kernels *k, cn_dtype dtype, const options *o, int64_t n, bool together) {
  static numbers w, g, squares, slots[3], ema;
  cni_update u = CNI_UPDATE_INIT;
  u.w = &w, u.g = o->zero ? NULL : &g, u.squares = o->squares ? &squares : NULL, u.ema = o->ema > 0 ? &ema : NULL;
  const bool two = o->rule == ADAM || (o->rule > ADAGRAD && o->rule != LION);
  const bool used[3] = { o->rule != SGD, two || o->second, o->third || o->rule == LAMB };
  for (int s = 0; s < 3; s++) u.slot[s] = used[s] ? &slots[s] : NULL;
  u.rate = 0.03, u.decay = o->decay, u.scale = o->scale, u.beta_1 = 0.9, u.beta_2 = 0.99, u.epsilon = 1e-7, u.ema_momentum = o->ema, u.nesterov = o->nesterov;
  if (o->clip > 0) u.clip = o->clip;
  memcpy(u.p, (const double[]){ 0.5, 0.3, 0.7, 0.01 }, sizeof u.p);
  make(dtype, &w, n + 1, 1, -1, 1), make(dtype, &ema, n, 2, -1, 1);
  for (int s = 0; s < 3; s++) make(dtype, &slots[s], n, 3 + (uint32_t)s, 0.1, s == 1 ? 0.2 : 1);
  static state wanted[MOST_NUMBERS];
  for (int64_t i = 0; i < n; i++)
    wanted[i] = (state){ get(dtype, &w, i), { get(dtype, &slots[0], i), get(dtype, &slots[1], i), get(dtype, &slots[2], i) }, get(dtype, &ema, i) };
  const double t = dtype == CN_F64 ? 1e-13 : 3e-6;
  for (uint32_t round = 0; round < 3; round++) {
    make(dtype, &g, n, 10 + round, -1, 1), make(dtype, &squares, n, 20 + round, 0, 1);
    run_in_two(k, dtype, o, &u, n, together);
    for (int64_t i = 0; i < n; i++) {
      step(&wanted[i], &u, o, get(dtype, &g, i), get(dtype, &squares, i));
      CHECK_NEAR(get(dtype, &w, i), wanted[i].w, t, t, "weight", k, dtype, o - cases);
      for (int s = 0; s < 3; s++)
        if (used[s]) CHECK_NEAR(get(dtype, &slots[s], i), wanted[i].slot[s], t, t, "slot", k, dtype, o - cases);
      if (u.ema) CHECK_NEAR(get(dtype, &ema, i), wanted[i].ema, t, t, "moving average", k, dtype, o - cases);
    }
  }
  double last[1];
  put(dtype, last, 0, hashed(1, n, -1, 1));
  cr_assert(get(dtype, &w, n) == get(dtype, last, 0), "writes beyond its end");
}

static void check_updates(const cni_kernels *k, cn_dtype dtype) {
  for (int c = 0; c < CASES; c++) {
    for (int s = 0; s < KERNEL_SIZES; s++) check_case(k, dtype, &cases[c], kernel_sizes[s], false);
    check_case(k, dtype, &cases[c], 3000, false);
    if (cases[c].ema == 0 && !cases[c].squares) check_case(k, dtype, &cases[c], 3000, true);
  }
}
Test(core_kernels, updates) { for_each_table(check_updates); }

/* ---- rows: against the pass with the whole gradient ---- */
enum { HEIGHT = 23, OCCURRENCES = 40, WIDEST = 500 };
typedef struct sparse {
  cni_occurrence of[OCCURRENCES];
  int32_t heads[HEIGHT], next[OCCURRENCES];
  numbers values, numbers, g, squares; /* the last two: what a whole gradient would be */
} sparse;

/* Some rows do not occur, some once, row 3 often; numbers for every second occurrence. entry_of: row -> entry, or -1. Returns the number of entries. */
static int64_t make_sparse(sparse *s, cn_dtype dtype, int64_t width, bool every, bool magnitudes, bool sums, int32_t *entry_of) {
  int64_t entries = every ? HEIGHT : 0;
  const int64_t size = (int64_t)cn_dtype_size(dtype);
  make(dtype, &s->values, OCCURRENCES * width, 31, -1, 1), make(dtype, &s->numbers, OCCURRENCES, 32, -2, 2);
  make(dtype, &s->g, HEIGHT * width, 0, 0, 0), make(dtype, &s->squares, HEIGHT * width, 0, 0, 0);
  for (int32_t r = 0; r < HEIGHT; r++) s->heads[r] = -1, entry_of[r] = every ? r : -1;
  for (int32_t i = OCCURRENCES - 1; i >= 0; i--) {
    const int64_t row = i % 4 ? (int64_t)hashed(33, i, 0, HEIGHT) : 3;
    if (entry_of[row] < 0) entry_of[row] = (int32_t)entries++;
    s->of[i] = (cni_occurrence){ (const char *)&s->values + i * width * size, i % 2 ? (const char *)&s->numbers + i * size : NULL, row };
    s->next[i] = s->heads[entry_of[row]];
    s->heads[entry_of[row]] = i;
    for (int64_t k = 0; k < width; k++) {
      const double v = get(dtype, &s->values, i * width + k) * (i % 2 ? get(dtype, &s->numbers, i) : 1);
      put(dtype, &s->g, row * width + k, get(dtype, &s->g, row * width + k) + v);
      put(dtype, &s->squares, row * width + k, get(dtype, &s->squares, row * width + k) + (magnitudes ? fabs(v) : v * v));
    }
  }
  for (int64_t k = 0; sums && k < HEIGHT * width; k++) {
    const double v = get(dtype, &s->g, k);
    put(dtype, &s->squares, k, magnitudes ? fabs(v) : v * v);
  }
  return entries;
}

static void check_rows(const cni_kernels *k, cn_dtype dtype, const options *o, int64_t width, bool every, bool sums) {
  static sparse s;
  static numbers got[5], wanted[5];
  int32_t entry_of[HEIGHT];
  const int64_t entries = make_sparse(&s, dtype, width, every, o->rule == ADAMAX, sums, entry_of), size = (int64_t)cn_dtype_size(dtype);
  const cni_update_rows rows = { s.of, s.heads, s.next, width, every, sums };
  cni_update u = CNI_UPDATE_INIT;
  u.rate = 0.03, u.decay = o->decay, u.scale = o->scale, u.beta_1 = 0.9, u.beta_2 = 0.99, u.epsilon = 1e-3, u.ema_momentum = o->ema, u.nesterov = o->nesterov;
  memcpy(u.p, (const double[]){ 0.5, 0.3, 0.7, 0.01 }, sizeof u.p);
  cni_update whole = u;
  for (int j = 0; j < 5; j++) make(dtype, &got[j], HEIGHT * width, 40 + (uint32_t)j, j ? 0.1 : -1, j == 2 ? 0.2 : 1), wanted[j] = got[j];
  u.w = &got[0], u.rows = &rows, u.ema = o->ema > 0 ? &got[4] : NULL;
  for (int j = 0; j < 3; j++) u.slot[j] = &got[1 + j];
  pass_of(k, o->rule)(&u, 0, entries / 3);
  pass_of(k, o->rule)(&u, entries / 3, entries);
  for (int64_t r = 0; r < HEIGHT; r++) {
    if (entry_of[r] < 0) continue;
    const int64_t at = r * width * size;
    whole.w = (char *)&wanted[0] + at, whole.g = (char *)&s.g + at, whole.squares = (char *)&s.squares + at;
    whole.ema = o->ema > 0 ? (char *)&wanted[4] + at : NULL;
    for (int j = 0; j < 3; j++) whole.slot[j] = (char *)&wanted[1 + j] + at;
    pass_of(k, o->rule)(&whole, 0, width);
  }
  const double t = dtype == CN_F64 ? 1e-11 : 3e-5;
  for (int j = 0; j < 5; j++)
    for (int64_t i = 0; i < HEIGHT * width; i++) CHECK_NEAR(get(dtype, &got[j], i), get(dtype, &wanted[j], i), t, t, "rows", k, dtype, o - cases);
}

static void check_sparse(const cni_kernels *k, cn_dtype dtype) {
  static const int64_t widths[] = { 1, 3, 8, 64, 100, 256, WIDEST };
  for (int c = 0; c < CASES; c++)
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
      for (int how = 0; how < 4 && !(cases[c].clip > 0); how++) check_rows(k, dtype, &cases[c], widths[w], how & 1, how & 2);
}
Test(core_kernels, updates_of_rows) { for_each_table(check_sparse); }

/* An average that gets no gradients any more does not end as a subnormal number; the caller's arithmetic still has those. */
static void check_subnormals(const cni_kernels *k, cn_dtype dtype) {
#if defined(__x86_64__) || defined(__aarch64__)
  static numbers w, m, v, ema;
  cni_update u = CNI_UPDATE_INIT;
  u.w = &w, u.slot[0] = &m, u.slot[1] = &v, u.rate = 0.01, u.beta_1 = 0.9, u.beta_2 = 0.9, u.epsilon = 1e-7;
  make(dtype, &w, 21, 1, -1, 1);
  make(dtype, &m, 21, 2, 0.1, 1);
  make(dtype, &v, 21, 3, 0.1, 1);
  cni_update averaged = CNI_UPDATE_INIT; /* of m, which becomes 0 */
  averaged.w = &m, averaged.ema = &ema, averaged.ema_momentum = 0.9, averaged.decay = 0.1;
  make(dtype, &ema, 21, 4, 0.1, 1);
  for (int step = 0; step < (dtype == CN_F64 ? 7000 : 1000); step++) k->adam(&u, 0, 21), k->sgd(&averaged, 0, 21);
  const double normal = dtype == CN_F64 ? DBL_MIN : (double)FLT_MIN;
  for (int64_t i = 0; i < 21; i++) {
    const double mean = get(dtype, &m, i), square = get(dtype, &v, i), average = get(dtype, &ema, i);
    cr_assert((mean == 0 || mean >= normal) && (square == 0 || square >= normal) && mean < 20 * normal,
              "%s %s: %g, %g", k->isa, cn_dtype_name(dtype), mean, square);
    cr_assert((average == 0 || average >= normal) && average < 200 * normal, "%s %s: average %g", k->isa, cn_dtype_name(dtype), average);
  }
  volatile double least = DBL_MIN;
  least /= 2;
  cr_assert(least > 0);
#else
  (void)k, (void)dtype;
#endif
}
Test(core_kernels, updates_without_subnormals) { for_each_table(check_subnormals); }
