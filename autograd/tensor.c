/* Tensors: headers, storage, reading, life. */
#include "tensor.h"
#include <math.h>
#include "graph_private.h"
#include "plan_private.h"
#include "replay_private.h"

const cn_tensor cn_no_tensor_ = { .dtype = CN_F32 }, cn_missing_ = { .dtype = CN_F32 };

/* ---- storage ---- */
static bool bytes_of(cn_graph *g, const cn_tensor *t, size_t *bytes) {
  if (t->count >= 0 && cni_size_multiply((size_t)t->count, cn_dtype_size((cn_dtype)t->dtype), bytes)) return true;
  char text[160];
  cn_fail(g, CN_NO_MEMORY, "a tensor of shape %s is too large", cn_dims_text(&t->dims, text, sizeof text));
  return false;
}

bool cni_tensor_storage(cn_graph *g, cn_tensor *t, bool step) {
  size_t bytes;
  if (!bytes_of(g, t, &bytes)) return false;
  if (bytes <= CNI_INLINE_BYTES) {
    t->data = t->value.bytes;
    return true;
  }
  t->buffer = cni_buffer_take(g, bytes, step);
  if (!t->buffer) return false;
  t->buffer->captured |= g->capture || (g->noting && step && !g->in_rule);
  t->data = t->buffer->data;
  return true;
}

static void header_init(cn_graph *g, cn_tensor *t, cn_dtype dtype, const cn_dims *dims, uint32_t epoch, uint16_t flags) {
  t->graph = g;
  t->epoch = epoch;
  t->dtype = (uint8_t)dtype;
  t->output = 0;
  t->flags = flags;
  t->data = NULL;
  t->buffer = NULL;
  t->node = NULL;
  t->slot = NULL;
  t->sweep = 0;
  t->uses = 0;
  t->version = 0;
  t->rows_readers = 0;
  t->born = g->tape_count;
  t->extra = NULL;
  cni_set_dims(&t->dims, dims);
  t->count = dims->rank == 0 ? 1 : dims->rank == 1 && dims->d[0] < INT32_MAX && dims->d[0] >= 0 ? dims->d[0] : cn_dims_count(dims);
}

void cni_header_init(cn_graph *g, cn_tensor *t, cn_dtype dtype, const cn_dims *dims, bool persist) {
  header_init(g, t, dtype, dims, persist ? CNI_PERSISTENT : g->epoch, 0);
}

static cn_tensor *persistent_header(cn_graph *g) {
  cn_tensor *t = g->dead_first;
  if (t && t->sweep != g->epoch) { /* not in the epoch in which it died: a use after free is still seen there */
    g->dead_first = t->slot;
    if (!g->dead_first) g->dead_last = NULL;
    return t;
  }
  return cni_arena_take(g, &g->keep, sizeof *t);
}

static void persistent_header_free(cn_graph *g, cn_tensor *t) {
  t->epoch = 0;
  t->slot = NULL;
  t->sweep = g->epoch;
  if (g->dead_last) g->dead_last->slot = t;
  else g->dead_first = t;
  g->dead_last = t;
}

static cn_tensor *temporary_header(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  if (g->temps.count == g->temps.capacity && !cni_grow(g, (void **)&g->temps.v, g->temps.count, &g->temps.capacity, sizeof *g->temps.v)) return NULL;
  cn_tensor *t = g->free_temps;
  if (t) g->free_temps = t->slot;
  else if (!(t = cni_arena_take(g, cni_step_arena(g), sizeof *t))) return NULL;
  header_init(g, t, dtype, dims, g->epoch, CNI_TEMPORARY);
  g->temps.v[g->temps.count++] = t;
  return t;
}

cn_tensor *cni_temporary(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  cn_tensor *t = temporary_header(g, dtype, dims);
  return t && cni_tensor_storage(g, t, true) ? t : NULL;
}

cn_tensor *cni_view_header(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  if (g->in_rule) return temporary_header(g, dtype, dims);
  cn_tensor *t = cni_arena_take(g, cni_step_arena(g), sizeof *t);
  if (t) header_init(g, t, dtype, dims, g->epoch, 0);
  return t;
}

void cni_temporary_free(cn_graph *g, cn_tensor *t) {
  if (t->slot) { /* factors: the numbers */
    cn_tensor *numbers = t->slot;
    if ((numbers->flags & CNI_TEMPORARY) && --numbers->uses == 0) cni_temporary_free(g, numbers);
  }
  if (t->buffer) cni_buffer_drop(g, t->buffer, true);
  if (g->capture) return; /* a replay uses the header again */
  t->buffer = NULL;
  t->data = NULL;
  t->slot = g->free_temps;
  g->free_temps = t;
}

cn_tensor *cni_tensor_new(cn_graph *g, cn_dtype dtype, const cn_dims *dims, bool persist) {
  if (g->in_rule && !persist) return cni_temporary(g, dtype, dims);
  cn_tensor *planned = g->plan && !persist ? cni_plan_tensor(g, dtype, dims) : NULL;
  if (planned) return planned;
  cn_tensor *t = persist ? persistent_header(g) : cni_arena_take(g, cni_step_arena(g), sizeof *t);
  if (!t) return NULL;
  header_init(g, t, dtype, dims, persist ? CNI_PERSISTENT : g->epoch, 0);
  if (!cni_tensor_storage(g, t, !persist)) return persist ? persistent_header_free(g, t) : (void)0, NULL;
  if (g->noting && !persist) cni_note_tensor(g, t);
  return t;
}

/* A string tensor: one buffer of count + 1 offsets and the bytes (Arrow's layout); `bytes` of them. */
cn_tensor *cni_string_tensor(cn_graph *g, const cn_dims *dims, int64_t count, size_t bytes) {
  cn_tensor *t = cni_arena_take(g, cni_step_arena(g), sizeof *t);
  if (!t) return NULL;
  header_init(g, t, CN_STRING, dims, g->epoch, 0);
  size_t offsets;
  if (count < 0 || !cni_size_multiply((size_t)count + 1, sizeof(int64_t), &offsets)) return cn_fail(g, CN_NO_MEMORY, "too many texts"), NULL;
  t->buffer = cni_buffer_take(g, offsets + bytes, true);
  if (!t->buffer) return NULL;
  t->data = t->buffer->data;
  return t;
}

const char *cni_released_how(const cn_tensor *t) {
  return t->flags & CNI_OF_SEGMENT ? "when its segment ended" : t->flags & CNI_OF_WEIGHT ? "when a weight had taken it" : "by an earlier backward";
}

void cni_release(cn_graph *g, cn_tensor *t, uint16_t why) {
  t->flags &= (uint16_t)~CNI_DEFERRED;
  if (t->flags & CNI_PLANNED) {
    t->flags |= (uint16_t)(CNI_RELEASED | why);
    return;
  }
  if (t->buffer) cni_buffer_drop(g, t->buffer, t->epoch != CNI_PERSISTENT);
  if (g->capture) return;
  t->buffer = NULL;
  t->data = NULL;
  t->flags |= (uint16_t)(CNI_RELEASED | why);
}

/* ---- checks ---- */
static bool dims_ok(cn_graph *g, const char *where, cn_dtype dtype, const cn_dims *dims, bool symbolic) {
  if (!cn_ok(g)) return false;
  if (!dims || dims->rank < 0 || dims->rank > CN_MAX_RANK) return cn_fail(g, CN_SHAPE, "%s: rank must be 0 to %d", where, CN_MAX_RANK), false;
  if ((unsigned)dtype >= CN_DTYPES) return cn_fail(g, CN_DTYPE, "%s: %d is no data type", where, (int)dtype), false;
  for (int i = 0; i < dims->rank; i++)
    if (dims->d[i] < 0 && !(symbolic && dims->d[i] == CN_UNKNOWN))
      return cn_fail(g, CN_SHAPE, "%s: size %lld of axis %d is negative", where, (long long)dims->d[i], i), false;
  return true;
}

bool cni_readable(cn_graph *g, const cn_tensor *t, bool data) {
  if (t == &cn_missing_ || t == &cn_no_tensor_ || !t) return cn_fail(g, CN_STATE, "an input is missing"), false;
  if (t->graph != g) return cn_fail(g, CN_STATE, "tensor of another graph"), false;
  if (!cni_alive(g, t)) return cn_fail(g, CN_STATE, t->epoch ? "tensor from before the last reset" : "tensor was freed"), false;
  if (t->flags & CNI_DEFERRED) return !data || cni_compute_deferred(g, t->node);
  if (t->flags & CNI_RELEASED) return cn_fail(g, CN_STATE, "the tensor's value was released %s", cni_released_how(t)), false;
  if (data && (t->flags & CNI_SYMBOLIC)) return cn_fail(g, CN_STATE, "a symbolic tensor has no value"), false;
  return true;
}

/* Reading works on failed graphs too, so this does not ask cn_ok. */
static bool reads(const cn_tensor *x, const char *where) {
  if (!x || x == &cn_no_tensor_ || x == &cn_missing_) return false;
  cn_graph *g = x->graph;
  if (cni_alive(g, x) && x->data) return true;
  if (!cn_ok(g)) return false;
  const char *old = g->core.where;
  g->core.where = where;
  const bool ok = cni_readable(g, x, true) && x->data; /* a deferred value is there now */
  g->core.where = old;
  return ok;
}

/* ---- numbers in and out ---- */
double cni_value_at(const cn_tensor *t, int64_t i) {
  switch ((cn_dtype)t->dtype) {
  case CN_F32: return (double)((const float *)t->data)[i];
  case CN_F64: return ((const double *)t->data)[i];
  case CN_I32: return ((const int32_t *)t->data)[i];
  case CN_I64: return (double)((const int64_t *)t->data)[i];
  case CN_U8:
  case CN_BOOL: return ((const uint8_t *)t->data)[i];
  default: return NAN;
  }
}

void cni_value_set(cn_tensor *t, int64_t i, double v) {
  switch ((cn_dtype)t->dtype) {
  case CN_F32: ((float *)t->data)[i] = (float)v; break;
  case CN_F64: ((double *)t->data)[i] = v; break;
  case CN_I32: ((int32_t *)t->data)[i] = (int32_t)v; break;
  case CN_I64: ((int64_t *)t->data)[i] = (int64_t)v; break;
  case CN_U8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
  case CN_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
  default: break;
  }
}

void cni_fill(cn_tensor *t, double value) {
  if (t->count > 8 && cni_is_float((cn_dtype)t->dtype)) cni_kernels_for(t->graph, (cn_dtype)t->dtype)->fill(t->data, t->count, value);
  else for (int64_t i = 0; i < t->count; i++) cni_value_set(t, i, value);
}

static bool fits(cn_dtype dtype, double v) {
  static const struct {
    double low, high;
  } range[CN_DTYPES] = { [CN_I32] = { -2147483648.0, 2147483648.0 }, [CN_I64] = { -9223372036854775808.0, 9223372036854775808.0 }, [CN_U8] = { 0, 256 } };
  return range[dtype].high == 0 || (v >= range[dtype].low && v < range[dtype].high);
}

/* ---- making ---- */
cn_tensor *cn_array(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const void *data) {
  cn_tensor *t = cn_ok(g) && g->plan && !g->in_rule && dims ? cni_plan_tensor(g, dtype, dims) : NULL; /* of a shape that has been checked */
  if (!t && !dims_ok(g, "array", dtype, dims, false)) return NULL;
  if (g->in_rule) cni_capture_spoil(g);
  if (dtype == CN_STRING) return cn_fail(g, CN_DTYPE, "array: texts are made with cn_string_array"), NULL;
  if (!t && !(t = cni_tensor_new(g, dtype, dims, false))) return NULL;
  const size_t bytes = (size_t)t->count * cn_dtype_size(dtype);
  if (bytes && data) memcpy(t->data, data, bytes);
  else if (bytes) memset(t->data, 0, bytes);
  return t;
}

cn_tensor *cn_array_from_doubles(cn_graph *g, cn_dtype dtype, const cn_dims *dims, const double *data) {
  if (!dims_ok(g, "array", dtype, dims, false)) return NULL;
  if (g->in_rule) cni_capture_spoil(g);
  const int64_t n = dims->rank ? cn_dims_count(dims) : 1;
  if (dtype == CN_STRING) return cn_fail(g, CN_DTYPE, "array: texts are made with cn_string_array"), NULL;
  for (int64_t i = 0; i < n; i++)
    if (!fits(dtype, data[i]))
      return cn_fail(g, CN_VALUE, "array: %g at position %lld is out of range for %s", data[i], (long long)i, cn_dtype_name(dtype)), NULL;
  cn_tensor *t = cni_tensor_new(g, dtype, dims, false);
  if (!t) return NULL;
  for (int64_t i = 0; i < n; i++) cni_value_set(t, i, data[i]);
  return t;
}

/* Not renewed by a replay: what is written over it stays. */
static cn_tensor *filled(cn_graph *g, cn_dtype dtype, const cn_dims *dims, double value) {
  if (!dims_ok(g, "full", dtype, dims, false)) return NULL;
  if (dtype == CN_STRING || !fits(dtype, value)) return cn_fail(g, CN_VALUE, "full: %g is out of range for %s", value, cn_dtype_name(dtype)), NULL;
  cn_tensor *t = cni_tensor_new(g, dtype, dims, false);
  if (!t) return NULL;
  cni_fill(t, value);
  return t;
}

cn_tensor *cn_full(cn_graph *g, cn_dtype dtype, const cn_dims *dims, double value) {
  cn_tensor *t = filled(g, dtype, dims, value);
  if (t && g->capture) cni_capture_fill(t, value);
  return t;
}

cn_tensor *cn_scalar(cn_graph *g, double value) { return cn_full(g, CN_F32, &(const cn_dims){ 0, { 0 } }, value); }
cn_tensor *cn_zeros(cn_graph *g, cn_dtype dtype, const cn_dims *dims) { return cn_full(g, dtype, dims, 0); }
cn_tensor *cn_ones(cn_graph *g, cn_dtype dtype, const cn_dims *dims) { return cn_full(g, dtype, dims, 1); }

static cn_tensor *full_like(cn_graph *g, cn_tensor *x, const char *where, bool scalar, double value) {
  if (!cn_ok(g) || !x) return NULL;
  const char *old = g->core.where;
  g->core.where = where;
  const bool ok = cni_readable(g, x, false);
  g->core.where = old;
  return ok ? cn_full(g, (cn_dtype)x->dtype, scalar ? &(const cn_dims){ 0, { 0 } } : &x->dims, value) : NULL;
}
cn_tensor *cn_scalar_like(cn_graph *g, cn_tensor *like, double value) { return full_like(g, like, "scalar_like", true, value); }
cn_tensor *cn_zeros_like(cn_graph *g, cn_tensor *x) { return full_like(g, x, "zeros_like", false, 0); }
cn_tensor *cn_ones_like(cn_graph *g, cn_tensor *x) { return full_like(g, x, "ones_like", false, 1); }

static cn_tensor *ramp(cn_graph *g, cn_dtype dtype, int64_t n, double start, double step) {
  if (g->in_rule) cni_capture_spoil(g);
  cn_tensor *t = filled(g, dtype, &(const cn_dims){ 1, { n } }, 0);
  if (t)
    for (int64_t i = 0; i < n; i++) cni_value_set(t, i, start + (double)i * step);
  return t;
}

cn_tensor *cn_arange(cn_graph *g, cn_dtype dtype, double start, double stop, double step) {
  if (!cn_ok(g)) return NULL;
  if (step == 0 || !isfinite(start) || !isfinite(stop) || !isfinite(step))
    return cn_fail(g, CN_VALUE, "arange: start %g, stop %g, step %g give no range", start, stop, step), NULL;
  const double n = ceil((stop - start) / step);
  if (n > 1e15) return cn_fail(g, CN_NO_MEMORY, "arange: %g elements are too many", n), NULL;
  return ramp(g, dtype, n > 0 ? (int64_t)n : 0, start, step);
}

cn_tensor *cn_linspace(cn_graph *g, cn_dtype dtype, double start, double stop, int64_t n) {
  if (!cn_ok(g)) return NULL;
  if (n < 0) return cn_fail(g, CN_VALUE, "linspace: n must not be negative, got %lld", (long long)n), NULL;
  cn_tensor *t = ramp(g, dtype, n, start, n > 1 ? (stop - start) / (double)(n - 1) : 0);
  if (t && n > 1) cni_value_set(t, n - 1, stop);
  return t;
}

cn_tensor *cn_eye(cn_graph *g, cn_dtype dtype, int64_t rows, int64_t cols, int64_t k) {
  cn_tensor *t = filled(g, dtype, &(const cn_dims){ 2, { rows, cols } }, 0);
  if (t && g->in_rule) cni_capture_spoil(g);
  if (t)
    for (int64_t i = 0; i < rows; i++)
      if (i + k >= 0 && i + k < cols) cni_value_set(t, i * cols + i + k, 1);
  return t;
}

cn_tensor *cn_string_array(cn_graph *g, const cn_dims *dims, const char *const *texts) {
  if (!dims_ok(g, "string_array", CN_STRING, dims, false)) return NULL;
  const int64_t n = dims->rank ? cn_dims_count(dims) : 1;
  size_t bytes = 0;
  for (int64_t i = 0; i < n; i++) bytes += strlen(texts[i]);
  cn_tensor *t = cni_string_tensor(g, dims, n, bytes);
  if (!t) return NULL;
  int64_t *offsets = t->data;
  char *to = (char *)(offsets + n + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < n; i++) {
    const size_t length = strlen(texts[i]);
    memcpy(to + offsets[i], texts[i], length);
    offsets[i + 1] = offsets[i] + (int64_t)length;
  }
  return t;
}

cn_tensor *cn_symbolic(cn_graph *g, cn_dtype dtype, const cn_dims *dims) {
  if (!dims_ok(g, "Input", dtype, dims, true)) return NULL;
  cn_tensor *t = persistent_header(g);
  if (!t) return NULL;
  header_init(g, t, dtype, dims, CNI_PERSISTENT, CNI_SYMBOLIC);
  return t;
}

/* ---- reading ---- */
static const cn_tensor *known(const cn_tensor *x) { return x && x != &cn_no_tensor_ && x != &cn_missing_ && cni_alive(x->graph, x) ? x : NULL; }

cn_dims cn_dims_of(const cn_tensor *x) {
  cn_dims d = { 0, { 0 } };
  if (known(x)) cni_set_dims(&d, &x->dims);
  return d;
}
cn_dtype cn_dtype_of(const cn_tensor *x) { return known(x) ? (cn_dtype)x->dtype : CN_F32; }
int cn_rank(const cn_tensor *x) { return known(x) ? x->dims.rank : 0; }
int64_t cn_dim(const cn_tensor *x, int axis) {
  if (!known(x)) return 0;
  if (axis < 0) axis += x->dims.rank;
  if (axis < 0 || axis >= x->dims.rank) return 0;
  return x->dims.d[axis] == CN_UNKNOWN ? (int64_t)((uint64_t)INT64_MIN + ((uint64_t)(uintptr_t)x | (uint64_t)axis)) : x->dims.d[axis];
}
int64_t cn_count(const cn_tensor *x) { return known(x) ? x->count : 0; }
cn_graph *cn_graph_of(const cn_tensor *x) { return x ? x->graph : NULL; }
bool cn_is_symbolic(const cn_tensor *x) { return known(x) && (x->flags & CNI_SYMBOLIC); }
bool cn_is_variable(const cn_tensor *x) { return known(x) && (x->flags & CNI_VARIABLE); }
const void *cn_data(const cn_tensor *x) { return reads(x, "data") ? x->data : NULL; }
double cn_item(const cn_tensor *x) { return reads(x, "item") && x->count == 1 ? cni_value_at(x, 0) : NAN; }
double cn_at(const cn_tensor *x, int64_t i) { return reads(x, "at") && i >= 0 && i < x->count ? cni_value_at(x, i) : NAN; }

bool cn_to_doubles(const cn_tensor *x, double *out) {
  if (!reads(x, "to_doubles") || x->dtype == CN_STRING) return false;
  for (int64_t i = 0; i < x->count; i++) out[i] = cni_value_at(x, i);
  return true;
}

const char *cn_string_at(const cn_tensor *x, int64_t i, int64_t *length) {
  *length = 0;
  if (!reads(x, "string_at") || x->dtype != CN_STRING || i < 0 || i >= x->count) return NULL;
  const int64_t *offsets = x->data;
  *length = offsets[i + 1] - offsets[i];
  return (const char *)(offsets + x->count + 1) + offsets[i];
}

/* ---- life ---- */
cni_extra *cni_extra_of(cn_graph *g, cn_tensor *t) {
  if (t->extra) return t->extra;
  const bool persist = t->epoch == CNI_PERSISTENT;
  cni_extra *e = persist ? cni_alloc(g, sizeof *e) : cni_arena_take(g, cni_step_arena(g), sizeof *e);
  if (!e) return NULL;
  if (!persist) memset(e, 0, sizeof *e);
  return t->extra = e;
}

cn_tensor *cn_persist(cn_tensor *x) {
  if (!x || !cn_ok(x->graph)) return NULL;
  cn_graph *g = x->graph;
  const char *old = g->core.where;
  g->core.where = "persist";
  const bool ok = cni_readable(g, x, true);
  g->core.where = old;
  if (!ok) return NULL;
  cn_tensor *t = persistent_header(g);
  if (!t) return NULL;
  header_init(g, t, (cn_dtype)x->dtype, &x->dims, CNI_PERSISTENT, 0);
  const bool shared = x->buffer && !(x->flags & CNI_VARIABLE) && !x->buffer->captured && !x->buffer->held;
  if (shared) {
    cni_buffer_use(g, x->buffer, false);
    t->buffer = x->buffer;
    t->data = x->data;
    return t;
  }
  if (!cni_tensor_storage(g, t, false)) return persistent_header_free(g, t), NULL;
  if (t->count) memcpy(t->data, x->data, (size_t)t->count * cn_dtype_size((cn_dtype)t->dtype));
  return t;
}

static void extra_free(cn_graph *g, cn_tensor *t) {
  cni_extra *e = t->extra;
  if (!e) return;
  if (e->next) { /* off the ring of variables */
    e->next->extra->previous = e->previous;
    e->previous->extra->next = e->next;
    if (g->variables == t) g->variables = e->next == t ? NULL : e->next;
    g->trainables++;
  }
  cn_free(e->grad);
  cn_free(e->rows.indices);
  cn_free(e->rows.values);
  cni_free(g, e->name);
  cni_free(g, e);
  t->extra = NULL;
}

void cn_free(cn_tensor *x) {
  if (!x || x == &cn_no_tensor_ || x == &cn_missing_ || x->epoch != CNI_PERSISTENT) return;
  cn_graph *g = x->graph;
  extra_free(g, x);
  if (x->buffer) cni_buffer_drop(g, x->buffer, false);
  x->buffer = NULL;
  x->data = NULL;
  persistent_header_free(g, x);
}

void cn_set_name(cn_tensor *x, const char *name) {
  if (!known(x) || !cn_ok(x->graph)) return;
  cn_graph *g = x->graph;
  cni_extra *e = cni_extra_of(g, x);
  if (!e) return;
  char *copy = NULL;
  if (name) {
    const size_t size = strlen(name) + 1;
    copy = x->epoch == CNI_PERSISTENT ? cni_alloc(g, size) : cni_arena_take(g, cni_step_arena(g), size);
    if (!copy) return;
    memcpy(copy, name, size);
  }
  if (x->epoch == CNI_PERSISTENT) cni_free(g, e->name);
  e->name = copy;
}
const char *cn_name_of(const cn_tensor *x) { return known(x) && x->extra && x->extra->name ? x->extra->name : ""; }

cn_tensor *cn_mask_of(const cn_tensor *x) { return known(x) && x->extra ? x->extra->mask : NULL; }
void cn_set_mask(cn_tensor *x, cn_tensor *mask) {
  if (!known(x) || !cn_ok(x->graph)) return;
  cni_extra *e = cni_extra_of(x->graph, x);
  if (e) e->mask = mask;
}
