/* A thread that reads ahead, and pipelines without memory. */
#include <time.h>
#include "test_io_source.h"

static place p;
static void begin(void) { place_begin(&p); }
static void end(void) {
  CHECK_OK(&p);
  place_end_with_sources(&p);
}
TestSuite(io_prefetch, .init = begin, .fini = end);

Test(io_prefetch, the_same_comes) {
  for (int64_t depth = 1; depth < 4; depth++) {
    cn_source *s = cn_source_prefetch(cn_source_batch(ramp(&p.g, 7), 3, false), depth);
    cr_assert(cn_source_batch_size(s) == 3 && cn_source_size(s) == 7);
    for (int64_t epoch = 0; epoch < 20; epoch++) CHECK_EPOCH(s, epoch, 3, "0 1 2|3 4 5|6|");
    cn_source_free(s);
    s = cn_source_prefetch(ramp(&p.g, 7), depth);
    for (int64_t epoch = 0; epoch < 20; epoch++) CHECK_EPOCH(s, epoch, 3, "0 1 2|3 4 5|6|");
    CHECK_EPOCH(s, 0, 5, "0 1 2 3 4|5 6|");
  }
  cr_assert_null(cn_source_prefetch(ramp(&p.g, 7), 0));
  CHECK_ERROR(&p, VALUE, "prefetch: depth must be positive, got 0");
}

/* After every number of reads, with the thread waiting or reading: reset, freed, left to the graph. */
Test(io_prefetch, it_ends_at_any_moment) {
  for (int64_t reads = 0; reads < 12; reads++)
    for (int way = 0; way < 3; way++) {
      place q;
      counter c = { .count = 10 };
      cn_samples out;
      place_begin(&q);
      cn_source *s = cn_source_prefetch(cn_source_prefetch(counting_source(&q.g, &c, &counter_methods), 2), 2);
      for (int64_t i = 0; i < reads; i++) cn_source_next(s, 1, &out);
      if (way == 0) CHECK_EPOCH(s, 1, 4, "0 1 2 3|4 5 6 7|8 9|");
      if (way == 1) cn_source_free(s);
      place_end_with_sources(&q); /* the counting allocator's blocks are all back */
      cr_assert(c.finished);
    }
}

Test(io_prefetch, errors_come_after_the_samples_before_them) {
  static counter c = { .count = 10, .fail_at = 5 };
  cn_source *s = cn_source_prefetch(counting_source(&p.g, &c, &counter_methods), 4);
  cn_samples out;
  for (int64_t i = 0; i < 5; i++) cr_assert(cn_source_next(s, 1, &out) == 1 && *(int64_t *)out.v[0] == i);
  cr_assert_eq(cn_source_next(s, 1, &out), -1);
  CHECK_ERROR(&p, FORMAT, "number 5 is bad");
  c.fail_at = 0;
  CHECK_EPOCH(s, 1, 20, "0 1 2 3 4 5 6 7 8 9|");
  c.fail_at = 3;
  cr_assert(cn_source_reset(s, 2));
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  cr_assert(cn_source_reset(s, 3)); /* an error that nobody met is forgotten */
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
}

static int64_t slow_next(cn_graph *errors, void *state, int64_t n, const cn_samples *out) {
  nanosleep(&(const struct timespec){ 0, 2000000 }, NULL);
  return counter_next(errors, state, n, out);
}

/* While the consumer works, the thread has read on: as far as there is room, and no further. */
Test(io_prefetch, it_reads_ahead_and_no_further) {
  static const cn_source_methods slow = { .next = slow_next, .reset = counter_reset, .size = counter_size };
  static counter c = { .count = 100 };
  cn_source *s = cn_source_prefetch(counting_source(&p.g, &c, &slow), 3);
  cn_samples out;
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  nanosleep(&(const struct timespec){ 0, 200000000 }, NULL);
  const int64_t at = ((volatile counter *)&c)->at;
  cr_assert(at >= 2 && at <= 4, "%ld", (long)at);
}

/* Parts of one source, one of them on a thread of its own. */
Test(io_prefetch, parts_are_read_from_two_threads) {
  cn_source_parts parts = cn_source_split(cn_source_cache(ramp(&p.g, 60)), .validation_split = 0.5);
  cn_source *train = cn_source_prefetch(cn_source_batch(cn_source_shuffle(parts.train, .seed = 1), 4, false), 2),
            *validation = cn_source_prefetch(parts.validation, 2);
  cn_samples a, b;
  for (int64_t epoch = 0; epoch < 20; epoch++) {
    int64_t sum = 0;
    cr_assert(cn_source_reset(train, epoch) && cn_source_reset(validation, epoch));
    for (int64_t got, k; (got = cn_source_next(train, 4, &a)) > 0 && (k = cn_source_next(validation, 4, &b)) > 0;) {
      for (int64_t i = 0; i < got; i++) sum += ((int64_t *)a.v[0])[i];
      for (int64_t i = 0; i < k; i++) sum += ((int64_t *)b.v[0])[i];
    }
    cr_assert_eq(sum, 59 * 30, "%ld", (long)sum);
  }
}

static bool to_text(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out) {
  static const char text[] = "a text that is longer than the room that a first one is given, so that it grows";
  (void)user;
  for (int64_t i = 0; i < n; i++)
    if (!cn_text_set(errors, (cn_text *)out->v[0] + i, text, 1 + ((int64_t *)in->v[0])[i] * 7)) return false;
  return true;
}

/* A pipeline of every stage, read for two epochs; the number of samples. */
static int64_t whole_pipeline(cn_graph *g) {
  const cn_column text = { CN_STRING, { 0, { 0 } } };
  cn_source *s = cn_source_cache(cn_source_map(ramp(g, 9), to_text, NULL, &text, 1, 0, 0));
  s = cn_source_zip(s, cn_source_windows(ramp_of(g, 1, 0, 10), NULL, 2), NULL);
  s = cn_source_shuffle(cn_source_split(s, .validation_split = 0.3, .shuffle = true).train, .seed = 1);
  s = cn_source_shuffle(cn_source_take(cn_source_skip(cn_source_repeat(s, 2), 1), 10), .seed = 2, .buffer_size = 3);
  s = cn_source_prefetch(cn_source_batch(s, 4, false), 2);
  cn_samples out;
  int64_t n = 0;
  for (int64_t epoch = 0; epoch < 2 && cn_source_reset(s, epoch); epoch++)
    for (int64_t got; (got = cn_source_next(s, 4, &out)) > 0; n += got) {}
  return n;
}

Test(io_prefetch, every_call_of_the_allocator_can_fail) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cr_assert_eq(whole_pipeline(&g), 20, "%s", cn_error(&g));
  const int64_t calls = n.calls;
  graph_end_with_sources(&g, &n);
  cr_assert_gt(calls, 50);
  int64_t failures = 0;
  for (int64_t k = 1; k <= calls; k++) {
    graph_begin(&g, &n);
    n.fail_at = k;
    const int64_t samples = whole_pipeline(&g);
    if (cn_ok(&g)) cr_assert_eq(samples, 20, "call %ld", (long)k); /* the order of two threads' calls varies */
    else {
      failures++;
      cr_assert_eq(cn_error_code(&g), CN_NO_MEMORY, "call %ld: %s", (long)k, cn_error(&g));
      cni_error_clear(&g);
      cr_assert_eq(whole_pipeline(&g), 20, "call %ld: %s", (long)k, cn_error(&g));
    }
    graph_end_with_sources(&g, &n);
  }
  cr_assert_gt(failures, calls / 2);
}
