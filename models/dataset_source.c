/* Data sets over sources, and data sets whose batches are changed. */
#include "../io/source_private.h"
#include "dataset_private.h"
#include "model_private.h"

/* ---- sources ---- */
typedef struct reader { cn_source *source; bool texts; } reader;

static int64_t elements_of(const cn_column *c) { return c->dims.rank ? cn_dims_count(&c->dims) : 1; }

static cn_tensor *numbers(cn_graph *g, const cn_column *c, int64_t n) {
  cn_dims dims = { c->dims.rank + 1, { n } };
  memcpy(dims.d + 1, c->dims.d, (size_t)c->dims.rank * sizeof *dims.d);
  return cni_tensor_new(g, c->dtype, &dims, false);
}

static cn_tensor *texts(cn_graph *g, const cn_column *c, int64_t n, const cn_text *from) {
  const int64_t count = n * elements_of(c);
  cn_dims dims = { c->dims.rank + 1, { n } };
  memcpy(dims.d + 1, c->dims.d, (size_t)c->dims.rank * sizeof *dims.d);
  size_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes += (size_t)from[i].n;
  cn_tensor *t = cni_string_tensor(g, &dims, count, bytes);
  if (!t) return NULL;
  int64_t *offsets = t->data;
  char *to = (char *)(offsets + count + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < count; i++) {
    if (from[i].n) memcpy(to + offsets[i], from[i].p, (size_t)from[i].n);
    offsets[i + 1] = offsets[i] + from[i].n;
  }
  return t;
}

/* Room in tensors of n samples, into which the source writes. */
static int64_t read_directly(cn_graph *g, const reader *r, int64_t n, cn_tensor **v) {
  cn_samples out;
  for (int64_t i = 0; i < r->source->n; i++) {
    if (!(v[i] = numbers(g, &r->source->columns[i], n))) return -1;
    out.v[i] = v[i]->data;
  }
  const int64_t got = cni_source_fill(r->source, g, n, &out);
  if (got >= 0 && got < n)
    cn_fail(g, CN_STATE, "dataset: the source ended after %lld samples, but announced %lld", (long long)r->source->at, (long long)cn_source_size(r->source));
  return cn_ok(g) ? got : -1;
}

/* Where a batch's size or its texts' are not known before it is read. */
static int64_t read_first(cn_graph *g, const reader *r, int64_t n, cn_tensor **v) {
  cn_source *s = r->source;
  const int64_t got = cni_source_hold(s, n) ? cni_source_fill(s, g, n, &s->held->v) : -1;
  for (int64_t i = 0; i < s->n && got > 0; i++) {
    const bool is_text = s->columns[i].dtype == CN_STRING;
    v[i] = is_text ? texts(g, &s->columns[i], got, s->held->v.v[i]) : numbers(g, &s->columns[i], got);
    if (!v[i]) return -1;
    if (!is_text) memcpy(v[i]->data, s->held->v.v[i], (size_t)got * s->row[i]);
  }
  return got;
}

static bool reader_next(cn_graph *g, void *state, int64_t batch_size, cn_batch *out) {
  reader *r = state;
  cn_source *s = r->source;
  const int64_t n = s->batch ? s->batch : batch_size, size = cn_source_size(s);
  cn_tensor **v = cni_arena_take(g, cni_step_arena(g), (size_t)s->n * sizeof *v);
  if (!v || n < 1) return false;
  const int64_t got = !r->texts && size >= 0 && size - s->at >= n ? read_directly(g, r, n, v) : read_first(g, r, n, v);
  if (got <= 0) return false;
  const int64_t nw = s->n - s->inputs - s->targets;
  out->xs = (cn_tensors){ v, s->inputs };
  out->ys = (cn_tensors){ v + s->inputs, s->targets };
  out->sample_weights = (cn_tensors){ v + s->inputs + s->targets, nw };
  out->x = v[0];
  out->y = s->targets ? out->ys.v[0] : NULL;
  out->sample_weight = nw ? out->sample_weights.v[0] : NULL;
  out->size = got;
  return cn_ok(g);
}

/* Each reset is the source's next epoch: the stream counts them, so that a position tells which one runs. */
static bool reader_reset(cn_graph *g, void *state, bool shuffle, cn_stream *stream) {
  (void)shuffle;
  return cni_source_begin(((reader *)state)->source, g, (int64_t)stream->counter++);
}
static bool reader_seek(cn_graph *g, void *state, int64_t sample) { return cni_source_forward(((reader *)state)->source, g, sample); }
static int64_t reader_size(void *state) { return cn_source_size(((reader *)state)->source); }
static int64_t reader_batch(void *state) { return ((const reader *)state)->source->batch; }
static bool reader_repeats(void *state) { return ((const reader *)state)->source->restarts; }
static void reader_finish(cn_graph *g, void *state) {
  reader *r = state;
  cn_source_free(r->source);
  cni_free(g, r);
}
static void *reader_range(cn_graph *g, void *state, int64_t first, int64_t count) {
  const reader *from = state;
  reader *r = cni_alloc(g, sizeof *r);
  if (r) *r = (reader){ .source = cn_source_range(from->source, first, count), .texts = from->texts };
  if (r && r->source) return r;
  cni_free(g, r);
  return NULL;
}

cn_dataset *cn_dataset_from_source(cn_source *s) {
  static const cn_dataset_methods methods = { reader_next, reader_reset, reader_size, reader_range, reader_finish, reader_seek, reader_batch, reader_repeats };
  if (!s || !cn_ok(s->graph)) return NULL;
  cn_graph *g = s->graph;
  reader *r = cni_alloc(g, sizeof *r);
  if (!r) return NULL;
  *r = (reader){ .source = s };
  for (int64_t i = 0; i < s->n; i++) r->texts = r->texts || s->columns[i].dtype == CN_STRING;
  cn_dataset *d = cn_dataset_new(g, &methods, r);
  if (!d) cni_free(g, r);
  return d;
}

/* ---- changed batches ---- */
typedef struct mapping { cn_dataset *of; cn_batch_map map; void *user; cn_layer *layer; bool training; } mapping;

/* Brings a tensor and the list that it heads together again, whichever was changed. */
static bool settle(cn_graph *g, cn_tensor **one, cn_tensors *list, const cn_tensor *before) {
  if (*one == before) {
    if (list->n > 0 && cni_given(list->v[0])) *one = list->v[0];
    return true;
  }
  const int64_t n = !*one ? 0 : list->n > 0 ? list->n : 1;
  cn_tensor **v = n ? cni_arena_take(g, cni_step_arena(g), (size_t)n * sizeof *v) : NULL;
  if (n && !v) return false;
  for (int64_t i = 0; i < n; i++) v[i] = i ? list->v[i] : *one;
  *list = (cn_tensors){ v, n };
  return true;
}

static bool map_next(cn_graph *g, void *state, int64_t batch_size, cn_batch *out) {
  const mapping *m = state;
  if (!m->of->methods->next(g, m->of->state, batch_size, out)) return false;
  const cn_tensor *const x = out->x, *const y = out->y, *const w = out->sample_weight;
  const bool recording = cn_recording(g, false);
  const bool ok = m->map(g, out, m->layer ? state : m->user);
  cn_recording(g, recording);
  if (!ok) cn_fail(g, CN_STATE, "dataset_map: the function failed without an error");
  return ok && cn_ok(g) && settle(g, &out->x, &out->xs, x) && settle(g, &out->y, &out->ys, y) && settle(g, &out->sample_weight, &out->sample_weights, w);
}
static bool map_reset(cn_graph *g, void *state, bool shuffle, cn_stream *stream) {
  const mapping *m = state;
  return m->of->methods->reset && m->of->methods->reset(g, m->of->state, shuffle, stream);
}
static int64_t map_size(void *state) { return cn_dataset_size(((const mapping *)state)->of); }
static bool map_seek(cn_graph *g, void *state, int64_t sample) {
  cn_dataset *of = ((const mapping *)state)->of;
  (void)g;
  of->sample = 0;
  return of->methods->seek ? of->methods->seek(g, of->state, sample) : cni_dataset_read_on(of, sample);
}
static int64_t map_batch(void *state) { return cn_dataset_batch_size(((const mapping *)state)->of, 0); }
static bool map_repeats(void *state) { return cni_dataset_restarts(((const mapping *)state)->of); }
static void map_finish(cn_graph *g, void *state) {
  cn_dataset_free(((mapping *)state)->of);
  cni_free(g, state);
}
static void *map_range(cn_graph *g, void *state, int64_t first, int64_t count) {
  const mapping *from = state;
  cn_dataset *of = cn_dataset_range(from->of, first, count);
  mapping *m = of ? cni_alloc(g, sizeof *m) : NULL;
  if (!m) return cn_dataset_free(of), NULL;
  *m = *from;
  m->of = of;
  return m;
}
static cn_dataset *map_new(cn_dataset *d, const mapping *how) {
  static const cn_dataset_methods methods = { map_next, map_reset, map_size, map_range, map_finish, map_seek, map_batch, map_repeats };
  mapping *m = cni_alloc(d->graph, sizeof *m);
  if (!m) return NULL;
  *m = *how;
  cn_dataset *made = cn_dataset_new(d->graph, &methods, m);
  if (!made) return cni_free(d->graph, m), NULL;
  made->draws = d->draws || (how->layer && how->training);
  return made;
}

cn_dataset *cn_dataset_map(cn_dataset *d, cn_batch_map map, void *user) {
  if (!d || !cn_ok(d->graph)) return NULL;
  if (!map) return cn_fail(d->graph, CN_VALUE, "dataset_map: the function is NULL"), NULL;
  return map_new(d, &(const mapping){ .of = d, .map = map, .user = user });
}

/* Each input by itself. */
static bool through_layer(cn_graph *g, cn_batch *b, void *user) {
  const mapping *m = user;
  const cn_tensors xs = cni_xs(b);
  cn_tensor **v = cni_arena_take(g, cni_step_arena(g), (size_t)xs.n * sizeof *v);
  for (int64_t i = 0; v && i < xs.n; i++)
    if (!(v[i] = cn_call(g, m->layer, xs.v[i], .training = m->training))) return false;
  if (!v) return false;
  b->xs = (cn_tensors){ v, xs.n };
  b->x = v[0];
  return true;
}

cn_dataset *cn_dataset_map_layer(cn_dataset *d, cn_layer *layer, bool training) {
  if (!d || !layer || !cn_ok(d->graph)) return NULL;
  return map_new(d, &(const mapping){ .of = d, .map = through_layer, .layer = layer, .training = training });
}
