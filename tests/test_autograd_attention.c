/* Attention and connectionist temporal classification beyond the sweep: rows without a key, memory, threads, impossible targets, every alignment counted. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include "../autograd/autograd.h"

static cn_tensor *uniform(cn_graph *g, cn_dtype dtype, const cn_dims *dims, uint64_t key) {
  cn_stream s = { key, 0 };
  const int64_t n = cn_dims_count(dims);
  double *v = calloc((size_t)n + 1, sizeof *v);
  cn_random_fill_uniform(&s, CN_F64, v, n, -2, 2);
  cn_tensor *x = cn_array_from_doubles(g, dtype, dims, v);
  free(v);
  return x;
}
static double most_apart(const cn_tensor *a, const cn_tensor *b) {
  double most = cn_count(a) == cn_count(b) ? 0 : INFINITY;
  for (int64_t i = 0; i < cn_count(a) && i < cn_count(b); i++) most = fmax(most, fabs(cn_at(a, i) - cn_at(b, i)));
  return most;
}

/* ---- attention ---- */
Test(autograd_attention, a_row_without_a_key_averages_all_values) {
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int i = 0; i < 4; i++) {
    const cn_dtype dtype = i % 2 ? CN_F32 : CN_F64;
    const bool causal = i > 1; /* its first tile of keys is all that a causal row sees: the mean is of every key */
    enum { T = 70, S = 300 };
    cn_tensor *q = uniform(g, dtype, CN_DIMS(1, T, 1, 4), 1), *k = uniform(g, dtype, CN_DIMS(1, S, 1, 4), 2), *v = uniform(g, dtype, CN_DIMS(1, S, 1, 3), 3);
    uint8_t rows[T] = { 0 };
    for (int t = 0; t < T; t++) rows[t] = t != 2 && t != 66;
    cn_tensor *mask = cn_array(g, CN_BOOL, CN_DIMS(T, 1), rows), *x[] = { q, k, v }, *fused[3], *recorded[3];
    cn_tensor *y = cn_dot_product_attention(g, q, k, v, .mask = mask, .is_causal = causal),
              *total = cn_sum(g, cn_multiply(g, y, uniform(g, dtype, CN_DIMS(1, T, 1, 3), 4)));
    cr_assert(cn_gradients(g, total, CN_NO_TENSOR, x, 3, false, fused) && cn_gradients(g, total, CN_NO_TENSOR, x, 3, true, recorded), "%s", cn_error(g));
    cn_tensor *mean = cn_mean(g, v, .axis = CN_INTS(1));
    for (int d = 0; d < 3; d++)
      for (int t = 2; t < T; t += 64)
        cr_expect(fabs(cn_at(y, t * 3 + d) - cn_at(mean, d)) < 1e-6, "row %d: %g, wanted %g", t, cn_at(y, t * 3 + d), cn_at(mean, d));
    for (int h = 0; h < 4; h++) cr_expect(cn_at(fused[0], 2 * 4 + h) == 0 && cn_at(recorded[0], 66 * 4 + h) == 0);
    for (int n = 0; n < 3; n++)
      cr_expect(most_apart(fused[n], recorded[n]) < (dtype == CN_F32 ? 1e-4 : 1e-12), "gradient %d: %g apart", n, most_apart(fused[n], recorded[n]));
  }
  cn_graph_free(g);
}

/* Sizes that are not known yet fit any known one; known ones must fit each other. */
Test(autograd_attention, a_known_mask_over_unknown_sizes) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *q = cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, CN_UNKNOWN, 2, 3)), *k = cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, 5, 2, 3));
  cn_tensor *y = cn_dot_product_attention(g, q, k, k, .mask = cn_ones(g, CN_BOOL, CN_DIMS(4, 1, 7, 5)), .bias = cn_symbolic(g, CN_F32, CN_DIMS(CN_UNKNOWN, 5)));
  cr_assert(y && cn_rank(y) == 4 && cn_dim(y, 3) == 3, "%s", cn_error(g));
  cr_assert_null(cn_dot_product_attention(g, q, k, k, .mask = cn_ones(g, CN_BOOL, CN_DIMS(7, 4))));
  cr_assert_str_eq(cn_error(g), "dot_product_attention: mask [7,4] does not broadcast to the scores' [?,2,?,5]");
  cn_graph_free(g);
}

Test(autograd_attention, scores_are_never_held_whole) {
  enum { T = 2048 };
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *q = cn_variable(g, CN_F32, CN_DIMS(1, T, 1, 16), NULL);
  cn_backward(g, cn_dot_product_attention(g, q, q, q, .is_causal = true));
  cr_assert(cn_ok(g), "%s", cn_error(g));
  cr_expect(cn_graph_peak_bytes(g) < (size_t)T * T * sizeof(float) / 2, "%zu bytes", cn_graph_peak_bytes(g));
  cn_graph_free(g);
}

/* Values and gradients with several threads, heads of any number, against one thread. */
static void gradients_with(int64_t threads, int64_t batch, int64_t heads, int64_t groups, const cn_dims *bias, bool causal, double *to) {
  cn_graph *g = cn_graph_new(.seed = 1, .threads = threads);
  enum { T = 150, S = 140, H = 8 };
  cn_tensor *x[] = { uniform(g, CN_F64, CN_DIMS(batch, T, heads, H), 1), uniform(g, CN_F64, CN_DIMS(batch, S, groups, H), 2),
                     uniform(g, CN_F64, CN_DIMS(batch, S, groups, H), 3), uniform(g, CN_F64, bias, 4) },
            *d[4];
  cn_tensor *y = cn_dot_product_attention(g, x[0], x[1], x[2], x[3], .is_causal = causal);
  cr_assert(cn_gradients(g, y, uniform(g, CN_F64, CN_DIMS(batch, T, heads, H), 5), x, 4, false, d), "%s", cn_error(g));
  int64_t n = cn_count(y);
  cn_to_doubles(y, to);
  for (int i = 0; i < 4; n += cn_count(d[i++])) cn_to_doubles(d[i], to + n);
  cn_graph_free(g);
}
Test(autograd_attention, threads_share_heads_rows_and_keys) {
  static const int64_t shapes[][3] = { { 1, 1, 1 }, { 1, 3, 1 }, { 2, 4, 2 }, { 3, 2, 2 } };
  enum { MOST = 3 * 4 * 150 * 150 * 3 };
  double *one = calloc(MOST, sizeof *one), *many = calloc(MOST, sizeof *many);
  for (int i = 0; i < 16; i++) {
    const int64_t *s = shapes[i % 4];
    const cn_dims bias = i / 4 % 2 ? (cn_dims){ 4, { 1, s[1], 150, 140 } } : (cn_dims){ 2, { 150, 1 } };
    gradients_with(1, s[0], s[1], s[2], &bias, i / 8, one);
    gradients_with(2, s[0], s[1], s[2], &bias, i / 8, many);
    double apart = 0;
    for (int64_t k = 0; k < MOST; k++) apart = fmax(apart, fabs(one[k] - many[k]));
    cr_expect(apart < 1e-11, "%lld x %lld heads of %lld: %g apart", (long long)s[0], (long long)s[1], (long long)s[2], apart);
  }
  free(one);
  free(many);
}

Test(autograd_attention, what_is_not_a_number_stays_so) {
  cn_graph *g = cn_graph_new(.seed = 1);
  float q[8] = { 1, NAN, 1, 1, 1, 1, 1, 1 };
  cn_tensor *x = cn_array(g, CN_F32, CN_DIMS(1, 4, 1, 2), q), *ones = cn_ones(g, CN_F32, CN_DIMS(1, 4, 1, 2)), *y = cn_dot_product_attention(g, x, ones, ones);
  cr_expect(isnan(cn_at(y, 0)) && isnan(cn_at(y, 1)) && cn_at(y, 2) == 1);
  cr_expect(isnan(cn_at(cn_dot_product_attention(g, ones, x, ones), 7)));
  cn_graph_free(g);
}

/* ---- connectionist temporal classification ---- */
/* The probability of each target is the sum over the alignments that spell it: all classes to the power of all frames. */
static void spell(int64_t alignment, int64_t frames, int64_t classes, int64_t blank, int32_t *label) {
  int64_t before = -1, n = 0;
  for (int64_t t = 0; t < frames; t++) label[t] = -1;
  for (int64_t t = 0; t < frames; t++, alignment /= classes) {
    const int64_t k = alignment % classes;
    if (k != blank && k != before) label[n++] = (int32_t)k;
    before = k;
  }
}
static double probability_of(const cn_tensor *p, const int32_t *wanted, int64_t blank) { /* p [frames, classes] */
  const int64_t frames = cn_dim(p, 0), classes = cn_dim(p, 1);
  int64_t alignments = 1;
  double sum = 0;
  for (int64_t t = 0; t < frames; t++) alignments *= classes;
  for (int64_t i = 0; i < alignments; i++) {
    int32_t label[8];
    double q = 1;
    spell(i, frames, classes, blank, label);
    for (int64_t t = 0, rest = i; t < frames; t++, rest /= classes) q *= cn_at(p, t * classes + rest % classes);
    if (!memcmp(label, wanted, (size_t)frames * sizeof *label)) sum += q;
  }
  return sum;
}

Test(autograd_ctc, the_loss_and_the_search_count_every_alignment) {
  enum { T = 5, C = 3 };
  cn_graph *g = cn_graph_new(.seed = 1);
  for (int64_t blank = 0; blank < C; blank++) {
    cn_tensor *x = uniform(g, CN_F64, CN_DIMS(1, T, C), 7), *p = cn_reshape(g, cn_softmax(g, x), CN_INTS(T, C)), *length = cn_full(g, CN_I32, CN_DIMS(1), T);
    const cn_ctc_decode_result r = cn_ctc_decode(g, x, length, .strategy = "beam_search", .top_paths = 20, .beam_width = 200, .mask_index = blank);
    cr_assert(cn_ok(g), "%s", cn_error(g));
    double total = 0;
    for (int i = 0; i < 20; i++) {
      int32_t label[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
      int64_t n = 0;
      for (int t = 0; t < T; t++) n += (label[t] = (int32_t)cn_at(r.decoded, i * T + t)) >= 0;
      const double wanted = log(probability_of(p, label, blank));
      cr_expect(fabs(cn_at(r.scores, i) - wanted) < 1e-12, "path %d: %g, wanted %g", i, cn_at(r.scores, i), wanted);
      cr_expect(!i || cn_at(r.scores, i) <= cn_at(r.scores, i - 1));
      cn_tensor *loss = cn_ctc_loss(g, cn_array(g, CN_I32, CN_DIMS(1, T), label), x, cn_full(g, CN_I32, CN_DIMS(1), (double)n), length, .mask_index = blank);
      cr_expect(fabs(cn_item(loss) + wanted) < 1e-12, "loss %g, wanted %g: %s", cn_item(loss), -wanted, cn_error(g));
      total += exp(wanted);
    }
    cr_expect(total > 0.5 && total <= 1 + 1e-12, "%g", total);
  }
  cn_graph_free(g);
}

Test(autograd_ctc, an_impossible_target_costs_infinity_and_moves_nothing) {
  cn_graph *g = cn_graph_new(.seed = 1);
  static const int32_t labels[] = { 1, 1, 1, 2 }, lengths[] = { 2, 2 }, frames[] = { 2, 2 }; /* a repeat needs a blank between */
  cn_tensor *x = uniform(g, CN_F64, CN_DIMS(2, 3, 4), 7), *d[2];
  cn_tensor *loss =
      cn_ctc_loss(g, cn_array(g, CN_I32, CN_DIMS(2, 2), labels), x, cn_array(g, CN_I32, CN_DIMS(2), lengths), cn_array(g, CN_I32, CN_DIMS(2), frames));
  cr_expect(cn_at(loss, 0) == INFINITY && isfinite(cn_at(loss, 1)));
  cr_assert(cn_gradients(g, loss, CN_NO_TENSOR, &x, 1, false, &d[0]) && cn_gradients(g, loss, CN_NO_TENSOR, &x, 1, true, &d[1]), "%s", cn_error(g));
  cr_expect(most_apart(d[0], d[1]) < 1e-12);
  for (int i = 0; i < 12; i++)
    cr_expect(cn_at(d[0], i) == 0 && (i < 8) == (cn_at(d[0], 12 + i) != 0), "element %d: %g and %g", i, cn_at(d[0], i), cn_at(d[0], 12 + i));
  cn_graph_free(g);
}

Test(autograd_ctc, ties_go_to_the_lowest_label_and_the_longest_path) {
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *x = cn_zeros(g, CN_F64, CN_DIMS(1, 1, 4)), *length = cn_full(g, CN_I32, CN_DIMS(1), 1);
  const cn_ctc_decode_result r = cn_ctc_decode(g, x, length, .strategy = "beam_search", .top_paths = 6, .beam_width = 4);
  static const double wanted[] = { 1, 2, 3, -1, -1, -1 };
  for (int i = 0; i < 6; i++) cr_expect(cn_at(r.decoded, i) == wanted[i], "path %d: %g", i, cn_at(r.decoded, i));
  cr_expect(fabs(cn_at(r.scores, 3) + log(4)) < 1e-12 && cn_at(r.scores, 4) == -INFINITY);
  cn_graph_free(g);
}
