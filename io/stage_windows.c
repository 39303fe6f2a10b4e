/* Windows over a series: keras.utils.timeseries_dataset_from_array. */
#include "../core/options_private.h"
#include "source_private.h"

typedef struct windows {
  cni_cursor run;
  cn_source *data, *targets;
  int64_t length, stride, rate, start;
  int64_t *index;                   // [n * length], of the largest n so far
  int64_t capacity;
} windows;

static bool room(cn_graph *g, windows *w, int64_t n) {
  if (n <= w->capacity) return true;
  size_t bytes;
  if (!cni_size_multiply((size_t)n * sizeof *w->index, (size_t)w->length, &bytes))
    return cn_fail(g, CN_NO_MEMORY, "windows: %lld windows are too many", (long long)n), false;
  int64_t *more = cni_realloc(g, w->index, bytes);
  if (!more) return false;
  w->index = more;
  w->capacity = n;
  return true;
}

/* The windows of these numbers; NULL: those from `first` on. */
static bool fetch_windows(cn_graph *g, windows *w, const int64_t *which, int64_t first, int64_t n, const cn_samples *out) {
  if (!room(g, w, n)) return false;
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < w->length; k++) w->index[i * w->length + k] = w->start + (which ? which[i] : first + i) * w->stride + k * w->rate;
  if (!cni_source_fetch(w->data, g, w->index, n * w->length, out)) return false;
  if (!w->targets) return true;
  for (int64_t i = 0; i < n; i++) w->index[i] = w->index[i * w->length];
  cn_samples to;
  memcpy(to.v, out->v + w->data->n, (size_t)w->targets->n * sizeof *to.v);
  return cni_source_fetch(w->targets, g, w->index, n, &to);
}
static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  windows *w = state;
  const int64_t got = cni_cursor_left(&w->run, n);
  if (got && !fetch_windows(g, w, NULL, w->run.at, got, out)) return -1;
  w->run.at += got;
  return got;
}
static bool fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  return n == 0 || fetch_windows(g, state, index, 0, n, out);
}
static void finish(cn_graph *g, void *state) {
  windows *w = state;
  cni_free(g, w->index);
  cni_source_drop(w->data);
  cni_source_drop(w->targets);
}

/* Keras' refusals. */
static bool numbers_ok(cn_graph *g, const cn_source_windows_args *a, int64_t n) {
  const bool starts = a->start_index != CN_NONE, ends = a->end_index != CN_NONE;
  const struct {
    const char *name;
    int64_t v;
  } positive[] = { { "sequence_length", a->sequence_length }, { "sequence_stride", a->sequence_stride }, { "sampling_rate", a->sampling_rate } };
  for (int i = 0; i < 3; i++) {
    if (positive[i].v < 1) return cn_fail(g, CN_VALUE, "windows: %s must be positive, got %lld", positive[i].name, (long long)positive[i].v), false;
    if (i > 0 && positive[i].v >= n)
      return cn_fail(g, CN_VALUE, "windows: %s must be below the series' length %lld, got %lld", positive[i].name, (long long)n, (long long)positive[i].v),
             false;
  }
  if (starts && (a->start_index < 0 || a->start_index >= n))
    return cn_fail(g, CN_VALUE, "windows: start_index must be in [0, %lld), got %lld", (long long)n, (long long)a->start_index), false;
  if (ends && (a->end_index < 1 || a->end_index >= n))
    return cn_fail(g, CN_VALUE, "windows: end_index must be in (0, %lld), got %lld", (long long)n, (long long)a->end_index), false;
  if (starts && ends && a->end_index <= a->start_index)
    return cn_fail(g, CN_VALUE, "windows: end_index must be above start_index %lld, got %lld", (long long)a->start_index, (long long)a->end_index), false;
  return true;
}

static bool part_ok(cn_graph *g, const char *name, cn_source *s, int64_t *n) {
  if (s->batch) return cn_fail(g, CN_STATE, "windows: %s is batched; batch comes after it", name), false;
  if (s->n != s->inputs) return cn_fail(g, CN_VALUE, "windows: %s has targets of its own", name), false;
  if (!s->fetches) return cn_fail(g, CN_UNSUPPORTED, "windows: %s can only be read in order; put a cache after it", name), false;
  *n = cni_source_complete(s, g);
  return *n >= 0;
}

/* The first axis of every input is the window's. */
static bool window_columns(cn_source *s, const cn_source *data, const cn_source *targets, int64_t length) {
  cn_column c[CN_SOURCE_COLUMNS];
  for (int64_t i = 0; i < data->n; i++) {
    c[i] = (cn_column){ data->columns[i].dtype, { data->columns[i].dims.rank + 1, { length } } };
    if (c[i].dims.rank < CN_MAX_RANK) memcpy(c[i].dims.d + 1, data->columns[i].dims.d, (size_t)data->columns[i].dims.rank * sizeof *c[i].dims.d);
  }
  if (targets) memcpy(c + data->n, targets->columns, (size_t)targets->n * sizeof *c);
  return cni_source_columns(s, "windows", c, data->n, targets ? targets->n : 0, 0);
}

/* Windows that end before the end and begin, after start, at one of the targets. */
static int64_t count_of(const cn_source_windows_args *a, int64_t start, int64_t n, int64_t targets) {
  const int64_t end = a->end_index == CN_NONE ? n : a->end_index, room_for_starts = end - start;
  if (a->sequence_length - 1 > room_for_starts / a->sampling_rate) return 0;
  int64_t starts = room_for_starts - (a->sequence_length - 1) * a->sampling_rate;
  if (targets >= 0 && targets < starts) starts = targets;
  return starts < 1 ? 0 : (starts - 1) / a->sequence_stride + 1;
}

CNI_ARGS_INIT(cn_source_windows, CN_SOURCE_WINDOWS, source)

cn_source *cn_source_windows_run(const cn_source_windows_args *a) {
  static const cn_source_methods methods = { next, cni_cursor_reset, cni_cursor_size, cni_cursor_seek, fetch, finish };
  cn_source *data = a->source, *targets = a->targets;
  int64_t n, n_targets = -1;
  if (!data || !cn_ok(data->graph)) return NULL;
  cn_graph *g = data->graph;
  if (data == targets) return cn_fail(g, CN_STATE, "windows: the series cannot be its own target: make a second source of it"), NULL;
  if (!cni_source_free_to_take("windows", data) || (targets && !cni_source_free_to_take("windows", targets))) return NULL;
  if (!part_ok(g, "the series", data, &n) || (targets && !part_ok(g, "targets", targets, &n_targets)) || !numbers_ok(g, a, n)) return NULL;
  const int64_t start = a->start_index == CN_NONE ? 0 : a->start_index, count = count_of(a, start, n, n_targets);
  const int64_t last = start + (count ? count - 1 : 0) * a->sequence_stride;
  if (count && n_targets >= 0 && last >= n_targets)
    return cn_fail(g, CN_VALUE, "windows: the last window begins at step %lld, but there are %lld targets", (long long)last, (long long)n_targets), NULL;
  cn_source *s = cni_source_make(g, NULL, &methods, sizeof(windows));
  if (!s || !window_columns(s, data, targets, a->sequence_length)) return cni_source_done(s);
  *(windows *)s->state = (windows){ .data = cni_source_own(data),
                                    .targets = targets ? cni_source_own(targets) : NULL,
                                    .length = a->sequence_length,
                                    .stride = a->sequence_stride,
                                    .rate = a->sampling_rate,
                                    .start = start,
                                    .run = { .count = count } };
  return s;
}
