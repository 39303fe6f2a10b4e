/* Reading files from front to back, plain or gzip. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "io_private.h"

#define CHUNK ((size_t)256 << 10)     /* of compressed bytes */
#define DEFLATE_RATIO 1032            /* a byte of deflate makes at most so many (zlib's technical details) */

typedef struct gzip {
  z_stream z;
  bool ended, cut;                    /* at the end of the last member; in the midst of one */
  unsigned char bytes[CHUNK];
} gzip;

bool cni_input_fail(const cni_input *in, const char *format, ...) {
  char text[CNI_ERROR_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cn_fail(in->g, CN_FORMAT, "%s: %s: %s", in->what, in->name, text);
  return false;
}

static int64_t pull_file(cni_input *in, void *to, size_t n) {
  ssize_t got;
  do got = read(in->file, to, n < ((size_t)1 << 30) ? n : (size_t)1 << 30);
  while (got < 0 && errno == EINTR);
  if (got < 0) cn_fail(in->g, CN_IO, "%s: %s: %s", in->what, in->name, strerror(errno));
  return got;
}

/* zlib's memory comes from the graph too, so that a failing allocator is survived. */
static voidpf gzip_alloc(voidpf g, uInt items, uInt size) { return cni_alloc(g, (size_t)items * size); }
static void gzip_free(voidpf g, voidpf p) { cni_free(g, p); }

static bool refill(cni_input *in, gzip *s) {
  if (s->z.avail_in > 0) return true;
  const int64_t got = pull_file(in, s->bytes, CHUNK);
  if (got < 0) return false;
  s->z.next_in = s->bytes;
  s->z.avail_in = (uInt)got;
  return true;
}

/* After the end of a member: another one (files put together stay files), or the end. */
static bool next_member(cni_input *in, gzip *s) {
  if (!refill(in, s)) return false;
  s->ended = s->z.avail_in == 0;
  if (s->ended) return true;
  if (*s->z.next_in != 0x1f) return cni_input_fail(in, "something follows the compressed data");
  inflateReset(&s->z);
  return true;
}

static int64_t pull_gzip(cni_input *in, void *to, size_t n) {
  gzip *s = in->source;
  const uInt room = n < ((size_t)1 << 30) ? (uInt)n : (uInt)1 << 30;
  s->z.next_out = to;
  s->z.avail_out = room;
  while (s->z.avail_out > 0 && !s->ended) {
    if (!refill(in, s)) return -1;
    s->cut = s->z.avail_in == 0;
    if (s->cut) break;
    const int code = inflate(&s->z, Z_NO_FLUSH);
    if (code == Z_STREAM_END ? !next_member(in, s) : code != Z_OK) {
      cni_input_fail(in, "the compressed data is damaged"); /* where the cause is another, such as memory, it was the first error */
      return -1;
    }
  }
  return (int64_t)(room - s->z.avail_out);
}

static bool gzip_begin(cni_input *in, uint64_t file_bytes) {
  gzip *s = cni_alloc(in->g, sizeof *s);
  if (!s) return false;
  s->z.zalloc = gzip_alloc;
  s->z.zfree = gzip_free;
  s->z.opaque = in->g;
  if (inflateInit2(&s->z, 15 + 16) != Z_OK) {
    cn_fail(in->g, CN_NO_MEMORY, "%s: %s: out of memory", in->what, in->name);
    cni_free(in->g, s);
    return false;
  }
  in->source = s;
  in->pull = pull_gzip;
  in->exact = false;
  in->at_most = file_bytes < UINT64_MAX / DEFLATE_RATIO ? file_bytes * DEFLATE_RATIO : UINT64_MAX;
  return true;
}

static bool begin(cni_input *in, const char *path, bool may_be_gzip) {
  struct stat s;
  unsigned char magic[2];
  if (fstat(in->file, &s) != 0) return cn_fail(in->g, CN_IO, "%s: %s: %s", in->what, path, strerror(errno)), false;
  if (!S_ISREG(s.st_mode)) return cn_fail(in->g, CN_IO, "%s: %s: no regular file", in->what, path), false;
  in->at_most = (uint64_t)s.st_size;
  if (may_be_gzip && pread(in->file, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) return gzip_begin(in, in->at_most);
  return true;
}

bool cni_input_open(cni_input *in, cn_graph *g, const char *what, const char *path, bool may_be_gzip) {
  if (!cn_ok(g)) return false;
  if (!path || !*path) return cn_fail(g, CN_VALUE, "%s: the path is missing", what), false;
  *in = (cni_input){ .g = g, .what = what, .name = cni_file_name(path), .pull = pull_file, .exact = true };
  in->file = open(path, O_RDONLY | O_CLOEXEC);
  if (in->file < 0) return cn_fail(g, CN_IO, "%s: %s: %s", what, path, strerror(errno)), false;
  if (begin(in, path, may_be_gzip)) return true;
  close(in->file);
  return false;
}

void cni_input_close(cni_input *in) {
  gzip *s = in->source;
  if (s) inflateEnd(&s->z);
  cni_free(in->g, s);
  close(in->file);
}

size_t cni_input_read(cni_input *in, void *to, size_t n) {
  size_t done = 0;
  while (done < n) {
    const int64_t got = in->pull(in, (char *)to + done, n - done);
    if (got <= 0) break;
    done += (size_t)got;
  }
  in->position += done;
  return done;
}

static bool ends_early(cni_input *in, uint64_t bytes, uint64_t total) {
  char a[32], b[32];
  return cni_input_fail(in, "ends after %s of %s bytes", cni_thousands(bytes, a, sizeof a), cni_thousands(total, b, sizeof b));
}

bool cni_input_exactly(cni_input *in, void *to, size_t n, uint64_t total) { return cni_input_read(in, to, n) == n || ends_early(in, in->position, total); }

bool cni_input_holds(cni_input *in, uint64_t total) {
  char text[32];
  if (total <= in->at_most) return true;
  if (in->exact) return ends_early(in, in->at_most, total);
  return cni_input_fail(in, "its header announces %s bytes, more than it can hold", cni_thousands(total, text, sizeof text));
}

bool cni_input_end(cni_input *in) {
  unsigned char more;
  char text[32];
  const uint64_t bytes = in->position;
  if (cni_input_read(in, &more, 1) == 1)
    return cni_input_fail(in, "goes on after the %s bytes that its header announces", cni_thousands(bytes, text, sizeof text));
  if (in->pull == pull_gzip && ((gzip *)in->source)->cut) return cni_input_fail(in, "the compressed data ends before its checksum");
  return cn_ok(in->g);
}

/* More room for a text whose length is not known. */
static char *widen(cni_input *in, char *text, size_t used, size_t *room) {
  if (used + 1 < *room) return text;
  size_t doubled;
  char *more = cni_size_multiply(*room, 2, &doubled) ? cni_realloc(in->g, text, doubled) : NULL;
  if (!more) cni_free(in->g, text);
  *room = doubled;
  return more;
}

char *cni_input_text(cni_input *in, size_t *size) {
  size_t room = in->exact ? (size_t)in->at_most + 2 : (size_t)1 << 16;
  char *text = cni_alloc(in->g, room);
  *size = 0;
  for (size_t got = 1; text && got > 0; *size += got) {
    text = widen(in, text, *size, &room);
    got = text ? cni_input_read(in, text + *size, room - 1 - *size) : 0;
  }
  if (!text) return NULL;
  if (cni_input_end(in)) {
    text[*size] = '\0';
    return text;
  }
  cni_free(in->g, text);
  return NULL;
}
