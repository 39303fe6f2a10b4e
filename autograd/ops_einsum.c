#include "ops_einsum.h"
#include <stdio.h>
#include "contract_private.h"
#include "elementwise_private.h"
#include "ops.h"
#include "ops_layout_private.h"

/* Every operation here is a contraction; its plan gives the labels, or false after reporting what does not fit. */
typedef bool planner(const cn_call *c, cni_contraction *p);

/* ---- plans ---- */
static bool inner_sizes(const cn_call *c) {
  char a[160], b[160];
  cn_fail(c->graph, CN_SHAPE, "inner sizes differ: %s x %s", cn_dims_text(&c->x[0]->dims, a, sizeof a), cn_dims_text(&c->x[1]->dims, b, sizeof b));
  return false;
}

/* a and b with n pairs of summed axes; the result has the axes that are left. */
static bool plan_pairs(const cn_call *c, cni_contraction *p, const cn_dims *da, const cn_dims *db, int n, const int *of_a, const int *of_b) {
  int8_t a[CN_MAX_RANK], b[CN_MAX_RANK];
  int wrong;
  for (int i = 0; i < da->rank; i++) a[i] = (int8_t)i;
  for (int i = 0; i < db->rank; i++) b[i] = (int8_t)(CN_MAX_RANK + i);
  for (int i = 0; i < n; i++) b[of_b[i]] = a[of_a[i]];
  if (!cni_contraction_add(p, c->x[0], da, a, &wrong) || !cni_contraction_add(p, c->x[1], db, b, &wrong)) return inner_sizes(c);
  for (int i = 0; i < da->rank; i++) {
    bool summed = false;
    for (int k = 0; k < n; k++) summed |= of_a[k] == i;
    if (!summed) p->y[p->rank++] = a[i];
  }
  for (int i = 0; i < db->rank; i++)
    if (b[i] >= CN_MAX_RANK) p->y[p->rank++] = b[i];
  return true;
}

static bool plan_dot(const cn_call *c, cni_contraction *p) {
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  const int last = a->rank - 1, other = b->rank > 1 ? b->rank - 2 : 0;
  return plan_pairs(c, p, a, b, a->rank && b->rank ? 1 : 0, &last, &other);
}
static bool plan_inner(const cn_call *c, cni_contraction *p) {
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  const int last = a->rank - 1, other = b->rank - 1;
  return plan_pairs(c, p, a, b, a->rank && b->rank ? 1 : 0, &last, &other);
}
static cn_dims flat(const cn_tensor *x) { return (cn_dims){ 1, { x->count < 0 ? CN_UNKNOWN : x->count } }; }
static bool plan_vdot(const cn_call *c, cni_contraction *p) {
  const cn_dims a = flat(c->x[0]), b = flat(c->x[1]);
  const int first = 0;
  return plan_pairs(c, p, &a, &b, 1, &first, &first);
}
static bool plan_outer(const cn_call *c, cni_contraction *p) {
  const cn_dims a = flat(c->x[0]), b = flat(c->x[1]);
  return plan_pairs(c, p, &a, &b, 0, NULL, NULL);
}

static bool plan_tensordot(const cn_call *c, cni_contraction *p) {
  const cn_ints axes = ((const cn_tensordot_args *)c->args)->axes;
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  const int64_t n = axes.n < 0 ? 2 : axes.n == 1 ? axes.v[0] : axes.n / 2;
  int of_a[CN_MAX_RANK], of_b[CN_MAX_RANK];
  uint32_t seen_a = 0, seen_b = 0;
  if (axes.n > 1 && axes.n % 2) return cn_fail(c->graph, CN_VALUE, "axes has %lld entries: a number, or as many for each input", (long long)axes.n), false;
  if (n < 0 || n > a->rank || n > b->rank)
    return cn_fail(c->graph, CN_VALUE, "cannot sum over %lld axes of inputs of ranks %d and %d", (long long)n, a->rank, b->rank), false;
  for (int i = 0; i < n; i++) {
    const bool given = axes.n > 1;
    of_a[i] = given ? cn_axis(c->graph, axes.v[i], a->rank) : a->rank - (int)n + i;
    of_b[i] = given && of_a[i] >= 0 ? cn_axis(c->graph, axes.v[n + i], b->rank) : i;
    if (of_a[i] < 0 || of_b[i] < 0) return false;
    if ((seen_a >> of_a[i] | seen_b >> of_b[i]) & 1) return cn_fail(c->graph, CN_VALUE, "an axis is given twice"), false;
    seen_a |= 1u << of_a[i];
    seen_b |= 1u << of_b[i];
  }
  return plan_pairs(c, p, a, b, (int)n, of_a, of_b);
}

/* ---- subscripts ---- */
static int label_of(char ch) { return ch >= 'a' && ch <= 'z' ? ch - 'a' : ch >= 'A' && ch <= 'Z' ? 26 + ch - 'A' : -1; }
static char letter_of(int label) { return (char)(label < 26 ? 'a' + label : 'A' + label - 26); }

/* One term, up to ',', '-' or the end: labels of `rank` axes (rank < 0: as many as it names, ellipsis axes `spread`). -1 after reporting, else how many. */
static int read_term(cn_graph *g, const char **text, int rank, int spread, int8_t *labels) {
  int named = 0, n = 0;
  bool dots = false;
  const char *s = *text;
  for (; *s && *s != ',' && *s != '-'; s++) named += label_of(*s) >= 0, dots |= *s == '.';
  if (rank >= 0) spread = dots ? rank - named : 0;
  if (spread < 0 || (rank >= 0 && named + spread != rank))
    return cn_fail(g, CN_SHAPE, "the subscript \"%.*s\" names %d axes, its operand has %d", (int)(s - *text), *text, named, rank), -1;
  if (named + (dots ? spread : 0) > CN_MAX_RANK)
    return cn_fail(g, CN_SHAPE, "the subscript \"%.*s\" has more than %d axes", (int)(s - *text), *text, CN_MAX_RANK), -1;
  for (const char *t = *text; t < s; t++) {
    if (*t == ' ') continue;
    if (!strncmp(t, "...", 3) && dots) {
      for (int i = 0; i < spread; i++) labels[n++] = (int8_t)(CNI_ELLIPSIS + spread - 1 - i);
      dots = false;
      t += 2;
    } else if (label_of(*t) >= 0) {
      labels[n++] = (int8_t)label_of(*t);
    } else {
      return cn_fail(g, CN_VALUE, "'%c' in the subscripts names no axis", *t), -1;
    }
  }
  *text = s;
  return n;
}

/* The result's labels when there is no "->". */
static void implicit_result(cni_contraction *p, const int *uses, int spread) {
  for (int i = spread - 1; i >= 0; i--) p->y[p->rank++] = (int8_t)(CNI_ELLIPSIS + i);
  for (int l = 26; l < CNI_ELLIPSIS + 26; l++) { /* capitals come first, as in NumPy */
    const int label = l % CNI_ELLIPSIS;
    if (uses[label] == 1 && p->rank < CNI_AXES) p->y[p->rank++] = (int8_t)label;
  }
}

static bool read_result(cn_graph *g, const char *text, cni_contraction *p, int spread) {
  uint64_t seen = 0;
  const int n = read_term(g, &text, -1, spread, p->y);
  if (n < 0) return false;
  if (*text) return cn_fail(g, CN_VALUE, "'%c' in the result's subscripts", *text), false;
  p->rank = n;
  for (int i = 0; i < n; i++) {
    const int l = p->y[i];
    const char name[4] = { l < CNI_ELLIPSIS ? letter_of(l) : '.', l < CNI_ELLIPSIS ? '\0' : '.', '.', '\0' };
    if (p->size[l] == -1) return cn_fail(g, CN_VALUE, "\"%s\" of the result is in no operand", name), false;
    if (seen >> l & 1) return cn_fail(g, CN_VALUE, "\"%s\" is twice in the result", name), false;
    seen |= (uint64_t)1 << l;
  }
  return true;
}

static bool plan_einsum(const cn_call *c, cni_contraction *p) {
  const char *s = ((const cn_einsum_args *)c->args)->subscripts;
  cn_graph *g = c->graph;
  int uses[CNI_LABELS] = { 0 }, spread = 0;
  if (!s) return cn_fail(g, CN_VALUE, "subscripts is required"), false;
  int64_t terms = 1;
  for (const char *t = s; *t && *t != '-'; t++) terms += *t == ',';
  if (terms != c->nx) return cn_fail(g, CN_VALUE, "the subscripts \"%s\" are for %lld operands, got %lld", s, (long long)terms, (long long)c->nx), false;
  if (c->nx > CNI_OPERANDS) return cn_fail(g, CN_UNSUPPORTED, "more than %d operands", CNI_OPERANDS), false;
  for (int64_t i = 0; i < c->nx; i++, s += *s == ',') {
    int8_t labels[CN_MAX_RANK];
    int wrong;
    const int n = read_term(g, &s, c->x[i]->dims.rank, 0, labels);
    if (n < 0) return false;
    int dots = 0;
    for (int k = 0; k < n; k++) uses[labels[k]]++, dots += labels[k] >= CNI_ELLIPSIS;
    if (dots > spread) spread = dots;
    if (cni_contraction_add(p, c->x[i], &c->x[i]->dims, labels, &wrong)) continue;
    char text[160];
    cn_fail(g, CN_SHAPE, "sizes of \"%s\" differ: %lld elsewhere, operand %lld is %s", wrong < CNI_ELLIPSIS ? (char[2]){ letter_of(wrong), '\0' } : "...",
            (long long)p->size[wrong], (long long)i, cn_dims_text(&c->x[i]->dims, text, sizeof text));
    return false;
  }
  if (!*s) return implicit_result(p, uses, spread), true;
  if (s[0] != '-' || s[1] != '>') return cn_fail(g, CN_VALUE, "'%c' in the subscripts names no axis", *s), false;
  return read_result(g, s + 2, p, spread);
}

/* ---- all of them ---- */
static cn_code infer(const cn_call *c, planner *plan) {
  cni_contraction p;
  if (!c->nx) return cn_fail(c->graph, CN_VALUE, "needs at least one operand");
  p.dtype = (cn_dtype)c->x[0]->dtype;
  for (int64_t i = 0; i < c->nx; i++)
    if (!cni_is_float((cn_dtype)c->x[i]->dtype) || c->x[i]->dtype != c->x[0]->dtype)
      return cn_fail(c->graph, CN_DTYPE, "needs inputs of float32 or of float64, all of one");
  cni_contraction_init(&p);
  if (!plan(c, &p)) return cn_error_code(c->graph);
  if (p.rank > CN_MAX_RANK) return cn_fail(c->graph, CN_SHAPE, "the result has %d axes, at most %d are possible", p.rank, CN_MAX_RANK);
  c->sig[0] = (cn_sig){ p.dtype, { p.rank, { 0 } } };
  for (int i = 0; i < p.rank; i++) c->sig[0].dims.d[i] = p.size[p.y[i]];
  return CN_OK;
}

static cn_code forward(const cn_call *c, planner *plan) {
  cni_contraction p;
  p.dtype = (cn_dtype)c->x[0]->dtype;
  cni_contraction_init(&p);
  if (!plan(c, &p)) return cn_error_code(c->graph);
  cni_contraction_finish(&p);
  return c->y[0]->count ? cni_contract(c->graph, &p, c->y[0]->data) : CN_OK;
}

static void reference(const cn_reference *r, planner *plan) {
  const cn_call *c = r->call;
  cni_contraction p;
  int64_t at[CNI_LABELS] = { 0 }, total = 1, y_steps[CN_MAX_RANK];
  cni_contraction_init(&p);
  plan(c, &p);
  cni_contraction_finish(&p);
  for (int l = 0; l < CNI_LABELS; l++)
    if (p.size[l] >= 0) total *= p.size[l];
  cni_strides(&c->y[0]->dims, y_steps);
  for (int64_t i = 0; i < c->y[0]->count; i++) r->y[0][i] = 0;
  for (int64_t e = 0; e < total; e++) {
    int64_t rest = e, to = 0;
    double product = 1;
    for (int l = 0; l < CNI_LABELS; l++)
      if (p.size[l] > 0) at[l] = rest % p.size[l], rest /= p.size[l];
    for (int i = 0; i < p.count; i++) {
      int64_t from = 0;
      for (int k = 0; k < p.x[i].rank; k++) from += at[p.x[i].label[k]] * p.x[i].step[k];
      product *= r->x[i][from];
    }
    for (int i = 0; i < p.rank; i++) to += at[p.y[i]] * y_steps[i];
    r->y[0][to] += product;
  }
}

/* ---- gradient: gx_i = einsum of gy and the other operands; sums that it lacks are undone by ones, diagonals by identity matrices ---- */
typedef struct text { char v[256]; int n; } text; /* 17 terms of 8 letters, and what one operand's gradient adds */
typedef struct gradient {
  cn_graph *g;
  const cni_contraction *p;
  cn_tensor *x[2 * CNI_OPERANDS];
  int n;
  text terms;
  uint64_t free, covered;
  char letter[CNI_LABELS];
} gradient;

static char fresh(gradient *d) {
  const int l = __builtin_ctzll(d->free);
  d->free &= d->free - 1;
  return letter_of(l);
}
static void put(text *t, char ch) { t->v[t->n++] = ch; }

/* Adds an operand with axes of these labels (those that p dropped of it are dropped by reshaping). */
static void add_operand(gradient *d, cn_tensor *x, const cn_dims *dims, const int8_t *labels, int rank) {
  const cn_ints shape = { dims->d, dims->rank };
  if (d->n) put(&d->terms, ',');
  for (int i = 0; i < rank; i++) {
    put(&d->terms, d->letter[labels[i]]);
    d->covered |= (uint64_t)1 << labels[i];
  }
  d->x[d->n++] = x && !cn_dims_equal(&x->dims, dims) ? cn_reshape(d->g, x, .newshape = shape) : x;
}

static void add_extra(gradient *d, cn_tensor *x, char a, char b) {
  put(&d->terms, ',');
  put(&d->terms, a);
  if (b) put(&d->terms, b);
  d->x[d->n++] = x;
}

typedef struct seen { cn_dims dims; int8_t label[CN_MAX_RANK]; } seen;
/* Operand i without the axes that it broadcasts. */
static seen kept_axes(const cni_contraction *p, const cni_contraction *raw, int i) {
  seen s = { { 0, { 0 } }, { 0 } };
  for (int k = 0; k < raw->x[i].rank; k++) {
    const int l = raw->x[i].label[k];
    if (raw->dims[i].d[k] == 1 && p->size[l] != 1) continue;
    s.label[s.dims.rank] = (int8_t)l;
    s.dims.d[s.dims.rank++] = raw->dims[i].d[k];
  }
  return s;
}

static cn_tensor *operand_gradient(gradient *d, const cni_contraction *raw, int i, const cn_tensor *x) {
  cn_graph *g = d->g;
  const seen own = kept_axes(d->p, raw, i);
  uint64_t done = 0;
  text result = { .n = 0 };
  for (int k = 0; k < own.dims.rank; k++) {
    const int l = own.label[k];
    const uint64_t bit = (uint64_t)1 << l;
    char name = d->letter[l];
    const cn_dtype dtype = (cn_dtype)x->dtype;
    if (done & bit) { /* a diagonal: a new letter, equal to the first */
      if (!d->free) return cn_fail(g, CN_UNSUPPORTED, "the gradient needs more than %d letters", CNI_ELLIPSIS), NULL;
      add_extra(d, cn_eye(g, dtype, own.dims.d[k], own.dims.d[k], 0), name, 0);
      name = fresh(d);
      put(&d->terms, name);
    } else if (!(d->covered & bit)) {
      add_extra(d, cn_full(g, dtype, &(const cn_dims){ 1, { own.dims.d[k] } }, 1), name, 0);
    }
    done |= bit;
    put(&result, name);
  }
  char all[2 * sizeof result.v];
  snprintf(all, sizeof all, "%.*s->%.*s", d->terms.n, d->terms.v, result.n, result.v);
  const cn_einsum_args args = { g, { d->x, d->n }, all };
  const cn_ints shape = { x->dims.d, x->dims.rank };
  cn_tensor *gx = cn_apply(g, &cn_op_einsum, &args)[0];
  return gx && !cn_dims_equal(&gx->dims, &x->dims) ? cn_reshape(g, gx, .newshape = shape) : gx;
}

static void vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx, planner *plan) {
  const cn_call c = { .graph = g, .op = n->op, .args = n->args, .x = n->x, .nx = n->nx };
  cni_contraction p;
  p.dtype = (cn_dtype)n->x[0]->dtype;
  cni_contraction_init(&p);
  if (!plan(&c, &p)) return;
  gradient base = { .g = g, .p = &p, .free = ((uint64_t)1 << CNI_ELLIPSIS) - 1 };
  for (int l = 0; l < CNI_ELLIPSIS; l++)
    if (p.size[l] != -1) base.letter[l] = letter_of(l), base.free &= ~((uint64_t)1 << l);
  for (int l = CNI_ELLIPSIS; l < CNI_LABELS; l++) {
    if (p.size[l] == -1) continue;
    if (!base.free) {
      cn_fail(g, CN_UNSUPPORTED, "the gradient needs more than %d letters", CNI_ELLIPSIS);
      return;
    }
    base.letter[l] = fresh(&base);
  }
  for (int i = 0; i < n->nx; i++) {
    if (!want[i]) continue;
    gradient d = base;
    add_operand(&d, gy[0], &n->y[0]->dims, p.y, p.rank);
    for (int k = 0; k < n->nx; k++) {
      if (k == i) continue;
      const seen other = kept_axes(&p, &p, k);
      add_operand(&d, n->x[k], &other.dims, other.label, other.dims.rank);
    }
    gx[i] = operand_gradient(&d, &p, i, n->x[i]);
  }
}

/* A product and a sum for every combination of labels. */
static double cost(const cn_call *c, bool (*plan)(const cn_call *c, cni_contraction *p)) {
  cni_contraction p;
  double all = (double)c->nx;
  cni_contraction_init(&p);
  if (!plan(c, &p)) return 0;
  for (int l = 0; l < CNI_LABELS; l++)
    if (p.size[l] >= 0) all *= (double)p.size[l];
  return all;
}

#define CONTRACTION(op, LIST, ...)                                                                                                                                     \
  static cn_code op##_infer(const cn_call *c) { return infer(c, plan_##op); }                                                                                          \
  static cn_code op##_forward(const cn_call *c) { return forward(c, plan_##op); }                                                                                      \
  static double op##_cost(const cn_call *c) { return cost(c, plan_##op); }                                                                                             \
  static void op##_reference(const cn_reference *r) { reference(r, plan_##op); }                                                                                       \
  static void op##_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) { vjp(g, n, gy, want, gx, plan_##op); }                   \
  CN_OP(op, LIST, .outputs = 1, .cost = op##_cost, .reads = CN_READS_ALL_X, .infer = op##_infer, .forward = op##_forward, .vjp = op##_vjp, .reference = op##_reference, __VA_ARGS__)
#define TWO_FLOATS "i[2]@0:3, f[2] => needs inputs of float32 or of float64"

CONTRACTION(einsum, CN_LIST_EINSUM,
            .samples = CN_TEXTS("{f[3,4], f[4,2]}, subscripts='ij,jk->ik'", "{f[2,3,4], f[2,4,2]}, subscripts='bij,bjk->bik'", "{f[3,4]}, subscripts='ij->'",
                                "{f[4,4]}, subscripts='ii->i'", "{f[4,4]}, subscripts='ii'", "{f[5], f[5]}, subscripts='i,i->'",
                                "{f[3,4], f[3,4]}, subscripts='ij,ij->ij'", "{f[2,3,4], f[4,2,3]}, subscripts='abc,cde->abde'",
                                "{f[2,2,3,5], f[2,5,2,4]}, subscripts='acbe,aecd->abcd'", "{f[2,3,4], f[4,5]}, subscripts='...x,xy->...y'",
                                "{f[2,3], f[3,4], f[4,2]}, subscripts='ij,jk,kl->il'", "{f[2,2,3,4], f[2,2,5,4]}, subscripts='bhid,bhjd->bhij'",
                                "{f[3,4], f[4]}, subscripts='ij,j->i'", "{f[3,2,2]}, subscripts='i...->...'", "{f[2,3,2,2]}, subscripts='abcd->dbca'",
                                "{f[0,3], f[0,2]}, subscripts='ij,ik->jk'", "{f[2,1,3], f[4,3]}, subscripts='...i,...i->...'",
                                "{f[3,2], f[4,3]}, subscripts='ba,cb'", "{f[2,3,3,2]}, subscripts='ijji->ij'",
                                "{f[2,3,4,2], f[2,5,4,2]}, subscripts='btnh,bsnh->bnts'", "{f[2,3], f[4]}, subscripts='ij,k->kj'",
                                "{f[], f[2]}, subscripts=',i->i'", "{f[1,3,2], f[4,1,2]}, subscripts='...a,...a'"),
            .rejects = CN_TEXTS("{f[2,3]}, subscripts='ij,jk->ik' => the subscripts \"ij,jk->ik\" are for 2 operands, got 1",
                                "{f[2,3,4]}, subscripts='ij->ji' => the subscript \"ij\" names 2 axes, its operand has 3",
                                "{f[2,3]}, subscripts='i#->i' => the subscript \"i#\" names 1 axes, its operand has 2",
                                "{f[2]}, subscripts='i->j' => \"j\" of the result is in no operand",
                                "{f[2]}, subscripts='i->ii' => \"i\" is twice in the result",
                                "{f[2,3], f[4,5]}, subscripts='ij,jk->ik' => sizes of \"j\" differ: 3 elsewhere, operand 1 is [4,5]",
                                "{f[2]} => subscripts is required", "{i[2]@0:3}, subscripts='i->' => needs inputs of float32 or of float64"));
CONTRACTION(tensordot, CN_LIST_TENSORDOT,
            .samples = CN_TEXTS("f[3,4], f[4,2], axes=[1]", "f[3], f[2], axes=[0]", "f[3,4], f[2,4], axes=[1,1]", "f[2,3], f[2,3], axes=[0,1,0,1]",
                                "f[2,3,4], f[3,4,2]", "f[2,3,4], f[4,3,5], axes=[1,2,1,0]", "f[0,3], f[3,2], axes=[1]"),
            .rejects = CN_TEXTS("f[2,3], f[4,5], axes=[1] => inner sizes differ: [2,3] x [4,5]",
                                "f[2,3], f[4,5], axes=[3] => cannot sum over 3 axes of inputs of ranks 2 and 2",
                                "f[2,3], f[3,2], axes=[0,1,2] => axes has 3 entries", "f[2,3], f[3,2], axes=[1,5] => axis 5 is out of range for rank 2",
                                "f[2,2], f[2,2], axes=[0,0,1,0] => an axis is given twice", TWO_FLOATS));
CONTRACTION(dot, CN_LIST_AB, .samples = CN_TEXTS("f[3,4], f[4,2]", "f[3,4], f[4]", "f[2,3], f[2,3,2]", "f[2,3], f[]", "f[4], f[4]", "f[], f[]", "f[0], f[0]"),
            .rejects = CN_TEXTS("f[4,3], f[5,7] => inner sizes differ: [4,3] x [5,7]", TWO_FLOATS));
CONTRACTION(inner, CN_LIST_AB, .samples = CN_TEXTS("f[3], f[3]", "f[2,3], f[3]", "f[2,3], f[4,3]", "f[], f[2]", "f[2,0], f[3,0]"),
            .rejects = CN_TEXTS("f[2,3], f[2,4] => inner sizes differ: [2,3] x [2,4]", TWO_FLOATS));
CONTRACTION(vdot, CN_LIST_AB, .samples = CN_TEXTS("f[2,3], f[2,3]", "f[6], f[2,3]", "f[], f[]", "f[0], f[0]"),
            .rejects = CN_TEXTS("f[2,3], f[2,4] => inner sizes differ: [2,3] x [2,4]", TWO_FLOATS));
CONTRACTION(outer, CN_LIST_AB, .samples = CN_TEXTS("f[3], f[4]", "f[2,3], f[4]", "f[1], f[1]", "f[], f[2]", "f[0], f[2]"), .rejects = CN_TEXTS(TWO_FLOATS));

const cn_op *const cni_ops_einsum[] = { &cn_op_einsum, &cn_op_tensordot, &cn_op_dot, &cn_op_inner, &cn_op_vdot, &cn_op_outer, NULL };
