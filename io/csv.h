/* Tables as text (RFC 4180): one array a column. */
#ifndef CN_IO_CSV_H
#define CN_IO_CSV_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_READ_CSV(X, S)                                                                                                                                     \
  X(S, const char *, path, NULL, REQUIRED, "the file, plain or gzip")                                                                                         \
  X(S, int64_t, header, CN_NONE, ANY, "true (1): the first row holds names; false (0): none; None: it does unless a field of it is a number or missing")      \
  X(S, cn_strings, columns, CN_NONE_INTS, LIST, "names of the columns to read, in this order; None: all")                                                     \
  X(S, cn_strings, types, CN_NONE_INTS, ANY, "one for all columns that are read, or one for each: auto or the name of a dtype; None: auto")                   \
  X(S, const char *, floats, "float64", DTYPE, "float32 or float64: what columns of type auto that hold real numbers become")                                 \
  X(S, const char *, delimiter, ",", ANY, "one character that no number contains")                                                                            \
  X(S, const char *, quote, "\"", ANY, "one character; None or empty: fields are not quoted")                                                                 \
  X(S, cn_strings, missing, CN_STRINGS("", "NA", "NaN", "null"), ANY, "fields that mean a missing value")                                                     \
  X(S, int64_t, missing_integer, CN_NONE, ANY, "what a missing value of an integer or bool column becomes; None: it is refused")                              \
  X(S, const char *, missing_string, NULL, ANY, "what a missing value of a string column becomes; None: it is refused")                                       \
  X(S, int64_t, skip_rows, 0, NONNEGATIVE, "lines before the header that are not read")                                                                       \
  X(S, int64_t, max_rows, CN_NONE, NONNEGATIVE, "at most so many rows are read, and what follows is not looked at; None: all")
typedef struct cn_read_csv_args { cn_graph *graph; CN_READ_CSV(CN_FIELD_, ) } cn_read_csv_args;

/* Reads a table: an array of shape [rows] for each column, named by the header (columns without a name: by their index from 0).
 * Columns of type auto become int64 if every field is an integer, else real if every field is a number or missing (missing values are NaN), else strings.
 * Numbers may have blanks around them; their text is that of C, whatever the locale. bool: true, false, 1, 0, in any case.
 * Fields in quotes may hold delimiters, line ends and doubled quotes; a string column's quoted field is never missing. Texts keep their bytes.
 * Lines end with LF, CR LF or CR; a byte order mark and empty lines are passed over. Refused, with file and line (FORMAT; options: VALUE):
 * `read_csv: x.csv: line 7: 4 fields, wanted 5`, `read_csv: x.csv: no column "aeg"; did you mean "age"?`,
 * `read_csv: x.csv: line 3: column "age": "x" is no int64`. */
CN_API cn_arrays *cn_read_csv_run(const cn_read_csv_args *args);
CN_API void cn_read_csv_args_init(cn_read_csv_args *args, size_t size); /* every default, for C++ and bindings; size: sizeof *args */
#ifndef __cplusplus
/* cn_read_csv(g, "iris.csv", .header = true, .floats = "float32") */
#define cn_read_csv(...) CN_WITH_OPTIONS_(cn_arrays *, cn_read_csv_args, CN_READ_CSV, cn_read_csv_run, __VA_ARGS__)
#endif

/* Writes arrays of shape [rows] as columns, and of shape [rows, k] as k columns NAME_0 ..., under a header of names; SHAPE where the rows differ.
 * Numbers have as many digits as reading them back needs; bools are 1 and 0; texts are quoted where needed, also where they would be read as missing values.
 * Lines end with LF. The file replaces an old one only when it is complete. */
CN_API bool cn_write_csv(cn_graph *g, const char *path, const cn_arrays *arrays);

#ifdef __cplusplus
}
#endif
#endif
