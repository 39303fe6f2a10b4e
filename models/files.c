/* A model's weights in a file and back. */
#include <stdio.h>
#include "../io/io.h"
#include "model_private.h"

static cn_tensor **weights_of(cn_model *m, int64_t *n) {
  cn_graph *g = m->base.object.graph;
  *n = cn_weights(&m->base, NULL, 0);
  cn_tensor **w = cni_arena_take(g, cni_step_arena(g), (size_t)(*n ? *n : 1) * sizeof *w);
  if (w) *n = cn_weights(&m->base, w, *n);
  return w;
}

bool cn_save_weights(cn_model *m, const char *path) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  int64_t n;
  if (!m->base.built) return cn_fail(g, CN_STATE, "save_weights: %s is not built", m->base.name), false;
  cn_tensor **w = weights_of(m, &n);
  cn_arrays *list = w ? cn_arrays_new(g) : NULL;
  for (int64_t i = 0; list && i < n; i++) cn_arrays_add(g, list, cn_name_of(w[i]), (cn_dtype)w[i]->dtype, &w[i]->dims, w[i]->data);
  const bool ok = list && cn_ok(g) && cn_write_safetensors(g, path, list);
  cn_arrays_free(g, list);
  return ok;
}

/* Every weight has its array, and every array its weight, of the same shape and dtype. */
static bool all_fit(cn_graph *g, const cn_arrays *list, cn_tensor *const *w, int64_t n, const char *path) {
  char a[160], b[160];
  for (int64_t i = 0; i < n; i++) {
    const cn_named_array *v = cn_arrays_find(list, cn_name_of(w[i]));
    if (!v) return cn_fail(g, CN_FORMAT, "load_weights: %s: weight %s is missing", path, cn_name_of(w[i])), false;
    if (cn_dims_equal(&v->dims, &w[i]->dims) && v->dtype == (cn_dtype)w[i]->dtype) continue;
    cn_fail(g, CN_SHAPE, "load_weights: %s: %s is %s %s, the model's is %s %s", path, v->name, cn_dtype_name(v->dtype), cn_dims_text(&v->dims, a, sizeof a), cn_dtype_name((cn_dtype)w[i]->dtype),
            cn_dims_text(&w[i]->dims, b, sizeof b));
    return false;
  }
  if (list->n == n) return true;
  cn_fail(g, CN_FORMAT, "load_weights: %s: has %lld arrays, the model %lld weights", path, (long long)list->n, (long long)n);
  return false;
}

bool cn_load_weights(cn_model *m, const char *path) {
  if (!m || !cn_ok(m->base.object.graph)) return false;
  cn_graph *g = m->base.object.graph;
  int64_t n;
  if (!m->base.built) return cn_fail(g, CN_STATE, "load_weights: %s is not built", m->base.name), false;
  cn_tensor **w = weights_of(m, &n);
  cn_arrays *list = w ? cn_read_safetensors(g, path) : NULL;
  const bool ok = list && all_fit(g, list, w, n, path);
  for (int64_t i = 0; ok && i < n; i++) cn_assign_data(w[i], cn_arrays_find(list, cn_name_of(w[i]))->data);
  cn_arrays_free(g, list);
  return ok && cn_ok(g);
}
