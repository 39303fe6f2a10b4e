/* predict: of arrays, of one batch, of a data set. */
#include "model_private.h"

/* Samples first .. first + n - 1 of x, copied; the whole of x as it is. */
static cn_tensor *rows_of(cn_graph *g, cn_tensor *x, int64_t first, int64_t n) {
  if (n == x->dims.d[0]) return x;
  cn_dims dims = x->dims;
  dims.d[0] = n;
  cn_tensor *t = cni_tensor_new(g, (cn_dtype)x->dtype, &dims, false);
  const size_t row = (size_t)(x->count / x->dims.d[0]) * cn_dtype_size((cn_dtype)x->dtype);
  if (t) memcpy(t->data, (const char *)x->data + (size_t)first * row, (size_t)n * row);
  return t;
}

static bool predictable(cn_model *m, cn_tensor *x, const char *what) {
  if (!m || !x || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!cni_readable(g, x, true)) return false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "%s: %s has no layers", what, m->base.name), false;
  if (x->dims.rank < 1 || !x->dims.d[0]) return cn_fail(g, CN_SHAPE, "%s: x has no samples", what), false;
  return true;
}

/* Outputs of `n` samples, made with the first batch; the rows of this one are copied in. */
static bool keep_rows(cn_graph *g, cn_tensor **out, const cn_tensor *y, int64_t first, int64_t k, int64_t n) {
  cn_dims dims = y->dims;
  if (dims.rank < 1 || dims.d[0] != k) return cn_fail(g, CN_SHAPE, "predict: the output's first axis is not the samples'"), false;
  dims.d[0] = n;
  if (!*out && !(*out = cni_tensor_new(g, (cn_dtype)y->dtype, &dims, true))) return false;
  if ((*out)->count / n != y->count / k) return cn_fail(g, CN_SHAPE, "predict: the batches' outputs differ in shape"), false;
  const size_t row = (size_t)((*out)->count / n) * cn_dtype_size((cn_dtype)y->dtype);
  memcpy((char *)(*out)->data + (size_t)first * row, y->data, (size_t)k * row);
  return true;
}

/* The outputs for a batch, step tensors. */
static bool run_batch(cn_model *m, cn_tensors x, cn_tensor **y, int64_t *outputs) {
  cn_call_args a = *(const cn_call_args *)cni_call_schema.defaults;
  a.graph = m->base.object.graph;
  a.layer = &m->base;
  a.training = 0;
  if (x.n == 1) a.x = x.v[0];
  else a.inputs = x;
  return cn_call_layer(&a, y, outputs) != NULL;
}

static bool predict_batch(cn_model *m, const cn_tensors *x, int64_t first, int64_t k, cn_tensor **out) {
  cn_graph *g = m->base.object.graph;
  cn_tensor *rows[CN_BATCH_TENSORS], *y[1 + CN_LAYER_OUTPUTS];
  int64_t outputs = 0;
  for (int64_t i = 0; i < x->n; i++)
    if (!(rows[i] = rows_of(g, x->v[i], first, k))) return false;
  bool ok = run_batch(m, (cn_tensors){ rows, x->n }, y, &outputs);
  for (int64_t i = 0; i < outputs && ok; i++) ok = keep_rows(g, &out[i], y[i], first, k, x->v[0]->dims.d[0]);
  return ok;
}

/* Runs the batches; x are persistent here. */
static bool predict_batches(cn_model *m, const cn_tensors *x, int64_t batch_size, cn_tensor **out) {
  cn_graph *g = m->base.object.graph;
  const int64_t n = x->v[0]->dims.d[0];
  bool ok = true;
  g->core.caller = "predict";
  for (int64_t first = 0; first < n && ok; first += batch_size) {
    g->core.batch = first / batch_size;
    ok = predict_batch(m, x, first, n - first < batch_size ? n - first : batch_size, out);
    if (ok) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  return ok && cn_ok(g);
}

bool cn_predict_lists(cn_model *m, cn_tensors x, int64_t batch_size, cn_tensor **outputs) {
  cn_tensor *kept[CN_BATCH_TENSORS];
  int64_t n = 0;
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  for (int64_t i = 0; i < cni_outputs_of(m); i++) outputs[i] = NULL;
  if (!cni_batch_size_ok(g, "predict", "batch_size", batch_size)) return false;
  if (batch_size <= 0) batch_size = 32;
  if (x.n < 1 || x.n > CN_BATCH_TENSORS) return cn_fail(g, CN_VALUE, "predict: %lld inputs", (long long)x.n), false;
  for (int64_t i = 0; i < x.n; i++) {
    if (!predictable(m, x.v[i], "predict")) break;
    if (x.v[i]->dims.d[0] != x.v[0]->dims.d[0]) cn_fail(g, CN_SHAPE, "predict: the inputs differ in their number of samples");
    else if ((kept[n] = cn_persist(x.v[i]))) n++;
  }
  const bool recording = cn_recording(g, false);
  const cn_tensors all = { kept, n };
  const bool ok = n == x.n && cn_ok(g) && predict_batches(m, &all, batch_size, outputs);
  cn_recording(g, recording);
  for (int64_t i = 0; i < n; i++) cn_free(kept[i]);
  for (int64_t i = 0; !ok && i < cni_outputs_of(m); i++) cn_free(outputs[i]), outputs[i] = NULL;
  return ok;
}

cn_tensor *cn_predict(cn_model *m, cn_tensor *x, int64_t batch_size) {
  cn_tensor *out[CN_LAYER_OUTPUTS] = { NULL };
  if (!m || !x || !cn_predict_lists(m, (cn_tensors){ &x, 1 }, batch_size, out)) return NULL;
  for (int64_t i = 1; i < CN_LAYER_OUTPUTS; i++) cn_free(out[i]);
  return out[0];
}

bool cn_predict_into(cn_model *m, cn_tensor *x, float *out, int64_t count) {
  if (!predictable(m, x, "predict_into")) return false;
  cn_graph *g = m->base.object.graph;
  const bool recording = cn_recording(g, false);
  cn_tensor *y = cn_call(g, &m->base, x, .training = 0);
  cn_recording(g, recording);
  if (y && (y->count != count || y->dtype != CN_F32)) {
    char text[160];
    cn_fail(g, CN_SHAPE, "predict_into: the output is %s %s, the array has %lld floats", cn_dtype_name((cn_dtype)y->dtype),
            cn_dims_text(&y->dims, text, sizeof text), (long long)count);
    return false;
  }
  if (y) memcpy(out, y->data, (size_t)count * sizeof *out);
  cn_graph_reset(g);
  return y != NULL;
}

cn_tensor *cn_predict_on_batch(cn_model *m, cn_tensor *x) { return cn_predict(m, x, x && cn_rank(x) > 0 && cn_dim(x, 0) > 0 ? cn_dim(x, 0) : 1); }

/* ---- a data set ---- */
bool cn_predict_each(cn_model *m, cn_dataset *data, int64_t batch_size, int64_t steps, cn_predicted each, void *user) {
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  cn_batch b;
  int64_t n = 0;
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  if (!data || !each) return cn_fail(g, CN_VALUE, "predict: the %s is NULL", data ? "function" : "data set"), false;
  if (!m->base.layers_count) return cn_fail(g, CN_STATE, "predict: %s has no layers", m->base.name), false;
  if (!cni_batch_size_ok(g, "predict", "batch_size", batch_size) || !cni_steps_ok(g, "predict", "steps", steps)) return false;
  const bool recording = cn_recording(g, false);
  const int64_t size = cni_batch_size(batch_size, data, steps);
  bool ok = cn_dataset_reset(data, false), more = true;
  g->core.caller = "predict";
  for (g->core.batch = 0; ok && more && (steps < 0 || g->core.batch < steps) && cn_dataset_next(data, size, &b); g->core.batch++) {
    if (b.size < 1) ok = (cn_fail(g, CN_SHAPE, "predict: the batch has no samples"), false);
    ok = ok && run_batch(m, cni_xs(&b), y, &n);
    more = ok && each(y, n, &b, user);
    if (ok && cn_ok(g)) cn_graph_reset(g);
  }
  g->core.caller = NULL;
  cn_recording(g, recording);
  return ok && cn_ok(g);
}

/* Outputs of all batches so far: out[i] has room for `room` rows, of which `rows` are there. */
typedef struct gathering { cn_graph *g; cn_tensor **out; int64_t n, rows, room; } gathering;

/* Makes each output `room` rows long; those that are there stay. */
static bool make_rows(gathering *s, cn_tensor *const *like, int64_t room) {
  for (int64_t i = 0; i < s->n; i++) {
    cn_dims dims = like[i]->dims;
    if (dims.rank < 1) return cn_fail(s->g, CN_SHAPE, "predict: the output's first axis is not the samples'"), false;
    const size_t row = (size_t)(dims.d[0] ? like[i]->count / dims.d[0] : 0) * cn_dtype_size((cn_dtype)like[i]->dtype);
    dims.d[0] = room;
    if (s->out[i]) { /* the rows that are there have these sizes too */
      cn_dims before = s->out[i]->dims;
      before.d[0] = room;
      if (s->out[i]->dtype != like[i]->dtype || !cn_dims_equal(&before, &dims))
        return cn_fail(s->g, CN_SHAPE, "predict: the batches' outputs differ in shape"), false;
    }
    cn_tensor *larger = cni_tensor_new(s->g, (cn_dtype)like[i]->dtype, &dims, true);
    if (!larger) return false;
    if (s->rows && row) memcpy(larger->data, s->out[i]->data, (size_t)s->rows * row);
    cn_free(s->out[i]);
    s->out[i] = larger;
  }
  s->room = room;
  return true;
}

static bool gather(cn_tensor *const *y, int64_t n, const cn_batch *b, void *user) {
  gathering *s = user;
  const int64_t needed = s->rows + b->size;
  s->n = n;
  if ((needed > s->room || !s->out[0]) && !make_rows(s, y, s->room >= needed ? s->room : s->rows ? 2 * needed : needed)) return false;
  for (int64_t i = 0; i < n; i++)
    if (!keep_rows(s->g, &s->out[i], y[i], s->rows, b->size, s->room)) return false;
  s->rows = needed;
  return true;
}

bool cn_predict_dataset(cn_model *m, cn_dataset *data, int64_t batch_size, int64_t steps, cn_tensor **outputs) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  for (int64_t i = 0; i < cni_outputs_of(m); i++) outputs[i] = NULL;
  if (data && steps == CN_NONE && cn_dataset_size(data) == CN_FOREVER)
    return cn_fail(m->base.object.graph, CN_VALUE, "predict: the data set has no end: steps is required"), false;
  const int64_t n = cni_outputs_of(m), size = data && steps == CN_NONE ? cn_dataset_size(data) : -1;
  gathering s = { .g = m->base.object.graph, .out = outputs, .room = size > 0 ? size : 0 };
  bool ok = cn_predict_each(m, data, batch_size, steps, gather, &s) && cn_ok(s.g);
  if (ok && !s.rows) ok = (cn_fail(s.g, CN_SHAPE, "predict: the data set has no samples"), false);
  if (ok && s.rows < s.room) ok = make_rows(&s, outputs, s.rows);
  for (int64_t i = 0; !ok && i < n; i++) cn_free(outputs[i]), outputs[i] = NULL;
  return ok;
}
