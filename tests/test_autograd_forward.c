/* Operations against their naive references: every sample, sizes around the vectors' and above the threads', views, broadcast pairs; in both precisions, by
 * every instruction set. */
#include <float.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include "../core/threads_private.h"
#include "sanitized.h"
#include "sweep.h"

#define OUTPUTS 64 /* of one call */

static double *doubles(const cn_tensor *t) {
  double *v = malloc((size_t)(t->count + 1) * sizeof *v);
  for (int64_t i = 0; i < t->count; i++) v[i] = cni_value_at(t, i);
  return v;
}

/* Where every element of the output is a function of one of each input, the error is the element's own; else it is of the largest one's size. */
static bool elementwise(const cn_op *op) {
  return (op->flags & CN_OP_BROADCASTS) || op->infer == cn_infer_same || op->infer == cn_infer_same_float || op->infer == cn_infer_broadcast ||
         op->infer == cn_infer_broadcast_float || op->infer == cn_infer_broadcast_bool;
}

/* Tolerance of what f32 and f64 kernels compute; a product or sum of n terms has rounded as often. */
static void compare_output(const cn_op *op, const char *what, int output, const cn_tensor *y, const double *want, double terms) {
  const double unit = (y->dtype == CN_F32 ? 1e-5 : 1e-12) * fmax(1, sqrt(terms) / 16);
  double most = 1;
  for (int64_t k = 0; k < y->count; k++) most = fmax(most, isfinite(want[k]) ? fabs(want[k]) : 0);
  for (int64_t k = 0; k < y->count; k++) {
    const double got = cni_value_at(y, k), w = y->dtype == CN_F32 && fabs(want[k]) > FLT_MAX ? copysign(INFINITY, want[k]) : want[k],
                 tolerance = unit * (elementwise(op) ? fmax(1, fabs(w)) : most);
    if ((isnan(got) && isnan(w)) || got == w || fabs(got - w) <= tolerance) continue;
    cr_expect_fail("%s (%s, %s): output %d, element %lld is %.17g, wanted %.17g", op->name, what, cn_dtype_name((cn_dtype)y->dtype), output, (long long)k, got,
                   w);
    return;
  }
}

/* Runs the sample and compares each output. False: the call was refused. */
static bool compare(cn_graph *g, sample *s, const char *what) {
  const cn_op *op = s->op;
  cn_tensor *const *y = sample_run(g, s, op, s->x);
  if (!cn_ok(g)) return false;
  const int64_t ny = sample_outputs(g, s, op);
  double *x[SWEEP_INPUTS] = { NULL }, *want[OUTPUTS], terms = 1;
  for (int64_t i = 0; i < s->nx; i++) {
    if (!cni_given(s->x[i]) || s->x[i]->dtype == CN_STRING) continue;
    x[i] = doubles(s->x[i]);
    terms = fmax(terms, (double)s->x[i]->count);
  }
  for (int64_t i = 0; i < ny; i++) want[i] = calloc((size_t)y[i]->count + 1, sizeof(double));
  const bool list = op->inputs == CN_LIST;
  cn_tensor *const *given = list ? s->x : (cn_tensor *const *)(const void *)(s->args.bytes + op->schema.rows[0].offset);
  const cn_call c = { .graph = g, .op = op, .args = s->args.bytes, .x = given, .nx = list ? s->nx : op->inputs, .y = y, .ny = ny };
  op->reference(&(const cn_reference){ &c, x, want });
  for (int64_t i = 0; i < ny; i++) {
    compare_output(op, what, (int)i, y[i], want[i], elementwise(op) ? 1 : terms);
    free(want[i]);
  }
  for (int i = 0; i < SWEEP_INPUTS; i++) free(x[i]);
  return true;
}

/* ---- samples ---- */
static void in_both(cn_graph *g, const cn_op *op, const char *text) {
  static const cn_dtype dtypes[] = { CN_F64, CN_F32 };
  for (int i = 0; i < 4; i++) {
    sample s;
    cn_stream stream = { 5, 0 };
    cr_assert(sample_make(g, op, text, dtypes[i % 2], &stream, &s) && (i < 2 || sample_view(g, &s)), "%s", cn_error(g));
    cr_expect(compare(g, &s, text), "%s (%s): %s", op->name, text, cn_error(g));
  }
}
static void every_sample(void) { sweep_samples(in_both); }
TEST_EACH_ISA(autograd_forward, samples_and_views, every_sample)

/* ---- sizes ---- */
static const int64_t sizes[] = { 0, 1, 7, 15, 16, 17, 33, 1000 };
#define SIZES (sizeof sizes / sizeof *sizes)
#define THREADED (3 * CNI_GRAIN) /* elements from which loops are divided */
#define MOST (12 * CNI_GRAIN)

/* Naive references whose work grows with the square of the size or worse. */
static bool quadratic(const cn_op *op) {
  static const char *const names[] = { "sort", "argsort", "top_k", "sparsemax", "einsum", "tensordot", "dot", "inner", "vdot", "outer", "tie_shares", "var",
                                       "std", "nanvar", "nanstd", "ptp", "median", "quantile", "percentile", "logsumexp", "kron", "conv", "conv_bias",
                                       "depthwise_conv", "separable_conv", "conv_transpose", "conv_general", "conv_input_gradient", "conv_kernel_gradient",
                                       "max_pool", "average_pool", "adaptive_max_pool", "adaptive_average_pool", "average_unpool", "adaptive_average_unpool",
                                       "dot_product_attention", "ctc_loss", "median", "quantile", "percentile", "ptp", "overlap_sequences", "extract_patches",
                                       "extract_patches_3d", "unfold", "fold", "isin", "nanmedian", "nanquantile", "nanpercentile", "argpartition", "correlate",
                                       "cdist", "corrcoef", "multi_hot", NULL };
  for (int i = 0; names[i]; i++)
    if (!strcmp(op->name, names[i])) return true;
  return false;
}

static bool cubic(const cn_op *op) {
  static const char *const names[] = { "sparsemax", "cholesky", "solve", "solve_triangular", "inv", "det", "slogdet", "qr", "lu_factor", "eigh", "pinv",
                                       "norm", "logdet", "lstsq", "cholesky_inverse", "matrix_rank", "fft", "ifft", "fft2", "ifft2", "rfft", "irfft",
                                       "stft", "istft", "ctc_decode", "resize", "scale_and_translate", "elastic_transform", "ssim", NULL };
  for (int i = 0; names[i]; i++)
    if (!strcmp(op->name, names[i])) return true;
  return false;
}

static bool compare_resized(cn_graph *g, const cn_op *op, const char *text, int64_t from, int64_t to, cn_dtype dtype, bool view) {
  sample s;
  char what[256];
  cn_stream stream = { 7, 0 };
  snprintf(what, sizeof what, "%s with %lld instead of %lld%s", text, (long long)to, (long long)from, view ? ", views" : "");
  const bool ran = sample_read(g, op, text, &s) && sample_resize(&s, from, to) && sample_fill(g, &s, dtype, &stream) && (!view || sample_view(g, &s)) &&
                   compare(g, &s, what);
  cn_graph_clear(g);
  return ran;
}

/* The size that makes the call's elements THREADED, or 0. */
static int64_t threaded_size(cn_graph *g, const cn_op *op, const char *text, int64_t from) {
  for (int64_t to = 64; to <= 4 * CNI_GRAIN; to *= 2) {
    sample s;
    if (!sample_read(g, op, text, &s) || !sample_resize(&s, from, to + 3)) return 0;
    const int64_t n = sample_elements(g, &s);
    if (n < 0 || n > MOST) return 0;
    if (n >= THREADED) return to + 3;
  }
  return 0;
}

/* Whether the size of 1,000 is refused or makes too much work. */
static bool large(cn_graph *g, const cn_op *op, const char *text, int64_t from) {
  sample s;
  const int64_t n = sample_read(g, op, text, &s) && sample_resize(&s, from, 1000) ? sample_elements(g, &s) : -1;
  return n < 0 || cubic(op) || n > (quadratic(op) ? 4000 : MOST);
}

static void every_size(cn_graph *g, const cn_op *op, const char *text, int64_t from, int *accepted) {
  for (size_t i = 0; i < SIZES; i++) {
    if ((sizes[i] == 1000 && large(g, op, text, from)) || (!op->outputs && (!sizes[i] || sizes[i] > OUTPUTS))) continue;
    const bool ran = compare_resized(g, op, text, from, sizes[i], CN_F32, false);
    accepted[i] += ran;
    if (!ran) continue;
#ifndef SANITIZED /* where all takes six times as long: there the two that have nothing in common */
    compare_resized(g, op, text, from, sizes[i], CN_F64, false);
    compare_resized(g, op, text, from, sizes[i], CN_F32, true);
#endif
    compare_resized(g, op, text, from, sizes[i], CN_F64, true);
  }
  const int64_t to = quadratic(op) || cubic(op) || !op->outputs ? 0 : threaded_size(g, op, text, from);
  if (!to) return;
  accepted[SIZES] += compare_resized(g, op, text, from, to, CN_F32, false);
  compare_resized(g, op, text, from, to, CN_F64, true);
}

static bool met(const sample *s, int64_t i, int k) {
  for (int64_t j = 0; j <= i; j++)
    for (int l = 0; l < (j < i ? s->in[j].dims.rank : k); l++)
      if (s->in[j].dims.d[l] == s->in[i].dims.d[k]) return true;
  return false;
}

static void sizes_of_sample(cn_graph *g, const cn_op *op, const char *text, int *accepted) {
  sample s;
  cr_assert(sample_read(g, op, text, &s), "%s", cn_error(g));
  for (int64_t i = 0; i < s.nx; i++)
    for (int k = 0; k < s.in[i].dims.rank; k++)
      if (s.in[i].dims.d[k] > 1 && !met(&s, i, k)) every_size(g, op, text, s.in[i].dims.d[k], accepted);
}

static void every_operation(void) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++) {
    int accepted[SIZES + 1] = { 0 };
    if (!op->inputs) continue;
    for (const char *const *t = op->samples; *t; t++) sizes_of_sample(g, op, *t, accepted);
    const bool any_size = elementwise(op) && strcmp(op->name, "broadcast_to"); /* whose result has the size of its option */
    for (size_t k = 0; any_size && k <= SIZES; k++)
      cr_expect(accepted[k], "%s has no sample that could have %s", op->name, k < SIZES ? "other sizes" : "many elements");
  }
  cn_graph_free(g);
}
TEST_EACH_ISA(autograd_forward, sizes, every_operation)

/* ---- parts of many elements, which threads divide along one axis or another ---- */
static const char *const large_calls[][2] = {
  { "split", "f[301,400], indices_or_sections=[30,31,200], axis=1" }, { "unstack", "f[70001,3], axis=1" }, { "stack", "{f[70001], f[70001]}, axis=-1" },
  { "concatenate", "{f[301,200], f[301,3], f[301,70]}, axis=1" }, { "transpose", "f[301,403]" }, { "transpose", "f[9,131,77], axes=[0,2,1]" },
  { "flip", "f[300,401], axis=[1]" }, { "pad", "f[301,203], pad_width=[[1,2],[3,4]], constant_values=-1.5" },
  { "take_along_axis", "f[300,400], l[300,400]@-400:400, axis=1" }, { "take_along_axis", "f[300,400], i[300,400]@0:300, axis=0" },
  { "scatter_along_axis", "f[300,400], i[300,400]@0:50, shape=[50,400], axis=0" }, { "scatter_along_axis", "f[3,70001], i[3,70001]@0:5, shape=[1,5], axis=1" },
  { "segment_sum", "f[7,20001], i[7]@-1:3, num_segments=3" }, { "segment_max", "f[7,20001], i[7]@-1:3, num_segments=3" },
  { "diff", "f[301,400], axis=1" },    { "diff", "f[301,200,2], n=3, axis=1" },
  { "resize_axis", "f[2,50,700], f[50,70], axis=1" }, { "resize_axis", "f[701,50], f[50,70], axis=1" },
};
static void every_large_call(void) {
  cn_graph *g = cn_graph_new(.seed = 11);
  for (size_t i = 0; i < sizeof large_calls / sizeof *large_calls; i++) in_both(g, cn_op_find(large_calls[i][0]), large_calls[i][1]);
  cn_graph_free(g);
}
TEST_EACH_ISA(autograd_forward, large_calls, every_large_call)

/* ---- broadcasting ---- */
static const cn_dims shapes[] = { { 0, { 0 } },    { 1, { 1 } },          { 1, { 4 } },       { 2, { 3, 1 } },    { 2, { 3, 4 } },
                                  { 2, { 1, 4 } }, { 3, { 2, 1, 1 } },    { 3, { 2, 3, 4 } }, { 3, { 2, 3, 1 } }, { 1, { 0 } },
                                  { 2, { 0, 1 } }, { 4, { 5, 1, 3, 1 } }, { 1, { 17 } },      { 2, { 17, 1 } } };
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

static void broadcast_pair(cn_graph *g, const cn_op *op, int a, int b, cn_dtype dtype) {
  sample s;
  cn_dims both;
  char ta[160], tb[160], what[400];
  cn_stream stream = { 9, 0 };
  cr_assert(sample_read(g, op, op->samples[0], &s), "%s", cn_error(g));
  for (int64_t i = 0; i < s.nx; i++) s.in[i].dims = shapes[i % 2 ? b : a];
  snprintf(what, sizeof what, "%s with %s", cn_dims_text(&shapes[a], ta, sizeof ta), cn_dims_text(&shapes[b], tb, sizeof tb));
  cr_assert(sample_fill(g, &s, dtype, &stream), "%s", cn_error(g));
  if (cn_dims_broadcast(&shapes[a], &shapes[b], &both)) {
    cr_expect(compare(g, &s, what), "%s (%s): %s", op->name, what, cn_error(g));
  } else {
    cr_expect(!compare(g, &s, what), "%s (%s) was not refused", op->name, what);
    cr_expect_eq(cn_error_code(g), CN_SHAPE, "%s (%s): %s", op->name, what, cn_error(g));
  }
  cn_graph_clear(g);
}

static void every_pair(void) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  int n = 0;
  for (int64_t i = 0; (op = cn_op_at(i)); i++) {
    if (op->inputs < 2 || !(op->flags & CN_OP_BROADCASTS)) continue;
    n++;
    for (int a = 0; a < SHAPES; a++)
      for (int b = 0; b < SHAPES; b++) broadcast_pair(g, op, a, b, CN_F32), broadcast_pair(g, op, a, b, CN_F64);
  }
  cr_expect(n > 5, "%d operations broadcast", n);
  cn_graph_free(g);
}
TEST_EACH_ISA(autograd_forward, broadcast_pairs, every_pair)
