/* NumPy's files. */
#include <math.h>
#include "test_io.h"
#include "test_io_numpy.h"

#define READ(p, bytes) cn_read_npy(&(p)->g, put_file(p, "x.npy", bytes, sizeof(bytes)))
#define CHECK_READ(p, bytes, dtype, shape, type, ...)                       \
  do {                                                                      \
    cn_arrays *a = READ(p, bytes);                                          \
    CHECK_OK(p);                                                            \
    cr_assert_eq(a->n, 1);                                                  \
    CHECK_ARRAY(&a->v[0], "x.npy", dtype, shape, type, __VA_ARGS__);        \
    cn_arrays_free(&(p)->g, a);                                             \
  } while (0)

Test(io_npy, numbers_of_numpy) {
  place p;
  place_begin(&p);
  CHECK_READ(&p, npy_f4, CN_F32, "[2,3]", float, 0, 1.5f, -2, 3, INFINITY, 1e-7f);
  CHECK_READ(&p, npy_i2_fortran, CN_I32, "[2,3]", int32_t, 1, -2, 3, 4, 5, -600);
  CHECK_READ(&p, npy_f8_fortran, CN_F64, "[2,3,4]", double, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
  CHECK_READ(&p, npy_f2, CN_F32, "[7]", float, 1, -0.0f, 0x1p-24f, 65504, -INFINITY, NAN, 0.0999755859375f);
  CHECK_READ(&p, npy_u4, CN_I64, "[2]", int64_t, 0, UINT32_MAX);
  CHECK_READ(&p, npy_u2, CN_I32, "[2]", int32_t, 0, 65535);
  CHECK_READ(&p, npy_i1, CN_I32, "[2]", int32_t, -128, 127);
  CHECK_READ(&p, npy_b1, CN_BOOL, "[3]", bool, true, false, true);
  CHECK_READ(&p, npy_scalar, CN_F64, "[]", double, 1.5);
  cn_arrays *a = READ(&p, npy_empty);
  CHECK_OK(&p);
  check_array(&a->v[0], "x.npy", CN_I64, "[3,0]", NULL, 0);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_npy, texts_of_numpy) {
  place p;
  place_begin(&p);
  cn_arrays *a = READ(&p, npy_text);
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "x.npy", "ab", "", "\u00fcber", "\U0001f600");
  cn_arrays_free(&p.g, a);
  a = READ(&p, npy_text_big);
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "x.npy", "ab", "c", "d", "efg");
  cn_arrays_free(&p.g, a);
  a = READ(&p, npy_bytes);
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "x.npy", "abc", "", "z");
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

/* What NumPy wrote is written again byte for byte. */
static void check_same(place *p, const unsigned char *bytes, size_t n) {
  size_t written;
  cn_arrays *a = cn_read_npy(&p->g, put_file(p, "x.npy", bytes, n));
  CHECK_OK(p);
  cr_assert(cn_write_npy(&p->g, path_of(p, "y.npy"), &a->v[0]), "%s", cn_error(&p->g));
  unsigned char *back = get_file(p, "y.npy", &written);
  cr_assert(written == n && memcmp(back, bytes, n) == 0);
  free(back);
  cn_arrays_free(&p->g, a);
}

Test(io_npy, written_as_numpy_does) {
  place p;
  place_begin(&p);
  check_same(&p, npy_f4, sizeof npy_f4);
  check_same(&p, npy_b1, sizeof npy_b1);
  check_same(&p, npy_scalar, sizeof npy_scalar);
  check_same(&p, npy_empty, sizeof npy_empty);
  check_same(&p, npy_text, sizeof npy_text);
  cr_assert_eq(count_files(&p), 2);
  place_end(&p);
}

/* A file of a header's text, padded, and `bytes` zeros. */
static const char *with_header(place *p, const char *header, size_t bytes) {
  unsigned char file[1024] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0 };
  memset(file + 10, ' ', 118);
  memcpy(file + 10, header, strlen(header));
  file[127] = '\n';
  return put_file(p, "x.npy", file, 128 + bytes);
}

Test(io_npy, spellings_of_the_header) {
  place p;
  place_begin(&p);
  static const char *const spellings[] = {
    "{'shape': (2L, 1), 'fortran_order': False, 'descr': '<i4'}",
    "{\"descr\":\"=i4\",\"fortran_order\":True,\"shape\":(2,1,),}",
    " { 'descr' : '|i4' , 'fortran_order' : False , 'shape' : ( 2 , 1 ) , } ",
  };
  for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    cn_arrays *a = cn_read_npy(&p.g, with_header(&p, spellings[i], 8));
    CHECK_OK(&p);
    CHECK_ARRAY(&a->v[0], "x.npy", CN_I32, "[2,1]", int32_t, 0, 0);
    cn_arrays_free(&p.g, a);
  }
  place_end(&p);
}

Test(io_npy, refused_headers) {
  place p;
  place_begin(&p);
  static const struct { const char *header, *error; } cases[] = {
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': <f4, 'fortran_order': False, 'shape': (2,)}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "its header is no dictionary of descr, fortran_order and shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,9999999999)}", "the sizes in its header overflow" },
    { "{'descr': '<U999999999', 'fortran_order': False, 'shape': (99999999999,)}", "the sizes in its header overflow" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "has more than 8 axes" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "ends after 136 of 140 bytes" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "goes on after the 132 bytes that its header announces" },
    { "{'descr': '<U0', 'fortran_order': False, 'shape': (999999,)}", "has 999,999 empty texts, more than bytes" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char wanted[200];
    snprintf(wanted, sizeof wanted, "read_npy: x.npy: %s", cases[i].error);
    cr_assert_null(cn_read_npy(&p.g, with_header(&p, cases[i].header, 8)));
    CHECK_REFUSED(&p, FORMAT, wanted);
  }
  place_end(&p);
}

Test(io_npy, refusals) {
  place p;
  place_begin(&p);
  cr_assert_null(READ(&p, npy_u8));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_npy: x.npy: elements of type <u8 are not read");
  cr_assert_null(READ(&p, npy_fields));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_npy: x.npy: elements of type with fields are not read");
  cr_assert_null(cn_read_npy(&p.g, put_text(&p, "x.npy", "no such thing")));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: no NPY file: it does not begin with \\x93NUMPY");
  cr_assert_null(cn_read_npy(&p.g, put_file(&p, "x.npy", npy_f4, 5)));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: ends after 5 of 8 bytes");
  cr_assert_null(cn_read_npy(&p.g, put_file(&p, "x.npy", npy_f4, 100)));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: ends after 100 of 128 bytes");
  unsigned char bytes[sizeof npy_text];
  memcpy(bytes, npy_text, sizeof bytes);
  bytes[6] = 4;
  cr_assert_null(READ(&p, bytes));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: is of version 4.0, read are 1.0 to 3.0");
  bytes[6] = 2;
  cr_assert_null(READ(&p, bytes));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: its header of 662372470 bytes is too long");
  bytes[6] = 1;
  bytes[130] = 0x11;
  cr_assert_null(READ(&p, bytes));
  CHECK_REFUSED(&p, FORMAT, "read_npy: x.npy: text 0 is no Unicode");
  place_end(&p);
}

Test(io_npy, write_refusals) {
  place p;
  place_begin(&p);
  const char *path = path_of(&p, "x.npy");
  cn_arrays *a = cn_arrays_new(&p.g);
  static const char *const texts[] = { "ok", "\xff\xfe" };
  const size_t before = p.g.c.bytes;
  cn_named_array *v = cn_arrays_add_strings(&p.g, a, "t", CN_DIMS(2), texts);
  cr_assert_not(cn_write_npy(&p.g, path, v));
  cr_assert_str_eq(cn_error(&p.g), "write_npy: t: text 1 is no UTF-8, or ends in a zero");
  cni_error_clear(&p.g);
  v->dims.d[0] = CN_UNKNOWN;
  cr_assert_not(cn_write_npy(&p.g, path, v));
  cr_assert_str_eq(cn_error(&p.g), "write_npy: t has no valid shape");
  cni_error_clear(&p.g);
  cr_assert_not(cn_write_npy(&p.g, path, NULL));
  cr_assert_str_eq(cn_error(&p.g), "write_npy: the arrays are missing");
  cni_error_clear(&p.g);
  cn_arrays_free(&p.g, a);
  cr_assert_lt(p.g.c.bytes, before);
  cr_assert_eq(count_files(&p), 0);
  place_end(&p);
}
