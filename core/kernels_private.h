/* Numeric kernels: one template for float and double, one for integers and truth values (whose tables have NULL where there is no such kernel), compiled once
 * per instruction set, in tables chosen by CPUID. All are single-threaded over the range they are given
 * (threads_private.h divides).
 * Pointers are void so that callers need no casts; they point at arrays of the table's type T unless said otherwise. Outputs may be the
 * same array as an input of the same length, never a part of one. NaN and infinities survive everywhere. */
#ifndef CN_CORE_KERNELS_PRIVATE_H
#define CN_CORE_KERNELS_PRIVATE_H
#include "context_private.h"
#include "conv_private.h"
#include "gemm_private.h"

/* ---- elementwise, one input: y = f(x; p) ----
 * p: the parameters named in parentheses, or NULL where there are none. */
typedef void cni_unary(void *y, const void *x, int64_t n, const double *p);
/* gx = gy f'(x). Which of x and y a gradient reads stands in the lists below (the other may be NULL). gx may be gy. */
typedef void cni_unary_grad(void *gx, const void *gy, const void *x, const void *y, int64_t n, const double *p);

/* X(name, what its gradient reads: X_ x, Y_ y, N_ neither). Subgradients at corners are TensorFlow's, as in tests' activation cases. */
#define CNI_UNARY_GRADIENTS(X) \
  X(negative, N_) X(abs, X_) X(square, X_) X(sqrt, Y_) X(rsqrt, Y_) X(reciprocal, Y_) X(exp, Y_) X(exp2, Y_) X(expm1, Y_) \
  X(log, X_) X(log2, X_) X(log10, X_) X(log1p, X_) X(sin, X_) X(cos, X_) X(tan, Y_) X(arcsin, X_) X(arccos, X_) X(arctan, X_) \
  X(sinh, X_) X(cosh, X_) X(tanh, Y_) X(arcsinh, X_) X(arccosh, X_) X(arctanh, X_) X(erf, X_) X(erfc, X_) X(erfinv, Y_) \
  X(sigmoid, Y_) X(log_sigmoid, X_) X(softplus, X_) X(softsign, X_) X(mish, X_) X(gelu, X_) X(gelu_tanh, X_) X(silu, X_) \
  X(relu, Y_) X(relu6, Y_) X(leaky_relu, X_) /* (slope) */ X(relu_general, X_) /* (negative slope, max or infinity, threshold) */ \
  X(elu, X_) /* (alpha) */ X(selu, Y_) X(celu, X_) /* (alpha) */ X(hard_sigmoid, X_) X(hard_silu, X_) X(hard_tanh, X_) X(tanh_shrink, X_) \
  X(hard_shrink, X_) /* (threshold) */ X(soft_shrink, X_) /* (threshold) */ X(squareplus, X_) /* (b) */ X(sparse_plus, X_) X(sparse_sigmoid, X_) \
  X(threshold, X_) /* (threshold, value) */ X(clip, X_) /* (min, max); NaN passes */ \
  X(nan_to_num, X_) /* (of NaN, of infinity, of minus infinity) */ X(scale, N_) /* (factor) */ X(shift, N_) /* (addend) */
/* Without a gradient (it is zero). round: half to even. */
#define CNI_UNARY_STEPS(X) X(sign) X(floor) X(ceil) X(round) X(trunc) X(round_to) /* (10^decimals) */
/* These write uint8_t 0 or 1. */
#define CNI_TESTS(X) X(isnan) X(isinf) X(isfinite) X(signbit) X(logical_not)

/* ---- elementwise, two inputs ----
 * y[i] = a[i * sa] op b[i * sb]; sa, sb in {0, 1}: with 0 the operand is one number. */
typedef void cni_binary(void *y, const void *a, const void *b, int64_t n, int64_t sa, int64_t sb);
/* maximum and minimum pass NaN on. floor_divide: floor(a / b). mod: the sign of b (Python's %); fmod: the sign of a (C's). squared_difference: (a - b)^2.
 * divide_no_nan: 0 where b is 0. logaddexp: ln(e^a + e^b). */
#define CNI_BINARY(X) X(add) X(subtract) X(multiply) X(divide) X(divide_no_nan) X(power) X(maximum) X(minimum) X(arctan2) X(floor_divide) X(mod) X(fmod) X(hypot) \
  X(squared_difference) X(logaddexp)
/* Comparisons write uint8_t 0 or 1. */
#define CNI_COMPARE(X) X(equal) X(not_equal) X(less) X(less_equal) X(greater) X(greater_equal) X(logical_and) X(logical_or) X(logical_xor)
/* Of integers and truth values only. Shifts by all bits or more move all of them out, those by less than 0 give 0. */
#define CNI_INTEGER(X) X(bitwise_and) X(bitwise_or) X(bitwise_xor) X(left_shift) X(right_shift) X(gcd) X(lcm)

/* ---- optimizer passes ----
 * One pass over elements begin .. end of a weight. It has the form of cni_parallel's body: cni_parallel(g, n, CNI_GRAIN, k->adam, &update). In this order:
 *   w -= w decay;  g' = clamp(g scale, -clip, clip);  the rule;  ema = ema_momentum ema + (1 - ema_momentum) w.
 * Subnormal numbers are zero, as operands and as results, where there is a slot, decay or an average: epsilon must be 0 or normal.
 * A sparse gradient is one of entries, each of a row: the sum over the row's occurrences i = heads[entry], next[i], ... (-1 ends) of number place. */
typedef struct cni_occurrence {
  const char *place, *number;         /* its values [width], and the number that they are to be multiplied with; NULL: 1 */
  int64_t row;                        /* of the weight */
} cni_occurrence;
typedef struct cni_update_rows {
  const cni_occurrence *of;
  const int32_t *heads;               /* entry -> its first occurrence, or -1: zeros */
  const int32_t *next;                /* occurrence -> the row's next one, or -1 */
  int64_t width;
  bool every;                         /* entry k is row k */
  bool sums;                          /* where a row repeats, g'^2 is the square of the sum; else the sum of its occurrences' squares */
} cni_update_rows;
/* One of several weights that a pass updates together. */
typedef struct cni_update_part { void *w; const void *g; void *slot[3]; int64_t n; } cni_update_part;
typedef struct cni_update {
  void *w;
  const void *g;                /* NULL: zeros */
  const struct cni_update_rows *rows; /* in place of g and squares, or NULL: begin and end are entries then; clip must be infinite */
  const cni_update_part *parts; /* in place of w, g and the slots (of which the first tells whether there are any), or NULL: begin and end are parts then */
  const void *squares;          /* what g'^2 is replaced by, times scale^2, or NULL; clip must be infinite then */
  void *slot[3];                /* see the passes */
  void *ema;                    /* moving average of w, or NULL */
  double rate;                  /* learning rate; adam: alpha = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) */
  double decay;                 /* weight_decay * learning_rate, or 0 */
  double scale;                 /* 1: none */
  double clip;                  /* INFINITY: none */
  double beta_1, beta_2;        /* see the passes */
  double epsilon;
  double ema_momentum;
  double p[4];                  /* see the passes */
  bool nesterov;
} cni_update;
#define CNI_UPDATE_INIT { .scale = 1, .clip = __builtin_inf() }
typedef void cni_update_pass(void *update, int64_t begin, int64_t end);
/* sgd          w -= rate g
 * sgd_momentum slot {v}                     v = beta_1 v - rate g;  w += v, nesterov: w += beta_1 v - rate g
 * adam         slot {m, v, vhat or NULL}    m += (g - m)(1 - beta_1);  v += (g^2 - v)(1 - beta_2);  vhat = max(vhat, v);
 *                                           w -= rate m / (sqrt(v or vhat) + epsilon)
 * rmsprop      slot {v, average or NULL, momentum or NULL}
 *              v = beta_2 v + (1 - beta_2) g^2;  d = v + epsilon;  with an average: average = beta_2 average + (1 - beta_2) g, d = v - average^2 + epsilon;
 *              i = rate g / sqrt(d);  with a momentum: momentum = beta_1 momentum + i, i = momentum;  w -= i
 * adagrad      slot {accumulator}           a += g^2;  w -= rate g / sqrt(a + epsilon)
 * adamax       slot {m, u}, p {1 - beta_1^t}               u = max(beta_2 u, |g|);  w -= rate m / (p (u + epsilon)); `squares` are absolute values
 * nadam        slot {m, v}, p {of m, of g, 1 - beta_2^t}   w -= rate (p0 m + p1 g) / (sqrt(v / p2) + epsilon)
 * adadelta     slot {e, d}                                 e = beta_2 e + (1 - beta_2) g^2;  q = (d + epsilon) / (e + epsilon);  w -= rate sqrt(q) g;
 *                                                          d = beta_2 d + (1 - beta_2) q g^2
 * ftrl         slot {a, z}, p {-learning_rate_power, l1, l2 + beta / (2 rate), shrinkage}: McMahan et al. 2013
 * lion         slot {m}                                    w -= rate sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g
 * schedule_free  slot {z, v}, p {1 - beta_2^t, 1 / t}      z: the fast iterate, w its average and it, beta_1 apart
 * lamb         slot {m, v, d}, p {1 - beta_1^t, 1 - beta_2^t}   d = m / p0 / (sqrt(v / p1) + epsilon); w stays */
#define CNI_UPDATES(X) X(sgd) X(sgd_momentum) X(adam) X(rmsprop) X(adagrad) X(adamax) X(nadam) X(adadelta) X(ftrl) X(lion) X(schedule_free) X(lamb)

/* ---- sums of neighbours along an axis ----
 * x [outer, n, inner], y [outer, m, inner]: row o m + i of y is the sum over j of w[i wi + j wj] x[o, j], j from between[2 i] to before between[2 i + 1]. */
typedef struct cni_band { const void *w; const int64_t *between; int64_t n, m, inner, wi, wj; } cni_band;

/* ---- normalization of rows ----
 * y = (x - mean) rstd gamma + beta along each row, rstd = 1 / sqrt(variance + epsilon); without `center` the mean counts as 0.
 * Gradient: with d = gy gamma and h = (x - mean) rstd,
 *   gx = rstd (d - mean(d) - h mean(d h)) + gmean / n - grstd rstd^2 h / n;  ggamma += sum over rows of gy h;  gbeta += sum over rows of gy. */
typedef struct cni_standard {
  void *y, *mean, *rstd;                 /* y, x, gx, gy [rows, n]; mean, rstd, gmean, grstd [rows]; gamma, beta [n] or NULL */
  const void *x, *gamma, *beta;
  void *gx, *ggamma, *gbeta;             /* each may be NULL */
  const void *gy, *gmean, *grstd;        /* the last two may be NULL */
  const void *slope;                     /* [rows, n]: gy stands for gy slope, which goes through gx; or NULL */
  int64_t n;
  double epsilon;
  bool center;
} cni_standard;

/* ---- random numbers: element i is number counter + i of the stream `key` (random.h); the same bits in every table ---- */
typedef struct cni_random_kernels {
  void (*uniform)(void *y, int64_t n, uint64_t key, uint64_t counter, double low, double high);
  void (*normal)(void *y, int64_t n, uint64_t key, uint64_t counter, double mean, double stddev);
  void (*truncated_normal)(void *y, int64_t n, uint64_t key, uint64_t counter, double mean, double stddev);
  /* y = u >= rate ? x / (1 - rate) : 0, u the stream's uniform numbers in [0, 1). The gradient is the same call on gy: no mask is kept. Part of a range:
   * move x, y and counter alike. */
  void (*dropout)(void *y, const void *x, int64_t n, uint64_t key, uint64_t counter, double rate);
} cni_random_kernels;

typedef struct cni_product_kernels cni_product_kernels; /* kernels_product_private.h, for gemm.c */
typedef struct cni_fft_kernels cni_fft_kernels;         /* kernels_fft_private.h, for fft.c */
struct cni_attention;                                    /* kernels_attention_private.h */
struct cni_attention_part;

/* ---- the table ---- */
struct cni_kernels {
  const char *isa; /* "baseline", "avx2", "avx512" */
  const cni_random_kernels *random;
  const cni_product_kernels *product;
  const cni_fft_kernels *fft;
  const cni_conv_kernels *conv;
#define MEMBER(name) cni_unary *name;
#define MEMBER_WITH_GRADIENT(name, reads) cni_unary *name; cni_unary_grad *name##_grad;
#define MEMBER_BINARY(name) cni_binary *name;
#define MEMBER_UPDATE(name) cni_update_pass *name;
  CNI_UNARY_GRADIENTS(MEMBER_WITH_GRADIENT)
  CNI_UNARY_STEPS(MEMBER)
  CNI_TESTS(MEMBER)
  CNI_BINARY(MEMBER_BINARY)
  CNI_COMPARE(MEMBER_BINARY)
  CNI_INTEGER(MEMBER_BINARY)
  cni_unary *bitwise_not;
  CNI_UPDATES(MEMBER_UPDATE)
#undef MEMBER
#undef MEMBER_WITH_GRADIENT
#undef MEMBER_BINARY
#undef MEMBER_UPDATE

  void (*fill)(void *y, int64_t n, double value);
  void (*accumulate)(void *y, const void *x, int64_t n);                  /* y += x */
  void (*axpy)(void *y, const void *x, int64_t n, double a);              /* y += a x */
  void (*multiply_add)(void *y, const void *a, const void *b, int64_t n); /* y += a b */
  void (*where)(void *y, const uint8_t *c, const void *a, const void *b, int64_t n, int64_t sa, int64_t sb); /* c ? a : b */
  double (*dot)(const void *a, const void *b, int64_t n);
  double (*sum_squares)(const void *x, int64_t n);

  /* x [outer, n, inner] to y [outer, inner]. Sums are kept in many partial sums joined in double. n = 0: sum 0, prod 1, max the lowest number, min the
   * highest (infinities of floats). max and min pass NaN on. Sums and products of int32, uint8 and truth values are int32, of int64 int64, and wrap around;
   * mean leaves the division to the caller: the sum, of integers as float. */
  void (*sum)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*squares)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner); /* sums of them */
  void (*mean)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*prod)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*max)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*min)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*any)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);   /* y: uint8_t 0 or 1 */
  void (*all)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);
  void (*count)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner); /* of those that are not 0; y: int32_t */
  void (*argmax)(int32_t *y, const void *x, int64_t outer, int64_t n, int64_t inner); /* the first of equals; a NaN wins; n > 0 */
  void (*argmin)(int32_t *y, const void *x, int64_t outer, int64_t n, int64_t inner);

  /* Rows: x, y, gx, gy [rows, k]; y may be x, gx may be gy. */
  void (*softmax)(void *y, const void *x, int64_t rows, int64_t k);
  void (*log_softmax)(void *y, const void *x, int64_t rows, int64_t k);
  void (*logsumexp)(void *y, const void *x, int64_t rows, int64_t k);                                 /* y [rows] */
  /* loss [rows]: minus the sum of t ln p, t = 0 counts as 0; p: softmax(x), or x / sum(x) clipped to [low, high] */
  void (*cross_entropy)(void *loss, const void *t, const void *x, int64_t rows, int64_t k, bool logits, double low, double high);
  void (*softmax_grad)(void *gx, const void *gy, const void *y, int64_t rows, int64_t k);             /* (gy - sum(gy y)) y */
  void (*log_softmax_grad)(void *gx, const void *gy, const void *y, int64_t rows, int64_t k);         /* gy - exp(y) sum(gy) */
  /* y = ln(e^a + e^b + e^c) + plus, without e^c where `third` is 0; plus may be NULL. Minus infinity stands for a sum of nothing. Outputs overlap no input. */
  void (*log_add3)(void *y, const void *a, const void *b, const void *c, const uint8_t *third, const void *plus, int64_t n);
  /* loss [rows] = lse - x[label], lse [rows] = logsumexp(x) (kept for the gradient); label == ignore: loss 0 (INT64_MIN: none is ignored). Labels are in 0
   * .. k-1 or ignore. */
  void (*sparse_cross_entropy)(void *loss, void *lse, const void *x, const int64_t *labels, int64_t rows, int64_t k, int64_t ignore);
  /* gx = gloss (softmax(x) - one_hot(label)), from lse; 0 for ignored rows. */
  void (*sparse_cross_entropy_grad)(void *gx, const void *gloss, const void *x, const void *lse, const int64_t *labels, int64_t rows, int64_t k,
      int64_t ignore);
  /* y = max(x, 0) - x t + log1p(exp(-|x|)), elementwise; gx = gy (sigmoid(x) - t). */
  void (*bce_logits)(void *y, const void *x, const void *t, int64_t n);
  void (*bce_logits_grad_x)(void *gx, const void *gy, const void *x, const void *t, int64_t n);

  /* y [count, width] = rows index[i] of x; y[index[i]] += x[i] (rows in order). index: int64_t where index64, else int32_t; in range (the caller checks). */
  void (*gather_rows)(void *y, const void *x, const void *index, bool index64, int64_t count, int64_t width);
  void (*scatter_add_rows)(void *y, const void *x, const void *index, bool index64, int64_t count, int64_t width);
  void (*transpose2d)(void *y, const void *x, int64_t rows, int64_t cols); /* x [rows, cols], y [cols, rows] */
  void (*band_rows)(void *y, const void *x, const cni_band *band, int64_t begin, int64_t end);

  /* In place y [rows, n] = f(y + bias [n] or NULL); gx = gy f'(x) from y = f(x). activation: CNI_FUSED_*. */
  void (*bias_activation)(void *y, const void *bias, int64_t rows, int64_t n, int activation);
  void (*activation_grad)(void *gx, const void *gy, const void *y, int64_t n, int activation);
  /* The same gradient of a fused product, and the bias's in the same pass: gx = gy f'(x), gbias [n] = column sums of gx. */
  void (*bias_activation_grad)(void *gx, void *gbias, const void *gy, const void *y, int64_t rows, int64_t n, int activation);

  /* gelu and its derivative; gx += gy times the second derivative. */
  void (*gelu_slope)(void *y, void *slope, const void *x, int64_t n, bool approximate);
  void (*gelu_bend)(void *gx, const void *gy, const void *x, int64_t n, bool approximate);

  /* Rows begin .. end. The gradient adds to ggamma and gbeta, which the caller has set to 0. */
  void (*standardize)(const cni_standard *s, int64_t begin, int64_t end);
  void (*standardize_grad)(const cni_standard *s, int64_t begin, int64_t end);
  /* Channels: x, y, gx, gy [rows, channels, inner]; the others [channels]. squares: sums of (x - mean)^2. */
  void (*channel_moments)(double *mean, double *squares, const void *x, int64_t rows, int64_t channels, int64_t inner);
  void (*channel_slopes)(double *plain, double *with, const void *gy, const void *x, const void *mean, int64_t rows, int64_t channels,
                         int64_t inner); /* sums of gy and of gy (x - mean) */
  void (*channel_affine)(void *y, const void *x, const void *mean, const void *a, const void *b, int64_t rows, int64_t channels,
                         int64_t inner); /* (x - mean) a + b */
  /* gx = gy a + (x - mean) b + c */
  void (*channel_gradient)(void *gx, const void *gy, const void *x, const void *mean, const void *a, const void *b, const void *c, int64_t rows,
                           int64_t channels, int64_t inner);

  /* One window of x [positions, channels]: taps are its positions, ascending, count > 0. The maximum's first place (a NaN wins); the mean, and its transpose,
   * which adds. */
  void (*pool_max)(void *y, int32_t *index, const void *x, const int64_t *taps, int64_t count, int64_t channels);
  void (*pool_max_grad)(void *gx, const void *gy, const int32_t *index, int64_t windows, int64_t channels); /* adds; gy, index [windows, channels] */
  void (*pool_mean)(void *y, const void *x, const int64_t *taps, int64_t count, int64_t channels);
  void (*pool_spread)(void *y, const void *x, const int64_t *taps, int64_t count, int64_t channels);
  /* One head of an attention, never with more than a tile of its scores in memory. Bytes of scratch memory that a thread needs; puts the keys and values into
   * it; rows row .. row + rows from them; and the gradients that `part` (its rows with its keys) adds to: of gq for all keys, of gk and gv for all rows. */
  size_t (*attention_scratch)(const struct cni_attention *a, bool backward);
  void (*attention_pack)(const struct cni_attention *a, void *scratch);
  void (*attention_rows)(const struct cni_attention *a, int64_t row, int64_t rows, void *scratch);
  void (*attention_grad)(const struct cni_attention *a, const struct cni_attention_part *part, void *scratch);
};

#define CNI_TABLES(isa) \
  cni_kernels_##isa##_f32, cni_kernels_##isa##_f64, cni_kernels_##isa##_i32, cni_kernels_##isa##_i64, cni_kernels_##isa##_u8, cni_kernels_##isa##_truth
extern const cni_kernels CNI_TABLES(baseline);
#if defined(__x86_64__)
extern const cni_kernels CNI_TABLES(avx2), CNI_TABLES(avx512);
#endif

/* The table of an instruction set ("baseline", "avx2", "avx512"; NULL: the best of this CPU); NULL where the CPU lacks it. dtype: not CN_STRING. */
const cni_kernels *cni_kernels_named(const char *isa, cn_dtype dtype);
/* Fills the context's kernels and threads: the best tables for this CPU, or those that the environment's CN_ISA names; at most as many threads as OpenMP
 * allows and the machine has. */
void cni_kernels_select(cn_graph *g);

#endif
