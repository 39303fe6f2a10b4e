/* Matrix products by every engine, against a naive loop in double. */
#include "test_core.h"
#include "test_kernels.h"
#include "../core/gemm_memo_private.h"

#define GUARD 5 /* numbers between rows and after the end that must stay as they are */

typedef struct fused { bool accumulate, bias; int activation; } fused;
static const fused fusions[] = {
  { false, false, CNI_FUSED_NONE }, { true, false, CNI_FUSED_NONE }, { false, true, CNI_FUSED_NONE }, { false, true, CNI_FUSED_RELU },
  { false, false, CNI_FUSED_RELU }, { false, true, CNI_FUSED_TANH }, { false, true, CNI_FUSED_SIGMOID },
};
#define FUSIONS (int)(sizeof fusions / sizeof *fusions)

static double activated(double v, int activation) {
  switch (activation) {
    case CNI_FUSED_RELU: return v > 0 ? v : 0;
    case CNI_FUSED_TANH: return tanh(v);
    case CNI_FUSED_SIGMOID: return 1 / (1 + exp(-v));
    default: return v;
  }
}

static double wanted(const cni_gemm_args *a, double before, int64_t i, int64_t j) {
  double s = a->accumulate ? before : a->bias ? get(a->dtype, a->bias, j) : 0;
  for (int64_t p = 0; p < a->k; p++)
    s += get(a->dtype, a->a, a->transpose_a ? p * a->lda + i : i * a->lda + p) * get(a->dtype, a->b, a->transpose_b ? j * a->ldb + p : p * a->ldb + j);
  return activated(s, a->activation);
}

static double *numbers_for(int64_t n) {
  double *x = malloc((size_t)(n + GUARD) * sizeof *x);
  cr_assert(x != NULL);
  return x;
}

/* One product, its rows `gap` apart from packed. */
static void check(cn_graph *g, cni_gemm_engine engine, cn_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const fused *f, int64_t gap) {
  cni_gemm_args a = { .dtype = dtype, .transpose_a = ta, .transpose_b = tb, .accumulate = f->accumulate, .activation = f->activation, .m = m, .n = n, .k = k,
      .batch = 1 };
  a.lda = (ta ? m : k) + gap;
  a.ldb = (tb ? k : n) + gap;
  a.ldc = n + gap;
  const int64_t sa = a.lda * (ta ? k : m), sb = a.ldb * (tb ? n : k), sc = a.ldc * m;
  double *x = numbers_for(sa), *y = numbers_for(sb), *z = numbers_for(sc), *before = numbers_for(sc), *bias = numbers_for(n);
  make(dtype, x, sa, 1, -1, 1);
  make(dtype, y, sb, 2, -1, 1);
  make(dtype, z, sc + GUARD, 3, -1, 1);
  make(dtype, bias, n, 4, -1, 1);
  memcpy(before, z, (size_t)(sc + GUARD) * sizeof *z);
  a.a = x, a.b = y, a.c = z, a.bias = f->bias ? bias : NULL;
  const cn_code code = cni_gemm_by(g, &a, engine);
  cr_assert(code == CN_OK || (code == CN_UNSUPPORTED && engine == CNI_GEMM_ONEDNN));
  const double tolerance = (dtype == CN_F64 ? 1e-15 : 5e-7) * (8 + (double)k) / 2;
  for (int64_t i = 0; code == CN_OK && i < sc + GUARD; i++) {
    const int64_t row = i / a.ldc, column = i % a.ldc;
    const bool inside = row < m && column < n;
    const double old = get(dtype, before, i), want = inside ? wanted(&a, old, row, column) : old, got = get(dtype, z, i);
    cr_assert(near(got, want, 0, inside ? tolerance : 0), "engine %d %s %s%s [%ld,%ld,%ld] fused %d%d%d gap %ld: [%ld,%ld] is %.9g, not %.9g", (int)engine,
        cn_dtype_name(dtype), ta ? "T" : "N", tb ? "T" : "N",
              (long)m, (long)n, (long)k, f->accumulate, f->bias, f->activation, (long)gap, (long)row, (long)column, got, want);
  }
  free(x), free(y), free(z), free(before), free(bias);
}

static void begin(cn_graph *g, counting *n, const char *isa) {
  graph_begin(g, n);
  cni_kernels_select(g);
  for (int d = 0; d < 2; d++)
    if (isa) g->c.kernels[d] = cni_kernels_named(isa, d ? CN_F64 : CN_F32);
}

static void check_sizes(const char *isa, int threads, const int64_t (*sizes)[3], int count) {
  cn_graph g;
  counting n;
  if (isa && !cni_kernels_named(isa, CN_F32)) return;
  begin(&g, &n, isa);
  g.c.threads = threads;
  for (int s = 0; s < count; s++)
    for (int t = 0; t < 8; t++)
      for (int f = 0; f < FUSIONS; f++)
        for (int e = CNI_GEMM_AUTO; e <= CNI_GEMM_ONEDNN; e++)
          check(&g, (cni_gemm_engine)e, t & 4 ? CN_F64 : CN_F32, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], &fusions[f], (s + f) % 3 == 0 ? 3 : 0);
  graph_end(&g, &n);
}

static const int64_t small_sizes[][3] = {
  { 1, 1, 1 }, { 1, 16, 2 }, { 1, 16, 16 }, { 1, 1, 16 }, { 32, 16, 2 }, { 32, 1, 16 }, { 16, 16, 32 }, { 16, 1, 32 }, { 7, 5, 3 },
  { 3, 33, 17 }, { 13, 31, 1 }, { 64, 64, 64 }, { 33, 10, 70 }, { 1, 70, 35 }, { 1, 257, 40 }, { 40, 1, 33 }, { 5, 100, 130 },
  { 9, 48, 300 },
};
static const int64_t middle_sizes[][3] = { { 50, 70, 401 }, { 257, 45, 33 }, { 130, 10, 150 }, { 300, 35, 60 }, { 12, 96, 800 }, { 1, 150, 500 }, { 2, 97, 701 } };
#define COUNT(sizes) (int)(sizeof(sizes) / sizeof *(sizes))

Test(core_gemm, small_baseline) { check_sizes("baseline", 2, small_sizes, COUNT(small_sizes)); }
Test(core_gemm, small_avx2) { check_sizes("avx2", 2, small_sizes, COUNT(small_sizes)); }
Test(core_gemm, small_avx512) { check_sizes("avx512", 2, small_sizes, COUNT(small_sizes)); }
Test(core_gemm, middle_baseline) { check_sizes("baseline", 2, middle_sizes, COUNT(middle_sizes)); }
Test(core_gemm, middle_avx2) { check_sizes("avx2", 3, middle_sizes, COUNT(middle_sizes)); }
Test(core_gemm, middle_avx512) { check_sizes("avx512", 2, middle_sizes, COUNT(middle_sizes)); }

/* Several blocks deep: one that threads divide by depth, one by rows. */
Test(core_gemm, deep) {
  static const char *const sets[] = { "baseline", "avx2", "avx512" };
  static const int64_t sizes[][3] = { { 40, 50, 1700 }, { 110, 20, 1610 } };
  for (int i = 0; i < COUNT(sets); i++) {
    cn_graph g;
    counting n;
    if (!cni_kernels_named(sets[i], CN_F32)) continue;
    begin(&g, &n, sets[i]);
    g.c.threads = 2;
    for (int s = 0; s < COUNT(sizes); s++)
      for (int f = 0; f < FUSIONS; f++) check(&g, CNI_GEMM_OWN, CN_F32, f & 1, f & 2, sizes[s][0], sizes[s][1], sizes[s][2], &fusions[f], 0);
    graph_end(&g, &n);
  }
}

/* The sizes of the middle-sized networks. */
Test(core_gemm, large) {
  static const int64_t sizes[][3] = { { 32, 512, 784 }, { 600, 64, 128 }, { 1, 512, 784 }, { 784, 256, 1 }, { 500, 10, 500 } };
  cn_graph g;
  counting n;
  begin(&g, &n, NULL);
  for (int s = 0; s < COUNT(sizes); s++)
    for (int t = 0; t < 4; t++) check(&g, CNI_GEMM_AUTO, CN_F32, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], &fusions[s % FUSIONS], 0);
  graph_end(&g, &n);
}

Test(core_gemm, empty) {
  cn_graph g;
  counting n;
  begin(&g, &n, NULL);
  float x[4] = { 1, 2, 3, 4 }, y[4] = { 5, 6, -7, 8 };
  const float bias[2] = { -1, 2 };
  cni_gemm_args a = { .m = 2, .n = 2, .k = 0, .a = x, .b = x, .c = y, .batch = 1, .accumulate = true };
  cr_assert(cni_gemm(&g, &a) == CN_OK && y[0] == 5 && y[3] == 8);
  a.accumulate = false, a.bias = bias, a.activation = CNI_FUSED_RELU;
  cr_assert(cni_gemm(&g, &a) == CN_OK && y[0] == 0 && y[1] == 2 && y[2] == 0 && y[3] == 2);
  a.k = 2, a.batch = 0;
  cr_assert(cni_gemm(&g, &a) == CN_OK && y[1] == 2);
  a.batch = 1, a.m = 0;
  cr_assert(cni_gemm(&g, &a) == CN_OK && y[1] == 2);
  graph_end(&g, &n);
}

/* Three products that share b. */
Test(core_gemm, batch) {
  cn_graph g;
  counting n;
  begin(&g, &n, NULL);
  double x[3 * 2 * 3], y[3 * 2], z[3 * 2 * 2];
  for (int i = 0; i < 18; i++) x[i] = i - 7;
  for (int i = 0; i < 6; i++) y[i] = 3 - i;
  const cni_gemm_args a = { .dtype = CN_F64, .m = 2, .n = 2, .k = 3, .a = x, .b = y, .c = z, .batch = 3, .stride_a = 6, .stride_c = 4 };
  cr_assert(cni_gemm(&g, &a) == CN_OK);
  for (int b = 0; b < 3; b++)
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 2; j++) {
        double s = 0;
        for (int p = 0; p < 3; p++) s += x[b * 6 + i * 3 + p] * y[p * 2 + j];
        cr_assert(z[b * 4 + i * 2 + j] == s);
      }
  graph_end(&g, &n);
}

/* A product that needs a buffer and gets none. */
Test(core_gemm, no_memory) {
  cn_graph g;
  counting n;
  begin(&g, &n, NULL);
  static float x[200 * 200], y[200 * 200], z[200 * 200];
  const cni_gemm_args a = { .transpose_b = true, .m = 200, .n = 200, .k = 200, .a = x, .b = y, .c = z, .batch = 1 };
  n.fail_at = -1;
  cr_assert(cni_gemm_by(&g, &a, CNI_GEMM_OWN) == CN_NO_MEMORY);
  cr_assert(cn_error_code(&g) == CN_NO_MEMORY);
  n.fail_at = 0;
  cni_error_clear(&g);
  cr_assert(cni_gemm_by(&g, &a, CNI_GEMM_OWN) == CN_OK);
  graph_end(&g, &n);
}

/* The same call gives the same bits, whatever was computed before. */
Test(core_gemm, repeats) {
  cn_graph g;
  counting n;
  begin(&g, &n, NULL);
  static float x[96 * 512], y[512 * 512], z[2][96 * 512];
  make(CN_F32, x, 96 * 512, 1, -1, 1);
  make(CN_F32, y, 512 * 512, 2, -1, 1);
  for (int i = 0; i < 2; i++) {
    const cni_gemm_args a = { .m = 96, .n = 512, .k = 512, .transpose_b = true, .a = x, .b = y, .c = z[i], .batch = 1 };
    cr_assert(cni_gemm(&g, &a) == CN_OK);
  }
  cr_assert(memcmp(z[0], z[1], sizeof z[0]) == 0);
  graph_end(&g, &n);
}

/* What a little product kept of its first run serves other matrices of the same sizes: the bits of a product of their own. */
static int check_again(cn_graph *g, cn_dtype dtype, int64_t m, int64_t n, int64_t k, bool ta, bool tb, const fused *f) {
  enum { MOST = 40 * 40 };
  static double x[2][MOST], y[2][MOST], bias[2][MOST], z[2][MOST];
  cni_gemm_memo memo = { .run = NULL };
  cni_gemm_args a = { .dtype = dtype, .transpose_a = ta, .transpose_b = tb, .activation = f->activation, .m = m, .n = n, .k = k, .batch = 1 };
  for (uint32_t i = 0; i < 2; i++) {
    make(dtype, x[i], m * k, 1 + i, -1, 1);
    make(dtype, y[i], k * n, 3 + i, -1, 1);
    make(dtype, bias[i], n, 5 + i, -1, 1);
  }
  a.a = x[0], a.b = y[0], a.c = z[0], a.bias = f->bias ? bias[0] : NULL;
  cr_assert(!cni_gemm_again(&memo, x[0], y[0], bias[0], z[0]) && !cni_gemm_again(NULL, x[0], y[0], bias[0], z[0]));
  cr_assert(cni_gemm_first(g, &a, &memo) == CN_OK);
  a.a = x[1], a.b = y[1], a.c = z[1], a.bias = f->bias ? bias[1] : NULL;
  cr_assert(cni_gemm(g, &a) == CN_OK);
  if (!cni_gemm_again(&memo, x[1], y[1], f->bias ? bias[1] : NULL, z[0])) return 0;
  for (int64_t i = 0; i < m * n; i++) cr_assert(get(dtype, z[0], i) == get(dtype, z[1], i), "[%ld,%ld,%ld] element %ld", (long)m, (long)n, (long)k, (long)i);
  return 1;
}

Test(core_gemm, again) {
  static const int64_t sizes[][3] = { { 1, 16, 16 }, { 1, 1, 16 }, { 16, 1, 1 }, { 16, 16, 1 }, { 32, 16, 2 }, { 32, 1, 16 }, { 7, 19, 5 }, { 40, 40, 40 } };
  cn_graph g;
  counting n;
  int served = 0;
  begin(&g, &n, NULL);
  for (int s = 0; s < COUNT(sizes); s++)
    for (int t = 0; t < 8; t++)
      for (int f = 0; f < FUSIONS; f++)
        if (!fusions[f].accumulate) served += check_again(&g, t & 4 ? CN_F64 : CN_F32, sizes[s][0], sizes[s][1], sizes[s][2], t & 1, t & 2, &fusions[f]);
  cr_assert(served >= 7 * 8 * (FUSIONS - 1), "%d", served);
  graph_end(&g, &n);
}
