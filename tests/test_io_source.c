/* Sources and stages: orders, batches, sizes, positions, what is refused. */
#include "test_io_source.h"

static place p;
static void begin(void) { place_begin(&p); }
static void end(void) {
  CHECK_OK(&p);
  place_end_with_sources(&p);
}
TestSuite(io_source, .init = begin, .fini = end);

Test(io_source, arrays_in_order) {
  cn_source *s = ramp(&p.g, 5);
  cr_assert_eq(cn_source_size(s), 5);
  CHECK_REST(s, 2, "0 1|2 3|4|");
  CHECK_REST(s, 2, ""); /* the end stays the end */
  CHECK_EPOCH(s, 1, 9, "0 1 2 3 4|");
  cn_source_free(s);
}

Test(io_source, arrays_of_several_columns_and_texts) {
  float x[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
  const uint8_t y[2] = { 7, 8 };
  struct { int64_t offsets[3]; char bytes[8]; } words = { { 0, 3, 3 }, "abc" };
  char names[3][2] = { "x", "y", "t" };
  const cn_named_array a = { names[0], CN_F32, { 2, { 2, 3 } }, x }, b = { names[1], CN_U8, { 1, { 2 } }, (void *)(uintptr_t)y },
                       t = { names[2], CN_STRING, { 1, { 2 } }, &words };
  cn_source *s = cn_source_arrays(&p.g, (const cn_named_array *const[]){ &a, &t }, 2, (const cn_named_array *const[]){ &b }, 1, NULL, 0);
  int64_t counts[3];
  cn_samples out;
  cn_source_counts(s, &counts[0], &counts[1], &counts[2]);
  cr_assert(counts[0] == 2 && counts[1] == 1 && counts[2] == 0);
  cr_assert_eq(cn_source_column(s, 0).dims.d[0], 3);
  cr_assert_eq(cn_source_next(s, 5, &out), 2);
  cr_assert_arr_eq(out.v[0], x, sizeof x);
  const cn_text *texts = out.v[1];
  cr_assert(texts[0].n == 3 && memcmp(texts[0].p, "abc", 3) == 0 && texts[1].n == 0);
  cr_assert_arr_eq(out.v[2], y, 2);
  cr_assert_null(cn_source_arrays(&p.g, (const cn_named_array *const[]){ &a }, 1,
                                  (const cn_named_array *const[]){ &(const cn_named_array){ names[1], CN_U8, { 1, { 1 } }, (void *)(uintptr_t)y } }, 1, NULL,
                                  0));
  CHECK_ERROR(&p, SHAPE, "arrays: \"x\" has 2 samples, \"y\" has 1");
}

Test(io_source, batches) {
  cn_source *s = cn_source_batch(ramp(&p.g, 5), 2, false);
  CHECK_REST(s, 1, "0 1|2 3|4|");
  cr_assert(cn_source_size(s) == 5 && cn_source_batch_size(s) == 2);
  s = cn_source_batch(ramp(&p.g, 5), 2, true);
  CHECK_REST(s, 7, "0 1|2 3|");
  cr_assert_eq(cn_source_size(s), 4);
  cr_assert_null(cn_source_batch(s, 2, false));
  CHECK_ERROR(&p, STATE, "batch: the source is batched; batch comes after it");
  cr_assert_null(cn_source_batch(ramp(&p.g, 5), 0, false));
  CHECK_ERROR(&p, VALUE, "batch: size must be positive, got 0");
}

Test(io_source, repeat_take_skip) {
  CHECK_REST(cn_source_repeat(ramp(&p.g, 3), 2), 4, "0 1 2 0|1 2|");
  CHECK_REST(cn_source_take(cn_source_repeat(ramp(&p.g, 3), CN_NONE), 7), 10, "0 1 2 0 1 2 0|");
  CHECK_REST(cn_source_skip(ramp(&p.g, 5), 3), 10, "3 4|");
  CHECK_REST(cn_source_skip(ramp(&p.g, 5), 9), 10, "");
  CHECK_REST(cn_source_take(ramp(&p.g, 5), 0), 10, "");
  CHECK_REST(cn_source_repeat(ramp(&p.g, 5), 0), 10, "");
  CHECK_REST(cn_source_repeat(ramp(&p.g, 0), CN_NONE), 10, "");
  cr_assert_eq(cn_source_size(cn_source_repeat(ramp(&p.g, 3), 2)), 6);
  cr_assert_eq(cn_source_size(cn_source_repeat(ramp(&p.g, 3), CN_NONE)), CN_FOREVER);
  cr_assert_eq(cn_source_size(cn_source_take(cn_source_repeat(ramp(&p.g, 3), CN_NONE), 7)), 7);
  cr_assert_eq(cn_source_size(cn_source_skip(ramp(&p.g, 5), 3)), 2);
}

Test(io_source, over_batches_stages_count_batches) {
  cn_source *s = cn_source_take(cn_source_repeat(cn_source_batch(ramp(&p.g, 3), 2, false), CN_NONE), 3);
  CHECK_REST(s, 9, "0 1|2|0 1|");
  cr_assert_eq(cn_source_size(s), -1);
  cr_assert(cn_source_seek(s, 0, 3));
  CHECK_REST(s, 9, "0 1|");
  s = cn_source_skip(cn_source_batch(ramp(&p.g, 5), 2, false), 1);
  CHECK_REST(s, 9, "2 3|4|");
  cr_assert_eq(cn_source_size(s), 3);
  cr_assert(cn_source_seek(s, 0, 2));
  CHECK_REST(s, 9, "4|");
  cr_assert_eq(cn_source_size(cn_source_repeat(cn_source_batch(ramp(&p.g, 3), 2, false), 2)), -1);
}

static bool add_ten(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t x = ((const int64_t *)in->v[0])[i];
    if (user && x == *(const int64_t *)user) return cn_fail(errors, CN_VALUE, "no %ld", (long)x), false;
    ((int64_t *)out->v[0])[i] = x + 10;
  }
  return true;
}
static bool as_text(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out) {
  char text[24];
  (void)user;
  for (int64_t i = 0; i < n; i++) {
    snprintf(text, sizeof text, "n%ld", (long)((const int64_t *)in->v[0])[i]);
    if (!cn_text_set(errors, (cn_text *)out->v[0] + i, text, (int64_t)strlen(text))) return false;
  }
  return true;
}
static bool silent(cn_graph *errors, void *user, int64_t n, const cn_samples *in, const cn_samples *out) {
  return (void)errors, (void)user, (void)n, (void)in, (void)out, false;
}

Test(io_source, map) {
  CHECK_REST(cn_source_map(ramp(&p.g, 3), add_ten, NULL, NULL, 0, 0, 0), 2, "10 11|12|");
  CHECK_REST(cn_source_map(cn_source_batch(ramp(&p.g, 3), 2, false), add_ten, NULL, NULL, 0, 0, 0), 9, "10 11|12|");
  const cn_column text = { CN_STRING, { 0, { 0 } } };
  cn_samples out;
  cr_assert_eq(cn_source_next(cn_source_shuffle(cn_source_map(ramp(&p.g, 3), as_text, NULL, &text, 1, 0, 0), .buffer_size = 2, .seed = 1), 3, &out), 3);
  for (int64_t i = 0, seen = 0; i < 3; i++) {
    const cn_text *t = (cn_text *)out.v[0] + i;
    cr_assert(t->n == 2 && t->p[0] == 'n');
    seen |= 1 << (t->p[1] - '0');
    cr_assert(i < 2 || seen == 7);
  }
  static int64_t bad = 1;
  cr_assert_eq(cn_source_next(cn_source_map(ramp(&p.g, 3), add_ten, &bad, NULL, 0, 0, 0), 3, &out), -1);
  CHECK_ERROR(&p, VALUE, "no 1");
  cr_assert_eq(cn_source_next(cn_source_map(ramp(&p.g, 3), silent, NULL, NULL, 0, 0, 0), 3, &out), -1);
  CHECK_ERROR(&p, STATE, "map: the function failed without an error");
  cn_source *s = ramp(&p.g, 3);
  cr_assert_null(cn_source_map(s, add_ten, NULL, &(const cn_column){ CN_F32, { 1, { -1 } } }, 1, 0, 0));
  CHECK_ERROR(&p, SHAPE, "map: column 0: a sample's shape has at most 7 axes of known sizes");
  CHECK_REST(s, 9, "0 1 2|"); /* it is still the caller's */
}

Test(io_source, zip) {
  cn_source *s = cn_source_zip(ramp_of(&p.g, 0, 0, 3), ramp_of(&p.g, 1, 10, 3), NULL);
  cr_assert_str_eq(rest_of(s, 2, 1), "10 11|12|");
  cr_assert(cn_source_seek(s, 1, 1));
  CHECK_REST(s, 9, "1 2|");
  cr_assert_null(cn_source_zip(ramp_of(&p.g, 0, 0, 3), ramp_of(&p.g, 1, 0, 4), NULL));
  CHECK_ERROR(&p, VALUE, "zip: the numbers of samples differ: x has 3, y has 4");
  static counter c = { .count = 2 };
  static const cn_source_methods unsized = { .next = counter_next, .reset = counter_reset };
  s = cn_source_zip(ramp(&p.g, 3), NULL, counting_source(&p.g, &c, &unsized));
  CHECK_REST(s, 2, "0 1|");
  CHECK_ERROR(&p, VALUE, "zip: the numbers of samples differ: x has 3, w has 2");
}

Test(io_source, a_whole_shuffle) {
  cn_source *s = cn_source_shuffle(ramp(&p.g, 40), .seed = 7);
  char first[4096], second[4096];
  strcpy(first, rest_of(s, 40, 0));
  cr_assert(cn_source_reset(s, 1));
  strcpy(second, rest_of(s, 40, 0));
  cr_assert_str_neq(first, second);
  CHECK_EPOCH(s, 0, 40, first);
  CHECK_EPOCH(cn_source_shuffle(ramp(&p.g, 40), .seed = 7), 1, 40, second);
  cn_source *fixed = cn_source_shuffle(ramp(&p.g, 40), .seed = 7, .reshuffle_each_iteration = false);
  CHECK_EPOCH(fixed, 0, 40, first);
  CHECK_EPOCH(fixed, 9, 40, first);
  CHECK_EPOCH(cn_source_shuffle(ramp(&p.g, 0), .seed = 7), 0, 40, "");
  cr_assert(cn_source_reset(s, 0));
  bool seen[40] = { false };
  cn_samples out;
  for (int64_t i = 0; cn_source_next(s, 1, &out) == 1; i++) seen[*(int64_t *)out.v[0]] = true;
  for (int i = 0; i < 40; i++) cr_assert(seen[i], "%d comes", i);
}

Test(io_source, a_windowed_shuffle) {
  static counter c = { .count = 50 };
  cn_source *s = cn_source_shuffle(counting_source(&p.g, &c, &counter_methods), .buffer_size = 8, .seed = 3);
  cn_samples out;
  for (int64_t epoch = 0; epoch < 3; epoch++) {
    bool seen[50] = { false };
    int64_t n = 0;
    cr_assert(cn_source_reset(s, epoch));
    for (; cn_source_next(s, 1, &out) == 1; n++) {
      const int64_t x = *(int64_t *)out.v[0];
      cr_assert(!seen[x] && x < n + 8, "%ld at %ld", (long)x, (long)n); /* not from beyond the window */
      cr_assert_leq(c.at, n + 8);                                      /* no more is read than the window */
      seen[x] = true;
    }
    cr_assert_eq(n, 50);
  }
  char text[4096];
  cr_assert(cn_source_reset(s, 5));
  strcpy(text, rest_of(s, 50, 0));
  static counter d = { .count = 50 };
  CHECK_EPOCH(cn_source_shuffle(counting_source(&p.g, &d, &counter_methods), .buffer_size = 8, .seed = 3), 5, 50, text);
  static const cn_source_methods unsized = { .next = counter_next, .reset = counter_reset };
  cr_assert_null(cn_source_shuffle(counting_source(&p.g, &d, &unsized), .seed = 3));
  CHECK_ERROR(&p, VALUE, "shuffle: buffer_size is required: the source is read in order, and its size is not known");
}

Test(io_source, repeated_passes_are_shuffled_anew) {
  char text[4096];
  cn_source *s = cn_source_repeat(cn_source_shuffle(ramp(&p.g, 20), .seed = 1), 2);
  strcpy(text, rest_of(s, 20, 0));
  char *half = strchr(text, '|');
  *half++ = '\0';
  half[strlen(half) - 1] = '\0';
  cr_assert_str_neq(text, half);
}

Test(io_source, cache) {
  static counter c = { .count = 5 };
  cn_source *s = cn_source_cache(counting_source(&p.g, &c, &once_methods));
  cr_assert_eq(cn_source_size(s), -1);
  cn_samples out;
  cr_assert_eq(cn_source_next(s, 2, &out), 2);
  cr_assert(cn_source_can_reset(s));
  CHECK_EPOCH(s, 1, 3, "0 1 2|3 4|");
  cr_assert_eq(cn_source_size(s), 5);
  CHECK_EPOCH(s, 2, 9, "0 1 2 3 4|");
  c = (counter){ .count = 5, .fail_at = 3 };
  s = cn_source_cache(counting_source(&p.g, &c, &counter_methods));
  cr_assert_eq(cn_source_next(s, 9, &out), -1);
  CHECK_ERROR(&p, FORMAT, "number 3 is bad");
  c.fail_at = 0;
  CHECK_EPOCH(s, 0, 9, "0 1 2 3 4|");
}

Test(io_source, ranges_and_splits) {
  cn_source *all = ramp(&p.g, 10), *a = cn_source_range(all, 2, 3), *b = cn_source_range(all, 4, 6);
  cr_assert_eq(cn_source_size(a), 3);
  CHECK_REST(a, 2, "2 3|4|");
  CHECK_REST(b, 9, "4 5 6 7 8 9|");
  CHECK_REST(cn_source_range(b, 1, 2), 9, "5 6|");
  cr_assert_null(cn_source_range(all, 8, 3));
  CHECK_ERROR(&p, INDEX, "range: samples 8 to 11 of 10");
  static counter c = { .count = 4 };
  cn_source *in_order = counting_source(&p.g, &c, &counter_methods);
  cr_assert_null(cn_source_range(in_order, 0, 1));
  CHECK_ERROR(&p, UNSUPPORTED, "range: the source can only be read in order; put a cache after it");
  CHECK_REST(cn_source_range(cn_source_cache(in_order), 1, 2), 9, "1 2|");
  cn_source_parts parts = cn_source_split(all, .validation_split = 0.25);
  CHECK_REST(parts.train, 9, "0 1 2 3 4 5 6|");
  CHECK_REST(parts.validation, 9, "7 8 9|");
  parts = cn_source_split(all, .validation_split = 0.3, .shuffle = true, .seed = 4);
  char train[256], validation[256];
  strcpy(train, rest_of(parts.train, 1, 0));
  strcpy(validation, rest_of(parts.validation, 1, 0));
  cr_assert(strlen(train) == 14 && strlen(validation) == 6 && strcmp(validation, "7|8|9|") != 0);
  for (char digit = '0'; digit <= '9'; digit++) cr_assert((strchr(train, digit) != NULL) != (strchr(validation, digit) != NULL));
  parts = cn_source_split(cn_source_range(all, 0, 2), .validation_split = 0.1);
  cr_assert(parts.train && parts.validation);
  parts = cn_source_split(cn_source_range(all, 0, 1), .validation_split = 0.1);
  cr_assert(!parts.train && !parts.validation);
  CHECK_ERROR(&p, VALUE, "split: validation_split 0.1 of 1 samples leaves no samples to train");
  cn_source_split(all, .validation_split = 0);
  CHECK_ERROR(&p, VALUE, "split: validation_split must be in (0, 1), got 0");
  cn_source_split(cn_source_range(all, 0, 0));
  CHECK_ERROR(&p, VALUE, "split: the source holds no samples");
  cn_source_split(all, .stratify = true);
  CHECK_ERROR(&p, VALUE, "split: stratify needs targets");
}

static cn_source *labelled(const void *labels, cn_dtype dtype, int64_t width, int64_t n) {
  static cn_named_array y;
  ramp(&p.g, n);
  y = (cn_named_array){ ramp_names[1], dtype, { width ? 2 : 1, { n, width } }, (void *)(uintptr_t)labels };
  return cn_source_arrays(&p.g, (const cn_named_array *const[]){ &ramp_arrays[0] }, 1, (const cn_named_array *const[]){ &y }, 1, NULL, 0);
}

Test(io_source, stratified_splits) {
  static const int32_t labels[] = { 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0 };
  cn_source_parts parts = cn_source_split(labelled(labels, CN_I32, 0, 12), .validation_split = 0.4, .stratify = true);
  CHECK_REST(parts.train, 12, "0 1 2 3 4 5 6|"); /* 4 of 7 zeros, 3 of 5 ones */
  CHECK_REST(parts.validation, 12, "7 8 9 10 11|");
  static const float rows[][2] = { { 1, 0 }, { 0, 1 }, { 0, 1 }, { 1, 0 }, { 0, 1 } };
  parts = cn_source_split(labelled(rows, CN_F32, 2, 5), .validation_split = 0.5, .stratify = true);
  CHECK_REST(parts.train, 12, "0 1|");
  static const struct { int64_t offsets[5]; char bytes[12]; } words = { { 0, 3, 6, 9, 12 }, "catdogcatdog" };
  parts = cn_source_split(labelled(&words, CN_STRING, 0, 4), .validation_split = 0.5, .stratify = true, .shuffle = true, .seed = 2);
  cr_assert(cn_source_size(parts.train) == 2 && cn_source_size(parts.validation) == 2);
  static const int32_t rare[] = { 0, 0, 5 };
  cn_source_split(labelled(rare, CN_I32, 0, 3), .validation_split = 0.5, .stratify = true);
  CHECK_ERROR(&p, VALUE, "split: validation_split 0.5 of 1 samples of class 5 leaves no samples to train");
}

Test(io_source, windows) {
  cn_source *s = cn_source_windows(ramp(&p.g, 10), NULL, 3, .sequence_stride = 2, .sampling_rate = 2, .start_index = 1);
  cr_assert_eq(cn_source_size(s), 3); /* from 1, 3, 5 */
  cn_samples out;
  cr_assert_eq(cn_source_next(s, 9, &out), 3);
  cr_assert_arr_eq(out.v[0], ((const int64_t[]){ 1, 3, 5, 3, 5, 7, 5, 7, 9 }), 9 * sizeof(int64_t));
  s = cn_source_windows(ramp_of(&p.g, 0, 0, 6), ramp_of(&p.g, 1, 20, 6), 2);
  cr_assert_eq(cn_source_next(s, 9, &out), 5);
  cr_assert_arr_eq(out.v[1], ((const int64_t[]){ 20, 21, 22, 23, 24 }), 5 * sizeof(int64_t));
  cr_assert_eq(cn_source_size(cn_source_windows(ramp(&p.g, 3), NULL, 4)), 0);
  cn_source_windows(ramp(&p.g, 4), NULL, 2, .sequence_stride = 4);
  CHECK_ERROR(&p, VALUE, "windows: sequence_stride must be below the series' length 4, got 4");
  cn_source_windows(ramp(&p.g, 4), NULL, 2, .start_index = 3, .end_index = 2);
  CHECK_ERROR(&p, VALUE, "windows: end_index must be above start_index 3, got 2");
  cn_source_windows(ramp(&p.g, 4), NULL, 2, .end_index = 4);
  CHECK_ERROR(&p, VALUE, "windows: end_index must be in (0, 4), got 4");
  cn_source_windows(ramp_of(&p.g, 0, 0, 8), ramp_of(&p.g, 1, 0, 3), 2, .start_index = 3);
  CHECK_ERROR(&p, VALUE, "windows: the last window begins at step 5, but there are 3 targets");
}

Test(io_source, what_runs_once) {
  static counter c = { .count = 4 };
  cn_source *s = cn_source_take(counting_source(&p.g, &c, &once_methods), 9);
  cr_assert_not(cn_source_can_reset(s));
  cr_assert(cn_source_seek(s, 0, 2)); /* nothing was read yet */
  CHECK_REST(s, 9, "2 3|");
  cr_assert_not(cn_source_reset(s, 1));
  CHECK_ERROR(&p, STATE, "this source runs once: it has no reset, so it cannot begin again");
  cr_assert_null(cn_source_repeat(s, 2));
  CHECK_ERROR(&p, STATE, "repeat: the source runs once: it has no reset");
}

/* From every position of every pipeline the same comes as without a stop. */
Test(io_source, positions_are_exact) {
  static const char *const names[] = { "arrays", "whole shuffle", "windowed shuffle",  "repeat", "skip and take", "cache", "map", "batch", "windows",
                                       "split",  "prefetch",      "repeat of batches", "counter" };
  for (int kind = 0; kind < (int)(sizeof names / sizeof *names); kind++) {
    counter c = { .count = 12 };
    cn_source *s = ramp(&p.g, 12);
    switch (kind) {
      case 1: s = cn_source_shuffle(s, .seed = 5); break;
      case 2: s = cn_source_shuffle(s, .seed = 5, .buffer_size = 4); break;
      case 3: s = cn_source_repeat(cn_source_shuffle(s, .seed = 5), 2); break;
      case 4: s = cn_source_take(cn_source_skip(s, 2), 7); break;
      case 5: s = cn_source_cache(s); break;
      case 6: s = cn_source_map(s, add_ten, NULL, NULL, 0, 0, 0); break;
      case 7: s = cn_source_batch(cn_source_shuffle(s, .seed = 5), 3, false); break;
      case 8: s = cn_source_windows(s, NULL, 1, .sequence_stride = 2); break;
      case 9: s = cn_source_split(s, .shuffle = true, .seed = 2).train; break;
      case 10: s = cn_source_prefetch(cn_source_batch(cn_source_shuffle(s, .seed = 5, .buffer_size = 4), 3, true), 2); break;
      case 11: s = cn_source_repeat(cn_source_batch(s, 3, false), 3); break;
      case 12: s = counting_source(&p.g, &c, &counter_methods); break;
      default: break;
    }
    for (int64_t epoch = 0; epoch < 2; epoch++) {
      char whole[4096];
      cr_assert(cn_source_reset(s, epoch), "%s: %s", names[kind], cn_error(&p.g));
      strcpy(whole, rest_of(s, 1, 0));
      const char *at = whole;
      for (int64_t sample = 0; *at; at = strchr(at, '|') + 1) {
        cr_assert(cn_source_seek(s, epoch, sample), "%s: %s", names[kind], cn_error(&p.g));
        cr_assert_str_eq(rest_of(s, 1, 0), at, "%s, epoch %ld from sample %ld", names[kind], (long)epoch, (long)sample);
        for (const char *q = at; *q != '|'; q++) sample += *q == ' ';
        sample++;
      }
    }
    cn_source_free(s);
  }
}

Test(io_source, a_users_source) {
  static counter c = { .count = 3 };
  cn_source *s = counting_source(&p.g, &c, &counter_methods);
  CHECK_REST(s, 2, "0 1|2|");
  cn_source_free(s);
  cr_assert(c.finished);
  cr_assert_null(cn_source_new(&p.g, &counter_methods, &c, &(const cn_column){ CN_F32, { 0, { 0 } } }, 0, 1, 0));
  CHECK_ERROR(&p, VALUE, "source: 0 inputs, 1 targets, 0 weights: 1 to 16 inputs are possible");
  c.finished = false;
  cr_assert_null(cn_source_new(&p.g, &counter_methods, &c, &(const cn_column){ (cn_dtype)99, { 0, { 0 } } }, 1, 0, 0));
  CHECK_ERROR(&p, DTYPE, "source: column 0 has no dtype");
  cr_assert_not(c.finished); /* its state stays the caller's */
}

static void refused(const char *code, const char *text) {
  cr_assert_str_eq(cn_error(&p.g), text);
  cr_assert_str_eq(cn_code_name(cn_error_code(&p.g)), code);
  cni_error_clear(&p.g);
}
Test(io_source, a_source_is_taken_once) {
  cn_source *s = ramp(&p.g, 5);
  cr_assert_null(cn_source_zip(s, s, NULL));
  refused("STATE", "zip: x and y are one source: make a second one");
  cr_assert_null(cn_source_windows(s, s, 2));
  refused("STATE", "windows: the series cannot be its own target: make a second source of it");
  cr_assert_null(cn_source_prefetch(s, (int64_t)1 << 61));
  refused("NO_MEMORY", "prefetch: a depth of 2305843009213693952 is too large");
  cn_source *b = cn_source_batch(s, 2, false);
  cr_assert_null(cn_source_take(s, 2));
  refused("STATE", "take: the source is another stage's already");
  cn_source_free(b);
}
