/* NumPy's files: one array (.npy), or several in a ZIP archive (.npz) (numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
#ifndef CN_IO_NPY_H
#define CN_IO_NPY_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads an array of versions 1 to 3, little- or big-endian, in C or Fortran order: f4, f8, i4, i8, u1, b1 as they are; i1, i2, u2 as CN_I32, u4 as CN_I64,
 * f2 as CN_F32, U and S as texts (UTF-8, without the zeros at their end). Other types are UNSUPPORTED; a damaged file is FORMAT:
 * `read_npy: x.npy: ends after 100 of 140 bytes`. The list has one array, named as the file. */
CN_API cn_arrays *cn_read_npy(cn_graph *g, const char *path);
/* Writes an array as NumPy does (version 1, C order); texts as U of the longest one's length. The file replaces an old one only when it is complete. */
CN_API bool cn_write_npy(cn_graph *g, const char *path, const cn_named_array *array);

/* Reads every member NAME.npy of an archive, stored or deflated, as the array NAME; checksums are compared. A build without libzip (meson's option `npz`)
 * answers UNSUPPORTED. */
CN_API cn_arrays *cn_read_npz(cn_graph *g, const char *path);
/* Writes an archive as numpy.savez does: members are stored, with a fixed date, so that the same arrays give the same bytes. */
CN_API bool cn_write_npz(cn_graph *g, const char *path, const cn_arrays *arrays);

#ifdef __cplusplus
}
#endif
#endif
