/* Index of io's public headers. */
#ifndef CN_IO_IO_H
#define CN_IO_IO_H
#include "array.h"
#include "idx.h"
#include "safetensors.h"
#endif
