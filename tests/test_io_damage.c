/* Every length that a file can be cut to, and thousands of wrong bytes: a reader gives arrays or an error, and nothing else. The sanitizers watch. */
#include <zlib.h>
#include "test_io.h"
#include "test_io_numpy.h"

typedef cn_arrays *(*reader)(cn_graph *g, const char *path);

static cn_arrays *read_csv(cn_graph *g, const char *path) { return cn_read_csv(g, path); }
static cn_arrays *read_csv_typed(cn_graph *g, const char *path) {
  return cn_read_csv(g, path, .types = CN_STRINGS("string", "int32", "float32"), .missing_integer = 0, .missing_string = "none");
}

static uint64_t next(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* Touches every byte of what was read. */
static uint64_t use(const cn_arrays *a) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < a->n; i++) {
    const cn_named_array *v = &a->v[i];
    const int64_t n = cn_dims_count(&v->dims);
    cr_assert(n >= 0 && strlen(v->name) < 10000);
    for (int64_t k = 0, length; v->dtype == CN_STRING && k < n; k++) {
      const char *p = cn_arrays_string(v, k, &length);
      for (int64_t b = 0; b < length; b++) sum += (unsigned char)p[b];
    }
    for (size_t b = 0; b < (size_t)n * cn_dtype_size(v->dtype); b++) sum += ((const unsigned char *)v->data)[b];
  }
  return sum;
}

/* Returns whether it was read. What is allocated stays in proportion to the file, also where a header asks for more; `most`: for what is compressed. */
static bool try_file(place *p, reader read, const void *bytes, size_t n, size_t most) {
  p->g.c.peak_bytes = 0;
  cn_arrays *a = read(&p->g, put_file(p, "x", bytes, n));
  cr_assert((a != NULL) == cn_ok(&p->g));
  cr_assert(a || cn_error(&p->g)[0]);
  cr_assert_lt(p->g.c.peak_bytes, most, "%zu bytes for a file of %zu", p->g.c.peak_bytes, n);
  const bool ok = a != NULL;
  if (a) use(a);
  cn_arrays_free(&p->g, a);
  cr_assert_eq(p->g.c.bytes, 0, "%zu bytes are left after: %s", p->g.c.bytes, cn_error(&p->g));
  cni_error_clear(&p->g);
  return ok;
}

/* `shortest`: cuts below it must be refused. */
static void damage(reader read, const void *valid, size_t n, size_t most, size_t shortest) {
  place p;
  place_begin(&p);
  unsigned char *bytes = malloc(n + 1);
  uint64_t state = 1;
  cr_assert(try_file(&p, read, valid, n, most), "the file is valid");
  for (size_t k = 0; k < n; k++) cr_assert(!try_file(&p, read, valid, k, most) || k >= shortest, "cut to %zu bytes", k);
  for (int i = 0; i < 2000; i++) {
    memcpy(bytes, valid, n);
    for (uint64_t flips = 1 + next(&state) % 3; flips > 0; flips--) bytes[next(&state) % n] = (unsigned char)next(&state);
    try_file(&p, read, bytes, n, most);
  }
  free(bytes);
  place_end(&p);
}

static const unsigned char idx[] = { 0, 0, 11, 2, 0, 0, 0, 4, 0, 0, 0, 3, 1, 2, 3, 4, 5, 250, 1, 2, 3, 4, 5, 250, 1, 2, 3, 4, 5, 250, 1, 2, 3, 4, 5, 250 };

Test(io_damage, idx) { damage(cn_read_idx, idx, sizeof idx, 4096, sizeof idx); }

Test(io_damage, idx_gzip) {
  unsigned char packed[200];
  z_stream z = { .next_in = (Bytef *)(uintptr_t)idx, .avail_in = sizeof idx, .next_out = packed, .avail_out = sizeof packed };
  cr_assert(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END);
  deflateEnd(&z);
  damage(cn_read_idx, packed, sizeof packed - z.avail_out, 1 << 20, sizeof packed - z.avail_out);
}

static const char table[] = "name,age,\"height, m\"\r\nAnn,31,1.70\n\"Bob \"\"B\"\"\nJr.\",-5,1e1\n\nCy,+12,NaN\n\"\",0,-.5e-3\n";

Test(io_damage, csv) { damage(read_csv, table, sizeof table - 1, 1 << 16, 0); }
Test(io_damage, csv_typed) { damage(read_csv_typed, table, sizeof table - 1, 1 << 16, 0); }
Test(io_damage, npy) { damage(cn_read_npy, npy_f4, sizeof npy_f4, 1 << 16, sizeof npy_f4); }
Test(io_damage, npy_fortran) { damage(cn_read_npy, npy_i2_fortran, sizeof npy_i2_fortran, 1 << 16, sizeof npy_i2_fortran); }
Test(io_damage, npy_text) { damage(cn_read_npy, npy_text_big, sizeof npy_text_big, 1 << 16, sizeof npy_text_big); }
Test(io_damage, npy_bytes) { damage(cn_read_npy, npy_bytes, sizeof npy_bytes, 1 << 16, sizeof npy_bytes); }

#ifdef CN_HAVE_LIBZIP
Test(io_damage, npz_stored) { damage(cn_read_npz, npz_stored, sizeof npz_stored, 1 << 16, sizeof npz_stored); }
Test(io_damage, npz_deflated) { damage(cn_read_npz, npz_deflated, sizeof npz_deflated, 4 << 20, sizeof npz_deflated); }
#endif

Test(io_damage, safetensors) {
  static const char header[] = "{\"__metadata__\":{\"a\":\"b\"},"
                               "\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                               "\"y\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[16,22]},"
                               "\"z\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[22,23]}}  ";
  unsigned char file[8 + sizeof header - 1 + 23] = { sizeof header - 1 };
  memcpy(file + 8, header, sizeof header - 1);
  for (int i = 0; i < 23; i++) file[8 + sizeof header - 1 + (size_t)i] = (unsigned char)(i * 11);
  damage(cn_read_safetensors, file, sizeof file, 1 << 16, sizeof file);
}
