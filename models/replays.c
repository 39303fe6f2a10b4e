/* The noted steps of a compiled model (autograd/replay_private.h): one for each shape of batch, so that a short last batch alternates with a full one. */
#include "../autograd/replay_private.h"
#include "../optim/optimizer_private.h"
#include "model_private.h"

#define REPLAYS 4
#define BEFORE 2 /* steps of one shape that are run in the ordinary way first: they build layers and slots */

typedef struct signature { uint32_t given; uint8_t dtype[CNI_REPLAY_INPUTS]; cn_dims dims[CNI_REPLAY_INPUTS]; } signature;

struct cni_replays {
  struct noted { signature key; int64_t seen; uint32_t trainables; cni_replay *replay; } noted[REPLAYS];
  int next;                 /* to be replaced */
};

void cni_replays_drop(cni_compiled *c) {
  for (int i = 0; c->replays && i < REPLAYS; i++) cni_replay_free(c->replays->noted[i].replay);
}

/* ---- what may be noted: models of the library's own classes, whose functions compute by operations alone ---- */
static bool listed(const cn_class *cls, cn_class_list list) {
  while (*list && *list != cls) list++;
  return *list != NULL;
}

static void look_at(cn_layer *l, void *own) {
  if (!listed(l->object.cls, cni_model_classes) && !listed(l->object.cls, cni_layer_classes)) *(bool *)own = false;
}

static bool own_classes(cn_model *m) {
  const cni_compiled *c = m->compiled;
  bool own = true;
  for (int64_t i = 0; i < c->outputs_count; i++) {
    const cn_object *object = c->outputs[i].loss.object;
    own &= object ? listed(object->cls, cni_loss_classes) : !c->outputs[i].loss.fn2;
  }
  cni_each_layer(&m->base, look_at, &own);
  return own;
}

/* ---- finding a batch's ---- */
/* Inputs, targets and weights one after the other; -1: too many. `given`: how many of each, and which weights there are. */
static int inputs_of(const cn_batch *b, cn_tensor **x, uint32_t *given) {
  const cn_tensors lists[] = { cni_xs(b), cni_ys(b), cni_ws(b) };
  int n = 0;
  *given = 0;
  for (int k = 0; k < 3; k++) {
    *given = *given * 32 + (uint32_t)lists[k].n;
    for (int64_t i = 0; i < lists[k].n; i++) {
      if (n == CNI_REPLAY_INPUTS || lists[k].n > 24) return -1;
      if (!cni_given(lists[k].v[i])) return -1;
      x[n++] = lists[k].v[i];
    }
  }
  return n;
}

static bool same(const signature *s, uint32_t given, cn_tensor *const *x, int n) {
  if (s->given != given) return false;
  for (int i = 0; i < n; i++)
    if (s->dtype[i] != x[i]->dtype || !cni_same_dims(&s->dims[i], &x[i]->dims)) return false;
  return true;
}

static struct noted *find(cn_model *m, uint32_t given, cn_tensor *const *x, int n) {
  cn_graph *g = m->base.object.graph;
  cni_compiled *c = m->compiled;
  if (!c->replays && !(c->replays = cni_alloc(g, sizeof *c->replays))) return NULL;
  for (int i = 0; i < REPLAYS; i++)
    if (c->replays->noted[i].seen && same(&c->replays->noted[i].key, given, x, n)) return &c->replays->noted[i];
  struct noted *at = &c->replays->noted[c->replays->next++ % REPLAYS];
  cni_replay_free(at->replay);
  *at = (struct noted){ .key.given = given };
  for (int i = 0; i < n; i++) {
    at->key.dtype[i] = x[i]->dtype;
    cni_set_dims(&at->key.dims[i], &x[i]->dims);
  }
  return at;
}

/* ---- one step ---- */
static int results_of(const cni_results *r, cn_tensor **v) {
  int n = 0;
  v[n++] = r->loss;
  for (int64_t i = 0; i < r->outputs; i++) v[n++] = r->losses[i], v[n++] = r->y[i];
  return n;
}

static bool again(cn_model *m, cni_replay *r, cn_tensor *const *x, cni_results *out) {
  cn_tensor *v[CNI_REPLAY_RESULTS];
  if (!cni_replay_forward(r, x, v) || !cni_optimizer_replay(m->compiled->optimizer, r)) return false;
  *out = (cni_results){ .loss = v[0], .outputs = m->compiled->outputs_count };
  for (int64_t i = 0; i < out->outputs; i++) out->losses[i] = v[1 + 2 * i], out->y[i] = v[2 + 2 * i];
  return true;
}

static bool capture(cn_model *m, struct noted *s, const cn_batch *b, cn_tensor *const *x, int n, cni_results *out) {
  cn_tensor *in[CNI_REPLAY_INPUTS], *v[CNI_REPLAY_RESULTS];
  s->replay = cni_capture_begin(m->base.object.graph, x, n, in);
  if (!s->replay) return cni_recorded_step(m, b, out);
  const int64_t nx = cni_xs(b).n, ny = cni_ys(b).n, nw = cni_ws(b).n;
  const cn_batch stand_ins = { in[0], ny ? in[nx] : NULL, nw ? in[nx + ny] : NULL, b->size, { in, nx }, { in + nx, ny }, { in + nx + ny, nw } };
  if (!own_classes(m)) cni_capture_spoil(m->base.object.graph);
  const bool ok = cni_recorded_step(m, &stand_ins, out);
  const int results = ok ? results_of(out, v) : 0;
  cni_capture_end(s->replay, ok ? v : NULL, results);
  return ok;
}

bool cni_train_step(cn_model *m, const cn_batch *b, cni_results *out) {
  cn_graph *g = m->base.object.graph;
  cn_tensor *x[CNI_REPLAY_INPUTS];
  uint32_t given;
  const int n = inputs_of(b, x, &given);
  if (n < 0) return cni_recorded_step(m, b, out);
  struct noted *s = find(m, given, x, n);
  if (!s) return false;
  if (s->trainables != g->trainables) {
    cni_replay_free(s->replay);
    s->replay = NULL;
    s->seen = 0;
    s->trainables = g->trainables;
  }
  if (s->replay && cni_replay_state_of(s->replay) == CNI_REPLAY_READY && cni_replay_fits(s->replay, x)) return again(m, s->replay, x, out);
  if (s->replay || s->seen++ < BEFORE) return cni_recorded_step(m, b, out);
  return capture(m, s, b, x, n, out);
}
