/* Rows and fields of a table's text. */
#include <stdarg.h>
#include <string.h>
#include "csv_private.h"

bool cni_csv_fail(const cni_csv *c, const char *format, ...) {
  char text[CNI_ERROR_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cn_fail(c->g, CN_FORMAT, "read_csv: %s: line %lld: %s", c->name, (long long)c->line, text);
  return false;
}

/* A line end's bytes: 0, 1, or 2 for CR LF. */
static size_t line_end(const char *p) { return *p == '\n' ? 1 : *p != '\r' ? 0 : p[1] == '\n' ? 2 : 1; }

static bool take_quoted(cni_csv *c, cni_field *f) {
  const char *p = c->p + 1;
  *f = (cni_field){ .p = p, .quoted = true };
  for (;; p++) {
    if (p == c->end && c->more) return c->cut = true, false;
    if (p == c->end) return cni_csv_fail(c, "a quote is not closed");
    if (*p == '\0') return cni_csv_fail(c, "a zero byte");
    if (*p == '\n' || (*p == '\r' && p[1] != '\n')) c->next_line++;
    if (*p != c->quote) continue;
    if (p[1] != c->quote) break;
    f->doubled = true;
    p++;
  }
  f->n = (size_t)(p - f->p);
  c->p = p + 1;
  return c->p == c->end || *c->p == c->delimiter || line_end(c->p) || cni_csv_fail(c, "text follows a closing quote");
}

static bool take_plain(cni_csv *c, cni_field *f) {
  const char *p = c->p;
  while (*p != c->delimiter && *p != '\n' && *p != '\r' && *p != '\0') p++;
  *f = (cni_field){ .p = c->p, .n = (size_t)(p - c->p) };
  c->p = p;
  return p == c->end || *p != '\0' || cni_csv_fail(c, "a zero byte");
}

static bool take_row(cni_csv *c) {
  c->n = 0;
  c->line = c->next_line;
  for (;;) {
    if (!cni_grow(c->g, (void **)&c->v, c->n, &c->capacity, sizeof *c->v)) return false;
    if (!(c->quote && *c->p == c->quote ? take_quoted : take_plain)(c, &c->v[c->n])) return false;
    c->n++;
    if (c->p == c->end || *c->p != c->delimiter) break;
    c->p++;
  }
  c->p += line_end(c->p);
  c->next_line++;
  return true;
}

bool cni_csv_row(cni_csv *c) {
  while (c->p < c->end) {
    if (!take_row(c)) return false;
    if (c->n > 1 || c->v[0].n > 0 || c->v[0].quoted) return true;
  }
  return false;
}

void cni_csv_skip_lines(cni_csv *c, int64_t lines) {
  for (; lines > 0 && c->p < c->end; lines--) {
    while (c->p < c->end && !line_end(c->p)) c->p++;
    c->p += line_end(c->p);
    c->next_line++;
  }
}

size_t cni_field_bytes(const cni_csv *c, const cni_field *f) {
  if (!f->doubled) return f->n;
  size_t quotes = 0;
  for (size_t i = 0; i < f->n; i++) quotes += f->p[i] == c->quote;
  return f->n - quotes / 2;
}

void cni_field_copy(const cni_csv *c, const cni_field *f, char *to) {
  if (!f->doubled) {
    if (f->n) memcpy(to, f->p, f->n);
    return;
  }
  for (size_t i = 0; i < f->n; i++) {
    *to++ = f->p[i];
    if (f->p[i] == c->quote) i++;
  }
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

cni_field cni_field_trim(const cni_field *f) {
  cni_field t = *f;
  for (; t.n > 0 && is_blank(*t.p); t.n--) t.p++;
  while (t.n > 0 && is_blank(t.p[t.n - 1])) t.n--;
  return t;
}
