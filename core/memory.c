/* A graph's memory: tracked allocations, block arenas and the pool of buffers. Everything passes `obtain` and what gives it back, which keep the count of bytes
 * and survive an allocator that says no. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "slab_private.h"

#define SMALL_CLASSES 28                 /* two to a doubling, 64 bytes to 1 MB */
#define EXACT_SIZE CNI_SLAB_END          /* in classes of such rooms buffers are as long as they must be, to the page, and a free one is searched by size */
#define FIRST_BLOCK ((size_t)64 << 10)
#define SMALL_BLOCK 1024
#define LARGEST_BLOCK ((size_t)1 << 20)

_Static_assert(sizeof(cni_buffer) <= HEAD, "a buffer's header fits before its data");
_Static_assert(sizeof(cni_allocation) <= HEAD, "an allocation's header fits before its data");
_Static_assert(sizeof(cni_block) == 16, "a block's header keeps what follows aligned to 16");

static void give_back(cni_context *c, void *p, size_t size) {
  c->bytes -= size;
  c->allocator.free(c->allocator.user, p, size);
}

static void give_back_buffer(cni_context *c, cni_buffer *b) {
  const size_t size = b->size;
  CNI_UNPOISON((char *)b + HEAD, size);
  if (!b->slab) give_back(c, b, HEAD + size);
  else c->bytes -= HEAD + size;
}

/* False: nothing went back. What a step that is being captured has used stays: the replay points at it; what stands in slabs, too, but at the end. */
static bool pool_empty(cni_context *c, bool end) {
  const size_t before = c->bytes;
  for (int i = 0; i < CNI_CLASSES; i++)
    for (cni_buffer **at = &c->pool[i], *b; (b = *at);) {
      if (!end && (b->captured || b->slab)) {
        at = &b->next;
        continue;
      }
      *at = b->next;
      give_back_buffer(c, b);
    }
  return c->bytes < before;
}

/* From a slab, or the allocator; when that has nothing left, what the pool keeps unused is returned first. */
static void *obtain_in(cn_graph *g, size_t size, bool *slab) {
  cni_context *c = cni_context_of(g);
  void *p = *slab ? cni_slab_take(c, size) : NULL;
  *slab = p != NULL;
  if (!p) p = c->allocator.alloc(c->allocator.user, size);
  if (!p && pool_empty(c, false)) p = c->allocator.alloc(c->allocator.user, size);
  if (!p) {
    cn_fail(g, CN_NO_MEMORY, "out of memory: %zu bytes were asked for", size);
    return NULL;
  }
  c->bytes += size;
  if (c->bytes > c->peak_bytes) c->peak_bytes = c->bytes;
  return p;
}
static void *obtain(cn_graph *g, size_t size) { return obtain_in(g, size, &(bool){ false }); }

static bool too_large(cn_graph *g, size_t size) {
  if (size <= SIZE_MAX / 4) return false;
  cn_fail(g, CN_NO_MEMORY, "out of memory: %zu bytes were asked for", size);
  return true;
}

/* Life of a context. */

bool cni_context_init(cn_graph *g, const cn_allocator *allocator) {
  cni_context *c = cni_context_of(g);
  c->allocator = allocator && allocator->alloc && allocator->free ? *allocator : cni_system_allocator;
  c->steps.next = c->steps.previous = &c->steps;
  c->kept.next = c->kept.previous = &c->kept;
  c->allocations.next = c->allocations.previous = &c->allocations;
  return true;
}

static void ring_free(cni_context *c, cni_buffer *ring) {
  for (cni_buffer *b = ring->next, *next; b != ring; b = next) {
    next = b->next;
    give_back_buffer(c, b);
  }
  ring->next = ring->previous = ring;
}

static void allocator_unshare(cni_context *c) {
  if (!c->own.alloc) return;
  c->allocator = c->own;
  c->own = (cn_allocator){ NULL, NULL, NULL };
  pthread_mutex_destroy(&c->lock);
}

void cni_hooks_run(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  while (c->hooks) {
    cni_hook *hook = c->hooks;
    c->hooks = hook->next;
    hook->run(g, hook->p);
  }
}

void cni_context_free(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  cni_hooks_run(g);
  cni_arena spare = { .first = c->spare };
  cni_arena_free(g, &spare);
  c->spare = NULL;
  ring_free(c, &c->steps);
  ring_free(c, &c->kept);
  pool_empty(c, true);
  cni_slabs_free(c);
  for (cni_allocation *a = c->allocations.next, *next; a != &c->allocations; a = next) {
    next = a->next;
    give_back(c, a, HEAD + a->size);
  }
  c->allocations.next = c->allocations.previous = &c->allocations;
  allocator_unshare(c);
}

bool cni_on_free(cn_graph *g, void (*run)(cn_graph *g, void *p), void *p) {
  cni_context *c = cni_context_of(g);
  cni_hook *hook = cni_alloc(g, sizeof *hook);
  if (!hook) return false;
  *hook = (cni_hook){ c->hooks, run, p };
  c->hooks = hook;
  return true;
}

void cni_off_free(cn_graph *g, void (*run)(cn_graph *g, void *p), void *p) {
  for (cni_hook **at = &cni_context_of(g)->hooks, *hook; (hook = *at); at = &hook->next)
    if (hook->run == run && hook->p == p) {
      *at = hook->next;
      cni_free(g, hook);
      return;
    }
}

/* A caller's allocator, one call at a time. */

static void *locked_alloc(void *user, size_t size) {
  cni_context *c = user;
  pthread_mutex_lock(&c->lock);
  void *p = c->own.alloc(c->own.user, size);
  pthread_mutex_unlock(&c->lock);
  return p;
}

static void locked_free(void *user, void *p, size_t size) {
  cni_context *c = user;
  pthread_mutex_lock(&c->lock);
  c->own.free(c->own.user, p, size);
  pthread_mutex_unlock(&c->lock);
}

cn_allocator cni_allocator_share(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  if (c->allocator.alloc == cni_system_allocator.alloc || c->own.alloc) return c->allocator;
  pthread_mutex_init(&c->lock, NULL);
  c->own = c->allocator;
  c->allocator = (cn_allocator){ locked_alloc, locked_free, c };
  return c->allocator;
}

/* Tracked allocations. */

static cni_allocation *allocation_of(void *p) { return (cni_allocation *)(void *)((char *)p - HEAD); }

static void *alloc_unset(cn_graph *g, size_t size) {
  if (too_large(g, size)) return NULL;
  cni_allocation *a = obtain(g, HEAD + size), *ring = &cni_context_of(g)->allocations;
  if (!a) return NULL;
  *a = (cni_allocation){ .next = ring->next, .previous = ring, .size = size };
  ring->next->previous = a;
  ring->next = a;
  return (char *)a + HEAD;
}

void *cni_alloc(cn_graph *g, size_t size) {
  void *p = alloc_unset(g, size);
  return p ? memset(p, 0, size) : NULL;
}

void *cni_realloc(cn_graph *g, void *p, size_t size) {
  if (!p) return cni_alloc(g, size);
  const size_t old = allocation_of(p)->size, common = old < size ? old : size;
  char *q = alloc_unset(g, size);
  if (!q) return NULL;
  memcpy(q, p, common);
  memset(q + common, 0, size - common);
  cni_free(g, p);
  return q;
}

void cni_free(cn_graph *g, void *p) {
  if (!p) return;
  cni_allocation *a = allocation_of(p);
  a->previous->next = a->next;
  a->next->previous = a->previous;
  give_back(cni_context_of(g), a, HEAD + a->size);
}

char *cni_strdup(cn_graph *g, const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = alloc_unset(g, size);
  return copy ? memcpy(copy, text, size) : NULL;
}

bool cni_grow(cn_graph *g, void **array, int64_t count, int64_t *capacity, size_t size) {
  if (count < *capacity) return true;
  const int64_t wanted = *capacity < 8 ? 8 : *capacity * 2;
  size_t bytes;
  if (!cni_size_multiply((size_t)wanted, size, &bytes)) return !too_large(g, SIZE_MAX);
  void *p = cni_realloc(g, *array, bytes);
  if (!p) return false;
  *array = p;
  *capacity = wanted;
  return true;
}

/* Arenas. Blocks stand in the order in which they are filled and stay for the next round. */

static cni_block *arena_block(cn_graph *g, const cni_arena *a, size_t size) {
  const size_t last = a->current ? a->current->size + sizeof(cni_block) : 0;
  size_t bytes = last == 0 ? (a->tracked ? SMALL_BLOCK : FIRST_BLOCK) : last >= LARGEST_BLOCK / 2 ? LARGEST_BLOCK : last * 2;
  for (cni_block **at = &cni_context_of(g)->spare; *at && !a->tracked; at = &(*at)->next)
    if ((*at)->size >= size) {
      cni_block *b = *at;
      *at = b->next;
      b->next = NULL;
      return b;
    }
  if (bytes < size + sizeof(cni_block)) bytes = (size + sizeof(cni_block) + PAGE - 1) & ~(PAGE - 1);
  cni_block *b = a->tracked ? cni_alloc(g, bytes) : obtain(g, bytes);
  if (b) *b = (cni_block){ .next = NULL, .size = bytes - sizeof(cni_block) };
  return b;
}

static void *arena_next(cn_graph *g, cni_arena *a, size_t size) {
  cni_block *next = a->current ? a->current->next : a->first;
  if (!next || next->size < size) {
    cni_block *b = arena_block(g, a, size);
    if (!b) return NULL;
    b->next = next;
    *(a->current ? &a->current->next : &a->first) = b;
    next = b;
  }
  a->current = next;
  a->used = size;
  return next + 1;
}

void *cni_arena_take(cn_graph *g, cni_arena *a, size_t size) {
  if (too_large(g, size)) return NULL;
  size = (size + 15) & ~(size_t)15;
  if (!a->current || size > a->current->size - a->used) return arena_next(g, a, size);
  void *p = (char *)(a->current + 1) + a->used;
  a->used += size;
  return p;
}

bool cni_arena_holds(const cni_arena *a, const void *p, size_t size) {
  const uintptr_t at = (uintptr_t)p;
  for (const cni_block *b = a->first; b && at % 16 == 0; b = b->next) {
    const uintptr_t begin = (uintptr_t)(b + 1);
    if (at >= begin && size <= b->size && at - begin <= b->size - size) return true;
  }
  return false;
}

void cni_arena_rewind(cni_arena *a) {
  a->current = a->first;
  a->used = 0;
}

void cni_arena_free(cn_graph *g, cni_arena *a) {
  for (cni_block *b = a->first, *next; b; b = next) {
    next = b->next;
    if (a->tracked) cni_free(g, b);
    else give_back(cni_context_of(g), b, b->size + sizeof *b);
  }
  *a = (cni_arena){ .tracked = a->tracked };
}

void cni_arena_retire(cn_graph *g, cni_arena *a) {
  cni_context *c = cni_context_of(g);
  while (a->first) {
    cni_block *b = a->first;
    a->first = b->next;
    b->next = c->spare;
    c->spare = b;
  }
  *a = (cni_arena){ 0 };
}

/* Buffers. Each is in one place: the ring of those with step uses, the ring of those with other uses only, or the free list of its class. */

/* Index of the smallest class that holds `size`, whose length goes to *room. Up to 1 MB the steps are 2^k and 1.5 * 2^k, above quarters of 2^k. */
static int size_class(size_t size, size_t *room) {
  if (size <= ALIGNMENT) return *room = ALIGNMENT, 0;
  const int k = 63 - __builtin_clzll((unsigned long long)size - 1); /* 2^k < size <= 2^(k + 1) */
  const int bits = k < 20 ? 1 : 2;
  const size_t step = (size_t)1 << (k - bits), steps = (size - 1) >> (k - bits); /* steps + 1 of them hold size */
  *room = (steps + 1) * step;
  const int part = (int)(steps + 1) - (1 << bits);
  return k < 20 ? 2 * (k - 6) + part : SMALL_CLASSES + 4 * (k - 20) + part;
}

static void link_buffer(cni_buffer *b, cni_buffer *ring) {
  b->next = ring->next;
  b->previous = ring;
  ring->next->previous = b;
  ring->next = b;
}

static void unlink_buffer(cni_buffer *b) {
  b->previous->next = b->next;
  b->next->previous = b->previous;
}

static void to_pool(cni_context *c, cni_buffer *b) {
  CNI_POISON(b->data, b->size);
  b->held = false;
  b->version++;
  b->next = c->pool[b->size_class];
  c->pool[b->size_class] = b;
}

/* The shortest free buffer of a class of large ones that is long enough. Where there is none, one that is too short goes, so that growing requests do not pile
 * up. */
static cni_buffer *search(cni_context *c, int class, size_t size) {
  cni_buffer **best = NULL;
  for (cni_buffer **at = &c->pool[class]; *at; at = &(*at)->next)
    if ((*at)->size >= size && (!best || (*at)->size < (*best)->size)) best = at;
  cni_buffer *b = best ? *best : c->pool[class];
  if (!b) return NULL;
  *(best ? best : &c->pool[class]) = b->next;
  if (!best) give_back_buffer(c, b);
  return best ? b : NULL;
}

static cni_buffer *from_pool(cni_context *c, int class, size_t room, bool exact) {
  if (exact) return search(c, class, room);
  cni_buffer *b = c->pool[class];
  if (b) c->pool[class] = b->next;
  return b;
}

/* In a slab, if it is of a middle size and the allocator is not the caller's own, which may count. */
static cni_buffer *buffer_new(cn_graph *g, int class, size_t room, bool exact) {
  bool slab = !exact && room >= CNI_SLAB_BEGIN && cni_context_of(g)->allocator.alloc == cni_system_allocator.alloc;
  cni_buffer *b = obtain_in(g, HEAD + room, &slab);
  if (!b) return NULL;
  *b = (cni_buffer){ .data = (char *)b + HEAD, .size = room, .slab = slab, .size_class = (int16_t)class };
  return b;
}

cni_buffer *cni_buffer_take(cn_graph *g, size_t size, bool step) {
  if (too_large(g, size)) return NULL;
  cni_context *c = cni_context_of(g);
  size_t room;
  const int class = size_class(size, &room);
  if (class >= CNI_CLASSES) return too_large(g, SIZE_MAX), NULL;
  const bool exact = room >= EXACT_SIZE; /* the whole class, whose longest room is this */
  if (exact) room = (size + PAGE - 1) & ~(PAGE - 1);
  cni_buffer *b = from_pool(c, class, room, exact);
  if (!b) b = buffer_new(g, class, room, exact);
  if (!b) return NULL;
  CNI_UNPOISON(b->data, b->size);
  b->step = step;
  b->uses = !step;
  b->step_uses = step;
  link_buffer(b, step ? &c->steps : &c->kept);
  return b;
}

void cni_buffer_use(cn_graph *g, cni_buffer *b, bool step) {
  if (!step) {
    b->uses++;
    return;
  }
  if (b->step_uses++ > 0) return;
  unlink_buffer(b);
  link_buffer(b, &cni_context_of(g)->steps);
  b->step = true;
}

void cni_buffer_drop(cn_graph *g, cni_buffer *b, bool step) {
  cni_context *c = cni_context_of(g);
  if (step) b->step_uses--;
  else b->uses--;
  if (b->step_uses > 0 || (b->uses > 0 && !b->step)) return;
  unlink_buffer(b);
  b->step = false;
  if (b->uses > 0) link_buffer(b, &c->kept);
  else to_pool(c, b);
}

void cni_buffers_reset(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  for (cni_buffer *b = c->steps.next, *next; b != &c->steps; b = next) {
    next = b->next;
    b->step_uses = 0;
    b->step = false;
    if (b->uses > 0) link_buffer(b, &c->kept);
    else to_pool(c, b);
  }
  c->steps.next = c->steps.previous = &c->steps;
}

/* Free buffers with the mark: how many, and their bytes. */
static int64_t captured_count(const cni_context *c, size_t *bytes) {
  int64_t n = 0;
  *bytes = 0;
  for (int i = 0; i < CNI_CLASSES; i++)
    for (const cni_buffer *b = c->pool[i]; b; b = b->next)
      if (b->captured) n++, *bytes += b->size;
  return n;
}

static bool captured_in_use(cni_context *c) {
  bool any = false;
  for (cni_buffer *b = c->kept.next; b != &c->kept; b = b->next) {
    any |= b->captured;
    b->captured = false;
  }
  return any;
}

bool cni_buffers_withdraw(cn_graph *g, size_t most, cni_buffer ***buffers, int64_t *count) {
  cni_context *c = cni_context_of(g);
  size_t bytes;
  const int64_t n = captured_count(c, &bytes);
  *count = 0;
  const bool in_use = captured_in_use(c);
  *buffers = in_use || bytes > most ? NULL : cni_alloc(g, (size_t)(n + 1) * sizeof(cni_buffer *));
  for (int i = 0; i < CNI_CLASSES; i++)
    for (cni_buffer **at = &c->pool[i], *b; (b = *at);) {
      const bool take = b->captured && *buffers;
      b->captured = false;
      if (!take) {
        at = &b->next;
        continue;
      }
      *at = b->next;
      CNI_UNPOISON(b->data, b->size);
      b->uses = 1;
      b->held = true;
      link_buffer(b, &c->kept);
      (*buffers)[(*count)++] = b;
    }
  if (*buffers && *count == n) return true; /* fewer: the array's memory came from the pool itself */
  for (int64_t i = 0; i < *count; i++) cni_buffer_drop(g, (*buffers)[i], false);
  cni_free(g, *buffers);
  *buffers = NULL;
  *count = 0;
  return false;
}
