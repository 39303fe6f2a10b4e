/* Sources that read files as they go: none is ever in memory whole. Errors name the file, and the line or row. */
#ifndef CN_IO_FILES_H
#define CN_IO_FILES_H
#include "csv.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of an array in an IDX file (plain or gzip), an NPY file or an NPZ archive (of one name), along its first axis, as one input: of the dtypes that
 * cn_read_idx and cn_read_npy give. Plain IDX and NPY files can be fetched from; cn_source_zip joins those of inputs and targets. UNSUPPORTED for texts and
 * Fortran order, and for archives in a build without libzip. */
CN_API cn_source *cn_source_idx(cn_graph *g, const char *path);
CN_API cn_source *cn_source_npy(cn_graph *g, const char *path);
CN_API cn_source *cn_source_npz(cn_graph *g, const char *path, const char *array);
/* Lines of a text, plain or gzip, as CN_STRING scalars without their ends (LF or CR LF). */
CN_API cn_source *cn_source_lines(cn_graph *g, const char *path);

#define CN_TABLE_COLUMNS(X, S)                                                                                                                  \
  X(S, cn_strings, inputs, CN_NONE_INTS, LIST, "names of columns, which form one input [n] in this order; None: all that are no targets or weight") \
  X(S, cn_strings, targets, CN_NONE_INTS, LIST, "of one column: a scalar; of several: [n]; None: no targets")                                   \
  X(S, const char *, sample_weight, NULL, ANY, "a column; None: no weights")                                                                    \
  X(S, const char *, dtype, "float32", DTYPE, "of the input; string too")                                                                       \
  X(S, const char *, target_dtype, "float32", DTYPE, "of the targets; string too")                                                              \
  X(S, int64_t, classes, CN_NONE, POSITIVE, "targets are labels: whole numbers from 0 to classes - 1, others are refused")
#define CN_SOURCE_CSV(X, S)                                                                                                                     \
  X(S, const char *, path, NULL, REQUIRED, "the file, plain or gzip")                                                                           \
  CN_TABLE_COLUMNS(X, S)                                                                                                                        \
  X(S, int64_t, header, CN_NONE, ANY, "as in cn_read_csv; columns without names are called by their index from 0")                              \
  X(S, const char *, delimiter, ",", ANY, "one character that no number contains")                                                              \
  X(S, const char *, quote, "\"", ANY, "one character; None or empty: fields are not quoted")                                                   \
  X(S, cn_strings, missing, CN_STRINGS("", "NA", "NaN", "null"), ANY, "fields that mean a missing value: NaN as a real input, refused elsewhere") \
  X(S, int64_t, skip_rows, 0, NONNEGATIVE, "lines before the header that are not read")
typedef struct cn_source_csv_args { cn_graph *graph; CN_SOURCE_CSV(CN_FIELD_, ) } cn_source_csv_args;
/* Rows of a table, with the texts and refusals of cn_read_csv; the size is not known. Without header, types are not found out: every field must be of its
 * dtype. `read_csv: x.csv: line 3: column "y": label 7 is not in [0, 3)`. */
CN_API cn_source *cn_source_csv_run(const cn_source_csv_args *args);
CN_API void cn_source_csv_args_init(cn_source_csv_args *args, size_t size); /* every default */

#define CN_SOURCE_SQLITE(X, S)                                                                                                                  \
  X(S, const char *, path, NULL, REQUIRED, "the database, which is only read")                                                                  \
  X(S, const char *, query, NULL, REQUIRED, "one SELECT; its order is the samples', so it should have an ORDER BY")                             \
  CN_TABLE_COLUMNS(X, S)
typedef struct cn_source_sqlite_args { cn_graph *graph; CN_SOURCE_SQLITE(CN_FIELD_, ) } cn_source_sqlite_args;
/* Rows of a query's result, whose size is not known. NULL is NaN as a real input; refused elsewhere, as are texts that are no numbers, and values that their
 * dtype does not hold: `sqlite: x.db: row 3: column "age": "old" is no float32`. UNSUPPORTED in a build without libsqlite3. */
CN_API cn_source *cn_source_sqlite_run(const cn_source_sqlite_args *args);
CN_API void cn_source_sqlite_args_init(cn_source_sqlite_args *args, size_t size);

#define CN_SOURCE_IMAGE_FOLDER(X, S)                                                                                                            \
  X(S, const char *, directory, NULL, REQUIRED, "with a folder for each class; folders below them are searched too")                           \
  X(S, const char *, label_mode, "int", ANY, "int: int32; categorical: a row of float32; binary: float32 [1], of two classes; None: no labels, and no folders of classes are needed") \
  X(S, cn_strings, class_names, CN_NONE_INTS, LIST, "the folders in the labels' order, which must be all; None: in alphabetical order")         \
  X(S, const char *, color_mode, "rgb", ANY, "grayscale, rgb or rgba: 1, 3 or 4 channels")                                                      \
  X(S, cn_ints, image_size, CN_INTS(256, 256), ANY, "height and width to which images are resized; None: they are of one size, and stay")       \
  X(S, const char *, interpolation, "bilinear", ANY, "bilinear or nearest, between pixels' centres")                                            \
  X(S, bool, crop_to_aspect_ratio, false, ANY, "the largest part in the middle that has image_size's ratio is resized")
typedef struct cn_source_image_folder_args { cn_graph *graph; CN_SOURCE_IMAGE_FOLDER(CN_FIELD_, ) } cn_source_image_folder_args;
/* PNG and JPEG files (.png, .jpg, .jpeg) as float32 [height, width, channels] from 0 to 255, sorted by class, folder and name.
 * keras.utils.image_dataset_from_directory without its shuffle, batches and splits, which are stages. Colours are those that the file holds: alpha is left out
 * (or 255 where there is none), grey is 0.2989 R + 0.5870 G + 0.1140 B. Files are decoded when they are read; a damaged one is refused by its path (FORMAT);
 * UNSUPPORTED in a build without libpng or turbojpeg. */
CN_API cn_source *cn_source_image_folder_run(const cn_source_image_folder_args *args);
CN_API void cn_source_image_folder_args_init(cn_source_image_folder_args *args, size_t size);
/* Class i of an image folder; NULL where there is none. Owned by the source. */
CN_API const char *cn_source_class_name(const cn_source *s, int64_t i);

#ifndef __cplusplus
#define cn_source_csv(...) CN_WITH_OPTIONS_(cn_source *, cn_source_csv_args, CN_SOURCE_CSV, cn_source_csv_run, __VA_ARGS__)
#define cn_source_sqlite(...) CN_WITH_OPTIONS_(cn_source *, cn_source_sqlite_args, CN_SOURCE_SQLITE, cn_source_sqlite_run, __VA_ARGS__)
#define cn_source_image_folder(...) CN_WITH_OPTIONS_(cn_source *, cn_source_image_folder_args, CN_SOURCE_IMAGE_FOLDER, cn_source_image_folder_run, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
