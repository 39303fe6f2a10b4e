#include "fft_private.h"
#include <math.h>
#include <string.h>
#include "kernels_fft_private.h"
#include "threads_private.h"

#define LARGEST_RADIX 31                    /* a larger prime factor's butterflies cost more than Bluestein's three transforms */
#define TWO_THREADS ((int64_t)1 << 14)      /* numbers from which a second thread pays */
#define PI 3.14159265358979323846
#define MOST_PASSES 64

/* Transforms of length n by passes. */
typedef struct line { int64_t n, passes; int64_t radix[MOST_PASSES]; cni_roots roots; } line;

/* Transforms of length n: by the line itself; or, with a chirp c_j = e^(-i pi j^2 / n), as a convolution by the line, which is longer: y = c ((x c) * conj c).
 * The sequences of real numbers of even length are transformed as half as many complex ones, `whole` being the roots of the full length. */
typedef struct plan {
  const cni_fft_kernels *k;
  size_t width;
  int64_t n;
  line line;
  bool chirped, halved;
  cni_roots chirp, spectrum, whole; /* [n]; of conj c, divided by the line's length [line.n]; [2 n] */
  cni_buffer *buffer;
} plan;

typedef struct job { const cni_fft_args *a; const plan *p; char *scratch; size_t each; int64_t parts; } job;

/* ---- roots ---- */
/* cos and -sin of pi num / den, 0 <= num <= 2 den, from an angle of at most pi / 4. */
static void root(int64_t num, int64_t den, double *re, double *im) {
  const bool below = num > den;
  if (below) num = 2 * den - num;
  const bool left = 2 * num > den;
  if (left) num = den - num;
  const bool high = 4 * num > den;
  const double angle = high ? PI * (double)(den - 2 * num) / (2 * (double)den) : PI * (double)num / (double)den;
  const double c = high ? sin(angle) : cos(angle), s = high ? cos(angle) : sin(angle);
  *re = left ? -c : c;
  *im = below ? s : -s;
}
static void put(const plan *p, const void *at, int64_t i, double v) {
  if (p->width == 8) ((double *)(uintptr_t)at)[i] = v;
  else ((float *)(uintptr_t)at)[i] = (float)v;
}
static void fill_roots(const plan *p, const cni_roots *r) {
  for (int64_t k = 0; 2 * k <= r->length; k++) {
    double re, im;
    root(2 * k, r->length, &re, &im);
    put(p, r->re, k, re);
    put(p, r->im, k, im);
    if (!k) continue;
    put(p, r->re, r->length - k, re);
    put(p, r->im, r->length - k, 2 * k == r->length ? 0 : -im);
  }
}

/* ---- plans ---- */
/* False: a prime factor is too large. */
static bool factorize(line *l, int64_t n) {
  static const int64_t first[] = { 4, 2, 3, 5 };
  l->n = n;
  l->passes = 0;
  for (int64_t i = 0, f = 4; n > 1 && f <= LARGEST_RADIX; i++, f = i < 4 ? first[i] : f < 7 ? 7 : f + 2)
    for (; n % f == 0; n /= f) l->radix[l->passes++] = f;
  return n == 1;
}
static cni_roots carve(char **at, int64_t n, size_t width) {
  const cni_roots r = { n, *at, *at + (size_t)n * width };
  *at += 2 * (size_t)n * width;
  return r;
}

static void *plus(const void *p, int64_t elements, size_t width) { return (char *)(uintptr_t)p + (size_t)elements * width; }

/* Passes go to and fro between y and scratch [2 n], so that the last ends in y. */
static void run_line(const plan *p, void *yr, void *yi, const void *xr, const void *xi, void *scratch) {
  const line *l = &p->line;
  void *const sr = scratch, *const si = plus(scratch, l->n, p->width);
  if (!l->passes) {
    memcpy(yr, xr, p->width);
    memcpy(yi, xi, p->width);
  }
  for (int64_t i = 0, n = l->n, stride = 1; i < l->passes; i++) {
    const bool last = (l->passes - 1 - i) % 2 == 0;
    const cni_fft_pass pass = { n, stride, l->radix[i], xr, xi, last ? yr : sr, last ? yi : si, l->roots };
    p->k->pass(&pass);
    xr = pass.yr;
    xi = pass.yi;
    stride *= l->radix[i];
    n /= l->radix[i];
  }
}
/* scratch: [2 n], or with a chirp [6 line.n]. */
static int64_t scratch_numbers(const plan *p) { return p->chirped ? 6 * p->line.n : 2 * p->n; }
static void transform(const plan *p, void *yr, void *yi, const void *xr, const void *xi, void *scratch) {
  if (!p->chirped) {
    run_line(p, yr, yi, xr, xi, scratch);
    return;
  }
  const int64_t m = p->line.n;
  void *const ar = scratch, *const ai = plus(ar, m, p->width), *const br = plus(ai, m, p->width), *const bi = plus(br, m, p->width),
              *const rest = plus(bi, m, p->width);
  memset(ar, 0, 2 * (size_t)m * p->width);
  p->k->multiply(ar, ai, xr, xi, p->chirp.re, p->chirp.im, p->n, false);
  run_line(p, br, bi, ar, ai, rest);
  p->k->multiply(br, bi, br, bi, p->spectrum.re, p->spectrum.im, m, false);
  run_line(p, ai, ar, bi, br, rest); /* parts exchanged: the inverse */
  p->k->multiply(yr, yi, ar, ai, p->chirp.re, p->chirp.im, p->n, false);
}

/* The chirp, and the transform of its conjugate wrapped around. scratch: [4 line.n]. */
static void fill_chirp(plan *p, void *scratch) {
  const int64_t m = p->line.n;
  void *const br = scratch, *const bi = plus(br, m, p->width);
  memset(br, 0, 2 * (size_t)m * p->width);
  for (int64_t j = 0, square = 0; j < p->n; square = (square + 2 * j + 1) % (2 * p->n), j++) { /* square = j^2 mod 2 n */
    double re, im;
    root(square, p->n, &re, &im);
    put(p, p->chirp.re, j, re);
    put(p, p->chirp.im, j, im);
    for (int side = 0; side < 2; side++) {
      put(p, br, side && j ? m - j : j, re / (double)m);
      put(p, bi, side && j ? m - j : j, -im / (double)m);
    }
  }
  run_line(p, (void *)(uintptr_t)p->spectrum.re, (void *)(uintptr_t)p->spectrum.im, br, bi, plus(bi, m, p->width));
}

static bool plan_make(cn_graph *g, const cni_fft_args *a, plan *p) {
  *p = (plan){ .k = cni_context_of_const(g)->kernels[a->dtype]->fft, .width = a->dtype == CN_F64 ? 8 : 4 };
  p->halved = a->kind != CNI_FFT_COMPLEX && a->n % 2 == 0;
  p->n = p->halved ? a->n / 2 : a->n;
  p->chirped = !factorize(&p->line, p->n);
  int64_t m = 1;
  while (m < 2 * p->n - 1) m *= 2;
  if (p->chirped) factorize(&p->line, m);
  const int64_t numbers = (p->halved ? 2 * a->n : 0) + (p->chirped ? 4 * m + 2 * p->n : p->halved ? 0 : 2 * p->n);
  p->buffer = cni_buffer_take(g, (size_t)numbers * p->width, false);
  cni_buffer *scratch = p->chirped && p->buffer ? cni_buffer_take(g, 4 * (size_t)m * p->width, false) : NULL;
  if (!p->buffer || (p->chirped && !scratch)) {
    if (p->buffer) cni_buffer_drop(g, p->buffer, false);
    return false;
  }
  char *at = p->buffer->data;
  if (p->halved) p->whole = carve(&at, a->n, p->width), fill_roots(p, &p->whole);
  p->line.roots = p->halved && !p->chirped ? p->whole : carve(&at, p->line.n, p->width);
  if (!p->halved || p->chirped) fill_roots(p, &p->line.roots);
  if (!p->chirped) return true;
  p->chirp = carve(&at, p->n, p->width);
  p->spectrum = carve(&at, m, p->width);
  fill_chirp(p, scratch->data);
  cni_buffer_drop(g, scratch, false);
  return true;
}

/* ---- rows ---- */
/* more: [4 n] of the args' n. */
static void row_from_real(const plan *p, const cni_fft_args *a, void *yr, void *yi, const void *x, void *more, void *scratch) {
  const int64_t n = p->n;
  void *const er = more, *const ei = plus(er, n, p->width), *const zr = plus(ei, n, p->width), *const zi = plus(zr, n, p->width);
  if (p->halved) {
    p->k->deal(er, ei, x, n);
    transform(p, zr, zi, er, ei, scratch);
    p->k->unfold(yr, yi, zr, zi, n, &p->whole);
    return;
  }
  memset(ei, 0, (size_t)n * p->width);
  transform(p, zr, zi, x, ei, scratch);
  memcpy(yr, zr, (size_t)(a->n / 2 + 1) * p->width);
  memcpy(yi, zi, (size_t)(a->n / 2 + 1) * p->width);
  put(p, yi, 0, 0);
}
static double number_at(const plan *p, const void *x, int64_t i) { return p->width == 8 ? ((const double *)x)[i] : (double)((const float *)x)[i]; }
static void row_to_real(const plan *p, const cni_fft_args *a, void *y, const void *xr, const void *xi, void *more, void *scratch) {
  const int64_t n = p->n;
  void *const er = more, *const ei = plus(er, n, p->width), *const zr = plus(ei, n, p->width), *const zi = plus(zr, n, p->width);
  if (p->halved) {
    p->k->fold(er, ei, xr, xi, n, &p->whole);
    transform(p, zi, zr, ei, er, scratch);
    p->k->interleave(y, zr, zi, n);
    return;
  }
  for (int64_t k = 0; k <= a->n / 2; k++) {
    const double re = number_at(p, xr, k), im = k ? number_at(p, xi, k) : 0;
    put(p, er, k, re);
    put(p, ei, k, im);
    if (k) put(p, er, n - k, re), put(p, ei, n - k, -im);
  }
  transform(p, zi, y, ei, er, scratch);
}
static void run_parts(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const cni_fft_args *a = j->a;
  const size_t w = j->p->width;
  const int64_t bins = a->kind == CNI_FFT_COMPLEX ? a->n : a->n / 2 + 1, in = a->kind == CNI_FFT_FROM_REAL ? a->n : bins,
                out = a->kind == CNI_FFT_TO_REAL ? a->n : bins;
  for (int64_t part = begin; part < end; part++) {
    char *more = j->scratch + (size_t)part * j->each, *scratch = plus(more, a->kind == CNI_FFT_COMPLEX ? 0 : 4 * j->p->n, w);
    for (int64_t r = a->rows * part / j->parts; r < a->rows * (part + 1) / j->parts; r++) {
      void *yr = plus(a->yr, r * out, w), *yi = a->yi ? plus(a->yi, r * out, w) : NULL;
      const void *xr = plus(a->xr, r * in, w), *xi = a->xi ? plus(a->xi, r * in, w) : NULL;
      if (a->kind == CNI_FFT_COMPLEX) transform(j->p, yr, yi, xr, xi, scratch);
      else if (a->kind == CNI_FFT_FROM_REAL) row_from_real(j->p, a, yr, yi, xr, more, scratch);
      else row_to_real(j->p, a, yr, xr, xi, more, scratch);
    }
  }
}

cn_code cni_fft(cn_graph *g, const cni_fft_args *a) {
  plan p;
  if (!a->rows) return CN_OK;
  if (!plan_make(g, a, &p)) return CN_NO_MEMORY;
  const int64_t threads = cni_context_of_const(g)->threads;
  job j = { a, &p, NULL, (((size_t)scratch_numbers(&p) + (a->kind == CNI_FFT_COMPLEX ? 0 : 4 * (size_t)p.n)) * p.width + 63) & ~(size_t)63,
            threads < 2 || a->rows < 2 || a->rows * a->n < TWO_THREADS ? 1 : threads };
  cni_buffer *scratch = cni_buffer_take(g, j.each * (size_t)j.parts, false);
  if (scratch) {
    j.scratch = scratch->data;
    cni_parallel(g, j.parts, 1, run_parts, &j);
    cni_buffer_drop(g, scratch, false);
  }
  cni_buffer_drop(g, p.buffer, false);
  return scratch ? CN_OK : CN_NO_MEMORY;
}
