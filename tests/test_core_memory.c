/* Allocations, arenas and the pool of buffers. */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include "test_core.h"
#include "../core/slab_private.h"

Test(memory, allocations_are_zeroed_aligned_and_tracked) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  char *p[40];
  for (int i = 0; i < 40; i++) {
    p[i] = cni_alloc(&g, (size_t)i * 7);
    cr_assert(p[i] && (uintptr_t)p[i] % 64 == 0);
    for (int j = 0; j < i * 7; j++) cr_assert_eq(p[i][j], 0);
    memset(p[i], 1, (size_t)i * 7);
  }
  for (int i = 0; i < 40; i += 3) cni_free(&g, p[i]);
  cni_free(&g, NULL);
  p[1] = cni_realloc(&g, p[1], 20);
  for (int j = 0; j < 20; j++) cr_assert_eq(p[1][j], j < 7);
  p[2] = cni_realloc(&g, p[2], 3);
  for (int j = 0; j < 3; j++) cr_assert_eq(p[2][j], 1);
  cr_assert(cni_realloc(&g, NULL, 5));
  CHECK_TEXT(cni_strdup(&g, "text"), "text");
  graph_end(&g, &n);
}

Test(memory, bytes_and_peak_are_kept) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  void *p = cni_alloc(&g, 1000);
  cr_assert_eq(g.c.bytes, 1064);
  cni_free(&g, p);
  cr_assert_eq(g.c.bytes, 0);
  cr_assert_eq(g.c.peak_bytes, 1064);
  graph_end(&g, &n);
}

Test(memory, default_allocator) {
  cn_graph g = { .c = { .bytes = 0 } };
  cr_assert(cni_context_init(&g, NULL));
  cni_buffer *b = cni_buffer_take(&g, 100, true);
  cr_assert(b && (uintptr_t)b->data % 64 == 0);
  cr_assert(cni_alloc(&g, 1));
  cni_context_free(&g);
  cr_assert_eq(g.c.bytes, 0);
}

/* With the system's allocator; a caller's own sees each buffer. */
Test(memory, middle_buffers_stand_in_slabs) {
  enum { COUNT = 80 };
  cn_graph g = { .c = { .bytes = 0 } };
  cni_buffer *b[COUNT], *small, *large;
  cr_assert(cni_context_init(&g, NULL));
  small = cni_buffer_take(&g, CNI_SLAB_BEGIN / 2, false), large = cni_buffer_take(&g, CNI_SLAB_END - 100000, false);
  cr_assert(small && !small->slab && large && !large->slab);
  const size_t before = g.c.bytes;
  size_t sum = 0;
  for (int i = 0; i < COUNT; i++) {
    b[i] = cni_buffer_take(&g, CNI_SLAB_BEGIN + (size_t)i * 45000, false); /* up to 3.5 MB */
    cr_assert(b[i] && b[i]->slab && (uintptr_t)b[i]->data % 64 == 0);
    memset(b[i]->data, i, b[i]->size);
    sum += b[i]->size + 64;
  }
  cr_assert_eq(g.c.bytes, before + sum);
  cr_assert(g.c.slabs && g.c.slabs->next);
  for (int i = 0; i < COUNT; i++)
    for (size_t k = 0; k < b[i]->size; k += 997) cr_assert_eq(((const char *)b[i]->data)[k], i);
  const size_t apart = (uintptr_t)b[1]->data - (uintptr_t)b[0]->data;
  cr_assert(apart > b[0]->size && apart % 4096 >= 1024 && apart % 4096 <= 3072, "another place of a page: %zu", apart);
#ifdef POISONS
  cr_assert(__asan_address_is_poisoned((char *)b[0]->data + b[0]->size));
#endif
  for (int i = 0; i < COUNT; i += 2) cni_buffer_drop(&g, b[i], false);
  cr_assert(cni_buffer_take(&g, b[0]->size, false) == b[0], "free ones are in the pool");
  cni_context_free(&g);
  cr_assert_eq(g.c.bytes, 0);
}

#ifndef POISONS /* the sanitizer's own allocator ends the process */
/* Where addresses are scarce a buffer has memory of its own. */
Test(memory, no_room_for_a_slab) {
  cn_graph g = { .c = { .bytes = 0 } };
  cr_assert(cni_context_init(&g, NULL));
  g.c.bytes = SIZE_MAX / 8; /* a slab asks for as much */
  const size_t largest = (size_t)64 << 20;
  struct rlimit limit = { .rlim_cur = 0 };
  cr_assert(getrlimit(RLIMIT_AS, &limit) == 0);
  const struct rlimit before = limit;
  FILE *f = fopen("/proc/self/statm", "r");
  long pages = 0;
  cr_assert(f && fscanf(f, "%ld", &pages) == 1);
  fclose(f);
  limit.rlim_cur = (rlim_t)pages * 4096 + largest / 2;
  cr_assert(setrlimit(RLIMIT_AS, &limit) == 0);
  cni_buffer *b = cni_buffer_take(&g, 100000, false);
  cr_assert(setrlimit(RLIMIT_AS, &before) == 0);
  cr_assert(b && !b->slab && !g.c.slabs);
  g.c.bytes -= SIZE_MAX / 8;
  cni_context_free(&g);
  cr_assert_eq(g.c.bytes, 0);
}
#endif

Test(memory, grow) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  int64_t capacity = 0;
  void *array = NULL;
  for (int64_t i = 0; i < 100; i++) {
    cr_assert(cni_grow(&g, &array, i, &capacity, sizeof(int64_t)));
    ((int64_t *)array)[i] = i;
  }
  cr_assert_eq(capacity, 128);
  for (int64_t i = 0; i < 100; i++) cr_assert_eq(((int64_t *)array)[i], i);
  int64_t huge = INT64_MAX / 4;
  cr_assert_not(cni_grow(&g, &array, huge, &huge, 1 << 20));
  cr_assert_eq(cn_error_code(&g), CN_NO_MEMORY);
  size_t product;
  cr_assert(cni_size_multiply(3, 4, &product) && product == 12);
  cr_assert_not(cni_size_multiply(SIZE_MAX, 2, &product));
  graph_end(&g, &n);
}

Test(memory, absurd_sizes_are_refused) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_arena a = { 0 };
  cr_assert_null(cni_alloc(&g, SIZE_MAX));
  CHECK_TEXT(cn_error(&g), "out of memory: 18446744073709551615 bytes were asked for");
  cr_assert_null(cni_buffer_take(&g, SIZE_MAX - 3, false));
  cr_assert_null(cni_arena_take(&g, &a, SIZE_MAX - 3));
  cr_assert_eq(n.calls, 0);
  graph_end(&g, &n);
}

Test(memory, arena_is_rewound_and_used_again) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_arena a = { 0 };
  int64_t calls = 0;
  for (int round = 0; round < 3; round++) {
    char *before = NULL;
    for (size_t i = 0; i < 20000; i++) {
      const size_t size = i % 97 + (i == 5000 ? 3000000 : 0);
      char *p = cni_arena_take(&g, &a, size);
      cr_assert(p && (uintptr_t)p % 16 == 0 && p != before);
      memset(p, round, size);
      before = size ? p : before;
    }
    if (round == 0) calls = n.calls;
    cr_assert_eq(n.calls, calls, "a rewound arena takes no new memory");
    cni_arena_rewind(&a);
  }
  cr_assert_gt(calls, 2);
  cr_assert_lt(calls, 12);
  cni_arena_free(&g, &a);
  cr_assert_eq(n.live, 0);
  graph_end(&g, &n);
}

static size_t waste_of(cn_graph *g, size_t size) {
  cni_buffer *b = cni_buffer_take(g, size, false);
  cr_assert(b && b->size >= size && (uintptr_t)b->data % 64 == 0);
  const size_t waste = b->size - size;
  cni_buffer_drop(g, b, false);
  return waste;
}

Test(memory, size_classes) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  static const size_t sizes[][2] = { { 0, 64 }, { 1, 64 }, { 64, 64 }, { 65, 96 }, { 96, 96 }, { 97, 128 }, { 129, 192 }, { 193, 256 }, { 1 << 20, 1 << 20 },
                                     { (1 << 20) + 1, 5 << 18 }, { 5 << 18, 5 << 18 }, { (5 << 18) + 1, 6 << 18 }, { 3 << 20, 3 << 20 },
                                     { (7 << 19) + 1, (7 << 19) + 4096 } };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) cr_assert_eq(waste_of(&g, sizes[i][0]), sizes[i][1] - sizes[i][0], "%zu", sizes[i][0]);
  cr_assert_eq(waste_of(&g, 9000000), 9003008 - 9000000);
  for (size_t size = 64; size < (1 << 20); size = size * 9 / 8 + 1) cr_assert_leq(waste_of(&g, size), size / 2);
  for (size_t size = 1 << 20; size < (8 << 20); size += 99991) cr_assert_leq(waste_of(&g, size), size / 4);
  graph_end(&g, &n);
}

Test(memory, large_buffers_are_found_by_size_and_do_not_pile_up) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  for (size_t i = 0; i < 50; i++) cr_assert_lt(waste_of(&g, 8500000 + i * 20000), 4096);
  cr_assert_eq(n.live, 1, "each miss gave the one before it back");
  cni_buffer *a = cni_buffer_take(&g, 9000000, false), *b = cni_buffer_take(&g, 8600000, false);
  const int64_t calls = n.calls;
  cni_buffer_drop(&g, a, false);
  cni_buffer_drop(&g, b, false);
  cr_assert(cni_buffer_take(&g, 8600000, false) == b, "the shortest that is long enough");
  cr_assert(cni_buffer_take(&g, 9000000, false) == a);
  cr_assert_eq(n.calls, calls);
  graph_end(&g, &n);
}

Test(memory, uses_of_both_kinds) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_buffer *b = cni_buffer_take(&g, 100, true);
  const uint32_t version = b->version;
  cni_buffer_use(&g, b, true);
  cni_buffer_use(&g, b, false);
  cr_assert(b->step && b->step_uses == 2 && b->uses == 1);
  cni_buffer_drop(&g, b, true);
  cr_assert(b->step);
  cni_buffers_reset(&g);
  cr_assert(!b->step && b->step_uses == 0 && b->uses == 1, "kept across the step");
  cr_assert_neq(cni_buffer_take(&g, 100, true), b);
  cni_buffer_use(&g, b, true);
  cni_buffer_drop(&g, b, false);
  cr_assert(b->step && b->uses == 0);
  cr_assert_eq(b->version, version);
  cni_buffer_drop(&g, b, true);
  cr_assert_eq(cni_buffer_take(&g, 100, false), b, "free after its last use");
  cr_assert_neq(b->version, version, "another life, another version");
  graph_end(&g, &n);
}

Test(memory, no_allocator_calls_after_warm_up) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  int64_t calls = 0;
  for (int step = 0; step < 20; step++) {
    for (size_t i = 0; i < 500; i++) {
      cni_buffer *b = cni_buffer_take(&g, i * 37 % 9000, true);
      cr_assert(b);
      if (i % 3 == 0) cni_buffer_drop(&g, b, true);
    }
    cni_buffers_reset(&g);
    if (step == 0) calls = n.calls;
  }
  cr_assert_eq(n.calls, calls);
  graph_end(&g, &n);
}

Test(memory, pool_goes_back_when_the_allocator_is_empty) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  for (size_t size = 100; size < 100000000; size *= 10) cni_buffer_drop(&g, cni_buffer_take(&g, size, false), false);
  cr_assert_eq(n.live, 6);
  n.fail_at = n.calls + 1;
  cr_assert(cni_alloc(&g, 10), "the request is repeated once the pool is empty");
  cr_assert_eq(n.live, 1);
  cr_assert(cn_ok(&g));
  n.fail_at = -1;
  cr_assert_null(cni_buffer_take(&g, 1000, true));
  cr_assert_eq(cn_error_code(&g), CN_NO_MEMORY);
  CHECK_TEXT(cn_error(&g), "out of memory: 1088 bytes were asked for");
  graph_end(&g, &n);
}

#ifdef POISONS
Test(memory, free_buffers_are_poisoned) {
  cn_graph g;
  counting n;
  graph_begin(&g, &n);
  cni_buffer *b = cni_buffer_take(&g, 100, true);
  cr_assert_not(__asan_address_is_poisoned(b->data));
  cni_buffers_reset(&g);
  cr_assert(__asan_address_is_poisoned(b->data) && __asan_address_is_poisoned((char *)b->data + b->size - 1));
  cr_assert_eq(cni_buffer_take(&g, 120, true), b);
  cr_assert_not(__asan_region_is_poisoned(b->data, b->size));
  graph_end(&g, &n);
}
#endif

static void note(cn_graph *g, void *p) {
  int **next = p;
  (void)g;
  *(*next)++ = 1;
}

typedef struct order { int *at; int value; } order;

static void note_order(cn_graph *g, void *p) {
  const order *o = p;
  cr_assert(cni_alloc(g, 10), "a hook may still use the graph");
  *o->at = *o->at * 10 + o->value;
}

Test(memory, hooks_run_last_first) {
  cn_graph g;
  counting n;
  int seen = 0, marks[1] = { 0 }, *next = marks;
  graph_begin(&g, &n);
  order first = { &seen, 1 }, second = { &seen, 2 };
  cr_assert(cni_on_free(&g, note_order, &first) && cni_on_free(&g, note_order, &second) && cni_on_free(&g, note, (void *)&next));
  graph_end(&g, &n);
  cr_assert_eq(seen, 21);
  cr_assert_eq(marks[0], 1);
}
