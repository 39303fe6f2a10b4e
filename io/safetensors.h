/* safetensors: a JSON header of names, types, shapes and offsets, then the bytes (huggingface.co/docs/safetensors). */
#ifndef CN_IO_SAFETENSORS_H
#define CN_IO_SAFETENSORS_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads every array: F64, F32, I64, I32, U8, BOOL as they are, F16 and BF16 as CN_F32, in the order of their bytes. The whole file is checked first: lengths, offsets without holes and overlaps, sizes against shapes, names. */
CN_API cn_arrays *cn_read_safetensors(cn_graph *g, const char *path);
/* Writes arrays (no strings) in their order; the header is padded with spaces to a multiple of 8. The file replaces an old one only when it is complete. */
CN_API bool cn_write_safetensors(cn_graph *g, const char *path, const cn_arrays *arrays);

#ifdef __cplusplus
}
#endif
#endif
