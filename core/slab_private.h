/* Where the memory of buffers comes from: the system, with large pages. */
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

/* Buffers of such sizes stand together in slabs of large pages; those above have large pages of their own. */
#define CNI_SLAB_BEGIN ((size_t)64 << 10)
#define CNI_SLAB_END ((size_t)4 << 20)

/* A slab is filled from front to back, and goes when all that stood in it has gone. */
typedef struct cni_slab { size_t size, used; int64_t live; } cni_slab;

/* Not where the caller has an allocator of its own, which may count. */
static inline bool cni_slab_serves(const cni_context *c, size_t size) {
  return size >= CNI_SLAB_BEGIN && size < CNI_SLAB_END && c->allocator.alloc == cni_system_allocator.alloc;
}
void *cni_slab_take(cni_context *c, size_t size, cni_slab **slab); /* 64-byte aligned, not zeroed; NULL without memory; less than CNI_SLAB_END + 64 bytes */
void cni_slab_drop(cni_context *c, cni_slab *slab);                /* one of what stands in it goes */

#endif
