/* Whole files in and out. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io_private.h"

const char *cni_file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

const char *cni_thousands(uint64_t v, char *text, size_t size) {
  char digits[32];
  const int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
  size_t k = 0;
  for (int i = 0; i < n && k + 2 < size; i++) {
    if (i && (n - i) % 3 == 0) text[k++] = ',';
    text[k++] = digits[i];
  }
  text[k] = 0;
  return text;
}

static unsigned char *read_all(cn_graph *g, const char *what, const char *path, FILE *f, size_t *size) {
  struct stat s;
  if (fstat(fileno(f), &s) || !S_ISREG(s.st_mode)) return cn_fail(g, CN_IO, "%s: %s is no regular file", what, cni_file_name(path)), NULL;
  *size = (size_t)s.st_size;
  unsigned char *p = cni_alloc(g, *size + 1);
  if (p && fread(p, 1, *size, f) == *size) return p;
  if (p) cn_fail(g, CN_IO, "%s: %s: reading failed", what, cni_file_name(path));
  cni_free(g, p);
  return NULL;
}

unsigned char *cni_read_file(cn_graph *g, const char *what, const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) return cn_fail(g, CN_IO, "%s: %s: %s", what, path, strerror(errno)), NULL;
  unsigned char *p = read_all(g, what, path, f, size);
  fclose(f);
  return p;
}

bool cni_new_file_open(cn_graph *g, const char *what, const char *path, cni_new_file *n) {
  n->path = path;
  const int length = snprintf(n->temporary, sizeof n->temporary, "%s.new-%ld", path, (long)getpid());
  if (length < 0 || (size_t)length >= sizeof n->temporary) return cn_fail(g, CN_IO, "%s: the path is too long", what), false;
  n->f = fopen(n->temporary, "wb");
  if (!n->f) cn_fail(g, CN_IO, "%s: %s: %s", what, path, strerror(errno));
  return n->f != NULL;
}

bool cni_new_file_close(cn_graph *g, const char *what, cni_new_file *n, bool ok) {
  ok = ok && fflush(n->f) == 0 && fsync(fileno(n->f)) == 0;
  ok = fclose(n->f) == 0 && ok;
  if (ok && rename(n->temporary, n->path) == 0) return true;
  cn_fail(g, CN_IO, "%s: %s: %s", what, n->path, strerror(errno));
  unlink(n->temporary);
  return false;
}
