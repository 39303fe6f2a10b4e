/* Rows of an array in a file, and lines of a text. */
#include <errno.h>
#include <unistd.h>
#include "files.h"
#include "io_private.h"
#include "source_private.h"

/* ---- IDX and NPY ---- */
typedef bool read_head(cni_input *in, cni_header *h);
typedef struct file {
  char *path, *array;               /* array: of an archive; else NULL */
  void *archive;
  const char *what;
  read_head *head;
  cni_input in;
  cni_header h;
  uint64_t first;                   /* byte of the first row */
  size_t row, room;                 /* bytes of a row in the file, and in memory */
  int64_t at;
  bool open;
} file;

static void close_file(file *f) {
  if (f->open && f->array) cni_npz_close(&f->in, f->archive);
  else if (f->open) cni_input_close(&f->in);
  f->open = false;
}

static bool open_file(cn_graph *g, file *f) {
  close_file(f);
  f->at = 0;
  const bool ok = f->array ? cni_npz_open(&f->in, &f->archive, g, f->path, f->array) : cni_input_open(&f->in, g, f->what, f->path, true);
  f->open = ok || f->array;
  if (!ok || !f->head(&f->in, &f->h)) return false;
  if (f->h.dims.rank < 1) return cni_input_fail(&f->in, "holds a single number, no rows");
  f->first = f->in.position;
  const uint64_t rows = (uint64_t)(f->h.dims.d[0] ? f->h.dims.d[0] : 1);
  f->row = (size_t)((uint64_t)f->h.count / rows) * cni_element_size(f->h.element);
  f->room = (size_t)((uint64_t)f->h.count / rows) * cn_dtype_size(cni_element_dtype(f->h.element));
  return true;
}

static int64_t file_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  file *f = state;
  const int64_t left = f->h.dims.d[0] - f->at, got = n < left ? n : left;
  if (got == 0) return cni_input_end(&f->in) && cn_ok(g) ? 0 : -1;
  if (!cni_input_exactly(&f->in, out->v[0], (size_t)got * f->row, f->h.total)) return -1;
  if (f->row) cni_elements_decode(out->v[0], f->h.element, f->h.big_endian, got * (int64_t)(f->row / cni_element_size(f->h.element)));
  f->at += got;
  return got;
}
static bool file_reset(cn_graph *g, void *state, int64_t epoch) {
  (void)epoch;
  return open_file(g, state);
}
static int64_t file_size(void *state) { return ((const file *)state)->h.dims.d[0]; }
/* Plain files only. */
static bool file_seek(cn_graph *g, void *state, int64_t sample) {
  file *f = state;
  f->in.position = f->first + (uint64_t)sample * f->row;
  f->at = sample;
  return lseek(f->in.file, (off_t)f->in.position, SEEK_SET) >= 0 || cn_fail(g, CN_IO, "%s: %s: %s", f->what, f->in.name, strerror(errno)) == CN_OK;
}
static bool file_fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  file *f = state;
  for (int64_t i = 0; i < n; i++) {
    char *to = (char *)out->v[0] + (size_t)i * f->room;
    for (size_t done = 0; done < f->row;) {
      const ssize_t got = pread(f->in.file, to + done, f->row - done, (off_t)(f->first + (uint64_t)index[i] * f->row + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return cn_fail(g, CN_IO, "%s: %s: %s", f->what, f->in.name, strerror(errno)), false;
      if (got == 0) return cni_input_fail(&f->in, "ends before row %lld", (long long)index[i]);
      done += (size_t)got;
    }
    if (f->row) cni_elements_decode(to, f->h.element, f->h.big_endian, (int64_t)(f->row / cni_element_size(f->h.element)));
  }
  return true;
}
static void file_finish(cn_graph *g, void *state) {
  file *f = state;
  close_file(f);
  cni_free(g, f->path);
  cni_free(g, f->array);
}

static cn_source *file_source(cn_graph *g, const char *what, const char *path, const char *array, read_head *head) {
  static const cn_source_methods packed = { .next = file_next, .reset = file_reset, .size = file_size, .finish = file_finish };
  static const cn_source_methods plain = { file_next, file_reset, file_size, file_seek, file_fetch, file_finish };
  cn_column c = { CN_F32, { 0, { 0 } } };
  if (!cn_ok(g)) return NULL;
  if (!path || !*path) return cn_fail(g, CN_VALUE, "%s: the path is missing", what), NULL;
  cn_source *s = cni_source_make(g, NULL, &packed, sizeof(file));
  if (!s) return NULL;
  file *f = s->state;
  *f = (file){ .path = cni_strdup(s->home, path), .array = array ? cni_strdup(s->home, array) : NULL, .what = what, .head = head };
  if (!f->path || !cn_ok(s->home) || !open_file(s->home, f)) return cni_source_done(s);
  c = (cn_column){ cni_element_dtype(f->h.element), { f->h.dims.rank - 1, { 0 } } };
  memcpy(c.dims.d, f->h.dims.d + 1, (size_t)c.dims.rank * sizeof *c.dims.d);
  if (f->in.exact && !array) {
    s->methods = &plain;
    s->fetches = true;
  }
  cni_source_columns(s, what, &c, 1, 0, 0);
  return cni_source_done(s);
}

cn_source *cn_source_idx(cn_graph *g, const char *path) { return file_source(g, "read_idx", path, NULL, cni_idx_header); }
cn_source *cn_source_npy(cn_graph *g, const char *path) { return file_source(g, "read_npy", path, NULL, cni_npy_header); }
cn_source *cn_source_npz(cn_graph *g, const char *path, const char *array) {
  if (cn_ok(g) && !array) return cn_fail(g, CN_VALUE, "read_npz: the array's name is missing"), NULL;
  return file_source(g, "read_npz", path, array, cni_npy_header);
}

/* ---- lines ---- */
typedef struct lines { char *path; cni_chunks chunks; } lines;

static int64_t lines_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  cni_chunks *c = &((lines *)state)->chunks;
  const char *end;
  (void)n;
  while (!(end = memchr(c->text + c->begin, '\n', c->end - c->begin)) && !c->ended)
    if (!cni_chunks_more(c)) return -1;
  if (c->begin == c->end) return 0;
  const char *p = c->text + c->begin;
  size_t length = end ? (size_t)(end - p) : c->end - c->begin;
  c->begin += length + (end != NULL);
  if (length && end && p[length - 1] == '\r') length--;
  return cn_text_set(g, out->v[0], p, (int64_t)length) ? 1 : -1;
}
static bool lines_reset(cn_graph *g, void *state, int64_t epoch) {
  lines *l = state;
  (void)epoch;
  cni_chunks_close(&l->chunks);
  return cni_chunks_open(&l->chunks, g, "lines", l->path);
}
static void lines_finish(cn_graph *g, void *state) {
  lines *l = state;
  cni_chunks_close(&l->chunks);
  cni_free(g, l->path);
}

cn_source *cn_source_lines(cn_graph *g, const char *path) {
  static const cn_source_methods methods = { .next = lines_next, .reset = lines_reset, .finish = lines_finish };
  const cn_column c = { CN_STRING, { 0, { 0 } } };
  if (!cn_ok(g)) return NULL;
  if (!path || !*path) return cn_fail(g, CN_VALUE, "lines: the path is missing"), NULL;
  cn_source *s = cni_source_make(g, NULL, &methods, sizeof(lines));
  if (!s) return NULL;
  lines *l = s->state;
  l->path = cni_strdup(s->home, path);
  if (l->path && cni_source_columns(s, "lines", &c, 1, 0, 0)) lines_reset(s->home, l, 0); /* a file that is not there is told at once */
  return cni_source_done(s);
}
