/* Sources over files: CSV, IDX, NPY, lines, SQLite, folders of pictures. */
#include <zlib.h>
#include "test_io_numpy.h"
#include "test_io_source.h"
#ifdef CN_HAVE_LIBPNG
#include <png.h>
#endif
#ifdef CN_HAVE_TURBOJPEG
#include <turbojpeg.h>
#endif
#ifdef CN_HAVE_SQLITE
#include <sqlite3.h>
#endif

static place p;
static void begin(void) { place_begin(&p); }
static void end(void) {
  CHECK_OK(&p);
  place_end_with_sources(&p);
}
TestSuite(io_files, .init = begin, .fini = end);

/* The numbers of a row, "1 2 3". */
static const char *floats_text(const void *v, int64_t n) {
  static char text[2048];
  size_t used = 0;
  text[0] = '\0';
  for (int64_t i = 0; i < n; i++) used += (size_t)snprintf(text + used, sizeof text - used, "%s%g", i ? " " : "", (double)((const float *)v)[i]);
  return text;
}

/* ---- CSV ---- */
static const char table[] = "age,city,weight,label\n31,Rome,70.5,1\n\n\"44\",\"Bad \"\"Ems\"\"\",,0\r\n 5 ,x,3e1,1";

Test(io_files, csv_rows) {
  const char *path = put_text(&p, "x.csv", table);
  cn_source *s = cn_source_csv(&p.g, path, .inputs = CN_STRINGS("weight", "age"), .targets = CN_STRINGS("label"), .target_dtype = "int32", .classes = 2);
  cn_samples out;
  for (int64_t epoch = 0; epoch < 2; epoch++) {
    cr_assert(cn_source_reset(s, epoch));
    cr_assert_eq(cn_source_next(s, 9, &out), 3, "%s", cn_error(&p.g));
    cr_assert_str_eq(floats_text(out.v[0], 6), "70.5 31 nan 44 30 5");
    cr_assert_arr_eq(out.v[1], ((const int32_t[]){ 1, 0, 1 }), 12);
  }
  cr_assert_eq(cn_source_column(s, 0).dims.d[0], 2);
  cr_assert_eq(cn_source_column(s, 1).dims.rank, 0);
  cr_assert_eq(cn_source_size(s), -1);
  s = cn_source_csv(&p.g, path, .inputs = CN_STRINGS("city"), .targets = CN_STRINGS("age", "label"), .sample_weight = "age", .dtype = "string");
  cr_assert_null(s);
  CHECK_ERROR(&p, VALUE, "read_csv: x.csv: column \"age\" is asked for twice");
  s = cn_source_csv(&p.g, path, .inputs = CN_STRINGS("city"), .targets = CN_STRINGS("age", "label"), .dtype = "string");
  cr_assert_eq(cn_source_next(s, 9, &out), 3);
  const cn_text *city = out.v[0];
  cr_assert(city[1].n == 9 && memcmp(city[1].p, "Bad \"Ems\"", 9) == 0);
  cr_assert_str_eq(floats_text(out.v[1], 6), "31 1 44 0 5 1");
}

Test(io_files, csv_what_is_refused) {
  cn_samples out;
  const char *path = put_text(&p, "x.csv", "age,label\n1,0\n2,3\n");
  cr_assert_null(cn_source_csv(&p.g, path, .targets = CN_STRINGS("lable")));
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: no column \"lable\"; did you mean \"label\"?");
  cr_assert_null(cn_source_csv(&p.g, path, .targets = CN_STRINGS("label", "age")));
  CHECK_ERROR(&p, VALUE, "read_csv: x.csv: no column is left as an input");
  cr_assert_null(cn_source_csv(&p.g, path, .dtype = "flaot32"));
  cni_error_clear(&p.g);
  cr_assert_eq(cn_source_next(cn_source_csv(&p.g, path, .targets = CN_STRINGS("label"), .classes = 3), 1, &out), 1);
  cr_assert_eq(cn_source_next(cn_source_csv(&p.g, path, .targets = CN_STRINGS("label"), .classes = 3), 2, &out), -1);
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: line 3: column \"label\": label 3 is not in [0, 3)");
  path = put_text(&p, "x.csv", "a,y\n1,0\n2\n");
  cn_source *s = cn_source_csv(&p.g, path, .targets = CN_STRINGS("y"));
  cr_assert_eq(cn_source_next(s, 2, &out), -1);
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: line 3: 1 field, wanted 2");
  path = put_text(&p, "x.csv", "a,y\nold,0\n2,\n");
  cr_assert_eq(cn_source_next(cn_source_csv(&p.g, path, .targets = CN_STRINGS("y")), 1, &out), -1);
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"old\" is no float32");
  cr_assert_eq(cn_source_next(cn_source_csv(&p.g, path, .inputs = CN_STRINGS("a"), .dtype = "string", .targets = CN_STRINGS("y")), 2, &out), -1);
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: line 3: column \"y\": a value is missing");
  path = put_text(&p, "x.csv", "a\n1\n\"2\n");
  cr_assert_eq(cn_source_next(cn_source_csv(&p.g, path), 2, &out), -1);
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: line 3: a quote is not closed");
  cr_assert_null(cn_source_csv(&p.g, put_text(&p, "x.csv", "")));
  CHECK_ERROR(&p, FORMAT, "read_csv: x.csv: holds no rows");
  cr_assert_null(cn_source_csv(&p.g, path_of(&p, "none.csv")));
  cr_assert_eq(cn_error_code(&p.g), CN_IO);
  cni_error_clear(&p.g);
  path = put_text(&p, "x.csv", "a\n1\n");
  s = cn_source_csv(&p.g, path);
  cr_assert_eq(cn_source_next(s, 2, &out), 1);
  unlink(path); /* what the source needs is gone at the next epoch */
  cr_assert_not(cn_source_reset(s, 1));
  cr_assert_eq(cn_error_code(&p.g), CN_IO);
  cni_error_clear(&p.g);
}

/* Far more than the window over the file, with rows, quoted line ends and doubled quotes at every place relative to its border; plain and gzip. */
Test(io_files, csv_rows_across_the_window) {
  enum { ROWS = 40000 };
  char *text = malloc(ROWS * 24), name[16];
  for (int packed = 0; packed < 2; packed++) {
    size_t used = (size_t)sprintf(text, "a,t\n");
    for (int i = 0; i < ROWS; i++) used += (size_t)sprintf(text + used, i % 7 ? "%d,\"x\"\"\r\n%d\"\n" : "%d,y%d\r\n", i, i % 1000);
    snprintf(name, sizeof name, "x%d", packed);
    const char *path = path_of(&p, name);
    gzFile f = gzopen(path, packed ? "wb" : "wbT");
    cr_assert(gzwrite(f, text, (unsigned)used) == (int)used && gzclose(f) == Z_OK);
    cn_source *s = cn_source_csv(&p.g, path, .inputs = CN_STRINGS("t"), .targets = CN_STRINGS("a"), .dtype = "string", .target_dtype = "int64");
    cn_samples out;
    char wanted[32];
    for (int64_t i = 0; i < ROWS; i++) {
      cr_assert_eq(cn_source_next(s, 1, &out), 1, "row %ld: %s", (long)i, cn_error(&p.g));
      const cn_text *t = out.v[0];
      cr_assert_eq(*(int64_t *)out.v[1], i);
      const int n = snprintf(wanted, sizeof wanted, i % 7 ? "x\"\r\n%d" : "y%d", (int)(i % 1000));
      cr_assert(t->n == n && memcmp(t->p, wanted, (size_t)n) == 0, "row %ld: %.*s", (long)i, (int)t->n, t->p);
    }
    cr_assert_eq(cn_source_next(s, 1, &out), 0);
  }
  free(text);
}

/* ---- arrays in files ---- */
static const unsigned char idx[] = { 0, 0, 11, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

Test(io_files, idx_rows) {
  for (int packed = 0; packed < 2; packed++) {
    const char *path = path_of(&p, "x.idx");
    gzFile f = gzopen(path, packed ? "wb" : "wbT");
    cr_assert(gzwrite(f, idx, sizeof idx) == sizeof idx && gzclose(f) == Z_OK);
    cn_source *s = cn_source_idx(&p.g, path);
    cn_samples out;
    cr_assert_eq(cn_source_size(s), 3);
    for (int64_t epoch = 0; epoch < 2; epoch++) {
      cr_assert(cn_source_reset(s, epoch));
      cr_assert_eq(cn_source_next(s, 2, &out), 2);
      cr_assert_arr_eq(out.v[0], ((const int32_t[]){ 0x102, 0x304, 0x506, 0x708 }), 16);
      cr_assert_eq(cn_source_next(s, 2, &out), 1);
      cr_assert_eq(((int32_t *)out.v[0])[1], 0xb0c);
      cr_assert_eq(cn_source_next(s, 2, &out), 0);
    }
    cr_assert(cn_source_seek(s, 0, 1));
    cr_assert(cn_source_next(s, 1, &out) == 1 && *(int32_t *)out.v[0] == 0x506);
    cn_source *part = cn_source_range(s, 2, 1);
    if (packed) CHECK_ERROR(&p, UNSUPPORTED, "range: the source can only be read in order; put a cache after it");
    else cr_assert(cn_source_next(part, 1, &out) == 1 && *(int32_t *)out.v[0] == 0x90a);
  }
  cr_assert_null(cn_source_idx(&p.g, put_file(&p, "y.idx", idx, sizeof idx - 1)));
  CHECK_ERROR(&p, FORMAT, "read_idx: y.idx: ends after 23 of 24 bytes");
}

Test(io_files, npy_rows) {
  const float x[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
  const char *path = path_of(&p, "x.npy");
  cr_assert(cn_write_npy(&p.g, path, &(const cn_named_array){ p.folder, CN_F32, { 2, { 3, 2 } }, (void *)(uintptr_t)x }));
  cn_source *s = cn_source_shuffle(cn_source_npy(&p.g, path), .seed = 1);
  cn_samples out;
  double sum = 0;
  cr_assert_eq(cn_source_next(s, 9, &out), 3);
  for (int i = 0; i < 6; i++) sum += (double)((float *)out.v[0])[i];
  cr_assert_eq(sum, 21);
  cr_assert_null(cn_source_npy(&p.g, put_file(&p, "f.npy", npy_f8_fortran, sizeof npy_f8_fortran)));
  CHECK_ERROR(&p, UNSUPPORTED, "read_npy: f.npy: an array in Fortran order cannot be read row by row; read it whole (cn_read_npy)");
}

#ifdef CN_HAVE_LIBZIP
Test(io_files, npz_rows) {
  const float x[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
  const int64_t y[3] = { 7, 8, 9 };
  char names[2][2] = { "x", "y" };
  cn_named_array v[] = { { names[0], CN_F32, { 2, { 3, 2 } }, (void *)(uintptr_t)x }, { names[1], CN_I64, { 1, { 3 } }, (void *)(uintptr_t)y } };
  const char *path = path_of(&p, "x.npz");
  cr_assert(cn_write_npz(&p.g, path, &(const cn_arrays){ .v = v, .n = 2 }));
  cn_source *s = cn_source_prefetch(cn_source_zip(cn_source_npz(&p.g, path, "x"), cn_source_npz(&p.g, path, "y"), NULL), 2);
  cn_samples out;
  for (int64_t epoch = 0; epoch < 2; epoch++) {
    cr_assert(cn_source_reset(s, epoch));
    cr_assert_eq(cn_source_next(s, 2, &out), 2, "%s", cn_error(&p.g));
    cr_assert_str_eq(floats_text(out.v[0], 4), "1 2 3 4");
    cr_assert_eq(cn_source_next(s, 2, &out), 1);
    cr_assert(*(int64_t *)out.v[1] == 9 && cn_source_next(s, 2, &out) == 0);
  }
  cr_assert_null(cn_source_npz(&p.g, path, "z"));
  CHECK_ERROR(&p, FORMAT, "read_npz: x.npz: no array \"z\"");
  cr_assert_null(cn_source_npz(&p.g, put_text(&p, "y.npz", "no archive"), "x"));
  cr_assert_eq(cn_error_code(&p.g), CN_FORMAT);
  cni_error_clear(&p.g);
}
#endif

Test(io_files, lines) {
  const char *path = put_text(&p, "x.txt", "one\r\n\ntwo\r \nlast");
  cn_source *s = cn_source_lines(&p.g, path);
  cn_samples out;
  cr_assert_eq(cn_source_next(s, 9, &out), 4);
  const cn_text *t = out.v[0];
  cr_assert(t[0].n == 3 && t[1].n == 0 && t[2].n == 5 && t[3].n == 4 && memcmp(t[3].p, "last", 4) == 0);
  enum { LONG = 300000 };
  char *text = malloc(LONG + 3);
  memset(text, 'x', LONG);
  strcpy(text + LONG, "\ny");
  s = cn_source_lines(&p.g, put_text(&p, "y.txt", text));
  cr_assert_eq(cn_source_next(s, 9, &out), 2);
  t = out.v[0];
  cr_assert(t[0].n == LONG && t[1].n == 1);
  free(text);
  cr_assert_null(cn_source_lines(&p.g, path_of(&p, "none")));
  cr_assert_eq(cn_error_code(&p.g), CN_IO);
  cni_error_clear(&p.g);
}

/* ---- SQLite ---- */
#ifdef CN_HAVE_SQLITE
static const char *database(void) {
  sqlite3 *db;
  const char *path = path_of(&p, "x.db");
  cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, "CREATE TABLE t(a REAL, b INTEGER, c TEXT, y INTEGER);"
                                "INSERT INTO t VALUES (0.5, 2, 'x', 1), (NULL, 4, '7', 0), (1e3, 9007199254740993, 'z', 5);", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  return path;
}

Test(io_files, sqlite_rows) {
  const char *path = database();
  cn_source *s =
      cn_source_sqlite(&p.g, path, "SELECT a, b, y FROM t ORDER BY b", .inputs = CN_STRINGS("a"), .targets = CN_STRINGS("y", "b"), .target_dtype = "int64");
  cn_samples out;
  for (int64_t epoch = 0; epoch < 2; epoch++) {
    cr_assert(cn_source_reset(s, epoch));
    cr_assert_eq(cn_source_next(s, 9, &out), 3, "%s", cn_error(&p.g));
    cr_assert_str_eq(floats_text(out.v[0], 3), "0.5 nan 1000");
    cr_assert_arr_eq(out.v[1], ((const int64_t[]){ 1, 2, 0, 4, 5, 9007199254740993 }), 48);
  }
  s = cn_source_sqlite(&p.g, path, "SELECT c FROM t", .dtype = "string");
  cr_assert_eq(cn_source_next(s, 9, &out), 3);
  cr_assert(((cn_text *)out.v[0])[1].n == 1 && *((cn_text *)out.v[0])[1].p == '7');
  cr_assert_eq(cn_source_next(cn_source_sqlite(&p.g, path, "SELECT c FROM t WHERE y = 0"), 1, &out), 1);
  cr_assert_str_eq(floats_text(out.v[0], 1), "7");
}

Test(io_files, sqlite_what_is_refused) {
  const char *path = database();
  cn_samples out;
  cr_assert_eq(cn_source_next(cn_source_sqlite(&p.g, path, "SELECT c FROM t"), 3, &out), -1);
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: row 1: column \"c\": \"x\" is no float32");
  cr_assert_eq(cn_source_next(cn_source_sqlite(&p.g, path, "SELECT a, y FROM t", .inputs = CN_STRINGS("y"), .targets = CN_STRINGS("a")), 3, &out), -1);
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: row 2: column \"a\": a value is missing");
  cr_assert_eq(cn_source_next(cn_source_sqlite(&p.g, path, "SELECT b, y FROM t", .targets = CN_STRINGS("y"), .target_dtype = "uint8", .classes = 2), 3, &out),
               -1);
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: row 3: column \"y\": label 5 is not in [0, 2)");
  cr_assert_eq(cn_source_next(cn_source_sqlite(&p.g, path, "SELECT b FROM t", .dtype = "int32"), 3, &out), -1);
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: row 3: column \"b\": \"9007199254740993\" is no int32");
  cr_assert_null(cn_source_sqlite(&p.g, path, "SELECT q FROM t"));
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: no such column: q");
  cr_assert_null(cn_source_sqlite(&p.g, path, "SELECT a FROM t; DROP TABLE t"));
  CHECK_ERROR(&p, VALUE, "sqlite: x.db: something follows the query: \" DROP TABLE t\"");
  cr_assert_null(cn_source_sqlite(&p.g, path, "DELETE FROM t"));
  CHECK_ERROR(&p, VALUE, "sqlite: x.db: the query gives no rows");
  cr_assert_null(cn_source_sqlite(&p.g, path, "SELECT a FROM t", .targets = CN_STRINGS("b")));
  CHECK_ERROR(&p, FORMAT, "sqlite: x.db: no column \"b\"; did you mean \"a\"?");
  cr_assert_null(cn_source_sqlite(&p.g, path_of(&p, "none.db"), "SELECT 1"));
  CHECK_ERROR(&p, IO, "sqlite: none.db: unable to open database file");
}
#endif

/* ---- pictures ---- */
#ifdef CN_HAVE_LIBPNG
static char pictures[96];

static void put_png(const char *name, int width, int height, uint32_t format, const void *pixels) {
  char path[160];
  png_image image = { .version = PNG_IMAGE_VERSION, .width = (uint32_t)width, .height = (uint32_t)height, .format = format };
  snprintf(path, sizeof path, "%s/%s", pictures, name);
  cr_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL), "%s", image.message);
}
static void folder_in(const char *name) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", pictures, name);
  cr_assert_eq(mkdir(path, 0700), 0);
}
static void begin_pictures(void) {
  static const unsigned char grey[] = { 0, 100, 200, 40 }, colour[] = { 10, 20, 30, 255, 0, 0, 0, 255, 0, 0, 0, 255 },
                             clear[] = { 9, 8, 7, 0, 6, 5, 4, 128, 3, 2, 1, 255, 250, 251, 252, 253 };
  begin();
  snprintf(pictures, sizeof pictures, "%s", p.folder);
  strcat(pictures, ".d");
  cr_assert_eq(mkdir(pictures, 0700), 0);
  folder_in("dogs");
  folder_in("cats");
  folder_in("cats/more");
  folder_in(".hidden");
  put_png("dogs/b.png", 2, 2, PNG_FORMAT_RGB, colour);
  put_png("dogs/a.PNG", 2, 2, PNG_FORMAT_GRAY, grey);
  put_png("cats/more/a.png", 2, 2, PNG_FORMAT_RGBA, clear);
  put_png("cats/z.png", 2, 2, PNG_FORMAT_GRAY, grey);
}
static void end_pictures(void) {
  char command[160];
  snprintf(command, sizeof command, "rm -r '%s'", pictures);
  cr_assert_eq(system(command), 0);
  end();
}
TestSuite(io_pictures, .init = begin_pictures, .fini = end_pictures);

Test(io_pictures, in_order) {
  cn_source *s = cn_source_image_folder(&p.g, pictures, .image_size = CN_NONE_INTS);
  cn_samples out;
  cr_assert_eq(cn_source_size(s), 4, "%s", cn_error(&p.g));
  cr_assert_str_eq(cn_source_class_name(s, 0), "cats");
  cr_assert_str_eq(cn_source_class_name(s, 1), "dogs");
  cr_assert_null(cn_source_class_name(s, 2));
  cr_assert_eq(cn_source_next(s, 9, &out), 4, "%s", cn_error(&p.g));
  cr_assert_str_eq(floats_text(out.v[0], 12), "0 0 0 100 100 100 200 200 200 40 40 40"); /* cats/z.png, then cats/more/a.png */
  cr_assert_str_eq(floats_text((float *)out.v[0] + 12, 12), "9 8 7 6 5 4 3 2 1 250 251 252");
  cr_assert_str_eq(floats_text((float *)out.v[0] + 36, 3), "10 20 30");
  cr_assert_arr_eq(out.v[1], ((const int32_t[]){ 0, 0, 1, 1 }), 16);
  s = cn_source_image_folder(&p.g, pictures, .image_size = CN_NONE_INTS, .color_mode = "grayscale", .label_mode = "categorical",
                             .class_names = CN_STRINGS("dogs", "cats"));
  cr_assert_eq(cn_source_next(s, 9, &out), 4, "%s", cn_error(&p.g));
  cr_assert_str_eq(floats_text((float *)out.v[0] + 4, 4), "18 76 150 29"); /* dogs/b.png: its grey */
  cr_assert_str_eq(floats_text(out.v[1], 8), "1 0 1 0 0 1 0 1");
  s = cn_source_image_folder(&p.g, pictures, .image_size = CN_NONE_INTS, .color_mode = "rgba", .label_mode = NULL);
  cr_assert_eq(cn_source_next(s, 9, &out), 4, "%s", cn_error(&p.g));
  cr_assert(((float *)out.v[0])[3] == 255 && ((float *)out.v[0])[16 + 3] == 0 && ((float *)out.v[0])[16 + 7] == 128);
  s = cn_source_image_folder(&p.g, pictures, .image_size = CN_NONE_INTS, .label_mode = "binary");
  cr_assert_eq(cn_source_next(cn_source_range(s, 2, 1), 1, &out), 1);
  cr_assert_eq(*(float *)out.v[1], 1);
}

Test(io_pictures, resized) {
  static const unsigned char ramp_pixels[] = { 0, 10, 20, 30, 40, 50, 60, 70 };
  cn_samples out;
  put_png("cats/more/a.png", 4, 2, PNG_FORMAT_GRAY, ramp_pixels);
  cn_source *s = cn_source_skip(cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(1, 2), .color_mode = "grayscale"), 1);
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  cr_assert_str_eq(floats_text(out.v[0], 2), "25 45"); /* between rows; 0.5 and 2.5 along columns */
  s = cn_source_skip(cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(4, 4), .color_mode = "grayscale", .interpolation = "nearest"), 1);
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  cr_assert_str_eq(floats_text(out.v[0], 16), "0 10 20 30 0 10 20 30 40 50 60 70 40 50 60 70");
  s = cn_source_skip(cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(2, 2), .color_mode = "grayscale", .crop_to_aspect_ratio = true), 1);
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  cr_assert_str_eq(floats_text(out.v[0], 4), "10 20 50 60");
  s = cn_source_skip(cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(2, 8), .color_mode = "grayscale"), 1);
  cr_assert_eq(cn_source_next(s, 1, &out), 1);
  cr_assert_str_eq(floats_text(out.v[0], 8), "0 2.5 7.5 12.5 17.5 22.5 27.5 30"); /* the edge repeats */
}

static void put_bytes(const char *name, const void *bytes, size_t n) {
  char path[160];
  snprintf(path, sizeof path, "%s/%s", pictures, name);
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

Test(io_pictures, what_is_refused) {
  static const unsigned char one[] = { 1 };
  char text[400], path[160];
  cn_samples out;
  cr_assert_null(cn_source_image_folder(&p.g, pictures, .color_mode = "grey"));
  CHECK_ERROR(&p, VALUE, "image_folder: color_mode: no \"grey\"");
  cr_assert_null(cn_source_image_folder(&p.g, pictures, .class_names = CN_STRINGS("cats", "cats")));
  snprintf(text, sizeof text, "image_folder: class_names are not the folders of %s, each once (there are 2)", pictures);
  CHECK_ERROR(&p, VALUE, text);
  snprintf(path, sizeof path, "%s/cats/more", pictures);
  cr_assert_null(cn_source_image_folder(&p.g, path));
  snprintf(text, sizeof text, "image_folder: %s: holds no folders, one for each class", path);
  CHECK_ERROR(&p, FORMAT, text);
  put_png("cats/more/a.png", 1, 1, PNG_FORMAT_GRAY, one);
  cr_assert_eq(cn_source_next(cn_source_image_folder(&p.g, pictures, .image_size = CN_NONE_INTS), 2, &out), -1);
  snprintf(text, sizeof text, "image_folder: %s/cats/more/a.png: is 1 x 1, the first is 2 x 2; image_size makes them one size", pictures);
  CHECK_ERROR(&p, SHAPE, text);
  put_bytes("cats/more/a.png", "GIF89a", 6);
  cr_assert_eq(cn_source_next(cn_source_image_folder(&p.g, pictures), 2, &out), -1);
  snprintf(text, sizeof text, "image_folder: %s/cats/more/a.png: neither PNG nor JPEG", pictures);
  CHECK_ERROR(&p, FORMAT, text);
  folder_in("eels");
  cr_assert_null(cn_source_image_folder(&p.g, pictures, .label_mode = "binary"));
  snprintf(text, sizeof text, "image_folder: %s: label_mode binary is for two classes, there are 3", pictures);
  CHECK_ERROR(&p, VALUE, text);
  snprintf(path, sizeof path, "%s/eels", pictures);
  cr_assert_null(cn_source_image_folder(&p.g, path, .label_mode = NULL));
  snprintf(text, sizeof text, "image_folder: %s: holds no images (.png, .jpg, .jpeg)", path);
  CHECK_ERROR(&p, FORMAT, text);
}

/* Every place where a PNG or JPEG may be cut off or damaged: an error or pixels, nothing else. */
static void check_damaged(const char *name, const unsigned char *bytes, size_t n, bool cut_is_refused) {
  unsigned char *bad = malloc(n);
  cn_samples out;
  cn_source *s = cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(2, 2), .label_mode = NULL);
  for (size_t cut = 0; cut < n; cut++) {
    put_bytes(name, bytes, cut);
    cr_assert(cn_source_reset(s, 0));
    const bool ok = cn_source_next(s, 9, &out) > 0;
    cr_assert(!ok || !cut_is_refused, "%s cut at %zu", name, cut);
    cni_error_clear(&p.g);
    memcpy(bad, bytes, n);
    bad[cut] ^= 0x55;
    put_bytes(name, bad, n);
    cr_assert(cn_source_reset(s, 0));
    cn_source_next(s, 9, &out);
    cni_error_clear(&p.g);
  }
  put_bytes(name, bytes, n);
  cr_assert(cn_source_reset(s, 0) && cn_source_next(s, 9, &out) == 4);
  free(bad);
}

Test(io_pictures, damaged_png) {
  unsigned char bytes[4096];
  char path[160];
  snprintf(path, sizeof path, "%s/dogs/b.png", pictures);
  FILE *f = fopen(path, "rb");
  const size_t n = fread(bytes, 1, sizeof bytes, f);
  fclose(f);
  check_damaged("dogs/b.png", bytes, n - 12, false); /* without IEND, which may be missing */
}

#ifdef CN_HAVE_TURBOJPEG
Test(io_pictures, jpeg) {
  unsigned char pixels[16 * 16 * 3], *bytes = NULL;
  unsigned long n = 0;
  cn_samples out;
  for (int i = 0; i < 16 * 16; i++) pixels[3 * i] = 200, pixels[3 * i + 1] = 100, pixels[3 * i + 2] = 50;
  tjhandle t = tjInitCompress();
  cr_assert_eq(tjCompress2(t, pixels, 16, 0, 16, TJPF_RGB, &bytes, &n, TJSAMP_444, 95, 0), 0);
  put_bytes("cats/z.png", bytes, n); /* told by its bytes, not by its name */
  cn_source *s = cn_source_image_folder(&p.g, pictures, .image_size = CN_INTS(2, 2));
  cr_assert_eq(cn_source_next(s, 1, &out), 1, "%s", cn_error(&p.g));
  for (int i = 0; i < 3; i++) cr_assert(abs((int)((float *)out.v[0])[i] - pixels[i]) < 4);
  check_damaged("cats/z.png", bytes, n, true);
  tjFree(bytes);
  tjDestroy(t);
}
#endif

/* A pipeline over files of every kind, with an allocator that fails at every call. */
static int64_t all_files(cn_graph *g) {
  char csv[160], lines[160], array[160];
  snprintf(csv, sizeof csv, "%s/x.csv", pictures);
  snprintf(lines, sizeof lines, "%s/x.txt", pictures);
  snprintf(array, sizeof array, "%s/x.idx", pictures);
  cn_source *x = cn_source_zip(cn_source_csv(g, csv, .inputs = CN_STRINGS("city"), .targets = CN_STRINGS("label"), .dtype = "string"), NULL, NULL);
  x = cn_source_zip(cn_source_image_folder(g, pictures, .image_size = CN_INTS(2, 2), .label_mode = NULL), cn_source_lines(g, lines),
                    x ? cn_source_idx(g, array) : NULL);
  cn_source *s = cn_source_prefetch(cn_source_batch(x, 2, false), 2);
  cn_samples out;
  int64_t n = 0;
  for (int64_t epoch = 0; epoch < 2 && cn_source_reset(s, epoch); epoch++)
    for (int64_t got; (got = cn_source_next(s, 2, &out)) > 0; n += got) {}
  return n;
}

Test(io_pictures, every_call_of_the_allocator_can_fail) {
  static const unsigned char four[] = { 0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4 };
  cn_graph g;
  counting n;
  put_bytes("x.csv", table, sizeof table - 1);
  put_bytes("x.txt", "one\ntwo\nthree\nfour\n", 19);
  put_bytes("x.idx", four, sizeof four);
  graph_begin(&g, &n);
  cr_assert_eq(all_files(&g), 8, "%s", cn_error(&g));
  const int64_t calls = n.calls;
  graph_end_with_sources(&g, &n);
  int64_t failures = 0;
  for (int64_t k = 1; k <= calls; k++) {
    graph_begin(&g, &n);
    n.fail_at = k;
    const int64_t samples = all_files(&g);
    failures += !cn_ok(&g);
    if (cn_ok(&g)) cr_assert_eq(samples, 8, "call %ld", (long)k);
    else cr_assert_eq(cn_error_code(&g), CN_NO_MEMORY, "call %ld: %s", (long)k, cn_error(&g));
    graph_end_with_sources(&g, &n);
  }
  cr_assert_gt(failures, calls / 2);
}
#endif
