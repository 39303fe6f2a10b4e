/* x[key] of NumPy's basic indexing and its transpose, declared in ops_slice.h. */
#include "../core/options_private.h"
#include "ops_layout_private.h"
#include "ops_private.h"
#include "ops_slice.h"

/* What a key picks: element i, j, .. of y stands at first + i steps[0] + j steps[1] + .. of x. */
typedef struct cut { cn_dims y; int64_t first, steps[CN_MAX_RANK]; } cut;

/* One bound of "start:stop:step"; false where a number should stand. */
static bool bound(const char **p, int64_t *v, bool *given) {
  *given = **p && **p != ':';
  const char *end = *given ? cni_integer_parse(*p, v) : *p;
  if (!end || (*end && *end != ':')) return false;
  *p = end + (*end == ':');
  return true;
}
static bool slice_parse(const char *text, int64_t v[3], bool given[3]) {
  given[0] = given[1] = given[2] = false;
  for (int i = 0; i < 3 && (*text || i < 2); i++)
    if (!bound(&text, &v[i], &given[i])) return false;
  return !*text;
}

static int64_t within(int64_t v, int64_t n, int64_t least, int64_t most) {
  if (v < 0) v += n;
  return v < least ? least : v > most ? most : v;
}

static void add_axis(cut *k, int64_t size, int64_t step) {
  k->steps[k->y.rank] = step;
  k->y.d[k->y.rank++] = size;
}

/* Python's slice.indices. */
static bool slice_axis(cn_graph *g, const char *text, int64_t n, int64_t stride, cut *k) {
  int64_t v[3];
  bool given[3];
  if (!slice_parse(text, v, given)) return cn_fail(g, CN_VALUE, "\"%s\" is no index, slice, newaxis or ...", text), false;
  const int64_t step = given[2] ? v[2] : 1;
  if (!step) return cn_fail(g, CN_VALUE, "the step of \"%s\" is 0", text), false;
  if (n == CN_UNKNOWN) return add_axis(k, CN_UNKNOWN, 0), true;
  const bool up = step > 0;
  const int64_t start = given[0] ? within(v[0], n, up ? 0 : -1, up ? n : n - 1)
                        : up     ? 0
                                 : n - 1,
                stop = given[1] ? within(v[1], n, up ? 0 : -1, up ? n : n - 1)
                       : up     ? n
                                : -1;
  const int64_t span = up ? stop - start : start - stop, size = span <= 0 ? 0 : (span - 1) / (up ? step : -step) + 1;
  if (size) k->first += start * stride;
  return add_axis(k, size, step * stride), true;
}

static bool index_axis(cn_graph *g, int64_t i, int axis, int64_t n, int64_t stride, cut *k) {
  if (n != CN_UNKNOWN && (i < -n || i >= n))
    return cn_fail(g, CN_INDEX, "index %lld is out of range for axis %d of size %lld", (long long)i, axis, (long long)n), false;
  k->first += (i < 0 ? i + n : i) * stride;
  return true;
}

/* Entries that name an axis each; -1: "..." stands there twice. */
static int named_axes(cn_strings key) {
  int n = 0, dots = 0;
  for (int64_t i = 0; i < key.n; i++) {
    dots += !strcmp(key.v[i], "...");
    n += strcmp(key.v[i], "...") && strcmp(key.v[i], "newaxis");
  }
  return dots > 1 ? -1 : n;
}

static bool cut_of(cn_graph *g, cn_strings key, const cn_dims *x, cut *k) {
  int64_t strides[CN_MAX_RANK], i;
  const int named = named_axes(key);
  int axis = 0;
  *k = (cut){ .first = 0 };
  if (named < 0) return cn_fail(g, CN_VALUE, "\"...\" stands in the key twice"), false;
  if (named > x->rank) return cn_fail(g, CN_SHAPE, "the key has entries for %d axes, x has rank %d", named, x->rank), false;
  if (key.n - named + x->rank > CN_MAX_RANK + 1) return cn_fail(g, CN_SHAPE, "the result has more than %d axes", CN_MAX_RANK), false;
  cni_strides(x, strides);
  for (int64_t e = 0; e < key.n; e++) {
    const char *text = key.v[e], *end = cni_integer_parse(text, &i);
    if (!strcmp(text, "newaxis")) add_axis(k, 1, 0);
    else if (!strcmp(text, "..."))
      for (int rest = x->rank - named; rest > 0; rest--, axis++) add_axis(k, x->d[axis], strides[axis]);
    else if (end && !*end ? !index_axis(g, i, axis, x->d[axis], strides[axis], k) : !slice_axis(g, text, x->d[axis], strides[axis], k)) return false;
    else axis++;
  }
  for (; axis < x->rank; axis++) add_axis(k, x->d[axis], strides[axis]);
  return true;
}

static int64_t place(const cut *k, const int64_t *at) {
  int64_t index = k->first;
  for (int i = 0; i < k->y.rank; i++) index += at[i] * k->steps[i];
  return index;
}

/* ---- get_item ---- */
static bool item_cut(const cn_call *c, cut *k) { return cut_of(c->graph, ((const cn_get_item_args *)c->args)->key, &c->x[0]->dims, k); }
static cn_code get_item_infer(const cn_call *c) {
  cut k;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!item_cut(c, &k)) return cn_error_code(c->graph);
  return cni_sig_like(c, &k.y), CN_OK;
}
static cn_code get_item_forward(const cn_call *c) {
  cut k;
  if (!item_cut(c, &k)) return cn_error_code(c->graph);
  if (c->y[0]->count) cni_gather(c->graph, cni_width_of(c), &k.y, c->y[0]->data, (const char *)c->x[0]->data + (size_t)k.first * cni_width_of(c), k.steps);
  return CN_OK;
}
CNI_VJP(get_item) {
  (void)want;
  gx[0] = cn_scatter_item(g, gy[0], .key = ((const cn_get_item_args *)n->args)->key, .shape = cni_sizes(&n->x[0]->dims));
}
static int64_t get_item_source(const cn_call *c, const int64_t *at) {
  cut k;
  return item_cut(c, &k) ? place(&k, at) : 0;
}
CNI_PICKED(get_item)
CN_OP(get_item, CN_LIST_GET_ITEM, .outputs = 1, .infer = get_item_infer, .forward = get_item_forward, .vjp = get_item_vjp, .reference = get_item_reference,
      .samples = CN_TEXTS("f[4,5], key=['1:3','-1']", "f[4,5], key=['::-1','::2']", "f[2,3,4], key=['...','1']", "f[3], key=['newaxis',':']",
                          "f[6], key=['-2:0:-2']", "f[4], key=['3:1']", "f[], key=['...']", "i[5]@0:9, key=['2']", "f[3,4]"),
      .rejects = CN_TEXTS("f[4,5], key=['4'] => index 4 is out of range for axis 0 of size 4",
                          "f[4], key=['1','2'] => the key has entries for 2 axes, x has rank 1",
                          "f[4], key=['a:b'] => \"a:b\" is no index, slice, newaxis or ...", "f[4], key=['::0'] => the step of \"::0\" is 0",
                          "f[4], key=['...','...'] => \"...\" stands in the key twice"));

/* ---- scatter_item ---- */
static bool scatter_cut(const cn_call *c, cut *k, cn_dims *y) {
  const cn_scatter_item_args *o = c->args;
  return cni_dims_from(c->graph, o->shape, y) && cut_of(c->graph, o->key, y, k);
}
static cn_code scatter_item_infer(const cn_call *c) {
  cut k;
  cn_dims y;
  if (cni_refuse_strings(c)) return CN_DTYPE;
  if (!scatter_cut(c, &k, &y)) return cn_error_code(c->graph);
  const cn_code code = cni_need_shape(c, 0, &k.y);
  return code ? code : (cni_sig_like(c, &y), (cn_code)CN_OK);
}
static cn_code scatter_item_forward(const cn_call *c) {
  cut k;
  cn_dims y;
  int64_t strides[CN_MAX_RANK];
  const size_t width = cni_width_of(c);
  cni_loops l = { .rank = 0 };
  if (!scatter_cut(c, &k, &y)) return cn_error_code(c->graph);
  if (c->y[0]->count) memset(c->y[0]->data, 0, (size_t)c->y[0]->count * width);
  cni_strides(&k.y, strides);
  for (int i = 0; i < k.y.rank; i++) cni_loop(&l, k.y.d[i], k.steps[i], strides[i]);
  if (c->x[0]->count) cni_copy(c->graph, width, &l, (char *)c->y[0]->data + (size_t)k.first * width, c->x[0]->data);
  return CN_OK;
}
CNI_VJP(scatter_item) {
  (void)want;
  gx[0] = cn_get_item(g, gy[0], .key = ((const cn_scatter_item_args *)n->args)->key);
}
static void scatter_item_reference(const cn_reference *r) {
  cut k;
  cn_dims y;
  int64_t at[CN_MAX_RANK] = { 0 };
  if (!scatter_cut(r->call, &k, &y)) return;
  for (int64_t i = 0; i < r->call->x[0]->count; i++, cni_next(&k.y, at)) r->y[0][place(&k, at)] = r->x[0][i];
}
CN_OP(scatter_item, CN_LIST_SCATTER_ITEM, .outputs = 1, .infer = scatter_item_infer, .forward = scatter_item_forward, .vjp = scatter_item_vjp,
      .reference = scatter_item_reference,
      .samples = CN_TEXTS("f[2], key=['1:3','-1'], shape=[4,5]", "f[4,3], key=['::-1','::2'], shape=[4,5]", "f[1,3], key=['newaxis',':'], shape=[3]",
                          "f[0], key=['3:1'], shape=[4]"),
      .rejects = CN_TEXTS("f[3], key=['1:3'], shape=[4] => must have shape [2], got [3]",
                          "f[], key=['9'], shape=[4] => index 9 is out of range for axis 0 of size 4"));

const cn_op *const cni_ops_item[] = { &cn_op_get_item, &cn_op_scatter_item, NULL };
