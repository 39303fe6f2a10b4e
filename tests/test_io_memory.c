/* Allocators that fail at the k-th call, for every k: the graph's, and the C library's under zlib, jansson and libzip. */
#include <signal.h>
#include <sys/resource.h>
#include <zlib.h>
#include "sanitized.h"
#include "test_io.h"
#include "test_io_numpy.h"

#if defined(__GLIBC__) && !defined(SANITIZED)
#define INTERPOSED 1
#endif

#ifdef INTERPOSED
/* Counts down to the call of malloc that fails; 0: none does. */
static _Thread_local int64_t fail_after;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
void *malloc(size_t size) { return fail_after > 0 && --fail_after == 0 ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fail_after > 0 && --fail_after == 0 ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return fail_after > 0 && --fail_after == 0 ? NULL : __libc_realloc(p, size); }
#endif

typedef bool (*job)(place *p);

static bool done(place *p, cn_arrays *a) {
  const bool ok = a != NULL;
  cn_arrays_free(&p->g, a);
  return ok;
}

static bool read_idx(place *p) { return done(p, cn_read_idx(&p->g, path_of(p, "idx"))); }
static bool read_gzip(place *p) { return done(p, cn_read_idx(&p->g, path_of(p, "gz"))); }
static bool read_csv(place *p) { return done(p, cn_read_csv(&p->g, path_of(p, "csv"), .columns = CN_STRINGS("b", "a"))); }
static bool read_csv_gzip(place *p) { return done(p, cn_read_csv(&p->g, path_of(p, "csv.gz"))); }
static bool read_npy(place *p) { return done(p, cn_read_npy(&p->g, path_of(p, "npy"))); }
static bool read_text(place *p) { return done(p, cn_read_npy(&p->g, path_of(p, "text"))); }
static bool read_safetensors(place *p) { return done(p, cn_read_safetensors(&p->g, path_of(p, "safetensors"))); }
#ifdef CN_HAVE_LIBZIP
static bool read_npz(place *p) { return done(p, cn_read_npz(&p->g, path_of(p, "npz"))); }
#endif

/* Arrays of no graph. */
static float numbers[6] = { 1, 2, 3, 4, 5, 6 };
static struct { int64_t offsets[3]; char bytes[8]; } words = { { 0, 3, 5 }, "abcde" };
static char numbers_name[] = "numbers", words_name[] = "words", key[] = "format", value[] = "cornu";
static cn_named_array both[2] = { { numbers_name, CN_F32, { 2, { 2, 3 } }, numbers }, { words_name, CN_STRING, { 1, { 2 } }, &words } };
static cn_metadata metadata = { key, value };

static cn_arrays list_of(int64_t n) { return (cn_arrays){ .v = both, .n = n, .metadata = &metadata, .metadata_n = 1 }; }
static bool write_csv(place *p) { return cn_write_csv(&p->g, path_of(p, "out"), &(const cn_arrays){ .v = both, .n = 2 }); }
static bool write_npy(place *p) { return cn_write_npy(&p->g, path_of(p, "out"), &both[1]); }
static bool write_safetensors(place *p) {
  const cn_arrays a = list_of(1);
  return cn_write_safetensors(&p->g, path_of(p, "out"), &a);
}
#ifdef CN_HAVE_LIBZIP
static bool write_npz(place *p) {
  const cn_arrays a = list_of(2);
  return cn_write_npz(&p->g, path_of(p, "out"), &a);
}
#endif

static void put_gzip(place *p, const char *name, const void *bytes, unsigned n) {
  gzFile f = gzopen(path_of(p, name), "wb");
  cr_assert(f && gzwrite(f, bytes, n) == (int)n && gzclose(f) == Z_OK);
}

static void begin(place *p) {
  static const unsigned char idx[] = { 0, 0, 11, 1, 0, 0, 0, 2, 1, 2, 3, 4 };
  static const char table[] = "a,b,c\n1,x,0.5\n2,y,\n";
  place_begin(p);
  put_file(p, "idx", idx, sizeof idx);
  put_gzip(p, "gz", idx, sizeof idx);
  put_text(p, "csv", table);
  put_gzip(p, "csv.gz", table, sizeof table - 1);
  put_file(p, "npy", npy_f8_fortran, sizeof npy_f8_fortran);
  put_file(p, "text", npy_text, sizeof npy_text);
  put_file(p, "npz", npz_deflated, sizeof npz_deflated);
  const cn_arrays a = list_of(1);
  cr_assert(cn_write_safetensors(&p->g, path_of(p, "safetensors"), &a));
}

static const struct { const char *name; job run; } jobs[] = {
  { "read_idx", read_idx },
  { "read_idx gzip", read_gzip },
  { "read_csv", read_csv },
  { "read_csv gzip", read_csv_gzip },
  { "read_npy", read_npy },
  { "read_npy of texts", read_text },
  { "read_safetensors", read_safetensors },
#ifdef CN_HAVE_LIBZIP
  { "read_npz", read_npz },
  { "write_npz", write_npz },
#endif
  { "write_csv", write_csv },
  { "write_npy", write_npy },
  { "write_safetensors", write_safetensors },
};
#define JOBS (sizeof jobs / sizeof *jobs)

/* After a failure: an error, nothing allocated, no file of ours, an old file unharmed. */
static void check_failed(place *p, const char *name, int64_t k, int64_t files) {
  size_t n;
  cr_assert_not(cn_ok(&p->g), "%s, call %ld", name, (long)k);
  cr_assert_eq(p->g.c.bytes, 0, "%s, call %ld: %zu bytes are left", name, (long)k, p->g.c.bytes);
  cr_assert_eq(count_files(p), files, "%s, call %ld: a file is left", name, (long)k);
  unsigned char *old = get_file(p, "out", &n);
  cr_assert(n == 3 && memcmp(old, "old", 3) == 0);
  free(old);
}

Test(io_memory, the_graphs_allocator) {
  place p;
  begin(&p);
  for (size_t i = 0; i < JOBS; i++) {
    put_text(&p, "out", "old");
    const int64_t files = count_files(&p);
    int64_t k = 1;
    for (bool ok = false; !ok; k++) {
      p.n.calls = 0;
      p.n.fail_at = k;
      ok = jobs[i].run(&p);
      p.n.fail_at = 0;
      if (ok) break;
      check_failed(&p, jobs[i].name, k, files);
      cr_assert_eq(cn_error_code(&p.g), CN_NO_MEMORY, "%s, call %ld: %s", jobs[i].name, (long)k, cn_error(&p.g));
      cni_error_clear(&p.g);
    }
    CHECK_OK(&p);
    cr_assert_gt(k, 1, "%s allocates", jobs[i].name);
    cr_assert_lt(k, 200);
  }
  place_end(&p);
}

/* What the libraries allocate: any error will do, and where they do without, success. */
Test(io_memory, the_libraries_allocator) {
#ifdef INTERPOSED
  place p;
  begin(&p);
  for (size_t i = 0; i < JOBS; i++) {
    int failures = 0;
    for (int64_t k = 1;; k++) {
      put_text(&p, "out", "old");
      const int64_t files = count_files(&p);
      fail_after = k;
      const bool ok = jobs[i].run(&p);
      const bool reached = fail_after == 0;
      fail_after = 0;
      cr_assert_eq(p.g.c.bytes, 0, "%s, call %ld: %zu bytes are left", jobs[i].name, (long)k, p.g.c.bytes);
      cr_assert_eq(ok, cn_ok(&p.g));
      if (!ok) check_failed(&p, jobs[i].name, k, files);
      failures += !ok;
      cni_error_clear(&p.g);
      if (!reached) break;
      cr_assert_lt(k, 2000);
    }
    if (strstr(jobs[i].name, "safetensors") || strstr(jobs[i].name, "npz")) cr_assert_gt(failures, 3, "%s: %d", jobs[i].name, failures);
  }
  place_end(&p);
#else
  cr_skip_test("the sanitizers have an allocator of their own");
#endif
}

/* No file may grow above 100 bytes: every writer says so, and leaves what was there. */
Test(io_memory, a_full_disk) {
  place p;
  begin(&p);
  put_text(&p, "out", "old");
  const int64_t files = count_files(&p);
  struct rlimit before, small;
  cr_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &before) == 0);
  small = before;
  small.rlim_cur = 100;
  for (size_t i = 0; i < JOBS; i++) {
    if (strncmp(jobs[i].name, "write", 5) != 0 || jobs[i].run == write_csv) continue;
    setrlimit(RLIMIT_FSIZE, &small);
    const bool ok = jobs[i].run(&p);
    setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_not(ok);
    check_failed(&p, jobs[i].name, 0, files);
    cr_assert_eq(cn_error_code(&p.g), CN_IO, "%s: %s", jobs[i].name, cn_error(&p.g));
    cr_assert(strstr(cn_error(&p.g), "File too large"), "%s: %s", jobs[i].name, cn_error(&p.g));
    cni_error_clear(&p.g);
  }
  place_end(&p);
}
