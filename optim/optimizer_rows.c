/* Sparse gradients: rows of a variable, which may repeat. A pass gets dense blocks that stay in the first cache: the sum of each row's occurrences and,
 * where a row repeats, the sum of their squares. */
#include <math.h>
#include "optimizer_private.h"

#define BLOCK 1024 /* elements */

typedef struct job {
  cni_update call;
  cni_update_pass *pass;
  const cni_kernels *k;
  const char *const *place;            /* occurrence -> its values [width], */
  const char *const *number;           /* and the number that they are to be multiplied with; NULL: 1 */
  cn_dtype dtype;
  int64_t width, size /* of an element */;
  int32_t *heads;                      /* row -> first occurrence; -1: none, and again so once the row is done */
  const int32_t *chain;                /* -> next one; -1 ends */
  const int64_t *touched;              /* [count] */
  int64_t count;
  bool magnitudes, sums;
} job;

static const char *occurrence(const job *j, int32_t i, int64_t column) { return j->place[i] + column * j->size; }
static double number_of(const job *j, int32_t i) { return cni_number_at(j->number[i], j->dtype); }

/* The pass over n elements from `offset` on, with the gradient g times a number; c is the caller's copy of the call. */
static void pass_at(const job *j, cni_update *c, int64_t offset, int64_t n, const void *g, double number, const void *squares) {
  c->scale = j->call.scale * number;
  c->w = (char *)j->call.w + offset * j->size;
  for (int i = 0; i < 3; i++)
    if (j->call.slot[i]) c->slot[i] = (char *)j->call.slot[i] + offset * j->size;
  if (j->call.ema) c->ema = (char *)j->call.ema + offset * j->size;
  c->g = g;
  c->squares = squares;
  j->pass(c, 0, n);
}

/* A part of one row, columns of it, into a block: sum and squares [columns]. */
static void gather(const job *j, int32_t i, int64_t column, int64_t columns, void *sum, void *squares) {
  double room[BLOCK], scaled[BLOCK];
  const size_t bytes = (size_t)(columns * j->size);
  if (i < 0) memset(sum, 0, bytes);
  if (squares) memset(squares, 0, bytes);
  for (int32_t at = i; at >= 0; at = j->chain[at]) {
    const void *v = occurrence(j, at, column);
    const double number = number_of(j, at);
    if (number != 1 && at != i && !squares) {
      j->k->axpy(sum, v, columns, number);
      continue;
    }
    if (number != 1) j->k->scale(at == i ? sum : scaled, v, columns, &number), v = at == i ? sum : scaled;
    else if (at == i) memcpy(sum, v, bytes);
    if (at != i) j->k->accumulate(sum, v, columns);
    if (squares && j->magnitudes) j->k->abs(room, v, columns, NULL), j->k->accumulate(squares, room, columns);
    else if (squares) j->k->multiply_add(squares, v, v, columns);
  }
}

static bool repeats(const job *j, int64_t row) { return j->heads[row] >= 0 && j->chain[j->heads[row]] >= 0; }

/* Rows row .. row + rows - 1 and columns of them (all, unless it is one row). */
static void block(const job *j, cni_update *c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  double sum[BLOCK], squares[BLOCK];
  const int64_t n = rows * columns;
  bool any = false, again = false;
  for (int64_t r = row; r < row + rows; r++) any |= j->heads[r] >= 0, again |= repeats(j, r);
  if (!any) {
    pass_at(j, c, row * j->width + column, n, NULL, 1, NULL);
    return;
  }
  if (rows == 1 && !again) {
    pass_at(j, c, row * j->width + column, n, occurrence(j, j->heads[row], column), number_of(j, j->heads[row]), NULL);
    return;
  }
  again = again && !j->sums;
  for (int64_t r = row; r < row + rows; r++) {
    const int64_t at = (r - row) * columns * j->size;
    gather(j, j->heads[r], column, columns, (char *)sum + at, again ? (char *)squares + at : NULL);
  }
  pass_at(j, c, row * j->width + column, n, sum, 1, again ? squares : NULL);
}

static void one_row(const job *j, cni_update *c, int64_t row) {
  for (int64_t k = 0; k < j->width; k += BLOCK) block(j, c, row, 1, k, j->width - k < BLOCK ? j->width - k : BLOCK);
}

/* The gradients of rows begin .. end - 1: they stand wherever a look-up was. */
static void gradients_ahead(const job *j, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++)
    if (j->heads[r] >= 0) cni_prefetch(j->place[j->heads[r]], (size_t)(j->width * j->size));
}

static void every_row(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  cni_update c = j->call;
  const int64_t rows = j->width < BLOCK ? BLOCK / j->width : 1;
  for (int64_t r = begin; r < end; r += rows) {
    const int64_t last = r + rows < end ? r + rows : end;
    gradients_ahead(j, last, last + rows < end ? last + rows : end);
    if (rows == 1) one_row(j, &c, r);
    else block(j, &c, r, last - r, 0, j->width);
    for (int64_t k = r; k < last; k++) j->heads[k] = -1;
  }
}

static void row_ahead(const job *j, int64_t row) {
  const size_t bytes = (size_t)(j->width * j->size), at = (size_t)row * bytes;
  cni_prefetch_written((const char *)j->call.w + at, bytes);
  if (j->call.slot[0]) cni_prefetch_written((const char *)j->call.slot[0] + at, bytes);
  cni_prefetch(j->place[j->heads[row]], bytes);
}

static void touched_rows(void *ctx, int64_t begin, int64_t end) {
  const job *j = ctx;
  cni_update c = j->call;
  for (int64_t i = begin - CNI_AHEAD; i < end; i++) { /* no further ahead: the rows of another thread lose their heads */
    if (i + CNI_AHEAD < end) row_ahead(j, j->touched[i + CNI_AHEAD]);
    if (i < begin) continue;
    one_row(j, &c, j->touched[i]);
    j->heads[j->touched[i]] = -1;
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
  const char **place = touched ? cni_realloc(g, s->place, 2 * (size_t)n * sizeof *place) : NULL;
  if (place) s->place = place, s->number = place + n;
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

bool cni_rows_pass(cn_optimizer *o, cni_entry *e, cn_rows *rows, const cni_update *c, cni_update_pass *pass, bool rows_only) {
  if (!e->count) return true;
  cn_graph *g = o->object.graph;
  struct cni_optimizer_state *s = o->state;
  const int64_t height = e->variable->dims.d[0], width = e->count / height, n = rows->indices->count;
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  const bool clips = isfinite(c->clip);
  if (clips && !(cni_rows_join(g, e->variable, rows) && (rows->values = cni_scaled(g, rows->values, c->scale, c->clip))))
    return false; /* each row as given is clipped */
  if (!chains_room(o, e, n)) return false;
  cni_rows_places(g, e->variable, rows, s->place, s->number);
  const int64_t *touched;
  const int64_t count = chains_make(s, e, rows->indices->data, n, &touched);
  job j = { .call = *c,
           .pass = pass,
           .k = cni_kernels_for(g, e->dtype),
           .place = s->place,
           .number = s->number,
           .dtype = e->dtype,
           .width = width,
           .size = (int64_t)cn_dtype_size(e->dtype),
           .heads = e->heads,
           .chain = s->chain,
           .touched = touched,
           .count = count,
           .magnitudes = r && r->magnitudes,
           .sums = r && r->sums };
  if (clips) j.call.scale = 1, j.call.clip = INFINITY;
  const int64_t grain = CNI_GRAIN / width + 1;
  cni_parallel(g, rows_only ? count : height, grain, rows_only ? touched_rows : every_row, &j);
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
