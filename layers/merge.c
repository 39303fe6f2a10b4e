/* Elementwise merging of a list; Concatenate and Dot stand in merge_join.c. */
#include "merge.h"
#include "layer_private.h"

bool cni_listed(const cn_layer *l, const cn_inputs *in) {
  if (in->args->inputs.n > 0) return true;
  return cn_fail(l->object.graph, CN_VALUE, "%s: a list of inputs is needed, got a single tensor", l->object.cls->schema.name), false;
}

/* ---- shapes ---- */
static bool misfit(const cn_layer *l, const cn_dims *a, const cn_dims *b, const char *what) {
  char s[160], t[160];
  return cn_fail(l->object.graph, CN_SHAPE, "%s: %s: %s and %s", l->object.cls->schema.name, what, cn_dims_text(a, s, sizeof s), cn_dims_text(b, t, sizeof t)),
         false;
}

/* Size of the output where two sizes meet; -1 where they do not fit. Keras leaves it unknown where one of them is. */
static int64_t merged_size(int64_t a, int64_t b) {
  if (a == CN_UNKNOWN || b == CN_UNKNOWN) return CN_UNKNOWN;
  return a == b || b == 1 ? a : a == 1 ? b : -1;
}

/* One more input's shape goes into out. Axes behind the batch axis are aligned at the last. */
static bool merge_dims(const cn_layer *l, cn_dims *out, const cn_dims *in) {
  const cn_dims old = *out, *longer = in->rank > out->rank ? in : &old, *shorter = in->rank > out->rank ? &old : in;
  const int gap = longer->rank - shorter->rank;
  if (!longer->rank) return true;
  if (!shorter->rank) return misfit(l, &old, in, "a number and an array do not merge");
  *out = *longer;
  out->d[0] = old.d[0] == CN_UNKNOWN ? in->d[0] : old.d[0];
  if (in->d[0] != CN_UNKNOWN && in->d[0] != out->d[0]) return misfit(l, &old, in, "batch sizes differ");
  for (int i = 1; i < shorter->rank; i++) {
    out->d[gap + i] = merged_size(longer->d[gap + i], shorter->d[i]);
    if (out->d[gap + i] < 0 && out->d[gap + i] != CN_UNKNOWN) return misfit(l, &old, in, "shapes do not fit");
  }
  return true;
}

static bool merge_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  *out = in[0];
  for (int64_t i = 1; i < n; i++)
    if (!merge_dims(l, out, &in[i])) return false;
  return true;
}

/* ---- values ---- */
/* Input i with axes of size 1 behind the batch axis, and its mask [n, ..., 1] if its rank is the output's; the others lose theirs, as in Keras. */
typedef struct item { cn_tensor *x, *mask; } item;
static item item_of(cn_graph *g, const cn_inputs *in, int64_t i, int rank) {
  static const int64_t ones[] = { 1, 2, 3, 4, 5, 6, 7 };
  item t = { in->x[i], NULL };
  const int gap = rank - t.x->dims.rank;
  const cn_ints axes = { ones, gap };
  if (gap) t.x = cn_expand_dims(g, t.x, .axis = axes);
  else if (in->mask[i]) t.mask = cn_expand_dims(g, in->mask[i], .axis = CN_INTS(-1));
  return t;
}

/* The output's rank, after every check; -1 after an error. */
static int rank_of(cn_layer *l, const cn_inputs *in) {
  if (!cni_listed(l, in)) return -1;
  cn_dims out = in->x[0]->dims;
  for (int64_t i = 1; i < in->n; i++)
    if (!merge_dims(l, &out, &in->x[i]->dims)) return -1;
  return out.rank;
}

typedef cn_tensor *binary(cn_graph *g, cn_tensor *a, cn_tensor *b);

static cn_tensor *fold(cn_layer *l, cn_graph *g, const cn_inputs *in, binary *op) {
  const int rank = rank_of(l, in);
  if (rank < 0) return NULL;
  cn_tensor *y = item_of(g, in, 0, rank).x;
  for (int64_t i = 1; i < in->n; i++) y = op(g, y, item_of(g, in, i, rank).x);
  return y;
}
static cn_tensor *add_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return fold(l, g, in, cn_add); }
static cn_tensor *subtract_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return fold(l, g, in, cn_subtract); }

static cn_tensor *average_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *sum = fold(l, g, in, cn_add);
  if (sum && !cni_is_float((cn_dtype)sum->dtype)) sum = cn_cast(g, sum, .dtype = cn_dtype_name(l->dtype));
  return sum ? cn_divide(g, sum, cn_scalar_like(g, sum, (double)in->n)) : NULL;
}

static cn_tensor *multiply_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const int rank = rank_of(l, in);
  cn_tensor *y = NULL, *valid = NULL;
  bool all_masked = true;
  if (rank < 0) return NULL;
  for (int64_t i = 0; i < in->n; i++) {
    item t = item_of(g, in, i, rank);
    all_masked &= t.mask != NULL;
    if (t.mask) t.x = cn_where(g, t.mask, t.x, cn_scalar_like(g, t.x, 1));
    if (t.mask) valid = valid ? cn_logical_or(g, valid, t.mask) : t.mask;
    y = i ? cn_multiply(g, y, t.x) : t.x;
  }
  return all_masked && y ? cn_where(g, valid, y, cn_scalar_like(g, y, 0)) : y;
}

static cn_tensor *extremum(cn_layer *l, cn_graph *g, const cn_inputs *in, binary *op) {
  const int rank = rank_of(l, in);
  if (rank < 0) return NULL;
  item y = item_of(g, in, 0, rank);
  for (int64_t i = 1; i < in->n && y.x; i++) {
    item t = item_of(g, in, i, rank);
    if (t.mask) t.x = cn_where(g, t.mask, t.x, y.x);
    if (y.mask) y.x = cn_where(g, y.mask, y.x, t.x);
    y.mask = t.mask && y.mask ? cn_logical_or(g, y.mask, t.mask) : NULL;
    y.x = op(g, y.x, t.x);
  }
  return y.x;
}
static cn_tensor *maximum_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return extremum(l, g, in, cn_maximum); }
static cn_tensor *minimum_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return extremum(l, g, in, cn_minimum); }

/* The or of all masks, where each input has one. */
static cn_tensor *merge_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  cn_tensor *mask = in->mask[0];
  (void)l;
  for (int64_t i = 1; i < in->n && mask; i++) mask = in->mask[i] ? cn_logical_or(g, mask, in->mask[i]) : NULL;
  return mask;
}

#define MERGE(L, call_, least, most) \
  CN_LAYER(L, cn_layer, CN_MERGE, .call = call_, .output_shape = merge_shape, .compute_mask = merge_mask, .supports_masking = true, .min_inputs = least, .max_inputs = most)
MERGE(Add, add_call, 1, INT64_MAX)
MERGE(Subtract, subtract_call, 2, 2)
MERGE(Multiply, multiply_call, 1, INT64_MAX)
MERGE(Average, average_call, 1, INT64_MAX)
MERGE(Maximum, maximum_call, 1, INT64_MAX)
MERGE(Minimum, minimum_call, 1, INT64_MAX)
