/* safetensors: a JSON header of names, types, shapes and offsets, then the bytes (huggingface.co/docs/safetensors). */
#ifndef CN_IO_SAFETENSORS_H
#define CN_IO_SAFETENSORS_H
#include "array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads every array, in the order of their bytes: F64, F32, I64, I32, U8, BOOL as they are; I8, I16, U16 as CN_I32, U32 as CN_I64, F16 and BF16 as CN_F32.
 * "__metadata__" becomes the list's metadata. The whole file is checked first (FORMAT): the header's length and JSON, names that stand twice, sizes against
 * types and shapes, offsets without holes and overlaps. Other types are UNSUPPORTED. */
CN_API cn_arrays *cn_read_safetensors(cn_graph *g, const char *path);
/* Writes arrays (no texts; names are UTF-8, each once) in their order, and the metadata; the header is padded with spaces to a multiple of 8 bytes. The same
 * arrays give the same bytes. The file is written beside an old one, flushed, and replaces it only when it is complete. */
CN_API bool cn_write_safetensors(cn_graph *g, const char *path, const cn_arrays *arrays);

#ifdef __cplusplus
}
#endif
#endif
