/* What the tests of io share: files of given bytes in a folder of their own. */
#ifndef TEST_IO_H
#define TEST_IO_H
#include <dirent.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../io/io.h"
#include "test_core.h"

typedef struct place { cn_graph g; counting n; char folder[64], path[384]; } place;

static inline void place_begin(place *p) {
  graph_begin(&p->g, &p->n);
  strcpy(p->folder, "/tmp/cornu_io_XXXXXX");
  cr_assert(mkdtemp(p->folder));
}

/* The path of a file in the folder, valid until the next call. */
static inline const char *path_of(place *p, const char *name) {
  snprintf(p->path, sizeof p->path, "%s/%s", p->folder, name);
  return p->path;
}

static inline const char *put_file(place *p, const char *name, const void *bytes, size_t n) {
  FILE *f = fopen(path_of(p, name), "wb");
  cr_assert(f && (n == 0 || fwrite(bytes, 1, n, f) == n) && fclose(f) == 0);
  return p->path;
}

static inline const char *put_text(place *p, const char *name, const char *text) { return put_file(p, name, text, strlen(text)); }

/* A file's bytes, to be freed. */
static inline unsigned char *get_file(place *p, const char *name, size_t *n) {
  FILE *f = fopen(path_of(p, name), "rb");
  cr_assert(f, "%s is there", name);
  unsigned char *bytes = malloc(1 << 20);
  *n = fread(bytes, 1, 1 << 20, f);
  fclose(f);
  return bytes;
}

static inline int64_t count_files(const place *p) {
  DIR *d = opendir(p->folder);
  int64_t n = 0;
  for (const struct dirent *e = readdir(d); e; e = readdir(d)) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static inline void place_end(place *p) {
  DIR *d = opendir(p->folder);
  for (const struct dirent *e = readdir(d); e; e = readdir(d))
    if (e->d_name[0] != '.') unlink(path_of(p, e->d_name));
  closedir(d);
  cr_assert_eq(rmdir(p->folder), 0);
  graph_end(&p->g, &p->n);
}

/* The error of the graph is of a code and a text, and is forgotten; nothing stays allocated. */
#define CHECK_REFUSED(p, wanted, text)                                                                    \
  do {                                                                                                    \
    cr_assert_str_eq(cn_error(&(p)->g), text);                                                            \
    cr_assert_str_eq(cn_code_name(cn_error_code(&(p)->g)), #wanted);                                      \
    cr_assert_eq((p)->g.c.bytes, 0, "%zu bytes are left", (p)->g.c.bytes);                                \
    cni_error_clear(&(p)->g);                                                                             \
  } while (0)

#define CHECK_OK(p) cr_assert(cn_ok(&(p)->g), "%s", cn_error(&(p)->g))

/* An array is of a name, dtype and shape ("[2,3]") and holds `count` elements equal to `values`, bit by bit. */
static inline void check_array(const cn_named_array *v, const char *name, cn_dtype dtype, const char *shape, const void *values, size_t count) {
  char text[160];
  cr_assert(v, "%s is there", name);
  cr_assert_str_eq(v->name, name);
  cr_assert_str_eq(cn_dtype_name(v->dtype), cn_dtype_name(dtype), "%s is %s", name, cn_dtype_name(v->dtype));
  cr_assert_str_eq(cn_dims_text(&v->dims, text, sizeof text), shape);
  cr_assert_eq(cn_dims_count(&v->dims), (int64_t)count);
  cr_assert(count == 0 || memcmp(v->data, values, count * cn_dtype_size(dtype)) == 0, "the values of %s", name);
}
#define CHECK_ARRAY(v, name, dtype, shape, type, ...) \
  check_array(v, name, dtype, shape, (const type[]){ __VA_ARGS__ }, sizeof((const type[]){ __VA_ARGS__ }) / sizeof(type))

static inline void check_strings(const cn_named_array *v, const char *name, const char *const *texts, int64_t count) {
  cr_assert(v, "%s is there", name);
  cr_assert_str_eq(v->name, name);
  cr_assert_eq(v->dtype, CN_STRING);
  cr_assert_eq(cn_dims_count(&v->dims), count);
  for (int64_t i = 0; i < count; i++) {
    int64_t n;
    const char *p = cn_arrays_string(v, i, &n);
    cr_assert(p && n == (int64_t)strlen(texts[i]) && memcmp(p, texts[i], (size_t)n) == 0, "text %ld of %s: \"%.*s\"", (long)i, name, (int)n, p);
  }
}
#define CHECK_STRINGS(v, name, ...) \
  check_strings(v, name, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* False where no locale with a decimal comma can be had. */
static inline bool comma_locale_set(void) {
  static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (setlocale(LC_ALL, names[i]) && localeconv()->decimal_point[0] == ',') return true;
  return false;
}

#endif
