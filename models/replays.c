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
  const cn_ref *loss = &m->compiled->loss;
  const cn_object *object = loss->object;
  bool own = object && listed(object->cls, cni_loss_classes);
  cni_each_layer(&m->base, look_at, &own);
  return own;
}

/* ---- finding a batch's ---- */
static int inputs_of(const cn_batch *b, cn_tensor **x) {
  int n = 0;
  x[n++] = b->x;
  if (b->y) x[n++] = b->y;
  if (b->sample_weight) x[n++] = b->sample_weight;
  return n;
}

static bool same(const signature *s, uint32_t given, cn_tensor *const *x, int n) {
  if (s->given != given) return false;
  for (int i = 0; i < n; i++)
    if (s->dtype[i] != x[i]->dtype || !cn_dims_equal(&s->dims[i], &x[i]->dims)) return false;
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
static cn_tensor *again(cn_model *m, cni_replay *r, cn_tensor *const *x, cn_tensor **y_pred) {
  cn_tensor *loss;
  const bool ok = cni_replay_forward(r, x, y_pred, &loss) && cni_optimizer_replay(m->compiled->optimizer, r);
  return ok ? loss : NULL;
}

static cn_tensor *capture(cn_model *m, struct noted *s, const cn_batch *b, cn_tensor *const *x, int n, cn_tensor **y_pred) {
  cn_tensor *in[CNI_REPLAY_INPUTS];
  s->replay = cni_capture_begin(m->base.object.graph, x, n, in);
  if (!s->replay) return cni_recorded_step(m, b, y_pred);
  const cn_batch stand_ins = { in[0], b->y ? in[1] : NULL, b->sample_weight ? in[n - 1] : NULL, b->size };
  if (!own_classes(m)) cni_capture_spoil(m->base.object.graph);
  cn_tensor *loss = cni_recorded_step(m, &stand_ins, y_pred);
  cni_capture_end(s->replay, loss ? *y_pred : NULL, loss);
  return loss;
}

cn_tensor *cni_train_step(cn_model *m, const cn_batch *b, cn_tensor **y_pred) {
  cn_graph *g = m->base.object.graph;
  cn_tensor *x[CNI_REPLAY_INPUTS];
  const int n = inputs_of(b, x);
  struct noted *s = find(m, b->y ? b->sample_weight ? 3 : 1 : 2, x, n);
  if (!s) return NULL;
  if (s->trainables != g->trainables) {
    cni_replay_free(s->replay);
    s->replay = NULL;
    s->seen = 0;
    s->trainables = g->trainables;
  }
  if (s->replay && cni_replay_state_of(s->replay) == CNI_REPLAY_READY && cni_replay_fits(s->replay, x)) return again(m, s->replay, x, y_pred);
  if (s->replay || s->seen++ < BEFORE) return cni_recorded_step(m, b, y_pred);
  return capture(m, s, b, x, n, y_pred);
}
