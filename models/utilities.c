/* keras.utils for data. */
#include "utilities.h"
#include <math.h>
#include "../io/source_private.h"
#include "model_private.h"

static bool readable(cn_graph *g, const cn_tensor *x, const char *what) {
  if (!cn_ok(g) || !x) return false;
  if (!cni_given(x)) return cn_fail(g, CN_VALUE, "%s: a tensor is missing", what), false;
  if (!cni_readable(g, x, true)) return false;
  if (x->dtype == CN_STRING) return cn_fail(g, CN_DTYPE, "%s: texts are no numbers", what), false;
  return true;
}

/* ---- to_categorical ---- */
CNI_ARGS_INIT(cn_to_categorical, CN_TO_CATEGORICAL, graph)

cn_tensor *cn_to_categorical_run(const cn_to_categorical_args *a) {
  cn_graph *g = a->graph;
  const cn_tensor *x = a->x;
  if (!readable(g, x, "to_categorical")) return NULL;
  if (a->num_classes != CN_NONE && a->num_classes < 1)
    return cn_fail(g, CN_VALUE, "to_categorical: num_classes must be positive, got %lld", (long long)a->num_classes), NULL;
  double largest = -1;
  for (int64_t i = 0; i < x->count; i++) {
    const double v = trunc(cni_value_at(x, i));
    if (!(v >= 0 && (a->num_classes == CN_NONE ? v < 1e9 : v < (double)a->num_classes)))
      return cn_fail(g, CN_VALUE, "to_categorical: label %g at %lld is not in [0, %lld)", cni_value_at(x, i), (long long)i,
                     a->num_classes == CN_NONE ? 1000000000 : (long long)a->num_classes),
             NULL;
    largest = fmax(largest, v);
  }
  if (largest < 0 && a->num_classes == CN_NONE) return cn_fail(g, CN_VALUE, "to_categorical: there are no labels, so num_classes is required"), NULL;
  const int64_t classes = a->num_classes == CN_NONE ? (int64_t)largest + 1 : a->num_classes;
  cn_dims dims = x->dims;
  if (dims.rank > 1 && dims.d[dims.rank - 1] == 1) dims.rank--;
  if (dims.rank == CN_MAX_RANK) return cn_fail(g, CN_SHAPE, "to_categorical: x has %d axes, the result would have one more", dims.rank), NULL;
  dims.d[dims.rank++] = classes;
  cn_tensor *y = cn_zeros(g, CN_F32, &dims);
  for (int64_t i = 0; y && i < x->count; i++) ((float *)y->data)[i * classes + (int64_t)cni_value_at(x, i)] = 1;
  return y;
}

/* ---- normalize ---- */
CNI_ARGS_INIT(cn_utils_normalize, CN_UTILS_NORMALIZE, graph)

cn_tensor *cn_utils_normalize_run(const cn_utils_normalize_args *a) {
  cn_graph *g = a->graph;
  char order[40];
  if (!readable(g, a->x, "normalize")) return NULL;
  if (a->x->dims.rank < 1) return cn_fail(g, CN_SHAPE, "normalize: x has no axis"), NULL;
  cn_tensor *x = cni_is_float((cn_dtype)a->x->dtype) ? a->x : cn_cast(g, a->x, .dtype = "float32");
  cni_number_text(a->order, 17, order, sizeof order);
  cn_tensor *norm = cn_norm(g, x, .ord = CN_NAME(order), .axis = CN_INTS(a->axis));
  if (!norm) return NULL;
  if (norm->dims.rank == 0) norm = cn_reshape(g, norm, .newshape = CN_INTS(1));
  norm = cn_where(g, cn_equal(g, norm, cn_zeros_like(g, norm)), cn_ones_like(g, norm), norm);
  return cn_divide(g, x, cn_expand_dims(g, norm, CN_INTS(a->axis ? a->axis : -1)));
}

/* ---- pad_sequences ---- */
CNI_ARGS_INIT(cn_pad_sequences, CN_PAD_SEQUENCES, graph)

static bool is_post(cn_graph *g, const char *option, const char *text, bool *post) {
  *post = text && !strcmp(text, "post");
  if (*post || (text && !strcmp(text, "pre"))) return true;
  return cn_fail(g, CN_VALUE, "pad_sequences: %s must be \"pre\" or \"post\", got \"%.40s\"", option, text ? text : "None"), false;
}

/* The shape of the result: that of a step is the first sequence's that has one. */
static bool padded_dims(const cn_pad_sequences_args *a, cn_dims *dims) {
  const cn_tensor *first = NULL;
  int64_t longest = 0;
  for (int64_t i = 0; i < a->sequences.n; i++) {
    const cn_tensor *s = a->sequences.v[i];
    if (!readable(a->graph, s, "pad_sequences")) return false;
    if (s->dims.rank < 1) return cn_fail(a->graph, CN_SHAPE, "pad_sequences: sequence %lld has no axis, the steps", (long long)i), false;
    if (s->dims.d[0] > longest) longest = s->dims.d[0];
    if (!first && s->dims.d[0]) first = s;
  }
  *dims = (cn_dims){ 2, { a->sequences.n, a->maxlen == CN_NONE ? longest : a->maxlen } };
  if (first && first->dims.rank == CN_MAX_RANK)
    return cn_fail(a->graph, CN_SHAPE, "pad_sequences: a sequence has %d axes, the result would have one more", CN_MAX_RANK), false;
  for (int k = 1; first && k < first->dims.rank; k++) dims->d[dims->rank++] = first->dims.d[k];
  return true;
}

static bool put_sequence(cn_graph *g, cn_tensor *y, int64_t i, const cn_tensor *s, bool padding_post, bool truncating_post) {
  const int64_t length = y->dims.d[1], steps = s->dims.d[0], kept = steps < length ? steps : length;
  if (steps == 0) return true;
  bool same = s->dims.rank == y->dims.rank - 1;
  for (int k = 1; same && k < s->dims.rank; k++) same = s->dims.d[k] == y->dims.d[k + 1];
  if (!same) {
    char text[160];
    return cn_fail(g, CN_SHAPE, "pad_sequences: sequence %lld is %s: its steps differ in shape from those before", (long long)i,
                   cn_dims_text(&s->dims, text, sizeof text)),
           false;
  }
  const int64_t step = s->count / steps, from = truncating_post ? 0 : steps - kept, to = i * length + (padding_post ? 0 : length - kept);
  const bool whole = !cni_is_float((cn_dtype)y->dtype);
  for (int64_t k = 0; k < kept * step; k++) {
    const double v = cni_value_at(s, from * step + k);
    cni_value_set(y, to * step + k, whole ? trunc(v) : v);
  }
  return true;
}

cn_tensor *cn_pad_sequences_run(const cn_pad_sequences_args *a) {
  cn_graph *g = a->graph;
  cn_dtype dtype;
  cn_dims dims;
  bool padding, truncating;
  if (!cn_ok(g) || !is_post(g, "padding", a->padding, &padding) || !is_post(g, "truncating", a->truncating, &truncating)) return NULL;
  if (!a->dtype || !cn_dtype_from_name(a->dtype, &dtype) || dtype == CN_STRING)
    return cn_fail(g, CN_DTYPE, "pad_sequences: no dtype of numbers: \"%.40s\"", a->dtype ? a->dtype : "None"), NULL;
  if (a->maxlen != CN_NONE && a->maxlen < 0) return cn_fail(g, CN_VALUE, "pad_sequences: maxlen must not be negative, got %lld", (long long)a->maxlen), NULL;
  if (!padded_dims(a, &dims)) return NULL;
  cn_tensor *y = cn_full(g, dtype, &dims, cni_is_float(dtype) ? a->value : trunc(a->value));
  for (int64_t i = 0; y && i < a->sequences.n; i++)
    if (!put_sequence(g, y, i, a->sequences.v[i], padding, truncating)) return NULL;
  return y;
}

/* ---- rows of tensors ---- */
typedef struct tensors { cni_cursor run; cn_tensor *kept[CN_SOURCE_COLUMNS]; size_t row[CN_SOURCE_COLUMNS]; int64_t n; } tensors;

static bool tensors_fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  const tensors *t = state;
  (void)g;
  for (int64_t k = 0; k < t->n; k++)
    for (int64_t i = 0; i < n; i++) memcpy((char *)out->v[k] + (size_t)i * t->row[k], (const char *)t->kept[k]->data + (size_t)index[i] * t->row[k], t->row[k]);
  return true;
}
static int64_t tensors_next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  tensors *t = state;
  const int64_t got = cni_cursor_left(&t->run, n);
  (void)g;
  for (int64_t k = 0; k < t->n && got; k++) memcpy(out->v[k], (const char *)t->kept[k]->data + (size_t)t->run.at * t->row[k], (size_t)got * t->row[k]);
  t->run.at += got;
  return got;
}
static void tensors_finish(cn_graph *g, void *state) {
  const tensors *t = state;
  (void)g;
  for (int64_t i = 0; i < t->n; i++) cn_free(t->kept[i]);
}

static bool keep_tensor(cn_graph *g, tensors *t, cn_tensor *x, cn_column *c) {
  if (!x) return cn_fail(g, CN_VALUE, "source: a tensor is NULL"), false;
  if (!readable(g, x, "source")) return false;
  if (x->dims.rank < 1) return cn_fail(g, CN_SHAPE, "source: a tensor needs a first axis, the samples"), false;
  if (t->n && x->dims.d[0] != t->run.count)
    return cn_fail(g, CN_SHAPE, "source: the first tensor has %lld samples, another has %lld", (long long)t->run.count, (long long)x->dims.d[0]), false;
  t->run.count = x->dims.d[0];
  *c = (cn_column){ (cn_dtype)x->dtype, { x->dims.rank - 1, { 0 } } };
  memcpy(c->dims.d, x->dims.d + 1, (size_t)c->dims.rank * sizeof *c->dims.d);
  t->row[t->n] = cn_dtype_size((cn_dtype)x->dtype) * (size_t)(c->dims.rank ? cn_dims_count(&c->dims) : 1);
  t->kept[t->n] = cn_persist(x);
  t->n += t->kept[t->n] != NULL;
  return cn_ok(g);
}

cn_source *cn_source_tensors(cn_graph *g, cn_tensors x, cn_tensors y, cn_tensors w) {
  static const cn_source_methods methods = { tensors_next, cni_cursor_reset, cni_cursor_size, cni_cursor_seek, tensors_fetch, tensors_finish };
  const cn_tensors lists[] = { x, y, w };
  cn_column columns[CN_SOURCE_COLUMNS];
  if (!cn_ok(g)) return NULL;
  cn_source *s = cni_source_make(g, NULL, &methods, sizeof(tensors));
  if (!s) return NULL;
  tensors *t = s->state;
  for (int k = 0; k < 3; k++)
    for (int64_t i = 0; i < lists[k].n && t->n < CN_SOURCE_COLUMNS && cn_ok(g); i++) keep_tensor(g, t, lists[k].v[i], &columns[t->n]);
  if (cn_ok(g)) cni_source_columns(s, "source", columns, x.n, y.n > 0 ? y.n : 0, w.n > 0 ? w.n : 0);
  return cni_source_done(s);
}

/* ---- timeseries ---- */
CNI_ARGS_INIT(cn_timeseries, CN_TIMESERIES, graph)

cn_dataset *cn_timeseries_dataset_from_array_run(const cn_timeseries_args *a) {
  const cn_tensors none = { NULL, 0 };
  const bool has_targets = a->targets && cni_given(a->targets);
  cn_graph *g = a->graph;
  if (!cn_ok(g) || !a->data || !a->targets) return NULL;
  cn_source *data = cn_source_tensors(g, (cn_tensors){ &a->data, 1 }, none, none);
  cn_source *targets = data && has_targets ? cn_source_tensors(g, (cn_tensors){ &a->targets, 1 }, none, none) : NULL;
  cn_source *s = cn_source_windows(data, targets, a->sequence_length, .sequence_stride = a->sequence_stride, .sampling_rate = a->sampling_rate,
                                   .start_index = a->start_index, .end_index = a->end_index);
  if (!s) {
    cn_source_free(targets);
    cn_source_free(data);
    return NULL;
  }
  cn_source *last = s, *next = a->shuffle ? cn_source_shuffle(last, .seed = a->seed) : last;
  if (next) last = next;
  if (next && a->batch_size != CN_NONE) next = cn_source_batch(last, a->batch_size, false);
  cn_dataset *d = cn_dataset_from_source(next);
  if (!d) cn_source_free(next ? next : last);
  return d;
}
