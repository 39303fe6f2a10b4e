/* IDX files, plain or gzip: the format of MNIST (http://yann.lecun.com/exdb/mnist). */
#ifndef CN_IO_IDX_H
#define CN_IO_IDX_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads one array: unsigned bytes as CN_U8, signed bytes and 16-bit integers as CN_I32, 32-bit integers, float32, float64. gzip is recognized by its first bytes. A file that is cut off, too long, damaged (its checksum is
 * compared) or no IDX file is refused: `read_idx: train-images.gz: ends after 12,345,678 of 47,040,016 bytes`. The list has one array, named as the file. */
CN_API cn_arrays *cn_read_idx(cn_graph *g, const char *path);

#ifdef __cplusplus
}
#endif
#endif
