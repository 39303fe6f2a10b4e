/* Philox's known answers, distributions, and independence of how a range is split, of where it starts and of the instruction set. */
#include "test_kernels.h"

typedef struct answer { uint32_t counter[4], key[2], out[4]; } answer;
/* Random123's kat_vectors for philox4x32-10. */
static const answer answers[] = {
  { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
  { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
  { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 }, { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

Test(core_random, known_answers) {
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    cn_philox(answers[i].counter, answers[i].key, out);
    for (int j = 0; j < 4; j++) cr_assert(out[j] == answers[i].out[j]);
  }
}

/* Uniform numbers are the generator's words: number i is word i % 4 of block i / 4. */
Test(core_random, uniform_is_the_words) {
  enum { N = 1000 };
  cn_stream s = { .key = 0x299f31d0a4093822u, .counter = 0xfffffff0u }; /* the low word of the block's counter is passed on */
  float y[N];
  double z[N];
  for (uint64_t start = 0; start < 3; start++) {
    s.counter = 0x3fffffff0u + start;
    cn_random_fill_uniform(&s, CN_F32, y, N, 0, 1);
    cr_assert(s.counter == 0x3fffffff0u + start + N);
    s.counter = 0x3fffffff0u + start;
    cn_random_fill_uniform(&s, CN_F64, z, N, 0, 1);
    for (uint64_t i = 0; i < N; i++) {
      const uint64_t at = 0x3fffffff0u + start + i;
      const uint32_t key[2] = { 0xa4093822, 0x299f31d0 }, b4[4] = { (uint32_t)(at / 4), (uint32_t)(at / 4 >> 32), 0, 0 }, b2[4] = { (uint32_t)(at / 2),
          (uint32_t)(at / 2 >> 32), 0, 0 };
      uint32_t w[4], v[4];
      cn_philox(b4, key, w);
      cn_philox(b2, key, v);
      cr_assert(y[i] == (float)(w[at % 4] >> 8) * 0x1p-24f);
      cr_assert(z[i] == (double)((v[2 * (at % 2)] | (uint64_t)v[2 * (at % 2) + 1] << 32) >> 11) * 0x1p-53);
    }
  }
}

#define COUNT 400000
typedef void fill(cn_stream *s, cn_dtype dtype, void *y, int64_t n, double a, double b);
static fill *const fills[] = { cn_random_fill_uniform, cn_random_fill_normal, cn_random_fill_truncated_normal };

static double normal_below(double z) { return 0.5 * erfc(-z / sqrt(2)); }
static double distribution(int kind, double x) { /* of a = 1, b = 2: uniform over [1, 2), or mean 1, standard deviation 2 */
  if (kind == 0) return x - 1;
  const double p = normal_below((x - 1) / 2);
  return kind == 1 ? p : (p - normal_below(-2)) / (normal_below(2) - normal_below(-2));
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's distance, moments of neighbours, bounds. */
Test(core_random, distributions) {
  static double y[COUNT];
  static float narrow[COUNT];
  for (int kind = 0; kind < 3; kind++)
    for (int d = 0; d < 2; d++) {
      cn_stream s = { .key = 42 + (uint64_t)kind };
      fills[kind](&s, d ? CN_F64 : CN_F32, d ? (void *)y : (void *)narrow, COUNT, 1, 2);
      for (int i = 0; !d && i < COUNT; i++) y[i] = (double)narrow[i];
      double sum = 0, square = 0, neighbours = 0;
      for (int i = 0; i < COUNT; i++) sum += y[i];
      const double mean = sum / COUNT;
      for (int i = 0; i < COUNT; i++) square += (y[i] - mean) * (y[i] - mean);
      for (int i = 1; i < COUNT; i++) neighbours += (y[i] - mean) * (y[i - 1] - mean);
      cr_assert(fabs(neighbours / square) < 5 / sqrt(COUNT), "neighbours correlate");
      const double stddev[] = { sqrt(1 / 12.0), 2, 2 * 0.8796256610342398 }, middle[] = { 1.5, 1, 1 };
      cr_assert(fabs(mean - middle[kind]) < 5 * stddev[kind] / sqrt(COUNT), "%d: mean %g", kind, mean);
      cr_assert(fabs(sqrt(square / COUNT) / stddev[kind] - 1) < 5 / sqrt(COUNT), "%d: standard deviation %g", kind, sqrt(square / COUNT));
      qsort(y, COUNT, sizeof *y, by_value);
      double worst = 0;
      for (int i = 0; i < COUNT; i++) worst = fmax(worst, fabs(distribution(kind, y[i]) - (i + 0.5) / COUNT));
      cr_assert(worst < 2 / sqrt(COUNT), "%d: distance %g", kind, worst);
      if (kind == 0) cr_assert(y[0] >= 1 && y[COUNT - 1] < 2 + d * 0.0);
      if (kind == 1) cr_assert(y[0] < -7 && y[COUNT - 1] > 9);
      if (kind == 2) cr_assert(y[0] > -3 && y[COUNT - 1] < 5);
    }
}

Test(core_random, splitting) {
  enum { N = 3000 };
  static double whole[N], parts[N];
  for (int kind = 0; kind < 3; kind++)
    for (int d = 0; d < 2; d++) {
      const size_t size = d ? 8 : 4;
      cn_stream s = { 7, 13 }, t = s;
      fills[kind](&s, d ? CN_F64 : CN_F32, whole, N, -1, 3);
      for (int64_t at = 0, part = 1; at < N; at += part, part = part * 2 + 1) {
        if (part > N - at) part = N - at;
        fills[kind](&t, d ? CN_F64 : CN_F32, (char *)parts + (size_t)at * size, part, -1, 3);
      }
      cr_assert(memcmp(whole, parts, N * size) == 0 && t.counter == s.counter && t.counter == 13 + N);
    }
}

Test(core_random, streams_differ) {
  enum { N = 256 };
  uint32_t y[4][N];
  for (uint64_t i = 0; i < 4; i++) {
    cn_stream s = { .key = i & 1 ? 1u : (uint64_t)1 << 32, .counter = i & 2 ? (uint64_t)1 << 40 : 0 };
    cn_random_fill_uniform(&s, CN_F32, y[i], N, 0, 1);
  }
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < a; b++) {
      int same = 0;
      for (int i = 0; i < N; i++) same += y[a][i] == y[b][i];
      cr_assert(same < 3);
    }
}

static void check_table(const cni_kernels *k, cn_dtype dtype) {
  enum { N = 5000 };
  static double ours[N], wanted[N], x[N];
  const cni_random_kernels *base = cni_kernels_named("baseline", dtype)->random, *r = k->random;
  const size_t bytes = N * cn_dtype_size(dtype);
  base->uniform(wanted, N, 99, 3, -2, 5), r->uniform(ours, N, 99, 3, -2, 5);
  cr_assert(memcmp(ours, wanted, bytes) == 0, "uniform of %s", k->isa);
  base->normal(wanted, N, 99, 3, -2, 5), r->normal(ours, N, 99, 3, -2, 5);
  cr_assert(memcmp(ours, wanted, bytes) == 0, "normal of %s", k->isa);
  base->truncated_normal(wanted, N, 99, 3, -2, 5), r->truncated_normal(ours, N, 99, 3, -2, 5);
  cr_assert(memcmp(ours, wanted, bytes) == 0, "truncated normal of %s", k->isa);
  make(dtype, x, N, 5, -1, 1);
  r->uniform(wanted, N, 99, 3, 0, 1);
  r->dropout(ours, x, N, 99, 3, 0.25);
  int dropped = 0;
  for (int i = 0; i < N; i++) {
    const bool kept = get(dtype, wanted, i) >= 0.25;
    dropped += !kept;
    CHECK_NEAR(get(dtype, ours, i), kept ? get(dtype, x, i) / 0.75 : 0, 1e-6, 0, "dropout", k, dtype, i);
  }
  cr_assert(abs(dropped - N / 4) < 5 * 31);
  memcpy(wanted, ours, bytes);
  r->dropout(ours, x, 1001, 99, 3, 0.25);
  const size_t moved = 1001 * cn_dtype_size(dtype);
  r->dropout((char *)ours + moved, (char *)x + moved, N - 1001, 99, 3 + 1001, 0.25);
  cr_assert(memcmp(ours, wanted, bytes) == 0, "dropout in parts");
}
Test(core_random, same_bits_in_every_instruction_set) { for_each_table(check_table); }

Test(core_random, integers) {
  enum { N = 70000 };
  static int32_t y[N];
  static int64_t z[N];
  int64_t seen[7] = { 0 };
  cn_stream s = { .key = 5 };
  cn_random_fill_integers(&s, CN_I32, y, N, -3, 4);
  cr_assert(s.counter == N);
  for (int i = 0; i < N; i++) {
    cr_assert(y[i] >= -3 && y[i] < 4);
    seen[y[i] + 3]++;
  }
  for (int i = 0; i < 7; i++) cr_assert(llabs(seen[i] - N / 7) < 5 * 93, "%ld of %d", (long)seen[i], i);
  cn_random_fill_integers(&s, CN_I64, z, N, INT64_MIN, INT64_MAX);
  int negative = 0;
  for (int i = 0; i < N; i++) negative += z[i] < 0;
  cr_assert(abs(negative - N / 2) < 5 * 133);
}

Test(core_random, permutation) {
  enum { N = 1000 };
  static int64_t y[N], first[N];
  bool seen[N] = { false };
  cn_stream s = { .key = 8 };
  cn_random_fill_permutation(&s, y, N);
  cr_assert(s.counter == N);
  int fixed = 0;
  for (int i = 0; i < N; i++) {
    cr_assert(y[i] >= 0 && y[i] < N && !seen[y[i]]);
    seen[y[i]] = true;
    fixed += y[i] == i;
  }
  cr_assert(fixed < 10);
  for (int i = 0; i < N; i++) {
    s = (cn_stream){ .key = (uint64_t)i };
    cn_random_fill_permutation(&s, y, 5);
    first[y[0]]++;
  }
  for (int i = 0; i < 5; i++) cr_assert(llabs(first[i] - N / 5) < 5 * 13, "%ld times %d first", (long)first[i], i);
  cn_random_fill_permutation(&s, y, 0);
  cn_random_fill_permutation(&s, y, 1);
  cr_assert(y[0] == 0);
}
