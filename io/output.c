/* Writing whole files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "io_private.h"

const char *cni_file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
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

static bool output_fail(const cni_output *out, int error) {
  cn_fail(out->g, error == ENOMEM ? CN_NO_MEMORY : CN_IO, "%s: %s: %s", out->what, out->path, strerror(error));
  return false;
}

/* A name that no file has: another process, or another graph of this one, may be writing the same file. */
static int open_beside(cni_output *out, size_t size) {
  int file = -1;
  for (int i = 0; i < 1000 && file < 0; i++) {
    snprintf(out->temporary, size, "%s.new-%ld-%d", out->path, (long)getpid(), i);
    file = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno != EEXIST) break;
  }
  return file;
}

bool cni_output_open(cni_output *out, cn_graph *g, const char *what, const char *path) {
  *out = (cni_output){ .g = g, .what = what, .path = path };
  const size_t size = strlen(path) + 48;
  out->temporary = cni_alloc(g, size);
  if (!out->temporary) return false;
  const int file = open_beside(out, size);
  out->f = file >= 0 ? fdopen(file, "wb") : NULL;
  if (out->f) return true;
  output_fail(out, errno);
  if (file >= 0) {
    close(file);
    unlink(out->temporary);
  }
  cni_free(g, out->temporary);
  return false;
}

bool cni_output_write(cni_output *out, const void *data, size_t n) { return n == 0 || fwrite(data, 1, n, out->f) == n || output_fail(out, errno); }

bool cni_output_close(cni_output *out, bool ok) {
  if (ok && (fflush(out->f) != 0 || fsync(fileno(out->f)) != 0)) ok = output_fail(out, errno);
  if (fclose(out->f) != 0 && ok) ok = output_fail(out, errno);
  if (ok && rename(out->temporary, out->path) != 0) ok = output_fail(out, errno);
  if (!ok) unlink(out->temporary);
  cni_free(out->g, out->temporary);
  return ok;
}
