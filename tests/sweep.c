#include "sweep.h"
#include <stdio.h>
#include <stdlib.h>

static cn_tensor *random_tensor(cn_graph *g, char kind, const cn_dims *d, double low, double high, bool distinct, cn_dtype dtype, cn_stream *s) {
  static const char *const words[] = { "a", "bc", "", "def" };
  const char *texts[64];
  const int64_t n = d->rank ? cn_dims_count(d) : 1;
  if (kind == 's') {
    for (int64_t i = 0; i < n && i < 64; i++) texts[i] = words[i % 4];
    return cn_string_array(g, d, texts);
  }
  const cn_dtype t = kind == 'f' ? dtype : kind == 'i' ? CN_I32 : kind == 'l' ? CN_I64 : CN_BOOL;
  cn_tensor *x = cn_zeros(g, t, d);
  double *u = malloc((size_t)(n + 1) * sizeof *u);
  int64_t *order = malloc((size_t)(n + 1) * sizeof *order);
  cn_random_fill_uniform(s, CN_F64, u, n, low, high);
  if (distinct) cn_random_fill_permutation(s, order, n);
  for (int64_t i = 0; x && i < n; i++) {
    const double v = distinct ? low + (high - low) * ((double)order[i] + 0.5 + 0.2 * u[i] / high) / (double)n : u[i];
    cni_value_set(x, i, kind == 'f' ? v : kind == 'b' ? v > 0 : (double)(int64_t)(v < 0 ? v - 1 : v));
  }
  free(u);
  free(order);
  return x;
}

/* One input; moves *p behind it. */
static bool input(cn_graph *g, const char **p, cn_dtype dtype, cn_stream *s, cn_tensor **out) {
  const char *q = *p;
  if (*q == '_') return *p = q + 1, *out = CN_NO_TENSOR, true;
  const char kind = *q++;
  if (!strchr("filbs", kind) || *q++ != '[') return false;
  cn_dims d = { 0, { 0 } };
  while (*q != ']') d.d[d.rank++] = strtoll(q, (char **)(uintptr_t)&q, 10), q += *q == ',';
  q++;
  double low = -2, high = 2;
  bool distinct = false;
  if (*q == '@' && !strncmp(q, "@distinct", 9)) distinct = true, q += 9;
  else if (*q == '@') {
    low = strtod(q + 1, (char **)(uintptr_t)&q);
    high = strtod(q + 1, (char **)(uintptr_t)&q);
  }
  *p = q;
  return (*out = random_tensor(g, kind, &d, low, high, distinct, dtype, s)) != NULL;
}

static const char *skip(const char *p) {
  while (*p == ' ' || *p == ',') p++;
  return p;
}
/* Whether an option ("name=...") or the end stands here. */
static bool at_options(const char *p) {
  while (*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) p++;
  return *p == '=' || !*p;
}

static bool options(cn_graph *g, const cn_op *op, const char *p, sample *s) {
  char text[512];
  const char *end = strstr(p, "=>");
  s->expected = end ? end + 3 : NULL;
  const int n = end ? (int)(end - p) : (int)strlen(p);
  snprintf(text, sizeof text, "(%.*s)", n, p);
  return cni_options_parse(g, &op->schema, s->args.bytes, text, NULL, cni_take_arena, cni_step_arena(g));
}

bool sample_make(cn_graph *g, const cn_op *op, const char *text, cn_dtype dtype, cn_stream *stream, sample *s) {
  const char *p = skip(text);
  const bool list = *p == '{';
  s->op = op;
  s->nx = 0;
  memcpy(s->args.bytes, op->schema.defaults, op->schema.size);
  if (list) p = skip(p + 1);
  while (*p && *p != '}' && strncmp(p, "=>", 2) && !(!list && at_options(p))) {
    if (s->nx == SWEEP_INPUTS || !input(g, &p, dtype, stream, &s->x[s->nx])) return cn_fail(g, CN_FORMAT, "bad sample of %s: %s", op->name, text), false;
    s->nx++;
    p = skip(p);
  }
  if (list) p = skip(p + 1);
  return options(g, op, p, s);
}

cn_tensor *const *sample_run(cn_graph *g, sample *s, const cn_op *op, cn_tensor *const *x) {
  if (op->inputs == CN_LIST) {
    const cn_tensors l = { x, s->nx };
    memcpy(s->args.bytes + op->schema.rows[0].offset, &l, sizeof l);
  }
  for (int64_t i = 0; op->inputs != CN_LIST && i < s->nx && i < op->inputs; i++) memcpy(s->args.bytes + op->schema.rows[i].offset, &x[i], sizeof x[i]);
  return cn_apply(g, op, s->args.bytes);
}
