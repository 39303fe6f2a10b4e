/* Large pages: the cache of addresses holds 2,000 pages or so, 8 MB of small ones, and what fetches ahead stops at the end of each (a step of ln_gelu, whose
 * arrays are of 1 MB, takes 0.9 of the time). */
#include "slab_private.h"
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

/* Data begin at different places of a page: AMD's first-level caches guess the way from a hash of the address, and take lines for one another whose addresses
 * differ by 256 MB, say, so that arrays which are walked together would hinder each other all along (a third of the bandwidth was left). */
#define PLACES 13
#define APART ((size_t)17 * ALIGNMENT)
/* Two blocks n times 256 MB apart have places 129 n = 12 n (modulo 13) apart. */
static size_t place_of(uintptr_t large_page) { return ((large_page >> 21) + (large_page >> 28)) % PLACES * APART; }

/* ---- the system's allocator ---- */
static void *system_alloc(void *user, size_t size) {
  (void)user;
  const bool large = size >= LARGE_PAGE;
  const size_t unit = large ? LARGE_PAGE : ALIGNMENT, whole = large ? size + PLACES * APART : size;
  if (whole < size || whole > SIZE_MAX - unit) return NULL;
  char *p = aligned_alloc(unit, (whole + unit - 1) & ~(unit - 1));
  if (!p || !large) return p;
  madvise(p, whole & ~(LARGE_PAGE - 1), MADV_HUGEPAGE); /* no large page for the rest: it would count whole */
  return p + place_of((uintptr_t)p);
}

static void system_free(void *user, void *p, size_t size) {
  (void)user;
  free(size < LARGE_PAGE ? p : (void *)((uintptr_t)p & ~(uintptr_t)(LARGE_PAGE - 1)));
}

const cn_allocator cni_system_allocator = { system_alloc, system_free, NULL };

/* ---- slabs ---- */
#define FIRST_SLAB ((size_t)8 << 20) /* of addresses; memory is what is written */
#define LARGEST_SLAB ((size_t)64 << 20)

_Static_assert(sizeof(cni_slab) <= HEAD, "a slab's header fits before its first buffer");
_Static_assert(FIRST_SLAB >= 2 * CNI_SLAB_END, "every buffer fits");

/* As large as all that there is, so that their number stays small. */
static bool slab_new(cni_context *c) {
  const size_t size = c->bytes < FIRST_SLAB ? FIRST_SLAB : c->bytes < LARGEST_SLAB ? (c->bytes + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1) : LARGEST_SLAB;
  cni_slab *s = c->allocator.alloc(c->allocator.user, size);
  if (!s) return false;
  *s = (cni_slab){ .next = c->slabs, .size = size, .used = HEAD };
  CNI_POISON((char *)s + HEAD, size - HEAD);
  c->slabs = s;
  return true;
}

void *cni_slab_take(cni_context *c, size_t size) {
  if ((!c->slabs || c->slabs->size - c->slabs->used < size) && !slab_new(c)) return NULL;
  cni_slab *s = c->slabs;
  char *p = (char *)s + s->used;
  const size_t next = s->used + ((size + PAGE - 1) & ~(PAGE - 1)) + APART; /* another place of a page */
  s->used = next < s->size ? next : s->size;
  CNI_UNPOISON(p, size);
  return p;
}

void cni_slabs_free(cni_context *c) {
  for (cni_slab *s = c->slabs, *next; s; s = next) {
    next = s->next;
    CNI_UNPOISON(s, s->size);
    c->allocator.free(c->allocator.user, s, s->size);
  }
  c->slabs = NULL;
}
