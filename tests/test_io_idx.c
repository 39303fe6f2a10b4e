/* IDX, plain and gzip. */
#include <zlib.h>
#include "test_io.h"

static const unsigned char small[] = { 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 250 };

/* Bytes as one gzip member; returns its length. */
static size_t gzip(const void *bytes, size_t n, unsigned char *out, size_t room) {
  z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)room };
  cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return room - z.avail_out;
}

#define CHECK_READ(p, bytes, dtype, shape, type, ...)                                   \
  do {                                                                                  \
    cn_arrays *a = cn_read_idx(&(p)->g, put_file(p, "x.idx", bytes, sizeof(bytes)));    \
    CHECK_OK(p);                                                                        \
    cr_assert_eq(a->n, 1);                                                              \
    CHECK_ARRAY(&a->v[0], "x.idx", dtype, shape, type, __VA_ARGS__);                    \
    cn_arrays_free(&(p)->g, a);                                                         \
  } while (0)

Test(io_idx, every_type) {
  place p;
  place_begin(&p);
  CHECK_READ(&p, small, CN_U8, "[2,3]", uint8_t, 1, 2, 3, 4, 5, 250);
  static const unsigned char i8[] = { 0, 0, 9, 1, 0, 0, 0, 3, 0xff, 0x80, 0x7f };
  CHECK_READ(&p, i8, CN_I32, "[3]", int32_t, -1, -128, 127);
  static const unsigned char i16[] = { 0, 0, 11, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 2 };
  CHECK_READ(&p, i16, CN_I32, "[2]", int32_t, -2, 258);
  static const unsigned char i32[] = { 0, 0, 12, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0x80, 0, 0, 0, 1, 2, 3, 4 };
  CHECK_READ(&p, i32, CN_I32, "[2,1]", int32_t, INT32_MIN, 0x01020304);
  static const unsigned char f32[] = { 0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0 };
  CHECK_READ(&p, f32, CN_F32, "[2]", float, 1.5f, -2);
  static const unsigned char f64[] = { 0, 0, 14, 1, 0, 0, 0, 1, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18 };
  CHECK_READ(&p, f64, CN_F64, "[1]", double, 3.141592653589793);
  static const unsigned char scalar[] = { 0, 0, 8, 0, 7 };
  CHECK_READ(&p, scalar, CN_U8, "[]", uint8_t, 7);
  static const unsigned char empty[] = { 0, 0, 8, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
  cn_arrays *a = cn_read_idx(&p.g, put_file(&p, "x.idx", empty, sizeof empty));
  CHECK_OK(&p);
  check_array(&a->v[0], "x.idx", CN_U8, "[0,4294967295]", NULL, 0);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_idx, gzip_whatever_its_name) {
  place p;
  place_begin(&p);
  unsigned char packed[200];
  const size_t n = gzip(small, sizeof small, packed, sizeof packed);
  cn_arrays *a = cn_read_idx(&p.g, put_file(&p, "small", packed, n));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "small", CN_U8, "[2,3]", uint8_t, 1, 2, 3, 4, 5, 250);
  cn_arrays_free(&p.g, a);
  const size_t first = gzip(small, 5, packed, sizeof packed), second = first + gzip(small + 5, sizeof small - 5, packed + first, sizeof packed - first);
  a = cn_read_idx(&p.g, put_file(&p, "two", packed, second));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "two", CN_U8, "[2,3]", uint8_t, 1, 2, 3, 4, 5, 250);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

/* More than one chunk of compressed bytes. */
Test(io_idx, long_gzip) {
  enum { N = 1000000 };
  place p;
  place_begin(&p);
  unsigned char *bytes = calloc(N + 8, 1), *packed = malloc(2 * N);
  const unsigned char head[] = { 0, 0, 8, 1, N >> 24, (N >> 16) & 255, (N >> 8) & 255, N & 255 };
  memcpy(bytes, head, 8);
  uint32_t x = 1;
  for (int i = 0; i < N; i++) bytes[8 + i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
  const size_t n = gzip(bytes, N + 8, packed, 2 * N);
  cr_assert_gt(n, N);
  cn_arrays *a = cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n));
  CHECK_OK(&p);
  check_array(&a->v[0], "x.gz", CN_U8, "[1000000]", bytes + 8, N);
  cn_arrays_free(&p.g, a);
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n - 4)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: the compressed data ends before its checksum");
  packed[n - 8] ^= 1;
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: the compressed data is damaged");
  packed[n - 8] ^= 1;
  packed[n] = 'x';
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n + 1)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: something follows the compressed data");
  free(bytes);
  free(packed);
  place_end(&p);
}

Test(io_idx, plain_refusals) {
  place p;
  place_begin(&p);
  unsigned char bytes[64] = { 0 };
  memcpy(bytes, small, sizeof small);
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, 2)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: ends after 2 of 4 bytes");
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, 9)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: ends after 9 of 12 bytes");
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, sizeof small - 1)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: ends after 17 of 18 bytes");
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, sizeof small + 1)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: goes on after the 18 bytes that its header announces");
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, 0)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: ends after 0 of 4 bytes");
  memcpy(bytes + 4, "\0\1\206\240\0\0\3\350", 8); /* 100,000 x 1,000 */
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, sizeof small)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: ends after 18 of 100,000,012 bytes");
  cr_assert_null(cn_read_idx(&p.g, put_text(&p, "x.idx", "PNG and so on")));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: no IDX file: it begins with 50 4e 47 20");
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", "\0\0\10\11", 4)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: has 9 axes, at most 8 are read");
  memset(bytes + 4, 0xff, 32);
  bytes[3] = 8;
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.idx", bytes, 40)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.idx: the sizes in its header overflow");
  cr_assert_null(cn_read_idx(&p.g, NULL));
  CHECK_REFUSED(&p, VALUE, "read_idx: the path is missing");
  cr_assert_null(cn_read_idx(&p.g, "/nowhere/x.idx"));
  CHECK_REFUSED(&p, IO, "read_idx: /nowhere/x.idx: No such file or directory");
  cr_assert_null(cn_read_idx(&p.g, "/tmp"));
  CHECK_REFUSED(&p, IO, "read_idx: /tmp: no regular file");
  cr_assert_null(cn_read_idx(NULL, "/tmp"));
  place_end(&p);
}

Test(io_idx, gzip_refusals) {
  place p;
  place_begin(&p);
  unsigned char packed[200], bytes[64] = { 0, 0, 8, 2, 0, 1, 0x86, 0xa0, 0, 0, 3, 0xe8 };
  size_t n = gzip(small, sizeof small - 1, packed, sizeof packed);
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: ends after 17 of 18 bytes");
  memcpy(bytes + 12, small, sizeof small);
  n = gzip(bytes, sizeof bytes, packed, sizeof packed);
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: its header announces 100,000,012 bytes, more than it can hold");
  memcpy(bytes, small, sizeof small);
  n = gzip(bytes, sizeof small + 1, packed, sizeof packed);
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: goes on after the 18 bytes that its header announces");
  packed[3] = 0xe0;
  cr_assert_null(cn_read_idx(&p.g, put_file(&p, "x.gz", packed, n)));
  CHECK_REFUSED(&p, FORMAT, "read_idx: x.gz: the compressed data is damaged");
  place_end(&p);
}

/* The real files, where Debian's package is installed. */
Test(io_idx, fashion_mnist) {
  static const char *const images = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";
  static const char *const labels = "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz";
  place p;
  if (access(images, R_OK) != 0 || access(labels, R_OK) != 0) cr_skip_test("dataset-fashion-mnist is not installed");
  place_begin(&p);
  cn_arrays *x = cn_read_idx(&p.g, images), *y = cn_read_idx(&p.g, labels);
  CHECK_OK(&p);
  int64_t counts[256] = { 0 };
  cr_assert(x->v[0].dims.rank == 3 && x->v[0].dims.d[0] == 60000 && x->v[0].dims.d[1] == 28 && x->v[0].dims.d[2] == 28);
  cr_assert(y->v[0].dims.rank == 1 && y->v[0].dims.d[0] == 60000 && y->v[0].dtype == CN_U8);
  for (int i = 0; i < 60000; i++) counts[((const uint8_t *)y->v[0].data)[i]]++;
  for (int i = 0; i < 10; i++) cr_assert_eq(counts[i], 6000);
  cr_assert_lt(p.g.c.peak_bytes, 47040000 + 60000 + 400000, "no second copy: %zu bytes", p.g.c.peak_bytes);
  cn_arrays_free(&p.g, x);
  cn_arrays_free(&p.g, y);
  place_end(&p);
}
