/* A thread that reads ahead. It alone touches upstream's home while it runs; what is handed over is guarded by the lock. */
#include <signal.h>
#include "source_private.h"

typedef struct slot { cni_rows rows; int64_t count, at; } slot;

typedef struct prefetch {
  cn_source *up;
  slot *slots;                      // [depth]
  int64_t depth, chunk;             /* samples of a slot */
  int64_t size;                     /* upstream's, when the thread was started */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool ready, running;              /* lock and condition were made; the thread was started and not joined */
  int64_t first, filled;            /* the slot to be read next; how many wait */
  bool stop, over, broken;          /* the thread is to end; it has, because upstream did; by an error */
} prefetch;

/* The slot to be filled next, when there is one; NULL: the thread ends. */
static slot *wait_for_room(prefetch *p) {
  pthread_mutex_lock(&p->lock);
  while (!p->stop && p->filled == p->depth) pthread_cond_wait(&p->changed, &p->lock);
  slot *s = p->stop ? NULL : &p->slots[(p->first + p->filled) % p->depth];
  pthread_mutex_unlock(&p->lock);
  return s;
}

static void hand_over(prefetch *p, bool over) {
  pthread_mutex_lock(&p->lock);
  if (over) p->over = true;
  else p->filled++;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

/* An error stays in upstream's home until the consumer, which has read all before it, joins the thread. */
static void *run(void *user) {
  prefetch *p = user;
  for (slot *s; (s = wait_for_room(p));) {
    s->at = 0;
    s->count = cni_source_fill(p->up, p->up->home, p->chunk, &s->rows.v);
    hand_over(p, s->count <= 0);
    if (s->count <= 0) break;
  }
  return NULL;
}

static void end_thread(prefetch *p) {
  if (!p->running) return;
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->lock);
  pthread_join(p->thread, NULL);
  p->running = false;
}

/* Signals stay with the program's threads. */
static bool begin_thread(cn_graph *g, prefetch *p, int64_t n) {
  sigset_t all, before;
  p->chunk = p->up->batch ? p->up->batch : n;
  for (int64_t i = 0; i < p->depth; i++)
    if (!cni_rows_grow(g, p->up, &p->slots[i].rows, p->chunk)) return false;
  p->stop = p->over = false;
  p->size = cn_source_size(p->up);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int code = pthread_create(&p->thread, NULL, run, p);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  p->running = code == 0;
  return p->running || cn_fail(g, CN_NO_MEMORY, "prefetch: no thread could be started: %s", strerror(code)) == CN_OK;
}

/* The slot that is to be read, when it is filled; NULL at the end and after an error. */
static slot *wait_for_samples(prefetch *p) {
  pthread_mutex_lock(&p->lock);
  while (!p->filled && !p->over) pthread_cond_wait(&p->changed, &p->lock);
  slot *s = p->filled ? &p->slots[p->first] : NULL;
  pthread_mutex_unlock(&p->lock);
  return s;
}

static void give_back(prefetch *p) {
  pthread_mutex_lock(&p->lock);
  p->first = (p->first + 1) % p->depth;
  p->filled--;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  prefetch *p = state;
  if (!p->running && !p->over && !begin_thread(g, p, n)) return -1;
  slot *s = wait_for_samples(p);
  if (!s) {
    end_thread(p);
    if (p->broken) return cn_fail(g, CN_STATE, "prefetch: the source has failed; a reset begins again"), -1;
    cni_carry(p->up->home, g);
    p->broken = !cn_ok(g);
    return p->broken ? -1 : 0;
  }
  const int64_t left = s->count - s->at, got = left < n ? left : n;
  if (p->up->batch && got < left) return cn_fail(g, CN_STATE, "prefetch: a batch of %lld does not fit into %lld samples", (long long)left, (long long)n), -1;
  if (!cni_samples_copy(g, p->up, &s->rows.v, s->at, out, 0, got)) return -1;
  s->at += got;
  if (s->at == s->count) give_back(p);
  return got;
}

/* What was fetched ahead is dropped. */
static void settle(prefetch *p) {
  end_thread(p);
  cni_error_clear(p->up->home);
  p->first = p->filled = 0;
  p->over = p->broken = false;
}
static bool reset(cn_graph *g, void *state, int64_t epoch) {
  prefetch *p = state;
  settle(p);
  return cni_source_begin(p->up, g, epoch);
}
static bool seek(cn_graph *g, void *state, int64_t sample) { return cni_source_forward(((prefetch *)state)->up, g, sample); }
static int64_t size(void *state) {
  const prefetch *p = state;
  return p->running ? p->size : cn_source_size(p->up);
}
static void finish(cn_graph *g, void *state) {
  prefetch *p = state;
  if (!p->ready) return;
  end_thread(p);
  for (int64_t i = 0; i < p->depth; i++) cni_rows_free(g, p->up, &p->slots[i].rows);
  cni_free(g, p->slots);
  pthread_cond_destroy(&p->changed);
  pthread_mutex_destroy(&p->lock);
  cni_source_drop(p->up);
}

cn_source *cn_source_prefetch(cn_source *up, int64_t depth) {
  static const cn_source_methods methods = { next, reset, size, seek, NULL, finish };
  if (up && depth < 1) return cn_fail(up->graph, CN_VALUE, "prefetch: depth must be positive, got %lld", (long long)depth), NULL;
  if (up && depth > INT32_MAX) return cn_fail(up->graph, CN_NO_MEMORY, "prefetch: a depth of %lld is too large", (long long)depth), NULL;
  cn_source *s = cni_stage_make("prefetch", up, CNI_MAY_BE_BATCHED | CNI_OWN_HOME, &methods, sizeof(prefetch));
  if (!s) return NULL;
  prefetch *p = s->state;
  p->slots = cni_alloc(s->home, (size_t)depth * sizeof *p->slots);
  if (!p->slots) return cni_source_done(s);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->changed, NULL);
  p->ready = true;
  p->depth = depth;
  p->up = cni_source_own(up);
  return s;
}
