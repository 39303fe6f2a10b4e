/* The error contract: the first error of a graph sticks, every later call on it does nothing and returns NULL or false, and one check at the end sees the first
 * error. */
#ifndef CN_CORE_ERROR_H
#define CN_CORE_ERROR_H
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True while nothing has failed; false for NULL. */
CN_API bool cn_ok(const cn_graph *g);
/* The first error's text ("" if none); for NULL: "out of memory". Owned by the graph, valid until cn_graph_clear. */
CN_API const char *cn_error(const cn_graph *g);
/* The first error's code. CN_NO_MEMORY for NULL. */
CN_API cn_code cn_error_code(const cn_graph *g);
/* "SHAPE", "DTYPE", ... */
CN_API const char *cn_code_name(cn_code code);

/* Reports an error from a user's operation, layer or callback: a format without a trailing newline or full stop. The engine puts the operation's name before
 * and the layer's path after it. Returns `code`. A no-operation when the graph has already failed. */
CN_API cn_code cn_fail(cn_graph *g, cn_code code, const char *format, ...) CN_PRINTF(3, 4);

/* `callback` sees each first error as it is reported (for logging); NULL removes it. */
typedef void (*cn_error_callback)(void *user, cn_code code, const char *text);
CN_API void cn_set_error_callback(cn_graph *g, cn_error_callback callback, void *user);
/* What fit, evaluate, predict and summary print goes here; default: stdout. NULL restores the default. */
typedef void (*cn_output_callback)(void *user, const char *text);
CN_API void cn_set_output_callback(cn_graph *g, cn_output_callback callback, void *user);

#ifdef __cplusplus
}
#endif
#endif
