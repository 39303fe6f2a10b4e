/* The text form of options: "(32, activation=relu, strides=[2,1], name='x')". */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "options_private.h"

/* A part of a text, without blanks around it. */
typedef struct slice { const char *p; size_t n; } slice;

typedef struct reader {
  cn_graph *g;
  const cn_schema *s;
  const cn_row *row; /* of the value being read */
  const cni_factory *f;
  cni_take take;
  void *where;
} reader;

static const char *skip_blanks(const char *p) {
  while (isspace((unsigned char)*p)) p++;
  return p;
}

static slice trim(const char *p, const char *end) {
  while (p < end && isspace((unsigned char)*p)) p++;
  while (p < end && isspace((unsigned char)end[-1])) end--;
  return (slice){ p, (size_t)(end - p) };
}

static bool is(slice v, const char *word) { return strlen(word) == v.n && strncmp(v.p, word, v.n) == 0; }

static bool is_none(slice v) { return is(v, "none") || is(v, "None"); }

static bool is_quoted(slice v) { return v.n >= 2 && (*v.p == '\'' || *v.p == '"') && v.p[v.n - 1] == *v.p; }

/* Past a quoted text, or NULL where its end is missing. */
static const char *skip_quoted(const char *p) {
  const char quote = *p++;
  for (; *p && *p != quote; p++)
    if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : NULL;
}

/* The end of a value: the comma or bracket that is not inside it, or the end of the text. NULL where a quote or bracket is left open. */
static const char *skip_value(const char *p) {
  int depth = 0;
  for (; *p; p++) {
    if (*p == '\'' || *p == '"') {
      p = skip_quoted(p);
      if (!p) return NULL;
      p--;
    }
    else if (*p == '(' || *p == '[') depth++;
    else if (depth == 0 && (*p == ',' || *p == ')' || *p == ']')) return p;
    else if (*p == ')' || *p == ']') depth--;
  }
  return depth == 0 ? p : NULL;
}

const char *cni_text_name(const char *text, char *name, size_t size) {
  const char *p = skip_blanks(text), *end = strchr(p, '(');
  if (!end) end = p + strlen(p);
  const slice v = trim(p, end);
  if (size > 0) snprintf(name, size, "%.*s", (int)(v.n < INT32_MAX ? v.n : INT32_MAX), v.p);
  return end;
}

/* Values. */

static bool wrong(const reader *r, slice v, const char *what) {
  return cni_option_fail(r->g, r->s, "%s: \"%.*s\" is %s", r->row->name, (int)(v.n < 64 ? v.n : 64), v.p, what);
}

static bool read_integer(slice v, int64_t *out) { return v.n > 0 && cni_integer_parse(v.p, out) == v.p + v.n; }

static bool read_real(slice v, double *out) { return v.n > 0 && cni_number_parse(v.p, out) == v.p + v.n; }

static bool take_integer(const reader *r, slice v, int64_t *out) {
  if (!read_integer(v, out)) return wrong(r, v, "no integer");
  return *out >= CNI_LEAST_INTEGER || wrong(r, v, "too small");
}

/* A copy of a text without its quotes and escapes. */
static const char *copy(const reader *r, slice v) {
  if (v.n > SIZE_MAX - 1) return NULL;
  char *text = r->take(r->g, r->where, v.n + 1), *out = text;
  if (!text) return NULL;
  const bool quoted = is_quoted(v);
  const char *end = v.p + v.n - quoted;
  for (const char *p = v.p + quoted; p < end; p++) {
    if (quoted && *p == '\\' && p + 1 < end) p++;
    *out++ = *p;
  }
  *out = '\0';
  return text;
}

static bool set_int(const reader *r, slice v, void *at) {
  int64_t *out = at;
  if (is_none(v)) return *out = CN_NONE, true;
  return take_integer(r, v, out);
}

static bool set_real(const reader *r, slice v, void *at) {
  double *out = at;
  if (is_none(v)) return *out = CN_NONE_REAL, true;
  return read_real(v, out) || wrong(r, v, "no number");
}

static bool set_bool(const reader *r, slice v, void *at) {
  const bool yes = is(v, "true") || is(v, "True"), no = is(v, "false") || is(v, "False");
  *(bool *)at = yes;
  return yes || no || wrong(r, v, "neither true nor false");
}

static bool set_string(const reader *r, slice v, void *at) {
  const char **out = at;
  *out = is_none(v) ? NULL : copy(r, v);
  return *out || is_none(v);
}

static bool set_ref(const reader *r, slice v, void *at) {
  cn_ref *out = at;
  *out = (cn_ref){ .name = is_none(v) ? NULL : copy(r, v) };
  return out->name || is_none(v);
}

static bool set_layer(const reader *r, slice v, void *at) {
  cn_layer **out = at;
  *out = NULL;
  if (is_none(v)) return true;
  if (!r->f || !r->f->from_text) return wrong(r, v, "no layer that could be made here");
  const char *text = copy(r, v);
  if (text) *out = (cn_layer *)(void *)r->f->from_text(r->g, CN_KIND_LAYER, text);
  return *out != NULL;
}

static bool set_nothing(const reader *r, slice v, void *at) {
  (void)at;
  return is_none(v) || cni_option_fail(r->g, r->s, "%s cannot be given as text", r->row->name);
}

/* Lists. Elements are visited one by one; lists inside a list are flattened. */

static bool is_list(slice v) { return v.n >= 2 && ((*v.p == '[' && v.p[v.n - 1] == ']') || (*v.p == '(' && v.p[v.n - 1] == ')')); }

static int64_t count_elements(slice v) {
  int64_t count = 1;
  for (size_t i = 0; i < v.n; i++) count += v.p[i] == ',';
  return count;
}

typedef bool (*element_setter)(const reader *r, slice v, void *list, int64_t i);

static bool each_element(const reader *r, slice v, void *list, int64_t *i, element_setter set) {
  if (!is_list(v)) return set(r, v, list, (*i)++);
  const char *p = v.p + 1, *const last = v.p + v.n - 1;
  while (trim(p, last).n > 0) {
    const char *end = skip_value(p);
    if (!end || end > last || !each_element(r, trim(p, end), list, i, set)) return end && end <= last ? false : wrong(r, v, "no list");
    p = end < last ? end + 1 : last;
  }
  return true;
}

/* list->v gets room for every element; list->n grows with them. */
static bool set_list(const reader *r, slice v, cn_ints *list, size_t size, element_setter set) {
  *list = (cn_ints){ NULL, is_none(v) ? -1 : 0 };
  if (is_none(v)) return true;
  const int64_t room = count_elements(v) + 1; /* for set_ints */
  int64_t n = 0;
  size_t bytes;
  if (!cni_size_multiply((size_t)room, size, &bytes)) return false;
  list->v = r->take(r->g, r->where, bytes);
  return list->v && each_element(r, v, list, &n, set);
}

static bool set_ints_element(const reader *r, slice v, void *list, int64_t i) {
  cn_ints *out = list;
  int64_t *element = (int64_t *)(uintptr_t)&out->v[i];
  *element = CN_NONE;
  if (!is_none(v) && !take_integer(r, v, element)) return false;
  out->n = i + 1;
  return true;
}

static bool set_reals_element(const reader *r, slice v, void *list, int64_t i) {
  cn_reals *out = list;
  if (!read_real(v, (double *)(uintptr_t)&out->v[i])) return wrong(r, v, "no number");
  out->n = i + 1;
  return true;
}

static bool set_strings_element(const reader *r, slice v, void *list, int64_t i) {
  cn_strings *out = list;
  const char **element = (const char **)(uintptr_t)&out->v[i];
  out->n = i + 1;
  return (*element = copy(r, v)) != NULL;
}

static bool set_layers_element(const reader *r, slice v, void *list, int64_t i) {
  cn_layers *out = list;
  cn_layer **element = (cn_layer **)(uintptr_t)&out->v[i];
  out->n = i + 1;
  return set_layer(r, v, element);
}

static bool set_size_element(const reader *r, slice v, void *list, int64_t i) {
  if (i >= 3) return cni_option_fail(r->g, r->s, "%s takes at most 3 numbers", r->row->name);
  int64_t *d = &((cn_size *)list)->d[i];
  if (!take_integer(r, v, d)) return false;
  return *d != 0 || cni_option_fail(r->g, r->s, "%s must be positive, got 0", r->row->name); /* a 0 that is written is no entry left out */
}

static bool set_ints(const reader *r, slice v, void *at) {
  if (!set_list(r, v, at, sizeof(int64_t), set_ints_element)) return false;
  if (r->row->check == CN_CHECK_ONE_OR_LIST && is_list(v)) cni_option_mark_list(at);
  return true;
}

static bool set_reals(const reader *r, slice v, void *at) { return set_list(r, v, at, sizeof(double), set_reals_element); }

static bool set_strings(const reader *r, slice v, void *at) { return set_list(r, v, at, sizeof(char *), set_strings_element); }

static bool set_layers(const reader *r, slice v, void *at) { return set_list(r, v, at, sizeof(cn_layer *), set_layers_element); }

static bool set_size(const reader *r, slice v, void *at) {
  int64_t n = 0;
  *(cn_size *)at = (cn_size){ { is_none(v) ? CN_NONE : 0 } };
  if (is_none(v)) return true;
  if (!each_element(r, v, at, &n, set_size_element)) return false;
  if (is_list(v)) cni_size_mark_list(at);
  return true;
}

static bool set_value(const reader *r, slice v, void *at) {
  static bool (*const setters[])(const reader *, slice, void *) = {
    [CN_OPTION_INT] = set_int,         [CN_OPTION_REAL] = set_real,       [CN_OPTION_BOOL] = set_bool,        [CN_OPTION_STRING] = set_string,
    [CN_OPTION_SIZE] = set_size,       [CN_OPTION_INTS] = set_ints,       [CN_OPTION_REALS] = set_reals,      [CN_OPTION_STRINGS] = set_strings,
    [CN_OPTION_REF] = set_ref,         [CN_OPTION_TENSOR] = set_nothing,  [CN_OPTION_TENSORS] = set_nothing,  [CN_OPTION_LAYER] = set_layer,
    [CN_OPTION_LAYERS] = set_layers,   [CN_OPTION_POINTER] = set_nothing,
  };
  if (v.n == 0) return cni_option_fail(r->g, r->s, "%s has no value", r->row->name);
  return setters[r->row->kind](r, v, at);
}

/* The whole list. */

/* Splits "name = value"; name.n is 0 where there is no name. */
static slice split_name(const char *p, const char *end, slice *value) {
  const char *q = p;
  while (q < end && (isalnum((unsigned char)*q) || *q == '_')) q++;
  const char *equals = skip_blanks(q);
  const bool named = q > p && equals < end && *equals == '=';
  *value = trim(named ? equals + 1 : p, end);
  return (slice){ p, named ? (size_t)(q - p) : 0 };
}

typedef struct progress { int next; bool named; uint64_t seen; /* of the first 64 rows */ } progress;

/* Index of the row a value is for, or -1 after an error. */
static int row_of(const reader *r, slice name, slice value, progress *at) {
  char word[64];
  snprintf(word, sizeof word, "%.*s", (int)(name.n < sizeof word ? name.n : sizeof word - 1), name.p);
  if (name.n == 0 && at->named)
    return cni_option_fail(r->g, r->s, "\"%.*s\" has no name, after options that have", (int)(value.n < 64 ? value.n : 64), value.p) - 1;
  if (name.n == 0 && at->next >= r->s->count) return cni_option_fail(r->g, r->s, "takes at most %d options", r->s->count) - 1;
  const int i = name.n == 0 ? at->next++ : cni_option_find(r->s, word);
  if (i < 0) return cni_option_unknown(r->g, r->s, word) - 1;
  const uint64_t bit = i < 64 ? (uint64_t)1 << i : 0;
  if (at->seen & bit) return cni_option_fail(r->g, r->s, "%s is given twice", word) - 1;
  at->seen |= bit;
  at->named = name.n > 0;
  return i;
}

static bool parse_one(reader *r, void *options, const char *p, const char *end, progress *at) {
  slice value;
  const slice name = split_name(p, end, &value);
  const int i = row_of(r, name, value, at);
  if (i < 0) return false;
  r->row = &r->s->rows[i];
  return set_value(r, value, cni_option_at(r->s, options, i));
}

bool cni_options_parse(cn_graph *g, const cn_schema *s, void *options, const char *text, const cni_factory *f, cni_take take, void *where) {
  reader r = { g, s, NULL, f, take, where };
  progress at = { 0, false, 0 };
  const char *p = skip_blanks(text);
  if (!*p) return true;
  if (*p != '(') return cni_option_fail(g, s, "expected \"(\" instead of \"%.64s\"", p);
  for (p = skip_blanks(p + 1); *p != ')'; p = skip_blanks(p)) {
    const char *end = skip_value(p);
    if (!end || (*end != ',' && *end != ')')) return cni_option_fail(g, s, "a bracket or quote is left open in \"%.64s\"", text);
    if (!parse_one(&r, options, p, end, &at)) return false;
    p = *end == ',' ? end + 1 : end;
  }
  p = skip_blanks(p + 1);
  return !*p || cni_option_fail(g, s, "\"%.64s\" follows the options", p);
}
