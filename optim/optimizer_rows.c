/* Sparse gradients: rows of a variable, which may repeat. A pass gets dense blocks that stay in the first cache: the sum of each row's occurrences and,
 * where a row repeats, the sum of their squares. */
#include <math.h>
#include "optimizer_private.h"

#define BLOCK 1024 /* elements */
#define GROUP 16   /* rows */

typedef struct job {
  cni_pass_call call;
  cni_update_pass *pass;
  const cni_kernels *k;
  const char *const *place;            /* occurrence -> its values [width] */
  int64_t width, size /* of an element */;
  const int32_t *heads, *chain;        /* row -> first occurrence -> next one; -1 ends */
  const int64_t *touched;
  int64_t groups, stride;              /* whole groups of touched rows; from one to the next in the order of work */
  bool magnitudes, sums;
} job;

static const char *occurrence(const job *j, int32_t i, int64_t column) { return j->place[i] + column * j->size; }

/* The pass over n elements from `offset` on. */
static void pass_at(const job *j, int64_t offset, int64_t n, const void *g, const void *squares) {
  cni_pass_call c = j->call;
  c.u.w = (char *)c.u.w + offset * j->size;
  for (int i = 0; i < 3; i++)
    if (c.u.slot[i]) c.u.slot[i] = (char *)c.u.slot[i] + offset * j->size;
  if (c.u.ema) c.u.ema = (char *)c.u.ema + offset * j->size;
  c.u.g = g;
  c.u.squares = squares;
  j->pass(&c, 0, n);
}

/* A part of one row, columns of it, into a block: sum and squares [columns]. */
static void gather(const job *j, int32_t i, int64_t column, int64_t columns, void *sum, void *squares) {
  double room[BLOCK];
  for (; i >= 0; i = j->chain[i]) {
    const void *v = occurrence(j, i, column);
    j->k->accumulate(sum, v, columns);
    if (squares && j->magnitudes) j->k->abs(room, v, columns, NULL), j->k->accumulate(squares, room, columns);
    else if (squares) j->k->multiply_add(squares, v, v, columns);
  }
}

static bool repeats(const job *j, int64_t row) { return j->heads[row] >= 0 && j->chain[j->heads[row]] >= 0; }

/* Rows row .. row + rows - 1 and columns of them (all, unless it is one row). */
static void block(const job *j, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  double sum[BLOCK], squares[BLOCK];
  const int64_t n = rows * columns;
  bool any = false, again = false;
  for (int64_t r = row; r < row + rows; r++) any |= j->heads[r] >= 0, again |= repeats(j, r);
  if (!any) {
    pass_at(j, row * j->width + column, n, NULL, NULL);
    return;
  }
  if (rows == 1 && !again) {
    pass_at(j, row * j->width + column, n, occurrence(j, j->heads[row], column), NULL);
    return;
  }
  memset(sum, 0, (size_t)(n * j->size));
  again = again && !j->sums;
  if (again) memset(squares, 0, (size_t)(n * j->size));
  for (int64_t r = row; r < row + rows; r++) {
    const int64_t at = (r - row) * columns * j->size;
    gather(j, j->heads[r], column, columns, (char *)sum + at, again ? (char *)squares + at : NULL);
  }
  pass_at(j, row * j->width + column, n, sum, again ? squares : NULL);
}

static void one_row(const job *j, int64_t row) {
  for (int64_t c = 0; c < j->width; c += BLOCK) block(j, row, 1, c, j->width - c < BLOCK ? j->width - c : BLOCK);
}

static void every_row(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  const int64_t rows = j->width < BLOCK ? BLOCK / j->width : 1;
  for (int64_t r = begin; r < end; r += rows) {
    if (rows == 1) one_row(j, r);
    else block(j, r, end - r < rows ? end - r : rows, 0, j->width);
  }
}

static void ahead(const job *j, int64_t row) {
  const size_t bytes = (size_t)(j->width * j->size), at = (size_t)row * bytes;
  cni_prefetch((const char *)j->call.u.w + at, bytes);
  if (j->call.u.slot[0]) cni_prefetch((const char *)j->call.u.slot[0] + at, bytes);
  cni_prefetch(j->place[j->heads[row]], bytes);
}

/* Rows that occur often stand near the end; in groups that are spread by the golden ratio every part of the work has its share of them. */
static int64_t touched_at(const job *j, int64_t i) {
  const int64_t group = i / GROUP;
  return j->touched[group < j->groups ? group * j->stride % j->groups * GROUP + i % GROUP : i];
}

static void touched_rows(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  for (int64_t i = begin; i < end; i++) {
    if (i + CNI_AHEAD < end) ahead(j, touched_at(j, i + CNI_AHEAD));
    one_row(j, touched_at(j, i));
  }
}

/* ---- chains ---- */
static bool chains_room(cn_optimizer *o, cni_entry *e, int64_t n) {
  cn_graph *g = o->object.graph;
  struct cni_optimizer_state *s = o->state;
  const int64_t height = e->variable->dims.d[0];
  if (n > INT32_MAX) return cni_optimizer_fail(o, CN_UNSUPPORTED, "%lld rows in one gradient are too many", (long long)n);
  if (!e->heads) {
    if (!(e->heads = cni_alloc(g, (size_t)height * sizeof *e->heads))) return false;
    for (int64_t i = 0; i < height; i++) e->heads[i] = -1;
  }
  if (n <= s->chain_capacity) return true;
  int32_t *chain = cni_realloc(g, s->chain, (size_t)n * sizeof *chain);
  if (chain) s->chain = chain;
  int64_t *touched = chain ? cni_realloc(g, s->touched, (size_t)n * sizeof *touched) : NULL;
  if (touched) s->touched = touched;
  const char **place = touched ? cni_realloc(g, s->place, (size_t)n * sizeof *place) : NULL;
  if (place) s->place = place;
  if (!place) return false;
  s->chain_capacity = n;
  return true;
}

/* Chains go in the order of occurrence; the rows touched, in the order of their last occurrence, to *touched; their number. */
static int64_t chains_make(struct cni_optimizer_state *s, cni_entry *e, const int64_t *index, int64_t n, const int64_t **touched) {
  int64_t *first = s->touched + n;
  for (int64_t i = n - 1; i >= 0; i--) {
    const int64_t row = index[i];
    if (i >= CNI_AHEAD) __builtin_prefetch(&e->heads[index[i - CNI_AHEAD]], 1);
    if (e->heads[row] < 0) *--first = row;
    s->chain[i] = e->heads[row];
    e->heads[row] = (int32_t)i;
  }
  *touched = first;
  return s->touched + n - first;
}

/* Nearest below 0.618 n without a common divisor. */
static int64_t stride_for(int64_t n) {
  for (int64_t s = (int64_t)(0.618 * (double)n); s > 1; s--) {
    int64_t a = n, b = s;
    while (b) {
      const int64_t r = a % b;
      a = b;
      b = r;
    }
    if (a == 1) return s;
  }
  return 1;
}

bool cni_rows_pass(cn_optimizer *o, cni_entry *e, cn_rows *rows, const cni_pass_call *c, cni_update_pass *pass, bool rows_only) {
  if (!e->count) return true;
  cn_graph *g = o->object.graph;
  struct cni_optimizer_state *s = o->state;
  const int64_t height = e->variable->dims.d[0], width = e->count / height, n = rows->indices->count;
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  const bool clips = isfinite(c->u.clip);
  if (clips && !(cni_rows_join(g, e->variable, rows) && (rows->values = cni_scaled(g, rows->values, c->u.scale, c->u.clip)))) return false; /* each row as given is clipped */
  if (!chains_room(o, e, n)) return false;
  cni_rows_places(g, e->variable, rows, s->place);
  const int64_t *touched;
  const int64_t count = chains_make(s, e, rows->indices->data, n, &touched);
  job j = { .call = *c,
           .pass = pass,
           .k = cni_kernels_for(g, e->dtype),
           .place = s->place,
           .width = width,
           .size = (int64_t)cn_dtype_size(e->dtype),
           .heads = e->heads,
           .chain = s->chain,
           .touched = touched,
           .groups = count / GROUP,
           .stride = stride_for(count / GROUP),
           .magnitudes = r && r->magnitudes,
           .sums = r && r->sums };
  if (clips) j.call.u.scale = 1, j.call.u.clip = INFINITY;
  const int64_t grain = CNI_GRAIN / width + 1;
  if (rows_only) cni_parallel(g, count, grain, touched_rows, &j);
  else cni_parallel(g, height, grain, every_row, &j);
  for (int64_t i = 0; i < count; i++) e->heads[touched[i]] = -1;
  return true;
}

/* ---- for updates that take a whole gradient ---- */
typedef struct scaling { const cni_kernels *k; const char *x; char *y; int64_t size; double scale, clip; } scaling;

static void scale_part(void *ctx, int64_t begin, int64_t end) {
  const scaling *s = ctx;
  char *y = s->y + begin * s->size;
  s->k->scale(y, s->x + begin * s->size, end - begin, &s->scale);
  if (isfinite(s->clip)) s->k->clip(y, y, end - begin, (const double[]){ -s->clip, s->clip });
}

cn_tensor *cni_scaled(cn_graph *g, const cn_tensor *x, double scale, double clip) {
  cn_tensor *y = cni_tensor_new(g, (cn_dtype)x->dtype, &x->dims, false);
  if (!y) return NULL;
  scaling s = { cni_kernels_for(g, (cn_dtype)x->dtype), x->data, y->data, (int64_t)cn_dtype_size((cn_dtype)x->dtype), scale, clip };
  cni_parallel(g, x->count, CNI_GRAIN, scale_part, &s);
  return y;
}

bool cni_rows_expand(cn_optimizer *o, const cni_entry *e, const cn_rows *rows, double scale, double clip, cn_tensor **sum, cn_tensor **squares) {
  cn_graph *g = o->object.graph;
  const cni_kernels *k = cni_kernels_for(g, e->dtype);
  const int64_t height = e->variable->dims.d[0], width = height ? e->count / height : 0, n = width ? rows->indices->count : 0;
  cn_tensor *values = cni_scaled(g, rows->values, scale, clip);
  *sum = cn_zeros(g, e->dtype, &e->variable->dims);
  *squares = cn_zeros(g, e->dtype, &e->variable->dims);
  if (!values || !*sum || !*squares) return false;
  k->scatter_add_rows((*sum)->data, values->data, rows->indices->data, true, n, width);
  k->square(values->data, values->data, values->count, NULL);
  k->scatter_add_rows((*squares)->data, values->data, rows->indices->data, true, n, width);
  return true;
}
