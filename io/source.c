/* Life and reading of sources. */
#include "source_private.h"

typedef struct home { cni_context c; int64_t uses; } home;

static cn_graph *home_new(cn_graph *g) {
  const cn_allocator allocator = cni_allocator_share(g);
  home *h = cni_alloc(g, sizeof *h);
  if (!h) return NULL;
  cni_context_init((cn_graph *)(void *)h, &allocator);
  return (cn_graph *)(void *)h;
}

static void home_leave(cn_graph *g, cn_graph *at) {
  home *h = (home *)(void *)at;
  if (!h || --h->uses > 0) return;
  cni_context_free(at);
  cni_free(g, h);
}

void cni_carry(cn_graph *from, cn_graph *to) {
  if (from == to || cn_ok(from)) return;
  cn_fail(to, cn_error_code(from), "%s", cn_error(from));
  cni_error_clear(from);
}

static void freed_with_graph(cn_graph *g, void *p) {
  (void)g;
  cni_source_drop(p);
}

static cn_source *abandon(cn_graph *g, cn_graph *at) {
  cni_carry(at, g);
  home_leave(g, at);
  return NULL;
}

cn_source *cni_source_make(cn_graph *g, const cn_source *up, const cn_source_methods *methods, size_t size) {
  if (!cn_ok(g)) return NULL;
  cn_graph *at = up ? up->home : home_new(g);
  if (!at) return NULL;
  ((home *)(void *)at)->uses++;
  cn_source *s = cni_alloc(at, sizeof *s);
  if (!s) return abandon(g, at);
  *s = (cn_source){ .graph = g, .home = at, .methods = methods, .uses = 1, .restarts = methods->reset != NULL, .fetches = methods->fetch != NULL };
  s->state = size ? cni_alloc(at, size) : NULL;
  s->owns_state = s->state != NULL;
  if ((size && !s->state) || !cni_on_free(g, freed_with_graph, s)) {
    cni_free(at, s->state);
    cni_free(at, s);
    return abandon(g, at);
  }
  pthread_mutex_init(&s->lock, NULL);
  return s;
}

void cni_source_drop(cn_source *s) {
  if (!s || --s->uses > 0) return;
  cn_graph *g = s->graph, *at = s->home;
  if (s->held) cni_rows_free(at, s, s->held);
  if (s->methods->finish) s->methods->finish(at, s->state);
  pthread_mutex_destroy(&s->lock);
  cni_free(at, s->held);
  cni_free(at, s->columns);
  cni_free(at, s->row);
  if (s->owns_state) cni_free(at, s->state);
  cni_free(at, s);
  home_leave(g, at);
}

void cn_source_free(cn_source *s) {
  if (!s) return;
  cni_off_free(s->graph, freed_with_graph, s);
  cni_source_drop(s);
}

bool cni_source_free_to_take(const char *what, const cn_source *up) {
  if (!up->taken) return true;
  return cn_fail(up->graph, CN_STATE, "%s: the source is another stage's already", what), false;
}
cn_source *cni_source_own(cn_source *up) {
  cni_off_free(up->graph, freed_with_graph, up);
  up->taken = true;
  return up;
}

cn_source *cni_source_done(cn_source *s) {
  if (!s) return NULL;
  cni_carry(s->home, s->graph);
  if (cn_ok(s->graph)) return s;
  cn_source_free(s);
  return NULL;
}

static bool column_ok(cn_graph *g, const char *what, int64_t i, const cn_column *c, size_t *row) {
  const int64_t count = c->dims.rank > 0 && c->dims.rank < CN_MAX_RANK ? cn_dims_count(&c->dims) : c->dims.rank == 0 ? 1 : -1;
  const size_t size = c->dtype == CN_STRING ? sizeof(cn_text) : cn_dtype_size(c->dtype);
  if (count < 0)
    return cn_fail(g, CN_SHAPE, "%s: column %lld: a sample's shape has at most %d axes of known sizes", what, (long long)i, CN_MAX_RANK - 1), false;
  if (!size) return cn_fail(g, CN_DTYPE, "%s: column %lld has no dtype", what, (long long)i), false;
  *row = (size_t)count * size;
  return true;
}

bool cni_source_columns(cn_source *s, const char *what, const cn_column *columns, int64_t inputs, int64_t targets, int64_t weights) {
  cn_graph *at = s->home;
  const int64_t most = CN_SOURCE_COLUMNS / 3, n = inputs + targets + weights;
  if (inputs < 1 || targets < 0 || weights < 0 || inputs > most || targets > most || weights > most)
    return cn_fail(at, CN_VALUE, "%s: %lld inputs, %lld targets, %lld weights: 1 to %lld inputs are possible", what, (long long)inputs, (long long)targets,
                   (long long)weights, (long long)most),
           false;
  cn_column *copy = cni_alloc(at, (size_t)n * sizeof *copy);
  size_t *row = copy ? cni_alloc(at, (size_t)n * sizeof *row) : NULL;
  s->columns = copy;
  s->row = row;
  if (!row) return false;
  for (int64_t i = 0; i < n; i++) {
    if (!column_ok(at, what, i, &columns[i], &row[i])) return false;
    copy[i] = columns[i];
  }
  s->n = n;
  s->inputs = inputs;
  s->targets = targets;
  return true;
}

cn_source *cni_stage_make(const char *what, cn_source *up, unsigned flags, const cn_source_methods *methods, size_t size) {
  if (!up || !cn_ok(up->graph) || !cni_source_free_to_take(what, up)) return NULL;
  if (up->batch && !(flags & CNI_MAY_BE_BATCHED)) return cn_fail(up->graph, CN_STATE, "%s: the source is batched; batch comes after it", what), NULL;
  cn_source *s = cni_source_make(up->graph, flags & CNI_OWN_HOME ? NULL : up, methods, size);
  if (!s) return NULL;
  s->batch = up->batch;
  s->restarts = up->restarts;
  s->fetches = s->fetches && up->fetches;
  if (cni_source_columns(s, what, up->columns, up->inputs, up->targets, up->n - up->inputs - up->targets)) return s;
  return cni_source_done(s);
}

static const cn_source_methods nothing = { .next = NULL };

cn_source *cn_source_new(cn_graph *g, const cn_source_methods *methods, void *state, const cn_column *columns, int64_t inputs, int64_t targets,
                         int64_t weights) {
  if (!cn_ok(g)) return NULL;
  if (!methods || !methods->next || !columns) return cn_fail(g, CN_VALUE, "source: %s is missing", columns ? "next" : "the list of columns"), NULL;
  cn_source *s = cni_source_make(g, NULL, methods, 0);
  if (!s) return NULL;
  if (cni_source_columns(s, "source", columns, inputs, targets, weights)) s->state = state;
  else s->methods = &nothing; /* the state stays the caller's */
  return cni_source_done(s);
}

/* ---- reading ---- */

static int64_t failed(cn_source *s, cn_graph *to) {
  if (cn_ok(s->home)) cn_fail(s->home, CN_STATE, "a source failed without an error");
  cni_carry(s->home, to);
  return -1;
}

int64_t cni_source_fill(cn_source *s, cn_graph *to, int64_t n, const cn_samples *out) {
  int64_t done = 0;
  if (!s->started && !cni_source_begin(s, to, 0)) return -1;
  while (done < n && !s->ended) {
    const cn_samples at = cni_samples_at(s, out, done);
    const int64_t got = s->methods->next(s->home, s->state, n - done, &at);
    if (got < 0 || got > n - done || !cn_ok(s->home)) return failed(s, to);
    s->ended = got == 0;
    done += got;
    if (s->batch) break;
  }
  s->at += done;
  return done;
}

bool cni_source_begin(cn_source *s, cn_graph *to, int64_t epoch) {
  const bool fresh = !s->started;
  if (!s->restarts && !fresh && (s->at || s->ended)) return cn_fail(to, CN_STATE, "this source runs once: it has no reset, so it cannot begin again"), false;
  s->started = true;
  s->ended = false;
  s->at = 0;
  if (!s->methods->reset || (s->methods->reset(s->home, s->state, epoch) && cn_ok(s->home))) return true;
  failed(s, to);
  return false;
}

int64_t cni_source_discard(cn_source *s, cn_graph *to, int64_t n) {
  cni_rows scratch = { .capacity = 0 };
  const int64_t chunk = s->batch ? s->batch : n < 64 ? n : 64;
  int64_t done = 0, got = 1;
  bool ok = n == 0 || cni_rows_grow(s->home, s, &scratch, chunk);
  cni_carry(s->home, to);
  for (; ok && got > 0 && done < n; done += got > 0 ? got : 0) got = cni_source_fill(s, to, s->batch || n - done > chunk ? chunk : n - done, &scratch.v);
  cni_rows_free(s->home, s, &scratch);
  return ok && got >= 0 ? done : -1;
}

bool cni_source_forward(cn_source *s, cn_graph *to, int64_t sample) {
  const int64_t size = cn_source_size(s);
  if (size >= 0 && sample > size) sample = size;
  if (sample == 0) return true;
  if (!s->methods->seek) return cni_source_discard(s, to, sample) >= 0;
  if (!s->methods->seek(s->home, s->state, sample) || !cn_ok(s->home)) return failed(s, to), false;
  s->at = sample;
  return true;
}

bool cni_source_fetch(cn_source *s, cn_graph *to, const int64_t *index, int64_t n, const cn_samples *out) {
  pthread_mutex_lock(&s->lock);
  const bool ok = s->methods->fetch(s->home, s->state, index, n, out) && cn_ok(s->home);
  if (!ok) failed(s, to);
  pthread_mutex_unlock(&s->lock);
  return ok;
}

int64_t cni_source_complete(cn_source *s, cn_graph *to) {
  const cn_samples none = { { NULL } };
  return cn_source_size(s) >= 0 || cni_source_fetch(s, to, NULL, 0, &none) ? cn_source_size(s) : -1;
}

bool cni_cursor_seek(cn_graph *g, void *state, int64_t sample) {
  (void)g;
  ((cni_cursor *)state)->at = sample;
  return true;
}
bool cni_cursor_reset(cn_graph *g, void *state, int64_t epoch) {
  (void)epoch;
  return cni_cursor_seek(g, state, 0);
}
int64_t cni_cursor_size(void *state) { return ((const cni_cursor *)state)->count; }
int64_t cni_cursor_left(const cni_cursor *c, int64_t n) { return n < c->count - c->at ? n : c->count - c->at; }

uint64_t cni_order_key(uint64_t seed, int64_t epoch) {
  const uint32_t counter[4] = { (uint32_t)epoch, (uint32_t)((uint64_t)epoch >> 32), 0x0d4, 0 }, key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
  uint32_t out[4];
  cn_philox(counter, key, out);
  return (uint64_t)out[1] << 32 | out[0];
}

uint64_t cni_seed_of(cn_graph *g, int64_t seed) {
  return seed == CN_NONE ? cni_order_key(cni_context_of(g)->seed, (int64_t)(cni_context_of(g)->streams++)) : (uint64_t)seed;
}

/* ---- what users call ---- */

bool cni_source_hold(cn_source *s, int64_t n) {
  if (!s->held) s->held = cni_alloc(s->home, sizeof *s->held);
  const bool ok = s->held && cni_rows_grow(s->home, s, s->held, n);
  cni_carry(s->home, s->graph);
  return ok;
}

int64_t cn_source_next(cn_source *s, int64_t n, cn_samples *out) {
  if (!s || !cn_ok(s->graph)) return -1;
  if (s->batch) n = s->batch;
  if (n < 1) return cn_fail(s->graph, CN_VALUE, "source_next: n must be positive, got %lld", (long long)n), -1;
  if (!cni_source_hold(s, n)) return -1;
  *out = s->held->v;
  return cni_source_fill(s, s->graph, n, out);
}

bool cn_source_reset(cn_source *s, int64_t epoch) { return s && cn_ok(s->graph) && cni_source_begin(s, s->graph, epoch); }

bool cn_source_seek(cn_source *s, int64_t epoch, int64_t sample) {
  if (!cn_source_reset(s, epoch)) return false;
  if (sample < 0) return cn_fail(s->graph, CN_VALUE, "source_seek: sample %lld", (long long)sample), false;
  return cni_source_forward(s, s->graph, sample);
}

bool cn_source_can_reset(const cn_source *s) { return s && s->restarts; }
int64_t cn_source_size(cn_source *s) { return s && s->methods->size ? s->methods->size(s->state) : -1; }
int64_t cn_source_batch_size(const cn_source *s) { return s ? s->batch : 0; }
void cn_source_counts(const cn_source *s, int64_t *inputs, int64_t *targets, int64_t *weights) {
  *inputs = s ? s->inputs : 0;
  *targets = s ? s->targets : 0;
  *weights = s ? s->n - s->inputs - s->targets : 0;
}
cn_column cn_source_column(const cn_source *s, int64_t i) { return s && i >= 0 && i < s->n ? s->columns[i] : (cn_column){ CN_F32, { 0, { 0 } } }; }
