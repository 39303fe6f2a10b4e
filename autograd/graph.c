/* Life of a graph: made, reset, cleared, freed. */
#include "graph.h"
#include <sys/random.h>
#include "graph_private.h"
#include "plan_private.h"
#include "replay_private.h"

static uint64_t entropy(const void *fallback) {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) seed = (uint64_t)(uintptr_t)fallback;
  return seed;
}

void cn_graph_options_init(cn_graph_options *options, size_t size) {
  const cn_graph_options defaults = { CN_GRAPH(CN_DEFAULT_, ) };
  memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

cn_graph *cn_graph_make(const cn_graph_options *options) {
  const cn_allocator *a = options->allocator ? options->allocator : &cni_system_allocator;
  cn_graph *g = a->alloc(a->user, sizeof *g);
  if (!g) return NULL;
  memset(g, 0, sizeof *g);
  if (!cni_context_init(g, a)) {
    a->free(a->user, g, sizeof *g);
    return NULL;
  }
  g->epoch = 1;
  g->recording = true;
  g->replaying = options->replay;
  g->core.builtin = cni_builtin_classes;
  g->core.seed = options->seed == CN_NONE ? entropy(g) : (uint64_t)options->seed;
  cni_kernels_select(g);
  if (options->threads > 0 && options->threads < g->core.threads) g->core.threads = (int)options->threads;
  g->streams = cn_stream_new(g);
  return g;
}

void cn_graph_free(cn_graph *g) {
  if (!g) return;
  cni_plans_free(g);
  cni_replays_free(g);
  cni_hooks_run(g);
  cni_arena_free(g, &g->step[0]);
  cni_arena_free(g, &g->step[1]);
  cni_arena_free(g, &g->keep);
  cni_context_free(g);
  const cn_allocator a = g->core.allocator;
  a.free(a.user, g, sizeof *g);
}

void cn_graph_reset(cn_graph *g) {
  if (!g) return;
  if (g->stepping) {
    g->core.where = "graph_reset";
    cn_fail(g, CN_STATE, "the callback of a backward that is stepped through cannot reset the graph");
    return;
  }
  cni_buffers_reset(g);
  if (g->capture || g->sealing) cni_capture_seal(g);
  cni_plan_reset(g);
  g->tape_count = 0;
  g->temps.count = 0;
  g->free_temps = NULL;
  g->pieces_count = g->met_count = 0;
  g->in_rule = g->remark = g->absent = g->unstored = false;
  g->waiting = NULL;
  g->current_scope = NULL;
  g->epoch++;
  if (g->epoch == CNI_PERSISTENT || !g->epoch) g->epoch = 1;
  cni_arena_rewind(cni_step_arena(g)); /* the other one keeps the dead headers of the step that has just ended */
  cni_plan_begin(g);
}

void cn_graph_clear(cn_graph *g) {
  if (!g) return;
  cni_error_clear(g);
  g->recording = true;
  cn_graph_reset(g);
}

bool cn_recording(cn_graph *g, bool on) {
  if (!g) return false;
  const bool was = g->recording;
  g->recording = on;
  return was;
}

size_t cn_graph_bytes(const cn_graph *g) { return g ? g->core.bytes : 0; }
size_t cn_graph_peak_bytes(const cn_graph *g) { return g ? g->core.peak_bytes : 0; }

void cn_check_finite(cn_graph *g, bool on) {
  if (g) g->check_finite = on;
}

cn_stream cn_stream_new(cn_graph *g) {
  if (!g) return (cn_stream){ 0, 0 };
  const uint64_t n = g->core.streams++;
  const uint32_t counter[4] = { (uint32_t)n, (uint32_t)(n >> 32), 0x5eed, 0 }, key[2] = { (uint32_t)g->core.seed, (uint32_t)(g->core.seed >> 32) };
  uint32_t out[4];
  cn_philox(counter, key, out);
  return (cn_stream){ (uint64_t)out[1] << 32 | out[0], 0 };
}
