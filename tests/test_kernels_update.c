/* Optimizer passes, against the formulas in double, element by element. */
#include "test_kernels.h"

typedef struct state { double w, slot[3], ema; } state;
typedef struct options { int rule; bool nesterov, second, third, zero, squares; double decay, scale, clip, ema; } options;
enum { SGD, MOMENTUM, ADAM, RMSPROP, ADAGRAD };

static const options cases[] = {
  { .rule = SGD, .scale = 1 }, { .rule = SGD, .decay = 0.01, .scale = 0.5, .clip = 0.3, .ema = 0.9 }, { .rule = SGD, .scale = 1, .zero = true, .decay = 0.1 },
  { .rule = MOMENTUM, .scale = 1 }, { .rule = MOMENTUM, .scale = 2, .nesterov = true, .ema = 0.5 }, { .rule = MOMENTUM, .scale = 1, .zero = true },
  { .rule = ADAM, .scale = 1 }, { .rule = ADAM, .scale = 0.1, .third = true, .decay = 0.004, .ema = 0.99 }, { .rule = ADAM, .scale = 1, .zero = true },
      { .rule = ADAM, .scale = 0.5, .squares = true },
  { .rule = ADAM, .scale = 1, .clip = 0.2 },
  { .rule = RMSPROP, .scale = 1 }, { .rule = RMSPROP, .scale = 1, .second = true }, { .rule = RMSPROP, .scale = 1, .third = true }, { .rule = RMSPROP,
      .scale = 1, .second = true, .third = true, .clip = 0.5, .ema = 0.9 },
  { .rule = ADAGRAD, .scale = 1 }, { .rule = ADAGRAD, .scale = 3, .decay = 0.02 }, { .rule = ADAGRAD, .scale = 1, .squares = true },
};
#define CASES (int)(sizeof cases / sizeof *cases)

static void step(state *s, const cni_update *u, const options *o, double gradient, double square) {
  double g = o->zero ? 0 : gradient * u->scale;
  g = g > u->clip ? u->clip : g < -u->clip ? -u->clip : g;
  const double g2 = o->squares ? square * u->scale * u->scale : g * g;
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
    default:
      v[0] += g2;
      s->w -= u->rate * g / sqrt(v[0] + u->epsilon);
  }
  s->ema = u->ema_momentum * s->ema + (1 - u->ema_momentum) * s->w;
}

static void check_case(const cni_kernels *k, cn_dtype dtype, const options *o, int64_t n) {
  static numbers w, g, squares, slots[3], ema;
  cni_update_pass *const passes[] = { k->sgd, k->sgd_momentum, k->adam, k->rmsprop, k->adagrad };
  cni_update u = CNI_UPDATE_INIT;
  u.w = &w, u.g = o->zero ? NULL : &g, u.squares = o->squares ? &squares : NULL, u.ema = o->ema > 0 ? &ema : NULL;
  const bool used[3] = { o->rule != SGD, o->rule == ADAM || o->second, o->third };
  for (int s = 0; s < 3; s++) u.slot[s] = used[s] ? &slots[s] : NULL;
  u.rate = 0.03, u.decay = o->decay, u.scale = o->scale, u.beta_1 = 0.9, u.beta_2 = 0.99, u.epsilon = 1e-7, u.ema_momentum = o->ema, u.nesterov = o->nesterov;
  if (o->clip > 0) u.clip = o->clip;
  make(dtype, &w, n + 1, 1, -1, 1), make(dtype, &ema, n, 2, -1, 1);
  for (int s = 0; s < 3; s++) make(dtype, &slots[s], n, 3 + (uint32_t)s, 0.1, s == 1 ? 0.2 : 1);
  static state wanted[MOST_NUMBERS];
  for (int64_t i = 0; i < n; i++)
    wanted[i] = (state){ get(dtype, &w, i), { get(dtype, &slots[0], i), get(dtype, &slots[1], i), get(dtype, &slots[2], i) }, get(dtype, &ema, i) };
  const double t = dtype == CN_F64 ? 1e-13 : 3e-6;
  for (uint32_t round = 0; round < 3; round++) {
    make(dtype, &g, n, 10 + round, -1, 1), make(dtype, &squares, n, 20 + round, 0, 1);
    passes[o->rule](&u, 0, n / 3);
    passes[o->rule](&u, n / 3, n);
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
    for (int s = 0; s < KERNEL_SIZES; s++) check_case(k, dtype, &cases[c], kernel_sizes[s]);
    check_case(k, dtype, &cases[c], 3000);
  }
}
Test(core_kernels, updates) { for_each_table(check_updates); }
