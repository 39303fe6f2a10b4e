/* The variables of a model as one list, and their values kept and put back. */
#include "model_private.h"

static size_t bytes_of(const cn_tensor *t) { return (size_t)t->count * cn_dtype_size((cn_dtype)t->dtype); }

bool cni_variables_of(cn_model *m, bool slots, cni_variables *of) {
  cn_graph *g = m->base.object.graph;
  cn_optimizer *o = slots ? m->compiled->optimizer : NULL;
  const int64_t weights = cn_weights(&m->base, NULL, 0), rest = o ? cn_optimizer_variables(o, NULL, 0) : 0;
  *of = (cni_variables){ .v = cni_alloc(g, (size_t)(weights + rest + 1) * sizeof *of->v) };
  if (!of->v) return false;
  of->weights = cn_weights(&m->base, of->v, weights);
  of->n = of->weights + (o ? cn_optimizer_variables(o, of->v + weights, rest) : 0);
  for (int64_t i = 0; i < of->n; i++) of->bytes += bytes_of(of->v[i]);
  return true;
}

void cni_variables_keep(const cni_variables *of, char *values) {
  for (int64_t i = 0; i < of->n; values += bytes_of(of->v[i++]))
    if (of->v[i]->count) memcpy(values, of->v[i]->data, bytes_of(of->v[i]));
}

void cni_variables_put(const cni_variables *of, const char *values) {
  if (of->n) cni_settle(of->v[0]->graph);
  for (int64_t i = 0; i < of->n; values += bytes_of(of->v[i++])) {
    if (of->v[i]->count) memcpy(of->v[i]->data, values, bytes_of(of->v[i]));
    cni_touch(of->v[i]);
  }
}
