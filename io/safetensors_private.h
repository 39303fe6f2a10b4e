/* The type names of safetensors. */
#ifndef CN_IO_SAFETENSORS_PRIVATE_H
#define CN_IO_SAFETENSORS_PRIVATE_H
#include "io_private.h"

#define CNI_SAFETENSORS_HEADER 100000000u /* the longest header that the format allows */
#define CNI_SAFETENSORS_METADATA "__metadata__"
extern const char *const cni_safetensors_types[CNI_ELEMENTS];

#endif
