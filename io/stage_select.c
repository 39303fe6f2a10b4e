/* Some of a source's samples, by their indices: ranges and splits. */
#include <math.h>
#include <stdio.h>
#include "../core/map_private.h"
#include "../core/options_private.h"
#include "source_private.h"
#include "table_private.h"

typedef struct selection {
  cni_cursor run;
  cn_source *up;
  int64_t *index;                   // [run.count] in the source; NULL: first, first + 1, ...
  int64_t first;
} selection;

static bool fetch_some(cn_graph *g, const selection *s, const int64_t *from, int64_t first, int64_t n, const cn_samples *out) {
  int64_t index[256];
  for (int64_t done = 0, k; done < n; done += k) {
    k = n - done < 256 ? n - done : 256;
    for (int64_t i = 0; i < k; i++) {
      const int64_t at = from ? from[done + i] : first + done + i;
      index[i] = s->index ? s->index[at] : s->first + at;
    }
    const cn_samples to = cni_samples_at(s->up, out, done);
    if (!cni_source_fetch(s->up, g, index, k, &to)) return false;
  }
  return true;
}
static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  selection *s = state;
  const int64_t got = cni_cursor_left(&s->run, n);
  if (!fetch_some(g, s, NULL, s->run.at, got, out)) return -1;
  s->run.at += got;
  return got;
}
static bool fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) { return fetch_some(g, state, index, 0, n, out); }
static void finish(cn_graph *g, void *state) {
  selection *s = state;
  cni_free(g, s->index);
  cni_source_drop(s->up);
}

static bool selectable(const char *what, cn_source *up, int64_t *n) {
  if (!up || !cn_ok(up->graph)) return false;
  if (!up->fetches) return cn_fail(up->graph, CN_UNSUPPORTED, "%s: the source can only be read in order; put a cache after it", what), false;
  *n = cni_source_complete(up, up->graph);
  return *n >= 0;
}

/* Room for `count` indices where `indices`. */
static cn_source *select_new(const char *what, cn_source *up, bool indices, int64_t first, int64_t count) {
  static const cn_source_methods methods = { next, cni_cursor_reset, cni_cursor_size, cni_cursor_seek, fetch, finish };
  cn_source *s = cni_stage_make(what, up, CNI_OWN_HOME, &methods, sizeof(selection));
  if (!s) return NULL;
  up->uses++;
  selection *t = s->state;
  *t = (selection){ .up = up, .index = indices ? cni_alloc(s->home, (size_t)(count + 1) * sizeof *t->index) : NULL, .first = first, .run = { .count = count } };
  s->restarts = true;
  return cni_source_done(s);
}

cn_source *cn_source_range(cn_source *s, int64_t first, int64_t count) {
  int64_t n;
  if (!selectable("range", s, &n)) return NULL;
  if (first < 0 || count < 0 || count > n || first > n - count)
    return cn_fail(s->graph, CN_INDEX, "range: samples %lld to %lld of %lld", (long long)first, (long long)first + (long long)count, (long long)n), NULL;
  return select_new("range", s, false, first, count);
}

/* ---- split ---- */
typedef struct splitting {
  const cn_source_split_args *a;
  cn_source *up;
  cn_graph *g;
  int64_t n, *group, *order;        // [n] class of each sample; the samples of one class
  bool *validates;                  // [n]
  cni_map classes;                  /* label's text to its number, from 1 */
  char **names;                     // [count]
  int64_t count, capacity;
  uint64_t seed;
} splitting;

/* The label of a sample as text: a text, a number, or the place of the largest of several. */
static void label_text(const cn_source *up, const cn_samples *rows, int64_t row, char *text, size_t size) {
  const cn_column *c = &up->columns[up->inputs];
  const char *p = (const char *)rows->v[up->inputs] + (size_t)row * up->row[up->inputs];
  const int64_t n = c->dims.rank ? cn_dims_count(&c->dims) : 1;
  int64_t best = 0;
  if (c->dtype == CN_STRING) {
    const cn_text *t = (const cn_text *)(const void *)p;
    snprintf(text, size, "%.*s", (int)t->n, t->p ? t->p : "");
    return;
  }
  const size_t one = cn_dtype_size(c->dtype);
  for (int64_t i = 1; i < n; i++)
    if (cni_number_of(c->dtype, p + (size_t)i * one) > cni_number_of(c->dtype, p + (size_t)best * one)) best = i;
  cni_number_text(n > 1 ? (double)best : cni_number_of(c->dtype, p), 17, text, size);
}

static bool put_in_class(splitting *s, int64_t sample, const char *text) {
  if (!s->a->stratify) text = "";
  const void *known = cni_map_get(&s->classes, text);
  if (!known) {
    if (!cni_grow(s->g, (void **)&s->names, s->count, &s->capacity, sizeof *s->names)) return false;
    char *name = s->names[s->count] = cni_strdup(s->g, text);
    if (!name) return false;
    known = (const void *)(uintptr_t)++s->count;
    if (!cni_map_put(s->g, &s->classes, name, (void *)(uintptr_t)s->count)) return false;
  }
  s->group[sample] = (int64_t)(uintptr_t)known;
  return true;
}

static bool find_classes(splitting *s) {
  enum { CHUNK = 64 };
  cni_rows rows = { .capacity = 0 };
  char text[256] = "";
  bool ok = !s->a->stratify || cni_rows_grow(s->g, s->up, &rows, CHUNK);
  for (int64_t first = 0; ok && first < s->n; first += CHUNK) {
    int64_t index[CHUNK], n = 0;
    for (; n < CHUNK && first + n < s->n; n++) index[n] = first + n;
    ok = !s->a->stratify || cni_source_fetch(s->up, s->g, index, n, &rows.v);
    for (int64_t i = 0; i < n && ok; i++) {
      if (s->a->stratify) label_text(s->up, &rows.v, i, text, sizeof text);
      ok = put_in_class(s, first + i, text);
    }
  }
  cni_rows_free(s->g, s->up, &rows);
  return ok;
}

/* Marks the last ones of a class, in their order or a random one. */
static bool deal(splitting *s, int64_t class) {
  int64_t n = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (s->group[i] == class) s->order[n++] = i;
  const int64_t train = (int64_t)floor((double)n * (1 - s->a->validation_split));
  if (train < 1 || train >= n) {
    const char *of = s->a->stratify ? " of class " : "", *name = s->a->stratify ? s->names[class - 1] : "";
    cn_fail(s->g, CN_VALUE, "split: validation_split %g of %lld samples%s%s leaves no samples to %s", s->a->validation_split, (long long)n, of, name,
            train < 1 ? "train" : "validate");
    return false;
  }
  if (!s->a->shuffle) {
    for (int64_t i = train; i < n; i++) s->validates[s->order[i]] = true;
    return true;
  }
  cn_stream stream = { cni_order_key(s->seed, class), 0 };
  int64_t *drawn = cni_alloc(s->g, (size_t)n * sizeof *drawn);
  if (drawn) cn_random_fill_permutation(&stream, drawn, n);
  for (int64_t i = train; drawn && i < n; i++) s->validates[s->order[drawn[i]]] = true;
  cni_free(s->g, drawn);
  return drawn != NULL;
}

static cn_source *part(const splitting *s, bool validates) {
  int64_t count = 0, k = 0;
  for (int64_t i = 0; i < s->n; i++) count += s->validates[i] == validates;
  cn_source *p = select_new("split", s->up, true, 0, count);
  int64_t *index = p ? ((selection *)p->state)->index : NULL;
  for (int64_t i = 0; i < s->n && p; i++)
    if (s->validates[i] == validates) index[k++] = i;
  return p;
}

static cn_source_parts split(splitting *s) {
  cn_source_parts parts = { NULL, NULL };
  s->group = cni_alloc(s->g, (size_t)(s->n + 1) * sizeof *s->group);
  s->order = cni_alloc(s->g, (size_t)(s->n + 1) * sizeof *s->order);
  s->validates = cni_alloc(s->g, (size_t)s->n + 1);
  bool ok = s->group && s->order && s->validates && find_classes(s);
  if (ok && !s->count) ok = cn_fail(s->g, CN_VALUE, "split: the source holds no samples") == CN_OK;
  for (int64_t k = 1; k <= s->count && ok; k++) ok = deal(s, k);
  if (ok) parts = (cn_source_parts){ part(s, false), part(s, true) };
  if (parts.train && parts.validation) return parts;
  cn_source_free(parts.train);
  cn_source_free(parts.validation);
  return (cn_source_parts){ NULL, NULL };
}

CNI_ARGS_INIT(cn_source_split, CN_SOURCE_SPLIT, source)

cn_source_parts cn_source_split_run(const cn_source_split_args *a) {
  const cn_source_parts none = { NULL, NULL };
  splitting s = { .a = a, .up = a->source, .g = a->source ? a->source->graph : NULL };
  if (!selectable("split", s.up, &s.n)) return none;
  if (!(a->validation_split > 0 && a->validation_split < 1))
    return cn_fail(s.g, CN_VALUE, "split: validation_split must be in (0, 1), got %g", a->validation_split), none;
  if (a->stratify && !s.up->targets) return cn_fail(s.g, CN_VALUE, "split: stratify needs targets"), none;
  if (a->shuffle) s.seed = cni_seed_of(s.g, a->seed);
  const cn_source_parts parts = split(&s);
  for (int64_t i = 0; i < s.count; i++) cni_free(s.g, s.names[i]);
  cni_free(s.g, s.names);
  cni_map_free(s.g, &s.classes);
  cni_free(s.g, s.group);
  cni_free(s.g, s.order);
  cni_free(s.g, s.validates);
  return parts;
}
