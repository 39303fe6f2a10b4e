/* Samples kept as they are first read. */
#include "source_private.h"

typedef struct cache {
  cn_source *up;
  cni_rows rows;
  int64_t count, at;                /* samples kept; the next to hand out */
  bool complete, broken;            /* broken: upstream failed; what is here is dropped at the next reset */
} cache;

/* Reads on until `wanted` samples are kept, or all there are. */
static bool keep(cn_graph *g, cache *c, int64_t wanted) {
  if (c->broken) return cn_fail(g, CN_STATE, "cache: the source failed; reset it first"), false;
  while (c->count < wanted && !c->complete) {
    const int64_t more = wanted - c->count < 256 ? wanted - c->count : 256, twice = 2 * c->rows.capacity;
    if (c->count + more > c->rows.capacity && !cni_rows_grow(g, c->up, &c->rows, c->count + more > twice ? c->count + more : twice)) return false;
    const cn_samples to = cni_samples_at(c->up, &c->rows.v, c->count);
    const int64_t got = cni_source_fill(c->up, g, more, &to);
    c->broken = got < 0;
    if (c->broken) return false;
    c->complete = got < more;
    c->count += got;
  }
  return true;
}
static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  cache *c = state;
  if (!keep(g, c, c->at + n)) return -1;
  const int64_t got = n < c->count - c->at ? n : c->count - c->at;
  if (got && !cni_samples_copy(g, c->up, &c->rows.v, c->at, out, 0, got)) return -1;
  c->at += got;
  return got;
}
static bool reset(cn_graph *g, void *state, int64_t epoch) {
  cache *c = state;
  (void)epoch;
  c->at = 0;
  if (!c->broken) return true;
  c->count = 0;
  c->broken = !cni_source_begin(c->up, g, 0);
  return !c->broken;
}
static bool seek(cn_graph *g, void *state, int64_t sample) {
  cache *c = state;
  if (!keep(g, c, sample)) return false;
  c->at = sample < c->count ? sample : c->count;
  return true;
}
static bool fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  cache *c = state;
  if (!keep(g, c, CN_FOREVER)) return false;
  for (int64_t i = 0; i < n; i++)
    if (!cni_samples_copy(g, c->up, &c->rows.v, index[i], out, i, 1)) return false;
  return true;
}
static int64_t size(void *state) {
  const cache *c = state;
  return c->complete ? c->count : cn_source_size(c->up);
}
static void finish(cn_graph *g, void *state) {
  cache *c = state;
  if (c->up) cni_rows_free(g, c->up, &c->rows);
  cni_source_drop(c->up);
}

cn_source *cn_source_cache(cn_source *up) {
  static const cn_source_methods methods = { next, reset, size, seek, fetch, finish };
  if (up && cn_source_size(up) == CN_FOREVER) return cn_fail(up->graph, CN_VALUE, "cache: the source has no end"), NULL;
  cn_source *s = cni_stage_make("cache", up, 0, &methods, sizeof(cache));
  if (!s) return NULL;
  *(cache *)s->state = (cache){ .up = cni_source_own(up) };
  s->restarts = s->fetches = true;
  return s;
}
