/* test_guards [WORKLOAD]: the benchmark's workloads, each in a process of its own: no allocation anywhere in the process over 100 steps after the warm-up, and
 * a bound on the peak of memory. test_guards WORKLOAD STEPS: runs so many steps, for tests/test_instructions.sh. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../bench/bench.h"

/* ---- every allocation of the process, libraries included, comes through here ---- */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

static atomic_long allocations;
static _Atomic(void *) first_caller;
static atomic_bool counting;

static void count(void *caller) {
  void *none = NULL;
  if (!atomic_load_explicit(&counting, memory_order_relaxed)) return;
  atomic_fetch_add(&allocations, 1);
  atomic_compare_exchange_strong(&first_caller, &none, caller);
}

void *malloc(size_t size) {
  count(__builtin_return_address(0));
  return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
  count(__builtin_return_address(0));
  return __libc_calloc(n, size);
}
void *realloc(void *p, size_t size) {
  count(__builtin_return_address(0));
  return __libc_realloc(p, size);
}
void *memalign(size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **p, size_t alignment, size_t size) {
  count(__builtin_return_address(0));
  void *q = __libc_memalign(alignment, size);
  if (!q) return ENOMEM;
  *p = q;
  return 0;
}

/* ---- what a workload may take ---- */
enum { STEPS = 100 };
/* Counts of 4-byte numbers. slots: the optimizer's numbers a weight. kept: what backward needs of the forward pass, the batch itself left out (it stands in the
 * data). */
typedef struct bound {
  const char *name;
  double weights, slots, data, kept;
  int warm_up;      /* steps until every batch has been seen once */
  bool allocates;   /* not held to allocate nothing */
} bound;

#define MLP_784 (784. * 512 + 512 + 512. * 512 + 512 + 512 * 10 + 10)
#define MLP_784_BOUND(name_, batch) { .name = name_, .weights = MLP_784, .slots = 2, .data = 8. * (batch) * 785, .kept = (batch) * (512. + 512 + 10), .warm_up = 16 }
#define TINY_BOUND(name_, batch) { .name = name_, .weights = 2 * 16 + 16 + 16 * 16 + 16 + 16 + 1, .data = 8. * (batch) * 3, .kept = (batch) * 33., .warm_up = 16 }
/* Two tables; the ids are of 8 bytes, 64 batches of 1024 pairs with 5 negatives. */
#define SGNS_BOUND(name_, words, slots_) { .name = name_, .weights = 2. * (words) * 128, .slots = slots_, .data = 64. * 1024 * 7 * 2, .kept = 1024. * 7 * 128, .warm_up = 128 }
static const bound bounds[] = {
  TINY_BOUND("mlp_tiny_b1", 1),
  TINY_BOUND("mlp_tiny_b32", 32),
  MLP_784_BOUND("mlp_784_b1", 1),
  MLP_784_BOUND("mlp_784_b32", 32),
  MLP_784_BOUND("mlp_784_b128", 128),
  MLP_784_BOUND("mlp_784_b1024", 1024),
  { .name = "mlp_wide", .weights = 4. * 2048 * 2049 + 2049 * 10, .data = 8. * 256 * 2049, .kept = 256. * (4 * 2048 + 10), .warm_up = 8 },
  SGNS_BOUND("sgns_100k_sgd", 1e5, 0),
  SGNS_BOUND("sgns_100k_adagrad", 1e5, 1),
  SGNS_BOUND("sgns_1m_sgd", 1e6, 0),
  SGNS_BOUND("sgns_1m_adagrad", 1e6, 1),
  { .name = "text_cls", .weights = 20000. * 64 + 65 * 64 + 65, .slots = 2, .data = 8. * 64 * 201, .kept = 64. * (64 + 64 + 1), .warm_up = 16 },
  { .name = "infer_mlp_b1", .weights = MLP_784, .data = 8 * 784, .warm_up = 16 },
  { .name = "graph_overhead", .kept = 20000, .warm_up = 16 },
  /* The vector is data; the first order's gradients are kept for the second. */
  { .name = "hvp_mlp", .weights = MLP_784, .data = 8. * 128 * 785 + MLP_784, .kept = 2 * 128 * (512. + 512 + 10) + MLP_784, .warm_up = 16 },
  /* 70,000 images of 784 bytes. */
  { .name = "fmnist_main", .weights = 785. * 256 + 257 * 10, .slots = 2, .data = 70000. * 785 / 4, .kept = 128. * (784 + 256 + 10), .allocates = true },
};
static double needed_mb(const bound *b) { return 4 * (b->weights * (1 + b->slots) + b->data + b->kept) / 1048576; }
static double allowed_mb(const bound *b) { return 1.2 * needed_mb(b) + 25; }

/* A line of /proc, in MiB. */
static double proc_mb(const char *path, const char *key) {
  FILE *f = fopen(path, "r");
  char line[256];
  double value = -1;
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, key, strlen(key))) value = atof(line + strlen(key)) / 1024;
  if (f) fclose(f);
  return value;
}

static int complain(const bound *b, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("FAIL %s: ", b->name);
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  return 1;
}

static int check_allocations(const bound *b) {
  const long n = atomic_load(&allocations);
  Dl_info where = { .dli_fname = "?" };
  if (!n) return 0;
  dladdr(atomic_load(&first_caller), &where);
  const long offset = (long)((char *)atomic_load(&first_caller) - (char *)where.dli_fbase);
  return complain(b, "%ld allocations in %d steps, the first at %s+0x%lx (%s)", n, STEPS, where.dli_fname, offset,
                  where.dli_sname ? where.dli_sname : "no symbol");
}

/* In a process of its own: 0 passed, 1 failed. */
static int run(workload *w, const bound *b) {
  int64_t i = 0;
  w->g = cn_graph_new(.seed = 1);
  if (w->setup && !w->setup(w)) return complain(b, "%s", cn_error(w->g));
  if (w->whole_job) w->step(w, 0);
  while (!w->whole_job && i < b->warm_up) w->step(w, i++);
  atomic_store(&counting, !b->allocates);
  while (!w->whole_job && i < b->warm_up + STEPS) w->step(w, i++);
  atomic_store(&counting, false);
  if (!cn_ok(w->g)) return complain(b, "%s", cn_error(w->g));
  const double peak = proc_mb("/proc/self/status", "VmHWM:");
  int bad = check_allocations(b);
  if (!(peak > 0 && peak <= allowed_mb(b))) bad = complain(b, "peak of memory %.1f MiB, at most %.1f are allowed", peak, allowed_mb(b));
  printf("%-18s peak %7.1f MiB of %7.1f\n", b->name, peak, allowed_mb(b));
  cn_graph_free(w->g);
  return bad;
}

static int run_named(const char *name) {
  for (workload *w = workloads; w->name; w++)
    for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++)
      if (!strcmp(w->name, name) && !strcmp(bounds[k].name, name)) return run(w, &bounds[k]);
  fprintf(stderr, "test_guards: no workload \"%s\"\n", name);
  return 2;
}

/* The counter itself: an allocation by this program and one inside a library are seen. */
static bool counter_works(void) {
  atomic_store(&counting, true);
  void *own = malloc(24);
  char *library = strdup("counted");
  atomic_store(&counting, false);
  const long seen = atomic_exchange(&allocations, 0);
  free(own);
  free(library);
  return seen == 2;
}

static int run_steps(const char *name, long steps) {
  workload *w = workloads;
  while (w->name && strcmp(w->name, name)) w++;
  if (!w->name) return fprintf(stderr, "test_guards: no workload \"%s\"\n", name), 2;
  w->g = cn_graph_new(.seed = 1);
  if (w->setup && !w->setup(w)) return fprintf(stderr, "test_guards: %s\n", cn_error(w->g)), 1;
  for (long i = 0; i < steps; i++) w->step(w, i);
  const bool ok = cn_ok(w->g);
  cn_graph_free(w->g);
  return !ok;
}

/* Why a workload cannot run here, or NULL. */
static const char *obstacle(const bound *b) {
  const char *directory = getenv("FMNIST_DIR") ? getenv("FMNIST_DIR") : "/usr/share/datasets/fashion-mnist";
  if (!strcmp(b->name, "fmnist_main") && access(directory, R_OK)) return "no data (Debian's package dataset-fashion-mnist)";
  if (proc_mb("/proc/meminfo", "MemAvailable:") < 1.5 * allowed_mb(b)) return "too little memory is free";
  return NULL;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0;
  if (argc == 3) return run_steps(argv[1], atol(argv[2]));
  if (argc > 1) return run_named(argv[1]);
  if (counter_works()) passed++;
  else printf("FAIL counter: allocations are not counted\n"), failed++;
  for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
    const char *why = obstacle(&bounds[k]);
    if (why) {
      printf("skip %s: %s\n", bounds[k].name, why);
      skipped++;
      continue;
    }
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit((execl("/proc/self/exe", argv[0], bounds[k].name, (char *)NULL), 127));
    int status = 1;
    waitpid(child, &status, 0);
    if (status == 0) passed++;
    else printf("FAIL %s: status %d\n", bounds[k].name, status), failed++;
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}
