#include "ops_ctc.h"
#include "elementwise_private.h"
#include "ops.h"

static bool sizes_fit(int64_t a, int64_t b) { return a == b || a == CN_UNKNOWN || b == CN_UNKNOWN; }

static cn_code infer(const cn_call *c) {
  const cn_dims *t = &c->x[0]->dims, *x = &c->x[1]->dims, *tl = &c->x[2]->dims, *xl = &c->x[3]->dims;
  char a[160], b[160];
  if (!cni_is_float((cn_dtype)c->x[1]->dtype))
    return cn_fail(c->graph, CN_DTYPE, "output must be float32 or float64, got %s", cn_dtype_name((cn_dtype)c->x[1]->dtype));
  for (int i = 0; i < 4; i++)
    if (c->x[i]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "labels and lengths must be numbers");
  cn_dims_text(t, a, sizeof a), cn_dims_text(x, b, sizeof b);
  if (t->rank != 2 || x->rank != 3 || !sizes_fit(t->d[0], x->d[0]))
    return cn_fail(c->graph, CN_SHAPE, "target %s does not fit output %s: [batch, labels] and [batch, time, classes] are needed", a, b);
  cn_dims_text(tl, a, sizeof a), cn_dims_text(xl, b, sizeof b);
  if (tl->rank != 1 || xl->rank != 1 || !sizes_fit(tl->d[0], x->d[0]) || !sizes_fit(xl->d[0], x->d[0]) || !sizes_fit(tl->d[0], t->d[0]))
    return cn_fail(c->graph, CN_SHAPE, "target_length %s and output_length %s must be [batch]", a, b);
  const int64_t blank = ((const cn_ctc_loss_args *)c->args)->mask_index;
  if (blank < 0 || (x->d[2] != CN_UNKNOWN && blank >= x->d[2]))
    return cn_fail(c->graph, CN_VALUE, "mask_index %lld is none of %lld classes", (long long)blank, (long long)x->d[2]);
  c->sig[0] = (cn_sig){ (cn_dtype)c->x[1]->dtype, { 1, { x->d[0] } } };
  return CN_OK;
}

static int64_t integer_at(const cn_tensor *t, int64_t i) { return (int64_t)cni_value_at(t, i); }

static cn_code check(const cn_call *c) {
  const int64_t labels = c->x[0]->dims.d[1], time = c->x[1]->dims.d[1], classes = c->x[1]->dims.d[2];
  for (int64_t b = 0; b < c->y[0]->count; b++) {
    const int64_t n = integer_at(c->x[2], b), t = integer_at(c->x[3], b);
    if (n < 0 || n > labels)
      return cn_fail(c->graph, CN_VALUE, "target_length %lld of sample %lld is out of range for %lld labels", (long long)n, (long long)b, (long long)labels);
    if (t < 0 || t > time)
      return cn_fail(c->graph, CN_VALUE, "output_length %lld of sample %lld is out of range for %lld frames", (long long)t, (long long)b, (long long)time);
    for (int64_t i = 0; i < n; i++) {
      const int64_t v = integer_at(c->x[0], b * labels + i);
      if (v < 0 || v >= classes)
        return cn_fail(c->graph, CN_INDEX, "label %lld of sample %lld is out of range for %lld classes", (long long)v, (long long)b, (long long)classes);
    }
  }
  return CN_OK;
}

/* ---- the lattice ---- */
/* States 0, 2, ... are blanks, states 1, 3, ... the labels; a label may be reached from the one before it, skipping the blank, where they differ. Probabilities
 * are logarithms in double: they grow with time. */
typedef struct lattice {
  int64_t time, states;
  int64_t row;         /* of alpha: the states and two of probability 0 in front */
  int64_t *label;      /* [states] */
  uint8_t *skips;      /* [states + 2] */
  double *emit;        /* [states]: of the frame at hand */
  double *alpha;       /* [time, row], or two rows where only the end is wanted */
  double *beta, *next; /* [states + 2]: two of probability 0 behind */
  void *lse;           /* [time] */
} lattice;

typedef struct job { const cn_call *call; const cni_kernels *kernels, *wide; int64_t parts; size_t bytes; char *scratch; bool backward; } job;

static int64_t most_states(const cn_call *c) { return 2 * c->x[0]->dims.d[1] + 1; }
static size_t rounded(size_t n) { return (n + 63) & ~(size_t)63; }
static size_t lattice_bytes(const cn_call *c, bool backward) {
  const size_t states = (size_t)most_states(c) + 2, time = (size_t)c->x[1]->dims.d[1];
  return rounded(states * (2 * sizeof(double) + sizeof(int64_t))) + rounded(states) + rounded(2 * states * sizeof(double)) +
         rounded((backward ? time : 2) * states * sizeof(double)) + rounded(time * sizeof(double)) + 64;
}

static lattice lattice_at(const job *j, int64_t b, char *p) {
  const cn_call *c = j->call;
  const int64_t labels = c->x[0]->dims.d[1], n = integer_at(c->x[2], b), blank = ((const cn_ctc_loss_args *)c->args)->mask_index;
  const size_t states = (size_t)most_states(c) + 2;
  lattice l = { .time = integer_at(c->x[3], b), .states = 2 * n + 1, .row = 2 * n + 3 };
  l.label = (int64_t *)(void *)p;
  l.emit = (double *)(void *)(l.label + states);
  l.skips = (uint8_t *)(p += rounded(states * (2 * sizeof(double) + sizeof(int64_t))));
  l.beta = (double *)(void *)(p += rounded(states));
  l.next = l.beta + states;
  l.alpha = (double *)(void *)(p += rounded(2 * states * sizeof(double)));
  l.lse = p + rounded((j->backward ? (size_t)c->x[1]->dims.d[1] : 2) * states * sizeof(double));
  for (int64_t s = 0; s < l.states; s++) {
    l.label[s] = s % 2 ? integer_at(c->x[0], b * labels + s / 2) : blank;
    l.skips[s] = s > 1 && l.label[s] != l.label[s - 2];
  }
  l.skips[l.states] = l.skips[l.states + 1] = 0;
  return l;
}

static void emit(const job *j, const lattice *l, int64_t b, int64_t t) {
  const cn_tensor *x = j->call->x[1];
  const int64_t at = (b * x->dims.d[1] + t) * x->dims.d[2];
  const double lse = x->dtype == CN_F32 ? (double)((const float *)l->lse)[t] : ((const double *)l->lse)[t];
  for (int64_t s = 0; s < l->states; s++) l->emit[s] = cni_value_at(x, at + l->label[s]) - lse;
}

static double *alpha_row(const job *j, const lattice *l, int64_t t) { return l->alpha + (j->backward ? t : t % 2) * l->row + 2; }

/* alpha(t, s): of all ways to be in state s with frame t. Returns the logarithm of the target's probability. */
static double sum_alignments(const job *j, const lattice *l, int64_t b) {
  const cn_tensor *x = j->call->x[1];
  const int64_t classes = x->dims.d[2], last = l->states - 1;
  if (!l->time) return last ? -INFINITY : 0;
  j->kernels->logsumexp(l->lse, (const char *)x->data + (size_t)(b * x->dims.d[1] * classes) * cn_dtype_size((cn_dtype)x->dtype), l->time, classes);
  for (int64_t t = 0; t < l->time; t++) {
    double *a = alpha_row(j, l, t);
    a[-1] = a[-2] = -INFINITY;
    emit(j, l, b, t);
    if (t) {
      const double *before = alpha_row(j, l, t - 1);
      j->wide->log_add3(a, before, before - 1, before - 2, l->skips, l->emit, l->states);
    } else {
      for (int64_t s = 0; s < l->states; s++) a[s] = s < 2 ? l->emit[s] : -INFINITY;
    }
  }
  const double *end = alpha_row(j, l, l->time - 1), p = end[last], q = end[last - 1], most = fmax(p, q);
  return most == -INFINITY ? most : most + log(exp(p - most) + exp(q - most));
}

static cn_code run(const cn_call *c, bool backward, void (*part)(void *job, int64_t begin, int64_t end)) {
  cn_graph *g = c->graph;
  const int64_t n = c->y[0]->count, threads = g->core.threads;
  job j = { .call = c,
            .kernels = cni_kernels_for(g, (cn_dtype)c->x[1]->dtype),
            .wide = cni_kernels_for(g, CN_F64),
            .parts = threads < n ? threads : n,
            .bytes = lattice_bytes(c, backward),
            .backward = backward };
  if (!n) return CN_OK;
  cni_buffer *buffer = cni_buffer_take(g, j.bytes * (size_t)j.parts, false);
  if (!buffer) return CN_NO_MEMORY;
  j.scratch = buffer->data;
  cni_parallel(g, j.parts, 1, part, &j);
  cni_buffer_drop(g, buffer, false);
  return CN_OK;
}

static void forward_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const int64_t n = j->call->y[0]->count;
  for (int64_t p = begin; p < end; p++)
    for (int64_t b = n * p / j->parts; b < n * (p + 1) / j->parts; b++) {
      const lattice l = lattice_at(j, b, j->scratch + (size_t)p * j->bytes);
      cni_value_set(j->call->y[0], b, -sum_alignments(j, &l, b));
    }
}
static cn_code forward(const cn_call *c) { return run(c, false, forward_part); }

/* ---- gradient ---- */
/* Takes each state's share of the alignments through frame t from its class; then beta(t - 1, s): of all ways from state s to the end. */
static void take_shares(const job *j, const lattice *l, double total, int64_t t, void *gx, cn_dtype dtype) {
  const double *a = alpha_row(j, l, t);
  for (int64_t s = 0; s < l->states; s++) {
    const double share = exp(a[s] + l->beta[s] - total);
    if (dtype == CN_F32) ((float *)gx)[l->label[s]] -= (float)share;
    else ((double *)gx)[l->label[s]] -= share;
  }
  for (int64_t s = 0; s < l->states; s++) l->next[s] = l->beta[s] + l->emit[s];
  j->wide->log_add3(l->beta, l->next, l->next + 1, l->next + 2, l->skips + 2, NULL, l->states);
}

static void backward_sample(const job *j, const lattice *l, int64_t b) {
  const cn_call *c = j->call;
  const cn_tensor *x = c->x[1];
  const cn_dtype dtype = (cn_dtype)x->dtype;
  const int64_t classes = x->dims.d[2], at = b * x->dims.d[1] * classes;
  const size_t w = cn_dtype_size(dtype);
  const double gy = dtype == CN_F32 ? (double)((const float *)c->gy[0])[b] : ((const double *)c->gy[0])[b], total = sum_alignments(j, l, b);
  char *gx = (char *)c->gx[1] + (size_t)at * w;
  memset(gx, 0, (size_t)(x->dims.d[1] * classes) * w);
  if (!l->time || total == -INFINITY) return;
  j->kernels->softmax(gx, (const char *)x->data + (size_t)at * w, l->time, classes);
  for (int64_t s = 0; s < l->states; s++) l->beta[s] = s + 2 >= l->states ? 0 : -INFINITY;
  l->next[l->states] = l->next[l->states + 1] = -INFINITY;
  for (int64_t t = l->time - 1; t >= 0; t--) {
    emit(j, l, b, t);
    take_shares(j, l, total, t, gx + (size_t)(t * classes) * w, dtype);
  }
  j->kernels->scale(gx, gx, l->time * classes, &gy);
}

static void backward_part(void *context, int64_t begin, int64_t end) {
  const job *j = context;
  const int64_t n = j->call->y[0]->count;
  for (int64_t p = begin; p < end; p++)
    for (int64_t b = n * p / j->parts; b < n * (p + 1) / j->parts; b++) {
      const lattice l = lattice_at(j, b, j->scratch + (size_t)p * j->bytes);
      backward_sample(j, &l, b);
    }
}
static cn_code backward(const cn_call *c) {
  for (int i = 0; i < 4; i++) /* targets and lengths may be floats */
    if (i != 1 && c->gx[i]) memset(c->gx[i], 0, (size_t)c->x[i]->count * cn_dtype_size((cn_dtype)c->x[i]->dtype));
  return c->gx[1] ? run(c, true, backward_part) : CN_OK;
}

/* ---- in operations ---- */
#define NEVER (-1e30) /* logarithm of a probability that adds nothing: finite, so that its gradient is 0 and not NaN */

/* What the targets say, as tensors: the class of each state [batch, states] (int64) and, as NEVER or 0, what is added to a skip into it; states from which the
 * end is reached; frames that count [batch, time]. */
typedef struct tables { cn_tensor *label, *skip, *end, *frames; } tables;

static tables tables_of(cn_graph *g, const cn_node *n) {
  const cn_tensor *target = n->x[0], *x = n->x[1];
  const int64_t batch = x->dims.d[0], time = x->dims.d[1], labels = target->dims.d[1], states = 2 * labels + 1,
                blank = ((const cn_ctc_loss_args *)n->args)->mask_index;
  const cn_dtype dtype = (cn_dtype)x->dtype;
  tables t = { cn_zeros(g, CN_I64, CN_DIMS(batch, states)), cn_zeros(g, dtype, CN_DIMS(batch, states)), cn_zeros(g, dtype, CN_DIMS(batch, states)),
               cn_zeros(g, dtype, CN_DIMS(batch, time)) };
  if (!cn_ok(g)) return t;
  cni_capture_spoil(g); /* the tables' values come from here */
  for (int64_t b = 0; b < batch; b++) {
    const int64_t length = integer_at(n->x[2], b);
    int64_t *label = (int64_t *)t.label->data + b * states;
    for (int64_t s = 0; s < states; s++) {
      label[s] = s % 2 && s / 2 < length ? integer_at(target, b * labels + s / 2) : blank;
      cni_value_set(t.skip, b * states + s, s > 1 && label[s] != label[s - 2] ? 0 : NEVER);
      cni_value_set(t.end, b * states + s, s == 2 * length || s + 1 == 2 * length ? 0 : NEVER);
    }
    for (int64_t i = 0; i < integer_at(n->x[3], b); i++) cni_value_set(t.frames, b * time + i, 1);
  }
  return t;
}

/* x [batch, states] moved by `by` states, NEVER where nothing comes from. */
static cn_tensor *moved(cn_graph *g, cn_tensor *x, int64_t by) {
  const int64_t n = x ? x->dims.d[1] : 0, size = by < 0 ? -by : by;
  if (!x || size >= n) return x ? cn_full(g, (cn_dtype)x->dtype, &x->dims, NEVER) : NULL;
  cn_tensor *edge = cn_full(g, (cn_dtype)x->dtype, CN_DIMS(x->dims.d[0], size), NEVER);
  cn_tensor *part = cn_slice(g, x, .start_indices = CN_INTS(0, by < 0 ? size : 0), .shape = CN_INTS(x->dims.d[0], n - size));
  return by < 0 ? cn_concatenate(g, CN_TENSORS(part, edge), .axis = 1) : cn_concatenate(g, CN_TENSORS(edge, part), .axis = 1);
}
static cn_tensor *added3(cn_graph *g, cn_tensor *a, cn_tensor *b, cn_tensor *c) {
  return cn_logsumexp(g, cn_stack(g, CN_TENSORS(a, b, c)), .axis = CN_INTS(0));
}

/* Column t of x [batch, time, ...] or [batch, time]. */
static cn_tensor *frame(cn_graph *g, cn_tensor *x, int64_t t) { return cn_take(g, x, cn_full(g, CN_I64, CN_SCALAR, (double)t), .axis = 1); }
static cn_tensor *frame_counts(cn_graph *g, cn_tensor *frames, int64_t t) {
  cn_tensor *f = cn_expand_dims(g, frame(g, frames, t), .axis = CN_INTS(-1));
  return cn_greater(g, f, cn_scalar_like(g, f, 0));
}

/* The shares of all states [batch, time, states]: alpha forwards, beta backwards, as the kernel's; frames that do not count leave both as they are. */
static cn_tensor *shares(cn_graph *g, const cn_node *n, const tables *k, cn_tensor *emits, cn_tensor *total) {
  const int64_t time = n->x[1]->dims.d[1];
  cn_tensor **a = cni_arena_take(g, cni_step_arena(g), (size_t)time * 2 * sizeof *a), **share = a + time;
  if (!a) return NULL;
  cn_tensor *start = cn_zeros_like(g, k->end), *beta = k->end;
  for (int64_t i = 0; start && i < start->count; i++) cni_value_set(start, i, i % start->dims.d[1] < 2 ? 0 : NEVER);
  for (int64_t t = 0; t < time && cn_ok(g); t++) {
    cn_tensor *from = t ? added3(g, a[t - 1], moved(g, a[t - 1], 1), cn_add(g, moved(g, a[t - 1], 2), k->skip)) : start;
    a[t] = cn_add(g, from, frame(g, emits, t));
    if (t) a[t] = cn_where(g, frame_counts(g, k->frames, t), a[t], a[t - 1]);
  }
  for (int64_t t = time - 1; t >= 0 && cn_ok(g); t--) {
    share[t] = cn_exp(g, cn_subtract(g, cn_add(g, a[t], beta), total));
    cn_tensor *w = cn_add(g, beta, frame(g, emits, t)), *skipped = moved(g, cn_add(g, w, k->skip), -2);
    beta = cn_where(g, frame_counts(g, k->frames, t), added3(g, w, moved(g, w, -1), skipped), beta);
  }
  const cn_tensors all = { share, time };
  return cn_ok(g) ? cn_stack(g, all, .axis = 1) : NULL;
}

CNI_VJP(ctc_loss) {
  cn_tensor *x = n->x[1];
  if (!want[1] || !x->count) return;
  const tables k = tables_of(g, n);
  const int64_t *d = x->dims.d, states = k.label ? k.label->dims.d[1] : 0;
  cn_tensor *label = cn_broadcast_to(g, cn_expand_dims(g, k.label, .axis = CN_INTS(1)), .shape = CN_INTS(d[0], d[1], states));
  cn_tensor *possible = cn_isfinite(g, n->y[0]), *loss = cn_expand_dims(g, cn_where(g, possible, n->y[0], NUMBER(x, 0)), .axis = CN_INTS(-1)); /* [batch, 1] */
  cn_tensor *emits = cn_take_along_axis(g, cn_log_softmax(g, x), label, .axis = -1), *share = shares(g, n, &k, emits, cn_negative(g, loss));
  cn_tensor *slope = cn_subtract(g, cn_softmax(g, x), cn_scatter_along_axis(g, share, label, .shape = { d, 3 }, .axis = -1));
  cn_tensor *weight = cn_multiply(g, cn_expand_dims(g, gy[0], .axis = CN_INTS(-1)), k.frames);
  weight = cn_where(g, cn_expand_dims(g, possible, .axis = CN_INTS(-1)), weight, NUMBER(x, 0));
  gx[1] = cn_multiply(g, cn_expand_dims(g, weight, .axis = CN_INTS(-1)), slope);
}

/* ---- reference: the same sum in probabilities ---- */
static double probability(const cn_reference *r, int64_t b, int64_t t, int64_t k) {
  const int64_t *d = r->call->x[1]->dims.d;
  const double *x = r->x[1] + (b * d[1] + t) * d[2];
  double sum = 0;
  for (int64_t i = 0; i < d[2]; i++) sum += exp(x[i]);
  return exp(x[k]) / sum;
}
static double spelled(const cn_reference *r, int64_t b, int64_t t, int64_t s, int64_t blank) { /* with frame t in state s */
  const int64_t labels = r->call->x[0]->dims.d[1];
  const double *target = r->x[0] + b * labels;
  if (s < 0 || t < 0) return t == -1 && s == -1;
  const int64_t label = s % 2 ? (int64_t)target[s / 2] : blank;
  double sum = t ? spelled(r, b, t - 1, s, blank) + (s > 0 ? spelled(r, b, t - 1, s - 1, blank) : 0) : s < 2;
  if (t && s % 2 && s > 1 && target[s / 2] != target[s / 2 - 1]) sum += spelled(r, b, t - 1, s - 2, blank);
  return sum * probability(r, b, t, label);
}
static void reference(const cn_reference *r) {
  const int64_t blank = ((const cn_ctc_loss_args *)r->call->args)->mask_index;
  for (int64_t b = 0; b < r->call->y[0]->count; b++) {
    const int64_t last = 2 * (int64_t)r->x[2][b], time = (int64_t)r->x[3][b];
    r->y[0][b] = -log(time ? spelled(r, b, time - 1, last, blank) + (last ? spelled(r, b, time - 1, last - 1, blank) : 0) : !last);
  }
}

CN_OP(ctc_loss, CN_CTC_LOSS, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_X(2) | CN_READS_X(3) | CN_READS_Y(0), .infer = infer,
      .check = check, .forward = forward, .vjp = ctc_loss_vjp, .backward = backward, .reference = reference,
      .samples = CN_TEXTS("i[2,2]@1:4, f[2,5,4], i[2]@1:3, i[2]@4:6", "i[3,2]@0:2, f[3,6,3], i[3]@2:3, i[3]@5:7, mask_index=2",
                          "l[1,1]@1:3, f[1,3,3], i[1]@0:1, i[1]@2:3", "f[2,1]@1:3, f[2,2,3], f[2]@1:1.5, f[2]@1:2", "i[1,4]@1:3, f[1,9,3], i[1]@4:5, i[1]@9:10",
                          "i[0,2]@0:2, f[0,5,4], i[0]@1:2, i[0]@4:5"),
      .rejects = CN_TEXTS("i[2,2]@1:3, f[2,4], i[2]@1:2, i[2]@4:5 => target [2,2] does not fit output [2,4]",
                          "i[3,2]@1:3, f[2,5,4], i[2]@1:2, i[2]@4:5 => target [3,2] does not fit output [2,5,4]",
                          "i[2,2]@1:3, f[2,5,4], i[3]@1:2, i[2]@4:5 => target_length [3]",
                          "i[2,2]@1:3, f[2,5,4], i[2]@3:4, i[2]@4:5 => target_length 3 of sample 0 is out of range for 2 labels",
                          "i[2,2]@1:3, f[2,5,4], i[2]@1:2, i[2]@6:7 => output_length 6 of sample 0 is out of range for 5 frames",
                          "i[2,2]@4:5, f[2,5,4], i[2]@1:2, i[2]@4:5 => label 4 of sample 0 is out of range for 4 classes",
                          "i[2,2]@1:3, i[2,5,4]@0:3, i[2]@1:2, i[2]@4:5 => output must be float32 or float64",
                          "i[2,2]@1:3, f[2,5,4], i[2]@1:2, i[2]@4:5, mask_index=4 => mask_index 4 is none of 4 classes",
                          "s[2,2], f[2,5,4], i[2]@1:2, i[2]@4:5 => labels and lengths must be numbers"));
