/* Moving elements between layouts, and the axes of reductions: what the shape, slice, index, sort, scan and reduce families share. */
#ifndef CN_AUTOGRAD_OPS_LAYOUT_PRIVATE_H
#define CN_AUTOGRAD_OPS_LAYOUT_PRIVATE_H
#include "graph_private.h"

#define CNI_LOOPS 16

/* Nested loops over elements, outermost first; `to` and `from` are the steps in elements on both sides (0 repeats, negative runs backwards). */
typedef struct cni_loops {
  int rank;
  int64_t n[CNI_LOOPS], to[CNI_LOOPS], from[CNI_LOOPS];
} cni_loops;

void cni_strides(const cn_dims *dims, int64_t *strides);
static inline void cni_loop(cni_loops *l, int64_t n, int64_t to, int64_t from) {
  l->n[l->rank] = n;
  l->to[l->rank] = to;
  l->from[l->rank++] = from;
}
/* Copies along the loops; `to` and `from` point at the first elements. `width` is the bytes of one element: 1, 4 or 8. Blocked where it transposes, threaded
 * where it is large. */
void cni_copy(cn_graph *g, size_t width, const cni_loops *l, void *to, const void *from);
/* m rows of n elements each, that stand to_m and from_m apart, on the calling thread. */
void cni_copy_plane(size_t width, void *to, const void *from, int64_t m, int64_t n, int64_t to_m, int64_t from_m);
/* Copies along loops with contiguous `to` of shape dims: its steps are filled in here. from_steps has dims->rank entries. */
void cni_gather(cn_graph *g, size_t width, const cn_dims *dims, void *to, const void *from, const int64_t *from_steps);
/* `to` of shape dims is `from`, contiguous, repeated along axes of size 1 and along those that dims has in front. */
void cni_repeat(cn_graph *g, size_t width, const cn_dims *dims, void *to, const cn_dims *from_dims, const void *from);
/* The same by the numbers of elements, where few are a copy or all the same; else false, and nothing is done. */
bool cni_repeat_plain(size_t width, int64_t count, void *to, int64_t given, const void *from);

/* A reduction's axes as bits. None: all. False after INDEX "axis 3 is out of range for rank 2" or VALUE "axis 0 is given twice". */
bool cni_axes(cn_graph *g, cn_ints axis, int rank, uint32_t *bits);
/* The shape without those axes, or with ones in their place. */
void cni_reduced_dims(const cn_dims *x, uint32_t bits, bool keepdims, cn_dims *y);

/* x seen as [outer, n, inner], reduced over n. Where the axes do not stand together the values must be brought into this order first (`packed`, inner = 1). */
typedef struct cni_runs {
  int64_t outer, n, inner;
  bool packed;
} cni_runs;
cni_runs cni_collapse(const cn_dims *x, uint32_t bits);

/* Lanes of [outer, n, inner], n elements `step` apart each, taken a block at a time: side by side, or where inner is 1 some whole rows together. */
#define CNI_LANES 64 /* at most in a block */
typedef struct cni_lanes {
  cni_runs r;
  int64_t blocks, each;    /* lanes of a block */
  int64_t step, apart;     /* from one element of a lane to the next, from one lane to the next */
} cni_lanes;
static inline cni_lanes cni_lanes_of(cni_runs r) {
  if (r.inner == 1) return (cni_lanes){ r, (r.outer + 7) / 8, 8, 1, r.n };
  return (cni_lanes){ r, r.outer * ((r.inner + CNI_LANES - 1) / CNI_LANES), CNI_LANES, r.inner, 1 };
}
/* Block p's number of lanes; its first element to *at, its place in [outer, inner] to *result. */
static inline int64_t cni_lanes_block(const cni_lanes *l, int64_t p, int64_t *at, int64_t *result) {
  const int64_t side = l->r.inner != 1 ? l->r.inner : l->r.outer, within = (side + l->each - 1) / l->each, o = p / within, first = p % within * l->each;
  *at = o * l->r.n * l->r.inner + first * l->apart;
  *result = o * side + first;
  return side - first < l->each ? side - first : l->each;
}

/* Values of a tensor in the order of its runs: its own memory, or a copy that cni_unpack gives back. */
typedef struct cni_values {
  void *data;
  cni_buffer *buffer;
} cni_values;
bool cni_pack(cn_graph *g, const cn_dims *dims, cn_dtype dtype, const void *x, uint32_t bits, cni_runs runs, cni_values *out);
/* Memory for such values to be written: gx itself, or a buffer that cni_unpack moves to gx. */
bool cni_pack_target(cn_graph *g, int64_t count, cn_dtype dtype, void *gx, cni_runs runs, cni_values *out);
void cni_unpack(cn_graph *g, const cn_dims *dims, cn_dtype dtype, uint32_t bits, const cni_values *values, void *gx);
void cni_values_drop(cn_graph *g, cni_values *values);

/* Sizes before, at and after an axis. */
cni_runs cni_axis_runs(const cn_dims *dims, int axis);

/* Refusals that many operations share; the text says which dtype was got. */
cn_code cni_refuse_strings(const cn_call *c);
cn_code cni_need_float(const cn_call *c, int64_t input);
cn_code cni_need_indices(const cn_call *c, int64_t input); /* int32 or int64 */

bool cni_dims_from(cn_graph *g, cn_ints shape, cn_dims *out);                     /* a list of sizes as a shape; false after VALUE */
cn_code cni_need_shape(const cn_call *c, int64_t input, const cn_dims *want);     /* SHAPE "updates must have shape [2,3], got [3]" */
cn_code cni_check_indices(cn_graph *g, const cn_tensor *indices, int axis, int64_t size); /* INDEX "index 9 is out of range for axis 0 of size 3" */

/* Memory for the length of one call, not zeroed: NULL after an error. */
void *cni_borrow(cn_graph *g, size_t bytes, cni_buffer **buffer);

/* Products of what stands before and behind each element along an axis (1 where nothing does), in operations. */
cn_tensor *cni_products_before(cn_graph *g, cn_tensor *x, int64_t axis);
cn_tensor *cni_products_behind(cn_graph *g, cn_tensor *x, int64_t axis);

/* Shorthands for gradient rules. */
cn_tensor *cni_to_shape(cn_graph *g, cn_tensor *x, const cn_dims *dims);           /* reshape */
cn_tensor *cni_spread(cn_graph *g, cn_tensor *x, const cn_dims *dims);             /* broadcast_to */
cn_tensor *cni_zeros_for(cn_graph *g, const cn_tensor *x);                         /* of x's shape and dtype, whose value may be gone */
cn_tensor *cni_part(cn_graph *g, cn_tensor *x, int axis, int64_t from, int64_t n); /* x [.., from : from + n, ..] along the axis; NULL gives NULL */
/* Parts of an axis of size n. One number: so many, the first n % number of them one longer; else the places where the parts end, as Python's slices: counted
 * from the end where negative, cut off beyond the axis; CN_NONE behind the last is none. */
int64_t cni_cut_parts(cn_ints cuts);
int64_t cni_cut_begin(cn_ints cuts, int64_t n, int64_t part); /* of the part behind the last: n */
static inline int64_t cni_cut_size(cn_ints cuts, int64_t n, int64_t part) {
  const int64_t size = cni_cut_begin(cuts, n, part + 1) - cni_cut_begin(cuts, n, part);
  return size < 0 ? 0 : size;
}
static inline cn_ints cni_sizes(const cn_dims *dims) { return (cn_ints){ dims->d, dims->rank }; }

/* Row-major walk for references: `at` starts as zeros, the last axis runs fastest. */
static inline void cni_next(const cn_dims *dims, int64_t *at) {
  for (int i = dims->rank - 1; i >= 0; i--) {
    if (++at[i] < dims->d[i]) return;
    at[i] = 0;
  }
}
static inline int64_t cni_flat(const cn_dims *dims, const int64_t *at) {
  int64_t index = 0;
  for (int i = 0; i < dims->rank; i++) index = index * dims->d[i] + at[i];
  return index;
}
/* A reference for operations that pick: `source` gives the flat index in x of the element of y at `at`. */
void cni_reference_pick(const cn_reference *r, int64_t (*source)(const cn_call *c, const int64_t *at));
#define CNI_PICKED(op) \
  static void op##_reference(const cn_reference *r) { cni_reference_pick(r, op##_source); }
#define CNI_VJP(op) static void op##_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx)

#define CNI_TEXT 96
const char *cni_ints_text(cn_ints v, char *text); /* "[3,-1]"; text has CNI_TEXT bytes */
static inline size_t cni_width_of(const cn_call *c) { return cn_dtype_size((cn_dtype)c->x[0]->dtype); }
static inline void cni_sig_like(const cn_call *c, const cn_dims *dims) { /* output 0: x's dtype and this shape */
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  cni_set_dims(&c->sig[0].dims, dims);
}
static inline int cni_wrap(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }
static inline int64_t cni_index_at(const cn_tensor *t, int64_t i) { return t->dtype == CN_I32 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i]; }

#endif
