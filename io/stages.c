/* Stages that hold no samples: batch, repeat, take, skip, map, zip. */
#include "source_private.h"

typedef struct stage {
  cn_source *self, *up;
  int64_t count;                    /* what the stage was made with */
  int64_t left;                     /* take: elements */
  int64_t pass, epoch;              /* repeat */
  bool drop_remainder;
} stage;

static cn_source *stage_new(const char *what, cn_source *up, unsigned flags, const cn_source_methods *methods, int64_t count) {
  cn_source *s = cni_stage_make(what, up, flags, methods, sizeof(stage));
  if (!s) return NULL;
  *(stage *)s->state = (stage){ .self = s, .up = cni_source_own(up), .count = count };
  return s;
}

static void finish(cn_graph *g, void *state) {
  (void)g;
  cni_source_drop(((stage *)state)->up);
}
/* The samples of so many elements, at most. */
static int64_t samples(const cn_source *up, int64_t n) { return !up->batch ? n : n < CN_FOREVER / up->batch ? n * up->batch : CN_FOREVER; }

/* ---- batch ---- */
static int64_t batch_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  stage *t = state;
  if (n < t->count) return cn_fail(g, CN_STATE, "batch: a batch of %lld does not fit into %lld samples", (long long)t->count, (long long)n), -1;
  const int64_t got = cni_source_fill(t->up, g, t->count, out);
  return got < t->count && t->drop_remainder && got > 0 ? 0 : got;
}
static bool plain_reset(cn_graph *g, void *state, int64_t epoch) { return cni_source_begin(((stage *)state)->up, g, epoch); }
static int64_t batch_size(void *state) {
  const stage *t = state;
  const int64_t n = cn_source_size(t->up);
  return n < 0 || n == CN_FOREVER || !t->drop_remainder ? n : n / t->count * t->count;
}
static bool plain_seek(cn_graph *g, void *state, int64_t sample) { return cni_source_forward(((stage *)state)->up, g, sample); }

cn_source *cn_source_batch(cn_source *s, int64_t size, bool drop_remainder) {
  static const cn_source_methods methods = { batch_next, plain_reset, batch_size, plain_seek, NULL, finish };
  if (s && size < 1) return cn_fail(s->graph, CN_VALUE, "batch: size must be positive, got %lld", (long long)size), NULL;
  cn_source *b = stage_new("batch", s, 0, &methods, size);
  if (!b) return NULL;
  ((stage *)b->state)->drop_remainder = drop_remainder;
  b->batch = size;
  return b;
}

/* ---- repeat ---- */
/* Each pass of each epoch has a number of its own. */
static bool begin_pass(cn_graph *g, stage *t, int64_t pass) {
  t->pass = pass;
  return cni_source_begin(t->up, g, (int64_t)((uint64_t)t->epoch * (t->count == CN_NONE ? (uint64_t)1 << 32 : (uint64_t)t->count) + (uint64_t)pass));
}
static int64_t repeat_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  stage *t = state;
  for (bool empty = false;; empty = true) {
    const int64_t got = t->count == 0 ? 0 : cni_source_fill(t->up, g, n, out);
    if (got) return got;
    if (empty || (t->count != CN_NONE && t->pass + 1 >= t->count)) return 0;
    if (!begin_pass(g, t, t->pass + 1)) return -1;
  }
}
static bool repeat_reset(cn_graph *g, void *state, int64_t epoch) {
  stage *t = state;
  t->epoch = epoch;
  return begin_pass(g, t, 0);
}
static int64_t repeat_size(void *state) {
  const stage *t = state;
  const int64_t n = cn_source_size(t->up);
  if (n <= 0 || t->count == 0) return t->count == 0 ? 0 : n;
  if (t->count > 1 && t->up->batch && n % t->up->batch) return -1; /* each pass ends with a smaller batch: samples do not tell how many batches there are */
  return t->count == CN_NONE || n > CN_FOREVER / t->count ? CN_FOREVER : n * t->count;
}
static bool repeat_seek(cn_graph *g, void *state, int64_t sample) {
  stage *t = state;
  const int64_t n = cn_source_size(t->up);
  if (n > 0 && n != CN_FOREVER) {
    if (t->count != CN_NONE && sample / n >= t->count) return begin_pass(g, t, t->count - 1) && cni_source_forward(t->up, g, n);
    return begin_pass(g, t, sample / n) && cni_source_forward(t->up, g, sample % n);
  }
  for (int64_t left = sample, got; left > 0; left -= got) {
    got = cni_source_discard(t->up, g, left);
    if (got < 0) return false;
    if (got == 0 && (t->pass + 1 == t->count || !begin_pass(g, t, t->pass + 1))) return cn_ok(g);
  }
  return true;
}

cn_source *cn_source_repeat(cn_source *s, int64_t count) {
  static const cn_source_methods methods = { repeat_next, repeat_reset, repeat_size, repeat_seek, NULL, finish };
  if (s && count != CN_NONE && count < 0) return cn_fail(s->graph, CN_VALUE, "repeat: count must not be negative, got %lld", (long long)count), NULL;
  if (s && !s->restarts && count != 1) return cn_fail(s->graph, CN_STATE, "repeat: the source runs once: it has no reset"), NULL;
  return stage_new("repeat", s, CNI_MAY_BE_BATCHED, &methods, count);
}

/* ---- take ---- */
static int64_t take_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  stage *t = state;
  if (t->left == 0) return 0;
  const int64_t got = cni_source_fill(t->up, g, !t->up->batch && t->left < n ? t->left : n, out);
  if (got > 0) t->left -= t->up->batch ? 1 : got;
  return got;
}
static bool take_reset(cn_graph *g, void *state, int64_t epoch) {
  stage *t = state;
  t->left = t->count;
  return cni_source_begin(t->up, g, epoch);
}
static int64_t take_size(void *state) {
  const stage *t = state;
  const int64_t n = cn_source_size(t->up), most = samples(t->up, t->count);
  if (t->up->batch && n == CN_FOREVER) return -1;
  return n < most ? n : most;
}
static bool take_seek(cn_graph *g, void *state, int64_t sample) {
  stage *t = state;
  if (t->up->batch) return cni_source_discard(t->self, g, sample) >= 0;
  t->left = sample < t->count ? t->count - sample : 0;
  return cni_source_forward(t->up, g, sample);
}

cn_source *cn_source_take(cn_source *s, int64_t count) {
  static const cn_source_methods methods = { take_next, take_reset, take_size, take_seek, NULL, finish };
  if (s && count < 0) return cn_fail(s->graph, CN_VALUE, "take: count must not be negative, got %lld", (long long)count), NULL;
  return stage_new("take", s, CNI_MAY_BE_BATCHED, &methods, count);
}

/* ---- skip ---- */
static int64_t plain_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) { return cni_source_fill(((stage *)state)->up, g, n, out); }
static bool skip_begin(cn_graph *g, stage *t) {
  if (!cni_source_begin(t->up, g, t->epoch)) return false;
  if (!t->up->batch) return cni_source_forward(t->up, g, t->count);
  int64_t got = 1;
  for (int64_t i = 0; i < t->count && got > 0; i++) got = cni_source_discard(t->up, g, 1); /* one batch */
  return got >= 0;
}
static bool skip_reset(cn_graph *g, void *state, int64_t epoch) {
  stage *t = state;
  t->epoch = epoch;
  return skip_begin(g, t);
}
static int64_t skip_size(void *state) {
  const stage *t = state;
  const int64_t n = cn_source_size(t->up), skipped = samples(t->up, t->count);
  return n < 0 || n == CN_FOREVER ? n : n > skipped ? n - skipped : 0;
}
static bool skip_seek(cn_graph *g, void *state, int64_t sample) {
  stage *t = state;
  if (t->up->batch) return cni_source_discard(t->self, g, sample) >= 0;
  return cni_source_begin(t->up, g, t->epoch) && cni_source_forward(t->up, g, t->count + sample);
}

cn_source *cn_source_skip(cn_source *s, int64_t count) {
  static const cn_source_methods methods = { plain_next, skip_reset, skip_size, skip_seek, NULL, finish };
  if (s && count < 0) return cn_fail(s->graph, CN_VALUE, "skip: count must not be negative, got %lld", (long long)count), NULL;
  return stage_new("skip", s, CNI_MAY_BE_BATCHED, &methods, count);
}

/* ---- map ---- */
typedef struct mapping { stage stage; cn_sample_map map; void *user; cni_rows in; } mapping;

static bool mapped(cn_graph *g, mapping *m, int64_t n, const cn_samples *out) {
  if (m->map(g, m->user, n, &m->in.v, out) && cn_ok(g)) return true;
  if (cn_ok(g)) cn_fail(g, CN_STATE, "map: the function failed without an error");
  return false;
}
static int64_t map_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  mapping *m = state;
  if (!cni_rows_grow(g, m->stage.up, &m->in, n)) return -1;
  const int64_t got = cni_source_fill(m->stage.up, g, n, &m->in.v);
  return got <= 0 || mapped(g, m, got, out) ? got : -1;
}
static bool map_fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  mapping *m = state;
  return cni_rows_grow(g, m->stage.up, &m->in, n) && cni_source_fetch(m->stage.up, g, index, n, &m->in.v) && (n == 0 || mapped(g, m, n, out));
}
static int64_t plain_size(void *state) { return cn_source_size(((stage *)state)->up); }
static void map_finish(cn_graph *g, void *state) {
  mapping *m = state;
  if (m->stage.up) cni_rows_free(g, m->stage.up, &m->in);
  finish(g, state);
}

cn_source *cn_source_map(cn_source *s, cn_sample_map map, void *user, const cn_column *columns, int64_t inputs, int64_t targets, int64_t weights) {
  static const cn_source_methods methods = { map_next, plain_reset, plain_size, plain_seek, map_fetch, map_finish };
  if (!s || !cn_ok(s->graph)) return NULL;
  if (!map) return cn_fail(s->graph, CN_VALUE, "map: the function is NULL"), NULL;
  cn_source *m = cni_source_make(s->graph, s, &methods, sizeof(mapping));
  if (!m) return NULL;
  const bool same = !columns;
  if (!cni_source_columns(m, "map", same ? s->columns : columns, same ? s->inputs : inputs, same ? s->targets : targets,
                          same ? s->n - s->inputs - s->targets : weights))
    return cni_source_done(m);
  m->batch = s->batch;
  m->restarts = s->restarts;
  m->fetches = s->fetches;
  *(mapping *)m->state = (mapping){ .stage = { .self = m, .up = cni_source_own(s) }, .map = map, .user = user };
  return m;
}

/* ---- zip ---- */
typedef struct zip { cn_source *part[3]; const char *name[3]; } zip;

/* Where the columns of a part are to be written, the first being `first` of all. */
static cn_samples part_of(const cn_source *part, const cn_samples *out, int64_t first) {
  cn_samples at;
  memcpy(at.v, out->v + first, (size_t)part->n * sizeof *at.v);
  return at;
}

static int64_t zip_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  const zip *z = state;
  int64_t got[3] = { 0 }, first = 0;
  for (int k = 0; k < 3 && z->part[k]; first += z->part[k++]->n) {
    const cn_samples at = part_of(z->part[k], out, first);
    got[k] = cni_source_fill(z->part[k], g, n, &at);
    if (got[k] < 0) return -1;
    if (got[k] == got[0]) continue;
    cn_fail(g, CN_VALUE, "zip: the numbers of samples differ: x has %lld%s, %s has %lld%s", (long long)z->part[0]->at, got[0] == n ? " or more" : "",
            z->name[k], (long long)z->part[k]->at, got[k] == n ? " or more" : "");
    return -1;
  }
  return got[0];
}
static bool zip_reset(cn_graph *g, void *state, int64_t epoch) {
  const zip *z = state;
  for (int k = 0; k < 3 && z->part[k]; k++)
    if (!cni_source_begin(z->part[k], g, epoch)) return false;
  return true;
}
static int64_t zip_size(void *state) {
  const zip *z = state;
  int64_t n = -1;
  for (int k = 0; k < 3 && z->part[k] && n < 0; k++) n = cn_source_size(z->part[k]);
  return n;
}
static bool zip_seek(cn_graph *g, void *state, int64_t sample) {
  const zip *z = state;
  for (int k = 0; k < 3 && z->part[k]; k++)
    if (!cni_source_forward(z->part[k], g, sample)) return false;
  return true;
}
static bool zip_fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  const zip *z = state;
  int64_t first = 0;
  for (int k = 0; k < 3 && z->part[k]; first += z->part[k++]->n) {
    const cn_samples at = part_of(z->part[k], out, first);
    if (!cni_source_fetch(z->part[k], g, index, n, &at)) return false;
  }
  return true;
}
static void zip_finish(cn_graph *g, void *state) {
  const zip *z = state;
  (void)g;
  for (int k = 0; k < 3; k++) cni_source_drop(z->part[k]);
}

static bool sizes_agree(cn_graph *g, const zip *z) {
  const int64_t n = cn_source_size(z->part[0]);
  for (int k = 0; k < 3 && z->part[k]; k++) {
    const int64_t m = cn_source_size(z->part[k]);
    for (int i = 0; i < k; i++)
      if (z->part[i] == z->part[k]) return cn_fail(g, CN_STATE, "zip: %s and %s are one source: make a second one", z->name[i], z->name[k]), false;
    if (!cni_source_free_to_take("zip", z->part[k])) return false;
    if (z->part[k]->batch) return cn_fail(g, CN_STATE, "zip: a part is batched; batch comes after it"), false;
    if (n >= 0 && m >= 0 && n != m && n != CN_FOREVER && m != CN_FOREVER)
      return cn_fail(g, CN_VALUE, "zip: the numbers of samples differ: x has %lld, %s has %lld", (long long)n, z->name[k], (long long)m), false;
  }
  return true;
}

cn_source *cn_source_zip(cn_source *x, cn_source *y, cn_source *w) {
  static const cn_source_methods methods = { zip_next, zip_reset, zip_size, zip_seek, zip_fetch, zip_finish };
  const zip z = { { x, y ? y : w, y ? w : NULL }, { "x", y ? "y" : "w", "w" } };
  cn_column columns[CN_SOURCE_COLUMNS];
  if (!x || !cn_ok(x->graph) || !sizes_agree(x->graph, &z)) return NULL;
  if (x->n + (y ? y->n : 0) + (w ? w->n : 0) > CN_SOURCE_COLUMNS)
    return cn_fail(x->graph, CN_VALUE, "zip: at most %d columns are possible", CN_SOURCE_COLUMNS), NULL;
  cn_source *s = cni_source_make(x->graph, NULL, &methods, sizeof(zip));
  if (!s) return NULL;
  int64_t n = 0;
  for (int k = 0; k < 3 && z.part[k]; n += z.part[k++]->n) memcpy(columns + n, z.part[k]->columns, (size_t)z.part[k]->n * sizeof *columns);
  if (!cni_source_columns(s, "zip", columns, x->n, y ? y->n : 0, w ? w->n : 0)) return cni_source_done(s);
  *(zip *)s->state = z;
  for (int k = 0; k < 3 && z.part[k]; k++) {
    const cn_source *part = cni_source_own(z.part[k]);
    s->restarts = s->restarts && part->restarts;
    s->fetches = s->fetches && part->fetches;
  }
  return s;
}
