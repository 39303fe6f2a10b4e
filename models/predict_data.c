/* Prediction over data sets. */
#include "model_private.h"

static bool one_batch(cn_model *m, const cn_batch *b, cn_tensor **y, int64_t *n) {
  const cn_tensors xs = cni_xs(b);
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = m->base.object.graph;
  a.layer = &m->base;
  a.training = 0;
  if (xs.n == 1) a.x = xs.v[0];
  else a.inputs = xs;
  return cn_call_layer(&a, y, n) != NULL;
}

bool cn_predict_batches(cn_model *m, cn_dataset *d, int64_t batch_size, cn_predict_each each, void *user) {
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  cn_batch b;
  if (!m || !d || !each || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (batch_size < 0) return cn_fail(g, CN_VALUE, "predict: batch_size must not be negative, got %lld", (long long)batch_size), false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "predict: %s has no layers", m->base.name), false;
  const bool recording = cn_recording(g, false);
  bool ok = cn_dataset_reset(d, false), more = ok;
  g->core.caller = "predict";
  for (g->core.batch = 0; more && cn_dataset_next(d, batch_size ? batch_size : 32, &b); g->core.batch++) {
    int64_t n = 0;
    more = one_batch(m, &b, y, &n) && each(g, &b, y, n, user);
    if (cn_ok(g)) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  cn_recording(g, recording);
  return ok && cn_ok(g);
}

/* ---- all outputs ---- */
/* Rows of one output, while it is not known how many there will be. */
typedef struct collected { char *rows; size_t bytes, room, row; cn_dtype dtype; cn_dims dims; } collected;

static bool append(cn_graph *g, collected *c, const cn_tensor *y, int64_t samples) {
  if (y->dims.rank < 1 || y->dims.d[0] != samples) return cn_fail(g, CN_SHAPE, "predict: the output's first axis is not the samples'"), false;
  const size_t bytes = (size_t)y->count * cn_dtype_size((cn_dtype)y->dtype), row = bytes / (size_t)samples;
  if (c->rows && row != c->row) return cn_fail(g, CN_SHAPE, "predict: the batches' outputs differ in shape"), false;
  if (c->bytes + bytes > c->room || !c->rows) {
    const size_t room = c->bytes + bytes > 2 * c->room ? c->bytes + bytes + 1 : 2 * c->room;
    char *more = cni_realloc(g, c->rows, room);
    if (!more) return false;
    c->rows = more;
    c->room = room;
  }
  if (bytes) memcpy(c->rows + c->bytes, y->data, bytes);
  c->bytes += bytes;
  c->row = row;
  c->dtype = (cn_dtype)y->dtype;
  c->dims = y->dims;
  return true;
}

typedef struct collection { collected v[1 + CN_LAYER_OUTPUTS]; int64_t n, samples; } collection;

static bool collect(cn_graph *g, const cn_batch *b, cn_tensor *const *y, int64_t n, void *user) {
  collection *c = user;
  for (int64_t i = 0; i < n; i++)
    if (!cni_readable(g, y[i], true) || !append(g, &c->v[i], y[i], b->size)) return false;
  c->n = n;
  c->samples += b->size;
  return true;
}

bool cn_predict_dataset(cn_model *m, cn_dataset *d, int64_t batch_size, cn_tensor **outputs) {
  collection c = { .n = 0 };
  if (!m || !d) return false;
  cn_graph *g = m->base.object.graph;
  for (int64_t i = 0; i < cni_outputs_of(m); i++) outputs[i] = NULL;
  if (cn_ok(g) && cn_dataset_size(d) == CN_FOREVER) return cn_fail(g, CN_VALUE, "predict: the data set has no end"), false;
  bool ok = cn_predict_batches(m, d, batch_size, collect, &c);
  if (ok && !c.samples) ok = cn_fail(g, CN_SHAPE, "predict: the data set has no samples") == CN_OK;
  for (int64_t i = 0; i < c.n; i++) {
    c.v[i].dims.d[0] = c.samples;
    outputs[i] = ok ? cni_tensor_new(g, c.v[i].dtype, &c.v[i].dims, true) : NULL;
    ok = ok && outputs[i];
    if (ok && c.v[i].bytes) memcpy(outputs[i]->data, c.v[i].rows, c.v[i].bytes);
    cni_free(g, c.v[i].rows);
  }
  for (int64_t i = 0; i < c.n && !ok; i++) cn_free(outputs[i]), outputs[i] = NULL;
  return ok;
}
