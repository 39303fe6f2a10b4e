/* What the tests of sources share: sources of numbers, and what comes out of a pipeline. */
#ifndef TEST_IO_SOURCE_H
#define TEST_IO_SOURCE_H
#include "test_io.h"

/* As graph_end and place_end, where sources are still the graph's: their memory is not in its count. */
static inline void graph_end_with_sources(cn_graph *g, counting *n) {
  cni_context_free(g);
  cr_assert(n->live == 0 && n->bytes == 0 && !n->mismatched, "%ld blocks are left", (long)n->live);
  cr_assert(g->c.bytes == 0);
}
static inline void place_end_with_sources(place *p) {
  graph_end_with_sources(&p->g, &p->n);
  cr_assert(cni_context_init(&p->g, &(const cn_allocator){ counting_alloc, counting_free, &p->n }));
  place_end(p);
}

/* 0, 1, 2, ...: a source that is read in order. It can fail at a number, and begin again if told to. */
typedef struct counter { int64_t at, count, fail_at, epochs; bool finished; } counter;

static inline int64_t counter_next(cn_graph *errors, void *state, int64_t n, const cn_samples *out) {
  counter *c = state;
  (void)n;
  if (c->fail_at && c->at == c->fail_at) return cn_fail(errors, CN_FORMAT, "number %ld is bad", (long)c->at), -1;
  if (c->at == c->count) return 0;
  *(int64_t *)out->v[0] = c->at++;
  return 1;
}
static inline bool counter_reset(cn_graph *errors, void *state, int64_t epoch) {
  counter *c = state;
  (void)errors, (void)epoch;
  c->at = 0;
  c->epochs++;
  return true;
}
static inline int64_t counter_size(void *state) { return ((const counter *)state)->count; }
static inline void counter_finish(cn_graph *errors, void *state) {
  (void)errors;
  ((counter *)state)->finished = true;
}
static const cn_source_methods counter_methods = { .next = counter_next, .reset = counter_reset, .size = counter_size, .finish = counter_finish };
static const cn_source_methods once_methods = { .next = counter_next };

static inline cn_source *counting_source(cn_graph *g, counter *c, const cn_source_methods *methods) {
  const cn_column column = { CN_I64, { 0, { 0 } } };
  return cn_source_new(g, methods, c, &column, 1, 0, 0);
}

/* n numbers from first on, with fetch. */
#define MOST 64
static int64_t ramp_data[2][MOST];
static char ramp_names[2][8] = { "x", "y" };
static cn_named_array ramp_arrays[2];
static inline cn_source *ramp_of(cn_graph *g, int64_t k, int64_t first, int64_t n) {
  for (int64_t i = 0; i < n; i++) ramp_data[k][i] = first + i;
  ramp_arrays[k] = (cn_named_array){ ramp_names[k], CN_I64, { 1, { n } }, ramp_data[k] };
  const cn_named_array *v = &ramp_arrays[k];
  return cn_source_arrays(g, &v, 1, NULL, 0, NULL, 0);
}
static inline cn_source *ramp(cn_graph *g, int64_t n) { return ramp_of(g, 0, 0, n); }

/* The numbers of column k that are left, read n at a time, and "|" after each read: "0 1|2|". */
static inline const char *rest_of(cn_source *s, int64_t n, int64_t k) {
  static char text[4096];
  size_t used = 0;
  cn_samples out;
  text[0] = '\0';
  for (int64_t got; (got = cn_source_next(s, n, &out)) > 0;) {
    for (int64_t i = 0; i < got; i++) used += (size_t)snprintf(text + used, sizeof text - used, "%s%ld", i ? " " : "", (long)((const int64_t *)out.v[k])[i]);
    used += (size_t)snprintf(text + used, sizeof text - used, "|");
  }
  return text;
}
#define CHECK_REST(s, n, wanted) cr_assert_str_eq(rest_of(s, n, 0), wanted)
/* An epoch from its start. */
#define CHECK_EPOCH(s, epoch, n, wanted)                 \
  do {                                                   \
    cn_source *s_ = (s);                                 \
    cr_assert(cn_source_reset(s_, epoch));               \
    cr_assert_str_eq(rest_of(s_, n, 0), wanted);         \
  } while (0)
#define CHECK_ERROR(p, wanted, text)                                      \
  do {                                                                    \
    cr_assert_str_eq(cn_error(&(p)->g), text);                            \
    cr_assert_str_eq(cn_code_name(cn_error_code(&(p)->g)), #wanted);      \
    cni_error_clear(&(p)->g);                                             \
  } while (0)

#endif
