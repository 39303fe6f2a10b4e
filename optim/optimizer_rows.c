/* Sparse gradients: rows of a variable, which may repeat. */
#include <math.h>
#include "../autograd/ops_layout_private.h"
#include "optimizer_private.h"

/* A place of an open hash of rows: its hash, and its entry or -1. */
typedef struct slot { uint32_t hash; int32_t entry; } slot;

typedef struct sparse_pass {
  const cn_graph *graph;
  const cn_tensor *variable;
  const cn_rows *rows;
  bool every;                        /* row is an entry; else those that occur */
  int64_t n, height, width, parts;
  uint64_t share;                    /* row r is in part r share >> 32 */
  cni_occurrence *of;                /* [n]; part by part where every row is an entry */
  int32_t *heads, *next;             /* [n], but [height] where every row is an entry; [n] */
  slot *table;                       /* [4 n] where not every row is one */
} sparse_pass;

static bool make_room(cn_optimizer *o, sparse_pass *s, cni_buffer **room) {
  const bool every = s->every;
  const int64_t work = s->n * s->width / CNI_GRAIN + 1, threads = cni_context_of_const(s->graph)->threads;
  if (s->n > INT32_MAX / 4) return cni_optimizer_fail(o, CN_UNSUPPORTED, "%lld rows in one gradient are too many", (long long)s->n);
  s->parts = !every || s->height > UINT32_MAX ? 1 : work < threads ? work : threads;
  s->share = ((uint64_t)s->parts << 32) / (uint64_t)s->height;
  const size_t n = (size_t)s->n, heads = every ? (size_t)s->height : n;
  s->of = cni_borrow(o->object.graph, n * sizeof *s->of + (every ? 0 : 4 * n * sizeof *s->table) + (heads + n) * sizeof *s->heads, room);
  if (!s->of) return false;
  s->table = (slot *)(void *)(s->of + n);
  s->heads = (int32_t *)(void *)(s->table + (every ? 0 : 4 * n));
  s->next = s->heads + heads;
  return true;
}

static inline int64_t part_of(const sparse_pass *s, int64_t row) { return (int64_t)((uint64_t)row * s->share >> 32); }
static int64_t first_row(const sparse_pass *s, int64_t part) {
  if (!part || part == s->parts) return part ? s->height : 0;
  return (int64_t)((((uint64_t)part << 32) + s->share - 1) / s->share);
}

enum { BLOCK = 256 };
static void collect(void *context, int64_t begin, int64_t end) {
  const sparse_pass *s = context;
  const char *place[BLOCK], *number[BLOCK];
  const int64_t *row = s->rows->indices->data;
  for (int64_t i = begin; i < end; i++) {
    const int64_t k = (i - begin) % BLOCK;
    if (!k) cni_rows_places(s->graph, s->variable, s->rows, i, end - i < BLOCK ? end - i : BLOCK, place, number);
    s->of[i] = (cni_occurrence){ place[k], number[k], row[i] };
  }
}

/* Which of n rows are in a part, in order; without a branch, which would be foreseen half of the time. */
static int32_t select_rows(const sparse_pass *s, const int64_t *row, int32_t n, int64_t part, int32_t *selected) {
  int32_t count = 0;
  for (int32_t i = 0; i < n; i++) {
    selected[count] = i;
    count += part_of(s, row[i]) == part;
  }
  return count;
}

/* The occurrences of a part's rows, in their order, from *first on. Returns their number. */
static int64_t collect_part(const sparse_pass *s, int64_t part, int64_t *first) {
  const char *place[BLOCK], *number[BLOCK];
  int32_t selected[BLOCK];
  const int64_t *row = s->rows->indices->data;
  *first = 0;
  for (int64_t i = 0; part && i < s->n; i++) *first += part_of(s, row[i]) < part;
  cni_occurrence *to = s->of + *first;
  for (int64_t i = 0; i < s->n; i += BLOCK) {
    const int32_t n = s->n - i < BLOCK ? (int32_t)(s->n - i) : BLOCK, count = select_rows(s, row + i, n, part, selected);
    cni_rows_places(s->graph, s->variable, s->rows, i, n, place, number);
    for (int32_t k = 0; k < count; k++) *to++ = (cni_occurrence){ place[selected[k]], number[selected[k]], row[i + selected[k]] };
  }
  return to - s->of - *first;
}

static void chain(const sparse_pass *s, int64_t entry, int64_t i) {
  s->next[i] = s->heads[entry];
  s->heads[entry] = (int32_t)i;
}

/* Every row is an entry. */
static void chain_parts(void *context, int64_t begin, int64_t end) {
  const sparse_pass *s = context;
  for (int64_t p = begin; p < end; p++) {
    const int64_t from = first_row(s, p), to = first_row(s, p + 1);
    int64_t first, n = collect_part(s, p, &first);
    memset(s->heads + from, -1, (size_t)(to - from) * sizeof *s->heads);
    while (n--) chain(s, s->of[first + n].row, first + n);
  }
}

static uint32_t hash_of(int64_t row) { return (uint32_t)((uint64_t)row * 0x9E3779B97F4A7C15u >> 32); }

/* The rows that occur are entries, in the order of occurrence: the thread that looked a row up has it in its cache. Returns the first entry;
 * s->n ends them. */
static int64_t chain_rows(const sparse_pass *s) {
  const int64_t *row = s->rows->indices->data;
  int32_t entry = (int32_t)s->n;
  uint32_t mask = 3;
  while (mask < 2 * s->n) mask += mask + 1;
  if (s->n) memset(s->table, -1, ((size_t)mask + 1) * sizeof *s->table);
  for (int64_t n = s->n - 1; n >= 0; n--) {
    const uint32_t hash = hash_of(row[n]);
    uint32_t at = hash & mask;
    if (n >= 8) __builtin_prefetch(&s->table[hash_of(row[n - 8]) & mask], 1);
    while (s->table[at].entry >= 0 && (s->table[at].hash != hash || row[s->heads[s->table[at].entry]] != row[n])) at = (at + 1) & mask;
    if (s->table[at].entry < 0) s->table[at] = (slot){ hash, --entry }, s->heads[entry] = -1;
    chain(s, s->table[at].entry, n);
  }
  return entry;
}

bool cni_rows_pass(cn_optimizer *o, cni_entry *e, cn_rows *rows, const cni_update *c, cni_update_pass *pass, bool rows_only) {
  if (!e->count) return true;
  cn_graph *g = o->object.graph;
  const int64_t height = e->variable->dims.d[0];
  const struct cni_optimizer_rules *r = cni_methods(o)->rules;
  const bool clips = isfinite(c->clip);
  if (clips && !(cni_rows_join(g, e->variable, rows) && (rows->values = cni_scaled(g, rows->values, c->scale, c->clip))))
    return false; /* each row as given is clipped */
  sparse_pass s = { .graph = g, .variable = e->variable, .rows = rows, .every = !rows_only, .n = rows->indices->count, .height = height,
                    .width = e->count / height };
  cni_buffer *room = NULL;
  if (!make_room(o, &s, &room)) return false;
  cni_parallel(g, rows_only ? s.n : s.parts, rows_only ? 4 * BLOCK : 1, rows_only ? collect : chain_parts, &s);
  const int64_t first = rows_only ? chain_rows(&s) : 0, end = rows_only ? s.n : height;
  const cni_update_rows terms = { .of = s.of, .heads = s.heads + first, .next = s.next, .width = s.width, .every = s.every, .sums = r && r->sums };
  cni_update call = *c;
  call.rows = &terms;
  if (clips) call.scale = 1, call.clip = INFINITY;
  cni_parallel(g, end - first, CNI_GRAIN / s.width + 1, pass, &call);
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
