#include "dataset.h"
#include "model_private.h"

struct cn_dataset {
  cn_graph *graph;
  const cn_dataset_methods *methods;
  void *state;
  cn_stream stream; /* of the orders */
};

cn_dataset *cn_dataset_new(cn_graph *g, const cn_dataset_methods *methods, void *state) {
  if (!cn_ok(g)) return NULL;
  cn_dataset *d = cni_alloc(g, sizeof *d);
  if (d) *d = (cn_dataset){ g, methods, state, cn_stream_new(g) };
  return d;
}
bool cn_dataset_next(cn_dataset *d, int64_t batch_size, cn_batch *out) {
  *out = (cn_batch){ NULL, NULL, NULL, 0 };
  return d && cn_ok(d->graph) && d->methods->next(d->graph, d->state, batch_size, out);
}
bool cn_dataset_reset(cn_dataset *d, bool shuffle) { return d && cn_ok(d->graph) && d->methods->reset(d->graph, d->state, shuffle, &d->stream); }
int64_t cn_dataset_size(const cn_dataset *d) { return d ? d->methods->size(d->state) : 0; }
void cn_dataset_free(cn_dataset *d) {
  if (!d) return;
  if (d->methods->finish) d->methods->finish(d->graph, d->state);
  cni_free(d->graph, d);
}

/* ---- arrays ---- */
typedef struct column { cn_dtype dtype; cn_dims dims; const char *data; cn_tensor *owner; size_t row; } column;
typedef struct arrays {
  column x, y, w;
  int64_t first, count, at;
  int64_t *order;            /* of the samples; NULL: as they are */
} arrays;

static void copy_rows(const column *c, const arrays *a, int64_t at, int64_t n, char *to) {
  if (!a->order) {
    if (n) memcpy(to, c->data + (size_t)(a->first + at) * c->row, (size_t)n * c->row);
    return;
  }
  for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)i * c->row, c->data + (size_t)(a->first + a->order[at + i]) * c->row, c->row);
}

static cn_tensor *batch_of(cn_graph *g, const column *c, const arrays *a, int64_t n) {
  cn_dims dims = c->dims;
  dims.d[0] = n;
  cn_tensor *t = cni_tensor_new(g, c->dtype, &dims, false);
  if (t) copy_rows(c, a, a->at, n, t->data);
  return t;
}

static bool arrays_next(cn_graph *g, void *state, int64_t batch_size, cn_batch *out) {
  arrays *a = state;
  const int64_t left = a->count - a->at, n = batch_size < left ? batch_size : left;
  if (n <= 0) return false;
  out->x = batch_of(g, &a->x, a, n);
  out->y = a->y.data ? batch_of(g, &a->y, a, n) : NULL;
  out->sample_weight = a->w.data ? batch_of(g, &a->w, a, n) : NULL;
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
static void *arrays_range(cn_graph *g, void *state, int64_t first, int64_t count) {
  const arrays *from = state;
  arrays *a = cni_alloc(g, sizeof *a);
  if (!a) return NULL;
  *a = *from;
  column *columns[] = { &a->x, &a->y, &a->w };
  for (int i = 0; i < 3; i++)
    if (columns[i]->owner) columns[i]->owner = cn_persist(columns[i]->owner);
  a->order = NULL;
  a->first += first;
  a->count = count;
  a->at = 0;
  return a;
}
static void arrays_finish(cn_graph *g, void *state) {
  arrays *a = state;
  cn_free(a->x.owner);
  cn_free(a->y.owner);
  cn_free(a->w.owner);
  cni_free(g, a->order);
  cni_free(g, a);
}
static const cn_dataset_methods arrays_methods = { arrays_next, arrays_reset, arrays_size, arrays_range, arrays_finish };

static column column_of(cn_dtype dtype, const cn_dims *dims, const void *data, cn_tensor *owner) {
  column c = { dtype, *dims, data, owner, cn_dtype_size(dtype) };
  for (int i = 1; i < dims->rank; i++) c.row *= (size_t)dims->d[i];
  return c;
}

static cn_dataset *from_columns(cn_graph *g, const column *x, const column *y, const column *w) {
  const column *all[] = { x, y, w };
  static const char *const names[] = { "x", "y", "sample_weight" };
  for (int i = 0; i < 3; i++) {
    if (!all[i]->data) continue;
    if (all[i]->dtype == CN_STRING) return cn_fail(g, CN_UNSUPPORTED, "dataset: %s holds texts; turn them into numbers first", names[i]), NULL;
    if (all[i]->dims.rank < 1) return cn_fail(g, CN_SHAPE, "dataset: %s needs a first axis, the samples", names[i]), NULL;
    if (all[i]->dims.d[0] != x->dims.d[0])
      return cn_fail(g, CN_SHAPE, "dataset: x has %lld samples, %s has %lld", (long long)x->dims.d[0], names[i], (long long)all[i]->dims.d[0]), NULL;
  }
  arrays *a = cni_alloc(g, sizeof *a);
  if (!a) return NULL;
  *a = (arrays){ *x, *y, *w, 0, x->dims.d[0], 0, NULL };
  cn_dataset *d = cn_dataset_new(g, &arrays_methods, a);
  if (!d) cni_free(g, a);
  return d;
}

cn_dataset *cn_dataset_from_arrays(cn_graph *g, cn_dtype x_dtype, const cn_dims *x_dims, const void *x, cn_dtype y_dtype, const cn_dims *y_dims, const void *y) {
  if (!cn_ok(g)) return NULL;
  if (!x) return cn_fail(g, CN_VALUE, "dataset: x is NULL"), NULL;
  const column cx = column_of(x_dtype, x_dims, x, NULL), none = { 0 }, cy = y ? column_of(y_dtype, y_dims, y, NULL) : none;
  return from_columns(g, &cx, &cy, &none);
}

cn_dataset *cn_dataset_from_tensors(cn_graph *g, cn_tensor *x, cn_tensor *y, cn_tensor *sample_weight) {
  if (!cn_ok(g) || !x) return NULL;
  cn_tensor *t[3] = { x, y, sample_weight }, *kept[3] = { NULL, NULL, NULL };
  column c[3] = { { 0 }, { 0 }, { 0 } };
  for (int i = 0; i < 3; i++) {
    if (!t[i] || !cni_given(t[i])) continue;
    if (!(kept[i] = cn_persist(t[i]))) return NULL;
    c[i] = column_of((cn_dtype)kept[i]->dtype, &kept[i]->dims, kept[i]->data, kept[i]);
  }
  cn_dataset *d = from_columns(g, &c[0], &c[1], &c[2]);
  for (int i = 0; !d && i < 3; i++) cn_free(kept[i]);
  return d;
}

cn_dataset *cn_dataset_range(cn_dataset *d, int64_t first, int64_t count) {
  if (!d || !cn_ok(d->graph)) return NULL;
  cn_graph *g = d->graph;
  const int64_t size = cn_dataset_size(d);
  if (!d->methods->range) return cn_fail(g, CN_UNSUPPORTED, "dataset_range: this data set has no ranges"), NULL;
  if (first < 0 || count < 0 || first + count > size) return cn_fail(g, CN_INDEX, "dataset_range: samples %lld to %lld of %lld", (long long)first, (long long)(first + count), (long long)size), NULL;
  void *state = d->methods->range(g, d->state, first, count);
  return state ? cn_dataset_new(g, d->methods, state) : NULL;
}
