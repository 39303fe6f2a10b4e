/* The graph: owner of everything made with it, and the tape that records operations. One graph per thread. */
#ifndef CN_AUTOGRAD_GRAPH_H
#define CN_AUTOGRAD_GRAPH_H
#include "../core/core.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CN_GRAPH(X, S)                                                                                                                       \
  X(S, const cn_allocator *, allocator, NULL, ANY, "memory comes from here; NULL: the C library. The struct is copied")                      \
  X(S, int64_t, seed, CN_NONE, ANY, "key of every random stream that is not given its own seed; None: from the system's entropy")            \
  X(S, int64_t, threads, 0, NONNEGATIVE, "at most this many threads for Cornu's own loops; 0: what OpenMP offers")                      \
  X(S, bool, replay, true, ANY, "whether a compiled model's step is noted once and run again as a list of kernel calls; the numbers are the same")
typedef struct cn_graph_options { CN_GRAPH(CN_FIELD_, ) } cn_graph_options;

/* Every default, for C++ and bindings; size: sizeof *options. */
CN_API void cn_graph_options_init(cn_graph_options *options, size_t size);
/* Makes a graph. NULL when there is no memory. Free it with cn_graph_free. */
CN_API cn_graph *cn_graph_make(const cn_graph_options *options);
#ifndef __cplusplus
#define cn_graph_new(...)                                                               \
  __extension__({                                                                       \
    CN_QUIET_ const cn_graph_options cn_o_ = { CN_GRAPH(CN_DEFAULT_, ) __VA_ARGS__ };   \
    cn_graph *cn_r_ = cn_graph_make(&cn_o_);                                            \
    CN_LOUD_ cn_r_;                                                                     \
  })
#endif
/* Frees the graph and everything made with it. NULL is fine. */
CN_API void cn_graph_free(cn_graph *g);
/* Ends a step: every tensor that is not persistent dies, the tape is emptied. fit does it after each batch. Works on a failed graph. */
CN_API void cn_graph_reset(cn_graph *g);
/* Forgets the error and does what cn_graph_reset does; afterwards the graph works again. */
CN_API void cn_graph_clear(cn_graph *g);
/* Turns recording on or off and returns what it was. Operations that are not recorded cost less, and cannot be differentiated. */
CN_API bool cn_recording(cn_graph *g, bool on);
/* Bytes of the graph's memory, in use or kept for the next steps: now, and at most since the graph was made. */
CN_API size_t cn_graph_bytes(const cn_graph *g);
CN_API size_t cn_graph_peak_bytes(const cn_graph *g);
/* When on, the first operation, forward or backward, that makes a value that is not finite fails with VALUE and is named. Off by default. */
CN_API void cn_check_finite(cn_graph *g, bool on);
/* A new random stream with a key drawn from the graph's seed: the n-th call on graphs of one seed gives the same key. */
CN_API cn_stream cn_stream_new(cn_graph *g);

#ifdef __cplusplus
}
#endif
#endif
