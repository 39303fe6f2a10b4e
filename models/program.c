/* Making and running a functional model's program. */
#include "program_private.h"

/* ---- making ---- */
/* While it is made, tensor->sweep == walk says that tensor->uses is its value's number. */
typedef struct filling { cn_graph *g; cni_program *p; cni_stage *s; uint32_t walk; } filling;

static void feed(cn_tensor **at, void *user) {
  filling *f = user;
  const cn_tensor *t = *at;
  if (t && cni_given(t) && (t->flags & CNI_SYMBOLIC)) f->s->feeds[f->s->feeds_count++] = (cni_feed){ at, t->uses };
}
static void measure(int64_t *at, void *user) {
  filling *f = user;
  const cni_symbol *s = f->s->node->symbol;
  const cn_tensor *t = cni_size_tensor(f->g, *at);
  bool noted = false; /* else a number that has come to look like a size since the call */
  for (int64_t i = 0; i < s->sizes_count && !noted; i++) noted = s->sizes[i] == t;
  if (noted && f->s->measures_count < s->sizes_count) f->s->measures[f->s->measures_count++] = (cni_measure){ at, t->uses, cni_size_axis(*at) };
}

static bool fill_step(filling *f) {
  cni_stage *s = f->s;
  cn_node *n = s->node;
  cni_arena *arena = &f->p->arena;
  s->args = cni_args_copy(f->g, n->symbol->schema, n->args, arena);
  s->feeds = cni_arena_take(f->g, arena, (size_t)(n->nx + 1) * sizeof *s->feeds);
  s->measures = cni_arena_take(f->g, arena, (size_t)(n->symbol->sizes_count + 1) * sizeof *s->measures);
  if (!s->args || !s->feeds || !s->measures) return false;
  *(cn_graph **)s->args = f->g;
  cni_each_tensor(n->symbol->schema, s->args, feed, f);
  cni_each_size(f->g, n->symbol->schema, s->args, measure, f);
  s->first = (int32_t)f->p->values_count;
  for (int32_t i = 0; i < n->ny; i++) {
    if (!n->y[i] || n->y[i]->sweep == f->walk) continue; /* an output that is one of the model's inputs stays that */
    n->y[i]->sweep = f->walk;
    n->y[i]->uses = s->first + i;
  }
  f->p->values_count += n->ny;
  return true;
}

static bool fill(cn_graph *g, cni_program *p, uint32_t walk) {
  p->values_count = p->inputs_count;
  for (int64_t k = 0; k < p->steps_count; k++) {
    filling f = { g, p, &p->steps[k], walk };
    if (!fill_step(&f)) return false;
  }
  p->values = cni_arena_take(g, &p->arena, (size_t)(p->values_count + 1) * sizeof *p->values);
  p->results = cni_arena_take(g, &p->arena, (size_t)(p->outputs_count + 1) * sizeof *p->results);
  if (!p->values || !p->results) return false;
  memset(p->values, 0, (size_t)p->values_count * sizeof *p->values);
  for (int64_t i = 0; i < p->outputs_count; i++) p->results[i] = p->outputs[i]->uses;
  return true;
}

static cn_tensor **list_copy(cn_graph *g, cni_program *p, const cn_tensors *list) {
  cn_tensor **v = cni_arena_take(g, &p->arena, (size_t)(list->n + 1) * sizeof *v);
  if (v) memcpy(v, list->v, (size_t)list->n * sizeof *v);
  return v;
}

static bool name_inputs(cn_graph *g, cni_program *p) {
  p->wanted = cni_arena_take(g, &p->arena, (size_t)p->inputs_count * sizeof *p->wanted);
  p->input_names = cni_arena_take(g, &p->arena, (size_t)p->inputs_count * sizeof *p->input_names);
  if (!p->wanted || !p->input_names) return false;
  for (int64_t i = 0; i < p->inputs_count; i++) p->wanted[i] = (cn_sig){ (cn_dtype)p->inputs[i]->dtype, p->inputs[i]->dims };
  for (int64_t k = 0; k < p->parts_count; k++)
    if (p->parts[k].input >= 0) p->input_names[p->parts[k].input] = p->parts[k].name;
  return true;
}

static bool lists_ok(cn_graph *g, const cn_tensors *list, const char *what) {
  if (list->n < 1) return cn_fail(g, CN_VALUE, "Model: there are no %ss", what), false;
  for (int64_t i = 0; i < list->n; i++) {
    if (!list->v[i] || !cni_given(list->v[i]) || !cni_alive(g, list->v[i]))
      return cn_fail(g, CN_STATE, "Model: %s %lld is no live tensor of this graph", what, (long long)i), false;
    if (!(list->v[i]->flags & CNI_SYMBOLIC)) return cn_fail(g, CN_VALUE, "Model: %s %lld is not symbolic: begin with cn_Input", what, (long long)i), false;
  }
  return true;
}

static bool mark_inputs(cn_graph *g, cni_program *p, uint32_t walk) {
  for (int64_t i = 0; i < p->inputs_count; i++) {
    if (p->inputs[i]->sweep == walk) return cn_fail(g, CN_VALUE, "Model: inputs %d and %lld are one tensor", p->inputs[i]->uses, (long long)i), false;
    p->inputs[i]->sweep = walk;
    p->inputs[i]->uses = (int32_t)i;
  }
  return true;
}

cni_program *cni_program_new(cn_graph *g, const cn_tensors *inputs, const cn_tensors *outputs) {
  if (!lists_ok(g, inputs, "input") || !lists_ok(g, outputs, "output")) return NULL;
  cni_program *p = cni_alloc(g, sizeof *p);
  if (!p) return NULL;
  const uint32_t walk = ++g->walks;
  p->arena.tracked = true;
  p->inputs = list_copy(g, p, inputs);
  p->outputs = list_copy(g, p, outputs);
  p->inputs_count = inputs->n;
  p->outputs_count = outputs->n;
  if (p->inputs && p->outputs && mark_inputs(g, p, walk) && cni_program_order(g, p, walk) && name_inputs(g, p) && fill(g, p, walk)) return p;
  cni_program_free(g, p);
  return NULL;
}

void cni_program_free(cn_graph *g, cni_program *p) {
  if (!p) return;
  cni_arena_free(g, &p->arena);
  cni_free(g, p);
}

/* ---- running ---- */
cn_tensor *cni_fit_rank(cn_graph *g, const char *name, cn_tensor *x, const cn_dims *want) {
  const int r = x->dims.rank, w = want->rank;
  char a[160], b[160];
  if (r == w) return x;
  if (r == w + 1 && x->dims.d[w] == 1) return cn_squeeze(g, x, .axis = CN_INTS(-1));
  if (r == w - 1 && want->d[r] == 1) return cn_expand_dims(g, x, .axis = CN_INTS(-1));
  cn_fail(g, CN_SHAPE, "input \"%s\": expected shape %s, found %s", name, cn_dims_text(want, a, sizeof a), cn_dims_text(&x->dims, b, sizeof b));
  return NULL;
}

static bool sizes_fit(cn_graph *g, const char *name, const cn_tensor *x, const cn_dims *want) {
  char a[160], b[160];
  for (int i = 1; i < want->rank; i++) {
    if (x->dims.d[i] == want->d[i] || x->dims.d[i] == CN_UNKNOWN || want->d[i] == CN_UNKNOWN) continue;
    cn_fail(g, CN_SHAPE, "input \"%s\": expected shape %s, found %s", name, cn_dims_text(want, a, sizeof a), cn_dims_text(&x->dims, b, sizeof b));
    return false;
  }
  return true;
}

static bool take_input(cn_graph *g, cni_program *p, cn_layer *model, const cn_inputs *in, int64_t i) {
  const cn_sig *want = &p->wanted[i];
  cn_tensor *x = cni_fit_rank(g, p->input_names[i], in->x[i], &want->dims);
  if (!x || !sizes_fit(g, p->input_names[i], x, &want->dims)) return false;
  if ((cn_dtype)x->dtype != want->dtype && x->dtype != CN_STRING && want->dtype != CN_STRING) x = cn_cast(g, x, .dtype = cn_dtype_name(want->dtype));
  if (x && in->mask[i]) x = cni_with_mask(model, in, x, in->mask[i]);
  return (p->values[i] = x) != NULL;
}

/* The outputs of a layer's call, and their masks behind them. */
static bool run_layer(cni_program *p, const cni_stage *s, int64_t training) {
  cn_tensor *y[1 + CN_LAYER_OUTPUTS];
  int64_t n = 0;
  ((cn_call_args *)s->args)->training = training;
  if (!cn_call_layer(s->args, y, &n)) return false;
  const int64_t outputs = s->node->symbol->masks_first;
  for (int64_t i = 0; i < outputs && i < n; i++) {
    p->values[s->first + i] = y[i];
    if (s->node->ny > outputs) p->values[s->first + outputs + i] = cn_mask_of(y[i]);
  }
  return true;
}

static bool run_step(cn_graph *g, cni_program *p, const cni_stage *s, int64_t training) {
  for (int32_t k = 0; k < s->feeds_count; k++) {
    cn_tensor *x = p->values[s->feeds[k].value];
    *s->feeds[k].to = x ? x : CN_NO_TENSOR; /* a mask that there is none of */
  }
  for (int32_t k = 0; k < s->measures_count; k++) *s->measures[k].to = cn_dim(p->values[s->measures[k].value], s->measures[k].axis);
  if (s->node->symbol->layer) return run_layer(p, s, training);
  cn_tensor *const *y = cn_apply(g, s->node->op, s->args);
  if (!y[0]) return false;
  for (int32_t i = 0; i < s->node->ny; i++) p->values[s->first + i] = y[i];
  return true;
}

bool cni_program_again(cn_graph *g, cni_program *p, cn_tensor *const *inputs, cn_layer *const *layers, cn_tensor **y) {
  bool ok = true;
  for (int64_t i = 0; i < p->inputs_count; i++) p->values[i] = inputs[i];
  for (int64_t k = 0; k < p->steps_count && ok; k++) {
    cni_stage *s = &p->steps[k];
    cn_call_args *a = s->node->symbol->layer ? s->args : NULL;
    const int64_t training = a ? ((const cn_call_args *)s->node->args)->training : 0;
    if (a) a->layer = layers[s->part];
    else g->naming = s->node->symbol->name;
    ok = run_step(g, p, s, training);
    g->naming = NULL;
    if (!a && ok && p->values[s->first]->node) p->values[s->first]->node->symbol->class_name = s->node->symbol->class_name;
    if (a) a->layer = s->node->symbol->layer;
  }
  for (int64_t i = 0; i < p->outputs_count && ok; i++) y[i] = p->values[p->results[i]];
  return ok && cn_ok(g);
}

bool cni_program_run(cn_graph *g, cni_program *p, cn_layer *model, const cn_inputs *in, cn_tensor **y) {
  if (in->n != p->inputs_count) return cn_fail(g, CN_VALUE, "%lld inputs are given, the model has %lld", (long long)in->n, (long long)p->inputs_count), false;
  if (p->running) return cn_fail(g, CN_STATE, "the model is called inside itself"), false;
  p->running = true;
  bool ok = true;
  for (int64_t i = 0; i < p->inputs_count && ok; i++) ok = take_input(g, p, model, in, i);
  for (int64_t k = 0; k < p->steps_count && ok; k++) ok = run_step(g, p, &p->steps[k], in->training);
  for (int64_t i = 0; i < p->outputs_count && ok; i++) y[i] = p->values[p->results[i]];
  p->running = false;
  return ok && cn_ok(g);
}
