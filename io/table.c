/* Columns of a table. */
#include "table_private.h"

static int64_t index_of(const char *const *names, int64_t n, const char *name) {
  for (int64_t i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

static bool add(cn_graph *g, const char *what, const char *file, const char *const *names, int64_t n, const char *name, cni_table *t) {
  const int64_t k = name ? index_of(names, n, name) : -1;
  const char *nearest = name && k < 0 ? cni_nearest(name, names, n) : NULL;
  if (nearest) return cn_fail(g, CN_FORMAT, "%s: %s: no column \"%.60s\"; did you mean \"%.60s\"?", what, file, name, nearest), false;
  if (k < 0) return cn_fail(g, CN_FORMAT, "%s: %s: no column \"%.60s\"", what, file, name ? name : ""), false;
  for (int64_t i = 0; i < t->count; i++)
    if (t->column[i] == k) return cn_fail(g, CN_VALUE, "%s: %s: column \"%.60s\" is asked for twice", what, file, name), false;
  t->column[t->count++] = k;
  return true;
}

static bool is_taken(const cni_wanted *w, const char *name) {
  return index_of(w->targets.v, w->targets.n, name) >= 0 || (w->weight && !strcmp(w->weight, name));
}

static bool dtype_of(cn_graph *g, const char *what, const char *option, const char *name, cn_dtype *out) {
  if (name && cn_dtype_from_name(name, out)) return true;
  return cn_fail(g, CN_DTYPE, "%s: %s: no dtype \"%.40s\"", what, option, name ? name : "None"), false;
}

bool cni_table_choose(cn_graph *g, const char *what, const char *file, const char *const *names, int64_t n, const cni_wanted *w, cni_table *t) {
  *t = (cni_table){ .column = cni_alloc(g, (size_t)(n + 1) * sizeof *t->column) };
  if (!t->column || !dtype_of(g, what, "dtype", w->dtype, &t->dtype) || !dtype_of(g, what, "target_dtype", w->target_dtype, &t->target_dtype)) return false;
  for (int64_t i = 0; i < (w->inputs.n > 0 ? w->inputs.n : n); i++) {
    const char *name = w->inputs.n > 0 ? w->inputs.v[i] : names[i];
    if (w->inputs.n <= 0 && is_taken(w, name)) continue;
    if (!add(g, what, file, names, n, name, t)) return false;
  }
  t->inputs = t->count;
  for (int64_t i = 0; i < w->targets.n; i++)
    if (!add(g, what, file, names, n, w->targets.v[i], t)) return false;
  t->targets = t->count - t->inputs;
  if (w->weight && !add(g, what, file, names, n, w->weight, t)) return false;
  t->weights = w->weight != NULL;
  return t->inputs > 0 || cn_fail(g, CN_VALUE, "%s: %s: no column is left as an input", what, file) == CN_OK;
}

bool cni_table_columns(cn_source *s, const char *what, const cni_table *t) {
  cn_column c[3] = { { t->dtype, { 1, { t->inputs } } } };
  int64_t n = 1;
  if (t->targets) c[n++] = (cn_column){ t->target_dtype, { t->targets > 1, { t->targets } } };
  if (t->weights) c[n] = (cn_column){ CN_F32, { 0, { 0 } } };
  return cni_source_columns(s, what, c, 1, t->targets > 0, t->weights);
}

void *cni_table_at(const cni_table *t, const cn_samples *out, int64_t i, cn_dtype *dtype) {
  const int64_t first = i < t->inputs ? 0 : i < t->inputs + t->targets ? t->inputs : t->inputs + t->targets;
  const int64_t column = (i >= t->inputs) + (t->targets && i >= t->inputs + t->targets);
  *dtype = i < t->inputs ? t->dtype : i < t->inputs + t->targets ? t->target_dtype : CN_F32;
  return (char *)out->v[column] + (size_t)(i - first) * (*dtype == CN_STRING ? sizeof(cn_text) : cn_dtype_size(*dtype));
}

double cni_number_of(cn_dtype dtype, const void *p) {
  switch (dtype) {
    case CN_F32: return *(const float *)p;
    case CN_F64: return *(const double *)p;
    case CN_I32: return *(const int32_t *)p;
    case CN_I64: return (double)*(const int64_t *)p;
    default: return *(const unsigned char *)p;
  }
}
