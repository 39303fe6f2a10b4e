/* Archives of NumPy arrays. */
#include "test_io.h"
#include "test_io_numpy.h"

#ifdef CN_HAVE_LIBZIP
#include <zip.h>

Test(io_npz, archives_of_numpy) {
  place p;
  place_begin(&p);
  cn_arrays *a = cn_read_npz(&p.g, put_file(&p, "x.npz", npz_stored, sizeof npz_stored));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 2);
  CHECK_ARRAY(&a->v[0], "x", CN_I32, "[3]", int32_t, 0, 1, 2);
  CHECK_ARRAY(&a->v[1], "y", CN_F32, "[2,1]", float, 1, 2);
  cn_arrays_free(&p.g, a);
  a = cn_read_npz(&p.g, put_file(&p, "x.npz", npz_deflated, sizeof npz_deflated));
  CHECK_OK(&p);
  static const double zeros[1000] = { 0 };
  check_array(cn_arrays_find(a, "zeros"), "zeros", CN_F64, "[1000]", zeros, 1000);
  CHECK_STRINGS(cn_arrays_find(a, "a/b"), "a/b", "hi");
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

static cn_arrays *sample(cn_graph *g) {
  static const char *const texts[] = { "one", "two", "" };
  cn_arrays *a = cn_arrays_new(g);
  cn_arrays_add(g, a, "w", CN_F32, CN_DIMS(2, 2), ((const float[]){ 1, 2, 3, 4 }));
  cn_arrays_add(g, a, "layer/\u00fc", CN_F64, CN_SCALAR, ((const double[]){ 0.1 }));
  cn_arrays_add(g, a, "empty", CN_I64, CN_DIMS(0, 3), NULL);
  cn_arrays_add(g, a, "yes", CN_BOOL, CN_DIMS(2), ((const bool[]){ true, false }));
  cn_arrays_add_strings(g, a, "texts", CN_DIMS(3), texts);
  return a;
}

Test(io_npz, round_trip_and_same_bytes) {
  place p;
  size_t first, second;
  place_begin(&p);
  cn_arrays *a = sample(&p.g);
  cr_assert(cn_write_npz(&p.g, put_text(&p, "x.npz", "an old file"), a), "%s", cn_error(&p.g));
  cr_assert(cn_write_npz(&p.g, path_of(&p, "y.npz"), a));
  cr_assert_eq(count_files(&p), 2);
  cn_arrays_free(&p.g, a);
  a = cn_read_npz(&p.g, path_of(&p, "x.npz"));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 5);
  CHECK_ARRAY(&a->v[0], "w", CN_F32, "[2,2]", float, 1, 2, 3, 4);
  CHECK_ARRAY(&a->v[1], "layer/\u00fc", CN_F64, "[]", double, 0.1);
  check_array(&a->v[2], "empty", CN_I64, "[0,3]", NULL, 0);
  CHECK_ARRAY(&a->v[3], "yes", CN_BOOL, "[2]", bool, true, false);
  CHECK_STRINGS(&a->v[4], "texts", "one", "two", "");
  cn_arrays_free(&p.g, a);
  unsigned char *x = get_file(&p, "x.npz", &first), *y = get_file(&p, "y.npz", &second);
  cr_assert(first == second && memcmp(x, y, first) == 0);
  cr_assert(x[10] == 0 && x[11] == 0 && x[12] == 0x21 && x[13] == 0, "1980-01-01 00:00");
  free(x);
  free(y);
  struct stat s;
  const mode_t mask = umask(022);
  umask(mask);
  cr_assert(stat(path_of(&p, "x.npz"), &s) == 0 && (s.st_mode & 0777) == (0666 & ~mask));
  place_end(&p);
}

Test(io_npz, empty_archive) {
  place p;
  place_begin(&p);
  cn_arrays *a = cn_arrays_new(&p.g);
  cr_assert(cn_write_npz(&p.g, path_of(&p, "x.npz"), a));
  cn_arrays_free(&p.g, a);
  a = cn_read_npz(&p.g, path_of(&p, "x.npz"));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 0);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

/* An archive of one member by libzip. */
static const char *archive(place *p, const char *name, const void *bytes, size_t n, int method) {
  int code;
  unlink(path_of(p, "x.npz"));
  zip_t *z = zip_open(p->path, ZIP_CREATE, &code);
  const zip_int64_t i = zip_file_add(z, name, zip_source_buffer(z, bytes, n, 0), 0);
  cr_assert(i >= 0 && zip_set_file_compression(z, (zip_uint64_t)i, method, 0) == 0 && zip_close(z) == 0);
  return p->path;
}

Test(io_npz, refusals) {
  place p;
  place_begin(&p);
  cr_assert_null(cn_read_npz(&p.g, put_text(&p, "x.npz", "no archive at all, although it is long enough for one")));
  CHECK_REFUSED(&p, FORMAT, "read_npz: x.npz: Not a zip archive");
  cr_assert_null(cn_read_npz(&p.g, put_file(&p, "x.npz", npz_stored, sizeof npz_stored - 30)));
  CHECK_REFUSED(&p, FORMAT, "read_npz: x.npz: Not a zip archive");
  cr_assert_null(cn_read_npz(&p.g, "/nowhere/x.npz"));
  CHECK_REFUSED(&p, IO, "read_npz: /nowhere/x.npz: No such file or directory");
  cr_assert_null(cn_read_npz(&p.g, archive(&p, "readme.txt", "hello", 5, ZIP_CM_STORE)));
  CHECK_REFUSED(&p, FORMAT, "read_npz: x.npz: readme.txt: is no NPY file");
  cr_assert_null(cn_read_npz(&p.g, archive(&p, "a.npy", npy_f4, 140, ZIP_CM_STORE)));
  CHECK_REFUSED(&p, FORMAT, "read_npz: x.npz: a.npy: ends after 140 of 152 bytes");
  cr_assert_null(cn_read_npz(&p.g, archive(&p, "a.npy", npy_u8, sizeof npy_u8, ZIP_CM_DEFLATE)));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_npz: x.npz: a.npy: elements of type <u8 are not read");
  cr_assert_null(cn_read_npz(&p.g, archive(&p, "a.npy", npy_f4, sizeof npy_f4, ZIP_CM_BZIP2)));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_npz: x.npz: a.npy: is neither stored nor deflated");
  place_end(&p);
}

/* A damaged number is found by its checksum only, which libzip compares in a read past the end. */
Test(io_npz, checksum) {
  place p;
  unsigned char bytes[sizeof npz_stored];
  place_begin(&p);
  memcpy(bytes, npz_stored, sizeof bytes);
  size_t at = 0;
  while (memcmp(bytes + at, "\0\0\0\0\1\0\0\0\2\0\0\0", 12) != 0) at++;
  bytes[at] = 9;
  cr_assert_null(cn_read_npz(&p.g, put_file(&p, "x.npz", bytes, sizeof bytes)));
  CHECK_REFUSED(&p, FORMAT, "read_npz: x.npz: x.npy: CRC error");
  place_end(&p);
}

Test(io_npz, write_refusals) {
  place p;
  place_begin(&p);
  float value = 1;
  char same[] = "w", odd[] = "\xff\xfe";
  cn_named_array v[2] = { { same, CN_F32, *CN_DIMS(1), &value }, { same, CN_F32, *CN_DIMS(1), &value } };
  const cn_arrays a = { .v = v, .n = 2 };
  put_text(&p, "x.npz", "old");
  cr_assert_not(cn_write_npz(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_npz: there are two arrays named w");
  v[1].name = odd;
  cr_assert_not(cn_write_npz(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_npz: the name \"\xff\xfe\" is no UTF-8 text");
  v[1].data = NULL;
  v[1].name = same;
  cr_assert_not(cn_write_npz(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_npz: w has no data");
  cr_assert_not(cn_write_npz(&p.g, "/nowhere/x.npz", &a));
  CHECK_REFUSED(&p, VALUE, "write_npz: w has no data");
  v[1].data = &value;
  cr_assert_not(cn_write_npz(&p.g, "/nowhere/x.npz", &a));
  CHECK_REFUSED(&p, IO, "write_npz: /nowhere/x.npz: No such file or directory");
  cr_assert_eq(count_files(&p), 1);
  size_t n;
  unsigned char *bytes = get_file(&p, "x.npz", &n);
  cr_assert(n == 3 && memcmp(bytes, "old", 3) == 0);
  free(bytes);
  place_end(&p);
}

#else

Test(io_npz, left_out) {
  place p;
  place_begin(&p);
  const cn_arrays none = { .n = 0 };
  cr_assert_null(cn_read_npz(&p.g, put_file(&p, "x.npz", npz_stored, sizeof npz_stored)));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_npz: this build reads and writes no archives: the feature npz (libzip) was left out");
  cr_assert_not(cn_write_npz(&p.g, p.path, &none));
  CHECK_REFUSED(&p, UNSUPPORTED, "write_npz: this build reads and writes no archives: the feature npz (libzip) was left out");
  place_end(&p);
}
#endif
