/* What the tests of layers and models share: graphs whose allocator counts and fails, comparisons of tensors, errors with their whole text. */
#ifndef TEST_LAYERS_H
#define TEST_LAYERS_H
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../cornu.h"

/* A number of /proc/self/status: VmRSS, what the process holds; VmData, what it may write to, which RLIMIT_DATA limits. */
static inline int64_t process_kb(const char *key) {
  char line[256];
  int64_t kilobytes = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') kilobytes = atoll(line + strlen(key) + 1);
  if (f) fclose(f);
  return kilobytes;
}

typedef struct counting { int64_t calls, live, fail_at; } counting;

static inline void *counting_alloc(void *user, size_t size) {
  counting *n = user;
  if (++n->calls == n->fail_at) return NULL;
  void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
  n->live += p != NULL;
  return p;
}
static inline void counting_free(void *user, void *p, size_t size) {
  (void)size;
  ((counting *)user)->live--;
  free(p);
}
static inline cn_graph *graph_counting(counting *n) {
  const cn_allocator allocator = { counting_alloc, counting_free, n };
  return cn_graph_new(.allocator = &allocator, .seed = 1);
}

static inline cn_tensor *floats(cn_graph *g, const cn_dims *dims, const double *x) { return cn_array_from_doubles(g, CN_F32, dims, x); }
#define FLOATS(g, dims, ...) floats(g, dims, (const double[]){ __VA_ARGS__ })
#define INTEGERS(g, dims, ...) cn_array(g, CN_I32, dims, (const int32_t[]){ __VA_ARGS__ })

#define CHECK_OK(g) cr_assert(cn_ok(g), "%s", cn_error(g))
#define CHECK_NEAR(got, wanted, tolerance) \
  cr_assert(fabs((double)(got) - (double)(wanted)) <= (tolerance), "got %.9g, wanted %.9g", (double)(got), (double)(wanted))
/* Whether x is there and has this shape. */
static inline bool shaped(const cn_tensor *x, const cn_dims *dims) {
  const cn_dims have = x ? cn_dims_of(x) : (cn_dims){ -1, { 0 } };
  return cn_dims_equal(&have, dims);
}
/* The whole of a tensor: shape and values. */
#define CHECK_TENSOR(t, wanted_dims, tolerance, ...)                                                        \
  do {                                                                                                      \
    cn_tensor *t_ = (t);                                                                                    \
    cr_assert(t_ != NULL);                                                                                  \
    const cn_dims d_ = cn_dims_of(t_);                                                                      \
    const double w_[] = { __VA_ARGS__ };                                                                    \
    cr_assert(cn_dims_equal(&d_, wanted_dims), "another shape, rank %d", d_.rank);                          \
    cr_assert_eq(cn_count(t_), (int64_t)(sizeof w_ / sizeof *w_));                                          \
    for (int64_t i_ = 0; i_ < cn_count(t_); i_++)                                                           \
      cr_assert(fabs(cn_at(t_, i_) - w_[i_]) <= (tolerance), "element %d: got %.9g, wanted %.9g", (int)i_, cn_at(t_, i_), w_[i_]); \
  } while (0)
#define CHECK_REFUSED(g, wanted_code, wanted_text)                  \
  do {                                                              \
    cr_assert_str_eq(cn_error(g), wanted_text);                     \
    cr_assert_eq(cn_error_code(g), wanted_code, "%s", cn_error(g)); \
    cn_graph_clear(g);                                              \
  } while (0)
/* Weight i of a layer. */
static inline cn_tensor *weight_at(cn_layer *l, int64_t i) {
  cn_tensor *w[64];
  return i < cn_weights(l, w, 64) ? w[i] : NULL;
}

#endif
