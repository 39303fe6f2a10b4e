/* Sparse gradients: rows of a variable, which may repeat. A pass finds those of a row by its chain of occurrences. */
#include <math.h>
#include "../autograd/ops_layout_private.h"
#include "optimizer_private.h"

/* Memory for the chains of n occurrences. */
typedef struct chains {
  const char **place, **number;      /* [n], as rows has them */
  int64_t *row;                      /* [n] the rows that occur, in the order of their first occurrences: entries; NULL: every row is an entry */
  int32_t *chain;                    /* [n] occurrence -> the row's next one, or -1 */
  int32_t *head, *tail;              /* [entries] its first and last occurrence; no `tail` of every row */
  int32_t *table;                    /* open hash of rows: entry, or -1 */
  int64_t size;                      /* of the table, a power of two, at least 2 n */
} chains;

/* height: the number of rows, where each is to be an entry; else 0. */
static bool chains_room(cn_optimizer *o, chains *c, int64_t n, int64_t height, cni_buffer **room) {
  if (n > INT32_MAX / 4) return cni_optimizer_fail(o, CN_UNSUPPORTED, "%lld rows in one gradient are too many", (long long)n);
  for (c->size = 4; !height && c->size < 2 * n;) c->size *= 2;
  const size_t each = (size_t)n, slim = height ? each + (size_t)height : 3 * each + (size_t)c->size;
  char *p = cni_borrow(o->object.graph, each * 3 * sizeof(int64_t) + slim * sizeof(int32_t), room);
  if (!p) return false;
  c->place = (const char **)(void *)p;
  c->number = c->place + n;
  int64_t *rows = (int64_t *)(void *)(c->number + n);
  c->row = height ? NULL : rows;
  c->chain = (int32_t *)(void *)(rows + n);
  c->head = c->chain + n;
  c->tail = c->head + n;
  c->table = c->tail + n;
  return true;
}

/* Chains in the order of occurrence. */
static void chain_every_row(chains *c, const int64_t *index, int64_t n, int64_t height) {
  memset(c->head, -1, (size_t)height * sizeof *c->head);
  for (int64_t i = n - 1; i >= 0; i--) c->chain[i] = c->head[index[i]], c->head[index[i]] = (int32_t)i;
}

/* The same of the rows that occur; their number. */
static int64_t chain_rows(chains *c, const int64_t *index, int64_t n) {
  const uint64_t mask = (uint64_t)(c->size - 1);
  int32_t count = 0;
  memset(c->table, -1, (size_t)c->size * sizeof *c->table);
  for (int32_t i = 0; i < n; i++) {
    const int64_t row = index[i];
    uint64_t at = (uint64_t)row * 0x9E3779B97F4A7C15u >> 32 & mask;
    while (c->table[at] >= 0 && c->row[c->table[at]] != row) at = (at + 1) & mask;
    const int32_t k = c->table[at];
    if (k < 0) c->table[at] = count, c->row[count] = row, c->head[count] = c->tail[count] = i, count++;
    else c->chain[c->tail[k]] = i, c->tail[k] = i;
    c->chain[i] = -1;
  }
  return count;
}

bool cni_rows_pass(cn_optimizer *o, cni_entry *e, cn_rows *rows, const cni_update *c, cni_update_pass *pass, bool rows_only) {
  if (!e->count) return true;
  cn_graph *g = o->object.graph;
  const int64_t height = e->variable->dims.d[0], width = e->count / height, n = rows->indices->count;
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  const bool clips = isfinite(c->clip);
  if (clips && !(cni_rows_join(g, e->variable, rows) && (rows->values = cni_scaled(g, rows->values, c->scale, c->clip))))
    return false; /* each row as given is clipped */
  chains a = { 0 };
  cni_buffer *room = NULL;
  if (!chains_room(o, &a, n, rows_only ? 0 : height, &room)) return false;
  cni_rows_places(g, e->variable, rows, a.place, a.number);
  int64_t entries = height;
  if (rows_only) entries = chain_rows(&a, rows->indices->data, n);
  else chain_every_row(&a, rows->indices->data, n, height);
  const cni_update_rows terms = { a.row, a.head, a.chain, a.place, a.number, width, r && r->sums };
  cni_update call = *c;
  call.rows = &terms;
  if (clips) call.scale = 1, call.clip = INFINITY;
  cni_parallel(g, entries, CNI_GRAIN / width + 1, pass, &call);
  cni_buffer_drop(g, room, false);
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
