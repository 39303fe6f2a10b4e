/* What tests of files that a training writes share: a folder of their own. */
#ifndef TEST_MODELS_FILES_H
#define TEST_MODELS_FILES_H
#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include "test_layers.h"

static inline void folder_new(char folder[64]) {
  strcpy(folder, "/tmp/cornu-test-XXXXXX");
  cr_assert(mkdtemp(folder));
}
static inline int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at) { return (void)s, (void)kind, (void)at, remove(path); }
static inline void folder_remove(const char *folder) { nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }
/* A suite whose tests have a graph g and a folder. */
#define FILES_SUITE(suite)                   \
  static cn_graph *g;                        \
  static char folder[64];                    \
  static void begin(void) {                  \
    g = cn_graph_new(.seed = 5);             \
    folder_new(folder);                      \
  }                                          \
  static void end(void) {                    \
    CHECK_OK(g);                             \
    cn_graph_free(g);                        \
    folder_remove(folder);                   \
  }                                          \
  TestSuite(suite, .init = begin, .fini = end);

/* The texts of the last 16 calls stand. */
static inline const char *text_of(const char *format, ...) {
  static char texts[16][1024];
  static int next;
  char *text = texts[next++ % 16];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof texts[0], format, args);
  va_end(args);
  return text;
}
static inline const char *in_folder(const char *folder, const char *name) { return text_of("%s/%s", folder, name); }

static inline int files_in(const char *folder) {
  int n = 0;
  DIR *d = opendir(folder);
  for (const struct dirent *e; d && (e = readdir(d));) n += *e->d_name != '.';
  if (d) closedir(d);
  return n;
}

static inline const char *file_text(const char *path) {
  static char text[1 << 16];
  FILE *f = fopen(path, "rb");
  const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
  if (f) fclose(f);
  text[n] = '\0';
  return text;
}

#endif
