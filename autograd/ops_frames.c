/* Frames of a signal and their transforms, declared in ops_fft.h. */
#include <math.h>
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

#define TWO_PI 6.28318530717958647692

static cn_code refuse(const cn_call *c, const char *what) {
  char text[160];
  return cn_fail(c->graph, CN_SHAPE, "%s, got %s", what, cn_dims_text(&c->x[0]->dims, text, sizeof text));
}
static int64_t frames_in(int64_t n, int64_t length, int64_t stride) { return n == CN_UNKNOWN ? CN_UNKNOWN : n < length ? 0 : 1 + (n - length) / stride; }
static int64_t last_of(const cn_dims *d) { return d->d[d->rank - 1]; }

/* ---- extract_sequences ---- */
static cn_code extract_sequences_infer(const cn_call *c) {
  const cn_extract_sequences_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!y.rank || y.rank == CN_MAX_RANK) return refuse(c, "needs at least one axis and room for another");
  y.d[y.rank - 1] = frames_in(last_of(&c->x[0]->dims), o->sequence_length, o->sequence_stride);
  y.d[y.rank++] = o->sequence_length;
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code extract_sequences_forward(const cn_call *c) {
  const cn_extract_sequences_args *o = c->args;
  const int64_t n = last_of(&c->x[0]->dims), frames = frames_in(n, o->sequence_length, o->sequence_stride);
  if (!c->y[0]->count) return CN_OK;
  cni_loops l = { .rank = 0 };
  cni_loop(&l, c->x[0]->count / n, frames * o->sequence_length, n);
  cni_loop(&l, frames, o->sequence_length, o->sequence_stride);
  cni_loop(&l, o->sequence_length, 1, 1);
  cni_copy(c->graph, cni_width_of(c), &l, c->y[0]->data, c->x[0]->data);
  return CN_OK;
}
CNI_VJP(extract_sequences) {
  (void)want, gx[0] = cn_overlap_sequences(g, gy[0], ((const cn_extract_sequences_args *)n->args)->sequence_stride, .size = last_of(&n->x[0]->dims));
}
static int64_t extract_sequences_source(const cn_call *c, const int64_t *at) {
  int64_t from[CN_MAX_RANK];
  const cn_dims *x = &c->x[0]->dims;
  for (int i = 0; i < x->rank; i++) from[i] = at[i];
  from[x->rank - 1] = at[x->rank - 1] * ((const cn_extract_sequences_args *)c->args)->sequence_stride + at[x->rank];
  return cni_flat(x, from);
}
CNI_PICKED(extract_sequences)
CN_OP(extract_sequences, CN_LIST_EXTRACT_SEQUENCES, .outputs = 1, .infer = extract_sequences_infer, .forward = extract_sequences_forward,
      .vjp = extract_sequences_vjp, .reference = extract_sequences_reference,
      .samples = CN_TEXTS("f[7], sequence_length=3, sequence_stride=2", "f[2,8], sequence_length=4, sequence_stride=1",
                          "f[2,2,6], sequence_length=2, sequence_stride=3", "f[5], sequence_length=5, sequence_stride=9",
                          "f[3], sequence_length=4, sequence_stride=1", "f[0,4], sequence_length=2, sequence_stride=1",
                          "i[6]@-9:9, sequence_length=2, sequence_stride=2"),
      .rejects = CN_TEXTS("f[], sequence_length=1, sequence_stride=1 => needs at least one axis",
                          "f[4], sequence_length=0, sequence_stride=1 => sequence_length must be positive, got 0",
                          "f[4], sequence_length=2 => sequence_stride is required", "s[3], sequence_length=1, sequence_stride=1 => string"));

/* ---- overlap_sequences ---- */
static cn_code overlap_sequences_infer(const cn_call *c) {
  const cn_overlap_sequences_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  int64_t end = 0;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (y.rank < 2) return refuse(c, "needs frames");
  const int64_t frames = y.d[y.rank - 2], length = y.d[y.rank - 1];
  const bool known = frames != CN_UNKNOWN && length != CN_UNKNOWN;
  if (known && frames && (__builtin_mul_overflow(frames - 1, o->sequence_stride, &end) || __builtin_add_overflow(end, length, &end)))
    return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  if (known && o->size != CN_NONE && o->size < end)
    return cn_fail(c->graph, CN_SHAPE, "the last frame ends at %lld, behind size %lld", (long long)end, (long long)o->size);
  y.rank--;
  y.d[y.rank - 1] = o->size != CN_NONE ? o->size : known ? end : CN_UNKNOWN;
  return cni_sig_like(c, &y), CN_OK;
}
static cn_code overlap_sequences_forward(const cn_call *c) {
  const int64_t stride = ((const cn_overlap_sequences_args *)c->args)->sequence_stride, n = last_of(&c->y[0]->dims), length = last_of(&c->x[0]->dims),
                frames = c->x[0]->dims.d[c->x[0]->dims.rank - 2];
  const size_t width = cni_width_of(c);
  const cni_kernels *k = cni_kernels_of(c);
  k->fill(c->y[0]->data, c->y[0]->count, 0);
  for (int64_t f = 0; c->x[0]->count && f < c->x[0]->count / length; f++)
    k->accumulate((char *)c->y[0]->data + (size_t)(f / frames * n + f % frames * stride) * width, (const char *)c->x[0]->data + (size_t)(f * length) * width,
                  length);
  return CN_OK;
}
CNI_VJP(overlap_sequences) {
  (void)want;
  const cn_dims *x = &n->x[0]->dims;
  cn_tensor *y = cn_extract_sequences(g, gy[0], last_of(x), ((const cn_overlap_sequences_args *)n->args)->sequence_stride);
  cn_dims d = *x;
  int64_t start[CN_MAX_RANK] = { 0 };
  if (y)
    gx[0] =
        y->dims.d[d.rank - 2] == d.d[d.rank - 2] ? y : cn_slice(g, y, (cn_ints){ start, d.rank }, cni_sizes(&d)); /* a longer result has room for more frames */
}
static void overlap_sequences_reference(const cn_reference *r) {
  const int64_t stride = ((const cn_overlap_sequences_args *)r->call->args)->sequence_stride, n = last_of(&r->call->y[0]->dims),
                length = last_of(&r->call->x[0]->dims), frames = r->call->x[0]->dims.d[r->call->x[0]->dims.rank - 2];
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    r->y[0][i] = 0;
    for (int64_t f = 0; f < frames; f++)
      if (i % n >= f * stride && i % n < f * stride + length) r->y[0][i] += r->x[0][(i / n * frames + f) * length + i % n - f * stride];
  }
}
CN_OP(overlap_sequences, CN_LIST_OVERLAP_SEQUENCES, .outputs = 1, .infer = overlap_sequences_infer, .forward = overlap_sequences_forward,
      .vjp = overlap_sequences_vjp, .reference = overlap_sequences_reference,
      .samples = CN_TEXTS("f[3,4], sequence_stride=2", "f[2,3,2], sequence_stride=3", "f[2,3], sequence_stride=1, size=9", "f[1,5], sequence_stride=4",
                          "f[0,3,2], sequence_stride=1", "f[0,3], sequence_stride=1, size=4"),
      .rejects = CN_TEXTS("f[3], sequence_stride=1 => needs frames, got [3]", "f[3,4], sequence_stride=2, size=7 => the last frame ends at 8, behind size 7",
                          "i[2,2]@0:2, sequence_stride=1 => works on float32 and float64", "f[3,4] => sequence_stride is required"));

/* ---- stft_window ---- */
static bool known_window(const char *name) { return !name || !strcmp(name, "hann") || !strcmp(name, "hamming"); }
static cn_code bad_window(cn_graph *g, const char *name) { return cn_fail(g, CN_VALUE, "window must be hann, hamming or None, got %s", name); }
static cn_code bad_length(cn_graph *g, int64_t fft, int64_t sequence) {
  return cn_fail(g, CN_VALUE, "fft_length %lld is smaller than sequence_length %lld", (long long)fft, (long long)sequence);
}
static cn_code stft_window_infer(const cn_call *c) {
  const cn_stft_window_args *o = c->args;
  cn_dtype dtype;
  if (!o->dtype || !cn_dtype_from_name(o->dtype, &dtype) || !cni_is_float(dtype))
    return cn_fail(c->graph, CN_DTYPE, "dtype must be float32 or float64, got %s", o->dtype ? o->dtype : "None");
  if (!known_window(o->window)) return bad_window(c->graph, o->window);
  if (o->fft_length < o->sequence_length) return bad_length(c->graph, o->fft_length, o->sequence_length);
  c->sig[0] = (cn_sig){ dtype, { 1, { o->fft_length } } };
  return CN_OK;
}
static double window_at(const cn_stft_window_args *o, int64_t i) {
  const int64_t n = o->sequence_length, j = i - (o->fft_length - n) / 2;
  if (!o->window) return 1; /* as Keras: no zeros around */
  if (j < 0 || j >= n) return 0;
  const double mean = *o->window == 'h' && !strcmp(o->window, "hann") ? 0.5 : 0.54;
  return n == 1 ? 1 : mean - (1 - mean) * cos(TWO_PI * (double)j / (double)n);
}
static cn_code stft_window_forward(const cn_call *c) {
  for (int64_t i = 0; i < c->y[0]->count; i++) cni_value_set(c->y[0], i, window_at(c->args, i));
  return CN_OK;
}
static void stft_window_reference(const cn_reference *r) { /* by squared sines: (1 - cos 2 a) / 2 */
  const cn_stft_window_args *o = r->call->args;
  const int64_t before = (o->fft_length - o->sequence_length) / 2;
  for (int64_t i = 0; i < o->fft_length; i++) {
    const double s = sin(TWO_PI / 2 * (double)(i - before) / (double)o->sequence_length);
    const bool inside = i >= before && i < before + o->sequence_length;
    r->y[0][i] = !o->window || (inside && o->sequence_length == 1) ? 1 : !inside ? 0 : !strcmp(o->window, "hann") ? s * s : 0.08 + 0.92 * s * s;
  }
}
CN_OP(stft_window, CN_LIST_STFT_WINDOW, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = stft_window_infer, .forward = stft_window_forward,
      .reference = stft_window_reference,
      .samples = CN_TEXTS("sequence_length=5, fft_length=8, dtype='float64'", "sequence_length=4, fft_length=4, window='hamming'",
                          "sequence_length=3, fft_length=6, window=none", "sequence_length=1, fft_length=2"),
      .rejects = CN_TEXTS("sequence_length=5, fft_length=4 => fft_length 4 is smaller than sequence_length 5",
                          "sequence_length=4, fft_length=4, window='kaiser' => window must be hann, hamming or None, got kaiser",
                          "sequence_length=2, fft_length=2, dtype='int32' => dtype must be float32 or float64, got int32"));

/* The window of a call: the caller's values [sequence_length] with zeros around, or a named one. */
static cn_tensor *window_of(cn_graph *g, cn_tensor *values, const char *name, int64_t sequence, int64_t fft, cn_dtype dtype) {
  const int64_t before = (fft - sequence) / 2;
  if (cni_given(values)) return cn_pad(g, values, CN_INTS(before, fft - sequence - before));
  return cn_stft_window(g, sequence, fft, .window = name, .dtype = cn_dtype_name(dtype));
}
static cn_code check_window(const cn_call *c, const cn_tensor *values, const char *name, int64_t sequence, int64_t fft) {
  char text[160];
  if (fft < sequence) return bad_length(c->graph, fft, sequence);
  if (!cni_given(values)) return known_window(name) ? CN_OK : bad_window(c->graph, name);
  if (values->dtype != c->x[0]->dtype) return cn_fail(c->graph, CN_DTYPE, "window_values differ in dtype");
  if (values->dims.rank == 1 && values->dims.d[0] == sequence) return CN_OK;
  return cn_fail(c->graph, CN_SHAPE, "window_values must have shape [%lld], got %s", (long long)sequence, cn_dims_text(&values->dims, text, sizeof text));
}

/* ---- stft ---- */
static cn_code stft_infer(const cn_call *c) {
  const cn_stft_args *o = c->args;
  cn_dims y = c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (!y.rank || y.rank == CN_MAX_RANK) return refuse(c, "needs at least one axis and room for another");
  if (check_window(c, c->x[1], o->window, o->sequence_length, o->fft_length)) return cn_error_code(c->graph);
  const int64_t n = last_of(&y), reach = o->center ? o->fft_length / 2 : 0;
  if (n != CN_UNKNOWN && reach >= n && reach) return refuse(c, "center needs rows longer than fft_length / 2");
  y.d[y.rank - 1] = frames_in(n == CN_UNKNOWN ? n : n + 2 * reach, o->fft_length, o->sequence_stride);
  y.d[y.rank++] = o->fft_length / 2 + 1;
  for (int i = 0; i < 2; i++) c->sig[i] = (cn_sig){ (cn_dtype)c->x[0]->dtype, y };
  return CN_OK;
}
static void stft_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_stft_args *o = c->args;
  cn_tensor *x = c->x[0];
  int64_t pads[2 * CN_MAX_RANK] = { 0 };
  for (int i = 1; i <= 2; i++) pads[2 * x->dims.rank - i] = o->fft_length / 2;
  if (o->center) x = cn_pad(g, x, (cn_ints){ pads, 2 * x->dims.rank }, .mode = "reflect");
  cn_tensor *window = window_of(g, c->x[1], o->window, o->sequence_length, o->fft_length, (cn_dtype)c->x[0]->dtype);
  const cn_complex s = cn_rfft(g, cn_multiply(g, cn_extract_sequences(g, x, o->fft_length, o->sequence_stride), window));
  y[0] = s.real;
  y[1] = s.imag;
}
/* Value i of the windows, from the inputs. */
static double tap(const cn_reference *r, int input, const char *name, int64_t sequence, int64_t fft, int64_t i) {
  const int64_t j = i - (fft - sequence) / 2;
  const cn_stft_window_args o = { .sequence_length = sequence, .fft_length = fft, .window = name };
  return !cni_given(r->call->x[input]) ? window_at(&o, i) : j < 0 || j >= sequence ? 0 : r->x[input][j];
}
static void stft_reference(const cn_reference *r) {
  const cn_stft_args *o = r->call->args;
  const cn_dims *d = &r->call->y[0]->dims;
  const int64_t n = last_of(&r->call->x[0]->dims), bins = last_of(d), frames = d->d[d->rank - 2], shift = o->center ? o->fft_length / 2 : 0;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    r->y[0][i] = r->y[1][i] = 0;
    for (int64_t j = 0; j < o->fft_length; j++) {
      const int64_t at = i / bins % frames * o->sequence_stride + j - shift, inside = at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
      const double v = r->x[0][i / bins / frames * n + inside] * tap(r, 1, o->window, o->sequence_length, o->fft_length, j),
                   angle = TWO_PI * (double)(j * (i % bins) % o->fft_length) / (double)o->fft_length;
      r->y[0][i] += v * cos(angle);
      r->y[1][i] -= v * sin(angle);
    }
  }
}
CN_OP(stft, CN_LIST_STFT, .outputs = 2, .infer = stft_infer, .compose = stft_compose, .reference = stft_reference,
      .samples = CN_TEXTS("f[12], sequence_length=4, sequence_stride=2, fft_length=4",
                          "f[2,10], sequence_length=3, sequence_stride=2, fft_length=6, window='hamming'",
                          "f[9], sequence_length=4, sequence_stride=3, fft_length=5, center=false",
                          "f[8], sequence_length=2, sequence_stride=1, fft_length=4, window=none",
                          "f[8], f[3], sequence_length=3, sequence_stride=2, fft_length=4", "f[0,8], sequence_length=4, sequence_stride=2, fft_length=4"),
      .rejects = CN_TEXTS("f[9], sequence_length=5, sequence_stride=1, fft_length=4 => fft_length 4 is smaller than sequence_length 5",
                          "f[9], sequence_length=4, sequence_stride=1, fft_length=4, window='bartlett' => window must be hann, hamming or None",
                          "f[9], f[3], sequence_length=4, sequence_stride=1, fft_length=4 => window_values must have shape [4], got [3]",
                          "f[2], sequence_length=4, sequence_stride=1, fft_length=4 => center needs rows longer than fft_length / 2, got [2]",
                          "i[9]@0:2, sequence_length=4, sequence_stride=1, fft_length=4 => works on float32 and float64",
                          "f[9] => sequence_length is required"));

/* ---- istft ---- */
/* What of the sequence of `end` numbers is given back: from, to. */
static void kept(const cn_istft_args *o, int64_t end, int64_t *from, int64_t *to) {
  *from = o->center ? o->fft_length / 2 : 0;
  *to = o->length != CN_NONE ? (o->length < end - *from ? *from + o->length : end) : o->center ? end - o->fft_length / 2 : end;
  if (*from > end) *from = end;
  if (*to < *from) *to = *from;
}
static cn_code istft_infer(const cn_call *c) {
  const cn_istft_args *o = c->args;
  const cn_dims *re = &c->x[0]->dims, *im = &c->x[1]->dims;
  int64_t from, to, end = 0;
  char tr[160], ti[160];
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (re->rank < 2) return refuse(c, "needs frames of numbers");
  bool same = re->rank == im->rank && c->x[0]->dtype == c->x[1]->dtype;
  for (int i = 0; same && i < re->rank; i++) same = re->d[i] == im->d[i] || re->d[i] == CN_UNKNOWN || im->d[i] == CN_UNKNOWN;
  if (!same) return cn_fail(c->graph, CN_SHAPE, "real and imag differ: %s and %s", cn_dims_text(re, tr, sizeof tr), cn_dims_text(im, ti, sizeof ti));
  if (check_window(c, c->x[2], o->window, o->sequence_length, o->fft_length)) return cn_error_code(c->graph);
  const int64_t frames = re->d[re->rank - 2];
  if (!frames || !last_of(re)) return refuse(c, "needs frames of numbers");
  cn_dims y = *re;
  y.rank--;
  if (frames != CN_UNKNOWN && (__builtin_mul_overflow(frames - 1, o->sequence_stride, &end) || __builtin_add_overflow(end, o->fft_length, &end)))
    return cn_fail(c->graph, CN_SHAPE, "the result is too large");
  kept(o, end, &from, &to);
  y.d[y.rank - 1] = frames == CN_UNKNOWN ? CN_UNKNOWN : to - from;
  return cni_sig_like(c, &y), CN_OK;
}
static void istft_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_istft_args *o = c->args;
  const int64_t frames = c->x[0]->dims.d[c->x[0]->dims.rank - 2];
  cn_tensor *window = window_of(g, c->x[2], o->window, o->sequence_length, o->fft_length, (cn_dtype)c->x[0]->dtype);
  cn_tensor *x = cn_overlap_sequences(g, cn_multiply(g, cn_irfft(g, c->x[0], c->x[1], .fft_length = o->fft_length), window), o->sequence_stride);
  cn_tensor *weight = cn_overlap_sequences(g, cn_broadcast_to(g, cn_square(g, window), CN_INTS(frames, o->fft_length)), o->sequence_stride);
  if (!x || !weight) return;
  cn_tensor *covered = cn_greater(g, weight, cn_scalar_like(g, weight, 1e-10));
  x = cn_divide(g, x, cn_where(g, covered, weight, cn_scalar_like(g, weight, 1)));
  if (!cni_given(c->x[2]) && !o->window) x = cn_scale(g, x, (double)o->fft_length / (double)o->sequence_stride);
  int64_t start[CN_MAX_RANK] = { 0 }, to;
  if (!x) return;
  kept(o, last_of(&x->dims), &start[x->dims.rank - 1], &to);
  y[0] = cn_slice(g, x, (cn_ints){ start, x->dims.rank }, cni_sizes(&c->sig[0].dims));
}
/* Number j of a frame. */
static double inverse_at(const double *xr, const double *xi, int64_t bins, int64_t n, int64_t j) {
  double sum = 0;
  for (int64_t k = 0; k <= n / 2 && k < bins; k++) {
    const double angle = TWO_PI * (double)(j * k % n) / (double)n;
    sum += !k || 2 * k == n ? xr[k] * cos(angle) : 2 * (xr[k] * cos(angle) - xi[k] * sin(angle));
  }
  return sum / (double)n;
}
static void istft_reference(const cn_reference *r) {
  const cn_istft_args *o = r->call->args;
  const cn_dims *d = &r->call->x[0]->dims;
  const int64_t n = o->fft_length, bins = last_of(d), frames = d->d[d->rank - 2], out = last_of(&r->call->y[0]->dims), shift = o->center ? n / 2 : 0;
  const double scale = cni_given(r->call->x[2]) || o->window ? 1 : (double)n / (double)o->sequence_stride;
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    double sum = 0, weight = 0;
    for (int64_t f = 0; f < frames; f++) {
      const int64_t j = i % out + shift - f * o->sequence_stride, row = (i / out * frames + f) * bins;
      if (j < 0 || j >= n) continue;
      const double w = tap(r, 2, o->window, o->sequence_length, n, j);
      sum += w * inverse_at(r->x[0] + row, r->x[1] + row, bins, n, j);
      weight += w * w;
    }
    r->y[0][i] = scale * sum / (weight > 1e-10 ? weight : 1);
  }
}
CN_OP(istft, CN_LIST_ISTFT, .outputs = 1, .infer = istft_infer, .compose = istft_compose, .reference = istft_reference,
      .samples = CN_TEXTS("f[5,3], f[5,3], sequence_length=4, sequence_stride=2, fft_length=4",
                          "f[2,4,4], f[2,4,4], sequence_length=5, sequence_stride=2, fft_length=6, window='hamming'",
                          "f[3,3], f[3,3], sequence_length=4, sequence_stride=3, fft_length=5, center=false",
                          "f[4,3], f[4,3], sequence_length=3, sequence_stride=1, fft_length=4, window=none",
                          "f[4,3], f[4,3], f[3]@0.5:1, sequence_length=3, sequence_stride=2, fft_length=4",
                          "f[4,3], f[4,3], sequence_length=4, sequence_stride=2, fft_length=4, length=5",
                          "f[4,3], f[4,3], sequence_length=4, sequence_stride=2, fft_length=4, length=99",
                          "f[0,2,3], f[0,2,3], sequence_length=4, sequence_stride=2, fft_length=4"),
      .rejects = CN_TEXTS("f[3], f[3], sequence_length=4, sequence_stride=2, fft_length=4 => needs frames of numbers, got [3]",
                          "f[2,3], f[2,4], sequence_length=4, sequence_stride=2, fft_length=4 => real and imag differ: [2,3] and [2,4]",
                          "f[2,3], f[2,3], sequence_length=5, sequence_stride=2, fft_length=4 => fft_length 4 is smaller than sequence_length 5",
                          "f[2,3], f[2,3], sequence_length=4, sequence_stride=2, fft_length=4, window='x' => window must be hann, hamming or None, got x",
                          "f[2,3], f[2,3], f[2], sequence_length=4, sequence_stride=2, fft_length=4 => window_values must have shape [4], got [2]"));

const cn_op *const cni_ops_frames[] = { &cn_op_extract_sequences, &cn_op_overlap_sequences, &cn_op_stft_window, &cn_op_stft, &cn_op_istft, NULL };
