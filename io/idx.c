#include "idx.h"
#include <errno.h>
#include <string.h>
#include <zlib.h>
#include "io_private.h"

/* zlib's memory comes from the graph too, so that a failing allocator is survived. */
static voidpf gz_alloc(voidpf g, uInt items, uInt size) { return cni_alloc(g, (size_t)items * size); }
static void gz_free(voidpf g, voidpf p) { cni_free(g, p); }

/* Plain or compressed bytes of a file that is in memory. */
typedef struct source { cn_graph *g; const char *name; const unsigned char *p; size_t size, at; bool zipped, ended, damaged; z_stream z; } source;

static bool source_open(source *s) {
  s->zipped = s->size > 2 && s->p[0] == 0x1f && s->p[1] == 0x8b;
  if (!s->zipped) return true;
  s->z = (z_stream){ .next_in = (Bytef *)s->p, .avail_in = (uInt)s->size, .zalloc = gz_alloc, .zfree = gz_free, .opaque = s->g };
  const int code = inflateInit2(&s->z, 15 + 16);
  if (code != Z_OK) cn_fail(s->g, code == Z_MEM_ERROR ? CN_NO_MEMORY : CN_FORMAT, "read_idx: %s: the gzip header is damaged", s->name);
  return code == Z_OK;
}
static void source_close(source *s) {
  if (s->zipped) inflateEnd(&s->z);
}

/* Up to n bytes; fewer at the end of the data. */
static size_t source_read(source *s, void *to, size_t n) {
  if (!s->zipped) {
    const size_t left = s->size - s->at, k = n < left ? n : left;
    memcpy(to, s->p + s->at, k);
    s->at += k;
    return k;
  }
  size_t done = 0;
  while (done < n && !s->ended && !s->damaged) {
    const size_t want = n - done < (1u << 30) ? n - done : 1u << 30;
    s->z.next_out = (Bytef *)to + done;
    s->z.avail_out = (uInt)want;
    const int code = inflate(&s->z, Z_NO_FLUSH);
    done += want - s->z.avail_out;
    if (code == Z_STREAM_END) s->ended = true;
    else if (code == Z_MEM_ERROR) cn_fail(s->g, CN_NO_MEMORY, "read_idx: %s: out of memory", s->name), s->damaged = true;
    else if (code == Z_DATA_ERROR || code == Z_NEED_DICT || code == Z_STREAM_ERROR) s->damaged = true;
    else if (code == Z_BUF_ERROR && want == s->z.avail_out) break; /* the file ends here */
  }
  return done;
}

static const struct { unsigned char code; cn_dtype dtype; size_t width; } types[] = { { 0x08, CN_U8, 1 }, { 0x09, CN_I32, 1 }, { 0x0b, CN_I32, 2 }, { 0x0c, CN_I32, 4 }, { 0x0d, CN_F32, 4 }, { 0x0e, CN_F64, 8 } };

static bool damaged(source *s) {
  cn_fail(s->g, CN_FORMAT, "read_idx: %s: the compressed data is damaged", s->name);
  return false;
}

static bool read_header(source *s, int *type, cn_dims *dims) {
  unsigned char head[4], size[4];
  if (source_read(s, head, 4) != 4) return s->damaged ? damaged(s) : (cn_fail(s->g, CN_FORMAT, "read_idx: %s: too short for an IDX file", s->name), false);
  *type = -1;
  for (int i = 0; i < (int)(sizeof types / sizeof *types); i++)
    if (head[2] == types[i].code) *type = i;
  if (head[0] || head[1] || *type < 0 || head[3] > CN_MAX_RANK) return cn_fail(s->g, CN_FORMAT, "read_idx: %s: no IDX file: it begins with %02x %02x %02x %02x", s->name, head[0], head[1], head[2], head[3]), false;
  dims->rank = head[3];
  for (int i = 0; i < dims->rank; i++) {
    if (source_read(s, size, 4) != 4) return s->damaged ? damaged(s) : (cn_fail(s->g, CN_FORMAT, "read_idx: %s: ends in its header", s->name), false);
    dims->d[i] = (int64_t)size[0] << 24 | (int64_t)size[1] << 16 | (int64_t)size[2] << 8 | size[3];
  }
  return true;
}

/* Big-endian numbers of `width` bytes, widened in place from the last to the first. */
static void decode(int type, unsigned char *p, int64_t n) {
  const size_t w = types[type].width;
  if (types[type].dtype == CN_U8) return;
  for (int64_t i = n - 1; i >= 0; i--) {
    uint64_t v = 0;
    for (size_t b = 0; b < w; b++) v = v << 8 | p[(size_t)i * w + b];
    if (w == 8) {
      memcpy(p + (size_t)i * 8, &v, 8);
      continue;
    }
    int32_t out = w == 1 ? (int8_t)v : w == 2 ? (int16_t)v : (int32_t)v;
    memcpy(p + (size_t)i * 4, &out, 4);
  }
}

static cn_arrays *read_body(source *s, int type, const cn_dims *dims) {
  cn_graph *g = s->g;
  size_t bytes = types[type].width;
  char a[32], b[32];
  for (int i = 0; i < dims->rank; i++)
    if (!cni_size_multiply(bytes, (size_t)dims->d[i], &bytes)) return cn_fail(g, CN_FORMAT, "read_idx: %s: the sizes in its header overflow", s->name), NULL;
  if (!s->zipped && bytes > s->size - s->at)
    return cn_fail(g, CN_FORMAT, "read_idx: %s: ends after %s of %s bytes", s->name, cni_thousands(s->size - s->at, a, sizeof a), cni_thousands(bytes, b, sizeof b)), NULL;
  if (s->zipped && bytes / 1100 > s->size) return cn_fail(g, CN_FORMAT, "read_idx: %s: its header asks for %s bytes, more than the file can hold", s->name, cni_thousands(bytes, b, sizeof b)), NULL;
  cn_arrays *list = cn_arrays_new(g);
  cn_named_array *v = list ? cn_arrays_add(g, list, s->name, types[type].dtype, dims, NULL) : NULL;
  const size_t got = v ? source_read(s, v->data, bytes) : 0;
  unsigned char more;
  if (v && s->damaged) damaged(s);
  else if (v && got < bytes) cn_fail(g, CN_FORMAT, "read_idx: %s: ends after %s of %s bytes", s->name, cni_thousands(got, a, sizeof a), cni_thousands(bytes, b, sizeof b));
  else if (v && source_read(s, &more, 1) == 1) cn_fail(g, CN_FORMAT, "read_idx: %s: has more than the %s bytes that its header announces", s->name, cni_thousands(bytes, b, sizeof b));
  else if (v && s->damaged) damaged(s);
  else if (v && s->zipped && !s->ended) cn_fail(g, CN_FORMAT, "read_idx: %s: the compressed data is cut off before its checksum", s->name);
  if (cn_ok(g)) {
    decode(type, v->data, (int64_t)(bytes / types[type].width));
    return list;
  }
  cn_arrays_free(g, list);
  return NULL;
}

cn_arrays *cn_read_idx(cn_graph *g, const char *path) {
  if (!cn_ok(g)) return NULL;
  source s = { .g = g, .name = cni_file_name(path) };
  unsigned char *file = cni_read_file(g, "read_idx", path, &s.size);
  if (!file) return NULL;
  s.p = file;
  int type;
  cn_dims dims;
  cn_arrays *a = NULL;
  if (s.size > UINT32_MAX && file[0] == 0x1f) cn_fail(g, CN_UNSUPPORTED, "read_idx: %s: compressed files above 4 GB are not read", s.name);
  else if (source_open(&s)) {
    if (read_header(&s, &type, &dims)) a = read_body(&s, type, &dims);
    source_close(&s);
  }
  cni_free(g, file);
  return a;
}
