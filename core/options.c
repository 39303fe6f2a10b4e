/* Options by their rows: finding, checking, deep copies, equality. Each kind of option has one entry in each table. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "options_private.h"

int cni_option_find(const cn_schema *s, const char *name) {
  for (int i = 0; i < s->count; i++)
    if (strcmp(s->rows[i].name, name) == 0) return i;
  return -1;
}

bool cni_option_fail(cn_graph *g, const cn_schema *s, const char *format, ...) {
  cni_context *c = cni_context_of(g);
  const char *before = c->where;
  va_list args;
  c->where = s->name;
  va_start(args, format);
  cni_vfail(g, CN_VALUE, format, args);
  va_end(args);
  c->where = before;
  return false;
}

bool cni_option_unknown(cn_graph *g, const cn_schema *s, const char *word) {
  const char *nearest = NULL;
  for (int i = 0, best = INT32_MAX; i < s->count; i++) {
    const int d = cni_distance(word, s->rows[i].name);
    if (d >= best) continue;
    best = d;
    nearest = s->rows[i].name;
  }
  if (nearest) return cni_option_fail(g, s, "no option \"%s\"; did you mean \"%s\"?", word, nearest);
  return cni_option_fail(g, s, "no option \"%s\"", word);
}

/* Checks. */

typedef struct range { double low, high; bool open_low, open_high; const char *text; } range;

static const range ranges[] = {
  [CN_CHECK_ANY] = { 0, 0, false, false, NULL },
  [CN_CHECK_POSITIVE] = { 0, INFINITY, true, false, "must be positive" },
  [CN_CHECK_NONNEGATIVE] = { 0, INFINITY, false, false, "must not be negative" },
  [CN_CHECK_FRACTION] = { 0, 1, false, true, "must be in [0, 1)" },
  [CN_CHECK_UNIT] = { 0, 1, false, false, "must be in [0, 1]" },
  [CN_CHECK_NUMBER] = { -INFINITY, INFINITY, false, false, "must be a number" },
};

static const range *range_of(cn_check check) { return &ranges[check <= CN_CHECK_NUMBER ? check : CN_CHECK_ANY]; }

static bool in_range(const range *r, double v) {
  if (!r->text) return true;
  return (r->open_low ? v > r->low : v >= r->low) && (r->open_high ? v < r->high : v <= r->high);
}

typedef struct checked { cn_graph *g; const cn_schema *s; const cn_row *row; const void *value, *standard; } checked;

static bool required(const checked *c) { return cni_option_fail(c->g, c->s, "%s is required", c->row->name); }

static bool not_none(const checked *c) { return cni_option_fail(c->g, c->s, "%s must not be None", c->row->name); }

static bool integer_in_range(const checked *c, int64_t v) {
  const range *r = range_of(c->row->check);
  return in_range(r, (double)v) || cni_option_fail(c->g, c->s, "%s %s, got %" PRId64, c->row->name, r->text, v);
}

static bool real_in_range(const checked *c, double v) {
  const range *r = range_of(c->row->check);
  char text[32];
  if (in_range(r, v)) return true;
  cni_number_text(v, 17, text, sizeof text);
  return cni_option_fail(c->g, c->s, "%s %s, got %s", c->row->name, r->text, text);
}

static bool check_int(const checked *c) {
  const int64_t v = *(const int64_t *)c->value, standard = *(const int64_t *)c->standard;
  if (v == CN_REQUIRED) return required(c);
  if (v == CN_NONE) return standard == CN_NONE || !range_of(c->row->check)->text || not_none(c);
  return integer_in_range(c, v);
}

static bool check_real(const checked *c) {
  const double v = *(const double *)c->value, standard = *(const double *)c->standard;
  if (isinf(v) && v < 0 && isinf(standard) && standard < 0) return required(c);
  return (isnan(v) && isnan(standard)) || real_in_range(c, v);
}

static bool check_size(const checked *c) {
  const int64_t *v = ((const cn_size *)c->value)->d, *standard = ((const cn_size *)c->standard)->d;
  if (v[0] == CN_NONE) return standard[0] == CN_NONE || !range_of(c->row->check)->text || not_none(c);
  if (v[0] == 0 && standard[0] == 0) return required(c);
  for (int i = 0; i < 3 && v[i] != CN_NONE; i++)
    if ((i == 0 || v[i] != 0) && !integer_in_range(c, v[i])) return false;
  return true;
}

/* Every list begins with its array, then the count. A list that was left out has none; an empty one has n = 0 and an array. */
static bool check_list(const checked *c) {
  const cn_tensors *v = c->value;
  if (v->n > 0 && !v->v) return cni_option_fail(c->g, c->s, "%s has no values, but a count of %" PRId64, c->row->name, v->n);
  return (c->row->check != CN_CHECK_REQUIRED && c->row->check != CN_CHECK_REQUIRED_LIST) || v->v || required(c);
}

static bool check_ints(const checked *c) {
  const cn_ints *v = c->value;
  if (!check_list(c)) return false;
  for (int64_t i = 0; i < v->n; i++)
    if (!integer_in_range(c, v->v[i])) return false;
  return true;
}

static bool check_reals(const checked *c) {
  const cn_reals *v = c->value;
  if (!check_list(c)) return false;
  for (int64_t i = 0; i < v->n; i++)
    if (!real_in_range(c, v->v[i])) return false;
  return true;
}

static bool check_dtype(const checked *c, const char *name) {
  static const char *const others[] = { "float16",    "bfloat16",       "mixed_float16", "mixed_bfloat16", "int8",   "int16",     "uint16",
                                        "uint32",     "uint64",         "complex64",     "complex128",     "string", "float8_e4m3fn" };
  const char *names[CN_DTYPES], *nearest;
  cn_dtype dtype;
  if (!name || cn_dtype_from_name(name, &dtype)) return true;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (strcmp(name, others[i]) != 0) continue;
    cn_fail(c->g, CN_UNSUPPORTED, "%s: %s: %s is not supported", c->s->name, c->row->name, name);
    return false;
  }
  for (int i = 0; i < CN_DTYPES; i++) names[i] = cn_dtype_name((cn_dtype)i);
  nearest = cni_nearest(name, names, CN_DTYPES);
  if (nearest) return cni_option_fail(c->g, c->s, "%s: unknown dtype \"%s\"; did you mean \"%s\"?", c->row->name, name, nearest);
  return cni_option_fail(c->g, c->s, "%s: unknown dtype \"%s\"", c->row->name, name);
}

static bool check_data_format(const checked *c, const char *v) {
  if (!v || strcmp(v, "channels_last") == 0 || strcmp(v, "channels_first") == 0) return true;
  return cni_option_fail(c->g, c->s, "%s must be channels_last or channels_first, got \"%s\"", c->row->name, v);
}

static bool check_string(const checked *c) {
  const char *v = *(const char *const *)c->value;
  if (c->row->check == CN_CHECK_REQUIRED && !v) return required(c);
  return c->row->check == CN_CHECK_DATA_FORMAT ? check_data_format(c, v) : c->row->check != CN_CHECK_DTYPE || check_dtype(c, v);
}

static bool check_ref(const checked *c) {
  const cn_object *object = ((const cn_ref *)c->value)->object;
  const int check = (int)c->row->check;
  if (!object || check < (int)CN_KIND_ACTIVATION || check > (int)CN_KIND_CALLBACK || (int)object->cls->kind == check) return true;
  return cni_option_fail(c->g, c->s, "%s must be a kind of %s, got the %s %s", c->row->name, cni_kind_name((cn_kind)check), cni_kind_name(object->cls->kind),
                         object->cls->schema.name);
}

static bool check_pointer(const checked *c) { return c->row->check != CN_CHECK_REQUIRED || *(void *const *)c->value || required(c); }

bool cni_options_check(cn_graph *g, const cn_schema *s, const void *options) {
  static bool (*const checks[])(const checked *) = {
    [CN_OPTION_INT] = check_int,         [CN_OPTION_REAL] = check_real,   [CN_OPTION_BOOL] = NULL,      [CN_OPTION_STRING] = check_string,
    [CN_OPTION_SIZE] = check_size,       [CN_OPTION_INTS] = check_ints,   [CN_OPTION_REALS] = check_reals, [CN_OPTION_STRINGS] = check_list,
    [CN_OPTION_REF] = check_ref,         [CN_OPTION_TENSOR] = check_pointer, [CN_OPTION_TENSORS] = check_list, [CN_OPTION_LAYER] = check_pointer,
    [CN_OPTION_LAYERS] = check_list,     [CN_OPTION_POINTER] = check_pointer,
  };
  for (int i = 0; i < s->count; i++) {
    const checked c = { g, s, &s->rows[i], cni_option_at_const(s, options, i), cni_option_at_const(s, s->defaults, i) };
    if (checks[c.row->kind] && !checks[c.row->kind](&c)) return false;
  }
  return true;
}

/* Deep copies. */

typedef struct copier { cn_graph *g; cni_take take; void *where; } copier;

/* False: no memory, and *p is NULL. */
static bool copy_bytes(const copier *c, const void *const *p, const void **out, size_t bytes) {
  if (!*p) return true;
  void *copy = bytes ? c->take(c->g, c->where, bytes) : NULL;
  if (copy) memcpy(copy, *p, bytes);
  *out = copy;
  return copy || bytes == 0;
}

static bool copy_text(const copier *c, const char **text) {
  const void *p = *text;
  const bool done = copy_bytes(c, &p, &p, *text ? strlen(*text) + 1 : 0);
  *text = p;
  return done;
}

static bool deepen_string(const copier *c, void *at) { return copy_text(c, at); }

static bool deepen_ref(const copier *c, void *at) { return copy_text(c, &((cn_ref *)at)->name); }

/* Lists share their form: a pointer and a count. */
static bool deepen_list(const copier *c, void *at, size_t element) {
  cn_ints *list = at;
  const void *p = list->v;
  size_t bytes;
  if (!cni_size_multiply(list->n > 0 ? (size_t)list->n : 0, element, &bytes)) bytes = SIZE_MAX;
  const bool done = copy_bytes(c, &p, &p, bytes);
  list->v = p;
  if (!done) list->n = 0;
  return done;
}

static bool deepen_numbers(const copier *c, void *at) { return deepen_list(c, at, sizeof(double)); }

static bool deepen_pointers(const copier *c, void *at) { return deepen_list(c, at, sizeof(void *)); }

/* One piece of memory: the pointers, then the texts. */
static bool deepen_strings(const copier *c, void *at) {
  cn_strings *list = at;
  const cn_strings old = *list;
  list->v = NULL;
  if (old.n <= 0) return true;
  list->n = 0;
  size_t bytes = (size_t)old.n * sizeof(char *);
  for (int64_t i = 0; i < old.n; i++) bytes += old.v[i] ? strlen(old.v[i]) + 1 : 0;
  const char **copy = c->take(c->g, c->where, bytes);
  if (!copy) return false;
  char *p = (char *)(copy + old.n);
  for (int64_t i = 0; i < old.n; i++) {
    copy[i] = old.v[i] ? p : NULL;
    if (old.v[i]) p = stpcpy(p, old.v[i]) + 1;
  }
  *list = (cn_strings){ copy, old.n };
  return true;
}

typedef bool (*deepener)(const copier *c, void *at);

static const deepener deepeners[] = {
  [CN_OPTION_STRING] = deepen_string,   [CN_OPTION_INTS] = deepen_numbers, [CN_OPTION_REALS] = deepen_numbers,    [CN_OPTION_STRINGS] = deepen_strings,
  [CN_OPTION_REF] = deepen_ref,         [CN_OPTION_TENSORS] = deepen_pointers, [CN_OPTION_LAYERS] = deepen_pointers, [CN_OPTION_POINTER] = NULL,
};

/* What a deep kind owns stands first in its struct: the text, a reference's name, a list's array. */
static const void **owned(void *at) { return at; }

bool cni_options_deepen(cn_graph *g, const cn_schema *s, void *options, cni_take take, void *where) {
  const copier c = { g, take, where };
  bool done = true;
  for (int i = 0; i < s->count; i++) {
    const deepener deepen = deepeners[s->rows[i].kind];
    if (!deepen) continue;
    if (done) done = deepen(&c, cni_option_at(s, options, i));
    else *owned(cni_option_at(s, options, i)) = NULL;
  }
  return done;
}

void cni_options_free(cn_graph *g, const cn_schema *s, void *options) {
  if (!options) return;
  for (int i = 0; i < s->count; i++)
    if (deepeners[s->rows[i].kind]) cni_free(g, (void *)(uintptr_t)*owned(cni_option_at(s, options, i)));
  cni_free(g, options);
}

/* Equality. */

static bool same_real(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool equal_int(const void *a, const void *b) { return *(const int64_t *)a == *(const int64_t *)b; }

static bool equal_real(const void *a, const void *b) { return same_real(*(const double *)a, *(const double *)b); }

static bool equal_bool(const void *a, const void *b) { return *(const bool *)a == *(const bool *)b; }

static bool equal_string(const void *a, const void *b) { return same_text(*(const char *const *)a, *(const char *const *)b); }

static bool equal_pointer(const void *a, const void *b) { return *(void *const *)a == *(void *const *)b; }

static bool equal_size(const void *a, const void *b) {
  for (int i = 0; i < 3; i++)
    if (cni_size_at(a, i) != cni_size_at(b, i)) return false;
  return true;
}

/* Lists of different None-ness differ: n < 0 is None. */
static bool same_count(int64_t a, int64_t b) { return a == b || (a < 0 && b < 0); }

static bool equal_ints(const void *a, const void *b) {
  const cn_ints *x = a, *y = b;
  return same_count(x->n, y->n) && (x->n <= 0 || x->v == y->v || memcmp(x->v, y->v, (size_t)x->n * sizeof *x->v) == 0);
}

static bool equal_reals(const void *a, const void *b) {
  const cn_reals *x = a, *y = b;
  if (!same_count(x->n, y->n)) return false;
  for (int64_t i = 0; i < x->n; i++)
    if (!same_real(x->v[i], y->v[i])) return false;
  return true;
}

static bool equal_strings(const void *a, const void *b) {
  const cn_strings *x = a, *y = b;
  if (!same_count(x->n, y->n)) return false;
  for (int64_t i = 0; i < x->n; i++)
    if (!same_text(x->v[i], y->v[i])) return false;
  return true;
}

static bool equal_pointers(const void *a, const void *b) {
  const cn_tensors *x = a, *y = b;
  return same_count(x->n, y->n) && (x->n <= 0 || memcmp(x->v, y->v, (size_t)x->n * sizeof *x->v) == 0);
}

static bool equal_ref(const void *a, const void *b) {
  const cn_ref *x = a, *y = b;
  return x->object == y->object && x->fn == y->fn && x->fn2 == y->fn2 && x->user == y->user && same_text(x->name, y->name);
}

bool cni_option_same(const cn_schema *s, int row, const void *a, const void *b) {
  static bool (*const equals[])(const void *, const void *) = {
    [CN_OPTION_INT] = equal_int,         [CN_OPTION_REAL] = equal_real,       [CN_OPTION_BOOL] = equal_bool,        [CN_OPTION_STRING] = equal_string,
    [CN_OPTION_SIZE] = equal_size,       [CN_OPTION_INTS] = equal_ints,       [CN_OPTION_REALS] = equal_reals,      [CN_OPTION_STRINGS] = equal_strings,
    [CN_OPTION_REF] = equal_ref,         [CN_OPTION_TENSOR] = equal_pointer,  [CN_OPTION_TENSORS] = equal_pointers, [CN_OPTION_LAYER] = equal_pointer,
    [CN_OPTION_LAYERS] = equal_pointers, [CN_OPTION_POINTER] = equal_pointer,
  };
  return equals[s->rows[row].kind](cni_option_at_const(s, a, row), cni_option_at_const(s, b, row));
}

bool cni_options_equal(const cn_schema *s, const void *a, const void *b) {
  for (int i = 0; i < s->count; i++)
    if (!cni_option_same(s, i, a, b)) return false;
  return true;
}
