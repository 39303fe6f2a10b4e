/* Text of numbers, whatever the locale. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "context_private.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A decimal number as it is written: (-1)^negative * digits * 10^exponent, and where it ends. */
typedef struct decimal {
  uint64_t digits;
  int64_t exponent;
  int count;         /* of significant digits; more than 19 do not fit into digits */
  bool negative, any;
  const char *end;
} decimal;

static void add_digit(decimal *d, char c) {
  d->any = true;
  if (d->count == 0 && c == '0') return;
  if (d->count++ < 19) d->digits = d->digits * 10 + (uint64_t)(c - '0');
}

static const char *scan_exponent(const char *p, int64_t *exponent) {
  if (*p != 'e' && *p != 'E') return p;
  const char *q = p + 1;
  const bool negative = *q == '-';
  if (*q == '-' || *q == '+') q++;
  if (!is_digit(*q)) return p;
  int64_t e = 0;
  for (; is_digit(*q); q++)
    if (e < 100000000) e = e * 10 + (*q - '0');
  *exponent += negative ? -e : e;
  return q;
}

static decimal scan(const char *p) {
  decimal d = { .digits = 0 };
  d.negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  for (; is_digit(*p); p++) add_digit(&d, *p);
  if (*p == '.' && (d.any || is_digit(p[1])))
    for (p++; is_digit(*p); p++, d.exponent--) add_digit(&d, *p);
  d.end = d.any ? scan_exponent(p, &d.exponent) : p;
  return d;
}

static const char *parse_special(const char *text, double *out) {
  static const struct { const char *name; double value; } specials[] = { { "infinity", INFINITY }, { "inf", INFINITY }, { "nan", NAN } };
  const bool negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
    const size_t length = strlen(specials[i].name);
    if (strncasecmp(text, specials[i].name, length) != 0) continue;
    *out = negative ? -specials[i].value : specials[i].value;
    return text + length;
  }
  return NULL;
}

/* Any number of digits, correctly rounded: the C library's own, in the C locale (which glibc and musl hand out without making one). */
static const char *parse_long(const char *text, const char *end, double *out) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c == (locale_t)0) return NULL;
  *out = strtod_l(text, NULL, c);
  freelocale(c);
  return end;
}

const char *cni_number_parse(const char *text, double *out) {
  static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
  const decimal d = scan(text);
  if (!d.any) return parse_special(text, out);
  /* Digits below 2^53 and powers of ten up to 10^22 are exact, so one product or quotient is correctly rounded. */
  const bool exact = d.count <= 15 && d.exponent >= -22 && d.exponent <= 22;
  if (!exact && d.count > 0) return parse_long(text, d.end, out);
  const double digits = (double)d.digits;
  const double v = d.count == 0 ? 0 : d.exponent < 0 ? digits / powers[-d.exponent] : digits * powers[d.exponent];
  *out = d.negative ? -v : v;
  return d.end;
}

const char *cni_integer_parse(const char *text, int64_t *out) {
  const bool negative = *text == '-';
  const char *p = text + (*text == '-' || *text == '+');
  if (!is_digit(*p)) return NULL;
  int64_t v = 0; /* kept negative: its range is one larger */
  for (; is_digit(*p); p++)
    if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_sub_overflow(v, (int64_t)(*p - '0'), &v)) return NULL;
  if (!negative && v == INT64_MIN) return NULL;
  *out = negative ? v : -v;
  return p;
}

/* Significant digits, without trailing zeros, and the exponent of the first one. The decimal point, which may be any text in a locale, is passed over. */
typedef struct rounded { char digits[24]; int count, exponent; } rounded;

static rounded round_digits(double v, int digits) {
  char text[64];
  rounded r = { .count = 0 };
  snprintf(text, sizeof text, "%.*e", digits - 1, v);
  const char *e = strrchr(text, 'e');
  for (const char *p = text; p < e && r.count < digits; p++)
    if (is_digit(*p)) r.digits[r.count++] = *p;
  while (r.count > 1 && r.digits[r.count - 1] == '0') r.count--;
  r.exponent = (int)strtol(e + 1, NULL, 10);
  return r;
}

/* As Python's repr lays out: plain from 1e-4 to below 1e16, else with an exponent of at least two digits. */
static int lay_out(const rounded *r, bool negative, char *text) {
  char *p = text;
  const int e = r->exponent;
  if (negative) *p++ = '-';
  if (e < -4 || e >= 16) {
    *p++ = r->digits[0];
    if (r->count > 1) *p++ = '.';
    for (int i = 1; i < r->count; i++) *p++ = r->digits[i];
    return (int)(p - text) + sprintf(p, "e%c%02d", e < 0 ? '-' : '+', abs(e));
  }
  for (int i = e < 0 ? e : 0; i < r->count || i <= e; i++) {
    if (i == e + 1 && i > 0) *p++ = '.';
    *p++ = i >= 0 && i < r->count ? r->digits[i] : '0';
    if (i == e && e < 0) *p++ = '.';
  }
  *p = '\0';
  return (int)(p - text);
}

static bool reads_back(const char *text, double v, int digits) {
  double back = 0;
  cni_number_parse(text, &back);
  return digits <= 9 ? (float)back == (float)v : back == v;
}

static int copy_text(const char *from, char *text, size_t size) { return snprintf(text, size, "%s", from); }

int cni_number_text(double v, int digits, char *text, size_t size) {
  char full[48];
  if (isnan(v)) return copy_text("nan", text, size);
  if (isinf(v)) return copy_text(v < 0 ? "-inf" : "inf", text, size);
  if (fabs(v) < 1e9 && v == (double)(int64_t)v && digits >= 9 && !(v == 0 && signbit(v))) return snprintf(text, size, "%d", (int)v);
  if (digits < 1) digits = 1;
  if (digits > 17) digits = 17;
  /* With 6 (15) digits the shortest text is found whenever it is that short, since trailing zeros go; subnormal numbers have fewer digits that count. */
  const int sure = fabs(v) < (digits <= 9 ? 0x1p-126 : 0x1p-1022) ? 1 : digits <= 9 ? 6 : 15;
  for (int p = sure < digits ? sure : digits; p <= digits; p++) {
    const rounded r = round_digits(fabs(v), p);
    lay_out(&r, signbit(v) != 0, full);
    if (reads_back(full, v, digits)) break;
  }
  return copy_text(full, text, size);
}

int cni_fixed_text(double v, int decimals, char *text, size_t size) {
  char full[400];
  snprintf(full, sizeof full, "%.*f", decimals, v);
  const char *point = localeconv()->decimal_point;
  char *at = decimals > 0 && *point ? strstr(full, point) : NULL;
  if (at) memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1), *at = '.';
  return copy_text(full, text, size);
}
