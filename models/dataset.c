#include "dataset.h"
#include "../core/prefetch_private.h"
#include "../core/threads_private.h"
#include "dataset_private.h"
#include "model_private.h"

cn_dataset *cn_dataset_new(cn_graph *g, const cn_dataset_methods *methods, void *state) {
  if (!cn_ok(g)) return NULL;
  cn_dataset *d = cni_alloc(g, sizeof *d);
  if (!d) return NULL;
  *d = (cn_dataset){ .graph = g, .methods = methods, .state = state, .stream = cn_stream_new(g) };
  d->drawn_from = d->stream;
  return d;
}
bool cn_dataset_next(cn_dataset *d, int64_t batch_size, cn_batch *out) {
  *out = (cn_batch){ .size = 0 };
  if (!d || !cn_ok(d->graph) || !d->methods->next(d->graph, d->state, batch_size, out)) return false;
  d->sample += out->size;
  return true;
}
bool cn_dataset_reset(cn_dataset *d, bool shuffle) {
  if (!d || !cn_ok(d->graph)) return false;
  const cn_stream before = d->stream;
  if (!d->methods->reset || !d->methods->reset(d->graph, d->state, shuffle, &d->stream)) {
    cn_fail(d->graph, CN_STATE, "dataset_reset: this data set cannot begin again");
    return false;
  }
  d->drawn_from = before;
  d->shuffled = shuffle;
  d->sample = 0;
  return true;
}
int64_t cn_dataset_batch_size(const cn_dataset *d, int64_t wanted) {
  const int64_t own = d && d->methods->batch ? d->methods->batch(d->state) : 0;
  return own ? own : wanted;
}

cn_position cn_dataset_position(const cn_dataset *d) {
  if (!d) return (cn_position){ 0, 0, 0, false };
  return (cn_position){ d->drawn_from.key, d->drawn_from.counter, d->sample, d->shuffled };
}
bool cni_dataset_restarts(const cn_dataset *d) { return d && d->methods->reset && (!d->methods->repeats || d->methods->repeats(d->state)); }
bool cn_dataset_can_seek(const cn_dataset *d) { return cni_dataset_restarts(d) && !d->draws; }

/* Reads on and throws away, a batch at a time. */
bool cni_dataset_read_on(cn_dataset *d, int64_t sample) {
  cn_batch b;
  while (d->sample < sample) {
    const int64_t left = sample - d->sample;
    if (!cn_dataset_next(d, cn_dataset_batch_size(d, left < 256 ? left : 256), &b)) break;
    cn_graph_reset(d->graph);
  }
  return cn_ok(d->graph);
}
bool cn_dataset_seek(cn_dataset *d, const cn_position *p) {
  if (!d || !cn_ok(d->graph)) return false;
  if (!cn_dataset_can_seek(d))
    return cn_fail(d->graph, CN_STATE, "dataset_seek: this data set runs once or draws random numbers of its own: it cannot return to a position"), false;
  if (p->sample < 0) return cn_fail(d->graph, CN_VALUE, "dataset_seek: sample %lld", (long long)p->sample), false;
  d->stream = (cn_stream){ p->key, p->counter };
  if (!cn_dataset_reset(d, p->shuffled)) return false;
  if (!d->methods->seek) return cni_dataset_read_on(d, p->sample);
  if (!d->methods->seek(d->graph, d->state, p->sample)) return false;
  d->sample = p->sample;
  return true;
}
bool cni_dataset_state(cn_dataset *d, cn_state *s) {
  cn_position p = cn_dataset_position(d);
  if (!cn_state_bytes(s, "key", &p.key, sizeof p.key) || !cn_state_bytes(s, "counter", &p.counter, sizeof p.counter) ||
      !cn_state_bytes(s, "sample", &p.sample, sizeof p.sample) || !cn_state_bytes(s, "shuffled", &p.shuffled, sizeof p.shuffled))
    return false;
  return !cn_state_loading(s) || cn_dataset_seek(d, &p);
}
int64_t cn_dataset_size(const cn_dataset *d) { return d ? d->methods->size(d->state) : 0; }
void cn_dataset_free(cn_dataset *d) {
  if (!d) return;
  if (d->methods->finish) d->methods->finish(d->graph, d->state);
  cni_free(d->graph, d);
}

/* ---- arrays ---- */
typedef struct column { cn_dtype dtype; cn_dims dims; const char *data; cn_tensor *owner; size_t row; } column;
/* Inputs, then targets, then weights. */
typedef struct arrays {
  column *columns;
  int64_t nx, ny, nw;
  int64_t first, count, at;
  int64_t *order;            /* of the samples; NULL: as they are */
} arrays;

static const char *row_of(const column *c, const arrays *a, int64_t i) { return c->data + (size_t)(a->first + a->order[i]) * c->row; }
typedef struct copying { const column *c; const arrays *a; char *to; } copying;
static void copy_rows(void *context, int64_t begin, int64_t end) {
  const copying *p = context;
  const column *c = p->c;
  const arrays *a = p->a;
  char *to = p->to + (size_t)begin * c->row;
  if (!a->order) {
    memcpy(to, c->data + (size_t)(a->first + a->at + begin) * c->row, (size_t)(end - begin) * c->row);
    return;
  }
  for (int64_t i = a->at + begin; i < a->at + end; i++, to += c->row) {
    if (i + CNI_AHEAD < a->count) cni_prefetch(row_of(c, a, i + CNI_AHEAD), c->row);
    memcpy(to, row_of(c, a, i), c->row);
  }
}

#define WORTH_A_THREAD ((size_t)32 << 10) /* bytes: rows in random order are far away, and two threads fetch twice as many */
static cn_tensor *batch_of(cn_graph *g, const column *c, const arrays *a, int64_t n) {
  cn_dims dims = c->dims;
  dims.d[0] = n;
  cn_tensor *t = cni_tensor_new(g, c->dtype, &dims, false);
  copying p = { c, a, t ? t->data : NULL };
  if (t && c->row) cni_parallel(g, n, (int64_t)(WORTH_A_THREAD / c->row) + 1, copy_rows, &p);
  return t;
}

/* The batches of n columns, as a list in memory of the step. */
static bool batches_of(cn_graph *g, const column *c, int64_t n, const arrays *a, int64_t rows, cn_tensors *out) {
  cn_tensor **v = n ? cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *v) : NULL;
  *out = (cn_tensors){ v, n };
  for (int64_t i = 0; v && i < n; i++)
    if (!(v[i] = c[i].data ? batch_of(g, &c[i], a, rows) : CN_NO_TENSOR)) return false;
  return v || !n;
}

static bool arrays_next(cn_graph *g, void *state, int64_t batch_size, cn_batch *out) {
  arrays *a = state;
  const int64_t left = a->count - a->at, n = batch_size < left ? batch_size : left;
  if (n <= 0) return false;
  if (!batches_of(g, a->columns, a->nx, a, n, &out->xs) || !batches_of(g, a->columns + a->nx, a->ny, a, n, &out->ys) ||
      !batches_of(g, a->columns + a->nx + a->ny, a->nw, a, n, &out->sample_weights))
    return false;
  out->x = out->xs.v[0];
  out->y = a->ny ? out->ys.v[0] : NULL;
  out->sample_weight = a->nw && cni_given(out->sample_weights.v[0]) ? out->sample_weights.v[0] : NULL;
  out->size = n;
  a->at += n;
  return cn_ok(g);
}

static bool arrays_reset(cn_graph *g, void *state, bool shuffle, cn_stream *stream) {
  arrays *a = state;
  a->at = 0;
  if (!shuffle) {
    cni_free(g, a->order);
    a->order = NULL;
    return true;
  }
  if (!a->order) a->order = cni_alloc(g, (size_t)(a->count ? a->count : 1) * sizeof *a->order);
  if (!a->order) return false;
  cn_random_fill_permutation(stream, a->order, a->count);
  return true;
}

static int64_t arrays_size(void *state) { return ((const arrays *)state)->count; }
static int64_t columns_of(const arrays *a) { return a->nx + a->ny + a->nw; }
static void arrays_free(cn_graph *g, arrays *a) {
  for (int64_t i = 0; i < columns_of(a); i++) cn_free(a->columns[i].owner);
  cni_free(g, a->columns);
  cni_free(g, a->order);
  cni_free(g, a);
}
static arrays *arrays_copy(cn_graph *g, const arrays *from) {
  arrays *a = cni_alloc(g, sizeof *a);
  column *c = a ? cni_alloc(g, (size_t)columns_of(from) * sizeof *c) : NULL;
  if (!c) return cni_free(g, a), NULL;
  memcpy(c, from->columns, (size_t)columns_of(from) * sizeof *c);
  *a = *from;
  a->columns = c;
  a->order = NULL;
  return a;
}
static void *arrays_range(cn_graph *g, void *state, int64_t first, int64_t count) {
  arrays *a = arrays_copy(g, state);
  if (!a) return NULL;
  for (int64_t i = 0; i < columns_of(a); i++)
    if (a->columns[i].owner) a->columns[i].owner = cn_persist(a->columns[i].owner);
  a->first += first;
  a->count = count;
  a->at = 0;
  return a;
}
static void arrays_finish(cn_graph *g, void *state) { arrays_free(g, state); }
static bool arrays_seek(cn_graph *g, void *state, int64_t sample) {
  arrays *a = state;
  (void)g;
  a->at = sample < a->count ? sample : a->count;
  return true;
}
static const cn_dataset_methods arrays_methods = {
  .next = arrays_next, .reset = arrays_reset, .size = arrays_size, .range = arrays_range, .finish = arrays_finish, .seek = arrays_seek
};

static column column_of(cn_dtype dtype, const cn_dims *dims, const void *data, cn_tensor *owner) {
  column c = { dtype, *dims, data, owner, cn_dtype_size(dtype) };
  for (int i = 1; i < dims->rank; i++) c.row *= (size_t)dims->d[i];
  return c;
}

/* The columns stay the caller's where this fails. */
static cn_dataset *from_columns(cn_graph *g, const arrays *given) {
  static const char *const names[] = { "x", "y", "sample_weight" };
  const column *c = given->columns;
  for (int64_t i = 0; i < columns_of(given); i++) {
    const char *name = names[(i >= given->nx) + (i >= given->nx + given->ny)];
    if (!c[i].data) continue;
    if (c[i].dtype == CN_STRING) return cn_fail(g, CN_UNSUPPORTED, "dataset: %s holds texts; turn them into numbers first", name), NULL;
    if (c[i].dims.rank < 1) return cn_fail(g, CN_SHAPE, "dataset: %s needs a first axis, the samples", name), NULL;
    if (c[i].dims.d[0] != c[0].dims.d[0])
      return cn_fail(g, CN_SHAPE, "dataset: x has %lld samples, %s has %lld", (long long)c[0].dims.d[0], name, (long long)c[i].dims.d[0]), NULL;
  }
  arrays *a = arrays_copy(g, given);
  if (!a) return NULL;
  a->count = c[0].dims.d[0];
  cn_dataset *d = cn_dataset_new(g, &arrays_methods, a);
  if (d) return d;
  cni_free(g, a->columns);
  cni_free(g, a);
  return NULL;
}

cn_dataset *cn_dataset_from_arrays(cn_graph *g, cn_dtype x_dtype, const cn_dims *x_dims, const void *x, cn_dtype y_dtype, const cn_dims *y_dims,
                                   const void *y) {
  if (!cn_ok(g)) return NULL;
  if (!x) return cn_fail(g, CN_VALUE, "dataset: x is NULL"), NULL;
  column c[2] = { column_of(x_dtype, x_dims, x, NULL) };
  if (y) c[1] = column_of(y_dtype, y_dims, y, NULL);
  const arrays a = { .columns = c, .nx = 1, .ny = y != NULL };
  return from_columns(g, &a);
}

cn_dataset *cn_dataset_from_lists(cn_graph *g, cn_tensors x, cn_tensors y, cn_tensors w) {
  const cn_tensors lists[] = { x, y, w };
  column c[3 * CN_BATCH_TENSORS] = { { .owner = NULL } };
  if (!cn_ok(g)) return NULL;
  if (x.n < 1 || x.n > CN_BATCH_TENSORS || y.n > CN_BATCH_TENSORS || w.n > CN_BATCH_TENSORS)
    return cn_fail(g, CN_VALUE, "dataset: %lld inputs, %lld targets, %lld weights: 1 to %d inputs are possible", (long long)x.n, (long long)y.n, (long long)w.n,
                   CN_BATCH_TENSORS),
           NULL;
  const arrays a = { .columns = c, .nx = x.n, .ny = y.n > 0 ? y.n : 0, .nw = w.n > 0 ? w.n : 0 };
  int64_t n = 0;
  for (int k = 0; k < 3; k++)
    for (int64_t i = 0; i < lists[k].n && cn_ok(g); i++, n++) {
      cn_tensor *t = lists[k].v[i], *kept = NULL;
      if (k == 2 && t && !cni_given(t)) continue;
      if (!t) cn_fail(g, CN_VALUE, "dataset: a tensor is NULL");
      else if ((kept = cn_persist(t))) c[n] = column_of((cn_dtype)kept->dtype, &kept->dims, kept->data, kept);
    }
  cn_dataset *d = cn_ok(g) ? from_columns(g, &a) : NULL;
  for (int64_t i = 0; !d && i < n; i++) cn_free(c[i].owner);
  return d;
}

cn_dataset *cn_dataset_from_tensors(cn_graph *g, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  if (!cn_ok(g) || !x) return NULL;
  const bool has_y = y && cni_given(y), has_w = sample_weight && cni_given(sample_weight);
  return cn_dataset_from_lists(g, (cn_tensors){ &x, 1 }, (cn_tensors){ &y, has_y }, (cn_tensors){ &sample_weight, has_w });
}

cn_dataset *cn_dataset_range(cn_dataset *d, int64_t first, int64_t count) {
  if (!d || !cn_ok(d->graph)) return NULL;
  cn_graph *g = d->graph;
  const int64_t size = cn_dataset_size(d);
  if (!d->methods->range) return cn_fail(g, CN_UNSUPPORTED, "dataset_range: this data set has no ranges"), NULL;
  if (first < 0 || count < 0 || first > size || count > size - first)
    return cn_fail(g, CN_INDEX, "dataset_range: samples %lld to %lld of %lld", (long long)first,
                   (long long)(first > 0 && count > INT64_MAX - first ? INT64_MAX : first + count), (long long)size),
           NULL;
  void *state = d->methods->range(g, d->state, first, count);
  cn_dataset *part = state ? cn_dataset_new(g, d->methods, state) : NULL;
  if (part) part->draws = d->draws;
  return part;
}
