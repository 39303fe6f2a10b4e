/* What sources and stages share. Each pipeline has a context of its own (its home) for memory and errors, shared along a chain of stages, because it may run on
 * a thread beside the graph's; a prefetch begins another. Errors are carried from one context to the next by whoever reads across. */
#ifndef CN_IO_SOURCE_PRIVATE_H
#define CN_IO_SOURCE_PRIVATE_H
#include <pthread.h>
#include <string.h>
#include "../core/context_private.h"
#include "source.h"

struct cn_source {
  cn_graph *graph;                  /* that owns it; only its thread uses it */
  cn_graph *home;                   /* memory and errors of its pipeline */
  const cn_source_methods *methods;
  void *state;
  bool owns_state;
  cn_column *columns;               // [n]
  size_t *row;                      // [n] bytes of a sample's column
  int64_t n, inputs, targets;
  int64_t batch;                    /* samples of its batches; 0: not batched */
  bool taken;                       /* by a stage */
  bool restarts;                    /* it can begin again */
  bool fetches;                     /* samples by index can be had */
  bool started, ended;              /* since it was made; since the last reset */
  int64_t at;                       /* samples handed out since the last reset */
  int64_t uses;                     /* by the graph or a stage; more than one where it is shared */
  pthread_mutex_t lock;             /* around fetches of a shared one */
  struct cni_rows *held;            /* what cn_source_next hands out, and a data set reads into */
};

/* Memory of samples. */
typedef struct cni_rows { cn_samples v; int64_t capacity; } cni_rows;

/* source.c */
/* A source with `size` bytes of zeros as state, in the home of `up` or (NULL) a new one; without columns yet. NULL after an error. */
cn_source *cni_source_make(cn_graph *g, const cn_source *up, const cn_source_methods *methods, size_t size);
/* The same for a stage: columns, batch and abilities as upstream's; `what` refuses a batched one unless it may be. A home of its own is for a stage that may
 * run on another thread than `up`. */
enum { CNI_MAY_BE_BATCHED = 1, CNI_OWN_HOME = 2 };
cn_source *cni_stage_make(const char *what, cn_source *up, unsigned flags, const cn_source_methods *methods, size_t size);
bool cni_source_columns(cn_source *s, const char *what, const cn_column *columns, int64_t inputs, int64_t targets, int64_t weights);
cn_source *cni_source_done(cn_source *s);              /* the constructor's last step: frees s, and returns NULL, where an error came up */
bool cni_source_free_to_take(const char *what, const cn_source *up); /* else STATE */
cn_source *cni_source_own(cn_source *up);             /* a stage's use of it; the graph's ends */
void cni_source_drop(cn_source *s);                    /* ends one */
void cni_carry(cn_graph *from, cn_graph *to);          /* an error, which `from` forgets */
/* For whoever reads a source, with its own context `to`. As many samples as there are, at most n, of a batched source one batch; 0 at the end, -1 after an
 * error. */
int64_t cni_source_fill(cn_source *s, cn_graph *to, int64_t n, const cn_samples *out);
bool cni_source_hold(cn_source *s, int64_t n); /* makes s->held at least n samples long: memory that is freed with the source */
bool cni_source_begin(cn_source *s, cn_graph *to, int64_t epoch);
bool cni_source_forward(cn_source *s, cn_graph *to, int64_t sample); /* after begin; not beyond the end */
int64_t cni_source_discard(cn_source *s, cn_graph *to, int64_t n);   /* reads on; how many there were */
bool cni_source_fetch(cn_source *s, cn_graph *to, const int64_t *index, int64_t n, const cn_samples *out);
int64_t cni_source_complete(cn_source *s, cn_graph *to);             /* its size where it can be fetched from: a cache is filled for it */
/* The first member of a state that walks over samples which it can reach by number; and its reset, seek and size. */
typedef struct cni_cursor { int64_t at, count; } cni_cursor;
bool cni_cursor_reset(cn_graph *g, void *state, int64_t epoch);
bool cni_cursor_seek(cn_graph *g, void *state, int64_t sample);
int64_t cni_cursor_size(void *state);
int64_t cni_cursor_left(const cni_cursor *c, int64_t n); /* how many of n there are */
uint64_t cni_order_key(uint64_t seed, int64_t epoch);
uint64_t cni_seed_of(cn_graph *g, int64_t seed);       /* CN_NONE: drawn from the graph's */

/* rows.c: samples in memory. */
bool cni_rows_grow(cn_graph *g, const cn_source *s, cni_rows *b, int64_t rows); /* to at least so many; what is there stays */
void cni_rows_free(cn_graph *g, const cn_source *s, cni_rows *b);
cn_samples cni_samples_at(const cn_source *s, const cn_samples *from, int64_t row);
bool cni_samples_copy(cn_graph *g, const cn_source *s, const cn_samples *from, int64_t i, const cn_samples *to, int64_t j,
                      int64_t n); /* rows i .. i + n - 1 to rows j ... */

#endif
