/* What this build is and what it uses on this machine. */
#ifndef CN_CORE_BUILD_INFO_H
#define CN_CORE_BUILD_INFO_H
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A few lines of text: version, compiler, CPU, instruction set of the kernels, threads, OpenBLAS and oneDNN with their versions, and which of them serves
 * matrix products.
 * Owned by the graph and valid until it is freed; NULL for NULL or without memory. */
CN_API const char *cn_build_info(cn_graph *g);

#ifdef __cplusplus
}
#endif
#endif
