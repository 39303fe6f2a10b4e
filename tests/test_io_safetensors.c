/* safetensors. */
#include <math.h>
#include "test_io.h"

/* A file of a header's text and `n` bytes of data 0, 1, 2, ... */
static const char *with_header(place *p, const char *header, size_t n) {
  unsigned char file[2048];
  const size_t length = strlen(header);
  for (int i = 0; i < 8; i++) file[i] = (unsigned char)(length >> 8 * i);
  memcpy(file + 8, header, length);
  for (size_t i = 0; i < n; i++) file[8 + length + i] = (unsigned char)i;
  return put_file(p, "x.safetensors", file, 8 + length + n);
}

Test(io_safetensors, every_type) {
  place p;
  place_begin(&p);
  cn_arrays *a = cn_read_safetensors(&p.g, with_header(&p,
      "{\"b\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[4,6]},\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]},"
      "\"__metadata__\":{\"format\":\"pt\",\"\\u00fc\":\"\"},\"c\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[6,8]},"
      "\"none\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[8,8]},\"i8\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[8,9]},"
      "\"i16\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[9,11]},\"u16\":{\"dtype\":\"U16\",\"shape\":[1],\"data_offsets\":[11,13]},"
      "\"u32\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[13,17]},\"i64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[17,25]}}   ", 25));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 9);
  CHECK_ARRAY(&a->v[0], "a", CN_I32, "[]", int32_t, 0x03020100);
  CHECK_ARRAY(&a->v[1], "b", CN_U8, "[2,1]", uint8_t, 4, 5);
  CHECK_ARRAY(&a->v[2], "c", CN_BOOL, "[2]", bool, true, true);
  check_array(cn_arrays_find(a, "none"), "none", CN_F64, "[0,7]", NULL, 0);
  CHECK_ARRAY(cn_arrays_find(a, "i8"), "i8", CN_I32, "[1]", int32_t, 8);
  CHECK_ARRAY(cn_arrays_find(a, "i16"), "i16", CN_I32, "[1]", int32_t, 0x0a09);
  CHECK_ARRAY(cn_arrays_find(a, "u16"), "u16", CN_I32, "[1]", int32_t, 0x0c0b);
  CHECK_ARRAY(cn_arrays_find(a, "u32"), "u32", CN_I64, "[1]", int64_t, 0x100f0e0d);
  CHECK_ARRAY(cn_arrays_find(a, "i64"), "i64", CN_I64, "[1]", int64_t, 0x1817161514131211);
  cr_assert_str_eq(cn_arrays_metadata(a, "format"), "pt");
  cr_assert_str_eq(cn_arrays_metadata(a, "\u00fc"), "");
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_safetensors, half_precision) {
  place p;
  place_begin(&p);
  static const uint16_t halves[] = { 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x8000, 0x7c00, 0xfc00, 0x3555, 0x3f80, 0xc2f7 };
  static const char header[] = "{\"h\":{\"dtype\":\"F16\",\"shape\":[10],\"data_offsets\":[0,20]},"
                               "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[20,24]}}";
  unsigned char file[300] = { sizeof header - 1 };
  memcpy(file + 8, header, sizeof header - 1);
  memcpy(file + 8 + sizeof header - 1, halves, sizeof halves);
  cn_arrays *a = cn_read_safetensors(&p.g, put_file(&p, "x", file, 8 + sizeof header - 1 + sizeof halves));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "h", CN_F32, "[10]", float, 1, -2, 65504, 0x1p-24f, 0x3ffp-24f, 0x1p-14f, -0.0f, INFINITY, -INFINITY, 0.333251953125f);
  CHECK_ARRAY(&a->v[1], "b", CN_F32, "[2]", float, 1, -123.5f);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_safetensors, round_trip) {
  place p;
  size_t first, second;
  place_begin(&p);
  cn_graph *g = &p.g;
  cn_arrays *a = cn_arrays_new(g);
  cn_arrays_add(g, a, "dense/kernel", CN_F32, CN_DIMS(2, 3), ((const float[]){ 1, -2, NAN, 4, 5, INFINITY }));
  cn_arrays_add(g, a, "step", CN_I64, CN_SCALAR, ((const int64_t[]){ INT64_MIN }));
  cn_arrays_add(g, a, "\u00fc \"quoted\"", CN_U8, CN_DIMS(3), ((const uint8_t[]){ 1, 2, 255 }));
  cn_arrays_add(g, a, "none", CN_F64, CN_DIMS(0), NULL);
  cn_arrays_add(g, a, "truth", CN_BOOL, CN_DIMS(1), ((const bool[]){ true }));
  cn_arrays_add(g, a, "i", CN_I32, CN_DIMS(1, 1), ((const int32_t[]){ -7 }));
  cn_arrays_set_metadata(g, a, "format", "cornu");
  cr_assert(cn_write_safetensors(g, put_text(&p, "x.safetensors", "old"), a), "%s", cn_error(g));
  cn_arrays_free(g, a);
  a = cn_read_safetensors(g, path_of(&p, "x.safetensors"));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 6);
  CHECK_ARRAY(&a->v[0], "dense/kernel", CN_F32, "[2,3]", float, 1, -2, NAN, 4, 5, INFINITY);
  CHECK_ARRAY(&a->v[1], "step", CN_I64, "[]", int64_t, INT64_MIN);
  CHECK_ARRAY(&a->v[2], "\u00fc \"quoted\"", CN_U8, "[3]", uint8_t, 1, 2, 255);
  check_array(&a->v[3], "none", CN_F64, "[0]", NULL, 0);
  CHECK_ARRAY(&a->v[4], "truth", CN_BOOL, "[1]", bool, true);
  CHECK_ARRAY(&a->v[5], "i", CN_I32, "[1,1]", int32_t, -7);
  cr_assert_str_eq(cn_arrays_metadata(a, "format"), "cornu");
  cr_assert(cn_write_safetensors(g, path_of(&p, "y.safetensors"), a));
  cn_arrays_free(g, a);
  unsigned char *x = get_file(&p, "x.safetensors", &first), *y = get_file(&p, "y.safetensors", &second);
  cr_assert(first == second && memcmp(x, y, first) == 0);
  cr_assert(x[0] % 8 == 0 && x[8] == '{' && x[2] == 0);
  free(x);
  free(y);
  cr_assert_eq(count_files(&p), 2);
  place_end(&p);
}

Test(io_safetensors, empty) {
  place p;
  size_t n;
  place_begin(&p);
  const cn_arrays none = { .n = 0 };
  cr_assert(cn_write_safetensors(&p.g, path_of(&p, "x.safetensors"), &none));
  unsigned char *bytes = get_file(&p, "x.safetensors", &n);
  cr_assert(n == 16 && memcmp(bytes, "\10\0\0\0\0\0\0\0{}      ", 16) == 0);
  free(bytes);
  cn_arrays *a = cn_read_safetensors(&p.g, path_of(&p, "x.safetensors"));
  CHECK_OK(&p);
  cr_assert_eq(a->n, 0);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

#define F32(shape, begin, end) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

Test(io_safetensors, refused_headers) {
  place p;
  place_begin(&p);
  static const struct { const char *header; size_t bytes; const char *error; } cases[] = {
    { "{\"a\":" F32("[2]", "0", "8") "}", 7, "ends after 69 of 70 bytes" },
    { "{\"a\":" F32("[2]", "0", "8") "}", 9, "1 bytes at its end belong to no array" },
    { "{\"a\":" F32("[2]", "0", "8") ",\"b\":" F32("[1]", "4", "8") "}", 8, "b: its data overlaps that of another array" },
    { "{\"a\":" F32("[1]", "0", "4") ",\"b\":" F32("[1]", "8", "12") "}", 12, "b: its data begins after a hole" },
    { "{\"a\":" F32("[1]", "4", "8") "}", 8, "a: its data begins after a hole" },
    { "{\"a\":" F32("[3]", "0", "8") "}", 8, "a: F32 [3] takes 12 bytes, but its data_offsets span 8" },
    { "{\"a\":" F32("[2]", "8", "0") "}", 8, "a: its data_offsets are no two rising integers" },
    { "{\"a\":" F32("[2]", "0", "8.0") "}", 8, "a: its data_offsets are no two rising integers" },
    { "{\"a\":" F32("[-2]", "0", "8") "}", 8, "a: a size of its shape is no integer from 0 on" },
    { "{\"a\":" F32("2", "0", "8") "}", 8, "a: its shape is no list" },
    { "{\"a\":" F32("[4611686018427387904,4]", "0", "8") "}", 8, "a: its shape overflows" },
    { "{\"a\":" F32("[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "a: has 9 axes, at most 8 are read" },
    { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a: its dtype is missing" },
    { "{\"a\":3}", 8, "a: its dtype is missing" },
    { "{\"a\":" F32("[1]", "0", "4") ",\"a\":" F32("[1]", "4", "8") "}", 8, "its header is no JSON: line 1 column 57: duplicate object key near '\"a\"'" },
    { "{\"a\":", 8, "its header is no JSON: line 1 column 5: unexpected token near end of file" },
    { "[]", 0, "its header is no JSON object" },
    { "{\"__metadata__\":[]}", 0, "__metadata__ is no object" },
    { "{\"__metadata__\":{\"n\":1}}", 0, "__metadata__: n is no text" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char wanted[300];
    snprintf(wanted, sizeof wanted, "read_safetensors: x.safetensors: %s", cases[i].error);
    cr_assert_null(cn_read_safetensors(&p.g, with_header(&p, cases[i].header, cases[i].bytes)));
    CHECK_REFUSED(&p, FORMAT, wanted);
  }
  cr_assert_null(cn_read_safetensors(&p.g, with_header(&p, "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8)));
  CHECK_REFUSED(&p, UNSUPPORTED, "read_safetensors: x.safetensors: a: dtype F8_E4M3 is not read");
  place_end(&p);
}

Test(io_safetensors, refused_lengths_and_depth) {
  place p;
  place_begin(&p);
  cr_assert_null(cn_read_safetensors(&p.g, put_text(&p, "x", "short")));
  CHECK_REFUSED(&p, FORMAT, "read_safetensors: x: ends after 5 of 8 bytes");
  cr_assert_null(cn_read_safetensors(&p.g, put_file(&p, "x", "\100\0\0\0\0\0\0\0{}", 10)));
  CHECK_REFUSED(&p, FORMAT, "read_safetensors: x: ends after 10 of 72 bytes");
  cr_assert_null(cn_read_safetensors(&p.g, put_file(&p, "x", "\0\0\0\0\1\0\0\0{}", 10)));
  CHECK_REFUSED(&p, FORMAT, "read_safetensors: x: no safetensors file: a header of 4,294,967,296 bytes");
  enum { DEEP = 100000 };
  unsigned char *deep = malloc(8 + DEEP);
  for (int i = 0; i < 8; i++) deep[i] = (unsigned char)((uint64_t)DEEP >> 8 * i);
  memset(deep + 8, '[', DEEP);
  cr_assert_null(cn_read_safetensors(&p.g, put_file(&p, "x", deep, 8 + DEEP)));
  CHECK_REFUSED(&p, FORMAT, "read_safetensors: x: its header is no JSON: line 1 column 2049: maximum parsing depth reached near '['");
  free(deep);
  place_end(&p);
}

Test(io_safetensors, write_refusals) {
  place p;
  place_begin(&p);
  float value = 1;
  char same[] = "w", odd[] = "\xff\xfe", reserved[] = "__metadata__", key[] = "k", text[] = "\xff";
  cn_named_array v[2] = { { same, CN_F32, *CN_DIMS(1), &value }, { same, CN_F32, *CN_DIMS(1), &value } };
  cn_metadata m = { key, text };
  cn_arrays a = { .v = v, .n = 2 };
  put_text(&p, "x", "old");
  cr_assert_not(cn_write_safetensors(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_safetensors: the name \"w\" stands twice");
  v[1].name = odd;
  cr_assert_not(cn_write_safetensors(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_safetensors: the name \"\xff\xfe\" is no UTF-8 text");
  v[1].name = reserved;
  cr_assert_not(cn_write_safetensors(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_safetensors: no array may be named __metadata__");
  v[1].dtype = CN_STRING;
  cr_assert_not(cn_write_safetensors(&p.g, p.path, &a));
  CHECK_REFUSED(&p, DTYPE, "write_safetensors: __metadata__ holds string");
  a = (cn_arrays){ .v = v, .n = 1, .metadata = &m, .metadata_n = 1 };
  cr_assert_not(cn_write_safetensors(&p.g, p.path, &a));
  CHECK_REFUSED(&p, VALUE, "write_safetensors: the text of metadata \"k\" is no UTF-8 text");
  a.metadata_n = 0;
  cr_assert_not(cn_write_safetensors(&p.g, "/nowhere/x", &a));
  CHECK_REFUSED(&p, IO, "write_safetensors: /nowhere/x: No such file or directory");
  cr_assert_not(cn_write_safetensors(&p.g, p.folder, &a));
  cr_assert_eq(cn_error_code(&p.g), CN_IO);
  cni_error_clear(&p.g);
  cr_assert_eq(count_files(&p), 1);
  size_t n;
  unsigned char *bytes = get_file(&p, "x", &n);
  cr_assert(n == 3 && memcmp(bytes, "old", 3) == 0);
  free(bytes);
  place_end(&p);
}
