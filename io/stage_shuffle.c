/* Random orders: of all samples by their indices, or drawn from a window of samples that are read in order. */
#include "../core/options_private.h"
#include "source_private.h"

typedef struct shuffle {
  cni_cursor run;                   /* over the whole */
  cn_source *up;
  uint64_t seed;
  bool again;                       /* another order in each epoch */
  cn_stream stream;
  int64_t *order;                   // [run.count]: the whole
  cni_rows rows;                    // [window]: the first `count` are waiting
  int64_t window, count;
} shuffle;

static cn_stream stream_of(const shuffle *s, int64_t epoch) { return (cn_stream){ cni_order_key(s->seed, s->again ? epoch : 0), 0 }; }

static int64_t all_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  shuffle *s = state;
  const int64_t got = cni_cursor_left(&s->run, n);
  if (got && !cni_source_fetch(s->up, g, s->order + s->run.at, got, out)) return -1;
  s->run.at += got;
  return got;
}
static bool all_reset(cn_graph *g, void *state, int64_t epoch) {
  shuffle *s = state;
  s->run.at = 0;
  s->stream = stream_of(s, epoch);
  if (!s->order) {
    s->run.count = cni_source_complete(s->up, g);
    s->order = s->run.count >= 0 ? cni_alloc(g, (size_t)(s->run.count + 1) * sizeof *s->order) : NULL;
  }
  if (s->order) cn_random_fill_permutation(&s->stream, s->order, s->run.count);
  return s->order != NULL;
}

/* Fills the window, which grows as there are samples; then each sample that leaves it makes room for the next. */
static bool refill(cn_graph *g, shuffle *s) {
  for (int64_t got; s->count < s->window; s->count += got) {
    const int64_t room = s->count < 512 ? 1024 : 2 * s->count, rows = room < s->window ? room : s->window;
    if (!cni_rows_grow(g, s->up, &s->rows, rows)) return false;
    const cn_samples at = cni_samples_at(s->up, &s->rows.v, s->count);
    if ((got = cni_source_fill(s->up, g, rows - s->count, &at)) <= 0) return got == 0;
  }
  return true;
}
static int64_t window_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  shuffle *s = state;
  for (int64_t i = 0, k; i < n; i++) {
    if (!refill(g, s)) return -1;
    if (!s->count) return i;
    cn_random_fill_integers(&s->stream, CN_I64, &k, 1, 0, s->count);
    s->count--;
    if (!cni_samples_copy(g, s->up, &s->rows.v, k, out, i, 1)) return -1;
    if (k != s->count && !cni_samples_copy(g, s->up, &s->rows.v, s->count, &s->rows.v, k, 1)) return -1;
  }
  return n;
}
static bool window_reset(cn_graph *g, void *state, int64_t epoch) {
  shuffle *s = state;
  s->count = 0;
  s->stream = stream_of(s, epoch);
  return cni_source_begin(s->up, g, epoch);
}
static int64_t size_of(void *state) { return cn_source_size(((shuffle *)state)->up); }
static void finish(cn_graph *g, void *state) {
  shuffle *s = state;
  cni_free(g, s->order);
  if (s->up) cni_rows_free(g, s->up, &s->rows);
  cni_source_drop(s->up);
}

CNI_ARGS_INIT(cn_source_shuffle, CN_SOURCE_SHUFFLE, source)

cn_source *cn_source_shuffle_run(const cn_source_shuffle_args *a) {
  static const cn_source_methods all = { all_next, all_reset, size_of, cni_cursor_seek, NULL, finish },
                                 window = { window_next, window_reset, size_of, NULL, NULL, finish };
  cn_source *up = a->source;
  if (!up || !cn_ok(up->graph)) return NULL;
  const int64_t size = cn_source_size(up);
  if (a->buffer_size != CN_NONE && a->buffer_size < 1)
    return cn_fail(up->graph, CN_VALUE, "shuffle: buffer_size must be positive, got %lld", (long long)a->buffer_size), NULL;
  const bool whole = a->buffer_size == CN_NONE && up->fetches;
  if (a->buffer_size == CN_NONE && !whole && (size < 0 || size == CN_FOREVER))
    return cn_fail(up->graph, CN_VALUE, "shuffle: buffer_size is required: the source is read in order, and its size is not known"), NULL;
  cn_source *s = cni_stage_make("shuffle", up, 0, whole ? &all : &window, sizeof(shuffle));
  if (!s) return NULL;
  const int64_t most = a->buffer_size == CN_NONE || (size >= 0 && size < a->buffer_size) ? size : a->buffer_size;
  *(shuffle *)s->state =
      (shuffle){ .up = cni_source_own(up), .seed = cni_seed_of(up->graph, a->seed), .again = a->reshuffle_each_iteration, .window = most > 0 ? most : 1 };
  s->restarts = up->restarts || whole;
  return s;
}
