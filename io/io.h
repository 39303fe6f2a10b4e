/* Index of io's public headers. */
#ifndef CN_IO_IO_H
#define CN_IO_IO_H
#include "array.h"
#include "csv.h"
#include "idx.h"
#include "npy.h"
#include "safetensors.h"
#include "source.h"
#endif
