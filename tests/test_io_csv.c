/* Tables as text. */
#include <math.h>
#include <zlib.h>
#include "test_io.h"

/* Reads a text with options; the graph, named again, stands for none. */
#define READ(p, ...) READ_(p, __VA_ARGS__, .graph = &(p)->g)
#define READ_(p, text, ...) cn_read_csv(&(p)->g, put_text(p, "x.csv", text), __VA_ARGS__)
#define CHECK_FAILS(p, code, error, ...)     \
  do {                                       \
    cr_assert_null(READ(p, __VA_ARGS__));    \
    CHECK_REFUSED(p, code, error);           \
  } while (0)

Test(io_csv, types_are_found) {
  place p;
  place_begin(&p);
  cn_arrays *a = READ(&p, "name,age,height,weight,code\nAnn,31, 1.70 ,,007\n\"Bob, Jr.\",-5,1e1,NA,x\nCy,+12,-.5,70.5,8\n");
  CHECK_OK(&p);
  cr_assert_eq(a->n, 5);
  CHECK_STRINGS(&a->v[0], "name", "Ann", "Bob, Jr.", "Cy");
  CHECK_ARRAY(&a->v[1], "age", CN_I64, "[3]", int64_t, 31, -5, 12);
  CHECK_ARRAY(&a->v[2], "height", CN_F64, "[3]", double, 1.7, 10, -0.5);
  CHECK_ARRAY(&a->v[3], "weight", CN_F64, "[3]", double, NAN, NAN, 70.5);
  CHECK_STRINGS(&a->v[4], "code", "007", "x", "8");
  cn_arrays_free(&p.g, a);
  a = READ(&p, "1,a\n99999999999999999999,b\n", .floats = "float32", .header = false);
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "0", CN_F32, "[2]", float, 1, 1e20f);
  CHECK_STRINGS(&a->v[1], "1", "a", "b");
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_csv, header) {
  place p;
  place_begin(&p);
  static const struct { const char *text; int64_t header, rows; const char *first, *second; } cases[] = {
    { "a,b\n1,2\n", CN_NONE, 1, "a", "b" },
    { "1,2\n3,4\n", CN_NONE, 2, "0", "1" },
    { "a,2\n3,4\n", CN_NONE, 2, "0", "1" },
    { "a,NA\n3,4\n", CN_NONE, 2, "0", "1" },
    { "1,2\n3,4\n", true, 1, "1", "2" },
    { "a,b\nc,d\n", false, 2, "0", "1" },
    { ",b\n0,1\n", CN_NONE, 1, "0", "b" },
    { " a , \"b\"\"c\"\n1,2\n", CN_NONE, 1, "a", "\"b\"\"c\"" },
    { "\"a\"\"x\",\" b\"\n1,2\n", CN_NONE, 1, "a\"x", " b" },
    { "\xef\xbb\xbf" "a,b\r\n1,2\r\n", CN_NONE, 1, "a", "b" },
    { "a,b", CN_NONE, 0, "a", "b" },
    { "\n\na,b\n\n1,2\n\n\n3,4", CN_NONE, 2, "a", "b" },
    { "a,b\r1,2\r3,4\r", CN_NONE, 2, "a", "b" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cn_arrays *a = READ(&p, cases[i].text, .header = cases[i].header);
    CHECK_OK(&p);
    cr_assert(a->n == 2 && a->v[0].dims.d[0] == cases[i].rows && a->v[1].dims.d[0] == cases[i].rows, "case %zu", i);
    cr_assert_str_eq(a->v[0].name, cases[i].first);
    cr_assert_str_eq(a->v[1].name, cases[i].second);
    cn_arrays_free(&p.g, a);
  }
  place_end(&p);
}

Test(io_csv, quotes) {
  place p;
  place_begin(&p);
  cn_arrays *a = READ(&p, "text,n\n\"two\nlines, \"\"quoted\"\"\",1\r\n\"\",2\na\"b,3\n\"\"\"\",4\n\"NA\",\"5\"");
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "text", "two\nlines, \"quoted\"", "", "a\"b", "\"", "NA");
  CHECK_ARRAY(&a->v[1], "n", CN_I64, "[5]", int64_t, 1, 2, 3, 4, 5);
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a;b\n'x;''y';\"1\n", .delimiter = ";", .quote = "'");
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "a", "x;'y");
  CHECK_STRINGS(&a->v[1], "b", "\"1");
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a\tb\n\"x\t2\n", .delimiter = "\t", .quote = NULL);
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[0], "a", "\"x");
  CHECK_ARRAY(&a->v[1], "b", CN_I64, "[1]", int64_t, 2);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_csv, columns_types_and_rows) {
  place p;
  place_begin(&p);
  static const char text[] = "made by hand\nx,y,z\n1,2,true\n3,4,0\n5,6,FALSE\n";
  cn_arrays *a = READ(&p, text, .skip_rows = 1, .columns = CN_STRINGS("z", "x"), .types = CN_STRINGS("bool", "float32"), .max_rows = 2);
  CHECK_OK(&p);
  cr_assert_eq(a->n, 2);
  CHECK_ARRAY(&a->v[0], "z", CN_BOOL, "[2]", bool, true, false);
  CHECK_ARRAY(&a->v[1], "x", CN_F32, "[2]", float, 1, 3);
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b\n-1,2\n3,4\n", .types = CN_STRINGS("int32"));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "a", CN_I32, "[2]", int32_t, -1, 3);
  CHECK_ARRAY(&a->v[1], "b", CN_I32, "[2]", int32_t, 2, 4);
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b\n255,2\n", .types = CN_STRINGS("uint8", "string"));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "a", CN_U8, "[1]", uint8_t, 255);
  CHECK_STRINGS(&a->v[1], "b", "2");
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b\n1,2\nbroken\n", .max_rows = 1);
  CHECK_OK(&p);
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b\n1,2\n", .max_rows = 0);
  CHECK_OK(&p);
  check_array(&a->v[0], "a", CN_F64, "[0]", NULL, 0);
  cn_arrays_free(&p.g, a);
  place_end(&p);
}

Test(io_csv, missing_values) {
  place p;
  place_begin(&p);
  cn_arrays *a = READ(&p, "a,b,c\n1,,NaN\n-999,null,2\n", .types = CN_STRINGS("int64", "float32", "auto"));
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "a", CN_I64, "[2]", int64_t, 1, -999);
  cr_assert(isnan(((const float *)a->v[1].data)[0]) && isnan(((const float *)a->v[1].data)[1]));
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b,c\n1,-999,x\n-999,2,?\n", .missing = CN_STRINGS("-999", "?"), .types = CN_STRINGS("int64", "auto", "auto"), .missing_integer = -1,
           .missing_string = "unknown");
  CHECK_OK(&p);
  CHECK_ARRAY(&a->v[0], "a", CN_I64, "[2]", int64_t, 1, -1);
  CHECK_ARRAY(&a->v[1], "b", CN_F64, "[2]", double, NAN, 2);
  CHECK_STRINGS(&a->v[2], "c", "x", "unknown");
  cn_arrays_free(&p.g, a);
  a = READ(&p, "a,b\nx,\ny,z\n", .missing = CN_NONE_INTS);
  CHECK_OK(&p);
  CHECK_STRINGS(&a->v[1], "b", "", "z");
  cn_arrays_free(&p.g, a);
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 3: column \"a\": a value is missing; the option missing_integer says what it becomes",
              "a,b\n1,2\nNA,3\n", .types = CN_STRINGS("int32"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 3: column \"b\": a value is missing; the option missing_string says what it becomes", "a,b\n1,x\n2,\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"NA\" is no uint8", "a\nNA\n", .types = CN_STRINGS("uint8"), .missing_integer = -1);
  place_end(&p);
}

Test(io_csv, refused_tables) {
  place p;
  place_begin(&p);
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 7: 4 fields, wanted 5", "a,b,c,d,e\n1,2,3,4,5\n\n\"x\ny\",2,3,4,5\n1,2,3,4,5\n1,2,3,4\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: 1 field, wanted 2", "a,b\nx\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: 3 fields, wanted 2", "a,b\r\n1,2,\r\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 3: a quote is not closed", "a,b\n1,2\n3,\"4\n5,6\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: text follows a closing quote", "a,b\n\"1\"2,3\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 1: two columns are named \"a\"", "a,b,a\n1,2,3\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: holds no rows", "");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: holds no rows", "\n\r\n\n");
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: holds no rows", "a,b\n1,2\n", .skip_rows = 2);
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: no column \"heigth\"; did you mean \"height\"?", "age,height\n1,2\n", .columns = CN_STRINGS("age", "heigth"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: no column \"zzz\"", "age,height\n1,2\n", .columns = CN_STRINGS("zzz"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 3: column \"b\": \"2.5\" is no int64", "a,b\n1,2\n1,2.5\n", .types = CN_STRINGS("int64"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"256\" is no uint8", "a,b\n256,2\n", .types = CN_STRINGS("uint8"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"2147483648\" is no int32", "a,b\n2147483648,2\n", .types = CN_STRINGS("int32"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"2\" is no bool", "a,b\n2,1\n", .types = CN_STRINGS("bool"));
  CHECK_FAILS(&p, FORMAT, "read_csv: x.csv: line 2: column \"a\": \"1,5\" is no float32", "a;b\n1,5;2\n", .types = CN_STRINGS("float32"), .delimiter = ";");
  cr_assert_null(cn_read_csv(&p.g, put_file(&p, "x.csv", "a,b\n1,\0002\n", 9)));
  CHECK_REFUSED(&p, FORMAT, "read_csv: x.csv: line 2: a zero byte");
  cr_assert_null(cn_read_csv(&p.g, put_file(&p, "x.csv", "a,b\n1,\"\0002\"\n", 11)));
  CHECK_REFUSED(&p, FORMAT, "read_csv: x.csv: line 2: a zero byte");
  place_end(&p);
}

Test(io_csv, refused_options) {
  place p;
  place_begin(&p);
  static const char text[] = "a,b\n1,2\n";
  CHECK_FAILS(&p, VALUE, "read_csv: delimiter must be one character that no number contains, got \"ab\"", text, .delimiter = "ab");
  CHECK_FAILS(&p, VALUE, "read_csv: delimiter must be one character that no number contains, got \".\"", text, .delimiter = ".");
  CHECK_FAILS(&p, VALUE, "read_csv: delimiter must be one character that no number contains, got \"\"", text, .delimiter = NULL);
  CHECK_FAILS(&p, VALUE, "read_csv: quote must be one character that no number contains, got \"e\"", text, .quote = "e");
  CHECK_FAILS(&p, VALUE, "read_csv: delimiter and quote are the same", text, .delimiter = "\"");
  CHECK_FAILS(&p, VALUE, "read_csv: header must be true, false or None, got 2", text, .header = 2);
  CHECK_FAILS(&p, VALUE, "read_csv: types: no type \"flot32\"; did you mean \"float32\"?", text, .types = CN_STRINGS("flot32"));
  CHECK_FAILS(&p, VALUE, "read_csv: types: no type \"q\"", text, .types = CN_STRINGS("q"));
  CHECK_FAILS(&p, VALUE, "read_csv: types has 3 entries, but 2 columns are read", text, .types = CN_STRINGS("auto", "auto", "auto"));
  CHECK_FAILS(&p, VALUE, "read_csv: columns: \"a\" stands twice", text, .columns = CN_STRINGS("a", "b", "a"));
  CHECK_FAILS(&p, VALUE, "read_csv: columns: entry 0 is missing", text, .columns = CN_STRINGS(NULL));
  CHECK_FAILS(&p, VALUE, "read_csv: missing: entry 1 is missing", text, .missing = CN_STRINGS("", NULL));
  CHECK_FAILS(&p, VALUE, "read_csv: floats must be float32 or float64, got int32", text, .floats = "int32");
  CHECK_FAILS(&p, VALUE, "read_csv: skip_rows must not be negative, got -1", text, .skip_rows = -1);
  CHECK_FAILS(&p, VALUE, "read_csv: max_rows must not be negative, got -1", text, .max_rows = -1);
  cr_assert_null(cn_read_csv(&p.g));
  CHECK_REFUSED(&p, VALUE, "read_csv: path is required");
  cr_assert_null(cn_read_csv(&p.g, ""));
  CHECK_REFUSED(&p, VALUE, "read_csv: path is required");
  cr_assert_null(cn_read_csv(&p.g, "/nowhere/x.csv"));
  CHECK_REFUSED(&p, IO, "read_csv: /nowhere/x.csv: No such file or directory");
  cr_assert_null(cn_read_csv((cn_graph *)NULL, "x.csv"));
  place_end(&p);
}

Test(io_csv, plain_function_and_gzip) {
  place p;
  place_begin(&p);
  cn_read_csv_args args;
  cn_read_csv_args_init(&args, sizeof args);
  gzFile f = gzopen(path_of(&p, "x.csv.gz"), "wb");
  cr_assert(f && gzputs(f, "a,b\n") > 0);
  for (int i = 0; i < 30000; i++) gzprintf(f, "%d,0.5\n", i);
  gzclose(f);
  args.graph = &p.g;
  args.path = p.path;
  cn_arrays *a = cn_read_csv_run(&args);
  CHECK_OK(&p);
  cr_assert(a->n == 2 && a->v[0].dims.d[0] == 30000 && ((const int64_t *)a->v[0].data)[29999] == 29999 && ((const double *)a->v[1].data)[29999] == 0.5);
  cn_arrays_free(&p.g, a);
  cr_assert_null(cn_read_csv_run(NULL));
  place_end(&p);
}

/* Columns of every type, written and read back. */
static void round_trip(place *p) {
  static const float f32[] = { 0.1f, -1e-30f, 16777216, INFINITY };
  static const double f64[] = { 0.1, 1e300, -5e-324, 123456789.123 };
  static const int64_t i64[] = { INT64_MAX, INT64_MIN, 0, -1 };
  static const uint8_t u8[] = { 0, 255, 7, 1 };
  static const bool truths[] = { true, false, false, true };
  static const int32_t pairs[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
  static const char *const texts[] = { "", "NA", "a,\"b\"\nc", " blank " };
  cn_graph *g = &p->g;
  cn_arrays *a = cn_arrays_new(g);
  cn_arrays_add(g, a, "f32", CN_F32, CN_DIMS(4), f32);
  cn_arrays_add(g, a, "f64", CN_F64, CN_DIMS(4), f64);
  cn_arrays_add(g, a, "i64", CN_I64, CN_DIMS(4), i64);
  cn_arrays_add(g, a, "u8", CN_U8, CN_DIMS(4), u8);
  cn_arrays_add(g, a, "truth", CN_BOOL, CN_DIMS(4), truths);
  cn_arrays_add(g, a, "pair", CN_I32, CN_DIMS(4, 2), pairs);
  cn_arrays_add_strings(g, a, "the text, in quotes", CN_DIMS(4), texts);
  cr_assert(cn_write_csv(g, path_of(p, "x.csv"), a), "%s", cn_error(g));
  cn_arrays_free(g, a);
  a = cn_read_csv(g, p->path, .types = CN_STRINGS("float32", "float64", "auto", "uint8", "bool", "int32", "auto", "string"));
  CHECK_OK(p);
  check_array(&a->v[0], "f32", CN_F32, "[4]", f32, 4);
  check_array(&a->v[1], "f64", CN_F64, "[4]", f64, 4);
  check_array(&a->v[2], "i64", CN_I64, "[4]", i64, 4);
  check_array(&a->v[3], "u8", CN_U8, "[4]", u8, 4);
  check_array(&a->v[4], "truth", CN_BOOL, "[4]", truths, 4);
  CHECK_ARRAY(&a->v[5], "pair_0", CN_I32, "[4]", int32_t, 1, 3, 5, 7);
  CHECK_ARRAY(&a->v[6], "pair_1", CN_I64, "[4]", int64_t, 2, 4, 6, 8);
  check_strings(&a->v[7], "the text, in quotes", texts, 4);
  cn_arrays_free(g, a);
}

static const char wanted_text[] = "f32,f64,i64,u8,truth,pair_0,pair_1,\"the text, in quotes\"\n"
                                  "0.1,0.1,9223372036854775807,0,1,1,2,\"\"\n"
                                  "-1e-30,1e+300,-9223372036854775808,255,0,3,4,\"NA\"\n"
                                  "16777216,-5e-324,0,7,0,5,6,\"a,\"\"b\"\"\nc\"\n"
                                  "inf,123456789.123,-1,1,1,7,8,\" blank \"\n";

Test(io_csv, write) {
  place p;
  size_t n;
  place_begin(&p);
  round_trip(&p);
  unsigned char *bytes = get_file(&p, "x.csv", &n);
  bytes[n] = 0;
  cr_assert_str_eq((char *)bytes, wanted_text);
  free(bytes);
  cr_assert_eq(count_files(&p), 1);
  place_end(&p);
}

Test(io_csv, decimal_comma) {
  place p;
  size_t n;
  if (!comma_locale_set()) cr_skip_test("no locale with a decimal comma");
  place_begin(&p);
  round_trip(&p);
  unsigned char *bytes = get_file(&p, "x.csv", &n);
  bytes[n] = 0;
  cr_assert_str_eq((char *)bytes, wanted_text);
  free(bytes);
  place_end(&p);
}

Test(io_csv, write_refusals) {
  place p;
  place_begin(&p);
  const float values[6] = { 0 };
  char name[] = "x", other[] = "y";
  cn_named_array v[2] = { { name, CN_F32, *CN_DIMS(3), (void *)(uintptr_t)values }, { other, CN_F32, *CN_DIMS(2), (void *)(uintptr_t)values } };
  const cn_arrays a = { .v = v, .n = 2 }, none = { .n = 0 };
  const char *path = path_of(&p, "x.csv");
  cr_assert_not(cn_write_csv(&p.g, path, &a));
  CHECK_REFUSED(&p, SHAPE, "write_csv: the rows differ: x is [3], y is [2]");
  v[1].dims = *CN_DIMS(3, 1, 1);
  cr_assert_not(cn_write_csv(&p.g, path, &a));
  CHECK_REFUSED(&p, SHAPE, "write_csv: y has shape [3,1,1], wanted [rows] or [rows,k]");
  cr_assert_not(cn_write_csv(&p.g, path, &none));
  CHECK_REFUSED(&p, VALUE, "write_csv: there are no columns");
  cr_assert_not(cn_write_csv(&p.g, path, NULL));
  CHECK_REFUSED(&p, VALUE, "write_csv: the arrays are missing");
  cr_assert_not(cn_write_csv(&p.g, "/nowhere/x.csv", &(const cn_arrays){ .v = v, .n = 1 }));
  CHECK_REFUSED(&p, IO, "write_csv: /nowhere/x.csv: No such file or directory");
  cr_assert_eq(count_files(&p), 0);
  place_end(&p);
}
