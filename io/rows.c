/* Samples in memory. Texts are allocated past the tracked list, because they may be written by one pipeline and freed by another. */
#include "source_private.h"

static const cn_allocator *allocator_of(cn_graph *g) { return &cni_context_of(g)->allocator; }

static void text_free(cn_graph *g, cn_text *t) {
  if (t->p) allocator_of(g)->free(allocator_of(g)->user, t->p, (size_t)t->room);
  *t = (cn_text){ NULL, 0, 0 };
}

bool cn_text_set(cn_graph *g, cn_text *t, const char *p, int64_t n) {
  if (n > t->room) {
    const int64_t room = n < INT64_MAX / 4 ? (n + n / 2 + 63) & ~(int64_t)63 : n;
    char *more = allocator_of(g)->alloc(allocator_of(g)->user, (size_t)room);
    if (!more) return cn_fail(g, CN_NO_MEMORY, "out of memory: %lld bytes were asked for", (long long)room), false;
    text_free(g, t);
    t->p = more;
    t->room = room;
  }
  if (n) memcpy(t->p, p, (size_t)n);
  t->n = n;
  return true;
}

bool cni_rows_grow(cn_graph *g, const cn_source *s, cni_rows *b, int64_t rows) {
  if (rows <= b->capacity) return true;
  for (int64_t i = 0; i < s->n; i++) {
    size_t bytes;
    if (!cni_size_multiply((size_t)rows, s->row[i], &bytes))
      return cn_fail(g, CN_NO_MEMORY, "out of memory: %lld samples are too many", (long long)rows), false;
    void *p = cni_realloc(g, b->v.v[i], bytes ? bytes : 1);
    if (!p) return false;
    b->v.v[i] = p;
  }
  b->capacity = rows;
  return true;
}

static int64_t elements(const cn_source *s, int64_t i) { return s->columns[i].dims.rank ? cn_dims_count(&s->columns[i].dims) : 1; }

void cni_rows_free(cn_graph *g, const cn_source *s, cni_rows *b) {
  for (int64_t i = 0; i < s->n; i++) {
    cn_text *t = s->columns[i].dtype == CN_STRING ? b->v.v[i] : NULL;
    for (int64_t k = 0; t && k < b->capacity * elements(s, i); k++) text_free(g, &t[k]);
    cni_free(g, b->v.v[i]);
  }
  *b = (cni_rows){ .capacity = 0 };
}

cn_samples cni_samples_at(const cn_source *s, const cn_samples *from, int64_t row) {
  cn_samples at;
  for (int64_t i = 0; i < s->n; i++) at.v[i] = (char *)from->v[i] + (size_t)row * s->row[i];
  return at;
}

static bool copy_texts(cn_graph *g, const cn_text *from, cn_text *to, int64_t n) {
  for (int64_t k = 0; k < n; k++)
    if (!cn_text_set(g, &to[k], from[k].p, from[k].n)) return false;
  return true;
}

bool cni_samples_copy(cn_graph *g, const cn_source *s, const cn_samples *from, int64_t i, const cn_samples *to, int64_t j, int64_t n) {
  const cn_samples a = cni_samples_at(s, from, i), b = cni_samples_at(s, to, j);
  for (int64_t k = 0; k < s->n; k++) {
    if (s->columns[k].dtype != CN_STRING) memcpy(b.v[k], a.v[k], (size_t)n * s->row[k]);
    else if (!copy_texts(g, a.v[k], b.v[k], n * elements(s, k))) return false;
  }
  return true;
}
