/* Texts with numbers put in, as Python's str.format does, whatever the locale. */
#include <ctype.h>
#include <stdio.h>
#include "callback_private.h"

/* [[fill]align][sign][0][width][.precision][type] */
typedef struct layout {
  char fill, align /* 0: to the right */, sign /* 0: of negative numbers only */, type /* 0: none */;
  int64_t width, precision /* -1: none */;
} layout;

static bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

/* False where the text is no format of numbers. */
static bool read_layout(const char *p, layout *f) {
  *f = (layout){ .fill = ' ', .precision = -1 };
  if (*p && is_align(p[1])) f->fill = p[0], f->align = p[1], p += 2;
  else if (is_align(*p)) f->align = *p++;
  if (*p == '+' || *p == '-' || *p == ' ') f->sign = *p++;
  if (*p == '0') {
    if (!f->align) f->align = '=', f->fill = '0';
    p++;
  }
  if (isdigit((unsigned char)*p) && (!(p = cni_integer_parse(p, &f->width)) || f->width > 255)) return false;
  if (*p == '.' && (!isdigit((unsigned char)p[1]) || !(p = cni_integer_parse(p + 1, &f->precision)) || f->precision > 100)) return false;
  if (*p && strchr("dfFeEgG%", *p)) f->type = *p++;
  return !*p;
}

/* The digits of |v|. The decimal point may be any text in a locale: it is what is no letter, digit or sign. */
static bool write_digits(const layout *f, double v, bool integer, char *text, size_t size) {
  char c_format[] = "%.*f", raw[512], *to = text;
  if (!f->type && f->precision < 0) return cni_number_text(v, 17, text, size) > 0 && (integer || strpbrk(text, ".en") || strlen(strcat(text, ".0")) > 0);
  if ((!f->type && integer) || f->type == 'd') return (integer && f->precision < 0) && snprintf(text, size, "%.0f", v) > 0;
  c_format[3] = f->type == '%' ? 'f' : f->type ? f->type : 'g';
  snprintf(raw, sizeof raw, c_format, f->precision < 0 ? 6 : (int)f->precision, f->type == '%' ? 100 * v : v);
  for (const char *p = raw; *p; p++) {
    const bool kept = isalnum((unsigned char)*p) || *p == '+' || *p == '-';
    if (kept) *to++ = *p;
    else if (to == text || to[-1] != '.') *to++ = '.';
  }
  if (f->type == '%') *to++ = '%';
  *to = '\0';
  return true;
}

static void pad(cni_text *t, char c, int64_t n) {
  while (n-- > 0) cni_text_put(t, &c, 1);
}

static bool put_number(cni_text *t, const layout *f, double v, bool integer) {
  char digits[600];
  const char *sign = signbit(v) && !isnan(v) ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
  if (!write_digits(f, isnan(v) ? NAN : fabs(v), integer, digits, sizeof digits - 4)) return false;
  const int64_t room = f->width - (int64_t)(strlen(sign) + strlen(digits)), left = f->align == '<' ? 0 : f->align == '^' ? room / 2 : room;
  if (f->align == '=') cni_text_add(t, sign);
  pad(t, f->fill, left);
  if (f->align != '=') cni_text_add(t, sign);
  cni_text_add(t, digits);
  if (room > left) pad(t, f->fill, room - left);
  return true;
}

/* A field without its braces. */
static bool put_field(cni_text *t, const char *what, const char *field, size_t n, const cni_named_values *values) {
  char name[128], format[64] = "";
  layout f;
  double v;
  bool integer = false;
  const char *colon = memchr(field, ':', n);
  const size_t length = colon ? (size_t)(colon - field) : n, rest = colon ? n - length - 1 : 0;
  if (length >= sizeof name || rest >= sizeof format) return cn_fail(t->g, CN_VALUE, "%s: the field {%.40s...} is too long", what, field), false;
  memcpy(name, field, length);
  name[length] = '\0';
  if (rest) memcpy(format, colon + 1, rest);
  format[rest] = '\0';
  if (!values->value(values->of, name, &v, &integer)) return cn_fail(t->g, CN_VALUE, "%s: there is no value {%s}", what, name), false;
  if (read_layout(format, &f) && put_number(t, &f, v, integer)) return true;
  return cn_fail(t->g, CN_VALUE, "%s: {%s:%s}: \"%s\" is no format of %s", what, name, format, format, integer ? "an integer" : "a real number"), false;
}

const char *cni_pattern_fill(cn_graph *g, const char *what, const char *pattern, const cni_named_values *values) {
  cni_text t = { .g = g };
  bool ok = cni_text_add(&t, "");
  for (const char *p = pattern; ok && *p;) {
    const char *end = *p == '{' ? strchr(p, '}') : NULL;
    if ((*p == '{' || *p == '}') && p[1] == *p) ok = cni_text_put(&t, p, 1), p += 2;
    else if (*p == '}' || (*p == '{' && !end)) ok = cn_fail(g, CN_VALUE, "%s: a %c stands alone in \"%s\"", what, *p, pattern) == CN_OK;
    else if (*p == '{') ok = put_field(&t, what, p + 1, (size_t)(end - p - 1), values), p = end + 1;
    else ok = cni_text_put(&t, p++, 1);
  }
  return ok && cn_ok(g) ? t.p : NULL;
}
