/* Sparse gradients: rows of a variable that look-ups read. While backward runs they are kept as pieces {indices, values}, one for each look-up. */
#include "../core/threads_private.h"
#include "engine_private.h"

bool cni_piece_add(cn_graph *g, const cn_node *n) {
  if (g->pieces_count == g->pieces_capacity && !cni_grow(g, (void **)&g->pieces, g->pieces_count, &g->pieces_capacity, sizeof(cni_piece))) return false;
  cn_tensor *values = n->y[0]->slot;
  if (values->flags & CNI_TEMPORARY) values->uses++;
  g->pieces[g->pieces_count++] = (cni_piece){ n->x[0], n->x[1], values };
  return true;
}

static int64_t row_of(const cn_tensor *indices, int64_t i, int64_t rows) {
  const int64_t k = indices->dtype == CN_I32 ? ((const int32_t *)indices->data)[i] : indices->dtype == CN_I64 ? ((const int64_t *)indices->data)[i] : (int64_t)cni_value_at(indices, i);
  return k < 0 ? k + rows : k;
}

typedef struct copying { char *to; const char *from; } copying;
static void copy_part(void *context, int64_t begin, int64_t end) {
  const copying *c = context;
  memcpy(c->to + begin, c->from + begin, (size_t)(end - begin));
}

/* The pieces of a variable as one {indices, values}: temporaries. A single piece's values are shared, not copied. */
bool cni_rows_collect(cn_graph *g, cn_tensor *v, cn_rows *rows) {
  int64_t total = 0, pieces = 0, at = 0;
  const int64_t height = v->dims.d[0], width = height ? v->count / height : 0;
  cni_piece *only = NULL;
  for (int64_t p = 0; p < g->pieces_count; p++)
    if (g->pieces[p].variable == v) total += g->pieces[p].indices->count, pieces++, only = &g->pieces[p];
  cn_dims flat = { 2, { total, width } };
  rows->indices = cni_temporary(g, CN_I64, &(const cn_dims){ 1, { total } });
  rows->values = pieces == 1 ? cni_view_header(g, (cn_dtype)v->dtype, &flat) : cni_temporary(g, (cn_dtype)v->dtype, &flat);
  if (!rows->indices || !rows->values) return false;
  if (pieces == 1 && only->values->buffer) {
    cni_buffer_use(g, only->values->buffer, true);
    rows->values->buffer = only->values->buffer;
    rows->values->data = only->values->data;
  } else if (pieces == 1 && !cni_tensor_storage(g, rows->values, true)) {
    return false;
  }
  const size_t row = (size_t)width * cn_dtype_size((cn_dtype)v->dtype);
  for (int64_t p = 0; p < g->pieces_count; p++) {
    const cni_piece *q = &g->pieces[p];
    if (q->variable != v) continue;
    for (int64_t i = 0; i < q->indices->count; i++) ((int64_t *)rows->indices->data)[at + i] = row_of(q->indices, i, height);
    char *to = (char *)rows->values->data + (size_t)at * row;
    copying c = { to, q->values->data };
    if (c.to != c.from) cni_parallel(g, q->indices->count * (int64_t)row, 4 * CNI_GRAIN, copy_part, &c);
    at += q->indices->count;
  }
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
  if (t && rows->indices->count) cni_kernels_for(g, (cn_dtype)v->dtype)->scatter_add_rows(t->data, rows->values->data, rows->indices->data, true, rows->indices->count, width);
  return t;
}
