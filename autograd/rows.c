/* Sparse gradients: rows of a variable that look-ups read. While backward runs they are kept as pieces {indices, values, numbers}, one for each look-up. */
#include "../core/threads_private.h"
#include "engine_private.h"
#include "ops_layout_private.h"

bool cni_piece_add(cn_graph *g, const cn_node *n) {
  if (g->pieces_count == g->pieces_capacity && !cni_grow(g, (void **)&g->pieces, g->pieces_count, &g->pieces_capacity, sizeof(cni_piece))) return false;
  cn_tensor *values = n->y[0]->slot;
  if (values->flags & CNI_TEMPORARY) values->uses++;
  g->pieces[g->pieces_count++] = (cni_piece){ n->x[0], n->x[1], values, cni_slot_numbers(values) };
  return true;
}

/* The rows that indices mean, negative ones from the end; returns what follows them in `to`. */
#define ROWS_OF(name, T)                                                                      \
  static int64_t *name(int64_t *to, const cn_tensor *indices, int64_t height) {               \
    const T *k = indices->data;                                                               \
    for (int64_t i = 0; i < indices->count; i++) *to++ = (int64_t)k[i] + (k[i] < 0) * height; \
    return to;                                                                                \
  }
ROWS_OF(rows_of_i64, int64_t)
ROWS_OF(rows_of_i32, int32_t)

/* Whether a piece's values are a row for each index; else they repeat along axes of the indices, where their size is 1, or are still to be multiplied. */
static bool has_every_row(const cni_piece *p) {
  if (p->numbers) return false;
  for (int i = 0; i < p->indices->dims.rank; i++)
    if (p->values->dims.d[i] != p->indices->dims.d[i]) return false;
  return true;
}

static size_t row_bytes(const cn_tensor *v) { return v->dims.d[0] ? (size_t)(v->count / v->dims.d[0]) * cn_dtype_size((cn_dtype)v->dtype) : 0; }

/* A single piece's values in the shape [rows, width]: shared, not copied, where they have a buffer. */
static cn_tensor *values_of(cn_graph *g, const cn_tensor *v, const cn_tensor *piece, const cn_dims *flat) {
  cn_tensor *t = cni_view_header(g, (cn_dtype)v->dtype, flat);
  if (!t) return NULL;
  if (piece->buffer) {
    cni_buffer_use(g, piece->buffer, true);
    t->buffer = piece->buffer;
    t->data = piece->data;
    return t;
  }
  if (!cni_tensor_storage(g, t, true)) return NULL;
  if (t->count) memcpy(t->data, piece->data, (size_t)t->count * cn_dtype_size((cn_dtype)t->dtype));
  return t;
}

bool cni_rows_collect(cn_graph *g, cn_tensor *v, cn_rows *rows) {
  int64_t total = 0, pieces = 0;
  const int64_t height = v->dims.d[0];
  const cni_piece *only = NULL;
  for (int64_t p = 0; p < g->pieces_count; p++)
    if (g->pieces[p].variable == v) total += g->pieces[p].indices->count, pieces++, only = &g->pieces[p];
  const cn_dims flat = { 2, { total, height ? v->count / height : 0 } };
  rows->values = NULL;
  rows->indices = cni_temporary(g, CN_I64, &(const cn_dims){ 1, { total } });
  if (!rows->indices || (pieces == 1 && has_every_row(only) && !(rows->values = values_of(g, v, only->values, &flat)))) return false;
  int64_t *to = rows->indices->data;
  for (int64_t p = 0; p < g->pieces_count; p++) {
    const cni_piece *q = &g->pieces[p];
    if (q->variable == v) to = (q->indices->dtype == CN_I32 ? rows_of_i32 : rows_of_i64)(to, q->indices, height);
  }
  return true;
}

/* Where t's rows of so many bytes are, for n indices from `begin` on; t is of size 1 along axes of the indices where it repeats. */
static void places_of(const cn_dims *indices, int64_t begin, int64_t n, const cn_tensor *t, size_t bytes, const char **place) {
  const int last = indices->rank - 1;
  const int64_t run = last < 0 ? 1 : indices->d[last];
  int64_t at[CN_MAX_RANK] = { 0 }, step[CN_MAX_RANK] = { 0 }, rows = 1, row = 0, rest = begin / run;
  for (int k = last; k >= 0; rows *= t->dims.d[k--]) step[k] = t->dims.d[k] == indices->d[k] ? rows : 0;
  for (int k = last - 1; k >= 0; rest /= indices->d[k--]) row += (at[k] = rest % indices->d[k]) * step[k];
  const size_t each = last < 0 ? 0 : (size_t)step[last] * bytes;
  for (int64_t i = begin % run, end; n; n -= end - i, i = 0) {
    const char *from = (const char *)t->data + (size_t)row * bytes;
    end = run - i < n ? run : i + n;
    for (int64_t k = i; k < end; k++) *place++ = from + (size_t)k * each;
    for (int k = last - 1; k >= 0; k--) {
      row += step[k];
      if (++at[k] < indices->d[k]) break;
      row -= step[k] * indices->d[k];
      at[k] = 0;
    }
  }
}

void cni_rows_places(const cn_graph *g, const cn_tensor *v, const cn_rows *rows, int64_t begin, int64_t n, const char **place, const char **number) {
  const size_t bytes = row_bytes(v), width = cn_dtype_size((cn_dtype)v->dtype);
  memset(number, 0, (size_t)n * sizeof *number);
  for (int64_t i = 0; rows->values && i < n; i++) place[i] = (const char *)rows->values->data + (size_t)(begin + i) * bytes;
  for (int64_t p = 0; !rows->values && n && p < g->pieces_count; p++) {
    const cni_piece *q = &g->pieces[p];
    if (q->variable != v) continue;
    const int64_t count = q->indices->count, here = count - begin < n ? count - begin : n;
    if (here <= 0) {
      begin -= count;
      continue;
    }
    places_of(&q->indices->dims, begin, here, q->values, bytes, place);
    if (q->numbers) places_of(&q->indices->dims, begin, here, q->numbers, width, number);
    place += here, number += here, n -= here, begin = 0;
  }
}

typedef struct copying { const cn_graph *g; const cn_tensor *variable; const cn_rows *rows; char *to; } copying;
static void copy_part(void *context, int64_t begin, int64_t end) {
  const copying *c = context;
  const cn_dtype dtype = (cn_dtype)c->variable->dtype;
  const size_t bytes = row_bytes(c->variable);
  const char *place[64], *number[64];
  for (int64_t i = begin; i < end; i++) {
    const int64_t k = (i - begin) % 64;
    if (!k) cni_rows_places(c->g, c->variable, c->rows, i, end - i < 64 ? end - i : 64, place, number);
    char *to = c->to + (size_t)i * bytes;
    const double times = cni_number_at(number[k], dtype);
    if (times == 1) memcpy(to, place[k], bytes);
    else cni_kernels_for(c->g, dtype)->scale(to, place[k], (int64_t)(bytes / cn_dtype_size(dtype)), &times);
  }
}

bool cni_rows_join(cn_graph *g, const cn_tensor *v, cn_rows *rows) {
  if (rows->values) return true;
  const cn_dims flat = { 2, { rows->indices->count, v->dims.d[0] ? v->count / v->dims.d[0] : 0 } };
  cn_tensor *values = cni_temporary(g, (cn_dtype)v->dtype, &flat);
  if (!values) return false;
  copying c = { g, v, rows, values->data };
  cni_parallel(g, rows->indices->count, 4 * CNI_GRAIN / (int64_t)(row_bytes(v) + 1) + 1, copy_part, &c);
  rows->values = values;
  return true;
}

void cni_pieces_drop(cn_graph *g, const cn_tensor *v) {
  int64_t kept = 0;
  for (int64_t p = 0; p < g->pieces_count; p++) {
    cni_piece q = g->pieces[p];
    if (q.variable != v) g->pieces[kept++] = q;
    else if ((q.values->flags & CNI_TEMPORARY) && --q.values->uses == 0) cni_temporary_free(g, q.values);
  }
  g->pieces_count = kept;
}

cn_tensor *cni_rows_dense(cn_graph *g, const cn_rows *rows, const cn_tensor *v) {
  cn_tensor *t = cn_zeros(g, (cn_dtype)v->dtype, &v->dims);
  const int64_t width = v->dims.d[0] ? v->count / v->dims.d[0] : 0;
  if (t && rows->indices->count)
    cni_kernels_for(g, (cn_dtype)v->dtype)->scatter_add_rows(t->data, rows->values->data, rows->indices->data, true, rows->indices->count, width);
  return t;
}
