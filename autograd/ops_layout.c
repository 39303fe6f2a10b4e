/* Copies between layouts and the axes of reductions. */
#include "ops_layout_private.h"
#include "../core/threads_private.h"
#include "ops_shape.h"
#include "ops_slice.h"

#define GRAIN (1 << 15) /* elements that a thread should have at least */
#define TILE 16
#define SIMD _Pragma("omp simd")

void cni_strides(const cn_dims *dims, int64_t *strides) {
  int64_t step = 1;
  for (int i = dims->rank - 1; i >= 0; i--) {
    strides[i] = step;
    step *= dims->d[i] == CN_UNKNOWN ? 0 : dims->d[i]; /* without a size there is no element to find */
  }
}

/* The two innermost loops of a copy, by width: m rows, n columns. */
typedef void (*plane)(void *to, const void *from, int64_t m, int64_t n, int64_t to_m, int64_t to_n, int64_t from_m, int64_t from_n);

/* A transposition goes through a tile that lies together: each line of memory on either side is met once, so that rows a power of two apart, which share
 * few sets of a cache, do not drive each other out. */
#define PLANE(T, name)                                                                                                                                     \
  static void name##_plain(void *to, const void *from, int64_t m, int64_t n, int64_t to_m, int64_t to_n, int64_t from_m, int64_t from_n) {                 \
    for (int64_t i = 0; i < m; i++) {                                                                                                                      \
      T *restrict y = (T *)to + i * to_m;                                                                                                                  \
      const T *restrict x = (const T *)from + i * from_m;                                                                                                  \
      if (to_n == 1 && from_n == 0) SIMD for (int64_t j = 0; j < n; j++) y[j] = *x;                                                                        \
      else if (to_n == 1 && from_n == 1 && n < 16) for (int64_t j = 0; j < n; j++) y[j] = x[j];                                                            \
      else if (to_n == 1 && from_n == 1) memcpy(y, x, (size_t)n * sizeof(T));                                                                              \
      else if (to_n == 1 && from_n == -1) SIMD for (int64_t j = 0; j < n; j++) y[j] = x[-j];                                                               \
      else for (int64_t j = 0; j < n; j++) y[j * to_n] = x[j * from_n];                                                                                    \
    }                                                                                                                                                      \
  }                                                                                                                                                        \
  static void name##_transposed(void *to, const void *from, int64_t m, int64_t n, int64_t to_m, int64_t to_n, int64_t from_m, int64_t from_n) {            \
    T tile[TILE][TILE];                                                                                                                                    \
    (void)to_n, (void)from_m;                                                                                                                              \
    for (int64_t i0 = 0; i0 < m; i0 += TILE)                                                                                                               \
      for (int64_t j0 = 0; j0 < n; j0 += TILE) {                                                                                                           \
        const int64_t rows = i0 + TILE < m ? TILE : m - i0, columns = j0 + TILE < n ? TILE : n - j0;                                                       \
        const T *x = (const T *)from + i0 + j0 * from_n;                                                                                                   \
        T *y = (T *)to + i0 * to_m + j0;                                                                                                                   \
        for (int64_t j = 0; j < columns; j++, x += from_n) {                                                                                               \
          if (rows == TILE) memcpy(tile[j], x, sizeof tile[j]);                                                                                            \
          else memcpy(tile[j], x, (size_t)rows * sizeof(T));                                                                                               \
        }                                                                                                                                                  \
        for (int64_t i = 0; i < rows; i++, y += to_m)                                                                                                      \
          for (int64_t j = 0; j < columns; j++) y[j] = tile[j][i];                                                                                         \
      }                                                                                                                                                    \
  }
PLANE(uint8_t, one)
PLANE(uint32_t, four)
PLANE(uint64_t, eight)

static plane plain_of(size_t width) { return width == 1 ? one_plain : width == 4 ? four_plain : eight_plain; }

typedef struct { cni_loops l; size_t width; plane run; char *to; const char *from; } job;

/* Drops loops of length 1 and joins those that continue each other. False when there is nothing to copy. */
static bool tidy(const cni_loops *l, cni_loops *out) {
  out->rank = 0;
  for (int i = 0; i < l->rank; i++) {
    if (l->n[i] <= 0) return false;
    if (l->n[i] == 1) continue;
    const int k = out->rank - 1;
    if (k >= 0 && out->to[k] == l->n[i] * l->to[i] && out->from[k] == l->n[i] * l->from[i]) {
      out->n[k] *= l->n[i];
      out->to[k] = l->to[i];
      out->from[k] = l->from[i];
    } else {
      cni_loop(out, l->n[i], l->to[i], l->from[i]);
    }
  }
  return true;
}

static void move_loop(cni_loops *l, int at, int to) {
  const int64_t n = l->n[at], t = l->to[at], f = l->from[at];
  for (int i = at; i < to; i++) {
    l->n[i] = l->n[i + 1];
    l->to[i] = l->to[i + 1];
    l->from[i] = l->from[i + 1];
  }
  l->n[to] = n;
  l->to[to] = t;
  l->from[to] = f;
}

/* The loop whose source is contiguous stands second to last when the last one's target is: then the two are a transposition. */
static bool find_transposition(cni_loops *l) {
  const int last = l->rank - 1;
  if (last < 1 || l->to[last] != 1 || l->from[last] == 1 || l->from[last] == 0 || l->n[last] < 4) return false;
  for (int i = 0; i < last; i++)
    if (l->from[i] == 1 && l->n[i] >= 4) {
      move_loop(l, i, last - 1);
      return true;
    }
  return false;
}

static void copy_planes(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const cni_loops *l = &j->l;
  const int outer = l->rank - 2;
  int64_t at[CNI_LOOPS], rest = begin, to = 0, from = 0;
  for (int i = outer - 1; i >= 0; i--) {
    at[i] = rest % l->n[i];
    rest /= l->n[i];
    to += at[i] * l->to[i];
    from += at[i] * l->from[i];
  }
  const int64_t w = (int64_t)j->width;
  for (int64_t p = begin; p < end; p++) {
    j->run(j->to + to * w, j->from + from * w, l->n[outer], l->n[outer + 1], l->to[outer], l->to[outer + 1], l->from[outer], l->from[outer + 1]);
    for (int i = outer - 1; i >= 0; i--) {
      to += l->to[i];
      from += l->from[i];
      if (++at[i] < l->n[i]) break;
      to -= l->n[i] * l->to[i];
      from -= l->n[i] * l->from[i];
      at[i] = 0;
    }
  }
}

/* Rows of the one plane that there is. */
static void copy_rows(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const cni_loops *l = &j->l;
  const int64_t w = (int64_t)j->width;
  j->run(j->to + begin * l->to[0] * w, j->from + begin * l->from[0] * w, end - begin, l->n[1], l->to[0], l->to[1], l->from[0], l->from[1]);
}

void cni_copy_plane(size_t width, void *to, const void *from, int64_t m, int64_t n, int64_t to_m, int64_t from_m) {
  if (n == 1) plain_of(width)(to, from, 1, m, 0, to_m, 0, from_m);
  else plain_of(width)(to, from, m, n, to_m, 1, from_m, 1);
}

/* Columns of the one row that there is. */
static void copy_columns(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const int64_t w = (int64_t)j->width, to = j->l.to[j->l.rank - 1], from = j->l.from[j->l.rank - 1];
  j->run(j->to + begin * to * w, j->from + begin * from * w, 1, end - begin, 0, to, 0, from);
}

void cni_copy(cn_graph *g, size_t width, const cni_loops *l, void *to, const void *from) {
  job j = { .width = width, .to = to, .from = from };
  if (!tidy(l, &j.l)) return;
  while (j.l.rank < 2) { /* a plane has two loops */
    cni_loop(&j.l, 1, 0, 0);
    move_loop(&j.l, 0, j.l.rank - 1);
  }
  const bool transposed = find_transposition(&j.l);
  j.run = !transposed ? plain_of(width) : width == 1 ? one_transposed : width == 4 ? four_transposed : eight_transposed;
  int64_t planes = 1;
  for (int i = 0; i < j.l.rank - 2; i++) planes *= j.l.n[i];
  const int64_t size = j.l.n[j.l.rank - 2] * j.l.n[j.l.rank - 1];
  if (planes == 1 && j.l.n[j.l.rank - 2] == 1) {
    cni_parallel(g, size, GRAIN, copy_columns, &j);
  } else if (planes == 1) {
    cni_loops only = { .rank = 0 };
    cni_loop(&only, j.l.n[j.l.rank - 2], j.l.to[j.l.rank - 2], j.l.from[j.l.rank - 2]);
    cni_loop(&only, j.l.n[j.l.rank - 1], j.l.to[j.l.rank - 1], j.l.from[j.l.rank - 1]);
    j.l = only;
    cni_parallel(g, only.n[0], GRAIN / only.n[1] + 1, copy_rows, &j);
  } else {
    cni_parallel(g, planes, GRAIN / size + 1, copy_planes, &j);
  }
}

void cni_gather(cn_graph *g, size_t width, const cn_dims *dims, void *to, const void *from, const int64_t *from_steps) {
  int64_t steps[CN_MAX_RANK];
  cni_loops l = { .rank = 0 };
  cni_strides(dims, steps);
  for (int i = 0; i < dims->rank; i++) cni_loop(&l, dims->d[i], steps[i], from_steps[i]);
  cni_copy(g, width, &l, to, from);
}

/* ---- axes ---- */
bool cni_axes(cn_graph *g, cn_ints axis, int rank, uint32_t *bits) {
  *bits = 0;
  if (axis.n < 0) {
    *bits = (1u << rank) - 1;
    return true;
  }
  for (int64_t i = 0; i < axis.n; i++) {
    const int a = cn_axis(g, axis.v[i], rank);
    if (a < 0) return false;
    if (*bits & 1u << a) {
      cn_fail(g, CN_VALUE, "axis %d is given twice", a);
      return false;
    }
    *bits |= 1u << a;
  }
  return true;
}

void cni_reduced_dims(const cn_dims *x, uint32_t bits, bool keepdims, cn_dims *y) {
  cn_dims out = { .rank = 0 };
  for (int i = 0; i < x->rank; i++) {
    if (!(bits & 1u << i)) out.d[out.rank++] = x->d[i];
    else if (keepdims) out.d[out.rank++] = 1;
  }
  *y = out;
}

cni_runs cni_collapse(const cn_dims *x, uint32_t bits) {
  cni_runs r = { 1, 1, 1, false };
  bool ended = false;
  for (int i = 0; i < x->rank; i++) {
    if (x->d[i] == 1) continue;
    const bool reduced = bits & 1u << i, begun = r.n != 1;
    if (reduced && ended) r.packed = true;
    if (!reduced && begun) ended = true;
    *(reduced ? &r.n : ended ? &r.inner : &r.outer) *= x->d[i];
  }
  if (r.packed) {
    r.outer *= r.inner;
    r.inner = 1;
  }
  return r;
}

cni_runs cni_axis_runs(const cn_dims *dims, int axis) {
  cni_runs r = { 1, dims->d[axis], 1, false };
  for (int i = 0; i < axis; i++) r.outer *= dims->d[i];
  for (int i = axis + 1; i < dims->rank; i++) r.inner *= dims->d[i];
  return r;
}

/* Loops from x's layout to [kept..., reduced...]. */
static void pack_loops(const cn_dims *dims, uint32_t bits, cni_loops *l) {
  int64_t steps[CN_MAX_RANK], to = 1;
  int order[CN_MAX_RANK], k = 0;
  cni_strides(dims, steps);
  for (int reduced = 0; reduced < 2; reduced++)
    for (int i = 0; i < dims->rank; i++)
      if ((bits >> i & 1u) == (uint32_t)reduced) order[k++] = i;
  l->rank = dims->rank;
  for (int i = dims->rank - 1; i >= 0; i--) {
    l->n[i] = dims->d[order[i]];
    l->to[i] = to;
    l->from[i] = steps[order[i]];
    to *= l->n[i];
  }
}

void *cni_borrow(cn_graph *g, size_t bytes, cni_buffer **buffer) {
  *buffer = cni_buffer_take(g, bytes ? bytes : 1, false);
  return *buffer ? (*buffer)->data : NULL;
}

bool cni_pack(cn_graph *g, const cn_dims *dims, cn_dtype dtype, const void *x, uint32_t bits, cni_runs runs, cni_values *out) {
  *out = (cni_values){ (void *)(uintptr_t)x, NULL };
  if (!runs.packed) return true;
  const size_t width = cn_dtype_size(dtype);
  if (!(out->data = cni_borrow(g, (size_t)(runs.outer * runs.n) * width, &out->buffer))) return false;
  cni_loops l;
  pack_loops(dims, bits, &l);
  cni_copy(g, width, &l, out->data, x);
  return true;
}

bool cni_pack_target(cn_graph *g, int64_t count, cn_dtype dtype, void *gx, cni_runs runs, cni_values *out) {
  *out = (cni_values){ gx, NULL };
  return !runs.packed || (out->data = cni_borrow(g, (size_t)count * cn_dtype_size(dtype), &out->buffer));
}

void cni_unpack(cn_graph *g, const cn_dims *dims, cn_dtype dtype, uint32_t bits, const cni_values *values, void *gx) {
  if (!values->buffer) return;
  cni_loops l;
  pack_loops(dims, bits, &l);
  for (int i = 0; i < l.rank; i++) {
    const int64_t to = l.to[i];
    l.to[i] = l.from[i];
    l.from[i] = to;
  }
  cni_copy(g, cn_dtype_size(dtype), &l, gx, values->data);
}

void cni_values_drop(cn_graph *g, cni_values *values) {
  if (values->buffer) cni_buffer_drop(g, values->buffer, false);
  values->buffer = NULL;
}

void cni_reference_pick(const cn_reference *r, int64_t (*source)(const cn_call *c, const int64_t *at)) {
  int64_t at[CN_MAX_RANK] = { 0 };
  for (int64_t i = 0; i < r->call->y[0]->count; i++) {
    r->y[0][i] = r->x[0][source(r->call, at)];
    cni_next(&r->call->y[0]->dims, at);
  }
}

const char *cni_ints_text(cn_ints v, char *text) {
  cn_dims d = { v.n < CN_MAX_RANK ? (int)v.n : CN_MAX_RANK, { 0 } };
  for (int i = 0; i < d.rank; i++) d.d[i] = v.v[i];
  return cn_dims_text(&d, text, CNI_TEXT);
}

/* ---- refusals ---- */
cn_code cni_refuse_strings(const cn_call *c) {
  for (int64_t i = 0; i < c->nx; i++)
    if (cni_given(c->x[i]) && c->x[i]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "works on numbers, got a string tensor");
  return CN_OK;
}

cn_code cni_need_float(const cn_call *c, int64_t input) {
  const cn_dtype dtype = (cn_dtype)c->x[input]->dtype;
  return cni_is_float(dtype) ? CN_OK : cn_fail(c->graph, CN_DTYPE, "works on float32 and float64, got %s", cn_dtype_name(dtype));
}

cn_code cni_need_indices(const cn_call *c, int64_t input) {
  const cn_dtype dtype = (cn_dtype)c->x[input]->dtype;
  if (dtype == CN_I32 || dtype == CN_I64) return CN_OK;
  return cn_fail(c->graph, CN_DTYPE, "%s must be int32 or int64, got %s", c->op->schema.rows[input].name, cn_dtype_name(dtype));
}

/* ---- shorthands ---- */
cn_tensor *cni_to_shape(cn_graph *g, cn_tensor *x, const cn_dims *dims) {
  const cn_reshape_args a = { g, x, cni_sizes(dims) };
  return cn_apply(g, &cn_op_reshape, &a)[0];
}

cn_tensor *cni_spread(cn_graph *g, cn_tensor *x, const cn_dims *dims) {
  const cn_broadcast_to_args a = { g, x, cni_sizes(dims) };
  return cn_apply(g, &cn_op_broadcast_to, &a)[0];
}

bool cni_repeat_plain(size_t width, int64_t count, void *to, int64_t given, const void *from) {
  if (count >= GRAIN || (count != given && given != 1)) return false;
  plain_of(width)(to, from, 1, count, 0, 1, 0, count == given);
  return true;
}

void cni_repeat(cn_graph *g, size_t width, const cn_dims *dims, void *to, const cn_dims *from_dims, const void *from) {
  int64_t steps[CN_MAX_RANK], from_steps[CN_MAX_RANK];
  if (cni_repeat_plain(width, cn_dims_count(dims), to, cn_dims_count(from_dims), from)) return;
  cni_strides(from_dims, steps);
  for (int i = 0; i < dims->rank; i++) {
    const int k = i - dims->rank + from_dims->rank;
    from_steps[i] = k < 0 || from_dims->d[k] == 1 ? 0 : steps[k];
  }
  cni_gather(g, width, dims, to, from, from_steps);
}

static int64_t places(cn_ints cuts) { return cuts.n > 1 && cuts.v[cuts.n - 1] == CN_NONE ? cuts.n - 1 : cuts.n; }
int64_t cni_cut_parts(cn_ints cuts) { return cuts.n == 1 ? cuts.v[0] : places(cuts) + 1; }
int64_t cni_cut_begin(cn_ints cuts, int64_t n, int64_t part) {
  if (cuts.n == 1) return n / cuts.v[0] * part + (part < n % cuts.v[0] ? part : n % cuts.v[0]);
  if (part == 0 || part > places(cuts)) return part ? n : 0;
  const int64_t at = cuts.v[part - 1] < 0 ? cuts.v[part - 1] + n : cuts.v[part - 1];
  return at < 0 ? 0 : at > n ? n : at;
}

cn_tensor *cni_part(cn_graph *g, cn_tensor *x, int axis, int64_t from, int64_t n) {
  int64_t start[CN_MAX_RANK] = { 0 };
  if (!x) return NULL;
  cn_dims size = x->dims;
  start[axis] = from, size.d[axis] = n;
  const cn_slice_args a = { g, x, { start, size.rank }, cni_sizes(&size) };
  return cn_slice_run(&a);
}

cn_tensor *cni_zeros_for(cn_graph *g, const cn_tensor *x) { return cn_zeros(g, (cn_dtype)x->dtype, &x->dims); }
