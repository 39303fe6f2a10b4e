/* Transforms of whole rows. */
#include "ops_fft.h"
#include <math.h>
#include "../core/fft_private.h"
#include "ops.h"
#include "ops_layout_private.h"
#include "ops_private.h"

#define LONGEST ((int64_t)1 << 40)
#define TWO_PI 6.28318530717958647692

static int64_t last_of(const cn_dims *d) { return d->d[d->rank - 1]; }

static cn_code no_row(const cn_call *c, const char *what) {
  char text[160];
  return cn_fail(c->graph, CN_SHAPE, "%s, got %s", what, cn_dims_text(&c->x[0]->dims, text, sizeof text));
}
static cn_code need_rows(const cn_call *c, int axes) {
  const cn_dims *d = &c->x[0]->dims;
  if (cni_need_float(c, 0)) return CN_DTYPE;
  if (d->rank < axes) return no_row(c, axes == 1 ? "needs at least one axis" : "needs at least two axes");
  for (int i = d->rank - axes; i < d->rank; i++)
    if (!d->d[i] || d->d[i] > LONGEST) return no_row(c, d->d[i] ? "the rows are too long" : "needs rows that are not empty");
  return CN_OK;
}
static cn_code need_pair(const cn_call *c, int axes) {
  char tr[160], ti[160];
  if (need_rows(c, axes)) return cn_error_code(c->graph);
  if (c->x[0]->dtype != c->x[1]->dtype) return cn_fail(c->graph, CN_DTYPE, "real and imag differ in dtype");
  const cn_dims *re = &c->x[0]->dims, *im = &c->x[1]->dims;
  bool same = re->rank == im->rank;
  for (int i = 0; same && i < re->rank; i++) same = re->d[i] == im->d[i] || re->d[i] == CN_UNKNOWN || im->d[i] == CN_UNKNOWN;
  return same ? CN_OK
              : cn_fail(c->graph, CN_SHAPE, "real and imag differ in shape: %s and %s", cn_dims_text(re, tr, sizeof tr), cn_dims_text(im, ti, sizeof ti));
}
static void sig_rows(const cn_call *c, int64_t i, int64_t n) { /* x's shape with another last size */
  c->sig[i].dtype = (cn_dtype)c->x[0]->dtype;
  cni_set_dims(&c->sig[i].dims, &c->x[0]->dims);
  c->sig[i].dims.d[c->sig[i].dims.rank - 1] = n;
}
static cn_tensor *or_zeros(cn_graph *g, cn_tensor *gy, const cn_tensor *y) { return gy ? gy : cni_zeros_for(g, y); }
/* x cut, or with zeros behind, to n along the last axis. */
static cn_tensor *resized(cn_graph *g, cn_tensor *x, int64_t n) {
  if (!x || last_of(&x->dims) == n) return x;
  const int axis = x->dims.rank - 1;
  int64_t start[CN_MAX_RANK] = { 0 }, pads[2 * CN_MAX_RANK] = { 0 };
  cn_dims d = x->dims;
  d.d[axis] = n;
  pads[2 * axis + 1] = n - last_of(&x->dims);
  if (n < last_of(&x->dims)) return cn_slice(g, x, (cn_ints){ start, d.rank }, cni_sizes(&d));
  return cn_pad(g, x, (cn_ints){ pads, 2 * d.rank });
}

/* ---- fft, ifft ---- */
static cn_code complex_infer(const cn_call *c) {
  if (need_pair(c, 1)) return cn_error_code(c->graph);
  sig_rows(c, 0, last_of(&c->x[0]->dims));
  sig_rows(c, 1, last_of(&c->x[0]->dims));
  return CN_OK;
}
static cni_fft_args rows_of(const cn_call *c, cni_fft_kind kind, int64_t n) {
  return (cni_fft_args){
    .dtype = (cn_dtype)c->x[0]->dtype, .kind = kind, .n = n, .rows = c->x[0]->count / last_of(&c->x[0]->dims), .xr = c->x[0]->data, .yr = c->y[0]->data
  };
}
static void shrink(cn_tensor *t, double by) { cni_kernels_for(t->graph, (cn_dtype)t->dtype)->scale(t->data, t->data, t->count, &by); }
static cn_code fft_forward(const cn_call *c) {
  cni_fft_args a = rows_of(c, CNI_FFT_COMPLEX, last_of(&c->x[0]->dims));
  a.xi = c->x[1]->data;
  a.yi = c->y[1]->data;
  return cni_fft(c->graph, &a);
}
static cn_code ifft_forward(const cn_call *c) {
  cni_fft_args a = rows_of(c, CNI_FFT_COMPLEX, last_of(&c->x[0]->dims));
  a.xi = a.xr;
  a.xr = c->x[1]->data;
  a.yi = a.yr;
  a.yr = c->y[1]->data;
  if (cni_fft(c->graph, &a)) return CN_NO_MEMORY;
  for (int i = 0; i < 2; i++) shrink(c->y[i], 1 / (double)a.n);
  return CN_OK;
}
static void complex_vjp(cn_graph *g, const cn_node *n, const cn_op *back, double scale, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_fft_args o = { g, or_zeros(g, gy[0], n->y[0]), or_zeros(g, gy[1], n->y[1]) };
  cn_tensor *const *const y = cn_apply(g, back, &o);
  for (int i = 0; y[0] && i < 2; i++)
    if (want[i]) gx[i] = cn_scale(g, y[i], scale);
}
CNI_VJP(fft) { complex_vjp(g, n, &cn_op_ifft, (double)last_of(&n->x[0]->dims), gy, want, gx); }
CNI_VJP(ifft) { complex_vjp(g, n, &cn_op_fft, 1 / (double)last_of(&n->x[0]->dims), gy, want, gx); }

/* Number k of a row's transform times `scale`; xi NULL: zeros. sign: of the exponent. */
static void naive(const double *xr, const double *xi, int64_t n, int64_t k, double sign, double scale, double *re, double *im) {
  double sr = 0, si = 0;
  for (int64_t j = 0; j < n; j++) {
    const double angle = sign * TWO_PI * (double)(j * k % n) / (double)n, c = cos(angle), s = sin(angle), b = xi ? xi[j] : 0;
    sr += xr[j] * c - b * s;
    si += xr[j] * s + b * c;
  }
  *re = sr * scale;
  *im = si * scale;
}
static void complex_reference(const cn_reference *r, double sign, double scale) {
  const int64_t n = last_of(&r->call->x[0]->dims);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) naive(r->x[0] + i / n * n, r->x[1] + i / n * n, n, i % n, sign, scale, &r->y[0][i], &r->y[1][i]);
}
static void fft_reference(const cn_reference *r) { complex_reference(r, -1, 1); }
static void ifft_reference(const cn_reference *r) { complex_reference(r, 1, 1 / (double)last_of(&r->call->x[0]->dims)); }
#define PAIRS "f[4], f[4]", "f[2,3], f[2,3]", "f[1], f[1]", "f[2], f[2]", "f[5], f[5]", "f[6], f[6]", "f[2,2,8], f[2,2,8]", "f[14], f[14]", "f[37], f[37]", "f[2,60], f[2,60]", "f[0,3], f[0,3]"
#define NO_PAIRS "f[3], f[4] => real and imag differ in shape: [3] and [4]", "f[], f[] => needs at least one axis, got []", "f[0], f[0] => needs rows that are not empty, got [0]", "i[3]@0:2, i[3]@0:2 => works on float32 and float64", \
                 "f[3], i[3]@0:2 => real and imag differ in dtype"
CN_OP(fft, CN_LIST_COMPLEX, .outputs = 2, .infer = complex_infer, .forward = fft_forward, .vjp = fft_vjp, .reference = fft_reference,
      .samples = CN_TEXTS(PAIRS), .rejects = CN_TEXTS(NO_PAIRS));
CN_OP(ifft, CN_LIST_COMPLEX, .outputs = 2, .infer = complex_infer, .forward = ifft_forward, .vjp = ifft_vjp, .reference = ifft_reference,
      .samples = CN_TEXTS(PAIRS), .rejects = CN_TEXTS(NO_PAIRS));

/* ---- fft2, ifft2 ---- */
static cn_code plane_infer(const cn_call *c) { return need_pair(c, 2) ? cn_error_code(c->graph) : complex_infer(c); }
/* Along the last axis, exchanged with the one before it; twice leads back. */
static bool along_and_turn(cn_graph *g, const cn_op *op, cn_tensor **v) {
  const cn_fft_args o = { g, v[0], v[1] };
  cn_tensor *const *const y = cn_apply(g, op, &o);
  for (int i = 0; i < 2; i++) v[i] = cn_swapaxes(g, y[0] ? y[i] : NULL, -2, -1);
  return v[0] && v[1];
}
static void plane_compose(cn_graph *g, const cn_call *c, const cn_op *op, cn_tensor **y) {
  for (int i = 0; i < 2; i++) y[i] = c->x[i];
  if (along_and_turn(g, op, y)) along_and_turn(g, op, y);
}
static void fft2_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { plane_compose(g, c, &cn_op_fft, y); }
static void ifft2_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { plane_compose(g, c, &cn_op_ifft, y); }
static void plane_reference(const cn_reference *r, double sign, bool divide) {
  const cn_dims *d = &r->call->x[0]->dims;
  const int64_t m = d->d[d->rank - 2], n = last_of(d);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double *xr = r->x[0] + i / (m * n) * m * n, *xi = r->x[1] + i / (m * n) * m * n;
    double sr = 0, si = 0;
    for (int64_t j = 0; j < m * n; j++) {
      const double angle = sign * TWO_PI * ((double)(j / n * (i / n % m)) / (double)m + (double)(j % n * (i % n)) / (double)n), c = cos(angle), s = sin(angle);
      sr += xr[j] * c - xi[j] * s;
      si += xr[j] * s + xi[j] * c;
    }
    r->y[0][i] = divide ? sr / (double)(m * n) : sr;
    r->y[1][i] = divide ? si / (double)(m * n) : si;
  }
}
static void fft2_reference(const cn_reference *r) { plane_reference(r, -1, false); }
static void ifft2_reference(const cn_reference *r) { plane_reference(r, 1, true); }
#define PLANES "f[3,4], f[3,4]", "f[2,2,3], f[2,2,3]", "f[1,5], f[1,5]", "f[0,2,2], f[0,2,2]"
#define NO_PLANES "f[3], f[3] => needs at least two axes, got [3]", "f[2,3], f[3,2] => real and imag differ in shape: [2,3] and [3,2]", "f[0,2], f[0,2] => needs rows that are not empty, got [0,2]"
CN_OP(fft2, CN_LIST_COMPLEX, .outputs = 2, .infer = plane_infer, .compose = fft2_compose, .reference = fft2_reference, .samples = CN_TEXTS(PLANES),
      .rejects = CN_TEXTS(NO_PLANES));
CN_OP(ifft2, CN_LIST_COMPLEX, .outputs = 2, .infer = plane_infer, .compose = ifft2_compose, .reference = ifft2_reference, .samples = CN_TEXTS(PLANES),
      .rejects = CN_TEXTS(NO_PLANES));

/* ---- rfft, irfft ---- */
static int64_t rfft_length(const cn_call *c) {
  const int64_t given = ((const cn_rfft_args *)c->args)->fft_length;
  return given != CN_NONE ? given : last_of(&c->x[0]->dims);
}
static int64_t irfft_length(const cn_call *c) {
  const int64_t given = ((const cn_irfft_args *)c->args)->fft_length, n = last_of(&c->x[0]->dims);
  return given != CN_NONE ? given : n == CN_UNKNOWN ? CN_UNKNOWN : 2 * (n - 1);
}
static cn_code too_long(const cn_call *c) { return cn_fail(c->graph, CN_VALUE, "fft_length is too large"); }
static cn_code rfft_infer(const cn_call *c) {
  if (need_rows(c, 1)) return cn_error_code(c->graph);
  const int64_t n = rfft_length(c);
  if (n > LONGEST) return too_long(c);
  for (int i = 0; i < 2; i++) sig_rows(c, i, n == CN_UNKNOWN ? n : n / 2 + 1);
  return CN_OK;
}
static cn_code irfft_infer(const cn_call *c) {
  if (need_pair(c, 1)) return cn_error_code(c->graph);
  const int64_t n = irfft_length(c);
  if (n > LONGEST) return too_long(c);
  if (!n) return no_row(c, "a single number has no length without fft_length");
  return sig_rows(c, 0, n), CN_OK;
}
/* Input i's rows as rows of n numbers: its own, or a copy that is cut or has zeros behind. */
static const void *rows_to(const cn_call *c, int64_t i, int64_t n, cni_buffer **buffer) {
  const cn_tensor *x = c->x[i];
  const int64_t own = last_of(&x->dims), rows = x->count / own;
  const size_t width = cni_width_of(c), kept = (size_t)(own < n ? own : n) * width;
  *buffer = NULL;
  if (own == n) return x->data;
  char *to = cni_borrow(c->graph, (size_t)(rows * n) * width, buffer);
  for (int64_t r = 0; to && r < rows; r++) {
    char *row = to + (size_t)(r * n) * width;
    memcpy(row, (const char *)x->data + (size_t)(r * own) * width, kept);
    memset(row + kept, 0, (size_t)n * width - kept);
  }
  return to;
}
static void give_back(const cn_call *c, cni_buffer *buffer) {
  if (buffer) cni_buffer_drop(c->graph, buffer, false);
}
static cn_code rfft_forward(const cn_call *c) {
  cni_buffer *buffer;
  if (!c->x[0]->count) return CN_OK;
  cni_fft_args a = rows_of(c, CNI_FFT_FROM_REAL, rfft_length(c));
  a.yi = c->y[1]->data;
  a.xr = rows_to(c, 0, a.n, &buffer);
  const cn_code code = a.xr ? cni_fft(c->graph, &a) : CN_NO_MEMORY;
  return give_back(c, buffer), code;
}
static cn_code irfft_forward(const cn_call *c) {
  cni_buffer *first, *second = NULL;
  if (!c->x[0]->count) return CN_OK;
  cni_fft_args a = rows_of(c, CNI_FFT_TO_REAL, irfft_length(c));
  a.xr = rows_to(c, 0, a.n / 2 + 1, &first);
  a.xi = a.xr ? rows_to(c, 1, a.n / 2 + 1, &second) : NULL;
  const cn_code code = a.xi ? cni_fft(c->graph, &a) : CN_NO_MEMORY;
  give_back(c, first);
  give_back(c, second);
  if (!code) shrink(c->y[0], 1 / (double)a.n);
  return code;
}
/* x [.., n / 2 + 1] times `ends` at 0 and, of an even n, n / 2, where a number stands for itself, and times `middle` elsewhere, where it stands for its
 * conjugate too. */
static cn_tensor *weighted(cn_graph *g, cn_tensor *x, int64_t n, double ends, double middle) {
  if (!x) return NULL;
  cn_tensor *const *const parts = cn_split(g, x, CN_INTS(1, n % 2 ? n / 2 + 1 : n / 2), .axis = -1);
  if (!parts[0]) return NULL;
  return cn_concatenate(g, CN_TENSORS(cn_scale(g, parts[0], ends), cn_scale(g, parts[1], middle), cn_scale(g, parts[2], ends)), .axis = -1);
}
CNI_VJP(rfft) {
  (void)want;
  const cn_call c = { .args = n->args, .x = n->x };
  const int64_t length = rfft_length(&c);
  cn_tensor *re = weighted(g, or_zeros(g, gy[0], n->y[0]), length, (double)length, (double)length / 2),
            *im = weighted(g, or_zeros(g, gy[1], n->y[1]), length, (double)length, (double)length / 2);
  gx[0] = resized(g, cn_irfft(g, re, im, .fft_length = length), last_of(&n->x[0]->dims));
}
CNI_VJP(irfft) {
  const cn_call c = { .args = n->args, .x = n->x };
  const int64_t length = irfft_length(&c), bins = last_of(&n->x[0]->dims);
  const cn_complex y = cn_rfft(g, gy[0]);
  if (want[0]) gx[0] = resized(g, weighted(g, y.real, length, 1 / (double)length, 2 / (double)length), bins);
  if (want[1]) gx[1] = resized(g, weighted(g, y.imag, length, 1 / (double)length, 2 / (double)length), bins);
}
static void rfft_reference(const cn_reference *r) {
  const int64_t own = last_of(&r->call->x[0]->dims), n = rfft_length(r->call), bins = n / 2 + 1;
  double *row = cni_arena_take(r->call->graph, cni_step_arena(r->call->graph), (size_t)n * sizeof *row);
  for (int64_t i = 0; row && i < r->call->y[0]->count; i++) {
    for (int64_t j = 0; j < n; j++) row[j] = j < own ? r->x[0][i / bins * own + j] : 0;
    naive(row, NULL, n, i % bins, -1, 1, &r->y[0][i], &r->y[1][i]);
  }
}
static void irfft_reference(const cn_reference *r) {
  const int64_t bins = last_of(&r->call->x[0]->dims), n = irfft_length(r->call);
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    const double *xr = r->x[0] + i / n * bins, *xi = r->x[1] + i / n * bins;
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
      const int64_t from = k <= n / 2 ? k : n - k;
      const double angle = TWO_PI * (double)(k * (i % n) % n) / (double)n, re = from < bins ? xr[from] : 0,
                   im = from < bins && from && 2 * from != n ? xi[from] : 0;
      sum += re * cos(angle) - (k == from ? im : -im) * sin(angle);
    }
    r->y[0][i] = sum / (double)n;
  }
}
CN_OP(rfft, CN_LIST_RFFT, .outputs = 2, .infer = rfft_infer, .forward = rfft_forward, .vjp = rfft_vjp, .reference = rfft_reference,
      .samples = CN_TEXTS("f[4]", "f[2,5]", "f[1]", "f[2]", "f[2,3,6]", "f[12]", "f[37]", "f[74]", "f[6], fft_length=4", "f[2,3], fft_length=8",
                          "f[3], fft_length=1", "f[4], fft_length=7", "f[0,3]"),
      .rejects = CN_TEXTS("f[] => needs at least one axis, got []", "f[0] => needs rows that are not empty, got [0]",
                          "i[3]@0:2 => works on float32 and float64", "f[3], fft_length=0 => fft_length must be positive, got 0"));
CN_OP(irfft, CN_LIST_IRFFT, .outputs = 1, .infer = irfft_infer, .forward = irfft_forward, .vjp = irfft_vjp, .reference = irfft_reference,
      .samples = CN_TEXTS("f[3], f[3]", "f[2,4], f[2,4]", "f[2], f[2]", "f[3], f[3], fft_length=5", "f[1], f[1], fft_length=1", "f[2,3], f[2,3], fft_length=3",
                          "f[2,3], f[2,3], fft_length=10", "f[7], f[7], fft_length=4", "f[19], f[19], fft_length=37", "f[38], f[38]", "f[0,3], f[0,3]"),
      .rejects = CN_TEXTS("f[3], f[4] => real and imag differ in shape: [3] and [4]", "f[1], f[1] => a single number has no length without fft_length, got [1]",
                          "f[], f[] => needs at least one axis, got []", "f[3], f[3], fft_length=0 => fft_length must be positive, got 0"));

/* ---- parts of real tensors ---- */
static cn_code part_infer(const cn_call *c) { return cni_refuse_strings(c) ? CN_DTYPE : (cni_sig_like(c, &c->x[0]->dims), (cn_code)CN_OK); }
static void itself_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_identity(g, c->x[0]); }
static void itself_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][i];
}
static void imag_compose(cn_graph *g, const cn_call *c, cn_tensor **y) { y[0] = cn_zeros_like(g, c->x[0]); }
static void imag_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = 0;
}
static cn_code angle_infer(const cn_call *c) {
  if (part_infer(c)) return CN_DTYPE;
  if (!cni_is_float(c->sig[0].dtype)) c->sig[0].dtype = CN_F32;
  return CN_OK;
}
static void angle_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  cn_tensor *x = cni_is_float((cn_dtype)c->x[0]->dtype) ? c->x[0] : cn_cast(g, c->x[0], .dtype = "float32");
  if (x) y[0] = cn_arctan2(g, cn_zeros_like(g, x), x);
}
static void angle_reference(const cn_reference *r) {
  for (int64_t i = 0; i < r->call->y[0]->count; i++) r->y[0][i] = r->x[0][i] < 0 ? TWO_PI / 2 : 0;
}
#define PARTS .samples = CN_TEXTS("f[3,4]", "f[]", "f[0,3]", "i[5]@-3:3", "b[4]"), .rejects = CN_TEXTS("s[3] => string")
CN_OP(real, CN_LIST_X, .outputs = 1, .infer = part_infer, .compose = itself_compose, .reference = itself_reference, PARTS);
CN_OP(conj, CN_LIST_X, .outputs = 1, .infer = part_infer, .compose = itself_compose, .reference = itself_reference, PARTS);
CN_OP(conjugate, CN_LIST_X, .outputs = 1, .infer = part_infer, .compose = itself_compose, .reference = itself_reference, PARTS);
CN_OP(imag, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = part_infer, .compose = imag_compose, .reference = imag_reference, PARTS);
CN_OP(angle, CN_LIST_X, .outputs = 1, .flags = CN_OP_NO_GRADIENT, .infer = angle_infer, .compose = angle_compose, .reference = angle_reference, PARTS);

const cn_op *const cni_ops_fft[] = { &cn_op_real, &cn_op_conj, &cn_op_conjugate, &cn_op_imag, &cn_op_angle, &cn_op_fft,
                                     &cn_op_ifft, &cn_op_fft2, &cn_op_ifft2,     &cn_op_rfft, &cn_op_irfft, NULL };
