/* Text of tensors, as NumPy's print writes arrays (numpy.array2string with its defaults: 8 digits, 75 columns, above 1,000 elements the first and last three of
 * each axis). */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "tensor.h"
#include "text_private.h"

#define PRECISION 8
#define THRESHOLD 1000
#define EDGE 3
#define WIDTH 75

/* ---- text that grows in the step's arena ---- */
bool cni_text_put(cni_text *t, const void *bytes, size_t n) {
  if (t->failed) return false;
  if (t->size + n + 1 > t->room) {
    const size_t room = 2 * (t->size + n + 1) + 128;
    char *p = cni_arena_take(t->g, cni_step_arena(t->g), room);
    if (!p) return !(t->failed = true);
    if (t->size) memcpy(p, t->p, t->size);
    t->p = p;
    t->room = room;
  }
  if (n) memcpy(t->p + t->size, bytes, n);
  t->size += n;
  t->p[t->size] = '\0';
  return true;
}

void cni_text_format(cni_text *t, const char *format, ...) {
  char s[512];
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(s, sizeof s, format, args);
  va_end(args);
  cni_text_put(t, s, n < 0 ? 0 : n < (int)sizeof s ? (size_t)n : sizeof s - 1);
}

static void put_many(cni_text *t, char c, int64_t n) {
  for (int64_t i = 0; i < n; i++) cni_text_put(t, &c, 1);
}

/* ---- decimal digits ---- */
/* A finite number: (-)d.ddd x 10^exponent; no zeros at the end, but at least one digit. */
typedef struct decimal { bool negative; char digits[32]; int count, exponent; } decimal;

/* Of "%.Ne" text; whatever stands for the decimal point is skipped. */
static decimal parsed(const char *s) {
  decimal d = { .negative = *s == '-' };
  for (s += d.negative; *s && *s != 'e'; s++)
    if (*s >= '0' && *s <= '9') d.digits[d.count++] = *s;
  d.exponent = atoi(s + 1);
  while (d.count > 1 && d.digits[d.count - 1] == '0') d.count--;
  return d;
}

static decimal to_digits(double v, int after_first) {
  char s[64];
  snprintf(s, sizeof s, "%.*e", after_first, v);
  return parsed(s);
}

/* The shortest digits that give the number back. */
static decimal shortest(double v, bool single) {
  char s[64];
  for (int n = 0;; n++) {
    snprintf(s, sizeof s, "%.*e", n, v);
    if (n == 17 || (single ? strtof(s, NULL) == (float)v : strtod(s, NULL) == v)) return parsed(s);
  }
}

/* With at most PRECISION digits behind the point. */
static decimal positional(double v, bool single) {
  const decimal d = shortest(v, single);
  if (v == 0 || d.count - 1 - d.exponent <= PRECISION) return d;
  char s[400];
  snprintf(s, sizeof s, "%.*f", PRECISION, v); /* rounds the number itself, not its shortest digits */
  char digits[400];
  int n = 0, point = 0;
  for (const char *p = s; *p; p++)
    if (*p >= '0' && *p <= '9') digits[n++] = *p;
  point = n - PRECISION;
  int first = 0;
  while (first < n - 1 && digits[first] == '0') first++;
  decimal r = { .negative = s[0] == '-', .exponent = point - 1 - first };
  while (n > first + 1 && digits[n - 1] == '0') n--;
  for (int i = first; i < n && r.count < 31; i++) r.digits[r.count++] = digits[i];
  if (r.digits[0] == '0') r.exponent = 0;
  return r;
}
static decimal scientific(double v, bool single) {
  const decimal d = shortest(v, single);
  return d.count - 1 > PRECISION ? to_digits(v, PRECISION) : d;
}

/* Digits before and behind the point in positional notation. */
static int whole_digits(const decimal *d) { return (d->exponent > 0 ? d->exponent : 0) + 1 + d->negative; }
static int part_digits(const decimal *d) {
  const bool zero = d->count == 1 && d->digits[0] == '0';
  return zero || d->count - 1 - d->exponent < 0 ? 0 : d->count - 1 - d->exponent;
}

static void write_positional(cni_text *t, const decimal *d) {
  if (d->negative) cni_text_add(t, "-");
  if (d->exponent < 0) cni_text_add(t, "0");
  for (int i = 0; i <= d->exponent; i++) cni_text_put(t, i < d->count ? &d->digits[i] : "0", 1);
  cni_text_add(t, ".");
  const int behind = part_digits(d);
  for (int i = 0; i < behind; i++) {
    const int at = d->exponent + 1 + i;
    cni_text_put(t, at >= 0 ? &d->digits[at] : "0", 1);
  }
}

static int exponent_digits(int exponent) {
  const int n = snprintf(NULL, 0, "%d", abs(exponent));
  return n < 2 ? 2 : n;
}

static void write_scientific(cni_text *t, const decimal *d, int behind, int exponent_width) {
  char e[16];
  if (d->negative) cni_text_add(t, "-");
  cni_text_put(t, d->digits, 1);
  cni_text_add(t, ".");
  for (int i = 1; i <= behind; i++) cni_text_put(t, i < d->count ? &d->digits[i] : "0", 1);
  snprintf(e, sizeof e, "e%c%0*d", d->exponent < 0 ? '-' : '+', exponent_width, abs(d->exponent));
  cni_text_add(t, e);
}

/* ---- one form for all elements shown ---- */
typedef struct format {
  const cn_tensor *x;
  bool single, exponential, summarized;
  int left, right;             /* columns before and behind the point; integers and truth values: left alone */
  int behind, exponent_width;  /* scientific */
} format;

static bool is_shown(const format *f, int64_t i) {
  const cn_dims *d = &f->x->dims;
  for (int a = d->rank - 1; f->summarized && a >= 0; i /= d->d[a], a--) {
    const int64_t k = i % d->d[a];
    if (d->d[a] > 2 * EDGE && k >= EDGE && k < d->d[a] - EDGE) return false;
  }
  return true;
}

static void widen(int *width, int n) {
  if (n > *width) *width = n;
}

static void choose_notation(format *f) {
  double most = 0, least = INFINITY;
  for (int64_t i = 0; i < f->x->count; i++) {
    const double v = fabs(cni_value_at(f->x, i));
    if (!is_shown(f, i) || !isfinite(v) || v == 0) continue;
    most = fmax(most, v);
    least = fmin(least, v);
  }
  if (f->single)
    f->exponential = most > 0 && (most >= 1e8 || (float)least < 0.0001f || (float)most / (float)least > 1000); /* NumPy compares in the array's type */
  else f->exponential = most > 0 && (most >= 1e8 || least < 0.0001 || most / least > 1000);
}

static void measure_finite(format *f, double v) {
  const decimal d = f->exponential ? scientific(v, f->single) : positional(v, f->single);
  if (f->exponential) {
    widen(&f->left, 1 + d.negative);
    widen(&f->behind, d.count - 1);
    widen(&f->exponent_width, exponent_digits(d.exponent));
    f->right = f->exponent_width + 2 + f->behind;
  } else {
    widen(&f->left, whole_digits(&d));
    widen(&f->right, part_digits(&d));
  }
}

static void measure_floats(format *f) {
  choose_notation(f);
  for (int64_t i = 0; i < f->x->count; i++)
    if (is_shown(f, i) && isfinite(cni_value_at(f->x, i))) measure_finite(f, cni_value_at(f->x, i));
  for (int64_t i = 0; i < f->x->count; i++) {
    const double v = cni_value_at(f->x, i);
    if (is_shown(f, i) && !isfinite(v)) widen(&f->left, (v == -INFINITY ? 4 : 3) - (f->right + 1));
  }
}

static int64_t integer_at(const cn_tensor *x, int64_t i) { return x->dtype == CN_I64 ? ((const int64_t *)x->data)[i] : (int64_t)cni_value_at(x, i); }

static format format_of(const cn_tensor *x) {
  format f = { .x = x, .single = x->dtype == CN_F32, .summarized = x->count > THRESHOLD };
  if (cni_is_float((cn_dtype)x->dtype)) measure_floats(&f);
  else if (x->dtype == CN_BOOL) f.left = 5;
  for (int64_t i = 0; !cni_is_float((cn_dtype)x->dtype) && x->dtype != CN_BOOL && x->dtype != CN_STRING && i < x->count; i++)
    if (is_shown(&f, i)) widen(&f.left, snprintf(NULL, 0, "%lld", (long long)integer_at(x, i)));
  return f;
}

static void write_float(cni_text *t, const format *f, double v) {
  if (!isfinite(v)) {
    const char *s = isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
    put_many(t, ' ', f->left + f->right + 1 - (int64_t)strlen(s));
    cni_text_add(t, s);
    return;
  }
  const decimal d = f->exponential ? scientific(v, f->single) : positional(v, f->single);
  put_many(t, ' ', f->left - (f->exponential ? 1 + d.negative : whole_digits(&d)));
  if (f->exponential) {
    write_scientific(t, &d, f->behind, f->exponent_width);
    return;
  }
  write_positional(t, &d);
  put_many(t, ' ', f->right - part_digits(&d));
}

static void write_string(cni_text *t, const cn_tensor *x, int64_t i) {
  int64_t n;
  const char *s = cn_string_at(x, i, &n);
  const char *quote = n && memchr(s, '\'', (size_t)n) && !memchr(s, '"', (size_t)n) ? "\"" : "'";
  cni_text_add(t, quote);
  for (int64_t k = 0; k < n; k++) {
    const unsigned char c = (unsigned char)s[k];
    if (c == '\\' || c == (unsigned char)*quote) cni_text_add(t, "\\");
    if (c == '\n') cni_text_add(t, "\\n");
    else if (c == '\t') cni_text_add(t, "\\t");
    else if (c == '\r') cni_text_add(t, "\\r");
    else if (c < 32 || c == 127) cni_text_format(t, "\\x%02x", c);
    else cni_text_put(t, s + k, 1);
  }
  cni_text_add(t, quote);
}

static void write_element(cni_text *t, const format *f, int64_t i) {
  const cn_tensor *x = f->x;
  char s[32];
  if (cni_is_float((cn_dtype)x->dtype)) {
    write_float(t, f, cni_value_at(x, i));
  } else if (x->dtype == CN_STRING) {
    write_string(t, x, i);
  } else {
    if (x->dtype == CN_BOOL) snprintf(s, sizeof s, "%5s", cni_value_at(x, i) != 0 ? "True" : "False");
    else snprintf(s, sizeof s, "%*lld", f->left, (long long)integer_at(x, i));
    cni_text_add(t, s);
  }
}

/* A single number: all its digits, and a point or an exponent. */
static void write_scalar(cni_text *t, const cn_tensor *x) {
  format f = { .x = x, .single = x->dtype == CN_F32 };
  const double v = x->dtype == CN_STRING ? 0 : cni_value_at(x, 0);
  if (x->dtype == CN_STRING) {
    int64_t n;
    const char *s = cn_string_at(x, 0, &n);
    cni_text_put(t, s, (size_t)n);
  } else if (x->dtype == CN_BOOL) {
    cni_text_add(t, v != 0 ? "True" : "False");
  } else if (!cni_is_float((cn_dtype)x->dtype) || !isfinite(v)) {
    write_element(t, &f, 0);
  } else {
    const decimal d = shortest(v, f.single);
    if (v != 0 && (d.exponent < -4 || d.exponent >= 16)) {
      cni_text plain = { .g = t->g };
      write_scientific(&plain, &d, d.count - 1, exponent_digits(d.exponent));
      char *point = d.count == 1 && plain.p ? strchr(plain.p, '.') : NULL; /* 1e-05, not 1.e-05 */
      if (point) memmove(point, point + 1, strlen(point));
      cni_text_add(t, plain.p ? plain.p : "");
      return;
    }
    write_positional(t, &d);
    if (!part_digits(&d)) cni_text_add(t, "0");
  }
}

/* ---- brackets and lines ---- */
typedef struct line { cni_text *out; size_t begin, hanging; /* the line's place in out, columns of its indent */ } line;

/* Adds a word to the line; a full line is ended first. */
static void add_word(line *l, const char *word, size_t n, size_t width) {
  const size_t length = l->out->size - l->begin;
  if (length + n > width && length > l->hanging) {
    while (l->out->size > l->begin && l->out->p[l->out->size - 1] == ' ') l->out->size--;
    cni_text_add(l->out, "\n");
    l->begin = l->out->size;
    put_many(l->out, ' ', (int64_t)l->hanging);
  }
  cni_text_put(l->out, word, n);
}

static void write_row(cni_text *t, const format *f, int64_t at, int64_t n, size_t hanging, size_t width) {
  const bool cut = f->summarized && n > 2 * EDGE;
  line l = { t, t->size - hanging, hanging };
  for (int64_t i = 0; i < n; i++) {
    cni_text word = { .g = t->g };
    if (cut && i == EDGE) {
      cni_text_add(&word, "...");
      i = n - EDGE - 1;
    } else {
      write_element(&word, f, at + i);
    }
    if (word.failed) {
      t->failed = true;
      return;
    }
    add_word(&l, word.p, word.size, width - 1);
    if (i + 1 < n) cni_text_add(t, " ");
  }
}

/* The part [at, ...) of axis `axis` on; `hanging` columns stand before its bracket's content. */
static void write_axis(cni_text *t, const format *f, int axis, int64_t at, size_t hanging, size_t width) {
  const cn_dims *d = &f->x->dims;
  const int left = d->rank - axis;
  cni_text_add(t, "[");
  if (left == 1) {
    write_row(t, f, at, d->d[axis], hanging, width);
  } else {
    int64_t stride = 1;
    for (int a = axis + 1; a < d->rank; a++) stride *= d->d[a];
    const bool cut = f->summarized && d->d[axis] > 2 * EDGE;
    for (int64_t i = 0; i < d->d[axis]; i++) {
      if (i) put_many(t, ' ', (int64_t)hanging);
      if (cut && i == EDGE) {
        cni_text_add(t, "...");
        i = d->d[axis] - EDGE - 1;
      } else {
        write_axis(t, f, axis + 1, at + i * stride, hanging + 1, width - 1);
      }
      if (i + 1 < d->d[axis]) put_many(t, '\n', left - 1);
    }
  }
  cni_text_add(t, "]");
}

const char *cn_tensor_text(const cn_tensor *x) {
  if (!cn_data(x) && !(x && x->graph && cni_alive(x->graph, x) && x->count == 0)) return "";
  cni_text t = { .g = x->graph };
  if (!x->dims.rank) {
    write_scalar(&t, x);
  } else if (!x->count) {
    cni_text_add(&t, "[]");
  } else {
    const format f = format_of(x);
    write_axis(&t, &f, 0, 0, 1, WIDTH);
  }
  return cni_text_done(&t);
}

void cn_print(const cn_tensor *x) {
  const char *s = cn_tensor_text(x);
  if (*s) cni_print(x->graph, "%s\n", s);
}
