/* IDX files, plain or gzip: the format of MNIST (http://yann.lecun.com/exdb/mnist). */
#ifndef CN_IO_IDX_H
#define CN_IO_IDX_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads one array: unsigned bytes as CN_U8, signed bytes, 16- and 32-bit integers as CN_I32, float32 as CN_F32, float64 as CN_F64. gzip is recognized by its
 * first bytes and inflated into the array's memory. A file that is cut off, too long, damaged (its checksum is compared) or no IDX file is refused (FORMAT):
 * `read_idx: train-images.gz: ends after 12,345,678 of 47,040,016 bytes`. The list has one array, named as the file. */
CN_API cn_arrays *cn_read_idx(cn_graph *g, const char *path);

#ifdef __cplusplus
}
#endif
#endif
