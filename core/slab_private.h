/* Slabs of large pages, in which buffers of a middle size stand. */
#ifndef CN_CORE_SLAB_PRIVATE_H
#define CN_CORE_SLAB_PRIVATE_H
#include "context_private.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define CNI_POISON(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define CNI_UNPOISON(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define CNI_POISON(p, size) ((void)(p), (void)(size))
#define CNI_UNPOISON(p, size) ((void)(p), (void)(size))
#endif

#define ALIGNMENT ((size_t)64)
#define HEAD ALIGNMENT      /* before the data of an allocation, a buffer or a slab, so that the data is aligned too */
#define PAGE ((size_t)4096)

/* Sizes of such buffers. Those above come and go on their own, and have large pages of their own. */
#define CNI_SLAB_BEGIN ((size_t)64 << 10)
#define CNI_SLAB_END ((size_t)4 << 20)

/* Filled from front to back. What is in it stays, in use or in the pool, until the graph ends: a hole would serve nothing else. */
typedef struct cni_slab { struct cni_slab *next; size_t size, used; } cni_slab;

void *cni_slab_take(cni_context *c, size_t size);  /* 64-byte aligned, not zeroed; at most CNI_SLAB_END. NULL: no memory for a slab */
void cni_slabs_free(cni_context *c);

#endif
