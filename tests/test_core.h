/* What the tests of core share: a graph that is only a context, and an allocator that counts, and fails at the k-th call. */
#ifndef TEST_CORE_H
#define TEST_CORE_H
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../core/context_private.h"

struct cn_graph { cni_context c; };

typedef struct counting { int64_t calls, live, fail_at; size_t bytes; bool misaligned, mismatched; } counting;

/* Before each block stands its size, which free checks. */
static void *counting_alloc(void *user, size_t size) {
  counting *n = user;
  if (++n->calls == n->fail_at || n->fail_at < 0) return NULL;
  char *p = aligned_alloc(64, (64 + size + 63) & ~(size_t)63);
  if (!p) return NULL;
  memcpy(p, &size, sizeof size);
  n->live++;
  n->bytes += size;
  return p + 64;
}

static void counting_free(void *user, void *p, size_t size) {
  counting *n = user;
  size_t given;
  memcpy(&given, (char *)p - 64, sizeof given);
  if (given != size) n->mismatched = true;
  n->live--;
  n->bytes -= size;
  free((char *)p - 64);
}

static inline void graph_begin(cn_graph *g, counting *n) {
  *g = (cn_graph){ .c = { .bytes = 0 } };
  *n = (counting){ .calls = 0 };
  const cn_allocator allocator = { counting_alloc, counting_free, n };
  cr_assert(cni_context_init(g, &allocator));
}

/* Ends a graph and checks that everything went back, with the sizes it came with. */
static inline void graph_end(cn_graph *g, counting *n) {
  cr_assert(n->bytes == g->c.bytes, "the count of bytes is kept");
  cni_context_free(g);
  cr_assert(n->live == 0 && n->bytes == 0 && !n->mismatched, "%ld blocks are left", (long)n->live);
  cr_assert(g->c.bytes == 0);
}

#define CHECK_TEXT(got, wanted) cr_assert_str_eq(got, wanted)

#endif
