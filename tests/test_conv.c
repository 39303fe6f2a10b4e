/* Convolutions by every engine, forward and both gradients, against a naive loop in double. */
#include "test_core.h"
#include "test_kernels.h"
#include "../core/conv_private.h"

#define GUARD 5 /* numbers behind the end that must stay as they are */

/* A geometry in short: channels in, out, groups; and for each axis its size, the kernel's, stride, dilation, padding in front, the output's size. */
typedef struct shape { int64_t batch, in, out, groups; int64_t axis[3][6]; } shape;
#define NO_AXIS { 1, 1, 1, 1, 0, 1 }
static const shape shapes[] = {
  { 2, 3, 2, 1, { NO_AXIS, NO_AXIS, { 6, 3, 1, 1, 0, 4 } } }, { 3, 1, 8, 1, { NO_AXIS, { 9, 3, 1, 1, 0, 7 }, { 11, 3, 1, 1, 0, 9 } } },
  { 2, 3, 16, 1, { NO_AXIS, { 8, 3, 1, 1, 1, 8 }, { 7, 3, 1, 1, 1, 7 } } }, { 2, 16, 33, 1, { NO_AXIS, { 10, 3, 2, 1, 0, 5 }, { 9, 3, 2, 1, 1, 5 } } },
  { 1, 8, 8, 1, { NO_AXIS, { 12, 3, 1, 2, 2, 12 }, { 13, 3, 1, 3, 3, 13 } } }, { 2, 12, 8, 4, { NO_AXIS, { 6, 2, 1, 1, 0, 6 }, { 7, 3, 1, 1, 1, 7 } } },
  { 2, 16, 24, 2, { NO_AXIS, { 7, 3, 2, 2, 1, 3 }, { 8, 3, 3, 1, 1, 3 } } }, { 2, 17, 9, 1, { NO_AXIS, { 5, 1, 1, 1, 0, 5 }, { 6, 1, 1, 1, 0, 6 } } },
  { 2, 8, 16, 2, { NO_AXIS, { 5, 1, 1, 1, 0, 5 }, { 6, 1, 1, 1, 0, 6 } } }, { 2, 7, 5, 1, { NO_AXIS, { 9, 1, 2, 1, 0, 5 }, { 9, 1, 3, 1, 0, 3 } } },
  { 2, 5, 5, 5, { NO_AXIS, { 7, 3, 1, 1, 1, 7 }, { 6, 3, 1, 1, 1, 6 } } }, { 1, 70, 70, 70, { NO_AXIS, { 9, 3, 2, 1, 0, 4 }, { 8, 2, 2, 1, 0, 4 } } },
  { 2, 6, 18, 6, { NO_AXIS, { 7, 3, 2, 2, 1, 3 }, { 6, 2, 1, 1, 0, 5 } } },
  { 2, 3, 4, 1, { { 5, 2, 1, 1, 0, 4 }, { 6, 3, 2, 1, 1, 3 }, { 7, 2, 3, 2, 0, 2 } } },
  { 1, 9, 9, 9, { { 4, 2, 2, 1, 0, 2 }, { 5, 3, 1, 1, 1, 5 }, { 5, 3, 1, 1, 1, 5 } } }, { 1, 2, 3, 1, { NO_AXIS, { 3, 5, 1, 1, 2, 3 }, { 2, 4, 1, 1, 5, 9 } } },
  { 1, 4, 8, 1, { NO_AXIS, NO_AXIS, { 3, 2, 1, 1, 4, 12 } } }, { 4, 1, 1, 1, { NO_AXIS, NO_AXIS, { 40, 3, 1, 1, 0, 38 } } },
  { 1, 2, 2, 1, { NO_AXIS, { 1, 3, 1, 1, 1, 1 }, { 1, 3, 1, 1, 1, 1 } } }, { 0, 2, 2, 1, { NO_AXIS, NO_AXIS, { 4, 2, 1, 1, 0, 3 } } },
  { 2, 2, 2, 1, { NO_AXIS, NO_AXIS, { 4, 2, 1, 1, 0, 0 } } }, { 3, 1, 1, 1, { NO_AXIS, NO_AXIS, { 2, 3, 7, 2, 0, 9 } } },
  { 2, 32, 24, 2, { NO_AXIS, { 7, 3, 1, 2, 1, 5 }, { 8, 2, 1, 1, 1, 8 } } },
  { 1, 16, 6, 1, { { 4, 2, 1, 1, 0, 3 }, { 5, 3, 1, 1, 2, 7 }, { 6, 2, 1, 3, 2, 5 } } }, { 1, 17, 8, 1, { NO_AXIS, NO_AXIS, { 3, 2, 1, 1, 4, 12 } } },
};
/* Several blocks of patches, several threads. */
static const shape large_shapes[] = {
  { 5, 32, 16, 1, { NO_AXIS, { 30, 3, 1, 1, 1, 30 }, { 31, 3, 1, 1, 1, 31 } } }, { 3, 64, 20, 2, { NO_AXIS, { 33, 5, 2, 1, 2, 17 }, { 40, 5, 2, 1, 2, 20 } } },
  { 2, 8, 12, 1, { { 9, 3, 1, 1, 1, 9 }, { 14, 3, 1, 1, 1, 14 }, { 15, 3, 1, 1, 1, 15 } } }, { 1, 24, 24, 1, { NO_AXIS, NO_AXIS, { 5000, 5, 1, 2, 8, 5000 } } },
  { 3, 64, 40, 2, { NO_AXIS, { 20, 3, 1, 1, 1, 20 }, { 21, 3, 1, 1, 1, 21 } } }, { 1, 128, 256, 1, { NO_AXIS, { 6, 3, 1, 1, 1, 6 }, { 5, 3, 1, 1, 0, 3 } } },
  { 4, 96, 96, 96, { NO_AXIS, { 24, 3, 1, 1, 1, 24 }, { 25, 3, 1, 1, 1, 25 } } },
};
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static cni_conv conv_of(const shape *s, cn_dtype dtype) {
  cni_conv c;
  memset(&c, 0, sizeof c);
  c.dtype = dtype, c.batch = s->batch, c.in_channels = s->in, c.out_channels = s->out, c.groups = s->groups;
  for (int i = 0; i < 3; i++) {
    const int64_t *a = s->axis[i];
    c.in[i] = a[0], c.kernel[i] = a[1], c.stride[i] = a[2], c.dilation[i] = a[3], c.pad[i] = a[4], c.out[i] = a[5];
  }
  return c;
}

/* Where tap k (of all) of position o (of an image) reads the image; -1: outside. */
static int64_t read_at(const cni_conv *c, int64_t o, int64_t k) {
  const int64_t at[3] = { o / c->out[2] / c->out[1], o / c->out[2] % c->out[1], o % c->out[2] },
                tap[3] = { k / c->kernel[2] / c->kernel[1], k / c->kernel[2] % c->kernel[1], k % c->kernel[2] };
  int64_t place = 0;
  for (int i = 0; i < 3; i++) {
    const int64_t x = at[i] * c->stride[i] + tap[i] * c->dilation[i] - c->pad[i];
    if (x < 0 || x >= c->in[i]) return -1;
    place = place * c->in[i] + x;
  }
  return place;
}

/* The sum over all products, which goes to `to`, one of the three. */
static void naive(const cni_conv *c, cni_conv_kind kind, const double *x, const double *kernel, const double *y, double *to) {
  const int64_t positions = c->out[0] * c->out[1] * c->out[2], taps = c->kernel[0] * c->kernel[1] * c->kernel[2], image = c->in[0] * c->in[1] * c->in[2],
                inner = c->in_channels / c->groups, columns = c->out_channels / c->groups;
  for (int64_t p = 0; p < c->batch * positions; p++)
    for (int64_t k = 0; k < taps; k++) {
      const int64_t place = read_at(c, p % positions, k);
      for (int64_t j = 0; place >= 0 && j < c->out_channels; j++)
        for (int64_t m = 0; m < inner; m++) {
          const int64_t ix = (p / positions * image + place) * c->in_channels + j / columns * inner + m, ik = (k * inner + m) * c->out_channels + j,
                        iy = p * c->out_channels + j;
          if (kind == CNI_CONV_FORWARD) to[iy] += x[ix] * kernel[ik];
          else if (kind == CNI_CONV_INPUT) to[ix] += y[iy] * kernel[ik];
          else to[ik] += x[ix] * y[iy];
        }
    }
}

static double *numbers_for(int64_t n) {
  double *v = calloc((size_t)(n + GUARD), sizeof *v);
  cr_assert(v != NULL);
  return v;
}

/* An array of the type, and the same numbers as doubles. */
static double *array_of(cn_dtype dtype, int64_t n, uint32_t seed, double **as_doubles) {
  double *v = numbers_for(n);
  *as_doubles = numbers_for(n);
  make(dtype, v, n, seed, -1, 1);
  for (int64_t i = 0; i < n; i++) (*as_doubles)[i] = get(dtype, v, i);
  return v;
}

static double activated(double v, int activation) {
  return activation == CNI_FUSED_RELU ? (v > 0 ? v : 0) : activation == CNI_FUSED_TANH ? tanh(v) : activation == CNI_FUSED_SIGMOID ? 1 / (1 + exp(-v)) : v;
}

typedef struct tally { int64_t ran; } tally;

static void check(cn_graph *g, const shape *s, cn_dtype dtype, cni_conv_kind kind, cni_conv_engine engine, bool biased, int activation, tally *t) {
  const cni_conv c = conv_of(s, dtype);
  const int64_t counts[] = { cni_conv_y_count(&c), cni_conv_x_count(&c), cni_conv_kernel_count(&c) }, n = counts[kind];
  double *dx, *dk, *dy, *db, *x = array_of(dtype, counts[1], 1, &dx), *k = array_of(dtype, counts[2], 2, &dk), *y = array_of(dtype, counts[0], 3, &dy),
                             *b = array_of(dtype, c.out_channels, 4, &db);
  double *to = numbers_for(n), *want = numbers_for(n);
  make(dtype, to, n + GUARD, 5, -1, 1);
  const cni_conv_data d = { .to = to, .x = x, .kernel = k, .gy = y, .bias = biased ? b : NULL, .activation = activation };
  const cn_code code = cni_conv_by(g, &c, kind, &d, engine);
  cr_assert(code == CN_OK || (code == CN_UNSUPPORTED && engine == CNI_CONV_ONEDNN));
  t->ran += code == CN_OK;
  if (code == CN_OK) naive(&c, kind, dx, dk, dy, want);
  double most = 1;
  for (int64_t i = 0; kind == CNI_CONV_FORWARD && i < n; i++) want[i] = activated(want[i] + (biased ? db[i % c.out_channels] : 0), activation);
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(want[i]));
  const double tolerance = most * (dtype == CN_F64 ? 1e-13 : 3e-5);
  for (int64_t i = 0; code == CN_OK && i < n + GUARD; i++) {
    const double expected = i < n ? want[i] : hashed(5, i, -1, 1), got = get(dtype, to, i);
    cr_assert(near(got,
                   i < n             ? expected
                   : dtype == CN_F64 ? expected
                                     : (double)(float)expected,
                   0, i < n ? tolerance : 0),
              "shape %ld>%ld/%ld kernel %ld, kind %d, engine %d, %s, activation %d: [%ld] is %.9g, not %.9g", (long)s->in, (long)s->out, (long)s->groups,
              (long)s->axis[2][1], (int)kind, (int)engine, cn_dtype_name(dtype), activation, (long)i, got, expected);
  }
  free(x), free(k), free(y), free(b), free(dx), free(dk), free(dy), free(db), free(to), free(want);
}

static void check_shapes(const char *isa, int threads, const shape *list, int count) {
  cn_graph g;
  counting n;
  tally t = { 0 };
  if (isa && !cni_kernels_named(isa, CN_F32)) return;
  graph_begin(&g, &n);
  cni_kernels_select(&g);
  for (int d = 0; d < 2; d++)
    if (isa) g.c.kernels[d] = cni_kernels_named(isa, d ? CN_F64 : CN_F32);
  g.c.threads = threads;
  for (int s = 0; s < count; s++)
    for (int e = CNI_CONV_OWN; e <= CNI_CONV_ONEDNN; e++)
      for (int d = 0; d < 2; d++)
        for (int kind = 0; kind < 3; kind++)
          for (int f = 0; f < (kind ? 1 : 3); f++)
            check(&g, &list[s], d ? CN_F64 : CN_F32, (cni_conv_kind)kind, (cni_conv_engine)e, f > 0, f == 2 ? 1 + s % (CNI_FUSED_COUNT - 1) : 0, &t);
  const int64_t own = (int64_t)count * 2 * 5;
  cr_assert(t.ran >= own && (!cni_onednn_there() || t.ran > own + count), "%ld of %ld", (long)t.ran, (long)own);
  graph_end(&g, &n);
}

Test(core_conv, baseline) { check_shapes("baseline", 2, shapes, COUNT(shapes)); }
Test(core_conv, avx2) { check_shapes("avx2", 2, shapes, COUNT(shapes)); }
Test(core_conv, avx512) { check_shapes("avx512", 1, shapes, COUNT(shapes)); }
Test(core_conv, large) { check_shapes(NULL, 2, large_shapes, COUNT(large_shapes)); }

/* NaN and infinity go through the fused activation. */
Test(core_conv, not_finite) {
  static const shape s = { 1, 8, 8, 1, { NO_AXIS, { 8, 3, 1, 1, 0, 6 }, { 8, 3, 1, 1, 0, 6 } } };
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_kernels_select(&g);
  static float x[8 * 64], k[9 * 64], y[8 * 36];
  for (int i = 0; i < 8 * 64; i++) x[i] = 1;
  for (int i = 0; i < 9 * 64; i++) k[i] = 1;
  x[0] = NAN;
  x[8 * 63] = INFINITY;
  const cni_conv c = conv_of(&s, CN_F32);
  const cni_conv_data d = { .to = y, .x = x, .kernel = k, .activation = CNI_FUSED_RELU };
  for (int e = CNI_CONV_OWN; e <= CNI_CONV_ONEDNN; e++) {
    if (cni_conv_by(&g, &c, CNI_CONV_FORWARD, &d, (cni_conv_engine)e) == CN_UNSUPPORTED && !cni_onednn_there()) continue;
    cr_assert(isnan(y[0]) && y[8] == 72 && isinf(y[8 * 35]), "engine %d: %g %g %g", e, (double)y[0], (double)y[8], (double)y[8 * 35]);
  }
  graph_end(&g, &n);
}

/* More shapes than the cache of primitives keeps, each twice. */
Test(core_conv, many_shapes) {
  cn_graph g;
  counting n;
  tally t = { 0 };
  graph_begin(&g, &n);
  cni_kernels_select(&g);
  for (int again = 0; again < 2; again++)
    for (int64_t size = 3; size < 80; size++) {
      const shape s = { 1, 8, 8, 1, { NO_AXIS, NO_AXIS, { size, 3, 1, 1, 1, size } } };
      check(&g, &s, CN_F32, (cni_conv_kind)(size % 3), CNI_CONV_ONEDNN, false, 0, &t);
    }
  cr_assert(t.ran == (cni_onednn_there() ? 2 * 77 : 0));
  graph_end(&g, &n);
}

/* Every allocation fails once: the call says so, and works when there is memory again. */
Test(core_conv, no_memory) {
  static const shape s = { 2, 32, 32, 1, { NO_AXIS, { 9, 3, 1, 1, 1, 9 }, { 9, 3, 1, 1, 1, 9 } } };
  static float x[2 * 81 * 32], k[9 * 32 * 32], y[2 * 81 * 32];
  for (int e = CNI_CONV_OWN; e <= CNI_CONV_ONEDNN; e++)
    for (int fail_at = 1, done = 0; !done; fail_at++) {
      cn_graph g;
      counting n;
      graph_begin(&g, &n);
      cni_kernels_select(&g);
      const cni_conv c = conv_of(&s, CN_F32);
      const cni_conv_data d = { .to = y, .x = x, .kernel = k };
      n.fail_at = n.calls + fail_at;
      const cn_code code = cni_conv_by(&g, &c, CNI_CONV_FORWARD, &d, (cni_conv_engine)e);
      cr_assert(code == CN_OK || code == CN_UNSUPPORTED || (code == CN_NO_MEMORY && cn_error_code(&g) == CN_NO_MEMORY), "%d", (int)code);
      done = code != CN_NO_MEMORY;
      n.fail_at = 0;
      cni_error_clear(&g);
      cr_assert(cni_conv_run(&g, &c, CNI_CONV_FORWARD, &d) == CN_OK);
      graph_end(&g, &n);
    }
}
