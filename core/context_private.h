/* The part of a graph that core serves: memory, errors, the name scope, kernels and threads. It is the first member of struct cn_graph, so a cn_graph * is one.
 */
#ifndef CN_CORE_CONTEXT_PRIVATE_H
#define CN_CORE_CONTEXT_PRIVATE_H
#include <pthread.h>
#include <stdarg.h>
#include "error.h"
#include "options.h"
#include "random.h"
#include "types.h"

#define CNI_ERROR_SIZE 512
#define CNI_SCOPE_SIZE 256
#define CNI_CLASSES 140 /* size classes of the pool: 64, 96, 128, 192, 256, ... bytes, above 1 MB four to a doubling */

/* A reference-counted block of numbers, 64-byte aligned, from the pool of its size class. */
typedef struct cni_buffer {
  struct cni_buffer *next, *previous; /* in one of the rings of lent buffers, or in the pool's free list (next only) */
  void *data;
  size_t size;                        /* usable bytes */
  int32_t uses;                       /* by what lives across steps */
  int32_t step_uses;                  /* by tensors of this step: all end with it */
  uint32_t version;                   /* counts writes */
  int16_t size_class;
  bool step;                          /* on the ring of buffers with step uses */
  bool slab;                          /* stands in a slab */
  bool held;                          /* by a plan or a replay, which writes it anew at each step */
  bool captured;                      /* held a value of the step that is being captured; stands until that step ends */
} cni_buffer;

/* A block arena: bump allocation, rewound as a whole, unmapped only with its graph. */
typedef struct cni_block { struct cni_block *next; size_t size; } cni_block;
typedef struct cni_arena {
  cni_block *first, *current;
  size_t used;
  bool tracked;                      /* its blocks are tracked allocations, small ones first: for arenas that belong to objects, of which there may be many */
} cni_arena;

/* A tracked allocation that lives until cni_free or the graph's end. */
typedef struct cni_allocation { struct cni_allocation *next, *previous; size_t size; size_t pad; } cni_allocation;

typedef struct cni_hook { struct cni_hook *next; void (*run)(cn_graph *g, void *p); void *p; } cni_hook;

typedef struct cni_kernels cni_kernels; /* kernels.h */

typedef struct cni_context {
  cn_allocator allocator;
  cn_allocator own;                  /* the caller's, where `allocator` is it under a lock */
  pthread_mutex_t lock;
  cn_code code;
  char error[CNI_ERROR_SIZE];
  const char *where;                 /* name of the running operation or entry point, put before an error's text */
  char scope[CNI_SCOPE_SIZE];        /* path of the layer being called, put after it */
  const char *path;                  /* the same while a step is replayed; NULL otherwise */
  const char *caller;                /* "fit", "evaluate", "predict" while one of them runs, and its batch: put behind the path */
  int64_t batch;
  cn_error_callback on_error;
  void *on_error_user;
  cn_output_callback output;
  void *output_user;
  cni_buffer *pool[CNI_CLASSES];     /* free buffers */
  cni_buffer steps;                  /* ring of buffers lent to step tensors */
  cni_buffer kept;                   /* ring of buffers with uses across steps only */
  cni_allocation allocations;        /* ring of tracked allocations */
  cni_block *spare;                  /* blocks of retired arenas */
  struct cni_slab *slabs;            /* the last one first, which buffers are taken from */
  cni_hook *hooks;                   /* run when the graph is freed, last added first */
  size_t bytes, peak_bytes;          /* of what was taken from the allocator and from slabs: now, at most */
  const cni_kernels *kernels[CN_DTYPES]; /* by dtype; NULL for strings */
  int threads;                       /* at most this many for our loops */
  void *primitives;                  /* oneDNN's cache, owned by onednn.c through a hook */
  uint64_t seed, streams;            /* keys of random streams drawn from the graph */
  struct cni_function *functions;    /* a user's functions registered by name (class.c) */
  const struct cn_class **classes;   /* a user's classes */
  int64_t classes_count, classes_capacity;
  const struct cn_class *const *const *builtin; /* the library's class lists, for cn_describe; NULL-terminated, set by whoever knows them */
} cni_context;

extern const struct cn_class *const *const cni_builtin_classes[]; /* models/classes.c, the one folder that knows all */

static inline cni_context *cni_context_of(cn_graph *g) { return (cni_context *)(void *)g; }
static inline const cni_context *cni_context_of_const(const cn_graph *g) { return (const cni_context *)(const void *)g; }

extern const cn_allocator cni_system_allocator;

/* memory.c. All return NULL after reporting CN_NO_MEMORY through cn_fail. */
bool cni_context_init(cn_graph *g, const cn_allocator *allocator);  /* g is zeroed memory of a graph's size */
void cni_context_free(cn_graph *g);                                 /* runs hooks, returns everything but g's own memory */
void *cni_alloc(cn_graph *g, size_t size);                          /* zeroed, 64-byte aligned, tracked */
void *cni_realloc(cn_graph *g, void *p, size_t size);               /* grows or shrinks a cni_alloc; new bytes are zeroed */
void cni_free(cn_graph *g, void *p);                                /* NULL is fine */
char *cni_strdup(cn_graph *g, const char *text);
void *cni_arena_take(cn_graph *g, cni_arena *a, size_t size);       /* 16-byte aligned, not zeroed */
bool cni_arena_holds(const cni_arena *a, const void *p,
                     size_t size); /* whether p .. p + size are of its blocks, filled or not, and p is aligned as what it gives */
void cni_arena_rewind(cni_arena *a);
void cni_arena_free(cn_graph *g, cni_arena *a);
/* A buffer returns to the pool when both its counts are 0. `step` says which count is meant; a buffer with step uses stands on a ring, which the reset empties.
 */
cni_buffer *cni_buffer_take(cn_graph *g, size_t size, bool step);   /* with one use, not zeroed */
void cni_buffer_use(cn_graph *g, cni_buffer *b, bool step);
void cni_buffer_drop(cn_graph *g, cni_buffer *b, bool step);
void cni_buffers_reset(cn_graph *g);                                /* ends every step use */
/* Takes the captured buffers out of the pool, each with one use, as an array of cni_alloc. False (and none is taken, no mark stays) when they have more than
 * `most` bytes, when one is still in use, or without memory. */
bool cni_buffers_withdraw(cn_graph *g, size_t most, cni_buffer ***buffers, int64_t *count);
void cni_arena_retire(cn_graph *g, cni_arena *a); /* its blocks stay mapped, for arenas that need one; what stands in them is as it was until then */
bool cni_on_free(cn_graph *g, void (*run)(cn_graph *g, void *p), void *p);
void cni_hooks_run(cn_graph *g);                                    /* all of them, for a graph that ends: before its tensors do */
void cni_off_free(cn_graph *g, void (*run)(cn_graph *g, void *p), void *p); /* takes it back */
/* The graph's allocator as other threads may use it too, until the graph's end: from now on the calls of one that is the caller's own come one at a time. */
cn_allocator cni_allocator_share(cn_graph *g);
/* Makes room for one more element: doubles *array (of `size`-byte elements) when count reaches *capacity. False: no memory. */
bool cni_grow(cn_graph *g, void **array, int64_t count, int64_t *capacity, size_t size);
static inline bool cni_size_multiply(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); } /* false when the product does not fit */

/* error.c */
cn_code cni_vfail(cn_graph *g, cn_code code, const char *format, va_list args);
void cni_error_clear(cn_graph *g);
size_t cni_scope_push(cn_graph *g, const char *name);               /* appends "/name"; returns the mark for pop */
void cni_scope_pop(cn_graph *g, size_t mark);
void cni_print(cn_graph *g, const char *format, ...) CN_PRINTF(2, 3);
/* The name among `names` nearest to `word` by edit distance (at most a third of its length and at least 1), or NULL. */
const char *cni_nearest(const char *word, const char *const *names, int64_t count);
int cni_distance(const char *word, const char *name);               /* how far they are apart; INT32_MAX: too far to be meant */

/* number.c: text of numbers, whatever the locale. */
const char *cni_number_parse(const char *text, double *out);        /* the end of the number, or NULL; reads nan, inf, -inf and Infinity too */
const char *cni_integer_parse(const char *text, int64_t *out);
int cni_number_text(double v, int digits, char *text,
                    size_t size); /* shortest text that reads back with `digits` (9: f32, 17: f64) significant digits; "nan", "inf" */
int cni_fixed_text(double v, int decimals, char *text, size_t size);    /* as "%.Nf", with a point; decimals at most 17 */

#endif
