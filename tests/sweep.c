#include "sweep.h"
#include <stdio.h>
#include <stdlib.h>

static cn_dtype dtype_of(const sample_input *in, cn_dtype dtype) {
  switch (in->kind) {
  case 'f': return dtype;
  case 'i': return CN_I32;
  case 'l': return CN_I64;
  case 's': return CN_STRING;
  default: return CN_BOOL;
  }
}

static cn_tensor *random_texts(cn_graph *g, const cn_dims *d) {
  static const char *const words[] = { "a", "bc", "", "def" };
  const char *texts[64];
  for (int i = 0; i < 64; i++) texts[i] = words[i % 4];
  return cn_string_array(g, d, texts);
}

/* What makes matrices with elements in (-2, 2) diagonally dominant. */
static double on_diagonal(const cn_dims *d, int64_t i) {
  const int64_t n = d->d[d->rank - 1];
  return i % (n * n) % (n + 1) == 0 ? 2 * (double)n + 1 : 0;
}

static cn_tensor *random_tensor(cn_graph *g, const sample_input *in, cn_dtype dtype, cn_stream *s) {
  if (in->kind == 's') return random_texts(g, &in->dims);
  const int64_t n = cn_dims_count(&in->dims);
  cn_tensor *x = cn_zeros(g, dtype_of(in, dtype), &in->dims);
  double *u = malloc((size_t)(n + 1) * sizeof *u);
  int64_t *order = malloc((size_t)(n + 1) * sizeof *order);
  cn_random_fill_uniform(s, CN_F64, u, n, in->low, in->high);
  if (in->distinct) cn_random_fill_permutation(s, order, n);
  for (int64_t i = 0; x && i < n; i++) {
    const double v = in->distinct   ? in->low + (in->high - in->low) * ((double)order[i] + 0.5 + 0.2 * u[i] / in->high) / (double)n
                     : in->definite ? u[i] + on_diagonal(&in->dims, i)
                                    : u[i];
    cni_value_set(x, i, in->kind == 'f' ? v : in->kind == 'b' ? v > 0 : (double)(int64_t)(v < 0 ? v - 1 : v));
  }
  free(u);
  free(order);
  return x;
}

/* One input's form; moves *p behind it. */
static bool read_input(const char **p, sample_input *in) {
  const char *q = *p;
  *in = (sample_input){ .kind = *q++, .low = -2, .high = 2 };
  if (in->kind == '_') return *p = q, true;
  if (!strchr("filbs", in->kind) || *q++ != '[') return false;
  while (*q != ']') in->dims.d[in->dims.rank++] = strtoll(q, (char **)(uintptr_t)&q, 10), q += *q == ',';
  q++;
  if (*q == '@' && !strncmp(q, "@distinct", 9)) in->distinct = true, q += 9;
  if (*q == '@' && !strncmp(q, "@definite", 9)) in->definite = true, q += 9;
  else if (*q == '@') {
    in->low = strtod(q + 1, (char **)(uintptr_t)&q);
    in->high = strtod(q + 1, (char **)(uintptr_t)&q);
  }
  *p = q;
  return true;
}

static const char *skip(const char *p) {
  while (*p == ' ' || *p == ',') p++;
  return p;
}
/* Whether an option ("name=...") or the end stands here. */
static bool at_options(const char *p) {
  while (*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')) p++;
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

bool sample_read(cn_graph *g, const cn_op *op, const char *text, sample *s) {
  const char *p = skip(text);
  const bool list = *p == '{';
  s->op = op;
  s->nx = 0;
  memcpy(s->args.bytes, op->schema.defaults, op->schema.size);
  if (list) p = skip(p + 1);
  while (*p && *p != '}' && strncmp(p, "=>", 2) && !(!list && at_options(p))) {
    if (s->nx == SWEEP_INPUTS || !read_input(&p, &s->in[s->nx])) return cn_fail(g, CN_FORMAT, "bad sample of %s: %s", op->name, text), false;
    s->nx++;
    p = skip(p);
  }
  if (list) p = skip(p + 1);
  return options(g, op, p, s);
}

bool sample_fill(cn_graph *g, sample *s, cn_dtype dtype, cn_stream *stream) {
  for (int64_t i = 0; i < s->nx; i++) {
    const sample_input *in = &s->in[i];
    s->x[i] = in->kind == '_' ? CN_NO_TENSOR : random_tensor(g, in, dtype, stream);
    if (!s->x[i]) return false;
  }
  return true;
}

bool sample_make(cn_graph *g, const cn_op *op, const char *text, cn_dtype dtype, cn_stream *stream, sample *s) {
  return sample_read(g, op, text, s) && sample_fill(g, s, dtype, stream);
}

static cn_tensor *as_view(cn_graph *g, cn_tensor *x) {
  const cn_dtype dtype = (cn_dtype)x->dtype;
  const size_t width = cn_dtype_size(dtype);
  cn_tensor *longer = cn_zeros(g, dtype, CN_DIMS(x->count + 1));
  if (!longer) return NULL;
  if (x->count) memcpy((char *)longer->data + width, x->data, (size_t)x->count * width);
  const cn_ints shape = { x->dims.d, x->dims.rank };
  return cn_reshape(g, cn_slice_rows(g, longer, .start = 1, .size = x->count), .newshape = shape);
}

bool sample_view(cn_graph *g, sample *s) {
  for (int64_t i = 0; i < s->nx; i++)
    if (cni_given(s->x[i]) && s->x[i]->dtype != CN_STRING && !(s->x[i] = as_view(g, s->x[i]))) return false;
  return true;
}

bool sample_resize(sample *s, int64_t from, int64_t to) {
  bool changed = false;
  for (int64_t i = 0; i < s->nx; i++) {
    if (s->in[i].kind == 's') return false;
    for (int k = 0; k < s->in[i].dims.rank; k++)
      if (s->in[i].dims.d[k] == from) s->in[i].dims.d[k] = to, changed = true;
  }
  return changed;
}

int64_t sample_elements(cn_graph *g, sample *s) {
  cn_tensor *x[SWEEP_INPUTS];
  int64_t sum = 0;
  for (int64_t i = 0; i < s->nx; i++) {
    const sample_input *in = &s->in[i];
    x[i] = in->kind == '_' ? CN_NO_TENSOR : cn_symbolic(g, dtype_of(in, CN_F32), &in->dims);
    if (in->kind != '_') sum += cn_dims_count(&in->dims);
  }
  cn_tensor *const *y = sample_run(g, s, s->op, x);
  if (!cn_ok(g)) return cn_graph_clear(g), -1;
  for (int64_t i = 0, n = sample_outputs(g, s, s->op); i < n; i++) sum += y[i]->count > 0 ? y[i]->count : 0;
  return sum;
}

int64_t sample_outputs(cn_graph *g, const sample *s, const cn_op *op) { return cni_call_outputs(g, op, s->args.bytes); }

int64_t sample_targets(const sample *s, cn_tensor **targets) {
  int64_t n = 0;
  for (int64_t i = 0; i < s->nx; i++)
    if (cni_given(s->x[i]) && s->x[i]->dtype == CN_F64) targets[n++] = s->x[i];
  return n;
}

cn_tensor *const *sample_run(cn_graph *g, sample *s, const cn_op *op, cn_tensor *const *x) {
  if (op->inputs == CN_LIST) {
    const cn_tensors l = { x, s->nx };
    memcpy(s->args.bytes + op->schema.rows[0].offset, &l, sizeof l);
  }
  for (int64_t i = 0; op->inputs != CN_LIST && i < s->nx && i < op->inputs; i++) memcpy(s->args.bytes + op->schema.rows[i].offset, &x[i], sizeof x[i]);
  return cn_apply(g, op, s->args.bytes);
}

void sweep_samples(void (*check)(cn_graph *g, const cn_op *op, const char *text)) {
  cn_graph *g = cn_graph_new(.seed = 11);
  const cn_op *op;
  for (int64_t i = 0; (op = cn_op_at(i)); i++)
    for (const char *const *t = op->samples; t && *t; t++) {
      check(g, op, *t);
      cn_graph_clear(g);
    }
  cn_graph_free(g);
}

bool sweep_isa(const char *isa, void (*run)(void)) {
  if (!cni_kernels_named(isa, CN_F32)) return false;
  setenv("CN_ISA", isa, 1);
  run();
  return true;
}
