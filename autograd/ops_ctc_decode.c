#include <stdlib.h>
#include "elementwise_private.h"
#include "ops_ctc.h"

static bool searches(const cn_call *c) {
  const char *s = ((const cn_ctc_decode_args *)c->args)->strategy;
  return s && !strcmp(s, "beam_search");
}
static int64_t blank_of(const cn_call *c) {
  const int64_t m = ((const cn_ctc_decode_args *)c->args)->mask_index;
  return m == CN_NONE ? c->x[0]->dims.d[2] - 1 : m;
}

static cn_code infer(const cn_call *c) {
  const cn_ctc_decode_args *o = c->args;
  const cn_dims *x = &c->x[0]->dims, *l = &c->x[1]->dims;
  char a[160], b[160];
  cn_dims_text(x, a, sizeof a), cn_dims_text(l, b, sizeof b);
  if (!cni_is_float((cn_dtype)c->x[0]->dtype))
    return cn_fail(c->graph, CN_DTYPE, "inputs must be float32 or float64, got %s", cn_dtype_name((cn_dtype)c->x[0]->dtype));
  if (c->x[1]->dtype == CN_STRING) return cn_fail(c->graph, CN_DTYPE, "lengths must be numbers");
  if (x->rank != 3 || l->rank != 1 || (l->d[0] != x->d[0] && l->d[0] != CN_UNKNOWN && x->d[0] != CN_UNKNOWN))
    return cn_fail(c->graph, CN_SHAPE, "inputs %s and sequence_lengths %s must be [batch, time, classes] and [batch]", a, b);
  if (!o->strategy || (strcmp(o->strategy, "greedy") != 0 && strcmp(o->strategy, "beam_search") != 0))
    return cn_fail(c->graph, CN_VALUE, "strategy \"%s\" is neither greedy nor beam_search", o->strategy ? o->strategy : "None");
  if (x->d[1] == 0 || x->d[2] == 0) return cn_fail(c->graph, CN_SHAPE, "inputs %s have no frame or no class", a);
  if (o->mask_index != CN_NONE && (o->mask_index < 0 || (x->d[2] != CN_UNKNOWN && o->mask_index >= x->d[2])))
    return cn_fail(c->graph, CN_VALUE, "mask_index %lld is none of %lld classes", (long long)o->mask_index, (long long)x->d[2]);
  const int64_t paths = searches(c) ? o->top_paths : 1;
  c->sig[0] = (cn_sig){ CN_I32, { 3, { paths, x->d[0], x->d[1] } } };
  c->sig[1] = (cn_sig){ (cn_dtype)c->x[0]->dtype, { 2, { x->d[0], paths } } };
  return CN_OK;
}

static int64_t length_at(const cn_call *c, int64_t b) { return (int64_t)cni_value_at(c->x[1], b); }
static cn_code check(const cn_call *c) {
  for (int64_t b = 0; b < c->x[1]->count; b++)
    if (length_at(c, b) < 0 || length_at(c, b) > c->x[0]->dims.d[1])
      return cn_fail(c->graph, CN_VALUE, "sequence length %lld of sample %lld is out of range for %lld frames", (long long)length_at(c, b), (long long)b,
                     (long long)c->x[0]->dims.d[1]);
  return CN_OK;
}

static double logit(const cn_call *c, int64_t b, int64_t t, int64_t k) {
  const int64_t *d = c->x[0]->dims.d;
  return cni_value_at(c->x[0], (b * d[1] + t) * d[2] + k);
}

/* ---- greedy ---- */
static void greedy(const cn_call *c, int64_t b) {
  const int64_t time = c->x[0]->dims.d[1], classes = c->x[0]->dims.d[2], blank = blank_of(c);
  const bool merge = ((const cn_ctc_decode_args *)c->args)->merge_repeated;
  int32_t *y = (int32_t *)c->y[0]->data + b * time;
  int64_t n = 0, before = -1;
  double score = 0;
  for (int64_t t = 0, end = length_at(c, b); t < end; t++) {
    int64_t best = 0;
    for (int64_t k = 1; k < classes; k++)
      if (logit(c, b, t, k) > logit(c, b, t, best)) best = k;
    score += logit(c, b, t, best);
    if (best != blank && !(merge && best == before)) y[n++] = (int32_t)best;
    before = best;
  }
  while (n < time) y[n++] = -1;
  cni_value_set(c->y[1], b, -score);
}

/* ---- beam search ---- */
/* A prefix: a node of the tree of labels. Its probability is kept apart for alignments that end in its last label and in a blank. */
typedef struct prefix { int64_t parent, label, length; } prefix;
typedef struct candidate { int64_t node, label; /* the prefix, and a label behind it or -1 */ double emit, blank, total; } candidate;

typedef struct search {
  const cn_call *call;
  int64_t width, classes, blank, nodes;
  prefix *tree;             /* [time width + 1], 0 the empty one */
  int64_t *place;           /* of each node: where it stands in the beam, or -1 */
  candidate *beam, *found;  /* [width], [width (classes + 1)] */
  double *x;                /* [classes]: log-probabilities of a frame */
  int64_t beams;
} search;

static double log_add(double a, double b) {
  const double most = fmax(a, b);
  return most == -INFINITY ? most : most + log(exp(a - most) + exp(b - most));
}

static void log_probabilities(const search *s, int64_t b, int64_t t) {
  double most = -INFINITY, sum = 0;
  for (int64_t k = 0; k < s->classes; k++) most = fmax(most, s->x[k] = logit(s->call, b, t, k));
  for (int64_t k = 0; k < s->classes; k++) sum += exp(s->x[k] - most);
  for (int64_t k = 0; k < s->classes; k++) s->x[k] -= most + log(sum);
}

/* Ties go to the prefix that comes first where labels are compared one by one, and to the longer one. The tree gives labels from the end. */
static int compare_labels(const prefix *tree, int64_t a, int64_t a_label, int64_t b, int64_t b_label) {
  int64_t la = tree[a].length + (a_label >= 0), lb = tree[b].length + (b_label >= 0);
  const int by_length = la > lb ? -1 : la < lb;
  int first = 0;
  while (la > 0 || lb > 0) {
    const int64_t p = a_label >= 0 ? a_label : tree[a].label, q = b_label >= 0 ? b_label : tree[b].label;
    const bool step_a = la >= lb, step_b = lb >= la;
    if (step_a && step_b && p != q) first = p < q ? -1 : 1;
    if (step_a) la--, a = a_label >= 0 ? a : tree[a].parent, a_label = -1;
    if (step_b) lb--, b = b_label >= 0 ? b : tree[b].parent, b_label = -1;
  }
  return first ? first : by_length;
}
static bool is_better(const search *s, const candidate *a, const candidate *b) {
  return a->total != b->total ? a->total > b->total : compare_labels(s->tree, a->node, a->label, b->node, b->label) < 0;
}

/* Sinks v[i] in a heap of n with the worst on top. */
static void sink(const search *s, candidate *v, int64_t n, int64_t i) {
  for (int64_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && is_better(s, &v[child], &v[child + 1])) child++;
    if (!is_better(s, &v[i], &v[child])) return;
    const candidate t = v[i];
    v[i] = v[child];
    v[child] = t;
  }
}
/* The best `keep` of n, the best first; returns how many. */
static int64_t select_best(const search *s, candidate *v, int64_t n, int64_t keep) {
  const int64_t k = n < keep ? n : keep;
  for (int64_t i = k / 2; i-- > 0;) sink(s, v, k, i);
  for (int64_t i = k; i < n; i++)
    if (is_better(s, &v[i], &v[0])) v[0] = v[i], sink(s, v, k, 0);
  for (int64_t i = k; i-- > 1;) {
    const candidate t = v[0];
    v[0] = v[i];
    v[i] = t;
    sink(s, v, i, 0);
  }
  return k;
}

/* Every prefix of the beam as it is, and with each label; a longer one that is in the beam already is joined with it. */
static int64_t extend(const search *s) {
  int64_t n = s->beams;
  for (int64_t i = 0; i < s->beams; i++) {
    const candidate *p = &s->beam[i];
    const int64_t last = s->tree[p->node].label;
    s->found[i] = (candidate){ p->node, -1, last >= 0 ? p->emit + s->x[last] : -INFINITY, log_add(p->emit, p->blank) + s->x[s->blank], 0 };
  }
  for (int64_t i = 0; i < s->beams; i++) {
    const candidate *p = &s->beam[i];
    for (int64_t k = 0; k < s->classes; k++)
      if (k != s->blank)
        s->found[n++] = (candidate){ p->node, k, (k == s->tree[p->node].label ? p->blank : log_add(p->emit, p->blank)) + s->x[k], -INFINITY, 0 };
  }
  for (int64_t i = 0; i < s->beams; i++) {
    const prefix *node = &s->tree[s->beam[i].node];
    const int64_t from = node->parent >= 0 ? s->place[node->parent] : -1;
    if (from < 0) continue;
    candidate *longer = &s->found[s->beams + from * (s->classes - 1) + node->label - (node->label > s->blank)];
    s->found[i].emit = log_add(s->found[i].emit, longer->emit);
    longer->emit = -INFINITY;
  }
  return n;
}

/* The best candidates become the beam. */
static void prune(search *s, int64_t n) {
  int64_t possible = 0;
  for (int64_t i = 0; i < s->beams; i++) s->place[s->beam[i].node] = -1;
  for (int64_t i = 0; i < n; i++) {
    candidate c = s->found[i];
    c.total = log_add(c.emit, c.blank);
    if (c.total > -INFINITY) s->found[possible++] = c;
  }
  s->beams = select_best(s, s->found, possible, s->width);
  for (int64_t i = 0; i < s->beams; i++) {
    candidate c = s->found[i];
    if (c.label >= 0) {
      s->tree[s->nodes] = (prefix){ c.node, c.label, s->tree[c.node].length + 1 };
      c.node = s->nodes++;
    }
    s->place[c.node] = i;
    s->beam[i] = c;
  }
}

/* The first frame: its best classes, whatever the length. */
static void start(search *s, int64_t b) {
  log_probabilities(s, b, 0);
  s->tree[0] = (prefix){ -1, -1, 0 };
  s->place[0] = 0;
  s->nodes = s->beams = 1;
  s->beam[0] = (candidate){ .node = 0 };
  for (int64_t k = 0; k < s->classes; k++) {
    const bool blank = k == s->blank;
    s->found[k] = (candidate){ 0, blank ? -1 : k, blank ? -INFINITY : s->x[k], blank ? s->x[k] : -INFINITY, 0 };
  }
  prune(s, s->classes);
}

static void search_sample(search *s, int64_t b) {
  const cn_call *c = s->call;
  const int64_t paths = c->y[0]->dims.d[0], batch = c->y[0]->dims.d[1], time = c->y[0]->dims.d[2];
  start(s, b);
  for (int64_t t = 1; t < length_at(c, b); t++) {
    log_probabilities(s, b, t);
    for (int64_t i = s->nodes; i < s->nodes + s->width; i++) s->place[i] = -1;
    prune(s, extend(s));
  }
  for (int64_t p = 0; p < paths; p++) {
    int32_t *y = (int32_t *)c->y[0]->data + (p * batch + b) * time;
    const bool there = p < s->beams;
    for (int64_t t = 0; t < time; t++) y[t] = -1;
    for (int64_t node = there ? s->beam[p].node : 0; node > 0; node = s->tree[node].parent) y[s->tree[node].length - 1] = (int32_t)s->tree[node].label;
    cni_value_set(c->y[1], b * paths + p, there ? s->beam[p].total : -INFINITY);
  }
}

static cn_code beam_search(const cn_call *c) {
  const cn_ctc_decode_args *o = c->args;
  const int64_t time = c->x[0]->dims.d[1], classes = c->x[0]->dims.d[2];
  size_t nodes, found, bytes;
  if (!cni_size_multiply((size_t)time + 2, (size_t)o->beam_width, &nodes) || !cni_size_multiply((size_t)classes + 1, (size_t)o->beam_width, &found) ||
      !cni_size_multiply(nodes + found + (size_t)o->beam_width + (size_t)classes + 1, sizeof(candidate), &bytes))
    return cn_fail(c->graph, CN_NO_MEMORY, "a beam of %lld is too large", (long long)o->beam_width);
  cni_buffer *b = cni_buffer_take(c->graph, bytes, false);
  if (!b) return CN_NO_MEMORY;
  search s = { .call = c, .width = o->beam_width, .classes = classes, .blank = blank_of(c), .tree = b->data };
  s.place = (int64_t *)(void *)(s.tree + nodes);
  s.beam = (candidate *)(void *)(s.place + nodes);
  s.found = s.beam + o->beam_width;
  s.x = (double *)(void *)(s.found + found);
  for (int64_t i = 0; i < c->x[1]->count; i++) search_sample(&s, i);
  cni_buffer_drop(c->graph, b, false);
  return CN_OK;
}

static cn_code forward(const cn_call *c) {
  if (searches(c)) return beam_search(c);
  for (int64_t b = 0; b < c->x[1]->count; b++) greedy(c, b);
  return CN_OK;
}

/* ---- reference: a list of spelt-out paths, in probabilities ---- */
#define LONGEST 16
typedef struct path { int32_t label[LONGEST]; int64_t length; double emit, blank; } path;

static double softmax_at(const cn_reference *r, int64_t b, int64_t t, int64_t k) {
  const int64_t *d = r->call->x[0]->dims.d;
  const double *x = r->x[0] + (b * d[1] + t) * d[2];
  double sum = 0;
  for (int64_t i = 0; i < d[2]; i++) sum += exp(x[i]);
  return exp(x[k]) / sum;
}
/* Adds probability to p, lengthened by `label` unless that is -1. */
static int64_t add_path(path *list, int64_t n, const path *p, int64_t label, double emit, double blank) {
  path q = *p;
  int64_t at = 0;
  if (label >= 0 && q.length < LONGEST) q.label[q.length++] = (int32_t)label;
  while (at < n && (list[at].length != q.length || memcmp(list[at].label, q.label, sizeof q.label) != 0)) at++;
  if (at == n) q.emit = q.blank = 0, list[n++] = q;
  list[at].emit += emit;
  list[at].blank += blank;
  return n;
}
static int more_probable(const void *a, const void *b) {
  const double p = ((const path *)a)->emit + ((const path *)a)->blank, q = ((const path *)b)->emit + ((const path *)b)->blank;
  return p > q ? -1 : p < q;
}
static void search_reference(const cn_reference *r, int64_t b) {
  const cn_ctc_decode_args *o = r->call->args;
  const int64_t *d = r->call->x[0]->dims.d, paths = r->call->y[0]->dims.d[0], blank = blank_of(r->call), frames = r->x[1][b] < 1 ? 1 : (int64_t)r->x[1][b];
  path *kept = calloc((size_t)((o->beam_width + 1) * (d[2] + 2)), 2 * sizeof *kept), *next = kept ? kept + (o->beam_width + 1) * (d[2] + 2) : NULL;
  int64_t n = 1;
  if (kept) kept->blank = 1;
  for (int64_t t = 0; kept && t < frames; t++) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++)
      for (int64_t k = 0; k < d[2]; k++) {
        const path *p = &kept[i];
        const double x = softmax_at(r, b, t, k), both = p->emit + p->blank;
        const bool repeats = p->length && p->label[p->length - 1] == k;
        if (k == blank) found = add_path(next, found, p, -1, 0, both * x);
        else found = add_path(next, found, p, k, (repeats ? p->blank : both) * x, 0);
        if (repeats) found = add_path(next, found, p, -1, p->emit * x, 0);
      }
    qsort(next, (size_t)found, sizeof *next, more_probable);
    n = found < o->beam_width ? found : o->beam_width;
    memcpy(kept, next, (size_t)n * sizeof *kept);
  }
  for (int64_t p = 0; kept && p < paths; p++) {
    const double total = p < n ? kept[p].emit + kept[p].blank : 0;
    for (int64_t t = 0; t < d[1]; t++) r->y[0][(p * d[0] + b) * d[1] + t] = total > 0 && t < kept[p].length ? kept[p].label[t] : -1;
    r->y[1][b * paths + p] = log(total);
  }
  free(kept);
}
static void greedy_reference(const cn_reference *r, int64_t b) {
  const int64_t *d = r->call->x[0]->dims.d, blank = blank_of(r->call);
  const bool merge = ((const cn_ctc_decode_args *)r->call->args)->merge_repeated;
  int64_t n = 0;
  for (int64_t t = 0; t < d[1]; t++) r->y[0][b * d[1] + t] = -1;
  for (int64_t t = 0; t < (int64_t)r->x[1][b]; t++) {
    int64_t best[2] = { 0, -1 }; /* of this frame and of the one before */
    for (int u = 0; u < 2 && u <= t; u++) {
      const double *x = r->x[0] + (b * d[1] + t - u) * d[2];
      best[u] = 0;
      for (int64_t k = 0; k < d[2]; k++) best[u] = x[k] > x[best[u]] ? k : best[u];
      if (!u) r->y[1][b] -= x[best[0]];
    }
    if (best[0] != blank && !(merge && best[0] == best[1])) r->y[0][b * d[1] + n++] = (double)best[0];
  }
}
static void reference(const cn_reference *r) {
  for (int64_t b = 0; b < r->call->x[1]->count; b++) searches(r->call) ? search_reference(r, b) : greedy_reference(r, b);
}

CN_OP(ctc_decode, CN_CTC_DECODE, .outputs = 2, .flags = CN_OP_NO_GRADIENT, .infer = infer, .check = check, .forward = forward, .reference = reference,
      .samples = CN_TEXTS("f[2,5,4], i[2]@3:6", "f[2,5,4], i[2]@0:6, merge_repeated=false", "f[1,7,3], l[1]@7:8, mask_index=2",
                          "f[2,6,3], i[2]@4:7, mask_index=None", "f[2,4,3], i[2]@4:5, strategy=beam_search, top_paths=3",
                          "f[1,3,3], i[1]@2:3, strategy=beam_search, top_paths=12, mask_index=1",
                          "f[2,5,3], f[2]@5:6, strategy=beam_search, beam_width=400, mask_index=None", "f[0,5,4], i[0]"),
      .rejects = CN_TEXTS("f[2,5], i[2] => must be [batch, time, classes] and [batch]", "f[2,5,4], i[3] => must be [batch, time, classes] and [batch]",
                          "i[2,5,4], i[2] => inputs must be float32 or float64",
                          "f[2,5,4], i[2]@6:7 => sequence length 6 of sample 0 is out of range for 5 frames",
                          "f[2,5,4], i[2]@1:2, strategy=best => strategy \"best\" is neither greedy nor beam_search",
                          "f[2,5,4], i[2]@1:2, mask_index=4 => mask_index 4 is none of 4 classes",
                          "f[2,5,4], i[2]@1:2, mask_index=-1 => mask_index -1 is none of 4 classes",
                          "f[2,5,4], i[2]@1:2, beam_width=0 => beam_width must be positive, got 0", "f[2,5,0], i[2] => no frame or no class",
                          "f[2,5,4], s[2] => lengths must be numbers"));
